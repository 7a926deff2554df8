#include "base/banned.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/str.h"
#include "cap/instance_int.h"
#include "cap/keyfile.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define TEMPLATE_MAX (256u << 10)

#define DEFAULT_DATABASE "sqlite:state.db"

/* --- what is there already ------------------------------------------------------------- */

typedef enum dir_state { DIR_ABSENT, DIR_EMPTY, DIR_INSTANCE, DIR_HALF, DIR_FOREIGN } dir_state;

static bool has(const char *dir, const char *name)
{
    char path[1200];

    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return access(path, F_OK) == 0;
}

static bool is_empty(const char *dir)
{
    DIR           *d = opendir(dir);
    struct dirent *e;
    bool           empty = d != NULL;

    while (empty && (e = readdir(d)) != NULL)
        empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
    if (d != NULL)
        (void)closedir(d);
    return empty;
}

static dir_state look(const char *dir)
{
    struct stat st;

    if (stat(dir, &st) != 0)
        return errno == ENOENT || errno == ENOTDIR ? DIR_ABSENT : DIR_FOREIGN;
    if (!S_ISDIR(st.st_mode))
        return DIR_FOREIGN;
    if (is_empty(dir))
        return DIR_EMPTY;
    if (has(dir, PL_INSTANCE_CONFIG))
        return DIR_INSTANCE;
    return has(dir, "keys") || has(dir, "ledger") || has(dir, "state.db") ? DIR_HALF : DIR_FOREIGN;
}

static pl_rc fail_half(pl_error *err, pl_rc rc, const char *dir)
{
    return pl_fail(err, rc,
                   "half-made instance, '%s' is missing: '%s'; restore it from a backup, or move "
                   "the directory away to start anew", PL_INSTANCE_CONFIG, dir);
}

pl_rc pl_instance_dir_check(const char *dir, pl_error *err)
{
    size_t room = sizeof((struct sockaddr_un *)0)->sun_path - 1;

    if (strlen(dir) + strlen("/run/plumblined.sock") > room)
        return pl_fail(err, PL_INVALID,
                       "path of the instance directory is too long for its sockets (at most %zu "
                       "bytes): '%.120s'", room - strlen("/run/plumblined.sock"), dir);
    return PL_OK;
}

/* --- opening --------------------------------------------------------------------------- */

static pl_rc config_read(const char *path, pl_instance *out, pl_error *err)
{
    char  *text = NULL;
    size_t n = 0;
    pl_rc  rc = pl_file_read(path, TEMPLATE_MAX, &text, &n, err);

    if (rc == PL_OK)
        rc = pl_instance_config_parse((pl_str){ text, n }, path, out, err);
    free(text);
    return rc;
}

static pl_rc parts_check(const char *dir, pl_error *err)
{
    static const char *const parts[] = { "keys", "policy", "gateway" };

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (!has(dir, parts[i]))
            return pl_fail(err, PL_INVALID,
                           "half-made instance, '%s/' is missing: '%s'; restore it from a backup",
                           parts[i], dir);
    return PL_OK;
}

pl_rc pl_instance_open(const char *dir, pl_instance *out, pl_error *err)
{
    pl_instance i = { 0 };
    char        path[1200], *real = realpath(dir, NULL);
    dir_state   state = real != NULL ? look(real) : DIR_ABSENT;
    pl_rc       rc = PL_OK;

    if (state == DIR_HALF)
        rc = fail_half(err, PL_INVALID, real);
    else if (state != DIR_INSTANCE)
        rc = pl_fail(err, PL_NOTFOUND, "no instance in '%s'; 'plumbline up --dir DIR' makes one",
                     dir);
    else if (strlen(real) >= sizeof i.dir)
        rc = pl_fail(err, PL_INVALID, "path is too long: '%.160s'", real);
    if (rc == PL_OK)
        rc = pl_instance_dir_check(real, err);
    if (rc == PL_OK) {
        (void)snprintf(i.dir, sizeof i.dir, "%s", real);
        (void)snprintf(path, sizeof path, "%s/%s", real, PL_INSTANCE_CONFIG);
        rc = config_read(path, &i, err);
        if (rc == PL_OK)
            pl_instance_own_witness(&i);
    }
    if (rc == PL_OK)
        rc = parts_check(real, err);
    free(real);
    if (rc == PL_OK)
        *out = i;
    return rc;
}

/* --- the text of a new configuration --------------------------------------------------- */

typedef struct fill {
    const char *name; /* "@ID@" */
    const char *value;
} fill;

/* A JSON string is a YAML double-quoted scalar. */
static void put_quoted(pl_buf *out, const char *value)
{
    pl_buf_putc(out, '"');
    pl_buf_json(out, pl_str_z(value));
    pl_buf_putc(out, '"');
}

static void template_fill(pl_str text, const fill *fills, pl_buf *out)
{
    for (size_t at = 0; at < text.n;) {
        const fill *f = fills;
        pl_str      rest = { text.p + at, text.n - at };

        while (f->name != NULL && !pl_str_starts(rest, pl_str_z(f->name)))
            f++;
        if (f->name == NULL) {
            pl_buf_putc(out, text.p[at++]);
        } else {
            put_quoted(out, f->value);
            at += strlen(f->name);
        }
    }
}

static const char *or_default(const char *given, const char *otherwise)
{
    return given != NULL ? given : otherwise;
}

static pl_rc config_make(const pl_instance_options *o, const char *defaults, int64_t now_ms,
                         pl_buf *out, pl_error *err)
{
    uint8_t rnd[10];
    char    id[PL_ID_LEN + 1], origin[200], path[1200], *text = NULL;
    size_t  n = 0;
    pl_rc   rc = pl_random(rnd, sizeof rnd, err);

    (void)snprintf(path, sizeof path, "%s/" PL_INSTANCE_CONFIG ".in", defaults);
    if (rc == PL_OK)
        rc = pl_file_read(path, TEMPLATE_MAX, &text, &n, err);
    if (rc != PL_OK)
        return rc;
    pl_id_format(now_ms, rnd, id);
    (void)snprintf(origin, sizeof origin, "plumbline.local/%s", id);
    template_fill((pl_str){ text, n },
                  (const fill[]){ { "@ID@", id },
                                  { "@ORIGIN@", origin },
                                  { "@SERVICE@", or_default(o->service, "default") },
                                  { "@DATABASE@", or_default(o->database, DEFAULT_DATABASE) },
                                  { "@LISTEN@", or_default(o->listen, PL_INSTANCE_LISTEN) },
                                  { "@GATEWAY@", or_default(o->gateway, PL_INSTANCE_GATEWAY) },
                                  { "@UPSTREAM@", or_default(o->upstream, "") },
                                  { NULL, NULL } },
                  out);
    free(text);
    return pl_buf_check(out, err);
}

/* --- building -------------------------------------------------------------------------- */

static pl_rc file_put(const char *dir, const char *rel, pl_str content, mode_t mode, pl_error *err)
{
    char path[1300];

    (void)snprintf(path, sizeof path, "%s/%s", dir, rel);
    return pl_file_write_atomic(path, content, mode, err);
}

static pl_rc key_make(const char *dir, const char *rel, pl_error *err)
{
    uint8_t key[32];
    char    hex[66];
    pl_rc   rc = pl_random(key, sizeof key, err);

    if (rc != PL_OK)
        return rc;
    pl_hex(key, sizeof key, hex);
    hex[64] = '\n';
    rc = file_put(dir, rel, (pl_str){ hex, 65 }, 0600, err);
    explicit_bzero(key, sizeof key);
    explicit_bzero(hex, sizeof hex);
    return rc;
}

static pl_rc policy_copy(const char *dir, const char *defaults, pl_error *err)
{
    char   path[1200], *text = NULL;
    size_t n = 0;
    pl_rc  rc;

    (void)snprintf(path, sizeof path, "%s/policy/default.yaml", defaults);
    rc = pl_file_read(path, TEMPLATE_MAX, &text, &n, err);
    if (rc == PL_OK)
        rc = file_put(dir, "policy/default.yaml", (pl_str){ text, n }, 0640, err);
    free(text);
    return rc;
}

static pl_rc folders_make(const char *dir, pl_error *err)
{
    static const struct {
        const char *name;
        mode_t      mode;
    } folders[] = { { "keys", 0700 }, { "policy", 0750 }, { "gateway", 0770 },
                    { "run", 0770 },  { "log", 0750 },    { "nginx", 0750 } };
    pl_rc rc = PL_OK;

    for (size_t i = 0; rc == PL_OK && i < sizeof folders / sizeof folders[0]; i++) {
        char path[1300];

        (void)snprintf(path, sizeof path, "%s/%s", dir, folders[i].name);
        rc = pl_mkdir_p(path, folders[i].mode, err);
    }
    return rc;
}

/* Under the passphrase of the process when it has one. In the clear it bears no name, so that
 * the origin may still be edited before the ledger is made. */
static pl_rc ledger_key_make(const char *dir, const char *origin, pl_error *err)
{
    char   path[1300];
    pl_str passphrase = PL_STR("");
    pl_rc  rc = pl_passphrase(&passphrase, err);

    (void)snprintf(path, sizeof path, "%s/keys/ledger.key", dir);
    if (rc == PL_OK && passphrase.n > 0)
        return pl_keyfile_new(path, pl_str_z(origin), PL_KEY_ED25519, err);
    return rc == PL_OK ? key_make(dir, "keys/ledger.key", err) : rc;
}

/* Configuration last: without it the directory is no instance. */
static pl_rc fill_dir(const char *dir, const char *defaults, const char *origin, pl_str config,
                      pl_error *err)
{
    pl_rc rc = folders_make(dir, err);

    if (rc == PL_OK)
        rc = ledger_key_make(dir, origin, err);
    if (rc == PL_OK)
        rc = key_make(dir, "keys/index.key", err);
    if (rc == PL_OK)
        rc = policy_copy(dir, defaults, err);
    if (rc == PL_OK)
        rc = file_put(dir, PL_INSTANCE_CONFIG, config, 0640, err);
    return rc;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
    (void)st, (void)type, (void)f;
    return remove(path);
}

static void remove_tree(const char *path)
{
    (void)nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* "/a/b/c" → "/a/b"; the parent of something in the root is "/". */
static void parent_of(const char *path, char out[1024])
{
    char *slash;

    (void)snprintf(out, 1024, "%s", path);
    slash = strrchr(out, '/');
    if (slash == NULL || slash == out)
        (void)snprintf(out, 1024, "%s", slash == NULL ? "." : "/");
    else
        *slash = '\0';
}

static pl_rc build(const char *dir, const char *defaults, const char *origin, pl_str config,
                   pl_error *err)
{
    char  parent[1024], temp[1100];
    pl_rc rc;

    parent_of(dir, parent);
    (void)snprintf(temp, sizeof temp, "%s.new-XXXXXX", dir);
    rc = pl_mkdir_p(parent, 0755, err);
    if (rc != PL_OK)
        return rc;
    if (mkdtemp(temp) == NULL)
        return pl_fail(err, PL_IO, "cannot make a directory in '%s': %s", parent,
                       strerrordesc_np(errno));
    rc = fill_dir(temp, defaults, origin, config, err);
    if (rc == PL_OK && chmod(temp, 0750) != 0)
        rc = pl_fail(err, PL_IO, "cannot set the mode of '%s': %s", temp, strerrordesc_np(errno));
    if (rc == PL_OK)
        rc = pl_fsync_dir(temp, err);
    if (rc == PL_OK && rename(temp, dir) != 0)
        rc = pl_fail(err, errno == ENOTEMPTY || errno == EEXIST ? PL_CONFLICT : PL_IO,
                     "cannot put the new instance in place at '%s': %s", dir,
                     strerrordesc_np(errno));
    if (rc != PL_OK)
        remove_tree(temp);
    return rc == PL_OK ? pl_fsync_dir(parent, err) : rc;
}

static pl_rc may_create(const char *dir, pl_error *err)
{
    switch (look(dir)) {
    case DIR_ABSENT:
    case DIR_EMPTY:
        return PL_OK;
    case DIR_INSTANCE:
        return pl_fail(err, PL_CONFLICT, "an instance exists already in '%s'", dir);
    case DIR_HALF:
        return fail_half(err, PL_CONFLICT, dir);
    default:
        return pl_fail(err, PL_CONFLICT,
                       "not an empty directory and no instance: '%s'; name another with --dir",
                       dir);
    }
}

/* The directory as an absolute path without a trailing slash; it need not exist. */
static pl_rc absolute(const char *dir, char out[1024], pl_error *err)
{
    char   cwd[1024] = "", *real;
    size_t len = strlen(dir);
    int    n;

    while (len > 1 && dir[len - 1] == '/')
        len--;
    real = realpath(dir, NULL); /* "." and links, when it exists */
    if (real != NULL) {
        n = snprintf(out, 1024, "%s", real);
        free(real);
        return n < 1000 ? PL_OK : pl_fail(err, PL_INVALID, "path is too long: '%.160s'", dir);
    }
    if (dir[0] != '/' && getcwd(cwd, sizeof cwd) == NULL)
        return pl_fail(err, PL_IO, "cannot tell the current directory: %s",
                       strerrordesc_np(errno));
    n = snprintf(out, 1024, "%s%s%.*s", cwd, dir[0] == '/' ? "" : "/", (int)len, dir);
    if (len == 0 || n < 0 || n >= 1000)
        return pl_fail(err, PL_INVALID, "not a usable directory name: '%.160s'", dir);
    return PL_OK;
}

pl_rc pl_instance_create(const pl_instance_options *o, const char *defaults, int64_t now_ms,
                         pl_error *err)
{
    pl_instance trial = { 0 };
    pl_buf      config = PL_BUF_INIT(TEMPLATE_MAX);
    char        dir[1024];
    pl_rc       rc = absolute(o->dir, dir, err);

    if (rc == PL_OK)
        rc = may_create(dir, err);
    if (rc == PL_OK)
        rc = pl_instance_dir_check(dir, err);
    if (rc == PL_OK)
        rc = config_make(o, defaults, now_ms, &config, err);
    if (rc == PL_OK) {
        /* What is written must be what open accepts. */
        (void)snprintf(trial.dir, sizeof trial.dir, "%s", dir);
        rc = pl_instance_config_parse(pl_buf_str(&config), PL_INSTANCE_CONFIG, &trial, err);
    }
    if (rc == PL_OK)
        rc = build(dir, defaults, trial.origin, pl_buf_str(&config), err);
    pl_buf_done(&config);
    return rc;
}
