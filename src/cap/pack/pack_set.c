#include "base/banned.h"

#include "base/hash.h"
#include "cap/pack/pack_int.h"

/* Open addressing over the first half of SHA-256: nobody can make two texts collide, and no
 * text needs to be kept. */

#define KEY 16

typedef struct slot {
    uint8_t  key[KEY];
    uint64_t number; /* 0: the slot is free */
} slot;

struct pack_set {
    slot  *slots;
    size_t cap, n; /* cap is a power of two */
};

pack_set *pack_set_new(void)
{
    pack_set *s = calloc(1, sizeof *s);

    if (s == NULL)
        return NULL;
    s->cap = 1024;
    s->slots = calloc(s->cap, sizeof *s->slots);
    if (s->slots == NULL) {
        free(s);
        return NULL;
    }
    return s;
}

void pack_set_free(pack_set *s)
{
    if (s != NULL)
        free(s->slots);
    free(s);
}

static slot *find(slot *slots, size_t cap, const uint8_t key[KEY])
{
    uint64_t h;
    size_t   i;

    memcpy(&h, key, sizeof h);
    for (i = h & (cap - 1); slots[i].number && memcmp(slots[i].key, key, KEY) != 0;)
        i = (i + 1) & (cap - 1);
    return &slots[i];
}

static bool grow(pack_set *s)
{
    size_t cap = s->cap * 2;
    slot  *bigger = calloc(cap, sizeof *bigger);

    if (bigger == NULL)
        return false;
    for (size_t i = 0; i < s->cap; i++)
        if (s->slots[i].number)
            *find(bigger, cap, s->slots[i].key) = s->slots[i];
    free(s->slots);
    s->slots = bigger;
    s->cap = cap;
    return true;
}

bool pack_set_put(pack_set *s, pl_str text, uint64_t number, uint64_t *seen)
{
    uint8_t sum[32];
    slot   *at;

    *seen = 0;
    if (s->n * 4 >= s->cap * 3 && !grow(s))
        return false;
    pl_sha256_of(text, sum);
    at = find(s->slots, s->cap, sum);
    if (at->number > 0) {
        *seen = at->number;
        return true;
    }
    memcpy(at->key, sum, KEY);
    at->number = number;
    s->n++;
    return true;
}

uint64_t pack_set_find(const pack_set *s, pl_str text)
{
    uint8_t sum[32];

    pl_sha256_of(text, sum);
    return find(s->slots, s->cap, sum)->number;
}
