/* Layout of the gateway files; shared by gate.c, gate_slot.c. docs/formats/gateway-files.md */
#ifndef PL_GUARD_GATE_INT_H
#define PL_GUARD_GATE_INT_H

#include "cap/guard/gate_open.h"
#include "cap/guard/pl_gate.h"
#include "cap/guard/ring.h"

#define PL_GATE_VERSION 2u
#define PL_GATE_RING_OLD_BYTES (256u << 10)
#define PL_STATE_MAGIC  0x3154415453504c50ull /* "PLPSTAT1" */
#define PL_RING_MAGIC   0x31474e4952504c50ull /* "PLPRING1" */
#define PL_RING_PAGE    4096u

typedef struct state_head {
    uint64_t magic;
    uint32_t version, slots;
    _Atomic uint64_t generation;
    _Atomic uint32_t stopped;
    _Atomic uint32_t canary_share; /* percent of exchanges that canary.db judges; 0: none */
    int64_t  since_ms;
    char     reason[256];
    _Atomic uint64_t canary; /* generation of canary.db */
} state_head;

/* Written under a lock of the file; version is odd meanwhile. */
typedef struct state_stops {
    _Atomic uint64_t version;
    _Atomic uint32_t count;
    uint32_t         reserved;
    pl_part_stop     stop[PL_GATE_STOPS];
} state_stops;

/* owner: pid in the low half, start time of that process in the high half; 0 is free. */
typedef struct state_slot {
    _Alignas(64) _Atomic uint64_t owner;
    _Atomic uint64_t count[PL_COUNT__N];
} state_slot;
_Static_assert(sizeof(state_slot) == 128, "the layout of running instances");

typedef struct state_file {
    union {
        state_head head;
        char       page[4096];
    };
    state_slot  slot[PL_GATE_SLOTS + 1]; /* the last one counts for workers without a slot */
    state_stops stops;
} state_file;

typedef struct ring_head {
    uint64_t magic;
    uint32_t version, reserved;
    uint64_t hot_bytes, spill_bytes;
    uint8_t  id[16];
    _Atomic uint64_t next_seq;
    ring_ends hot, spill;
} ring_head;
_Static_assert(sizeof(ring_head) <= PL_RING_PAGE, "ring header fits its page");

#define PL_REVIEW_MAGIC 0x3152455250504c50ull /* "PLPPRER1" */

typedef struct review_head {
    uint64_t  magic;
    uint32_t  version, reserved;
    uint64_t  bytes;
    ring_ends ends;
} review_head;
_Static_assert(sizeof(review_head) <= PL_RING_PAGE, "review header fits its page");

/* A mapped review-NN.plr; at: the daemon's cursor. */
typedef struct review_map {
    review_head *head; /* NULL: not mapped */
    ring         ring;
    uint64_t     at;
} review_map;

/* A mapped ring file. */
typedef struct slot_map {
    ring_head *head; /* NULL: not mapped */
    size_t     bytes;
    ring       hot, spill;
    uint64_t   hot_at, spill_at; /* the daemon's cursors */
    bool       touched;          /* cursors moved since the last ack */
    ring_head *_Atomic published; /* head, for other threads of the daemon */
} slot_map;

struct pl_gate {
    int         dirfd;
    state_file *state;
    pl_policy  *trial;   /* worker: canary.db, or NULL */
    uint64_t    canary;  /* its generation */
    pl_policy  *policy, *retired; /* in force; the one before, which streams may still hold */
    state_stops stops; /* worker: as last seen */
    struct pl_subjects *subjects;
    struct pl_budgets *budgets;
    uint64_t    generation;
    int         slot;  /* worker: claimed slot or -1 */
    slot_map    own;
    open_table  open; /* worker */
    uint64_t    reserved;
    slot_map    drain[PL_GATE_SLOTS];
    review_map  review;                 /* worker */
    review_map  reviews[PL_GATE_SLOTS]; /* daemon */
    int         drain_slot;
};

/* Takes the table of stops over when it changed, and always when `again`. */
void  gate_stops_refresh(pl_gate *g, bool again);
void  slot_unmap(slot_map *m);
/* gate_review.c */
void  gate_review_claim(pl_gate *g, int slot);
void  gate_review_unmap(review_map *m);
void  gate_review_ack(pl_gate *g);
void  gate_review_rewind(pl_gate *g);
pl_rc slot_map_open(pl_gate *g, int slot, slot_map *out, pl_error *err);
#endif
