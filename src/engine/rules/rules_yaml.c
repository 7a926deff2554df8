/* Reading the YAML trees of a pack, with messages that say where. */
#include "base/banned.h"

#include "base/yaml.h"
#include "base/yaml_at.h"
#include "engine/rules/rules_int.h"

pl_rc wrong(compiler *c, const char *pointer, const char *fmt, ...)
{
    char    what[200];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    return pl_yaml_fail(c->err, c->file->text, c->file->name, pointer, "%s", what);
}

void remark(compiler *c, const char *pointer, const char *fmt, ...)
{
    char    what[200];
    va_list ap;

    if (c->note == NULL)
        return;
    va_start(ap, fmt);
    (void)vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    c->note(c->ctx, c->file->name, pl_yaml_at(c->file->text, pointer).line, what);
}

pl_str text_at(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);

    return json_is_string(v) ? (pl_str){ json_string_value(v), json_string_length(v) }
                             : (pl_str){ NULL, 0 };
}

char *dup_at(compiler *c, const json_t *o, const char *key)
{
    pl_str s = text_at(o, key);

    return s.p != NULL && s.n > 0 ? book_dup(c->book, s) : NULL;
}

pl_rc keys_known(compiler *c, const json_t *o, const char *at, const char *const *allowed)
{
    const char *key;
    json_t     *v;
    size_t      n = 0;

    if (!json_is_object(o))
        return wrong(c, at, "not a mapping");
    while (allowed[n] != NULL)
        n++;
    json_object_foreach((json_t *)(uintptr_t)o, key, v) {
        size_t i = 0;

        while (i < n && strcmp(allowed[i], key) != 0)
            i++;
        if (i == n) {
            const char *near = nearest(pl_str_z(key), allowed, n);

            return wrong(c, at, "unknown key '%.60s'%s%s%s", key, near ? ": did you mean '" : "",
                         near ? near : "", near ? "'?" : "");
        }
    }
    return PL_OK;
}

pl_rc texts_at(compiler *c, const json_t *o, const char *key, const char *at, const char ***out,
               size_t *n)
{
    const json_t *v = json_object_get(o, key);
    size_t        count = json_is_array(v) ? json_array_size(v) : v != NULL;
    const char  **list;

    if (count == 0)
        return PL_OK;
    list = book_alloc(c->book, count * sizeof *list);
    if (list == NULL)
        return pl_fail(c->err, PL_LIMIT, "the packs are too large");
    for (size_t i = 0; i < count; i++) {
        const json_t *one = json_is_array(v) ? json_array_get(v, i) : v;

        if (!json_is_string(one) || json_string_length(one) == 0)
            return wrong(c, at, "'%s' is a text or a list of texts; put numbers in quotes", key);
        list[i] = book_dup(c->book, pl_str_z(json_string_value(one)));
    }
    *out = list;
    *n = count;
    return PL_OK;
}

void *grown(pl_rules_book *b, void *array, size_t n, size_t size)
{
    void *more;

    if (n != 0 && (n < 8 || (n & (n - 1)) != 0)) /* room for 8, 16, 32 … */
        return array;
    more = book_alloc(b, (n == 0 ? 8 : 2 * n) * size);
    if (more != NULL && n > 0)
        memcpy(more, array, n * size);
    return more;
}

/* --- where a byte of an expression stands in the file ----------------------------------------- */

static bool blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* Reads text and expression side by side, blanks apart. How far the text was read when `stop`
 * bytes of the expression were; 0 when they part before. */
static size_t align(pl_str text, pl_str expr, size_t stop)
{
    size_t i = 0, k = 0;

    while (k < stop) {
        if (blank(expr.p[k])) {
            k++;
        } else if (i < text.n && blank(text.p[i])) {
            i++;
        } else if (i < text.n && text.p[i] == expr.p[k]) {
            i++;
            k++;
        } else {
            return 0;
        }
    }
    while (i < text.n && blank(text.p[i]))
        i++;
    return i + 1;
}

static size_t byte_of(pl_str text, pl_yaml_pos pos)
{
    size_t i = 0;

    for (int line = 1; line < pos.line && i < text.n; i++)
        line += text.p[i] == '\n';
    return i + (size_t)(pos.column > 0 ? pos.column - 1 : 0);
}

static pl_rc expr_fail(compiler *c, pl_str expr, size_t at, const char *pointer, const char *what)
{
    pl_str      text = c->file->text;
    pl_yaml_pos pos = pl_yaml_at(text, pointer);
    size_t      from = byte_of(text, pos), got = 0;

    for (; from < text.n && got == 0; from++)
        if (expr.n > 0 && text.p[from] == expr.p[0] &&
            align((pl_str){ text.p + from, text.n - from }, expr, expr.n) != 0)
            got = align((pl_str){ text.p + from, text.n - from }, expr, at);
    if (got == 0)
        return pl_fail(c->err, PL_INVALID, "%s:%d:%d: %s", c->file->name, pos.line, pos.column, what);
    pos = (pl_yaml_pos){ 1, 1 };
    for (size_t i = 0; i < from - 1 + got - 1 && i < text.n; i++) {
        pos.column = text.p[i] == '\n' ? 1 : pos.column + 1;
        pos.line += text.p[i] == '\n';
    }
    return pl_fail(c->err, PL_INVALID, "%s:%d:%d: %s", c->file->name, pos.line, pos.column, what);
}

pl_rc expr_at(compiler *c, const json_t *v, const char *pointer, node **out)
{
    char     number[40];
    pl_str   s = pl_str_z(json_string_value(v));
    size_t   at = 0;
    pl_error e = { 0 };
    pl_rc    rc;

    if (json_is_integer(v))
        (void)snprintf(number, sizeof number, "%lld", (long long)json_integer_value(v));
    else if (json_is_real(v))
        (void)snprintf(number, sizeof number, "%.17g", json_real_value(v));
    else if (json_is_boolean(v))
        (void)snprintf(number, sizeof number, "%s", json_is_true(v) ? "true" : "false");
    else if (!json_is_string(v))
        return wrong(c, pointer, "an expression is wanted here");
    if (!json_is_string(v))
        s = pl_str_z(number);
    rc = expr_parse(c->book, c->pack, s, out, &at, &e);
    return rc == PL_OK ? PL_OK : expr_fail(c, s, at, pointer, e.text);
}
