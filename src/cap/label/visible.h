/* Explicit labels people see and hear: GB 45438-2025 5.2 (pictures), 5.3 (sound), 5.4 (video).
 *
 * Pictures are changed where the label is and nowhere else: in a JPEG only the blocks under it are
 * coded again, in a PNG all other samples keep their values. Sound gets the rhythm of the standard,
 * or spoken words, mixed in (WAV by our own code; other formats by the ffmpeg program as a sandboxed child). Videos
 * get the label burned in by the same child.
 *
 * A style may choose wording, size, place, and how long; what would no longer satisfy the standard
 * is refused with the clause. Memory: a decoded picture and a half. Thread rule: none shared; the
 * font library keeps what it needs for each thread.
 */
#ifndef PL_LABEL_VISIBLE_H
#define PL_LABEL_VISIBLE_H

#include "base/buf.h"
#include "engine/media/notice.h"

#define PL_VISIBLE_PIXELS_MAX (200u << 20) /* of one picture                               */
#define PL_VISIBLE_PERCENT    5            /* GB 45438-2025 5.2: of the shorter side       */
#define PL_VISIBLE_SECONDS    2            /* GB 45438-2025 5.4: on screen, normal speed   */

typedef enum pl_visible_place {
    PL_VISIBLE_CALM, /* the corner where least is going on */
    PL_VISIBLE_TOP_LEFT,
    PL_VISIBLE_TOP_RIGHT,
    PL_VISIBLE_BOTTOM_LEFT,
    PL_VISIBLE_BOTTOM_RIGHT
} pl_visible_place;

typedef enum pl_audible_place {
    PL_AUDIBLE_START = 1,
    PL_AUDIBLE_MIDDLE = 2,
    PL_AUDIBLE_END = 4
} pl_audible_place;

/* Drawn letters: how much of each pixel is glyph and how much is outline, 0 to 255. */
typedef struct visible_mask {
    int      w, h, glyph_h;
    uint8_t *glyph, *outline; /* w * h */
} visible_mask;

/* Draws where there are no fonts: the box that foreign media is read in asks for it. */
typedef struct pl_visible_fonts {
    void *ctx;
    pl_rc (*render)(void *ctx, pl_str wording, int glyph_h, int max_w, int max_h, visible_mask *out, pl_error *err);
} pl_visible_fonts;

typedef struct pl_visible_style {
    pl_str           wording; /* n 0: PL_VISIBLE_WORDING                           */
    double           percent; /* glyph height, % of the shorter side; 0: 5         */
    pl_visible_place place;
    unsigned         sound;   /* pl_audible_place, or'ed; 0: start                 */
    double           seconds; /* of a video, from its first frame; 0: 2            */
    const char      *clip;    /* of sound: a WAV that says it, in place of the rhythm; NULL: none.
                                 What it says is for whoever gives it to know      */
    const pl_visible_fonts *fonts; /* NULL: those of this machine                  */
    const char      *voice;   /* of sound: "zh", "zh,en": said by espeak-ng; NULL: no */
} pl_visible_style;

#define PL_VISIBLE_WORDING "AI生成"

/* What was done. */
typedef struct pl_visible_report {
    pl_visible_place place;      /* the corner it went to                     */
    int              x, y, w, h; /* of its box, in pixels as displayed        */
    int              glyph_h;    /* height of the capital letter A drawn      */
    double           contrast;   /* WCAG ratio to what is behind it, at worst */
} pl_visible_report;

/* "start,end", "bottom-right" …: PL_INVALID for other words. */
pl_rc pl_visible_place_parse(pl_str s, pl_visible_place *out, pl_error *err);
pl_rc pl_audible_place_parse(pl_str s, unsigned *out, pl_error *err);
const char *pl_visible_place_name(pl_visible_place p);
/* PL_INVALID: the style breaks the standard; the message names the clause. */
pl_rc pl_visible_style_check(const pl_visible_style *s, pl_error *err);

/* Where a label goes. One word serves all media: a corner for pictures and video; start, middle, end
 * (several, with commas) for sound; start, end or mark for texts and documents. NULL: the defaults. */
typedef struct pl_visible_where {
    pl_notice_place  notice;
    pl_visible_place corner;
    unsigned         sound;
} pl_visible_where;
pl_rc pl_visible_where_parse(const char *s, pl_visible_where *out, pl_error *err);
pl_rc pl_audible_voice_check(const char *voice, pl_error *err);

/* JPEG, PNG, WebP. PL_NOTFOUND: another format. PL_INVALID: it cannot be decoded, is animated, or
 * is too small for a label that can be read. Metadata stays; what the change makes untrue (a
 * manifest store) is for the caller to take out. */
pl_rc pl_visible_image(pl_media_format f, pl_str in, const pl_visible_style *s, pl_buf *out,
                       pl_visible_report *r, pl_error *err);
/* WAV with PCM of 8, 16, 24, 32 bits or floats. Everything but the samples of the label stays. */
pl_rc pl_audible_wav(pl_str in, const pl_visible_style *s, pl_buf *out, pl_error *err);
/* By ffmpeg: MP3, FLAC, OGG, Opus, M4A; MP4, MOV, MKV, WebM. out must not exist. PL_IO: there is no
 * ffmpeg program, or it failed. */
pl_rc pl_visible_by_ffmpeg(pl_media_format f, const char *in, const char *out,
                           const pl_visible_style *s, pl_error *err);
/* A notice in a document (engine/media/notice.h): HTML, Markdown, Word, PDF, where it is drawn. */
pl_rc pl_visible_notice(pl_media *m, const pl_visible_style *s, pl_notice_place place,
                        pl_media_plan **out, pl_error *err);
/* Whether a file of that format can be labelled at all. */
bool  pl_visible_supports(pl_media_format f);
#endif
