/* Tables as text: RFC 4180 cells, or cells with tabs between. */
#ifndef PL_BASE_CSV_H
#define PL_BASE_CSV_H

#include "base/buf.h"

/* Takes the next cell off a line (without its line end) into `out`, which is cleared first.
 * With ',' a cell in quotes is unwrapped, "" inside is one quote, and what stands between the
 * closing quote and the separator is passed over. false at the end of the line. A line is one
 * record: a quoted cell does not go on in the next line. */
bool pl_csv_cell(pl_str *rest, char separator, pl_buf *out);
#endif
