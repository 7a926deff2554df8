#include "base/banned.h"

#include "base/str.h"
#include "base/timefmt.h"
#include "cap/label/child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXIT_NO_PROGRAM = 127, ERRORS_MAX = 16 << 10 };

/* --- the box: between fork and exec, so nothing here allocates ------------------------------------ */

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#endif

#ifdef ARCH
#define DENY(nr) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_##nr, 0, 1), \
                 BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)

/* What no decoder needs: the network, other processes, the machine itself. */
static const struct sock_filter filter[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    DENY(socket), DENY(socketpair), DENY(connect), DENY(bind), DENY(ptrace), DENY(process_vm_readv),
    DENY(process_vm_writev), DENY(mount), DENY(umount2), DENY(bpf), DENY(keyctl), DENY(add_key),
    DENY(unshare), DENY(setns), DENY(init_module), DENY(finit_module), DENY(kexec_load), DENY(reboot),
    DENY(perf_event_open), DENY(userfaultfd), DENY(io_uring_setup), DENY(kill), DENY(tkill),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};
#endif

static bool filter_on(void)
{
#ifdef ARCH
    struct sock_fprog p = { sizeof filter / sizeof filter[0], (struct sock_filter *)filter };

    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p) == 0;
#else
    return true;
#endif
}

#define READING (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITING                                                                                \
    (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | \
     LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |  \
     LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK | \
     LANDLOCK_ACCESS_FS_MAKE_SYM)
#define OF_FILES (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE)

static void allow(int rules, const char *path, uint64_t what, bool is_file)
{
    struct landlock_path_beneath_attr a = { .allowed_access = is_file ? what & OF_FILES : what,
                                            .parent_fd = path ? open(path, O_PATH | O_CLOEXEC) : -1 };

    if (a.parent_fd >= 0) {
        (void)syscall(__NR_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &a, 0);
        (void)close(a.parent_fd);
    }
}

static void paths_limit(const pl_child *c)
{
    static const char *const system[] = { "/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/proc", "/sys/devices/system/cpu" };
    struct landlock_ruleset_attr a = { .handled_access_fs = READING | WRITING };
    int rules = (int)syscall(__NR_landlock_create_ruleset, &a, sizeof a, 0);

    if (rules < 0)
        return; /* a kernel without Landlock */
    for (size_t i = 0; i < sizeof system / sizeof system[0]; i++)
        allow(rules, system[i], READING, i == 4);
    allow(rules, "/dev/null", LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE, true);
    allow(rules, "/dev/urandom", LANDLOCK_ACCESS_FS_READ_FILE, true);
    allow(rules, c->read, LANDLOCK_ACCESS_FS_READ_FILE, true);
    allow(rules, c->write, READING | WRITING, false);
    (void)syscall(__NR_landlock_restrict_self, rules, 0);
    (void)close(rules);
}

static void limits_set(const pl_child *c)
{
    const struct {
        int    what;
        rlim_t most;
    } limits[] = { { RLIMIT_CORE, 0 },
                   { RLIMIT_CPU, (rlim_t)c->seconds * 4 },
                   { RLIMIT_AS, (rlim_t)6 << 30 },
                   { RLIMIT_FSIZE, (rlim_t)16 << 30 },
                   { RLIMIT_NOFILE, 64 } };

    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        struct rlimit r = { limits[i].most, limits[i].most };

        (void)setrlimit(limits[i].what, &r);
    }
}

static _Noreturn void child(const pl_child *c, int out, int errors, int given)
{
    int null = open("/dev/null", O_RDWR);

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(errors, 2) < 0)
        _exit(126);
    if (given >= 0 && (lseek(given, 0, SEEK_SET) != 0 || dup2(given, PL_CHILD_FD) < 0 ||
                       fcntl(PL_CHILD_FD, F_SETFD, 0) != 0)) /* it may have that number already */
        _exit(126);
    (void)syscall(__NR_close_range, given >= 0 ? PL_CHILD_FD + 1 : 3, ~0u, 0);
    limits_set(c);
    (void)unshare(CLONE_NEWNET); /* only root may */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        _exit(126);
    paths_limit(c);
    if (!filter_on())
        _exit(126);
    (void)execvp(c->argv[0], (char *const *)c->argv);
    _exit(EXIT_NO_PROGRAM);
}

/* --- the parent ---------------------------------------------------------------------------------- */

static int given_open(pl_str bytes, pl_error *err)
{
    int fd = memfd_create("given", MFD_CLOEXEC);

    if (fd >= 0 && write(fd, bytes.p, bytes.n) != (ssize_t)bytes.n) {
        (void)close(fd);
        fd = -1;
    }
    if (fd < 0)
        (void)pl_fail(err, PL_IO, "cannot hand data to a program: %s", strerror(errno));
    return fd;
}

static bool drain(struct pollfd *p, pl_buf *to)
{
    char    piece[8192];
    ssize_t n = read(p->fd, piece, sizeof piece);

    if (n < 0 && errno == EINTR)
        return true;
    if (n <= 0)
        return false;
    if (to && to->n + (size_t)n <= to->limit)
        pl_buf_put(to, (pl_str){ piece, (size_t)n });
    return true;
}

/* Reads both pipes until they close; false: time is up. */
static bool listen_to(int out_fd, int err_fd, unsigned seconds, pl_buf *out, pl_buf *errors)
{
    struct pollfd p[2] = { { out_fd, POLLIN, 0 }, { err_fd, POLLIN, 0 } };
    int64_t       end = pl_mono_ms() + (int64_t)seconds * 1000;

    while (p[0].fd >= 0 || p[1].fd >= 0) {
        int64_t left = end - pl_mono_ms();
        int     got = left > 0 ? poll(p, 2, (int)left) : 0;

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        for (int i = 0; i < 2; i++)
            if (p[i].revents && !drain(&p[i], i == 0 ? out : errors))
                p[i].fd = -1;
    }
    return true;
}

/* The first line it wrote, which names the cause: what the message shows. */
static pl_str first_line(const pl_buf *errors)
{
    pl_str      s = pl_str_trim(pl_buf_str(errors));
    const char *nl = s.n > 0 ? memchr(s.p, '\n', s.n) : NULL;

    if (nl)
        s.n = (size_t)(nl - s.p);
    return s.n > 150 ? (pl_str){ s.p, 150 } : s;
}

static pl_rc wait_for(pid_t pid, const pl_child *c, bool in_time, const pl_buf *errors, pl_error *err)
{
    int    status = 0;
    pl_str why = first_line(errors);

    if (!in_time)
        (void)kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!in_time)
        return pl_fail(err, PL_IO, "%s did not end within %u seconds", c->argv[0], c->seconds);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return PL_OK;
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_NO_PROGRAM)
        return pl_fail(err, PL_IO, "there is no program '%s': install it (Debian: %s)", c->argv[0],
                       c->package ? c->package : c->argv[0]);
    return pl_fail(err, PL_IO, "%s failed: " PL_STR_FMT, c->argv[0], PL_STR_ARG(why));
}

pl_rc pl_child_run(const pl_child *c, pl_buf *out, pl_error *err)
{
    int    o[2] = { -1, -1 }, e[2] = { -1, -1 }, given = -1;
    pl_buf errors = PL_BUF_INIT(ERRORS_MAX);
    pid_t  pid;
    bool   in_time;
    pl_rc  rc;

    if (c->given.n > 0 && (given = given_open(c->given, err)) < 0)
        return PL_IO;
    if (pipe2(o, O_CLOEXEC) != 0 || pipe2(e, O_CLOEXEC) != 0 || (pid = fork()) < 0) {
        rc = pl_fail(err, PL_IO, "cannot start '%s': %s", c->argv[0], strerror(errno));
        for (int i = 0; i < 2; i++)
            (void)close(o[i]), (void)close(e[i]);
        (void)close(given);
        return rc;
    }
    if (pid == 0)
        child(c, o[1], e[1], given);
    (void)close(o[1]);
    (void)close(e[1]);
    if (given >= 0)
        (void)close(given);
    in_time = listen_to(o[0], e[0], c->seconds, out, &errors);
    rc = wait_for(pid, c, in_time, &errors, err);
    (void)close(o[0]);
    (void)close(e[0]);
    pl_buf_done(&errors);
    return rc;
}
