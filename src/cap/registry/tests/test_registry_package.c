/* Two installations: a provider files, a regulator answers, each with a ledger of its own. */
#include "registry_fixture.h"

typedef struct pair {
    fixture provider, regulator;
} pair;

static void befriend(fixture *f, const fixture *other, const char *role)
{
    char          vkey[PL_VKEY_TEXT_MAX];
    registry_peer p = { .origin = pl_str_z(other->instance.origin), .name = PL_STR("other"),
                        .role = pl_str_z(role), .time_ms = 1 };

    assert_ok(pl_signer_vkey(other->signer, vkey, sizeof vkey, &f->err), &f->err);
    p.vkey = pl_str_z(vkey);
    assert_ok(peer_store_put(f->t.db, &p, &f->err), &f->err);
}

static int setup(void **state)
{
    pair *p = calloc(1, sizeof *p);

    clock_ms = 1772409600000;
    fixture_open(&p->provider, "provider.example/log", 1);
    fixture_open(&p->regulator, "regulator.example/log", 2);
    p->provider.c.packs = p->regulator.c.packs; /* the snapshot in force */
    befriend(&p->regulator, &p->provider, "provider");
    befriend(&p->provider, &p->regulator, "regulator");
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    pair *p = *state;

    fixture_close(&p->regulator);
    fixture_close(&p->provider);
    free(p);
    return 0;
}

/* A package, malloc'd. */
static pl_str package_of(fixture *f, const char *id)
{
    char   hex[65], *bytes = NULL;
    size_t n = 0;

    assert_ok(filing_export(&f->c, pl_str_z(id), PL_STR("other"), PL_STR("filing"), hex, &n, &f->err), &f->err);
    assert_ok(registry_payload_get(&f->s, pl_str_z(hex), REGISTRY_FILE_MAX, &bytes, &n, &f->err), &f->err);
    return (pl_str){ bytes, n };
}

static pl_rc take(fixture *f, pl_str package)
{
    json_t *out = NULL;
    pl_rc   rc;

    act_as(f, "local", PL_ROLES_STAFF);
    rc = filing_import(&f->c, package, &out, &f->err);
    json_decref(out);
    return rc;
}

static void send(fixture *from, fixture *to, const char *id)
{
    pl_str package = package_of(from, id);

    assert_ok(take(to, package), &to->err);
    free((void *)(uintptr_t)package.p);
}

static void attach_all(fixture *f, const char *id, const char *const *slots)
{
    for (; *slots; slots++)
        attach(f, id, *slots);
}

/* The filing is `submitted` at the provider, who has its subject accepted; not sent yet. */
static void file_it(pair *p, const char *name, char id[27])
{
    static const char *const first[] = { "credential", "employment", "commitment", "responsibility", NULL };
    static const char *const second[] = { "self_assessment", "public_text", NULL };

    filing_begin(&p->provider, name, id);
    attach_all(&p->provider, id, first);
    must_step(&p->provider, id, "submit_subject", "");
    send(&p->provider, &p->regulator, id);
    act_as(&p->regulator, "rita", PL_ROLE_REVIEWER);
    must_step(&p->regulator, id, "accept_subject", "");
    send(&p->regulator, &p->provider, id);
    act_as(&p->provider, "anna", PL_ROLE_PROVIDER);
    attach_all(&p->provider, id, second);
    must_step(&p->provider, id, "submit", "");
}

static const char *state_of(fixture *f, const char *id)
{
    return text_at(look_at(f, id), "state");
}

static void exchange__a_filing_goes_out_and_its_number_comes_back(void **state)
{
    pair *p = *state;
    char  id[27];

    file_it(p, "甲算法", id);
    send(&p->provider, &p->regulator, id);
    assert_string_equal(state_of(&p->regulator, id), "submitted");
    assert_int_equal(json_array_size(json_object_get(look_at(&p->regulator, id), "files")), 6);
    assert_string_equal(text_at(look_at(&p->regulator, id), "origin"), "provider.example/log");

    /* Whoever took the package did not take the provider's step: four eyes hold between the sides. */
    act_as(&p->regulator, "local", PL_ROLES_STAFF);
    must_step(&p->regulator, id, "accept", "");
    must_step(&p->regulator, id, "publish", "");
    send(&p->regulator, &p->provider, id);
    assert_string_equal(state_of(&p->provider, id), "published");
    assert_string_equal(text_at(look_at(&p->provider, id), "number"),
                        text_at(look_at(&p->regulator, id), "number"));
    assert_string_equal(text_at(look_at(&p->provider, id), "number"), "网信算备990001000000101260015号");
}

static void exchange__goes_on_with_a_change(void **state)
{
    pair   *p = *state;
    char    id[27];
    json_t *values = filing_values("乙算法");

    file_it(p, "甲算法", id);
    send(&p->provider, &p->regulator, id);
    act_as(&p->regulator, "rex", PL_ROLE_REGULATOR);
    must_step(&p->regulator, id, "accept", "");
    must_step(&p->regulator, id, "publish", "");
    send(&p->regulator, &p->provider, id);

    act_as(&p->provider, "anna", PL_ROLE_PROVIDER);
    must_step(&p->provider, id, "change", "renamed");
    assert_ok(filing_edit(&p->provider.c, pl_str_z(id), version_now(&p->provider, id), values, &p->provider.err),
              &p->provider.err);
    must_step(&p->provider, id, "submit_change", "");
    send(&p->provider, &p->regulator, id);
    assert_string_equal(state_of(&p->regulator, id), "change_review");
    act_as(&p->regulator, "rex", PL_ROLE_REGULATOR);
    must_step(&p->regulator, id, "accept_change", "");
    send(&p->regulator, &p->provider, id);
    assert_string_equal(state_of(&p->provider, id), "published");
    assert_string_equal(text_at(look_at(&p->provider, id), "title"), "乙算法");
    assert_string_equal(text_at(look_at(&p->regulator, id), "title"), "乙算法");
    json_decref(values);
}

static void exchange__refuses_what_was_taken_before(void **state)
{
    pair    *p = *state;
    char     id[27];
    pl_str   first, again;
    uint64_t size;

    file_it(p, "甲算法", id);
    first = package_of(&p->provider, id);
    again = package_of(&p->provider, id);
    assert_ok(take(&p->regulator, first), &p->regulator.err);
    size = pl_ledger_size(p->regulator.ledger);
    assert_rc(take(&p->regulator, first), PL_CONFLICT);
    assert_non_null(strstr(p->regulator.err.text, "replayed"));
    assert_rc(take(&p->regulator, again), PL_CONFLICT); /* other bytes, nothing new */
    assert_int_equal(pl_ledger_size(p->regulator.ledger), size);
    free((void *)(uintptr_t)first.p);
    free((void *)(uintptr_t)again.p);
}

static void exchange__refuses_strangers_and_changed_bytes(void **state)
{
    pair  *p = *state;
    char   id[27];
    pl_str package;
    char  *at;

    file_it(p, "甲算法", id);
    package = package_of(&p->provider, id);
    assert_ok(pl_db_exec(p->regulator.t.db, "DELETE FROM registry_peer", &p->regulator.err), &p->regulator.err);
    assert_rc(take(&p->regulator, package), PL_DENIED);
    befriend(&p->regulator, &p->provider, "provider");
    at = memmem(package.p, package.n, "\"state\":\"submitted\"", 19);
    assert_non_null(at);
    at[9] = 'S';
    assert_rc(take(&p->regulator, package), PL_INVALID);
    at[9] = 's';
    assert_ok(take(&p->regulator, package), &p->regulator.err);
    free((void *)(uintptr_t)package.p);
}

/* The provider's own ledger can say anything; it cannot make the regulator's decision. */
static void exchange__refuses_steps_the_sender_may_not_take(void **state)
{
    pair  *p = *state;
    char   id[27];
    pl_str package;

    file_it(p, "甲算法", id);
    act_as(&p->provider, "rex", PL_ROLE_REGULATOR);
    must_step(&p->provider, id, "accept", "");
    package = package_of(&p->provider, id);
    assert_rc(take(&p->regulator, package), PL_INVALID);
    free((void *)(uintptr_t)package.p);
}

static void exchange__refuses_answers_nobody_asked_for(void **state)
{
    pair  *p = *state;
    char   id[27];
    pl_str package;

    file_it(p, "甲算法", id);
    send(&p->provider, &p->regulator, id);
    act_as(&p->regulator, "rex", PL_ROLE_REGULATOR);
    must_step(&p->regulator, id, "accept", "");
    package = package_of(&p->regulator, id);
    assert_ok(pl_db_exec(p->provider.t.db, "DELETE FROM registry_export", &p->provider.err), &p->provider.err);
    assert_rc(take(&p->provider, package), PL_INVALID);
    assert_non_null(strstr(p->provider.err.text, "answers nothing"));
    free((void *)(uintptr_t)package.p);
}

static void exchange__what_belongs_to_another_is_not_changed_here(void **state)
{
    pair   *p = *state;
    char    id[27];
    json_t *values = filing_values("乙");

    file_it(p, "甲算法", id);
    send(&p->provider, &p->regulator, id);
    act_as(&p->regulator, "rex", PL_ROLE_REGULATOR);
    must_step(&p->regulator, id, "return", "incomplete");
    act_as(&p->regulator, "anna", PL_ROLE_PROVIDER);
    assert_rc(filing_edit(&p->regulator.c, pl_str_z(id), version_now(&p->regulator, id), values,
                          &p->regulator.err), PL_DENIED);
    assert_rc(step(&p->regulator, id, "submit", ""), PL_DENIED);
    json_decref(values);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(exchange__a_filing_goes_out_and_its_number_comes_back),
        T(exchange__goes_on_with_a_change),
        T(exchange__refuses_what_was_taken_before),
        T(exchange__refuses_strangers_and_changed_bytes),
        T(exchange__refuses_steps_the_sender_may_not_take),
        T(exchange__refuses_answers_nobody_asked_for),
        T(exchange__what_belongs_to_another_is_not_changed_here),
    };

    return cmocka_run_group_tests_name("registry packages", tests, NULL, NULL);
}
