/* The rhythm of GB 45438-2025 5.3, "AI" in Morse: short long, short short; mixed into a WAV. */
#include "base/banned.h"

#include "cap/label/visible_int.h"
#include "cap/label/wav.h"

#include <math.h>

/* ITU-R M.1677: a dash is three dots, a gap inside a letter one, between letters three. Unit,
 * pitch, level are ours: the standard gives none. */
#define UNIT_S   0.12
#define PITCH_HZ 800.0
#define RAMP_S   0.005
#define QUIET_S  0.3
#define LEVEL    0.25 /* -12 dBFS */
#define DUCK     0.25 /* what is left of the content under it, spoken or rhythm */

static const struct {
    bool on;
    int  units;
} rhythm[] = { { true, 1 }, { false, 1 }, { true, 3 }, { false, 3 }, { true, 1 }, { false, 1 }, { true, 1 } };

pl_rc pl_audible_rhythm(unsigned rate, float **out, size_t *n, pl_error *err)
{
    size_t unit = (size_t)(UNIT_S * rate), quiet = (size_t)(QUIET_S * rate), at = quiet;
    size_t ramp = (size_t)(RAMP_S * rate), all = 11 * unit + 2 * quiet;
    float *p;

    if (rate < 4000 || rate > 768000)
        return pl_fail(err, PL_INVALID, "a sampling rate of %u Hz", rate);
    p = calloc(all, sizeof *p);
    if (!p)
        return pl_fail(err, PL_NOMEM, "out of memory");
    for (size_t i = 0; i < sizeof rhythm / sizeof rhythm[0]; i++) {
        size_t len = unit * (size_t)rhythm[i].units;

        for (size_t k = 0; rhythm[i].on && k < len; k++) {
            size_t edge = k < len - 1 - k ? k : len - 1 - k;
            double fade = edge < ramp ? 0.5 - 0.5 * cos(M_PI * (double)edge / (double)ramp) : 1;

            p[at + k] = (float)(LEVEL * fade * sin(2 * M_PI * PITCH_HZ * (double)k / rate));
        }
        at += len;
    }
    *out = p;
    *n = all;
    return PL_OK;
}

/* Mixes the label over the frames from `first`; the content is turned down under it. */
static void mix(const wav *w, char *data, size_t first, const float *r, size_t n)
{
    size_t width = w->bits / 8, frame = width * w->channels, frames = w->n / frame;

    for (size_t i = 0; i < n && first + i < frames; i++)
        for (unsigned c = 0; c < w->channels; c++) {
            char *p = data + (first + i) * frame + c * width;

            pl_wav_set(w, p, pl_wav_get(w, p) * DUCK + (double)r[i]);
        }
}

/* REQ: GB45438-2025/5.3  at start, middle or end, as asked for */
pl_rc pl_audible_wav(pl_str in, const pl_visible_style *s, pl_buf *out, pl_error *err)
{
    unsigned places = s->sound ? s->sound : PL_AUDIBLE_START;
    wav      w = { 0 };
    float   *r = NULL;
    size_t   n = 0, frames;
    pl_rc    rc = pl_wav_read(in, &w, err);

    if (rc == PL_OK)
        rc = pl_audible_label(s, w.rate, &r, &n, err);
    if (rc != PL_OK)
        return rc;
    frames = w.n / (w.channels * w.bits / 8);
    pl_buf_put(out, in);
    rc = pl_buf_check(out, err);
    if (rc == PL_OK && frames < n)
        rc = pl_fail(err, PL_INVALID, "the sound is shorter than the label: %.1f seconds",
                     (double)n / w.rate);
    if (rc == PL_OK) {
        char *data = out->p + w.at;

        if (places & PL_AUDIBLE_START)
            mix(&w, data, 0, r, n);
        if (places & PL_AUDIBLE_MIDDLE)
            mix(&w, data, (frames - n) / 2, r, n);
        if (places & PL_AUDIBLE_END)
            mix(&w, data, frames - n, r, n);
    }
    free(r);
    return rc;
}
