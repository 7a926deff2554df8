/* Text into units: every code path gives the same units at the same places. */
#include "base/banned.h"

#include "engine/text/transcode.h"

#include "engine/text/tests/text_fixture.h"

typedef struct row {
    size_t    n;
    uint16_t *unit;
    size_t   *place;
} row;

static row row_of(pl_str text, int path)
{
    pl_units *u = malloc(sizeof *u);
    row       r = { 0, calloc(text.n * CELL_EXPAND_MAX + 1, sizeof *r.unit),
                    calloc(text.n * CELL_EXPAND_MAX + 1, sizeof *r.place) };
    uint32_t  kept = 0;

    assert_rc(pl_lits_path_set(path, NULL), PL_OK);
    pl_units_init(u, text);
    while (u->at < u->end) {
        pl_units_fill(u);
        assert_true(u->n <= TRANSCODE_ROOM);
        for (uint32_t i = kept; i < u->n; i++) {
            r.unit[r.n] = u->units[i];
            r.place[r.n++] = (size_t)(u->base - u->text) + u->place[i];
        }
        kept = u->n < TRANSCODE_CARRY ? u->n : TRANSCODE_CARRY;
        pl_units_carry(u, kept);
    }
    assert_rc(pl_lits_path_set(0, NULL), PL_OK);
    free(u);
    return r;
}

static void row_drop(row *r)
{
    free(r->unit);
    free(r->place);
}

/* Runs of one kind of character, so that the paths for many at once are taken, and their edges. */
static size_t runs_of_text(rng *r, char *out, size_t most)
{
    static const char *const han[] = { "的", "中", "国", "國", "，", "。", "ａ", "Ａ", "臺", "台", "㎏", "　" };
    static const char *const odd[] = { "é", "ﬁ", "😀", "\xe4\xb8", "\xff", "$", "@", "\xed\xa0\x80", "\xe0\xa4\x85",
                                       "\xc2\xa0", "1l", "$$5s" };
    size_t n = 0;

    while (n + 256 < most) {
        unsigned kind = rng_below(r, 8), times = 1 + rng_below(r, rng_below(r, 4) ? 12 : 100);

        for (; times > 0 && n + 256 < most; times--) {
            const char *s = kind < 3 ? NULL : kind < 6 ? han[rng_below(r, sizeof han / sizeof *han)]
                                                       : odd[rng_below(r, sizeof odd / sizeof *odd)];

            if (s) {
                memcpy(out + n, s, strlen(s));
                n += strlen(s);
            } else {
                out[n++] = (char)(kind == 0 ? ' ' + rng_below(r, 95) : 'a' + rng_below(r, 8));
            }
            if (kind > 5 && times > 3)
                times = 3;
        }
    }
    return n;
}

static void assert_same_rows(pl_str text)
{
    row portable = row_of(text, 1);

    for (int path = 2; path <= 3; path++) {
        row other;

        if (pl_lits_path_set(path, NULL) != PL_OK)
            continue;
        other = row_of(text, path);
        assert_int_equal(other.n, portable.n);
        assert_memory_equal(other.unit, portable.unit, portable.n * sizeof *portable.unit);
        assert_memory_equal(other.place, portable.place, portable.n * sizeof *portable.place);
        row_drop(&other);
    }
    row_drop(&portable);
}

static void units_fill__is_the_same_on_every_path(void **state)
{
    enum { MOST = 40000 };
    rng   r = rng_seeded("transcode");
    char *text = malloc(MOST);

    (void)state;
    for (int round = 0; round < 600; round++) {
        size_t n = round % 2 ? runs_of_text(&r, text, round % 20 == 1 ? MOST : 300 + rng_below(&r, 900))
                             : nasty_text(&r, text, rng_below(&r, 1000), NASTY_TEXT);
        char  *exact = malloc(n + 1); /* so that a read beyond the end is seen */

        memcpy(exact, text, n);
        assert_same_rows((pl_str){ exact, n });
        free(exact);
    }
    free(text);
}

static void units_fill__takes_every_character(void **state)
{
    (void)state;
    for (uint32_t cp = 0; cp < 0x11000; cp++) {
        char     text[64];
        unsigned n = 0;

        if (cp >= 0xd800 && cp < 0xe000)
            continue;
        for (unsigned k = 0; k < 4; k++)
            n += (unsigned)pl_utf8_encode(cp + (k & 1 && cp % 7 == 0), text + n);
        assert_same_rows((pl_str){ text, n });
    }
}

static void units_fill__keeps_the_first_of_a_run(void **state)
{
    static const char text[] = "Hello, W0rld! 中国中国國國";
    static const char units[] = "heio" "worid";
    row               r = row_of(PL_STR(text), 0);

    (void)state;
    assert_int_equal(r.n, strlen(units) + 4);
    for (size_t i = 0; i < strlen(units); i++)
        assert_int_equal(r.unit[i], units[i]);
    assert_int_equal(r.place[2], 2); /* "ll" */
    assert_int_equal(r.place[4], 7); /* the comma and the blank are passed over */
    assert_int_equal(r.unit[9], 0x4e2d);
    assert_int_equal(r.unit[12], 0x56fd); /* 国國國 are one run */
    assert_int_equal(r.place[12], 14 + 9);
    row_drop(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units_fill__is_the_same_on_every_path),
        cmocka_unit_test(units_fill__takes_every_character),
        cmocka_unit_test(units_fill__keeps_the_first_of_a_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
