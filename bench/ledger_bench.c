/* Driver of the benchmark group `ledger` (bench/ledger.bench.mjs): one measurement per call,
 * one line of JSON.
 *
 *   ledger_bench hash PATH BYTES             PATH single, avx2, avx512 or best; 0x00 || BYTES each
 *   ledger_bench append DIR SECONDS          64 producers, 16 outstanding each, 512-byte entries
 *   ledger_bench sqlite DIR SECONDS BATCH    the same producers and rows into SQLite
 *   ledger_bench build DIR ENTRIES           a log of that many 512-byte entries
 *   ledger_bench statements DIR ENTRIES      a log of that many signed statements
 *   ledger_bench prove DIR PROOFS            inclusion proofs of entries all over the log
 *   ledger_bench verify DIR                  the whole log
 */
#include "base/banned.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/str.h"
#include "cap/ledger/pl_ledger.h"
#include "engine/log/merkle_many.h"

#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define ORIGIN      "plumbline.example/bench"
#define ENTRY_BYTES 512
#define PRODUCERS   64
#define OUTSTANDING 16
#define PUBLISH_MS  500
#define SAMPLES_MAX (1u << 24)

static _Noreturn void die(const char *what, const pl_error *err)
{
    (void)fprintf(stderr, "ledger_bench: %s: %s\n", what, err != NULL ? err->text : "failed");
    exit(5);
}

static double seconds(clockid_t clock)
{
    struct timespec t;

    (void)clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static long rss_kib(void)
{
    struct rusage u;

    (void)getrusage(RUSAGE_SELF, &u);
    return u.ru_maxrss;
}

/* --- entries --------------------------------------------------------------------------- */

/* Different bytes for every number, as long as a small statement. */
static void entry_fill(char out[ENTRY_BYTES], uint64_t number)
{
    uint64_t x = number * UINT64_C(0x9E3779B97F4A7C15) + 1;

    for (size_t i = 0; i < ENTRY_BYTES; i += 8) {
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        memcpy(out + i, &x, 8);
    }
    memcpy(out, &number, 8);
}

static pl_signer *signer_make(pl_vkey *key)
{
    uint8_t    seed[32] = { 7 };
    pl_signer *s = NULL;
    pl_error   err;
    char       text[512];

    if (pl_signer_new(PL_STR(ORIGIN), seed, &s, &err) != PL_OK ||
        pl_signer_vkey(s, text, sizeof(text), &err) != PL_OK ||
        pl_vkey_parse(pl_str_z(text), key, &err) != PL_OK)
        die("key", &err);
    return s;
}

static pl_ledger *log_make(const char *dir, const pl_signer *s)
{
    pl_ledger *l = NULL;
    pl_error   err;

    if (access(dir, F_OK) != 0 && pl_ledger_create(dir, PL_STR(ORIGIN), s, &err) != PL_OK)
        die("create", &err);
    if (pl_ledger_open(dir, s, &l, &err) != PL_OK)
        die("open", &err);
    return l;
}

/* --- hashing --------------------------------------------------------------------------- */

static pl_sha256_path path_named(const char *name)
{
    static const struct {
        const char    *name;
        pl_sha256_path path;
    } paths[] = { { "best", PL_SHA256_BEST },
                  { "single", PL_SHA256_SINGLE },
                  { "avx2", PL_SHA256_AVX2 },
                  { "avx512", PL_SHA256_AVX512 } };

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        if (strcmp(name, paths[i].name) == 0)
            return paths[i].path;
    die("no such path of hashing", NULL);
}

static int bench_hash(const char *name, size_t bytes)
{
    enum { COUNT = 4096, ROUNDS = 20 };
    pl_sha256_path path = path_named(name);
    char          *data = malloc(COUNT * bytes);
    pl_str        *m = malloc(COUNT * sizeof(*m));
    uint8_t(*out)[32] = malloc(COUNT * sizeof(*out));
    uint8_t(*same)[32] = malloc(COUNT * sizeof(*same));
    double best = 1e9;

    for (size_t i = 0; i < COUNT * bytes; i++)
        data[i] = (char)(i * 2654435761u >> 13);
    for (size_t i = 0; i < COUNT; i++)
        m[i] = (pl_str){ data + i * bytes, bytes };
    if (!pl_sha256_many_by(path, 0, m, 0, out)) {
        (void)printf("{\"supported\":false}\n");
        return 0;
    }
    for (int r = 0; r < ROUNDS; r++) {
        double t = seconds(CLOCK_THREAD_CPUTIME_ID);

        (void)pl_sha256_many_by(path, 0, m, COUNT, out);
        t = seconds(CLOCK_THREAD_CPUTIME_ID) - t;
        best = t < best ? t : best;
    }
    (void)pl_sha256_many_by(PL_SHA256_SINGLE, 0, m, COUNT, same);
    if (memcmp(out, same, COUNT * sizeof(*out)) != 0)
        die("paths differ", NULL);
    (void)printf("{\"supported\":true,\"ns\":%.2f}\n", best / COUNT * 1e9);
    free(data);
    free(m);
    free(out);
    free(same);
    return 0;
}

/* --- producers ------------------------------------------------------------------------- */

typedef struct bench {
    pl_ledger   *l;
    sqlite3     *db;
    size_t       batch;
    atomic_bool  stop;
    atomic_ulong next;    /* number of the next entry */
    double       longest; /* publication, seconds     */
    unsigned     publications;

    /* SQLite has one writer: rows wait for it as tickets wait for the ledger's leader. */
    pthread_mutex_t lock;
    pthread_cond_t  turn;
    struct row     *first, *last;
    bool            writing;
} bench;

typedef struct row {
    char        bytes[ENTRY_BYTES];
    pl_str      entry;
    double      since;
    bool        is_done;
    struct row *next;

    pl_ledger_ticket *ticket;
} row;

typedef struct producer {
    bench    *b;
    pthread_t thread;
    float    *ms;
    size_t    n, cap;
} producer;

static void row_new(bench *b, row *r)
{
    entry_fill(r->bytes, atomic_fetch_add(&b->next, 1));
    r->entry = (pl_str){ r->bytes, ENTRY_BYTES };
    r->since = seconds(CLOCK_MONOTONIC);
    r->is_done = false;
    r->next = NULL;
}

static void row_acknowledged(producer *p, const row *r)
{
    if (p->n < p->cap)
        p->ms[p->n] = (float)((seconds(CLOCK_MONOTONIC) - r->since) * 1e3);
    p->n++;
}

static void ledger_submit(bench *b, row *r)
{
    pl_error err;

    if (pl_ledger_submit(b->l, &r->entry, 1, &r->ticket, &err) != PL_OK)
        die("submit", &err);
}

static void ledger_wait(bench *b, row *r)
{
    uint64_t at;
    pl_error err;

    if (pl_ledger_wait(b->l, r->ticket, &at, &err) != PL_OK)
        die("wait", &err);
}

static void sqlite_do(bench *b, const char *sql)
{
    if (sqlite3_exec(b->db, sql, NULL, NULL, NULL) != SQLITE_OK) {
        (void)fprintf(stderr, "ledger_bench: sqlite: %s\n", sqlite3_errmsg(b->db));
        exit(5);
    }
}

static void sqlite_submit(bench *b, row *r)
{
    (void)pthread_mutex_lock(&b->lock);
    if (b->last != NULL)
        b->last->next = r;
    else
        b->first = r;
    b->last = r;
    (void)pthread_mutex_unlock(&b->lock);
}

/* Up to `batch` rows in one transaction, without the lock. */
static void sqlite_write(bench *b, row *first, row *end, sqlite3_stmt *insert)
{
    sqlite_do(b, "BEGIN IMMEDIATE");
    for (row *r = first; r != end; r = r->next) {
        (void)sqlite3_bind_blob(insert, 1, r->bytes, ENTRY_BYTES, SQLITE_STATIC);
        if (sqlite3_step(insert) != SQLITE_DONE)
            die(sqlite3_errmsg(b->db), NULL);
        (void)sqlite3_reset(insert);
    }
    sqlite_do(b, "COMMIT");
}

static sqlite3_stmt *insert_statement;

static void sqlite_lead(bench *b)
{
    row   *first = b->first, *end = first;
    size_t n = 0;

    for (; end != NULL && n < b->batch; n++)
        end = end->next;
    b->first = end;
    if (end == NULL)
        b->last = NULL;
    b->writing = true;
    (void)pthread_mutex_unlock(&b->lock);
    sqlite_write(b, first, end, insert_statement);
    (void)pthread_mutex_lock(&b->lock);
    for (row *r = first, *next; r != end; r = next) {
        next = r->next;
        r->is_done = true;
    }
    b->writing = false;
    (void)pthread_cond_broadcast(&b->turn);
}

static void sqlite_wait(bench *b, row *r)
{
    (void)pthread_mutex_lock(&b->lock);
    while (!r->is_done) {
        if (b->writing)
            (void)pthread_cond_wait(&b->turn, &b->lock);
        else
            sqlite_lead(b);
    }
    (void)pthread_mutex_unlock(&b->lock);
}

/* Keeps OUTSTANDING entries on their way: waits for the oldest, then sends a new one. */
static void *produce(void *arg)
{
    producer *p = arg;
    bench    *b = p->b;
    row      *rows = calloc(OUTSTANDING, sizeof(*rows));
    size_t    at = 0;

    for (size_t i = 0; i < OUTSTANDING; i++) {
        row_new(b, &rows[i]);
        (b->l != NULL ? ledger_submit : sqlite_submit)(b, &rows[i]);
    }
    for (size_t open = OUTSTANDING; open > 0; at = (at + 1) % OUTSTANDING) {
        (b->l != NULL ? ledger_wait : sqlite_wait)(b, &rows[at]);
        row_acknowledged(p, &rows[at]);
        if (atomic_load(&b->stop)) {
            open--;
            continue;
        }
        row_new(b, &rows[at]);
        (b->l != NULL ? ledger_submit : sqlite_submit)(b, &rows[at]);
    }
    free(rows);
    return NULL;
}

static void *publish(void *arg)
{
    bench *b = arg;

    while (!atomic_load(&b->stop)) {
        const struct timespec pause = { 0, PUBLISH_MS * 1000000L };
        double                t;
        pl_error              err;

        if (!pl_ledger_is_behind(b->l))
            (void)nanosleep(&pause, NULL);
        t = seconds(CLOCK_MONOTONIC);
        if (pl_ledger_publish(b->l, &err) != PL_OK)
            die("publish", &err);
        t = seconds(CLOCK_MONOTONIC) - t;
        b->longest = t > b->longest ? t : b->longest;
        b->publications++;
    }
    return NULL;
}

static int compare_float(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return x < y ? -1 : x > y;
}

/* Runs the producers; gives acknowledged entries and their latencies, sorted. */
static size_t produce_all(bench *b, double how_long, float *ms, size_t *samples)
{
    static producer p[PRODUCERS];
    size_t          total = 0, n = 0;
    struct timespec t = { (time_t)how_long, (long)((how_long - (double)(time_t)how_long) * 1e9) };

    for (unsigned i = 0; i < PRODUCERS; i++) {
        p[i] = (producer){ .b = b, .ms = ms + i * (SAMPLES_MAX / PRODUCERS),
                           .cap = SAMPLES_MAX / PRODUCERS };
        if (pthread_create(&p[i].thread, NULL, produce, &p[i]) != 0)
            die("threads", NULL);
    }
    (void)nanosleep(&t, NULL);
    atomic_store(&b->stop, true);
    for (unsigned i = 0; i < PRODUCERS; i++) {
        size_t kept;

        (void)pthread_join(p[i].thread, NULL);
        total += p[i].n;
        kept = p[i].n < p[i].cap ? p[i].n : p[i].cap;
        memmove(ms + n, p[i].ms, kept * sizeof(*ms));
        n += kept;
    }
    qsort(ms, n, sizeof(*ms), compare_float);
    *samples = n;
    return total;
}

static void produced_print(const bench *b, size_t total, double took, double cpu, const float *ms,
                           size_t n)
{
    (void)printf("{\"entries\":%zu,\"per_second\":%.0f,\"cpu_us\":%.2f,\"p50_ms\":%.3f,"
                 "\"p99_ms\":%.3f,\"max_ms\":%.3f,\"publications\":%u,"
                 "\"longest_publication_ms\":%.1f,\"rss_kib\":%ld}\n",
                 total, (double)total / took, cpu / (double)total * 1e6, (double)ms[n / 2],
                 (double)ms[n * 99 / 100], (double)ms[n - 1], b->publications, b->longest * 1e3,
                 rss_kib());
}

static int bench_append(const char *dir, double how_long)
{
    pl_vkey    key;
    pl_signer *s = signer_make(&key);
    bench      b = { .l = log_make(dir, s) };
    pthread_t  publisher;
    float     *ms = malloc(SAMPLES_MAX * sizeof(*ms));
    double     t = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    size_t     n = 0, total;
    pl_error   err;

    if (pthread_create(&publisher, NULL, publish, &b) != 0)
        die("threads", NULL);
    total = produce_all(&b, how_long, ms, &n);
    t = seconds(CLOCK_MONOTONIC) - t;
    (void)pthread_join(publisher, NULL);
    if (pl_ledger_publish(b.l, &err) != PL_OK)
        die("publish", &err);
    if (pl_ledger_size(b.l) < total)
        die("entries are missing", NULL);
    produced_print(&b, total, t, seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu, ms, n);
    pl_ledger_close(b.l);
    pl_signer_free(s);
    free(ms);
    return 0;
}

static int bench_sqlite(const char *dir, double how_long, size_t batch)
{
    bench    b = { .batch = batch, .lock = PTHREAD_MUTEX_INITIALIZER,
                   .turn = PTHREAD_COND_INITIALIZER };
    char    *path = pl_path_join(dir, "rival.db");
    float   *ms = malloc(SAMPLES_MAX * sizeof(*ms));
    double   t, cpu;
    size_t   n = 0, total;

    if (sqlite3_open(path, &b.db) != SQLITE_OK)
        die("sqlite", NULL);
    sqlite_do(&b, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                  "CREATE TABLE IF NOT EXISTS entry(id INTEGER PRIMARY KEY, bytes BLOB NOT NULL)");
    if (sqlite3_prepare_v2(b.db, "INSERT INTO entry(bytes) VALUES(?)", -1, &insert_statement,
                           NULL) != SQLITE_OK)
        die("sqlite", NULL);
    t = seconds(CLOCK_MONOTONIC);
    cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    total = produce_all(&b, how_long, ms, &n);
    t = seconds(CLOCK_MONOTONIC) - t;
    produced_print(&b, total, t, seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu, ms, n);
    (void)sqlite3_finalize(insert_statement);
    (void)sqlite3_close(b.db);
    free(path);
    free(ms);
    return 0;
}

/* --- a large log ----------------------------------------------------------------------- */

static int bench_build(const char *dir, uint64_t entries)
{
    enum { BATCH = 4096, PER_PUBLICATION = 1 << 16 };
    pl_vkey    key;
    pl_signer *s = signer_make(&key);
    pl_ledger *l = log_make(dir, s);
    char      *bytes = malloc((size_t)BATCH * ENTRY_BYTES);
    pl_str    *e = malloc(BATCH * sizeof(*e));
    double     t = seconds(CLOCK_MONOTONIC);
    uint64_t   at = pl_ledger_size(l), first;
    pl_error   err;

    for (uint64_t n; at < entries; at += n) {
        n = entries - at < BATCH ? entries - at : BATCH;
        for (size_t i = 0; i < n; i++) {
            entry_fill(bytes + i * ENTRY_BYTES, at + i);
            e[i] = (pl_str){ bytes + i * ENTRY_BYTES, ENTRY_BYTES };
        }
        if (pl_ledger_append(l, e, n, &first, &err) != PL_OK)
            die("append", &err);
        if ((at + n) % PER_PUBLICATION < n && pl_ledger_publish(l, &err) != PL_OK)
            die("publish", &err);
    }
    if (pl_ledger_publish(l, &err) != PL_OK)
        die("publish", &err);
    t = seconds(CLOCK_MONOTONIC) - t;
    (void)printf("{\"size\":%llu,\"seconds\":%.1f,\"rss_kib\":%ld}\n",
                 (unsigned long long)pl_ledger_size(l), t, rss_kib());
    pl_ledger_close(l);
    pl_signer_free(s);
    free(bytes);
    free(e);
    return 0;
}

/* What verification has work with: statements, each signed. */
static int bench_statements(const char *dir, unsigned entries)
{
    pl_vkey    key;
    pl_signer *s = signer_make(&key);
    pl_ledger *l = log_make(dir, s);
    size_t     bytes = 0, n = 0;
    uint64_t   first;
    pl_error   err;

    for (unsigned i = 0; i < entries; i++) {
        char    name[32], *envelope = NULL;
        uint8_t digest[32] = { (uint8_t)i };
        json_t *p = json_pack("{s:s, s:s}", "reason", "benchmark", "time",
                              "2026-11-22T12:00:00.000Z");

        (void)snprintf(name, sizeof(name), "thing:%u", i);
        if (pl_statement_sign(s, pl_str_z(name), digest, PL_PREDICATE("guard-stop"), p, &envelope,
                              &n, &err) != PL_OK ||
            pl_ledger_append(l, &(pl_str){ envelope, n }, 1, &first, &err) != PL_OK)
            die("statement", &err);
        bytes += n;
        json_decref(p);
        free(envelope);
    }
    if (pl_ledger_publish(l, &err) != PL_OK)
        die("publish", &err);
    (void)printf("{\"size\":%u,\"bytes\":%zu}\n", entries, bytes);
    pl_ledger_close(l);
    pl_signer_free(s);
    return 0;
}

/* Proofs only; whether they hold is checked outside of the time. */
static int bench_prove(const char *dir, unsigned proofs)
{
    pl_ledger    *l = NULL;
    pl_checkpoint head;
    float        *us = malloc(proofs * sizeof(*us));
    uint64_t      x = 1;
    double        cpu = 0;
    pl_error      err;

    if (pl_ledger_open_reader(dir, &l, &err) != PL_OK || pl_ledger_head(l, &head, &err) != PL_OK)
        die("open", &err);
    for (unsigned i = 0; i < proofs; i++) {
        char     bytes[ENTRY_BYTES];
        pl_hash  leaf;
        pl_proof p;
        uint64_t index = (x = x * UINT64_C(6364136223846793005) + 1442695040888963407) >> 11;
        double   t, c = seconds(CLOCK_THREAD_CPUTIME_ID);

        index %= head.size;
        t = seconds(CLOCK_MONOTONIC);
        if (pl_ledger_inclusion(l, index, 0, &p, &err) != PL_OK)
            die("inclusion", &err);
        us[i] = (float)((seconds(CLOCK_MONOTONIC) - t) * 1e6);
        cpu += seconds(CLOCK_THREAD_CPUTIME_ID) - c;
        entry_fill(bytes, index);
        leaf = pl_merkle_leaf((pl_str){ bytes, ENTRY_BYTES });
        if (pl_merkle_inclusion_verify(index, head.size, &leaf, &p, &head.root, &err) != PL_OK)
            die("proof", &err);
    }
    qsort(us, proofs, sizeof(*us), compare_float);
    (void)printf("{\"size\":%llu,\"proofs\":%u,\"cpu_us\":%.1f,\"p50_us\":%.1f,\"p99_us\":%.1f,"
                 "\"max_us\":%.1f,\"rss_kib\":%ld}\n",
                 (unsigned long long)head.size, proofs, cpu / proofs * 1e6, (double)us[proofs / 2],
                 (double)us[proofs * 99ull / 100], (double)us[proofs - 1], rss_kib());
    pl_ledger_close(l);
    free(us);
    return 0;
}

static int bench_verify(const char *dir)
{
    pl_vkey          key;
    pl_signer       *s = signer_make(&key);
    pl_ledger_report r;
    pl_error         err;
    double           t = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);

    if (pl_ledger_verify(dir, &key, &r, NULL, NULL, &err) != PL_OK)
        die("verify", &err);
    t = seconds(CLOCK_MONOTONIC) - t;
    cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    (void)printf("{\"size\":%llu,\"problems\":%zu,\"seconds\":%.2f,\"per_second\":%.0f,"
                 "\"cpu_us\":%.2f,\"rss_kib\":%ld}\n",
                 (unsigned long long)r.size, json_array_size(r.problems), t, (double)r.size / t,
                 cpu / (double)r.size * 1e6, rss_kib());
    pl_ledger_report_done(&r);
    pl_signer_free(s);
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";

    if (strcmp(what, "hash") == 0 && argc == 4)
        return bench_hash(argv[2], strtoul(argv[3], NULL, 10));
    if (strcmp(what, "append") == 0 && argc == 4)
        return bench_append(argv[2], strtod(argv[3], NULL));
    if (strcmp(what, "sqlite") == 0 && argc == 5)
        return bench_sqlite(argv[2], strtod(argv[3], NULL), strtoul(argv[4], NULL, 10));
    if (strcmp(what, "build") == 0 && argc == 4)
        return bench_build(argv[2], strtoull(argv[3], NULL, 10));
    if (strcmp(what, "statements") == 0 && argc == 4)
        return bench_statements(argv[2], (unsigned)strtoul(argv[3], NULL, 10));
    if (strcmp(what, "prove") == 0 && argc == 4)
        return bench_prove(argv[2], (unsigned)strtoul(argv[3], NULL, 10));
    if (strcmp(what, "verify") == 0 && argc == 3)
        return bench_verify(argv[2]);
    (void)fprintf(stderr, "ledger_bench: see the head of its source\n");
    return 2;
}
