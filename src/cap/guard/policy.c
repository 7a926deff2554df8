#include "base/banned.h"

#include "base/hash.h"
#include "base/json.h"
#include "base/str.h"
#include "cap/guard/guard_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define POLICY_FILE_MAX (1u << 30)

struct pl_policy {
    atomic_uint  refs;
    pl_str       map;
    pl_screen   *screen;
    json_t      *doc; /* owns the strings the routes view */
    char         name[160];
    char         digest[65];
    policy_route route[PL_POLICY_ROUTES_MAX];
    size_t       route_count;
};

bool pl_category_matches(pl_str pattern, pl_str category)
{
    if (pl_str_eqz(pattern, "*"))
        return true;
    if (pattern.n >= 2 && pl_str_ends(pattern, PL_STR(".*"))) {
        pattern.n -= 1; /* keep the dot: "harm." */
        return pl_str_starts(category, pattern);
    }
    return pl_str_eq(pattern, category);
}

static pl_str text_of(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);

    if (!json_is_string(v))
        return (pl_str){ "", 0 };
    return (pl_str){ json_string_value(v), json_string_length(v) };
}

static const char *const actions[] = { "allow", "log", "block", "redact", "replace" };
#define ACTIONS (sizeof actions / sizeof actions[0])

const char *pl_action_name(pl_action a)
{
    return actions[a];
}

pl_rc pl_action_parse(pl_str name, pl_action *out)
{
    for (size_t i = 0; i < ACTIONS; i++)
        if (pl_str_eqz(name, actions[i])) {
            *out = (pl_action)i;
            return PL_OK;
        }
    return PL_NOTFOUND;
}

/* The first row whose category and severity fit decides. */
static pl_rc actions_fill(uint8_t *table, const pl_textdb *db, const json_t *rows, pl_error *err)
{
    uint32_t n = pl_textdb_rule_count(db);

    for (size_t i = json_array_size(rows); i-- > 0;) {
        const json_t *row = json_array_get(rows, i);
        pl_str        category = text_of(row, "category");
        json_int_t    least = json_integer_value(json_object_get(row, "min_severity"));
        pl_str        name = text_of(row, "action");
        pl_action     action;

        if (pl_action_parse(name, &action) != PL_OK)
            return pl_fail(err, PL_INVALID, "unknown action '" PL_STR_FMT "'", PL_STR_ARG(name));
        for (uint32_t r = 0; r < n; r++) {
            pl_text_rule rule = pl_textdb_rule_get(db, r);
            if (rule.severity >= least && pl_category_matches(category, rule.category))
                table[r] = (uint8_t)action;
        }
    }
    return PL_OK;
}

static void answers_fill(policy_route *r, const json_t *answers)
{
    const char *key;
    json_t     *v;

    json_object_foreach ((json_t *)answers, key, v) {
        if (r->answer_count == PL_POLICY_ANSWERS_MAX)
            return;
        r->answers[r->answer_count++] =
            (answer_text){ pl_str_z(key), text_of(v, "zh"), text_of(v, "en") };
    }
}

static pl_rc route_fill(policy_route *r, const pl_textdb *db, const json_t *o, pl_error *err)
{
    static const char *const direction[] = { "input", "output" };
    const json_t *label = json_object_get(o, "label");

    r->name = text_of(o, "name");
    r->fail = pl_str_eqz(text_of(o, "fail"), "open") ? PL_FAIL_OPEN : PL_FAIL_CLOSED;
    r->enforce_share = 100;
    if (json_is_integer(json_object_get(o, "enforce_share")))
        r->enforce_share = (unsigned)json_integer_value(json_object_get(o, "enforce_share"));
    r->unknown_pass = pl_str_eqz(text_of(o, "unknown"), "pass");
    r->media_refuse = pl_str_eqz(text_of(o, "media"), "refuse");
    r->label_explicit = json_is_true(json_object_get(label, "explicit"));
    r->label_zh = text_of(label, "zh");
    r->label_en = text_of(label, "en");
    answers_fill(r, json_object_get(o, "answers"));
    if (r->name.n == 0 || r->answer_count == 0)
        return pl_fail(err, PL_INVALID, "a route of the compiled policy has no name or answers");
    for (int d = 0; d < 2; d++) {
        r->action[d] = calloc(pl_textdb_rule_count(db) + 1u, 1);
        if (!r->action[d])
            return pl_fail(err, PL_NOMEM, "out of memory");
        pl_rc rc = actions_fill(r->action[d], db, json_object_get(o, direction[d]), err);
        if (rc != PL_OK)
            return rc;
    }
    for (uint32_t i = 0; i < pl_textdb_rule_count(db); i++)
        r->masks |= r->action[1][i] >= PL_ACTION_REDACT;
    return PL_OK;
}

static pl_rc doc_load(pl_policy *p, pl_str section, pl_error *err)
{
    pl_rc   rc = pl_json_parse(section, "POLC section", &p->doc, err);
    json_t *routes;

    if (rc != PL_OK)
        return rc;
    routes = json_object_get(p->doc, "routes");
    if (json_array_size(routes) == 0 || json_array_size(routes) > PL_POLICY_ROUTES_MAX)
        return pl_fail(err, PL_INVALID, "the compiled policy has no routes or too many");
    for (size_t i = 0; i < json_array_size(routes) && rc == PL_OK; i++) {
        rc = route_fill(&p->route[i], pl_policy_textdb(p), json_array_get(routes, i), err);
        p->route_count++;
    }
    snprintf(p->name, sizeof p->name, "%.*s@%lld",
             (int)(text_of(p->doc, "id").n > 100 ? 100 : text_of(p->doc, "id").n),
             text_of(p->doc, "id").p,
             (long long)json_integer_value(json_object_get(p->doc, "version")));
    return rc;
}

static pl_rc policy_load(pl_policy *p, pl_error *err)
{
    pl_policydb db;
    pl_str      doc;
    pl_rc       rc = pl_policydb_check(p->map, &db, err);

    if (rc == PL_OK)
        rc = pl_screen_open(&db, &p->screen, err);
    if (rc == PL_OK)
        rc = pl_policydb_section_find(&db, PL_SECTION_POLICY, &doc, err);
    if (rc == PL_OK)
        rc = doc_load(p, doc, err);
    if (rc == PL_OK)
        pl_hex(db.digest, sizeof db.digest, p->digest);
    return rc;
}

static pl_rc map_at(int dirfd, const char *name, pl_str *out, pl_error *err)
{
    struct stat st;
    void       *m = MAP_FAILED;
    int         fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return pl_fail(err, errno == ENOENT ? PL_NOTFOUND : PL_IO, "cannot open policy '%s': %s",
                       name, strerror(errno));
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 &&
        st.st_size < POLICY_FILE_MAX)
        m = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    close(fd);
    if (m == MAP_FAILED)
        return pl_fail(err, PL_INVALID, "policy '%s' is empty or cannot be mapped", name);
    *out = (pl_str){ m, (size_t)st.st_size };
    return PL_OK;
}

pl_rc pl_policy_openat(int dirfd, const char *name, pl_policy **out, pl_error *err)
{
    pl_policy *p = calloc(1, sizeof *p);
    pl_rc      rc;

    if (!p)
        return pl_fail(err, PL_NOMEM, "out of memory");
    atomic_init(&p->refs, 1);
    rc = map_at(dirfd, name, &p->map, err);
    if (rc == PL_OK)
        rc = policy_load(p, err);
    if (rc != PL_OK) {
        pl_policy_unref(p);
        return rc;
    }
    *out = p;
    return PL_OK;
}

pl_policy *pl_policy_ref(pl_policy *p)
{
    atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    return p;
}

void pl_policy_unref(pl_policy *p)
{
    if (!p || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < p->route_count; i++) {
        free(p->route[i].action[0]);
        free(p->route[i].action[1]);
    }
    json_decref(p->doc);
    pl_screen_free(p->screen);
    if (p->map.p)
        munmap((void *)(uintptr_t)p->map.p, p->map.n);
    free(p);
}

pl_str pl_policy_name(const pl_policy *p)
{
    return pl_str_z(p->name);
}

const char *pl_policy_digest(const pl_policy *p)
{
    return p->digest;
}

const pl_textdb *pl_policy_textdb(const pl_policy *p)
{
    return pl_screen_textdb(p->screen);
}

const pl_screen *pl_policy_screen(const pl_policy *p)
{
    return p->screen;
}

int pl_policy_route_find(const pl_policy *p, pl_str name)
{
    for (size_t i = 0; i < p->route_count; i++)
        if (pl_str_eq(p->route[i].name, name))
            return (int)i;
    return -1;
}

const policy_route *pl_policy_route_get(const pl_policy *p, int route)
{
    return &p->route[route];
}

pl_fail_mode pl_policy_fail_mode(const pl_policy *p, int route)
{
    return p->route[route].fail;
}

bool pl_policy_passes_unknown(const pl_policy *p, int route)
{
    return p->route[route].unknown_pass;
}

pl_action pl_policy_action(const pl_policy *p, int route, bool is_output, uint32_t rule)
{
    return (pl_action)p->route[route].action[is_output][rule];
}

size_t pl_policy_labels(const pl_policy *p, pl_str *out, size_t max)
{
    size_t n = 0;

    for (size_t i = 0; i < p->route_count; i++) {
        pl_str pair[2] = { p->route[i].label_zh, p->route[i].label_en };
        for (int k = 0; k < 2; k++) {
            if (n < max && pair[k].n)
                out[n] = pair[k];
            n += pair[k].n != 0;
        }
    }
    return n < max ? n : max;
}

pl_str pl_policy_answer(const pl_policy *p, int route, pl_str category, bool zh)
{
    const policy_route *r = &p->route[route];
    const answer_text  *best = &r->answers[0];
    size_t              best_n = 0;

    for (size_t i = 0; i < r->answer_count; i++) {
        const answer_text *a = &r->answers[i];
        if (pl_str_eqz(a->category, "default") && best_n == 0)
            best = a;
        else if (pl_category_matches(a->category, category) && a->category.n > best_n) {
            best = a;
            best_n = a->category.n;
        }
    }
    return zh ? best->zh : best->en;
}
