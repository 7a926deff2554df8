#include "base/banned.h"

#include "base/str.h"
#include "engine/media/site.h"

/* Carriers other than the one the guides name for the format. */
static bool is_misplaced(const pl_media_item *it)
{
    static const char *const named[] = {
        "jpeg.xmp", "png.xmp", "webp.xmp", "gif.xmp", "tiff.xmp", "heif.xmp", "svg.xmp", "mp4.keys",
        "mkv.tag", "flv.metadata", "avi.info", "wav.aigc", "id3.txxx", "flac.comment", "ogg.comment",
        "opus.comment", "ooxml.custom", "pdf.info", "markdown.front-matter", "html.meta",
        "json.member", "epub.meta", "ofd.custom", "jpeg.exif.UserComment", "sidecar",
    };
    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++)
        if (strcmp(named[i], it->carrier) == 0)
            return (it->flags & PL_MEDIA_MISPLACED) != 0;
    return true;
}

void media_site_problems(const pl_media_item *it, pl_aigc_report *r)
{
    if (it->flags & PL_MEDIA_OUTSIDE)
        pl_aigc_problem_add(r, pl_aigc_problem_of("label.outside"));
    if (is_misplaced(it))
        pl_aigc_problem_add(r, pl_aigc_problem_of("label.carrier"));
    if (strstr(it->carrier, "wrong-namespace"))
        pl_aigc_problem_add(r, pl_aigc_problem_of("label.namespace"));
    else if (!strcasestr(it->key.p, "AIGC") && strcmp(it->carrier, "jpeg.exif.UserComment") != 0)
        pl_aigc_problem_add(r, pl_aigc_problem_of("label.key"));
}

void media_sites_compare(pl_aigc_report *const *r, size_t n)
{
    bool conflict = false;

    for (size_t k = 1; k < n; k++)
        for (int m = 0; m < PL_AIGC_MEMBERS; m++)
            conflict |= !pl_str_eq(r[0]->label.m[m], r[k]->label.m[m]);
    for (size_t k = 0; k < n && n > 1; k++)
        pl_aigc_problem_add(r[k], pl_aigc_problem_of(conflict ? "label.conflict" : "label.duplicate"));
}

bool media_site_in_force(const pl_media_item *it)
{
    return it->kind == PL_MEDIA_LABEL && !(it->flags & (PL_MEDIA_OUTSIDE | PL_MEDIA_OLDER));
}
