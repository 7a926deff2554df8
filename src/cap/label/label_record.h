/* Statements "label issued" (docs/formats/statement.md), for the verbs and for the API. */
#ifndef PL_LABEL_RECORD_H
#define PL_LABEL_RECORD_H

#include "base/json.h"
#include "cap/ledger/pl_ledger.h"

#define LABEL_RECORDS_MAX 256u /* of one append */

/* The envelope of a predicate, malloc'd. PL_INVALID: it breaks the schema. */
pl_rc label_statement_sign(const pl_signer *signer, const json_t *p, char **envelope, size_t *n, pl_error *err);
/* All predicates of the list or none. PL_INVALID also: none, or more than LABEL_RECORDS_MAX. */
pl_rc label_statements_append(pl_ledger *l, const pl_signer *signer, const json_t *list, uint64_t *first, pl_error *err);
#endif
