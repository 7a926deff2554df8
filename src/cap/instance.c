#include "base/banned.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/str.h"
#include "cap/instance.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define KEY_FILE_MAX 4096u

/* --- paths ----------------------------------------------------------------------------- */

char *pl_instance_path(const pl_instance *i, const char *rel)
{
    return pl_path_join(i->dir, rel);
}

static bool is_dir(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The folder above the one the executable lies in, or "". */
static void program_prefix(char *out, size_t cap)
{
    char    exe[1024];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);

    out[0] = '\0';
    if (n <= 0)
        return;
    exe[n] = '\0';
    for (int up = 0; up < 2; up++) {
        char *slash = strrchr(exe, '/');

        if (slash == NULL)
            return;
        *slash = '\0';
    }
    (void)snprintf(out, cap, "%s", exe);
}

const char *pl_datadir(void)
{
    static char dir[1100];
    const char *env = getenv("PLUMBLINE_DATADIR");
    char        prefix[1024];

    if (dir[0] != '\0')
        return dir;
    program_prefix(prefix, sizeof prefix);
    (void)snprintf(dir, sizeof dir, "%s/share/plumbline", prefix);
    if (env != NULL && env[0] != '\0')
        (void)snprintf(dir, sizeof dir, "%s", env);
    else if (!is_dir(dir))
        (void)snprintf(dir, sizeof dir, "%s", PL_DATADIR);
    return dir;
}

/* --- keys ------------------------------------------------------------------------------ */

static pl_rc key_file_check(const char *path, pl_error *err)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return pl_fail(err, errno == ENOENT ? PL_NOTFOUND : PL_IO, "cannot read key file '%s': %s",
                       path, strerrordesc_np(errno));
    if (!S_ISREG(st.st_mode))
        return pl_fail(err, PL_INVALID, "key file is not a regular file: '%s'", path);
    if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return pl_fail(err, PL_DENIED, "key file is open to other users; run: chmod 600 '%s'",
                       path);
    return PL_OK;
}

static pl_rc key_decode(pl_str text, const char *path, uint8_t out[32], pl_error *err)
{
    if (pl_hex_decode(pl_str_trim(text), out, 32, NULL) == PL_OK)
        return PL_OK;
    return pl_fail(err, PL_INVALID, "key file does not hold 64 hex digits: '%s'", path);
}

pl_rc pl_instance_key(const pl_instance *i, const char *name, uint8_t out[32], pl_error *err)
{
    char   path[1200], *text = NULL;
    size_t n = 0;
    pl_rc  rc;

    (void)snprintf(path, sizeof path, "%s/keys/%s", i->dir, name);
    rc = key_file_check(path, err);
    if (rc == PL_OK)
        rc = pl_file_read(path, KEY_FILE_MAX, &text, &n, err);
    if (rc != PL_OK)
        return rc;
    rc = key_decode((pl_str){ text, n }, path, out, err);
    explicit_bzero(text, n);
    free(text);
    return rc;
}

pl_rc pl_instance_signer(const pl_instance *i, pl_signer **out, pl_error *err)
{
    uint8_t seed[32];
    pl_rc   rc = pl_instance_key(i, "ledger.key", seed, err);

    if (rc == PL_OK)
        rc = pl_signer_new(pl_str_z(i->origin), seed, out, err);
    explicit_bzero(seed, sizeof seed);
    return rc;
}

static pl_rc vkey_from_file(const pl_instance *i, pl_vkey *out, pl_error *err)
{
    char   path[1200], *text = NULL;
    size_t n = 0;
    pl_str rest, first = PL_STR("");
    pl_rc  rc;

    (void)snprintf(path, sizeof path, "%s/ledger/vkey", i->dir);
    rc = pl_file_read(path, KEY_FILE_MAX, &text, &n, err);
    /* One key a line, the one in use first. */
    rest = (pl_str){ text, n };
    if (rc == PL_OK && !pl_str_split(&rest, '\n', &first))
        rc = pl_fail(err, PL_INVALID, "file is empty: '%s'", path);
    if (rc == PL_OK)
        rc = pl_vkey_parse(pl_str_trim(first), out, err);
    free(text);
    return rc;
}

/* A reader of somebody else's ledger has no key file, and an auditor may not open it. */
pl_rc pl_instance_vkey(const pl_instance *i, pl_vkey *out, pl_error *err)
{
    pl_signer *signer = NULL;
    char       text[512];
    pl_rc      rc = pl_instance_signer(i, &signer, err);

    if (rc == PL_NOTFOUND || rc == PL_IO)
        return vkey_from_file(i, out, err);
    if (rc != PL_OK)
        return rc;
    rc = pl_signer_vkey(signer, text, sizeof text, err);
    if (rc == PL_OK)
        rc = pl_vkey_parse(pl_str_z(text), out, err);
    pl_signer_free(signer);
    return rc;
}
