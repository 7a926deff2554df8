/* The request side: one pass over the body, every string scanned, facts collected.
 *
 * The texts of one message are one text to a model, so they are scanned as one: a phrase split
 * over parts is still a phrase. Everything else (names, schemas, tool descriptions, keys) is
 * scanned string by string. Where texts stand is said by the surface's table. */
#include "base/banned.h"

#include "base/str.h"
#include "base/utf8.h"
#include "cap/guard/guard_int.h"
#include "cap/guard/quiet.h"

#define HAN_PERCENT_ZH 20 /* above this share of Han letters a text is answered in Chinese */
#define SCRATCH_MAX    (64u << 20)

typedef struct judge {
    const pl_policy *policy;
    const pl_cell   *cells;
    request_facts   *facts;
    tally           *found;
    pl_error        *err;
    pl_buf          *question;
    pl_str           scanning; /* the text in hand */
    bool             asked;    /* it is part of the question already */
    pl_buf           message; /* text of the current message, its parts joined */
    pl_buf           text, inner;
    int              in_message; /* depth of its container, 0: none */
    bool             message_zh, message_user, any_user;
    bool             tokens;  /* text came as numbers of tokens */
    bool             failed;  /* a text could not be judged */
} judge;

/* --- scanning ------------------------------------------------------------------- */

static int on_finding(void *ctx, const pl_text_finding *f)
{
    judge *j = ctx;

    pl_cell cell = pl_policy_cell(j->policy, j->cells, f->rule);

    tally_add(j->found, f->rule, cell);
    if ((cell & PL_CELL_OPINION) && j->question && !j->asked) {
        pl_buf_put(j->question, j->scanning);
        pl_buf_putc(j->question, '\n');
        j->asked = true;
    }
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
    if (j->found->skip)
        return;
    j->scanning = s;
    j->asked = false;
    j->failed |= pl_screen_scan(pl_policy_screen(j->policy), s, parts, on_finding, j, NULL) != PL_OK;
}

static void scan_single(judge *j, pl_str s)
{
    if (j->found->skip)
        return;
    j->found->scanned += s.n;
    j->scanning = s;
    j->asked = false;
    j->failed |= pl_quiet_scan(j->policy, s, on_finding, j) != PL_OK;
}

/* A string that may hold JSON itself: also scanned with its inner escapes undone. */
static void scan_string(judge *j, const pl_jsontok *t)
{
    pl_str    s = token_text(j, t);
    unescaper u = { 0 };

    scan_single(j, s);
    if (j->found->skip || !memchr(s.p, '\\', s.n))
        return;
    pl_buf_clear(&j->inner);
    pl_unescaper_feed(&u, s, &j->inner);
    scan_single(j, pl_buf_str(&j->inner));
}

/* --- texts ---------------------------------------------------------------------- */

static void message_begin(judge *j, const surface_walk *w)
{
    j->in_message = w->depth;
    pl_buf_clear(&j->message);
    j->message_zh = j->message_user = false;
}

/* The language of the last text that the asker wrote, or else of the first text. */
static void language_keep(judge *j, bool is_user, bool zh)
{
    if (is_user || !j->any_user)
        j->facts->zh = zh;
    j->any_user |= is_user;
}

static void message_end(judge *j)
{
    j->failed |= j->message.failed;
    scan(j, pl_buf_str(&j->message), PL_SCREEN_ALL);
    language_keep(j, j->message_user, j->message_zh);
    j->in_message = 0;
}

static void on_text(judge *j, surface_walk *w, const surface_node *n, const pl_jsontok *t)
{
    pl_str s = token_text(j, t);
    bool   zh = pl_utf8_han_percent(s) >= HAN_PERCENT_ZH;

    walk_top(w)->has_text = true;
    j->found->scanned += j->found->skip ? 0 : s.n;
    j->facts->prompts += (n->flags & PF_CHOICE) != 0;
    if (!j->in_message) { /* a text of its own */
        scan(j, s, PL_SCREEN_ALL);
        language_keep(j, n->flags & PF_USER, zh);
        return;
    }
    pl_buf_put(&j->message, s);
    j->message_zh |= zh;
    /* A part is one text with its neighbours to some models and a text of its own to others:
     * a word at its edge must be seen either way. */
    if (n->flags & PF_PART)
        scan_string(j, t);
}

/* Parts that hold no text of their own and no media either. */
static bool is_known_part(pl_str type)
{
    static const char *const types[] = { "text", "input_text", "output_text", "refusal", "thinking",
                                         "redacted_thinking", "tool_use", "tool_result",
                                         "server_tool_use", "summary_text", "reasoning_text" };

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (pl_str_eqz(type, types[i]))
            return true;
    return false;
}

/* --- visitor -------------------------------------------------------------------- */

static pl_rc on_key(void *ctx, surface_walk *w, const pl_jsontok *t)
{
    (void)w;
    scan_string(ctx, t);
    return PL_OK;
}

static pl_rc on_string(judge *j, surface_walk *w, const surface_node *n, const pl_jsontok *t)
{
    switch (n ? (path_kind)n->kind : PK_NONE) {
    case PK_TEXT:
        on_text(j, w, n, t);
        return PL_OK;
    case PK_ROLE:
        j->message_user = pl_str_eqz(token_text(j, t), "user");
        break;
    case PK_MODEL:
        j->facts->model = t->raw;
        break;
    case PK_USER:
        j->facts->user = t->raw;
        break;
    case PK_MEDIA:
        j->facts->unscreened++;
        break;
    case PK_STRUCTURED:
        j->facts->is_structured |= t->raw.n > 0;
        break;
    case PK_FORMAT_TYPE: /* anything but plain text asks for structured output */
        if (pl_str_eqz(token_text(j, t), "text"))
            j->facts->is_structured = false;
        break;
    default:
        break;
    }
    scan_string(j, t);
    return PL_OK;
}

static pl_rc on_number(judge *j, const surface_node *n, const pl_jsontok *t)
{
    uint64_t v = 0;

    if (n->kind == PK_TEXT && !j->tokens) { /* nobody here knows what they say */
        j->tokens = true;
        j->facts->unscreened++;
    }
    if (n->kind == PK_LOGPROBS)
        j->facts->wants_logprobs = !pl_str_eqz(t->raw, "0");
    if (n->kind != PK_N)
        return PL_OK;
    if (pl_str_u64(t->raw, &v, NULL) != PL_OK || v < 1 || v > PL_CHOICES_MAX)
        return pl_fail(j->err, PL_INVALID, "'n' must be an integer from 1 to %d", PL_CHOICES_MAX);
    j->facts->n = (int)v;
    return PL_OK;
}

static pl_rc on_value(void *ctx, surface_walk *w, const surface_node *n, const pl_jsontok *t)
{
    judge *j = ctx;
    bool   yes = t->type == PL_JT_TRUE;

    if (t->type == PL_JT_STRING)
        return on_string(j, w, n, t);
    if (!n)
        return PL_OK;
    if (t->type == PL_JT_NUMBER)
        return on_number(j, n, t);
    if (n->kind == PK_STREAM && t->type != PL_JT_NULL)
        j->facts->is_stream = yes;
    else if (n->kind == PK_USAGE)
        j->facts->wants_usage = yes;
    else if (n->kind == PK_LOGPROBS)
        j->facts->wants_logprobs |= yes;
    else if (n->kind == PK_STRUCTURED)
        j->facts->is_structured |= yes;
    return PL_OK;
}

static pl_rc on_begin(void *ctx, surface_walk *w, const surface_node *n, const pl_jsontok *t)
{
    judge *j = ctx;

    (void)t;
    if (n && (n->flags & PF_MESSAGE))
        message_begin(j, w);
    if (n && n->kind == PK_STRUCTURED)
        j->facts->is_structured = true;
    return PL_OK;
}

static pl_rc on_end(void *ctx, surface_walk *w, const surface_node *n)
{
    judge            *j = ctx;
    const walk_frame *f = walk_top(w);

    if (n && (n->flags & PF_PART) && !f->is_array && !f->has_text && !is_known_part(f->type))
        j->facts->unscreened++;
    if (j->in_message == w->depth)
        message_end(j);
    return PL_OK;
}

pl_rc pl_request_judge(const pl_policy *p, const pl_cell *cells, const pl_surface *s, pl_str body,
                       request_facts *facts, tally *found, pl_buf *question, pl_error *err)
{
    judge        j = { .policy = p, .cells = cells, .facts = facts, .found = found, .question = question, .err = err,
                       .text = PL_BUF_INIT(SCRATCH_MAX), .inner = PL_BUF_INIT(SCRATCH_MAX),
                       .message = PL_BUF_INIT(SCRATCH_MAX) };
    walk_visitor v = { .key = on_key, .value = on_value, .begin = on_begin, .end = on_end,
                       .ctx = &j };
    pl_rc        rc;

    *facts = (request_facts){ .n = 1, .is_stream = s->flags & SF_STREAMS_BY_DEFAULT };
    rc = pl_surface_read(pl_surface_request_tree(s), body, &v, err);
    if (rc == PL_OK && (j.text.failed || j.inner.failed || j.failed))
        rc = pl_fail(err, PL_NOMEM, "out of memory");
    pl_buf_done(&j.message);
    pl_buf_done(&j.text);
    pl_buf_done(&j.inner);
    return rc;
}
