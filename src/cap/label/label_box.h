/* What the API does with files, in two halves: the job, which reads them in the worker's box without
 * keys, fonts and network, and the help that the daemon gives it (worker.h). */
#ifndef PL_LABEL_BOX_H
#define PL_LABEL_BOX_H

#include "cap/label/sign.h"
#include "cap/label/traces.h"
#include "cap/label/worker.h"

/* In the box; ctx: label_traces **, NULL inside: traces are not looked for. Jobs are objects:
 *   {"op":"inspect","name","quick","declared","now_ms"}   the reply is the inspection
 *   {"op":"label","name","producer","content_id","state","flags","now_ms",
 *    "explicit":{"text","position","size"},                a label people see or hear
 *    "c2pa":{"alg","sig_n","chain":[base64],"source_type","edited","has_stamp"}}
 *                                                          the reply: {"format","statement"} */
pl_rc label_box_job(void *ctx, label_ask *ask, const json_t *job, pl_str file, json_t **reply, pl_buf *out,
                    pl_error *err);
/* The object "c2pa" of a job. */
json_t *label_box_signer(const cose_signer *s, const char *source_type, bool is_edited, bool has_stamp);

/* In the daemon; ctx: pl_sign_how, whose id may be NULL. Draws wordings, signs claims (and nothing else)
 * with the installation's key, has them dated. */
pl_rc label_box_help(void *ctx, char what, pl_str question, pl_buf *answer, pl_error *err);

#endif
