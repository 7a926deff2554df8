/* Checks a published log offline. Each level of tiles is compared with the one below it,
 * entries with the lowest, the root with all of them: a single defect is named where it
 * is, and nothing that can still be checked is left out because of it. */
#include "base/banned.h"

#include "base/file.h"
#include "base/str.h"
#include "base/utf8.h"
#include "cap/ledger/ledger_int.h"
#include "engine/log/merkle_many.h"

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PATH_BYTES   128
#define PROBLEMS_MAX 1000
#define NOTE_MAX     (1u << 20)

/* Damaged files put anything into messages: what is no text, or would act on a terminal,
 * becomes a question mark. */
static void text_clean(char *text)
{
    bool is_utf8 = pl_utf8_valid(pl_str_z(text));

    for (; *text != '\0'; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f || (!is_utf8 && (*text & 0x80)))
            *text = '?';
}

void pl_ledger_verify_problem(verifier *v, const char *fmt, ...)
{
    char    text[512];
    va_list ap;

    if (json_array_size(v->report->problems) >= PROBLEMS_MAX) {
        v->unlisted++;
        return;
    }
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    text_clean(text);
    if (json_array_append_new(v->report->problems, json_string(text)) != 0)
        v->unlisted++;
}

/* --- what the log says it is ----------------------------------------------------------- */

static pl_rc checkpoint_load(verifier *v, pl_checkpoint *out, pl_error *err)
{
    char  *note = NULL;
    size_t n = 0;
    pl_rc  rc = pl_ledger_read(v->dir, "checkpoint", NOTE_MAX, &note, &n, err);

    if (rc == PL_OK)
        rc = pl_key_history_checkpoint(v->keys, (pl_str){ note, n }, out, err);
    free(note);
    return rc;
}

/* A running daemon may be writing a slot while it is read: look again before judging. */
static unsigned head_damage_settled(int fd)
{
    const struct timespec moment = { .tv_nsec = 20 * 1000 * 1000 };
    unsigned              bad = 0;

    for (int i = 0; i < 3; i++) {
        if (pl_head_damage(fd, &bad, NULL) != PL_OK || bad == 0)
            return bad;
        (void)nanosleep(&moment, NULL);
    }
    return bad;
}

/* The writer's own record; absent from copies of the published files. */
static bool head_load(verifier *v, pl_checkpoint *out)
{
    head_record r;
    pl_error    err;
    int         fd = -1;
    unsigned    bad;
    pl_rc       rc = pl_head_open(v->dir, false, &fd, &err);

    if (rc == PL_NOTFOUND)
        return false;
    if (rc == PL_OK) {
        bad = head_damage_settled(fd);
        for (unsigned i = 0; i < 2; i++)
            if (bad >> i & 1)
                pl_ledger_verify_problem(v, "head: record %u is damaged", i);
        rc = pl_head_read(fd, &r, &err);
        (void)close(fd);
    }
    if (rc == PL_OK)
        rc = pl_key_history_checkpoint(v->keys, (pl_str){ r.note, r.note_n }, out, &err);
    if (rc != PL_OK)
        pl_ledger_verify_problem(v, "head: %s", err.text);
    return rc == PL_OK;
}

/* Decides what to check against: the checkpoint, or the head record when that is spoilt. */
static bool check_head(verifier *v)
{
    pl_checkpoint own;
    pl_error      err;
    bool          has_checkpoint = checkpoint_load(v, &v->head, &err) == PL_OK;
    bool          has_record;

    if (!has_checkpoint)
        pl_ledger_verify_problem(v, "checkpoint: %s", err.text);
    has_record = head_load(v, &own);
    if (has_checkpoint && has_record) {
        if (own.size < v->head.size)
            pl_ledger_verify_problem(v, "head: covers %llu entries, the checkpoint %llu",
                                     (unsigned long long)own.size,
                                     (unsigned long long)v->head.size);
        else if (own.size == v->head.size && !pl_hash_equal(&own.root, &v->head.root))
            pl_ledger_verify_problem(v, "head: another root than the checkpoint's for size %llu",
                                     (unsigned long long)own.size);
    }
    if (!has_checkpoint && has_record)
        v->head = own;
    return has_checkpoint || has_record;
}

/* --- statements ------------------------------------------------------------------------ */

/* The content is checked with all payloads; here only what the statement adds to it. */
static void payload_binding(verifier *v, uint64_t index, const json_t *predicate)
{
    pl_str      hex = PL_STR("");
    int64_t     bytes = -1;
    uint8_t     digest[32];
    char        rel[128], *path;
    struct stat st;

    if (json_object_get(predicate, "payload_sha256") == NULL)
        return;
    if (pl_json_get_str(predicate, "payload_sha256", true, &hex, NULL) != PL_OK ||
        pl_hex_decode(hex, digest, sizeof(digest), NULL) != PL_OK) {
        pl_ledger_verify_problem(v, "entry %llu: 'payload_sha256' is not a digest",
                                 (unsigned long long)index);
        return;
    }
    (void)pl_json_get_int(predicate, "payload_bytes", false, &bytes, NULL);
    (void)snprintf(rel, sizeof(rel), "payload/%.2s/" PL_STR_FMT, hex.p, PL_STR_ARG(hex));
    path = pl_path_join(v->dir, rel);
    if (path == NULL || stat(path, &st) != 0) {
        if (v->has_payloads)
            pl_ledger_verify_missing(v, index);
    } else if (bytes >= 0 && st.st_size != bytes)
        pl_ledger_verify_problem(v, "%s: has %lld bytes, entry %llu says %lld", rel,
                                 (long long)st.st_size, (unsigned long long)index,
                                 (long long)bytes);
    free(path);
}

static pl_rc statement_judge(verifier *v, uint64_t index, pl_str entry, const pl_dsse *d,
                             pl_error *err)
{
    statement_view s;
    json_t        *j = NULL;
    pl_rc          rc = PL_OK;

    if (strcmp(d->payload_type, PL_DSSE_INTOTO) != 0)
        return pl_fail(err, PL_INVALID, "payload type is '%.80s'", d->payload_type);
    rc = pl_json_parse((pl_str){ d->payload, d->payload_n }, "statement", &j, err);
    if (rc == PL_OK)
        rc = pl_statement_read(j, &s, err);
    if (rc == PL_OK) {
        pl_ledger_verify_signers(v, index, d);
        if (s.time_ms > v->report->latest_ms)
            v->report->latest_ms = s.time_ms;
        if (pl_str_eqz(s.type, PL_PREDICATE("key-event")))
            pl_ledger_verify_key_event(v, index, entry);
        if (pl_str_eqz(s.type, PL_PREDICATE("deletion")))
            pl_ledger_verify_deletion(v, index, s.predicate);
        payload_binding(v, index, s.predicate);
    }
    json_decref(j);
    return rc;
}

static void check_statement(verifier *v, uint64_t index, pl_str entry)
{
    pl_dsse  d;
    pl_error err;
    pl_rc    rc = pl_dsse_open(entry, pl_key_history_keys(v->keys), pl_key_history_count(v->keys),
                                &d, &err);

    if (rc == PL_OK) {
        rc = statement_judge(v, index, entry, &d, &err);
        pl_dsse_done(&d);
    }
    if (rc != PL_OK)
        pl_ledger_verify_problem(v, "entry %llu: %s", (unsigned long long)index, err.text);
}

/* --- entries and tiles ----------------------------------------------------------------- */

/* A bundle wider than needed is the full one that replaced a partial one. */
static bool rest_is_sound(pl_str rest, unsigned width)
{
    pl_str entry;

    if (rest.n == 0)
        return true;
    for (; width < PL_TILE_WIDTH; width++)
        if (pl_bundle_take(&rest, &entry, NULL) != PL_OK)
            return false;
    return rest.n == 0;
}

/* stored: the hashes of the tile at tile_path, or NULL when it could not be read. */
static void check_entries(verifier *v, uint64_t n, pl_str bundle, unsigned width, const char *path,
                          const pl_hash *stored, const char *tile_path)
{
    pl_str   entry[PL_TILE_WIDTH] = { { NULL, 0 } };
    pl_hash  leaf[PL_TILE_WIDTH];
    unsigned have = 0;

    while (have < width && pl_bundle_take(&bundle, &entry[have], NULL) == PL_OK)
        have++;
    pl_merkle_leaves(entry, have, leaf);
    for (unsigned i = 0; i < have; i++) {
        uint64_t index = n * PL_TILE_WIDTH + i;

        if (stored != NULL && !pl_hash_equal(&leaf[i], &stored[i]))
            pl_ledger_verify_problem(v, "%s: entry %llu does not have its hash in %s", path,
                                     (unsigned long long)index, tile_path);
        check_statement(v, index, entry[i]);
    }
    if (have < width)
        pl_ledger_verify_problem(v, "%s: ends before entry %llu", path,
                                 (unsigned long long)(n * PL_TILE_WIDTH + have));
    else if (!rest_is_sound(bundle, width))
        pl_ledger_verify_problem(v, "%s: has bytes after its last entry", path);
}

static void check_bundle(verifier *v, uint64_t n)
{
    const unsigned want = pl_tile_width(v->head.size, 0, n);
    pl_hash        hash[PL_TILE_WIDTH];
    unsigned       width = 0;
    char           path[PATH_BYTES], tile[PATH_BYTES], *bundle = NULL;
    size_t         bytes = 0;
    pl_error       err;
    bool           has_tile;

    pl_tile_path(0, n, want, tile, sizeof(tile));
    pl_tile_path(-1, n, want, path, sizeof(path));
    has_tile = pl_tile_read(v->dir, v->head.size, 0, n, hash, &width, &err) == PL_OK;
    if (!has_tile)
        pl_ledger_verify_problem(v, "%s: %s", tile, err.text);
    if (pl_bundle_read(v->dir, v->head.size, n, &bundle, &bytes, &width, &err) == PL_OK)
        check_entries(v, n, (pl_str){ bundle, bytes }, width, path, has_tile ? hash : NULL, tile);
    else
        pl_ledger_verify_problem(v, "%s: %s", path, err.text);
    free(bundle);
}

static void check_lowest(verifier *v)
{
    const uint64_t size = v->head.size;

    for (uint64_t n = 0; n * PL_TILE_WIDTH < size; n++) {
        if (v->progress != NULL)
            v->progress(v->ctx, n * PL_TILE_WIDTH, size);
        check_bundle(v, n);
    }
    if (v->progress != NULL)
        v->progress(v->ctx, size, size);
}

/* Each hash of an upper tile is the root of a full tile below it. */
static void check_upper_tile(verifier *v, unsigned level, uint64_t n)
{
    pl_hash  hash[PL_TILE_WIDTH], below[PL_TILE_WIDTH];
    unsigned width = 0, ignored;
    char     path[PATH_BYTES];
    pl_error err;

    pl_tile_path((int)level, n, pl_tile_width(v->head.size, level, n), path, sizeof(path));
    if (pl_tile_read(v->dir, v->head.size, level, n, hash, &width, &err) != PL_OK) {
        pl_ledger_verify_problem(v, "%s: %s", path, err.text);
        return;
    }
    for (unsigned i = 0; i < width; i++) {
        pl_hash root;

        /* A tile that cannot be read was reported on its own level. */
        if (pl_tile_read(v->dir, v->head.size, level - 1, n * PL_TILE_WIDTH + i, below, &ignored,
                         NULL) != PL_OK)
            continue;
        root = pl_merkle_complete(below, PL_TILE_WIDTH);
        if (!pl_hash_equal(&root, &hash[i]))
            pl_ledger_verify_problem(v, "%s: hash %u is not the root of the tile below it", path,
                                     i);
    }
}

static void check_upper(verifier *v)
{
    for (unsigned l = 1; l < LEDGER_LEVELS; l++)
        for (uint64_t n = 0; n * PL_TILE_WIDTH < v->head.size >> (8 * l); n++)
            check_upper_tile(v, l, n);
}

static void check_root(verifier *v)
{
    tile_source     *t = malloc(sizeof(*t));
    pl_merkle_source s;
    pl_hash          root;
    pl_error         err = { PL_NOMEM, "out of memory" };
    pl_rc            rc = PL_NOMEM;

    if (t != NULL) {
        s = pl_tile_source_init(t, v->dir, v->head.size);
        rc = pl_merkle_root(&s, v->head.size, &root, &err);
    }
    free(t);
    if (rc != PL_OK)
        pl_ledger_verify_problem(v, "root: %s", err.text);
    else if (!pl_hash_equal(&root, &v->head.root))
        pl_ledger_verify_problem(v, "root: the tiles do not have the root of the checkpoint");
}

/* --- report ---------------------------------------------------------------------------- */

static pl_rc report_init(pl_ledger_report *r, pl_error *err)
{
    *r = (pl_ledger_report){ .size = 0 };
    r->problems = json_array();
    r->signers = json_array();
    r->erased = json_array();
    if (r->problems != NULL && r->signers != NULL && r->erased != NULL)
        return PL_OK;
    pl_ledger_report_done(r);
    return pl_fail(err, PL_NOMEM, "out of memory");
}

void pl_ledger_report_done(pl_ledger_report *r)
{
    json_decref(r->problems);
    json_decref(r->signers);
    json_decref(r->erased);
    r->problems = r->signers = r->erased = NULL;
}

static void check_all(verifier *v)
{
    pl_ledger_verify_keys(v);
    if (check_head(v)) {
        v->report->size = v->head.size;
        v->report->root = v->head.root;
        check_lowest(v);
        check_upper(v);
        check_root(v);
        pl_ledger_verify_partials(v);
        pl_ledger_verify_stamps(v);
    }
    pl_ledger_verify_payloads(v);
    pl_ledger_verify_gone(v);
    pl_ledger_verify_signers_list(v);
    if (v->unlisted > 0)
        (void)json_array_append_new(v->report->problems,
                                    json_sprintf("%zu more problems", v->unlisted));
}

pl_rc pl_ledger_verify(const char *dir, const pl_vkey *key, pl_ledger_report *out,
                       void (*progress)(void *ctx, uint64_t done, uint64_t total), void *ctx,
                       pl_error *err)
{
    pl_ledger_report r;
    verifier        *v;
    pl_rc            rc;

    if (access(dir, R_OK | X_OK) != 0)
        return pl_fail(err, PL_IO, "cannot read the ledger '%s'", dir);
    rc = report_init(&r, err);
    if (rc != PL_OK)
        return rc;
    v = calloc(1, sizeof(*v));
    rc = v ? pl_key_history_new(key, &v->keys, err) : pl_fail(err, PL_NOMEM, "out of memory");
    if (rc != PL_OK) {
        free(v);
        pl_ledger_report_done(&r);
        return rc;
    }
    v->dir = dir;
    v->has_payloads = pl_ledger_has(dir, "payload");
    v->key = key;
    v->report = &r;
    v->progress = progress;
    v->ctx = ctx;
    check_all(v);
    pl_key_history_free(v->keys);
    free(v);
    *out = r;
    return PL_OK;
}
