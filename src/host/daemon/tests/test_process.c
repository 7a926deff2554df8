/* plumblined as a process: what the operator and the service manager see of it. */
#include "daemon_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#define PATIENCE_MS 20000

typedef struct process {
    pid_t pid;
    int   log; /* read end of its standard error */
    char  text[65536];
    size_t n;
} process;

static int setup(void **state)
{
    daemon_fixture *f = calloc(1, sizeof *f);

    fx_make_instance(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    daemon_fixture *f = *state;

    fx_remove_instance(f);
    free(f);
    return 0;
}

/* --- children --------------------------------------------------------------------------------- */

static void run_child(daemon_fixture *f, int log, const char *option)
{
    char *argv[] = { strdup("plumblined"), strdup("--dir"), strdup(f->dir),
                     option != NULL ? strdup(option) : NULL, NULL };
    int   argc = option != NULL ? 4 : 3;

    (void)dup2(log, STDERR_FILENO);
    _exit(pl_daemon_main(argc, argv));
}

static void spawn(daemon_fixture *f, process *p, const char *option)
{
    int ends[2];

    *p = (process){ 0 };
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    (void)fflush(NULL);
    p->pid = fork();
    assert_true(p->pid >= 0);
    if (p->pid == 0)
        run_child(f, ends[1], option);
    (void)close(ends[1]);
    (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
    p->log = ends[0];
}

static void read_log(process *p)
{
    ssize_t n;

    while (p->n + 1 < sizeof p->text &&
           (n = read(p->log, p->text + p->n, sizeof p->text - 1 - p->n)) > 0)
        p->n += (size_t)n;
    p->text[p->n] = '\0';
}

static void wait_for_line(process *p, const char *needle)
{
    int64_t until = pl_mono_ms() + PATIENCE_MS;

    do {
        read_log(p);
        if (strstr(p->text, needle) != NULL)
            return;
        usleep(10000);
    } while (pl_mono_ms() < until);
    (void)kill(p->pid, SIGKILL);
    (void)waitpid(p->pid, NULL, 0);
    fail_msg("'%s' never came: %s", needle, p->text);
}

/* Exit status as waitpid gives it; the child is killed when it does not end by itself. */
static int wait_for_end(process *p)
{
    int64_t until = pl_mono_ms() + PATIENCE_MS;
    int     status = 0;

    while (waitpid(p->pid, &status, WNOHANG) == 0) {
        if (pl_mono_ms() > until) {
            (void)kill(p->pid, SIGKILL);
            (void)waitpid(p->pid, &status, 0);
            fail_msg("the daemon does not end: %s", p->text);
        }
        usleep(10000);
    }
    read_log(p);
    (void)close(p->log);
    return status;
}

#define READY "\"msg\":\"ready\""

static void start(daemon_fixture *f, process *p)
{
    spawn(f, p, NULL);
    wait_for_line(p, READY);
}

static int stop(process *p, int signal_number)
{
    (void)kill(p->pid, signal_number);
    return wait_for_end(p);
}

#define NEW_ACCOUNT(name)                                                                          \
    "{\"name\":\"" name "\",\"password\":\"" FX_PASSWORD "\",\"roles\":[\"reviewer\"]}"

static long add_account(daemon_fixture *f, const char *body)
{
    return FX_CALL(f, f->control, "POST", "/api/v1/accounts", body, NULL);
}

/* --- tests --------------------------------------------------------------------------------------- */

static void daemon__says_ready_in_one_json_line_and_stops_on_sigterm(void **state)
{
    daemon_fixture *f = *state;
    process         p;
    json_t         *line;
    pl_str          rest, text;
    int             status;

    start(f, &p);
    assert_int_equal(FX_CALL(f, f->control, "GET", "/api/v1/session", NULL, NULL), 200);
    status = stop(&p, SIGTERM);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    rest = pl_str_z(p.text);
    while (pl_str_split(&rest, '\n', &text)) {
        assert_ok(pl_json_parse(text, "log line", &line, &f->err), &f->err);
        assert_true(json_is_string(json_object_get(line, "time")));
        assert_true(json_is_string(json_object_get(line, "level")));
        assert_true(json_is_string(json_object_get(line, "msg")));
        json_decref(line);
    }
    assert_non_null(strstr(p.text, "\"msg\":\"stopped\""));
    assert_int_not_equal(access(f->control, F_OK), 0);
    assert_int_not_equal(access(f->remote, F_OK), 0);
}

static void daemon__writes_text_when_asked(void **state)
{
    daemon_fixture *f = *state;
    process         p;

    spawn(f, &p, "--log-format=text");
    wait_for_line(&p, " info  ready dir=");
    assert_int_equal(WEXITSTATUS(stop(&p, SIGINT)), 0);
    assert_null(strchr(p.text, '{'));
}

static void daemon__goes_on_after_kill_9(void **state)
{
    daemon_fixture *f = *state;
    process         p, q;
    int             status;

    start(f, &p);
    assert_int_equal(add_account(f, NEW_ACCOUNT("before")), 201);
    status = stop(&p, SIGKILL);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(access(f->control, F_OK), 0); /* the stale socket is there */

    start(f, &q);
    assert_non_null(strstr(q.text, "\"ledger_size\":1"));
    assert_int_equal(add_account(f, NEW_ACCOUNT("before")), 409);
    assert_int_equal(add_account(f, NEW_ACCOUNT("after")), 201);
    assert_int_equal(fx_login(f, "before", FX_PASSWORD, NULL), 200);
    assert_int_equal(WEXITSTATUS(stop(&q, SIGTERM)), 0);
}

static void daemon__refuses_to_be_the_second_one(void **state)
{
    daemon_fixture *f = *state;
    process         p, second;
    int             status;

    start(f, &p);
    spawn(f, &second, NULL);
    status = wait_for_end(&second);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == PL_EXIT_FAILED);
    assert_non_null(strstr(second.text, "another plumblined serves this instance"));
    /* and the first one has not noticed */
    assert_int_equal(add_account(f, NEW_ACCOUNT("still")), 201);
    assert_int_equal(WEXITSTATUS(stop(&p, SIGTERM)), 0);
}

static void daemon__leaves_a_socket_alone_that_somebody_answers_on(void **state)
{
    daemon_fixture    *f = *state;
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    process            p;
    int                status, fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(a.sun_path, sizeof a.sun_path, "%s", f->remote);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 1), 0);
    spawn(f, &p, NULL);
    status = wait_for_end(&p);
    assert_int_equal(WEXITSTATUS(status), PL_EXIT_FAILED);
    assert_non_null(strstr(p.text, "another process answers on"));
    assert_int_equal(access(f->remote, F_OK), 0);
    (void)close(fd);
}

static void daemon__says_what_is_wrong_with_the_directory(void **state)
{
    daemon_fixture *f = *state;
    process         p;
    char           *was = f->dir;

    f->dir = f->root; /* exists, and is no instance */
    spawn(f, &p, NULL);
    f->dir = was;
    assert_int_equal(WEXITSTATUS(wait_for_end(&p)), PL_EXIT_BAD_INPUT);
    assert_non_null(strstr(p.text, "\"level\":\"error\""));
    spawn(f, &p, "--no-such-option");
    assert_int_equal(WEXITSTATUS(wait_for_end(&p)), PL_EXIT_USAGE);
}

static void daemon__tells_the_service_manager(void **state)
{
    daemon_fixture    *f = *state;
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    struct timeval     patience = { .tv_sec = PATIENCE_MS / 1000 };
    process            p;
    char               text[128] = "";
    int                fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    (void)snprintf(a.sun_path, sizeof a.sun_path, "%s/notify", f->root);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    assert_int_equal(setenv("NOTIFY_SOCKET", a.sun_path, 1), 0);
    spawn(f, &p, "--notify");
    assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
    assert_int_equal(recv(fd, text, sizeof text - 1, 0), 7);
    assert_string_equal(text, "READY=1");
    (void)kill(p.pid, SIGTERM);
    assert_int_equal(recv(fd, text, sizeof text - 1, 0), 10);
    text[10] = '\0';
    assert_string_equal(text, "STOPPING=1");
    assert_int_equal(WEXITSTATUS(wait_for_end(&p)), 0);
    (void)close(fd);
}

static void daemon__reads_its_configuration_again_on_sighup(void **state)
{
    daemon_fixture *f = *state;
    process         p;

    start(f, &p);
    (void)kill(p.pid, SIGHUP);
    wait_for_line(&p, "configuration read again");
    assert_int_equal(FX_CALL(f, f->control, "GET", "/api/v1/session", NULL, NULL), 200);
    assert_int_equal(WEXITSTATUS(stop(&p, SIGTERM)), 0);
}

#define NEW_TOKEN "{\"label\":\"test\",\"roles\":[\"reviewer\"]}"

static long add_token(daemon_fixture *f)
{
    return FX_CALL(f, f->control, "POST", "/api/v1/tokens", NEW_TOKEN, NULL);
}

/* Starts the daemon so that its Nth file operation fails once. False when that was one it
 * cannot start without, which it then says. */
static bool start_faulty(daemon_fixture *f, process *p, int n)
{
    char fault[32];
    int  status;

    (void)snprintf(fault, sizeof fault, "io-once@%d", n);
    assert_int_equal(setenv("PL_FAULT", fault, 1), 0);
    spawn(f, p, NULL);
    assert_int_equal(unsetenv("PL_FAULT"), 0);
    while (strstr(p->text, READY) == NULL) {
        if (waitpid(p->pid, &status, WNOHANG) == p->pid) {
            read_log(p);
            (void)close(p->log);
            assert_int_equal(WEXITSTATUS(status), PL_EXIT_FAILED);
            assert_non_null(strstr(p->text, "cannot serve"));
            return false;
        }
        usleep(5000);
        read_log(p);
    }
    return true;
}

static bool recovers(daemon_fixture *f)
{
    int64_t until = pl_mono_ms() + PATIENCE_MS;

    while (pl_mono_ms() < until) {
        if (add_token(f) == 201)
            return true;
        usleep(50000);
    }
    return false;
}

/* A write to the ledger that fails is an answer of 503, and the ledger is opened again
 * without a restart; what was acknowledged is there. */
static void daemon__opens_the_ledger_again_after_a_failed_write(void **state)
{
    daemon_fixture *f = *state;
    process         p;
    bool            is_hit = false;
    int             acknowledged = 0;

    for (int n = 1; n < 200 && !is_hit; n++) {
        if (!start_faulty(f, &p, n))
            continue;
        for (int i = 0; i < 3; i++) {
            long status = add_token(f);

            acknowledged += status == 201;
            is_hit |= status == 503;
        }
        acknowledged += recovers(f);
        assert_int_equal(WEXITSTATUS(stop(&p, SIGTERM)), 0);
    }
    assert_true(is_hit);
    assert_non_null(strstr(p.text, "ledger is open again"));

    start(f, &p);
    assert_int_equal(FX_CALL(f, f->control, "GET", "/api/v1/tokens", NULL, NULL), 200);
    assert_int_equal(json_array_size(json_object_get(f->body, "tokens")), acknowledged);
    assert_int_equal(WEXITSTATUS(stop(&p, SIGTERM)), 0);
}

/* Requests being answered, this question for it among them. */
static unsigned long in_flight(daemon_fixture *f)
{
    static const char name[] = "\nplumbline_api_requests_in_flight ";
    const char       *at;

    assert_int_equal(FX_CALL(f, f->control, "GET", "/metrics", NULL, NULL), 200);
    at = strstr(f->r.body.p, name);
    assert_non_null(at);
    return strtoul(at + sizeof name - 1, NULL, 10);
}

static int connect_to(const char *path)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    struct timeval     patience = { .tv_sec = PATIENCE_MS / 1000 };
    int                fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

static void send_text(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* A request whose second half comes after the signal. */
static void daemon__finishes_what_is_in_hand_before_it_stops(void **state)
{
    daemon_fixture *f = *state;
    process         p;
    char            answer[4096] = "";
    int             fd, seen = 0;

    start(f, &p);
    fd = connect_to(f->control);
    send_text(fd, "POST /api/v1/tokens HTTP/1.1\r\nHost: localhost\r\n"
                  "Content-Type: application/json\r\nContent-Length: 40\r\n\r\n{\"label\":");
    /* More than once: the question before may still be on its way out. */
    for (int i = 0; i < 500 && seen < 5; i++) {
        seen = in_flight(f) >= 2 ? seen + 1 : 0;
        usleep(10000);
    }
    assert_int_equal(seen, 5);
    (void)kill(p.pid, SIGTERM);
    wait_for_line(&p, "\"msg\":\"stopping\"");
    send_text(fd, "\"test\",\"roles\":[\"reviewer\"]}   ");
    assert_true(recv(fd, answer, sizeof answer - 1, 0) > 0);
    assert_memory_equal(answer, "HTTP/1.1 201 ", 13);
    assert_int_equal(WEXITSTATUS(wait_for_end(&p)), 0);
    (void)close(fd);
}

static void daemon__never_logs_names_or_secrets(void **state)
{
    daemon_fixture *f = *state;
    process         p;

    start(f, &p);
    assert_int_equal(add_account(f, NEW_ACCOUNT("li.lei")), 201);
    assert_int_equal(fx_login(f, "li.lei", FX_PASSWORD, NULL), 200);
    assert_int_equal(fx_login(f, "li.lei", "my other password", NULL), 403);
    assert_int_equal(FX_CALL(f, f->remote, "POST", "/api/v1/session", "{\"name\":\"li.lei\",oops",
                             NULL),
                     400);
    assert_int_equal(WEXITSTATUS(stop(&p, SIGTERM)), 0);
    assert_null(strstr(p.text, "li.lei"));
    assert_null(strstr(p.text, "horse"));
    assert_null(strstr(p.text, "other password"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(daemon__says_ready_in_one_json_line_and_stops_on_sigterm),
        T(daemon__writes_text_when_asked),
        T(daemon__goes_on_after_kill_9),
        T(daemon__refuses_to_be_the_second_one),
        T(daemon__leaves_a_socket_alone_that_somebody_answers_on),
        T(daemon__says_what_is_wrong_with_the_directory),
        T(daemon__tells_the_service_manager),
        T(daemon__reads_its_configuration_again_on_sighup),
        T(daemon__opens_the_ledger_again_after_a_failed_write),
        T(daemon__finishes_what_is_in_hand_before_it_stops),
        T(daemon__never_logs_names_or_secrets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
