/* Signed notes (C2SP signed-note v1.0.0): text, a blank line, signature lines.
 *
 * A parsed note borrows the bytes it was parsed from; pl_note_format gives exactly
 * those bytes back, so there is one spelling of every note. Shared by checkpoints
 * and, through them, by cap/ledger; not installed.
 */
#ifndef PL_ENGINE_LOG_NOTE_H
#define PL_ENGINE_LOG_NOTE_H

#include "base/buf.h"

#include <plumbline/log.h>

#define PL_NOTE_MAX (1u << 20) /* bytes of a note we are willing to read */

typedef struct pl_note_sig {
    pl_str         name;
    uint32_t       keyid;
    const uint8_t *sig; /* after the key id; at least one byte */
    size_t         n;
} pl_note_sig;

typedef struct pl_note {
    pl_str      text; /* with its final newline: the bytes that are signed */
    size_t      nsigs;
    pl_note_sig sigs[PL_NOTE_SIGS_MAX];
    uint8_t    *bytes; /* owned: the decoded signatures */
} pl_note;

/* PL_INVALID: any departure from the format; PL_LIMIT: too large. */
pl_rc pl_note_parse(pl_str note, pl_note *out, pl_error *err);
void  pl_note_done(pl_note *n);
/* The same on the heap: a note is large. */
pl_rc pl_note_open(pl_str note, pl_note **out, pl_error *err);
void  pl_note_free(pl_note *n); /* NULL-safe */
/* Appends the note; the inverse of parsing. */
void pl_note_format(const pl_note *n, pl_buf *out);
/* One signature line with its newline. */
void pl_note_line_format(const pl_note_sig *s, pl_buf *out);
/* PL_OK when at least one line of k is there and every line of k verifies. A line
 * belongs to k when name and key id are both equal. PL_NOTFOUND: no line of k. */
pl_rc pl_note_verify(const pl_note *n, const pl_vkey *k, pl_error *err);

/* Non-empty, valid UTF-8 without Unicode space, control characters or '+'. */
pl_rc pl_note_name_check(pl_str name, pl_error *err);
/* The first four bytes, big-endian. */
uint32_t pl_note_keyid_get(const uint8_t b[4]);
/* Any verifier key, also a cosigner's. */
pl_rc pl_note_vkey_parse(pl_str text, pl_vkey *out, pl_error *err);
/* The lines of a checkpoint's text. Its values still want pl_checkpoint_check: an empty tree
 * has one root only. */
pl_rc pl_checkpoint_parse(pl_str text, pl_checkpoint *out, pl_error *err);
pl_rc pl_checkpoint_check(const pl_checkpoint *c, pl_error *err);
#endif
