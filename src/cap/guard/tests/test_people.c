/* People: the ladder of violations, sessions, minors, dependence; and the workers' table. */
#include "guard_fixture.h"

#include "base/file.h"
#include "cap/guard/guard_int.h"
#include "cap/guard/pl_jwt.h"

#include <jwt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <signal.h>
#include <sys/wait.h>

#define MINUTE 60000LL
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)
#define NOON   1790049600000LL /* 2026-09-22 12:00 at +08:00 */

static people_config *config;
static json_t        *config_json;

static int setup(void **state)
{
    const char *folders[] = { PL_TEST_SOURCE_ROOT "/packs", NULL };
    pl_pack    *p;
    pl_error    err;

    (void)state;
    config_json = json_object();
    assert_ok(pl_pack_open("guard-people", folders, &p, &err), &err);
    assert_ok(policy_people_read(p, config_json, &err), &err);
    assert_ok(people_config_new(config_json, &config, &err), &err);
    pl_pack_free(p);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    people_config_free(config);
    json_decref(config_json);
    return 0;
}

static people_news learn(subject_state *s, int64_t at, bool violation)
{
    people_event e = { .time_ms = at, .violation = violation };
    people_news  news;

    people_learn(config, s, &e, &news);
    return news;
}

static people_admission admit(const subject_state *s, int64_t at, bool minor)
{
    people_admission a;

    people_admit(config, s, NULL, minor, at, &a);
    return a;
}

/* --- violations ---------------------------------------------------------------------------- */

static void strikes__lead_from_a_reminder_to_a_suspension(void **state)
{
    subject_state    s = { 0 };
    people_admission a = admit(NULL, NOON, false);
    people_news      news;

    (void)state;
    assert_null(a.refusal);
    assert_true(a.next_en.n > 0); /* what the first violation will be told */
    learn(&s, NOON, true);
    assert_null(admit(&s, NOON + 1, false).refusal);
    learn(&s, NOON + 2, true);
    news = learn(&s, NOON + 3, true);
    assert_true(news.sanctioned);
    a = admit(&s, NOON + 4, false);
    assert_string_equal(a.refusal, "cooling_off");
    assert_int_equal(a.retry_s, 600);
    assert_true(a.zh.n > 0);
    assert_null(admit(&s, NOON + 3 + 10 * MINUTE, false).refusal);
    learn(&s, NOON + 11 * MINUTE, true);
    learn(&s, NOON + 12 * MINUTE, true);
    news = learn(&s, NOON + 13 * MINUTE, true);
    assert_true(news.report && news.sanctioned);
    assert_string_equal(admit(&s, NOON + 6 * DAY, false).refusal, "suspended");
    assert_null(admit(&s, NOON + 13 * MINUTE + 7 * DAY, false).refusal);
}

static void strikes__further_apart_than_the_window_do_not_add_up(void **state)
{
    subject_state s = { 0 };

    (void)state;
    for (int i = 0; i < 20; i++) {
        learn(&s, NOON + i * 2 * DAY, true);
        assert_int_equal(s.strikes, 1);
    }
}

static void sanctions__are_not_shortened_by_weaker_ones_or_by_the_clock(void **state)
{
    subject_state s = { 0 };

    (void)state;
    for (int i = 0; i < 6; i++)
        learn(&s, NOON + i, true);
    assert_int_equal(s.sanction, PL_SANCTION_SUSPENDED);
    learn(&s, NOON - 30 * DAY, false); /* a clock set back */
    assert_int_equal(s.last_ms, NOON + 5);
    assert_string_equal(admit(&s, NOON + 6, false).refusal, "suspended");
    for (int i = 0; i < 3; i++)
        learn(&s, NOON + 2 * DAY + i, true); /* a new window: the third leads to a cooling-off */
    assert_string_equal(admit(&s, NOON + 3 * DAY, false).refusal, "suspended");
    people_lift(&s);
    assert_null(admit(&s, NOON + 3 * DAY, false).refusal);
    assert_int_equal(s.strikes, 0);
}

static void session__that_was_stopped_is_refused_until_a_pause(void **state)
{
    subject_state s = { 0 };
    people_event  e = { .time_ms = NOON, .stops = true };
    people_news   news;

    (void)state;
    people_learn(config, &s, &e, &news);
    assert_string_equal(admit(&s, NOON + 1, false).refusal, "session_stopped");
    learn(&s, NOON + 20 * MINUTE, false); /* knocking does not help */
    assert_string_equal(admit(&s, NOON + 40 * MINUTE, false).refusal, "session_stopped");
    assert_null(admit(&s, NOON + 50 * MINUTE, false).refusal);
    learn(&s, NOON + 50 * MINUTE, false);
    assert_int_equal(s.stopped_ms, 0);
}

/* --- time ------------------------------------------------------------------------------------ */

/* PROVES: CN-ANTHRO/18 */
static void session__reminds_every_two_hours_of_continuous_use(void **state)
{
    subject_state s = { 0 };
    int           said = 0;

    (void)state;
    for (int64_t t = 0; t <= 6 * HOUR; t += 10 * MINUTE) {
        people_admission a = admit(&s, NOON + t, false);
        people_event     e = { .time_ms = NOON + t, .reminded = a.remind };
        people_news      news;

        said += (a.remind & PL_REMIND_SESSION) != 0;
        assert_int_equal(said, t / (2 * HOUR)); /* floor(t / 7200 s) */
        people_learn(config, &s, &e, &news);
    }
    assert_int_equal(admit(&s, NOON + 7 * HOUR, false).remind, 0); /* a pause */
}

static void minors__have_hours_and_an_amount_of_use(void **state)
{
    subject_state s = { 0 };

    (void)state;
    assert_string_equal(admit(NULL, NOON + 10 * HOUR, true).refusal, "minor_hours"); /* 22:00 */
    assert_null(admit(NULL, NOON + 10 * HOUR - 1, true).refusal);
    assert_string_equal(admit(NULL, NOON - 6 * HOUR - 1, true).refusal, "minor_hours");
    assert_null(admit(NULL, NOON - 6 * HOUR, true).refusal);
    assert_null(admit(NULL, NOON + 10 * HOUR, false).refusal);
    for (int i = 0; i <= 6; i++)
        learn(&s, NOON + i * 10 * MINUTE, false);
    assert_string_equal(admit(&s, NOON + HOUR, true).refusal, "minor_time");
    assert_int_equal(admit(&s, NOON + HOUR, true).retry_s, 11 * 3600); /* until midnight there */
    assert_null(admit(&s, NOON + HOUR, false).refusal);
    assert_null(admit(&s, NOON + 20 * HOUR, true).refusal); /* the next morning */
    assert_int_equal(admit(&s, NOON + 35 * MINUTE, true).remind & PL_REMIND_SESSION, PL_REMIND_SESSION);
}

static void dependence__is_much_use_or_many_nights_and_said_once_a_day(void **state)
{
    subject_state s = { 0 }, night = { 0 };
    people_event  told = { .time_ms = NOON + 2, .reminded = PL_REMIND_DEPENDENCE };
    people_news   news = { 0 };
    int           signals = 0;

    (void)state;
    for (int i = 0; i < 400; i++)
        signals += learn(&s, NOON + i, false).dependence;
    assert_int_equal(signals, 1);
    assert_int_equal(admit(&s, NOON + 401, false).remind, PL_REMIND_DEPENDENCE);
    people_learn(config, &s, &told, &news);
    assert_int_equal(admit(&s, NOON + 402, false).remind, 0);

    for (int day = 0; day < 4; day++) /* 23:00 on four days */
        news = learn(&night, NOON + 11 * HOUR + day * DAY, false);
    assert_true(news.dependence);
    assert_int_equal(__builtin_popcount(night.nights), 4);
    learn(&night, NOON + 30 * DAY, false);
    assert_int_equal(night.nights, 0);
}

static void crisis__is_found_by_category(void **state)
{
    (void)state;
    assert_true(people_is_crisis(config, PL_STR("harm.self_harm")));
    assert_false(people_is_crisis(config, PL_STR("harm.fraud")));
}

/* --- the table ------------------------------------------------------------------------------- */

static pl_subjects *table_open(const char *dir)
{
    pl_subjects *t;
    pl_error     err;
    int          fd = open(dir, O_RDONLY | O_DIRECTORY);

    assert_ok(pl_subjects_open(fd, &t, &err), &err);
    close(fd);
    return t;
}

static void key_make(uint64_t n, uint64_t home, uint8_t key[PL_SUBJECT_KEY])
{
    memcpy(key, &home, 8);
    memcpy(key + 8, &n, 8);
}

static void table__finds_what_was_put_and_is_shared(void **state)
{
    char         *dir = pl_test_mkdtemp();
    pl_subjects  *a = table_open(dir), *b = table_open(dir);
    subject_state s = { .last_ms = 5, .strikes = 3 }, got;
    uint8_t       key[PL_SUBJECT_KEY];

    (void)state;
    for (uint64_t i = 0; i < 5000; i++) {
        key_make(i, i * 2654435761u, key);
        s.requests = (uint32_t)i;
        assert_int_equal(pl_subjects_put(a, key, &s, 10), PL_OK);
    }
    for (uint64_t i = 0; i < 5000; i++) {
        key_make(i, i * 2654435761u, key);
        assert_true(pl_subjects_find(b, key, &got));
        assert_int_equal(got.requests, i);
    }
    key_make(5000, 1, key);
    assert_false(pl_subjects_find(b, key, &got));
    pl_subjects_close(a);
    pl_subjects_close(b);
    pl_test_rmtree(dir);
}

static void table__makes_place_but_never_of_who_is_held(void **state)
{
    char         *dir = pl_test_mkdtemp();
    pl_subjects  *t = table_open(dir);
    subject_state held = { .sanction = PL_SANCTION_SUSPENDED, .until_ms = INT64_MAX }, s = { 0 }, got;
    uint8_t       key[PL_SUBJECT_KEY];

    (void)state;
    for (uint64_t i = 0; i < 31; i++) { /* all in one neighbourhood of 32 */
        key_make(i, 7, key);
        assert_int_equal(pl_subjects_put(t, key, &held, 10), PL_OK);
    }
    for (uint64_t i = 100; i < 200; i++) { /* the one place left goes from hand to hand */
        key_make(i, 7, key);
        s.last_ms = (int64_t)i;
        assert_int_equal(pl_subjects_put(t, key, &s, 10), PL_OK);
        assert_true(pl_subjects_find(t, key, &got));
    }
    for (uint64_t i = 0; i < 31; i++) {
        key_make(i, 7, key);
        assert_true(pl_subjects_find(t, key, &got));
    }
    key_make(199, 7, key);
    assert_int_equal(pl_subjects_put(t, key, &held, 10), PL_OK);
    key_make(300, 7, key);
    assert_int_equal(pl_subjects_put(t, key, &s, 10), PL_LIMIT);
    pl_subjects_close(t);
    pl_test_rmtree(dir);
}

typedef struct reader {
    pl_subjects *t;
    uint8_t      key[PL_SUBJECT_KEY];
    atomic_bool  stop;
    atomic_uint  torn, seen;
} reader;

static void *reader_run(void *ctx)
{
    reader       *r = ctx;
    subject_state s;

    while (!atomic_load(&r->stop))
        if (pl_subjects_find(r->t, r->key, &s)) {
            r->seen++;
            r->torn += s.last_ms != s.used_ms || s.requests != (uint32_t)s.last_ms || s.flags != s.requests;
        }
    return NULL;
}

static void table__is_read_whole_beside_its_writer(void **state)
{
    char         *dir = pl_test_mkdtemp();
    reader        r = { .t = table_open(dir) };
    pthread_t     thread;
    subject_state s = { 0 };

    (void)state;
    key_make(1, 1, r.key);
    assert_int_equal(pl_subjects_put(r.t, r.key, &s, 0), PL_OK);
    assert_int_equal(pthread_create(&thread, NULL, reader_run, &r), 0);
    for (int64_t i = 0; i < 100000 || atomic_load(&r.seen) < 1000; i++) {
        s.last_ms = s.used_ms = i;
        s.requests = s.flags = (uint32_t)i;
        assert_int_equal(pl_subjects_put(r.t, r.key, &s, 0), PL_OK);
    }
    atomic_store(&r.stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(atomic_load(&r.torn), 0);
    pl_subjects_close(r.t);
    pl_test_rmtree(dir);
}

static void table__of_a_killed_writer_or_of_garbage_is_used_again(void **state)
{
    char         *dir = pl_test_mkdtemp();
    char          path[512];
    pl_subjects  *t = table_open(dir);
    subject_state s = { .strikes = 9 }, got;
    uint8_t       key[PL_SUBJECT_KEY];
    int           status;
    pid_t         pid;
    pl_error      err;

    (void)state;
    key_make(1, 1, key);
    pid = fork();
    if (pid == 0) {
        for (;;)
            (void)pl_subjects_put(t, key, &s, 0);
    }
    usleep(20000);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(pl_subjects_put(t, key, &s, 0), PL_OK);
    assert_true(pl_subjects_find(t, key, &got));
    assert_int_equal(got.strikes, 9);
    pl_subjects_close(t);
    snprintf(path, sizeof path, "%s/subjects.pls", dir);
    assert_ok(pl_file_write_atomic(path, PL_STR("garbage"), 0600, &err), &err);
    t = table_open(dir); /* made anew */
    assert_false(pl_subjects_find(t, key, &got));
    pl_subjects_close(t);
    pl_test_rmtree(dir);
}

/* --- exchanges ---------------------------------------------------------------------------------- */

/* PROVES: GUARD/subjects */
static void exchange__knows_people_by_a_keyed_hash_only(void **state)
{
    pl_policy          *p = fixture_policy("pass", "true");
    pl_exchange_options o = { .policy = p, .route_name = PL_STR("default"),
                              .surface = pl_surface_find(PL_STR("chat.completions")), .service = PL_STR("svc"),
                              .id = "01jb00000000000000000000ab", .index_key = fixture_key,
                              .subject_in_body = true, .max_response = 1u << 20 };
    uint8_t             key[PL_SUBJECT_KEY];
    char                hex[2 * PL_SUBJECT_KEY + 1];
    pl_str              leaf;
    pl_exchange        *x = pl_exchange_new(&o);

    (void)state;
    pl_exchange_request(x, PL_STR("{\"user\":\"alice@example\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"));
    leaf = pl_exchange_event(x, 0)->leaf;
    pl_subject_key(fixture_key, PL_STR("alice@example"), key);
    pl_hex(key, sizeof key, hex);
    assert_non_null(memmem(leaf.p, leaf.n, hex, 32));
    assert_null(memmem(leaf.p, leaf.n, "alice", 5));
    pl_exchange_free(x);

    o.subject = PL_STR("from the header"); /* outranks the body */
    x = pl_exchange_new(&o);
    pl_exchange_request(x, PL_STR("{\"user\":\"alice@example\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"));
    leaf = pl_exchange_event(x, 0)->leaf;
    assert_null(memmem(leaf.p, leaf.n, hex, 32));
    pl_exchange_free(x);
    pl_policy_unref(p);
}

/* --- tokens ------------------------------------------------------------------------------------ */

#define SECRET "0123456789abcdef0123456789abcdef"

static char *token_of(jwt_alg_t alg, const char *key, const char *claims)
{
    jwt_t *j;
    char  *text;

    assert_int_equal(jwt_new(&j), 0);
    assert_int_equal(jwt_add_grants_json(j, claims), 0);
    assert_int_equal(jwt_set_alg(j, alg, (const unsigned char *)key, key ? (int)strlen(key) : 0), 0);
    text = jwt_encode_str(j);
    jwt_free(j);
    return text;
}

static pl_rc claim(const char *key, const char *token, const char *name, char out[64])
{
    pl_buf b = PL_BUF_INIT(64);
    pl_rc  rc = pl_jwt_claim(pl_str_z(key), pl_str_z(token), name, NOON, &b);

    snprintf(out, 64, PL_STR_FMT, PL_STR_ARG(pl_buf_str(&b)));
    pl_buf_done(&b);
    return rc;
}

static void token__gives_claims_only_when_it_is_to_be_trusted(void **state)
{
    static const struct {
        jwt_alg_t   alg;
        const char *key, *claims;
        pl_rc       rc;
    } rows[] = {
        { JWT_ALG_HS256, SECRET, "{\"sub\":\"alice\"}", PL_OK },
        { JWT_ALG_HS512, SECRET, "{\"sub\":\"alice\",\"exp\":1790049601,\"nbf\":1790049600}", PL_OK },
        { JWT_ALG_HS256, SECRET, "{\"sub\":\"alice\",\"exp\":1790049600}", PL_DENIED },
        { JWT_ALG_HS256, SECRET, "{\"sub\":\"alice\",\"nbf\":1790049601}", PL_DENIED },
        { JWT_ALG_HS256, SECRET, "{\"sub\":\"alice\",\"exp\":\"never\"}", PL_DENIED },
        { JWT_ALG_HS256, SECRET, "{\"name\":\"alice\"}", PL_NOTFOUND },
        { JWT_ALG_HS256, SECRET, "{\"sub\":{\"a\":1}}", PL_NOTFOUND },
        { JWT_ALG_HS256, "another secret of thirty-two bytes", "{\"sub\":\"alice\"}", PL_DENIED },
        { JWT_ALG_NONE, NULL, "{\"sub\":\"alice\"}", PL_DENIED },
    };
    char got[64];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *t = token_of(rows[i].alg, rows[i].key, rows[i].claims);

        if (claim(SECRET, t, "sub", got) != rows[i].rc)
            fail_msg("row %zu", i);
        assert_string_equal(got, rows[i].rc == PL_OK ? "alice" : "");
        free(t);
    }
    assert_int_equal(claim(SECRET, "a.b.c", "sub", got), PL_DENIED);
    assert_int_equal(claim(SECRET, "", "sub", got), PL_DENIED);
    assert_int_equal(claim("short", "a.b.c", "sub", got), PL_DENIED);
}

/* RFC 8725, 2.1: a public key is no secret to sign with. */
static void token__cannot_choose_how_the_key_is_used(void **state)
{
    static const char pem[] = "-----BEGIN PUBLIC KEY-----\n"
                              "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEVs/o5+uQbTjL3chynL4wXgUg2R9\n"
                              "q9UU8I5mEovUf86QZ7kOBIjJwqnzD1omageEHWwHdBO6B+dFabmdT9POxg==\n"
                              "-----END PUBLIC KEY-----\n";
    char              got[64], *t = token_of(JWT_ALG_HS256, pem, "{\"sub\":\"mallory\"}");

    (void)state;
    assert_int_equal(claim(pem, t, "sub", got), PL_DENIED);
    free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strikes__lead_from_a_reminder_to_a_suspension),
        cmocka_unit_test(strikes__further_apart_than_the_window_do_not_add_up),
        cmocka_unit_test(sanctions__are_not_shortened_by_weaker_ones_or_by_the_clock),
        cmocka_unit_test(session__that_was_stopped_is_refused_until_a_pause),
        cmocka_unit_test(session__reminds_every_two_hours_of_continuous_use),
        cmocka_unit_test(minors__have_hours_and_an_amount_of_use),
        cmocka_unit_test(dependence__is_much_use_or_many_nights_and_said_once_a_day),
        cmocka_unit_test(crisis__is_found_by_category),
        cmocka_unit_test(table__finds_what_was_put_and_is_shared),
        cmocka_unit_test(table__makes_place_but_never_of_who_is_held),
        cmocka_unit_test(table__is_read_whole_beside_its_writer),
        cmocka_unit_test(table__of_a_killed_writer_or_of_garbage_is_used_again),
        cmocka_unit_test(exchange__knows_people_by_a_keyed_hash_only),
        cmocka_unit_test(token__gives_claims_only_when_it_is_to_be_trusted),
        cmocka_unit_test(token__cannot_choose_how_the_key_is_used),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
