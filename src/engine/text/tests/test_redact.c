#include "base/banned.h"

#include "base/str.h"
#include "engine/text/redact.h"
#include "pii_fixture.h"
#include "text_fixture.h"

static const uint8_t key[16] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };

typedef struct items {
    pl_redact_item list[64];
    size_t         n;
} items;

static int items_add(void *ctx, const pl_text_finding *f)
{
    items *to = ctx;

    if (to->n < 64)
        to->list[to->n++] = (pl_redact_item){ f->start, f->end, pl_str_z(pl_pii_category(f->rule)),
                                              f->score };
    return to->n == 64;
}

static char *redact(const char *text, size_t n, pl_redact_how how)
{
    pl_pii_config     c = pii_all();
    pl_redact_options o = { .how = how, .key = key, .key_n = sizeof key };
    pl_buf            out = PL_BUF_INIT(1 << 16);
    items             found = { .n = 0 };
    pl_error          err = { 0 };

    pl_pii_scan(&c, (pl_str){ text, n }, items_add, &found);
    assert_ok(pl_redact((pl_str){ text, n }, found.list, found.n, &o, &out, &err), &err);
    return out.p ? out.p : strdup("");
}

static void expect(const char *text, pl_redact_how how, const char *expected)
{
    char *got = redact(text, strlen(text), how);

    assert_string_equal(got, expected);
    free(got);
}

static void redact__masks_what_the_kind_does_not_allow_to_be_seen(void **state)
{
    (void)state;
    expect("手机13800138000，邮箱zhang@example.com。", PL_REDACT_MASK,
           "手机138****8000，邮箱z***@example.com。");
    expect("电话：010-62345678", PL_REDACT_MASK, "电话：***-****5678");
    expect("身份证11010519491231002X", PL_REDACT_MASK, "身份证****************2X");
    expect("4111 1111 1111 1111", PL_REDACT_MASK, "**** **** **** 1111");
    expect("车牌京A12345", PL_REDACT_MASK, "车牌*****45");
    expect("IP 192.168.1.1", PL_REDACT_MASK, "IP ***.***.*.*");
    expect("key AKIAIOSFODNN7EXAMPLE", PL_REDACT_MASK, "key ****");
    expect("see https://example.com/a", PL_REDACT_MASK, "see https://****");
    expect("see www.example.https://a.cn/x now", PL_REDACT_MASK, "see **** now"); /* the host is no scheme */
    expect("１３８００１３８０００", PL_REDACT_MASK, "１３８****８０００");
}

static void redact__tags(void **state)
{
    (void)state;
    expect("mail a@b.cn now", PL_REDACT_TAG, "mail [pii.email] now");
    expect("", PL_REDACT_TAG, "");
    expect("nothing here", PL_REDACT_TAG, "nothing here");
}

/* The inner findings are covered by the outer one. */
static void redact__replaces_overlapping_findings_once(void **state)
{
    (void)state;
    expect("x postgres://app:s3cr3tpw@10.0.0.1:5432/db y", PL_REDACT_TAG, "x [pii.url] y");
}

static void redact__takes_the_union_of_partial_overlaps(void **state)
{
    pl_redact_item    list[] = { { 4, 8, PL_STR("pii.name"), 9000 },
                                 { 1, 5, PL_STR("pii.ip"), 8000 },
                                 { 8, 9, PL_STR("pii.url"), 8000 } };
    pl_redact_options o = { .how = PL_REDACT_TAG };
    pl_buf            out = PL_BUF_INIT(100);
    pl_error          err = { 0 };

    (void)state;
    assert_ok(pl_redact(PL_STR("0123456789"), list, 3, &o, &out, &err), &err);
    assert_str(pl_buf_str(&out), "0[pii.name][pii.url]9");
    pl_buf_clear(&out);
    o.how = PL_REDACT_MASK;
    assert_ok(pl_redact(PL_STR("0123456789"), list, 3, &o, &out, &err), &err);
    assert_str(pl_buf_str(&out), "0********9");
    pl_buf_done(&out);
}

#define MOBILE_MAC "9b00600c19e5"
#define EMAIL_MAC  "994488a2b569"
#define NAME_MAC    "cefbde897ade" /* of "johnsmith" */
#define ADDRESS_MAC "aacf64fa8460" /* of "建国路88号" */

/* Values from another implementation:
 * printf 'pii.cn_mobile\0''13800138000' | openssl dgst -sha256 -mac HMAC -macopt hexkey:0102…10 */
static void redact__pseudonyms_are_stable_across_spellings(void **state)
{
    (void)state;
    expect("电话13800138000", PL_REDACT_PSEUDONYM, "电话CN_MOBILE_" MOBILE_MAC);
    expect("电话+86 138-0013-8000。", PL_REDACT_PSEUDONYM, "电话CN_MOBILE_" MOBILE_MAC "。");
    expect("１３８００１３８０００", PL_REDACT_PSEUDONYM, "CN_MOBILE_" MOBILE_MAC);
    expect("A@B.cn a@b.CN", PL_REDACT_PSEUDONYM,
           "EMAIL_" EMAIL_MAC " EMAIL_" EMAIL_MAC);
}

static void expect_item(const char *text, const char *category, pl_redact_how how,
                        const char *expected)
{
    pl_redact_item    item = { 0, strlen(text), pl_str_z(category), 9000 };
    pl_redact_options o = { .how = how, .key = key, .key_n = sizeof key };
    pl_buf            out = PL_BUF_INIT(1000);
    pl_error          err = { 0 };

    assert_ok(pl_redact((pl_str){ text, strlen(text) }, &item, 1, &o, &out, &err), &err);
    assert_str(pl_buf_str(&out), expected);
    pl_buf_done(&out);
}

static void redact__masks_and_pseudonymises_names_and_addresses(void **state)
{
    (void)state;
    expect_item("王小明", "pii.name", PL_REDACT_MASK, "王***");
    expect_item("John Smith", "pii.name", PL_REDACT_MASK, "J***");
    expect_item("北京市建国路88号", "pii.address", PL_REDACT_MASK, "****");
    expect_item("John Smith", "pii.name", PL_REDACT_TAG, "[pii.name]");
    expect_item("John Smith", "pii.name", PL_REDACT_PSEUDONYM, "NAME_" NAME_MAC);
    expect_item("JOHN\n  SMITH", "pii.name", PL_REDACT_PSEUDONYM, "NAME_" NAME_MAC);
    expect_item("建国路８８号", "pii.address", PL_REDACT_PSEUDONYM, "ADDRESS_" ADDRESS_MAC);
    expect_item("建国路 88号", "pii.address", PL_REDACT_PSEUDONYM, "ADDRESS_" ADDRESS_MAC);
}

static void redact__refuses_what_it_cannot_do(void **state)
{
    pl_redact_item    bad = { 5, 11, PL_STR("pii.ip"), 9000 };
    pl_redact_options o = { .how = PL_REDACT_TAG };
    pl_buf            out = PL_BUF_INIT(8);
    pl_error          err = { 0 };

    (void)state;
    assert_rc(pl_redact(PL_STR("0123456789"), &bad, 1, &o, &out, &err), PL_INVALID);
    bad.end = 5;
    assert_rc(pl_redact(PL_STR("0123456789"), &bad, 1, &o, &out, &err), PL_INVALID);
    o.how = PL_REDACT_PSEUDONYM;
    assert_rc(pl_redact(PL_STR("0123456789"), NULL, 0, &o, &out, &err), PL_INVALID);
    o.how = PL_REDACT_TAG;
    assert_rc(pl_redact(PL_STR("0123456789"), NULL, 0, &o, &out, &err), PL_LIMIT);
    pl_buf_done(&out);
}

static void told(void *ctx, const pl_redaction *r)
{
    assert_int_equal(r->start, 5);
    assert_int_equal(r->end, 11);
    assert_int_equal(r->at, 5);
    assert_str(r->replacement, "[pii.email]");
    ++*(int *)ctx;
}

static void redact__tells_what_it_replaced(void **state)
{
    int               count = 0;
    pl_redact_item    item = { 5, 11, PL_STR("pii.email"), 9000 };
    pl_redact_options o = { .how = PL_REDACT_TAG, .each = told, .ctx = &count };
    pl_buf            out = PL_BUF_INIT(100);

    (void)state;
    assert_rc(pl_redact(PL_STR("mail a@b.cn now"), &item, 1, &o, &out, NULL), PL_OK);
    assert_int_equal(count, 1);
    pl_buf_done(&out);
}

static int none_of_these(void *ctx, const pl_text_finding *f)
{
    const pl_str *text = ctx;

    fail_msg("found %s again in " PL_STR_FMT, pl_pii_category(f->rule), PL_STR_ARG(*text));
    return 1;
}

/* What stands alone and is replaced is not found again, in any style. */
static void redact__leaves_nothing_to_find(void **state)
{
    static const char *const whole[] = {
        "13800138000", "+86 138 0013 8000", "11010519491231002X", "4111111111111111",
        "91350100M000100Y43", "GB29 NWBK 6016 1331 9268 19", "a@b.cn", "https://a.cn/x?token=abcdefgh",
        "192.168.1.1", "2001:db8::8a2e:370:7334", "AKIAIOSFODNN7EXAMPLE", "京A12345",
        "护照E12345678", "SSN 123-45-6789", "(415) 555-2671", "010-62345678",
    };

    (void)state;
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        for (int how = PL_REDACT_MASK; how <= PL_REDACT_PSEUDONYM; how++) {
            pl_pii_config c = pii_all();
            char         *got = redact(whole[i], strlen(whole[i]), (pl_redact_how)how);
            pl_str        text = pl_str_z(got);

            assert_string_not_equal(got, whole[i]);
            pl_pii_scan(&c, text, none_of_these, &text);
            free(got);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(redact__masks_what_the_kind_does_not_allow_to_be_seen),
        cmocka_unit_test(redact__tags),
        cmocka_unit_test(redact__replaces_overlapping_findings_once),
        cmocka_unit_test(redact__takes_the_union_of_partial_overlaps),
        cmocka_unit_test(redact__pseudonyms_are_stable_across_spellings),
        cmocka_unit_test(redact__masks_and_pseudonymises_names_and_addresses),
        cmocka_unit_test(redact__refuses_what_it_cannot_do),
        cmocka_unit_test(redact__tells_what_it_replaced),
        cmocka_unit_test(redact__leaves_nothing_to_find),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
