/* The life of keys: which key may sign which entry of a log, and its checkpoints.
 *
 * Keys come and go by key-event statements in the log itself (docs/formats/keys.md), and a
 * statement is judged by its place in the log, not by today's list. A reader starts from one
 * key it trusts; from there the events of the log lead to all others, forwards, and backwards
 * over rotations, which both keys sign. Pure: entries in, lives out.
 */
#ifndef PLUMBLINE_KEYLIFE_H
#define PLUMBLINE_KEYLIFE_H

#include <plumbline/log.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PL_KEY_EVENT_TYPE  "https://plumbline.example/predicate/key-event/v1"
#define PL_KEYS_MAX        64  /* keys a log may ever have had    */
#define PL_KEY_EVENTS_MAX  256
#define PL_INDEX_NONE      UINT64_MAX

typedef struct pl_key_life {
    pl_vkey  key;
    int      is_log;   /* signs checkpoints, and says which keys there are */
    uint64_t from, to; /* may sign the entries from <= index < to          */
    uint64_t known_by; /* the entry it came by, PL_INDEX_NONE for the root and what preceded it */
    uint64_t ended_by; /* the entry that set `to`, PL_INDEX_NONE when none did */
    char     end[16];  /* "", "rotate", "retire", "revoke" or "compromise" */
} pl_key_life;

typedef struct pl_key_history pl_key_history;

PL_API pl_rc pl_key_history_new(const pl_vkey *root, pl_key_history **out, pl_error *err);
PL_API void  pl_key_history_free(pl_key_history *h);
/* Cheap: 0 when the entry cannot be a key event in our own spelling. */
PL_API int pl_key_event_maybe(pl_str entry);
/* Takes a key event, signed by whomever; entries come in the order of the log.
 * PL_NOTFOUND: not a key event. PL_INVALID: a malformed one. PL_LIMIT: too many. */
PL_API pl_rc pl_key_history_put(pl_key_history *h, uint64_t index, pl_str entry, pl_error *err);
/* Judges all events together: a compromise declared later reaches back. Until this is
 * called, and when it fails, only the root is known. */
PL_API pl_rc pl_key_history_resolve(pl_key_history *h, pl_error *err);
/* PL_OK: the event at this index counted. PL_DENIED: it was not signed by whom it must.
 * PL_NOTFOUND: no event was put there. */
PL_API pl_rc pl_key_history_event(const pl_key_history *h, uint64_t index, pl_error *err);

/* The root comes first. Borrowed until the next resolve. */
PL_API size_t             pl_key_history_count(const pl_key_history *h);
PL_API const pl_key_life *pl_key_history_get(const pl_key_history *h, size_t i);
/* The keys alone, in the same order: what pl_dsse_open takes. */
PL_API const pl_vkey *pl_key_history_keys(const pl_key_history *h);

/* PL_INVALID, with the reason, when the key may not sign the entry at this index. */
PL_API pl_rc pl_key_life_check(const pl_key_life *k, uint64_t index, pl_error *err);
/* A checkpoint of size s is judged as entry s - 1 is: one log key alive then must have signed. */
PL_API pl_rc pl_key_history_checkpoint(const pl_key_history *h, pl_str note, pl_checkpoint *out,
                                       pl_error *err);

#ifdef __cplusplus
}
#endif
#endif
