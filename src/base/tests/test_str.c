#include "base/banned.h"

#include "base/buf.h"
#include "base/str.h"
#include "pl_test.h"

static void str_split__gives_empty_fields_but_not_a_last_one(void **state)
{
    pl_str rest = PL_STR("a,,b,"), part;

    (void)state;
    assert_true(pl_str_split(&rest, ',', &part));
    assert_str(part, "a");
    assert_true(pl_str_split(&rest, ',', &part));
    assert_str(part, "");
    assert_true(pl_str_split(&rest, ',', &part));
    assert_str(part, "b");
    assert_false(pl_str_split(&rest, ',', &part));
}

static void str_trim__removes_blanks_on_both_sides_only(void **state)
{
    (void)state;
    assert_str(pl_str_trim(PL_STR(" \t\r\na b\n ")), "a b");
    assert_str(pl_str_trim(PL_STR(" \n ")), "");
    assert_str(pl_str_trim(PL_STR("\xc2\xa0")), "\xc2\xa0");
}

static void str_compare__handles_empty_and_embedded_nul(void **state)
{
    (void)state;
    assert_true(pl_str_eq((pl_str){ NULL, 0 }, PL_STR("")));
    assert_false(pl_str_eq(PL_STR("a\0b"), PL_STR("a\0c")));
    assert_false(pl_str_eqz(PL_STR("a\0"), "a"));
    assert_true(pl_str_starts(PL_STR("abc"), PL_STR("")));
    assert_true(pl_str_starts(PL_STR("abc"), PL_STR("ab")));
    assert_false(pl_str_starts(PL_STR("ab"), PL_STR("abc")));
    assert_true(pl_str_ends(PL_STR("abc"), PL_STR("bc")));
    assert_false(pl_str_ends(PL_STR("bc"), PL_STR("abc")));
    assert_true(pl_str_ends((pl_str){ NULL, 0 }, PL_STR("")));
    assert_str(pl_str_z(NULL), "");
}

static void str_dup__terminates_with_nul(void **state)
{
    char *z = pl_str_dup((pl_str){ "abcdef", 3 });

    (void)state;
    assert_string_equal(z, "abc");
    free(z);
}

static void str_u64__takes_the_whole_range_and_nothing_else(void **state)
{
    static const char *const bad[] = { "",   "-1",  "+1",  " 1", "1 ", "01",
                                       "00", "0x1", "1.0", "１", "18446744073709551616",
                                       "99999999999999999999999" };
    uint64_t                 v = 7;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_rc(pl_str_u64(pl_str_z(bad[i]), &v, NULL), PL_INVALID);
        assert_true(v == 7);
    }
    assert_rc(pl_str_u64(PL_STR("0"), &v, NULL), PL_OK);
    assert_true(v == 0);
    assert_rc(pl_str_u64(PL_STR("18446744073709551615"), &v, NULL), PL_OK);
    assert_true(v == UINT64_MAX);
}

/* RFC 4648 §10 */
static const char *const base64_vectors[][2] = {
    { "", "" },         { "f", "Zg==" },         { "fo", "Zm8=" },        { "foo", "Zm9v" },
    { "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" },
};

static void base64_decode__reads_the_rfc_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof base64_vectors / sizeof base64_vectors[0]; i++) {
        char   out[8];
        size_t n = 99;

        assert_rc(pl_base64_decode(pl_str_z(base64_vectors[i][1]), out, sizeof out, &n, NULL),
                  PL_OK);
        assert_str(((pl_str){ out, n }), base64_vectors[i][0]);
    }
}

static void base64_decode__refuses_every_other_spelling(void **state)
{
    static const char *const bad[] = {
        "Zg",       "Zg=",   "Zg===",    "Zh==", "Zm9=",     "=Zg=",  "Z===", "====", "Zg==Zg==",
        "Zm9vYg=a", "Zm 9v", "Zm9v\nZm9v", "Zm9-", "Zm9_", "Zm9v=", "Zm9v====", "Zg=A",
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char   out[16];
        size_t n;

        if (pl_base64_decode(pl_str_z(bad[i]), out, sizeof out, &n, NULL) != PL_INVALID)
            fail_msg("accepted '%s'", bad[i]);
    }
}

static void base64_decode__never_writes_past_its_room(void **state)
{
    char   out[4] = "abc";
    size_t n;

    (void)state;
    assert_rc(pl_base64_decode(PL_STR("Zm9v"), out, 2, &n, NULL), PL_LIMIT);
    assert_string_equal(out, "abc");
    assert_rc(pl_base64_decode(PL_STR("Zm9v"), out, 3, &n, NULL), PL_OK);
    assert_string_equal(out, "foo");
}

static void base64__round_trips_all_lengths(void **state)
{
    uint8_t in[100], back[100];

    (void)state;
    for (size_t i = 0; i < sizeof in; i++)
        in[i] = (uint8_t)(i * 37 + 5);
    for (size_t n = 0; n <= sizeof in; n++) {
        pl_buf b = PL_BUF_INIT(1000);
        size_t got;

        pl_buf_base64(&b, in, n);
        assert_int_equal(b.n, (n + 2) / 3 * 4);
        assert_rc(pl_base64_decode(pl_buf_str(&b), back, sizeof back, &got, NULL), PL_OK);
        assert_int_equal(got, n);
        assert_memory_equal(back, in, n);
        pl_buf_done(&b);
    }
}

static void hex__is_lower_case_and_decodes_both_cases(void **state)
{
    uint8_t b[3] = { 0 };
    char    out[7];

    (void)state;
    assert_rc(pl_hex_decode(PL_STR("00aBfF"), b, 3, NULL), PL_OK);
    pl_hex(b, 3, out);
    assert_string_equal(out, "00abff");
    assert_rc(pl_hex_decode(PL_STR("00ab"), b, 3, NULL), PL_INVALID);
    assert_rc(pl_hex_decode(PL_STR("00abf"), b, 3, NULL), PL_INVALID);
    assert_rc(pl_hex_decode(PL_STR("00abfg"), b, 3, NULL), PL_INVALID);
    assert_rc(pl_hex_decode(PL_STR("00ab f"), b, 3, NULL), PL_INVALID);
    assert_int_equal(b[2], 0xff);
}

static void fail__writes_the_message_and_survives_no_error(void **state)
{
    pl_error err = { PL_OK, "untouched" };

    (void)state;
    assert_rc(pl_fail(NULL, PL_IO, "x %d", 1), PL_IO);
    assert_rc(pl_fail(&err, PL_LIMIT, "too many '%s'", "things"), PL_LIMIT);
    assert_rc(err.rc, PL_LIMIT);
    assert_string_equal(err.text, "too many 'things'");
}

static void fail__cuts_a_long_message_between_characters(void **state)
{
    pl_error err;
    char     text[600];

    (void)state;
    for (size_t shift = 0; shift < 3; shift++) {
        memset(text, 'a', sizeof text);
        for (size_t i = shift; i + 3 < sizeof text; i += 3)
            memcpy(text + i, "中", 3);
        text[sizeof text - 1] = '\0';
        (void)pl_fail(&err, PL_IO, "%s", text);
        assert_true(strlen(err.text) >= sizeof err.text - 4);
        assert_int_equal((strlen(err.text) - shift) % 3, 0);
    }
}

static void rc_name__names_every_code_differently(void **state)
{
    (void)state;
    for (int a = PL_NOMEM; a <= PL_OK; a++)
        for (int b = PL_NOMEM; b < a; b++)
            assert_string_not_equal(pl_rc_name((pl_rc)a), pl_rc_name((pl_rc)b));
    assert_string_equal(pl_rc_name(PL_NOTFOUND), "not found");
    assert_true(strchr(pl_version(), '.') != NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(str_split__gives_empty_fields_but_not_a_last_one),
        cmocka_unit_test(str_trim__removes_blanks_on_both_sides_only),
        cmocka_unit_test(str_compare__handles_empty_and_embedded_nul),
        cmocka_unit_test(str_dup__terminates_with_nul),
        cmocka_unit_test(str_u64__takes_the_whole_range_and_nothing_else),
        cmocka_unit_test(base64_decode__reads_the_rfc_vectors),
        cmocka_unit_test(base64_decode__refuses_every_other_spelling),
        cmocka_unit_test(base64_decode__never_writes_past_its_room),
        cmocka_unit_test(base64__round_trips_all_lengths),
        cmocka_unit_test(hex__is_lower_case_and_decodes_both_cases),
        cmocka_unit_test(fail__writes_the_message_and_survives_no_error),
        cmocka_unit_test(fail__cuts_a_long_message_between_characters),
        cmocka_unit_test(rc_name__names_every_code_differently),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
