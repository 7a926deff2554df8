/* plumbline grade --diff: two versions of a law, and what the change means for systems. */
#include "base/banned.h"

#include "base/yaml.h"
#include "cap/grade/grade_int.h"
#include "cap/pack/pl_pack.h"

/* One version, compiled once for all systems. */
typedef struct side {
    const char      *packs[2];
    pl_grade_request r;
    grade_book       g;
} side;

/* On a day on which it is in force: today or --as-of if it is then, else the last or first day of
 * its window. */
static pl_rc day_within(const grade_run *x, const char *ref, char day[11], pl_error *err)
{
    pl_pack      *p = NULL;
    const json_t *force;
    pl_rc         rc = pl_pack_open(ref, x->r.folders, &p, err);

    if (rc != PL_OK)
        return rc;
    force = json_object_get(pl_pack_manifest(p), "in_force");
    (void)snprintf(day, 11, "%.10s", x->r.as_of != NULL ? x->r.as_of : x->today);
    if (strcmp(day, grade_text(force, "from")) < 0)
        (void)snprintf(day, 11, "%.10s", grade_text(force, "from"));
    if (*grade_text(force, "to") != '\0' && strcmp(day, grade_text(force, "to")) > 0)
        (void)snprintf(day, 11, "%.10s", grade_text(force, "to"));
    pl_pack_free(p);
    return PL_OK;
}

static pl_rc side_open(const grade_run *x, const char *ref, side *s, pl_error *err)
{
    char  day[11];
    pl_rc rc = day_within(x, ref, day, err);

    s->packs[0] = ref;
    s->packs[1] = NULL;
    s->r = x->r;
    s->r.packs = s->packs;
    s->r.as_of = day;
    if (rc == PL_OK)
        rc = grade_book_open(&s->r, &s->g, err);
    s->r.as_of = s->g.as_of;
    return rc;
}

typedef struct comparing {
    side    a, b;
    json_t *systems;
    bool    any_wrong;
} comparing;

/* Takes `entry` (who it is) and adds to it what changes, or why that cannot be said. */
static void compare(comparing *k, json_t *entry, const json_t *facts, const char *wrong)
{
    json_t  *before = NULL, *after = NULL, *diff = NULL;
    bool     open;
    pl_error err = { 0 };
    pl_rc    rc = wrong == NULL ? PL_OK : pl_fail(&err, PL_INVALID, "%s", wrong);

    k->a.r.facts = k->b.r.facts = facts;
    if (rc == PL_OK)
        rc = grade_book_run(&k->a.g, &k->a.r, &before, &open, &err);
    if (rc == PL_OK)
        rc = grade_book_run(&k->b.g, &k->b.r, &after, &open, &err);
    if (rc == PL_OK)
        rc = pl_grade_diff(before, after, &diff, &err);
    if (rc == PL_OK)
        (void)json_object_set_new(entry, "changes", diff);
    else
        (void)json_object_set_new(entry, "error", json_string(err.text));
    k->any_wrong = k->any_wrong || rc != PL_OK;
    json_decref(before);
    json_decref(after);
    (void)json_array_append_new(k->systems, entry);
}

static pl_rc compare_record(void *ctx, const json_t *record, const json_t *facts, const char *wrong, pl_error *err)
{
    (void)err;
    compare(ctx, json_pack("{s:s, s:s, s:s}", "subject", grade_text(record, "id"), "kind",
                           grade_text(record, "kind"), "title", grade_text(record, "title")), facts, wrong);
    return PL_OK;
}

static pl_rc systems_compare(grade_run *x, comparing *k, size_t *without, pl_error *err)
{
    pl_rc rc = side_open(x, x->c->argv[0], &k->a, err);

    if (rc == PL_OK)
        rc = side_open(x, x->c->argv[1], &k->b, err);
    for (int i = 2; rc == PL_OK && i < x->c->argc; i++) {
        json_t *facts = NULL;

        rc = grade_facts_load(x->c->argv[i], &facts, err);
        if (rc == PL_OK)
            compare(k, json_pack("{s:s}", "file", x->c->argv[i]), facts, NULL);
        json_decref(facts);
    }
    if (rc == PL_OK && x->c->opt(x->c->host, "registered") != NULL)
        rc = grade_registered_each(x->c, compare_record, k, without, err);
    grade_book_close(&k->a.g);
    grade_book_close(&k->b.g);
    return rc;
}

/* --- the texts ------------------------------------------------------------------------------------ */

static pl_rc ids_of(grade_run *x, const char *ref, const char *file, const char *key, json_t **out, pl_error *err)
{
    pl_pack *p = NULL;
    json_t  *tree = NULL, *ids = json_object(), *v;
    char     path[1300];
    size_t   i;
    const char *id;
    pl_rc    rc = pl_pack_open(ref, x->r.folders, &p, err);

    if (rc == PL_OK) {
        (void)snprintf(path, sizeof path, "%.1000s/%s", pl_pack_dir(p), file);
        rc = pl_yaml_load(path, &tree, err);
    }
    json_array_foreach(json_object_get(tree, key), i, v)
        (void)json_object_set(ids, grade_text(v, "id"), v);
    json_object_foreach(json_object_get(tree, key), id, v)
        (void)json_object_set(ids, id, v);
    pl_pack_free(p);
    json_decref(tree);
    if (rc != PL_OK)
        json_decref(ids);
    else
        *out = ids;
    return rc;
}

static json_t *ids_diff(const json_t *a, const json_t *b)
{
    json_t     *gone = json_array(), *new = json_array(), *changed = json_array(), *v;
    const char *id;

    json_object_foreach((json_t *)(uintptr_t)a, id, v) {
        const json_t *other = json_object_get(b, id);

        if (other == NULL)
            (void)json_array_append_new(gone, json_string(id));
        else if (!json_equal(v, other))
            (void)json_array_append_new(changed, json_string(id));
    }
    json_object_foreach((json_t *)(uintptr_t)b, id, v)
        if (json_object_get(a, id) == NULL)
            (void)json_array_append_new(new, json_string(id));
    return json_pack("{s:o, s:o, s:o}", "removed", gone, "added", new, "changed", changed);
}

/* What the two texts have and have not: ids of rules and obligations. */
static pl_rc texts_diff(grade_run *x, json_t **out, pl_error *err)
{
    static const char *const parts[][2] = { { "rules.yaml", "rules" }, { "obligations.yaml", "obligations" } };
    json_t                  *o = json_object();
    pl_rc                    rc = PL_OK;

    for (size_t i = 0; i < 2 && rc == PL_OK; i++) {
        json_t *a = NULL, *b = NULL;

        rc = ids_of(x, x->c->argv[0], parts[i][0], parts[i][1], &a, err);
        if (rc == PL_OK)
            rc = ids_of(x, x->c->argv[1], parts[i][0], parts[i][1], &b, err);
        if (rc == PL_OK)
            (void)json_object_set_new(o, parts[i][1], ids_diff(a, b));
        json_decref(a);
        json_decref(b);
    }
    if (rc != PL_OK)
        json_decref(o);
    else
        *out = o;
    return rc;
}

static void texts_print(pl_cmd_ctx *c, const json_t *texts)
{
    const char *part, *what;
    json_t     *lists, *list, *v;
    size_t      i;

    json_object_foreach((json_t *)(uintptr_t)texts, part, lists)
        json_object_foreach(lists, what, list)
            json_array_foreach(list, i, v)
                (void)fprintf(c->out, "%s %s %s\n",
                              *what == 'a' ? "+" : *what == 'r' ? "-" : "~", part, json_string_value(v));
}

static void systems_print(pl_cmd_ctx *c, const json_t *systems, size_t without)
{
    const json_t *s;
    size_t        i;

    json_array_foreach(systems, i, s) {
        const char *subject = grade_text(s, "subject");

        (void)fprintf(c->out, "\n%s%s%s\n", *subject ? subject : grade_text(s, "file"), *subject ? "  " : "",
                      grade_text(s, "title"));
        if (json_object_get(s, "error") != NULL)
            (void)fprintf(c->out, "  %s\n", grade_text(s, "error"));
        else
            grade_print_diff(c, json_object_get(s, "changes"));
    }
    if (without > 0)
        (void)fprintf(c->out, pl_cmd_say(c, "\n%zu records have no facts for grading\n", "\n%zu 条记录未填分级事实\n"),
                      without);
}

int grade_cmd_law(grade_run *x)
{
    json_t   *texts = NULL;
    comparing k = { .systems = json_array() };
    size_t    without = 0;
    pl_error  err;
    pl_rc     rc = texts_diff(x, &texts, &err);
    int       code;

    if (rc == PL_OK)
        rc = systems_compare(x, &k, &without, &err);
    code = rc != PL_OK ? pl_cmd_fail(x->c, &err) : k.any_wrong ? PL_EXIT_BAD_INPUT : PL_EXIT_OK;
    if (rc == PL_OK && x->c->json)
        return grade_json(x->c, json_pack("{s:s, s:s, s:o, s:o, s:I}", "from", x->c->argv[0], "to", x->c->argv[1],
                                          "texts", texts, "systems", k.systems, "without_facts",
                                          (json_int_t)without), code);
    if (rc == PL_OK) {
        texts_print(x->c, texts);
        systems_print(x->c, k.systems, without);
    }
    json_decref(texts);
    json_decref(k.systems);
    return code;
}
