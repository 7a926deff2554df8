/* Vectors of RFC 6962 test code and of an independent Python program (recursive
 * definition), see docs/formats/ledger.md. PROVES: RFC6962/2.1
 * PROVES: RFC9162/2.1.3.2 PROVES: RFC9162/2.1.4.2 */
#include "log_test.h"

#include "engine/log/merkle_many.h"

#define MAX_LEAVES 600

/* A tree as the list of its leaf hashes; node() follows the recursive definition
 * and shares no code with the library except the two hash functions. */
typedef struct tree {
    size_t  n;
    pl_hash leaf[MAX_LEAVES];
} tree;

static pl_hash mth(const tree *t, size_t lo, size_t hi)
{
    size_t  k = 1;
    pl_hash l, r;

    if (hi - lo == 1)
        return t->leaf[lo];
    while (k * 2 < hi - lo)
        k *= 2;
    l = mth(t, lo, lo + k);
    r = mth(t, lo + k, hi);
    return pl_merkle_node(&l, &r);
}

static pl_rc tree_node(void *ctx, unsigned height, uint64_t index, pl_hash *out, pl_error *err)
{
    const tree *t = ctx;
    size_t      lo = (size_t)index << height, hi = (size_t)(index + 1) << height;

    if (hi > t->n)
        return pl_fail(err, PL_IO, "test: node outside of the tree");
    *out = mth(t, lo, hi);
    return PL_OK;
}

static pl_merkle_source source_of(tree *t)
{
    return (pl_merkle_source){ tree_node, t };
}

static tree *tree_counted(size_t n)
{
    tree *t = calloc(1, sizeof(*t));
    char  entry[32];

    assert_non_null(t);
    for (; t->n < n; t->n++) {
        int len = snprintf(entry, sizeof(entry), "plumbline-%zu", t->n);

        t->leaf[t->n] = pl_merkle_leaf((pl_str){ entry, (size_t)len });
    }
    return t;
}

#define L0 "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
#define L1 "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
#define L2 "0298d122906dcfc10892cb53a73992fc5b9f493ea4c9badb27b791b4127a7fe7"
#define L3 "07506a85fd9dd2f120eb694f86011e5bb4662e5c415a62917033d4a9624487e7"
#define L4 "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
#define L5 "4271a26be0d8a84f0bd54c8c302e7cb3a3b5d1fa6780a40bcce2873477dab658"
#define L6 "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f"
#define L7 "46f6ffadd3d06a09ff3c5860d2755c8b9819db7df44251788c7d8e3180de8eb1"
#define R0 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define R1 "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
#define R2 "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"
#define R3 "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"
#define R4 "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"
#define R5 "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"
#define R6 "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"
#define R7 "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"
#define R8 "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"

static const char *const ct_leaf_hex[8] = {
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
};
static const char *const ct_leaf_hash[8] = { L0, L1, L2, L3, L4, L5, L6, L7 };
static const char *const ct_root[9] = { R0, R1, R2, R3, R4, R5, R6, R7, R8 };
#define N23  "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
#define N67  "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
#define N45  "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
#define N4_7 "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
#define N4_6 "837dbb152e9b079010717e84e865da4ebc0fa198a806d59d31bf15accef22d0e"

static tree *tree_ct(size_t n)
{
    tree *t = calloc(1, sizeof(*t));

    assert_non_null(t);
    for (; t->n < n; t->n++) {
        uint8_t bytes[16];
        size_t  len = strlen(ct_leaf_hex[t->n]) / 2;

        lt_unhex(ct_leaf_hex[t->n], bytes, len);
        t->leaf[t->n] = pl_merkle_leaf((pl_str){ (char *)bytes, len });
        lt_assert_hash(&t->leaf[t->n], ct_leaf_hash[t->n]);
    }
    return t;
}

static void merkle_root__equals_the_vectors_of_sizes_0_to_8(void **state)
{
    pl_merkle_range r;
    tree           *t = tree_ct(8);

    (void)state;
    pl_merkle_range_init(&r);
    for (size_t n = 0; n <= 8; n++) {
        pl_merkle_source s = source_of(t);
        pl_hash          root = pl_merkle_range_root(&r);

        lt_assert_hash(&root, ct_root[n]);
        assert_rc(pl_merkle_root(&s, n, &root, NULL), PL_OK);
        lt_assert_hash(&root, ct_root[n]);
        if (n < 8)
            pl_merkle_range_append(&r, &t->leaf[n]);
    }
    free(t);
}

static void merkle_root__equals_the_vectors_around_256(void **state)
{
    static const struct {
        size_t      n;
        const char *root;
    } v[] = {
        { 255, "58fe9da7562c7c26b2704963c99e73f47fc519670dfd78e30c1e2bf7af973ee2" },
        { 256, "599f5503f8b75f05f91a91adaaba1df9261d983a968eb5250f9baa6a08b90aa2" },
        { 257, "646245870770348daf42c0a0e2876c47560916581bae7bdd404518729466decd" },
        { 300, "5bda4a6a5079073926446dd19315a4cb0d452c63e125c24c80f0e0e8fef0c897" },
    };
    tree            *t = tree_counted(300);
    pl_merkle_source s = source_of(t);

    (void)state;
    for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
        pl_hash root;

        assert_rc(pl_merkle_root(&s, v[i].n, &root, NULL), PL_OK);
        lt_assert_hash(&root, v[i].root);
    }
    free(t);
}

typedef struct proof_vector {
    uint64_t    a, b; /* index and size, or the two sizes */
    const char *h[5]; /* NULL-ended when shorter */
} proof_vector;

static void assert_proof(const pl_proof *p, const proof_vector *v)
{
    size_t n = 0;

    while (n < 5 && v->h[n] != NULL)
        n++;
    assert_int_equal(p->n, n);
    for (size_t i = 0; i < n; i++)
        lt_assert_hash(&p->h[i], v->h[i]);
}

static void merkle_inclusion__equals_the_vectors(void **state)
{
    static const proof_vector v[] = {
        { 0, 1, { NULL } },
        { 0, 8, { L1, N23, N4_7 } },
        { 5, 8, { L4, N67, R4 } },
        { 2, 3, { R2 } },
        { 1, 5, { L0, N23, L4 } },
        { 4, 5, { R4 } },
        { 5, 6, { L4, R4 } },
        { 6, 7, { N45, R4 } },
    };
    tree            *t = tree_ct(8);
    pl_merkle_source s = source_of(t);

    (void)state;
    for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
        pl_proof p;

        assert_rc(pl_merkle_inclusion(&s, v[i].a, v[i].b, &p, NULL), PL_OK);
        assert_proof(&p, &v[i]);
        assert_rc(pl_merkle_inclusion_of(t->leaf, v[i].b, v[i].a, &p, NULL), PL_OK);
        assert_proof(&p, &v[i]);
    }
    free(t);
}

static void merkle_consistency__equals_the_vectors(void **state)
{
    static const proof_vector v[] = {
        { 1, 1, { NULL } },
        { 1, 8, { L1, N23, N4_7 } },
        { 6, 8, { N45, N67, R4 } },
        { 2, 5, { N23, L4 } },
        { 7, 8, { L6, L7, N45, R4 } },
        { 4, 8, { N4_7 } },
        { 3, 7, { L2, L3, R2, N4_6 } },
        { 4, 7, { N4_6 } },
        { 6, 7, { N45, L6, R4 } },
    };
    tree            *t = tree_ct(8);
    pl_merkle_source s = source_of(t);

    (void)state;
    for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
        pl_proof p;

        assert_rc(pl_merkle_consistency(&s, v[i].a, v[i].b, &p, NULL), PL_OK);
        assert_proof(&p, &v[i]);
    }
    free(t);
}

static void merkle_proofs__equal_the_vectors_of_the_300_entry_log(void **state)
{
    static const proof_vector in = {
        299, 300,
        { "3e937f5f6b1a7e85e2a0c02e68f05926a0b68f67388a38329000f729de5d8071",
          "45f8dca54b9025c45bcacf65983bb6252e767834961ca4d43fb28abde1105492",
          "a09ae883c623bc24d81695d2736d9479a5f4b9e3c9633f5ce6a355bdd3ca637a",
          "0090b1a3d5a9047e469c1a5944388b29e0db45ff8062448a43d6127217d84431",
          "599f5503f8b75f05f91a91adaaba1df9261d983a968eb5250f9baa6a08b90aa2" },
    };
    static const proof_vector con = {
        256, 300, { "aa84b5cf9ce408785cc727f33d53a1258442e559786e9525f11931e5102630d3" },
    };
    tree            *t = tree_counted(300);
    pl_merkle_source s = source_of(t);
    pl_proof         p;

    (void)state;
    assert_rc(pl_merkle_inclusion(&s, in.a, in.b, &p, NULL), PL_OK);
    assert_proof(&p, &in);
    assert_rc(pl_merkle_consistency(&s, con.a, con.b, &p, NULL), PL_OK);
    assert_proof(&p, &con);
    free(t);
}

/* Every single-defect variant of a right proof must be refused. */
static void assert_inclusion_defects_rejected(uint64_t i, uint64_t n, const tree *t,
                                              const pl_proof *p, const pl_hash *root)
{
    for (size_t k = 0; k < p->n; k++) {
        pl_proof bad = *p;

        bad.h[k].b[(k * 7 + n) % 32] ^= (uint8_t)(1u << (i + k) % 8);
        assert_rc(pl_merkle_inclusion_verify(i, n, &t->leaf[i], &bad, root, NULL), PL_INVALID);
    }
    for (size_t cut = 0; cut < p->n; cut++) {
        pl_proof bad = *p;

        memmove(&bad.h[cut], &bad.h[cut + 1], (bad.n - cut - 1) * sizeof(bad.h[0]));
        bad.n--;
        assert_rc(pl_merkle_inclusion_verify(i, n, &t->leaf[i], &bad, root, NULL), PL_INVALID);
    }
    for (size_t at = 0; at <= p->n; at++) {
        pl_proof bad = *p;

        memmove(&bad.h[at + 1], &bad.h[at], (bad.n - at) * sizeof(bad.h[0]));
        bad.h[at] = at < p->n ? p->h[at] : *root;
        bad.n++;
        assert_rc(pl_merkle_inclusion_verify(i, n, &t->leaf[i], &bad, root, NULL), PL_INVALID);
    }
    assert_rc(pl_merkle_inclusion_verify(i + 1, n, &t->leaf[i], p, root, NULL), PL_INVALID);
    if (i > 0)
        assert_rc(pl_merkle_inclusion_verify(i - 1, n, &t->leaf[i], p, root, NULL), PL_INVALID);
}

static void merkle_inclusion__verifies_for_all_sizes_to_70_and_no_defect_does(void **state)
{
    tree            *t = tree_counted(70);
    pl_merkle_source s = source_of(t);

    (void)state;
    for (uint64_t n = 1; n <= t->n; n++) {
        pl_hash root = mth(t, 0, n);

        for (uint64_t i = 0; i < n; i++) {
            pl_proof p;

            assert_rc(pl_merkle_inclusion(&s, i, n, &p, NULL), PL_OK);
            assert_rc(pl_merkle_inclusion_verify(i, n, &t->leaf[i], &p, &root, NULL), PL_OK);
            assert_inclusion_defects_rejected(i, n, t, &p, &root);
        }
    }
    free(t);
}

static void assert_consistency_defects_rejected(uint64_t m, uint64_t n, const pl_hash *r1,
                                                const pl_hash *r2, const pl_proof *p)
{
    pl_hash other = *r1;

    for (size_t k = 0; k < p->n; k++) {
        pl_proof bad = *p;

        bad.h[k].b[(k * 5 + m) % 32] ^= (uint8_t)(1u << (n + k) % 8);
        assert_rc(pl_merkle_consistency_verify(m, n, r1, r2, &bad, NULL), PL_INVALID);
    }
    for (size_t cut = 0; cut < p->n; cut++) {
        pl_proof bad = *p;

        memmove(&bad.h[cut], &bad.h[cut + 1], (bad.n - cut - 1) * sizeof(bad.h[0]));
        bad.n--;
        assert_rc(pl_merkle_consistency_verify(m, n, r1, r2, &bad, NULL), PL_INVALID);
    }
    for (size_t at = 0; at <= p->n; at++) {
        pl_proof bad = *p;

        memmove(&bad.h[at + 1], &bad.h[at], (bad.n - at) * sizeof(bad.h[0]));
        bad.h[at] = *r2;
        bad.n++;
        assert_rc(pl_merkle_consistency_verify(m, n, r1, r2, &bad, NULL), PL_INVALID);
    }
    other.b[0] ^= 1;
    assert_rc(pl_merkle_consistency_verify(m, n, &other, r2, p, NULL), PL_INVALID);
    other = *r2;
    other.b[31] ^= 0x80;
    if (m > 0)
        assert_rc(pl_merkle_consistency_verify(m, n, r1, &other, p, NULL), PL_INVALID);
    if (m != n)
        assert_rc(pl_merkle_consistency_verify(n, m, r2, r1, p, NULL), PL_INVALID);
}

static void merkle_consistency__verifies_for_all_sizes_to_70_and_no_defect_does(void **state)
{
    tree            *t = tree_counted(70);
    pl_merkle_source s = source_of(t);
    pl_hash          roots[71];

    (void)state;
    roots[0] = lt_hash(ct_root[0]);
    for (uint64_t n = 1; n <= 70; n++)
        roots[n] = mth(t, 0, n);
    for (uint64_t n = 0; n <= 70; n++)
        for (uint64_t m = 0; m <= n; m++) {
            pl_proof p;

            assert_rc(pl_merkle_consistency(&s, m, n, &p, NULL), PL_OK);
            assert_rc(pl_merkle_consistency_verify(m, n, &roots[m], &roots[n], &p, NULL), PL_OK);
            assert_consistency_defects_rejected(m, n, &roots[m], &roots[n], &p);
        }
    free(t);
}

static void merkle_inclusion__has_no_proof_in_the_empty_tree(void **state)
{
    tree            *t = tree_counted(1);
    pl_merkle_source s = source_of(t);
    pl_proof         p = { .n = 0 };
    pl_hash          root = lt_hash(ct_root[0]);

    (void)state;
    assert_rc(pl_merkle_inclusion(&s, 0, 0, &p, NULL), PL_INVALID);
    assert_rc(pl_merkle_inclusion_verify(0, 0, &t->leaf[0], &p, &root, NULL), PL_INVALID);
    assert_rc(pl_merkle_inclusion_verify(0, 0, &root, &p, &root, NULL), PL_INVALID);
    free(t);
}

static void merkle_consistency__same_size_needs_same_root_and_no_hashes(void **state)
{
    tree    *t = tree_counted(6);
    pl_hash  a = mth(t, 0, 6), b = mth(t, 0, 5);
    pl_proof p = { .n = 0 };
    pl_error err;

    (void)state;
    assert_rc(pl_merkle_consistency_verify(6, 6, &a, &a, &p, NULL), PL_OK);
    assert_rc(pl_merkle_consistency_verify(6, 6, &a, &b, &p, &err), PL_INVALID);
    assert_string_equal(err.text, "two roots for the same size 6");
    p.n = 1;
    p.h[0] = a;
    assert_rc(pl_merkle_consistency_verify(6, 6, &a, &a, &p, NULL), PL_INVALID);
    free(t);
}

static void merkle_sizes__of_2_to_the_63_are_refused(void **state)
{
    tree            *t = tree_counted(1);
    pl_merkle_source s = source_of(t);
    pl_proof         p = { .n = 0 };
    pl_hash          h = t->leaf[0];
    const uint64_t   big = UINT64_C(1) << 63;

    (void)state;
    assert_rc(pl_merkle_root(&s, big, &h, NULL), PL_LIMIT);
    assert_rc(pl_merkle_inclusion(&s, 0, big, &p, NULL), PL_LIMIT);
    assert_rc(pl_merkle_inclusion(&s, 0, UINT64_MAX, &p, NULL), PL_LIMIT);
    assert_rc(pl_merkle_consistency(&s, 1, big, &p, NULL), PL_LIMIT);
    assert_rc(pl_merkle_inclusion_verify(0, big, &h, &p, &h, NULL), PL_INVALID);
    assert_rc(pl_merkle_consistency_verify(big, big, &h, &h, &p, NULL), PL_INVALID);
    p.n = PL_PROOF_MAX + 1;
    assert_rc(pl_merkle_inclusion_verify(0, 7, &h, &p, &h, NULL), PL_INVALID);
    assert_rc(pl_merkle_consistency_verify(3, 7, &h, &h, &p, NULL), PL_INVALID);
    free(t);
}

/* A tree of equal leaves: the hash of a complete subtree depends on its height only,
 * so trees of any size can be had without storing them. */
static pl_rc equal_node(void *ctx, unsigned height, uint64_t index, pl_hash *out, pl_error *err)
{
    (void)err;
    if (height > 62 || (index + 1) << height > UINT64_C(1) << 63)
        return PL_IO;
    *out = ((const pl_hash *)ctx)[height];
    return PL_OK;
}

static void merkle_proofs__hold_in_trees_far_beyond_32_bits(void **state)
{
    pl_hash          level[63];
    pl_merkle_source s = { equal_node, level };
    uint64_t         seed = 20260722;

    (void)state;
    level[0] = pl_merkle_leaf(PL_STR("same"));
    for (int h = 1; h < 63; h++)
        level[h] = pl_merkle_node(&level[h - 1], &level[h - 1]);
    for (int round = 0; round < 400; round++) {
        unsigned bits = 31 + (unsigned)(lt_random(&seed) % 32);
        uint64_t n = (lt_random(&seed) >> (64 - bits)) | UINT64_C(1) << (bits - 1);
        uint64_t i = lt_random(&seed) % n, m = lt_random(&seed) % n + 1;
        pl_hash  root, old;
        pl_proof p;

        n &= UINT64_MAX >> 1;
        assert_rc(pl_merkle_root(&s, n, &root, NULL), PL_OK);
        assert_rc(pl_merkle_root(&s, m, &old, NULL), PL_OK);
        assert_rc(pl_merkle_inclusion(&s, i, n, &p, NULL), PL_OK);
        assert_rc(pl_merkle_inclusion_verify(i, n, &level[0], &p, &root, NULL), PL_OK);
        p.h[p.n / 2].b[3] ^= 4;
        assert_rc(pl_merkle_inclusion_verify(i, n, &level[0], &p, &root, NULL), PL_INVALID);
        assert_rc(pl_merkle_consistency(&s, m, n, &p, NULL), PL_OK);
        assert_rc(pl_merkle_consistency_verify(m, n, &old, &root, &p, NULL), PL_OK);
        if (p.n > 0) {
            p.h[p.n - 1].b[9] ^= 1;
            assert_rc(pl_merkle_consistency_verify(m, n, &old, &root, &p, NULL), PL_INVALID);
        }
    }
}

static void merkle_range__agrees_with_the_definition_up_to_600(void **state)
{
    tree           *t = tree_counted(MAX_LEAVES);
    pl_merkle_range r;

    (void)state;
    pl_merkle_range_init(&r);
    for (size_t n = 1; n <= t->n; n++) {
        pl_hash want = mth(t, 0, n), got;

        pl_merkle_range_append(&r, &t->leaf[n - 1]);
        got = pl_merkle_range_root(&r);
        assert_int_equal(r.size, n);
        assert_true(pl_hash_equal(&want, &got));
    }
    free(t);
}

/* From every size to every size: the steps of the many are those of the definition. */
static void merkle_range_extend__agrees_with_the_definition(void **state)
{
    tree *t = tree_counted(MAX_LEAVES);

    (void)state;
    for (size_t from = 0; from < 300; from += 1 + from / 20)
        for (size_t to = from; to <= MAX_LEAVES; to += 1 + to / 9) {
            pl_merkle_range r;
            pl_hash         want = mth(t, 0, to > 0 ? to : 1), got;

            pl_merkle_range_init(&r);
            pl_merkle_range_extend(&r, t->leaf, from);
            pl_merkle_range_extend(&r, t->leaf + from, to - from);
            got = pl_merkle_range_root(&r);
            assert_int_equal(r.size, to);
            if (to > 0)
                assert_true(pl_hash_equal(&want, &got));
        }
    free(t);
}

static void merkle_complete__is_the_root_of_a_power_of_two(void **state)
{
    tree *t = tree_counted(PL_TILE_WIDTH);

    (void)state;
    for (size_t n = 1; n <= PL_TILE_WIDTH; n *= 2) {
        pl_hash want = mth(t, 0, n), got = pl_merkle_complete(t->leaf, n);

        assert_true(pl_hash_equal(&want, &got));
    }
    free(t);
}

static void merkle_leaves__are_the_leaf_hashes(void **state)
{
    static const char *const text[] = { "", "\x00", "\x10", " !", "01", "@ABC", "PQRSTUVW",
                                        "`abcdefghijklmno" };
    static const char *const want[] = {
        L0, L1, L2, L3, L4, L5, L6, L7,
    };
    pl_str  entry[8];
    pl_hash h[8];

    (void)state;
    for (size_t i = 0; i < 8; i++)
        entry[i] = (pl_str){ text[i], i < 3 ? (i > 0) : strlen(text[i]) };
    pl_merkle_leaves(entry, 8, h);
    for (size_t i = 0; i < 8; i++)
        lt_assert_hash(&h[i], want[i]);
}

static void merkle_leaf__is_not_a_node_of_the_same_bytes(void **state)
{
    pl_hash a = pl_merkle_leaf(PL_STR("a")), b = pl_merkle_leaf(PL_STR("b"));
    char    both[64];
    pl_hash leaf, node = pl_merkle_node(&a, &b);

    (void)state;
    memcpy(both, a.b, 32);
    memcpy(both + 32, b.b, 32);
    leaf = pl_merkle_leaf((pl_str){ both, sizeof(both) });
    assert_false(pl_hash_equal(&leaf, &node));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merkle_root__equals_the_vectors_of_sizes_0_to_8),
        cmocka_unit_test(merkle_root__equals_the_vectors_around_256),
        cmocka_unit_test(merkle_inclusion__equals_the_vectors),
        cmocka_unit_test(merkle_consistency__equals_the_vectors),
        cmocka_unit_test(merkle_proofs__equal_the_vectors_of_the_300_entry_log),
        cmocka_unit_test(merkle_inclusion__verifies_for_all_sizes_to_70_and_no_defect_does),
        cmocka_unit_test(merkle_consistency__verifies_for_all_sizes_to_70_and_no_defect_does),
        cmocka_unit_test(merkle_inclusion__has_no_proof_in_the_empty_tree),
        cmocka_unit_test(merkle_consistency__same_size_needs_same_root_and_no_hashes),
        cmocka_unit_test(merkle_sizes__of_2_to_the_63_are_refused),
        cmocka_unit_test(merkle_proofs__hold_in_trees_far_beyond_32_bits),
        cmocka_unit_test(merkle_range__agrees_with_the_definition_up_to_600),
        cmocka_unit_test(merkle_range_extend__agrees_with_the_definition),
        cmocka_unit_test(merkle_complete__is_the_root_of_a_power_of_two),
        cmocka_unit_test(merkle_leaves__are_the_leaf_hashes),
        cmocka_unit_test(merkle_leaf__is_not_a_node_of_the_same_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
