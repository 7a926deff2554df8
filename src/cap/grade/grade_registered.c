/* Systems of the registry: their facts for grading, and the verb over all of them. */
#include "base/banned.h"

#include "base/str.h"
#include "cap/grade/grade_int.h"
#include "cap/registry/pl_registry.h"

/* The field of registry-core that carries them: one flat JSON object. */
#define FACTS_FIELD "grading_facts"

pl_rc grade_registered_each(pl_cmd_ctx *c, grade_system_fn fn, void *ctx, size_t *without, pl_error *err)
{
    static const char *const kinds[] = { "service", "model" };
    pl_rc                    rc = PL_OK;

    *without = 0;
    for (size_t k = 0; k < 2 && rc == PL_OK; k++) {
        json_t *records = NULL, *r;
        size_t  i;

        rc = pl_registry_records(c, kinds[k], &records, err);
        json_array_foreach(records, i, r) {
            const char *text = grade_text(json_object_get(r, "data"), FACTS_FIELD);
            json_t     *facts = NULL;
            pl_error    wrong = { 0 };

            if (rc != PL_OK || json_is_true(json_object_get(r, "retired")))
                continue;
            if (*text == '\0') {
                ++*without;
                continue;
            }
            if (pl_rules_json(pl_str_z(text), FACTS_FIELD, &facts, &wrong) == PL_OK && !json_is_object(facts))
                (void)pl_fail(&wrong, PL_INVALID, FACTS_FIELD ": facts are one flat JSON object");
            rc = fn(ctx, r, facts, wrong.rc != PL_OK ? wrong.text : NULL, err);
            json_decref(facts);
        }
        json_decref(records);
    }
    return rc;
}

typedef struct grading {
    grade_run *x;
    grade_book shared; /* when packs are named; otherwise each system has those of its places */
    bool       is_shared, any_open, any_wrong, any_hit;
    json_t    *out; /* --json */
} grading;

static pl_rc run_one(grading *g, json_t **result, bool *open, pl_error *err)
{
    return g->is_shared ? grade_book_run(&g->shared, &g->x->r, result, open, err)
                        : pl_grade(&g->x->r, result, open, err);
}

static void show(grading *g, const json_t *record, json_t *result, const char *wrong)
{
    pl_cmd_ctx *c = g->x->c;

    if (c->json) {
        json_t *entry = result != NULL ? result : json_pack("{s:s}", "error", wrong);

        (void)json_object_set_new(entry, "subject", json_string(grade_text(record, "id")));
        (void)json_object_set_new(entry, "title", json_string(grade_text(record, "title")));
        (void)json_array_append_new(g->out, entry);
        return;
    }
    (void)fprintf(c->out, "\n%s  %s\n", grade_text(record, "id"), grade_text(record, "title"));
    if (result == NULL)
        (void)fprintf(c->out, "  %s\n", wrong);
    else
        grade_print(c, result, c->opt(c->host, "explain") != NULL);
    json_decref(result);
}

static pl_rc grade_one(void *ctx, const json_t *record, const json_t *facts, const char *wrong, pl_error *err)
{
    grading *g = ctx;
    json_t  *result = NULL;
    bool     open = false;
    pl_error own = { 0 };
    pl_rc    rc = wrong == NULL ? PL_OK : pl_fail(&own, PL_INVALID, "%s", wrong);

    g->x->r.facts = facts;
    if (rc == PL_OK)
        rc = run_one(g, &result, &open, &own);
    if (rc == PL_OK && g->x->c->opt(g->x->c->host, "record") != NULL)
        if ((rc = grade_record(g->x->c, facts, result, grade_text(record, "id"), err)) != PL_OK) {
            json_decref(result);
            return rc; /* the ledger's trouble is everybody's */
        }
    g->any_wrong = g->any_wrong || rc != PL_OK;
    g->any_open = g->any_open || open;
    g->any_hit = g->any_hit || (result != NULL && grade_exit(g->x, result, false) == PL_EXIT_FOUND);
    show(g, record, result, own.text);
    return PL_OK;
}

int grade_cmd_registered(grade_run *x)
{
    grading  g = { .x = x, .is_shared = x->packs[0] != NULL, .out = json_array() };
    size_t   without = 0;
    pl_error err;
    pl_rc    rc = g.is_shared ? grade_book_open(&x->r, &g.shared, &err) : PL_OK;
    int      code;

    if (rc == PL_OK)
        rc = grade_registered_each(x->c, grade_one, &g, &without, &err);
    grade_book_close(&g.shared);
    if (rc != PL_OK) {
        json_decref(g.out);
        return pl_cmd_fail(x->c, &err);
    }
    code = g.any_hit ? PL_EXIT_FOUND : g.any_wrong ? PL_EXIT_BAD_INPUT
                                     : g.any_open ? PL_EXIT_INCONCLUSIVE : PL_EXIT_OK;
    if (x->c->json)
        return grade_json(x->c, json_pack("{s:o, s:I}", "systems", g.out, "without_facts", (json_int_t)without), code);
    json_decref(g.out);
    if (without > 0)
        (void)fprintf(x->c->out, pl_cmd_say(x->c, "\n%zu records have no facts for grading\n",
                                            "\n%zu 条记录未填分级事实\n"), without);
    return code;
}
