/* Plumbline: the types every other public header uses.
 *
 * Rules that hold for the whole library
 *   - Fallible functions return pl_rc. `out` parameters are written only on PL_OK,
 *     `err` only on failure; `err` may be NULL.
 *   - A returned `const T *` or a filled pl_str is borrowed from its named parent.
 *     A `T **out` is owned by the caller and freed with the matching pl_T_free.
 *   - Verdicts are not errors: "this text is blocked" is a successful call.
 *   - No function logs, prints, reads the clock or keeps global mutable state.
 *   - Objects are not shared between threads unless their header says so.
 */
#ifndef PLUMBLINE_BASE_H
#define PLUMBLINE_BASE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PL_API __attribute__((visibility("default")))

/* A borrowed run of bytes. Never owns, never assumes a trailing NUL. */
typedef struct pl_str {
    const char *p;
    size_t      n;
} pl_str;

#define PL_STR(lit)   ((pl_str){ (lit), sizeof(lit) - 1 })
#define PL_STR_FMT    "%.*s"
#define PL_STR_ARG(s) (int)(s).n, (s).p

/* What a caller can branch on. HTTP status and exit code derive from these in
 * one table each (src/host). */
typedef enum pl_rc {
    PL_OK = 0,
    PL_NOTFOUND = -1, /* the named thing does not exist                     */
    PL_CONFLICT = -2, /* exists already, is locked, or changed underneath    */
    PL_INVALID = -3,  /* the input breaks a rule of its format or meaning    */
    PL_DENIED = -4,   /* the caller may not do this                          */
    PL_LIMIT = -5,    /* a stated bound was reached                          */
    PL_IO = -6,       /* the system or another service failed                */
    PL_NOMEM = -7,    /* out of memory                                       */
    PL_FULL = -8      /* no room now: nothing changed, later it may succeed  */
} pl_rc;

/* The failure site fills it; upper layers pass it on unchanged. Message style:
 * lower case, no full stop, problem first, subject in single quotes. */
typedef struct pl_error {
    pl_rc rc;
    char  text[256];
} pl_error;

/* Sets *err (when not NULL) and returns rc, so that a failure is one line. */
PL_API pl_rc pl_fail(pl_error *err, pl_rc rc, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* "not found", "conflict", … for logs and tests. Static storage. */
PL_API const char *pl_rc_name(pl_rc rc);

/* The version of the library, e.g. "0.1.0". Static storage. */
PL_API const char *pl_version(void);

#ifdef __cplusplus
}
#endif
#endif
