/* Reading labelled texts, and splitting them so that nothing held out was learnt from. */
#include "base/banned.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/str.h"
#include "base/utf8.h"
#include "cap/text/model_int.h"
#include "cap/text/scan_int.h"
#include "engine/text/likeness.h"

void model_data_free(model_data *d)
{
    for (size_t i = 0; i < d->n; i++)
        free(d->e[i].text);
    free(d->e);
    *d = (model_data){ 0 };
}

static pl_rc data_add(model_data *d, const model_example *e, pl_error *err)
{
    if (d->n == MODEL_EXAMPLES_MAX)
        return pl_fail(err, PL_LIMIT, "more than %u texts", MODEL_EXAMPLES_MAX);
    if (d->n == d->cap) {
        size_t         cap = d->cap ? d->cap * 2 : 1024;
        model_example *bigger = realloc(d->e, cap * sizeof *bigger);

        if (!bigger)
            return pl_fail(err, PL_NOMEM, "out of memory");
        d->e = bigger;
        d->cap = cap;
    }
    d->e[d->n++] = *e;
    return PL_OK;
}

/* --- reading ------------------------------------------------------------------------------- */

typedef struct file_reader {
    model_data         *d;
    const model_recipe *r;
    const json_t       *set;
    const char         *path;
    uint16_t            id;
    size_t              line, added;
    size_t              pieces, most; /* of the set; 0: whole texts, all */
    pl_rc               rc;
    pl_error           *err;
} file_reader;

static size_t size_at(const json_t *o, const char *key)
{
    json_int_t n = json_integer_value(json_object_get(o, key));

    return n > 0 ? (size_t)n : 0;
}

static pl_rc example_add(file_reader *f, const model_row *row, pl_str text)
{
    model_example e = { .text = pl_str_dup(text), .yes = row->yes, .no = row->no, .set = f->id,
                        .weak = row->weak, .hard = row->hard, .group = row->group };
    pl_rc         rc;

    if (!e.text)
        return pl_fail(f->err, PL_NOMEM, "out of memory");
    e.han = pl_utf8_han_percent(text) >= 30;
    rc = data_add(f->d, &e, f->err);
    if (rc != PL_OK)
        free(e.text);
    f->added++;
    return rc;
}

/* A long document as texts of about f->pieces bytes that belong together. */
static pl_rc pieces_add(file_reader *f, model_row *row)
{
    pl_str rest = pl_str_z(row->text);
    pl_rc  rc = PL_OK;

    if (row->group == 0)
        row->group = ((uint64_t)f->id << 40 | f->line << 1) | 1;
    while (rc == PL_OK && rest.n > 0) {
        size_t n = rest.n <= f->pieces ? rest.n : f->pieces;

        while (n < rest.n && ((uint8_t)rest.p[n] & 0xc0) == 0x80)
            n++;
        rc = example_add(f, row, (pl_str){ rest.p, n });
        rest = (pl_str){ rest.p + n, rest.n - n };
    }
    return rc;
}

static pl_rc record_add(file_reader *f, const json_t *record)
{
    model_row row = { 0 };
    pl_rc     rc;

    if (!f->set)
        f->set = model_recipe_set(f->r, f->path, record);
    if (!f->set)
        return pl_fail(f->err, PL_NOTFOUND,
                       "%s: no set of the recipe has these columns; name them with --text and "
                       "--label", f->path);
    rc = model_recipe_row(f->r, f->set, record, &row, NULL);
    if (rc == PL_NOTFOUND)
        return PL_OK;
    if (rc == PL_OK)
        rc = f->pieces ? pieces_add(f, &row) : example_add(f, &row, pl_str_z(row.text));
    free(row.text);
    return rc;
}

static int lines_read(void *ctx, const char *name, pl_str text)
{
    file_reader *f = ctx;
    pl_str       line;

    (void)name;
    while (f->rc == PL_OK && pl_str_split(&text, '\n', &line)) {
        json_t  *record = NULL;
        pl_error why = { 0 };

        f->line++;
        line = pl_str_trim(line);
        if (line.n == 0)
            continue;
        if (pl_json_parse(line, f->path, &record, &why) != PL_OK || !json_is_object(record))
            f->rc = pl_fail(f->err, PL_INVALID, "%s:%zu: not a JSON object%s%s", f->path, f->line,
                            why.text[0] ? ": " : "", why.text);
        else
            f->rc = record_add(f, record);
        json_decref(record);
    }
    return f->rc != PL_OK;
}

static uint64_t text_key(const char *text)
{
    uint8_t  digest[32];
    uint64_t key;

    pl_sha256_of(pl_str_z(text), digest);
    memcpy(&key, digest, sizeof key);
    return key;
}

static int by_key(const void *a, const void *b)
{
    const model_example *x = a, *y = b;
    uint64_t             kx = text_key(x->text), ky = text_key(y->text);

    return kx < ky ? -1 : kx > ky;
}

/* Keeps, of the texts just added, each one once when the set says so, and at most `most`, chosen
 * by their hash. */
static void keep_some(file_reader *f)
{
    model_example *first = f->d->e + f->d->n - f->added;
    bool           distinct = json_is_true(json_object_get(f->set, "distinct"));
    size_t         most = f->most ? f->most : SIZE_MAX, kept = 0;

    if (!distinct && f->added <= most)
        return;
    qsort(first, f->added, sizeof *first, by_key);
    for (size_t i = 0; i < f->added; i++)
        if (kept < most && (!distinct || kept == 0 || strcmp(first[kept - 1].text, first[i].text)))
            first[kept++] = first[i];
        else
            free(first[i].text);
    f->d->n -= f->added - kept;
}

pl_rc model_data_read(model_data *d, const model_recipe *r, const json_t *set, const char *path,
                      uint16_t id, pl_error *err)
{
    file_reader f = { .d = d, .r = r, .set = set, .path = path, .id = id, .err = err };
    char       *bytes = NULL;
    size_t      n = 0;
    pl_rc       rc = pl_file_read(path, MODEL_DATA_MAX, &bytes, &n, err);

    f.pieces = size_at(set, "pieces");
    f.most = size_at(set, "most");
    if (rc == PL_OK && scan_is_archive((pl_str){ bytes, n }))
        rc = scan_archive_each(path, (pl_str){ bytes, n }, lines_read, &f, err);
    else if (rc == PL_OK)
        (void)lines_read(&f, path, (pl_str){ bytes, n });
    free(bytes);
    if (rc == PL_OK)
        rc = f.rc;
    if (rc == PL_OK)
        keep_some(&f);
    return rc;
}

/* --- splitting ------------------------------------------------------------------------------ */

/* Bands of four slots: two texts of likeness 0.6 share one of 32 bands with probability 0.99. */
enum { BAND = 4, BANDS = PL_MINHASH_SLOTS / BAND };
#define ALIKE 0.6

typedef struct key {
    uint64_t hash;
    uint32_t text;
} key;

typedef struct splitter {
    model_data *d;
    pl_minhash *sign;
    key        *keys;
    uint32_t   *parent;
} splitter;

static uint32_t root_of(uint32_t *parent, uint32_t i)
{
    while (parent[i] != i)
        i = parent[i] = parent[parent[i]];
    return i;
}

static void join(splitter *s, uint32_t a, uint32_t b)
{
    a = root_of(s->parent, a);
    b = root_of(s->parent, b);
    if (a < b)
        s->parent[b] = a;
    else
        s->parent[a] = b;
}

static int by_hash(const void *a, const void *b)
{
    const key *x = a, *y = b;

    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return x->text < y->text ? -1 : x->text > y->text;
}

static void band_join(splitter *s, unsigned band)
{
    size_t n = s->d->n;

    for (size_t i = 0; i < n; i++) {
        const uint32_t *slot = s->sign[i].slot + band * BAND;
        uint64_t        h = 0;

        for (unsigned k = 0; k < BAND; k++)
            h = (h ^ slot[k]) * 0x9e3779b97f4a7c15u ^ h >> 29;
        s->keys[i] = (key){ s->sign[i].shingles ? h : i, (uint32_t)i };
    }
    qsort(s->keys, n, sizeof *s->keys, by_hash);
    for (size_t i = 1; i < n; i++)
        if (s->keys[i].hash == s->keys[i - 1].hash &&
            pl_minhash_similarity(&s->sign[s->keys[i].text], &s->sign[s->keys[i - 1].text]) >= ALIKE)
            join(s, s->keys[i].text, s->keys[i - 1].text);
}

static void groups_join(splitter *s)
{
    size_t n = s->d->n;

    for (size_t i = 0; i < n; i++)
        s->keys[i] = (key){ s->d->e[i].group ? s->d->e[i].group : i << 1, (uint32_t)i };
    qsort(s->keys, n, sizeof *s->keys, by_hash);
    for (size_t i = 1; i < n; i++)
        if (s->keys[i].hash == s->keys[i - 1].hash)
            join(s, s->keys[i].text, s->keys[i - 1].text);
}

/* A cluster's fold follows from the least SimHash in it, so it does not depend on the order of
 * files or on what other clusters there are. */
static void folds_set(splitter *s)
{
    size_t n = s->d->n;
    key   *family = s->keys; /* least hash and size, at the root */

    for (size_t i = 0; i < n; i++)
        family[i] = (key){ UINT64_MAX, 0 };
    for (size_t i = 0; i < n; i++) {
        key     *f = &family[root_of(s->parent, (uint32_t)i)];
        uint64_t h = pl_simhash(pl_str_z(s->d->e[i].text)) * 0xd6e8feb86659fd93u;

        f->hash = h < f->hash ? h : f->hash;
        f->text++;
    }
    for (size_t i = 0; i < n; i++) {
        const key *f = &family[root_of(s->parent, (uint32_t)i)];
        uint64_t   h = (f->hash ^ f->hash >> 31) * 0x9e3779b97f4a7c15u >> 33;

        s->d->e[i].fold = (uint8_t)(f->text > MODEL_FAMILY_MAX
                                        ? MODEL_TEST_FOLDS + h % (MODEL_FOLDS - MODEL_TEST_FOLDS)
                                        : h % MODEL_FOLDS);
    }
}

pl_rc model_data_split(model_data *d, pl_error *err)
{
    splitter s = { .d = d };
    pl_rc    rc = PL_OK;

    s.sign = malloc((d->n + 1) * sizeof *s.sign);
    s.keys = malloc((d->n + 1) * sizeof *s.keys);
    s.parent = malloc((d->n + 1) * sizeof *s.parent);
    if (!s.sign || !s.keys || !s.parent) {
        rc = pl_fail(err, PL_NOMEM, "out of memory");
    } else {
        for (size_t i = 0; i < d->n; i++) {
            s.parent[i] = (uint32_t)i;
            pl_minhash_of(pl_str_z(d->e[i].text), &s.sign[i]);
        }
        for (unsigned band = 0; band < BANDS; band++)
            band_join(&s, band);
        groups_join(&s);
        folds_set(&s);
    }
    free(s.sign);
    free(s.keys);
    free(s.parent);
    return rc;
}
