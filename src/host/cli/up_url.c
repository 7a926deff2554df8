#include "base/banned.h"

#include "base/str.h"
#include "host/cli/up_nginx.h"

#include <arpa/inet.h>
#include <ctype.h>

static pl_rc bad(pl_error *err, const char *url, const char *why)
{
    return pl_fail(err, PL_INVALID, "upstream %s: '%.120s'", why, url);
}

static bool only(pl_str s, const char *extra)
{
    for (size_t i = 0; i < s.n; i++)
        if (!isalnum((unsigned char)s.p[i]) && (s.p[i] == '\0' || strchr(extra, s.p[i]) == NULL))
            return false;
    return true;
}

static bool is_ip(const char *host)
{
    unsigned char addr[16];

    return host[0] == '[' || inet_pton(AF_INET, host, addr) == 1;
}

static pl_rc port_parse(pl_str text, const char *url, pl_upstream_url *out, pl_error *err)
{
    uint64_t usual = out->is_https ? 443 : 80, port = usual;

    if (text.n > 0 && (text.p[0] != ':' ||
                       pl_str_u64((pl_str){ text.p + 1, text.n - 1 }, &port, NULL) != PL_OK ||
                       port < 1 || port > 65535))
        return bad(err, url, "has no usable port");
    out->port = (unsigned)port;
    out->default_port = port == usual;
    return PL_OK;
}

/* "[::1]" at the start of s; 0 when it is none. */
static size_t bracketed(pl_str s)
{
    const char   *end = s.n > 0 && s.p[0] == '[' ? memchr(s.p, ']', s.n) : NULL;
    char          inner[64];
    unsigned char addr[16];
    size_t        n = end != NULL ? (size_t)(end - s.p) - 1 : 0;

    if (n == 0 || n >= sizeof inner)
        return 0;
    memcpy(inner, s.p + 1, n);
    inner[n] = '\0';
    return inet_pton(AF_INET6, inner, addr) == 1 ? n + 2 : 0;
}

/* host[:port], where host may be a bracketed IPv6 address. */
static pl_rc authority_parse(pl_str s, const char *url, pl_upstream_url *out, pl_error *err)
{
    size_t n = bracketed(s);

    if (n == 0) {
        const char *colon = s.n > 0 ? memchr(s.p, ':', s.n) : NULL;

        n = colon != NULL ? (size_t)(colon - s.p) : s.n;
        if (!only((pl_str){ s.p, n }, ".-_"))
            return bad(err, url, "may hold a host and a port, no user name or other characters");
    }
    if (n == 0 || n >= sizeof out->host)
        return bad(err, url, "has no usable host name");
    memcpy(out->host, s.p, n);
    out->host[n] = '\0';
    out->is_ip = is_ip(out->host);
    return port_parse((pl_str){ s.p + n, s.n - n }, url, out, err);
}

/* A path that ends in a version takes the place of our /v1; any other goes in front. */
static bool ends_in_version(pl_str path)
{
    size_t i = path.n;

    while (i > 0 && isdigit((unsigned char)path.p[i - 1]))
        i--;
    return i < path.n && i >= 2 && path.p[i - 1] == 'v' && path.p[i - 2] == '/';
}

pl_rc pl_upstream_url_parse(const char *url, pl_upstream_url *out, pl_error *err)
{
    pl_str          rest = pl_str_z(url);
    pl_upstream_url u = { 0 };
    size_t          slash = 0;
    pl_rc           rc;

    if (pl_str_starts(rest, PL_STR("https://")))
        u.is_https = true;
    else if (!pl_str_starts(rest, PL_STR("http://")))
        return bad(err, url, "must begin with http:// or https://");
    rest = (pl_str){ rest.p + (u.is_https ? 8 : 7), rest.n - (u.is_https ? 8 : 7) };
    while (slash < rest.n && rest.p[slash] != '/')
        slash++;
    rc = authority_parse((pl_str){ rest.p, slash }, url, &u, err);
    if (rc != PL_OK)
        return rc;
    rest = (pl_str){ rest.p + slash, rest.n - slash };
    while (rest.n > 0 && rest.p[rest.n - 1] == '/')
        rest.n--;
    if (!only(rest, "/.-_~%"))
        return bad(err, url, "has a path with a query or other characters");
    if (rest.n + 4 > sizeof u.base)
        return bad(err, url, "has a path that is too long");
    (void)snprintf(u.base, sizeof u.base, PL_STR_FMT "%s", PL_STR_ARG(rest),
                   ends_in_version(rest) ? "" : "/v1");
    if (u.is_https && u.is_ip)
        return bad(err, url, "over https needs a host name, which its certificate is checked by");
    *out = u;
    return PL_OK;
}

/* --- several ----------------------------------------------------------------------------- */

static pl_rc option_parse(pl_str word, const char *item, pl_upstreams *u, pl_error *err)
{
    uint64_t weight;

    if (pl_str_eqz(word, "backup")) {
        u->server[u->n].is_backup = true;
        return PL_OK;
    }
    if (!pl_str_starts(word, PL_STR("weight=")) ||
        pl_str_u64((pl_str){ word.p + 7, word.n - 7 }, &weight, NULL) != PL_OK || weight < 1 ||
        weight > 1000)
        return bad(err, item, "may say ';weight=' with 1 to 1000, and ';backup'");
    u->server[u->n].weight = (unsigned)weight;
    return PL_OK;
}

/* What one request is made of (path, Host, TLS name) is the same whoever answers it. */
static pl_rc same_service(const pl_upstreams *u, const pl_upstream_url *url, const char *item,
                          pl_error *err)
{
    if (url->is_https != u->url.is_https || strcmp(url->base, u->url.base) != 0)
        return bad(err, item, "must have the scheme and the path of the first");
    if (url->is_https && strcmp(url->host, u->url.host) != 0)
        return bad(err, item, "over https must have the host name of the first, which certificates are checked by");
    for (size_t i = 0; i < u->n; i++)
        if (u->server[i].port == url->port && strcmp(u->server[i].host, url->host) == 0)
            return bad(err, item, "stands there twice");
    return PL_OK;
}

static pl_rc server_parse(char *item, pl_upstreams *u, pl_error *err)
{
    char           *options = strchr(item, ';'), *word, *save = NULL;
    pl_upstream_url url;
    pl_rc           rc;

    if (u->n == PL_UPSTREAMS_MAX)
        return bad(err, item, "is one too many (32 at most)");
    if (options != NULL)
        *options++ = '\0';
    rc = pl_upstream_url_parse(item, &url, err);
    if (rc == PL_OK && u->n == 0)
        u->url = url;
    else if (rc == PL_OK)
        rc = same_service(u, &url, item, err);
    if (rc != PL_OK)
        return rc;
    memcpy(u->server[u->n].host, url.host, sizeof url.host);
    u->server[u->n].port = url.port;
    u->server[u->n].weight = 1;
    for (word = options != NULL ? strtok_r(options, ";", &save) : NULL; rc == PL_OK && word != NULL;
         word = strtok_r(NULL, ";", &save))
        rc = option_parse(pl_str_z(word), item, u, err);
    u->n++;
    return rc;
}

pl_rc pl_upstreams_parse(const char *list, pl_upstreams *out, pl_error *err)
{
    pl_upstreams u = { 0 };
    char        *copy = strdup(list), *at = copy, *item;
    size_t       backups = 0;
    pl_rc        rc = copy == NULL ? PL_NOMEM : PL_OK;

    while (rc == PL_OK && (item = strsep(&at, ",")) != NULL)
        rc = server_parse(item, &u, err);
    for (size_t i = 0; i < u.n; i++)
        backups += u.server[i].is_backup;
    if (rc == PL_OK && backups == u.n)
        rc = bad(err, list, "must have a server that is no backup");
    free(copy);
    if (rc == PL_OK)
        *out = u;
    return rc;
}
