/* Facts of one system: JSON to slots, checked against the vocabulary. */
#include "base/banned.h"

#include "base/timefmt.h"
#include "engine/rules/rules_int.h"

#include <float.h>
#include <math.h>

#define JSON_MAX (1u << 20)
#define LIST_MAX 4096u

pl_rc pl_rules_json(pl_str text, const char *where, json_t **out, pl_error *err)
{
    json_error_t je;
    json_t      *plain = NULL, *j;
    char        *near;
    pl_error     e = { 0 };
    pl_rc        rc;

    if (text.n > JSON_MAX)
        return pl_fail(err, PL_LIMIT, "%s: more than %u bytes", where, JSON_MAX);
    rc = pl_json_parse(text, where, &plain, &e); /* for its bounds */
    json_decref(plain);
    if (rc != PL_OK && strstr(e.text, "too big") == NULL)
        return pl_fail(err, rc, "%s", e.text);
    /* 10^26 written out is an integer that no int64 holds */
    j = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL,
                   &je);
    if (j == NULL) {
        if ((near = strstr(je.text, " near '")) != NULL)
            *near = '\0';
        return pl_fail(err, PL_INVALID, "%s:%d:%d: %s", where, je.line, je.column, je.text);
    }
    *out = j;
    return PL_OK;
}

static pl_rc type_wrong(const fact *f, pl_error *err)
{
    static const char *const names[] = { "true or false", "a number", "a date (YYYY-MM-DD)",
                                         "a text", "a list of texts", "a list of numbers",
                                         "a mapping of texts" };

    return pl_fail(err, PL_INVALID, "fact '%s' must be %s", f->pub.key, names[f->pub.type]);
}

static pl_rc range_check(const fact *f, double x, pl_error *err)
{
    if (!isfinite(x))
        return pl_fail(err, PL_INVALID, "fact '%s' is not a finite number", f->pub.key);
    if (x < f->pub.min || x > f->pub.max)
        return pl_fail(err, PL_INVALID, "fact '%s' is outside of %g to %g", f->pub.key,
                       f->pub.min > -DBL_MAX ? f->pub.min : -INFINITY,
                       f->pub.max < DBL_MAX ? f->pub.max : INFINITY);
    if (f->pub.is_integer && floor(x) < x)
        return pl_fail(err, PL_INVALID, "fact '%s' must be a whole number", f->pub.key);
    return PL_OK;
}

/* "1e25 FLOP": a number with the unit of the fact. */
static pl_rc with_unit(const pl_rules_book *b, const fact *f, pl_str s, double *out, pl_error *err)
{
    char   text[64], *end;
    pl_str unit;

    s = pl_str_trim(s);
    if (s.n == 0 || s.n >= sizeof text || memchr(s.p, '\0', s.n) != NULL ||
        memchr(s.p, 'x', s.n) != NULL)
        return type_wrong(f, err);
    (void)snprintf(text, sizeof text, PL_STR_FMT, PL_STR_ARG(s));
    *out = strtod(text, &end);
    if (end == text)
        return type_wrong(f, err);
    unit = pl_str_trim(pl_str_z(end));
    if (unit.n > 0 && unit_find(b, unit) != f->unit)
        return pl_fail(err, PL_INVALID, "fact '%s' is in %s, not in '%.20s'", f->pub.key,
                       f->pub.unit != NULL ? f->pub.unit : "plain numbers", unit.p);
    return range_check(f, *out, err);
}

static pl_rc number_read(const pl_rules_book *b, const fact *f, const json_t *v, double *out,
                         pl_error *err)
{
    if (json_is_string(v))
        return with_unit(b, f, (pl_str){ json_string_value(v), json_string_length(v) }, out, err);
    if (!json_is_number(v))
        return type_wrong(f, err);
    *out = json_number_value(v);
    return range_check(f, *out, err);
}

static pl_rc date_read(const fact *f, const json_t *v, slot *s, pl_error *err)
{
    pl_str  text = { json_string_value(v), json_string_length(v) };
    int64_t ms;

    if (!json_is_string(v))
        return type_wrong(f, err);
    if (day_parse(text, &s->time))
        return PL_OK;
    if (f->pub.is_time && pl_time_parse(text, &ms, NULL) == PL_OK) {
        s->time = (ms - (ms % 1000 + 1000) % 1000) / 1000;
        s->has_time = true;
        return PL_OK;
    }
    return pl_fail(err, PL_INVALID, "fact '%s' is not a date (YYYY-MM-DD%s)", f->pub.key,
                   f->pub.is_time ? " or RFC 3339 with time" : "");
}

/* Index of a text, or -1 for one that nobody mentions in an open fact. */
static pl_rc text_read(const fact *f, const json_t *v, int *out, pl_error *err)
{
    char        number[32];
    pl_str      s = { json_string_value(v), json_string_length(v) };
    const char *near;

    if (json_is_number(v)) { /* ethics item 5 may come without quotes */
        (void)snprintf(number, sizeof number, "%.15g", json_number_value(v));
        s = pl_str_z(number);
    } else if (!json_is_string(v)) {
        return type_wrong(f, err);
    }
    *out = fact_value(f, s);
    if (*out >= 0 || f->pub.is_open)
        return PL_OK;
    near = nearest(s, f->pub.values, f->pub.value_count);
    return pl_fail(err, PL_INVALID, "fact '%s' cannot be '%.48s'%s%s%s", f->pub.key, s.p,
                   near ? ": did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static pl_rc member_read(const fact *f, const json_t *v, slot *s, pl_error *err)
{
    int   i = -1;
    pl_rc rc = text_read(f, v, &i, err);

    if (rc != PL_OK)
        return rc;
    if (i < 0 || (s->yes >> i & 1) == 0)
        s->count++;
    if (i >= 0)
        s->yes |= (uint64_t)1 << i;
    if (json_is_string(v))
        s->yes |= fact_patterns(f, (pl_str){ json_string_value(v), json_string_length(v) });
    return PL_OK;
}

static pl_rc list_read(const fact *f, const json_t *v, slot *s, pl_error *err)
{
    const char *key;
    json_t     *one;
    size_t      i;
    pl_rc       rc = PL_OK;

    if (f->pub.type == PL_FACT_MAP) {
        if (!json_is_object(v))
            return type_wrong(f, err);
        json_object_foreach((json_t *)(uintptr_t)v, key, one)
            if (rc == PL_OK)
                rc = member_read(f, one, s, err);
        return rc;
    }
    if (json_is_string(v)) /* one value stands for a list of one */
        return member_read(f, v, s, err);
    if (!json_is_array(v) || json_array_size(v) > LIST_MAX)
        return type_wrong(f, err);
    json_array_foreach((json_t *)(uintptr_t)v, i, one)
        if (rc == PL_OK)
            rc = member_read(f, one, s, err);
    return rc;
}

static pl_rc numbers_read(pl_rules_facts *facts, const fact *f, const json_t *v, slot *s,
                          size_t *used, pl_error *err)
{
    size_t n = json_is_array(v) ? json_array_size(v) : 1;

    s->nums = facts->numbers + *used;
    s->nnums = n;
    for (size_t i = 0; i < n; i++) {
        pl_rc rc = number_read(facts->book, f, json_is_array(v) ? json_array_get(v, i) : v,
                               &facts->numbers[(*used)++], err);

        if (rc != PL_OK)
            return rc;
    }
    return PL_OK;
}

static pl_rc slot_read(pl_rules_facts *facts, const fact *f, const json_t *v, slot *s, size_t *used,
                       pl_error *err)
{
    s->known = true;
    switch (f->pub.type) {
    case PL_FACT_BOOL:
        s->value = json_is_true(v);
        return json_is_boolean(v) ? PL_OK : type_wrong(f, err);
    case PL_FACT_NUMBER:
        return number_read(facts->book, f, v, &s->num, err);
    case PL_FACT_DATE:
        return date_read(f, v, s, err);
    case PL_FACT_TEXT:
        if (json_is_string(v))
            s->yes = fact_patterns(f, (pl_str){ json_string_value(v), json_string_length(v) });
        return text_read(f, v, &s->value, err);
    case PL_FACT_NUMBERS:
        return numbers_read(facts, f, v, s, used, err);
    default:
        return list_read(f, v, s, err);
    }
}

static pl_rc unknown_key(const pl_rules_book *b, const char *key, pl_error *err)
{
    const char *near = pl_rules_fact_near(b, pl_str_z(key));

    return pl_fail(err, PL_INVALID, "unknown fact '%.64s'%s%s%s", key, near ? ": did you mean '" : "",
                   near ? near : "", near ? "'?" : "");
}

static pl_rc contradictions_check(pl_rules_facts *f, pl_error *err)
{
    const pl_rules_book *b = f->book;
    eval                 e;
    pl_rc                rc;

    if (b->ncontradictions == 0)
        return PL_OK;
    if ((rc = eval_init(&e, f, 0, err)) != PL_OK)
        return rc;
    for (size_t i = 0; rc == PL_OK && i < b->ncontradictions; i++)
        if (eval_bool(&e, b->contradictions[i]->when) == TRUE_)
            rc = pl_fail(err, PL_INVALID, "the facts contradict each other: %s",
                         b->contradictions[i]->say[1]);
    eval_done(&e);
    return rc;
}

/* Numbers of all lists together. */
static size_t numbers_in(const json_t *o)
{
    const char *key;
    json_t     *v;
    size_t      n = 0;

    json_object_foreach((json_t *)(uintptr_t)o, key, v)
        n += json_is_array(v) ? json_array_size(v) : 1;
    return n;
}

static pl_rc facts_read(pl_rules_facts *f, pl_error *err)
{
    const char *key;
    json_t     *v;
    size_t      used = 0;

    json_object_foreach((json_t *)(uintptr_t)f->json, key, v) {
        int   i = pl_rules_fact_find(f->book, pl_str_z(key));
        pl_rc rc;

        if (i < 0)
            return unknown_key(f->book, key, err);
        if (json_is_null(v))
            continue;
        rc = slot_read(f, &f->book->facts[i], v, &f->slots[i], &used, err);
        if (rc != PL_OK)
            return rc;
    }
    return contradictions_check(f, err);
}

pl_rc pl_rules_facts_new(const pl_rules_book *b, const json_t *json, pl_rules_facts **out,
                         pl_error *err)
{
    pl_rules_facts *f;
    pl_rc           rc;

    if (!json_is_object(json))
        return pl_fail(err, PL_INVALID, "facts are one flat JSON object");
    f = calloc(1, sizeof *f);
    if (f != NULL) {
        f->book = b;
        f->json = json;
        f->slots = calloc(b->nfacts + 1, sizeof *f->slots);
        f->numbers = calloc(numbers_in(json) + 1, sizeof *f->numbers);
    }
    if (f == NULL || f->slots == NULL || f->numbers == NULL) {
        pl_rules_facts_free(f);
        return pl_fail(err, PL_NOMEM, "out of memory");
    }
    if ((rc = facts_read(f, err)) != PL_OK) {
        pl_rules_facts_free(f);
        return rc;
    }
    *out = f;
    return PL_OK;
}

void pl_rules_facts_free(pl_rules_facts *f)
{
    if (f == NULL)
        return;
    free(f->slots);
    free(f->numbers);
    free(f);
}

/* --- what a person types ---------------------------------------------------------------------- */

static json_t *list_of(pl_str s, bool numbers)
{
    json_t *list = json_array();
    pl_str  part;

    while (pl_str_split(&s, ',', &part)) {
        part = pl_str_trim(part);
        if (part.n > 0 && !pl_str_eqz(part, "none") && !pl_str_eqz(part, "无"))
            (void)json_array_append_new(list, json_stringn(part.p, part.n));
    }
    (void)numbers;
    return list;
}

static json_t *map_of(pl_str s)
{
    json_t *map = json_object();
    pl_str  part, key;

    while (pl_str_split(&s, ',', &part))
        if (pl_str_split(&part, '=', &key)) {
            key = pl_str_trim(key);
            part = pl_str_trim(part);
            (void)json_object_setn_new(map, key.p, key.n, json_stringn(part.p, part.n));
        }
    return map;
}

static json_t *bool_of(pl_str s)
{
    static const char *const yes[] = { "true", "yes", "y", "1", "是", NULL };
    static const char *const no[] = { "false", "no", "n", "0", "否", NULL };

    for (size_t i = 0; yes[i] != NULL; i++)
        if (pl_str_eqz(s, yes[i]) || pl_str_eqz(s, no[i]))
            return json_boolean(pl_str_eqz(s, yes[i]));
    return json_stringn(s.p, s.n);
}

pl_rc pl_rules_fact_parse(const pl_rules_book *b, size_t i, pl_str text, json_t **out, pl_error *err)
{
    const fact     *f = &b->facts[i];
    pl_str          s = pl_str_trim(text);
    json_t         *v, *o = json_object();
    pl_rules_facts *check = NULL;
    pl_rc           rc;

    switch (f->pub.type) {
    case PL_FACT_BOOL:
        v = bool_of(s);
        break;
    case PL_FACT_LIST:
    case PL_FACT_NUMBERS:
        v = list_of(s, f->pub.type == PL_FACT_NUMBERS);
        break;
    case PL_FACT_MAP:
        v = map_of(s);
        break;
    default:
        v = json_stringn(s.p, s.n);
    }
    if (v == NULL || json_object_set(o, f->pub.key, v) != 0) {
        json_decref(o);
        json_decref(v);
        return pl_fail(err, PL_INVALID, "fact '%s': not a text", f->pub.key);
    }
    rc = pl_rules_facts_new(b, o, &check, err);
    pl_rules_facts_free(check);
    json_decref(o);
    if (rc != PL_OK) {
        json_decref(v);
        return rc;
    }
    *out = v;
    return PL_OK;
}
