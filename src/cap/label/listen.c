#include "base/banned.h"

#include "base/str.h"
#include "cap/label/child.h"
#include "cap/label/listen.h"
#include "cap/label/wav.h"

#define SECONDS_MAX 7200u
#define WAV_MAX     (256u << 20)

static bool has_sound(pl_media_format f)
{
    switch (f) {
    case PL_MEDIA_WAV: case PL_MEDIA_MP3: case PL_MEDIA_M4A: case PL_MEDIA_FLAC: case PL_MEDIA_OGG: case PL_MEDIA_OPUS:
    case PL_MEDIA_MP4: case PL_MEDIA_MOV: case PL_MEDIA_MKV: case PL_MEDIA_WEBM: case PL_MEDIA_AVI: case PL_MEDIA_FLV:
        return true;
    default:
        return false;
    }
}

/* Samples at RHYTHM_RATE: means over what one of them covers. */
static size_t thin(float *x, size_t n, unsigned rate)
{
    double step = (double)rate / RHYTHM_RATE;
    size_t out = 0;

    for (; (size_t)((double)(out + 1) * step) <= n && out < (size_t)SECONDS_MAX * RHYTHM_RATE; out++) {
        size_t from = (size_t)((double)out * step), to = (size_t)((double)(out + 1) * step);
        double sum = 0;
        for (size_t i = from; i < to; i++)
            sum += (double)x[i];
        x[out] = (float)(sum / (double)(to - from));
    }
    return out;
}

static pl_rc by_ourselves(const media_file *f, float **x, size_t *n, pl_error *err)
{
    char    *all = f->io.size <= WAV_MAX ? malloc((size_t)f->io.size + 1) : NULL;
    unsigned rate = 0;
    pl_rc    rc = all ? f->io.read(f->io.ctx, 0, all, (size_t)f->io.size, err) : pl_fail(err, PL_LIMIT, "the sound is too long");

    if (rc == PL_OK)
        rc = pl_wav_mono((pl_str){ all, (size_t)f->io.size }, x, n, &rate, err);
    free(all);
    if (rc == PL_OK && rate < RHYTHM_RATE)
        rc = pl_fail(err, PL_INVALID, "a sampling rate of %u Hz", rate);
    if (rc == PL_OK)
        *n = thin(*x, *n, rate);
    return rc;
}

static pl_rc by_ffmpeg(const char *path, float **x, size_t *n, pl_error *err)
{
    char              url[4200];
    const char *const argv[] = { "ffmpeg", "-nostdin", "-v", "error", "-protocol_whitelist", "file", "-i", url, "-map", "0:a:0?",
                                 "-t", "7200", "-ac", "1", "-ar", "8000", "-f", "s16le", "pipe:1", NULL };
    pl_child          c = { .argv = argv, .read = path, .seconds = 600, .package = "ffmpeg" };
    pl_buf            b = PL_BUF_INIT((size_t)SECONDS_MAX * RHYTHM_RATE * 2 + 65536);
    pl_rc             rc;

    if ((size_t)snprintf(url, sizeof url, "file:%s", path) >= sizeof url)
        return pl_fail(err, PL_INVALID, "the path is too long");
    rc = pl_child_run(&c, &b, err);
    *n = b.n / 2;
    if (rc == PL_OK && (*x = malloc((*n + 1) * sizeof **x)) == NULL)
        rc = pl_fail(err, PL_NOMEM, "out of memory");
    for (size_t i = 0; rc == PL_OK && i < *n; i++)
        (*x)[i] = (float)(int16_t)((uint8_t)b.p[2 * i] | (uint8_t)b.p[2 * i + 1] << 8) / 32768.0f;
    pl_buf_done(&b);
    return rc;
}

pl_rc label_listen(const media_file *f, const char *path, label_heard *out, pl_error *err)
{
    pl_media_format format = PL_MEDIA_UNKNOWN;
    float          *x = NULL;
    size_t          n = 0;
    pl_rc           rc = pl_media_detect(&f->io, path, &format, err);

    *out = (label_heard){ .n = 0 };
    if (rc != PL_OK || !has_sound(format))
        return rc;
    if (format == PL_MEDIA_WAV)
        rc = by_ourselves(f, &x, &n, err);
    else if (strcmp(path, "-") == 0)
        rc = pl_fail(err, PL_INVALID, "listening needs the file by its name");
    else
        rc = by_ffmpeg(path, &x, &n, err);
    if (rc == PL_OK)
        rc = rhythm_find(x, n, out->hit, &out->n, err);
    out->seconds = (double)n / RHYTHM_RATE;
    free(x);
    return rc;
}
