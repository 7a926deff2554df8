/* What is known of people, where workers look: a table in shared memory with one writer (the
 * daemon) and any number of readers that never wait. The database is the record; the table holds
 * whoever was active last and whoever is held (docs/formats/gateway-files.md).
 *
 * Thread rule: one pl_subjects per process; find from any thread, put from one. */
#ifndef PL_GUARD_SUBJECTS_H
#define PL_GUARD_SUBJECTS_H

#include "cap/guard/people.h"

#define PL_SUBJECTS_SLOTS 32768

typedef struct pl_subjects pl_subjects;

/* Maps DIR/subjects.pls below an open directory; made when it is missing. A file of another
 * version or size is made anew: it can be filled from the database. */
pl_rc pl_subjects_open(int dirfd, pl_subjects **out, pl_error *err);
void  pl_subjects_close(pl_subjects *t); /* NULL-safe */

/* A consistent copy; false: nothing is known. */
bool pl_subjects_find(const pl_subjects *t, const uint8_t key[PL_SUBJECT_KEY], subject_state *out);

/* Sets one. Where its neighbourhood is full, whoever was active longest ago and is not held makes
 * place; PL_LIMIT: all of them are held, so that workers do not see this one (the daemon counts it
 * and says so). */
pl_rc pl_subjects_put(pl_subjects *t, const uint8_t key[PL_SUBJECT_KEY], const subject_state *s,
                      int64_t now_ms);
#endif
