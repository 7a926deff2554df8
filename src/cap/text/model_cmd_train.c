/* model train: a recipe and its data become a model, its cards and its figures. */
#include "base/banned.h"

#include "base/file.h"
#include "base/str.h"
#include "cap/text/model_int.h"
#include "cap/text/names_train.h"

#include <sys/stat.h>

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

static pl_rc page_write(const char *dir, const char *name, const json_t *card,
                        model_card_fn print, bool zh, pl_error *err)
{
    pl_buf b = PL_BUF_INIT(4u << 20);
    pl_rc  rc;

    print(card, zh, &b);
    rc = pl_buf_check(&b, err);
    if (rc == PL_OK)
        rc = file_write(dir, name, pl_buf_str(&b), err);
    pl_buf_done(&b);
    return rc;
}

pl_rc model_outputs_write(const char *dir, const char *file, pl_str image, const json_t *card,
                          model_card_fn print, pl_error *err)
{
    char *text = pl_json_pretty(card);
    pl_rc rc = text ? pl_mkdir_p(dir, 0755, err) : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc == PL_OK)
        rc = file_write(dir, file, image, err);
    if (rc == PL_OK)
        rc = file_write(dir, MODEL_CARD, pl_str_z(text), err);
    if (rc == PL_OK)
        rc = page_write(dir, "card.md", card, print, false, err);
    if (rc == PL_OK)
        rc = page_write(dir, "card.zh-CN.md", card, print, true, err);
    free(text);
    return rc;
}

static pl_rc train(pl_cmd_ctx *c, const char *recipe, training *t, pl_error *err)
{
    const char     *data = model_option(c, "data"), *dir = model_option(c, "export");
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
    const char *out = model_option(c, "output");
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
        rc = model_outputs_write(out, MODEL_FILE, (pl_str){ t.image, t.n }, t.card, model_card_print,
                                 &err);
    if (rc != PL_OK)
        code = pl_cmd_fail(c, &err);
    else if (c->json)
        code = model_print_json(c, json_incref(t.card), PL_EXIT_OK);
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

const pl_opt pl_text_model_train_options[] = {
    { "output", "FOLDER", "where model and cards go (-o)", "模型与模型卡的输出目录（-o）" },
    { "data", "FOLDER", "the files the recipe names lie below it (default .)",
      "配方所列文件的根目录（默认当前目录）" },
    { "export", "FOLDER", "write the texts, learnt and held out, as JSON Lines",
      "将学习与留出的文本写为 JSON Lines" },
    { NULL, NULL, NULL, NULL },
};
