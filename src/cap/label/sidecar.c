#include "base/banned.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/str.h"
#include "cap/label/part.h"
#include "cap/label/sidecar.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE (256u << 10)

bool label_sidecar_belongs(const char *path)
{
    size_t n = strlen(path), k = strlen(LABEL_SIDECAR_SUFFIX);
    char  *file = n > k && strcmp(path + n - k, LABEL_SIDECAR_SUFFIX) == 0 ? pl_str_dup((pl_str){ path, n - k }) : NULL;
    bool   belongs = file && access(file, F_OK) == 0;

    free(file);
    return belongs;
}

static char *sidecar_path(const char *file)
{
    char *path = NULL;

    return asprintf(&path, "%s" LABEL_SIDECAR_SUFFIX, file) < 0 ? NULL : path;
}

static pl_rc digest_hex(const pl_media_io *io, char hex[65], pl_error *err)
{
    pl_sha256 s;
    uint8_t   digest[32];
    char     *piece = malloc(PIECE);
    pl_rc     rc = piece ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");

    pl_sha256_init(&s);
    for (uint64_t at = 0; rc == PL_OK && at < io->size;) {
        size_t k = io->size - at < PIECE ? (size_t)(io->size - at) : PIECE;
        rc = io->read(io->ctx, at, piece, k, err);
        if (rc == PL_OK)
            pl_sha256_update(&s, piece, k);
        at += k;
    }
    free(piece);
    pl_sha256_final(&s, digest);
    pl_hex(digest, sizeof digest, hex);
    return rc;
}

static pl_rc text_of(const char *file, const pl_media_io *io, pl_str label, char **out, pl_error *err)
{
    const char *base = strrchr(file, '/');
    char        hex[65];
    json_t     *aigc = NULL, *o = NULL;
    pl_rc       rc = digest_hex(io, hex, err);

    if (rc == PL_OK)
        rc = pl_json_parse(label, "label", &aigc, err);
    if (rc != PL_OK)
        return rc;
    o = json_pack("{s:o, s:s, s:s}", "AIGC", aigc, "file", base ? base + 1 : file, "sha256", hex);
    if (!o) { /* a name that is not UTF-8 is left out */
        json_decref(aigc);
        rc = pl_json_parse(label, "label", &aigc, err);
        o = rc == PL_OK ? json_pack("{s:o, s:s}", "AIGC", aigc, "sha256", hex) : NULL;
    }
    *out = o ? pl_json_dump(o) : NULL;
    json_decref(o);
    return *out ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");
}

pl_rc label_sidecar_write(const char *file, const pl_media_io *io, pl_str label, bool sync, pl_error *err)
{
    char      *path = sidecar_path(file), *text = NULL;
    label_part part = { .fd = -1 };
    pl_rc      rc = path ? text_of(file, io, label, &text, err) : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc == PL_OK)
        rc = label_part_file(path, &part, err);
    if (rc == PL_OK)
        rc = pl_pwrite_all(part.fd, text, strlen(text), 0, err);
    if (rc == PL_OK && (fchmod(part.fd, 0644) != 0 || (sync && fsync(part.fd) != 0)))
        rc = pl_fail(err, PL_IO, "cannot write '%s': %s", path, strerror(errno));
    if (rc == PL_OK)
        rc = label_part_rename(&part, path, err);
    label_part_drop(&part);
    free(text);
    free(path);
    return rc;
}

static pl_rc compare(label_sidecar *s, const pl_media_io *io, pl_error *err)
{
    json_t *o = NULL;
    pl_str  want = { NULL, 0 };
    char    hex[65];
    pl_rc   rc;

    s->fit = LABEL_SIDECAR_OTHER;
    if (pl_json_parse(s->view, "sidecar", &o, NULL) != PL_OK)
        return PL_OK;
    rc = pl_json_get_str(o, "sha256", true, &want, NULL) == PL_OK ? digest_hex(io, hex, err) : PL_OK;
    if (rc == PL_OK && want.n == 64 && strncasecmp(want.p, hex, 64) == 0)
        s->fit = LABEL_SIDECAR_FITS;
    json_decref(o);
    return rc;
}

pl_rc label_sidecar_read(const char *file, const pl_media_io *io, label_sidecar *s, pl_error *err)
{
    char       *path = sidecar_path(file);
    struct stat st;
    size_t      n = 0;
    pl_rc       rc = path ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");

    *s = (label_sidecar){ .fit = LABEL_SIDECAR_UNCHECKED };
    if (rc == PL_OK && (stat(path, &st) != 0 || !S_ISREG(st.st_mode)))
        rc = pl_fail(err, PL_NOTFOUND, "there is no label beside '%s'", file);
    if (rc == PL_OK)
        rc = pl_file_read(path, LABEL_SIDECAR_MAX, &s->bytes, &n, err);
    free(path);
    if (rc != PL_OK)
        return rc;
    s->view = (pl_str){ s->bytes, n };
    s->io = pl_media_io_of(&s->view);
    rc = pl_media_scan(&s->io, "a.json", 0, &s->media, err);
    for (size_t i = 0; rc == PL_OK && i < pl_media_items(s->media) && s->label.n == 0; i++)
        if (pl_media_item_get(s->media, i)->kind == PL_MEDIA_LABEL)
            s->label = pl_media_item_get(s->media, i)->value;
    if (rc == PL_OK && io)
        rc = compare(s, io, err);
    if (rc != PL_OK)
        label_sidecar_done(s);
    return rc;
}

void label_sidecar_done(label_sidecar *s)
{
    pl_media_free(s->media);
    free(s->bytes);
    *s = (label_sidecar){ .fit = LABEL_SIDECAR_UNCHECKED };
}

void label_sidecar_remove(const char *file)
{
    char *path = sidecar_path(file);

    if (path)
        (void)unlink(path);
    free(path);
}
