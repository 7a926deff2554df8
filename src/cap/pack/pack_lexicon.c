#include "base/banned.h"

#include "base/file.h"
#include "base/str.h"
#include "base/utf8.h"
#include "cap/pack/pack_int.h"

#include <ctype.h>
#include <plumbline/text.h>

#define ENTRIES_MAX  (32u << 20)
#define COLUMNS      8
#define HEADER       "id\ttext\tcategory\tlang\tseverity\tflags\tsource\tupdated"
#define SHORT_HAN    2 /* characters; shorter words hit ordinary text all the time */
#define SHORT_LATIN  4

/* Categories of design §5; a pack may add its own under its id. */
static const char *const categories[] = {
    "pii.email", "pii.phone", "pii.cn_mobile", "pii.cn_id", "pii.bank_card", "pii.uscc",
    "pii.passport", "pii.plate", "pii.ip", "pii.url", "pii.iban", "pii.us_ssn", "pii.address",
    "pii.name", "secret.api_key", "secret.private_key", "secret.url_credential", "harm.fraud",
    "harm.self_harm", "harm.violence", "harm.weapons", "harm.drugs", "harm.sexual", "harm.child",
    "harm.hate", "harm.privacy", "harm.malware", "harm.illegal", "attack.jailbreak",
    "attack.injection", "attack.extraction", "quality.refusal", NULL,
};

typedef struct reader {
    pl_pack     *pack;
    pack_report *report;
    json_t      *ids;   /* id → line */
    json_t      *texts; /* folded text and category → line */
    int          line;
} reader;

static void wrong(const reader *rd, pack_severity severity, const char *what, pl_str value)
{
    if (value.n > 60)
        value.n = 60;
    pack_problem(rd->report, severity, PACK_ENTRIES, rd->line, "%s: '" PL_STR_FMT "'", what,
                 PL_STR_ARG(value));
}

static bool is_category(const pl_pack *p, pl_str s)
{
    pl_str id = pl_pack_id(p);

    for (size_t i = 0; categories[i] != NULL; i++)
        if (pl_str_eqz(s, categories[i]))
            return true;
    return id.n > 0 && s.n > id.n + 1 && pl_str_starts(s, id) && s.p[id.n] == '.';
}

static bool is_lang(pl_str s)
{
    size_t i = 0;

    while (i < s.n && islower((unsigned char)s.p[i]))
        i++;
    if (i < 2 || i > 3)
        return false;
    for (; i < s.n; i++)
        if (!isalnum((unsigned char)s.p[i]) && s.p[i] != '-')
            return false;
    return s.n <= 16;
}

static bool flags_parse(pl_str s, unsigned *out)
{
    pl_str flag;

    *out = 0;
    if (pl_str_eqz(s, "-"))
        return true;
    while (pl_str_split(&s, ',', &flag)) {
        if (!pl_str_eqz(flag, "word"))
            return false;
        *out |= PL_KEYWORD_WORD;
    }
    return *out != 0;
}

/* The form that matching sees: folded, without what is invisible, blanks single. */
static size_t fold(pl_str s, char *out, size_t cap, unsigned *chars)
{
    size_t n = 0;
    bool   blank = false;

    *chars = 0;
    while (s.n > 0) {
        uint32_t cp = 0;
        int      len = pl_utf8_decode(s, &cp);

        if (len <= 0)
            return 0;
        s = (pl_str){ s.p + len, s.n - (size_t)len };
        cp = pl_text_fold(cp);
        if (cp == 0 || (cp == ' ' && (blank || n == 0)))
            continue;
        blank = cp == ' ';
        if (n + 4 >= cap)
            return 0;
        n += (size_t)pl_utf8_encode(cp, out + n);
        ++*chars;
    }
    out[n] = '\0';
    return n;
}

static void text_check(reader *rd, const pl_lexicon_entry *e)
{
    char     folded[PL_TEXT_KEYWORD_MAX * 8 + 80];
    unsigned chars = 0;
    size_t   n = fold(e->text, folded, sizeof folded - 80, &chars);
    int      han = pl_utf8_han_percent(e->text);
    json_t  *seen;

    if (n == 0 || chars > PL_TEXT_KEYWORD_MAX) {
        wrong(rd, PACK_ERROR, "text is empty or longer than 64 characters", e->text);
        return;
    }
    if (!pl_utf8_is_nfc_quick(e->text))
        wrong(rd, PACK_WARNING, "text may not be in normal form C", e->text);
    if (chars < (han > 50 ? SHORT_HAN : SHORT_LATIN))
        wrong(rd, PACK_WARNING, "text is so short that it will hit ordinary text", e->text);
    if (han == 0 && (e->flags & PL_KEYWORD_WORD) == 0)
        wrong(rd, PACK_WARNING, "text without the flag 'word' also hits inside words", e->text);

    (void)snprintf(folded + n, 80, "\t%.*s", (int)(e->category.n > 70 ? 70 : e->category.n),
                   e->category.p);
    seen = json_object_get(rd->texts, folded);
    if (seen != NULL)
        pack_problem(rd->report, PACK_ERROR, PACK_ENTRIES, rd->line,
                     "text folds to the same as that of line %lld",
                     (long long)json_integer_value(seen));
    else
        (void)json_object_set_new(rd->texts, folded, json_integer(rd->line));
}

static void id_check(reader *rd, pl_str id)
{
    json_t *seen;

    if (!pack_is_name(id, 96)) {
        wrong(rd, PACK_ERROR, "id may hold lower-case letters, digits and . _ - only", id);
        return;
    }
    seen = json_object_getn(rd->ids, id.p, id.n);
    if (seen != NULL)
        pack_problem(rd->report, PACK_ERROR, PACK_ENTRIES, rd->line,
                     "id '" PL_STR_FMT "' is used on line %lld already", PL_STR_ARG(id),
                     (long long)json_integer_value(seen));
    else
        (void)json_object_setn_new(rd->ids, id.p, id.n, json_integer(rd->line));
}

static void entry_check(reader *rd, pl_lexicon_entry *e, pl_str severity, pl_str flags)
{
    id_check(rd, e->id);
    if (!is_category(rd->pack, e->category))
        wrong(rd, PACK_ERROR, "unknown category, and not under the pack's id", e->category);
    if (!is_lang(e->lang))
        wrong(rd, PACK_ERROR, "not a language tag", e->lang);
    if (severity.n != 1 || severity.p[0] < '1' || severity.p[0] > '4')
        wrong(rd, PACK_ERROR, "severity must be 1, 2, 3 or 4", severity);
    else
        e->severity = severity.p[0] - '0';
    if (!flags_parse(flags, &e->flags))
        wrong(rd, PACK_ERROR, "flags must be '-' or a list of: word", flags);
    if (!pack_has_source(rd->pack, e->source))
        wrong(rd, PACK_ERROR, "source is not in " PACK_MANIFEST, e->source);
    if (!pack_is_date(e->updated))
        wrong(rd, PACK_ERROR, "not a date (YYYY-MM-DD)", e->updated);
    text_check(rd, e);
}

static bool entry_keep(pl_pack *p, const pl_lexicon_entry *e)
{
    pl_lexicon_entry *bigger = p->entries;

    if ((p->entry_count & (p->entry_count - 1)) == 0) /* room for 1, 2, 4, 8 … */
        bigger = realloc(p->entries, (p->entry_count ? 2 * p->entry_count : 1) * sizeof *bigger);
    if (bigger == NULL)
        return false;
    p->entries = bigger;
    p->entries[p->entry_count++] = *e;
    return true;
}

/* The number of columns; those beyond COLUMNS are counted only. */
static size_t columns_split(pl_str line, pl_str col[COLUMNS])
{
    size_t n = 0;

    for (;;) {
        const char *tab = line.n > 0 ? memchr(line.p, '\t', line.n) : NULL;
        size_t      len = tab != NULL ? (size_t)(tab - line.p) : line.n;

        if (n < COLUMNS)
            col[n] = (pl_str){ line.p, len };
        n++;
        if (tab == NULL)
            return n;
        line = (pl_str){ tab + 1, line.n - len - 1 };
    }
}

static void line_read(reader *rd, pl_str line)
{
    pl_str           col[COLUMNS];
    size_t           n = columns_split(line, col);
    pl_lexicon_entry e;

    if (!pl_utf8_valid(line)) {
        pack_problem(rd->report, PACK_ERROR, PACK_ENTRIES, rd->line, "not valid UTF-8");
        return;
    }
    if (n != COLUMNS) {
        pack_problem(rd->report, PACK_ERROR, PACK_ENTRIES, rd->line, "%zu columns instead of %d",
                     n, COLUMNS);
        return;
    }
    e = (pl_lexicon_entry){ .id = col[0], .text = col[1], .category = col[2], .lang = col[3],
                            .source = col[6], .updated = col[7] };
    if (pl_str_trim(e.text).n != e.text.n)
        wrong(rd, PACK_ERROR, "text begins or ends with a blank", e.text);
    entry_check(rd, &e, col[4], col[5]);
    if (!entry_keep(rd->pack, &e))
        rd->report->first = (pl_error){ PL_NOMEM, "out of memory" };
}

static void lines_read(reader *rd, pl_str text)
{
    pl_str line;

    while (pl_str_split(&text, '\n', &line)) {
        rd->line++;
        if (pl_str_ends(line, PL_STR("\r")))
            pack_problem(rd->report, PACK_ERROR, PACK_ENTRIES, rd->line,
                         "line ends with a carriage return");
        else if (rd->line == 1 && !pl_str_eqz(line, HEADER))
            pack_problem(rd->report, PACK_ERROR, PACK_ENTRIES, 1,
                         "first line must name the columns: id text category lang severity "
                         "flags source updated, with tabs between");
        else if (rd->line > 1)
            line_read(rd, line);
    }
    if (rd->line < 2)
        pack_problem(rd->report, PACK_ERROR, PACK_ENTRIES, rd->line, "no entries");
}

void pack_lexicon_read(pl_pack *p, pack_report *r)
{
    char     path[1100];
    pl_error err = { 0 };
    size_t   n = 0;
    reader   rd = { p, r, json_object(), json_object(), 0 };

    (void)snprintf(path, sizeof path, "%s/" PACK_ENTRIES, p->dir);
    if (pl_file_read(path, ENTRIES_MAX, &p->entries_text, &n, &err) != PL_OK)
        pack_problem(r, PACK_ERROR, PACK_ENTRIES, 0, "%s",
                     err.rc == PL_NOTFOUND ? "missing: a lexicon pack needs it" : err.text);
    else
        lines_read(&rd, (pl_str){ p->entries_text, n });
    json_decref(rd.ids);
    json_decref(rd.texts);
}
