/* The progress line of cap/cmd.h. */
#include "base/banned.h"

#include "base/timefmt.h"
#include "cap/cmd.h"

#include <unistd.h>

#define QUIET_MS 2000 /* work that takes less needs no progress line */
#define TTY_MS   500
#define LINE_MS  5000

void pl_cmd_progress_init(pl_cmd_progress *p, pl_cmd_ctx *c, const char *what,
                          pl_progress_unit unit)
{
    *p = (pl_cmd_progress){ .c = c, .what = what, .unit = unit, .start = pl_mono_ms(),
                            .is_tty = isatty(fileno(c->err)) == 1 };
}

/* "1,234" or "12.3 MB". */
static const char *amount(const pl_cmd_progress *p, uint64_t n, char out[32])
{
    static const char *const unit[] = { "B", "kB", "MB", "GB", "TB" };
    double                   v = (double)n;
    size_t                   i = 0;

    if (p->unit == PL_PROGRESS_ITEMS) {
        (void)snprintf(out, 32, "%llu", (unsigned long long)n);
        return out;
    }
    for (; v >= 1000 && i + 1 < sizeof unit / sizeof unit[0]; i++)
        v /= 1000;
    (void)snprintf(out, 32, i == 0 ? "%.0f %s" : "%.1f %s", v, unit[i]);
    return out;
}

void pl_cmd_progress_tick(void *arg, uint64_t done, uint64_t total)
{
    pl_cmd_progress *p = arg;
    int64_t          now = pl_mono_ms(), spent = now - p->start;
    char             a[32], b[32], r[32], left[64] = "";
    uint64_t         rate;

    if (spent < QUIET_MS || now - p->shown < (p->is_tty ? TTY_MS : LINE_MS))
        return;
    rate = done * 1000 / (uint64_t)spent;
    if (rate > 0 && total > done)
        (void)snprintf(left, sizeof left, pl_cmd_say(p->c, ", %llu s left", "，剩余约 %llu 秒"),
                       (unsigned long long)((total - done) / rate));
    (void)fprintf(p->c->err, "%s%s: %s%s%s, %s/s%s%s", p->is_tty ? "\r" : "", p->what,
                  amount(p, done, a), total > 0 ? " / " : "", total > 0 ? amount(p, total, b) : "",
                  amount(p, rate, r), left, p->is_tty ? "   " : "\n");
    (void)fflush(p->c->err);
    p->shown = now;
    p->any = true;
}

void pl_cmd_progress_end(pl_cmd_progress *p)
{
    if (p->any && p->is_tty)
        (void)fputc('\n', p->c->err);
}
