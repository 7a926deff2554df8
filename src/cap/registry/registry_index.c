/* Grams and sets of places. */
#include "base/banned.h"

#include "base/str.h"
#include "base/utf8.h"
#include "cap/registry/registry_index.h"

#define CHUNK_BITS  14
#define CHUNK       (1u << CHUNK_BITS)
#define BITMAP      (CHUNK / 8)         /* bytes */
#define ARRAY_MAX   (BITMAP / 2 - 1)    /* places of two bytes that are shorter than a bitmap */
#define FACET_GRAM  (1LL << 50)
#define FACET_SHIFT 40
#define TEXT_MAX    (64u << 10)

struct registry_change {
    int64_t gram;
    int64_t seq;
    bool    is_added;
};

/* --- texts ------------------------------------------------------------------------------ */

void registry_fold(pl_str text, pl_buf *out)
{
    char  *nfc = NULL;
    size_t n = 0;
    pl_str s;

    if (pl_utf8_nfc(text, &nfc, &n, NULL) != PL_OK)
        return;
    s = (pl_str){ nfc, n };
    while (s.n > 0) {
        uint32_t cp = 0;
        int      len = pl_utf8_decode(s, &cp);
        char     utf8[4];

        if (len <= 0)
            break;
        s = (pl_str){ s.p + len, s.n - (size_t)len };
        if (cp >= 0xff01 && cp <= 0xff5e) /* full-width ASCII */
            cp -= 0xfee0;
        if (cp >= 'A' && cp <= 'Z')
            cp += 'a' - 'A';
        pl_buf_put(out, (pl_str){ utf8, (size_t)pl_utf8_encode(cp, utf8) });
    }
    free(nfc);
}

/* Blanks, punctuation and symbols end a run. */
static bool is_run(uint32_t cp)
{
    if (cp < 0x80)
        return (cp >= '0' && cp <= '9') || (cp >= 'a' && cp <= 'z');
    return cp >= 0xc0 && !(cp >= 0x2000 && cp <= 0x2bff) && !(cp >= 0x3000 && cp <= 0x303f) &&
           !(cp >= 0xfe30 && cp <= 0xfe6f) && !(cp >= 0xff00 && cp <= 0xff65) && cp < 0x110000;
}

/* Takes one code point; 0 at the end. Bytes that are no UTF-8 end everything. */
static uint32_t take(pl_str *s)
{
    uint32_t cp = 0;
    int      len = s->n > 0 ? pl_utf8_decode(*s, &cp) : 0;

    if (len <= 0) {
        s->n = 0;
        return 0;
    }
    *s = (pl_str){ s->p + len, s->n - (size_t)len };
    return cp;
}

static int64_t gram_of(uint32_t first, uint32_t second)
{
    return (int64_t)first << 21 | second;
}

bool registry_words_in(pl_str query, pl_str text)
{
    pl_str s = query, word = { query.p, 0 };

    for (;;) {
        const char *at = s.p;
        uint32_t    cp = take(&s);

        if (cp != 0 && is_run(cp)) {
            if (word.n == 0)
                word.p = at;
            word.n = (size_t)(s.p - word.p);
            continue;
        }
        if (word.n > 0 && memmem(text.p, text.n, word.p, word.n) == NULL)
            return false;
        word.n = 0;
        if (cp == 0)
            return true;
    }
}

/* --- changes ----------------------------------------------------------------------------- */

void registry_changes_done(registry_changes *c)
{
    free(c->list);
    *c = (registry_changes){ 0 };
}

static void change_add(registry_changes *c, int64_t gram, int64_t seq, bool is_added)
{
    if (c->n == c->cap) {
        size_t cap = c->cap ? c->cap * 2 : 256;
        struct registry_change *more = reallocarray(c->list, cap, sizeof *more);

        if (more == NULL) {
            c->failed = true;
            return;
        }
        c->list = more;
        c->cap = cap;
    }
    c->list[c->n++] = (struct registry_change){ gram, seq, is_added };
}

void registry_changes_text(registry_changes *c, int64_t seq, pl_str folded, bool is_added)
{
    uint32_t before = 0, cp;

    if (folded.n > TEXT_MAX)
        folded.n = TEXT_MAX;
    while ((cp = take(&folded)) != 0) {
        if (!is_run(cp)) {
            before = 0;
            continue;
        }
        change_add(c, gram_of(cp, 0), seq, is_added);
        if (before != 0)
            change_add(c, gram_of(before, cp), seq, is_added);
        before = cp;
    }
}

static int64_t facet_gram(registry_facet f, int64_t id)
{
    return FACET_GRAM | (int64_t)f << FACET_SHIFT | id;
}

/* PL_NOTFOUND: no filing ever had it. */
static pl_rc term_find(pl_db *db, registry_facet f, pl_str value, int64_t *id, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc rc = pl_db_prepare(db, "SELECT id FROM registry_term WHERE facet = $1 AND value = $2", &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_int(s, 1, f);
    pl_db_bind_str(s, 2, value);
    rc = pl_db_step(s, err);
    if (rc == PL_OK)
        *id = pl_db_int(s, 0);
    pl_db_done(s);
    return rc;
}

static pl_rc term_make(pl_db *db, registry_facet f, pl_str value, int64_t *id, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = term_find(db, f, value, id, err);

    if (rc != PL_NOTFOUND)
        return rc;
    rc = pl_db_prepare(db,
                       "INSERT INTO registry_term (facet, value, id) VALUES ($1, $2,"
                       " (SELECT COALESCE(MAX(id), 0) + 1 FROM registry_term WHERE facet = $1))",
                       &s, err);
    if (rc != PL_OK)
        return rc;
    pl_db_bind_int(s, 1, f);
    pl_db_bind_str(s, 2, value);
    rc = pl_db_run(s, NULL, err);
    return rc == PL_OK ? term_find(db, f, value, id, err) : rc;
}

pl_rc registry_changes_facet(registry_changes *c, pl_db *db, int64_t seq, registry_facet f, pl_str value,
                             bool is_added, pl_error *err)
{
    int64_t id = 0;
    size_t  at;
    pl_rc   rc;

    if (value.n == 0)
        return PL_OK;
    for (size_t i = 0; i < REGISTRY_TERMS && i < c->terms; i++)
        if (c->term[i].facet == f && pl_str_eqz(value, c->term[i].value)) {
            change_add(c, facet_gram(f, c->term[i].id), seq, is_added);
            return PL_OK;
        }
    rc = term_make(db, f, value, &id, err);
    if (rc != PL_OK)
        return rc;
    change_add(c, facet_gram(f, id), seq, is_added);
    if (value.n < sizeof c->term[0].value) {
        at = c->terms++ % REGISTRY_TERMS;
        c->term[at].facet = f;
        c->term[at].id = id;
        (void)snprintf(c->term[at].value, sizeof c->term[at].value, PL_STR_FMT, PL_STR_ARG(value));
    }
    return PL_OK;
}

/* By gram, then place; taking out comes first, so that what is taken out and put in stays. */
static int by_gram(const void *a, const void *b)
{
    const struct registry_change *x = a, *y = b;

    if (x->gram != y->gram)
        return x->gram < y->gram ? -1 : 1;
    if (x->seq != y->seq)
        return x->seq < y->seq ? -1 : 1;
    return (int)x->is_added - (int)y->is_added;
}

/* --- sets in rows ------------------------------------------------------------------------ */

static void set_read(pl_str row, uint8_t bits[BITMAP])
{
    if (row.n == BITMAP) {
        memcpy(bits, row.p, BITMAP);
        return;
    }
    memset(bits, 0, BITMAP);
    for (size_t i = 0; i + 1 < row.n; i += 2) {
        unsigned place = (unsigned)(uint8_t)row.p[i] | (unsigned)(uint8_t)row.p[i + 1] << 8;

        bits[(place % CHUNK) / 8] |= (uint8_t)(1u << place % 8);
    }
}

/* The row's bytes; 0 for the empty set. */
static size_t set_write(const uint8_t bits[BITMAP], uint8_t out[BITMAP])
{
    size_t n = 0;

    for (size_t i = 0; i < BITMAP; i++)
        n += (size_t)__builtin_popcount(bits[i]);
    if (n > ARRAY_MAX) {
        memcpy(out, bits, BITMAP);
        return BITMAP;
    }
    n = 0;
    for (unsigned i = 0; i < CHUNK; i++)
        if (bits[i / 8] >> i % 8 & 1) {
            out[n++] = (uint8_t)i;
            out[n++] = (uint8_t)(i >> 8);
        }
    return n;
}

static pl_rc row_load(pl_db *db, int64_t gram, int64_t chunk, uint8_t bits[BITMAP], bool *is_there,
                      pl_error *err)
{
    pl_db_stmt *s;
    pl_rc rc = pl_db_prepare(db, "SELECT ids FROM registry_gram WHERE gram = $1 AND chunk = $2", &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_int(s, 1, gram);
    pl_db_bind_int(s, 2, chunk);
    rc = pl_db_step(s, err);
    *is_there = rc == PL_OK;
    set_read(rc == PL_OK ? pl_db_blob(s, 0) : PL_STR(""), bits);
    pl_db_done(s);
    return rc == PL_NOTFOUND ? PL_OK : rc;
}

static pl_rc row_store(pl_db *db, int64_t gram, int64_t chunk, const uint8_t *row, size_t n,
                       pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(db,
                             "INSERT INTO registry_gram (gram, chunk, ids) VALUES ($1, $2, $3)"
                             " ON CONFLICT (gram, chunk) DO UPDATE SET ids = excluded.ids",
                             &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_int(s, 1, gram);
    pl_db_bind_int(s, 2, chunk);
    pl_db_bind_blob(s, 3, row, n);
    return pl_db_run(s, NULL, err);
}

static pl_rc row_drop(pl_db *db, int64_t gram, int64_t chunk, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc rc = pl_db_prepare(db, "DELETE FROM registry_gram WHERE gram = $1 AND chunk = $2", &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_int(s, 1, gram);
    pl_db_bind_int(s, 2, chunk);
    return pl_db_run(s, NULL, err);
}

/* All changes of one row. */
static pl_rc row_change(pl_db *db, const struct registry_change *c, size_t n, pl_error *err)
{
    uint8_t bits[BITMAP], was[BITMAP], row[BITMAP];
    int64_t chunk = c->seq >> CHUNK_BITS;
    bool    is_there = false;
    size_t  size;
    pl_rc   rc = row_load(db, c->gram, chunk, bits, &is_there, err);

    if (rc != PL_OK)
        return rc;
    memcpy(was, bits, BITMAP);
    for (size_t i = 0; i < n; i++) {
        unsigned place = (unsigned)(c[i].seq % CHUNK);

        if (c[i].is_added)
            bits[place / 8] |= (uint8_t)(1u << place % 8);
        else
            bits[place / 8] &= (uint8_t)~(1u << place % 8);
    }
    if (memcmp(was, bits, BITMAP) == 0)
        return PL_OK;
    size = set_write(bits, row);
    if (size > 0)
        return row_store(db, c->gram, chunk, row, size, err);
    return is_there ? row_drop(db, c->gram, chunk, err) : PL_OK;
}

pl_rc registry_changes_apply(registry_changes *c, pl_db *db, pl_error *err)
{
    pl_rc rc = c->failed ? pl_fail(err, PL_NOMEM, "out of memory") : PL_OK;

    if (c->n > 1)
        qsort(c->list, c->n, sizeof *c->list, by_gram);
    for (size_t i = 0, end; i < c->n && rc == PL_OK; i = end) {
        end = i + 1;
        while (end < c->n && c->list[end].gram == c->list[i].gram &&
               c->list[end].seq >> CHUNK_BITS == c->list[i].seq >> CHUNK_BITS)
            end++;
        rc = row_change(db, &c->list[i], end - i, err);
    }
    c->n = 0;
    return rc;
}

/* --- searching --------------------------------------------------------------------------- */

static pl_rc size_of(pl_db *db, int64_t *seq, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(db, "SELECT value FROM registry_counter WHERE name = 'seq'", &s, err);

    if (rc != PL_OK)
        return rc;
    rc = pl_db_step(s, err);
    if (rc == PL_OK)
        *seq = pl_db_int(s, 0);
    pl_db_done(s);
    return rc;
}

/* bits &= the gram's set. `scratch` is of the same size. */
static pl_rc and_gram(pl_db *db, int64_t gram, registry_hits *h, uint64_t *scratch, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc rc = pl_db_prepare(db, "SELECT chunk, ids FROM registry_gram WHERE gram = $1", &s, err);

    if (rc != PL_OK)
        return rc;
    memset(scratch, 0, h->words * 8);
    pl_db_bind_int(s, 1, gram);
    while ((rc = pl_db_step(s, err)) == PL_OK) {
        int64_t chunk = pl_db_int(s, 0);

        if (chunk >= 0 && (size_t)(chunk + 1) * (BITMAP / 8) <= h->words)
            set_read(pl_db_blob(s, 1), (uint8_t *)(scratch + (size_t)chunk * (BITMAP / 8)));
    }
    pl_db_done(s);
    if (rc != PL_NOTFOUND)
        return rc;
    for (size_t i = 0; i < h->words; i++)
        h->bits[i] &= scratch[i];
    return PL_OK;
}

static pl_rc and_text(pl_db *db, pl_str query, registry_hits *h, uint64_t *scratch, pl_error *err)
{
    uint32_t before = 0, cp;
    bool     is_alone = false; /* `before` is in no pair yet */
    pl_rc    rc = PL_OK;

    do {
        cp = take(&query);
        if (cp != 0 && is_run(cp)) {
            if (before != 0)
                rc = and_gram(db, gram_of(before, cp), h, scratch, err);
            is_alone = before == 0;
            before = cp;
            continue;
        }
        if (is_alone)
            rc = and_gram(db, gram_of(before, 0), h, scratch, err);
        before = 0;
        is_alone = false;
    } while (cp != 0 && rc == PL_OK);
    return rc;
}

static pl_rc and_filter(pl_db *db, const registry_filter *f, registry_hits *h, uint64_t *scratch,
                        pl_error *err)
{
    int64_t id = 0;
    pl_rc   rc = term_find(db, f->facet, f->value, &id, err);

    if (rc == PL_NOTFOUND) {
        memset(h->bits, 0, h->words * 8);
        return PL_OK;
    }
    return rc == PL_OK ? and_gram(db, facet_gram(f->facet, id), h, scratch, err) : rc;
}

static void count_bits(registry_hits *h)
{
    h->count = 0;
    for (size_t i = 0; i < h->words; i++)
        h->count += (size_t)__builtin_popcountll(h->bits[i]);
}

pl_rc registry_index_find(pl_db *db, pl_arena *a, pl_str query, const registry_filter *filters,
                          size_t filter_count, registry_hits *out, pl_error *err)
{
    registry_hits h = { 0 };
    uint64_t     *scratch;
    int64_t       seq = 0;
    pl_rc         rc = size_of(db, &seq, err);

    if (rc != PL_OK)
        return rc;
    h.words = ((size_t)seq / CHUNK + 1) * (BITMAP / 8);
    h.bits = pl_arena_alloc(a, h.words * 8);
    scratch = pl_arena_alloc(a, h.words * 8);
    if (h.bits == NULL || scratch == NULL)
        return pl_fail(err, PL_LIMIT, "too many filings for one search");
    for (int64_t i = 1; i <= seq; i++) /* seq begins with 1 */
        h.bits[i / 64] |= 1ULL << i % 64;
    for (size_t i = 0; i < filter_count && rc == PL_OK; i++)
        rc = and_filter(db, &filters[i], &h, scratch, err);
    if (rc == PL_OK)
        rc = and_text(db, query, &h, scratch, err);
    if (rc != PL_OK)
        return rc;
    count_bits(&h);
    *out = h;
    return PL_OK;
}

int64_t registry_hits_below(const registry_hits *h, int64_t before)
{
    size_t   word;
    uint64_t bits;

    if (before <= 0 || h->words == 0)
        return -1;
    before--;
    if ((uint64_t)before >= h->words * 64)
        before = (int64_t)(h->words * 64) - 1;
    word = (size_t)before / 64;
    bits = h->bits[word] & (UINT64_MAX >> (63 - (unsigned)(before % 64)));
    while (bits == 0 && word > 0)
        bits = h->bits[--word];
    return bits == 0 ? -1 : (int64_t)(word * 64) + 63 - __builtin_clzll(bits);
}

/* Members of the row's set that are in the chunk of the hits. */
static size_t row_count(pl_str row, const uint64_t *chunk)
{
    size_t n = 0;

    if (row.n == BITMAP) {
        uint64_t w[BITMAP / 8];

        memcpy(w, row.p, BITMAP);
        for (size_t i = 0; i < BITMAP / 8; i++)
            n += (size_t)__builtin_popcountll(w[i] & chunk[i]);
        return n;
    }
    for (size_t i = 0; i + 1 < row.n; i += 2) {
        unsigned place = (unsigned)(uint8_t)row.p[i] | (unsigned)(uint8_t)row.p[i + 1] << 8;

        place %= CHUNK;
        n += chunk[place / 64] >> place % 64 & 1;
    }
    return n;
}

static pl_rc value_count(pl_db *db, int64_t gram, const registry_hits *h, size_t *out, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc rc = pl_db_prepare(db, "SELECT chunk, ids FROM registry_gram WHERE gram = $1", &s, err);

    *out = 0;
    if (rc != PL_OK)
        return rc;
    pl_db_bind_int(s, 1, gram);
    while ((rc = pl_db_step(s, err)) == PL_OK) {
        int64_t chunk = pl_db_int(s, 0);

        if (chunk >= 0 && (size_t)(chunk + 1) * (BITMAP / 8) <= h->words)
            *out += row_count(pl_db_blob(s, 1), h->bits + (size_t)chunk * (BITMAP / 8));
    }
    pl_db_done(s);
    return rc == PL_NOTFOUND ? PL_OK : rc;
}

typedef struct term {
    pl_str  value;
    int64_t id;
} term;

#define TERMS_MAX 2000

static pl_rc terms_list(pl_db *db, pl_arena *a, registry_facet f, term *out, size_t *count,
                        pl_error *err)
{
    pl_db_stmt *s;
    size_t      n = 0;
    pl_rc       rc = pl_db_prepare(
        db, "SELECT value, id FROM registry_term WHERE facet = $1 ORDER BY value LIMIT 2000", &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_int(s, 1, f);
    while (n < TERMS_MAX && (rc = pl_db_step(s, err)) == PL_OK) {
        pl_str v = pl_db_str(s, 0);

        out[n].value = (pl_str){ pl_arena_dup(a, v), v.n };
        if (out[n].value.p == NULL)
            rc = pl_fail(err, PL_LIMIT, "too many values of a facet");
        if (rc != PL_OK)
            break;
        out[n++].id = pl_db_int(s, 1);
    }
    pl_db_done(s);
    *count = n;
    return rc == PL_NOTFOUND ? PL_OK : rc;
}

pl_rc registry_index_count(pl_db *db, pl_arena *a, registry_facet f, const registry_hits *h,
                           pl_rc (*fn)(void *ctx, pl_str value, size_t n, pl_error *err), void *ctx,
                           pl_error *err)
{
    term  *terms = pl_arena_alloc(a, TERMS_MAX * sizeof *terms);
    size_t count = 0, n = 0;
    pl_rc  rc = terms ? terms_list(db, a, f, terms, &count, err)
                      : pl_fail(err, PL_LIMIT, "out of memory for this request");

    for (size_t i = 0; i < count && rc == PL_OK; i++) {
        rc = value_count(db, facet_gram(f, terms[i].id), h, &n, err);
        if (rc == PL_OK && n > 0)
            rc = fn(ctx, terms[i].value, n, err);
    }
    return rc;
}
