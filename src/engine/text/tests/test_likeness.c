#include "engine/text/likeness.h"
#include "pl_test.h"

#include <math.h>

static uint64_t next_random(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s;
}

static pl_str z(const char *s)
{
    return (pl_str){ s, strlen(s) };
}

static void likeness__does_not_see_case_width_blanks_and_punctuation(void **state)
{
    static const char *const pairs[][2] = {
        { "The quick brown fox.", "  THE quick, brown -- FOX\n" },
        { "plumb line 42", "ｐｌｕｍｂ　ｌｉｎｅ　４２" },
        { "准绳是一个治理系统", "准绳，是一个“治理系统”。" },
        { "准绳是一个治理系统", "准\xe2\x80\x8b绳是一个治 理系统" },
        { "four", "f.o.u.r" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        pl_minhash a, b;

        pl_minhash_of(z(pairs[i][0]), &a);
        pl_minhash_of(z(pairs[i][1]), &b);
        assert_memory_equal(&a, &b, sizeof a);
        assert_true(pl_simhash(z(pairs[i][0])) == pl_simhash(z(pairs[i][1])));
        assert_true(pl_minhash_similarity(&a, &b) == 1.0);
    }
}

static void likeness__of_nothing_is_nothing(void **state)
{
    pl_minhash a, b;

    (void)state;
    pl_minhash_of(z(" ... "), &a);
    pl_minhash_of(z(""), &b);
    assert_int_equal(a.shingles, 0);
    assert_true(pl_minhash_similarity(&a, &b) == 0);
    assert_true(pl_simhash(z("")) == 0);
}

static void minhash__counts_shingles(void **state)
{
    static const struct {
        const char *text;
        uint32_t    shingles;
    } cases[] = { { "abc", 1 }, { "abcde", 1 }, { "abcdef", 2 }, { "a b c d e f g", 3 },
                  { "一二三四五六", 2 } };
    pl_minhash m;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pl_minhash_of(z(cases[i].text), &m);
        assert_int_equal(m.shingles, cases[i].shingles);
    }
}

/* True similarity counted from the sets of shingles themselves. */
static int by_text(const void *a, const void *b)
{
    return memcmp(a, b, PL_SHINGLE_CHARS);
}

static size_t shingles_of(const char *text, size_t n, char (*out)[PL_SHINGLE_CHARS])
{
    size_t count = n - PL_SHINGLE_CHARS + 1, distinct = 0;

    for (size_t i = 0; i < count; i++)
        memcpy(out[i], text + i, PL_SHINGLE_CHARS);
    qsort(out, count, PL_SHINGLE_CHARS, by_text);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || by_text(out[i], out[distinct - 1]) != 0)
            memmove(out[distinct++], out[i], PL_SHINGLE_CHARS);
    return distinct;
}

static double true_jaccard(const char *a, const char *b, size_t n)
{
    static char sa[4096][PL_SHINGLE_CHARS], sb[4096][PL_SHINGLE_CHARS];
    size_t      na = shingles_of(a, n, sa), nb = shingles_of(b, n, sb), both = 0;

    for (size_t i = 0, j = 0; i < na && j < nb;) {
        int c = by_text(sa[i], sb[j]);

        both += c == 0;
        i += c <= 0;
        j += c >= 0;
    }
    return (double)both / (double)(na + nb - both);
}

static void random_text(uint64_t *s, char *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (char)('a' + next_random(s) % 26);
}

/* With 128 slots the standard error is sqrt(J(1-J)/128), at most 0.045; five of them are
 * 0.22, and over 300 pairs the mean of the errors must vanish. Short texts leave slots empty,
 * which densification fills at the price of more variance. */
static void minhash__estimates_jaccard_without_bias(void **state)
{
    static const size_t sizes[] = { 60, 300, 2000 };
    uint64_t            s = 20240607;

    (void)state;
    for (size_t k = 0; k < 3; k++) {
        double bias = 0, worst = 0, bound = sizes[k] < 100 ? 0.35 : 0.22;

        for (int round = 0; round < 300; round++) {
            char       a[2000], b[2000];
            size_t     n = sizes[k], change = (size_t)(next_random(&s) % n);
            pl_minhash ma, mb;
            double     error;

            random_text(&s, a, n);
            memcpy(b, a, n);
            random_text(&s, b, change);
            pl_minhash_of((pl_str){ a, n }, &ma);
            pl_minhash_of((pl_str){ b, n }, &mb);
            error = pl_minhash_similarity(&ma, &mb) - true_jaccard(a, b, n);
            bias += error / 300;
            worst = fabs(error) > worst ? fabs(error) : worst;
        }
        if (fabs(bias) > 0.015 || worst > bound)
            fail_msg("texts of %zu: bias %.4f, worst %.4f", sizes[k], bias, worst);
    }
}

static void simhash__of_one_shingle_repeated_is_its_hash(void **state)
{
    size_t n = 200000; /* beyond what the bit planes hold at once */
    char  *text = malloc(n);

    (void)state;
    memset(text, 'x', n);
    assert_true(pl_simhash((pl_str){ text, n }) == pl_simhash(z("xxxxx")));
    free(text);
}

/* The majority of three equal shares: by bits, from the hashes of the shares alone. */
static void simhash__is_the_majority_of_its_shingles(void **state)
{
    uint64_t a = pl_simhash(z("abcde")), b = pl_simhash(z("bcdef")), c = pl_simhash(z("cdefg"));

    (void)state;
    assert_true(pl_simhash(z("abcdefg")) == ((a & b) | (a & c) | (b & c)));
}

static void simhash__tells_near_from_far(void **state)
{
    uint64_t s = 77;
    unsigned near_most = 0, far_least = 64;

    (void)state;
    for (int round = 0; round < 200; round++) {
        char     a[1000], b[1000];
        uint64_t ha;

        random_text(&s, a, sizeof a);
        memcpy(b, a, sizeof b);
        b[next_random(&s) % sizeof b] = 'q';
        ha = pl_simhash((pl_str){ a, sizeof a });
        if (pl_simhash_distance(ha, pl_simhash((pl_str){ b, sizeof b })) > near_most)
            near_most = pl_simhash_distance(ha, pl_simhash((pl_str){ b, sizeof b }));
        random_text(&s, b, sizeof b);
        if (pl_simhash_distance(ha, pl_simhash((pl_str){ b, sizeof b })) < far_least)
            far_least = pl_simhash_distance(ha, pl_simhash((pl_str){ b, sizeof b }));
    }
    if (near_most > 10 || far_least < 14)
        fail_msg("near at most %u, far at least %u", near_most, far_least);
    assert_int_equal(pl_simhash_distance(0xff00, 0x0ff0), 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(likeness__does_not_see_case_width_blanks_and_punctuation),
        cmocka_unit_test(likeness__of_nothing_is_nothing),
        cmocka_unit_test(minhash__counts_shingles),
        cmocka_unit_test(minhash__estimates_jaccard_without_bias),
        cmocka_unit_test(simhash__of_one_shingle_repeated_is_its_hash),
        cmocka_unit_test(simhash__is_the_majority_of_its_shingles),
        cmocka_unit_test(simhash__tells_near_from_far),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
