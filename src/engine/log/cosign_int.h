/* Shared by the files about cosignatures and witnesses. */
#ifndef PL_ENGINE_LOG_COSIGN_INT_H
#define PL_ENGINE_LOG_COSIGN_INT_H

#include "engine/log/note.h"

#include <plumbline/cosign.h>
#include <sys/types.h>

/* Lines of one base64 hash each, as proofs are written in C2SP formats. Takes lines up to and
 * with the empty one that ends them; PL_INVALID when it is missing or a line is no hash. */
pl_rc pl_hash_lines_parse(pl_str *rest, pl_proof *out, pl_error *err);
void  pl_hash_lines_format(const pl_proof *p, pl_buf *out); /* with the empty line */

/* "WORD <decimal>\n" */
pl_rc pl_number_line_parse(pl_str *rest, const char *word, uint64_t *out, pl_error *err);
#endif
