#include "base/banned.h"

#include "cap/label/visible_int.h"

pl_rc pl_visible_image(pl_media_format f, pl_str in, const pl_visible_style *s, pl_buf *out,
                       pl_visible_report *r, pl_error *err)
{
    pl_rc rc = pl_visible_style_check(s, err);

    if (rc != PL_OK)
        return rc;
    switch (f) {
    case PL_MEDIA_JPEG:
        return pl_visible_jpeg(in, s, out, r, err);
    case PL_MEDIA_PNG:
        return pl_visible_png(in, s, out, r, err);
    case PL_MEDIA_WEBP:
        return pl_visible_webp(in, s, out, r, err);
    default:
        return pl_fail(err, PL_NOTFOUND, "labels that are seen go on JPEG, PNG and WebP pictures");
    }
}

/* Dark glyphs on white, four pixels to a point: sharp when printed. */
static pl_rc picture_draw(const pl_visible_style *s, pl_str wording, pl_notice_picture *out, pl_error *err)
{
    enum { CAPITAL = 40, WIDTH_MAX = 2000, HEIGHT_MAX = 1000 };
    visible_mask   m = { 0 };
    visible_layout at = { .ink = 0, .panel = 1 };
    pl_rc          rc = pl_visible_draw(s, wording, CAPITAL, WIDTH_MAX, HEIGHT_MAX, &m, err);
    size_t         n = (size_t)m.w * (size_t)m.h;
    uint8_t       *p = rc == PL_OK ? malloc(2 * n) : NULL;

    if (rc == PL_OK && !p)
        rc = pl_fail(err, PL_NOMEM, "out of memory");
    for (size_t i = 0; p && i < n; i++) {
        p[i] = (uint8_t)(pl_visible_blend(&m, &at, i, 1, 1) * 255 + 0.5);
        p[n + i] = 255;
    }
    *out = (pl_notice_picture){ m.w, m.h, p, p ? p + n : NULL, m.h / 4.0 };
    pl_visible_mask_done(&m);
    return rc;
}

pl_rc pl_visible_notice(pl_media *m, const pl_visible_style *s, pl_notice_place place,
                        pl_media_plan **out, pl_error *err)
{
    pl_str            wording = s->wording.n > 0 ? s->wording : PL_STR("内容由AI生成");
    pl_notice_picture picture = { .w = 0 };
    pl_rc             rc = pl_visible_style_check(s, err);

    if (rc == PL_OK && pl_media_format_of(m) == PL_MEDIA_PDF)
        rc = picture_draw(s, wording, &picture, err);
    if (rc == PL_OK)
        rc = pl_media_notice(m, wording, place, picture.grey ? &picture : NULL, out, err);
    free((void *)picture.grey);
    return rc;
}

bool pl_visible_supports(pl_media_format f)
{
    switch (f) {
    case PL_MEDIA_JPEG: case PL_MEDIA_PNG: case PL_MEDIA_WEBP: case PL_MEDIA_WAV: case PL_MEDIA_MP3:
    case PL_MEDIA_FLAC: case PL_MEDIA_OGG: case PL_MEDIA_OPUS: case PL_MEDIA_M4A: case PL_MEDIA_MP4:
    case PL_MEDIA_MOV: case PL_MEDIA_MKV: case PL_MEDIA_WEBM: case PL_MEDIA_AVI: case PL_MEDIA_FLV: case PL_MEDIA_HTML:
    case PL_MEDIA_MARKDOWN: case PL_MEDIA_DOCX: case PL_MEDIA_PDF:
        return true;
    default:
        return false;
    }
}
