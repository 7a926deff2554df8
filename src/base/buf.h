/* A growing byte buffer with a limit fixed at init. Exceeding the limit or running
 * out of memory sets a sticky `failed` state instead of failing each call, so a
 * writer checks once at the end (pl_buf_check). Always NUL-terminated after n. */
#ifndef PL_BASE_BUF_H
#define PL_BASE_BUF_H

#include <plumbline/base.h>
#include <stdbool.h>

typedef struct pl_buf {
    char  *p; /* may be NULL while empty */
    size_t n, cap, limit;
    bool   failed;
} pl_buf;

#define PL_BUF_INIT(max) ((pl_buf){ .limit = (max) })

void  pl_buf_done(pl_buf *b);
void  pl_buf_clear(pl_buf *b); /* keeps the memory, forgets content and failure */
void  pl_buf_put(pl_buf *b, pl_str s);
void  pl_buf_putc(pl_buf *b, char c);
void  pl_buf_puts(pl_buf *b, const char *z);
void  pl_buf_printf(pl_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void  pl_buf_hex(pl_buf *b, const void *bytes, size_t n);
void  pl_buf_base64(pl_buf *b, const void *bytes, size_t n);
/* Writes s as the inside of a JSON string (no quotes). Invalid UTF-8 becomes U+FFFD. */
void  pl_buf_json(pl_buf *b, pl_str s);
void  pl_buf_drop_front(pl_buf *b, size_t n);
pl_rc pl_buf_check(const pl_buf *b, pl_error *err); /* PL_OK or PL_LIMIT */
static inline pl_str pl_buf_str(const pl_buf *b)
{
    return (pl_str){ b->p ? b->p : "", b->n };
}
#endif
