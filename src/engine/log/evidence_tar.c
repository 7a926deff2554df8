/* POSIX ustar (IEEE 1003.1 pax, "ustar Interchange Format"), the part that plain files need.
 * One spelling for given members, so a package is what it was or it is refused. */
#include "base/banned.h"

#include "base/str.h"
#include "engine/log/evidence_int.h"

#define BLOCK    512u
#define SIZE_AT  124
#define SUM_AT   148
#define TYPE_AT  156
#define MAGIC_AT 257
#define MTIME_AT 136

static size_t padded(size_t n)
{
    return (n + BLOCK - 1) & ~(size_t)(BLOCK - 1);
}

/* --- writing ------------------------------------------------------------------------ */

static unsigned checksum(const uint8_t h[BLOCK])
{
    unsigned sum = 0;

    for (unsigned i = 0; i < BLOCK; i++)
        sum += i >= SUM_AT && i < SUM_AT + 8 ? ' ' : h[i];
    return sum;
}

/* Fixed owner, mode and time: the archive says nothing about who packed it. */
static void header_make(uint8_t h[BLOCK], pl_str name, size_t size)
{
    memset(h, 0, BLOCK);
    memcpy(h, name.p, name.n);
    (void)snprintf((char *)h + 100, 8, "%07o", 0644);
    (void)snprintf((char *)h + 108, 8, "%07o", 0);
    (void)snprintf((char *)h + 116, 8, "%07o", 0);
    (void)snprintf((char *)h + SIZE_AT, 12, "%011llo", (unsigned long long)size);
    (void)snprintf((char *)h + MTIME_AT, 12, "%011o", 0);
    h[TYPE_AT] = '0';
    memcpy(h + MAGIC_AT, "ustar\0" "00", 8);
    (void)snprintf((char *)h + SUM_AT, 8, "%06o", checksum(h));
    h[SUM_AT + 7] = ' ';
}

static void zeros_put(pl_buf *b, size_t n)
{
    static const char zeros[BLOCK];

    for (; n > 0; n -= n < BLOCK ? n : BLOCK)
        pl_buf_put(b, (pl_str){ zeros, n < BLOCK ? n : BLOCK });
}

void pl_tar_put(pl_buf *b, const char *name, pl_str bytes)
{
    uint8_t h[BLOCK];

    header_make(h, pl_str_z(name), bytes.n);
    pl_buf_put(b, (pl_str){ (const char *)h, BLOCK });
    pl_buf_put(b, bytes);
    zeros_put(b, padded(bytes.n) - bytes.n);
}

void pl_tar_end(pl_buf *b)
{
    zeros_put(b, 2 * (size_t)BLOCK);
}

/* --- reading ------------------------------------------------------------------------ */

static bool is_zero(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != '\0')
            return false;
    return true;
}

static bool is_safe_name(pl_str s)
{
    if (s.n == 0 || s.n >= TAR_NAME_MAX || s.p[0] == '/' || s.p[0] == '.')
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
              c == '.' || c == '/'))
            return false;
        if ((c == '/' || c == '.') && i + 1 < s.n && (s.p[i + 1] == '/' || s.p[i + 1] == '.'))
            return false;
    }
    return true;
}

/* The header must be the one we would write for its name and size: one rule covers every
 * field, the checksum included. */
static pl_rc header_read(const char *p, tar_file *out, size_t *size, pl_error *err)
{
    pl_str   name = { p, strnlen(p, TAR_NAME_MAX) };
    uint8_t  want[BLOCK];
    uint64_t n = 0;

    if (!is_safe_name(name))
        return pl_fail(err, PL_INVALID, "not an evidence package: a member has an unsafe name");
    for (int i = SIZE_AT; i < SIZE_AT + 11; i++) {
        if (p[i] < '0' || p[i] > '7')
            return pl_fail(err, PL_INVALID, "not an evidence package: a size is not octal");
        n = n << 3 | (uint64_t)(p[i] - '0');
    }
    header_make(want, name, n);
    if (memcmp(p, want, BLOCK) != 0)
        return pl_fail(err, PL_INVALID, "not an evidence package: damaged header of '" PL_STR_FMT
                       "'", PL_STR_ARG(name));
    out->name = name;
    *size = n;
    return PL_OK;
}

static pl_rc member_add(tar *t, const tar_file *f, pl_error *err)
{
    if ((t->n & (t->n - 1)) == 0) { /* full at every power of two */
        tar_file *more = reallocarray(t->file, t->n ? t->n * 2 : 1, sizeof *more);

        if (more == NULL)
            return pl_fail(err, PL_NOMEM, "out of memory");
        t->file = more;
    }
    t->file[t->n++] = *f;
    return PL_OK;
}

static int by_name(const void *a, const void *b)
{
    const tar_file *x = a, *y = b;
    size_t          n = x->name.n < y->name.n ? x->name.n : y->name.n;
    int             c = memcmp(x->name.p, y->name.p, n);

    return c != 0 ? c : (x->name.n > y->name.n) - (x->name.n < y->name.n);
}

static pl_rc members_read(pl_str bytes, tar *t, size_t *at, pl_error *err)
{
    while (bytes.n - *at >= BLOCK && !is_zero(bytes.p + *at, BLOCK)) {
        tar_file f;
        size_t   size = 0;
        pl_rc    rc = header_read(bytes.p + *at, &f, &size, err);

        if (rc != PL_OK)
            return rc;
        *at += BLOCK;
        if (size > bytes.n - *at || padded(size) > bytes.n - *at)
            return pl_fail(err, PL_INVALID, "package ends inside of '" PL_STR_FMT "'",
                           PL_STR_ARG(f.name));
        f.bytes = (pl_str){ bytes.p + *at, size };
        if (!is_zero(bytes.p + *at + size, padded(size) - size))
            return pl_fail(err, PL_INVALID, "package has bytes behind '" PL_STR_FMT "'",
                           PL_STR_ARG(f.name));
        *at += padded(size);
        if (t->n == PL_EVIDENCE_FILES_MAX)
            return pl_fail(err, PL_LIMIT, "package has more than %u files", PL_EVIDENCE_FILES_MAX);
        rc = member_add(t, &f, err);
        if (rc != PL_OK)
            return rc;
    }
    return PL_OK;
}

static pl_rc tar_read(pl_str bytes, tar *t, pl_error *err)
{
    size_t at = 0;
    pl_rc  rc;

    if (bytes.n > PL_EVIDENCE_MAX)
        return pl_fail(err, PL_LIMIT, "package is larger than %u bytes", PL_EVIDENCE_MAX);
    rc = members_read(bytes, t, &at, err);
    if (rc != PL_OK)
        return rc;
    if (bytes.n - at != 2 * (size_t)BLOCK || !is_zero(bytes.p + at, bytes.n - at) || t->n == 0)
        return pl_fail(err, PL_INVALID, "package does not end where it should");
    qsort(t->file, t->n, sizeof *t->file, by_name);
    for (size_t i = 1; i < t->n; i++)
        if (by_name(&t->file[i - 1], &t->file[i]) == 0)
            return pl_fail(err, PL_INVALID, "package holds '" PL_STR_FMT "' twice",
                           PL_STR_ARG(t->file[i].name));
    return PL_OK;
}

pl_rc pl_tar_open(pl_str bytes, tar *out, pl_error *err)
{
    tar   t = { 0 };
    pl_rc rc = tar_read(bytes, &t, err);

    if (rc != PL_OK) {
        pl_tar_done(&t);
        return rc;
    }
    *out = t;
    return PL_OK;
}

void pl_tar_done(tar *t)
{
    free(t->file);
    *t = (tar){ 0 };
}

pl_rc pl_tar_find(const tar *t, const char *name, pl_str *out, pl_error *err)
{
    tar_file        want = { .name = pl_str_z(name) };
    const tar_file *f = bsearch(&want, t->file, t->n, sizeof *t->file, by_name);

    if (f == NULL)
        return pl_fail(err, PL_NOTFOUND, "package holds no '%s'", name);
    *out = f->bytes;
    return PL_OK;
}

pl_rc pl_evidence_payload(pl_str package, const uint8_t sha256[32], pl_str *out, pl_error *err)
{
    char  hex[65], name[TAR_NAME_MAX];
    tar   t;
    pl_rc rc = pl_tar_open(package, &t, err);

    if (rc != PL_OK)
        return rc;
    pl_hex(sha256, 32, hex);
    pl_evidence_payload_name(hex, name);
    rc = pl_tar_find(&t, name, out, err); /* borrowed from the archive, not from the list */
    pl_tar_done(&t);
    return rc;
}
