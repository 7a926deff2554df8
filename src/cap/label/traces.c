#include "base/banned.h"

#include "base/file.h"
#include "base/str.h"
#include "cap/label/traces.h"
#include "cap/pack/pl_pack.h"

#define COLUMNS  7
#define FILE_MAX_BYTES (1u << 20)

typedef enum trace_test { TEST_IS, TEST_STARTS, TEST_CONTAINS, TEST_ANY } trace_test;

typedef struct trace_row {
    pl_str     id, key, pattern, generator, means;
    trace_test test;
} trace_row;

struct label_traces {
    char     *text;
    size_t    n;
    trace_row row[PL_TRACES_MAX];
};

static pl_rc row_read(pl_str line, size_t number, trace_row *r, pl_error *err)
{
    static const char *const tests[] = { "is", "starts", "contains", "any" };
    static const char *const means[] = { "declares", "parameters", "software" };
    pl_str                   col[COLUMNS], rest = line;
    size_t                   i, n = 0;

    while (n < COLUMNS) {
        const char *tab = rest.n ? memchr(rest.p, '\t', rest.n) : NULL;
        col[n].p = rest.p;
        col[n].n = tab ? (size_t)(tab - rest.p) : rest.n;
        n++;
        if (!tab)
            break;
        rest = (pl_str){ tab + 1, rest.n - (size_t)(tab + 1 - rest.p) };
    }
    if (n != COLUMNS)
        return pl_fail(err, PL_INVALID, "traces.tsv:%zu: %d columns are wanted", number, COLUMNS);
    for (i = 0; i < 4 && !pl_str_eqz(col[2], tests[i]); i++)
        ;
    if (i == 4)
        return pl_fail(err, PL_INVALID, "traces.tsv:%zu: unknown test", number);
    *r = (trace_row){ .id = col[0], .key = col[1], .pattern = col[3], .generator = col[4], .means = col[5],
                      .test = (trace_test)i };
    for (i = 0; i < 3 && !pl_str_eqz(col[5], means[i]); i++)
        ;
    if (i == 3 || (r->test != TEST_ANY && r->pattern.n == 0) || r->id.n == 0 || r->key.n == 0)
        return pl_fail(err, PL_INVALID, "traces.tsv:%zu: id, key, pattern or meaning is missing", number);
    return PL_OK;
}

static pl_rc rows_read(label_traces *t, pl_str text, pl_error *err)
{
    pl_str line;
    size_t number = 0;
    pl_rc  rc = PL_OK;

    while (rc == PL_OK && pl_str_split(&text, '\n', &line)) {
        number++;
        if (line.n == 0 || line.p[0] == '#')
            continue;
        if (t->n == PL_TRACES_MAX)
            return pl_fail(err, PL_LIMIT, "traces.tsv: more than %u lines", PL_TRACES_MAX);
        rc = row_read(line, number, &t->row[t->n], err);
        t->n += rc == PL_OK;
    }
    return rc;
}

pl_rc label_traces_open(const char *const *folders, label_traces **out, pl_error *err)
{
    pl_pack      *pack = NULL;
    label_traces *t = calloc(1, sizeof *t);
    char         *path = NULL;
    size_t        n = 0;
    pl_rc         rc = t ? pl_pack_open("generator-traces", folders, &pack, err)
                         : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc == PL_OK) {
        path = pl_path_join(pl_pack_dir(pack), "traces.tsv");
        rc = path ? pl_file_read(path, FILE_MAX_BYTES, &t->text, &n, err) : PL_NOMEM;
    }
    if (rc == PL_OK)
        rc = rows_read(t, (pl_str){ t->text, n }, err);
    free(path);
    pl_pack_free(pack);
    if (rc != PL_OK) {
        label_traces_close(t);
        return rc;
    }
    *out = t;
    return PL_OK;
}

void label_traces_close(label_traces *t)
{
    if (!t)
        return;
    free(t->text);
    free(t);
}

static bool contains(pl_str s, pl_str what)
{
    for (size_t i = 0; i + what.n <= s.n; i++)
        if (strncasecmp(s.p + i, what.p, what.n) == 0)
            return true;
    return false;
}

static bool fits(const trace_row *r, pl_str key, pl_str value)
{
    if (!pl_str_eqz(r->key, "*") && (r->key.n != key.n || strncasecmp(r->key.p, key.p, key.n) != 0))
        return false;
    switch (r->test) {
    case TEST_IS:
        return value.n == r->pattern.n && strncasecmp(value.p, r->pattern.p, value.n) == 0;
    case TEST_STARTS:
        return value.n >= r->pattern.n && strncasecmp(value.p, r->pattern.p, r->pattern.n) == 0;
    case TEST_CONTAINS:
        return contains(value, r->pattern);
    default:
        return value.n > 0;
    }
}

bool label_traces_match(const label_traces *t, pl_str key, pl_str value, label_trace *out)
{
    for (size_t i = 0; t && i < t->n; i++)
        if (fits(&t->row[i], key, value)) {
            *out = (label_trace){ t->row[i].id, t->row[i].generator, t->row[i].means };
            return true;
        }
    return false;
}
