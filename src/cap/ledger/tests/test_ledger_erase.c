/* Forgetting: what stood behind an entry is gone, the log says so, and every proof holds. A
 * child is killed at every point where one can be; doing it again always ends the same.
 * PROVES: PIPL/47 */
#include "ledger_test.h"

#include "base/fault.h"

#include <signal.h>
#include <sys/wait.h>

#define SECRET  "13800000000 asked for her data to be deleted"
#define PAYLOAD "the whole correspondence"

typedef struct fx {
    lt_fx   log;
    char   *private_dir;
    pl_hash commitment;
    uint8_t digest[32];
} fx;

/* A complaint with a commitment and a payload (entry 0), and one more entry. */
static void complaint_state(fx *f)
{
    char     c[65], d[65];
    uint8_t  salt[32];
    uint64_t index;
    json_t  *p;

    memset(salt, 7, sizeof salt);
    assert_ok(pl_private_put(f->private_dir, PL_STR(SECRET), salt, &f->commitment, &f->log.err),
              &f->log.err);
    assert_ok(pl_ledger_payload_put(f->log.dir, PL_STR(PAYLOAD), f->digest, &f->log.err),
              &f->log.err);
    pl_hex(f->commitment.b, 32, c);
    pl_hex(f->digest, 32, d);
    p = json_pack("{s:s, s:s, s:s, s:s, s:i}", "complaint", "k1", "status", "received",
                  "complainant", c, "payload_sha256", d, "payload_bytes",
                  (int)sizeof(PAYLOAD) - 1);
    assert_ok(pl_ledger_state(f->log.l, f->log.signer, PL_STR("complaint:k1"),
                              PL_PREDICATE("complaint"), p, &index, &f->log.err),
              &f->log.err);
    json_decref(p);
    lt_append(&f->log, 1, 2);
    lt_publish(&f->log);
}

static int setup(void **state)
{
    fx *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    assert_int_equal(setenv("PLUMBLINE_DATADIR", PL_TEST_SOURCE_ROOT "/src/cap/ledger", 1), 0);
    f->log.tmp = pl_test_mkdtemp();
    f->log.dir = pl_path_join(f->log.tmp, "ledger");
    f->private_dir = pl_path_join(f->log.tmp, "private");
    f->log.signer = lt_signer(LT_ORIGIN, 0x11, &f->log.key);
    assert_ok(pl_ledger_create(f->log.dir, PL_STR(LT_ORIGIN), f->log.signer, &f->log.err),
              &f->log.err);
    lt_open(&f->log);
    complaint_state(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fx *f = *state;

    lt_close(&f->log);
    pl_signer_free(f->log.signer);
    free(f->log.dir);
    free(f->private_dir);
    pl_test_rmtree(f->log.tmp);
    free(f);
    return 0;
}

static const pl_erasure request = { .index = 0, .ground = "PIPL Art. 47", .by = "operator",
                                    .now_ms = 1790000000000 };

static pl_rc erase(fx *f, uint64_t *index)
{
    return pl_ledger_erase(f->log.l, f->log.signer, f->private_dir, &request, index, &f->log.err);
}

static const char *sought;

static int holds_it(const char *path, const struct stat *st, int type, struct FTW *w)
{
    char  *bytes = NULL;
    size_t n = 0;
    int    found;

    (void)st, (void)w;
    if (type != FTW_F || pl_file_read(path, 16u << 20, &bytes, &n, NULL) != PL_OK)
        return 0;
    found = memmem(bytes, n, sought, strlen(sought)) != NULL;
    free(bytes);
    return found;
}

/* Whether any file of the test holds the bytes. */
static bool is_anywhere(const fx *f, const char *bytes)
{
    sought = bytes;
    return nftw(f->log.tmp, holds_it, 16, FTW_PHYS) == 1;
}

static void assert_erased_and_sound(fx *f, uint64_t least, const char *erased_by)
{
    pl_ledger_report r;
    uint8_t          salt[32];
    char            *content = NULL;
    size_t           n = 0;

    assert_rc(pl_private_get(f->private_dir, &f->commitment, salt, &content, &n, NULL),
              PL_NOTFOUND);
    assert_rc(pl_ledger_payload_get(f->log.dir, f->digest, 1000, &content, &n, NULL), PL_NOTFOUND);
    assert_false(is_anywhere(f, SECRET));
    assert_false(is_anywhere(f, PAYLOAD));
    assert_ok(pl_ledger_verify(f->log.dir, &f->log.key, &r, NULL, NULL, &f->log.err), &f->log.err);
    if (json_array_size(r.problems) > 0)
        fail_msg("%s: %s", erased_by, json_string_value(json_array_get(r.problems, 0)));
    assert_true(r.size >= least);
    assert_true(json_array_size(r.erased) > 0);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(r.erased, 0), "entry")), 0);
    pl_ledger_report_done(&r);
}

static void private_put__keeps_salt_and_content_behind_the_commitment(void **state)
{
    fx     *f = *state;
    uint8_t salt[32], want[32];
    char   *content = NULL;
    size_t  n = 0;
    pl_hash h;

    assert_ok(pl_private_get(f->private_dir, &f->commitment, salt, &content, &n, &f->log.err),
              &f->log.err);
    memset(want, 7, sizeof want);
    assert_memory_equal(salt, want, 32);
    assert_str(((pl_str){ content, n }), SECRET);
    free(content);
    /* The vector of docs/formats/statement.md. */
    for (uint8_t i = 0; i < 32; i++)
        salt[i] = i;
    assert_ok(pl_private_put(f->private_dir, PL_STR("hello"), salt, &h, &f->log.err), &f->log.err);
    pl_hex_decode(PL_STR("b47a72ca6b6f03815508eae9d8bc1fe202977ec9bc8cff6b143ddfd1f00907a3"), want,
                  32, NULL);
    assert_memory_equal(h.b, want, 32);
}

static void private_get__finds_changed_bytes(void **state)
{
    fx     *f = *state;
    uint8_t salt[32];
    char    hex[65], path[600], *content = NULL, *bytes = NULL;
    size_t  n = 0;

    pl_hex(f->commitment.b, 32, hex);
    (void)snprintf(path, sizeof path, "%s/%.2s/%s", f->private_dir, hex, hex);
    assert_rc(pl_file_read(path, 1000, &bytes, &n, NULL), PL_OK);
    for (size_t i = 0; i < n; i++) {
        bytes[i] ^= 1;
        assert_rc(pl_file_write_atomic(path, (pl_str){ bytes, n }, 0600, NULL), PL_OK);
        assert_rc(pl_private_get(f->private_dir, &f->commitment, salt, &content, &n, NULL),
                  PL_INVALID);
        bytes[i] ^= 1;
    }
    free(bytes);
}

static void erase__destroys_says_so_and_leaves_every_proof(void **state)
{
    fx           *f = *state;
    uint64_t      index = 0;
    pl_proof      proof;
    pl_checkpoint head;
    char         *entry = NULL;
    size_t        n = 0;
    pl_hash       leaf;
    struct stat   st;
    char          path[600];

    assert_true(is_anywhere(f, SECRET));
    assert_ok(erase(f, &index), &f->log.err);
    assert_int_equal(index, 2);
    assert_erased_and_sound(f, 3, "erase");
    assert_ok(pl_ledger_head(f->log.l, &head, &f->log.err), &f->log.err);
    assert_ok(pl_ledger_entry(f->log.l, 0, &entry, &n, &f->log.err), &f->log.err);
    leaf = pl_merkle_leaf((pl_str){ entry, n });
    assert_ok(pl_ledger_inclusion(f->log.l, 0, head.size, &proof, &f->log.err), &f->log.err);
    assert_ok(pl_merkle_inclusion_verify(0, head.size, &leaf, &proof, &head.root, &f->log.err),
              &f->log.err);
    free(entry);
    (void)snprintf(path, sizeof path, "%s/erasing/0.json", f->private_dir);
    assert_int_not_equal(stat(path, &st), 0);
}

static void erase__of_an_entry_that_binds_nothing_is_refused(void **state)
{
    fx        *f = *state;
    pl_erasure e = request;
    uint64_t   index;

    e.index = 1;
    assert_rc(pl_ledger_erase(f->log.l, f->log.signer, f->private_dir, &e, &index, &f->log.err),
              PL_NOTFOUND);
    e.index = 99;
    assert_int_not_equal(
        pl_ledger_erase(f->log.l, f->log.signer, f->private_dir, &e, &index, &f->log.err), PL_OK);
    assert_int_equal(pl_ledger_size(f->log.l), 2);
}

static void verify__misses_a_payload_nobody_said_was_erased(void **state)
{
    fx              *f = *state;
    pl_ledger_report r;
    char             hex[65], path[600];

    pl_hex(f->digest, 32, hex);
    (void)snprintf(path, sizeof path, "%s/payload/%.2s/%s", f->log.dir, hex, hex);
    assert_int_equal(unlink(path), 0);
    assert_ok(pl_ledger_verify(f->log.dir, &f->log.key, &r, NULL, NULL, &f->log.err), &f->log.err);
    assert_int_equal(json_array_size(r.problems), 1);
    assert_string_equal(json_string_value(json_array_get(r.problems, 0)),
                        "entry 0: its payload is missing, and no statement says that it was "
                        "erased");
    pl_ledger_report_done(&r);
}

static void verify__finds_a_deletion_that_did_not_happen(void **state)
{
    fx              *f = *state;
    pl_ledger_report r;
    uint8_t          digest[32];
    uint64_t         index = 0;

    assert_ok(erase(f, &index), &f->log.err);
    assert_ok(pl_ledger_payload_put(f->log.dir, PL_STR(PAYLOAD), digest, &f->log.err), &f->log.err);
    assert_ok(pl_ledger_verify(f->log.dir, &f->log.key, &r, NULL, NULL, &f->log.err), &f->log.err);
    assert_int_equal(json_array_size(r.problems), 1);
    assert_non_null(strstr(json_string_value(json_array_get(r.problems, 0)), "still there"));
    pl_ledger_report_done(&r);
}

/* --- cut short --------------------------------------------------------------------------- */

/* Erases in a child under a fault; false when the fault was never reached. */
static bool erase_under(fx *f, const char *mode, unsigned n)
{
    char   fault[32];
    int    status = 0;
    pid_t  pid;

    lt_close(&f->log);
    (void)snprintf(fault, sizeof fault, "%s@%u", mode, n);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        uint64_t index;

        (void)pl_ledger_open(f->log.dir, f->log.signer, &f->log.l, NULL);
        (void)setenv("PL_FAULT", fault, 1);
        pl_fault_init();
        _exit(erase(f, &index) == PL_OK && pl_fault_count() < n ? 7 : 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return !(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

static void each_fault(const char *mode)
{
    unsigned n = 1;
    bool     hit = true;

    for (; hit && n < 500; n++) {
        void    *state = NULL;
        fx      *f;
        uint64_t index = 0;
        size_t   finished = 0;
        char     where[40];

        setup(&state);
        f = state;
        hit = erase_under(f, mode, n);
        (void)snprintf(where, sizeof where, "%s@%u", mode, n);
        lt_open(&f->log);
        assert_ok(pl_ledger_erase_resume(f->log.l, f->log.signer, f->private_dir, &finished,
                                         &f->log.err),
                  &f->log.err);
        /* Nothing begun, or all done: asking again ends the same. */
        if (finished == 0)
            (void)erase(f, &index);
        assert_erased_and_sound(f, 3, where);
        assert_true(pl_ledger_size(f->log.l) <= 4);
        teardown(&state);
    }
    assert_false(hit);
    assert_true(n > 20);
    print_message("# %s: %u points\n", mode, n - 2);
}

static void erase__killed_at_every_point_ends_the_same_when_repeated(void **state)
{
    (void)state;
    each_fault("kill");
}

static void erase__failing_once_at_every_point_ends_the_same_when_repeated(void **state)
{
    (void)state;
    each_fault("io-once");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(private_put__keeps_salt_and_content_behind_the_commitment),
        T(private_get__finds_changed_bytes),
        T(erase__destroys_says_so_and_leaves_every_proof),
        T(erase__of_an_entry_that_binds_nothing_is_refused),
        T(verify__misses_a_payload_nobody_said_was_erased),
        T(verify__finds_a_deletion_that_did_not_happen),
        cmocka_unit_test(erase__killed_at_every_point_ends_the_same_when_repeated),
        cmocka_unit_test(erase__failing_once_at_every_point_ends_the_same_when_repeated),
    };

    lt_use_memory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
