/* Frozen logs, cosigned checkpoints, and the client of the witness protocol against a real
 * witness on a socket. PROVES: C2SP/tlog-witness */
#include "cap/ledger/tests/ledger_test.h"

#include "cap/ledger/ledger_witness.h"
#include "host/witness/witness.h"

typedef struct wfx {
    lt_fx               lt;
    pl_witness         *w;
    pl_witness_server  *server;
    pl_instance_witness conf;
    witness_peer        peer;
    uint64_t            known;
    char                wdir[600], address[600];
} wfx;

static void server_start(wfx *f)
{
    assert_ok(pl_witness_open(f->wdir, &f->w, &f->lt.err), &f->lt.err);
    assert_ok(pl_witness_server_start(f->w, f->address, &f->server, &f->lt.err), &f->lt.err);
}

static void server_stop(wfx *f)
{
    pl_witness_server_stop(f->server);
    pl_witness_close(f->w);
    f->server = NULL;
    f->w = NULL;
}

static int setup(void **state)
{
    lt_fx *plain;
    wfx   *f = calloc(1, sizeof *f);
    char   vkey[512];

    assert_non_null(f);
    lt_setup((void **)&plain);
    f->lt = *plain;
    free(plain);
    (void)snprintf(f->wdir, sizeof f->wdir, "%s/witness", f->lt.tmp);
    (void)snprintf(f->address, sizeof f->address, "unix:%s/w.sock", f->lt.tmp);
    assert_ok(pl_witness_create(f->wdir, PL_STR("witness.example/w1"), &f->lt.err), &f->lt.err);
    assert_ok(pl_signer_vkey(f->lt.signer, vkey, sizeof vkey, &f->lt.err), &f->lt.err);
    assert_ok(pl_witness_trust(f->wdir, pl_str_z(vkey), &f->lt.err), &f->lt.err);
    server_start(f);
    (void)snprintf(f->conf.name, sizeof f->conf.name, "w1");
    (void)snprintf(f->conf.vkey, sizeof f->conf.vkey, "%s", pl_witness_vkey(f->w));
    (void)snprintf(f->conf.url, sizeof f->conf.url, "%s", f->address);
    assert_ok(pl_witness_peer_init(&f->peer, &f->conf, &f->lt.err), &f->lt.err);
    f->known = WITNESS_SIZE_UNKNOWN;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    wfx   *f = *state;
    lt_fx *plain = malloc(sizeof *plain);

    server_stop(f);
    assert_non_null(plain);
    *plain = f->lt;
    free(f);
    return lt_teardown((void **)&plain);
}

/* Asks about the published head; gives the state, and the note with its line when wanted. */
static witness_state ask(wfx *f, char **cosigned)
{
    pl_ledger     *reader = NULL;
    witness_answer a;
    witness_state  s;
    char          *note = NULL;
    size_t         n = 0;
    int64_t        at;

    assert_ok(pl_ledger_open_reader(f->lt.dir, &reader, &f->lt.err), &f->lt.err);
    assert_ok(pl_ledger_checkpoint(reader, &note, &n, &f->lt.err), &f->lt.err);
    pl_witness_submit(&f->peer, reader, &f->lt.key, (pl_str){ note, n }, 5000, &f->known, &a);
    s = a.state;
    if (cosigned != NULL && a.line != NULL)
        assert_ok(pl_cosignature_add((pl_str){ note, n }, pl_str_z(a.line), &f->peer.key, cosigned,
                                     &n, &at, &f->lt.err), &f->lt.err);
    pl_witness_answer_free(&a);
    pl_ledger_close(reader);
    free(note);
    return s;
}

static void append(wfx *f, unsigned from, unsigned to)
{
    lt_append_plain(&f->lt, from, to);
    lt_publish(&f->lt);
}

static void witness_submit__follows_a_growing_log(void **state)
{
    wfx  *f = *state;
    char *note = NULL;

    append(f, 0, 3);
    assert_int_equal(ask(f, &note), WITNESS_COSIGNED);
    assert_non_null(note);
    free(note);
    append(f, 3, 300);
    assert_int_equal(ask(f, NULL), WITNESS_COSIGNED);
    assert_int_equal(f->known, 300);
    assert_int_equal(ask(f, NULL), WITNESS_COSIGNED); /* the same head again */
    /* Others may have submitted meanwhile: our memory of its size is only a hint. */
    f->known = 17;
    append(f, 300, 301);
    assert_int_equal(ask(f, NULL), WITNESS_COSIGNED);
}

static void witness_submit__says_away_when_nobody_answers(void **state)
{
    wfx *f = *state;

    append(f, 0, 3);
    server_stop(f);
    assert_int_equal(ask(f, NULL), WITNESS_AWAY);
    server_start(f);
}

static void copy_of(wfx *f, const char *from, const char *to)
{
    char cmd[1500];

    (void)snprintf(cmd, sizeof cmd, "rm -rf '%s/%s' && cp -a '%s/%s' '%s/%s'", f->lt.tmp, to,
                   f->lt.tmp, from, f->lt.tmp, to);
    assert_int_equal(system(cmd), 0);
}

/* Row 11 of the failure table, without the daemon. */
static void witness_submit__proves_that_a_log_was_set_back(void **state)
{
    wfx           *f = *state;
    pl_ledger     *reader = NULL;
    witness_answer a;

    append(f, 0, 5);
    lt_close(&f->lt);
    copy_of(f, "ledger", "yesterday");
    lt_open(&f->lt);
    append(f, 5, 9);
    assert_int_equal(ask(f, NULL), WITNESS_COSIGNED);
    lt_close(&f->lt);
    copy_of(f, "ledger", "today");
    copy_of(f, "yesterday", "ledger");
    lt_open(&f->lt);

    assert_ok(pl_ledger_open_reader(f->lt.dir, &reader, &f->lt.err), &f->lt.err);
    pl_witness_compare(&f->peer, reader, &f->lt.key, 5000, &f->known, &a);
    assert_int_equal(a.state, WITNESS_AHEAD);
    assert_int_equal(a.size, 9);
    assert_non_null(a.note);
    assert_int_equal(ask(f, NULL), WITNESS_AHEAD);

    /* Frozen with that proof: no more of this history, also after it was opened again. */
    pl_ledger_freeze(f->lt.l, a.problem, a.note);
    pl_witness_answer_free(&a);
    pl_ledger_close(reader);
    for (int i = 0; i < 2; i++) {
        pl_str   e = PL_STR("another history");
        uint64_t index;

        assert_rc(pl_ledger_append(f->lt.l, &e, 1, &index, &f->lt.err), PL_DENIED);
        assert_non_null(strstr(f->lt.err.text, "9 entries signed, here are 5"));
        assert_rc(pl_ledger_publish(f->lt.l, &f->lt.err), PL_DENIED);
        lt_assert_plain(f->lt.l, 4); /* reading goes on */
        lt_reopen(&f->lt);
    }
    lt_close(&f->lt);
    copy_of(f, "ledger", "kept"); /* with its file `frozen` */
    copy_of(f, "today", "ledger");
    copy_of(f, "kept/frozen", "ledger/frozen");
    lt_open(&f->lt);
    append(f, 9, 10);
    assert_int_equal(ask(f, NULL), WITNESS_COSIGNED);
}

static void witness_submit__finds_a_rewritten_tail(void **state)
{
    wfx     *f = *state;
    pl_str   e = PL_STR("instead");
    uint64_t index;

    append(f, 0, 5);
    lt_close(&f->lt);
    copy_of(f, "ledger", "yesterday");
    lt_open(&f->lt);
    append(f, 5, 6);
    assert_int_equal(ask(f, NULL), WITNESS_COSIGNED);
    lt_close(&f->lt);
    copy_of(f, "yesterday", "ledger");
    lt_open(&f->lt);
    assert_ok(pl_ledger_append(f->lt.l, &e, 1, &index, &f->lt.err), &f->lt.err);
    lt_publish(&f->lt);
    assert_int_equal(ask(f, NULL), WITNESS_FORKED); /* of one size */
    assert_ok(pl_ledger_append(f->lt.l, &e, 1, &index, &f->lt.err), &f->lt.err);
    lt_publish(&f->lt);
    assert_int_equal(ask(f, NULL), WITNESS_FORKED); /* and longer  */
    f->known = WITNESS_SIZE_UNKNOWN;
    assert_int_equal(ask(f, NULL), WITNESS_FORKED);
}

static void ledger_cosigned__replaces_the_checkpoint_of_its_size_only(void **state)
{
    wfx  *f = *state;
    char *note = NULL;
    pl_str file;

    append(f, 0, 5);
    assert_int_equal(ask(f, &note), WITNESS_COSIGNED);
    assert_ok(pl_ledger_cosigned(f->lt.l, pl_str_z(note), false, &f->lt.err), &f->lt.err);
    file = lt_slurp(&f->lt, "checkpoint");
    assert_str(file, note);
    free((void *)(uintptr_t)file.p);
    assert_false(lt_exists(&f->lt, "witnessed"));

    append(f, 5, 6); /* the next head is on its way: the lines belong to the one before */
    assert_ok(pl_ledger_cosigned(f->lt.l, pl_str_z(note), true, &f->lt.err), &f->lt.err);
    file = lt_slurp(&f->lt, "checkpoint");
    assert_non_null(strstr(file.p, "\n6\n"));
    free((void *)(uintptr_t)file.p);
    file = lt_slurp(&f->lt, "witnessed");
    assert_str(file, note);
    free((void *)(uintptr_t)file.p);
    free(note);
    lt_reopen(&f->lt); /* a checkpoint with more lines opens like any other */
}

static void ledger_frozen__is_not_believed_when_damaged(void **state)
{
    wfx *f = *state;

    append(f, 0, 5);
    lt_close(&f->lt);
    lt_spit(&f->lt, "frozen", PL_STR("nonsense\n"));
    assert_rc(pl_ledger_open(f->lt.dir, f->lt.signer, &f->lt.l, &f->lt.err), PL_INVALID);
    lt_remove(&f->lt, "frozen");
    lt_open(&f->lt);
}

static void witness_policy__leaves_local_witnesses_out(void **state)
{
    wfx         *f = *state;
    pl_instance *i = calloc(1, sizeof *i);
    pl_trust    *t = NULL;
    char        *text;

    assert_non_null(i);
    i->witnesses[0] = f->conf;
    i->witnesses[0].is_local = true;
    i->witness_count = 1;
    text = pl_witness_policy(i, &f->lt.key);
    assert_ok(pl_trust_parse(pl_str_z(text), &t, &f->lt.err), &f->lt.err);
    assert_int_equal(pl_trust_witness_count(t), 0);
    assert_int_equal(pl_trust_log_count(t), 1);
    pl_trust_free(t);
    free(text);
    i->witnesses[0].is_local = false;
    i->quorum = 1;
    text = pl_witness_policy(i, &f->lt.key);
    assert_ok(pl_trust_parse(pl_str_z(text), &t, &f->lt.err), &f->lt.err);
    assert_int_equal(pl_trust_witness_count(t), 1);
    assert_non_null(strstr(text, "\nquorum plumbline-quorum\n"));
    pl_trust_free(t);
    free(text);
    free(i);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        T(witness_submit__follows_a_growing_log),
        T(witness_submit__says_away_when_nobody_answers),
        T(witness_submit__proves_that_a_log_was_set_back),
        T(witness_submit__finds_a_rewritten_tail),
        T(ledger_cosigned__replaces_the_checkpoint_of_its_size_only),
        T(ledger_frozen__is_not_believed_when_damaged),
        T(witness_policy__leaves_local_witnesses_out),
    };

    lt_use_memory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
