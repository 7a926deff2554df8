#include "base/banned.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/str.h"
#include "cap/instance.h"
#include "cap/keyfile.h"

#include <dirent.h>
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
    rc = pl_keyfile_check(path, err);
    if (rc == PL_OK)
        rc = pl_file_read(path, KEY_FILE_MAX, &text, &n, err);
    if (rc != PL_OK)
        return rc;
    rc = key_decode((pl_str){ text, n }, path, out, err);
    explicit_bzero(text, n);
    free(text);
    return rc;
}

/* "ledger.sm2.key": keys that sign beside ledger.key, of a second algorithm or going out. */
static int is_second_key(const struct dirent *e)
{
    pl_str name = pl_str_z(e->d_name);

    return pl_str_starts(name, PL_STR("ledger.")) && pl_str_ends(name, PL_STR(".key")) &&
           name.n > sizeof("ledger..key") - 1;
}

static pl_rc second_key_join(const pl_instance *i, const char *file, pl_signer *s, pl_error *err)
{
    char       path[1400];
    pl_signer *more = NULL;
    pl_rc      rc;

    (void)snprintf(path, sizeof path, "%s/keys/%s", i->dir, file);
    rc = pl_keyfile_signer(path, i->origin, &more, err);
    if (rc == PL_OK)
        rc = pl_signer_join(s, more, err);
    if (rc != PL_OK)
        pl_signer_free(more);
    return rc;
}

static pl_rc second_keys_join(const pl_instance *i, pl_signer *s, pl_error *err)
{
    char            path[1200];
    struct dirent **files = NULL;
    int             n;
    pl_rc           rc = PL_OK;

    (void)snprintf(path, sizeof path, "%s/keys", i->dir);
    n = scandir(path, &files, is_second_key, alphasort);
    if (n < 0)
        return pl_fail(err, PL_IO, "cannot read '%s': %s", path, strerrordesc_np(errno));
    for (int f = 0; f < n; f++) {
        if (rc == PL_OK)
            rc = second_key_join(i, files[f]->d_name, s, err);
        free(files[f]);
    }
    free(files);
    return rc;
}

pl_rc pl_instance_signer(const pl_instance *i, pl_signer **out, pl_error *err)
{
    char       path[1300];
    pl_signer *s = NULL;
    pl_rc      rc;

    (void)snprintf(path, sizeof path, "%s/keys/ledger.key", i->dir);
    rc = pl_keyfile_signer(path, i->origin, &s, err);
    if (rc == PL_OK)
        rc = second_keys_join(i, s, err);
    if (rc != PL_OK) {
        pl_signer_free(s);
        return rc;
    }
    *out = s;
    return PL_OK;
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
    char            path[1300];
    pl_keyfile_info info;
    pl_signer      *signer = NULL;
    pl_rc           rc;

    (void)snprintf(path, sizeof path, "%s/keys/ledger.key", i->dir);
    rc = pl_keyfile_info_read(path, &info, err);
    if (rc == PL_NOTFOUND || rc == PL_IO)
        return vkey_from_file(i, out, err);
    if (rc != PL_OK)
        return rc;
    if (!info.is_old) { /* its public part needs no passphrase */
        *out = info.key;
        return PL_OK;
    }
    rc = pl_keyfile_signer(path, i->origin, &signer, err);
    if (rc == PL_OK)
        *out = *pl_signer_key(signer, 0);
    pl_signer_free(signer);
    return rc;
}
