/* Prometheus text exposition, format 0.0.4. */
#include "base/banned.h"

#include "base/file.h"
#include "base/str.h"
#include "cap/ledger/pl_ledger.h"
#include "host/daemon/daemon.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

static void family(pl_buf *out, const char *name, const char *type, const char *help)
{
    pl_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void gauge(pl_buf *out, const char *name, const char *help, uint64_t value)
{
    family(out, name, "gauge", help);
    pl_buf_printf(out, "%s %llu\n", name, (unsigned long long)value);
}

/* --- the process (names as the Prometheus client libraries have them) ------------------------- */

static void write_cpu(pl_buf *out)
{
    struct rusage u;

    if (getrusage(RUSAGE_SELF, &u) != 0)
        return;
    family(out, "process_cpu_seconds_total", "counter", "User and system CPU time spent.");
    pl_buf_printf(out, "process_cpu_seconds_total %.6f\n",
                  (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
                      (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6);
}

static void write_memory(pl_buf *out)
{
    unsigned long long pages_all, pages_resident;
    FILE              *f = fopen("/proc/self/statm", "re");
    uint64_t           page = (uint64_t)sysconf(_SC_PAGESIZE);

    if (f == NULL)
        return;
    if (fscanf(f, "%llu %llu", &pages_all, &pages_resident) == 2) {
        gauge(out, "process_virtual_memory_bytes", "Virtual memory size.", pages_all * page);
        gauge(out, "process_resident_memory_bytes", "Resident memory size.",
              pages_resident * page);
    }
    (void)fclose(f);
}

static void write_fds(pl_buf *out)
{
    struct rlimit limit;
    DIR          *dir = opendir("/proc/self/fd");
    uint64_t      n = 0;

    if (dir == NULL)
        return;
    for (const struct dirent *e = readdir(dir); e != NULL; e = readdir(dir))
        n += e->d_name[0] != '.';
    (void)closedir(dir);
    gauge(out, "process_open_fds", "Open file descriptors.", n - 1); /* not the one just used */
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        gauge(out, "process_max_fds", "Limit of open file descriptors.", limit.rlim_cur);
}

static void write_process(const pl_daemon *d, pl_buf *out)
{
    write_cpu(out);
    write_memory(out);
    write_fds(out);
    family(out, "process_start_time_seconds", "gauge", "Start time, seconds since 1970.");
    pl_buf_printf(out, "process_start_time_seconds %.3f\n", (double)d->stats.started_ms / 1000.0);
}

/* --- the daemon ---------------------------------------------------------------------------------- */

static void write_requests(pl_daemon *d, pl_buf *out)
{
    unsigned long all = 0, of_class;

    family(out, "plumbline_api_requests_total", "counter", "API requests by class of status.");
    for (unsigned c = 2; c < PL_HTTP_CLASSES; c++) {
        of_class = atomic_load(&d->stats.requests[c]);
        all += of_class;
        pl_buf_printf(out, "plumbline_api_requests_total{class=\"%uxx\"} %lu\n", c, of_class);
    }
    family(out, "plumbline_api_request_duration_seconds", "summary",
           "Time spent answering API requests.");
    pl_buf_printf(out, "plumbline_api_request_duration_seconds_sum %.6f\n",
                  (double)atomic_load(&d->stats.duration_us) / 1e6);
    pl_buf_printf(out, "plumbline_api_request_duration_seconds_count %lu\n", all);
    gauge(out, "plumbline_api_requests_in_flight", "API requests being answered.",
          (uint64_t)atomic_load(&d->stats.in_flight));
}

static void write_quiet(void *ctx, const pl_capability *c, int64_t quiet_ms,
                        unsigned long failures)
{
    (void)failures;
    pl_buf_printf(ctx, "plumbline_tick_quiet_seconds{capability=\"%s\"} %.3f\n", c->name,
                  (double)quiet_ms / 1000.0);
}

static void write_failures(void *ctx, const pl_capability *c, int64_t quiet_ms,
                           unsigned long failures)
{
    (void)quiet_ms;
    pl_buf_printf(ctx, "plumbline_tick_failures_total{capability=\"%s\"} %lu\n", c->name,
                  failures);
}

static void write_ticks(pl_daemon *d, pl_buf *out)
{
    if (d->ticker == NULL)
        return;
    family(out, "plumbline_tick_quiet_seconds", "gauge",
           "Time since the periodic work of a capability last succeeded.");
    pl_ticker_each(d->ticker, write_quiet, out);
    family(out, "plumbline_tick_failures_total", "counter",
           "Failures of the periodic work of a capability.");
    pl_ticker_each(d->ticker, write_failures, out);
}

void pl_metrics_write(pl_daemon *d, pl_db *db, pl_buf *out)
{
    write_process(d, out);
    family(out, "plumbline_build_info", "gauge", "Version in the label, 1 as the value.");
    pl_buf_printf(out, "plumbline_build_info{version=\"%s\"} 1\n", pl_version());
    write_requests(d, out);
    write_ticks(d, out);
    gauge(out, "plumbline_ledger_writable", "1 when the ledger accepts entries.",
          d->services.ledger != NULL && !atomic_load(&d->ledger_is_stuck));
    if (d->services.ledger == NULL)
        return;
    gauge(out, "plumbline_ledger_size", "Entries in the ledger.",
          pl_ledger_size(d->services.ledger));
    for (size_t i = 0; db != NULL && pl_capabilities[i] != NULL; i++)
        if (pl_capabilities[i]->metrics != NULL)
            pl_capabilities[i]->metrics(&d->services, db, out);
}
