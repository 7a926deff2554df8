/* Verifying a package file with what the reader trusts, as words of a command line give it. Shared by
 * `plumbline evidence verify` and the verifier without shared libraries. */
#ifndef PL_EVIDENCE_ANCHORS_H
#define PL_EVIDENCE_ANCHORS_H

#include <plumbline/evidence.h>

typedef struct evidence_anchors {
    const char *key;   /* verifier key, or a file that holds one; NULL: the package's own */
    const char *trust; /* file with a trust policy, or NULL                              */
    const char *roots; /* file with PEM certificates, or NULL                            */
} evidence_anchors;

/* pl_evidence_verify of a file; "-" is standard input. */
pl_rc evidence_file_verify(const char *path, const evidence_anchors *a, int *ok, char **report,
                           pl_error *err);

#endif
