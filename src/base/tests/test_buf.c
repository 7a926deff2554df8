#include "base/banned.h"

#include "base/buf.h"
#include "base/json.h"
#include "pl_test.h"

static void buf_put__grows_and_stays_terminated(void **state)
{
    pl_buf b = PL_BUF_INIT(1u << 20);

    (void)state;
    assert_str(pl_buf_str(&b), "");
    for (int i = 0; i < 5000; i++)
        pl_buf_printf(&b, "%04d,", i);
    pl_buf_putc(&b, '!');
    assert_int_equal(b.n, 25001);
    assert_int_equal(b.p[b.n], '\0');
    assert_memory_equal(b.p + 5 * 4321, "4321,", 5);
    assert_rc(pl_buf_check(&b, NULL), PL_OK);
    pl_buf_done(&b);
}

static void buf_put__fails_for_good_at_the_limit(void **state)
{
    pl_buf   b = PL_BUF_INIT(10);
    pl_error err;

    (void)state;
    pl_buf_puts(&b, "0123456789");
    assert_rc(pl_buf_check(&b, &err), PL_OK);
    pl_buf_putc(&b, 'x');
    assert_rc(pl_buf_check(&b, &err), PL_LIMIT);
    assert_non_null(strstr(err.text, "10 bytes"));
    pl_buf_drop_front(&b, 5);
    pl_buf_putc(&b, 'x'); /* there is room again, but the output already has a hole */
    assert_str(pl_buf_str(&b), "56789");
    assert_rc(pl_buf_check(&b, &err), PL_LIMIT);
    pl_buf_clear(&b);
    pl_buf_putc(&b, 'x');
    assert_rc(pl_buf_check(&b, &err), PL_OK);
    assert_str(pl_buf_str(&b), "x");
    pl_buf_done(&b);
}

static void buf_put__adds_nothing_of_what_does_not_fit(void **state)
{
    (void)state;
    for (size_t limit = 0; limit < 12; limit++) {
        pl_buf b = PL_BUF_INIT(limit);

        pl_buf_printf(&b, "%s", "abcdefgh");
        assert_int_equal(b.n, limit >= 8 ? 8 : 0);
        pl_buf_clear(&b);
        pl_buf_base64(&b, "abcdef", 6);
        assert_int_equal(b.n, limit >= 8 ? 8 : 0);
        pl_buf_clear(&b);
        pl_buf_hex(&b, "abcd", 4);
        assert_int_equal(b.n, limit >= 8 ? 8 : 0);
        pl_buf_done(&b);
    }
}

static void buf_drop_front__keeps_the_rest(void **state)
{
    pl_buf b = PL_BUF_INIT(100);

    (void)state;
    pl_buf_drop_front(&b, 1);
    pl_buf_puts(&b, "abcdef");
    pl_buf_drop_front(&b, 2);
    assert_str(pl_buf_str(&b), "cdef");
    assert_int_equal(b.p[4], '\0');
    pl_buf_drop_front(&b, 100);
    assert_int_equal(b.n, 0);
    pl_buf_done(&b);
}

static void assert_escaped(pl_str in, const char *out)
{
    pl_buf b = PL_BUF_INIT(1000);

    pl_buf_json(&b, in);
    assert_str(pl_buf_str(&b), out);
    pl_buf_done(&b);
}

static void buf_json__escapes_what_json_demands(void **state)
{
    (void)state;
    assert_escaped(PL_STR(""), "");
    assert_escaped(PL_STR("a\"b\\c/d"), "a\\\"b\\\\c/d");
    assert_escaped(PL_STR("\n\r\t\b\f\0\x1f\x7f"), "\\n\\r\\t\\u0008\\u000c\\u0000\\u001f\x7f");
    assert_escaped(PL_STR("准绳 😀"), "准绳 😀");
}

/* Unicode 15 table 3-8: one replacement per maximal subpart. */
static void buf_json__replaces_invalid_utf8_as_unicode_recommends(void **state)
{
#define R "\xef\xbf\xbd"
    (void)state;
    assert_escaped(PL_STR("\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41"), R R R R R R R R "A");
    assert_escaped(PL_STR("\xed\xa0\x80\xed\xbf\xbf\xed\xaf\x41"), R R R R R R R R "A");
    assert_escaped(PL_STR("\xf4\x91\x92\x93\xff\x41\x80\xbf\x42"), R R R R R "A" R R "B");
    assert_escaped(PL_STR("\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41"), R R R R "A");
    assert_escaped(PL_STR("ab\xe4\xb8"), "ab" R);
#undef R
}

static void buf_json__gives_strings_every_json_reader_takes(void **state)
{
    (void)state;
    srand(20261122);
    for (int round = 0; round < 2000; round++) {
        uint8_t  in[24];
        size_t   n = (size_t)rand() % sizeof in;
        pl_buf   b = PL_BUF_INIT(1000);
        pl_error err;
        json_t  *j = NULL;

        for (size_t i = 0; i < n; i++) {
            int r = rand();

            in[i] = (uint8_t)(r % 3 ? r >> 8 : 1 + (r >> 8) % 0x7f);
            if (in[i] == 0) /* jansson keeps no NUL */
                in[i] = 1;
        }
        pl_buf_putc(&b, '"');
        pl_buf_json(&b, (pl_str){ (const char *)in, n });
        pl_buf_putc(&b, '"');
        assert_ok(pl_json_parse(pl_buf_str(&b), "escaped", &j, &err), &err);
        json_decref(j);
        pl_buf_done(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buf_put__grows_and_stays_terminated),
        cmocka_unit_test(buf_put__fails_for_good_at_the_limit),
        cmocka_unit_test(buf_put__adds_nothing_of_what_does_not_fit),
        cmocka_unit_test(buf_drop_front__keeps_the_rest),
        cmocka_unit_test(buf_json__escapes_what_json_demands),
        cmocka_unit_test(buf_json__replaces_invalid_utf8_as_unicode_recommends),
        cmocka_unit_test(buf_json__gives_strings_every_json_reader_takes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
