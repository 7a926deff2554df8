/* index.json of a package, and the names of its members. */
#include "base/banned.h"

#include "base/str.h"
#include "engine/log/evidence_int.h"

void pl_evidence_entry_name(uint64_t index, const char *kind, char out[TAR_NAME_MAX])
{
    (void)snprintf(out, TAR_NAME_MAX, "entry/%llu.%s", (unsigned long long)index, kind);
}

void pl_evidence_payload_name(const char *hex, char out[TAR_NAME_MAX])
{
    (void)snprintf(out, TAR_NAME_MAX, "payload/%.64s", hex);
}

void pl_evidence_timestamp_name(size_t i, char out[TAR_NAME_MAX])
{
    (void)snprintf(out, TAR_NAME_MAX, "timestamp/%zu.tsr", i);
}

static bool is_digest(const json_t *v)
{
    const char *s = json_string_value(v);

    return s != NULL && json_string_length(v) == 64 && strspn(s, "0123456789abcdef") == 64;
}

static pl_rc openings_parse(const json_t *list, evidence_entry *e, pl_error *err)
{
    size_t n = json_array_size(list), i;
    json_t *o;

    if (n == 0)
        return PL_OK;
    e->openings = calloc(n, sizeof *e->openings);
    if (e->openings == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    json_array_foreach((json_t *)(uintptr_t)list, i, o) {
        const json_t *salt = json_object_get(o, "salt"), *payload = json_object_get(o, "payload");
        pl_str        hex = { json_string_value(salt), json_string_length(salt) };

        if (!is_digest(salt) || !is_digest(payload) ||
            pl_hex_decode(hex, e->openings[i].salt, 32, NULL) != PL_OK)
            return pl_fail(err, PL_INVALID, "index.json: entry %llu has a bad opening",
                           (unsigned long long)e->index);
        memcpy(e->openings[i].payload, json_string_value(payload), 65);
        e->nopenings++;
    }
    return PL_OK;
}

static pl_rc entry_parse(const json_t *o, evidence_entry *e, pl_error *err)
{
    static const char *const keys[] = { "index", "role", "payloads", "openings", NULL };
    int64_t index = -1;
    pl_str  role = PL_STR("");
    size_t  i;
    json_t *v;
    pl_rc   rc = pl_json_only(o, keys, err);

    if (rc == PL_OK)
        rc = pl_json_get_int(o, "index", true, &index, err);
    if (rc == PL_OK)
        rc = pl_json_get_str(o, "role", true, &role, err);
    if (rc != PL_OK)
        return rc;
    if (index < 0 || (!pl_str_eqz(role, "claim") && !pl_str_eqz(role, "key")))
        return pl_fail(err, PL_INVALID, "index.json: an entry has a bad index or role");
    e->index = (uint64_t)index;
    e->role = pl_str_eqz(role, "key") ? PL_EVIDENCE_KEY : PL_EVIDENCE_CLAIM;
    e->payloads = json_object_get(o, "payloads");
    json_array_foreach((json_t *)(uintptr_t)e->payloads, i, v)
        if (!is_digest(v))
            return pl_fail(err, PL_INVALID, "index.json: a payload is not named by its SHA-256");
    return openings_parse(json_object_get(o, "openings"), e, err);
}

static pl_rc entries_parse(const json_t *list, evidence_index *x, pl_error *err)
{
    size_t n = json_array_size(list);

    if (!json_is_array(list) || n == 0 || n > PL_EVIDENCE_ENTRIES_MAX)
        return pl_fail(err, PL_INVALID, "index.json: 'entries' must list 1 to %u entries",
                       PL_EVIDENCE_ENTRIES_MAX);
    x->entry = calloc(n, sizeof *x->entry);
    if (x->entry == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    for (; x->n < n; x->n++) {
        pl_rc rc = entry_parse(json_array_get(list, x->n), &x->entry[x->n], err);

        if (rc != PL_OK) {
            x->n++; /* so that its openings are freed */
            return rc;
        }
        if (x->n > 0 && x->entry[x->n].index <= x->entry[x->n - 1].index)
            return pl_fail(err, PL_INVALID, "index.json: entries are not in rising order");
    }
    return PL_OK;
}

static pl_rc index_read(evidence_index *x, pl_error *err)
{
    static const char *const keys[] = { "format", "created", "origin", "vkey", "to", "reason",
                                        "entries", "timestamps", "trust", NULL };
    pl_str  format = PL_STR("");
    int64_t stamps = 0;
    pl_rc   rc = json_is_object(x->json) ? pl_json_only(x->json, keys, err)
                                         : pl_fail(err, PL_INVALID, "index.json is not an object");

    if (rc == PL_OK)
        rc = pl_json_get_str(x->json, "format", true, &format, err);
    if (rc == PL_OK && !pl_str_eqz(format, EVIDENCE_FORMAT))
        rc = pl_fail(err, PL_INVALID, "index.json: not '%s'", EVIDENCE_FORMAT);
    if (rc == PL_OK)
        rc = pl_json_get_str(x->json, "vkey", true, &x->vkey, err);
    if (rc == PL_OK)
        rc = pl_json_get_str(x->json, "created", true, &x->created, err);
    if (rc == PL_OK)
        rc = pl_json_get_str(x->json, "to", true, &x->to, err);
    if (rc == PL_OK)
        rc = pl_json_get_str(x->json, "reason", true, &x->reason, err);
    if (rc == PL_OK)
        rc = pl_json_get_int(x->json, "timestamps", false, &stamps, err);
    if (rc == PL_OK)
        rc = pl_json_get_bool(x->json, "trust", false, &x->has_trust, err);
    if (rc == PL_OK && (stamps < 0 || stamps > 64))
        rc = pl_fail(err, PL_INVALID, "index.json: 'timestamps' must be 0 to 64");
    x->timestamps = (size_t)stamps;
    return rc == PL_OK ? entries_parse(json_object_get(x->json, "entries"), x, err) : rc;
}

pl_rc pl_evidence_index_parse(pl_str text, evidence_index *out, pl_error *err)
{
    evidence_index x = { .to = PL_STR(""), .reason = PL_STR(""), .vkey = PL_STR(""),
                         .created = PL_STR("") };
    pl_rc          rc = pl_json_parse(text, "index.json", &x.json, err);

    if (rc == PL_OK)
        rc = index_read(&x, err);
    if (rc != PL_OK) {
        pl_evidence_index_done(&x);
        return rc;
    }
    *out = x;
    return PL_OK;
}

void pl_evidence_index_done(evidence_index *x)
{
    for (size_t i = 0; i < x->n; i++)
        free(x->entry[i].openings);
    free(x->entry);
    json_decref(x->json);
    *x = (evidence_index){ 0 };
}
