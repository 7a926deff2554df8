/* plumbline ledger mirror: a copy of another log, taken file by file as a monitor looks at it.
 * Nothing new is under the copy's checkpoint before all of it held together; a copy that was cut
 * short goes on where it was. 0 holds together, 1 does not, 4 bad input, 5 cannot be reached. */
#include "base/banned.h"

#include "base/file.h"
#include "base/str.h"
#include "cap/ledger/ledger_monitor.h"

#include <unistd.h>

#define MEMORY_FILE "mirror.json"

typedef struct mirror {
    pl_cmd_ctx    *c;
    const char    *dir;
    char          *memory_path;
    pl_vkey        key;
    log_source     from;
    monitor_memory memory;
    touched        files; /* written, neither flushed nor named */
    char         **fresh; /* paths written by this look */
    size_t         nfresh;
} mirror;

/* --- files --------------------------------------------------------------------------------- */

static pl_rc fresh_add(mirror *x, const char *rel, pl_error *err)
{
    char **more = reallocarray(x->fresh, x->nfresh + 1, sizeof(*more));
    char  *copy = more ? pl_str_dup(pl_str_z(rel)) : NULL;

    if (more != NULL)
        x->fresh = more;
    if (copy == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    more[x->nfresh++] = copy;
    return PL_OK;
}

static void fresh_forget(mirror *x)
{
    while (x->nfresh > 0)
        free(x->fresh[--x->nfresh]);
    free(x->fresh);
    x->fresh = NULL;
}

/* What did not hold together is not kept. The names are new: a file that an earlier head covers
 * was not asked for again. */
static void fresh_remove(mirror *x)
{
    for (size_t i = 0; i < x->nfresh; i++) {
        char *path = pl_path_join(x->dir, x->fresh[i]);

        if (path != NULL)
            (void)unlink(path);
        free(path);
    }
}

/* Reads from there and writes here. */
static pl_rc read_and_keep(void *ctx, const char *rel, size_t max, char **out, size_t *n,
                           pl_error *err)
{
    mirror *x = ctx;
    pl_rc   rc = x->from.read(x->from.ctx, rel, max, out, n, err);

    if (rc != PL_OK || strncmp(rel, "tile/", 5) != 0)
        return rc;
    rc = pl_ledger_put(x->dir, rel, (pl_str){ *out, *n }, 0644, &x->files, err);
    if (rc == PL_OK)
        rc = fresh_add(x, rel, err);
    if (rc != PL_OK)
        free(*out);
    return rc;
}

static pl_rc text_put(const mirror *x, const char *rel, pl_str text, pl_error *err)
{
    touched t = { .dirs = NULL };
    pl_rc   rc = pl_ledger_put(x->dir, rel, text, 0644, &t, err);

    if (rc == PL_OK)
        rc = pl_touched_sync(&t, err);
    pl_touched_done(&t);
    return rc;
}

/* --- what is known ------------------------------------------------------------------------- */

/* As far as the way goes the files are there. */
static pl_rc way_save(void *ctx, const monitor_memory *m)
{
    mirror *x = ctx;
    pl_rc   rc = pl_touched_sync(&x->files, NULL);

    if (rc == PL_OK)
        rc = pl_monitor_memory_save(x->memory_path, m, NULL);
    if (rc == PL_OK)
        fresh_forget(x);
    return rc;
}

/* The keys that signed the head and may. */
static pl_rc vkeys_put(const mirror *x, const monitor_report *r, pl_error *err)
{
    pl_key_history *h = NULL;
    pl_checkpoint   c;
    pl_vkey         keys[LEDGER_VKEYS_MAX];
    size_t          n = 0;
    pl_rc           rc = pl_monitor_history(&x->memory, &x->key, &h, err);

    for (size_t i = 0; rc == PL_OK && i < pl_key_history_count(h) && n < LEDGER_VKEYS_MAX; i++) {
        const pl_key_life *k = pl_key_history_get(h, i);

        if (k->is_log && (r->head.size == 0 || pl_key_life_check(k, r->head.size - 1, NULL) == PL_OK) &&
            pl_checkpoint_open(pl_str_z(r->note), &k->key, &c, NULL) == PL_OK)
            keys[n++] = k->key;
    }
    pl_key_history_free(h);
    return rc == PL_OK ? pl_ledger_vkeys_write(x->dir, keys, n, err) : rc;
}

/* The head last: until then the copy is what it was. */
static pl_rc copy_finish(mirror *x, const monitor_report *r, pl_error *err)
{
    char  origin[LEDGER_ORIGIN_MAX + 2];
    pl_rc rc = pl_touched_sync(&x->files, err);

    (void)snprintf(origin, sizeof(origin), "%s\n", x->key.name);
    if (rc == PL_OK)
        rc = vkeys_put(x, r, err);
    if (rc == PL_OK)
        rc = text_put(x, "origin", pl_str_z(origin), err);
    if (rc == PL_OK)
        rc = text_put(x, "checkpoint", pl_str_z(r->note), err);
    if (rc == PL_OK)
        rc = pl_monitor_memory_save(x->memory_path, &x->memory, err);
    if (rc == PL_OK && r->head.size > r->before)
        pl_tile_sweep(x->dir, r->before, r->head.size);
    return rc;
}

static pl_rc copy_drop(mirror *x, pl_error *err)
{
    pl_touched_done(&x->files);
    fresh_remove(x);
    x->memory.ahead = x->memory.seen;
    pl_monitor_events_trim(&x->memory, x->memory.seen.size);
    return pl_monitor_memory_save(x->memory_path, &x->memory, err);
}

/* --- the verb ------------------------------------------------------------------------------ */

/* A log of one's own must not be written over: its writer keeps a lock file, a copy none. */
static pl_rc place_check(const mirror *x, pl_error *err)
{
    if (pl_ledger_has(x->dir, "lock"))
        return pl_fail(err, PL_CONFLICT, "'%s' is a log that is written here, not a copy", x->dir);
    if (pl_ledger_has(x->dir, "checkpoint") && !pl_ledger_has(x->dir, MEMORY_FILE))
        return pl_fail(err, PL_CONFLICT, "'%s' holds a log that no mirror made", x->dir);
    return PL_OK;
}

/* The copy, with the folder in which files are written before they get their names. */
static pl_rc folders_make(const mirror *x, pl_error *err)
{
    char *tmp = NULL;
    pl_rc rc = pl_ledger_path(x->dir, "tmp", &tmp, err);

    if (rc == PL_OK)
        rc = pl_mkdir_p(x->dir, 0755, err);
    if (rc == PL_OK)
        rc = pl_mkdir_p(tmp, 0700, err);
    free(tmp);
    return rc;
}

static pl_rc begin(pl_cmd_ctx *c, mirror *x, pl_error *err)
{
    const char *from = c->opt(c->host, "from"), *key = c->opt(c->host, "key");
    pl_rc       rc;

    *x = (mirror){ .c = c, .dir = c->argv[0] };
    pl_merkle_range_init(&x->memory.seen);
    pl_merkle_range_init(&x->memory.ahead);
    if (from == NULL || key == NULL)
        return pl_fail(err, PL_INVALID, "say whose log and where: --from URL|DIR and --key VKEY, a "
                                        "key known from elsewhere");
    x->from = pl_log_source(from);
    rc = pl_vkey_parse(pl_str_trim(pl_str_z(key)), &x->key, err);
    if (rc == PL_OK && strlen(x->key.name) > LEDGER_ORIGIN_MAX)
        rc = pl_fail(err, PL_INVALID, "the key's name is too long for an origin");
    if (rc == PL_OK)
        rc = place_check(x, err);
    if (rc == PL_OK)
        rc = folders_make(x, err);
    if (rc == PL_OK)
        rc = pl_ledger_path(x->dir, MEMORY_FILE, &x->memory_path, err);
    if (rc != PL_OK)
        return rc;
    rc = pl_monitor_memory_load(x->memory_path, &x->key, &x->memory, err);
    return rc == PL_NOTFOUND ? pl_monitor_memory_save(x->memory_path, &x->memory, err) : rc;
}

static int copy_once(mirror *x)
{
    const log_source s = { read_and_keep, x };
    monitor_report   r = { .note = NULL };
    pl_cmd_progress  p;
    pl_error         err = { PL_OK, "" };
    pl_rc            rc;
    int              code;

    pl_cmd_progress_init(&p, x->c, pl_cmd_say(x->c, "entries", "条目"), PL_PROGRESS_ITEMS);
    rc = pl_monitor_look(&s, &x->key, &x->memory, way_save, x, pl_cmd_progress_tick, &p, &r, &err);
    pl_cmd_progress_end(&p);
    if (rc == PL_OK && r.problem[0] == '\0')
        rc = copy_finish(x, &r, &err);
    else if (rc == PL_OK)
        rc = copy_drop(x, &err);
    pl_touched_done(&x->files);
    fresh_forget(x);
    code = rc == PL_OK ? pl_monitor_print(x->c, &x->key, &r, NULL) : pl_cmd_fail(x->c, &err);
    free(r.note);
    return code;
}

int pl_ledger_cmd_mirror(pl_cmd_ctx *c)
{
    mirror   x;
    pl_error err = { PL_OK, "" };
    pl_rc    rc = begin(c, &x, &err);
    int      code = rc == PL_OK ? copy_once(&x) : pl_cmd_fail(c, &err);

    pl_monitor_memory_done(&x.memory);
    free(x.memory_path);
    return code;
}
