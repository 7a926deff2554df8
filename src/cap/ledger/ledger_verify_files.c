/* The files a walk over the tree size does not meet: earlier partial tiles, payloads. */
#include "base/banned.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/str.h"
#include "cap/ledger/ledger_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES 128
#define DEPTH_MAX  12 /* tile/7/x…/x…/x…/x…/x…/NNN.p/W */

typedef void (*file_fn)(verifier *v, const char *rel);

/* Calls fn for every file below a folder. */
static void each_file(verifier *v, const char *rel, unsigned depth, file_fn fn)
{
    char          *path = pl_path_join(v->dir, rel);
    DIR           *d = path ? opendir(path) : NULL;
    struct dirent *e;

    while (d != NULL && (e = readdir(d)) != NULL) {
        char       *child;
        struct stat st;

        if (e->d_name[0] == '.' || fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        child = pl_path_join(rel, e->d_name);
        if (child != NULL && S_ISDIR(st.st_mode) && depth < DEPTH_MAX)
            each_file(v, child, depth + 1, fn);
        else if (child != NULL && S_ISREG(st.st_mode))
            fn(v, child);
        free(child);
    }
    if (d != NULL)
        (void)closedir(d);
    free(path);
}

/* --- partial tiles --------------------------------------------------------------------- */

typedef struct tile_name {
    int      level; /* -1: entries */
    uint64_t n;
    unsigned width;
} tile_name;

/* Takes "tile/<level>/x001/…/002.p/<width>"; only the spelling pl_tile_path makes. */
static bool partial_parse(const char *rel, tile_name *t)
{
    pl_str   rest = pl_str_z(rel), part;
    char     again[PATH_BYTES];
    uint64_t v = 0;
    bool     ok = pl_str_split(&rest, '/', &part) && pl_str_split(&rest, '/', &part);

    if (!ok)
        return false;
    t->level = pl_str_eqz(part, "entries") ? -1 : (int)part.p[0] - '0';
    t->n = 0;
    while (pl_str_split(&rest, '/', &part) && rest.n > 0) {
        for (size_t i = 0; i < part.n; i++)
            if (part.p[i] >= '0' && part.p[i] <= '9')
                t->n = t->n * 10 + (uint64_t)(part.p[i] - '0');
    }
    if (t->level >= LEDGER_LEVELS || pl_str_u64(part, &v, NULL) != PL_OK || v == 0 ||
        v >= PL_TILE_WIDTH)
        return false;
    t->width = (unsigned)v;
    pl_tile_path(t->level, t->n, t->width, again, sizeof(again));
    return strcmp(again, rel) == 0;
}

static bool hashes_are_prefix(verifier *v, const tile_name *t, pl_str bytes)
{
    pl_hash  hash[PL_TILE_WIDTH];
    unsigned width;

    if (pl_tile_read(v->dir, v->head.size, (unsigned)t->level, t->n, hash, &width, NULL) != PL_OK)
        return true; /* reported already */
    return bytes.n == t->width * sizeof(*hash) && memcmp(bytes.p, hash, bytes.n) == 0;
}

static bool entries_are_prefix(verifier *v, const tile_name *t, pl_str bytes)
{
    char    *bundle = NULL;
    size_t   n = 0;
    unsigned width;
    bool     ok;
    pl_str   entry;

    if (pl_bundle_read(v->dir, v->head.size, t->n, &bundle, &n, &width, NULL) != PL_OK)
        return true;
    ok = bytes.n <= n && memcmp(bytes.p, bundle, bytes.n) == 0;
    for (unsigned i = 0; ok && i < t->width; i++)
        ok = pl_bundle_take(&bytes, &entry, NULL) == PL_OK;
    free(bundle);
    return ok && bytes.n == 0;
}

static void check_partial(verifier *v, const char *rel)
{
    tile_name t;
    unsigned  level;
    char     *bytes = NULL;
    size_t    n = 0;
    pl_error  err;
    pl_rc     rc;
    bool      ok;

    if (!partial_parse(rel, &t))
        return;
    level = t.level < 0 ? 0 : (unsigned)t.level;
    /* Wider than the published tree: written by a publication that did not finish. */
    if (t.width > pl_tile_width(v->head.size, level, t.n))
        return;
    rc = pl_ledger_read(v->dir, rel, LEDGER_BUNDLE_MAX, &bytes, &n, &err);
    if (rc == PL_NOTFOUND)
        return; /* a running daemon has just replaced it */
    if (rc != PL_OK) {
        pl_ledger_verify_problem(v, "%s: %s", rel, err.text);
        return;
    }
    ok = t.level < 0 ? entries_are_prefix(v, &t, (pl_str){ bytes, n })
                     : hashes_are_prefix(v, &t, (pl_str){ bytes, n });
    if (!ok)
        pl_ledger_verify_problem(v, "%s: is not the beginning of the published one", rel);
    free(bytes);
}

void pl_ledger_verify_partials(verifier *v)
{
    each_file(v, "tile", 0, check_partial);
}

/* --- payloads -------------------------------------------------------------------------- */

static pl_rc file_digest(const char *path, uint8_t out[32], pl_error *err)
{
    char      buf[1 << 16];
    pl_sha256 s;
    ssize_t   got;
    int       fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return pl_fail(err, errno == ENOENT ? PL_NOTFOUND : PL_IO, "cannot read: %s",
                       strerrordesc_np(errno));
    pl_sha256_init(&s);
    while ((got = read(fd, buf, sizeof(buf))) > 0 || (got < 0 && errno == EINTR))
        if (got > 0)
            pl_sha256_update(&s, buf, (size_t)got);
    (void)close(fd);
    if (got < 0)
        return pl_fail(err, PL_IO, "cannot read: %s", strerrordesc_np(errno));
    pl_sha256_final(&s, out);
    return PL_OK;
}

static void check_payload(verifier *v, const char *rel)
{
    const char *name = strrchr(rel, '/') + 1;
    char       *path = pl_path_join(v->dir, rel);
    uint8_t     digest[32];
    char        hex[65];
    pl_error    err = { PL_NOMEM, "out of memory" };
    pl_rc       rc = path ? file_digest(path, digest, &err) : PL_NOMEM;

    free(path);
    if (rc == PL_NOTFOUND)
        return; /* deleted meanwhile, as payloads may be */
    if (rc != PL_OK) {
        pl_ledger_verify_problem(v, "%s: %s", rel, err.text);
        return;
    }
    pl_hex(digest, sizeof(digest), hex);
    if (strcmp(hex, name) != 0)
        pl_ledger_verify_problem(v, "%s: content does not have the digest it is named by", rel);
}

void pl_ledger_verify_payloads(verifier *v)
{
    each_file(v, "payload", 0, check_payload);
}
