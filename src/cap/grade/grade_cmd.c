/* plumbline grade: facts in a file, law in packs. */
#include "base/banned.h"

#include "base/file.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "cap/grade/grade_int.h"

#define FACTS_MAX (1u << 20)

int grade_json(pl_cmd_ctx *c, json_t *j, int code)
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

static void run_init(grade_run *x, pl_cmd_ctx *c)
{
    char *instance = pl_path_join(pl_cmd_dir(c), "packs");
    size_t n = 0;

    *x = (grade_run){ .c = c };
    pl_time_format(c->now_ms, x->today);
    x->today[10] = '\0';
    x->folders[0] = instance;
    x->folders[1] = pl_path_join(pl_datadir(), "packs");
    for (const char *ref; n < GRADE_PACKS_MAX && (ref = c->opt_nth(c->host, "pack", n)) != NULL;)
        x->packs[n++] = ref;
    x->r = (pl_grade_request){ .packs = x->packs, .as_of = c->opt(c->host, "as-of"), .today = x->today,
                               .folders = (const char *const *)x->folders };
}

static void run_done(grade_run *x)
{
    free(x->folders[0]);
    free(x->folders[1]);
}

pl_rc grade_facts_load(const char *path, json_t **out, pl_error *err)
{
    char  *text = NULL;
    size_t n = 0;
    pl_rc  rc = pl_file_read(path, FACTS_MAX, &text, &n, err);

    if (rc != PL_OK)
        return rc;
    rc = pl_rules_json((pl_str){ text, n }, path, out, err);
    free(text);
    if (rc == PL_OK && !json_is_object(*out)) {
        json_decref(*out);
        *out = NULL;
        return pl_fail(err, PL_INVALID, "%.120s: facts are one flat JSON object", path);
    }
    return rc;
}

/* --fail-on VALUE: a grade or a member of a set that the caller does not want to see. */
static bool is_hit(const grade_run *x, const json_t *result)
{
    const char *want;
    size_t      i, k;
    json_t     *r, *v, *member;
    const char *key;

    for (size_t n = 0; (want = x->c->opt_nth(x->c->host, "fail-on", n)) != NULL; n++)
        json_array_foreach(json_object_get(result, "results"), i, r)
            json_object_foreach(r, key, v) {
                if (json_is_string(v) && strcmp(json_string_value(v), want) == 0)
                    return true;
                if (strcmp(key, "possible") == 0 || !json_is_array(v))
                    continue;
                json_array_foreach(v, k, member)
                    if (json_is_string(member) && strcmp(json_string_value(member), want) == 0)
                        return true;
            }
    return false;
}

int grade_exit(const grade_run *x, const json_t *result, bool undetermined)
{
    return is_hit(x, result) ? PL_EXIT_FOUND : undetermined ? PL_EXIT_INCONCLUSIVE : PL_EXIT_OK;
}

/* --- what if ------------------------------------------------------------------------------------ */

/* FACT=VALUE into the facts; VALUE as a person writes it. */
static pl_rc change_one(const grade_run *x, const grade_book *g, const char *text, json_t *facts, pl_error *err)
{
    const char *eq = strchr(text, '=');
    pl_str      key = { text, eq != NULL ? (size_t)(eq - text) : 0 };
    int         slot = eq != NULL ? pl_rules_fact_find(g->book, key) : -1;
    const char *near;
    json_t     *v = NULL;
    pl_rc       rc;

    (void)x;
    if (eq == NULL)
        return pl_fail(err, PL_INVALID, "option '--what-if' must be FACT=VALUE, not '%.60s'", text);
    if (slot < 0) {
        near = pl_rules_fact_near(g->book, key);
        return pl_fail(err, PL_INVALID, "unknown fact '%.*s'%s%s%s", (int)(key.n < 60 ? key.n : 60), key.p,
                       near ? ": did you mean '" : "", near ? near : "", near ? "'?" : "");
    }
    rc = pl_rules_fact_parse(g->book, (size_t)slot, pl_str_z(eq + 1), &v, err);
    if (rc == PL_OK)
        (void)json_object_set_new(facts, pl_rules_fact(g->book, (size_t)slot)->key, v);
    return rc;
}

static pl_rc what_if(grade_run *x, json_t **diff, bool *undetermined, json_t **after, pl_error *err)
{
    json_t     *facts = json_copy((json_t *)(uintptr_t)x->r.facts), *before = NULL;
    const json_t *old = x->r.facts;
    const char *text;
    grade_book  g;
    pl_rc       rc = grade_book_open(&x->r, &g, err);

    if (rc != PL_OK) {
        json_decref(facts);
        return rc;
    }
    rc = grade_book_run(&g, &x->r, &before, undetermined, err);
    for (size_t i = 0; rc == PL_OK && (text = x->c->opt_nth(x->c->host, "what-if", i)) != NULL; i++)
        rc = change_one(x, &g, text, facts, err);
    x->r.facts = facts;
    if (rc == PL_OK)
        rc = grade_book_run(&g, &x->r, after, undetermined, err);
    if (rc == PL_OK)
        rc = pl_grade_diff(before, *after, diff, err);
    x->r.facts = old;
    json_decref(before);
    json_decref(facts);
    grade_book_close(&g);
    return rc;
}

static int cmd_what_if(grade_run *x)
{
    json_t  *diff = NULL, *after = NULL;
    bool     open = false;
    pl_error err;
    int      code;

    if (what_if(x, &diff, &open, &after, &err) != PL_OK) {
        json_decref(after);
        return pl_cmd_fail(x->c, &err);
    }
    code = grade_exit(x, after, open);
    if (x->c->json)
        return grade_json(x->c, json_pack("{s:s, s:o, s:o}", "as_of", grade_text(after, "as_of"), "what_if",
                                          diff, "after", after), code);
    grade_print_diff(x->c, diff);
    json_decref(diff);
    json_decref(after);
    return code;
}

/* --- the verb ---------------------------------------------------------------------------------------- */

int grade_usage(grade_run *x, const char *en, const char *zh)
{
    pl_error err;

    (void)pl_fail(&err, PL_INVALID, "%s", pl_cmd_say(x->c, en, zh));
    (void)pl_cmd_fail(x->c, &err);
    return PL_EXIT_USAGE;
}

static pl_rc save(grade_run *x, const json_t *facts, pl_error *err)
{
    const char *path = x->c->opt(x->c->host, "save");
    char       *text;
    pl_rc       rc;

    if (path == NULL)
        return PL_OK;
    text = pl_json_pretty(facts);
    rc = text != NULL ? pl_file_write_atomic(path, pl_str_z(text), 0644, err)
                      : pl_fail(err, PL_NOMEM, "out of memory");
    free(text);
    return rc;
}

static int cmd_plain(grade_run *x, json_t *facts)
{
    json_t  *result = NULL;
    bool     open = false;
    pl_error err;
    int      code;

    if ((x->c->opt(x->c->host, "ask") != NULL && grade_ask(x->c, &x->r, facts, &err) != PL_OK) ||
        save(x, facts, &err) != PL_OK || pl_grade(&x->r, &result, &open, &err) != PL_OK)
        return pl_cmd_fail(x->c, &err);
    if (x->c->opt(x->c->host, "record") != NULL &&
        grade_record(x->c, facts, result, x->c->opt(x->c->host, "subject"), &err) != PL_OK) {
        json_decref(result);
        return pl_cmd_fail(x->c, &err);
    }
    code = grade_exit(x, result, open);
    if (x->c->json)
        return grade_json(x->c, result, code);
    grade_print(x->c, result, x->c->opt(x->c->host, "explain") != NULL);
    json_decref(result);
    return code;
}

static int cmd_facts(grade_run *x)
{
    json_t  *facts = NULL;
    pl_error err;
    int      code;

    if (x->c->opt(x->c->host, "registered") != NULL)
        return x->c->argc == 0 ? grade_cmd_registered(x)
                               : grade_usage(x, "--registered takes its facts from the registry, not from files",
                                             "--registered 的事实取自登记册，不取自文件");
    if (x->c->argc > 1)
        return grade_usage(x, "one file of facts at a time; with --diff several", "一次只评一个事实文件；--diff 可多个");
    if (x->c->opt(x->c->host, "record") != NULL && x->c->opt(x->c->host, "subject") == NULL)
        return grade_usage(x, "--record needs --subject: what was graded", "--record 需要 --subject：评估对象");
    if (x->c->argc == 0 && x->c->opt(x->c->host, "ask") == NULL)
        return grade_usage(x, "a file of facts is wanted, or --ask", "需要事实文件，或使用 --ask");
    if (x->c->argc == 0)
        facts = json_object();
    else if (grade_facts_load(x->c->argv[0], &facts, &err) != PL_OK)
        return pl_cmd_fail(x->c, &err);
    x->r.facts = facts;
    code = x->c->opt_nth(x->c->host, "what-if", 0) != NULL ? cmd_what_if(x) : cmd_plain(x, facts);
    json_decref(facts);
    return code;
}

static int cmd_grade(pl_cmd_ctx *c)
{
    grade_run x;
    int code;

    run_init(&x, c);
    if (c->opt(c->host, "diff") == NULL)
        code = cmd_facts(&x);
    else if (c->argc < 2)
        code = grade_usage(&x, "--diff wants two packs, then files of facts", "--diff 需要两个数据包，其后为事实文件");
    else
        code = grade_cmd_law(&x);
    run_done(&x);
    return code;
}

static const pl_opt options[] = {
    { "pack", "NAME[@VERSION]…", "grade by this pack; again for more (default: those of the fact 'jurisdictions')",
      "按此数据包评估，可重复（默认：事实 jurisdictions 所列法域的数据包）" },
    { "as-of", "DATE", "the law of this day (default: the fact 'as_of', else today)",
      "以该日法律为准（默认：事实 as_of，否则今天）" },
    { "ask", NULL, "ask for what is missing", "逐项询问缺少的事实" },
    { "save", "FILE", "with --ask: write all facts here", "配合 --ask：把全部事实写入此文件" },
    { "explain", NULL, "show every rule that fired, its source and the facts it used",
      "列出触发的每条规则、出处与所用事实" },
    { "what-if", "FACT=VALUE…", "show what would change with other facts; again for more",
      "改动事实后会有何变化，可重复" },
    { "diff", NULL, "operands are two packs and files of facts: what the change of law means for them",
      "操作数为两个数据包与若干事实文件：法律变更对其意味着什么" },
    { "registered", NULL, "the systems of the registry that have facts for grading, instead of files; also with --diff",
      "评估登记册中填有分级事实的全部系统（代替文件），可与 --diff 同用" },
    { "record", NULL, "append a statement per pack to the ledger of the instance", "每个数据包向本实例账本追加一条声明" },
    { "subject", "ID", "with --record: what was graded", "配合 --record：评估对象的标识" },
    { "fail-on", "VALUE…", "exit 1 when a result has this value, e.g. PROHIBITED; again for more",
      "结果含此值时退出码为 1，如 PROHIBITED；可重复" },
    { NULL, NULL, NULL, NULL },
};

const pl_cmd pl_grade_commands[] = {
    { "grade", NULL, "[FACTS.json|-]", 0, -1, options, "grade a system by the law of a day, clause by clause",
      "按某日的法律逐条评定风险等级与义务", "plumbline grade facts.json --pack us-ca-sb53 --explain", cmd_grade },
    { NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL, NULL },
};
