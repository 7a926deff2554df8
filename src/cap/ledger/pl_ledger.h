/* The ledger: an append-only Merkle log of signed statements on disk.
 *
 * Layout and crash order: docs/formats/ledger.md. One writer per directory (lock);
 * any number of readers. A writer object is safe from any thread: callers queue
 * behind one mutex. After PL_IO from append or publish the object refuses further
 * writes and must be reopened. Nothing acknowledged is ever lost; nothing that was
 * not re-read and re-hashed is ever signed.
 */
#ifndef PL_LEDGER_H
#define PL_LEDGER_H

#include "base/json.h"
#include <plumbline/log.h>
#include <stdbool.h>

#define PL_PREDICATE_BASE "https://plumbline.example/predicate/"
#define PL_PREDICATE(kind) PL_PREDICATE_BASE kind "/v1"

typedef struct pl_ledger pl_ledger;
typedef struct pl_ledger_ticket pl_ledger_ticket;

/* Makes an empty log in dir (must not exist). */
pl_rc pl_ledger_create(const char *dir, pl_str origin, const pl_signer *signer, pl_error *err);
/* Opens for writing: takes the lock, recovers, checks origin and key. PL_CONFLICT
 * when another process holds the lock. `signer` is borrowed until close. */
pl_rc pl_ledger_open(const char *dir, const pl_signer *signer, pl_ledger **out, pl_error *err);
/* Opens for reading what has been published; no lock. */
pl_rc pl_ledger_open_reader(const char *dir, pl_ledger **out, pl_error *err);
void  pl_ledger_close(pl_ledger *l);

/* Appends entries (exact DSSE envelope bytes) in order and makes them durable before
 * returning the index of the first. All or none. PL_LIMIT: an entry is larger than
 * PL_LOG_ENTRY_MAX or the batch too large. PL_FULL: the disk has no room; nothing has changed
 * and the same call may succeed later. PL_CONFLICT: another writer has opened the log; this
 * object is done for. Concurrent callers share one flush. Whoever appends faster than can be
 * published is slowed down to that rate (docs/design/005-ledger-pace.md), not refused; when
 * nobody publishes, the call itself does. */
pl_rc pl_ledger_append(pl_ledger *l, const pl_str *entries, size_t count, uint64_t *first,
                       pl_error *err);
/* The two halves of append, for a caller with more than one batch on its way. entries and
 * their bytes are borrowed until wait returns. Nothing is promised before: those who wait
 * do the writing, so every ticket must be waited for, once, by any thread. With much on its
 * way submit waits as well. */
pl_rc pl_ledger_submit(pl_ledger *l, const pl_str *entries, size_t count, pl_ledger_ticket **out,
                       pl_error *err);
/* Frees the ticket, whatever it returns. */
pl_rc pl_ledger_wait(pl_ledger *l, pl_ledger_ticket *t, uint64_t *first, pl_error *err);
/* Appends a DSSE envelope for a request that may come again, after a crash too: *is_new tells
 * whether it was appended, *index where the first one is. The same means: signer, payload and
 * request id are the same, and not more than some 65,000 entries lie between. The id (1 to
 * PL_REQUEST_ID_MAX bytes) is in the log as a hash; it should not be about a person. */
#define PL_REQUEST_ID_MAX 200
pl_rc pl_ledger_append_once(pl_ledger *l, pl_str envelope, pl_str request_id, uint64_t *index,
                            bool *is_new, pl_error *err);
/* Publishes tiles and a signed checkpoint covering everything appended; no-op when
 * nothing is new. Appends go on meanwhile. PL_FULL: the disk has no room; nothing has
 * been signed and publishing can be tried again. */
pl_rc pl_ledger_publish(pl_ledger *l, pl_error *err);
/* Whether so much waits that publishing again should not wait for a timer. */
bool  pl_ledger_is_behind(const pl_ledger *l);

/* Finishes a change of the instance's keys that was cut short: to be called before its signer
 * is made for writing. Costs nothing when there was none. rotated_by (may be NULL): the entry
 * of the rotation that was finished, or PL_INDEX_NONE. */
struct pl_instance;
pl_rc pl_ledger_keys_settle(const struct pl_instance *i, uint64_t *rotated_by, pl_error *err);

/* Ends writing for good: append and publish answer PL_DENIED with the reason. `note`, when
 * not NULL, is a head signed with the log's own key that this log does not contain; it is
 * kept in the file `frozen`, and the log stays frozen over restarts for as long as it lacks
 * it. Reading goes on. */
void pl_ledger_freeze(pl_ledger *l, const char *reason, const char *note);
/* The reason, "" when the log is not frozen. */
void pl_ledger_frozen(const pl_ledger *l, char out[200]);
/* Publishes cosignatures: `note` is a checkpoint of this log with further lines. It takes the
 * place of `checkpoint` as long as that is of the same size; with is_enough it becomes the
 * file `witnessed` as well. */
pl_rc pl_ledger_cosigned(pl_ledger *l, pl_str note, bool is_enough, pl_error *err);

/* Entries appended (durable), and the last published checkpoint. */
uint64_t pl_ledger_size(const pl_ledger *l);
pl_rc    pl_ledger_head(const pl_ledger *l, pl_checkpoint *out, pl_error *err);
/* The checkpoint note, malloc'd. */
pl_rc pl_ledger_checkpoint(const pl_ledger *l, char **note, size_t *n, pl_error *err);
/* Bytes of a published entry, malloc'd. */
pl_rc pl_ledger_entry(const pl_ledger *l, uint64_t index, char **out, size_t *n, pl_error *err);
/* Proofs against the published checkpoint of `size` (0: the last). */
pl_rc pl_ledger_inclusion(const pl_ledger *l, uint64_t index, uint64_t size, pl_proof *out,
                          pl_error *err);
pl_rc pl_ledger_consistency(const pl_ledger *l, uint64_t old_size, uint64_t size, pl_proof *out,
                            pl_error *err);
/* Finds an entry (by leaf hash) at or after index `from` among everything appended,
 * published or not. PL_NOTFOUND. */
pl_rc pl_ledger_find(const pl_ledger *l, const pl_hash *leaf, uint64_t from, uint64_t *index,
                     pl_error *err);

/* Content-addressed payload store: durable when it returns. digest = SHA-256. */
pl_rc pl_ledger_payload_put(const char *ledger_dir, pl_str bytes, uint8_t digest[32],
                            pl_error *err);
pl_rc pl_ledger_payload_get(const char *ledger_dir, const uint8_t digest[32], size_t max,
                            char **out, size_t *n, pl_error *err);

/* --- what the log can forget: docs/formats/private.md ----------------------------------- */

/* Keeps content and salt in private_dir, apart from the log and durable on return, and gives
 * the commitment that a statement carries in their place. */
pl_rc pl_private_put(const char *private_dir, pl_str content, const uint8_t salt[32],
                     pl_hash *commitment, pl_error *err);
/* content is malloc'd. PL_NOTFOUND: destroyed, or never here. PL_INVALID: damaged. */
pl_rc pl_private_get(const char *private_dir, const pl_hash *commitment, uint8_t salt[32],
                     char **content, size_t *n, pl_error *err);
/* Destroys what stands behind one commitment. PL_OK when nothing does. */
pl_rc pl_private_destroy(const char *private_dir, const pl_hash *commitment, pl_error *err);

typedef struct pl_erasure {
    uint64_t    index;     /* of the entry */
    const char *ground;    /* legal ground */
    const char *requester; /* a commitment in hex, or NULL */
    const char *by;        /* id of who acted, or NULL */
    int64_t     now_ms;
} pl_erasure;
/* Destroys the payload an entry bound and what stands behind its commitments, and appends and
 * publishes the deletion statement whose index is given. Can be repeated after any failure:
 * an erasure that was begun goes on as it was begun. PL_NOTFOUND: nothing to erase. */
pl_rc pl_ledger_erase(pl_ledger *l, const pl_signer *s, const char *private_dir,
                      const pl_erasure *e, uint64_t *index, pl_error *err);
/* Finishes the erasures that were begun. */
pl_rc pl_ledger_erase_resume(pl_ledger *l, const pl_signer *s, const char *private_dir,
                             size_t *finished, pl_error *err);

/* --- statements ------------------------------------------------------------------------ */

/* An in-toto Statement v1 about one subject, signed; the envelope is malloc'd.
 * predicate is borrowed. subject_digest: 32 bytes SHA-256 of the subject (for things
 * that are not files: SHA-256 of the subject's name). */
pl_rc pl_statement_sign(const pl_signer *s, pl_str subject, const uint8_t subject_digest[32],
                        const char *predicate_type, const json_t *predicate, char **envelope,
                        size_t *n, pl_error *err);
/* Signs and appends one statement about a named thing: the everyday call. */
pl_rc pl_ledger_state(pl_ledger *l, const pl_signer *s, pl_str subject, const char *predicate_type,
                      const json_t *predicate, uint64_t *index, pl_error *err);

/* Whether a predicate is as the published schema of its type says, without members nobody
 * described. PL_NOTFOUND: the type has no schema here. */
pl_rc pl_predicate_check(pl_str predicate_type, const json_t *predicate, pl_error *err);

/* --- verification ---------------------------------------------------------------------- */

typedef struct pl_ledger_report {
    uint64_t size;
    pl_hash  root;
    json_t  *problems; /* array of strings, empty when sound */
    json_t  *signers;  /* array of {"name","keyid","statements", "algorithm", life …} */
    json_t  *erased;   /* array of {"entry","by","destroyed"} */
    int64_t  latest_ms;/* greatest time claimed by a statement, 0 when none */
} pl_ledger_report;
/* Checks the published log completely and offline. `progress` (may be NULL) is called
 * now and then with done and total. PL_OK when the check ran, whatever it found. */
pl_rc pl_ledger_verify(const char *dir, const pl_vkey *key, pl_ledger_report *out,
                       void (*progress)(void *ctx, uint64_t done, uint64_t total), void *ctx,
                       pl_error *err);
void pl_ledger_report_done(pl_ledger_report *r);

struct pl_capability;
extern const struct pl_capability pl_cap_ledger;
#endif
