/* The search index over filings.
 *
 * A text is cut into runs of letters and digits; every character of a run and every pair of
 * neighbours is a gram. For each gram the filings that have it are kept as a set, split into chunks
 * of 16384 places: one row (gram, chunk, ids), sorted 16-bit places while they are few, a bitmap
 * from then on. Facets (region, role, …) are grams too. A search reads whole sets and intersects
 * them, so that it also knows how many there are; one and two Chinese characters are looked up
 * directly, longer words are checked against the text afterwards. bench/registry has the figures
 * beside FTS5 and GIN. */
#ifndef PL_REGISTRY_INDEX_H
#define PL_REGISTRY_INDEX_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/db.h"

typedef enum registry_facet {
    FACET_REGION = 1,
    FACET_ROLE,
    FACET_TYPE,
    FACET_MONTH,
    FACET_WORKFLOW,
    FACET_STATE,
    FACET_PUBLIC
} registry_facet;

/* Normal form for searching: NFC, ASCII in lower case, full-width forms as half-width. */
void registry_fold(pl_str text, pl_buf *out);

/* What is to be put in or taken out, collected and then applied at once. */
#define REGISTRY_TERMS 64
typedef struct registry_changes {
    struct registry_change *list;
    size_t                  n, cap;
    bool                    failed; /* out of memory */
    struct {                /* values of facets met last: very many filings share few */
        registry_facet facet;
        int64_t        id;
        char           value[56];
    } term[REGISTRY_TERMS];
    size_t terms;
} registry_changes;
void registry_changes_done(registry_changes *c);
/* Grams of a folded text; text and facets of filing `seq`. */
void  registry_changes_text(registry_changes *c, int64_t seq, pl_str folded, bool is_added);
pl_rc registry_changes_facet(registry_changes *c, pl_db *db, int64_t seq, registry_facet f, pl_str value,
                             bool is_added, pl_error *err);
/* Writes them; inside the caller's transaction, which holds the registry's lock. */
pl_rc registry_changes_apply(registry_changes *c, pl_db *db, pl_error *err);

typedef struct registry_filter {
    registry_facet facet;
    pl_str         value;
} registry_filter;

/* The set of filings that have every gram of the folded query and fit every filter. */
typedef struct registry_hits {
    uint64_t *bits; /* of the arena; NULL: empty */
    size_t    words;
    size_t    count;
} registry_hits;
pl_rc registry_index_find(pl_db *db, pl_arena *a, pl_str folded_query, const registry_filter *filters,
                          size_t filter_count, registry_hits *out, pl_error *err);
/* Greatest member below `before`; -1 when there is none. */
int64_t registry_hits_below(const registry_hits *h, int64_t before);
/* Calls back with every value of a facet and how many of the hits have it. */
pl_rc registry_index_count(pl_db *db, pl_arena *a, registry_facet f, const registry_hits *h,
                           pl_rc (*fn)(void *ctx, pl_str value, size_t n, pl_error *err), void *ctx,
                           pl_error *err);
/* Whether every word of the folded query stands in the folded text. */
bool registry_words_in(pl_str query, pl_str text);
#endif
