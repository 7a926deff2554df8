#include "base/banned.h"

#include "base/hash.h"

#include <endian.h>
#include <plumbline/policydb.h>
#include <stdbool.h>

/* The layout, byte for byte: docs/formats/policy-database.md. */
#define MAGIC        "PLPOLDB1"
#define HEADER       64u
#define ENTRY        24u
#define SECTIONS_MAX 64u

enum { AT_MAGIC = 0, AT_VERSION = 8, AT_COUNT = 12, AT_SIZE = 16, AT_SUM = 24, AT_ZERO = 56 };
enum { ENTRY_TAG = 0, ENTRY_ZERO = 4, ENTRY_OFFSET = 8, ENTRY_LENGTH = 16 };

static uint32_t rd32(pl_str image, size_t at)
{
    uint32_t v;

    memcpy(&v, image.p + at, sizeof v);
    return le32toh(v);
}

static uint64_t rd64(pl_str image, size_t at)
{
    uint64_t v;

    memcpy(&v, image.p + at, sizeof v);
    return le64toh(v);
}

static void wr32(char *p, uint32_t v)
{
    v = htole32(v);
    memcpy(p, &v, sizeof v);
}

static void wr64(char *p, uint64_t v)
{
    v = htole64(v);
    memcpy(p, &v, sizeof v);
}

static uint64_t align_up(uint64_t n)
{
    return (n + PL_POLICYDB_ALIGN - 1) & ~(uint64_t)(PL_POLICYDB_ALIGN - 1);
}

static uint64_t table_end(size_t count)
{
    return HEADER + (uint64_t)count * ENTRY;
}

/* --- building ------------------------------------------------------------------ */

static int by_tag(const void *a, const void *b)
{
    const pl_policydb_section *const *x = a, *const *y = b;

    return ((*x)->tag > (*y)->tag) - ((*x)->tag < (*y)->tag);
}

/* The sections by tag, so that the caller's order does not show in the file. */
static pl_rc sort_sections(const pl_policydb_section *sections, size_t count,
                           const pl_policydb_section *sorted[SECTIONS_MAX], uint64_t *size,
                           pl_error *err)
{
    if (count > SECTIONS_MAX)
        return pl_fail(err, PL_LIMIT, "policy database of %zu sections, at most %u", count,
                       SECTIONS_MAX);
    for (size_t i = 0; i < count; i++)
        sorted[i] = &sections[i];
    qsort(sorted, count, sizeof *sorted, by_tag);

    *size = table_end(count);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && sorted[i - 1]->tag == sorted[i]->tag)
            return pl_fail(err, PL_CONFLICT, "section 0x%08x is given twice", sorted[i]->tag);
        if (sorted[i]->bytes.n > SIZE_MAX / 2 - *size)
            return pl_fail(err, PL_LIMIT, "policy database is too large");
        *size = align_up(*size) + sorted[i]->bytes.n;
    }
    return PL_OK;
}

static void write_image(char *p, uint64_t size, const pl_policydb_section *const *sorted,
                        size_t count)
{
    uint64_t at = table_end(count);
    uint8_t  sum[32];

    for (size_t i = 0; i < count; i++) {
        char *entry = p + HEADER + i * ENTRY;

        at = align_up(at);
        wr32(entry + ENTRY_TAG, sorted[i]->tag);
        wr64(entry + ENTRY_OFFSET, at);
        wr64(entry + ENTRY_LENGTH, sorted[i]->bytes.n);
        if (sorted[i]->bytes.n > 0)
            memcpy(p + at, sorted[i]->bytes.p, sorted[i]->bytes.n);
        at += sorted[i]->bytes.n;
    }
    memcpy(p + AT_MAGIC, MAGIC, sizeof MAGIC - 1);
    wr32(p + AT_VERSION, PL_POLICYDB_VERSION);
    wr32(p + AT_COUNT, (uint32_t)count);
    wr64(p + AT_SIZE, size);
    pl_sha256_of((pl_str){ p + HEADER, size - HEADER }, sum);
    memcpy(p + AT_SUM, sum, sizeof sum);
}

pl_rc pl_policydb_build(const pl_policydb_section *sections, size_t count, void **out, size_t *n,
                        pl_error *err)
{
    const pl_policydb_section *sorted[SECTIONS_MAX];
    uint64_t                   size = 0;
    pl_rc                      rc = sort_sections(sections, count, sorted, &size, err);
    char                      *p;

    if (rc != PL_OK)
        return rc;
    /* Aligned as a mapped file is, so that sections are used in place here too. */
    p = aligned_alloc(PL_POLICYDB_ALIGN, align_up(size));
    if (!p)
        return pl_fail(err, PL_NOMEM, "out of memory for a policy database of %llu bytes",
                       (unsigned long long)size);
    memset(p, 0, align_up(size));
    write_image(p, size, sorted, count);
    *out = p;
    *n = size;
    return PL_OK;
}

/* --- checking ------------------------------------------------------------------- */

static bool all_zero(pl_str image, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++)
        if (image.p[i] != 0)
            return false;
    return true;
}

static pl_rc check_header(pl_str image, uint32_t *count, pl_error *err)
{
    if (image.n < HEADER || memcmp(image.p, MAGIC, sizeof MAGIC - 1) != 0)
        return pl_fail(err, PL_INVALID, "not a policy database");
    if (rd32(image, AT_VERSION) != PL_POLICYDB_VERSION)
        return pl_fail(err, PL_INVALID, "policy database has version %u, expected %u",
                       rd32(image, AT_VERSION), PL_POLICYDB_VERSION);
    if (rd64(image, AT_SIZE) != image.n)
        return pl_fail(err, PL_INVALID, "policy database has %zu bytes, its header says %llu",
                       image.n, (unsigned long long)rd64(image, AT_SIZE));
    *count = rd32(image, AT_COUNT);
    if (*count > SECTIONS_MAX || table_end(*count) > image.n ||
        !all_zero(image, AT_ZERO, HEADER))
        return pl_fail(err, PL_INVALID, "policy database has a damaged header");
    return PL_OK;
}

/* There is exactly one valid layout for given sections, so each entry is compared with
 * what it must be; that covers bounds, alignment, overlap and order at once. */
static pl_rc check_table(pl_str image, uint32_t count, pl_error *err)
{
    uint64_t end = table_end(count);

    for (uint32_t i = 0; i < count; i++) {
        size_t   entry = HEADER + (size_t)i * ENTRY;
        uint32_t tag = rd32(image, entry + ENTRY_TAG);
        uint64_t offset = rd64(image, entry + ENTRY_OFFSET);
        uint64_t length = rd64(image, entry + ENTRY_LENGTH);

        if (i > 0 && rd32(image, entry - ENTRY + ENTRY_TAG) >= tag)
            return pl_fail(err, PL_INVALID, "section 0x%08x is out of order", tag);
        if (rd32(image, entry + ENTRY_ZERO) != 0 || offset != align_up(end) || offset > image.n ||
            length > image.n - offset || !all_zero(image, end, offset))
            return pl_fail(err, PL_INVALID, "section 0x%08x does not lie where it must", tag);
        end = offset + length;
    }
    if (end != image.n)
        return pl_fail(err, PL_INVALID, "policy database has bytes after its last section");
    return PL_OK;
}

pl_rc pl_policydb_check(pl_str image, pl_policydb *out, pl_error *err)
{
    uint32_t    count = 0;
    uint8_t     sum[32];
    pl_policydb db = { .image = image };
    pl_rc       rc = check_header(image, &count, err);

    if (rc == PL_OK) {
        pl_sha256_of((pl_str){ image.p + HEADER, image.n - HEADER }, sum);
        if (memcmp(sum, image.p + AT_SUM, sizeof sum) != 0)
            rc = pl_fail(err, PL_INVALID, "checksum of the policy database does not match");
    }
    if (rc == PL_OK)
        rc = check_table(image, count, err);
    if (rc != PL_OK)
        return rc;
    db.sections = count;
    pl_sha256_of(image, db.digest);
    *out = db;
    return PL_OK;
}

pl_rc pl_policydb_section_find(const pl_policydb *db, uint32_t tag, pl_str *out, pl_error *err)
{
    for (size_t i = 0; i < db->sections; i++) {
        size_t entry = HEADER + i * ENTRY;

        if (rd32(db->image, entry + ENTRY_TAG) != tag)
            continue;
        *out = (pl_str){ db->image.p + rd64(db->image, entry + ENTRY_OFFSET),
                         rd64(db->image, entry + ENTRY_LENGTH) };
        return PL_OK;
    }
    return pl_fail(err, PL_NOTFOUND, "policy database has no section 0x%08x", tag);
}
