/* The write-ahead log: what makes an append durable before it is published.
 *
 * A segment "wal-<first index, 16 hex digits>" is a run of frames, each padded to a page.
 * A frame is accepted only whole, in sequence and linked to the one before it, so the
 * valid frames of a log are always a prefix of what was written.
 */
#include "base/banned.h"

#include "base/fault.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/str.h"
#include "cap/ledger/ledger_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define FRAME_MAGIC  "PLW1"
#define FRAME_HEADER 56
#define FRAME_DIGEST 32
#define FRAME_ALIGN  4096
#define SEGMENT_MAX  (LEDGER_BATCH_MAX + (1u << 20)) /* largest file we would have made */

static uint8_t *put_be(uint8_t *p, uint64_t v, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        p[i] = (uint8_t)(v >> (8 * (n - 1 - i)));
    return p + n;
}

static uint64_t get_be(const char *p, unsigned n)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < n; i++)
        v = v << 8 | (uint8_t)p[i];
    return v;
}

/* --- frames ----------------------------------------------------------------------------- */

typedef struct frame {
    uint64_t first;
    uint32_t count;
    pl_str   payload;
    pl_hash  prev, link;
    size_t   size; /* padded */
} frame;

static size_t frame_size(size_t payload)
{
    size_t n = FRAME_HEADER + payload + FRAME_DIGEST;

    return (n + FRAME_ALIGN - 1) / FRAME_ALIGN * FRAME_ALIGN;
}

static pl_hash frame_link(const char *header, const char *digest)
{
    pl_sha256 s;
    pl_hash   h;

    pl_sha256_init(&s);
    pl_sha256_update(&s, header, FRAME_HEADER);
    pl_sha256_update(&s, digest, FRAME_DIGEST);
    pl_sha256_final(&s, h.b);
    return h;
}

/* Whether the payload is exactly `count` entries. */
static bool payload_holds(pl_str payload, uint32_t count)
{
    pl_str entry;

    for (; count > 0; count--)
        if (bundle_take(&payload, &entry, NULL) != PL_OK || entry.n == 0)
            return false;
    return payload.n == 0;
}

static bool frame_parse(pl_str at, frame *f)
{
    uint8_t digest[FRAME_DIGEST];
    size_t  n, body;

    if (at.n < FRAME_HEADER + FRAME_DIGEST || memcmp(at.p, FRAME_MAGIC, 4) != 0 ||
        get_be(at.p + 4, 4) != 1)
        return false;
    n = (size_t)get_be(at.p + 20, 4);
    body = FRAME_HEADER + n;
    if (n > LEDGER_BATCH_MAX || at.n < body + FRAME_DIGEST)
        return false;
    pl_sha256_of((pl_str){ at.p, body }, digest);
    if (memcmp(digest, at.p + body, FRAME_DIGEST) != 0)
        return false;
    f->first = get_be(at.p + 8, 8);
    f->count = (uint32_t)get_be(at.p + 16, 4);
    memcpy(f->prev.b, at.p + 24, 32);
    f->payload = (pl_str){ at.p + FRAME_HEADER, n };
    f->link = frame_link(at.p, at.p + body);
    f->size = frame_size(n);
    return f->count > 0 && payload_holds(f->payload, f->count);
}

/* malloc'd, frame_size(payload.n) bytes. */
static uint8_t *frame_format(const wal *w, uint32_t count, pl_str payload)
{
    uint8_t *b = calloc(1, frame_size(payload.n)), *p = b;

    if (b == NULL)
        return NULL;
    memcpy(p, FRAME_MAGIC, 4);
    p = put_be(p + 4, 1, 4);
    p = put_be(p, w->next, 8);
    p = put_be(p, count, 4);
    p = put_be(p, payload.n, 4);
    memcpy(p, w->link.b, 32);
    memcpy(p + 32, payload.p, payload.n);
    pl_sha256_of((pl_str){ (const char *)b, FRAME_HEADER + payload.n }, p + 32 + payload.n);
    return b;
}

/* --- segment files ------------------------------------------------------------------------ */

static void segment_name(uint64_t first, char out[32])
{
    (void)snprintf(out, 32, "wal-%016llx", (unsigned long long)first);
}

static bool segment_parse(const char *name, uint64_t *first)
{
    uint8_t b[8];

    if (strncmp(name, "wal-", 4) != 0 ||
        pl_hex_decode(pl_str_z(name + 4), b, sizeof(b), NULL) != PL_OK)
        return false;
    *first = get_be((const char *)b, 8);
    return true;
}

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* Indexes the segments start with, ascending; malloc'd. */
static pl_rc segments_list(const char *dir, uint64_t **out, size_t *n, pl_error *err)
{
    DIR           *d = opendir(dir);
    uint64_t      *list = NULL, first;
    size_t         count = 0;
    struct dirent *e;

    if (d == NULL)
        return pl_fail(err, PL_IO, "cannot list '%s': %s", dir, strerrordesc_np(errno));
    while ((e = readdir(d)) != NULL) {
        uint64_t *more;

        if (!segment_parse(e->d_name, &first))
            continue;
        more = realloc(list, (count + 1) * sizeof(*list));
        if (more == NULL) {
            free(list);
            (void)closedir(d);
            return pl_fail(err, PL_NOMEM, "out of memory");
        }
        list = more;
        list[count++] = first;
    }
    (void)closedir(d);
    if (count > 0)
        qsort(list, count, sizeof(*list), compare_u64);
    *out = list;
    *n = count;
    return PL_OK;
}

static pl_rc sys_fail(const char *doing, const char *name, int e, pl_error *err)
{
    return pl_fail(err, e == ENOSPC || e == EDQUOT ? PL_LIMIT : PL_IO, "cannot %s '%s': %s", doing,
                   name, strerrordesc_np(e));
}

static pl_rc segment_reserve(int fd, const char *name, off_t room, pl_error *err)
{
    int e = pl_fault_point("fallocate");

    if (e == 0)
        e = posix_fallocate(fd, 0, room);
    return e == 0 ? PL_OK : sys_fail("reserve", name, e, err);
}

/* Opens the file of a new segment. One of that name can only be empty or left over from
 * before a recovery, so its content is dropped. */
static pl_rc segment_create(const wal *w, const char *name, bool *is_new, int *fd, pl_error *err)
{
    char *path = NULL;
    pl_rc rc = ledger_path(w->dir, name, &path, err);
    int   e, f;

    if (rc != PL_OK)
        return rc;
    *is_new = access(path, F_OK) != 0;
    e = pl_fault_point("open");
    f = e == 0 ? open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
    if (f < 0)
        rc = sys_fail("create", name, e != 0 ? e : errno, err);
    else
        *fd = f;
    free(path);
    return rc;
}

static void segment_drop(const wal *w, const char *name)
{
    char *path = pl_path_join(w->dir, name);

    if (path != NULL)
        (void)unlink(path);
    free(path);
}

/* Makes the segment for the next entry and switches to it. PL_LIMIT: nothing changed. */
static pl_rc segment_make(wal *w, size_t at_least, pl_error *err)
{
    off_t room = (off_t)(at_least > w->segment_bytes ? at_least : w->segment_bytes);
    bool  is_new = false;
    char  name[32];
    int   fd = -1;
    pl_rc rc;

    segment_name(w->next, name);
    rc = segment_create(w, name, &is_new, &fd, err);
    if (rc != PL_OK)
        return rc;
    rc = segment_reserve(fd, name, room, err);
    if (rc == PL_LIMIT && is_new)
        segment_drop(w, name);
    if (rc == PL_OK)
        rc = ledger_flush(fd, name, err);
    if (rc == PL_OK && pl_fsync_dir(w->dir, err) != PL_OK)
        rc = PL_IO;
    if (rc != PL_OK) {
        (void)close(fd);
        return rc;
    }
    if (w->fd >= 0)
        (void)close(w->fd);
    w->fd = fd;
    w->segment = w->next;
    w->end = 0;
    w->room = room;
    return PL_OK;
}

pl_rc wal_append(wal *w, uint32_t count, pl_str payload, pl_error *err)
{
    size_t   size = frame_size(payload.n);
    uint8_t *bytes;
    char     name[32];
    pl_rc    rc = PL_OK;

    if (w->end + (off_t)size > w->room)
        rc = segment_make(w, size, err);
    if (rc != PL_OK)
        return rc;
    bytes = frame_format(w, count, payload);
    if (bytes == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    segment_name(w->segment, name);
    rc = pl_pwrite_all(w->fd, bytes, size, w->end, err);
    if (rc == PL_OK)
        rc = ledger_flush(w->fd, name, err);
    if (rc == PL_OK) {
        w->link = frame_link((const char *)bytes,
                             (const char *)bytes + FRAME_HEADER + payload.n);
        w->end += (off_t)size;
        w->next += count;
    } else {
        rc = PL_IO; /* how much of the frame is in the file is unknown */
    }
    free(bytes);
    return rc;
}

void wal_trim(const char *dir, uint64_t index)
{
    uint64_t *list = NULL;
    size_t    n = 0;

    if (segments_list(dir, &list, &n, NULL) != PL_OK)
        return;
    for (size_t i = 0; i + 1 < n && list[i + 1] <= index; i++) {
        char  name[32];
        char *path;

        segment_name(list[i], name);
        path = pl_path_join(dir, name);
        if (path != NULL && pl_fault_point("unlink") == 0)
            (void)unlink(path);
        free(path);
    }
    free(list);
}

void wal_close(wal *w)
{
    if (w->fd >= 0)
        (void)close(w->fd);
    w->fd = -1;
}

/* --- recovery -------------------------------------------------------------------------------
 *
 * First everything is read and judged; only when the result is one to go on from are
 * files changed. A log that is refused is left exactly as it was found.
 */

typedef struct segment_state {
    uint64_t first;
    bool     is_kept;   /* continues the valid prefix                */
    bool     has_waste; /* something other than zeros behind `end`   */
    off_t    end;       /* of the valid frames                       */
    off_t    rewrite;   /* start of the frames to flush again, or -1 */
} segment_state;

typedef struct recovery {
    wal         *w;
    uint64_t     from, published;
    wal_entry_fn fn;
    void        *ctx;
    bool         is_linked; /* w->link is known            */
    bool         is_over;   /* the valid prefix has ended  */
} recovery;

static bool all_zero(pl_str s)
{
    return s.n == 0 || (s.p[0] == 0 && memcmp(s.p, s.p + 1, s.n - 1) == 0);
}

static pl_rc segment_read(const wal *w, uint64_t first, char **bytes, size_t *n, pl_error *err)
{
    char name[32];

    segment_name(first, name);
    return ledger_read(w->dir, name, SEGMENT_MAX, bytes, n, err);
}

static pl_rc frame_give(const recovery *r, const frame *f, pl_error *err)
{
    pl_str rest = f->payload, entry;
    pl_rc  rc = PL_OK;

    for (uint32_t i = 0; rc == PL_OK && i < f->count; i++) {
        rc = bundle_take(&rest, &entry, err);
        if (rc == PL_OK && f->first + i >= r->from)
            rc = r->fn(r->ctx, f->first + i, entry, err);
    }
    return rc;
}

/* A file may end inside the padding of its last frame. */
static pl_str rest_after(pl_str bytes, off_t end)
{
    size_t at = (size_t)end < bytes.n ? (size_t)end : bytes.n;

    return (pl_str){ bytes.p + at, bytes.n - at };
}

static pl_rc frames_scan(recovery *r, pl_str bytes, segment_state *s, pl_error *err)
{
    wal  *w = r->w;
    frame f;

    while (frame_parse(rest_after(bytes, s->end), &f)) {
        pl_rc rc;

        if (f.first != w->next || (r->is_linked && !pl_hash_equal(&f.prev, &w->link)))
            break;
        rc = frame_give(r, &f, err);
        if (rc != PL_OK)
            return rc;
        if (s->rewrite < 0 && f.first + f.count > r->published)
            s->rewrite = s->end;
        s->end += (off_t)f.size;
        w->next += f.count;
        w->link = f.link;
        r->is_linked = true;
    }
    s->has_waste = !all_zero(rest_after(bytes, s->end));
    return PL_OK;
}

static pl_rc segment_scan(recovery *r, segment_state *s, pl_error *err)
{
    char  *bytes = NULL;
    size_t n = 0;
    pl_rc  rc = segment_read(r->w, s->first, &bytes, &n, err);

    if (rc != PL_OK)
        return rc;
    s->rewrite = -1;
    s->is_kept = !r->is_over && s->first == r->w->next;
    if (s->is_kept)
        rc = frames_scan(r, (pl_str){ bytes, n }, s, err);
    else
        s->has_waste = !all_zero((pl_str){ bytes, n });
    if (s->has_waste || !s->is_kept)
        r->is_over = true;
    free(bytes);
    return rc;
}

/* Keeps bytes that are about to be cut off. Their digest is in the name, so that trying
 * again after a crash writes the same file. */
static pl_rc quarantine(const wal *w, const char *name, off_t at, pl_str bytes, pl_error *err)
{
    touched t = { NULL, 0 };
    uint8_t digest[32];
    char    rel[96], hex[17];
    pl_rc   rc;

    pl_sha256_of(bytes, digest);
    pl_hex(digest, 8, hex);
    (void)snprintf(rel, sizeof(rel), "quarantine/%s.%lld.%s", name, (long long)at, hex);
    rc = ledger_put(w->dir, rel, bytes, 0600, &t, err);
    if (rc == PL_OK)
        rc = touched_sync(&t, err);
    touched_done(&t);
    return rc;
}

static pl_rc segment_cut(const wal *w, const segment_state *s, int fd, const char *name,
                         pl_str bytes, pl_error *err)
{
    pl_rc rc = quarantine(w, name, s->end, rest_after(bytes, s->end), err);
    int   e;

    if (rc != PL_OK)
        return rc;
    e = pl_fault_point("ftruncate");
    if (e == 0 && ftruncate(fd, s->end) != 0)
        e = errno;
    return e == 0 ? PL_OK : sys_fail("cut", name, e, err);
}

/* Leaves a segment with its valid frames, then zeros, all of it on the disk. After a
 * failed flush the page cache may show bytes that the disk does not have: writing the same
 * bytes again makes them dirty, so that this flush speaks for the disk. */
static pl_rc segment_settle(wal *w, const segment_state *s, int fd, const char *name, pl_str bytes,
                            pl_error *err)
{
    size_t kept = bytes.n - rest_after(bytes, s->end).n;
    pl_rc  rc = s->has_waste ? segment_cut(w, s, fd, name, bytes, err) : PL_OK;

    w->end = s->end;
    w->room = (off_t)(bytes.n > w->segment_bytes ? bytes.n : w->segment_bytes);
    if (w->room < w->end)
        w->room = w->end;
    if (rc == PL_OK)
        rc = segment_reserve(fd, name, w->room, err);
    if (rc == PL_OK && s->rewrite >= 0)
        rc = pl_pwrite_all(fd, bytes.p + s->rewrite, kept - (size_t)s->rewrite, s->rewrite, err);
    return rc == PL_OK ? ledger_flush(fd, name, err) : rc;
}

/* Settles a segment of the valid prefix and makes it the current one. */
static pl_rc segment_keep(wal *w, const segment_state *s, pl_error *err)
{
    char   name[32], *path = NULL, *bytes = NULL;
    size_t n = 0;
    pl_rc  rc;

    segment_name(s->first, name);
    rc = ledger_path(w->dir, name, &path, err);
    if (rc == PL_OK)
        rc = segment_read(w, s->first, &bytes, &n, err);
    if (rc == PL_OK) {
        wal_close(w);
        w->segment = s->first;
        w->fd = open(path, O_RDWR | O_CLOEXEC);
        rc = w->fd >= 0 ? segment_settle(w, s, w->fd, name, (pl_str){ bytes, n }, err)
                        : sys_fail("open", name, errno, err);
    }
    free(bytes);
    free(path);
    return rc;
}

/* Moves a segment that does not continue the valid prefix out of the way. */
static pl_rc segment_set_aside(const wal *w, const segment_state *s, pl_error *err)
{
    char   name[32], *path = NULL, *bytes = NULL;
    size_t n = 0;
    int    e;
    pl_rc  rc = segment_read(w, s->first, &bytes, &n, err);

    segment_name(s->first, name);
    if (rc == PL_OK && s->has_waste)
        rc = quarantine(w, name, 0, (pl_str){ bytes, n }, err);
    free(bytes);
    if (rc == PL_OK)
        rc = ledger_path(w->dir, name, &path, err);
    if (rc != PL_OK)
        return rc;
    e = pl_fault_point("unlink");
    if (e == 0 && unlink(path) != 0)
        e = errno;
    free(path);
    return e == 0 ? pl_fsync_dir(w->dir, err) : sys_fail("remove", name, e, err);
}

static pl_rc recovered_check(const recovery *r, pl_error *err)
{
    if (r->w->next >= r->published)
        return PL_OK;
    return pl_fail(err, PL_INVALID,
                   "published checkpoint covers %llu entries but the write-ahead log ends at %llu: "
                   "restore its missing files; until then the log can only be read",
                   (unsigned long long)r->published, (unsigned long long)r->w->next);
}

static pl_rc segments_recover(recovery *r, segment_state *s, size_t n, pl_error *err)
{
    wal  *w = r->w;
    pl_rc rc = PL_OK;

    w->next = s[0].first;
    r->is_linked = w->next == 0; /* the first frame of all is linked to zeros */
    if (w->next > r->published)
        return pl_fail(err, PL_INVALID, "entries %llu to %llu are missing from the write-ahead log",
                       (unsigned long long)r->published, (unsigned long long)w->next - 1);
    for (size_t i = 0; rc == PL_OK && i < n; i++)
        rc = segment_scan(r, &s[i], err);
    if (rc == PL_OK)
        rc = recovered_check(r, err);
    /* From the last to the first: a crash in between leaves the valid prefix as it is. */
    for (size_t i = n; rc == PL_OK && i-- > 0;)
        if (!s[i].is_kept)
            rc = segment_set_aside(w, &s[i], err);
    for (size_t i = 0; rc == PL_OK && i < n; i++)
        if (s[i].is_kept)
            rc = segment_keep(w, &s[i], err);
    return rc;
}

/* The segments that matter: those that end at or before `from` are in full bundles. */
static pl_rc states_list(const recovery *r, segment_state **out, size_t *n, pl_error *err)
{
    uint64_t      *list = NULL;
    segment_state *s = NULL;
    size_t         count = 0, skip = 0;
    pl_rc          rc = segments_list(r->w->dir, &list, &count, err);

    if (rc != PL_OK)
        return rc;
    while (skip + 1 < count && list[skip + 1] <= r->from)
        skip++;
    s = calloc(count - skip + 1, sizeof(*s));
    for (size_t i = skip; s != NULL && i < count; i++)
        s[i - skip].first = list[i];
    free(list);
    if (s == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    *out = s;
    *n = count - skip;
    return PL_OK;
}

pl_rc wal_open(wal *w, const char *dir, size_t segment_bytes, uint64_t from, uint64_t published,
               wal_entry_fn fn, void *ctx, pl_error *err)
{
    recovery       r = { .w = w, .from = from, .published = published, .fn = fn, .ctx = ctx };
    segment_state *s = NULL;
    size_t         n = 0;
    pl_rc          rc;

    *w = (wal){ .dir = dir, .segment_bytes = segment_bytes, .fd = -1 };
    rc = states_list(&r, &s, &n, err);
    if (rc != PL_OK)
        return rc;
    if (n > 0)
        rc = segments_recover(&r, s, n, err);
    else if (published > 0)
        rc = pl_fail(err, PL_INVALID,
                     "write-ahead log is missing: entries acknowledged after the %llu published "
                     "ones may be lost",
                     (unsigned long long)published);
    else
        rc = segment_make(w, 0, err);
    free(s);
    if (rc != PL_OK)
        wal_close(w);
    return rc;
}
