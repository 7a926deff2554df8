#include "base/banned.h"

#include "cap/@name@/pl_@name@.h"
#include "pl_test.h"

static void @name@_check__takes_one_byte_and_the_longest_text(void **state)
{
    char     longest[PL_@NAME@_TEXT_MAX];
    pl_error err = { 0 };

    (void)state;
    memset(longest, 'x', sizeof longest);
    assert_ok(pl_@name@_check(PL_STR("x"), &err), &err);
    assert_ok(pl_@name@_check((pl_str){ longest, sizeof longest }, &err), &err);
}

static void @name@_check__refuses_one_byte_too_many(void **state)
{
    char     text[PL_@NAME@_TEXT_MAX + 1];
    pl_error err = { 0 };

    (void)state;
    memset(text, 'x', sizeof text);
    assert_rc(pl_@name@_check((pl_str){ text, sizeof text }, &err), PL_INVALID);
    assert_string_equal(err.text, "remark is longer than 500 bytes");
}

static void @name@_check__refuses_the_empty_text(void **state)
{
    pl_error err = { 0 };

    (void)state;
    assert_rc(pl_@name@_check(PL_STR(""), &err), PL_INVALID);
    assert_string_equal(err.text, "remark is empty");
}

static void @name@_check__names_the_byte_of_a_control_character(void **state)
{
    pl_error err = { 0 };

    (void)state;
    assert_rc(pl_@name@_check(PL_STR("ab\ncd"), &err), PL_INVALID);
    assert_string_equal(err.text, "remark has a control character at byte 2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(@name@_check__takes_one_byte_and_the_longest_text),
        cmocka_unit_test(@name@_check__refuses_one_byte_too_many),
        cmocka_unit_test(@name@_check__refuses_the_empty_text),
        cmocka_unit_test(@name@_check__names_the_byte_of_a_control_character),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
