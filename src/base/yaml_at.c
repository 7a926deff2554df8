#include "base/banned.h"

#include "base/str.h"
#include "base/yaml_at.h"
#include "base/yaml_int.h"

#include <stdio.h>

#define STEP_MAX  512 /* bytes of one step of a path */
#define DEPTH_MAX 64  /* as in yaml.c */

typedef struct walk {
    struct fy_parser *parser;
    pl_str            text;
    pl_yaml_pos       pos;
} walk;

/* Takes the first step off a JSON pointer, with ~1 and ~0 undone (RFC 6901 §3, §4). */
static bool step_take(pl_str *path, char step[STEP_MAX])
{
    size_t i, n = 0;

    if (path->n == 0)
        return false;
    for (i = 1; i < path->n && path->p[i] != '/'; i++) {
        char c = path->p[i];

        if (c == '~' && i + 1 < path->n)
            c = path->p[++i] == '1' ? '/' : '~';
        if (n + 1 < STEP_MAX)
            step[n++] = c;
    }
    step[n] = '\0';
    *path = (pl_str){ path->p + i, path->n - i };
    return true;
}

static void position(walk *w, struct fy_event *e)
{
    struct fy_token      *t = fy_event_get_token(e);
    const struct fy_mark *m = t != NULL ? fy_token_start_mark(t) : NULL;

    if (m == NULL)
        m = fy_event_start_mark(e);
    if (m != NULL)
        w->pos = (pl_yaml_pos){ m->line + 1, m->column + 1 };
}

static bool scalar_is(const walk *w, struct fy_event *e, const char *name)
{
    pl_buf own = PL_BUF_INIT(w->text.n + 1);
    pl_str s = { NULL, 0 };
    bool   is = e->type == FYET_SCALAR && e->scalar.value != NULL &&
              yaml_token_text(w->text, e->scalar.value, &own, &s) == PL_OK && pl_str_eqz(s, name);

    pl_buf_done(&own);
    return is;
}

static void follow(walk *w, struct fy_event *e, const pl_str *path, int depth);

/* Reads the next event and walks into it; `path` is NULL off the path. False at the end
 * of the container or of the input. */
static bool follow_next(walk *w, const pl_str *path, int depth)
{
    struct fy_event *e = fy_parser_parse(w->parser);
    bool             more = e != NULL && e->type != FYET_SEQUENCE_END &&
                e->type != FYET_MAPPING_END && e->type != FYET_STREAM_END;

    if (more)
        follow(w, e, path, depth);
    fy_parser_event_free(w->parser, e);
    return more;
}

static void follow_sequence(walk *w, const pl_str *tail, const char *step, int depth)
{
    char   number[24];
    bool   more = true;
    size_t i = 0;

    while (more) {
        (void)snprintf(number, sizeof number, "%zu", i++);
        more = follow_next(w, tail != NULL && strcmp(number, step) == 0 ? tail : NULL, depth);
    }
}

static void follow_mapping(walk *w, const pl_str *tail, const char *step, int depth)
{
    for (;;) {
        struct fy_event *key = fy_parser_parse(w->parser);
        bool             end = key == NULL || key->type == FYET_MAPPING_END;
        bool             hit = !end && tail != NULL && scalar_is(w, key, step);
        pl_yaml_pos      at;

        if (hit)
            position(w, key);
        else if (!end)
            follow(w, key, NULL, depth);
        fy_parser_event_free(w->parser, key);
        if (end)
            return;
        at = w->pos;
        if (!follow_next(w, hit ? tail : NULL, depth))
            return;
        if (hit && tail->n == 0)
            w->pos = at; /* a member stands at its key */
    }
}

/* Consumes the value that e begins and, on the path, notes where it stands. */
static void follow(walk *w, struct fy_event *e, const pl_str *path, int depth)
{
    pl_str tail = path != NULL ? *path : (pl_str){ NULL, 0 };
    char   step[STEP_MAX];
    bool   deeper;

    if (path != NULL)
        position(w, e);
    if (depth == DEPTH_MAX)
        return;
    deeper = path != NULL && step_take(&tail, step);
    if (e->type == FYET_SEQUENCE_START)
        follow_sequence(w, deeper ? &tail : NULL, step, depth + 1);
    else if (e->type == FYET_MAPPING_START)
        follow_mapping(w, deeper ? &tail : NULL, step, depth + 1);
}

static void walk_document(walk *w, pl_str path)
{
    for (;;) {
        struct fy_event *e = fy_parser_parse(w->parser);
        bool             value = e != NULL && (e->type == FYET_SCALAR ||
                                   e->type == FYET_SEQUENCE_START ||
                                   e->type == FYET_MAPPING_START);

        if (value)
            follow(w, e, &path, 0);
        if (e == NULL || value) {
            fy_parser_event_free(w->parser, e);
            return;
        }
        fy_parser_event_free(w->parser, e);
    }
}

pl_yaml_pos pl_yaml_at(pl_str text, const char *pointer)
{
    struct fy_diag     *diag = fy_diag_create(NULL);
    struct fy_parse_cfg cfg = {
        .flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG | FYPCF_JSON_NONE | FYPCF_DEFAULT_VERSION_1_2,
        .diag = diag,
    };
    walk w = { .text = text, .pos = { 1, 1 } };

    if (diag == NULL)
        return w.pos;
    fy_diag_set_collect_errors(diag, true); /* kept off stderr: they were reported already */
    w.parser = fy_parser_create(&cfg);
    if (w.parser != NULL && fy_parser_set_string(w.parser, text.p, text.n) == 0)
        walk_document(&w, pl_str_z(pointer));
    if (w.parser != NULL)
        fy_parser_destroy(w.parser);
    fy_diag_destroy(diag);
    return w.pos;
}

pl_rc pl_yaml_fail(pl_error *err, pl_str text, const char *where, const char *pointer,
                   const char *fmt, ...)
{
    pl_yaml_pos at = pl_yaml_at(text, pointer);
    char        what[200];
    va_list     ap;

    va_start(ap, fmt);
    (void)vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    return pl_fail(err, PL_INVALID, "%s:%d:%d: %s", where, at.line, at.column, what);
}
