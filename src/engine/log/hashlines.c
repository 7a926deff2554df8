/* The line forms that witness requests and tlog-proofs share. */
#include "base/banned.h"

#include "base/str.h"
#include "engine/log/cosign_int.h"

pl_rc pl_number_line_parse(pl_str *rest, const char *word, uint64_t *out, pl_error *err)
{
    pl_str line, key = pl_str_z(word);

    if (!pl_str_split(rest, '\n', &line) || !pl_str_starts(line, key) || line.n <= key.n ||
        line.p[key.n] != ' ')
        return pl_fail(err, PL_INVALID, "line '%s <number>' is missing", word);
    line.p += key.n + 1;
    line.n -= key.n + 1;
    if (pl_str_u64(line, out, err) != PL_OK || *out >= UINT64_C(1) << 63)
        return pl_fail(err, PL_INVALID, "line '%s' has no decimal number below 2^63", word);
    return PL_OK;
}

static pl_rc hash_line_parse(pl_str line, pl_hash *out, pl_error *err)
{
    size_t n = 0;

    if (pl_base64_decode(line, out->b, sizeof(out->b), &n, NULL) != PL_OK || n != sizeof(out->b))
        return pl_fail(err, PL_INVALID, "a line of the proof is not a hash of 32 bytes in base64");
    return PL_OK;
}

pl_rc pl_hash_lines_parse(pl_str *rest, pl_proof *out, pl_error *err)
{
    pl_str line;

    out->n = 0;
    while (memchr(rest->p, '\n', rest->n) != NULL && pl_str_split(rest, '\n', &line)) {
        pl_rc rc;

        if (line.n == 0)
            return PL_OK;
        if (out->n == PL_PROOF_MAX)
            return pl_fail(err, PL_INVALID, "proof has more than %d hashes", PL_PROOF_MAX);
        rc = hash_line_parse(line, &out->h[out->n], err);
        if (rc != PL_OK)
            return rc;
        out->n++;
    }
    return pl_fail(err, PL_INVALID, "no empty line after the proof");
}

void pl_hash_lines_format(const pl_proof *p, pl_buf *out)
{
    for (size_t i = 0; i < p->n; i++) {
        pl_buf_base64(out, p->h[i].b, sizeof(p->h[i].b));
        pl_buf_putc(out, '\n');
    }
    pl_buf_putc(out, '\n');
}

/* --- C2SP tlog-proof -------------------------------------------------------------------- */

#define PROOF_MAGIC "c2sp.org/tlog-proof@v1\n"

pl_rc pl_tlog_proof_parse(pl_str text, pl_tlog_proof *out, pl_error *err)
{
    pl_tlog_proof p;
    pl_str        rest = text, extra;
    pl_rc         rc;

    if (text.n > PL_TLOG_PROOF_MAX)
        return pl_fail(err, PL_LIMIT, "proof is larger than %u bytes", PL_TLOG_PROOF_MAX);
    if (!pl_str_starts(text, PL_STR(PROOF_MAGIC)))
        return pl_fail(err, PL_INVALID, "not a tlog-proof: its first line is another");
    rest.p += sizeof(PROOF_MAGIC) - 1;
    rest.n -= sizeof(PROOF_MAGIC) - 1;
    if (pl_str_starts(rest, PL_STR("extra ")))
        (void)pl_str_split(&rest, '\n', &extra);
    rc = pl_number_line_parse(&rest, "index", &p.index, err);
    if (rc == PL_OK)
        rc = pl_hash_lines_parse(&rest, &p.proof, err);
    if (rc != PL_OK)
        return rc;
    p.note = rest;
    *out = p;
    return PL_OK;
}

pl_rc pl_tlog_proof_format(const pl_tlog_proof *p, char **out, size_t *n, pl_error *err)
{
    pl_buf b = PL_BUF_INIT(PL_TLOG_PROOF_MAX);
    pl_rc  rc;

    pl_buf_printf(&b, PROOF_MAGIC "index %llu\n", (unsigned long long)p->index);
    pl_hash_lines_format(&p->proof, &b);
    pl_buf_put(&b, p->note);
    rc = pl_buf_check(&b, err);
    if (rc != PL_OK) {
        pl_buf_done(&b);
        return rc;
    }
    *out = b.p;
    *n = b.n;
    return PL_OK;
}
