/* Driver: Vectorscan's literal interface, block mode. */
#include "text_driver.h"

#include <hs/hs.h>

typedef struct engine {
    hs_database_t *db;
} engine;

static int add(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *ctx)
{
    tally *t = ctx;

    (void)id, (void)from, (void)flags;
    t->matches++;
    t->ends += to;
    return 0;
}

static tally scan(void *set, bytes text)
{
    engine       *e = set;
    hs_scratch_t *scratch = NULL;
    tally         t = { 0 };

    if (hs_alloc_scratch(e->db, &scratch) != HS_SUCCESS ||
        hs_scan(e->db, text.p, (unsigned)text.n, 0, scratch, add, &t) != HS_SUCCESS)
        errx(5, "hs_scan");
    hs_free_scratch(scratch);
    return t;
}

int main(int argc, char **argv)
{
    words               w;
    bytes               text;
    const char        **expr;
    size_t             *len, size = 0;
    unsigned           *ids, *flags;
    engine              e = { 0 };
    hs_compile_error_t *error = NULL;
    double              start, build, before;

    if (argc != 5)
        errx(2, "usage: text_vectorscan KEYWORDS TEXT RUNS THREADS");
    w = bench_words(bench_read(argv[1]));
    expr = calloc(w.n, sizeof *expr);
    len = calloc(w.n, sizeof *len);
    ids = calloc(w.n, sizeof *ids);
    flags = calloc(w.n, sizeof *flags);
    for (size_t i = 0; i < w.n; i++) {
        expr[i] = w.word[i].p;
        len[i] = w.word[i].n;
        ids[i] = (unsigned)i;
    }
    before = bench_peak();
    start = bench_clock(CLOCK_PROCESS_CPUTIME_ID);
    if (hs_compile_lit_multi(expr, flags, ids, len, (unsigned)w.n, HS_MODE_BLOCK, NULL, &e.db,
                             &error) != HS_SUCCESS)
        errx(5, "hs_compile_lit_multi: %s", error->message);
    build = bench_clock(CLOCK_PROCESS_CPUTIME_ID) - start;
    before = bench_peak() - before;
    hs_database_size(e.db, &size);
    text = bench_read(argv[2]);
    printf("{\"version\":\"%.6s\",\"build_s\":%.4f,\"size_mib\":%.2f,\"peak_mib\":%.1f", hs_version(),
           build, (double)size / 1048576, before);
    bench_scan(scan, &e, text, (int)strtol(argv[3], NULL, 10), (int)strtol(argv[4], NULL, 10));
    printf("}\n");
    hs_free_database(e.db);
    free(expr);
    free(len);
    free(ids);
    free(flags);
    free(w.word);
    return 0;
}
