/* The folder of a witness: its key, and per log what it cosigned last. REQ: evidence-ledger/7.12 */
#include "base/banned.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/str.h"
#include "host/witness/witness_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_FILE_MAX 4096u
#define NOTHING_YET  "nothing cosigned yet\n" /* an empty file would look the same as a lost one */

void pl_witness_hex(pl_str origin, char out[65])
{
    uint8_t h[32];

    pl_sha256_of(origin, h);
    pl_hex(h, sizeof h, out);
}

static pl_rc file_put(const char *dir, const char *name, pl_str text, mode_t mode, pl_error *err)
{
    char *path = pl_path_join(dir, name);
    pl_rc rc = path ? pl_file_write_atomic(path, text, mode, err)
                    : pl_fail(err, PL_NOMEM, "out of memory");

    free(path);
    return rc;
}

static pl_rc file_get(const char *dir, const char *name, size_t max, char **out, size_t *n,
                      pl_error *err)
{
    char *path = pl_path_join(dir, name);
    pl_rc rc =
        path ? pl_file_read(path, max, out, n, err) : pl_fail(err, PL_NOMEM, "out of memory");

    free(path);
    return rc;
}

/* --- the key --------------------------------------------------------------------------------- */

static pl_rc key_make(const char *dir, pl_str name, pl_error *err)
{
    uint8_t     seed[32];
    char        text[66], vkey[512];
    pl_signer  *s = NULL;
    pl_cosigner k;
    size_t      n;
    pl_rc       rc = pl_random(seed, sizeof seed, err);

    if (rc == PL_OK)
        rc = pl_signer_new(name, seed, &s, err);
    if (rc == PL_OK)
        rc = pl_cosigner_of(s, &k, err);
    if (rc == PL_OK)
        rc = pl_cosigner_format(&k, vkey, sizeof vkey - 1, err);
    pl_hex(seed, sizeof seed, text);
    text[64] = '\n';
    if (rc == PL_OK)
        rc = file_put(dir, "witness.key", (pl_str){ text, 65 }, 0600, err);
    explicit_bzero(seed, sizeof seed);
    explicit_bzero(text, sizeof text);
    pl_signer_free(s);
    if (rc != PL_OK)
        return rc;
    n = strlen(vkey);
    vkey[n] = '\n';
    return file_put(dir, "vkey", (pl_str){ vkey, n + 1 }, 0644, err);
}

static pl_rc key_mode_check(const char *dir, pl_error *err)
{
    char       *path = pl_path_join(dir, "witness.key");
    struct stat st;
    pl_rc       rc = PL_OK;

    if (path == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    if (stat(path, &st) != 0)
        rc = pl_fail(err, PL_NOTFOUND, "no witness in '%.150s'; make one with 'init'", dir);
    else if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        rc = pl_fail(err, PL_DENIED, "key file is open to other users; run: chmod 600 '%s'", path);
    free(path);
    return rc;
}

/* The name stands in the public key, which must belong to the secret one. */
static pl_rc signer_load(pl_witness *w, pl_str vkey, const uint8_t seed[32], pl_error *err)
{
    pl_cosigner named;
    pl_rc       rc = pl_cosigner_parse(vkey, &named, err);

    if (rc == PL_OK)
        rc = pl_signer_new(pl_str_z(named.key.name), seed, &w->signer, err);
    if (rc == PL_OK)
        rc = pl_cosigner_of(w->signer, &w->key, err);
    if (rc == PL_OK && memcmp(w->key.key.pub, named.key.pub, sizeof named.key.pub) != 0)
        rc = pl_fail(err, PL_INVALID, "files 'vkey' and 'witness.key' are not of one key");
    return rc == PL_OK ? pl_cosigner_format(&w->key, w->vkey, sizeof w->vkey, err) : rc;
}

pl_rc pl_witness_key_load(pl_witness *w, pl_error *err)
{
    uint8_t seed[32];
    char   *secret = NULL, *vkey = NULL;
    size_t  n = 0, m = 0;
    pl_rc   rc = key_mode_check(w->dir, err);

    if (rc == PL_OK)
        rc = file_get(w->dir, "witness.key", KEY_FILE_MAX, &secret, &n, err);
    if (rc == PL_OK)
        rc = pl_hex_decode(pl_str_trim((pl_str){ secret, n }), seed, sizeof seed, err);
    if (rc == PL_OK)
        rc = file_get(w->dir, "vkey", KEY_FILE_MAX, &vkey, &m, err);
    if (rc == PL_OK)
        rc = signer_load(w, pl_str_trim((pl_str){ vkey, m }), seed, err);
    if (secret != NULL)
        explicit_bzero(secret, n);
    explicit_bzero(seed, sizeof seed);
    free(secret);
    free(vkey);
    return rc;
}

pl_rc pl_witness_create(const char *dir, pl_str name, pl_error *err)
{
    char *logs = pl_path_join(dir, "logs"), *key = pl_path_join(dir, "witness.key");
    pl_rc rc = logs && key ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc == PL_OK && access(key, F_OK) == 0)
        rc = pl_fail(err, PL_CONFLICT, "there is a witness in '%.150s' already", dir);
    if (rc == PL_OK)
        rc = pl_mkdir_p(dir, 0750, err);
    if (rc == PL_OK)
        rc = pl_mkdir_p(logs, 0750, err);
    if (rc == PL_OK)
        rc = key_make(dir, name, err);
    free(logs);
    free(key);
    return rc;
}

/* --- one log ------------------------------------------------------------------------------ */

static pl_rc keys_load(watched_log *l, pl_error *err)
{
    char  *text = NULL;
    size_t n = 0;
    pl_str rest, line;
    char   hex[65];
    pl_rc  rc = file_get(l->dir, "vkey", KEY_FILE_MAX * 2, &text, &n, err);

    for (rest = (pl_str){ text, n }; rc == PL_OK && pl_str_split(&rest, '\n', &line);) {
        if (l->nkeys == PL_WITNESS_KEYS_MAX)
            rc = pl_fail(err, PL_LIMIT, "a log has more than %d keys", PL_WITNESS_KEYS_MAX);
        else
            rc = pl_vkey_parse(line, &l->keys[l->nkeys++], err);
    }
    free(text);
    if (rc == PL_OK && l->nkeys == 0)
        rc = pl_fail(err, PL_INVALID, "no key in '%.150s/vkey'", l->dir);
    for (size_t i = 0; rc == PL_OK && i < l->nkeys; i++) {
        pl_witness_hex(pl_str_z(l->keys[i].name), hex);
        if (strcmp(hex, l->hex) != 0)
            rc = pl_fail(err, PL_INVALID, "folder '%s' is not that of '%s'", l->hex,
                         l->keys[i].name);
    }
    return rc;
}

/* The stored head must be signed by the log and by this witness: whatever else lies there was
 * not written by it, and going on from it would cosign a second history. */
static pl_rc head_check(const pl_witness *w, watched_log *l, pl_str note, pl_error *err)
{
    pl_checkpoint c = { .size = 0 };
    pl_rc         rc = PL_INVALID;

    for (size_t i = 0; rc != PL_OK && i < l->nkeys; i++)
        rc = pl_checkpoint_open(note, &l->keys[i], &c, err);
    if (rc == PL_OK)
        rc = pl_cosignatures_open(note, &w->key, 1, &l->time_s, err);
    if (rc == PL_OK && l->time_s == PL_COSIGNED_NOT)
        rc = pl_fail(err, PL_INVALID, "not cosigned by this witness");
    if (rc != PL_OK)
        return rc;
    l->last = (pl_witnessed){ c.size, c.root };
    return PL_OK;
}

static pl_rc head_load(const pl_witness *w, watched_log *l, pl_error *err)
{
    pl_error why = { PL_OK, "" };
    char    *text = NULL;
    size_t   n = 0;
    pl_rc    rc = file_get(l->dir, "checkpoint", PL_WITNESS_BODY_MAX + 1024, &text, &n, &why);

    if (rc == PL_OK && pl_str_eqz((pl_str){ text, n }, NOTHING_YET)) {
        free(text);
        return PL_OK;
    }
    if (rc == PL_OK)
        rc = head_check(w, l, (pl_str){ text, n }, &why);
    if (rc != PL_OK) {
        free(text);
        return pl_fail(err, PL_INVALID, "head of '%.60s' is lost or spoilt (%.80s): restore it from "
                       "where it was published before", l->keys[0].name, why.text);
    }
    l->note = text;
    l->note_n = n;
    return PL_OK;
}

pl_rc pl_watched_load(const pl_witness *w, const char *hex, watched_log *out, pl_error *err)
{
    watched_log     l = { .time_s = PL_COSIGNED_NOT };
    pl_merkle_range nothing;
    char            rel[80];
    pl_rc           rc;

    pl_merkle_range_init(&nothing);
    l.last.root = pl_merkle_range_root(&nothing);
    (void)snprintf(l.hex, sizeof l.hex, "%s", hex);
    (void)snprintf(rel, sizeof rel, "logs/%s", hex);
    l.dir = pl_path_join(w->dir, rel);
    rc = l.dir ? keys_load(&l, err) : pl_fail(err, PL_NOMEM, "out of memory");
    if (rc == PL_OK)
        rc = head_load(w, &l, err);
    if (rc != PL_OK)
        pl_watched_done(&l);
    else
        *out = l;
    return rc;
}

void pl_watched_done(watched_log *l)
{
    free(l->dir);
    free(l->note);
    l->dir = l->note = NULL;
}

/* --- watching one more ---------------------------------------------------------------------- */

/* Complete or absent: made beside and renamed. */
static pl_rc log_make(const char *logs, const char *hex, pl_str vkey, pl_error *err)
{
    char  rel[80], *temp, *path;
    pl_rc rc;

    (void)snprintf(rel, sizeof rel, "new-%.16s", hex);
    temp = pl_path_join(logs, rel);
    path = pl_path_join(logs, hex);
    rc = temp && path ? pl_mkdir_p(temp, 0750, err) : pl_fail(err, PL_NOMEM, "out of memory");
    if (rc == PL_OK)
        rc = file_put(temp, "vkey", vkey, 0644, err);
    if (rc == PL_OK)
        rc = file_put(temp, "checkpoint", PL_STR(NOTHING_YET), 0644, err);
    if (rc == PL_OK && rename(temp, path) != 0)
        rc = pl_fail(err, PL_IO, "cannot create '%.150s': %s", path, strerrordesc_np(errno));
    if (rc == PL_OK)
        rc = pl_fsync_dir(logs, err);
    free(temp);
    free(path);
    return rc;
}

static pl_rc key_add(const char *log_dir, pl_str line, pl_error *err)
{
    pl_buf b = PL_BUF_INIT(2 * KEY_FILE_MAX);
    char  *text = NULL;
    size_t n = 0;
    pl_rc  rc = file_get(log_dir, "vkey", KEY_FILE_MAX, &text, &n, err);

    if (rc == PL_OK && memmem(text, n, line.p, line.n) != NULL)
        rc = pl_fail(err, PL_CONFLICT, "the key is trusted already");
    if (rc == PL_OK) {
        pl_buf_put(&b, (pl_str){ text, n });
        pl_buf_put(&b, line);
        rc = pl_buf_check(&b, err);
    }
    if (rc == PL_OK)
        rc = file_put(log_dir, "vkey", pl_buf_str(&b), 0644, err);
    free(text);
    pl_buf_done(&b);
    return rc;
}

static pl_rc trust_locked(const char *dir, pl_str vkey, pl_error *err)
{
    pl_vkey k;
    pl_buf  line = PL_BUF_INIT(KEY_FILE_MAX);
    char    hex[65], *logs = pl_path_join(dir, "logs"), *log_dir = NULL;
    pl_rc   rc = pl_vkey_parse(vkey, &k, err);

    pl_buf_put(&line, vkey);
    pl_buf_putc(&line, '\n');
    if (rc == PL_OK)
        rc = pl_buf_check(&line, err);
    if (rc == PL_OK) {
        pl_witness_hex(pl_str_z(k.name), hex);
        log_dir = logs ? pl_path_join(logs, hex) : NULL;
        if (log_dir == NULL)
            rc = pl_fail(err, PL_NOMEM, "out of memory");
        else if (access(log_dir, F_OK) == 0)
            rc = key_add(log_dir, pl_buf_str(&line), err);
        else
            rc = log_make(logs, hex, pl_buf_str(&line), err);
    }
    free(log_dir);
    free(logs);
    pl_buf_done(&line);
    return rc;
}

pl_rc pl_witness_trust(const char *dir, pl_str vkey, pl_error *err)
{
    char *path = pl_path_join(dir, "lock");
    int   fd = -1;
    pl_rc rc = path ? key_mode_check(dir, err) : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc == PL_OK)
        rc = pl_lock_file(path, &fd, err);
    if (rc == PL_CONFLICT)
        rc = pl_fail(err, rc, "witness '%.150s' is running: stop it first", dir);
    if (rc == PL_OK)
        rc = trust_locked(dir, vkey, err);
    if (fd >= 0)
        (void)close(fd);
    free(path);
    return rc;
}

/* --- the head ------------------------------------------------------------------------------- */

pl_rc pl_watched_store(watched_log *l, const pl_checkpoint *c, char *note, size_t n,
                       int64_t time_s, pl_error *err)
{
    pl_rc rc = file_put(l->dir, "checkpoint", (pl_str){ note, n }, 0644, err);

    if (rc != PL_OK) {
        l->is_stuck = true;
        free(note);
        return rc;
    }
    free(l->note);
    l->note = note;
    l->note_n = n;
    l->last = (pl_witnessed){ c->size, c->root };
    l->time_s = time_s;
    return PL_OK;
}

/* --- evidence --------------------------------------------------------------------------------- */

/* Two heads of one size with different roots, both signed, convict the log by themselves. A
 * proof that fails may also be the fault of whoever sent it, so those do not use up the room
 * of the former. */
static const char *evidence_kind(const watched_log *l, const pl_checkpoint *c)
{
    return c->size == l->last.size ? "fork-" : "unproven-";
}

static size_t evidence_count(const watched_log *l, const char *kind)
{
    DIR           *d = opendir(l->dir);
    struct dirent *e;
    size_t         n = 0;

    while (d != NULL && (e = readdir(d)) != NULL)
        n += strncmp(e->d_name, kind, strlen(kind)) == 0;
    if (d != NULL)
        (void)closedir(d);
    return n;
}

static void evidence_write(const watched_log *l, const pl_add_checkpoint *r, const char *name)
{
    pl_buf b = PL_BUF_INIT(4 * PL_WITNESS_BODY_MAX);
    char  *request = NULL;
    size_t n = 0;

    pl_buf_puts(&b, "cosigned before:\n\n");
    pl_buf_put(&b, (pl_str){ l->note ? l->note : "", l->note_n });
    pl_buf_puts(&b, "\nrefused, as it was sent:\n\n");
    if (pl_add_checkpoint_format(r, &request, &n, NULL) == PL_OK)
        pl_buf_put(&b, (pl_str){ request, n });
    /* Evidence that cannot be kept must not keep the refusal from being said. */
    if (!b.failed)
        (void)file_put(l->dir, name, pl_buf_str(&b), 0644, NULL);
    free(request);
    pl_buf_done(&b);
}

void pl_watched_keep_evidence(const watched_log *l, const pl_checkpoint *c,
                              const pl_add_checkpoint *r)
{
    const char *kind = evidence_kind(l, c);
    uint8_t     h[32];
    char        hex[65], name[48], *path;

    pl_sha256_of((pl_str){ (const char *)c->root.b, sizeof c->root.b }, h);
    pl_hex(h, sizeof h, hex);
    (void)snprintf(name, sizeof name, "%s%.16s.txt", kind, hex);
    path = pl_path_join(l->dir, name);
    if (path != NULL && access(path, F_OK) != 0 &&
        evidence_count(l, kind) < PL_WITNESS_EVIDENCE_MAX)
        evidence_write(l, r, name);
    free(path);
}
