/* A proof made of input bytes verifies only if it is the proof: no random proof leads
 * to a root, and the true proof never leads to another root. PROVES: evidence-ledger/7.22 */
#include <plumbline/log.h>
#include <stdlib.h>
#include <string.h>

#define LEAVES 97

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static pl_hash leaf[LEAVES];

static pl_hash root_of(size_t n)
{
    pl_merkle_range r;

    pl_merkle_range_init(&r);
    for (size_t i = 0; i < n; i++)
        pl_merkle_range_append(&r, &leaf[i]);
    return pl_merkle_range_root(&r);
}

static pl_proof proof_from(const uint8_t *data, size_t size)
{
    pl_proof p = { .n = 0 };

    for (; size >= 32 && p.n < PL_PROOF_MAX; data += 32, size -= 32)
        memcpy(p.h[p.n++].b, data, 32);
    return p;
}

/* Splices one input hash into a true proof. */
static void check_spliced(size_t i, size_t n, const pl_proof *random)
{
    pl_hash  root = root_of(n);
    pl_proof p;

    if (pl_merkle_inclusion_of(leaf, n, i, &p, NULL) != PL_OK ||
        pl_merkle_inclusion_verify(i, n, &leaf[i], &p, &root, NULL) != PL_OK)
        abort();
    for (size_t k = 0; k < p.n && random->n > 0; k++) {
        pl_proof bad = p;

        bad.h[k] = random->h[k % random->n];
        if (pl_hash_equal(&bad.h[k], &p.h[k]))
            continue;
        if (pl_merkle_inclusion_verify(i, n, &leaf[i], &bad, &root, NULL) == PL_OK)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pl_proof p;
    pl_hash  root, old;
    size_t   i, n;

    if (size < 18)
        return 0;
    if (leaf[0].b[0] == 0)
        for (size_t k = 0; k < LEAVES; k++)
            leaf[k] = pl_merkle_leaf((pl_str){ (const char *)&k, sizeof(k) });
    n = 2 + data[0] % (LEAVES - 2);
    i = data[1] % n;
    p = proof_from(data + 18, size - 18);
    root = root_of(n);
    old = root_of(i);
    /* Random hashes cannot hit a SHA-256 root. */
    if (p.n > 0 && pl_merkle_inclusion_verify(i, n, &leaf[i], &p, &root, NULL) == PL_OK)
        abort();
    if (p.n > 0 && i > 0 && pl_merkle_consistency_verify(i, n, &old, &root, &p, NULL) == PL_OK)
        abort();
    check_spliced(i, n, &p);

    /* Sizes from the input as they are: never a crash, never acceptance. */
    memcpy(&i, data + 2, 8);
    memcpy(&n, data + 10, 8);
    if (pl_merkle_inclusion_verify(i, n, &leaf[0], &p, &root, NULL) == PL_OK)
        abort();
    if (i != 0 && i != n && pl_merkle_consistency_verify(i, n, &old, &root, &p, NULL) == PL_OK)
        abort();
    return 0;
}
