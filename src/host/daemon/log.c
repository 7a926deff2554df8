#include "base/banned.h"

#include "base/buf.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "host/daemon/log.h"

#include <unistd.h>

#define LINE_MAX_BYTES 8192

/* Set once by pl_log_use_text: a log has no context to pass it through. */
static bool is_text;

void pl_log_use_text(bool use_text)
{
    is_text = use_text;
}

static void put_json(pl_buf *line, const char *time, const char *level, const pl_log_field *f)
{
    pl_buf_printf(line, "{\"time\":\"%s\",\"level\":\"%s\"", time, level);
    for (; f->key != NULL; f++) {
        pl_buf_printf(line, ",\"%s\":", f->key);
        if (f->is_number) {
            pl_buf_printf(line, "%lld", (long long)f->i);
            continue;
        }
        pl_buf_putc(line, '"');
        pl_buf_json(line, pl_str_z(f->s));
        pl_buf_putc(line, '"');
    }
    pl_buf_puts(line, "}\n");
}

/* Escaped like JSON, so that no value can start a line of its own. */
static void put_text(pl_buf *line, const char *time, const char *level, const pl_log_field *f)
{
    pl_buf_printf(line, "%s %-5s ", time, level);
    for (bool is_first = true; f->key != NULL; f++, is_first = false) {
        if (!is_first)
            pl_buf_printf(line, " %s=", f->key);
        if (f->is_number)
            pl_buf_printf(line, "%lld", (long long)f->i);
        else
            pl_buf_json(line, pl_str_z(f->s));
    }
    pl_buf_putc(line, '\n');
}

void pl_log_write(const char *level, const pl_log_field *fields)
{
    pl_buf line = PL_BUF_INIT(LINE_MAX_BYTES);
    char   time[25];

    pl_time_format(pl_now_ms(), time);
    (is_text ? put_text : put_json)(&line, time, level, fields);
    /* A log that cannot be written has nowhere to say so. */
    if (!line.failed && write(STDERR_FILENO, line.p, line.n) < 0)
        line.failed = true;
    pl_buf_done(&line);
}
