#include "pl_test.h"
#include "pl_test_db.h"

#include "base/id.h"
#include "base/str.h"
#include "cap/trace/trace_int.h"

typedef struct fixture {
    pl_test_db t;
    pl_arena  *a;
    pl_error   err;
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);

    pl_test_db_open(&f->t);
    f->a = pl_arena_new(1u << 20);
    assert_ok(pl_db_migrate(f->t.db, "trace", pl_trace_migrations, 1, &f->err), &f->err);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;

    pl_arena_free(f->a);
    pl_test_db_close(&f->t);
    free(f);
    return 0;
}

static void put(fixture *f, uint8_t key, const char *id, int64_t output)
{
    uint8_t bytes[32];

    memset(bytes, key, sizeof bytes);
    assert_ok(pl_trace_index_put(f->t.db, bytes, pl_str_z(id), output, &f->err), &f->err);
}

static size_t find(fixture *f, uint8_t key, trace_hit *hits, size_t max)
{
    uint8_t bytes[32];
    size_t  n = 99;

    memset(bytes, key, sizeof bytes);
    assert_ok(pl_trace_index_find(f->t.db, f->a, bytes, hits, max, &n, &f->err), &f->err);
    return n;
}

static void trace_index__gives_the_newest_first(void **state)
{
    fixture  *f = *state;
    trace_hit hits[4];

    put(f, 1, "01aaaaaaaaaaaaaaaaaaaaaaaa", 0);
    put(f, 1, "01cccccccccccccccccccccccc", 2);
    put(f, 1, "01bbbbbbbbbbbbbbbbbbbbbbbb", 0);
    put(f, 2, "01dddddddddddddddddddddddd", 0);
    assert_int_equal(find(f, 1, hits, 4), 3);
    assert_str(hits[0].event_id, "01cccccccccccccccccccccccc");
    assert_int_equal(hits[0].output, 2);
    assert_str(hits[2].event_id, "01aaaaaaaaaaaaaaaaaaaaaaaa");
    assert_int_equal(find(f, 1, hits, 2), 2);
    assert_int_equal(find(f, 3, hits, 4), 0);
}

static void trace_index__put_is_idempotent(void **state)
{
    fixture  *f = *state;
    trace_hit hits[4];

    put(f, 1, "01aaaaaaaaaaaaaaaaaaaaaaaa", 0);
    put(f, 1, "01aaaaaaaaaaaaaaaaaaaaaaaa", 0);
    put(f, 1, "01aaaaaaaaaaaaaaaaaaaaaaaa", 1);
    assert_int_equal(find(f, 1, hits, 4), 2);
}

static void trace_index__drop_forgets_what_is_older(void **state)
{
    fixture  *f = *state;
    trace_hit hits[4];
    uint8_t   low[10] = { 0 }, high[10];
    char      id[3][PL_ID_LEN + 1], limit[PL_ID_LEN + 1];
    int64_t   dropped = 0;

    memset(high, 0xff, sizeof high);
    pl_id_format(999, high, id[0]);
    pl_id_format(1000, low, id[1]);
    pl_id_format(2000, high, id[2]);
    for (size_t i = 0; i < 3; i++)
        put(f, 7, id[i], 0);
    pl_id_format(1000, low, limit);
    assert_ok(pl_trace_index_drop(f->t.db, pl_str_z(limit), &dropped, &f->err), &f->err);
    assert_int_equal(dropped, 1);
    assert_int_equal(find(f, 7, hits, 4), 2);
    assert_str(hits[1].event_id, id[1]);
}

static void trace_labels__are_kept_once_longest_first(void **state)
{
    static const char *const labels[] = { "AI生成", "内容由AI生成", "AI生成", "AI合成内容" };
    fixture *f = *state;
    pl_str   out[8];
    size_t   n = 0;

    for (size_t i = 0; i < 4; i++)
        assert_ok(pl_trace_label_put(f->t.db, pl_str_z(labels[i]), &f->err), &f->err);
    assert_ok(pl_trace_label_list(f->t.db, f->a, out, 8, &n, &f->err), &f->err);
    assert_int_equal(n, 3);
    assert_str(out[0], "内容由AI生成");
    assert_str(out[2], "AI生成");
}

static void trace_text__is_what_the_gateway_indexed(void **state)
{
    static const struct {
        const char *saved, *text;
    } cases[] = {
        { "hello", "hello" },
        { "hello \n\n", "hello" },
        { "hello\n\n内容由AI生成\n", "hello" },
        { "hello内容由AI生成", "hello" },
        { "caf\x65\xCC\x81\n\n内容由AI生成", "caf\xC3\xA9" }, /* e + combining acute = é in NFC */
        { "  hello", "  hello" },
        { "hello\n\nAI创作", "hello\n\nAI创作" },
        { "内容由AI生成", "" },
    };
    fixture *f = *state;
    pl_str   label = PL_STR("内容由AI生成"), out;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_ok(pl_trace_text(f->a, pl_str_z(cases[i].saved), &label, 1, &out, &f->err), &f->err);
        assert_str(out, cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(trace_index__gives_the_newest_first, setup, teardown),
        cmocka_unit_test_setup_teardown(trace_index__put_is_idempotent, setup, teardown),
        cmocka_unit_test_setup_teardown(trace_index__drop_forgets_what_is_older, setup, teardown),
        cmocka_unit_test_setup_teardown(trace_labels__are_kept_once_longest_first, setup, teardown),
        cmocka_unit_test_setup_teardown(trace_text__is_what_the_gateway_indexed, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
