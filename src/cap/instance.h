/* An instance: one directory that holds everything one installation owns.
 *
 *   DIR/plumbline.yaml            configuration (the only file people edit, with policy/)
 *   DIR/policy/default.yaml       the policy source that `policy compile` turns into a database
 *   DIR/keys/ledger.key           what signs: docs/formats/keys.md, mode 0600
 *   DIR/keys/ledger.NAME.key      what signs beside it (a second algorithm, an outgoing key)
 *   DIR/keys/c2pa.key, c2pa.pem   signs labelled files: PEM, or the URI of a key on a token; its chain
 *   DIR/keys/index.key            32 random bytes in hex: HMAC key of the trace index, mode 0600
 *   DIR/state.db                  SQLite working state (unless `database:` names PostgreSQL)
 *   DIR/private/                  what stands behind commitments: docs/formats/private.md
 *   DIR/ledger/                   the log: served as static files; see docs/formats/ledger.md
 *   DIR/gateway/policy.db         compiled policy, replaced by rename
 *   DIR/gateway/state.pls         shared state: stop switch, policy generation, counters
 *   DIR/gateway/ring-NN.plr       event rings
 *   DIR/witness/                  key and state of the witness that `plumbline up` runs
 *   DIR/run/plumblined.sock       API socket (what nginx forwards to: remote callers)
 *   DIR/run/control.sock          API socket for the operator of this host (mode 0600)
 *   DIR/run/NAME.pid, DIR/nginx/  generated nginx.conf and its temporary paths
 */
#ifndef PL_CAP_INSTANCE_H
#define PL_CAP_INSTANCE_H

#include "base/json.h"
#include <plumbline/cosign.h>
#include <stdbool.h>

#define PL_WITNESSES_MAX 8
#define PL_OWN_WITNESS   "own" /* name of the one in DIR/witness */

/* Who is asked to cosign the ledger's head. */
typedef struct pl_instance_witness {
    char name[65];
    char vkey[400];
    char url[1100]; /* http://…, https://… or unix:PATH */
    bool is_local;  /* on the ledger's own host: shown, never counted */
} pl_instance_witness;

typedef struct pl_instance {
    char    dir[1024];  /* absolute */
    char    id[27];     /* instance id, made at creation */
    char    origin[200];/* ledger origin and key name, e.g. "plumbline.local/<id>" */
    char    service[128]; /* id of the governed service, default "default" */
    char    database[1024]; /* URL for pl_db_open */
    char    upstream[1024]; /* URL or "" for the demo upstream */
    char    upstream_ca[1024]; /* CA bundle for HTTPS upstreams; "" = the system's */
    char    listen[128];  /* console and API, host:port */
    char    gateway[128]; /* gateway, host:port */
    char    lang[8];      /* "zh-CN" or "en": language of what is printed */
    uint64_t max_body;    /* request bytes screened, config gateway.max_body */
    uint64_t max_response;/* non-stream answer bytes screened */
    int64_t  retention_days; /* receipts kept, at least 184 by default */
    /* Configured witnesses, then the one `plumbline up` runs when there is one. */
    pl_instance_witness witnesses[PL_WITNESSES_MAX];
    size_t              witness_count;
    size_t              quorum; /* of those that are not local */
    char    tsa_url[1100];   /* RFC 3161 authority that dates checkpoints; "" none */
    char    tsa_roots[1024]; /* PEM file its certificate must lead to; "" any       */
    int64_t tsa_every_ms;
} pl_instance;

/* What a new instance listens on when nothing else is asked for. */
#define PL_INSTANCE_LISTEN  "127.0.0.1:8420"
#define PL_INSTANCE_GATEWAY "127.0.0.1:8421"

typedef struct pl_instance_options {
    const char *dir, *upstream, *listen, *gateway, *database, *service; /* NULL = default */
} pl_instance_options;

/* Makes the directory, keys, configuration and default policy source. Complete or
 * absent: built beside and renamed. PL_CONFLICT when DIR exists and is not an empty
 * directory, with advice in the message. `defaults` is the folder with
 * plumbline.yaml.in and policy (share/plumbline/defaults). */
pl_rc pl_instance_create(const pl_instance_options *o, const char *defaults, int64_t now_ms,
                         pl_error *err);
/* Reads DIR/plumbline.yaml. PL_NOTFOUND when DIR is no instance; PL_INVALID with file,
 * line and what to do for a half-made or broken one. */
pl_rc pl_instance_open(const char *dir, pl_instance *out, pl_error *err);
/* "DIR/rel" in a malloc'd string. */
char *pl_instance_path(const pl_instance *i, const char *rel);
/* Reads keys/NAME: 64 hex digits → 32 bytes. Refuses files readable by others. */
pl_rc pl_instance_key(const pl_instance *i, const char *name, uint8_t out[32], pl_error *err);
/* ledger.key and the keys beside it, joined. PL_DENIED: a passphrase or PIN is wanted. */
pl_rc pl_instance_signer(const pl_instance *i, pl_signer **out, pl_error *err);
/* Public key of the instance: computed from the key, or read from ledger/vkey. */
pl_rc pl_instance_vkey(const pl_instance *i, pl_vkey *out, pl_error *err);

/* The folder with packs/, web/, demo/, defaults/: $PLUMBLINE_DATADIR, else
 * <directory of the executable>/../share/plumbline, else the configured datadir.
 * Static storage after the first call. */
const char *pl_datadir(void);
#endif
