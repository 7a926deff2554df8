/* Records: checked by their kind's form, versioned, each version a statement. */
#include "base/banned.h"

#include "cap/ledger/pl_ledger.h"
#include "cap/registry/registry_int.h"

#define TITLE_MAX 300

/* --- what a record names ------------------------------------------------------------------ */

static json_t *ids_of(const json_t *v)
{
    return json_is_array(v) ? json_incref((json_t *)(uintptr_t)v) : json_pack("[O]", v);
}

/* [{"relation","id","kind"}] of the fields that hold ids of records. */
static json_t *relations_of(const pl_form *form, const json_t *data)
{
    json_t *out = json_array();

    for (size_t i = 0; i < pl_form_count(form); i++) {
        pl_field_view f = pl_form_field(form, i);
        const json_t *v = json_object_getn(data, f.key.p, f.key.n), *id;
        json_t       *list;
        size_t        k;

        if ((f.type != PL_FIELD_RECORD && f.type != PL_FIELD_RECORDS) || v == NULL || json_is_null(v) ||
            (json_is_string(v) && json_string_length(v) == 0))
            continue;
        list = ids_of(v);
        json_array_foreach(list, k, id)
            (void)json_array_append_new(out, json_pack("{s:s%, s:O, s:s%}", "relation", f.key.p, f.key.n,
                                                       "id", id, "kind", f.record.p, f.record.n));
        json_decref(list);
    }
    return out;
}

/* What is named must be there and of the kind the field says. */
static pl_rc relations_check(registry_ctx *c, const json_t *relations, pl_str self, pl_error *err)
{
    const json_t *one;
    size_t        i;

    json_array_foreach((json_t *)(uintptr_t)relations, i, one) {
        const char     *field = json_string_value(json_object_get(one, "relation"));
        const char     *kind = json_string_value(json_object_get(one, "kind"));
        pl_str          id = pl_str_z(json_string_value(json_object_get(one, "id")));
        registry_record other;
        pl_rc           rc = record_store_find(c->db, c->a, id, &other, NULL);

        if (rc == PL_NOTFOUND || pl_str_eq(id, self))
            return pl_fail(err, PL_INVALID, "field '%.40s' names no record: '" PL_STR_FMT "'", field,
                           PL_STR_ARG(id));
        if (rc != PL_OK)
            return pl_fail(err, rc, "the database cannot be read");
        if (kind[0] != '\0' && !pl_str_eqz(other.kind, kind))
            return pl_fail(err, PL_INVALID,
                           "field '%.40s' wants a record of kind '%.30s', not '" PL_STR_FMT "'", field,
                           kind, PL_STR_ARG(other.kind));
    }
    return PL_OK;
}

/* --- checking ------------------------------------------------------------------------------- */

/* The first three findings, for a message; the whole list comes from the check route. */
static pl_rc problems_fail(const json_t *problems, pl_error *err)
{
    pl_buf  b = PL_BUF_INIT(240);
    json_t *one;
    size_t  i, told = 0, errors = 0;
    pl_rc   rc;

    json_array_foreach((json_t *)(uintptr_t)problems, i, one) {
        if (strcmp(json_string_value(json_object_get(one, "severity")), "error") != 0)
            continue;
        if (++errors > 3)
            continue;
        pl_buf_printf(&b, "%s%.30s: %.40s", told++ ? "; " : "",
                      json_string_value(json_object_get(one, "field")),
                      json_string_value(json_object_get(one, "en")));
    }
    rc = pl_fail(err, PL_INVALID, "%zu fields are not acceptable: %.200s", errors, b.p ? b.p : "");
    pl_buf_done(&b);
    return rc;
}

static pl_rc values_check(const pl_form *form, const json_t *data, pl_error *err)
{
    json_t *problems = json_array();
    pl_rc   rc = problems ? pl_form_check(form, data, PL_FORM_COMPLETE, problems, err)
                          : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc == PL_OK && pl_form_has_errors(problems))
        rc = problems_fail(problems, err);
    json_decref(problems);
    return rc;
}

/* The first text field is what the record is called: forms begin with it. */
static pl_str title_of(const pl_form *form, const json_t *data)
{
    for (size_t i = 0; i < pl_form_count(form); i++) {
        pl_field_view f = pl_form_field(form, i);
        const json_t *v = json_object_getn(data, f.key.p, f.key.n);

        if (f.type == PL_FIELD_TEXT && json_is_string(v) && !f.is_personal)
            return (pl_str){ json_string_value(v), json_string_length(v) < TITLE_MAX
                                                       ? json_string_length(v) : TITLE_MAX };
    }
    return PL_STR("");
}

/* --- writing --------------------------------------------------------------------------------- */

/* Salted: its digest in the ledger tells nothing about the persons in it. */
static pl_rc snapshot_put(registry_ctx *c, const registry_record *r, char hex[65], size_t *n, pl_error *err)
{
    char    salt[33], *text;
    json_t *data = NULL, *o;
    pl_rc   rc = registry_salt(salt, err);

    if (rc == PL_OK)
        rc = registry_json(r->data, &data, err);
    if (rc != PL_OK)
        return rc;
    o = json_pack("{s:s, s:s, s:s%, s:s%, s:I, s:o}", "format", "plumbline-record/v1", "salt", salt, "record",
                  r->id.p, r->id.n, "kind", r->kind.p, r->kind.n, "version", (json_int_t)r->version, "data",
                  data);
    text = o ? pl_json_dump(o) : NULL;
    json_decref(o);
    rc = text ? registry_payload_put(c, pl_str_z(text), hex, err) : pl_fail(err, PL_NOMEM, "out of memory");
    *n = text ? strlen(text) : 0;
    free(text);
    return rc;
}

static pl_rc claim_state(registry_ctx *c, const registry_record *r, const char *action, int64_t *index,
                         pl_error *err)
{
    char    hex[65];
    size_t  n = 0;
    json_t *claim;
    pl_rc   rc = snapshot_put(c, r, hex, &n, err);

    if (rc != PL_OK)
        return rc;
    claim = json_pack("{s:s%, s:s%, s:s, s:I, s:s, s:I, s:s, s:o}", "record", r->id.p, r->id.n, "kind",
                      r->kind.p, r->kind.n, "action", action, "version", (json_int_t)r->version,
                      "payload_sha256", hex, "payload_bytes", (json_int_t)n, "by", c->who->id, "time",
                      registry_time(r->changed_ms));
    rc = registry_state(c, "record", r->id, PL_PREDICATE("registry-record"), claim, index, err);
    json_decref(claim);
    return rc;
}

static pl_rc version_write(registry_ctx *c, const registry_record *r, pl_str note, const char *action,
                           pl_error *err)
{
    registry_version v = { .version = r->version, .time_ms = r->changed_ms, .title = r->title,
                           .data = r->data, .note = note, .by_id = pl_str_z(c->who->id) };
    pl_rc            rc = claim_state(c, r, action, &v.ledger_index, err);

    return rc == PL_OK ? record_store_version_add(c->db, r->id, &v, err) : rc;
}

/* Inside a transaction. */
static pl_rc write_all(registry_ctx *c, const registry_record *r, const json_t *relations, pl_str note,
                       bool is_new, pl_error *err)
{
    const char *action = is_new ? "created" : r->is_retired ? "retired" : "changed";
    pl_rc       rc = is_new ? record_store_add(c->db, r, err) : record_store_change(c->db, r, err);

    if (rc == PL_OK)
        rc = record_store_relate(c->db, r->id, relations, err);
    return rc == PL_OK ? version_write(c, r, note, action, err) : rc;
}

/* Takes over what is there and what the change says. */
static pl_rc record_make(registry_ctx *c, const registry_record_change *k, registry_record *r,
                         pl_error *err)
{
    char  id[PL_ID_LEN + 1];
    pl_rc rc;

    if (k->id.n > 0) {
        rc = record_store_find(c->db, c->a, k->id, r, err);
        if (rc == PL_OK && r->version != k->version)
            rc = pl_fail(err, PL_CONFLICT,
                         "the record is at version %lld, not %lld: somebody changed it meanwhile",
                         (long long)r->version, (long long)k->version);
        if (rc == PL_OK && r->is_retired)
            rc = pl_fail(err, PL_CONFLICT, "the record is retired");
        r->version++;
        return rc;
    }
    rc = registry_new_id(c->now_ms, id, err);
    if (rc != PL_OK)
        return rc;
    *r = (registry_record){ .kind = k->kind, .version = 1, .created_ms = c->now_ms,
                            .owner = pl_str_z(c->who->id) };
    r->id = (pl_str){ pl_arena_dup(c->a, pl_str_z(id)), PL_ID_LEN };
    return r->id.p ? PL_OK : pl_fail(err, PL_LIMIT, "out of memory for this request");
}

static pl_rc data_put(registry_ctx *c, const json_t *data, registry_record *r, pl_error *err)
{
    char *text = pl_json_dump(data);

    if (text == NULL || pl_arena_defer(c->a, free, text) != PL_OK) {
        free(text);
        return pl_fail(err, PL_NOMEM, "out of memory");
    }
    r->data = pl_str_z(text);
    return r->data.n <= REGISTRY_DATA_MAX ? PL_OK : pl_fail(err, PL_LIMIT, "the record is too large");
}

/* Inside a transaction; *id is of the arena. */
static pl_rc put(registry_ctx *c, const registry_record_change *k, pl_str *id, pl_error *err)
{
    registry_record r = { .version = 0 };
    const pl_form  *form;
    json_t         *relations;
    pl_rc           rc = record_make(c, k, &r, err);

    if (rc != PL_OK)
        return rc;
    form = registry_kind_find(c->packs, r.kind);
    if (form == NULL)
        return pl_fail(err, PL_INVALID, "there is no kind of record '%.*s'",
                       (int)(r.kind.n < 40 ? r.kind.n : 40), r.kind.p);
    if (k->note.n > REGISTRY_NOTE_MAX)
        return pl_fail(err, PL_LIMIT, "the note is too long");
    if (!k->retires) {
        rc = values_check(form, k->data, err);
        r.title = rc == PL_OK ? title_of(form, k->data) : PL_STR("");
        if (rc == PL_OK)
            rc = data_put(c, k->data, &r, err);
    }
    if (rc != PL_OK)
        return rc;
    r.is_retired = k->retires;
    r.changed_ms = c->now_ms;
    relations = k->retires ? NULL : relations_of(form, k->data);
    rc = relations_check(c, relations, r.id, err);
    if (rc == PL_OK)
        rc = write_all(c, &r, relations, k->note, k->id.n == 0, err);
    json_decref(relations);
    *id = r.id;
    return rc;
}

pl_rc registry_record_put(registry_ctx *c, const registry_record_change *k, json_t **out, pl_error *err)
{
    pl_str id = PL_STR("");
    pl_rc  rc = registry_begin(c->db, err);

    if (rc == PL_OK)
        rc = registry_finish(c->db, put(c, k, &id, err), err);
    return rc == PL_OK ? pl_registry_record(c->db, c->a, id, 0, out, err) : rc;
}

/* --- several at once -------------------------------------------------------------------------- */

/* "@3" stands for the id of the third item, which comes before. */
static json_t *resolved(const json_t *v, const json_t *ids)
{
    const char *text = json_string_value(v), *key;
    json_t     *out, *one;
    size_t      i;

    if (text != NULL && text[0] == '@') {
        uint64_t n = 0;

        if (pl_str_u64(pl_str_z(text + 1), &n, NULL) == PL_OK && n >= 1 && n <= json_array_size(ids))
            return json_incref(json_array_get(ids, n - 1));
        return json_string(text);
    }
    if (!json_is_object(v) && !json_is_array(v))
        return json_incref((json_t *)(uintptr_t)v);
    out = json_is_object(v) ? json_object() : json_array();
    json_object_foreach((json_t *)(uintptr_t)v, key, one)
        (void)json_object_set_new(out, key, resolved(one, ids));
    json_array_foreach((json_t *)(uintptr_t)v, i, one)
        (void)json_array_append_new(out, resolved(one, ids));
    return out;
}

/* Everything is looked at before anything is written: what the ledger says cannot be taken back. */
static pl_rc items_check(registry_ctx *c, const json_t *items, pl_error *err)
{
    json_t  *ids = json_array(), *one;
    size_t   i;
    pl_error why = { 0 };
    pl_rc    rc = PL_OK;

    json_array_foreach((json_t *)(uintptr_t)items, i, one) {
        pl_str         kind = pl_str_z(json_string_value(json_object_get(one, "kind")));
        const pl_form *form = registry_kind_find(c->packs, kind);
        json_t        *data = resolved(json_object_get(one, "data"), ids);

        rc = form ? values_check(form, data, &why)
                  : pl_fail(&why, PL_INVALID, "there is no kind of record '%.40s'", kind.p);
        json_decref(data);
        (void)json_array_append_new(ids, json_string("00000000000000000000000000"));
        if (rc != PL_OK) {
            rc = pl_fail(err, rc, "item %zu: %.230s", i + 1, why.text);
            break;
        }
    }
    json_decref(ids);
    return rc;
}

static pl_rc items_put(registry_ctx *c, const json_t *items, pl_str note, json_t *ids, pl_error *err)
{
    json_t *one;
    size_t  i;
    pl_rc   rc = PL_OK;

    json_array_foreach((json_t *)(uintptr_t)items, i, one) {
        pl_str                 id = PL_STR("");
        json_t                *data = resolved(json_object_get(one, "data"), ids);
        registry_record_change k = { .kind = pl_str_z(json_string_value(json_object_get(one, "kind"))),
                                     .note = note, .data = data, .id = PL_STR("") };

        rc = put(c, &k, &id, err);
        json_decref(data);
        if (rc != PL_OK)
            break;
        (void)json_array_append_new(ids, json_stringn(id.p, id.n));
    }
    return rc;
}

pl_rc registry_records_put(registry_ctx *c, const json_t *items, pl_str note, json_t *ids, pl_error *err)
{
    pl_rc rc;

    if (json_array_size(items) == 0 || json_array_size(items) > REGISTRY_LIST_MAX)
        return pl_fail(err, PL_INVALID, "'items' must be a list of 1 to %d records", REGISTRY_LIST_MAX);
    rc = items_check(c, items, err);
    if (rc == PL_OK)
        rc = registry_begin(c->db, err);
    return rc == PL_OK ? registry_finish(c->db, items_put(c, items, note, ids, err), err) : rc;
}

/* --- reading --------------------------------------------------------------------------------- */

json_t *registry_record_json(const registry_record *r)
{
    return json_pack("{s:s%, s:s%, s:s%, s:s%, s:I, s:b, s:o, s:o}", "id", r->id.p, r->id.n, "kind",
                     r->kind.p, r->kind.n, "title", r->title.p, r->title.n, "owner", r->owner.p,
                     r->owner.n, "version", (json_int_t)r->version, "retired", r->is_retired, "created",
                     registry_time(r->created_ms), "changed", registry_time(r->changed_ms));
}

pl_rc pl_registry_record(pl_db *db, pl_arena *a, pl_str id, int64_t version, json_t **out, pl_error *err)
{
    registry_record  r;
    registry_version v;
    json_t          *o, *data = NULL;
    pl_rc            rc = record_store_find(db, a, id, &r, err);

    if (rc == PL_OK)
        rc = record_store_version_find(db, a, id, version > 0 ? version : r.version, &v, err);
    if (rc == PL_OK)
        rc = registry_json(v.data, &data, err);
    if (rc != PL_OK)
        return rc;
    o = registry_record_json(&r);
    if (o == NULL) {
        json_decref(data);
        return pl_fail(err, PL_NOMEM, "out of memory");
    }
    (void)json_object_set_new(o, "data", data);
    (void)json_object_set_new(o, "version", json_integer((json_int_t)v.version));
    (void)json_object_set_new(o, "latest", json_integer((json_int_t)r.version));
    (void)json_object_set_new(o, "title", json_stringn(v.title.p, v.title.n));
    (void)json_object_set_new(o, "ledger_index", json_integer((json_int_t)v.ledger_index));
    (void)json_object_set_new(o, "changed", registry_time(v.time_ms));
    (void)json_object_set_new(o, "by", json_stringn(v.by_id.p, v.by_id.n));
    (void)json_object_set_new(o, "note", json_stringn(v.note.p, v.note.n));
    *out = o;
    return PL_OK;
}
