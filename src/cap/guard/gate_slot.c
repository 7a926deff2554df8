/* Ring slots: who owns one, putting events in, taking them out. */
#include "base/banned.h"

#include "base/hash.h"
#include "base/str.h"
#include "cap/guard/gate_int.h"

#include <errno.h>
#include <plumbline/log.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- owners -------------------------------------------------------------------------- */

/* Field 22 of /proc/PID/stat: with the pid it names one process for good. 0: no such. */
static uint64_t start_time(int pid)
{
    char    path[64], text[1024], *p;
    ssize_t n;
    int     fd;

    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    p = strrchr(text, ')'); /* the name in field 2 may hold anything */
    for (int field = 2; p && field < 22; field++)
        p = strchr(p + 1, ' ');
    return p ? strtoull(p, NULL, 10) : 0;
}

static uint64_t owner_of(int pid)
{
    return start_time(pid) << 32 | (uint32_t)pid;
}

static bool owner_alive(uint64_t owner)
{
    return owner != 0 && owner_of((int)(owner & 0xffffffffu)) == owner;
}

int pl_gate_workers(const pl_gate *g)
{
    int n = 0;

    for (int i = 0; i < PL_GATE_SLOTS; i++)
        n += owner_alive(atomic_load(&g->state->slot[i].owner));
    return n;
}

/* --- ring files ------------------------------------------------------------------------ */

static size_t file_bytes(uint64_t hot)
{
    return PL_RING_PAGE + (size_t)hot + PL_GATE_SPILL_BYTES;
}

/* Files of instances made earlier have smaller hot rings; they stay as they are. */
static bool is_hot_size(uint64_t hot)
{
    return hot == PL_GATE_RING_BYTES || hot == PL_GATE_RING_OLD_BYTES;
}

static pl_rc ring_create(pl_gate *g, const char *name, pl_error *err)
{
    ring_head h = { .magic = PL_RING_MAGIC, .version = PL_GATE_VERSION,
                    .hot_bytes = PL_GATE_RING_BYTES, .spill_bytes = PL_GATE_SPILL_BYTES };
    char      tmp[64];
    int       fd, e;
    pl_rc     rc = pl_random(h.id, sizeof h.id, err);

    if (rc != PL_OK)
        return rc;
    h.next_seq = 1;
    snprintf(tmp, sizeof tmp, ".%s.%d", name, (int)getpid());
    (void)unlinkat(g->dirfd, tmp, 0);
    fd = openat(g->dirfd, tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0660);
    if (fd < 0)
        return pl_fail(err, PL_IO, "cannot create '%s': %s", name, strerror(errno));
    (void)fchmod(fd, 0660); /* gateway and daemon may run as two users of one group */
    /* Every block now, so that a full disk later cannot fail a store into the mapping. */
    e = posix_fallocate(fd, 0, (off_t)file_bytes(PL_GATE_RING_BYTES));
    if (e == 0 && (pwrite(fd, &h, sizeof h, 0) != (ssize_t)sizeof h || fsync(fd) != 0))
        e = errno;
    if (e == 0 && linkat(g->dirfd, tmp, g->dirfd, name, 0) != 0 && errno != EEXIST)
        e = errno;
    (void)unlinkat(g->dirfd, tmp, 0);
    close(fd);
    return e ? pl_fail(err, PL_IO, "cannot reserve %zu bytes for '%s': %s",
                       file_bytes(PL_GATE_RING_BYTES), name, strerror(e))
             : PL_OK;
}

static pl_rc map_check(slot_map *m, const char *name, pl_error *err)
{
    const ring_head *h = m->head;
    uint64_t         hot = h->hot_bytes;

    if (h->magic != PL_RING_MAGIC || h->version != PL_GATE_VERSION || !is_hot_size(hot) ||
        m->bytes != file_bytes(hot) || h->spill_bytes != PL_GATE_SPILL_BYTES)
        return pl_fail(err, PL_INVALID, "event ring '%s' has another version or size", name);
    m->hot = (ring){ &m->head->hot, (uint8_t *)m->head + PL_RING_PAGE, hot };
    m->spill = (ring){ &m->head->spill, (uint8_t *)m->head + PL_RING_PAGE + hot, PL_GATE_SPILL_BYTES };
    m->hot_at = atomic_load(&m->head->hot.tail);
    m->spill_at = atomic_load(&m->head->spill.tail);
    if (atomic_load(&m->head->hot.head) - m->hot_at > hot ||
        atomic_load(&m->head->spill.head) - m->spill_at > PL_GATE_SPILL_BYTES)
        return pl_fail(err, PL_INVALID, "event ring '%s' has impossible ends", name);
    return PL_OK;
}

pl_rc slot_map_open(pl_gate *g, int slot, slot_map *out, pl_error *err)
{
    char        name[32];
    struct stat st;
    slot_map    m = { .head = NULL };
    void       *p = MAP_FAILED;
    int         fd;
    pl_rc       rc;

    snprintf(name, sizeof name, "ring-%02d.plr", slot);
    fd = openat(g->dirfd, name, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? PL_NOTFOUND
                               : pl_fail(err, PL_IO, "cannot open '%s': %s", name, strerror(errno));
    if (fstat(fd, &st) == 0 && (st.st_size == (off_t)file_bytes(PL_GATE_RING_BYTES) ||
                                st.st_size == (off_t)file_bytes(PL_GATE_RING_OLD_BYTES))) {
        m.bytes = (size_t)st.st_size;
        p = mmap(NULL, m.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    }
    close(fd);
    if (p == MAP_FAILED)
        return pl_fail(err, PL_INVALID, "event ring '%s' is cut short or cannot be mapped", name);
    m.head = p;
    rc = map_check(&m, name, err);
    if (rc != PL_OK) {
        munmap(p, m.bytes);
        return rc;
    }
    *out = m;
    return PL_OK;
}

void slot_unmap(slot_map *m)
{
    if (m->head)
        munmap(m->head, m->bytes);
    *m = (slot_map){ .head = NULL };
}

/* --- worker ------------------------------------------------------------------------------ */

static bool slot_take(pl_gate *g, int i, uint64_t me)
{
    _Atomic uint64_t *owner = &g->state->slot[i].owner;
    uint64_t          seen = atomic_load(owner);

    return !owner_alive(seen) && atomic_compare_exchange_strong(owner, &seen, me);
}

/* Those of the dead first: their exchanges wait for somebody to tell of them. PL_GATE_SLOTS: none. */
static int slot_find(pl_gate *g, uint64_t me)
{
    for (int i = 0; i < PL_GATE_SLOTS; i++)
        if (atomic_load(&g->state->slot[i].owner) != 0 && slot_take(g, i, me))
            return i;
    for (int i = 0; i < PL_GATE_SLOTS; i++)
        if (slot_take(g, i, me))
            return i;
    return PL_GATE_SLOTS;
}

pl_rc pl_gate_claim(pl_gate *g, pl_error *err)
{
    uint64_t me;
    int      i;
    char     name[32];
    pl_rc    rc;

    if (g->slot >= 0)
        return PL_OK;
    me = owner_of((int)getpid());
    i = slot_find(g, me);
    if (i == PL_GATE_SLOTS)
        return pl_fail(err, PL_LIMIT, "all %d event slots are taken by running workers",
                       PL_GATE_SLOTS);
    rc = slot_map_open(g, i, &g->own, err);
    if (rc == PL_NOTFOUND) {
        snprintf(name, sizeof name, "ring-%02d.plr", i);
        rc = ring_create(g, name, err);
        if (rc == PL_OK)
            rc = slot_map_open(g, i, &g->own, err);
    }
    if (rc != PL_OK) {
        atomic_store(&g->state->slot[i].owner, 0);
        return rc;
    }
    g->slot = i;
    gate_review_claim(g, i);
    gate_open_claim(g, i);
    return PL_OK;
}

void pl_gate_release(pl_gate *g)
{
    if (g->slot < 0)
        return;
    gate_open_release(g);
    if (g->reserved) /* exchanges that were not noted and are cut off with the process leave no event */
        pl_gate_count(g, PL_COUNT_LOST, g->reserved);
    slot_unmap(&g->own);
    gate_review_unmap(&g->review);
    atomic_store(&g->state->slot[g->slot].owner, 0);
    g->slot = -1;
    g->reserved = 0;
}

#define EVENT_FIXED 80 /* see payload_write */
#define EVENT_MOST  (EVENT_FIXED + PL_EVENT_OUTPUTS_MAX * 32 + PL_EVENT_MAX)

pl_rc pl_gate_reserve(pl_gate *g)
{
    uint64_t most = ring_record_size(EVENT_MOST);

    /* One more for filler at the wrap. The hot ring is not counted: it is a bonus. */
    if (g->slot < 0 || ring_room(&g->own.spill) < (g->reserved + 2) * most)
        return PL_LIMIT;
    g->reserved++;
    return PL_OK;
}

void pl_gate_unreserve(pl_gate *g)
{
    if (g->reserved)
        g->reserved--;
}

/* Payload: i64 time, u32 outputs, u32 leaf bytes, 32 id, 32 salt, outputs × 32, leaf. */
typedef struct event_fixed {
    int64_t  time_ms;
    uint32_t outputs, leaf;
    char     id[32];
    uint8_t  salt[32];
} event_fixed;
_Static_assert(sizeof(event_fixed) == EVENT_FIXED, "event payload header");

void pl_gate_put(pl_gate *g, const pl_event *e)
{
    event_fixed f = { .time_ms = e->time_ms, .outputs = (uint32_t)e->output_count,
                      .leaf = (uint32_t)e->leaf.n };
    pl_str      parts[3] = { { (const char *)&f, sizeof f },
                             { (const char *)e->outputs, e->output_count * 32 },
                             e->leaf };
    uint64_t    seq;

    if (g->slot < 0) {
        pl_gate_count(g, PL_COUNT_LOST, 1);
        return;
    }
    memcpy(f.id, e->id.p, e->id.n < sizeof f.id ? e->id.n : sizeof f.id);
    memcpy(f.salt, e->salt, sizeof f.salt);
    /* Taken before the record is visible: after a crash a number may be missing, never
     * used twice. */
    seq = atomic_fetch_add(&g->own.head->next_seq, 1);
    if (ring_put(&g->own.hot, seq, parts, 3)) {
        pl_gate_count(g, PL_COUNT_EVENTS, 1);
    } else if (ring_put(&g->own.spill, seq, parts, 3)) {
        pl_gate_count(g, PL_COUNT_EVENTS, 1);
        pl_gate_count(g, PL_COUNT_SPILLED, 1);
    } else {
        pl_gate_count(g, PL_COUNT_LOST, 1);
    }
    pl_gate_unreserve(g);
}

/* --- daemon -------------------------------------------------------------------------------- */

/* The record with the smaller number of the two rings: numbers grow with time, so no
 * smaller one can still appear. */
static pl_rc slot_next(slot_map *m, uint64_t *seq, pl_str *payload)
{
    uint64_t hot_at = m->hot_at, spill_at = m->spill_at, hot_seq = 0, spill_seq = 0;
    pl_str   hot, spill;
    /* Spill first: a record put there was put after the hot ones it must follow. */
    pl_rc    s = ring_next(&m->spill, &spill_at, &spill_seq, &spill);
    pl_rc    h = ring_next(&m->hot, &hot_at, &hot_seq, &hot);

    if (h == PL_OK && s == PL_NOTFOUND) {
        /* The spill may have got a record between the two looks, and the hot one after it:
         * having seen that, we surely see the record before it now. */
        spill_at = m->spill_at;
        s = ring_next(&m->spill, &spill_at, &spill_seq, &spill);
    }
    m->touched = true;
    if (h == PL_INVALID || s == PL_INVALID) {
        m->hot_at = h == PL_INVALID ? hot_at : m->hot_at;
        m->spill_at = s == PL_INVALID ? spill_at : m->spill_at;
        return PL_INVALID;
    }
    if (h == PL_NOTFOUND && s == PL_NOTFOUND)
        return PL_NOTFOUND;
    if (h == PL_OK && (s != PL_OK || hot_seq < spill_seq)) {
        m->hot_at = hot_at;
        *seq = hot_seq;
        *payload = hot;
    } else {
        m->spill_at = spill_at;
        *seq = spill_seq;
        *payload = spill;
    }
    return PL_OK;
}

static bool event_read(pl_str payload, pl_event *out, pl_hash *hash)
{
    event_fixed f;

    if (payload.n < sizeof f)
        return false;
    memcpy(&f, payload.p, sizeof f);
    if (f.outputs > PL_EVENT_OUTPUTS_MAX || f.leaf > PL_EVENT_MAX ||
        payload.n != sizeof f + f.outputs * 32u + f.leaf)
        return false;
    *out = (pl_event){ .id = { payload.p + offsetof(event_fixed, id), PL_ID_LEN },
                       .time_ms = f.time_ms,
                       .leaf = { payload.p + sizeof f + f.outputs * 32u, f.leaf },
                       .output_count = f.outputs };
    memcpy(out->salt, f.salt, sizeof f.salt);
    memcpy(out->outputs, payload.p + sizeof f, f.outputs * 32u);
    *hash = pl_merkle_leaf(out->leaf);
    pl_hex(hash->b, sizeof hash->b, out->digest);
    return pl_id_valid(out->id);
}

pl_rc pl_gate_drain_next(pl_gate *g, pl_gate_item *out, pl_error *err)
{
    for (; g->drain_slot < PL_GATE_SLOTS; g->drain_slot++) {
        slot_map *m = &g->drain[g->drain_slot];
        pl_str    payload;
        pl_rc     rc = m->head ? PL_OK : slot_map_open(g, g->drain_slot, m, err);

        if (rc == PL_OK)
            atomic_store_explicit(&m->published, m->head, memory_order_release);
        if (rc == PL_OK)
            rc = slot_next(m, &out->seq, &payload);
        if (rc == PL_NOTFOUND)
            continue;
        if (rc == PL_OK && !event_read(payload, &out->event, &out->hash))
            rc = PL_INVALID;
        if (rc == PL_INVALID)
            return pl_fail(err, PL_INVALID, "event ring %d is damaged: unread records were skipped",
                           g->drain_slot);
        if (rc != PL_OK)
            return rc;
        out->slot = g->drain_slot;
        out->review = (pl_str){ "", 0 };
        memcpy(out->ring_id, m->head->id, sizeof out->ring_id);
        return PL_OK;
    }
    g->drain_slot = 0;
    return PL_NOTFOUND;
}

void pl_gate_drain_ack(pl_gate *g)
{
    for (int i = 0; i < PL_GATE_SLOTS; i++) {
        slot_map *m = &g->drain[i];
        if (!m->head || !m->touched)
            continue;
        atomic_store_explicit(&m->head->hot.tail, m->hot_at, memory_order_release);
        atomic_store_explicit(&m->head->spill.tail, m->spill_at, memory_order_release);
        m->touched = false;
    }
    gate_review_ack(g);
    g->drain_slot = 0;
}

void pl_gate_drain_rewind(pl_gate *g)
{
    for (int i = 0; i < PL_GATE_SLOTS; i++) {
        slot_map *m = &g->drain[i];
        if (!m->head)
            continue;
        m->hot_at = atomic_load(&m->head->hot.tail);
        m->spill_at = atomic_load(&m->head->spill.tail);
        m->touched = false;
    }
    gate_review_rewind(g);
    g->drain_slot = 0;
}

/* The daemon's maps are made by its background thread and never undone before close, so
 * other threads may read the ends. */
uint64_t pl_gate_pending(const pl_gate *g)
{
    uint64_t sum = 0;

    for (int i = 0; i < PL_GATE_SLOTS; i++) {
        const ring_head *h = atomic_load_explicit(&g->drain[i].published, memory_order_acquire);
        if (h)
            sum += atomic_load(&h->hot.head) - atomic_load(&h->hot.tail) +
                   atomic_load(&h->spill.head) - atomic_load(&h->spill.tail);
    }
    return sum;
}
