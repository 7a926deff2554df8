#include "base/banned.h"

#include "pl_test.h"

#include "engine/text/lits.h"

#include <stdbool.h>

enum { PATHS = 3, TEXT_MAX = 20000, FOUND_MAX = 400000 };

static uint64_t seed;

static uint32_t rnd(uint32_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((seed >> 33) % n);
}

/* --- expectations by brute force --------------------------------------------------------------- */

typedef struct hit {
    uint32_t lit, n;
    size_t   end;
} hit;

typedef struct hits {
    hit   *at;
    size_t n, stop;
} hits;

static int hits_add(void *ctx, uint32_t lit, size_t end)
{
    hits *h = ctx;

    assert_true(h->n < FOUND_MAX);
    h->at[h->n++] = (hit){ .lit = lit, .end = end };
    return h->n == h->stop;
}

static hits hits_new(void)
{
    return (hits){ .at = malloc(FOUND_MAX * sizeof(hit)), .stop = SIZE_MAX };
}

static int by_end_then_length(const void *a, const void *b)
{
    const hit *x = a, *y = b;

    if (x->end != y->end)
        return x->end < y->end ? -1 : 1;
    return x->n < y->n ? 1 : -1;
}

/* Every literal at every place. */
static hits search(const pl_lit *lits, size_t count, size_t size, const void *text, size_t n)
{
    hits h = hits_new();

    for (uint32_t k = 0; k < count; k++)
        for (size_t i = 0; i + lits[k].n <= n; i++)
            if (memcmp((const char *)text + i * size, lits[k].p, lits[k].n * size) == 0) {
                assert_true(h.n < FOUND_MAX);
                h.at[h.n++] = (hit){ k, lits[k].n, i + lits[k].n };
            }
    qsort(h.at, h.n, sizeof *h.at, by_end_then_length);
    return h;
}

static pl_lits *open_set(pl_lits_kind kind, const pl_lit *lits, size_t count, void **image,
                         size_t *n)
{
    pl_lits *l = NULL;
    pl_error err = { 0 };

    assert_ok(pl_lits_build(kind, lits, count, image, n, &err), &err);
    assert_ok(pl_lits_open((pl_str){ *image, *n }, &l, &err), &err);
    return l;
}

static void scan_any(pl_lits_kind kind, const pl_lits *l, const void *text, size_t n, hits *h)
{
    h->n = 0;
    if (kind == PL_LITS_BYTES)
        pl_lits_scan_bytes(l, (pl_str){ text, n }, hits_add, h);
    else
        pl_lits_scan_units(l, text, n, hits_add, h);
}

/* A copy that ends where its memory ends, so that sanitizers see reads behind it. */
static void *exact(const void *p, size_t n)
{
    void *q = malloc(n ? n : 1);

    memcpy(q, p, n);
    return q;
}

static void expect_same(pl_lits_kind kind, const pl_lit *lits, size_t count, const void *text,
                        size_t n)
{
    size_t   size = kind == PL_LITS_UNITS ? 2 : 1, image_n;
    void    *image, *copy = exact(text, n * size);
    pl_lits *l = open_set(kind, lits, count, &image, &image_n);
    hits     want = search(lits, count, size, text, n), have = hits_new();
    bool     tried = false;

    for (int path = 1; path <= PATHS; path++) {
        if (pl_lits_path_set(path, NULL) != PL_OK)
            continue;
        tried = true;
        scan_any(kind, l, copy, n, &have);
        assert_int_equal(have.n, want.n);
        for (size_t i = 0; i < want.n; i++) {
            assert_int_equal(have.at[i].lit, want.at[i].lit);
            assert_int_equal(have.at[i].end, want.at[i].end);
        }
    }
    assert_true(tried);
    assert_ok(pl_lits_path_set(0, NULL), &(pl_error){ 0 });
    pl_lits_free(l);
    free(image);
    free(copy);
    free(want.at);
    free(have.at);
}

/* --- random sets and texts ------------------------------------------------------------------------ */

/* Pieces that texts and literals are made of; few, so that literals occur, overlap and nest. */
static const char *const alphabets[][8] = {
    { "a", "b", "ab", "ba", "aab" },
    { "中", "国", "人", "民", "中国" },
    { "中", "a", "国", "b", "é", "😀", "1" },
    { "\xe4", "\xb8", "\xad", "\xff", "\xc3", "a", "\xe4\xb8", "中" },
    { "\x80", "\xbf", "\xe0", "\xef", "A", "" },
    { "the ", "cat", "s", "at", "hat", "The", "C" },
};

static size_t make(int alphabet, size_t pieces, size_t max, char *out)
{
    size_t n = 0, choices = 0;

    while (choices < 8 && alphabets[alphabet][choices])
        choices++;
    for (; pieces > 0; pieces--) {
        const char *p = alphabets[alphabet][rnd((uint32_t)choices)];

        if (n + strlen(p) > max)
            break;
        memcpy(out + n, p, strlen(p));
        n += strlen(p);
    }
    return n;
}

/* Different literals of 1 to max bytes or units; text is where they lie. */
static size_t make_set(int alphabet, size_t count, size_t size, pl_lit *lits, char *text)
{
    size_t made = 0, at = 0;

    for (size_t tries = 0; tries < count; tries++) {
        size_t longest = rnd(8) ? 6 : 200, n;
        bool   seen = false;
        char  *p = text + at;

        n = make(alphabet, 1 + rnd((uint32_t)longest), 250, p) / size;
        for (size_t i = 0; i < made && !seen; i++)
            seen = lits[i].n == n && memcmp(lits[i].p, p, n * size) == 0;
        if (n == 0 || seen)
            continue;
        lits[made++] = (pl_lit){ p, (uint32_t)n };
        at += (n * size + 1) & ~(size_t)1;
    }
    return made;
}

static void random_case(pl_lits_kind kind, int round)
{
    static char   text[TEXT_MAX] __attribute__((aligned(2)));
    static char   storage[600 * 256] __attribute__((aligned(2)));
    static pl_lit lits[600];
    size_t        size = kind == PL_LITS_UNITS ? 2 : 1;
    int           alphabet = round % (int)(sizeof alphabets / sizeof *alphabets);
    size_t        count = make_set(alphabet, 1 + rnd(rnd(4) ? 40 : 500), size, lits, storage);
    size_t        n = make(alphabet, rnd(rnd(3) ? 300 : 3000), rnd(2) ? 130 : 9000, text);

    expect_same(kind, lits, count, text, n / size);
}

static void lits_scan_bytes__finds_what_brute_force_finds(void **state)
{
    (void)state;
    seed = 1;
    for (int round = 0; round < 240; round++)
        random_case(PL_LITS_BYTES, round);
}

/* Units are the bytes of the same texts, two by two: letters, characters and mixtures. */
static void lits_scan_units__finds_what_brute_force_finds(void **state)
{
    (void)state;
    seed = 2;
    for (int round = 0; round < 240; round++)
        random_case(PL_LITS_UNITS, round);
}

static void lits_scan_units__finds_words_of_both_scripts(void **state)
{
    static const uint16_t words[][6] = { { 0x4e2d, 0x56fd }, { 0x4e2d }, { 'a', 'b', 'c', 'd' },
                                         { 'a' }, { 'c', 'd' }, { 'd', 0x4e2d, 0x56fd, 'x' },
                                         { 0x56fd, 'x', 'y' }, { 'x', 'y', 0x4e00, 0x4e01, 0x4e02 } };
    static const uint32_t lengths[] = { 2, 1, 4, 1, 2, 4, 3, 5 };
    uint16_t              text[700];
    pl_lit                lits[8];

    (void)state;
    for (size_t i = 0; i < 8; i++)
        lits[i] = (pl_lit){ words[i], lengths[i] };
    for (size_t i = 0; i < 700; i++)
        text[i] = (uint16_t[]){ 'a', 'b', 'c', 'd', 0x4e2d, 0x56fd, 'x', 'y', 0x4e00, 0x4e01,
                                0x4e02, 0x56fd }[i % 12];
    for (size_t n = 0; n < 700; n += 1 + n / 40)
        expect_same(PL_LITS_UNITS, lits, 8, text + n % 3, n < 697 ? n : 697);
}

/* --- places ------------------------------------------------------------------------------------- */

static void lits_scan__finds_a_literal_at_any_place(void **state)
{
    static const char *const words[] = { "x", "xy", "xyz", "wxyz", "vwxyz", "uvwxyz!", "中", "中文",
                                         "中文字", "中文字符", "a中", "中a", "\xb8\xad", "\xe4" };
    enum { WORDS = sizeof words / sizeof *words };
    pl_lit lits[WORDS];
    char   text[4300];

    (void)state;
    for (size_t i = 0; i < WORDS; i++)
        lits[i] = (pl_lit){ words[i], (uint32_t)strlen(words[i]) };
    for (size_t at = 0; at < 4250; at += at < 140 || at % 2048 < 20 || at % 2048 > 2030 ? 1 : 37)
        for (size_t w = 0; w < WORDS; w += at % 2048 < 20 || at % 2048 > 2030 ? 1 : 5) {
            size_t end = at + lits[w].n;

            memset(text, '.', sizeof text);
            memcpy(text + at, words[w], lits[w].n);
            expect_same(PL_LITS_BYTES, lits, WORDS, text, end);
            expect_same(PL_LITS_BYTES, &lits[w], 1, text, end + 30);
        }
}

static void lits_scan__takes_literals_of_every_length(void **state)
{
    static char storage[256][256];
    static char text[3000];
    pl_lit      lits[256];

    (void)state;
    seed = 3;
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('a' + rnd(26));
    for (size_t i = 0; i < 256; i++) {
        memcpy(storage[i], text + rnd(2500), i + 1);
        lits[i] = (pl_lit){ storage[i], (uint32_t)i + 1 };
    }
    expect_same(PL_LITS_BYTES, lits, 256, text, sizeof text);
}

/* Every window is shared by all literals: they cannot all have one, and every place has as many
 * matches as there can be. */
static void lits_scan__survives_crowds(void **state)
{
    static char a[1200];
    pl_lit      lits[256];

    (void)state;
    memset(a, 'a', sizeof a);
    for (size_t i = 0; i < 256; i++)
        lits[i] = (pl_lit){ a, (uint32_t)i + 1 };
    expect_same(PL_LITS_BYTES, lits, 256, a, sizeof a);
    expect_same(PL_LITS_UNITS, lits, 256, a, sizeof a / 2);
}

/* --- contract ------------------------------------------------------------------------------------- */

static void lits_scan__stops_when_told(void **state)
{
    pl_lit   lit = { "aa", 2 };
    void    *image;
    size_t   n;
    pl_lits *l = open_set(PL_LITS_BYTES, &lit, 1, &image, &n);
    hits     h = hits_new();

    (void)state;
    h.stop = 3;
    scan_any(PL_LITS_BYTES, l, "aaaaaaaaaa", 10, &h);
    assert_int_equal(h.n, 3);
    assert_int_equal(h.at[2].end, 4);
    free(h.at);
    pl_lits_free(l);
    free(image);
}

static void lits_build__gives_the_same_bytes_again(void **state)
{
    pl_lit lits[] = { { "中文字", 9 }, { "word", 4 }, { "a", 1 }, { "other words", 11 } };
    void  *one, *two;
    size_t n, m;

    (void)state;
    assert_rc(pl_lits_build(PL_LITS_BYTES, lits, 4, &one, &n, NULL), PL_OK);
    assert_rc(pl_lits_build(PL_LITS_BYTES, lits, 4, &two, &m, NULL), PL_OK);
    assert_int_equal(n, m);
    assert_memory_equal(one, two, n);
    free(one);
    free(two);
}

static void lits_build__refuses_what_is_not_a_set(void **state)
{
    static const char long_one[257];
    pl_lit   equal[] = { { "one", 3 }, { "two", 3 }, { "one", 3 } };
    pl_lit   empty = { "", 0 }, too_long = { long_one, 257 };
    void    *image = NULL;
    size_t   n;
    pl_error err = { 0 };

    (void)state;
    assert_rc(pl_lits_build(PL_LITS_BYTES, equal, 3, &image, &n, &err), PL_INVALID);
    assert_rc(pl_lits_build(PL_LITS_BYTES, &empty, 1, &image, &n, &err), PL_INVALID);
    assert_rc(pl_lits_build(PL_LITS_BYTES, &too_long, 1, &image, &n, &err), PL_INVALID);
    assert_null(image);
}

static void lits_open__takes_an_empty_set(void **state)
{
    void    *image;
    size_t   n;
    pl_lits *l = open_set(PL_LITS_BYTES, NULL, 0, &image, &n);
    hits     h = hits_new();

    (void)state;
    scan_any(PL_LITS_BYTES, l, "text", 4, &h);
    assert_int_equal(h.n, 0);
    free(h.at);
    pl_lits_free(l);
    free(image);
}

static int ignore(void *ctx, uint32_t lit, size_t end)
{
    assert_true(lit < *(uint32_t *)ctx && end <= 400);
    return 0;
}

/* Whatever is accepted is safe to scan with; the sanitizer builds see to it. */
static void lits_open__refuses_or_survives_any_change(void **state)
{
    static char storage[300 * 256];
    static char text[400];
    pl_lit      lits[300];
    void       *image;
    size_t      n;
    uint8_t    *copy;
    uint32_t    count, refused = 0;

    (void)state;
    seed = 4;
    count = (uint32_t)make_set(2, 300, 1, lits, storage);
    assert_rc(pl_lits_build(PL_LITS_BYTES, lits, count, &image, &n, NULL), PL_OK);
    copy = aligned_alloc(64, (n + 63) & ~(size_t)63);
    make(2, 400, 400, text);
    for (int round = 0; round < 6000; round++) {
        pl_lits *l = NULL;
        size_t   size = rnd(50) ? n : rnd((uint32_t)n), at;

        memcpy(copy, image, n);
        at = rnd(3) ? rnd(64) : rnd((uint32_t)n);
        copy[at] = (uint8_t)rnd(256);
        if (pl_lits_open((pl_str){ (char *)copy, size }, &l, NULL) != PL_OK) {
            refused++;
            continue;
        }
        uint32_t limit;

        memcpy(&limit, copy + 16, 4);
        if (copy[8] == PL_LITS_BYTES)
            pl_lits_scan_bytes(l, (pl_str){ text, 400 }, ignore, &limit);
        else
            pl_lits_scan_units(l, (const uint16_t *)(void *)text, 200, ignore, &limit);
        pl_lits_free(l);
    }
    assert_true(refused > 2000);
    free(copy);
    free(image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lits_scan_bytes__finds_what_brute_force_finds),
        cmocka_unit_test(lits_scan_units__finds_what_brute_force_finds),
        cmocka_unit_test(lits_scan_units__finds_words_of_both_scripts),
        cmocka_unit_test(lits_scan__finds_a_literal_at_any_place),
        cmocka_unit_test(lits_scan__takes_literals_of_every_length),
        cmocka_unit_test(lits_scan__survives_crowds),
        cmocka_unit_test(lits_scan__stops_when_told),
        cmocka_unit_test(lits_build__gives_the_same_bytes_again),
        cmocka_unit_test(lits_build__refuses_what_is_not_a_set),
        cmocka_unit_test(lits_open__takes_an_empty_set),
        cmocka_unit_test(lits_open__refuses_or_survives_any_change),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
