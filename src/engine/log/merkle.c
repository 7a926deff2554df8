/* Merkle tree of RFC 6962 §2.1. Ranges are walked top-down with a bounded path, so
 * nothing recurses on the size of the tree. */
#include "base/banned.h"

#include "base/hash.h"

#include <openssl/crypto.h>
#include <plumbline/log.h>
#include <stdbool.h>

/* Readers in Go, JavaScript and protobuf use signed 64-bit numbers. */
#define SIZE_LIMIT (UINT64_C(1) << 63)

/* A tree below SIZE_LIMIT is at most this deep. */
#define DEPTH_MAX 63

/* REQ: RFC6962/2.1 */
pl_hash pl_merkle_leaf(pl_str entry)
{
    static const uint8_t prefix = 0x00;
    pl_sha256            s;
    pl_hash              out;

    pl_sha256_init(&s);
    pl_sha256_update(&s, &prefix, 1);
    pl_sha256_update(&s, entry.p, entry.n);
    pl_sha256_final(&s, out.b);
    return out;
}

pl_hash pl_merkle_node(const pl_hash *left, const pl_hash *right)
{
    static const uint8_t prefix = 0x01;
    pl_sha256            s;
    pl_hash              out;

    pl_sha256_init(&s);
    pl_sha256_update(&s, &prefix, 1);
    pl_sha256_update(&s, left->b, sizeof(left->b));
    pl_sha256_update(&s, right->b, sizeof(right->b));
    pl_sha256_final(&s, out.b);
    return out;
}

static pl_hash empty_root(void)
{
    pl_hash out;

    pl_sha256_of(PL_STR(""), out.b);
    return out;
}

int pl_hash_equal(const pl_hash *a, const pl_hash *b)
{
    return CRYPTO_memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

/* --- compact range --------------------------------------------------------------------- */

void pl_merkle_range_init(pl_merkle_range *r)
{
    r->size = 0;
    memset(r->node, 0, sizeof(r->node));
}

void pl_merkle_range_append(pl_merkle_range *r, const pl_hash *leaf)
{
    pl_hash  h = *leaf;
    unsigned l = 0;

    for (; r->size >> l & 1; l++)
        h = pl_merkle_node(&r->node[l], &h);
    r->node[l] = h;
    r->size++;
}

pl_hash pl_merkle_range_root(const pl_merkle_range *r)
{
    pl_hash root = empty_root();
    bool    any = false;

    for (unsigned l = 0; l < 64; l++) {
        if (!(r->size >> l & 1))
            continue;
        root = any ? pl_merkle_node(&r->node[l], &root) : r->node[l];
        any = true;
    }
    return root;
}

/* --- proofs ---------------------------------------------------------------------------- */

static unsigned floor_log2(uint64_t v)
{
    return 63U - (unsigned)__builtin_clzll(v);
}

/* The largest power of two strictly smaller than n; n > 1. */
static uint64_t split_point(uint64_t n)
{
    return UINT64_C(1) << floor_log2(n - 1);
}

/* MTH over [lo, hi), hi > lo, where lo is a multiple of every complete subtree the
 * range splits into: true for all ranges a proof names. */
static pl_rc range_hash(const pl_merkle_source *s, uint64_t lo, uint64_t hi, pl_hash *out,
                        pl_error *err)
{
    pl_hash  part[64];
    unsigned n = 0;
    pl_hash  h;

    for (uint64_t left = hi - lo; left != 0;) {
        unsigned height = floor_log2(left);
        pl_rc    rc = s->node(s->ctx, height, lo >> height, &part[n], err);

        if (rc != PL_OK)
            return rc;
        n++;
        lo += UINT64_C(1) << height;
        left -= UINT64_C(1) << height;
    }
    h = part[--n];
    while (n > 0)
        h = pl_merkle_node(&part[--n], &h);
    *out = h;
    return PL_OK;
}

pl_rc pl_merkle_root(const pl_merkle_source *s, uint64_t size, pl_hash *out, pl_error *err)
{
    if (size >= SIZE_LIMIT)
        return pl_fail(err, PL_LIMIT, "tree size is 2^63 or more");
    if (size == 0) {
        *out = empty_root();
        return PL_OK;
    }
    return range_hash(s, 0, size, out, err);
}

/* The siblings met on the way down; a proof lists them from the leaf upward. */
typedef struct descent {
    unsigned n;
    struct {
        uint64_t lo, hi;
    } sibling[DEPTH_MAX];
} descent;

static void descent_push(descent *d, uint64_t lo, uint64_t hi)
{
    d->sibling[d->n].lo = lo;
    d->sibling[d->n].hi = hi;
    d->n++;
}

static pl_rc descent_collect(const pl_merkle_source *s, const descent *d, pl_proof *p,
                             pl_error *err)
{
    for (unsigned i = d->n; i-- > 0;) {
        pl_rc rc;

        if (p->n == PL_PROOF_MAX)
            return pl_fail(err, PL_LIMIT, "proof would need more than %d hashes", PL_PROOF_MAX);
        rc = range_hash(s, d->sibling[i].lo, d->sibling[i].hi, &p->h[p->n], err);
        if (rc != PL_OK)
            return rc;
        p->n++;
    }
    return PL_OK;
}

pl_rc pl_merkle_inclusion(const pl_merkle_source *s, uint64_t index, uint64_t size, pl_proof *out,
                          pl_error *err)
{
    descent  d = { .n = 0 };
    pl_proof p = { .n = 0 };
    uint64_t lo = 0, hi = size;
    pl_rc    rc;

    if (size >= SIZE_LIMIT)
        return pl_fail(err, PL_LIMIT, "tree size is 2^63 or more");
    if (index >= size)
        return pl_fail(err, PL_INVALID, "index %llu is outside a tree of size %llu",
                       (unsigned long long)index, (unsigned long long)size);
    while (hi - lo > 1) {
        uint64_t mid = lo + split_point(hi - lo);

        if (index < mid) {
            descent_push(&d, mid, hi);
            hi = mid;
        } else {
            descent_push(&d, lo, mid);
            lo = mid;
        }
    }
    rc = descent_collect(s, &d, &p, err);
    if (rc == PL_OK)
        *out = p;
    return rc;
}

pl_rc pl_merkle_consistency(const pl_merkle_source *s, uint64_t old_size, uint64_t size,
                            pl_proof *out, pl_error *err)
{
    descent  d = { .n = 0 };
    pl_proof p = { .n = 0 };
    uint64_t lo = 0, hi = size;
    pl_rc    rc = PL_OK;

    if (size >= SIZE_LIMIT)
        return pl_fail(err, PL_LIMIT, "tree size is 2^63 or more");
    if (old_size > size)
        return pl_fail(err, PL_INVALID, "old size %llu is larger than size %llu",
                       (unsigned long long)old_size, (unsigned long long)size);
    if (old_size == 0 || old_size == size) {
        *out = p;
        return PL_OK;
    }
    while (hi != old_size) {
        uint64_t mid = lo + split_point(hi - lo);

        if (old_size <= mid) {
            descent_push(&d, mid, hi);
            hi = mid;
        } else {
            descent_push(&d, lo, mid);
            lo = mid;
        }
    }
    /* The verifier knows the old root, so it is left out when it is this subtree. */
    if (lo != 0) {
        rc = range_hash(s, lo, hi, &p.h[0], err);
        p.n = 1;
    }
    if (rc == PL_OK)
        rc = descent_collect(s, &d, &p, err);
    if (rc == PL_OK)
        *out = p;
    return rc;
}

/* --- verification (RFC 9162 §2.1.3.2 and §2.1.4.2) ------------------------------------- */

/* Where the walk stands: fn is the node on the path, sn the last node of its level. */
typedef struct climb {
    uint64_t fn, sn;
} climb;

/* Whether the next hash is a left sibling. */
static bool climb_joins_left(const climb *c)
{
    return (c->fn & 1) || c->fn == c->sn;
}

static void climb_step(climb *c)
{
    /* A lone right node is promoted: skip the levels where it has no sibling. */
    if (c->fn == c->sn)
        while (c->fn != 0 && !(c->fn & 1)) {
            c->fn >>= 1;
            c->sn >>= 1;
        }
    c->fn >>= 1;
    c->sn >>= 1;
}

/* REQ: RFC9162/2.1.3.2 REQ: evidence-ledger/7.22 */
pl_rc pl_merkle_inclusion_verify(uint64_t index, uint64_t size, const pl_hash *leaf,
                                 const pl_proof *p, const pl_hash *root, pl_error *err)
{
    climb   c = { index, size - 1 };
    pl_hash r = *leaf;

    if (size >= SIZE_LIMIT || index >= size)
        return pl_fail(err, PL_INVALID, "index %llu is outside a tree of size %llu",
                       (unsigned long long)index, (unsigned long long)size);
    if (p->n > PL_PROOF_MAX)
        return pl_fail(err, PL_INVALID, "inclusion proof has more than %d hashes", PL_PROOF_MAX);
    for (size_t i = 0; i < p->n; i++) {
        if (c.sn == 0)
            return pl_fail(err, PL_INVALID, "inclusion proof has too many hashes");
        r = climb_joins_left(&c) ? pl_merkle_node(&p->h[i], &r) : pl_merkle_node(&r, &p->h[i]);
        climb_step(&c);
    }
    if (c.sn != 0)
        return pl_fail(err, PL_INVALID, "inclusion proof has too few hashes");
    if (!pl_hash_equal(&r, root))
        return pl_fail(err, PL_INVALID, "inclusion proof leads to another root");
    return PL_OK;
}

/* The cases where no hash may be in the proof; PL_LIMIT stands for "not one of them". */
static pl_rc consistency_trivial(uint64_t old_size, uint64_t size, const pl_hash *old_root,
                                 const pl_hash *root, const pl_proof *p, pl_error *err)
{
    pl_hash empty = empty_root();

    if (old_size != 0 && old_size != size)
        return p->n == 0 ? pl_fail(err, PL_INVALID, "consistency proof is empty") : PL_LIMIT;
    if (p->n != 0)
        return pl_fail(err, PL_INVALID, "consistency proof must be empty between these sizes");
    if (old_size == 0 && !pl_hash_equal(old_root, &empty))
        return pl_fail(err, PL_INVALID, "root of the empty tree is wrong");
    if (old_size == size && !pl_hash_equal(old_root, root))
        return pl_fail(err, PL_INVALID, "two roots for the same size %llu",
                       (unsigned long long)size);
    return PL_OK;
}

/* REQ: RFC9162/2.1.4.2 */
pl_rc pl_merkle_consistency_verify(uint64_t old_size, uint64_t size, const pl_hash *old_root,
                                   const pl_hash *root, const pl_proof *p, pl_error *err)
{
    climb   c = { old_size - 1, size - 1 };
    size_t  i = 0;
    pl_hash fr, sr;
    pl_rc   rc;

    if (size >= SIZE_LIMIT)
        return pl_fail(err, PL_INVALID, "tree size is 2^63 or more");
    if (old_size > size)
        return pl_fail(err, PL_INVALID, "old size %llu is larger than size %llu",
                       (unsigned long long)old_size, (unsigned long long)size);
    if (p->n > PL_PROOF_MAX)
        return pl_fail(err, PL_INVALID, "consistency proof has more than %d hashes", PL_PROOF_MAX);
    rc = consistency_trivial(old_size, size, old_root, root, p, err);
    if (rc != PL_LIMIT)
        return rc;

    fr = sr = (old_size & (old_size - 1)) == 0 ? *old_root : p->h[i++];
    for (; c.fn & 1; c.fn >>= 1)
        c.sn >>= 1;
    for (; i < p->n; i++) {
        if (c.sn == 0)
            return pl_fail(err, PL_INVALID, "consistency proof has too many hashes");
        if (climb_joins_left(&c)) {
            fr = pl_merkle_node(&p->h[i], &fr);
            sr = pl_merkle_node(&p->h[i], &sr);
        } else {
            sr = pl_merkle_node(&sr, &p->h[i]);
        }
        climb_step(&c);
    }
    if (c.sn != 0)
        return pl_fail(err, PL_INVALID, "consistency proof has too few hashes");
    if (!pl_hash_equal(&fr, old_root))
        return pl_fail(err, PL_INVALID, "consistency proof leads to another old root");
    if (!pl_hash_equal(&sr, root))
        return pl_fail(err, PL_INVALID, "consistency proof leads to another root");
    return PL_OK;
}

/* --- trees in memory ------------------------------------------------------------------- */

static pl_rc list_node(void *ctx, unsigned height, uint64_t index, pl_hash *out, pl_error *err)
{
    const pl_hash  *leaf = (const pl_hash *)ctx + (index << height);
    pl_merkle_range r;

    (void)err;
    pl_merkle_range_init(&r);
    for (uint64_t i = 0; i < UINT64_C(1) << height; i++)
        pl_merkle_range_append(&r, &leaf[i]);
    *out = pl_merkle_range_root(&r);
    return PL_OK;
}

pl_rc pl_merkle_inclusion_of(const pl_hash *leaves, size_t count, size_t index, pl_proof *out,
                             pl_error *err)
{
    pl_merkle_source s = { list_node, (void *)(uintptr_t)leaves };

    return pl_merkle_inclusion(&s, index, count, out, err);
}
