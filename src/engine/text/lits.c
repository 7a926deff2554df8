#include "base/banned.h"

#include "engine/text/lits_int.h"

static _Atomic int path_forced;

static bool path_is_there(int path)
{
#ifdef __x86_64__
    __builtin_cpu_init();
    if (path == 2)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
               __builtin_cpu_supports("bmi2");
    if (path == 3)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vbmi") &&
               __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("bmi2") &&
               __builtin_cpu_supports("popcnt");
#endif
    return path == 0 || path == 1;
}

int pl_lits_path(void)
{
    static _Atomic int best;
    int                path = path_forced ? path_forced : best;

    if (!path)
        best = path = path_is_there(3) ? 3 : path_is_there(2) ? 2 : 1;
    return path;
}

const lits_path *lits_path_get(void)
{
    int path = pl_lits_path();

#ifdef __x86_64__
    if (path == 3)
        return &lits_path_avx512;
    if (path == 2)
        return &lits_path_avx2;
#endif
    return &lits_path_portable;
}

pl_rc pl_lits_path_set(int path, pl_error *err)
{
    if (!path_is_there(path))
        return pl_fail(err, PL_INVALID, "this processor has no code path %d", path);
    path_forced = path;
    return PL_OK;
}

static pl_rc bad(pl_error *err, const char *what)
{
    return pl_fail(err, PL_INVALID, "literal set is malformed: %s", what);
}

static pl_rc header_check(pl_str image, pl_error *err)
{
    const lits_header *h = (const lits_header *)image.p;
    static const uint32_t zero[4];

    if (image.n < sizeof *h || h->magic != LITS_MAGIC || h->version != LITS_VERSION)
        return bad(err, "header");
    if ((h->kind != PL_LITS_BYTES && h->kind != PL_LITS_UNITS) || h->flags > LITS_FLAGS ||
        memcmp(h->zero, zero, sizeof zero) != 0)
        return bad(err, "header");
    if (h->filter_bits < LITS_FILTER_BITS_MIN || h->filter_bits > LITS_FILTER_BITS_MAX ||
        h->slot_bits < 1 || h->slot_bits > LITS_SLOT_BITS_MAX || h->count > LITS_COUNT_MAX ||
        h->entries > h->count || h->starts != h->count - h->entries)
        return bad(err, "sizes");
    if (h->size != image.n || lits_layout_of(h).size != image.n)
        return bad(err, "size");
    return PL_OK;
}

static bool slots_ok(const pl_lits *l)
{
    uint64_t text = l->h->text;
    size_t   n = lits_slots(l->h);
    unsigned wrong = 0;

    for (size_t i = 0; i < n; i++) {
        const lits_entry *e = &l->slots[i];

        wrong |= (unsigned)(lits_number(e) > l->h->count) | (unsigned)(e->anchor > e->length) |
                 ((unsigned)((uint64_t)e->at + e->length + 1 > text) & (unsigned)(e->number != 0));
    }
    return wrong == 0;
}

static bool starts_ok(const pl_lits *l)
{
    for (uint32_t i = 0; i < l->h->starts; i++) {
        const lits_start *s = &l->starts[i];

        if (s->number >= l->h->count || s->length - 1 >= PL_LITS_LENGTH_MAX ||
            (uint64_t)s->at + s->length > l->h->text || s->prefix > i ||
            (s->prefix && l->starts[s->prefix - 1].length >= s->length))
            return false;
    }
    return true;
}

pl_rc pl_lits_open(pl_str image, pl_lits **out, pl_error *err)
{
    pl_rc       rc;
    lits_layout y;
    pl_lits     l = { 0 }, *copy;

    if ((uintptr_t)image.p % 64)
        return pl_fail(err, PL_INVALID, "literal set is not aligned");
    rc = header_check(image, err);
    if (rc != PL_OK)
        return rc;
    l.h = (const lits_header *)image.p;
    y = lits_layout_of(l.h);
    l.filter = (const uint32_t *)(image.p + y.filter);
    l.slots = (const lits_entry *)(image.p + y.slots);
    l.starts = (const lits_start *)(image.p + y.starts);
    l.text = (const uint8_t *)image.p + y.text;
    l.filter_shift = 32 - l.h->filter_bits;
    if (!slots_ok(&l))
        return bad(err, "entries");
    if (!starts_ok(&l))
        return bad(err, "starts");
    copy = malloc(sizeof *copy);
    if (!copy)
        return pl_fail(err, PL_NOMEM, "out of memory");
    *copy = l;
    rc = lits_first_make(copy, err);
    if (rc != PL_OK) {
        pl_lits_free(copy);
        return rc;
    }
    *out = copy;
    return PL_OK;
}

void pl_lits_free(pl_lits *l)
{
    if (!l)
        return;
    free(l->wide.word);
    free(l->other.word);
    free(l->codes.word);
    free(l);
}
