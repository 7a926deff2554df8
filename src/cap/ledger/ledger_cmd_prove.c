/* plumbline ledger prove and consistency: what a holder keeps, and what a reader compares. */
#include "base/banned.h"

#include "base/file.h"
#include "base/str.h"
#include "cap/ledger/ledger_int.h"

#include <unistd.h>

#define NOTE_MAX (1u << 20)

/* --- proofs ---------------------------------------------------------------------------- */

json_t *pl_hash_json(const pl_hash *h)
{
    char hex[65];

    pl_hex(h->b, sizeof(h->b), hex);
    return json_string(hex);
}

json_t *pl_proof_json(const pl_proof *p)
{
    json_t *a = json_array();

    for (size_t i = 0; a != NULL && i < p->n; i++)
        (void)json_array_append_new(a, pl_hash_json(&p->h[i]));
    return a;
}

pl_rc pl_ledger_head_note(const pl_ledger *l, const pl_vkey *key, pl_checkpoint *head, char **note,
                          pl_error *err)
{
    char  *text = NULL;
    size_t n = 0;
    pl_rc  rc = pl_ledger_checkpoint(l, &text, &n, err);

    if (rc == PL_OK)
        rc = pl_ledger_note_judge(pl_ledger_dir(l), key, (pl_str){ text, n }, head, err);
    if (rc != PL_OK) {
        free(text);
        return rc;
    }
    *note = text;
    return PL_OK;
}

typedef struct cmd_proof {
    cmd_log       log;
    pl_ledger    *l;
    pl_checkpoint head;
    char         *note;
    pl_proof      p;
} cmd_proof;

static void proof_done(cmd_proof *x)
{
    free(x->note);
    pl_ledger_close(x->l);
    pl_ledger_log_done(&x->log);
}

static pl_rc proof_begin(pl_cmd_ctx *c, cmd_proof *x, pl_error *err)
{
    pl_rc rc = pl_ledger_log_find(c, &x->log, err);

    if (rc == PL_OK)
        rc = pl_ledger_open_reader(x->log.dir, &x->l, err);
    return rc == PL_OK ? pl_ledger_head_note(x->l, &x->log.key, &x->head, &x->note, err) : rc;
}

/* What a holder keeps to show without this log. REQ: C2SP/tlog-proof */
static void proof_print(pl_cmd_ctx *c, const cmd_proof *x, uint64_t index)
{
    pl_buf b = PL_BUF_INIT(NOTE_MAX);

    pl_buf_printf(&b, "c2sp.org/tlog-proof@v1\nindex %llu\n", (unsigned long long)index);
    for (size_t i = 0; i < x->p.n; i++) {
        pl_buf_base64(&b, x->p.h[i].b, sizeof(x->p.h[i].b));
        pl_buf_putc(&b, '\n');
    }
    pl_buf_putc(&b, '\n');
    pl_buf_puts(&b, x->note);
    (void)fprintf(c->out, "%s", b.p);
    pl_buf_done(&b);
}

static pl_rc entry_prove(cmd_proof *x, uint64_t index, pl_hash *leaf, char **entry, size_t *n,
                         pl_error *err)
{
    pl_rc rc = pl_ledger_entry(x->l, index, entry, n, err);

    if (rc != PL_OK)
        return rc;
    *leaf = pl_merkle_leaf((pl_str){ *entry, *n });
    rc = pl_ledger_inclusion(x->l, index, x->head.size, &x->p, err);
    if (rc == PL_OK)
        rc = pl_merkle_inclusion_verify(index, x->head.size, leaf, &x->p, &x->head.root, err);
    return rc;
}

static json_t *entry_proof_json(const cmd_proof *x, uint64_t index, const pl_hash *leaf,
                                pl_str entry)
{
    pl_buf  b = PL_BUF_INIT(2 * PL_LOG_ENTRY_MAX);
    json_t *j;

    pl_buf_base64(&b, entry.p, entry.n);
    j = json_pack("{s:I, s:o, s:s, s:I, s:o, s:o, s:s}", "index", (json_int_t)index, "leaf",
                  pl_hash_json(leaf), "entry", b.p, "size", (json_int_t)x->head.size, "root",
                  pl_hash_json(&x->head.root), "hashes", pl_proof_json(&x->p), "checkpoint",
                  x->note);
    pl_buf_done(&b);
    return j;
}

int pl_ledger_cmd_prove(pl_cmd_ctx *c)
{
    cmd_proof x = { .l = NULL };
    uint64_t  index = 0;
    char     *entry = NULL;
    size_t    n = 0;
    pl_hash   leaf;
    pl_error  err = { PL_OK, "" };
    pl_rc     rc = pl_str_u64(pl_str_z(c->argv[0]), &index, &err);
    int       code = PL_EXIT_OK;

    if (rc == PL_OK)
        rc = proof_begin(c, &x, &err);
    if (rc == PL_OK)
        rc = entry_prove(&x, index, &leaf, &entry, &n, &err);
    if (rc != PL_OK)
        code = pl_cmd_fail(c, &err);
    else if (c->json)
        code = pl_ledger_cmd_json(c, entry_proof_json(&x, index, &leaf, (pl_str){ entry, n }),
                                  PL_EXIT_OK);
    else
        proof_print(c, &x, index);
    free(entry);
    proof_done(&x);
    return code;
}

/* --- consistency ----------------------------------------------------------------------- */

/* What the caller remembers: a size, or a checkpoint saved in a file. */
static pl_rc remembered(const char *word, const cmd_proof *x, pl_checkpoint *old, bool *has_root,
                        pl_error *err)
{
    char  *note = NULL;
    size_t n = 0;
    pl_rc  rc;

    *has_root = access(word, F_OK) == 0 || strcmp(word, "-") == 0;
    if (!*has_root)
        return pl_str_u64(pl_str_z(word), &old->size, err) == PL_OK
                   ? PL_OK
                   : pl_fail(err, PL_INVALID, "neither a size nor a file: '%s'", word);
    rc = pl_file_read(word, NOTE_MAX, &note, &n, err);
    if (rc == PL_OK)
        rc = pl_ledger_note_judge(x->log.dir, &x->log.key, (pl_str){ note, n }, old, err);
    free(note);
    return rc;
}

static int consistency_print(pl_cmd_ctx *c, const cmd_proof *x, const pl_checkpoint *old, bool ok,
                             bool has_root, const pl_error *why)
{
    int code = ok ? PL_EXIT_OK : PL_EXIT_FOUND;

    if (c->json)
        return pl_ledger_cmd_json(c,
                                  json_pack("{s:b, s:I, s:I, s:o, s:o, s:s?}", "ok", ok, "old_size",
                                            (json_int_t)old->size, "size", (json_int_t)x->head.size,
                                            "root", pl_hash_json(&x->head.root), "hashes",
                                            pl_proof_json(&x->p), "problem", ok ? NULL : why->text),
                                  code);
    if (!ok)
        (void)fprintf(c->out, pl_cmd_say(c, "NOT consistent: %s\n", "不一致：%s\n"), why->text);
    else if (has_root)
        (void)fprintf(c->out,
                      pl_cmd_say(c, "consistent: the log of %llu entries extends that of %llu\n",
                                 "一致：%llu 条记录的账本是 %llu 条时的延续\n"),
                      (unsigned long long)x->head.size, (unsigned long long)old->size);
    for (size_t i = 0; ok && !has_root && i < x->p.n; i++) {
        char hex[65];

        pl_hex(x->p.h[i].b, 32, hex);
        (void)fprintf(c->out, "%s\n", hex);
    }
    return code;
}

int pl_ledger_cmd_consistency(pl_cmd_ctx *c)
{
    cmd_proof     x = { .l = NULL };
    pl_checkpoint old = { .size = 0 };
    pl_error      err = { PL_OK, "" }, why = { PL_OK, "" };
    bool          has_root = false, ok = true;
    pl_rc         rc = proof_begin(c, &x, &err);
    int           code;

    if (rc == PL_OK)
        rc = remembered(c->argv[0], &x, &old, &has_root, &err);
    /* A log that is shorter than remembered is not bad input but the finding itself. */
    if (rc == PL_OK && old.size > x.head.size)
        ok = pl_fail(&why, PL_INVALID, "the log has %llu entries, %llu are remembered",
                     (unsigned long long)x.head.size, (unsigned long long)old.size) == PL_OK;
    else if (rc == PL_OK)
        rc = pl_ledger_consistency(x.l, old.size, x.head.size, &x.p, &err);
    if (rc == PL_OK && ok && has_root)
        ok = pl_merkle_consistency_verify(old.size, x.head.size, &old.root, &x.head.root, &x.p,
                                          &why) == PL_OK;
    code = rc == PL_OK ? consistency_print(c, &x, &old, ok, has_root, &why) : pl_cmd_fail(c, &err);
    proof_done(&x);
    return code;
}
