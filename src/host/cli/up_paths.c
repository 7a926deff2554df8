/* Where the programs of `plumbline up` lie. */
#include "base/banned.h"

#include "base/str.h"
#include "host/cli/up_int.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_executable(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static pl_rc self_find(up *u, pl_error *err)
{
    ssize_t n = readlink("/proc/self/exe", u->self, sizeof u->self - 1);

    if (n <= 0)
        return pl_fail(err, PL_IO, "cannot tell the path of this program: %s",
                       strerrordesc_np(errno));
    u->self[n] = '\0';
    return PL_OK;
}

/* "DIR/bin/plumbline" → "DIR/bin" */
static pl_str self_dir(const up *u)
{
    const char *slash = strrchr(u->self, '/');

    return (pl_str){ u->self, slash != NULL ? (size_t)(slash - u->self) : 0 };
}

/* A program of sbin, seen from where this one is installed. */
static bool sbin_find(const up *u, const char *name, char *out, size_t cap)
{
    static const char *const places[] = { ".", "../sbin", "../../sbin" };

    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        char place[1200], *real;

        (void)snprintf(place, sizeof place, PL_STR_FMT "/%s/%s", PL_STR_ARG(self_dir(u)), places[i],
                       name);
        real = is_executable(place) ? realpath(place, NULL) : NULL;
        if (real != NULL) {
            (void)snprintf(out, cap, "%s", real);
            free(real);
            return true;
        }
    }
    return false;
}

static pl_rc plumblined_find(up *u, pl_error *err)
{
    if (sbin_find(u, "plumblined", u->plumblined, sizeof u->plumblined))
        return PL_OK;
    return pl_fail(err, PL_IO, "plumblined is not installed beside '%.120s'", u->self);
}

static pl_rc nginx_find(up *u, pl_error *err)
{
    const char *env = getenv("PLUMBLINE_NGINX");
    pl_str      rest = pl_str_z(getenv("PATH")), dir;

    (void)snprintf(u->nginx, sizeof u->nginx, "%s", env != NULL ? env : "/usr/sbin/nginx");
    if (is_executable(u->nginx))
        return PL_OK;
    while (env == NULL && pl_str_split(&rest, ':', &dir)) {
        (void)snprintf(u->nginx, sizeof u->nginx, PL_STR_FMT "/nginx", PL_STR_ARG(dir));
        if (is_executable(u->nginx))
            return PL_OK;
    }
    return pl_fail(err, PL_IO, "nginx is not installed%s%.80s; on Debian: apt install nginx",
                   env != NULL ? " at PLUMBLINE_NGINX=" : "", env != NULL ? env : "");
}

static pl_rc module_find(up *u, pl_error *err)
{
    static const char name[] = "ngx_http_plumbline_module.so";
    const char       *env = getenv("PLUMBLINE_NGINX_MODULE");

    if (env != NULL)
        (void)snprintf(u->module, sizeof u->module, "%s", env);
    else
        (void)snprintf(u->module, sizeof u->module, PL_STR_FMT "/../lib/nginx/modules/%s",
                       PL_STR_ARG(self_dir(u)), name);
    if (access(u->module, R_OK) == 0)
        return PL_OK;
    if (env == NULL) {
        (void)snprintf(u->module, sizeof u->module, "/usr/lib/nginx/modules/%s", name);
        if (access(u->module, R_OK) == 0)
            return PL_OK;
    }
    return pl_fail(err, PL_IO, "the nginx module is not there: '%.120s'; build it, or name it in "
                   "PLUMBLINE_NGINX_MODULE", u->module);
}

pl_rc up_programs_find(up *u, pl_error *err)
{
    pl_rc rc = self_find(u, err);

    if (rc == PL_OK)
        rc = plumblined_find(u, err);
    if (rc == PL_OK) /* comes in a package of its own, and nothing depends on it */
        (void)sbin_find(u, "plumbline-witness", u->witness, sizeof u->witness);
    if (rc == PL_OK)
        rc = nginx_find(u, err);
    if (rc == PL_OK)
        rc = module_find(u, err);
    return rc;
}

