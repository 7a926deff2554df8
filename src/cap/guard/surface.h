/* Surfaces: the APIs that the gateway understands, as tables.
 *
 * A surface says where in a request and in an answer the text stands and what else about them
 * matters, how a stream is framed, and how a refusal is said in that API's own words. One walker
 * (surface_walk.c) reads every body by these tables; nothing else in the guard knows an API.
 *
 * What a table does not list is read all the same: a string at an unknown place is scanned like
 * any other. A table can only add meaning, never take a string out of sight, except by PK_DATA.
 *
 * Tables are constant; the trees made from them are built once, by the first use, and shared.
 */
#ifndef PL_GUARD_SURFACE_H
#define PL_GUARD_SURFACE_H

#include "base/jsonscan.h"
#include <stdbool.h>

/* What stands at a path. Channels: texts that a reader sees as one, though they come in pieces. */
typedef enum path_kind {
    PK_NONE,
    PK_ONE,         /* a text by itself                                             */
    PK_DATA,        /* base64 of media, vectors: passes unread, if that is what it is */
    PK_TYPE,        /* names the kind of its object; guards variants                 */
    PK_TEXT,        /* what is asked; what is answered                              */
    PK_REASON,      /* channel: reasoning                                           */
    PK_REFUSAL,     /* channel: the model's own refusal                             */
    PK_ARGS,        /* channel: JSON inside a string                                */
    PK_NAME,        /* channel: name of a tool                                      */
    PK_ALSO,        /* channel: any other continuing text                           */
    PK_FULL,        /* in an event: repeats a complete text, label included         */
    PK_ID, PK_MODEL, PK_CREATED, PK_USER,
    PK_CHOICE_INDEX, PK_SUB_INDEX, /* numbers that say which choice, which part     */
    PK_SEQUENCE,    /* number of the event                                          */
    PK_FINISH,      /* non-empty string or true: the choice is complete             */
    PK_LOGPROBS,    /* request: asks for them; answer: an object here has them       */
    PK_STREAM, PK_N, PK_USAGE, PK_STRUCTURED, PK_FORMAT_TYPE, PK_ROLE,
    PK_MEDIA        /* request: something that is not text                          */,
    PK_TOKENS_IN, PK_TOKENS_OUT /* numbers: what the answer took                        */
} path_kind;

enum path_flags {
    PF_CHOICE = 1 << 0,   /* each element is a choice                                */
    PF_SUB = 1 << 1,      /* each element is a part or call of its choice            */
    PF_TOOL = 1 << 2,     /* what is here is a tool call                             */
    PF_MESSAGE = 1 << 3,  /* request: the texts inside are one text                  */
    PF_PART = 1 << 4,     /* one part of a text in parts; also read by itself        */
    PF_USER = 1 << 5,     /* request: the asker's own words                          */
    PF_REQUIRED = 1 << 6, /* its object must have it                                 */
    PF_FILLED = 1 << 7,   /* its array must not be empty                             */
    PF_LABEL = 1 << 8,    /* PK_FULL: repeats an answer's text with its label        */
    PF_ENTIRE = 1 << 9    /* unlisted strings inside, or a tool's name, are complete, never continued */
};

enum path_types {
    PT_ANY = 0,
    PT_STR = 1 << 0, PT_OBJ = 1 << 1, PT_ARR = 1 << 2, PT_NUM = 1 << 3, PT_BOOL = 1 << 4,
    PT_NULL = 1 << 5
};

typedef struct surface_path {
    const char *path; /* "choices[].delta.content": members and elements from the root */
    uint8_t     kind;
    uint8_t     types;
    uint16_t    flags;
    const char *type; /* only where the object's PK_TYPE member says so; NULL: always */
} surface_path;

/* What an answer took, as surfaces call it; `at` is its object. */
#define SURFACE_USAGE(at)                                                                          \
    { at, PK_NONE, 0, PF_ENTIRE, NULL }, { at ".prompt_tokens", PK_TOKENS_IN, 0, 0, NULL },         \
    { at ".input_tokens", PK_TOKENS_IN, 0, 0, NULL },                                               \
    { at ".cache_creation_input_tokens", PK_TOKENS_IN, 0, 0, NULL },                                \
    { at ".cache_read_input_tokens", PK_TOKENS_IN, 0, 0, NULL },                                    \
    { at ".completion_tokens", PK_TOKENS_OUT, 0, 0, NULL },                                         \
    { at ".output_tokens", PK_TOKENS_OUT, 0, 0, NULL }

/* What events of a stream are called (the root's PK_TYPE) and what they mean. */
typedef enum event_role {
    ER_NONE,
    ER_BEGIN,      /* the stream has begun                     */
    ER_SUB_BEGIN,  /* a part is open                           */
    ER_SUB_END,    /* the part is complete: decide its texts   */
    ER_CHOICE_END, /* every part of the choice is complete     */
    ER_END,        /* nothing follows                          */
    ER_ERROR       /* nothing follows; the upstream failed      */
} event_role;

typedef struct surface_event {
    const char *type;
    event_role  role;
} surface_event;

typedef enum framing { FRAMING_NONE, FRAMING_SSE, FRAMING_LINES } framing;

/* How a surface speaks. Texts with places to fill (exchange_reply.c):
 *   %i id  %m model  %t seconds  %T RFC 3339 time  %c choice  %b part  %q sequence number
 *   %s text, escaped  %x request id  %e error type  %k error code  %w error message */
typedef struct surface_voice {
    const char *id_prefix;
    /* a whole answer: head, one for each choice with commas between, tail */
    const char *whole_head, *whole_choice, *whole_refusal, *whole_tail;
    /* a stream: begin, then per choice open, delta, close; then end */
    const char *begin, *open, *delta, *delta_refusal, *close, *usage, *end;
    const char *shut;         /* ends a part that another text was coming in */
    const char *error;        /* body of an error answer       */
    const char *stream_error; /* the same inside a stream      */
    const char *server_error; /* what "server_error" is called, NULL: just that */
    const char *large_error;  /* what it calls a request that is too long, NULL: as others do */
    const char *block_code;   /* without a whole_head: code of the 400 that a block is */
} surface_voice;

enum surface_flags {
    SF_STREAMS_BY_DEFAULT = 1 << 0, /* unless the request says stream: false        */
    SF_NEW_PLACE = 1 << 1,          /* a block in a stream speaks in a new part      */
    SF_NEW_CHOICE = 1 << 2,         /* … in a new choice                             */
    SF_LABEL_APART = 1 << 3,        /* a stream's label is a part of its own         */
    SF_GENERATES = 1 << 4,          /* its answers are generated content            */
    SF_BINARY = 1 << 5              /* its answers are media files                   */
};

typedef struct pl_surface {
    const char          *name;  /* "chat.completions"            */
    const char          *route; /* "/v1/chat/completions"        */
    unsigned             flags; /* surface_flags                 */
    framing              framing;
    const surface_path  *request, *response; /* ended by .path NULL */
    const surface_event *events;             /* ended by .type NULL; NULL: none */
    const char          *done;               /* SSE data that ends a stream, or NULL */
    const surface_voice *voice;
} pl_surface;

extern const pl_surface surfaces_openai[], surfaces_other[]; /* ended by .name NULL */

/* --- trees ---------------------------------------------------------------------------- */

typedef struct surface_node {
    const char *name; /* "" is the element of an array */
    uint8_t     name_n, kind, types, bit; /* bit: number among its siblings */
    uint16_t    flags;
    int16_t     child, next, variant; /* -1: none. variant: same path, another type guard */
    const char *type;
} surface_node;

#define SURFACE_NODES_MAX 160
typedef struct surface_tree {
    surface_node node[SURFACE_NODES_MAX]; /* node[0] is the root */
    int          n;
} surface_tree;

const surface_tree *pl_surface_request_tree(const struct pl_surface *s);
const surface_tree *pl_surface_response_tree(const struct pl_surface *s);
/* Role of an event type; ER_NONE when it has none. */
event_role pl_surface_event_role(const struct pl_surface *s, pl_str type);

/* --- walking ---------------------------------------------------------------------------- */

typedef struct walk_frame {
    const surface_node *node;  /* NULL: not in the table */
    uint64_t            seen;  /* members of the table met so far */
    uint64_t            count; /* elements or members so far */
    pl_str              type;  /* value of the PK_TYPE member, raw */
    int64_t             choice, sub; /* -1: not said here */
    size_t              mark;  /* for the visitor: set in begin */
    uint32_t            hash;  /* names an unknown place */
    bool                is_array, entire;
    bool                has_text; /* set by the visitor, handed upwards */
} walk_frame;

typedef struct surface_walk surface_walk;

/* Callbacks return PL_OK to go on. n is NULL where the table knows nothing. */
typedef struct walk_visitor {
    pl_rc (*key)(void *ctx, surface_walk *w, const pl_jsontok *t); /* not in the table */
    pl_rc (*value)(void *ctx, surface_walk *w, const surface_node *n, const pl_jsontok *t);
    pl_rc (*begin)(void *ctx, surface_walk *w, const surface_node *n, const pl_jsontok *t);
    pl_rc (*end)(void *ctx, surface_walk *w, const surface_node *n);
    void *ctx;
} walk_visitor;

struct surface_walk {
    pl_jsonscan         json;
    const surface_tree *tree;
    const walk_visitor *v;
    pl_error           *err;
    const surface_node *next; /* of the value that comes */
    uint32_t            next_hash;
    const char         *key;  /* of the table, for messages */
    int                 depth; /* frames open */
    walk_frame          frame[PL_JSONSCAN_DEPTH];
};

/* Reads one JSON object to its end. PL_INVALID: not valid, two equal members of the table in
 * one object, a type or a missing member that the table refuses. */
pl_rc pl_surface_read(const surface_tree *tree, pl_str json, const walk_visitor *v,
                      pl_error *err);
/* The frame of the container the current value stands in. */
static inline walk_frame *walk_top(surface_walk *w)
{
    return &w->frame[w->depth - 1];
}

#endif
