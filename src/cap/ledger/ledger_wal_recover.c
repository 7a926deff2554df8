/* Recovery of the write-ahead log.
 *
 * First everything is read and judged; only when the result is one to go on from are
 * files changed. A log that is refused is left exactly as it was found.
 */
#include "base/banned.h"

#include "base/fault.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/str.h"
#include "cap/ledger/ledger_wal_int.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define SEGMENT_MAX (LEDGER_BATCH_MAX + (1u << 20)) /* largest file we would have made */

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

    pl_wal_segment_name(first, name);
    return pl_ledger_read(w->dir, name, SEGMENT_MAX, bytes, n, err);
}

static pl_rc frame_give(const recovery *r, const wal_frame *f, pl_error *err)
{
    pl_str rest = f->payload, entry;
    pl_rc  rc = PL_OK;

    for (uint32_t i = 0; rc == PL_OK && i < f->count; i++) {
        rc = pl_bundle_take(&rest, &entry, err);
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

/* REQ: evidence-ledger/7.1 */
static pl_rc frames_scan(recovery *r, pl_str bytes, segment_state *s, pl_error *err)
{
    wal      *w = r->w;
    wal_frame f;

    while (pl_wal_frame_parse(rest_after(bytes, s->end), &f)) {
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
    touched t = { .dirs = NULL };
    uint8_t digest[32];
    char    rel[96], hex[17];
    pl_rc   rc;

    pl_sha256_of(bytes, digest);
    pl_hex(digest, 8, hex);
    (void)snprintf(rel, sizeof(rel), "quarantine/%s.%lld.%s", name, (long long)at, hex);
    rc = pl_ledger_put(w->dir, rel, bytes, 0600, &t, err);
    if (rc == PL_OK)
        rc = pl_touched_sync(&t, err);
    pl_touched_done(&t);
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
    return e == 0 ? PL_OK : pl_wal_fail("cut", name, e, err);
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
        rc = pl_wal_segment_reserve(fd, name, w->room, err);
    if (rc == PL_OK && s->rewrite >= 0)
        rc = pl_pwrite_all(fd, bytes.p + s->rewrite, kept - (size_t)s->rewrite, s->rewrite, err);
    return rc == PL_OK ? pl_ledger_flush(fd, name, err) : rc;
}

/* Settles a segment of the valid prefix and makes it the current one. */
static pl_rc segment_keep(wal *w, const segment_state *s, pl_error *err)
{
    char   name[32], *path = NULL, *bytes = NULL;
    size_t n = 0;
    pl_rc  rc;

    pl_wal_segment_name(s->first, name);
    rc = pl_ledger_path(w->dir, name, &path, err);
    if (rc == PL_OK)
        rc = segment_read(w, s->first, &bytes, &n, err);
    if (rc == PL_OK) {
        pl_wal_close(w);
        w->segment = s->first;
        w->fd = open(path, O_RDWR | O_CLOEXEC);
        rc = w->fd >= 0 ? segment_settle(w, s, w->fd, name, (pl_str){ bytes, n }, err)
                        : pl_wal_fail("open", name, errno, err);
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

    pl_wal_segment_name(s->first, name);
    if (rc == PL_OK && s->has_waste)
        rc = quarantine(w, name, 0, (pl_str){ bytes, n }, err);
    free(bytes);
    if (rc == PL_OK)
        rc = pl_ledger_path(w->dir, name, &path, err);
    if (rc != PL_OK)
        return rc;
    e = pl_fault_point("unlink");
    if (e == 0 && unlink(path) != 0)
        e = errno;
    free(path);
    return e == 0 ? pl_fsync_dir(w->dir, err) : pl_wal_fail("remove", name, e, err);
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
    pl_rc          rc = pl_wal_segments_list(r->w->dir, &list, &count, err);

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

pl_rc pl_wal_open(wal *w, const char *dir, size_t segment_bytes, uint64_t from, uint64_t published,
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
        rc = pl_wal_segment_make(w, 0, err);
    free(s);
    if (rc != PL_OK)
        pl_wal_close(w);
    return rc;
}
