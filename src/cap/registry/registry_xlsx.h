/* Spreadsheets of one table (ECMA-376 part 1, SpreadsheetML): the first sheet of a workbook, as the CSV that
 * registry_convert reads, and such CSV as a workbook. Reading is bounded in every direction and takes
 * nothing from outside of the file; formulas give the value that was stored with them. Pure. */
#ifndef PL_REGISTRY_XLSX_H
#define PL_REGISTRY_XLSX_H

#include "base/buf.h"
#include "engine/flow/form.h"

#define REGISTRY_XLSX_MAX      (16u << 20)  /* bytes of a workbook                        */
#define REGISTRY_XLSX_PART_MAX (64u << 20)  /* bytes of a part of it, unpacked            */
#define REGISTRY_XLSX_COLUMNS  512
#define REGISTRY_XLSX_ROWS     100000

bool registry_is_xlsx(pl_str bytes);
/* Appends the first sheet as CSV (RFC 4180). The first row has keys of fields; where `form` says that a field is a
 * date, a number of days becomes one. PL_INVALID: not such a workbook, or a cell that holds an error;
 * PL_LIMIT: larger than the bounds above. */
pl_rc registry_xlsx_read(pl_str bytes, const pl_form *form, pl_buf *csv, pl_error *err);
/* Appends a workbook with the table of `csv`, whose first row has keys of fields: cells of number fields as
 * numbers, all others as text. */
pl_rc registry_xlsx_write(pl_str csv, const pl_form *form, pl_buf *out, pl_error *err);
#endif
