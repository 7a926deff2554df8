/* Results as people read them. */
#include "base/banned.h"

#include "base/str.h"
#include "cap/grade/grade_int.h"

static const char *title_of(const pl_cmd_ctx *c, const json_t *o)
{
    return grade_text(json_object_get(o, "title"), pl_cmd_say(c, "en", "zh"));
}

/* Keys with a line of their own. */
static bool is_apart(const char *key)
{
    static const char *const apart[] = {
        "pack", "title", "axes", "ledger_index", "basis", "obligations", "obligations_undetermined", "undetermined", "possible",
        "possible_by_axis", "missing_facts", "exact", "trace", "evidence", "evaluated", "legal_weight",
        "jurisdiction", "in_force", "digest", NULL,
    };

    for (size_t i = 0; apart[i] != NULL; i++)
        if (strcmp(key, apart[i]) == 0)
            return true;
    return false;
}

static void list_print(pl_cmd_ctx *c, const json_t *list)
{
    size_t  i;
    json_t *v;

    if (json_array_size(list) == 0)
        (void)fputs(pl_cmd_say(c, "none", "无"), c->out);
    json_array_foreach((json_t *)(uintptr_t)list, i, v)
        (void)fprintf(c->out, "%s%s", i > 0 ? ", " : "", json_string_value(v) != NULL ? json_string_value(v) : "");
}

/* Things with an id, by their ids. */
static void ids_print(pl_cmd_ctx *c, const json_t *list)
{
    const json_t *v;
    size_t        i;

    json_array_foreach((json_t *)(uintptr_t)list, i, v)
        (void)fprintf(c->out, "%s%s", i > 0 ? ", " : "", grade_text(v, "id"));
}

static void value_print(pl_cmd_ctx *c, const json_t *v)
{
    char *text;

    if (json_is_null(v))
        (void)fputs(pl_cmd_say(c, "none", "无"), c->out);
    else if (json_is_array(v) && json_object_get(json_array_get(v, 0), "id") != NULL)
        ids_print(c, v);
    else if (json_is_string(v))
        (void)fputs(json_string_value(v), c->out);
    else if (json_is_boolean(v))
        (void)fputs(json_is_true(v) ? pl_cmd_say(c, "yes", "是") : pl_cmd_say(c, "no", "否"), c->out);
    else if (json_is_array(v) && (json_array_size(v) == 0 || json_is_string(json_array_get(v, 0))))
        list_print(c, v);
    else if ((text = json_dumps(v, JSON_ENCODE_ANY | JSON_REAL_PRECISION(12))) != NULL) {
        (void)fputs(text, c->out);
        free(text);
    }
}

static void row(pl_cmd_ctx *c, const char *key, const json_t *v)
{
    (void)fprintf(c->out, "  %s: ", key);
    value_print(c, v);
    (void)fputc('\n', c->out);
}

static const char *status_name(const pl_cmd_ctx *c, const char *status)
{
    if (strcmp(status, "in_force") == 0)
        return pl_cmd_say(c, "in force", "已适用");
    if (strcmp(status, "future") == 0)
        return pl_cmd_say(c, "from", "将自");
    if (strcmp(status, "lapsed") == 0)
        return pl_cmd_say(c, "lapsed", "已失效");
    return pl_cmd_say(c, "date unknown", "日期未定");
}

static void obligations_print(pl_cmd_ctx *c, const json_t *list)
{
    size_t  i;
    json_t *o;

    if (json_array_size(list) > 0)
        (void)fprintf(c->out, "  %s\n", pl_cmd_say(c, "duties:", "义务："));
    json_array_foreach((json_t *)(uintptr_t)list, i, o)
        (void)fprintf(c->out, "    %-36s %s %s  %s%s\n", grade_text(o, "id"),
                      status_name(c, grade_text(o, "status")), grade_text(o, "applies_from"),
                      title_of(c, o),
                      strcmp(grade_text(o, "evidence"), "U") == 0
                          ? pl_cmd_say(c, "  [citation unverified]", "  ［引文未核实］") : "");
}

static void trace_print(pl_cmd_ctx *c, const json_t *trace)
{
    size_t  i;
    json_t *t, *v;
    const char *key;

    (void)fprintf(c->out, "  %s\n", pl_cmd_say(c, "because:", "理由："));
    json_array_foreach((json_t *)(uintptr_t)trace, i, t) {
        (void)fprintf(c->out, "    %s  (", grade_text(t, "rule_id"));
        list_print(c, json_object_get(t, "cite"));
        (void)fprintf(c->out, ") [%s]\n", grade_text(t, "evidence"));
        json_object_foreach(json_object_get(t, "facts"), key, v) {
            (void)fprintf(c->out, "      %s = ", key);
            value_print(c, v);
            (void)fputc('\n', c->out);
        }
        if (*grade_text(t, "note"))
            (void)fprintf(c->out, "      %s\n", grade_text(t, "note"));
    }
}

static void open_print(pl_cmd_ctx *c, const json_t *r)
{
    const char *axis;
    json_t     *v;

    json_object_foreach(json_object_get(r, "possible_by_axis"), axis, v) {
        (void)fprintf(c->out, pl_cmd_say(c, "  %s is not settled; still possible: ", "  %s 尚未确定；仍可能为："), axis);
        list_print(c, v);
        (void)fputc('\n', c->out);
    }
    if (json_array_size(json_object_get(r, "missing_facts")) > 0)
        row(c, pl_cmd_say(c, "it hinges on", "取决于"), json_object_get(r, "missing_facts"));
    if (json_object_get(r, "exact") != NULL && json_is_false(json_object_get(r, "exact")))
        (void)fprintf(c->out, "  %s\n", pl_cmd_say(c, "(too many cases to try all: some of this may not be possible)",
                                                   "（组合过多，未能逐一验证：其中可能有实际不会出现者）"));
}

static void result_print(pl_cmd_ctx *c, const json_t *r, bool explain)
{
    const char *key;
    json_t     *v;

    (void)fprintf(c->out, "%s  %s  (%s)\n", grade_text(r, "pack"), title_of(c, r), grade_text(r, "legal_weight"));
    if (!json_is_true(json_object_get(r, "evaluated"))) {
        const json_t *w = json_object_get(r, "in_force");
        const char   *to = grade_text(w, "to");

        (void)fprintf(c->out, pl_cmd_say(c, "  not evaluated: in force %s – %s\n", "  未评估：有效期 %s – %s\n"),
                      grade_text(w, "from"), *to ? to : "…");
        return;
    }
    json_object_foreach((json_t *)(uintptr_t)r, key, v)
        if (!is_apart(key))
            row(c, key, v);
    if (json_array_size(json_object_get(r, "basis")) > 0)
        row(c, pl_cmd_say(c, "basis", "依据"), json_object_get(r, "basis"));
    open_print(c, r);
    obligations_print(c, json_object_get(r, "obligations"));
    if (explain)
        trace_print(c, json_object_get(r, "trace"));
}

void grade_print(pl_cmd_ctx *c, const json_t *result, bool explain)
{
    const json_t *questions = json_object_get(result, "questions");
    size_t        i;
    json_t       *v;

    (void)fprintf(c->out, pl_cmd_say(c, "the law of %s\n", "以 %s 的法律为准\n"), grade_text(result, "as_of"));
    json_array_foreach(json_object_get(result, "results"), i, v) {
        (void)fputc('\n', c->out);
        result_print(c, v, explain);
    }
    if (json_array_size(questions) == 0)
        return;
    (void)fprintf(c->out, "\n%s\n", pl_cmd_say(c, "these answers would settle it (--ask asks them):",
                                               "回答以下问题即可确定（--ask 逐项询问）："));
    json_array_foreach((json_t *)(uintptr_t)questions, i, v)
        (void)fprintf(c->out, "  %-32s %s\n", grade_text(v, "fact"),
                      grade_text(json_object_get(v, "question"), pl_cmd_say(c, "en", "zh")));
}

void grade_print_diff(pl_cmd_ctx *c, const json_t *diff)
{
    size_t  i, k;
    json_t *p, *v;

    if (json_array_size(diff) == 0)
        (void)fprintf(c->out, "%s\n", pl_cmd_say(c, "nothing changes", "没有变化"));
    json_array_foreach((json_t *)(uintptr_t)diff, i, p) {
        (void)fprintf(c->out, "%s → %s\n", grade_text(p, "was"), grade_text(p, "pack"));
        json_array_foreach(json_object_get(p, "changes"), k, v) {
            (void)fprintf(c->out, "  %s: ", grade_text(v, "key"));
            value_print(c, json_object_get(v, "from"));
            (void)fputs(" → ", c->out);
            value_print(c, json_object_get(v, "to"));
            (void)fputc('\n', c->out);
        }
    }
}
