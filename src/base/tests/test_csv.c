#include "base/csv.h"
#include "base/str.h"
#include "pl_test.h"

/* The cells of a line with '/' between. */
static void expect(const char *line, char separator, const char *want)
{
    pl_buf cell = PL_BUF_INIT(256), all = PL_BUF_INIT(1024);
    pl_str rest = pl_str_z(line);

    if (rest.p == NULL)
        rest = PL_STR("");
    for (bool first = true; pl_csv_cell(&rest, separator, &cell); first = false) {
        if (!first)
            pl_buf_putc(&all, '/');
        pl_buf_put(&all, pl_buf_str(&cell));
    }
    assert_string_equal(all.p != NULL ? all.p : "", want);
    pl_buf_done(&cell);
    pl_buf_done(&all);
}

static void csv__takes_cells_off_a_line(void **state)
{
    (void)state;
    expect("a,b,c", ',', "a/b/c");
    expect("a,,", ',', "a//");
    expect("\"a,b\",c", ',', "a,b/c");
    expect("\"say \"\"no\"\"\",x", ',', "say \"no\"/x");
    expect("\"\",x", ',', "/x");
    expect("a \"b\",c", ',', "a \"b\"/c");
    expect("\"open", ',', "open");
    expect("\"a\"tail,b", ',', "a/b");
    expect("\"a\"\tb,c", '\t', "\"a\"/b,c");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv__takes_cells_off_a_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
