/* model train|test|card|explain: arguments to calls to output. */
#include "base/banned.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/str.h"
#include "base/utf8.h"
#include "cap/instance.h"
#include "cap/pack/pl_pack.h"
#include "cap/text/model_int.h"
#include "cap/text/names_train.h"

#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODEL_FILE_MAX (64u << 20)

static const char *option(pl_cmd_ctx *c, const char *name)
{
    return c->opt(c->host, name);
}

static int print_json(pl_cmd_ctx *c, json_t *o, int code)
{
    char    *text = o ? pl_json_dump(o) : NULL;
    pl_error err;

    json_decref(o);
    if (!text) {
        (void)pl_fail(&err, PL_NOMEM, "out of memory");
        return pl_cmd_fail(c, &err);
    }
    (void)fprintf(c->out, "%s\n", text);
    free(text);
    return code;
}

/* --- which model ---------------------------------------------------------------------------- */

typedef struct opened {
    char         *dir; /* its folder */
    char         *image;
    size_t        image_n;
    pl_model     *m;
    model_recipe *r; /* NULL: there is none beside it */
} opened;

static void opened_close(opened *o)
{
    pl_model_free(o->m);
    model_recipe_free(o->r);
    free(o->image);
    free(o->dir);
    *o = (opened){ 0 };
}

static bool is_dir(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool is_file(const char *dir, const char *name)
{
    char       *path = pl_path_join(dir, name);
    struct stat st;
    bool        yes = path && stat(path, &st) == 0 && S_ISREG(st.st_mode);

    free(path);
    return yes;
}

static char *pack_folder(const char *ref, pl_error *err)
{
    char       *shipped = pl_path_join(pl_datadir(), "packs"), *dir = NULL;
    const char *folders[] = { shipped, NULL };
    pl_pack    *p = NULL;

    if (pl_pack_open(ref, folders, &p, err) == PL_OK)
        dir = strdup(pl_pack_dir(p));
    pl_pack_free(p);
    free(shipped);
    return dir;
}

/* Whether an operand names a model: a folder with one, a file that is one, a pack. */
static bool names_model(const char *arg)
{
    pl_str      s = pl_str_z(arg);
    struct stat st;

    if (is_dir(arg))
        return is_file(arg, MODEL_FILE);
    if (pl_str_ends(s, PL_STR(".plm")))
        return true;
    return !strchr(arg, '/') && strcmp(arg, "-") != 0 && stat(arg, &st) != 0;
}

static pl_rc model_read(opened *o, const char *path, const char *recipe, pl_error *err)
{
    char *beside = pl_path_join(o->dir, MODEL_RECIPE);
    pl_rc rc = pl_file_read(path, MODEL_FILE_MAX, &o->image, &o->image_n, err);

    if (rc == PL_OK)
        rc = pl_model_open((pl_str){ o->image, o->image_n }, &o->m, err);
    if (rc == PL_OK && (recipe || is_file(o->dir, MODEL_RECIPE)))
        rc = model_recipe_open(recipe ? recipe : beside, &o->r, err);
    free(beside);
    return rc;
}

/* The first operand when it names a model (*used 1), else the default one. */
static pl_rc open_model(pl_cmd_ctx *c, const char *recipe, opened *out, int *used, pl_error *err)
{
    const char *arg = c->argc > 0 && names_model(c->argv[0]) ? c->argv[0] : NULL;
    opened      o = { 0 };
    char       *path = NULL;
    pl_rc       rc;

    *used = arg != NULL;
    if (arg && pl_str_ends(pl_str_z(arg), PL_STR(".plm")) && !is_dir(arg)) {
        const char *slash = strrchr(arg, '/');

        o.dir = slash ? strndup(arg, (size_t)(slash - arg) + (slash == arg)) : strdup(".");
        path = strdup(arg);
    } else {
        o.dir = arg && is_dir(arg) ? strdup(arg) : pack_folder(arg ? arg : MODEL_PACK, err);
        if (!o.dir)
            return err->rc != PL_OK ? err->rc : pl_fail(err, PL_NOMEM, "out of memory");
        path = pl_path_join(o.dir, MODEL_FILE);
    }
    rc = path && o.dir ? model_read(&o, path, recipe, err)
                       : pl_fail(err, PL_NOMEM, "out of memory");
    free(path);
    if (rc != PL_OK) {
        opened_close(&o);
        return rc;
    }
    *out = o;
    return PL_OK;
}

/* --- train ---------------------------------------------------------------------------------- */

typedef struct training {
    model_recipe *r;
    model_data    d;
    void         *image;
    size_t        n;
    json_t       *card;
} training;

/* Files of a recipe lie beside it or below the data folder. */
static char *set_path(const char *recipe, const char *data, const char *file)
{
    const char *slash = strrchr(recipe, '/');
    char       *dir = slash ? strndup(recipe, (size_t)(slash - recipe) + 1) : strdup("./");
    char       *path = dir ? pl_path_join(dir, file) : NULL;
    struct stat st;

    if (path && stat(path, &st) != 0) {
        free(path);
        path = pl_path_join(data, file);
    }
    free(dir);
    return path;
}

static pl_rc sets_read(const model_recipe *r, const char *recipe, const char *data, model_data *d,
                       pl_error *err)
{
    const json_t *sets = json_object_get(r->doc, "sets"), *set;
    size_t        i;
    pl_rc         rc = PL_OK;

    json_array_foreach((json_t *)(uintptr_t)sets, i, set) {
        const char *file = json_string_value(json_object_get(set, "file"));
        const char *use = json_string_value(json_object_get(set, "use"));
        char       *path;

        if (!file || (use && strcmp(use, "test") == 0))
            continue;
        path = set_path(recipe, data, file);
        rc = path ? model_data_read(d, r, set, path, (uint16_t)i, err)
                  : pl_fail(err, PL_NOMEM, "out of memory");
        free(path);
        if (rc != PL_OK)
            return rc;
    }
    return PL_OK;
}

static bool is_judged(const model_example *e, const void *ctx)
{
    (void)ctx;
    return model_is_held_out(e) && !e->weak;
}

static bool is_judged_of_set(const model_example *e, const void *ctx)
{
    return model_is_held_out(e) && e->set == *(const uint16_t *)ctx;
}

/* Rows of one set at the model's thresholds, without intervals that hundreds of rows make
 * unreadable: {"set","label","pos","neg","auc","recall","fpr"}. */
static pl_rc set_results(const pl_model *m, const training *t, uint16_t index, json_t *out,
                         pl_error *err)
{
    static const char *const keys[] = { "auc", "recall", "fpr" };
    const json_t *set = json_array_get(json_object_get(t->r->doc, "sets"), index);
    json_t       *rows = NULL, *row;
    size_t        i;
    pl_rc         rc = model_results(m, t->r, &t->d, is_judged_of_set, &index, &rows, err);

    json_array_foreach(rows, i, row) {
        json_t *brief = json_pack("{s:O, s:O, s:O, s:O}", "set", json_object_get(set, "id"), "label",
                                  json_object_get(row, "label"), "pos", json_object_get(row, "pos"),
                                  "neg", json_object_get(row, "neg"));

        for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++)
            (void)json_object_set(brief, keys[k],
                                  json_object_get(json_object_get(row, keys[k]), "value"));
        if (strcmp(json_string_value(json_object_get(row, "lang")), "all") == 0)
            (void)json_array_append(out, brief);
        json_decref(brief);
    }
    json_decref(rows);
    return rc;
}

static pl_rc judge(training *t, pl_error *err)
{
    json_t   *results = NULL, *by_set = json_array();
    pl_str    image = { t->image, t->n };
    size_t    sets = json_array_size(json_object_get(t->r->doc, "sets"));
    pl_model *m = NULL;
    pl_rc     rc = pl_model_open(image, &m, err);

    if (rc == PL_OK)
        rc = model_results(m, t->r, &t->d, is_judged, NULL, &results, err);
    for (size_t i = 0; rc == PL_OK && i < sets; i++)
        rc = set_results(m, t, (uint16_t)i, by_set, err);
    if (rc == PL_OK && !(t->card = model_card_make(t->r, &t->d, image, results, by_set)))
        rc = pl_fail(err, PL_NOMEM, "out of memory");
    json_decref(results);
    json_decref(by_set);
    pl_model_free(m);
    return rc;
}

static json_t *labels_json(const model_recipe *r, uint32_t mask)
{
    json_t *out = json_array();

    for (size_t i = 0; i < r->labels; i++)
        if (mask >> i & 1)
            (void)json_array_append_new(out, json_string(r->label[i]));
    return out;
}

/* The texts as learnt and as held out, for other tools to learn from the same. */
static pl_rc side_export(const model_recipe *r, const model_data *d, const char *dir, bool held,
                         pl_error *err)
{
    char  *path = pl_path_join(dir, held ? "test.jsonl" : "train.jsonl");
    pl_buf out = PL_BUF_INIT(MODEL_DATA_MAX);
    pl_rc  rc;

    for (size_t i = 0; i < d->n; i++) {
        const model_example *e = &d->e[i];
        json_t              *row;
        char                *line;

        if (held != model_is_held_out(e) || (held && e->weak))
            continue;
        row = json_pack("{s:s, s:s, s:o, s:o}", "text", e->text, "lang", e->han ? "zh" : "en", "yes",
                        labels_json(r, e->yes), "no", labels_json(r, e->no));
        line = row ? pl_json_dump(row) : NULL; /* a text that is not UTF-8 is left out */
        json_decref(row);
        if (line) {
            pl_buf_puts(&out, line);
            pl_buf_putc(&out, '\n');
        }
        free(line);
    }
    rc = pl_buf_check(&out, err);
    if (rc == PL_OK)
        rc = pl_file_write_atomic(path, pl_buf_str(&out), 0644, err);
    pl_buf_done(&out);
    free(path);
    return rc;
}

static pl_rc file_write(const char *dir, const char *name, pl_str content, pl_error *err)
{
    char *path = pl_path_join(dir, name);
    pl_rc rc = path ? pl_file_write_atomic(path, content, 0644, err)
                    : pl_fail(err, PL_NOMEM, "out of memory");

    free(path);
    return rc;
}

static pl_rc page_write(const char *dir, const char *name, const json_t *card, bool zh,
                        pl_error *err)
{
    pl_buf b = PL_BUF_INIT(4u << 20);
    pl_rc  rc;

    model_card_print(card, zh, &b);
    rc = pl_buf_check(&b, err);
    if (rc == PL_OK)
        rc = file_write(dir, name, pl_buf_str(&b), err);
    pl_buf_done(&b);
    return rc;
}

static pl_rc outputs_write(const char *dir, pl_str image, const json_t *card, pl_error *err)
{
    char *text = pl_json_pretty(card);
    pl_rc rc = text ? pl_mkdir_p(dir, 0755, err) : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc == PL_OK)
        rc = file_write(dir, MODEL_FILE, image, err);
    if (rc == PL_OK)
        rc = file_write(dir, MODEL_CARD, pl_str_z(text), err);
    if (rc == PL_OK)
        rc = page_write(dir, "card.md", card, false, err);
    if (rc == PL_OK)
        rc = page_write(dir, "card.zh-CN.md", card, true, err);
    free(text);
    return rc;
}

static pl_rc train(pl_cmd_ctx *c, const char *recipe, training *t, pl_error *err)
{
    const char     *data = option(c, "data"), *dir = option(c, "export");
    pl_cmd_progress progress;
    pl_rc           rc = model_recipe_open(recipe, &t->r, err);

    if (rc == PL_OK)
        rc = sets_read(t->r, recipe, data ? data : ".", &t->d, err);
    if (rc == PL_OK)
        rc = model_data_split(&t->d, err);
    if (rc == PL_OK && dir)
        rc = pl_mkdir_p(dir, 0755, err);
    if (rc == PL_OK && dir)
        rc = side_export(t->r, &t->d, dir, false, err);
    if (rc == PL_OK && dir)
        rc = side_export(t->r, &t->d, dir, true, err);
    if (rc != PL_OK)
        return rc;
    pl_cmd_progress_init(&progress, c, pl_cmd_say(c, "labels learnt", "已学习标签"),
                         PL_PROGRESS_ITEMS);
    rc = model_fit(t->r, &t->d, &progress, &t->image, &t->n, err);
    pl_cmd_progress_end(&progress);
    return rc == PL_OK ? judge(t, err) : rc;
}

int pl_text_cmd_model_train(pl_cmd_ctx *c)
{
    const char *out = option(c, "output");
    training    t = { 0 };
    pl_error    err = { 0 };
    pl_rc       rc;
    int         code;

    if (!out) {
        (void)fprintf(c->err, "plumbline: %s\n",
                      pl_cmd_say(c, "model train: '-o FOLDER' is missing",
                                 "model train：缺少“-o FOLDER”"));
        return PL_EXIT_USAGE;
    }
    if (names_recipe_is(c->argv[0]))
        return names_cmd_train(c);
    rc = train(c, c->argv[0], &t, &err);
    if (rc == PL_OK)
        rc = outputs_write(out, (pl_str){ t.image, t.n }, t.card, &err);
    if (rc != PL_OK)
        code = pl_cmd_fail(c, &err);
    else if (c->json)
        code = print_json(c, json_incref(t.card), PL_EXIT_OK);
    else {
        (void)fprintf(c->out, pl_cmd_say(c, "%s/" MODEL_FILE ": %zu labels learnt from %zu texts\n",
                                         "%s/" MODEL_FILE "：%zu 个标签，%zu 条文本\n"),
                      out, t.r->labels, t.d.n);
        code = PL_EXIT_OK;
    }
    json_decref(t.card);
    free(t.image);
    model_data_free(&t.d);
    model_recipe_free(t.r);
    return code;
}

/* --- test ------------------------------------------------------------------------------------ */

/* A set made from options: which columns to read, and what their values mean. */
static json_t *set_from_options(pl_cmd_ctx *c)
{
    const char *text = option(c, "text"), *label = option(c, "label");
    const char *positive = option(c, "positive"), *category = option(c, "category");
    json_t     *values = json_array(), *rules, *set;
    pl_str      rest = pl_str_z(positive ? positive : "1,true,yes,unsafe,harmful,toxic,hateful"), v;

    if (!category)
        category = "harm.any";
    while (pl_str_split(&rest, ',', &v))
        (void)json_array_append_new(values, json_stringn(v.p, v.n));
    rules = json_pack("[{s:{s:O}, s:[s]}]", "when", label ? label : "label", values, "yes", category);
    set = json_pack("{s:s, s:s, s:[s], s:o}", "id", "options", "text", text ? text : "text", "no",
                    category, "rules", rules);
    json_decref(values);
    return set;
}

/* One file may be several sets: its prompts are one, its answers another. */
static pl_rc file_read(const model_recipe *r, const json_t *given, const char *path, uint16_t id,
                       model_data *d, pl_error *err)
{
    const json_t *sets = json_object_get(r->doc, "sets"), *set;
    bool          any = false;
    size_t        i;

    if (given)
        return model_data_read(d, r, given, path, id, err);
    json_array_foreach((json_t *)(uintptr_t)sets, i, set)
        if (model_recipe_names(set, path)) {
            pl_rc rc = model_data_read(d, r, set, path, id, err);

            any = true;
            if (rc != PL_OK)
                return rc;
        }
    return any ? PL_OK : model_data_read(d, r, NULL, path, id, err);
}

static bool is_of_file(const model_example *e, const void *ctx)
{
    const uint16_t *file = ctx;

    return *file == UINT16_MAX || e->set == *file;
}

static pl_rc results_add(const opened *o, const model_data *d, uint16_t file, const char *name,
                         json_t *out, pl_error *err)
{
    json_t *rows = NULL, *row;
    size_t  i;
    pl_rc   rc = model_results(o->m, o->r, d, is_of_file, &file, &rows, err);

    if (rc != PL_OK)
        return rc;
    json_array_foreach(rows, i, row) {
        (void)json_object_set_new(row, "file", json_string(name));
        (void)json_array_append(out, row);
    }
    json_decref(rows);
    return PL_OK;
}

static bool is_readable(const char *path)
{
    return access(path, R_OK) == 0;
}

static pl_rc test(pl_cmd_ctx *c, const opened *o, int first, json_t *out, pl_error *err)
{
    json_t    *given = option(c, "text") || option(c, "label") || option(c, "category")
                           ? set_from_options(c)
                           : NULL;
    model_data d = { 0 };
    pl_rc      rc = PL_OK;

    for (int i = first; rc == PL_OK && i < c->argc; i++) {
        rc = file_read(o->r, given, c->argv[i], (uint16_t)(i - first), &d, err);
        if (rc == PL_NOTFOUND && err->rc == PL_NOTFOUND && is_readable(c->argv[i])) {
            (void)fprintf(c->err, "plumbline: %s\n", err->text); /* the others may be known */
            rc = PL_OK;
        }
    }
    for (int i = first; rc == PL_OK && i < c->argc; i++)
        rc = results_add(o, &d, (uint16_t)(i - first), c->argv[i], out, err);
    if (rc == PL_OK && c->argc - first > 1)
        rc = results_add(o, &d, UINT16_MAX, "*", out, err);
    model_data_free(&d);
    json_decref(given);
    return rc;
}

static void figure_print(pl_cmd_ctx *c, const json_t *row, const char *key)
{
    const json_t *f = json_object_get(row, key);

    if (!json_is_object(f))
        (void)fprintf(c->out, "  %-20s", "-");
    else
        (void)fprintf(c->out, "  %.3f (%.3f-%.3f) ", json_real_value(json_object_get(f, "value")),
                      json_real_value(json_object_get(f, "low")),
                      json_real_value(json_object_get(f, "high")));
}

static void results_print(pl_cmd_ctx *c, const json_t *rows)
{
    const char *file = "";
    size_t      i;
    json_t     *row;

    json_array_foreach((json_t *)(uintptr_t)rows, i, row) {
        const char *name = json_string_value(json_object_get(row, "file"));

        if (strcmp(name, file) != 0) {
            (void)fprintf(c->out, "%s%s\n", i ? "\n" : "",
                          strcmp(name, "*") ? name : pl_cmd_say(c, "all files", "全部文件"));
            (void)fprintf(c->out, "  %-18s %-4s %6s %6s  %-20s  %-20s  %-20s  %-20s  %s\n",
                          pl_cmd_say(c, "label", "标签"), pl_cmd_say(c, "lang", "语言"),
                          pl_cmd_say(c, "pos", "正例"), pl_cmd_say(c, "neg", "负例"), "ROC-AUC",
                          pl_cmd_say(c, "recall at 1% FPR", "1% 误报率下的召回"),
                          pl_cmd_say(c, "calibration error", "校准误差"),
                          pl_cmd_say(c, "recall at threshold", "阈值处召回"),
                          pl_cmd_say(c, "FPR at threshold", "阈值处误报率"));
            file = name;
        }
        (void)fprintf(c->out, "  %-18s %-4s %6lld %6lld", json_string_value(json_object_get(row, "label")),
                      json_string_value(json_object_get(row, "lang")),
                      (long long)json_integer_value(json_object_get(row, "pos")),
                      (long long)json_integer_value(json_object_get(row, "neg")));
        figure_print(c, row, "auc");
        figure_print(c, row, "recall_at_1_percent_fpr");
        figure_print(c, row, "ece");
        figure_print(c, row, "recall");
        figure_print(c, row, "fpr");
        (void)fprintf(c->out, "\n");
    }
}

static json_t *test_json(const opened *o, json_t *rows)
{
    uint8_t digest[32];
    char    hex[65];

    pl_sha256_of((pl_str){ o->image, o->image_n }, digest);
    pl_hex(digest, sizeof digest, hex);
    return json_pack("{s:{s:s}, s:O}", "model", "sha256", hex, "results", rows);
}

int pl_text_cmd_model_test(pl_cmd_ctx *c)
{
    opened   o = { 0 };
    json_t  *rows = json_array();
    pl_error err = { 0 };
    int      used = 0, code;
    pl_rc    rc = open_model(c, option(c, "recipe"), &o, &used, &err);

    if (rc == PL_OK && !o.r)
        rc = pl_fail(&err, PL_INVALID, "no " MODEL_RECIPE " beside the model; name one with --recipe");
    if (rc == PL_OK && used == c->argc)
        rc = pl_fail(&err, PL_INVALID, "no file to test with");
    if (rc == PL_OK)
        rc = test(c, &o, used, rows, &err);
    if (rc != PL_OK)
        code = pl_cmd_fail(c, &err);
    else if (c->json)
        code = print_json(c, test_json(&o, rows),
                          json_array_size(rows) ? PL_EXIT_OK : PL_EXIT_INCONCLUSIVE);
    else {
        results_print(c, rows);
        if (json_array_size(rows) == 0)
            (void)fprintf(c->err, "plumbline: %s\n",
                          pl_cmd_say(c, "the files say nothing about any label of the model",
                                     "文件中没有与模型标签有关的信息"));
        code = json_array_size(rows) ? PL_EXIT_OK : PL_EXIT_INCONCLUSIVE;
    }
    json_decref(rows);
    opened_close(&o);
    return code;
}

/* --- card ------------------------------------------------------------------------------------ */

/* PL_CONFLICT: the card is of another file. */
static pl_rc card_read(const opened *o, json_t **out, pl_error *err)
{
    char   *path = pl_path_join(o->dir, MODEL_CARD), *text = NULL, hex[65];
    json_t *card = NULL;
    uint8_t digest[32];
    size_t  n = 0;
    pl_rc   rc = pl_file_read(path, MODEL_FILE_MAX, &text, &n, err);

    if (rc == PL_OK)
        rc = pl_json_parse((pl_str){ text, n }, path, &card, err);
    free(text);
    free(path);
    if (rc != PL_OK)
        return rc;
    pl_sha256_of((pl_str){ o->image, o->image_n }, digest);
    pl_hex(digest, sizeof digest, hex);
    if (!pl_str_eqz(pl_str_z(json_string_value(json_object_get(card, "sha256"))), hex)) {
        json_decref(card);
        return pl_fail(err, PL_CONFLICT, "the card describes another model file");
    }
    *out = card;
    return PL_OK;
}

int pl_text_cmd_model_card(pl_cmd_ctx *c)
{
    opened   o = { 0 };
    json_t  *card = NULL;
    pl_buf   page = PL_BUF_INIT(4u << 20);
    pl_error err = { 0 };
    int      used = 0, code = PL_EXIT_OK;
    pl_rc    rc;

    if (c->argc == 1 && names_cmd_has(c->argv[0]))
        return names_cmd_card(c);
    rc = open_model(c, NULL, &o, &used, &err);
    if (rc == PL_OK && used < c->argc)
        rc = pl_fail(&err, PL_NOTFOUND, "no model '%.200s'", c->argv[0]);
    if (rc == PL_OK)
        rc = card_read(&o, &card, &err);
    if (rc == PL_CONFLICT) {
        (void)fprintf(c->err, "plumbline: %s\n", err.text);
        code = PL_EXIT_FOUND;
    } else if (rc != PL_OK) {
        code = pl_cmd_fail(c, &err);
    } else if (c->json) {
        code = print_json(c, json_incref(card), PL_EXIT_OK);
    } else {
        model_card_print(card, strcmp(c->lang, "zh-CN") == 0, &page);
        (void)fwrite(page.p ? page.p : "", 1, page.n, c->out);
    }
    pl_buf_done(&page);
    json_decref(card);
    opened_close(&o);
    return code;
}

/* --- explain ---------------------------------------------------------------------------------- */

enum { EXPLAIN_MAX = 64 };

static json_t *explain_label(const opened *o, pl_str window, size_t label,
                             const pl_model_score *score, size_t max, pl_error *err)
{
    static const char *const verdict[] = { "no", "uncertain", "yes" };
    pl_model_feature         f[EXPLAIN_MAX];
    pl_str                   name = pl_model_label(o->m, label);
    json_t                  *list = json_array();
    size_t                   n = 0, total = 0;

    if (pl_model_explain(o->m, window, label, f, max, &n, &total, err) != PL_OK) {
        json_decref(list);
        return NULL;
    }
    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(
            list, json_pack("{s:s%, s:i, s:i, s:i, s:i}", "text", window.p + f[i].start,
                            (size_t)(f[i].end - f[i].start), "start", (int)f[i].start, "end",
                            (int)f[i].end, "count", (int)f[i].count, "share", f[i].share));
    return json_pack("{s:s%, s:f, s:s, s:I, s:I, s:o}", "label", name.p, name.n, "probability",
                     nearbyint((double)score->probability * 10000) / 10000, "verdict",
                     verdict[score->verdict], "raw", (json_int_t)score->raw, "features",
                     (json_int_t)total, "shares", list);
}

static pl_rc explain(pl_cmd_ctx *c, const opened *o, pl_str text, json_t *out, pl_error *err)
{
    pl_str         window = { text.p, pl_model_window(text, 0) };
    const char    *only = option(c, "label");
    size_t         max = only ? EXPLAIN_MAX : 8;
    pl_model_score score[PL_MODEL_LABELS_MAX];
    bool           any = false;

    (void)pl_model_run(o->m, window, score);
    for (size_t i = 0; i < pl_model_label_count(o->m); i++) {
        json_t *row;

        if (only && !pl_str_eqz(pl_model_label(o->m, i), only))
            continue;
        any = true;
        if (!only && score[i].verdict == PL_MODEL_NO && !c->json)
            continue;
        row = explain_label(o, window, i, &score[i], max, err);
        if (!row)
            return err->rc;
        (void)json_array_append_new(out, row);
    }
    return any ? PL_OK : pl_fail(err, PL_NOTFOUND, "the model has no label '%.60s'", only);
}

static void explain_print(pl_cmd_ctx *c, const json_t *rows)
{
    size_t  i, k;
    json_t *row, *f;

    json_array_foreach((json_t *)(uintptr_t)rows, i, row) {
        (void)fprintf(c->out, "%-20s %.4f %-9s %s %lld\n",
                      json_string_value(json_object_get(row, "label")),
                      json_real_value(json_object_get(row, "probability")),
                      json_string_value(json_object_get(row, "verdict")),
                      pl_cmd_say(c, "raw", "原始分"),
                      (long long)json_integer_value(json_object_get(row, "raw")));
        json_array_foreach(json_object_get(row, "shares"), k, f)
            (void)fprintf(c->out, "  %+6lld  ×%lld  %s\n",
                          (long long)json_integer_value(json_object_get(f, "share")),
                          (long long)json_integer_value(json_object_get(f, "count")),
                          json_string_value(json_object_get(f, "text")));
    }
    if (json_array_size(rows) == 0)
        (void)fprintf(c->out, "%s\n", pl_cmd_say(c, "no label reaches its uncertain band",
                                                 "没有标签达到不确定区间"));
}

int pl_text_cmd_model_explain(pl_cmd_ctx *c)
{
    const char *model = option(c, "model");
    char       *args[1] = { (char *)(uintptr_t)model };
    pl_cmd_ctx  named = *c;
    opened      o = { 0 };
    json_t     *rows = json_array();
    char       *text = NULL;
    size_t      n = 0;
    pl_error    err = { 0 };
    int         used, code = PL_EXIT_OK;
    pl_rc       rc;

    named.argc = model != NULL;
    named.argv = args;
    rc = open_model(&named, NULL, &o, &used, &err);
    if (rc == PL_OK)
        rc = pl_file_read(c->argv[0], MODEL_FILE_MAX, &text, &n, &err);
    if (rc == PL_OK && !pl_utf8_valid((pl_str){ text, n }))
        rc = pl_fail(&err, PL_INVALID, "not supported: the text is not UTF-8");
    if (rc == PL_OK)
        rc = explain(c, &o, (pl_str){ text, n }, rows, &err);
    if (rc != PL_OK)
        code = pl_cmd_fail(c, &err);
    else if (c->json)
        code = print_json(c, json_pack("{s:O}", "labels", rows), PL_EXIT_OK);
    else
        explain_print(c, rows);
    json_decref(rows);
    free(text);
    opened_close(&o);
    return code;
}

const pl_opt pl_text_model_train_options[] = {
    { "output", "FOLDER", "where model and cards go (-o)", "模型与模型卡的输出目录（-o）" },
    { "data", "FOLDER", "the files the recipe names lie below it (default .)",
      "配方所列文件的根目录（默认当前目录）" },
    { "export", "FOLDER", "write the texts, learnt and held out, as JSON Lines",
      "将学习与留出的文本写为 JSON Lines" },
    { NULL, NULL, NULL, NULL },
};
const pl_opt pl_text_model_test_options[] = {
    { "recipe", "FILE", "what columns mean (default: beside the model)",
      "列含义配方（默认取模型旁的文件）" },
    { "text", "COLUMN", "column with the text; with --label instead of the recipe",
      "文本所在列，与 --label 一起代替配方" },
    { "label", "COLUMN", "column that tells positive from negative", "区分正负例的列" },
    { "positive", "VALUES", "its values that are positive, with commas", "视为正例的取值，逗号分隔" },
    { "category", "LABEL", "which label they are about (default harm.any)",
      "对应的模型标签（默认 harm.any）" },
    { NULL, NULL, NULL, NULL },
};
const pl_opt pl_text_model_card_options[] = { { NULL, NULL, NULL, NULL } };
const pl_opt pl_text_model_explain_options[] = {
    { "model", "MODEL", "pack, folder or file (default " MODEL_PACK ")",
      "数据包、目录或文件（默认 " MODEL_PACK "）" },
    { "label", "LABEL", "this label alone, with more features", "只解释该标签，列出更多特征" },
    { NULL, NULL, NULL, NULL },
};
