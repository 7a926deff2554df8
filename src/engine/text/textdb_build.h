/* From the items of a builder to sorted literals. Shared by textdb_build.c, which keeps what it is
 * given and writes the file, and textdb_sort.c, which brings it in order. */
#ifndef PL_ENGINE_TEXT_TEXTDB_BUILD_H
#define PL_ENGINE_TEXT_TEXTDB_BUILD_H

#include <plumbline/base.h>
#include <stdbool.h>

/* A keyword, a part or an exception. */
typedef struct pl_text_item {
    uint64_t key;   /* its first units, to compare by                    */
    uint32_t at;    /* bytes into the units                              */
    uint32_t looks; /* bytes into the looks, or NO_LOOKS                 */
    uint32_t owner; /* rule, or set                                      */
    uint8_t  n;     /* units                                             */
    uint8_t  flags; /* pl_keyword_flags and ENTRY_KIND                   */
    uint8_t  wait;
} pl_text_item;

typedef struct pl_text_items {
    pl_text_item  *list;
    size_t         count;
    const uint8_t *units, *looks;
    bool           exact;
} pl_text_items;

/* Sorted items, and the distinct unit sequences among them. */
typedef struct pl_text_literals {
    const pl_text_items *items;
    uint32_t            *first; /* item of each literal; one more at the end */
    uint32_t             count, unit_count, look_count;
    void                *image; /* the set for the block scanner             */
    size_t               image_n;
} pl_text_literals;

/* Where the arrays of a database go. */
typedef struct pl_text_image {
    uint8_t *ends, *firsts, *entries, *looks, *units;
} pl_text_image;

/* Sorts the items in place, keeps each once (count shrinks), and finds out who waits for whom. */
pl_rc pl_text_literals_make(pl_text_items *items, pl_text_literals *out, pl_error *err);
void  pl_text_literals_write(const pl_text_literals *l, const pl_text_image *to);
void  pl_text_literals_done(pl_text_literals *l);

#endif
