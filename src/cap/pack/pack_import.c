/* A word list becomes a pack: folded, without repetitions, with source and date. */
#include "base/banned.h"

#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "base/utf8.h"
#include "cap/pack/pack_int.h"
#include "cap/pack/pack_list.h"

#include <errno.h>
#include <fcntl.h>
#include <plumbline/text.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define PART_MAX     200000u /* entries of one file */
#define EXAMPLES_MAX 20u
#define HEAD         "id\ttext\tcategory\tlang\tseverity\tsource\tupdated\tflags\trisk\n"

typedef enum skip {
    SKIP_EMPTY, SKIP_COMMENT, SKIP_REPEATED, SKIP_SHORT, SKIP_LONG, SKIP_CONTROL, SKIP_KINDS,
} skip;

static const char *const skip_names[SKIP_KINDS] = {
    "empty", "comment", "repeated", "too_short", "too_long", "control_characters",
};

typedef struct importer {
    const pl_pack_import *o;
    char                  dir[1100]; /* the folder in the making */
    pack_set             *texts;
    pl_buf                part;
    size_t                in_part, parts, entries, lines;
    size_t                skipped[SKIP_KINDS], replaced; /* categories and severities */
    json_t               *examples;
} importer;

static void skip_note(importer *im, skip why, size_t line)
{
    im->skipped[why]++;
    if (why != SKIP_EMPTY && json_array_size(im->examples) < EXAMPLES_MAX)
        (void)json_array_append_new(im->examples, json_pack("{s:I, s:s}", "line", (json_int_t)line,
                                                            "why", skip_names[why]));
}

static pl_rc part_flush(importer *im, pl_error *err)
{
    char  path[1300];
    pl_rc rc = pl_buf_check(&im->part, err);

    if (im->in_part == 0 || rc != PL_OK)
        return rc;
    (void)snprintf(path, sizeof path, "%s/entries/%03zu.tsv", im->dir, ++im->parts);
    rc = pl_file_write_atomic(path, pl_buf_str(&im->part), 0644, err);
    pl_buf_clear(&im->part);
    im->in_part = 0;
    return rc;
}

static skip word_judge(pl_str word, char *folded, size_t cap, size_t *n)
{
    unsigned chars = 0;

    if (word.n == 0)
        return SKIP_EMPTY;
    if (word.p[0] == '#')
        return SKIP_COMMENT;
    for (size_t i = 0; i < word.n; i++)
        if ((unsigned char)word.p[i] < 32 || word.p[i] == 127)
            return SKIP_CONTROL;
    *n = pack_fold(word, folded, cap, &chars);
    if (*n == 0)
        return word.n > PL_TEXT_KEYWORD_MAX ? SKIP_LONG : SKIP_EMPTY;
    if (chars > PL_TEXT_KEYWORD_MAX)
        return SKIP_LONG;
    return chars < 2 ? SKIP_SHORT : SKIP_KINDS;
}

static const char *lang_of(pl_str word)
{
    if (pl_utf8_han_percent(word) > 0)
        return "zh";
    for (size_t i = 0; i < word.n; i++)
        if ((unsigned char)word.p[i] >= 128)
            return "und";
    return "en";
}

static void entry_write(importer *im, const pack_list_item *item)
{
    const pl_pack_import *o = im->o;
    pl_str word = item->field[PACK_LIST_TEXT], category = item->field[PACK_LIST_CATEGORY];
    pl_str severity = item->field[PACK_LIST_SEVERITY], risk = item->field[PACK_LIST_RISK];
    bool   category_fits = pack_is_category(pl_str_z(o->id), category);
    bool   severity_fits = severity.n == 1 && severity.p[0] >= '1' && severity.p[0] <= '4';

    im->replaced += (category.n > 0 && !category_fits) + (severity.n > 0 && !severity_fits);
    if (!pack_is_class(risk))
        risk = o->risk != NULL ? pl_str_z(o->risk) : PL_STR("-");
    pl_buf_printf(&im->part, "%s.%06zu\t", o->id, im->entries);
    pl_buf_put(&im->part, word);
    pl_buf_putc(&im->part, '\t');
    pl_buf_put(&im->part, category_fits ? category : pl_str_z(o->category));
    pl_buf_printf(&im->part, "\t%s\t%d\tlist\t%s\t%s\t" PL_STR_FMT "\n",
                  o->lang != NULL ? o->lang : lang_of(word),
                  severity_fits ? severity.p[0] - '0' : o->severity, o->date,
                  pl_utf8_han_percent(word) == 0 ? "word" : "-", PL_STR_ARG(risk));
}

static pl_rc item_take(void *ctx, const pack_list_item *item, pl_error *err)
{
    importer *im = ctx;
    char      folded[PL_TEXT_KEYWORD_MAX * 8];
    size_t    n = 0;
    uint64_t  seen = 0;
    skip      why = word_judge(item->field[PACK_LIST_TEXT], folded, sizeof folded, &n);

    im->lines++;
    if (why == SKIP_KINDS && !pack_set_put(im->texts, (pl_str){ folded, n }, item->line, &seen))
        return pl_fail(err, PL_NOMEM, "out of memory");
    if (why == SKIP_KINDS && seen > 0)
        why = SKIP_REPEATED;
    if (why != SKIP_KINDS) {
        skip_note(im, why, item->line);
        return PL_OK;
    }
    im->entries++;
    if (im->in_part++ == 0)
        pl_buf_puts(&im->part, HEAD);
    entry_write(im, item);
    return im->in_part == PART_MAX ? part_flush(im, err) : PL_OK;
}

/* --- the folder ------------------------------------------------------------------------------ */

static void quoted(pl_buf *b, const char *key, const char *value)
{
    pl_buf_printf(b, "%s: \"", key);
    pl_buf_json(b, pl_str_z(value));
    pl_buf_puts(b, "\"\n");
}

static pl_rc manifest_write(const importer *im, pl_error *err)
{
    const pl_pack_import *o = im->o;
    pl_buf                b = PL_BUF_INIT(1u << 16);
    char                  path[1200];
    pl_rc                 rc;

    pl_buf_printf(&b, "id: %s\nversion: \"1.0.0\"\nkind: lexicon\njurisdiction: any\n"
                      "legal_weight: none\nin_force: {from: \"%s\", to: null}\n"
                      "title:\n  zh: \"导入的词表 %s\"\n  en: \"Imported list %s\"\n",
                  o->id, o->date, o->id, o->id);
    quoted(&b, "licence", o->licence);
    pl_buf_puts(&b, "sources:\n  - id: list\n    ");
    quoted(&b, "title", o->source);
    pl_buf_printf(&b, "    evidence: U\n    date: \"%s\"\n", o->date);
    rc = pl_buf_check(&b, err);
    (void)snprintf(path, sizeof path, "%s/" PACK_MANIFEST, im->dir);
    if (rc == PL_OK)
        rc = pl_file_write_atomic(path, pl_buf_str(&b), 0644, err);
    pl_buf_clear(&b);
    pl_buf_printf(&b, "# %s\n\nImported on %s with `plumbline pack import`: %zu entries from %zu "
                      "lines.\nSource as stated then: ", o->id, o->date, im->entries, im->lines);
    pl_buf_puts(&b, o->source);
    pl_buf_putc(&b, '\n');
    (void)snprintf(path, sizeof path, "%s/README.md", im->dir);
    if (rc == PL_OK)
        rc = pl_file_write_atomic(path, pl_buf_str(&b), 0644, err);
    pl_buf_done(&b);
    return rc;
}

/* Nobody sees the folder before it is whole: it is made beside its place and renamed. */
static pl_rc folder_begin(importer *im, const char *final, pl_error *err)
{
    struct stat st;
    char        sub[1200];
    pl_rc       rc;

    if (lstat(final, &st) == 0)
        return pl_fail(err, PL_CONFLICT, "'%.120s' is there already; take another name or remove it",
                       final);
    rc = pl_mkdir_p(im->o->folder, 0755, err);
    if (rc != PL_OK)
        return rc;
    (void)snprintf(im->dir, sizeof im->dir, "%s/.import-XXXXXX", im->o->folder);
    if (mkdtemp(im->dir) == NULL || chmod(im->dir, 0755) != 0)
        return pl_fail(err, PL_IO, "cannot make a folder in '%.120s': %s", im->o->folder,
                       strerrordesc_np(errno));
    (void)snprintf(sub, sizeof sub, "%s/entries", im->dir);
    return mkdir(sub, 0755) == 0 ? PL_OK : pl_fail(err, PL_IO, "cannot make 'entries'");
}

static void folder_drop(const importer *im)
{
    static const char *const names[] = { PACK_MANIFEST, "README.md", "entries", "", NULL };
    char                     path[1300];

    if (im->dir[0] == '\0')
        return;
    for (size_t i = 1; i <= im->parts + 1; i++) {
        (void)snprintf(path, sizeof path, "%s/entries/%03zu.tsv", im->dir, i);
        (void)remove(path);
    }
    for (size_t i = 0; names[i] != NULL; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", im->dir, names[i]);
        (void)remove(path);
    }
}

static pl_rc folder_commit(importer *im, const char *final, pl_error *err)
{
    pl_pack *p = NULL;
    pl_rc    rc = pl_pack_open(im->dir, NULL, &p, err); /* what others will read */

    pl_pack_free(p);
    if (rc != PL_OK)
        return rc;
    if (renameat2(AT_FDCWD, im->dir, AT_FDCWD, final, RENAME_NOREPLACE) != 0)
        return pl_fail(err, errno == EEXIST ? PL_CONFLICT : PL_IO, "cannot make '%.120s': %s", final,
                       strerrordesc_np(errno));
    im->dir[0] = '\0';
    return pl_fsync_dir(im->o->folder, err);
}

static json_t *report_of(const importer *im, const pack_list *l, const char *final)
{
    json_t *skipped = json_object();

    for (size_t i = 0; i < SKIP_KINDS; i++)
        (void)json_object_set_new(skipped, skip_names[i], json_integer((json_int_t)im->skipped[i]));
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:o, s:O, s:I, s:I}", "pack", im->o->id,
                     "path", final, "encoding", l->encoding, "format", im->o->format, "lines",
                     (json_int_t)im->lines, "entries", (json_int_t)im->entries, "skipped", skipped,
                     "examples", im->examples, "replaced", (json_int_t)im->replaced, "bad_bytes",
                     (json_int_t)l->bad_bytes);
}

static pl_rc options_check(const pl_pack_import *o, pl_error *err)
{
    if (!pack_is_name(pl_str_z(o->id), 64))
        return pl_fail(err, PL_INVALID, "not a pack name: '%.64s'", o->id);
    if (!pack_is_category(pl_str_z(o->id), pl_str_z(o->category)))
        return pl_fail(err, PL_INVALID, "unknown category, and not under '%.64s.': '%.64s'", o->id,
                       o->category);
    if (o->risk != NULL && !pack_is_class(pl_str_z(o->risk)))
        return pl_fail(err, PL_INVALID, "not the id of a risk class: '%.64s'", o->risk);
    if (o->lang != NULL && !pack_is_lang(pl_str_z(o->lang)))
        return pl_fail(err, PL_INVALID, "not a language tag: '%.64s'", o->lang);
    if (!pack_is_date(pl_str_z(o->date)))
        return pl_fail(err, PL_INVALID, "not a date (YYYY-MM-DD): '%.64s'", o->date);
    if (o->severity < 1 || o->severity > 4)
        return pl_fail(err, PL_INVALID, "severity must be 1, 2, 3 or 4");
    return PL_OK;
}

static pl_rc import(importer *im, pack_list *l, const char *final, pl_error *err)
{
    char  *bytes = NULL;
    size_t n = 0;
    pl_rc  rc = pl_file_read(im->o->list, PACK_LIST_MAX, &bytes, &n, err);

    if (rc == PL_OK)
        rc = pack_list_decode((pl_str){ bytes, n }, im->o->encoding, l, err);
    free(bytes);
    if (rc == PL_OK)
        rc = folder_begin(im, final, err);
    if (rc == PL_OK)
        rc = pack_list_each(l, im->o->format, im->o->columns, item_take, im, err);
    if (rc == PL_OK)
        rc = part_flush(im, err);
    if (rc == PL_OK && im->entries == 0)
        rc = pl_fail(err, PL_INVALID, "nothing in the list can be used: %zu lines skipped",
                     im->lines);
    if (rc == PL_OK)
        rc = manifest_write(im, err);
    return rc == PL_OK ? folder_commit(im, final, err) : rc;
}

pl_rc pl_pack_import_list(const pl_pack_import *o, json_t **report, pl_error *err)
{
    importer  im = { .o = o, .texts = pack_set_new(), .examples = json_array(),
                     .part = PL_BUF_INIT(PACK_FILE_MAX) };
    pack_list l = { 0 };
    char      final[1100];
    pl_rc     rc = options_check(o, err);

    (void)snprintf(final, sizeof final, "%s/%s", o->folder, o->id);
    if (rc == PL_OK && (im.texts == NULL || im.examples == NULL))
        rc = pl_fail(err, PL_NOMEM, "out of memory");
    if (rc == PL_OK)
        rc = import(&im, &l, final, err);
    if (rc == PL_OK)
        *report = report_of(&im, &l, final);
    else
        folder_drop(&im);
    pack_list_done(&l);
    pl_buf_done(&im.part);
    json_decref(im.examples);
    pack_set_free(im.texts);
    return rc;
}
