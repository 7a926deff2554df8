/* Driver of bench/grade.bench.mjs.
 *
 *   grade_bench one FACTS.json ROUNDS        every installed pack, whole results: {"packs","ms"}
 *   grade_bench many PACK COUNT THREADS      facts from JSON and grades of COUNT systems: {"seconds","grades"}
 *
 * Packs are compiled before the clock starts. */
#include "base/banned.h"

#include "base/file.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "cap/pack/pl_pack.h"

#include <pthread.h>

#define DAY_2026_11_22 1795305600

static void need(pl_rc rc, const pl_error *err)
{
    if (rc == PL_OK)
        return;
    (void)fprintf(stderr, "grade_bench: %s\n", err->text);
    exit(1);
}

static const char **folders(void)
{
    static const char *list[2];

    list[0] = pl_path_join(pl_datadir(), "packs");
    return list;
}

static json_t *facts_of(const char *text, size_t n)
{
    json_t  *j = NULL;
    pl_error err = { 0 };

    need(pl_rules_json((pl_str){ text, n }, "facts", &j, &err), &err);
    return j;
}

static int one(const char *path, int rounds)
{
    pl_rules_book  *b = pl_rules_book_new();
    pl_pack_law    *laws = NULL;
    pl_rules_facts *f = NULL;
    pl_error        err = { 0 };
    char           *text = NULL;
    size_t          n = 0, size = 0, got, packs = 0;
    int64_t         start;

    need(pl_pack_laws(folders(), &laws, &n, &err), &err);
    for (size_t i = 0; i < n; i++)
        need(pl_pack_book_add(b, laws[i].dir, folders(), &got, &err), &err);
    need(pl_file_read(path, 1u << 20, &text, &size, &err), &err);
    start = pl_mono_ms();
    for (int r = 0; r < rounds; r++) {
        json_t *facts = facts_of(text, size);

        need(pl_rules_facts_new(b, facts, &f, &err), &err);
        packs = 0;
        for (size_t i = 0; i < pl_rules_pack_count(b); i++) {
            json_t *out = NULL;
            bool    open;

            if (!pl_rules_pack_has_rules(b, i))
                continue;
            need(pl_rules_grade(b, i, f, DAY_2026_11_22, PL_RULES_TRACE | PL_RULES_MISSING, &out, &open, &err), &err);
            json_decref(out);
            packs++;
        }
        pl_rules_facts_free(f);
        json_decref(facts);
    }
    printf("{\"packs\": %zu, \"ms\": %.4f}\n", packs, (double)(pl_mono_ms() - start) / rounds);
    free(text);
    free(laws);
    pl_rules_book_free(b);
    return 0;
}

typedef struct share {
    pthread_t            thread;
    const pl_rules_book *b;
    size_t               pack;
    int                  from, to, step;
    long                 settled;
} share;

/* Systems that differ: compute and revenue around the thresholds, roles, domains. */
static int facts_write(char *out, size_t cap, int i)
{
    return snprintf(out, cap,
                    "{\"as_of\": \"2026-11-22\", \"role\": [\"%s\"], \"us.frontier_ops\": %d.5e25, \"org.revenue_usd\": %d,"
                    " \"us.co_domain\": \"%s\", \"us.co_materially_influences\": %s, \"us.co_personal_data\": true,"
                    " \"m.train_flop\": %d.25e24, \"a3.point\": \"%s\", \"cn.public\": %s, \"org.size\": \"sme\"}",
                    i % 2 ? "provider" : "deployer", i % 20, 400000000 + i * 1000, i % 3 ? "employment" : "none",
                    i % 5 ? "true" : "false", i % 30, i % 7 ? "4(a)" : "none", i % 2 ? "true" : "false");
}

static void *work(void *arg)
{
    share   *s = arg;
    pl_error err = { 0 };
    char     text[1024];
    int      axes[64];

    for (int i = s->from; i < s->to; i += s->step) {
        json_t         *j = facts_of(text, (size_t)facts_write(text, sizeof text, i));
        pl_rules_facts *f = NULL;

        need(pl_rules_facts_new(s->b, j, &f, &err), &err);
        need(pl_rules_grade_fast(s->b, s->pack, f, DAY_2026_11_22, axes, &err), &err);
        s->settled += axes[0] >= 0;
        pl_rules_facts_free(f);
        json_decref(j);
    }
    return NULL;
}

static int many(const char *ref, int count, int threads)
{
    pl_rules_book *b = pl_rules_book_new();
    share          s[64];
    pl_error       err = { 0 };
    size_t         got = 0;
    long           settled = 0;
    int64_t        start;

    if (threads < 1 || threads > 64)
        return 2;
    need(pl_pack_book_add(b, ref, folders(), &got, &err), &err);
    start = pl_mono_ms();
    for (int t = 0; t < threads; t++) {
        s[t] = (share){ .b = b, .pack = got, .from = t, .to = count, .step = threads };
        if (pthread_create(&s[t].thread, NULL, work, &s[t]) != 0)
            return 1;
    }
    for (int t = 0; t < threads; t++) {
        (void)pthread_join(s[t].thread, NULL);
        settled += s[t].settled;
    }
    printf("{\"seconds\": %.3f, \"grades\": %d, \"settled\": %ld}\n", (double)(pl_mono_ms() - start) / 1000, count, settled);
    pl_rules_book_free(b);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "one") == 0)
        return one(argv[2], (int)strtol(argv[3], NULL, 10));
    if (argc == 5 && strcmp(argv[1], "many") == 0)
        return many(argv[2], (int)strtol(argv[3], NULL, 10), (int)strtol(argv[4], NULL, 10));
    (void)fprintf(stderr, "usage: grade_bench one FACTS.json ROUNDS | many PACK COUNT THREADS\n");
    return 2;
}
