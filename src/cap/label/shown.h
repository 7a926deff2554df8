/* A file with a label that is seen or heard, before its metadata is labelled: in memory, as a plan
 * over the input, or as a temporary file beside the output. */
#ifndef PL_LABEL_SHOWN_H
#define PL_LABEL_SHOWN_H

#include "cap/label/issue.h"
#include "cap/label/part.h"

typedef struct shown_file {
    media_file     file;   /* what to go on with; its descriptor is the input's, for times and modes */
    pl_buf         bytes;
    pl_str         view;
    pl_media      *m;
    pl_media_plan *plan;
    media_file     other;  /* the temporary file */
    label_part     folder; /* where it lies */
    char          *path;
} shown_file;

/* path: of the input, out: of the output, for what only programs on files can do; NULL: bytes in
 * memory. PL_NOTFOUND: no such label on this format. Ended with shown_done in any case; in must
 * outlive it. */
pl_rc shown_make(const media_file *in, const char *path, const char *name, const char *out,
                 const label_order *o, shown_file *s, pl_error *err);
void  shown_done(shown_file *s);
#endif
