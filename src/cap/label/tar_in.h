/* Archives (tar, also compressed) as their members come: for `label add --tar` and `inspect --tar`.
 * Members are unpacked into a private folder under names of our own; theirs are never used as paths. */
#ifndef PL_LABEL_TAR_IN_H
#define PL_LABEL_TAR_IN_H

#include <plumbline/base.h>

#define TAR_FOLDER_MAX 64

struct archive;
struct archive_entry;

/* path "-": standard input. Ended with archive_read_free. */
pl_rc tar_open(const char *path, struct archive **out, pl_error *err);
/* PL_INVALID, with what is wrong with the archive. */
pl_rc tar_bad(struct archive *a, pl_error *err);
/* A new folder for members, mode 0700, under $TMPDIR or /tmp. */
pl_rc tar_folder(char out[TAR_FOLDER_MAX], pl_error *err);
/* Contents of the member that was just reached into a new file; holes stay holes. Adds to *bytes. */
pl_rc tar_unpack(struct archive *a, struct archive_entry *e, const char *path, uint64_t *bytes, pl_error *err);
/* ".jpg" of "a/b.jpg", "" when it is not plain: kinds of text are told apart by it. */
const char *tar_suffix(const char *name);
#endif
