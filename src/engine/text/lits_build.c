#include "base/banned.h"

#include "engine/text/lits_int.h"

/* One literal while the set is made. */
typedef struct spec {
    const uint8_t *p;
    uint32_t       n;
    uint32_t       slot;
    uint32_t       check;
    uint32_t       key, tag;
    uint8_t        kind; /* of the window */
    uint8_t        anchor;
    bool           found, tail;
} spec;

typedef struct builder {
    bool         units;
    const pl_lit *lits;
    spec        *specs;
    size_t       count;
    uint8_t     *taken; /* by slot */
    lits_rarity *rarity;
    lits_header  h;
} builder;

/* One place in a literal where a window may lie. */
typedef struct window {
    uint32_t  key, tag;
    lits_kind kind;
    bool      tail;
    unsigned  rarity;
} window;

static uint16_t unit_at(const spec *s, uint32_t i)
{
    uint16_t u;

    memcpy(&u, s->p + (size_t)i * 2, 2);
    return u;
}

/* --- windows ------------------------------------------------------------------------------ */

static unsigned wide_rarity(const builder *b, uint16_t code_point)
{
    return code_point >= LITS_WIDE ? b->rarity->wide[code_point - LITS_WIDE] : 40;
}

/* lits_code with the bits in their usual order. */
static uint16_t code_point(const uint8_t *p)
{
    return (uint16_t)((p[0] & 0x0f) << 12 | (p[1] & 0x3f) << 6 | (p[2] & 0x3f));
}

/* The characters from i on, as far as each begins with a lead where the one before ends. */
static unsigned leads_at(const spec *s, uint32_t i, uint16_t code[5], uint16_t point[5])
{
    unsigned k = 0;

    for (; k < 5 && i + 3 <= s->n && lits_is_lead(s->p[i]) && !lits_is_lead(s->p[i + 1]) &&
           !lits_is_lead(s->p[i + 2]);
         k++, i += 3) {
        code[k] = lits_code(s->p + i);
        point[k] = code_point(s->p + i);
    }
    return k;
}

static unsigned units_at(const spec *s, uint32_t i, uint16_t code[5], uint16_t point[5])
{
    unsigned k = 0;

    for (; k < 5 && i + k < s->n; k++)
        code[k] = point[k] = unit_at(s, i + k);
    return k;
}

static bool wide_window(const builder *b, const spec *s, uint32_t i, window *w)
{
    uint16_t code[5], point[5];
    unsigned n = b->units ? units_at(s, i, code, point) : leads_at(s, i, code, point);

    if (n < 2)
        return false;
    *w = (window){ .key = code[0] | (uint32_t)code[1] << 16 };
    w->kind = n == 5 ? LITS_WIDE5 : n == 4 ? LITS_WIDE4 : n == 3 ? LITS_WIDE3 : LITS_WIDE2;
    w->tag = n == 5   ? LITS_TAG_WIDE5(code[2], code[3], code[4])
             : n == 4 ? LITS_TAG_WIDE4(code[2], code[3])
             : n == 3 ? LITS_TAG_WIDE3(code[2])
                      : LITS_TAG_WIDE2;
    for (unsigned k = 0; k < n; k++)
        w->rarity += wide_rarity(b, point[k]);
    return true;
}

static uint8_t byte_at(const builder *b, const spec *s, uint32_t i)
{
    return b->units ? lits_narrow(unit_at(s, i)) : s->p[i];
}

static bool byte_window(const builder *b, const spec *s, uint32_t i, window *w)
{
    const lits_rarity *r = b->rarity;
    uint32_t           width = i + 6 <= s->n ? 6 : i + 4 <= s->n ? 4 : 3;
    uint8_t            c[6] = { 0 };

    if (i + width > s->n)
        return false;
    for (uint32_t k = 0; k < width; k++)
        c[k] = byte_at(b, s, i + k);
    *w = (window){ .key = lits_load32(c), .tag = LITS_TAG_BYTES4, .kind = LITS_BYTES4 };
    w->rarity = r->byte[c[0]];
    for (uint32_t k = 1; k < width; k++)
        w->rarity += r->pair[c[k - 1]][c[k]];
    /* The sets of pairs stop most positions before the filter when they hold rare pairs only. */
    w->rarity += (r->byte[c[0]] + r->pair[c[0]][c[1]]) / 2;
    if (width == 6) {
        w->tag = LITS_TAG_BYTES6(lits_load16(c + 4));
        w->kind = LITS_BYTES6;
    }
    if (width == 3) { /* one more look at every place of the text: only where nothing else is */
        w->key = LITS_KEY_BYTES3(w->key);
        w->tag = LITS_TAG_BYTES3;
        w->kind = LITS_BYTES3;
        w->rarity = w->rarity / 8 + 1;
    }
    if (!b->units && lits_is_tail(c[0])) {
        w->tail = true;
        w->rarity /= 64;
    }
    return true;
}

static bool window_at(const builder *b, const spec *s, uint32_t i, window *w)
{
    bool wide = b->units ? unit_at(s, i) >= LITS_WIDE : lits_is_lead(s->p[i]);

    return wide ? wide_window(b, s, i, w) : byte_window(b, s, i, w);
}

/* Where an entry with this hash can stand; SIZE_MAX: all its slots are taken. */
static size_t slot_find(const builder *b, uint64_t hash)
{
    size_t slot = hash >> (64 - b->h.slot_bits);

    for (size_t i = slot; i < slot + LITS_REACH; i++)
        if (!b->taken[i])
            return i;
    return SIZE_MAX;
}

/* The rarest window that has a free slot. */
static void anchor_choose(const builder *b, spec *s)
{
    unsigned best = 0;

    s->found = false;
    for (uint32_t i = 0; i < s->n; i++) {
        window   w;
        uint64_t hash;
        size_t   slot;

        if (!window_at(b, s, i, &w) || (s->found && w.rarity <= best))
            continue;
        hash = lits_hash(w.key, w.tag);
        slot = slot_find(b, hash);
        if (slot == SIZE_MAX)
            continue;
        best = w.rarity;
        s->slot = (uint32_t)slot;
        s->found = true;
        s->check = lits_check(hash, w.kind);
        s->key = w.key;
        s->tag = w.tag;
        s->kind = (uint8_t)w.kind;
        s->tail = w.tail;
        s->anchor = (uint8_t)i;
    }
}

/* Few choices first: whoever has others makes room. */
static void anchors_choose(builder *b)
{
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < b->count; i++) {
            spec *s = &b->specs[i];

            if ((s->n > (b->units ? 6 : 12)) != (pass == 1))
                continue;
            anchor_choose(b, s);
            if (s->found)
                b->taken[s->slot] = 1;
        }
}

/* --- the parts of the image ---------------------------------------------------------------- */

static void pair_put(uint8_t set[LITS_PAIRS], uint8_t a, uint8_t c)
{
    uint8_t *at = &set[(a & 31) << 2 | (c >> 3 & 3)];

    *at = (uint8_t)(*at | 1u << (c & 7));
}

static void lead_put(builder *b, unsigned code)
{
    b->h.start_leads[code >> 3] = (uint8_t)(b->h.start_leads[code >> 3] | 1u << (code & 7));
}

/* A start with a lead may be cut before the character's end: all that can follow pass then. */
static void start_put_lead(builder *b, const spec *s)
{
    unsigned known = s->n >= 3 ? 16 : s->n == 2 ? 10 : 4;
    uint8_t  c[3] = { 0 };

    b->h.flags |= LITS_LEAD_STARTS;
    memcpy(c, s->p, s->n < 3 ? s->n : 3);
    for (unsigned rest = 0; rest < 1u << (16 - known); rest++)
        lead_put(b, (lits_code(c) & ((1u << known) - 1)) | rest << known);
}

static void start_put_bytes(builder *b, const spec *s)
{
    uint8_t c0 = byte_at(b, s, 0);

    b->h.flags |= LITS_OTHER_STARTS;
    if (!b->units && lits_is_tail(c0))
        b->h.flags |= LITS_TAILS;
    if (s->n == 1)
        memset(&b->h.start_pairs[(c0 & 31) << 2], 0xff, 4);
    else
        pair_put(b->h.start_pairs, c0, byte_at(b, s, 1));
}

static void start_put(builder *b, const spec *s)
{
    if (b->units && unit_at(s, 0) >= LITS_WIDE) {
        b->h.flags |= LITS_LEAD_STARTS;
        lead_put(b, unit_at(s, 0));
    } else if (!b->units && lits_is_lead(s->p[0])) {
        start_put_lead(b, s);
    } else {
        start_put_bytes(b, s);
    }
}

static void anchor_put(builder *b, const spec *s, uint32_t *filter)
{
    uint32_t hash = lits_filter_hash(s->key, s->tag);
    uint8_t  c[4];

    filter[hash >> (32 - b->h.filter_bits)] |= lits_filter_bits(hash);
    b->h.flags |= 1u << s->kind | (s->tail ? LITS_TAILS : 0);
    memcpy(c, &s->key, 4);
    if (s->kind == LITS_BYTES6 || s->kind == LITS_BYTES4)
        for (int i = 0; i < 3; i++)
            pair_put(b->h.window_pairs[i], c[i], c[i + 1]);
    if (s->kind == LITS_BYTES3)
        for (int i = 0; i < 2; i++)
            pair_put(b->h.triple_pairs[i], c[i], c[i + 1]);
}

static bool is_last(const lits_entry *slots, size_t i, size_t n)
{
    for (size_t k = i + 1; k < n && k < i + LITS_REACH && slots[k].number; k++)
        if (slots[k].check == slots[i].check)
            return false;
    return true;
}

static void lasts_put(lits_entry *slots, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (slots[i].number && is_last(slots, i, n))
            slots[i].number |= LITS_LAST;
}

/* Texts lie in the order of the literals. */
static void entries_put(const builder *b, const lits_layout *y, uint8_t *image)
{
    lits_entry *slots = (lits_entry *)(image + y->slots);
    size_t      size = b->units ? 2 : 1;
    uint32_t    at = 0;

    for (size_t i = 0; i < b->count; i++) {
        const spec *s = &b->specs[i];

        if (s->found)
            slots[s->slot] = (lits_entry){
                .check = s->check, .number = (uint32_t)i + 1, .at = at,
                .length = (uint8_t)(s->n - 1), .anchor = s->anchor,
                .before = byte_at(b, s, s->anchor ? s->anchor - 1u : 0),
                .last = byte_at(b, s, s->n - 1)
            };
        memcpy(image + y->text + size * at, s->p, size * s->n);
        at += s->n;
    }
    lasts_put(slots, lits_slots(&b->h));
}

/* --- starts -------------------------------------------------------------------------------- */

typedef struct order {
    const uint8_t *text;
    bool           units;
} order;

static int bytes_compare(const void *a, const void *b, void *ctx)
{
    const lits_start *x = a, *y = b;
    const order      *o = ctx;
    int               c = memcmp(o->text + x->at, o->text + y->at,
                                 x->length < y->length ? x->length : y->length);

    return c ? c : x->length < y->length ? -1 : x->length > y->length;
}

static int units_compare(const void *a, const void *b, void *ctx)
{
    const lits_start *x = a, *y = b;
    const order      *o = ctx;
    const uint16_t   *p = (const uint16_t *)o->text + x->at, *q = (const uint16_t *)o->text + y->at;

    for (uint32_t i = 0; i < x->length && i < y->length; i++)
        if (p[i] != q[i])
            return p[i] < q[i] ? -1 : 1;
    return x->length < y->length ? -1 : x->length > y->length;
}

static bool is_prefix(const order *o, const lits_start *a, const lits_start *b)
{
    size_t size = o->units ? 2 : 1;

    return a->length < b->length &&
           memcmp(o->text + a->at * size, o->text + b->at * size, a->length * size) == 0;
}

static void starts_put(const builder *b, const lits_layout *y, uint8_t *image)
{
    lits_start *starts = (lits_start *)(image + y->starts);
    order       o = { image + y->text, b->units };
    uint32_t    n = 0, at = 0;

    for (size_t i = 0; i < b->count; i++) {
        if (!b->specs[i].found)
            starts[n++] = (lits_start){ .number = (uint32_t)i, .at = at, .length = b->specs[i].n };
        at += b->specs[i].n;
    }
    qsort_r(starts, n, sizeof *starts, b->units ? units_compare : bytes_compare, &o);
    for (uint32_t i = 1; i < n; i++) {
        uint32_t p = i; /* 1 + the one before */

        while (p && !is_prefix(&o, &starts[p - 1], &starts[i]))
            p = starts[p - 1].prefix;
        starts[i].prefix = p;
    }
}

/* --- whole sets ----------------------------------------------------------------------------- */

static uint64_t text_hash(const uint8_t *p, size_t n)
{
    uint64_t x = n;

    for (; n >= 8; p += 8, n -= 8) {
        uint64_t v;

        memcpy(&v, p, 8);
        x = (x ^ v) * 0x9e3779b97f4a7c15u;
        x ^= x >> 32;
    }
    for (; n; p++, n--)
        x = (x ^ *p) * 0x100000001b3u;
    x *= 0xd6e8feb86659fd93u;
    return x ^ x >> 32;
}

static pl_rc unique_check(const builder *b, pl_error *err)
{
    size_t    cells = 16, size = b->units ? 2 : 1;
    uint32_t *table;
    pl_rc     rc = PL_OK;

    while (cells < b->count * 2)
        cells *= 2;
    table = calloc(cells, sizeof *table);
    if (!table)
        return pl_fail(err, PL_NOMEM, "out of memory");
    for (size_t i = 0; i < b->count && rc == PL_OK; i++) {
        const spec *s = &b->specs[i];
        size_t      at = text_hash(s->p, s->n * size) & (cells - 1);

        for (; table[at] && rc == PL_OK; at = (at + 1) & (cells - 1)) {
            const spec *t = &b->specs[table[at] - 1];

            if (t->n == s->n && memcmp(t->p, s->p, s->n * size) == 0)
                rc = pl_fail(err, PL_INVALID, "literals %u and %zu are equal", table[at] - 1, i);
        }
        table[at] = (uint32_t)i + 1;
    }
    free(table);
    return rc;
}

static pl_rc specs_fill(builder *b, pl_error *err)
{
    uint64_t text = 0;

    for (size_t i = 0; i < b->count; i++) {
        const pl_lit *l = &b->lits[i];

        if (l->n == 0 || l->n > PL_LITS_LENGTH_MAX)
            return pl_fail(err, PL_INVALID, "literal %zu has %u characters, not 1 to %d", i, l->n,
                           PL_LITS_LENGTH_MAX);
        b->specs[i] = (spec){ .p = l->p, .n = l->n };
        text += l->n;
    }
    if (text > UINT32_MAX / 2)
        return pl_fail(err, PL_LIMIT, "literals are too long together");
    b->h.text = (uint32_t)text;
    return unique_check(b, err);
}

static void sizes_choose(builder *b)
{
    unsigned bits = 0;

    while ((size_t)1 << bits < b->count)
        bits++;
    b->h.slot_bits = bits + 1;
    /* In the first-level cache while that is enough, then in the second, then as it comes. */
    b->h.filter_bits = bits <= 10 ? 13 : bits <= 14 ? bits + 2 : bits <= 16 ? bits + 1 : bits;
}

static pl_rc image_make(builder *b, void **image, size_t *n, pl_error *err)
{
    lits_layout y;
    uint8_t    *bytes;

    for (size_t i = 0; i < b->count; i++)
        b->h.entries += b->specs[i].found;
    b->h.starts = b->h.count - b->h.entries;
    y = lits_layout_of(&b->h);
    b->h.size = y.size;
    bytes = aligned_alloc(64, (y.size + 63) & ~(size_t)63);
    if (!bytes)
        return pl_fail(err, PL_NOMEM, "out of memory");
    memset(bytes, 0, y.text);
    for (size_t i = 0; i < b->count; i++) {
        if (b->specs[i].found)
            anchor_put(b, &b->specs[i], (uint32_t *)(bytes + y.filter));
        else
            start_put(b, &b->specs[i]);
    }
    entries_put(b, &y, bytes);
    starts_put(b, &y, bytes);
    memcpy(bytes, &b->h, sizeof b->h);
    *image = bytes;
    *n = y.size;
    return PL_OK;
}

pl_rc pl_lits_build(pl_lits_kind kind, const pl_lit *lits, size_t count, void **image, size_t *n,
                    pl_error *err)
{
    builder b = { .units = kind == PL_LITS_UNITS, .lits = lits, .count = count };
    pl_rc   rc;

    if (count > LITS_COUNT_MAX)
        return pl_fail(err, PL_LIMIT, "%zu literals are too many", count);
    b.h = (lits_header){ .magic = LITS_MAGIC, .version = LITS_VERSION, .kind = (uint32_t)kind,
                         .count = (uint32_t)count };
    sizes_choose(&b);
    b.specs = calloc(count + 1, sizeof *b.specs);
    b.taken = calloc(lits_slots(&b.h), 1);
    b.rarity = malloc(sizeof *b.rarity);
    rc = b.specs && b.taken && b.rarity ? specs_fill(&b, err)
                                        : pl_fail(err, PL_NOMEM, "out of memory");
    if (rc == PL_OK) {
        lits_rarity_init(b.rarity);
        anchors_choose(&b);
        rc = image_make(&b, image, n, err);
    }
    free(b.specs);
    free(b.taken);
    free(b.rarity);
    return rc;
}
