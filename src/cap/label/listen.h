/* `inspect --listen`: what is heard in a file, decoded by our own reader (WAV) or by the ffmpeg program as
 * a child in a box (child.h). Up to two hours of the first sound track. */
#ifndef PL_LABEL_LISTEN_H
#define PL_LABEL_LISTEN_H

#include "cap/label/media_file.h"
#include "cap/label/rhythm.h"

typedef struct label_heard {
    rhythm_hit hit[RHYTHM_MAX];
    size_t     n;
    double     seconds; /* of sound that was listened to */
} label_heard;

/* Formats without sound: PL_OK, nothing heard. PL_IO: there is no ffmpeg program, or it failed. */
pl_rc label_listen(const media_file *f, const char *path, label_heard *out, pl_error *err);
#endif
