/* Reports of inspections as JSON (design §5). */
#include "base/banned.h"

#include "base/str.h"
#include "cap/label/inspect.h"

#define SHOWN_MAX 4096u /* bytes of a value in a report */

/* Text as far as it is UTF-8: fields of files are, labels may hold anything. */
static json_t *text(pl_str s)
{
    json_t *j = json_stringn(s.p ? s.p : "", s.n < SHOWN_MAX ? s.n : SHOWN_MAX);
    pl_buf  b = PL_BUF_INIT(SHOWN_MAX * 4);

    if (j)
        return j;
    for (size_t i = 0; i < s.n && i < SHOWN_MAX; i++)
        pl_buf_putc(&b, (uint8_t)s.p[i] < 0x80 ? s.p[i] : '?');
    j = json_stringn(b.p ? b.p : "", b.n);
    pl_buf_done(&b);
    return j;
}

static json_t *problem_json(const pl_aigc_problem *p)
{
    static const char *const severities[] = { "note", "warning", "error" };

    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "code", p->code, "clause", p->clause, "severity",
                     severities[p->severity], "en", p->en, "zh", p->zh, "detail", text(pl_str_z(p->detail)));
}

static json_t *problems_text(const label_site *s)
{
    json_t *list = json_array();

    if (s->is_visible) {
        if (s->visible_problem)
            (void)json_array_append_new(list, json_string(s->visible_problem->en));
        return list;
    }
    for (size_t i = 0; i < s->aigc.n; i++) {
        const pl_aigc_problem *p = &s->aigc.problem[i];
        char                   line[512];
        (void)snprintf(line, sizeof line, "%s%s%s%s (%s)", p->en, p->detail[0] ? ": '" : "", p->detail,
                       p->detail[0] ? "'" : "", p->clause);
        (void)json_array_append_new(list, text(pl_str_z(line)));
    }
    return list;
}

static json_t *security_json(const pl_security_report *r)
{
    json_t *o = json_pack("{s:s}", "state", pl_security_state_name(r->state));

    if (r->has_key) {
        (void)json_object_set_new(o, "key", json_string(r->key));
        (void)json_object_set_new(o, "pinned", json_boolean(r->is_pinned));
        (void)json_object_set_new(o, "identity", json_string(r->is_pinned ? "pinned" : "self-asserted"));
    }
    if (r->why && r->why[0])
        (void)json_object_set_new(o, "why", json_string(r->why));
    return o;
}

static json_t *members_json(const pl_aigc *l)
{
    json_t *o = json_object();

    for (int m = 0; m < PL_AIGC_MEMBERS; m++)
        if (l->present & 1u << m)
            (void)json_object_set_new(o, pl_aigc_member_name((pl_aigc_member)m), text(l->m[m]));
    return o;
}

static json_t *site_json(const label_site *s)
{
    json_t *o = json_pack("{s:s, s:o, s:b, s:o}", "carrier", s->carrier, "value", text(s->value), "conforms",
                          label_site_conforms(s), "problems", problems_text(s));
    json_t *details;

    if (s->is_visible) {
        (void)json_object_set_new(o, "position", json_string(s->position));
        return o;
    }
    details = json_array();
    for (size_t i = 0; i < s->aigc.n; i++)
        (void)json_array_append_new(details, problem_json(&s->aigc.problem[i]));
    (void)json_object_set_new(o, "details", details);
    if (s->aigc.readable) {
        (void)json_object_set_new(o, "members", members_json(&s->aigc.label));
        (void)json_object_set_new(o, "security", json_pack("{s:o, s:o}", "producer", security_json(&s->producer),
                                                           "propagator", security_json(&s->propagator)));
    }
    if (s->is_older)
        (void)json_object_set_new(o, "in_force", json_false());
    return o;
}

static json_t *labels_json(const label_inspection *i)
{
    json_t *list = json_array();

    for (size_t k = 0; k < i->sites; k++)
        (void)json_array_append_new(list, site_json(&i->site[k]));
    return list;
}

static json_t *c2pa_json(const label_inspection *i)
{
    if (i->c2pa)
        return pl_c2pa_json(i->c2pa);
    return json_pack("{s:b, s:o, s:n, s:n, s:[]}", "present", i->manifests > 0, "integrity",
                     i->manifests ? json_string("not_checked") : json_null(), "signer", "trust", "codes");
}

static json_t *traces_json(const label_inspection *i)
{
    json_t *list = json_array();

    for (size_t k = 0; k < i->hits; k++) {
        const label_hit *h = &i->hit[k];
        (void)json_array_append_new(
            list, json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "carrier", h->carrier, "key", text(h->key), "value",
                            text((pl_str){ h->value.p, h->value.n < 200 ? h->value.n : 200 }), "trace",
                            text(h->trace.id), "generator", h->trace.generator.n ? text(h->trace.generator) : json_null(),
                            "means", text(h->trace.means)));
    }
    return list;
}

static json_t *notes_json(const label_inspection *i)
{
    json_t *list = json_array();

    for (size_t k = 0; k < pl_media_problems(i->media); k++) {
        const pl_media_problem *p = pl_media_problem_get(i->media, k);
        (void)json_array_append_new(list, json_pack("{s:s, s:I, s:s}", "code", p->code, "offset",
                                                    (json_int_t)p->at, "text", p->text));
    }
    return list;
}

static json_t *conflicts_json(const label_inspection *i)
{
    label_conflict c[LABEL_CONFLICTS_MAX];
    size_t         n = label_conflicts(i, c);
    json_t        *list = json_array();

    for (size_t k = 0; k < n; k++)
        (void)json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "code", c[k].code, "en", c[k].en, "zh", c[k].zh));
    return list;
}

json_t *label_inspection_json(const label_inspection *i, const char *file)
{
    return json_pack("{s:o, s:s, s:s, s:o, s:o, s:n, s:o, s:o, s:o, s:{s:s, s:s, s:s, s:s}}", "file",
                     text(pl_str_z(file)), "format", pl_media_format_name(i->format), "container",
                     pl_media_state_name(i->state), "labels", labels_json(i), "c2pa", c2pa_json(i), "watermark",
                     "traces", traces_json(i), "notes", notes_json(i), "conflicts", conflicts_json(i), "verdict", "state", i->verdict, "rule",
                     i->rule, "en", label_rule_text(i->rule, false), "zh", label_rule_text(i->rule, true));
}

json_t *label_lint_json(const label_inspection *i, const char *file)
{
    json_t *list = json_array();

    for (size_t k = 0; k < i->sites; k++) {
        const label_site *s = &i->site[k];
        for (size_t p = 0; !s->is_visible && p < s->aigc.n; p++) {
            json_t *o = problem_json(&s->aigc.problem[p]);
            (void)json_object_set_new(o, "carrier", json_string(s->carrier));
            (void)json_array_append_new(list, o);
        }
        if (s->is_visible && s->visible_problem)
            (void)json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "code", "visible.wording",
                                                        "clause", "GB 45438-2025 5.1", "severity", "error", "en",
                                                        s->visible_problem->en, "zh", s->visible_problem->zh, "detail", "",
                                                        "carrier", s->carrier));
    }
    return json_pack("{s:o, s:s, s:s, s:i, s:o}", "file", text(pl_str_z(file)), "format",
                     pl_media_format_name(i->format), "container", pl_media_state_name(i->state), "labels",
                     (int)i->in_force, "problems", list);
}
