/* plumblined: one instance being served. Opened and started by daemon.c; the other files
 * of this folder each do one part of it.
 *
 * Threads: request threads of the two listeners, one background thread for the ticks of
 * the capabilities, and the main thread, which waits for signals. They share the daemon
 * read-only except for what is marked. `gate` is held shared by every request and tick,
 * and exclusively to change what they all see: the configuration and the ledger object. */
#ifndef PL_DAEMON_H
#define PL_DAEMON_H

#include "cap/capability.h"
#include "host/daemon/dbpool.h"
#include "host/daemon/http.h"
#include "host/daemon/router.h"

#include <pthread.h>
#include <stdatomic.h>

#define PL_HTTP_CLASSES 6 /* status / 100; 0 is unused */

typedef struct pl_ticker   pl_ticker;
typedef struct pl_listener pl_listener;

typedef struct pl_daemon_stats {
    atomic_ulong requests[PL_HTTP_CLASSES];
    atomic_ulong duration_us;
    atomic_long  in_flight;
    int64_t      started_ms;
} pl_daemon_stats;

typedef struct pl_daemon {
    /* First: host routes find the daemon through it. Under the gate; the ledger is NULL
     * while it waits to be opened again. */
    pl_services services;
    pl_instance instance;
    pl_signer  *signer;
    pl_dbpool  *dbs;
    pl_router  *router;
    char       *openapi;
    char       *ledger_dir;
    size_t      capabilities_started, capabilities_prepared;

    pthread_rwlock_t gate;

    pl_daemon_stats stats; /* atomic */
    atomic_bool     ledger_is_stuck; /* the last attempt to publish failed */
    pl_ticker      *ticker;
    pl_listener    *remote, *control;
    /* What /healthz knows of the policy file, under its own lock. */
    pthread_mutex_t policy_lock;
    uint64_t        policy_seen[4];
    bool            policy_is_sound;
} pl_daemon;

/* --- daemon.c: the life of an instance ------------------------------------------------- */

/* Takes the ledger's lock, brings the database up to date, starts the capabilities.
 * PL_CONFLICT when another daemon serves the instance. */
pl_rc pl_daemon_open(const char *dir, pl_daemon **out, pl_error *err);
/* Listens on both sockets and starts the background thread. */
pl_rc pl_daemon_start(pl_daemon *d, pl_error *err);
/* Finishes the requests in hand (at most `drain_ms`), stops the rest in order, frees. */
void  pl_daemon_close(pl_daemon *d, int64_t drain_ms);
/* Reads the configuration again; takes over what may change while running, and says in
 * the log what needs a restart. */
pl_rc pl_daemon_reload(pl_daemon *d, pl_error *err);
/* Opens the ledger again after it failed. The gate must not be held. */
pl_rc pl_daemon_reopen_ledger(pl_daemon *d, pl_error *err);

/* `plumblined`: options, signals, notification. The exit code. */
int pl_daemon_main(int argc, char **argv);

/* --- dispatch.c -------------------------------------------------------------------------- */

/* Answers one request. `out` is zeroed by the caller and freed with pl_http_out_done. */
void pl_dispatch(pl_daemon *d, const pl_http_in *in, pl_http_out *out);

/* --- host_routes.c, health.c, metrics.c, openapi.c ------------------------------------------ */

extern const pl_route pl_host_routes[];
static inline pl_daemon *pl_daemon_of(pl_api_request *q)
{
    return (pl_daemon *)(void *)q->services;
}

/* {"status","problems"}; db NULL: it cannot be reached. */
json_t *pl_health_report(pl_daemon *d, pl_db *db, bool *is_degraded);
/* Text exposition format 0.0.4. */
void pl_metrics_write(pl_daemon *d, pl_db *db, pl_buf *out);
/* The document of `host_fragment`, every capability's fragment, and for every route what
 * the route table knows: security, roles, the problem answer. malloc'd. Fragments that are
 * malformed or disagree add a sentence to the array `problems`: a defect of the build, which
 * the unit test finds, and no reason not to serve. */
pl_rc pl_openapi_build(const char *host_fragment, const pl_router *router,
                       const pl_capability *const *capabilities, json_t *problems, char **out,
                       pl_error *err);

/* --- ticks.c: the background thread ------------------------------------------------------------ */

pl_rc pl_ticker_start(pl_daemon *d, pl_ticker **out, pl_error *err);
void  pl_ticker_stop(pl_ticker *t); /* NULL-safe; waits for the tick in hand */
/* Calls fn with each capability's state: milliseconds since its last success (or since
 * the start), and failures so far. */
void pl_ticker_each(pl_ticker *t,
                    void (*fn)(void *ctx, const pl_capability *c, int64_t quiet_ms,
                               unsigned long failures),
                    void *ctx);

/* --- listener.c: sockets and the server library ------------------------------------------------- */

/* Listens on DIR/run/NAME. A stale socket is replaced; PL_CONFLICT when somebody answers. */
pl_rc pl_listener_start(pl_daemon *d, const char *name, bool is_control, pl_listener **out,
                        pl_error *err);
void  pl_listener_quiesce(pl_listener *l); /* no new connections; NULL-safe */
void  pl_listener_stop(pl_listener *l);    /* NULL-safe */

/* --- notify.c ------------------------------------------------------------------------------------ */

/* Tells the service manager ("READY=1") when $NOTIFY_SOCKET names one; else does nothing. */
pl_rc pl_notify(const char *state, pl_error *err);
#endif
