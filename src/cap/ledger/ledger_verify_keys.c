/* Whose log it is and who signed what: keys are judged by their place in the log. */
#include "base/banned.h"

#include "base/str.h"
#include "cap/ledger/ledger_int.h"
#include "engine/log/note.h"

#include <unistd.h>

#define NOTE_MAX (1u << 20)

/* --- key events ------------------------------------------------------------------------- */

static void event_collect(pl_key_history *h, uint64_t index, pl_str entry)
{
    /* One that cannot be taken is reported with its entry. */
    if (pl_key_event_maybe(entry))
        (void)pl_key_history_put(h, index, entry, NULL);
}

/* What cannot be read is reported later, where everything is. */
static bool bundle_collect(const char *dir, pl_key_history *h, uint64_t size, uint64_t n)
{
    char    *bytes = NULL;
    size_t   len = 0;
    unsigned width = 0;
    pl_str   rest, entry;

    if (pl_bundle_read(dir, size, n, &bytes, &len, &width, NULL) != PL_OK)
        return false;
    rest = (pl_str){ bytes, len };
    for (unsigned i = 0; i < width && pl_bundle_take(&rest, &entry, NULL) == PL_OK; i++)
        event_collect(h, n * PL_TILE_WIDTH + i, entry);
    free(bytes);
    return true;
}

/* The size a checkpoint claims: enough to know which entries to look at. */
static bool size_claimed(const char *dir, uint64_t *size)
{
    char         *bytes = NULL;
    size_t        n = 0;
    pl_note      *note = NULL;
    pl_checkpoint c;
    bool          ok = pl_ledger_read(dir, "checkpoint", NOTE_MAX, &bytes, &n, NULL) == PL_OK &&
              pl_note_open((pl_str){ bytes, n }, &note, NULL) == PL_OK &&
              pl_checkpoint_parse(note->text, &c, NULL) == PL_OK;

    if (ok)
        *size = c.size;
    pl_note_free(note);
    free(bytes);
    return ok;
}

/* The writer's own record says how far to look when the checkpoint is spoilt. */
static bool size_recorded(const char *dir, uint64_t *size)
{
    head_record r;
    int         fd = -1;
    bool        ok = pl_head_open(dir, false, &fd, NULL) == PL_OK;

    if (!ok)
        return false;
    ok = pl_head_read(fd, &r, NULL) == PL_OK;
    (void)close(fd);
    if (ok)
        *size = r.size;
    return ok;
}

uint64_t pl_ledger_key_events_collect(const char *dir, pl_key_history *h)
{
    uint64_t size = 0, n = 0;

    if (size_claimed(dir, &size) || size_recorded(dir, &size))
        while (n * PL_TILE_WIDTH < size && bundle_collect(dir, h, size, n))
            n++;
    return n * PL_TILE_WIDTH < size ? n * PL_TILE_WIDTH : size;
}

pl_rc pl_ledger_key_history(const char *dir, const pl_vkey *key, pl_key_history **out,
                            pl_error *err)
{
    pl_key_history *h = NULL;
    pl_rc           rc = pl_key_history_new(key, &h, err);

    if (rc == PL_OK) {
        (void)pl_ledger_key_events_collect(dir, h);
        rc = pl_key_history_resolve(h, err);
    }
    if (rc != PL_OK) {
        pl_key_history_free(h);
        return rc;
    }
    *out = h;
    return PL_OK;
}

pl_rc pl_ledger_note_judge(const char *dir, const pl_vkey *key, pl_str note, pl_checkpoint *out,
                           pl_error *err)
{
    pl_key_history *h = NULL;
    pl_rc           rc = pl_checkpoint_open(note, key, out, NULL);

    if (rc == PL_OK)
        return rc;
    rc = pl_ledger_key_history(dir, key, &h, err);
    if (rc == PL_OK)
        rc = pl_key_history_checkpoint(h, note, out, err);
    pl_key_history_free(h);
    return rc;
}

/* --- what the log says it is ------------------------------------------------------------ */

static bool is_log_key(const verifier *v, const pl_vkey *k)
{
    for (size_t i = 0; i < pl_key_history_count(v->keys); i++) {
        const pl_key_life *l = pl_key_history_get(v->keys, i);

        if (l->is_log && pl_vkey_equal(&l->key, k) && strcmp(l->key.name, k->name) == 0)
            return true;
    }
    return false;
}

static void vkeys_check(verifier *v)
{
    pl_vkey  keys[LEDGER_VKEYS_MAX];
    size_t   n = 0;
    pl_error err;

    if (pl_ledger_vkeys_read(v->dir, keys, &n, &err) != PL_OK) {
        pl_ledger_verify_problem(v, "vkey: %s", err.text);
        return;
    }
    for (size_t i = 0; i < n; i++)
        if (!is_log_key(v, &keys[i]))
            pl_ledger_verify_problem(v, "vkey: not the key the log is checked with, nor one it "
                                        "leads to");
}

static void origin_check(verifier *v)
{
    char     origin[256];
    pl_error err;

    if (pl_ledger_read_line(v->dir, "origin", origin, sizeof(origin), &err) != PL_OK)
        pl_ledger_verify_problem(v, "origin: %s", err.text);
    else if (strcmp(origin, v->key->name) != 0)
        pl_ledger_verify_problem(v, "origin: '%s' is not the name of the key '%s'", origin,
                                 v->key->name);
}

void pl_ledger_verify_keys(verifier *v)
{
    pl_error err;

    pl_ledger_key_events_collect(v->dir, v->keys);
    if (pl_key_history_resolve(v->keys, &err) != PL_OK)
        pl_ledger_verify_problem(v, "keys: %s", err.text);
    vkeys_check(v);
    origin_check(v);
}

/* --- who signed ------------------------------------------------------------------------- */

void pl_ledger_verify_signers(verifier *v, uint64_t index, const pl_dsse *d)
{
    for (size_t i = 0; i < d->nsigners; i++) {
        pl_error err;

        v->statements[d->signer[i]]++;
        if (pl_key_life_check(pl_key_history_get(v->keys, d->signer[i]), index, &err) != PL_OK)
            pl_ledger_verify_problem(v, "entry %llu: %s", (unsigned long long)index, err.text);
    }
}

void pl_ledger_verify_key_event(verifier *v, uint64_t index, pl_str entry)
{
    pl_error err = { PL_OK, "" };

    if (pl_key_history_event(v->keys, index, &err) == PL_NOTFOUND &&
        pl_key_history_put(v->keys, index, entry, &err) == PL_OK)
        (void)pl_fail(&err, PL_INVALID, "is spelled so that readers overlook it");
    if (err.rc != PL_OK)
        pl_ledger_verify_problem(v, "entry %llu: %s%s", (unsigned long long)index,
                                 err.rc == PL_DENIED ? "" : "key event: ", err.text);
}

/* An index, or null when there is none. */
static json_t *index_json(uint64_t index)
{
    return index > INT64_MAX ? json_null() : json_integer((json_int_t)index);
}

json_t *pl_key_life_json(const pl_key_life *k)
{
    char keyid[65], vkey[PL_VKEY_TEXT_MAX];

    pl_vkey_fingerprint(&k->key, keyid);
    if (pl_vkey_format(&k->key, vkey, sizeof(vkey), NULL) != PL_OK)
        vkey[0] = '\0';
    return json_pack("{s:s, s:s, s:s, s:s, s:b, s:o, s:o, s:s?, s:o}", "name", k->key.name,
                     "keyid", keyid, "algorithm", pl_key_alg_name(k->key.alg), "vkey", vkey, "log",
                     k->is_log, "from", index_json(k->from), "to", index_json(k->to), "end",
                     k->end[0] ? k->end : NULL, "ended_by", index_json(k->ended_by));
}

void pl_ledger_verify_signers_list(verifier *v)
{
    for (size_t i = 0; i < pl_key_history_count(v->keys); i++) {
        json_t *j;

        if (v->statements[i] == 0)
            continue;
        j = pl_key_life_json(pl_key_history_get(v->keys, i));
        (void)json_object_set_new(j, "statements", json_integer((json_int_t)v->statements[i]));
        (void)json_array_append_new(v->report->signers, j);
    }
}
