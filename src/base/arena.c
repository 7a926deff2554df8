#include "base/banned.h"

#include "base/arena.h"

#include <stddef.h>

#define ALIGNMENT   16u
#define CHUNK_FIRST 4096u
#define CHUNK_MAX   (256u << 10)

typedef struct arena_chunk {
    struct arena_chunk *next;
    size_t              used, size;
    max_align_t         bytes[];
} arena_chunk;

typedef struct arena_defer {
    struct arena_defer *next;
    void (*fn)(void *);
    void *arg;
} arena_defer;

struct pl_arena {
    arena_chunk *chunks; /* the newest first; only it is filled further */
    arena_defer *defers; /* the newest first                            */
    size_t       limit, used;
};

_Static_assert(offsetof(arena_chunk, bytes) % ALIGNMENT == 0, "chunk payload must be aligned");

pl_arena *pl_arena_new(size_t limit)
{
    pl_arena *a = calloc(1, sizeof *a);

    if (a != NULL)
        a->limit = limit;
    return a;
}

void pl_arena_free(pl_arena *a)
{
    if (a == NULL)
        return;
    while (a->defers != NULL) {
        arena_defer *d = a->defers;

        a->defers = d->next;
        d->fn(d->arg);
        free(d);
    }
    while (a->chunks != NULL) {
        arena_chunk *c = a->chunks;

        a->chunks = c->next;
        free(c);
    }
    free(a);
}

static arena_chunk *chunk_add(pl_arena *a, size_t size)
{
    arena_chunk *c;

    if (size > SIZE_MAX - sizeof *c)
        return NULL;
    c = malloc(sizeof *c + size);
    if (c == NULL)
        return NULL;
    c->next = a->chunks;
    c->used = 0;
    c->size = size;
    a->chunks = c;
    return c;
}

#ifdef PL_ARENA_DEBUG

static void *take(pl_arena *a, size_t n)
{
    /* Exactly n bytes: the next byte belongs to a red zone. */
    arena_chunk *c = chunk_add(a, n);

    return c != NULL ? c->bytes : NULL;
}

#else

static void *take(pl_arena *a, size_t n)
{
    arena_chunk *c = a->chunks;
    size_t       size = c != NULL ? c->size * 2 : CHUNK_FIRST;
    void        *p;

    n = (n + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (c == NULL || c->size - c->used < n) {
        if (size > CHUNK_MAX)
            size = CHUNK_MAX;
        c = chunk_add(a, n > size ? n : size);
        if (c == NULL)
            return NULL;
    }
    p = (char *)c->bytes + c->used;
    c->used += n;
    return p;
}

#endif

void *pl_arena_alloc(pl_arena *a, size_t n)
{
    void *p;

    if (n == 0)
        n = 1;
    if (n > a->limit || a->used > a->limit - n || n > SIZE_MAX - ALIGNMENT)
        return NULL;
    p = take(a, n);
    if (p == NULL)
        return NULL;
    a->used += n;
    return memset(p, 0, n);
}

char *pl_arena_dup(pl_arena *a, pl_str s)
{
    char *z = s.n < SIZE_MAX ? pl_arena_alloc(a, s.n + 1) : NULL;

    if (z != NULL && s.n > 0)
        memcpy(z, s.p, s.n);
    return z;
}

char *pl_arena_printf(pl_arena *a, const char *fmt, ...)
{
    va_list ap;
    char   *z;
    int     n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        return NULL;
    z = pl_arena_alloc(a, (size_t)n + 1);
    if (z == NULL)
        return NULL;
    va_start(ap, fmt);
    (void)vsnprintf(z, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return z;
}

pl_rc pl_arena_defer(pl_arena *a, void (*fn)(void *), void *arg)
{
    arena_defer *d = malloc(sizeof *d);

    if (d == NULL)
        return PL_NOMEM;
    *d = (arena_defer){ a->defers, fn, arg };
    a->defers = d;
    return PL_OK;
}

size_t pl_arena_used(const pl_arena *a)
{
    return a->used;
}
