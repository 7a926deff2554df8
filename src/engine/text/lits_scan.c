/* Scanning: blocks are marked by one of the code paths, marks are confirmed here, and matches
 * leave in order. */
#include "base/banned.h"

#include "engine/text/lits_int.h"

#include <assert.h>

/* A match that waits for others that end before it. */
typedef struct waiting {
    uint32_t number;
    uint16_t length;
    uint16_t before; /* one more than the next longer one with the same end; 0: none. Unused: the next unused */
} waiting;

enum { ENDS = LITS_BLOCK + 256 }; /* a literal that begins in the block ends before */

/* All that wait, by where in the block they end: O(1) in and out, as ends come nearly in order. */
typedef struct pending {
    size_t   n, cap;
    waiting *match;
    uint32_t unused, fresh;  /* one more than the first that was used; those from fresh on never were */
    size_t   low;            /* nothing waits in words before it */
    uint64_t ends[ENDS / 64];
    uint16_t last[ENDS];     /* where a bit of ends is set: one more than the shortest that ends there */
} pending;

enum {
    /* What one position can add: four kinds of window, and starts of all lengths. */
    AT_ONE_PLACE = 4 * LITS_REACH + PL_LITS_LENGTH_MAX,
    PENDING_FEW = 2 * AT_ONE_PLACE,
    AT_ONE_MARK = LITS_KINDS + 1, /* places */
    /* All pairs of a start at or before, and an end after, one position. */
    PENDING_ALL = PL_LITS_LENGTH_MAX * PL_LITS_LENGTH_MAX / 2 + 4 * AT_ONE_PLACE,
    BATCH = 64,
    NEAR_TEXT = 1 << 18 /* units of all literals: with fewer no time is lost waiting for them */
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

static void found(scan *s, size_t at_end, uint32_t length, uint32_t number)
{
    pending  *w = &s->wait;
    size_t    end = at_end - s->base;
    uint64_t  bit = (uint64_t)1 << end % 64;
    uint16_t *link = &w->last[end];
    uint32_t  k = w->unused;

    if (w->n == w->cap || end >= ENDS)
        return; /* only a set that no builder made has so many */
    w->n++;
    if (k)
        w->unused = w->match[k - 1].before;
    else
        k = ++w->fresh;
    if (!(w->ends[end / 64] & bit))
        *link = 0;
    w->ends[end / 64] |= bit;
    while (*link && w->match[*link - 1].length < length)
        link = &w->match[*link - 1].before;
    w->match[k - 1] = (waiting){ number, (uint16_t)length, *link };
    *link = (uint16_t)k;
}

/* Emits what ends there, long ones first. */
static void end_emit(scan *s, size_t end)
{
    pending *w = &s->wait;
    uint32_t first = 0, next;

    for (uint32_t k = w->last[end]; k; k = next) { /* shortest first: turned round */
        next = w->match[k - 1].before;
        w->match[k - 1].before = (uint16_t)first;
        first = k;
    }
    for (uint32_t k = first; k && !s->stopped; k = next) {
        waiting *m = &w->match[k - 1];

        next = m->before;
        m->before = (uint16_t)w->unused;
        w->unused = k;
        w->n--;
        s->stopped = s->emit(s->ctx, m->number, s->base + end) != 0;
    }
}

/* Emits what ends at or before `end` of the block; everything found later ends behind it. */
static void pending_emit(scan *s, size_t end)
{
    pending *w = &s->wait;
    size_t   high;

    if (w->n == 0)
        return; /* no bit is set */
    end = end < ENDS ? end : ENDS - 1;
    high = end / 64;
    for (; w->low <= high && !s->stopped; w->low++) {
        uint64_t in = w->low < high ? ~(uint64_t)0 : ~(uint64_t)0 >> (63 - end % 64);

        for (uint64_t bits = w->ends[w->low] & in; bits && !s->stopped; bits &= bits - 1)
            end_emit(s, w->low * 64 + (unsigned)__builtin_ctzll(bits));
        w->ends[w->low] &= ~in;
    }
    w->low = high;
}

/* The next block begins where this one ended. */
static void pending_shift(pending *w)
{
    enum { MORE = ENDS - LITS_BLOCK };

    w->low = 0;
    if (w->n == 0)
        return;
    memcpy(w->ends, w->ends + LITS_BLOCK / 64, MORE / 8);
    memset(w->ends + MORE / 64, 0, (ENDS - MORE) / 8);
    memcpy(w->last, w->last + LITS_BLOCK, MORE * sizeof *w->last);
}

/* --- windows ------------------------------------------------------------------------------ */

static inline size_t unit_size(const scan *s)
{
    return s->l->h->kind == PL_LITS_UNITS ? 2 : 1;
}

/* What follows is compiled for each size of a unit: it is known where it is used. */
#define SIZED static inline __attribute__((always_inline))

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

SIZED bool same(const scan *s, size_t size, size_t at, uint32_t literal, uint32_t length)
{
    return same_bytes(s->text + at * size, s->l->text + literal * size, length * size);
}

SIZED uint8_t narrow_at(const scan *s, size_t size, size_t at)
{
    return size == 1 ? s->text[at] : lits_narrow(((const uint16_t *)s->text)[at]);
}

/* Everything that can be said without the literal's text. */
SIZED bool may_be(const scan *s, size_t size, const lits_entry *e, size_t at)
{
    size_t start = at - e->anchor;

    return at >= e->anchor && s->n - start > e->length &&
           narrow_at(s, size, start + e->length) == e->last &&
           narrow_at(s, size, at - (e->anchor != 0)) == e->before;
}

/* Only for what may be. */
SIZED void entry_try(scan *s, size_t size, const lits_entry *e, size_t at)
{
    uint32_t length = e->length + 1u;

    if (same(s, size, at - e->anchor, e->at, length))
        found(s, at - e->anchor + length, length, lits_number(e) - 1);
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

        matches = matches || (s->n - at >= t->length && same(s, unit_size(s), at, t->at, t->length));
        if (matches)
            found(s, at + t->length, t->length, t->number);
    }
}

/* --- batches of marks: each step asks for the memory the next one needs ------------------- */

static inline void place_put(scan *s, uint32_t at, uint64_t hash, lits_kind kind)
{
    uint32_t slot = (uint32_t)(hash >> (64 - s->l->h->slot_bits));

    s->batch[s->batch_n++] = (place){ at, lits_check(hash, kind), slot, slot + LITS_REACH };
    __builtin_prefetch(&s->l->slots[slot]);
}

/* Moves a place on to the next entry that may be the one; false: there is none. */
SIZED bool place_next(const scan *s, size_t size, place *p)
{
    const lits_entry *slots = s->l->slots;

    for (; p->slot < p->end && slots[p->slot].number; p->slot++) {
        const lits_entry *e = &slots[p->slot];

        if (e->check != p->check)
            continue;
        if (may_be(s, size, e, s->base + p->at))
            return true;
        if (e->number & LITS_LAST)
            return false;
    }
    return false;
}

SIZED void batch_look_up(scan *s, size_t size)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < s->batch_n; i++) {
        place p = s->batch[i];
        bool  keep = p.end == 0 || place_next(s, size, &p);

        if (keep && p.end)
            __builtin_prefetch(s->l->text + s->l->slots[p.slot].at * size);
        s->batch[kept] = p;
        kept += keep;
    }
    s->batch_n = kept;
}

SIZED void place_run(scan *s, size_t size, place *p)
{
    size_t at = s->base + p->at;

    if (p->end == 0) {
        starts_find(s, at);
        return;
    }
    while (place_next(s, size, p)) {
        const lits_entry *e = &s->l->slots[p->slot++];

        entry_try(s, size, e, at);
        if (e->number & LITS_LAST)
            return;
    }
}

/* Room for what one more position can add, once what is known to be next has left. */
static bool has_room(scan *s, size_t at)
{
    if (s->wait.cap - s->wait.n < AT_ONE_PLACE)
        pending_emit(s, at);
    return s->wait.cap - s->wait.n >= AT_ONE_PLACE;
}

SIZED void batch_run_of(scan *s, size_t size)
{
    size_t last = 0;

    if (s->l->h->text > NEAR_TEXT)
        batch_look_up(s, size);
    for (unsigned i = 0; i < s->batch_n && !s->full; i++) {
        place *p = &s->batch[i];

        last = p->at;
        if (s->base + p->at != s->at) {
            s->at = s->base + p->at;
            s->full = !has_room(s, p->at);
        }
        if (!s->full)
            place_run(s, size, p);
    }
    if (s->batch_n)
        pending_emit(s, last);
    s->batch_n = 0;
}

__attribute__((noinline)) static void batch_run_bytes(scan *s)
{
    batch_run_of(s, 1);
}

__attribute__((noinline)) static void batch_run_units(scan *s)
{
    batch_run_of(s, 2);
}

static void batch_run(scan *s)
{
    if (unit_size(s) == 1)
        batch_run_bytes(s);
    else
        batch_run_units(s);
}

/* --- blocks ------------------------------------------------------------------------------- */

static void wide_put(scan *s, uint32_t at, const uint16_t c[5], unsigned kinds)
{
    uint32_t key = c[0] | (uint32_t)c[1] << 16;
    uint32_t tag[] = { LITS_TAG_WIDE5(c[2], c[3], c[4]), LITS_TAG_WIDE4(c[2], c[3]), LITS_TAG_WIDE3(c[2]),
                       LITS_TAG_WIDE2 };

    for (; kinds; kinds &= kinds - 1) {
        lits_kind kind = (lits_kind)__builtin_ctz(kinds);

        place_put(s, at, lits_hash(key, tag[kind]), kind);
    }
}

static void bytes_put(scan *s, uint32_t at, const uint8_t c[6], unsigned kinds)
{
    uint32_t key = lits_load32(c);
    uint32_t tag[] = { LITS_TAG_BYTES6(lits_load16(c + 4)), LITS_TAG_BYTES4, LITS_TAG_BYTES3 };

    for (; kinds; kinds &= kinds - 1) {
        lits_kind kind = (lits_kind)__builtin_ctz(kinds);

        place_put(s, at, lits_hash(kind == LITS_BYTES3 ? LITS_KEY_BYTES3(key) : key, tag[kind - LITS_BYTES6]), kind);
    }
}

/* The windows at a marked position that passed the filter. */
static void windows_put(scan *s, uint32_t at)
{
    unsigned kinds = s->marks.kinds[at];
    bool     is_wide = kinds < 1u << LITS_BYTES6;

    if (unit_size(s) == 2) {
        const uint16_t *u = (const uint16_t *)s->block + at;
        uint8_t         c[6];

        if (is_wide) {
            wide_put(s, at, u, kinds);
            return;
        }
        for (int k = 0; k < 6; k++)
            c[k] = lits_narrow(u[k]);
        bytes_put(s, at, c, kinds);
    } else if (is_wide) {
        const uint8_t *p = s->block + at;

        wide_put(s, at, (uint16_t[5]){ lits_code(p), lits_code(p + 3), lits_code(p + 6),
                                       lits_code(p + 9), lits_code(p + 12) }, kinds);
    } else {
        bytes_put(s, at, s->block + at, kinds);
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
        pending_shift(&s->wait);
        s->base += n;
    }
}

/* The same with room for everything that can be pending; a stack frame few texts need. */
__attribute__((noinline)) static void blocks_run_crowded(scan *s)
{
    waiting all[PENDING_ALL];

    memcpy(all, s->wait.match, s->wait.fresh * sizeof *all);
    s->wait.cap = PENDING_ALL;
    s->wait.match = all;
    blocks_run(s, s->at);
    pending_emit(s, SIZE_MAX);
}

_Static_assert(PENDING_ALL < UINT16_MAX, "matches that wait are numbered with 16 bits");

/* Only what is read before it is written is set: most texts are short. */
static void scan_run(scan *s, const pl_lits *l, const void *text, size_t n, pl_lits_emit_fn emit, void *ctx)
{
    waiting few[PENDING_FEW];

    if (n == 0 || l->h->count == 0)
        return;
    s->l = l;
    s->text = text;
    s->n = n;
    s->emit = emit;
    s->ctx = ctx;
    s->stopped = false;
    s->batch_n = 0;
    s->wait.match = few;
    s->wait.cap = PENDING_FEW;
    s->wait.n = s->wait.unused = s->wait.fresh = 0;
    s->wait.low = 0;
    memset(s->wait.ends, 0, sizeof s->wait.ends);
    s->path = lits_path_get();
    blocks_run(s, 0);
    if (s->full && !s->stopped)
        blocks_run_crowded(s);
    else
        pending_emit(s, SIZE_MAX);
}

void pl_lits_scan_bytes(const pl_lits *l, pl_str text, pl_lits_emit_fn emit, void *ctx)
{
    scan s;

    assert(l->h->kind == PL_LITS_BYTES);
    scan_run(&s, l, text.p, text.n, emit, ctx);
}

void pl_lits_scan_units(const pl_lits *l, const uint16_t *units, size_t n, pl_lits_emit_fn emit,
                        void *ctx)
{
    scan s;

    assert(l->h->kind == PL_LITS_UNITS);
    scan_run(&s, l, units, n, emit, ctx);
}
