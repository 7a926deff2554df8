#include "pl_test.h"

#include "base/str.h"
#include "cap/account/account_int.h"

static void roles_parse__reads_a_comma_list(void **state)
{
    unsigned roles = 0;
    pl_error err = { 0 };

    (void)state;
    assert_ok(pl_roles_parse(PL_STR("provider, reviewer"), &roles, &err), &err);
    assert_int_equal(roles, PL_ROLE_PROVIDER | PL_ROLE_REVIEWER);
    assert_ok(pl_roles_parse(PL_STR("admin"), &roles, &err), &err);
    assert_int_equal(roles, PL_ROLE_ADMIN);
}

static void roles_parse__names_the_word_it_does_not_know(void **state)
{
    unsigned roles = 77;
    pl_error err = { 0 };

    (void)state;
    assert_rc(pl_roles_parse(PL_STR("provider,root"), &roles, &err), PL_INVALID);
    assert_non_null(strstr(err.text, "'root'"));
    assert_rc(pl_roles_parse(PL_STR(""), &roles, &err), PL_INVALID);
    assert_rc(pl_roles_parse(PL_STR("admin,,provider"), &roles, &err), PL_INVALID);
    assert_int_equal(roles, 77);
}

static void role_name__is_what_roles_parse_reads(void **state)
{
    (void)state;
    for (unsigned role = PL_ROLE_PUBLIC; role <= PL_ROLE_ADMIN; role <<= 1) {
        unsigned back = 0;
        pl_error err = { 0 };

        assert_ok(pl_roles_parse(pl_str_z(pl_role_name(role)), &back, &err), &err);
        assert_int_equal(back, role);
    }
    assert_string_equal(pl_role_name(0), "unknown");
    assert_string_equal(pl_role_name(3), "unknown");
}

static void account_name__takes_what_needs_no_escaping(void **state)
{
    static const char *const good[] = { "a", "li.lei", "ops-1", "_x", "0" };
    static const char *const bad[] = { "",    "Li",  "li lei", "a/b", "a%41",
                                       "李", "a\nb", "a@b",    "a:b" };
    char                     longest[ACCOUNT_NAME_MAX + 2];

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_rc(account_name_check(pl_str_z(good[i]), NULL), PL_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_rc(account_name_check(pl_str_z(bad[i]), NULL), PL_INVALID);
    assert_rc(account_name_check((pl_str){ "a\0b", 3 }, NULL), PL_INVALID);
    memset(longest, 'a', sizeof longest);
    assert_rc(account_name_check((pl_str){ longest, ACCOUNT_NAME_MAX }, NULL), PL_OK);
    assert_rc(account_name_check((pl_str){ longest, ACCOUNT_NAME_MAX + 1 }, NULL), PL_INVALID);
}

static void account_cookie__is_found_among_others(void **state)
{
    pl_str token;

    (void)state;
    assert_true(account_cookie_find("a=b; plumbline_session=0123 ; c=d", &token));
    assert_str(token, "0123");
    assert_true(account_cookie_find("plumbline_session=", &token));
    assert_str(token, "");
    assert_false(account_cookie_find("xplumbline_session=1; plumbline_sessio=2", &token));
    assert_false(account_cookie_find("", &token));
    assert_false(account_cookie_find(";;; ", &token));
}

/* An unknown name costs what a known one costs only while both hashes have the
 * same parameters. */
static void account_dummy_hash__costs_as_much_as_a_real_one(void **state)
{
    (void)state;
    assert_true(sodium_init() >= 0);
    assert_int_equal(crypto_pwhash_str_needs_rehash(account_dummy_hash(),
                                                    crypto_pwhash_OPSLIMIT_INTERACTIVE,
                                                    crypto_pwhash_MEMLIMIT_INTERACTIVE),
                     0);
}

static void password_verify__fails_closed_on_what_was_never_a_password(void **state)
{
    char     hash[crypto_pwhash_STRBYTES], huge[ACCOUNT_PASSWORD_MAX + 1];
    bool     matches = true;
    pl_error err = { 0 };

    (void)state;
    assert_true(sodium_init() >= 0);
    /* The hash of the empty password must not be what a refused one is compared with. */
    assert_int_equal(crypto_pwhash_str(hash, "", 0, crypto_pwhash_OPSLIMIT_MIN,
                                       crypto_pwhash_MEMLIMIT_MIN),
                     0);
    memset(huge, 'a', sizeof huge);
    assert_ok(account_password_verify(hash, (pl_str){ huge, sizeof huge }, &matches, &err), &err);
    assert_false(matches);
    matches = true;
    assert_ok(account_password_verify(hash, PL_STR("\xff\xfe"), &matches, &err), &err);
    assert_false(matches);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roles_parse__reads_a_comma_list),
        cmocka_unit_test(roles_parse__names_the_word_it_does_not_know),
        cmocka_unit_test(role_name__is_what_roles_parse_reads),
        cmocka_unit_test(account_name__takes_what_needs_no_escaping),
        cmocka_unit_test(account_cookie__is_found_among_others),
        cmocka_unit_test(account_dummy_hash__costs_as_much_as_a_real_one),
        cmocka_unit_test(password_verify__fails_closed_on_what_was_never_a_password),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
