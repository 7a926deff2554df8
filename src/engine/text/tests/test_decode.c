#include "base/banned.h"

#include "base/str.h"
#include "engine/text/decode.h"
#include "text_fixture.h"

static const kw words[] = { { 0, PL_STR("炸弹"), 0 }, { 1, PL_STR("bomb"), PL_KEYWORD_WORD } };

static void scan_words(void *ctx, pl_str text, pl_text_emit_fn emit, void *emit_ctx)
{
    pl_text_scan(ctx, text, emit, emit_ctx);
}

static findings decoded(pl_str text)
{
    db_fixture f = db_make(2, words, 2);
    findings   found = { 0 };

    pl_decode_scan(text, scan_words, f.db, findings_add, &found);
    db_drop(&f);
    return found;
}

static void expect(const char *text, uint32_t rule, size_t start, size_t end, unsigned form)
{
    findings f = decoded(pl_str_z(text));

    if (f.n != 1 || f.list[0].rule != rule || f.list[0].start != start || f.list[0].end != end ||
        f.list[0].form != form) {
        findings_print(text, &f);
        fail_msg("expected %u[%zu,%zu)%x", rule, start, end, form);
    }
    findings_drop(&f);
}

static void expect_nothing(const char *text)
{
    findings f = decoded(pl_str_z(text));

    if (f.n != 0)
        findings_print(text, &f);
    assert_int_equal(f.n, 0);
    findings_drop(&f);
}

static void decode_scan__reads_html_entities(void **state)
{
    (void)state;
    expect("x &#28856;&#24377; y", 0, 2, 18, PL_FORM_ENTITY);
    expect("&#x70B8;&#X5f39;", 0, 0, 16, PL_FORM_ENTITY);
    expect("&#28856&#24377 ", 0, 0, 14, PL_FORM_ENTITY);
    expect("&#0028856;弹", 0, 0, 13, PL_FORM_ENTITY); /* in part, with zeros before */
    expect("bom&#98;.", 1, 0, 8, PL_FORM_ENTITY);
    expect("b&shy;omb", 1, 0, 9, PL_FORM_ENTITY | PL_FORM_INVISIBLE);
    expect_nothing("&#1114112;&#xd800;&# &#; &#x; &amp &");
}

static void decode_scan__reads_percent_encoding(void **state)
{
    (void)state;
    expect("q=%E7%82%B8%e5%bc%b9&", 0, 2, 20, PL_FORM_PERCENT);
    expect("%62%6F%6d%62", 1, 0, 12, PL_FORM_PERCENT);
    expect("%u70b8%u5f39", 0, 0, 12, PL_FORM_PERCENT);
    expect_nothing("100% %zz %6");
}

static void decode_scan__reads_base64(void **state)
{
    (void)state;
    expect("54K45by55Yi25L2c", 0, 0, 8, PL_FORM_BASE64); /* 炸弹制作 */
    expect("key: Ym9tYg==", 1, 5, 11, PL_FORM_BASE64);
    expect("(cGlwZSBib21iIHBsZWFzZQ==)", 1, 7, 13, PL_FORM_BASE64); /* pipe bomb please */
    expect_nothing("Ym9tYg"); /* without padding this may be any word */
    expect_nothing("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUm");
}

static void decode_scan__reads_backslash_escapes(void **state)
{
    (void)state;
    expect("\\u70b8\\u5f39", 0, 0, 12, PL_FORM_ESCAPE);
    expect("\\xe7\\x82\\xb8\\xe5\\xbc\\xb9", 0, 0, 24, PL_FORM_ESCAPE);
    expect("\\347\\202\\270\\345\\274\\271", 0, 0, 24, PL_FORM_ESCAPE);
    expect("\\u{62}omb", 1, 0, 9, PL_FORM_ESCAPE);
    expect("\\ud835\\udc1b\\u006f\\u006D\\u0062", 1, 0, 30, PL_FORM_ESCAPE | PL_FORM_COMPAT);
    expect_nothing("\\u70b \\x \\8 \\ud800 \\");
}

static void decode_scan__reads_what_is_encoded_again(void **state)
{
    (void)state;
    expect("%2562omb", 1, 0, 8, PL_FORM_PERCENT);
    expect("&amp;#98;omb", 1, 0, 12, PL_FORM_ENTITY);
    expect("%26%2398;omb", 1, 0, 12, PL_FORM_ENTITY | PL_FORM_PERCENT);
}

static void decode_scan__stops_at_its_depth(void **state)
{
    (void)state;
    expect("%252562omb", 1, 0, 10, PL_FORM_PERCENT); /* three levels */
    expect_nothing("%25252562omb");                  /* four */
}

static void decode_scan__reports_only_what_needs_decoding(void **state)
{
    (void)state;
    expect_nothing("bomb 炸弹 &amp; bomb");
    expect("bomb &amp; b%6fmb", 1, 11, 17, PL_FORM_PERCENT);
}

/* Longer than a region, with findings all along: each is found once, where it is. */
static void decode_scan__works_over_long_texts(void **state)
{
    enum { TIMES = 9000 };
    char    *text = malloc(TIMES * 16 + 1);
    size_t   n = 0;
    findings f;

    (void)state;
    for (int i = 0; i < TIMES; i++) {
        memcpy(text + n, "%62omb and that ", 16);
        n += 16;
    }
    f = decoded((pl_str){ text, n });
    assert_int_equal(f.n, TIMES);
    for (size_t i = 0; i < f.n; i++) {
        assert_int_equal(f.list[i].start, i * 16);
        assert_int_equal(f.list[i].end, i * 16 + 6);
    }
    findings_drop(&f);
    free(text);
}

/* "炸弹制作 " is 13 bytes, 39 are 52 letters of base64: findings lie at every step of it. */
static void decode_scan__works_over_long_base64(void **state)
{
    static const char unit[] = "54K45by55Yi25L2cIOeCuOW8ueWItuS9nCDngrjlvLnliLbkvZwg";
    enum { TIMES = 3000 };
    char    *text = malloc(TIMES * (sizeof unit - 1));
    findings f;

    (void)state;
    for (int i = 0; i < TIMES; i++)
        memcpy(text + (size_t)i * (sizeof unit - 1), unit, sizeof unit - 1);
    f = decoded((pl_str){ text, TIMES * (sizeof unit - 1) });
    assert_int_equal(f.n, TIMES * 3);
    for (size_t i = 0; i < f.n; i++)
        assert_int_equal(f.list[i].start, i * 13 / 3 * 4 + i * 13 % 3);
    findings_drop(&f);
    free(text);
}

/* Looked for 64 bytes at a time: every place is some window's edge. */
/* A line that is no text spoils the lines before it, which end in it, but not those behind. */
static void decode_scan__goes_on_behind_a_damaged_line(void **state)
{
    static const char line[] = "aG93IHRvIG1ha2UgYSBib21iIGF0IGhvbWUsIHNvIEkgc2FpZCBhbmQgd2Vu\n";
    enum { SIZE = sizeof line - 1, BOMB = 18, BOMB_END = 24, DAMAGED = 2 };
    char text[4 * SIZE + 1] = "";

    (void)state;
    for (int i = 0; i < 4; i++)
        memcpy(text + (size_t)i * SIZE, line, SIZE);
    memcpy(text + DAMAGED * SIZE, "AAAA", 4);
    expect(text, 1, 3 * SIZE + BOMB, 3 * SIZE + BOMB_END, PL_FORM_BASE64);
    text[3 * SIZE] = '\0';
    expect_nothing(text);
}

static void decode_scan__finds_base64_wherever_it_stands(void **state)
{
    static const char *const around[] = { "so it is, and so on. ", "http://a-b/c_d?e:f;g ", "extraordinarily uncharacteristic ", "中文 字，" };
    char text[512];

    (void)state;
    for (size_t a = 0; a < sizeof around / sizeof around[0]; a++)
        for (size_t at = 1; at < 160; at++) {
            size_t n = strlen(around[a]);
            int    after = (int)(at % 90);

            for (size_t i = 0; i < at; i++)
                text[i] = around[a][i % n];
            text[at - 1] = ' ';
            (void)snprintf(text + at, sizeof text - at, "54K45by55Yi25L2c %.*s", after,
                           "and then some more of it, none of which is in need of any decoding at all, to be sure. ok");
            expect(text, 0, at, at + 8, PL_FORM_BASE64);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decode_scan__reads_html_entities),
        cmocka_unit_test(decode_scan__reads_percent_encoding),
        cmocka_unit_test(decode_scan__reads_base64),
        cmocka_unit_test(decode_scan__reads_backslash_escapes),
        cmocka_unit_test(decode_scan__reads_what_is_encoded_again),
        cmocka_unit_test(decode_scan__stops_at_its_depth),
        cmocka_unit_test(decode_scan__reports_only_what_needs_decoding),
        cmocka_unit_test(decode_scan__works_over_long_texts),
        cmocka_unit_test(decode_scan__works_over_long_base64),
        cmocka_unit_test(decode_scan__goes_on_behind_a_damaged_line),
        cmocka_unit_test(decode_scan__finds_base64_wherever_it_stands),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
