/* plumbline key new|list|show|rotate|retire|revoke|compromise|protect: keys in files, and what
 * the log says of them. Each step can be repeated after a crash; the log is told first. */
#include "base/banned.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "cap/keyfile.h"
#include "cap/ledger/ledger_int.h"
#include "cap/token.h"

#include <dirent.h>
#include <errno.h>
#include <unistd.h>

/* `until` of a rotation that is finished later by `key retire`: the largest number JSON
 * readers agree on. */
#define UNTIL_RETIRED  INT64_C(9007199254740991)
#define PASSPHRASE_NEW "PLUMBLINE_KEY_PASSPHRASE_NEW"

static void key_path(const cmd_writer *w, const char *file, char out[1400])
{
    (void)snprintf(out, 1400, "%s/keys/%s", w->instance.dir, file);
}

static pl_rc file_move(const cmd_writer *w, const char *from, const char *to, pl_error *err)
{
    char a[1400], b[1400], dir[1400];

    key_path(w, from, a);
    key_path(w, to, b);
    key_path(w, ".", dir);
    if (rename(a, b) != 0)
        return pl_fail(err, PL_IO, "cannot move key file '%s': %s", a, strerrordesc_np(errno));
    return pl_fsync_dir(dir, err);
}

/* --- events ------------------------------------------------------------------------------ */

static json_t *event_new(const char *event, const pl_vkey *k, const char *reason)
{
    char vkey[PL_VKEY_TEXT_MAX], at[25];

    pl_time_format(pl_now_ms(), at);
    if (pl_vkey_format(k, vkey, sizeof(vkey), NULL) != PL_OK)
        return NULL;
    return json_pack("{s:s, s:s, s:s*, s:s, s:s}", "event", event, "vkey", vkey, "reason", reason,
                     "by", "operator", "at", at);
}

/* Takes the predicate. Appends and publishes, signed by every key of s. */
static pl_rc event_append(cmd_writer *w, const pl_signer *s, const pl_vkey *k, json_t *predicate,
                          uint64_t *index, pl_error *err)
{
    char  subject[80] = "key:", *at = subject + 4;
    pl_rc rc = predicate ? pl_predicate_check(PL_STR(PL_KEY_EVENT_TYPE), predicate, err)
                         : pl_fail(err, PL_NOMEM, "out of memory");

    pl_vkey_fingerprint(k, at);
    if (rc == PL_OK)
        rc = pl_ledger_state(w->l, s, pl_str_z(subject), PL_KEY_EVENT_TYPE, predicate, index, err);
    if (rc == PL_OK)
        rc = pl_ledger_publish(w->l, err);
    json_decref(predicate);
    return rc;
}

/* The instance's keys together with one more, which stays in its file. */
static pl_rc joined_with(const cmd_writer *w, const char *path, pl_signer **out, pl_error *err)
{
    pl_signer *s = NULL, *more = NULL;
    pl_rc      rc = pl_instance_signer(&w->instance, &s, err);

    if (rc == PL_OK)
        rc = pl_keyfile_signer(path, "", &more, err);
    if (rc == PL_OK)
        rc = pl_signer_join(s, more, err);
    if (rc != PL_OK) {
        pl_signer_free(more);
        pl_signer_free(s);
        return rc;
    }
    *out = s;
    return PL_OK;
}

static const pl_vkey *last_key(const pl_signer *s)
{
    return pl_signer_key(s, pl_signer_count(s) - 1);
}

/* --- new ----------------------------------------------------------------------------------- */

typedef struct wish {
    const char *name, *token;
    pl_key_alg  alg;
    bool        is_log;
} wish;

static pl_rc wish_read(pl_cmd_ctx *c, wish *out, pl_error *err)
{
    const char *alg = c->opt(c->host, "alg"), *use = c->opt(c->host, "use");
    wish        v = { .name = c->argv[0], .token = c->opt(c->host, "token"),
                      .alg = PL_KEY_ED25519 };
    size_t      n = strlen(v.name);

    if (n == 0 || n > 32 || v.name[strspn(v.name, "abcdefghijklmnopqrstuvwxyz0123456789-")] ||
        strcmp(v.name, "ledger") == 0 || strcmp(v.name, "index") == 0)
        return pl_fail(err, PL_INVALID, "name of a key is 1 to 32 of a-z, 0-9 and '-', and not "
                                        "'ledger' or 'index'");
    if (use != NULL && strcmp(use, "log") != 0 && strcmp(use, "statements") != 0)
        return pl_fail(err, PL_INVALID, "--use is 'statements' or 'log'");
    v.is_log = use != NULL && strcmp(use, "log") == 0;
    if (alg != NULL) {
        pl_rc rc = pl_key_alg_parse(pl_str_z(alg), &v.alg, err);

        if (rc != PL_OK)
            return rc;
    }
    *out = v;
    return PL_OK;
}

static pl_rc key_make(const wish *v, const char *path, const char *name, pl_error *err)
{
    pl_vkey k;
    pl_rc   rc;

    if (access(path, F_OK) == 0)
        return v->is_log ? PL_OK /* left by an attempt that was cut short */
                         : pl_fail(err, PL_CONFLICT, "key file exists already: '%s'", path);
    if (v->token == NULL)
        return pl_keyfile_new(path, pl_str_z(name), v->alg, err);
    rc = pl_token_generate(pl_str_z(name), v->alg, v->token, &k, err);
    return rc == PL_OK ? pl_keyfile_write_token(path, &k, pl_str_z(v->token), err) : rc;
}

static pl_rc vkeys_change(const cmd_writer *w, const pl_vkey *first, const pl_vkey *last,
                          const pl_vkey *drop, pl_error *err)
{
    pl_vkey old[LEDGER_VKEYS_MAX], keys[LEDGER_VKEYS_MAX + 2];
    size_t  n = 0, have = 0;
    pl_rc   rc = pl_ledger_vkeys_read(pl_ledger_dir(w->l), old, &have, err);

    if (rc != PL_OK)
        return rc;
    if (first != NULL)
        keys[n++] = *first;
    for (size_t i = 0; i < have; i++)
        if ((first == NULL || !pl_vkey_equal(&old[i], first)) &&
            (last == NULL || !pl_vkey_equal(&old[i], last)) &&
            (drop == NULL || !pl_vkey_equal(&old[i], drop)))
            keys[n++] = old[i];
    if (last != NULL)
        keys[n++] = *last;
    if (n > LEDGER_VKEYS_MAX)
        return pl_fail(err, PL_LIMIT, "more than %d keys would sign checkpoints",
                       LEDGER_VKEYS_MAX);
    return pl_ledger_vkeys_write(pl_ledger_dir(w->l), keys, n, err);
}

/* Opens the log again with the keys of now: that signs its head with them. */
static pl_rc writer_renew(pl_cmd_ctx *c, cmd_writer *w, pl_error *err)
{
    pl_ledger_writer_close(w);
    *w = (cmd_writer){ .l = NULL };
    return pl_ledger_writer_open(c, w, err);
}

static pl_rc key_add(pl_cmd_ctx *c, cmd_writer *w, const wish *v, pl_vkey *made, uint64_t *index,
                     pl_error *err)
{
    char       file[64], final[64], path[1400], name[300], beside[PL_VKEY_TEXT_MAX];
    pl_signer *s = NULL;
    json_t    *p;
    pl_rc      rc;

    (void)snprintf(file, sizeof(file), v->is_log ? "%s.new.key" : "%s.key", v->name);
    (void)snprintf(final, sizeof(final), "ledger.%s.key", v->name);
    (void)snprintf(name, sizeof(name), v->is_log ? "%s" : "%s/%s", w->instance.origin, v->name);
    key_path(w, file, path);
    rc = key_make(v, path, name, err);
    if (rc == PL_OK)
        rc = joined_with(w, path, &s, err);
    if (rc != PL_OK)
        return rc;
    *made = *last_key(s);
    p = event_new("add", made, c->opt(c->host, "reason"));
    (void)json_object_set_new(p, "use", json_string(v->is_log ? "log" : "statements"));
    if (v->is_log && pl_signer_vkey(s, beside, sizeof(beside), NULL) == PL_OK)
        (void)json_object_set_new(p, "beside", json_string(beside));
    rc = event_append(w, s, made, p, index, err);
    pl_signer_free(s);
    if (rc != PL_OK || !v->is_log)
        return rc;
    rc = vkeys_change(w, NULL, made, NULL, err);
    if (rc == PL_OK)
        rc = file_move(w, file, final, err);
    return rc == PL_OK ? writer_renew(c, w, err) : rc;
}

static int key_told(pl_cmd_ctx *c, const char *en, const char *zh, const pl_vkey *k, uint64_t index)
{
    char vkey[PL_VKEY_TEXT_MAX] = "";

    (void)pl_vkey_format(k, vkey, sizeof(vkey), NULL);
    if (c->json)
        return pl_ledger_cmd_json(c, json_pack("{s:s, s:s, s:I}", "vkey", vkey, "algorithm",
                                               pl_key_alg_name(k->alg), "index",
                                               (json_int_t)index),
                                  PL_EXIT_OK);
    (void)fprintf(c->out, "%s %llu\n%s\n", pl_cmd_say(c, en, zh), (unsigned long long)index, vkey);
    return PL_EXIT_OK;
}

int pl_key_cmd_new(pl_cmd_ctx *c)
{
    cmd_writer w = { .l = NULL };
    wish       v;
    pl_vkey    k;
    uint64_t   index = 0;
    pl_error   err = { PL_OK, "" };
    pl_rc      rc = wish_read(c, &v, &err);

    if (rc == PL_OK)
        rc = pl_ledger_writer_open(c, &w, &err);
    if (rc == PL_OK)
        rc = key_add(c, &w, &v, &k, &index, &err);
    pl_ledger_writer_close(&w);
    return rc == PL_OK ? key_told(c, "made known by entry", "已由该条记录登记：第", &k, index)
                       : pl_cmd_fail(c, &err);
}

/* --- rotate -------------------------------------------------------------------------------- */

static bool has_key_file(const cmd_writer *w, const char *file)
{
    char path[1400];

    key_path(w, file, path);
    return access(path, F_OK) == 0;
}

/* Keeps the outgoing key under another name and puts the new one in its place. */
static pl_rc files_swap(const cmd_writer *w, const pl_vkey *old, bool has_overlap, pl_error *err)
{
    char  from[1400], to[1400], dir[1400];
    pl_rc rc;

    key_path(w, "ledger.key", from);
    key_path(w, "retired", dir);
    rc = pl_mkdir_p(dir, 0700, err);
    if (rc != PL_OK)
        return rc;
    if (has_overlap)
        key_path(w, "ledger.outgoing.key", to);
    else
        (void)snprintf(to, sizeof(to), "%s/keys/retired/%08x.key", w->instance.dir,
                       (unsigned)old->keyid);
    if (link(from, to) != 0 && errno != EEXIST)
        return pl_fail(err, PL_IO, "cannot keep key file '%s': %s", to, strerrordesc_np(errno));
    rc = pl_fsync_dir(dir, err);
    return rc == PL_OK ? file_move(w, "next.key", "ledger.key", err) : rc;
}

static pl_rc rotation_append(pl_cmd_ctx *c, cmd_writer *w, const char *path, bool has_overlap,
                             pl_vkey *new, uint64_t *index, pl_error *err)
{
    char       text[PL_VKEY_TEXT_MAX];
    pl_signer *s = NULL;
    json_t    *p;
    pl_rc      rc = joined_with(w, path, &s, err);

    if (rc != PL_OK)
        return rc;
    *new = *last_key(s);
    p = event_new("rotate", pl_signer_key(s, 0), c->opt(c->host, "reason"));
    rc = pl_vkey_format(new, text, sizeof(text), err);
    (void)json_object_set_new(p, "successor", json_string(text));
    if (has_overlap)
        (void)json_object_set_new(p, "until", json_integer(UNTIL_RETIRED));
    if (rc == PL_OK)
        rc = event_append(w, s, pl_signer_key(s, 0), p, index, err);
    else
        json_decref(p);
    pl_signer_free(s);
    return rc;
}

static pl_rc rotate(pl_cmd_ctx *c, cmd_writer *w, pl_vkey *new, uint64_t *index, pl_error *err)
{
    const bool  has_overlap = c->opt(c->host, "overlap") != NULL;
    const char *alg = c->opt(c->host, "alg");
    wish        v = { .name = "", .token = c->opt(c->host, "token"), .is_log = true };
    char        path[1400];
    pl_vkey     old = *pl_signer_key(w->signer, 0);
    pl_rc       rc = PL_OK;

    v.alg = old.alg;
    if (alg != NULL)
        rc = pl_key_alg_parse(pl_str_z(alg), &v.alg, err);
    if (rc == PL_OK && has_key_file(w, "ledger.outgoing.key"))
        rc = pl_fail(err, PL_CONFLICT, "a rotation is under way: end it with 'key retire'");
    key_path(w, "next.key", path);
    if (rc == PL_OK)
        rc = key_make(&v, path, w->instance.origin, err);
    if (rc == PL_OK)
        rc = rotation_append(c, w, path, has_overlap, new, index, err);
    if (rc == PL_OK)
        rc = vkeys_change(w, new, NULL, NULL, err);
    if (rc == PL_OK)
        rc = files_swap(w, &old, has_overlap, err);
    if (rc == PL_OK)
        rc = writer_renew(c, w, err);
    return rc == PL_OK && !has_overlap ? vkeys_change(w, NULL, NULL, &old, err) : rc;
}

int pl_key_cmd_rotate(pl_cmd_ctx *c)
{
    cmd_writer w = { .l = NULL };
    pl_vkey    k;
    uint64_t   index = 0;
    pl_error   err = { PL_OK, "" };
    pl_rc      rc = pl_ledger_writer_open(c, &w, &err);

    if (rc == PL_OK)
        rc = rotate(c, &w, &k, &index, &err);
    pl_ledger_writer_close(&w);
    return rc == PL_OK ? key_told(c, "the log goes on under the new key, since entry",
                                  "账本自该条记录起改用新密钥：第", &k, index)
                       : pl_cmd_fail(c, &err);
}

/* --- ending -------------------------------------------------------------------------------- */

static pl_rc history_load(const char *dir, const pl_vkey *key, pl_key_history **out, pl_error *err)
{
    pl_key_history *h = NULL;
    pl_rc           rc = pl_key_history_new(key, &h, err);

    if (rc == PL_OK) {
        pl_ledger_key_events_collect(dir, h);
        rc = pl_key_history_resolve(h, err);
    }
    if (rc != PL_OK) {
        pl_key_history_free(h);
        return rc;
    }
    *out = h;
    return PL_OK;
}

/* By verifier key, key id, or the beginning of the fingerprint. */
static bool is_named(const pl_vkey *k, const char *word)
{
    char text[PL_VKEY_TEXT_MAX] = "", id[9], fingerprint[65];

    (void)pl_vkey_format(k, text, sizeof(text), NULL);
    (void)snprintf(id, sizeof(id), "%08x", (unsigned)k->keyid);
    pl_vkey_fingerprint(k, fingerprint);
    return strcmp(word, text) == 0 || strcmp(word, id) == 0 ||
           (strlen(word) >= 8 && pl_str_starts(pl_str_z(fingerprint), pl_str_z(word)));
}

static pl_rc key_find(const pl_key_history *h, const char *word, pl_vkey *out, pl_error *err)
{
    size_t found = 0;

    for (size_t i = 0; i < pl_key_history_count(h); i++)
        if (is_named(&pl_key_history_get(h, i)->key, word)) {
            *out = pl_key_history_get(h, i)->key;
            found++;
        }
    if (found == 1)
        return PL_OK;
    return pl_fail(err, PL_NOTFOUND, found ? "more than one key is named '%.80s'"
                                           : "the log knows no key '%.80s'", word);
}

static int is_beside(const struct dirent *e)
{
    pl_str name = pl_str_z(e->d_name);

    return pl_str_starts(name, PL_STR("ledger.")) && pl_str_ends(name, PL_STR(".key")) &&
           !pl_str_eqz(name, "ledger.key");
}

/* A key that signed beside the first one no longer does. */
static pl_rc file_retire(const cmd_writer *w, const pl_vkey *k, pl_error *err)
{
    char            path[1400], to[64];
    struct dirent **files = NULL;
    int             n;
    pl_rc           rc = PL_OK;

    key_path(w, "retired", path);
    rc = pl_mkdir_p(path, 0700, err);
    key_path(w, ".", path);
    n = scandir(path, &files, is_beside, alphasort);
    for (int i = 0; i < n; i++) {
        pl_keyfile_info info;

        key_path(w, files[i]->d_name, path);
        if (rc == PL_OK && pl_keyfile_info_read(path, &info, NULL) == PL_OK &&
            (pl_vkey_equal(&info.key, k) ||
             (info.is_old && strcmp(files[i]->d_name, "ledger.outgoing.key") == 0))) {
            (void)snprintf(to, sizeof(to), "retired/%08x.key", (unsigned)k->keyid);
            rc = file_move(w, files[i]->d_name, to, err);
        }
        free(files[i]);
    }
    free(files);
    return rc;
}

static pl_rc until_put(pl_cmd_ctx *c, json_t *p, pl_error *err)
{
    const char *until = c->opt(c->host, "until");
    uint64_t    n = 0;
    pl_rc       rc;

    if (until == NULL)
        return PL_OK;
    rc = pl_str_u64(pl_str_z(until), &n, err);
    if (rc == PL_OK && n > INT64_MAX)
        rc = pl_fail(err, PL_INVALID, "--until is not the index of an entry");
    if (rc == PL_OK)
        (void)json_object_set_new(p, "until", json_integer((json_int_t)n));
    return rc;
}

/* What the log would not count must not get into it. */
static pl_rc event_try(cmd_writer *w, const json_t *p, pl_error *err)
{
    char           *envelope = NULL;
    size_t          n = 0;
    pl_key_history *h = NULL;
    uint8_t         digest[32] = { 0 };
    uint64_t        next = pl_ledger_size(w->l);
    pl_rc           rc = history_load(pl_ledger_dir(w->l), pl_signer_key(w->signer, 0), &h, err);

    if (rc == PL_OK)
        rc = pl_statement_sign(w->signer, PL_STR("key:"), digest, PL_KEY_EVENT_TYPE, p, &envelope,
                               &n, err);
    if (rc == PL_OK)
        rc = pl_key_history_put(h, next, (pl_str){ envelope, n }, err);
    if (rc == PL_OK)
        rc = pl_key_history_resolve(h, err);
    if (rc == PL_OK)
        rc = pl_key_history_event(h, next, err);
    free(envelope);
    pl_key_history_free(h);
    return rc;
}

static pl_rc key_end(pl_cmd_ctx *c, cmd_writer *w, const char *event, pl_vkey *k, uint64_t *index,
                     pl_error *err)
{
    pl_key_history *h = NULL;
    json_t         *p = NULL;
    bool            is_first;
    pl_rc rc = history_load(pl_ledger_dir(w->l), pl_signer_key(w->signer, 0), &h, err);

    if (rc == PL_OK)
        rc = key_find(h, c->argv[0], k, err);
    pl_key_history_free(h);
    if (rc != PL_OK)
        return rc;
    is_first = pl_vkey_equal(k, pl_signer_key(w->signer, 0));
    if (is_first && strcmp(event, "retire") == 0)
        return pl_fail(err, PL_CONFLICT, "'%s' is the key the log is written with: rotate it",
                       k->name);
    p = event_new(event, k, c->opt(c->host, "reason"));
    rc = until_put(c, p, err);
    if (rc == PL_OK)
        rc = event_try(w, p, err);
    if (rc == PL_OK)
        rc = event_append(w, w->signer, k, p, index, err);
    else
        json_decref(p);
    if (rc == PL_OK && !is_first)
        rc = file_retire(w, k, err);
    if (rc == PL_OK && !is_first)
        rc = vkeys_change(w, NULL, NULL, k, err);
    return rc;
}

static int end_cmd(pl_cmd_ctx *c, const char *event)
{
    cmd_writer w = { .l = NULL };
    pl_vkey    k;
    uint64_t   index = 0;
    pl_error   err = { PL_OK, "" };
    pl_rc      rc = pl_ledger_writer_open(c, &w, &err);

    if (rc == PL_OK)
        rc = key_end(c, &w, event, &k, &index, &err);
    pl_ledger_writer_close(&w);
    return rc == PL_OK ? key_told(c, "ended by entry", "已由该条记录终止：第", &k, index)
                       : pl_cmd_fail(c, &err);
}

int pl_key_cmd_retire(pl_cmd_ctx *c)
{
    return end_cmd(c, "retire");
}

int pl_key_cmd_revoke(pl_cmd_ctx *c)
{
    return end_cmd(c, "revoke");
}

int pl_key_cmd_compromise(pl_cmd_ctx *c)
{
    return end_cmd(c, "compromise");
}

/* --- list, show, protect -------------------------------------------------------------------- */

static void life_print(pl_cmd_ctx *c, const pl_key_life *k)
{
    (void)fprintf(c->out, "%08x  %-8s %-10s ", (unsigned)k->key.keyid,
                  pl_key_alg_name(k->key.alg),
                  k->is_log ? pl_cmd_say(c, "log", "账本") : pl_cmd_say(c, "statements", "声明"));
    if (k->to == UINT64_MAX)
        (void)fprintf(c->out, pl_cmd_say(c, "from %llu on", "自第 %llu 条起"),
                      (unsigned long long)k->from);
    else
        (void)fprintf(c->out, pl_cmd_say(c, "%llu to %llu, %s by entry %llu",
                                         "第 %llu 至 %llu 条（不含），%s，见第 %llu 条"),
                      (unsigned long long)k->from, (unsigned long long)k->to, k->end,
                      (unsigned long long)k->ended_by);
    (void)fprintf(c->out, "  %s\n", k->key.name);
}

static int lives_print(pl_cmd_ctx *c, const pl_key_history *h)
{
    json_t *a = c->json ? json_array() : NULL;

    for (size_t i = 0; i < pl_key_history_count(h); i++) {
        const pl_key_life *k = pl_key_history_get(h, i);

        if (c->json)
            (void)json_array_append_new(a, pl_key_life_json(k));
        else
            life_print(c, k);
    }
    return c->json ? pl_ledger_cmd_json(c, json_pack("{s:o}", "keys", a), PL_EXIT_OK) : PL_EXIT_OK;
}

int pl_key_cmd_list(pl_cmd_ctx *c)
{
    cmd_log         l = { .dir = NULL };
    pl_key_history *h = NULL;
    pl_error        err = { PL_OK, "" };
    pl_rc           rc = pl_ledger_log_find(c, &l, &err);
    int             code;

    if (rc == PL_OK)
        rc = history_load(l.dir, &l.key, &h, &err);
    code = rc == PL_OK ? lives_print(c, h) : pl_cmd_fail(c, &err);
    pl_key_history_free(h);
    pl_ledger_log_done(&l);
    return code;
}

/* The file named, or the instance's. */
static pl_rc file_of(pl_cmd_ctx *c, pl_instance *i, char out[1400], pl_error *err)
{
    pl_rc rc = pl_instance_open(pl_cmd_dir(c), i, err);

    if (c->argc > 0) {
        (void)snprintf(out, 1400, "%s", c->argv[0]);
        if (rc != PL_OK)
            i->origin[0] = '\0';
        return PL_OK;
    }
    if (rc == PL_OK)
        (void)snprintf(out, 1400, "%s/keys/ledger.key", i->dir);
    return rc;
}

static int show_print(pl_cmd_ctx *c, const char *vkey, const char *kept, const pl_keyfile_info *i)
{
    char fingerprint[65];

    pl_vkey_fingerprint(&i->key, fingerprint);
    if (c->json)
        return pl_ledger_cmd_json(c, json_pack("{s:s, s:s, s:s, s:s}", "vkey", vkey, "algorithm",
                                               pl_key_alg_name(i->key.alg), "keyid", fingerprint,
                                               "kept", kept),
                                  PL_EXIT_OK);
    (void)fprintf(c->out, "%s\n  %s%s\n  %s%s\n  %s%s\n", vkey,
                  pl_cmd_say(c, "algorithm    ", "算法      "), pl_key_alg_name(i->key.alg),
                  pl_cmd_say(c, "fingerprint  ", "指纹      "), fingerprint,
                  pl_cmd_say(c, "kept         ", "保存方式  "), kept);
    return PL_EXIT_OK;
}

int pl_key_cmd_show(pl_cmd_ctx *c)
{
    char            path[1400], vkey[PL_VKEY_TEXT_MAX] = "";
    pl_instance     inst = { .origin = "" };
    pl_keyfile_info i;
    pl_signer      *s = NULL;
    pl_error        err = { PL_OK, "" };
    pl_rc           rc = file_of(c, &inst, path, &err);

    if (rc == PL_OK)
        rc = pl_keyfile_info_read(path, &i, &err);
    if (rc == PL_OK && i.is_old) {
        rc = pl_keyfile_signer(path, inst.origin, &s, &err);
        if (rc == PL_OK)
            i.key = *pl_signer_key(s, 0);
        pl_signer_free(s);
    }
    if (rc == PL_OK)
        rc = pl_vkey_format(&i.key, vkey, sizeof(vkey), &err);
    if (rc != PL_OK)
        return pl_cmd_fail(c, &err);
    return show_print(c, vkey, i.is_token ? "token" : i.is_encrypted ? "encrypted" : "clear", &i);
}

int pl_key_cmd_protect(pl_cmd_ctx *c)
{
    const char *new = getenv(PASSPHRASE_NEW);
    bool        in_clear = c->opt(c->host, "clear") != NULL;
    char        path[1400];
    pl_instance inst = { .origin = "" };
    pl_error    err = { PL_OK, "" };
    pl_rc       rc = file_of(c, &inst, path, &err);

    if (rc == PL_OK && !in_clear && (new == NULL || new[0] == '\0'))
        rc = pl_fail(&err, PL_INVALID, "give the new passphrase in " PASSPHRASE_NEW);
    if (rc == PL_OK)
        rc = pl_keyfile_protect(path, inst.origin, in_clear ? PL_STR("") : pl_str_z(new), &err);
    if (rc != PL_OK)
        return pl_cmd_fail(c, &err);
    if (c->json)
        return pl_ledger_cmd_json(c, json_pack("{s:s}", "kept", in_clear ? "clear" : "encrypted"),
                                  PL_EXIT_OK);
    (void)fprintf(c->out, "%s\n",
                  in_clear ? pl_cmd_say(c, "the key is in the clear now", "密钥现以明文保存")
                           : pl_cmd_say(c, "the key is encrypted now", "密钥现已加密保存"));
    return PL_EXIT_OK;
}
