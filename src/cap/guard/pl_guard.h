/* The guard: judges one exchange with a model, in both directions.
 *
 * Used inside the nginx worker (no I/O, no locks, no clock: time and randomness are
 * passed in) and by `plumbline policy test` and the fuzz targets. A pl_policy is
 * immutable and may be shared by threads; a pl_exchange belongs to one thread.
 *
 * The life of an exchange
 *   new → request(body) → action: FORWARD or ANSWER
 *     ANSWER:  the reply is ready (a block, or a 4xx for a malformed request)
 *     FORWARD: response_begin(status, type) → STREAM or WHOLE
 *              response_feed(bytes, out)*  → response_end(how, out)
 *   event(): the record of what was judged. It is complete as soon as the reply is
 *   ready (ANSWER, WHOLE) or the end was written (STREAM); the caller must put it in the
 *   ring before it sends the bytes that carry its digest.
 *
 * Guarantees
 *   - no byte of an answer leaves before it was scanned and found releasable; a match in
 *     the making holds back its characters until it is decided, not the event they came in
 *     (where an event cannot be cut, as with log probabilities, the event waits);
 *   - an answer that is allowed is forwarded byte for byte, apart from the label spliced
 *     into (or appended after) the last text of each choice, and from texts that were held;
 *   - labels never enter JSON mode, structured output, tool calls, answers with logprobs
 *     or answers that are themselves one JSON object or array.
 */
#ifndef PL_GUARD_H
#define PL_GUARD_H

#include "base/buf.h"
#include "base/id.h"
#include <plumbline/policydb.h>
#include <plumbline/screen.h>
#include <stdbool.h>

/* --- policy ------------------------------------------------------------------- */

typedef struct pl_policy pl_policy;

/* REDACT: out of a request, and back into its answer; in an answer the same as REPLACE.
 * REPLACE: by a mask ("138****8000"). The first five are acts; the others come with one. */
typedef enum pl_action {
    PL_ACTION_ALLOW = 0,
    PL_ACTION_LOG = 1,
    PL_ACTION_BLOCK = 2,
    PL_ACTION_REDACT = 3,
    PL_ACTION_REPLACE = 4,
    PL_ACTION_ESCALATE = 5,       /* and a person looks at the exchange           */
    PL_ACTION_SECOND_OPINION = 6, /* another model is asked first                 */
    PL_ACTION_STOP_SESSION = 7    /* block, and the rest of the session is refused */
} pl_action;
const char *pl_action_name(pl_action a);

/* What a policy says about a rule: the act, and what comes with it. */
typedef uint8_t pl_cell;
#define PL_CELL_ACT     0x0fu /* PL_ACTION_ALLOW to PL_ACTION_REPLACE */
#define PL_CELL_REVIEW  0x10u /* escalate                             */
#define PL_CELL_STOP    0x20u /* stop_session                         */
#define PL_CELL_OPINION 0x40u /* second_opinion; the act is what happens without an answer */
#define PL_CELL_OPEN    0x80u /* where the rule cannot be judged, the text passes          */
static inline pl_action pl_cell_act(pl_cell c)
{
    return (pl_action)(c & PL_CELL_ACT);
}
/* The action as the policy's source names it. */
pl_action pl_cell_action(pl_cell c);
/* PL_NOTFOUND: there is no such action. */
pl_rc pl_action_parse(pl_str name, pl_action *out);
typedef enum pl_fail_mode { PL_FAIL_CLOSED = 0, PL_FAIL_OPEN = 1 } pl_fail_mode;

/* Maps and checks a compiled policy below an open directory (AT_FDCWD allowed). */
pl_rc pl_policy_openat(int dirfd, const char *name, pl_policy **out, pl_error *err);
pl_policy *pl_policy_ref(pl_policy *p);
void       pl_policy_unref(pl_policy *p); /* NULL-safe */
/* "default@3" and its digest in hex: what the header and the event name. */
/* Tells entries with a beginning or an end what time it is; before, they all count. Cheap per
 * exchange. Of the one thread that judges by the policy. */
void pl_policy_now(pl_policy *p, int64_t now_ms);

pl_str      pl_policy_name(const pl_policy *p);
const char *pl_policy_digest(const pl_policy *p);
const pl_textdb *pl_policy_textdb(const pl_policy *p);
const pl_screen *pl_policy_screen(const pl_policy *p);
#define PL_TENANT_MAX 64 /* bytes of a tenant's name */

/* Index of a route, or -1. */
int          pl_policy_route_find(const pl_policy *p, pl_str name);
/* The tenant's own form of a route, or the route itself. */
int          pl_policy_route_of(const pl_policy *p, int route, pl_str tenant);
pl_fail_mode pl_policy_fail_mode(const pl_policy *p, int route);
/* Does the route let paths through that no surface is known for? */
bool         pl_policy_passes_unknown(const pl_policy *p, int route);
/* May text that cannot be judged (memory ran out, over a limit) pass in this direction? Only
 * when no rule that acts fails closed. */
bool         pl_policy_opens(const pl_policy *p, int route, bool is_output);
/* A cell per rule of the database, as in force at that time (rules may have a beginning and an
 * end). Lives as long as the policy. */
const pl_cell *pl_policy_cells(const pl_policy *p, int route, bool is_output, int64_t now_ms);
/* Findings of these categories block from now on, whatever the rules say; none: as the rules say.
 * Of the one thread that judges by the policy. */
void pl_policy_stop_categories(pl_policy *p, const pl_str *names, size_t n);
/* The cell of a rule: that of `cells`, unless its category is stopped. */
pl_cell pl_policy_cell(const pl_policy *p, const pl_cell *cells, uint32_t rule);
/* Label texts of all routes, for trace. Returns the count, at most max are written. */
size_t pl_policy_labels(const pl_policy *p, pl_str *out, size_t max);

/* Compiles a policy source (YAML, docs/formats/policy.md) with the packs it names.
 * pack_folders is NULL-ended. *out malloc'd. */
pl_rc pl_policy_compile(const char *source, const char *const *pack_folders, void **out, size_t *n,
                        pl_error *err);

/* --- surfaces: the APIs that are understood ------------------------------------ */

typedef struct pl_surface pl_surface;

/* By the end of a request path ("/v1/messages", "/openai/v1/messages") or by name
 * ("messages"); NULL: none. Static. */
const pl_surface *pl_surface_find(pl_str path);
const pl_surface *pl_surface_each(size_t i); /* NULL after the last */
const char       *pl_surface_name(const pl_surface *s);
const char       *pl_surface_route(const pl_surface *s); /* "/v1/messages" */

/* --- exchange ----------------------------------------------------------------- */

typedef struct pl_exchange pl_exchange;

typedef struct pl_exchange_options {
    pl_policy     *policy; /* the exchange takes its own reference */
    int            route;  /* from pl_policy_route_find */
    const pl_surface *surface; /* NULL: an unknown path; both bodies pass unread */
    pl_str         route_name, service; /* must outlive the exchange */
    pl_str         tenant;              /* "" none; must outlive the exchange, as it is recorded */
    /* Who asks, and in which conversation: hashed at once, kept nowhere. "" nobody said. */
    pl_str         subject, session;
    pl_str         key;                 /* the API key of the asker, for budgets; "" none; kept nowhere */
    bool           subject_in_body; /* without subject: as the request's body says (user …) */
    bool           is_minor;
    const struct pl_subjects *subjects; /* what is known of people; NULL: nothing */
    struct pl_budgets *budgets;         /* what was used; NULL: nothing is counted */
    char           id[PL_ID_LEN + 1];   /* request id = event id */
    int64_t        now_ms;
    uint8_t        salt[32];
    const uint8_t *index_key; /* 32 bytes, must outlive the exchange */
    size_t         max_response; /* bytes buffered for one WHOLE answer or held in one stream */
    /* Called when the event of an exchange that people look at is about to be made: hands over
     * pl_exchange_review_seal, or drops it. NULL: nobody takes it. */
    void (*hand_over)(void *ctx, pl_exchange *x);
    void  *hand_over_ctx;
} pl_exchange_options;

typedef enum pl_exchange_action {
    PL_EXCHANGE_FORWARD,
    PL_EXCHANGE_ANSWER,
    PL_EXCHANGE_ASK /* a guard model is to be asked first: pl_exchange_question */
} pl_exchange_action;
/* The key by which a person is known: 16 bytes. */
void pl_subject_key(const uint8_t index_key[32], pl_str value, uint8_t out[16]);

/* What the guard model said; NONE: there is no answer that could be read. */
typedef enum pl_opinion { PL_OPINION_NONE, PL_OPINION_SAFE, PL_OPINION_UNSAFE } pl_opinion;
typedef enum pl_response_mode { PL_RESPONSE_STREAM, PL_RESPONSE_WHOLE } pl_response_mode;
typedef enum pl_response_end {
    PL_END_COMPLETE,  /* upstream finished properly                    */
    PL_END_TRUNCATED, /* upstream broke off                            */
    PL_END_ABORTED    /* the client went away: nothing is written      */
} pl_response_end;

pl_exchange *pl_exchange_new(const pl_exchange_options *o); /* NULL: out of memory */
void         pl_exchange_free(pl_exchange *x);

/* Judges the complete request body. */
pl_exchange_action pl_exchange_request(pl_exchange *x, pl_str body);
/* ASK, and while an answer asks: appends the body of a chat completion that asks about the texts in question;
 * PL_LIMIT, PL_NOMEM: there is no question to ask, which is an opinion of NONE. */
pl_rc pl_exchange_question(const pl_exchange *x, pl_buf *out);
/* What a guard model answered: a chat completion whose text begins with the word "safe" or
 * "unsafe", or is a JSON object with a boolean "flagged". Anything else is NONE. */
pl_opinion pl_opinion_read(int status, pl_str body);
/* Goes on with the request that asked; body is that of pl_exchange_request. */
pl_exchange_action pl_exchange_opinion(pl_exchange *x, pl_opinion o, pl_str body);
/* FORWARD: the body to send instead of the received one; empty: that one, unchanged. */
pl_str pl_exchange_forward(const pl_exchange *x);
/* Makes the exchange answer with an error in its surface's form instead (stop switch, engine
 * not ready, upstream down …). Allowed until a reply or stream has begun. */
void pl_exchange_refuse(pl_exchange *x, int status, const char *type, const char *code,
                        const char *message);
/* Of its route, in its tenant's form. */
pl_fail_mode pl_exchange_fail_mode(const pl_exchange *x);
/* The caller has no place for the event: no digest of it is promised on the wire. */
void pl_exchange_set_unrecorded(pl_exchange *x);
bool pl_exchange_is_recorded(const pl_exchange *x);
bool pl_exchange_is_stream(const pl_exchange *x); /* the request asked for a stream */
/* Bits of PL_REMIND_… (people.h) that are said with this answer; 0 none. */
unsigned pl_exchange_reminders(const pl_exchange *x);
/* Seconds after which a refusal ends; 0: nobody can tell. */
int64_t pl_exchange_retry_after(const pl_exchange *x);
/* Does a client do well to send it again after that time by itself? */
bool pl_exchange_may_retry(const pl_exchange *x);
/* What is left of the asker's own budgets (of a subject, of a key): of those of requests, or of tokens, the one with
 * the least. False: there is none, or it is not acted on. What all use together is nobody's to read. */
typedef struct pl_budget_left {
    uint64_t limit, left;
    int64_t  reset_s; /* seconds until it begins anew */
} pl_budget_left;
bool pl_exchange_budget_left(const pl_exchange *x, bool tokens, pl_budget_left *out);
/* Is a person to look at it, because of what was found or by lot; does what was found end the session?
 * Complete when the event is. */
bool        pl_exchange_wants_review(const pl_exchange *x);
const char *pl_exchange_review_why(const pl_exchange *x); /* "escalated", "sampled" or NULL */
bool        pl_exchange_stops_session(const pl_exchange *x);
/* Does the lot fall on this id? Of a million ids it falls on ppm. */
bool pl_review_samples(pl_str id, unsigned ppm);
#define PL_REVIEW_KEPT (64u << 10) /* bytes kept of the request, and of all answers together */
#define PL_REVIEW_MAX  (1u << 20)  /* bytes of what is handed over, about                    */
/* Appends what people get to see, sealed for the daemon (docs/formats/reviews.md), cut where it is long; draws
 * random bytes. The event, not made yet, will name its salted commitment. body: the request's. */
pl_rc pl_exchange_review_seal(pl_exchange *x, pl_str body, pl_buf *out);
/* It could not be handed over: the event will say so. */
void pl_exchange_review_drop(pl_exchange *x);

/* The upstream's head. WHOLE: keep the head back until response_end. */
pl_response_mode pl_exchange_response_begin(pl_exchange *x, int status, pl_str content_type,
                                            pl_str content_encoding);
/* STREAM: appends what may be sent now to out. WHOLE: collects, out stays empty. */
void pl_exchange_response_feed(pl_exchange *x, pl_str bytes, pl_buf *out, int64_t now_ms);
void pl_exchange_response_end(pl_exchange *x, pl_response_end how, pl_buf *out, int64_t now_ms);
/* Is a guard model to be asked about the answer (pl_exchange_question)? Until pl_exchange_answer_opinion nothing
 * more of it is released; what is fed meanwhile waits, and so does a proper end. An upstream that broke off is
 * not waited for: there is no opinion then. */
bool pl_exchange_asks(const pl_exchange *x);
/* Goes on with the answer that asked; it may ask again. WHOLE: the reply is ready. Does nothing when nothing is
 * asked any more. */
void pl_exchange_answer_opinion(pl_exchange *x, pl_opinion o, pl_buf *out, int64_t now_ms);
/* True once the reply is complete whatever upstream still sends (block mid-stream,
 * [DONE] seen): the caller stops reading upstream. */
bool pl_exchange_ended(const pl_exchange *x);
/* Stops a running stream (stop switch): replaces what is held by an error event. */
void pl_exchange_stop(pl_exchange *x, pl_buf *out, int64_t now_ms);

/* The reply of ANSWER or WHOLE. */
int         pl_exchange_status(const pl_exchange *x);
const char *pl_exchange_content_type(const pl_exchange *x);
pl_str      pl_exchange_body(const pl_exchange *x);
/* True when the reply was made here rather than by the upstream. */
bool        pl_exchange_is_own(const pl_exchange *x);
/* True when the answer holds content that a model made (a vector is none). */
bool        pl_exchange_is_generated(const pl_exchange *x);
/* True when the answer's bytes pass unread: media, or an unknown path. */
bool        pl_exchange_is_raw(const pl_exchange *x);

/* What a request is about, for stop switches: raw inside of a JSON string. */
pl_str      pl_exchange_model(const pl_exchange *x);
pl_str      pl_exchange_tenant(const pl_exchange *x);
/* What a response header needs. */
const pl_policy *pl_exchange_policy(const pl_exchange *x); /* the one that judged */
pl_str      pl_exchange_id(const pl_exchange *x);
const char *pl_exchange_verdict(const pl_exchange *x); /* "allow", "block", "refuse", "error" */
const char *pl_exchange_label(const pl_exchange *x);   /* "text", "header", "none" so far      */

/* What is known of an exchange before its end; views of it. */
typedef struct pl_event_begun {
    int64_t time_ms;
    bool    is_stream;
    pl_str  id, surface, service, route, policy, policy_sha256;
} pl_event_begun;
pl_event_begun pl_exchange_begun(const pl_exchange *x);

/* The event. Finalises it on first call after the end (or at abort), stable after. */
#define PL_EVENT_MAX         4096
#define PL_EVENT_OUTPUTS_MAX 16 /* choices whose text is indexed for trace */
typedef struct pl_event {
    pl_str  id;
    int64_t time_ms;
    pl_str  leaf; /* exact JSON bytes that become the leaf: docs/formats/event.md */
    char    digest[65]; /* hex RFC 6962 leaf hash of leaf */
    uint8_t salt[32];
    size_t  output_count;
    uint8_t outputs[PL_EVENT_OUTPUTS_MAX][32]; /* trace index of each output */
} pl_event;
const pl_event *pl_exchange_event(pl_exchange *x, int64_t now_ms);
/* How far the clock of the machine ran off since the exchange began; by more than a second, the event says so. */
void pl_exchange_note_clock(pl_exchange *x, int64_t off_ms);
/* Appends the event's compact receipt as a comment of an event stream, where the route wants one; for
 * after the last event. */
void pl_exchange_comment(pl_exchange *x, pl_buf *out);
bool pl_exchange_event_is_done(const pl_exchange *x); /* event() was called already */

/* OpenAI-style error body for errors outside an exchange, e.g. unlisted paths. */
void pl_guard_error_body(pl_buf *out, const char *type, const char *code, const char *message,
                         pl_str request_id);

/* "harm.*" matches "harm.fraud"; "*" matches everything; else exact. */
bool pl_category_matches(pl_str pattern, pl_str category);

#endif
