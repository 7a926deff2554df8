/* model explain: which n-grams make a score. */
#include "base/banned.h"

#include "base/file.h"
#include "base/str.h"
#include "base/utf8.h"
#include "cap/text/model_int.h"

#include <math.h>

enum { EXPLAIN_MAX = 64 };

static json_t *explain_label(const model_opened *o, pl_str window, size_t label,
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

static pl_rc explain(pl_cmd_ctx *c, const model_opened *o, pl_str text, json_t *out, pl_error *err)
{
    pl_str         window = { text.p, pl_model_window(text, 0) };
    const char    *only = model_option(c, "label");
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
    const char *model = model_option(c, "model");
    char       *args[1] = { (char *)(uintptr_t)model };
    pl_cmd_ctx  named = *c;
    model_opened      o = { 0 };
    json_t     *rows = json_array();
    char       *text = NULL;
    size_t      n = 0;
    pl_error    err = { 0 };
    int         used, code = PL_EXIT_OK;
    pl_rc       rc;

    named.argc = model != NULL;
    named.argv = args;
    rc = model_open(&named, NULL, &o, &used, &err);
    if (rc == PL_OK)
        rc = pl_file_read(c->argv[0], MODEL_FILE_MAX, &text, &n, &err);
    if (rc == PL_OK && !pl_utf8_valid((pl_str){ text, n }))
        rc = pl_fail(&err, PL_INVALID, "not supported: the text is not UTF-8");
    if (rc == PL_OK)
        rc = explain(c, &o, (pl_str){ text, n }, rows, &err);
    if (rc != PL_OK)
        code = pl_cmd_fail(c, &err);
    else if (c->json)
        code = model_print_json(c, json_pack("{s:O}", "labels", rows), PL_EXIT_OK);
    else
        explain_print(c, rows);
    json_decref(rows);
    free(text);
    model_close(&o);
    return code;
}

const pl_opt pl_text_model_explain_options[] = {
    { "model", "MODEL", "pack, folder or file (default " MODEL_PACK ")",
      "数据包、目录或文件（默认 " MODEL_PACK "）" },
    { "label", "LABEL", "this label alone, with more features", "只解释该标签，列出更多特征" },
    { NULL, NULL, NULL, NULL },
};
