/* What holds for names and addresses whatever a model weighs, and addresses found by grammar. What a
 * trained model finds is tested in cap/text. */
#include "engine/text/names.h"
#include "engine/text/tests/names_fixture.h"
#include "engine/text/tests/text_fixture.h"

#include <plumbline/screen.h>

enum { RULE_NAME, RULE_ADDRESS };

typedef struct fx {
    void         *image;
    size_t        n;
    pl_names     *m;
    pl_pii_config c;
    uint64_t      seed;
} fx;

static uint32_t draw(uint64_t *s, uint32_t n)
{
    *s = *s * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((*s >> 33) % n);
}

static uint8_t weight(void *ctx)
{
    return (uint8_t)draw(ctx, 256);
}

static int setup(void **state)
{
    fx      *f = calloc(1, sizeof *f);
    uint64_t s = 11;

    f->seed = (uint64_t)time(NULL);
    memset(&f->c, 0xff, sizeof f->c);
    f->c.rule[PL_PII_NAME] = RULE_NAME;
    f->c.rule[PL_PII_ADDRESS] = RULE_ADDRESS;
    assert_int_equal(names_image_make(weight, &s, &f->image, &f->n), PL_OK);
    assert_int_equal(pl_names_open((pl_str){ f->image, f->n }, &f->m, NULL), PL_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fx *f = *state;

    pl_names_free(f->m);
    free(f->image);
    free(f);
    return 0;
}

static findings names_of(const fx *f, pl_str text)
{
    findings got = { 0 };

    pl_names_scan(f->m, &f->c, text, findings_add, &got);
    return got;
}

/* --- texts ------------------------------------------------------------------------------------ */

static const char *const pieces[] = {
    "王", "李", "张", "小", "阿", "克", "里", "马", "斯", "冰", "先生", "总", "的", "在", "，", "。", "·",
    "路", "88", "号", "3", "栋", "北京市", "朝阳区", "建国路88号", "\n", " ", "  ", "Ann", "Smith", "O'Neill",
    "van", "de", "St.", "J.", "-", "12", "Main Street", ", ", "Straße", "\xff", "\xe4\xb8", "\0x", "@",
    "JOHN", "SMITH", "Ивана", "\n\n", "\xf0\x9f\x98\x80", "a", "word", "2024",
};

static size_t text_make(uint64_t *seed, char *out, size_t max)
{
    size_t n = 0;

    for (;;) {
        uint32_t    k = draw(seed, sizeof pieces / sizeof *pieces);
        const char *p = pieces[k];
        size_t      length = p[0] == '\0' ? 1 : strlen(p);

        if (n + length > max)
            return n;
        memcpy(out + n, p, length);
        n += length;
    }
}

/* --- properties -------------------------------------------------------------------------------- */

static void names_scan__keeps_findings_ordered_apart_and_on_characters(void **state)
{
    fx  *f = *state;
    char text[6000];

    print_message("seed %llu\n", (unsigned long long)f->seed);
    for (int round = 0; round < 200; round++) {
        size_t   n = text_make(&f->seed, text, 200 + draw(&f->seed, sizeof text - 200));
        findings got = names_of(f, (pl_str){ text, n });

        for (size_t i = 0; i < got.n; i++) {
            const pl_text_finding *x = &got.list[i];

            assert_true(x->start < x->end && x->end <= n);
            assert_true(x->score >= PL_PII_FLOOR && x->score <= PL_SCORE_MAX);
            assert_null(memchr(text + x->start, '\0', x->end - x->start));
            assert_true(pl_utf8_valid((pl_str){ text + x->start, x->end - x->start }));
            assert_true(i == 0 || x->start >= got.list[i - 1].end);
        }
        free(got.list);
    }
}

static void names_scan__is_the_same_unit_by_unit(void **state)
{
    fx      *f = *state;
    char    *text = malloc(30000);
    size_t   n = text_make(&f->seed, text, 30000), at = 0;
    findings whole = names_of(f, (pl_str){ text, n }), units = { 0 };

    while (at < n) {
        size_t end = pl_names_scan_unit(f->m, &f->c, (pl_str){ text, n }, at, findings_add, &units);

        assert_true(end > at);
        at = end;
    }
    assert_int_equal(at, n);
    assert_true(whole.n > 100);
    assert_int_equal(whole.n, units.n);
    assert_memory_equal(whole.list, units.list, whole.n * sizeof *whole.list);
    free(whole.list);
    free(units.list);
    free(text);
}

static void names_scan__reports_only_what_is_asked_for(void **state)
{
    fx      *f = *state;
    char     text[20000];
    size_t   n = text_make(&f->seed, text, sizeof text);
    findings both = names_of(f, (pl_str){ text, n }), names;
    size_t   k = 0;

    f->c.rule[PL_PII_ADDRESS] = PL_PII_OFF;
    names = names_of(f, (pl_str){ text, n });
    f->c.rule[PL_PII_ADDRESS] = RULE_ADDRESS;
    for (size_t i = 0; i < both.n; i++)
        k += both.list[i].rule == RULE_NAME;
    assert_int_equal(names.n, k);
    assert_true(k > 0 && k < both.n);
    free(both.list);
    free(names.list);
}

static void names_scan__stops_when_told(void **state)
{
    fx      *f = *state;
    char     text[20000];
    size_t   n = text_make(&f->seed, text, sizeof text);
    findings got = { .stop_after = 3 };

    pl_names_scan(f->m, &f->c, (pl_str){ text, n }, findings_add, &got);
    assert_int_equal(got.n, 3);
    free(got.list);
}

/* --- the image --------------------------------------------------------------------------------- */

static void names_open__refuses_what_is_damaged(void **state)
{
    fx       *f = *state;
    char     *copy = malloc(f->n);
    pl_names *m = NULL;
    pl_error  err = { 0 };

    memcpy(copy, f->image, f->n);
    copy[f->n - 1] ^= 1;
    assert_rc(pl_names_open((pl_str){ copy, f->n }, &m, &err), PL_INVALID);
    assert_non_null(strstr(err.text, "damaged"));
    assert_rc(pl_names_open((pl_str){ f->image, f->n - 1 }, &m, &err), PL_INVALID);
    assert_rc(pl_names_open((pl_str){ copy, 3 }, &m, &err), PL_INVALID);
    memcpy(copy, f->image, f->n);
    copy[24] = 1; /* least score of names: 1 */
    copy[25] = 0;
    assert_rc(pl_names_open((pl_str){ copy, f->n }, &m, &err), PL_INVALID);
    assert_non_null(strstr(err.text, "least scores"));
    free(copy);
}

static void names_floor_set__raises_what_is_reported(void **state)
{
    fx       *f = *state;
    char     *copy = malloc(f->n), text[20000];
    size_t    n = text_make(&f->seed, text, sizeof text), above = 0;
    findings  all = names_of(f, (pl_str){ text, n }), got = { 0 };
    pl_names *m = NULL;

    memcpy(copy, f->image, f->n);
    assert_rc(pl_names_floor_set(copy, f->n, PL_PII_NAME, 9000, NULL), PL_OK);
    assert_rc(pl_names_floor_set(copy, f->n, PL_PII_NAME, 4999, NULL), PL_INVALID);
    assert_rc(pl_names_open((pl_str){ copy, f->n }, &m, NULL), PL_OK);
    pl_names_scan(m, &f->c, (pl_str){ text, n }, findings_add, &got);
    for (size_t i = 0; i < all.n; i++)
        above += all.list[i].rule == RULE_ADDRESS || all.list[i].score >= 9000;
    assert_int_equal(got.n, above);
    assert_true(got.n < all.n);
    pl_names_free(m);
    free(all.list);
    free(got.list);
    free(copy);
}

/* --- Chinese addresses --------------------------------------------------------------------------- */

/* The address expected is marked with brackets. */
static void expect_address(const char *marked)
{
    char        text[400];
    size_t      n = 0, start = SIZE_MAX, end = 0;
    names_hit   hit = { 0 };
    bool        found = false;

    for (const char *p = marked; *p; p++) {
        if (*p == '[')
            start = n;
        else if (*p == ']')
            end = n;
        else
            text[n++] = *p;
    }
    for (size_t i = 0; i + 3 <= n && !found; i++)
        if (memcmp(text + i, "号", 3) == 0 || memcmp(text + i, "弄", 3) == 0 ||
            memcmp(text + i, "室", 3) == 0)
            found = names_zh_address((pl_str){ text, n }, i, 0, &hit);
    if (start == SIZE_MAX) {
        assert_false(found);
        return;
    }
    assert_true(found);
    assert_int_equal(hit.start, start);
    assert_int_equal(hit.end, end);
    assert_true(hit.is_address);
}

static void zh_address__goes_from_the_province_to_the_room(void **state)
{
    (void)state;
    expect_address("我住在[北京市朝阳区建国路88号3栋501室]，电话");
    expect_address("地址：[广东省广州市天河区体育东路12号]。");
    expect_address("寄到[江苏南京市玄武区中山路１８号]吧");
    expect_address("[上海浦东新区张杨路500弄3号201室]");
    expect_address("他家在[幸福路九号]附近");
    expect_address("收货地址 [义乌市和平镇创业大道9号阳光花园3栋2单元301室]");
}

static void zh_address__is_not_every_number(void **state)
{
    (void)state;
    expect_address("地铁1号线");
    expect_address("第3号文件");
    expect_address("他是5号选手");
    expect_address("2号");
}

/* --- in the screen --------------------------------------------------------------------------------- */

static pl_screen *screen_open(fx *f, void **image)
{
    db_fixture          text = db_make(2, &(kw){ 0, PL_STR("zzzz"), 0 }, 1);
    pl_policydb_section s[3] = { { PL_SECTION_TEXT, { text.bytes, text.n } },
                                 { .tag = PL_SECTION_PII },
                                 { PL_SECTION_NAMES, { f->image, f->n } } };
    pl_policydb         db;
    pl_screen          *screen = NULL;
    pl_error            err = { 0 };
    void               *pii;
    size_t              n;

    assert_ok(pl_pii_config_format(&f->c, &pii, &s[1].bytes.n, &err), &err);
    s[1].bytes.p = pii;
    assert_ok(pl_policydb_build(s, 3, image, &n, &err), &err);
    assert_ok(pl_policydb_check((pl_str){ *image, n }, &db, &err), &err);
    assert_ok(pl_screen_open(&db, &screen, &err), &err);
    free(pii);
    db_drop(&text);
    return screen;
}

static void screen_scan__finds_the_same_across_windows(void **state)
{
    fx        *f = *state;
    size_t     n = PL_SCREEN_WINDOW * 2 + 50000;
    char      *text = malloc(n);
    void      *image;
    pl_screen *screen = screen_open(f, &image);
    findings   want, got = { 0 };

    n = text_make(&f->seed, text, n);
    want = names_of(f, (pl_str){ text, n });
    assert_rc(pl_screen_scan(screen, (pl_str){ text, n }, PL_SCREEN_NAMES, findings_add, &got, NULL),
              PL_OK);
    assert_int_equal(want.n, got.n);
    for (size_t i = 0; i < got.n; i++) {
        assert_int_equal(want.list[i].start, got.list[i].start);
        assert_int_equal(want.list[i].end, got.list[i].end);
        assert_int_equal(want.list[i].rule, got.list[i].rule);
    }
    free(want.list);
    free(got.list);
    pl_screen_free(screen);
    free(image);
    free(text);
}

static void screen_open__needs_the_model_that_is_asked_for(void **state)
{
    fx                 *f = *state;
    db_fixture          text = db_make(2, &(kw){ 0, PL_STR("zzzz"), 0 }, 1);
    pl_policydb_section s[2] = { { PL_SECTION_TEXT, { text.bytes, text.n } },
                                 { .tag = PL_SECTION_PII } };
    pl_policydb         db;
    pl_screen          *screen = NULL;
    pl_error            err = { 0 };
    void               *pii, *image;
    size_t              n;

    assert_rc(pl_pii_config_format(&f->c, &pii, &s[1].bytes.n, NULL), PL_OK);
    s[1].bytes.p = pii;
    assert_rc(pl_policydb_build(s, 2, &image, &n, NULL), PL_OK);
    assert_rc(pl_policydb_check((pl_str){ image, n }, &db, NULL), PL_OK);
    assert_rc(pl_screen_open(&db, &screen, &err), PL_INVALID);
    assert_non_null(strstr(err.text, "no model"));
    free(pii);
    free(image);
    db_drop(&text);
}

int main(void)
{
#define FX(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        FX(names_scan__keeps_findings_ordered_apart_and_on_characters),
        FX(names_scan__is_the_same_unit_by_unit),
        FX(names_scan__reports_only_what_is_asked_for),
        FX(names_scan__stops_when_told),
        FX(names_open__refuses_what_is_damaged),
        FX(names_floor_set__raises_what_is_reported),
        cmocka_unit_test(zh_address__goes_from_the_province_to_the_room),
        cmocka_unit_test(zh_address__is_not_every_number),
        FX(screen_scan__finds_the_same_across_windows),
        FX(screen_open__needs_the_model_that_is_asked_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
