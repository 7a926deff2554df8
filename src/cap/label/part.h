/* What stands beside an output while it is made: OUT.pl-part, a file, or OUT.pl-part.d, a folder
 * for a program that writes by name. Whoever makes it holds its lock (flock); what nobody holds was
 * left by a run that was killed, and goes when the same output is made again. */
#ifndef PL_LABEL_PART_H
#define PL_LABEL_PART_H

#include <plumbline/base.h>

#define LABEL_PART_FILE   ".pl-part"
#define LABEL_PART_FOLDER ".pl-part.d"
#define LABEL_PART_INSIDE "labelled" /* the one file in such a folder */

typedef struct label_part {
    char *path; /* malloc'd */
    int   fd;   /* holds the lock */
} label_part;

/* New and empty, locked. PL_CONFLICT: another run holds it, or something that is not ours has its
 * name. PL_IO. On failure nothing is to be closed. */
pl_rc label_part_file(const char *out, label_part *p, pl_error *err);
pl_rc label_part_folder(const char *out, label_part *p, pl_error *err);
/* Removes what is still there under its name, and lets go of the lock. */
void label_part_drop(label_part *p);
/* The file takes the output's name. */
pl_rc label_part_rename(label_part *p, const char *out, pl_error *err);
/* Removes what a killed run left of this output, where nobody holds it. */
void label_part_sweep(const char *out);

#endif
