/* The parts of `plumbline up`; each file does one. */
#ifndef PL_HOST_UP_H
#define PL_HOST_UP_H

#include "cap/cmd.h"
#include "cap/instance.h"
#include "host/cli/supervise.h"

/* --- up_create.c: the first start ------------------------------------------------------ */

/* Makes the instance when there is none, and finishes one whose making was interrupted:
 * ledger, policy, database, administrator, first statements. password is set when the
 * administrator was created now, else empty. Safe to call again at any point. */
pl_rc pl_up_create(pl_cmd_ctx *c, const pl_instance_options *o, pl_instance *inst,
                   char password[33], pl_error *err);

/* --- up_policy.c ----------------------------------------------------------------------- */

/* Compiles policy/default.yaml. PL_INVALID with file and line when it is wrong. Writes
 * gateway/policy.db when there is none yet; *differs tells whether what is in force there
 * is something else than the source says. */
pl_rc pl_up_policy(const pl_instance *inst, bool *differs, pl_error *err);

/* --- up_ports.c ------------------------------------------------------------------------ */

/* PL_CONFLICT with advice when the address cannot be bound now; `option` names the
 * command-line option and `setting` the key that change it. */
pl_rc pl_up_port_check(const char *address, const char *option, const char *setting,
                       pl_error *err);
/* "http://127.0.0.1:8421" for an address to listen on, wildcards included. */
void pl_up_url(const char *address, char *out, size_t cap);

/* --- up_selftest.c --------------------------------------------------------------------- */

typedef struct pl_selftest_result {
    bool ran;             /* false: skipped, why says why */
    bool as_expected;
    long status;
    char verdict[16], label[16], id[32], finish_reason[32], why[160];
    char receipt[16];     /* "logged", "pending" or "" */
    long long ledger_index;
} pl_selftest_result;

/* Sends one request through the gateway and follows its receipt for at most wait_ms. */
typedef enum pl_selftest_kind { PL_SELFTEST_HARMLESS, PL_SELFTEST_HARMFUL } pl_selftest_kind;
void pl_up_selftest(const char *gateway_url, const char *console_url, pl_selftest_kind kind,
                    bool zh, int64_t wait_ms, pl_selftest_result *out);
#endif
