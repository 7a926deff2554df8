/* Routes, their rules and the tenants' own ones: checked, and written into the POLC section.
 * docs/formats/policy.md */
#include "base/banned.h"

#include "base/str.h"
#include "base/timefmt.h"
#include "cap/guard/policy_source.h"
#include "engine/text/textlabel.h"

/* --- rules ----------------------------------------------------------------------------- */

static const char *const fail_modes[] = { "closed", "open", NULL };

/* A day ("2026-12-01", its beginning in UTC) or a moment (RFC 3339). */
static pl_rc moment(compiler *c, const char *where, const json_t *row, const char *key, json_t *out)
{
    const json_t *v = json_object_get(row, key);
    const char   *s = json_string_value(v);
    char          text[64], name[16];
    int64_t       ms;

    if (!v)
        return PL_OK;
    snprintf(text, sizeof text, s && strlen(s) == 10 ? "%.40sT00:00:00Z" : "%.40s", s ? s : "");
    if (pl_time_parse(pl_str_z(text), &ms, NULL) != PL_OK)
        return policy_bad(c, where, "'from' and 'until' are days (2026-12-01) or moments (RFC 3339)");
    snprintf(name, sizeof name, "%s_ms", key);
    json_object_set_new(out, name, json_integer(ms));
    return PL_OK;
}

/* What `then` may say, and what it is when it says nothing. */
static pl_rc then(compiler *c, const char *where, const json_t *row, pl_action what, pl_action *act)
{
    const json_t *v = json_object_get(row, "then");
    pl_str        name = v && json_is_string(v) ? pl_str_z(json_string_value(v)) : (pl_str){ "", 0 };

    *act = PL_ACTION_BLOCK;
    if (!v)
        return PL_OK;
    if (what != PL_ACTION_ESCALATE)
        return policy_bad(c, where, "only 'escalate' has a 'then'");
    if (pl_action_parse(name, act) != PL_OK || *act > PL_ACTION_BLOCK)
        return policy_bad(c, where, "'then' must be allow, log or block");
    if (*act == PL_ACTION_ALLOW)
        *act = PL_ACTION_LOG; /* what a person will look at is in the record */
    return PL_OK;
}

/* The rule's cell: docs/formats/policy.md, "Actions". */
static pl_rc cell(compiler *c, const char *where, const json_t *row, bool opens, json_t *out)
{
    const json_t *name = json_object_get(row, "action"), *fail = json_object_get(row, "fail");
    pl_action     what, act;
    unsigned      flags = 0;
    pl_rc         rc;

    if (!json_is_string(name) || pl_action_parse(pl_str_z(json_string_value(name)), &what) != PL_OK)
        return policy_bad(c, where, "'action' must be allow, log, redact, replace, block, escalate, "
                                    "second_opinion or stop_session");
    if (fail && !policy_one_of(fail, fail_modes))
        return policy_bad(c, where, "'fail' must be closed or open");
    if (fail)
        opens = strcmp(json_string_value(fail), "open") == 0;
    rc = then(c, where, row, what, &act);
    if (rc != PL_OK)
        return rc;
    if (what <= PL_ACTION_REPLACE)
        act = what;
    flags |= what == PL_ACTION_ESCALATE ? PL_CELL_REVIEW : 0;
    flags |= what == PL_ACTION_STOP_SESSION ? PL_CELL_STOP : 0;
    if (what == PL_ACTION_SECOND_OPINION) {
        flags |= PL_CELL_OPINION;
        act = opens ? PL_ACTION_LOG : PL_ACTION_BLOCK;
    }
    flags |= opens ? PL_CELL_OPEN : 0;
    json_object_set_new(out, "cell", json_integer((json_int_t)(flags | act)));
    return PL_OK;
}

static pl_rc rule_row(compiler *c, const char *where, const json_t *row, bool opens, json_t *rows)
{
    static const char *const keys[] = { "category", "min_severity", "action", "then", "fail", "from",
                                        "until", NULL };
    const json_t *least = json_object_get(row, "min_severity");
    json_t       *out = json_object();
    pl_rc         rc = policy_only(c, where, row, keys, "a rule must be a mapping");

    json_array_append_new(rows, out);
    if (rc != PL_OK)
        return rc;
    if (!json_is_string(json_object_get(row, "category")))
        return policy_bad(c, where, "the rule has no 'category'");
    if (least && !policy_is_severity(least))
        return policy_bad(c, where, "'min_severity' must be 1, 2, 3 or 4");
    json_object_set(out, "category", json_object_get(row, "category"));
    if (least)
        json_object_set(out, "min_severity", (json_t *)least);
    rc = cell(c, where, row, opens, out);
    if (rc == PL_OK)
        rc = moment(c, where, row, "from", out);
    if (rc == PL_OK)
        rc = moment(c, where, row, "until", out);
    if (rc == PL_OK && json_object_get(out, "from_ms") && json_object_get(out, "until_ms") &&
        json_integer_value(json_object_get(out, "from_ms")) >=
            json_integer_value(json_object_get(out, "until_ms")))
        rc = policy_bad(c, where, "'until' is not after 'from'");
    return rc;
}

static pl_rc rule_rows(compiler *c, const char *route, bool is_output, const json_t *rows, bool opens,
                       json_t *out)
{
    const char *direction = is_output ? "output" : "input";
    char    where[POINTER_MAX];
    json_t *row;
    size_t  i;

    snprintf(where, sizeof where, "%.120s/%s", route, direction);
    if (!json_is_array(rows) || json_array_size(rows) == 0)
        return policy_bad(c, where, "there must be a list of rules for 'input' and one for 'output'");
    json_array_foreach ((json_t *)rows, i, row) {
        snprintf(where, sizeof where, "%.120s/%s/%zu", route, direction, i);
        pl_rc rc = rule_row(c, where, row, opens, out);
        if (rc != PL_OK)
            return rc;
    }
    return PL_OK;
}

/* --- texts ----------------------------------------------------------------------------- */

static pl_rc both_languages(compiler *c, const char *where, const json_t *texts)
{
    static const char *const keys[] = { "zh", "en", NULL };
    pl_rc rc = policy_only(c, where, texts, keys, "must have 'zh' and 'en'");

    if (rc != PL_OK)
        return rc;
    for (size_t i = 0; keys[i]; i++)
        if (!json_is_string(json_object_get(texts, keys[i])) ||
            json_string_length(json_object_get(texts, keys[i])) == 0)
            return policy_bad(c, where, "needs a text in both 'zh' and 'en'");
    return PL_OK;
}

/* REQ: GB45438-2025/5.1  an explicit label that breaks the wording rule is refused here,
 * before it could ever be written. */
static pl_rc label(compiler *c, const char *route, const json_t *l)
{
    static const char *const keys[] = { "explicit", "zh", "en", NULL };
    char    where[POINTER_MAX];
    json_t *texts;
    pl_rc   rc;

    snprintf(where, sizeof where, "%.120s/label", route);
    if (!json_is_object(l) || !json_is_boolean(json_object_get(l, "explicit")))
        return policy_bad(c, where, "'label' must have 'explicit: true' or 'explicit: false'");
    rc = policy_only(c, where, l, keys, "");
    if (rc != PL_OK || json_is_false(json_object_get(l, "explicit")))
        return rc;
    texts = json_pack("{s:O*, s:O*}", "zh", json_object_get(l, "zh"), "en",
                      json_object_get(l, "en"));
    rc = both_languages(c, where, texts);
    json_decref(texts);
    for (size_t i = 1; rc == PL_OK && keys[i]; i++) {
        const json_t *t = json_object_get(l, keys[i]);
        if (!pl_textlabel_conforms((pl_str){ json_string_value(t), json_string_length(t) }))
            rc = policy_bad(c, where, "the wording must name AI (AI or 人工智能) and generation "
                               "(生成 or 合成): GB 45438-2025 5.1");
    }
    return rc;
}

static pl_rc answers(compiler *c, const char *route, const json_t *a)
{
    char        where[POINTER_MAX];
    const char *key;
    json_t     *v;

    snprintf(where, sizeof where, "%.120s/answers", route);
    if (!json_is_object(a) || !json_object_get(a, "default"))
        return policy_bad(c, where, "'answers' must be a mapping with at least 'default'");
    if (json_object_size(a) > 64)
        return policy_bad(c, where, "more than 64 answers");
    json_object_foreach ((json_t *)a, key, v) {
        snprintf(where, sizeof where, "%.100s/answers/%.40s", route, key);
        pl_rc rc = both_languages(c, where, v);
        if (rc != PL_OK)
            return rc;
    }
    return PL_OK;
}

static pl_rc optional_word(compiler *c, const char *where, const json_t *o, const json_t *base,
                           const char *key, const char *const *words, json_t *out)
{
    json_t *v = json_object_get(o, key);
    char    text[128];

    if (!v) {
        json_object_set_new(out, key, base ? json_incref(json_object_get(base, key))
                                           : json_string(words[0]));
        return PL_OK;
    }
    snprintf(text, sizeof text, "'%s' must be %s or %s", key, words[0], words[1]);
    if (!policy_one_of(v, words))
        return policy_bad(c, where, text);
    json_object_set(out, key, v);
    return PL_OK;
}

/* mode: shadow is a share of 0. */
static pl_rc enforcement(compiler *c, const char *where, const json_t *r, const json_t *base,
                         json_t *out)
{
    static const char *const modes[] = { "enforce", "shadow", NULL };
    const json_t *share = json_object_get(r, "enforce_share"), *mode = json_object_get(r, "mode");
    json_int_t    percent = share ? json_integer_value(share) : 100;

    if (base && !share && !mode)
        percent = json_integer_value(json_object_get(base, "enforce_share"));
    if (mode && !policy_one_of(mode, modes))
        return policy_bad(c, where, "'mode' must be enforce or shadow");
    if (share && (!json_is_integer(share) || percent < 0 || percent > 100))
        return policy_bad(c, where, "'enforce_share' must be a whole number of percent, 0 to 100");
    if (mode && strcmp(json_string_value(mode), "shadow") == 0) {
        if (share && percent > 0)
            return policy_bad(c, where, "'mode: shadow' enforces nothing: leave 'enforce_share' out");
        percent = 0;
    }
    json_object_set_new(out, "enforce_share", json_integer(percent));
    return PL_OK;
}

/* --- routes ---------------------------------------------------------------------------- */

static bool has_opinions(const json_t *rows)
{
    const json_t *row;
    size_t        i;

    json_array_foreach ((json_t *)rows, i, row)
        if (json_integer_value(json_object_get(row, "cell")) & PL_CELL_OPINION)
            return true;
    return false;
}

/* What the guard model is asked: `{text}` stands for the text in question. */
static pl_rc opinion(compiler *c, const char *route, const json_t *r, json_t *out)
{
    static const char *const keys[] = { "model", "prompt", "answer_prompt", NULL };
    const json_t *o = json_object_get(r, "second_opinion");
    const char   *prompt = json_string_value(json_object_get(o, "prompt"));
    const json_t *about_answers = json_object_get(o, "answer_prompt");
    char          where[POINTER_MAX];
    pl_rc         rc;

    snprintf(where, sizeof where, "%.120s/second_opinion", route);
    if (!o)
        return has_opinions(json_object_get(out, "input")) || has_opinions(json_object_get(out, "output"))
                   ? policy_bad(c, route, "a rule asks for a second opinion, but the route has no "
                                          "'second_opinion: {model, prompt}'")
                   : PL_OK;
    rc = policy_only(c, where, o, keys, "'second_opinion' must have 'model' and 'prompt'");
    if (rc != PL_OK)
        return rc;
    if (!json_is_string(json_object_get(o, "model")) || !prompt || !strstr(prompt, "{text}"))
        return policy_bad(c, where, "'second_opinion' needs a 'model' and a 'prompt' that holds {text}");
    if (about_answers && (!json_is_string(about_answers) || !strstr(json_string_value(about_answers), "{text}")))
        return policy_bad(c, where, "'answer_prompt' must be a text that holds {text}");
    json_object_set(out, "second_opinion", (json_t *)o);
    return PL_OK;
}

/* What a tenant leaves out is as in the route; its rules come before the route's. */
static pl_rc rules_of(compiler *c, const char *where, const json_t *r, const json_t *base, bool opens,
                      bool is_output, json_t *out)
{
    const char   *key = is_output ? "output" : "input";
    const json_t *rows = json_object_get(r, key);
    json_t       *list = json_array();
    pl_rc         rc = PL_OK;

    json_object_set_new(out, key, list);
    if (rows || !base)
        rc = rule_rows(c, where, is_output, rows, opens, list);
    if (rc == PL_OK && base)
        json_array_extend(list, json_object_get(base, key));
    return rc;
}

static pl_rc texts_of(compiler *c, const char *where, const json_t *r, const json_t *base, json_t *out)
{
    json_t *all = base ? json_copy(json_object_get(base, "answers")) : NULL;
    pl_rc   rc = PL_OK;

    if (!base || json_object_get(r, "label"))
        rc = label(c, where, json_object_get(r, "label"));
    json_object_set(out, "label", json_object_get(json_object_get(r, "label") ? r : base, "label"));
    if (rc == PL_OK && all && json_is_object(json_object_get(r, "answers")))
        json_object_update(all, json_object_get(r, "answers"));
    if (rc == PL_OK)
        rc = answers(c, where, all ? all : json_object_get(r, "answers"));
    json_object_set(out, "answers", all ? all : json_object_get(r, "answers"));
    json_decref(all);
    return rc;
}

/* base: the route as compiled, when this is a tenant's own form of it. */
static pl_rc route(compiler *c, const char *where, const json_t *r, const json_t *base, json_t *out)
{
    static const char *const keys[] = { "fail", "media", "unknown", "mode", "enforce_share", "input",
                                        "output", "label", "answers", "second_opinion", "receipt_comment", "limits", "budgets", NULL };
    static const char *const media[] = { "pass", "refuse", NULL };
    static const char *const unknown[] = { "refuse", "pass", NULL };
    static const char *const comment[] = { "off", "on", NULL };
    bool  opens;
    pl_rc rc = policy_only(c, where, r, keys, "a route must be a mapping");

    if (rc == PL_OK)
        rc = optional_word(c, where, r, base, "fail", fail_modes, out);
    if (rc == PL_OK)
        rc = optional_word(c, where, r, base, "media", media, out);
    if (rc == PL_OK)
        rc = optional_word(c, where, r, base, "unknown", unknown, out);
    if (rc == PL_OK)
        rc = optional_word(c, where, r, base, "receipt_comment", comment, out);
    if (rc == PL_OK)
        rc = enforcement(c, where, r, base, out);
    if (rc == PL_OK)
        rc = policy_limits(c, where, r, base, out);
    if (rc == PL_OK)
        rc = policy_budgets(c, where, r, base, out);
    if (rc != PL_OK)
        return rc;
    opens = strcmp(json_string_value(json_object_get(out, "fail")), "open") == 0;
    rc = rules_of(c, where, r, base, opens, false, out);
    if (rc == PL_OK)
        rc = rules_of(c, where, r, base, opens, true, out);
    if (rc == PL_OK && base && !json_object_get(r, "second_opinion"))
        json_object_set(out, "second_opinion", json_object_get(base, "second_opinion"));
    if (rc == PL_OK && (!base || !json_object_get(out, "second_opinion")))
        rc = opinion(c, where, r, out);
    if (rc == PL_OK)
        rc = texts_of(c, where, r, base, out);
    return rc;
}

static json_t *route_find(const json_t *list, const char *name)
{
    json_t *r;
    size_t  i;

    json_array_foreach ((json_t *)list, i, r)
        if (strcmp(json_string_value(json_object_get(r, "name")), name) == 0 &&
            !json_object_get(r, "tenant"))
            return r;
    return NULL;
}

static pl_rc tenant(compiler *c, const char *name, const json_t *t, json_t *list)
{
    char        where[POINTER_MAX];
    const char *key;
    json_t     *r;

    snprintf(where, sizeof where, "/tenants/%.60s", name);
    if (name[0] == '\0' || strlen(name) > PL_TENANT_MAX)
        return policy_bad(c, where, "the name of a tenant has 1 to 64 bytes");
    if (!json_is_object(t) || json_object_size(t) == 0)
        return policy_bad(c, where, "a tenant must be a mapping of routes");
    json_object_foreach ((json_t *)t, key, r) {
        json_t *base = route_find(list, key), *out;

        snprintf(where, sizeof where, "/tenants/%.60s/%.80s", name, key);
        if (!base)
            return policy_bad(c, where, "the policy has no such route");
        if (json_array_size(list) == PL_POLICY_FORMS_MAX)
            return policy_bad(c, where, "too many routes of tenants: 1,024 at most");
        out = json_pack("{s:s, s:s}", "name", key, "tenant", name);
        json_array_append_new(list, out);
        pl_rc rc = route(c, where, r, base, out);
        if (rc != PL_OK)
            return rc;
    }
    return PL_OK;
}

pl_rc policy_routes(compiler *c, const json_t *src)
{
    const json_t *all = json_object_get(src, "routes"), *tenants = json_object_get(src, "tenants");
    json_t       *list = json_array(), *r;
    char          where[POINTER_MAX];
    const char   *name;

    json_object_set_new(c->doc, "routes", list);
    if (!json_is_object(all) || json_object_size(all) == 0 || json_object_size(all) > 64)
        return policy_bad(c, "/routes", "'routes' must be a mapping of 1 to 64 routes");
    if (tenants && !json_is_object(tenants))
        return policy_bad(c, "/tenants", "'tenants' must be a mapping of names to routes");
    json_object_foreach ((json_t *)all, name, r) {
        json_t *out = json_pack("{s:s}", "name", name);
        snprintf(where, sizeof where, "/routes/%.100s", name);
        json_array_append_new(list, out);
        pl_rc rc = route(c, where, r, NULL, out);
        if (rc != PL_OK)
            return rc;
    }
    json_object_foreach ((json_t *)tenants, name, r) {
        pl_rc rc = tenant(c, name, r, list);
        if (rc != PL_OK)
            return rc;
    }
    return PL_OK;
}
