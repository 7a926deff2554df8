/* `plumblined` as a program: options, signals, the service manager. */
#include "base/banned.h"

#include "base/fault.h"
#include "base/file.h"
#include "base/str.h"
#include "cap/cmd.h"
#include "cap/ledger/pl_ledger.h"
#include "host/daemon/daemon.h"
#include "host/daemon/log.h"

#include <getopt.h>
#include <signal.h>
#include <unistd.h>

#define DRAIN_MS 10000

typedef struct options {
    const char *dir;
    bool        use_text, use_notify;
} options;

static const char usage[] =
    "usage: plumblined --dir DIR [--log-format json|text] [--notify]\n"
    "\n"
    "Serves the instance in DIR on DIR/run/plumblined.sock and DIR/run/control.sock.\n"
    "  --dir DIR              the instance, made by `plumbline up` (default: $PLUMBLINE_DIR)\n"
    "  --log-format FORMAT    json (default) or text, one line each on standard error\n"
    "  --notify               tell the service manager when ready ($NOTIFY_SOCKET)\n"
    "  --version, --help\n"
    "SIGTERM and SIGINT finish what is in hand and stop; SIGHUP reads plumbline.yaml again.\n";

static const struct option long_options[] = {
    { "dir", required_argument, NULL, 'd' },
    { "log-format", required_argument, NULL, 'l' },
    { "notify", no_argument, NULL, 'n' },
    { "version", no_argument, NULL, 'v' },
    { "help", no_argument, NULL, 'h' },
    { 0 },
};

static bool take_log_format(const char *text, options *o)
{
    o->use_text = strcmp(text, "text") == 0;
    return o->use_text || strcmp(text, "json") == 0;
}

/* -1 to go on, else the exit code. */
static int parse_options(int argc, char **argv, options *o)
{
    int c;

    *o = (options){ .dir = getenv("PLUMBLINE_DIR") };
    optind = 1;
    while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        switch (c) {
        case 'd':
            o->dir = optarg;
            break;
        case 'l':
            if (take_log_format(optarg, o))
                break;
            (void)fprintf(stderr, "plumblined: unknown log format '%s'\n", optarg);
            return PL_EXIT_USAGE;
        case 'n':
            o->use_notify = true;
            break;
        case 'v':
            (void)printf("plumblined %s\n", pl_version());
            return PL_EXIT_OK;
        case 'h':
            (void)fputs(usage, stdout);
            return PL_EXIT_OK;
        default:
            (void)fputs(usage, stderr);
            return PL_EXIT_USAGE;
        }
    }
    if (optind == argc && o->dir != NULL && o->dir[0] != '\0')
        return -1;
    (void)fputs(usage, stderr);
    return PL_EXIT_USAGE;
}

/* --- running ------------------------------------------------------------------------------------ */

/* Blocked before any thread starts, so that only the main thread's wait takes them. */
static void block_signals(sigset_t *set)
{
    (void)sigemptyset(set);
    (void)sigaddset(set, SIGTERM);
    (void)sigaddset(set, SIGINT);
    (void)sigaddset(set, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
}

static void notify(const options *o, const char *state)
{
    pl_error err;

    if (o->use_notify && pl_notify(state, &err) != PL_OK)
        pl_log_warn("service manager was not told", PL_S("error", err.text));
}

static void reload(pl_daemon *d, const options *o)
{
    pl_error err;

    notify(o, "RELOADING=1");
    if (pl_daemon_reload(d, &err) == PL_OK)
        pl_log_info("configuration read again");
    else
        pl_log_error("configuration kept as it was", PL_S("error", err.text));
    notify(o, "READY=1");
}

static void wait_for_end(pl_daemon *d, const options *o, const sigset_t *set)
{
    for (;;) {
        int which = sigwaitinfo(set, NULL);

        if (which == SIGHUP) {
            reload(d, o);
        } else if (which == SIGTERM || which == SIGINT) {
            pl_log_info("stopping", PL_S("signal", which == SIGTERM ? "SIGTERM" : "SIGINT"));
            return;
        }
    }
}

static char *pid_path(const pl_daemon *d)
{
    return pl_instance_path(&d->instance, "run/plumblined.pid");
}

static pl_rc write_pid(const pl_daemon *d, pl_error *err)
{
    char  text[24], *path = pid_path(d);
    pl_rc rc;

    (void)snprintf(text, sizeof text, "%d\n", (int)getpid());
    rc = path != NULL ? pl_file_write_atomic(path, pl_str_z(text), 0644, err)
                      : pl_fail(err, PL_NOMEM, "out of memory");
    free(path);
    return rc;
}

static void remove_pid(const pl_daemon *d)
{
    char *path = pid_path(d);

    if (path != NULL)
        (void)unlink(path);
    free(path);
}

static pl_rc serve(pl_daemon *d, const options *o, const sigset_t *set, pl_error *err)
{
    pl_rc rc = pl_daemon_start(d, err);

    if (rc == PL_OK)
        rc = write_pid(d, err);
    if (rc != PL_OK)
        return rc;
    pl_log_info("ready", PL_S("dir", d->instance.dir), PL_S("instance", d->instance.id),
                PL_S("version", pl_version()), PL_I("pid", getpid()),
                PL_I("ledger_size", (int64_t)pl_ledger_size(d->services.ledger)));
    notify(o, "READY=1");
    wait_for_end(d, o, set);
    notify(o, "STOPPING=1");
    remove_pid(d);
    return PL_OK;
}

static int fail(const pl_error *err)
{
    pl_log_error("cannot serve", PL_S("error", err->text));
    return err->rc == PL_INVALID || err->rc == PL_NOTFOUND ? PL_EXIT_BAD_INPUT : PL_EXIT_FAILED;
}

int pl_daemon_main(int argc, char **argv)
{
    options    o;
    sigset_t   set;
    pl_daemon *d;
    pl_error   err = { 0 };
    int        code = parse_options(argc, argv, &o);
    pl_rc      rc;

    if (code >= 0)
        return code;
    pl_fault_init();
    pl_log_use_text(o.use_text);
    block_signals(&set);
    rc = pl_daemon_open(o.dir, &d, &err);
    if (rc != PL_OK)
        return fail(&err);
    rc = serve(d, &o, &set, &err);
    pl_daemon_close(d, DRAIN_MS);
    if (rc != PL_OK)
        return fail(&err);
    pl_log_info("stopped");
    return PL_EXIT_OK;
}
