/* Cosignatures (C2SP tlog-cosignature v1.0.1, type 0x04): an Ed25519 signature with a time
 * over the text of a checkpoint. REQ: C2SP/tlog-cosignature */
#include "base/banned.h"

#include "base/str.h"
#include "engine/log/cosign_int.h"

#define BLOB_BYTES (8 + 64) /* time and signature */
#define TIME_LIMIT (UINT64_C(1) << 63)

pl_rc pl_cosigner_parse(pl_str vkey, pl_cosigner *out, pl_error *err)
{
    pl_vkey k;
    pl_rc   rc = pl_note_vkey_parse(vkey, &k, err);

    if (rc != PL_OK)
        return rc;
    if (k.alg != PL_KEY_COSIGNER)
        return pl_fail(err, PL_INVALID, "not the key of a witness (type 04)");
    out->key = k;
    return PL_OK;
}

pl_rc pl_cosigner_format(const pl_cosigner *k, char *buf, size_t cap, pl_error *err)
{
    return pl_vkey_format(&k->key, buf, cap, err);
}

pl_rc pl_cosigner_of(const pl_signer *s, pl_cosigner *out, pl_error *err)
{
    const pl_vkey *k = pl_signer_key(s, 0);

    if (k->alg != PL_KEY_ED25519)
        return pl_fail(err, PL_INVALID, "key '%s' is not an Ed25519 key, as a witness needs",
                       k->name);
    return pl_vkey_make(pl_str_z(k->name), PL_KEY_COSIGNER,
                        (pl_str){ (const char *)k->pub, k->pub_n }, &out->key, err);
}

static pl_rc message_make(pl_str text, uint64_t time_s, pl_buf *out, pl_error *err)
{
    pl_buf_printf(out, "cosignature/v1\ntime %llu\n", (unsigned long long)time_s);
    pl_buf_put(out, text);
    return pl_buf_check(out, err);
}

/* --- making ---------------------------------------------------------------------------- */

static pl_rc blob_make(pl_str text, const pl_signer *s, uint64_t time_s, uint8_t blob[BLOB_BYTES],
                       pl_error *err)
{
    pl_buf message = PL_BUF_INIT(PL_NOTE_MAX);
    pl_sig sig;
    pl_rc  rc = message_make(text, time_s, &message, err);

    for (unsigned i = 0; i < 8; i++)
        blob[i] = (uint8_t)(time_s >> (56 - 8 * i));
    if (rc == PL_OK)
        rc = pl_signer_sign(s, 0, pl_buf_str(&message), &sig, err);
    if (rc == PL_OK)
        memcpy(blob + 8, sig.b, BLOB_BYTES - 8);
    pl_buf_done(&message);
    return rc;
}

static pl_rc line_make(pl_str text, const pl_signer *s, uint64_t time_s, pl_buf *out,
                       pl_error *err)
{
    pl_cosigner k;
    uint8_t     blob[BLOB_BYTES];
    pl_rc       rc = pl_cosigner_of(s, &k, err);

    if (rc == PL_OK)
        rc = blob_make(text, s, time_s, blob, err);
    if (rc != PL_OK)
        return rc;
    pl_note_line_format(
        &(pl_note_sig){ pl_str_z(k.key.name), k.key.keyid, blob, sizeof(blob) }, out);
    return pl_buf_check(out, err);
}

pl_rc pl_cosign(pl_str note, const pl_signer *s, uint64_t time_s, char **line, size_t *n,
                pl_error *err)
{
    pl_buf        out = PL_BUF_INIT(1024);
    pl_checkpoint c;
    pl_note      *parsed = NULL;
    pl_rc         rc = pl_note_open(note, &parsed, err);

    if (rc == PL_OK && time_s >= TIME_LIMIT)
        rc = pl_fail(err, PL_INVALID, "time of a cosignature is 2^63 or more");
    if (rc == PL_OK)
        rc = pl_checkpoint_parse(parsed->text, &c, err);
    if (rc == PL_OK)
        rc = pl_checkpoint_check(&c, err);
    if (rc == PL_OK)
        rc = line_make(parsed->text, s, time_s, &out, err);
    pl_note_free(parsed);
    if (rc != PL_OK) {
        pl_buf_done(&out);
        return rc;
    }
    *line = out.p;
    *n = out.n;
    return PL_OK;
}

/* --- checking -------------------------------------------------------------------------- */

static bool is_of(const pl_note_sig *s, const pl_cosigner *k)
{
    return s->keyid == k->key.keyid && pl_str_eqz(s->name, k->key.name);
}

static pl_rc line_check(pl_str text, const pl_note_sig *s, const pl_cosigner *k, int64_t *time_s,
                        pl_error *err)
{
    pl_buf   message = PL_BUF_INIT(PL_NOTE_MAX);
    pl_str   sig = { (const char *)s->sig + 8, BLOB_BYTES - 8 };
    uint64_t at = 0;
    pl_rc    rc;

    if (s->n != BLOB_BYTES)
        return pl_fail(err, PL_INVALID, "cosignature of '%s' has %zu bytes", k->key.name, s->n);
    for (unsigned i = 0; i < 8; i++)
        at = at << 8 | s->sig[i];
    if (at >= TIME_LIMIT)
        return pl_fail(err, PL_INVALID, "cosignature of '%s' has a time of 2^63 or more",
                       k->key.name);
    rc = message_make(text, at, &message, err);
    if (rc == PL_OK && pl_vkey_verify(&k->key, pl_buf_str(&message), sig, err) != PL_OK)
        rc = pl_fail(err, PL_INVALID, "cosignature of '%s' does not verify", k->key.name);
    pl_buf_done(&message);
    if (rc == PL_OK)
        *time_s = (int64_t)at;
    return rc;
}

/* The newest line of k, which must all verify; -1 when there is none. */
static pl_rc newest(const pl_note *n, const pl_cosigner *k, ssize_t *line, int64_t *time_s,
                    pl_error *err)
{
    ssize_t best = -1;
    int64_t best_s = PL_COSIGNED_NOT;

    for (size_t i = 0; i < n->nsigs; i++) {
        int64_t at = PL_COSIGNED_NOT;

        if (!is_of(&n->sigs[i], k))
            continue;
        if (line_check(n->text, &n->sigs[i], k, &at, err) != PL_OK)
            return PL_INVALID;
        if (at > best_s) {
            best_s = at;
            best = (ssize_t)i;
        }
    }
    *line = best;
    *time_s = best_s;
    return PL_OK;
}

pl_rc pl_cosignatures_open(pl_str note, const pl_cosigner *keys, size_t nkeys, int64_t *times,
                           pl_error *err)
{
    pl_note *n = NULL;
    ssize_t  ignored;
    pl_rc    rc = pl_note_open(note, &n, err);

    for (size_t i = 0; rc == PL_OK && i < nkeys; i++)
        rc = newest(n, &keys[i], &ignored, &times[i], err);
    pl_note_free(n);
    return rc;
}

/* --- adding ---------------------------------------------------------------------------- */

/* The note's lines but those of k, then one line of k. */
static pl_rc exchange_line(const pl_note *n, const pl_cosigner *k, const pl_note_sig *line,
                           pl_buf *out, pl_error *err)
{
    size_t kept = 0;

    pl_buf_put(out, n->text);
    pl_buf_putc(out, '\n');
    for (size_t i = 0; i < n->nsigs; i++) {
        if (is_of(&n->sigs[i], k))
            continue;
        pl_note_line_format(&n->sigs[i], out);
        kept++;
    }
    pl_note_line_format(line, out);
    if (kept == PL_NOTE_SIGS_MAX)
        return pl_fail(err, PL_LIMIT, "note has more than %d signatures", PL_NOTE_SIGS_MAX);
    return pl_buf_check(out, err);
}

static pl_rc add_parsed(const pl_note *n, pl_str lines, const pl_cosigner *k, pl_buf *out,
                        int64_t *time_s, pl_error *err)
{
    pl_buf   joined = PL_BUF_INIT(PL_NOTE_MAX);
    pl_note *answer = NULL;
    ssize_t  line = -1;
    pl_rc    rc;

    pl_buf_put(&joined, n->text);
    pl_buf_putc(&joined, '\n');
    pl_buf_put(&joined, lines);
    rc = pl_buf_check(&joined, err);
    if (rc == PL_OK)
        rc = pl_note_open(pl_buf_str(&joined), &answer, err);
    /* A blank line in the answer would move the end of the text. */
    if (rc == PL_OK && !pl_str_eq(answer->text, n->text))
        rc = pl_fail(err, PL_INVALID, "answer of '%s' is not a run of signature lines",
                     k->key.name);
    if (rc == PL_OK)
        rc = newest(answer, k, &line, time_s, err);
    if (rc == PL_OK && line < 0)
        rc = pl_fail(err, PL_NOTFOUND, "no cosignature of '%s' in its answer", k->key.name);
    if (rc == PL_OK)
        rc = exchange_line(n, k, &answer->sigs[line], out, err);
    pl_note_free(answer);
    pl_buf_done(&joined);
    return rc;
}

pl_rc pl_cosignature_add(pl_str note, pl_str lines, const pl_cosigner *k, char **out, size_t *n,
                         int64_t *time_s, pl_error *err)
{
    pl_buf   b = PL_BUF_INIT(PL_NOTE_MAX);
    pl_note *parsed = NULL;
    int64_t  at = PL_COSIGNED_NOT;
    pl_rc    rc = pl_note_open(note, &parsed, err);

    if (rc == PL_OK)
        rc = add_parsed(parsed, lines, k, &b, &at, err);
    pl_note_free(parsed);
    if (rc != PL_OK) {
        pl_buf_done(&b);
        return rc;
    }
    *out = b.p;
    *n = b.n;
    *time_s = at;
    return PL_OK;
}
