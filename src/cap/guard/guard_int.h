/* Shared by the .c files of cap/guard only. */
#ifndef PL_GUARD_INT_H
#define PL_GUARD_INT_H

#include "cap/guard/answer.h"
#include "cap/guard/pl_guard.h"
#include "cap/guard/surface.h"
#include "cap/guard/people.h"
#include "cap/guard/subjects.h"
#include "cap/guard/budgets.h"
#include "cap/pack/pl_pack.h"
#include "cap/guard/pseudonym.h"
#include "engine/text/redact.h"
#include <plumbline/log.h>

/* --- policy ------------------------------------------------------------------- */

#define PL_POLICY_ROUTES_MAX  64
#define PL_POLICY_FORMS_MAX   1024 /* routes, and tenants' own forms of them */
#define PL_POLICY_PERIODS_MAX 33   /* between moments at which rules of a route begin or end */
#define PL_POLICY_ANSWERS_MAX 64

typedef struct answer_text {
    pl_str category; /* "default" or a category id, exact or ending in ".*" */
    pl_str zh, en;
} answer_text;

typedef struct policy_period {
    int64_t  from_ms;
    pl_cell *cells[2]; /* [is_output][rule index] */
} policy_period;

/* What is done where a body is longer than its route takes. bytes 0: no limit of the route's own. */
typedef struct policy_limit {
    uint64_t bytes;
    bool     passes; /* unscanned, and said so; else a request is refused and an answer blocked */
} policy_limit;

typedef enum budget_per { PER_SUBJECT, PER_KEY, PER_TENANT, PER_ALL, PER__N } budget_per;
const char *pl_budget_per_name(budget_per per);
typedef struct policy_budget {
    budget_per per;
    uint32_t   window_s;
    uint64_t   requests, tokens; /* 0: no such limit */
    uint64_t   salt;             /* of its route, kind and window */
} policy_budget;
#define PL_BUDGETS_MAX 8 /* of a route */

typedef struct policy_route {
    pl_str       name, tenant; /* tenant "": the route itself */
    unsigned     form_of;      /* index of the route that a tenant's form is of */
    bool         closes[2];    /* [is_output]: a rule that acts fails closed */
    pl_str       opinion_model, opinion_prompt[2]; /* [is_output] */
    bool         asks;      /* some findings of answers want a second opinion */
    pl_fail_mode fail;
    bool         media_refuse, unknown_pass, receipt_comment;
    policy_limit limit[2]; /* [is_output] */
    policy_budget budget[PL_BUDGETS_MAX];
    size_t       budget_count;
    bool         counts_tokens; /* one of them has a limit of tokens */
    bool         masks;  /* some findings of answers are replaced */
    bool         models; /* the classifier is asked about answers */
    unsigned     enforce_share; /* percent of exchanges that are acted on; the rest is only recorded */
    bool         label_explicit;
    pl_str       label_zh, label_en;
    policy_period period[PL_POLICY_PERIODS_MAX];
    size_t       period_count;
    answer_text  answers[PL_POLICY_ANSWERS_MAX];
    size_t       answer_count;
} policy_route;

const policy_route *pl_policy_route_get(const pl_policy *p, int route);
/* The safe answer for a category in a language; falls back to "default". */
pl_str pl_policy_answer(const pl_policy *p, int route, pl_str category, bool zh);
/* What it was compiled from: array of {id, version, sha256}. */
json_t *pl_policy_packs(const pl_policy *p);
/* NULL: the policy says nothing of people. */
const people_config *pl_policy_people(const pl_policy *p);

typedef struct policy_review {
    unsigned sample_ppm; /* exchanges of a million that a person looks at   */
    int64_t  keep_ms;    /* how long what they look at is kept, at most     */
    bool     third;      /* two who disagree: a third decides, else nobody  */
} policy_review;
#define PL_REVIEW_KEEP_MS (30LL * 24 * 3600 * 1000) /* when the policy says nothing */
const policy_review *pl_policy_review(const pl_policy *p);

/* --- the classifier of a policy -------------------------------------------------------- */

/* Adds two rules a label to the builder, "model.LABEL" of the severity given and
 * "model.LABEL.uncertain" of severity 1; *out is the model's image, malloc'd. */
pl_rc policy_model_add(const pl_pack *pack, uint8_t severity, pl_textdb_builder *b, char **out,
                       size_t *out_n, pl_error *err);

/* Fills out with what people.h reads. */
pl_rc policy_people_read(const pl_pack *pack, json_t *out, pl_error *err);

/* *out is the pack's model of names and addresses, malloc'd, that reports scores from `name` and from
 * `address` on (0: as in the pack). */
pl_rc policy_names_read(const pl_pack *pack, unsigned name, unsigned address, char **out,
                        size_t *out_n, pl_error *err);

/* Another number for each policy that this process opened. */
uint32_t pl_policy_serial(const pl_policy *p);

/* --- findings ------------------------------------------------------------------ */

#define PL_TALLY_RULES 32

typedef struct tally_row {
    uint32_t rule, count;
    uint32_t settled; /* findings that a second opinion was had about */
    pl_cell  cell;
} tally_row;

/* What was found in one direction. */
typedef struct tally {
    tally_row row[PL_TALLY_RULES];
    size_t    n;
    uint32_t  more;    /* findings of rules beyond the table */
    int64_t  blocking; /* first blocking rule, or -1 */
    int64_t  changing; /* first rule whose finding is replaced, or -1 */
    int64_t  asking;   /* first rule that wants a second opinion, or -1 */
    bool     skip;     /* nothing is judged: over the limit, and the policy lets it pass */
    bool     shadow;   /* actions are recorded and not taken */
    bool     review, stops; /* a person is to look; the session ends */
    uint64_t  scanned; /* bytes that went through the scanner */
} tally;

void tally_init(tally *t);
void tally_add(tally *t, uint32_t rule, pl_cell cell);

/* --- request facts --------------------------------------------------------------- */

#define PL_CHOICES_MAX  128
#define PL_QUESTION_MAX (64u << 10) /* bytes of text that a guard model is asked about */

typedef struct request_facts {
    bool   is_stream, wants_usage, wants_logprobs, is_structured;
    int    n;              /* choices asked for, at least 1 */
    int    prompts;        /* texts that are answered each, 0 when the surface has one */
    pl_str model;          /* raw JSON string inside, still escaped */
    pl_str user;           /* who asks, as the body says; raw JSON string inside, views the body */
    bool   zh;             /* language of the last user text */
    unsigned unscreened;   /* parts that are not text */
} request_facts;

/* Reads a request of a surface: fills facts and scans every string, unknown keys included; cells
 * are those of its rules. Texts in which something wants a second opinion are appended to question
 * (may be NULL). PL_INVALID or PL_LIMIT with a message for the client when it is not
 * well-formed. facts->model views the body. */
pl_rc pl_request_judge(const pl_policy *p, const pl_cell *cells, const pl_surface *s, pl_str body,
                       request_facts *facts, tally *found, pl_buf *question, pl_error *err);

/* Appends the request with pseudonyms and masks where the policy wants them. */
pl_rc pl_request_redact(const pl_policy *p, const pl_cell *cells, const pl_surface *s, pl_str body,
                        const uint8_t key[32], pseudonyms *names, pl_buf *out, pl_error *err);

/* The name of one PL_BYPASS bit in events. */
const char *pl_bypass_name(unsigned bit);

/* Undoes a second level of JSON string escapes, in pieces. */
void pl_unescaper_feed(unescaper *u, pl_str piece, pl_buf *out);

/* --- answers --------------------------------------------------------------------- */

#define PL_CHANNELS_MAX 96         /* per choice */
#define PL_TEXT_KEPT    (1u << 20) /* answer text kept for commitment and trace */

/* An event of the stream with two gaps: what is held back of a text is said in it, later. */
typedef struct echo {
    pl_buf bytes;
    size_t text_at, sequence_at; /* offsets of the gaps; sequence_at SIZE_MAX: none */
} echo;

typedef struct text_channel text_channel;

/* One text that a reader of the answer sees as continuous. */
struct text_channel {
    uint8_t   kind; /* path_kind */
    int32_t   sub;
    uint32_t  hash;
    bool      finished, labelled;
    bool      is_named;     /* PK_NAME: complete in each event, and judged with it */
    bool         in_question; /* something was found in it that wants a second opinion */
    pl_buf       context;  /* in a stream where that may happen: the end of its text so far */
    pl_screen_stream *scan; /* in a stream: judged piece by piece              */
    pl_buf    whole;        /* in a whole answer: judged when the text is complete; in a stream: a name */
    pl_buf    window;       /* in a stream: text that the classifier has not judged yet */
    uint64_t  windowed;     /* bytes that it has */
    uint64_t  fed;    /* bytes of text so far, unescaped */
    unescaper escape; /* PK_ARGS only */
    pl_buf    pending;      /* said by the upstream, not released to the client */
    uint64_t  pending_from; /* where pending begins, in bytes given to scan     */
    unescaper pending_escape; /* state there */
    echo      echo;
    pl_redact_item *mask;   /* what is replaced in it, offsets as scanned */
    size_t    mask_n, mask_cap;
    uint64_t  text_from;    /* PK_TEXT: where it begins in its choice's text */
};

#define PL_MASKS_MAX 4096 /* per channel; more is a block */

/* One choice as it grows. */
typedef struct choice {
    text_channel *ch[PL_CHANNELS_MAX];
    size_t   ch_n;
    pl_buf   text;     /* PK_TEXT so far, for commitment and trace */
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
    size_t bytes;           /* in x->stream.held */
    size_t mark, mark_n;    /* in x->stream.marks */
} held_event;

/* A change to an event's JSON: bytes [from, to) become text. */
typedef struct edit {
    size_t from, to;
    size_t text, text_n; /* in x->stream.edit_text */
} edit;

/* Strings that stay the same from event to event are read once. */
#define MEMO_MAX  12
#define MEMO_TEXT 56
typedef struct memo {
    const surface_node *node;
    uint16_t n;
    char     text[MEMO_TEXT];
} memo;

/* What a stream is in the middle of. */
typedef struct stream_place {
    bool    begun;
    int32_t open_sub;              /* part that is open, or -1 */
    int32_t next_sub, next_choice; /* free numbers */
} stream_place;

/* The event before, when one like it may follow: exchange_same.c. */
typedef struct same_event {
    bool         is_set;
    pl_buf       bytes;
    answer_piece piece; /* its one text, offsets in bytes */
    int64_t      choice, sub;
    event_role   role;
} same_event;

typedef enum event_kind {
    EV_OTHER,  /* no data: a comment                              */
    EV_JSON,
    EV_OVER,   /* the end, as the upstream says it or by its close */
    EV_BROKEN  /* the upstream broke off                           */
} event_kind;

/* One event of the upstream. */
typedef struct stream_event {
    pl_exchange *x;
    pl_buf      *out;
    event_kind   kind;
    event_role   role; /* of EV_JSON */
    pl_str       raw, data;
    size_t       first_mark;
} stream_event;

typedef struct stream_state {
    pl_buf   raw;           /* bytes of the event in the making */
    stream_event waiting;   /* it was judged, and a second opinion is awaited; views raw */
    pl_buf   later;         /* what the upstream said after it */
    size_t   line_start;    /* offset in raw */
    bool     skip_lf, started, saw_finish;
    pl_buf   data;          /* data lines of one event, joined, when there are several */
    pl_buf   held;
    size_t   held_off;      /* bytes of held already released */
    held_event *events;
    size_t   events_n, events_cap;
    held_mark *marks;
    size_t   marks_n, marks_cap;
    edit    *edits;
    size_t   edits_n, edits_cap;
    pl_buf   edit_text, built;
    memo     memo[MEMO_MAX];
    size_t   memo_n;
    size_t   singles;       /* strings of the event in hand that were not known */
    same_event same;
    stream_place seen, sent; /* as the upstream said; as the client knows */
    uint64_t sequence, sequence_shift; /* next number; how many events we put between */
    pl_buf   id, model;     /* raw JSON string insides of the last event */
    int64_t  created;
} stream_state;

/* Ways in which something went through unjudged; event.md names them. */
#define PL_BYPASS_NOT_JUDGED 1u /* judging failed, and every rule that acts fails open  */
#define PL_BYPASS_OPINION    2u /* no second opinion could be had, and the rule fails open */
#define PL_BYPASS_OVER_IN    4u /* the request was over its route's limit, which lets it pass */
#define PL_BYPASS_OVER_OUT   8u /* the same of the answer, from the event on that went over */
#define PL_BYPASSES          4

/* In place of a blocking rule: the answer is over its limit. */
#define PL_BLOCK_OVERSIZE INT64_MAX

/* Second opinions about an answer. */
#define PL_QUESTIONS_MAX 16          /* about one answer; what is found after that has no opinion */
#define PL_CONTEXT_KEPT  (16u << 10) /* bytes of a text in a stream that a guard model is shown */
typedef struct answer_opinion {
    bool       asks;       /* a guard model is being asked, and nothing is released */
    bool       single;     /* the string being scanned by itself is in question */
    bool       has_end;    /* the upstream ended meanwhile */
    bool       is_said;
    unsigned   times;
    pl_opinion said;       /* the gravest so far */
    uint8_t    about[16];  /* what is asked, hashed (half of a SHA-256)                */
    uint8_t    safe[PL_QUESTIONS_MAX][16]; /* what was safe: the same is not asked again */
    unsigned   safe_n;
} answer_opinion;

struct pl_exchange {
    pl_exchange_options o;
    const pl_surface   *surface; /* NULL: an unknown path that is let through unread */
    const policy_route *route;
    const pl_cell *cells[2]; /* [is_output], of the route at the beginning of the exchange */
    unsigned bypasses;       /* PL_BYPASS bits */
    request_facts facts;
    char     model[256];    /* raw JSON string inside, for replies made here */
    tally    in, out;
    pl_hash  input_commitment;
    uint64_t input_bytes, output_bytes;
    int64_t  clock_off_ms;  /* by which the machine's clock jumped meanwhile, 0: it did not */
    uint64_t received;      /* bytes of the upstream's events so far */

    int      status, upstream_status;
    const char *verdict, *direction, *reason, *end;
    char     reason_store[48];
    bool     own, ended, is_stream, is_raw, replied;
    bool     oom, unrecorded;
    bool     late;          /* text came after its announced end */
    bool     no_label;      /* nothing more is labelled */
    pl_buf   body;          /* the reply of ANSWER or WHOLE */
    const char *content_type;
    char     upstream_type[96];

    pl_buf   collect;       /* WHOLE: upstream bytes */
    answer   answer;
    stream_state stream;
    pl_buf   scratch, inner;
    text_channel *scanning; /* the one being fed, for findings */
    pl_buf   forward;       /* the request with its replacements */
    pl_buf   question;      /* texts that a guard model is asked about; of the answer, those without a channel */
    pl_opinion opinion;     /* about the request */
    answer_opinion asked;   /* about the answer */
    uint8_t subject[PL_SUBJECT_KEY], session[PL_SUBJECT_KEY];
    bool    has_subject, has_session;
    people_admission people;
    pl_budget_use use[PL_BUDGETS_MAX];
    bool     is_counted;        /* in all of them */
    pl_budget_spent spent;
    size_t   spent_of;
    int64_t  retry_s;
    uint64_t tokens_taken;      /* of the request, estimated */
    uint64_t answer_quarters;   /* of the answer, estimated, in quarters of a token */
    int64_t  tokens[2];         /* [is_output], as the upstream says; -1: it does not */
    bool     tokens_estimated;
    pseudonyms names;
    bool     review_kept;        /* somebody holds what people will look at */
    pl_hash  review_commitment;

    choice  *choices[PL_CHOICES_MAX];
    int      choice_count;  /* highest index used + 1 */

    pl_event event;
    pl_buf   leaf;
    bool     event_done;
};

/* --- exchange_channel.c: scanning ------------------------------------------------------------ */

/* Scans a piece as the continuation of its channel; NULL for pieces without one, and when
 * memory or channels ran out (x->oom). *c (may be NULL) gets its choice. */
text_channel *pl_exchange_take(pl_exchange *x, answer_piece *p, choice **c);
/* Does the text that this PK_FULL piece repeats end in a label? */
bool pl_exchange_says_label(const pl_exchange *x, const answer_piece *p);
/* The texts of a choice are complete: all, or those of one part. */
void pl_choice_finish(pl_exchange *x, choice *c);
void pl_choice_free(choice *c);
void pl_choice_finish_sub(pl_exchange *x, choice *c, int32_t sub);
/* Scans a string by itself, its inner escapes undone as well. */
void pl_exchange_scan_single(pl_exchange *x, pl_str s);
/* The token's text; valid until the next call. */
pl_str pl_exchange_token(pl_exchange *x, const pl_jsontok *t);
bool pl_exchange_blocked(const pl_exchange *x);
/* Is the text of a choice shown to its reader other than the upstream said it? */
bool pl_choice_is_changed(const pl_exchange *x, const choice *c);
/* Appends the text as shown: masked, pseudonyms undone. */
void pl_choice_shown(const pl_exchange *x, const choice *c, pl_buf *out);
/* May choice c carry the label inside its text? */
bool pl_choice_takes_label(const pl_exchange *x, const choice *c);
pl_str pl_exchange_label_text(const pl_exchange *x);
/* The label as the inside of a JSON string, separator included. */
void pl_exchange_label_json(const pl_exchange *x, pl_buf *out);

/* --- exchange_limits.c --------------------------------------------------------------------- */

/* False: the request is longer than its route takes, and was refused. */
bool pl_exchange_takes_request(pl_exchange *x, uint64_t bytes);
/* Blocks an answer that is longer than its route takes, or has the rest of it not judged. */
void pl_exchange_limit_answer(pl_exchange *x, uint64_t bytes);

/* --- exchange_budget.c --------------------------------------------------------------------- */

/* False: a budget is spent, and the request was refused. */
bool pl_exchange_takes_budget(pl_exchange *x, pl_str body);
/* Takes over what x->answer says was used; counts of later events are higher. */
void pl_exchange_note_tokens(pl_exchange *x);
void pl_exchange_settle_budget(pl_exchange *x, int64_t now_ms);
void pl_exchange_budget_members(const pl_exchange *x, pl_buf *b);
uint64_t pl_tokens_quarters(pl_str s);

/* --- exchange_people.c --------------------------------------------------------------------- */

/* A keyed hash of a value, under a name of what it is. */
void pl_exchange_key(const pl_exchange *x, const char *domain, pl_str value, uint8_t out[PL_SUBJECT_KEY]);
/* Who asks, now that the body is read; looks up what holds for them. */
void pl_exchange_identify(pl_exchange *x);
/* Refuses when something holds against the person. */
bool pl_exchange_refuse_person(pl_exchange *x);

/* --- exchange_review.c --------------------------------------------------------------------- */

/* Appends salt and content. */
void pl_exchange_review_content(pl_exchange *x, pl_str body, const uint8_t salt[32], pl_buf *out);
/* The key under which content goes from worker to daemon. */
void pl_review_transport_key(const uint8_t index_key[32], uint8_t out[32]);
/* The event's member `review`, when there is something to look at. */
void pl_exchange_review_member(const pl_exchange *x, pl_buf *b);

/* --- exchange_opinion.c --------------------------------------------------------------------- */

/* Notes a finding of the answer that wants a second opinion. */
void pl_opinion_note(pl_exchange *x);
/* Keeps text of a channel for the question. */
void pl_opinion_keep(pl_exchange *x, text_channel *ch, pl_str s);
/* True: a guard model is to be asked before what was judged may go on (pl_exchange_asks). False: it need not be,
 * or cannot be, which may have blocked the answer. */
bool pl_opinion_is_wanted(pl_exchange *x);
/* What the opinion means for what was found and had none yet. */
void pl_opinion_settle(pl_exchange *x, bool is_output, pl_opinion o);

/* --- exchange_whole.c, exchange_frame.c, exchange_stream.c ------------------------------- */

void pl_whole_end(pl_exchange *x, pl_response_end how);
/* After a second opinion. */
void pl_whole_go_on(pl_exchange *x);
void pl_stream_go_on(pl_exchange *x, pl_buf *out, int64_t now_ms);
void pl_stream_feed(pl_exchange *x, pl_str bytes, pl_buf *out, int64_t now_ms);
void pl_stream_end(pl_exchange *x, pl_response_end how, pl_buf *out, int64_t now_ms);
void pl_stream_event(pl_exchange *x, pl_str raw, pl_buf *out, int64_t now_ms);
void pl_stream_init(stream_state *s, size_t max);
void pl_stream_done(stream_state *s);
/* Sets e->data from the event's data lines, and joins its other lines in others. Gives the
 * number of data lines. */
size_t pl_frame_data(stream_event *e, pl_buf *others);
/* The event in hand is done with. */
void pl_frame_next(stream_state *s);
/* The last event when its blank line is missing. */
void pl_frame_rest(pl_exchange *x, pl_buf *out, int64_t now_ms);
/* Reads one line off rest, whatever ends it. */
bool pl_frame_line(pl_str *rest, pl_str *line);

/* --- exchange_block.c ----------------------------------------------------------------- */

void pl_stream_end_error(pl_exchange *x, pl_buf *out, int64_t now_ms, const char *verdict,
                         const char *code, const char *message);
/* True when the stream ended because of what was just scanned. */
bool pl_stream_judged(pl_exchange *x, pl_buf *out, int64_t now_ms);
/* Makes the event record, and says its digest. */
void pl_stream_comment(pl_exchange *x, pl_buf *out, int64_t now_ms);
void pl_stream_stop(pl_exchange *x, pl_buf *out, int64_t now_ms);

/* --- exchange_same.c ----------------------------------------------------------------- */

/* Keeps the event that was read into x->answer, if one like it may follow; or forgets the one before. */
void pl_same_keep(const stream_event *e, event_role role);
/* Fills x->answer when the event is like the one that was kept. */
bool pl_same_read(const stream_event *e, event_role *role);

/* --- exchange_hold.c: what is held back, and how it is said later ------------------------- */

/* Notes that the event in hand needs what was fed to ch so far. */
void pl_hold_mark(pl_exchange *x, text_channel *ch);
/* Bytes that are sent when everything before them is, and their marks allow it. */
void pl_hold_queue(pl_exchange *x, pl_str bytes, size_t first_mark, pl_buf *out);
void pl_hold_release(pl_exchange *x, pl_buf *out);
void pl_hold_drop(stream_state *s);
bool pl_hold_is_empty(const stream_state *s);
/* Sends the event in hand with as much of its texts as is releasable now. */
void pl_hold_event(stream_event *e);
/* Says what channel ch still holds; it is finished. */
void pl_hold_flush(pl_exchange *x, text_channel *ch, pl_buf *out);
/* Keeps the event in hand as the way to say more later on the channel of its piece. */
void pl_hold_echo_keep(stream_event *e, const answer_piece *piece);
/* Says text (the inside of a JSON string) on ch; false: it has no echo. */
bool pl_hold_say(pl_exchange *x, text_channel *ch, pl_str text_json, pl_buf *out);
/* In a whole answer: a piece with its findings masked. */
void pl_edit_masked(pl_exchange *x, const answer_piece *p);
void pl_edit_add(pl_exchange *x, size_t from, size_t to, pl_str text);

/* --- exchange_mask.c: findings of an answer that are replaced -------------------------------- */

/* Notes a finding of the channel being fed; false: it cannot be replaced there. */
bool pl_mask_add(pl_exchange *x, const pl_text_finding *f);
/* n bytes from `from` on, or fewer, so that no mask is cut in two. */
size_t pl_mask_cut(const text_channel *ch, uint64_t from, size_t n);
bool pl_mask_touches(const text_channel *ch, uint64_t from, size_t n);
/* Appends text, which stands at `from` in the channel, masked. */
bool pl_mask_put(const text_channel *ch, uint64_t from, pl_str text, pl_buf *out);

/* --- exchange_reply.c: replies made here ---------------------------------------------- */

typedef struct voice_args {
    int32_t     choice, sub;
    pl_str      text; /* inside of a JSON string */
    const char *type, *code, *message;
} voice_args;
/* Fills the places of a voice's text; NULL writes nothing. */
void pl_voice_put(pl_exchange *x, pl_buf *out, const char *text, const voice_args *a);
void pl_reply_block(pl_exchange *x, int64_t rule);
void pl_reply_error(pl_exchange *x, int status, const char *type, const char *code,
                    const char *message);
void pl_reply_safe_answer(const pl_exchange *x, int64_t rule, pl_buf *json);

#endif
