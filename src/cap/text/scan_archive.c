/* Compressed files and archives, through libarchive. Every size is bounded before the bytes
 * are made: what a packed file claims about itself is not believed. */
#include "base/banned.h"

#include "base/str.h"
#include "cap/text/scan_int.h"

#include <archive.h>
#include <archive_entry.h>

#define NAME_MAX_BYTES 4096
#define RATIO_FROM     (16u << 20)
#define CHUNK          (64u << 10)
#define TAR_MAGIC_AT   257

static bool is_zip(pl_str head)
{
    return pl_str_starts(head, PL_STR("PK\3\4")) || pl_str_starts(head, PL_STR("PK\5\6"));
}

static bool is_tar(pl_str head)
{
    return head.n >= TAR_MAGIC_AT + 5 && memcmp(head.p + TAR_MAGIC_AT, "ustar", 5) == 0;
}

bool scan_is_archive(pl_str head)
{
    return is_zip(head) || is_tar(head) || pl_str_starts(head, PL_STR("\x1f\x8b")) ||
           pl_str_starts(head, PL_STR("\x28\xb5\x2f\xfd"));
}

typedef struct unpacking {
    struct archive *a;
    pl_str          packed;
    pl_buf          text;  /* the member in the making */
    uint64_t        total; /* bytes of all members     */
    const char     *path;
    pl_error       *err;
} unpacking;

static pl_rc damaged(const unpacking *u)
{
    const char *why = archive_error_string(u->a);

    return pl_fail(u->err, PL_INVALID, "damaged or encrypted archive: %.120s", why ? why : "?");
}

static pl_rc room(const unpacking *u)
{
    if (u->text.n > SCAN_MEMBER_MAX)
        return pl_fail(u->err, PL_LIMIT, "a member unpacks to more than %u bytes", SCAN_MEMBER_MAX);
    if (u->total > SCAN_ARCHIVE_MAX)
        return pl_fail(u->err, PL_LIMIT, "the archive unpacks to more than %llu bytes",
                       SCAN_ARCHIVE_MAX);
    if (u->total > RATIO_FROM && u->total / SCAN_RATIO_MAX > u->packed.n)
        return pl_fail(u->err, PL_LIMIT, "the archive unpacks to more than %u times its size",
                       SCAN_RATIO_MAX);
    return PL_OK;
}

static pl_rc member_read(unpacking *u)
{
    char    chunk[CHUNK];
    la_ssize_t n;
    pl_rc   rc = PL_OK;

    pl_buf_clear(&u->text);
    while (rc == PL_OK && (n = archive_read_data(u->a, chunk, sizeof chunk)) != 0) {
        if (n < 0)
            return damaged(u);
        pl_buf_put(&u->text, (pl_str){ chunk, (size_t)n });
        u->total += (uint64_t)n;
        rc = room(u);
        if (rc == PL_OK && u->text.failed)
            rc = pl_fail(u->err, PL_NOMEM, "out of memory");
    }
    return rc;
}

/* A single compressed file keeps its name; members get theirs behind it. */
static void member_name(const unpacking *u, struct archive_entry *e, char out[NAME_MAX_BYTES])
{
    const char *name = archive_entry_pathname(e);

    if (archive_format(u->a) == ARCHIVE_FORMAT_RAW)
        (void)snprintf(out, NAME_MAX_BYTES, "%s", u->path);
    else
        (void)snprintf(out, NAME_MAX_BYTES, "%s!/%s", u->path, name ? name : "?");
}

static pl_rc members_each(unpacking *u, scan_member_fn fn, void *ctx)
{
    char                  name[NAME_MAX_BYTES];
    struct archive_entry *e;
    unsigned              members = 0;
    pl_rc                 rc = PL_OK;
    int                   got;

    while (rc == PL_OK && (got = archive_read_next_header(u->a, &e)) != ARCHIVE_EOF) {
        if (got < ARCHIVE_WARN)
            return damaged(u);
        if (++members > SCAN_MEMBERS_MAX)
            return pl_fail(u->err, PL_LIMIT, "the archive has more than %u members",
                           SCAN_MEMBERS_MAX);
        if (archive_entry_filetype(e) != AE_IFREG && archive_format(u->a) != ARCHIVE_FORMAT_RAW)
            continue;
        rc = member_read(u);
        if (rc != PL_OK)
            break;
        member_name(u, e, name);
        if (fn(ctx, name, pl_buf_str(&u->text)) != 0)
            break;
    }
    return rc;
}

/* --- opening ------------------------------------------------------------------------------ */

static struct archive *open_as(pl_str packed, int (*format)(struct archive *))
{
    struct archive *a = archive_read_new();

    if (!a)
        return NULL;
    (void)archive_read_support_filter_gzip(a);
    (void)archive_read_support_filter_zstd(a);
    (void)format(a);
    (void)archive_read_support_format_empty(a);
    (void)archive_read_open_memory(a, packed.p, packed.n); /* a failure shows at the first read */
    return a;
}

/* What is inside tells the format. libarchive's own guess would take 512 zero bytes for a tar
 * without members. */
static bool unpacks_to_tar(pl_str packed)
{
    struct archive       *a = open_as(packed, archive_read_support_format_raw);
    struct archive_entry *e;
    char                  head[512];
    la_ssize_t            n = 0;

    if (a && archive_read_next_header(a, &e) == ARCHIVE_OK)
        n = archive_read_data(a, head, sizeof head);
    if (a)
        (void)archive_read_free(a);
    return n > 0 && is_tar((pl_str){ head, (size_t)n });
}

pl_rc scan_archive_each(const char *path, pl_str packed, scan_member_fn fn, void *ctx,
                        pl_error *err)
{
    unpacking u = { .packed = packed, .path = path, .err = err,
                    .text = PL_BUF_INIT(SCAN_MEMBER_MAX + CHUNK) };
    pl_rc     rc;

    if (is_zip(packed))
        u.a = open_as(packed, archive_read_support_format_zip);
    else if (is_tar(packed) || unpacks_to_tar(packed))
        u.a = open_as(packed, archive_read_support_format_tar);
    else
        u.a = open_as(packed, archive_read_support_format_raw);
    if (!u.a)
        return pl_fail(err, PL_NOMEM, "out of memory");
    rc = members_each(&u, fn, ctx);
    (void)archive_read_free(u.a);
    pl_buf_done(&u.text);
    return rc;
}
