/* PROVES: C2SP/tlog-witness PROVES: evidence-ledger/7.12 */
#include "witness_test.h"

#include "base/http_client.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#define T0 1790000000

/* --- answers ----------------------------------------------------------------------------- */

static void witness_ask__answers_as_the_protocol_says(void **state)
{
    wt_fx     *f = *state;
    pl_buf     body = PL_BUF_INIT(4096);
    pl_signer *stranger = wt_signer(WT_ORIGIN, 0x44), *unknown = wt_signer("nobody.example", 0x11);

    assert_int_equal(wt_ask_at(f->w, wt_request(unknown, "nobody.example", WT_TRUE, 0, 5), T0,
                               NULL), 404);
    assert_int_equal(wt_ask_at(f->w, wt_request(stranger, WT_ORIGIN, WT_TRUE, 0, 5), T0, NULL),
                     403);
    assert_int_equal(wt_ask(f, WT_TRUE, 7, 5), 400);
    assert_int_equal(wt_ask(f, WT_TRUE, 0, 20), 200);
    assert_int_equal(wt_ask_at(f->w, wt_request(f->log, WT_ORIGIN, WT_TRUE, 5, 30), T0, &body),
                     409);
    assert_str(pl_buf_str(&body), "20\n");
    assert_int_equal(wt_ask(f, WT_TRUE, 20, 20), 200);
    assert_int_equal(wt_ask(f, WT_FALSE, 20, 20), 422);
    assert_int_equal(wt_ask(f, WT_FALSE, 20, 30), 422);
    assert_int_equal(wt_ask(f, WT_TRUE, 20, 30), 200);
    /* Rolled back: with the old size it pretends to come from, and with the true one. */
    assert_int_equal(wt_ask(f, WT_TRUE, 20, 25), 409);
    assert_int_equal(wt_ask(f, WT_TRUE, 30, 25), 400);
    pl_signer_free(stranger);
    pl_signer_free(unknown);
    pl_buf_done(&body);
}

static void witness_ask__gives_a_cosignature_that_verifies(void **state)
{
    wt_fx            *f = *state;
    pl_buf            body = PL_BUF_INIT(4096);
    pl_str            request = wt_request(f->log, WT_ORIGIN, WT_TRUE, 0, 20);
    char             *copy = pl_str_dup(request), *note = NULL;
    pl_add_checkpoint r;
    size_t            n = 0;
    int64_t           at = 0;
    pl_witness_answer shown;
    char              hex[65];

    assert_int_equal(wt_ask_at(f->w, request, T0, &body), 200);
    assert_ok(pl_add_checkpoint_parse(pl_str_z(copy), &r, &f->err), &f->err);
    assert_ok(pl_cosignature_add(r.note, pl_buf_str(&body), &f->key, &note, &n, &at, &f->err),
              &f->err);
    assert_int_equal(at, T0);
    /* What is served to monitors is the same note. */
    pl_witness_hex(PL_STR(WT_ORIGIN), hex);
    pl_witness_show(f->w, pl_str_z(hex), &shown);
    assert_int_equal(shown.status, 200);
    assert_str(pl_buf_str(&shown.body), note);
    pl_witness_answer_done(&shown);
    free(note);
    free(copy);
    pl_buf_done(&body);
}

static void witness_ask__refuses_garbage(void **state)
{
    static const char *const bad[] = { "", "old 0\n", "old 0\n\n", "old 0\n\nx\n", "old 0\n\nx\n\n",
                                       "{\"old\":0}" };
    wt_fx *f = *state;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(wt_ask_at(f->w, (pl_str){ strdup(bad[i]), strlen(bad[i]) }, T0, NULL),
                         400);
}

static void witness_ask__keeps_logs_apart(void **state)
{
    wt_fx *f = *state;

    assert_int_equal(wt_ask(f, WT_TRUE, 0, 20), 200);
    assert_int_equal(wt_ask_at(f->w, wt_request(f->other_log, "other.example/log", WT_FALSE, 0, 7),
                               T0, NULL), 200);
    assert_int_equal(wt_ask(f, WT_TRUE, 20, 21), 200);
    assert_int_equal(wt_ask_at(f->w, wt_request(f->other_log, "other.example/log", WT_FALSE, 7, 18),
                               T0, NULL), 200);
    /* The key of one log says nothing about the other. */
    assert_int_equal(wt_ask_at(f->w, wt_request(f->other_log, "other.example/log", WT_TRUE, 18, 30),
                               T0, NULL), 422);
}

static void witness_ask__never_gives_an_earlier_time(void **state)
{
    wt_fx  *f = *state;
    pl_buf  body = PL_BUF_INIT(4096);

    assert_int_equal(wt_ask(f, WT_TRUE, 0, 20), 200);
    assert_int_equal(wt_ask_at(f->w, wt_request(f->log, WT_ORIGIN, WT_TRUE, 20, 21), T0 - 3600,
                               &body), 200);
    assert_int_equal(f->w->logs[0].last.size + f->w->logs[1].last.size, 21);
    assert_int_equal(f->w->logs[f->w->logs[0].last.size == 21 ? 0 : 1].time_s, T0);
    wt_close(f);
    wt_open(f);
    assert_int_equal(f->w->logs[f->w->logs[0].last.size == 21 ? 0 : 1].time_s, T0);
    pl_buf_done(&body);
}

/* --- state --------------------------------------------------------------------------------- */

static void witness_open__remembers_over_a_restart(void **state)
{
    wt_fx *f = *state;

    assert_int_equal(wt_ask(f, WT_TRUE, 0, 20), 200);
    wt_close(f);
    wt_open(f);
    assert_int_equal(wt_ask(f, WT_TRUE, 0, 20), 409);
    assert_int_equal(wt_ask(f, WT_FALSE, 20, 30), 422);
    assert_int_equal(wt_ask(f, WT_TRUE, 20, 30), 200);
}

static char *head_path(wt_fx *f)
{
    char hex[65], rel[100];

    pl_witness_hex(PL_STR(WT_ORIGIN), hex);
    (void)snprintf(rel, sizeof rel, "logs/%s/checkpoint", hex);
    return pl_path_join(f->dir, rel);
}

/* Without certainty about the last head nothing is cosigned: empty, cut, changed, gone, or
 * the head of a size the key of the log never signed. */
static void witness_open__refuses_a_spoilt_head(void **state)
{
    wt_fx    *f = *state;
    char     *path, *text = NULL;
    size_t    n = 0;

    assert_int_equal(wt_ask(f, WT_TRUE, 0, 20), 200);
    wt_close(f);
    path = head_path(f);
    assert_ok(pl_file_read(path, 1u << 16, &text, &n, &f->err), &f->err);
    for (size_t cut = 0; cut < n; cut += 7) {
        assert_ok(pl_file_write_atomic(path, (pl_str){ text, cut }, 0644, &f->err), &f->err);
        assert_rc(pl_witness_open(f->dir, &f->w, &f->err), PL_INVALID);
    }
    for (size_t i = 0; i < n; i += 3) {
        text[i] ^= 1;
        assert_ok(pl_file_write_atomic(path, (pl_str){ text, n }, 0644, &f->err), &f->err);
        if (pl_witness_open(f->dir, &f->w, &f->err) == PL_OK)
            fail_msg("byte %zu of the head does not matter", i);
        text[i] ^= 1;
    }
    assert_int_equal(unlink(path), 0);
    assert_rc(pl_witness_open(f->dir, &f->w, &f->err), PL_INVALID);
    assert_ok(pl_file_write_atomic(path, (pl_str){ text, n }, 0644, &f->err), &f->err);
    wt_open(f);
    free(text);
    free(path);
}

static void witness_open__admits_one_process(void **state)
{
    wt_fx      *f = *state;
    pl_witness *second = NULL;
    char        vkey[512];

    assert_rc(pl_witness_open(f->dir, &second, &f->err), PL_CONFLICT);
    assert_ok(pl_signer_vkey(f->log, vkey, sizeof vkey, &f->err), &f->err);
    assert_rc(pl_witness_trust(f->dir, pl_str_z(vkey), &f->err), PL_CONFLICT);
}

static void witness_open__refuses_a_key_that_others_can_read(void **state)
{
    wt_fx *f = *state;
    char  *path = pl_path_join(f->dir, "witness.key");

    wt_close(f);
    assert_int_equal(chmod(path, 0640), 0);
    assert_rc(pl_witness_open(f->dir, &f->w, &f->err), PL_DENIED);
    assert_int_equal(chmod(path, 0600), 0);
    wt_open(f);
    free(path);
}

static void witness_create__never_replaces_a_key(void **state)
{
    wt_fx *f = *state;

    assert_rc(pl_witness_create(f->dir, PL_STR("witness.example/w1"), &f->err), PL_CONFLICT);
}

/* A second key of the same origin: either may sign, as during a rotation. */
static void witness_trust__takes_a_second_key_of_a_log(void **state)
{
    wt_fx     *f = *state;
    pl_signer *next = wt_signer(WT_ORIGIN, 0x13);

    assert_int_equal(wt_ask(f, WT_TRUE, 0, 20), 200);
    assert_int_equal(wt_ask_at(f->w, wt_request(next, WT_ORIGIN, WT_TRUE, 20, 21), T0, NULL), 403);
    wt_close(f);
    wt_trust(f, next);
    wt_open(f);
    assert_int_equal(wt_ask_at(f->w, wt_request(next, WT_ORIGIN, WT_TRUE, 20, 21), T0, NULL), 200);
    assert_int_equal(wt_ask(f, WT_TRUE, 21, 22), 200);
    pl_signer_free(next);
}

/* --- evidence ------------------------------------------------------------------------------- */

static size_t evidence(wt_fx *f, const char *kind, char *text, size_t cap)
{
    char          *path = head_path(f);
    DIR           *d;
    struct dirent *e;
    size_t         n = 0;

    *strrchr(path, '/') = '\0';
    d = opendir(path);
    assert_non_null(d);
    while ((e = readdir(d)) != NULL)
        if (strncmp(e->d_name, kind, strlen(kind)) == 0) {
            char  *file = pl_path_join(path, e->d_name), *bytes = NULL;
            size_t got = 0;

            assert_ok(pl_file_read(file, 1u << 20, &bytes, &got, &f->err), &f->err);
            (void)snprintf(text, cap, "%s", bytes);
            free(bytes);
            free(file);
            n++;
        }
    (void)closedir(d);
    free(path);
    return n;
}

static void witness_ask__keeps_both_notes_of_a_split_view(void **state)
{
    wt_fx *f = *state;
    static char text[65536];
    const char *first, *second;

    assert_int_equal(wt_ask(f, WT_TRUE, 0, 20), 200);
    assert_int_equal(wt_ask(f, WT_FALSE, 20, 20), 422);
    assert_int_equal(wt_ask(f, WT_FALSE, 20, 20), 422); /* once is enough */
    assert_int_equal(evidence(f, "fork-", text, sizeof text), 1);
    first = strstr(text, WT_ORIGIN "\n20\n");
    assert_non_null(first);
    second = strstr(first + 1, WT_ORIGIN "\n20\n");
    assert_non_null(second);
    assert_int_not_equal(strncmp(first, second, strlen(WT_ORIGIN "\n20\n") + 44), 0);
}

static void witness_ask__bounds_the_evidence_it_keeps(void **state)
{
    wt_fx      *f = *state;
    static char text[65536];

    assert_int_equal(wt_ask(f, WT_TRUE, 0, 20), 200);
    for (uint64_t n = 21; n < 21 + PL_WITNESS_EVIDENCE_MAX + 20; n++)
        assert_int_equal(wt_ask(f, WT_FALSE, 20, n), 422);
    assert_int_equal(evidence(f, "unproven-", text, sizeof text), PL_WITNESS_EVIDENCE_MAX);
    /* Which leaves room for what convicts by itself. */
    assert_int_equal(wt_ask(f, WT_FALSE, 20, 20), 422);
    assert_int_equal(evidence(f, "fork-", text, sizeof text), 1);
}

/* --- races ------------------------------------------------------------------------------------ */

typedef struct racer {
    wt_fx    *f;
    wt_history h;
    uint64_t  size;
    pl_str    request;
    int       status;
} racer;

static void *race(void *arg)
{
    racer            *r = arg;
    pl_witness_answer a;

    pl_witness_ask(r->f->w, r->request, T0, &a);
    r->status = a.status;
    pl_witness_answer_done(&a);
    return NULL;
}

/* All say "from 0": exactly one may have been the first. */
static void witness_ask__lets_one_of_many_at_once_win(void **state)
{
    enum { RACERS = 16 };
    wt_fx    *f = *state;
    racer     r[RACERS];
    pthread_t t[RACERS];
    int       won = 0, stale = 0;

    for (unsigned i = 0; i < RACERS; i++) {
        r[i] = (racer){ .f = f, .h = i % 2 ? WT_TRUE : WT_FALSE, .size = 11 + i };
        r[i].request = wt_request(f->log, WT_ORIGIN, r[i].h, 0, r[i].size);
    }
    for (unsigned i = 0; i < RACERS; i++)
        assert_int_equal(pthread_create(&t[i], NULL, race, &r[i]), 0);
    for (unsigned i = 0; i < RACERS; i++) {
        (void)pthread_join(t[i], NULL);
        won += r[i].status == 200;
        stale += r[i].status == 409;
        free((void *)(uintptr_t)r[i].request.p);
    }
    assert_int_equal(won, 1);
    assert_int_equal(stale, RACERS - 1);
}

/* --- on a socket -------------------------------------------------------------------------------- */

static long http(const char *socket, const char *method, const char *path, pl_str body, char *type,
                 pl_buf *out)
{
    char             url[200];
    pl_http_response r;
    pl_error         err = { PL_OK, "" };
    long             status;

    (void)snprintf(url, sizeof url, "http://witness%s", path);
    if (pl_http_call(&(pl_http_request){ .method = method, .url = url, .unix_socket = socket,
                                         .body = body, .timeout_ms = 5000, .max_bytes = 65536 },
                     &r, &err) != PL_OK)
        return -1;
    status = r.status;
    pl_buf_clear(out);
    pl_buf_put(out, pl_buf_str(&r.body));
    type[0] = '\0';
    if (r.headers.p != NULL && strcasestr(r.headers.p, "content-type: ") != NULL)
        (void)sscanf(strcasestr(r.headers.p, "content-type: ") + 14, "%60[^\r\n]", type);
    pl_http_response_done(&r);
    return status;
}

static void witness_server__speaks_http(void **state)
{
    wt_fx             *f = *state;
    pl_witness_server *s = NULL;
    char              *path = pl_path_join(f->tmp, "w.sock"), address[600], type[64], url[100], hex[65];
    pl_buf             out = PL_BUF_INIT(65536);
    pl_str             request;
    char              *big = calloc(1, PL_WITNESS_BODY_MAX + 4096);

    (void)snprintf(address, sizeof address, "unix:%s", path);
    assert_ok(pl_witness_server_start(f->w, address, &s, &f->err), &f->err);
    request = wt_request(f->log, WT_ORIGIN, WT_TRUE, 0, 20);
    assert_int_equal(http(path, "POST", "/add-checkpoint", request, type, &out), 200);
    assert_true(pl_str_starts(pl_buf_str(&out), PL_STR("\xe2\x80\x94 witness.example/w1 ")));
    assert_int_equal(http(path, "POST", "/add-checkpoint", request, type, &out), 409);
    assert_string_equal(type, "text/x.tlog.size");
    assert_str(pl_buf_str(&out), "20\n");
    free((void *)(uintptr_t)request.p);

    pl_witness_hex(PL_STR(WT_ORIGIN), hex);
    (void)snprintf(url, sizeof url, "/%s/checkpoint", hex);
    assert_int_equal(http(path, "GET", url, PL_STR(""), type, &out), 200);
    assert_true(pl_str_starts(pl_buf_str(&out), PL_STR(WT_ORIGIN "\n20\n")));
    url[1] = '0' + (url[1] == '0');
    assert_int_equal(http(path, "GET", url, PL_STR(""), type, &out), 404);
    assert_int_equal(http(path, "GET", "/../witness.key", PL_STR(""), type, &out), 404);
    assert_int_equal(http(path, "GET", "/add-checkpoint", PL_STR(""), type, &out), 405);
    assert_int_equal(http(path, "DELETE", "/", PL_STR(""), type, &out), 405);
    assert_int_equal(http(path, "POST", "/elsewhere", PL_STR("x"), type, &out), 404);
    assert_int_equal(http(path, "POST", "/add-checkpoint", PL_STR("x"), type, &out), 400);
    memset(big, 'a', PL_WITNESS_BODY_MAX + 4095);
    assert_int_equal(http(path, "POST", "/add-checkpoint", pl_str_z(big), type, &out), 413);
    assert_int_equal(http(path, "GET", "/vkey", PL_STR(""), type, &out), 200);
    assert_str(pl_buf_str(&out), pl_witness_vkey(f->w));
    pl_witness_server_stop(s);
    assert_int_not_equal(access(path, F_OK), 0);
    free(big);
    free(path);
    pl_buf_done(&out);
}

static void witness_server__listens_on_this_host_only(void **state)
{
    static const char *const bad[] = { "0.0.0.0:18422", "192.0.2.1:80", "[::]:18422" };
    wt_fx             *f = *state;
    pl_witness_server *s = NULL;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_rc(pl_witness_server_start(f->w, bad[i], &s, &f->err), PL_DENIED);
    assert_rc(pl_witness_server_start(f->w, "example.com:80", &s, &f->err), PL_INVALID);
    assert_rc(pl_witness_server_start(f->w, "127.0.0.1", &s, &f->err), PL_INVALID);
    assert_ok(pl_witness_server_start(f->w, "127.0.0.1:0", &s, &f->err), &f->err);
    pl_witness_server_stop(s);
}

#define T(name) cmocka_unit_test_setup_teardown(name, wt_setup, wt_teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        T(witness_ask__answers_as_the_protocol_says),
        T(witness_ask__gives_a_cosignature_that_verifies),
        T(witness_ask__refuses_garbage),
        T(witness_ask__keeps_logs_apart),
        T(witness_ask__never_gives_an_earlier_time),
        T(witness_open__remembers_over_a_restart),
        T(witness_open__refuses_a_spoilt_head),
        T(witness_open__admits_one_process),
        T(witness_open__refuses_a_key_that_others_can_read),
        T(witness_create__never_replaces_a_key),
        T(witness_trust__takes_a_second_key_of_a_log),
        T(witness_ask__keeps_both_notes_of_a_split_view),
        T(witness_ask__bounds_the_evidence_it_keeps),
        T(witness_ask__lets_one_of_many_at_once_win),
        T(witness_server__speaks_http),
        T(witness_server__listens_on_this_host_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
