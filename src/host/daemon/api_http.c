/* Result codes, languages and problem documents. */
#include "base/banned.h"

#include "base/str.h"
#include "cap/capability.h"
#include "host/daemon/http.h"

#include <strings.h>

size_t pl_http_body_max(const char *target)
{
    size_t n = strcspn(target, "?");

    for (size_t i = 0; pl_capabilities[i] != NULL; i++)
        for (const pl_body_limit *b = pl_capabilities[i]->bodies; b != NULL && b->path != NULL; b++)
            if (strlen(b->path) == n && memcmp(b->path, target, n) == 0)
                return b->bytes;
    return PL_HTTP_BODY_MAX;
}

int pl_http_status(pl_rc rc)
{
    switch (rc) {
    case PL_OK:
        return 200;
    case PL_NOTFOUND:
        return 404;
    case PL_CONFLICT:
        return 409;
    case PL_INVALID:
        return 400;
    case PL_DENIED:
        return 403;
    case PL_LIMIT:
        return 429;
    case PL_IO:
    case PL_NOMEM:
    case PL_FULL:
        return 503;
    }
    return 500;
}

/* Titles are the phrases of RFC 9110 and their usual translation. */
static const struct {
    int         status;
    const char *en, *zh;
} titles[] = {
    { 400, "Bad Request", "请求有误" },
    { 401, "Unauthorized", "需要登录" },
    { 403, "Forbidden", "没有权限" },
    { 404, "Not Found", "未找到" },
    { 405, "Method Not Allowed", "不支持该方法" },
    { 409, "Conflict", "状态冲突" },
    { 413, "Content Too Large", "请求体过大" },
    { 415, "Unsupported Media Type", "不支持的媒体类型" },
    { 429, "Too Many Requests", "请求过多" },
    { 500, "Internal Server Error", "内部错误" },
    { 503, "Service Unavailable", "服务暂不可用" },
};

const char *pl_http_title(int status, const char *lang)
{
    bool is_zh = strcmp(lang, "zh-CN") == 0;

    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        if (titles[i].status == status)
            return is_zh ? titles[i].zh : titles[i].en;
    return is_zh ? "错误" : "Error";
}

/* --- request headers ----------------------------------------------------------------- */

/* Thousandths of the q parameter of one language range; 1000 without one, 0 when it is
 * malformed. */
static int quality(pl_str params)
{
    int q = 0, scale = 1000;

    params = pl_str_trim(params);
    if (params.n == 0)
        return 1000;
    if (!pl_str_starts(params, PL_STR("q=")))
        return 0;
    for (size_t i = 2; i < params.n && i < 7; i++) {
        char c = params.p[i];

        if (c == '.' && i == 3)
            continue;
        if (c < '0' || c > '9')
            return 0;
        q += (c - '0') * scale;
        scale /= 10;
    }
    return q;
}

static bool is_range_of(pl_str range, const char *primary)
{
    return range.n >= 2 && strncasecmp(range.p, primary, 2) == 0 &&
           (range.n == 2 || range.p[2] == '-');
}

const char *pl_http_lang(const char *accept_language)
{
    pl_str rest = pl_str_z(accept_language), item, range;
    int    zh = 0, en = 0;

    while (pl_str_split(&rest, ',', &item)) {
        int q;

        if (!pl_str_split(&item, ';', &range))
            continue;
        q = quality(item);
        range = pl_str_trim(range);
        if (is_range_of(range, "zh") && q > zh)
            zh = q;
        if (is_range_of(range, "en") && q > en)
            en = q;
    }
    return zh > en ? "zh-CN" : "en";
}

bool pl_http_is_json(const char *content_type)
{
    pl_str rest = pl_str_z(content_type), type;

    if (!pl_str_split(&rest, ';', &type))
        return false;
    type = pl_str_trim(type);
    return type.n == sizeof "application/json" - 1 &&
           strncasecmp(type.p, "application/json", type.n) == 0;
}

/* --- replies -------------------------------------------------------------------------- */

void pl_http_out_done(pl_http_out *out)
{
    pl_buf_done(&out->body);
}

static void put_body(pl_http_out *out, int status, const char *content_type, json_t *body)
{
    char *text = body != NULL ? pl_json_dump(body) : NULL;

    pl_buf_done(&out->body);
    out->body = PL_BUF_INIT(PL_HTTP_REPLY_MAX);
    out->status = text != NULL ? status : 503;
    out->content_type = content_type;
    pl_buf_puts(&out->body, text != NULL ? text : "{\"title\":\"Service Unavailable\"}");
    free(text);
    json_decref(body);
}

void pl_http_json(pl_http_out *out, int status, json_t *body)
{
    put_body(out, status, "application/json", body);
}

void pl_http_problem(pl_http_out *out, int status, const char *lang, const char *detail,
                     pl_str path)
{
    json_t *j = json_pack("{s:s, s:s, s:i}", "type", "about:blank", "title",
                          pl_http_title(status, lang), "status", status);
    json_t *instance = json_stringn(path.p, path.n); /* NULL unless it is UTF-8 */

    if (j != NULL && detail != NULL)
        (void)json_object_set_new(j, "detail", json_string(detail));
    if (j != NULL && instance != NULL)
        (void)json_object_set(j, "instance", instance);
    json_decref(instance);
    out->set_cookie[0][0] = out->set_cookie[1][0] = '\0';
    out->lang = lang;
    put_body(out, status, "application/problem+json", j);
}
