/* The label's members, in every spelling.
 * PROVES: GB45438-2025/6.1(a)
 * PROVES: GB45438-2025/E
 * PROVES: TC260-PG-20252A/code
 * PROVES: CN-labelling-measures/6 */
#include "media_test.h"

static pl_arena *arena;

static int setup(void **state)
{
    (void)state;
    arena = pl_arena_new(8u << 20);
    return arena ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    pl_arena_free(arena);
    return 0;
}

static pl_aigc_report read_label(const char *text)
{
    pl_aigc_report r;
    pl_error       err = { 0 };

    assert_ok(pl_aigc_read(pl_str_z(text), arena, &r, &err), &err);
    return r;
}

static bool has(const pl_aigc_report *r, const char *code)
{
    for (size_t i = 0; i < r->n; i++)
        if (strcmp(r->problem[i].code, code) == 0)
            return true;
    return false;
}

static void read__takes_bare_and_wrapped(void **state)
{
    pl_aigc_report bare = read_label(LABEL), wrapped = read_label("{\"AIGC\": " LABEL "}");

    (void)state;
    assert_true(pl_aigc_conforms(&bare) && !bare.wrapped);
    assert_true(pl_aigc_conforms(&wrapped) && wrapped.wrapped);
    assert_int_equal(bare.n, 0);
    assert_str(wrapped.label.m[PL_AIGC_PRODUCE_ID], "id-1");
}

static void format__is_the_inverse_of_read(void **state)
{
    pl_aigc_report r = read_label(LABEL);
    pl_buf         b = PL_BUF_INIT(4096);

    (void)state;
    pl_aigc_format(&r.label, &b);
    assert_str(pl_buf_str(&b), LABEL);
    pl_buf_done(&b);
}

/* One row a deviation: what is wrong with the label, and the code that must say so. */
static const struct {
    const char *text, *code;
    bool        conforms;
} deviations[] = {
    { "", "label.empty", false },
    { "  \t\n", "label.empty", false },
    { "{\"Label\":\"1\"", "label.not-json", false },
    { "{\"Label\":\"1\"}x", "label.not-json", false },
    { "{\"Label\":\"1\",\"Label\":\"2\"}", "label.duplicate-member", false },
    { "[1,2]", "label.not-an-object", false },
    { "{\"Label\":\"1\",\"ContentProducer\":\"x\"}", "label.member-missing", false },
    { "{\"Lable\":\"1\",\"ContentProducer\":\"x\"}", "label.member-misspelt", false },
    { "{\"Label\":\"1\",\"contentproducer\":\"x\"}", "label.member-misspelt", false },
    { "{\"Label\":\"1\",\"ContentPropagater\":\"x\"}", "label.member-misspelt", false },
    { "{\"Label\":1,\"ProduceID\":\"x\"}", "label.member-not-string", false },
    { "{\"Label\":\"AIGC\",\"ProduceID\":\"x\"}", "label.value-invalid", false },
    { "{\"Label\":\"1\",\"Timestamp\":\"x\"}", "label.member-unknown", false },
    { "{\"Label\":\"1\",\"ServiceProvider\":\"x\",\"ContentId\":\"y\"}", "label.vendor-variant", false },
    { "AIGC" LABEL, "label.prefix", true },
    { "{\"Label\":\"1\",\"ContentProducer\":\"\",\"ProduceID\":\"\"}", "label.producer-empty", false },
    { "{\"Label\":\"1\",\"ContentProducer\":\"\xE6\x9F\x90\"}", "label.characters", false },
    { "{\"Label\":\"1\",\"ContentProducer\":\"a\\u0007\"}", "label.control-characters", false },
    { "{\"Label\":\"1\",\"ContentProducer\":\"name\"}", "label.code-format", false },
};

static void read__names_each_deviation(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof deviations / sizeof deviations[0]; i++) {
        pl_aigc_report r = read_label(deviations[i].text);
        if (!has(&r, deviations[i].code))
            fail_msg("'%s' does not report %s", deviations[i].text, deviations[i].code);
        assert_int_equal(pl_aigc_conforms(&r), deviations[i].conforms);
        for (size_t k = 0; k < r.n; k++) {
            assert_true(r.problem[k].clause[0] && r.problem[k].en[0] && r.problem[k].zh[0]);
        }
    }
}

static void read__takes_json_encoded_twice(void **state)
{
    pl_aigc_report r = read_label("\"{\\\"Label\\\":\\\"1\\\",\\\"ProduceID\\\":\\\"p\\\"}\"");

    (void)state;
    assert_true(has(&r, "label.encoded-twice"));
    assert_str(r.label.m[PL_AIGC_PRODUCE_ID], "p");
}

/* Codes of real products (reference §3.1), and the same with one character changed. */
static void provider_code__checks_the_credit_code_inside(void **state)
{
    static const char *const good[] = { "001191110102MAD55U9H0F10002", "001191440300708461136T1XGW3",
                                        "001191310104MACE0YX63918020", "001191110102MACQD9K64010000" };
    const char *why;
    char        bad[28];

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        assert_true(pl_provider_code_check(pl_str_z(good[i]), &why));
        memcpy(bad, good[i], 28);
        bad[10] = bad[10] == '7' ? '8' : '7';
        assert_false(pl_provider_code_check(pl_str_z(bad), &why));
        assert_non_null(why);
    }
    assert_false(pl_provider_code_check(PL_STR("0011"), &why));
    assert_false(pl_provider_code_check(PL_STR("001191110102mad55u9h0f10002"), &why));
    assert_false(pl_provider_code_check(PL_STR("991191110102MAD55U9H0F10002"), &why));
}

static void propagate__keeps_what_the_producer_wrote(void **state)
{
    pl_aigc_report r = read_label(LABEL);
    pl_aigc        l;

    (void)state;
    pl_aigc_propagate(&r.label, '3', PL_STR("001191440300708461136T20000"), PL_STR("p-9"), &l);
    assert_str(l.m[PL_AIGC_LABEL], "1");
    assert_true(pl_str_eq(l.m[PL_AIGC_PRODUCER], r.label.m[PL_AIGC_PRODUCER]));
    assert_true(pl_str_eq(l.m[PL_AIGC_PRODUCE_ID], r.label.m[PL_AIGC_PRODUCE_ID]));
    assert_str(l.m[PL_AIGC_PROPAGATE_ID], "p-9");
    /* Nothing is known of a producer: the platform does not put itself in its place. */
    pl_aigc_propagate(NULL, '2', PL_STR("001191440300708461136T20000"), PL_STR("p-9"), &l);
    assert_str(l.m[PL_AIGC_LABEL], "2");
    assert_int_equal(l.m[PL_AIGC_PRODUCER].n, 0);
}

static void check__refuses_what_we_would_not_write(void **state)
{
    pl_aigc_report r = read_label(LABEL);
    pl_aigc        l = r.label;
    pl_error       err = { 0 };

    (void)state;
    assert_ok(pl_aigc_check(&l, &err), &err);
    l.m[PL_AIGC_PRODUCE_ID] = PL_STR("with blank");
    assert_rc(pl_aigc_check(&l, &err), PL_INVALID);
    l.m[PL_AIGC_PRODUCE_ID] = PL_STR("");
    assert_rc(pl_aigc_check(&l, &err), PL_INVALID);
    l.m[PL_AIGC_LABEL] = PL_STR("3");
    assert_ok(pl_aigc_check(&l, &err), &err);
    l.m[PL_AIGC_LABEL] = PL_STR("4");
    assert_rc(pl_aigc_check(&l, &err), PL_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read__takes_bare_and_wrapped),
        cmocka_unit_test(format__is_the_inverse_of_read),
        cmocka_unit_test(read__names_each_deviation),
        cmocka_unit_test(read__takes_json_encoded_twice),
        cmocka_unit_test(provider_code__checks_the_credit_code_inside),
        cmocka_unit_test(propagate__keeps_what_the_producer_wrote),
        cmocka_unit_test(check__refuses_what_we_would_not_write),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
