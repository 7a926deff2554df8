/* Driver: keywords in every disguise, through a text database with full normalisation. */
#include "text_driver.h"

#include <plumbline/text.h>

static int add(void *ctx, const pl_text_finding *f)
{
    tally *t = ctx;

    t->matches++;
    t->ends += f->end;
    return 0;
}

static tally scan(void *set, bytes text)
{
    tally t = { 0 };

    pl_text_scan(set, (pl_str){ text.p, text.n }, add, &t);
    return t;
}

static pl_rc fill(pl_textdb_builder *b, const words *w, pl_error *e)
{
    const pl_text_rule rule = { { "word", 4 }, { "harm.illegal", 12 }, 1 };
    uint32_t           index;
    pl_rc              rc = pl_textdb_builder_rule(b, &rule, &index, e);

    for (size_t i = 0; rc == PL_OK && i < w->n; i++)
        rc = pl_textdb_builder_keyword(b, index, (pl_str){ w->word[i].p, w->word[i].n }, 0, e);
    return rc;
}

int main(int argc, char **argv)
{
    words              w;
    bytes              text;
    pl_textdb_builder *b = NULL;
    pl_textdb         *db = NULL;
    void              *image = NULL;
    size_t             n;
    pl_error           e = { 0 };
    double             start, build, load, before;

    if (argc != 5)
        errx(2, "usage: text_norm KEYWORDS TEXT RUNS THREADS");
    w = bench_words(bench_read(argv[1]));
    before = bench_peak();
    start = bench_clock(CLOCK_PROCESS_CPUTIME_ID);
    if (pl_textdb_builder_new(&b, &e) != PL_OK || fill(b, &w, &e) != PL_OK ||
        pl_textdb_builder_finish(b, &image, &n, &e) != PL_OK)
        errx(5, "%s", e.text);
    build = bench_clock(CLOCK_PROCESS_CPUTIME_ID) - start;
    before = bench_peak() - before;
    pl_textdb_builder_free(b);
    start = bench_clock(CLOCK_PROCESS_CPUTIME_ID);
    if (pl_textdb_open((pl_str){ image, n }, &db, &e) != PL_OK)
        errx(5, "%s", e.text);
    load = bench_clock(CLOCK_PROCESS_CPUTIME_ID) - start;
    text = bench_read(argv[2]);
    printf("{\"version\":\"%s\",\"build_s\":%.4f,\"load_s\":%.6f,\"size_mib\":%.2f,\"peak_mib\":%.1f",
           PL_VERSION, build, load, (double)n / 1048576, before);
    bench_scan(scan, db, text, (int)strtol(argv[3], NULL, 10), (int)strtol(argv[4], NULL, 10));
    printf("}\n");
    pl_textdb_free(db);
    free(image);
    free(w.word);
    return 0;
}
