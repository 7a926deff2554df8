#include "base/banned.h"

#include "base/csv.h"

bool pl_csv_cell(pl_str *rest, char separator, pl_buf *out)
{
    const char *p = rest->p, *end = rest->p + rest->n;

    pl_buf_clear(out);
    if (p == NULL)
        return false;
    if (separator == ',' && p < end && *p == '"') {
        for (p++; p < end && (*p != '"' || (p + 1 < end && p[1] == '"')); p++) {
            p += *p == '"';
            pl_buf_putc(out, *p);
        }
        while (p < end && *p != separator)
            p++;
    } else {
        const char *at = p < end ? memchr(p, separator, (size_t)(end - p)) : NULL;

        pl_buf_put(out, (pl_str){ p, (size_t)((at != NULL ? at : end) - p) });
        p = at != NULL ? at : end;
    }
    *rest = p < end ? (pl_str){ p + 1, (size_t)(end - p) - 1 } : (pl_str){ NULL, 0 };
    return true;
}
