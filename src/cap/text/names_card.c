/* What a model of names is, as JSON and as a page. */
#include "base/banned.h"

#include "base/hash.h"
#include "base/str.h"
#include "cap/text/names_train.h"

static const char *text_at(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));

    return s ? s : "";
}

static json_t *sets_json(const names_recipe *r, const names_data *d)
{
    const json_t *made = json_object_get(r->doc, "made"), *sets = json_object_get(r->doc, "sets");
    size_t        mades = json_array_size(made), n = mades + json_array_size(sets);
    json_t       *out = json_array();

    for (size_t id = 0; id < n; id++) {
        const json_t *s = id < mades ? json_array_get(made, id) : json_array_get(sets, id - mades);
        json_int_t    use[NAMES_HELD_OUT + 1] = { 0 };

        for (size_t i = 0; i < d->n; i++)
            if (d->e[i].set == id)
                use[d->e[i].use]++;
        (void)json_array_append_new(
            out, json_pack("{s:s, s:s, s:s, s:I, s:I, s:I}", "id", text_at(s, "id"), "licence",
                           id < mades ? "Apache-2.0" : text_at(s, "licence"), "source",
                           id < mades ? "written for this project" : text_at(s, "source"), "learnt",
                           use[NAMES_LEARN] + use[NAMES_NATURAL], "calibrated",
                           use[NAMES_CALIBRATE], "held_out", use[NAMES_HELD_OUT]));
    }
    return out;
}

json_t *names_card_make(const names_recipe *r, const names_data *d, const names_fitted *f,
                        json_t *results)
{
    uint8_t digest[32];
    char    hex[65];

    pl_sha256_of((pl_str){ f->image, f->n }, digest);
    pl_hex(digest, sizeof digest, hex);
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:O, s:O*}", "model",
                     text_at(r->doc, "model"), "version", text_at(r->doc, "version"), "sha256", hex,
                     "recipe_sha256", r->sha256, "bytes", (json_int_t)f->n, "spans",
                     (json_int_t)f->spans, "tokens", (json_int_t)f->tokens, "features", (json_int_t)f->features,
                     "lost", (json_int_t)f->lost, "pairs_no_cue",
                     (json_int_t)f->pairs, "words_no_cue", (json_int_t)f->words, "sets",
                     sets_json(r, d), "held_out", results, "notes",
                     json_object_get(r->doc, "notes"));
}

static double number_at(const json_t *o, const char *key)
{
    return json_number_value(json_object_get(o, key));
}

void names_results_print(const json_t *rows, bool zh, pl_buf *out)
{
    size_t  i;
    json_t *r;

    pl_buf_puts(out, zh ? "| 数据 | 类别 | 文本 | 条目 | 误报 | 精确率 | 召回率 | F1（95% 区间） |\n"
                        : "| set | kind | texts | items | false | precision | recall | F1 (95 % "
                          "interval) |\n");
    pl_buf_puts(out, "|---|---|---|---|---|---|---|---|\n");
    json_array_foreach((json_t *)(uintptr_t)rows, i, r) {
        pl_buf_printf(out, "| %s | %s | %.0f | %.0f | %.0f |", text_at(r, "set"),
                      text_at(r, "kind"), number_at(r, "texts"), number_at(r, "items"),
                      number_at(r, "false"));
        if (json_object_get(r, "f1"))
            pl_buf_printf(out, " %.3f | %.3f | %.3f (%.3f–%.3f) |\n", number_at(r, "precision"),
                          number_at(r, "recall"), number_at(r, "f1"), number_at(r, "low"),
                          number_at(r, "high"));
        else
            pl_buf_puts(out, " – | – | – |\n");
    }
}

static void sets_put(pl_buf *out, const json_t *rows, bool zh)
{
    size_t  i;
    json_t *r;

    pl_buf_puts(out, zh ? "| 数据 | 许可 | 来源 | 训练 | 校准 | 留出 |\n"
                        : "| set | licence | source | learnt | calibrated | held out |\n");
    pl_buf_puts(out, "|---|---|---|---|---|---|\n");
    json_array_foreach((json_t *)(uintptr_t)rows, i, r)
        pl_buf_printf(out, "| %s | %s | %s | %.0f | %.0f | %.0f |\n", text_at(r, "id"),
                      text_at(r, "licence"), text_at(r, "source"), number_at(r, "learnt"),
                      number_at(r, "calibrated"), number_at(r, "held_out"));
}

void names_card_print(const json_t *card, bool zh, pl_buf *out)
{
    const json_t *notes = json_object_get(card, "notes"), *note;
    size_t        i;

    pl_buf_printf(out, zh ? "# %s %s：人名与地址\n\n" : "# %s %s: person names and addresses\n\n",
                  text_at(card, "model"), text_at(card, "version"));
    pl_buf_printf(out, zh ? "文件 %.0f 字节，SHA-256 %s。由 %.0f 个候选片段和 %.0f 个词学得。\n\n"
                          : "%.0f bytes, SHA-256 %s. Learnt from %.0f spans and %.0f tokens.\n\n",
                  number_at(card, "bytes"), text_at(card, "sha256"), number_at(card, "spans"),
                  number_at(card, "tokens"));
    json_array_foreach((json_t *)(uintptr_t)notes, i, note)
        pl_buf_printf(out, "- %s\n", text_at(note, zh ? "zh" : "en"));
    pl_buf_puts(out, zh ? "\n## 留出文本上的表现（两端均一致才算对）\n\n"
                        : "\n## On texts held out (right when both ends agree)\n\n");
    names_results_print(json_object_get(card, "held_out"), zh, out);
    pl_buf_puts(out, zh ? "\n## 数据与许可\n\n" : "\n## Data and licences\n\n");
    sets_put(out, json_object_get(card, "sets"), zh);
}
