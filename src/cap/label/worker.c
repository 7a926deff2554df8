#include "base/banned.h"

#include "base/file.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "cap/label/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define REPLY_MAX (64u << 20)
#define JOB_MAX   (96u << 10) /* with a chain of certificates */
#define ASK_MAX   (8u << 20)

struct label_worker {
    int   socket; /* to the process that forks */
    pid_t pid;
};

/* --- passing descriptors --------------------------------------------------------------------- */

static bool fds_send(int socket, const int fd[2])
{
    char          control[CMSG_SPACE(2 * sizeof(int))] = { 0 };
    struct iovec  io = { (char[]){ 'j' }, 1 };
    struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    ssize_t         n;

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(2 * sizeof(int));
    memcpy(CMSG_DATA(c), fd, 2 * sizeof(int));
    while ((n = sendmsg(socket, &m, MSG_NOSIGNAL)) < 0 && errno == EINTR)
        ;
    return n == 1;
}

/* false: the other end is gone. */
static bool fds_receive(int socket, int fd[2])
{
    char          control[CMSG_SPACE(2 * sizeof(int))], byte;
    struct iovec  io = { &byte, 1 };
    struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
    struct cmsghdr *c;
    ssize_t         n;

    fd[0] = fd[1] = -1;
    while ((n = recvmsg(socket, &m, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR)
        ;
    c = n == 1 ? CMSG_FIRSTHDR(&m) : NULL;
    if (c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(2 * sizeof(int)))
        memcpy(fd, CMSG_DATA(c), 2 * sizeof(int));
    return n == 1;
}

/* --- the box ----------------------------------------------------------------------------------- */

/* What parsing needs: memory, its two descriptors, randomness, an end. Everything else fails with
 * EPERM; starting programs and opening connections ends the process. */
static bool filter_on(void)
{
    static const int allowed[] = {
        SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(close), SCMP_SYS(lseek),
        SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(brk), SCMP_SYS(futex),
        SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigprocmask), SCMP_SYS(clock_gettime),
        SCMP_SYS(getrandom), SCMP_SYS(sched_yield), SCMP_SYS(fstat), SCMP_SYS(getpid), SCMP_SYS(gettid),
    };
    static const int deadly[] = { SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(socket), SCMP_SYS(connect), SCMP_SYS(ptrace) };
    scmp_filter_ctx  f = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    bool             ok = f != NULL;

    for (size_t i = 0; ok && i < sizeof allowed / sizeof allowed[0]; i++)
        ok = seccomp_rule_add(f, SCMP_ACT_ALLOW, allowed[i], 0) == 0;
    for (size_t i = 0; ok && i < sizeof deadly / sizeof deadly[0]; i++)
        ok = seccomp_rule_add(f, SCMP_ACT_KILL_PROCESS, deadly[i], 0) == 0;
    ok = ok && seccomp_load(f) == 0;
    seccomp_release(f);
    return ok;
}

static bool box_enter(void)
{
    const struct { int what; rlim_t most; } limits[] = {
        { RLIMIT_CORE, 0 }, { RLIMIT_CPU, LABEL_WORKER_CPU_S }, { RLIMIT_FSIZE, 0 }, { RLIMIT_NPROC, 0 },
#ifndef __SANITIZE_ADDRESS__ /* which reserves terabytes */
        { RLIMIT_AS, LABEL_WORKER_MEMORY },
#endif
    };

    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        struct rlimit r = { limits[i].most, limits[i].most };
        if (setrlimit(limits[i].what, &r) != 0)
            return false;
    }
    (void)alarm(LABEL_WORKER_WALL_S);
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && filter_on();
}

/* --- one job ----------------------------------------------------------------------------------- */

/* On the socket, from the job: frames of a letter, a length, bytes. 'R' is the reply, in JSON; what
 * follows it to the end are the bytes of the new file. Other letters are questions, each answered by
 * a frame: '+' and the answer, or '-' and why not. */
static void head_make(char what, size_t n, uint8_t head[5])
{
    head[0] = (uint8_t)what;
    for (int i = 0; i < 4; i++)
        head[1 + i] = (uint8_t)(n >> (8 * i));
}

static size_t head_size(const uint8_t *head)
{
    return (size_t)head[1] | (size_t)head[2] << 8 | (size_t)head[3] << 16 | (size_t)head[4] << 24;
}

static pl_rc frame_write(int fd, char what, pl_str bytes, pl_error *err)
{
    uint8_t head[5];
    pl_rc   rc;

    head_make(what, bytes.n, head);
    rc = pl_write_all(fd, head, sizeof head, err);
    return rc == PL_OK ? pl_write_all(fd, bytes.p, bytes.n, err) : rc;
}

struct label_ask {
    int fd;
};

static pl_rc read_whole(int fd, void *to, size_t n, pl_error *err)
{
    for (char *p = to; n > 0;) {
        ssize_t k = read(fd, p, n);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return pl_fail(err, PL_IO, "nobody answers");
        p += k;
        n -= (size_t)k;
    }
    return PL_OK;
}

pl_rc label_worker_ask(label_ask *a, char what, pl_str question, pl_buf *answer, pl_error *err)
{
    uint8_t head[5];
    char   *text = NULL;
    size_t  n = 0;
    pl_rc   rc = frame_write(a->fd, what, question, err);

    if (rc == PL_OK)
        rc = read_whole(a->fd, head, sizeof head, err);
    if (rc == PL_OK && (n = head_size(head)) > ASK_MAX)
        rc = pl_fail(err, PL_LIMIT, "an answer of %zu bytes", n);
    if (rc == PL_OK && !(text = malloc(n + 1)))
        rc = pl_fail(err, PL_NOMEM, "out of memory");
    if (rc == PL_OK)
        rc = read_whole(a->fd, text, n, err);
    if (rc == PL_OK && head[0] == '+')
        pl_buf_put(answer, (pl_str){ text, n });
    else if (rc == PL_OK)
        rc = pl_fail(err, PL_INVALID, "%.*s", (int)(n < 200 ? n : 200), text);
    free(text);
    return rc == PL_OK ? pl_buf_check(answer, err) : rc;
}

static void answer(int fd, json_t *reply, const pl_buf *out)
{
    char *text = reply ? pl_json_dump(reply) : NULL;

    if (text && frame_write(fd, 'R', pl_str_z(text), NULL) == PL_OK)
        (void)pl_write_all(fd, out->p ? out->p : "", out->n, NULL);
}

static void job_run(label_job_fn fn, void *ctx, int file, int socket)
{
    char    job_text[JOB_MAX];
    ssize_t job_n = recv(socket, job_text, sizeof job_text, 0);
    off_t   size = lseek(file, 0, SEEK_END);
    void   *map = size > 0 ? mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, file, 0) : NULL;
    pl_buf  out = PL_BUF_INIT(REPLY_MAX);
    label_ask ask = { socket };
    json_t *job = NULL, *reply = NULL;
    pl_error err = { PL_OK, "" };
    pl_rc   rc;

    if (job_n <= 0 || size < 0 || map == MAP_FAILED || !box_enter())
        _exit(1);
    rc = pl_json_parse((pl_str){ job_text, (size_t)job_n }, "job", &job, &err);
    if (rc == PL_OK)
        rc = fn(ctx, &ask, job, (pl_str){ map ? map : "", (size_t)size }, &reply, &out, &err);
    if (rc != PL_OK) {
        reply = json_pack("{s:i, s:s}", "rc", (int)rc, "error", err.text);
        pl_buf_clear(&out);
    }
    answer(socket, reply, &out);
    _exit(0);
}

/* Passphrases and PINs of the daemon are not ours to know. */
static void secrets_forget(void)
{
    for (char **e = environ; e && *e; e++)
        if (strncmp(*e, "PLUMBLINE_", 10) == 0)
            memset(*e, 0, strlen(*e));
}

static _Noreturn void serve(label_job_fn fn, void *ctx, int socket)
{
    struct sigaction ignore = { .sa_handler = SIG_IGN, .sa_flags = SA_NOCLDWAIT }, usual = { .sa_handler = SIG_DFL };
    int              fd[2];
    sigset_t         none;

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    secrets_forget();
    if (socket != 3) {
        (void)dup2(socket, 3);
        socket = 3;
    }
    (void)close_range(4, ~0u, 0); /* the ledger's lock and the like are not ours to hold */
    for (int sig = 1; sig < 32; sig++) /* what others wanted to know is not ours */
        (void)sigaction(sig, &usual, NULL);
    (void)sigaction(SIGCHLD, &ignore, NULL);
    (void)sigaction(SIGINT, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    while (fds_receive(socket, fd)) {
        if (fd[0] >= 0 && fork() == 0) {
            (void)close(socket);
            job_run(fn, ctx, fd[0], fd[1]);
        }
        if (fd[0] >= 0) {
            (void)close(fd[0]);
            (void)close(fd[1]);
        }
    }
    _exit(0);
}

pl_rc label_worker_start(label_job_fn fn, void *ctx, label_worker **out, pl_error *err)
{
    label_worker *w = calloc(1, sizeof *w);
    int           pair[2];

    if (!w || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        free(w);
        return pl_fail(err, PL_IO, "cannot start the media worker: %s", strerror(errno));
    }
    w->pid = fork();
    if (w->pid == 0) {
        (void)close(pair[0]);
        serve(fn, ctx, pair[1]);
    }
    (void)close(pair[1]);
    w->socket = pair[0];
    if (w->pid < 0) {
        label_worker_stop(w);
        return pl_fail(err, PL_IO, "cannot start the media worker: %s", strerror(errno));
    }
    *out = w;
    return PL_OK;
}

void label_worker_stop(label_worker *w)
{
    if (!w)
        return;
    (void)close(w->socket); /* it ends when nobody is left to send jobs */
    if (w->pid > 0)
        while (waitpid(w->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    free(w);
}

/* --- asking -------------------------------------------------------------------------------------- */

/* A file in memory with these bytes. */
static int memory_file(pl_str bytes)
{
    int fd = memfd_create("media", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd >= 0 && pl_write_all(fd, bytes.p, bytes.n, NULL) == PL_OK &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0)
        return fd;
    if (fd >= 0)
        (void)close(fd);
    return -1;
}

/* The conversation with one job, up to its end. */
typedef struct talk {
    int               fd;
    int64_t           end;
    const label_help *help;
    unsigned          questions;
} talk;

/* *got 0: the other end is closed. */
static pl_rc talk_read(const talk *t, void *p, size_t n, size_t *got, pl_error *err)
{
    for (;;) {
        struct pollfd q = { t->fd, POLLIN, 0 };
        int64_t       left = t->end - pl_mono_ms();
        int           ready = left > 0 ? poll(&q, 1, (int)left) : 0;
        ssize_t       k;

        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            return pl_fail(err, PL_IO, "the file took too long to be read");
        k = read(t->fd, p, n);
        if (k < 0 && errno == EINTR)
            continue;
        *got = k > 0 ? (size_t)k : 0;
        return PL_OK;
    }
}

/* PL_IO also: the job ended too early. */
static pl_rc talk_whole(const talk *t, void *to, size_t n, pl_error *err)
{
    for (char *p = to; n > 0;) {
        size_t got = 0;
        pl_rc  rc = talk_read(t, p, n, &got, err);

        if (rc != PL_OK)
            return rc;
        if (got == 0)
            return pl_fail(err, PL_IO, "the file could not be read within the limits on memory and time");
        p += got;
        n -= got;
    }
    return PL_OK;
}

static pl_rc question_answer(talk *t, char what, pl_str question, pl_error *err)
{
    pl_buf   b = PL_BUF_INIT(ASK_MAX);
    pl_error why = { PL_OK, "" };
    pl_rc    rc = PL_INVALID;

    if (++t->questions > LABEL_WORKER_QUESTIONS)
        return pl_fail(err, PL_LIMIT, "more than %d questions", LABEL_WORKER_QUESTIONS);
    if (t->help)
        rc = t->help->fn(t->help->ctx, what, question, &b, &why);
    if (rc == PL_OK)
        rc = pl_buf_check(&b, &why);
    rc = frame_write(t->fd, rc == PL_OK ? '+' : '-', rc == PL_OK ? pl_buf_str(&b) : pl_str_z(why.text), err);
    pl_buf_done(&b);
    return rc;
}

/* *text gets the reply; questions before it are answered. */
static pl_rc talk_reply(talk *t, char **text, size_t *n, pl_error *err)
{
    for (;;) {
        uint8_t head[5];
        pl_rc   rc = talk_whole(t, head, sizeof head, err);

        *n = rc == PL_OK ? head_size(head) : 0;
        if (rc == PL_OK && *n > (head[0] == 'R' ? REPLY_MAX : ASK_MAX))
            rc = pl_fail(err, PL_LIMIT, "an answer of %zu bytes", *n);
        if (rc == PL_OK && !(*text = malloc(*n + 1)))
            rc = pl_fail(err, PL_NOMEM, "out of memory");
        if (rc == PL_OK)
            rc = talk_whole(t, *text, *n, err);
        if (rc == PL_OK && head[0] == 'R')
            return PL_OK;
        if (rc == PL_OK)
            rc = question_answer(t, (char)head[0], (pl_str){ *text, *n }, err);
        free(*text);
        *text = NULL;
        if (rc != PL_OK)
            return rc;
    }
}

static pl_rc talk_bytes(const talk *t, pl_buf *out, pl_error *err)
{
    char   piece[65536];
    size_t got = 0;
    pl_rc  rc;

    while ((rc = talk_read(t, piece, sizeof piece, &got, err)) == PL_OK && got > 0 && !out->failed)
        pl_buf_put(out, (pl_str){ piece, got });
    return rc == PL_OK ? pl_buf_check(out, err) : rc;
}

static pl_rc take_reply(pl_str text, json_t **reply, pl_error *err)
{
    json_t *j = NULL;
    int64_t code = 0;
    pl_str  why = { "", 0 };
    pl_rc   rc = pl_json_parse(text, "media worker", &j, err);

    if (rc == PL_OK && json_object_get(j, "rc") && pl_json_get_int(j, "rc", true, &code, NULL) == PL_OK) {
        (void)pl_json_get_str(j, "error", true, &why, NULL);
        rc = code < 0 && code >= PL_FULL ? (pl_rc)code : PL_INVALID;
        (void)pl_fail(err, rc, PL_STR_FMT, PL_STR_ARG(why));
    }
    if (rc != PL_OK) {
        json_decref(j);
        return rc;
    }
    *reply = j;
    return PL_OK;
}

static pl_rc converse(int fd, const label_help *help, json_t **reply, pl_buf *out, pl_error *err)
{
    talk   t = { fd, pl_mono_ms() + (LABEL_WORKER_WALL_S + 2) * 1000, help, 0 };
    char  *text = NULL;
    size_t n = 0;
    pl_rc  rc = talk_reply(&t, &text, &n, err);

    if (rc == PL_OK)
        rc = take_reply((pl_str){ text, n }, reply, err);
    free(text);
    if (rc == PL_OK && (rc = talk_bytes(&t, out, err)) != PL_OK) {
        json_decref(*reply);
        *reply = NULL;
    }
    return rc;
}

pl_rc label_worker_run(label_worker *w, const json_t *job, pl_str file, const label_help *help, json_t **reply,
                       pl_buf *out, pl_error *err)
{
    char  *text = pl_json_dump(job);
    int    pair[2] = { -1, -1 }, memory = memory_file(file);
    bool   sent = false;
    pl_rc  rc = PL_OK;

    if (text && strlen(text) < JOB_MAX && memory >= 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0)
        sent = send(pair[0], text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text) &&
               fds_send(w->socket, (int[]){ memory, pair[1] });
    if (pair[1] >= 0)
        (void)close(pair[1]);
    if (!sent)
        rc = pl_fail(err, PL_IO, "the media worker does not answer");
    if (rc == PL_OK)
        rc = converse(pair[0], help, reply, out, err);
    if (pair[0] >= 0)
        (void)close(pair[0]);
    if (memory >= 0)
        (void)close(memory);
    free(text);
    return rc;
}
