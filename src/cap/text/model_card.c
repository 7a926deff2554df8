/* What a model is, learnt from what, and how good: as JSON, and as a page for people. */
#include "base/banned.h"

#include "base/hash.h"
#include "base/str.h"
#include "cap/text/model_int.h"

#include <math.h>

static const char *text_at(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));

    return s ? s : "";
}

static double rounded(double v)
{
    return nearbyint(v * 10000) / 10000;
}

/* --- making ----------------------------------------------------------------------------------- */

static json_t *sets_json(const model_recipe *r, const model_data *d)
{
    const json_t *sets = json_object_get(r->doc, "sets"), *set;
    json_t       *out = json_array();
    size_t        i;

    json_array_foreach((json_t *)(uintptr_t)sets, i, set) {
        size_t learnt = 0, held = 0;

        for (size_t k = 0; k < d->n; k++)
            if (d->e[k].set == i) {
                learnt += !model_is_held_out(&d->e[k]);
                held += model_is_held_out(&d->e[k]);
            }
        if (learnt + held > 0)
            (void)json_array_append_new(
                out, json_pack("{s:s, s:s, s:s, s:s, s:I, s:I}", "id", text_at(set, "id"), "file",
                               text_at(set, "file"), "licence", text_at(set, "licence"), "source",
                               text_at(set, "source"), "learnt", (json_int_t)learnt, "held_out",
                               (json_int_t)held));
    }
    return out;
}

static json_t *scale_json(const pl_model *m, size_t label, pl_model_lang lang)
{
    pl_model_scale s = pl_model_scale_get(m, label, lang);

    return json_pack("{s:f, s:f}", "yes_from", rounded(1 / (1 + exp(-(double)s.yes))),
                     "uncertain_from", rounded(1 / (1 + exp(-(double)s.uncertain))));
}

static json_t *thresholds_json(const pl_model *m)
{
    json_t *out = json_object();

    for (size_t i = 0; i < pl_model_label_count(m); i++) {
        pl_str name = pl_model_label(m, i);

        (void)json_object_setn_new(out, name.p, name.n,
                                   json_pack("{s:o, s:o}", "zh", scale_json(m, i, PL_MODEL_HAN),
                                             "other", scale_json(m, i, PL_MODEL_WORDS)));
    }
    return out;
}

json_t *model_card_make(const model_recipe *r, const model_data *d, pl_str image, json_t *results,
                        json_t *by_set)
{
    uint8_t   digest[32];
    char      hex[65];
    pl_model *m = NULL;
    json_t   *card;

    if (pl_model_open(image, &m, NULL) != PL_OK)
        return NULL;
    pl_sha256_of(image, digest);
    pl_hex(digest, sizeof digest, hex);
    card = json_pack("{s:s, s:s, s:s, s:s, s:I, s:i, s:f, s:f, s:o, s:o, s:O, s:O, s:O*}", "model",
                     text_at(r->doc, "model"), "version", text_at(r->doc, "version"), "sha256", hex,
                     "recipe_sha256", r->sha256, "bytes", (json_int_t)image.n, "bits", (int)r->bits,
                     "yes_fpr", r->yes_fpr, "uncertain_fpr", r->uncertain_fpr, "thresholds",
                     thresholds_json(m), "sets", sets_json(r, d), "held_out", results, "by_set", by_set, "notes",
                     json_object_get(r->doc, "notes"));
    pl_model_free(m);
    return card;
}

/* --- printing --------------------------------------------------------------------------------- */

static void figure_put(pl_buf *out, const json_t *row, const char *key)
{
    const json_t *f = json_object_get(row, key);

    if (!json_is_object(f)) {
        pl_buf_puts(out, " – |");
        return;
    }
    pl_buf_printf(out, " %.3f (%.3f–%.3f) |", json_real_value(json_object_get(f, "value")),
                  json_real_value(json_object_get(f, "low")),
                  json_real_value(json_object_get(f, "high")));
}

static void results_put(pl_buf *out, const json_t *results, bool zh)
{
    static const char *const figures[] = { "auc", "recall_at_1_percent_fpr", "ece", "recall", "fpr" };
    size_t                   i;
    json_t                  *row;

    pl_buf_puts(out, zh ? "| 标签 | 语言 | 正例 | 负例 | ROC-AUC | 1% 误报率下的召回 | 校准误差 | "
                          "阈值处召回 | 阈值处误报率 |\n"
                        : "| label | language | positive | negative | ROC-AUC | recall at 1 % FPR | "
                          "calibration error | recall at threshold | FPR at threshold |\n");
    pl_buf_puts(out, "|---|---|---|---|---|---|---|---|---|\n");
    json_array_foreach((json_t *)(uintptr_t)results, i, row) {
        pl_buf_printf(out, "| %s | %s | %lld | %lld |", text_at(row, "label"), text_at(row, "lang"),
                      (long long)json_integer_value(json_object_get(row, "pos")),
                      (long long)json_integer_value(json_object_get(row, "neg")));
        for (size_t k = 0; k < sizeof figures / sizeof figures[0]; k++)
            figure_put(out, row, figures[k]);
        pl_buf_puts(out, "\n");
    }
}

static void sets_put(pl_buf *out, const json_t *sets, bool zh)
{
    size_t  i;
    json_t *s;

    pl_buf_puts(out, zh ? "| 数据集 | 许可 | 来源 | 学习 | 留出 |\n|---|---|---|---|---|\n"
                        : "| set | licence | source | learnt | held out |\n|---|---|---|---|---|\n");
    json_array_foreach((json_t *)(uintptr_t)sets, i, s)
        pl_buf_printf(out, "| %s | %s | %s | %lld | %lld |\n", text_at(s, "id"),
                      text_at(s, "licence"), text_at(s, "source"),
                      (long long)json_integer_value(json_object_get(s, "learnt")),
                      (long long)json_integer_value(json_object_get(s, "held_out")));
}

static void notes_put(pl_buf *out, const json_t *notes, bool zh)
{
    size_t  i;
    json_t *n;

    json_array_foreach((json_t *)(uintptr_t)notes, i, n)
        pl_buf_printf(out, "- %s\n", text_at(n, zh ? "zh" : "en"));
}

void model_card_print(const json_t *card, bool zh, pl_buf *out)
{
    double yes = json_number_value(json_object_get(card, "yes_fpr")) * 100;
    double maybe = json_number_value(json_object_get(card, "uncertain_fpr")) * 100;

    pl_buf_printf(out, zh ? "# 模型卡：%s %s\n\n" : "# Model card: %s %s\n\n",
                  text_at(card, "model"), text_at(card, "version"));
    pl_buf_puts(out, zh ? "对文本中的词与字组做线性多标签分类，权重为 8 位整数；每个分数都能逐项解释"
                          "（`plumbline model explain`）。\n\n"
                        : "A linear multi-label classifier over words and groups of characters, with "
                          "8-bit weights; every score can be explained item by item "
                          "(`plumbline model explain`).\n\n");
    pl_buf_printf(out, zh ? "- 文件：%lld 字节，SHA-256 `%s`\n- 配方：SHA-256 `%s`\n"
                          : "- file: %lld bytes, SHA-256 `%s`\n- recipe: SHA-256 `%s`\n",
                  (long long)json_integer_value(json_object_get(card, "bytes")),
                  text_at(card, "sha256"), text_at(card, "recipe_sha256"));
    pl_buf_printf(out,
                  zh ? "- 阈值：以 97.5%% 的把握误报率不超过 %.1f%% 且概率不低于 0.25 判为“是”；"
                       "不超过 %.1f%% 且概率不低于 0.05 判为“不确定”\n\n"
                     : "- thresholds: yes where, with 97.5 %% confidence, at most %.1f %% of harmless texts "
                       "like those it was calibrated on are found, and the probability is at least 0.25; "
                       "uncertain up to %.1f %% and from 0.05\n\n",
                  yes, maybe);
    if (json_array_size(json_object_get(card, "notes")) > 0) {
        pl_buf_puts(out, zh ? "## 用途与局限\n\n" : "## Use and limits\n\n");
        notes_put(out, json_object_get(card, "notes"), zh);
        pl_buf_puts(out, "\n");
    }
    pl_buf_puts(out, zh ? "## 留出文本上的表现（95% 区间）\n\n"
                        : "## On texts held out (95 % intervals)\n\n");
    results_put(out, json_object_get(card, "held_out"), zh);
    pl_buf_puts(out, zh ? "\n## 学习数据\n\n" : "\n## Learnt from\n\n");
    sets_put(out, json_object_get(card, "sets"), zh);
}
