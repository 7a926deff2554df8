#include "base/banned.h"

#include "base/json.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "cap/pack/pack_int.h"

const pl_opt pack_lint_opts[] = {
    { "minimums", "PACK", "also count entries per risk class beside the minimums of a pack",
      "同时按风险类别计数，并与数据包中的最低数量比较" },
    { "as-of", "DATE", "the day to count on (default: today)", "计数日期（默认：今天）" },
    { "fail-on", "WHAT", "unmet minimums that count as a finding: required (default), recommended "
      "(these too), none", "哪些未达到算作问题：required（默认）、recommended（也算）、none" },
    { 0 },
};

static const char *class_title(pl_cmd_ctx *c, const json_t *report, const char *class)
{
    json_t *row;
    size_t  i;

    json_array_foreach(json_object_get(report, "classes"), i, row)
        if (strcmp(pack_text(row, "id"), class) == 0)
            return pack_text(row, pl_cmd_say(c, "en", "zh"));
    return "";
}

static const char *what(pl_cmd_ctx *c, const json_t *report, const json_t *m)
{
    const char *scope = pack_text(m, "scope");

    if (strcmp(scope, "total") == 0)
        return pl_cmd_say(c, "all entries", "词条总数");
    if (strcmp(scope, "coverage") == 0)
        return pl_cmd_say(c, "classes with entries", "有词条的类别数");
    if (strcmp(scope, "age") == 0)
        return pl_cmd_say(c, "days since the last update", "距上次更新的天数");
    return class_title(c, report, pack_text(m, "class"));
}

/* met, or how binding the minimum is that is not. */
static const char *state(pl_cmd_ctx *c, const json_t *m)
{
    if (json_is_true(json_object_get(m, "met")))
        return pl_cmd_say(c, "met", "达到");
    if (strcmp(pack_text(m, "severity"), "required") == 0)
        return pl_cmd_say(c, "NOT MET (required)", "未达到（要求）");
    return pl_cmd_say(c, "not met (recommended)", "未达到（推荐）");
}

static void row_print(pl_cmd_ctx *c, const json_t *report, const json_t *m)
{
    const json_t *have = json_object_get(m, "have");
    const char   *tag = pack_text(m, "tag");
    char          number[32] = "–";

    if (json_is_integer(have))
        (void)snprintf(number, sizeof number, "%lld", (long long)json_integer_value(have));
    (void)fprintf(c->out, "  %-9s %7s %s %-6lld [%s]%s %-22s %s\n", pack_text(m, "id"), number,
                  pack_text(m, "comparator"),
                  (long long)json_integer_value(json_object_get(m, "value")), tag,
                  strcmp(tag, "U") == 0 ? pl_cmd_say(c, " unverified", " 未核验") : "",
                  state(c, m), what(c, report, m));
}

static void report_print(pl_cmd_ctx *c, const json_t *report)
{
    const json_t *left = json_object_get(report, "not_counted");
    json_t       *m;
    size_t        i;

    (void)fprintf(c->out, "%s · %s\n", pack_text(report, "minimums"), pack_text(report, "as_of"));
    json_array_foreach(json_object_get(report, "checks"), i, m)
        row_print(c, report, m);
    (void)fprintf(c->out, pl_cmd_say(c, "not counted: %lld deprecated, %lld out of time, "
                                     "%lld repeated\n",
                                     "未计入：停用 %lld，不在有效期 %lld，重复 %lld\n"),
                  (long long)json_integer_value(json_object_get(left, "deprecated")),
                  (long long)json_integer_value(json_object_get(left, "out_of_time")),
                  (long long)json_integer_value(json_object_get(left, "repeated")));
}

/* 0 none of them matters, 1 required ones do, 2 recommended ones as well; -1 unknown word. */
static int strictness(const char *fail_on)
{
    static const char *const words[] = { "none", "required", "recommended" };

    for (int i = 0; i < 3; i++)
        if (strcmp(fail_on, words[i]) == 0)
            return i;
    return -1;
}

static bool falls_short(const json_t *report, int strict)
{
    json_t *m;
    size_t  i;

    json_array_foreach(json_object_get(report, "checks"), i, m) {
        int weight = strcmp(pack_text(m, "severity"), "required") == 0 ? 1 : 2;

        if (!json_is_true(json_object_get(m, "met")) && weight <= strict)
            return true;
    }
    return false;
}

int pack_cmd_count(pl_cmd_ctx *c, const char *const *packs, const char *const *folders)
{
    const char *day = c->opt(c->host, "as-of"), *fail_on = c->opt(c->host, "fail-on");
    int         strict = strictness(fail_on != NULL ? fail_on : "required"), code;
    char        today[25], *text;
    json_t     *report = NULL;
    pl_error    err = { 0 };
    pl_rc       rc;

    if (strict < 0) {
        (void)fprintf(c->err, "plumbline: pack lint: '--fail-on' takes required, recommended or "
                              "none\n");
        return PL_EXIT_USAGE;
    }
    pl_time_format(c->now_ms, today);
    today[10] = '\0';
    rc = pl_pack_count(packs, c->opt(c->host, "minimums"), folders,
                       pl_str_z(day != NULL ? day : today), &report, &err);
    if (rc != PL_OK)
        return pl_cmd_fail(c, &err);
    code = falls_short(report, strict) ? PL_EXIT_FOUND : PL_EXIT_OK;
    (void)json_object_set_new(report, "ok", json_boolean(code == PL_EXIT_OK));
    if (c->json) {
        text = pl_json_dump(report);
        (void)fprintf(c->out, "%s\n", text != NULL ? text : "");
        free(text);
    } else {
        report_print(c, report);
    }
    json_decref(report);
    return code;
}
