/* Policies on trial, offline: `policy test --cases` runs cases whose outcome is known, `policy
 * replay` shows which past verdicts another policy would change. docs/formats/policy.md */
#include "base/banned.h"

#include "base/file.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "cap/guard/guard_int.h"
#include "cap/guard/policy_cases.h"

#define FILE_MAX     (1u << 30)
#define RESPONSE_MAX (16u << 20)

/* --- one exchange over a case ------------------------------------------------------------------ */

typedef struct outcome {
    char    verdict[16];
    json_t *findings; /* of the case's direction */
    char   *forwarded; /* the request as the model would get it; NULL: it would not */
} outcome;

static void outcome_done(outcome *o)
{
    json_decref(o->findings);
    free(o->forwarded);
    *o = (outcome){ 0 };
}

static json_t *chat_request(const char *text)
{
    return json_pack("{s:[{s:s, s:s}]}", "messages", "role", "user", "content", text);
}

static json_t *chat_answer(const char *text)
{
    return json_pack("{s:[{s:i, s:{s:s, s:s}, s:s}]}", "choices", "index", 0, "message", "role",
                     "assistant", "content", text, "finish_reason", "stop");
}

/* The body of a case: given as JSON, or a text in the smallest chat body. */
static json_t *body_of(const json_t *c, bool is_output)
{
    const json_t *given = json_object_get(c, is_output ? "answer" : "request");
    const char   *text = json_string_value(json_object_get(c, "text"));

    if (given)
        return json_incref((json_t *)given);
    return !text ? NULL : is_output ? chat_answer(text) : chat_request(text);
}

static bool is_output(const json_t *c)
{
    const char *direction = json_string_value(json_object_get(c, "direction"));

    return direction && strcmp(direction, "output") == 0;
}

/* What the guard model would say in this case; without `second_opinion` it cannot be reached. */
static pl_opinion opinion_of(const json_t *c)
{
    const char *said = json_string_value(json_object_get(c, "second_opinion"));

    return !said                        ? PL_OPINION_NONE
           : strcmp(said, "safe") == 0  ? PL_OPINION_SAFE
           : strcmp(said, "unsafe") == 0 ? PL_OPINION_UNSAFE
                                         : PL_OPINION_NONE;
}

static pl_rc ask(pl_exchange *x, const json_t *c, bool output, pl_error *err)
{
    json_t *body = body_of(c, false);
    char   *text = NULL;

    if (output && !json_object_get(c, "request")) {
        json_decref(body);
        body = chat_request("x");
    }
    text = body ? pl_json_dump(body) : NULL;
    json_decref(body);
    if (!text)
        return pl_fail(err, PL_INVALID, "a case has neither 'text' nor a body of its direction");
    if (pl_exchange_request(x, pl_str_z(text)) == PL_EXCHANGE_ASK)
        (void)pl_exchange_opinion(x, opinion_of(c), pl_str_z(text));
    free(text);
    return PL_OK;
}

static pl_rc answer_with(pl_exchange *x, const json_t *c, pl_error *err)
{
    json_t *body = body_of(c, true);
    char   *text = body ? pl_json_dump(body) : NULL;
    pl_buf  out = PL_BUF_INIT(RESPONSE_MAX);

    json_decref(body);
    if (!text)
        return pl_fail(err, PL_INVALID, "a case of direction 'output' has neither 'text' nor 'answer'");
    (void)pl_exchange_response_begin(x, 200, PL_STR("application/json"), PL_STR(""));
    pl_exchange_response_feed(x, pl_str_z(text), &out, 0);
    pl_exchange_response_end(x, PL_END_COMPLETE, &out, 0);
    while (pl_exchange_asks(x))
        pl_exchange_answer_opinion(x, opinion_of(c), &out, 0);
    pl_buf_done(&out);
    free(text);
    return PL_OK;
}

static pl_rc judge(pl_policy *p, int route, const json_t *c, outcome *o, pl_error *err)
{
    static const uint8_t key[32] = { 0 };
    const char *surface = json_string_value(json_object_get(c, "surface"));
    bool        output = is_output(c);
    pl_exchange_options opt = { .policy = p, .route = route, .route_name = PL_STR("test"),
                                .service = PL_STR("test"), .id = "00000000000000000000000000",
                                .index_key = key, .max_response = RESPONSE_MAX,
                                .surface = pl_surface_find(pl_str_z(surface ? surface
                                                                            : "chat.completions")) };
    const char  *tenant = json_string_value(json_object_get(c, "tenant"));
    pl_str       at = pl_str_z(json_string_value(json_object_get(c, "time")));
    pl_exchange *x;
    json_t      *leaf = NULL;
    pl_rc        rc;

    opt.tenant = pl_str_z(tenant ? tenant : "");
    opt.now_ms = pl_now_ms(); /* a case without a time is one of today */
    if (at.n && pl_time_parse(at, &opt.now_ms, NULL) != PL_OK)
        return pl_fail(err, PL_INVALID, "'time' must be a moment (RFC 3339)");
    if (!opt.surface)
        return pl_fail(err, PL_INVALID, "unknown surface '%.64s'", surface);
    x = pl_exchange_new(&opt);
    if (!x)
        return pl_fail(err, PL_NOMEM, "out of memory");
    x->in.shadow = x->out.shadow = false; /* what the rules say, not how many are acted on */
    rc = ask(x, c, output, err);
    if (rc == PL_OK && output && !x->replied)
        rc = answer_with(x, c, err);
    if (rc == PL_OK)
        rc = pl_json_parse(pl_exchange_event(x, 0)->leaf, "event", &leaf, err);
    if (rc == PL_OK) {
        snprintf(o->verdict, sizeof o->verdict, "%s", pl_exchange_verdict(x));
        o->findings = json_incref(json_object_get(json_object_get(leaf, output ? "output" : "input"),
                                                  "findings"));
        if (!output && x->forward.n)
            o->forwarded = strdup(x->forward.p);
    }
    json_decref(leaf);
    pl_exchange_free(x);
    return rc;
}

/* --- policy test --cases --------------------------------------------------------------------------- */

static bool has_category(const json_t *findings, const char *category)
{
    const json_t *f;
    size_t        i;

    json_array_foreach ((json_t *)findings, i, f)
        if (strcmp(json_string_value(json_object_get(f, "category")), category) == 0)
            return true;
    return false;
}

/* What differs from what the case expects, or "". */
static void differs(const json_t *c, const outcome *o, char why[256])
{
    const json_t *e = json_object_get(c, "expect"), *v;
    const char   *verdict = json_string_value(json_object_get(e, "verdict"));
    const char   *absent = json_string_value(json_object_get(e, "not_forwarded"));
    size_t        i;

    why[0] = '\0';
    if (verdict && strcmp(verdict, o->verdict) != 0)
        snprintf(why, 256, "verdict %s instead of %.16s", o->verdict, verdict);
    json_array_foreach (json_object_get(e, "findings"), i, v)
        if (why[0] == '\0' && json_is_string(v) && !has_category(o->findings, json_string_value(v)))
            snprintf(why, 256, "no finding of %.64s", json_string_value(v));
    if (why[0] == '\0' && json_is_array(json_object_get(e, "findings")) &&
        json_array_size(json_object_get(e, "findings")) == 0 && json_array_size(o->findings) > 0)
        snprintf(why, 256, "a finding of %.64s where none is expected",
                 json_string_value(json_object_get(json_array_get(o->findings, 0), "category")));
    if (why[0] == '\0' && absent && (!o->forwarded || strstr(o->forwarded, absent)))
        snprintf(why, 256, "the request still holds what must not be forwarded");
}

static void print_json(pl_cmd_ctx *c, json_t *line)
{
    char *text = pl_json_dump(line);

    fprintf(c->out, "%s\n", text ? text : "{}");
    free(text);
    json_decref(line);
}

static const char *id_of(const json_t *o)
{
    const char *id = json_string_value(json_object_get(o, "id"));

    return id ? id : "-";
}

typedef struct trial {
    pl_cmd_ctx *c;
    pl_policy  *policy, *other;
    int         route, other_route;
    size_t      n, failed, unknown;
} trial;

static pl_rc case_run(trial *t, const json_t *c, pl_error *err)
{
    outcome o = { 0 };
    char    why[256];
    pl_rc   rc = judge(t->policy, t->route, c, &o, err);

    if (rc != PL_OK)
        return rc;
    differs(c, &o, why);
    t->n++;
    t->failed += why[0] != '\0';
    if (t->c->json)
        print_json(t->c, json_pack("{s:s, s:b, s:s, s:O, s:s}", "id", id_of(c), "ok", why[0] == '\0',
                                   "verdict", o.verdict, "findings", o.findings, "why", why));
    else if (why[0])
        fprintf(t->c->out, "%s: %s\n", id_of(c), why);
    outcome_done(&o);
    return PL_OK;
}

/* Calls fn for each line; a mistake is reported with its line. */
static pl_rc lines_each(const char *path, trial *t, pl_rc (*fn)(trial *t, const json_t *line, pl_error *err),
                        pl_error *err)
{
    char    *text = NULL;
    size_t   n = 0, number = 0;
    pl_str   rest, line;
    pl_error why;
    pl_rc    rc = pl_file_read(path, FILE_MAX, &text, &n, err);

    rest = (pl_str){ text, n };
    while (rc == PL_OK && pl_str_split(&rest, '\n', &line)) {
        json_t *j = NULL;

        number++;
        if (pl_str_trim(line).n == 0)
            continue;
        rc = pl_json_parse(line, "line", &j, &why);
        if (rc == PL_OK)
            rc = fn(t, j, &why);
        json_decref(j);
        if (rc != PL_OK)
            pl_fail(err, PL_INVALID, "%.80s:%zu: %.90s", path, number, why.text);
    }
    free(text);
    return rc;
}

int policy_test_cases(pl_cmd_ctx *c, pl_policy *policy, int route, const char *path)
{
    trial    t = { .c = c, .policy = policy, .route = route };
    pl_error err;

    if (lines_each(path, &t, case_run, &err) != PL_OK)
        return pl_cmd_fail(c, &err);
    if (!c->json)
        fprintf(c->out, pl_cmd_say(c, "%zu cases, %zu failed\n", "%zu 个用例，%zu 个未通过\n"), t.n,
                t.failed);
    return t.failed ? PL_EXIT_FOUND : PL_EXIT_OK;
}

/* --- policy replay ----------------------------------------------------------------------------------- */

/* The cell that the other policy has for a finding of the past; 0: it has no such rule. */
static pl_cell cell_now(const trial *t, const json_t *f, bool output, int64_t now_ms)
{
    const pl_textdb *db = pl_policy_textdb(t->other);
    pl_str           id = pl_str_z(json_string_value(json_object_get(f, "rule")));

    for (uint32_t r = 0; r < pl_textdb_rule_count(db); r++)
        if (pl_str_eq(pl_textdb_rule_get(db, r).id, id))
            return pl_policy_cells(t->other, t->other_route, output, now_ms)[r];
    return 0;
}

typedef enum fate { PASSES, WOULD_BE_ASKED, BLOCKS } fate;

/* What the findings of one direction lead to. What a guard model said then counts now, if one was asked. */
static fate fate_now(const trial *t, const json_t *leaf, bool output)
{
    const json_t *f;
    const char   *said = json_string_value(json_object_get(leaf, output ? "second_opinion_output" : "second_opinion"));
    fate          worst = PASSES;
    pl_str        time = pl_str_z(json_string_value(json_object_get(leaf, "time")));
    int64_t       now_ms = 0;
    size_t        i;

    (void)pl_time_parse(time, &now_ms, NULL);
    json_array_foreach (json_object_get(json_object_get(leaf, output ? "output" : "input"), "findings"),
                        i, f) {
        pl_cell c = cell_now(t, f, output, now_ms);
        fate    now = pl_cell_act(c) == PL_ACTION_BLOCK ? BLOCKS : PASSES;

        if (c & PL_CELL_OPINION && !(said && strcmp(said, "none") == 0))
            now = !said ? WOULD_BE_ASKED : strcmp(said, "unsafe") == 0 ? BLOCKS : PASSES;
        worst = now > worst ? now : worst;
    }
    return worst;
}

/* Rules that the past did not look for: what they would have found nobody knows. */
static bool looks_for_more(const trial *t)
{
    const pl_textdb *a = pl_policy_textdb(t->policy), *b = pl_policy_textdb(t->other);

    for (uint32_t r = 0; r < pl_textdb_rule_count(b); r++) {
        pl_str id = pl_textdb_rule_get(b, r).id;
        bool   known = false;

        for (uint32_t k = 0; k < pl_textdb_rule_count(a) && !known; k++)
            known = pl_str_eq(pl_textdb_rule_get(a, k).id, id);
        if (!known)
            return true;
    }
    return false;
}

typedef struct replayed {
    const char *was, *now, *why;
    char        buffer[16];
} replayed;

/* An event holds findings but no text: what they lead to can be told, new findings cannot. */
static void event_replay(const trial *t, const json_t *leaf, replayed *r)
{
    const char *was = json_string_value(json_object_get(leaf, "verdict"));
    const char *direction = json_string_value(json_object_get(leaf, "direction"));
    fate        in = fate_now(t, leaf, false), out = fate_now(t, leaf, true);

    r->was = was ? was : "";
    r->why = "";
    if (strcmp(r->was, "allow") != 0 && strcmp(r->was, "block") != 0) {
        r->now = r->was; /* no judgement of the policy */
        return;
    }
    if (in == BLOCKS || out == BLOCKS) {
        r->now = "block";
    } else if (in == WOULD_BE_ASKED || out == WOULD_BE_ASKED) {
        r->now = "undetermined";
        r->why = "a guard model would be asked";
    } else if (direction && strcmp(direction, "input") == 0) {
        r->now = "undetermined";
        r->why = "the request would go through; its answer was never made";
    } else if (looks_for_more(t)) {
        r->now = strcmp(r->was, "block") == 0 ? "allow" : "undetermined";
        r->why = "the other policy has rules that the past did not look for";
    } else {
        r->now = "allow";
    }
}

static pl_rc text_replay(const trial *t, const json_t *c, replayed *r, outcome *a, outcome *b,
                         pl_error *err)
{
    pl_rc rc = judge(t->policy, t->route, c, a, err);

    if (rc == PL_OK)
        rc = judge(t->other, t->other_route, c, b, err);
    r->was = a->verdict;
    r->now = b->verdict;
    r->why = "";
    if (rc == PL_OK && strcmp(r->was, r->now) == 0 && !json_equal(a->findings, b->findings))
        r->why = "other findings or actions";
    return rc;
}

static pl_rc line_replay(trial *t, const json_t *line, pl_error *err)
{
    bool     is_event = json_object_get(line, "policy_sha256") != NULL, changed, unknown;
    outcome  a = { 0 }, b = { 0 };
    replayed r;
    pl_rc    rc = PL_OK;

    if (is_event)
        event_replay(t, line, &r);
    else
        rc = text_replay(t, line, &r, &a, &b, err);
    unknown = rc == PL_OK && strcmp(r.now, "undetermined") == 0;
    changed = rc == PL_OK && !unknown && (strcmp(r.was, r.now) != 0 || (!is_event && r.why[0]));
    t->n++;
    t->failed += changed;
    t->unknown += unknown;
    if (rc == PL_OK && t->c->json)
        print_json(t->c, json_pack("{s:s, s:s, s:s, s:o, s:s}", "id", id_of(line), "was", r.was, "now",
                                   r.now, "changed", unknown ? json_null() : json_boolean(changed),
                                   "why", r.why));
    else if (changed || unknown)
        fprintf(t->c->out, "%s: %s -> %s%s%s\n", id_of(line), r.was, r.now, r.why[0] ? "; " : "", r.why);
    outcome_done(&a);
    outcome_done(&b);
    return rc;
}

int policy_replay(pl_cmd_ctx *c, pl_policy *was, pl_policy *now, const char *route, const char *path)
{
    trial    t = { .c = c, .policy = was, .other = now,
                   .route = pl_policy_route_find(was, pl_str_z(route)),
                   .other_route = pl_policy_route_find(now, pl_str_z(route)) };
    pl_error err;
    pl_rc    rc = PL_OK;

    if (t.route < 0 || t.other_route < 0)
        rc = pl_fail(&err, PL_NOTFOUND, "one of the policies has no route '%.64s'", route);
    if (rc == PL_OK)
        rc = lines_each(path, &t, line_replay, &err);
    if (rc != PL_OK)
        return pl_cmd_fail(c, &err);
    if (!c->json)
        fprintf(c->out, pl_cmd_say(c, "%zu verdicts, %zu would change, %zu cannot be told\n",
                                   "%zu 个判定，%zu 个会改变，%zu 个无法判断\n"), t.n, t.failed, t.unknown);
    return t.failed ? PL_EXIT_FOUND : t.unknown ? PL_EXIT_INCONCLUSIVE : PL_EXIT_OK;
}
