/* Making a log: complete, or not there. */
#include "base/banned.h"

#include "base/fault.h"
#include "base/file.h"
#include "base/str.h"
#include "cap/ledger/ledger_int.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

static pl_rc line_put(const char *dir, const char *rel, const char *line, touched *t, pl_error *err)
{
    pl_buf b = PL_BUF_INIT(1024);
    pl_rc  rc;

    pl_buf_printf(&b, "%s\n", line);
    rc = pl_buf_check(&b, err);
    if (rc == PL_OK)
        rc = pl_ledger_put(dir, rel, pl_buf_str(&b), 0644, t, err);
    pl_buf_done(&b);
    return rc;
}

pl_rc pl_ledger_vkeys_read(const char *dir, pl_vkey *keys, size_t *n, pl_error *err)
{
    char  *bytes = NULL;
    size_t len = 0, count = 0;
    pl_str rest, line;
    pl_rc  rc = pl_ledger_read(dir, "vkey", LEDGER_VKEYS_MAX * PL_VKEY_TEXT_MAX, &bytes, &len, err);

    if (rc != PL_OK)
        return rc;
    rest = (pl_str){ bytes, len };
    while (rc == PL_OK && pl_str_split(&rest, '\n', &line)) {
        if (count == LEDGER_VKEYS_MAX)
            rc = pl_fail(err, PL_LIMIT, "file 'vkey' has more than %d keys", LEDGER_VKEYS_MAX);
        else
            rc = pl_vkey_parse(line, &keys[count++], err);
    }
    if (rc == PL_OK && (count == 0 || bytes[len - 1] != '\n'))
        rc = pl_fail(err, PL_INVALID, "file 'vkey' does not end with a whole line");
    for (size_t i = 1; rc == PL_OK && i < count; i++)
        if (strcmp(keys[i].name, keys[0].name) != 0)
            rc = pl_fail(err, PL_INVALID, "file 'vkey' has keys of two names");
    free(bytes);
    if (rc == PL_OK)
        *n = count;
    return rc;
}

pl_rc pl_ledger_vkeys_write(const char *dir, const pl_vkey *keys, size_t n, pl_error *err)
{
    pl_buf  b = PL_BUF_INIT(LEDGER_VKEYS_MAX * PL_VKEY_TEXT_MAX);
    touched t = { .dirs = NULL };
    char    text[PL_VKEY_TEXT_MAX];
    pl_rc   rc = PL_OK;

    for (size_t i = 0; rc == PL_OK && i < n; i++) {
        rc = pl_vkey_format(&keys[i], text, sizeof(text), err);
        pl_buf_printf(&b, "%s\n", text);
    }
    if (rc == PL_OK)
        rc = pl_buf_check(&b, err);
    if (rc == PL_OK)
        rc = pl_ledger_put(dir, "vkey", pl_buf_str(&b), 0644, &t, err);
    if (rc == PL_OK)
        rc = pl_touched_sync(&t, err);
    pl_touched_done(&t);
    pl_buf_done(&b);
    return rc;
}

pl_rc pl_ledger_key_of(const pl_signer *signer, pl_vkey *key, char *text, size_t cap, pl_error *err)
{
    pl_rc rc = pl_signer_vkey(signer, text, cap, err);

    return rc == PL_OK ? pl_vkey_parse(pl_str_z(text), key, err) : rc;
}

pl_rc pl_ledger_record_sign(head_record *r, const char *origin, const pl_signer *signer,
                            pl_error *err)
{
    pl_checkpoint c = { .size = r->size, .root = r->root };
    char         *note = NULL;
    size_t        n = 0;
    pl_rc         rc;

    (void)snprintf(c.origin, sizeof(c.origin), "%s", origin);
    rc = pl_checkpoint_sign(&c, signer, &note, &n, err);
    if (rc == PL_OK && n > LEDGER_NOTE_MAX)
        rc = pl_fail(err, PL_LIMIT, "checkpoint note of '%s' is longer than %d bytes", origin,
                     LEDGER_NOTE_MAX);
    if (rc == PL_OK) {
        memcpy(r->note, note, n + 1);
        r->note_n = n;
    }
    free(note);
    return rc;
}

/* The record of the empty tree, the first thing a log's key signs. */
static pl_rc first_record(const char *dir, const pl_vkey *key, const pl_signer *signer, touched *t,
                          pl_error *err)
{
    pl_merkle_range empty;
    head_record     r = { .sequence = 0 };
    int             fd = -1;
    pl_rc           rc;

    pl_merkle_range_init(&empty);
    r.root = pl_merkle_range_root(&empty);
    rc = pl_ledger_record_sign(&r, key->name, signer, err);
    if (rc == PL_OK)
        rc = pl_head_open(dir, true, &fd, err);
    if (rc == PL_OK)
        rc = pl_head_write(fd, &r, err);
    if (fd >= 0)
        (void)close(fd);
    if (rc == PL_OK)
        rc = pl_ledger_put(dir, "checkpoint", (pl_str){ r.note, r.note_n }, 0644, t, err);
    return rc;
}

pl_rc pl_ledger_folders_make(const char *dir, pl_error *err)
{
    static const struct {
        const char *rel;
        mode_t      mode;
    } folders[] = {
        { "tmp", 0700 }, { "quarantine", 0700 }, { "payload", 0700 }, { "tile", 0755 }
    };
    pl_rc rc = PL_OK;

    for (size_t i = 0; rc == PL_OK && i < sizeof(folders) / sizeof(folders[0]); i++) {
        char *path = NULL;

        rc = pl_ledger_path(dir, folders[i].rel, &path, err);
        if (rc == PL_OK)
            rc = pl_mkdir_p(path, folders[i].mode, err);
        free(path);
    }
    return rc;
}

static pl_rc log_fill(const char *dir, const pl_vkey *key, const char *vkey,
                      const pl_signer *signer, pl_error *err)
{
    touched t = { .dirs = NULL };
    pl_rc   rc = pl_ledger_folders_make(dir, err);

    if (rc == PL_OK)
        rc = line_put(dir, "origin", key->name, &t, err);
    if (rc == PL_OK)
        rc = line_put(dir, "vkey", vkey, &t, err);
    if (rc == PL_OK)
        rc = first_record(dir, key, signer, &t, err);
    if (rc == PL_OK)
        rc = pl_touched_sync(&t, err);
    pl_touched_done(&t);
    return rc;
}

static pl_rc origin_check(pl_str origin, const pl_vkey *key, pl_error *err)
{
    /* An ECDSA signature is longer in a note than the others. */
    size_t max = key->alg == PL_KEY_P256 ? LEDGER_ORIGIN_MAX - 4 : LEDGER_ORIGIN_MAX;

    if (origin.n > max)
        return pl_fail(err, PL_LIMIT, "ledger origin is longer than %zu bytes", max);
    if (!pl_str_eqz(origin, key->name))
        return pl_fail(err, PL_INVALID, "ledger origin '" PL_STR_FMT "' is not the key's name '%s'",
                       PL_STR_ARG(origin), key->name);
    return PL_OK;
}

/* Puts a finished folder in its place, for good. */
static pl_rc folder_move(const char *from, const char *to, pl_error *err)
{
    const char *slash = strrchr(to, '/');
    char       *parent =
        slash ? pl_str_dup((pl_str){ to, (size_t)(slash - to) + 1 }) : pl_str_dup(PL_STR("."));
    int   e = pl_fault_point("rename");
    pl_rc rc;

    if (parent == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    if (e == 0 && rename(from, to) != 0)
        e = errno;
    if (e == 0)
        rc = pl_fsync_dir(parent, err);
    else
        rc = pl_fail(err, e == EEXIST || e == ENOTEMPTY ? PL_CONFLICT : PL_IO,
                     "cannot create '%s': %s", to, strerrordesc_np(e));
    free(parent);
    return rc;
}

static void folder_drop(const char *dir)
{
    static const char *const folders[] = { "tmp", "quarantine", "payload", "tile" };

    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
        pl_ledger_sweep(dir, folders[i], true);
    pl_ledger_sweep(dir, ".", false);
    (void)rmdir(dir);
}

/* An empty folder beside `dir`. */
static pl_rc folder_new(const char *dir, char **out, pl_error *err)
{
    size_t n = strlen(dir);
    char  *temp = NULL;
    int    e = pl_fault_point("mkdir");
    pl_rc  rc;

    while (n > 1 && dir[n - 1] == '/')
        n--;
    if (asprintf(&temp, "%.*s.new-XXXXXX", (int)n, dir) < 0)
        return pl_fail(err, PL_NOMEM, "out of memory");
    if (e == 0 && mkdtemp(temp) == NULL)
        e = errno;
    /* A web server serves the tiles as they are. */
    if (e == 0 && chmod(temp, 0755) != 0)
        e = errno;
    if (e == 0) {
        *out = temp;
        return PL_OK;
    }
    rc = pl_fail(err, PL_IO, "cannot create '%s': %s", temp, strerrordesc_np(e));
    free(temp);
    return rc;
}

pl_rc pl_ledger_create(const char *dir, pl_str origin, const pl_signer *signer, pl_error *err)
{
    char    vkey[512], *temp = NULL;
    pl_vkey key;
    pl_rc   rc = pl_ledger_key_of(signer, &key, vkey, sizeof(vkey), err);

    if (rc == PL_OK)
        rc = origin_check(origin, &key, err);
    if (rc == PL_OK && access(dir, F_OK) == 0)
        rc = pl_fail(err, PL_CONFLICT, "ledger exists already: '%s'", dir);
    if (rc != PL_OK)
        return rc;
    rc = folder_new(dir, &temp, err);
    if (rc != PL_OK)
        return rc;
    rc = log_fill(temp, &key, vkey, signer, err);
    if (rc == PL_OK)
        rc = folder_move(temp, dir, err);
    if (rc != PL_OK)
        folder_drop(temp);
    free(temp);
    return rc;
}
