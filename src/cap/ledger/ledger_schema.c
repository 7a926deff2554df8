/* Schemas of predicates: data, one file per kind, below the data folder. */
#include "base/banned.h"

#include "base/file.h"
#include "base/jsonschema.h"
#include "base/str.h"
#include "cap/instance.h"
#include "cap/ledger/ledger_int.h"

#include <dirent.h>

#define SCHEMA_MAX (256u << 10)
#define KINDS_MAX  256

/* "guard-stop" of ".../predicate/guard-stop/v1"; also keeps the file name harmless. */
static bool kind_is_name(pl_str kind)
{
    if (kind.n == 0 || kind.n > 64 || kind.p[0] == '-')
        return false;
    for (size_t i = 0; i < kind.n; i++)
        if (!((kind.p[i] >= 'a' && kind.p[i] <= 'z') || kind.p[i] == '-'))
            return false;
    return true;
}

static bool kind_of(pl_str type, pl_str *kind)
{
    const pl_str base = PL_STR(PL_PREDICATE_BASE), version = PL_STR("/v1");

    if (!pl_str_starts(type, base) || !pl_str_ends(type, version) ||
        type.n <= base.n + version.n)
        return false;
    *kind = (pl_str){ type.p + base.n, type.n - base.n - version.n };
    return kind_is_name(*kind);
}

pl_rc pl_ledger_schema_load(pl_str kind, json_t **out, pl_error *err)
{
    char   path[1300], *text = NULL;
    size_t n = 0;
    pl_rc  rc;

    if (!kind_is_name(kind))
        return pl_fail(err, PL_NOTFOUND, "no such kind of statement");
    (void)snprintf(path, sizeof(path), "%s/schema/" PL_STR_FMT ".json", pl_datadir(),
                   PL_STR_ARG(kind));
    rc = pl_file_read(path, SCHEMA_MAX, &text, &n, err);
    if (rc == PL_NOTFOUND)
        return pl_fail(err, PL_NOTFOUND, "no schema for statements of kind '" PL_STR_FMT "'",
                       PL_STR_ARG(kind));
    if (rc == PL_OK)
        rc = pl_json_parse((pl_str){ text, n }, path, out, err);
    free(text);
    return rc;
}

pl_rc pl_predicate_check(pl_str type, const json_t *predicate, pl_error *err)
{
    pl_str  kind;
    json_t *schema = NULL;
    pl_rc   rc = kind_of(type, &kind)
                     ? pl_ledger_schema_load(kind, &schema, err)
                     : pl_fail(err, PL_NOTFOUND, "no schema for predicates of type '%.120s'",
                               type.n > 0 ? type.p : "");

    if (rc == PL_OK)
        rc = pl_jsonschema_check(schema, predicate, PL_SCHEMA_CLOSED, err);
    json_decref(schema);
    return rc;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names of the files in the folder, sorted, without their ending. */
static json_t *names_json(char **names, size_t n)
{
    json_t *a = json_array();

    qsort(names, n, sizeof(*names), by_name);
    for (size_t i = 0; i < n; i++) {
        (void)json_array_append_new(a, json_string(names[i]));
        free(names[i]);
    }
    return a;
}

json_t *pl_ledger_schema_kinds(void)
{
    char           path[1300], *names[KINDS_MAX];
    size_t         n = 0;
    DIR           *d;
    struct dirent *e;

    (void)snprintf(path, sizeof(path), "%s/schema", pl_datadir());
    d = opendir(path);
    while (d != NULL && n < KINDS_MAX && (e = readdir(d)) != NULL) {
        pl_str name = pl_str_z(e->d_name);

        if (!pl_str_ends(name, PL_STR(".json")))
            continue;
        name.n -= sizeof(".json") - 1;
        names[n] = kind_is_name(name) ? pl_str_dup(name) : NULL;
        n += names[n] != NULL;
    }
    if (d != NULL)
        (void)closedir(d);
    return names_json(names, n);
}
