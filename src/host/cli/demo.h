/* The demo upstream: an OpenAI-compatible server without a model. It replays recorded
 * answers, chosen by words of the last user message, so that everything in front of it
 * can be tried out. It says what it is: header x-plumbline-demo, model plumbline-demo. */
#ifndef PL_HOST_DEMO_H
#define PL_HOST_DEMO_H

#include "base/buf.h"
#include "base/json.h"

#define PL_DEMO_MODEL "plumbline-demo"

/* --- demo_answers.c: the recordings ---------------------------------------------------- */

typedef struct pl_demo_answers pl_demo_answers;

/* JSON lines: {"id","lang":"zh"|"en","match":[…],"text"}; a line without "match" is the
 * answer of its language to everything else, and there must be one per language. */
pl_rc pl_demo_answers_load(const char *path, pl_demo_answers **out, pl_error *err);
void  pl_demo_answers_free(pl_demo_answers *a);
/* The answer to a question; borrowed. */
pl_str pl_demo_answers_find(const pl_demo_answers *a, pl_str question);

/* --- demo_schema.c: a value that a JSON schema accepts --------------------------------- */

/* Understands what OpenAI's structured outputs allow: type, properties, items, enum,
 * const, anyOf, $ref into the same document, minItems, minimum. Bounded depth. */
json_t *pl_demo_schema_value(const json_t *schema);

/* --- demo_reply.c: what is sent -------------------------------------------------------- */

typedef struct pl_demo_reply {
    int    status;
    bool   is_stream;
    pl_buf body;    /* the JSON answer, or all SSE events one after the other */
    /* Where each event of a stream ends in body. */
    size_t *event_end;
    size_t  event_count;
} pl_demo_reply;

/* serial and now_s go into id and "created". */
void pl_demo_reply_make(const pl_demo_answers *a, pl_str request, uint64_t serial, int64_t now_s,
                        pl_demo_reply *out);
void pl_demo_reply_done(pl_demo_reply *r);
/* Length of the token that begins s: a word with the blank before it, or a character or
 * two of Chinese. 0 when s is empty. */
size_t pl_demo_token(pl_str s);

/* --- demo_server.c --------------------------------------------------------------------- */

typedef struct pl_demo_server pl_demo_server;
typedef struct pl_demo_options {
    const char *listen;  /* host:port, port 0 for any, or unix:PATH */
    const char *answers; /* path */
    unsigned    pace_ms; /* between the events of a stream */
} pl_demo_options;
pl_rc    pl_demo_server_start(const pl_demo_options *o, pl_demo_server **out, pl_error *err);
unsigned pl_demo_server_port(const pl_demo_server *s); /* 0 for a unix socket */
void     pl_demo_server_stop(pl_demo_server *s);
#endif
