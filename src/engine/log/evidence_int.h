/* Shared by the evidence_*.c files. */
#ifndef PL_ENGINE_LOG_EVIDENCE_INT_H
#define PL_ENGINE_LOG_EVIDENCE_INT_H

#include "base/buf.h"
#include "base/json.h"
#include "engine/log/timestamp.h"

#include <plumbline/evidence.h>

#define EVIDENCE_FORMAT "plumbline-evidence/v1"

/* --- evidence_tar.c: plain POSIX ustar, regular files only ------------------------------ */

#define TAR_NAME_MAX 100

typedef struct tar_file {
    pl_str name, bytes; /* borrowed from the archive */
} tar_file;

typedef struct tar {
    tar_file *file; /* by name */
    size_t    n;
} tar;

/* PL_INVALID for anything but what tar_put writes: other kinds of members, unsafe or repeated
 * names, bytes behind the end. */
pl_rc pl_tar_open(pl_str bytes, tar *out, pl_error *err);
void  pl_tar_done(tar *t);
/* PL_NOTFOUND. */
pl_rc pl_tar_find(const tar *t, const char *name, pl_str *out, pl_error *err);
void  pl_tar_put(pl_buf *b, const char *name, pl_str bytes);
void  pl_tar_end(pl_buf *b);

/* --- evidence_index.c: what the package says it holds ------------------------------------ */

typedef struct evidence_opening {
    uint8_t salt[32];
    char    payload[65]; /* hex SHA-256 of the revealed bytes */
} evidence_opening;

typedef struct evidence_entry {
    uint64_t          index;
    pl_evidence_role  role;
    const json_t     *payloads; /* array of hex digests, borrowed from the index */
    evidence_opening *openings;
    size_t            nopenings;
} evidence_entry;

typedef struct evidence_index {
    json_t         *json; /* owns what the views borrow */
    pl_str          vkey, to, reason, created;
    evidence_entry *entry; /* rising by index */
    size_t          n;
    size_t          timestamps;
    bool            has_trust;
} evidence_index;

pl_rc pl_evidence_index_parse(pl_str text, evidence_index *out, pl_error *err);
void  pl_evidence_index_done(evidence_index *x);

/* Names of members. */
void pl_evidence_entry_name(uint64_t index, const char *kind, char out[TAR_NAME_MAX]);
void pl_evidence_payload_name(const char *hex, char out[TAR_NAME_MAX]);
void pl_evidence_timestamp_name(size_t i, char out[TAR_NAME_MAX]);

/* --- evidence_report.c: what the check found, in words ------------------------------------ */

typedef enum step_state { STEP_OK, STEP_BAD, STEP_UNKNOWN } step_state;

typedef struct evidence_report {
    json_t *json; /* the report in the making */
    bool    failed; /* out of memory */
} evidence_report;

pl_rc pl_report_init(evidence_report *r, pl_error *err);
/* A sentence about one question, in both languages. */
void pl_report_step(evidence_report *r, const char *question, step_state state, const char *en,
                    const char *zh);
void pl_report_problem(evidence_report *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
size_t pl_report_problems(const evidence_report *r);
/* What no package of this kind can show: said in every report. */
void pl_report_limits(evidence_report *r);

#endif
