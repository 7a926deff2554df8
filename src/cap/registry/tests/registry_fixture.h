/* A registry on a real database and a real ledger, with the packs of the tree, a clock that the test
 * moves, and people to act as. */
#ifndef PL_REGISTRY_FIXTURE_H
#define PL_REGISTRY_FIXTURE_H

#include "pl_test_db.h"

#include "base/file.h"
#include "cap/ledger/pl_ledger.h"
#include "cap/registry/registry_int.h"

typedef struct fixture {
    pl_test_db   t;
    char        *dir, *ledger_dir;
    pl_signer   *signer;
    pl_ledger   *ledger;
    pl_instance  instance;
    pl_services  s;
    pl_arena    *a;
    pl_principal who;
    registry_ctx c;
    pl_error     err;
} fixture;

static int64_t clock_ms;

static int64_t read_clock(void)
{
    return clock_ms;
}

static void act_as(fixture *f, const char *id, unsigned roles)
{
    f->who = (pl_principal){ .roles = roles };
    (void)snprintf(f->who.id, sizeof f->who.id, "%s", id);
    f->c.now_ms = clock_ms;
}

static void fixture_open(fixture *f, const char *origin, uint8_t seed_byte)
{
    uint8_t           seed[32] = { seed_byte };
    const char *const folders[] = { PL_TEST_SOURCE_ROOT "/packs", NULL };
    registry_packs   *packs = NULL;
    pl_str            name = { origin, strlen(origin) };

    (void)setenv("PLUMBLINE_DATADIR", PL_TEST_SOURCE_ROOT "/src/cap/ledger", 1); /* schemas */
    pl_test_db_open(&f->t);
    f->dir = pl_test_mkdtemp();
    f->ledger_dir = pl_path_join(f->dir, "ledger");
    assert_ok(pl_signer_new(name, seed, &f->signer, &f->err), &f->err);
    assert_ok(pl_ledger_create(f->ledger_dir, name, f->signer, &f->err), &f->err);
    assert_ok(pl_ledger_open(f->ledger_dir, f->signer, &f->ledger, &f->err), &f->err);
    (void)snprintf(f->instance.dir, sizeof f->instance.dir, "%s", f->dir);
    (void)snprintf(f->instance.origin, sizeof f->instance.origin, "%s", origin);
    (void)snprintf(f->instance.service, sizeof f->instance.service, "test");
    f->s = (pl_services){ .instance = &f->instance, .ledger = f->ledger, .signer = f->signer,
                          .now_ms = read_clock };
    assert_ok(pl_db_migrate(f->t.db, "registry", pl_cap_registry.migrations, clock_ms, &f->err), &f->err);
    assert_ok(registry_packs_load(folders, &packs, &f->err), &f->err);
    if (json_array_size(packs->problems) > 0)
        fail_msg("%s", json_string_value(json_object_get(json_array_get(packs->problems, 0), "problem")));
    registry_packs_set(packs);
    f->a = pl_arena_new(256u << 20);
    f->c = (registry_ctx){ .s = &f->s, .db = f->t.db, .a = f->a, .who = &f->who, .packs = packs };
    act_as(f, "anna", PL_ROLE_PROVIDER);
}

static void fixture_close(fixture *f)
{
    pl_arena_free(f->a);
    registry_packs_set(NULL);
    pl_ledger_close(f->ledger);
    pl_signer_free(f->signer);
    pl_test_db_close(&f->t);
    free(f->ledger_dir);
    pl_test_rmtree(f->dir);
}

static json_t *parse(const char *text)
{
    json_error_t e;
    json_t      *j = json_loads(text, 0, &e);

    if (j == NULL)
        fail_msg("%s", e.text);
    return j;
}

/* Everything an algorithm filing asks for; fictitious, region 990001. */
static json_t *filing_values(const char *name)
{
    json_t *v = parse(
        "{\"subject\":{\"name\":\"示例智能有限公司\",\"nature\":\"enterprise\",\"credential_type\":\"uscc\","
        "\"uscc\":\"91350100M000100Y43\",\"region\":\"990001\",\"registered_address\":\"示例路 1 号\","
        "\"office_address\":\"示例路 1 号\",\"legal_name\":\"张三\",\"legal_id_type\":\"other\","
        "\"legal_id\":\"DEMO-1\",\"responsible_name\":\"李四\",\"responsible_post\":\"总监\","
        "\"responsible_phone\":\"010-0000\",\"responsible_email\":\"li@demo.example\"},"
        "\"algorithm\":{\"name\":\"示例对话算法\",\"type\":\"generation\",\"role\":\"provider\","
        "\"online_date\":\"2026-03-02\",\"field\":\"客服\",\"principle\":\"p\",\"mechanism\":\"m\","
        "\"scenario\":\"s\",\"purpose\":\"p\",\"uses_biometrics\":false,\"uses_identity\":false,"
        "\"data_source\":\"d\",\"risks\":\"r\"},"
        "\"product\":{\"name\":\"示例助手\",\"form\":\"app\",\"address\":\"https://demo.example\","
        "\"access_path\":\"首页\",\"audience\":\"公众\",\"purpose\":\"问答\"}}");

    (void)json_object_set_new(json_object_get(v, "algorithm"), "name", json_string(name));
    return v;
}

static int64_t version_now(fixture *f, const char *id)
{
    registry_filing row;

    assert_ok(filing_store_find(f->t.db, f->a, pl_str_z(id), &row, &f->err), &f->err);
    return row.version;
}

static pl_rc step(fixture *f, const char *id, const char *name, const char *note)
{
    filing_step_ask ask = { .step = pl_str_z(name), .note = pl_str_z(note), .version = version_now(f, id),
                            .number = PL_STR(""), .answers = PL_STR(""), .origin = PL_STR("") };

    return filing_step(&f->c, pl_str_z(id), &ask, &f->err);
}

static void must_step(fixture *f, const char *id, const char *name, const char *note)
{
    assert_ok(step(f, id, name, note), &f->err);
}

static void attach(fixture *f, const char *id, const char *slot)
{
    json_t *body = json_pack("{s:s, s:s}", "name", "paper.pdf", "content", "JVBERi0xLjQK");

    assert_ok(filing_attach(&f->c, pl_str_z(id), pl_str_z(slot), version_now(f, id), body, &f->err), &f->err);
    json_decref(body);
}

static __attribute__((unused)) void filing_begin(fixture *f, const char *name, char id[27])
{
    json_t *values = filing_values(name);

    act_as(f, "anna", PL_ROLE_PROVIDER);
    assert_ok(filing_make(&f->c, PL_STR("cn-algorithm"), PL_STR(""), values, id, &f->err), &f->err);
    /* Values stay borrowed by the request. */
    assert_ok(pl_arena_defer(f->a, (void (*)(void *))json_decref, values), &f->err);
}

/* From nothing to `submitted`. */
static __attribute__((unused)) void filing_submit(fixture *f, const char *name, char id[27])
{
    static const char *const first[] = { "credential", "employment", "commitment", "responsibility" };

    filing_begin(f, name, id);
    for (size_t i = 0; i < 4; i++)
        attach(f, id, first[i]);
    must_step(f, id, "submit_subject", "");
    act_as(f, "rita", PL_ROLE_REVIEWER);
    must_step(f, id, "accept_subject", "");
    act_as(f, "anna", PL_ROLE_PROVIDER);
    attach(f, id, "self_assessment");
    attach(f, id, "public_text");
    must_step(f, id, "submit", "");
}

static __attribute__((unused)) void filing_publish(fixture *f, const char *name, char id[27])
{
    filing_submit(f, name, id);
    act_as(f, "rex", PL_ROLE_REGULATOR);
    must_step(f, id, "accept", "");
    must_step(f, id, "publish", "");
}

static __attribute__((unused)) json_t *look_at(fixture *f, const char *id)
{
    json_t *out = NULL;

    assert_ok(pl_registry_filing(f->t.db, f->a, pl_str_z(id), &out, &f->err), &f->err);
    assert_ok(pl_arena_defer(f->a, (void (*)(void *))json_decref, out), &f->err);
    return out;
}

static __attribute__((unused)) const char *text_at(const json_t *o, const char *key)
{
    const char *v = json_string_value(json_object_get(o, key));

    return v ? v : "";
}
#endif
