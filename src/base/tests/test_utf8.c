#include "base/banned.h"

#include "base/str.h"
#include "base/utf8.h"
#include "pl_test.h"

#include <utf8proc.h>

static bool any_scalar(uint32_t lo, uint32_t hi, uint32_t min)
{
    if (lo < min)
        lo = min;
    if (hi > 0x10ffff)
        hi = 0x10ffff;
    return lo <= hi && !(lo >= 0xd800 && hi <= 0xdfff);
}

/* The definition by arithmetic (RFC 3629 §3), not by table: a prefix is fine when some
 * completion of it is a scalar value in its shortest form. */
static int reference(const uint8_t *p, size_t n, uint32_t *cp)
{
    static const uint32_t min[] = { 0, 0, 0x80, 0x800, 0x10000 };
    uint32_t              v;
    size_t                len;

    if (n == 0)
        return 0;
    if (p[0] < 0x80) {
        *cp = p[0];
        return 1;
    }
    if (p[0] < 0xc0 || p[0] >= 0xf8)
        return -1;
    len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    v = p[0] & (0x7fu >> len);
    for (size_t i = 1; i <= len; i++) {
        unsigned missing = 6 * (unsigned)(len - i);

        if (!any_scalar(v << missing, ((v + 1) << missing) - 1, min[len]))
            return -1;
        if (i == len)
            break;
        if (i == n)
            return 0;
        if ((p[i] & 0xc0) != 0x80)
            return -1;
        v = v << 6 | (p[i] & 0x3f);
    }
    *cp = v;
    return (int)len;
}

static void check(const uint8_t *p, size_t n)
{
    uint32_t a = 0, b = 0;
    int      want = reference(p, n, &a), got = pl_utf8_decode((pl_str){ (const char *)p, n }, &b);

    if (want != got || (want > 0 && a != b))
        fail_msg("%zu bytes %02x %02x %02x %02x: %d, not %d", n, p[0], p[1], p[2], p[3], got, want);
}

static void utf8_decode__agrees_with_the_definition_on_all_short_sequences(void **state)
{
    uint8_t p[4] = { 0 };

    (void)state;
    check(p, 0);
    for (unsigned v = 0; v < 1u << 24; v++) {
        p[0] = (uint8_t)(v >> 16);
        p[1] = (uint8_t)(v >> 8);
        p[2] = (uint8_t)v;
        if (p[0] < 0xc0 && v % 257 != 0)
            continue; /* one byte decides */
        check(p, 3);
        if (p[2] == 0)
            check(p, 2);
        if (p[1] == 0 && p[2] == 0)
            check(p, 1);
    }
}

static void utf8_decode__agrees_with_the_definition_at_all_four_byte_edges(void **state)
{
    static const uint8_t edge[] = { 0x00, 0x7f, 0x80, 0x81, 0x8f, 0x90, 0x9f, 0xa0, 0xbe, 0xbf,
                                    0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xed, 0xef, 0xf0, 0xf1, 0xf3,
                                    0xf4, 0xf5, 0xf7, 0xf8, 0xfe, 0xff };
    const size_t         n = sizeof edge;

    (void)state;
    for (size_t v = 0; v < n * n * n * n; v++) {
        uint8_t p[4] = { edge[v / n / n / n], edge[v / n / n % n], edge[v / n % n], edge[v % n] };

        check(p, 4);
    }
}

static void utf8_encode__and_decode_are_inverses_for_every_scalar(void **state)
{
    (void)state;
    for (uint32_t cp = 0; cp <= 0x10ffff; cp++) {
        char     b[4];
        uint32_t back = 0;
        int      n;

        if (cp >= 0xd800 && cp <= 0xdfff)
            continue;
        n = pl_utf8_encode(cp, b);
        assert_int_equal(pl_utf8_decode((pl_str){ b, (size_t)n }, &back), n);
        assert_int_equal(back, cp);
        assert_true(pl_utf8_valid((pl_str){ b, (size_t)n }));
    }
}

/* The word-at-a-time paths must see a bad byte wherever it stands. */
static void utf8_valid__finds_one_bad_byte_at_any_offset(void **state)
{
    static const char *const fill[] = { "a", "é", "中", "😀", "中a", "a中中" };

    (void)state;
    for (size_t k = 0; k < sizeof fill / sizeof fill[0]; k++) {
        char   text[160];
        size_t n = 0, len = strlen(fill[k]);

        while (n + len <= sizeof text) {
            memcpy(text + n, fill[k], len);
            n += len;
        }
        assert_true(pl_utf8_valid((pl_str){ text, n }));
        for (size_t i = 0; i < n; i++) {
            char was = text[i];

            text[i] = (char)0xff;
            assert_false(pl_utf8_valid((pl_str){ text, n }));
            assert_false(pl_utf8_is_nfc_quick((pl_str){ text, n }));
            text[i] = was;
        }
    }
    assert_false(pl_utf8_valid(PL_STR("aaaaaaaaaaaaaaa\xe4\xb8")));
    assert_false(pl_utf8_valid(PL_STR("中中中\xe4\xb8")));
    assert_false(pl_utf8_valid(PL_STR("中中中\xed\xa0\x80中中")));
    assert_false(pl_utf8_valid(PL_STR("中中中\xe0\x9f\x80中中")));
    assert_true(pl_utf8_valid(PL_STR("a\0b")));
    assert_true(pl_utf8_valid((pl_str){ NULL, 0 }));
}

static char *nfc_of(const char *in, size_t n)
{
    char    *out = NULL;
    size_t   out_n = 0;
    pl_error err;

    assert_ok(pl_utf8_nfc((pl_str){ in, n }, &out, &out_n, &err), &err);
    assert_int_equal(strlen(out), out_n);
    return out;
}

static void utf8_nfc__composes_and_reorders(void **state)
{
    /* input, NFC; from NormalizationTest.txt of Unicode 15 and UAX #15 */
    static const char *const vectors[][2] = {
        { "e\xcc\x81", "\xc3\xa9" },                         /* U+0065 U+0301 */
        { "\xe1\xb8\x8a\xcc\xa3", "\xe1\xb8\x8c\xcc\x87" },  /* U+1E0A U+0323 */
        { "\xe1\x84\x80\xe1\x85\xa1", "\xea\xb0\x80" },      /* Hangul jamo */
        { "\xe2\x84\xab", "\xc3\x85" },                      /* Angstrom sign */
        { "\xe3\x81\x8b\xe3\x82\x99", "\xe3\x81\x8c" },      /* ka + dakuten */
        { "\xef\xa4\x80", "\xe8\xb1\x88" },                  /* CJK compatibility U+F900 */
        { "\xe2\x80\x80", "\xe2\x80\x82" },                  /* en quad */
        { "准绳，《生成式》", "准绳，《生成式》" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        char *out = nfc_of(vectors[i][0], strlen(vectors[i][0]));

        assert_string_equal(out, vectors[i][1]);
        free(out);
    }
}

static void utf8_nfc__refuses_invalid_text(void **state)
{
    char  *out = NULL;
    size_t n = 0;

    (void)state;
    assert_rc(pl_utf8_nfc(PL_STR("a\xff"), &out, &n, NULL), PL_INVALID);
    assert_rc(pl_utf8_nfc(PL_STR("e\xcc\x81\xed\xa0\x80"), &out, &n, NULL), PL_INVALID);
    assert_null(out);
}

/* The quick check may say no to normal text, never yes to other text: a code point it
 * lets pass must be its own NFC, and have class 0 and no composition with what precedes. */
static void utf8_is_nfc_quick__lets_only_inert_code_points_pass(void **state)
{
    size_t passed = 0;

    (void)state;
    for (uint32_t cp = 0; cp <= 0x10ffff; cp++) {
        char                       b[8];
        size_t                     n;
        const utf8proc_property_t *prop;
        char                      *out;

        if (cp >= 0xd800 && cp <= 0xdfff)
            continue;
        n = (size_t)pl_utf8_encode(cp, b);
        memset(b + n, ' ', sizeof b - n);
        if (!pl_utf8_is_nfc_quick((pl_str){ b, n })) {
            /* four bytes at once and the tail must agree */
            assert_false(pl_utf8_is_nfc_quick((pl_str){ b, n + 3 }));
            continue;
        }
        assert_true(pl_utf8_is_nfc_quick((pl_str){ b, n + 3 }));
        passed++;
        prop = utf8proc_get_property((utf8proc_int32_t)cp);
        assert_int_equal(prop->combining_class, 0);
        if (cp == 0)
            continue;
        b[n] = '\0';
        out = (char *)utf8proc_NFC((const utf8proc_uint8_t *)b);
        assert_non_null(out);
        if (strcmp(out, b) != 0)
            fail_msg("U+%04X is not its own NFC", (unsigned)cp);
        free(out);
    }
    assert_true(passed > 28000); /* Han, kana, Latin-1, punctuation */
}

static void utf8_is_nfc_quick__never_contradicts_full_normalisation(void **state)
{
    static const uint32_t pool[] = { 'a',    'e',    0x301,  0x323,  0xe9,   0x3042, 0x304b,
                                     0x3099, 0x309a, 0x302a, 0x4e2d, 0x1100, 0x1161, 0x11a8,
                                     0xac00, 0x2000, 0x212b, 0xf900, 0xff21, 0x200d, 0x2f800 };
    size_t                quick = 0;

    (void)state;
    srand(7);
    for (int round = 0; round < 20000; round++) {
        char  text[33];
        size_t n = 0;

        for (int k = rand() % 7; k >= 0; k--)
            n += (size_t)pl_utf8_encode(pool[(size_t)rand() % (sizeof pool / sizeof pool[0])],
                                        text + n);
        text[n] = '\0';
        if (!pl_utf8_is_nfc_quick((pl_str){ text, n }))
            continue;
        char *full = (char *)utf8proc_NFC((const utf8proc_uint8_t *)text);

        assert_string_equal(full, text);
        free(full);
        quick++;
    }
    assert_true(quick > 100);
}

static void utf8_han_percent__counts_letters_only(void **state)
{
    (void)state;
    assert_int_equal(pl_utf8_han_percent(PL_STR("")), 0);
    assert_int_equal(pl_utf8_han_percent(PL_STR("123 ，。！")), 0);
    assert_int_equal(pl_utf8_han_percent(PL_STR("如何学习 123，。")), 100);
    assert_int_equal(pl_utf8_han_percent(PL_STR("how are you?")), 0);
    assert_int_equal(pl_utf8_han_percent(PL_STR("ab中文")), 50);
    assert_int_equal(pl_utf8_han_percent(PL_STR("éд中")), 33);
    assert_int_equal(pl_utf8_han_percent(PL_STR("\xff\xfe中\xe4")), 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8_decode__agrees_with_the_definition_on_all_short_sequences),
        cmocka_unit_test(utf8_decode__agrees_with_the_definition_at_all_four_byte_edges),
        cmocka_unit_test(utf8_encode__and_decode_are_inverses_for_every_scalar),
        cmocka_unit_test(utf8_valid__finds_one_bad_byte_at_any_offset),
        cmocka_unit_test(utf8_nfc__composes_and_reorders),
        cmocka_unit_test(utf8_nfc__refuses_invalid_text),
        cmocka_unit_test(utf8_is_nfc_quick__lets_only_inert_code_points_pass),
        cmocka_unit_test(utf8_is_nfc_quick__never_contradicts_full_normalisation),
        cmocka_unit_test(utf8_han_percent__counts_letters_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
