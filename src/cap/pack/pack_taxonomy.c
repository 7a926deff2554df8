/* taxonomy.csv: classes and items of risk or control, with what they map to. */
#include "base/banned.h"

#include "base/csv.h"
#include "base/file.h"
#include "base/str.h"
#include "base/utf8.h"
#include "cap/pack/pack_int.h"

#define TAXONOMY     "taxonomy.csv"
#define TAXONOMY_MAX (4u << 20)
#define LINE_MAX_    65536u
#define COLUMNS      7

static const char header[] = "id,class,zh,en,maps_to,evidence,source";

typedef struct reading {
    pack_report *r;   /* NULL: it has been checked before */
    int          line;
    pl_buf       cell[COLUMNS];
} reading;

static void wrong(const reading *rd, const char *what, pl_str value)
{
    if (rd->r != NULL)
        pack_problem(rd->r, PACK_ERROR, TAXONOMY, rd->line, "%s '" PL_STR_FMT "'", what,
                     PL_STR_ARG(value));
}

/* The line as an item; the strings are valid until the next line. */
static bool item_read(reading *rd, pl_str line, pl_taxon *out)
{
    pl_str *field[COLUMNS] = { &out->id, &out->parent, &out->zh, &out->en, &out->maps_to,
                               &out->evidence, &out->source };
    pl_buf  more = PL_BUF_INIT(LINE_MAX_);
    size_t  n = 0;
    bool    extra;

    while (n < COLUMNS && pl_csv_cell(&line, ',', &rd->cell[n]))
        n++;
    extra = line.p != NULL && pl_csv_cell(&line, ',', &more);
    pl_buf_done(&more);
    if (n < COLUMNS || extra) {
        wrong(rd, "not seven cells:", n > 0 ? pl_buf_str(&rd->cell[0]) : PL_STR(""));
        return false;
    }
    for (size_t i = 0; i < COLUMNS; i++)
        *field[i] = pl_buf_str(&rd->cell[i]);
    return true;
}

static pl_rc each_line(reading *rd, pl_str rest, pl_taxon_fn fn, void *ctx, pl_error *err)
{
    pl_str   line;
    pl_taxon t;
    pl_rc    rc = PL_OK;

    while (rc == PL_OK && pl_str_split(&rest, '\n', &line)) {
        if (pl_str_ends(line, PL_STR("\r")))
            line.n--;
        if (++rd->line == 1) {
            if (!pl_str_eqz(line, header)) {
                wrong(rd, "the first line must be id,class,zh,en,maps_to,evidence,source, not", line);
                break;
            }
        } else if (line.n > LINE_MAX_ || !pl_utf8_valid(line)) {
            wrong(rd, "not UTF-8, or too long", PL_STR(""));
        } else if (line.n > 0 && item_read(rd, line, &t)) {
            t.line = rd->line;
            rc = fn(ctx, &t, err);
        }
    }
    return rc;
}

static pl_rc taxonomy_each(const pl_pack *p, pack_report *r, pl_taxon_fn fn, void *ctx, pl_error *err)
{
    reading rd = { .r = r };
    char    path[1400], *text = NULL;
    size_t  n = 0;
    pl_rc   rc;

    (void)snprintf(path, sizeof path, "%s/" TAXONOMY, p->dir);
    rc = pl_file_read(path, TAXONOMY_MAX, &text, &n, err);
    for (size_t i = 0; i < COLUMNS; i++)
        rd.cell[i] = (pl_buf)PL_BUF_INIT(LINE_MAX_);
    if (rc == PL_OK)
        rc = each_line(&rd, (pl_str){ text, n }, fn, ctx, err);
    for (size_t i = 0; i < COLUMNS; i++)
        pl_buf_done(&rd.cell[i]);
    free(text);
    return rc;
}

pl_rc pl_pack_taxonomy_each(const pl_pack *p, pl_taxon_fn fn, void *ctx, pl_error *err)
{
    if (!pack_files_has(p, TAXONOMY))
        return pl_fail(err, PL_NOTFOUND, PL_STR_FMT ": the pack has no " TAXONOMY,
                       PL_STR_ARG(pl_pack_id(p)));
    return taxonomy_each(p, NULL, fn, ctx, err);
}

/* --- checking ----------------------------------------------------------------------------- */

typedef struct checking {
    const pl_pack *p;
    pack_report   *r;
    pack_set      *own, *top; /* ids of this file, and of what it may map to */
    uint64_t       n;
} checking;

static pl_rc top_put(void *ctx, const pl_taxon *t, pl_error *err)
{
    checking *k = ctx;
    uint64_t  seen;

    return pack_set_put(k->top, t->id, ++k->n, &seen) ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");
}

static void problem(const checking *k, const pl_taxon *t, const char *what, pl_str value)
{
    pack_problem(k->r, PACK_ERROR, TAXONOMY, t->line, "'" PL_STR_FMT "': %s '" PL_STR_FMT "'",
                 PL_STR_ARG(t->id), what, PL_STR_ARG(value));
}

static pl_rc item_check(void *ctx, const pl_taxon *t, pl_error *err)
{
    checking *k = ctx;
    pl_str    maps = t->maps_to, one;
    uint64_t  seen = 0;

    if (!pack_set_put(k->own, t->id, (uint64_t)t->line, &seen))
        return pl_fail(err, PL_NOMEM, "out of memory");
    if (t->id.n == 0 || seen != 0)
        problem(k, t, t->id.n == 0 ? "a line without an id" : "stands twice", t->id);
    if (t->zh.n == 0 || t->en.n == 0)
        problem(k, t, "both languages are needed; missing:", t->zh.n == 0 ? PL_STR("zh") : PL_STR("en"));
    if (t->parent.n > 0 && pack_set_find(k->own, t->parent) == 0)
        problem(k, t, "its class is not in a line before it:", t->parent);
    if (t->evidence.n != 1 || strchr("VDSMKPU", t->evidence.p[0]) == NULL)
        problem(k, t, "not an evidence tag:", t->evidence);
    if (!pack_has_source(k->p, t->source))
        problem(k, t, "no such source in pack.yaml:", t->source);
    while (pl_str_split(&maps, '|', &one))
        if (pack_set_find(k->top, one) == 0)
            problem(k, t, "maps to an id that no taxonomy in 'depends' has:", one);
    return PL_OK;
}

/* Ids of the taxonomies that the pack depends on. */
static pl_rc top_read(checking *k, const char *const *folders, pl_error *err)
{
    const json_t *list = json_object_get(k->p->manifest, "depends"), *v;
    size_t        i;
    pl_rc         rc = PL_OK;

    json_array_foreach(list, i, v) {
        pl_pack *d = NULL;

        if (rc == PL_OK && (rc = pl_pack_open(json_string_value(v), folders, &d, err)) == PL_OK &&
            pack_files_has(d, TAXONOMY))
            rc = taxonomy_each(d, NULL, top_put, k, err);
        pl_pack_free(d);
    }
    return rc;
}

void pack_taxonomy_check(const pl_pack *p, const char *const *folders, pack_report *r)
{
    checking k = { .p = p, .r = r };
    pl_error err = { 0 };
    pl_rc    rc;

    if (!pack_files_has(p, TAXONOMY))
        return;
    k.own = pack_set_new();
    k.top = pack_set_new();
    rc = k.own == NULL || k.top == NULL ? pl_fail(&err, PL_NOMEM, "out of memory") : top_read(&k, folders, &err);
    if (rc == PL_OK)
        rc = taxonomy_each(p, r, item_check, &k, &err);
    if (rc != PL_OK)
        pack_problem(r, PACK_ERROR, TAXONOMY, 0, "%s", err.text);
    pack_set_free(k.own);
    pack_set_free(k.top);
}
