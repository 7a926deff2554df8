/* crosswalk.yaml: duties and controls that stand beside each other. */
#include "base/banned.h"

#include "base/str.h"
#include "base/yaml.h"
#include "cap/pack/pack_int.h"

#define CROSSWALK "crosswalk.yaml"

/* What ids of rows can mean: {"ID" or "PACK:ID": {"pack","title"}} of the packs below the folders. */
typedef struct naming {
    json_t     *names;
    const char *id, *ref; /* of the pack that is being read */
} naming;

static pl_rc taxon_name(void *ctx, const pl_taxon *t, pl_error *err)
{
    naming *n = ctx;
    char    key[256];

    (void)snprintf(key, sizeof key, "%s:" PL_STR_FMT, n->id, PL_STR_ARG(t->id));
    if (json_object_set_new(n->names, key,
                            json_pack("{s:s, s:{s:s%, s:s%}}", "pack", n->ref, "title", "zh", t->zh.p, t->zh.n,
                                      "en", t->en.p, t->en.n)) != 0)
        return pl_fail(err, PL_NOMEM, "out of memory");
    return PL_OK;
}

/* Duties of a pack; versions of one instrument share ids, and the last one read names them. */
static void duties_name(naming *n, const char *dir)
{
    char        path[1400];
    json_t     *tree = NULL, *v;
    const char *id;

    (void)snprintf(path, sizeof path, "%s/obligations.yaml", dir);
    if (pl_yaml_load(path, &tree, NULL) == PL_OK)
        json_object_foreach(json_object_get(tree, "obligations"), id, v)
            (void)json_object_set_new(n->names, id, json_pack("{s:s, s:O?}", "pack", n->ref, "title",
                                                              json_object_get(v, "title")));
    json_decref(tree);
}

static pl_rc pack_name(naming *n, const json_t *manifest, pl_error *err)
{
    const char *dir = pack_text(manifest, "path");
    pl_pack    *p = NULL;
    char        ref[160];
    pl_rc       rc = PL_OK;

    (void)snprintf(ref, sizeof ref, "%s@%s", pack_text(manifest, "id"), pack_text(manifest, "version"));
    n->id = pack_text(manifest, "id");
    n->ref = ref;
    duties_name(n, dir);
    if (strcmp(pack_text(manifest, "kind"), "taxonomy") == 0 && pl_pack_open(dir, NULL, &p, err) == PL_OK)
        rc = pl_pack_taxonomy_each(p, taxon_name, n, err);
    pl_pack_free(p);
    return rc;
}

static pl_rc names_read(const json_t *packs, json_t **out, pl_error *err)
{
    naming        n = { .names = json_object() };
    const json_t *m;
    size_t        i;
    pl_rc         rc = n.names != NULL ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");

    json_array_foreach(packs, i, m)
        if (rc == PL_OK && json_object_get(m, "error") == NULL)
            rc = pack_name(&n, m, err);
    *out = n.names;
    return rc;
}

/* --- reading ------------------------------------------------------------------------------- */

static bool row_has(const json_t *row, const char *what)
{
    const json_t *v;
    size_t        i;

    if (strcasecmp(pack_text(row, "theme"), what) == 0)
        return true;
    json_array_foreach(json_object_get(row, "ids"), i, v)
        if (strcmp(json_string_value(v) != NULL ? json_string_value(v) : "", what) == 0)
            return true;
    return false;
}

static json_t *row_out(const json_t *row, const char *ref, const json_t *names)
{
    json_t       *ids = json_array();
    const json_t *v;
    size_t        i;

    json_array_foreach(json_object_get(row, "ids"), i, v) {
        json_t *named = json_object_get(names, json_string_value(v));
        json_t *one = named != NULL ? json_copy(named) : json_object();

        (void)json_object_set_new(one, "id", json_copy((json_t *)(uintptr_t)v));
        (void)json_array_append_new(ids, one);
    }
    return json_pack("{s:s, s:s, s:s, s:o, s:O*, s:O*}", "crosswalk", ref, "theme", pack_text(row, "theme"),
                     "relation", pack_text(row, "relation"), "ids", ids, "note", json_object_get(row, "note"),
                     "evidence", json_object_get(row, "evidence"));
}

/* Rows of one crosswalk; only those of what has been checked when it was installed. */
static void rows_add(const json_t *manifest, const char *what, const json_t *names, json_t *out)
{
    char    path[1400], ref[160];
    json_t *tree = NULL, *row;
    size_t  i;

    (void)snprintf(path, sizeof path, "%s/" CROSSWALK, pack_text(manifest, "path"));
    (void)snprintf(ref, sizeof ref, "%s@%s", pack_text(manifest, "id"), pack_text(manifest, "version"));
    if (pl_yaml_load(path, &tree, NULL) == PL_OK)
        json_array_foreach(json_object_get(tree, "rows"), i, row)
            if (row_has(row, what))
                (void)json_array_append_new(out, row_out(row, ref, names));
    json_decref(tree);
}

pl_rc pl_pack_crosswalk(const char *what, const char *const *folders, json_t **out, pl_error *err)
{
    json_t       *packs = NULL, *names = NULL;
    const json_t *m;
    size_t        i;
    pl_rc         rc = pl_pack_list(folders, &packs, err);

    *out = json_array();
    if (rc == PL_OK)
        rc = names_read(packs, &names, err);
    if (rc == PL_OK)
        json_array_foreach(packs, i, m)
            rows_add(m, what, names, *out);
    json_decref(names);
    json_decref(packs);
    if (rc != PL_OK) {
        json_decref(*out);
        *out = NULL;
    }
    return rc;
}

/* --- checking ------------------------------------------------------------------------------ */

/* The instrument of an id may be one that is not installed: a warning. */
static void ids_check(const json_t *tree, const json_t *names, pack_report *r)
{
    const json_t *row, *v;
    size_t        i, k;

    json_array_foreach(json_object_get(tree, "rows"), i, row)
        json_array_foreach(json_object_get(row, "ids"), k, v)
            if (json_object_get(names, json_string_value(v)) == NULL)
                pack_problem(r, PACK_WARNING, CROSSWALK, 0, "'%s': no pack that is here has '%s'",
                             pack_text(row, "theme"), json_string_value(v));
}

void pack_crosswalk_check(const pl_pack *p, const char *const *folders, pack_report *r)
{
    char     path[1400];
    json_t  *packs = NULL, *names = NULL, *tree = NULL;
    pl_error err = { 0 };

    if (!pack_files_has(p, CROSSWALK))
        return;
    (void)snprintf(path, sizeof path, "%s/" CROSSWALK, p->dir);
    if (pl_pack_list(folders, &packs, &err) == PL_OK && names_read(packs, &names, &err) == PL_OK &&
        pl_yaml_load(path, &tree, &err) == PL_OK)
        ids_check(tree, names, r);
    else
        pack_problem(r, PACK_ERROR, CROSSWALK, 0, "%s", err.text);
    json_decref(tree);
    json_decref(names);
    json_decref(packs);
}

/* --- the verb ------------------------------------------------------------------------------- */

static void row_print(pl_cmd_ctx *c, const json_t *row)
{
    const json_t *v;
    size_t        i;

    (void)fprintf(c->out, "%s  (%s)\n", pack_text(row, "theme"), pack_text(row, "crosswalk"));
    json_array_foreach(json_object_get(row, "ids"), i, v) {
        const char *pack = pack_text(v, "pack");

        (void)fprintf(c->out, "  %-32s %-28s %s\n", pack_text(v, "id"),
                      *pack != '\0' ? pack : pl_cmd_say(c, "(no pack here)", "（未安装）"),
                      pack_text(json_object_get(v, "title"), pl_cmd_say(c, "en", "zh")));
    }
}

int pack_cmd_crosswalk(pl_cmd_ctx *c)
{
    char    *folders[3];
    json_t  *rows = NULL, *row;
    size_t   i;
    pl_error err = { 0 };
    pl_rc    rc;

    pack_folders(pl_cmd_dir(c), folders);
    rc = pl_pack_crosswalk(c->argv[0], (const char *const *)folders, &rows, &err);
    pack_folders_free(folders);
    if (rc == PL_OK && json_array_size(rows) == 0)
        rc = pl_fail(&err, PL_NOTFOUND, "no row of a crosswalk has '%s'; give a duty (CN.LABEL), a theme "
                                        "(\"risk management\") or PACK:ID of a taxonomy", c->argv[0]);
    if (rc != PL_OK) {
        json_decref(rows);
        return pl_cmd_fail(c, &err);
    }
    if (c->json)
        return pack_print_json(c, json_pack("{s:o}", "rows", rows), PL_EXIT_OK);
    json_array_foreach(rows, i, row)
        row_print(c, row);
    (void)fprintf(c->out, "%s\n", pl_cmd_say(c, "Related, never equivalent: evidence may be used again, it "
                                                "satisfies no other law.",
                                             "仅为相关而非等同：证据可以复用，但不代表满足其他法律。"));
    json_decref(rows);
    return PL_EXIT_OK;
}
