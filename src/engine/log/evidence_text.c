/* A report as people read it. The sentences are in the report; here they find their places. */
#include "base/banned.h"

#include "base/json.h"
#include "base/str.h"
#include "engine/log/evidence_int.h"

#define TEXT_MAX     (64u << 20)
#define ENTRIES_SHOWN 50

typedef struct page {
    pl_buf        b;
    const json_t *report;
    bool          zh, color;
} page;

static const char *say(const page *p, const char *en, const char *zh)
{
    return p->zh ? zh : en;
}

static const char *text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));

    return s ? s : "";
}

/* What a package says reaches a terminal: without control characters. */
static void put_clean(page *p, const char *s)
{
    for (; *s != '\0'; s++)
        pl_buf_putc(&p->b, (unsigned char)*s < 0x20 || *s == 0x7f ? '?' : *s);
}

static void color(page *p, const char *code)
{
    if (p->color)
        pl_buf_puts(&p->b, code);
}

static void mark(page *p, const char *state)
{
    if (state[0] == 'o') {
        color(p, "\033[32m");
        pl_buf_puts(&p->b, say(p, "yes  ", "是    "));
    } else if (state[0] == 'b') {
        color(p, "\033[1;31m");
        pl_buf_puts(&p->b, say(p, "NO   ", "否    "));
    } else {
        color(p, "\033[33m");
        pl_buf_puts(&p->b, say(p, "?    ", "未定  "));
    }
    color(p, "\033[0m");
}

static void question(page *p, const char *name, const char *title)
{
    const json_t *s;
    size_t        i;
    bool          any = false;

    json_array_foreach(json_object_get(p->report, "steps"), i, s) {
        if (strcmp(text_of(s, "question"), name) != 0)
            continue;
        if (!any)
            pl_buf_printf(&p->b, "\n%s\n", title);
        any = true;
        pl_buf_puts(&p->b, "  ");
        mark(p, text_of(s, "state"));
        put_clean(p, text_of(s, p->zh ? "zh" : "en"));
        pl_buf_putc(&p->b, '\n');
    }
}

static void head(page *p)
{
    const json_t *purpose = json_object_get(p->report, "purpose");

    pl_buf_puts(&p->b, say(p, "Evidence package", "证据包"));
    if (text_of(purpose, "to")[0] != '\0') {
        pl_buf_puts(&p->b, say(p, " for ", "，提供给："));
        put_clean(p, text_of(purpose, "to"));
    }
    if (text_of(purpose, "reason")[0] != '\0') {
        pl_buf_puts(&p->b, say(p, ", because: ", "，事由："));
        put_clean(p, text_of(purpose, "reason"));
    }
    pl_buf_puts(&p->b, say(p, " (says the package)\n", "（据证据包自述）\n"));
}

static void problems(page *p)
{
    const json_t *list = json_object_get(p->report, "problems"), *v;
    size_t        i;

    if (json_array_size(list) > 0)
        pl_buf_printf(&p->b, "\n%s\n", say(p, "Problems", "问题"));
    json_array_foreach(list, i, v) {
        pl_buf_puts(&p->b, "  ");
        put_clean(p, json_string_value(v));
        pl_buf_putc(&p->b, '\n');
    }
}

static void entries(page *p)
{
    const json_t *list = json_object_get(p->report, "entries"), *e;
    size_t        i;

    pl_buf_printf(&p->b, "\n%s\n", say(p, "Statements", "声明"));
    json_array_foreach(list, i, e) {
        const char *type = text_of(e, "type"), *time = text_of(e, "claimed_time");

        if (i == ENTRIES_SHOWN) {
            pl_buf_printf(&p->b, p->zh ? "  另有 %zu 条（--json 列出全部）\n"
                                       : "  and %zu more (--json lists all)\n",
                          json_array_size(list) - i);
            break;
        }
        pl_buf_printf(&p->b, "  %8lld  ", (long long)json_integer_value(json_object_get(e, "index")));
        mark(p, json_is_true(json_object_get(e, "holds")) ? "ok" : "bad");
        put_clean(p, type);
        pl_buf_puts(&p->b, "  ");
        put_clean(p, text_of(e, "subject"));
        if (time[0] != '\0')
            pl_buf_printf(&p->b, p->zh ? "  自称时间 %s" : "  claims %s", time);
        pl_buf_putc(&p->b, '\n');
    }
}

static void limits(page *p)
{
    const json_t *v;
    size_t        i;

    pl_buf_printf(&p->b, "\n%s\n", say(p, "What this does not show", "本核验不能证明"));
    json_array_foreach(json_object_get(p->report, "not_proven"), i, v)
        pl_buf_printf(&p->b, "  - %s\n", text_of(v, p->zh ? "zh" : "en"));
}

static void verdict(page *p)
{
    bool ok = json_is_true(json_object_get(p->report, "ok"));

    color(p, ok ? "\033[32m" : "\033[1;31m");
    pl_buf_printf(&p->b, "\n%s\n",
                  ok ? say(p, "The package holds, within what is said above.",
                           "证据包成立（以上述说明为限）。")
                     : say(p, "The package does NOT hold.", "证据包不成立。"));
    color(p, "\033[0m");
}

pl_rc pl_evidence_explain(pl_str report, unsigned flags, char **text, pl_error *err)
{
    page    p = { .b = PL_BUF_INIT(TEXT_MAX), .zh = flags & PL_EVIDENCE_ZH,
                  .color = flags & PL_EVIDENCE_COLOR };
    json_t *j = NULL;
    pl_rc   rc = pl_json_parse(report, "report", &j, err);

    if (rc != PL_OK)
        return rc;
    p.report = j;
    head(&p);
    question(&p, "intact", say(&p, "Is it intact?", "是否完整？"));
    question(&p, "signed", say(&p, "Who signed it?", "由谁签名？"));
    question(&p, "witnessed", say(&p, "Who has seen this log?", "谁见过该账本？"));
    question(&p, "time", say(&p, "When was it there, at the latest?", "最迟何时已存在？"));
    problems(&p);
    entries(&p);
    limits(&p);
    verdict(&p);
    json_decref(j);
    rc = pl_buf_check(&p.b, err);
    if (rc == PL_OK)
        *text = p.b.p;
    else
        pl_buf_done(&p.b);
    return rc;
}
