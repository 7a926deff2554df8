/* Shared by the .c files of cap/guard only. */
#ifndef PL_GUARD_INT_H
#define PL_GUARD_INT_H

#include "base/jsonscan.h"
#include "cap/guard/pl_guard.h"
#include "cap/pack/pl_pack.h"
#include <plumbline/log.h>

/* --- policy ------------------------------------------------------------------- */

#define PL_POLICY_ROUTES_MAX  64
#define PL_POLICY_ANSWERS_MAX 64

typedef struct answer_text {
    pl_str category; /* "default" or a category id, exact or ending in ".*" */
    pl_str zh, en;
} answer_text;

typedef struct policy_route {
    pl_str       name;
    pl_fail_mode fail;
    bool         media_refuse;
    bool         label_explicit;
    pl_str       label_zh, label_en;
    uint8_t     *action[2]; /* [is_output][rule index] */
    answer_text  answers[PL_POLICY_ANSWERS_MAX];
    size_t       answer_count;
} policy_route;

const policy_route *pl_policy_route_get(const pl_policy *p, int route);
/* The safe answer for a category in a language; falls back to "default". */
pl_str pl_policy_answer(const pl_policy *p, int route, pl_str category, bool zh);

/* --- the classifier of a policy -------------------------------------------------------- */

/* Adds two rules a label to the builder, "model.LABEL" of the severity given and
 * "model.LABEL.uncertain" of severity 1; *out is the model's image, malloc'd. */
pl_rc policy_model_add(const pl_pack *pack, uint8_t severity, pl_textdb_builder *b, char **out,
                       size_t *out_n, pl_error *err);

/* --- findings ------------------------------------------------------------------ */

#define PL_TALLY_RULES 32

typedef struct tally_row {
    uint32_t rule, count;
    uint8_t  action;
} tally_row;

/* What was found in one direction. */
typedef struct tally {
    tally_row row[PL_TALLY_RULES];
    size_t    n;
    uint32_t  more;    /* findings of rules beyond the table */
    int64_t   blocking; /* first blocking rule, or -1 */
    uint64_t  scanned; /* bytes that went through the scanner */
} tally;

void tally_init(tally *t);
void tally_add(tally *t, uint32_t rule, pl_action action);

/* --- request facts --------------------------------------------------------------- */

typedef struct request_facts {
    bool   is_stream, wants_usage, wants_logprobs, is_structured;
    int    n;              /* choices asked for, at least 1 */
    pl_str model;          /* raw JSON string inside, still escaped */
    bool   zh;             /* language of the last user text */
    bool   has_messages;
    unsigned unscreened;   /* non-text parts */
} request_facts;

/* Walks a chat request: fills facts and scans every string, keys included. PL_INVALID or
 * PL_LIMIT with a message for the client when it is not a well-formed chat request.
 * facts->model views the body. */
pl_rc pl_request_judge(const pl_policy *p, int route, pl_str body, request_facts *facts,
                       tally *found, pl_error *err);

/* A second level of JSON string escapes (tool-call arguments are JSON inside a JSON
 * string), undone in pieces. Bytes outside escapes pass unchanged. */
typedef struct unescaper {
    char     pend[8];
    uint8_t  n;
    uint32_t high; /* high surrogate waiting for its partner, or 0 */
} unescaper;
void pl_unescaper_feed(unescaper *u, pl_str piece, pl_buf *out);

/* --- answers --------------------------------------------------------------------- */

#define PL_CHOICES_MAX  128
#define PL_CHANNELS_MAX 96          /* per choice */
#define PL_TEXT_KEPT    (1u << 20)  /* answer text kept for commitment and trace */

/* A channel is one text a reader of the answer would see as continuous. Tool calls have two
 * each, from CH_TOOL up: arguments and name. */
enum { CH_TEXT = 1, CH_REASON = 2, CH_REFUSAL = 3, CH_TOOL = 100, CH_OTHER = 1 << 30 };

/* Strings of one choice of a chat.completion ("message") or chunk ("delta"). */
typedef struct answer_piece {
    uint32_t   channel;
    pl_jsontok t;
} answer_piece;

typedef struct answer_choice {
    int64_t       index;
    answer_piece *piece;
    size_t        n, cap;
    bool          has_tool, has_logprobs, has_message, finished;
} answer_choice;

typedef struct answer_visitor {
    /* Non-zero stops the walk with PL_OK. */
    int (*on_choice)(void *ctx, const answer_choice *c);
    int (*on_string)(void *ctx, const pl_jsontok *t);   /* strings outside message/delta */
    void (*on_head)(void *ctx, const char *name, const pl_jsontok *t); /* id, model, created */
    void *ctx;
    bool  saw_choices;
} answer_visitor;
/* Walks one JSON object of the chat.completion family, validating it to its end. */
pl_rc pl_answer_walk(pl_str json, answer_visitor *v, pl_error *err);

typedef struct text_channel {
    uint32_t          key;
    pl_screen_stream *scan;
    uint64_t          fed;    /* bytes given to scan */
    unescaper         escape; /* tool arguments only */
} text_channel;

/* One choice as it grows. */
typedef struct choice {
    text_channel *ch[PL_CHANNELS_MAX];
    size_t   ch_n;
    pl_buf   text;     /* CH_TEXT so far, for commitment and trace */
    uint64_t text_bytes;
    pl_jsonlike like;
    bool     has_tool, has_logprobs, labelled, finished;
    bool     closed;   /* its finish was released to the client */
} choice;

/* An event (or our own bytes) waiting in a stream until its text is releasable. */
typedef struct held_mark {
    text_channel *ch;
    uint64_t      end;
} held_mark;
typedef struct held_event {
    size_t bytes;           /* in x->held */
    size_t mark, mark_n;    /* in x->marks */
} held_event;

typedef struct sse_state {
    pl_buf   raw;           /* bytes of the event in the making */
    size_t   line_start;    /* offset in raw */
    bool     skip_lf, started, saw_finish;
    pl_buf   data;          /* data lines of one event, joined, when there are several */
    pl_buf   held;
    size_t   held_off;      /* bytes of held already released */
    held_event *events;
    size_t   events_n, events_cap;
    held_mark *marks;
    size_t   marks_n, marks_cap;
    pl_buf   id, model;     /* raw JSON string insides of the last chunk */
    int64_t  created;
} sse_state;

struct pl_exchange {
    pl_exchange_options o;
    const policy_route *route;
    request_facts facts;
    char     model[256];    /* raw JSON string inside, for replies made here */
    tally    in, out;
    pl_hash  input_commitment;
    uint64_t input_bytes, output_bytes;

    int      status, upstream_status;
    const char *verdict, *direction, *reason, *end;
    char     reason_store[48];
    bool     own, ended, is_sse, replied;
    bool     oom, unrecorded;
    bool     late;          /* text came after its announced end */
    pl_buf   body;          /* the reply of ANSWER or WHOLE */
    const char *content_type;
    char     upstream_type[96];

    pl_buf   collect;       /* WHOLE: upstream bytes */
    sse_state sse;
    pl_buf   scratch, inner;

    choice  *choices[PL_CHOICES_MAX];
    int      choice_count;  /* highest index used + 1 */

    pl_event event;
    pl_buf   leaf;
    bool     event_done;
};

/* Scans the strings of one choice, each continuing its channel; `fed` (may be NULL) hears of
 * every channel that got text. *text_end is the offset of the closing quote of its last
 * answer text, 0 when there is none. NULL: memory or channels ran out (x->oom). */
choice *pl_exchange_take(pl_exchange *x, const answer_choice *view,
                         void (*fed)(void *ctx, text_channel *ch), void *ctx, size_t *text_end);
void pl_choice_finish(pl_exchange *x, choice *c);
/* Scans a string by itself, its inner escapes undone as well. */
void pl_exchange_scan_single(pl_exchange *x, pl_str s);
/* The token's text; valid until the next call. */
pl_str pl_exchange_token(pl_exchange *x, const pl_jsontok *t);
bool pl_exchange_blocked(const pl_exchange *x);
/* May choice c carry the label inside its text? */
bool pl_choice_takes_label(const pl_exchange *x, const choice *c);
pl_str pl_exchange_label_text(const pl_exchange *x);
/* The label as the inside of a JSON string, separator included. */
void pl_exchange_label_json(const pl_exchange *x, pl_buf *out);

/* exchange_whole.c, exchange_sse.c */
void pl_whole_end(pl_exchange *x, pl_response_end how);
void pl_sse_feed(pl_exchange *x, pl_str bytes, pl_buf *out, int64_t now_ms);
void pl_sse_end(pl_exchange *x, pl_response_end how, pl_buf *out, int64_t now_ms);
void pl_sse_stop(pl_exchange *x, pl_buf *out, int64_t now_ms);
void pl_sse_done(sse_state *s);

/* exchange_reply.c: replies made here */
void pl_reply_block(pl_exchange *x, int64_t rule);
void pl_reply_error(pl_exchange *x, int status, const char *type, const char *code,
                    const char *message);
/* {"id":…,"object":"chat.completion.chunk",…} as one SSE event. */
void pl_reply_chunk(pl_exchange *x, pl_buf *out, int index, pl_str delta_json,
                    const char *finish_reason);
void pl_reply_safe_answer(const pl_exchange *x, int64_t rule, pl_buf *json);

#endif
