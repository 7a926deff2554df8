/* c2pa.hash.boxes: manifests put together by hand, as we write none of that kind. The digests are
 * taken over ranges that the test lays out itself. */
#include "c2pa_test.h"
#include "engine/media/c2pa/jumbf.h"

#include <openssl/evp.h>

#define LABEL "urn:c2pa:00000000-0000-4000-8000-000000000001"

typedef struct piece {
    const char *name; /* of the box; "C2PA": the store goes here */
    const char *bytes;
    size_t      n;
} piece;

#define P(name, bytes) { name, bytes, sizeof(bytes) - 1 }

static const piece jpeg[] = {
    P("SOI", "\xFF\xD8"),
    P("APP0", "\xFF\xE0\x00\x04JF"),
    P("C2PA", ""),
    P("DQT", "\xFF\xDB\x00\x03\x01"),
    P("SOF0", "\xFF\xC0\x00\x03\x02"),
    P("DHT", "\xFF\xC4\x00\x03\x03"),
    P("SOS", "\xFF\xDA\x00\x03\x04 data \xFF\x00 more \xFF\xD0 after a restart"),
    P("EOI", "\xFF\xD9"),
};
static const piece png[] = {
    P("PNGh", "\x89PNG\r\n\x1a\n"),
    P("IHDR", "\0\0\0\1IHDRxCRC1"),
    P("C2PA", ""),
    P("IDAT", "\0\0\0\4IDATabcdCRC2"),
    P("IDAT", "\0\0\0\2IDATefCRC3"),
    P("IEND", "\0\0\0\0IENDCRC4"),
};

static void sha256(pl_str s, uint8_t out[32])
{
    assert_int_equal(EVP_Digest(s.p, s.n, out, NULL, EVP_sha256(), NULL), 1);
}

static void put_hash(pl_buf *b, const uint8_t sum[32])
{
    pl_cbor_put_textz(b, "hash");
    pl_cbor_put_bytes(b, (pl_str){ (const char *)sum, 32 });
}

/* One entry for each piece. */
static void boxes_put(pl_buf *b, const piece *p, size_t n)
{
    uint8_t sum[32];

    pl_cbor_put_map(b, 2);
    pl_cbor_put_textz(b, "alg");
    pl_cbor_put_textz(b, "sha256");
    pl_cbor_put_textz(b, "boxes");
    pl_cbor_put_array(b, n);
    for (size_t i = 0; i < n; i++) {
        sha256((pl_str){ p[i].bytes, p[i].n }, sum);
        pl_cbor_put_map(b, 2);
        put_hash(b, sum);
        pl_cbor_put_textz(b, "names");
        pl_cbor_put_array(b, 1);
        pl_cbor_put_textz(b, p[i].name);
    }
}

static void super_put(pl_buf *out, const char *code, const char *label, pl_str content)
{
    size_t from = pl_jumbf_super_begin(out, code, pl_str_z(label)), box = pl_jumbf_box_begin(out, JUMBF_CBOR);

    pl_buf_put(out, content);
    pl_jumbf_end(out, box);
    pl_jumbf_end(out, from);
}

static void uri_put(pl_buf *c, const char *label, pl_str box)
{
    uint8_t sum[32];
    char    url[100];

    (void)snprintf(url, sizeof url, "self#jumbf=c2pa.assertions/%s", label);
    sha256((pl_str){ box.p + 8, box.n - 8 }, sum);
    pl_cbor_put_map(c, 2);
    pl_cbor_put_textz(c, "url");
    pl_cbor_put_textz(c, url);
    put_hash(c, sum);
}

static void claim_put(pl_buf *c, pl_str boxes, pl_str actions)
{
    pl_cbor_put_map(c, 4);
    pl_cbor_put_textz(c, "signature");
    pl_cbor_put_textz(c, "self#jumbf=/c2pa/" LABEL "/c2pa.signature");
    pl_cbor_put_textz(c, "instanceID");
    pl_cbor_put_textz(c, "xmp:iid:1");
    pl_cbor_put_textz(c, "created_assertions");
    pl_cbor_put_array(c, 2);
    uri_put(c, "c2pa.actions.v2", actions);
    uri_put(c, "c2pa.hash.boxes", boxes);
    pl_cbor_put_textz(c, "claim_generator_info");
    pl_cbor_put_map(c, 1);
    pl_cbor_put_textz(c, "name");
    pl_cbor_put_textz(c, "by hand");
}

static void actions_put(pl_buf *c)
{
    pl_cbor_put_map(c, 1);
    pl_cbor_put_textz(c, "actions");
    pl_cbor_put_array(c, 1);
    pl_cbor_put_map(c, 2);
    pl_cbor_put_textz(c, "action");
    pl_cbor_put_textz(c, "c2pa.created");
    pl_cbor_put_textz(c, "digitalSourceType");
    pl_cbor_put_textz(c, "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture");
}

static void signature_put(pl_buf *c, const cose_signer *s, pl_str claim)
{
    pl_buf   head = PL_BUF_INIT(8192), message = PL_BUF_INIT(16384);
    uint8_t  sig[COSE_SIG_MAX];
    pl_error err;

    pl_cose_protected(&head, s);
    pl_cose_to_be_signed(&message, "Signature1", pl_buf_str(&head), claim);
    assert_ok(s->sign(s->ctx, pl_buf_str(&message), sig, &err), &err);
    pl_cbor_put_array(c, 4);
    pl_cbor_put_bytes(c, pl_buf_str(&head));
    pl_cbor_put_map(c, 0);
    pl_cbor_put_null(c);
    pl_cbor_put_bytes(c, (pl_str){ (char *)sig, s->sig_n });
    pl_buf_done(&head);
    pl_buf_done(&message);
}

static void store_put(pl_buf *out, const piece *p, size_t n, const cose_signer *s)
{
    pl_buf boxes = PL_BUF_INIT(8192), actions = PL_BUF_INIT(8192), content = PL_BUF_INIT(8192);
    pl_buf claim = PL_BUF_INIT(8192), sig = PL_BUF_INIT(16384);
    size_t store, manifest, list;

    boxes_put(&content, p, n);
    super_put(&boxes, "cbor", "c2pa.hash.boxes", pl_buf_str(&content));
    pl_buf_clear(&content);
    actions_put(&content);
    super_put(&actions, "cbor", "c2pa.actions.v2", pl_buf_str(&content));
    claim_put(&claim, pl_buf_str(&boxes), pl_buf_str(&actions));
    signature_put(&sig, s, pl_buf_str(&claim));
    store = pl_jumbf_super_begin(out, "c2pa", PL_STR("c2pa"));
    manifest = pl_jumbf_super_begin(out, "c2ma", PL_STR(LABEL));
    list = pl_jumbf_super_begin(out, "c2as", PL_STR("c2pa.assertions"));
    pl_buf_put(out, pl_buf_str(&actions));
    pl_buf_put(out, pl_buf_str(&boxes));
    pl_jumbf_end(out, list);
    super_put(out, "c2cl", "c2pa.claim.v2", pl_buf_str(&claim));
    super_put(out, "c2cs", "c2pa.signature", pl_buf_str(&sig));
    pl_jumbf_end(out, manifest);
    pl_jumbf_end(out, store);
    pl_buf_done(&boxes);
    pl_buf_done(&actions);
    pl_buf_done(&content);
    pl_buf_done(&claim);
    pl_buf_done(&sig);
}

static void be(pl_buf *b, size_t v, int n)
{
    for (int i = n; i-- > 0;)
        pl_buf_putc(b, (char)(v >> (8 * i)));
}

/* The file; *range: where the store is in it. */
static void file_put(pl_buf *f, const piece *p, size_t n, pl_str store, bool is_png, pl_media_range *range)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(p[i].name, "C2PA") != 0) {
            pl_buf_put(f, (pl_str){ p[i].bytes, p[i].n });
            continue;
        }
        range->at = f->n;
        if (is_png) {
            be(f, store.n, 4);
            pl_buf_puts(f, "caBX");
        } else {
            be(f, 0xFFEB, 2);
            be(f, store.n + 10, 2);
            pl_buf_puts(f, "JP\x02\x11");
            be(f, 1, 4);
        }
        pl_buf_put(f, store);
        if (is_png)
            be(f, 0, 4);
        range->n = f->n - range->at;
    }
}

/* The one code of the hash. */
static const char *judged(pl_str file, pl_str store, pl_media_range range, bool is_png)
{
    static const char *const codes[] = { "assertion.boxesHash.match", "assertion.boxesHash.mismatch",
                                         "assertion.boxesHash.malformed", "assertion.boxesHash.unknownBox" };
    pl_media_io        io = test_io(&file);
    c2pa_asset         asset = { &io, is_png ? PL_MEDIA_PNG : PL_MEDIA_JPEG, &range, 1 };
    c2pa_how           how = { .now_ms = TEST_NOW_MS };
    pl_arena          *a = pl_arena_new(64u << 20);
    const c2pa_report *r = NULL;
    const char        *found = "none";
    pl_error           err;

    assert_ok(pl_c2pa_check(store, &asset, &how, a, &r, &err), &err);
    for (size_t i = 0; i < r->codes_n; i++)
        for (size_t k = 0; k < 4; k++)
            if (strcmp(r->codes[i].code, codes[k]) == 0)
                found = codes[k];
    assert_int_equal(r->integrity == C2PA_INTACT, found == codes[0]);
    pl_arena_free(a);
    return found;
}

static void run(const piece *p, size_t n, bool is_png)
{
    test_identity  id = { 0 };
    pl_buf         store = PL_BUF_INIT(64u << 10), f = PL_BUF_INIT(64u << 10);
    pl_media_range range = { 0, 0 };

    test_identity_new(&id, -7, "emailProtection");
    store_put(&store, p, n, &id.signer);
    file_put(&f, p, n, pl_buf_str(&store), is_png, &range);
    assert_string_equal(judged(pl_buf_str(&f), pl_buf_str(&store), range, is_png), "assertion.boxesHash.match");
    /* A changed byte of each piece but the head of a chunk or segment. */
    for (size_t i = f.n - 12; i < f.n - 2; i++) {
        if (is_png && i < f.n - 4)
            continue;
        f.p[i] ^= 1;
        assert_string_not_equal(judged(pl_buf_str(&f), pl_buf_str(&store), range, is_png), "assertion.boxesHash.match");
        f.p[i] ^= 1;
    }
    /* One piece more than the list has. */
    pl_buf_clear(&f);
    for (size_t i = 0; i < n; i++) {
        pl_media_range unused;

        file_put(&f, &p[i], 1, pl_buf_str(&store), is_png, strcmp(p[i].name, "C2PA") == 0 ? &range : &unused);
        if (i == n - 2)
            file_put(&f, &p[1], 1, pl_buf_str(&store), is_png, &unused);
    }
    assert_string_equal(judged(pl_buf_str(&f), pl_buf_str(&store), range, is_png), "assertion.boxesHash.unknownBox");
    /* The file ends too early. */
    pl_buf_clear(&f);
    file_put(&f, p, n - 1, pl_buf_str(&store), is_png, &range);
    assert_string_not_equal(judged(pl_buf_str(&f), pl_buf_str(&store), range, is_png), "assertion.boxesHash.match");
    pl_buf_done(&store);
    pl_buf_done(&f);
    test_identity_free(&id);
}

/* PROVES: C2PA-2.2/15.12.3 */
static void hash_boxes__covers_every_part_of_a_jpeg(void **state)
{
    (void)state;
    run(jpeg, sizeof jpeg / sizeof jpeg[0], false);
}

static void hash_boxes__covers_every_part_of_a_png(void **state)
{
    (void)state;
    run(png, sizeof png / sizeof png[0], true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hash_boxes__covers_every_part_of_a_jpeg),
        cmocka_unit_test(hash_boxes__covers_every_part_of_a_png),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
