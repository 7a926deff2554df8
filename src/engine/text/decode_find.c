/* Where encoded characters are: the signs they begin with, and runs of base64. */
#include "base/banned.h"

#include "base/utf8.h"
#include "engine/text/decode_int.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Shorter runs of base64 are words. With padding at its end a run says what it is. */
enum { BASE64_MIN = 12, BASE64_PADDED_MIN = 8, BASE64_LINE_MIN = 60 };

/* The value plus 1. */
const uint8_t decode_letters[256] = {
    ['A'] = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25,
    26, ['a'] = 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48,
    49, 50, 51, 52, ['0'] = 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, ['+'] = 63, ['-'] = 63,
    ['/'] = 64, ['_'] = 64,
};

/* Where the letters of base64 around `i` begin and end. */
static size_t letters_from(pl_str text, size_t at, size_t i)
{
    while (i > at && decode_letter(text.p[i - 1]) >= 0)
        i--;
    return i;
}

static size_t letters_to(pl_str text, size_t i, size_t end)
{
    while (i < end && decode_letter(text.p[i]) >= 0)
        i++;
    return i;
}

/* A line end inside a run of long lines. */
static size_t base64_break(pl_str s, size_t at, size_t line)
{
    size_t n = at < s.n && s.p[at] == '\r';

    if (line < BASE64_LINE_MIN || line % 4 != 0 || at + n + 1 >= s.n || s.p[at + n] != '\n')
        return 0;
    return decode_letter(s.p[at + n + 1]) >= 0 ? n + 1 : 0;
}

size_t decode_run(pl_str s)
{
    size_t at = 0, line = 0, skip, padding = 0;

    s.n = s.n < DECODE_REGION_MAX ? s.n : DECODE_REGION_MAX; /* no more is decoded at once */
    for (;;) {
        if (at < s.n && decode_letter(s.p[at]) >= 0) {
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

/* Text that comes byte by byte. */
typedef struct reader {
    char     part[4]; /* of a character */
    unsigned n;
    unsigned cut; /* bytes of a character that was cut off in front */
    bool     begun;
} reader;

/* What is_text says, as soon as it can be said: false when the text is none with this byte. */
static bool reader_take(reader *r, char byte)
{
    uint32_t cp;
    int      len;

    if (!r->begun && ((uint8_t)byte & 0xc0) == 0x80 && r->cut < 3) {
        r->cut++;
        return true;
    }
    r->begun = true;
    if ((uint8_t)byte < 0x20 && byte != '\n' && byte != '\r' && byte != '\t')
        return false;
    r->part[r->n++] = byte;
    len = pl_utf8_decode((pl_str){ r->part, r->n }, &cp);
    r->n = len > 0 ? 0 : r->n;
    return len >= 0;
}

size_t decode_text_run(pl_str s, size_t *retry)
{
    size_t   at = 0, line = 0, begin = 0, skip, padding = 0;
    unsigned have = 0;
    uint32_t bits = 0;
    reader   r = { .n = 0 };

    for (;;) {
        if (at < s.n && decode_letter(s.p[at]) >= 0) {
            bits = bits << 6 | (uint32_t)decode_letter(s.p[at]);
            if (++have > 1 && !reader_take(&r, (char)(bits >> (8 - 2 * have)))) {
                *retry = begin > 0 ? begin : letters_to(s, at, s.n);
                return 0;
            }
            have %= 4;
            at++;
            line++;
        } else if ((skip = base64_break(s, at, line)) > 0) {
            begin = at += skip;
            line = 0;
        } else {
            break;
        }
    }
    while (padding < 2 && at + padding < s.n && s.p[at + padding] == '=')
        padding++;
    return at + padding;
}

/* --- finding them -------------------------------------------------------------------- */

size_t decode_size(pl_str text, size_t at)
{
    pl_str rest = { text.p + at, text.n - at };
    size_t n = decode_token_read(rest).size;

    return n > 0 ? n : decode_letter(*rest.p) >= 0 ? decode_run(rest) : 0;
}

static bool is_sign(char c)
{
    return c == '&' || c == '%' || c == '\\';
}

/* The next of the signs that encoded characters begin with. */
static size_t sign_next(pl_str text, size_t at, size_t end)
{
#ifdef __SSE2__
    for (; at + 16 <= end; at += 16) {
        __m128i  v = _mm_loadu_si128((const __m128i *)(text.p + at));
        __m128i  other = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('&')), _mm_cmpeq_epi8(v, _mm_set1_epi8('%')));
        unsigned in = (unsigned)_mm_movemask_epi8(_mm_or_si128(other, _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'))));

        if (in)
            return at + (unsigned)__builtin_ctz(in);
    }
#endif
    while (at < end && !is_sign(text.p[at]))
        at++;
    return at;
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
            if (decode_letter(run.p[i + k]) < 0) /* padding or the end of a line: as far as it goes */
                return is_text((pl_str){ bytes, n });
            v = v << 6 | (uint32_t)decode_letter(run.p[i + k]);
        }
        bytes[n++] = (char)(v >> 16);
        bytes[n++] = (char)(v >> 8);
        bytes[n++] = (char)v;
    }
    return is_text((pl_str){ bytes, n });
}

/* Asks no more than whether it is long enough: it may be very long, and asked for from each of its lines. */
static bool is_run(pl_str text, size_t from)
{
    const size_t left = text.n - from;
    const pl_str most = { text.p + from, left < BASE64_LINE_MIN ? left : BASE64_LINE_MIN };

    return base64_promises(most) && decode_run(most) > 0;
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

        if (decode_letter(text.p[i]) < 0)
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

size_t decode_next(pl_str text, size_t at)
{
    enum { STEP = 1024 };

    while (at < text.n) {
        size_t end = text.n - at > STEP ? at + STEP : text.n, sign = sign_next(text, at, end), run;

        /* a run that the step cuts is seen whole: it begins before */
        run = base64_next(text, at, sign);
        if (run < sign)
            return run;
        at = sign;
        if (sign < end && decode_token_read((pl_str){ text.p + sign, text.n - sign }).size > 0)
            return sign;
        if (sign < end)
            at++;
        else
            while (at > end - STEP / 2 && end < text.n && decode_letter(text.p[at - 1]) >= 0)
                at--;
    }
    return text.n;
}
