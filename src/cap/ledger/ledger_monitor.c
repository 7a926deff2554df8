#include "base/banned.h"

#include "base/str.h"
#include "cap/ledger/ledger_monitor.h"
#include "engine/log/note.h"

#define NOTE_FILE_MAX (1u << 20)
#define SAVE_EVERY    (64u * PL_TILE_WIDTH) /* entries between two saves */

/* One tile of each level is kept: entries come in order, and so do the tiles they touch. */
typedef struct held_tile {
    bool     is_held;
    uint64_t n;
    unsigned width;
    pl_hash  hash[PL_TILE_WIDTH];
} held_tile;

typedef struct look {
    const log_source *s;
    monitor_report   *r;
    monitor_memory   *m;
    const pl_vkey    *key;
    char              unsigned_why[256]; /* the head cannot be judged yet: a key is unknown */
    pl_merkle_range   range; /* everything taken */
    held_tile         tile[LEDGER_LEVELS];
} look;

/* What is wrong with the log, as against what went wrong with us. PL_INVALID ends the look. */
static pl_rc found(look *k, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static pl_rc found(look *k, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(k->r->problem, sizeof(k->r->problem), fmt, ap);
    va_end(ap);
    return PL_INVALID;
}

/* --- files --------------------------------------------------------------------------------- */

/* A tile or bundle of the head's size, or the full one that has replaced it. */
static pl_rc file_fetch(look *k, int level, uint64_t n, unsigned width, size_t max, char **out,
                        size_t *bytes, pl_error *err)
{
    char  path[128];
    pl_rc rc;

    pl_tile_path(level, n, width, path, sizeof(path));
    rc = k->s->read(k->s->ctx, path, max, out, bytes, err);
    if (rc == PL_NOTFOUND && width < PL_TILE_WIDTH) {
        pl_tile_path(level, n, 0, path, sizeof(path));
        rc = k->s->read(k->s->ctx, path, max, out, bytes, err);
    }
    if (rc == PL_NOTFOUND)
        return found(k, "%s: is not there, although a published head covers it", path);
    return rc == PL_LIMIT ? found(k, "%s: is too long", path) : rc;
}

static pl_rc tile_hold(look *k, unsigned level, uint64_t n, pl_error *err)
{
    held_tile *t = &k->tile[level];
    unsigned   width = pl_tile_width(k->r->head.size, level, n);
    char      *bytes = NULL;
    size_t     got = 0;
    pl_rc      rc;

    if (t->is_held && t->n == n)
        return PL_OK;
    t->is_held = false;
    rc = file_fetch(k, (int)level, n, width, sizeof(t->hash), &bytes, &got, err);
    if (rc != PL_OK)
        return rc;
    if (got != width * sizeof(pl_hash) && got != sizeof(t->hash)) {
        rc = found(k, "tile %llu of level %u: has %zu bytes", (unsigned long long)n, level, got);
    } else {
        memcpy(t->hash, bytes, width * sizeof(pl_hash));
        t->n = n;
        t->width = width;
        t->is_held = true;
    }
    free(bytes);
    return rc;
}

/* Position `at` of a level must be what the entries make it. */
static pl_rc node_check(look *k, unsigned level, uint64_t at, const pl_hash *want, pl_error *err)
{
    pl_rc rc = tile_hold(k, level, at / PL_TILE_WIDTH, err);

    if (rc == PL_OK && !pl_hash_equal(&k->tile[level].hash[at % PL_TILE_WIDTH], want))
        rc = found(k, "tile %llu of level %u: hash %u is not that of the entries below it",
                   (unsigned long long)(at / PL_TILE_WIDTH), level, (unsigned)(at % PL_TILE_WIDTH));
    return rc;
}

/* --- entries -------------------------------------------------------------------------------- */

/* Appends a leaf as pl_merkle_range_append does, and looks at every tile position that it
 * completes on its way up. */
static pl_rc leaf_take(look *k, const pl_hash *leaf, pl_error *err)
{
    pl_merkle_range *r = &k->range;
    pl_hash          h = *leaf;
    unsigned         l = 0;
    pl_rc            rc = node_check(k, 0, r->size, leaf, err);

    for (; rc == PL_OK && (r->size >> l & 1); l++) {
        h = pl_merkle_node(&r->node[l], &h);
        if ((l + 1) % 8 == 0)
            rc = node_check(k, (l + 1) / 8, r->size >> (l + 1), &h, err);
    }
    if (rc != PL_OK)
        return rc;
    r->node[l] = h;
    r->size++;
    return PL_OK;
}

static pl_rc bundle_walk(look *k, uint64_t n, pl_str rest, pl_error *err)
{
    unsigned width = pl_tile_width(k->r->head.size, 0, n);
    pl_rc    rc = PL_OK;

    for (unsigned i = 0; rc == PL_OK && i < width; i++) {
        uint64_t index = n * PL_TILE_WIDTH + i;
        pl_str   entry;
        pl_hash  leaf;

        if (pl_bundle_take(&rest, &entry, NULL) != PL_OK)
            return found(k, "bundle %llu: ends before entry %llu", (unsigned long long)n,
                         (unsigned long long)index);
        leaf = pl_merkle_leaf(entry);
        /* Entries taken before are in the range; here they must still be the same. */
        if (index < k->range.size) {
            rc = node_check(k, 0, index, &leaf, err);
        } else {
            rc = leaf_take(k, &leaf, err);
            if (rc == PL_OK)
                rc = pl_monitor_event_add(k->m, index, entry, err);
        }
    }
    return rc;
}

static pl_rc bundle_take(look *k, uint64_t n, pl_error *err)
{
    unsigned width = pl_tile_width(k->r->head.size, 0, n);
    char    *bytes = NULL;
    size_t   got = 0;
    pl_rc    rc = file_fetch(k, -1, n, width, LEDGER_BUNDLE_MAX, &bytes, &got, err);

    if (rc == PL_OK)
        rc = bundle_walk(k, n, (pl_str){ bytes, got }, err);
    free(bytes);
    return rc;
}

/* --- one look ------------------------------------------------------------------------------- */

/* Whether one of the log's keys, alive then, signed the head; by the key events taken so far. */
static pl_rc head_judge(look *k, pl_error *why)
{
    pl_key_history *h = NULL;
    pl_rc           rc = pl_monitor_history(k->m, k->key, &h, why);

    if (rc == PL_OK)
        rc = pl_key_history_checkpoint(h, pl_str_z(k->r->note), &k->r->head, why);
    pl_key_history_free(h);
    return rc;
}

/* What a head claims that nobody is known to have signed. */
static pl_rc head_claim(look *k)
{
    pl_note *note = NULL;
    pl_rc    rc = pl_note_open(pl_str_z(k->r->note), &note, NULL);

    if (rc == PL_OK)
        rc = pl_checkpoint_parse(note->text, &k->r->head, NULL);
    if (rc == PL_OK && strcmp(k->r->head.origin, k->key->name) != 0)
        rc = PL_INVALID;
    pl_note_free(note);
    return rc;
}

/* The head may be signed by a key that an entry behind what is known made the log's: then it is
 * judged when these are taken. */
static pl_rc head_fetch(look *k, pl_error *err)
{
    pl_error why = { PL_OK, "" };
    size_t   n = 0;
    pl_rc    rc = k->s->read(k->s->ctx, "checkpoint", NOTE_FILE_MAX, &k->r->note, &n, err);

    if (rc == PL_NOTFOUND)
        return found(k, "checkpoint: is not there");
    if (rc != PL_OK)
        return rc;
    if (strlen(k->r->note) != n)
        return found(k, "checkpoint: is no text");
    rc = head_judge(k, &why);
    if (rc == PL_OK || rc == PL_NOMEM)
        return rc;
    (void)snprintf(k->unsigned_why, sizeof(k->unsigned_why), "%s", why.text);
    if (head_claim(k) != PL_OK || k->r->head.size <= k->m->seen.size)
        return found(k, "checkpoint: %.250s", why.text);
    return PL_OK;
}

static pl_rc head_compare(look *k, const monitor_memory *m)
{
    pl_hash root = pl_merkle_range_root(&m->seen);

    if (m->note == NULL)
        return PL_OK;
    if (k->r->head.size < m->seen.size)
        return found(k, "the log shows %llu entries, %llu were seen before",
                     (unsigned long long)k->r->head.size, (unsigned long long)m->seen.size);
    if (k->r->head.size == m->seen.size && !pl_hash_equal(&k->r->head.root, &root))
        return found(k, "two heads of %llu entries are signed", (unsigned long long)m->seen.size);
    return PL_OK;
}

typedef struct way {
    pl_rc (*save)(void *ctx, const monitor_memory *m);
    void *ctx;
    void (*progress)(void *ctx, uint64_t done, uint64_t total);
    void *pctx;
} way;

static pl_rc entries_take(look *k, monitor_memory *m, const way *w, pl_error *err)
{
    const uint64_t size = k->r->head.size;
    pl_rc          rc = PL_OK;

    for (uint64_t n = k->range.size / PL_TILE_WIDTH; rc == PL_OK && k->range.size < size; n++) {
        rc = bundle_take(k, n, err);
        if (w->progress != NULL)
            w->progress(w->pctx, k->range.size, size);
        if (rc == PL_OK && w->save != NULL && k->range.size < size &&
            k->range.size >= m->ahead.size + SAVE_EVERY) {
            m->ahead = k->range;
            rc = w->save(w->ctx, m);
        }
    }
    return rc;
}

static pl_rc look_from(look *k, const pl_merkle_range *start, monitor_memory *m, const way *w,
                       pl_error *err)
{
    pl_hash  root;
    pl_error why = { PL_OK, "" };
    pl_rc    rc;

    k->range = *start;
    pl_monitor_events_trim(m, start->size);
    rc = entries_take(k, m, w, err);
    if (rc == PL_INVALID && k->unsigned_why[0] != '\0') /* nobody vouched for that head */
        return found(k, "checkpoint: %.250s", k->unsigned_why);
    if (rc != PL_OK)
        return rc;
    rc = head_judge(k, &why);
    if (rc != PL_OK)
        return rc == PL_NOMEM ? pl_fail(err, rc, "%s", why.text)
                              : found(k, "checkpoint: %.250s", why.text);
    root = pl_merkle_range_root(&k->range);
    if (!pl_hash_equal(&root, &k->r->head.root))
        return found(k, "the entries do not have the root of the head of %llu entries: it does not "
                     "extend that of %llu", (unsigned long long)k->r->head.size,
                     (unsigned long long)m->seen.size);
    return PL_OK;
}

static pl_rc look_all(look *k, monitor_memory *m, const way *w, pl_error *err)
{
    bool  has_way = m->ahead.size > m->seen.size;
    pl_rc rc = head_fetch(k, err);

    if (rc == PL_OK)
        rc = head_compare(k, m);
    if (rc != PL_OK)
        return rc;
    has_way = has_way && m->ahead.size <= k->r->head.size;
    rc = look_from(k, has_way ? &m->ahead : &m->seen, m, w, err);
    /* What was taken under no head might have been served wrong and put right since. */
    if (rc == PL_INVALID && has_way) {
        k->r->problem[0] = '\0';
        m->ahead = m->seen;
        memset(k->tile, 0, sizeof(k->tile));
        rc = look_from(k, &m->seen, m, w, err);
    }
    return rc;
}

pl_rc pl_monitor_look(const log_source *s, const pl_vkey *key, monitor_memory *m,
                      pl_rc (*save)(void *ctx, const monitor_memory *m), void *ctx,
                      void (*progress)(void *ctx, uint64_t done, uint64_t total), void *pctx,
                      monitor_report *out, pl_error *err)
{
    look *k = calloc(1, sizeof(*k));
    way   w = { save, ctx, progress, pctx };
    pl_rc rc;

    *out = (monitor_report){ .before = m->seen.size };
    if (k == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    k->s = s;
    k->r = out;
    k->m = m;
    k->key = key;
    rc = look_all(k, m, &w, err);
    if (rc == PL_OK) {
        char *copy = pl_str_dup(pl_str_z(out->note));

        if (copy != NULL) {
            free(m->note);
            m->note = copy;
            m->seen = m->ahead = k->range;
        } else {
            rc = pl_fail(err, PL_NOMEM, "out of memory");
        }
    }
    free(k);
    pl_monitor_events_trim(m, m->ahead.size);
    return rc == PL_INVALID && out->problem[0] != '\0' ? PL_OK : rc;
}
