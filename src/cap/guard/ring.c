#include "base/banned.h"

#include "base/hash.h"
#include "cap/guard/ring.h"

typedef struct record {
    uint32_t size;  /* of the whole record, multiple of 8; PAD marks filler to the end */
    uint32_t crc;   /* CRC-32C of everything after this member */
    uint64_t seq;
    uint32_t payload, zero;
} record;
_Static_assert(sizeof(record) == 24, "record header");

#define PAD 0x80000000u

size_t ring_record_size(size_t payload)
{
    return (sizeof(record) + payload + 7u) & ~(size_t)7;
}

uint64_t ring_room(const ring *r)
{
    uint64_t head = atomic_load_explicit(&r->ends->head, memory_order_relaxed);
    uint64_t tail = atomic_load_explicit(&r->ends->tail, memory_order_acquire);

    return r->size - (head - tail);
}

static void record_write(uint8_t *at, size_t size, uint64_t seq, const pl_str *parts, size_t count)
{
    record   h = { .size = (uint32_t)size, .seq = seq };
    uint8_t *p = at + sizeof h;

    for (size_t i = 0; i < count; i++) {
        memcpy(p, parts[i].p, parts[i].n);
        p += parts[i].n;
        h.payload += (uint32_t)parts[i].n;
    }
    memset(p, 0, size - (size_t)(p - at));
    memcpy(at, &h, sizeof h);
    h.crc = pl_crc32c(at + 8, size - 8);
    memcpy(at, &h, sizeof h);
}

bool ring_put(ring *r, uint64_t seq, const pl_str *parts, size_t count)
{
    uint64_t head = atomic_load_explicit(&r->ends->head, memory_order_relaxed);
    uint64_t at = head & (r->size - 1), pad = 0;
    size_t   payload = 0, size;

    for (size_t i = 0; i < count; i++)
        payload += parts[i].n;
    size = ring_record_size(payload);
    if (at + size > r->size)
        pad = r->size - at;
    if (size + pad > ring_room(r))
        return false;
    if (pad) {
        uint32_t mark = (uint32_t)pad | PAD;
        memcpy(r->data + at, &mark, sizeof mark);
        at = 0;
    }
    record_write(r->data + at, size, seq, parts, count);
    /* A reader sees the record only whole: kill -9 before this line leaves no trace. */
    atomic_store_explicit(&r->ends->head, head + pad + size, memory_order_release);
    return true;
}

static bool record_ok(const ring *r, const record *h, uint64_t at, uint64_t left)
{
    return h->size >= sizeof *h && h->size % 8 == 0 && h->size <= left && at + h->size <= r->size &&
           h->payload <= h->size - sizeof *h &&
           pl_crc32c(r->data + at + 8, h->size - 8) == h->crc;
}

pl_rc ring_next(const ring *r, uint64_t *pos, uint64_t *seq, pl_str *payload)
{
    uint64_t head = atomic_load_explicit(&r->ends->head, memory_order_acquire);
    uint64_t at = *pos & (r->size - 1);
    uint32_t mark;
    record   h;

    if (*pos == head)
        return PL_NOTFOUND;
    memcpy(&mark, r->data + at, sizeof mark);
    if (mark & PAD) {
        if ((mark & ~PAD) != r->size - at || (mark & ~PAD) > head - *pos)
            goto damaged;
        *pos += mark & ~PAD;
        at = 0; /* the record itself */
        if (*pos == head)
            return PL_NOTFOUND;
    }
    if (head - *pos < sizeof h || at + sizeof h > r->size)
        goto damaged;
    memcpy(&h, r->data + at, sizeof h);
    if (!record_ok(r, &h, at, head - *pos))
        goto damaged;
    *seq = h.seq;
    *payload = (pl_str){ (const char *)r->data + at + sizeof h, h.payload };
    *pos += h.size;
    return PL_OK;

damaged:
    *pos = head;
    return PL_INVALID;
}

void ring_wipe(ring *r, uint64_t until)
{
    uint64_t tail = atomic_load_explicit(&r->ends->tail, memory_order_relaxed);
    uint64_t at = tail & (r->size - 1), n = until - tail;
    uint64_t first = n < r->size - at ? n : r->size - at;

    explicit_bzero(r->data + at, first);
    explicit_bzero(r->data, n - first);
    atomic_store_explicit(&r->ends->tail, until, memory_order_release);
}
