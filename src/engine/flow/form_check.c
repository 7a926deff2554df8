/* Judging values against a form. */
#include "base/banned.h"

#include "base/str.h"
#include "base/utf8.h"
#include "engine/flow/calendar.h"
#include "engine/flow/form_int.h"
#include "engine/text/idcode.h"

#include <math.h>

#define PROBLEMS_MAX 500
#define PLACE_MAX    160

typedef struct judge {
    const pl_form *form;
    pl_form_mode   mode;
    json_t        *problems;
    char           place[PLACE_MAX]; /* "algorithm.sources[2].size" without the form's name */
    size_t         place_n;
    bool           no_memory;
} judge;

/* --- findings --------------------------------------------------------------------------- */

static const char *label(const pl_field *f, bool zh)
{
    return zh ? f->v.zh.p : f->v.en.p;
}

static void finding(judge *j, const char *code, bool is_warning, const char *en, const char *zh)
{
    pl_str  id = pl_form_id(j->form);
    json_t *o;

    if (json_array_size(j->problems) >= PROBLEMS_MAX)
        return;
    o = json_pack("{s:s%, s:s, s:s, s:s, s:s, s:s}", "form", id.p, id.n, "field", j->place, "code",
                  code, "severity", is_warning ? "warning" : "error", "en", en, "zh", zh);
    if (o == NULL || json_array_append_new(j->problems, o) != 0)
        j->no_memory = true;
}

static void wrong(judge *j, const pl_field *f, const char *code, const char *en, const char *zh)
{
    char text_en[300], text_zh[300];

    (void)snprintf(text_en, sizeof text_en, "%.100s: %s", label(f, false), en);
    (void)snprintf(text_zh, sizeof text_zh, "%.100s：%s", label(f, true), zh);
    finding(j, code, f->is_warning && strcmp(code, "range") == 0, text_en, text_zh);
}

static size_t place_push(judge *j, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static size_t place_push(judge *j, const char *fmt, ...)
{
    size_t  was = j->place_n;
    va_list ap;
    int     n;

    va_start(ap, fmt);
    n = vsnprintf(j->place + was, PLACE_MAX - was, fmt, ap);
    va_end(ap);
    if (n > 0)
        j->place_n = was + (size_t)n < PLACE_MAX ? was + (size_t)n : PLACE_MAX - 1;
    return was;
}

static void place_pop(judge *j, size_t was)
{
    j->place_n = was;
    j->place[was] = '\0';
}

/* --- texts ------------------------------------------------------------------------------ */

static size_t characters(pl_str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    return n;
}

static bool has_controls(pl_str s, bool lines)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c == 0x7f || (c < 0x20 && !(lines && (c == '\n' || c == '\t' || c == '\r'))))
            return true;
    }
    return false;
}

static bool is_email(pl_str s)
{
    const char *at = memchr(s.p, '@', s.n);
    size_t      left = at ? (size_t)(at - s.p) : 0;

    return left > 0 && left <= 64 && s.n <= 254 && memchr(at + 1, '@', s.n - left - 1) == NULL &&
           memchr(at + 1, '.', s.n - left - 1) != NULL && memchr(s.p, ' ', s.n) == NULL &&
           s.p[s.n - 1] != '.' && at[1] != '.';
}

static bool is_url(pl_str s)
{
    return (pl_str_starts(s, PL_STR("https://")) || pl_str_starts(s, PL_STR("http://"))) &&
           s.n > 8 && memchr(s.p, ' ', s.n) == NULL;
}

static void code_check(judge *j, const pl_field *f, pl_str s)
{
    switch (f->check) {
    case CHECK_USCC:
        if (!pl_uscc_valid(s))
            wrong(j, f, "check", "not a unified social credit code (GB 32100-2015)",
                  "不是有效的统一社会信用代码（GB 32100-2015）");
        break;
    case CHECK_CN_ID:
        if (!pl_cn_id_valid(s))
            wrong(j, f, "check", "not a resident identity number (GB 11643-1999)",
                  "不是有效的公民身份号码（GB 11643-1999）");
        break;
    case CHECK_EMAIL:
        if (!is_email(s))
            wrong(j, f, "check", "not an e-mail address", "不是电子邮件地址");
        break;
    case CHECK_URL:
        if (!is_url(s))
            wrong(j, f, "check", "not an http(s) address", "不是 http(s) 网址");
        break;
    case CHECK_NONE:
        break;
    }
}

static void text_check(judge *j, const pl_field *f, const json_t *v)
{
    pl_str s = { json_string_value(v), json_string_length(v) };

    if (characters(s) > f->max_length)
        wrong(j, f, "length", "longer than allowed", "超过允许的长度");
    else if (has_controls(s, f->v.type == PL_FIELD_LINES) || strlen(s.p) != s.n)
        wrong(j, f, "type", "holds control characters", "含有控制字符");
    else if (f->pattern != NULL && regexec(f->pattern, s.p, 0, NULL, 0) != 0)
        wrong(j, f, "pattern", "not of the form asked for", "格式不符合要求");
    else
        code_check(j, f, s);
}

/* --- other values ------------------------------------------------------------------------ */

static void number_check(judge *j, const pl_field *f, const json_t *v)
{
    double x = json_number_value(v);
    char   en[60], zh[60];

    if (isfinite(x) && !(f->has_min && x < f->min) && !(f->has_max && x > f->max))
        return;
    if (f->has_min && x < f->min) {
        (void)snprintf(en, sizeof en, "must be at least %.15g", f->min);
        (void)snprintf(zh, sizeof zh, "不得少于 %.15g", f->min);
    } else {
        (void)snprintf(en, sizeof en, "must be at most %.15g", f->has_max ? f->max : 1e300);
        (void)snprintf(zh, sizeof zh, "不得超过 %.15g", f->has_max ? f->max : 1e300);
    }
    wrong(j, f, "range", en, zh);
}

static bool is_option(const pl_field *f, const json_t *v)
{
    const json_t *one;
    size_t        i;

    json_array_foreach(f->options, i, one)
        if (json_equal(json_object_get(one, "id"), v))
            return true;
    return false;
}

static void option_check(judge *j, const pl_field *f, const json_t *v)
{
    if (!is_option(f, v))
        wrong(j, f, "option", "none of the choices", "不在可选范围内");
}

static bool is_id(const json_t *v)
{
    return json_string_length(v) == 26;
}

static void date_check(judge *j, const pl_field *f, const json_t *v)
{
    int64_t day;

    if (pl_day_parse((pl_str){ json_string_value(v), json_string_length(v) }, &day, NULL) != PL_OK)
        wrong(j, f, "type", "not a date (YYYY-MM-DD)", "不是日期（YYYY-MM-DD）");
}

static void values_check(judge *j, const pl_field *fields, size_t count, const json_t *values);

static void element_check(judge *j, const pl_field *f, const json_t *v)
{
    pl_field one = *f;

    one.max_length = PL_FORM_TEXT_MAX;
    if (f->v.type == PL_FIELD_LIST) {
        if (json_is_object(v))
            values_check(j, f->fields, f->count, v);
        else
            wrong(j, f, "type", "a row is not a mapping", "行的类型不对");
    } else if (!json_is_string(v)) {
        wrong(j, f, "type", "of the wrong type", "类型不对");
    } else if (f->v.type == PL_FIELD_CHOICES) {
        option_check(j, f, v);
    } else if (f->v.type == PL_FIELD_RECORDS) {
        if (!is_id(v))
            wrong(j, f, "type", "not the id of a record", "不是记录编号");
    } else {
        text_check(j, &one, v);
    }
}

static void rows_check(judge *j, const pl_field *f, const json_t *v)
{
    size_t i, was;
    json_t *one;

    if (!json_is_array(v)) {
        wrong(j, f, "type", "must be a list", "须为列表");
        return;
    }
    if (json_array_size(v) > f->max_length)
        wrong(j, f, "length", "has more rows than allowed", "行数超过上限");
    else if (json_array_size(v) < f->min_rows && j->mode == PL_FORM_COMPLETE)
        wrong(j, f, "length", "has fewer rows than asked for", "行数不足");
    else
        json_array_foreach((json_t *)(uintptr_t)v, i, one) {
            was = place_push(j, "[%zu]", i);
            element_check(j, f, one);
            place_pop(j, was);
        }
}

static void value_check(judge *j, const pl_field *f, const json_t *v)
{
    bool is_text = json_is_string(v);

    switch (f->v.type) {
    case PL_FIELD_BOOL:
        if (!json_is_boolean(v))
            wrong(j, f, "type", "must be true or false", "须为是或否");
        return;
    case PL_FIELD_INT:
    case PL_FIELD_NUMBER:
        if (!json_is_number(v) || (f->v.type == PL_FIELD_INT && !json_is_integer(v)))
            wrong(j, f, "type", f->v.type == PL_FIELD_INT ? "must be a whole number" : "must be a number",
                  f->v.type == PL_FIELD_INT ? "须为整数" : "须为数字");
        else
            number_check(j, f, v);
        return;
    case PL_FIELD_CHOICES:
    case PL_FIELD_TEXTS:
    case PL_FIELD_RECORDS:
    case PL_FIELD_LIST:
        rows_check(j, f, v);
        return;
    default:
        break;
    }
    if (!is_text)
        wrong(j, f, "type", "must be text", "须为文本");
    else if (f->v.type == PL_FIELD_DATE)
        date_check(j, f, v);
    else if (f->v.type == PL_FIELD_CHOICE)
        option_check(j, f, v);
    else if (f->v.type == PL_FIELD_RECORD && !is_id(v))
        wrong(j, f, "type", "not the id of a record", "不是记录编号");
    else if (f->v.type == PL_FIELD_TEXT || f->v.type == PL_FIELD_LINES)
        text_check(j, f, v);
}

/* --- what is there and what is not --------------------------------------------------------- */

static bool is_empty(const json_t *v)
{
    return v == NULL || json_is_null(v) || (json_is_string(v) && json_string_length(v) == 0) ||
           (json_is_array(v) && json_array_size(v) == 0);
}

static bool is_wanted(const pl_field *f, const json_t *values)
{
    const json_t *other, *one;
    size_t        i;

    if (f->v.is_required)
        return true;
    if (f->when.key.n == 0)
        return false;
    other = json_object_getn(values, f->when.key.p, f->when.key.n);
    json_array_foreach(f->when.is, i, one)
        if (other != NULL && json_equal(one, other))
            return true;
    return false;
}

static const pl_field *field_named(const pl_field *fields, size_t count, const char *key)
{
    for (size_t i = 0; i < count; i++)
        if (pl_str_eqz(fields[i].v.key, key))
            return &fields[i];
    return NULL;
}

static void unknown_check(judge *j, const pl_field *fields, size_t count, const json_t *values)
{
    const char   *key;
    const json_t *v;
    size_t        was;

    json_object_foreach((json_t *)(uintptr_t)values, key, v)
        if (field_named(fields, count, key) == NULL) {
            was = place_push(j, "%s%.60s", j->place_n ? "." : "", key);
            finding(j, "unknown", false, "the form has no such field", "表单没有该字段");
            place_pop(j, was);
        }
}

static void values_check(judge *j, const pl_field *fields, size_t count, const json_t *values)
{
    unknown_check(j, fields, count, values);
    for (size_t i = 0; i < count; i++) {
        const pl_field *f = &fields[i];
        const json_t   *v = json_object_getn(values, f->v.key.p, f->v.key.n);
        size_t was = place_push(j, "%s" PL_STR_FMT, j->place_n ? "." : "", PL_STR_ARG(f->v.key));

        if (!is_empty(v))
            value_check(j, f, v);
        else if (j->mode == PL_FORM_COMPLETE && is_wanted(f, values))
            wrong(j, f, "missing", "must be filled in", "必须填写");
        place_pop(j, was);
    }
}

/* --- comparisons ------------------------------------------------------------------------- */

static bool holds(const form_compare *c, double a, double b)
{
    if (strcmp(c->op, "==") == 0)
        return a == b;
    if (strcmp(c->op, "!=") == 0)
        return a != b;
    if (c->op[0] == '<')
        return c->op[1] == '=' ? a <= b : a < b;
    return c->op[1] == '=' ? a >= b : a > b;
}

/* A side that is missing or no number is not compared: that is another finding's matter. */
static bool side(const json_t *values, pl_str path, double *out)
{
    const json_t *v = pl_path_get(values, path);
    int64_t       day;

    if (json_is_string(v) && pl_day_parse((pl_str){ json_string_value(v), json_string_length(v) }, &day,
                                          NULL) == PL_OK)
        *out = (double)day;
    else if (json_is_number(v))
        *out = json_number_value(v);
    else
        return false;
    return true;
}

static void compares_check(judge *j, const json_t *values)
{
    for (size_t i = 0; i < j->form->compare_count; i++) {
        const form_compare *c = &j->form->compares[i];
        double              a, b = c->number;
        size_t              was;

        if (!side(values, c->left, &a) || (!c->is_number && !side(values, c->right, &b)) ||
            holds(c, a, b))
            continue;
        was = place_push(j, PL_STR_FMT, PL_STR_ARG(c->left));
        finding(j, "compare", c->is_warning, c->en.p, c->zh.p);
        place_pop(j, was);
    }
}

pl_rc pl_form_check(const pl_form *f, const json_t *values, pl_form_mode mode, json_t *problems,
                    pl_error *err)
{
    judge j = { .form = f, .mode = mode, .problems = problems };

    if (values == NULL || json_is_null(values)) { /* judged as an empty one */
        values_check(&j, f->fields, f->count, NULL);
    } else if (!json_is_object(values)) {
        finding(&j, "type", false, "the form's values are not a mapping", "表单内容不是键值结构");
    } else {
        values_check(&j, f->fields, f->count, values);
        compares_check(&j, values);
    }
    return j.no_memory ? pl_fail(err, PL_NOMEM, "out of memory") : PL_OK;
}

bool pl_form_has_errors(const json_t *problems)
{
    const json_t *one;
    size_t        i;

    json_array_foreach((json_t *)(uintptr_t)problems, i, one)
        if (strcmp(json_string_value(json_object_get(one, "severity")), "error") == 0)
            return true;
    return false;
}
