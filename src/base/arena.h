/* Arena: everything of one request or job, freed at once, with a byte limit.
 * Debug builds (PL_ARENA_DEBUG) allocate each piece separately so that ASan and
 * Valgrind see the edges. */
#ifndef PL_BASE_ARENA_H
#define PL_BASE_ARENA_H

#include <plumbline/base.h>

typedef struct pl_arena pl_arena;

pl_arena *pl_arena_new(size_t limit); /* NULL when out of memory */
void      pl_arena_free(pl_arena *a); /* runs deferred calls in reverse order */
void     *pl_arena_alloc(pl_arena *a, size_t n); /* zeroed, 16-aligned; NULL at the limit */
char     *pl_arena_dup(pl_arena *a, pl_str s);   /* NUL-terminated; NULL at the limit */
char     *pl_arena_printf(pl_arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
pl_rc     pl_arena_defer(pl_arena *a, void (*fn)(void *), void *arg);
size_t    pl_arena_used(const pl_arena *a);
#endif
