/* WAV files as samples: PCM of 8 to 32 bits, floats; any number of channels. Bytes in memory that the
 * caller keeps. Pure. */
#ifndef PL_LABEL_WAV_H
#define PL_LABEL_WAV_H

#include "base/buf.h"

typedef struct wav {
    unsigned format, channels, rate, bits; /* format 1 integers, 3 floats */
    size_t   at, n;                        /* of the samples in the file, whole frames */
} wav;

/* PL_INVALID: none, or of another coding. A length that says too much (programs that write to a pipe)
 * counts to the end. */
pl_rc  pl_wav_read(pl_str in, wav *w, pl_error *err);
/* One sample, -1 to 1. */
double pl_wav_get(const wav *w, const char *p);
void   pl_wav_set(const wav *w, char *p, double v);
/* All channels as one; malloc'd. */
pl_rc  pl_wav_mono(pl_str in, float **out, size_t *n, unsigned *rate, pl_error *err);
#endif
