/* @name@: say here in one paragraph what this is, what always holds, and which threads may
 * call it. This template keeps remarks about subjects: short texts that are never changed.
 *
 * A remark is 1 to PL_@NAME@_TEXT_MAX bytes and has no control characters. Remarks of one
 * subject are numbered from 1 without gaps. One pl_db belongs to one thread at a time. */
#ifndef PL_@NAME@_H
#define PL_@NAME@_H

#include "base/db.h"
#include "cap/capability.h"

#define PL_@NAME@_TEXT_MAX 500

typedef struct pl_@name@_remark {
    pl_str  subject;
    int64_t seq; /* 1, 2, 3 … within the subject */
    pl_str  text;
    int64_t at_ms;
} pl_@name@_remark;

/* PL_INVALID with the reason when `text` may not become a remark. Pure. */
pl_rc pl_@name@_check(pl_str text, pl_error *err);
/* Checks and keeps a remark; its number in *seq. One transaction. */
pl_rc pl_@name@_append(pl_db *db, pl_str subject, pl_str text, int64_t now_ms, int64_t *seq,
                       pl_error *err);
/* Calls fn for each remark of a subject, oldest first; anything but PL_OK from it stops. The
 * strings of a remark live until fn returns. */
pl_rc pl_@name@_each(pl_db *db, pl_str subject,
                     pl_rc (*fn)(void *ctx, const pl_@name@_remark *r, pl_error *err), void *ctx,
                     pl_error *err);

extern const pl_capability pl_cap_@name@;
#endif
