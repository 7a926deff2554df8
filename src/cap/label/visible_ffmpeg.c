/* Videos and compressed sound, through the ffmpeg program as a child in a box (child.h). */
#include "base/banned.h"

#include "base/json.h"
#include "base/str.h"
#include "cap/label/child.h"
#include "cap/label/visible_int.h"

#include <libgen.h>
#include <math.h>
#include <unistd.h>

enum { SECONDS_MAX = 3600, ARGS_MAX = 64, SIDE_MAX = 16384 };

/* What ffprobe says of a file. */
typedef struct probe {
    int    w, h;           /* as displayed */
    double duration;
    char   video[32], audio[32], pixels[32];
    long   audio_rate, audio_bits; /* Hz; bit/s, 0 when unknown */
} probe;

static void text(const json_t *o, const char *key, char *out, size_t cap)
{
    const char *s = json_string_value(json_object_get(o, key));

    (void)snprintf(out, cap, "%s", s ? s : "");
}

static double number(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);

    return json_is_string(v) ? strtod(json_string_value(v), NULL) : json_number_value(v);
}

static bool is_turned(const json_t *stream)
{
    const json_t *list = json_object_get(stream, "side_data_list");

    for (size_t i = 0; i < json_array_size(list); i++)
        if (fabs(fmod(number(json_array_get(list, i), "rotation"), 180)) == 90)
            return true;
    return false;
}

static void stream_read(const json_t *s, probe *out)
{
    const char *type = json_string_value(json_object_get(s, "codec_type"));
    bool        cover = number(json_object_get(s, "disposition"), "attached_pic") != 0;

    if (type && strcmp(type, "video") == 0 && !cover && out->w == 0) {
        bool turned = is_turned(s);

        out->w = (int)number(s, turned ? "height" : "width");
        out->h = (int)number(s, turned ? "width" : "height");
        text(s, "codec_name", out->video, sizeof out->video);
        text(s, "pix_fmt", out->pixels, sizeof out->pixels);
    } else if (type && strcmp(type, "audio") == 0 && out->audio[0] == '\0') {
        text(s, "codec_name", out->audio, sizeof out->audio);
        out->audio_rate = (long)number(s, "sample_rate");
        out->audio_bits = (long)number(s, "bit_rate");
    }
}

static pl_rc probe_file(const char *path, const char *url, probe *out, pl_error *err)
{
    const char *const argv[] = { "ffprobe", "-v", "error", "-protocol_whitelist", "file", "-show_streams",
                                 "-show_format", "-of", "json", "-i", url, NULL };
    pl_child c = { .argv = argv, .read = path, .seconds = 60, .package = "ffmpeg" };
    pl_buf   b = PL_BUF_INIT(4u << 20);
    json_t  *j = NULL;
    pl_rc    rc = pl_child_run(&c, &b, err);

    if (rc == PL_OK)
        rc = pl_json_parse(pl_buf_str(&b), "ffprobe", &j, err);
    if (rc == PL_OK) {
        const json_t *streams = json_object_get(j, "streams");

        *out = (probe){ .duration = number(json_object_get(j, "format"), "duration") };
        for (size_t i = 0; i < json_array_size(streams); i++)
            stream_read(json_array_get(streams, i), out);
    }
    json_decref(j);
    pl_buf_done(&b);
    return rc;
}

/* --- arguments ------------------------------------------------------------------------------------- */

typedef struct args {
    const char *v[ARGS_MAX];
    size_t      n;
} args;

static void add(args *a, const char *const *list)
{
    for (; *list && a->n + 1 < ARGS_MAX; list++)
        a->v[a->n++] = *list;
    a->v[a->n] = NULL;
}

#define ADD(a, ...) add(a, (const char *const[]){ __VA_ARGS__, NULL })

static const char *muxer_of(pl_media_format f)
{
    static const struct {
        pl_media_format f;
        const char     *name;
    } table[] = { { PL_MEDIA_MP4, "mp4" },   { PL_MEDIA_MOV, "mov" },      { PL_MEDIA_M4A, "ipod" },
                  { PL_MEDIA_MKV, "matroska" }, { PL_MEDIA_WEBM, "webm" }, { PL_MEDIA_MP3, "mp3" },
                  { PL_MEDIA_FLAC, "flac" }, { PL_MEDIA_OGG, "ogg" },      { PL_MEDIA_OPUS, "ogg" },
                  { PL_MEDIA_AVI, "avi" },   { PL_MEDIA_FLV, "flv" } };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (table[i].f == f)
            return table[i].name;
    return NULL;
}

/* Encoders for what was there, at a quality that does not show. */
static void video_encoder(args *a, const probe *p, pl_media_format f)
{
    if (strcmp(p->video, "hevc") == 0)
        ADD(a, "-c:v", "libx265", "-crf", "19", "-preset", "medium", "-tag:v", "hvc1", "-x265-params", "log-level=error");
    else if (strcmp(p->video, "vp8") == 0)
        ADD(a, "-c:v", "libvpx", "-crf", "8", "-b:v", "8M");
    else if (strcmp(p->video, "vp9") == 0 || f == PL_MEDIA_WEBM)
        ADD(a, "-c:v", "libvpx-vp9", "-crf", "24", "-b:v", "0", "-row-mt", "1");
    else if (strcmp(p->video, "mpeg4") == 0)
        ADD(a, "-c:v", "mpeg4", "-q:v", "2");
    else
        ADD(a, "-c:v", "libx264", "-crf", "17", "-preset", "medium");
    if (p->pixels[0])
        ADD(a, "-pix_fmt", p->pixels);
}

static void audio_encoder(args *a, const probe *p, const char *rate)
{
    static const struct {
        const char *codec, *encoder;
    } table[] = { { "mp3", "libmp3lame" }, { "aac", "aac" },   { "vorbis", "libvorbis" },
                  { "opus", "libopus" },   { "flac", "flac" }, { "alac", "alac" } };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (strcmp(p->audio, table[i].codec) == 0)
            ADD(a, "-c:a", table[i].encoder);
    if (strcmp(p->audio, "flac") != 0 && strcmp(p->audio, "alac") != 0)
        ADD(a, "-b:a", rate);
}

static void common(args *a, const char *url)
{
    ADD(a, "ffmpeg", "-nostdin", "-v", "error", "-n", "-protocol_whitelist", "file", "-i", url);
}

static pl_rc run(const args *a, const char *in, const char *out, pl_str given, pl_error *err)
{
    char    *copy = strdup(out);
    pl_child c = { .argv = a->v, .read = in, .given = given, .seconds = SECONDS_MAX, .package = "ffmpeg" };
    pl_rc    rc;

    if (!copy)
        return pl_fail(err, PL_NOMEM, "out of memory");
    c.write = dirname(copy);
    rc = pl_child_run(&c, NULL, err);
    if (rc != PL_OK && access(out, F_OK) == 0)
        (void)unlink(out); /* what it left half done: out did not exist before */
    free(copy);
    return rc;
}

/* --- video: GB 45438-2025 5.4 ------------------------------------------------------------------------- */

static pl_rc video(pl_media_format f, const char *in, const char *url, const char *out,
                   const probe *p, const pl_visible_style *s, pl_error *err)
{
    pl_buf png = PL_BUF_INIT(16u << 20);
    char   graph[200], target[4200];
    double seconds = s->seconds > 0 ? s->seconds : PL_VISIBLE_SECONDS;
    int    x = 0, y = 0;
    args   a = { .n = 0 };
    pl_rc  rc;

    if (p->w < 16 || p->h < 16 || p->w > SIDE_MAX || p->h > SIDE_MAX)
        return pl_fail(err, PL_INVALID, "there is no video that can be labelled");
    rc = pl_visible_label_png(p->w, p->h, s, &png, &x, &y, err);
    /* A tenth of a second more, so that rounding of times does not fall below the standard. */
    (void)snprintf(graph, sizeof graph, "[0:v:0][1:v]overlay=%d:%d:format=auto:enable='lt(t,%.3f)'[v]", x,
                   y, seconds + 0.1);
    (void)snprintf(target, sizeof target, "file:%s", out);
    common(&a, url);
    ADD(&a, "-protocol_whitelist", "pipe", "-f", "png_pipe", "-i", "pipe:5", "-filter_complex", graph,
        "-map", "[v]", "-map", "0:a?", "-map", "0:s?", "-map_metadata", "0", "-c:a", "copy", "-c:s", "copy");
    video_encoder(&a, p, f);
    if (f == PL_MEDIA_MP4 || f == PL_MEDIA_MOV)
        ADD(&a, "-movflags", "use_metadata_tags+faststart");
    ADD(&a, "-f", muxer_of(f), target);
    if (rc == PL_OK)
        rc = run(&a, in, out, pl_buf_str(&png), err);
    pl_buf_done(&png);
    return rc;
}

/* --- sound: GB 45438-2025 5.3 --------------------------------------------------------------------------- */

/* The label alone as a WAV of floats, for ffmpeg to mix in. */
static pl_rc label_wav(const pl_visible_style *s, unsigned rate, pl_buf *out, double *seconds, pl_error *err)
{
    uint32_t bytes;
    float   *r = NULL;
    size_t   n = 0;
    pl_rc    rc = pl_audible_label(s, rate, &r, &n, err);

    if (rc != PL_OK)
        return rc;
    bytes = (uint32_t)(n * sizeof *r);
    {
        const uint32_t head[11] = { 0x46464952, 36 + bytes, 0x45564157, 0x20746D66, 16,   3 | 1u << 16,
                                    rate,       rate * 4,   4 | 32u << 16, 0x61746164, bytes };

        pl_buf_put(out, (pl_str){ (const char *)head, sizeof head });
    }
    pl_buf_put(out, (pl_str){ (const char *)r, bytes });
    free(r);
    *seconds = (double)n / rate;
    return pl_buf_check(out, err);
}

/* "[0:a:0]volume=…[c];[1:a]asplit=2[r0][r1];[r1]adelay=…[d1];[c][r0][d1]amix=…[a]" */
static void sound_graph(pl_buf *g, const double *at, size_t n, double seconds)
{
    pl_buf_puts(g, "[0:a:0]volume=0.25:enable='");
    for (size_t i = 0; i < n; i++)
        pl_buf_printf(g, "%sbetween(t,%.3f,%.3f)", i ? "+" : "", at[i], at[i] + seconds);
    pl_buf_printf(g, "'[c];[1:a]asplit=%zu", n);
    for (size_t i = 0; i < n; i++)
        pl_buf_printf(g, "[r%zu]", i);
    for (size_t i = 0; i < n; i++)
        pl_buf_printf(g, ";[r%zu]adelay=%ld:all=1[d%zu]", i, lround(at[i] * 1000), i);
    pl_buf_puts(g, ";[c]");
    for (size_t i = 0; i < n; i++)
        pl_buf_printf(g, "[d%zu]", i);
    pl_buf_printf(g, "amix=inputs=%zu:duration=first:normalize=0[a]", n + 1);
}

static pl_rc sound(pl_media_format f, const char *in, const char *url, const char *out,
                   const probe *p, const pl_visible_style *s, pl_error *err)
{
    unsigned places = s->sound ? s->sound : PL_AUDIBLE_START;
    pl_buf   wav = PL_BUF_INIT(256u << 20), graph = PL_BUF_INIT(4096);
    double   seconds = 0, at[3];
    char     rate[32], target[4200];
    size_t   n = 0;
    args     a = { .n = 0 };
    pl_rc    rc;

    if (p->audio[0] == '\0' || p->audio_rate <= 0)
        return pl_fail(err, PL_INVALID, "there is no sound that can be labelled");
    rc = label_wav(s, (unsigned)p->audio_rate, &wav, &seconds, err);
    if (rc == PL_OK && p->duration < seconds)
        rc = pl_fail(err, PL_INVALID, "the sound is shorter than the label: %.1f seconds", seconds);
    if (places & PL_AUDIBLE_START)
        at[n++] = 0;
    if (places & PL_AUDIBLE_MIDDLE)
        at[n++] = (p->duration - seconds) / 2;
    if (places & PL_AUDIBLE_END)
        at[n++] = p->duration - seconds;
    sound_graph(&graph, at, n, seconds);
    (void)snprintf(rate, sizeof rate, "%ld", p->audio_bits > 32000 ? p->audio_bits : 160000);
    (void)snprintf(target, sizeof target, "file:%s", out);
    common(&a, url);
    ADD(&a, "-protocol_whitelist", "pipe", "-f", "wav", "-i", "pipe:5", "-filter_complex", graph.p,
        "-map", "[a]", "-map_metadata", "0", "-map_metadata:s:a:0", "0:s:a:0");
    audio_encoder(&a, p, rate);
    ADD(&a, "-f", muxer_of(f), target);
    if (rc == PL_OK)
        rc = run(&a, in, out, pl_buf_str(&wav), err);
    pl_buf_done(&graph);
    pl_buf_done(&wav);
    return rc;
}

static bool is_video(pl_media_format f)
{
    return f == PL_MEDIA_MP4 || f == PL_MEDIA_MOV || f == PL_MEDIA_MKV || f == PL_MEDIA_WEBM ||
           f == PL_MEDIA_AVI || f == PL_MEDIA_FLV;
}

pl_rc pl_visible_by_ffmpeg(pl_media_format f, const char *in, const char *out,
                           const pl_visible_style *s, pl_error *err)
{
    char  url[4200];
    probe p;
    pl_rc rc = pl_visible_style_check(s, err);

    if (rc == PL_OK && !muxer_of(f))
        rc = pl_fail(err, PL_NOTFOUND, "%s files have no label that is seen or heard",
                     pl_media_format_name(f));
    if (rc == PL_OK && (strlen(in) > 4096 || strlen(out) > 4096))
        rc = pl_fail(err, PL_INVALID, "the path is too long");
    if (rc != PL_OK)
        return rc;
    (void)snprintf(url, sizeof url, "file:%s", in);
    rc = probe_file(in, url, &p, err);
    if (rc != PL_OK)
        return rc;
    return is_video(f) ? video(f, in, url, out, &p, s, err) : sound(f, in, url, out, &p, s, err);
}
