/* c2pa.hash.bmff, .v2 and .v3: C2PA 2.x 18.6 and 15.12.2. The hash runs over the file without the
 * boxes an exclusion names; from v2 on the offset of every box at the top that is not left out
 * whole goes in before the box, as eight bytes, so that boxes cannot change places. */
#include "base/banned.h"

#include "engine/media/c2pa/c2pa_int.h"

enum { DEPTH_MAX = 12, RULES_MAX = 64, RANGES_MAX = 1 << 16, BOXES_MAX = 1 << 20, PATH_MAX_ = 128 };

typedef struct box {
    uint64_t at, n, head; /* head: bytes of its header */
    char     type[5];
} box;

typedef struct walk {
    const pl_media_io *io;
    const cbor_item   *rules;
    pl_media_range    *skip; /* what is left out */
    size_t             skip_n;
    pl_media_range    *tops; /* boxes at the top; n 0: left out whole */
    size_t             tops_n, tops_cap, boxes;
    uint64_t           unprotected;
    unsigned           flags;
    pl_error          *err;
} walk;

static uint64_t be(const uint8_t *p, size_t n)
{
    uint64_t v = 0;

    while (n-- > 0)
        v = v << 8 | *p++;
    return v;
}

/* The box at `at`, inside what ends at `end`. PL_NOTFOUND: no box there. */
static pl_rc box_read(const walk *w, uint64_t at, uint64_t end, box *out, pl_error *err)
{
    uint8_t h[16];
    pl_rc   rc;

    if (end - at < 8)
        return PL_NOTFOUND;
    rc = w->io->read(w->io->ctx, at, h, 8, err);
    if (rc != PL_OK)
        return rc;
    *out = (box){ .at = at, .n = be(h, 4), .head = 8 };
    memcpy(out->type, h + 4, 4);
    if (out->n == 1) {
        if (end - at < 16)
            return PL_NOTFOUND;
        rc = w->io->read(w->io->ctx, at + 8, h + 8, 8, err);
        out->n = be(h + 8, 8);
        out->head = 16;
    } else if (out->n == 0) {
        out->n = end - at;
    }
    if (rc == PL_OK && (out->n < out->head || out->n > end - at))
        rc = PL_NOTFOUND;
    return rc;
}

/* --- exclusions ---------------------------------------------------------------------------- */

static pl_rc same_bytes(const walk *w, const box *b, uint64_t at, pl_str want, bool *same)
{
    char  have[256];
    pl_rc rc;

    *same = want.n <= sizeof have && at <= b->n && want.n <= b->n - at;
    if (!*same || want.n == 0)
        return PL_OK;
    rc = w->io->read(w->io->ctx, b->at + at, have, want.n, w->err);
    *same = rc == PL_OK && memcmp(have, want.p, want.n) == 0;
    return rc;
}

/* The conditions of one exclusion beside its path: length, bytes, version, flags. */
static pl_rc rule_fits(const walk *w, const cbor_item *rule, const box *b, bool *fits)
{
    const cbor_item *data = pl_cbor_get(rule, "data"), *exact = pl_cbor_get(rule, "exact");
    uint64_t         want, at;
    uint8_t          full[4] = { 0 };
    pl_str           flags = pl_cbor_bytes(pl_cbor_get(rule, "flags"));
    pl_rc            rc = PL_OK;

    *fits = !pl_cbor_u64(pl_cbor_get(rule, "length"), &want) || want == b->n;
    for (size_t i = 0; *fits && rc == PL_OK && data && data->kind == CBOR_ARRAY && i < data->n; i++) {
        *fits = pl_cbor_u64(pl_cbor_get(&data->items[i], "offset"), &at);
        if (*fits)
            rc = same_bytes(w, b, at, pl_cbor_bytes(pl_cbor_get(&data->items[i], "value")), fits);
    }
    if (rc != PL_OK || !*fits || b->n - b->head < 4)
        return rc;
    rc = w->io->read(w->io->ctx, b->at + b->head, full, 4, w->err);
    if (pl_cbor_u64(pl_cbor_get(rule, "version"), &want))
        *fits = want == full[0];
    for (size_t i = 0; *fits && flags.n == 3 && i < 3; i++) {
        uint8_t f = (uint8_t)flags.p[i];

        *fits = exact && exact->value == 20 ? (full[i + 1] & f) == f : full[i + 1] == f;
    }
    return rc;
}

static bool skip_add(walk *w, uint64_t at, uint64_t n)
{
    if (w->skip_n == RANGES_MAX)
        return false;
    w->skip[w->skip_n++] = (pl_media_range){ at, n };
    return true;
}

/* Boxes whose absence from the hash is the rule: the store's own, and what players may rewrite
 * (C2PA 2.x 18.6.2). */
static bool is_usual(const walk *w, const box *b, pl_str path)
{
    static const char *const usual[] = { "/ftyp", "/mfra", "/free", "/skip" };
    char                     id[16];

    /* Boxes of C2PA's own: the store, and proofs of trees. */
    if (pl_str_eqz(path, "/uuid") && b->n >= b->head + sizeof id &&
        w->io->read(w->io->ctx, b->at + b->head, id, sizeof id, NULL) == PL_OK &&
        memcmp(id, C2PA_BOX_UUID, sizeof id) == 0)
        return true;

    for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++)
        if (pl_str_eqz(path, usual[i]))
            return true;
    return (w->flags & BMFF_MERKLE) && pl_str_eqz(path, "/mdat");
}

static bool subsets_add(walk *w, const cbor_item *subset, const box *b, bool usual)
{
    for (size_t i = 0; i < subset->n; i++) {
        uint64_t at, n;

        if (!pl_cbor_u64(pl_cbor_get(&subset->items[i], "offset"), &at) ||
            !pl_cbor_u64(pl_cbor_get(&subset->items[i], "length"), &n))
            return false;
        if (at > b->n)
            continue;
        n = n == 0 || n > b->n - at ? b->n - at : n;
        w->unprotected += usual ? 0 : n;
        if (!skip_add(w, b->at + at, n))
            return false;
    }
    return true;
}

/* Applies the exclusions to one box. *whole: it is left out altogether. */
static pl_rc rules_apply(walk *w, const box *b, pl_str path, bool *whole)
{
    *whole = false;
    for (size_t i = 0; i < w->rules->n; i++) {
        const cbor_item *rule = &w->rules->items[i], *subset = pl_cbor_get(rule, "subset");
        bool             fits, usual = is_usual(w, b, path), ok;
        pl_rc            rc;

        if (!pl_str_eq(pl_cbor_text(pl_cbor_get(rule, "xpath")), path))
            continue;
        rc = rule_fits(w, rule, b, &fits);
        if (rc != PL_OK)
            return rc;
        if (!fits)
            continue;
        if (subset && subset->kind == CBOR_ARRAY) {
            ok = subsets_add(w, subset, b, usual);
        } else {
            ok = skip_add(w, b->at, b->n);
            *whole = true;
            w->unprotected += usual ? 0 : b->n;
        }
        if (!ok)
            return pl_fail(w->err, PL_INVALID, "its exclusions cannot be followed");
    }
    return PL_OK;
}

/* Whether a path of an exclusion leads into the box. */
static bool leads_into(const walk *w, pl_str path)
{
    for (size_t i = 0; i < w->rules->n; i++) {
        pl_str x = pl_cbor_text(pl_cbor_get(&w->rules->items[i], "xpath"));

        if (x.n > path.n && pl_str_starts(x, path) && x.p[path.n] == '/')
            return true;
    }
    return false;
}

/* --- the walk ------------------------------------------------------------------------------- */

static pl_rc top_add(walk *w, const box *b, bool whole)
{
    if (w->tops_n == w->tops_cap) {
        size_t          cap = w->tops_cap ? w->tops_cap * 2 : 64;
        pl_media_range *p = cap <= BOXES_MAX ? realloc(w->tops, cap * sizeof *p) : NULL;

        if (!p)
            return pl_fail(w->err, PL_LIMIT, "too many boxes");
        w->tops = p;
        w->tops_cap = cap;
    }
    w->tops[w->tops_n++] = (pl_media_range){ b->at, whole ? 0 : b->n };
    return PL_OK;
}

/* Where the boxes inside a box begin: behind version and flags for `meta`, where there are any. */
static pl_rc inside_at(const walk *w, const box *b, uint64_t *at)
{
    uint8_t first[8];
    pl_rc   rc = PL_OK;

    *at = b->at + b->head;
    if (memcmp(b->type, "meta", 4) == 0 && b->n - b->head >= 8) {
        rc = w->io->read(w->io->ctx, *at, first, 8, w->err);
        if (rc == PL_OK && memcmp(first + 4, "hdlr", 4) != 0)
            *at += 4;
    }
    return rc;
}

static pl_rc boxes_walk(walk *w, uint64_t at, uint64_t end, const char *above, unsigned depth)
{
    box   b;
    bool  whole;
    pl_rc rc;

    while ((rc = box_read(w, at, end, &b, w->err)) == PL_OK) {
        char   path[PATH_MAX_];
        pl_str p;
        uint64_t inside;

        if (++w->boxes > BOXES_MAX)
            return pl_fail(w->err, PL_LIMIT, "too many boxes");
        (void)snprintf(path, sizeof path, "%s/%.4s", above, b.type);
        p = pl_str_z(path);
        rc = rules_apply(w, &b, p, &whole);
        if (rc == PL_OK && depth == 0)
            rc = top_add(w, &b, whole);
        if (rc == PL_OK && !whole && depth < DEPTH_MAX && leads_into(w, p)) {
            rc = inside_at(w, &b, &inside);
            if (rc == PL_OK)
                rc = boxes_walk(w, inside, b.at + b.n, path, depth + 1);
        }
        if (rc != PL_OK)
            return rc;
        at += b.n;
    }
    return rc == PL_NOTFOUND ? PL_OK : rc;
}

/* --- the hash ------------------------------------------------------------------------------- */

static int by_start(const void *a, const void *b)
{
    const pl_media_range *x = a, *y = b;

    return x->at < y->at ? -1 : x->at > y->at;
}

/* [at, end) without what is left out. *next: the first exclusion that may still matter. */
static pl_rc hash_between(const walk *w, c2pa_hasher *h, uint64_t at, uint64_t end, size_t *next)
{
    pl_rc rc = PL_OK;

    while (rc == PL_OK && at < end) {
        const pl_media_range *s;

        while (*next < w->skip_n && w->skip[*next].at + w->skip[*next].n <= at)
            (*next)++;
        s = *next < w->skip_n && w->skip[*next].at < end ? &w->skip[*next] : NULL;
        if (s && s->at <= at) {
            at = s->at + s->n;
            continue;
        }
        rc = pl_c2pa_hasher_range(h, w->io, (pl_media_range){ at, (s ? s->at : end) - at }, w->err);
        at = s ? s->at : end;
    }
    return rc;
}

static pl_rc hash_file(const walk *w, pl_str alg, bool with_offsets, uint8_t *sum)
{
    c2pa_hasher h;
    size_t      next = 0;
    uint64_t    at = 0;
    pl_rc       rc = PL_OK;

    if (!pl_c2pa_hasher_init(&h, alg))
        return pl_fail(w->err, PL_NOMEM, "out of memory");
    for (size_t i = 0; rc == PL_OK && i <= w->tops_n; i++) {
        uint64_t end = i + 1 < w->tops_n ? w->tops[i + 1].at : w->io->size;
        uint8_t  offset[8];

        if (i == w->tops_n)
            break;
        at = w->tops[i].at;
        for (int k = 0; k < 8; k++)
            offset[k] = (uint8_t)(at >> (56 - 8 * k));
        if (with_offsets && w->tops[i].n > 0)
            pl_c2pa_hasher_add(&h, offset, 8);
        rc = hash_between(w, &h, at, end, &next);
    }
    pl_c2pa_hasher_done(&h, sum);
    return rc;
}

pl_rc pl_c2pa_bmff_digest(const c2pa_asset *asset, const cbor_item *rules, pl_str alg,
                          unsigned flags, uint8_t sum[C2PA_DIGEST_MAX], uint64_t *unprotected,
                          pl_error *err)
{
    walk  w = { .io = asset->io, .rules = rules, .flags = flags, .err = err };
    pl_rc rc;

    w.skip = malloc(RANGES_MAX * sizeof *w.skip);
    if (!w.skip)
        return pl_fail(err, PL_NOMEM, "out of memory");
    rc = boxes_walk(&w, 0, w.io->size, "", 0);
    if (rc == PL_OK && w.skip_n > 1)
        qsort(w.skip, w.skip_n, sizeof *w.skip, by_start);
    if (rc == PL_OK)
        rc = hash_file(&w, alg, (flags & BMFF_OFFSETS) != 0, sum);
    if (rc == PL_OK)
        *unprotected += w.unprotected;
    free(w.skip);
    free(w.tops);
    return rc;
}

/* What the assertion says of the file: PL_OK it is so, PL_INVALID it is not, or it makes no sense. */
static pl_rc bmff_judge(c2pa_check *c, const cbor_item *i, const cbor_item *rules, pl_str alg, bool is_v1,
                        bool *same)
{
    const cbor_item *trees = pl_cbor_get(i, "merkle");
    pl_str           want = pl_cbor_bytes(pl_cbor_get(i, "hash"));
    unsigned         flags = (is_v1 ? 0 : BMFF_OFFSETS) | (trees ? BMFF_MERKLE : 0);
    uint8_t          sum[C2PA_DIGEST_MAX];
    pl_rc            rc = trees ? pl_c2pa_merkle_check(c->asset, trees, alg, c->err) : PL_OK;

    if (rc == PL_OK)
        rc = pl_c2pa_bmff_digest(c->asset, rules, alg, flags, sum, &c->r->unprotected, c->err);
    else if (rc == PL_INVALID)
        return PL_OK; /* the trees do not fit: a mismatch */
    if (rc == PL_OK)
        *same = want.n == pl_c2pa_digest_size(alg) && memcmp(want.p, sum, want.n) == 0;
    return rc;
}

void pl_c2pa_hash_bmff(c2pa_check *c, c2pa_manifest *m, const cbor_item *i, pl_str label, pl_str url)
{
    static const cbor_item no_rules = { .kind = CBOR_ARRAY };
    const cbor_item *rules = pl_cbor_get(i, "exclusions");
    pl_str           alg = pl_cbor_text(pl_cbor_get(i, "alg"));
    bool             same = false;
    pl_rc            rc = PL_INVALID;

    alg = alg.n > 0 ? alg : m->alg;
    rules = rules ? rules : &no_rules;
    if (pl_c2pa_digest_size(alg) > 0 && rules->kind == CBOR_ARRAY && rules->n <= RULES_MAX)
        rc = bmff_judge(c, i, rules, alg, pl_str_eqz(label, "c2pa.hash.bmff"), &same);
    if (rc == PL_NOTFOUND)
        pl_c2pa_say(c, m, "assertion.bmffHash.mismatch", url,
                    "the parts of a fragmented file are not there, or cannot be checked here");
    else if (rc == PL_INVALID || rc == PL_LIMIT)
        pl_c2pa_say(c, m, "assertion.bmffHash.malformed", url, NULL);
    else if (rc != PL_OK)
        pl_c2pa_break(c, rc, NULL);
    else
        pl_c2pa_say(c, m, same ? "assertion.bmffHash.match" : "assertion.bmffHash.mismatch", url, NULL);
}
