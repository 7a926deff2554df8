#include "base/banned.h"

#include "base/utf8.h"
#include "cap/guard/guard_int.h"

void tally_init(tally *t)
{
    *t = (tally){ .blocking = -1, .changing = -1, .asking = -1 };
}

/* What a finding leads to, unless it is only recorded. */
static void act(tally *t, uint32_t rule, pl_cell cell)
{
    t->review |= (cell & PL_CELL_REVIEW) != 0;
    t->stops |= (cell & PL_CELL_STOP) != 0;
    if (cell & PL_CELL_OPINION)
        t->asking = t->asking < 0 ? rule : t->asking;
    else if (pl_cell_act(cell) == PL_ACTION_BLOCK)
        t->blocking = t->blocking < 0 ? rule : t->blocking;
    else if (pl_cell_act(cell) >= PL_ACTION_REDACT)
        t->changing = t->changing < 0 ? rule : t->changing;
}

void tally_add(tally *t, uint32_t rule, pl_cell cell)
{
    size_t i = 0;

    if (pl_cell_act(cell) == PL_ACTION_ALLOW)
        return;
    if (!t->shadow)
        act(t, rule, cell);
    while (i < t->n && t->row[i].rule != rule)
        i++;
    if (i < t->n)
        t->row[i].count++;
    else if (t->n < PL_TALLY_RULES)
        t->row[t->n++] = (tally_row){ .rule = rule, .count = 1, .cell = cell };
    else
        t->more++;
}

/* --- second-level escapes ---------------------------------------------------------- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void put_cp(pl_buf *out, uint32_t cp)
{
    char b[4];
    int  n = pl_utf8_encode(cp, b);

    pl_buf_put(out, (pl_str){ b, (size_t)n });
}

static void flush_high(unescaper *u, pl_buf *out)
{
    if (u->high)
        put_cp(out, 0xFFFD);
    u->high = 0;
}

/* pend holds a complete \uXXXX. */
static void put_u(unescaper *u, pl_buf *out)
{
    uint32_t cp = 0;

    for (int i = 2; i < 6; i++)
        cp = cp << 4 | (uint32_t)hex_digit(u->pend[i]);
    if (cp >= 0xDC00 && cp <= 0xDFFF && u->high) {
        put_cp(out, 0x10000 + ((u->high - 0xD800) << 10) + (cp - 0xDC00));
        u->high = 0;
        return;
    }
    flush_high(u, out);
    if (cp >= 0xD800 && cp <= 0xDBFF)
        u->high = cp;
    else
        put_cp(out, cp >= 0xDC00 && cp <= 0xDFFF ? 0xFFFD : cp);
}

static void put_simple(unescaper *u, char c, pl_buf *out)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    const char       *at = memchr(from, c, 5);

    flush_high(u, out);
    pl_buf_putc(out, at ? to[at - from] : c);
}

/* One byte while an escape is open. */
static void escape_byte(unescaper *u, char c, pl_buf *out)
{
    if (u->n == 1 && c != 'u') {
        u->n = 0;
        put_simple(u, c, out);
        return;
    }
    if (u->n >= 2 && hex_digit(c) < 0) { /* not an escape after all: plain text */
        flush_high(u, out);
        pl_buf_put(out, (pl_str){ u->pend, u->n });
        u->n = 0;
        if (c == '\\')
            u->pend[u->n++] = c;
        else
            pl_buf_putc(out, c);
        return;
    }
    u->pend[u->n++] = c;
    if (u->n == 6) {
        u->n = 0;
        put_u(u, out);
    }
}

void pl_unescaper_feed(unescaper *u, pl_str piece, pl_buf *out)
{
    size_t i = 0;

    while (i < piece.n) {
        if (u->n) {
            escape_byte(u, piece.p[i++], out);
            continue;
        }
        const char *next = memchr(piece.p + i, '\\', piece.n - i);
        size_t      end = next ? (size_t)(next - piece.p) : piece.n;
        if (end > i) {
            flush_high(u, out);
            pl_buf_put(out, (pl_str){ piece.p + i, end - i });
        }
        i = end;
        if (next) {
            u->pend[u->n++] = '\\';
            i++;
        }
    }
}
