#include "base/banned.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "base/utf8.h"
#include "base/yaml.h"
#include "cap/pack/pack_int.h"

#include <ctype.h>
#include <dirent.h>
#include <sys/stat.h>

extern const unsigned char pl_pack_openapi[]; /* pack.openapi.json */

/* --- report ---------------------------------------------------------------------------- */

/* Cutting a message at a length may cut a character, and file names need not be UTF-8;
 * JSON takes neither. */
static void make_utf8(char *z)
{
    pl_str   s = pl_str_z(z);
    uint32_t cp;

    while (s.n > 0) {
        int len = pl_utf8_decode(s, &cp);

        if (len <= 0) {
            z[s.p - z] = '?';
            len = 1;
        }
        s = (pl_str){ s.p + len, s.n - (size_t)len };
    }
}

const char *pack_text(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));

    return s != NULL ? s : "";
}

void pack_problem(pack_report *r, pack_severity severity, const char *file, int line,
                  const char *fmt, ...)
{
    char    what[200], name[PACK_PATH_MAX], where[PACK_PATH_MAX + 16];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    (void)snprintf(name, sizeof name, "%s", file);
    make_utf8(what);
    make_utf8(name);
    if (r->problems != NULL && json_array_size(r->problems) == PACK_PROBLEMS_MAX)
        r->more++;
    else if (r->problems != NULL)
        (void)json_array_append_new(
            r->problems, json_pack("{s:s, s:i, s:s, s:s}", "file", name, "line", line, "severity",
                                   severity == PACK_ERROR ? "error" : "warning", "message", what));
    if (severity != PACK_ERROR || r->first.rc != PL_OK)
        return;
    if (line > 0)
        (void)snprintf(where, sizeof where, "%s:%d", name, line);
    else
        (void)snprintf(where, sizeof where, "%s", name);
    (void)pl_fail(&r->first, PL_INVALID, "%.90s%s%s: %s", r->dir, *name ? "/" : "", where, what);
}

/* --- reading --------------------------------------------------------------------------- */

/* Kinds without a reader of their own are at least well-formed. */
static void documents_check(const pl_pack *p, pack_report *r)
{
    for (size_t i = 0; i < p->file_count; i++) {
        pl_str   name = pl_str_z(p->files[i].path);
        bool     yaml = pl_str_ends(name, PL_STR(".yaml"));
        json_t  *tree = NULL;
        char     path[1300], *text = NULL;
        size_t   n = 0;
        pl_error err = { 0 };

        if (strcmp(p->files[i].path, PACK_MANIFEST) == 0 || pack_lexicon_has(p, p->files[i].path) ||
            (!yaml && !pl_str_ends(name, PL_STR(".json"))))
            continue;
        (void)snprintf(path, sizeof path, "%s/%s", p->dir, p->files[i].path);
        if (pl_file_read(path, PACK_FILE_MAX, &text, &n, &err) != PL_OK ||
            (yaml ? pl_yaml_parse((pl_str){ text, n }, p->files[i].path, &tree, &err)
                  : pl_json_parse((pl_str){ text, n }, p->files[i].path, &tree, &err)) != PL_OK)
            pack_problem(r, PACK_ERROR, p->files[i].path, 0, "%s", err.text);
        json_decref(tree);
        free(text);
    }
}

pl_pack *pack_read(const char *dir, pack_report *r)
{
    pl_pack *p = calloc(1, sizeof *p);

    if (p == NULL)
        return NULL;
    (void)snprintf(p->dir, sizeof p->dir, "%s", dir);
    pack_files_read(p, r);
    if (r->first.rc != PL_OK && p->file_count == 0)
        return p;
    pack_manifest_read(p, r);
    if (p->manifest != NULL && pl_str_eqz(pl_pack_kind(p), "lexicon"))
        pack_lexicon_read(p, r);
    documents_check(p, r);
    return p;
}

void pl_pack_free(pl_pack *p)
{
    if (p == NULL)
        return;
    json_decref(p->manifest);
    free(p->files);
    pack_lexicon_done(p);
    free(p);
}

static bool has_manifest(const char *dir)
{
    char        path[1400];
    struct stat st;

    (void)snprintf(path, sizeof path, "%s/" PACK_MANIFEST, dir);
    return stat(path, &st) == 0;
}

static pl_rc open_dir(const char *dir, pl_pack **out, pl_error *err)
{
    pack_report r = { .dir = dir };
    pl_pack    *p;

    if (!has_manifest(dir)) /* before walking what may be anybody's folder */
        return pl_fail(err, PL_INVALID, "%.120s: no " PACK_MANIFEST ": every pack needs one", dir);
    p = pack_read(dir, &r);
    if (p == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    if (r.first.rc != PL_OK) {
        pl_pack_free(p);
        return pl_fail(err, r.first.rc, "%s", r.first.text);
    }
    *out = p;
    return PL_OK;
}

/* --- finding --------------------------------------------------------------------------- */

/* "1.10" after "1.9", "2026-07-27" after "2024-07-12": numbers by value, part by part. */
static int version_cmp(const char *a, const char *b)
{
    while (isdigit((unsigned char)*a) || isdigit((unsigned char)*b)) {
        char         *ea, *eb;
        unsigned long x = strtoul(a, &ea, 10), y = strtoul(b, &eb, 10);

        if (x != y)
            return x < y ? -1 : 1;
        a = ea + (*ea == '.' || *ea == '-');
        b = eb + (*eb == '.' || *eb == '-');
    }
    return strcmp(a, b);
}

/* Among folder/NAME@VERSION the highest version. */
static bool newest_in(const char *folder, const char *name, char *out, size_t cap)
{
    DIR           *d = opendir(folder);
    struct dirent *e;
    size_t         n = strlen(name);
    char           best[256] = "";

    while (d != NULL && (e = readdir(d)) != NULL)
        if (strncmp(e->d_name, name, n) == 0 && e->d_name[n] == '@' &&
            (best[0] == '\0' || version_cmp(best, e->d_name + n + 1) < 0))
            (void)snprintf(best, sizeof best, "%s", e->d_name + n + 1);
    if (d != NULL)
        (void)closedir(d);
    if (best[0] != '\0')
        (void)snprintf(out, cap, "%s/%s@%s", folder, name, best);
    return best[0] != '\0';
}

/* The folder of a pack in one search folder, or false. */
static bool locate(const char *folder, const char *name, const char *version, char *out, size_t cap)
{
    if (version != NULL) {
        (void)snprintf(out, cap, "%s/%s@%s", folder, name, version);
        if (has_manifest(out))
            return true;
    }
    (void)snprintf(out, cap, "%s/%s", folder, name);
    if (has_manifest(out))
        return true;
    return version == NULL && newest_in(folder, name, out, cap) && has_manifest(out);
}

static pl_rc name_check(const pl_pack *p, const char *name, pl_error *err)
{
    if (pl_str_eqz(pl_pack_id(p), name))
        return PL_OK;
    return pl_fail(err, PL_INVALID, "folder is named '%s' but the pack in it is '" PL_STR_FMT "'",
                   name, PL_STR_ARG(pl_pack_id(p)));
}

static pl_rc open_named(const char *name, const char *version, const char *const *folders,
                        pl_pack **out, pl_error *err)
{
    for (; folders != NULL && *folders != NULL; folders++) {
        char     dir[1200];
        pl_pack *p = NULL;
        pl_rc    rc;

        if (!locate(*folders, name, version, dir, sizeof dir))
            continue;
        rc = open_dir(dir, &p, err);
        if (rc == PL_OK)
            rc = name_check(p, name, err);
        if (rc == PL_OK && (version == NULL || pl_str_eqz(pl_pack_version(p), version))) {
            *out = p;
            return PL_OK;
        }
        pl_pack_free(p);
        if (rc != PL_OK)
            return rc;
    }
    return pl_fail(err, PL_NOTFOUND, "no pack '%s%s%s' in the pack folders", name,
                   version != NULL ? "@" : "", version != NULL ? version : "");
}

pl_rc pl_pack_open(const char *ref, const char *const *folders, pl_pack **out, pl_error *err)
{
    char        name[128];
    const char *at = strchr(ref, '@');
    size_t      n = at != NULL ? (size_t)(at - ref) : strlen(ref);

    if (strchr(ref, '/') != NULL || strcmp(ref, ".") == 0 || strcmp(ref, "..") == 0)
        return open_dir(ref, out, err);
    if (!pack_is_name((pl_str){ ref, n }, 64) || (at != NULL && at[1] == '\0'))
        return pl_fail(err, PL_INVALID, "not a pack name: '%.80s'", ref);
    (void)snprintf(name, sizeof name, "%.*s", (int)n, ref);
    return open_named(name, at != NULL ? at + 1 : NULL, folders, out, err);
}

/* --- facts ----------------------------------------------------------------------------- */

static pl_str text_of(const pl_pack *p, const char *key)
{
    const json_t *v = json_object_get(p->manifest, key);

    return json_is_string(v) ? (pl_str){ json_string_value(v), json_string_length(v) }
                             : (pl_str){ "", 0 };
}

pl_str pl_pack_id(const pl_pack *p)
{
    return text_of(p, "id");
}

pl_str pl_pack_version(const pl_pack *p)
{
    return text_of(p, "version");
}

pl_str pl_pack_kind(const pl_pack *p)
{
    return text_of(p, "kind");
}

const json_t *pl_pack_manifest(const pl_pack *p)
{
    return p->manifest;
}

const char *pl_pack_dir(const pl_pack *p)
{
    return p->dir;
}

void pl_pack_digest(const pl_pack *p, uint8_t out[32])
{
    memcpy(out, p->digest, 32);
}

/* --- linting --------------------------------------------------------------------------- */

/* What was only counted is told in one more line; it is an error when the first error came late. */
static void problems_close(pack_report *r)
{
    if (r->more > 0)
        (void)json_array_append_new(
            r->problems, json_pack("{s:s, s:i, s:s, s:o}", "file", "", "line", 0, "severity",
                                   r->first.rc != PL_OK ? "error" : "warning", "message",
                                   json_sprintf("and %zu more problems", r->more)));
}

/* What a pack depends on stands beside it, or is installed. */
static void files_lint(const char *dir, const pl_pack *p, pack_report *r)
{
    char       *beside = pl_path_join(dir, ".."), *installed = pl_path_join(pl_datadir(), "packs");
    const char *folders[] = { beside, installed, NULL };

    pack_schemas_check(p, r);
    if (beside != NULL && installed != NULL) {
        pack_rules_check(p, folders, r);
        pack_taxonomy_check(p, folders, r);
        pack_crosswalk_check(p, folders, r);
    }
    free(beside);
    free(installed);
}

pl_rc pl_pack_lint(const char *dir, json_t **problems, pl_error *err)
{
    pack_report r = { .dir = dir, .problems = json_array() };
    struct stat st;
    pl_pack    *p;

    if (stat(dir, &st) != 0 || !S_ISDIR(st.st_mode)) {
        json_decref(r.problems);
        return pl_fail(err, PL_NOTFOUND, "not a folder: '%s'", dir);
    }
    p = r.problems != NULL ? pack_read(dir, &r) : NULL;
    if (p == NULL || r.first.rc == PL_NOMEM) {
        pl_pack_free(p);
        json_decref(r.problems);
        return pl_fail(err, PL_NOMEM, "out of memory");
    }
    if (p->manifest != NULL && r.first.rc == PL_OK)
        files_lint(dir, p, &r);
    if (p->manifest != NULL && !pack_files_has(p, "README.md"))
        pack_problem(&r, PACK_WARNING, "README.md", 0, "missing: say what the pack is for");
    pl_pack_free(p);
    problems_close(&r);
    *problems = r.problems;
    return PL_OK;
}

/* --- listing --------------------------------------------------------------------------- */

static json_t *describe(const char *dir)
{
    pl_pack *p = NULL;
    pl_error err = { 0 };
    json_t  *out;
    uint8_t  digest[32];
    char     hex[65];

    if (open_dir(dir, &p, &err) != PL_OK)
        return json_pack("{s:s, s:s}", "path", dir, "error", err.text);
    pl_pack_digest(p, digest);
    pl_hex(digest, sizeof digest, hex);
    out = json_deep_copy(p->manifest);
    if (out != NULL) {
        (void)json_object_set_new(out, "digest", json_sprintf("sha256:%s", hex));
        (void)json_object_set_new(out, "path", json_string(dir));
        if (pl_str_eqz(pl_pack_kind(p), "lexicon"))
            (void)json_object_set_new(out, "entries", json_integer((json_int_t)p->entry_count));
    }
    pl_pack_free(p);
    return out;
}

static int no_dots(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

static pl_rc list_folder(const char *folder, json_t *out, pl_error *err)
{
    struct dirent **names = NULL;
    int             n = scandir(folder, &names, no_dots, alphasort);
    pl_rc           rc = PL_OK;

    for (int i = 0; i < n; i++) {
        char    dir[1300];
        json_t *one = NULL;

        (void)snprintf(dir, sizeof dir, "%s/%s", folder, names[i]->d_name);
        if (has_manifest(dir))
            one = describe(dir);
        if (one != NULL && json_array_append_new(out, one) != 0)
            rc = pl_fail(err, PL_NOMEM, "out of memory");
        free(names[i]);
    }
    free(names);
    return rc; /* a folder that is not there holds no packs */
}

pl_rc pl_pack_list(const char *const *folders, json_t **out, pl_error *err)
{
    json_t *list = json_array();
    pl_rc   rc = list != NULL ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");

    for (; rc == PL_OK && *folders != NULL; folders++)
        rc = list_folder(*folders, list, err);
    if (rc != PL_OK) {
        json_decref(list);
        return rc;
    }
    *out = list;
    return PL_OK;
}

void pack_folders(const char *instance_dir, char *out[3])
{
    size_t n = 0;

    memset(out, 0, 3 * sizeof *out);
    if (instance_dir != NULL)
        out[n++] = pl_path_join(instance_dir, "packs");
    out[n] = pl_path_join(pl_datadir(), "packs");
}

void pack_folders_free(char *folders[3])
{
    for (size_t i = 0; i < 3; i++)
        free(folders[i]);
}

const pl_capability pl_cap_pack = {
    .name = "pack",
    .commands = pack_commands,
    .routes = pack_routes,
    .openapi = (const char *)pl_pack_openapi,
};
