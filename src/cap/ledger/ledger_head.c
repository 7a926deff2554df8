/* Two slots of 512 bytes, written in turn: a torn write spoils the older one only. */
#include "base/banned.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/str.h"
#include "base/fault.h"
#include "cap/ledger/ledger_int.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define SLOT_BYTES  512
#define SLOT_DIGEST (SLOT_BYTES - 32)
#define SLOT_MAGIC  "PLHD"
#define SLOT_NOTE   66 /* offset of the note, after its length */

_Static_assert(SLOT_NOTE + LEDGER_SLOT_NOTE <= SLOT_DIGEST, "the note must fit the slot");

static void put_be(uint8_t *p, uint64_t v, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        p[i] = (uint8_t)(v >> (8 * (n - 1 - i)));
}

static uint64_t get_be(const uint8_t *p, unsigned n)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < n; i++)
        v = v << 8 | p[i];
    return v;
}

/* Bytes of a note up to the end of its first signature line. */
static size_t first_line_end(const head_record *r)
{
    const char *sigs = strstr(r->note, "\n\n");
    const char *end = sigs != NULL ? strchr(sigs + 2, '\n') : NULL;

    return end != NULL ? (size_t)(end - r->note) + 1 : r->note_n;
}

static void slot_format(const head_record *r, uint8_t slot[SLOT_BYTES])
{
    size_t n = first_line_end(r);

    memset(slot, 0, SLOT_BYTES);
    memcpy(slot, SLOT_MAGIC, 4);
    put_be(slot + 4, 1, 4);
    put_be(slot + 8, r->sequence, 8);
    put_be(slot + 16, r->size, 8);
    memcpy(slot + 24, r->root.b, 32);
    put_be(slot + 56, r->generation, 8);
    put_be(slot + 64, n, 2);
    memcpy(slot + SLOT_NOTE, r->note, n);
    pl_sha256_of((pl_str){ (const char *)slot, SLOT_DIGEST }, slot + SLOT_DIGEST);
}

static bool slot_parse(const uint8_t slot[SLOT_BYTES], head_record *r)
{
    uint8_t digest[32];
    size_t  n = (size_t)get_be(slot + 64, 2);

    pl_sha256_of((pl_str){ (const char *)slot, SLOT_DIGEST }, digest);
    if (memcmp(digest, slot + SLOT_DIGEST, sizeof(digest)) != 0 ||
        memcmp(slot, SLOT_MAGIC, 4) != 0 || get_be(slot + 4, 4) != 1 || n > LEDGER_SLOT_NOTE)
        return false;
    r->sequence = get_be(slot + 8, 8);
    r->size = get_be(slot + 16, 8);
    memcpy(r->root.b, slot + 24, 32);
    r->generation = get_be(slot + 56, 8);
    r->note_n = n;
    memcpy(r->note, slot + SLOT_NOTE, n);
    r->note[n] = '\0';
    return true;
}

static pl_rc slots_read(int fd, uint8_t slot[2][SLOT_BYTES], pl_error *err)
{
    ssize_t n;

    memset(slot, 0, 2 * SLOT_BYTES);
    do
        n = pread(fd, slot, 2 * SLOT_BYTES, 0);
    while (n < 0 && errno == EINTR);
    return n < 0 ? pl_fail(err, PL_IO, "cannot read 'head': %s", strerrordesc_np(errno)) : PL_OK;
}

pl_rc pl_head_read(int fd, head_record *out, pl_error *err)
{
    uint8_t     slot[2][SLOT_BYTES];
    head_record r[2];
    bool        ok[2];
    pl_rc       rc = slots_read(fd, slot, err);

    if (rc != PL_OK)
        return rc;
    for (int i = 0; i < 2; i++)
        ok[i] = slot_parse(slot[i], &r[i]);
    if (!ok[0] && !ok[1])
        return pl_fail(err, PL_INVALID, "file 'head' has no valid record");
    *out = r[ok[1] && (!ok[0] || r[1].sequence > r[0].sequence)];
    return PL_OK;
}

pl_rc pl_head_damage(int fd, unsigned *slots, pl_error *err)
{
    static const uint8_t unused[SLOT_BYTES];
    uint8_t              slot[2][SLOT_BYTES];
    unsigned             bad = 0;
    pl_rc                rc = slots_read(fd, slot, err);

    if (rc != PL_OK)
        return rc;
    for (unsigned i = 0; i < 2; i++) {
        head_record r;

        if (memcmp(slot[i], unused, SLOT_BYTES) != 0 && !slot_parse(slot[i], &r))
            bad |= 1u << i;
    }
    *slots = bad;
    return PL_OK;
}

pl_rc pl_head_write(int fd, head_record *r, pl_error *err)
{
    uint8_t     slot[SLOT_BYTES];
    head_record next = *r;
    pl_rc       rc;

    if (first_line_end(r) > LEDGER_SLOT_NOTE)
        return pl_fail(err, PL_LIMIT, "checkpoint note is longer than %d bytes", LEDGER_SLOT_NOTE);
    next.sequence++;
    slot_format(&next, slot);
    rc = pl_pwrite_all(fd, slot, sizeof(slot), (off_t)(next.sequence % 2) * SLOT_BYTES, err);
    if (rc == PL_OK)
        rc = pl_ledger_flush(fd, "head", err);
    if (rc == PL_OK)
        *r = next;
    return rc;
}

pl_rc pl_head_open(const char *dir, bool create, int *fd, pl_error *err)
{
    char *path = NULL;
    pl_rc rc = pl_ledger_path(dir, "head", &path, err);
    int   f, e;

    if (rc != PL_OK)
        return rc;
    e = create ? pl_fault_point("open") : 0;
    f = e == 0 ? open(path, O_RDWR | O_CLOEXEC | (create ? O_CREAT | O_EXCL : 0), 0600) : -1;
    if (e != 0)
        errno = e;
    if (f < 0)
        rc = pl_fail(err, errno == ENOENT ? PL_NOTFOUND : PL_IO, "cannot open '%s': %s", path,
                     strerrordesc_np(errno));
    else
        *fd = f;
    free(path);
    return rc;
}
