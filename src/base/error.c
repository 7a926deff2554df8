#include "base/banned.h"

#include <plumbline/base.h>

#ifndef PL_VERSION
#define PL_VERSION "0.0.0"
#endif

/* A message cut in the middle of a character would make the JSON around it invalid. */
static void trim_partial_character(char *z, size_t n)
{
    size_t start = n;

    while (start > 0 && ((unsigned char)z[start - 1] & 0xc0) == 0x80 && n - start < 3)
        start--;
    if (start > 0 && (unsigned char)z[start - 1] >= 0xc0)
        z[start - 1] = '\0';
}

pl_rc pl_fail(pl_error *err, pl_rc rc, const char *fmt, ...)
{
    va_list ap;
    int     n;

    if (err == NULL)
        return rc;
    err->rc = rc;
    va_start(ap, fmt);
    n = vsnprintf(err->text, sizeof err->text, fmt, ap);
    va_end(ap);
    if (n < 0)
        err->text[0] = '\0';
    else if ((size_t)n >= sizeof err->text)
        trim_partial_character(err->text, sizeof err->text - 1);
    return rc;
}

const char *pl_rc_name(pl_rc rc)
{
    switch (rc) {
    case PL_OK:
        return "ok";
    case PL_NOTFOUND:
        return "not found";
    case PL_CONFLICT:
        return "conflict";
    case PL_INVALID:
        return "invalid";
    case PL_DENIED:
        return "denied";
    case PL_LIMIT:
        return "limit";
    case PL_IO:
        return "i/o";
    case PL_NOMEM:
        return "out of memory";
    case PL_FULL:
        return "no room";
    }
    return "unknown";
}

const char *pl_version(void)
{
    return PL_VERSION;
}
