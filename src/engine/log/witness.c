/* The rules of a witness (C2SP tlog-witness v1.0.0), without files or sockets.
 * REQ: C2SP/tlog-witness */
#include "base/banned.h"

#include "base/str.h"
#include "engine/log/cosign_int.h"

/* --- the request ------------------------------------------------------------------------ */

pl_rc pl_add_checkpoint_parse(pl_str body, pl_add_checkpoint *out, pl_error *err)
{
    pl_add_checkpoint r;
    pl_str            rest = body;
    pl_rc             rc;

    if (body.n > PL_WITNESS_BODY_MAX)
        return pl_fail(err, PL_LIMIT, "request is larger than %u bytes", PL_WITNESS_BODY_MAX);
    rc = pl_number_line_parse(&rest, "old", &r.old_size, err);
    if (rc == PL_OK)
        rc = pl_hash_lines_parse(&rest, &r.proof, err);
    if (rc != PL_OK)
        return rc;
    r.note = rest;
    *out = r;
    return PL_OK;
}

pl_rc pl_add_checkpoint_format(const pl_add_checkpoint *r, char **out, size_t *n, pl_error *err)
{
    pl_buf b = PL_BUF_INIT(PL_WITNESS_BODY_MAX);
    pl_rc  rc;

    pl_buf_printf(&b, "old %llu\n", (unsigned long long)r->old_size);
    pl_hash_lines_format(&r->proof, &b);
    pl_buf_put(&b, r->note);
    rc = pl_buf_check(&b, err);
    if (rc != PL_OK) {
        pl_buf_done(&b);
        return rc;
    }
    *out = b.p;
    *n = b.n;
    return PL_OK;
}

pl_rc pl_note_origin(pl_str note, pl_str *origin, pl_error *err)
{
    pl_str rest = note, line;

    if (!pl_str_split(&rest, '\n', &line) || line.n == 0)
        return pl_fail(err, PL_INVALID, "note has no origin line");
    *origin = line;
    return PL_OK;
}

/* --- the verdict ------------------------------------------------------------------------ */

/* At least one line of a trusted key, and none that fails. */
static pl_rc signed_check(const pl_note *n, const pl_vkey *keys, size_t nkeys, pl_error *err)
{
    bool any = false;

    for (size_t i = 0; i < nkeys; i++) {
        pl_rc rc = pl_note_verify(n, &keys[i], err);

        if (rc != PL_OK && rc != PL_NOTFOUND)
            return rc;
        any |= rc == PL_OK;
    }
    return any ? PL_OK : pl_fail(err, PL_DENIED, "no signature of a key this witness trusts");
}

static pl_rc extension_check(const pl_add_checkpoint *r, const pl_witnessed *last,
                             const pl_checkpoint *c, pl_error *err)
{
    pl_rc rc = pl_checkpoint_check(c, err);

    if (rc != PL_OK)
        return rc;
    if (r->old_size == 0 && r->proof.n > 0)
        return pl_fail(err, PL_INVALID, "a proof from size 0 must be empty");
    if (r->old_size == c->size && !pl_hash_equal(&last->root, &c->root))
        return pl_fail(err, PL_INVALID, "another root was cosigned for size %llu",
                       (unsigned long long)c->size);
    /* From the empty tree everything follows. */
    if (r->old_size == 0)
        return PL_OK;
    return pl_merkle_consistency_verify(r->old_size, c->size, &last->root, &c->root, &r->proof,
                                        err);
}

static pl_witness_verdict judge_parsed(const pl_add_checkpoint *r, const pl_note *n,
                                       const pl_vkey *keys, size_t nkeys,
                                       const pl_witnessed *last, pl_checkpoint *out,
                                       pl_error *why)
{
    pl_checkpoint c;

    if (pl_checkpoint_parse(n->text, &c, why) != PL_OK)
        return PL_WITNESS_MALFORMED;
    if (nkeys == 0 || strcmp(c.origin, keys[0].name) != 0) {
        (void)pl_fail(why, PL_NOTFOUND, "origin is not one this witness watches");
        return PL_WITNESS_UNKNOWN;
    }
    if (signed_check(n, keys, nkeys, why) != PL_OK)
        return PL_WITNESS_UNSIGNED;
    if (r->old_size > c.size) {
        (void)pl_fail(why, PL_INVALID, "old size is greater than that of the checkpoint");
        return PL_WITNESS_MALFORMED;
    }
    *out = c;
    if (r->old_size != last->size) {
        (void)pl_fail(why, PL_CONFLICT, "size %llu was cosigned last",
                      (unsigned long long)last->size);
        return PL_WITNESS_STALE;
    }
    return extension_check(r, last, &c, why) == PL_OK ? PL_WITNESS_COSIGN
                                                      : PL_WITNESS_INCONSISTENT;
}

pl_witness_verdict pl_witness_judge(const pl_add_checkpoint *r, const pl_vkey *keys, size_t nkeys,
                                    const pl_witnessed *last, pl_checkpoint *out, pl_error *why)
{
    pl_note           *n = NULL;
    pl_witness_verdict v;

    if (pl_note_open(r->note, &n, why) != PL_OK)
        return PL_WITNESS_MALFORMED;
    v = judge_parsed(r, n, keys, nkeys, last, out, why);
    pl_note_free(n);
    return v;
}
