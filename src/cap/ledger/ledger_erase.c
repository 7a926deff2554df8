/* Erasing what an entry bound: its payload, and salts and contents behind its commitments.
 *
 * Order: the intention is made durable, then things are destroyed, then the log is told, then
 * the intention goes. Whatever happens between two steps, doing all of them again ends in the
 * same state; and the log never says that something is gone which is still there. */
#include "base/banned.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "cap/ledger/ledger_int.h"

#include <dirent.h>
#include <errno.h>
#include <unistd.h>

#define INTENTION_MAX (64u << 10)
#define DEPTH_MAX     16

/* --- what an entry bound ------------------------------------------------------------------ */

/* A commitment is 64 hex digits, as digests are too; a record is there for commitments only. */
static void commitments_collect(const char *private_dir, const json_t *v, unsigned depth, json_t *out)
{
    const char *name;
    json_t     *member;
    size_t      i;
    pl_hash     c;
    pl_str      hex = { json_string_value(v), json_string_length(v) };

    if (depth == DEPTH_MAX)
        return;
    if (json_is_string(v) && hex.n == 64 && pl_hex_decode(hex, c.b, sizeof(c.b), NULL) == PL_OK &&
        pl_private_has(private_dir, &c))
        (void)json_array_append_new(out, json_string(hex.p));
    json_object_foreach((json_t *)(uintptr_t)v, name, member)
        commitments_collect(private_dir, member, depth + 1, out);
    json_array_foreach(v, i, member)
        commitments_collect(private_dir, member, depth + 1, out);
}

static pl_rc predicate_of(const pl_ledger *l, uint64_t index, json_t **out, pl_error *err)
{
    char          *entry = NULL;
    size_t         n = 0;
    json_t        *j = NULL;
    statement_view v;
    pl_rc          rc = pl_ledger_entry(l, index, &entry, &n, err);

    if (rc == PL_OK)
        rc = pl_ledger_entry_statement((pl_str){ entry, n }, &j, err);
    free(entry);
    if (rc == PL_OK)
        rc = pl_statement_read(j, &v, err);
    if (rc == PL_OK)
        *out = json_incref((json_t *)(uintptr_t)v.predicate);
    json_decref(j);
    return rc;
}

bool pl_payload_of(const json_t *predicate, char rel[96])
{
    pl_str  hex = PL_STR("");
    uint8_t digest[32];

    if (pl_json_get_str(predicate, "payload_sha256", true, &hex, NULL) != PL_OK ||
        pl_hex_decode(hex, digest, sizeof(digest), NULL) != PL_OK)
        return false;
    (void)snprintf(rel, 96, "payload/%.2s/" PL_STR_FMT, hex.p, PL_STR_ARG(hex));
    return true;
}

/* The deletion statement that will be made; what is there decides what it says. */
static pl_rc intention_make(const pl_ledger *l, const char *private_dir, const pl_erasure *e,
                            json_t **out, pl_error *err)
{
    json_t *predicate = NULL, *commitments = json_array(), *destroyed = json_array(), *p;
    char    rel[96], at[25];
    pl_rc   rc = predicate_of(l, e->index, &predicate, err);

    if (rc == PL_OK && pl_payload_of(predicate, rel))
        (void)json_array_append_new(destroyed, json_string("payload"));
    if (rc == PL_OK)
        commitments_collect(private_dir, predicate, 0, commitments);
    if (json_array_size(commitments) > 0) {
        (void)json_array_append_new(destroyed, json_string("salt"));
        (void)json_array_append_new(destroyed, json_string("content"));
    }
    if (rc == PL_OK && json_array_size(destroyed) == 0)
        rc = pl_fail(err, PL_NOTFOUND, "entry %llu binds nothing that could be erased",
                     (unsigned long long)e->index);
    pl_time_format(e->now_ms, at);
    p = json_pack("{s:I, s:O, s:s, s:s*, s:s*, s:s}", "entry", (json_int_t)e->index, "destroyed",
                  destroyed, "ground", e->ground, "requester", e->requester, "by", e->by, "time",
                  at);
    if (p != NULL && json_array_size(commitments) > 0)
        (void)json_object_set(p, "commitments", commitments);
    if (rc == PL_OK)
        rc = p ? pl_predicate_check(PL_STR(PL_PREDICATE("deletion")), p, err)
               : pl_fail(err, PL_NOMEM, "out of memory");
    json_decref(predicate);
    json_decref(commitments);
    json_decref(destroyed);
    if (rc != PL_OK) {
        json_decref(p);
        return rc;
    }
    *out = p;
    return PL_OK;
}

/* --- intentions --------------------------------------------------------------------------- */

static void intention_name(uint64_t index, char out[64])
{
    (void)snprintf(out, 64, "erasing/%llu.json", (unsigned long long)index);
}

static pl_rc intention_put(const char *private_dir, uint64_t index, const json_t *p, pl_error *err)
{
    char    rel[64], *text = pl_json_dump(p);
    touched t = { .dirs = NULL };
    pl_rc   rc = text ? pl_private_folders(private_dir, err)
                      : pl_fail(err, PL_NOMEM, "out of memory");

    intention_name(index, rel);
    if (rc == PL_OK)
        rc = pl_ledger_put(private_dir, rel, pl_str_z(text), 0600, &t, err);
    if (rc == PL_OK)
        rc = pl_touched_sync(&t, err);
    pl_touched_done(&t);
    free(text);
    return rc;
}

static pl_rc intention_read(const char *private_dir, uint64_t index, json_t **out, pl_error *err)
{
    char   rel[64], *text = NULL;
    size_t n = 0;
    pl_rc  rc;

    intention_name(index, rel);
    rc = pl_ledger_read(private_dir, rel, INTENTION_MAX, &text, &n, err);
    if (rc == PL_OK)
        rc = pl_json_parse((pl_str){ text, n }, rel, out, err);
    free(text);
    return rc;
}

/* --- the steps ---------------------------------------------------------------------------- */

static pl_rc destroy(const pl_ledger *l, const char *private_dir, const json_t *p, pl_error *err)
{
    const json_t *one;
    json_t       *predicate = NULL;
    char          rel[96];
    size_t        i;
    pl_rc rc = predicate_of(l, (uint64_t)json_integer_value(json_object_get(p, "entry")),
                            &predicate, err);

    json_array_foreach(json_object_get(p, "commitments"), i, one) {
        pl_hash c;

        if (rc == PL_OK)
            rc = pl_hex_decode(pl_str_z(json_string_value(one)), c.b, sizeof(c.b), err);
        if (rc == PL_OK)
            rc = pl_private_destroy(private_dir, &c, err);
    }
    if (rc == PL_OK && pl_payload_of(predicate, rel))
        rc = pl_ledger_file_destroy(pl_ledger_dir(l), rel, err);
    json_decref(predicate);
    return rc;
}

/* An attempt that was cut short may have told the log already: then its bytes are there. With
 * a signature that is never the same twice it is told once more, which does no harm. */
static pl_rc tell(pl_ledger *l, const pl_signer *s, const json_t *p, uint64_t *index, pl_error *err)
{
    char     subject[64], *envelope = NULL;
    uint8_t  digest[32];
    uint64_t entry = (uint64_t)json_integer_value(json_object_get(p, "entry"));
    size_t   n = 0;
    pl_str   bytes;
    pl_hash  leaf;
    pl_rc    rc;

    (void)snprintf(subject, sizeof(subject), "entry:%llu", (unsigned long long)entry);
    pl_sha256_of(pl_str_z(subject), digest);
    rc = pl_statement_sign(s, pl_str_z(subject), digest, PL_PREDICATE("deletion"), p, &envelope, &n,
                           err);
    if (rc != PL_OK)
        return rc;
    bytes = (pl_str){ envelope, n };
    leaf = pl_merkle_leaf(bytes);
    if (pl_ledger_find(l, &leaf, entry + 1, index, NULL) != PL_OK)
        rc = pl_ledger_append(l, &bytes, 1, index, err);
    if (rc == PL_OK)
        rc = pl_ledger_publish(l, err);
    free(envelope);
    return rc;
}

static pl_rc finish(pl_ledger *l, const pl_signer *s, const char *private_dir, const json_t *p,
                    uint64_t *index, pl_error *err)
{
    char  rel[64];
    pl_rc rc = destroy(l, private_dir, p, err);

    pl_ledger_sweep(private_dir, "tmp", false); /* what a cut short writing left */
    if (rc == PL_OK)
        rc = tell(l, s, p, index, err);
    intention_name((uint64_t)json_integer_value(json_object_get(p, "entry")), rel);
    return rc == PL_OK ? pl_ledger_file_remove(private_dir, rel, err) : rc;
}

/* REQ: PIPL/47 */
pl_rc pl_ledger_erase(pl_ledger *l, const pl_signer *s, const char *private_dir,
                      const pl_erasure *e, uint64_t *index, pl_error *err)
{
    json_t  *p = NULL;
    uint64_t at = 0;
    pl_rc    rc = intention_read(private_dir, e->index, &p, err);

    if (rc == PL_NOTFOUND) {
        rc = intention_make(l, private_dir, e, &p, err);
        if (rc == PL_OK)
            rc = intention_put(private_dir, e->index, p, err);
    }
    if (rc == PL_OK)
        rc = finish(l, s, private_dir, p, &at, err);
    json_decref(p);
    if (rc == PL_OK)
        *index = at;
    return rc;
}

pl_rc pl_ledger_erase_resume(pl_ledger *l, const pl_signer *s, const char *private_dir,
                             size_t *finished, pl_error *err)
{
    char          *path = pl_path_join(private_dir, "erasing");
    DIR           *d = path ? opendir(path) : NULL;
    struct dirent *f;
    size_t         n = 0;
    pl_rc          rc = PL_OK;

    while (rc == PL_OK && d != NULL && (f = readdir(d)) != NULL) {
        pl_str     name = pl_str_z(f->d_name);
        pl_erasure e = { .index = 0 };
        uint64_t   index;

        if (!pl_str_ends(name, PL_STR(".json")))
            continue;
        name.n -= 5;
        if (pl_str_u64(name, &e.index, NULL) != PL_OK)
            continue;
        rc = pl_ledger_erase(l, s, private_dir, &e, &index, err);
        n += rc == PL_OK;
    }
    if (d != NULL)
        (void)closedir(d);
    free(path);
    *finished = n;
    return rc;
}
