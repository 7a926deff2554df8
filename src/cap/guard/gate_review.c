/* review-NN.plr: sealed content of exchanges that people look at, on its way from a worker to the daemon.
 * docs/formats/gateway-files.md. A record stands there before the event that names it, and is overwritten
 * once that event is in the ledger. */
#include "base/banned.h"

#include "cap/guard/gate_int.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct record_head {
    char    id[32]; /* PL_ID_LEN used */
    int64_t time_ms;
} record_head;

static void name_of(int slot, char out[32])
{
    snprintf(out, 32, "review-%02d.plr", slot);
}

static size_t file_bytes(void)
{
    return PL_RING_PAGE + PL_GATE_REVIEW_BYTES;
}

static pl_rc file_make(const pl_gate *g, const char *name)
{
    review_head h = { .magic = PL_REVIEW_MAGIC, .version = 1, .bytes = PL_GATE_REVIEW_BYTES };
    char        tmp[64];
    int         fd;
    bool        ok;

    snprintf(tmp, sizeof tmp, ".%s.%d", name, (int)getpid());
    (void)unlinkat(g->dirfd, tmp, 0);
    fd = openat(g->dirfd, tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0660);
    if (fd < 0)
        return PL_IO;
    (void)fchmod(fd, 0660);
    ok = posix_fallocate(fd, 0, (off_t)file_bytes()) == 0 && pwrite(fd, &h, sizeof h, 0) == (ssize_t)sizeof h &&
         (linkat(g->dirfd, tmp, g->dirfd, name, 0) == 0 || errno == EEXIST);
    (void)unlinkat(g->dirfd, tmp, 0);
    close(fd);
    return ok ? PL_OK : PL_IO;
}

static bool head_is_sound(const review_head *h)
{
    uint64_t head = atomic_load(&h->ends.head), tail = atomic_load(&h->ends.tail);

    return h->magic == PL_REVIEW_MAGIC && h->version == 1 && h->bytes == PL_GATE_REVIEW_BYTES &&
           head - tail <= PL_GATE_REVIEW_BYTES;
}

/* PL_NOTFOUND: there is none that this version can use. */
static pl_rc file_map(const pl_gate *g, int slot, review_map *out)
{
    struct stat st;
    char        name[32];
    void       *p = MAP_FAILED;
    int         fd;

    name_of(slot, name);
    fd = openat(g->dirfd, name, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return PL_NOTFOUND;
    if (fstat(fd, &st) == 0 && st.st_size == (off_t)file_bytes())
        p = mmap(NULL, file_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (p == MAP_FAILED)
        return PL_NOTFOUND;
    if (!head_is_sound(p)) {
        munmap(p, file_bytes());
        return PL_NOTFOUND;
    }
    *out = (review_map){ .head = p };
    out->ring = (ring){ &out->head->ends, (uint8_t *)p + PL_RING_PAGE, PL_GATE_REVIEW_BYTES };
    out->at = atomic_load(&out->head->ends.tail);
    return PL_OK;
}

/* Without room on the disk the worker works as before: content that people would have seen is missing then. */
void gate_review_claim(pl_gate *g, int slot)
{
    char name[32];

    name_of(slot, name);
    if (file_map(g, slot, &g->review) != PL_OK && file_make(g, name) == PL_OK)
        (void)file_map(g, slot, &g->review);
}

void gate_review_unmap(review_map *m)
{
    if (m->head)
        munmap(m->head, file_bytes());
    *m = (review_map){ .head = NULL };
}

pl_rc pl_gate_review_put(pl_gate *g, pl_str id, int64_t now_ms, pl_str sealed)
{
    record_head h = { .time_ms = now_ms };
    pl_str      parts[2] = { { (const char *)&h, sizeof h }, sealed };

    if (!g->review.head || id.n > sizeof h.id || sealed.n > PL_GATE_REVIEW_BYTES / 4)
        return PL_LIMIT;
    memcpy(h.id, id.p, id.n);
    return ring_put(&g->review.ring, 0, parts, 2) ? PL_OK : PL_LIMIT;
}

/* --- daemon ------------------------------------------------------------------------------------ */

/* The daemon's map of a slot, NULL when it has no file. */
static review_map *map_of(pl_gate *g, int slot)
{
    review_map *m = &g->reviews[slot];

    return m->head || file_map(g, slot, m) == PL_OK ? m : NULL;
}

pl_rc pl_gate_review_take(pl_gate *g, int slot, pl_str id, pl_str *sealed)
{
    review_map *m = map_of(g, slot);
    uint64_t    at, seq;
    pl_str      payload;
    record_head h;
    pl_rc       rc;

    if (!m)
        return PL_NOTFOUND;
    at = m->at;
    while ((rc = ring_next(&m->ring, &at, &seq, &payload)) == PL_OK) {
        if (payload.n < sizeof h)
            continue;
        memcpy(&h, payload.p, sizeof h);
        if (memcmp(h.id, id.p, PL_ID_LEN) != 0)
            continue; /* of a worker that died before its event: passed over with what follows it */
        m->at = at;
        *sealed = (pl_str){ payload.p + sizeof h, payload.n - sizeof h };
        return PL_OK;
    }
    return PL_NOTFOUND;
}

static void drop_until(review_map *m, uint64_t at)
{
    ring_wipe(&m->ring, at);
    m->at = at;
}

void gate_review_ack(pl_gate *g)
{
    for (int i = 0; i < PL_GATE_SLOTS; i++)
        if (g->reviews[i].head && g->reviews[i].at != atomic_load(&g->reviews[i].head->ends.tail))
            drop_until(&g->reviews[i], g->reviews[i].at);
}

void gate_review_rewind(pl_gate *g)
{
    for (int i = 0; i < PL_GATE_SLOTS; i++)
        if (g->reviews[i].head)
            g->reviews[i].at = atomic_load(&g->reviews[i].head->ends.tail);
}

size_t pl_gate_review_sweep(pl_gate *g, int64_t before_ms)
{
    size_t n = 0;

    for (int i = 0; i < PL_GATE_SLOTS; i++) {
        review_map *m = map_of(g, i);
        uint64_t    at = m ? m->at : 0, seq;
        pl_str      payload;
        record_head h;

        while (m) {
            pl_rc rc = ring_next(&m->ring, &at, &seq, &payload);

            if (rc == PL_OK && payload.n >= sizeof h)
                memcpy(&h, payload.p, sizeof h);
            if (rc == PL_NOTFOUND || (rc == PL_OK && payload.n >= sizeof h && h.time_ms >= before_ms))
                break;
            n++;
            drop_until(m, at);
        }
    }
    return n;
}
