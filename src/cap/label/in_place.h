/* A plan carried out in the file itself, for files too large to be copied: only what differs is
 * written, where the format has room (a free box, padding, the end of the file).
 *
 * Safe at every moment: what is overwritten is first kept, durably, in FILE.pl-undo beside the file;
 * that goes when the new bytes are durable and read back. Whoever opens the file next with
 * label_in_place_open puts back what a killed run left (docs/formats/label-undo.md).
 *
 * Memory: twice what differs, LABEL_IN_PLACE_MAX at most. The file is locked (flock) meanwhile. */
#ifndef PL_LABEL_IN_PLACE_H
#define PL_LABEL_IN_PLACE_H

#include "cap/label/media_file.h"

#define LABEL_UNDO_SUFFIX  ".pl-undo"
#define LABEL_IN_PLACE_MAX (32u << 20)

/* Opens for writing, locked, and ends what a killed run left half done: *recovered then. Regular
 * files of one name only. PL_CONFLICT: another run has it, or it has further names. */
pl_rc label_in_place_open(const char *path, media_file *f, bool *recovered, pl_error *err);

/* The last layer is a plan over the file, each one before it a plan over the next; the first is
 * what the file shall be. PL_LIMIT: more would have to be written than LABEL_IN_PLACE_MAX; nothing
 * was. On other failures the file is what it was, or FILE.pl-undo still holds what it takes, or it is done
 * and only its folder could not be synced. */
pl_rc label_in_place_write(media_file *f, const char *path, const pl_media_plan *const *layer, size_t layers,
                           media_verify_fn verify, void *ctx, pl_error *err);

/* Whether FILE.pl-undo is there. */
bool  label_in_place_is_unfinished(const char *path);
#endif
