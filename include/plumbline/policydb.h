/* The compiled policy database: one file that carries everything a gateway
 * worker needs to judge, mapped read-only and shared by all processes.
 *
 * Layout (docs/formats/policy-database.md): a 64-byte little-endian header, a
 * section table, sections at 64-byte aligned offsets, no pointers. The checksum
 * covers every byte after the header. Files are replaced by rename, never
 * written in place. The same packs compile to the same bytes.
 */
#ifndef PLUMBLINE_POLICYDB_H
#define PLUMBLINE_POLICYDB_H

#include <plumbline/base.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PL_POLICYDB_VERSION 1u
#define PL_POLICYDB_ALIGN   64u

/* Section tags, four ASCII letters read as a little-endian number. */
#define PL_SECTION(a, b, c, d)                                                                     \
    ((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16 | (uint32_t)(d) << 24)
#define PL_SECTION_TEXT   PL_SECTION('T', 'E', 'X', 'T') /* pl_textdb               */
#define PL_SECTION_MODEL  PL_SECTION('M', 'O', 'D', 'L') /* classifier: docs/formats/model.md */
#define PL_SECTION_NAMES  PL_SECTION('N', 'A', 'M', 'E') /* names, addresses: docs/formats/names.md */
#define PL_SECTION_PII    PL_SECTION('P', 'I', 'I', 'D') /* detectors of structured data */
#define PL_SECTION_POLICY PL_SECTION('P', 'O', 'L', 'C') /* routes, as canonical JSON */

typedef struct pl_policydb_section {
    uint32_t tag;
    pl_str   bytes;
} pl_policydb_section;

/* Builds the file image. *out is malloc'd, PL_POLICYDB_ALIGN-aligned; caller frees. */
PL_API pl_rc pl_policydb_build(const pl_policydb_section *sections, size_t count, void **out,
                               size_t *n, pl_error *err);

/* A view over a validated image. */
typedef struct pl_policydb {
    pl_str  image;      /* borrowed                                             */
    uint8_t digest[32]; /* SHA-256 of the whole image                           */
    size_t  sections;
} pl_policydb;

/* Checks magic, version, bounds, alignment, overlap and checksum. */
PL_API pl_rc pl_policydb_check(pl_str image, pl_policydb *out, pl_error *err);
/* Borrowed from the image; PL_NOTFOUND when absent. */
PL_API pl_rc pl_policydb_section_find(const pl_policydb *db, uint32_t tag, pl_str *out,
                                      pl_error *err);

#ifdef __cplusplus
}
#endif
#endif
