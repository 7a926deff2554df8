/* Every link of a trace proof, sound and broken: the ledger is real, the rows are what a daemon
 * would have written or what somebody with access to the database made of them. */
#include "pl_test.h"
#include "pl_test_db.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/str.h"
#include "cap/capability.h"
#include "cap/trace/trace_int.h"

extern const pl_capability pl_cap_guard;

#define EVENTS 5
#define TRACED 3 /* the event whose answer is looked for */

static const pl_str answer = { "the answer", 10 };

typedef struct fixture {
    pl_test_db   t;
    pl_arena    *a;
    pl_error     err;
    char        *dir, *ledger_dir;
    pl_signer   *signer;
    pl_ledger   *ledger;
    pl_instance  instance;
    trace_source s;
    uint8_t      salt[32], payload_digest[32];
    pl_buf       payload;
    pl_str       leaf[EVENTS];
    char        *envelope;
    size_t       envelope_n;
    pl_hash      root;
    uint64_t     index;
} fixture;

/* --- making the world ------------------------------------------------------------------ */

static const char *id_of(int i)
{
    static char id[32];

    snprintf(id, sizeof id, "01jd000000000000000000000%d", i);
    return id;
}

static void leaves_make(fixture *f)
{
    pl_hash c = pl_commit(f->salt, answer);
    char    hex[65];
    size_t  at[EVENTS + 1] = { 0 };

    pl_hex(c.b, 32, hex);
    f->payload = PL_BUF_INIT(1u << 16);
    for (int i = 0; i < EVENTS; i++) {
        pl_buf_printf(&f->payload,
                      "{\"v\":1,\"id\":\"%s\",\"time\":\"2026-11-22T12:00:00.000Z\","
                      "\"service\":\"default\",\"route\":\"chat\",\"policy\":\"default@1\","
                      "\"outputs\":[{\"bytes\":0,\"commitment\":\"\"},"
                      "{\"bytes\":10,\"commitment\":\"%s\"}]}",
                      id_of(i), i == TRACED ? hex : "");
        at[i + 1] = f->payload.n + 1;
        pl_buf_putc(&f->payload, '\n');
    }
    for (int i = 0; i < EVENTS; i++)
        f->leaf[i] = (pl_str){ f->payload.p + at[i], at[i + 1] - at[i] - 1 };
}

static pl_hash root_make(const fixture *f)
{
    pl_merkle_range r;

    pl_merkle_range_init(&r);
    for (int i = 0; i < EVENTS; i++) {
        pl_hash h = pl_merkle_leaf(f->leaf[i]);
        pl_merkle_range_append(&r, &h);
    }
    return pl_merkle_range_root(&r);
}

static void statement_make(fixture *f, const pl_signer *by, const char *kind, const pl_hash *root,
                           int count)
{
    char    hex[2][65];
    uint8_t subject[32];
    json_t *p;

    pl_hex(root->b, 32, hex[0]);
    pl_hex(f->payload_digest, 32, hex[1]);
    pl_sha256_of(PL_STR("service:default"), subject);
    p = json_pack("{s:i, s:s, s:s}", "count", count, "root", hex[0], "payload_sha256", hex[1]);
    free(f->envelope);
    assert_ok(pl_statement_sign(by, PL_STR("service:default"), subject, kind, p, &f->envelope,
                                &f->envelope_n, &f->err),
              &f->err);
    json_decref(p);
}

static void append(fixture *f)
{
    pl_str entry = { f->envelope, f->envelope_n };

    assert_ok(pl_ledger_append(f->ledger, &entry, 1, &f->index, &f->err), &f->err);
}

static void event_insert(fixture *f, int i, pl_str leaf, int64_t position)
{
    pl_db_stmt *s = NULL;

    assert_ok(pl_db_prepare(f->t.db,
                            "INSERT INTO guard_event (id, time_ms, batch, position, salt, leaf,"
                            " verdict, direction, categories)"
                            " VALUES ($1, 1, 1, $2, $3, $4, 'allow', '', '')",
                            &s, &f->err),
              &f->err);
    pl_db_bind_str(s, 1, pl_str_z(id_of(i)));
    pl_db_bind_int(s, 2, position);
    pl_db_bind_blob(s, 3, f->salt, 32);
    pl_db_bind_blob(s, 4, leaf.p, leaf.n);
    assert_ok(pl_db_run(s, NULL, &f->err), &f->err);
}

static void batch_insert(fixture *f)
{
    pl_db_stmt *s = NULL;

    assert_ok(pl_db_prepare(f->t.db,
                            "INSERT INTO guard_batch (id, created_ms, events, root, payload,"
                            " envelope, ledger_size, ledger_index)"
                            " VALUES (1, 1, $1, $2, $3, $4, 0, $5)",
                            &s, &f->err),
              &f->err);
    pl_db_bind_int(s, 1, EVENTS);
    pl_db_bind_blob(s, 2, f->root.b, 32);
    pl_db_bind_blob(s, 3, f->payload_digest, 32);
    pl_db_bind_blob(s, 4, f->envelope, f->envelope_n);
    pl_db_bind_int(s, 5, (int64_t)f->index);
    assert_ok(pl_db_run(s, NULL, &f->err), &f->err);
}

static void ledger_make(fixture *f)
{
    uint8_t seed[32];
    char    vkey[512];

    memset(seed, 0x11, sizeof seed);
    f->dir = pl_test_mkdtemp();
    f->ledger_dir = pl_path_join(f->dir, "ledger");
    snprintf(f->instance.dir, sizeof f->instance.dir, "%s", f->dir);
    assert_ok(pl_signer_new(PL_STR("plumbline.test/log"), seed, &f->signer, &f->err), &f->err);
    assert_ok(pl_ledger_create(f->ledger_dir, PL_STR("plumbline.test/log"), f->signer, &f->err),
              &f->err);
    assert_ok(pl_ledger_open(f->ledger_dir, f->signer, &f->ledger, &f->err), &f->err);
    assert_ok(pl_signer_vkey(f->signer, vkey, sizeof vkey, &f->err), &f->err);
    f->s = (trace_source){ .instance = &f->instance, .db = f->t.db, .ledger = f->ledger };
    assert_ok(pl_vkey_parse(pl_str_z(vkey), &f->s.vkey, &f->err), &f->err);
    memset(f->s.index_key, 7, sizeof f->s.index_key);
}

static void index_put(fixture *f, int i, int64_t output)
{
    uint8_t key[32];

    pl_hmac_sha256(f->s.index_key, 32, answer, key);
    assert_ok(pl_trace_index_put(f->t.db, key, pl_str_z(id_of(i)), output, &f->err), &f->err);
}

/* Up to the signed statement; the rows follow in rows_make, so that a test can interfere. */
static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);

    memset(f->salt, 0x5a, sizeof f->salt);
    pl_test_db_open(&f->t);
    f->a = pl_arena_new(16u << 20);
    assert_ok(pl_db_migrate(f->t.db, "guard", pl_cap_guard.migrations, 1, &f->err), &f->err);
    assert_ok(pl_db_migrate(f->t.db, "trace", pl_trace_migrations, 1, &f->err), &f->err);
    ledger_make(f);
    leaves_make(f);
    f->root = root_make(f);
    assert_ok(pl_ledger_payload_put(f->ledger_dir, pl_buf_str(&f->payload), f->payload_digest,
                                    &f->err),
              &f->err);
    statement_make(f, f->signer, PL_PREDICATE("guard-event-batch"), &f->root, EVENTS);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;

    pl_ledger_close(f->ledger);
    pl_signer_free(f->signer);
    pl_arena_free(f->a);
    pl_test_db_close(&f->t);
    pl_buf_done(&f->payload);
    free(f->envelope);
    free(f->ledger_dir);
    pl_test_rmtree(f->dir);
    free(f);
    return 0;
}

static void rows_make(fixture *f)
{
    batch_insert(f);
    for (int i = 0; i < EVENTS; i++)
        event_insert(f, i, f->leaf[i], i);
    index_put(f, TRACED, 0);
}

/* Statement in the ledger and published, rows in the database. */
static void world_make(fixture *f)
{
    append(f);
    assert_ok(pl_ledger_publish(f->ledger, &f->err), &f->err);
    rows_make(f);
}

static void sql(fixture *f, const char *text)
{
    assert_ok(pl_db_exec(f->t.db, text, &f->err), &f->err);
}

static trace_result search(fixture *f, const char *text)
{
    trace_result r = { 0 };

    assert_ok(pl_trace_search(&f->s, f->a, pl_str_z(text), &r, &f->err), &f->err);
    return r;
}

static void fails_with(fixture *f, const char *why)
{
    trace_result r = search(f, "the answer");

    assert_true(r.found);
    assert_int_equal(r.proof, PL_TRACE_FAILED);
    if (!memmem(r.problem.p, r.problem.n, why, strlen(why)))
        fail_msg("'" PL_STR_FMT "' does not say '%s'", PL_STR_ARG(r.problem), why);
}

/* --- sound ----------------------------------------------------------------------------- */

static void trace__proves_a_recorded_answer(void **state)
{
    fixture     *f = *state;
    trace_result r;

    world_make(f);
    r = search(f, "the answer \n");
    assert_true(r.found);
    assert_int_equal(r.proof, PL_TRACE_VERIFIED);
    assert_int_equal(r.problem.n, 0);
    assert_str(r.event_id, id_of(TRACED));
    assert_str(r.service, "default");
    assert_str(r.policy, "default@1");
    assert_str(r.time, "2026-11-22T12:00:00.000Z");
    assert_int_equal(r.ledger_index, (int64_t)f->index);
    assert_int_equal(r.batch_position, TRACED);
    assert_int_equal(r.batch_count, EVENTS);
    assert_int_equal(r.choice, 1);
    assert_int_equal(r.matches, 1);
    assert_int_equal(r.root.n, 64);
}

static void trace__does_not_find_other_texts(void **state)
{
    static const char *const texts[] = { "the answer.", " the answer", "The answer", "answer" };
    fixture *f = *state;

    world_make(f);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_false(search(f, texts[i]).found);
}

static void trace__refuses_what_is_no_text(void **state)
{
    fixture     *f = *state;
    trace_result r;

    assert_rc(pl_trace_search(&f->s, f->a, PL_STR("\xff"), &r, &f->err), PL_INVALID);
    assert_rc(pl_trace_search(&f->s, f->a, PL_STR(" \n "), &r, &f->err), PL_INVALID);
    assert_rc(pl_trace_search(&f->s, f->a, PL_STR(""), &r, &f->err), PL_INVALID);
}

static void trace__takes_the_label_off_again(void **state)
{
    fixture *f = *state;

    world_make(f);
    assert_ok(pl_trace_label_put(f->t.db, PL_STR("内容由AI生成"), &f->err), &f->err);
    assert_int_equal(search(f, "the answer\n\n内容由AI生成\n").proof, PL_TRACE_VERIFIED);
    assert_false(search(f, "the answer\n\n由AI生成\n").found);
}

static void trace__understands_what_editors_and_curl_save(void **state)
{
    fixture *f = *state;

    world_make(f);
    assert_true(search(f, "\xEF\xBB\xBFthe answer").found);
    assert_true(search(f, "the answer\r\n").found);
    assert_true(search(f, "{\"choices\":[{\"message\":{\"content\":\"no\"}},"
                          "{\"message\":{\"content\":\"the answer\"}}]}")
                    .found);
    assert_false(search(f, "{\"choices\":[{\"message\":{\"content\":null}}]}").found);
}

static void trace__json_has_the_shape_of_the_contract(void **state)
{
    fixture     *f = *state;
    trace_result r;
    json_t      *j;

    world_make(f);
    r = search(f, "the answer");
    j = pl_trace_result_json(&r);
    assert_true(json_is_true(json_object_get(j, "found")));
    assert_string_equal(json_string_value(json_object_get(j, "proof")), "verified");
    assert_string_equal(json_string_value(json_object_get(j, "how")), "exact");
    assert_string_equal(json_string_value(json_object_get(j, "request_id")), id_of(TRACED));
    json_decref(j);
    r = search(f, "nothing like it");
    j = pl_trace_result_json(&r);
    assert_true(json_is_false(json_object_get(j, "found")));
    assert_true(json_is_null(json_object_get(j, "request_id")));
    assert_true(json_is_null(json_object_get(j, "proof")));
    json_decref(j);
}

/* --- not yet --------------------------------------------------------------------------- */

static void trace__is_pending_until_a_checkpoint_covers_it(void **state)
{
    fixture     *f = *state;
    trace_result r;

    append(f);
    rows_make(f);
    r = search(f, "the answer");
    assert_true(r.found);
    assert_int_equal(r.proof, PL_TRACE_PENDING);
    assert_ok(pl_ledger_publish(f->ledger, &f->err), &f->err);
    assert_int_equal(search(f, "the answer").proof, PL_TRACE_VERIFIED);
}

static void trace__is_pending_while_the_batch_has_no_index(void **state)
{
    fixture *f = *state;

    world_make(f);
    sql(f, "UPDATE guard_batch SET ledger_index = NULL");
    assert_int_equal(search(f, "the answer").proof, PL_TRACE_PENDING);
}

static void trace__prefers_an_older_request_that_is_proved(void **state)
{
    fixture     *f = *state;
    trace_result r;
    char        *newer = pl_arena_dup(f->a, f->leaf[TRACED]), *at;

    world_make(f);
    at = strstr(newer, id_of(TRACED));
    memcpy(at, id_of(9), strlen(id_of(9)));
    sql(f, "INSERT INTO guard_batch (id, created_ms, events, root, payload, envelope, ledger_size)"
           " SELECT 2, 1, events, root, payload, envelope, 1 FROM guard_batch");
    event_insert(f, 9, pl_str_z(newer), 0);
    sql(f, "UPDATE guard_event SET batch = 2 WHERE id LIKE '%9'");
    index_put(f, 9, 0);
    r = search(f, "the answer");
    assert_int_equal(r.matches, 2);
    assert_int_equal(r.proof, PL_TRACE_VERIFIED);
    assert_str(r.event_id, id_of(TRACED));
    sql(f, "DELETE FROM trace_index WHERE event_id NOT LIKE '%9'");
    r = search(f, "the answer");
    assert_int_equal(r.proof, PL_TRACE_PENDING);
    assert_str(r.event_id, id_of(9));
}

/* --- broken ---------------------------------------------------------------------------- */

static void trace__fails_without_the_event_or_its_salt(void **state)
{
    fixture *f = *state;

    world_make(f);
    sql(f, "UPDATE guard_event SET salt = NULL");
    fails_with(f, "salt");
    sql(f, "DELETE FROM guard_event");
    fails_with(f, "erased");
}

static void trace__fails_when_the_event_commits_to_another_text(void **state)
{
    fixture *f = *state;

    world_make(f);
    sql(f, "DELETE FROM trace_index");
    index_put(f, TRACED - 1, 0); /* points at an event that never had this answer */
    fails_with(f, "commit");
}

static void trace__fails_when_the_stored_event_was_changed(void **state)
{
    fixture *f = *state;
    char    *forged = pl_arena_dup(f->a, f->leaf[TRACED]);

    world_make(f);
    memcpy(strstr(forged, "2026"), "1999", 4);
    sql(f, "DELETE FROM guard_event");
    event_insert(f, TRACED, pl_str_z(forged), TRACED);
    fails_with(f, "not in its batch");
}

static void trace__fails_when_the_stored_event_is_no_json(void **state)
{
    fixture *f = *state;

    world_make(f);
    sql(f, "DELETE FROM guard_event");
    event_insert(f, TRACED, PL_STR("{"), TRACED);
    fails_with(f, "malformed");
}

static void trace__fails_at_a_wrong_position(void **state)
{
    static const int64_t positions[] = { 0, TRACED + 1, EVENTS, 1000000 };
    fixture *f = *state;

    world_make(f);
    for (size_t i = 0; i < sizeof positions / sizeof positions[0]; i++) {
        sql(f, "DELETE FROM guard_event");
        event_insert(f, TRACED, f->leaf[TRACED], positions[i]);
        fails_with(f, "not in its batch");
    }
}

static void trace__fails_when_the_payload_is_damaged_or_gone(void **state)
{
    fixture *f = *state;
    char     hex[65], path[1400];
    FILE    *file;

    world_make(f);
    pl_hex(f->payload_digest, 32, hex);
    snprintf(path, sizeof path, "%s/payload/%.2s/%s", f->ledger_dir, hex, hex);
    file = fopen(path, "r+");
    assert_non_null(file);
    assert_int_equal(fputc('X', file), 'X');
    assert_int_equal(fclose(file), 0);
    fails_with(f, "payload");
    assert_int_equal(remove(path), 0);
    fails_with(f, "payload");
}

static void trace__fails_when_the_statement_signs_other_events(void **state)
{
    fixture *f = *state;
    pl_hash  other = f->root;

    other.b[5] ^= 1;
    statement_make(f, f->signer, PL_PREDICATE("guard-event-batch"), &other, EVENTS);
    world_make(f);
    fails_with(f, "another set");
}

static void trace__fails_when_the_statement_counts_differently(void **state)
{
    fixture *f = *state;

    statement_make(f, f->signer, PL_PREDICATE("guard-event-batch"), &f->root, EVENTS + 1);
    world_make(f);
    fails_with(f, "another set");
}

static void trace__fails_when_somebody_else_signed(void **state)
{
    fixture   *f = *state;
    pl_signer *other = NULL;
    uint8_t    seed[32] = { 9 };

    assert_ok(pl_signer_new(PL_STR("plumbline.test/log"), seed, &other, &f->err), &f->err);
    statement_make(f, other, PL_PREDICATE("guard-event-batch"), &f->root, EVENTS);
    pl_signer_free(other);
    world_make(f);
    fails_with(f, "not signed");
}

static void trace__fails_when_the_entry_is_another_statement(void **state)
{
    fixture *f = *state;

    statement_make(f, f->signer, PL_PREDICATE("account-change"), &f->root, EVENTS);
    world_make(f);
    fails_with(f, "no batch");
}

static void trace__fails_when_the_row_names_another_entry(void **state)
{
    fixture *f = *state;

    statement_make(f, f->signer, PL_PREDICATE("account-change"), &f->root, EVENTS);
    append(f);
    statement_make(f, f->signer, PL_PREDICATE("guard-event-batch"), &f->root, EVENTS);
    world_make(f);
    assert_int_equal(search(f, "the answer").proof, PL_TRACE_VERIFIED);
    sql(f, "UPDATE guard_batch SET ledger_index = ledger_index - 1");
    fails_with(f, "no batch");
}

static void trace__fails_under_another_key(void **state)
{
    fixture   *f = *state;
    pl_signer *other = NULL;
    uint8_t    seed[32] = { 9 };
    char       vkey[512];

    world_make(f);
    assert_ok(pl_signer_new(PL_STR("plumbline.test/log"), seed, &other, &f->err), &f->err);
    assert_ok(pl_signer_vkey(other, vkey, sizeof vkey, &f->err), &f->err);
    assert_ok(pl_vkey_parse(pl_str_z(vkey), &f->s.vkey, &f->err), &f->err);
    pl_signer_free(other);
    fails_with(f, "checkpoint is not signed");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(trace__proves_a_recorded_answer),
        T(trace__does_not_find_other_texts),
        T(trace__refuses_what_is_no_text),
        T(trace__takes_the_label_off_again),
        T(trace__understands_what_editors_and_curl_save),
        T(trace__json_has_the_shape_of_the_contract),
        T(trace__is_pending_until_a_checkpoint_covers_it),
        T(trace__is_pending_while_the_batch_has_no_index),
        T(trace__prefers_an_older_request_that_is_proved),
        T(trace__fails_without_the_event_or_its_salt),
        T(trace__fails_when_the_event_commits_to_another_text),
        T(trace__fails_when_the_stored_event_was_changed),
        T(trace__fails_when_the_stored_event_is_no_json),
        T(trace__fails_at_a_wrong_position),
        T(trace__fails_when_the_payload_is_damaged_or_gone),
        T(trace__fails_when_the_statement_signs_other_events),
        T(trace__fails_when_the_statement_counts_differently),
        T(trace__fails_when_somebody_else_signed),
        T(trace__fails_when_the_entry_is_another_statement),
        T(trace__fails_when_the_row_names_another_entry),
        T(trace__fails_under_another_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
