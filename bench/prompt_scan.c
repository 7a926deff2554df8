/* Driver of bench/prompt.bench.mjs: screens many distinct pieces of about 1 KB of a text under a
 * compiled policy and prints CPU nanoseconds: {"prompts","findings","median","p99"} per run.
 *
 *     prompt_scan POLICY.db TEXT RUNS [PARTS]
 */
#include "base/banned.h"

#include "base/file.h"

#include <plumbline/screen.h>
#include <time.h>

#define PROMPT  1024u
#define PROMPTS 12000u

static int count(void *ctx, const pl_text_finding *f)
{
    (void)f;
    ++*(size_t *)ctx;
    return 0;
}

static int64_t cpu_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* Reading the clock costs something too: the least of many pairs of readings. */
static int64_t clock_cost(void)
{
    int64_t least = INT64_MAX;

    for (int i = 0; i < 10000; i++) {
        int64_t a = cpu_ns(), d = cpu_ns() - a;

        least = d < least ? d : least;
    }
    return least;
}

static size_t run(const pl_screen *s, pl_str text, unsigned parts, int64_t *ns, size_t *findings)
{
    int64_t cost = clock_cost();
    size_t  n = 0;

    for (size_t at = 0; n < PROMPTS && at + 2 * PROMPT < text.n; at += PROMPT * 3 / 4, n++) {
        size_t  from = at, to;
        int64_t begin;

        while (((unsigned char)text.p[from] & 0xc0) == 0x80)
            from++;
        to = from + PROMPT;
        while (((unsigned char)text.p[to] & 0xc0) == 0x80)
            to++;
        begin = cpu_ns();
        if (pl_screen_scan(s, (pl_str){ text.p + from, to - from }, parts, count, findings, NULL) != PL_OK)
            abort();
        ns[n] = cpu_ns() - begin - cost;
    }
    return n;
}

int main(int argc, char **argv)
{
    static int64_t ns[PROMPTS];
    pl_str         image, text;
    pl_policydb    db;
    pl_screen     *s;
    pl_error       err = { PL_OK, "" };

    if (argc < 4 || pl_map_file(argv[1], 1u << 30, &image, &err) != PL_OK ||
        pl_map_file(argv[2], 1u << 30, &text, &err) != PL_OK ||
        pl_policydb_check(image, &db, &err) != PL_OK || pl_screen_open(&db, &s, &err) != PL_OK) {
        (void)fprintf(stderr, "prompt_scan: %s\n", err.text);
        return 5;
    }
    for (long r = strtol(argv[3], NULL, 10); r > 0; r--) {
        size_t findings = 0;
        size_t n = run(s, text, argc > 4 ? (unsigned)strtoul(argv[4], NULL, 10) : PL_SCREEN_ALL, ns,
                       &findings);

        qsort(ns, n, sizeof *ns, by_size);
        (void)printf("{\"prompts\":%zu,\"findings\":%zu,\"median\":%lld,\"p99\":%lld}\n", n, findings,
                     (long long)ns[n / 2], (long long)ns[n * 99 / 100]);
    }
    return 0;
}
