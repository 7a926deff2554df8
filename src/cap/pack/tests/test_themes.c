/* Taxonomies and crosswalks. */
#include "pack_fixture.h"

#include "base/buf.h"
#include "base/json.h"

#include <sys/stat.h>

#define MANIFEST(id, kind, depends) \
    "id: " id "\nversion: \"1\"\nkind: " kind "\njurisdiction: any\nlegal_weight: none\n" \
    "in_force: {from: \"2026-01-01\"}\ntitle: {zh: 样例, en: Sample}\nlicence: Apache-2.0\n" \
    "depends: [" depends "]\nevidence_default: P\n" \
    "sources:\n  - {id: own, title: ours, evidence: P, date: \"2026-11-22\"}\n"
#define HEADER "id,class,zh,en,maps_to,evidence,source\n"

typedef struct fx {
    char *root;
    char  top[300], low[300], walk[300];
} fx;

static void folder(char *out, size_t cap, const char *root, const char *name, const char *manifest)
{
    (void)snprintf(out, cap, "%s/%s", root, name);
    assert_int_equal(mkdir(out, 0755), 0);
    put(out, "pack.yaml", manifest);
    put(out, "README.md", "# sample\n");
}

static int setup(void **state)
{
    fx *f = calloc(1, sizeof *f);

    f->root = pl_test_mkdtemp();
    folder(f->top, sizeof f->top, f->root, "top", MANIFEST("top", "taxonomy", ""));
    put(f->top, "taxonomy.csv", HEADER "R,,风险,Risk,,P,own\nR-1,R,甲,\"One, or more\",,P,own\n");
    folder(f->low, sizeof f->low, f->root, "low", MANIFEST("low", "taxonomy", "top"));
    put(f->low, "taxonomy.csv", HEADER "a,,乙,Two,R|R-1,P,own\n");
    folder(f->walk, sizeof f->walk, f->root, "walk", MANIFEST("walk", "crosswalk", ""));
    put(f->walk, "crosswalk.yaml", "rows:\n  - {theme: things, relation: related, ids: [\"top:R-1\", \"low:a\", \"X.1\"]}\n");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fx *f = *state;

    pl_test_rmtree(f->root);
    free(f);
    return 0;
}

/* The linter finds nothing (want NULL), or one problem that says `want`. */
static void lint(const char *dir, const char *want)
{
    json_t  *problems = NULL;
    pl_error err = { 0 };
    char    *text;

    assert_ok(pl_pack_lint(dir, &problems, &err), &err);
    text = json_dumps(problems, JSON_COMPACT);
    if (want == NULL ? json_array_size(problems) > 0 : strstr(text, want) == NULL)
        fail_msg("%s: %s, not %s", dir, text, want != NULL ? want : "nothing");
    free(text);
    json_decref(problems);
}

static void taxonomy__is_checked(void **state)
{
    static const struct {
        const char *text, *want;
    } bad[] = {
        { "id;class\n", "the first line must be" },
        { HEADER "a,,乙,Two,R,P\n", "not seven cells" },
        { HEADER "a,,乙,Two,R,P,own,more\n", "not seven cells" },
        { HEADER "a,,乙,Two,R,P,own\na,,乙,Two,R,P,own\n", "'a': stands twice" },
        { HEADER "a,b,乙,Two,R,P,own\n", "its class is not in a line before it: 'b'" },
        { HEADER "a,,,Two,R,P,own\n", "missing: 'zh'" },
        { HEADER "a,,乙,,R,P,own\n", "missing: 'en'" },
        { HEADER "a,,乙,Two,R|Q,P,own\n", "maps to an id that no taxonomy in 'depends' has: 'Q'" },
        { HEADER "a,,乙,Two,R,,own\n", "not an evidence tag" },
        { HEADER "a,,乙,Two,R,P,other\n", "no such source in pack.yaml: 'other'" },
        { HEADER "a,,\xff,Two,R,P,own\n", "not UTF-8" },
    };
    fx *f = *state;

    lint(f->top, NULL);
    lint(f->low, NULL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        put(f->low, "taxonomy.csv", bad[i].text);
        lint(f->low, bad[i].want);
    }
}

static pl_rc collect(void *ctx, const pl_taxon *t, pl_error *err)
{
    pl_buf *b = ctx;

    (void)err;
    pl_buf_printf(b, PL_STR_FMT "<" PL_STR_FMT ":" PL_STR_FMT ";", PL_STR_ARG(t->id), PL_STR_ARG(t->parent),
                  PL_STR_ARG(t->en));
    return PL_OK;
}

static void taxonomy__is_read_in_order(void **state)
{
    fx      *f = *state;
    pl_pack *p = NULL;
    pl_buf   b = PL_BUF_INIT(4096);
    pl_error err = { 0 };

    assert_ok(pl_pack_open(f->top, NULL, &p, &err), &err);
    assert_ok(pl_pack_taxonomy_each(p, collect, &b, &err), &err);
    assert_string_equal(b.p, "R<:Risk;R-1<R:One, or more;");
    pl_buf_done(&b);
    pl_pack_free(p);
    assert_ok(pl_pack_open(f->walk, NULL, &p, &err), &err);
    assert_int_equal(pl_pack_taxonomy_each(p, collect, &b, &err), PL_NOTFOUND);
    pl_pack_free(p);
}

static void crosswalk__names_what_is_here(void **state)
{
    fx         *f = *state;
    const char *folders[] = { f->root, NULL };
    json_t     *rows = NULL;
    pl_error    err = { 0 };
    char       *text;

    assert_ok(pl_pack_crosswalk("low:a", folders, &rows, &err), &err);
    text = json_dumps(rows, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(text, "[{\"crosswalk\":\"walk@1\",\"ids\":["
                              "{\"id\":\"top:R-1\",\"pack\":\"top@1\",\"title\":{\"en\":\"One, or more\",\"zh\":\"甲\"}},"
                              "{\"id\":\"low:a\",\"pack\":\"low@1\",\"title\":{\"en\":\"Two\",\"zh\":\"乙\"}},"
                              "{\"id\":\"X.1\"}],\"relation\":\"related\",\"theme\":\"things\"}]");
    free(text);
    json_decref(rows);
    assert_ok(pl_pack_crosswalk("THINGS", folders, &rows, &err), &err);
    assert_int_equal(json_array_size(rows), 1);
    json_decref(rows);
    assert_ok(pl_pack_crosswalk("thing", folders, &rows, &err), &err);
    assert_int_equal(json_array_size(rows), 0);
    json_decref(rows);
}

static void crosswalk__is_checked(void **state)
{
    fx *f = *state;

    lint(f->walk, "no pack that is here has 'X.1'");
    put(f->walk, "crosswalk.yaml", "rows:\n  - {theme: things, relation: related, ids: [\"top:R-1\", \"low:a\"]}\n");
    lint(f->walk, NULL);
    put(f->walk, "crosswalk.yaml", "rows:\n  - {theme: things, relation: equivalent, ids: [\"low:a\"]}\n");
    lint(f->walk, "relation");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(taxonomy__is_checked, setup, teardown),
        cmocka_unit_test_setup_teardown(taxonomy__is_read_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(crosswalk__names_what_is_here, setup, teardown),
        cmocka_unit_test_setup_teardown(crosswalk__is_checked, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
