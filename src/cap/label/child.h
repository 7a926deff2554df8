/* A foreign program on foreign media, kept in a box: no network, no new privileges, files outside
 * the system's own folders only as named, limits on memory, time and output. What the kernel does
 * not offer (Landlock, namespaces) is left out; the system call filter and the limits always hold.
 */
#ifndef PL_LABEL_CHILD_H
#define PL_LABEL_CHILD_H

#include "base/buf.h"

typedef struct pl_child {
    const char *const *argv;    /* NULL-ended; argv[0] is looked up in PATH          */
    const char        *read;    /* a file it may read; NULL: none                    */
    const char        *write;   /* a folder it may write in; NULL: none              */
    pl_str             given;   /* bytes it finds at descriptor PL_CHILD_FD; n 0: no */
    unsigned           seconds; /* of wall time, then it is killed                   */
    const char        *package; /* what of Debian brings it, for the message         */
} pl_child;

#define PL_CHILD_FD 5

/* Runs it to its end. out (may be NULL) gets its standard output, up to out->limit. PL_IO: there is
 * no such program, it failed (the last line of its errors is in the message), or ran out of time. */
pl_rc pl_child_run(const pl_child *c, pl_buf *out, pl_error *err);
#endif
