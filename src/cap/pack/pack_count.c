/* How many entries lexicons have for each risk class, beside the minimums of a pack.
 * Counting rule: docs/formats/pack.md. */
#include "base/banned.h"

#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "base/yaml.h"
#include "cap/pack/pack_int.h"

#define MINIMUMS "minimums.yaml"
#define KEY_MAX  1600

typedef struct counter {
    pl_str    day;
    pack_set *texts;
    json_t   *by_class;
    uint64_t  total, deprecated, expired, repeated;
    char      newest[11]; /* date of the last update or review, "" while there is none */
} counter;

static void newer(counter *c, pl_str date)
{
    if (date.n == 10 && memcmp(date.p, c->newest, 10) > 0 && memcmp(date.p, c->day.p, 10) <= 0)
        memcpy(c->newest, date.p, 10);
}

static pl_rc is_new(counter *c, const pl_lexicon_entry *e, bool *out, pl_error *err)
{
    char     key[KEY_MAX];
    unsigned chars;
    size_t   n = pack_fold(e->text, key, KEY_MAX / 2, &chars);
    uint64_t seen = 0;

    (void)snprintf(key + n, sizeof key - n, "\t%.*s\t%.*s", (int)(e->with.n > 500 ? 500 : e->with.n),
                   e->with.p, (int)(e->and_with.n > 200 ? 200 : e->and_with.n), e->and_with.p);
    if (!pack_set_put(c->texts, pl_str_z(key), 1, &seen))
        return pl_fail(err, PL_NOMEM, "out of memory");
    *out = seen == 0;
    return PL_OK;
}

static pl_rc entry_count(void *ctx, const pl_lexicon_entry *e, pl_error *err)
{
    counter *c = ctx;
    bool     fresh = false;
    pl_rc    rc;

    newer(c, e->updated);
    if (!pl_lexicon_entry_applies(e, c->day)) {
        if ((e->flags & PL_LEXICON_DEPRECATED) != 0)
            c->deprecated++;
        else
            c->expired++;
        return PL_OK;
    }
    rc = is_new(c, e, &fresh, err);
    if (rc != PL_OK)
        return rc;
    if (!fresh) {
        c->repeated++;
        return PL_OK;
    }
    c->total++;
    if (e->risk.n > 0) {
        json_int_t n = json_integer_value(json_object_getn(c->by_class, e->risk.p, e->risk.n));

        (void)json_object_setn_new(c->by_class, e->risk.p, e->risk.n, json_integer(n + 1));
    }
    return PL_OK;
}

static pl_rc packs_count(counter *c, const char *const *refs, const char *const *folders,
                         pl_error *err)
{
    pl_rc rc = PL_OK;

    for (; rc == PL_OK && *refs != NULL; refs++) {
        pl_pack      *p = NULL;
        const json_t *reviewed;

        rc = pl_pack_open(*refs, folders, &p, err);
        if (rc == PL_OK)
            rc = pl_pack_lexicon_each(p, entry_count, c, err);
        if (rc == PL_OK) {
            reviewed = json_object_get(pl_pack_manifest(p), "reviewed");
            newer(c, pl_str_z(json_string_value(json_object_get(reviewed, "date"))));
        }
        pl_pack_free(p);
    }
    return rc;
}

/* --- minimums --------------------------------------------------------------------------- */

static int64_t day_number(pl_str date)
{
    char    text[32];
    int64_t ms = 0;

    (void)snprintf(text, sizeof text, "%.10sT00:00:00Z", date.n == 10 ? date.p : "1970-01-01");
    (void)pl_time_parse(pl_str_z(text), &ms, NULL);
    return ms / 86400000;
}

static int64_t covered(const counter *c, const json_t *classes)
{
    int64_t n = 0;
    size_t  i;
    json_t *id;

    json_array_foreach((json_t *)(uintptr_t)classes, i, id)
        n += json_integer_value(json_object_get(c->by_class, json_string_value(id))) > 0;
    return n;
}

/* What the minimum speaks of, as a number; -1 when there is nothing to measure. */
static pl_rc measure(const counter *c, const json_t *m, int64_t *out, pl_error *err)
{
    pl_str scope = { "", 0 }, class = { "", 0 };
    pl_rc  rc = pl_json_get_str(m, "scope", true, &scope, err);

    if (rc == PL_OK)
        rc = pl_json_get_str(m, "class", pl_str_eqz(scope, "class"), &class, err);
    if (rc != PL_OK)
        return rc;
    if (pl_str_eqz(scope, "total"))
        *out = (int64_t)c->total;
    else if (pl_str_eqz(scope, "class"))
        *out = json_integer_value(json_object_getn(c->by_class, class.p, class.n));
    else if (pl_str_eqz(scope, "coverage"))
        *out = covered(c, json_object_get(m, "classes"));
    else if (pl_str_eqz(scope, "age"))
        *out = c->newest[0] ? day_number(c->day) - day_number((pl_str){ c->newest, 10 }) : -1;
    else
        return pl_fail(err, PL_INVALID, "unknown scope '" PL_STR_FMT "'", PL_STR_ARG(scope));
    return PL_OK;
}

static bool in_effect(const json_t *m, pl_str day)
{
    const char *from = json_string_value(json_object_get(m, "effective_from"));
    const char *to = json_string_value(json_object_get(m, "effective_to"));

    return (from == NULL || strncmp(from, day.p, 10) <= 0) &&
           (to == NULL || strncmp(to, day.p, 10) >= 0);
}

static pl_rc minimum_judge(const counter *c, const json_t *m, json_t *out, pl_error *err)
{
    pl_str  id = { "", 0 }, comparator = { "", 0 }, severity = { "", 0 };
    int64_t value = 0, have = 0;
    bool    met;
    json_t *row;
    pl_rc   rc = pl_json_get_str(m, "id", true, &id, err);

    if (rc == PL_OK)
        rc = pl_json_get_str(m, "comparator", true, &comparator, err);
    if (rc == PL_OK)
        rc = pl_json_get_str(m, "severity", true, &severity, err);
    if (rc == PL_OK)
        rc = pl_json_get_int(m, "value", true, &value, err);
    if (rc == PL_OK && !pl_str_eqz(comparator, ">=") && !pl_str_eqz(comparator, "<="))
        rc = pl_fail(err, PL_INVALID, "comparator must be '>=' or '<='");
    if (rc == PL_OK && !pl_str_eqz(severity, "required") && !pl_str_eqz(severity, "recommended"))
        rc = pl_fail(err, PL_INVALID, "severity must be 'required' or 'recommended'");
    if (rc == PL_OK)
        rc = measure(c, m, &have, err);
    if (rc != PL_OK)
        return rc;
    met = have >= 0 && (comparator.p[0] == '>' ? have >= value : have <= value);
    row = json_deep_copy(m);
    if (row == NULL || json_object_set_new(row, "have", have < 0 ? json_null() : json_integer(have)) != 0 ||
        json_object_set_new(row, "met", json_boolean(met)) != 0 ||
        json_array_append_new(out, row) != 0)
        return pl_fail(err, PL_NOMEM, "out of memory");
    return PL_OK;
}

static pl_rc minimums_load(const char *ref, const char *const *folders, json_t **tree,
                           json_t **name, pl_error *err)
{
    pl_pack *p = NULL;
    char     path[1200];
    pl_rc    rc = pl_pack_open(ref, folders, &p, err);

    if (rc != PL_OK)
        return rc;
    (void)snprintf(path, sizeof path, "%s/" MINIMUMS, p->dir);
    rc = pl_yaml_load(path, tree, err);
    if (rc == PL_OK)
        *name = json_sprintf(PL_STR_FMT "@" PL_STR_FMT, PL_STR_ARG(pl_pack_id(p)),
                             PL_STR_ARG(pl_pack_version(p)));
    pl_pack_free(p);
    return rc;
}

static pl_rc minimums_judge(const counter *c, const json_t *tree, json_t *out, pl_error *err)
{
    json_t *list = json_object_get(tree, "minimums"), *rows = json_array(), *m;
    size_t  i;
    pl_rc   rc = PL_OK;

    if (!json_is_array(list))
        rc = pl_fail(err, PL_INVALID, MINIMUMS ": 'minimums' must be a list");
    json_array_foreach(list, i, m) {
        pl_error e = { 0 };

        if (!in_effect(m, c->day))
            continue;
        rc = minimum_judge(c, m, rows, &e);
        if (rc != PL_OK) {
            rc = pl_fail(err, rc, MINIMUMS ": element %zu: %s", i + 1, e.text);
            break;
        }
    }
    (void)json_object_set_new(out, "checks", rows);
    (void)json_object_set(out, "classes", json_object_get(tree, "classes"));
    return rc;
}

pl_rc pl_pack_count(const char *const *refs, const char *minimums, const char *const *folders,
                    pl_str day, json_t **out, pl_error *err)
{
    counter c = { .day = day, .texts = pack_set_new(), .by_class = json_object() };
    json_t *report = json_object(), *tree = NULL, *name = NULL;
    pl_rc   rc = PL_OK;

    if (c.texts == NULL || c.by_class == NULL || report == NULL)
        rc = pl_fail(err, PL_NOMEM, "out of memory");
    else if (!pack_is_date(day))
        rc = pl_fail(err, PL_INVALID, "not a date (YYYY-MM-DD): '" PL_STR_FMT "'", PL_STR_ARG(day));
    if (rc == PL_OK)
        rc = packs_count(&c, refs, folders, err);
    if (rc == PL_OK && minimums != NULL)
        rc = minimums_load(minimums, folders, &tree, &name, err);
    if (rc == PL_OK && minimums != NULL) {
        (void)json_object_set_new(report, "minimums", name);
        rc = minimums_judge(&c, tree, report, err);
    }
    if (rc == PL_OK) {
        (void)json_object_update_new(
            report, json_pack("{s:s%, s:I, s:O, s:s, s:{s:I, s:I, s:I}}", "as_of", day.p, day.n,
                              "total", (json_int_t)c.total, "by_class", c.by_class, "updated",
                              c.newest, "not_counted", "deprecated", (json_int_t)c.deprecated,
                              "out_of_time", (json_int_t)c.expired, "repeated",
                              (json_int_t)c.repeated));
        *out = json_incref(report);
    }
    json_decref(report);
    json_decref(tree);
    json_decref(c.by_class);
    pack_set_free(c.texts);
    return rc;
}
