/* A set of literals and the fast block scanner for it.
 *
 * Two kinds: over bytes (exact search) and over 16-bit units (cells, see cell.h). A set is an
 * immutable image, position independent, made by pl_lits_build and used in place after
 * pl_lits_open has checked everything a scan will rely on. Scans report every occurrence of
 * every literal, overlapping ones too, in rising order of end, longest first at equal ends.
 *
 * The image is deterministic: the same array of literals gives the same bytes. Scans choose
 * AVX-512, AVX2 or portable code at run time; all give equal results.
 */
#ifndef PL_ENGINE_TEXT_LITS_H
#define PL_ENGINE_TEXT_LITS_H

#include <plumbline/base.h>

enum { PL_LITS_LENGTH_MAX = 256 }; /* bytes or units of one literal */

typedef enum pl_lits_kind { PL_LITS_BYTES = 1, PL_LITS_UNITS = 2 } pl_lits_kind;

typedef struct pl_lits pl_lits;

/* One literal: n bytes, or n units at `p` (2-aligned). Its number is its place in the array;
 * equal literals are refused. */
typedef struct pl_lit {
    const void *p;
    uint32_t    n;
} pl_lit;

pl_rc pl_lits_build(pl_lits_kind kind, const pl_lit *lits, size_t count, void **image, size_t *n,
                    pl_error *err);
/* `image` 64-aligned, outlives the result. Hostile bytes give PL_INVALID, never a crash later. */
pl_rc pl_lits_open(pl_str image, pl_lits **out, pl_error *err);
void  pl_lits_free(pl_lits *l);

/* Literal number `lit` ends before index `end` (bytes or units). Non-zero stops the scan. */
typedef int (*pl_lits_emit_fn)(void *ctx, uint32_t lit, size_t end);

void pl_lits_scan_bytes(const pl_lits *l, pl_str text, pl_lits_emit_fn emit, void *ctx);
void pl_lits_scan_units(const pl_lits *l, const uint16_t *units, size_t n, pl_lits_emit_fn emit,
                        void *ctx);

/* Which code path runs: 0 best the processor has, 1 portable, 2 AVX2, 3 AVX-512. For tests and
 * benchmarks; PL_INVALID when the processor lacks it. */
pl_rc pl_lits_path_set(int path, pl_error *err);
int   pl_lits_path(void);

#endif
