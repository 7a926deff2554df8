#include "base/banned.h"

#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "cap/label/label_int.h"

static const char *option(pl_cmd_ctx *c, const char *name)
{
    return c->opt(c->host, name);
}

static int fail(pl_cmd_ctx *c, pl_rc rc, const char *text)
{
    pl_error err;

    (void)pl_fail(&err, rc, "%s", text);
    return pl_cmd_fail(c, &err);
}

static int print_json(pl_cmd_ctx *c, json_t *o, int code)
{
    char *text = o ? pl_json_dump(o) : NULL;

    json_decref(o);
    if (!text)
        return fail(c, PL_NOMEM, "out of memory");
    fprintf(c->out, "%s\n", text);
    free(text);
    return code;
}

static bool is_text_name(const char *name)
{
    static const char *const known[] = { ".txt", ".md", ".markdown", ".text" };
    pl_str s = pl_str_z(name);

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (pl_str_ends(s, pl_str_z(known[i])))
            return true;
    return false;
}

/* --- label add --------------------------------------------------------------------------- */

/* What the whole capability will do and this stage cannot: said, not ignored. */
static const char *unsupported(pl_cmd_ctx *c)
{
    if (option(c, "producer") || option(c, "content-id") || option(c, "state"))
        return "not supported yet: metadata labels; text files take --explicit alone";
    if (!option(c, "explicit"))
        return "not supported yet: labels in the metadata of text files; use --explicit";
    return NULL;
}

static pl_rc place_parse(const char *s, pl_label_place *out, pl_error *err)
{
    if (!s || strcmp(s, "end") == 0)
        *out = PL_LABEL_END;
    else if (strcmp(s, "start") == 0)
        *out = PL_LABEL_START;
    else
        return pl_fail(err, PL_INVALID, "unknown position '%s': start or end", s);
    return PL_OK;
}

static pl_rc add(const char *in, const char *out_path, const char *wording, pl_label_place place,
                 pl_str *label, pl_error *err)
{
    pl_buf out = PL_BUF_INIT(PL_LABEL_FILE_MAX + 4096);
    char  *text = NULL;
    size_t n = 0;
    pl_rc  rc = pl_file_read(in, PL_LABEL_FILE_MAX, &text, &n, err);

    if (rc == PL_OK)
        rc = pl_label_text_check((pl_str){ text, n }, in, err);
    if (rc == PL_OK) {
        *label = wording ? pl_str_z(wording) : pl_label_default((pl_str){ text, n });
        rc = pl_label_text_add((pl_str){ text, n }, *label, place, &out, err);
    }
    if (rc == PL_OK)
        rc = pl_file_write_atomic(out_path, pl_buf_str(&out), 0644, err);
    pl_buf_done(&out);
    free(text);
    return rc;
}

static int cmd_add(pl_cmd_ctx *c)
{
    const char    *in = c->argv[0], *out = option(c, "output"), *why = unsupported(c);
    pl_label_place place = PL_LABEL_END;
    pl_str         label = { "", 0 };
    pl_error       err;

    if (!out) {
        fprintf(c->err, "plumbline: %s\n",
                pl_cmd_say(c, "label add: '-o OUT' is missing", "label add：缺少“-o OUT”"));
        return PL_EXIT_USAGE;
    }
    if (!is_text_name(in) || !is_text_name(out))
        why = "not supported yet: only .txt and .md files can be labelled";
    if (why)
        return fail(c, PL_INVALID, why);
    if (place_parse(option(c, "position"), &place, &err) != PL_OK ||
        add(in, out, option(c, "text"), place, &label, &err) != PL_OK)
        return pl_cmd_fail(c, &err);

    if (c->json)
        return print_json(c,
                          json_pack("{s:s, s:s, s:[{s:s, s:s%, s:s}]}", "file", in, "output", out,
                                    "labels", "carrier", "text", "value", label.p, label.n,
                                    "position", place == PL_LABEL_END ? "end" : "start"),
                          PL_EXIT_OK);
    fprintf(c->out, pl_cmd_say(c, "%s: labelled '%.*s'\n", "%s：已加标识“%.*s”\n"), out,
            (int)label.n, label.p);
    return PL_EXIT_OK;
}

/* --- inspect ------------------------------------------------------------------------------ */

static json_t *labels_json(const label_found *f, bool found)
{
    json_t *labels = json_array();

    if (found)
        json_array_append_new(
            labels, json_pack("{s:s, s:s%, s:s, s:b, s:o}", "carrier", "text", "value", f->value.p,
                              f->value.n, "position", f->position == 1 ? "start" : "end",
                              "conforms", f->conforms, "problems",
                              f->problem ? json_pack("[s]", f->problem) : json_array()));
    return labels;
}

static json_t *report_json(const char *file, const label_found *f, bool found, label_verdict v)
{
    return json_pack("{s:s, s:s, s:o, s:{s:b, s:n, s:n, s:n, s:[]}, s:n, s:[], s:{s:s, s:s}}",
                     "file", file, "format", "text", "labels", labels_json(f, found), "c2pa",
                     "present", 0, "integrity", "signer", "trust", "codes", "watermark", "traces",
                     "verdict", "state", v.state, "rule", v.rule);
}

static void print_report(pl_cmd_ctx *c, const char *file, const label_found *f, bool found)
{
    fprintf(c->out, "%s\n", file);
    if (!found) {
        fprintf(c->out, "  %s\n",
                pl_cmd_say(c, "no label found: inconclusive, this says nothing about its origin",
                           "未发现标识：无法得出结论，不能说明内容来源"));
        return;
    }
    fprintf(c->out, pl_cmd_say(c, "  label     %.*s (at the %s)\n", "  标识  %.*s（%s）\n"),
            (int)f->value.n, f->value.p,
            f->position == 1 ? pl_cmd_say(c, "start", "开头") : pl_cmd_say(c, "end", "结尾"));
    if (f->conforms)
        fprintf(c->out, "  %s\n", pl_cmd_say(c, "conforms  yes, GB 45438-2025 5.1",
                                             "合规  是，GB 45438-2025 5.1"));
    else
        fprintf(c->out, pl_cmd_say(c, "  conforms  no: %s\n", "  合规  否：%s\n"), f->problem);
    fprintf(c->out, "  %s\n",
            pl_cmd_say(c,
                       "verdict   suspected: an explicit label without metadata that confirms it"
                       " (labelling measures, Art. 6)",
                       "结论  疑似生成合成内容：有显式标识，无元数据佐证（标识办法第六条）"));
}

static int cmd_inspect(pl_cmd_ctx *c)
{
    const char *file = c->argv[0];
    label_found f = { 0 };
    char       *text = NULL;
    size_t      n = 0;
    bool        found = false;
    pl_error    err;
    pl_rc       rc = pl_file_read(file, PL_LABEL_FILE_MAX, &text, &n, &err);
    int         code;

    if (rc == PL_OK)
        rc = pl_label_text_check((pl_str){ text, n }, file, &err);
    if (rc != PL_OK) {
        free(text);
        return pl_cmd_fail(c, &err);
    }
    found = pl_label_text_find((pl_str){ text, n }, &f);
    code = !found ? PL_EXIT_INCONCLUSIVE : f.conforms ? PL_EXIT_OK : PL_EXIT_FOUND;
    if (c->json)
        code = print_json(c, report_json(file, &f, found, pl_label_text_verdict(found)), code);
    else
        print_report(c, file, &f, found);
    free(text);
    return code;
}

static const pl_opt add_options[] = {
    { "output", "OUT", "where the labelled copy goes (-o)", "写出带标识的副本（-o）" },
    { "explicit", NULL, "add the label people can read", "添加显式标识" },
    { "text", "WORDING", "the label's wording, default by the text's language",
      "标识文字，默认按文本语言选择" },
    { "position", "PLACE", "start or end (default)", "start（开头）或 end（结尾，默认）" },
    { "producer", "CODE", "provider's code (not supported yet)", "服务提供者编码（尚不支持）" },
    { "content-id", "ID", "content number (not supported yet)", "内容编号（尚不支持）" },
    { "state", "STATE", "generated, possible or suspected (not supported yet)",
      "generated、possible 或 suspected（尚不支持）" },
    { NULL, NULL, NULL, NULL },
};
static const pl_opt no_options[] = { { NULL, NULL, NULL, NULL } };

const pl_cmd pl_label_commands[] = {
    { "label", "add", "FILE", 1, 1, add_options, "add a label to a copy of a text file",
      "为文本文件的副本添加标识", "plumbline label add answer.txt -o labelled.txt --explicit",
      cmd_add },
    { "inspect", NULL, "FILE|-", 1, 1, no_options, "find the labels in a file and say what follows",
      "查找文件中的标识并给出结论", "plumbline inspect answer.txt --json", cmd_inspect },
    { NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL, NULL },
};
