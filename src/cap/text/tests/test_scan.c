#include "pl_test.h"

#include "cap/text/scan_int.h"

static void scan_form_names__names_every_bit_and_plain(void **state)
{
    char out[192];

    (void)state;
    scan_form_names(0, out);
    assert_string_equal(out, "plain");
    scan_form_names(PL_FORM_WIDTH | PL_FORM_SEPARATED, out);
    assert_string_equal(out, "width+separated");
    scan_form_names(PL_FORM_ESCAPE, out);
    assert_string_equal(out, "escape");
    scan_form_names(0x7fff, out);
    assert_string_equal(out, "width+variant+compat+invisible+separated+joined+repeated+lookalike+"
                             "digits+pinyin+split+entity+percent+base64+escape");
}

static void scan_is_archive__knows_the_four_kinds(void **state)
{
    char tar[512] = { 0 };

    (void)state;
    memcpy(tar + 257, "ustar", 5);
    assert_true(scan_is_archive(PL_STR("\x1f\x8b\x08")));
    assert_true(scan_is_archive(PL_STR("\x28\xb5\x2f\xfd")));
    assert_true(scan_is_archive(PL_STR("PK\3\4")));
    assert_true(scan_is_archive((pl_str){ tar, sizeof tar }));
    assert_false(scan_is_archive(PL_STR("PK is a text")));
    assert_false(scan_is_archive(PL_STR("")));
    assert_false(scan_is_archive((pl_str){ tar, 260 }));
}

static int never(void *ctx, const char *name, pl_str text)
{
    (void)ctx, (void)name, (void)text;
    fail_msg("called");
    return 0;
}

static void scan_archive_each__names_what_is_damaged(void **state)
{
    pl_error err = { 0 };

    (void)state;
    assert_rc(scan_archive_each("x", PL_STR("PK\3\4garbage that is no member"), never, NULL, &err),
              PL_INVALID);
    assert_non_null(strstr(err.text, "damaged"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scan_form_names__names_every_bit_and_plain),
        cmocka_unit_test(scan_is_archive__knows_the_four_kinds),
        cmocka_unit_test(scan_archive_each__names_what_is_damaged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
