/* What witnesses bring about: cosigned checkpoints, and a log that may not be written any
 * more because they know it longer or different than it is. */
#include "base/banned.h"

#include "base/str.h"
#include "cap/ledger/ledger_int.h"

/* --- frozen ------------------------------------------------------------------------------ */

pl_rc pl_ledger_frozen_check(const pl_ledger *l, pl_error *err)
{
    if (l->frozen[0] == '\0')
        return PL_OK;
    return pl_fail(err, PL_DENIED, "%s", l->frozen);
}

static void freeze(pl_ledger *l, const char *reason)
{
    pl_ledger *m = pl_ledger_lock(l);

    if (m->frozen[0] == '\0')
        (void)snprintf(m->frozen, sizeof(m->frozen), "%s", reason);
    pl_ledger_unlock(m);
}

static pl_rc file_put(const pl_ledger *l, const char *rel, pl_str bytes, pl_error *err)
{
    touched t = { .dirs = NULL };
    pl_rc   rc = pl_ledger_put(l->dir, rel, bytes, 0644, &t, err);

    if (rc == PL_OK)
        rc = pl_touched_sync(&t, err);
    pl_touched_done(&t);
    return rc;
}

void pl_ledger_freeze(pl_ledger *l, const char *reason, const char *note)
{
    freeze(l, reason);
    /* When it cannot be kept the witness still has it and will say it again. */
    if (note != NULL)
        (void)file_put(l, LEDGER_FROZEN_FILE, pl_str_z(note), NULL);
}

void pl_ledger_frozen(const pl_ledger *l, char out[200])
{
    pl_ledger *m = pl_ledger_lock(l);

    memcpy(out, m->frozen, sizeof(m->frozen));
    pl_ledger_unlock(m);
}

/* REQ: evidence-ledger/7.11 */
pl_rc pl_ledger_contradiction(const pl_ledger *l, const pl_checkpoint *c, char reason[200])
{
    pl_hash  root;
    pl_error err = { PL_OK, "" };
    pl_rc    rc;

    if (c->size > l->head.size) {
        (void)snprintf(reason, 200,
                       "the ledger was set back: a witness has seen %llu entries signed, here are "
                       "%llu; nothing more is written",
                       (unsigned long long)c->size, (unsigned long long)l->head.size);
        return PL_CONFLICT;
    }
    rc = pl_tile_root(l->dir, l->head.size, c->size, &root, &err);
    if (rc == PL_OK && !pl_hash_equal(&root, &c->root)) {
        (void)snprintf(reason, 200,
                       "the ledger was rewritten: a witness has seen another head of %llu entries; "
                       "nothing more is written",
                       (unsigned long long)c->size);
        return PL_CONFLICT;
    }
    if (rc != PL_OK)
        (void)snprintf(reason, 200, "%.190s", err.text);
    return rc;
}

/* Restored to where it should be, the log goes on by itself. */
pl_rc pl_ledger_frozen_load(pl_ledger *l, pl_error *err)
{
    char         *note = NULL, reason[200];
    size_t        n = 0;
    pl_checkpoint c;
    pl_rc         rc =
        pl_ledger_read(l->dir, LEDGER_FROZEN_FILE, LEDGER_COSIGNED_MAX, &note, &n, err);

    if (rc == PL_NOTFOUND)
        return PL_OK;
    if (rc == PL_OK)
        rc = pl_checkpoint_open_any((pl_str){ note, n }, l->keys, l->nkeys, &c, NULL, err);
    free(note);
    if (rc != PL_OK)
        return pl_fail(err, PL_INVALID, "file 'frozen' is damaged: what a witness said cannot be "
                       "checked");
    rc = pl_ledger_contradiction(l, &c, reason);
    if (rc == PL_CONFLICT)
        freeze(l, reason);
    return rc == PL_CONFLICT ? PL_OK : rc == PL_OK ? rc : pl_fail(err, rc, "%s", reason);
}

/* --- cosigned ---------------------------------------------------------------------------- */

static void note_adopt(pl_ledger *l, pl_str note)
{
    char      *copy = pl_str_dup(note);
    pl_ledger *m;

    if (copy == NULL)
        return; /* the file has it; this object goes on with what the log alone signed */
    m = pl_ledger_lock(l);
    free(m->note);
    m->note = copy;
    m->note_n = note.n;
    pl_ledger_unlock(m);
}

static pl_rc cosigned_locked(pl_ledger *l, const pl_checkpoint *c, pl_str note, bool is_enough,
                             pl_error *err)
{
    pl_rc rc = PL_OK;

    if (c->size == l->record.size && pl_hash_equal(&c->root, &l->record.root)) {
        rc = file_put(l, "checkpoint", note, err);
        if (rc == PL_OK)
            note_adopt(l, note);
    }
    if (rc == PL_OK && is_enough)
        rc = file_put(l, LEDGER_WITNESSED_FILE, note, err);
    return rc;
}

pl_rc pl_ledger_cosigned(pl_ledger *l, pl_str note, bool is_enough, pl_error *err)
{
    pl_checkpoint c;
    pl_rc         rc = pl_checkpoint_open_any(note, l->keys, l->nkeys, &c, NULL, err);

    if (rc == PL_OK && !l->writer)
        rc = pl_fail(err, PL_DENIED, "ledger is open for reading only");
    if (rc != PL_OK)
        return rc;
    (void)pthread_mutex_lock(&l->publishing);
    rc = cosigned_locked(l, &c, note, is_enough, err);
    (void)pthread_mutex_unlock(&l->publishing);
    return rc;
}
