/* Deadlines of filings: begun and ended by steps, watched by the tick. */
#include "base/banned.h"

#include "cap/registry/registry_int.h"

/* --- beginning and ending ------------------------------------------------------------------ */

static pl_rc deadline_put(registry_ctx *c, pl_str filing_id, pl_str id, const char *started, const char *due,
                          const char *remind, const char *reason, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(c->db,
                             "INSERT INTO registry_deadline (filing_id, deadline, started, due, remind_on,"
                             " reason, ended_ms, reminded_ms, escalated_ms)"
                             " VALUES ($1, $2, $3, $4, $5, $6, 0, 0, 0)"
                             " ON CONFLICT (filing_id, deadline) DO UPDATE SET started = excluded.started,"
                             " due = excluded.due, remind_on = excluded.remind_on,"
                             " reason = excluded.reason, ended_ms = 0, reminded_ms = 0, escalated_ms = 0",
                             &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, filing_id);
    pl_db_bind_str(s, 2, id);
    pl_db_bind_str(s, 3, pl_str_z(started));
    pl_db_bind_str(s, 4, pl_str_z(due));
    pl_db_bind_str(s, 5, pl_str_z(remind));
    pl_db_bind_str(s, 6, pl_str_z(reason));
    return pl_db_run(s, NULL, err);
}

/* The day a deadline counts from. PL_NOTFOUND: its date is not filled in. */
static pl_rc first_day(registry_ctx *c, const filing *f, const pl_flow_deadline *d, const pl_calendar *cal,
                       int64_t *day, pl_error *err)
{
    const json_t *v = pl_path_get(f->values, d->from);

    if (d->from.n == 0) {
        *day = pl_calendar_day(cal, c->now_ms);
        return PL_OK;
    }
    if (!json_is_string(v) || json_string_length(v) == 0)
        return pl_fail(err, PL_NOTFOUND, "the date '" PL_STR_FMT "' is not filled in", PL_STR_ARG(d->from));
    return pl_day_parse(pl_str_z(json_string_value(v)), day, err);
}

/* What the calendar cannot tell is undetermined, and says why. */
static pl_rc deadline_start(registry_ctx *c, const filing *f, const pl_flow_deadline *d, pl_error *err)
{
    const pl_calendar *cal = registry_calendar_find(c->packs, f->flow->w->calendar);
    char               started[11] = "", due[11] = "", remind[11] = "";
    pl_error           why = { 0 };
    int64_t            from = 0, to = 0, early = 0;
    pl_rc              rc = first_day(c, f, d, cal, &from, &why);

    if (rc == PL_OK) {
        pl_day_format(from, started);
        rc = d->unit == PL_PERIOD_HOURS
                 ? pl_calendar_add(cal, from, (d->n + 23) / 24, PL_PERIOD_DAYS, &to, &why)
                 : pl_calendar_add(cal, from, d->n, d->unit, &to, &why);
    }
    if (rc == PL_OK) {
        pl_day_format(to, due);
        if (d->remind > 0 &&
            pl_calendar_add(cal, to, -d->remind,
                            d->unit == PL_PERIOD_WORKING_DAYS ? PL_PERIOD_WORKING_DAYS : PL_PERIOD_DAYS,
                            &early, NULL) == PL_OK)
            pl_day_format(early, remind);
    }
    return deadline_put(c, f->row.id, d->id, started, due, remind, why.text, err);
}

static pl_rc deadline_end(registry_ctx *c, pl_str filing_id, pl_str id, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(c->db,
                             "UPDATE registry_deadline SET ended_ms = $3"
                             " WHERE filing_id = $1 AND deadline = $2 AND ended_ms = 0",
                             &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, filing_id);
    pl_db_bind_str(s, 2, id);
    pl_db_bind_int(s, 3, c->now_ms);
    return pl_db_run(s, NULL, err);
}

pl_rc deadlines_change(registry_ctx *c, const filing *f, const pl_flow_step *s, pl_error *err)
{
    pl_rc rc = PL_OK;

    for (size_t i = 0; i < pl_names_count(s->ends) && rc == PL_OK; i++)
        rc = deadline_end(c, f->row.id, pl_names_at(s->ends, i), err);
    for (size_t i = 0; i < pl_names_count(s->starts) && rc == PL_OK; i++)
        rc = deadline_start(c, f, pl_flow_deadline_find(f->flow->w, pl_names_at(s->starts, i)), err);
    return rc;
}

pl_rc deadlines_begin(registry_ctx *c, const filing *f, pl_error *err)
{
    pl_rc rc = PL_OK;

    for (size_t i = 0; i < pl_names_count(f->flow->w->starts) && rc == PL_OK; i++)
        rc = deadline_start(c, f, pl_flow_deadline_find(f->flow->w, pl_names_at(f->flow->w->starts, i)), err);
    return rc;
}

static pl_rc is_open(pl_db *db, pl_str filing_id, pl_str id, bool *out, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(db,
                             "SELECT 1 FROM registry_deadline"
                             " WHERE filing_id = $1 AND deadline = $2 AND ended_ms = 0",
                             &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, filing_id);
    pl_db_bind_str(s, 2, id);
    rc = pl_db_step(s, err);
    *out = rc == PL_OK;
    pl_db_done(s);
    return rc == PL_NOTFOUND ? PL_OK : rc;
}

pl_rc deadlines_recount(registry_ctx *c, const filing *f, pl_error *err)
{
    pl_rc rc = PL_OK;

    for (size_t i = 0; i < f->flow->w->deadline_count && rc == PL_OK; i++) {
        const pl_flow_deadline *d = &f->flow->w->deadlines[i];
        bool                    open = false;

        if (d->from.n > 0)
            rc = is_open(c->db, f->row.id, d->id, &open, err);
        if (rc == PL_OK && open)
            rc = deadline_start(c, f, d, err);
    }
    return rc;
}

/* --- telling --------------------------------------------------------------------------------- */

static json_t *text_or_null(pl_str s)
{
    return s.n ? json_stringn(s.p, s.n) : json_null();
}

static json_t *row_json(pl_db_stmt *s)
{
    pl_str id = pl_db_str(s, 0), due = pl_db_str(s, 2);

    return json_pack("{s:s%, s:o, s:o, s:s, s:o, s:o}", "deadline", id.p, id.n, "started",
                     text_or_null(pl_db_str(s, 1)), "due", text_or_null(due), "status",
                     pl_db_int(s, 4) > 0 ? "met" : due.n > 0 ? "open" : "undetermined", "reason",
                     text_or_null(pl_db_str(s, 3)), "ended", registry_time(pl_db_int(s, 4)));
}

pl_rc deadlines_json(pl_db *db, pl_arena *a, const filing *f, json_t *out, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(db,
                             "SELECT deadline, started, due, reason, ended_ms FROM registry_deadline"
                             " WHERE filing_id = $1 ORDER BY started, deadline",
                             &s, err);

    (void)a;
    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, f->row.id);
    while ((rc = pl_db_step(s, err)) == PL_OK) {
        const pl_flow_deadline *d = pl_flow_deadline_find(f->flow->w, pl_db_str(s, 0));
        json_t                 *o = row_json(s);

        if (o != NULL && d != NULL) {
            (void)json_object_set_new(o, "zh", json_stringn(d->zh.p, d->zh.n));
            (void)json_object_set_new(o, "en", json_stringn(d->en.p, d->en.n));
            (void)json_object_set_new(o, "tag", json_stringn(d->tag.p, d->tag.n));
        }
        (void)json_array_append_new(out, o);
    }
    pl_db_done(s);
    return rc == PL_NOTFOUND ? PL_OK : rc;
}

pl_rc deadlines_due(pl_db *db, pl_arena *a, pl_str until, int64_t limit, json_t *out, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(db,
                             "SELECT d.deadline, d.started, d.due, d.reason, d.ended_ms, f.id, f.title,"
                             " f.state, f.workflow FROM registry_deadline d"
                             " JOIN registry_filing f ON f.id = d.filing_id"
                             " WHERE d.ended_ms = 0 AND d.due <= $1 ORDER BY d.due, f.id LIMIT $2",
                             &s, err);

    (void)a;
    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, until);
    pl_db_bind_int(s, 2, limit);
    while ((rc = pl_db_step(s, err)) == PL_OK) {
        static const char *const names[] = { "filing", "title", "state", "workflow" };
        json_t                  *o = row_json(s);

        for (int i = 0; o != NULL && i < 4; i++)
            (void)json_object_set_new(o, names[i], text_or_null(pl_db_str(s, 5 + i)));
        (void)json_array_append_new(out, o);
    }
    pl_db_done(s);
    return rc == PL_NOTFOUND ? PL_OK : rc;
}

/* --- reminders and escalation -------------------------------------------------------------------- */

typedef struct due_row {
    pl_str filing, deadline, due, workflow, pack;
} due_row;

#define DUE_MAX 200

pl_rc registry_notice_put(pl_db *db, const registry_notice *n, pl_error *err)
{
    pl_db_stmt *s;
    char        id[PL_ID_LEN + 1];
    pl_rc       rc = registry_new_id(n->time_ms, id, err);

    if (rc == PL_OK)
        rc = pl_db_prepare(db,
                           "INSERT INTO registry_notice (id, filing_id, deadline, kind, role, due, time_ms)"
                           " VALUES ($1, $2, $3, $4, $5, $6, $7)",
                           &s, err);
    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, pl_str_z(id));
    pl_db_bind_str(s, 2, n->filing);
    pl_db_bind_str(s, 3, n->about);
    pl_db_bind_str(s, 4, n->kind);
    pl_db_bind_str(s, 5, n->role);
    pl_db_bind_str(s, 6, n->due);
    pl_db_bind_int(s, 7, n->time_ms);
    return pl_db_run(s, NULL, err);
}

static pl_rc due_list(pl_db *db, pl_arena *a, const char *sql, pl_str today, due_row *out, size_t *count,
                      pl_error *err)
{
    pl_db_stmt *s;
    size_t      n = 0;
    pl_rc       rc = pl_db_prepare(db, sql, &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, today);
    while (n < DUE_MAX && (rc = pl_db_step(s, err)) == PL_OK) {
        pl_str *texts[] = { &out[n].filing, &out[n].deadline, &out[n].due, &out[n].workflow, &out[n].pack };

        for (int i = 0; i < 5 && rc == PL_OK; i++)
            rc = registry_text(a, s, i, texts[i], err);
        if (rc != PL_OK)
            break;
        n++;
    }
    pl_db_done(s);
    *count = n;
    return rc == PL_NOTFOUND ? PL_OK : rc;
}

static pl_rc mark(pl_db *db, const char *sql, const due_row *r, int64_t now_ms, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(db, sql, &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, r->filing);
    pl_db_bind_str(s, 2, r->deadline);
    pl_db_bind_int(s, 3, now_ms);
    return pl_db_run(s, NULL, err);
}

static pl_str escalate_role(const registry_packs *p, const due_row *r)
{
    const registry_flow    *flow = registry_flow_find(p, r->workflow, r->pack);
    const pl_flow_deadline *d = flow ? pl_flow_deadline_find(flow->w, r->deadline) : NULL;

    return d ? d->escalate : PL_STR("");
}

typedef struct alarm_kind {
    const char *list, *mark, *kind;
    bool        is_escalation;
} alarm_kind;

static const alarm_kind alarms[] = {
    { "SELECT d.filing_id, d.deadline, d.due, f.workflow, f.pack FROM registry_deadline d"
      " JOIN registry_filing f ON f.id = d.filing_id WHERE d.ended_ms = 0 AND d.reminded_ms = 0"
      " AND d.remind_on <> '' AND d.remind_on <= $1 ORDER BY d.due LIMIT 200",
      "UPDATE registry_deadline SET reminded_ms = $3 WHERE filing_id = $1 AND deadline = $2", "reminder",
      false },
    { "SELECT d.filing_id, d.deadline, d.due, f.workflow, f.pack FROM registry_deadline d"
      " JOIN registry_filing f ON f.id = d.filing_id WHERE d.ended_ms = 0 AND d.escalated_ms = 0"
      " AND d.due <> '' AND d.due < $1 ORDER BY d.due LIMIT 200",
      "UPDATE registry_deadline SET escalated_ms = $3 WHERE filing_id = $1 AND deadline = $2", "overdue",
      true },
};

static pl_rc alarm_run(pl_db *db, pl_arena *a, const registry_packs *p, const alarm_kind *k, pl_str today,
                       int64_t now_ms, pl_error *err)
{
    due_row *rows = pl_arena_alloc(a, DUE_MAX * sizeof *rows);
    size_t   n = 0;
    pl_rc    rc = rows ? pl_db_begin(db, err) : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc != PL_OK)
        return rc;
    rc = due_list(db, a, k->list, today, rows, &n, err);
    for (size_t i = 0; i < n && rc == PL_OK; i++) {
        rc = registry_notice_put(db, &(registry_notice){ rows[i].filing, rows[i].deadline, pl_str_z(k->kind),
                                                         k->is_escalation ? escalate_role(p, &rows[i]) : PL_STR(""),
                                                         rows[i].due, now_ms }, err);
        if (rc == PL_OK)
            rc = mark(db, k->mark, &rows[i], now_ms, err);
    }
    return registry_finish(db, rc, err);
}

/* Days are those of UTC here: a notice may come some hours after midnight at the place itself, the due
 * date does not move. */
pl_rc deadlines_tick(pl_db *db, pl_arena *a, const registry_packs *p, int64_t now_ms, pl_error *err)
{
    char  today[11];
    pl_rc rc = PL_OK;

    pl_day_format(pl_calendar_day(NULL, now_ms), today);
    for (size_t i = 0; i < sizeof alarms / sizeof *alarms && rc == PL_OK; i++)
        rc = alarm_run(db, a, p, &alarms[i], pl_str_z(today), now_ms, err);
    return rc;
}

pl_rc notices_json(pl_db *db, int64_t limit, json_t *out, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(db,
                             "SELECT n.id, n.filing_id, n.deadline, n.kind, n.role, n.due, n.time_ms, f.title"
                             " FROM registry_notice n JOIN registry_filing f ON f.id = n.filing_id"
                             " ORDER BY n.id DESC LIMIT $1",
                             &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_int(s, 1, limit);
    while ((rc = pl_db_step(s, err)) == PL_OK) {
        static const char *const names[] = { "id", "filing", "deadline", "kind", "role", "due" };
        json_t                  *o = json_object();

        for (int i = 0; i < 6; i++)
            (void)json_object_set_new(o, names[i], text_or_null(pl_db_str(s, i)));
        (void)json_object_set_new(o, "time", registry_time(pl_db_int(s, 6)));
        (void)json_object_set_new(o, "title", text_or_null(pl_db_str(s, 7)));
        (void)json_array_append_new(out, o);
    }
    pl_db_done(s);
    return rc == PL_NOTFOUND ? PL_OK : rc;
}
