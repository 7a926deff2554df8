/* Hears the rhythm of GB 45438-2025 5.3, short long, short short, in sound: a tone of any pitch that is
 * switched on and off in that pattern, over other sound too. Chance and music can make such a pattern;
 * so what is found is possible, never certain. Pure. */
#ifndef PL_LABEL_RHYTHM_H
#define PL_LABEL_RHYTHM_H

#include <plumbline/base.h>

#define RHYTHM_RATE 8000u /* samples a second */
#define RHYTHM_MAX  8u

typedef struct rhythm_hit {
    double at_s, unit_s; /* where the first tone begins; one dot                   */
    double pitch_hz;
    double match;        /* 0 to 1: how well the loudness follows the pattern      */
} rhythm_hit;

/* Mono samples at RHYTHM_RATE. The best hits, each in a place of its own, by time. PL_NOMEM. */
pl_rc rhythm_find(const float *samples, size_t n, rhythm_hit *out, size_t *hits, pl_error *err);
#endif
