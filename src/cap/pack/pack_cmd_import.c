#include "base/banned.h"

#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "cap/pack/pack_int.h"

const pl_opt pack_import_opts[] = {
    { "as", "ID", "name of the new pack", "新数据包的名称" },
    { "to", "FOLDER", "where to make it (default: packs of the instance)",
      "存放位置（默认：实例的 packs）" },
    { "category", "ID", "category of every entry (default: ID.listed)",
      "词条类别（默认：ID.listed）" },
    { "risk", "CLASS", "risk class of every entry, such as A.1-a", "词条的风险类别，如 A.1-a" },
    { "severity", "N", "1 to 4 (default 3)", "严重度 1 至 4（默认 3）" },
    { "language", "TAG", "language of every entry (default: by its letters)",
      "词条语言（默认按文字判断）" },
    { "source", "TEXT", "where the list is from (default: its file name)", "来源（默认：文件名）" },
    { "licence", "TEXT", "its licence (default: not stated)", "许可（默认：not stated）" },
    { "date", "DATE", "date of the list (default: today)", "词表日期（默认：今天）" },
    { "encoding", "NAME", "auto, UTF-8, GB18030, … (default auto)",
      "编码 auto、UTF-8、GB18030 等（默认 auto）" },
    { "format", "F", "auto, lines, csv or tsv (default: by the file name)",
      "格式 auto、lines、csv、tsv（默认按文件名）" },
    { "columns", "MAP", "header names, such as text=WORD,category=KIND",
      "表头对应关系，如 text=词,category=类别" },
    { 0 },
};

static const char *opt(pl_cmd_ctx *c, const char *name, const char *otherwise)
{
    const char *v = c->opt(c->host, name);

    return v != NULL ? v : otherwise;
}

static const char *format_of(const char *path)
{
    pl_str s = pl_str_z(path);

    if (pl_str_ends(s, PL_STR(".csv")) || pl_str_ends(s, PL_STR(".CSV")))
        return "csv";
    return pl_str_ends(s, PL_STR(".tsv")) || pl_str_ends(s, PL_STR(".TSV")) ? "tsv" : "lines";
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

static json_int_t number_at(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

static void skipped_print(pl_cmd_ctx *c, const json_t *skipped)
{
    static const struct {
        const char *key, *en, *zh;
    } rows[] = {
        { "repeated", "the same as an earlier one when folded", "归一化后与前面的重复" },
        { "empty", "empty", "空行" },
        { "comment", "comments (#)", "注释（#）" },
        { "too_short", "a single character", "只有一个字符" },
        { "too_long", "longer than 64 characters", "超过 64 个字符" },
        { "control_characters", "hold control characters", "含控制字符" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (number_at(skipped, rows[i].key) > 0)
            (void)fprintf(c->out, "  %8lld  %s\n", (long long)number_at(skipped, rows[i].key),
                          pl_cmd_say(c, rows[i].en, rows[i].zh));
}

static void report_print(pl_cmd_ctx *c, const json_t *r)
{
    const json_t *e;
    size_t        i;

    (void)fprintf(c->out, pl_cmd_say(c, "%s: %lld entries from %lld lines (%s, %s)\n",
                                     "%s：%lld 条词条，来自 %lld 行（%s，%s）\n"),
                  json_string_value(json_object_get(r, "path")),
                  (long long)number_at(r, "entries"), (long long)number_at(r, "lines"),
                  json_string_value(json_object_get(r, "encoding")),
                  json_string_value(json_object_get(r, "format")));
    if (number_at(r, "entries") < number_at(r, "lines"))
        (void)fprintf(c->out, "%s\n", pl_cmd_say(c, "skipped lines:", "跳过的行："));
    skipped_print(c, json_object_get(r, "skipped"));
    json_array_foreach(json_object_get(r, "examples"), i, e)
        (void)fprintf(c->out, pl_cmd_say(c, "    line %lld: %s\n", "    第 %lld 行：%s\n"),
                      (long long)number_at(e, "line"),
                      json_string_value(json_object_get(e, "why")));
    if (number_at(r, "bad_bytes") > 0)
        (void)fprintf(c->out, pl_cmd_say(c, "%lld bytes are no characters of the encoding\n",
                                         "%lld 个字节不是该编码的字符\n"),
                      (long long)number_at(r, "bad_bytes"));
    if (number_at(r, "replaced") > 0)
        (void)fprintf(c->out, pl_cmd_say(c, "%lld categories or severities were not known and "
                                         "became the default\n",
                                         "%lld 个类别或严重度无法识别，已用默认值\n"),
                      (long long)number_at(r, "replaced"));
    (void)fprintf(c->out, pl_cmd_say(c, "name it in a policy: packs: [%s]\n",
                                     "在策略中使用：packs: [%s]\n"),
                  json_string_value(json_object_get(r, "pack")));
}

int pack_cmd_import(pl_cmd_ctx *c)
{
    const char    *id = opt(c, "as", NULL), *severity = opt(c, "severity", "3");
    const char    *risk = opt(c, "risk", NULL), *format = opt(c, "format", "auto");
    char           today[25], category[160], *folder = NULL;
    pl_pack_import o = { .list = c->argv[0], .id = id };
    json_t        *report = NULL;
    pl_error       err = { 0 };
    pl_rc          rc;

    if (id == NULL) {
        (void)fprintf(c->err, "plumbline: pack import: '--as ID' is missing\n");
        return PL_EXIT_USAGE;
    }
    pl_time_format(c->now_ms, today);
    today[10] = '\0';
    (void)snprintf(category, sizeof category, "%.64s.%.32s", id, risk != NULL ? risk : "listed");
    folder = opt(c, "to", NULL) != NULL ? strdup(opt(c, "to", NULL))
                                        : pl_path_join(pl_cmd_dir(c), "packs");
    o.folder = folder != NULL ? folder : ".";
    o.category = opt(c, "category", category);
    o.risk = risk;
    o.severity = severity[0] >= '1' && severity[0] <= '4' && !severity[1] ? severity[0] - '0' : 0;
    o.lang = opt(c, "language", NULL);
    o.source = opt(c, "source", base_name(c->argv[0]));
    o.licence = opt(c, "licence", "not stated");
    o.date = opt(c, "date", today);
    o.encoding = opt(c, "encoding", "auto");
    o.format = strcmp(format, "auto") == 0 ? format_of(c->argv[0]) : format;
    o.columns = opt(c, "columns", NULL);
    rc = pl_pack_import_list(&o, &report, &err);
    free(folder);
    if (rc != PL_OK)
        return pl_cmd_fail(c, &err);
    if (c->json)
        return pack_print_json(c, report, PL_EXIT_OK);
    report_print(c, report);
    json_decref(report);
    return PL_EXIT_OK;
}
