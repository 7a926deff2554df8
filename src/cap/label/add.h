/* Shared by the label verbs: labelling into metadata, and its record in the ledger. */
#ifndef PL_LABEL_ADD_H
#define PL_LABEL_ADD_H

#include "cap/cmd.h"
#include "cap/label/issue.h"

/* The verb for files and folders of c to `out`. visible: a label people see or hear, NULL: none;
 * notice: where it stands in documents. Exit code. */
/* out NULL: with --in-place; what --tar writes then goes to standard output. */
int label_add_files(pl_cmd_ctx *c, const char *out, const pl_visible_style *visible, pl_notice_place notice);

/* Statements "label issued" on their way into the ledger of the instance. Safe from any thread. */
typedef struct label_recorder label_recorder;
pl_rc label_recorder_open(pl_cmd_ctx *c, label_recorder **out, pl_error *err);
pl_rc label_recorder_add(label_recorder *r, const label_order *o, const label_outcome *u,
                         const char *sha256_hex, int64_t now_ms, pl_error *err);
pl_rc label_recorder_flush(label_recorder *r, pl_error *err);
void  label_recorder_close(label_recorder *r);

#endif
