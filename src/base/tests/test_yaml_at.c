#include "base/banned.h"

#include "base/str.h"
#include "base/yaml_at.h"
#include "pl_test.h"

static const char text[] = "# note\n"
                           "a: 1\n"
                           "b:\n"
                           "  - x\n"
                           "  - {c: 2, \"d/e\": [7, 8]}\n"
                           "last: |\n"
                           "  block\n";

static void assert_at(const char *pointer, int line, int column)
{
    pl_yaml_pos at = pl_yaml_at(PL_STR(text), pointer);

    if (at.line != line || at.column != column)
        fail_msg("'%s' at %d:%d, not %d:%d", pointer, at.line, at.column, line, column);
}

static void yaml_at__finds_members_at_their_keys(void **state)
{
    (void)state;
    assert_at("/a", 2, 1);
    assert_at("/b", 3, 1);
    assert_at("/b/1/c", 5, 6);
    assert_at("/last", 6, 1);
}

static void yaml_at__finds_items_of_sequences(void **state)
{
    (void)state;
    assert_at("/b/0", 4, 5);
    assert_at("/b/1", 5, 5);
    assert_at("/b/1/d~1e/1", 5, 23);
}

static void yaml_at__stops_at_the_nearest_ancestor(void **state)
{
    (void)state;
    assert_at("", 2, 1);
    assert_at("/b/1/none/2", 5, 5);
}

static void yaml_at__knows_quoted_keys(void **state)
{
    (void)state;
    assert_int_equal(pl_yaml_at(PL_STR("a: 1\n'it''s': 2\n"), "/it's").line, 2);
    assert_int_equal(pl_yaml_at(PL_STR("a: 1\n\"b c\": 2\n"), "/b c").line, 2);
    assert_int_equal(pl_yaml_at(PL_STR("a: 1\n'': 2\n"), "/").line, 2);
}

static void yaml_at__of_broken_text_is_the_start(void **state)
{
    pl_yaml_pos at = pl_yaml_at(PL_STR("a: [1,"), "/nothing");

    (void)state;
    assert_int_equal(at.line, 1);
    at = pl_yaml_at(PL_STR(""), "/x/y");
    assert_int_equal(at.line, 1);
    assert_int_equal(at.column, 1);
}

static void yaml_fail__names_file_line_and_column(void **state)
{
    pl_error err = { 0 };

    (void)state;
    assert_rc(pl_yaml_fail(&err, PL_STR(text), "f.yaml", "/b/1/c", "no '%d'", 2), PL_INVALID);
    assert_string_equal(err.text, "f.yaml:5:6: no '2'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(yaml_at__finds_members_at_their_keys),
        cmocka_unit_test(yaml_at__finds_items_of_sequences),
        cmocka_unit_test(yaml_at__stops_at_the_nearest_ancestor),
        cmocka_unit_test(yaml_at__knows_quoted_keys),
        cmocka_unit_test(yaml_at__of_broken_text_is_the_start),
        cmocka_unit_test(yaml_fail__names_file_line_and_column),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
