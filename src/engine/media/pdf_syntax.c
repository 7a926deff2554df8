/* PDF syntax (ISO 32000-1 §7.2, §7.3): tokens, objects, strings, names. */
#include "base/banned.h"

#include "engine/media/pdf.h"

static bool blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == '\f' || c == '\0';
}

static bool delimiter(char c)
{
    return blank(c) || memchr("()<>[]{}/%", c, 10);
}

void pdf_skip(pl_str s, size_t *at)
{
    while (*at < s.n) {
        if (s.p[*at] == '%')
            while (*at < s.n && s.p[*at] != '\n' && s.p[*at] != '\r')
                (*at)++;
        else if (blank(s.p[*at]))
            (*at)++;
        else
            return;
    }
}

static bool literal(pl_str s, size_t *at)
{
    unsigned depth = 0;

    while (*at < s.n) {
        char c = s.p[(*at)++];
        if (c == '\\')
            (*at)++;
        else if (c == '(')
            depth++;
        else if (c == ')' && --depth == 0)
            return true;
    }
    return false;
}

/* Behind one token: name, number, keyword, string, or a bracket alone. */
bool pdf_token(pl_str s, size_t *at)
{
    char c;

    pdf_skip(s, at);
    if (*at >= s.n)
        return false;
    c = s.p[*at];
    if (c == '(')
        return literal(s, at);
    if (c == '<' && *at + 1 < s.n && s.p[*at + 1] != '<') {
        const char *gt = memchr(s.p + *at, '>', s.n - *at);
        *at = gt ? (size_t)(gt - s.p) + 1 : s.n;
        return gt != NULL;
    }
    if ((c == '<' || c == '>') && *at + 1 < s.n && s.p[*at + 1] == c) {
        *at += 2;
        return true;
    }
    (*at)++;
    if (memchr("[]{}<>)", c, 7))
        return true;
    while (*at < s.n && !delimiter(s.p[*at]))
        (*at)++;
    return true;
}

/* Nested brackets are counted, not recursed into. */
static bool nested(pl_str s, size_t *at)
{
    unsigned depth = 0;

    for (;;) {
        size_t from;
        pdf_skip(s, at);
        from = *at;
        if (!pdf_token(s, at))
            return false;
        if (s.p[from] == '[' || (s.p[from] == '<' && from + 1 < s.n && s.p[from + 1] == '<')) {
            if (++depth > 4 * PL_MEDIA_DEPTH_MAX)
                return false;
        } else if (s.p[from] == ']' || (s.p[from] == '>' && from + 1 < s.n && s.p[from + 1] == '>')) {
            if (--depth == 0)
                return true;
        }
    }
}

bool pdf_digits(pl_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    return s.n > 0;
}

bool pdf_object(pl_str s, size_t *at, pl_str *out)
{
    size_t from, to;

    pdf_skip(s, at);
    from = *at;
    if (from >= s.n || s.p[from] == ']' || s.p[from] == '>')
        return false;
    if (s.p[from] == '[' || (s.p[from] == '<' && from + 1 < s.n && s.p[from + 1] == '<')) {
        if (!nested(s, at))
            return false;
    } else if (!pdf_token(s, at)) {
        return false;
    }
    *out = (pl_str){ s.p + from, *at - from };
    if (pdf_digits(*out) && out->n < 11) { /* "1 0 R"? */
        size_t gen;
        to = *at;
        pdf_skip(s, &to);
        gen = to;
        if (to < s.n && pdf_token(s, &to) && pdf_digits((pl_str){ s.p + gen, to - gen })) {
            pdf_skip(s, &to);
            if (to < s.n && s.p[to] == 'R' && (to + 1 >= s.n || delimiter(s.p[to + 1]))) {
                *at = to + 1;
                out->n = *at - from;
            }
        }
    }
    return true;
}

void pdf_each(pl_str dict, void (*fn)(void *ctx, pl_str key, pl_str value), void *ctx)
{
    size_t at = 2;
    pl_str key, value;

    if (dict.n < 4 || memcmp(dict.p, "<<", 2) != 0)
        return;
    dict.n -= 2;
    while (pdf_object(dict, &at, &key) && key.p[0] == '/' && pdf_object(dict, &at, &value))
        fn(ctx, key, value);
}

typedef struct get_ctx {
    pl_str key, value;
} get_ctx;

static void get_pair(void *ctx, pl_str key, pl_str value)
{
    get_ctx *g = ctx;

    if (key.n == g->key.n + 1 && memcmp(key.p + 1, g->key.p, g->key.n) == 0)
        g->value = value; /* the last one wins, as readers do */
}

pl_str pdf_get(pl_str dict, const char *key)
{
    get_ctx g = { pl_str_z(key), { "", 0 } };

    pdf_each(dict, get_pair, &g);
    return g.value;
}

bool pdf_uint(pl_str v, uint64_t *out)
{
    v = pl_str_trim(v);
    if (!pdf_digits(v) || v.n > 18)
        return false;
    *out = 0;
    for (size_t i = 0; i < v.n; i++)
        *out = *out * 10 + (uint64_t)(v.p[i] - '0');
    return true;
}

bool pdf_is_ref(pl_str v, uint32_t *number)
{
    size_t   n = 0;
    uint64_t k;

    while (n < v.n && v.p[n] >= '0' && v.p[n] <= '9')
        n++;
    if (v.n < 5 || v.p[v.n - 1] != 'R' || !pdf_uint((pl_str){ v.p, n }, &k) || k > UINT32_MAX)
        return false;
    *number = (uint32_t)k;
    return true;
}

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

pl_str pdf_name(pl_media *m, pl_str v)
{
    char  *p = pl_arena_alloc(m->arena, v.n + 1);
    size_t n = 0;

    for (size_t i = 1; p && i < v.n; i++)
        if (v.p[i] == '#' && i + 2 < v.n && hex(v.p[i + 1]) >= 0 && hex(v.p[i + 2]) >= 0) {
            p[n++] = (char)(hex(v.p[i + 1]) << 4 | hex(v.p[i + 2]));
            i += 2;
        } else {
            p[n++] = v.p[i];
        }
    return (pl_str){ p ? p : "", n };
}

/* ISO 32000-1 §7.3.4.2: escapes of a literal string. */
static size_t unescape(pl_str v, char *p)
{
    size_t n = 0;

    for (size_t i = 1; i + 1 < v.n; i++) {
        char c = v.p[i];
        if (c != '\\') {
            p[n++] = c;
            continue;
        }
        c = v.p[++i];
        if (c >= '0' && c <= '7') {
            unsigned o = 0;
            for (int k = 0; k < 3 && i + 1 < v.n && v.p[i] >= '0' && v.p[i] <= '7'; k++)
                o = o * 8 + (unsigned)(v.p[i++] - '0');
            i--;
            p[n++] = (char)o;
        } else if (c == '\r' || c == '\n') {
            if (c == '\r' && i + 1 < v.n && v.p[i + 1] == '\n')
                i++;
        } else {
            static const char from[] = "nrtbf", to[] = "\n\r\t\b\f";
            const char       *e = memchr(from, c, 5);
            p[n++] = e ? to[e - from] : c;
        }
    }
    return n;
}

bool pdf_text(pl_media *m, pl_str v, pl_str *out)
{
    char  *p = pl_arena_alloc(m->arena, v.n + 2);
    size_t n = 0;

    if (!p || v.n < 2)
        return false;
    if (v.p[0] == '(') {
        n = unescape(v, p);
    } else if (v.p[0] == '<' && v.p[1] != '<') {
        int high = -1;
        for (size_t i = 1; i + 1 < v.n; i++)
            if (hex(v.p[i]) >= 0) {
                if (high < 0)
                    high = hex(v.p[i]);
                else
                    p[n++] = (char)(high << 4 | hex(v.p[i])), high = -1;
            }
        if (high >= 0)
            p[n++] = (char)(high << 4);
    } else {
        return false;
    }
    *out = (pl_str){ p, n };
    if (n >= 2 && (memcmp(p, "\xFE\xFF", 2) == 0 || memcmp(p, "\xFF\xFE", 2) == 0))
        return media_utf16(m, *out, true, out);
    if (n >= 3 && memcmp(p, "\xEF\xBB\xBF", 3) == 0)
        *out = (pl_str){ p + 3, n - 3 };
    return true; /* PDFDocEncoding is taken as Latin-1 where it is not UTF-8 */
}
