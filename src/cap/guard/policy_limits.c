/* How much a route takes: checked, and written into the POLC section. docs/formats/policy.md */
#include "base/banned.h"

#include "base/str.h"
#include "cap/guard/policy_source.h"

#define BYTES_MAX (1LL << 40)

/* A number, or one with KiB, MiB or GiB behind it. */
static bool bytes_read(const json_t *v, int64_t *out)
{
    static const struct { const char *unit; int shift; } units[] = { { "KiB", 10 }, { "MiB", 20 }, { "GiB", 30 } };
    pl_str   s = json_is_string(v) ? pl_str_z(json_string_value(v)) : (pl_str){ "", 0 };
    uint64_t n = 0;
    int      shift = 0;

    if (json_is_integer(v)) {
        *out = json_integer_value(v);
        return *out >= 1 && *out <= BYTES_MAX;
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (pl_str_ends(s, pl_str_z(units[i].unit))) {
            s.n -= 3;
            shift = units[i].shift;
        }
    if (pl_str_u64(s, &n, NULL) != PL_OK || n < 1 || n > (uint64_t)BYTES_MAX >> shift)
        return false;
    *out = (int64_t)(n << shift);
    return true;
}

static pl_rc limit(compiler *c, const char *where, const json_t *o, const char *part, json_t *out)
{
    static const char *const keys[] = { "bytes", "over", NULL };
    static const char *const request[] = { "refuse", "pass", NULL }, *const of_answer[] = { "block", "pass", NULL };
    const char *const *words = part[0] == 'r' ? request : of_answer;
    const json_t *v = json_object_get(o, part), *over = json_object_get(v, "over");
    char          at[POINTER_MAX], text[64];
    int64_t       bytes = 0;
    pl_rc         rc;

    if (!v)
        return PL_OK;
    snprintf(at, sizeof at, "%.120s/%s", where, part);
    rc = policy_only(c, at, v, keys, "a limit must have 'bytes' and 'over'");
    if (rc != PL_OK)
        return rc;
    if (!bytes_read(json_object_get(v, "bytes"), &bytes))
        return policy_bad(c, at, "'bytes' must be a size like 65536, 64KiB or 2MiB");
    snprintf(text, sizeof text, "'over' must be said: %s or %s", words[0], words[1]);
    if (!over || !policy_one_of(over, words))
        return policy_bad(c, at, text);
    json_object_set_new(out, part, json_pack("{s:I, s:O}", "bytes", (json_int_t)bytes, "over", over));
    return PL_OK;
}

pl_rc policy_limits(compiler *c, const char *route, const json_t *r, const json_t *base, json_t *out)
{
    static const char *const keys[] = { "request", "answer", NULL };
    const json_t *o = json_object_get(r, "limits");
    json_t       *mine = base ? json_copy(json_object_get(base, "limits")) : json_object();
    char          where[POINTER_MAX];
    pl_rc         rc = PL_OK;

    json_object_set_new(out, "limits", mine);
    snprintf(where, sizeof where, "%.120s/limits", route);
    if (o)
        rc = policy_only(c, where, o, keys, "'limits' must be a mapping of request and answer");
    if (rc == PL_OK)
        rc = limit(c, where, o, "request", mine);
    if (rc == PL_OK)
        rc = limit(c, where, o, "answer", mine);
    return rc;
}

/* --- budgets ----------------------------------------------------------------------------------- */

#define COUNT_MAX 1000000000000LL

static bool count_read(const json_t *v, json_int_t *out)
{
    *out = v ? json_integer_value(v) : 0;
    return !v || (json_is_integer(v) && *out >= 1 && *out <= COUNT_MAX);
}

static pl_rc budget(compiler *c, const char *where, const json_t *o, json_t *list)
{
    static const char *const keys[] = { "per", "window", "requests", "tokens", NULL };
    static const char *const pers[] = { "subject", "key", "tenant", "all", NULL };
    int64_t    window_ms = 0;
    json_int_t requests, tokens;
    pl_rc      rc = policy_only(c, where, o, keys, "a budget must be a mapping");

    if (rc != PL_OK)
        return rc;
    if (!policy_one_of(json_object_get(o, "per"), pers))
        return policy_bad(c, where, "'per' must be subject, key, tenant or all");
    if (!policy_duration(json_object_get(o, "window"), &window_ms) || window_ms < 1000 ||
        window_ms > PL_BUDGET_WINDOW_MAX * 1000LL)
        return policy_bad(c, where, "'window' must be a time like 60s, 1h or 1d, at most 31d");
    if (!count_read(json_object_get(o, "requests"), &requests) || !count_read(json_object_get(o, "tokens"), &tokens) ||
        requests + tokens == 0)
        return policy_bad(c, where, "a budget needs 'requests', 'tokens' or both: whole numbers from 1 on");
    json_array_append_new(list, json_pack("{s:O, s:I, s:I, s:I}", "per", json_object_get(o, "per"), "window_s",
                                          (json_int_t)(window_ms / 1000), "requests", requests, "tokens", tokens));
    return PL_OK;
}

pl_rc policy_budgets(compiler *c, const char *route, const json_t *r, const json_t *base, json_t *out)
{
    const json_t *rows = json_object_get(r, "budgets"), *o;
    json_t       *list = json_array();
    char          where[POINTER_MAX];
    size_t        i;
    pl_rc         rc = PL_OK;

    json_object_set_new(out, "budgets", list);
    if (!rows) {
        json_array_extend(list, json_object_get(base, "budgets"));
        return PL_OK;
    }
    snprintf(where, sizeof where, "%.120s/budgets", route);
    if (!json_is_array(rows) || json_array_size(rows) > PL_BUDGETS_MAX)
        return policy_bad(c, where, "'budgets' must be a list of at most 8");
    json_array_foreach ((json_t *)rows, i, o) {
        snprintf(where, sizeof where, "%.120s/budgets/%zu", route, i);
        rc = budget(c, where, o, list);
        if (rc != PL_OK)
            break;
    }
    return rc;
}
