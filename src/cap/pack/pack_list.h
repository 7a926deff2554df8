/* Word lists as they are found in the world, for pack_import.c: any of a few encodings, one word a
 * line or a table with a header. Hostile bytes give fewer words, never a crash. */
#ifndef PL_CAP_PACK_LIST_H
#define PL_CAP_PACK_LIST_H

#include "base/buf.h"

#define PACK_LIST_MAX (512u << 20)

typedef enum pack_list_field {
    PACK_LIST_TEXT, PACK_LIST_CATEGORY, PACK_LIST_SEVERITY, PACK_LIST_RISK, PACK_LIST_LANG,
    PACK_LIST_FIELDS,
} pack_list_field;

typedef struct pack_list_item {
    size_t line;                    /* from 1 */
    pl_str field[PACK_LIST_FIELDS]; /* trimmed; empty when absent; valid during the call */
} pack_list_item;

typedef pl_rc (*pack_list_fn)(void *ctx, const pack_list_item *item, pl_error *err);

typedef struct pack_list {
    const char *encoding; /* what it was read as */
    pl_buf      text;     /* UTF-8 */
    size_t      bad_bytes;
} pack_list;

/* encoding: "auto" or a name iconv knows. Free with pack_list_done, also after an error. */
pl_rc pack_list_decode(pl_str bytes, const char *encoding, pack_list *out, pl_error *err);
void  pack_list_done(pack_list *l);
/* format: lines, csv, tsv. columns: "text=NAME,category=NAME", or NULL for the usual names. */
pl_rc pack_list_each(const pack_list *l, const char *format, const char *columns, pack_list_fn fn,
                     void *ctx, pl_error *err);
#endif
