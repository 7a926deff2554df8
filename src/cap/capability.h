/* What a capability hands to the hosts: commands, routes, migrations, observers.
 * One const descriptor per capability, named pl_cap_<folder>, listed in
 * src/host/capabilities.def. Hosts walk the table; nothing registers itself. */
#ifndef PL_CAP_CAPABILITY_H
#define PL_CAP_CAPABILITY_H

#include "base/db.h"
#include "cap/api.h"
#include "cap/cmd.h"
#include "cap/instance.h"

typedef struct pl_ledger       pl_ledger;
typedef struct pl_witness_desk pl_witness_desk;
typedef struct pl_stamp_desk   pl_stamp_desk;

/* What plumblined lends to capabilities. One db connection per thread (in pl_api_request
 * and in ticks); the ledger object is safe from any thread. */
typedef struct pl_services {
    const pl_instance *instance;
    pl_ledger         *ledger;
    const pl_signer   *signer;
    int64_t (*now_ms)(void);
    pl_witness_desk   *witnesses; /* cap/ledger's own; NULL without witnesses */
    pl_stamp_desk     *stamps;    /* likewise; NULL without a time stamp authority */
} pl_services;

/* One recorded gateway event as seen by observers, inside the transaction that
 * stores it. `leaf` is the exact event JSON; `secret` the private part that never
 * enters the ledger. */
typedef struct pl_event_output {
    uint8_t index_key[32]; /* HMAC under the instance's index key, see docs/formats/event.md */
} pl_event_output;

typedef struct pl_event_view {
    pl_str  id;
    int64_t time_ms;
    pl_str  leaf;
    const uint8_t         *salt; /* 32 bytes */
    const pl_event_output *outputs;
    size_t                 output_count;
} pl_event_view;

/* A path whose requests may be longer than others: files as they are. */
typedef struct pl_body_limit {
    const char *path;
    size_t      bytes;
} pl_body_limit;

typedef struct pl_capability {
    const char         *name;
    const pl_cmd       *commands;   /* NULL-ended (noun == NULL), or NULL */
    const pl_route     *routes;     /* NULL-ended (method == NULL), or NULL */
    const pl_body_limit *bodies;    /* ended by path NULL, or NULL */
    const pl_migration *migrations; /* ended by version 0, or NULL */
    const char         *openapi;    /* fragment {"paths":{…},"components":{"schemas":{…}}}, or NULL */
    /* Called first of all, before keys are read: processes that must not have them in memory are
     * forked here. What it began is ended by stop, also when start was never reached. */
    pl_rc (*before_keys)(pl_error *err);
    /* Called once after migrations, before listening; and on orderly end. */
    pl_rc (*start)(pl_services *s, pl_db *db, pl_error *err);
    void (*stop)(pl_services *s);
    /* Called about every `tick_ms` on the daemon's single background thread. */
    int64_t tick_ms;
    pl_rc (*tick)(pl_services *s, pl_db *db, int64_t now_ms, pl_error *err);
    /* Called for every gateway event inside the storing transaction. */
    pl_rc (*on_event)(pl_services *s, pl_db *db, const pl_event_view *e, pl_error *err);
    /* Puts what this capability has seen since a moment into an object, by the names of
     * engine/flow/reality.h; what it cannot tell it leaves out. */
    pl_rc (*observe)(pl_services *s, pl_db *db, int64_t from_ms, json_t *out, pl_error *err);
    /* Appends Prometheus text exposition lines. */
    void (*metrics)(pl_services *s, pl_db *db, pl_buf *out);
    /* Appends one sentence per problem to the array that /healthz shows; any sentence
     * that does not begin with "warning: " makes the service degraded. Short, and without paths or names of people. */
    void (*health)(pl_services *s, pl_db *db, json_t *problems);
    /* Tells who sent a request from its headers (session cookie, bearer token). csrf stays
     * empty unless the caller is a browser session. PL_NOTFOUND: no credentials that this
     * capability knows; PL_DENIED: credentials that are wrong or expired. The host asks the
     * table in order and checks roles and CSRF itself. */
    pl_rc (*identify)(pl_services *s, pl_api_request *q, pl_principal *who, char csrf[65],
                      pl_error *err);
} pl_capability;

/* Set by the host before anything else runs; NULL-ended. */
extern const pl_capability *const pl_capabilities[];
#endif
