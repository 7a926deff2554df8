/* Driver: this project's literal scanner. In the environment, PL_BENCH_PATH forces a code path
 * (lits.h), PL_BENCH_LINES counts lines with matches, PL_BENCH_COUNT prints matches per keyword
 * instead of anything else. */
#include "text_driver.h"

#include "engine/text/lits.h"

static int add(void *ctx, uint32_t lit, size_t end)
{
    tally *t = ctx;

    (void)lit;
    t->matches++;
    t->ends += end;
    return 0;
}

static tally scan(void *set, bytes text)
{
    tally t = { 0 };

    pl_lits_scan_bytes(set, (pl_str){ text.p, text.n }, add, &t);
    return t;
}

/* Lines with a match: after one, those up to the next line feed are passed over. */
typedef struct line_tally {
    bytes    text;
    size_t   line_end;
    uint64_t lines;
} line_tally;

static int add_line(void *ctx, uint32_t lit, size_t end)
{
    line_tally *t = ctx;
    const char *feed;

    (void)lit;
    if (end <= t->line_end)
        return 0;
    feed = memchr(t->text.p + end, '\n', t->text.n - end);
    t->line_end = feed ? (size_t)(feed - t->text.p) : t->text.n;
    t->lines++;
    return 0;
}

static tally scan_lines(void *set, bytes text)
{
    line_tally t = { .text = text };

    pl_lits_scan_bytes(set, (pl_str){ text.p, text.n }, add_line, &t);
    return (tally){ t.lines, 0 };
}

static int count(void *ctx, uint32_t lit, size_t end)
{
    (void)end;
    ((uint32_t *)ctx)[lit]++;
    return 0;
}

static void print_counts(const pl_lits *set, bytes text, size_t n)
{
    uint32_t *counts = calloc(n, sizeof *counts);

    pl_lits_scan_bytes(set, (pl_str){ text.p, text.n }, count, counts);
    for (size_t i = 0; i < n; i++)
        printf("%u\n", counts[i]);
    free(counts);
}

int main(int argc, char **argv)
{
    words    w;
    bytes    text;
    pl_lit  *lits;
    pl_lits *set = NULL;
    void    *image = NULL;
    size_t   n;
    pl_error e = { 0 };
    double   start, build, load, before;

    if (argc != 5)
        errx(2, "usage: text_lits KEYWORDS TEXT RUNS THREADS");
    w = bench_words(bench_read(argv[1]));
    lits = calloc(w.n, sizeof *lits);
    for (size_t i = 0; i < w.n; i++)
        lits[i] = (pl_lit){ w.word[i].p, (uint32_t)w.word[i].n };
    before = bench_peak();
    start = bench_clock(CLOCK_PROCESS_CPUTIME_ID);
    if (pl_lits_build(PL_LITS_BYTES, lits, w.n, &image, &n, &e) != PL_OK)
        errx(5, "%s", e.text);
    build = bench_clock(CLOCK_PROCESS_CPUTIME_ID) - start;
    before = bench_peak() - before;
    start = bench_clock(CLOCK_PROCESS_CPUTIME_ID);
    if (pl_lits_open((pl_str){ image, n }, &set, &e) != PL_OK)
        errx(5, "%s", e.text);
    load = bench_clock(CLOCK_PROCESS_CPUTIME_ID) - start;
    if (getenv("PL_BENCH_PATH") && pl_lits_path_set((int)strtol(getenv("PL_BENCH_PATH"), NULL, 10), &e) != PL_OK)
        errx(5, "%s", e.text);
    text = bench_read(argv[2]);
    if (getenv("PL_BENCH_COUNT")) {
        print_counts(set, text, w.n);
    } else {
        printf("{\"version\":\"%s\",\"build_s\":%.4f,\"load_s\":%.6f,\"size_mib\":%.2f,\"peak_mib\":%.1f",
               PL_VERSION, build, load, (double)n / 1048576, before);
        bench_scan(getenv("PL_BENCH_LINES") ? scan_lines : scan, set, text, (int)strtol(argv[3], NULL, 10), (int)strtol(argv[4], NULL, 10));
        printf("}\n");
    }
    pl_lits_free(set);
    free(image);
    free(lits);
    free(w.word);
    return 0;
}
