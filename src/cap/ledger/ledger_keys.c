/* What lies in keys/ and in the log's file `vkey` follows what the log says of keys.
 *
 * A verb that changes the log's keys marks keys/ first, tells the log, and then calls align.
 * Whoever opens the log for writing finds the mark of one that was cut short and calls align
 * too, before the keys are used. Every step of it can be done again:
 *
 *   1. what the log was told is published
 *   2. `vkey` holds the keys of before and of after
 *   3. key files get their places
 *   4. the log is opened with the keys of after, which signs its head with them
 *   5. `vkey` holds the keys of after
 *   6. the mark goes
 */
#include "base/banned.h"

#include "base/fault.h"
#include "base/file.h"
#include "base/str.h"
#include "cap/keyfile.h"
#include "cap/ledger/ledger_int.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARK     "changing"
#define CURRENT  "ledger.key"
#define NEXT     "next.key"
#define OUTGOING "outgoing" /* the key before, while the next one takes its place */

typedef struct alignment {
    const pl_instance *i;
    char              *ledger;
    pl_key_history    *h;
    uint64_t           size; /* of the published log */
    pl_vkey            keys[LEDGER_VKEYS_MAX + 1]; /* of after */
    size_t             n;
    uint64_t           rotated_by; /* the entry that made NEXT the key, PL_INDEX_NONE: none did */
} alignment;

/* --- files --------------------------------------------------------------------------------- */

static void key_path(const pl_instance *i, const char *file, char out[1400])
{
    (void)snprintf(out, 1400, "%s/keys/%s", i->dir, file);
}

bool pl_keys_has(const pl_instance *i, const char *file)
{
    char path[1400];

    key_path(i, file, path);
    return access(path, F_OK) == 0;
}

static pl_rc keys_sync(const pl_instance *i, pl_error *err)
{
    char path[1400];

    key_path(i, ".", path);
    return pl_fsync_dir(path, err);
}

static pl_rc failed(const char *doing, const char *path, int e, pl_error *err)
{
    return pl_fail(err, PL_IO, "cannot %s key file '%s': %s", doing, path, strerrordesc_np(e));
}

static pl_rc file_move(const pl_instance *i, const char *from, const char *to, pl_error *err)
{
    char a[1400], b[1400];
    int  e = pl_fault_point("rename");

    key_path(i, from, a);
    key_path(i, to, b);
    if (e == 0 && rename(a, b) != 0)
        e = errno;
    return e == 0 ? keys_sync(i, err) : failed("move", a, e, err);
}

static pl_rc file_link(const pl_instance *i, const char *from, const char *to, pl_error *err)
{
    char a[1400], b[1400];
    int  e = pl_fault_point("link");

    key_path(i, from, a);
    key_path(i, to, b);
    if (e == 0 && link(a, b) != 0 && errno != EEXIST)
        e = errno;
    return e == 0 ? keys_sync(i, err) : failed("keep", b, e, err);
}

static pl_rc file_retire(const pl_instance *i, const char *file, const pl_vkey *k, pl_error *err)
{
    char  dir[1400], to[64];
    pl_rc rc;

    key_path(i, "retired", dir);
    rc = pl_mkdir_p(dir, 0700, err);
    (void)snprintf(to, sizeof(to), "retired/%08x.key", (unsigned)k->keyid);
    if (rc == PL_OK)
        rc = file_move(i, file, to, err);
    return rc == PL_OK ? pl_fsync_dir(dir, err) : rc;
}

/* The public half. Files of the old form do not hold it. */
static pl_rc key_of(const pl_instance *i, const char *file, pl_vkey *out, pl_error *err)
{
    char            path[1400];
    pl_keyfile_info info;
    pl_signer      *s = NULL;
    pl_rc           rc;

    key_path(i, file, path);
    rc = pl_keyfile_info_read(path, &info, err);
    if (rc == PL_OK && info.is_old)
        rc = pl_keyfile_signer(path, i->origin, &s, err);
    if (rc == PL_OK)
        *out = info.is_old ? *pl_signer_key(s, 0) : info.key;
    pl_signer_free(s);
    return rc;
}

/* --- the mark ------------------------------------------------------------------------------ */

pl_rc pl_keys_mark(const pl_instance *i, pl_error *err)
{
    char path[1400];

    key_path(i, MARK, path);
    return pl_file_write_atomic(path, PL_STR("a change of keys is under way\n"), 0600, err);
}

static pl_rc mark_remove(const pl_instance *i, pl_error *err)
{
    char path[1400];
    int  e = pl_fault_point("unlink");

    key_path(i, MARK, path);
    if (e == 0 && unlink(path) != 0 && errno != ENOENT)
        e = errno;
    return e == 0 ? keys_sync(i, err) : failed("remove", path, e, err);
}

/* --- what the log says --------------------------------------------------------------------- */

static const pl_key_life *life_of(const alignment *a, const pl_vkey *k)
{
    for (size_t i = 0; i < pl_key_history_count(a->h); i++)
        if (pl_vkey_equal(&pl_key_history_get(a->h, i)->key, k))
            return pl_key_history_get(a->h, i);
    return NULL;
}

/* A key the log does not know was put here by hand: it is left alone. */
static bool has_ended(const alignment *a, const pl_vkey *k)
{
    const pl_key_life *life = life_of(a, k);

    return life != NULL && life->to <= a->size;
}

static pl_rc after_add(alignment *a, const pl_vkey *k, pl_error *err)
{
    for (size_t i = 0; i < a->n; i++)
        if (pl_vkey_equal(&a->keys[i], k))
            return PL_OK;
    if (a->n == LEDGER_VKEYS_MAX)
        return pl_fail(err, PL_LIMIT, "more than %d keys would sign checkpoints",
                       LEDGER_VKEYS_MAX);
    a->keys[a->n++] = *k;
    return PL_OK;
}

static pl_rc history_load(alignment *a, pl_error *err)
{
    pl_checkpoint head;
    pl_ledger    *l = NULL;
    pl_vkey       root;
    pl_rc         rc = key_of(a->i, CURRENT, &root, err);

    if (rc == PL_OK)
        rc = pl_ledger_open_reader(a->ledger, &l, err);
    if (rc == PL_OK)
        rc = pl_ledger_head(l, &head, err);
    pl_ledger_close(l);
    if (rc == PL_OK)
        rc = pl_key_history_new(&root, &a->h, err);
    if (rc != PL_OK)
        return rc;
    a->size = head.size;
    if (pl_ledger_key_events_collect(a->ledger, a->h) < head.size)
        return pl_fail(err, PL_INVALID, "the log cannot be read whole, so what it says of its "
                                        "keys is not known: see 'ledger verify'");
    return pl_key_history_resolve(a->h, err);
}

/* --- places -------------------------------------------------------------------------------- */

/* Whether the log made NEXT the successor of CURRENT. */
static pl_rc next_is_successor(alignment *a, bool *yes, pl_error *err)
{
    const pl_key_life *old, *new;
    pl_vkey            current, next;
    pl_rc              rc = PL_OK;

    *yes = false;
    if (!pl_keys_has(a->i, NEXT))
        return PL_OK;
    rc = key_of(a->i, CURRENT, &current, err);
    if (rc == PL_OK)
        rc = key_of(a->i, NEXT, &next, err);
    if (rc != PL_OK)
        return rc;
    old = life_of(a, &current);
    new = life_of(a, &next);
    *yes = old != NULL && new != NULL && strcmp(old->end, "rotate") == 0 &&
           new->known_by == old->ended_by;
    return PL_OK;
}

/* The key before goes beside the new one while it may still sign, else to the retired. */
static pl_rc outgoing_place(alignment *a, pl_error *err)
{
    const pl_key_life *life;
    pl_vkey            k;
    pl_rc              rc;

    if (!pl_keys_has(a->i, OUTGOING))
        return PL_OK;
    rc = key_of(a->i, OUTGOING, &k, err);
    if (rc != PL_OK)
        return rc;
    life = life_of(a, &k);
    if (life != NULL)
        a->rotated_by = life->ended_by;
    return has_ended(a, &k) ? file_retire(a->i, OUTGOING, &k, err)
                            : file_move(a->i, OUTGOING, "ledger.outgoing.key", err);
}

static pl_rc successor_place(alignment *a, pl_error *err)
{
    bool  yes = false;
    pl_rc rc = next_is_successor(a, &yes, err);

    if (rc == PL_OK && yes)
        rc = file_link(a->i, CURRENT, OUTGOING, err);
    if (rc == PL_OK && yes)
        rc = file_move(a->i, NEXT, CURRENT, err);
    return rc == PL_OK ? outgoing_place(a, err) : rc;
}

typedef pl_rc (*key_file_fn)(alignment *a, const char *file, const pl_vkey *k, pl_error *err);

/* Every file in keys/ whose name has this end, and that the filter lets through. */
static pl_rc key_files_each(alignment *a, int (*filter)(const struct dirent *), key_file_fn fn,
                            pl_error *err)
{
    char            path[1400];
    struct dirent **files = NULL;
    int             n;
    pl_rc           rc = PL_OK;

    key_path(a->i, ".", path);
    n = scandir(path, &files, filter, alphasort);
    if (n < 0)
        return pl_fail(err, PL_IO, "cannot read '%s': %s", path, strerrordesc_np(errno));
    for (int f = 0; f < n; f++) {
        pl_vkey k;

        if (rc == PL_OK)
            rc = key_of(a->i, files[f]->d_name, &k, err);
        if (rc == PL_OK)
            rc = fn(a, files[f]->d_name, &k, err);
        free(files[f]);
    }
    free(files);
    return rc;
}

static int is_beside(const struct dirent *e)
{
    pl_str name = pl_str_z(e->d_name);

    return pl_str_starts(name, PL_STR("ledger.")) && pl_str_ends(name, PL_STR(".key")) &&
           !pl_str_eqz(name, CURRENT);
}

static int is_new(const struct dirent *e)
{
    return pl_str_ends(pl_str_z(e->d_name), PL_STR(".new.key"));
}

static pl_rc ended_retire(alignment *a, const char *file, const pl_vkey *k, pl_error *err)
{
    return has_ended(a, k) ? file_retire(a->i, file, k, err) : PL_OK;
}

/* NAME.new.key becomes ledger.NAME.key once the log knows it. */
static pl_rc added_place(alignment *a, const char *file, const pl_vkey *k, pl_error *err)
{
    char               to[300];
    const pl_key_life *life = life_of(a, k);
    int                name = (int)(strlen(file) - strlen(".new.key"));

    if (life == NULL || !life->is_log)
        return PL_OK;
    (void)snprintf(to, sizeof(to), "ledger.%.*s.key", name, file);
    return file_move(a->i, file, to, err);
}

static pl_rc files_place(alignment *a, pl_error *err)
{
    pl_rc rc = successor_place(a, err);

    if (rc == PL_OK)
        rc = key_files_each(a, is_beside, ended_retire, err);
    return rc == PL_OK ? key_files_each(a, is_new, added_place, err) : rc;
}

/* --- which keys there will be -------------------------------------------------------------- */

static pl_rc after_beside(alignment *a, const char *file, const pl_vkey *k, pl_error *err)
{
    (void)file;
    return has_ended(a, k) ? PL_OK : after_add(a, k, err);
}

static pl_rc after_added(alignment *a, const char *file, const pl_vkey *k, pl_error *err)
{
    const pl_key_life *life = life_of(a, k);

    (void)file;
    return life != NULL && life->is_log ? after_beside(a, file, k, err) : PL_OK;
}

/* The one in use first. */
static pl_rc after_list(alignment *a, pl_error *err)
{
    bool    yes = false;
    pl_vkey k;
    pl_rc   rc = next_is_successor(a, &yes, err);

    if (rc == PL_OK)
        rc = key_of(a->i, yes ? NEXT : CURRENT, &k, err);
    if (rc == PL_OK)
        rc = after_add(a, &k, err);
    if (rc == PL_OK && (yes || pl_keys_has(a->i, OUTGOING)))
        rc = key_of(a->i, yes ? CURRENT : OUTGOING, &k, err);
    if (rc == PL_OK && !has_ended(a, &k))
        rc = after_add(a, &k, err);
    if (rc == PL_OK)
        rc = key_files_each(a, is_beside, after_beside, err);
    return rc == PL_OK ? key_files_each(a, is_new, after_added, err) : rc;
}

/* The keys of after, then those of before that are not among them. */
static pl_rc vkeys_widen(const alignment *a, pl_error *err)
{
    pl_vkey old[LEDGER_VKEYS_MAX];
    size_t  n = 0;
    pl_rc   rc = pl_ledger_vkeys_read(a->ledger, old, &n, err);
    alignment both = *a;

    for (size_t i = 0; rc == PL_OK && i < n; i++)
        rc = after_add(&both, &old[i], err);
    return rc == PL_OK ? pl_ledger_vkeys_write(a->ledger, both.keys, both.n, err) : rc;
}

/* --- align --------------------------------------------------------------------------------- */

/* Opens the log with the keys that lie there: what waits in it is published, and its head is
 * signed by all of them. */
static pl_rc log_renew(const alignment *a, pl_error *err)
{
    pl_signer *s = NULL;
    pl_ledger *l = NULL;
    pl_rc      rc = pl_instance_signer(a->i, &s, err);

    if (rc == PL_OK)
        rc = pl_ledger_open(a->ledger, s, &l, err);
    if (rc == PL_OK)
        rc = pl_ledger_publish(l, err);
    pl_ledger_close(l);
    pl_signer_free(s);
    return rc;
}

static pl_rc align(alignment *a, pl_error *err)
{
    pl_rc rc = log_renew(a, err);

    if (rc == PL_OK)
        rc = history_load(a, err);
    if (rc == PL_OK)
        rc = after_list(a, err);
    if (rc == PL_OK)
        rc = vkeys_widen(a, err);
    if (rc == PL_OK)
        rc = files_place(a, err);
    if (rc == PL_OK)
        rc = log_renew(a, err);
    if (rc == PL_OK)
        rc = pl_ledger_vkeys_write(a->ledger, a->keys, a->n, err);
    return rc == PL_OK ? mark_remove(a->i, err) : rc;
}

pl_rc pl_keys_align(const pl_instance *i, uint64_t *rotated_by, pl_error *err)
{
    alignment a = { .i = i, .rotated_by = PL_INDEX_NONE };
    pl_rc     rc = pl_ledger_path(i->dir, "ledger", &a.ledger, err);

    if (rc == PL_OK)
        rc = align(&a, err);
    if (rc == PL_OK)
        *rotated_by = a.rotated_by;
    pl_key_history_free(a.h);
    free(a.ledger);
    return rc;
}

pl_rc pl_ledger_keys_settle(const pl_instance *i, uint64_t *rotated_by, pl_error *err)
{
    uint64_t by = PL_INDEX_NONE;
    pl_rc    rc = pl_keys_has(i, MARK) ? pl_keys_align(i, &by, err) : PL_OK;

    if (rc == PL_OK && rotated_by != NULL)
        *rotated_by = by;
    return rc;
}
