/* English names and addresses: cues for them, and the tokens around. "English" is whatever is written in
 * letters with blanks between words. */
#include "base/banned.h"

#include "engine/text/names_int.h"

enum {
    BEFORE = 40,          /* bytes before and behind a cue that are looked at ... */
    BEHIND = 40,
    BEHIND_ADDRESS = 200, /* ... and behind one of an address */
    WINDOW_MAX = 640,     /* bytes of cues that are looked at together */
    ZONE_BEFORE = 14,     /* tokens around a number that may be an address's */
    ZONE_BEHIND = 32
};

static bool is_digit(uint8_t c)
{
    return (uint8_t)(c - '0') < 10;
}

static bool is_upper_ascii(uint8_t c)
{
    return (uint8_t)(c - 'A') < 26;
}

/* Letters of scripts with blanks between words: Latin, Greek, Cyrillic. */
static bool is_letter(uint32_t c)
{
    return (c | 32) - 'a' < 26 || (c >= 0xc0 && c < 0x530 && c != 0xd7 && c != 0xf7) ||
           (c >= 0x1e00 && c < 0x2000);
}

static bool is_upper(uint32_t c)
{
    if (c < 0x80)
        return c - 'A' < 26;
    if (c < 0xdf)
        return c >= 0xc0 && c != 0xd7;
    if (c < 0x180)
        return c >= 0x100 && (c & 1) == (((c >= 0x139 && c < 0x149) || c >= 0x179) ? 1 : 0);
    return (c >= 0x386 && c < 0x3ac) || (c >= 0x400 && c < 0x430);
}

static uint32_t lower(uint32_t c)
{
    return fold_fast(c);
}

/* --- tokens -------------------------------------------------------------------------------- */

/* What is kept of a word while it is read. */
typedef struct word {
    uint64_t hash;
    uint32_t head, tail[3]; /* hash of the first three characters; the last three, newest first */
    unsigned all, uppers;
    bool     first_upper;
    size_t   end;
} word;

/* An apostrophe stays inside a name: O'Neill, D’Souza; not in "Ann's". */
static bool joins(const uint8_t *p, size_t at, size_t n, size_t *length)
{
    size_t  k = p[at] == '\'' ? 1 : at + 3 < n && memcmp(p + at, "\xe2\x80\x99", 3) == 0 ? 3 : 0;
    pl_char c;

    if (k == 0 || at + k >= n)
        return false;
    c = pl_char_read(p + at + k, p + n);
    *length = k;
    return c.n > 0 && is_upper(c.cp);
}

static inline void word_take(word *w, uint32_t c, bool upper)
{
    w->hash = (w->hash ^ c) * 0xa0761d6478bd642fu;
    w->tail[2] = w->tail[1];
    w->tail[1] = w->tail[0];
    w->tail[0] = c;
    w->uppers += upper;
    if (w->all < 3)
        w->head = (w->head ^ c) * 0x9e3779b1u;
    w->all++;
}

/* The word of letters at `at`. */
static void word_read(pl_str unit, size_t at, word *w)
{
    const uint8_t *p = (const uint8_t *)unit.p;
    size_t         i = at, k;

    *w = (word){ 0 };
    for (;;) {
        uint8_t b = i < unit.n ? p[i] : 0;
        pl_char c;

        if ((uint8_t)((b | 32) - 'a') < 26) {
            w->first_upper |= w->all == 0 && !(b & 32);
            word_take(w, b | 32u, !(b & 32));
            i++;
            continue;
        }
        if (b < 0x80) {
            if (w->all != 1 || b != '\'' || !joins(p, i, unit.n, &k))
                break;
            i += k;
            continue;
        }
        c = pl_char_read(p + i, p + unit.n);
        if (c.n > 0 && is_letter(c.cp)) {
            w->first_upper |= w->all == 0 && is_upper(c.cp);
            word_take(w, lower(c.cp), is_upper(c.cp));
            i += (size_t)c.n;
        } else if (w->all == 1 && joins(p, i, unit.n, &k)) {
            i += k;
        } else {
            break;
        }
    }
    w->end = i;
}

enum { HASH_WORD = 900, HASH_NUMBER, HASH_PUNCT };

static uint32_t word_hash(const word *w)
{
    return names_hash(HASH_WORD, w->hash);
}

static uint8_t word_shape(const word *w)
{
    if (w->uppers == 0)
        return SHAPE_LOWER;
    if (w->all == 1)
        return SHAPE_INITIAL;
    if (w->uppers == w->all)
        return SHAPE_UPPER;
    /* McKay, O'Neill, DeWitt */
    return w->first_upper && w->uppers <= 2 ? SHAPE_CAP : SHAPE_MIXED;
}

static void token_of_word(const word *w, names_token *t)
{
    t->end = (uint32_t)w->end;
    t->word = word_hash(w);
    t->head = w->head;
    t->end2 = (w->tail[0] * 0x85ebca6bu) ^ (w->tail[1] * 0xc2b2ae35u);
    t->tail = t->end2 ^ (w->tail[2] * 0x27d4eb2fu);
    t->shape = word_shape(w);
}

static void token_of_number(pl_str unit, size_t at, names_token *t)
{
    size_t   end = at;
    unsigned digits;

    while (end < unit.n && is_digit((uint8_t)unit.p[end]))
        end++;
    digits = end - at < 8 ? (unsigned)(end - at) : 8;
    t->end = (uint32_t)end;
    t->word = t->head = t->tail = t->end2 = names_hash(HASH_NUMBER, digits);
    t->shape = (uint8_t)(SHAPE_NUMBER + digits - 1);
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Line ends in a row, with the blanks between them. */
static void token_of_lines(pl_str unit, size_t at, names_token *t)
{
    unsigned lines = 0;
    size_t   end = at;

    for (; at < unit.n && (unit.p[at] == '\n' || is_blank((uint8_t)unit.p[at])); at++)
        if (unit.p[at] == '\n') {
            lines++;
            end = at + 1;
        }
    t->end = (uint32_t)end;
    t->shape = lines > 1 ? SHAPE_LINES : SHAPE_LINE;
    t->word = t->head = t->tail = t->end2 = names_hash(HASH_PUNCT, t->shape);
}

static void token_of_other(pl_char c, size_t at, names_token *t)
{
    bool wide = c.n > 0 && c.cp >= 0x2e80;

    t->end = (uint32_t)(at + (c.n > 0 ? (size_t)c.n : 1));
    t->shape = c.n <= 0 || c.cp == 0 ? SHAPE_NONE : wide ? SHAPE_WIDE : SHAPE_PUNCT;
    t->word = t->head = t->tail = t->end2 = names_hash(HASH_PUNCT, wide ? 1u : c.n > 0 ? c.cp : 0);
}

/* Characters that make a word next to them part of something technical. */
static bool is_technical(pl_str unit, const names_token *t)
{
    return t->end == t->start + 1 && memchr("@/_\\=&#$%+<{[(`~^|", unit.p[t->start], 18) != NULL;
}

static bool breaks_word(const names_text *t, unsigned i, pl_str unit)
{
    const names_token *x = &t->token[i], *before = i > 0 ? x - 1 : NULL;
    const names_token *after = i + 1 < t->n ? x + 1 : NULL;

    if (before && x->glued &&
        (names_is_number(before) ||
         (is_technical(unit, before) && !memchr("([<", unit.p[before->start], 3))))
        return true;
    return after && after->glued && (names_is_number(after) || is_technical(unit, after));
}

static bool is_capitalised(const names_token *x)
{
    return x->shape == SHAPE_CAP || x->shape == SHAPE_UPPER || x->shape == SHAPE_INITIAL;
}

/* "van", "de la", "bin" between capitalised words; a hyphen glued to both sides, and what follows it. */
static bool is_inside(const names_text *t, unsigned i, pl_str unit)
{
    const names_token *x = &t->token[i];
    bool               hyphen = unit.p[x->start] == '-', follows;

    if (i == 0 || !x[-1].is_name)
        return false;
    if (hyphen)
        return i + 1 < t->n && x->glued && x[1].glued && x[1].shape <= SHAPE_MIXED && x[1].shape;
    if (x->shape != SHAPE_LOWER)
        return false;
    if (x->glued)
        return unit.p[x[-1].start] == '-';
    follows = i + 1 < t->n && (is_capitalised(x + 1) ||
                               (i + 2 < t->n && x[1].shape == SHAPE_LOWER && x[1].end - x[1].start <= 3 &&
                                is_capitalised(x + 2)));
    return x->end - x->start <= 4 && follows;
}

static void tokens_read(pl_str unit, size_t at, size_t end, names_text *t)
{
    const uint8_t *p = (const uint8_t *)unit.p;
    size_t         last = at;

    t->n = 0;
    while (at < end && t->n < NAMES_TOKENS) {
        names_token *x = &t->token[t->n];
        pl_char      c;
        word         w;

        if (is_blank(p[at])) {
            at++;
            continue;
        }
        *x = (names_token){ .start = (uint32_t)at, .glued = at == last && at > 0 };
        c = pl_char_read(p + at, p + unit.n);
        if (p[at] == '\n') {
            token_of_lines(unit, at, x);
        } else if (is_digit(p[at])) {
            token_of_number(unit, at, x);
        } else if (c.n > 0 && is_letter(c.cp)) {
            word_read(unit, at, &w);
            token_of_word(&w, x);
        } else {
            token_of_other(c, at, x);
        }
        at = last = x->end;
        t->n++;
    }
}

/* --- cues ---------------------------------------------------------------------------------- */

#define ONES 0x0101010101010101u

/* How many of eight bytes come before the first digit, capital or byte that is not ASCII. (Sums may carry
 * from one that is not ASCII into those behind it; none is asked about.) Signs between '9' and 'A' count. */
static unsigned quiet_bytes(const uint8_t *p)
{
    uint64_t x;

    memcpy(&x, p, sizeof x);
    x = le64toh(x);
    x = (x | ((x + 0x50 * ONES) & ~(x + 0x25 * ONES))) & 0x80 * ONES;
    return x ? (unsigned)__builtin_ctzll(x) / 8 : 8;
}

static bool after_word(const uint8_t *p, size_t at)
{
    return at > 0 && ((uint8_t)((p[at - 1] | 32) - 'a') < 26 || is_digit(p[at - 1]) ||
                      p[at - 1] == '_' || p[at - 1] == '@');
}

static bool is_all_upper(pl_str unit, size_t at, size_t *end)
{
    word w;

    word_read(unit, at, &w);
    *end = w.end;
    return w.all >= 2 && w.uppers == w.all;
}

/* One word in capitals is mostly no name; two side by side may be. */
static bool has_upper_beside(pl_str unit, size_t at, size_t end)
{
    const uint8_t *p = (const uint8_t *)unit.p;
    size_t         k = at, ignored;

    if (end + 1 < unit.n && p[end] == ' ' && is_all_upper(unit, end + 1, &ignored))
        return true;
    if (at < 3 || p[at - 1] != ' ')
        return false;
    for (k = at - 1; k > 0 && is_upper_ascii(p[k - 1]); k--)
        ;
    return k < at - 2 && is_all_upper(unit, k, &ignored) && ignored == at - 1;
}

static bool word_cue(const uint8_t *words, pl_str unit, size_t at, size_t *end)
{
    word    w;
    uint8_t shape;

    word_read(unit, at, &w);
    *end = w.end > at ? w.end : at + 1;
    if (w.all < 2 || !w.first_upper)
        return false;
    shape = word_shape(&w);
    if (shape != SHAPE_CAP && !(shape == SHAPE_UPPER && has_upper_beside(unit, at, w.end)))
        return false;
    return !words || !names_bit(words, names_word_bit(word_hash(&w)));
}

/* The word that ends right before `at`, one blank aside. */
static bool word_cue_before(const uint8_t *words, pl_str unit, size_t at)
{
    const uint8_t *p = (const uint8_t *)unit.p;
    size_t         k, least = at > 40 ? at - 40 : 0, end;

    if (at < 2 || !is_blank(p[at - 1]))
        return false;
    for (k = at - 1; k > least && (p[k - 1] >= 0x80 || (uint8_t)((p[k - 1] | 32) - 'a') < 26); k--)
        ;
    return k < at - 1 && word_cue(words, unit, k, &end);
}

/* A number of up to six digits before or behind a capitalised word. */
static bool number_cue(const uint8_t *words, pl_str unit, size_t at)
{
    const uint8_t *p = (const uint8_t *)unit.p;
    size_t         end = at, k;

    while (end < unit.n && is_digit(p[end]))
        end++;
    if (end - at > 6 || (at > 0 && memchr(".,:-/+$#", p[at - 1], 8)))
        return false;
    for (k = end; k < unit.n && k < end + 2 && (is_blank(p[k]) || p[k] == '\n'); k++)
        ;
    return (k > end && k < unit.n && word_cue(words, unit, k, &k)) ||
           word_cue_before(words, unit, at);
}

/* The next cue from *at on; *at moves behind it. SIZE_MAX: none. */
static size_t cue_next(const uint8_t *words, pl_str unit, size_t *at, bool *address)
{
    const uint8_t *p = (const uint8_t *)unit.p;
    size_t         i = *at, end;

    while (i < unit.n) {
        while (i + 2 < unit.n && p[i] > 0xe2 && p[i] < 0xf0) /* Chinese and the like */
            i += 3;
        if (i + 8 <= unit.n) {
            unsigned n = quiet_bytes(p + i);

            i += n;
            if (n == 8)
                continue;
        }
        if (i >= unit.n)
            break;
        *address = is_digit(p[i]);
        if (*address && !after_word(p, i) && number_cue(words, unit, i)) {
            *at = i + 1;
            return i;
        }
        if ((is_upper_ascii(p[i]) || (p[i] >= 0xc3 && p[i] <= 0xd4)) && !after_word(p, i)) {
            size_t start = i;

            if (word_cue(words, unit, i, &end)) {
                *at = end;
                return start;
            }
            i = end;
            continue;
        }
        i += p[i] >= 0xe0 && p[i] < 0xf0 ? 3 : 1;
    }
    *at = unit.n;
    return SIZE_MAX;
}

static size_t left_of(pl_str unit, size_t at, size_t least)
{
    size_t from = at > least + BEFORE ? at - BEFORE : least;

    while (from > least && from < at && unit.p[from] != ' ' && unit.p[from] != '\n')
        from++;
    return from;
}

static size_t right_of(pl_str unit, size_t at, size_t bytes)
{
    size_t end = unit.n - at > bytes ? at + bytes : unit.n;

    while (end < unit.n && end < at + bytes + 40 && unit.p[end] != ' ' && unit.p[end] != '\n')
        end++;
    while (end < unit.n && is_utf8_tail((uint8_t)unit.p[end]))
        end++;
    return end;
}

/* What word_cue says, of a token. */
static bool is_cue(const names_text *t, unsigned i, const uint8_t *words)
{
    const names_token *x = &t->token[i];
    bool               beside = (i > 0 && x[-1].shape == SHAPE_UPPER) ||
                  (i + 1 < t->n && x[1].shape == SHAPE_UPPER);

    return (x->shape == SHAPE_CAP || (x->shape == SHAPE_UPPER && beside)) &&
           (!words || !names_bit(words, names_word_bit(x->word)));
}

/* A run without a cue holds no name. */
static void names_mark(names_text *t, pl_str unit, const uint8_t *words)
{
    bool cue = false;

    for (unsigned i = 0, run = 0; i <= t->n; i++) {
        names_token *x = &t->token[i];

        if (i < t->n) {
            bool whole = is_capitalised(x) && !breaks_word(t, i, unit);

            x->is_name = whole || names_is_initial_dot(t, i, unit) || is_inside(t, i, unit);
            cue |= whole && is_cue(t, i, words);
            if (x->is_name)
                continue;
        }
        for (; run < i; run++)
            t->token[run].is_name &= cue;
        run = i + 1;
        cue = false;
    }
}

static void zones_mark(names_text *t, pl_str unit, const uint8_t *words)
{
    unsigned done = 0;

    for (unsigned i = 0; i < t->n; i++) {
        const names_token *x = &t->token[i];
        unsigned           from = i > ZONE_BEFORE ? i - ZONE_BEFORE : 0;

        if (!names_is_number(x) || !number_cue(words, unit, x->start))
            continue;
        for (done = from > done ? from : done; done < t->n && done < i + ZONE_BEHIND; done++)
            t->token[done].is_zone = true;
    }
}

bool names_en_next(const uint8_t *words, pl_str unit, size_t *at, names_text *t)
{
    size_t least = *at, cue, from, end;
    bool   address = false;

    cue = cue_next(words, unit, at, &address);
    if (cue == SIZE_MAX)
        return false;
    from = left_of(unit, cue, least);
    end = right_of(unit, *at, address ? BEHIND_ADDRESS : BEHIND);
    for (;;) {
        size_t next = *at, reach;

        cue = cue_next(words, unit, &next, &address);
        if (cue == SIZE_MAX || cue > end + BEFORE)
            break;
        if (next - from > WINDOW_MAX) {
            *at = end;
            break;
        }
        *at = next;
        reach = right_of(unit, next, address ? BEHIND_ADDRESS : BEHIND);
        end = reach > end ? reach : end;
    }
    tokens_read(unit, from, end, t);
    names_mark(t, unit, words);
    zones_mark(t, unit, words);
    return true;
}
