#include "base/banned.h"

#include "base/buf.h"
#include "base/str.h"
#include "base/utf8_seq.h"

#define FIRST_CAPACITY 256u

/* Makes room for n more bytes and the NUL; false and sticky failure when it cannot. */
static bool reserve(pl_buf *b, size_t n)
{
    size_t need, cap;
    char  *p;

    if (b->failed)
        return false;
    if (n > b->limit || b->n > b->limit - n) {
        b->failed = true;
        return false;
    }
    if (__builtin_add_overflow(b->n + n, (size_t)1, &need)) {
        b->failed = true;
        return false;
    }
    if (need <= b->cap)
        return true;

    cap = b->cap > FIRST_CAPACITY ? b->cap : FIRST_CAPACITY;
    while (cap < need)
        cap = cap > SIZE_MAX / 2 ? need : cap * 2;
    if (cap - 1 > b->limit)
        cap = b->limit + 1;
    p = realloc(b->p, cap);
    if (p == NULL) {
        b->failed = true;
        return false;
    }
    b->p = p;
    b->cap = cap;
    return true;
}

void pl_buf_done(pl_buf *b)
{
    free(b->p);
    *b = (pl_buf){ .limit = b->limit };
}

void pl_buf_clear(pl_buf *b)
{
    b->n = 0;
    b->failed = false;
    if (b->p != NULL)
        b->p[0] = '\0';
}

void pl_buf_put(pl_buf *b, pl_str s)
{
    if (s.n == 0 || !reserve(b, s.n))
        return;
    memcpy(b->p + b->n, s.p, s.n);
    b->n += s.n;
    b->p[b->n] = '\0';
}

void pl_buf_putc(pl_buf *b, char c)
{
    pl_buf_put(b, (pl_str){ &c, 1 });
}

void pl_buf_puts(pl_buf *b, const char *z)
{
    pl_buf_put(b, pl_str_z(z));
}

void pl_buf_printf(pl_buf *b, const char *fmt, ...)
{
    va_list ap;
    int     n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0) {
        b->failed = true;
        return;
    }
    if (n == 0 || !reserve(b, (size_t)n))
        return;
    va_start(ap, fmt);
    (void)vsnprintf(b->p + b->n, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->n += (size_t)n;
}

void pl_buf_hex(pl_buf *b, const void *bytes, size_t n)
{
    if (n == 0)
        return;
    if (n > SIZE_MAX / 2) {
        b->failed = true;
        return;
    }
    if (!reserve(b, 2 * n))
        return;
    pl_hex(bytes, n, b->p + b->n);
    b->n += 2 * n;
}

static void base64_group(const uint8_t *in, size_t n, char out[4])
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t          v = (uint32_t)in[0] << 16;

    if (n > 1)
        v |= (uint32_t)in[1] << 8;
    if (n > 2)
        v |= in[2];
    out[0] = digit[v >> 18];
    out[1] = digit[v >> 12 & 63];
    out[2] = n > 1 ? digit[v >> 6 & 63] : '=';
    out[3] = n > 2 ? digit[v & 63] : '=';
}

void pl_buf_base64(pl_buf *b, const void *bytes, size_t n)
{
    const uint8_t *in = bytes;

    if (n == 0)
        return;
    if (n > SIZE_MAX / 2) {
        b->failed = true;
        return;
    }
    if (!reserve(b, (n + 2) / 3 * 4))
        return;
    for (size_t i = 0; i < n; i += 3) {
        base64_group(in + i, n - i, b->p + b->n);
        b->n += 4;
    }
    b->p[b->n] = '\0';
}

static void json_escape_ascii(pl_buf *b, uint8_t c)
{
    static const char digit[] = "0123456789abcdef";
    char              esc[6] = { '\\', 'u', '0', '0', digit[c >> 4], digit[c & 15] };

    switch (c) {
    case '"':
        pl_buf_put(b, PL_STR("\\\""));
        return;
    case '\\':
        pl_buf_put(b, PL_STR("\\\\"));
        return;
    case '\n':
        pl_buf_put(b, PL_STR("\\n"));
        return;
    case '\r':
        pl_buf_put(b, PL_STR("\\r"));
        return;
    case '\t':
        pl_buf_put(b, PL_STR("\\t"));
        return;
    default:
        pl_buf_put(b, (pl_str){ esc, sizeof esc });
    }
}

/* Bytes of the longest valid UTF-8 prefix of an invalid sequence (at least one): what
 * one U+FFFD stands for (Unicode 15 §3.9, substitution of maximal subparts). */
static size_t maximal_subpart(const uint8_t *p, size_t n)
{
    uint32_t cp;
    size_t   k = 1;

    while (k < n && k < 4 && utf8_seq(p, k + 1, &cp) == 0)
        k++;
    return k;
}

void pl_buf_json(pl_buf *b, pl_str s)
{
    const uint8_t *p = (const uint8_t *)s.p;
    size_t         i = 0, run = 0; /* [run, i) is ready to be copied as it is */

    while (i < s.n) {
        uint8_t  c = p[i];
        uint32_t cp;
        int      len;

        if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\') {
            i++;
            continue;
        }
        if (c >= 0x80 && (len = utf8_seq(p + i, s.n - i, &cp)) > 0) {
            i += (size_t)len;
            continue;
        }
        pl_buf_put(b, (pl_str){ s.p + run, i - run });
        if (c < 0x80) {
            json_escape_ascii(b, c);
            i++;
        } else {
            pl_buf_put(b, PL_STR("\xef\xbf\xbd"));
            i += maximal_subpart(p + i, s.n - i);
        }
        run = i;
    }
    pl_buf_put(b, (pl_str){ s.p + run, i - run });
}

void pl_buf_drop_front(pl_buf *b, size_t n)
{
    if (n > b->n)
        n = b->n;
    if (n == 0)
        return;
    b->n -= n;
    memmove(b->p, b->p + n, b->n);
    b->p[b->n] = '\0';
}

pl_rc pl_buf_check(const pl_buf *b, pl_error *err)
{
    if (!b->failed)
        return PL_OK;
    return pl_fail(err, PL_LIMIT, "output is larger than its limit of %zu bytes", b->limit);
}
