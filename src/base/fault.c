#include "base/banned.h"

#include "base/fault.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <unistd.h>

enum fault_mode { FAULT_OFF, FAULT_IO_ONCE, FAULT_FULL, FAULT_KILL, FAULT_TORN, FAULT_FLIP };

/* The one piece of global state in this folder: faults must reach file operations
 * that have no context argument. Written by pl_fault_init before threads start. */
static enum fault_mode mode;
static unsigned long   target;
static atomic_ulong    points, writes;
static atomic_bool     dying;

static const struct {
    const char     *name;
    enum fault_mode mode;
} mode_names[] = {
    { "io-once", FAULT_IO_ONCE },
    { "full", FAULT_FULL },
    { "kill", FAULT_KILL },
    { "torn", FAULT_TORN },
    { "flip", FAULT_FLIP },
};

/* A test that asked for a fault and did not get one would pass for nothing. */
static _Noreturn void refuse(const char *spec)
{
    (void)fprintf(stderr, "PL_FAULT: malformed value '%s'\n", spec);
    _exit(2);
}

static _Noreturn void die(void)
{
    (void)kill(getpid(), SIGKILL);
    for (;;)
        (void)pause();
}

void pl_fault_init(void)
{
    const char *spec = getenv("PL_FAULT");
    const char *at;
    char       *end;

    mode = FAULT_OFF;
    atomic_store(&points, 0);
    atomic_store(&writes, 0);
    atomic_store(&dying, false);
    if (spec == NULL || *spec == '\0')
        return;

    at = strchr(spec, '@');
    if (at == NULL || at[1] < '0' || at[1] > '9')
        refuse(spec);
    errno = 0;
    target = strtoul(at + 1, &end, 10);
    if (*end != '\0' || errno != 0)
        refuse(spec);
    for (size_t i = 0; i < sizeof mode_names / sizeof mode_names[0]; i++)
        if (strlen(mode_names[i].name) == (size_t)(at - spec) &&
            strncmp(mode_names[i].name, spec, (size_t)(at - spec)) == 0)
            mode = mode_names[i].mode;
    if (mode == FAULT_OFF)
        refuse(spec);
}

int pl_fault_point(const char *name)
{
    unsigned long n;

    (void)name; /* for a debugger: break on pl_fault_point shows where it is */
    if (mode == FAULT_OFF || mode == FAULT_FLIP)
        return 0;
    n = atomic_fetch_add(&points, 1) + 1;
    if (atomic_load(&dying))
        die();
    switch (mode) {
    case FAULT_IO_ONCE:
        return n == target ? EIO : 0;
    case FAULT_FULL:
        return target != 0 && n >= target ? ENOSPC : 0;
    case FAULT_KILL:
        if (n == target)
            die();
        return 0;
    case FAULT_TORN:
    case FAULT_FLIP:
    case FAULT_OFF:
        break;
    }
    return 0;
}

size_t pl_fault_write(const char *name, size_t n, int *error)
{
    *error = pl_fault_point(name);
    if (*error != 0)
        return 0;
    if (mode != FAULT_TORN || atomic_fetch_add(&writes, 1) + 1 != target)
        return n;
    /* The caller now writes half; whatever it does next that passes a point is its end. */
    atomic_store(&dying, true);
    if (n / 2 == 0)
        die();
    return n / 2;
}

void pl_fault_buffer(const char *name, void *p, size_t n)
{
    unsigned long at;

    (void)name;
    if (mode != FAULT_FLIP || n == 0)
        return;
    at = atomic_fetch_add(&points, 1) + 1;
    if (at == target)
        ((unsigned char *)p)[n / 2] ^= (unsigned char)(1u << n % 8);
}

unsigned long pl_fault_count(void)
{
    return atomic_load(&points);
}
