/* The verbs, the routes and the schemas, on an instance made as a user's is. */
#include "cmd_host.h"

#include "cap/capability.h"
#include "cap/instance.h"

#define DEFAULTS PL_TEST_SOURCE_ROOT "/share/defaults"
#define SCHEMAS  PL_TEST_SOURCE_ROOT "/src/cap/ledger/schema/"

typedef struct fx {
    lt_fx       log;
    char       *instance_dir;
    pl_instance instance;
    /* What the command was given and what it said. */
    const char *dir, *key;
    ch_host     host;
    char       *out, *err; /* of the host */
    pl_error    error;
} fx;

static int run_in(fx *f, const char *lang, bool json, const char *verb, const char *operand)
{
    int code;

    ch_set(&f->host, "dir", f->dir);
    ch_set(&f->host, "key", f->key);
    ch_set(&f->host, "any-type", "");
    code = ch_run(&f->host, lang, json, "ledger", verb, operand);
    f->out = f->host.out;
    f->err = f->host.err;
    return code;
}

static int run(fx *f, const char *verb, const char *operand)
{
    return run_in(f, "en", false, verb, operand);
}

static json_t *run_json(fx *f, int code, const char *verb, const char *operand)
{
    json_t *j = NULL;

    assert_int_equal(run_in(f, "en", true, verb, operand), code);
    assert_ok(pl_json_parse(pl_str_z(f->out), "output", &j, &f->error), &f->error);
    return j;
}

static const char *text_of(const json_t *j, const char *key)
{
    const char *s = json_string_value(json_object_get(j, key));

    assert_non_null(s);
    return s;
}

static int64_t number_of(const json_t *j, const char *key)
{
    assert_true(json_is_integer(json_object_get(j, key)));
    return json_integer_value(json_object_get(j, key));
}

/* --- fixture --------------------------------------------------------------------------- */

static int setup(void **state)
{
    fx                 *f = calloc(1, sizeof(*f));
    pl_instance_options o = { .dir = NULL };

    assert_non_null(f);
    f->log.tmp = pl_test_mkdtemp();
    f->instance_dir = pl_path_join(f->log.tmp, "instance");
    f->dir = o.dir = f->instance_dir;
    assert_ok(pl_instance_create(&o, DEFAULTS, 1790000000000, &f->error), &f->error);
    assert_ok(pl_instance_open(f->dir, &f->instance, &f->error), &f->error);
    assert_ok(pl_instance_signer(&f->instance, &f->log.signer, &f->error), &f->error);
    f->log.dir = pl_path_join(f->dir, "ledger");
    if (access(f->log.dir, F_OK) != 0)
        assert_ok(pl_ledger_create(f->log.dir, pl_str_z(f->instance.origin), f->log.signer,
                                   &f->error),
                  &f->error);
    assert_ok(pl_instance_vkey(&f->instance, &f->log.key, &f->error), &f->error);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fx *f = *state;

    lt_close(&f->log);
    pl_signer_free(f->log.signer);
    free(f->log.dir);
    free(f->instance_dir);
    ch_done(&f->host);
    pl_test_rmtree(f->log.tmp);
    free(f);
    return 0;
}

static char *file_with(const fx *f, const char *name, const char *text)
{
    char *p = pl_path_join(f->log.tmp, name);

    assert_rc(pl_file_write_atomic(p, pl_str_z(text), 0600, NULL), PL_OK);
    return p;
}

/* n statements in a published, closed log. */
static void fill(fx *f, unsigned n)
{
    lt_open(&f->log);
    lt_append(&f->log, 0, n);
    lt_publish(&f->log);
    lt_close(&f->log);
}

#define STATEMENT                                                                                  \
    "{ \"_type\": \"https://in-toto.io/Statement/v1\",\n  \"subject\": [{\"name\": \"model:a\", "  \
    "\"digest\": {\"sha256\": \"00ff\"}}],\n  \"predicateType\": \"https://example.org/t/v1\",\n"  \
    "  \"predicate\": {\"time\": \"2026-11-22T08:00:00Z\"} }\n"

/* --- append and checkpoint ------------------------------------------------------------- */

static void append__signs_the_exact_bytes_of_the_file(void **state)
{
    fx        *f = *state;
    char      *path = file_with(f, "statement.json", STATEMENT);
    json_t    *j = run_json(f, PL_EXIT_OK, "append", path);
    pl_ledger *r = NULL;
    char      *env = NULL;
    size_t     n = 0;
    pl_dsse    d;

    assert_int_equal(number_of(j, "index"), 0);
    assert_int_equal(number_of(j, "size"), 1);
    assert_int_equal(strlen(text_of(j, "leaf")), 64);
    assert_ok(pl_ledger_open_reader(f->log.dir, &r, &f->error), &f->error);
    assert_ok(pl_ledger_entry(r, 0, &env, &n, &f->error), &f->error);
    assert_ok(pl_dsse_open((pl_str){ env, n }, &f->log.key, 1, &d, &f->error), &f->error);
    assert_string_equal(d.payload, STATEMENT);
    pl_dsse_done(&d);
    free(env);
    pl_ledger_close(r);
    json_decref(j);
    assert_int_equal(run(f, "append", path), PL_EXIT_OK);
    assert_string_equal(f->out, "appended as entry 1; the ledger has 2\n");
    assert_int_equal(run(f, "verify", NULL), PL_EXIT_OK);
    free(path);
}

static void append__refuses_what_is_not_a_statement(void **state)
{
    static const char *const bad[] = { "", "not JSON", "{}", "[1]",
                                       "{\"_type\":\"https://in-toto.io/Statement/v1\"}" };
    fx *f = *state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char *path = file_with(f, "bad.json", bad[i]);

        assert_int_equal(run(f, "append", path), PL_EXIT_BAD_INPUT);
        assert_int_equal(strncmp(f->err, "plumbline: ", 11), 0);
        free(path);
    }
    assert_int_equal(run(f, "append", "/nonexistent.json"), PL_EXIT_BAD_INPUT);
    lt_assert_sound(&f->log, 0);
}

static void writing_verbs__are_refused_while_the_daemon_writes(void **state)
{
    fx   *f = *state;
    char *path = file_with(f, "statement.json", STATEMENT);

    lt_open(&f->log); /* what plumblined does */
    assert_int_equal(run(f, "append", path), PL_EXIT_FAILED);
    assert_non_null(strstr(f->err, "plumblined is its only writer while it runs"));
    assert_int_equal(run(f, "checkpoint", NULL), PL_EXIT_FAILED);
    assert_int_equal(run(f, "verify", NULL), PL_EXIT_OK); /* reading goes on */
    free(path);
}

static void checkpoint__publishes_and_prints_the_note(void **state)
{
    fx            *f = *state;
    pl_checkpoint  c;
    json_t        *j;

    lt_open(&f->log);
    lt_append(&f->log, 0, 3);
    lt_close(&f->log); /* appended, not published */
    assert_int_equal(run(f, "checkpoint", NULL), PL_EXIT_OK);
    assert_ok(pl_checkpoint_open(pl_str_z(f->out), &f->log.key, &c, &f->error), &f->error);
    assert_int_equal(c.size, 3);
    j = run_json(f, PL_EXIT_OK, "checkpoint", NULL);
    assert_int_equal(number_of(j, "size"), 3);
    assert_string_equal(text_of(j, "origin"), f->instance.origin);
    json_decref(j);
}

/* --- verify ---------------------------------------------------------------------------- */

static void verify__prints_the_promised_json(void **state)
{
    fx     *f = *state;
    json_t *j;

    fill(f, 3);
    j = run_json(f, PL_EXIT_OK, "verify", NULL);
    assert_true(json_is_true(json_object_get(j, "ok")));
    assert_int_equal(number_of(j, "size"), 3);
    assert_int_equal(strlen(text_of(j, "root")), 64);
    assert_int_equal(json_array_size(json_object_get(j, "problems")), 0);
    assert_int_equal(json_array_size(json_object_get(j, "signers")), 1);
    assert_true(json_is_array(json_object_get(j, "witnesses")));
    assert_string_equal(text_of(j, "latest_time"), "2026-11-22T12:00:00.000Z");
    assert_string_equal(text_of(j, "key_from"), "instance");
    json_decref(j);
}

static void verify__of_a_damaged_log_ends_with_1_and_names_the_place(void **state)
{
    fx     *f = *state;
    pl_str  b;
    json_t *j;

    fill(f, 3);
    b = lt_slurp(&f->log, "tile/entries/000.p/3");
    ((char *)(uintptr_t)b.p)[30] ^= 1;
    lt_spit(&f->log, "tile/entries/000.p/3", b);
    free((void *)(uintptr_t)b.p);
    j = run_json(f, PL_EXIT_FOUND, "verify", NULL);
    assert_true(json_is_false(json_object_get(j, "ok")));
    assert_non_null(strstr(json_string_value(json_array_get(json_object_get(j, "problems"), 0)),
                           "tile/entries/000.p/3: entry 0"));
    json_decref(j);
    assert_int_equal(run(f, "verify", NULL), PL_EXIT_FOUND);
    assert_non_null(strstr(f->out, "NOT sound:"));
    assert_int_equal(run_in(f, "zh-CN", false, "verify", NULL), PL_EXIT_FOUND);
    assert_non_null(strstr(f->out, "存在问题"));
}

static void verify__of_a_copied_log_needs_no_instance(void **state)
{
    fx  *f = *state;
    char vkey[512];

    fill(f, 2);
    f->dir = f->log.dir; /* the log itself, as somebody else would hold it */
    assert_int_equal(run(f, "verify", NULL), PL_EXIT_OK);
    assert_non_null(strstr(f->out, "the key is the one the log names itself"));
    assert_ok(pl_signer_vkey(f->log.signer, vkey, sizeof(vkey), &f->error), &f->error);
    f->key = vkey;
    assert_int_equal(run(f, "verify", NULL), PL_EXIT_OK);
    assert_null(strstr(f->out, "the key is the one"));
    lt_remove(&f->log, "vkey");
    f->key = NULL;
    assert_int_equal(run(f, "verify", NULL), PL_EXIT_INCONCLUSIVE);
    assert_non_null(strstr(f->err, "no key to check the ledger with"));
}

static void verify__with_another_key_finds_problems(void **state)
{
    fx *f = *state;

    fill(f, 2);
    f->key = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    assert_int_equal(run(f, "verify", NULL), PL_EXIT_FOUND);
    f->key = "no key at all";
    assert_int_equal(run(f, "verify", NULL), PL_EXIT_BAD_INPUT);
}

static void verify__where_no_log_is_says_so(void **state)
{
    fx *f = *state;

    f->dir = "/nonexistent";
    assert_int_equal(run(f, "verify", NULL), PL_EXIT_BAD_INPUT);
    assert_string_equal(f->err, "plumbline: no ledger in '/nonexistent'\n");
}

/* --- prove and consistency ------------------------------------------------------------- */

/* Checks the printed tlog-proof with nothing but the public functions. */
static void assert_proof_holds(const fx *f, const char *text, uint64_t index, const pl_hash *leaf)
{
    pl_str        rest = pl_str_z(text), line;
    pl_proof      p = { .n = 0 };
    pl_checkpoint c;
    char          want[40];
    size_t        n;
    pl_error      err = { PL_OK, "" };

    assert_true(pl_str_split(&rest, '\n', &line));
    assert_str(line, "c2sp.org/tlog-proof@v1");
    assert_true(pl_str_split(&rest, '\n', &line));
    (void)snprintf(want, sizeof(want), "index %llu", (unsigned long long)index);
    assert_str(line, want);
    while (pl_str_split(&rest, '\n', &line) && line.n > 0) {
        assert_ok(pl_base64_decode(line, p.h[p.n].b, 32, &n, &err), &err);
        p.n++;
    }
    assert_ok(pl_checkpoint_open(rest, &f->log.key, &c, &err), &err);
    assert_ok(pl_merkle_inclusion_verify(index, c.size, leaf, &p, &c.root, &err), &err);
}

static void prove__prints_a_tlog_proof(void **state)
{
    fx     *f = *state;
    pl_str  entry;
    pl_hash leaf;
    json_t *j;
    char   *back = calloc(1, PL_LOG_ENTRY_MAX);
    size_t  n = 0;

    fill(f, 5);
    entry = lt_statement(f->log.signer, 3);
    leaf = pl_merkle_leaf(entry);
    assert_int_equal(run(f, "prove", "3"), PL_EXIT_OK);
    assert_proof_holds(f, f->out, 3, &leaf);
    j = run_json(f, PL_EXIT_OK, "prove", "3");
    assert_ok(pl_base64_decode(pl_str_z(text_of(j, "entry")), back, PL_LOG_ENTRY_MAX, &n,
                               &f->error),
              &f->error);
    assert_true(pl_str_eq(entry, (pl_str){ back, n }));
    assert_int_equal(json_array_size(json_object_get(j, "hashes")), 3);
    json_decref(j);
    free(back);
    free((void *)(uintptr_t)entry.p);
}

static void prove__refuses_what_is_not_an_entry(void **state)
{
    static const char *const bad[] = {
        "5", "99999999999999999999", "-1", "+1", "01", " 1", "x", ""
    };
    fx *f = *state;

    fill(f, 5);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(run(f, "prove", bad[i]), PL_EXIT_BAD_INPUT);
}

static void consistency__accepts_an_extended_log_and_refuses_another(void **state)
{
    fx     *f = *state;
    char   *saved, *vkey = NULL;
    json_t *j;
    char   *text = NULL;
    size_t  n = 0;

    fill(f, 3);
    assert_ok(pl_file_read((vkey = lt_path(&f->log, "checkpoint")), 4096, &text, &n, &f->error),
              &f->error);
    saved = file_with(f, "saved.checkpoint", text);
    free(vkey);
    lt_open(&f->log);
    lt_append(&f->log, 3, 8);
    lt_publish(&f->log);
    lt_close(&f->log);
    assert_int_equal(run(f, "consistency", saved), PL_EXIT_OK);
    assert_string_equal(f->out, "consistent: the log of 8 entries extends that of 3\n");
    j = run_json(f, PL_EXIT_OK, "consistency", "3");
    assert_true(json_is_true(json_object_get(j, "ok")));
    assert_int_equal(number_of(j, "old_size"), 3);
    assert_true(json_array_size(json_object_get(j, "hashes")) > 0);
    json_decref(j);
    assert_int_equal(run(f, "consistency", "9"), PL_EXIT_FOUND); /* it has shrunk */
    assert_int_equal(run(f, "consistency", "no such file"), PL_EXIT_BAD_INPUT);
    text[n - 10] ^= 1;
    free(saved);
    saved = file_with(f, "saved.checkpoint", text);
    assert_int_equal(run(f, "consistency", saved), PL_EXIT_BAD_INPUT);
    free(saved);
    free(text);
}

static void consistency__finds_a_log_that_was_rewritten(void **state)
{
    fx    *f = *state;
    char  *saved, *aside = pl_path_join(f->log.tmp, "aside");
    pl_str note;

    fill(f, 3);
    note = lt_slurp(&f->log, "checkpoint");
    saved = file_with(f, "saved.checkpoint", note.p);
    assert_int_equal(rename(f->log.dir, aside), 0);
    assert_ok(pl_ledger_create(f->log.dir, pl_str_z(f->instance.origin), f->log.signer, &f->error),
              &f->error);
    lt_open(&f->log);
    lt_append_plain(&f->log, 0, 6);
    lt_publish(&f->log);
    lt_close(&f->log);
    assert_int_equal(run(f, "consistency", saved), PL_EXIT_FOUND);
    assert_int_equal(strncmp(f->out, "NOT consistent: ", 16), 0);
    free(saved);
    free(aside);
    free((void *)(uintptr_t)note.p);
}

/* --- HTTP ------------------------------------------------------------------------------ */

static pl_rc call(fx *f, const char *path, const char *param, pl_api_reply *r)
{
    pl_services     s = { .instance = &f->instance, .ledger = f->log.l, .signer = f->log.signer };
    pl_api_request  q = { .services = &s, .method = "GET" };
    const pl_route *route = pl_ledger_routes;

    while (strcmp(route->path, path) != 0)
        route++;
    assert_int_equal(route->roles, PL_ROLES_STAFF);
    if (param != NULL)
        q.param[0] = pl_str_z(param);
    *r = (pl_api_reply){ .status = 0 };
    return route->fn(&q, r, &f->error);
}

static void api_ledger__gives_the_head(void **state)
{
    fx           *f = *state;
    pl_api_reply  r;
    pl_checkpoint c;
    pl_vkey       k;

    fill(f, 4);
    lt_open(&f->log);
    lt_append(&f->log, 4, 6);
    assert_ok(call(f, "/api/v1/ledger", NULL, &r), &f->error);
    assert_int_equal(number_of(r.body, "size"), 4);
    assert_int_equal(number_of(r.body, "appended"), 6);
    assert_int_equal(number_of(r.body, "quarantined"), 0);
    assert_ok(pl_vkey_parse(pl_str_z(text_of(r.body, "vkey")), &k, &f->error), &f->error);
    assert_ok(pl_checkpoint_open(pl_str_z(text_of(r.body, "checkpoint")), &k, &c, &f->error),
              &f->error);
    assert_int_equal(c.size, 4);
    json_decref(r.body);
}

static void api_entry__gives_a_proof_that_holds(void **state)
{
    fx           *f = *state;
    pl_api_reply  r;
    pl_checkpoint c;
    pl_hash       leaf;
    pl_proof      p = { .n = 0 };
    json_t       *hashes, *h;
    size_t        i;

    fill(f, 7);
    lt_open(&f->log);
    assert_ok(call(f, "/api/v1/ledger/entries/{index}", "5", &r), &f->error);
    assert_ok(pl_hex_decode(pl_str_z(text_of(r.body, "leaf")), leaf.b, 32, &f->error), &f->error);
    assert_ok(pl_checkpoint_open(pl_str_z(text_of(r.body, "checkpoint")), &f->log.key, &c,
                                 &f->error),
              &f->error);
    hashes = json_object_get(json_object_get(r.body, "proof"), "hashes");
    json_array_foreach(hashes, i, h)
        assert_ok(pl_hex_decode(pl_str_z(json_string_value(h)), p.h[p.n++].b, 32, &f->error),
                  &f->error);
    assert_ok(pl_merkle_inclusion_verify(5, c.size, &leaf, &p, &c.root, &f->error), &f->error);
    assert_string_equal(text_of(json_object_get(r.body, "statement"), "predicateType"),
                        PL_PREDICATE("guard-stop"));
    json_decref(r.body);
}

static void api_entry__refuses_bad_indexes(void **state)
{
    fx          *f = *state;
    pl_api_reply r;

    fill(f, 2);
    lt_open(&f->log);
    assert_rc(call(f, "/api/v1/ledger/entries/{index}", "2", &r), PL_NOTFOUND);
    assert_rc(call(f, "/api/v1/ledger/entries/{index}", "1x", &r), PL_INVALID);
    assert_rc(call(f, "/api/v1/ledger/entries/{index}", "", &r), PL_INVALID);
}

/* --- schemas --------------------------------------------------------------------------- */

static bool type_fits(const json_t *schema, const json_t *value)
{
    const char *type = json_string_value(json_object_get(schema, "type"));

    return (strcmp(type, "string") == 0 && json_is_string(value)) ||
           (strcmp(type, "integer") == 0 && json_is_integer(value)) ||
           (strcmp(type, "array") == 0 && json_is_array(value));
}

/* Each kind with a predicate as the code makes it. */
static void schemas__describe_the_predicates_in_use(void **state)
{
    static const struct {
        const char *kind, *sample;
    } v[] = {
        { "guard-event-batch",
          "{\"count\":2,\"root\":\"00\",\"payload_sha256\":\"00\",\"payload_bytes\":9,"
          "\"from\":\"2026-11-22T00:00:00.000Z\",\"to\":\"2026-11-22T00:00:00.000Z\",\"lost\":0}" },
        { "guard-stop", "{\"scope\":\"installation\",\"reason\":\"r\",\"by\":\"x\",\"at\":\"t\"}" },
        { "guard-resume",
          "{\"scope\":\"installation\",\"reason\":\"r\",\"by\":\"x\",\"at\":\"t\"}" },
        { "policy-activated", "{\"policy\":\"default@1\",\"sha256\":\"00\",\"by\":\"x\"}" },
        { "account-change",
          "{\"change\":\"add\",\"roles\":[\"admin\"],\"by\":\"x\",\"time\":\"t\"}" },
        { "instance-created",
          "{\"installation\":\"i\",\"origin\":\"o\",\"service\":\"s\",\"software\":\"0.1.0\","
          "\"at\":\"t\"}" },
        { "clock-event", "{\"expected\":\"t\",\"time\":\"t\",\"jump_ms\":-3600000}" },
        { "key-event", "{\"event\":\"add\",\"vkey\":\"k\"}" },
    };
    fx *f = *state;

    for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
        char        path[512], id[128], *text = NULL;
        size_t      n = 0, k;
        json_t     *schema = NULL, *sample = NULL, *props, *value;
        const char *key;

        (void)snprintf(path, sizeof(path), SCHEMAS "%s.json", v[i].kind);
        (void)snprintf(id, sizeof(id), PL_PREDICATE_BASE "%s/v1", v[i].kind);
        assert_ok(pl_file_read(path, 1 << 16, &text, &n, &f->error), &f->error);
        assert_ok(pl_json_parse((pl_str){ text, n }, path, &schema, &f->error), &f->error);
        assert_ok(pl_json_parse(pl_str_z(v[i].sample), "sample", &sample, &f->error), &f->error);
        assert_string_equal(text_of(schema, "$id"), id);
        props = json_object_get(schema, "properties");
        json_object_foreach(sample, key, value)
            if (!type_fits(json_object_get(props, key), value))
                fail_msg("'%s' of '%s' is not as its schema says", key, v[i].kind);
        json_array_foreach(json_object_get(schema, "required"), k, value)
            if (json_object_get(sample, json_string_value(value)) == NULL ||
                json_object_get(props, json_string_value(value)) == NULL)
                fail_msg("'%s' requires '%s'", v[i].kind, json_string_value(value));
        json_decref(schema);
        json_decref(sample);
        free(text);
    }
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(append__signs_the_exact_bytes_of_the_file),
        T(append__refuses_what_is_not_a_statement),
        T(writing_verbs__are_refused_while_the_daemon_writes),
        T(checkpoint__publishes_and_prints_the_note),
        T(verify__prints_the_promised_json),
        T(verify__of_a_damaged_log_ends_with_1_and_names_the_place),
        T(verify__of_a_copied_log_needs_no_instance),
        T(verify__with_another_key_finds_problems),
        T(verify__where_no_log_is_says_so),
        T(prove__prints_a_tlog_proof),
        T(prove__refuses_what_is_not_an_entry),
        T(consistency__accepts_an_extended_log_and_refuses_another),
        T(consistency__finds_a_log_that_was_rewritten),
        T(api_ledger__gives_the_head),
        T(api_entry__gives_a_proof_that_holds),
        T(api_entry__refuses_bad_indexes),
        T(schemas__describe_the_predicates_in_use),
    };

    lt_use_memory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
