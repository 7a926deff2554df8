/* Accounts, sessions and tokens on a real database and a real ledger, with a clock that
 * the test moves. */
#include "pl_test_db.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/str.h"
#include "cap/account/account_int.h"
#include "cap/ledger/pl_ledger.h"

#define PASSWORD "correct horse"
#define MINUTE   (60 * 1000LL)

typedef struct fixture {
    pl_test_db  t;
    char       *dir, *ledger_dir;
    pl_signer  *signer;
    pl_ledger  *ledger;
    pl_services s;
    pl_error    err;
} fixture;

static int64_t clock_ms;

static int64_t read_clock(void)
{
    return clock_ms;
}

static int setup(void **state)
{
    static const uint8_t seed[32] = { 7 };
    fixture             *f = calloc(1, sizeof *f);

    clock_ms = 1764000000000;
    pl_test_db_open(&f->t);
    f->dir = pl_test_mkdtemp();
    f->ledger_dir = pl_path_join(f->dir, "ledger");
    assert_ok(pl_signer_new(PL_STR("test.example/account"), seed, &f->signer, &f->err), &f->err);
    assert_ok(pl_ledger_create(f->ledger_dir, PL_STR("test.example/account"), f->signer, &f->err),
              &f->err);
    assert_ok(pl_ledger_open(f->ledger_dir, f->signer, &f->ledger, &f->err), &f->err);
    f->s = (pl_services){ .ledger = f->ledger, .signer = f->signer, .now_ms = read_clock };
    assert_ok(pl_db_migrate(f->t.db, "account", pl_cap_account.migrations, clock_ms, &f->err),
              &f->err);
    assert_ok(pl_cap_account.start(&f->s, f->t.db, &f->err), &f->err);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;

    pl_ledger_close(f->ledger);
    pl_signer_free(f->signer);
    pl_test_db_close(&f->t);
    free(f->ledger_dir);
    pl_test_rmtree(f->dir);
    free(f);
    return 0;
}

/* --- helpers ---------------------------------------------------------------------------------- */

static void add(fixture *f, const char *name, unsigned roles)
{
    assert_ok(pl_account_add(&f->s, f->t.db, pl_str_z(name), PL_STR(PASSWORD), roles,
                             PL_STR("local"), &f->err),
              &f->err);
}

static pl_rc try_login(fixture *f, const char *name, const char *password, char token[65])
{
    pl_principal who;
    char         csrf[65];

    return pl_session_open(&f->s, f->t.db, pl_str_z(name), pl_str_z(password), token, csrf, &who,
                           &f->err);
}

static void login(fixture *f, const char *name, char token[65])
{
    assert_ok(try_login(f, name, PASSWORD, token), &f->err);
}

static pl_rc find(fixture *f, const char *token, pl_principal *who)
{
    char csrf[65];

    return pl_session_find(f->t.db, pl_str_z(token), clock_ms, who, csrf, &f->err);
}

/* Payload of ledger entry `index`, malloc'd. */
static char *statement(fixture *f, uint64_t index)
{
    pl_vkey  key;
    pl_dsse  d;
    char     text[512], *entry, *payload;
    size_t   n;

    assert_ok(pl_ledger_publish(f->ledger, &f->err), &f->err);
    assert_ok(pl_ledger_entry(f->ledger, index, &entry, &n, &f->err), &f->err);
    assert_ok(pl_signer_vkey(f->signer, text, sizeof text, &f->err), &f->err);
    assert_ok(pl_vkey_parse(pl_str_z(text), &key, &f->err), &f->err);
    assert_ok(pl_dsse_open((pl_str){ entry, n }, &key, 1, &d, &f->err), &f->err);
    payload = strdup(d.payload);
    pl_dsse_done(&d);
    free(entry);
    return payload;
}

static int64_t count_rows(fixture *f, const char *sql)
{
    pl_db_stmt *s;
    int64_t     n;

    assert_ok(pl_db_prepare(f->t.db, sql, &s, &f->err), &f->err);
    assert_ok(pl_db_step(s, &f->err), &f->err);
    n = pl_db_int(s, 0);
    pl_db_done(s);
    return n;
}

/* --- accounts --------------------------------------------------------------------------------- */

static void account_add__states_the_change_without_the_name(void **state)
{
    fixture    *f = *state;
    account_row a;
    char       *text;

    add(f, "li.lei", PL_ROLE_REVIEWER);
    assert_int_equal(pl_ledger_size(f->ledger), 1);
    assert_ok(account_store_find(f->t.db, PL_STR("li.lei"), &a, &f->err), &f->err);
    text = statement(f, 0);
    assert_non_null(strstr(text, a.id));
    assert_non_null(strstr(text, "\"change\":\"add\""));
    assert_non_null(strstr(text, "\"roles\":[\"reviewer\"]"));
    assert_non_null(strstr(text, "\"by\":\"local\""));
    assert_non_null(strstr(text, PL_PREDICATE("account-change")));
    assert_null(strstr(text, "li.lei"));
    assert_null(strstr(text, "argon2"));
    free(text);
}

static void account_add__keeps_only_an_argon2id_hash(void **state)
{
    fixture    *f = *state;
    account_row a;

    add(f, "li.lei", PL_ROLE_REVIEWER);
    assert_ok(account_store_find(f->t.db, PL_STR("li.lei"), &a, &f->err), &f->err);
    assert_memory_equal(a.password, "$argon2id$v=19$m=65536,t=2,p=1$", 31);
    assert_null(strstr(a.password, PASSWORD));
}

static void account_add__refuses_a_taken_name_and_states_nothing(void **state)
{
    fixture *f = *state;
    char     token[65];

    add(f, "li.lei", PL_ROLE_REVIEWER);
    assert_rc(pl_account_add(&f->s, f->t.db, PL_STR("li.lei"), PL_STR("another password"),
                             PL_ROLE_ADMIN, PL_STR("local"), &f->err),
              PL_CONFLICT);
    assert_non_null(strstr(f->err.text, "'li.lei'"));
    assert_int_equal(pl_ledger_size(f->ledger), 1);
    login(f, "li.lei", token);
}

static void account_add__refuses_weak_passwords_bad_names_and_no_roles(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *name, *password;
        unsigned    roles;
    } bad[] = {
        { "li.lei", "123456789", PL_ROLE_ADMIN },
        { "li.lei", "密码密码密码密码密", PL_ROLE_ADMIN }, /* nine characters, many bytes */
        { "li.lei", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", PL_ROLE_ADMIN },
        { "Li Lei", PASSWORD, PL_ROLE_ADMIN },
        { "li.lei", PASSWORD, 0 },
        { "li.lei", PASSWORD, 1u << 20 },
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_rc(pl_account_add(&f->s, f->t.db, pl_str_z(bad[i].name),
                                 pl_str_z(bad[i].password), bad[i].roles, PL_STR("local"),
                                 &f->err),
                  PL_INVALID);
    assert_int_equal(count_rows(f, "SELECT COUNT(*) FROM account_user"), 0);
    assert_int_equal(pl_ledger_size(f->ledger), 0);
}

/* The change and its statement are one: without the one there is not the other. */
static void account_add__leaves_no_account_when_the_ledger_refuses(void **state)
{
    fixture        *f = *state;
    pl_ledger      *reader;
    pl_services     broken = f->s;

    assert_ok(pl_ledger_open_reader(f->ledger_dir, &reader, &f->err), &f->err);
    broken.ledger = reader;
    assert_true(pl_account_add(&broken, f->t.db, PL_STR("li.lei"), PL_STR(PASSWORD),
                               PL_ROLE_ADMIN, PL_STR("local"), &f->err) != PL_OK);
    assert_int_equal(count_rows(f, "SELECT COUNT(*) FROM account_user"), 0);
    pl_ledger_close(reader);
}

static void account_set_password__ends_sessions_and_the_old_password(void **state)
{
    fixture     *f = *state;
    char         token[65], *text;
    pl_principal who;

    add(f, "li.lei", PL_ROLE_REVIEWER);
    login(f, "li.lei", token);
    assert_ok(pl_account_set_password(&f->s, f->t.db, PL_STR("li.lei"),
                                      PL_STR("a better password"), PL_STR("local"), &f->err),
              &f->err);
    assert_rc(find(f, token, &who), PL_NOTFOUND);
    assert_rc(try_login(f, "li.lei", PASSWORD, token), PL_DENIED);
    assert_rc(try_login(f, "li.lei", "a better password", token), PL_OK);
    text = statement(f, 1);
    assert_non_null(strstr(text, "\"change\":\"password\""));
    free(text);
}

static void account_set_password__does_not_know_a_missing_account(void **state)
{
    fixture *f = *state;

    assert_rc(pl_account_set_password(&f->s, f->t.db, PL_STR("nobody"), PL_STR(PASSWORD),
                                      PL_STR("local"), &f->err),
              PL_NOTFOUND);
    assert_int_equal(pl_ledger_size(f->ledger), 0);
}

static void account_disable__shuts_out_at_once(void **state)
{
    fixture     *f = *state;
    char         token[65];
    pl_principal who;

    add(f, "boss", PL_ROLE_ADMIN);
    add(f, "li.lei", PL_ROLE_REVIEWER);
    login(f, "li.lei", token);
    assert_ok(pl_account_disable(&f->s, f->t.db, PL_STR("li.lei"), PL_STR("local"), &f->err),
              &f->err);
    assert_rc(find(f, token, &who), PL_NOTFOUND);
    assert_rc(try_login(f, "li.lei", PASSWORD, token), PL_DENIED);
    assert_int_equal(pl_ledger_size(f->ledger), 3);
    /* Again is no change, and no statement. */
    assert_ok(pl_account_disable(&f->s, f->t.db, PL_STR("li.lei"), PL_STR("local"), &f->err),
              &f->err);
    assert_int_equal(pl_ledger_size(f->ledger), 3);
}

static void account_disable__keeps_the_last_administrator(void **state)
{
    fixture *f = *state;
    char     token[65];

    add(f, "boss", PL_ROLE_ADMIN);
    add(f, "deputy", PL_ROLE_ADMIN);
    assert_ok(pl_account_disable(&f->s, f->t.db, PL_STR("boss"), PL_STR("local"), &f->err),
              &f->err);
    assert_rc(pl_account_disable(&f->s, f->t.db, PL_STR("deputy"), PL_STR("local"), &f->err),
              PL_CONFLICT);
    login(f, "deputy", token);
}

static void account_bootstrap__makes_one_administrator_once(void **state)
{
    fixture     *f = *state;
    char         password[33] = "", again[33] = "untouched", token[65], csrf[65];
    pl_principal who;

    assert_ok(pl_account_bootstrap(&f->s, f->t.db, password, &f->err), &f->err);
    assert_int_equal(strlen(password), 23);
    assert_ok(pl_session_open(&f->s, f->t.db, PL_STR("admin"), pl_str_z(password), token, csrf,
                              &who, &f->err),
              &f->err);
    assert_int_equal(who.roles, PL_ROLE_ADMIN);
    assert_rc(pl_account_bootstrap(&f->s, f->t.db, again, &f->err), PL_CONFLICT);
    assert_string_equal(again, "untouched");
}

/* --- sessions ----------------------------------------------------------------------------------- */

static void session_open__is_found_until_it_expires(void **state)
{
    fixture     *f = *state;
    char         token[65], csrf[65], found[65];
    pl_principal who, same;

    add(f, "li.lei", PL_ROLE_REVIEWER | PL_ROLE_PROVIDER);
    assert_ok(pl_session_open(&f->s, f->t.db, PL_STR("li.lei"), PL_STR(PASSWORD), token, csrf,
                              &who, &f->err),
              &f->err);
    assert_int_equal(strlen(token), 64);
    assert_int_equal(strlen(csrf), 64);
    assert_string_not_equal(token, csrf);
    assert_ok(pl_session_find(f->t.db, pl_str_z(token), clock_ms, &same, found, &f->err),
              &f->err);
    assert_string_equal(found, csrf);
    assert_string_equal(same.id, who.id);
    assert_string_equal(same.name, "li.lei");
    assert_int_equal(same.roles, PL_ROLE_REVIEWER | PL_ROLE_PROVIDER);
    assert_int_equal(same.is_token, 0);

    clock_ms += PL_SESSION_MS - 1;
    assert_rc(find(f, token, &who), PL_OK);
    clock_ms += 1;
    assert_rc(find(f, token, &who), PL_NOTFOUND);
}

static void session_open__stores_nothing_that_logs_in(void **state)
{
    fixture    *f = *state;
    char        token[65];
    uint8_t     digest[32];
    pl_db_stmt *s;

    add(f, "li.lei", PL_ROLE_REVIEWER);
    login(f, "li.lei", token);
    pl_sha256_of(pl_str_z(token), digest);
    assert_ok(pl_db_prepare(f->t.db, "SELECT digest FROM account_session", &s, &f->err), &f->err);
    assert_ok(pl_db_step(s, &f->err), &f->err);
    assert_int_equal(pl_db_blob(s, 0).n, 32);
    assert_memory_equal(pl_db_blob(s, 0).p, digest, 32);
    pl_db_done(s);
}

static void session_open__says_the_same_for_every_wrong_login(void **state)
{
    fixture *f = *state;
    char     token[65], first[256];

    add(f, "boss", PL_ROLE_ADMIN);
    add(f, "gone", PL_ROLE_REVIEWER);
    assert_ok(pl_account_disable(&f->s, f->t.db, PL_STR("gone"), PL_STR("local"), &f->err),
              &f->err);
    assert_rc(try_login(f, "boss", "wrong password", token), PL_DENIED);
    memcpy(first, f->err.text, sizeof first);
    assert_rc(try_login(f, "nobody", PASSWORD, token), PL_DENIED);
    assert_string_equal(f->err.text, first);
    assert_rc(try_login(f, "gone", PASSWORD, token), PL_DENIED);
    assert_string_equal(f->err.text, first);
    assert_rc(try_login(f, "boss", "", token), PL_DENIED);
    assert_string_equal(f->err.text, first);
}

/* é as one code point and as two is one password. */
static void session_open__does_not_care_how_characters_are_composed(void **state)
{
    fixture *f = *state;
    char     token[65];

    assert_ok(pl_account_add(&f->s, f->t.db, PL_STR("rene"), PL_STR("caf\xc3\xa9 au lait"),
                             PL_ROLE_REVIEWER, PL_STR("local"), &f->err),
              &f->err);
    assert_rc(try_login(f, "rene", "cafe\xcc\x81 au lait", token), PL_OK);
}

static void session_close__ends_one_session(void **state)
{
    fixture     *f = *state;
    char         one[65], two[65];
    pl_principal who;

    add(f, "li.lei", PL_ROLE_REVIEWER);
    login(f, "li.lei", one);
    login(f, "li.lei", two);
    assert_ok(pl_session_close(f->t.db, pl_str_z(one), &f->err), &f->err);
    assert_rc(find(f, one, &who), PL_NOTFOUND);
    assert_rc(find(f, two, &who), PL_OK);
    assert_rc(pl_session_close(f->t.db, pl_str_z(one), &f->err), PL_NOTFOUND);
}

static void session_find__takes_only_what_can_be_a_token(void **state)
{
    fixture     *f = *state;
    char         token[65];
    pl_principal who;

    add(f, "li.lei", PL_ROLE_REVIEWER);
    login(f, "li.lei", token);
    token[0] = token[0] == '0' ? '1' : '0';
    assert_rc(find(f, token, &who), PL_NOTFOUND);
    assert_rc(find(f, "", &who), PL_NOTFOUND);
    assert_rc(find(f, "' OR 1=1 --", &who), PL_NOTFOUND);
}

/* --- the throttle -------------------------------------------------------------------------------- */

static void fail_times(fixture *f, const char *name, int times)
{
    char token[65];

    for (int i = 0; i < times; i++) {
        assert_rc(try_login(f, name, "wrong password", token), PL_DENIED);
        clock_ms += 1000;
    }
}

static void session_open__stops_guessing_for_a_quarter_of_an_hour(void **state)
{
    fixture *f = *state;
    char     token[65];

    add(f, "boss", PL_ROLE_ADMIN);
    add(f, "other", PL_ROLE_REVIEWER);
    fail_times(f, "boss", 10);
    assert_rc(try_login(f, "boss", "wrong password", token), PL_LIMIT);
    assert_rc(try_login(f, "boss", PASSWORD, token), PL_LIMIT);
    login(f, "other", token);
    clock_ms += 15 * MINUTE - 2000;
    assert_rc(try_login(f, "boss", PASSWORD, token), PL_LIMIT); /* and this prolongs nothing */
    clock_ms += 1000;
    login(f, "boss", token);
}

static void session_open__forgives_failures_on_success(void **state)
{
    fixture *f = *state;
    char     token[65];

    add(f, "boss", PL_ROLE_ADMIN);
    fail_times(f, "boss", 9);
    login(f, "boss", token);
    assert_int_equal(count_rows(f, "SELECT COUNT(*) FROM account_failure"), 0);
    fail_times(f, "boss", 2);
    login(f, "boss", token);
}

static void session_open__counts_unknown_names_too(void **state)
{
    fixture *f = *state;
    char     token[65];

    fail_times(f, "nobody", 10);
    assert_rc(try_login(f, "nobody", "wrong password", token), PL_LIMIT);
}

/* --- API tokens ------------------------------------------------------------------------------------ */

static void token_add__is_found_with_its_roles(void **state)
{
    fixture     *f = *state;
    char         id[PL_ID_LEN + 1], value[69], *text;
    pl_principal who;

    assert_ok(account_token_add(&f->s, f->t.db, PL_STR("Prometheus 监控"), PL_ROLE_REVIEWER, 0,
                                PL_STR("local"), id, value, &f->err),
              &f->err);
    assert_int_equal(strlen(value), 68);
    assert_memory_equal(value, "plt_", 4);
    assert_ok(pl_token_find(f->t.db, pl_str_z(value), clock_ms, &who, &f->err), &f->err);
    assert_string_equal(who.id, id);
    assert_int_equal(who.roles, PL_ROLE_REVIEWER);
    assert_int_equal(who.is_token, 1);
    text = statement(f, 0);
    assert_non_null(strstr(text, "\"change\":\"token-add\""));
    assert_non_null(strstr(text, id));
    assert_null(strstr(text, "Prometheus"));
    assert_null(strstr(text, value));
    free(text);
}

static void token_add__expires_when_it_was_told_to(void **state)
{
    fixture     *f = *state;
    char         value[69];
    pl_principal who;

    assert_ok(pl_token_add(&f->s, f->t.db, PL_STR("short"), PL_ROLE_REVIEWER, clock_ms + MINUTE,
                           PL_STR("local"), value, &f->err),
              &f->err);
    clock_ms += MINUTE - 1;
    assert_rc(pl_token_find(f->t.db, pl_str_z(value), clock_ms, &who, &f->err), PL_OK);
    clock_ms += 1;
    assert_rc(pl_token_find(f->t.db, pl_str_z(value), clock_ms, &who, &f->err), PL_NOTFOUND);
    assert_rc(pl_token_add(&f->s, f->t.db, PL_STR("past"), PL_ROLE_REVIEWER, clock_ms,
                           PL_STR("local"), value, &f->err),
              PL_INVALID);
}

static void token_revoke__works_once_and_is_stated(void **state)
{
    fixture     *f = *state;
    char         id[PL_ID_LEN + 1], value[69], *text;
    pl_principal who;

    assert_ok(account_token_add(&f->s, f->t.db, PL_STR("ci"), PL_ROLE_ADMIN, 0, PL_STR("local"),
                                id, value, &f->err),
              &f->err);
    assert_ok(pl_token_revoke(&f->s, f->t.db, pl_str_z(id), PL_STR("local"), &f->err), &f->err);
    assert_rc(pl_token_find(f->t.db, pl_str_z(value), clock_ms, &who, &f->err), PL_NOTFOUND);
    assert_rc(pl_token_revoke(&f->s, f->t.db, pl_str_z(id), PL_STR("local"), &f->err),
              PL_NOTFOUND);
    assert_int_equal(pl_ledger_size(f->ledger), 2);
    text = statement(f, 1);
    assert_non_null(strstr(text, "\"change\":\"token-revoke\""));
    free(text);
}

static void token_add__cuts_a_long_label_between_characters(void **state)
{
    fixture     *f = *state;
    char         label[3 * 60 + 1] = "", value[69];
    pl_principal who;

    for (int i = 0; i < 60; i++)
        memcpy(label + 3 * i, "准", 4);
    assert_ok(pl_token_add(&f->s, f->t.db, pl_str_z(label), PL_ROLE_REVIEWER, 0, PL_STR("local"),
                           value, &f->err),
              &f->err);
    assert_ok(pl_token_find(f->t.db, pl_str_z(value), clock_ms, &who, &f->err), &f->err);
    assert_int_equal(strlen(who.name), 63); /* 21 whole characters in 64 bytes */
}

/* --- upkeep ------------------------------------------------------------------------------------------ */

static void account_tick__forgets_what_has_ended(void **state)
{
    fixture *f = *state;
    char     token[65];

    add(f, "li.lei", PL_ROLE_REVIEWER);
    login(f, "li.lei", token);
    fail_times(f, "nobody", 1);
    clock_ms += PL_SESSION_MS / 2;
    login(f, "li.lei", token);
    clock_ms += PL_SESSION_MS / 2;
    assert_ok(pl_cap_account.tick(&f->s, f->t.db, clock_ms, &f->err), &f->err);
    assert_int_equal(count_rows(f, "SELECT COUNT(*) FROM account_session"), 1);
    assert_int_equal(count_rows(f, "SELECT COUNT(*) FROM account_failure"), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(account_add__states_the_change_without_the_name),
        T(account_add__keeps_only_an_argon2id_hash),
        T(account_add__refuses_a_taken_name_and_states_nothing),
        T(account_add__refuses_weak_passwords_bad_names_and_no_roles),
        T(account_add__leaves_no_account_when_the_ledger_refuses),
        T(account_set_password__ends_sessions_and_the_old_password),
        T(account_set_password__does_not_know_a_missing_account),
        T(account_disable__shuts_out_at_once),
        T(account_disable__keeps_the_last_administrator),
        T(account_bootstrap__makes_one_administrator_once),
        T(session_open__is_found_until_it_expires),
        T(session_open__stores_nothing_that_logs_in),
        T(session_open__says_the_same_for_every_wrong_login),
        T(session_open__does_not_care_how_characters_are_composed),
        T(session_close__ends_one_session),
        T(session_find__takes_only_what_can_be_a_token),
        T(session_open__stops_guessing_for_a_quarter_of_an_hour),
        T(session_open__forgives_failures_on_success),
        T(session_open__counts_unknown_names_too),
        T(token_add__is_found_with_its_roles),
        T(token_add__expires_when_it_was_told_to),
        T(token_revoke__works_once_and_is_stated),
        T(token_add__cuts_a_long_label_between_characters),
        T(account_tick__forgets_what_has_ended),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
