/* Media files on disk: opened for reading without surprises, and a plan written beside them.
 *
 * The input is never changed here (in_place.h does that). The output appears whole or not at all: written beside it
 * (part.h), read back, given the input's times and permissions, then renamed. */
#ifndef PL_LABEL_MEDIA_FILE_H
#define PL_LABEL_MEDIA_FILE_H

#include "engine/media/media.h"
#include <sys/stat.h>

typedef struct media_file {
    int         fd; /* -1: closed */
    struct stat st;
    pl_media_io io;
    char       *bytes; /* of standard input, which is read whole; its io reads them */
    pl_str      view;
    bool        is_virtual; /* io reads something made from the file, not the file */
} media_file;

#define MEDIA_STDIN_MAX (64u << 20)

/* Regular files only, or "-" (standard input, up to MEDIA_STDIN_MAX). PL_NOTFOUND, PL_INVALID
 * (a folder, a device), PL_IO. The file must stay where it is: io points into it. */
pl_rc media_file_open(const char *path, media_file *out, pl_error *err);
/* The same for an open descriptor, which it takes. */
pl_rc media_file_of(int fd, const char *path, media_file *out, pl_error *err);
void  media_file_close(media_file *f);

/* What is to be checked in the written file before it gets its name: its reader is passed. */
typedef pl_rc (*media_verify_fn)(void *ctx, const pl_media_io *written, pl_error *err);

enum media_write_flags {
    MEDIA_WRITE_SYNC = 1 << 0,     /* survives a power cut once it returned            */
    MEDIA_WRITE_REPLACE = 1 << 1   /* an output that is there goes; else PL_CONFLICT    */
};
/* PL_CONFLICT: the output exists, or is the input. */
pl_rc media_file_may_write(const media_file *in, const char *out, unsigned flags, pl_error *err);
/* PL_CONFLICT: the output exists, is the input, is being written by another run, or the input
 * changed meanwhile. */
pl_rc media_file_write(const media_file *in, const pl_media_plan *plan, const char *out,
                       unsigned flags, media_verify_fn verify, void *ctx, pl_error *err);
#endif
