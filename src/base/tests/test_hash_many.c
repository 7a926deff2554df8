#include "base/banned.h"

#include "base/hash.h"
#include "base/str.h"
#include "pl_test.h"

/* Each path there is, or one line that says why not. */
static const struct {
    pl_sha256_path path;
    const char    *name;
} paths[] = {
    { PL_SHA256_BEST, "best" },
    { PL_SHA256_SINGLE, "single" },
    { PL_SHA256_AVX2, "AVX2" },
    { PL_SHA256_AVX512, "AVX-512" },
};

static void each_path(void (*test)(pl_sha256_path path))
{
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        if (pl_sha256_many_by(paths[i].path, -1, NULL, 0, NULL))
            test(paths[i].path);
        else
            print_message("# this processor has no %s\n", paths[i].name);
    }
}

/* FIPS 180-2 appendix B and the NIST example values for SHA-256. */
static const struct {
    const char *text;
    size_t      repeat;
    const char *hex;
} nist[] = {
    { "abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
    { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
    { "", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
    { "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqr"
      "lmnopqrsmnopqrstnopqrstu",
      1, "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1" },
    { "a", 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0" },
};

static void vectors(pl_sha256_path path)
{
    enum { COUNT = sizeof(nist) / sizeof(nist[0]) };
    pl_str  message[COUNT];
    uint8_t out[COUNT][32];

    for (size_t i = 0; i < COUNT; i++) {
        size_t n = strlen(nist[i].text);
        char  *p = malloc(n * nist[i].repeat + 1);

        for (size_t k = 0; k < nist[i].repeat; k++)
            memcpy(p + k * n, nist[i].text, n);
        message[i] = (pl_str){ p, n * nist[i].repeat };
    }
    assert_true(pl_sha256_many_by(path, -1, message, COUNT, out));
    for (size_t i = 0; i < COUNT; i++) {
        char hex[65];

        pl_hex(out[i], 32, hex);
        assert_string_equal(hex, nist[i].hex);
        free((void *)(uintptr_t)message[i].p);
    }
}

static void sha256_many__gives_the_values_of_nist(void **state)
{
    (void)state;
    each_path(vectors);
}

#define LENGTHS 2100

static uint8_t *some_bytes(size_t n)
{
    uint8_t *p = malloc(n);
    uint32_t x = 12345;

    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)((x = x * 1664525 + 1013904223) >> 24);
    return p;
}

/* What OpenSSL says, one message at a time. */
static void assert_as_openssl(int prefix, const pl_str *message, size_t count, uint8_t (*out)[32])
{
    for (size_t i = 0; i < count; i++) {
        uint8_t   want[32], first = (uint8_t)prefix;
        pl_sha256 h;

        pl_sha256_init(&h);
        if (prefix >= 0)
            pl_sha256_update(&h, &first, 1);
        pl_sha256_update(&h, message[i].p, message[i].n);
        pl_sha256_final(&h, want);
        if (memcmp(want, out[i], 32) != 0)
            fail_msg("prefix %d, message %zu of %zu bytes", prefix, i, message[i].n);
    }
}

/* Messages of every length beside each other; exactly as long as their memory, so that a
 * sanitizer sees a byte read too many. */
static void every_length(pl_sha256_path path)
{
    static uint8_t out[LENGTHS][32];
    static pl_str  message[LENGTHS];
    uint8_t       *all = some_bytes(LENGTHS);

    for (size_t n = 0; n < LENGTHS; n++) {
        char *p = malloc(n + (n == 0));

        memcpy(p, all, n);
        message[n] = (pl_str){ p, n };
    }
    for (int prefix = -1; prefix < 2; prefix++) {
        assert_true(pl_sha256_many_by(path, prefix, message, LENGTHS, out));
        assert_as_openssl(prefix, message, LENGTHS, out);
    }
    for (size_t n = 0; n < LENGTHS; n++)
        free((void *)(uintptr_t)message[n].p);
    free(all);
}

static void sha256_many__agrees_with_openssl_at_every_length(void **state)
{
    (void)state;
    each_path(every_length);
}

/* Any number of messages, of lengths that end in different lanes at different times. */
static void mixes(pl_sha256_path path)
{
    enum { COUNT = 70, BYTES = 40000 };
    uint8_t *all = some_bytes(BYTES);
    pl_str   message[COUNT];
    uint8_t  out[COUNT][32];
    uint32_t x = 1;

    for (unsigned round = 0; round < 300; round++) {
        size_t count = round % (COUNT + 1);

        for (size_t i = 0; i < count; i++) {
            size_t n = (x = x * 1664525 + 1013904223) >> 8;

            n %= n % 50 == 0 ? 20000 : n % 5 == 0 ? 2000 : 140;
            message[i] = (pl_str){ (const char *)all + (x >> 12) % (BYTES - n), n };
        }
        assert_true(pl_sha256_many_by(path, (int)(round % 3) - 1, message, count, out));
        assert_as_openssl((int)(round % 3) - 1, message, count, out);
    }
    free(all);
}

static void sha256_many__agrees_with_openssl_in_any_mix(void **state)
{
    (void)state;
    each_path(mixes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_many__gives_the_values_of_nist),
        cmocka_unit_test(sha256_many__agrees_with_openssl_at_every_length),
        cmocka_unit_test(sha256_many__agrees_with_openssl_in_any_mix),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
