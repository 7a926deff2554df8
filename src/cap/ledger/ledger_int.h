/* Shared by the files of this folder only. Byte layouts: docs/formats/ledger.md. */
#ifndef PL_LEDGER_INT_H
#define PL_LEDGER_INT_H

#include "base/buf.h"
#include "cap/api.h"
#include "cap/cmd.h"
#include "cap/instance.h"
#include "cap/ledger/ledger_pace.h"
#include "cap/ledger/pl_ledger.h"

#include <plumbline/keylife.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#define LEDGER_LEVELS      8             /* tile levels of any tree below 2^63         */
#define LEDGER_NOTE_MAX    8191          /* checkpoint note with a line of every key   */
#define LEDGER_SLOT_NOTE   414           /* the same with the first line, in a head slot */
#define LEDGER_VKEYS_MAX   16            /* keys that sign checkpoints at a time       */
#define LEDGER_ORIGIN_MAX  120           /* so that the note always fits               */
#define LEDGER_SEGMENT     (8u << 20)    /* bytes a write-ahead segment is made with   */
#define LEDGER_BATCH_MAX   (32u << 20)   /* bytes of entries in one frame              */
#define LEDGER_PENDING_MAX (256u << 20)  /* bytes appended and not yet published: beyond,  */
                                         /* appends wait for a publication, or publish     */
#define LEDGER_QUEUE_MAX   (64u << 20)   /* bytes submitted and not yet written: likewise  */
#define LEDGER_OPEN_MAX    8             /* files written together before their flush  */
#define LEDGER_BUNDLE_MAX  (PL_TILE_WIDTH * (2u + PL_LOG_ENTRY_MAX))

/* --- ledger_io.c: files that appear whole and stay ------------------------------------- */

/* Directories that received a file. They are held open from before the rename until
 * they are flushed: an error of writing them back would be lost with an evicted inode. */
typedef struct touched_dir {
    char *path;
    int   fd;
} touched_dir;
typedef struct open_file {
    int   fd;
    char *temp, *path;
} open_file;
typedef struct touched {
    touched_dir *dirs;
    size_t       n;
    open_file    open[LEDGER_OPEN_MAX]; /* written, neither flushed nor named */
    unsigned     open_n;
} touched;
/* Flushes the files and gives them their names. PL_FULL: some may have theirs. */
pl_rc pl_touched_finish(touched *t, pl_error *err);
/* Flushes the folders; files that are not finished are dropped. Fails with PL_IO. */
pl_rc pl_touched_settle(touched *t, pl_error *err);
pl_rc pl_touched_sync(touched *t, pl_error *err); /* finish, then settle in any case */
void  pl_touched_done(touched *t);

/* What an errno means here: PL_FULL when it passes by itself, else PL_IO. */
pl_rc pl_ledger_rc(int e);

/* "dir/rel", malloc'd; PL_NOMEM through err. */
pl_rc pl_ledger_path(const char *dir, const char *rel, char **out, pl_error *err);
/* Writes a temporary file in dir/tmp, which touched_finish flushes and renames to dir/rel;
 * folders are made as needed. Durable after touched_sync; touched_settle is due after a
 * failure too: folders may have been made. PL_FULL: no space. */
pl_rc pl_ledger_put(const char *dir, const char *rel, pl_str bytes, mode_t mode, touched *t,
                    pl_error *err);
pl_rc pl_ledger_read(const char *dir, const char *rel, size_t max, char **out, size_t *n,
                     pl_error *err);
/* Reads a one-line file without its newline into a fixed buffer. */
pl_rc pl_ledger_read_line(const char *dir, const char *rel, char *out, size_t cap, pl_error *err);
/* Removes the files in a folder, and the folder when `whole`. Failures are left for
 * next time: nothing depends on the removal. */
void pl_ledger_sweep(const char *dir, const char *rel, bool whole);
/* fdatasync with a fault point. */
pl_rc pl_ledger_flush(int fd, const char *what, pl_error *err);

/* --- entry bundles --------------------------------------------------------------------- */

void pl_bundle_put(pl_buf *b, pl_str entry);
/* Takes the next entry; PL_INVALID when the bytes do not hold a whole one. */
pl_rc pl_bundle_take(pl_str *rest, pl_str *entry, pl_error *err);

/* --- ledger_wal.c ---------------------------------------------------------------------- */

typedef struct wal {
    const char *dir; /* borrowed */
    size_t      segment_bytes;
    int         fd; /* the last segment */
    uint64_t    segment;
    off_t       end;  /* where the next frame goes */
    off_t       room; /* bytes the segment has     */
    uint64_t    next; /* index of the next entry   */
    size_t      owed; /* bytes of entries in it that are not published */
    atomic_uint made; /* segments since it was opened */
    uint8_t    *frame; /* being formatted, kept for the next one */
    size_t      frame_cap;
    pl_hash     link; /* SHA-256 of the last frame's header and digest */
} wal;

typedef pl_rc (*wal_entry_fn)(void *ctx, uint64_t index, pl_str entry, pl_error *err);

/* Recovers: accepts the longest valid prefix, gives every entry at or after `from` (a
 * bundle boundary) to fn, moves what follows the prefix to quarantine/, and flushes again
 * all frames that hold entries at or after `published`. */
pl_rc pl_wal_open(wal *w, const char *dir, size_t segment_bytes, uint64_t from, uint64_t published,
                  wal_entry_fn fn, void *ctx, pl_error *err);
/* One frame of `count` entries in bundle format, durable on return. leaf: their hashes as
 * they were received, or NULL; what was formatted and what was written must still have
 * them. PL_FULL: no space for another segment, nothing has changed. Any other failure is
 * final for w. */
pl_rc pl_wal_append(wal *w, uint32_t count, pl_str payload, const pl_hash *leaf, pl_error *err);
/* Removes segments that hold only entries below `index`. */
void pl_wal_trim(const char *dir, uint64_t index);
void pl_wal_close(wal *w);
/* Makes segments in advance until `want` are there (at most 4). Nothing depends on it. */
void pl_wal_spares_fill(const char *dir, size_t segment_bytes, unsigned want);

/* --- ledger_head.c: the record that outlives every crash ------------------------------- */

/* The file keeps of the note its text and first signature: the writer can make the others
 * again, now that nothing else of this size can be signed. */
typedef struct head_record {
    uint64_t sequence, size, generation;
    pl_hash  root;
    char     note[LEDGER_NOTE_MAX + 1];
    size_t   note_n;
} head_record;

/* The valid slot with the greatest sequence. PL_INVALID: no valid slot. */
pl_rc pl_head_read(int fd, head_record *out, pl_error *err);
/* Bit i is set when slot i is neither valid nor unused. */
pl_rc pl_head_damage(int fd, unsigned *slots, pl_error *err);
/* Numbers the record after the last one and makes it durable in the other slot. */
pl_rc pl_head_write(int fd, head_record *r, pl_error *err);
pl_rc pl_head_open(const char *dir, bool create, int *fd, pl_error *err);

/* --- ledger_tiles.c -------------------------------------------------------------------- */

/* What is needed to add to the tiles of a published tree: its unfinished right edge. */
typedef struct tile_edge {
    uint64_t size;
    pl_hash  hash[LEDGER_LEVELS][PL_TILE_WIDTH];
    pl_buf   bundle; /* entries of the unfinished bundle */
} tile_edge;

/* Hashes tile `n` of a level holds in a tree of `size`. */
unsigned pl_tile_width(uint64_t size, unsigned level, uint64_t n);
/* Reads a tile or bundle file of a tree of `size`, taking the full one when the partial
 * one is gone. hash has room for PL_TILE_WIDTH. */
pl_rc pl_tile_read(const char *dir, uint64_t size, unsigned level, uint64_t n, pl_hash *hash,
                   unsigned *width, pl_error *err);
pl_rc pl_bundle_read(const char *dir, uint64_t size, uint64_t n, char **out, size_t *bytes,
                     unsigned *width, pl_error *err);
/* PL_INVALID unless the bundle says what the level-0 tile says, entry by entry. */
pl_rc pl_bundle_check(pl_str bundle, const pl_hash *hash, unsigned width, uint64_t first,
                      pl_error *err);
/* Loads the right edge of the published tree and gives its compact range. */
pl_rc pl_tile_edge_load(tile_edge *e, const char *dir, uint64_t size, pl_merkle_range *range,
                        pl_error *err);
void  pl_tile_edge_done(tile_edge *e);
/* Told of bytes of entries, once when they are written and once when they are read back. */
typedef void (*tile_progress_fn)(void *ctx, size_t bytes);
/* Writes and flushes all tiles and bundles that `count` more entries change, reads them
 * back, hashes the entries again and gives the root computed from what was read. *e is
 * the new edge on success and untouched on failure. progress may be NULL. */
pl_rc pl_tile_edge_extend(tile_edge *e, const char *dir, pl_str entries, uint64_t count,
                          tile_progress_fn progress, void *ctx, pl_hash *root, pl_error *err);
/* Removes partial tiles that full ones replaced between the two sizes. */
void pl_tile_sweep(const char *dir, uint64_t from, uint64_t to);

/* A pl_merkle_source over the tiles of a tree of `size`; keeps the last tile read. */
typedef struct tile_source {
    const char *dir; /* borrowed */
    uint64_t    size;
    unsigned    level, width;
    uint64_t    n;
    pl_hash     hash[PL_TILE_WIDTH];
} tile_source;
pl_merkle_source pl_tile_source_init(tile_source *t, const char *dir, uint64_t size);
/* Root of the first `size` entries of what is published. */
pl_rc pl_tile_root(const char *dir, uint64_t published, uint64_t size, pl_hash *out, pl_error *err);

/* --- the object ------------------------------------------------------------------------ */

/* A call of append on its way. */
struct pl_ledger_ticket {
    const pl_str     *entries; /* borrowed */
    pl_hash          *leaf;    /* of the entries as they were received */
    size_t            count, bytes;
    uint64_t          first;
    bool              is_done;
    pl_rc             rc;
    pl_error          err;
    pl_ledger_ticket *next;
};

/* Entries in bundle format with their leaf hashes. */
typedef struct waiting {
    pl_buf   entries;
    pl_hash *leaf;
    size_t   n, cap;
} waiting;

typedef struct request_index request_index;

/* Wall clock, and a clock that nobody sets. */
typedef struct clock_reading {
    int64_t wall_ms, boot_ms;
} clock_reading;

struct pl_ledger {
    char            *dir;
    bool             writer;
    const pl_signer *signer; /* borrowed */
    pl_vkey          key; /* the first of keys */
    pl_vkey          keys[LEDGER_VKEYS_MAX]; /* those of the checkpoints, from the file vkey */
    size_t           nkeys;
    int              lock_fd, head_fd;
    uint64_t         generation; /* of this writer; never changes while open */

    /* Publishing is slow and must not stop appends: its own mutex, taken first. */
    pthread_mutex_t publishing;
    unsigned        segments_seen; /* made until the last publication */
    tile_edge       edge;
    head_record     record;

    pthread_mutex_t requesting; /* guards requests; taken before the others */
    request_index  *requests;   /* NULL until one is made */
    clock_reading   clock;      /* of the last tick; the ticking thread's own */
    bool            has_clock;

    pthread_mutex_t state; /* guards all that follows, except that only the */
    pthread_cond_t  turn;  /* leader touches wal, without it                 */
    bool            failed, leading, is_publishing;
    pace            pace;
    pl_ledger_ticket *first, *last;
    size_t          queued;  /* bytes of the tickets in the queue        */
    wal             wal;
    pl_merkle_range range;   /* everything appended                      */
    waiting         held;    /* being published; only the publisher adds */
    waiting         pending; /* appended after those                     */
    size_t          reserved;/* entries the leader is writing: pending has room for them */
    struct {
        uint64_t next, bad; /* bundles */
        uint64_t checked;
        bool     is_damaged;
    } scrub;
    pl_checkpoint   head;
    char           *note;
    size_t          note_n;
    char            frozen[200]; /* why nothing may be written any more, or empty */
};

/* ledger_create.c */
pl_rc pl_ledger_key_of(const pl_signer *signer, pl_vkey *key, char *text, size_t cap,
                       pl_error *err);
/* Fills in the note: the record's size and root, signed by every key. */
pl_rc pl_ledger_record_sign(head_record *r, const char *origin, const pl_signer *signer,
                            pl_error *err);
/* A key file of a log: one key a line, the one in use first. keys has LEDGER_VKEYS_MAX. */
pl_rc pl_ledger_vkeys_read(const char *dir, pl_vkey *keys, size_t *n, pl_error *err);
pl_rc pl_ledger_vkeys_write(const char *dir, const pl_vkey *keys, size_t n, pl_error *err);
pl_rc pl_ledger_folders_make(const char *dir, pl_error *err);
/* ledger_open.c; segment_bytes differs from LEDGER_SEGMENT in tests only. */
pl_rc pl_ledger_open_sized(const char *dir, const pl_signer *signer, size_t segment_bytes,
                           pl_ledger **out, pl_error *err);
/* Takes the state mutex, of const objects too: it does not change what they say. */
pl_ledger *pl_ledger_lock(const pl_ledger *l);
void       pl_ledger_unlock(pl_ledger *l);
/* Publishes the note of a record that is durable, durably. */
pl_rc pl_ledger_checkpoint_put(const char *dir, const head_record *r, pl_error *err);
pl_rc pl_ledger_failed(pl_error *err);
/* Room for the hashes of `more` entries. */
pl_rc pl_waiting_reserve(waiting *w, size_t more, pl_error *err);
/* Adds entries, whose room was reserved; w->entries.failed tells of a lack of memory. */
void pl_waiting_put(waiting *w, pl_str entries, const pl_hash *leaf, size_t count);
void pl_waiting_done(waiting *w);
/* Adds entries that are in the log already to what waits for publication. */
pl_rc pl_ledger_pending_add(pl_ledger *l, pl_str entry, pl_error *err);
/* PL_CONFLICT when another writer has opened the log since. */
pl_rc pl_ledger_generation_check(const pl_ledger *l, pl_error *err);

/* ledger_frozen.c: a log that a witness knows to be longer, or different. */
#define LEDGER_FROZEN_FILE    "frozen"
#define LEDGER_WITNESSED_FILE "witnessed"
#define LEDGER_COSIGNED_MAX   (64u << 10)
/* PL_DENIED with the reason when the log is frozen. Called with the state locked. */
pl_rc pl_ledger_frozen_check(const pl_ledger *l, pl_error *err);
/* PL_OK when the published log holds this head; PL_CONFLICT, with a sentence, when it is
 * shorter or has another root there; else why that could not be told. */
pl_rc pl_ledger_contradiction(const pl_ledger *l, const pl_checkpoint *c, char reason[200]);
/* Freezes the object when the file `frozen` holds a head that this log does not contain. */
pl_rc pl_ledger_frozen_load(pl_ledger *l, pl_error *err);

/* ledger_scrub.c: re-hashes the next few bundles of what is published, from the first again
 * after the last. PL_INVALID names what is damaged; it is looked at again until it is not. */
pl_rc pl_ledger_scrub(pl_ledger *l, unsigned bundles, pl_error *err);
bool  pl_ledger_is_damaged(const pl_ledger *l);

/* ledger_clock.c */
#define CLOCK_JUMP_MS 2000 /* more than any slewing does between two ticks */
/* Whether the wall clock went on as time did; *by_ms: how much too far. */
bool  pl_clock_jumped(const clock_reading *before, const clock_reading *now, int64_t *by_ms);
int64_t pl_ledger_mono_us(void); /* CLOCK_MONOTONIC */
/* Appends the statement of a jump. */
pl_rc pl_ledger_clock_state(pl_ledger *l, const pl_signer *s, const clock_reading *before,
                            const clock_reading *now, uint64_t *index, pl_error *err);

/* ledger_watch.c: looks at the clock and at one old bundle; for every tick. now_ms: what the
 * wall clock shows. */
pl_rc pl_ledger_watch(pl_ledger *l, const pl_signer *s, int64_t now_ms, pl_error *err);

/* ledger_open.c: whether a file system of this type (statfs) is shared between machines. */
bool pl_ledger_is_shared_fs(unsigned long type);

/* ledger_statement.c: the parts of a statement that verification and listing need. */
typedef struct statement_view {
    pl_str  type, subject; /* borrowed from the JSON */
    int64_t time_ms;       /* latest time claimed, 0 when none */
    const json_t *predicate;
} statement_view;
pl_rc pl_statement_read(const json_t *j, statement_view *out, pl_error *err);
/* The statement inside an entry, whoever signed it: *j is a new reference that owns the view. */
pl_rc pl_statement_of(pl_str entry, json_t **j, statement_view *out, pl_error *err);
/* The statement inside an entry, unverified: for logs whose signatures are judged elsewhere. */
pl_rc pl_ledger_entry_statement(pl_str entry, json_t **out, pl_error *err);

/* ledger_private.c, ledger_erase.c */
pl_rc pl_private_folders(const char *private_dir, pl_error *err);
bool  pl_private_has(const char *private_dir, const pl_hash *commitment);
/* A record as bytes; content borrows them. PL_INVALID: it does not stand behind commitment. */
pl_rc pl_private_record_parse(pl_str bytes, const pl_hash *commitment, uint8_t salt[32],
                              pl_str *content, pl_error *err);
/* Overwrites, removes and forgets a file; PL_OK when there is none. */
pl_rc pl_ledger_file_destroy(const char *dir, const char *rel, pl_error *err);
/* Removes a file durably; PL_OK when there is none. */
pl_rc pl_ledger_file_remove(const char *dir, const char *rel, pl_error *err);
/* Path below the log of the payload a predicate binds; false when it binds none. */
bool pl_payload_of(const json_t *predicate, char rel[96]);

/* ledger_schema.c: schemas of predicates, from the data folder. PL_NOTFOUND: no such kind. */
pl_rc   pl_ledger_schema_load(pl_str kind, json_t **out, pl_error *err);
json_t *pl_ledger_schema_kinds(void);

/* ledger_verify*.c */
typedef struct verify_gone {
    uint64_t entry, by;
} verify_gone;
typedef struct verify_list {
    verify_gone *v;
    size_t       n, cap;
} verify_list;
typedef struct verifier {
    const char       *dir;
    const pl_vkey    *key;
    pl_checkpoint     head; /* what the log is checked against */
    pl_ledger_report *report;
    pl_key_history   *keys;
    uint64_t          statements[PL_KEYS_MAX]; /* each of them signed */
    verify_list       missing, deleted; /* payloads that are gone, and deletions of payloads */
    bool              has_payloads;     /* the folder is there: this is no copy without it */
    size_t            unlisted; /* problems beyond those listed */
    void (*progress)(void *ctx, uint64_t done, uint64_t total);
    void *ctx;
} verifier;
void pl_ledger_verify_problem(verifier *v, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* ledger_verify_keys.c: whose log and whose statements. Collects the key events of the log
 * before anything else is judged; names what the log says of itself wrongly. */
void pl_ledger_verify_keys(verifier *v);
/* The keys that signed an entry, each within its life. */
void pl_ledger_verify_signers(verifier *v, uint64_t index, const pl_dsse *d);
void pl_ledger_verify_key_event(verifier *v, uint64_t index, pl_str entry);
void pl_ledger_verify_signers_list(verifier *v);
/* Puts the key events of a log's published entries, up to the first that cannot be read: its
 * index, or the size. */
uint64_t pl_ledger_key_events_collect(const char *dir, pl_key_history *h);
/* What they say, seen from one key. */
pl_rc   pl_ledger_key_history(const char *dir, const pl_vkey *key, pl_key_history **out,
                              pl_error *err);
json_t *pl_key_life_json(const pl_key_life *k);
/* A checkpoint signed by this key, or by one that the events in dir lead to from it and that was
 * alive at that size. Looks at the whole log only when the key itself has not signed. */
pl_rc pl_ledger_note_judge(const char *dir, const pl_vkey *key, pl_str note, pl_checkpoint *out,
                           pl_error *err);
/* ledger_verify_erase.c: an entry whose payload is not there; a deletion statement; both
 * compared at the end. */
void pl_ledger_verify_missing(verifier *v, uint64_t index);
void pl_ledger_verify_deletion(verifier *v, uint64_t index, const json_t *predicate);
void pl_ledger_verify_gone(verifier *v);
/* Every partial tile and bundle that was ever published and is still there. */
void pl_ledger_verify_partials(verifier *v);
void pl_ledger_verify_payloads(verifier *v);
/* ledger_verify_stamps.c: every time stamp that is kept. */
void pl_ledger_verify_stamps(verifier *v);

/* ledger_keys.c: key files and `vkey` follow what the log says. A change is marked before
 * anything is made for it, so that one cut short is found. */
pl_rc pl_keys_mark(const pl_instance *i, pl_error *err);
/* Brings them in line, which ends a change; nobody may have the log open. rotated_by: the entry
 * by which the log got a new key in this call, PL_INDEX_NONE: it has the one it had. */
pl_rc pl_keys_align(const pl_instance *i, uint64_t *rotated_by, pl_error *err);
bool  pl_keys_has(const pl_instance *i, const char *file); /* in keys/ */

/* ledger_cmd*.c, ledger_api.c */
extern const pl_cmd   pl_ledger_commands[];
extern const pl_route pl_ledger_routes[];

/* The log a command is about, and the key it is checked with. */
typedef struct cmd_log {
    char       *dir;
    pl_vkey     key;
    const char *key_from; /* "option", "instance" or "log" */
} cmd_log;
/* DIR/ledger, or DIR when it is a log itself. The key is --key, else the instance's, else
 * the one the log names; PL_DENIED: none of them. */
pl_rc pl_ledger_log_find(pl_cmd_ctx *c, cmd_log *out, pl_error *err);
void  pl_ledger_log_done(cmd_log *l);
/* The instance's log, open for writing with the instance's keys. */
typedef struct cmd_writer {
    pl_instance instance;
    pl_signer  *signer;
    pl_ledger  *l;
    uint64_t    rotated_by; /* a rotation that opening finished, or PL_INDEX_NONE */
} cmd_writer;
pl_rc pl_ledger_writer_open(pl_cmd_ctx *c, cmd_writer *w, pl_error *err);
void  pl_ledger_writer_close(cmd_writer *w); /* also after a failure */

int pl_ledger_cmd_commit(pl_cmd_ctx *c);
int pl_ledger_cmd_timestamp(pl_cmd_ctx *c);
int pl_ledger_cmd_prove(pl_cmd_ctx *c);
int pl_ledger_cmd_consistency(pl_cmd_ctx *c);
int pl_ledger_cmd_erase(pl_cmd_ctx *c);
int pl_key_cmd_new(pl_cmd_ctx *c);
int pl_key_cmd_list(pl_cmd_ctx *c);
int pl_key_cmd_show(pl_cmd_ctx *c);
int pl_key_cmd_rotate(pl_cmd_ctx *c);
int pl_key_cmd_retire(pl_cmd_ctx *c);
int pl_key_cmd_revoke(pl_cmd_ctx *c);
int pl_key_cmd_compromise(pl_cmd_ctx *c);
int pl_key_cmd_protect(pl_cmd_ctx *c);

/* Prints and releases a JSON document; gives `code`, or PL_EXIT_FAILED without one. */
int pl_ledger_cmd_json(pl_cmd_ctx *c, json_t *j, int code);
int pl_ledger_cmd_verify(pl_cmd_ctx *c);

/* JSON forms of a hash and of a proof's hashes. */
json_t *pl_hash_json(const pl_hash *h);
json_t *pl_proof_json(const pl_proof *p);
/* The published checkpoint with its note, which belong together; `key` is one of the log's, of
 * any time. */
pl_rc pl_ledger_head_note(const pl_ledger *l, const pl_vkey *key, pl_checkpoint *head, char **note,
                          pl_error *err);

/* Whether a file or folder is there. */
bool pl_ledger_has(const char *dir, const char *rel);
/* Number of files that recovery moved to quarantine/. */
size_t pl_ledger_quarantined(const char *dir);
/* The folder of a log, borrowed. */
const char *pl_ledger_dir(const pl_ledger *l);
#endif
