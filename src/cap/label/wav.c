/* WAV files as samples. */
#include "base/banned.h"

#include "cap/label/wav.h"

#include <math.h>

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

pl_rc pl_wav_read(pl_str in, wav *w, pl_error *err)
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

double pl_wav_get(const wav *w, const char *p)
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

void pl_wav_set(const wav *w, char *p, double v)
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

pl_rc pl_wav_mono(pl_str in, float **out, size_t *n, unsigned *rate, pl_error *err)
{
    wav    w = { 0 };
    float *p;
    size_t width, frames;
    pl_rc  rc = pl_wav_read(in, &w, err);

    if (rc != PL_OK)
        return rc;
    width = w.bits / 8;
    frames = w.n / (width * w.channels);
    p = calloc(frames + 1, sizeof *p);
    if (!p)
        return pl_fail(err, PL_NOMEM, "out of memory");
    for (size_t i = 0; i < frames; i++) {
        double sum = 0;
        for (unsigned c = 0; c < w.channels; c++)
            sum += pl_wav_get(&w, in.p + w.at + (i * w.channels + c) * width);
        p[i] = (float)(sum / w.channels);
    }
    *out = p;
    *n = frames;
    *rate = w.rate;
    return PL_OK;
}
