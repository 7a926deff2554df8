/* A model of names without training: every feature weighs something by its hash. It finds much, none of it
 * by sense: good for what must hold whatever the weights are. */
#ifndef NAMES_FIXTURE_H
#define NAMES_FIXTURE_H

#include "base/hash.h"
#include "engine/text/names_int.h"

#include <stdlib.h>
#include <string.h>

#define NAMES_TEST_BITS 8

static inline void names_class_put(uint8_t *classes, const char *chars, uint8_t class)
{
    for (const uint8_t *p = (const uint8_t *)chars; *p; p += 3)
        classes[(p[0] & 15) << 12 | (p[1] & 63) << 6 | (p[2] & 63)] |= class;
}

/* Weights are what `next` gives. *out is malloc'd. */
static inline pl_rc names_image_make(uint8_t (*next)(void *ctx), void *ctx, void **out, size_t *n)
{
    size_t     places = (size_t)1 << NAMES_TEST_BITS;
    uint8_t   *classes = calloc(1, NAMES_CLASSES);
    uint8_t   *pairs = calloc(1, (size_t)1 << (NAMES_PAIR_BITS - 3));
    uint8_t   *words = calloc(1, (size_t)1 << (NAMES_WORD_BITS - 3));
    uint8_t   *zh = calloc(places, 2), *en = calloc(places, 4);
    names_plan plan = { classes, pairs, words, zh, en, NAMES_TEST_BITS, NAMES_TEST_BITS,
                        { { 0.5f, 0, 1, 0.5f, -90, -90 }, { 0.5f, 0, 1, 0, 0, 0 }, { 0.5f, 0, 1, 0, 0, 0 } } };
    pl_rc      rc;

    names_class_put(classes, "王李张欧司马克里路", NAMES_SURNAME);
    names_class_put(classes, "欧司", NAMES_DOUBLE);
    names_class_put(classes, "小老阿", NAMES_PREFIX);
    names_class_put(classes, "阿克里马斯尔", NAMES_SOUND);
    names_class_put(classes, "先总哥", NAMES_HONORIFIC);
    names_class_put(classes, "号室栋", NAMES_HOUSE);
    names_class_put(classes, "冰莉", NAMES_DOUBLED);

    for (size_t i = 0; i < places * 2; i++)
        zh[i] = next(ctx);
    for (size_t i = 0; i < places * 4; i++)
        en[i] = next(ctx);
    rc = names_build(&plan, out, n, NULL);
    free(classes);
    free(pairs);
    free(words);
    free(zh);
    free(en);
    return rc;
}

#endif
