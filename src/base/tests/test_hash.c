#include "base/banned.h"

#include "base/hash.h"
#include "base/str.h"
#include "pl_test.h"

static void assert_hex(const uint8_t digest[32], const char *hex)
{
    char out[65];

    pl_hex(digest, 32, out);
    assert_string_equal(out, hex);
}

/* FIPS 180-4 examples */
static void sha256__gives_the_published_digests(void **state)
{
    uint8_t   d[32];
    pl_sha256 h;

    (void)state;
    pl_sha256_of(PL_STR(""), d);
    assert_hex(d, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    pl_sha256_of(PL_STR("abc"), d);
    assert_hex(d, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    pl_sha256_init(&h);
    for (int i = 0; i < 1000000 / 50; i++)
        pl_sha256_update(&h, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 50);
    pl_sha256_final(&h, d);
    assert_hex(d, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void sha256_update__does_not_depend_on_the_cuts(void **state)
{
    char      text[300];
    uint8_t   whole[32], cut[32];
    pl_sha256 h;

    (void)state;
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)(i * 7);
    pl_sha256_of((pl_str){ text, sizeof text }, whole);
    for (size_t step = 1; step < 130; step++) {
        pl_sha256_init(&h);
        for (size_t i = 0; i < sizeof text; i += step)
            pl_sha256_update(&h, text + i, sizeof text - i < step ? sizeof text - i : step);
        pl_sha256_final(&h, cut);
        assert_memory_equal(whole, cut, 32);
    }
}

/* RFC 4231 test cases 1, 2, 3, 6 and 7: short, medium and longer than a block */
static void hmac_sha256__gives_the_rfc_4231_values(void **state)
{
    uint8_t key[131], data[50], d[32];

    (void)state;
    memset(key, 0x0b, 20);
    pl_hmac_sha256(key, 20, PL_STR("Hi There"), d);
    assert_hex(d, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    pl_hmac_sha256((const uint8_t *)"Jefe", 4, PL_STR("what do ya want for nothing?"), d);
    assert_hex(d, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof key);
    memset(data, 0xdd, sizeof data);
    pl_hmac_sha256(key, 20, (pl_str){ (const char *)data, sizeof data }, d);
    assert_hex(d, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
    pl_hmac_sha256(key, 131, PL_STR("Test Using Larger Than Block-Size Key - Hash Key First"), d);
    assert_hex(d, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    pl_hmac_sha256(key, 131,
                   PL_STR("This is a test using a larger than block-size key and a larger than "
                          "block-size data. The key needs to be hashed before being used by the "
                          "HMAC algorithm."),
                   d);
    assert_hex(d, "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
}

/* RFC 3720 appendix B.4 and the usual check value */
static void crc32c__gives_the_rfc_3720_values(void **state)
{
    uint8_t b[32] = { 0 };

    (void)state;
    assert_int_equal(pl_crc32c("", 0), 0);
    assert_int_equal(pl_crc32c("123456789", 9), 0xe3069283u);
    assert_int_equal(pl_crc32c(b, sizeof b), 0x8a9136aau);
    memset(b, 0xff, sizeof b);
    assert_int_equal(pl_crc32c(b, sizeof b), 0x62a8ab43u);
    for (unsigned i = 0; i < 32; i++)
        b[i] = (uint8_t)i;
    assert_int_equal(pl_crc32c(b, sizeof b), 0x46dd794eu);
}

static uint32_t crc32c_by_bit(const uint8_t *p, size_t n)
{
    uint32_t c = ~0u;

    for (size_t i = 0; i < n; i++) {
        c ^= p[i];
        for (int k = 0; k < 8; k++)
            c = c & 1 ? c >> 1 ^ 0x82f63b78u : c >> 1;
    }
    return ~c;
}

static void crc32c__agrees_with_the_definition_at_all_lengths_and_alignments(void **state)
{
    uint8_t b[90];

    (void)state;
    for (size_t i = 0; i < sizeof b; i++)
        b[i] = (uint8_t)(i * i + 3);
    for (size_t at = 0; at < 9; at++)
        for (size_t n = 0; at + n <= sizeof b; n++)
            assert_int_equal(pl_crc32c(b + at, n), crc32c_by_bit(b + at, n));
}

static void random__fills_everything_differently_each_time(void **state)
{
    uint8_t a[64] = { 0 }, b[64] = { 0 };

    (void)state;
    assert_rc(pl_random(a, sizeof a, NULL), PL_OK);
    assert_rc(pl_random(b, sizeof b, NULL), PL_OK);
    assert_memory_not_equal(a, b, sizeof a);
    assert_memory_not_equal(a + 32, b + 32, 32);
    assert_rc(pl_random(a, 0, NULL), PL_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256__gives_the_published_digests),
        cmocka_unit_test(sha256_update__does_not_depend_on_the_cuts),
        cmocka_unit_test(hmac_sha256__gives_the_rfc_4231_values),
        cmocka_unit_test(crc32c__gives_the_rfc_3720_values),
        cmocka_unit_test(crc32c__agrees_with_the_definition_at_all_lengths_and_alignments),
        cmocka_unit_test(random__fills_everything_differently_each_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
