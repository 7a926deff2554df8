#include "base/banned.h"

#include "cap/label/rhythm.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

/* Loudness of narrow bands in pieces of 20 ms, compared with the pattern at every unit length. */
#define HOP        160u /* samples: 20 ms */
#define LOWEST_HZ  300.0
#define BAND_HZ    50.0
#define BANDS      62u  /* up to 3,350 Hz */
#define UNIT_LEAST 3u   /* pieces of one dot: 60 ms */
#define UNIT_MOST  12u  /* 240 ms */
#define QUIET      2u   /* units before and after that must be quiet */
#define LENGTH     (QUIET + 11u + QUIET)
#define MATCH      0.88
#define STEP       0.8 /* every tone is louder than every gap by 8 dB */
#define FLOOR      1e-9
#define RANGE      4.0  /* orders of magnitude that count: 40 dB */

/* In units: A is .-, I is .. (ITU-R M.1677). */
static const struct {
    unsigned from, n;
} tones[] = { { 2, 1 }, { 4, 3 }, { 10, 1 }, { 12, 1 } }, gaps[] = { { 0, 2 }, { 3, 1 }, { 7, 3 }, { 11, 1 }, { 13, 2 } };

typedef struct track {
    double *sum, *square; /* of the logarithm of loudness, up to a piece */
    size_t  n;
} track;

/* Goertzel, with a window. */
static double band_of(const float *x, const double *window, double hz)
{
    double k = 2 * cos(2 * M_PI * hz / RHYTHM_RATE), a = 0, b = 0;

    for (size_t i = 0; i < HOP; i++) {
        double c = (double)x[i] * window[i] + k * a - b;
        b = a;
        a = c;
    }
    return a * a + b * b - k * a * b;
}

static void track_make(const float *x, size_t n, double hz, track *t)
{
    double top = FLOOR, window[HOP];

    for (size_t i = 0; i < HOP; i++)
        window[i] = 0.5 - 0.5 * cos(2 * M_PI * (double)i / HOP); /* Hann */
    for (size_t i = 0; i < n; i++) {
        t->sum[i + 1] = band_of(x + i * HOP, window, hz);
        top = fmax(top, t->sum[i + 1]);
    }
    t->n = n;
    t->sum[0] = t->square[0] = 0;
    for (size_t i = 0; i < n; i++) { /* nothing below the range counts: the noise of silence has no pattern */
        double v = fmax(log10(fmax(t->sum[i + 1], FLOOR) / top), -RANGE);
        t->sum[i + 1] = t->sum[i] + v;
        t->square[i + 1] = t->square[i] + v * v;
    }
}

/* Correlation of the loudness with the pattern, 1 for a perfect one. */
static double match_at(const track *t, size_t at, unsigned unit)
{
    size_t n = (size_t)LENGTH * unit, on = 6u * unit, off = n - on;
    double all = t->sum[at + n] - t->sum[at], sq = t->square[at + n] - t->square[at], loud = 0, spread;

    for (size_t i = 0; i < sizeof tones / sizeof tones[0]; i++) {
        size_t from = at + (size_t)tones[i].from * unit;
        loud += t->sum[from + (size_t)tones[i].n * unit] - t->sum[from];
    }
    spread = sq - all * all / (double)n;
    if (spread < 0.02 * (double)n) /* too even to be a tone that goes on and off: under 1.4 dB */
        return 0;
    /* The pattern is 1 - on/n where there is a tone, -on/n elsewhere. */
    return (loud - all * (double)on / (double)n) / sqrt(spread * (double)on * (double)off / (double)n);
}

/* Without the pieces at its ends, in which it is switched. */
static double mean(const track *t, size_t at, unsigned from, unsigned n, unsigned unit)
{
    size_t a = at + (size_t)from * unit + 1, b = at + (size_t)(from + n) * unit - 1;

    return (t->sum[b] - t->sum[a]) / (double)(b - a);
}

static bool steps_at(const track *t, size_t at, unsigned unit)
{
    double quietest = 0, loudest = -RANGE;

    for (size_t i = 0; i < sizeof tones / sizeof tones[0]; i++)
        quietest = fmin(quietest, mean(t, at, tones[i].from, tones[i].n, unit));
    for (size_t i = 0; i < sizeof gaps / sizeof gaps[0]; i++)
        loudest = fmax(loudest, mean(t, at, gaps[i].from, gaps[i].n, unit));
    return quietest - loudest >= STEP;
}

static void hit_add(rhythm_hit *out, size_t *hits, rhythm_hit h)
{
    size_t weakest = 0;

    for (size_t i = 0; i < *hits; i++) {
        if (fabs(out[i].at_s - h.at_s) < 1.5) { /* the same place */
            if (h.match > out[i].match)
                out[i] = h;
            return;
        }
        if (out[i].match < out[weakest].match)
            weakest = i;
    }
    if (*hits < RHYTHM_MAX)
        out[(*hits)++] = h;
    else if (h.match > out[weakest].match)
        out[weakest] = h;
}

static void track_search(const track *t, double hz, rhythm_hit *out, size_t *hits)
{
    for (unsigned unit = UNIT_LEAST; unit <= UNIT_MOST; unit++)
        for (size_t at = 0; at + (size_t)LENGTH * unit <= t->n; at++) {
            double m = match_at(t, at, unit);
            if (m >= MATCH && steps_at(t, at, unit))
                hit_add(out, hits, (rhythm_hit){ (double)(at + QUIET * unit) * HOP / RHYTHM_RATE,
                                                 (double)unit * HOP / RHYTHM_RATE, hz, m });
        }
}

static int by_time(const void *a, const void *b)
{
    double x = ((const rhythm_hit *)a)->at_s, y = ((const rhythm_hit *)b)->at_s;

    return x < y ? -1 : x > y;
}

pl_rc rhythm_find(const float *samples, size_t n, rhythm_hit *out, size_t *hits, pl_error *err)
{
    /* Quiet before the first sample and behind the last: a label may begin with the sound. */
    size_t pad = (size_t)QUIET * UNIT_MOST * HOP, pieces = (n + 2 * pad) / HOP;
    float *x = calloc(n + 2 * pad + HOP, sizeof *x);
    track  t = { calloc(pieces + 1, sizeof(double)), calloc(pieces + 1, sizeof(double)), pieces };
    pl_rc  rc = x && t.sum && t.square ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");

    *hits = 0;
    if (rc == PL_OK && n > 0)
        memcpy(x + pad, samples, n * sizeof *x);
    for (unsigned b = 0; rc == PL_OK && b < BANDS; b++) {
        double hz = LOWEST_HZ + b * BAND_HZ;
        track_make(x, pieces, hz, &t);
        track_search(&t, hz, out, hits);
    }
    for (size_t i = 0; i < *hits; i++)
        out[i].at_s -= (double)pad / RHYTHM_RATE;
    qsort(out, *hits, sizeof *out, by_time);
    free(t.square);
    free(t.sum);
    free(x);
    return rc;
}
