/* A single-producer single-consumer ring of records in shared memory. Positions only grow;
 * the offset in the data is position modulo size. docs/formats/gateway-files.md. */
#ifndef PL_GUARD_RING_H
#define PL_GUARD_RING_H

#include <plumbline/base.h>
#include <stdatomic.h>
#include <stdbool.h>

/* In the file's header page; head and tail on cache lines of their own. */
typedef struct ring_ends {
    _Alignas(64) _Atomic uint64_t head; /* producer: bytes ever written  */
    _Alignas(64) _Atomic uint64_t tail; /* consumer: bytes ever released */
} ring_ends;

typedef struct ring {
    ring_ends *ends;
    uint8_t   *data;
    uint64_t   size; /* power of two */
} ring;

/* Bytes a record with this payload occupies. */
size_t ring_record_size(size_t payload);
/* Free bytes; one record may additionally cost filler up to its own size at the wrap. */
uint64_t ring_room(const ring *r);
/* False when it does not fit. */
bool ring_put(ring *r, uint64_t seq, const pl_str *parts, size_t count);
/* Reads the record at *pos (consumer's own cursor) and moves past it. PL_NOTFOUND at the
 * head; PL_INVALID when the bytes are not a record: *pos moves to the head. */
pl_rc ring_next(const ring *r, uint64_t *pos, uint64_t *seq, pl_str *payload);
/* Consumer: overwrites everything before `until` with zeros, then releases it. */
void ring_wipe(ring *r, uint64_t until);
#endif
