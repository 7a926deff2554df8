/* Shared by yaml*.c only. */
#ifndef PL_BASE_YAML_INT_H
#define PL_BASE_YAML_INT_H

#include "base/buf.h"

#include <libfyaml.h>

/* How many bytes from s[at] on are in the set. */
size_t yaml_run_of(pl_str s, size_t at, const char *set);
/* The text of a scalar's token (NULL: empty) in a document, in *own or borrowed from the token.
 * PL_INVALID: where it stands is not known; PL_NOMEM. No message is set. */
pl_rc yaml_token_text(pl_str text, struct fy_token *t, pl_buf *own, pl_str *out);
#endif
