/* Likeness of texts: 64-bit SimHash and MinHash signatures over character shingles of the folded
 * text: case, width, invisible characters, blanks and punctuation do not count. Traditional and
 * simplified characters are different ones.
 *
 * Sources: Charikar 2002 (SimHash); Broder 1997 (MinHash); Li, Owen, Zhang 2012 (one permutation
 * hashing) with optimal densification (Shrivastava 2017). All functions are pure.
 */
#ifndef PL_ENGINE_TEXT_LIKENESS_H
#define PL_ENGINE_TEXT_LIKENESS_H

#include <plumbline/base.h>

enum { PL_MINHASH_SLOTS = 128, PL_SHINGLE_CHARS = 5 };

typedef struct pl_minhash {
    uint32_t slot[PL_MINHASH_SLOTS];
    uint32_t shingles; /* distinct or not; 0: the text is empty, nothing can be said */
} pl_minhash;

uint64_t pl_simhash(pl_str text);
unsigned pl_simhash_distance(uint64_t a, uint64_t b); /* bits that differ, 0 … 64 */
void     pl_minhash_of(pl_str text, pl_minhash *out);
/* Estimated Jaccard similarity, 0 … 1. */
double pl_minhash_similarity(const pl_minhash *a, const pl_minhash *b);

#endif
