#include "base/banned.h"

#include "base/hash.h"
#include "base/json.h"
#include "base/str.h"
#include "cap/guard/guard_int.h"
#include "engine/text/model.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define POLICY_FILE_MAX (1u << 30)

struct pl_policy {
    atomic_uint   refs;
    uint32_t      serial;
    int64_t       era_from, era_to; /* pl_textdb_era; both 0 before the time is known */
    pl_str        map;
    pl_screen    *screen;
    json_t       *doc; /* owns the strings the routes view */
    char          name[160];
    char          digest[65];
    policy_route *route; /* routes, then the tenants' forms of them */
    people_config *people;  /* NULL: it says nothing of people */
    policy_review review;
    char        **labels;   /* every text that may stand behind an answer */
    size_t        label_count;
    uint8_t      *stopped; /* NULL: no category is; else per rule */
    size_t        route_count, own_count; /* all of them; the routes themselves */
};

/* Without memory everything is stopped: the switch must not fail open. */
static uint8_t all_stopped;

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

static const char *const actions[] = { "allow", "log", "block", "redact", "replace", "escalate",
                                       "second_opinion", "stop_session" };
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

pl_action pl_cell_action(pl_cell c)
{
    return c & PL_CELL_REVIEW    ? PL_ACTION_ESCALATE
           : c & PL_CELL_STOP    ? PL_ACTION_STOP_SESSION
           : c & PL_CELL_OPINION ? PL_ACTION_SECOND_OPINION
                                 : pl_cell_act(c);
}

static int64_t moment_of(const json_t *row, const char *key, int64_t otherwise)
{
    const json_t *v = json_object_get(row, key);

    return json_is_integer(v) ? json_integer_value(v) : otherwise;
}

/* The first row that is in force, and whose category and severity fit, decides. */
static pl_rc cells_fill(pl_cell *table, const pl_textdb *db, const json_t *rows, int64_t at_ms,
                        pl_error *err)
{
    uint32_t n = pl_textdb_rule_count(db);

    for (size_t i = json_array_size(rows); i-- > 0;) {
        const json_t *row = json_array_get(rows, i);
        pl_str        category = text_of(row, "category");
        json_int_t    least = json_integer_value(json_object_get(row, "min_severity"));
        json_t       *cell = json_object_get(row, "cell");

        if (!json_is_integer(cell) || json_integer_value(cell) < 0 || json_integer_value(cell) > 0xff ||
            pl_cell_act((pl_cell)json_integer_value(cell)) > PL_ACTION_REPLACE)
            return pl_fail(err, PL_INVALID, "a rule of the compiled policy says nothing that this "
                                            "version understands; compile it again");
        if (at_ms < moment_of(row, "from_ms", INT64_MIN) || at_ms >= moment_of(row, "until_ms", INT64_MAX))
            continue;
        for (uint32_t r = 0; r < n; r++) {
            pl_text_rule rule = pl_textdb_rule_get(db, r);
            if (rule.severity >= least && pl_category_matches(category, rule.category))
                table[r] = (pl_cell)json_integer_value(cell);
        }
    }
    return PL_OK;
}

/* Moments at which a rule begins or ends, in order; the first is "always". */
static pl_rc periods_find(policy_route *r, const json_t *o, pl_error *err)
{
    static const char *const keys[] = { "input", "output" }, *const edges[] = { "from_ms", "until_ms" };
    const json_t *row;
    size_t        i;

    r->period[0].from_ms = INT64_MIN;
    r->period_count = 1;
    for (int k = 0; k < 4; k++)
        json_array_foreach (json_object_get(o, keys[k & 1]), i, row) {
            int64_t at = moment_of(row, edges[k >> 1], INT64_MIN);
            size_t  n = r->period_count;

            while (n > 0 && r->period[n - 1].from_ms > at)
                n--;
            if (n > 0 && r->period[n - 1].from_ms == at)
                continue;
            if (r->period_count == PL_POLICY_PERIODS_MAX)
                return pl_fail(err, PL_LIMIT, "the rules of a route begin and end at more than %d moments",
                               PL_POLICY_PERIODS_MAX - 1);
            memmove(&r->period[n + 1], &r->period[n], (r->period_count - n) * sizeof r->period[0]);
            r->period[n] = (policy_period){ .from_ms = at };
            r->period_count++;
        }
    return PL_OK;
}

static bool is_model_rule(const pl_textdb *db, uint32_t rule)
{
    return pl_str_starts(pl_textdb_rule_get(db, rule).id, PL_STR(PL_MODEL_RULE_PREFIX));
}

static pl_rc periods_fill(policy_route *r, const pl_textdb *db, const json_t *o, pl_error *err)
{
    static const char *const direction[] = { "input", "output" };
    uint32_t n = pl_textdb_rule_count(db);

    for (size_t k = 0; k < r->period_count; k++)
        for (int d = 0; d < 2; d++) {
            policy_period *at = &r->period[k];

            at->cells[d] = calloc(n + 1u, 1);
            if (!at->cells[d])
                return pl_fail(err, PL_NOMEM, "out of memory");
            pl_rc rc = cells_fill(at->cells[d], db, json_object_get(o, direction[d]), at->from_ms, err);
            if (rc != PL_OK)
                return rc;
            for (uint32_t i = 0; i < n; i++) {
                pl_cell c = at->cells[d][i];
                r->closes[d] |= pl_cell_act(c) >= PL_ACTION_BLOCK && !(c & PL_CELL_OPEN);
                r->asks |= d == 1 && (c & PL_CELL_OPINION);
                r->masks |= d == 1 && pl_cell_act(c) >= PL_ACTION_REDACT;
                r->models |= d == 1 && pl_cell_act(c) > PL_ACTION_ALLOW && is_model_rule(db, i);
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

static void limits_fill(policy_route *r, const json_t *limits)
{
    static const char *const parts[] = { "request", "answer" };

    for (int d = 0; d < 2; d++) {
        const json_t *o = json_object_get(limits, parts[d]);

        r->limit[d] = (policy_limit){ (uint64_t)json_integer_value(json_object_get(o, "bytes")),
                                      pl_str_eqz(text_of(o, "over"), "pass") };
    }
}

static uint64_t salt_of(const policy_route *r, const policy_budget *b)
{
    uint64_t h = 14695981039346656037ull ^ (uint64_t)b->per ^ (uint64_t)b->window_s << 8;

    for (size_t i = 0; i < r->name.n; i++)
        h = (h ^ (uint8_t)r->name.p[i]) * 1099511628211ull;
    return h;
}

static pl_rc budgets_fill(policy_route *r, const json_t *list, pl_error *err)
{
    const json_t *o;
    size_t        i;

    json_array_foreach ((json_t *)list, i, o) {
        policy_budget *b = &r->budget[r->budget_count];
        int            per = 0;

        while (per < PER__N && !pl_str_eqz(text_of(o, "per"), pl_budget_per_name((budget_per)per)))
            per++;
        if (r->budget_count == PL_BUDGETS_MAX || per == PER__N)
            return pl_fail(err, PL_INVALID, "the budgets of the compiled policy cannot be read; compile it again");
        *b = (policy_budget){ (budget_per)per, (uint32_t)json_integer_value(json_object_get(o, "window_s")),
                              (uint64_t)json_integer_value(json_object_get(o, "requests")),
                              (uint64_t)json_integer_value(json_object_get(o, "tokens")), 0 };
        if (b->window_s < 1 || b->window_s > PL_BUDGET_WINDOW_MAX)
            return pl_fail(err, PL_INVALID, "a budget of the compiled policy has no window");
        b->salt = salt_of(r, b);
        r->counts_tokens |= b->tokens > 0;
        r->budget_count++;
    }
    return PL_OK;
}

static pl_rc route_fill(policy_route *r, const pl_textdb *db, const json_t *o, pl_error *err)
{
    const json_t *label = json_object_get(o, "label"), *opinion = json_object_get(o, "second_opinion");
    pl_rc         rc;

    r->name = text_of(o, "name");
    r->tenant = text_of(o, "tenant");
    r->opinion_model = text_of(opinion, "model");
    r->opinion_prompt[0] = text_of(opinion, "prompt");
    r->opinion_prompt[1] = text_of(opinion, json_object_get(opinion, "answer_prompt") ? "answer_prompt" : "prompt");
    r->fail = pl_str_eqz(text_of(o, "fail"), "open") ? PL_FAIL_OPEN : PL_FAIL_CLOSED;
    r->enforce_share = 100;
    if (json_is_integer(json_object_get(o, "enforce_share")))
        r->enforce_share = (unsigned)json_integer_value(json_object_get(o, "enforce_share"));
    r->unknown_pass = pl_str_eqz(text_of(o, "unknown"), "pass");
    r->receipt_comment = pl_str_eqz(text_of(o, "receipt_comment"), "on");
    r->media_refuse = pl_str_eqz(text_of(o, "media"), "refuse");
    r->label_explicit = json_is_true(json_object_get(label, "explicit"));
    r->label_zh = text_of(label, "zh");
    r->label_en = text_of(label, "en");
    limits_fill(r, json_object_get(o, "limits"));
    answers_fill(r, json_object_get(o, "answers"));
    if (r->name.n == 0 || r->answer_count == 0)
        return pl_fail(err, PL_INVALID, "a route of the compiled policy has no name or answers");
    rc = budgets_fill(r, json_object_get(o, "budgets"), err);
    if (rc == PL_OK)
        rc = periods_find(r, o, err);
    return rc == PL_OK ? periods_fill(r, db, o, err) : rc;
}

static int form_cmp(const void *a, const void *b)
{
    const policy_route *x = a, *y = b;
    size_t              n = x->tenant.n < y->tenant.n ? x->tenant.n : y->tenant.n;
    int                 d = (int)x->form_of - (int)y->form_of;

    d = d ? d : memcmp(x->tenant.p, y->tenant.p, n);
    return d ? d : (x->tenant.n > y->tenant.n) - (x->tenant.n < y->tenant.n);
}

/* Routes first, in the order of the source; then their forms, in order of route and tenant. */
static pl_rc forms_sort(pl_policy *p, pl_error *err)
{
    while (p->own_count < p->route_count && p->route[p->own_count].tenant.n == 0)
        p->own_count++;
    for (size_t i = p->own_count; i < p->route_count; i++) {
        int own = pl_policy_route_find(p, p->route[i].name);

        if (own < 0 || p->route[i].tenant.n == 0)
            return pl_fail(err, PL_INVALID, "the compiled policy has a tenant's form of no route");
        p->route[i].form_of = (unsigned)own;
    }
    qsort(p->route + p->own_count, p->route_count - p->own_count, sizeof *p->route, form_cmp);
    return PL_OK;
}

/* The label, with the reminders of bits behind it, once. */
static pl_rc label_add(pl_policy *p, pl_str label, unsigned bits, bool zh, pl_error *err)
{
    pl_buf b = PL_BUF_INIT(8192);
    pl_str whole;

    pl_label_with(p->people, label, bits, zh, &b);
    whole = pl_buf_str(&b);
    for (size_t i = 0; i < p->label_count; i++)
        if (pl_str_eqz(whole, p->labels[i]))
            whole.n = 0;
    if (whole.n && (p->labels[p->label_count] = strndup(whole.p, whole.n)) != NULL)
        p->label_count++;
    else if (whole.n)
        b.failed = true;
    pl_buf_done(&b);
    return b.failed ? pl_fail(err, PL_NOMEM, "out of memory") : PL_OK;
}

static pl_rc labels_collect(pl_policy *p, pl_error *err)
{
    pl_rc rc = PL_OK;

    p->labels = calloc(p->route_count * 8 + 1, sizeof *p->labels);
    if (!p->labels)
        return pl_fail(err, PL_NOMEM, "out of memory");
    for (unsigned bits = 0; bits < (p->people ? 4u : 1u); bits++)
        for (size_t i = 0; rc == PL_OK && i < p->route_count * 2; i++) {
            const policy_route *r = &p->route[i / 2];
            pl_str              label = i % 2 ? r->label_zh : r->label_en;

            if (label.n)
                rc = label_add(p, label, bits, i % 2, err);
        }
    return rc;
}

static pl_rc review_fill(policy_review *r, const json_t *o, pl_error *err)
{
    int64_t ppm = 0;
    bool    third = true;
    pl_rc   rc = PL_OK;

    *r = (policy_review){ .keep_ms = PL_REVIEW_KEEP_MS, .third = true };
    if (o)
        rc = pl_json_get_int(o, "sample_ppm", true, &ppm, err);
    if (o && rc == PL_OK)
        rc = pl_json_get_int(o, "keep_ms", true, &r->keep_ms, err);
    if (o && rc == PL_OK)
        rc = pl_json_get_bool(o, "third", true, &third, err);
    if (rc == PL_OK && (ppm < 0 || ppm > 1000000 || r->keep_ms < 1000))
        rc = pl_fail(err, PL_INVALID, "the review section of the compiled policy is out of bounds");
    r->sample_ppm = (unsigned)ppm;
    r->third = third;
    return rc;
}

static pl_rc doc_load(pl_policy *p, pl_str section, pl_error *err)
{
    pl_rc   rc = pl_json_parse(section, "POLC section", &p->doc, err);
    json_t *routes;

    if (rc != PL_OK)
        return rc;
    routes = json_object_get(p->doc, "routes");
    if (json_array_size(routes) == 0 || json_array_size(routes) > PL_POLICY_FORMS_MAX)
        return pl_fail(err, PL_INVALID, "the compiled policy has no routes or too many");
    p->route = calloc(json_array_size(routes), sizeof *p->route);
    if (!p->route)
        return pl_fail(err, PL_NOMEM, "out of memory");
    for (size_t i = 0; i < json_array_size(routes) && rc == PL_OK; i++) {
        rc = route_fill(&p->route[i], pl_policy_textdb(p), json_array_get(routes, i), err);
        p->route_count++;
    }
    if (rc == PL_OK)
        rc = forms_sort(p, err);
    if (rc == PL_OK && json_object_get(p->doc, "people"))
        rc = people_config_new(json_object_get(p->doc, "people"), &p->people, err);
    if (rc == PL_OK)
        rc = review_fill(&p->review, json_object_get(p->doc, "review"), err);
    if (rc == PL_OK)
        rc = labels_collect(p, err);
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

static atomic_uint serials;

pl_rc pl_policy_openat(int dirfd, const char *name, pl_policy **out, pl_error *err)
{
    pl_policy *p = calloc(1, sizeof *p);
    pl_rc      rc;

    if (!p)
        return pl_fail(err, PL_NOMEM, "out of memory");
    atomic_init(&p->refs, 1);
    p->serial = atomic_fetch_add(&serials, 1) + 1;
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

uint32_t pl_policy_serial(const pl_policy *p)
{
    return p->serial;
}

void pl_policy_now(pl_policy *p, int64_t now_ms)
{
    int64_t now = now_ms / 1000;

    if (now >= p->era_from && now < p->era_to)
        return;
    pl_textdb_era(pl_policy_textdb(p), now, &p->era_from, &p->era_to);
    pl_screen_now(p->screen, now);
    p->serial = atomic_fetch_add(&serials, 1) + 1; /* what is known of the serial before is forgotten */
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
    for (size_t i = 0; i < p->route_count; i++)
        for (size_t k = 0; k < p->route[i].period_count; k++) {
            free(p->route[i].period[k].cells[0]);
            free(p->route[i].period[k].cells[1]);
        }
    people_config_free(p->people);
    for (size_t i = 0; i < p->label_count; i++)
        free(p->labels[i]);
    free(p->labels);
    free(p->route);
    if (p->stopped != &all_stopped)
        free(p->stopped);
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
    for (size_t i = 0; i < p->own_count; i++)
        if (pl_str_eq(p->route[i].name, name))
            return (int)i;
    return -1;
}

int pl_policy_route_of(const pl_policy *p, int route, pl_str tenant)
{
    policy_route        key = { .form_of = (unsigned)route, .tenant = tenant };
    const policy_route *at = NULL;

    if (tenant.n && p->route_count > p->own_count)
        at = bsearch(&key, p->route + p->own_count, p->route_count - p->own_count, sizeof key, form_cmp);
    return at ? (int)(at - p->route) : route;
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

bool pl_policy_opens(const pl_policy *p, int route, bool is_output)
{
    return !p->route[route].closes[is_output];
}

const pl_cell *pl_policy_cells(const pl_policy *p, int route, bool is_output, int64_t now_ms)
{
    const policy_route *r = &p->route[route];
    size_t              k = r->period_count;

    while (k > 1 && r->period[k - 1].from_ms > now_ms)
        k--;
    return r->period[k - 1].cells[is_output];
}

void pl_policy_stop_categories(pl_policy *p, const pl_str *names, size_t n)
{
    const pl_textdb *db = pl_policy_textdb(p);
    uint8_t         *rules = n ? calloc(pl_textdb_rule_count(db) + 1u, 1) : NULL;

    if (p->stopped != &all_stopped)
        free(p->stopped);
    p->stopped = n && !rules ? &all_stopped : rules;
    for (uint32_t r = 0; rules && r < pl_textdb_rule_count(db); r++)
        for (size_t i = 0; i < n; i++)
            rules[r] |= pl_category_matches(names[i], pl_textdb_rule_get(db, r).category);
}

pl_cell pl_policy_cell(const pl_policy *p, const pl_cell *cells, uint32_t rule)
{
    if (p->stopped && (p->stopped == &all_stopped || p->stopped[rule]))
        return PL_ACTION_BLOCK;
    return cells[rule];
}

size_t pl_policy_labels(const pl_policy *p, pl_str *out, size_t max)
{
    size_t n = p->label_count < max ? p->label_count : max;

    for (size_t i = 0; i < n; i++)
        out[i] = pl_str_z(p->labels[i]);
    return n;
}

json_t *pl_policy_packs(const pl_policy *p)
{
    json_t *list = json_deep_copy(json_object_get(p->doc, "packs"));

    list = list ? list : json_array();
    json_array_append(list, json_object_get(p->doc, "model"));
    json_array_append(list, json_object_get(p->doc, "names"));
    json_array_append(list, json_object_get(json_object_get(p->doc, "people"), "pack"));
    return list;
}

const policy_review *pl_policy_review(const pl_policy *p)
{
    return &p->review;
}

const people_config *pl_policy_people(const pl_policy *p)
{
    return p->people;
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
