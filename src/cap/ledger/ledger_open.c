/* Opening and recovering a log. */
#include "base/banned.h"

#include "base/fault.h"
#include "base/file.h"
#include "base/str.h"
#include "cap/ledger/ledger_int.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#define NOTE_FILE_MAX (1u << 20) /* cosignatures may be added to the file by others */

/* --- what both kinds of opening read --------------------------------------------------- */

static pl_ledger *object_new(const char *dir)
{
    pl_ledger         *l = calloc(1, sizeof(*l));
    pthread_condattr_t monotonic;

    if (l == NULL)
        return NULL;
    l->lock_fd = l->head_fd = l->wal.fd = -1;
    l->pending.entries = PL_BUF_INIT(LEDGER_PENDING_MAX);
    l->held.entries = PL_BUF_INIT(LEDGER_PENDING_MAX);
    l->edge.bundle = PL_BUF_INIT(LEDGER_BUNDLE_MAX);
    (void)pthread_mutex_init(&l->publishing, NULL);
    (void)pthread_mutex_init(&l->requesting, NULL);
    (void)pthread_mutex_init(&l->state, NULL);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&l->turn, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    l->dir = pl_str_dup(pl_str_z(dir));
    if (l->dir == NULL) {
        pl_ledger_close(l);
        return NULL;
    }
    return l;
}

void pl_ledger_close(pl_ledger *l)
{
    if (l == NULL)
        return;
    pl_wal_close(&l->wal);
    if (l->head_fd >= 0)
        (void)close(l->head_fd);
    pl_tile_edge_done(&l->edge);
    pl_waiting_done(&l->held);
    pl_waiting_done(&l->pending);
    free(l->requests);
    free(l->note);
    free(l->dir);
    (void)pthread_mutex_destroy(&l->publishing);
    (void)pthread_mutex_destroy(&l->requesting);
    (void)pthread_mutex_destroy(&l->state);
    (void)pthread_cond_destroy(&l->turn);
    if (l->lock_fd >= 0)
        (void)close(l->lock_fd); /* last: it lets the next writer in */
    free(l);
}

static pl_rc keys_read(pl_ledger *l, pl_error *err)
{
    char  origin[256];
    pl_rc rc = pl_ledger_vkeys_read(l->dir, l->keys, &l->nkeys, err);

    if (rc == PL_OK)
        rc = pl_ledger_read_line(l->dir, "origin", origin, sizeof(origin), err);
    if (rc == PL_OK && strcmp(origin, l->keys[0].name) != 0)
        rc = pl_fail(err, PL_INVALID, "ledger of '%s' holds the key of '%s'", origin,
                     l->keys[0].name);
    if (rc == PL_OK)
        l->key = l->keys[0];
    return rc;
}

/* The published checkpoint, verified; signed_by has a flag for each of l's keys. */
static pl_rc checkpoint_read(pl_ledger *l, uint8_t *signed_by, pl_error *err)
{
    char         *bytes = NULL;
    size_t        got = 0;
    pl_checkpoint head;
    pl_rc         rc = pl_ledger_read(l->dir, "checkpoint", NOTE_FILE_MAX, &bytes, &got, err);

    if (rc == PL_OK)
        rc = pl_checkpoint_open_any((pl_str){ bytes, got }, l->keys, l->nkeys, &head, signed_by,
                                    err);
    if (rc != PL_OK) {
        free(bytes);
        return rc;
    }
    free(l->note);
    l->head = head;
    l->note = bytes;
    l->note_n = got;
    return PL_OK;
}

pl_rc pl_ledger_open_reader(const char *dir, pl_ledger **out, pl_error *err)
{
    pl_ledger *l = object_new(dir);
    pl_rc      rc;

    if (l == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    rc = keys_read(l, err);
    if (rc == PL_OK)
        rc = checkpoint_read(l, NULL, err);
    if (rc != PL_OK) {
        pl_ledger_close(l);
        return rc;
    }
    *out = l;
    return PL_OK;
}

/* --- opening for writing --------------------------------------------------------------- */

/* linux/magic.h, and where it has none, the source of the file system. */
bool pl_ledger_is_shared_fs(unsigned long type)
{
    static const unsigned long types[] = {
        0x6969,     /* NFS     */
        0x517b,     /* SMB     */
        0xff534d42, /* CIFS    */
        0xfe534d42, /* SMB 2   */
        0x5346414f, /* AFS     */
        0x73757245, /* Coda    */
        0x00c36400, /* Ceph    */
        0x0bd00bd0, /* Lustre  */
        0x7461636f, /* OCFS2   */
        0x01161970, /* GFS2    */
    };

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (type == types[i])
            return true;
    return false;
}

/* There, neither a lock nor a flush is what this log relies on. REQ: evidence-ledger/7.14 */
static pl_rc place_check(const char *dir, pl_error *err)
{
    struct statfs fs;

    if (statfs(dir, &fs) == 0 && pl_ledger_is_shared_fs((unsigned long)fs.f_type & 0xffffffffu))
        return pl_fail(err, PL_INVALID,
                       "ledger '%s' is on a network file system: move it to a local one", dir);
    return PL_OK;
}

static pl_rc lock_take(pl_ledger *l, pl_error *err)
{
    char *path = NULL;
    pl_rc rc = place_check(l->dir, err);

    if (rc == PL_OK)
        rc = pl_ledger_path(l->dir, "lock", &path, err);
    if (rc == PL_OK)
        rc = pl_lock_file(path, &l->lock_fd, err);
    free(path);
    if (rc == PL_CONFLICT)
        return pl_fail(err, PL_CONFLICT,
                       "ledger '%s' is in use by another process: plumblined is its only writer "
                       "while it runs",
                       l->dir);
    return rc;
}

/* REQ: evidence-ledger/7.16 */
static bool is_ours(const pl_ledger *l, const pl_vkey *k)
{
    for (size_t i = 0; i < l->nkeys; i++)
        if (pl_vkey_equal(&l->keys[i], k))
            return true;
    return false;
}

static pl_rc keys_match(pl_ledger *l, pl_error *err)
{
    pl_rc rc = keys_read(l, err);

    for (size_t i = 0; rc == PL_OK && i < pl_signer_count(l->signer); i++) {
        const pl_vkey *k = pl_signer_key(l->signer, i);

        if (strcmp(k->name, l->key.name) != 0)
            rc = pl_fail(err, PL_INVALID, "ledger belongs to origin '%s', not to '%s'",
                         l->key.name, k->name);
        else if (!is_ours(l, k))
            rc = pl_fail(err, PL_INVALID, "ledger '%s' was made with another key", l->key.name);
    }
    return rc;
}

static pl_rc record_check(const pl_ledger *l, pl_error *err)
{
    pl_checkpoint c;
    pl_rc rc = pl_checkpoint_open_any((pl_str){ l->record.note, l->record.note_n }, l->keys,
                                      l->nkeys, &c, NULL, err);

    if (rc == PL_OK && (c.size != l->record.size || !pl_hash_equal(&c.root, &l->record.root)))
        rc = pl_fail(err, PL_INVALID, "file 'head' contradicts its own checkpoint");
    return rc;
}

/* Whether every key of the signer has its line in the published checkpoint. */
static bool all_signed(const pl_ledger *l, const uint8_t *signed_by)
{
    for (size_t i = 0; i < pl_signer_count(l->signer); i++)
        for (size_t j = 0; j < l->nkeys; j++)
            if (pl_vkey_equal(&l->keys[j], pl_signer_key(l->signer, i)) && !signed_by[j])
                return false;
    return true;
}

/* Compares what was published with what the head record says was signed. PL_NOTFOUND:
 * the record is newer, a crash came between the two; or a key has not signed yet.
 * REQ: evidence-ledger/7.8 */
static pl_rc checkpoint_check(pl_ledger *l, pl_error *err)
{
    const head_record *r = &l->record;
    uint8_t            signed_by[LEDGER_VKEYS_MAX];
    pl_rc              rc = checkpoint_read(l, signed_by, err);

    if (rc != PL_OK)
        return rc;
    if (l->head.size > r->size)
        return pl_fail(err, PL_INVALID,
                       "published checkpoint covers %llu entries but the head record only %llu: "
                       "the folder was set back to an older state and can only be read",
                       (unsigned long long)l->head.size, (unsigned long long)r->size);
    if (l->head.size == r->size && !pl_hash_equal(&l->head.root, &r->root))
        return pl_fail(err, PL_INVALID, "two roots were signed for size %llu",
                       (unsigned long long)r->size);
    return l->head.size < r->size || !all_signed(l, signed_by) ? PL_NOTFOUND : PL_OK;
}

static pl_rc head_load(pl_ledger *l, pl_error *err)
{
    pl_rc rc = pl_head_open(l->dir, false, &l->head_fd, err);

    if (rc == PL_OK)
        rc = pl_head_read(l->head_fd, &l->record, err);
    return rc == PL_OK ? record_check(l, err) : rc;
}

pl_rc pl_ledger_checkpoint_put(const char *dir, const head_record *r, pl_error *err)
{
    touched t = { .dirs = NULL };
    pl_rc   rc = pl_ledger_put(dir, "checkpoint", (pl_str){ r->note, r->note_n }, 0644, &t, err);

    if (rc == PL_OK)
        rc = pl_touched_sync(&t, err);
    pl_touched_done(&t);
    return rc;
}

/* Signs the size and root of the record again, with the keys of today, and publishes them.
 * The record first: it must be the new key's, or the next opening could not read it. */
static pl_rc checkpoint_renew(pl_ledger *l, pl_error *err)
{
    pl_rc rc = pl_ledger_record_sign(&l->record, l->key.name, l->signer, err);

    if (rc == PL_OK)
        rc = pl_head_write(l->head_fd, &l->record, err);
    if (rc == PL_OK)
        rc = pl_ledger_checkpoint_put(l->dir, &l->record, err);
    return rc == PL_OK ? checkpoint_read(l, NULL, err) : rc;
}

static pl_rc edge_load(pl_ledger *l, pl_error *err)
{
    pl_hash root;
    pl_rc   rc = pl_tile_edge_load(&l->edge, l->dir, l->record.size, &l->range, err);

    if (rc != PL_OK)
        return rc;
    root = pl_merkle_range_root(&l->range);
    if (!pl_hash_equal(&root, &l->record.root))
        return pl_fail(err, PL_INVALID, "tiles do not have the root that was signed for size %llu",
                       (unsigned long long)l->record.size);
    return PL_OK;
}

/* Entries of the write-ahead log: published ones must be the published bytes, later
 * ones wait for publication. */
typedef struct replay {
    pl_ledger *l;
    pl_str     published; /* rest of the unfinished bundle */
} replay;

static pl_rc replay_entry(void *ctx, uint64_t index, pl_str entry, pl_error *err)
{
    replay *r = ctx;
    pl_str  known;

    if (index >= r->l->record.size)
        return pl_ledger_pending_add(r->l, entry, err);
    if (pl_bundle_take(&r->published, &known, NULL) != PL_OK || !pl_str_eq(known, entry))
        return pl_fail(err, PL_INVALID, "entry %llu differs between write-ahead log and bundle",
                       (unsigned long long)index);
    return PL_OK;
}

static pl_rc wal_recover(pl_ledger *l, size_t segment_bytes, pl_error *err)
{
    const uint64_t size = l->record.size;
    replay         r = { .l = l, .published = pl_buf_str(&l->edge.bundle) };

    return pl_wal_open(&l->wal, l->dir, segment_bytes, size - size % PL_TILE_WIDTH, size,
                       replay_entry, &r, err);
}

static pl_rc writer_recover(pl_ledger *l, size_t segment_bytes, pl_error *err)
{
    pl_error why = { PL_OK, "" };
    bool     is_behind;
    pl_rc    rc = lock_take(l, err);

    if (rc == PL_OK)
        rc = keys_match(l, err);
    if (rc == PL_OK)
        rc = head_load(l, err);
    if (rc != PL_OK)
        return rc;
    rc = checkpoint_check(l, &why);
    is_behind = rc == PL_NOTFOUND;
    if (rc != PL_OK && !is_behind)
        return pl_fail(err, rc, "%s", why.text);
    rc = edge_load(l, err);
    if (rc == PL_OK)
        rc = pl_ledger_folders_make(l->dir, err);
    if (rc == PL_OK)
        rc = wal_recover(l, segment_bytes, err);
    if (rc == PL_OK) {
        l->generation = ++l->record.generation;
        rc = pl_head_write(l->head_fd, &l->record, err);
    }
    if (rc == PL_OK && is_behind)
        rc = checkpoint_renew(l, err);
    if (rc == PL_OK)
        rc = pl_ledger_frozen_load(l, err);
    if (rc == PL_OK) {
        pl_ledger_sweep(l->dir, "tmp", false);
        pl_wal_trim(l->dir, l->record.size - l->record.size % PL_TILE_WIDTH);
    }
    return rc;
}

pl_rc pl_ledger_open_sized(const char *dir, const pl_signer *signer, size_t segment_bytes,
                           pl_ledger **out, pl_error *err)
{
    pl_ledger *l = object_new(dir);
    pl_rc      rc;

    if (l == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    l->writer = true;
    l->signer = signer;
    if (access(dir, F_OK) != 0)
        rc = pl_fail(err, PL_NOTFOUND, "no ledger at '%s'", dir);
    else
        rc = writer_recover(l, segment_bytes, err);
    if (rc != PL_OK) {
        pl_ledger_close(l);
        return rc;
    }
    *out = l;
    return PL_OK;
}

pl_rc pl_ledger_open(const char *dir, const pl_signer *signer, pl_ledger **out, pl_error *err)
{
    return pl_ledger_open_sized(dir, signer, LEDGER_SEGMENT, out, err);
}

size_t pl_ledger_quarantined(const char *dir)
{
    char          *path = pl_path_join(dir, "quarantine");
    DIR           *d = path ? opendir(path) : NULL;
    struct dirent *e;
    size_t         n = 0;

    while (d != NULL && (e = readdir(d)) != NULL)
        n += e->d_name[0] != '.';
    if (d != NULL)
        (void)closedir(d);
    free(path);
    return n;
}
