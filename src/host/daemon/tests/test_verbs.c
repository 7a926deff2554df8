/* The account verbs of the command line against a daemon, through control.sock. */
#include "daemon_fixture.h"

#include "host/cli/cli.h"

#include <sys/wait.h>

static int setup(void **state)
{
    daemon_fixture *f = calloc(1, sizeof *f);

    fx_make_instance(f);
    fx_start(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    daemon_fixture *f = *state;

    fx_stop(f);
    fx_remove_instance(f);
    free(f);
    return 0;
}

typedef struct result {
    int   code;
    char *out, *err;
} result;

static void result_done(result *r)
{
    free(r->out);
    free(r->err);
}

/* Standard input becomes a file that holds `text`. */
static void set_stdin(const daemon_fixture *f, const char *text)
{
    char    *path = pl_path_join(f->root, "stdin");
    pl_error err = { 0 };

    assert_ok(pl_file_write_atomic(path, pl_str_z(text), 0600, &err), &err);
    assert_non_null(freopen(path, "r", stdin));
    free(path);
}

/* Runs "plumbline WORDS --dir DIR". */
static result run(daemon_fixture *f, const char *const *words)
{
    char  *argv[16] = { strdup("plumbline") }, *own[16];
    int    argc = 1;
    result r = { 0 };
    size_t n;
    FILE  *out = open_memstream(&r.out, &n), *err = open_memstream(&r.err, &n);

    for (; words[argc - 1] != NULL; argc++)
        argv[argc] = strdup(words[argc - 1]);
    argv[argc++] = strdup("--dir");
    argv[argc++] = strdup(f->dir);
    argv[argc++] = strdup("--lang");
    argv[argc++] = strdup("en");
    memcpy(own, argv, sizeof own); /* the parser moves the words about */
    r.code = pl_cli_main(argc, argv, out, err);
    (void)fclose(out);
    (void)fclose(err);
    for (int i = 0; i < argc; i++)
        free(own[i]);
    return r;
}

#define RUN(f, ...) run(f, (const char *const[]){ __VA_ARGS__, NULL })

static void add(daemon_fixture *f, const char *name, const char *roles)
{
    result r;

    set_stdin(f, FX_PASSWORD "\n");
    r = RUN(f, "account", "add", name, "--roles", roles);
    if (r.code != PL_EXIT_OK)
        fail_msg("%s", r.err);
    result_done(&r);
}

static void account_add__reads_the_password_from_standard_input(void **state)
{
    daemon_fixture *f = *state;

    add(f, "li.lei", "reviewer,provider");
    assert_int_equal(fx_login(f, "li.lei", FX_PASSWORD, NULL), 200);
    assert_int_equal(json_array_size(json_object_get(f->body, "roles")), 2);
}

static void account_add__explains_what_is_wrong(void **state)
{
    daemon_fixture *f = *state;
    result          r;

    set_stdin(f, "short\n");
    r = RUN(f, "account", "add", "li.lei", "--roles", "reviewer");
    assert_int_equal(r.code, PL_EXIT_BAD_INPUT);
    assert_non_null(strstr(r.err, "shorter than 10 characters"));
    result_done(&r);
    set_stdin(f, "");
    r = RUN(f, "account", "add", "li.lei", "--roles", "reviewer");
    assert_int_equal(r.code, PL_EXIT_BAD_INPUT);
    assert_non_null(strstr(r.err, "no password on standard input"));
    result_done(&r);
    r = RUN(f, "account", "add", "Li Lei", "--roles", "reviewer");
    assert_int_equal(r.code, PL_EXIT_BAD_INPUT);
    result_done(&r);
    r = RUN(f, "account", "add", "li.lei", "--roles", "king");
    assert_int_equal(r.code, PL_EXIT_BAD_INPUT);
    assert_non_null(strstr(r.err, "'king'"));
    result_done(&r);
}

static void account_passwd__changes_it(void **state)
{
    daemon_fixture *f = *state;
    result          r;

    add(f, "li.lei", "reviewer");
    set_stdin(f, "with \"quotes\" and \\ 准绳\n");
    r = RUN(f, "account", "passwd", "li.lei");
    assert_int_equal(r.code, PL_EXIT_OK);
    result_done(&r);
    assert_int_equal(fx_login(f, "li.lei", FX_PASSWORD, NULL), 403);
    assert_int_equal(fx_login(f, "li.lei", "with \\\"quotes\\\" and \\\\ 准绳", NULL), 200);
}

static void account_disable__then_list_shows_it(void **state)
{
    daemon_fixture *f = *state;
    result          r;
    json_t         *page, *j;

    add(f, "boss", "admin");
    add(f, "li.lei", "reviewer");
    r = RUN(f, "account", "disable", "li.lei");
    assert_int_equal(r.code, PL_EXIT_OK);
    result_done(&r);
    r = RUN(f, "account", "list", "--json");
    assert_int_equal(r.code, PL_EXIT_OK);
    assert_ok(pl_json_parse(pl_str_z(r.out), "output", &page, &f->err), &f->err);
    j = json_object_get(page, "accounts");
    assert_int_equal(json_array_size(j), 2);
    assert_false(json_is_true(json_object_get(json_array_get(j, 0), "disabled")));
    assert_true(json_is_true(json_object_get(json_array_get(j, 1), "disabled")));
    json_decref(page);
    result_done(&r);
    r = RUN(f, "account", "list");
    assert_non_null(strstr(r.out, "boss"));
    assert_non_null(strstr(r.out, "disabled  reviewer\n"));
    result_done(&r);
    r = RUN(f, "account", "disable", "boss");
    assert_int_equal(r.code, PL_EXIT_FAILED);
    assert_non_null(strstr(r.err, "last administrator"));
    result_done(&r);
}

static void account_token__works_until_it_is_revoked(void **state)
{
    daemon_fixture *f = *state;
    char            header[128];
    json_t         *page, *j;
    result          r = RUN(f, "account", "token", "ci \"main\"", "--roles", "admin", "--days", "1");

    assert_int_equal(r.code, PL_EXIT_OK);
    assert_int_equal(strlen(r.out), 69);
    (void)snprintf(header, sizeof header, "Authorization: Bearer %.68s", r.out);
    result_done(&r);
    assert_int_equal(FX_CALL(f, f->remote, "GET", "/api/v1/accounts", NULL, header), 200);
    r = RUN(f, "account", "tokens", "--json");
    assert_ok(pl_json_parse(pl_str_z(r.out), "output", &page, &f->err), &f->err);
    result_done(&r);
    j = json_array_get(json_object_get(page, "tokens"), 0);
    assert_string_equal(json_string_value(json_object_get(j, "label")), "ci \"main\"");
    assert_true(json_integer_value(json_object_get(j, "expires_ms")) > pl_now_ms());
    r = RUN(f, "account", "revoke", json_string_value(json_object_get(j, "id")));
    assert_int_equal(r.code, PL_EXIT_OK);
    json_decref(page);
    result_done(&r);
    assert_int_equal(FX_CALL(f, f->remote, "GET", "/api/v1/accounts", NULL, header), 401);
}

static void account_list__goes_through_every_page(void **state)
{
    daemon_fixture *f = *state;
    json_t         *j;
    result          r;
    pl_db          *db;
    char            value[69];

    /* More tokens than one page of the API holds. */
    assert_ok(pl_dbpool_take(f->d->dbs, &db, &f->err), &f->err);
    for (int i = 0; i < 501; i++)
        assert_ok(pl_token_add(&f->d->services, db, PL_STR("one of many"), PL_ROLE_REVIEWER, 0,
                               PL_STR("local"), value, &f->err),
                  &f->err);
    pl_dbpool_give(f->d->dbs, db);
    r = RUN(f, "account", "tokens", "--json");
    assert_ok(pl_json_parse(pl_str_z(r.out), "output", &j, &f->err), &f->err);
    assert_int_equal(json_array_size(json_object_get(j, "tokens")), 501);
    json_decref(j);
    result_done(&r);
}

static void account_verbs__say_when_no_daemon_runs(void **state)
{
    daemon_fixture *f = *state;
    result          r;

    fx_stop(f);
    r = RUN(f, "account", "list");
    assert_int_equal(r.code, PL_EXIT_FAILED);
    assert_non_null(strstr(r.err, "plumblined is not running"));
    result_done(&r);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(account_add__reads_the_password_from_standard_input),
        T(account_add__explains_what_is_wrong),
        T(account_passwd__changes_it),
        T(account_disable__then_list_shows_it),
        T(account_token__works_until_it_is_revoked),
        T(account_list__goes_through_every_page),
        T(account_verbs__say_when_no_daemon_runs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
