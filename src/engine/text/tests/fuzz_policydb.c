/* Properties: what pl_policydb_check accepts has all its sections inside the image, and
 * building from them gives the same bytes again; what pl_policydb_build makes is accepted. */
#include "base/banned.h"

#include "base/hash.h"
#include "fuzz_int.h"

#include <plumbline/policydb.h>

static void put_checksum_right(char *p, size_t n)
{
    if (n >= 64)
        pl_sha256_of((pl_str){ p + 64, n - 64 }, (uint8_t *)p + 24);
}

static void check_and_rebuild(const char *p, size_t n)
{
    pl_policydb         db;
    pl_policydb_section sections[64];
    pl_error            err = { 0 };
    void               *again = NULL;
    size_t              again_n = 0;

    if (pl_policydb_check((pl_str){ p, n }, &db, &err) != PL_OK) {
        CLAIM(err.rc == PL_INVALID);
        return;
    }
    CLAIM(db.sections <= 64);
    for (size_t i = 0; i < db.sections; i++) {
        pl_str *bytes = &sections[i].bytes;

        memcpy(&sections[i].tag, p + 64 + i * 24, 4);
        CLAIM(pl_policydb_section_find(&db, sections[i].tag, bytes, NULL) == PL_OK);
        CLAIM(bytes->p >= p && bytes->n <= n && bytes->p + bytes->n <= p + n);
        CLAIM((size_t)(bytes->p - p) % PL_POLICYDB_ALIGN == 0);
    }
    CLAIM(pl_policydb_build(sections, db.sections, &again, &again_n, NULL) == PL_OK);
    CLAIM(again_n == n && memcmp(again, p, n) == 0);
    free(again);
}

static void build_and_spoil(input *in)
{
    pl_policydb_section sections[8];
    size_t              count = take_byte(in) % 8, n = 0;
    void               *p = NULL;
    pl_rc               rc;

    for (size_t i = 0; i < count; i++) {
        sections[i].tag = take_byte(in);
        sections[i].bytes = take_bytes(in, take_byte(in));
    }
    rc = pl_policydb_build(sections, count, &p, &n, NULL);
    CLAIM(rc == PL_OK || rc == PL_CONFLICT);
    if (rc != PL_OK)
        return;
    CLAIM(pl_policydb_check((pl_str){ p, n }, &(pl_policydb){ 0 }, NULL) == PL_OK);
    while (in->n >= 3) {
        size_t at = ((size_t)take_byte(in) << 8 | take_byte(in)) % n;

        ((char *)p)[at] = (char)take_byte(in);
    }
    put_checksum_right(p, n);
    check_and_rebuild(p, n);
    free(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input in = { data, size };

    if (take_byte(&in) & 1) {
        build_and_spoil(&in);
    } else {
        char *p = exact_copy(in.p, in.n);

        put_checksum_right(p, in.n);
        check_and_rebuild(p, in.n);
        free(p);
    }
    return 0;
}
