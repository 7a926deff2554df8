/* A pack from arbitrary bytes: up to the first NUL the manifest, up to the second a table of
 * entries, the rest entries in YAML. Property: the loader accepts exactly what the linter finds
 * no error in, every view of an accepted entry is UTF-8, and its further spellings are bounded. */
#include "base/banned.h"

#include "base/file.h"
#include "base/utf8.h"
#include "cap/pack/pl_pack.h"

#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *folder(void)
{
    static char dir[] = "/tmp/pl-fuzz-pack-XXXXXX";
    static bool made;

    if (!made && mkdtemp(dir) == NULL)
        abort();
    made = true;
    return dir;
}

static void put(const char *name, const void *p, size_t n)
{
    char  path[100];
    FILE *f;

    (void)snprintf(path, sizeof path, "%s/%s", folder(), name);
    f = fopen(path, "wb");
    if (f == NULL || fwrite(p, 1, n, f) != n || fclose(f) != 0)
        abort();
}

static void drop(const char *name)
{
    char path[100];

    (void)snprintf(path, sizeof path, "%s/%s", folder(), name);
    (void)remove(path);
}

static pl_rc spelled(void *ctx, pl_str text, unsigned how, pl_error *err)
{
    size_t *n = ctx;

    (void)how, (void)err;
    if (++*n > PL_VARIANTS_MAX || text.n == 0 || !pl_utf8_valid(text))
        abort();
    return PL_OK;
}

static pl_rc look(void *ctx, const pl_lexicon_entry *e, pl_error *err)
{
    size_t n = 0;

    if (e->id.n == 0 || e->text.n == 0 || e->severity < 1 || e->severity > 4 ||
        !pl_utf8_valid(e->text) || !pl_utf8_valid(e->with) || !pl_utf8_valid(e->except) ||
        (e->from.n != 0 && e->from.n != 10) || (e->to.n != 0 && e->to.n != 10))
        abort();
    return pl_variants_each(ctx, e, spelled, &n, err);
}

/* Kept from run to run: opening the tables takes longer than everything else. */
static pl_variants *variants(void)
{
    static const char *const folders[] = { PL_TEST_SOURCE_ROOT "/packs", NULL };
    static pl_variants      *v;

    if (v == NULL && pl_variants_new(folders, &v, NULL) != PL_OK)
        abort();
    return v;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = size > 0 ? memchr(data, 0, size) : NULL;
    size_t         head = nul != NULL ? (size_t)(nul - data) : size;
    const uint8_t *rest = nul != NULL ? nul + 1 : data + size, *second;
    size_t         left = (size_t)(data + size - rest), table;
    json_t        *problems = NULL, *one;
    size_t         errors = 0, i;
    pl_pack       *p = NULL;
    bool           loaded;

    put("pack.yaml", data, head);
    second = left > 0 ? memchr(rest, 0, left) : NULL;
    table = second != NULL ? (size_t)(second - rest) : left;
    put("entries.tsv", rest, table);
    if (second != NULL)
        put("entries.yaml", second + 1, left - table - 1);
    else
        drop("entries.yaml");
    if (pl_pack_lint(folder(), &problems, NULL) != PL_OK)
        abort();
    json_array_foreach(problems, i, one)
        errors += strcmp(json_string_value(json_object_get(one, "severity")), "error") == 0;
    json_decref(problems);
    loaded = pl_pack_open(folder(), NULL, &p, NULL) == PL_OK;
    if (loaded != (errors == 0))
        abort();
    if (loaded)
        (void)pl_pack_lexicon_each(p, look, variants(), NULL);
    pl_pack_free(p);
    return 0;
}
