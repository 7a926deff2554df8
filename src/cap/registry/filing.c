/* Filings: making, editing, attaching; what follows from the values. */
#include "base/banned.h"

#include "base/timefmt.h"
#include "cap/registry/registry_int.h"

#define SEARCH_MAX 4096 /* bytes of a filing's text in the search index */
#define VALUE_MAX  400  /* of one value there */
#define FACET_MAX  120

static pl_str json_text(const json_t *v)
{
    return json_is_string(v) ? (pl_str){ json_string_value(v), json_string_length(v) } : PL_STR("");
}

static pl_rc dup_text(registry_ctx *c, pl_str s, pl_str *out, pl_error *err)
{
    char *p = pl_arena_dup(c->a, s);

    if (p == NULL)
        return pl_fail(err, PL_LIMIT, "out of memory for this request");
    *out = (pl_str){ p, s.n };
    return PL_OK;
}

/* A text that lives as long as the request. */
static pl_rc dump_text(registry_ctx *c, const json_t *j, size_t max, pl_str *out, pl_error *err)
{
    char *text = pl_json_dump(j);
    pl_rc rc = text ? pl_arena_defer(c->a, free, text) : PL_NOMEM;

    if (rc != PL_OK) {
        free(text);
        return pl_fail(err, PL_NOMEM, "out of memory");
    }
    if (strlen(text) > max)
        return pl_fail(err, PL_LIMIT, "the filing has more than %zu bytes of values", max);
    *out = pl_str_z(text);
    return PL_OK;
}

/* --- opening ------------------------------------------------------------------------------ */

static pl_rc flow_of(registry_ctx *c, filing *f, pl_error *err)
{
    f->flow = registry_flow_find(c->packs, f->row.workflow, f->row.pack);
    if (f->flow == NULL)
        return pl_fail(err, PL_IO,
                       "the filing was made with workflow '" PL_STR_FMT "' of pack '" PL_STR_FMT
                       "', which is not installed", PL_STR_ARG(f->row.workflow), PL_STR_ARG(f->row.pack));
    return PL_OK;
}

static pl_rc tree_open(registry_ctx *c, pl_str text, json_t **out, pl_error *err)
{
    json_t *j = NULL;
    pl_rc   rc = registry_json(text, &j, err);

    if (rc == PL_OK)
        rc = pl_arena_defer(c->a, (void (*)(void *))json_decref, j);
    if (rc != PL_OK)
        json_decref(j);
    else
        *out = j;
    return rc;
}

pl_rc filing_open(registry_ctx *c, pl_str id, filing *out, pl_error *err)
{
    filing f = { .flow = NULL };
    pl_rc  rc = filing_store_find(c->db, c->a, id, &f.row, err);

    if (rc == PL_OK)
        rc = flow_of(c, &f, err);
    if (rc == PL_OK)
        rc = tree_open(c, f.row.data, &f.values, err);
    if (rc == PL_OK)
        rc = tree_open(c, f.row.actors, &f.actors, err);
    if (rc == PL_OK)
        *out = f;
    return rc;
}

pl_rc filing_edit_check(registry_ctx *c, const filing *f, pl_error *err)
{
    const pl_flow_state *s = pl_flow_state_find(f->flow->w, f->row.state);

    for (unsigned role = PL_ROLE_PUBLIC; s != NULL && role <= PL_ROLE_ADMIN; role <<= 1)
        if (registry_has_role(c, role) && pl_names_has(s->edit, pl_str_z(pl_role_name(role))))
            return f->row.origin.n > 0 && !(role & (PL_ROLE_REGULATOR | PL_ROLE_REVIEWER | PL_ROLE_ASSESSOR))
                       ? pl_fail(err, PL_DENIED, "this filing belongs to another installation")
                       : PL_OK;
    return pl_fail(err, PL_DENIED, "in state '" PL_STR_FMT "' your roles may not change the filing",
                   PL_STR_ARG(f->row.state));
}

/* --- what follows from the values ----------------------------------------------------------- */

/* Public short texts, one a line. */
static void search_text(const filing *f, const json_t *values, pl_buf *out)
{
    pl_buf raw = PL_BUF_INIT(SEARCH_MAX);

    pl_buf_printf(&raw, PL_STR_FMT "\n" PL_STR_FMT "\n" PL_STR_FMT "\n", PL_STR_ARG(f->row.title),
                  PL_STR_ARG(f->row.organisation), PL_STR_ARG(f->row.number));
    for (size_t i = 0; i < pl_names_count(f->flow->w->forms); i++) {
        pl_str        id = pl_names_at(f->flow->w->forms, i);
        const json_t *block = json_object_getn(values, id.p, id.n);

        for (size_t k = 0; k < pl_form_count(f->flow->forms[i]); k++) {
            pl_field_view v = pl_form_field(f->flow->forms[i], k);
            pl_str        text = json_text(json_object_getn(block, v.key.p, v.key.n));

            if (v.type == PL_FIELD_TEXT && v.is_public && !v.is_personal && text.n > 0 &&
                text.n <= VALUE_MAX && raw.n + text.n < SEARCH_MAX - 1) {
                pl_buf_put(&raw, text);
                pl_buf_putc(&raw, '\n');
            }
        }
    }
    registry_fold(pl_buf_str(&raw), out);
    pl_buf_done(&raw);
}

static pl_rc column(registry_ctx *c, const json_t *values, pl_str path, size_t max, pl_str *out,
                    pl_error *err)
{
    pl_str v = json_text(pl_path_get(values, path));

    while (v.n > max || (v.n > 0 && v.n == max && ((unsigned char)v.p[v.n - 1] & 0xc0) == 0x80))
        v.n--;
    while (v.n > 0 && v.n < max && ((unsigned char)v.p[v.n] & 0xc0) == 0x80)
        v.n--;
    return dup_text(c, v, out, err);
}

pl_rc filing_derive(registry_ctx *c, filing *f, pl_error *err)
{
    const pl_workflow *w = f->flow->w;
    registry_filing   *r = &f->row;
    json_t            *shown = NULL;
    pl_buf             text = PL_BUF_INIT(SEARCH_MAX * 2);
    const json_t      *values = f->values;
    pl_rc              rc = PL_OK;

    if (r->is_public) { /* what is searched is what is shown, not what is being prepared */
        rc = tree_open(c, r->published_data, &shown, err);
        values = shown;
    }
    if (rc == PL_OK)
        rc = column(c, values, w->title, 300, &r->title, err);
    if (rc == PL_OK)
        rc = column(c, values, w->organisation, 300, &r->organisation, err);
    if (rc == PL_OK)
        rc = column(c, values, w->region, FACET_MAX, &r->region, err);
    if (rc == PL_OK)
        rc = column(c, values, w->role, FACET_MAX, &r->role, err);
    if (rc == PL_OK)
        rc = column(c, values, w->type, FACET_MAX, &r->type, err);
    if (rc != PL_OK)
        return rc;
    search_text(f, values, &text);
    rc = dup_text(c, pl_buf_str(&text), &r->search_text, err);
    pl_buf_done(&text);
    return rc == PL_OK ? dump_text(c, f->values, REGISTRY_DATA_MAX, &r->data, err) : rc;
}

#define FACETS 7

static void facets_of(const registry_filing *f, registry_filter out[FACETS])
{
    const registry_filter all[FACETS] = {
        { FACET_REGION, f->region }, { FACET_ROLE, f->role }, { FACET_TYPE, f->type },
        { FACET_MONTH, f->month }, { FACET_WORKFLOW, f->workflow }, { FACET_STATE, f->state },
        { FACET_PUBLIC, f->is_public ? PL_STR("1") : PL_STR("") }
    };

    memcpy(out, all, sizeof all);
}

/* Only what differs: most steps change the state and nothing else. */
pl_rc filing_index(pl_db *db, const registry_filing *before, const registry_filing *f, registry_changes *k,
                   pl_error *err)
{
    registry_filter old[FACETS], now[FACETS];
    pl_rc           rc = PL_OK;

    facets_of(f, now);
    if (before != NULL)
        facets_of(before, old);
    for (size_t i = 0; i < FACETS && rc == PL_OK; i++) {
        if (before != NULL && pl_str_eq(old[i].value, now[i].value))
            continue;
        if (before != NULL)
            rc = registry_changes_facet(k, db, f->seq, old[i].facet, old[i].value, false, err);
        if (rc == PL_OK)
            rc = registry_changes_facet(k, db, f->seq, now[i].facet, now[i].value, true, err);
    }
    if (before != NULL && pl_str_eq(before->search_text, f->search_text))
        return rc;
    if (before != NULL)
        registry_changes_text(k, f->seq, before->search_text, false);
    registry_changes_text(k, f->seq, f->search_text, true);
    return rc;
}

/* Writes the row and the difference to the search index. */
pl_rc filing_store_indexed(registry_ctx *c, const registry_filing *before, filing *f, pl_error *err)
{
    registry_changes k = { 0 };
    pl_rc            rc = before ? filing_store_change(c->db, &f->row, err)
                                 : filing_store_add(c->db, &f->row, err);

    if (rc == PL_OK)
        rc = filing_index(c->db, before, &f->row, &k, err);
    if (rc == PL_OK)
        rc = registry_changes_apply(&k, c->db, err);
    registry_changes_done(&k);
    return rc;
}

/* --- making -------------------------------------------------------------------------------- */

pl_rc filing_values_check(const filing *f, const json_t *values, pl_error *err)
{
    const char   *form;
    const json_t *block;

    if (!json_is_object(values))
        return pl_fail(err, PL_INVALID, "'values' must be a mapping of forms");
    json_object_foreach((json_t *)(uintptr_t)values, form, block) {
        const pl_form *there = registry_flow_form(f->flow, pl_str_z(form));
        json_t        *problems = json_array();
        pl_rc          rc;

        if (there == NULL) {
            json_decref(problems);
            return pl_fail(err, PL_INVALID, "the workflow has no form '%.40s'", form);
        }
        rc = pl_form_check(there, block, PL_FORM_DRAFT, problems, err);
        /* A draft may be wrong in its values, but holds nothing the form does not have. */
        for (size_t i = 0; rc == PL_OK && i < json_array_size(problems); i++) {
            const json_t *p = json_array_get(problems, i);
            const char   *code = json_string_value(json_object_get(p, "code"));

            if (strcmp(code, "unknown") == 0 || strcmp(code, "type") == 0)
                rc = pl_fail(err, PL_INVALID, "form '%.40s', field '%.60s': %.100s", form,
                             json_string_value(json_object_get(p, "field")),
                             json_string_value(json_object_get(p, "en")));
        }
        json_decref(problems);
        if (rc != PL_OK)
            return rc;
    }
    return PL_OK;
}

static pl_rc subject_check(registry_ctx *c, const filing *f, pl_str subject, pl_error *err)
{
    registry_record r;
    pl_rc           rc;

    if (subject.n == 0)
        return PL_OK;
    rc = record_store_find(c->db, c->a, subject, &r, err);
    if (rc == PL_OK && f->flow->w->subject.n > 0 && !pl_str_eq(r.kind, f->flow->w->subject))
        rc = pl_fail(err, PL_INVALID, "this workflow is about a record of kind '" PL_STR_FMT "'",
                     PL_STR_ARG(f->flow->w->subject));
    return rc;
}

static pl_rc event_put(registry_ctx *c, const filing *f, pl_str step, pl_str from, pl_str note,
                       const char snapshot[65], int64_t index, pl_error *err)
{
    registry_event e = { .step = step, .from = from, .to = f->row.state, .by_id = pl_str_z(c->who->id),
                         .note = note, .snapshot = pl_str_z(snapshot), .ledger_index = index,
                         .time_ms = c->now_ms };
    pl_rc          rc = event_store_count(c->db, f->row.id, &e.n, err);

    e.n++;
    return rc == PL_OK ? event_store_add(c->db, f->row.id, &e, err) : rc;
}

static pl_rc make_stated(registry_ctx *c, filing *f, pl_error *err)
{
    filing_claim k = { .f = f, .step = PL_STR("new"), .action = PL_STR("drafted") };
    char         snapshot[65];
    int64_t      index = 0;
    pl_rc        rc = registry_count(c->db, "seq", &f->row.seq, err);

    if (rc == PL_OK)
        rc = filing_store_indexed(c, NULL, f, err);
    if (rc == PL_OK)
        rc = deadlines_begin(c, f, err);
    if (rc == PL_OK)
        rc = filing_state_it(c, &k, snapshot, &index, err);
    return rc == PL_OK ? event_put(c, f, k.step, PL_STR(""), PL_STR(""), snapshot, index, err) : rc;
}

pl_rc filing_make(registry_ctx *c, pl_str workflow, pl_str subject, const json_t *values, char id[27],
                  pl_error *err)
{
    filing f = { .flow = registry_flow_find(c->packs, workflow, PL_STR("")) };
    char   month[25];
    pl_rc  rc;

    if (f.flow == NULL)
        return pl_fail(err, PL_INVALID, "there is no workflow '%.*s'",
                       (int)(workflow.n < 60 ? workflow.n : 60), workflow.p);
    if (!registry_has_names(c, pl_flow_state_find(f.flow->w, f.flow->w->initial)->edit))
        return pl_fail(err, PL_DENIED, "your roles may not begin a filing of this kind");
    rc = registry_new_id(c->now_ms, id, err);
    pl_time_format(c->now_ms, month);
    f.row = (registry_filing){ .workflow = f.flow->w->id, .pack = pl_str_z(f.flow->pack),
                               .state = f.flow->w->initial, .version = 1, .subject_id = subject,
                               .owner = pl_str_z(c->who->id), .actors = PL_STR("{}"),
                               .created_ms = c->now_ms, .changed_ms = c->now_ms, .vote_round = 1 };
    f.values = (json_t *)(uintptr_t)values;
    if (rc == PL_OK)
        rc = dup_text(c, (pl_str){ id, PL_ID_LEN }, &f.row.id, err);
    if (rc == PL_OK)
        rc = dup_text(c, (pl_str){ month, 7 }, &f.row.month, err);
    if (rc == PL_OK)
        rc = filing_values_check(&f, values, err);
    if (rc == PL_OK)
        rc = subject_check(c, &f, subject, err);
    if (rc == PL_OK)
        rc = filing_derive(c, &f, err);
    if (rc == PL_OK)
        rc = registry_begin(c->db, err);
    return rc == PL_OK ? registry_finish(c->db, make_stated(c, &f, err), err) : rc;
}

/* --- editing -------------------------------------------------------------------------------- */

static pl_rc version_check(const filing *f, int64_t version, pl_error *err)
{
    if (f->row.version == version)
        return PL_OK;
    return pl_fail(err, PL_CONFLICT,
                   "the filing is at version %lld, not %lld: somebody else acted on it meanwhile; look "
                   "again and repeat", (long long)f->row.version, (long long)version);
}

static pl_rc edit_write(registry_ctx *c, const registry_filing *before, filing *f, pl_error *err)
{
    pl_rc rc;

    f->row.version++;
    f->row.changed_ms = c->now_ms;
    rc = filing_derive(c, f, err);
    if (rc == PL_OK)
        rc = registry_begin(c->db, err);
    if (rc != PL_OK)
        return rc;
    rc = filing_store_indexed(c, before, f, err);
    if (rc == PL_OK)
        rc = deadlines_recount(c, f, err);
    return registry_finish(c->db, rc, err);
}

/* A form that is given replaces what it held. */
pl_rc filing_edit(registry_ctx *c, pl_str id, int64_t version, const json_t *values, pl_error *err)
{
    filing          f;
    registry_filing before;
    pl_rc           rc = filing_open(c, id, &f, err);

    if (rc == PL_OK)
        rc = version_check(&f, version, err);
    if (rc == PL_OK)
        rc = filing_edit_check(c, &f, err);
    if (rc == PL_OK)
        rc = filing_values_check(&f, values, err);
    if (rc != PL_OK)
        return rc;
    before = f.row;
    (void)json_object_update(f.values, (json_t *)(uintptr_t)values);
    return edit_write(c, &before, &f, err);
}

/* --- attachments ------------------------------------------------------------------------------ */

static pl_rc type_check(const pl_flow_attachment *a, pl_str name, pl_error *err)
{
    const char *dot = memrchr(name.p, '.', name.n);
    pl_str      ending = dot ? (pl_str){ dot + 1, name.n - (size_t)(dot + 1 - name.p) } : PL_STR("");

    if (pl_names_count(a->types) == 0 || pl_names_has(a->types, ending))
        return PL_OK;
    return pl_fail(err, PL_INVALID, "attachment '" PL_STR_FMT "' does not take files of this type",
                   PL_STR_ARG(a->id));
}

static pl_rc count_file(void *ctx, const registry_file *f, pl_error *err)
{
    (void)f, (void)err;
    ++*(size_t *)ctx;
    return PL_OK;
}

static pl_rc attach_write(registry_ctx *c, filing *f, const registry_file *file, pl_error *err)
{
    size_t n = 0;
    pl_rc  rc = registry_begin(c->db, err);

    if (rc != PL_OK)
        return rc;
    f->row.version++;
    f->row.changed_ms = c->now_ms;
    rc = filing_store_change(c->db, &f->row, err);
    if (rc == PL_OK)
        rc = file_store_each(c->db, c->a, f->row.id, count_file, &n, err);
    if (rc == PL_OK && n >= REGISTRY_FILES_MAX)
        rc = pl_fail(err, PL_LIMIT, "a filing has at most %d attachments", REGISTRY_FILES_MAX);
    if (rc == PL_OK)
        rc = file_store_add(c->db, f->row.id, file, err);
    return registry_finish(c->db, rc, err);
}

/* A slot with roles of its own is open to them while the filing goes on. */
static pl_rc slot_check(registry_ctx *c, const filing *f, pl_str slot, const pl_flow_attachment **out,
                        pl_error *err)
{
    const pl_flow_attachment *a = pl_flow_attachment_find(f->flow->w, slot);
    const pl_flow_state      *s = pl_flow_state_find(f->flow->w, f->row.state);

    if (a == NULL)
        return pl_fail(err, PL_INVALID, "the workflow has no attachment '%.*s'",
                       (int)(slot.n < 40 ? slot.n : 40), slot.p);
    *out = a;
    if (s != NULL && !s->is_final && registry_has_names(c, a->roles))
        return PL_OK;
    return filing_edit_check(c, f, err);
}

pl_rc filing_attach(registry_ctx *c, pl_str id, pl_str slot, int64_t version, const json_t *body,
                    pl_error *err)
{
    filing                    f;
    registry_file             file;
    const pl_flow_attachment *a = NULL;
    pl_rc                     rc = filing_open(c, id, &f, err);

    if (rc == PL_OK)
        rc = version_check(&f, version, err);
    if (rc == PL_OK)
        rc = slot_check(c, &f, slot, &a, err);
    if (rc != PL_OK)
        return rc;
    rc = registry_file_take(c, body, a->max_mib << 20, &file, err);
    file.slot = a->id;
    if (rc == PL_OK)
        rc = type_check(a, file.name, err);
    return rc == PL_OK ? attach_write(c, &f, &file, err) : rc;
}

pl_rc filing_detach(registry_ctx *c, pl_str id, pl_str slot, pl_str sha256, int64_t version,
                    pl_error *err)
{
    filing                    f;
    const pl_flow_attachment *a = NULL;
    pl_rc                     rc = filing_open(c, id, &f, err);

    if (rc == PL_OK)
        rc = version_check(&f, version, err);
    if (rc == PL_OK)
        rc = slot_check(c, &f, slot, &a, err);
    if (rc == PL_OK)
        rc = registry_begin(c->db, err);
    if (rc != PL_OK)
        return rc;
    f.row.version++;
    f.row.changed_ms = c->now_ms;
    rc = filing_store_change(c->db, &f.row, err);
    if (rc == PL_OK)
        rc = file_store_drop(c->db, f.row.id, slot, sha256, err);
    return registry_finish(c->db, rc, err);
}
