/* Asking witnesses about a log, from its published files. Shared by the daemon's threads
 * (ledger_witness_run.c) and the verbs; needs no open ledger. */
#ifndef PL_LEDGER_WITNESS_H
#define PL_LEDGER_WITNESS_H

#include "cap/capability.h"
#include "cap/ledger/ledger_int.h"

typedef enum witness_state {
    WITNESS_UNASKED,
    WITNESS_COSIGNED,
    WITNESS_AWAY,    /* no answer */
    WITNESS_REFUSED, /* an answer, but no cosignature */
    WITNESS_AHEAD,   /* it has seen this log longer than it is */
    WITNESS_FORKED   /* it has seen another head of this size  */
} witness_state;
/* "cosigned", "away", …; what API and verbs show. Static storage. */
const char *pl_witness_state_name(witness_state s);

typedef struct witness_peer {
    const pl_instance_witness *w; /* borrowed */
    pl_cosigner                key;
} witness_peer;
pl_rc pl_witness_peer_init(witness_peer *p, const pl_instance_witness *w, pl_error *err);

/* One question and its answer. */
typedef struct witness_answer {
    witness_state state;
    uint64_t      size;   /* of the head it cosigned, or claims to have */
    int64_t       time_s; /* of its cosignature, PL_COSIGNED_NOT */
    char         *line;   /* COSIGNED: what it answered, malloc'd */
    char         *note;   /* AHEAD, FORKED: the head it holds, when it proved to have one */
    char          problem[200];
} witness_answer;
void pl_witness_answer_free(witness_answer *a);

#define WITNESS_SIZE_UNKNOWN UINT64_MAX

/* Looks at what it cosigned last and compares that with the published log. COSIGNED here
 * means: it agrees. *known becomes the size it has. */
void pl_witness_compare(const witness_peer *p, const pl_ledger *reader, const pl_vkey *log,
                        long timeout_ms, uint64_t *known, witness_answer *out);
/* Asks it to cosign `note`, a head that the published log holds. */
void pl_witness_submit(const witness_peer *p, const pl_ledger *reader, const pl_vkey *log,
                       pl_str note, long timeout_ms, uint64_t *known, witness_answer *out);

/* The trust policy (C2SP tlog-policy) that says what the configuration says, local
 * witnesses left out; malloc'd text. */
char *pl_witness_policy(const pl_instance *i, const pl_vkey *log);

/* --- ledger_cmd_witness.c -------------------------------------------------------------------- */

/* Who has cosigned the published log, as far as the reader's policy (--policy, else the
 * instance's configuration) knows them. */
typedef struct cmd_witnesses {
    json_t *list;   /* [{"name","key","local","time","size"}] */
    json_t *quorum; /* {"need","have","met"} */
    size_t  need;
    bool    has_policy, is_met;
} cmd_witnesses;
/* Adds to `problems` what is wrong: a line that fails, a witnessed head that the log does not
 * hold, a policy given with --policy that is not met. */
pl_rc pl_ledger_cmd_witnesses(pl_cmd_ctx *c, const cmd_log *l, json_t *problems,
                              cmd_witnesses *out, pl_error *err);
int pl_ledger_cmd_cosign(pl_cmd_ctx *c);
int pl_ledger_cmd_policy(pl_cmd_ctx *c);

/* --- ledger_witness_run.c: a thread for each witness, in the daemon ------------------------ */

/* Starts asking and waits at most `patience_ms` for every first comparison. No witnesses
 * configured: *out is NULL. */
pl_rc pl_witness_desk_start(const pl_services *s, int64_t patience_ms, pl_witness_desk **out,
                            pl_error *err);
void  pl_witness_desk_stop(pl_witness_desk *d); /* NULL-safe; waits for calls in hand */
/* Hands out the newest head, publishes what came back, freezes the ledger when a witness
 * contradicts it. Never waits for a witness. */
pl_rc pl_witness_desk_tick(pl_witness_desk *d, pl_ledger *l, pl_error *err);
/* {"witnesses":[…],"quorum":{…}}, for the API. d may be NULL. */
json_t *pl_witness_desk_json(pl_witness_desk *d, const pl_instance *i);
/* Sentences for /healthz. */
void pl_witness_desk_health(pl_witness_desk *d, json_t *problems);
void pl_witness_desk_metrics(pl_witness_desk *d, pl_buf *out);
#endif
