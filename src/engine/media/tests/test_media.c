/* Small files made here, byte by byte from the formats' specifications.
 * PROVES: TC260-PG-20257A/6.1.1
 * PROVES: TC260-PG-20257A/mkv
 * PROVES: TC260-PG-20257A/flv
 * PROVES: TC260-PG-20257A/avi
 * PROVES: TC260-PG-202510A/wav
 * PROVES: TC260-PG-202510A/m4a
 * PROVES: TC260-PG-20258A/6.5
 * PROVES: TC260-PG-20259A/xmp
 * PROVES: GB45438-2025/6.1(c) */
#include "media_test.h"

#define BYTES(lit) ((pl_str){ (lit), sizeof(lit) - 1 })

/* A movie box with one table that points at the samples behind it. */
#define STCO "\0\0\0\x14stco\0\0\0\0\0\0\0\x01\0\0\0\x54"
static const pl_str mp4 = BYTES("\0\0\0\x10" "ftypisom\0\0\0\0"
                                "\0\0\0\x3C" "moov" "\0\0\0\x34" "trak" "\0\0\0\x2C" "mdia"
                                "\0\0\0\x24" "minf" "\0\0\0\x1C" "stbl" STCO
                                "\0\0\0\x0C" "mdat" "WXYZ");
static const pl_str wav = BYTES("RIFF\x28\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1F\0\0\x40\x1F\0\0\1\0\x08\0"
                                "data\4\0\0\0abcd");
static const pl_str avi = BYTES("RIFF\x1C\0\0\0AVI LIST\4\0\0\0hdrlLIST\4\0\0\0movi");
static const pl_str mkv = BYTES("\x1A\x45\xDF\xA3\x8B\x42\x82\x88matroska"
                                "\x18\x53\x80\x67\x97"
                                "\x11\x4D\x9B\x74\x8B\x4D\xBB\x88\x53\xAC\x81\x10\x53\xAB\x81\0"
                                "\x1F\x43\xB6\x75\x82\xE7\x80");
static const pl_str flv = BYTES("FLV\1\5\0\0\0\x09\0\0\0\0"
                                "\x08\0\0\1\0\0\0\0\0\0\0x\0\0\0\x0C");

static const struct {
    const char *name;
    const pl_str *bytes;
    pl_media_format format;
    const char *carrier;
} made[] = {
    { "a.mp4", &mp4, PL_MEDIA_MP4, "mp4.keys" },
    { "a.wav", &wav, PL_MEDIA_WAV, "wav.aigc" },
    { "a.avi", &avi, PL_MEDIA_AVI, "avi.info" },
    { "a.mkv", &mkv, PL_MEDIA_MKV, "mkv.tag" },
    { "a.flv", &flv, PL_MEDIA_FLV, "flv.metadata" },
};

static void plan__labels_each_made_file_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++) {
        pl_media_io     io = pl_media_io_of(made[i].bytes);
        pl_media_format f;
        pl_str          once, twice;
        pl_error        err = { 0 };
        assert_ok(pl_media_detect(&io, NULL, &f, &err), &err);
        assert_int_equal(f, made[i].format);
        assert_ok(mt_label(*made[i].bytes, made[i].name, LABEL, &once, &err), &err);
        assert_ok(mt_label(once, made[i].name, LABEL, &twice, &err), &err);
        assert_int_equal(twice.n, once.n);
        free((void *)(uintptr_t)once.p);
        free((void *)(uintptr_t)twice.p);
    }
}

/* ISO/IEC 14496-12 §8.7.5: stco holds offsets from the start of the file. */
static void mp4__moves_the_offsets_of_samples_behind_the_movie_box(void **state)
{
    pl_str   out;
    pl_error err = { 0 };

    (void)state;
    assert_memory_equal(mp4.p + 0x54, "WXYZ", 4);
    assert_ok(mt_label(mp4, "a.mp4", LABEL, &out, &err), &err);
    const char *stco = memmem(out.p, out.n, "stco", 4);
    assert_non_null(stco);
    size_t at = (size_t)((uint8_t)stco[14] << 8 | (uint8_t)stco[15]);
    assert_memory_equal(out.p + at, "WXYZ", 4);
    free((void *)(uintptr_t)out.p);
}

/* RFC 9559 §5.1.1: SeekPosition counts from the first byte of the segment's content. */
static void mkv__moves_the_positions_behind_the_label(void **state)
{
    pl_str   out;
    pl_error err = { 0 };

    (void)state;
    assert_ok(mt_label(mkv, "a.mkv", LABEL, &out, &err), &err);
    const char *cluster = memmem(out.p, out.n, "\x1F\x43\xB6\x75", 4);
    const char *segment = memmem(out.p, out.n, "\x18\x53\x80\x67", 4);
    const char *seek = memmem(out.p, out.n, "\x53\xAC\x81", 3);
    assert_non_null(cluster);
    assert_non_null(segment);
    size_t size_n = (size_t)(1 + __builtin_clz((unsigned)(uint8_t)segment[4] << 24));
    /* One byte cannot hold the new position, so the label went to the end and it still holds. */
    assert_int_equal((uint8_t)seek[3], cluster - (segment + 4 + size_n));
    free((void *)(uintptr_t)out.p);
}

static void wav__says_its_new_size(void **state)
{
    pl_str   out;
    pl_error err = { 0 };

    (void)state;
    assert_ok(mt_label(wav, "a.wav", LABEL, &out, &err), &err);
    uint32_t n = (uint8_t)out.p[4] | (uint32_t)(uint8_t)out.p[5] << 8;
    assert_int_equal(n, out.n - 8);
    assert_memory_equal(out.p + wav.n, "AIGC", 4);
    free((void *)(uintptr_t)out.p);
}

static void markdown__has_front_matter_of_seven_lines(void **state)
{
    pl_str   out;
    pl_error err = { 0 };

    (void)state;
    assert_ok(mt_label(PL_STR("# Title\n\ntext\n"), "a.md", LABEL, &out, &err), &err);
    assert_true(pl_str_starts(out, PL_STR("---\nAIGC:\n  Label: '1'\n  ContentProducer: '001191110102MAD55U9H0F10002'\n")));
    assert_true(pl_str_ends(out, PL_STR("---\n# Title\n\ntext\n")));
    free((void *)(uintptr_t)out.p);
    assert_ok(mt_label(PL_STR("---\r\ntitle: x\r\n---\r\nbody"), "a.md", LABEL, &out, &err), &err);
    assert_true(pl_str_starts(out, PL_STR("---\r\nAIGC:\r\n  Label: '1'\r\n")));
    assert_non_null(memmem(out.p, out.n, "title: x\r\n---\r\nbody", 19));
    free((void *)(uintptr_t)out.p);
}

/* As an assistant wrote it in 2025: at the end, not in front (reference §3.2). */
static void markdown__finds_a_label_at_the_end(void **state)
{
    const pl_str   text = PL_STR("text\n\n---\nAIGC:\n  Label: '1'\n  ProduceID: 'p'\n---\n");
    pl_media_io    io = pl_media_io_of(&text);
    pl_media      *m = mt_scan(&io, "a.md");
    const pl_media_item *it = NULL;

    (void)state;
    assert_int_equal(mt_labels(m, &it), 1);
    assert_true(it->flags & PL_MEDIA_MISPLACED);
    assert_str(it->value, "{\"Label\":\"1\",\"ProduceID\":\"p\"}");
    pl_media_free(m);
}

static void html__and_json_and_svg_carry_the_label(void **state)
{
    static const char *const docs[][2] = {
        { "a.html", "<!DOCTYPE html><html><head><meta charset=\"utf-8\"><title>t</title></head><body>x</body></html>" },
        { "b.html", "<p>fragment</p>" },
        { "a.json", "{\"a\":1}" },
        { "b.json", "{ }" },
        { "a.svg", "<svg xmlns=\"http://www.w3.org/2000/svg\"><path/></svg>" },
        { "b.svg", "<svg xmlns=\"http://www.w3.org/2000/svg\"/>" },
        { "c.svg", "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">"
                   "<metadata><rdf:RDF><x xmlns=\"urn:x\"/></rdf:RDF></metadata></svg>" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof docs / sizeof docs[0]; i++) {
        pl_str   once, twice;
        pl_error err = { 0 };
        assert_ok(mt_label(pl_str_z(docs[i][1]), docs[i][0], LABEL, &once, &err), &err);
        assert_ok(mt_label(once, docs[i][0], LABEL, &twice, &err), &err);
        assert_true(pl_str_eq(once, twice));
        free((void *)(uintptr_t)once.p);
        free((void *)(uintptr_t)twice.p);
    }
}

/* --- XMP -------------------------------------------------------------------------------------- */

#define XMP(inner)                                                                                 \
    "<svg xmlns=\"http://www.w3.org/2000/svg\"><metadata>"                                         \
    "<rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">" inner                    \
    "</rdf:RDF></metadata></svg>"

static size_t xmp_labels(const char *doc, const pl_media_item **it, pl_media **m)
{
    static pl_str bytes;

    bytes = pl_str_z(doc);
    static pl_media_io io;
    io = pl_media_io_of(&bytes);
    *m = mt_scan(&io, "a.svg");
    return mt_labels(*m, it);
}

static void xmp__is_read_by_namespace_in_both_forms(void **state)
{
    static const char *const docs[] = {
        XMP("<rdf:Description xmlns:q=\"http://www.tc260.org.cn/ns/AIGC/1.0/\"><q:AIGC>{&quot;Label&quot;:&quot;1&quot;}</q:AIGC></rdf:Description>"),
        XMP("<rdf:Description xmlns:TC260=\"http://www.tc260.org.cn/ns/AIGC/1.0/\" TC260:AIGC=\"{&quot;Label&quot;:&quot;1&quot;}\"/>"),
        XMP("<rdf:Description xmlns:TC260=\"http://www.tc260.org.cn/ns/AIGC/1.0/\"><TC260:AIGC><![CDATA[{\"Label\":\"1\"}]]></TC260:AIGC></rdf:Description>"),
    };
    const pl_media_item *it = NULL;
    pl_media            *m;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        pl_str   out;
        pl_error err = { 0 };
        assert_int_equal(xmp_labels(docs[i], &it, &m), 1);
        assert_str(it->value, "{\"Label\":\"1\"}");
        assert_string_equal(it->carrier, "svg.xmp");
        pl_media_free(m);
        assert_ok(mt_label(pl_str_z(docs[i]), "a.svg", LABEL, &out, &err), &err);
        free((void *)(uintptr_t)out.p);
    }
}

static void xmp__tells_a_wrong_namespace(void **state)
{
    const pl_media_item *it = NULL;
    pl_media            *m;

    (void)state;
    assert_int_equal(xmp_labels(XMP("<rdf:Description xmlns:TC260=\"https://www.tc260.org.cn/ns/AIGC/1.0\"><TC260:AIGC>{\"Label\":\"1\"}</TC260:AIGC></rdf:Description>"), &it, &m), 1);
    assert_string_equal(it->carrier, "svg.xmp.wrong-namespace");
    pl_media_free(m);
}

static void xmp__refuses_entities(void **state)
{
    static const char bomb[] = "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]>"
                               "<svg xmlns=\"http://www.w3.org/2000/svg\">&b;</svg>";
    const pl_media_item *it = NULL;
    pl_media            *m;

    (void)state;
    assert_int_equal(xmp_labels(bomb, &it, &m), 0);
    assert_int_equal(pl_media_state_of(m), PL_MEDIA_MALFORMED);
    pl_media_free(m);
}

/* --- several labels ------------------------------------------------------------------------------ */

static void wav__lists_labels_that_disagree_and_keeps_one(void **state)
{
    static const char two[] = "RIFF\x48\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1F\0\0\x40\x1F\0\0\1\0\x08\0"
                              "AIGC\x08\0\0\0{\"L\":1 }AIGC\x08\0\0\0{\"L\":2 }data\4\0\0\0abcd";
    pl_str         bytes = { two, sizeof two - 1 }, out;
    pl_media_io    io = pl_media_io_of(&bytes);
    pl_media      *m = mt_scan(&io, "a.wav");
    const pl_media_item *it = NULL;
    pl_error       err = { 0 };

    (void)state;
    assert_int_equal(mt_labels(m, &it), 2);
    pl_media_free(m);
    assert_ok(mt_label(bytes, "a.wav", LABEL, &out, &err), &err);
    assert_null(memmem(out.p, out.n, "{\"L\":1", 6)); /* nothing of the old ones stays */
    assert_non_null(memmem(out.p, out.n, "data\4\0\0\0abcd", 12));
    free((void *)(uintptr_t)out.p);
}

/* --- bounds -------------------------------------------------------------------------------------- */

static void riff__stops_in_lists_nested_too_deep(void **state)
{
    pl_buf      b = PL_BUF_INIT(1u << 20);
    pl_media   *m;

    (void)state;
    pl_buf_put(&b, BYTES("RIFF\0\0\0\0AVI "));
    for (int i = 0; i < 1000; i++) {
        uint32_t n = (uint32_t)(12 * (1000 - i) - 8);
        pl_buf_puts(&b, "LIST");
        pl_buf_put(&b, (pl_str){ (char[]){ (char)n, (char)(n >> 8), (char)(n >> 16), 0 }, 4 });
        pl_buf_puts(&b, "hdrl");
    }
    pl_str      bytes = pl_buf_str(&b);
    pl_media_io io = pl_media_io_of(&bytes);
    b.p[4] = (char)((b.n - 8) & 0xFF);
    b.p[5] = (char)((b.n - 8) >> 8);
    m = mt_scan(&io, "a.avi");
    assert_int_equal(pl_media_state_of(m), PL_MEDIA_LIMITED);
    pl_media_free(m);
    pl_buf_done(&b);
}

static pl_media_state state_of(pl_str bytes, const char *name)
{
    pl_media_io    io = pl_media_io_of(&bytes);
    pl_media      *m = mt_scan(&io, name);
    pl_media_state state = pl_media_state_of(m);

    pl_media_free(m);
    return state;
}

/* Tags that leave their size open would take in all that is put behind them. */
static void mkv__elements_without_a_size_end_the_walk(void **state)
{
    (void)state;
    assert_int_equal(state_of(BYTES("\x1A\x45\xDF\xA3\x8B\x42\x82\x88matroska" "\x18\x53\x80\x67\xFF"
                                    "\x1F\x43\xB6\x75\x82\xE7\x80" "\x12\x54\xC3\x67\xFF"), "a.mkv"),
                     PL_MEDIA_MALFORMED);
    assert_int_equal(state_of(BYTES("\x1A\x45\xDF\xA3\x8B\x42\x82\x88matroska" "\x18\x53\x80\x67\xFF"
                                    "\x1F\x43\xB6\x75\xFF\xE7\x80"), "a.mkv"),
                     PL_MEDIA_WHOLE);
}

#define DS64 "ds64\x1C\0\0\0" "\x4C\0\0\0\0\0\0\0" "\4\0\0\0\0\0\0\0" "\0\0\0\0\0\0\0\0" "\0\0\0\0"
#define FMT "fmt \x10\0\0\0\1\0\1\0\x40\x1F\0\0\x40\x1F\0\0\1\0\x08\0"

/* The size of a RIFF file stands in its header, whatever a chunk named ds64 says. */
static void riff__sizes_stand_in_ds64_of_rf64_only(void **state)
{
    static const pl_str files[] = {
        BYTES("RF64\xFF\xFF\xFF\xFF" "WAVE" DS64 FMT "data\xFF\xFF\xFF\xFF" "abcd"),
        BYTES("RIFF\x4C\0\0\0" "WAVE" DS64 FMT "data\4\0\0\0" "abcd"),
    };
    pl_error err = { 0 };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        pl_str out;
        assert_ok(mt_label(files[i], "a.wav", LABEL, &out, &err), &err);
        assert_int_equal((uint8_t)out.p[i == 0 ? 20 : 4] | (uint8_t)out.p[i == 0 ? 21 : 5] << 8, out.n - 8);
        assert_int_equal((uint8_t)out.p[i == 0 ? 4 : 20], i == 0 ? 0xFF : 0x4C); /* the other stays */
        free((void *)(uintptr_t)out.p);
    }
}

/* A reader that says it is 8 TiB long: what is read of it is little. */
static uint64_t asked;
static pl_rc huge_read(void *ctx, uint64_t at, void *p, size_t n, pl_error *err)
{
    const pl_str *head = ctx;

    (void)err;
    asked += n;
    memset(p, 0, n);
    if (at < head->n)
        memcpy(p, head->p + at, head->n - at < n ? (size_t)(head->n - at) : n);
    return PL_OK;
}

static void mp4__of_any_size_is_planned_in_little_memory(void **state)
{
    static const char head[] = "\0\0\0\x10" "ftypisom\0\0\0\0" "\0\0\0\1mdat\0\0\x08\0\0\0\0\0";
    pl_str            h = { head, sizeof head - 1 };
    uint64_t          data = 0x80000000000ull;
    pl_media_io       io = { &h, 16 + data, huge_read };
    pl_media         *m = mt_scan(&io, "a.mp4");

    (void)state;
    assert_true(asked < (1u << 20));
    assert_int_equal(pl_media_state_of(m), PL_MEDIA_TRUNCATED); /* no movie box */
    pl_media_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plan__labels_each_made_file_once),
        cmocka_unit_test(mp4__moves_the_offsets_of_samples_behind_the_movie_box),
        cmocka_unit_test(mkv__moves_the_positions_behind_the_label),
        cmocka_unit_test(wav__says_its_new_size),
        cmocka_unit_test(markdown__has_front_matter_of_seven_lines),
        cmocka_unit_test(markdown__finds_a_label_at_the_end),
        cmocka_unit_test(html__and_json_and_svg_carry_the_label),
        cmocka_unit_test(xmp__is_read_by_namespace_in_both_forms),
        cmocka_unit_test(xmp__tells_a_wrong_namespace),
        cmocka_unit_test(xmp__refuses_entities),
        cmocka_unit_test(wav__lists_labels_that_disagree_and_keeps_one),
        cmocka_unit_test(riff__stops_in_lists_nested_too_deep),
        cmocka_unit_test(mkv__elements_without_a_size_end_the_walk),
        cmocka_unit_test(riff__sizes_stand_in_ds64_of_rf64_only),
        cmocka_unit_test(mp4__of_any_size_is_planned_in_little_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
