/* Filings between installations: signed packages out, signed packages in.
 *
 * What is taken must be from the log of a known peer, must hold, must be newer than what was taken
 * before, and every step in it must be one that the workflow lets that peer take from the state
 * the filing is in here. Nothing is written unless all of it fits. */
#include "base/banned.h"

#include "base/hash.h"
#include "cap/ledger/pl_evidence_make.h"
#include "cap/ledger/pl_ledger.h"
#include "cap/registry/registry_int.h"

#include <plumbline/evidence.h>

#define STEPS_MAX 256

/* --- out ------------------------------------------------------------------------------------- */

typedef struct indexes {
    uint64_t list[STEPS_MAX];
    size_t   n;
} indexes;

static pl_rc index_add(void *ctx, const registry_event *e, pl_error *err)
{
    indexes *x = ctx;

    if (x->n == STEPS_MAX)
        return pl_fail(err, PL_LIMIT, "the filing took more than %d steps", STEPS_MAX);
    x->list[x->n++] = (uint64_t)e->ledger_index;
    return PL_OK;
}

static pl_rc text_z(registry_ctx *c, pl_str s, size_t max, const char *what, const char **out, pl_error *err)
{
    if (s.n == 0 || s.n > max)
        return pl_fail(err, PL_INVALID, "'%s' must have 1 to %zu bytes", what, max);
    *out = pl_arena_dup(c->a, s);
    return *out ? PL_OK : pl_fail(err, PL_LIMIT, "out of memory for this request");
}

static pl_rc package_keep(registry_ctx *c, pl_str id, pl_str to, pl_str package, char hex[65], pl_error *err)
{
    pl_rc rc = package.n <= REGISTRY_FILE_MAX
                   ? registry_payload_put(c, package, hex, err)
                   : pl_fail(err, PL_LIMIT, "the package has %zu bytes, at most %u are made", package.n,
                             REGISTRY_FILE_MAX);

    if (rc == PL_OK)
        rc = pl_db_begin(c->db, err);
    if (rc != PL_OK)
        return rc;
    return registry_finish(c->db, export_store_add(c->db, pl_str_z(hex), id, to, c->now_ms, err), err);
}

pl_rc filing_export(registry_ctx *c, pl_str id, pl_str to, pl_str reason, char hex[65], size_t *n,
                    pl_error *err)
{
    indexes         x = { .n = 0 };
    filing          f;
    pl_evidence_ask ask = { .entries = x.list, .by = c->who->id, .service = c->s->instance->service,
                            .now_ms = c->now_ms };
    void           *package = NULL;
    pl_rc           rc = filing_open(c, id, &f, err);

    if (rc == PL_OK)
        rc = text_z(c, to, 256, "to", &ask.to, err);
    if (rc == PL_OK)
        rc = text_z(c, reason, 512, "reason", &ask.reason, err);
    if (rc == PL_OK)
        rc = event_store_each(c->db, c->a, id, index_add, &x, err);
    ask.n = x.n;
    if (rc == PL_OK)
        rc = pl_evidence_make(c->s->ledger, c->s->signer, &ask, &package, n, err);
    if (rc == PL_OK)
        rc = package_keep(c, id, to, (pl_str){ package, *n }, hex, err);
    free(package);
    return rc;
}

/* --- in: what the package says ------------------------------------------------------------------ */

typedef struct inbound {
    registry_ctx *c;
    pl_str        package;
    char          hex[65];
    registry_peer peer;
    json_t       *report; /* of the check; freed with the arena */
} inbound;

/* One statement of the package about the filing. */
typedef struct inbound_step {
    int64_t entry;
    pl_str  id, workflow, pack, step, action, before, state, number;
    json_t *snapshot; /* freed with the arena */
} inbound_step;

static pl_rc report_of(inbound *in, const pl_vkey *key, pl_error *err)
{
    pl_evidence_check how = { .key = key };
    char             *text = NULL;
    int               ok = 0;
    json_t           *j = NULL;
    pl_rc             rc = pl_evidence_verify(in->package, &how, &ok, &text, err);

    if (rc == PL_OK)
        rc = pl_json_parse(pl_str_z(text), "report", &j, err);
    free(text);
    if (rc == PL_OK && pl_arena_defer(in->c->a, (void (*)(void *))json_decref, j) != PL_OK) {
        json_decref(j);
        rc = pl_fail(err, PL_NOMEM, "out of memory");
    }
    if (rc != PL_OK)
        return rc;
    in->report = j;
    if (key != NULL && !ok)
        return pl_fail(err, PL_INVALID, "the package does not hold: %.180s",
                       json_string_value(json_array_get(json_object_get(j, "problems"), 0)));
    return PL_OK;
}

/* The key comes from the list of peers, never from the package. */
static pl_rc package_check(inbound *in, pl_error *err)
{
    uint8_t digest[32];
    pl_vkey key;
    pl_str  origin = PL_STR("");
    pl_rc   rc;

    pl_sha256_of(in->package, digest);
    pl_hex(digest, sizeof digest, in->hex);
    if (import_store_has(in->c->db, pl_str_z(in->hex)))
        return pl_fail(err, PL_CONFLICT, "replayed: this very package was taken before");
    rc = report_of(in, NULL, err);
    if (rc == PL_OK)
        rc = pl_json_get_str(in->report, "origin", false, &origin, err);
    if (rc == PL_OK)
        rc = peer_store_find(in->c->db, in->c->a, origin, &in->peer, err);
    if (rc == PL_NOTFOUND)
        return pl_fail(err, PL_DENIED,
                       "the package is from '%.*s', which is no peer of this installation: add its key first",
                       (int)(origin.n < 120 ? origin.n : 120), origin.p);
    if (rc == PL_OK)
        rc = pl_vkey_parse(in->peer.vkey, &key, err);
    return rc == PL_OK ? report_of(in, &key, err) : rc;
}

static pl_rc snapshot_of(inbound *in, pl_str hex, json_t **out, pl_error *err)
{
    uint8_t digest[32];
    pl_str  bytes = PL_STR("");
    json_t *j = NULL;
    pl_rc   rc = pl_hex_decode(hex, digest, sizeof digest, err);

    if (rc == PL_OK)
        rc = pl_evidence_payload(in->package, digest, &bytes, err);
    if (rc == PL_NOTFOUND)
        return pl_fail(err, PL_INVALID, "the package lacks the values that its statement binds");
    if (rc == PL_OK && bytes.n > REGISTRY_DATA_MAX * 2)
        rc = pl_fail(err, PL_LIMIT, "the filing in the package is too large");
    if (rc == PL_OK)
        rc = pl_json_parse(bytes, "filing in the package", &j, err);
    if (rc == PL_OK && pl_arena_defer(in->c->a, (void (*)(void *))json_decref, j) != PL_OK) {
        json_decref(j);
        rc = pl_fail(err, PL_NOMEM, "out of memory");
    }
    if (rc == PL_OK)
        *out = j;
    return rc;
}

/* The snapshot says the same as the statement that binds it. */
static pl_rc snapshot_fits(const inbound_step *s, pl_error *err)
{
    pl_str id = PL_STR(""), state = PL_STR(""), format = PL_STR("");
    pl_rc  rc = pl_json_get_str(s->snapshot, "filing", true, &id, err);

    if (rc == PL_OK)
        rc = pl_json_get_str(s->snapshot, "state", true, &state, err);
    if (rc == PL_OK)
        rc = pl_json_get_str(s->snapshot, "format", true, &format, err);
    if (rc == PL_OK && (!pl_str_eq(id, s->id) || !pl_str_eq(state, s->state) ||
                        !pl_str_eqz(format, "plumbline-filing/v1") ||
                        !json_is_object(json_object_get(s->snapshot, "values"))))
        rc = pl_fail(err, PL_INVALID, "the values in the package are of another filing or state");
    return rc;
}

/* PL_NOTFOUND: the entry is about something else. */
static pl_rc step_read(inbound *in, const json_t *entry, inbound_step *s, pl_error *err)
{
    const json_t *statement = json_object_get(entry, "statement");
    const json_t *p = json_object_get(statement, "predicate"), *type = json_object_get(statement, "predicateType");
    pl_str        hex = PL_STR(""), origin = PL_STR("");
    const struct {
        const char *key;
        bool        required;
        pl_str     *out;
    } texts[] = { { "filing", true, &s->id }, { "workflow", true, &s->workflow }, { "pack", true, &s->pack },
                  { "step", true, &s->step }, { "action", true, &s->action }, { "state", true, &s->state },
                  { "state_before", false, &s->before }, { "number", false, &s->number },
                  { "payload_sha256", true, &hex }, { "origin", false, &origin } };
    pl_rc rc = PL_OK;

    if (!json_is_string(type) || strcmp(json_string_value(type), PL_PREDICATE("filing")) != 0)
        return PL_NOTFOUND;
    *s = (inbound_step){ .entry = json_integer_value(json_object_get(entry, "index")), .before = PL_STR(""),
                         .number = PL_STR("") };
    for (size_t i = 0; i < sizeof texts / sizeof *texts && rc == PL_OK; i++)
        rc = pl_json_get_str(p, texts[i].key, texts[i].required, texts[i].out, err);
    if (rc == PL_OK && pl_str_eqz(origin, in->c->s->instance->origin))
        return PL_NOTFOUND; /* what the sender took from here comes back */
    if (rc == PL_OK)
        rc = pl_predicate_check(PL_STR(PL_PREDICATE("filing")), p, err);
    if (rc == PL_OK && !pl_id_valid(s->id))
        rc = pl_fail(err, PL_INVALID, "the package has a filing without a good id");
    if (rc == PL_OK)
        rc = snapshot_of(in, hex, &s->snapshot, err);
    return rc == PL_OK ? snapshot_fits(s, err) : rc;
}

/* All statements of the one filing, in the order of the log. */
static pl_rc steps_read(inbound *in, inbound_step *out, size_t *count, pl_error *err)
{
    const json_t *one;
    size_t        i, n = 0;

    json_array_foreach(json_object_get(in->report, "entries"), i, one) {
        pl_rc rc = n < STEPS_MAX ? step_read(in, one, &out[n], err)
                                 : pl_fail(err, PL_LIMIT, "the package has too many steps");

        if (rc == PL_NOTFOUND)
            continue;
        if (rc == PL_OK && n > 0 && !pl_str_eq(out[n].id, out[0].id))
            rc = pl_fail(err, PL_INVALID, "the package is about several filings");
        if (rc != PL_OK)
            return rc;
        n++;
    }
    if (n == 0)
        return pl_fail(err, PL_INVALID, "the package has no statement of its sender about a filing");
    *count = n;
    return PL_OK;
}

/* --- in: attachments ------------------------------------------------------------------------------- */

static pl_rc file_keep(inbound *in, const filing *f, const json_t *one, pl_error *err)
{
    registry_file file = { .by_id = pl_str_z(in->c->who->id), .time_ms = in->c->now_ms,
                           .media_type = PL_STR("application/octet-stream") };
    uint8_t       digest[32];
    char          hex[65];
    pl_str        bytes = PL_STR("");
    pl_rc         rc = pl_json_get_str(one, "slot", true, &file.slot, err);

    if (rc == PL_OK)
        rc = pl_json_get_str(one, "name", true, &file.name, err);
    if (rc == PL_OK)
        rc = pl_json_get_str(one, "sha256", true, &file.sha256, err);
    if (rc == PL_OK)
        rc = pl_json_get_str(one, "media_type", false, &file.media_type, err);
    if (rc == PL_OK && pl_flow_attachment_find(f->flow->w, file.slot) == NULL)
        rc = pl_fail(err, PL_INVALID, "the package has an attachment the workflow does not know");
    if (rc == PL_OK)
        rc = pl_hex_decode(file.sha256, digest, sizeof digest, err);
    if (rc == PL_OK && pl_evidence_payload(in->package, digest, &bytes, NULL) != PL_OK)
        rc = pl_fail(err, PL_INVALID, "the package lacks the attachment '" PL_STR_FMT "'",
                     PL_STR_ARG(file.slot));
    if (rc == PL_OK)
        rc = registry_payload_put(in->c, bytes, hex, err);
    file.size = (int64_t)bytes.n;
    if (rc == PL_OK)
        rc = file_store_add(in->c->db, f->row.id, &file, err);
    return rc;
}

static pl_rc files_clear(pl_db *db, pl_str owner, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(db, "DELETE FROM registry_file WHERE owner_id = $1", &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, owner);
    return pl_db_run(s, NULL, err);
}

static pl_rc files_keep(inbound *in, const filing *f, const json_t *snapshot, pl_error *err)
{
    const json_t *files = json_object_get(snapshot, "files"), *one;
    size_t        i;
    pl_rc         rc = files_clear(in->c->db, f->row.id, err);

    if (rc == PL_OK && json_array_size(files) > REGISTRY_FILES_MAX)
        rc = pl_fail(err, PL_LIMIT, "the package has more than %d attachments", REGISTRY_FILES_MAX);
    if (rc == PL_OK)
        json_array_foreach((json_t *)(uintptr_t)files, i, one) {
            rc = file_keep(in, f, one, err);
            if (rc != PL_OK)
                break;
        }
    return rc;
}

/* --- in: a filing that is new here ------------------------------------------------------------------- */

static pl_rc import_event(inbound *in, filing *f, pl_error *err)
{
    filing_claim   k = { .f = f, .step = PL_STR("import"), .action = PL_STR("imported"),
                         .answers = pl_str_z(in->hex), .origin = in->peer.origin };
    char           snapshot[65];
    registry_event e = { .n = 1, .step = k.step, .from = PL_STR(""), .to = f->row.state, .note = PL_STR(""),
                         .by_id = pl_str_z(in->c->who->id), .time_ms = in->c->now_ms };
    pl_rc          rc = filing_state_it(in->c, &k, snapshot, &e.ledger_index, err);

    e.snapshot = pl_str_z(snapshot);
    return rc == PL_OK ? event_store_add(in->c->db, f->row.id, &e, err) : rc;
}

static pl_rc deadlines_of(inbound *in, const filing *f, const inbound_step *last, pl_error *err)
{
    const pl_flow_step *s = pl_flow_step_find(f->flow->w, last->step);

    return s ? deadlines_change(in->c, f, s, err) : PL_OK;
}

static pl_rc new_write(inbound *in, filing *f, const inbound_step *last, pl_error *err)
{
    pl_rc rc = registry_count(in->c->db, "seq", &f->row.seq, err);

    if (rc == PL_OK)
        rc = filing_derive(in->c, f, err);
    if (rc == PL_OK)
        rc = filing_store_indexed(in->c, NULL, f, err);
    if (rc == PL_OK)
        rc = files_keep(in, f, last->snapshot, err);
    if (rc == PL_OK)
        rc = deadlines_of(in, f, last, err);
    return rc == PL_OK ? import_event(in, f, err) : rc;
}

static pl_rc new_make(inbound *in, const inbound_step *last, filing *f, pl_error *err)
{
    registry_ctx *c = in->c;

    *f = (filing){ .flow = registry_flow_find(c->packs, last->workflow, last->pack),
                   .values = json_object_get(last->snapshot, "values") };
    if (f->flow == NULL)
        return pl_fail(err, PL_INVALID,
                       "the filing was made with workflow '%.40s' of pack '%.60s', which is not installed here",
                       last->workflow.p, last->pack.p);
    if (!pl_str_eqz(in->peer.role, "provider"))
        return pl_fail(err, PL_DENIED, "a '" PL_STR_FMT "' does not file; nothing is known of this filing here",
                       PL_STR_ARG(in->peer.role));
    if (pl_flow_state_find(f->flow->w, last->state) == NULL || last->number.n > 0)
        return pl_fail(err, PL_INVALID, "the filing comes in a state a provider cannot give it");
    f->row = (registry_filing){ .id = last->id, .workflow = f->flow->w->id, .pack = pl_str_z(f->flow->pack),
                                .state = last->state, .version = 1, .vote_round = 1,
                                .owner = pl_str_z(c->who->id), .origin = in->peer.origin,
                                .actors = PL_STR("{}"), .created_ms = c->now_ms, .changed_ms = c->now_ms };
    return PL_OK;
}

/* Every step before must have been the provider's, one leading to the next. */
static pl_rc chain_check(const inbound *in, const registry_flow *flow, const inbound_step *steps, size_t n,
                         pl_str state, pl_error *err)
{
    for (size_t i = 0; i < n; i++) {
        const pl_flow_step *s = pl_flow_step_find(flow->w, steps[i].step);

        if (state.n == 0 && pl_str_eqz(steps[i].step, "new") && pl_str_eq(steps[i].state, flow->w->initial)) {
            state = steps[i].state;
            continue;
        }
        if (s == NULL || !pl_names_has(s->roles, in->peer.role) || !pl_names_has(s->from, state) ||
            !pl_str_eq(s->to, steps[i].state))
            return pl_fail(err, PL_INVALID,
                           "the package has a step '%.40s' that its sender may not take from state '%.40s'",
                           steps[i].step.p, state.n ? state.p : "(none)");
        state = steps[i].state;
    }
    return PL_OK;
}

static pl_rc take_new(inbound *in, const inbound_step *steps, size_t n, pl_error *err)
{
    const inbound_step *last = &steps[n - 1];
    registry_import     i = { pl_str_z(in->hex), in->peer.origin, last->id, last->entry };
    filing              f;
    pl_rc               rc = new_make(in, last, &f, err);

    if (rc == PL_OK)
        rc = chain_check(in, f.flow, steps, n, PL_STR(""), err);
    if (rc == PL_OK)
        rc = registry_begin(in->c->db, err);
    if (rc != PL_OK)
        return rc;
    rc = new_write(in, &f, last, err);
    if (rc == PL_OK)
        rc = import_store_add(in->c->db, &i, in->c->now_ms, err);
    return registry_finish(in->c->db, rc, err);
}

/* --- in: steps of the other side ------------------------------------------------------------------------ */

static pl_rc step_take(inbound *in, filing *f, const inbound_step *s, bool is_ours, pl_error *err)
{
    const pl_flow_step *step = pl_flow_step_find(f->flow->w, s->step);
    pl_str              note = PL_STR("");
    filing_step_ask     ask = { .step = s->step, .answers = pl_str_z(in->hex), .origin = in->peer.origin };
    registry_filing     before = f->row;
    pl_rc               rc = pl_json_get_str(s->snapshot, "note", false, &note, err);

    ask.note = note;
    ask.number = step->number.n > 0 ? s->number : PL_STR("");
    if (rc == PL_OK && step->number.n > 0 && f->row.number.n == 0 && s->number.n == 0)
        rc = pl_fail(err, PL_INVALID, "the answer gives no number");
    if (!is_ours) /* the values are the sender's; the authority only decides about ours */
        f->values = json_object_get(s->snapshot, "values");
    if (rc == PL_OK && !is_ours)
        rc = files_keep(in, f, s->snapshot, err);
    return rc == PL_OK ? filing_step_write(in->c, &before, f, step, &ask, err) : rc;
}

/* The answer must be about what we sent: its log says which package of ours it follows. */
static pl_rc answers_check(const inbound *in, pl_error *err)
{
    const json_t *one;
    size_t        i;

    json_array_foreach(json_object_get(in->report, "entries"), i, one) {
        const json_t *p = json_object_get(json_object_get(one, "statement"), "predicate");
        const char   *hex = json_string_value(json_object_get(p, "answers"));

        if (hex != NULL && export_store_check(in->c->db, pl_str_z(hex), NULL) == PL_OK)
            return PL_OK;
    }
    return pl_fail(err, PL_INVALID, "the package answers nothing that was sent from here");
}

static pl_rc take_steps(inbound *in, const inbound_step *steps, size_t n, pl_error *err)
{
    registry_import i = { pl_str_z(in->hex), in->peer.origin, steps[0].id, steps[n - 1].entry };
    int64_t         last = -1;
    size_t          first = 0;
    filing          f;
    bool            is_ours;
    pl_rc           rc = filing_open(in->c, steps[0].id, &f, err);

    if (rc == PL_OK)
        rc = import_store_last(in->c->db, f.row.id, in->peer.origin, &last, err);
    is_ours = rc == PL_OK && f.row.origin.n == 0;
    if (rc == PL_OK && !is_ours && !pl_str_eq(f.row.origin, in->peer.origin))
        rc = pl_fail(err, PL_DENIED, "the filing is another peer's");
    if (rc == PL_OK && is_ours)
        rc = answers_check(in, err);
    while (first < n && (steps[first].entry <= last || pl_str_eqz(steps[first].action, "imported")))
        first++;
    if (rc == PL_OK && first == n)
        rc = pl_fail(err, PL_CONFLICT, "replayed: the package has nothing that is newer than what was taken");
    if (rc == PL_OK && is_ours && last < 0 && pl_str_eqz(in->peer.role, "provider"))
        rc = pl_fail(err, PL_DENIED, "a provider does not decide about filings of others");
    if (rc == PL_OK)
        rc = chain_check(in, f.flow, steps + first, n - first, f.row.state, err);
    if (rc == PL_OK)
        rc = registry_begin(in->c->db, err);
    if (rc != PL_OK)
        return rc;
    for (size_t k = first; k < n && rc == PL_OK; k++)
        if (!pl_str_eqz(steps[k].action, "imported"))
            rc = step_take(in, &f, &steps[k], is_ours, err);
    if (rc == PL_OK)
        rc = import_store_add(in->c->db, &i, in->c->now_ms, err);
    return registry_finish(in->c->db, rc, err);
}

pl_rc filing_import(registry_ctx *c, pl_str package, json_t **out, pl_error *err)
{
    inbound         in = { .c = c, .package = package };
    inbound_step   *steps = pl_arena_alloc(c->a, STEPS_MAX * sizeof *steps);
    registry_filing there;
    size_t          n = 0;
    pl_rc           rc = steps ? package_check(&in, err) : pl_fail(err, PL_LIMIT, "out of memory");

    if (rc == PL_OK)
        rc = steps_read(&in, steps, &n, err);
    if (rc != PL_OK)
        return rc;
    rc = filing_store_find(c->db, c->a, steps[0].id, &there, err);
    if (rc == PL_OK)
        rc = take_steps(&in, steps, n, err);
    else if (rc == PL_NOTFOUND)
        rc = take_new(&in, steps, n, err);
    return rc == PL_OK ? pl_registry_filing(c->db, c->a, steps[0].id, out, err) : rc;
}
