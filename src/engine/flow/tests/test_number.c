#include "pl_test.h"

#include "base/str.h"
#include "engine/flow/number.h"

/* cn-assessment §3.2 and §3.3. */
static const char beian[] =
    "{\"template\":\"网信算备{region:6}{entity:7}{class:2}{year:2}{serial:3}{check}号\","
    "\"check\":{\"weights\":[2,1,3,4],\"modulus\":5,\"base\":1,\"step\":2}}";
static const char genai[] =
    "{\"template\":\"{province}-{name}-{date:8}{serial:4}\","
    "\"pattern\":\"^[A-Za-z]+-.+-[0-9]{8}([0-9]{4})?$\"}";

static pl_number *number_of(const char *text)
{
    json_t    *j = json_loads(text, 0, NULL);
    pl_number *n = NULL;
    pl_error   err = { 0 };

    assert_ok(pl_number_new(j, "n.yaml", &n, &err), &err);
    json_decref(j);
    return n;
}

static pl_number_verdict verdict(const char *template, const char *text)
{
    pl_number        *n = number_of(template);
    pl_number_verdict v = pl_number_check(n, pl_str_z(text));

    pl_number_free(n);
    return v;
}

/* Numbers that were published, of cn-assessment §3.2. */
static void number_check__accepts_numbers_that_were_published(void **state)
{
    (void)state;
    assert_int_equal(verdict(beian, "网信算备110108823483901230015号"), PL_NUMBER_GOOD);
    assert_int_equal(verdict(beian, "网信算备440305295988701230013号"), PL_NUMBER_GOOD);
    assert_int_equal(verdict(beian, "网信算备330110391028001220019号"), PL_NUMBER_GOOD);
}

static void number_check__only_doubts_another_check_digit(void **state)
{
    (void)state;
    assert_int_equal(verdict(beian, "网信算备110108823483901230013号"), PL_NUMBER_BAD_CHECK);
    assert_int_equal(verdict(beian, "网信算备11010882348390123001号"), PL_NUMBER_BAD_FORM);
    assert_int_equal(verdict(beian, "网信算备110108823483901230015"), PL_NUMBER_BAD_FORM);
    assert_int_equal(verdict(beian, ""), PL_NUMBER_BAD_FORM);
}

static void number_check__reads_names_with_dashes_and_digits(void **state)
{
    (void)state;
    assert_int_equal(verdict(genai, "Beijing-BMW-AI-202605010123"), PL_NUMBER_GOOD);
    assert_int_equal(verdict(genai, "Shanghai-Dr.GDCDC-20240301"), PL_NUMBER_GOOD);
    assert_int_equal(verdict(genai, "Shanghai-20240301"), PL_NUMBER_BAD_FORM);
}

static pl_rc part(void *ctx, pl_str name, pl_buf *out, pl_error *err)
{
    const char *const *v = ctx;

    for (; *v; v += 2)
        if (pl_str_eqz(name, v[0])) {
            pl_buf_puts(out, v[1]);
            return PL_OK;
        }
    return pl_fail(err, PL_NOTFOUND, "no part '" PL_STR_FMT "'", PL_STR_ARG(name));
}

/* 990001 is no region of GB/T 2260; the check digit is worked out by hand:
 * 2*9+1*9+3*0+4*0+2*0+1*1+2*0... see the reference's own example. */
static void number_make__pads_and_adds_the_check_digit(void **state)
{
    const char *parts[] = { "region", "990001", "entity", "1", "class", "1", "year", "26",
                            "serial", "1", NULL };
    pl_number  *n = number_of(beian);
    pl_buf      out = PL_BUF_INIT(200);
    pl_error    err = { 0 };

    (void)state;
    assert_ok(pl_number_make(n, part, parts, &out, &err), &err);
    assert_string_equal(out.p, "网信算备990001000000101260015号");
    pl_buf_clear(&out);
    parts[9] = "1000";
    assert_rc(pl_number_make(n, part, parts, &out, &err), PL_LIMIT);
    assert_int_equal(out.n, 0);
    pl_buf_done(&out);
    pl_number_free(n);
}

static void number_new__refuses_templates_that_cannot_work(void **state)
{
    static const char *const bad[] = { "{\"template\":\"a{b\"}", "{\"template\":\"{:3}\"}",
                                       "{\"template\":\"{a:99}\"}", "{\"template\":\"\"}", "{}",
                                       "{\"template\":\"{check}\",\"check\":{\"weights\":[1],\"modulus\":11}}" };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        json_t    *j = json_loads(bad[i], 0, NULL);
        pl_number *n = NULL;
        pl_error   err = { 0 };

        assert_rc(pl_number_new(j, "n.yaml", &n, &err), PL_INVALID);
        json_decref(j);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(number_check__accepts_numbers_that_were_published),
        cmocka_unit_test(number_check__only_doubts_another_check_digit),
        cmocka_unit_test(number_check__reads_names_with_dashes_and_digits),
        cmocka_unit_test(number_make__pads_and_adds_the_check_digit),
        cmocka_unit_test(number_new__refuses_templates_that_cannot_work),
    };

    return cmocka_run_group_tests_name("flow number", tests, NULL, NULL);
}
