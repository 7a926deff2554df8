/* `plumbline subject …`, `plumbline signal …`: people, on the command line. */
#include "base/banned.h"

#include "base/str.h"
#include "cap/guard/guard_cmd.h"
#include "cap/guard/guard_people.h"

static const char *text_of(const json_t *j, const char *key)
{
    const char *s = json_string_value(json_object_get(j, key));

    return s ? s : "-";
}

static void print_subject(pl_cmd_ctx *c, const json_t *j)
{
    fprintf(c->out, pl_cmd_say(c, "%s: %s, until %s, %lld violations, last seen %s%s%s\n",
                               "%s：%s，至 %s，违规 %lld 次，最近使用 %s%s%s\n"),
            text_of(j, "subject"), text_of(j, "sanction"), text_of(j, "until"),
            (long long)json_integer_value(json_object_get(j, "strikes")), text_of(j, "last"),
            json_is_true(json_object_get(j, "session_stopped")) ? pl_cmd_say(c, ", session stopped", "，会话已终止") : "",
            json_is_true(json_object_get(j, "dependent")) ? pl_cmd_say(c, ", signs of dependence", "，有依赖迹象") : "");
}

static void print_subjects(pl_cmd_ctx *c, const json_t *j)
{
    json_t *one;
    size_t  i;

    json_array_foreach (json_object_get(j, "subjects"), i, one)
        print_subject(c, one);
    if (i == 0)
        fprintf(c->out, "%s\n", pl_cmd_say(c, "nobody is held", "没有受限的用户"));
}

static void print_signals(pl_cmd_ctx *c, const json_t *j)
{
    json_t *one;
    size_t  i;

    json_array_foreach (json_object_get(j, "signals"), i, one)
        fprintf(c->out, "%s  %s  %-10s  %s  %s%s\n", text_of(one, "id"), text_of(one, "time"), text_of(one, "kind"),
                text_of(one, "subject"), text_of(one, "detail"),
                json_is_null(json_object_get(one, "closed")) ? "" : pl_cmd_say(c, " (closed)", "（已处理）"));
    if (i == 0)
        fprintf(c->out, "%s\n", pl_cmd_say(c, "no signals", "没有信号"));
}

static void print_closed(pl_cmd_ctx *c, const json_t *j)
{
    fprintf(c->out, pl_cmd_say(c, "%s is closed\n", "%s 已处理\n"), text_of(j, "id"));
}

/* A subject by its 32 hex digits, or `-` for a value on standard input, which is hashed. */
static pl_rc subject_path(pl_cmd_ctx *c, const char *act, char path[128], pl_error *err)
{
    char    line[1024], *answer = NULL, *text;
    json_t *body, *j = NULL;
    pl_rc   rc;

    if (strcmp(c->argv[0], "-") != 0) {
        snprintf(path, 128, "/api/v1/guard/subjects/%.64s%s", c->argv[0], act);
        return PL_OK;
    }
    if (!fgets(line, sizeof line, stdin))
        return pl_fail(err, PL_INVALID, "no value on standard input");
    line[strcspn(line, "\r\n")] = '\0';
    body = json_pack("{s:s}", "value", line);
    text = body ? pl_json_dump(body) : NULL;
    json_decref(body);
    rc = text ? pl_cmd_call(c, "POST", "/api/v1/guard/subjects/find", pl_str_z(text), &answer, err)
              : pl_fail(err, PL_INVALID, "the value is not UTF-8");
    if (rc == PL_OK)
        rc = pl_json_parse(pl_str_z(answer), "answer of plumblined", &j, err);
    if (rc == PL_OK)
        snprintf(path, 128, "/api/v1/guard/subjects/%.64s%s", text_of(j, "subject"), act);
    json_decref(j);
    free(answer);
    free(text);
    return rc;
}

static int act(pl_cmd_ctx *c, const char *what)
{
    const char *reason = c->opt(c->host, "reason");
    char        path[128];
    pl_error    err;

    if (!reason) {
        fprintf(c->err, "plumbline: %s\n", pl_cmd_say(c, "'--reason TEXT' is missing: it becomes part of the "
                "evidence", "缺少 '--reason 原因'：原因将成为证据的一部分"));
        return PL_EXIT_USAGE;
    }
    if (subject_path(c, what, path, &err) != PL_OK)
        return pl_cmd_fail(c, &err);
    return guard_cmd_call(c, "POST", path, json_pack("{s:s}", "reason", reason), print_subject);
}

int people_cmd_subject_show(pl_cmd_ctx *c)
{
    char     path[128];
    pl_error err;

    if (subject_path(c, "", path, &err) != PL_OK)
        return pl_cmd_fail(c, &err);
    return guard_cmd_call(c, "GET", path, NULL, print_subject);
}

int people_cmd_subject_list(pl_cmd_ctx *c)
{
    return guard_cmd_call(c, "GET", "/api/v1/guard/subjects", NULL, print_subjects);
}

int people_cmd_subject_lift(pl_cmd_ctx *c)
{
    return act(c, "/lift");
}

int people_cmd_subject_appeal(pl_cmd_ctx *c)
{
    return act(c, "/appeal");
}

int people_cmd_signals(pl_cmd_ctx *c)
{
    return guard_cmd_call(c, "GET", "/api/v1/guard/signals?open=1", NULL, print_signals);
}

int people_cmd_signal_close(pl_cmd_ctx *c)
{
    const char *note = c->opt(c->host, "note");
    char        path[128];

    snprintf(path, sizeof path, "/api/v1/guard/signals/%.64s/close", c->argv[0]);
    return guard_cmd_call(c, "POST", path, json_pack("{s:s}", "reason", note ? note : ""), print_closed);
}
