/* A recipe of names: which texts are learnt from. docs/formats/names.md, "Recipe". */
#include "base/banned.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/str.h"
#include "base/utf8.h"
#include "base/yaml.h"
#include "base/yaml_at.h"
#include "cap/text/names_train.h"

enum { FILES_MAX = 8 };

/* --- checking ----------------------------------------------------------------------------------- */

static pl_rc bad(const char *path, pl_str text, const char *pointer, const char *what,
                 const char *name, pl_error *err)
{
    return pl_yaml_fail(err, text, path, pointer, "%s '%.80s'", what, name);
}

static const char *text_at(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));

    return s ? s : "";
}

static pl_rc list_check(const names_recipe *r, pl_str text, const char *list,
                        const char *const *known, const char *const *needed, pl_error *err)
{
    const json_t *rows = json_object_get(r->doc, list), *row;
    size_t        i;

    json_array_foreach((json_t *)(uintptr_t)rows, i, row) {
        char        pointer[48];
        const char *key;
        json_t     *v;

        (void)snprintf(pointer, sizeof pointer, "/%s/%zu", list, i);
        json_object_foreach((json_t *)(uintptr_t)row, key, v) {
            size_t k = 0;

            while (known[k] && strcmp(known[k], key) != 0)
                k++;
            if (!known[k])
                return bad(r->path, text, pointer, "unknown key", key, err);
        }
        for (size_t k = 0; needed[k]; k++)
            if (!json_object_get(row, needed[k]))
                return bad(r->path, text, pointer, "missing key", needed[k], err);
    }
    return PL_OK;
}

static pl_rc recipe_check(const names_recipe *r, pl_str text, pl_error *err)
{
    static const char *const made[] = { "id", "rules", "from", "times", "use", "note", NULL };
    static const char *const made_needs[] = { "id", "rules", "from", "times", NULL };
    static const char *const sets[] = { "id", "file", "licence", "source", "note", "text", "spans",
                                        "start", "end", "type", "names", "addresses", "group",
                                        "times", "use", "pronouns", "most", "when", NULL };
    static const char *const sets_needs[] = { "id", "file", "licence", "source", "text", NULL };
    pl_rc rc = list_check(r, text, "made", made, made_needs, err);

    if (rc == PL_OK)
        rc = list_check(r, text, "sets", sets, sets_needs, err);
    if (rc == PL_OK && !json_is_array(json_object_get(r->doc, "classes")))
        rc = bad(r->path, text, "", "missing key", "classes", err);
    return rc;
}

bool names_recipe_is(const char *path)
{
    json_t *doc = NULL;
    bool    yes = pl_yaml_load(path, &doc, NULL) == PL_OK && strcmp(text_at(doc, "kind"), "names") == 0;

    json_decref(doc);
    return yes;
}

pl_rc names_recipe_open(const char *path, names_recipe **out, pl_error *err)
{
    names_recipe *r = calloc(1, sizeof *r);
    char         *text = NULL;
    uint8_t       digest[32];
    size_t        n = 0;
    pl_rc         rc;

    if (!r || !(r->path = strdup(path))) {
        free(r);
        return pl_fail(err, PL_NOMEM, "out of memory");
    }
    rc = pl_file_read(path, PL_YAML_MAX, &text, &n, err);
    if (rc == PL_OK)
        rc = pl_yaml_parse((pl_str){ text, n }, path, &r->doc, err);
    if (rc == PL_OK) {
        pl_sha256_of((pl_str){ text, n }, digest);
        pl_hex(digest, sizeof digest, r->sha256);
        rc = recipe_check(r, (pl_str){ text, n }, err);
    }
    free(text);
    if (rc != PL_OK) {
        names_recipe_free(r);
        return rc;
    }
    *out = r;
    return PL_OK;
}

void names_recipe_free(names_recipe *r)
{
    if (!r)
        return;
    json_decref(r->doc);
    free(r->path);
    free(r);
}

/* --- rules ---------------------------------------------------------------------------------------- */

static char *beside(const names_recipe *r, const char *file)
{
    const char *slash = strrchr(r->path, '/');
    char       *dir = slash ? strndup(r->path, (size_t)(slash - r->path) + 1) : strdup("./");
    char       *path = dir ? pl_path_join(dir, file) : NULL;

    free(dir);
    return path;
}

pl_rc names_recipe_grammar(const names_recipe *r, const json_t *files, names_grammar **out,
                           pl_error *err)
{
    char         *path[FILES_MAX] = { 0 };
    size_t        n = 0, i;
    const json_t *v;
    pl_rc         rc = PL_OK;

    json_array_foreach((json_t *)(uintptr_t)files, i, v)
        if (n < FILES_MAX && json_is_string(v) && !(path[n++] = beside(r, json_string_value(v))))
            rc = pl_fail(err, PL_NOMEM, "out of memory");
    if (rc == PL_OK)
        rc = names_grammar_new((const char *const *)path, n, out, err);
    for (i = 0; i < n; i++)
        free(path[i]);
    return rc;
}

static void class_put(uint8_t *classes, pl_str item, uint8_t class)
{
    uint32_t cp;

    if (pl_utf8_decode(item, &cp) > 0 && cp < NAMES_CLASSES)
        classes[cp] |= class;
}

pl_rc names_recipe_classes(const names_recipe *r, uint8_t *classes, pl_error *err)
{
    static const struct {
        const char *list;
        uint8_t     class;
    } kinds[] = { { "surname", NAMES_SURNAME },     { "double", NAMES_SURNAME | NAMES_DOUBLE },
                  { "prefix", NAMES_PREFIX },       { "sound", NAMES_SOUND },
                  { "honorific", NAMES_HONORIFIC }, { "house", NAMES_HOUSE },
                  { "doubled", NAMES_DOUBLED } };
    names_grammar *g = NULL;
    pl_rc          rc = names_recipe_grammar(r, json_object_get(r->doc, "classes"), &g, err);

    memset(classes, 0, NAMES_CLASSES);
    for (size_t k = 0; rc == PL_OK && k < sizeof kinds / sizeof *kinds; k++) {
        size_t        n;
        const pl_str *items = names_grammar_list(g, kinds[k].list, &n);

        for (size_t i = 0; i < n; i++)
            class_put(classes, items[i], kinds[k].class);
        if (n == 0)
            rc = pl_fail(err, PL_INVALID, "%s: no list '%s'", r->path, kinds[k].list);
    }
    names_grammar_free(g);
    return rc;
}

static pl_rc made_read(const names_recipe *r, const json_t *made, uint16_t id, names_data *d,
                       pl_error *err)
{
    names_grammar *g = NULL;
    json_int_t     times = json_integer_value(json_object_get(made, "times"));
    names_random   random = { 0x5eed + id };
    pl_rc          rc = names_recipe_grammar(r, json_object_get(made, "rules"), &g, err);

    for (json_int_t i = 0; rc == PL_OK && i < times; i++) {
        names_example e;

        rc = names_grammar_make(g, text_at(made, "from"), &random, &e, err);
        if (rc != PL_OK)
            break;
        e.set = id;
        e.use = (uint8_t)names_set_use(made, (uint64_t)i);
        rc = names_data_add(d, &e, err);
    }
    names_grammar_free(g);
    return rc;
}

/* --- the whole ----------------------------------------------------------------------------------- */

pl_rc names_recipe_read(const names_recipe *r, const char *data, names_data *d, pl_error *err)
{
    const json_t *made = json_object_get(r->doc, "made"), *sets = json_object_get(r->doc, "sets");
    size_t        i;
    json_t       *row;
    pl_rc         rc = PL_OK;

    json_array_foreach((json_t *)(uintptr_t)made, i, row)
        if (rc == PL_OK)
            rc = made_read(r, row, (uint16_t)i, d, err);
    json_array_foreach((json_t *)(uintptr_t)sets, i, row)
        if (rc == PL_OK)
            rc = names_set_read(r, row, (uint16_t)(json_array_size(made) + i), data, d, err);
    return rc;
}
