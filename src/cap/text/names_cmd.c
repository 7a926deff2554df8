/* model train with a recipe of names: arguments to calls to output. */
#include "base/banned.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/str.h"
#include "cap/instance.h"
#include "cap/pack/pl_pack.h"
#include "cap/text/names_train.h"

#include <sys/stat.h>

#define CARD_FILE "card.json"

static pl_rc file_write(const char *dir, const char *name, pl_str content, pl_error *err)
{
    char *path = pl_path_join(dir, name);
    pl_rc rc = path ? pl_file_write_atomic(path, content, 0644, err)
                    : pl_fail(err, PL_NOMEM, "out of memory");

    free(path);
    return rc;
}

static pl_rc page_write(const char *dir, const char *name, const json_t *card, bool zh,
                        pl_error *err)
{
    pl_buf b = PL_BUF_INIT(1u << 20);
    pl_rc  rc;

    names_card_print(card, zh, &b);
    rc = pl_buf_check(&b, err);
    if (rc == PL_OK)
        rc = file_write(dir, name, pl_buf_str(&b), err);
    pl_buf_done(&b);
    return rc;
}

static pl_rc outputs_write(const char *dir, const names_fitted *f, const json_t *card,
                           pl_error *err)
{
    char *text = pl_json_pretty(card);
    pl_rc rc = text ? pl_mkdir_p(dir, 0755, err) : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc == PL_OK)
        rc = file_write(dir, NAMES_FILE, (pl_str){ f->image, f->n }, err);
    if (rc == PL_OK)
        rc = file_write(dir, CARD_FILE, pl_str_z(text), err);
    if (rc == PL_OK)
        rc = page_write(dir, "card.md", card, false, err);
    if (rc == PL_OK)
        rc = page_write(dir, "card.zh-CN.md", card, true, err);
    free(text);
    return rc;
}

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
        rc = outputs_write(out, &f, *card, err);
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
    char   *path = pl_path_join(dir, NAMES_FILE), *card = pl_path_join(dir, CARD_FILE);
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
