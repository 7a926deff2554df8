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

bool pl_visible_supports(pl_media_format f)
{
    switch (f) {
    case PL_MEDIA_JPEG: case PL_MEDIA_PNG: case PL_MEDIA_WEBP: case PL_MEDIA_WAV: case PL_MEDIA_MP3:
    case PL_MEDIA_FLAC: case PL_MEDIA_OGG: case PL_MEDIA_OPUS: case PL_MEDIA_M4A: case PL_MEDIA_MP4:
    case PL_MEDIA_MOV: case PL_MEDIA_MKV: case PL_MEDIA_WEBM: case PL_MEDIA_AVI: case PL_MEDIA_FLV:
        return true;
    default:
        return false;
    }
}
