/* `plumbline review …`: what people look at, on the command line. */
#include "base/banned.h"

#include "base/str.h"
#include "cap/guard/guard_cmd.h"
#include "cap/guard/guard_review.h"

static const char *text_of(const json_t *j, const char *key)
{
    const char *s = json_string_value(json_object_get(j, key));

    return s ? s : "-";
}

static void print_row(pl_cmd_ctx *c, const json_t *j)
{
    fprintf(c->out, pl_cmd_say(c, "%s  %s  %-9s  %-8s  %-12s  %lld decided, content until %s\n",
                               "%s  %s  %-9s  %-8s  %-12s  已判 %lld 次，内容保存至 %s\n"),
            text_of(j, "id"), text_of(j, "time"), text_of(j, "why"), text_of(j, "state"), text_of(j, "outcome"),
            (long long)json_integer_value(json_object_get(j, "decided")), text_of(j, "expires"));
}

static void print_list(pl_cmd_ctx *c, const json_t *j)
{
    json_t *one;
    size_t  i;

    json_array_foreach (json_object_get(j, "reviews"), i, one)
        print_row(c, one);
    if (i == 0)
        fprintf(c->out, "%s\n", pl_cmd_say(c, "nothing to review", "没有待审内容"));
}

/* Terminal escapes of foreign text are shown, not obeyed. */
static void print_text(pl_cmd_ctx *c, const json_t *part, const char *title)
{
    const char *text = text_of(part, "text");

    fprintf(c->out, pl_cmd_say(c, "%s (%lld of %lld bytes):\n", "%s（保存 %lld／%lld 字节）：\n"), title,
            (long long)json_integer_value(json_object_get(part, "kept")),
            (long long)json_integer_value(json_object_get(part, "bytes")));
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 && *text != '\n' && *text != '\t')
            fprintf(c->out, "\\x%02x", (unsigned)(unsigned char)*text);
        else
            fputc(*text, c->out);
    fputc('\n', c->out);
}

static void print_case(pl_cmd_ctx *c, const json_t *j)
{
    const json_t *content = json_object_get(j, "content");
    json_t       *one;
    size_t        i;

    print_row(c, j);
    if (json_is_object(content)) {
        print_text(c, json_object_get(content, "request"), pl_cmd_say(c, "request", "请求"));
        json_array_foreach (json_object_get(content, "answers"), i, one)
            print_text(c, one, pl_cmd_say(c, "answer", "回答"));
    } else {
        fprintf(c->out, pl_cmd_say(c, "content: %s\n", "内容：%s\n"), text_of(j, "content_state"));
    }
    json_array_foreach (json_object_get(j, "decisions"), i, one)
        fprintf(c->out, "%lld  %s  %s  %s  %s  %s\n", (long long)json_integer_value(json_object_get(one, "seat")),
                text_of(one, "time"), text_of(one, "by"), text_of(one, "verdict"), text_of(one, "category"),
                text_of(one, "note"));
}

static double real_of(const json_t *o, const char *key)
{
    return json_number_value(json_object_get(o, key));
}

static void print_stats(pl_cmd_ctx *c, const json_t *j)
{
    const json_t *a = json_object_get(j, "agreement");
    const char   *key;
    json_t       *n;

    json_object_foreach (json_object_get(j, "cases"), key, n)
        fprintf(c->out, "%-12s %lld\n", key, (long long)json_integer_value(n));
    if (json_integer_value(json_object_get(a, "pairs")) == 0) {
        fprintf(c->out, "%s\n", pl_cmd_say(c, "no case that two people decided", "尚无两人均已判定的案例"));
        return;
    }
    fprintf(c->out, pl_cmd_say(c, "agreement: %lld of %lld, %.1f %% (95 %%: %.1f to %.1f)\n",
                               "一致率：%lld／%lld，%.1f %%（95 %%：%.1f 至 %.1f）\n"),
            (long long)json_integer_value(json_object_get(a, "agreed")),
            (long long)json_integer_value(json_object_get(a, "pairs")), 100 * real_of(a, "rate"),
            100 * real_of(a, "low"), 100 * real_of(a, "high"));
    if (json_is_real(json_object_get(a, "kappa")))
        fprintf(c->out, "kappa: %.3f (%.3f … %.3f)\n", real_of(a, "kappa"), real_of(a, "kappa_low"),
                real_of(a, "kappa_high"));
}

int review_cmd_list(pl_cmd_ctx *c)
{
    const char *state = c->opt(c->host, "state");
    char        path[128];

    snprintf(path, sizeof path, "/api/v1/reviews?state=%.20s", state ? state : "waiting");
    return guard_cmd_call(c, "GET", path, NULL, print_list);
}

int review_cmd_show(pl_cmd_ctx *c)
{
    char path[128];

    snprintf(path, sizeof path, "/api/v1/reviews/%.64s", c->argv[0]);
    return guard_cmd_call(c, "GET", path, NULL, print_case);
}

int review_cmd_stats(pl_cmd_ctx *c)
{
    return guard_cmd_call(c, "GET", "/api/v1/reviews/stats", NULL, print_stats);
}

int review_cmd_decide(pl_cmd_ctx *c)
{
    const char *verdict = c->opt(c->host, "verdict"), *category = c->opt(c->host, "category");
    const char *note = c->opt(c->host, "note");
    char        path[128];

    if (!verdict) {
        fprintf(c->err, "plumbline: %s\n", pl_cmd_say(c, "'--verdict violation|acceptable|unclear' is missing",
                                                      "缺少 '--verdict violation|acceptable|unclear'"));
        return PL_EXIT_USAGE;
    }
    snprintf(path, sizeof path, "/api/v1/reviews/%.64s/decisions", c->argv[0]);
    return guard_cmd_call(c, "POST", path, json_pack("{s:s, s:s, s:s}", "verdict", verdict, "category",
                          category ? category : "", "note", note ? note : ""), print_case);
}
