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
#include "cap/ledger/ledger_wal_int.h"
#include "engine/log/merkle_many.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define FRAME_MAGIC  "PLW1"
#define FRAME_HEADER 56
#define FRAME_DIGEST 32
#define FRAME_ALIGN  4096
#define FRAME_KEPT   (4u << 20)

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

/* --- frames ---------------------------------------------------------------------------- */

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
        if (pl_bundle_take(&payload, &entry, NULL) != PL_OK || entry.n == 0)
            return false;
    return payload.n == 0;
}

bool pl_wal_frame_parse(pl_str at, wal_frame *f)
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

/* Room for a frame, kept for the next one unless it is large. */
static pl_rc frame_reserve(wal *w, size_t size, pl_error *err)
{
    if (size <= w->frame_cap)
        return PL_OK;
    free(w->frame);
    w->frame = malloc(size);
    w->frame_cap = w->frame != NULL ? size : 0;
    return w->frame != NULL ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");
}

static void frame_release(wal *w)
{
    if (w->frame_cap <= FRAME_KEPT)
        return;
    free(w->frame);
    w->frame = NULL;
    w->frame_cap = 0;
}

static void frame_format(const wal *w, uint32_t count, pl_str payload)
{
    uint8_t *b = w->frame, *p = b;

    memcpy(p, FRAME_MAGIC, 4);
    p = put_be(p + 4, 1, 4);
    p = put_be(p, w->next, 8);
    p = put_be(p, count, 4);
    p = put_be(p, payload.n, 4);
    memcpy(p, w->link.b, 32);
    memcpy(p + 32, payload.p, payload.n);
    p += 32 + payload.n;
    pl_sha256_of((pl_str){ (const char *)b, FRAME_HEADER + payload.n }, p);
    p += FRAME_DIGEST;
    memset(p, 0, frame_size(payload.n) - (size_t)(p - b));
}

/* Whether the entries still have the hashes they came with. */
static pl_rc leaves_check(pl_str payload, uint32_t count, const pl_hash *leaf, pl_error *err)
{
    while (leaf != NULL && count > 0) {
        pl_str   entry[PL_TILE_WIDTH];
        pl_hash  h[PL_TILE_WIDTH];
        uint32_t n = count < PL_TILE_WIDTH ? count : PL_TILE_WIDTH;

        for (uint32_t i = 0; i < n; i++)
            if (pl_bundle_take(&payload, &entry[i], NULL) != PL_OK)
                return pl_fail(err, PL_IO, "an entry changed in memory: it was not accepted");
        pl_merkle_leaves(entry, n, h);
        if (memcmp(h, leaf, n * sizeof(*h)) != 0)
            return pl_fail(err, PL_IO, "an entry changed in memory: it was not accepted");
        leaf += n;
        count -= n;
    }
    return PL_OK;
}

/* Writes the frame and looks at what is in the file then: what is signed one day must be
 * what was received. */
static pl_rc frame_write(wal *w, uint32_t count, size_t payload, const pl_hash *leaf, pl_error *err)
{
    const size_t size = frame_size(payload);
    pl_rc        rc = leaves_check((pl_str){ (const char *)w->frame + FRAME_HEADER, payload },
                                   count, leaf, err);

    pl_fault_buffer("frame", w->frame + FRAME_HEADER, payload);
    if (rc == PL_OK)
        rc = pl_pwrite_all(w->fd, w->frame, size, w->end, err);
    if (rc != PL_OK || leaf == NULL)
        return rc;
    if (pread(w->fd, w->frame, size, w->end) != (ssize_t)size)
        return pl_fail(err, PL_IO, "cannot read back what was written: %s",
                       strerrordesc_np(errno));
    return leaves_check((pl_str){ (const char *)w->frame + FRAME_HEADER, payload }, count, leaf,
                        err);
}

/* --- segment files --------------------------------------------------------------------- */

void pl_wal_segment_name(uint64_t first, char out[32])
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

pl_rc pl_wal_segments_list(const char *dir, uint64_t **out, size_t *n, pl_error *err)
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

pl_rc pl_wal_fail(const char *doing, const char *name, int e, pl_error *err)
{
    return pl_fail(err, pl_ledger_rc(e), "cannot %s '%s': %s", doing,
                   name, strerrordesc_np(e));
}

pl_rc pl_wal_segment_reserve(int fd, const char *name, off_t room, pl_error *err)
{
    int e = pl_fault_point("fallocate");

    if (e == 0)
        e = posix_fallocate(fd, 0, room);
    return e == 0 ? PL_OK : pl_wal_fail("reserve", name, e, err);
}

/* Opens the file of a new segment. One of that name can only be empty or left over from
 * before a recovery, so its content is dropped. */
static pl_rc segment_create(const wal *w, const char *name, bool *is_new, int *fd, pl_error *err)
{
    char *path = NULL;
    pl_rc rc = pl_ledger_path(w->dir, name, &path, err);
    int   e, f;

    if (rc != PL_OK)
        return rc;
    *is_new = access(path, F_OK) != 0;
    e = pl_fault_point("open");
    f = e == 0 ? open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
    if (f < 0)
        rc = pl_wal_fail("create", name, e != 0 ? e : errno, err);
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

static pl_rc segment_new(const wal *w, const char *name, off_t room, int *out, pl_error *err)
{
    bool  is_new = false;
    int   fd = -1;
    pl_rc rc = segment_create(w, name, &is_new, &fd, err);

    if (rc != PL_OK)
        return rc;
    rc = pl_wal_segment_reserve(fd, name, room, err);
    if (rc == PL_FULL && is_new)
        segment_drop(w, name);
    if (rc == PL_OK)
        rc = pl_ledger_flush(fd, name, err);
    if (rc == PL_OK)
        *out = fd;
    else
        (void)close(fd);
    return rc;
}

pl_rc pl_wal_segment_make(wal *w, size_t at_least, pl_error *err)
{
    off_t room = (off_t)(at_least > w->segment_bytes ? at_least : w->segment_bytes);
    char  name[32];
    int   fd = -1;
    pl_rc rc;

    rc = pl_wal_room_check(w, (size_t)room, err);
    if (rc != PL_OK)
        return rc;
    pl_wal_segment_name(w->next, name);
    if (at_least <= w->segment_bytes && w->fd >= 0)
        fd = pl_wal_spare_take(w->dir, name);
    if (fd < 0)
        rc = segment_new(w, name, room, &fd, err);
    if (rc == PL_OK && pl_fsync_dir(w->dir, err) != PL_OK)
        rc = PL_IO;
    if (rc != PL_OK) {
        if (fd >= 0)
            (void)close(fd);
        return rc;
    }
    if (w->fd >= 0)
        (void)close(w->fd);
    atomic_fetch_add(&w->made, w->fd >= 0);
    w->fd = fd;
    w->segment = w->next;
    w->end = 0;
    w->room = room;
    return PL_OK;
}

pl_rc pl_wal_append(wal *w, uint32_t count, pl_str payload, const pl_hash *leaf, pl_error *err)
{
    size_t  size = frame_size(payload.n);
    pl_hash link;
    char    name[32];
    pl_rc   rc = PL_OK;

    if (w->end + (off_t)size > w->room)
        rc = pl_wal_segment_make(w, size, err);
    if (rc != PL_OK)
        return rc;
    rc = frame_reserve(w, size, err);
    if (rc != PL_OK)
        return rc;
    frame_format(w, count, payload);
    link = frame_link((const char *)w->frame, (const char *)w->frame + FRAME_HEADER + payload.n);
    pl_wal_segment_name(w->segment, name);
    rc = frame_write(w, count, payload.n, leaf, err);
    if (rc == PL_OK)
        rc = pl_ledger_flush(w->fd, name, err);
    frame_release(w);
    if (rc != PL_OK)
        return PL_IO; /* how much of the frame is in the file is unknown */
    w->link = link;
    w->end += (off_t)size;
    w->next += count;
    return PL_OK;
}

void pl_wal_trim(const char *dir, uint64_t index)
{
    uint64_t *list = NULL;
    size_t    n = 0;

    if (pl_wal_segments_list(dir, &list, &n, NULL) != PL_OK)
        return;
    for (size_t i = 0; i + 1 < n && list[i + 1] <= index; i++) {
        char  name[32];
        char *path;

        pl_wal_segment_name(list[i], name);
        path = pl_path_join(dir, name);
        if (path != NULL && pl_fault_point("unlink") == 0)
            (void)unlink(path);
        free(path);
    }
    free(list);
}

void pl_wal_close(wal *w)
{
    if (w->fd >= 0)
        (void)close(w->fd);
    w->fd = -1;
    free(w->frame);
    w->frame = NULL;
    w->frame_cap = 0;
}
