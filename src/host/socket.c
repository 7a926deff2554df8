#include "base/banned.h"

#include "base/str.h"
#include "host/socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* --- unix ------------------------------------------------------------------------------ */

static pl_rc address_make(const char *path, struct sockaddr_un *out, pl_error *err)
{
    *out = (struct sockaddr_un){ .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof out->sun_path)
        return pl_fail(err, PL_INVALID, "path is too long for a socket (%zu bytes at most): '%.120s'",
                       sizeof out->sun_path - 1, path);
    memcpy(out->sun_path, path, strlen(path) + 1);
    return PL_OK;
}

/* A socket file outlives a process that was killed. It may go only when nobody answers. */
static pl_rc stale_remove(const struct sockaddr_un *address, pl_error *err)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int rc, e;

    if (fd < 0)
        return pl_fail(err, PL_IO, "cannot make a socket: %s", strerrordesc_np(errno));
    rc = connect(fd, (const struct sockaddr *)address, sizeof *address);
    e = errno;
    (void)close(fd);
    if (rc == 0)
        return pl_fail(err, PL_CONFLICT, "another process answers on '%s'", address->sun_path);
    if (e == ENOENT)
        return PL_OK;
    if (e != ECONNREFUSED)
        return pl_fail(err, PL_CONFLICT, "cannot replace '%s': %s", address->sun_path,
                       strerrordesc_np(e));
    if (unlink(address->sun_path) != 0 && errno != ENOENT)
        return pl_fail(err, PL_IO, "cannot remove '%s': %s", address->sun_path,
                       strerrordesc_np(errno));
    return PL_OK;
}

static pl_rc finish(int fd, int bound, const char *address, int *out, pl_error *err)
{
    if (bound == 0 && listen(fd, SOMAXCONN) == 0) {
        *out = fd;
        return PL_OK;
    }
    (void)pl_fail(err, PL_IO, "cannot listen on '%s': %s", address, strerrordesc_np(errno));
    if (fd >= 0)
        (void)close(fd);
    return PL_IO;
}

/* The mode is there from the first moment: umask, not chmod afterwards. */
static pl_rc unix_bind(const struct sockaddr_un *address, mode_t mode, int *out, pl_error *err)
{
    int    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t was = umask(0777 & ~mode);
    int    bound = fd < 0 ? -1 : bind(fd, (const struct sockaddr *)address, sizeof *address);

    (void)umask(was);
    return finish(fd, bound, address->sun_path, out, err);
}

pl_rc pl_unix_listen(const char *path, mode_t mode, int *fd, pl_error *err)
{
    struct sockaddr_un address;
    pl_rc              rc = address_make(path, &address, err);

    if (rc == PL_OK)
        rc = stale_remove(&address, err);
    return rc == PL_OK ? unix_bind(&address, mode, fd, err) : rc;
}

/* --- loopback -------------------------------------------------------------------------- */

typedef struct address {
    union {
        struct sockaddr     any;
        struct sockaddr_in  v4;
        struct sockaddr_in6 v6;
    };
    socklen_t n;
} address;

static bool host_take(pl_str host, uint16_t port, address *out)
{
    char text[64];

    if (pl_str_eqz(host, "localhost"))
        host = PL_STR("127.0.0.1");
    if (host.n == 0 || host.n >= sizeof text)
        return false;
    memcpy(text, host.p, host.n);
    text[host.n] = '\0';
    if (inet_pton(AF_INET, text, &out->v4.sin_addr) == 1) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons(port);
        out->n = sizeof out->v4;
        return true;
    }
    if (text[0] != '[' || text[host.n - 1] != ']')
        return false;
    text[host.n - 1] = '\0';
    out->v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons(port) };
    out->n = sizeof out->v6;
    return inet_pton(AF_INET6, text + 1, &out->v6.sin6_addr) == 1;
}

static bool is_loopback(const address *a)
{
    if (a->any.sa_family == AF_INET)
        return ntohl(a->v4.sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&a->v6.sin6_addr) != 0;
}

static pl_rc address_parse(const char *text, address *out, pl_error *err)
{
    const char *colon = strrchr(text, ':');
    uint64_t    port = 0;

    if (colon == NULL || pl_str_u64(pl_str_z(colon + 1), &port, NULL) != PL_OK || port > 65535 ||
        !host_take((pl_str){ text, (size_t)(colon - text) }, (uint16_t)port, out))
        return pl_fail(err, PL_INVALID, "not an address and port: '%.100s'", text);
    if (!is_loopback(out))
        return pl_fail(err, PL_DENIED,
                       "'%.100s' can be reached from other machines: listen on a loopback address "
                       "and let a web server with TLS stand in front", text);
    return PL_OK;
}

pl_rc pl_loopback_listen(const char *text, int *fd, pl_error *err)
{
    address a = { .n = 0 };
    int     on = 1, s;
    pl_rc   rc = address_parse(text, &a, err);

    if (rc != PL_OK)
        return rc;
    s = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s >= 0)
        (void)setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    return finish(s, s < 0 ? -1 : bind(s, &a.any, a.n), text, fd, err);
}
