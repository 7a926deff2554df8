#include "base/banned.h"

#include "base/file.h"
#include "base/str.h"
#include "cap/label/label_int.h"
#include "cap/label/shown.h"

#define SHOWN_MAX (512u << 20) /* of what is changed in memory */

void shown_done(shown_file *s)
{
    pl_media_plan_free(s->plan);
    pl_media_free(s->m);
    pl_buf_done(&s->bytes);
    if (s->other.fd >= 0)
        media_file_close(&s->other);
    label_part_drop(&s->folder);
    free(s->path);
}

static pl_rc read_all(const pl_media_io *io, pl_str *out, pl_error *err)
{
    char *p;
    pl_rc rc;

    if (io->size > SHOWN_MAX)
        return pl_fail(err, PL_LIMIT, "the file is larger than %u bytes", SHOWN_MAX);
    p = malloc((size_t)io->size + 1);
    rc = p ? io->read(io->ctx, 0, p, (size_t)io->size, err) : pl_fail(err, PL_NOMEM, "out of memory");
    if (rc != PL_OK)
        free(p);
    else
        *out = (pl_str){ p, (size_t)io->size };
    return rc;
}

/* Text, pictures, WAV: whole, in memory. */
static pl_rc in_memory(pl_media_format f, pl_str in, const char *name, const label_order *o, pl_buf *out,
                       pl_error *err)
{
    pl_visible_report r;
    pl_rc             rc;

    if (f == PL_MEDIA_WAV)
        return pl_audible_wav(in, o->visible, out, err);
    if (f != PL_MEDIA_TXT && f != PL_MEDIA_MARKDOWN)
        return pl_visible_image(f, in, o->visible, out, &r, err);
    rc = pl_label_text_check(in, name, err);
    if (rc == PL_OK)
        rc = pl_label_text_add(in, o->visible->wording.n > 0 ? o->visible->wording : pl_label_default(in),
                               o->notice == PL_NOTICE_START ? PL_LABEL_START : PL_LABEL_END, out, err);
    return rc;
}

static pl_rc memory_make(pl_media_format f, const media_file *in, const char *name, const label_order *o,
                         shown_file *s, pl_error *err)
{
    pl_str all = { NULL, 0 };
    pl_rc  rc = read_all(&in->io, &all, err);

    s->bytes = PL_BUF_INIT(SHOWN_MAX + (64u << 20));
    if (rc == PL_OK)
        rc = in_memory(f, all, name, o, &s->bytes, err);
    free((char *)(uintptr_t)all.p);
    s->view = pl_buf_str(&s->bytes);
    s->file.io = pl_media_io_of(&s->view);
    return rc;
}

static pl_rc notice_make(const media_file *in, const char *name, const label_order *o, shown_file *s,
                         pl_error *err)
{
    pl_rc rc = pl_media_scan(&in->io, name, 0, &s->m, err);

    if (rc == PL_OK)
        rc = pl_visible_notice(s->m, o->visible, o->notice, &s->plan, err);
    if (rc == PL_OK)
        s->file.io = pl_media_plan_io(s->plan);
    return rc;
}

/* In a folder of its own beside the output: the program may write nowhere else. */
static pl_rc program_make(pl_media_format f, const char *path, const char *out, const label_order *o,
                          shown_file *s, pl_error *err)
{
    pl_rc rc;

    if (!path || !out || strcmp(path, "-") == 0)
        return pl_fail(err, PL_INVALID, "a label on %s files needs the file by its name",
                       pl_media_format_name(f));
    rc = label_part_folder(out, &s->folder, err);
    if (rc != PL_OK)
        return rc;
    s->path = pl_path_join(s->folder.path, LABEL_PART_INSIDE);
    rc = s->path ? pl_visible_by_ffmpeg(f, path, s->path, o->visible, err)
                 : pl_fail(err, PL_NOMEM, "out of memory");
    if (rc == PL_OK)
        rc = media_file_open(s->path, &s->other, err);
    if (rc == PL_OK)
        s->file.io = s->other.io;
    return rc;
}

pl_rc shown_make(const media_file *in, const char *path, const char *name, const char *out,
                 const label_order *o, shown_file *s, pl_error *err)
{
    pl_media_format f = PL_MEDIA_UNKNOWN;
    pl_rc           rc = pl_media_detect(&in->io, name, &f, err);

    *s = (shown_file){ .file = { .fd = in->fd, .st = in->st, .is_virtual = true }, .other = { .fd = -1 },
                         .folder = { .fd = -1 } };
    if (rc != PL_OK)
        return rc;
    switch (f) {
    case PL_MEDIA_MARKDOWN:
        if (o->notice == PL_NOTICE_END)
            return memory_make(f, in, name, o, s, err);
        return notice_make(in, name, o, s, err);
    case PL_MEDIA_TXT: case PL_MEDIA_JPEG: case PL_MEDIA_PNG: case PL_MEDIA_WEBP: case PL_MEDIA_WAV:
        return memory_make(f, in, name, o, s, err);
    case PL_MEDIA_HTML: case PL_MEDIA_DOCX: case PL_MEDIA_PDF:
        return notice_make(in, name, o, s, err);
    default:
        if (!pl_visible_supports(f))
            return pl_fail(err, PL_INVALID, "not supported yet: labels people read on %s files",
                           pl_media_format_name(f));
        return program_make(f, path, out, o, s, err);
    }
}
