/* The request side: one pass over the body, every string scanned, facts collected.
 *
 * Text parts of one message are one text to a model, so they are scanned as one: a phrase
 * split over parts is still a phrase. Everything else (names, schemas, tool descriptions,
 * keys) is scanned string by string. */
#include "base/banned.h"

#include "base/str.h"
#include "base/utf8.h"
#include "cap/guard/guard_int.h"

#define HAN_PERCENT_ZH 20 /* above this share of Han letters a text is answered in Chinese */
#define SCRATCH_MAX    (64u << 20)

typedef struct judge {
    const pl_policy *policy;
    int              route;
    request_facts   *facts;
    tally           *found;
    pl_error        *err;
    pl_jsonscan      json;
    pl_buf           message; /* text of the current message, its parts joined */
    pl_buf           text, inner;
    bool             message_zh, any_user;
    bool             failed; /* a text could not be judged */
} judge;

/* --- scanning ------------------------------------------------------------------- */

static int on_finding(void *ctx, const pl_text_finding *f)
{
    judge *j = ctx;

    tally_add(j->found, f->rule, pl_policy_action(j->policy, j->route, false, f->rule));
    return 0;
}

/* The token's text, unescaped when needed; valid until the next call. */
static pl_str token_text(judge *j, const pl_jsontok *t)
{
    if (!t->escaped)
        return t->raw;
    pl_buf_clear(&j->text);
    pl_json_unescape(t->raw, &j->text);
    return pl_buf_str(&j->text);
}

static void scan(judge *j, pl_str s, unsigned parts)
{
    j->failed |= pl_screen_scan(pl_policy_screen(j->policy), s, parts, on_finding, j, NULL) != PL_OK;
}

static void scan_single(judge *j, pl_str s)
{
    j->found->scanned += s.n;
    scan(j, s, PL_SCREEN_KEYWORDS | PL_SCREEN_STRUCTURED);
}

/* A string that may hold JSON itself: also scanned with its inner escapes undone. */
static void scan_string(judge *j, const pl_jsontok *t)
{
    pl_str    s = token_text(j, t);
    unescaper u = { 0 };

    scan_single(j, s);
    if (!memchr(s.p, '\\', s.n))
        return;
    pl_buf_clear(&j->inner);
    pl_unescaper_feed(&u, s, &j->inner);
    scan_single(j, pl_buf_str(&j->inner));
}

static void scan_message_text(judge *j, const pl_jsontok *t)
{
    pl_str s = token_text(j, t);

    j->found->scanned += s.n;
    pl_buf_put(&j->message, s);
    if (pl_utf8_han_percent(s) >= HAN_PERCENT_ZH)
        j->message_zh = true;
}

/* --- walking -------------------------------------------------------------------- */

static pl_rc bad(judge *j, const char *what)
{
    return pl_fail(j->err, PL_INVALID, "%s", what);
}

static pl_rc next(judge *j, pl_jsontok *t)
{
    return pl_jsonscan_next(&j->json, t, j->err);
}

static bool opens(const pl_jsontok *t)
{
    return t->type == PL_JT_OBJ_BEGIN || t->type == PL_JT_ARR_BEGIN;
}

/* Scans every string below the value that t begins (t itself included). */
static pl_rc scan_value(judge *j, pl_jsontok *t)
{
    unsigned open = 0;

    for (;;) {
        if (t->type == PL_JT_STRING || t->type == PL_JT_KEY)
            scan_string(j, t);
        else if (opens(t))
            open++;
        else if (t->type == PL_JT_OBJ_END || t->type == PL_JT_ARR_END)
            open--;
        if (open == 0)
            return PL_OK;
        pl_rc rc = next(j, t);
        if (rc != PL_OK)
            return rc;
    }
}

/* A part is one text with its neighbours to some models and a text of its own to others:
 * a word at its edge must be seen either way. */
static void scan_part_text(judge *j, const pl_jsontok *t)
{
    scan_message_text(j, t);
    scan_string(j, t);
}

/* One part of a content array: {"type":"text","text":…}, image_url, input_audio … */
static pl_rc part(judge *j, pl_jsontok *t)
{
    bool  is_text = false;
    pl_rc rc;

    if (t->type == PL_JT_STRING) { /* some servers take plain strings as parts */
        scan_part_text(j, t);
        return PL_OK;
    }
    if (t->type != PL_JT_OBJ_BEGIN)
        return bad(j, "an element of 'content' is neither an object nor a string");
    while ((rc = next(j, t)) == PL_OK && t->type == PL_JT_KEY) {
        bool body = pl_jsontok_is(t, "text") || pl_jsontok_is(t, "refusal");
        if (!body && !pl_jsontok_is(t, "type"))
            scan_string(j, t);
        if ((rc = next(j, t)) != PL_OK)
            return rc;
        if (body && t->type == PL_JT_STRING) {
            scan_part_text(j, t);
            is_text = true;
        } else if ((rc = scan_value(j, t)) != PL_OK) {
            return rc;
        }
    }
    if (rc == PL_OK && !is_text)
        j->facts->unscreened++;
    return rc;
}

static pl_rc content(judge *j, pl_jsontok *t)
{
    pl_rc rc;

    if (t->type == PL_JT_NULL)
        return PL_OK;
    if (t->type == PL_JT_STRING) {
        scan_message_text(j, t);
        return PL_OK;
    }
    if (t->type != PL_JT_ARR_BEGIN)
        return bad(j, "'content' must be a string, an array of parts or null");
    while ((rc = next(j, t)) == PL_OK && t->type != PL_JT_ARR_END)
        if ((rc = part(j, t)) != PL_OK)
            return rc;
    return rc;
}

enum { SEEN_ROLE = 1, SEEN_CONTENT = 2 };

static pl_rc seen_once(judge *j, unsigned *seen, unsigned bit, const char *what)
{
    if (*seen & bit)
        return bad(j, what);
    *seen |= bit;
    return PL_OK;
}

static pl_rc message_member(judge *j, pl_jsontok *t, unsigned *seen, bool *is_user)
{
    bool  is_content = pl_jsontok_is(t, "content");
    bool  is_role = pl_jsontok_is(t, "role");
    pl_rc rc = PL_OK;

    if (is_content)
        rc = seen_once(j, seen, SEEN_CONTENT, "a message has two 'content' members");
    else if (is_role)
        rc = seen_once(j, seen, SEEN_ROLE, "a message has two 'role' members");
    else
        scan_string(j, t);
    if (rc == PL_OK)
        rc = next(j, t);
    if (rc != PL_OK)
        return rc;
    if (is_content)
        return content(j, t);
    if (is_role)
        *is_user = t->type == PL_JT_STRING && pl_str_eqz(token_text(j, t), "user");
    return scan_value(j, t);
}

static pl_rc message(judge *j, pl_jsontok *t)
{
    unsigned seen = 0;
    bool     is_user = false;
    pl_rc    rc;

    if (t->type != PL_JT_OBJ_BEGIN)
        return bad(j, "an element of 'messages' is not an object");
    pl_buf_clear(&j->message);
    j->message_zh = false;
    while ((rc = next(j, t)) == PL_OK && t->type == PL_JT_KEY)
        if ((rc = message_member(j, t, &seen, &is_user)) != PL_OK)
            return rc;
    if (rc != PL_OK)
        return rc;
    if (!(seen & SEEN_ROLE))
        return bad(j, "a message has no 'role'");
    j->failed |= j->message.failed;
    scan(j, pl_buf_str(&j->message), PL_SCREEN_ALL);
    if (is_user || !j->any_user)
        j->facts->zh = j->message_zh;
    j->any_user |= is_user;
    return PL_OK;
}

static pl_rc messages(judge *j, pl_jsontok *t)
{
    size_t n = 0;
    pl_rc  rc;

    if (t->type != PL_JT_ARR_BEGIN)
        return bad(j, "'messages' must be an array");
    while ((rc = next(j, t)) == PL_OK && t->type != PL_JT_ARR_END) {
        if ((rc = message(j, t)) != PL_OK)
            return rc;
        n++;
    }
    if (rc == PL_OK && n == 0)
        return bad(j, "'messages' is empty");
    return rc;
}

/* response_format: anything but type "text" asks for structured output. */
static pl_rc response_format(judge *j, pl_jsontok *t)
{
    unsigned open = 0;
    bool     type_next = false;

    j->facts->is_structured = t->type == PL_JT_OBJ_BEGIN;
    for (;;) {
        if (t->type == PL_JT_STRING || t->type == PL_JT_KEY)
            scan_string(j, t);
        if (type_next && t->type == PL_JT_STRING && pl_str_eqz(token_text(j, t), "text"))
            j->facts->is_structured = false;
        type_next = open == 1 && t->type == PL_JT_KEY && pl_jsontok_is(t, "type");
        if (opens(t))
            open++;
        else if (t->type == PL_JT_OBJ_END || t->type == PL_JT_ARR_END)
            open--;
        if (open == 0)
            return PL_OK;
        pl_rc rc = next(j, t);
        if (rc != PL_OK)
            return rc;
    }
}

static pl_rc stream_options(judge *j, pl_jsontok *t)
{
    bool  usage_next = false;
    pl_rc rc;

    if (t->type != PL_JT_OBJ_BEGIN)
        return scan_value(j, t);
    while ((rc = next(j, t)) == PL_OK && t->type == PL_JT_KEY) {
        usage_next = pl_jsontok_is(t, "include_usage");
        scan_string(j, t);
        if ((rc = next(j, t)) != PL_OK)
            return rc;
        if (usage_next)
            j->facts->wants_usage = t->type == PL_JT_TRUE;
        if ((rc = scan_value(j, t)) != PL_OK)
            return rc;
    }
    return rc;
}

static pl_rc flag(judge *j, pl_jsontok *t, bool *out, const char *what)
{
    if (t->type != PL_JT_TRUE && t->type != PL_JT_FALSE && t->type != PL_JT_NULL)
        return bad(j, what);
    *out = t->type == PL_JT_TRUE;
    return PL_OK;
}

static pl_rc member_stream(judge *j, pl_jsontok *t)
{
    return flag(j, t, &j->facts->is_stream, "'stream' must be true or false");
}

static pl_rc member_logprobs(judge *j, pl_jsontok *t)
{
    return flag(j, t, &j->facts->wants_logprobs, "'logprobs' must be true or false");
}

static pl_rc member_n(judge *j, pl_jsontok *t)
{
    uint64_t n = 1;

    if (t->type == PL_JT_NULL)
        return PL_OK;
    if (t->type != PL_JT_NUMBER || pl_str_u64(t->raw, &n, NULL) != PL_OK || n < 1 ||
        n > PL_CHOICES_MAX)
        return bad(j, "'n' must be an integer from 1 to 128");
    j->facts->n = (int)n;
    return PL_OK;
}

static pl_rc member_model(judge *j, pl_jsontok *t)
{
    if (t->type != PL_JT_STRING)
        return bad(j, "'model' must be a string");
    j->facts->model = t->raw;
    scan_string(j, t);
    return PL_OK;
}

static pl_rc member_messages(judge *j, pl_jsontok *t)
{
    j->facts->has_messages = true;
    return messages(j, t);
}

/* Guided decoding as other OpenAI-compatible servers name it. */
static pl_rc member_guided(judge *j, pl_jsontok *t)
{
    j->facts->is_structured |= t->type != PL_JT_NULL;
    return scan_value(j, t);
}

static const struct member {
    const char *name;
    pl_rc (*read)(judge *j, pl_jsontok *t);
} members[] = {
    { "messages", member_messages },      { "model", member_model },
    { "stream", member_stream },          { "n", member_n },
    { "logprobs", member_logprobs },      { "response_format", response_format },
    { "stream_options", stream_options }, { "guided_json", member_guided },
    { "guided_regex", member_guided },    { "guided_choice", member_guided },
    { "guided_grammar", member_guided },  { "structured_outputs", member_guided },
    { "grammar", member_guided },         { "json_schema", member_guided },
};
#define MEMBERS (sizeof members / sizeof members[0])

static pl_rc body_member(judge *j, pl_jsontok *t, unsigned *seen)
{
    size_t i = 0;
    pl_rc  rc;

    while (i < MEMBERS && !pl_jsontok_is(t, members[i].name))
        i++;
    if (i == MEMBERS) {
        scan_string(j, t);
        rc = next(j, t);
        return rc == PL_OK ? scan_value(j, t) : rc;
    }
    /* Two readers may take different ones of two equal members: refuse both. */
    if (*seen & 1u << i)
        return pl_fail(j->err, PL_INVALID, "the request has two '%s' members", members[i].name);
    *seen |= 1u << i;
    rc = next(j, t);
    return rc == PL_OK ? members[i].read(j, t) : rc;
}

static pl_rc walk(judge *j)
{
    unsigned   seen = 0;
    pl_jsontok t;
    pl_rc      rc = next(j, &t);

    if (rc != PL_OK)
        return rc;
    if (t.type != PL_JT_OBJ_BEGIN)
        return bad(j, "the request body is not a JSON object");
    while ((rc = next(j, &t)) == PL_OK && t.type == PL_JT_KEY)
        if ((rc = body_member(j, &t, &seen)) != PL_OK)
            return rc;
    if (rc == PL_OK)
        rc = next(j, &t); /* nothing may follow */
    if (rc == PL_OK && !j->facts->has_messages)
        return bad(j, "'messages' is missing");
    return rc;
}

pl_rc pl_request_judge(const pl_policy *p, int route, pl_str body, request_facts *facts,
                       tally *found, pl_error *err)
{
    judge j = { .policy = p, .route = route, .facts = facts, .found = found, .err = err,
                .text = PL_BUF_INIT(SCRATCH_MAX), .inner = PL_BUF_INIT(SCRATCH_MAX),
                .message = PL_BUF_INIT(SCRATCH_MAX) };
    pl_rc rc;

    *facts = (request_facts){ .n = 1 };
    pl_jsonscan_init(&j.json, body);
    rc = walk(&j);
    if (rc == PL_OK && (j.text.failed || j.inner.failed || j.failed))
        rc = pl_fail(err, PL_NOMEM, "out of memory");
    pl_buf_done(&j.message);
    pl_buf_done(&j.text);
    pl_buf_done(&j.inner);
    return rc;
}
