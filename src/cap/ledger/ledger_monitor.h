/* Following somebody else's log: every entry is fetched and hashed, every tile compared with
 * what the entries make it, every head with the one before. Memory does not depend on the
 * size of the log. */
#ifndef PL_LEDGER_MONITOR_H
#define PL_LEDGER_MONITOR_H

#include "cap/ledger/ledger_int.h"

/* Where the files of a log come from. read gives PL_NOTFOUND for a file that is not there and
 * PL_IO when that cannot be told. */
typedef struct log_source {
    pl_rc (*read)(void *ctx, const char *rel, size_t max, char **out, size_t *n, pl_error *err);
    void *ctx;
} log_source;

/* The log at a URL, or in a folder; `where` is borrowed. */
log_source pl_log_source(const char *where);

/* An entry that says something of the log's keys: who may sign a head is judged by these. */
typedef struct monitor_event {
    uint64_t index;
    char    *entry;
    size_t   n;
} monitor_event;

/* What is remembered between two looks. */
typedef struct monitor_memory {
    pl_merkle_range seen;     /* as far as the last head that held together; size 0: none */
    char           *note;     /* that head, malloc'd, or NULL */
    pl_merkle_range ahead;    /* entries taken beyond it, not yet under a verified head */
    monitor_event  *event;    /* key events below ahead, rising */
    size_t          events;
} monitor_memory;
void  pl_monitor_memory_done(monitor_memory *m);
/* Adds a key event; one that cannot be one, or beyond what a log may have, is passed over. */
pl_rc pl_monitor_event_add(monitor_memory *m, uint64_t index, pl_str entry, pl_error *err);
/* Forgets the events at or after `size`. */
void  pl_monitor_events_trim(monitor_memory *m, uint64_t size);
/* What the events say, seen from one key that is known. */
pl_rc pl_monitor_history(const monitor_memory *m, const pl_vkey *key, pl_key_history **out,
                         pl_error *err);
/* JSON in a file. PL_NOTFOUND: none yet. PL_INVALID: damaged, or of another log. */
pl_rc pl_monitor_memory_load(const char *path, const pl_vkey *key, monitor_memory *out,
                             pl_error *err);
pl_rc pl_monitor_memory_save(const char *path, const monitor_memory *m, pl_error *err);

typedef struct monitor_report {
    pl_checkpoint head;
    uint64_t      before;       /* size of the head known until now */
    char          problem[300]; /* empty: it holds together */
    char         *note;         /* the head that was served, malloc'd, or NULL */
} monitor_report;
/* One look. `key` is a key of the log of any time: from there the log's own events lead to the
 * keys that may sign its head. PL_OK when it was carried out, whatever it found; *m has moved on only when
 * nothing was found. PL_IO: the log cannot be reached. save (may be NULL) is called now and
 * then, when a way back has been covered. */
pl_rc pl_monitor_look(const log_source *s, const pl_vkey *key, monitor_memory *m,
                      pl_rc (*save)(void *ctx, const monitor_memory *m), void *ctx,
                      void (*progress)(void *ctx, uint64_t done, uint64_t total), void *pctx,
                      monitor_report *out, pl_error *err);

int pl_ledger_cmd_monitor(pl_cmd_ctx *c);
int pl_ledger_cmd_mirror(pl_cmd_ctx *c);
/* {"ok","origin",…}, or a sentence; `evidence` names a file with both heads, or NULL. */
int pl_monitor_print(pl_cmd_ctx *c, const pl_vkey *key, const monitor_report *r,
                     const char *evidence);
#endif
