/* Cutting a text into groups. The machine only goes forward and can stop at any byte, so whole
 * text and streams are cut alike. */
#include "base/banned.h"

#include "engine/text/pii_int.h"

/* Where nothing near tells a better place, a group that is too long is cut at its limit. */
enum { SOFT_NEAR = 1024 };

enum mode { MODE_TOKENS, MODE_PEM_HEAD, MODE_PEM_BODY, MODE_PEM_END };

enum { PEM_HEAD_MAX = 64 };
static const char pem_begin[] = "-----BEGIN", pem_end[] = "-----END", dashes[] = "-----";
#define LENGTH(s) (sizeof(s) - 1)

static bool is_at(const uint8_t *text, size_t n, size_t at, const char *what, size_t length)
{
    return n - at >= length && memcmp(text + at, what, length) == 0;
}

/* --- blanks -------------------------------------------------------------------- */

/* "GB29" or a further block of four: the group may go on behind a blank as an IBAN. */
static bool iban_goes_on(pii_seg *s)
{
    uint8_t a = (uint8_t)(s->last4 >> 24), b = (uint8_t)(s->last4 >> 16);

    if (s->run != 4)
        return false;
    if (s->iban == 0 &&
        (!pii_is((uint8_t)(s->last4 >> 8), PII_DIGIT) || !pii_is((uint8_t)s->last4, PII_DIGIT) ||
         pii_iban_length(a, b) == 0))
        return false;
    if (s->iban < 9)
        s->iban++;
    return s->iban < 9;
}

/* "京A" and nothing more yet: its number may stand behind a blank. */
static bool is_plate_head(const pii_seg *s)
{
    return s->last4 >> 16 == 0 && s->last4 >> 8 >= PII_HAN && pii_is((uint8_t)s->last4, PII_UPPER);
}

/* Whether a blank behind the last cell may be inside a finding at all. */
static bool blank_may_join(pii_seg *s, const uint8_t *text)
{
    uint8_t last = (uint8_t)s->last4;

    if (!iban_goes_on(s))
        s->iban = 0;
    return pii_is(last, PII_DIGIT) || last == ')' || last >= PII_HAN || s->iban > 0 ||
           is_plate_head(s) ||
           (last == 'N' && s->at - s->start >= LENGTH(pem_begin) &&
            memcmp(text + s->at - LENGTH(pem_begin), pem_begin, LENGTH(pem_begin)) == 0);
}

static bool joins(const pii_seg *s, uint8_t c)
{
    uint8_t last = (uint8_t)s->last4;

    if (last >= PII_HAN)
        return pii_is(c, PII_UPPER);
    if ((s->iban > 0 || is_plate_head(s)) && pii_is(c, PII_UPPER | PII_DIGIT))
        return true;
    return (pii_is(last, PII_DIGIT) || last == ')') &&
           (pii_is(c, PII_DIGIT) || c == '(' || c == '+');
}

/* --- private key blocks -------------------------------------------------------- */

/* RFC 7468 and, for encrypted keys, RFC 1421 headers; '\\' and 'n' of line ends as JSON and
 * environment files write them. */
static bool is_pem_byte(uint8_t c)
{
    return pii_is(c, PII_ALNUM) || (c != 0 && strchr("+/= \t\r\n:,.\\-", c) != NULL);
}

static bool pem_head(pii_seg *s, const uint8_t *text, size_t n, bool is_final)
{
    for (; s->at < n; s->at++) {
        uint8_t c = text[s->at];

        if (c == '-') {
            if (n - s->at < LENGTH(dashes) && !is_final)
                return true;
            if (!is_at(text, n, s->at, dashes, LENGTH(dashes)) ||
                !pii_pem_is_key((pl_str){ (const char *)text + s->start, s->at - s->start }))
                return false;
            s->at += LENGTH(dashes);
            s->mode = MODE_PEM_BODY;
            return true;
        }
        if ((!pii_is(c, PII_UPPER | PII_DIGIT) && c != ' ') || s->at - s->start > PEM_HEAD_MAX)
            return false;
    }
    return !is_final;
}

/* True when the block is over: at its end line, at a byte no key has, at the limit. */
static bool pem_body(pii_seg *s, const uint8_t *text, size_t n, bool is_final)
{
    for (; s->at < n; s->at++) {
        if (s->at - s->start >= PL_PII_PEM_MAX || !is_pem_byte(text[s->at]))
            return true;
        if (text[s->at] == '-' && s->mode == MODE_PEM_BODY) {
            if (n - s->at < LENGTH(pem_end) && !is_final)
                return false;
            if (is_at(text, n, s->at, pem_end, LENGTH(pem_end))) {
                s->mode = MODE_PEM_END;
                s->at += LENGTH(pem_end) - 1;
            }
        } else if (s->mode == MODE_PEM_END && text[s->at] == '-') {
            if (n - s->at < LENGTH(dashes) && !is_final)
                return false;
            if (is_at(text, n, s->at, dashes, LENGTH(dashes)))
                s->at += LENGTH(dashes);
            return true;
        }
    }
    return is_final;
}

/* --- groups -------------------------------------------------------------------- */

static bool finish(pii_seg *s, size_t end, pii_span *out)
{
    *out = (pii_span){ .start = s->start, .end = end, .is_pem = s->mode != MODE_TOKENS,
                       .is_plain = s->is_plain, .is_rich = s->is_rich };
    *s = (pii_seg){ .at = end, .blank = PII_NONE };
    return true;
}

/* A private key block, or what only looked like the beginning of one and is the token before
 * the blank after all. */
static bool pem_next(pii_seg *s, const uint8_t *text, size_t n, bool is_final, pii_span *out)
{
    if (s->mode == MODE_PEM_HEAD && !pem_head(s, text, n, is_final)) {
        s->mode = MODE_TOKENS;
        return finish(s, s->blank, out);
    }
    if (s->mode == MODE_PEM_HEAD)
        return false;
    return pem_body(s, text, n, is_final) && finish(s, s->at, out);
}

static void append(pii_seg *s, pii_char c)
{
    if (s->blank != PII_NONE)
        s->run = 0;
    s->last4 = s->last4 << 8 | c.cell;
    s->run = pii_is(c.cell, PII_ALNUM) ? s->run + 1 : 0;
    s->is_plain &= c.length == 1;
    s->is_rich |= c.cell >= PII_HAN || pii_plain[c.cell] > 1 || s->at - s->start >= 15;
    s->at += c.length;
    s->blank = PII_NONE;
    if (s->run == 0)
        s->soft = s->at;
}

static void open_group(pii_seg *s, pii_char c)
{
    *s = (pii_seg){ .start = s->at, .at = s->at, .soft = s->at, .blank = PII_NONE, .open = true,
                    .is_plain = true };
    append(s, c);
}

static bool is_too_long(const pii_seg *s)
{
    return s->at - s->start >= PL_PII_GROUP_MAX - 4;
}

static size_t cut_of(const pii_seg *s)
{
    return s->soft > s->start && s->at - s->soft <= SOFT_NEAR ? s->soft : s->at;
}

/* One character of an open group; true when it ends the group at *end. */
static bool take(pii_seg *s, const uint8_t *text, pii_char c, size_t *end)
{
    *end = s->blank != PII_NONE ? s->blank : s->at;
    if (c.class == PII_NOTHING) {
        s->is_plain = false;
        s->at += c.length;
        return false;
    }
    if (c.class == PII_BLANK && s->blank == PII_NONE && blank_may_join(s, text)) {
        s->is_plain &= c.length == 1;
        s->blank = s->at;
        s->at += c.length;
        if ((uint8_t)s->last4 == 'N' && s->iban == 0) {
            s->start = s->blank - LENGTH(pem_begin);
            s->mode = MODE_PEM_HEAD;
        }
        return false;
    }
    if (c.class != PII_TOKEN || (s->blank != PII_NONE && !joins(s, c.cell)))
        return true;
    append(s, c);
    return false;
}

/* --- plain groups -------------------------------------------------------------- */

/* Whether a group of ASCII ends for sure at the character behind it, at `end`: nothing there can
 * join. What is hard to say is left to take(). */
static bool ends_plainly(const uint8_t *text, size_t n, size_t start, size_t end)
{
    pii_char c = pii_char_at(text + end, n - end);
    uint8_t  last = text[end - 1];

    if (c.class == PII_BREAK || c.class == PII_REGION)
        return true;
    if (c.class != PII_BLANK || c.length > 1 || last == 'N')
        return false;
    if (!pii_is(last, PII_DIGIT) && last != ')')
        return true;
    if (end + 1 == n)
        return false;
    c = pii_char_at(text + end + 1, n - end - 1);
    if (c.class == PII_BREAK || c.class == PII_REGION || c.class == PII_BLANK)
        return true;
    if (c.class != PII_TOKEN || c.length > 1 || pii_is(c.cell, PII_DIGIT) || c.cell == '(' ||
        c.cell == '+')
        return false;
    return !pii_is(c.cell, PII_UPPER) || end - start < 4 || !pii_is(text[end - 4], PII_ALPHA);
}

enum plain { PLAIN_NOT, PLAIN_POOR, PLAIN_RICH };

/* The common case at once: a group of ASCII whose end is there. A poor one is passed over. */
static enum plain plain_group(pii_seg *s, const uint8_t *text, size_t n, bool is_final,
                              pii_span *out)
{
    enum { MOST = PL_PII_GROUP_MAX / 2 };
    size_t  start = s->at, end = start, stop = n - start < MOST ? n : start + MOST;
    uint8_t seen = 0, c = pii_plain[text[end]];

    while (c) {
        seen |= c;
        if (++end == stop)
            break;
        c = pii_plain[text[end]];
    }
    if (end == n ? !is_final : end == stop || !ends_plainly(text, n, start, end))
        return PLAIN_NOT;
    s->at = end;
    if (seen == 1 && end - start < 16)
        return PLAIN_POOR;
    *out = (pii_span){ .start = start, .end = end, .is_plain = true, .is_rich = true };
    *s = (pii_seg){ .at = end, .blank = PII_NONE };
    return PLAIN_RICH;
}

bool pii_seg_next(pii_seg *s, const uint8_t *text, size_t n, size_t stop, bool is_final,
                  pii_span *out)
{
    enum plain plain;
    size_t     end;

    while (s->at < n) {
        pii_char c;

        if (s->mode != MODE_TOKENS) {
            uint8_t mode = s->mode;
            if (pem_next(s, text, n, is_final, out))
                return true;
            if (s->mode == mode)
                return false;
            continue;
        }
        if (!s->open) {
            s->at = pii_skip(text, n, s->at, stop);
            if (s->at > stop)
                return false;
            if (s->at == n)
                break;
        }
        c = pii_char_at(text + s->at, n - s->at);
        if (c.class == PII_INCOMPLETE) {
            if (!is_final)
                return false;
            c = (pii_char){ PII_BREAK, 1, 0 };
        }
        if (s->open) {
            if (is_too_long(s)) /* asked when the next character is there, as `next` is then */
                return finish(s, cut_of(s), out);
            if (take(s, text, c, &end))
                return finish(s, end, out);
        } else if (c.class == PII_TOKEN || c.class == PII_REGION) {
            plain = c.length == 1 ? plain_group(s, text, n, is_final, out) : PLAIN_NOT;
            if (plain == PLAIN_RICH)
                return true;
            if (plain == PLAIN_NOT)
                open_group(s, c);
        } else {
            s->at += c.length;
            if (s->at > stop)
                return false;
        }
    }
    if (!is_final || !s->open)
        return false;
    if (s->mode != MODE_TOKENS)
        return pem_next(s, text, n, true, out);
    return finish(s, s->blank != PII_NONE ? s->blank : s->at, out);
}

/* --- backwards ----------------------------------------------------------------- */

static bool is_tail(uint8_t c)
{
    return (c & 0xc0) == 0x80;
}

/* The character that ends before `at`. */
static pii_char char_before(const uint8_t *text, size_t from, size_t at)
{
    size_t   k = 1;
    pii_char c;

    while (k < 3 && at - k > from && is_tail(text[at - k]))
        k++;
    c = pii_char_at(text + at - k, k);
    return c.class == PII_INCOMPLETE || c.length != k ? (pii_char){ PII_BREAK, 1, 0 } : c;
}

/* Goes back over everything that might join; what it stops at always parts groups. */
size_t pii_seg_back(const uint8_t *text, size_t from, size_t at)
{
    for (size_t k = 0; k < 3 && at > from && is_tail(text[at]); k++)
        at--;
    while (at > from) {
        pii_char c;
        size_t   before;

        if (pii_plain[text[at - 1]]) {
            at--;
            continue;
        }
        c = char_before(text, from, at);
        before = at - c.length;

        if (c.class == PII_BREAK)
            break;
        if (c.class == PII_BLANK && before > from) {
            uint8_t b = text[before - 1];
            if (b < 0x80 && b != ')' && !pii_is(b, PII_DIGIT | PII_UPPER))
                break;
        }
        at = before;
        if (c.class == PII_REGION)
            break;
    }
    return at;
}
