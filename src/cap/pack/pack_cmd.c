#include "base/banned.h"

#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "cap/pack/pack_int.h"

#include <sys/stat.h>

int pack_print_json(pl_cmd_ctx *c, json_t *j, int code)
{
    char    *text = pl_json_pretty(j);
    pl_error err;

    json_decref(j);
    if (text == NULL) {
        (void)pl_fail(&err, PL_NOMEM, "out of memory");
        return pl_cmd_fail(c, &err);
    }
    (void)fprintf(c->out, "%s\n", text);
    free(text);
    return code;
}

static const char *title_of(const pl_cmd_ctx *c, const json_t *manifest)
{
    return pack_text(json_object_get(manifest, "title"), pl_cmd_say(c, "en", "zh"));
}

/* --- list ------------------------------------------------------------------------------ */

static void list_line(pl_cmd_ctx *c, const json_t *p)
{
    char ref[128];

    if (json_object_get(p, "error") != NULL) {
        (void)fprintf(c->out, "%-32s %s\n", pl_cmd_say(c, "(broken)", "（有错误）"),
                      pack_text(p, "error"));
        return;
    }
    (void)snprintf(ref, sizeof ref, "%s@%s", pack_text(p, "id"), pack_text(p, "version"));
    (void)fprintf(c->out, "%-32s %-12s %.23s  %s\n", ref, pack_text(p, "kind"), pack_text(p, "digest"),
                  title_of(c, p));
}

static int cmd_list(pl_cmd_ctx *c)
{
    char    *folders[3];
    json_t  *list = NULL, *p;
    pl_error err;
    size_t   i;
    pl_rc    rc;

    pack_folders(pl_cmd_dir(c), folders);
    rc = pl_pack_list((const char *const *)folders, &list, &err);
    pack_folders_free(folders);
    if (rc != PL_OK)
        return pl_cmd_fail(c, &err);
    if (c->json)
        return pack_print_json(c, json_pack("{s:o}", "packs", list), PL_EXIT_OK);
    json_array_foreach(list, i, p)
        list_line(c, p);
    json_decref(list);
    return PL_EXIT_OK;
}

/* --- lint ------------------------------------------------------------------------------ */

static void print_line(pl_cmd_ctx *c, json_t *row)
{
    char *text = pl_json_dump(row);

    (void)fprintf(c->out, "%s\n", text != NULL ? text : "");
    free(text);
    json_decref(row);
}

static void problem_line(pl_cmd_ctx *c, const char *dir, const json_t *p)
{
    json_int_t line = json_integer_value(json_object_get(p, "line"));
    bool       error = strcmp(pack_text(p, "severity"), "error") == 0;

    (void)fprintf(c->out, "%s/%s", dir, pack_text(p, "file"));
    if (line > 0)
        (void)fprintf(c->out, ":%lld", (long long)line);
    (void)fprintf(c->out, ": %s: %s\n",
                  error ? pl_cmd_say(c, "error", "错误") : pl_cmd_say(c, "warning", "警告"),
                  pack_text(p, "message"));
}

static size_t count_errors(const json_t *problems)
{
    size_t  n = 0, i;
    json_t *p;

    json_array_foreach(problems, i, p)
        n += strcmp(pack_text(p, "severity"), "error") == 0;
    return n;
}

static int lint_human(pl_cmd_ctx *c, const char *dir, const json_t *problems, size_t errors)
{
    size_t  i;
    json_t *p;

    json_array_foreach(problems, i, p)
        problem_line(c, dir, p);
    (void)fprintf(c->out, "%s: %s %zu, %s %zu\n", dir, pl_cmd_say(c, "errors", "错误"), errors,
                  pl_cmd_say(c, "warnings", "警告"), json_array_size(problems) - errors);
    return errors > 0 ? PL_EXIT_FOUND : PL_EXIT_OK;
}

/* A folder as it stands, or where the pack of that name is. malloc'd; NULL after err. */
static char *lint_folder(const char *arg, const char *const *folders, pl_error *err)
{
    struct stat st;
    pl_pack    *p = NULL;
    char       *dir;

    if (stat(arg, &st) == 0 && S_ISDIR(st.st_mode)) /* never taken for a name from here on */
        return strchr(arg, '/') != NULL ? strdup(arg) : pl_path_join(".", arg);
    if (strchr(arg, '/') != NULL) {
        (void)pl_fail(err, PL_NOTFOUND, "not a folder: '%.120s'", arg);
        return NULL;
    }
    if (pl_pack_open(arg, folders, &p, err) != PL_OK)
        return NULL;
    dir = strdup(p->dir);
    pl_pack_free(p);
    return dir;
}

static int lint_one(pl_cmd_ctx *c, const char *dir)
{
    json_t  *problems = NULL;
    pl_error err;
    size_t   errors;

    if (pl_pack_lint(dir, &problems, &err) != PL_OK)
        return pl_cmd_fail(c, &err);
    errors = count_errors(problems);
    if (!c->json)
        (void)lint_human(c, dir, problems, errors);
    else
        print_line(c, json_pack("{s:s, s:b, s:O}", "path", dir, "ok", errors == 0, "problems",
                                problems));
    json_decref(problems);
    return errors > 0 ? PL_EXIT_FOUND : PL_EXIT_OK;
}

/* One JSON line a folder, human text likewise; the worst result decides. With --minimums one
 * more: the count of all of them together. */
static int lint_all(pl_cmd_ctx *c, char *folders[], char **dirs)
{
    int      worst = PL_EXIT_OK, code = PL_EXIT_OK;
    pl_error err = { 0 };

    for (int i = 0; i < c->argc && code <= PL_EXIT_FOUND; i++) {
        dirs[i] = lint_folder(c->argv[i], (const char *const *)folders, &err);
        code = dirs[i] != NULL ? lint_one(c, dirs[i]) : pl_cmd_fail(c, &err);
        worst = code > worst ? code : worst;
    }
    if (worst == PL_EXIT_OK && c->opt(c->host, "minimums") != NULL)
        return pack_cmd_count(c, (const char *const *)dirs, (const char *const *)folders);
    return worst;
}

static int cmd_lint(pl_cmd_ctx *c)
{
    char **dirs = calloc((size_t)c->argc + 1, sizeof *dirs), *folders[3];
    int    code = PL_EXIT_FAILED;

    pack_folders(pl_cmd_dir(c), folders);
    if (dirs != NULL)
        code = lint_all(c, folders, dirs);
    for (int i = 0; dirs != NULL && i < c->argc; i++)
        free(dirs[i]);
    free(dirs);
    pack_folders_free(folders);
    return code;
}

/* --- show ------------------------------------------------------------------------------ */

static json_t *files_json(const pl_pack *p)
{
    json_t *files = json_array();

    for (size_t i = 0; i < p->file_count; i++) {
        char hex[65];

        pl_hex(p->files[i].sha256, 32, hex);
        (void)json_array_append_new(files, json_pack("{s:s, s:I, s:s}", "path", p->files[i].path,
                                                     "size", (json_int_t)p->files[i].size,
                                                     "sha256", hex));
    }
    return files;
}

static pl_rc entry_tally(void *ctx, const pl_lexicon_entry *e, pl_error *err)
{
    json_t    *out = ctx, *row = json_object_getn(out, e->category.p, e->category.n);
    json_int_t n;

    (void)err;
    if (row == NULL) {
        row = json_object();
        (void)json_object_setn_new(out, e->category.p, e->category.n, row);
    }
    n = json_integer_value(json_object_getn(row, e->lang.p, e->lang.n));
    (void)json_object_setn_new(row, e->lang.p, e->lang.n, json_integer(n + 1));
    return PL_OK;
}

/* Entries by category and language: {"harm.fraud": {"zh": 15, "en": 15}, …} */
static json_t *entries_json(const pl_pack *p)
{
    json_t *out = json_object();

    (void)pl_pack_lexicon_each(p, entry_tally, out, NULL);
    return out;
}

static json_t *pack_json(const pl_pack *p)
{
    char    hex[65];
    json_t *out = json_deep_copy(p->manifest);

    pl_hex(p->digest, 32, hex);
    (void)json_object_set_new(out, "digest", json_sprintf("sha256:%s", hex));
    (void)json_object_set_new(out, "path", json_string(p->dir));
    (void)json_object_set_new(out, "files", files_json(p));
    if (pl_str_eqz(pl_pack_kind(p), "lexicon"))
        (void)json_object_set_new(out, "entries", entries_json(p));
    return out;
}

static void show_entries(pl_cmd_ctx *c, const json_t *entries)
{
    const char *category, *lang;
    json_t     *row, *n;

    json_object_foreach((json_t *)(uintptr_t)entries, category, row) {
        (void)fprintf(c->out, "  %-16s", category);
        json_object_foreach(row, lang, n)
            (void)fprintf(c->out, "  %s %lld", lang, (long long)json_integer_value(n));
        (void)fprintf(c->out, "\n");
    }
}

static void show_human(pl_cmd_ctx *c, const json_t *j)
{
    const json_t *force = json_object_get(j, "in_force"), *s;
    size_t        i;
    const char   *to = pack_text(force, "to");

    (void)fprintf(c->out, "%s@%s  %s\n", pack_text(j, "id"), pack_text(j, "version"), title_of(c, j));
    (void)fprintf(c->out, "%s: %s · %s: %s · %s: %s\n", pl_cmd_say(c, "kind", "种类"),
                  pack_text(j, "kind"), pl_cmd_say(c, "jurisdiction", "法域"),
                  pack_text(j, "jurisdiction"), pl_cmd_say(c, "legal weight", "效力"),
                  pack_text(j, "legal_weight"));
    (void)fprintf(c->out, "%s: %s – %s · %s: %s\n", pl_cmd_say(c, "in force", "有效期"),
                  pack_text(force, "from"), *to ? to : "…", pl_cmd_say(c, "licence", "许可"),
                  pack_text(j, "licence"));
    (void)fprintf(c->out, "%s\n%s\n", pack_text(j, "digest"), pack_text(j, "path"));
    (void)fprintf(c->out, "%s\n", pl_cmd_say(c, "sources:", "来源："));
    json_array_foreach(json_object_get(j, "sources"), i, s)
        (void)fprintf(c->out, "  [%s] %s  %s %s %s\n", pack_text(s, "evidence"), pack_text(s, "id"),
                      pack_text(s, "title"), pack_text(s, "date"), pack_text(s, "url"));
    if (json_object_get(j, "entries") != NULL) {
        (void)fprintf(c->out, "%s\n", pl_cmd_say(c, "entries:", "词条："));
        show_entries(c, json_object_get(j, "entries"));
    }
}

static int cmd_show(pl_cmd_ctx *c)
{
    char    *folders[3];
    pl_pack *p = NULL;
    json_t  *j;
    pl_error err;
    pl_rc    rc;

    pack_folders(pl_cmd_dir(c), folders);
    rc = pl_pack_open(c->argv[0], (const char *const *)folders, &p, &err);
    pack_folders_free(folders);
    if (rc != PL_OK)
        return pl_cmd_fail(c, &err);
    j = pack_json(p);
    pl_pack_free(p);
    if (c->json)
        return pack_print_json(c, j, PL_EXIT_OK);
    show_human(c, j);
    json_decref(j);
    return PL_EXIT_OK;
}

/* --- test ------------------------------------------------------------------------------ */

static void test_human(pl_cmd_ctx *c, const json_t *report)
{
    const json_t *failed = json_object_get(report, "failed"), *v;
    const char   *lists[] = { "unfired", "always" };
    size_t        i;

    json_array_foreach(failed, i, v)
        (void)fprintf(c->out, "%s: %s\n", pack_text(v, "case"), pack_text(v, "message"));
    for (size_t k = 0; k < 2; k++)
        json_array_foreach(json_object_get(report, lists[k]), i, v)
            (void)fprintf(c->out, "%s: %s\n", json_string_value(v),
                          k == 0 ? pl_cmd_say(c, "no case fires this rule", "没有用例触发此规则")
                                 : pl_cmd_say(c, "every case fires this rule", "所有用例都触发此规则"));
    (void)fprintf(c->out, "%s: %lld %s, %zu %s\n", pack_text(report, "pack"),
                  (long long)json_integer_value(json_object_get(report, "cases")),
                  pl_cmd_say(c, "cases", "个用例"), json_array_size(failed),
                  pl_cmd_say(c, "failed", "个失败"));
}

static int cmd_test(pl_cmd_ctx *c)
{
    char    *folders[3];
    json_t  *report = NULL;
    pl_error err;
    int      worst = PL_EXIT_OK;

    pack_folders(pl_cmd_dir(c), folders);
    for (int i = 0; i < c->argc && worst <= PL_EXIT_FOUND; i++) {
        if (pl_pack_test(c->argv[i], (const char *const *)folders, &report, &err) != PL_OK) {
            worst = pl_cmd_fail(c, &err);
            break;
        }
        if (!json_is_true(json_object_get(report, "ok")))
            worst = PL_EXIT_FOUND;
        if (c->json) {
            print_line(c, report);
        } else {
            test_human(c, report);
            json_decref(report);
        }
    }
    pack_folders_free(folders);
    return worst;
}

const pl_cmd pack_commands[] = {
    { "pack", "test", "NAME[@VERSION]|FOLDER…", 1, -1, NULL,
      "run the cases of packs of law: facts, and what must follow",
      "运行法规数据包自带的用例：事实与应得结论", "plumbline pack test us-ca-sb53", cmd_test },
    { "pack", "crosswalk", "DUTY|THEME|PACK:ID", 1, 1, NULL,
      "show what stands beside a duty in other instruments", "查看与某项义务相关的其他法律文件条款",
      "plumbline pack crosswalk CN.LABEL", pack_cmd_crosswalk },
    { "pack", "list", "", 0, 0, NULL, "list the packs that are installed", "列出已安装的数据包",
      "plumbline pack list", cmd_list },
    { "pack", "lint", "FOLDER|NAME…", 1, -1, pack_lint_opts, "check packs and show every problem",
      "检查数据包并列出所有问题",
      "plumbline pack lint packs/lexicon-starter --minimums cn-keyword-minimums", cmd_lint },
    { "pack", "import", "LIST|-", 1, 1, pack_import_opts, "make a pack from a word list",
      "把词表导入为数据包", "plumbline pack import words.txt --as my-words", pack_cmd_import },
    { "pack", "show", "NAME[@VERSION]|FOLDER", 1, 1, NULL,
      "show what a pack is, its sources and its digest", "查看数据包的内容、来源与摘要",
      "plumbline pack show lexicon-starter", cmd_show },
    { 0 },
};
