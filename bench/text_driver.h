/* What the drivers of the text benchmark share: keywords, text, clocks, and the line of JSON each
 * of them prints. Every driver is called as
 *
 *     DRIVER KEYWORDS TEXT RUNS THREADS
 *
 * with one keyword a line, scans TEXT in RUNS runs, and says how long each took in CPU seconds of
 * the scanning thread, how many matches there were, and the sum of the offsets where they end. */
#ifndef PL_BENCH_TEXT_DRIVER_H
#define PL_BENCH_TEXT_DRIVER_H

#include <err.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

typedef struct bytes {
    const char *p;
    size_t      n;
} bytes;

typedef struct words {
    bytes *word;
    size_t n;
} words;

typedef struct tally {
    uint64_t matches, ends;
} tally;

/* Pages are there before the clock starts. */
static inline bytes bench_read(const char *path)
{
    int         fd = open(path, O_RDONLY);
    struct stat st;
    char       *p;

    if (fd < 0 || fstat(fd, &st) != 0)
        err(5, "%s", path);
    p = mmap(NULL, (size_t)st.st_size + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        err(5, "mmap");
    madvise(p, (size_t)st.st_size, MADV_HUGEPAGE);
    for (size_t at = 0; at < (size_t)st.st_size;) {
        ssize_t n = read(fd, p + at, (size_t)st.st_size - at);

        if (n <= 0)
            err(5, "%s", path);
        at += (size_t)n;
    }
    close(fd);
    return (bytes){ p, (size_t)st.st_size };
}

static inline words bench_words(bytes file)
{
    words w = { 0 };

    for (size_t i = 0; i < file.n; i++)
        w.n += file.p[i] == '\n';
    w.word = calloc(w.n + 1, sizeof *w.word);
    w.n = 0;
    for (const char *p = file.p, *end; p < file.p + file.n; p = end + 1) {
        end = memchr(p, '\n', (size_t)(file.p + file.n - p));
        if (!end)
            break;
        if (end > p)
            w.word[w.n++] = (bytes){ p, (size_t)(end - p) };
    }
    return w;
}

static inline double bench_clock(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* MiB that the process has at most had, so far. */
static inline double bench_peak(void)
{
    char   line[256];
    double kib = 0;
    FILE  *f = fopen("/proc/self/status", "r");

    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "VmHWM:", 6) == 0)
            kib = strtod(line + 6, NULL);
    if (f)
        fclose(f);
    return kib / 1024;
}

typedef tally (*bench_scan_fn)(void *set, bytes text);

typedef struct bench_job {
    bench_scan_fn scan;
    void         *set;
    bytes         text;
    tally         found;
    double        cpu;
} bench_job;

static inline void *bench_thread(void *arg)
{
    bench_job *j = arg;
    double     start = bench_clock(CLOCK_THREAD_CPUTIME_ID);

    j->found = j->scan(j->set, j->text);
    j->cpu = bench_clock(CLOCK_THREAD_CPUTIME_ID) - start;
    return NULL;
}

/* Prints ,"matches":…,"ends":…,"cpu":[…],"wall":[…]. With more than one thread each has its own
 * share of the text, cut anywhere, so that matches are a few less; cpu is the slowest thread's. */
static inline void bench_scan(bench_scan_fn scan, void *set, bytes text, int runs, int threads)
{
    bench_job job[16];
    tally     found = { 0 };
    double    cpu[64], wall[64];

    if (runs > 64 || threads > 16)
        errx(2, "too many runs or threads");
    for (int r = 0; r < runs; r++) {
        pthread_t id[16];
        double    start = bench_clock(CLOCK_MONOTONIC);

        found = (tally){ 0 };
        cpu[r] = 0;
        for (int t = 0; t < threads; t++) {
            size_t from = text.n / (size_t)threads * (size_t)t;
            size_t to = t + 1 == threads ? text.n : text.n / (size_t)threads * (size_t)(t + 1);

            job[t] = (bench_job){ scan, set, { text.p + from, to - from }, { 0 }, 0 };
            if (pthread_create(&id[t], NULL, bench_thread, &job[t]) != 0)
                errx(5, "no thread");
        }
        for (int t = 0; t < threads; t++) {
            pthread_join(id[t], NULL);
            found.matches += job[t].found.matches;
            found.ends += job[t].found.ends;
            cpu[r] = job[t].cpu > cpu[r] ? job[t].cpu : cpu[r];
        }
        wall[r] = bench_clock(CLOCK_MONOTONIC) - start;
    }
    printf(",\"matches\":%llu,\"ends\":%llu", (unsigned long long)found.matches,
           (unsigned long long)found.ends);
    for (int kind = 0; kind < 2; kind++) {
        printf(",\"%s\":[", kind ? "wall" : "cpu");
        for (int r = 0; r < runs; r++)
            printf("%s%.6f", r ? "," : "", kind ? wall[r] : cpu[r]);
        printf("]");
    }
}

#endif
