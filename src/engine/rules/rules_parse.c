/* The expression language: text to a checked tree. Grammar in docs/formats/rules.md. */
#include "base/banned.h"

#include "engine/rules/rules_int.h"

#include <math.h>

#define KIDS_MAX 64

typedef enum tok_type { T_END, T_NAME, T_NUMBER, T_DATE, T_STRING, T_SIGN } tok_type;

typedef struct tok {
    tok_type type;
    pl_str   s;  /* as written; a string without its quotes */
    size_t   at;
    double   num;
    int64_t  time;
} tok;

typedef struct parser {
    pl_rules_book *b;
    pack          *p; /* NULL: facts only */
    pl_str         s;
    size_t         pos;
    tok            t; /* the next token */
    int            depth;
    size_t         at; /* of the failure */
    pl_error      *err;
    pl_rc          rc;
} parser;

static node *parse_expr(parser *p);

/* --- failing and tokens ------------------------------------------------------------------- */

static node *bad(parser *p, size_t at, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static node *bad(parser *p, size_t at, const char *fmt, ...)
{
    char    what[230];
    va_list ap;

    if (p->rc != PL_OK)
        return NULL;
    va_start(ap, fmt);
    (void)vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    p->at = at;
    p->rc = pl_fail(p->err, PL_INVALID, "%s", what);
    return NULL;
}

static bool letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

static void lex_number(parser *p, pl_str rest)
{
    char   text[64];
    size_t n = 0;
    char  *end;

    if (rest.n >= 10 && day_parse((pl_str){ rest.p, 10 }, &p->t.time)) {
        p->t.type = T_DATE;
        p->t.s = (pl_str){ rest.p, 10 };
        p->pos += 10;
        return;
    }
    while (n < rest.n && n < sizeof text - 1 &&
           (digit(rest.p[n]) || rest.p[n] == '.' || rest.p[n] == '_' ||
            ((rest.p[n] == 'e' || rest.p[n] == 'E') && n + 1 < rest.n &&
             (digit(rest.p[n + 1]) || rest.p[n + 1] == '+' || rest.p[n + 1] == '-')) ||
            ((rest.p[n] == '+' || rest.p[n] == '-') && n > 0 &&
             (rest.p[n - 1] == 'e' || rest.p[n - 1] == 'E'))))
        n++;
    size_t k = 0;
    for (size_t i = 0; i < n; i++)
        if (rest.p[i] != '_')
            text[k++] = rest.p[i];
    text[k] = '\0';
    p->t.type = T_NUMBER;
    p->t.s = (pl_str){ rest.p, n };
    p->t.num = strtod(text, &end);
    p->pos += n;
    if (*end != '\0' || !isfinite(p->t.num))
        (void)bad(p, p->t.at, "not a number or date: '" PL_STR_FMT "'", PL_STR_ARG(p->t.s));
    else if (rest.n >= 10 && rest.p[4] == '-' && rest.p[7] == '-' && n == 4 && digit(rest.p[5]))
        (void)bad(p, p->t.at, "no such day: '%.10s'", rest.p);
}

static void lex_string(parser *p, pl_str rest)
{
    const char *end = memchr(rest.p + 1, rest.p[0], rest.n - 1);

    if (end == NULL) {
        (void)bad(p, p->t.at, "the quotation mark is not closed");
        return;
    }
    p->t.type = T_STRING;
    p->t.s = (pl_str){ rest.p + 1, (size_t)(end - rest.p) - 1 };
    p->pos += p->t.s.n + 2;
}

static void lex_sign(parser *p, pl_str rest)
{
    static const char *const two[] = { "==", "!=", "<=", ">=" };
    size_t                   n = 1;

    for (size_t i = 0; i < 4; i++)
        if (pl_str_starts(rest, pl_str_z(two[i])))
            n = 2;
    if (n == 1 && strchr("<>(){},+-*/", rest.p[0]) == NULL) {
        if (rest.p[0] == '=')
            (void)bad(p, p->t.at, "'=' is written '=='");
        else if (rest.p[0] > ' ' && rest.p[0] < 127)
            (void)bad(p, p->t.at, "unexpected character '%c'", rest.p[0]);
        else
            (void)bad(p, p->t.at, "unexpected character; texts of other scripts go in quotes");
        return;
    }
    p->t.type = T_SIGN;
    p->t.s = (pl_str){ rest.p, n };
    p->pos += n;
}

static void next(parser *p)
{
    pl_str rest;

    while (p->pos < p->s.n && (p->s.p[p->pos] == ' ' || p->s.p[p->pos] == '\n' ||
                               p->s.p[p->pos] == '\t' || p->s.p[p->pos] == '\r'))
        p->pos++;
    rest = (pl_str){ p->s.p + p->pos, p->s.n - p->pos };
    p->t = (tok){ .type = T_END, .at = p->pos, .s = { "", 0 } };
    if (p->rc != PL_OK || rest.n == 0)
        return;
    if (digit(rest.p[0])) {
        lex_number(p, rest);
    } else if (rest.p[0] == '"' || rest.p[0] == '\'') {
        lex_string(p, rest);
    } else if (letter(rest.p[0])) {
        size_t n = 1;

        while (n < rest.n && (letter(rest.p[n]) || digit(rest.p[n]) ||
                              (rest.p[n] == '.' && n + 1 < rest.n && (letter(rest.p[n + 1]) || digit(rest.p[n + 1])))))
            n++;
        p->t.type = T_NAME;
        p->t.s = (pl_str){ rest.p, n };
        p->pos += n;
    } else {
        lex_sign(p, rest);
    }
}

static bool is(const parser *p, const char *z)
{
    return (p->t.type == T_SIGN || p->t.type == T_NAME) && pl_str_eqz(p->t.s, z);
}

static bool take(parser *p, const char *z)
{
    if (p->rc != PL_OK || !is(p, z))
        return false;
    next(p);
    return true;
}

static void want(parser *p, const char *z)
{
    if (!take(p, z))
        (void)bad(p, p->t.at, "'%s' is missing here", z);
}

/* --- nodes ---------------------------------------------------------------------------------- */

static node *new_node(parser *p, op o, kind k)
{
    node *n = book_alloc(p->b, sizeof *n);

    if (n == NULL) {
        if (p->rc == PL_OK)
            p->rc = pl_fail(p->err, PL_LIMIT, "the packs are too large");
        return NULL;
    }
    n->op = o;
    n->kind = k;
    n->slot = -1;
    return n;
}

static node *with_kids(parser *p, node *n, node **kids, size_t count)
{
    if (n == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++)
        if (kids[i] == NULL)
            return NULL;
    n->kids = book_alloc(p->b, count * sizeof(node *));
    if (n->kids == NULL) {
        p->rc = pl_fail(p->err, PL_LIMIT, "the packs are too large");
        return NULL;
    }
    memcpy(n->kids, kids, count * sizeof(node *));
    n->nkids = count;
    return n;
}

static node *binary(parser *p, op o, kind k, node *a, node *b)
{
    node *kids[] = { a, b };

    return a != NULL && b != NULL ? with_kids(p, new_node(p, o, k), kids, 2) : NULL;
}

static node *unary(parser *p, op o, kind k, node *a)
{
    return a != NULL ? with_kids(p, new_node(p, o, k), &a, 1) : NULL;
}

static const char *kind_name(kind k)
{
    static const char *const names[] = { "a condition", "a number", "a date", "a text", "a list",
                                         "several numbers" };

    return names[k];
}

static node *need(parser *p, node *n, kind k, size_t at)
{
    if (n != NULL && n->kind != k)
        return bad(p, at, "%s is wanted here, this is %s", kind_name(k), kind_name(n->kind));
    return n;
}

static const char *unit_name(const parser *p, int unit)
{
    static const char *const names[] = { "no unit", "percent", "hours", "days", "months", "years" };

    return unit < UNIT_OWN ? names[unit] : p->b->units[unit];
}

static bool units_fit(parser *p, const node *a, const node *b, size_t at)
{
    if (a == NULL || b == NULL)
        return false;
    if (a->unit == b->unit)
        return true;
    (void)bad(p, at, "the units differ: %s and %s", unit_name(p, a->unit), unit_name(p, b->unit));
    return false;
}

static void compares_add(parser *p, node *n)
{
    pl_rules_book *b = p->b;

    if (n == NULL)
        return;
    if (b->ncompares == b->capcompares) {
        size_t cap = b->capcompares > 0 ? 2 * b->capcompares : 64;
        comparison *more = book_alloc(b, cap * sizeof *more);

        if (more == NULL)
            return;
        if (b->ncompares > 0)
            memcpy(more, b->compares, b->ncompares * sizeof *more);
        b->compares = more;
        b->capcompares = cap;
    }
    b->compares[b->ncompares++].n = n;
}

/* --- names ------------------------------------------------------------------------------------- */

static node *fact_node(parser *p, int of)
{
    const fact *f = &p->b->facts[of];
    static const kind kinds[] = { K_BOOL, K_NUM, K_DATE, K_TEXT, K_SET, K_NUMS, K_SET };
    node             *n = new_node(p, OP_FACT, kinds[f->pub.type]);

    if (n != NULL) {
        n->slot = of;
        n->unit = f->unit;
    }
    return n;
}

static node *unknown_name(parser *p, pl_str name, size_t at)
{
    const char *names[PL_RULES_FACTS_MAX + 512];
    size_t      n = 0;
    const char *near;

    for (size_t i = 0; i < p->b->nfacts; i++)
        names[n++] = p->b->facts[i].pub.key;
    for (size_t i = 0; p->p != NULL && i < p->p->nlets && i < 512; i++)
        names[n++] = p->p->lets[i].name;
    near = nearest(name, names, n);
    return bad(p, at, "unknown fact '%.*s'%s%s%s", (int)(name.n < 64 ? name.n : 64), name.p,
               near ? ": did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static node *field_node(parser *p, field *f)
{
    static const kind kinds[] = { K_TEXT, K_SET, K_BOOL, K_TEXT, K_NUM, K_DATE, K_SET, K_SET };
    node             *n = new_node(p, OP_RESULT, kinds[f->type]);

    if (n != NULL) {
        n->field = f;
        n->unit = f->unit;
    }
    return n;
}

static node *field_of(parser *p, pack *owner, pl_str name, size_t at)
{
    const char *names[PL_RULES_VALUES_MAX];
    size_t      n = 0;
    const char *near;

    for (size_t i = 0; i < owner->nfields; i++) {
        field *f = &owner->fields[i];

        if (pl_str_eqz(name, f->name)) {
            if (f->type == F_LIST || f->type == F_MAP || (f->type == F_TEXT && f->nvalues == 0))
                return bad(p, at, "result '%s' has no fixed values and cannot be asked about", f->name);
            return field_node(p, f);
        }
        if (n < PL_RULES_VALUES_MAX)
            names[n++] = f->name;
    }
    near = nearest(name, names, n);
    return bad(p, at, "unknown result '%.*s' of '%s'%s%s%s", (int)name.n, name.p, owner->id,
               near ? ": did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static node *name_node(parser *p, pl_str name, size_t at)
{
    int of;

    if (pl_str_eqz(name, "as_of"))
        return new_node(p, OP_ASOF, K_DATE);
    if (pl_str_starts(name, PL_STR("result."))) {
        if (p->p == NULL)
            return bad(p, at, "results are not known here");
        return field_of(p, p->p, (pl_str){ name.p + 7, name.n - 7 }, at);
    }
    for (size_t i = 0; p->p != NULL && i < p->p->nlets; i++) {
        let *l = &p->p->lets[i];

        if (l->expr != NULL && pl_str_eqz(name, l->name)) {
            node *n = new_node(p, OP_LET, l->expr->kind);

            l->used = true;
            if (n != NULL) {
                n->let = l;
                n->unit = l->expr->unit;
            }
            return n;
        }
    }
    of = pl_rules_fact_find(p->b, name);
    return of >= 0 ? fact_node(p, of) : unknown_name(p, name, at);
}

/* --- functions ---------------------------------------------------------------------------------- */

static size_t arguments(parser *p, node **kids)
{
    size_t n = 0;

    while (p->rc == PL_OK && !is(p, ")")) {
        if (n == KIDS_MAX) {
            (void)bad(p, p->t.at, "more than %d arguments", KIDS_MAX);
            break;
        }
        kids[n] = parse_expr(p);
        n += kids[n] != NULL;
        if (!take(p, ","))
            break;
    }
    want(p, ")");
    return p->rc == PL_OK ? n : 0;
}

/* known(f), unknown(f): about what was given, whatever it is. */
static node *known_node(parser *p, bool is_known)
{
    int   of = p->t.type == T_NAME ? pl_rules_fact_find(p->b, p->t.s) : -1;
    node *n;

    if (of < 0)
        return p->t.type == T_NAME ? unknown_name(p, p->t.s, p->t.at)
                                   : bad(p, p->t.at, "the key of a fact is wanted here");
    next(p);
    want(p, ")");
    n = new_node(p, OP_KNOWN, K_BOOL);
    if (n != NULL)
        n->slot = of;
    return is_known ? n : unary(p, OP_NOT, K_BOOL, n);
}

static node *fired_node(parser *p)
{
    tok  t = p->t;

    if (t.type != T_NAME && t.type != T_STRING)
        return bad(p, t.at, "the id of a rule is wanted here");
    next(p);
    want(p, ")");
    for (size_t i = 0; p->p != NULL && i < p->p->nrules; i++)
        if (p->p->rules[i].when != NULL && pl_str_eqz(t.s, p->p->rules[i].id)) {
            node *n = new_node(p, OP_FIRED, K_BOOL);

            if (n != NULL)
                n->rule = &p->p->rules[i];
            return n;
        }
    return bad(p, t.at, "no earlier rule '" PL_STR_FMT "'", PL_STR_ARG(t.s));
}

/* result("pack-id", field) */
static node *result_node(parser *p)
{
    tok   t = p->t;
    node *n;

    if ((t.type != T_STRING && t.type != T_NAME) || p->p == NULL)
        return bad(p, t.at, "the id of a pack is wanted here, in quotes");
    next(p);
    want(p, ",");
    for (size_t i = 0; i < p->p->ndepends; i++) {
        pack *d = p->p->depends[i];

        if (!pl_str_eqz(t.s, d->id) && !pl_str_eqz(t.s, d->ref))
            continue;
        n = p->t.type == T_NAME ? field_of(p, d, p->t.s, p->t.at)
                                : bad(p, p->t.at, "the name of a result is wanted here");
        next(p);
        want(p, ")");
        return n;
    }
    return bad(p, t.at, "pack '" PL_STR_FMT "' is not listed in 'depends' of pack.yaml",
               PL_STR_ARG(t.s));
}

/* Numbers of one unit, or dates. */
static node *extreme(parser *p, op o, node **kids, size_t n, size_t at)
{
    node *r;

    if (n == 1 && kids[0]->kind == K_NUMS) {
        r = unary(p, o == OP_MIN ? OP_LEAST : OP_MOST, K_NUM, kids[0]);
        if (r != NULL)
            r->unit = kids[0]->unit;
        return r;
    }
    if (n < 2 || (kids[0]->kind != K_NUM && kids[0]->kind != K_DATE))
        return bad(p, at, "two numbers or dates are wanted, or a list of numbers");
    for (size_t i = 1; i < n; i++) {
        if (need(p, kids[i], kids[0]->kind, at) == NULL || !units_fit(p, kids[0], kids[i], at))
            return NULL;
    }
    r = with_kids(p, new_node(p, o, kids[0]->kind), kids, n);
    if (r != NULL)
        r->unit = kids[0]->unit;
    return r;
}

static node *list_function(parser *p, pl_str name, node **kids, size_t n, size_t at)
{
    static const struct {
        const char *name;
        op          op;
        kind        from, to;
    } fs[] = {
        { "count", OP_COUNT, K_SET, K_NUM }, { "count", OP_COUNT, K_NUMS, K_NUM },
        { "sum", OP_SUM, K_NUMS, K_NUM },    { "mean", OP_MEAN, K_NUMS, K_NUM },
        { "rest", OP_REST, K_NUMS, K_NUM },
        { "round", OP_ROUND, K_NUM, K_NUM }, { "floor", OP_FLOOR, K_NUM, K_NUM },
        { "ceil", OP_CEIL, K_NUM, K_NUM },
    };
    node *r;

    for (size_t i = 0; n == 1 && i < sizeof fs / sizeof *fs; i++)
        if (pl_str_eqz(name, fs[i].name) && kids[0]->kind == fs[i].from) {
            if (fs[i].op == OP_COUNT && kids[0]->op != OP_FACT)
                return bad(p, at, "count() wants a fact that is a list");
            r = unary(p, fs[i].op, fs[i].to, kids[0]);
            if (r != NULL && fs[i].op != OP_COUNT && fs[i].op != OP_REST)
                r->unit = kids[0]->unit;
            return r;
        }
    return NULL;
}

static node *at_least(parser *p, node **kids, size_t n, size_t at)
{
    node *r;

    if (n < 2 || kids[0]->op != OP_NUM || kids[0]->unit != UNIT_NONE)
        return bad(p, at, "at_least() wants a number and conditions");
    for (size_t i = 1; i < n; i++)
        if (need(p, kids[i], K_BOOL, at) == NULL)
            return NULL;
    r = with_kids(p, new_node(p, OP_AT_LEAST, K_BOOL), kids + 1, n - 1);
    if (r != NULL)
        r->num = kids[0]->num;
    return r;
}

/* clamp(x, low, high) */
static node *clamp(parser *p, node **kids, size_t n, size_t at)
{
    node *pair[2];

    if (n != 3)
        return bad(p, at, "clamp() wants a number and two bounds");
    pair[0] = kids[0];
    pair[1] = kids[1];
    pair[0] = extreme(p, OP_MAX, pair, 2, at);
    pair[1] = kids[2];
    return pair[0] != NULL ? extreme(p, OP_MIN, pair, 2, at) : NULL;
}

static node *call(parser *p, pl_str name, size_t at)
{
    node  *kids[KIDS_MAX], *r;
    size_t n;

    if (pl_str_eqz(name, "known") || pl_str_eqz(name, "unknown"))
        return known_node(p, pl_str_eqz(name, "known"));
    if (pl_str_eqz(name, "fired"))
        return fired_node(p);
    if (pl_str_eqz(name, "result"))
        return result_node(p);
    n = arguments(p, kids);
    if (p->rc != PL_OK)
        return NULL;
    if (pl_str_eqz(name, "min") || pl_str_eqz(name, "max"))
        return extreme(p, pl_str_eqz(name, "min") ? OP_MIN : OP_MAX, kids, n, at);
    if (pl_str_eqz(name, "at_least"))
        return at_least(p, kids, n, at);
    if (pl_str_eqz(name, "clamp"))
        return clamp(p, kids, n, at);
    r = list_function(p, name, kids, n, at);
    if (r == NULL && p->rc == PL_OK) {
        static const char *const names[] = { "known", "unknown", "fired", "result", "min", "max",
                                             "at_least", "clamp", "count", "sum", "mean", "round",
                                             "floor", "ceil", "rest" };
        const char              *near = nearest(name, names, sizeof names / sizeof *names);

        return bad(p, at, "no function '%.*s' for this%s%s%s", (int)(name.n < 40 ? name.n : 40), name.p,
                   near ? ": is it '" : "", near ? near : "", near ? "'?" : "");
    }
    return r;
}

/* --- the grammar -------------------------------------------------------------------------------------- */

static node *number(parser *p)
{
    node *n = new_node(p, OP_NUM, K_NUM);

    if (n == NULL)
        return NULL;
    n->num = p->t.num;
    next(p);
    if (p->t.type == T_NAME && unit_find(p->b, p->t.s) > 0) {
        n->unit = unit_find(p->b, p->t.s);
        next(p);
    }
    return n;
}

static node *constant(parser *p, op o, kind k)
{
    node *n = new_node(p, o, k);

    if (n != NULL) {
        n->time = p->t.time;
        n->text = k == K_TEXT ? book_dup(p->b, p->t.s) : NULL;
        if (k == K_TEXT && n->text == NULL)
            return NULL;
    }
    next(p);
    return n;
}

static node *parse_primary(parser *p)
{
    tok   t = p->t;
    node *n;

    if (t.type == T_NUMBER)
        return number(p);
    if (t.type == T_DATE)
        return constant(p, OP_DATE, K_DATE);
    if (t.type == T_STRING)
        return constant(p, OP_TEXT, K_TEXT);
    if (take(p, "(")) {
        n = parse_expr(p);
        want(p, ")");
        return n;
    }
    if (t.type != T_NAME)
        return bad(p, t.at, t.type == T_END ? "the expression ends too early"
                                            : "a value is wanted here");
    next(p);
    if (pl_str_eqz(t.s, "true") || pl_str_eqz(t.s, "false")) {
        if ((n = new_node(p, OP_BOOL, K_BOOL)) != NULL)
            n->num = pl_str_eqz(t.s, "true");
        return n;
    }
    if (pl_str_eqz(t.s, "never")) {
        if ((n = new_node(p, OP_DATE, K_DATE)) != NULL)
            n->time = NEVER;
        return n;
    }
    if (take(p, "("))
        return call(p, t.s, t.at);
    return name_node(p, t.s, t.at);
}

static node *parse_minus(parser *p)
{
    node *zero, *n;

    if (!is(p, "-"))
        return parse_primary(p);
    if (++p->depth > PL_RULES_DEPTH_MAX)
        return bad(p, p->t.at, "nested too deeply");
    next(p);
    n = need(p, parse_minus(p), K_NUM, p->t.at);
    p->depth--;
    zero = new_node(p, OP_NUM, K_NUM);
    if (n == NULL || zero == NULL)
        return NULL;
    zero->unit = n->unit;
    if ((n = binary(p, OP_SUB, K_NUM, zero, n)) != NULL)
        n->unit = zero->unit;
    return n;
}

static node *product(parser *p, op o, node *a, node *b, size_t at)
{
    node *n;

    if (need(p, a, K_NUM, at) == NULL || need(p, b, K_NUM, at) == NULL)
        return NULL;
    if (o == OP_MUL && a->unit > UNIT_PERCENT && b->unit > UNIT_PERCENT)
        return bad(p, at, "two quantities with units cannot be multiplied");
    if (o == OP_DIV && b->unit != UNIT_NONE && b->unit != a->unit)
        return bad(p, at, "%s cannot be divided by %s", unit_name(p, a->unit), unit_name(p, b->unit));
    if ((n = binary(p, o, K_NUM, a, b)) == NULL)
        return NULL;
    if (o == OP_DIV)
        n->unit = b->unit == UNIT_NONE ? a->unit : UNIT_NONE;
    else
        n->unit = a->unit > UNIT_PERCENT ? a->unit : b->unit > UNIT_PERCENT ? b->unit : UNIT_NONE;
    return n;
}

static node *parse_product(parser *p)
{
    node *n = parse_minus(p);

    while (n != NULL && (is(p, "*") || is(p, "/"))) {
        op     o = is(p, "*") ? OP_MUL : OP_DIV;
        size_t at = p->t.at;

        next(p);
        n = product(p, o, n, parse_minus(p), at);
    }
    return n;
}

static node *add(parser *p, bool plus, node *a, node *b, size_t at)
{
    node *n;

    if (a == NULL || b == NULL)
        return NULL;
    if (a->kind == K_DATE && b->kind == K_DATE && !plus) {
        if ((n = binary(p, OP_DATE_DIFF, K_NUM, a, b)) != NULL)
            n->unit = UNIT_DAYS;
        return n;
    }
    if (a->kind == K_DATE) {
        if (b->kind != K_NUM || b->unit < UNIT_HOURS || b->unit > UNIT_YEARS)
            return bad(p, at, "to a date add hours, days, months or years");
        if ((n = binary(p, OP_DATE_ADD, K_DATE, a, b)) != NULL) {
            n->unit = UNIT_NONE;
            n->num = plus ? 1 : -1;
        }
        return n;
    }
    if (need(p, a, K_NUM, at) == NULL || need(p, b, K_NUM, at) == NULL || !units_fit(p, a, b, at))
        return NULL;
    if ((n = binary(p, plus ? OP_ADD : OP_SUB, K_NUM, a, b)) != NULL)
        n->unit = a->unit;
    return n;
}

static node *parse_sum(parser *p)
{
    node *n = parse_product(p);

    while (n != NULL && (is(p, "+") || is(p, "-"))) {
        bool   plus = is(p, "+");
        size_t at = p->t.at;

        next(p);
        n = add(p, plus, n, parse_product(p), at);
    }
    return n;
}

/* --- texts and sets of texts -------------------------------------------------------------------- */

/* Index of the text at the token among the values of what `n` is; adds it to an open fact. */
static int value_index(parser *p, const node *n)
{
    pl_str              s = p->t.s;
    const char *const *values;
    size_t             count;
    const char        *near;

    if (n->op == OP_FACT) {
        fact *f = &p->b->facts[n->slot];
        int   i = fact_value(f, s);

        if (i < 0 && f->pub.is_open && f->pub.value_count < PL_RULES_VALUES_MAX) {
            if (f->pub.values == NULL)
                f->pub.values = book_alloc(p->b, PL_RULES_VALUES_MAX * sizeof *f->pub.values);
            if (f->pub.values == NULL || (f->pub.values[f->pub.value_count] = book_dup(p->b, s)) == NULL)
                return -1;
            i = (int)f->pub.value_count++;
        }
        if (i >= 0)
            return i;
        values = (const char *const *)f->pub.values;
        count = f->pub.value_count;
    } else {
        for (size_t i = 0; i < n->field->nvalues; i++)
            if (pl_str_eqz(s, n->field->values[i]))
                return (int)i;
        values = (const char *const *)n->field->values;
        count = n->field->nvalues;
    }
    near = nearest(s, values, count);
    (void)bad(p, p->t.at, "'%.*s' is no value of '%s'%s%s%s", (int)(s.n < 48 ? s.n : 48), s.p,
              n->op == OP_FACT ? p->b->facts[n->slot].pub.key : n->field->name,
              near ? ": did you mean '" : "", near ? near : "", near ? "'?" : "");
    return -1;
}

static bool value_take(parser *p, const node *n, uint64_t *mask)
{
    int i;

    if (p->t.type != T_NAME && p->t.type != T_STRING && p->t.type != T_NUMBER)
        return bad(p, p->t.at, "a value is wanted here") != NULL;
    if ((i = value_index(p, n)) < 0)
        return false;
    *mask |= (uint64_t)1 << i;
    next(p);
    return true;
}

static uint64_t value_set(parser *p, const node *n)
{
    uint64_t mask = 0;

    want(p, "{");
    while (p->rc == PL_OK && value_take(p, n, &mask) && take(p, ","))
        continue;
    want(p, "}");
    return mask;
}

static node *masked(parser *p, const node *n, op on_fact, op on_result, uint64_t mask)
{
    node *r;

    if (p->rc != PL_OK)
        return NULL;
    r = new_node(p, n->op == OP_FACT ? on_fact : on_result, K_BOOL);
    if (r == NULL)
        return NULL;
    r->slot = n->slot;
    r->field = n->field;
    r->mask = mask;
    if (n->op == OP_FACT)
        p->b->facts[n->slot].mentioned |= mask;
    return r;
}

/* A pattern takes the place of a value, under a name that no text has by chance. */
static bool pattern_take(parser *p, const node *n, uint64_t *mask)
{
    char   name[96];
    pl_str was = p->t.s;
    int    i;

    if (p->t.type != T_STRING || was.n == 0 || was.n > 64)
        return bad(p, p->t.at, "a pattern in quotes of 1 to 64 characters is wanted here") != NULL;
    (void)snprintf(name, sizeof name, PATTERN_MARK PL_STR_FMT, PL_STR_ARG(was));
    p->t.s = pl_str_z(name);
    i = value_index(p, n);
    p->t.s = was;
    if (i < 0)
        return false;
    p->b->facts[n->slot].patterns |= (uint64_t)1 << i;
    *mask |= (uint64_t)1 << i;
    next(p);
    return true;
}

static node *like_test(parser *p, const node *n)
{
    uint64_t mask = 0;

    if (n->op != OP_FACT || !p->b->facts[n->slot].pub.is_open)
        return bad(p, p->t.at, "only facts without a list of values are compared with 'like'");
    want(p, "like");
    if (take(p, "{")) {
        while (p->rc == PL_OK && pattern_take(p, n, &mask) && take(p, ","))
            continue;
        want(p, "}");
    } else {
        (void)pattern_take(p, n, &mask);
    }
    return masked(p, n, n->kind == K_SET ? OP_ANY : OP_LIKE, OP_BOOL, mask);
}

static node *text_test(parser *p, const node *n)
{
    uint64_t mask = 0;
    bool     no = is(p, "!=");
    size_t   at = p->t.at;

    if (n->op != OP_FACT && n->op != OP_RESULT)
        return bad(p, at, "only facts and results can be compared with texts");
    if (take(p, "==") || take(p, "!=")) {
        if (!value_take(p, n, &mask))
            return NULL;
    } else if (take(p, "in")) {
        mask = value_set(p, n);
    } else if (take(p, "not")) {
        no = true;
        want(p, "in");
        mask = value_set(p, n);
    } else {
        return bad(p, at, "a text is compared with '==', '!=', 'in' or 'not in'");
    }
    node *r = masked(p, n, OP_IN, OP_RESULT_IN, mask);

    return no ? unary(p, OP_NOT, K_BOOL, r) : r;
}

static node *set_test(parser *p, const node *n)
{
    uint64_t mask = 0;

    if (n->op != OP_FACT && n->op != OP_RESULT)
        return bad(p, p->t.at, "only facts and results are lists");
    if (take(p, "has")) {
        (void)value_take(p, n, &mask);
        return masked(p, n, OP_ANY, OP_RESULT_ANY, mask);
    }
    if (take(p, "any")) {
        mask = value_set(p, n);
        return masked(p, n, OP_ANY, OP_RESULT_ANY, mask);
    }
    if (take(p, "all")) {
        mask = value_set(p, n);
        return masked(p, n, OP_ALL, OP_RESULT_ALL, mask);
    }
    return bad(p, p->t.at, "a list is asked with 'has', 'any {…}' or 'all {…}'");
}

static bool compare_op(const parser *p, op *o)
{
    static const struct {
        const char *z;
        op          o;
    } ops[] = { { "<", OP_LT }, { "<=", OP_LE }, { ">", OP_GT },
                { ">=", OP_GE }, { "==", OP_EQ }, { "!=", OP_NE } };

    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (is(p, ops[i].z)) {
            *o = ops[i].o;
            return true;
        }
    return false;
}

static node *parse_compare(parser *p)
{
    size_t start = p->t.at, at;
    node  *n = parse_sum(p), *r;
    op     o;

    if (n == NULL)
        return NULL;
    at = p->t.at;
    if ((n->kind == K_TEXT || n->kind == K_SET) && is(p, "like"))
        return like_test(p, n);
    if (n->kind == K_TEXT && (compare_op(p, &o) || is(p, "in") || is(p, "not")))
        return text_test(p, n);
    if (n->kind == K_SET && (is(p, "has") || is(p, "any") || is(p, "all") || compare_op(p, &o)))
        return set_test(p, n);
    if (!compare_op(p, &o))
        return n;
    next(p);
    if (n->kind != K_NUM && n->kind != K_DATE)
        return bad(p, start, "%s cannot be compared: write it alone, or with 'not'", kind_name(n->kind));
    r = need(p, parse_sum(p), n->kind, at);
    if (r == NULL)
        return NULL;
    if (n->op == OP_FACT && r->op == OP_NUM && r->unit == UNIT_NONE && n->unit != UNIT_NONE)
        return bad(p, at, "'%s' is in %s: write '%g %s'", p->b->facts[n->slot].pub.key,
                   unit_name(p, n->unit), r->num, unit_name(p, n->unit));
    if (!units_fit(p, n, r, at))
        return NULL;
    n = binary(p, o, K_BOOL, n, r);
    compares_add(p, n);
    return n;
}

static node *parse_not(parser *p)
{
    node  *n;
    size_t at;

    if (!is(p, "not"))
        return parse_compare(p);
    if (++p->depth > PL_RULES_DEPTH_MAX)
        return bad(p, p->t.at, "nested too deeply");
    next(p);
    at = p->t.at;
    n = need(p, parse_not(p), K_BOOL, at);
    p->depth--;
    return unary(p, OP_NOT, K_BOOL, n);
}

static node *chain(parser *p, const char *word, op o, node *(*part)(parser *))
{
    node  *kids[KIDS_MAX];
    size_t n = 0, at = p->t.at;

    kids[n] = part(p);
    while (kids[n] != NULL && take(p, word)) {
        if (need(p, kids[n], K_BOOL, at) == NULL)
            return NULL;
        if (++n == KIDS_MAX)
            return bad(p, p->t.at, "more than %d parts: define some of them on their own", KIDS_MAX);
        at = p->t.at;
        kids[n] = part(p);
    }
    if (kids[n] == NULL || n == 0)
        return kids[n];
    if (need(p, kids[n], K_BOOL, at) == NULL)
        return NULL;
    return with_kids(p, new_node(p, o, K_BOOL), kids, n + 1);
}

static node *parse_and(parser *p)
{
    return chain(p, "and", OP_AND, parse_not);
}

static node *parse_if(parser *p)
{
    size_t at = p->t.at;
    node  *kids[3], *n;

    kids[0] = need(p, parse_expr(p), K_BOOL, at);
    want(p, "then");
    kids[1] = parse_expr(p);
    want(p, "else");
    at = p->t.at;
    kids[2] = parse_expr(p);
    if (kids[0] == NULL || kids[1] == NULL || kids[2] == NULL)
        return NULL;
    if (kids[1]->kind != kids[2]->kind &&
        !((kids[1]->kind == K_NUM && kids[2]->op == OP_TEXT) || (kids[1]->op == OP_TEXT && kids[2]->kind == K_NUM)))
        return bad(p, at, "'then' gives %s and 'else' gives %s", kind_name(kids[1]->kind),
                   kind_name(kids[2]->kind));
    if (kids[1]->kind == kids[2]->kind && kids[1]->kind == K_NUM && !units_fit(p, kids[1], kids[2], at))
        return NULL;
    if (kids[1]->kind == K_SET || kids[1]->kind == K_NUMS || (kids[1]->kind == K_TEXT && kids[1]->op != OP_TEXT && kids[1]->op != OP_IF))
        return bad(p, at, "'if' gives a condition, a number, a date or a text in quotes");
    n = with_kids(p, new_node(p, OP_IF, kids[1]->kind), kids, 3);
    if (n != NULL)
        n->unit = kids[1]->unit;
    return n;
}

static node *parse_expr(parser *p)
{
    node *n;

    if (p->rc != PL_OK)
        return NULL;
    if (++p->depth > PL_RULES_DEPTH_MAX)
        return bad(p, p->t.at, "nested too deeply");
    n = take(p, "if") ? parse_if(p) : chain(p, "or", OP_OR, parse_and);
    p->depth--;
    return n;
}

pl_rc expr_parse(pl_rules_book *b, pack *owner, pl_str s, node **out, size_t *at, pl_error *err)
{
    pl_error e = { 0 };
    parser   p = { .b = b, .p = owner, .s = s, .err = &e, .rc = PL_OK };
    node    *n;

    if (s.n > PL_RULES_EXPR_MAX) {
        *at = 0;
        return pl_fail(err, PL_LIMIT, "an expression has at most %u bytes", PL_RULES_EXPR_MAX);
    }
    next(&p);
    n = parse_expr(&p);
    if (p.rc == PL_OK && p.t.type != T_END)
        (void)bad(&p, p.t.at, "'%.*s' does not fit here", (int)(p.t.s.n < 40 ? p.t.s.n : 40), p.t.s.p);
    if (p.rc == PL_OK && n == NULL)
        p.rc = pl_fail(&e, PL_LIMIT, "the packs are too large");
    if (p.rc != PL_OK) {
        *at = p.at;
        return pl_fail(err, p.rc, "%s", e.text);
    }
    *out = n;
    return PL_OK;
}

void expr_order(const node *n, slotset *seen, uint16_t *out, size_t *count)
{
    if (n->slot >= 0 && !slot_has(seen, (size_t)n->slot)) {
        slot_add(seen, (size_t)n->slot);
        out[(*count)++] = (uint16_t)n->slot;
    }
    if (n->let != NULL && !n->let->is_read) {
        n->let->is_read = true;
        expr_order(n->let->expr, seen, out, count);
    }
    for (size_t i = 0; i < n->nkids; i++)
        expr_order(n->kids[i], seen, out, count);
}

unsigned expr_height(const node *n)
{
    unsigned most = n->let != NULL ? n->let->height : n->rule != NULL ? n->rule->height : 0;

    for (size_t i = 0; i < n->nkids; i++) {
        unsigned h = expr_height(n->kids[i]);

        most = h > most ? h : most;
    }
    return most + 1;
}

/* Rules, definitions and results are read once: what hangs on one is kept with it. */
static const slotset *rule_facts(rule *r)
{
    if (!r->has_facts) {
        r->has_facts = true;
        expr_facts(r->when, &r->facts);
    }
    return &r->facts;
}

static void let_facts(let *l, slotset *out)
{
    if (!l->has_facts) {
        l->has_facts = true;
        expr_facts(l->expr, &l->facts);
    }
    slot_join(out, &l->facts);
}

static void field_facts(const field *f, slotset *out)
{
    for (size_t i = 0; i < f->nentries; i++) {
        slot_join(out, rule_facts(f->entries[i].rule));
        if (f->entries[i].expr != NULL)
            expr_facts(f->entries[i].expr, out);
    }
}

void expr_facts(const node *n, slotset *out)
{
    if (n->slot >= 0)
        slot_add(out, (size_t)n->slot);
    if (n->let != NULL)
        let_facts(n->let, out);
    if (n->rule != NULL)
        slot_join(out, rule_facts(n->rule));
    if (n->field != NULL)
        field_facts(n->field, out);
    for (size_t i = 0; i < n->nkids; i++)
        expr_facts(n->kids[i], out);
}
