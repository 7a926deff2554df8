/* Log lines for operators: one JSON object (or one text line) on standard error, written
 * with one system call. Fields are identifiers, numbers and our own error messages; user
 * content, names of people and secrets never get here. Safe from any thread. */
#ifndef PL_DAEMON_LOG_H
#define PL_DAEMON_LOG_H

#include <stdbool.h>
#include <stdint.h>

typedef struct pl_log_field {
    const char *key;
    const char *s; /* may be NULL, which is written as "" */
    int64_t     i;
    bool        is_number;
} pl_log_field;

#define PL_S(name, text)   { (name), (text), 0, false }
#define PL_I(name, number) { (name), NULL, (number), true }

/* Called once, before threads start. */
void pl_log_use_text(bool use_text);
/* `fields` starts with "msg" and ends with a NULL key. */
void pl_log_write(const char *level, const pl_log_field *fields);

#define pl_log_fields(message, ...)                                                               \
    (const pl_log_field[]) { PL_S("msg", message), ##__VA_ARGS__, { 0 } }
#define pl_log_info(...)  pl_log_write("info", pl_log_fields(__VA_ARGS__))
#define pl_log_warn(...)  pl_log_write("warn", pl_log_fields(__VA_ARGS__))
#define pl_log_error(...) pl_log_write("error", pl_log_fields(__VA_ARGS__))
#endif
