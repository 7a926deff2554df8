/* Templates of documents: found, read, checked. */
#include "base/banned.h"

#include "base/file.h"
#include "base/str.h"
#include "base/yaml.h"
#include "cap/disclosure/disclosure_int.h"
#include "cap/pack/pl_pack.h"

#include <dirent.h>

static pl_rc bad(const char *where, const char *what, pl_error *err)
{
    return pl_fail(err, PL_INVALID, "%.100s: %.140s", where, what);
}

static bool both(const json_t *o)
{
    return json_string_length(json_object_get(o, "zh")) > 0 && json_string_length(json_object_get(o, "en")) > 0;
}

/* "path", {path, zh?, en?}, or {ask: {zh, en}} for what no record holds. */
static pl_rc field_check(const json_t *f, const char *where, pl_error *err)
{
    static const char *const allowed[] = { "path", "zh", "en", "ask", "tag", NULL };

    if (json_is_string(f))
        return PL_OK;
    if (pl_json_only(f, allowed, err) != PL_OK)
        return bad(where, "a field has a key nobody knows", err);
    if (json_object_get(f, "ask") != NULL)
        return both(json_object_get(f, "ask")) ? PL_OK : bad(where, "'ask' needs 'zh' and 'en'", err);
    if (!json_is_string(json_object_get(f, "path")))
        return bad(where, "a field needs 'path' or 'ask'", err);
    return PL_OK;
}

static pl_rc fields_check(const json_t *list, const char *where, pl_error *err)
{
    const json_t *one;
    size_t        i;
    pl_rc         rc = PL_OK;

    json_array_foreach((json_t *)(uintptr_t)list, i, one) {
        rc = field_check(one, where, err);
        if (rc != PL_OK)
            break;
    }
    return rc;
}

static pl_rc section_check(const json_t *s, const char *where, pl_error *err)
{
    static const char *const allowed[] = { "title", "text", "fields", "table", NULL };
    static const char *const in_table[] = { "of", "columns", "caption", NULL };
    const json_t            *table = json_object_get(s, "table");
    pl_rc                    rc;

    if (pl_json_only(s, allowed, err) != PL_OK || !both(json_object_get(s, "title")))
        return bad(where, "a section needs 'title' in both languages, and only keys that are known", err);
    if (json_object_get(s, "text") != NULL && !both(json_object_get(s, "text")))
        return bad(where, "'text' needs 'zh' and 'en'", err);
    rc = fields_check(json_object_get(s, "fields"), where, err);
    if (rc != PL_OK || table == NULL)
        return rc;
    if (pl_json_only(table, in_table, err) != PL_OK || !json_is_string(json_object_get(table, "of")) ||
        json_array_size(json_object_get(table, "columns")) == 0)
        return bad(where, "a table needs 'of' and 'columns'", err);
    return fields_check(json_object_get(table, "columns"), where, err);
}

pl_rc disclosure_template_check(const json_t *t, const char *where, pl_error *err)
{
    static const char *const allowed[] = { "id", "title", "kind", "notice", "sections", "source", "tag", NULL };
    const json_t            *sections = json_object_get(t, "sections"), *one;
    size_t                   i;
    pl_rc                    rc = PL_OK;

    if (!json_is_object(t) || pl_json_only(t, allowed, err) != PL_OK)
        return bad(where, "a template has a key nobody knows", err);
    if (!json_is_string(json_object_get(t, "id")) || !json_is_string(json_object_get(t, "kind")) ||
        !both(json_object_get(t, "title")) || json_array_size(sections) == 0)
        return bad(where, "a template needs 'id', 'kind', 'title' in both languages and 'sections'", err);
    if (json_object_get(t, "notice") != NULL && !both(json_object_get(t, "notice")))
        return bad(where, "'notice' needs 'zh' and 'en'", err);
    json_array_foreach((json_t *)(uintptr_t)sections, i, one) {
        rc = section_check(one, where, err);
        if (rc != PL_OK)
            break;
    }
    return rc;
}

/* --- looking for them ------------------------------------------------------------------------- */

typedef pl_rc (*template_fn)(void *ctx, const json_t *t, const char *pack, pl_error *err);

static int is_yaml(const struct dirent *e)
{
    return pl_str_ends(pl_str_z(e->d_name), PL_STR(".yaml"));
}

static int no_dots(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

static pl_rc file_visit(const char *dir, const char *name, const char *pack, template_fn fn, void *ctx,
                        pl_error *err)
{
    char    path[1900], where[500];
    json_t *tree = NULL;
    pl_rc   rc;

    (void)snprintf(path, sizeof path, "%s/documents/%s", dir, name);
    (void)snprintf(where, sizeof where, "%s/documents/%s", pack, name);
    rc = pl_yaml_load(path, &tree, err);
    if (rc == PL_OK)
        rc = disclosure_template_check(tree, where, err);
    if (rc == PL_OK)
        rc = fn(ctx, tree, pack, err);
    json_decref(tree);
    return rc;
}

static pl_rc pack_visit(const char *dir, template_fn fn, void *ctx, pl_error *err)
{
    char            folder[1600], ref[140];
    struct dirent **names = NULL;
    pl_pack        *pack = NULL;
    pl_rc           rc = PL_OK;
    int             n;

    (void)snprintf(folder, sizeof folder, "%s/documents", dir);
    n = scandir(folder, &names, is_yaml, alphasort);
    if (n > 0)
        rc = pl_pack_open(dir, NULL, &pack, err);
    if (rc == PL_OK && pack != NULL)
        (void)snprintf(ref, sizeof ref, PL_STR_FMT "@" PL_STR_FMT, PL_STR_ARG(pl_pack_id(pack)),
                       PL_STR_ARG(pl_pack_version(pack)));
    for (int i = 0; i < n; i++) {
        if (rc == PL_OK)
            rc = file_visit(dir, names[i]->d_name, ref, fn, ctx, err);
        free(names[i]);
    }
    free(names);
    pl_pack_free(pack);
    return rc;
}

static pl_rc folder_visit(const char *folder, template_fn fn, void *ctx, pl_error *err)
{
    struct dirent **names = NULL;
    int             n = scandir(folder, &names, no_dots, alphasort);
    pl_rc           rc = PL_OK;

    for (int i = 0; i < n; i++) {
        char dir[1400];

        (void)snprintf(dir, sizeof dir, "%s/%s", folder, names[i]->d_name);
        if (rc == PL_OK)
            rc = pack_visit(dir, fn, ctx, err);
        free(names[i]);
    }
    free(names);
    return rc;
}

static pl_rc each_template(const pl_instance *i, template_fn fn, void *ctx, pl_error *err)
{
    char *own = pl_instance_path(i, "packs"), *installed = pl_path_join(pl_datadir(), "packs");
    pl_rc rc = own && installed ? folder_visit(own, fn, ctx, err) : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc == PL_OK)
        rc = folder_visit(installed, fn, ctx, err);
    free(own);
    free(installed);
    return rc;
}

typedef struct search {
    pl_str  id;
    json_t *found;
    char    pack[140];
} search;

/* The first one counts: packs of the instance stand before those installed. */
static pl_rc match(void *ctx, const json_t *t, const char *pack, pl_error *err)
{
    search *s = ctx;

    if (s->found != NULL || !pl_str_eqz(s->id, json_string_value(json_object_get(t, "id"))))
        return PL_OK;
    (void)snprintf(s->pack, sizeof s->pack, "%s", pack);
    s->found = json_deep_copy(t);
    return s->found ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");
}

pl_rc disclosure_template_load(const pl_instance *i, pl_str id, json_t **out, char pack[140], pl_error *err)
{
    search s = { .id = id };
    pl_rc  rc = each_template(i, match, &s, err);

    if (rc == PL_OK && s.found == NULL)
        rc = pl_fail(err, PL_NOTFOUND, "there is no document '%.*s'", (int)(id.n < 60 ? id.n : 60), id.p);
    if (rc != PL_OK) {
        json_decref(s.found);
        return rc;
    }
    memcpy(pack, s.pack, sizeof s.pack);
    *out = s.found;
    return PL_OK;
}

static pl_rc list(void *ctx, const json_t *t, const char *pack, pl_error *err)
{
    const json_t *title = json_object_get(t, "title");
    json_t       *o = json_pack("{s:O, s:O, s:s, s:O, s:O}", "id", json_object_get(t, "id"), "kind",
                                json_object_get(t, "kind"), "pack", pack, "zh", json_object_get(title, "zh"), "en",
                                json_object_get(title, "en"));

    return o && json_array_append_new(ctx, o) == 0 ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");
}

pl_rc disclosure_template_list(const pl_instance *i, json_t **out, pl_error *err)
{
    json_t *a = json_array();
    pl_rc   rc = a ? each_template(i, list, a, err) : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc != PL_OK)
        json_decref(a);
    else
        *out = a;
    return rc;
}
