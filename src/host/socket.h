/* Listening sockets of our programs: unix sockets, and addresses of this host. */
#ifndef PL_HOST_SOCKET_H
#define PL_HOST_SOCKET_H

#include <plumbline/base.h>
#include <sys/types.h>

/* Listens on a unix socket that has `mode` from its first moment. A stale file, left by a
 * killed process, is replaced; PL_CONFLICT when somebody answers on it. */
pl_rc pl_unix_listen(const char *path, mode_t mode, int *fd, pl_error *err);
/* "127.0.0.1:8422", "[::1]:8422" or "localhost:8422". PL_DENIED for an address that other
 * machines can reach. */
pl_rc pl_loopback_listen(const char *address, int *fd, pl_error *err);
#endif
