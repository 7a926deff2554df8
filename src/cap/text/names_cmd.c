/* model train with a recipe of names: arguments to calls to output. */
#include "base/banned.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/str.h"
#include "cap/instance.h"
#include "cap/pack/pl_pack.h"
#include "cap/text/model_int.h"
#include "cap/text/names_train.h"

#include <sys/stat.h>

static pl_rc train(const char *path, const char *data, const char *out, json_t **card,
                   pl_error *err)
{
    names_recipe *r = NULL;
    names_data    d = { 0 };
    names_fitted  f = { 0 };
    pl_names     *m = NULL;
    json_t       *results = NULL;
    pl_rc         rc = names_recipe_open(path, &r, err);

    if (rc == PL_OK)
        rc = names_recipe_read(r, data ? data : ".", &d, err);
    if (rc == PL_OK)
        rc = names_fit(r, &d, &f, err);
    if (rc == PL_OK)
        rc = pl_names_open((pl_str){ f.image, f.n }, &m, err);
    if (rc == PL_OK)
        rc = names_measure(m, r, &d, &results, err);
    if (rc == PL_OK && !(*card = names_card_make(r, &d, &f, results)))
        rc = pl_fail(err, PL_NOMEM, "out of memory");
    if (rc == PL_OK)
        rc = model_outputs_write(out, NAMES_FILE, (pl_str){ f.image, f.n }, *card, names_card_print, err);
    json_decref(results);
    pl_names_free(m);
    free(f.image);
    names_data_free(&d);
    names_recipe_free(r);
    return rc;
}

int names_cmd_train(pl_cmd_ctx *c)
{
    const char *out = c->opt(c->host, "output");
    json_t     *card = NULL;
    char       *text;
    pl_error    err = { 0 };

    if (train(c->argv[0], c->opt(c->host, "data"), out, &card, &err) != PL_OK) {
        json_decref(card);
        return pl_cmd_fail(c, &err);
    }
    text = c->json ? pl_json_dump(card) : NULL;
    if (text)
        (void)fprintf(c->out, "%s\n", text);
    else
        (void)fprintf(c->out, pl_cmd_say(c, "%s/" NAMES_FILE " written\n", "已写入 %s/" NAMES_FILE "\n"),
                      out);
    free(text);
    json_decref(card);
    return PL_EXIT_OK;
}

/* --- card ------------------------------------------------------------------------------------ */

/* The folder an operand names, if it holds a model of names; malloc'd. */
static char *folder_of(const char *arg)
{
    char       *shipped = pl_path_join(pl_datadir(), "packs"), *dir = NULL, *file;
    const char *folders[] = { shipped, NULL };
    pl_pack    *p = NULL;
    struct stat st;

    if (stat(arg, &st) == 0 && S_ISDIR(st.st_mode))
        dir = strdup(arg);
    else if (!strchr(arg, '/') && pl_pack_open(arg, folders, &p, NULL) == PL_OK)
        dir = strdup(pl_pack_dir(p));
    pl_pack_free(p);
    free(shipped);
    file = dir ? pl_path_join(dir, NAMES_FILE) : NULL;
    if (!file || stat(file, &st) != 0) {
        free(dir);
        dir = NULL;
    }
    free(file);
    return dir;
}

bool names_cmd_has(const char *arg)
{
    char *dir = folder_of(arg);
    bool  has = dir != NULL;

    free(dir);
    return has;
}

/* PL_CONFLICT: the card is of another file. */
static pl_rc card_read(const char *dir, json_t **out, pl_error *err)
{
    char   *path = pl_path_join(dir, NAMES_FILE), *card = pl_path_join(dir, MODEL_CARD);
    char   *image = NULL, *text = NULL, hex[65];
    size_t  n = 0, text_n = 0;
    uint8_t digest[32];
    json_t *doc = NULL;
    pl_rc   rc = path && card ? pl_file_read(path, NAMES_TEXT_MAX, &image, &n, err)
                              : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc == PL_OK)
        rc = pl_file_read(card, NAMES_TEXT_MAX, &text, &text_n, err);
    if (rc == PL_OK)
        rc = pl_json_parse((pl_str){ text, text_n }, card, &doc, err);
    if (rc == PL_OK) {
        const char *of = json_string_value(json_object_get(doc, "sha256"));

        pl_sha256_of((pl_str){ image, n }, digest);
        pl_hex(digest, sizeof digest, hex);
        if (!of || strcmp(of, hex) != 0)
            rc = pl_fail(err, PL_CONFLICT, "%s is the card of another file", card);
    }
    free(path);
    free(card);
    free(image);
    free(text);
    if (rc != PL_OK) {
        json_decref(doc);
        return rc;
    }
    *out = doc;
    return PL_OK;
}

int names_cmd_card(pl_cmd_ctx *c)
{
    char    *dir = folder_of(c->argv[0]);
    json_t  *card = NULL;
    pl_buf   page = PL_BUF_INIT(1u << 20);
    pl_error err = { 0 };
    pl_rc    rc = dir ? card_read(dir, &card, &err)
                      : pl_fail(&err, PL_NOTFOUND, "no model '%.200s'", c->argv[0]);
    int      code = PL_EXIT_OK;
    char    *text;

    free(dir);
    if (rc != PL_OK) {
        code = pl_cmd_fail(c, &err);
        return rc == PL_CONFLICT ? PL_EXIT_FOUND : code;
    }
    if (c->json && (text = pl_json_dump(card))) {
        (void)fprintf(c->out, "%s\n", text);
        free(text);
    } else {
        names_card_print(card, strcmp(c->lang, "zh-CN") == 0, &page);
        (void)fwrite(page.p ? page.p : "", 1, page.n, c->out);
    }
    pl_buf_done(&page);
    json_decref(card);
    return code;
}

/* --- test ------------------------------------------------------------------------------------ */

typedef struct testing {
    char         *dir, *image;
    size_t        n;
    pl_names     *m;
    names_recipe *r;
    names_data    d;
} testing;

static void testing_done(testing *t)
{
    names_data_free(&t->d);
    names_recipe_free(t->r);
    pl_names_free(t->m);
    free(t->image);
    free(t->dir);
}

static pl_rc testing_open(testing *t, const char *arg, const char *recipe, pl_error *err)
{
    char *path = (t->dir = folder_of(arg)) ? pl_path_join(t->dir, NAMES_FILE) : NULL;
    char *beside = t->dir ? pl_path_join(t->dir, "recipe.yaml") : NULL;
    pl_rc rc = path && beside ? pl_file_read(path, NAMES_TEXT_MAX, &t->image, &t->n, err)
                              : pl_fail(err, PL_NOTFOUND, "no model '%.200s'", arg);

    if (rc == PL_OK)
        rc = pl_names_open((pl_str){ t->image, t->n }, &t->m, err);
    if (rc == PL_OK)
        rc = names_recipe_open(recipe ? recipe : beside, &t->r, err);
    free(path);
    free(beside);
    return rc;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* All records of a file whose name a set of the recipe has, as held out. PL_NOTFOUND: none has it. */
static pl_rc file_test(testing *t, const char *path, pl_error *err)
{
    const json_t *sets = json_object_get(t->r->doc, "sets");
    size_t        i, made = json_array_size(json_object_get(t->r->doc, "made"));
    json_t       *set;

    json_array_foreach ((json_t *)(uintptr_t)sets, i, set) {
        const char *file = json_string_value(json_object_get(set, "file"));
        json_t     *whole;
        char       *dir;
        pl_rc       rc;

        if (!file || strcmp(base_name(file), base_name(path)) != 0 || names_set_is_natural(set))
            continue;
        whole = json_copy(set);
        (void)json_object_set_new(whole, "file", json_string(base_name(path)));
        (void)json_object_set_new(whole, "use", json_string("test"));
        dir = base_name(path) == path ? strdup(".")
                                      : strndup(path, (size_t)(base_name(path) - path));
        rc = dir ? names_set_read(t->r, whole, (uint16_t)(made + i), dir, &t->d, err)
                 : pl_fail(err, PL_NOMEM, "out of memory");
        free(dir);
        json_decref(whole);
        return rc;
    }
    return pl_fail(err, PL_NOTFOUND, "%s: no set of the recipe has a file of this name", path);
}

int names_cmd_test(pl_cmd_ctx *c)
{
    testing  t = { 0 };
    json_t  *rows = NULL, *doc;
    pl_buf   page = PL_BUF_INIT(1u << 20);
    pl_error err = { 0 };
    pl_rc    rc = testing_open(&t, c->argv[0], c->opt(c->host, "recipe"), &err);
    int      code = PL_EXIT_OK;
    char    *text = NULL;

    if (rc == PL_OK && c->argc < 2)
        rc = pl_fail(&err, PL_INVALID, "no file to test with");
    for (int i = 1; rc == PL_OK && i < c->argc; i++)
        rc = file_test(&t, c->argv[i], &err);
    if (rc == PL_OK)
        rc = names_measure(t.m, t.r, &t.d, &rows, &err);
    if (rc != PL_OK) {
        code = pl_cmd_fail(c, &err);
        code = rc == PL_NOTFOUND && t.r ? PL_EXIT_INCONCLUSIVE : code;
    } else if (c->json) {
        doc = json_pack("{s:O}", "results", rows);
        text = pl_json_dump(doc);
        json_decref(doc);
        (void)fprintf(c->out, "%s\n", text ? text : "");
    } else {
        names_results_print(rows, strcmp(c->lang, "zh-CN") == 0, &page);
        (void)fwrite(page.p ? page.p : "", 1, page.n, c->out);
    }
    free(text);
    json_decref(rows);
    pl_buf_done(&page);
    testing_done(&t);
    return code;
}
