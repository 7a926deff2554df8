/* Texts made from rules: docs/formats/names.md, "Rules". */
#include "base/banned.h"

#include "base/file.h"
#include "base/str.h"
#include "cap/text/names_train.h"

#include <ctype.h>

enum { RULES_MAX = 256, DEPTH_MAX = 16, GOLD_MAX = 64, FILES_MAX = 16 };
#define FILE_MAX (4u << 20)
#define MADE_MAX (64u << 10)

typedef struct rule {
    pl_str   id;
    pl_str  *item;
    uint32_t *until; /* sums of the weights */
    size_t   n, cap;
    bool     words, ranked, joined; /* earlier items likelier; "|" stands for a blank */
    int      label;                 /* -1, or a pl_pii_kind */
} rule;

struct names_grammar {
    rule   rule[RULES_MAX];
    size_t n, files;
    char  *bytes[FILES_MAX];
};

/* --- data ----------------------------------------------------------------------------------- */

uint32_t names_random_below(names_random *r, uint32_t n)
{
    r->state = r->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((r->state >> 33) % n);
}

void names_data_free(names_data *d)
{
    for (size_t i = 0; i < d->n; i++) {
        free(d->e[i].text);
        free(d->e[i].gold);
    }
    free(d->e);
    *d = (names_data){ 0 };
}

pl_rc names_data_add(names_data *d, const names_example *e, pl_error *err)
{
    if (d->n == d->cap) {
        size_t         cap = d->cap ? d->cap * 2 : 1024;
        names_example *bigger = realloc(d->e, cap * sizeof *bigger);

        if (!bigger) {
            free(e->text);
            free(e->gold);
            return pl_fail(err, PL_NOMEM, "out of memory");
        }
        d->e = bigger;
        d->cap = cap;
    }
    d->e[d->n++] = *e;
    return PL_OK;
}

/* --- reading ---------------------------------------------------------------------------------- */

static const rule *rule_find(const names_grammar *g, pl_str id)
{
    for (size_t i = 0; i < g->n; i++)
        if (pl_str_eq(g->rule[i].id, id))
            return &g->rule[i];
    return NULL;
}

static pl_rc item_add(rule *r, pl_str item, uint32_t weight, pl_error *err)
{
    if (r->n == r->cap) {
        size_t    cap = r->cap ? r->cap * 2 : 64;
        pl_str   *items = realloc(r->item, cap * sizeof *items);
        uint32_t *until;

        if (items)
            r->item = items;
        until = realloc(r->until, cap * sizeof *until);
        if (until)
            r->until = until;
        if (!items || !until)
            return pl_fail(err, PL_NOMEM, "out of memory");
        r->cap = cap;
    }
    r->item[r->n] = item;
    r->until[r->n] = (r->n ? r->until[r->n - 1] : 0) + weight;
    r->n++;
    return PL_OK;
}

/* "[id words ranked : pii.name]" */
static pl_rc head_read(names_grammar *g, pl_str line, const char *path, size_t at, pl_error *err)
{
    pl_str rest = { line.p + 1, line.n - 2 }, word;
    rule   r = { .label = -1 };

    while (pl_str_split(&rest, ' ', &word)) {
        if (r.id.n == 0)
            r.id = word;
        else if (pl_str_eqz(word, "words"))
            r.words = true;
        else if (pl_str_eqz(word, "ranked"))
            r.ranked = true;
        else if (pl_str_eqz(word, "joined"))
            r.joined = true;
        else if (pl_str_eqz(word, ":"))
            continue;
        else if ((r.label = pl_pii_kind_find(word)) != PL_PII_NAME && r.label != PL_PII_ADDRESS)
            return pl_fail(err, PL_INVALID, "%s:%zu: unknown word '" PL_STR_FMT "'", path, at,
                           PL_STR_ARG(word));
    }
    if (r.id.n == 0 || rule_find(g, r.id) || g->n == RULES_MAX)
        return pl_fail(err, PL_INVALID, "%s:%zu: no id, one used before, or too many rules", path,
                       at);
    g->rule[g->n++] = r;
    return PL_OK;
}

static pl_rc line_read(names_grammar *g, pl_str line, const char *path, size_t at, pl_error *err)
{
    rule    *r = g->n ? &g->rule[g->n - 1] : NULL;
    uint32_t weight = 0;
    size_t   k = 0;
    pl_str   word;
    pl_rc    rc = PL_OK;

    if (line.n >= 3 && line.p[0] == '[' && line.p[line.n - 1] == ']')
        return head_read(g, line, path, at, err);
    if (!r)
        return pl_fail(err, PL_INVALID, "%s:%zu: an alternative before the first rule", path, at);
    if (r->words) {
        while (rc == PL_OK && pl_str_split(&line, ' ', &word))
            if (word.n > 0)
                rc = item_add(r, word, 1, err);
        return rc;
    }
    while (k < line.n && k < 4 && isdigit((unsigned char)line.p[k]))
        weight = weight * 10 + (uint32_t)(line.p[k++] - '0');
    if (k > 0 && k + 1 < line.n && line.p[k] == '*' && line.p[k + 1] == ' ')
        return item_add(r, (pl_str){ line.p + k + 2, line.n - k - 2 }, weight, err);
    return item_add(r, line, 1, err);
}

static pl_rc file_read(names_grammar *g, const char *path, pl_error *err)
{
    size_t n = 0, at = 0;
    pl_str rest, line;
    pl_rc  rc;

    if (g->files == FILES_MAX)
        return pl_fail(err, PL_LIMIT, "more than %d files of rules", FILES_MAX);
    rc = pl_file_read(path, FILE_MAX, &g->bytes[g->files], &n, err);
    if (rc != PL_OK)
        return rc;
    rest = (pl_str){ g->bytes[g->files++], n };
    while (rc == PL_OK && pl_str_split(&rest, '\n', &line)) {
        at++;
        if (line.n > 0 && !(line.p[0] == '#' && (line.n == 1 || line.p[1] == ' ')))
            rc = line_read(g, line, path, at, err);
    }
    return rc;
}

/* A misspelt {rule} would be found only when it is drawn. */
static pl_rc references_check(const names_grammar *g, pl_error *err)
{
    for (size_t i = 0; i < g->n; i++)
        for (size_t k = 0; k < g->rule[i].n; k++) {
            pl_str s = g->rule[i].item[k];

            for (size_t a = 0, b; !g->rule[i].words && a < s.n; a++) {
                if (s.p[a] != '{')
                    continue;
                for (b = a + 1; b < s.n && s.p[b] != '}'; b++)
                    ;
                if (!rule_find(g, (pl_str){ s.p + a + 1, b - a - 1 }))
                    return pl_fail(err, PL_INVALID, "rule '" PL_STR_FMT "' names '" PL_STR_FMT
                                   "', which is not there", PL_STR_ARG(g->rule[i].id),
                                   (int)(b - a - 1), s.p + a + 1);
            }
        }
    return PL_OK;
}

pl_rc names_grammar_new(const char *const *paths, size_t n, names_grammar **out, pl_error *err)
{
    names_grammar *g = calloc(1, sizeof *g);
    pl_rc          rc = g ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");

    for (size_t i = 0; rc == PL_OK && i < n; i++)
        rc = file_read(g, paths[i], err);
    if (rc == PL_OK)
        rc = references_check(g, err);
    if (rc != PL_OK) {
        names_grammar_free(g);
        return rc;
    }
    *out = g;
    return PL_OK;
}

void names_grammar_free(names_grammar *g)
{
    if (!g)
        return;
    for (size_t i = 0; i < g->n; i++) {
        free(g->rule[i].item);
        free(g->rule[i].until);
    }
    for (size_t i = 0; i < g->files; i++)
        free(g->bytes[i]);
    free(g);
}

const pl_str *names_grammar_list(const names_grammar *g, const char *id, size_t *n)
{
    const rule *r = rule_find(g, pl_str_z(id));

    *n = r ? r->n : 0;
    return r ? r->item : NULL;
}

/* --- making ----------------------------------------------------------------------------------- */

typedef struct making {
    const names_grammar *g;
    names_random        *r;
    pl_buf               text;
    names_gold           gold[GOLD_MAX];
    unsigned             golds;
    pl_error            *err;
} making;

static pl_str draw(const making *m, const rule *r)
{
    uint32_t at, total = r->until[r->n - 1];
    size_t   i = 0;

    if (r->ranked) { /* a square law: the first items come up most */
        uint64_t u = names_random_below(m->r, 1u << 16);

        return r->item[(size_t)(r->n * u * u >> 32)];
    }
    at = names_random_below(m->r, total);
    if (r->until[r->n - 1] == r->n)
        return r->item[at];
    while (r->until[i] <= at)
        i++;
    return r->item[i];
}

static pl_rc expand(making *m, const rule *r, unsigned depth);

static pl_rc pattern_expand(making *m, const rule *r, pl_str s, unsigned depth)
{
    pl_rc rc = PL_OK;

    for (size_t i = 0; rc == PL_OK && i < s.n; i++) {
        if (s.p[i] == '{' && !r->words) {
            const char *end = memchr(s.p + i, '}', s.n - i);
            pl_str      id = { s.p + i + 1, (size_t)(end - s.p) - i - 1 };

            rc = expand(m, rule_find(m->g, id), depth + 1);
            i += id.n + 1;
        } else if (s.p[i] == '\\' && i + 1 < s.n && s.p[i + 1] == 'n') {
            pl_buf_putc(&m->text, '\n');
            i++;
        } else {
            pl_buf_putc(&m->text, r->joined && s.p[i] == '|' ? ' ' : s.p[i]);
        }
    }
    return rc;
}

static pl_rc expand(making *m, const rule *r, unsigned depth)
{
    size_t   start = m->text.n;
    unsigned golds = m->golds;
    pl_rc    rc;

    if (depth > DEPTH_MAX)
        return pl_fail(m->err, PL_INVALID, "rule '" PL_STR_FMT "' names itself",
                       PL_STR_ARG(r->id));
    if (r->n == 0)
        return pl_fail(m->err, PL_INVALID, "rule '" PL_STR_FMT "' is empty", PL_STR_ARG(r->id));
    rc = pattern_expand(m, r, draw(m, r), depth);
    if (rc == PL_OK && r->label >= 0 && golds < GOLD_MAX) {
        m->golds = golds; /* what is inside is part of it */
        m->gold[m->golds++] = (names_gold){ (uint32_t)start, (uint32_t)m->text.n,
                                            r->label == PL_PII_ADDRESS };
    }
    return rc;
}

pl_rc names_grammar_make(const names_grammar *g, const char *id, names_random *r,
                         names_example *out, pl_error *err)
{
    making      m = { .g = g, .r = r, .text = PL_BUF_INIT(MADE_MAX), .err = err };
    const rule *top = rule_find(g, pl_str_z(id));
    pl_rc       rc = top ? expand(&m, top, 0) : pl_fail(err, PL_NOTFOUND, "no rule '%s'", id);

    if (rc == PL_OK)
        rc = pl_buf_check(&m.text, err);
    if (rc != PL_OK) {
        pl_buf_done(&m.text);
        return rc;
    }
    *out = (names_example){ .text = m.text.p, .n = m.text.n, .golds = m.golds, .learn_name = true,
                            .learn_address = true };
    out->gold = malloc((m.golds + 1) * sizeof *out->gold);
    if (!out->gold || !out->text) {
        free(out->gold);
        pl_buf_done(&m.text);
        return pl_fail(err, PL_NOMEM, "out of memory");
    }
    memcpy(out->gold, m.gold, m.golds * sizeof *out->gold);
    return PL_OK;
}
