/* A policy compiled from a source in a temporary folder, and an exchange over it. */
#ifndef ACTIONS_FIXTURE_H
#define ACTIONS_FIXTURE_H

#include "guard_fixture.h"

#include "base/file.h"
#include "cap/guard/guard_int.h"

#include <sys/stat.h>

#define WORDS "id\ttext\tcategory\tlang\tseverity\tsource\tupdated\tflags\n" \
    "w1\tzork\tharm.weapons\ten\t3\town\t2026-01-01\tword\n" \
    "w2\tgrue\tharm.fraud\ten\t3\town\t2026-01-01\tword\n" \
    "w3\tplugh\tharm.privacy\ten\t3\town\t2026-01-01\tword\n"
#define HEAD    "policy: p\nversion: 1\npacks: [own]\n"
#define REST    "    label: {explicit: false}\n    answers: {default: {zh: 不行, en: \"no\"}}\n"
#define NOON    1790000000000 /* 2026-09-21T14:13:20Z */

static char folder[] = "/tmp/plumbline-actions-XXXXXX";

static inline void put_file(const char *name, const char *text)
{
    char     path[256];
    pl_error err;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_ok(pl_file_write_atomic(path, pl_str_z(text), 0600, &err), &err);
}

/* A lexicon of invented words: weapons "zork", fraud "grue", privacy "plugh". */
static inline int setup(void **state)
{
    char path[256];

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/own", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    put_file("own/pack.yaml", "id: own\nversion: \"1\"\nkind: lexicon\nlicence: Apache-2.0\ntitle: {zh: 测试, en: test}\n"
                              "sources: [{id: own, title: test, evidence: P, date: \"2026-01-01\"}]\n"
                              "in_force: {from: \"2026-01-01\", to: null}\njurisdiction: any\nlegal_weight: none\n");
    put_file("own/entries.tsv", WORDS);
    return 0;
}

static inline int teardown(void **state)
{
    char command[300];

    (void)state;
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command);
}

static inline pl_rc compile(const char *source, void **image, size_t *n, pl_error *err)
{
    const char *folders[] = { folder, PL_TEST_SOURCE_ROOT "/packs", NULL };
    char        path[256];

    put_file("source.yaml", source);
    snprintf(path, sizeof path, "%s/source.yaml", folder);
    return pl_policy_compile(path, folders, image, n, err);
}

static inline pl_policy *policy_of(const char *source)
{
    char       path[256];
    void      *image = NULL;
    size_t     n = 0;
    pl_policy *p = NULL;
    pl_error   err = { 0 };

    assert_ok(compile(source, &image, &n, &err), &err);
    snprintf(path, sizeof path, "%s/policy.db", folder);
    assert_ok(pl_file_write_atomic(path, (pl_str){ image, n }, 0600, &err), &err);
    assert_ok(pl_policy_openat(AT_FDCWD, path, &p, &err), &err);
    free(image);
    return p;
}

static inline void refused(const char *source, const char *why)
{
    void    *image = NULL;
    size_t   n = 0;
    pl_error err = { 0 };

    assert_int_equal(compile(source, &image, &n, &err), PL_INVALID);
    if (!strstr(err.text, why))
        fail_msg("'%s' does not say '%s'", err.text, why);
}

static inline pl_exchange *begin(pl_policy *p, const char *tenant, int64_t now_ms)
{
    pl_exchange_options o = { .policy = p, .route = 0, .route_name = PL_STR("default"),
                              .surface = pl_surface_find(PL_STR("chat.completions")),
                              .service = PL_STR("svc"), .id = "01jb00000000000000000000ab",
                              .tenant = pl_str_z(tenant), .now_ms = now_ms,
                              .index_key = fixture_key, .max_response = 1u << 20 };
    pl_exchange *x = pl_exchange_new(&o);

    assert_non_null(x);
    return x;
}

static inline pl_str request(const char *word)
{
    static char body[256];

    snprintf(body, sizeof body, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"say %s now\"}]}", word);
    return pl_str_z(body);
}

static inline json_t *event_of(pl_exchange *x)
{
    json_t  *j = NULL;
    pl_error err;

    assert_ok(pl_json_parse(pl_exchange_event(x, NOON)->leaf, "event", &j, &err), &err);
    return j;
}

#endif
