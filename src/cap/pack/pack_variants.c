#include "base/banned.h"

#include "base/file.h"
#include "base/str.h"
#include "base/utf8.h"
#include "cap/pack/pack_int.h"

#include <unicode/ustring.h>
#include <unicode/utrans.h>

#define SPLIT_PACK  "han-split"
#define SPLIT_FILE  "parts.tsv"
#define SPLIT_MAX   12  /* spellings with parts per entry */
#define PARTS_MAX   4   /* characters one may be taken apart into */
#define CHARS_MAX   16  /* longer entries are not worth disguising */
#define PINYIN_LEAST 3  /* fewer syllables are ordinary words of other languages */
#define ROWS_MAX    20000u
#define TEXT_MAX    512

typedef struct split_row {
    uint32_t cp;
    char     parts[PARTS_MAX * 4 + 1];
} split_row;

struct pl_variants {
    const char *const *folders;
    UTransliterator   *pinyin;
    pl_pack           *pack;
    split_row         *rows; /* by code point */
    size_t             row_count;
};

pl_rc pl_variants_new(const char *const *folders, pl_variants **out, pl_error *err)
{
    pl_variants *v = calloc(1, sizeof *v);

    if (v == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    v->folders = folders;
    *out = v;
    return PL_OK;
}

void pl_variants_free(pl_variants *v)
{
    if (v == NULL)
        return;
    if (v->pinyin != NULL)
        utrans_close(v->pinyin);
    pl_pack_free(v->pack);
    free(v->rows);
    free(v);
}

const pl_pack *pl_variants_pack(const pl_variants *v)
{
    return v->pack;
}

/* --- the table of parts ------------------------------------------------------------------- */

/* "弹<tab>弓单": one character, then two to four. */
static bool row_parse(pl_str line, split_row *row)
{
    int len = pl_utf8_decode(line, &row->cp);
    int count = 0;

    if (len <= 0 || (size_t)len + 1 >= line.n || line.p[len] != '\t')
        return false;
    line = (pl_str){ line.p + len + 1, line.n - (size_t)len - 1 };
    if (line.n >= sizeof row->parts || !pl_utf8_valid(line))
        return false;
    for (size_t i = 0; i < line.n; i++)
        count += ((unsigned char)line.p[i] & 0xc0) != 0x80;
    memset(row->parts, 0, sizeof row->parts);
    memcpy(row->parts, line.p, line.n);
    return count >= 2 && count <= PARTS_MAX;
}

static int by_cp(const void *a, const void *b)
{
    uint32_t x = ((const split_row *)a)->cp, y = ((const split_row *)b)->cp;

    return (x > y) - (x < y);
}

static pl_rc rows_parse(pl_variants *v, pl_str text, pl_error *err)
{
    pl_str   line;
    unsigned number = 0;

    v->rows = calloc(ROWS_MAX, sizeof *v->rows);
    if (v->rows == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    while (pl_str_split(&text, '\n', &line)) {
        number++;
        if (v->row_count == ROWS_MAX || !row_parse(line, &v->rows[v->row_count]))
            return pl_fail(err, PL_INVALID, SPLIT_FILE ":%u: a line is a character, a tab and the "
                                                       "2 to 4 characters it consists of", number);
        v->row_count++;
    }
    qsort(v->rows, v->row_count, sizeof *v->rows, by_cp);
    for (size_t i = 1; i < v->row_count; i++)
        if (v->rows[i].cp == v->rows[i - 1].cp)
            return pl_fail(err, PL_INVALID, SPLIT_FILE ": U+%04X stands there twice",
                           v->rows[i].cp);
    return PL_OK;
}

static pl_rc rows_load(pl_variants *v, pl_error *err)
{
    char   path[1200], *text = NULL;
    size_t n = 0;
    pl_rc  rc;

    if (v->rows != NULL)
        return PL_OK;
    rc = pl_pack_open(SPLIT_PACK, v->folders, &v->pack, err);
    if (rc != PL_OK)
        return rc;
    (void)snprintf(path, sizeof path, "%s/" SPLIT_FILE, v->pack->dir);
    rc = pl_file_read(path, PACK_FILE_MAX, &text, &n, err);
    if (rc == PL_OK)
        rc = rows_parse(v, (pl_str){ text, n }, err);
    free(text);
    return rc;
}

static const char *parts_of(const pl_variants *v, uint32_t cp)
{
    split_row        key = { .cp = cp };
    const split_row *row = bsearch(&key, v->rows, v->row_count, sizeof key, by_cp);

    return row != NULL ? row->parts : NULL;
}

/* --- parts for characters ------------------------------------------------------------------ */

typedef struct letters {
    size_t n, can; /* characters; those that have parts */
    struct {
        pl_str      self;
        const char *parts; /* NULL: cannot be taken apart */
    } at[CHARS_MAX];
} letters;

static bool letters_of(const pl_variants *v, pl_str text, letters *l)
{
    *l = (letters){ 0 };
    while (text.n > 0) {
        uint32_t cp = 0;
        int      len = pl_utf8_decode(text, &cp);

        if (len <= 0 || l->n == CHARS_MAX)
            return false;
        l->at[l->n].self = (pl_str){ text.p, (size_t)len };
        l->at[l->n].parts = parts_of(v, cp);
        l->can += l->at[l->n].parts != NULL;
        l->n++;
        text = (pl_str){ text.p + len, text.n - (size_t)len };
    }
    return l->can > 0;
}

/* Writes the text with parts for the characters from..to-1 that have any. */
static pl_str spell(const letters *l, size_t from, size_t to, char out[TEXT_MAX])
{
    size_t n = 0;

    for (size_t i = 0; i < l->n; i++) {
        bool   apart = l->at[i].parts != NULL && i >= from && i < to;
        pl_str s = apart ? pl_str_z(l->at[i].parts) : l->at[i].self;

        memcpy(out + n, s.p, s.n);
        n += s.n;
    }
    return (pl_str){ out, n };
}

typedef pl_rc (*variant_fn)(void *ctx, pl_str text, unsigned how, pl_error *err);

/* All of them apart, then neighbours, then each alone: words of two characters are what people
 * disguise. */
static pl_rc split_each(pl_variants *v, pl_str text, variant_fn fn, void *ctx, pl_error *err)
{
    char    out[TEXT_MAX];
    letters l;
    size_t  made = 1;
    pl_rc   rc = rows_load(v, err);

    if (rc != PL_OK || !letters_of(v, text, &l))
        return rc;
    rc = fn(ctx, spell(&l, 0, l.n, out), PL_LEXICON_SPLIT, err);
    for (size_t width = l.can > 2 ? 2 : 1; width > 0 && l.can > width; width--)
        for (size_t i = 0; rc == PL_OK && i + width <= l.n && made < SPLIT_MAX; i++)
            if (l.at[i].parts != NULL && l.at[i + width - 1].parts != NULL) {
                rc = fn(ctx, spell(&l, i, i + width, out), PL_LEXICON_SPLIT, err);
                made++;
            }
    return rc;
}

/* --- pinyin -------------------------------------------------------------------------------- */

static pl_rc pinyin_open(pl_variants *v, pl_error *err)
{
    /* ü keeps its own letter, v, as people type it: the general rule would make it u. */
    static const UChar id[] = u"Han-Latin";
    UErrorCode            e = U_ZERO_ERROR;

    if (v->pinyin == NULL)
        v->pinyin = utrans_openU(id, -1, UTRANS_FORWARD, NULL, 0, NULL, &e);
    return U_SUCCESS(e) ? PL_OK : pl_fail(err, PL_IO, "no pinyin from ICU: %s", u_errorName(e));
}

/* The plain letter under a vowel with tone mark. */
static char plain(UChar c)
{
    static const struct {
        const UChar *marked;
        char            letter;
    } vowels[] = {
        { u"āáǎà", 'a' }, { u"ēéěèê", 'e' }, { u"īíǐì", 'i' }, { u"ōóǒò", 'o' },
        { u"ūúǔù", 'u' }, { u"ǖǘǚǜü", 'v' }, { u"ńňǹ", 'n' },  { u"ḿ", 'm' },
    };

    if (c < 128)
        return (char)c;
    for (size_t i = 0; i < sizeof vowels / sizeof vowels[0]; i++)
        for (const UChar *p = vowels[i].marked; *p != 0; p++)
            if (*p == c)
                return vowels[i].letter;
    return '\0';
}

/* Syllables with blanks between; false when something has no reading. */
static bool romanise(pl_variants *v, pl_str text, char out[TEXT_MAX])
{
    UChar      u[TEXT_MAX];
    int32_t    n = 0, limit;
    UErrorCode e = U_ZERO_ERROR;

    u_strFromUTF8(u, TEXT_MAX, &n, text.p, (int32_t)text.n, &e);
    limit = n;
    utrans_transUChars(v->pinyin, u, &n, TEXT_MAX, 0, &limit, &e);
    if (U_FAILURE(e) || n >= TEXT_MAX)
        return false;
    for (int32_t i = 0; i < n; i++) {
        out[i] = plain(u[i]);
        if (out[i] == '\0')
            return false;
    }
    out[n] = '\0';
    return true;
}

static size_t join(const char *spaced, char out[TEXT_MAX])
{
    size_t n = 0, syllables = 1;

    for (; *spaced != '\0'; spaced++)
        if (*spaced != ' ')
            out[n++] = *spaced;
        else
            syllables++;
    out[n] = '\0';
    return syllables;
}

static pl_rc pinyin_each(pl_variants *v, pl_str text, variant_fn fn, void *ctx, pl_error *err)
{
    char  spaced[TEXT_MAX], joined[TEXT_MAX];
    pl_rc rc = pinyin_open(v, err);

    if (rc != PL_OK || text.n > TEXT_MAX / 8 || pl_utf8_han_percent(text) < 100 ||
        !romanise(v, text, spaced) || join(spaced, joined) < PINYIN_LEAST)
        return rc;
    rc = fn(ctx, pl_str_z(spaced), PL_LEXICON_PINYIN, err);
    return rc == PL_OK ? fn(ctx, pl_str_z(joined), PL_LEXICON_PINYIN, err) : rc;
}

pl_rc pl_variants_each(pl_variants *v, const pl_lexicon_entry *e, variant_fn fn, void *ctx,
                       pl_error *err)
{
    pl_rc rc = PL_OK;

    if (e->with.n > 0)
        return PL_OK;
    if ((e->flags & PL_LEXICON_PINYIN) != 0)
        rc = pinyin_each(v, e->text, fn, ctx, err);
    if (rc == PL_OK && (e->flags & PL_LEXICON_SPLIT) != 0)
        rc = split_each(v, e->text, fn, ctx, err);
    return rc;
}
