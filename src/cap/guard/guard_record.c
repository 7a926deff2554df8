/* From rings to ledger. The order is what makes a crash harmless at any point:
 *   payload durable → rows with the signed envelope, index open → ledger append (durable)
 *   → index set → rings acknowledged.
 * A batch whose index is open after a restart is looked up in the log before it is appended
 * again; an event whose number was stored already is skipped. */
#include "base/banned.h"

#include "base/arena.h"
#include "base/hash.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "cap/guard/guard_people.h"
#include "cap/guard/guard_review.h"
#include "cap/guard/review_store.h"
#include "cap/guard/subject_store.h"

#include <sched.h>

#define BATCH_EVENTS  4096
#define BATCH_BYTES   (16u << 20)
#define TURN          16 /* events after which a worker that waits for this core gets it: no request waits for a batch */
#define PUBLISH_MS    500
#define EXPIRE_MS     (3600 * 1000)
#define ORPHAN_MS     (60 * 1000) /* content whose event never came: its worker died in between */
#define DAY_MS        (24LL * 3600 * 1000)

typedef struct batch {
    pl_gate_item *item;
    size_t        n;
    pl_buf        payload;
    uint64_t      seen[PL_GATE_SLOTS]; /* highest number taken per slot, 0 none */
    uint8_t       ring[PL_GATE_SLOTS][16];
    bool          damaged;
} batch;

/* --- collecting ------------------------------------------------------------------------ */

static pl_rc is_new(batch *b, pl_db *db, const pl_gate_item *it, bool *out, pl_error *err)
{
    uint64_t last = b->seen[it->slot];
    pl_rc    rc = PL_OK;

    if (last == 0) {
        rc = guard_slot_last(db, it->ring_id, &last, err);
        if (rc == PL_NOTFOUND)
            rc = PL_OK;
    }
    *out = it->seq > last;
    return rc;
}

static pl_rc collect(guard_run *g, batch *b, pl_db *db, pl_error *err)
{
    pl_gate_item it;
    bool         fresh;
    pl_rc        rc;

    while (b->n < BATCH_EVENTS && b->payload.n < BATCH_BYTES) {
        rc = pl_gate_drain_next(g->gate, &it, err);
        if (rc == PL_INVALID) {
            b->damaged = true;
            continue;
        }
        if (rc == PL_NOTFOUND)
            return PL_OK;
        if (rc == PL_OK)
            rc = is_new(b, db, &it, &fresh, err);
        if (rc != PL_OK)
            return rc;
        /* Also of one that was stored already: its content leaves the ring with it. */
        if (memmem(it.event.leaf.p, it.event.leaf.n, "\"review\":{", 10))
            (void)pl_gate_review_take(g->gate, it.slot, it.event.id, &it.review);
        if (!fresh)
            continue;
        b->seen[it.slot] = it.seq;
        memcpy(b->ring[it.slot], it.ring_id, 16);
        b->item[b->n++] = it;
        pl_buf_put(&b->payload, it.event.leaf);
        pl_buf_putc(&b->payload, '\n');
    }
    return PL_OK;
}

/* --- one batch --------------------------------------------------------------------------- */

static pl_hash batch_root(const batch *b)
{
    pl_merkle_range r;

    pl_merkle_range_init(&r);
    for (size_t i = 0; i < b->n; i++)
        pl_merkle_range_append(&r, &b->item[i].hash);
    return pl_merkle_range_root(&r);
}

static void times(const batch *b, char from[25], char to[25])
{
    int64_t lo = b->item[0].event.time_ms, hi = lo;

    for (size_t i = 1; i < b->n; i++) {
        int64_t t = b->item[i].event.time_ms;
        lo = t < lo ? t : lo;
        hi = t > hi ? t : hi;
    }
    pl_time_format(lo, from);
    pl_time_format(hi, to);
}

static pl_rc statement(guard_run *g, pl_services *s, const batch *b, const pl_stored_batch *row,
                       char **envelope, size_t *n, pl_error *err)
{
    char     name[160], root[65], payload[65], from[25], to[25];
    uint8_t  subject[32];
    uint64_t lost = pl_gate_counter(g->gate, PL_COUNT_LOST);
    json_t  *p;
    pl_rc    rc;

    snprintf(name, sizeof name, "service:%s", s->instance->service);
    pl_sha256_of(pl_str_z(name), subject);
    pl_hex(row->root.b, 32, root);
    pl_hex(row->payload, 32, payload);
    times(b, from, to);
    p = json_pack("{s:I, s:s, s:s, s:I, s:s, s:s, s:I}", "count", (json_int_t)b->n, "root", root,
                  "payload_sha256", payload, "payload_bytes", (json_int_t)b->payload.n, "from",
                  from, "to", to, "lost", (json_int_t)(lost - g->reported_lost));
    rc = p ? pl_statement_sign(s->signer, pl_str_z(name), subject, PL_PREDICATE("guard-event-batch"),
                               p, envelope, n, err)
           : pl_fail(err, PL_NOMEM, "out of memory");
    json_decref(p);
    return rc;
}

static pl_rc observe(pl_services *s, pl_db *db, const pl_event *e, pl_error *err)
{
    pl_event_output out[PL_EVENT_OUTPUTS_MAX];
    pl_event_view   v = { .id = e->id, .time_ms = e->time_ms, .leaf = e->leaf, .salt = e->salt,
                          .outputs = out, .output_count = e->output_count };
    pl_rc           rc = PL_OK;

    for (size_t i = 0; i < e->output_count; i++)
        memcpy(out[i].index_key, e->outputs[i], 32);
    for (size_t i = 0; pl_capabilities[i] && rc == PL_OK; i++)
        if (pl_capabilities[i]->on_event)
            rc = pl_capabilities[i]->on_event(s, db, &v, err);
    return rc;
}

/* What is seen hardly changes from one event to the next: those that are alike count at once. */
typedef struct seen_run {
    json_t    *seen;
    guard_leaf like; /* views of a leaf of the batch */
    int64_t    time_ms;
    uint64_t   n;
} seen_run;

static void run_count(seen_run *r)
{
    if (r->n > 0)
        guard_seen_add(r->seen, &r->like, r->time_ms, r->n);
    r->n = 0;
}

static void run_take(seen_run *r, const guard_leaf *l, int64_t time_ms)
{
    if (r->n == 0 || time_ms / DAY_MS != r->time_ms / DAY_MS || !guard_seen_same(&r->like, l)) {
        run_count(r);
        r->like = *l;
        r->like.categories = (pl_buf){ 0 };
        r->time_ms = time_ms;
    }
    r->n++;
}

static pl_rc store_event(pl_services *s, pl_db *db, const pl_gate_item *it, int64_t id, int64_t position,
                         seen_run *seen, pl_error *err)
{
    const pl_event *e = &it->event;
    guard_leaf l;
    pl_rc      rc = guard_leaf_read(e->leaf, &l, err);

    if (rc == PL_OK)
        rc = guard_event_put(db, e, &l, id, position, err);
    if (rc == PL_OK)
        run_take(seen, &l, e->time_ms);
    guard_leaf_done(&l);
    if (rc == PL_OK)
        rc = observe(s, db, e, err);
    if (rc == PL_OK)
        rc = guard_review_event(guard_run_get(), s, db, e, it->review, s->now_ms(), err);
    return rc == PL_OK ? guard_people_event(guard_run_get(), db, e, s->now_ms(), err) : rc;
}

static pl_rc store_events(const batch *b, pl_services *s, pl_db *db, int64_t id, pl_error *err)
{
    seen_run run = { .seen = json_object() };
    pl_rc    rc = run.seen ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");

    for (size_t i = 0; i < b->n && rc == PL_OK; i++) {
        rc = store_event(s, db, &b->item[i], id, (int64_t)i, &run, err);
        if (i % TURN == TURN - 1)
            (void)sched_yield();
    }
    run_count(&run);
    if (rc == PL_OK)
        rc = guard_seen_store(db, run.seen, err);
    json_decref(run.seen);
    for (int i = 0; i < PL_GATE_SLOTS && rc == PL_OK; i++)
        if (b->seen[i])
            rc = guard_slot_put(db, b->ring[i], i, b->seen[i], err);
    return rc;
}

static pl_rc store(const batch *b, pl_services *s, pl_db *db, const pl_stored_batch *row,
                   int64_t now_ms, pl_error *err)
{
    pl_rc rc = pl_db_begin(db, err);

    if (rc != PL_OK)
        return rc;
    rc = guard_batch_put(db, row, pl_ledger_size(s->ledger), now_ms, err);
    if (rc == PL_OK)
        rc = store_events(b, s, db, row->id, err);
    if (rc == PL_OK)
        rc = pl_db_commit(db, err);
    if (rc != PL_OK)
        pl_db_abort(db);
    return rc;
}

static pl_rc into_ledger(pl_services *s, pl_db *db, const pl_stored_batch *row, pl_error *err)
{
    uint64_t index;
    pl_rc    rc = pl_ledger_append(s->ledger, &row->envelope, 1, &index, err);

    return rc == PL_OK ? guard_batch_set_index(db, row->id, index, err) : rc;
}

static pl_rc record(guard_run *g, batch *b, pl_services *s, pl_db *db, int64_t now_ms, pl_error *err)
{
    pl_stored_batch row = { .id = g->next_batch, .count = b->n, .root = batch_root(b) };
    char           *envelope = NULL;
    size_t          n = 0;
    pl_rc           rc = pl_buf_check(&b->payload, err);

    if (rc == PL_OK)
        rc = pl_ledger_payload_put(g->ledger_dir, pl_buf_str(&b->payload), row.payload, err);
    if (rc == PL_OK)
        rc = statement(g, s, b, &row, &envelope, &n, err);
    row.envelope = (pl_str){ envelope, n };
    if (rc == PL_OK)
        rc = store(b, s, db, &row, now_ms, err);
    if (rc == PL_OK) {
        g->next_batch++; /* the row exists, whatever happens next */
        g->reported_lost = pl_gate_counter(g->gate, PL_COUNT_LOST);
        rc = into_ledger(s, db, &row, err);
        g->unsettled = rc != PL_OK;
    }
    free(envelope);
    return rc;
}

/* --- batches whose index is open -------------------------------------------------------------- */

static pl_rc settle(pl_services *s, pl_db *db, const pl_stored_batch *row, uint64_t from,
                    pl_error *err)
{
    pl_hash  leaf = pl_merkle_leaf(row->envelope);
    uint64_t index;
    pl_rc    rc = pl_ledger_find(s->ledger, &leaf, from, &index, err);

    if (rc == PL_OK)
        return guard_batch_set_index(db, row->id, index, err);
    return rc == PL_NOTFOUND ? into_ledger(s, db, row, err) : rc;
}

/* Stored, but perhaps not in the ledger: looked up there before it is appended. */
static pl_rc settle_all(pl_services *s, pl_db *db, pl_error *err)
{
    pl_stored_batch row;
    uint64_t        from;
    pl_rc           rc = PL_OK;

    while (rc == PL_OK) {
        pl_arena *a = pl_arena_new(1u << 20);
        rc = a ? guard_batch_open_find(db, a, &row, &from, err)
               : pl_fail(err, PL_NOMEM, "out of memory");
        if (rc == PL_OK)
            rc = settle(s, db, &row, from, err);
        pl_arena_free(a);
    }
    return rc == PL_NOTFOUND ? PL_OK : rc;
}

/* --- the tick -------------------------------------------------------------------------------- */

static pl_rc drain(guard_run *g, pl_services *s, pl_db *db, int64_t now_ms, size_t *n, pl_error *err)
{
    batch b = { .payload = PL_BUF_INIT(BATCH_BYTES + BATCH_EVENTS * (PL_EVENT_MAX + 1u)) };
    pl_rc rc;

    b.item = malloc(BATCH_EVENTS * sizeof *b.item);
    rc = b.item ? collect(g, &b, db, err) : pl_fail(err, PL_NOMEM, "out of memory");
    if (rc == PL_OK && b.n)
        rc = record(g, &b, s, db, now_ms, err);
    if (rc == PL_OK)
        pl_gate_drain_ack(g->gate);
    else
        pl_gate_drain_rewind(g->gate);
    *n = b.n;
    if (rc == PL_OK && b.damaged)
        rc = pl_fail(err, PL_INVALID, "an event ring was damaged: unread records were skipped");
    free(b.item);
    pl_buf_done(&b.payload);
    return rc;
}

static void rate_sample(guard_run *g, int64_t now_ms)
{
    int64_t     second = now_ms / 1000;
    guard_rate *r = &g->rate[second % GUARD_RATE_SECONDS];
    uint64_t    requests = pl_gate_counter(g->gate, PL_COUNT_REQUESTS);
    uint64_t    blocked = pl_gate_counter(g->gate, PL_COUNT_BLOCKED_INPUT) +
                          pl_gate_counter(g->gate, PL_COUNT_BLOCKED_OUTPUT);

    pthread_mutex_lock(&g->lock);
    if (r->second != second)
        *r = (guard_rate){ .second = second };
    r->requests += requests - g->last_requests;
    r->blocked += blocked - g->last_blocked;
    pthread_mutex_unlock(&g->lock);
    g->last_requests = requests;
    g->last_blocked = blocked;
}

static pl_rc publish(guard_run *g, pl_services *s, int64_t now_ms, pl_error *err)
{
    if (now_ms - g->last_publish_ms < PUBLISH_MS && now_ms >= g->last_publish_ms)
        return PL_OK;
    g->last_publish_ms = now_ms;
    return pl_ledger_publish(s->ledger, err);
}

bool guard_clock_is_believed(guard_run *g)
{
    bool yes;

    pthread_mutex_lock(&g->lock);
    yes = guard_clock_look(&g->clock, pl_now_ms(), pl_mono_ms());
    pthread_mutex_unlock(&g->lock);
    return yes;
}

static pl_rc expire(guard_run *g, pl_services *s, pl_db *db, int64_t now_ms, pl_error *err)
{
    if (!guard_clock_is_believed(g))
        g->last_expire_ms = now_ms;
    if (now_ms - g->last_expire_ms < EXPIRE_MS)
        return PL_OK;
    g->last_expire_ms = now_ms;
    if (subject_expire(db, now_ms - s->instance->retention_days * DAY_MS, now_ms, err) != PL_OK)
        return err ? err->rc : PL_IO;
    if (review_expire(db, now_ms - s->instance->retention_days * DAY_MS, err) != PL_OK)
        return err ? err->rc : PL_IO;
    if (guard_seen_expire(db, now_ms / DAY_MS - s->instance->retention_days, err) != PL_OK)
        return err ? err->rc : PL_IO;
    return guard_event_expire(db, now_ms - s->instance->retention_days * DAY_MS, NULL, err);
}

pl_rc guard_record_tick(guard_run *g, pl_services *s, pl_db *db, int64_t now_ms, pl_error *err)
{
    size_t n = BATCH_EVENTS;
    pl_rc  rc = PL_OK;

    rate_sample(g, now_ms);
    if (g->unsettled) {
        rc = settle_all(s, db, err);
        g->unsettled = rc != PL_OK;
    }
    /* A few full batches per tick at most, so that publishing is never starved. */
    for (int i = 0; i < 8 && n == BATCH_EVENTS && rc == PL_OK; i++)
        rc = drain(g, s, db, now_ms, &n, err);
    if (rc == PL_OK && n == 0 && now_ms - g->last_sweep_ms >= ORPHAN_MS) {
        g->last_sweep_ms = now_ms;
        (void)pl_gate_review_sweep(g->gate, now_ms - ORPHAN_MS);
    }
    if (rc == PL_OK)
        rc = publish(g, s, now_ms, err);
    if (rc == PL_OK)
        rc = expire(g, s, db, now_ms, err);
    return rc;
}

/* --- after a restart --------------------------------------------------------------------------- */

pl_rc guard_record_recover(guard_run *g, pl_services *s, pl_db *db, pl_error *err)
{
    pl_rc rc = settle_all(s, db, err);

    if (rc == PL_OK)
        rc = guard_batch_last_id(db, &g->next_batch, err);
    g->next_batch++;
    return rc;
}
