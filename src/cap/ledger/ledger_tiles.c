/* Tiles and entry bundles on disk (C2SP tlog-tiles). Files are written once under a name
 * that says how wide they are, so a published one never changes. */
#include "base/banned.h"

#include "base/fault.h"
#include "cap/ledger/ledger_int.h"
#include "engine/log/merkle_many.h"

#define PATH_BYTES 128

unsigned pl_tile_width(uint64_t size, unsigned level, uint64_t n)
{
    uint64_t have = size >> (8 * level);

    if (n < have >> 8)
        return PL_TILE_WIDTH;
    return n == have >> 8 ? (unsigned)(have & 0xff) : 0;
}

/* Reads the file of a tile of this width, or the full one that has replaced it.
 * REQ: evidence-ledger/7.2 REQ: C2SP/tlog-tiles */
static pl_rc file_read(const char *dir, int level, uint64_t n, unsigned width, size_t max,
                       char **out, size_t *bytes, pl_error *err)
{
    pl_error why = { PL_OK, "" };
    char     path[PATH_BYTES];
    pl_rc    rc;

    pl_tile_path(level, n, width, path, sizeof(path));
    rc = pl_ledger_read(dir, path, max, out, bytes, &why);
    if (rc == PL_NOTFOUND && width < PL_TILE_WIDTH) {
        pl_tile_path(level, n, 0, path, sizeof(path));
        rc = pl_ledger_read(dir, path, max, out, bytes, &why);
    }
    if (rc == PL_LIMIT)
        return pl_fail(err, PL_INVALID, "file '%s' is too long", path);
    return rc == PL_OK ? rc : pl_fail(err, rc, "%s", why.text);
}

pl_rc pl_tile_read(const char *dir, uint64_t size, unsigned level, uint64_t n, pl_hash *hash,
                   unsigned *width, pl_error *err)
{
    unsigned want = pl_tile_width(size, level, n);
    char    *bytes = NULL, path[PATH_BYTES];
    size_t   got = 0;
    pl_rc    rc;

    if (want == 0)
        return pl_fail(err, PL_INVALID, "no tile %llu on level %u of a tree of size %llu",
                       (unsigned long long)n, level, (unsigned long long)size);
    rc = file_read(dir, (int)level, n, want, PL_TILE_WIDTH * sizeof(*hash), &bytes, &got, err);
    if (rc != PL_OK)
        return rc;
    if (got == want * sizeof(*hash) || got == PL_TILE_WIDTH * sizeof(*hash)) {
        memcpy(hash, bytes, want * sizeof(*hash));
        *width = want;
    } else {
        pl_tile_path((int)level, n, want, path, sizeof(path));
        rc = pl_fail(err, PL_INVALID, "file '%s' has %zu bytes instead of %zu", path, got,
                     want * sizeof(*hash));
    }
    free(bytes);
    return rc;
}

pl_rc pl_bundle_read(const char *dir, uint64_t size, uint64_t n, char **out, size_t *bytes,
                     unsigned *width, pl_error *err)
{
    unsigned want = pl_tile_width(size, 0, n);
    pl_rc    rc;

    if (want == 0)
        return pl_fail(err, PL_INVALID, "no bundle %llu in a tree of size %llu",
                       (unsigned long long)n, (unsigned long long)size);
    rc = file_read(dir, -1, n, want, LEDGER_BUNDLE_MAX, out, bytes, err);
    if (rc == PL_OK)
        *width = want;
    return rc;
}

/* --- stored nodes ---------------------------------------------------------------------- */

static pl_rc source_load(tile_source *t, unsigned level, uint64_t n, pl_error *err)
{
    pl_rc rc;

    if (t->width != 0 && t->level == level && t->n == n)
        return PL_OK;
    t->width = 0;
    rc = pl_tile_read(t->dir, t->size, level, n, t->hash, &t->width, err);
    t->level = level;
    t->n = n;
    return rc;
}

static pl_rc source_node(void *ctx, unsigned height, uint64_t index, pl_hash *out, pl_error *err)
{
    tile_source    *t = ctx;
    unsigned        level = height / 8, row = height % 8;
    uint64_t        first = index << row;
    unsigned        at = (unsigned)(first % PL_TILE_WIDTH);
    pl_rc           rc = source_load(t, level, first / PL_TILE_WIDTH, err);

    if (rc != PL_OK)
        return rc;
    if (at + (1u << row) > t->width)
        return pl_fail(err, PL_INVALID, "no node %llu of height %u in a tree of size %llu",
                       (unsigned long long)index, height, (unsigned long long)t->size);
    *out = pl_merkle_complete(t->hash + at, 1u << row);
    return PL_OK;
}

pl_merkle_source pl_tile_source_init(tile_source *t, const char *dir, uint64_t size)
{
    t->dir = dir;
    t->size = size;
    t->width = 0;
    return (pl_merkle_source){ source_node, t };
}

pl_rc pl_tile_root(const char *dir, uint64_t published, uint64_t size, pl_hash *out, pl_error *err)
{
    tile_source     *t = malloc(sizeof(*t));
    pl_merkle_source s;
    pl_rc            rc;

    if (t == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    s = pl_tile_source_init(t, dir, published);
    rc = pl_merkle_root(&s, size, out, err);
    free(t);
    return rc;
}

/* --- the right edge -------------------------------------------------------------------- */

void pl_tile_edge_done(tile_edge *e)
{
    pl_buf_done(&e->bundle);
}

pl_rc pl_bundle_check(pl_str bundle, const pl_hash *hash, unsigned width, uint64_t first,
                      pl_error *err)
{
    pl_str   entry[PL_TILE_WIDTH] = { { NULL, 0 } };
    pl_hash  leaf[PL_TILE_WIDTH];
    unsigned n = 0;

    while (n < width && pl_bundle_take(&bundle, &entry[n], NULL) == PL_OK)
        n++;
    pl_merkle_leaves(entry, n, leaf);
    for (unsigned i = 0; i < n; i++)
        if (!pl_hash_equal(&leaf[i], &hash[i]))
            return pl_fail(err, PL_INVALID, "entry %llu does not have the hash of its tile",
                           (unsigned long long)(first + i));
    if (n < width)
        return pl_fail(err, PL_INVALID, "bundle of entry %llu ends before it",
                       (unsigned long long)(first + n));
    return PL_OK;
}

/* Keeps the first `width` entries of a bundle that may be longer. */
static void bundle_keep(pl_str bundle, unsigned width, pl_buf *out)
{
    pl_str entry;

    while (width-- > 0 && pl_bundle_take(&bundle, &entry, NULL) == PL_OK)
        pl_bundle_put(out, entry);
}

static pl_rc edge_bundle_load(tile_edge *e, const char *dir, pl_error *err)
{
    unsigned width = 0;
    char    *bytes = NULL;
    size_t   n = 0;
    pl_rc    rc;

    if (e->size % PL_TILE_WIDTH == 0)
        return PL_OK;
    rc = pl_bundle_read(dir, e->size, e->size / PL_TILE_WIDTH, &bytes, &n, &width, err);
    if (rc == PL_OK)
        rc = pl_bundle_check((pl_str){ bytes, n }, e->hash[0], width, e->size - width, err);
    if (rc == PL_OK) {
        bundle_keep((pl_str){ bytes, n }, width, &e->bundle);
        rc = pl_buf_check(&e->bundle, err);
    }
    free(bytes);
    return rc;
}

/* The nodes of the compact range are the complete subtrees the size is made of. */
static pl_rc range_load(const char *dir, uint64_t size, pl_merkle_range *range, pl_error *err)
{
    tile_source     *t = malloc(sizeof(*t));
    pl_merkle_source s;
    pl_rc            rc = PL_OK;

    if (t == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    s = pl_tile_source_init(t, dir, size);
    pl_merkle_range_init(range);
    for (unsigned l = 0; rc == PL_OK && l < 63; l++)
        if (size >> l & 1)
            rc = s.node(s.ctx, l, (size >> l) - 1, &range->node[l], err);
    range->size = size;
    free(t);
    return rc;
}

pl_rc pl_tile_edge_load(tile_edge *e, const char *dir, uint64_t size, pl_merkle_range *range,
                        pl_error *err)
{
    pl_rc rc = PL_OK;

    e->size = size;
    e->bundle = PL_BUF_INIT(LEDGER_BUNDLE_MAX);
    for (unsigned l = 0; rc == PL_OK && l < LEDGER_LEVELS; l++) {
        uint64_t have = size >> (8 * l);
        unsigned width;

        if (have % PL_TILE_WIDTH != 0)
            rc = pl_tile_read(dir, size, l, have / PL_TILE_WIDTH, e->hash[l], &width, err);
    }
    if (rc == PL_OK)
        rc = edge_bundle_load(e, dir, err);
    if (rc == PL_OK)
        rc = range_load(dir, size, range, err);
    return rc;
}

/* --- extending ------------------------------------------------------------------------- */

typedef struct extension {
    tile_edge  *e;
    const char *dir;
    touched     dirs;
    uint64_t    from; /* size before */

    tile_progress_fn progress;
    void            *ctx;
} extension;

static void progress_tell(const extension *x, size_t bytes)
{
    if (x->progress != NULL)
        x->progress(x->ctx, bytes);
}

static pl_rc tile_put(extension *x, int level, uint64_t n, unsigned width, pl_str bytes,
                      pl_error *err)
{
    char path[PATH_BYTES];

    pl_tile_path(level, n, width, path, sizeof(path));
    pl_fault_buffer("tile", (void *)(uintptr_t)bytes.p, bytes.n);
    return pl_ledger_put(x->dir, path, bytes, 0644, &x->dirs, err);
}

static pl_str hash_bytes(const pl_hash *h, unsigned width)
{
    return (pl_str){ (const char *)h, width * sizeof(*h) };
}

/* Adds one leaf; tiles that become full are written, from the lowest level upward. */
static pl_rc extend_one(extension *x, pl_str entry, pl_hash h, pl_error *err)
{
    tile_edge *e = x->e;
    uint64_t   at = e->size;
    pl_rc      rc = PL_OK;

    pl_bundle_put(&e->bundle, entry);
    e->size++;
    for (unsigned l = 0; l < LEDGER_LEVELS; l++) {
        e->hash[l][at % PL_TILE_WIDTH] = h;
        if (at % PL_TILE_WIDTH != PL_TILE_WIDTH - 1)
            return PL_OK;
        at /= PL_TILE_WIDTH;
        if (l == 0) {
            rc = pl_buf_check(&e->bundle, err);
            if (rc == PL_OK)
                rc = tile_put(x, -1, at, 0, pl_buf_str(&e->bundle), err);
            pl_buf_clear(&e->bundle);
        }
        if (rc == PL_OK)
            rc = tile_put(x, (int)l, at, 0, hash_bytes(e->hash[l], PL_TILE_WIDTH), err);
        if (rc != PL_OK)
            return rc;
        h = pl_merkle_complete(e->hash[l], PL_TILE_WIDTH);
    }
    return rc;
}

/* Writes the partial tiles of every level that changed. */
static pl_rc extend_partials(extension *x, pl_error *err)
{
    tile_edge *e = x->e;
    unsigned   width = (unsigned)(e->size % PL_TILE_WIDTH);
    pl_rc      rc = PL_OK;

    if (width != 0) {
        rc = pl_buf_check(&e->bundle, err);
        if (rc == PL_OK)
            rc = tile_put(x, -1, e->size / PL_TILE_WIDTH, width, pl_buf_str(&e->bundle), err);
    }
    for (unsigned l = 0; rc == PL_OK && l < LEDGER_LEVELS; l++) {
        uint64_t have = e->size >> (8 * l);

        width = (unsigned)(have % PL_TILE_WIDTH);
        if (width != 0 && have != x->from >> (8 * l))
            rc = tile_put(x, (int)l, have / PL_TILE_WIDTH, width, hash_bytes(e->hash[l], width),
                          err);
    }
    return rc;
}

/* Reads what was written, hashes the entries once more and computes the root from tiles:
 * a bit that flipped on the way is found before anything is signed over it.
 * REQ: evidence-ledger/7.15 */
static pl_rc extension_check(const extension *x, pl_hash *root, pl_error *err)
{
    const uint64_t   size = x->e->size;
    tile_source     *t = malloc(sizeof(*t));
    pl_merkle_source s;
    pl_rc            rc = PL_OK;

    if (t == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    s = pl_tile_source_init(t, x->dir, size);
    for (uint64_t n = x->from / PL_TILE_WIDTH; rc == PL_OK && n * PL_TILE_WIDTH < size; n++) {
        unsigned width = 0;
        char    *bytes = NULL;
        size_t   got = 0;

        rc = source_load(t, 0, n, err);
        if (rc == PL_OK)
            rc = pl_bundle_read(x->dir, size, n, &bytes, &got, &width, err);
        if (rc == PL_OK)
            rc = pl_bundle_check((pl_str){ bytes, got }, t->hash, width, n * PL_TILE_WIDTH, err);
        free(bytes);
        progress_tell(x, got);
    }
    if (rc == PL_OK)
        rc = pl_merkle_root(&s, size, root, err);
    free(t);
    return rc == PL_OK || rc == PL_NOMEM ? rc : PL_IO;
}

/* Up to PL_TILE_WIDTH entries, hashed together. */
static pl_rc extend_some(extension *x, pl_str *entries, unsigned count, pl_error *err)
{
    pl_str  entry[PL_TILE_WIDTH] = { { NULL, 0 } };
    pl_hash leaf[PL_TILE_WIDTH];
    pl_rc   rc = PL_OK;

    for (unsigned i = 0; rc == PL_OK && i < count; i++)
        rc = pl_bundle_take(entries, &entry[i], err);
    if (rc == PL_OK)
        pl_merkle_leaves(entry, count, leaf);
    for (unsigned i = 0; rc == PL_OK && i < count; i++)
        rc = extend_one(x, entry[i], leaf[i], err);
    return rc;
}

static pl_rc extension_write(extension *x, pl_str entries, uint64_t count, pl_error *err)
{
    pl_error settle_err;
    pl_rc    rc = PL_OK;

    while (rc == PL_OK && count > 0) {
        unsigned     n = count < PL_TILE_WIDTH ? (unsigned)count : PL_TILE_WIDTH;
        const size_t before = entries.n;

        rc = extend_some(x, &entries, n, err);
        count -= n;
        progress_tell(x, before - entries.n);
    }
    if (rc == PL_OK)
        rc = extend_partials(x, err);
    if (rc == PL_OK)
        rc = pl_touched_finish(&x->dirs, err);
    /* After a failure too: folders were made that the next attempt will find. */
    if (pl_touched_settle(&x->dirs, &settle_err) != PL_OK)
        rc = pl_fail(err, PL_IO, "%s", settle_err.text);
    return rc;
}

static tile_edge *edge_dup(const tile_edge *e)
{
    tile_edge *d = malloc(sizeof(*d));

    if (d == NULL)
        return NULL;
    memcpy(d, e, sizeof(*d));
    d->bundle = PL_BUF_INIT(LEDGER_BUNDLE_MAX);
    pl_buf_put(&d->bundle, pl_buf_str(&e->bundle));
    return d;
}

pl_rc pl_tile_edge_extend(tile_edge *e, const char *dir, pl_str entries, uint64_t count,
                          tile_progress_fn progress, void *ctx, pl_hash *root, pl_error *err)
{
    extension x = { .e = edge_dup(e), .dir = dir, .from = e->size, .progress = progress,
                    .ctx = ctx };
    pl_rc     rc;

    if (x.e == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    rc = extension_write(&x, entries, count, err);
    if (rc == PL_OK)
        rc = extension_check(&x, root, err);
    if (rc == PL_OK) {
        pl_tile_edge_done(e);
        memcpy(e, x.e, sizeof(*e));
    } else {
        pl_tile_edge_done(x.e);
    }
    free(x.e);
    return rc;
}

/* REQ: evidence-ledger/7.20 */
void pl_tile_sweep(const char *dir, uint64_t from, uint64_t to)
{
    char path[PATH_BYTES];

    for (int l = -1; l < LEDGER_LEVELS; l++) {
        unsigned level = l < 0 ? 0 : (unsigned)l;
        uint64_t n = (from >> (8 * level)) / PL_TILE_WIDTH;
        uint64_t end = (to >> (8 * level)) / PL_TILE_WIDTH;

        for (; n < end; n++) {
            size_t len;

            pl_tile_path(l, n, 0, path, sizeof(path));
            len = strlen(path);
            (void)snprintf(path + len, sizeof(path) - len, ".p");
            pl_ledger_sweep(dir, path, true);
        }
    }
}
