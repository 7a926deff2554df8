/* A label beside a file that has no place for one (BMP, plain text): FILE.aigc.json,
 *
 *   {"AIGC":{…},"file":"a.bmp","sha256":"<of the file's bytes>"}
 *
 * No guide that we have seen names it; it is what the formats leave, and it is lost when the file is
 * passed on alone. The digest says which bytes it was made for. */
#ifndef PL_LABEL_SIDECAR_H
#define PL_LABEL_SIDECAR_H

#include "engine/media/media.h"

#define LABEL_SIDECAR_SUFFIX ".aigc.json"
#define LABEL_SIDECAR_MAX    (1u << 20)

typedef enum label_sidecar_fit {
    LABEL_SIDECAR_FITS,
    LABEL_SIDECAR_OTHER,    /* made for other bytes, or does not say for which */
    LABEL_SIDECAR_UNCHECKED /* nobody asked */
} label_sidecar_fit;

typedef struct label_sidecar {
    char             *bytes;
    pl_str            view;
    pl_media_io       io;
    pl_media         *media;
    pl_str            label; /* of "AIGC", borrowed; empty when it holds none */
    label_sidecar_fit fit;
} label_sidecar;

/* By its name, and the file it stands beside is there. */
bool  label_sidecar_belongs(const char *path);
/* Atomically, replacing one that is there. io: the file it is for. sync: durable on return. */
pl_rc label_sidecar_write(const char *file, const pl_media_io *io, pl_str label, bool sync, pl_error *err);
/* io NULL: the digest is not compared. PL_NOTFOUND: there is none. It stays where it is until done. */
pl_rc label_sidecar_read(const char *file, const pl_media_io *io, label_sidecar *out, pl_error *err);
void  label_sidecar_done(label_sidecar *s);
void  label_sidecar_remove(const char *file);

#endif
