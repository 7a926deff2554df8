/* Shared by the tests of engine/log: hex, and a tree kept as a plain list of leaves. */
#ifndef PL_LOG_TEST_H
#define PL_LOG_TEST_H

#include "pl_test.h"

#include <plumbline/log.h>
#include <string.h>

static inline unsigned lt_digit(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a' + 10);
}

static inline void lt_unhex(const char *hex, uint8_t *out, size_t n)
{
    if (strlen(hex) != 2 * n)
        fail_msg("bad test vector '%s'", hex);
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)(lt_digit(hex[2 * i]) << 4 | lt_digit(hex[2 * i + 1]));
}

static inline pl_hash lt_hash(const char *hex)
{
    pl_hash h;

    lt_unhex(hex, h.b, sizeof(h.b));
    return h;
}

static inline void lt_assert_hash(const pl_hash *got, const char *hex)
{
    pl_hash want = lt_hash(hex);

    assert_memory_equal(got->b, want.b, sizeof(want.b));
}

static inline pl_str lt_z(const char *z)
{
    return (pl_str){ z, strlen(z) };
}

/* xorshift64*, seeded so that a failure can be repeated. */
static inline uint64_t lt_random(uint64_t *s)
{
    *s ^= *s >> 12;
    *s ^= *s << 25;
    *s ^= *s >> 27;
    return *s * UINT64_C(0x2545F4914F6CDD1D);
}
#endif
