#include "base/banned.h"

#include "text_fixture.h"

/* --- by example ------------------------------------------------------------------- */

/* Scans and compares with "rule[start,end) …". */
static void expect(const kw *keywords, size_t count, pl_str text, const char *expected)
{
    db_fixture f = db_make(4, keywords, count);
    findings   found = scan(f.db, text);
    char       said[1024] = "";
    size_t     n = 0;

    for (size_t i = 0; i < found.n && n < sizeof said; i++)
        n += (size_t)snprintf(said + n, sizeof said - n, "%s%u[%llu,%llu)", i ? " " : "",
                              found.list[i].rule, (unsigned long long)found.list[i].start,
                              (unsigned long long)found.list[i].end);
    assert_string_equal(said, expected);
    findings_drop(&found);
    db_drop(&f);
}

#define EXPECT(keywords, text, expected)                                                          \
    expect(keywords, sizeof(keywords) / sizeof *(keywords), PL_STR(text), expected)

static void text_scan__finds_all_overlapping_by_end_start_rule(void **state)
{
    static const kw k[] = { { 0, PL_STR("he"), 0 },   { 1, PL_STR("she"), 0 },
                            { 2, PL_STR("hers"), 0 }, { 3, PL_STR("he"), 0 },
                            { 1, PL_STR("s"), 0 } };

    (void)state;
    EXPECT(k, "ushers", "1[1,2) 1[1,4) 0[2,4) 3[2,4) 2[2,6) 1[5,6)");
}

static void text_scan__finds_chinese_with_byte_offsets(void **state)
{
    static const kw k[] = { { 0, PL_STR("炸弹"), 0 }, { 1, PL_STR("自制炸弹"), 0 } };

    (void)state;
    EXPECT(k, "如何自制炸弹？", "1[6,18) 0[12,18)");
}

static void text_scan__sees_through_case_and_width(void **state)
{
    static const kw k[] = { { 0, PL_STR("Bomb２"), 0 }, { 1, PL_STR("\u00c9t\u00e9"), 0 } };

    (void)state;
    EXPECT(k, "BoMb2 ｂＯｍｂ２ \u00e9T\u00c9", "0[0,5) 0[6,21) 1[22,27)");
}

static void text_scan__counts_invisible_characters_to_the_match_around_them(void **state)
{
    static const kw k[] = { { 0, PL_STR("炸弹"), 0 } };

    (void)state;
    EXPECT(k, "\u200b炸\u200b\u00ad弹\u200b", "0[3,14)");
}

static void text_scan__treats_runs_of_blanks_as_one(void **state)
{
    static const kw k[] = { { 0, PL_STR(" pipe \t bomb "), 0 } };

    (void)state;
    EXPECT(k, "pipe bomb|pipe \r\n\u3000\u200b bomb|pipe|  pipe\u00a0bomb",
           "0[0,9) 0[10,28) 0[36,46)");
}

static void text_scan__skips_nul_bytes(void **state)
{
    static const kw k[] = { { 0, PL_STR("ab"), 0 } };

    (void)state;
    EXPECT(k, "\0a\0b\0", "0[1,4)");
}

static void text_scan__does_not_match_across_invalid_bytes(void **state)
{
    static const kw k[] = { { 0, PL_STR("ab"), 0 }, { 1, PL_STR("中"), 0 } };

    (void)state;
    EXPECT(k, "a\xff" "b \xff" "ab\xff \xe4\xb8 \xe4\xb8\xad\xe4\xb8", "0[5,7) 1[12,15)");
    EXPECT(k, "\xed\xa0\x80\xc0\xaf\xf4\x90\x80\x80" "ab", "0[9,11)");
}

static void text_scan__honours_word_boundaries(void **state)
{
    static const kw k[] = { { 0, PL_STR("ai"), PL_KEYWORD_WORD } };

    (void)state;
    EXPECT(k, "ai", "0[0,2)");
    EXPECT(k, "ai, AI; (ai)", "0[0,2) 0[4,6) 0[9,11)");
    EXPECT(k, "maid ail hai ai2 3ai", "");
    EXPECT(k, "\u00e9ai ai\u00e9 \u00c9ai ai\u1ebf", ""); /* Latin letters */
    EXPECT(k, "用ai写 \u0431ai", "0[3,5)");               /* Han does not touch */
    EXPECT(k, "ai\u200bd d\u200bai", "");                 /* nor does a zero width hide one */
    EXPECT(k, "ａｉ ａｉｄ", "0[0,6)");
    EXPECT(k, "d\xff" "ai\xff" "d", "0[2,4)");
}

static void text_scan__reports_in_order_when_a_word_must_wait(void **state)
{
    static const kw k[] = { { 0, PL_STR("b"), 0 },
                            { 1, PL_STR("a b"), PL_KEYWORD_WORD },
                            { 2, PL_STR("b"), PL_KEYWORD_WORD },
                            { 3, PL_STR("bc"), 0 } };

    (void)state;
    EXPECT(k, "a b.", "1[0,3) 0[2,3) 2[2,3)");
    EXPECT(k, "a bc", "0[2,3) 3[2,4)");
}

static void text_scan__keeps_count_of_long_invisible_runs(void **state)
{
    static const kw k[] = { { 0, PL_STR("zyxw"), PL_KEYWORD_WORD } };
    char            text[1024];

    (void)state;
    for (size_t run = 0; run < 300; run++) {
        char   expected[64];
        size_t n = (size_t)snprintf(text, sizeof text, "so q");

        for (size_t i = 0; i < run; i++, n += 2)
            memcpy(text + n, "\u00ad", 2);
        n += (size_t)snprintf(text + n, sizeof text - n, "zyxw -zyxw and so on");
        snprintf(expected, sizeof expected, "0[%zu,%zu)", n - 14, n - 10);
        expect(k, 1, (pl_str){ text, n }, expected);
    }
}

static void text_scan__finds_the_longest_keyword(void **state)
{
    char text[(PL_TEXT_CELLS_MAX + 2) * 4] = "x";
    char expected[64];
    kw   k = { 0, { text + 1, PL_TEXT_CELLS_MAX * 4 }, PL_KEYWORD_WORD };

    (void)state;
    for (size_t i = 0; i < PL_TEXT_CELLS_MAX; i++)
        (void)pl_utf8_encode(0x10400 + (uint32_t)i % 40, text + 1 + 4 * i);
    text[1 + k.text.n] = 'x';
    snprintf(expected, sizeof expected, "0[0,%d)", PL_TEXT_CELLS_MAX * 4);
    expect(&k, 1, k.text, expected);
    expect(&k, 1, (pl_str){ text, k.text.n + 1 }, ""); /* a letter before its first character */
}

static void text_scan__of_nothing_finds_nothing(void **state)
{
    static const kw k[] = { { 0, PL_STR("a"), 0 } };
    db_fixture      f = db_make(1, k, 1);
    findings        found = scan(f.db, (pl_str){ NULL, 0 });

    (void)state;
    assert_int_equal(found.n, 0);
    db_drop(&f);
}

/* --- streams ------------------------------------------------------------------------ */

static pl_text_stream *stream_new(const pl_textdb *db)
{
    pl_text_stream *s = malloc(pl_text_stream_size());

    assert_non_null(s);
    memset(s, 0xa5, pl_text_stream_size()); /* init must not rely on what was there */
    pl_text_stream_init(s, db);
    return s;
}

static void text_stream__is_small(void **state)
{
    (void)state;
    assert_true(pl_text_stream_size() <= 512);
}

static void text_stream__finds_a_character_split_across_pieces(void **state)
{
    static const kw k[] = { { 0, PL_STR("炸弹"), 0 } };
    db_fixture      f = db_make(1, k, 1);
    pl_text_stream *s = stream_new(f.db);
    findings        found = { 0 };

    (void)state;
    pl_text_stream_feed(s, PL_STR("x\xe7\x82"), findings_add, &found);
    assert_int_equal(pl_text_stream_safe(s), 1);
    pl_text_stream_feed(s, PL_STR("\xb8\xe5"), findings_add, &found);
    assert_int_equal(pl_text_stream_safe(s), 1);
    pl_text_stream_feed(s, PL_STR("\xbc"), findings_add, &found);
    assert_int_equal(found.n, 0);
    pl_text_stream_feed(s, PL_STR("\xb9"), findings_add, &found);
    assert_int_equal(found.n, 1);
    assert_int_equal(found.list[0].start, 1);
    assert_int_equal(found.list[0].end, 7);
    assert_int_equal(pl_text_stream_safe(s), 7);
    findings_drop(&found);
    free(s);
    db_drop(&f);
}

static void text_stream__holds_a_word_until_its_edge_is_known(void **state)
{
    static const kw k[] = { { 0, PL_STR("ai"), PL_KEYWORD_WORD } };
    db_fixture      f = db_make(1, k, 1);
    pl_text_stream *s = stream_new(f.db);
    findings        found = { 0 };

    (void)state;
    pl_text_stream_feed(s, PL_STR("so ai"), findings_add, &found);
    assert_int_equal(found.n, 0);
    assert_int_equal(pl_text_stream_safe(s), 3);
    pl_text_stream_feed(s, PL_STR("\u200b"), findings_add, &found);
    assert_int_equal(found.n, 0);
    assert_int_equal(pl_text_stream_safe(s), 3);
    pl_text_stream_feed(s, PL_STR("."), findings_add, &found);
    assert_int_equal(found.n, 1);
    assert_int_equal(pl_text_stream_safe(s), 9);
    pl_text_stream_feed(s, PL_STR(" ai"), findings_add, &found);
    assert_int_equal(pl_text_stream_safe(s), 10);
    pl_text_stream_finish(s, findings_add, &found);
    assert_int_equal(found.n, 2);
    assert_int_equal(found.list[1].start, 10);
    assert_int_equal(pl_text_stream_safe(s), 12);
    findings_drop(&found);
    free(s);
    db_drop(&f);
}

static void text_stream__starts_again_after_reset(void **state)
{
    static const kw k[] = { { 0, PL_STR("ab"), 0 } };
    db_fixture      f = db_make(1, k, 1);
    pl_text_stream *s = stream_new(f.db);
    findings        found = { 0 };

    (void)state;
    pl_text_stream_feed(s, PL_STR("xyz a"), findings_add, &found);
    pl_text_stream_reset(s);
    pl_text_stream_feed(s, PL_STR("b ab"), findings_add, &found);
    assert_int_equal(found.n, 1);
    assert_int_equal(found.list[0].start, 2);
    findings_drop(&found);
    free(s);
    db_drop(&f);
}

/* The gateway stops at the first severe finding; nothing after it may look safe. */
static void text_stream__stays_put_once_the_callback_stopped_it(void **state)
{
    static const kw k[] = { { 0, PL_STR("ab"), 0 }, { 1, PL_STR("ai"), PL_KEYWORD_WORD } };
    static const pl_str texts[] = { PL_STR("12 ab 45 ab"), PL_STR("12 ai 45 ai"),
                                    PL_STR("12 ai"), PL_STR("12 ai\xff 7") };
    db_fixture f = db_make(2, k, 2);

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        pl_text_stream *s = stream_new(f.db);
        findings        found = { .stop_after = 1 };

        pl_text_stream_feed(s, texts[i], findings_add, &found);
        pl_text_stream_feed(s, PL_STR(" ab ai "), findings_add, &found);
        pl_text_stream_finish(s, findings_add, &found);
        pl_text_stream_feed(s, PL_STR(" ab ai "), findings_add, &found);
        assert_int_equal(found.n, 1);
        assert_int_equal(found.list[0].start, 3);
        assert_int_equal(pl_text_stream_safe(s), 3);
        findings_drop(&found);
        free(s);
    }
    db_drop(&f);
}

static void text_stream__does_not_hold_for_ever(void **state)
{
    static const kw k[] = { { 0, PL_STR("ab"), 0 } };
    db_fixture      f = db_make(1, k, 1);
    char           *text = calloc(1, PL_TEXT_SPAN_MAX + 2); /* NUL is skipped like the invisible */

    (void)state;
    for (size_t n = PL_TEXT_SPAN_MAX; n <= PL_TEXT_SPAN_MAX + 1; n++) {
        pl_text_stream *s = stream_new(f.db);
        findings        found = { 0 };

        memset(text, 0, n);
        text[0] = 'a';
        text[n - 1] = 'b';
        pl_text_stream_feed(s, (pl_str){ text, n - 1 }, findings_add, &found);
        assert_int_equal(pl_text_stream_safe(s), 0);
        pl_text_stream_feed(s, (pl_str){ text + n - 1, 1 }, findings_add, &found);
        assert_int_equal(found.n, n <= PL_TEXT_SPAN_MAX);
        assert_int_equal(pl_text_stream_safe(s), n);
        findings_drop(&found);
        free(s);
    }
    free(text);
    db_drop(&f);
}

static void text_stream__lets_go_of_what_would_span_too_much(void **state)
{
    static const kw k[] = { { 0, PL_STR("ab"), 0 } };
    db_fixture      f = db_make(1, k, 1);
    pl_text_stream *s = stream_new(f.db);
    findings        found = { 0 };
    char           *text = calloc(1, PL_TEXT_SPAN_MAX);

    (void)state;
    pl_text_stream_feed(s, PL_STR("a"), findings_add, &found);
    pl_text_stream_feed(s, (pl_str){ text, PL_TEXT_SPAN_MAX }, findings_add, &found);
    assert_int_equal(pl_text_stream_safe(s), PL_TEXT_SPAN_MAX + 1);
    findings_drop(&found);
    free(text);
    free(s);
    db_drop(&f);
}

/* --- properties ---------------------------------------------------------------------- */

#define TEXT_MAX 2048

typedef struct world {
    rng        r;
    unsigned   flags; /* pl_textdb_flags */
    kw         keywords[48];
    char       bytes[48][64];
    size_t     count;
    db_fixture f;
    char      *text; /* exactly n bytes, so that ASan guards its end */
    size_t     n;
} world;

/* From one keyword over two letters to 48 over everything: the first make matches and
 * long skips likely, the last makes trouble likely. */
static void world_make(world *w)
{
    char     text[TEXT_MAX * 4];
    uint32_t kinds = 4 + rng_below(&w->r, NASTY_TEXT - 3);
    uint32_t longest = 1 + rng_below(&w->r, 8);

    w->count = 1 + rng_below(&w->r, 1 + rng_below(&w->r, 48));
    for (size_t i = 0; i < w->count; i++) {
        size_t   n = nasty_keyword(&w->r, w->bytes[i], 1 + rng_below(&w->r, longest), kinds);
        uint32_t rule = rng_below(&w->r, 4);

        /* By rule, because the builder merges the flags of equal pairs and the slow
         * matcher does not. */
        w->keywords[i] = (kw){ rule, { w->bytes[i], n }, rule % 2 ? PL_KEYWORD_WORD : 0 };
    }
    w->f = db_make_as(w->flags, 4, w->keywords, w->count);
    w->n = nasty_text(&w->r, text, rng_below(&w->r, TEXT_MAX / (1 + rng_below(&w->r, 64))), kinds);
    w->text = malloc(w->n ? w->n : 1);
    memcpy(w->text, text, w->n);
}

/* Some words of a combination. */
static pl_text_part part_of(world *w, pl_str out[3])
{
    size_t n = 1 + rng_below(&w->r, 3);

    for (size_t i = 0; i < n; i++)
        out[i] = w->keywords[rng_below(&w->r, (uint32_t)w->count)].text;
    return (pl_text_part){ out, n };
}

static void combination_add(world *w, pl_textdb_builder *b, uint32_t rule)
{
    pl_str              words[4][3];
    pl_text_part        all[3];
    pl_text_combination c = { .all = all, .all_n = 2 + rng_below(&w->r, 2),
                              .within = 1 + rng_below(&w->r, 30),
                              .flags = rule % 2 ? PL_KEYWORD_WORD : 0 };

    for (size_t i = 0; i < c.all_n; i++)
        all[i] = part_of(w, words[i]);
    if (rng_below(&w->r, 3) == 0)
        c.none = part_of(w, words[3]);
    assert_rc(pl_textdb_builder_combination(b, rule, &c, NULL), PL_OK);
}

/* A world of combinations, and of keywords and exceptions beside them. */
static void world_combine(world *w)
{
    pl_textdb_builder *b = NULL;
    pl_error           err = { 0 };

    world_make(w);
    db_drop(&w->f);
    assert_ok(pl_textdb_builder_new(&b, &err), &err);
    pl_textdb_builder_flags(b, w->flags);
    for (uint32_t i = 0; i < 6; i++) {
        char         id[8];
        uint32_t     index;
        pl_text_rule rule = { .category = PL_STR("c"), .severity = 1 };
        pl_str       word = w->keywords[rng_below(&w->r, (uint32_t)w->count)].text;

        rule.id = (pl_str){ id, (size_t)snprintf(id, sizeof id, "r%u", i) };
        assert_ok(pl_textdb_builder_rule(b, &rule, &index, &err), &err);
        if (rng_below(&w->r, 4) == 0)
            assert_rc(pl_textdb_builder_keyword(b, i, word, 0, NULL), PL_OK);
        else
            combination_add(w, b, i);
        if (rng_below(&w->r, 8) == 0)
            assert_rc(pl_textdb_builder_exception(b, word, 0, NULL), PL_OK);
    }
    assert_ok(pl_textdb_builder_finish(b, &w->f.bytes, &w->f.n, &err), &err);
    pl_textdb_builder_free(b);
    assert_ok(pl_textdb_open((pl_str){ w->f.bytes, w->f.n }, &w->f.db, &err), &err);
}

static void world_drop(world *w)
{
    db_drop(&w->f);
    free(w->text);
}

static void text_scan__agrees_with_a_slow_matcher_in_exact_databases(void **state)
{
    world  w = { .r = rng_seeded("slow matcher"), .flags = PL_TEXTDB_EXACT };
    size_t total = 0;

    (void)state;
    for (int round = 0; round < 600; round++) {
        world_make(&w);
        findings fast = scan(w.f.db, (pl_str){ w.text, w.n });
        findings slow = naive_scan(READ_BYTES, w.keywords, w.count, (pl_str){ w.text, w.n });

        total += slow.n;
        if (!findings_equal(&fast, &slow)) {
            findings_print("fast", &fast);
            findings_print("slow", &slow);
            fail_msg("round %d", round);
        }
        findings_drop(&fast);
        findings_drop(&slow);
        world_drop(&w);
    }
    print_message("# %zu findings\n", total);
    assert_true(total > 1000);
}

/* Words of letters that no disguise knows, no two of them alike in a row, single blanks. */
static size_t plain_text(rng *r, char *out, unsigned chars, bool blanks)
{
    static const char *const letters[] = { "a", "b", "中", "文", "c", "d", "主", "A", "D" };
    size_t                   n = 0;
    unsigned                 last = 99;

    while (chars > 0) {
        unsigned    i = rng_below(r, sizeof letters / sizeof *letters);
        const char *c = letters[i];

        i = i == 7 ? 0 : i == 8 ? 5 : i;
        if (i == last)
            continue;
        last = i;
        memcpy(out + n, c, strlen(c));
        n += strlen(c);
        if (blanks && chars > 1 && rng_below(r, 6) == 0)
            out[n++] = ' ';
        chars--;
    }
    return n;
}

static void plain_world(world *w)
{
    char text[TEXT_MAX * 4];

    w->count = 1 + rng_below(&w->r, 40);
    for (size_t i = 0; i < w->count; i++) {
        uint32_t rule = rng_below(&w->r, 4);
        size_t   n = plain_text(&w->r, w->bytes[i], 1 + rng_below(&w->r, 5), true);

        w->keywords[i] = (kw){ rule, { w->bytes[i], n }, rule % 2 ? PL_KEYWORD_WORD : 0 };
    }
    w->f = db_make(4, w->keywords, w->count);
    w->n = plain_text(&w->r, text, 1 + rng_below(&w->r, 600), true);
    w->text = malloc(w->n);
    memcpy(w->text, text, w->n);
}

/* What is found without a form is exactly what a reader without any knowledge of disguises
 * finds. */
static void text_scan__finds_what_is_plain_as_a_slow_matcher_does(void **state)
{
    world  w = { .r = rng_seeded("plain") };
    size_t total = 0;

    (void)state;
    for (int round = 0; round < 600; round++) {
        plain_world(&w);
        findings fast = scan(w.f.db, (pl_str){ w.text, w.n });
        findings slow = naive_scan(READ_PLAIN, w.keywords, w.count, (pl_str){ w.text, w.n });
        size_t   kept = 0;

        for (size_t i = 0; i < fast.n; i++)
            if (fast.list[i].form == 0)
                fast.list[kept++] = fast.list[i];
        fast.n = kept;
        total += slow.n;
        if (!findings_equal(&fast, &slow)) {
            findings_print("fast", &fast);
            findings_print("slow", &slow);
            fail_msg("round %d", round);
        }
        findings_drop(&fast);
        findings_drop(&slow);
        world_drop(&w);
    }
    print_message("# %zu findings\n", total);
    assert_true(total > 1000);
}

/* Feeds [0, n) in pieces of at most `most` bytes and checks what safe() promised. */
static findings feed_in_pieces(world *w, uint32_t most)
{
    pl_text_stream *s = stream_new(w->f.db);
    findings        found = { 0 };
    uint64_t        promised = 0;
    size_t          at = 0;

    while (at < w->n) {
        size_t piece = most == 1 ? 1 : rng_below(&w->r, most + 1), before = found.n;
        char  *copy;

        piece = piece < w->n - at ? piece : w->n - at;
        copy = malloc(piece ? piece : 1); /* dies after the call, as packets do */
        memcpy(copy, w->text + at, piece);
        pl_text_stream_feed(s, (pl_str){ copy, piece }, findings_add, &found);
        free(copy);
        at += piece;
        for (size_t i = before; i < found.n; i++)
            assert_true(found.list[i].start >= promised);
        assert_true(pl_text_stream_safe(s) >= promised);
        assert_true(pl_text_stream_safe(s) <= at);
        promised = pl_text_stream_safe(s);
    }
    size_t before = found.n;
    pl_text_stream_finish(s, findings_add, &found);
    for (size_t i = before; i < found.n; i++)
        assert_true(found.list[i].start >= promised);
    assert_int_equal(pl_text_stream_safe(s), w->n);
    free(s);
    return found;
}

static void text_stream__does_not_mind_how_the_text_is_cut(void **state)
{
    static const uint32_t most[] = { 1, 2, 3, 5, 9, 40, 400 };
    world                 w = { .r = rng_seeded("cuts") };

    (void)state;
    for (int round = 0; round < 300; round++) {
        w.flags = round % 4 == 0 ? PL_TEXTDB_EXACT : 0;
        world_make(&w);
        findings whole = scan(w.f.db, (pl_str){ w.text, w.n });

        for (size_t i = 0; i < sizeof most / sizeof *most; i++) {
            findings pieces = feed_in_pieces(&w, most[i]);

            if (!findings_equal(&whole, &pieces)) {
                findings_print("whole", &whole);
                findings_print("pieces", &pieces);
                fail_msg("round %d, pieces of at most %u bytes", round, most[i]);
            }
            findings_drop(&pieces);
        }
        findings_drop(&whole);
        world_drop(&w);
    }
}

static void text_stream__combines_however_the_text_is_cut(void **state)
{
    static const uint32_t most[] = { 1, 3, 40 };
    world                 w = { .r = rng_seeded("combinations") };
    size_t                total = 0;

    (void)state;
    for (int round = 0; round < 600; round++) {
        w.flags = round % 4 == 0 ? PL_TEXTDB_EXACT : 0;
        world_combine(&w);
        findings whole = scan(w.f.db, (pl_str){ w.text, w.n });

        total += whole.n;
        for (size_t i = 1; i < whole.n; i++)
            assert_true(finding_compare(&whole.list[i - 1], &whole.list[i]) <= 0);
        for (size_t i = 0; i < sizeof most / sizeof *most; i++) {
            findings pieces = feed_in_pieces(&w, most[i]);

            if (!findings_equal(&whole, &pieces)) {
                findings_print("whole", &whole);
                findings_print("pieces", &pieces);
                fail_msg("round %d, pieces of at most %u bytes", round, most[i]);
            }
            findings_drop(&pieces);
        }
        findings_drop(&whole);
        world_drop(&w);
    }
    assert_true(total > 1000);
}

/* Texts of several blocks of the block scanner, with the keywords all along. */
static void text_scan__agrees_with_streams_beyond_a_block(void **state)
{
    world w = { .r = rng_seeded("blocks") };

    (void)state;
    for (int round = 0; round < 12; round++) {
        char  *text = malloc(80000 * 4);
        size_t n = 0;

        w.flags = round % 4 == 3 ? PL_TEXTDB_EXACT : 0;
        world_make(&w);
        while (n < 60000) {
            const kw *k = &w.keywords[rng_below(&w.r, (uint32_t)w.count)];

            n += nasty_text(&w.r, text + n, rng_below(&w.r, 300), NASTY_TEXT);
            memcpy(text + n, k->text.p, k->text.n);
            n += k->text.n;
        }
        free(w.text);
        w.text = text;
        w.n = n;
        findings whole = scan(w.f.db, (pl_str){ w.text, w.n });
        findings pieces = feed_in_pieces(&w, 5000);

        assert_true(whole.n > 10);
        if (!findings_equal(&whole, &pieces))
            fail_msg("round %d: %zu and %zu findings", round, whole.n, pieces.n);
        findings_drop(&whole);
        findings_drop(&pieces);
        world_drop(&w);
    }
}

/* Whole texts are refused at a glance where streams read on: the same is found in every text of six of
 * these characters. */
static void text_scan__agrees_with_streams_on_every_short_text(void **state)
{
    enum { LETTERS = 7, LENGTH = 6 };
    static const char letters[LETTERS + 1] = "abO .-o";
    static const kw   k[] = { { 0, PL_STR("oob"), 0 },  { 1, PL_STR("ab"), 0 },    { 2, PL_STR("aabb"), 0 },
                              { 3, PL_STR("abo"), 0 },  { 0, PL_STR("a bo"), 0 },  { 1, PL_STR("abab"), 0 },
                              { 2, PL_STR("boob"), PL_KEYWORD_WORD }, { 3, PL_STR("bo"), PL_KEYWORD_WORD },
                              { 3, PL_STR("aboba"), 0 } };
    world             w = { .f = db_make(4, k, sizeof k / sizeof *k), .r = rng_seeded("short") };
    char              text[LENGTH];
    size_t            total = 0, all = 1;

    (void)state;
    for (int i = 0; i < LENGTH; i++)
        all *= LETTERS;
    w.text = text;
    w.n = LENGTH;
    for (size_t at = 0; at < all; at++) {
        size_t rest = at;

        for (int i = 0; i < LENGTH; i++, rest /= LETTERS)
            text[i] = letters[rest % LETTERS];
        findings whole = scan(w.f.db, (pl_str){ text, LENGTH }), pieces = feed_in_pieces(&w, LENGTH);

        if (!findings_equal(&whole, &pieces))
            fail_msg("'%.6s': %zu and %zu findings", text, whole.n, pieces.n);
        total += whole.n;
        findings_drop(&whole);
        findings_drop(&pieces);
    }
    assert_true(total > 10000);
    db_drop(&w.f);
}

/* Not only never too far, but never behind: what the gateway holds back is what a reader
 * waits for. */
static void text_stream__knows_exactly_what_is_safe(void **state)
{
    world w = { .r = rng_seeded("exactly safe"), .flags = PL_TEXTDB_EXACT };

    (void)state;
    for (int round = 0; round < 60; round++) {
        world_make(&w);
        w.n = w.n < 160 ? w.n : 160;
        pl_text_stream *s = stream_new(w.f.db);
        findings        found = { 0 };

        for (size_t at = 0; at < w.n; at++) {
            size_t expected = naive_safe(w.keywords, w.count, (pl_str){ w.text, at + 1 });

            pl_text_stream_feed(s, (pl_str){ w.text + at, 1 }, findings_add, &found);
            if (pl_text_stream_safe(s) != expected)
                fail_msg("round %d: %llu, expected %zu of %zu bytes", round,
                         (unsigned long long)pl_text_stream_safe(s), expected, at + 1);
        }
        findings_drop(&found);
        free(s);
        world_drop(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_scan__finds_all_overlapping_by_end_start_rule),
        cmocka_unit_test(text_scan__finds_chinese_with_byte_offsets),
        cmocka_unit_test(text_scan__sees_through_case_and_width),
        cmocka_unit_test(text_scan__counts_invisible_characters_to_the_match_around_them),
        cmocka_unit_test(text_scan__treats_runs_of_blanks_as_one),
        cmocka_unit_test(text_scan__skips_nul_bytes),
        cmocka_unit_test(text_scan__does_not_match_across_invalid_bytes),
        cmocka_unit_test(text_scan__honours_word_boundaries),
        cmocka_unit_test(text_scan__reports_in_order_when_a_word_must_wait),
        cmocka_unit_test(text_scan__keeps_count_of_long_invisible_runs),
        cmocka_unit_test(text_scan__finds_the_longest_keyword),
        cmocka_unit_test(text_scan__of_nothing_finds_nothing),
        cmocka_unit_test(text_stream__is_small),
        cmocka_unit_test(text_stream__finds_a_character_split_across_pieces),
        cmocka_unit_test(text_stream__holds_a_word_until_its_edge_is_known),
        cmocka_unit_test(text_stream__starts_again_after_reset),
        cmocka_unit_test(text_stream__stays_put_once_the_callback_stopped_it),
        cmocka_unit_test(text_stream__does_not_hold_for_ever),
        cmocka_unit_test(text_stream__lets_go_of_what_would_span_too_much),
        cmocka_unit_test(text_scan__agrees_with_a_slow_matcher_in_exact_databases),
        cmocka_unit_test(text_scan__finds_what_is_plain_as_a_slow_matcher_does),
        cmocka_unit_test(text_stream__does_not_mind_how_the_text_is_cut),
        cmocka_unit_test(text_stream__combines_however_the_text_is_cut),
        cmocka_unit_test(text_scan__agrees_with_streams_beyond_a_block),
        cmocka_unit_test(text_scan__agrees_with_streams_on_every_short_text),
        cmocka_unit_test(text_stream__knows_exactly_what_is_safe),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
