/* Packs of law: finding a version for a day, and compiling one with what it depends on. */
#include "base/banned.h"

#include "base/file.h"
#include "base/jsonschema.h"
#include "base/str.h"
#include "base/yaml.h"
#include "cap/pack/pack_int.h"

#include <dirent.h>

#define LAW_DEPTH_MAX 16

/* --- finding ----------------------------------------------------------------------------- */

static void law_fill(pl_pack_law *l, const json_t *m, const char *dir)
{
    const json_t *force = json_object_get(m, "in_force");

    (void)snprintf(l->id, sizeof l->id, "%s", pack_text(m, "id"));
    (void)snprintf(l->version, sizeof l->version, "%s", pack_text(m, "version"));
    (void)snprintf(l->jurisdiction, sizeof l->jurisdiction, "%s", pack_text(m, "jurisdiction"));
    (void)snprintf(l->from, sizeof l->from, "%s", pack_text(force, "from"));
    (void)snprintf(l->to, sizeof l->to, "%s", pack_text(force, "to"));
    (void)snprintf(l->dir, sizeof l->dir, "%.1000s", dir);
}

static bool there(const char *dir, const char *name)
{
    char  path[1400];
    FILE *f;

    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    f = fopen(path, "rb");
    if (f != NULL)
        (void)fclose(f);
    return f != NULL;
}

/* A folder with rules or facts; what is wrong with its manifest is told when it is opened. */
static bool law_read(const char *dir, pl_pack_law *out)
{
    char    path[1400];
    json_t *m = NULL;
    bool    rules = there(dir, "rules.yaml");

    if (!rules && !there(dir, "facts.yaml"))
        return false;
    (void)snprintf(path, sizeof path, "%s/" PACK_MANIFEST, dir);
    if (pl_yaml_load(path, &m, NULL) != PL_OK || !json_is_object(m)) {
        json_decref(m);
        return false;
    }
    *out = (pl_pack_law){ .has_rules = rules };
    law_fill(out, m, dir);
    json_decref(m);
    return out->id[0] != '\0';
}

static int visible(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

/* A pack that an earlier folder has too is not looked at again. */
static bool is_new(const pl_pack_law *laws, size_t n, const pl_pack_law *l)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(laws[i].id, l->id) == 0 && strcmp(laws[i].version, l->version) == 0)
            return false;
    return true;
}

static pl_rc laws_in(const char *folder, pl_pack_law **laws, size_t *count, pl_error *err)
{
    struct dirent **names = NULL;
    int             n = scandir(folder, &names, visible, alphasort);
    pl_rc           rc = PL_OK;

    for (int i = 0; i < n; i++) {
        char        dir[1300];
        pl_pack_law one, *more;

        (void)snprintf(dir, sizeof dir, "%s/%s", folder, names[i]->d_name);
        free(names[i]);
        if (rc != PL_OK || !law_read(dir, &one) || !is_new(*laws, *count, &one))
            continue;
        more = realloc(*laws, (*count + 1) * sizeof *more);
        if (more == NULL) {
            rc = pl_fail(err, PL_NOMEM, "out of memory");
            continue;
        }
        *laws = more;
        more[(*count)++] = one;
    }
    free(names);
    return rc;
}

pl_rc pl_pack_laws(const char *const *folders, pl_pack_law **out, size_t *n, pl_error *err)
{
    pl_rc rc = PL_OK;

    *out = NULL;
    *n = 0;
    for (; rc == PL_OK && *folders != NULL; folders++)
        rc = laws_in(*folders, out, n, err);
    if (rc != PL_OK) {
        free(*out);
        *out = NULL;
    }
    return rc;
}

bool pl_pack_law_in_force(const pl_pack_law *l, const char *day)
{
    return strcmp(day, l->from) >= 0 && (l->to[0] == '\0' || strcmp(day, l->to) <= 0);
}

const pl_pack_law *pl_pack_law_for(const pl_pack_law *laws, size_t n, const char *id,
                                   const char *day)
{
    const pl_pack_law *best = NULL;

    for (size_t i = 0; i < n; i++) {
        bool now, was;

        if (strcmp(laws[i].id, id) != 0)
            continue;
        now = day != NULL && pl_pack_law_in_force(&laws[i], day);
        was = best != NULL && day != NULL && pl_pack_law_in_force(best, day);
        if (best == NULL || now > was ||
            (now == was && strcmp(laws[i].from, best->from) >= 0))
            best = &laws[i];
    }
    return best;
}

/* --- compiling ------------------------------------------------------------------------------ */

typedef struct loading {
    pl_rules_book     *book;
    const char *const *folders;
    pl_rules_note      note; /* of the pack that was asked for, not of its dependencies */
    void              *ctx;
    const char        *chain[LAW_DEPTH_MAX];
    size_t             depth;
} loading;

static pl_rc add(loading *l, const char *ref, size_t *out, pl_error *err);

static pl_rc file_read(const char *dir, const char *name, char *label, size_t cap,
                       pl_rules_file *out, pl_error *err)
{
    char  path[1400], *text = NULL;
    size_t n = 0;
    pl_rc rc;

    *out = (pl_rules_file){ .name = name };
    if (!there(dir, name))
        return PL_OK;
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    (void)snprintf(label, cap, "%.60s/%s", strrchr(dir, '/') != NULL ? strrchr(dir, '/') + 1 : dir, name);
    rc = pl_file_read(path, PL_YAML_MAX, &text, &n, err);
    if (rc == PL_OK)
        *out = (pl_rules_file){ .name = label, .text = { text, n } };
    return rc;
}

static pl_rc in_chain(const loading *l, const char *id, pl_error *err)
{
    char   text[200] = "";
    size_t n = 0;
    bool   circle = false;

    for (size_t i = 0; i < l->depth; i++) {
        circle |= strcmp(l->chain[i], id) == 0;
        if (n < sizeof text)
            n += (size_t)snprintf(text + n, sizeof text - n, "%.40s → ", l->chain[i]);
    }
    return circle ? pl_fail(err, PL_INVALID, "packs depend on each other in a circle: %s%.40s", text, id)
                  : PL_OK;
}

/* Opens dependencies first; depends[] gets what they are called. */
static pl_rc depends_add(loading *l, const json_t *m, const char **depends, pl_error *err)
{
    json_t *list = json_object_get(m, "depends"), *v;
    size_t  i;
    pl_rc   rc = PL_OK;

    json_array_foreach(list, i, v) {
        size_t got;

        if (rc != PL_OK || i >= LAW_DEPTH_MAX)
            break;
        depends[i] = json_string_value(v);
        rc = add(l, depends[i], &got, err);
        if (rc == PL_OK)
            depends[i] = pl_rules_pack_ref(l->book, got);
    }
    return rc;
}

static pl_rc compile(loading *l, const pl_pack *p, const char *const *depends, pl_error *err)
{
    const json_t   *m = p->manifest, *force = json_object_get(m, "in_force");
    uint8_t         digest[32];
    char            hex[80] = "sha256:", names[3][128];
    pl_rules_source s = {
        .id = pack_text(m, "id"), .version = pack_text(m, "version"),
        .jurisdiction = pack_text(m, "jurisdiction"), .legal_weight = pack_text(m, "legal_weight"),
        .digest = hex, .evidence = json_string_value(json_object_get(m, "evidence_default")),
        .title_en = pack_text(json_object_get(m, "title"), "en"),
        .title_zh = pack_text(json_object_get(m, "title"), "zh"), .from = pack_text(force, "from"),
        .to = json_string_value(json_object_get(force, "to")), .depends = depends,
    };
    pl_rc rc;

    pl_pack_digest(p, digest);
    pl_hex(digest, sizeof digest, hex + 7);
    rc = file_read(p->dir, "facts.yaml", names[0], sizeof names[0], &s.facts, err);
    if (rc == PL_OK)
        rc = file_read(p->dir, "rules.yaml", names[1], sizeof names[1], &s.rules, err);
    if (rc == PL_OK)
        rc = file_read(p->dir, "obligations.yaml", names[2], sizeof names[2], &s.obligations, err);
    if (rc == PL_OK)
        rc = pl_rules_book_add(l->book, &s, l->depth == 1 ? l->note : NULL, l->ctx, err);
    free((char *)(uintptr_t)s.facts.text.p);
    free((char *)(uintptr_t)s.rules.text.p);
    free((char *)(uintptr_t)s.obligations.text.p);
    return rc;
}

static pl_rc add_open(loading *l, const pl_pack *p, size_t *out, pl_error *err)
{
    const char *id = pack_text(p->manifest, "id"), *version = pack_text(p->manifest, "version");
    const char *depends[LAW_DEPTH_MAX + 1] = { NULL };
    int         have = pl_rules_pack_find(l->book, id, version);
    pl_rc       rc = in_chain(l, id, err);

    if (rc != PL_OK || have >= 0) {
        *out = (size_t)have;
        return rc;
    }
    if (l->depth == LAW_DEPTH_MAX)
        return pl_fail(err, PL_LIMIT, "packs depend on each other over more than %d levels", LAW_DEPTH_MAX);
    l->chain[l->depth++] = id;
    rc = depends_add(l, p->manifest, depends, err);
    if (rc == PL_OK)
        rc = compile(l, p, depends, err);
    l->depth--;
    if (rc == PL_OK)
        *out = pl_rules_pack_count(l->book) - 1;
    return rc;
}

static pl_rc add(loading *l, const char *ref, size_t *out, pl_error *err)
{
    pl_pack *p = NULL;
    pl_rc    rc = pl_pack_open(ref, l->folders, &p, err);

    if (rc == PL_OK)
        rc = add_open(l, p, out, err);
    pl_pack_free(p);
    return rc;
}

pl_rc pl_pack_book_add(pl_rules_book *b, const char *ref, const char *const *folders, size_t *pack,
                       pl_error *err)
{
    loading l = { .book = b, .folders = folders };

    return add(&l, ref, pack, err);
}

/* --- linting ---------------------------------------------------------------------------------- */

static void note(void *ctx, const char *file, int line, const char *message)
{
    const char *name = strrchr(file, '/');

    pack_problem(ctx, PACK_WARNING, name != NULL ? name + 1 : file, line, "%s", message);
}

extern const unsigned char pl_pack_schema_facts[], pl_pack_schema_rules[], pl_pack_schema_obligations[],
    pl_pack_schema_cases[], pl_pack_schema_crosswalk[], pl_pack_schema_calendar[];

/* The published schema of a file of this name, or NULL. */
static const char *schema_of(const char *path)
{
    static const struct {
        const char          *name;
        const unsigned char *schema;
    } known[] = {
        { "facts.yaml", pl_pack_schema_facts },       { "rules.yaml", pl_pack_schema_rules },
        { "obligations.yaml", pl_pack_schema_obligations }, { "cases.yaml", pl_pack_schema_cases },
        { "crosswalk.yaml", pl_pack_schema_crosswalk },
    };

    if (strncmp(path, "calendar/", 9) == 0 && pl_str_ends(pl_str_z(path), PL_STR(".yaml")))
        return (const char *)pl_pack_schema_calendar;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(path, known[i].name) == 0)
            return (const char *)known[i].schema;
    return NULL;
}

/* Members of these are described by $defs, since a schema cannot name keys it does not know. */
static void members_check(const json_t *schema, const json_t *tree, const char *map, const char *def,
                          const char *file, pack_report *r)
{
    json_t     *copy = json_deep_copy(json_object_get(json_object_get(schema, "$defs"), def)), *v;
    const char *key;
    pl_error    err = { 0 };

    if (copy != NULL)
        (void)json_object_set(copy, "$defs", json_object_get(schema, "$defs"));
    json_object_foreach(json_object_get(tree, map), key, v)
        if (copy != NULL && pl_jsonschema_check(copy, v, PL_SCHEMA_CLOSED, &err) != PL_OK)
            pack_problem(r, PACK_ERROR, file, 0, "'%s': %s", key, err.text);
    json_decref(copy);
}

static void schema_check(const pl_pack *p, const char *path, const char *text, pack_report *r)
{
    char     full[1400];
    json_t  *schema = NULL, *tree = NULL;
    pl_error err = { 0 };

    (void)snprintf(full, sizeof full, "%s/%s", p->dir, path);
    if (pl_yaml_load(full, &tree, &err) != PL_OK || pl_json_parse(pl_str_z(text), path, &schema, &err) != PL_OK ||
        pl_jsonschema_check(schema, tree, PL_SCHEMA_CLOSED, &err) != PL_OK)
        pack_problem(r, PACK_ERROR, path, 0, "%s", err.text);
    else {
        members_check(schema, tree, "facts", "fact", path, r);
        members_check(schema, tree, "results", "result", path, r);
        members_check(schema, tree, "obligations", "obligation", path, r);
    }
    json_decref(tree);
    json_decref(schema);
}

void pack_schemas_check(const pl_pack *p, pack_report *r)
{
    for (size_t i = 0; i < p->file_count; i++) {
        const char *schema = schema_of(p->files[i].path);

        if (schema != NULL)
            schema_check(p, p->files[i].path, schema, r);
    }
}

void pack_rules_check(const pl_pack *p, const char *const *folders, pack_report *r)
{
    loading        l = { .book = pl_rules_book_new(), .folders = folders, .note = note, .ctx = r };
    pl_error       err = { 0 };
    size_t         got;
    pl_rc          rc = PL_OK;

    if (!pack_files_has(p, "rules.yaml") && !pack_files_has(p, "facts.yaml")) {
        pl_rules_book_free(l.book);
        return;
    }
    if (l.book == NULL || (rc = add_open(&l, p, &got, &err)) != PL_OK)
        pack_problem(r, PACK_ERROR, "", 0, "%s", l.book == NULL ? "out of memory" : err.text);
    pl_rules_book_free(l.book);
}
