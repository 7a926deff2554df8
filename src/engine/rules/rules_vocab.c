/* facts.yaml: the vocabulary. */
#include "base/banned.h"

#include "base/yaml.h"
#include "engine/rules/rules_int.h"

#include <float.h>
#include <math.h>

#define HASH_SIZE 2048u /* four times the facts, a power of two */

static const char *const builtin_units[] = { "", "percent", "hours", "days", "months", "years" };

void *book_alloc(pl_rules_book *b, size_t n)
{
    return pl_arena_alloc(b->arena, n > 0 ? n : 1);
}

char *book_dup(pl_rules_book *b, pl_str s)
{
    return pl_arena_dup(b->arena, s);
}

/* --- names that are nearly right ------------------------------------------------------- */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Edits from a to b: insert, delete, replace. Long words are not compared. */
static size_t distance(pl_str a, pl_str b)
{
    size_t row[65];

    if (a.n > 64 || b.n > 64)
        return 999;
    for (size_t j = 0; j <= b.n; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            size_t replace = diagonal + (a.p[i - 1] != b.p[j - 1]);

            diagonal = row[j];
            row[j] = least(replace, least(row[j], row[j - 1]) + 1);
        }
    }
    return row[b.n];
}

const char *nearest(pl_str want, const char *const *names, size_t n)
{
    const char *best = NULL;
    size_t      far = want.n < 2 ? 0 : want.n == 2 ? 2 : want.n / 3 + 2;

    for (size_t i = 0; i < n; i++) {
        pl_str name = pl_str_z(names[i]);
        size_t d = distance(want, name);
        pl_str tail = { strrchr(names[i], '.') != NULL ? strrchr(names[i], '.') + 1 : "", 0 };

        tail.n = strlen(tail.p);
        if (tail.n > 2 && pl_str_eq(tail, want)) /* the group left out */
            d = 1;
        if (d < far) {
            far = d;
            best = names[i];
        }
    }
    return best;
}

/* --- finding ----------------------------------------------------------------------------- */

static size_t hash_of(pl_str s)
{
    uint32_t h = 2166136261u; /* FNV-1a */

    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * 16777619u;
    return h & (HASH_SIZE - 1);
}

int pl_rules_fact_find(const pl_rules_book *b, pl_str key)
{
    for (size_t h = hash_of(key); b->hash[h] != 0; h = (h + 1) & (HASH_SIZE - 1))
        if (pl_str_eqz(key, b->facts[b->hash[h] - 1].pub.key))
            return b->hash[h] - 1;
    return -1;
}

size_t pl_rules_fact_count(const pl_rules_book *b)
{
    return b->nfacts;
}

const pl_fact *pl_rules_fact(const pl_rules_book *b, size_t i)
{
    return &b->facts[i].pub;
}

const char *pl_rules_fact_near(const pl_rules_book *b, pl_str key)
{
    const char *names[PL_RULES_FACTS_MAX];

    for (size_t i = 0; i < b->nfacts; i++)
        names[i] = b->facts[i].pub.key;
    return nearest(key, names, b->nfacts);
}

int unit_find(const pl_rules_book *b, pl_str s)
{
    for (size_t i = 1; i < UNIT_OWN; i++)
        if (pl_str_eqz(s, builtin_units[i]))
            return (int)i;
    for (size_t i = UNIT_OWN; i < b->nunits; i++)
        if (pl_str_eqz(s, b->units[i]))
            return (int)i;
    return -1;
}

int fact_value(const fact *f, pl_str s)
{
    for (size_t i = 0; i < f->pub.value_count; i++)
        if (pl_str_eqz(s, f->pub.values[i]))
            return (int)i;
    return -1;
}

/* --- reading ------------------------------------------------------------------------------ */

static bool is_key(pl_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';

        if (!letter && (i == 0 || !((c >= '0' && c <= '9') || c == '.')))
            return false;
    }
    return s.n > 0 && s.n <= 64 && s.p[s.n - 1] != '.';
}

static pl_rc units_read(compiler *c, const json_t *list)
{
    size_t  i;
    json_t *v;

    json_array_foreach((json_t *)(uintptr_t)list, i, v) {
        pl_str s = pl_str_z(json_string_value(v));

        if (!is_key(s) || memchr(s.p, '.', s.n) != NULL)
            return wrong(c, "/units", "a unit is a word of letters");
        if (unit_find(c->book, s) >= 0)
            continue;
        if (c->book->nunits == UNITS_MAX)
            return wrong(c, "/units", "more than %d units", UNITS_MAX - UNIT_OWN);
        c->book->units[c->book->nunits++] = book_dup(c->book, s);
    }
    return PL_OK;
}

static const struct {
    const char  *name;
    pl_fact_type type;
    bool         is_time;
} types[] = {
    { "bool", PL_FACT_BOOL, false },       { "number", PL_FACT_NUMBER, false },
    { "date", PL_FACT_DATE, false },       { "time", PL_FACT_DATE, true },
    { "text", PL_FACT_TEXT, false },       { "list", PL_FACT_LIST, false },
    { "numbers", PL_FACT_NUMBERS, false }, { "map", PL_FACT_MAP, false },
};

static pl_rc type_read(compiler *c, const json_t *o, fact *f, const char *at)
{
    pl_str s = text_at(o, "type"), unit = text_at(o, "unit");
    size_t i = 0;

    while (i < sizeof types / sizeof *types && !pl_str_eqz(s, types[i].name))
        i++;
    if (i == sizeof types / sizeof *types)
        return wrong(c, at, "fact '%s': 'type' must be bool, number, date, time, text, list, "
                            "numbers or map", f->pub.key);
    f->pub.type = types[i].type;
    f->pub.is_time = types[i].is_time;
    f->pub.is_integer = json_is_true(json_object_get(o, "integer"));
    f->pub.min = json_is_number(json_object_get(o, "min"))
                     ? json_number_value(json_object_get(o, "min")) : -DBL_MAX;
    f->pub.max = json_is_number(json_object_get(o, "max"))
                     ? json_number_value(json_object_get(o, "max")) : DBL_MAX;
    if (unit.p == NULL)
        return PL_OK;
    f->unit = unit_find(c->book, unit);
    if (f->unit < 0 || (f->pub.type != PL_FACT_NUMBER && f->pub.type != PL_FACT_NUMBERS))
        return wrong(c, at, "fact '%s': unknown unit '" PL_STR_FMT "': list it in 'units'",
                     f->pub.key, PL_STR_ARG(unit));
    f->pub.unit = book_dup(c->book, unit);
    return PL_OK;
}

/* Adds a value to those of the fact; its index, or -1 when there is no room. */
static int value_add(pl_rules_book *b, fact *f, pl_str s)
{
    int i = fact_value(f, s);

    if (i >= 0)
        return i;
    if (f->pub.values == NULL)
        f->pub.values = book_alloc(b, PL_RULES_VALUES_MAX * sizeof *f->pub.values);
    if (f->pub.values == NULL || f->pub.value_count == PL_RULES_VALUES_MAX)
        return -1;
    f->pub.values[f->pub.value_count] = book_dup(b, s);
    return (int)f->pub.value_count++;
}

static pl_rc labels_read(compiler *c, const json_t *o, fact *f, const char *at)
{
    static const char *const lang[] = { "zh", "en" };
    const char              *key;
    json_t                  *v;

    if (o == NULL)
        return PL_OK;
    for (size_t i = 0; i < 2; i++) {
        f->pub.labels[i] = book_alloc(c->book, PL_RULES_VALUES_MAX * sizeof(char *));
        if (f->pub.labels[i] == NULL)
            return pl_fail(c->err, PL_NOMEM, "out of memory");
    }
    json_object_foreach((json_t *)(uintptr_t)o, key, v) {
        int k = fact_value(f, pl_str_z(key));

        if (k < 0)
            return wrong(c, at, "fact '%s': label of '%.40s', which is no value", f->pub.key, key);
        for (size_t i = 0; i < 2; i++)
            f->pub.labels[i][k] = dup_at(c, v, lang[i]);
    }
    return PL_OK;
}

static pl_rc values_read(compiler *c, const json_t *o, fact *f, const char *at)
{
    const json_t *list = json_object_get(o, "values");
    bool          text = f->pub.type == PL_FACT_TEXT || f->pub.type == PL_FACT_LIST ||
                f->pub.type == PL_FACT_MAP;
    size_t        i;
    json_t       *v;

    if (list != NULL && (!text || json_array_size(list) == 0))
        return wrong(c, at, "fact '%s': 'values' is a list, for text, list and map", f->pub.key);
    f->pub.is_open = text && list == NULL;
    json_array_foreach((json_t *)(uintptr_t)list, i, v) {
        pl_str s = { json_string_value(v), json_string_length(v) };

        if (s.p == NULL || s.n == 0 || s.n > 64)
            return wrong(c, at, "fact '%s': values are short texts; put numbers in quotes",
                         f->pub.key);
        if (value_add(c->book, f, s) < 0)
            return wrong(c, at, "fact '%s': more than %u values", f->pub.key, PL_RULES_VALUES_MAX);
    }
    return PL_OK;
}

static void words_read(compiler *c, const json_t *o, fact *f)
{
    static const char *const lang[] = { "zh", "en" };

    for (size_t i = 0; i < 2; i++) {
        f->pub.question[i] = dup_at(c, json_object_get(o, "question"), lang[i]);
        f->pub.help[i] = dup_at(c, json_object_get(o, "help"), lang[i]);
    }
}

static bool same(const fact *a, const fact *b)
{
    return a->pub.type == b->pub.type && a->unit == b->unit && a->pub.is_time == b->pub.is_time &&
           a->pub.is_open == b->pub.is_open;
}

/* A fact that another pack has declared too must be the same one; values are put together. */
static pl_rc join(compiler *c, fact *old, const fact *new, const char *at)
{
    if (!same(old, new))
        return wrong(c, at, "fact '%s' is declared with another type or unit in another pack",
                     old->pub.key);
    for (size_t i = 0; i < new->pub.value_count; i++)
        if (value_add(c->book, old, pl_str_z(new->pub.values[i])) < 0)
            return wrong(c, at, "fact '%s': more than %u values", old->pub.key,
                         PL_RULES_VALUES_MAX);
    return PL_OK;
}

static pl_rc fact_read(compiler *c, const char *key, const json_t *o)
{
    static const char *const allowed[] = { "type", "unit", "values", "labels", "question", "help",
                                           "min", "max", "integer", "evidence", NULL };
    pl_rules_book *b = c->book;
    fact           f = { .unit = UNIT_NONE };
    char           at[128];
    int            old = pl_rules_fact_find(b, pl_str_z(key));
    size_t         h;
    pl_rc          rc;

    (void)snprintf(at, sizeof at, "/facts/%.64s", key);
    if (!is_key(pl_str_z(key)))
        return wrong(c, at, "a fact is named with letters, digits, '_' and '.'");
    if ((f.pub.key = book_dup(b, pl_str_z(key))) == NULL)
        return pl_fail(c->err, PL_NOMEM, "out of memory");
    rc = keys_known(c, o, at, allowed);
    if (rc == PL_OK)
        rc = type_read(c, o, &f, at);
    if (rc == PL_OK)
        rc = values_read(c, o, &f, at);
    if (rc == PL_OK)
        rc = labels_read(c, json_object_get(o, "labels"), &f, at);
    if (rc != PL_OK)
        return rc;
    words_read(c, o, &f);
    if (f.pub.question[0] == NULL || f.pub.question[1] == NULL)
        remark(c, at, "the question of '%s' is not there in both zh and en", key);
    if (old >= 0)
        return join(c, &b->facts[old], &f, at);
    if (b->nfacts == PL_RULES_FACTS_MAX)
        return wrong(c, at, "more than %u facts", PL_RULES_FACTS_MAX);
    for (h = hash_of(pl_str_z(key)); b->hash[h] != 0; h = (h + 1) & (HASH_SIZE - 1))
        continue;
    b->hash[h] = (uint16_t)(b->nfacts + 1);
    b->facts[b->nfacts++] = f;
    return PL_OK;
}

static pl_rc contradiction_read(compiler *c, const json_t *o, size_t i)
{
    pl_rules_book *b = c->book;
    contradiction *x = book_alloc(b, sizeof *x);
    char           at[64];
    size_t         where = 0;
    pl_error       e = { 0 };

    (void)snprintf(at, sizeof at, "/contradictions/%zu", i);
    if (x == NULL)
        return pl_fail(c->err, PL_NOMEM, "out of memory");
    x->say[0] = dup_at(c, o, "zh");
    x->say[1] = dup_at(c, o, "en");
    if (x->say[0] == NULL || x->say[1] == NULL || text_at(o, "when").p == NULL)
        return wrong(c, at, "a contradiction has 'when', 'zh' and 'en'");
    if (b->ncontradictions == sizeof b->contradictions / sizeof *b->contradictions)
        return wrong(c, at, "too many contradictions");
    if (expr_parse(b, NULL, text_at(o, "when"), &x->when, &where, &e) != PL_OK)
        return wrong(c, at, "at character %zu: %s", where + 1, e.text);
    if (x->when->kind != K_BOOL)
        return wrong(c, at, "'when' is not a condition");
    b->contradictions[b->ncontradictions++] = x;
    return PL_OK;
}

pl_rc compile_facts(compiler *c)
{
    static const char *const allowed[] = { "units", "facts", "contradictions", NULL };
    json_t                  *tree = NULL, *v, *list;
    const char              *key;
    size_t                   i;
    pl_rc                    rc = pl_yaml_parse(c->file->text, c->file->name, &tree, c->err);

    if (rc == PL_OK && !json_is_object(tree))
        rc = wrong(c, "", "not a mapping");
    if (rc == PL_OK)
        rc = keys_known(c, tree, "", allowed);
    if (rc == PL_OK)
        rc = units_read(c, json_object_get(tree, "units"));
    json_object_foreach(json_object_get(tree, "facts"), key, v)
        if (rc == PL_OK)
            rc = fact_read(c, key, v);
    list = json_object_get(tree, "contradictions");
    json_array_foreach(list, i, v)
        if (rc == PL_OK)
            rc = contradiction_read(c, v, i);
    json_decref(tree);
    return rc;
}
