/* A file of fixed size that processes of one node map together: made whole, or not at all. */
#ifndef PL_GUARD_SHARED_FILE_H
#define PL_GUARD_SHARED_FILE_H

#include <plumbline/base.h>

/* What such a file begins with. */
typedef struct shared_head {
    uint64_t magic;
    uint64_t slots;
    uint8_t  rest[48];
} shared_head;

/* Maps `bytes` of the file `name` below an open directory. One that is missing, or of another magic, number
 * of slots or size, is made anew, zero behind its head; old readers of a replaced one do not notice. */
pl_rc shared_file_map(int dirfd, const char *name, uint64_t magic, uint64_t slots, size_t bytes, void **out,
                      pl_error *err);
#endif
