/* How findings look: for programs, and for people. */
#include "base/banned.h"

#include "base/utf8.h"
#include "cap/text/scan_int.h"

#define BEFORE_BYTES 48 /* context in front of a finding, and behind */
#define AFTER_BYTES  48
#define INSIDE_BYTES 160

void scan_form_names(uint16_t form, char out[192])
{
    static const char *const name[] = { "width", "variant", "compat", "invisible", "separated",
                                        "joined", "repeated", "lookalike", "digits", "pinyin",
                                        "split", "entity", "percent", "base64", "escape" };
    size_t n = 0;

    for (size_t i = 0; i < sizeof name / sizeof name[0]; i++)
        if (form >> i & 1)
            n += (size_t)snprintf(out + n, 192 - n, "%s%s", n ? "+" : "", name[i]);
    if (n == 0)
        (void)snprintf(out, 192, "plain");
}

static void json_string(FILE *to, pl_str s)
{
    pl_buf b = PL_BUF_INIT(s.n * 6 + 16);

    pl_buf_json(&b, s);
    (void)fprintf(to, "\"" PL_STR_FMT "\"", PL_STR_ARG(pl_buf_str(&b)));
    pl_buf_done(&b);
}

void scan_print_json(FILE *to, const pl_textdb *db, const pl_text_finding *f, bool first)
{
    pl_text_rule r = pl_textdb_rule_get(db, f->rule);
    char         form[192];

    scan_form_names(f->form, form);
    (void)fputs(first ? "{\"rule\":" : ",{\"rule\":", to);
    json_string(to, r.id);
    (void)fputs(",\"category\":", to);
    json_string(to, r.category);
    (void)fprintf(to, ",\"severity\":%u,\"start\":%llu,\"end\":%llu,\"form\":\"%s\",\"score\":%.4f}",
                  r.severity, (unsigned long long)f->start, (unsigned long long)f->end, form,
                  (double)f->score / PL_SCORE_MAX);
}

/* --- for people --------------------------------------------------------------------------- */

/* A terminal obeys control characters, so a text never gets to send any. */
static void put_visible(FILE *to, const char *p, size_t n)
{
    while (n > 0) {
        uint32_t cp = 0;
        int      len = pl_utf8_decode((pl_str){ p, n }, &cp);

        if (len <= 0) {
            (void)fputs("\xEF\xBF\xBD", to);
            len = 1;
        } else if (cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || (cp >= 0x200b && cp <= 0x200f) ||
                   (cp >= 0x202a && cp <= 0x202e) || (cp >= 0x2060 && cp <= 0x206f)) {
            (void)fputs(cp == '\t' || cp == '\n' ? " " : "\xC2\xB7", to);
        } else {
            (void)fwrite(p, 1, (size_t)len, to);
        }
        p += len;
        n -= (size_t)len;
    }
}

static bool is_tail(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

static uint64_t context_start(pl_str text, uint64_t at, uint64_t line_start)
{
    uint64_t from = at - line_start > BEFORE_BYTES ? at - BEFORE_BYTES : line_start;

    while (from < at && is_tail(text.p[from]))
        from++;
    return from;
}

static uint64_t context_end(pl_str text, uint64_t at, size_t most)
{
    uint64_t to = at;

    while (to < text.n && to - at < most && text.p[to] != '\n' && text.p[to] != '\r')
        to++;
    while (to > at && to < text.n && is_tail(text.p[to]))
        to--;
    return to;
}

/* Findings come by end, so a start may lie before the one counted to: then count anew. */
static void place_move(scan_place *p, pl_str text, uint64_t at)
{
    if (at < p->line_start)
        *p = (scan_place){ 0, 0, 0 };
    while (p->at < at) {
        const char *nl = memchr(text.p + p->at, '\n', (size_t)(at - p->at));

        if (!nl) {
            p->at = at;
            break;
        }
        p->at = p->line_start = (uint64_t)(nl - text.p) + 1;
        p->line++;
    }
}

static const char *severity_color(unsigned severity)
{
    static const char *const color[] = { "", "\033[36m", "\033[33m", "\033[31m", "\033[1;31m" };

    return color[severity <= 4 ? severity : 4];
}

void scan_print_human(FILE *to, const scan_options *o, const pl_textdb *db, pl_str text,
                      const pl_text_finding *f, scan_place *place)
{
    pl_text_rule r = pl_textdb_rule_get(db, f->rule);
    char         form[192];
    uint64_t     from, end, stop;

    place_move(place, text, f->start);
    from = context_start(text, f->start, place->line_start);
    end = f->end - f->start > INSIDE_BYTES ? context_end(text, f->start, INSIDE_BYTES) : f->end;
    stop = end == f->end ? context_end(text, f->end, AFTER_BYTES) : end;
    scan_form_names(f->form, form);

    (void)fprintf(to, "  %s%llu:%llu%s  %s" PL_STR_FMT "%s  %u  " PL_STR_FMT, o->color ? "\033[2m" : "",
                  (unsigned long long)place->line + 1,
                  (unsigned long long)(f->start - place->line_start) + 1, o->color ? "\033[0m" : "",
                  o->color ? severity_color(r.severity) : "", PL_STR_ARG(r.category),
                  o->color ? "\033[0m" : "", r.severity, PL_STR_ARG(r.id));
    if (f->form)
        (void)fprintf(to, "  %s", form);
    if (f->score < PL_SCORE_MAX)
        (void)fprintf(to, "  %.0f%%", (double)f->score * 100 / PL_SCORE_MAX);
    (void)fprintf(to, "\n      %s", from > place->line_start ? "…" : "");
    put_visible(to, text.p + from, (size_t)(f->start - from));
    (void)fputs(o->color ? "\033[1;7m" : "[", to);
    put_visible(to, text.p + f->start, (size_t)(end - f->start));
    (void)fputs(end < f->end ? "…" : "", to);
    (void)fputs(o->color ? "\033[0m" : "]", to);
    put_visible(to, text.p + end, (size_t)(stop - end));
    (void)fputc('\n', to);
}
