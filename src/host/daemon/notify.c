/* The service manager's notification protocol, sd_notify(3), without its library: one
 * datagram to the socket named in the environment. */
#include "base/banned.h"

#include "host/daemon/daemon.h"

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

pl_rc pl_notify(const char *state, pl_error *err)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    const char        *name = getenv("NOTIFY_SOCKET");
    size_t             n;
    ssize_t            sent;
    int                fd;

    if (name == NULL || name[0] == '\0')
        return PL_OK;
    n = strlen(name);
    if ((name[0] != '/' && name[0] != '@') || n >= sizeof to.sun_path)
        return pl_fail(err, PL_INVALID, "NOTIFY_SOCKET is neither a path nor an abstract name");
    memcpy(to.sun_path, name, n);
    if (name[0] == '@')
        to.sun_path[0] = '\0';
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return pl_fail(err, PL_IO, "cannot notify the service manager: %s",
                       strerrordesc_np(errno));
    sent = sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to,
                  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
    if (sent < 0)
        (void)pl_fail(err, PL_IO, "cannot notify the service manager: %s",
                      strerrordesc_np(errno));
    (void)close(fd);
    return sent < 0 ? PL_IO : PL_OK;
}
