/* Reviews in the daemon, on both databases: from the worker's ring to two decisions and to nothing left. */
#include "guard_fixture.h"

#include "base/file.h"
#include "cap/guard/guard_int.h"
#include "cap/guard/guard_review.h"
#include "cap/guard/pl_guard_cap.h"
#include "cap/ledger/pl_ledger.h"
#include "pl_test_db.h"

#include <dirent.h>
#include <sys/stat.h>

const pl_capability *const pl_capabilities[] = { &pl_cap_guard, NULL };

#define SECRET "a sentence that nobody else should read"
#define NOTE   "grounds that quote the sentence"
#define BODY   "{\"messages\":[{\"role\":\"user\",\"content\":\"" SECRET "\"}]}"
#define DAY_MS (24LL * 3600 * 1000)

typedef struct fx {
    char        *dir;
    pl_instance  instance;
    pl_signer   *signer;
    pl_test_db   test_db;
    pl_db       *db;
    pl_services  sv;
    pl_gate     *worker;
    pl_arena    *arena;
    pl_error     err;
} fx;

static int64_t clock_ms;
static int64_t now(void)
{
    return clock_ms;
}

static const pl_principal ann = { .id = "01jb00000000000000000000aa" }, bob = { .id = "01jb00000000000000000000bb" },
                          cai = { .id = "01jb00000000000000000000cc" },
                          robot = { .id = "01jb00000000000000000000dd", .is_token = 1 };

static char *path_of(const fx *f, const char *rel)
{
    return pl_path_join(f->dir, rel);
}

static void daemon_start(fx *f)
{
    char *ledger = path_of(f, "ledger");

    assert_ok(pl_ledger_open(ledger, f->signer, &f->sv.ledger, &f->err), &f->err);
    assert_ok(pl_cap_guard.start(&f->sv, f->db, &f->err), &f->err);
    free(ledger);
}

static void daemon_stop(fx *f)
{
    pl_cap_guard.stop(&f->sv);
    pl_ledger_close(f->sv.ledger);
}

static void index_key_write(const fx *f)
{
    char *keys = path_of(f, "keys"), *path = path_of(f, "keys/index.key"), hex[65];

    assert_int_equal(mkdir(keys, 0700), 0);
    pl_hex(fixture_key, 32, hex);
    assert_int_equal(pl_file_write_atomic(path, pl_str_z(hex), 0600, NULL), PL_OK);
    free(keys);
    free(path);
}

static int setup(void **state)
{
    static const uint8_t seed[32] = { 7 };
    fx   *f = calloc(1, sizeof *f);
    char *gateway, *policy, *ledger;

    clock_ms = 1790000100000;
    f->dir = pl_test_mkdtemp();
    f->arena = pl_arena_new(16u << 20);
    snprintf(f->instance.dir, sizeof f->instance.dir, "%s", f->dir);
    snprintf(f->instance.service, sizeof f->instance.service, "svc");
    f->instance.retention_days = 184;
    index_key_write(f);
    gateway = path_of(f, "gateway");
    policy = path_of(f, "gateway/policy.db");
    ledger = path_of(f, "ledger");
    assert_int_equal(mkdir(gateway, 0700), 0);
    fixture_policy_write(policy, "pass", "true");
    assert_ok(pl_signer_new(PL_STR("test.example/ledger"), seed, &f->signer, &f->err), &f->err);
    assert_ok(pl_ledger_create(ledger, PL_STR("test.example/ledger"), f->signer, &f->err), &f->err);
    pl_test_db_open(&f->test_db);
    f->db = f->test_db.db;
    assert_ok(pl_db_migrate(f->db, "guard", pl_cap_guard.migrations, 1, &f->err), &f->err);
    f->sv = (pl_services){ .instance = &f->instance, .signer = f->signer, .now_ms = now };
    daemon_start(f);
    assert_ok(pl_gate_open(gateway, &f->worker, &f->err), &f->err);
    assert_ok(pl_gate_claim(f->worker, &f->err), &f->err);
    free(gateway);
    free(policy);
    free(ledger);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fx *f = *state;

    daemon_stop(f);
    pl_gate_close(f->worker);
    pl_test_db_close(&f->test_db);
    pl_signer_free(f->signer);
    pl_arena_free(f->arena);
    pl_test_rmtree(f->dir);
    free(f);
    return 0;
}

static void hand_over(fx *f, pl_exchange *x)
{
    pl_buf sealed = PL_BUF_INIT(2 * PL_REVIEW_MAX);

    assert_int_equal(pl_exchange_review_seal(x, PL_STR(BODY), &sealed), PL_OK);
    assert_int_equal(pl_gate_review_put(f->worker, pl_exchange_id(x), clock_ms, pl_buf_str(&sealed)), PL_OK);
    pl_buf_done(&sealed);
}

/* One escalated exchange, as a worker leaves it. Static storage, by turns. */
static const char *escalated(fx *f, bool with_content)
{
    static char     ids[8][PL_ID_LEN + 1];
    static unsigned serial;
    pl_exchange_options o = { .policy = pl_gate_policy(f->worker), .route_name = PL_STR("default"),
                              .surface = pl_surface_find(PL_STR("/v1/chat/completions")), .service = PL_STR("svc"),
                              .now_ms = clock_ms, .index_key = fixture_key, .max_response = 1u << 20 };
    char        *id = ids[serial % 8];
    uint8_t      rnd[10] = { (uint8_t)++serial };
    pl_exchange *x;

    pl_id_format(o.now_ms, rnd, o.id);
    memcpy(id, o.id, sizeof o.id);
    x = pl_exchange_new(&o);
    pl_exchange_request(x, PL_STR(BODY));
    x->in.review = true;
    if (with_content)
        hand_over(f, x);
    assert_int_equal(pl_gate_reserve(f->worker), PL_OK);
    pl_gate_put(f->worker, pl_exchange_event(x, clock_ms + 1));
    pl_exchange_free(x);
    return id;
}

static void tick(fx *f)
{
    clock_ms += 1000;
    assert_ok(pl_cap_guard.tick(&f->sv, f->db, clock_ms, &f->err), &f->err);
}

static json_t *show(fx *f, const char *id, const pl_principal *who)
{
    json_t *o = NULL;

    assert_ok(guard_review_show(&f->sv, f->db, f->arena, pl_str_z(id), who, &o, &f->err), &f->err);
    return o;
}

static const char *text(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));

    return s ? s : "";
}

static pl_rc decide(fx *f, const char *id, const pl_principal *who, review_verdict v, const char *note)
{
    review_opinion o = { v, PL_STR("harm.fraud"), pl_str_z(note) };
    json_t        *out = NULL;
    pl_rc          rc = guard_review_decide(&f->sv, f->db, f->arena, pl_str_z(id), &o, who, &out, &f->err);

    json_decref(out);
    return rc;
}

/* The predicate of an entry, checked against its schema. */
static json_t *entry(fx *f, uint64_t index, const char *kind)
{
    char    *envelope = NULL, type[160], *payload;
    size_t   n = 0, size = 0;
    json_t  *e = NULL, *s = NULL, *p;
    pl_str   b64;

    assert_ok(pl_ledger_publish(f->sv.ledger, &f->err), &f->err);
    assert_ok(pl_ledger_entry(f->sv.ledger, index, &envelope, &n, &f->err), &f->err);
    assert_ok(pl_json_parse((pl_str){ envelope, n }, "entry", &e, &f->err), &f->err);
    b64 = pl_str_z(text(e, "payload"));
    payload = malloc(b64.n);
    assert_ok(pl_base64_decode(b64, payload, b64.n, &size, &f->err), &f->err);
    assert_ok(pl_json_parse((pl_str){ payload, size }, "statement", &s, &f->err), &f->err);
    snprintf(type, sizeof type, PL_PREDICATE_BASE "%s/v1", kind);
    assert_string_equal(text(s, "predicateType"), type);
    p = json_incref(json_object_get(s, "predicate"));
    assert_ok(pl_predicate_check(pl_str_z(type), p, &f->err), &f->err);
    json_decref(s);
    json_decref(e);
    free(payload);
    free(envelope);
    return p;
}

static uint64_t last(const fx *f)
{
    return pl_ledger_size(f->sv.ledger) - 1;
}

/* --- the tests ----------------------------------------------------------------------------------- */

static void case__comes_with_its_content_for_who_may_read_it(void **state)
{
    fx         *f = *state;
    const char *id = escalated(f, true), *bare;
    json_t     *o;

    tick(f);
    o = show(f, id, &ann);
    assert_string_equal(text(o, "state"), "open");
    assert_string_equal(text(o, "why"), "escalated");
    assert_string_equal(text(o, "content_state"), "kept");
    assert_string_equal(text(json_object_get(json_object_get(o, "content"), "request"), "text"), BODY);
    assert_true(json_is_true(json_object_get(o, "may_decide")));
    json_decref(o);
    bare = escalated(f, false); /* the gateway had no room: the case is there nevertheless */
    tick(f);
    o = show(f, bare, &ann);
    assert_string_equal(text(o, "content_state"), "missing");
    assert_true(json_is_null(json_object_get(o, "commitment")));
    json_decref(o);
    o = show(f, id, &robot);
    assert_true(json_is_false(json_object_get(o, "may_decide")));
    json_decref(o);
    assert_rc(guard_review_show(&f->sv, f->db, f->arena, PL_STR("01jb00000000000000000000zz"), &ann, &o, NULL),
              PL_NOTFOUND);
}

/* PROVES: GUARD/four-eyes */
static void two__decide_for_themselves_and_what_they_said_is_revealed_at_the_end(void **state)
{
    fx         *f = *state;
    const char *id = escalated(f, true);
    json_t     *o, *p, *d;
    char        hex[65];

    tick(f);
    assert_rc(decide(f, id, &robot, REVIEW_VIOLATION, ""), PL_DENIED);
    assert_ok(decide(f, id, &ann, REVIEW_VIOLATION, NOTE), &f->err);
    p = entry(f, last(f), "guard-review");
    assert_string_equal(text(p, "by"), ann.id);
    snprintf(hex, sizeof hex, "%s", text(p, "commitment"));
    assert_null(json_object_get(p, "verdict")); /* the second reads the ledger too */
    json_decref(p);
    o = show(f, id, &bob);
    assert_int_equal(json_integer_value(json_object_get(o, "decided")), 1);
    assert_int_equal(json_array_size(json_object_get(o, "decisions")), 0);
    json_decref(o);
    o = show(f, id, &ann);
    assert_string_equal(text(json_array_get(json_object_get(o, "decisions"), 0), "note"), NOTE);
    assert_true(json_is_false(json_object_get(o, "may_decide")));
    json_decref(o);
    assert_rc(decide(f, id, &ann, REVIEW_VIOLATION, ""), PL_CONFLICT);
    assert_ok(decide(f, id, &bob, REVIEW_VIOLATION, ""), &f->err);
    o = show(f, id, &cai);
    assert_string_equal(text(o, "state"), "settled");
    assert_string_equal(text(o, "outcome"), "violation");
    assert_int_equal(json_array_size(json_object_get(o, "decisions")), 2);
    assert_int_equal(json_integer_value(json_object_get(o, "ledger_index")), last(f));
    json_decref(o);
    p = entry(f, last(f), "guard-review-settled");
    d = json_array_get(json_object_get(p, "decisions"), 0);
    assert_string_equal(text(d, "commitment"), hex);
    uint8_t salt[32];
    char    said[200];
    assert_int_equal(pl_hex_decode(pl_str_z(text(d, "salt")), salt, 32, NULL), PL_OK);
    snprintf(said, sizeof said, "{\"category\":\"harm.fraud\",\"event\":\"%s\",\"verdict\":\"violation\"}", id);
    pl_hash h = pl_commit(salt, pl_str_z(said));
    pl_hex(h.b, 32, hex);
    assert_string_equal(text(d, "commitment"), hex); /* anybody can check what was committed to */
    json_decref(p);
    assert_rc(decide(f, id, &cai, REVIEW_VIOLATION, ""), PL_CONFLICT);
}

static void three__where_two_disagree(void **state)
{
    fx         *f = *state;
    const char *id = escalated(f, true);
    json_t     *o;

    tick(f);
    assert_ok(decide(f, id, &ann, REVIEW_VIOLATION, ""), &f->err);
    assert_ok(decide(f, id, &bob, REVIEW_ACCEPTABLE, ""), &f->err);
    o = show(f, id, &cai);
    assert_string_equal(text(o, "state"), "disputed");
    assert_int_equal(json_array_size(json_object_get(o, "decisions")), 0);
    json_decref(o);
    assert_rc(decide(f, id, &bob, REVIEW_VIOLATION, ""), PL_CONFLICT);
    assert_ok(decide(f, id, &cai, REVIEW_ACCEPTABLE, ""), &f->err);
    o = show(f, id, &ann);
    assert_string_equal(text(o, "outcome"), "acceptable");
    json_decref(o);
    assert_ok(guard_review_stats(f->db, &o, &f->err), &f->err);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(o, "agreement"), "pairs")), 1);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(o, "agreement"), "agreed")), 0);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(o, "cases"), "acceptable")), 1);
    json_decref(o);
}

static void opinion__is_checked(void **state)
{
    fx            *f = *state;
    const char    *id = escalated(f, true);
    review_opinion o = { REVIEW_UNCLEAR, PL_STR("no such thing"), PL_STR("") };
    json_t        *out = NULL;
    char           longish[2100];
    review_verdict v;

    tick(f);
    assert_rc(guard_review_decide(&f->sv, f->db, f->arena, pl_str_z(id), &o, &ann, &out, NULL), PL_INVALID);
    memset(longish, 'a', sizeof longish);
    o = (review_opinion){ REVIEW_UNCLEAR, PL_STR(""), { longish, sizeof longish } };
    assert_rc(guard_review_decide(&f->sv, f->db, f->arena, pl_str_z(id), &o, &ann, &out, NULL), PL_INVALID);
    assert_rc(review_verdict_parse(PL_STR("guilty"), &v, NULL), PL_INVALID);
    assert_rc(decide(f, "01jb00000000000000000000zz", &ann, REVIEW_UNCLEAR, ""), PL_NOTFOUND);
}

/* --- what is left ---------------------------------------------------------------------------------- */

/* Does any file below the folder hold these bytes? */
static bool tree_holds(const char *dir, pl_str what)
{
    DIR           *d = opendir(dir);
    struct dirent *e;
    bool           found = false;

    while (d && !found && (e = readdir(d)) != NULL) {
        char       *path = pl_path_join(dir, e->d_name), *bytes = NULL;
        size_t      n = 0;
        struct stat st;

        if (e->d_name[0] != '.' || (e->d_name[1] != '\0' && strcmp(e->d_name, "..") != 0)) {
            if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
                found = tree_holds(path, what);
            else if (pl_file_read(path, 64u << 20, &bytes, &n, NULL) == PL_OK)
                found = memmem(bytes, n, what.p, what.n) != NULL;
            free(bytes);
        }
        free(path);
    }
    if (d)
        closedir(d);
    return found;
}

/* In the files of a SQLite database (database, journal), in those of the instance. */
static bool anywhere(const fx *f, pl_str what)
{
    char rel[600];

    if (tree_holds(f->dir, what))
        return true;
    for (int i = 0; i < 2 && !pl_db_is_postgres(f->db); i++) {
        char  *bytes = NULL;
        size_t n = 0;
        bool   found;

        snprintf(rel, sizeof rel, "%.500s%s", f->test_db.url + 7, i ? "-wal" : "");
        if (pl_file_read(rel, 64u << 20, &bytes, &n, NULL) != PL_OK)
            continue;
        found = memmem(bytes, n, what.p, what.n) != NULL;
        free(bytes);
        if (found)
            return true;
    }
    return false;
}

static pl_str sealed_of(fx *f, const char *id)
{
    review_row r;

    assert_ok(review_get(f->db, f->arena, pl_str_z(id), &r, &f->err), &f->err);
    return r.sealed;
}

/* PROVES: GUARD/review-retention */
static void retention__ends_with_nothing_left_but_commitments(void **state)
{
    fx         *f = *state;
    const char *id = escalated(f, true), *other = escalated(f, true);
    review_row  row;
    uint8_t     key[32], salt[32];
    char       *private = path_of(f, "private"), *content = NULL;
    size_t      n = 0;
    pl_hash     c;
    pl_str      sealed;
    json_t     *o, *p;

    tick(f);
    assert_ok(decide(f, id, &ann, REVIEW_VIOLATION, NOTE), &f->err);
    assert_ok(decide(f, id, &bob, REVIEW_VIOLATION, ""), &f->err);
    assert_false(anywhere(f, PL_STR(SECRET))); /* at no time is it readable in a file */
    assert_false(anywhere(f, PL_STR(NOTE)));
    assert_ok(review_get(f->db, f->arena, pl_str_z(id), &row, &f->err), &f->err);
    sealed = sealed_of(f, id);
    assert_true(pl_db_is_postgres(f->db) || anywhere(f, (pl_str){ sealed.p + 40, 32 }));
    memcpy(c.b, row.key, 32);
    assert_ok(pl_private_get(private, &c, salt, &content, &n, &f->err), &f->err);
    memcpy(key, content, 32);
    free(content);
    assert_true(row.expires_ms <= clock_ms + PL_REVIEW_KEEP_MS);
    assert_true(row.expires_ms >= clock_ms + PL_REVIEW_KEEP_MS - DAY_MS - 2000);
    clock_ms = row.expires_ms - 2000;
    tick(f);
    o = show(f, id, &ann);
    assert_string_equal(text(o, "content_state"), "kept"); /* not a second early */
    json_decref(o);
    tick(f);
    tick(f);
    assert_rc(pl_private_get(private, &c, salt, &content, &n, NULL), PL_NOTFOUND);
    assert_false(anywhere(f, (pl_str){ (const char *)key, 32 }));
    assert_false(anywhere(f, (pl_str){ sealed.p + 40, 32 }));
    o = show(f, id, &ann);
    assert_string_equal(text(o, "content_state"), "destroyed");
    assert_string_equal(text(o, "outcome"), "violation"); /* what was decided stays */
    assert_int_equal(strlen(text(o, "commitment")), 64);
    assert_true(json_is_null(json_object_get(json_array_get(json_object_get(o, "decisions"), 0), "note")));
    json_decref(o);
    o = show(f, other, &ann);
    assert_string_equal(text(o, "state"), "lapsed");
    json_decref(o);
    assert_rc(decide(f, other, &ann, REVIEW_VIOLATION, ""), PL_CONFLICT);
    p = entry(f, last(f), "guard-review-destroyed");
    assert_int_equal(json_integer_value(json_object_get(p, "count")), 2);
    json_decref(p);
    n = pl_ledger_size(f->sv.ledger);
    tick(f);
    assert_int_equal(pl_ledger_size(f->sv.ledger), n); /* said once */
    free(private);
}

/* Between any two steps of destroying: the key is gone, and the next start does the rest. */
static void retention__goes_on_after_a_crash(void **state)
{
    fx         *f = *state;
    const char *id = escalated(f, true);
    review_row  row;
    char       *private = path_of(f, "private");
    pl_hash     c;
    json_t     *o;

    tick(f);
    assert_ok(review_get(f->db, f->arena, pl_str_z(id), &row, &f->err), &f->err);
    memcpy(c.b, row.key, 32);
    daemon_stop(f);
    assert_ok(pl_private_destroy(private, &c, &f->err), &f->err); /* and then the power went */
    daemon_start(f);
    o = show(f, id, &ann);
    assert_string_equal(text(o, "content_state"), "missing");
    json_decref(o);
    clock_ms = row.expires_ms;
    tick(f);
    o = show(f, id, &ann);
    assert_string_equal(text(o, "content_state"), "destroyed");
    json_decref(o);
    json_decref(entry(f, last(f), "guard-review-destroyed"));
    id = escalated(f, true); /* and another key serves */
    tick(f);
    o = show(f, id, &ann);
    assert_string_equal(text(o, "content_state"), "kept");
    json_decref(o);
    free(private);
}

/* kill -9 of the daemon after the rows and before the ring was acknowledged: once, and not in the ring. */
static void content__is_taken_once_whenever_the_daemon_dies(void **state)
{
    fx         *f = *state;
    const char *id = escalated(f, true);
    char       *ring = path_of(f, "gateway/ring-00.plr"), *review = path_of(f, "gateway/review-00.plr");
    char       *a = NULL, *b = NULL;
    size_t      na = 0, nb = 0;
    json_t     *o;
    FILE       *file;

    assert_ok(pl_file_read(ring, 1u << 26, &a, &na, &f->err), &f->err);
    assert_ok(pl_file_read(review, 1u << 26, &b, &nb, &f->err), &f->err);
    assert_false(tree_holds(f->dir, PL_STR(SECRET)));
    tick(f);
    daemon_stop(f);
    file = fopen(ring, "r+b");
    assert_int_equal(fwrite(a, 1, na, file), na);
    fclose(file);
    file = fopen(review, "r+b");
    assert_int_equal(fwrite(b, 1, nb, file), nb);
    fclose(file);
    daemon_start(f);
    tick(f);
    o = show(f, id, &ann);
    assert_string_equal(text(o, "content_state"), "kept");
    json_decref(o);
    free(a);
    assert_ok(pl_file_read(review, 1u << 26, &a, &na, &f->err), &f->err);
    for (size_t i = 4096; i < na; i++)
        assert_int_equal(a[i], 0); /* nothing stays on the way */
    free(a);
    free(b);
    free(ring);
    free(review);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(case__comes_with_its_content_for_who_may_read_it, setup, teardown),
        cmocka_unit_test_setup_teardown(two__decide_for_themselves_and_what_they_said_is_revealed_at_the_end, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(three__where_two_disagree, setup, teardown),
        cmocka_unit_test_setup_teardown(opinion__is_checked, setup, teardown),
        cmocka_unit_test_setup_teardown(retention__ends_with_nothing_left_but_commitments, setup, teardown),
        cmocka_unit_test_setup_teardown(retention__goes_on_after_a_crash, setup, teardown),
        cmocka_unit_test_setup_teardown(content__is_taken_once_whenever_the_daemon_dies, setup, teardown),
    };

    assert_int_equal(setenv("PLUMBLINE_DATADIR", PL_TEST_SOURCE_ROOT "/src/cap/ledger", 1), 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
