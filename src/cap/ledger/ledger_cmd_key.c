/* plumbline key new|rotate|retire|revoke|compromise: keys in files, and what
 * the log says of them. Each step can be repeated after a crash; the log is told first. */
#include "base/banned.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "cap/keyfile.h"
#include "cap/ledger/ledger_int.h"
#include "cap/token.h"

#include <unistd.h>

/* `until` of a rotation that is finished later by `key retire`: the largest number JSON
 * readers agree on. */
#define UNTIL_RETIRED  INT64_C(9007199254740991)

static void key_path(const cmd_writer *w, const char *file, char out[1400])
{
    (void)snprintf(out, 1400, "%s/keys/%s", w->instance.dir, file);
}

/* --- events ------------------------------------------------------------------------------ */

static json_t *event_new(const pl_cmd_ctx *c, const char *event, const pl_vkey *k)
{
    const char *reason = c->opt(c->host, "reason");
    char        vkey[PL_VKEY_TEXT_MAX], at[25];

    pl_time_format(c->now_ms, at);
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

/* The files follow what the log was told. */
static pl_rc writer_align(cmd_writer *w, pl_error *err)
{
    pl_ledger_writer_close(w);
    return pl_keys_align(&w->instance, &w->rotated_by, err);
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
    if (v->is_log && pl_keys_has(&w->instance, final))
        return pl_fail(err, PL_CONFLICT, "key file exists already: '%s'", final);
    (void)snprintf(name, sizeof(name), v->is_log ? "%s" : "%s/%s", w->instance.origin, v->name);
    key_path(w, file, path);
    rc = v->is_log ? pl_keys_mark(&w->instance, err) : PL_OK;
    if (rc == PL_OK)
        rc = key_make(v, path, name, err);
    if (rc == PL_OK)
        rc = joined_with(w, path, &s, err);
    if (rc != PL_OK)
        return rc;
    *made = *last_key(s);
    p = event_new(c, "add", made);
    (void)json_object_set_new(p, "use", json_string(v->is_log ? "log" : "statements"));
    if (v->is_log && pl_signer_vkey(s, beside, sizeof(beside), NULL) == PL_OK)
        (void)json_object_set_new(p, "beside", json_string(beside));
    rc = event_append(w, s, made, p, index, err);
    pl_signer_free(s);
    return rc == PL_OK && v->is_log ? writer_align(w, err) : rc;
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
    p = event_new(c, "rotate", pl_signer_key(s, 0));
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
    wish        v = { .name = "", .token = c->opt(c->host, "token"), .is_log = true,
                      .alg = pl_signer_key(w->signer, 0)->alg };
    char        path[1400];
    pl_rc       rc = PL_OK;

    if (alg != NULL)
        rc = pl_key_alg_parse(pl_str_z(alg), &v.alg, err);
    if (rc == PL_OK && pl_keys_has(&w->instance, "ledger.outgoing.key"))
        rc = pl_fail(err, PL_CONFLICT, "a rotation is under way: end it with 'key retire'");
    if (rc == PL_OK)
        rc = pl_keys_mark(&w->instance, err);
    key_path(w, "next.key", path);
    if (rc == PL_OK)
        rc = key_make(&v, path, w->instance.origin, err);
    if (rc == PL_OK)
        rc = rotation_append(c, w, path, has_overlap, new, index, err);
    return rc == PL_OK ? writer_align(w, err) : rc;
}

int pl_key_cmd_rotate(pl_cmd_ctx *c)
{
    cmd_writer w = { .l = NULL };
    pl_vkey    k;
    uint64_t   index = 0;
    pl_error   err = { PL_OK, "" };
    pl_rc      rc = pl_ledger_writer_open(c, &w, &err);

    if (rc == PL_OK && w.rotated_by != PL_INDEX_NONE) { /* the one that was cut short */
        k = *pl_signer_key(w.signer, 0);
        index = w.rotated_by;
    } else if (rc == PL_OK) {
        rc = rotate(c, &w, &k, &index, &err);
    }
    pl_ledger_writer_close(&w);
    return rc == PL_OK ? key_told(c, "the log goes on under the new key, since entry",
                                  "账本自该条记录起改用新密钥：第", &k, index)
                       : pl_cmd_fail(c, &err);
}

/* --- ending -------------------------------------------------------------------------------- */

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
    pl_rc           rc = pl_ledger_key_history(pl_ledger_dir(w->l), pl_signer_key(w->signer, 0), &h, err);

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
    pl_rc rc = pl_ledger_key_history(pl_ledger_dir(w->l), pl_signer_key(w->signer, 0), &h, err);

    if (rc == PL_OK)
        rc = key_find(h, c->argv[0], k, err);
    pl_key_history_free(h);
    if (rc != PL_OK)
        return rc;
    is_first = pl_vkey_equal(k, pl_signer_key(w->signer, 0));
    if (is_first && strcmp(event, "retire") == 0)
        return pl_fail(err, PL_CONFLICT, "'%s' is the key the log is written with: rotate it",
                       k->name);
    p = event_new(c, event, k);
    rc = until_put(c, p, err);
    if (rc == PL_OK)
        rc = event_try(w, p, err);
    if (rc == PL_OK)
        rc = pl_keys_mark(&w->instance, err);
    if (rc == PL_OK)
        rc = event_append(w, w->signer, k, p, index, err);
    else
        json_decref(p);
    return rc == PL_OK ? writer_align(w, err) : rc;
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
