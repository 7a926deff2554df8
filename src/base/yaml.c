#include "base/banned.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/utf8.h"
#include "base/yaml.h"
#include "base/yaml_int.h"

#include <errno.h>
#include <math.h>

/* Built from parser events rather than from libfyaml's documents: anchors, aliases and
 * tags are refused as they are met, so that no alias is ever expanded. */

#define YAML_DEPTH  64
#define YAML_BLANKS 512  /* spaces, tabs and line ends in a row */
#define YAML_OPEN   1000 /* brackets and braces */

typedef struct yaml_level {
    json_t *node; /* borrowed from its parent, or the root */
    char   *key;  /* mapping: the key waiting for its value */
} yaml_level;

typedef struct yaml_load {
    struct fy_parser *parser;
    const char       *where;
    pl_str            text;
    json_t           *root;
    yaml_level        level[YAML_DEPTH];
    size_t            depth;
    unsigned          documents;
    int               line, column; /* of the latest event, from 1 */
    pl_error         *err;
} yaml_load;

static pl_rc fail_at(yaml_load *y, const struct fy_event *e, pl_rc rc, const char *what)
{
    struct fy_token      *t = fy_event_get_token((struct fy_event *)(uintptr_t)e);
    const struct fy_mark *m = t != NULL ? fy_token_start_mark(t) : NULL;

    if (m == NULL)
        m = fy_event_start_mark((struct fy_event *)(uintptr_t)e);
    if (m == NULL)
        return pl_fail(y->err, rc, "%s: %s", y->where, what);
    return pl_fail(y->err, rc, "%s:%d:%d: %s", y->where, m->line + 1, m->column + 1, what);
}

/* --- scalars: YAML 1.2.2 §10.3.2 (core schema) ---------------------------------- */

static bool is_one_of(pl_str s, const char *const *words)
{
    for (; *words != NULL; words++)
        if (strlen(*words) == s.n && memcmp(*words, s.p, s.n) == 0)
            return true;
    return false;
}

#define DIGITS "0123456789"

/* 0 when s is not an integer of the core schema, else its base; *digits is where the
 * digits start. */
static int integer_base(pl_str s, size_t *digits)
{
    size_t sign = s.n > 0 && (s.p[0] == '-' || s.p[0] == '+');

    *digits = sign;
    if (s.n > sign && yaml_run_of(s, sign, DIGITS) == s.n - sign)
        return 10;
    *digits = 2;
    if (s.n > 2 && memcmp(s.p, "0o", 2) == 0 && yaml_run_of(s, 2, "01234567") == s.n - 2)
        return 8;
    if (s.n > 2 && memcmp(s.p, "0x", 2) == 0 &&
        yaml_run_of(s, 2, DIGITS "abcdefABCDEF") == s.n - 2)
        return 16;
    return 0;
}

/* [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? */
static bool is_float(pl_str s)
{
    size_t i = s.n > 0 && (s.p[0] == '-' || s.p[0] == '+');
    size_t whole = yaml_run_of(s, i, DIGITS), part = 0, n;

    i += whole;
    if (i < s.n && s.p[i] == '.') {
        part = yaml_run_of(s, ++i, DIGITS);
        i += part;
    }
    if (whole == 0 && part == 0)
        return false;
    if (i < s.n && (s.p[i] == 'e' || s.p[i] == 'E')) {
        i++;
        if (i < s.n && (s.p[i] == '-' || s.p[i] == '+'))
            i++;
        n = yaml_run_of(s, i, DIGITS);
        if (n == 0)
            return false;
        i += n;
    }
    return i == s.n;
}

static pl_rc integer_of(yaml_load *y, const struct fy_event *e, pl_str s, int base, size_t digits,
                        json_t **out)
{
    bool     negative = s.p[0] == '-';
    uint64_t v = 0;
    bool     over = false;

    for (size_t i = digits; i < s.n; i++) {
        int c = (unsigned char)s.p[i];
        int d = c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;

        over |= __builtin_mul_overflow(v, (uint64_t)base, &v);
        over |= __builtin_add_overflow(v, (uint64_t)d, &v);
    }
    if (over || v > (uint64_t)INT64_MAX + negative)
        return fail_at(y, e, PL_INVALID, "number is too large");
    *out = json_integer(negative ? (int64_t)(0 - v) : (int64_t)v);
    return PL_OK;
}

static pl_rc float_of(yaml_load *y, const struct fy_event *e, pl_str s, json_t **out)
{
    char   z[64];
    double v;

    if (s.n >= sizeof z)
        return fail_at(y, e, PL_INVALID, "number has too many digits");
    memcpy(z, s.p, s.n);
    z[s.n] = '\0';
    v = strtod(z, NULL);
    if (!isfinite(v))
        return fail_at(y, e, PL_INVALID, "number is too large");
    *out = json_real(v);
    return PL_OK;
}

static pl_rc plain_scalar(yaml_load *y, const struct fy_event *e, pl_str s, json_t **out)
{
    static const char *const nulls[] = { "", "~", "null", "Null", "NULL", NULL };
    static const char *const yes[] = { "true", "True", "TRUE", NULL };
    static const char *const no[] = { "false", "False", "FALSE", NULL };
    static const char *const endless[] = { ".inf", ".Inf", ".INF",  "-.inf", "-.Inf", "-.INF",
                                           "+.inf", "+.Inf", "+.INF", ".nan", ".NaN", ".NAN",
                                           NULL };
    size_t                   digits;
    int                      base;

    if (is_one_of(s, nulls))
        *out = json_null();
    else if (is_one_of(s, yes))
        *out = json_true();
    else if (is_one_of(s, no))
        *out = json_false();
    else if ((base = integer_base(s, &digits)) != 0)
        return integer_of(y, e, s, base, digits, out);
    else if (is_float(s))
        return float_of(y, e, s, out);
    else if (is_one_of(s, endless))
        return fail_at(y, e, PL_INVALID, "infinities and NaN are not accepted");
    else
        *out = json_stringn(s.p, s.n);
    return PL_OK;
}

/* --- any scalar ------------------------------------------------------------------ */

/* Gives the text of a token, in *own or borrowed from the token. */
static pl_rc token_text(yaml_load *y, const struct fy_event *e, pl_buf *own, pl_str *out)
{
    pl_rc rc = yaml_token_text(y->text, e->scalar.value, own, out);

    return rc == PL_OK ? PL_OK
           : rc == PL_INVALID ? fail_at(y, e, rc, "cannot find the text of the scalar")
                              : pl_fail(y->err, rc, "out of memory");
}

static pl_rc text_value(yaml_load *y, const struct fy_event *e, pl_str s, json_t **out)
{
    struct fy_token *t = e->scalar.value;
    pl_rc            rc = PL_OK;

    if (memchr(s.p, '\0', s.n) != NULL)
        return fail_at(y, e, PL_INVALID, "NUL characters are not accepted");
    /* An escape can spell half a surrogate pair; jansson would refuse the string. */
    if (!pl_utf8_valid(s))
        return fail_at(y, e, PL_INVALID, "scalar is not valid Unicode text");
    if (t == NULL || fy_token_scalar_style(t) == FYSS_PLAIN)
        rc = plain_scalar(y, e, s, out);
    else
        *out = json_stringn(s.p, s.n);
    if (rc == PL_OK && *out == NULL)
        return pl_fail(y->err, PL_NOMEM, "out of memory");
    return rc;
}

static pl_rc scalar_value(yaml_load *y, const struct fy_event *e, json_t **out)
{
    pl_buf own = PL_BUF_INIT(PL_YAML_MAX);
    pl_str s;
    pl_rc  rc = token_text(y, e, &own, &s);

    *out = NULL;
    if (rc == PL_OK)
        rc = text_value(y, e, s, out);
    pl_buf_done(&own);
    return rc;
}

/* --- structure ------------------------------------------------------------------ */

/* Hangs a finished scalar or a fresh container (reference taken over) into the tree. */
static pl_rc attach(yaml_load *y, const struct fy_event *e, json_t *v)
{
    yaml_level *top = y->depth > 0 ? &y->level[y->depth - 1] : NULL;
    int         failed;

    if (v == NULL)
        return pl_fail(y->err, PL_NOMEM, "out of memory");
    if (top == NULL) {
        y->root = v;
        return PL_OK;
    }
    if (json_is_array(top->node)) {
        failed = json_array_append_new(top->node, v);
    } else if (top->key == NULL) {
        json_decref(v);
        return fail_at(y, e, PL_INVALID, "mapping keys must be strings");
    } else {
        failed = json_object_set_new(top->node, top->key, v);
        free(top->key);
        top->key = NULL;
    }
    return failed ? pl_fail(y->err, PL_NOMEM, "out of memory") : PL_OK;
}

static pl_rc take_key(yaml_load *y, const struct fy_event *e, yaml_level *top)
{
    json_t *k;
    pl_rc   rc = scalar_value(y, e, &k);

    if (rc != PL_OK)
        return rc;
    if (!json_is_string(k))
        rc = fail_at(y, e, PL_INVALID, "mapping keys must be strings");
    else if (json_object_get(top->node, json_string_value(k)) != NULL)
        rc = fail_at(y, e, PL_INVALID, "duplicate mapping key");
    else if ((top->key = strdup(json_string_value(k))) == NULL)
        rc = pl_fail(y->err, PL_NOMEM, "out of memory");
    json_decref(k);
    return rc;
}

static pl_rc on_scalar(yaml_load *y, const struct fy_event *e)
{
    yaml_level *top = y->depth > 0 ? &y->level[y->depth - 1] : NULL;
    json_t     *v;
    pl_rc       rc;

    if (e->scalar.anchor != NULL)
        return fail_at(y, e, PL_INVALID, "anchors are not accepted");
    if (e->scalar.tag != NULL)
        return fail_at(y, e, PL_INVALID, "tags are not accepted");
    if (top != NULL && json_is_object(top->node) && top->key == NULL)
        return take_key(y, e, top);
    rc = scalar_value(y, e, &v);
    return rc == PL_OK ? attach(y, e, v) : rc;
}

static pl_rc on_open(yaml_load *y, const struct fy_event *e, struct fy_token *anchor,
                     struct fy_token *tag, json_t *node)
{
    pl_rc rc;

    if (anchor != NULL || tag != NULL || y->depth == YAML_DEPTH) {
        json_decref(node);
        if (y->depth == YAML_DEPTH)
            return fail_at(y, e, PL_LIMIT, "nested too deeply");
        return fail_at(y, e, PL_INVALID,
                       anchor != NULL ? "anchors are not accepted" : "tags are not accepted");
    }
    rc = attach(y, e, node);
    if (rc == PL_OK)
        y->level[y->depth++] = (yaml_level){ .node = node };
    return rc;
}

static pl_rc on_event(yaml_load *y, const struct fy_event *e)
{
    switch (e->type) {
    case FYET_DOCUMENT_START:
        if (++y->documents > 1)
            return fail_at(y, e, PL_INVALID, "more than one document");
        return PL_OK;
    case FYET_ALIAS:
        return fail_at(y, e, PL_INVALID, "aliases are not accepted");
    case FYET_SCALAR:
        return on_scalar(y, e);
    case FYET_SEQUENCE_START:
        return on_open(y, e, e->sequence_start.anchor, e->sequence_start.tag, json_array());
    case FYET_MAPPING_START:
        return on_open(y, e, e->mapping_start.anchor, e->mapping_start.tag, json_object());
    case FYET_SEQUENCE_END:
    case FYET_MAPPING_END:
        y->depth--;
        return PL_OK;
    default:
        return PL_OK;
    }
}

/* What libfyaml collected, as one message of ours. */
static pl_rc syntax_error(yaml_load *y, struct fy_diag *diag)
{
    void                 *iter = NULL;
    struct fy_diag_error *e = fy_diag_errors_iterate(diag, &iter);

    if (e == NULL || e->msg == NULL)
        return pl_fail(y->err, PL_INVALID, "%s:%d:%d: not valid YAML from here on", y->where,
                       y->line, y->column);
    return pl_fail(y->err, PL_INVALID, "%s:%d:%d: %s", y->where, e->line, e->column, e->msg);
}

static void note_position(yaml_load *y, struct fy_event *e)
{
    const struct fy_mark *m = fy_event_end_mark(e);

    if (m != NULL && m->line >= 0) {
        y->line = m->line + 1;
        y->column = m->column + 1;
    }
}

static pl_rc run_events(yaml_load *y, struct fy_diag *diag)
{
    pl_rc rc = PL_OK;

    while (rc == PL_OK) {
        struct fy_event *e = fy_parser_parse(y->parser);
        bool             end = e != NULL && e->type == FYET_STREAM_END;

        if (e == NULL)
            return syntax_error(y, diag);
        note_position(y, e);
        rc = on_event(y, e);
        fy_parser_event_free(y->parser, e);
        if (end)
            break;
    }
    return rc;
}

static pl_rc parse_with(yaml_load *y, struct fy_diag *diag, pl_str text)
{
    struct fy_parse_cfg cfg = {
        .flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG | FYPCF_JSON_NONE | FYPCF_DEFAULT_VERSION_1_2,
        .diag = diag,
    };
    pl_rc rc;

    y->text = text;
    y->parser = fy_parser_create(&cfg);
    if (y->parser == NULL)
        return pl_fail(y->err, PL_NOMEM, "out of memory");
    if (fy_parser_set_string(y->parser, text.p, text.n) != 0)
        rc = pl_fail(y->err, PL_NOMEM, "out of memory");
    else
        rc = run_events(y, diag);
    for (size_t i = 0; i < y->depth; i++)
        free(y->level[i].key);
    fy_parser_destroy(y->parser);
    return rc;
}

static pl_rc refuse(yaml_load *y, size_t line, pl_rc rc, const char *what)
{
    return pl_fail(y->err, rc, "%s:%zu:1: %s", y->where, line, what);
}

/* libfyaml 0.7 takes time quadratic in the length of a directive it does not know, of a
 * run of blanks and of open brackets, before it hands out the first event. All three are
 * refused here, counting without regard to quotes: sane files come nowhere near. It also
 * takes a NUL for the end, and lets control characters pass that YAML 1.2.2 §5.1 forbids. */
static pl_rc screen_text(yaml_load *y, pl_str text)
{
    size_t line = 1, blanks = 0, open = 0;
    bool   start = true;

    if (text.n >= 3 && memcmp(text.p, "\xef\xbb\xbf", 3) == 0)
        text = (pl_str){ text.p + 3, text.n - 3 };
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        bool newline = c == '\n' || c == '\r';

        if (start && c == '%')
            return refuse(y, line, PL_INVALID, "directives are not accepted");
        blanks = newline || c == ' ' || c == '\t' ? blanks + 1 : 0;
        if (blanks > YAML_BLANKS)
            return refuse(y, line, PL_LIMIT, "too many blanks in a row");
        if (blanks == 0 && ((unsigned char)c < 0x20 || c == 0x7f))
            return refuse(y, line, PL_INVALID, "control characters are not accepted");
        if (c == '[' || c == '{')
            open++;
        else if ((c == ']' || c == '}') && open > 0)
            open--;
        if (open > YAML_OPEN)
            return refuse(y, line, PL_LIMIT, "too many open brackets");
        start = newline;
        line += newline && !(c == '\r' && i + 1 < text.n && text.p[i + 1] == '\n');
    }
    return PL_OK;
}

/* Some complaints of libfyaml are printed, not collected; only hosts write to stderr. */
static void ignore_output(struct fy_diag *diag, void *user, const char *text, size_t n)
{
    (void)diag, (void)user, (void)text, (void)n;
}

static struct fy_diag *make_diag(void)
{
    struct fy_diag_cfg cfg;
    struct fy_diag    *diag;

    fy_diag_cfg_default(&cfg);
    cfg.fp = NULL;
    cfg.output_fn = ignore_output;
    diag = fy_diag_create(&cfg);
    if (diag != NULL)
        fy_diag_set_collect_errors(diag, true);
    return diag;
}

pl_rc pl_yaml_parse(pl_str text, const char *where, json_t **out, pl_error *err)
{
    yaml_load       y = { .where = where, .line = 1, .column = 1, .err = err };
    struct fy_diag *diag;
    pl_rc           rc;

    if (text.n > PL_YAML_MAX)
        return pl_fail(err, PL_LIMIT, "%s: larger than %u bytes", where, PL_YAML_MAX);
    if (!pl_utf8_valid(text))
        return pl_fail(err, PL_INVALID, "%s: not UTF-8 text", where);
    if (text.p == NULL)
        text = PL_STR("");
    rc = screen_text(&y, text);
    if (rc != PL_OK)
        return rc;
    diag = make_diag();
    if (diag == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    rc = parse_with(&y, diag, text);
    fy_diag_destroy(diag);

    if (rc == PL_OK && y.root == NULL)
        y.root = json_null();
    if (rc != PL_OK) {
        json_decref(y.root);
        return rc;
    }
    *out = y.root;
    return PL_OK;
}

pl_rc pl_yaml_load(const char *path, json_t **out, pl_error *err)
{
    char  *text;
    size_t n;
    pl_rc  rc = pl_file_read(path, PL_YAML_MAX, &text, &n, err);

    if (rc != PL_OK)
        return rc;
    rc = pl_yaml_parse((pl_str){ text, n }, path, out, err);
    free(text);
    return rc;
}
