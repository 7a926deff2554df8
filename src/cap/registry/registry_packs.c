#include "base/banned.h"

#include "base/file.h"
#include "base/str.h"
#include "base/yaml.h"
#include "cap/instance.h"
#include "cap/pack/pl_pack.h"
#include "cap/registry/registry_packs.h"

#include <dirent.h>
#include <pthread.h>
#include <sys/stat.h>

/* --- the snapshot of the process --------------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static registry_packs *current;
static int64_t         current_stamp;

void registry_packs_set(registry_packs *p)
{
    registry_packs *old;

    (void)pthread_mutex_lock(&lock);
    old = current;
    current = p;
    (void)pthread_mutex_unlock(&lock);
    registry_packs_unref(old);
}

registry_packs *registry_packs_take(void)
{
    registry_packs *p;

    (void)pthread_mutex_lock(&lock);
    p = current;
    if (p != NULL)
        (void)atomic_fetch_add(&p->refs, 1);
    (void)pthread_mutex_unlock(&lock);
    return p;
}

static void content_free(registry_packs *p)
{
    for (size_t i = 0; i < p->kind_count; i++)
        pl_form_free(p->kinds[i]);
    for (size_t i = 0; i < p->flow_count; i++) {
        for (size_t k = 0; k < PL_FLOW_LIST_MAX; k++)
            pl_form_free(p->flows[i].forms[k]);
        pl_conditions_free(p->flows[i].when);
        pl_workflow_free(p->flows[i].w);
    }
    for (size_t i = 0; i < p->calendar_count; i++)
        pl_calendar_free(p->calendars[i].c);
    json_decref(p->problems);
}

void registry_packs_unref(registry_packs *p)
{
    if (p == NULL || atomic_fetch_sub(&p->refs, 1) != 1)
        return;
    content_free(p);
    free(p);
}

/* --- reading one pack -------------------------------------------------------------------- */

typedef struct loader {
    registry_packs *p;
    const pl_pack  *pack;
    char            ref[140];
} loader;

static void problem(loader *l, const char *what)
{
    (void)json_array_append_new(l->p->problems,
                                json_pack("{s:s, s:s}", "pack", l->ref, "problem", what));
}

static int is_yaml(const struct dirent *e)
{
    return pl_str_ends(pl_str_z(e->d_name), PL_STR(".yaml"));
}

/* Calls back with every tree of DIR/sub/NAME.yaml in the order of names. */
static pl_rc each_file(loader *l, const char *sub,
                       pl_rc (*fn)(loader *l, const json_t *tree, const char *where, pl_error *err),
                       pl_error *err)
{
    char            folder[1300], path[1600], where[400];
    struct dirent **names = NULL;
    int             n;
    pl_rc           rc = PL_OK;

    (void)snprintf(folder, sizeof folder, "%s/%s", pl_pack_dir(l->pack), sub);
    n = scandir(folder, &names, is_yaml, alphasort);
    for (int i = 0; i < n; i++) {
        json_t *tree = NULL;

        (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]->d_name);
        (void)snprintf(where, sizeof where, "%s/%s/%s", l->ref, sub, names[i]->d_name);
        if (rc == PL_OK)
            rc = pl_yaml_load(path, &tree, err);
        if (rc == PL_OK)
            rc = fn(l, tree, where, err);
        json_decref(tree);
        free(names[i]);
    }
    free(names);
    return rc;
}

static pl_rc kind_add(loader *l, const json_t *tree, const char *where, pl_error *err)
{
    registry_packs *p = l->p;
    pl_form        *f = NULL;
    pl_rc           rc;

    if (p->kind_count == REGISTRY_KINDS_MAX)
        return pl_fail(err, PL_LIMIT, "more than %d kinds of records", REGISTRY_KINDS_MAX);
    rc = pl_form_new(tree, where, &f, err);
    if (rc != PL_OK)
        return rc;
    if (registry_kind_find(p, pl_form_id(f)) != NULL) { /* hidden by an earlier folder */
        pl_form_free(f);
        return PL_OK;
    }
    (void)snprintf(p->kind_pack[p->kind_count], sizeof p->kind_pack[0], "%s", l->ref);
    p->kinds[p->kind_count++] = f;
    return PL_OK;
}

static pl_rc forms_load(loader *l, registry_flow *f, pl_error *err)
{
    char path[1600], where[400];
    pl_rc rc = PL_OK;

    for (size_t i = 0; i < pl_names_count(f->w->forms) && rc == PL_OK; i++) {
        pl_str  id = pl_names_at(f->w->forms, i);
        json_t *tree = NULL;

        (void)snprintf(path, sizeof path, "%s/forms/" PL_STR_FMT ".yaml", pl_pack_dir(l->pack),
                       PL_STR_ARG(id));
        (void)snprintf(where, sizeof where, "%s/forms/" PL_STR_FMT ".yaml", l->ref, PL_STR_ARG(id));
        rc = memchr(id.p, '/', id.n) ? pl_fail(err, PL_INVALID, "%s: bad form name", l->ref)
                                     : pl_yaml_load(path, &tree, err);
        if (rc == PL_OK)
            rc = pl_form_new(tree, where, &f->forms[i], err);
        if (rc == PL_OK && !pl_str_eq(pl_form_id(f->forms[i]), id))
            rc = pl_fail(err, PL_INVALID, "%s: the form's id is not its file name", where);
        json_decref(tree);
    }
    return rc;
}

/* A path of the workflow must lead to a field of one of its forms. */
static pl_rc path_check(const registry_flow *f, const char *where, pl_str path, pl_error *err)
{
    pl_str         rest = path, form, key;
    const pl_form *form_there;

    if (path.n == 0)
        return PL_OK;
    (void)pl_str_split(&rest, '.', &form);
    (void)pl_str_split(&rest, '.', &key);
    form_there = registry_flow_form(f, form);
    for (size_t i = 0; form_there != NULL && i < pl_form_count(form_there); i++)
        if (pl_str_eq(pl_form_field(form_there, i).key, key))
            return PL_OK;
    return pl_fail(err, PL_INVALID, "%s: there is no field '" PL_STR_FMT "'", where, PL_STR_ARG(path));
}

static pl_rc paths_check(const registry_flow *f, const char *where, pl_error *err)
{
    const pl_workflow *w = f->w;
    const pl_str       paths[] = { w->title, w->organisation, w->region, w->role, w->type };
    pl_rc              rc = PL_OK;

    for (size_t i = 0; i < sizeof paths / sizeof *paths && rc == PL_OK; i++)
        rc = path_check(f, where, paths[i], err);
    for (size_t i = 0; i < w->deadline_count && rc == PL_OK; i++)
        rc = path_check(f, where, w->deadlines[i].from, err);
    for (size_t i = 0; i < w->step_count && rc == PL_OK; i++)
        rc = path_check(f, where, w->steps[i].date, err);
    for (size_t i = 0; i < w->reality_count && rc == PL_OK; i++)
        for (size_t k = 0; k < json_array_size(w->realities[i].filed) && rc == PL_OK; k++)
            rc = path_check(f, where, pl_str_z(json_string_value(json_array_get(w->realities[i].filed, k))), err);
    return rc;
}

static pl_rc flow_add(loader *l, const json_t *tree, const char *where, pl_error *err)
{
    registry_packs *p = l->p;
    registry_flow  *f = &p->flows[p->flow_count];
    pl_str          weight = PL_STR("");
    pl_rc           rc;

    if (p->flow_count == REGISTRY_FLOWS_MAX)
        return pl_fail(err, PL_LIMIT, "more than %d workflows", REGISTRY_FLOWS_MAX);
    *f = (registry_flow){ .w = NULL };
    (void)snprintf(f->pack, sizeof f->pack, "%s", l->ref);
    (void)pl_json_get_str(pl_pack_manifest(l->pack), "legal_weight", false, &weight, NULL);
    (void)snprintf(f->weight, sizeof f->weight, PL_STR_FMT, PL_STR_ARG(weight));
    rc = pl_workflow_new(tree, where, PL_FLOW_WHEN, &f->w, err);
    if (rc != PL_OK)
        return rc;
    p->flow_count++; /* from here on content_free knows of it */
    if (registry_flow_find(p, f->w->id, pl_str_z(l->ref)) != f)
        return pl_fail(err, PL_INVALID, "%s: workflow '" PL_STR_FMT "' is there twice", where,
                       PL_STR_ARG(f->w->id));
    rc = forms_load(l, f, err);
    if (rc == PL_OK)
        rc = paths_check(f, where, err);
    return rc == PL_OK ? pl_conditions_new(f->w, (const pl_form *const *)f->forms, pl_names_count(f->w->forms), where,
                                           &f->when, err)
                       : rc;
}

static pl_rc calendar_add(loader *l, pl_error *err)
{
    registry_packs *p = l->p;
    char            path[1300];
    json_t         *tree = NULL;
    struct stat     st;
    pl_str          id = PL_STR("");
    pl_calendar    *c = NULL;
    pl_rc           rc;

    (void)snprintf(path, sizeof path, "%s/calendar.yaml", pl_pack_dir(l->pack));
    if (stat(path, &st) != 0)
        return PL_OK;
    if (p->calendar_count == REGISTRY_CALENDARS_MAX)
        return pl_fail(err, PL_LIMIT, "more than %d calendars", REGISTRY_CALENDARS_MAX);
    rc = pl_yaml_load(path, &tree, err);
    if (rc == PL_OK)
        rc = pl_json_get_str(tree, "id", true, &id, err);
    if (rc == PL_OK)
        rc = pl_calendar_new(tree, l->ref, &c, err);
    if (rc == PL_OK && registry_calendar_find(p, id) == NULL) {
        registry_calendar *at = &p->calendars[p->calendar_count++];

        (void)snprintf(at->id, sizeof at->id, PL_STR_FMT, PL_STR_ARG(id));
        (void)snprintf(at->pack, sizeof at->pack, "%s", l->ref);
        at->c = c;
        c = NULL;
    }
    pl_calendar_free(c);
    json_decref(tree);
    return rc;
}

/* What a pack that turns out broken had added so far goes again. */
static void rollback(registry_packs *p, size_t kinds, size_t flows)
{
    while (p->kind_count > kinds)
        pl_form_free(p->kinds[--p->kind_count]);
    while (p->flow_count > flows) {
        registry_flow *f = &p->flows[--p->flow_count];

        for (size_t k = 0; k < PL_FLOW_LIST_MAX; k++)
            pl_form_free(f->forms[k]);
        pl_workflow_free(f->w);
        *f = (registry_flow){ .w = NULL };
    }
}

static bool has_version(const registry_packs *p, const char *ref)
{
    for (size_t i = 0; i < p->flow_count; i++)
        if (strcmp(p->flows[i].pack, ref) == 0)
            return true;
    return false;
}

static void pack_load(registry_packs *p, const char *dir)
{
    loader   l = { .p = p };
    pl_pack *pack = NULL;
    pl_error err = { 0 };
    size_t   kinds = p->kind_count, flows = p->flow_count;
    pl_rc    rc = pl_pack_open(dir, NULL, &pack, &err);

    (void)snprintf(l.ref, sizeof l.ref, "%.130s", dir);
    l.pack = pack;
    if (rc == PL_OK) {
        pl_str id = pl_pack_id(pack), version = pl_pack_version(pack);

        (void)snprintf(l.ref, sizeof l.ref, PL_STR_FMT "@" PL_STR_FMT, PL_STR_ARG(id),
                       PL_STR_ARG(version));
    }
    if (rc == PL_OK && !has_version(p, l.ref)) {
        rc = each_file(&l, "records", kind_add, &err);
        if (rc == PL_OK)
            rc = each_file(&l, "workflows", flow_add, &err);
        if (rc == PL_OK)
            rc = calendar_add(&l, &err);
    }
    if (rc != PL_OK) {
        rollback(p, kinds, flows);
        problem(&l, err.text);
    }
    pl_pack_free(pack);
}

/* --- all packs ---------------------------------------------------------------------------- */

static int no_dots(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

/* Packs of other kinds are not even opened: word lists and models are large. */
static bool is_ours(const char *dir)
{
    static const char *const parts[] = { "records", "workflows", "calendar.yaml" };
    char                     path[1400];
    struct stat              st;

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, parts[i]);
        if (stat(path, &st) == 0)
            return true;
    }
    return false;
}

pl_rc registry_packs_load(const char *const *folders, registry_packs **out, pl_error *err)
{
    registry_packs *p = calloc(1, sizeof *p);

    if (p == NULL || (p->problems = json_array()) == NULL) {
        free(p);
        return pl_fail(err, PL_NOMEM, "out of memory");
    }
    atomic_init(&p->refs, 1);
    for (; *folders != NULL; folders++) {
        struct dirent **names = NULL;
        int             n = scandir(*folders, &names, no_dots, alphasort);

        for (int i = 0; i < n; i++) {
            char dir[1300];

            (void)snprintf(dir, sizeof dir, "%s/%s", *folders, names[i]->d_name);
            if (is_ours(dir))
                pack_load(p, dir);
            free(names[i]);
        }
        free(names);
    }
    *out = p;
    return PL_OK;
}

static void stamp_add(int64_t *stamp, const char *path)
{
    struct stat st;

    if (stat(path, &st) == 0)
        *stamp = *stamp * 31 + (int64_t)st.st_mtim.tv_sec * 1000003 + st.st_mtim.tv_nsec + (int64_t)st.st_ino;
}

/* Changes with every pack that comes, goes or is replaced: a pack is a folder that is renamed into
 * place, and its manifest carries its version. */
static int64_t stamp_of(const char *const *folders)
{
    int64_t stamp = 17;

    for (; *folders != NULL; folders++) {
        struct dirent **names = NULL;
        int             n = scandir(*folders, &names, no_dots, alphasort);

        stamp_add(&stamp, *folders);
        for (int i = 0; i < n; i++) {
            char path[1400];

            (void)snprintf(path, sizeof path, "%s/%s/pack.yaml", *folders, names[i]->d_name);
            stamp_add(&stamp, path);
            (void)snprintf(path, sizeof path, "%s/%s/calendar.yaml", *folders, names[i]->d_name);
            stamp_add(&stamp, path);
            free(names[i]);
        }
        free(names);
    }
    return stamp;
}

static pl_rc use(const char *instance_dir, bool only_when_changed, pl_error *err)
{
    char           *folders[3] = { NULL };
    registry_packs *p = NULL;
    size_t          n = 0;
    int64_t         stamp;
    pl_rc           rc = PL_OK;

    if (instance_dir != NULL)
        folders[n++] = pl_path_join(instance_dir, "packs");
    folders[n] = pl_path_join(pl_datadir(), "packs");
    if (folders[0] == NULL || folders[n] == NULL)
        rc = pl_fail(err, PL_NOMEM, "out of memory");
    stamp = rc == PL_OK ? stamp_of((const char *const *)folders) : 0;
    if (rc == PL_OK && !(only_when_changed && stamp == current_stamp)) {
        rc = registry_packs_load((const char *const *)folders, &p, err);
        if (rc == PL_OK) {
            registry_packs_set(p);
            current_stamp = stamp; /* read by the one background thread only */
        }
    }
    free(folders[0]);
    free(folders[1]);
    return rc;
}

pl_rc registry_packs_use(const char *instance_dir, pl_error *err)
{
    return use(instance_dir, false, err);
}

pl_rc registry_packs_refresh(const char *instance_dir, pl_error *err)
{
    return use(instance_dir, true, err);
}

/* --- looking up ----------------------------------------------------------------------------- */

const pl_form *registry_kind_find(const registry_packs *p, pl_str kind)
{
    for (size_t i = 0; i < p->kind_count; i++)
        if (pl_str_eq(pl_form_id(p->kinds[i]), kind))
            return p->kinds[i];
    return NULL;
}

/* "1.10" after "1.9". */
static int version_cmp(const char *a, const char *b)
{
    const char *x = strchr(a, '@'), *y = strchr(b, '@');

    return strverscmp(x ? x : a, y ? y : b);
}

const registry_flow *registry_flow_find(const registry_packs *p, pl_str workflow, pl_str pack)
{
    const registry_flow *best = NULL;

    for (size_t i = 0; i < p->flow_count; i++) {
        const registry_flow *f = &p->flows[i];

        if (f->w == NULL || !pl_str_eq(f->w->id, workflow))
            continue;
        if (pack.n > 0 && pl_str_eqz(pack, f->pack))
            return f;
        if (pack.n == 0 && (best == NULL || version_cmp(best->pack, f->pack) < 0))
            best = f;
    }
    return best;
}

const pl_form *registry_flow_form(const registry_flow *f, pl_str id)
{
    for (size_t i = 0; i < pl_names_count(f->w->forms); i++)
        if (pl_str_eq(pl_names_at(f->w->forms, i), id))
            return f->forms[i];
    return NULL;
}

const pl_calendar *registry_calendar_find(const registry_packs *p, pl_str id)
{
    for (size_t i = 0; i < p->calendar_count; i++)
        if (pl_str_eqz(id, p->calendars[i].id))
            return p->calendars[i].c;
    return NULL;
}
