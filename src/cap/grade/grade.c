#include "base/banned.h"

#include "base/str.h"
#include "cap/grade/grade_int.h"
#include "cap/pack/pl_pack.h"

extern const unsigned char pl_grade_openapi[];

const char *grade_text(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));

    return s != NULL ? s : "";
}

/* --- which packs ------------------------------------------------------------------------- */

typedef struct picking {
    const pl_grade_request *r;
    grade_book             *g;
    pl_pack_law            *laws;
    size_t                  n;
} picking;

static pl_rc day_pick(picking *p, pl_error *err)
{
    const char *day = p->r->as_of;
    int64_t     t;
    pl_rc       rc;

    if (day == NULL)
        day = json_string_value(json_object_get(p->r->facts, "as_of"));
    if (day == NULL)
        day = p->r->today;
    rc = pl_rules_day(pl_str_z(day), &t, err);
    if (rc == PL_OK)
        (void)snprintf(p->g->as_of, sizeof p->g->as_of, "%s", day);
    return rc;
}

static pl_rc pack_add(picking *p, const char *ref, pl_error *err)
{
    size_t got = 0;
    pl_rc  rc = pl_pack_book_add(p->g->book, ref, p->r->folders, &got, err);

    if (rc != PL_OK)
        return rc;
    for (size_t i = 0; i < p->g->count; i++)
        if (p->g->packs[i] == got)
            return PL_OK;
    if (!pl_rules_pack_has_rules(p->g->book, got))
        return pl_fail(err, PL_INVALID, "pack '%s' has no rules to grade by",
                       pl_rules_pack_ref(p->g->book, got));
    if (p->g->count == GRADE_PACKS_MAX)
        return pl_fail(err, PL_LIMIT, "more than %d packs at once", GRADE_PACKS_MAX);
    p->g->packs[p->g->count++] = got;
    return PL_OK;
}

/* The version of the day, where none is named. */
static pl_rc ref_add(picking *p, const char *ref, pl_error *err)
{
    const pl_pack_law *law;

    if (strchr(ref, '@') != NULL || strchr(ref, '/') != NULL)
        return pack_add(p, ref, err);
    law = pl_pack_law_for(p->laws, p->n, ref, p->g->as_of);
    return law != NULL ? pack_add(p, law->dir, err)
                       : pl_fail(err, PL_NOTFOUND, "no pack of law '%.80s': see 'plumbline pack list'", ref);
}

/* EU serves EU; US serves US and US-CA, and US-CA serves US: the whole has the law of its parts,
 * the part that of the whole. */
static bool covers(const char *served, const char *law)
{
    size_t a = strlen(served), b = strlen(law), n = a < b ? a : b;

    return strncmp(served, law, n) == 0 && (a == b || (a < b ? law[n] : served[n]) == '-');
}

static bool is_served(const picking *p, const char *jurisdiction)
{
    const json_t *list = json_object_get(p->r->facts, "jurisdictions");
    json_t       *v;
    size_t        i;

    if (json_is_string(list))
        return covers(json_string_value(list), jurisdiction);
    json_array_foreach((json_t *)(uintptr_t)list, i, v)
        if (json_is_string(v) && covers(json_string_value(v), jurisdiction))
            return true;
    return false;
}

static pl_rc jurisdictions_add(picking *p, pl_error *err)
{
    pl_rc rc = PL_OK;

    if (json_object_get(p->r->facts, "jurisdictions") == NULL)
        return pl_fail(err, PL_INVALID, "which law? name packs with --pack, or places in the fact "
                                        "'jurisdictions'");
    for (size_t i = 0; i < p->n && rc == PL_OK; i++) {
        const pl_pack_law *l = &p->laws[i];

        if (l->has_rules && is_served(p, l->jurisdiction) &&
            pl_pack_law_for(p->laws, p->n, l->id, p->g->as_of) == l)
            rc = pack_add(p, l->dir, err);
    }
    if (rc == PL_OK && p->g->count == 0)
        return pl_fail(err, PL_NOTFOUND, "no pack of law for these jurisdictions: see 'plumbline pack list'");
    return rc;
}

pl_rc grade_book_open(const pl_grade_request *r, grade_book *out, pl_error *err)
{
    grade_book g = { .book = pl_rules_book_new() };
    picking    p = { .r = r, .g = &g };
    pl_rc      rc = g.book != NULL ? day_pick(&p, err) : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc == PL_OK)
        rc = pl_pack_laws(r->folders, &p.laws, &p.n, err);
    if (rc == PL_OK && (r->packs == NULL || r->packs[0] == NULL))
        rc = jurisdictions_add(&p, err);
    for (size_t i = 0; rc == PL_OK && r->packs != NULL && r->packs[i] != NULL; i++)
        rc = ref_add(&p, r->packs[i], err);
    free(p.laws);
    if (rc != PL_OK) {
        grade_book_close(&g);
        return rc;
    }
    *out = g;
    return PL_OK;
}

void grade_book_close(grade_book *g)
{
    pl_rules_book_free(g->book);
    pl_rules_book_free(g->all);
    g->book = g->all = NULL;
}

/* --- facts that only other packs know ------------------------------------------------------ */

static pl_rc everything(const pl_grade_request *r, pl_rules_book *b, pl_error *err)
{
    pl_pack_law *laws = NULL;
    size_t       n = 0, got;
    pl_rc        rc = pl_pack_laws(r->folders, &laws, &n, err);

    for (size_t i = 0; rc == PL_OK && i < n; i++)
        if (pl_rules_pack_find(b, laws[i].id, laws[i].version) < 0)
            rc = pl_pack_book_add(b, laws[i].dir, r->folders, &got, err);
    free(laws);
    return rc;
}

static bool all_known(const pl_rules_book *b, const json_t *facts)
{
    const char *key;
    json_t     *v;

    json_object_foreach((json_t *)(uintptr_t)facts, key, v)
        if (pl_rules_fact_find(b, pl_str_z(key)) < 0)
            return false;
    return true;
}

/* Every pack, compiled at the first fact that the chosen ones do not know. */
static pl_rc all_open(grade_book *g, const pl_grade_request *r, pl_error *err)
{
    pl_rules_book *all;
    pl_rc          rc;

    if (g->all != NULL)
        return PL_OK;
    all = pl_rules_book_new();
    rc = all != NULL ? everything(r, all, err) : pl_fail(err, PL_NOMEM, "out of memory");
    if (rc == PL_OK)
        g->all = all;
    else
        pl_rules_book_free(all);
    return rc;
}

/* The facts without those that no chosen pack has and another pack has. Each is still checked
 * by its own pack's vocabulary. A new reference. */
static pl_rc facts_own(grade_book *g, const pl_grade_request *r, json_t **out, pl_error *err)
{
    pl_rules_facts *check = NULL;
    const char     *key;
    json_t         *v;
    void           *next;
    pl_rc           rc;

    if (!json_is_object(r->facts) || all_known(g->book, r->facts)) {
        *out = json_incref((json_t *)(uintptr_t)r->facts);
        return PL_OK;
    }
    rc = all_open(g, r, err);
    if (rc == PL_OK)
        rc = pl_rules_facts_new(g->all, r->facts, &check, err);
    pl_rules_facts_free(check);
    if (rc != PL_OK)
        return rc;
    *out = json_copy((json_t *)(uintptr_t)r->facts);
    json_object_foreach_safe(*out, next, key, v)
        if (pl_rules_fact_find(g->book, pl_str_z(key)) < 0)
            (void)json_object_del(*out, key);
    return PL_OK;
}

/* --- grading --------------------------------------------------------------------------------- */

static json_t *texts(const char *const *pair)
{
    return json_pack("{s:s?, s:s?}", "zh", pair[0], "en", pair[1]);
}

static json_t *question_json(const pl_fact *f)
{
    static const char *const types[] = { "bool", "number", "date", "text", "list", "numbers", "map" };
    json_t                  *q = json_pack("{s:s, s:s, s:o}", "fact", f->key, "type", types[f->type],
                                           "question", texts(f->question));

    if (f->unit != NULL)
        (void)json_object_set_new(q, "unit", json_string(f->unit));
    if (f->help[1] != NULL)
        (void)json_object_set_new(q, "help", texts(f->help));
    if (f->value_count > 0 && !f->is_open) {
        json_t *values = json_array();

        for (size_t i = 0; i < f->value_count; i++)
            (void)json_array_append_new(values, json_string(f->values[i]));
        (void)json_object_set_new(q, "values", values);
    }
    return q;
}

/* What to ask: the missing facts of all packs, those first on which most packs hinge, then as the
 * rules are read. */
static json_t *questions_of(const pl_rules_book *b, const json_t *results)
{
    json_t *list = json_array(), *r, *v;
    size_t  i, k, n = 0, count[PL_RULES_FACTS_MAX] = { 0 }, most = 0;
    int     order[PL_RULES_FACTS_MAX];

    json_array_foreach(results, i, r)
        json_array_foreach(json_object_get(r, "missing_facts"), k, v) {
            int slot = pl_rules_fact_find(b, pl_str_z(json_string_value(v)));

            if (slot < 0)
                continue;
            if (count[slot]++ == 0)
                order[n++] = slot;
            if (count[slot] > most)
                most = count[slot];
        }
    for (; most > 0; most--)
        for (i = 0; i < n; i++)
            if (count[order[i]] == most)
                (void)json_array_append_new(list, question_json(pl_rules_fact(b, (size_t)order[i])));
    return list;
}

static pl_rc results_run(const grade_book *g, const pl_grade_request *r, const pl_rules_facts *f,
                         json_t *results, bool *undetermined, pl_error *err)
{
    unsigned flags = PL_RULES_TRACE | (r->quick ? 0 : PL_RULES_MISSING);
    int64_t  as_of = 0;
    pl_rc    rc = pl_rules_day(pl_str_z(g->as_of), &as_of, err);

    for (size_t i = 0; i < g->count && rc == PL_OK; i++) {
        json_t *one = NULL, *head;
        bool    open = false;

        rc = pl_rules_grade(g->book, g->packs[i], f, as_of, flags, &one, &open, err);
        if (rc != PL_OK)
            break;
        head = json_pack("{s:s, s:{s:s, s:s}}", "pack", pl_rules_pack_ref(g->book, g->packs[i]),
                         "title", "zh", pl_rules_pack_title(g->book, g->packs[i], true), "en",
                         pl_rules_pack_title(g->book, g->packs[i], false));
        (void)json_object_update(head, one);
        json_decref(one);
        (void)json_array_append_new(results, head);
        *undetermined |= open;
    }
    return rc;
}

pl_rc grade_book_run(grade_book *g, const pl_grade_request *r, json_t **out,
                     bool *undetermined, pl_error *err)
{
    json_t         *facts = NULL, *results = json_array();
    pl_rules_facts *f = NULL;
    pl_rc           rc = facts_own(g, r, &facts, err);

    *undetermined = false;
    if (rc == PL_OK)
        rc = pl_rules_facts_new(g->book, facts, &f, err);
    if (rc == PL_OK)
        rc = results_run(g, r, f, results, undetermined, err);
    if (rc == PL_OK)
        *out = json_pack("{s:s, s:O, s:o}", "as_of", g->as_of, "results", results, "questions",
                         questions_of(g->book, results));
    pl_rules_facts_free(f);
    json_decref(facts);
    json_decref(results);
    return rc == PL_OK && *out == NULL ? pl_fail(err, PL_NOMEM, "out of memory") : rc;
}

pl_rc pl_grade(const pl_grade_request *r, json_t **out, bool *undetermined, pl_error *err)
{
    grade_book g;
    pl_rc      rc = grade_book_open(r, &g, err);

    if (rc != PL_OK)
        return rc;
    rc = grade_book_run(&g, r, out, undetermined, err);
    grade_book_close(&g);
    return rc;
}

const pl_capability pl_cap_grade = {
    .name = "grade",
    .commands = pl_grade_commands,
    .routes = pl_grade_routes,
    .openapi = (const char *)pl_grade_openapi,
};
