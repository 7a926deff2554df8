/* One answer, or one event of a streamed one, read by the table of its surface: which strings
 * continue which text of which choice. */
#ifndef PL_GUARD_ANSWER_H
#define PL_GUARD_ANSWER_H

#include "cap/guard/surface.h"

/* More than any model says; a body with more is refused. */
#define ANSWER_PIECES_MAX 65536

/* A second level of JSON string escapes (tool-call arguments are JSON inside a JSON
 * string). Bytes outside escapes pass unchanged. */
typedef struct unescaper {
    char     pend[8];
    uint8_t  n;
    uint32_t high; /* high surrogate waiting for its partner, or 0 */
} unescaper;

struct text_channel;

typedef struct answer_piece {
    uint8_t    kind;   /* a channel, PK_FULL, PK_FINISH, PK_LOGPROBS, or PK_NONE: a mark only */
    bool       listed; /* the table knows that pieces of this text follow each other        */
    bool       labelled, is_tool; /* flags PF_LABEL, PF_TOOL */
    int32_t    choice, sub;
    uint32_t   hash;   /* PK_ALSO: which text */
    pl_jsontok t;
    const surface_node *node; /* until its variant is known */
    pl_str     type;
    int        depth;  /* of its object */
    /* set when it is scanned: its channel, and where it begins there */
    struct text_channel *ch;
    uint64_t   from;
    unescaper  escape;
} answer_piece;

typedef struct answer {
    answer_piece *piece;
    size_t        n, cap;
    pl_str        id, model; /* raw insides of JSON strings, or empty */
    pl_str        type;      /* of the root: the event's name */
    int64_t       created;   /* 0: not said */
    int64_t       tokens[2]; /* of request and answer; -1: not said */
    int64_t       choice, sub; /* of the root, -1: not said */
    uint64_t      sequence;
    pl_jsontok    sequence_at; /* .type PL_JT_NUMBER when there is one */
    bool          has_logprobs, has_unlisted;
} answer;

/* Strings that stand by themselves go to single() at once; node is that of the table. */
typedef struct answer_reader {
    const surface_tree *tree;
    bool                is_event;
    void (*single)(void *ctx, const surface_node *node, const pl_jsontok *t);
    void *ctx;
} answer_reader;

/* Reads into *a, whose memory is used again; views point into json. PL_LIMIT: too many. */
pl_rc pl_answer_read(const answer_reader *r, pl_str json, answer *a, pl_error *err);
void  pl_answer_done(answer *a);

#endif
