/* Personal data taken out of a request and put back into its answer. A list lives as long as its
 * exchange; values never enter logs, events or files. */
#ifndef PL_GUARD_PSEUDONYM_H
#define PL_GUARD_PSEUDONYM_H

#include "base/buf.h"
#include <stdbool.h>

#define PSEUDONYMS_MAX    256
#define PSEUDONYM_MAX     64  /* bytes of one */
#define PSEUDONYM_VALUE   512 /* bytes of what it stands for */

typedef struct pseudonym {
    char   name[PSEUDONYM_MAX];
    size_t name_n;
    char  *value;
    size_t value_n;
} pseudonym;

typedef struct pseudonyms {
    pseudonym *list;
    size_t     n;
} pseudonyms;

/* PL_LIMIT: there are too many. A name that is known already keeps its value. */
pl_rc pl_pseudonym_add(pseudonyms *p, pl_str name, pl_str value, pl_error *err);
/* Appends text with the values of all names in it. Values go into JSON strings as they are:
 * add() refuses those that could not. */
void  pl_pseudonym_restore(const pseudonyms *p, pl_str text, pl_buf *out);
/* Bytes at the end of text that may be the beginning of a name. */
size_t pl_pseudonym_tail(const pseudonyms *p, pl_str text);
void  pl_pseudonym_done(pseudonyms *p);

#endif
