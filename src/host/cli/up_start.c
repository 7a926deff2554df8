/* The children of `plumbline up`: written down, started, waited for. */
#include "base/banned.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/http_client.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "host/cli/up_int.h"
#include "host/cli/up_nginx.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#define READY_MS    15000
#define POLL_MS     50
#define CONF_MAX    (256u << 10)
#define WORKERS_MAX 16 /* a reload doubles them for a while, and the rings have 32 slots */
#define SYSTEM_CA   "/etc/ssl/certs/ca-certificates.crt"

/* --- nginx.conf ------------------------------------------------------------------------ */

static int worker_count(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);

    return n > WORKERS_MAX ? WORKERS_MAX : 0;
}

pl_rc up_conf_write(up *u, pl_error *err)
{
    pl_buf          conf = PL_BUF_INIT(CONF_MAX);
    char            web[1200];
    pl_nginx_params p = {
        .dir = u->inst.dir, .service = u->inst.service, .listen = u->inst.listen,
        .gateway = u->inst.gateway, .upstream = u->inst.upstream,
        .upstream_socket = u->is_demo ? u->demo_socket : NULL,
        .upstream_ca = u->inst.upstream_ca, .system_ca = SYSTEM_CA, .web = web,
        .module = u->module, .max_body = u->inst.max_body,
        .max_response = u->inst.max_response, .workers = worker_count(),
        .as_root = geteuid() == 0,
    };
    pl_rc rc;

    (void)snprintf(web, sizeof web, "%s/web", pl_datadir());
    (void)snprintf(u->demo_socket, sizeof u->demo_socket, "%s/run/demo-upstream.sock", u->inst.dir);
    (void)snprintf(u->conf, sizeof u->conf, "%s/nginx/nginx.conf", u->inst.dir);
    (void)snprintf(u->prefix, sizeof u->prefix, "%s/nginx", u->inst.dir);
    (void)snprintf(u->error_log, sizeof u->error_log, "%s/log/nginx-error.log", u->inst.dir);
    rc = pl_nginx_conf(&p, &conf, err);
    if (rc == PL_OK)
        rc = pl_file_write_atomic(u->conf, pl_buf_str(&conf), 0640, err);
    pl_buf_done(&conf);
    return rc;
}

/* --- starting -------------------------------------------------------------------------- */

typedef bool (*ready_fn)(const up *u);

/* Whatever the answer: a daemon that says "degraded" runs, and is how one finds out why. */
static bool answers(const char *url, const char *socket)
{
    pl_http_request  q = { .method = "GET", .url = url, .unix_socket = socket,
                           .timeout_ms = 2000, .max_bytes = 1u << 20 };
    pl_http_response r = { 0 };
    bool             ok = pl_http_call(&q, &r, NULL) == PL_OK;

    pl_http_response_done(&r);
    return ok;
}

static bool demo_is_ready(const up *u)
{
    return answers("http://localhost/v1/models", u->demo_socket);
}

static bool daemon_is_ready(const up *u)
{
    char socket[1100];

    (void)snprintf(socket, sizeof socket, "%s/run/control.sock", u->inst.dir);
    return access(socket, F_OK) == 0 && answers("http://localhost/healthz", socket);
}

static bool witness_is_ready(const up *u)
{
    return answers("http://localhost/vkey", u->witness_listen + sizeof "unix:" - 1);
}

static bool nginx_is_ready(const up *u)
{
    char a[400], b[400];

    (void)snprintf(a, sizeof a, "%s/healthz", u->gateway_url);
    (void)snprintf(b, sizeof b, "%s/healthz", u->console_url);
    return answers(a, NULL) && answers(b, NULL);
}

void up_report_death(const up *u, const pl_child *c)
{
    char reason[80], text[1500];

    pl_child_reason(c, reason, sizeof reason);
    (void)snprintf(text, sizeof text, "%s %s: %s (%s)", c->name,
                   pl_cmd_say(u->c, "has ended", "已退出"), reason, c->log);
    (void)fflush(u->c->out);
    if (u->c->json) {
        up_say(u, json_pack("{s:s, s:s, s:s, s:s}", "event", "child-ended", "child", c->name,
                         "reason", reason, "log", c->log), NULL);
        return;
    }
    (void)fprintf(u->c->err, "plumbline: %s\n", text);
    pl_child_tail(c, 8, u->c->err);
}

/* The exit code to end with, or -1 to go on. */
static int wait_ready(up *u, pl_child *c, ready_fn ready)
{
    int64_t  end = pl_mono_ms() + READY_MS;
    pl_error err;

    while (!ready(u)) {
        pl_child    *dead = NULL;
        pl_happening what = pl_supervisor_wait(&u->sup, POLL_MS, &dead);

        if (what == PL_INTERRUPTED)
            return PL_EXIT_INTERRUPTED;
        if (what == PL_CHILD_DIED) {
            up_report_death(u, dead);
            return PL_EXIT_FAILED;
        }
        if (pl_mono_ms() > end) {
            (void)pl_fail(&err, PL_IO, "%s did not become ready within %d seconds; see '%.120s'",
                          c->name, READY_MS / 1000, c->log);
            (void)pl_cmd_fail(u->c, &err);
            pl_child_tail(c, 8, u->c->err);
            return PL_EXIT_FAILED;
        }
    }
    return -1;
}

static int start(up *u, pl_child c, const char *log, ready_fn ready)
{
    pl_error err;

    (void)snprintf(c.log, sizeof c.log, "%s/log/%s", u->inst.dir, log);
    if (pl_supervisor_start(&u->sup, &c, &err) != PL_OK)
        return pl_cmd_fail(u->c, &err);
    return wait_ready(u, &u->sup.child[u->sup.count - 1], ready);
}

/* --- nginx -t -------------------------------------------------------------------------- */

/* Runs a program to its end and keeps what it says. False when it fails. */
static bool run_captured(const char *const *argv, char *text, size_t cap)
{
    int     fds[2], status = -1;
    size_t  n = 0;
    ssize_t got;
    pid_t   pid = pipe(fds) == 0 ? fork() : -1;

    text[0] = '\0';
    if (pid < 0)
        return false;
    if (pid == 0) {
        (void)dup2(fds[1], STDOUT_FILENO);
        (void)dup2(fds[1], STDERR_FILENO);
        (void)close(fds[0]);
        (void)execv(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    (void)close(fds[1]);
    while (n < cap - 1 && (got = read(fds[0], text + n, cap - 1 - n)) > 0)
        n += (size_t)got;
    text[n] = '\0';
    (void)close(fds[0]);
    return waitpid(pid, &status, 0) == pid && status == 0;
}

/* Told by nginx itself, before it is a child: a clear message instead of a log file. */
static int nginx_check(const up *u)
{
    const char *argv[] = { u->nginx, "-t", "-q", "-p", u->prefix, "-c", u->conf, "-e", "stderr",
                           NULL };
    char        text[8192];
    pl_error    err;

    if (run_captured(argv, text, sizeof text))
        return -1;
    (void)pl_fail(&err, PL_IO, "nginx refuses its configuration '%.180s'", u->conf);
    (void)pl_cmd_fail(u->c, &err);
    (void)fprintf(u->c->err, "%s", text);
    return PL_EXIT_FAILED;
}

/* --- all of them ----------------------------------------------------------------------- */

static int start_demo(up *u)
{
    char     listen[1200], answers_path[1300];
    pl_child c = { .name = "demo upstream",
                   .argv = { u->self, "demo-upstream", "--listen", listen, "--answers",
                             answers_path } };

    (void)snprintf(listen, sizeof listen, "unix:%s", u->demo_socket);
    (void)snprintf(answers_path, sizeof answers_path, "%s/demo/answers.jsonl", pl_datadir());
    return start(u, c, "demo-upstream.log", demo_is_ready);
}

/* A policy whose source was edited while nothing ran goes into force as it always does. */
static int policy_refresh(up *u)
{
    char    *answer = NULL;
    pl_error err;

    if (!u->policy_differs)
        return -1;
    if (pl_cmd_call(u->c, "POST", "/api/v1/policy/activate", PL_STR("{}"), &answer, &err) != PL_OK)
        return pl_cmd_fail(u->c, &err);
    free(answer);
    up_say_step(u, "policy-activated", "The edited policy is in force:", "已启用修改后的策略：",
                "policy/default.yaml");
    return -1;
}

int up_start_all(up *u)
{
    pl_child daemon = { .name = "plumblined", .restart = true,
                        .argv = { u->plumblined, "--dir", u->inst.dir, "--log-format", "json" } };
    pl_child witness = { .name = "witness", .restart = true,
                         .argv = { u->witness, "serve", "--dir", u->witness_dir, "--listen",
                                   u->witness_listen } };
    pl_child nginx = { .name = "nginx", .graceful = SIGQUIT,
                       .argv = { u->nginx, "-p", u->prefix, "-c", u->conf, "-e", u->error_log } };
    int      code = nginx_check(u);

    if (code < 0 && u->is_demo)
        code = start_demo(u);
    if (code < 0 && u->witness[0] != '\0') /* the daemon asks it before it signs anything */
        code = start(u, witness, "witness.log", witness_is_ready);
    if (code < 0)
        code = start(u, daemon, "plumblined.log", daemon_is_ready);
    if (code < 0)
        code = policy_refresh(u);
    if (code < 0)
        code = start(u, nginx, "nginx-error.log", nginx_is_ready);
    return code;
}
