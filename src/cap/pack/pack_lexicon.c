/* Entries of lexicons: what each must be, whichever kind of file it stands in. */
#include "base/banned.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/str.h"
#include "base/utf8.h"
#include "base/yaml.h"
#include "cap/pack/pack_int.h"

#include <ctype.h>
#include <plumbline/text.h>

#define TEXT_MAX     (1u << 30) /* all tables of a pack together */
#define SHORT_HAN    2 /* characters; shorter words hit ordinary text all the time */
#define SHORT_LATIN  4
#define WITHIN       20 /* when an entry does not say */
#define LIST_MAX     64
#define ANY_MAX      (PL_TEXT_ANY_MAX - 1) /* besides the text */
#define FOLDED_MAX   (PL_TEXT_KEYWORD_MAX * 8)

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
    pl_pack        *pack;
    pack_report    *report;
    pack_set       *ids, *texts; /* → line */
    const pack_row *row;
    unsigned        folded_chars;
} reader;

static void wrong(const reader *rd, pack_severity severity, const char *what, pl_str value)
{
    if (value.n > 60)
        value.n = 60;
    pack_problem(rd->report, severity, rd->row->file->path, rd->row->line,
                 "%s: '" PL_STR_FMT "'%s" PL_STR_FMT, what, PL_STR_ARG(value), rd->row->line > 0 ? "" : " in entry ",
                 PL_STR_ARG(rd->row->line > 0 ? PL_STR("") : rd->row->field[PACK_ID]));
}

bool pack_is_category(pl_str id, pl_str s)
{
    return pack_is_one_of(s, categories) ||
           (id.n > 0 && s.n > id.n + 1 && pl_str_starts(s, id) && s.p[id.n] == '.' &&
            pack_is_class((pl_str){ s.p + id.n + 1, s.n - id.n - 1 }));
}

bool pack_is_lang(pl_str s)
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
    static const char *const names[] = { "word", "pinyin", "split", "deprecated", NULL };
    pl_str                   flag;

    *out = 0;
    if (s.p == NULL)
        return true;
    while (pl_str_split(&s, ',', &flag)) {
        size_t i = 0;

        while (names[i] != NULL && !pl_str_eqz(flag, names[i]))
            i++;
        if (names[i] == NULL)
            return false;
        *out |= 1u << i;
    }
    return *out != 0;
}

/* Risk classes are named by taxonomies: A.1-a, LLM01, 4.2.3. */
bool pack_is_class(pl_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!isalnum((unsigned char)s.p[i]) && strchr("._-", s.p[i]) == NULL)
            return false;
    return s.n > 0 && s.n <= 32 && isalnum((unsigned char)s.p[0]);
}

size_t pack_fold(pl_str s, char *out, size_t cap, unsigned *chars)
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

/* --- from a row to an entry ------------------------------------------------------------- */

static pl_str or_nothing(pl_str s)
{
    return s.p != NULL ? s : PL_STR("");
}

static unsigned small_number(pl_str s)
{
    unsigned v = 0;

    for (size_t i = 0; i < s.n; i++)
        v = s.n <= 4 && isdigit((unsigned char)s.p[i]) ? v * 10 + (unsigned)(s.p[i] - '0') : UINT16_MAX;
    return s.n > 0 ? v : UINT16_MAX;
}

static bool entry_of(const pack_row *row, pl_lexicon_entry *e)
{
    const pl_str *f = row->field;

    *e = (pl_lexicon_entry){
        .id = f[PACK_ID], .text = f[PACK_TEXT], .category = f[PACK_CATEGORY],
        .lang = f[PACK_LANG], .source = f[PACK_SOURCE], .updated = f[PACK_UPDATED],
        .risk = or_nothing(f[PACK_RISK]), .from = or_nothing(f[PACK_FROM]),
        .to = or_nothing(f[PACK_TO]), .with = or_nothing(f[PACK_WITH]),
        .any = or_nothing(f[PACK_ANY]), .and_with = or_nothing(f[PACK_AND]),
        .without = or_nothing(f[PACK_WITHOUT]), .except = or_nothing(f[PACK_EXCEPT]),
        .severity = (int)small_number(f[PACK_SEVERITY]),
        .within = f[PACK_WITHIN].p != NULL ? small_number(f[PACK_WITHIN]) : WITHIN,
    };
    return flags_parse(f[PACK_FLAGS], &e->flags);
}

bool pl_lexicon_entry_applies(const pl_lexicon_entry *e, pl_str day)
{
    if ((e->flags & PL_LEXICON_DEPRECATED) != 0)
        return false;
    return (e->from.n == 0 || memcmp(e->from.p, day.p, day.n) <= 0) &&
           (e->to.n == 0 || memcmp(e->to.p, day.p, day.n) >= 0);
}

/* --- checks ----------------------------------------------------------------------------- */

/* Seen twice is an error that names the first place. */
static void unique_check(const reader *rd, pack_set *set, pl_str key, const char *what)
{
    size_t   file = (size_t)(rd->row->file - rd->pack->lexicon) + 1;
    uint64_t seen = 0;

    if (!pack_set_put(set, key, (uint64_t)file << 32 | rd->row->number, &seen)) {
        rd->report->first = (pl_error){ PL_NOMEM, "out of memory" };
    } else if (seen > 0) {
        const pack_entries *first = &rd->pack->lexicon[(seen >> 32) - 1];

        pack_problem(rd->report, PACK_ERROR, rd->row->file->path, rd->row->line, "%s %s%s%u", what,
                     first->path, first->tree != NULL ? ", entry " : ":",
                     (unsigned)(seen & UINT32_MAX));
    }
}

static void id_check(const reader *rd, pl_str id)
{
    char what[160];

    (void)snprintf(what, sizeof what, "id '" PL_STR_FMT "' is used already, in", PL_STR_ARG(id));
    if (!pack_is_name(id, 96))
        wrong(rd, PACK_ERROR, "id may hold lower-case letters, digits and . _ - only", id);
    else
        unique_check(rd, rd->ids, id, what);
}

/* Folds one word of an entry; 0 after a complaint. */
static size_t word_check(reader *rd, pl_str word, char folded[FOLDED_MAX])
{
    size_t n = pack_fold(word, folded, FOLDED_MAX, &rd->folded_chars);

    if (n == 0 || rd->folded_chars > PL_TEXT_KEYWORD_MAX) {
        wrong(rd, PACK_ERROR, "text is empty or longer than 64 characters", word);
        return 0;
    }
    if (pl_str_trim(word).n != word.n)
        wrong(rd, PACK_ERROR, "text begins or ends with a blank", word);
    if (!pl_utf8_is_nfc_quick(word))
        wrong(rd, PACK_WARNING, "text may not be in normal form C", word);
    return n;
}

static void list_check(reader *rd, pl_str list, size_t most, pl_str inner)
{
    char   folded[FOLDED_MAX];
    pl_str word;
    size_t n, count = 0;

    while (pl_str_split(&list, '|', &word)) {
        n = word_check(rd, word, folded);
        if (n > 0 && inner.n > 0 && (n <= inner.n || memmem(folded, n, inner.p, inner.n) == NULL))
            wrong(rd, PACK_ERROR, "an exception must be longer than the text and contain it", word);
        if (++count == most + 1)
            wrong(rd, PACK_ERROR, "the list is too long, from here on", word);
    }
}

static void combination_check(reader *rd, const pl_lexicon_entry *e)
{
    if (e->with.n == 0 && (e->without.n > 0 || e->and_with.n > 0 || rd->row->field[PACK_WITHIN].p != NULL))
        wrong(rd, PACK_ERROR, "'within', 'without' and 'and' need 'with'", e->text);
    if (e->within < 1 || e->within > PL_TEXT_WITHIN_MAX)
        wrong(rd, PACK_ERROR, "within must be 1 to 1000 characters", rd->row->field[PACK_WITHIN]);
    list_check(rd, e->any, ANY_MAX, PL_STR(""));
    list_check(rd, e->with, ANY_MAX, PL_STR(""));
    list_check(rd, e->and_with, ANY_MAX, PL_STR(""));
    list_check(rd, e->without, ANY_MAX, PL_STR(""));
}

/* What tells entries with one text apart: their lists. */
static uint32_t lists_sum(const pl_lexicon_entry *e)
{
    const pl_str lists[] = { e->any, e->with, e->and_with, e->without };
    uint32_t     sum = 0;

    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        sum = sum * 31 + pl_crc32c(lists[i].p, lists[i].n);
    return sum;
}

static void text_check(reader *rd, const pl_lexicon_entry *e)
{
    char   key[FOLDED_MAX + 600];
    int    han = pl_utf8_han_percent(e->text);
    size_t n = word_check(rd, e->text, key);

    if (n == 0)
        return;
    if (e->with.n == 0 && rd->folded_chars < (han > 50 ? SHORT_HAN : SHORT_LATIN))
        wrong(rd, PACK_WARNING, "text is so short that it will hit ordinary text", e->text);
    if (han == 0 && (e->flags & PL_LEXICON_WORD) == 0)
        wrong(rd, PACK_WARNING, "text without the flag 'word' also hits inside words", e->text);
    list_check(rd, e->except, LIST_MAX, (pl_str){ key, n });
    (void)snprintf(key + n, sizeof key - n, "\t%.*s\t%08x", (int)(e->category.n > 96 ? 96 : e->category.n),
                   e->category.p, lists_sum(e));
    unique_check(rd, rd->texts, pl_str_z(key), "text folds to the same as that of");
}

static void date_check(const reader *rd, pl_str date)
{
    if (!pack_is_date(date))
        wrong(rd, PACK_ERROR, "not a date (YYYY-MM-DD)", date);
}

static void time_check(const reader *rd, const pl_lexicon_entry *e)
{
    const pl_str *f = rd->row->field;

    date_check(rd, e->updated);
    if (f[PACK_FROM].p != NULL)
        date_check(rd, e->from);
    if (f[PACK_TO].p != NULL)
        date_check(rd, e->to);
    if (e->from.n == 10 && e->to.n == 10 && memcmp(e->from.p, e->to.p, 10) > 0)
        wrong(rd, PACK_ERROR, "'to' is before 'from'", e->to);
}

static pl_rc row_check(void *ctx, const pack_row *row, pl_error *err)
{
    reader          *rd = ctx;
    pl_lexicon_entry e;

    (void)err;
    rd->row = row;
    rd->pack->entry_count++;
    if (!entry_of(row, &e))
        wrong(rd, PACK_ERROR, "flags must be '-' or a list of: word pinyin split deprecated",
              row->field[PACK_FLAGS]);
    id_check(rd, e.id);
    if (!pack_is_category(pl_pack_id(rd->pack), e.category))
        wrong(rd, PACK_ERROR, "unknown category, and not under the pack's id", e.category);
    if (!pack_is_lang(e.lang))
        wrong(rd, PACK_ERROR, "not a language tag", e.lang);
    if (e.severity < 1 || e.severity > 4)
        wrong(rd, PACK_ERROR, "severity must be 1, 2, 3 or 4", row->field[PACK_SEVERITY]);
    if (!pack_has_source(rd->pack, e.source))
        wrong(rd, PACK_ERROR, "source is not in " PACK_MANIFEST, e.source);
    if (row->field[PACK_RISK].p != NULL && !pack_is_class(e.risk))
        wrong(rd, PACK_ERROR, "not the id of a risk class", e.risk);
    time_check(rd, &e);
    combination_check(rd, &e);
    text_check(rd, &e);
    return rd->report->first.rc == PL_NOMEM ? PL_NOMEM : PL_OK;
}

/* --- files ------------------------------------------------------------------------------ */

/* entries.tsv and entries.yaml, and any .tsv and .yaml below entries/. */
static bool is_entries(pl_str path)
{
    bool kind = pl_str_ends(path, PL_STR(".tsv")) || pl_str_ends(path, PL_STR(".yaml"));

    return pl_str_eqz(path, "entries.tsv") || pl_str_eqz(path, "entries.yaml") ||
           (kind && pl_str_starts(path, PL_STR("entries/")));
}

static void file_open(pl_pack *p, pack_report *r, const char *path)
{
    pack_entries *f = &p->lexicon[p->lexicon_files];
    char          full[1400];
    pl_error      err = { 0 };
    pl_rc         rc;

    (void)snprintf(full, sizeof full, "%s/%s", p->dir, path);
    (void)snprintf(f->path, sizeof f->path, "%s", path);
    rc = pl_file_read(full, PACK_FILE_MAX, &f->text, &f->n, &err);
    if (rc == PL_OK && pl_str_ends(pl_str_z(path), PL_STR(".yaml"))) {
        rc = pl_yaml_parse((pl_str){ f->text, f->n }, path, &f->tree, &err);
        free(f->text);
        f->text = NULL;
    }
    if (rc == PL_OK)
        p->lexicon_files++;
    else
        pack_problem(r, PACK_ERROR, path, 0, "%s", err.text);
}

static void files_open(pl_pack *p, pack_report *r)
{
    uint64_t total = 0;

    p->lexicon = calloc(p->file_count + 1, sizeof *p->lexicon);
    if (p->lexicon == NULL) {
        r->first = (pl_error){ PL_NOMEM, "out of memory" };
        return;
    }
    for (size_t i = 0; i < p->file_count; i++) {
        const pack_file *f = &p->files[i];

        if (!is_entries(pl_str_z(f->path)))
            continue;
        total += f->size;
        if (total > TEXT_MAX)
            pack_problem(r, PACK_ERROR, f->path, 0, "all entries together are above 1 GiB");
        else
            file_open(p, r, f->path);
    }
}

static pl_rc rows_each(const pl_pack *p, pack_report *r, pack_row_fn fn, void *ctx, pl_error *err)
{
    pl_rc rc = PL_OK;

    for (size_t i = 0; rc == PL_OK && i < p->lexicon_files; i++)
        rc = p->lexicon[i].tree != NULL ? pack_tree_each(&p->lexicon[i], r, fn, ctx, err)
                                        : pack_table_each(&p->lexicon[i], r, fn, ctx, err);
    return rc;
}

void pack_lexicon_read(pl_pack *p, pack_report *r)
{
    reader rd = { .pack = p, .report = r, .ids = pack_set_new(), .texts = pack_set_new() };
    bool   slots = json_array_size(json_object_get(p->manifest, "slots")) > 0;

    files_open(p, r);
    if (rd.ids == NULL || rd.texts == NULL)
        r->first = (pl_error){ PL_NOMEM, "out of memory" };
    else
        (void)rows_each(p, r, row_check, &rd, NULL);
    if (p->entry_count == 0 && !slots)
        pack_problem(r, PACK_ERROR, "", 0, "no entries: a lexicon pack needs entries.tsv or "
                                           "entries.yaml, or tables in entries/");
    pack_set_free(rd.ids);
    pack_set_free(rd.texts);
}

void pack_lexicon_done(pl_pack *p)
{
    for (size_t i = 0; i < p->lexicon_files; i++) {
        free(p->lexicon[i].text);
        json_decref(p->lexicon[i].tree);
    }
    free(p->lexicon);
}

bool pack_lexicon_has(const pl_pack *p, const char *path)
{
    for (size_t i = 0; i < p->lexicon_files; i++)
        if (strcmp(p->lexicon[i].path, path) == 0)
            return true;
    return false;
}

/* --- for others ------------------------------------------------------------------------- */

typedef struct walk {
    pl_rc (*fn)(void *ctx, const pl_lexicon_entry *e, pl_error *err);
    void *ctx;
} walk;

static pl_rc row_pass(void *ctx, const pack_row *row, pl_error *err)
{
    walk            *w = ctx;
    pl_lexicon_entry e;

    (void)entry_of(row, &e);
    return w->fn(w->ctx, &e, err);
}

pl_rc pl_pack_lexicon_each(const pl_pack *p,
                           pl_rc (*fn)(void *ctx, const pl_lexicon_entry *e, pl_error *err),
                           void *ctx, pl_error *err)
{
    walk w = { fn, ctx };

    if (!pl_str_eqz(pl_pack_kind(p), "lexicon"))
        return pl_fail(err, PL_INVALID, "pack '" PL_STR_FMT "' is of kind '" PL_STR_FMT
                       "', not a lexicon", PL_STR_ARG(pl_pack_id(p)), PL_STR_ARG(pl_pack_kind(p)));
    return rows_each(p, NULL, row_pass, &w, err);
}
