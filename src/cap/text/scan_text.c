#include "base/banned.h"

#include "base/utf8.h"
#include "cap/text/scan_int.h"

#define BINARY_LOOK 8192 /* bytes that decide whether a file is text */

typedef struct scanning {
    const scan_options *o;
    const pl_textdb    *db;
    pl_str              text;
    FILE               *to;
    const char         *name;
    uint64_t            found;
    bool                truncated;
    scan_place          place;
} scanning;

static void file_heading(const scanning *s)
{
    (void)fprintf(s->to, "%s%s%s\n", s->o->color ? "\033[1;35m" : "", s->name,
                  s->o->color ? "\033[0m" : "");
}

static int on_finding(void *ctx, const pl_text_finding *f)
{
    scanning    *s = ctx;
    pl_text_rule r = pl_textdb_rule_get(s->db, f->rule);

    if (r.severity < s->o->min_severity)
        return 0;
    if (s->o->max_findings > 0 && s->found == s->o->max_findings) {
        s->truncated = true;
        return 1;
    }
    if (s->o->json) {
        scan_print_json(s->to, s->db, f, s->found == 0);
    } else {
        if (s->found == 0)
            file_heading(s);
        scan_print_human(s->to, s->o, s->db, s->text, f, &s->place);
    }
    s->found++;
    return 0;
}

/* Bytes that belong to no character, and where the first one is. */
static uint64_t invalid_bytes(pl_str text, uint64_t *first)
{
    uint64_t bad = 0;
    uint32_t cp;

    *first = 0;
    if (pl_utf8_valid(text))
        return 0;
    for (size_t i = 0; i < text.n;) {
        int len = pl_utf8_decode((pl_str){ text.p + i, text.n - i }, &cp);

        if (len <= 0 && bad++ == 0)
            *first = i;
        i += len > 0 ? (size_t)len : 1;
    }
    return bad;
}

/* A NUL alone does not make a file binary, nor do some bytes that are not UTF-8: both do. */
static bool is_binary(pl_str text)
{
    uint64_t first;
    pl_str   head = { text.p, text.n < BINARY_LOOK ? text.n : BINARY_LOOK };

    /* A character may be cut at the end of what is looked at. */
    return memchr(head.p, '\0', head.n) && invalid_bytes(head, &first) > 3;
}

static void end_json(const scanning *s, bool binary, uint64_t bad, uint64_t first)
{
    (void)fprintf(s->to, "],\"truncated\":%s", s->truncated ? "true" : "false");
    if (binary)
        (void)fputs(",\"skipped\":\"binary\"", s->to);
    if (bad > 0)
        (void)fprintf(s->to, ",\"invalid_utf8\":{\"bytes\":%llu,\"first\":%llu}",
                      (unsigned long long)bad, (unsigned long long)first);
    (void)fputs("}\n", s->to);
}

__attribute__((format_arg(2), format_arg(3))) static const char *say(const scan_options *o,
                                                                     const char *en, const char *zh)
{
    return o->lang && o->lang[0] == 'z' ? zh : en;
}

static void end_human(const scanning *s, uint64_t bad, uint64_t first)
{
    if (s->truncated)
        (void)fprintf(s->to, say(s->o, "  stopped after %llu findings (--max-findings)\n",
                                 "  已达 %llu 个命中，停止（--max-findings）\n"),
                      (unsigned long long)s->found);
    if (bad > 0 && s->found > 0)
        (void)fprintf(s->to, say(s->o, "  not UTF-8: %llu bytes, the first at offset %llu\n",
                                 "  非 UTF-8：%llu 字节，首个位于偏移 %llu\n"),
                      (unsigned long long)bad, (unsigned long long)first);
}

pl_rc scan_text(const pl_screen *screen, const scan_options *o, const char *name, pl_str text,
                FILE *to, scan_counts *n, pl_error *err)
{
    scanning s = { .o = o, .db = pl_screen_textdb(screen), .text = text, .to = to, .name = name };
    bool     binary = !o->binary && is_binary(text);
    uint64_t first = 0, bad = binary ? 0 : invalid_bytes(text, &first);
    pl_rc    rc = PL_OK;

    if (o->json) {
        pl_buf b = PL_BUF_INIT(1u << 20);

        pl_buf_json(&b, (pl_str){ name, strlen(name) });
        (void)fprintf(to, "{\"file\":\"" PL_STR_FMT "\",\"bytes\":%zu,\"findings\":[",
                      PL_STR_ARG(pl_buf_str(&b)), text.n);
        pl_buf_done(&b);
    }
    if (!binary)
        rc = pl_screen_scan(screen, text, o->parts, on_finding, &s, err);
    s.truncated |= rc != PL_OK;
    if (o->json)
        end_json(&s, binary, bad, first);
    else
        end_human(&s, bad, first);
    n->files++;
    n->bytes += text.n;
    n->findings += s.found;
    n->with_findings += s.found > 0;
    n->truncated += s.truncated;
    n->binary += binary;
    n->invalid += bad > 0;
    return rc;
}
