#include "base/banned.h"

#include "engine/text/redact.h"

#include "base/hash.h"
#include "base/str.h"
#include "engine/text/pii_int.h"

enum { KEY_MIN = 16, PSEUDONYM_BYTES = 6, NAME_MAX = 48 };

/* --- what of an item may be seen ---------------------------------------------------------- */

typedef enum style {
    STYLE_NOTHING, /* "****": not even the length shows */
    STYLE_CODE,    /* letters and digits are masked, separators stay; some at the ends are kept */
    STYLE_EMAIL,   /* first character and domain are kept */
    STYLE_URL,     /* the scheme is kept */
    STYLE_NAME     /* the first character is kept */
} style;

/* Kept characters: what people are used to see and what is no identifier by itself. PCI DSS 4.0,
 * 3.4.1 lets the last four digits of a card be shown. */
static const struct shown {
    uint8_t style, first, last;
} shown[PL_PII_KINDS] = {
    [PL_PII_EMAIL] = { STYLE_EMAIL, 1, 0 },
    [PL_PII_PHONE] = { STYLE_CODE, 0, 4 },
    [PL_PII_CN_MOBILE] = { STYLE_CODE, 3, 4 },
    [PL_PII_CN_ID] = { STYLE_CODE, 0, 2 },
    [PL_PII_BANK_CARD] = { STYLE_CODE, 0, 4 },
    [PL_PII_USCC] = { STYLE_CODE, 0, 4 },
    [PL_PII_PASSPORT] = { STYLE_CODE, 0, 2 },
    [PL_PII_PLATE] = { STYLE_CODE, 0, 2 },
    [PL_PII_IP] = { STYLE_CODE, 0, 0 },
    [PL_PII_URL] = { STYLE_URL, 0, 0 },
    [PL_PII_IBAN] = { STYLE_CODE, 0, 4 },
    [PL_PII_US_SSN] = { STYLE_CODE, 0, 4 },
    [PL_PII_NAME] = { STYLE_NAME, 1, 0 },
};

/* Bytes of the character at p, whatever it is. */
static size_t char_length(const uint8_t *p, size_t n)
{
    size_t k = 1;

    if (*p >= 0xc0)
        while (k < n && k < 4 && (p[k] & 0xc0) == 0x80)
            k++;
    return k;
}

/* A character that carries the item: a letter, a digit or anything that is not ASCII, but no
 * separator and nothing invisible. */
static bool carries(pii_char c, const uint8_t *p)
{
    if (c.class == PII_NOTHING || c.class == PII_BLANK)
        return false;
    if (c.class == PII_TOKEN)
        return pii_is(c.cell, PII_ALNUM);
    return *p >= 0x80;
}

static size_t count_carrying(pl_str s)
{
    const uint8_t *p = (const uint8_t *)s.p;
    size_t         count = 0;

    for (size_t i = 0; i < s.n; i += char_length(p + i, s.n - i))
        count += carries(pii_char_at(p + i, s.n - i), p + i);
    return count;
}

static void mask_code(pl_buf *out, pl_str s, size_t first, size_t last)
{
    const uint8_t *p = (const uint8_t *)s.p;
    size_t         total = count_carrying(s), seen = 0, length;

    if (total < first + last + 3) /* too short to keep that much */
        first = last = 0;
    for (size_t i = 0; i < s.n; i += length) {
        pii_char c = pii_char_at(p + i, s.n - i);

        length = char_length(p + i, s.n - i);
        if (!carries(c, p + i)) {
            if (c.class != PII_NOTHING)
                pl_buf_put(out, (pl_str){ s.p + i, length });
            continue;
        }
        if (seen < first || seen >= total - last)
            pl_buf_put(out, (pl_str){ s.p + i, length });
        else
            pl_buf_putc(out, '*');
        seen++;
    }
}

/* Bytes of "https://" at the front; 0 when what stands before "://" is more than a word: it may
 * be the host of an address without a scheme ("www.example.https://"). */
static size_t scheme_length(pl_str s)
{
    const char *at = memmem(s.p, s.n, "://", 3);

    if (at == NULL)
        return 0;
    for (const char *p = s.p; p < at; p++)
        if (!pii_is((uint8_t)*p, PII_ALNUM))
            return 0;
    return (size_t)(at - s.p) + 3;
}

static void mask(pl_buf *out, pl_str s, pl_pii_kind kind)
{
    struct shown how = kind < PL_PII_KINDS ? shown[kind] : (struct shown){ STYLE_NOTHING, 0, 0 };
    const char  *at = memchr(s.p, '@', s.n);
    size_t       head = s.n > 0 ? char_length((const uint8_t *)s.p, s.n) : 0;

    if (how.style == STYLE_CODE) {
        mask_code(out, s, how.first, how.last);
        return;
    }
    if ((how.style == STYLE_EMAIL && at) || how.style == STYLE_NAME)
        pl_buf_put(out, (pl_str){ s.p, head });
    if (how.style == STYLE_URL)
        pl_buf_put(out, (pl_str){ s.p, scheme_length(s) });
    pl_buf_puts(out, how.style == STYLE_NOTHING || how.style == STYLE_URL ? "****" : "***");
    if (how.style == STYLE_EMAIL && at)
        pl_buf_put(out, (pl_str){ at, s.n - (size_t)(at - s.p) });
}

/* --- pseudonyms ------------------------------------------------------------------------------ */

static bool is_code(pl_pii_kind kind)
{
    return kind < PL_PII_KINDS && shown[kind].style == STYLE_CODE && kind != PL_PII_IP;
}

/* What all spellings of an item share. */
static void canonical(pl_buf *out, pl_str s, pl_pii_kind kind)
{
    const uint8_t *p = (const uint8_t *)s.p;
    bool           words = kind == PL_PII_NAME || kind == PL_PII_ADDRESS;
    bool           lower = words || kind == PL_PII_IP || kind == PL_PII_EMAIL;
    bool           fold = is_code(kind) || lower;
    size_t         length, begin = out->n;

    for (size_t i = 0; i < s.n; i += length) {
        pii_char c = pii_char_at(p + i, s.n - i);
        uint8_t  cell;

        length = char_length(p + i, s.n - i);
        if (c.class == PII_NOTHING || (is_code(kind) && !carries(c, p + i)) ||
            (words && (c.class == PII_BLANK || memchr("\t\r\n", p[i], 3))))
            continue;
        if (!fold || c.class != PII_TOKEN) {
            pl_buf_put(out, (pl_str){ s.p + i, length });
            continue;
        }
        cell = c.cell;
        pl_buf_putc(out, (char)(lower ? pii_lower(cell) : pii_is(cell, PII_LOWER) ? cell & 0xdf : cell));
    }
    if (kind == PL_PII_CN_MOBILE && out->n - begin > 11) { /* without the country code */
        memmove(out->p + begin, out->p + out->n - 11, 11);
        out->n = begin + 11;
    }
}

/* "pii.cn_mobile" gives "CN_MOBILE_". */
static void pseudonym_name(pl_buf *out, pl_str category)
{
    size_t dot = 0;

    for (size_t i = 0; i < category.n && i < NAME_MAX; i++)
        if (category.p[i] == '.')
            dot = i + 1;
    for (size_t i = dot; i < category.n && i < dot + NAME_MAX; i++) {
        uint8_t c = (uint8_t)category.p[i];
        pl_buf_putc(out, (char)(pii_is(c, PII_LOWER) ? c & 0xdf : pii_is(c, PII_ALNUM) ? c : '_'));
    }
    pl_buf_putc(out, '_');
}

static void pseudonym(pl_buf *out, pl_str s, pl_str category, const pl_redact_options *o)
{
    pl_buf  message = PL_BUF_INIT(category.n + 1 + s.n);
    uint8_t mac[32];

    pl_buf_put(&message, category);
    pl_buf_putc(&message, '\0');
    canonical(&message, s, pl_pii_kind_find(category));
    out->failed |= message.failed;
    pl_hmac_sha256(o->key, o->key_n, pl_buf_str(&message), mac);
    pl_buf_done(&message);
    pseudonym_name(out, category);
    pl_buf_hex(out, mac, PSEUDONYM_BYTES);
}

/* --- pieces ------------------------------------------------------------------------------------ */

static int by_start(const void *a, const void *b)
{
    const pl_redact_item *x = a, *y = b;

    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    return (x->end < y->end) - (x->end > y->end);
}

static bool outranks(const pl_redact_item *a, const pl_redact_item *b)
{
    if (a->end - a->start != b->end - b->start)
        return a->end - a->start > b->end - b->start;
    return a->score > b->score;
}

static pl_rc check(pl_str text, const pl_redact_item *items, size_t n, const pl_redact_options *o,
                   pl_error *err)
{
    if (o->how == PL_REDACT_PSEUDONYM && (!o->key || o->key_n < KEY_MIN))
        return pl_fail(err, PL_INVALID, "pseudonyms need a key of at least %d bytes", KEY_MIN);
    for (size_t i = 0; i < n; i++)
        if (items[i].start >= items[i].end || items[i].end > text.n)
            return pl_fail(err, PL_INVALID, "a finding lies outside the text");
    return PL_OK;
}

static void replace(pl_str text, uint64_t start, uint64_t end, const pl_redact_item *main_item,
                    const pl_redact_options *o, pl_buf *out)
{
    pl_str      s = { text.p + start, end - start }, category = main_item->category;
    pl_pii_kind kind = pl_pii_kind_find(category);
    size_t      at = out->n;
    bool        is_whole = main_item->start == start && main_item->end == end;

    switch (o->how) {
    case PL_REDACT_MASK:
        mask(out, s, is_whole ? kind : PL_PII_KINDS);
        break;
    case PL_REDACT_TAG:
        pl_buf_putc(out, '[');
        pl_buf_put(out, category);
        pl_buf_putc(out, ']');
        break;
    case PL_REDACT_PSEUDONYM:
        pseudonym(out, s, category, o);
        break;
    }
    if (o->each && !out->failed)
        o->each(o->ctx, &(pl_redaction){ .start = start, .end = end, .at = at,
                                         .category = category,
                                         .replacement = { out->p + at, out->n - at } });
}

pl_rc pl_redact(pl_str text, pl_redact_item *items, size_t n, const pl_redact_options *o,
                pl_buf *out, pl_error *err)
{
    uint64_t done = 0;
    pl_rc    rc = check(text, items, n, o, err);

    if (rc != PL_OK)
        return rc;
    if (n > 1)
        qsort(items, n, sizeof *items, by_start);
    for (size_t i = 0; i < n;) {
        const pl_redact_item *best = &items[i];
        uint64_t              start = items[i].start, end = items[i].end;

        for (i++; i < n && items[i].start < end; i++) {
            if (outranks(&items[i], best))
                best = &items[i];
            if (items[i].end > end)
                end = items[i].end;
        }
        pl_buf_put(out, (pl_str){ text.p + done, start - done });
        replace(text, start, end, best, o, out);
        done = end;
    }
    pl_buf_put(out, (pl_str){ text.p + done, text.n - done });
    return pl_buf_check(out, err);
}
