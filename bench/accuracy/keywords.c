/* keywords LEXICON CASES CORPUS [SAMPLES]: how keywords in disguise are found, and what ordinary text
 * is taken for one. Driven by keywords.mjs, which makes the cases and says what the numbers mean.
 *
 * LEXICON: lines "id TAB text TAB flags". CASES: records of u32 entry, u32 kind, u32 length, bytes,
 * little-endian. CORPUS: text. Prints one JSON document. With SAMPLES writes false hits there, with
 * what stands around them. */
#include "base/banned.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/str.h"
#include "engine/text/decode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KINDS_MAX = 256 };

typedef struct tally {
    uint64_t cases, found;
} tally;

typedef struct judge {
    pl_textdb *db;
    uint32_t   entry;
    bool       hit;
    pl_str     corpus;
    uint64_t   plain, disguised, by_form[16], last_end;
    FILE      *samples;
} judge;

static void stop(const char *what)
{
    fprintf(stderr, "keywords: %s\n", what);
    exit(5);
}

static pl_str read_file(const char *path)
{
    FILE  *f = fopen(path, "rb");
    char  *p;
    long   n;

    if (!f || fseek(f, 0, SEEK_END) != 0 || (n = ftell(f)) < 0)
        stop(path);
    rewind(f);
    p = malloc((size_t)n + 1);
    if (!p || fread(p, 1, (size_t)n, f) != (size_t)n)
        stop(path);
    (void)fclose(f);
    return (pl_str){ p, (size_t)n };
}

/* Entry i of the lexicon is rule i. */
static pl_textdb *compile(pl_str lexicon)
{
    pl_textdb_builder *b = NULL;
    pl_textdb         *db = NULL;
    pl_error           err = { 0 };
    pl_str             line, id, text;
    void              *bytes;
    size_t             n;

    if (pl_textdb_builder_new(&b, &err) != PL_OK)
        stop(err.text);
    while (pl_str_split(&lexicon, '\n', &line)) {
        pl_text_rule rule = { .category = PL_STR("c"), .severity = 1 };
        uint32_t     index;

        if (!pl_str_split(&line, '\t', &id) || !pl_str_split(&line, '\t', &text))
            continue;
        rule.id = id;
        if (pl_textdb_builder_rule(b, &rule, &index, &err) != PL_OK ||
            pl_textdb_builder_keyword(b, index, text,
                                      pl_str_eqz(line, "word") ? PL_KEYWORD_WORD : 0, &err) != PL_OK)
            stop(err.text);
    }
    if (pl_textdb_builder_finish(b, &bytes, &n, &err) != PL_OK ||
        pl_textdb_open((pl_str){ bytes, n }, &db, &err) != PL_OK)
        stop(err.text);
    pl_textdb_builder_free(b);
    return db;
}

static void scan(void *ctx, pl_str text, pl_text_emit_fn emit, void *emit_ctx)
{
    pl_text_scan(ctx, text, emit, emit_ctx);
}

static int on_case(void *ctx, const pl_text_finding *f)
{
    judge *j = ctx;

    j->hit |= f->rule == j->entry;
    return j->hit;
}

static uint32_t rd32(const char *p)
{
    const uint8_t *u = (const uint8_t *)p;

    return u[0] | (uint32_t)u[1] << 8 | (uint32_t)u[2] << 16 | (uint32_t)u[3] << 24;
}

static void run_cases(judge *j, pl_str cases, tally *t)
{
    for (size_t at = 0; at + 12 <= cases.n;) {
        uint32_t kind = rd32(cases.p + at + 4) % KINDS_MAX, n = rd32(cases.p + at + 8);
        pl_str   text = { cases.p + at + 12, n };

        j->entry = rd32(cases.p + at);
        j->hit = false;
        at += 12 + n;
        pl_text_scan(j->db, text, on_case, j);
        if (!j->hit)
            pl_decode_scan(text, scan, j->db, on_case, j);
        t[kind].cases++;
        t[kind].found += j->hit;
        if (!j->hit && j->samples)
            fprintf(j->samples, "miss %u: " PL_STR_FMT "\n", kind, PL_STR_ARG(text));
    }
}

static int on_corpus(void *ctx, const pl_text_finding *f)
{
    judge *j = ctx;
    size_t from = f->start > 30 ? f->start - 30 : 0, to = f->end + 30;

    if (f->form == 0) {
        j->plain++;
        return 0;
    }
    j->disguised++;
    for (int i = 0; i < 16; i++)
        j->by_form[i] += f->form >> i & 1;
    to = to < j->corpus.n ? to : j->corpus.n;
    if (j->samples)
        fprintf(j->samples, "false %04x " PL_STR_FMT ": " PL_STR_FMT "\n", f->form,
                PL_STR_ARG(pl_textdb_rule_get(j->db, f->rule).id), (int)(to - from),
                j->corpus.p + from);
    return 0;
}

int main(int argc, char **argv)
{
    judge j = { 0 };
    tally t[KINDS_MAX] = { 0 };

    if (argc < 4)
        stop("usage: keywords LEXICON CASES CORPUS [SAMPLES]");
    j.samples = argc > 4 ? fopen(argv[4], "w") : NULL;
    j.db = compile(read_file(argv[1]));
    run_cases(&j, read_file(argv[2]), t);
    j.corpus = read_file(argv[3]);
    pl_text_scan(j.db, j.corpus, on_corpus, &j);
    pl_decode_scan(j.corpus, scan, j.db, on_corpus, &j);
    printf("{\"kinds\":[");
    for (int i = 0, n = 0; i < KINDS_MAX; i++)
        if (t[i].cases > 0)
            printf("%s{\"kind\":%d,\"cases\":%llu,\"found\":%llu}", n++ ? "," : "", i,
                   (unsigned long long)t[i].cases, (unsigned long long)t[i].found);
    printf("],\"corpus\":%zu,\"plain\":%llu,\"disguised\":%llu,\"by_form\":[", j.corpus.n,
           (unsigned long long)j.plain, (unsigned long long)j.disguised);
    for (int i = 0; i < 16; i++)
        printf("%s%llu", i ? "," : "", (unsigned long long)j.by_form[i]);
    printf("]}\n");
    return 0;
}
