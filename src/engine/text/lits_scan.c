/* Scanning: blocks are marked by one of the code paths, marks are confirmed here, and matches
 * leave in order. */
#include "base/banned.h"

#include "engine/text/lits_int.h"

#include <assert.h>

/* Matches that wait for others that end before them, as a heap. A match is one number: end in the
 * block, length (long ones first), literal. */
typedef struct pending {
    size_t    n, cap;
    uint64_t *key;
} pending;

enum {
    /* What one position can add: four kinds of window, and starts of all lengths. */
    AT_ONE_PLACE = 4 * LITS_REACH + PL_LITS_LENGTH_MAX,
    PENDING_FEW = 2 * AT_ONE_PLACE,
    AT_ONE_MARK = 5, /* places */
    /* All pairs of a start at or before, and an end after, one position. */
    PENDING_ALL = PL_LITS_LENGTH_MAX * PL_LITS_LENGTH_MAX / 2 + 4 * AT_ONE_PLACE,
    BATCH = 32,
    END_SHIFT = 40,
    LENGTH_SHIFT = 32
};

/* One place that a mark points to, and how far it has been looked up. */
typedef struct place {
    uint32_t at, check;
    uint32_t slot, end; /* slots that can still be meant; none for a start */
} place;

typedef struct scan {
    const pl_lits  *l;
    const uint8_t  *text; /* bytes or units */
    size_t          n, base;
    const uint8_t  *block; /* the text from base on; readable beyond the text's end */
    pl_lits_emit_fn emit;
    void           *ctx;
    const lits_path *path;
    size_t          at;   /* the last position that was confirmed */
    bool            full; /* at that position, the heap had no room */
    bool            stopped;
    pending         wait;
    unsigned        batch_n;
    place           batch[BATCH];
    lits_marks      marks;
} scan;

/* --- order -------------------------------------------------------------------------------- */

static void pending_put(pending *w, uint64_t key)
{
    size_t i;

    if (w->n == w->cap)
        return; /* only a set that no builder made has so many */
    for (i = w->n++; i > 0 && w->key[(i - 1) / 2] > key; i = (i - 1) / 2)
        w->key[i] = w->key[(i - 1) / 2];
    w->key[i] = key;
}

static void pending_drop(pending *w)
{
    uint64_t last = w->key[--w->n];
    size_t   i = 0, child;

    while ((child = 2 * i + 1) < w->n) {
        child += child + 1 < w->n && w->key[child + 1] < w->key[child];
        if (w->key[child] >= last)
            break;
        w->key[i] = w->key[child];
        i = child;
    }
    w->key[i] = last;
}

/* Emits what ends at or before `end` of the block; everything found later ends behind it. */
static void pending_emit(scan *s, uint64_t end)
{
    while (s->wait.n && s->wait.key[0] >> END_SHIFT <= end && !s->stopped) {
        uint64_t key = s->wait.key[0];

        pending_drop(&s->wait);
        s->stopped = s->emit(s->ctx, (uint32_t)key, s->base + (size_t)(key >> END_SHIFT)) != 0;
    }
}

static void found(scan *s, size_t end, uint32_t length, uint32_t number)
{
    pending_put(&s->wait, (uint64_t)(end - s->base) << END_SHIFT |
                              (uint64_t)(PL_LITS_LENGTH_MAX - length) << LENGTH_SHIFT | number);
}

/* --- windows ------------------------------------------------------------------------------ */

static inline size_t unit_size(const scan *s)
{
    return s->l->h->kind == PL_LITS_UNITS ? 2 : 1;
}

/* memcmp for what is mostly a dozen bytes. */
static inline bool same_bytes(const uint8_t *a, const uint8_t *b, size_t n)
{
    uint64_t x, y;

    if (n < 8)
        return n >= 4 ? !((lits_load32(a) ^ lits_load32(b)) |
                          (lits_load32(a + n - 4) ^ lits_load32(b + n - 4)))
                      : n == 0 || !((a[0] ^ b[0]) | (a[n / 2] ^ b[n / 2]) | (a[n - 1] ^ b[n - 1]));
    for (size_t i = 0; i + 8 < n; i += 8) {
        memcpy(&x, a + i, 8);
        memcpy(&y, b + i, 8);
        if (x != y)
            return false;
    }
    memcpy(&x, a + n - 8, 8);
    memcpy(&y, b + n - 8, 8);
    return x == y;
}

static bool same(const scan *s, size_t at, uint32_t literal, uint32_t length)
{
    size_t size = unit_size(s);

    return same_bytes(s->text + at * size, s->l->text + literal * size, length * size);
}

static inline uint8_t narrow_at(const scan *s, size_t at)
{
    return unit_size(s) == 1 ? s->text[at] : lits_narrow(((const uint16_t *)s->text)[at]);
}

/* Everything that can be said without the literal's text. */
static inline bool may_be(const scan *s, const lits_entry *e, size_t at)
{
    size_t start = at - e->anchor;

    return at >= e->anchor && s->n - start > e->length &&
           narrow_at(s, start + e->length) == e->last &&
           narrow_at(s, at - (e->anchor != 0)) == e->before;
}

/* Only for what may be. */
static void entry_try(scan *s, const lits_entry *e, size_t at)
{
    uint32_t length = e->length + 1u;

    if (same(s, at - e->anchor, e->at, length))
        found(s, at - e->anchor + length, length, e->number - 1);
}

/* --- starts ------------------------------------------------------------------------------- */

static int start_compare(const scan *s, const lits_start *t, size_t at)
{
    size_t   left = s->n - at;
    uint32_t n = left < t->length ? (uint32_t)left : t->length;
    int      c = 0;

    if (unit_size(s) == 1) {
        c = memcmp(s->l->text + t->at, s->text + at, n);
    } else {
        const uint16_t *a = (const uint16_t *)s->l->text + t->at;
        const uint16_t *b = (const uint16_t *)s->text + at;

        for (uint32_t i = 0; i < n && c == 0; i++)
            c = a[i] - b[i];
    }
    return c ? c : n < t->length;
}

/* All starts that are prefixes of the text are prefixes of the last one not behind it. */
static void starts_find(scan *s, size_t at)
{
    const lits_start *starts = s->l->starts;
    uint32_t          lo = 0, hi = s->l->h->starts;
    bool              matches = false;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;

        if (start_compare(s, &starts[mid], at) <= 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    for (; lo; lo = starts[lo - 1].prefix) {
        const lits_start *t = &starts[lo - 1];

        matches = matches || (s->n - at >= t->length && same(s, at, t->at, t->length));
        if (matches)
            found(s, at + t->length, t->length, t->number);
    }
}

/* --- batches of marks: each step asks for the memory the next one needs ------------------- */

/* Leaves no place unless `yes`; no branch, as there is no telling. */
static inline void place_put(scan *s, uint32_t at, uint64_t hash, lits_kind kind, bool yes)
{
    uint32_t slot = (uint32_t)(hash >> (64 - s->l->h->slot_bits));

    s->batch[s->batch_n] = (place){ at, lits_check(hash, kind), slot, slot + LITS_REACH };
    s->batch_n += yes;
    __builtin_prefetch(&s->l->slots[slot]);
}

/* Moves a place on to the next entry that may be the one; false: there is none. */
static inline bool place_next(const scan *s, place *p)
{
    const lits_entry *slots = s->l->slots;

    for (; p->slot < p->end && slots[p->slot].number; p->slot++)
        if (slots[p->slot].check == p->check && may_be(s, &slots[p->slot], s->base + p->at))
            return true;
    return false;
}

static void batch_look_up(scan *s)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < s->batch_n; i++) {
        place p = s->batch[i];
        bool  keep = p.end == 0 || place_next(s, &p);

        if (keep && p.end)
            __builtin_prefetch(s->l->text + s->l->slots[p.slot].at * unit_size(s));
        s->batch[kept] = p;
        kept += keep;
    }
    s->batch_n = kept;
}

static void place_run(scan *s, place *p)
{
    size_t at = s->base + p->at;

    if (p->end == 0) {
        starts_find(s, at);
        return;
    }
    do {
        entry_try(s, &s->l->slots[p->slot], at);
        p->slot++;
    } while (place_next(s, p));
}

static void batch_run(scan *s)
{
    batch_look_up(s);
    for (unsigned i = 0; i < s->batch_n && !s->full; i++) {
        place *p = &s->batch[i];

        if (s->base + p->at != s->at) {
            pending_emit(s, p->at);
            s->at = s->base + p->at;
            s->full = s->wait.cap - s->wait.n < AT_ONE_PLACE;
        }
        if (!s->full)
            place_run(s, p);
    }
    s->batch_n = 0;
}

/* --- blocks ------------------------------------------------------------------------------- */

static inline void window_put(scan *s, uint32_t at, lits_kind kind, uint32_t key, uint32_t tag)
{
    if (s->l->h->flags >> kind & 1)
        place_put(s, at, lits_hash(key, tag), kind, lits_pass(s->l, key, tag));
}

static void wide_put(scan *s, uint32_t at, const uint16_t c[5])
{
    uint32_t key = c[0] | (uint32_t)c[1] << 16;

    window_put(s, at, LITS_WIDE5, key, LITS_TAG_WIDE5(c[2], c[3], c[4]));
    window_put(s, at, LITS_WIDE4, key, LITS_TAG_WIDE4(c[2], c[3]));
    window_put(s, at, LITS_WIDE3, key, LITS_TAG_WIDE3(c[2]));
    window_put(s, at, LITS_WIDE2, key, LITS_TAG_WIDE2);
}

static void bytes_put(scan *s, uint32_t at, const uint8_t c[6])
{
    uint32_t key = lits_load32(c);

    window_put(s, at, LITS_BYTES6, key, LITS_TAG_BYTES6(lits_load16(c + 4)));
    window_put(s, at, LITS_BYTES4, key, LITS_TAG_BYTES4);
    window_put(s, at, LITS_BYTES3, LITS_KEY_BYTES3(key), LITS_TAG_BYTES3);
}

/* The windows at a marked position that pass the filter. */
static void windows_put(scan *s, uint32_t at)
{
    if (unit_size(s) == 2) {
        const uint16_t *u = (const uint16_t *)s->block + at;
        uint8_t         c[6];

        if (u[0] >= LITS_WIDE) {
            wide_put(s, at, u);
            return;
        }
        for (int k = 0; k < 6; k++)
            c[k] = lits_narrow(u[k]);
        bytes_put(s, at, c);
    } else if (lits_is_lead(s->block[at])) {
        const uint8_t *p = s->block + at;

        wide_put(s, at, (uint16_t[5]){ lits_code(p), lits_code(p + 3), lits_code(p + 6),
                                       lits_code(p + 9), lits_code(p + 12) });
    } else {
        bytes_put(s, at, s->block + at);
    }
}

static void marks_run(scan *s, size_t word)
{
    uint64_t window = s->marks.window[word], start = s->marks.start[word];

    for (uint64_t both = window | start; both && !s->full && !s->stopped; both &= both - 1) {
        uint64_t bit = both & -both;
        uint32_t at = (uint32_t)(word * 64) + (uint32_t)__builtin_ctzll(both);

        if (window & bit)
            windows_put(s, at);
        if (start & bit)
            s->batch[s->batch_n++] = (place){ .at = at };
        if (s->batch_n > BATCH - AT_ONE_MARK)
            batch_run(s);
    }
}

/* Marks the block, in a copy with room behind it where the text ends. */
static void block_mark(scan *s, size_t n, uint64_t *copy)
{
    size_t         size = unit_size(s), left = s->n - s->base;
    const uint8_t *p = s->text + s->base * size;

    if (left < n + LITS_PAD) {
        memcpy(copy, p, left * size);
        memset((uint8_t *)copy + left * size, 0, (n + LITS_PAD - left) * size);
        p = (const uint8_t *)copy;
    }
    s->block = p;
    if (size == 1)
        s->path->bytes(s->l, p, n, &s->marks);
    else
        s->path->units(s->l, (const uint16_t *)p, n, &s->marks);
}

static void marks_drop_before(lits_marks *m, size_t at)
{
    for (size_t w = 0; w * 64 < at; w++) {
        uint64_t keep = at - w * 64 >= 64 ? 0 : ~(uint64_t)0 << (at - w * 64);

        m->window[w] &= keep;
        m->start[w] &= keep;
    }
}

static void pending_shift(pending *w, size_t by)
{
    for (size_t i = 0; i < w->n; i++)
        w->key[i] -= (uint64_t)by << END_SHIFT;
}

/* From a position to the end of the text, or until the heap is full: s->at is where. */
static void blocks_run(scan *s, size_t from)
{
    uint64_t copy[(LITS_BLOCK + LITS_PAD) * 2 / 8];

    s->base = from - from % LITS_BLOCK;
    s->at = SIZE_MAX;
    s->full = false;
    for (;;) {
        size_t left = s->n - s->base, n = left < LITS_BLOCK ? left : LITS_BLOCK;

        block_mark(s, n, copy);
        if (from > s->base)
            marks_drop_before(&s->marks, from - s->base);
        for (size_t w = 0; w * 64 < n && !s->full && !s->stopped; w++)
            marks_run(s, w);
        if (!s->full)
            batch_run(s);
        if (s->full || s->stopped || left == n)
            return;
        pending_emit(s, n);
        pending_shift(&s->wait, n);
        s->base += n;
    }
}

/* The same with room for everything that can be pending; a stack frame few texts need. */
__attribute__((noinline)) static void blocks_run_crowded(scan *s)
{
    uint64_t all[PENDING_ALL];

    memcpy(all, s->wait.key, s->wait.n * sizeof *all);
    s->wait = (pending){ s->wait.n, PENDING_ALL, all };
    blocks_run(s, s->at);
    pending_emit(s, UINT64_MAX);
}

static void scan_run(scan *s)
{
    uint64_t few[PENDING_FEW];

    if (s->n == 0 || s->l->h->count == 0)
        return;
    s->wait = (pending){ 0, PENDING_FEW, few };
    s->path = lits_path_get();
    blocks_run(s, 0);
    if (s->full && !s->stopped)
        blocks_run_crowded(s);
    else
        pending_emit(s, UINT64_MAX);
}

void pl_lits_scan_bytes(const pl_lits *l, pl_str text, pl_lits_emit_fn emit, void *ctx)
{
    scan s;

    assert(l->h->kind == PL_LITS_BYTES);
    s = (scan){ .l = l, .text = (const uint8_t *)text.p, .n = text.n, .emit = emit, .ctx = ctx };
    scan_run(&s);
}

void pl_lits_scan_units(const pl_lits *l, const uint16_t *units, size_t n, pl_lits_emit_fn emit,
                        void *ctx)
{
    scan s;

    assert(l->h->kind == PL_LITS_UNITS);
    s = (scan){ .l = l, .text = (const uint8_t *)units, .n = n, .emit = emit, .ctx = ctx };
    scan_run(&s);
}
