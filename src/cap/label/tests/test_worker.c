/* The box: what a job may do, and what happens to one that may not. */
#include "pl_test.h"

#include "base/str.h"
#include "cap/label/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

static pl_rc job(void *ctx, label_ask *ask, const json_t *j, pl_str file, json_t **reply, pl_buf *out, pl_error *err)
{
    const char *op = json_string_value(json_object_get(j, "op"));

    (void)ctx;
    if (strcmp(op, "echo") == 0) {
        pl_buf_put(out, file);
        *reply = json_pack("{s:i}", "n", (int)file.n);
    } else if (strcmp(op, "open") == 0) {
        *reply = json_pack("{s:b}", "refused", open("/etc/passwd", O_RDONLY) < 0 && errno == EPERM);
    } else if (strcmp(op, "socket") == 0) {
        *reply = json_pack("{s:i}", "fd", socket(AF_INET, SOCK_STREAM, 0));
    } else if (strcmp(op, "memory") == 0) {
        size_t n = 0;
        while (n < 4096 && calloc(1, 1 << 20))
            n++;
        *reply = json_pack("{s:i}", "mib", (int)n);
    } else if (strcmp(op, "ask") == 0) {
        pl_rc rc = label_worker_ask(ask, 'q', file, out, err);
        if (rc == PL_OK)
            *reply = json_object();
        return rc;
    } else if (strcmp(op, "pester") == 0) {
        while (label_worker_ask(ask, 'q', file, out, err) == PL_OK)
            ;
        return PL_IO;
    } else if (strcmp(op, "crash") == 0) {
        __builtin_trap();
    } else {
        return pl_fail(err, PL_CONFLICT, "no such job");
    }
    return PL_OK;
}

static label_worker *w;

static int setup(void **state)
{
    (void)state;
    return label_worker_start(job, NULL, &w, NULL) == PL_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    label_worker_stop(w);
    return 0;
}

/* Runs here, in the process that has what a job lacks. */
static pl_rc helper(void *ctx, char what, pl_str question, pl_buf *answer, pl_error *err)
{
    assert_int_equal(what, 'q');
    if (pl_str_eqz(question, "no"))
        return pl_fail(err, PL_DENIED, "not that");
    pl_buf_printf(answer, "%s:%d:" PL_STR_FMT, (char *)ctx, (int)getpid(), PL_STR_ARG(question));
    return PL_OK;
}

static const label_help help = { helper, "here" };

static pl_rc run(const char *op, pl_str file, json_t **reply, pl_buf *out, pl_error *err)
{
    json_t *j = json_pack("{s:s}", "op", op);
    pl_rc   rc = label_worker_run(w, j, file, &help, reply, out, err);

    json_decref(j);
    return rc;
}

static void worker__gives_json_and_bytes_back(void **state)
{
    size_t   n = 5u << 20;
    char    *big = calloc(1, n);
    pl_buf   out = PL_BUF_INIT(16u << 20);
    json_t  *reply = NULL;
    pl_error err = { 0 };

    (void)state;
    assert_non_null(big);
    memset(big, 'x', n);
    assert_ok(run("echo", (pl_str){ big, n }, &reply, &out, &err), &err);
    assert_int_equal(json_integer_value(json_object_get(reply, "n")), n);
    assert_int_equal(out.n, n);
    assert_memory_equal(out.p, big, n);
    json_decref(reply);
    pl_buf_done(&out);
    free(big);
}

static void worker__has_no_files_and_no_network(void **state)
{
    pl_buf   out = PL_BUF_INIT(1024);
    json_t  *reply = NULL;
    pl_error err = { 0 };

    (void)state;
    assert_ok(run("open", PL_STR("x"), &reply, &out, &err), &err);
    assert_true(json_is_true(json_object_get(reply, "refused")));
    json_decref(reply);
    assert_rc(run("socket", PL_STR("x"), &reply, &out, &err), PL_IO); /* killed */
    pl_buf_done(&out);
}

static void worker__outlives_jobs_that_crash_or_fail(void **state)
{
    pl_buf   out = PL_BUF_INIT(1024);
    json_t  *reply = NULL;
    pl_error err = { 0 };

    (void)state;
    assert_rc(run("crash", PL_STR("x"), &reply, &out, &err), PL_IO);
    assert_rc(run("other", PL_STR("x"), &reply, &out, &err), PL_CONFLICT);
    assert_string_equal(err.text, "no such job");
    assert_ok(run("echo", PL_STR("still"), &reply, &out, &err), &err);
    assert_str(pl_buf_str(&out), "still");
    json_decref(reply);
    pl_buf_done(&out);
}

static void worker__asks_who_started_it_and_not_for_ever(void **state)
{
    pl_buf   out = PL_BUF_INIT(4096);
    json_t  *reply = NULL;
    pl_error err = { 0 };
    char     want[64];

    (void)state;
    (void)snprintf(want, sizeof want, "here:%d:sign this", (int)getpid());
    assert_ok(run("ask", PL_STR("sign this"), &reply, &out, &err), &err);
    assert_str(pl_buf_str(&out), want);
    json_decref(reply);
    assert_rc(run("ask", PL_STR("no"), &reply, &out, &err), PL_INVALID);
    assert_string_equal(err.text, "not that");
    assert_rc(run("pester", PL_STR("?"), &reply, &out, &err), PL_LIMIT);
    pl_buf_done(&out);
}

static void worker__cannot_take_all_memory(void **state)
{
#ifdef __SANITIZE_ADDRESS__
    (void)state; /* the limit is not set there */
#else
    pl_buf   out = PL_BUF_INIT(1024);
    json_t  *reply = NULL;
    pl_error err = { 0 };

    (void)state;
    assert_ok(run("memory", PL_STR("x"), &reply, &out, &err), &err);
    assert_in_range(json_integer_value(json_object_get(reply, "mib")), 1, LABEL_WORKER_MEMORY >> 20);
    json_decref(reply);
    pl_buf_done(&out);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(worker__gives_json_and_bytes_back),
        cmocka_unit_test(worker__has_no_files_and_no_network),
        cmocka_unit_test(worker__outlives_jobs_that_crash_or_fail),
        cmocka_unit_test(worker__asks_who_started_it_and_not_for_ever),
        cmocka_unit_test(worker__cannot_take_all_memory),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
