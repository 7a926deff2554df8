/* Which model a verb is about: a file, a folder, a pack. */
#include "base/banned.h"

#include "base/file.h"
#include "base/str.h"
#include "cap/pack/pl_pack.h"
#include "cap/text/model_int.h"

#include <sys/stat.h>

const char *model_option(pl_cmd_ctx *c, const char *name)
{
    return c->opt(c->host, name);
}

int model_print_json(pl_cmd_ctx *c, json_t *o, int code)
{
    char    *text = o ? pl_json_dump(o) : NULL;
    pl_error err;

    json_decref(o);
    if (!text) {
        (void)pl_fail(&err, PL_NOMEM, "out of memory");
        return pl_cmd_fail(c, &err);
    }
    (void)fprintf(c->out, "%s\n", text);
    free(text);
    return code;
}

/* --- which model ---------------------------------------------------------------------------- */

void model_close(model_opened *o)
{
    pl_model_free(o->m);
    model_recipe_free(o->r);
    free(o->image);
    free(o->dir);
    *o = (model_opened){ 0 };
}

static bool is_dir(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool is_file(const char *dir, const char *name)
{
    char       *path = pl_path_join(dir, name);
    struct stat st;
    bool        yes = path && stat(path, &st) == 0 && S_ISREG(st.st_mode);

    free(path);
    return yes;
}

static char *pack_folder(const char *ref, pl_error *err)
{
    char       *shipped = pl_path_join(pl_datadir(), "packs"), *dir = NULL;
    const char *folders[] = { shipped, NULL };
    pl_pack    *p = NULL;

    if (pl_pack_open(ref, folders, &p, err) == PL_OK)
        dir = strdup(pl_pack_dir(p));
    pl_pack_free(p);
    free(shipped);
    return dir;
}

/* Whether an operand names a model: a folder with one, a file that is one, a pack. */
static bool names_model(const char *arg)
{
    pl_str      s = pl_str_z(arg);
    struct stat st;

    if (is_dir(arg))
        return is_file(arg, MODEL_FILE);
    if (pl_str_ends(s, PL_STR(".plm")))
        return true;
    return !strchr(arg, '/') && strcmp(arg, "-") != 0 && stat(arg, &st) != 0;
}

static pl_rc model_read(model_opened *o, const char *path, const char *recipe, pl_error *err)
{
    char *beside = pl_path_join(o->dir, MODEL_RECIPE);
    pl_rc rc = pl_file_read(path, MODEL_FILE_MAX, &o->image, &o->image_n, err);

    if (rc == PL_OK)
        rc = pl_model_open((pl_str){ o->image, o->image_n }, &o->m, err);
    if (rc == PL_OK && (recipe || is_file(o->dir, MODEL_RECIPE)))
        rc = model_recipe_open(recipe ? recipe : beside, &o->r, err);
    free(beside);
    return rc;
}

/* The first operand when it names a model (*used 1), else the default one. */
pl_rc model_open(pl_cmd_ctx *c, const char *recipe, model_opened *out, int *used, pl_error *err)
{
    const char *arg = c->argc > 0 && names_model(c->argv[0]) ? c->argv[0] : NULL;
    model_opened      o = { 0 };
    char       *path = NULL;
    pl_rc       rc;

    *used = arg != NULL;
    if (arg && pl_str_ends(pl_str_z(arg), PL_STR(".plm")) && !is_dir(arg)) {
        const char *slash = strrchr(arg, '/');

        o.dir = slash ? strndup(arg, (size_t)(slash - arg) + (slash == arg)) : strdup(".");
        path = strdup(arg);
    } else {
        o.dir = arg && is_dir(arg) ? strdup(arg) : pack_folder(arg ? arg : MODEL_PACK, err);
        if (!o.dir)
            return err->rc != PL_OK ? err->rc : pl_fail(err, PL_NOMEM, "out of memory");
        path = pl_path_join(o.dir, MODEL_FILE);
    }
    rc = path && o.dir ? model_read(&o, path, recipe, err)
                       : pl_fail(err, PL_NOMEM, "out of memory");
    free(path);
    if (rc != PL_OK) {
        model_close(&o);
        return rc;
    }
    *out = o;
    return PL_OK;
}
