/* The rhythm of GB 45438-2025 5.3, "AI" in Morse: short long, short short; mixed into a WAV. */
#include "base/banned.h"

#include "cap/label/visible_int.h"

#include <math.h>

/* ITU-R M.1677: a dash is three dots, a gap inside a letter one, between letters three. Unit,
 * pitch, level are ours: the standard gives none. */
#define UNIT_S   0.12
#define PITCH_HZ 800.0
#define RAMP_S   0.005
#define QUIET_S  0.3
#define LEVEL    0.25 /* -12 dBFS */
#define DUCK     0.25 /* what is left of the content under it */

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

/* --- WAV ------------------------------------------------------------------------------------------- */

typedef struct wav {
    unsigned format, channels, rate, bits; /* format 1 integers, 3 floats */
    size_t   at, n;                        /* of the samples in the file  */
} wav;

static uint32_t le(const char *p, int n)
{
    uint32_t v = 0;

    for (int i = n; i-- > 0;)
        v = v << 8 | (uint8_t)p[i];
    return v;
}

static bool format_read(pl_str body, wav *w)
{
    if (body.n < 16)
        return false;
    w->format = le(body.p, 2);
    w->channels = le(body.p + 2, 2);
    w->rate = le(body.p + 4, 4);
    w->bits = le(body.p + 14, 2);
    if (w->format == 0xFFFE && body.n >= 40)
        w->format = le(body.p + 24, 2); /* WAVE_FORMAT_EXTENSIBLE: first word of the subtype */
    return true;
}

static pl_rc wav_read(pl_str in, wav *w, pl_error *err)
{
    bool   known = false;
    size_t at = 12;

    if (in.n < 12 || memcmp(in.p, "RIFF", 4) != 0 || memcmp(in.p + 8, "WAVE", 4) != 0)
        return pl_fail(err, PL_INVALID, "not a WAV file");
    while (at <= in.n && in.n - at >= 8 && w->n == 0) {
        size_t n = le(in.p + at + 4, 4), left = in.n - at - 8;

        n = n > left ? left : n;
        if (memcmp(in.p + at, "fmt ", 4) == 0)
            known = format_read((pl_str){ in.p + at + 8, n }, w);
        if (memcmp(in.p + at, "data", 4) == 0) {
            w->at = at + 8;
            w->n = n;
        }
        at += 8 + n + n % 2;
    }
    known = known && w->channels >= 1 && w->channels <= 32 &&
            ((w->format == 1 && (w->bits == 8 || w->bits == 16 || w->bits == 24 || w->bits == 32)) ||
             (w->format == 3 && w->bits == 32));
    if (!known)
        return pl_fail(err, PL_INVALID, "a WAV that is neither PCM of 8 to 32 bits nor floats");
    w->n -= w->n % (w->channels * w->bits / 8);
    return PL_OK;
}

static double sample_get(const wav *w, const char *p)
{
    float f;

    if (w->format == 3) {
        memcpy(&f, p, 4);
        return (double)f;
    }
    if (w->bits == 8)
        return ((double)(uint8_t)*p - 128) / 128;
    /* Shifted up so that the sign is where a 32-bit number has it. */
    return (double)(int32_t)(le(p, (int)w->bits / 8) << (32 - w->bits)) / 2147483648.0;
}

static void sample_set(const wav *w, char *p, double v)
{
    float   f = (float)v;
    int64_t i;

    if (w->format == 3) {
        memcpy(p, &f, 4);
        return;
    }
    v = v > 1 ? 1 : v < -1 ? -1 : v;
    if (w->bits == 8) {
        i = llrint(v * 128) + 128;
        *p = (char)(uint8_t)(i > 255 ? 255 : i);
        return;
    }
    i = llrint(v * (double)(1LL << (w->bits - 1)));
    if (i > (1LL << (w->bits - 1)) - 1)
        i = (1LL << (w->bits - 1)) - 1;
    for (unsigned k = 0; k < w->bits / 8; k++)
        p[k] = (char)(i >> (8 * k));
}

/* Mixes the rhythm over the frames from `first`; the content is turned down under it. */
static void mix(const wav *w, char *data, size_t first, const float *r, size_t n)
{
    size_t width = w->bits / 8, frame = width * w->channels, frames = w->n / frame;

    for (size_t i = 0; i < n && first + i < frames; i++)
        for (unsigned c = 0; c < w->channels; c++) {
            char *p = data + (first + i) * frame + c * width;

            sample_set(w, p, sample_get(w, p) * DUCK + (double)r[i]);
        }
}

/* REQ: GB45438-2025/5.3  at start, middle or end, as asked for */
pl_rc pl_audible_wav(pl_str in, const pl_visible_style *s, pl_buf *out, pl_error *err)
{
    unsigned places = s->sound ? s->sound : PL_AUDIBLE_START;
    wav      w = { 0 };
    float   *r = NULL;
    size_t   n = 0, frames;
    pl_rc    rc = wav_read(in, &w, err);

    if (rc == PL_OK)
        rc = pl_audible_rhythm(w.rate, &r, &n, err);
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
