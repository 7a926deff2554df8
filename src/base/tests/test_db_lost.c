#include "base/banned.h"

#include "base/db.h"
#include "base/db_int.h"
#include "base/str.h"
#include "pl_test_db.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>

/* A server that hangs up, as it does when it restarts. On SQLite there is nobody who could:
 * the tests then only show that the same calls work. */

typedef struct fx {
    pl_test_db t;
    pl_db     *db;
    pl_error   err;
} fx;

static int setup(void **state)
{
    fx *f = calloc(1, sizeof *f);

    assert_non_null(f);
    pl_test_db_open(&f->t);
    f->db = f->t.db;
    assert_ok(pl_db_exec(f->db, "CREATE TABLE t (id BIGINT PRIMARY KEY)", &f->err), &f->err);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fx *f = *state;

    pl_test_db_close(&f->t);
    free(f);
    return 0;
}

/* Ends all other sessions of the server, and waits until they are gone. */
static void hang_up(fx *f)
{
    pl_db      *killer;
    pl_db_stmt *s;
    int64_t     left = 1;

    if (!pl_db_is_postgres(f->db))
        return;
    assert_ok(pl_db_open(f->t.url, &killer, &f->err), &f->err);
    assert_ok(pl_db_exec(killer,
                         "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                         " WHERE datname = current_database() AND pid <> pg_backend_pid()",
                         &f->err),
              &f->err);
    for (int i = 0; i < 200 && left > 0; i++) {
        (void)usleep(10000);
        assert_ok(pl_db_prepare(killer,
                                "SELECT COUNT(*) FROM pg_stat_activity WHERE"
                                " datname = current_database() AND pid <> pg_backend_pid()",
                                &s, &f->err),
                  &f->err);
        assert_ok(pl_db_step(s, &f->err), &f->err);
        left = pl_db_int(s, 0);
        pl_db_done(s);
    }
    assert_int_equal(left, 0);
    /* The server forgets a session a moment before it closes the line. */
    (void)usleep(200000);
    pl_db_close(killer);
}

static pl_rc put(fx *f, int64_t id)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(f->db, "INSERT INTO t (id) VALUES ($1)", &s, &f->err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_int(s, 1, id);
    return pl_db_run(s, NULL, &f->err);
}

static void db_prepare__reconnects_and_prepares_anew_after_a_restart(void **state)
{
    fx *f = *state;

    assert_ok(put(f, 1), &f->err);
    hang_up(f);
    assert_ok(put(f, 2), &f->err);
    assert_rc(put(f, 1), PL_CONFLICT);
    hang_up(f);
    hang_up(f);
    assert_ok(put(f, 3), &f->err);
}

static void db_begin__reconnects(void **state)
{
    fx *f = *state;

    hang_up(f);
    assert_ok(pl_db_begin(f->db, &f->err), &f->err);
    assert_ok(put(f, 1), &f->err);
    assert_ok(pl_db_commit(f->db, &f->err), &f->err);
}

static void db_transaction__is_lost_whole_with_its_connection(void **state)
{
    fx   *f = *state;
    bool  server = pl_db_is_postgres(f->db);

    assert_ok(pl_db_begin(f->db, &f->err), &f->err);
    assert_ok(put(f, 1), &f->err);
    hang_up(f);
    assert_rc(put(f, 2), server ? PL_IO : PL_OK);
    assert_rc(put(f, 3), server ? PL_INVALID : PL_OK);
    if (server)
        assert_rc(pl_db_commit(f->db, &f->err), PL_INVALID);
    pl_db_abort(f->db);
    assert_ok(pl_db_begin(f->db, &f->err), &f->err);
    assert_ok(put(f, 1), &f->err); /* the first was rolled back */
    assert_ok(pl_db_commit(f->db, &f->err), &f->err);
}

static void db_commit__is_no_success_when_the_connection_is_gone(void **state)
{
    fx *f = *state;

    assert_ok(pl_db_begin(f->db, &f->err), &f->err);
    assert_ok(put(f, 1), &f->err);
    hang_up(f);
    assert_rc(pl_db_commit(f->db, &f->err), pl_db_is_postgres(f->db) ? PL_IO : PL_OK);
    pl_db_abort(f->db);
    assert_ok(put(f, 2), &f->err);
}

/* --- a line that breaks just then ------------------------------------------------- */

enum cut { CUT_NOT, CUT_SILENTLY, CUT_WITH_FAREWELL };

/* Stands between client and server, and hangs up when the next question comes: the client looked
 * a moment before and saw nothing. The server never gets that question. */
typedef struct proxy {
    char        dir[64], there[90], url[600];
    int         listener;
    pthread_t   thread;
    atomic_int  cut;
    atomic_bool stop;
} proxy;

static int socket_at(const char *dir, struct sockaddr_un *at)
{
    *at = (struct sockaddr_un){ .sun_family = AF_UNIX };
    (void)snprintf(at->sun_path, sizeof at->sun_path, "%.90s/.s.PGSQL.5432", dir);
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

/* PostgreSQL 15, 55.7: E, length, fields, 0. */
static void say_farewell(int fd)
{
    static const char fields[] = "SFATAL\0VFATAL\0C57P01\0Mterminating connection\0";
    uint8_t           head[5] = { 'E', 0, 0, 0, 4 + sizeof fields };

    assert_true(write(fd, head, sizeof head) == (ssize_t)sizeof head);
    assert_true(write(fd, fields, sizeof fields) == (ssize_t)sizeof fields);
}

/* One direction; false at its end. */
static bool pump(int from, int to)
{
    char    buf[8192];
    ssize_t n = read(from, buf, sizeof buf);

    return n > 0 && write(to, buf, (size_t)n) == n;
}

static void serve_client(proxy *p, int client)
{
    struct sockaddr_un at;
    int                server = socket_at(p->there, &at);
    struct pollfd      fds[2] = { { client, POLLIN, 0 }, { server, POLLIN, 0 } };
    bool               goes_on = connect(server, (struct sockaddr *)&at, sizeof at) == 0;

    while (goes_on && !atomic_load(&p->stop)) {
        (void)poll(fds, 2, 20);
        if (fds[0].revents != 0 && atomic_load(&p->cut) != CUT_NOT) {
            char rest[8192];

            if (read(client, rest, sizeof rest) > 0 && atomic_load(&p->cut) == CUT_WITH_FAREWELL)
                say_farewell(client);
            atomic_store(&p->cut, CUT_NOT);
            break;
        }
        if (fds[0].revents != 0)
            goes_on = pump(client, server);
        if (goes_on && fds[1].revents != 0)
            goes_on = pump(server, client);
    }
    (void)close(server);
    (void)close(client);
}

static void *proxy_run(void *arg)
{
    proxy        *p = arg;
    struct pollfd fd = { p->listener, POLLIN, 0 };

    while (!atomic_load(&p->stop))
        if (poll(&fd, 1, 20) == 1)
            serve_client(p, accept(p->listener, NULL, NULL));
    return NULL;
}

static void proxy_start(proxy *p, const char *url)
{
    const char        *host = strstr(url, "host=");
    size_t             n = host != NULL ? strcspn(host + 5, "&") : 0;
    struct sockaddr_un at;

    assert_true(n > 0 && n < sizeof p->there);
    host += 5;
    (void)snprintf(p->there, sizeof p->there, "%.*s", (int)n, host);
    (void)snprintf(p->dir, sizeof p->dir, "/tmp/pl-proxy-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    p->listener = socket_at(p->dir, &at);
    assert_int_equal(bind(p->listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(p->listener, 4), 0);
    (void)snprintf(p->url, sizeof p->url, "%.*s%s%s", (int)(host - url), url, p->dir, host + n);
    assert_int_equal(pthread_create(&p->thread, NULL, proxy_run, p), 0);
}

static void proxy_stop(proxy *p)
{
    char *dir = strdup(p->dir);

    atomic_store(&p->stop, true);
    (void)pthread_join(p->thread, NULL);
    (void)close(p->listener);
    pl_test_rmtree(dir);
}

static int64_t count(fx *f)
{
    pl_db_stmt *s;
    int64_t     n;

    assert_ok(pl_db_prepare(f->db, "SELECT COUNT(*) FROM t", &s, &f->err), &f->err);
    assert_ok(pl_db_step(s, &f->err), &f->err);
    n = pl_db_int(s, 0);
    pl_db_done(s);
    return n;
}

static void db_statement__is_asked_again_where_nothing_can_happen_twice(void **state)
{
    fx         *f = *state;
    proxy       p = { .cut = CUT_NOT };
    pl_db      *direct = f->db;
    pl_db_stmt *s;

    if (!pl_db_is_postgres(f->db))
        return;
    proxy_start(&p, f->t.url);
    assert_ok(pl_db_open(p.url, &f->db, &f->err), &f->err);
    assert_ok(put(f, 1), &f->err);
    assert_int_equal(count(f), 1);

    atomic_store(&p.cut, CUT_SILENTLY); /* a cached SELECT */
    assert_int_equal(count(f), 1);
    assert_int_equal(atomic_load(&p.cut), CUT_NOT);
    atomic_store(&p.cut, CUT_SILENTLY); /* begin */
    assert_ok(pl_db_begin(f->db, &f->err), &f->err);
    assert_ok(put(f, 2), &f->err);
    assert_ok(pl_db_commit(f->db, &f->err), &f->err);
    atomic_store(&p.cut, CUT_SILENTLY); /* a new statement */
    assert_ok(pl_db_prepare(f->db, "SELECT MAX(id) FROM t", &s, &f->err), &f->err);
    assert_ok(pl_db_step(s, &f->err), &f->err);
    assert_int_equal(pl_db_int(s, 0), 2);
    pl_db_done(s);

    assert_ok(put(f, 3), &f->err); /* prepared on this connection */
    atomic_store(&p.cut, CUT_WITH_FAREWELL); /* refused: it was not carried out */
    assert_ok(put(f, 4), &f->err);
    assert_int_equal(count(f), 4);
    atomic_store(&p.cut, CUT_SILENTLY); /* nobody knows: once, and then it works */
    assert_rc(put(f, 5), PL_IO);
    assert_ok(put(f, 6), &f->err);

    assert_ok(pl_db_begin(f->db, &f->err), &f->err); /* never within a transaction */
    assert_ok(put(f, 7), &f->err);
    atomic_store(&p.cut, CUT_WITH_FAREWELL);
    assert_rc(put(f, 8), PL_IO);
    pl_db_abort(f->db);
    assert_int_equal(count(f), 5);
    pl_db_close(f->db);
    f->db = direct;
    proxy_stop(&p);
}

/* --- SQL text -------------------------------------------------------------------- */

static void sql_blob_to_bytea__changes_words_outside_quotes_only(void **state)
{
    static const char *const cases[][2] = {
        { "", "" },
        { "a BLOB, b blob NOT NULL", "a BYTEA, b BYTEA NOT NULL" },
        { "blobs, ablob, blob_x, x_blob, BLOB2", "blobs, ablob, blob_x, x_blob, BLOB2" },
        { "'BLOB' BLOB 'it''s a BLOB' \"BLOB\"", "'BLOB' BYTEA 'it''s a BLOB' \"BLOB\"" },
        { "-- BLOB\nBLOB /* BLOB */ BLOB", "-- BLOB\nBYTEA /* BLOB */ BYTEA" },
        { "$$ BLOB $$ BLOB $x$ BLOB $$ $x$ BLOB", "$$ BLOB $$ BYTEA $x$ BLOB $$ $x$ BYTEA" },
        { "$1 BLOB a-BLOB a/BLOB", "$1 BYTEA a-BYTEA a/BYTEA" },
        { "'BLOB", "'BLOB" },
        { "/* BLOB", "/* BLOB" },
        { "BLOB", "BYTEA" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *out = pl_sql_blob_to_bytea(cases[i][0]);

        assert_string_equal(out, cases[i][1]);
        free(out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(db_prepare__reconnects_and_prepares_anew_after_a_restart),
        T(db_begin__reconnects),
        T(db_transaction__is_lost_whole_with_its_connection),
        T(db_commit__is_no_success_when_the_connection_is_gone),
        T(db_statement__is_asked_again_where_nothing_can_happen_twice),
        cmocka_unit_test(sql_blob_to_bytea__changes_words_outside_quotes_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
