/* Pages for everybody: the register with its search, and the notice of one filing. They work in any browser,
 * without script. */
#include "base/banned.h"

#include "base/str.h"
#include "base/timefmt.h"
#include "cap/disclosure/disclosure_int.h"
#include "cap/registry/pl_registry.h"

#include <ctype.h>

#define PAGE_ROWS 50

static bool is_zh(const char *lang)
{
    return lang[0] == 'z';
}

/* --- the notice of one filing -------------------------------------------------------------------- */

static void entry_add(json_t *fields, const char *label, json_t *value, const json_t *source)
{
    if (json_is_null(value) || json_string_length(value) == 0) {
        json_decref(value);
        return;
    }
    (void)json_array_append_new(fields, json_pack("{s:s, s:o, s:O}", "label", label, "value", value, "source", source));
}

static json_t *basics(const json_t *p, const char *lang, const json_t *source)
{
    const json_t *line = json_object_get(p, "line");
    json_t       *fields = json_array();
    const char   *key = is_zh(lang) ? "zh" : "en";

    entry_add(fields, is_zh(lang) ? "编号" : "Number", json_string(disclosure_at(line, "number")), source);
    entry_add(fields, is_zh(lang) ? "状态" : "State", json_string(disclosure_at(json_object_get(p, "state"), key)), source);
    entry_add(fields, is_zh(lang) ? "主体" : "Organisation", json_string(disclosure_at(line, "organisation")), source);
    entry_add(fields, is_zh(lang) ? "公布时间" : "Published", json_stringn(disclosure_at(line, "published"),
              strlen(disclosure_at(line, "published")) < 10 ? 0 : 10), source);
    return json_pack("{s:s, s:n, s:o, s:n}", "title", is_zh(lang) ? "基本信息" : "The filing", "text", "fields", fields,
                     "table");
}

static json_t *form_section(pl_db *db, pl_arena *a, const json_t *form, const json_t *values, const char *lang,
                            const json_t *source)
{
    const char   *key = is_zh(lang) ? "zh" : "en";
    json_t       *fields = json_array();
    const json_t *f;
    size_t        i;

    json_array_foreach(json_object_get(form, "fields"), i, f) {
        const json_t *v = json_object_get(values, disclosure_at(f, "key"));

        if (v != NULL)
            entry_add(fields, disclosure_at(f, key), disclosure_value(db, a, lang, f, v), source);
    }
    return json_pack("{s:s, s:n, s:o, s:n}", "title", disclosure_at(json_object_get(form, "title"), key), "text", "fields",
                     fields, "table");
}

static json_t *sections_of(pl_db *db, pl_arena *a, const json_t *p, const char *lang, const json_t *source)
{
    json_t       *sections = json_array();
    const json_t *form;
    size_t        i;

    (void)json_array_append_new(sections, basics(p, lang, source));
    json_array_foreach(json_object_get(p, "forms"), i, form) {
        json_t *s = form_section(db, a, form, json_object_get(json_object_get(p, "values"), disclosure_at(form, "id")),
                                 lang, source);

        if (json_array_size(json_object_get(s, "fields")) > 0)
            (void)json_array_append(sections, s);
        json_decref(s);
    }
    return sections;
}

pl_rc disclosure_notice(pl_db *db, pl_arena *a, pl_str filing, const char *lang, int64_t now_ms, json_t **out,
                        pl_error *err)
{
    json_t     *p = NULL, *source;
    const char *key = is_zh(lang) ? "zh" : "en", *title;
    char        time[25];
    pl_rc       rc = pl_registry_published(db, a, filing, &p, err);

    if (rc != PL_OK)
        return rc;
    pl_time_format(now_ms, time);
    title = disclosure_at(json_object_get(p, "line"), "title");
    source = json_pack("{s:s, s:i, s:O}", "title", title, "version", 0, "ledger_index",
                       json_object_get(p, "ledger_index"));
    *out = json_pack("{s:s, s:O, s:s, s:s, s:s, s:i, s:s, s:o, s:{s:s%, s:s, s:s, s:i, s:O}}", "template", "notice", "pack",
                     json_object_get(p, "pack"), "title", disclosure_at(json_object_get(p, "workflow"), key), "lang",
                     is_zh(lang) ? "zh-CN" : "en", "time", time, "missing", 0, "notice",
                     is_zh(lang) ? "登记或备案不代表对产品、服务或内容的认可。"
                                 : "Registration or filing is no endorsement of a product, service or content.",
                     "sections", sections_of(db, a, p, lang, source), "subject", "id", filing.p, filing.n, "kind",
                     "filing", "title", title, "version", 0, "ledger_index", json_object_get(p, "ledger_index"));
    json_decref(source);
    json_decref(p);
    return *out ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");
}

static const char *lang_of(pl_api_request *q)
{
    const char *lang = q->query(q->host, "lang");

    return lang != NULL && (strcmp(lang, "en") == 0 || strcmp(lang, "zh-CN") == 0) ? lang : q->lang;
}

pl_rc disclosure_notice_get(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    json_t *doc = NULL;
    pl_rc   rc = disclosure_notice(q->db, q->arena, q->param[0], lang_of(q), q->now_ms, &doc, err);

    if (rc == PL_OK)
        rc = disclosure_html(doc, &r->raw, err);
    r->content_type = "text/html; charset=utf-8";
    json_decref(doc);
    return rc;
}

/* --- the register ---------------------------------------------------------------------------------- */

static const char *say(const char *lang, const char *en, const char *zh)
{
    return is_zh(lang) ? zh : en;
}

static void input(pl_buf *out, const char *name, const char *label, const char *value)
{
    pl_buf_printf(out, "<p><label for=\"%s\">", name);
    disclosure_html_escape(out, label);
    pl_buf_printf(out, "</label><br><input id=\"%s\" name=\"%s\" value=\"", name, name);
    disclosure_html_escape(out, value);
    pl_buf_puts(out, "\"></p>\n");
}

static const char *query_text(pl_api_request *q, const char *name)
{
    const char *v = q->query(q->host, name);

    return v ? v : "";
}

static void form(pl_api_request *q, const char *lang, pl_buf *out)
{
    pl_buf_printf(out, "<form action=\"/api/v1/public/register.html\" method=\"get\" role=\"search\">\n"
                       "<input type=\"hidden\" name=\"lang\" value=\"%s\">\n", lang);
    input(out, "q", say(lang, "Words (one character is enough)", "检索词（单字亦可）"), query_text(q, "q"));
    input(out, "region", say(lang, "Region", "属地"), query_text(q, "region"));
    input(out, "month", say(lang, "Month of publication (YYYY-MM)", "公布月份（YYYY-MM）"), query_text(q, "month"));
    pl_buf_printf(out, "<p><button type=\"submit\">%s</button></p>\n</form>\n", say(lang, "Search", "检索"));
}

static void rows(const json_t *answer, const char *lang, pl_buf *out)
{
    static const char *const keys[] = { "organisation", "number", "region", "month" };
    const json_t            *one;
    size_t                   i;

    pl_buf_printf(out, "<table>\n<caption>%s%lld %s</caption>\n<thead><tr><th scope=\"col\">%s</th><th scope=\"col\">%s</th>"
                       "<th scope=\"col\">%s</th><th scope=\"col\">%s</th><th scope=\"col\">%s</th></tr></thead>\n<tbody>\n",
                  json_is_true(json_object_get(answer, "total_is_exact")) ? "" : "≤ ",
                  (long long)json_integer_value(json_object_get(answer, "total")), say(lang, "filings", "件"),
                  say(lang, "Name", "名称"), say(lang, "Organisation", "主体"), say(lang, "Number", "编号"),
                  say(lang, "Region", "属地"), say(lang, "Month", "月份"));
    json_array_foreach(json_object_get(answer, "filings"), i, one) {
        pl_buf_printf(out, "<tr><th scope=\"row\"><a href=\"/api/v1/public/register/%s/notice?lang=%s\">",
                      disclosure_at(one, "id"), lang);
        disclosure_html_escape(out, disclosure_at(one, "title"));
        pl_buf_puts(out, "</a></th>");
        for (size_t k = 0; k < 4; k++) {
            pl_buf_puts(out, "<td>");
            disclosure_html_escape(out, disclosure_at(one, keys[k]));
            pl_buf_puts(out, "</td>");
        }
        pl_buf_puts(out, "</tr>\n");
    }
    pl_buf_puts(out, "</tbody>\n</table>\n");
}

static void percent(pl_buf *out, const char *z)
{
    for (; *z; z++)
        if (isalnum((unsigned char)*z) || *z == '-' || *z == '.')
            pl_buf_putc(out, *z);
        else
            pl_buf_printf(out, "%%%02X", (unsigned)(unsigned char)*z);
}

static void further(pl_api_request *q, const json_t *answer, const char *lang, pl_buf *out)
{
    static const char *const names[] = { "q", "region", "month" };

    if (!json_is_integer(json_object_get(answer, "next")))
        return;
    pl_buf_printf(out, "<p><a rel=\"next\" href=\"/api/v1/public/register.html?lang=%s&amp;before=%lld", lang,
                  (long long)json_integer_value(json_object_get(answer, "next")));
    for (size_t i = 0; i < 3; i++) {
        pl_buf_printf(out, "&amp;%s=", names[i]);
        percent(out, query_text(q, names[i]));
    }
    pl_buf_printf(out, "\">%s</a></p>\n", say(lang, "Further filings", "下一页"));
}

pl_rc disclosure_register_page(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    const char     *lang = lang_of(q);
    pl_registry_ask ask = { .query = pl_str_z(query_text(q, "q")), .region = pl_str_z(query_text(q, "region")),
                            .month = pl_str_z(query_text(q, "month")), .type = PL_STR(""), .limit = PAGE_ROWS };
    json_t         *answer = NULL;
    pl_rc           rc = pl_api_query_int(q, "before", 0, 0, INT64_MAX / 2, &ask.before, err);

    if (rc == PL_OK)
        rc = pl_registry_search_public(q->db, q->arena, &ask, &answer, err);
    if (rc != PL_OK)
        return rc;
    disclosure_html_begin(lang, say(lang, "Public register", "公开登记册"), &r->raw);
    form(q, lang, &r->raw);
    rows(answer, lang, &r->raw);
    further(q, answer, lang, &r->raw);
    pl_buf_puts(&r->raw, "</main>\n</body>\n</html>\n");
    r->content_type = "text/html; charset=utf-8";
    json_decref(answer);
    return pl_buf_check(&r->raw, err);
}
