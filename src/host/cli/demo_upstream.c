/* `plumbline demo-upstream`: runs until it is told to stop. */
#include "base/banned.h"

#include "base/file.h"
#include "base/str.h"
#include "cap/instance.h"
#include "host/cli/cli.h"
#include "host/cli/demo.h"

#include <signal.h>

#define PACE_MS     15
#define PACE_MAX_MS 60000

static pl_rc options_read(pl_cmd_ctx *c, pl_demo_options *o, pl_error *err)
{
    const char *listen = c->opt(c->host, "listen"), *pace = c->opt(c->host, "pace");
    uint64_t    ms = PACE_MS;

    if (pace != NULL && (pl_str_u64(pl_str_z(pace), &ms, NULL) != PL_OK || ms > PACE_MAX_MS))
        return pl_fail(err, PL_INVALID, "option '--pace' must be milliseconds up to %d",
                       PACE_MAX_MS);
    o->listen = listen != NULL ? listen : "127.0.0.1:8422";
    o->answers = c->opt(c->host, "answers");
    o->pace_ms = (unsigned)ms;
    return PL_OK;
}

static void say_ready(pl_cmd_ctx *c, const pl_demo_options *o, const pl_demo_server *s)
{
    unsigned port = pl_demo_server_port(s);

    if (c->json)
        (void)fprintf(c->out, "{\"event\":\"ready\",\"port\":%u}\n", port);
    else if (port > 0)
        (void)fprintf(c->out, "demo upstream (replays recorded answers) on port %u\n", port);
    else
        (void)fprintf(c->out, "demo upstream (replays recorded answers) on %s\n", o->listen);
    (void)fflush(c->out);
}

int pl_cli_demo_upstream(pl_cmd_ctx *c)
{
    pl_demo_options o = { 0 };
    pl_demo_server *s = NULL;
    char           *shipped = pl_path_join(pl_datadir(), "demo/answers.jsonl");
    sigset_t        set;
    pl_error        err;
    pl_rc           rc = options_read(c, &o, &err);

    if (rc == PL_OK && o.answers == NULL)
        o.answers = shipped;
    /* Blocked before the server has threads, so that sigwait gets them. */
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    if (rc == PL_OK)
        rc = o.answers != NULL ? pl_demo_server_start(&o, &s, &err)
                               : pl_fail(&err, PL_NOMEM, "out of memory");
    if (rc == PL_OK) {
        say_ready(c, &o, s);
        (void)sigwaitinfo(&set, NULL);
        pl_demo_server_stop(s);
    }
    free(shipped);
    return rc == PL_OK ? PL_EXIT_OK : pl_cmd_fail(c, &err);
}
