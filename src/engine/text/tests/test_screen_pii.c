/* Structured data in the screen: beside keywords, across windows, whole and in streams. */
#include "engine/text/pii.h"
#include "engine/text/tests/text_fixture.h"

#include <plumbline/screen.h>

typedef struct fx {
    void      *text, *pii, *image;
    pl_screen *screen;
} fx;

enum { RULE_WORD, RULE_EMAIL, RULE_CARD };

static void rule(pl_textdb_builder *b, const char *id, const char *category, const char *keyword)
{
    pl_text_rule r = { { id, strlen(id) }, { category, strlen(category) }, 2 };
    uint32_t     index;

    assert_int_equal(pl_textdb_builder_rule(b, &r, &index, NULL), PL_OK);
    if (keyword)
        assert_int_equal(pl_textdb_builder_keyword(
                             b, index, (pl_str){ keyword, strlen(keyword) }, 0, NULL),
                         PL_OK);
}

static int setup(void **state)
{
    fx                 *f = calloc(1, sizeof *f);
    pl_textdb_builder  *b;
    pl_policydb_section s[2] = { { .tag = PL_SECTION_TEXT }, { .tag = PL_SECTION_PII } };
    pl_policydb         db;
    pl_pii_config       c;
    size_t              n;

    memset(&c, 0xff, sizeof c);
    c.rule[PL_PII_EMAIL] = RULE_EMAIL;
    c.rule[PL_PII_BANK_CARD] = RULE_CARD;
    assert_int_equal(pl_textdb_builder_new(&b, NULL), PL_OK);
    rule(b, "word", "harm.test", "example");
    rule(b, "detector.pii.email", "pii.email", NULL);
    rule(b, "detector.pii.bank_card", "pii.bank_card", NULL);
    assert_int_equal(pl_textdb_builder_finish(b, &f->text, &s[0].bytes.n, NULL), PL_OK);
    pl_textdb_builder_free(b);
    assert_int_equal(pl_pii_config_format(&c, &f->pii, &s[1].bytes.n, NULL), PL_OK);
    s[0].bytes.p = f->text;
    s[1].bytes.p = f->pii;
    assert_int_equal(pl_policydb_build(s, 2, &f->image, &n, NULL), PL_OK);
    assert_int_equal(pl_policydb_check((pl_str){ f->image, n }, &db, NULL), PL_OK);
    assert_int_equal(pl_screen_open(&db, &f->screen, NULL), PL_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fx *f = *state;

    pl_screen_free(f->screen);
    free(f->text);
    free(f->pii);
    free(f->image);
    free(f);
    return 0;
}

static findings whole(const fx *f, pl_str text, unsigned parts)
{
    findings got = { 0 };

    assert_int_equal(pl_screen_scan(f->screen, text, parts, findings_add, &got, NULL), PL_OK);
    return got;
}

static void screen_scan__merges_keywords_and_structured_data_in_order(void **state)
{
    static const char text[] = "an example: me@example.org, 4111 1111 1111 1111";
    findings          got = whole(*state, PL_STR(text), PL_SCREEN_ALL);

    assert_int_equal(got.n, 4);
    assert_int_equal(got.list[0].rule, RULE_WORD);
    assert_int_equal(got.list[1].rule, RULE_WORD);
    assert_int_equal(got.list[1].end, 22);
    assert_int_equal(got.list[2].rule, RULE_EMAIL);
    assert_int_equal(got.list[2].start, 12);
    assert_int_equal(got.list[2].end, 26);
    assert_int_equal(got.list[3].rule, RULE_CARD);
    assert_true(got.list[3].score < PL_SCORE_MAX);
    findings_drop(&got);
    got = whole(*state, PL_STR(text), PL_SCREEN_STRUCTURED);
    assert_int_equal(got.n, 2);
    findings_drop(&got);
}

static void screen_scan__finds_once_what_lies_across_windows(void **state)
{
    size_t n = 2 * PL_SCREEN_WINDOW + 100;
    char  *text = malloc(n);

    for (int shift = -16; shift <= 2; shift++) {
        size_t   at = PL_SCREEN_WINDOW + (size_t)(shift + 16) - 16;
        findings got;

        memset(text, ' ', n);
        memcpy(text + at, "me@example.org", 14);
        got = whole(*state, (pl_str){ text, n }, PL_SCREEN_STRUCTURED);
        assert_int_equal(got.n, 1);
        assert_int_equal(got.list[0].start, at);
        findings_drop(&got);
    }
    free(text);
}

static void screen_stream__gives_both_and_the_lower_safe_offset(void **state)
{
    fx               *f = *state;
    pl_screen_stream *t = malloc(pl_screen_stream_size());
    findings          got = { 0 };

    pl_screen_stream_init(t, f->screen);
    pl_screen_stream_feed(t, PL_STR("an exa"), findings_add, &got);
    assert_int_equal(pl_screen_stream_safe(t), 3);
    pl_screen_stream_feed(t, PL_STR("mple me@exam"), findings_add, &got);
    assert_int_equal(pl_screen_stream_safe(t), 11);
    pl_screen_stream_feed(t, PL_STR("ple.org"), findings_add, &got);
    pl_screen_stream_finish(t, findings_add, &got);
    assert_int_equal(got.n, 3);
    assert_int_equal(got.list[2].rule, RULE_EMAIL);
    assert_int_equal(got.list[2].start, 11);
    assert_int_equal(pl_screen_stream_safe(t), 25);
    findings_drop(&got);

    got = (findings){ .stop_after = 1 };
    pl_screen_stream_reset(t);
    pl_screen_stream_feed(t, PL_STR("example me@example.org "), findings_add, &got);
    pl_screen_stream_finish(t, findings_add, &got);
    assert_int_equal(got.n, 1);
    findings_drop(&got);
    pl_screen_stream_done(t);
    free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(screen_scan__merges_keywords_and_structured_data_in_order,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(screen_scan__finds_once_what_lies_across_windows, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(screen_stream__gives_both_and_the_lower_safe_offset, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
