#include "base/banned.h"

#include "base/str.h"
#include "engine/flow/number.h"

#include <regex.h>

#define PARTS_MAX  24
#define NUMBER_MAX 200
#define WEIGHTS_MAX 32

typedef struct part {
    pl_str   literal; /* or */
    pl_str   name;
    unsigned digits;  /* 0: text of any length */
} part;

struct pl_number {
    json_t  *tree;
    part     parts[PARTS_MAX];
    size_t   count;
    bool     has_pattern, has_check;
    regex_t  pattern;
    int64_t  weights[WEIGHTS_MAX];
    size_t   weight_count;
    int64_t  modulus, base, step;
};

static pl_rc bad(const char *where, const char *what, pl_error *err)
{
    return pl_fail(err, PL_INVALID, "%.80s: number %.140s", where, what);
}

/* --- building --------------------------------------------------------------------------- */

/* "serial:3" between the braces. */
static pl_rc part_read(pl_number *n, pl_str inside, const char *where, pl_error *err)
{
    part    *p = &n->parts[n->count++];
    pl_str   rest = inside, name;
    uint64_t digits = 0;

    (void)pl_str_split(&rest, ':', &name);
    p->name = name;
    if (name.n == 0 || name.n > 32)
        return bad(where, "has a part without a name", err);
    if (name.n < inside.n && (pl_str_u64(rest, &digits, NULL) != PL_OK || digits < 1 || digits > 18))
        return bad(where, "has a part whose digits are not 1 to 18", err);
    p->digits = pl_str_eqz(name, "check") ? 1 : (unsigned)digits;
    return PL_OK;
}

static pl_rc template_read(pl_number *n, pl_str t, const char *where, pl_error *err)
{
    while (t.n > 0) {
        const char *open = memchr(t.p, '{', t.n), *close;
        size_t      literal = open ? (size_t)(open - t.p) : t.n;
        pl_rc       rc;

        if (n->count + 2 > PARTS_MAX)
            return bad(where, "has too many parts", err);
        if (literal > 0)
            n->parts[n->count++].literal = (pl_str){ t.p, literal };
        t = (pl_str){ t.p + literal, t.n - literal };
        if (t.n == 0)
            break;
        close = memchr(t.p, '}', t.n);
        if (close == NULL)
            return bad(where, "has a brace that does not close", err);
        rc = part_read(n, (pl_str){ t.p + 1, (size_t)(close - t.p) - 1 }, where, err);
        if (rc != PL_OK)
            return rc;
        t = (pl_str){ close + 1, t.n - (size_t)(close - t.p) - 1 };
    }
    return n->count > 0 ? PL_OK : bad(where, "has no template", err);
}

static pl_rc check_read(pl_number *n, const json_t *o, const char *where, pl_error *err)
{
    static const char *const allowed[] = { "weights", "modulus", "base", "step", "tag", "source", NULL };
    const json_t            *one;
    size_t                   i;
    pl_rc                    rc;

    if (o == NULL)
        return PL_OK;
    rc = pl_json_only(o, allowed, err);
    n->step = 1;
    if (rc == PL_OK)
        rc = pl_json_get_int(o, "modulus", true, &n->modulus, err);
    if (rc == PL_OK)
        rc = pl_json_get_int(o, "base", false, &n->base, err);
    if (rc == PL_OK)
        rc = pl_json_get_int(o, "step", false, &n->step, err);
    json_array_foreach(json_object_get(o, "weights"), i, one)
        if (i < WEIGHTS_MAX && json_is_integer(one) && llabs(json_integer_value(one)) < 1000)
            n->weights[n->weight_count++] = json_integer_value(one);
    if (rc == PL_OK && (n->weight_count == 0 || n->modulus < 2 || n->modulus > 1000 || n->base < 0 ||
                        n->base > 9 || n->step < 1 || n->base + n->step * (n->modulus - 1) > 9))
        rc = bad(where, "has a check digit that would not be one digit", err);
    n->has_check = rc == PL_OK;
    return rc;
}

static pl_rc pattern_read(pl_number *n, pl_str text, const char *where, pl_error *err)
{
    if (text.n == 0)
        return PL_OK;
    if (text.n > 300 || regcomp(&n->pattern, text.p, REG_EXTENDED | REG_NOSUB) != 0)
        return bad(where, "has a 'pattern' that is no POSIX extended expression", err);
    n->has_pattern = true;
    return PL_OK;
}

pl_rc pl_number_new(const json_t *tree, const char *where, pl_number **out, pl_error *err)
{
    pl_number *n = calloc(1, sizeof *n);
    pl_str     text = PL_STR(""), pattern = PL_STR("");
    pl_rc      rc;

    if (n == NULL || (n->tree = json_deep_copy(tree)) == NULL) {
        free(n);
        return pl_fail(err, PL_NOMEM, "out of memory");
    }
    rc = pl_json_get_str(n->tree, "template", true, &text, err);
    if (rc == PL_OK)
        rc = pl_json_get_str(n->tree, "pattern", false, &pattern, err);
    if (rc == PL_OK)
        rc = template_read(n, text, where, err);
    if (rc == PL_OK)
        rc = check_read(n, json_object_get(n->tree, "check"), where, err);
    if (rc == PL_OK)
        rc = pattern_read(n, pattern, where, err);
    if (rc != PL_OK) {
        pl_number_free(n);
        return rc;
    }
    *out = n;
    return PL_OK;
}

void pl_number_free(pl_number *n)
{
    if (n == NULL)
        return;
    if (n->has_pattern)
        regfree(&n->pattern);
    json_decref(n->tree);
    free(n);
}

/* --- check digits ------------------------------------------------------------------------ */

static char check_digit(const pl_number *n, pl_str before)
{
    int64_t sum = 0;
    size_t  i = 0;

    for (size_t k = 0; k < before.n; k++)
        if (before.p[k] >= '0' && before.p[k] <= '9')
            sum += n->weights[i++ % n->weight_count] * (before.p[k] - '0');
    sum = (sum % n->modulus + n->modulus) % n->modulus;
    return (char)('0' + n->base + n->step * sum);
}

/* --- making ------------------------------------------------------------------------------ */

static pl_rc padded(const part *p, pl_str text, pl_buf *out, pl_error *err)
{
    if (p->digits == 0) {
        pl_buf_put(out, text);
        return PL_OK;
    }
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] < '0' || text.p[i] > '9')
            return pl_fail(err, PL_INVALID, "part '" PL_STR_FMT "' of the number is not of digits",
                           PL_STR_ARG(p->name));
    if (text.n == 0 || text.n > p->digits)
        return pl_fail(err, PL_LIMIT, "part '" PL_STR_FMT "' of the number does not fit its %u digits",
                       PL_STR_ARG(p->name), p->digits);
    for (size_t i = text.n; i < p->digits; i++)
        pl_buf_putc(out, '0');
    pl_buf_put(out, text);
    return PL_OK;
}

pl_rc pl_number_make(const pl_number *n, pl_number_part_fn fn, void *ctx, pl_buf *out, pl_error *err)
{
    pl_buf made = PL_BUF_INIT(NUMBER_MAX), one = PL_BUF_INIT(NUMBER_MAX);
    pl_rc  rc = PL_OK;

    for (size_t i = 0; i < n->count && rc == PL_OK; i++) {
        const part *p = &n->parts[i];

        if (p->name.n == 0) {
            pl_buf_put(&made, p->literal);
        } else if (n->has_check && pl_str_eqz(p->name, "check")) {
            pl_buf_putc(&made, check_digit(n, pl_buf_str(&made)));
        } else {
            pl_buf_clear(&one);
            rc = fn(ctx, p->name, &one, err);
            if (rc == PL_OK)
                rc = padded(p, pl_buf_str(&one), &made, err);
        }
    }
    if (rc == PL_OK)
        rc = pl_buf_check(&made, err);
    if (rc == PL_OK && pl_number_check(n, pl_buf_str(&made)) == PL_NUMBER_BAD_FORM)
        rc = pl_fail(err, PL_INVALID, "the number made, '%.80s', does not fit its own pattern", made.p);
    if (rc == PL_OK)
        pl_buf_put(out, pl_buf_str(&made));
    pl_buf_done(&one);
    pl_buf_done(&made);
    return rc;
}

/* --- checking ---------------------------------------------------------------------------- */

/* How much of `s` a part takes; SIZE_MAX: it does not fit. A text runs to the next literal, or to
 * the last place that leaves room for the digits behind it. */
static size_t part_take(const pl_number *n, size_t i, pl_str s)
{
    const part *p = &n->parts[i];
    size_t      behind = 0;

    if (p->name.n == 0)
        return pl_str_starts(s, p->literal) ? p->literal.n : SIZE_MAX;
    if (p->digits > 0) {
        for (size_t k = 0; k < p->digits; k++)
            if (k >= s.n || s.p[k] < '0' || s.p[k] > '9')
                return SIZE_MAX;
        return p->digits;
    }
    for (size_t k = i + 1; k < n->count; k++) {
        if (n->parts[k].name.n > 0 && n->parts[k].digits == 0)
            break; /* another text: this one ends at the literal between */
        behind += n->parts[k].name.n ? n->parts[k].digits : n->parts[k].literal.n;
        if (k + 1 == n->count)
            return s.n > behind ? s.n - behind : SIZE_MAX;
    }
    if (i + 1 < n->count && n->parts[i + 1].literal.n > 0) {
        const char *at = memmem(s.p, s.n, n->parts[i + 1].literal.p, n->parts[i + 1].literal.n);

        return at && at > s.p ? (size_t)(at - s.p) : SIZE_MAX;
    }
    return s.n > 0 ? s.n : SIZE_MAX;
}

static pl_number_verdict template_check(const pl_number *n, pl_str text)
{
    pl_number_verdict v = PL_NUMBER_GOOD;
    pl_str            s = text;

    for (size_t i = 0; i < n->count; i++) {
        size_t took = part_take(n, i, s);

        if (took == SIZE_MAX || took > s.n)
            return PL_NUMBER_BAD_FORM;
        if (n->has_check && pl_str_eqz(n->parts[i].name, "check") &&
            s.p[0] != check_digit(n, (pl_str){ text.p, (size_t)(s.p - text.p) }))
            v = PL_NUMBER_BAD_CHECK;
        s = (pl_str){ s.p + took, s.n - took };
    }
    return s.n == 0 ? v : PL_NUMBER_BAD_FORM;
}

pl_number_verdict pl_number_check(const pl_number *n, pl_str text)
{
    char z[NUMBER_MAX + 1];

    if (text.n == 0 || text.n > NUMBER_MAX || memchr(text.p, '\0', text.n) != NULL)
        return PL_NUMBER_BAD_FORM;
    if (!n->has_pattern)
        return template_check(n, text);
    /* The pattern decides: numbers of former years may have been made by another template. */
    (void)snprintf(z, sizeof z, PL_STR_FMT, PL_STR_ARG(text));
    if (regexec(&n->pattern, z, 0, NULL, 0) != 0)
        return PL_NUMBER_BAD_FORM;
    return template_check(n, text) == PL_NUMBER_BAD_CHECK ? PL_NUMBER_BAD_CHECK : PL_NUMBER_GOOD;
}
