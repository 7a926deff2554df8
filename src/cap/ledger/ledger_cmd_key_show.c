/* plumbline key list|show|protect: what the log says of keys, and key files by themselves. */
#include "base/banned.h"

#include "base/str.h"
#include "cap/keyfile.h"
#include "cap/ledger/ledger_int.h"

#define PASSPHRASE_NEW "PLUMBLINE_KEY_PASSPHRASE_NEW"

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
        rc = pl_ledger_key_history(l.dir, &l.key, &h, &err);
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
