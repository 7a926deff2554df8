/* model test: figures of a model on labelled files. */
#include "base/banned.h"

#include "base/hash.h"
#include "base/str.h"
#include "cap/text/model_int.h"
#include "cap/text/names_train.h"

#include <unistd.h>

/* A set made from options: which columns to read, and what their values mean. */
static json_t *set_from_options(pl_cmd_ctx *c)
{
    const char *text = model_option(c, "text"), *label = model_option(c, "label");
    const char *positive = model_option(c, "positive"), *category = model_option(c, "category");
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

static pl_rc results_add(const model_opened *o, const model_data *d, uint16_t file, const char *name,
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

static pl_rc test(pl_cmd_ctx *c, const model_opened *o, int first, json_t *out, pl_error *err)
{
    json_t    *given = model_option(c, "text") || model_option(c, "label") || model_option(c, "category")
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

static json_t *test_json(const model_opened *o, json_t *rows)
{
    uint8_t digest[32];
    char    hex[65];

    pl_sha256_of((pl_str){ o->image, o->image_n }, digest);
    pl_hex(digest, sizeof digest, hex);
    return json_pack("{s:{s:s}, s:O}", "model", "sha256", hex, "results", rows);
}

int pl_text_cmd_model_test(pl_cmd_ctx *c)
{
    model_opened   o = { 0 };
    json_t  *rows = json_array();
    pl_error err = { 0 };
    int      used = 0, code;
    pl_rc    rc;

    if (names_cmd_has(c->argv[0])) {
        json_decref(rows);
        return names_cmd_test(c);
    }
    rc = model_open(c, model_option(c, "recipe"), &o, &used, &err);
    if (rc == PL_OK && !o.r)
        rc = pl_fail(&err, PL_INVALID, "no " MODEL_RECIPE " beside the model; name one with --recipe");
    if (rc == PL_OK && used == c->argc)
        rc = pl_fail(&err, PL_INVALID, "no file to test with");
    if (rc == PL_OK)
        rc = test(c, &o, used, rows, &err);
    if (rc != PL_OK)
        code = pl_cmd_fail(c, &err);
    else if (c->json)
        code = model_print_json(c, test_json(&o, rows),
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
    model_close(&o);
    return code;
}

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
