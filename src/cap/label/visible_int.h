/* Shared by the visible_*.c and audible_*.c files. */
#ifndef PL_LABEL_VISIBLE_INT_H
#define PL_LABEL_VISIBLE_INT_H

#include "cap/label/visible.h"

/* A picture as the placing looks at it: luma, 8 bits, as displayed. */
typedef struct visible_luma {
    int            w, h;
    const uint8_t *p; /* w * h */
} visible_luma;

/* Where the label goes and how: white or black glyphs on a panel of the other, that hides as much
 * of the picture as the contrast needs. */
typedef struct visible_layout {
    int              x, y;  /* of the mask, as displayed */
    pl_visible_place place;
    int              ink;   /* 255 white, 0 black */
    double           panel; /* opacity of the panel, 0 to 1 */
    double           contrast;
} visible_layout;

/* visible_text.c: draws the wording with the style's fonts so that a capital A is at least glyph_h high, broken into
 * lines that fit max_w. PL_INVALID: it does not fit max_w x max_h. */
pl_rc pl_visible_draw(const pl_visible_style *s, pl_str wording, int glyph_h, int max_w, int max_h,
                      visible_mask *out, pl_error *err);
pl_rc pl_visible_render(pl_str wording, int glyph_h, int max_w, int max_h, visible_mask *out,
                        pl_error *err);
void  pl_visible_mask_done(visible_mask *m);
/* visible_place.c */
void  pl_visible_layout(const visible_luma *l, const visible_mask *m, pl_visible_place want,
                        visible_layout *out);
/* Both: what goes on a picture. */
pl_rc pl_visible_prepare(const visible_luma *l, const pl_visible_style *s, visible_mask *m,
                         visible_layout *at, pl_visible_report *r, pl_error *err);
/* One sample under pixel i of the mask: value and result in 0..max. */
double pl_visible_blend(const visible_mask *m, const visible_layout *at, size_t i, double value,
                        double max);

pl_rc pl_visible_jpeg(pl_str in, const pl_visible_style *s, pl_buf *out, pl_visible_report *r,
                      pl_error *err);
pl_rc pl_visible_png(pl_str in, const pl_visible_style *s, pl_buf *out, pl_visible_report *r,
                     pl_error *err);
pl_rc pl_visible_webp(pl_str in, const pl_visible_style *s, pl_buf *out, pl_visible_report *r,
                      pl_error *err);
/* The label as a picture with alpha, for what ffmpeg lays over a video of that size. */
pl_rc pl_visible_label_png(int w, int h, const pl_visible_style *s, pl_buf *out, int *x, int *y,
                           pl_error *err);

/* voice.c: what the style asks for at a sample rate: a clip, a voice, the rhythm; malloc'd. */
pl_rc pl_audible_label(const pl_visible_style *s, unsigned rate, float **out, size_t *n, pl_error *err);
/* audible.c: one period of the rhythm at a sample rate, -1 to 1; malloc'd. */
pl_rc pl_audible_rhythm(unsigned rate, float **out, size_t *n, pl_error *err);
#endif
