/* A pack from arbitrary bytes: up to the first NUL the manifest, the rest the entries.
 * Property: the loader accepts exactly what the linter finds no error in, and every view
 * of an accepted entry is non-empty UTF-8. */
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

static pl_rc look(void *ctx, const pl_lexicon_entry *e, pl_error *err)
{
    (void)ctx, (void)err;
    if (e->id.n == 0 || e->text.n == 0 || e->severity < 1 || e->severity > 4 ||
        !pl_utf8_valid(e->text))
        abort();
    return PL_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = size > 0 ? memchr(data, 0, size) : NULL;
    size_t         head = nul != NULL ? (size_t)(nul - data) : size;
    json_t        *problems = NULL, *one;
    size_t         errors = 0, i;
    pl_pack       *p = NULL;
    bool           loaded;

    put("pack.yaml", data, head);
    put("entries.tsv", nul != NULL ? nul + 1 : data, nul != NULL ? size - head - 1 : 0);
    if (pl_pack_lint(folder(), &problems, NULL) != PL_OK)
        abort();
    json_array_foreach(problems, i, one)
        errors += strcmp(json_string_value(json_object_get(one, "severity")), "error") == 0;
    json_decref(problems);
    loaded = pl_pack_open(folder(), NULL, &p, NULL) == PL_OK;
    if (loaded != (errors == 0))
        abort();
    if (loaded)
        (void)pl_pack_lexicon_each(p, look, NULL, NULL);
    pl_pack_free(p);
    return 0;
}
