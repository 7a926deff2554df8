#include "base/banned.h"

#include "base/str.h"
#include "base/utf8.h"
#include "engine/text/text_int.h"
#include "engine/text/textlabel.h"

typedef struct span {
    size_t from, to; /* bytes; empty when to == 0 */
} span;

/* --- blanks --------------------------------------------------------------------- */

/* Bytes of the blank at the end of s (at_end) or at its start, 0 for none. */
static size_t blank_length(pl_str s, bool at_end)
{
    static const char *const blanks[] = { " ", "\t", "\n", "\v", "\f", "\r", "\u00a0", "\u3000" };

    for (size_t i = 0; i < sizeof blanks / sizeof *blanks; i++) {
        pl_str blank = pl_str_z(blanks[i]);

        if (at_end ? pl_str_ends(s, blank) : pl_str_starts(s, blank))
            return blank.n;
    }
    return 0;
}

static pl_str trim_end(pl_str s)
{
    for (size_t n = blank_length(s, true); n > 0; n = blank_length(s, true))
        s.n -= n;
    return s;
}

static pl_str trim(pl_str s)
{
    s = trim_end(s);
    for (size_t n = blank_length(s, false); n > 0; n = blank_length(s, false))
        s = (pl_str){ s.p + n, s.n - n };
    return s;
}

/* --- elements ------------------------------------------------------------------- */

static bool is_word(uint32_t cp)
{
    return cp == '_' || pl_cell_is_word(pl_cell_of(cp));
}

/* The character before byte `at`, 0 when there is none or it is not UTF-8. */
static uint32_t char_before(pl_str text, size_t at)
{
    size_t   from = at;
    uint32_t cp = 0;

    while (from > 0 && at - from < 4) {
        from--;
        if (!is_utf8_tail((uint8_t)text.p[from]))
            break;
    }
    if (pl_utf8_decode((pl_str){ text.p + from, at - from }, &cp) != (int)(at - from))
        return 0;
    return cp;
}

static uint32_t char_at(pl_str text, size_t at)
{
    uint32_t cp = 0;

    return pl_utf8_decode((pl_str){ text.p + at, text.n - at }, &cp) > 0 ? cp : 0;
}

static bool starts_at(pl_str text, size_t at, pl_str what)
{
    return pl_str_starts((pl_str){ text.p + at, text.n - at }, what);
}

/* Length of the AI element that starts at byte `at` of the text, 0 for none. */
static size_t ai_element(pl_str text, size_t at)
{
    if (starts_at(text, at, PL_STR("人工智能")))
        return sizeof "人工智能" - 1;
    if (starts_at(text, at, PL_STR("AI")) && !is_word(char_before(text, at)) &&
        !is_word(char_at(text, at + 2)))
        return 2;
    return 0;
}

static size_t generation_element(pl_str text, size_t at)
{
    if (starts_at(text, at, PL_STR("生成")) || starts_at(text, at, PL_STR("合成")))
        return sizeof "生成" - 1;
    return 0;
}

/* The shortest run inside [from, to) that holds both elements, the first of its length.
 * The characters around an element are looked up in the whole text, so that a window
 * that starts inside "OPENAI" does not see the word AI. */
static span both_elements(pl_str text, size_t from, size_t to)
{
    span ai = { 0 }, gen = { 0 }, best = { 0 };

    for (size_t i = from; i < to; i++) {
        size_t a = ai_element(text, i), g = generation_element(text, i);

        if (a > 0 && i + a <= to)
            ai = (span){ i, i + a };
        else if (g > 0 && i + g <= to)
            gen = (span){ i, i + g };
        else
            continue;
        if (ai.to == 0 || gen.to == 0)
            continue;
        span now = { ai.from < gen.from ? ai.from : gen.from, ai.to > gen.to ? ai.to : gen.to };
        if (best.to == 0 || now.to - now.from < best.to - best.from)
            best = now;
    }
    return best;
}

bool pl_textlabel_conforms(pl_str label)
{
    return both_elements(label, 0, label.n).to > 0;
}

/* --- writing and taking off ------------------------------------------------------ */

void pl_textlabel_format(pl_buf *out, pl_str label)
{
    pl_buf_put(out, PL_STR("\n\n"));
    pl_buf_put(out, label);
}

/* The longest known label at the end of the text (or its start), empty for none. */
static pl_str known_label(pl_str text, const pl_str *labels, size_t n, bool at_end)
{
    pl_str best = { text.p, 0 };

    for (size_t i = 0; i < n; i++) {
        pl_str label = trim(labels[i]);

        if (label.n <= best.n)
            continue;
        if (at_end && pl_str_ends(text, label))
            best = (pl_str){ text.p + (text.n - label.n), label.n };
        else if (!at_end && pl_str_starts(text, label))
            best = (pl_str){ text.p, label.n };
    }
    return best;
}

pl_str pl_textlabel_strip(pl_str text, const pl_str *labels, size_t n)
{
    text = trim_end(text);
    text.n -= known_label(text, labels, n, true).n;
    return trim_end(text);
}

/* --- finding ---------------------------------------------------------------------- */

/* Byte offset behind the first PL_TEXTLABEL_WINDOW characters. */
static size_t window_end(pl_str text)
{
    size_t at = 0, chars = 0;

    for (; at < text.n; at++)
        if (!is_utf8_tail((uint8_t)text.p[at]) && ++chars > PL_TEXTLABEL_WINDOW)
            break;
    return at;
}

/* Byte offset of the last PL_TEXTLABEL_WINDOW characters. */
static size_t window_start(pl_str text)
{
    size_t at = text.n, chars = 0;

    while (at > 0 && chars < PL_TEXTLABEL_WINDOW) {
        at--;
        if (!is_utf8_tail((uint8_t)text.p[at]))
            chars++;
    }
    return at;
}

static bool find_known(pl_str text, const pl_str *labels, size_t n, pl_textlabel_result *out)
{
    out->found = known_label(text, labels, n, true);
    out->position = 2;
    if (out->found.n == 0) {
        out->found = known_label(text, labels, n, false);
        out->position = 1;
    }
    return out->found.n > 0;
}

static bool find_elements(pl_str text, pl_textlabel_result *out)
{
    span first = both_elements(text, 0, window_end(text));
    span last = both_elements(text, window_start(text), text.n);
    span use = last.to > 0 ? last : first;

    out->position = last.to > 0 ? 2 : 1;
    if (first.to > 0 && first.from < text.n - use.to) {
        use = first;
        out->position = 1;
    }
    out->found = (pl_str){ text.p + use.from, use.to - use.from };
    return use.to > 0;
}

void pl_textlabel_find(pl_str text, const pl_str *labels, size_t n, pl_textlabel_result *out)
{
    text = trim(text);
    if (!find_known(text, labels, n, out) && !find_elements(text, out)) {
        *out = (pl_textlabel_result){ .found = { text.p, 0 } };
        return;
    }
    out->conforms = pl_textlabel_conforms(out->found);
}
