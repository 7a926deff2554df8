#include "base/banned.h"

#include "base/str.h"
#include "host/cli/up.h"

#include <errno.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

/* "host:port" with IPv6 in brackets; host comes out bare, "" for any. */
static bool split(const char *address, char host[256], char port[8])
{
    const char *colon = strrchr(address, ':');
    size_t      n = colon != NULL ? (size_t)(colon - address) : 0;

    if (colon == NULL || n >= 256 || strlen(colon + 1) >= 8)
        return false;
    (void)snprintf(port, 8, "%s", colon + 1);
    if (n >= 2 && address[0] == '[')
        (void)snprintf(host, 256, "%.*s", (int)n - 2, address + 1);
    else
        (void)snprintf(host, 256, "%.*s", (int)n, address);
    if (strcmp(host, "*") == 0)
        host[0] = '\0';
    return true;
}

/* 0, or the errno with which the address refuses. */
static int try_bind(const struct addrinfo *a)
{
    int on = 1, why = 0;
    int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);

    if (fd < 0)
        return errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (a->ai_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, a->ai_addr, a->ai_addrlen) != 0 || listen(fd, 1) != 0)
        why = errno;
    (void)close(fd);
    return why;
}

static pl_rc refuse(int why, const char *address, const char *option, const char *setting,
                    pl_error *err)
{
    if (why == EADDRINUSE)
        return pl_fail(err, PL_CONFLICT,
                       "address '%s' is in use; choose another with --%s or '%s' in "
                       "plumbline.yaml", address, option, setting);
    if (why == EACCES)
        return pl_fail(err, PL_DENIED,
                       "address '%s' needs more rights (ports below 1024); choose another with "
                       "--%s or '%s' in plumbline.yaml", address, option, setting);
    return pl_fail(err, PL_IO, "cannot listen on '%s': %s; choose another address with --%s or "
                   "'%s' in plumbline.yaml", address, strerrordesc_np(why), option, setting);
}

pl_rc pl_up_port_check(const char *address, const char *option, const char *setting, pl_error *err)
{
    struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
                              .ai_socktype = SOCK_STREAM }, *list = NULL;
    char            host[256], port[8];
    int             why = 0, r;

    if (!split(address, host, port))
        return pl_fail(err, PL_INVALID, "not an address of the form host:port: '%s'", address);
    if (host[0] == '\0')
        hints.ai_family = AF_INET; /* nginx listens on IPv4 for "*" */
    r = getaddrinfo(host[0] != '\0' ? host : NULL, port, &hints, &list);
    if (r != 0)
        return pl_fail(err, PL_INVALID, "cannot resolve '%s': %s", address, gai_strerror(r));
    for (const struct addrinfo *a = list; a != NULL && why == 0; a = a->ai_next)
        why = try_bind(a);
    freeaddrinfo(list);
    return why == 0 ? PL_OK : refuse(why, address, option, setting, err);
}

void pl_up_url(const char *address, char *out, size_t cap)
{
    const char *colon = strrchr(address, ':');
    pl_str      host = { address, colon != NULL ? (size_t)(colon - address) : strlen(address) };

    if (pl_str_eqz(host, "*") || pl_str_eqz(host, "0.0.0.0"))
        host = PL_STR("127.0.0.1");
    else if (pl_str_eqz(host, "[::]"))
        host = PL_STR("[::1]");
    (void)snprintf(out, cap, "http://" PL_STR_FMT "%s", PL_STR_ARG(host),
                   colon != NULL ? colon : "");
}
