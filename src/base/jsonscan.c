#include "base/banned.h"

#include "base/jsonscan.h"
#include "base/utf8.h"
#include "base/utf8_seq.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* What the grammar allows next. */
enum expect {
    EXPECT_VALUE,        /* top level, or after a key and its colon     */
    EXPECT_VALUE_OR_END, /* after '['                                   */
    EXPECT_KEY_OR_END,   /* after '{'                                   */
    EXPECT_COMMA_OR_END, /* after a value inside an object or array     */
    EXPECT_DONE,         /* after the top-level value                   */
    EXPECT_NOTHING       /* an error was reported; it stays             */
};

#define KIND_ARRAY  0
#define KIND_OBJECT 1

void pl_jsonscan_init(pl_jsonscan *j, pl_str in)
{
    j->in = in;
    j->pos = 0;
    j->depth = 0;
    j->expect = EXPECT_VALUE;
}

static pl_rc bad(pl_jsonscan *j, size_t at, const char *what, pl_error *err)
{
    j->expect = EXPECT_NOTHING;
    return pl_fail(err, PL_INVALID, "JSON: %s at byte %zu", what, at);
}

static inline void skip_blanks(pl_jsonscan *j)
{
    while (j->pos < j->in.n) {
        char c = j->in.p[j->pos];

        if (c != ' ' && c != '\n' && c != '\r' && c != '\t')
            return;
        j->pos++;
    }
}

/* --- strings ------------------------------------------------------------------ */

/* Bytes at p that need no look: ASCII without quote, backslash and control. */
static inline size_t plain_run(const uint8_t *p, size_t n)
{
    size_t i = 0;

#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');
    const __m128i space = _mm_set1_epi8(0x20);

    for (; n - i >= 16; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
        /* Signed: bytes from 0x80 are negative, hence below the space as well. */
        __m128i stop = _mm_or_si128(_mm_cmplt_epi8(v, space),
                                    _mm_or_si128(_mm_cmpeq_epi8(v, quote),
                                                 _mm_cmpeq_epi8(v, slash)));
        unsigned mask = (unsigned)_mm_movemask_epi8(stop);

        if (mask != 0)
            return i + (size_t)__builtin_ctz(mask);
    }
#endif
    while (i < n && p[i] >= 0x20 && p[i] < 0x80 && p[i] != '"' && p[i] != '\\')
        i++;
    return i;
}

static int hex4(const uint8_t *p)
{
    int v = 0;

    for (int i = 0; i < 4; i++) {
        int c = p[i], d;

        if (c >= '0' && c <= '9')
            d = c - '0';
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            d = (c | 0x20) - 'a' + 10;
        else
            return -1;
        v = v << 4 | d;
    }
    return v;
}

/* Length of the escape at p (p[0] is the backslash), with the code point it stands for;
 * 0 when malformed, cut off or half a surrogate pair. */
static size_t escape_at(const uint8_t *p, size_t n, uint32_t *cp)
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    const char       *simple;
    int               hi, lo;

    if (n < 2)
        return 0;
    if (p[1] != 'u') {
        simple = p[1] != '\0' ? strchr(from, p[1]) : NULL;
        if (simple == NULL)
            return 0;
        *cp = (uint32_t)to[simple - from];
        return 2;
    }
    if (n < 6 || (hi = hex4(p + 2)) < 0)
        return 0;
    if (hi < 0xd800 || hi > 0xdfff) {
        *cp = (uint32_t)hi;
        return 6;
    }
    if (hi > 0xdbff || n < 12 || p[6] != '\\' || p[7] != 'u')
        return 0;
    lo = hex4(p + 8);
    if (lo < 0xdc00 || lo > 0xdfff)
        return 0;
    *cp = 0x10000u + ((uint32_t)(hi - 0xd800) << 10) + (uint32_t)(lo - 0xdc00);
    return 12;
}

/* Scans from the opening quote at j->pos to one past the closing one. */
static pl_rc scan_string(pl_jsonscan *j, pl_jsontok *t, pl_error *err)
{
    const uint8_t *p = (const uint8_t *)j->in.p;
    size_t         n = j->in.n, i = j->pos + 1;
    uint32_t       cp;

    t->escaped = 0;
    while ((i += plain_run(p + i, n - i)) < n) {
        uint8_t c = p[i];

        if (c >= 0x80) {
            i += utf8_wide_run(p + i, n - i);
            while (i < n && p[i] >= 0x80) {
                int len = utf8_seq(p + i, n - i, &cp);

                if (len <= 0)
                    return bad(j, i, "invalid UTF-8 in a string", err);
                i += (size_t)len;
                i += utf8_wide_run(p + i, n - i);
            }
        } else if (c == '\\') {
            size_t len = escape_at(p + i, n - i, &cp);

            if (len == 0)
                return bad(j, i, "invalid escape in a string", err);
            t->escaped = 1;
            i += len;
        } else if (c == '"') {
            t->raw = (pl_str){ j->in.p + j->pos + 1, i - j->pos - 1 };
            j->pos = i + 1;
            return PL_OK;
        } else {
            return bad(j, i, "control character in a string", err);
        }
    }
    return bad(j, n, "unfinished string", err);
}

/* --- numbers and words --------------------------------------------------------- */

static size_t digit_run(pl_str in, size_t i)
{
    size_t start = i;

    while (i < in.n && in.p[i] >= '0' && in.p[i] <= '9')
        i++;
    return i - start;
}

static pl_rc scan_number(pl_jsonscan *j, pl_jsontok *t, pl_error *err)
{
    pl_str in = j->in;
    size_t i = j->pos, run;

    if (in.p[i] == '-')
        i++;
    run = digit_run(in, i);
    if (run == 0 || (run > 1 && in.p[i] == '0'))
        return bad(j, i, "malformed number", err);
    i += run;
    if (i < in.n && in.p[i] == '.') {
        run = digit_run(in, ++i);
        if (run == 0)
            return bad(j, i, "malformed number", err);
        i += run;
    }
    if (i < in.n && (in.p[i] | 0x20) == 'e') {
        i++;
        if (i < in.n && (in.p[i] == '+' || in.p[i] == '-'))
            i++;
        run = digit_run(in, i);
        if (run == 0)
            return bad(j, i, "malformed number", err);
        i += run;
    }
    t->raw = (pl_str){ in.p + j->pos, i - j->pos };
    j->pos = i;
    return PL_OK;
}

static pl_rc scan_word(pl_jsonscan *j, const char *word, size_t n, pl_error *err)
{
    if (j->in.n - j->pos < n || memcmp(j->in.p + j->pos, word, n) != 0)
        return bad(j, j->pos, "unexpected character", err);
    j->pos += n;
    return PL_OK;
}

/* --- structure ----------------------------------------------------------------- */

static inline void value_done(pl_jsonscan *j)
{
    j->expect = j->depth > 0 ? EXPECT_COMMA_OR_END : EXPECT_DONE;
}

static pl_rc open_container(pl_jsonscan *j, pl_jsontok *t, uint8_t kind, pl_error *err)
{
    if (j->depth == PL_JSONSCAN_DEPTH) {
        j->expect = EXPECT_NOTHING;
        return pl_fail(err, PL_LIMIT, "JSON: nested deeper than %d levels at byte %zu",
                       PL_JSONSCAN_DEPTH, j->pos);
    }
    t->type = kind == KIND_OBJECT ? PL_JT_OBJ_BEGIN : PL_JT_ARR_BEGIN;
    j->stack[j->depth++] = kind;
    j->expect = kind == KIND_OBJECT ? EXPECT_KEY_OR_END : EXPECT_VALUE_OR_END;
    j->pos++;
    return PL_OK;
}

static pl_rc close_container(pl_jsonscan *j, pl_jsontok *t)
{
    t->type = j->stack[--j->depth] == KIND_OBJECT ? PL_JT_OBJ_END : PL_JT_ARR_END;
    t->depth = j->depth;
    j->pos++;
    value_done(j);
    return PL_OK;
}

static pl_rc scan_value(pl_jsonscan *j, pl_jsontok *t, pl_error *err)
{
    pl_rc rc;

    switch (j->in.p[j->pos]) {
    case '{':
        return open_container(j, t, KIND_OBJECT, err);
    case '[':
        return open_container(j, t, KIND_ARRAY, err);
    case '"':
        t->type = PL_JT_STRING;
        rc = scan_string(j, t, err);
        break;
    case 't':
        t->type = PL_JT_TRUE;
        rc = scan_word(j, "true", 4, err);
        break;
    case 'f':
        t->type = PL_JT_FALSE;
        rc = scan_word(j, "false", 5, err);
        break;
    case 'n':
        t->type = PL_JT_NULL;
        rc = scan_word(j, "null", 4, err);
        break;
    case '-':
    case '0' ... '9':
        t->type = PL_JT_NUMBER;
        rc = scan_number(j, t, err);
        break;
    default:
        return bad(j, j->pos, "unexpected character", err);
    }
    if (rc == PL_OK)
        value_done(j);
    return rc;
}

/* The key and the colon behind it. */
static pl_rc scan_key(pl_jsonscan *j, pl_jsontok *t, pl_error *err)
{
    pl_rc rc;

    if (j->in.p[j->pos] != '"')
        return bad(j, j->pos, "expected a key", err);
    t->type = PL_JT_KEY;
    rc = scan_string(j, t, err);
    if (rc != PL_OK)
        return rc;
    t->end = j->pos;
    skip_blanks(j);
    if (j->pos == j->in.n || j->in.p[j->pos] != ':')
        return bad(j, j->pos, "expected ':'", err);
    j->pos++;
    j->expect = EXPECT_VALUE;
    return PL_OK;
}

/* After a value inside a container: the end of the container, or a comma and the start
 * of the next member, at which j->pos then stands. */
static pl_rc scan_continuation(pl_jsonscan *j, pl_jsontok *t, pl_error *err)
{
    bool object = j->stack[j->depth - 1] == KIND_OBJECT;
    char c = j->in.p[j->pos];

    if (c == (object ? '}' : ']'))
        return close_container(j, t);
    if (c != ',')
        return bad(j, j->pos, object ? "expected ',' or '}'" : "expected ',' or ']'", err);
    j->pos++;
    skip_blanks(j);
    if (j->pos == j->in.n)
        return bad(j, j->pos, "unexpected end", err);
    t->start = j->pos;
    return object ? scan_key(j, t, err) : scan_value(j, t, err);
}

static pl_rc scan_token(pl_jsonscan *j, pl_jsontok *t, pl_error *err)
{
    char c = j->in.p[j->pos];

    switch ((enum expect)j->expect) {
    case EXPECT_VALUE:
        return scan_value(j, t, err);
    case EXPECT_VALUE_OR_END:
        return c == ']' ? close_container(j, t) : scan_value(j, t, err);
    case EXPECT_KEY_OR_END:
        return c == '}' ? close_container(j, t) : scan_key(j, t, err);
    case EXPECT_COMMA_OR_END:
        return scan_continuation(j, t, err);
    case EXPECT_DONE:
        return bad(j, j->pos, "text after the end", err);
    case EXPECT_NOTHING:
        break;
    }
    return pl_fail(err, PL_INVALID, "JSON: scanned on after an error");
}

pl_rc pl_jsonscan_next(pl_jsonscan *j, pl_jsontok *t, pl_error *err)
{
    pl_jsontok tok = { .type = PL_JT_END };
    pl_rc      rc;

    skip_blanks(j);
    tok.start = tok.end = j->pos;
    tok.depth = j->depth;
    if (j->pos == j->in.n && j->expect != EXPECT_NOTHING) {
        if (j->expect != EXPECT_DONE)
            return bad(j, j->pos, "unexpected end", err);
        *t = tok;
        return PL_OK;
    }
    rc = j->expect == EXPECT_NOTHING
             ? pl_fail(err, PL_INVALID, "JSON: scanned on after an error")
             : scan_token(j, &tok, err);
    if (rc != PL_OK)
        return rc;
    if (tok.type != PL_JT_KEY)
        tok.end = j->pos;
    *t = tok;
    return PL_OK;
}

pl_rc pl_jsonscan_skip(pl_jsonscan *j, pl_error *err)
{
    pl_jsontok t;
    unsigned   floor;
    pl_rc      rc = PL_OK;

    if (j->expect == EXPECT_KEY_OR_END || j->expect == EXPECT_VALUE_OR_END) {
        floor = j->depth - 1;
    } else if (j->expect == EXPECT_VALUE) {
        floor = j->depth;
        rc = pl_jsonscan_next(j, &t, err);
    } else if (j->expect == EXPECT_NOTHING) {
        return pl_fail(err, PL_INVALID, "JSON: scanned on after an error");
    } else {
        return PL_OK; /* after a scalar: nothing is open */
    }
    while (rc == PL_OK && j->depth > floor)
        rc = pl_jsonscan_next(j, &t, err);
    return rc;
}

/* --- unescaping ---------------------------------------------------------------- */

void pl_json_unescape(pl_str raw, pl_buf *out)
{
    size_t i = 0;

    while (i < raw.n) {
        const char *at = memchr(raw.p + i, '\\', raw.n - i);
        size_t      run = at != NULL ? (size_t)(at - raw.p) - i : raw.n - i;
        char        utf8[4];
        uint32_t    cp = 0;
        size_t      len;

        pl_buf_put(out, (pl_str){ raw.p + i, run });
        i += run;
        if (i == raw.n)
            return;
        len = escape_at((const uint8_t *)raw.p + i, raw.n - i, &cp);
        if (len == 0)
            return; /* not from the scanner: it refuses such strings */
        pl_buf_put(out, (pl_str){ utf8, (size_t)pl_utf8_encode(cp, utf8) });
        i += len;
    }
}

static int escaped_is(pl_str raw, pl_str name)
{
    size_t at = 0;

    for (size_t i = 0; i < raw.n;) {
        char     utf8[4] = { raw.p[i] };
        size_t   n = 1, len = 1;
        uint32_t cp = 0;

        if (raw.p[i] == '\\') {
            len = escape_at((const uint8_t *)raw.p + i, raw.n - i, &cp);
            if (len == 0)
                return 0;
            n = (size_t)pl_utf8_encode(cp, utf8);
        }
        if (name.n - at < n || memcmp(name.p + at, utf8, n) != 0)
            return 0;
        at += n;
        i += len;
    }
    return at == name.n;
}

int pl_jsontok_is(const pl_jsontok *t, const char *name)
{
    pl_str want = { name, strlen(name) };

    if (t->type != PL_JT_KEY && t->type != PL_JT_STRING)
        return 0;
    if (t->escaped)
        return escaped_is(t->raw, want);
    return t->raw.n == want.n && (want.n == 0 || memcmp(t->raw.p, want.p, want.n) == 0);
}
