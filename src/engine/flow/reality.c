#include "base/banned.h"

#include "base/str.h"
#include "engine/flow/form.h"
#include "engine/flow/reality.h"

static const pl_observable observables[] = {
    { "gateway.models", true, "网关放行的请求所指定的模型", "models that requests which the gateway let pass asked for" },
    { "gateway.surfaces", true, "网关所见的接口", "interfaces that were used through the gateway" },
    { "gateway.services", true, "网关所服务的服务", "services behind the gateway" },
    { "gateway.labels", true, "模型回答的标识方式（text 文本、header 响应头、none 无）",
      "how answers of a model were labelled: text, header, none" },
    { "policy.keywords", false, "生效策略中的关键词数", "keywords of the policy in force" },
    { "evaluation.refuse_bank", false, "拒答测试题库题数", "questions of the bank that must be refused" },
    { "evaluation.answer_bank", false, "非拒答测试题库题数", "questions of the bank that must not be refused" },
    { "evaluation.generation_bank", false, "生成内容测试题库题数", "questions of the generation bank" },
};
static const char *const relations[] = { "within", "without", "at_least", "at_most", "equal", NULL };

const pl_observable *pl_observable_each(size_t i)
{
    return i < sizeof observables / sizeof *observables ? &observables[i] : NULL;
}

const pl_observable *pl_observable_find(pl_str id)
{
    for (size_t i = 0; i < sizeof observables / sizeof *observables; i++)
        if (pl_str_eqz(id, observables[i].id))
            return &observables[i];
    return NULL;
}

/* --- reading ---------------------------------------------------------------------------------- */

static pl_rc texts_check(const json_t *list, const char *key, pl_error *err)
{
    const json_t *one;
    size_t        i;

    if (!json_is_array(list) || json_array_size(list) == 0 || json_array_size(list) > 16)
        return pl_fail(err, PL_INVALID, "'%s' must be a list of 1 to 16 texts", key);
    json_array_foreach((json_t *)(uintptr_t)list, i, one)
        if (!json_is_string(one) || json_string_length(one) == 0)
            return pl_fail(err, PL_INVALID, "'%s' holds something that is no text", key);
    return PL_OK;
}

static pl_rc relation_read(const json_t *o, pl_flow_reality *out, pl_error *err)
{
    pl_str is = PL_STR("");
    size_t k = 0;
    pl_rc  rc = pl_json_get_str(o, "is", true, &is, err);

    if (rc != PL_OK)
        return rc;
    while (relations[k] && !pl_str_eqz(is, relations[k]))
        k++;
    if (!relations[k])
        return pl_fail(err, PL_INVALID, "'is' must be within, without, at_least, at_most or equal");
    out->is = (pl_reality_is)k;
    if (out->seen->is_list != (out->is <= PL_REALITY_WITHOUT))
        return pl_fail(err, PL_INVALID, "'%s' is a %s: '%s' cannot be asked of it", out->seen->id,
                       out->seen->is_list ? "list" : "number", relations[k]);
    return PL_OK;
}

pl_rc pl_reality_read(const json_t *o, pl_flow_reality *out, pl_error *err)
{
    static const char *const keys[] = { "id", "zh", "en", "observed", "filed", "is", "values", NULL };
    pl_str                   seen = PL_STR("");
    pl_rc                    rc = pl_json_only(o, keys, err);

    *out = (pl_flow_reality){ .filed = json_object_get(o, "filed"), .values = json_object_get(o, "values") };
    if (rc == PL_OK)
        rc = pl_json_get_str(o, "id", true, &out->id, err);
    if (rc == PL_OK)
        rc = pl_json_get_str(o, "zh", true, &out->zh, err);
    if (rc == PL_OK)
        rc = pl_json_get_str(o, "en", true, &out->en, err);
    if (rc == PL_OK)
        rc = pl_json_get_str(o, "observed", true, &seen, err);
    if (rc == PL_OK && (out->seen = pl_observable_find(seen)) == NULL)
        rc = pl_fail(err, PL_INVALID, "nothing is observed under the name '%.*s'",
                     (int)(seen.n < 48 ? seen.n : 48), seen.p);
    if (rc == PL_OK)
        rc = relation_read(o, out, err);
    if (rc == PL_OK && (out->is == PL_REALITY_WITHOUT) != (out->filed == NULL))
        rc = pl_fail(err, PL_INVALID, "'filed' belongs to all but 'without', which has 'values'");
    if (rc == PL_OK && (out->is == PL_REALITY_WITHOUT) != (out->values != NULL))
        rc = pl_fail(err, PL_INVALID, "'values' belong to 'without', and to it alone");
    return rc == PL_OK ? texts_check(out->filed ? out->filed : out->values, out->filed ? "filed" : "values", err) : rc;
}

/* --- judging ----------------------------------------------------------------------------------- */

typedef struct verdict {
    const char *state;
    json_t     *filed, *others;
    const char *zh, *en;
} verdict;

static verdict undetermined(verdict v, const char *zh, const char *en)
{
    v.state = "undetermined";
    v.zh = zh;
    v.en = en;
    return v;
}

/* Texts of a field: a text is one a line, a list as it is. */
static void texts_put(const json_t *v, json_t *out)
{
    const json_t *one;
    size_t        i;
    pl_str        rest, line;

    json_array_foreach((json_t *)(uintptr_t)v, i, one)
        texts_put(one, out);
    if (!json_is_string(v))
        return;
    rest = (pl_str){ json_string_value(v), json_string_length(v) };
    while (pl_str_split(&rest, '\n', &line))
        if ((line = pl_str_trim(line)).n > 0)
            (void)json_array_append_new(out, json_stringn(line.p, line.n));
}

static json_t *filed_texts(const pl_flow_reality *r, const json_t *values)
{
    json_t       *out = json_array();
    const json_t *path;
    size_t        i;

    json_array_foreach((json_t *)(uintptr_t)r->filed, i, path)
        texts_put(pl_path_get(values, pl_str_z(json_string_value(path))), out);
    return out;
}

static bool has(const json_t *list, const json_t *text)
{
    const json_t *one;
    size_t        i;

    json_array_foreach((json_t *)(uintptr_t)list, i, one)
        if (json_equal((json_t *)(uintptr_t)one, (json_t *)(uintptr_t)text))
            return true;
    return false;
}

/* Members of seen that are (or are not) in the list. */
static json_t *pick(const json_t *seen, const json_t *list, bool is_in)
{
    json_t       *out = json_array();
    const json_t *one;
    size_t        i;

    json_array_foreach((json_t *)(uintptr_t)seen, i, one)
        if (has(list, one) == is_in)
            (void)json_array_append(out, (json_t *)(uintptr_t)one);
    return out;
}

static verdict list_judge(const pl_flow_reality *r, const json_t *values, const json_t *seen)
{
    bool    within = r->is == PL_REALITY_WITHIN;
    verdict v = { .filed = within ? filed_texts(r, values) : NULL };

    if (within && json_array_size(v.filed) == 0)
        return undetermined(v, "备案中没有填写", "the filing does not say");
    if (json_array_size(seen) == 0)
        return undetermined(v, "此期间内没有观测到任何内容", "nothing was seen in this time");
    v.others = pick(seen, within ? v.filed : r->values, !within);
    if (json_array_size(v.others) == 0) {
        v.state = "match";
        v.zh = within ? "所见均在备案范围之内" : "没有出现不应出现的内容";
        v.en = within ? "everything seen was filed" : "nothing was seen that must not be";
    } else {
        v.state = "drift";
        v.zh = within ? "出现了未备案的内容" : "出现了不应出现的内容";
        v.en = within ? "something was seen that was not filed" : "something was seen that must not be";
    }
    return v;
}

static bool agrees(pl_reality_is is, double seen, double filed)
{
    return is == PL_REALITY_AT_LEAST ? seen >= filed : is == PL_REALITY_AT_MOST ? seen <= filed : !(seen < filed || seen > filed);
}

/* Of several fields the first that is filled in. */
static verdict number_judge(const pl_flow_reality *r, const json_t *values, const json_t *seen)
{
    static const struct {
        const char *zh, *en;
    } apart[] = { [PL_REALITY_AT_LEAST] = { "实际少于备案", "there is less than was filed" },
                  [PL_REALITY_AT_MOST] = { "实际多于备案", "there is more than was filed" },
                  [PL_REALITY_EQUAL] = { "实际与备案不同", "it is not what was filed" } };
    const json_t *path, *filed = NULL;
    size_t        i;
    verdict       v = { .state = "match", .zh = "与备案一致", .en = "as it was filed" };

    json_array_foreach((json_t *)(uintptr_t)r->filed, i, path)
        if (!json_is_number(filed))
            filed = pl_path_get(values, pl_str_z(json_string_value(path)));
    if (!json_is_number(filed))
        return undetermined(v, "备案中没有填写", "the filing does not say");
    v.filed = json_incref((json_t *)(uintptr_t)filed);
    if (!json_is_number(seen))
        return undetermined(v, "此项没有观测到数值", "no number was observed");
    if (!agrees(r->is, json_number_value(seen), json_number_value(filed))) {
        v.state = "drift";
        v.zh = apart[r->is].zh;
        v.en = apart[r->is].en;
    }
    return v;
}

json_t *pl_reality_judge(const pl_flow_reality *r, const json_t *values, const json_t *observed)
{
    const json_t *seen = json_object_get(observed, r->seen->id);
    verdict       v = { 0 };

    if (seen == NULL || json_is_null(seen))
        v = undetermined(v, "本系统中没有功能观测此项", "nothing in this installation observes it");
    else
        v = r->seen->is_list ? list_judge(r, values, seen) : number_judge(r, values, seen);
    return json_pack("{s:s%, s:s%, s:s%, s:s, s:s, s:s, s:o?, s:O?, s:{s:s, s:s}, s:o*}", "id", r->id.p, r->id.n, "zh",
                     r->zh.p, r->zh.n, "en", r->en.p, r->en.n, "observed", r->seen->id, "is", relations[r->is], "state",
                     v.state, "filed", v.filed, "seen", seen, "reason", "zh", v.zh, "en", v.en, "others", v.others);
}
