#include "pl_test.h"

#include "base/str.h"
#include "cap/registry/registry_index.h"

static void expect_fold(const char *text, const char *want)
{
    pl_buf b = PL_BUF_INIT(1000);

    registry_fold(pl_str_z(text), &b);
    assert_string_equal(b.p ? b.p : "", want);
    pl_buf_done(&b);
}

static void fold__makes_one_of_what_looks_alike(void **state)
{
    (void)state;
    expect_fold("ＡＢＣ１２３", "abc123");
    expect_fold("智能 GPT", "智能 gpt");
    expect_fold("e\xcc\x81", "é");
    expect_fold("\xff\xfe", "");
}

static void words__stand_in_the_text_whole(void **state)
{
    (void)state;
    assert_true(registry_words_in(PL_STR("智能 推荐"), PL_STR("某某智能\n推荐算法")));
    assert_false(registry_words_in(PL_STR("智能推荐"), PL_STR("某某智能\n推荐算法")));
    assert_true(registry_words_in(PL_STR(""), PL_STR("x")));
    assert_true(registry_words_in(PL_STR("，。"), PL_STR("x")));
}

static void hits__are_walked_downwards(void **state)
{
    uint64_t      bits[3] = { 1ULL << 5 | 1ULL << 63, 0, 1ULL << 2 };
    registry_hits h = { bits, 3, 3 };

    (void)state;
    assert_int_equal(registry_hits_below(&h, INT64_MAX), 130);
    assert_int_equal(registry_hits_below(&h, 130), 63);
    assert_int_equal(registry_hits_below(&h, 64), 63);
    assert_int_equal(registry_hits_below(&h, 63), 5);
    assert_int_equal(registry_hits_below(&h, 5), -1);
    assert_int_equal(registry_hits_below(&h, 0), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fold__makes_one_of_what_looks_alike),
        cmocka_unit_test(words__stand_in_the_text_whole),
        cmocka_unit_test(hits__are_walked_downwards),
    };

    return cmocka_run_group_tests_name("registry index", tests, NULL, NULL);
}
