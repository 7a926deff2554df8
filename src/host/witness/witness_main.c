/* `plumbline-witness` as a program: init, trust, show, serve. */
#include "base/banned.h"

#include "base/fault.h"
#include "base/file.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "cap/cmd.h" /* exit codes */
#include "host/daemon/log.h"
#include "host/witness/witness.h"

#include <getopt.h>
#include <signal.h>
#include <unistd.h>

static const char usage[] =
    "usage: plumbline-witness init  --dir DIR --name NAME     make a key; print the public one\n"
    "       plumbline-witness trust --dir DIR VKEY            watch a log, by its verifier key\n"
    "       plumbline-witness show  --dir DIR [--json]        what was cosigned last\n"
    "       plumbline-witness cosign --dir DIR FILE|-         answer one request without a network\n"
    "       plumbline-witness serve --dir DIR --listen ADDR   serve (C2SP tlog-witness)\n"
    "\n"
    "Cosigns heads of logs that extend what it cosigned before, refuses all others and keeps\n"
    "the proof. ADDR is an address of this host, 127.0.0.1:8422, or unix:PATH.\n"
    "  --log-format json|text   of what serve writes on standard error\n"
    "  --version, --help\n"
    "\n"
    "见证方：只为与先前一致的账本头副署，其余一律拒绝并保留证据。\n"
    "  init 生成密钥并输出公钥　trust 登记要见证的账本公钥　show 查看已副署的账本头　serve 提供服务\n"
    "  ADDR 只能是本机地址（127.0.0.1:8422）或 unix:路径；对外服务请在前面加 TLS 反向代理。\n";

typedef struct options {
    const char *dir, *name, *listen;
    bool        use_text, json;
} options;

static const struct option long_options[] = {
    { "dir", required_argument, NULL, 'd' },     { "name", required_argument, NULL, 'n' },
    { "listen", required_argument, NULL, 'l' },  { "log-format", required_argument, NULL, 'f' },
    { "json", no_argument, NULL, 'j' },          { "version", no_argument, NULL, 'v' },
    { "help", no_argument, NULL, 'h' },          { 0 },
};

static int usage_error(void)
{
    (void)fputs(usage, stderr);
    return PL_EXIT_USAGE;
}

/* -1 to go on, else the exit code. */
static int options_parse(int argc, char **argv, options *o)
{
    int c;

    *o = (options){ .dir = getenv("PLUMBLINE_WITNESS_DIR") };
    optind = 1;
    while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        switch (c) {
        case 'd':
            o->dir = optarg;
            break;
        case 'n':
            o->name = optarg;
            break;
        case 'l':
            o->listen = optarg;
            break;
        case 'f':
            o->use_text = strcmp(optarg, "text") == 0;
            if (!o->use_text && strcmp(optarg, "json") != 0)
                return usage_error();
            break;
        case 'j':
            o->json = true;
            break;
        case 'v':
            (void)printf("plumbline-witness %s\n", pl_version());
            return PL_EXIT_OK;
        case 'h':
            (void)fputs(usage, stdout);
            return PL_EXIT_OK;
        default:
            return usage_error();
        }
    }
    return o->dir != NULL && o->dir[0] != '\0' ? -1 : usage_error();
}

static int fail(const pl_error *err)
{
    (void)fprintf(stderr, "plumbline-witness: %s\n", err->text);
    return err->rc == PL_INVALID || err->rc == PL_NOTFOUND ? PL_EXIT_BAD_INPUT : PL_EXIT_FAILED;
}

/* --- init, trust, show --------------------------------------------------------------------------- */

static int run_init(const options *o)
{
    pl_witness *w = NULL;
    pl_error    err = { PL_OK, "" };
    pl_rc       rc;

    if (o->name == NULL)
        return usage_error();
    rc = pl_witness_create(o->dir, pl_str_z(o->name), &err);
    if (rc == PL_OK)
        rc = pl_witness_open(o->dir, &w, &err);
    if (rc != PL_OK)
        return fail(&err);
    (void)printf("%s\n", pl_witness_vkey(w));
    pl_witness_close(w);
    return PL_EXIT_OK;
}

static int run_trust(const options *o, const char *vkey)
{
    pl_error err = { PL_OK, "" };

    if (vkey == NULL)
        return usage_error();
    return pl_witness_trust(o->dir, pl_str_trim(pl_str_z(vkey)), &err) == PL_OK ? PL_EXIT_OK
                                                                               : fail(&err);
}

static void show_log(void *ctx, const char *origin, uint64_t size, int64_t time_s)
{
    const options *o = ctx;
    pl_buf         name = PL_BUF_INIT(4096);
    char           time[25] = "";

    if (time_s != PL_COSIGNED_NOT)
        pl_time_format(time_s * 1000, time);
    pl_buf_json(&name, pl_str_z(origin));
    if (o->json)
        (void)printf("{\"origin\":\"%s\",\"size\":%llu,\"time\":\"%s\"}\n", name.p,
                     (unsigned long long)size, time);
    else
        (void)printf("%-50s %12llu  %s\n", name.p, (unsigned long long)size, time);
    pl_buf_done(&name);
}

static int run_show(options *o)
{
    pl_witness *w = NULL;
    pl_error    err = { PL_OK, "" };

    if (pl_witness_open(o->dir, &w, &err) != PL_OK)
        return fail(&err);
    if (!o->json)
        (void)printf("%s\n", pl_witness_vkey(w));
    pl_witness_each(w, show_log, o);
    pl_witness_close(w);
    return PL_EXIT_OK;
}

/* For a witness that no network reaches: the request comes as a file (`plumbline ledger cosign
 * --request`), the answer goes back as one. The rules and the memory are the same. */
static int run_cosign(const options *o, const char *file)
{
    pl_witness       *w = NULL;
    pl_witness_answer a;
    char             *body = NULL;
    size_t            n = 0;
    int               code;
    pl_error          err = { PL_OK, "" };
    pl_rc             rc;

    if (file == NULL)
        return usage_error();
    rc = pl_file_read(file, PL_WITNESS_BODY_MAX, &body, &n, &err);
    if (rc == PL_OK)
        rc = pl_witness_open(o->dir, &w, &err);
    if (rc != PL_OK) {
        free(body);
        return fail(&err);
    }
    pl_witness_ask(w, (pl_str){ body, n }, pl_now_ms() / 1000, &a);
    code = a.status == PL_WITNESS_COSIGN ? PL_EXIT_OK : PL_EXIT_FOUND;
    (void)fprintf(code == PL_EXIT_OK ? stdout : stderr, PL_STR_FMT,
                  PL_STR_ARG(pl_buf_str(&a.body)));
    pl_witness_answer_done(&a);
    pl_witness_close(w);
    free(body);
    return code;
}

/* --- serve ------------------------------------------------------------------------------------------ */

static void count_log(void *ctx, const char *origin, uint64_t size, int64_t time_s)
{
    (void)origin, (void)size, (void)time_s;
    ++*(int64_t *)ctx;
}

static int serve(pl_witness *w, const options *o, const sigset_t *set)
{
    pl_witness_server *s = NULL;
    pl_error           err = { PL_OK, "" };
    int64_t            logs = 0;
    int                which;

    if (pl_witness_server_start(w, o->listen, &s, &err) != PL_OK)
        return fail(&err);
    pl_witness_each(w, count_log, &logs);
    pl_log_info("ready", PL_S("listen", o->listen), PL_S("vkey", pl_witness_vkey(w)),
                PL_I("logs", logs), PL_I("pid", getpid()));
    do
        which = sigwaitinfo(set, NULL);
    while (which != SIGTERM && which != SIGINT);
    pl_log_info("stopping");
    pl_witness_server_stop(s);
    return PL_EXIT_OK;
}

static int run_serve(const options *o)
{
    pl_witness *w = NULL;
    pl_error    err = { PL_OK, "" };
    sigset_t    set;
    int         code;

    if (o->listen == NULL)
        return usage_error();
    /* Blocked before any thread starts, so that only the wait takes them. */
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    pl_log_use_text(o->use_text);
    if (pl_witness_open(o->dir, &w, &err) != PL_OK)
        return fail(&err);
    code = serve(w, o, &set);
    pl_witness_close(w);
    return code;
}

int pl_witness_main(int argc, char **argv)
{
    options     o;
    const char *verb = argc > 1 ? argv[1] : "";
    int         code;

    if (verb[0] == '-') /* --help, --version */
        verb = "";
    code = options_parse(verb[0] != '\0' ? argc - 1 : argc, verb[0] != '\0' ? argv + 1 : argv, &o);
    if (code >= 0)
        return code;
    pl_fault_init();
    if (strcmp(verb, "init") == 0)
        return run_init(&o);
    if (strcmp(verb, "trust") == 0)
        return run_trust(&o, optind < argc - 1 ? argv[optind + 1] : NULL);
    if (strcmp(verb, "show") == 0)
        return run_show(&o);
    if (strcmp(verb, "cosign") == 0)
        return run_cosign(&o, optind < argc - 1 ? argv[optind + 1] : NULL);
    if (strcmp(verb, "serve") == 0)
        return run_serve(&o);
    return usage_error();
}
