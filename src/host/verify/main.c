/* plumbline-verify: checks an evidence package, with no shared library and nothing installed.
 * Exit status: 0 it holds, 1 it does not, 2 usage, 4 not a package, 5 could not run. */
#include "base/banned.h"

#include "base/str.h"
#include "cap/ledger/pl_evidence_anchors.h"

#include <getopt.h>
#include <unistd.h>

enum { HOLDS, DOES_NOT, USAGE, BAD_INPUT = 4, FAILED };

static int usage(FILE *to, int code)
{
    (void)fprintf(to,
        "plumbline-verify %s%s\n"
        "usage: plumbline-verify PACKAGE [--key VKEY|FILE] [--trust FILE] [--tsa-roots PEM]\n"
        "                        [--json] [--lang zh-CN|en]\n"
        "  PACKAGE      evidence package, - for standard input     证据包，- 为标准输入\n"
        "  --key        the log's key, from elsewhere              账本公钥，应从他处取得\n"
        "  --trust      whose cosignatures count (tlog-policy)     采信哪些见证方\n"
        "  --tsa-roots  roots of time stamp authorities            时间戳机构的根证书\n"
        "exit status: 0 holds, 1 does not hold, 2 usage, 4 not a package, 5 could not run\n",
        pl_version(), PL_VERIFY_LIMITS);
    return code;
}

static bool wants_chinese(const char *lang)
{
    static const char *const names[] = { "PLUMBLINE_LANG", "LC_ALL", "LC_MESSAGES", "LANG" };

    for (size_t i = 0; lang == NULL && i < sizeof names / sizeof names[0]; i++)
        if (getenv(names[i]) != NULL && getenv(names[i])[0] != '\0')
            lang = getenv(names[i]);
    return lang != NULL && lang[0] == 'z' && lang[1] == 'h';
}

static int fail(const pl_error *err)
{
    (void)fprintf(stderr, "plumbline-verify: %s\n", err->text);
    return err->rc == PL_INVALID || err->rc == PL_LIMIT || err->rc == PL_NOTFOUND ? BAD_INPUT
                                                                                  : FAILED;
}

static int run(const char *path, const evidence_anchors *a, bool json, bool zh)
{
    char    *report = NULL, *text = NULL;
    int      ok = 0;
    unsigned flags = (zh ? PL_EVIDENCE_ZH : 0u) | (isatty(STDOUT_FILENO) == 1 ? PL_EVIDENCE_COLOR : 0u);
    pl_error err;
    pl_rc    rc = evidence_file_verify(path, a, &ok, &report, &err);

    if (rc == PL_OK && !json)
        rc = pl_evidence_explain(pl_str_z(report), flags, &text, &err);
    if (rc == PL_OK && fprintf(stdout, "%s%s", json ? report : text, json ? "\n" : "") < 0)
        rc = pl_fail(&err, PL_IO, "cannot write the result");
    if (rc == PL_OK && fflush(stdout) != 0)
        rc = pl_fail(&err, PL_IO, "cannot write the result");
    free(report);
    free(text);
    return rc != PL_OK ? fail(&err) : ok ? HOLDS : DOES_NOT;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "key", required_argument, NULL, 'k' }, { "trust", required_argument, NULL, 't' },
        { "tsa-roots", required_argument, NULL, 'r' }, { "json", no_argument, NULL, 'j' },
        { "lang", required_argument, NULL, 'l' }, { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    evidence_anchors a = { NULL, NULL, NULL };
    const char      *lang = NULL;
    bool             json = false;
    int              o;

    while ((o = getopt_long(argc, argv, "h", options, NULL)) != -1)
        switch (o) {
        case 'k': a.key = optarg; break;
        case 't': a.trust = optarg; break;
        case 'r': a.roots = optarg; break;
        case 'l': lang = optarg; break;
        case 'j': json = true; break;
        case 'h': return usage(stdout, HOLDS);
        default: return usage(stderr, USAGE);
        }
    if (argc - optind != 1)
        return usage(stderr, USAGE);
    return run(argv[optind], &a, json, wants_chinese(lang));
}
