/* One walk over a chat.completion or chat.completion.chunk object: which strings belong to
 * which choice and channel. Used for whole answers and for each event of a stream. */
#include "base/banned.h"

#include "base/str.h"
#include "cap/guard/guard_int.h"

typedef struct walk {
    pl_jsonscan     json;
    answer_visitor *v;
    pl_error       *err;
    answer_choice   c;
    bool            stop;
} walk;

static pl_rc next(walk *w, pl_jsontok *t)
{
    return pl_jsonscan_next(&w->json, t, w->err);
}

static bool opens(const pl_jsontok *t)
{
    return t->type == PL_JT_OBJ_BEGIN || t->type == PL_JT_ARR_BEGIN;
}

static bool closes(const pl_jsontok *t)
{
    return t->type == PL_JT_OBJ_END || t->type == PL_JT_ARR_END;
}

static pl_rc tell_string(walk *w, const pl_jsontok *t)
{
    if (t->raw.n && w->v->on_string(w->v->ctx, t))
        w->stop = true;
    return PL_OK;
}

/* Every string and key below the value that t begins goes to on_string. */
static pl_rc tell_value(walk *w, pl_jsontok *t)
{
    unsigned open = 0;

    for (;;) {
        if (t->type == PL_JT_STRING || t->type == PL_JT_KEY)
            (void)tell_string(w, t);
        open += opens(t);
        open -= closes(t);
        if (open == 0)
            return PL_OK;
        pl_rc rc = next(w, t);
        if (rc != PL_OK)
            return rc;
    }
}

static pl_rc piece_add(walk *w, uint32_t channel, const pl_jsontok *t)
{
    answer_choice *c = &w->c;

    if (t->raw.n == 0)
        return PL_OK;
    if (c->n == c->cap) {
        size_t        cap = c->cap ? c->cap * 2 : 8;
        answer_piece *p = realloc(c->piece, cap * sizeof *p);
        if (!p)
            return pl_fail(w->err, PL_NOMEM, "out of memory");
        c->piece = p;
        c->cap = cap;
    }
    c->piece[c->n++] = (answer_piece){ channel, *t };
    return PL_OK;
}

/* FNV-1a: any stable spread over names will do. */
static uint32_t name_hash(uint32_t h, const pl_jsontok *key)
{
    for (size_t i = 0; i < key->raw.n; i++)
        h = (h ^ (uint8_t)key->raw.p[i]) * 16777619u;
    return (h & (CH_OTHER - 1)) | CH_OTHER;
}

static uint32_t channel_of(const pl_jsontok *key)
{
    static const struct {
        const char *name;
        uint32_t    channel;
    } known[] = {
        { "content", CH_TEXT },
        { "reasoning_content", CH_REASON },
        { "refusal", CH_REFUSAL },
    };

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (pl_jsontok_is(key, known[i].name))
            return known[i].channel;
    return name_hash(2166136261u, key);
}

/* Arguments and name of a call are texts that may come in pieces; its id, type and
 * anything else are strings by themselves. */
static pl_rc tool_string(walk *w, const pl_jsontok *key, const pl_jsontok *t)
{
    if (pl_jsontok_is(key, "arguments") || pl_jsontok_is(key, "input"))
        return piece_add(w, CH_TOOL, t);
    if (pl_jsontok_is(key, "name"))
        return piece_add(w, CH_TOOL + 1, t);
    return tell_string(w, t);
}

/* One element of tool_calls: its "index" names the call, wherever it stands. */
static pl_rc tool_call(walk *w, pl_jsontok *t, uint64_t ordinal)
{
    size_t     first = w->c.n;
    unsigned   open = 0;
    pl_jsontok key = { 0 };
    pl_rc      rc = PL_OK;

    for (;;) {
        if (t->type == PL_JT_KEY) {
            key = *t;
            rc = tell_string(w, t);
        } else if (t->type == PL_JT_STRING) {
            rc = tool_string(w, &key, t);
        }
        if (t->type == PL_JT_NUMBER && open == 1 && pl_jsontok_is(&key, "index"))
            (void)pl_str_u64(t->raw, &ordinal, NULL);
        open += opens(t);
        open -= closes(t);
        if (rc != PL_OK || open == 0)
            break;
        if ((rc = next(w, t)) != PL_OK)
            break;
    }
    for (size_t i = first; i < w->c.n; i++)
        w->c.piece[i].channel += 2 * (uint32_t)(ordinal & 0xffff);
    return rc;
}

static pl_rc tool_calls(walk *w, pl_jsontok *t)
{
    uint64_t ordinal = 0;
    pl_rc    rc;

    if (t->type == PL_JT_NULL)
        return PL_OK;
    w->c.has_tool = true;
    if (t->type != PL_JT_ARR_BEGIN)
        return tool_call(w, t, 0);
    while ((rc = next(w, t)) == PL_OK && t->type != PL_JT_ARR_END)
        if ((rc = tool_call(w, t, ordinal++)) != PL_OK)
            return rc;
    return rc;
}

/* A string inside a member: it may continue what the same place said in an earlier event,
 * and it may be a text of its own. */
static pl_rc nested_string(walk *w, uint32_t channel, const pl_jsontok *key, const pl_jsontok *t)
{
    (void)tell_string(w, t);
    return piece_add(w, name_hash(channel, key), t);
}

/* Any other member of message/delta: its strings continue a channel of that name. */
static pl_rc other_member(walk *w, pl_jsontok *t, uint32_t channel)
{
    unsigned   open = 0;
    pl_jsontok key = { 0 };
    pl_rc      rc = PL_OK;

    for (;;) {
        if (t->type == PL_JT_STRING) {
            rc = open ? nested_string(w, channel, &key, t) : piece_add(w, channel, t);
        } else if (t->type == PL_JT_KEY) {
            key = *t;
            rc = tell_string(w, t);
        }
        open += opens(t);
        open -= closes(t);
        if (rc != PL_OK || open == 0)
            return rc;
        if ((rc = next(w, t)) != PL_OK)
            return rc;
    }
}

static pl_rc message(walk *w, pl_jsontok *t)
{
    unsigned content = 0;
    pl_rc    rc;

    if (t->type == PL_JT_NULL)
        return PL_OK;
    if (t->type != PL_JT_OBJ_BEGIN)
        return pl_fail(w->err, PL_INVALID, "a choice's message is not an object");
    while ((rc = next(w, t)) == PL_OK && t->type == PL_JT_KEY) {
        pl_jsontok key = *t;
        bool       is_tool = pl_jsontok_is(&key, "tool_calls") || pl_jsontok_is(&key, "function_call");

        if (channel_of(&key) & CH_OTHER)
            (void)tell_string(w, &key);
        if (pl_jsontok_is(&key, "content") && content++)
            return pl_fail(w->err, PL_INVALID, "a message has two 'content' members");
        if ((rc = next(w, t)) != PL_OK)
            return rc;
        if (pl_jsontok_is(&key, "role") && t->type == PL_JT_STRING)
            rc = tell_string(w, t);
        else
            rc = is_tool ? tool_calls(w, t) : other_member(w, t, channel_of(&key));
        if (rc != PL_OK)
            return rc;
    }
    return rc;
}

static pl_rc choice_member(walk *w, pl_jsontok *t)
{
    pl_jsontok key = *t;
    uint64_t   index;
    pl_rc      rc = next(w, t);

    if (rc != PL_OK)
        return rc;
    (void)tell_string(w, &key);
    if (pl_jsontok_is(&key, "message") || pl_jsontok_is(&key, "delta")) {
        if (w->c.has_message) /* two readers may take different ones */
            return pl_fail(w->err, PL_INVALID, "a choice has two messages");
        w->c.has_message = true;
        return message(w, t);
    }
    if (pl_jsontok_is(&key, "text") && t->type == PL_JT_STRING)
        return piece_add(w, channel_of(&key), t);
    if (pl_jsontok_is(&key, "index") && t->type == PL_JT_NUMBER &&
        pl_str_u64(t->raw, &index, NULL) == PL_OK)
        w->c.index = index > PL_CHOICES_MAX ? PL_CHOICES_MAX : (int64_t)index;
    /* Some servers say "" on every chunk that does not finish. */
    if (pl_jsontok_is(&key, "finish_reason") && t->type == PL_JT_STRING && t->raw.n &&
        !pl_str_eqz(t->raw, "null"))
        w->c.finished = true;
    if (pl_jsontok_is(&key, "logprobs") && opens(t))
        w->c.has_logprobs = true;
    return tell_value(w, t);
}

static pl_rc one_choice(walk *w, pl_jsontok *t, int64_t ordinal)
{
    pl_rc rc;

    if (t->type != PL_JT_OBJ_BEGIN)
        return pl_fail(w->err, PL_INVALID, "a choice is not an object");
    w->c = (answer_choice){ .index = ordinal, .piece = w->c.piece, .cap = w->c.cap };
    while ((rc = next(w, t)) == PL_OK && t->type == PL_JT_KEY)
        if ((rc = choice_member(w, t)) != PL_OK)
            return rc;
    if (rc == PL_OK && w->v->on_choice(w->v->ctx, &w->c))
        w->stop = true;
    return rc;
}

static pl_rc choices(walk *w, pl_jsontok *t)
{
    int64_t ordinal = 0;
    pl_rc   rc;

    if (t->type != PL_JT_ARR_BEGIN)
        return tell_value(w, t);
    if (w->v->saw_choices)
        return pl_fail(w->err, PL_INVALID, "two 'choices' members");
    w->v->saw_choices = true;
    while ((rc = next(w, t)) == PL_OK && t->type != PL_JT_ARR_END)
        if ((rc = one_choice(w, t, ordinal++)) != PL_OK || w->stop)
            return rc;
    return rc;
}

static pl_rc top_member(walk *w, pl_jsontok *t)
{
    static const char *const head[] = { "id", "model", "created" };
    pl_jsontok key = *t;
    pl_rc      rc = next(w, t);

    if (rc != PL_OK)
        return rc;
    if (pl_jsontok_is(&key, "choices"))
        return choices(w, t);
    for (size_t i = 0; i < sizeof head / sizeof head[0]; i++)
        if (pl_jsontok_is(&key, head[i]))
            w->v->on_head(w->v->ctx, head[i], t);
    (void)tell_string(w, &key);
    return tell_value(w, t);
}

static pl_rc walk_object(walk *w)
{
    pl_jsontok t;
    pl_rc      rc = next(w, &t);

    if (rc != PL_OK)
        return rc;
    if (t.type != PL_JT_OBJ_BEGIN)
        return pl_fail(w->err, PL_INVALID, "not a JSON object");
    while ((rc = next(w, &t)) == PL_OK && t.type == PL_JT_KEY)
        if ((rc = top_member(w, &t)) != PL_OK || w->stop)
            return rc;
    return rc == PL_OK ? next(w, &t) : rc;
}

pl_rc pl_answer_walk(pl_str json, answer_visitor *v, pl_error *err)
{
    walk  w = { .v = v, .err = err };
    pl_rc rc;

    pl_jsonscan_init(&w.json, json);
    rc = walk_object(&w);
    free(w.c.piece);
    return rc;
}
