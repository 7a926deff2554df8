#include "engine/text/tests/text_fixture.h"

#include <plumbline/screen.h>

#define TEXT_BYTES (3 * PL_SCREEN_WINDOW + 1000)

typedef struct fx {
    void      *text, *image;
    pl_screen *screen;
    char      *bytes;
} fx;

static void keyword(pl_textdb_builder *b, const char *id, const char *text)
{
    pl_text_rule rule = { { id, strlen(id) }, PL_STR("harm.test"), 2 };
    uint32_t     index;

    assert_int_equal(pl_textdb_builder_rule(b, &rule, &index, NULL), PL_OK);
    assert_int_equal(pl_textdb_builder_keyword(b, index, (pl_str){ text, strlen(text) }, 0, NULL),
                     PL_OK);
}

static int setup(void **state)
{
    fx                 *f = calloc(1, sizeof *f);
    pl_textdb_builder  *b;
    pl_policydb_section s = { .tag = PL_SECTION_TEXT };
    pl_policydb         db;
    size_t              n;

    assert_int_equal(pl_textdb_builder_new(&b, NULL), PL_OK);
    keyword(b, "one", "needle");
    keyword(b, "two", "dle");
    assert_int_equal(pl_textdb_builder_finish(b, &f->text, &s.bytes.n, NULL), PL_OK);
    pl_textdb_builder_free(b);
    s.bytes.p = f->text;
    assert_int_equal(pl_policydb_build(&s, 1, &f->image, &n, NULL), PL_OK);
    assert_int_equal(pl_policydb_check((pl_str){ f->image, n }, &db, NULL), PL_OK);
    assert_int_equal(pl_screen_open(&db, &f->screen, NULL), PL_OK);
    f->bytes = malloc(TEXT_BYTES);
    memset(f->bytes, '.', TEXT_BYTES);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fx *f = *state;

    pl_screen_free(f->screen);
    free(f->text);
    free(f->image);
    free(f->bytes);
    free(f);
    return 0;
}

static findings found_in(const fx *f, size_t n)
{
    findings got = { 0 };

    assert_int_equal(pl_screen_scan(f->screen, (pl_str){ f->bytes, n }, PL_SCREEN_ALL,
                                    findings_add, &got, NULL), PL_OK);
    return got;
}

/* The needle ends before, at and behind every border of a window, and lies across it. */
static void screen_scan__finds_once_what_lies_across_windows(void **state)
{
    fx *f = *state;

    for (size_t window = 1; window <= 3; window++)
        for (int shift = -8; shift <= 8; shift++) {
            size_t   at = window * PL_SCREEN_WINDOW + (size_t)(shift + 8) - 8;
            findings got;

            memcpy(f->bytes + at, "needle", 6);
            got = found_in(f, TEXT_BYTES);
            assert_int_equal(got.n, 2);
            assert_int_equal(got.list[0].start, at);
            assert_int_equal(got.list[0].end, at + 6);
            assert_int_equal(got.list[1].start, at + 3);
            findings_drop(&got);
            memset(f->bytes + at, '.', 6);
        }
}

static void screen_scan__orders_by_end_then_start(void **state)
{
    fx      *f = *state;
    findings got;

    for (size_t at = 0; at + 6 < TEXT_BYTES; at += 5000)
        memcpy(f->bytes + at, "needle", 6);
    got = found_in(f, TEXT_BYTES);
    assert_int_equal(got.n, 2 * ((TEXT_BYTES - 7) / 5000 + 1));
    for (size_t i = 1; i < got.n; i++)
        assert_true(got.list[i - 1].end < got.list[i].end ||
                    (got.list[i - 1].end == got.list[i].end &&
                     got.list[i - 1].start < got.list[i].start));
    findings_drop(&got);
}

static void screen_scan__stops_when_asked(void **state)
{
    fx      *f = *state;
    findings got = { .stop_after = 3 };

    for (size_t at = 0; at + 6 < TEXT_BYTES; at += 5000)
        memcpy(f->bytes + at, "needle", 6);
    assert_int_equal(pl_screen_scan(f->screen, (pl_str){ f->bytes, TEXT_BYTES }, PL_SCREEN_ALL,
                                    findings_add, &got, NULL), PL_OK);
    assert_int_equal(got.n, 3);
    findings_drop(&got);
}

static void screen_scan__of_nothing_or_no_part_finds_nothing(void **state)
{
    fx      *f = *state;
    findings got = found_in(f, 0);

    memcpy(f->bytes, "needle", 6);
    assert_int_equal(got.n, 0);
    assert_int_equal(pl_screen_scan(f->screen, (pl_str){ f->bytes, 6 }, 0, findings_add, &got,
                                    NULL), PL_OK);
    assert_int_equal(got.n, 0);
}

static void screen_open__wants_a_text_section(void **state)
{
    pl_policydb_section s = { .tag = PL_SECTION_POLICY, .bytes = PL_STR("{}") };
    pl_policydb         db;
    pl_screen          *screen;
    pl_error            err;
    void               *image;
    size_t              n;

    (void)state;
    assert_int_equal(pl_policydb_build(&s, 1, &image, &n, NULL), PL_OK);
    assert_int_equal(pl_policydb_check((pl_str){ image, n }, &db, NULL), PL_OK);
    assert_int_equal(pl_screen_open(&db, &screen, &err), PL_NOTFOUND);
    free(image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(screen_scan__finds_once_what_lies_across_windows, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(screen_scan__orders_by_end_then_start, setup, teardown),
        cmocka_unit_test_setup_teardown(screen_scan__stops_when_asked, setup, teardown),
        cmocka_unit_test_setup_teardown(screen_scan__of_nothing_or_no_part_finds_nothing, setup,
                                        teardown),
        cmocka_unit_test(screen_open__wants_a_text_section),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
