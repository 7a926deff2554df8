/* The text of scalars. */
#include "base/banned.h"

#include "base/yaml_int.h"

size_t yaml_run_of(pl_str s, size_t at, const char *any)
{
    size_t i = at;

    while (i < s.n && s.p[i] != '\0' && strchr(any, s.p[i]) != NULL)
        i++;
    return i - at;
}

/* --- single-quoted scalars: YAML 1.2.2 §7.3.2 ------------------------------------
 *
 * libfyaml 0.7 garbles them, and leaks, when they hold more than a few quotes: they are
 * decoded here from the source text. */

/* Where the token stands in the source: between the quotes. */
static pl_str source_of(pl_str text, struct fy_token *t)
{
    const struct fy_mark *from = fy_token_start_mark(t), *to = fy_token_end_mark(t);

    if (from == NULL || to == NULL || from->input_pos > to->input_pos || to->input_pos > text.n)
        return (pl_str){ NULL, 0 };
    return (pl_str){ text.p + from->input_pos, to->input_pos - from->input_pos };
}

/* Folds the line break at s[at]: one break is a space, each further one a newline. Blanks
 * around it do not count. Returns where the text goes on. */
static size_t fold_break(pl_str s, size_t at, pl_buf *out)
{
    size_t breaks = 0;

    while (out->n > 0 && (out->p[out->n - 1] == ' ' || out->p[out->n - 1] == '\t'))
        out->p[--out->n] = '\0';
    while (at < s.n && (s.p[at] == '\n' || s.p[at] == '\r')) {
        at += s.p[at] == '\r' && at + 1 < s.n && s.p[at + 1] == '\n' ? 2 : 1;
        at += yaml_run_of(s, at, " \t");
        if (++breaks > 1)
            pl_buf_putc(out, '\n');
    }
    if (breaks == 1)
        pl_buf_putc(out, ' ');
    return at;
}

static void single_quoted(pl_str s, pl_buf *out)
{
    for (size_t i = 0; i < s.n;) {
        if (s.p[i] == '\n' || s.p[i] == '\r') {
            i = fold_break(s, i, out);
            continue;
        }
        pl_buf_putc(out, s.p[i]);
        i += s.p[i] == '\'' ? 2 : 1; /* written twice */
    }
}

pl_rc yaml_token_text(pl_str text, struct fy_token *t, pl_buf *own, pl_str *out)
{
    size_t      n = 0;
    const char *p;
    pl_str      s;

    *out = PL_STR("");
    if (t == NULL)
        return PL_OK;
    if (fy_token_scalar_style(t) == FYSS_SINGLE_QUOTED) {
        s = source_of(text, t);
        if (s.p == NULL)
            return PL_INVALID;
        single_quoted(s, own);
        *out = pl_buf_str(own);
        return own->failed ? PL_NOMEM : PL_OK;
    }
    p = fy_token_get_text(t, &n);
    if (p == NULL)
        return PL_NOMEM;
    *out = (pl_str){ p, n };
    return PL_OK;
}
