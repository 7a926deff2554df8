/* What the fuzz targets of this folder share: input taken apart from its front, and
 * claims that stay on in every build. */
#ifndef TEXT_FUZZ_INT_H
#define TEXT_FUZZ_INT_H

#include <plumbline/text.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CLAIM(x)                                                                                  \
    do {                                                                                          \
        if (!(x)) {                                                                               \
            fprintf(stderr, "%s:%d: claim fails: %s\n", __FILE__, __LINE__, #x);                  \
            abort();                                                                              \
        }                                                                                         \
    } while (0)

typedef struct input {
    const uint8_t *p;
    size_t         n;
} input;

static inline uint8_t take_byte(input *in)
{
    if (in->n == 0)
        return 0;
    in->n--;
    return *in->p++;
}

static inline pl_str take_bytes(input *in, size_t n)
{
    pl_str s = { (const char *)in->p, n < in->n ? n : in->n };

    in->p += s.n;
    in->n -= s.n;
    return s;
}

/* A copy that ends where its allocation ends. */
static inline char *exact_copy(const void *p, size_t n)
{
    char *copy = malloc(n ? n : 1);

    CLAIM(copy);
    if (n > 0)
        memcpy(copy, p, n);
    return copy;
}

/* Checks each finding, and adds all of them up so that two scans can be compared. */
typedef struct tally {
    uint32_t rules;
    uint64_t text_n, last_end, promised, count, sum;
} tally;

static inline int tally_add(void *ctx, const pl_text_finding *f)
{
    tally *t = ctx;

    CLAIM(f->rule < t->rules);
    CLAIM(f->start < f->end && f->end <= t->text_n);
    CLAIM(f->end >= t->last_end);
    CLAIM(f->start >= t->promised);
    t->last_end = f->end;
    t->count++;
    t->sum = ((t->sum * 31 + f->rule) * 31 + f->start) * 31 + f->end;
    return 0;
}

#endif
