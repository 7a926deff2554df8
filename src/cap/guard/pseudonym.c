#include "base/banned.h"

#include "base/str.h"
#include "cap/guard/pseudonym.h"

static const pseudonym *find(const pseudonyms *p, pl_str name)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->list[i].name_n == name.n && memcmp(p->list[i].name, name.p, name.n) == 0)
            return &p->list[i];
    return NULL;
}

/* Means the same inside a JSON string, at any level of escapes. */
static bool is_plain(pl_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == '"' || s.p[i] == '\\')
            return false;
    return true;
}

pl_rc pl_pseudonym_add(pseudonyms *p, pl_str name, pl_str value, pl_error *err)
{
    pseudonym *s;

    if (find(p, name))
        return PL_OK;
    if (name.n == 0 || name.n > PSEUDONYM_MAX || value.n > PSEUDONYM_VALUE || !is_plain(value))
        return pl_fail(err, PL_LIMIT, "an item cannot be put back");
    if (p->n == PSEUDONYMS_MAX)
        return pl_fail(err, PL_LIMIT, "more than %d items to take out", PSEUDONYMS_MAX);
    if (!p->list && !(p->list = calloc(PSEUDONYMS_MAX, sizeof *p->list)))
        return pl_fail(err, PL_NOMEM, "out of memory");
    s = &p->list[p->n];
    s->value = malloc(value.n + 1);
    if (!s->value)
        return pl_fail(err, PL_NOMEM, "out of memory");
    memcpy(s->value, value.p, value.n);
    memcpy(s->name, name.p, name.n);
    s->value_n = value.n;
    s->name_n = name.n;
    p->n++;
    return PL_OK;
}

/* The first name in text, or NULL. */
static const pseudonym *next(const pseudonyms *p, pl_str text, size_t *at)
{
    const pseudonym *best = NULL;

    for (size_t i = 0; i < p->n; i++) {
        const char *s = memmem(text.p, text.n, p->list[i].name, p->list[i].name_n);

        if (s && (!best || (size_t)(s - text.p) < *at)) {
            best = &p->list[i];
            *at = (size_t)(s - text.p);
        }
    }
    return best;
}

void pl_pseudonym_restore(const pseudonyms *p, pl_str text, pl_buf *out)
{
    const pseudonym *s;
    size_t           at = 0;

    while ((s = next(p, text, &at)) != NULL) {
        pl_buf_put(out, (pl_str){ text.p, at });
        pl_buf_put(out, (pl_str){ s->value, s->value_n });
        at += s->name_n;
        text = (pl_str){ text.p + at, text.n - at };
    }
    pl_buf_put(out, text);
}

size_t pl_pseudonym_tail(const pseudonyms *p, pl_str text)
{
    size_t most = 0;

    for (size_t i = 0; i < p->n; i++) {
        size_t n = p->list[i].name_n - 1;

        for (n = n < text.n ? n : text.n; n > most; n--)
            if (memcmp(text.p + text.n - n, p->list[i].name, n) == 0)
                most = n;
    }
    return most;
}

void pl_pseudonym_done(pseudonyms *p)
{
    for (size_t i = 0; i < p->n; i++) {
        explicit_bzero(p->list[i].value, p->list[i].value_n);
        free(p->list[i].value);
    }
    free(p->list);
    *p = (pseudonyms){ 0 };
}
