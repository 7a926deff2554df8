/* Shared state, ring slots, policy swap. The only system calls are in prepare, open, claim
 * and refresh; nothing on the request path enters the kernel. */
#include "base/banned.h"

#include "base/hash.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "cap/guard/gate_int.h"
#include "cap/guard/budgets.h"
#include "cap/guard/subjects.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define STATE_NAME  "state.pls"
#define POLICY_NAME "policy.db"
#define CANARY_NAME "canary.db"

const char *pl_counter_name(pl_counter c)
{
    static const char *const names[PL_COUNT__N] = {
        "requests",  "streams",     "blocked_input", "blocked_output", "bad_requests",
        "upstream_errors", "stopped", "fail_open",   "fail_closed",    "events",
        "spilled",   "lost",        "labelled",      "aborted",       "limited",
    };
    return names[c];
}

/* --- state file ------------------------------------------------------------------ */

static pl_rc state_fill(int fd, pl_error *err)
{
    state_head h = { .magic = PL_STATE_MAGIC, .version = PL_GATE_VERSION, .slots = PL_GATE_SLOTS };
    int        e = posix_fallocate(fd, 0, sizeof(state_file));

    if (e)
        return pl_fail(err, PL_IO, "cannot reserve space for the gateway state: %s; free some disk",
                       strerror(e));
    if (pwrite(fd, &h, sizeof h, 0) != (ssize_t)sizeof h || fsync(fd) != 0)
        return pl_fail(err, PL_IO, "cannot write the gateway state: %s", strerror(errno));
    return PL_OK;
}

/* Complete or absent, and never over an existing file: workers keep it mapped. */
static pl_rc create_linked(int dirfd, const char *name, pl_rc (*fill)(int fd, pl_error *err),
                           pl_error *err)
{
    char  tmp[64];
    int   fd;
    pl_rc rc;

    snprintf(tmp, sizeof tmp, ".%s.%d", name, (int)getpid());
    (void)unlinkat(dirfd, tmp, 0);
    fd = openat(dirfd, tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0660);
    if (fd < 0)
        return pl_fail(err, PL_IO, "cannot create '%s': %s", name, strerror(errno));
    (void)fchmod(fd, 0660); /* gateway and daemon may run as two users of one group */
    rc = fill(fd, err);
    if (rc == PL_OK && linkat(dirfd, tmp, dirfd, name, 0) != 0 && errno != EEXIST)
        rc = pl_fail(err, PL_IO, "cannot create '%s': %s", name, strerror(errno));
    (void)unlinkat(dirfd, tmp, 0);
    close(fd);
    return rc;
}

static pl_rc dir_open(const char *dir, int *out, pl_error *err)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return pl_fail(err, errno == ENOENT ? PL_NOTFOUND : PL_IO,
                       "cannot open gateway directory '%s': %s", dir, strerror(errno));
    *out = fd;
    return PL_OK;
}

pl_rc pl_gate_prepare(const char *dir, pl_error *err)
{
    struct stat st;
    int         fd = -1;
    pl_rc       rc = dir_open(dir, &fd, err);

    if (rc != PL_OK)
        return rc;
    if (fstatat(fd, STATE_NAME, &st, 0) != 0)
        rc = create_linked(fd, STATE_NAME, state_fill, err);
    close(fd);
    return rc;
}

static pl_rc state_map(pl_gate *g, pl_error *err)
{
    struct stat st;
    void       *m = MAP_FAILED;
    int         fd = openat(g->dirfd, STATE_NAME, O_RDWR | O_CLOEXEC);

    if (fd < 0)
        return pl_fail(err, errno == ENOENT ? PL_NOTFOUND : PL_IO,
                       "cannot open gateway state '%s': %s", STATE_NAME, strerror(errno));
    if (fstat(fd, &st) == 0 && st.st_size >= (off_t)sizeof(state_file))
        m = mmap(NULL, sizeof(state_file), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (m == MAP_FAILED)
        return pl_fail(err, PL_INVALID, "gateway state '%s' is too short or cannot be mapped",
                       STATE_NAME);
    g->state = m;
    if (g->state->head.magic != PL_STATE_MAGIC || g->state->head.version != PL_GATE_VERSION)
        return pl_fail(err, PL_INVALID, "gateway state '%s' has another version; stop the gateway "
                       "and remove it", STATE_NAME);
    return PL_OK;
}

/* One that cannot be loaded is on trial for nobody. */
static pl_rc canary_refresh(pl_gate *g, pl_error *err)
{
    uint64_t   now = atomic_load_explicit(&g->state->head.canary, memory_order_acquire);
    pl_policy *p = NULL;
    pl_rc      rc = PL_OK;

    if (now == g->canary)
        return PL_OK;
    g->canary = now;
    if (pl_gate_canary_share(g) > 0)
        rc = pl_policy_openat(g->dirfd, CANARY_NAME, &p, err);
    pl_policy_unref(g->trial);
    g->trial = rc == PL_OK ? p : NULL;
    gate_stops_refresh(g, true);
    return rc;
}

pl_rc pl_gate_open(const char *dir, pl_gate **out, pl_error *err)
{
    pl_gate *g = calloc(1, sizeof *g);
    pl_rc    rc;

    if (!g)
        return pl_fail(err, PL_NOMEM, "out of memory");
    g->dirfd = -1;
    g->slot = -1;
    rc = dir_open(dir, &g->dirfd, err);
    if (rc == PL_OK)
        rc = state_map(g, err);
    if (rc == PL_OK)
        rc = pl_subjects_open(g->dirfd, &g->subjects, err);
    if (rc == PL_OK)
        rc = pl_budgets_open(g->dirfd, &g->budgets, err);
    if (rc == PL_OK) {
        g->generation = atomic_load(&g->state->head.generation);
        rc = pl_policy_openat(g->dirfd, POLICY_NAME, &g->policy, err);
        if (rc == PL_NOTFOUND && g->state) /* the daemon may open before the first policy */
            rc = PL_OK;
    }
    if (rc != PL_OK) {
        pl_gate_close(g);
        return rc;
    }
    (void)canary_refresh(g, NULL);
    gate_stops_refresh(g, true);
    *out = g;
    return PL_OK;
}

void pl_gate_close(pl_gate *g)
{
    if (!g)
        return;
    pl_gate_release(g);
    for (int i = 0; i < PL_GATE_SLOTS; i++) {
        slot_unmap(&g->drain[i]);
        gate_review_unmap(&g->reviews[i]);
    }
    if (g->state)
        munmap(g->state, sizeof(state_file));
    if (g->dirfd >= 0)
        close(g->dirfd);
    pl_policy_unref(g->policy);
    pl_policy_unref(g->retired);
    pl_policy_unref(g->trial);
    pl_subjects_close(g->subjects);
    pl_budgets_close(g->budgets);
    free(g);
}

/* --- policy ------------------------------------------------------------------------ */

unsigned pl_gate_canary_share(const pl_gate *g)
{
    unsigned share = atomic_load_explicit(&g->state->head.canary_share, memory_order_relaxed);

    return share < 100 ? share : 100;
}

void pl_gate_canary_announce(pl_gate *g, unsigned share)
{
    atomic_store_explicit(&g->state->head.canary_share, share, memory_order_relaxed);
    atomic_fetch_add_explicit(&g->state->head.canary, 1, memory_order_release);
}

pl_policy *pl_gate_policy_for(pl_gate *g, pl_str key)
{
    uint32_t h = 2166136261u;

    if (!g->trial)
        return g->policy;
    for (size_t i = 0; i < key.n; i++)
        h = (h ^ (uint8_t)key.p[i]) * 16777619u;
    return (h ^ h >> 15) % 100 < pl_gate_canary_share(g) ? g->trial : g->policy;
}

pl_rc pl_gate_refresh(pl_gate *g, pl_error *err)
{
    uint64_t   now = atomic_load_explicit(&g->state->head.generation, memory_order_acquire);
    pl_policy *p;
    pl_rc      rc;

    gate_stops_refresh(g, false);
    rc = canary_refresh(g, err);
    if (now == g->generation)
        return rc;
    g->generation = now; /* a broken file is reported once, not at every tick */
    rc = pl_policy_openat(g->dirfd, POLICY_NAME, &p, err);
    if (rc != PL_OK)
        return rc;
    pl_policy_unref(g->retired);
    g->retired = g->policy;
    g->policy = p;
    gate_stops_refresh(g, true);
    return PL_OK;
}

struct pl_budgets *pl_gate_budgets(const pl_gate *g)
{
    return g->budgets;
}

struct pl_subjects *pl_gate_subjects(const pl_gate *g)
{
    return g->subjects;
}

pl_policy *pl_gate_policy(pl_gate *g)
{
    return g->policy;
}

void pl_gate_policy_announce(pl_gate *g)
{
    atomic_fetch_add_explicit(&g->state->head.generation, 1, memory_order_release);
}

uint64_t pl_gate_policy_generation(const pl_gate *g)
{
    return atomic_load(&g->state->head.generation);
}

/* --- stop switch -------------------------------------------------------------------- */

bool pl_gate_stopped(const pl_gate *g)
{
    return atomic_load_explicit(&g->state->head.stopped, memory_order_acquire) != 0;
}

void pl_gate_stop(pl_gate *g, pl_str reason, int64_t now_ms)
{
    state_head *h = &g->state->head;

    if (reason.n >= sizeof h->reason)
        reason.n = sizeof h->reason - 1;
    while (reason.n && (reason.p[reason.n] & 0xC0) == 0x80) /* cut between characters */
        reason.n--;
    memcpy(h->reason, reason.p, reason.n);
    h->reason[reason.n] = '\0';
    h->since_ms = now_ms;
    atomic_store_explicit(&h->stopped, 1, memory_order_release);
}

void pl_gate_resume(pl_gate *g)
{
    atomic_store_explicit(&g->state->head.stopped, 0, memory_order_release);
}

bool pl_gate_stop_get(const pl_gate *g, char reason[256], int64_t *since_ms)
{
    const state_head *h = &g->state->head;

    if (!pl_gate_stopped(g))
        return false;
    memcpy(reason, h->reason, sizeof h->reason);
    reason[255] = '\0';
    *since_ms = h->since_ms;
    return true;
}

/* --- counters ----------------------------------------------------------------------- */

void pl_gate_count(pl_gate *g, pl_counter c, uint64_t n)
{
    state_slot *s = &g->state->slot[g->slot >= 0 ? g->slot : PL_GATE_SLOTS];

    atomic_fetch_add_explicit(&s->count[c], n, memory_order_relaxed);
}

uint64_t pl_gate_counter(const pl_gate *g, pl_counter c)
{
    uint64_t sum = 0;

    for (int i = 0; i <= PL_GATE_SLOTS; i++)
        sum += atomic_load_explicit(&g->state->slot[i].count[c], memory_order_relaxed);
    return sum;
}
