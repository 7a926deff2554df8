#include "base/banned.h"

#include "base/db_int.h"

#include <libpq-fe.h>

/* Results are fetched whole, not row by row: otherwise no second statement could run on
 * the connection while one is being read, which SQLite allows and stores rely on. */

#define BYTEA_OID 17u /* pg_type.dat */

typedef struct pg_db {
    pl_db    base;
    PGconn  *conn;
    unsigned generation; /* grows with every reconnect: prepared statements are gone then */
    unsigned names;
} pg_db;

typedef struct pg_param {
    char digits[24];
} pg_param;

typedef struct pg_stmt {
    pl_db_stmt      base;
    char            name[16];
    unsigned        generation;
    PGresult       *result;
    int             row, rows, columns;
    int64_t         changed;
    unsigned char **unescaped; /* [columns], decoded BYTEA values of this row, or NULL */
    const char     *value[DB_PARAMS_MAX];
    int             length[DB_PARAMS_MAX];
    int             format[DB_PARAMS_MAX]; /* 1 binary, 0 text */
    pg_param        number[];
} pg_stmt;

static pg_db *pg(pl_db *db)
{
    return (pg_db *)db;
}

static pg_stmt *pgs(pl_db_stmt *s)
{
    return (pg_stmt *)s;
}

/* --- errors -------------------------------------------------------------------- */

typedef struct sqlstate_rule {
    const char *prefix; /* of the SQLSTATE, PostgreSQL 15 appendix A */
    pl_rc       rc;
    const char *text; /* NULL: the server's own words */
} sqlstate_rule;

static const sqlstate_rule sqlstate_rules[] = {
    { "23505", PL_CONFLICT, NULL },
    { "23503", PL_CONFLICT, NULL },
    { "23P01", PL_CONFLICT, NULL },
    { "23", PL_INVALID, NULL },
    { "40", PL_CONFLICT, NULL },
    { "55P03", PL_CONFLICT, "database row or table is locked by another session" },
    { "53100", PL_IO, "cannot write the database: the disk of the server is full" },
    { "53200", PL_IO, "the database server is out of memory" },
    /* The server's own words would quote the value. */
    { "22", PL_INVALID, "value does not fit its column" },
    { "0A", PL_INVALID, NULL },
    { "42", PL_INVALID, NULL },
    { "", PL_IO, NULL },
};

static pl_rc state_fail(const char *state, const char *message, pl_error *err)
{
    const sqlstate_rule *r = sqlstate_rules;

    while (strncmp(state, r->prefix, strlen(r->prefix)) != 0)
        r++;
    return pl_fail(err, r->rc, "database: %s (%s)", r->text != NULL ? r->text : message, state);
}

/* libpq's message is multi-line and ends in a newline. */
static pl_rc connection_fail(PGconn *c, const char *what, pl_error *err)
{
    const char *m = PQerrorMessage(c);

    return pl_fail(err, PL_IO, "%s: %.*s", what, (int)strcspn(m, "\n"), m);
}

static pl_rc result_fail(PGconn *c, const PGresult *r, pl_error *err)
{
    const char *state = r != NULL ? PQresultErrorField(r, PG_DIAG_SQLSTATE) : NULL;
    const char *message = r != NULL ? PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY) : NULL;

    if (PQstatus(c) == CONNECTION_BAD || state == NULL)
        return connection_fail(c, "connection to the database server was lost", err);
    return state_fail(state, message != NULL ? message : "failed", err);
}

static bool is_done(const PGresult *r)
{
    ExecStatusType st = PQresultStatus(r);

    return st == PGRES_COMMAND_OK || st == PGRES_TUPLES_OK || st == PGRES_EMPTY_QUERY;
}

/* --- connection ---------------------------------------------------------------- */

static void ignore_notice(void *arg, const char *message)
{
    (void)arg;
    (void)message; /* libpq would print it; only hosts write to stderr */
}

static pl_rc start_session(PGconn *c, pl_error *err)
{
    PGresult *r;
    pl_rc     rc = PL_OK;

    if (PQstatus(c) != CONNECTION_OK) {
        const char *m = PQerrorMessage(c);

        return pl_fail(err, PL_IO, "cannot reach PostgreSQL, check the URL and that it runs: %.*s",
                       (int)strcspn(m, "\n"), m);
    }
    if (PQserverVersion(c) < 120000)
        return pl_fail(err, PL_IO, "PostgreSQL is older than version 12");
    r = PQexec(c, "SET standard_conforming_strings = on; SET client_min_messages = warning");
    if (!is_done(r))
        rc = result_fail(c, r, err);
    PQclear(r);
    return rc;
}

pl_rc pl_db_postgres_open(const char *url, pl_db **out, pl_error *err)
{
    /* Later entries win, so what the URL says about the timeout is kept. */
    const char *const keys[] = { "fallback_application_name", "connect_timeout", "dbname",
                                 "client_encoding", NULL };
    const char *const values[] = { "plumbline", "10", url, "UTF8", NULL };
    pg_db            *d = calloc(1, sizeof *d);
    pl_rc             rc;

    if (d == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    d->base.driver = &pl_db_postgres;
    d->generation = 1;
    d->conn = PQconnectdbParams(keys, values, 1);
    if (d->conn == NULL) {
        free(d);
        return pl_fail(err, PL_NOMEM, "out of memory");
    }
    (void)PQsetNoticeProcessor(d->conn, ignore_notice, NULL);
    rc = start_session(d->conn, err);
    if (rc != PL_OK) {
        PQfinish(d->conn);
        free(d);
        return rc;
    }
    *out = (pl_db *)d;
    return PL_OK;
}

/* Whether the server has hung up while nothing was asked of it. */
static bool is_lost(PGconn *c)
{
    /* The first read may only find the server's farewell, the second the end. */
    return PQconsumeInput(c) == 0 || PQisBusy(c) != 0 || PQconsumeInput(c) == 0 ||
           PQstatus(c) != CONNECTION_OK;
}

static pl_rc connect_again(pl_db *db, pl_error *err)
{
    pg(db)->generation++;
    PQreset(pg(db)->conn);
    return start_session(pg(db)->conn, err);
}

static pl_rc pg_revive(pl_db *db, pl_error *err)
{
    return is_lost(pg(db)->conn) ? connect_again(db, err) : PL_OK;
}

/* The server may hang up between the look and the question. What changes nothing is then asked
 * once more, on a new connection. */
static bool may_ask_again(pl_db *db, bool was_idle)
{
    return was_idle && PQstatus(pg(db)->conn) == CONNECTION_BAD;
}

static bool is_idle(pl_db *db)
{
    return PQtransactionStatus(pg(db)->conn) == PQTRANS_IDLE;
}

static pl_rc exec_once(pl_db *db, const char *sql, pl_error *err)
{
    PGconn   *c = pg(db)->conn;
    char     *own = pl_sql_blob_to_bytea(sql);
    PGresult *r;
    pl_rc     rc = PL_OK;

    if (own == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    r = PQexec(c, own);
    free(own);
    if (!is_done(r))
        rc = result_fail(c, r, err);
    else if (strcmp(sql, "COMMIT") == 0 && strcmp(PQcmdStatus(r), "COMMIT") != 0)
        rc = pl_fail(err, PL_CONFLICT, "transaction was rolled back by the server");
    PQclear(r);
    return rc;
}

static pl_rc pg_exec(pl_db *db, const char *sql, pl_error *err)
{
    bool  was_idle = is_idle(db);
    pl_rc rc = exec_once(db, sql, err);

    if (rc != PL_IO || strcmp(sql, db->driver->begin) != 0 || !may_ask_again(db, was_idle))
        return rc;
    rc = connect_again(db, err);
    return rc == PL_OK ? exec_once(db, sql, err) : rc;
}

static void pg_rollback(pl_db *db)
{
    PGTransactionStatusType st = PQtransactionStatus(pg(db)->conn);

    if (st == PQTRANS_INTRANS || st == PQTRANS_INERROR)
        PQclear(PQexec(pg(db)->conn, "ROLLBACK"));
}

static void pg_close(pl_db *db)
{
    PQfinish(pg(db)->conn);
    free(db);
}

/* --- statements ---------------------------------------------------------------- */

static pl_rc prepare_once(pl_db *db, pg_stmt *s, const char *sql, pl_error *err)
{
    PGconn   *c = pg(db)->conn;
    PGresult *r = PQprepare(c, s->name, sql, 0, NULL);
    pl_rc     rc = is_done(r) ? PL_OK : result_fail(c, r, err);

    PQclear(r);
    if (rc == PL_OK)
        s->generation = pg(db)->generation;
    return rc;
}

static pl_rc prepare_on_server(pl_db *db, pg_stmt *s, const char *sql, pl_error *err)
{
    bool  was_idle = is_idle(db);
    pl_rc rc = prepare_once(db, s, sql, err);

    if (rc != PL_IO || !may_ask_again(db, was_idle))
        return rc;
    rc = connect_again(db, err);
    return rc == PL_OK ? prepare_once(db, s, sql, err) : rc;
}

static pl_rc pg_prepare(pl_db *db, const char *sql, int params, pl_db_stmt **out, pl_error *err)
{
    pg_stmt *s = calloc(1, sizeof *s + (size_t)params * sizeof s->number[0]);
    pl_rc    rc;

    if (s == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    (void)snprintf(s->name, sizeof s->name, "p%u", ++pg(db)->names);
    rc = prepare_on_server(db, s, sql, err);
    if (rc != PL_OK) {
        free(s);
        return rc;
    }
    *out = &s->base;
    return PL_OK;
}

static pl_rc pg_reuse(pl_db_stmt *s, pl_error *err)
{
    if (pgs(s)->generation == pg(s->db)->generation)
        return PL_OK;
    return prepare_on_server(s->db, pgs(s), s->sql, err);
}

static void pg_bind(pl_db_stmt *s, int i, const db_value *v)
{
    pg_stmt *p = pgs(s);
    int      at = i - 1;

    p->length[at] = (int)v->s.n;
    p->format[at] = v->kind == DB_TEXT || v->kind == DB_BLOB;
    switch (v->kind) {
    case DB_NULL:
        p->value[at] = NULL;
        break;
    case DB_INT:
        /* As text, so that the server reads it as whatever type the column has. */
        (void)snprintf(p->number[at].digits, sizeof p->number[at].digits, "%lld", (long long)v->i);
        p->value[at] = p->number[at].digits;
        break;
    case DB_TEXT:
    case DB_BLOB:
        p->value[at] = v->s.p;
        break;
    }
}

static int64_t rows_changed(PGresult *r)
{
    if (strncmp(PQcmdStatus(r), "SELECT", 6) == 0)
        return 0;
    return strtoll(PQcmdTuples(r), NULL, 10);
}

/* The first error counts: behind a farewell comes only that the line is closed. *was_heard: the
 * server has said that it was carried out, whatever happened then. */
static PGresult *ask(pg_stmt *s, bool *was_heard)
{
    PGconn   *c = pg(s->base.db)->conn;
    PGresult *last = NULL, *r;

    *was_heard = false;
    if (PQsendQueryPrepared(c, s->name, s->base.params, s->value, s->length, s->format, 0) != 1)
        return NULL;
    while ((r = PQgetResult(c)) != NULL) {
        *was_heard |= is_done(r);
        if (last != NULL && !is_done(last)) {
            PQclear(r);
        } else {
            PQclear(last);
            last = r;
        }
        if (PQstatus(c) == CONNECTION_BAD)
            break;
    }
    return last;
}

/* Without a word of the server a change may have been made or not; a farewell in place of an
 * answer (57P01 to 57P05: shut down, idle for too long) says that it was not. */
static bool changed_nothing(const pg_stmt *s, const PGresult *r)
{
    const char *state = r != NULL ? PQresultErrorField(r, PG_DIAG_SQLSTATE) : NULL;

    return strncmp(s->base.sql, "SELECT", 6) == 0 ||
           (state != NULL && strncmp(state, "57P0", 4) == 0);
}

static pl_rc answer_get(pg_stmt *s, PGresult **out, pl_error *err)
{
    pl_db    *db = s->base.db;
    bool      was_idle = is_idle(db), was_heard;
    PGresult *r = ask(s, &was_heard);
    pl_rc     rc = PL_OK;

    if (!is_done(r) && !was_heard && may_ask_again(db, was_idle) && changed_nothing(s, r)) {
        PQclear(r);
        r = NULL;
        rc = connect_again(db, err);
        if (rc == PL_OK)
            rc = prepare_once(db, s, s->base.sql, err);
        if (rc == PL_OK)
            r = ask(s, &was_heard);
    }
    if (rc == PL_OK && !is_done(r))
        rc = result_fail(pg(db)->conn, r, err);
    if (rc != PL_OK)
        PQclear(r);
    else
        *out = r;
    return rc;
}

static pl_rc run(pg_stmt *s, pl_error *err)
{
    PGresult *r = NULL;
    pl_rc     rc = answer_get(s, &r, err);

    if (rc != PL_OK)
        return rc;
    s->result = r;
    s->row = -1;
    s->rows = PQntuples(r);
    s->columns = PQnfields(r);
    s->changed = rows_changed(r);
    s->unescaped = calloc((size_t)s->columns + 1, sizeof *s->unescaped);
    return s->unescaped != NULL ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");
}

static void forget_row(pg_stmt *s)
{
    for (int i = 0; s->unescaped != NULL && i < s->columns; i++) {
        PQfreemem(s->unescaped[i]);
        s->unescaped[i] = NULL;
    }
}

static pl_rc pg_step(pl_db_stmt *s, pl_error *err)
{
    pg_stmt *p = pgs(s);
    pl_rc    rc = p->result == NULL ? run(p, err) : PL_OK;

    if (rc != PL_OK)
        return rc;
    forget_row(p);
    return ++p->row < p->rows ? PL_OK : PL_NOTFOUND;
}

static int64_t pg_changed(pl_db_stmt *s)
{
    return pgs(s)->changed;
}

static bool pg_is_null(pl_db_stmt *s, int column)
{
    pg_stmt *p = pgs(s);

    return column >= p->columns || PQgetisnull(p->result, p->row, column);
}

static pl_str pg_get_str(pl_db_stmt *s, int column)
{
    pg_stmt *p = pgs(s);

    return (pl_str){ PQgetvalue(p->result, p->row, column),
                     (size_t)PQgetlength(p->result, p->row, column) };
}

static int64_t pg_get_int(pl_db_stmt *s, int column)
{
    const char *z = PQgetvalue(pgs(s)->result, pgs(s)->row, column);

    if (*z == 't')
        return 1; /* a BOOLEAN, from EXISTS for example */
    return strtoll(z, NULL, 10);
}

static pl_str pg_get_blob(pl_db_stmt *s, int column)
{
    pg_stmt *p = pgs(s);
    size_t   n = 0;
    pl_str   text = pg_get_str(s, column);

    if (PQftype(p->result, column) != BYTEA_OID)
        return text;
    PQfreemem(p->unescaped[column]);
    p->unescaped[column] = PQunescapeBytea((const unsigned char *)text.p, &n);
    if (p->unescaped[column] == NULL)
        return PL_STR("");
    return (pl_str){ (const char *)p->unescaped[column], n };
}

static void pg_reset(pl_db_stmt *s)
{
    pg_stmt *p = pgs(s);

    forget_row(p);
    free(p->unescaped);
    p->unescaped = NULL;
    PQclear(p->result);
    p->result = NULL;
    memset(p->value, 0, sizeof p->value);
    memset(p->format, 0, sizeof p->format);
}

static void pg_free(pl_db_stmt *s)
{
    char sql[40];

    pg_reset(s);
    if (!s->db->closing && pgs(s)->generation == pg(s->db)->generation &&
        PQtransactionStatus(pg(s->db)->conn) != PQTRANS_INERROR) {
        (void)snprintf(sql, sizeof sql, "DEALLOCATE %s", pgs(s)->name);
        PQclear(PQexec(pg(s->db)->conn, sql));
    }
    free(s);
}

const db_driver pl_db_postgres = {
    .begin = "BEGIN ISOLATION LEVEL READ COMMITTED",
    .revive = pg_revive,
    .exec = pg_exec,
    .rollback = pg_rollback,
    .close = pg_close,
    .prepare = pg_prepare,
    .reuse = pg_reuse,
    .bind = pg_bind,
    .step = pg_step,
    .changed = pg_changed,
    .is_null = pg_is_null,
    .get_int = pg_get_int,
    .get_str = pg_get_str,
    .get_blob = pg_get_blob,
    .reset = pg_reset,
    .free = pg_free,
};
