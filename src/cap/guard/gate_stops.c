/* Stops of a part of the service: a small table in the state file. Writers lock the file; readers
 * take a copy of the table when its version is even and the same before and after. */
#include "base/banned.h"

#include "base/str.h"
#include "cap/guard/gate_int.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define READ_TRIES 1000

static const char *const scopes[PL_STOP__N] = { "service", "model", "tenant", "category" };

const char *pl_stop_scope_name(pl_stop_scope s)
{
    return scopes[s];
}

pl_rc pl_stop_scope_parse(pl_str name, pl_stop_scope *out)
{
    for (int i = 0; i < PL_STOP__N; i++)
        if (pl_str_eqz(name, scopes[i])) {
            *out = (pl_stop_scope)i;
            return PL_OK;
        }
    return PL_NOTFOUND;
}

/* A copy that no writer was busy with; false: none could be had now. */
static bool copy(const state_stops *from, state_stops *to)
{
    for (int i = 0; i < READ_TRIES; i++) {
        uint64_t before = atomic_load_explicit(&from->version, memory_order_acquire);

        if (before & 1)
            continue;
        memcpy((void *)to, (const void *)from, sizeof *to);
        atomic_thread_fence(memory_order_acquire);
        if (atomic_load_explicit(&from->version, memory_order_relaxed) == before)
            return true;
    }
    return false;
}

static size_t count_of(const state_stops *s)
{
    size_t n = atomic_load_explicit(&s->count, memory_order_relaxed);

    return n < PL_GATE_STOPS ? n : PL_GATE_STOPS;
}

size_t pl_gate_part_list(const pl_gate *g, pl_part_stop out[PL_GATE_STOPS])
{
    state_stops s;
    size_t      n = copy(&g->state->stops, &s) ? count_of(&s) : 0;

    memcpy(out, s.stop, n * sizeof *out);
    for (size_t i = 0; i < n; i++) { /* the file may hold anything */
        out[i].name[sizeof out[i].name - 1] = out[i].reason[sizeof out[i].reason - 1] = '\0';
        out[i].scope = (unsigned)out[i].scope < PL_STOP__N ? out[i].scope : PL_STOP_SERVICE;
    }
    return n;
}

/* --- writers ---------------------------------------------------------------------------------- */

static pl_rc lock(pl_gate *g, int *fd, pl_error *err)
{
    struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

    *fd = openat(g->dirfd, "state.pls", O_RDWR | O_CLOEXEC);
    if (*fd < 0 || fcntl(*fd, F_OFD_SETLKW, &l) != 0) {
        if (*fd >= 0)
            close(*fd);
        return pl_fail(err, PL_IO, "cannot lock the gateway state: %s", strerror(errno));
    }
    /* A writer that was killed left it odd, perhaps with half an entry: that is overwritten, or
     * seen as a stop with its name cut, which is on the safe side. */
    atomic_fetch_or_explicit(&g->state->stops.version, 1, memory_order_acq_rel);
    atomic_thread_fence(memory_order_release);
    return PL_OK;
}

static void unlock(pl_gate *g, int fd)
{
    atomic_fetch_add_explicit(&g->state->stops.version, 1, memory_order_release);
    close(fd);
}

static size_t find(const state_stops *s, pl_stop_scope scope, const char *name)
{
    size_t n = count_of(s), i = 0;

    while (i < n && (s->stop[i].scope != scope || strncmp(s->stop[i].name, name, sizeof s->stop[i].name) != 0))
        i++;
    return i;
}

pl_rc pl_gate_part_stop(pl_gate *g, const pl_part_stop *stop, pl_error *err)
{
    state_stops *s = &g->state->stops;
    size_t       at;
    int          fd;
    pl_rc        rc = lock(g, &fd, err);

    if (rc != PL_OK)
        return rc;
    at = find(s, stop->scope, stop->name);
    if (at < PL_GATE_STOPS) {
        s->stop[at] = *stop;
        if (at == count_of(s))
            atomic_store_explicit(&s->count, (uint32_t)at + 1, memory_order_relaxed);
    } else {
        rc = pl_fail(err, PL_LIMIT, "%d parts are stopped already: resume one, or stop the installation",
                     PL_GATE_STOPS);
    }
    unlock(g, fd);
    return rc;
}

pl_rc pl_gate_part_resume(pl_gate *g, pl_stop_scope scope, const char *name, pl_error *err)
{
    state_stops *s = &g->state->stops;
    size_t       at, n;
    int          fd;
    pl_rc        rc = lock(g, &fd, err);

    if (rc != PL_OK)
        return rc;
    at = find(s, scope, name);
    n = count_of(s);
    if (at < n) {
        s->stop[at] = s->stop[n - 1];
        atomic_store_explicit(&s->count, (uint32_t)n - 1, memory_order_relaxed);
    } else {
        rc = pl_fail(err, PL_NOTFOUND, "%s '%.90s' is not stopped", scopes[scope], name);
    }
    unlock(g, fd);
    return rc;
}

/* --- workers ------------------------------------------------------------------------------------ */

static void categories_apply(const pl_gate *g, pl_policy *p)
{
    pl_str names[PL_GATE_STOPS];
    size_t n = 0;

    for (size_t i = 0; i < count_of(&g->stops); i++)
        if (g->stops.stop[i].scope == PL_STOP_CATEGORY)
            names[n++] = pl_str_z(g->stops.stop[i].name);
    if (p)
        pl_policy_stop_categories(p, names, n);
}

void gate_stops_refresh(pl_gate *g, bool again)
{
    uint64_t now = atomic_load_explicit(&g->state->stops.version, memory_order_acquire);

    if (!again && now == atomic_load_explicit(&g->stops.version, memory_order_relaxed))
        return;
    if (!copy(&g->state->stops, &g->stops))
        return; /* the next refresh tries again */
    for (size_t i = 0; i < count_of(&g->stops); i++)
        g->stops.stop[i].name[sizeof g->stops.stop[i].name - 1] = '\0';
    categories_apply(g, g->policy);
    categories_apply(g, g->retired);
    categories_apply(g, g->trial);
}

uint64_t pl_gate_part_version(const pl_gate *g)
{
    return atomic_load_explicit(&g->stops.version, memory_order_relaxed);
}

const pl_part_stop *pl_gate_part_match(const pl_gate *g, pl_str service, pl_str model, pl_str tenant)
{
    pl_str names[PL_STOP__N] = { service, model, tenant, { "", 0 } };

    for (size_t i = 0; i < count_of(&g->stops); i++) {
        const pl_part_stop *s = &g->stops.stop[i];

        if ((unsigned)s->scope < PL_STOP_CATEGORY && names[s->scope].n && pl_str_eqz(names[s->scope], s->name))
            return s;
    }
    return NULL;
}
