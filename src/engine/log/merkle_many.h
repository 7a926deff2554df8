/* Many hashes of a Merkle tree at once (base/hash.h, pl_sha256_many). The same values as
 * pl_merkle_leaf and pl_merkle_node give one at a time. */
#ifndef PL_ENGINE_LOG_MERKLE_MANY_H
#define PL_ENGINE_LOG_MERKLE_MANY_H

#include <plumbline/log.h>

/* out[i] = leaf hash of entry[i]. */
void pl_merkle_leaves(const pl_str *entry, size_t count, pl_hash *out);
/* Root of the complete subtree over `count` hashes; count is a power of two up to
 * PL_TILE_WIDTH. */
pl_hash pl_merkle_complete(const pl_hash *h, size_t count);
/* pl_merkle_range_append for each of them. */
void pl_merkle_range_extend(pl_merkle_range *r, const pl_hash *leaf, size_t count);
#endif
