#include "base/banned.h"

#include "base/arena.h"
#include "pl_test.h"

static void arena_alloc__gives_zeroed_aligned_memory_that_does_not_overlap(void **state)
{
    pl_arena *a = pl_arena_new(8u << 20);
    uint8_t  *piece[600];
    size_t    size[600], total = 0;

    (void)state;
    for (size_t i = 0; i < 600; i++) {
        size[i] = 1 + i * 13 % 700 + (i % 97 == 0 ? 300000 / 4 : 0);
        total += size[i];
        piece[i] = pl_arena_alloc(a, size[i]);
        assert_non_null(piece[i]);
        assert_int_equal((uintptr_t)piece[i] % 16, 0);
        for (size_t k = 0; k < size[i]; k++)
            assert_int_equal(piece[i][k], 0);
        memset(piece[i], (int)(i % 251) + 1, size[i]);
    }
    for (size_t i = 0; i < 600; i++)
        for (size_t k = 0; k < size[i]; k++)
            assert_int_equal(piece[i][k], i % 251 + 1);
    assert_int_equal(pl_arena_used(a), total);
    pl_arena_free(a);
}

static void arena_alloc__gives_null_at_the_limit_and_goes_on_below_it(void **state)
{
    pl_arena *a = pl_arena_new(1000);

    (void)state;
    assert_non_null(pl_arena_alloc(a, 600));
    assert_null(pl_arena_alloc(a, 401));
    assert_null(pl_arena_alloc(a, SIZE_MAX));
    assert_null(pl_arena_alloc(a, SIZE_MAX - 8));
    assert_int_equal(pl_arena_used(a), 600);
    assert_non_null(pl_arena_alloc(a, 400));
    assert_null(pl_arena_alloc(a, 0)); /* costs one byte, so that pointers differ */
    assert_null(pl_arena_dup(a, PL_STR("")));
    assert_null(pl_arena_printf(a, "%d", 1));
    pl_arena_free(a);
}

static void arena_dup__and_printf_give_terminated_strings(void **state)
{
    pl_arena *a = pl_arena_new(1000);

    (void)state;
    assert_string_equal(pl_arena_dup(a, (pl_str){ "abcdef", 3 }), "abc");
    assert_string_equal(pl_arena_dup(a, (pl_str){ NULL, 0 }), "");
    assert_string_equal(pl_arena_printf(a, "%s-%d", "x", 42), "x-42");
    pl_arena_free(a);
}

static char   order[8];
static size_t order_n;

static void note(void *arg)
{
    order[order_n++] = *(const char *)arg;
}

static void arena_free__runs_deferred_calls_backwards_while_memory_lives(void **state)
{
    pl_arena *a = pl_arena_new(1000);

    (void)state;
    order_n = 0;
    for (char c = 'a'; c <= 'd'; c++) {
        char *arg = pl_arena_alloc(a, 1);

        *arg = c;
        assert_rc(pl_arena_defer(a, note, arg), PL_OK);
    }
    pl_arena_free(a);
    pl_arena_free(NULL);
    assert_int_equal(order_n, 4);
    assert_memory_equal(order, "dcba", 4);
}

static void arena_defer__works_at_the_limit(void **state)
{
    pl_arena *a = pl_arena_new(0);

    (void)state;
    order_n = 0;
    assert_rc(pl_arena_defer(a, note, (void *)(uintptr_t) "z"), PL_OK);
    pl_arena_free(a);
    assert_int_equal(order_n, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arena_alloc__gives_zeroed_aligned_memory_that_does_not_overlap),
        cmocka_unit_test(arena_alloc__gives_null_at_the_limit_and_goes_on_below_it),
        cmocka_unit_test(arena_dup__and_printf_give_terminated_strings),
        cmocka_unit_test(arena_free__runs_deferred_calls_backwards_while_memory_lives),
        cmocka_unit_test(arena_defer__works_at_the_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
