/* Backup and restore over the command line, in this process, on SQLite and PostgreSQL. */
#include "base/banned.h"

#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "cap/account/pl_account.h"
#include "cap/ledger/pl_ledger.h"
#include "host/cli/cli.h"
#include "host/cli/up.h"
#include "host/daemon/daemon.h"
#include "pl_test_db.h"

#include <fcntl.h>
#include <sys/stat.h>

typedef struct fx {
    char    *root;
    char     dir[300], data[300];
    char    *out, *err_text; /* of the last command */
    pl_error err;
} fx;

static bool on_postgres(void)
{
    const char *url = getenv("PL_TEST_DB");

    return url != NULL && strncmp(url, "postgresql:", 11) == 0;
}

static void empty_postgres(void)
{
    pl_test_db t;

    if (!on_postgres())
        return;
    pl_test_db_open(&t); /* drops everything in it */
    pl_test_db_close(&t);
}

static void forget(fx *f)
{
    free(f->out);
    free(f->err_text);
    f->out = f->err_text = NULL;
}

static int cli(fx *f, const char *first, ...)
{
    char   *argv[16] = { (char *)(uintptr_t) "plumbline" };
    int     argc = 1, code;
    size_t  n, m;
    FILE   *out, *err;
    va_list ap;

    forget(f);
    out = open_memstream(&f->out, &n);
    err = open_memstream(&f->err_text, &m);
    va_start(ap, first);
    for (const char *a = first; a != NULL; a = va_arg(ap, const char *))
        argv[argc++] = (char *)(uintptr_t)a;
    va_end(ap);
    code = pl_cli_main(argc, argv, out, err);
    fclose(out);
    fclose(err);
    return code;
}

static void assert_cli(fx *f, int code, int want)
{
    if (code != want)
        fail_msg("exit %d, not %d: %s%s", code, want, f->out, f->err_text);
}

static char *in(fx *f, const char *rel)
{
    static char paths[4][700];
    static int  turn;

    turn = (turn + 1) % 4;
    snprintf(paths[turn], sizeof paths[turn], "%s/%s", f->root, rel);
    return paths[turn];
}

/* A data directory as it is installed, made of links into the source tree. */
static void make_datadir(fx *f)
{
    snprintf(f->data, sizeof f->data, "%s/data", f->root);
    assert_int_equal(mkdir(f->data, 0755), 0);
    assert_int_equal(symlink(PL_TEST_SOURCE_ROOT "/packs", in(f, "data/packs")), 0);
    assert_int_equal(symlink(PL_TEST_SOURCE_ROOT "/share/defaults", in(f, "data/defaults")), 0);
}

static int setup(void **state)
{
    static char datadir[300]; /* pl_datadir keeps its first answer: one for the program */
    fx         *f = calloc(1, sizeof *f);
    int         code;

    f->root = pl_test_mkdtemp();
    snprintf(f->dir, sizeof f->dir, "%s/inst", f->root);
    if (datadir[0] == '\0') {
        char *shared = pl_test_mkdtemp(), *own = f->root;

        f->root = shared;
        make_datadir(f);
        f->root = own;
        snprintf(datadir, sizeof datadir, "%s/data", shared);
        free(shared);
        setenv("PLUMBLINE_DATADIR", datadir, 1);
    }
    empty_postgres();
    code = on_postgres() ? cli(f, "init", "--dir", f->dir, "--database", getenv("PL_TEST_DB"), NULL)
                         : cli(f, "init", "--dir", f->dir, NULL);
    assert_cli(f, code, 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fx *f = *state;

    forget(f);
    pl_test_rmtree(f->root);
    free(f);
    return 0;
}

static int remove_datadir(void **state)
{
    char *dir = strdup(getenv("PLUMBLINE_DATADIR"));

    (void)state;
    *strrchr(dir, '/') = '\0';
    pl_test_rmtree(dir);
    return 0;
}

/* Adds an account in the instance, with its statement; gives the ledger's size after. */
static uint64_t add_account(fx *f, const char *name)
{
    pl_daemon *d = NULL;
    pl_db     *db = NULL;
    uint64_t   size;

    assert_ok(pl_daemon_open(f->dir, &d, &f->err), &f->err);
    assert_ok(pl_dbpool_take(d->dbs, &db, &f->err), &f->err);
    assert_ok(pl_account_add(&d->services, db, pl_str_z(name), PL_STR("correct horse"),
                             PL_ROLE_REVIEWER, PL_STR("local"), &f->err), &f->err);
    pl_dbpool_give(d->dbs, db);
    assert_ok(pl_ledger_publish(d->services.ledger, &f->err), &f->err);
    size = pl_ledger_size(d->services.ledger);
    pl_daemon_close(d, 0);
    return size;
}

/* Whether the account can log in at the instance in dir. */
static bool has_account(fx *f, const char *dir, const char *name)
{
    pl_daemon   *d = NULL;
    pl_db       *db = NULL;
    char         token[65], csrf[65];
    pl_principal who;
    pl_rc        rc;

    assert_ok(pl_daemon_open(dir, &d, &f->err), &f->err);
    assert_ok(pl_dbpool_take(d->dbs, &db, &f->err), &f->err);
    rc = pl_session_open(&d->services, db, pl_str_z(name), PL_STR("correct horse"), token, csrf,
                         &who, &f->err);
    pl_dbpool_give(d->dbs, db);
    pl_daemon_close(d, 0);
    return rc == PL_OK;
}

static void write_policy(const char *dir)
{
    char     path[800];
    pl_error err = { 0 };
    bool     differs;
    pl_instance i;

    /* What `up` does before it starts the daemon. */
    assert_ok(pl_instance_open(dir, &i, &err), &err);
    assert_ok(pl_up_policy(&i, &differs, &err), &err);
    snprintf(path, sizeof path, "%s/gateway/policy.db", dir);
    assert_int_equal(access(path, F_OK), 0);
}

static void damage(const char *path)
{
    int  fd = open(path, O_RDWR);
    char c;

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &c, 1, 20), 1);
    c ^= 1;
    assert_int_equal(pwrite(fd, &c, 1, 20), 1);
    close(fd);
}

/* --- init ------------------------------------------------------------------------------ */

static void init__shows_the_password_once_and_says_what_was_done(void **state)
{
    fx              *f = *state;
    pl_instance      i;
    pl_vkey          key;
    pl_ledger_report report = { 0 };

    assert_non_null(strstr(f->out, "admin / "));
    assert_cli(f, cli(f, "init", "--dir", f->dir, NULL), 0);
    assert_null(strstr(f->out, "admin / "));
    assert_ok(pl_instance_open(f->dir, &i, &f->err), &f->err);
    assert_ok(pl_instance_vkey(&i, &key, &f->err), &f->err);
    assert_ok(pl_ledger_verify(in(f, "inst/ledger"), &key, &report, NULL, NULL, &f->err), &f->err);
    assert_int_equal(json_array_size(report.problems), 0);
    assert_int_equal(report.size, 3); /* created, administrator, policy */
    pl_ledger_report_done(&report);
}

static void init__finishes_what_was_interrupted(void **state)
{
    fx *f = *state;

    assert_int_equal(remove(in(f, "inst/run/created")), 0);
    assert_cli(f, cli(f, "init", "--dir", f->dir, NULL), 0);
    assert_null(strstr(f->out, "admin / ")); /* there is one already */
    assert_int_equal(access(in(f, "inst/run/created"), F_OK), 0);
}

static void init__does_not_hide_a_lost_ledger(void **state)
{
    fx *f = *state;

    assert_int_equal(rename(in(f, "inst/ledger"), in(f, "ledger")), 0);
    assert_int_equal(remove(in(f, "inst/run/created")), 0);
    assert_cli(f, cli(f, "init", "--dir", f->dir, NULL), PL_EXIT_FAILED);
    assert_non_null(strstr(f->err_text, "ledger is missing"));
    assert_int_equal(access(in(f, "inst/ledger"), F_OK), -1);
}

/* --- backup and restore ---------------------------------------------------------------- */

static void round_trip(fx *f, const char *backup)
{
    uint64_t size = add_account(f, "before");
    char     restored[700], want[80];

    assert_cli(f, cli(f, "backup", backup, "--dir", f->dir, "--json", NULL), 0);
    snprintf(want, sizeof want, "\"ledger_size\":%llu", (unsigned long long)size);
    assert_non_null(strstr(f->out, want));
    (void)add_account(f, "after");

    snprintf(restored, sizeof restored, "%s", in(f, "restored"));
    empty_postgres();
    assert_cli(f, cli(f, "restore", backup, "--dir", restored, "--json", NULL), 0);
    assert_non_null(strstr(f->out, want));
    write_policy(restored);
    assert_true(has_account(f, restored, "before"));
    assert_false(has_account(f, restored, "after"));
    assert_cli(f, cli(f, "ledger", "verify", "--dir", restored, NULL), 0);
}

static void backup__comes_back_from_a_tar_file(void **state)
{
    struct stat st;
    fx         *f = *state;
    char        path[700];

    snprintf(path, sizeof path, "%s", in(f, "b.tar"));
    round_trip(f, path);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 077, 0); /* it holds keys */
}

static void backup__comes_back_from_a_folder(void **state)
{
    struct stat st;
    fx         *f = *state;
    char        path[700];

    snprintf(path, sizeof path, "%s", in(f, "b"));
    round_trip(f, path);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 077, 0);
    assert_int_equal(stat(in(f, "restored/keys/ledger.key"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    if (!on_postgres()) {
        assert_int_equal(stat(in(f, "restored/state.db"), &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
    assert_int_equal(stat(in(f, "restored/ledger/tile"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0755);
    assert_int_equal(access(in(f, "restored/backup.json"), F_OK), -1);
}

static void backup__works_while_the_daemon_has_the_instance(void **state)
{
    fx        *f = *state;
    pl_daemon *d = NULL;

    assert_ok(pl_daemon_open(f->dir, &d, &f->err), &f->err);
    assert_cli(f, cli(f, "backup", in(f, "live"), "--dir", f->dir, NULL), 0);
    pl_daemon_close(d, 0);
    assert_int_equal(access(in(f, "live/backup.json"), F_OK), 0);
    assert_int_equal(access(in(f, "live/ledger/lock"), F_OK), -1);
}

static void backup__leaves_nothing_behind_when_it_fails(void **state)
{
    fx *f = *state;

    assert_cli(f, cli(f, "backup", in(f, "x.tar"), "--dir", in(f, "nothing"), NULL),
               PL_EXIT_BAD_INPUT);
    assert_int_equal(mkdir(in(f, "taken"), 0755), 0);
    assert_cli(f, cli(f, "backup", in(f, "taken"), "--dir", f->dir, NULL), PL_EXIT_FAILED);
    assert_non_null(strstr(f->err_text, "exists already"));
    assert_int_equal(rmdir(in(f, "taken")), 0); /* still empty */
}

static void backup__refuses_a_ledger_that_does_not_verify(void **state)
{
    fx *f = *state;

    damage(in(f, "inst/ledger/tile/0/000.p/3"));
    assert_cli(f, cli(f, "backup", in(f, "b.tar"), "--dir", f->dir, NULL), PL_EXIT_BAD_INPUT);
    assert_non_null(strstr(f->err_text, "ledger"));
    assert_int_equal(access(in(f, "b.tar"), F_OK), -1);
}

static void assert_restore_refused(fx *f, const char *says)
{
    assert_cli(f, cli(f, "restore", in(f, "b"), "--dir", in(f, "restored"), NULL),
               PL_EXIT_BAD_INPUT);
    if (strstr(f->err_text, says) == NULL)
        fail_msg("'%s' is not in '%s'", says, f->err_text);
    assert_int_equal(access(in(f, "restored"), F_OK), -1);
}

static void restore__refuses_damaged_backups(void **state)
{
    fx *f = *state;

    assert_cli(f, cli(f, "backup", in(f, "b"), "--dir", f->dir, NULL), 0);
    empty_postgres();
    damage(in(f, "b/policy/default.yaml"));
    assert_restore_refused(f, "'policy/default.yaml' was changed");
    damage(in(f, "b/policy/default.yaml")); /* and back */
    assert_int_equal(rename(in(f, "b/keys/index.key"), in(f, "index.key")), 0);
    assert_restore_refused(f, "'keys/index.key' is missing");
    assert_int_equal(rename(in(f, "index.key"), in(f, "b/keys/index.key")), 0);
    assert_ok(pl_file_write_atomic(in(f, "b/policy/extra.yaml"), PL_STR("x"), 0644, &f->err),
              &f->err);
    assert_restore_refused(f, "does not list: 'policy/extra.yaml'");
    assert_int_equal(remove(in(f, "b/policy/extra.yaml")), 0);
    assert_int_equal(symlink("/etc/passwd", in(f, "b/policy/link")), 0);
    assert_cli(f, cli(f, "restore", in(f, "b"), "--dir", in(f, "restored"), NULL), PL_EXIT_FAILED);
    assert_int_equal(remove(in(f, "b/policy/link")), 0);
    assert_cli(f, cli(f, "restore", in(f, "b"), "--dir", in(f, "restored"), NULL), 0);
}

static void restore__refuses_what_is_no_backup(void **state)
{
    fx *f = *state;

    assert_int_equal(mkdir(in(f, "b"), 0755), 0);
    assert_restore_refused(f, "not a backup");
    assert_ok(pl_file_write_atomic(in(f, "b/backup.json"), PL_STR("{\"format\":\"zip\"}"), 0644,
                                   &f->err), &f->err);
    assert_restore_refused(f, "another format: 'zip'");
    assert_cli(f, cli(f, "restore", in(f, "nothing"), "--dir", in(f, "r"), NULL),
               PL_EXIT_BAD_INPUT);
}

static void restore__does_not_touch_what_exists(void **state)
{
    fx *f = *state;

    assert_cli(f, cli(f, "backup", in(f, "b"), "--dir", f->dir, NULL), 0);
    assert_cli(f, cli(f, "restore", in(f, "b"), "--dir", f->dir, NULL), PL_EXIT_FAILED);
    assert_non_null(strstr(f->err_text, "exists already"));
    if (on_postgres()) { /* and the database named in it is still in use */
        assert_cli(f, cli(f, "restore", in(f, "b"), "--dir", in(f, "restored"), NULL),
                   PL_EXIT_FAILED);
        assert_non_null(strstr(f->err_text, "--database"));
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(init__shows_the_password_once_and_says_what_was_done),
        T(init__finishes_what_was_interrupted),
        T(init__does_not_hide_a_lost_ledger),
        T(backup__comes_back_from_a_tar_file),
        T(backup__comes_back_from_a_folder),
        T(backup__works_while_the_daemon_has_the_instance),
        T(backup__leaves_nothing_behind_when_it_fails),
        T(backup__refuses_a_ledger_that_does_not_verify),
        T(restore__refuses_damaged_backups),
        T(restore__refuses_what_is_no_backup),
        T(restore__does_not_touch_what_exists),
    };

    return cmocka_run_group_tests(tests, NULL, remove_datadir);
}
