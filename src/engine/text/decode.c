#include "base/banned.h"

#include "base/utf8.h"
#include "engine/text/decode.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* A text is decoded in regions: encoded characters that stand near each other, with what stands
 * around them, because a word may be encoded in part. Regions overlap by CONTEXT, which is longer
 * than a keyword; both are multiples of 4, so that base64 cut by them keeps its step. */
enum { CONTEXT = 1024, REGION_MAX = 32768, FOUND_MAX = 4096 };

/* Shorter runs of base64 are words. With padding at its end a run says what it is. */
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { BASE64_MIN = 12, BASE64_PADDED_MIN = 8, BASE64_LINE_MIN = 60 };

/* --- reading encoded characters -------------------------------------------------- */

/* What one encoded character stands for: `size` bytes of text give n bytes. size 0: none. */
typedef struct token {
    size_t   size;
    unsigned n;
    uint16_t form;
    char     bytes[4];
} token;

static unsigned digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    c = (char)(c | 32);
    return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 99;
}

/* Digits at `at`: at most `most`, and how many there were. Values too large come out so. */
static size_t read_digits(pl_str s, size_t at, unsigned base, size_t most, uint32_t *value)
{
    size_t n = 0;

    *value = 0;
    while (n < most && at + n < s.n && digit_value(s.p[at + n]) < base) {
        *value = *value > 0x110000 ? *value : *value * base + digit_value(s.p[at + n]);
        n++;
    }
    return n;
}

static token token_of(uint32_t cp, size_t size, uint16_t form)
{
    token t = { .size = size, .form = form };

    if (cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000))
        return (token){ 0 };
    t.n = (unsigned)pl_utf8_encode(cp, t.bytes);
    return t;
}

static token token_byte(uint32_t byte, size_t size, uint16_t form)
{
    return (token){ .size = size, .n = 1, .form = form, .bytes = { (char)byte } };
}

static token read_named(pl_str s)
{
    static const struct {
        const char *name;
        uint32_t    cp;
    } names[] = { { "amp;", '&' },   { "lt;", '<' },       { "gt;", '>' },       { "quot;", '"' },
                  { "apos;", '\'' }, { "nbsp;", 0xa0 },    { "shy;", 0xad },     { "zwnj;", 0x200c },
                  { "zwj;", 0x200d }, { "num;", '#' },     { "period;", '.' },   { "comma;", ',' },
                  { "lowbar;", '_' }, { "percnt;", '%' },  { "commat;", '@' },   { "dollar;", '$' },
                  { "bsol;", '\\' },  { "sol;", '/' },     { "Tab;", '\t' },     { "NewLine;", '\n' } };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t n = strlen(names[i].name);

        if (s.n > n && memcmp(s.p + 1, names[i].name, n) == 0)
            return token_of(names[i].cp, n + 1, PL_FORM_ENTITY);
    }
    return (token){ 0 };
}

/* "&#28856;" "&#x70b8;", also without the semicolon, as browsers read it. */
static token read_entity(pl_str s)
{
    bool     hex;
    uint32_t cp = 0;
    size_t   at, n;

    if (s.n < 3 || s.p[1] != '#')
        return read_named(s);
    hex = (s.p[2] | 32) == 'x';
    at = hex ? 3 : 2;
    n = read_digits(s, at, hex ? 16 : 10, 12, &cp);
    if (n == 0)
        return (token){ 0 };
    at += n;
    return token_of(cp, at + (at < s.n && s.p[at] == ';'), PL_FORM_ENTITY);
}

/* "%E7" "%u70b8" */
static token read_percent(pl_str s)
{
    uint32_t v = 0;

    if (s.n > 1 && s.p[1] == 'u' && read_digits(s, 2, 16, 4, &v) == 4)
        return token_of(v, 6, PL_FORM_PERCENT);
    if (read_digits(s, 1, 16, 2, &v) != 2)
        return (token){ 0 };
    return token_byte(v, 3, PL_FORM_PERCENT);
}

/* "\u70b8", and two of them where one is a surrogate. */
static token read_u(pl_str s)
{
    uint32_t v = 0, low = 0;
    size_t   n;

    if (s.n > 2 && s.p[2] == '{') {
        n = read_digits(s, 3, 16, 8, &v);
        return n > 0 && 3 + n < s.n && s.p[3 + n] == '}' ? token_of(v, n + 4, PL_FORM_ESCAPE)
                                                         : (token){ 0 };
    }
    if (read_digits(s, 2, 16, 4, &v) != 4)
        return (token){ 0 };
    if (v >= 0xd800 && v < 0xdc00 && s.n >= 12 && s.p[6] == '\\' && s.p[7] == 'u' &&
        read_digits(s, 8, 16, 4, &low) == 4 && low >= 0xdc00 && low < 0xe000)
        return token_of(0x10000 + ((v & 0x3ff) << 10 | (low & 0x3ff)), 12, PL_FORM_ESCAPE);
    return token_of(v, 6, PL_FORM_ESCAPE);
}

static token read_escape(pl_str s)
{
    static const char from[] = "ntr/\"'\\", to[] = "\n\t\r/\"'\\";
    const char       *simple;
    uint32_t          v = 0;

    if (s.n < 2)
        return (token){ 0 };
    if (s.p[1] == 'u')
        return read_u(s);
    if (s.p[1] == 'U')
        return read_digits(s, 2, 16, 8, &v) == 8 ? token_of(v, 10, PL_FORM_ESCAPE) : (token){ 0 };
    if (s.p[1] == 'x')
        return read_digits(s, 2, 16, 2, &v) == 2 ? token_byte(v, 4, PL_FORM_ESCAPE) : (token){ 0 };
    if (read_digits(s, 1, 8, 3, &v) == 3)
        return v < 0x100 ? token_byte(v, 4, PL_FORM_ESCAPE) : (token){ 0 };
    simple = s.p[1] != '\0' ? strchr(from, s.p[1]) : NULL;
    return simple ? token_byte((uint8_t)to[simple - from], 2, PL_FORM_ESCAPE) : (token){ 0 };
}

static token read_token(pl_str s)
{
    switch (s.p[0]) {
    case '&': return read_entity(s);
    case '%': return read_percent(s);
    case '\\': return read_escape(s);
    default: return (token){ 0 };
    }
}

/* --- base64 ------------------------------------------------------------------------ */

/* Both alphabets, the value plus 1. */
static const uint8_t base64_letters[256] = {
    ['A'] = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25,
    26, ['a'] = 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48,
    49, 50, 51, 52, ['0'] = 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, ['+'] = 63, ['-'] = 63,
    ['/'] = 64, ['_'] = 64,
};

static int base64_value(char c)
{
    return base64_letters[(uint8_t)c] - 1;
}

/* A line end inside a run of long lines. */
static size_t base64_break(pl_str s, size_t at, size_t line)
{
    size_t n = at < s.n && s.p[at] == '\r';

    if (line < BASE64_LINE_MIN || line % 4 != 0 || at + n + 1 >= s.n || s.p[at + n] != '\n')
        return 0;
    return base64_value(s.p[at + n + 1]) >= 0 ? n + 1 : 0;
}

/* Bytes of the run at the start of s, padding included; 0: not long enough. */
static size_t base64_run(pl_str s)
{
    size_t at = 0, line = 0, skip, padding = 0;

    s.n = s.n < REGION_MAX ? s.n : REGION_MAX; /* no more is decoded at once */
    for (;;) {
        if (at < s.n && base64_value(s.p[at]) >= 0) {
            at++;
            line++;
        } else if ((skip = base64_break(s, at, line)) > 0) {
            at += skip;
            line = 0;
        } else {
            break;
        }
    }
    while (padding < 2 && at + padding < s.n && s.p[at + padding] == '=')
        padding++;
    return at + padding >= (padding ? BASE64_PADDED_MIN : BASE64_MIN) ? at + padding : 0;
}

/* --- levels ------------------------------------------------------------------------ */

/* Where a decoded byte comes from, and at which level of nesting it appeared. */
typedef struct origin {
    uint32_t start, end;
    uint16_t form, level;
} origin;

typedef struct level {
    char   *bytes;
    origin *from;
    size_t  n;
} level;

static void level_put(level *to, const level *in, size_t first, size_t last, char byte,
                      uint16_t form, uint16_t depth)
{
    for (size_t i = first; i <= last; i++)
        form |= in->from[i].form;
    to->bytes[to->n] = byte;
    to->from[to->n++] = (origin){ in->from[first].start, in->from[last].end, form, depth };
}

/* Whether bytes read like text: what is encoded otherwise is an image or a key. A character may
 * be cut off at either end. */
static bool is_text(pl_str s)
{
    for (int i = 0; i < 3 && s.n > 0 && ((uint8_t)*s.p & 0xc0) == 0x80; i++)
        s = (pl_str){ s.p + 1, s.n - 1 };
    for (size_t i = 0; i < s.n; i++)
        if ((uint8_t)s.p[i] < 0x20 && s.p[i] != '\n' && s.p[i] != '\r' && s.p[i] != '\t')
            return false;
    while (s.n > 0) {
        uint32_t cp;
        int      len = pl_utf8_decode(s, &cp);

        if (len < 0)
            return false;
        if (len == 0)
            return true;
        s = (pl_str){ s.p + len, s.n - (size_t)len };
    }
    return true;
}

/* Decodes the run [at, at + size) of `in`. Leaves `to` as it was when it is no text. */
static bool base64_decode(const level *in, size_t at, size_t size, level *to, uint16_t depth)
{
    size_t   before = to->n, last = at;
    unsigned have = 0;
    uint32_t bits = 0;

    for (size_t i = at; i < at + size; i++) {
        int v = base64_value(in->bytes[i]);

        if (v < 0)
            continue;
        bits = bits << 6 | (uint32_t)v;
        if (++have > 1)
            level_put(to, in, last, i, (char)(bits >> (8 - 2 * have)), PL_FORM_BASE64, depth);
        last = i;
        have %= 4;
    }
    if (to->n > before && is_text((pl_str){ to->bytes + before, to->n - before }))
        return true;
    to->n = before;
    return false;
}

/* One level more. Nothing grows, so `to` has room. Gives whether anything was encoded. */
static bool level_decode(const level *in, level *to, uint16_t depth)
{
    bool any = false;

    to->n = 0;
    for (size_t at = 0; at < in->n;) {
        pl_str rest = { in->bytes + at, in->n - at };
        token  t = read_token(rest);
        size_t run;

        for (unsigned i = 0; i < t.n; i++)
            level_put(to, in, at, at + t.size - 1, t.bytes[i], t.form, depth);
        any |= t.size > 0;
        at += t.size;
        if (t.size > 0)
            continue;
        run = base64_value(in->bytes[at]) >= 0 ? base64_run(rest) : 0;
        if (run > 0 && base64_decode(in, at, run, to, depth)) {
            any = true;
            at += run;
            continue;
        }
        do { /* as it stands: one byte, or the whole run, which is not looked at again */
            to->bytes[to->n] = in->bytes[at];
            to->from[to->n++] = in->from[at++];
        } while (at < in->n && base64_value(in->bytes[at - 1]) >= 0 &&
                 base64_value(in->bytes[at]) >= 0);
    }
    return any;
}

/* --- regions ----------------------------------------------------------------------- */

typedef struct region {
    pl_decode_scan_fn scan;
    void             *scan_ctx;
    pl_text_emit_fn   emit;
    void             *ctx;
    uint64_t          base;  /* offset of the region in the text            */
    uint64_t          floor; /* findings that end before were found already */
    const level      *now;
    uint16_t          depth;
    bool              stopped;
    size_t            count;
    pl_text_finding   found[FOUND_MAX];
} region;

static int finding_compare(const void *a, const void *b)
{
    const pl_text_finding *x = a, *y = b;

    if (x->end != y->end)
        return x->end < y->end ? -1 : 1;
    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    return (x->rule > y->rule) - (x->rule < y->rule);
}

static void region_flush(region *r)
{
    if (r->count > 1)
        qsort(r->found, r->count, sizeof *r->found, finding_compare);
    for (size_t i = 0; i < r->count && !r->stopped; i++)
        if (i == 0 || finding_compare(&r->found[i - 1], &r->found[i]) != 0)
            r->stopped = r->emit(r->ctx, &r->found[i]) != 0;
    r->count = 0;
}

/* A finding in decoded text: keeps it when it needed the newest level. */
static int region_found(void *ctx, const pl_text_finding *f)
{
    region         *r = ctx;
    pl_text_finding to = *f;
    bool            fresh = false;

    if (f->start >= f->end || f->end > r->now->n)
        return 0;
    for (uint64_t i = f->start; i < f->end; i++) {
        fresh |= r->now->from[i].level == r->depth;
        to.form |= r->now->from[i].form;
    }
    to.start = r->base + r->now->from[f->start].start;
    to.end = r->base + r->now->from[f->end - 1].end;
    if (!fresh || to.end <= r->floor)
        return 0;
    if (r->count == FOUND_MAX)
        region_flush(r);
    r->found[r->count++] = to;
    return r->stopped;
}

static void region_scan(region *r, pl_str text, level *a, level *b)
{
    a->n = text.n;
    for (size_t i = 0; i < text.n; i++) {
        a->bytes[i] = text.p[i];
        a->from[i] = (origin){ (uint32_t)i, (uint32_t)i + 1, 0, 0 };
    }
    for (r->depth = 1; r->depth <= PL_DECODE_DEPTH && !r->stopped; r->depth++) {
        level *t = a;

        if (!level_decode(a, b, r->depth))
            break;
        r->now = b;
        r->scan(r->scan_ctx, (pl_str){ b->bytes, b->n }, region_found, r);
        a = b;
        b = t;
    }
    region_flush(r);
}

/* --- finding them -------------------------------------------------------------------- */

/* Bytes of the encoded run at `at`, 0 when there is none. */
static size_t encoded_at(pl_str text, size_t at)
{
    pl_str rest = { text.p + at, text.n - at };
    size_t n = read_token(rest).size;

    return n > 0 ? n : base64_value(*rest.p) >= 0 ? base64_run(rest) : 0;
}

/* The next of the signs that encoded characters begin with. */
static size_t sign_next(pl_str text, size_t at, size_t end)
{
    static const char signs[] = { '&', '%', '\\' };

    for (size_t i = 0; i < sizeof signs; i++) {
        const char *p = end > at ? memchr(text.p + at, signs[i], end - at) : NULL;

        end = p ? (size_t)(p - text.p) : end;
    }
    return end;
}

/* Whether a run begins like encoded text. Decoding it would say the same later and at more cost:
 * most runs are long words. */
static bool base64_promises(pl_str run)
{
    enum { LOOK = 24 };
    char   bytes[LOOK / 4 * 3];
    size_t n = 0;

    for (size_t i = 0; i + 4 <= run.n && i < LOOK; i += 4) {
        uint32_t v = 0;

        for (size_t k = 0; k < 4; k++) {
            if (base64_value(run.p[i + k]) < 0) /* padding or the end of a line: as far as it goes */
                return is_text((pl_str){ bytes, n });
            v = v << 6 | (uint32_t)base64_value(run.p[i + k]);
        }
        bytes[n++] = (char)(v >> 16);
        bytes[n++] = (char)(v >> 8);
        bytes[n++] = (char)v;
    }
    return is_text((pl_str){ bytes, n });
}

static bool is_run(pl_str text, size_t from)
{
    size_t run = base64_run((pl_str){ text.p + from, text.n - from });

    return run > 0 && base64_promises((pl_str){ text.p + from, run });
}

/* Where the letters of base64 around `i` begin and end. */
static size_t letters_from(pl_str text, size_t at, size_t i)
{
    while (i > at && base64_value(text.p[i - 1]) >= 0)
        i--;
    return i;
}

static size_t letters_to(pl_str text, size_t i, size_t end)
{
    while (i < end && base64_value(text.p[i]) >= 0)
        i++;
    return i;
}

/* Every letter of base64, and some signs. Blanks, full stops and commas, which end most words, and all that is
 * no ASCII are not among them. */
static bool may_be_letter(char c)
{
    return (signed char)c > '*' && c != '.' && c != ',';
}

/* The same: a bit for each of 64 bytes. */
static uint64_t may_be_letters(const char *p)
{
    uint64_t bits = 0;

#ifdef __SSE2__
    for (int i = 0; i < 64; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(p + i));
        __m128i dot = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('.')), _mm_cmpeq_epi8(v, _mm_set1_epi8(',')));
        __m128i in = _mm_andnot_si128(dot, _mm_cmpgt_epi8(v, _mm_set1_epi8('*')));

        bits |= (uint64_t)(unsigned)_mm_movemask_epi8(in) << i;
    }
#else
    for (int i = 0; i < 64; i++)
        bits |= (uint64_t)may_be_letter(p[i]) << i;
#endif
    return bits;
}

/* Where BASE64_MIN set bits begin. */
static uint64_t runs_begin(uint64_t bits)
{
    _Static_assert(BASE64_MIN == 12, "the shifts add up to it");
    bits &= bits >> 1; /* two  */
    bits &= bits >> 2; /* four */
    return bits & bits >> 4 & bits >> 8;
}

/* The next run of BASE64_MIN letters in [at, end): every one has a place that is looked at. */
static size_t plain_look(pl_str text, size_t at, size_t end)
{
    for (size_t i = at + BASE64_MIN - 1; i < end; i += BASE64_MIN) {
        size_t from;

        if (base64_value(text.p[i]) < 0)
            continue;
        from = letters_from(text, at, i);
        i = letters_to(text, i, end);
        if (i - from >= BASE64_MIN && is_run(text, from))
            return from;
    }
    return end;
}

/* The same; hardly any words are so long, and 53 places are passed over at once. A run that begins before a
 * window has been seen whole in the one before. */
static size_t plain_next(pl_str text, size_t at, size_t end)
{
    while (at + 64 <= end) {
        uint64_t begins = runs_begin(may_be_letters(text.p + at));
        size_t   from, to, found;

        if (begins == 0) {
            at += 64 - (BASE64_MIN - 1);
            continue;
        }
        from = to = at + (size_t)__builtin_ctzll(begins);
        while (to < end && may_be_letter(text.p[to]))
            to++;
        found = plain_look(text, from, to);
        if (found < to)
            return found;
        at = to;
    }
    return plain_look(text, at, end);
}

/* The next run with padding. */
static size_t padded_next(pl_str text, size_t at, size_t end)
{
    const char *p = text.p + at;

    while (p < text.p + end && (p = memchr(p, '=', (size_t)(text.p + end - p))) != NULL) {
        size_t from = letters_from(text, at, (size_t)(p - text.p));

        if (from < (size_t)(p - text.p) && is_run(text, from))
            return from;
        p++;
    }
    return end;
}

/* The next run of base64 in [at, end), which holds no sign and begins after none of its letters. */
static size_t base64_next(pl_str text, size_t at, size_t end)
{
    size_t plain = plain_next(text, at, end);

    return padded_next(text, at, plain);
}

/* Start of the next encoded run at or after `at`, or the end. */
static size_t encoded_next(pl_str text, size_t at)
{
    enum { STEP = 1024 };

    while (at < text.n) {
        size_t end = text.n - at > STEP ? at + STEP : text.n, sign = sign_next(text, at, end), run;

        /* a run that the step cuts is seen whole: it begins before */
        run = base64_next(text, at, sign);
        if (run < sign)
            return run;
        at = sign;
        if (sign < end && read_token((pl_str){ text.p + sign, text.n - sign }).size > 0)
            return sign;
        if (sign < end)
            at++;
        else
            while (at > end - STEP / 2 && end < text.n && base64_value(text.p[at - 1]) >= 0)
                at--;
    }
    return text.n;
}

typedef struct span {
    size_t from, to; /* what is decoded                          */
    size_t next;     /* where to look for the next encoded run   */
} span;

/* The region around the encoded run at `at`. */
static span region_around(pl_str text, size_t at)
{
    span   s = { .from = at > CONTEXT ? at - CONTEXT : 0 };
    size_t limit = s.from + REGION_MAX < text.n ? s.from + REGION_MAX : text.n, last = at;

    for (;;) {
        size_t end = last + encoded_at(text, last);

        if (end >= limit) { /* cut, in step with the base64 it may be */
            s.to = s.next = limit == text.n ? limit : last + (limit - last) / 4 * 4;
            if (s.next <= at)
                s.to = s.next = limit;
            return s;
        }
        last = encoded_next(text, end);
        if (last - end > CONTEXT || last >= text.n || last >= limit) {
            s.to = end + CONTEXT < limit ? end + CONTEXT : limit;
            s.next = last;
            return s;
        }
    }
}

void pl_decode_scan(pl_str text, pl_decode_scan_fn scan, void *scan_ctx, pl_text_emit_fn emit,
                    void *ctx)
{
    size_t  at = encoded_next(text, 0), room;
    region *r;
    level   a = { 0 }, b = { 0 };

    if (at >= text.n)
        return;
    room = text.n < REGION_MAX ? text.n : REGION_MAX;
    r = calloc(1, sizeof *r);
    a = (level){ malloc(room), calloc(room, sizeof(origin)), 0 };
    b = (level){ malloc(room), calloc(room, sizeof(origin)), 0 };
    if (r && a.bytes && a.from && b.bytes && b.from) {
        *r = (region){ .scan = scan, .scan_ctx = scan_ctx, .emit = emit, .ctx = ctx };
        while (at < text.n && !r->stopped) {
            span s = region_around(text, at);

            r->base = s.from;
            region_scan(r, (pl_str){ text.p + s.from, s.to - s.from }, &a, &b);
            r->floor = s.to;
            at = encoded_next(text, s.next);
        }
    }
    free(r);
    free(a.bytes), free(a.from), free(b.bytes), free(b.from);
}
