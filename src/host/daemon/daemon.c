/* The life of an instance being served: open, start, reload, close. */
#include "base/banned.h"

#include "base/file.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "cap/ledger/pl_ledger.h"
#include "host/daemon/daemon.h"
#include "host/daemon/log.h"

#include <time.h>

extern const unsigned char pl_host_openapi[];

/* --- opening ------------------------------------------------------------------------------- */

static pl_rc ledger_failed(const pl_daemon *d, pl_rc rc, const pl_error *why, pl_error *err)
{
    if (rc == PL_CONFLICT)
        return pl_fail(err, rc, "another plumblined serves this instance: '%.150s'",
                       d->instance.dir);
    return pl_fail(err, rc, "%s", why->text);
}

static pl_rc open_ledger(pl_daemon *d, pl_error *err)
{
    pl_error why = { 0 };
    pl_rc    rc = pl_ledger_open(d->ledger_dir, d->signer, &d->services.ledger, &why);

    return rc == PL_OK ? rc : ledger_failed(d, rc, &why, err);
}

static pl_rc open_identity(pl_daemon *d, const char *dir, pl_error *err)
{
    pl_error why = { 0 };
    pl_rc    rc = pl_instance_open(dir, &d->instance, err);

    if (rc != PL_OK)
        return rc;
    rc = pl_ledger_keys_settle(&d->instance, NULL, &why);
    if (rc != PL_OK)
        return ledger_failed(d, rc, &why, err);
    rc = pl_instance_signer(&d->instance, &d->signer, err);
    if (rc != PL_OK)
        return rc;
    d->ledger_dir = pl_instance_path(&d->instance, "ledger");
    d->services = (pl_services){ .instance = &d->instance,
                                 .signer = d->signer,
                                 .now_ms = pl_now_ms };
    d->stats.started_ms = pl_now_ms();
    return d->ledger_dir != NULL ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");
}

static pl_rc migrate(pl_db *db, pl_error *err)
{
    pl_rc rc = PL_OK;

    for (size_t i = 0; rc == PL_OK && pl_capabilities[i] != NULL; i++)
        if (pl_capabilities[i]->migrations != NULL)
            rc = pl_db_migrate(db, pl_capabilities[i]->name, pl_capabilities[i]->migrations,
                               pl_now_ms(), err);
    return rc;
}

static pl_rc before_keys(pl_daemon *d, pl_error *err)
{
    pl_rc rc = PL_OK;

    for (size_t i = 0; rc == PL_OK && pl_capabilities[i] != NULL; i++) {
        if (pl_capabilities[i]->before_keys != NULL)
            rc = pl_capabilities[i]->before_keys(err);
        d->capabilities_prepared = i + 1;
    }
    return rc;
}

static pl_rc start_capabilities(pl_daemon *d, pl_db *db, pl_error *err)
{
    for (size_t i = 0; pl_capabilities[i] != NULL; i++) {
        if (pl_capabilities[i]->start != NULL) {
            pl_rc rc = pl_capabilities[i]->start(&d->services, db, err);

            if (rc != PL_OK)
                return rc;
        }
        d->capabilities_started = i + 1;
    }
    return PL_OK;
}

static pl_rc open_state(pl_daemon *d, pl_error *err)
{
    pl_db *db;
    pl_rc  rc = pl_dbpool_new(d->instance.database, &d->dbs, err);

    if (rc == PL_OK)
        rc = pl_dbpool_take(d->dbs, &db, err);
    if (rc != PL_OK)
        return rc;
    rc = migrate(db, err);
    if (rc == PL_OK)
        rc = start_capabilities(d, db, err);
    pl_dbpool_give(d->dbs, db);
    return rc;
}

static pl_rc open_document(pl_daemon *d, pl_error *err)
{
    json_t *problems = json_array(), *p;
    size_t  i;
    pl_rc   rc = pl_openapi_build((const char *)pl_host_openapi, d->router, pl_capabilities,
                                  problems, &d->openapi, err);

    json_array_foreach(problems, i, p)
        pl_log_warn("defect in the API document", PL_S("error", json_string_value(p)));
    json_decref(problems);
    return rc;
}

static pl_rc open_routes(pl_daemon *d, pl_error *err)
{
    pl_rc rc = pl_router_new(pl_host_routes, pl_capabilities, &d->router, err);

    return rc == PL_OK ? open_document(d, err) : rc;
}

pl_rc pl_daemon_open(const char *dir, pl_daemon **out, pl_error *err)
{
    pl_daemon *d = calloc(1, sizeof *d);
    pl_rc      rc;

    if (d == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    (void)pthread_rwlock_init(&d->gate, NULL);
    (void)pthread_mutex_init(&d->policy_lock, NULL);
    rc = open_routes(d, err);
    if (rc == PL_OK)
        rc = before_keys(d, err);
    if (rc == PL_OK)
        rc = open_identity(d, dir, err);
    /* The ledger's lock comes before anything is changed: it is what makes this daemon the
     * only one of the instance. */
    if (rc == PL_OK)
        rc = open_ledger(d, err);
    if (rc == PL_OK)
        rc = open_state(d, err);
    if (rc == PL_OK)
        *out = d;
    else
        pl_daemon_close(d, 0);
    return rc;
}

static pl_rc make_run_dir(const pl_daemon *d, pl_error *err)
{
    char *run = pl_instance_path(&d->instance, "run");
    pl_rc rc = run != NULL ? pl_mkdir_p(run, 0750, err) : pl_fail(err, PL_NOMEM, "out of memory");

    free(run);
    return rc;
}

pl_rc pl_daemon_start(pl_daemon *d, pl_error *err)
{
    pl_rc rc = make_run_dir(d, err);

    if (rc == PL_OK)
        rc = pl_ticker_start(d, &d->ticker, err);
    if (rc == PL_OK)
        rc = pl_listener_start(d, "control.sock", true, &d->control, err);
    if (rc == PL_OK)
        rc = pl_listener_start(d, "plumblined.sock", false, &d->remote, err);
    return rc;
}

/* --- closing ---------------------------------------------------------------------------------- */

static void sleep_ms(int64_t ms)
{
    struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

    (void)nanosleep(&t, NULL);
}

static void drain(pl_daemon *d, int64_t drain_ms)
{
    int64_t until = pl_mono_ms() + drain_ms;

    pl_listener_quiesce(d->remote);
    pl_listener_quiesce(d->control);
    while (atomic_load(&d->stats.in_flight) > 0 && pl_mono_ms() < until)
        sleep_ms(10);
}

static void close_ledger(pl_daemon *d)
{
    pl_error err = { 0 };

    if (d->services.ledger == NULL)
        return;
    if (pl_ledger_publish(d->services.ledger, &err) != PL_OK)
        pl_log_error("last checkpoint could not be published", PL_S("error", err.text));
    pl_ledger_close(d->services.ledger);
    d->services.ledger = NULL;
}

void pl_daemon_close(pl_daemon *d, int64_t drain_ms)
{
    drain(d, drain_ms);
    pl_listener_stop(d->remote);
    pl_listener_stop(d->control);
    pl_ticker_stop(d->ticker);
    for (size_t i = d->capabilities_prepared; i-- > 0;) {
        const pl_capability *c = pl_capabilities[i];

        if (c->stop != NULL && (i < d->capabilities_started || c->before_keys != NULL))
            c->stop(&d->services);
    }
    d->capabilities_prepared = d->capabilities_started = 0;
    pl_dbpool_free(d->dbs);
    close_ledger(d);
    pl_signer_free(d->signer);
    pl_router_free(d->router);
    (void)pthread_mutex_destroy(&d->policy_lock);
    (void)pthread_rwlock_destroy(&d->gate);
    free(d->openapi);
    free(d->ledger_dir);
    free(d);
}

/* --- changes while running ---------------------------------------------------------------------- */

static void compare(const char *what, const char *was, const char *is)
{
    if (strcmp(was, is) != 0)
        pl_log_warn("setting changes only with a restart", PL_S("setting", what));
}

/* What is read again for every use may change; what others hold on to may not. */
static void take_over(pl_instance *mine, const pl_instance *fresh)
{
    compare("service", mine->service, fresh->service);
    compare("database", mine->database, fresh->database);
    compare("upstream", mine->upstream, fresh->upstream);
    compare("upstream_ca", mine->upstream_ca, fresh->upstream_ca);
    compare("listen", mine->listen, fresh->listen);
    compare("gateway", mine->gateway, fresh->gateway);
    if (mine->max_body != fresh->max_body || mine->max_response != fresh->max_response)
        compare("gateway limits", "", "changed");
    memcpy(mine->lang, fresh->lang, sizeof mine->lang);
    mine->retention_days = fresh->retention_days;
}

pl_rc pl_daemon_reload(pl_daemon *d, pl_error *err)
{
    pl_instance fresh;
    pl_rc       rc = pl_instance_open(d->instance.dir, &fresh, err);

    if (rc != PL_OK)
        return rc;
    if (strcmp(fresh.id, d->instance.id) != 0 || strcmp(fresh.origin, d->instance.origin) != 0)
        return pl_fail(err, PL_CONFLICT, "configuration is that of another instance");
    (void)pthread_rwlock_wrlock(&d->gate);
    take_over(&d->instance, &fresh);
    (void)pthread_rwlock_unlock(&d->gate);
    return PL_OK;
}

pl_rc pl_daemon_reopen_ledger(pl_daemon *d, pl_error *err)
{
    pl_rc rc;

    (void)pthread_rwlock_wrlock(&d->gate);
    if (d->services.ledger != NULL)
        pl_ledger_close(d->services.ledger); /* gives up the lock that the next line takes */
    d->services.ledger = NULL;
    rc = open_ledger(d, err);
    (void)pthread_rwlock_unlock(&d->gate);
    return rc;
}
