/* c2pa_check ANCHORS EKUS REPEATS FILE…: full validation of each file, REPEATS times over, in this
 * thread. One JSON line: CPU seconds of one pass, and what was found of each file. */
#include "base/file.h"
#include "cap/label/sign.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double cpu_s(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static const char *state_of(const char *path, const c2pa_how *how, pl_error *err)
{
    static char        out[16];
    char              *p = NULL;
    size_t             n = 0;
    pl_arena          *a = pl_arena_new(256u << 20);
    pl_media          *m = NULL;
    const c2pa_report *r = NULL;
    pl_rc              rc = pl_file_read(path, 256u << 20, &p, &n, err);

    if (rc == PL_OK) {
        pl_str      bytes = { p, n };
        pl_media_io io = pl_media_io_of(&bytes);

        rc = pl_media_scan(&io, path, 0, &m, err);
        if (rc == PL_OK)
            rc = pl_c2pa_check_media(m, 0, how, a, &r, err);
    }
    (void)snprintf(out, sizeof out, "%s", rc == PL_OK ? r->state : rc == PL_NOTFOUND ? "none" : "error");
    pl_media_free(m);
    pl_arena_free(a);
    free(p);
    return out;
}

int main(int argc, char **argv)
{
    pl_trust_files t = { .trust = { .n = 0 } };
    char          *ekus = NULL;
    size_t         n = 0;
    pl_error       err;
    struct timespec now;
    c2pa_how       how = { .trust = &t.trust };
    long           repeats = argc > 4 ? strtol(argv[3], NULL, 10) : 0;
    double         start;

    if (repeats < 1 || repeats > 1000000 || pl_trust_files_add(&t, argv[1], &err) != PL_OK ||
        pl_file_read(argv[2], 1u << 20, &ekus, &n, &err) != PL_OK) {
        fprintf(stderr, "usage: c2pa_check ANCHORS EKUS REPEATS FILE...\n");
        return 2;
    }
    t.trust.ekus = (pl_str){ ekus, n };
    (void)clock_gettime(CLOCK_REALTIME, &now);
    how.now_ms = (int64_t)now.tv_sec * 1000;
    start = cpu_s();
    for (int k = 0; k < repeats; k++)
        for (int i = 4; i < argc; i++)
            (void)state_of(argv[i], &how, &err);
    printf("{\"seconds\":%.9f,\"states\":[", (cpu_s() - start) / repeats);
    for (int i = 4; i < argc; i++)
        printf("%s\"%s\"", i > 4 ? "," : "", state_of(argv[i], &how, &err));
    printf("]}\n");
    free(ekus);
    pl_trust_files_done(&t);
    return 0;
}
