#include "base/banned.h"

#include "cap/guard/budgets.h"
#include "cap/guard/shared_file.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#define MAGIC         0x31474455424c50ull /* "PLBUDG1" */
#define NAME          "budgets.pls"
#define NEIGHBOURHOOD 32
#define COUNT_BITS    40
#define COUNT_MAX     ((1ull << COUNT_BITS) - 1)
#define INDEX_MASK    0xffffffu
#define AHEAD         60 /* windows */

/* key: 40 bits of the key and the length of its window, 0 in a slot that was never used. A count has the number
 * of its window above it, so that it begins anew by itself. */
typedef struct slot {
    _Atomic uint64_t key, requests, tokens, reserved;
} slot;

typedef struct file {
    shared_head head;
    slot        slot[PL_BUDGETS_SLOTS];
} file;

struct pl_budgets {
    file *map;
};

pl_rc pl_budgets_open(int dirfd, pl_budgets **out, pl_error *err)
{
    pl_budgets *t = calloc(1, sizeof *t);
    void       *map = NULL;
    pl_rc       rc = t ? shared_file_map(dirfd, NAME, MAGIC, PL_BUDGETS_SLOTS, sizeof(file), &map, err)
                       : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc != PL_OK) {
        free(t);
        return rc;
    }
    t->map = map;
    *out = t;
    return PL_OK;
}

void pl_budgets_close(pl_budgets *t)
{
    if (!t)
        return;
    munmap(t->map, sizeof(file));
    free(t);
}

/* --- counts ------------------------------------------------------------------------------------ */

static uint64_t index_at(uint32_t window_s, int64_t ms)
{
    return (uint64_t)(ms / 1000 / window_s) & INDEX_MASK;
}

/* How far window a is behind b. */
static uint64_t behind(uint64_t a, uint64_t b)
{
    return (b - a) & INDEX_MASK;
}

/* Clocks of workers differ by little: one that is late goes on in a window that has begun elsewhere. */
static bool is_ahead(uint64_t word, uint64_t index)
{
    return word != 0 && behind(index, word >> COUNT_BITS) - 1 < AHEAD;
}

static uint64_t count_of(uint64_t word, uint64_t index)
{
    return word >> COUNT_BITS == index || is_ahead(word, index) ? word & COUNT_MAX : 0;
}

static uint64_t word_of(uint64_t before, uint64_t index, uint64_t count)
{
    return (is_ahead(before, index) ? before & ~COUNT_MAX : index << COUNT_BITS) | (count < COUNT_MAX ? count : COUNT_MAX);
}

/* False: it would go over a limit. */
static bool count_add(_Atomic uint64_t *word, uint64_t index, uint64_t n, uint64_t limit)
{
    uint64_t before = atomic_load_explicit(word, memory_order_relaxed), count;

    do {
        count = count_of(before, index) + n;
        if (limit && count > limit)
            return false;
    } while (!atomic_compare_exchange_weak(word, &before, word_of(before, index, count)));
    return true;
}

static void count_take(_Atomic uint64_t *word, uint64_t index, uint64_t n)
{
    uint64_t before = atomic_load_explicit(word, memory_order_relaxed), count;

    do {
        if (before >> COUNT_BITS != index)
            return;
        count = before & COUNT_MAX;
    } while (!atomic_compare_exchange_weak(word, &before, index << COUNT_BITS | (count > n ? count - n : 0)));
}

/* --- places --------------------------------------------------------------------------------------- */

static uint64_t name_of(const pl_budget_use *u)
{
    return u->key << 24 | u->window_s;
}

/* Unused for a whole window: it may be another's. */
static bool is_over(slot *s, uint64_t key, int64_t now_ms)
{
    uint32_t window_s = (uint32_t)(key & INDEX_MASK);
    uint64_t index = index_at(window_s ? window_s : 1, now_ms);
    uint64_t r = atomic_load_explicit(&s->requests, memory_order_relaxed);
    uint64_t t = atomic_load_explicit(&s->tokens, memory_order_relaxed);

    return !is_ahead(r, index) && behind(r >> COUNT_BITS, index) >= 2 && !is_ahead(t, index) &&
           behind(t >> COUNT_BITS, index) >= 2;
}

static slot *slot_at(const pl_budgets *t, const pl_budget_use *u, size_t i)
{
    return &t->map->slot[((u->key >> 44) + i) % PL_BUDGETS_SLOTS];
}

static slot *slot_find(const pl_budgets *t, const pl_budget_use *u)
{
    for (size_t i = 0; i < NEIGHBOURHOOD; i++) {
        slot    *s = slot_at(t, u, i);
        uint64_t key = atomic_load_explicit(&s->key, memory_order_acquire);

        if (key == name_of(u))
            return s;
        if (key == 0) /* slots are never emptied: nothing lies behind */
            return NULL;
    }
    return NULL;
}

/* The place of a key that has none; NULL: another worker was faster, look again. */
static slot *slot_claim(pl_budgets *t, const pl_budget_use *u, int64_t now_ms)
{
    slot    *best = NULL;
    uint64_t best_key = 0, least = UINT64_MAX;

    for (size_t i = 0; i < NEIGHBOURHOOD; i++) {
        slot    *s = slot_at(t, u, i);
        uint64_t key = atomic_load_explicit(&s->key, memory_order_acquire);
        uint64_t used = key == 0 || is_over(s, key, now_ms) ? 0 : (atomic_load(&s->requests) & COUNT_MAX) + 1;

        if (used < least) {
            best = s;
            best_key = key;
            least = used;
        }
        if (key == 0)
            break;
    }
    if (!atomic_compare_exchange_strong(&best->key, &best_key, name_of(u)))
        return NULL;
    if (best_key) { /* what the one before left */
        atomic_store(&best->requests, index_at(u->window_s, now_ms) << COUNT_BITS);
        atomic_store(&best->tokens, index_at(u->window_s, now_ms) << COUNT_BITS);
    }
    return best;
}

static slot *slot_get(pl_budgets *t, const pl_budget_use *u, int64_t now_ms)
{
    slot *s = slot_find(t, u);

    for (int tries = 0; !s && tries < NEIGHBOURHOOD; tries++) {
        s = slot_claim(t, u, now_ms);
        if (!s)
            s = slot_find(t, u);
    }
    return s;
}

/* --- use ----------------------------------------------------------------------------------------------- */

pl_budget_spent pl_budgets_take(pl_budgets *t, const pl_budget_use *u, uint64_t tokens, bool always, int64_t now_ms)
{
    slot           *s = slot_get(t, u, now_ms);
    uint64_t        index = index_at(u->window_s, now_ms);
    pl_budget_spent spent = PL_BUDGET_LEFT;

    if (!s) /* the place changes hands without end: somebody counts, and not this one */
        return PL_BUDGET_LEFT;
    if (u->tokens && count_of(atomic_load_explicit(&s->tokens, memory_order_relaxed), index) >= u->tokens)
        spent = PL_BUDGET_TOKENS;
    if (spent != PL_BUDGET_LEFT && !always)
        return spent;
    if (!count_add(&s->requests, index, 1, u->requests)) {
        spent = PL_BUDGET_REQUESTS;
        if (!always)
            return spent;
        count_add(&s->requests, index, 1, 0);
    }
    count_add(&s->tokens, index, tokens, 0);
    return spent;
}

void pl_budgets_undo(pl_budgets *t, const pl_budget_use *u, uint64_t tokens, int64_t then_ms)
{
    slot *s = slot_find(t, u);

    if (!s)
        return;
    count_take(&s->requests, index_at(u->window_s, then_ms), 1);
    count_take(&s->tokens, index_at(u->window_s, then_ms), tokens);
}

void pl_budgets_settle(pl_budgets *t, const pl_budget_use *u, int64_t tokens, int64_t then_ms, int64_t now_ms)
{
    slot *s = slot_find(t, u);

    if (s && tokens > 0)
        count_add(&s->tokens, index_at(u->window_s, now_ms), (uint64_t)tokens, 0);
    else if (s && tokens < 0)
        count_take(&s->tokens, index_at(u->window_s, then_ms), (uint64_t)-tokens);
}

int64_t pl_budget_retry_s(const pl_budget_use *u, int64_t now_ms)
{
    int64_t window = (int64_t)u->window_s * 1000;

    return (window - now_ms % window + 999) / 1000;
}

void pl_budgets_get(const pl_budgets *t, const pl_budget_use *u, int64_t now_ms, uint64_t *requests, uint64_t *tokens)
{
    slot    *s = slot_find(t, u);
    uint64_t index = index_at(u->window_s, now_ms);

    *requests = s ? count_of(atomic_load(&s->requests), index) : 0;
    *tokens = s ? count_of(atomic_load(&s->tokens), index) : 0;
}
