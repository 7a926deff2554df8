/* Records from documents that people have, and back. Pure: text in, items for registry_records_put out.
 *
 *   json       {"format": "plumbline-registry/v1", "records": [{"kind", "data"}]}: what export writes
 *   csv        a header with keys of fields, one record a line (RFC 4180), of the kind given
 *   xlsx       the first sheet of a workbook, as csv (registry_xlsx.h)
 *   cyclonedx  CycloneDX 1.5 and 1.6 in JSON: components of type machine-learning-model and data
 *   croissant  MLCommons Croissant 1.0 (JSON-LD): a dataset with its record sets
 *   modelcard  a model card as README.md with YAML front matter, or as JSON of the Model Card Toolkit
 *
 * What a document says and no field holds is left out; nothing is guessed. */
#ifndef PL_REGISTRY_CONVERT_H
#define PL_REGISTRY_CONVERT_H

#include "base/buf.h"
#include "engine/flow/form.h"

#define REGISTRY_DOCUMENT_MAX (8u << 20)

typedef struct registry_document {
    pl_str         text;
    const char    *where;  /* name of the file, for messages */
    const char    *format; /* NULL: told by its content */
    const pl_form *form;   /* csv, xlsx: the kind of the records */
} registry_document;

/* *items: [{"kind","data"}], a new reference. PL_INVALID: it is none of these, with the place. */
pl_rc registry_convert(const registry_document *d, json_t **items, pl_error *err);
/* Takes one cell of CSV, in quotes or not, off `s`; *more: another follows on the line. */
pl_rc registry_csv_cell(pl_str *s, pl_buf *out, bool *more, pl_error *err);
/* `records`: [{"id","kind","version","data"}]. Text is appended. */
pl_rc registry_write_json(const json_t *records, pl_buf *out, pl_error *err);
pl_rc registry_write_csv(const json_t *records, const pl_form *form, pl_buf *out, pl_error *err);
pl_rc registry_write_xlsx(const json_t *records, const pl_form *form, pl_buf *out, pl_error *err);
/* Models and data sets as a CycloneDX 1.6 ML-BOM. */
pl_rc registry_write_cyclonedx(const json_t *records, pl_str time, pl_buf *out, pl_error *err);
#endif
