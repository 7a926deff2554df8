#include "base/banned.h"

#include "base/buf.h"
#include "cap/@name@/pl_@name@.h"
#include "pl_test_db.h"

static int setup(void **state)
{
    pl_test_db *t = test_malloc(sizeof *t);
    pl_error    err = { 0 };

    pl_test_db_open(t);
    assert_ok(pl_db_migrate(t->db, "@name@", pl_cap_@name@.migrations, 1, &err), &err);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    pl_test_db_close(*state);
    test_free(*state);
    return 0;
}

static int64_t append(pl_test_db *t, const char *subject, const char *text)
{
    pl_error err = { 0 };
    int64_t  seq = 0;

    assert_ok(pl_@name@_append(t->db, (pl_str){ subject, strlen(subject) },
                               (pl_str){ text, strlen(text) }, 1700000000000, &seq, &err),
              &err);
    return seq;
}

static pl_rc print_remark(void *ctx, const pl_@name@_remark *r, pl_error *err)
{
    (void)err;
    pl_buf_printf(ctx, "%lld:" PL_STR_FMT "@%lld ", (long long)r->seq, PL_STR_ARG(r->text),
                  (long long)r->at_ms);
    return PL_OK;
}

static void @name@_append__numbers_each_subject_without_gaps(void **state)
{
    assert_int_equal(append(*state, "a", "first"), 1);
    assert_int_equal(append(*state, "a", "second"), 2);
    assert_int_equal(append(*state, "b", "other"), 1);
    assert_int_equal(append(*state, "a", "third"), 3);
}

static void @name@_each__gives_a_subject_oldest_first(void **state)
{
    pl_test_db *t = *state;
    pl_buf      got = PL_BUF_INIT(1000);
    pl_error    err = { 0 };

    append(t, "a", "first");
    append(t, "b", "other");
    append(t, "a", "第二");
    assert_ok(pl_@name@_each(t->db, PL_STR("a"), print_remark, &got, &err), &err);
    assert_str(pl_buf_str(&got), "1:first@1700000000000 2:第二@1700000000000 ");
    pl_buf_done(&got);
}

static void @name@_append__keeps_nothing_it_refuses(void **state)
{
    pl_test_db *t = *state;
    pl_buf      got = PL_BUF_INIT(1000);
    pl_error    err = { 0 };
    int64_t     seq = -1;

    assert_rc(pl_@name@_append(t->db, PL_STR("a"), PL_STR(""), 1, &seq, &err), PL_INVALID);
    assert_int_equal(seq, -1);
    assert_ok(pl_@name@_each(t->db, PL_STR("a"), print_remark, &got, &err), &err);
    assert_int_equal(got.n, 0);
    pl_buf_done(&got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(@name@_append__numbers_each_subject_without_gaps, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(@name@_each__gives_a_subject_oldest_first, setup, teardown),
        cmocka_unit_test_setup_teardown(@name@_append__keeps_nothing_it_refuses, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
