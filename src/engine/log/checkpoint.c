/* Checkpoints (C2SP tlog-checkpoint v1.0.0): a note of origin, size and root. */
#include "base/banned.h"

#include "base/hash.h"
#include "base/str.h"
#include "engine/log/note.h"

#define SIZE_LIMIT     (UINT64_C(1) << 63)
#define CHECKPOINT_MAX 1024 /* origin, size, root and one signature line fit twice over */

/* A root for the empty tree that is not H("") could never have been computed. */
pl_rc pl_checkpoint_check(const pl_checkpoint *c, pl_error *err)
{
    pl_hash empty;

    if (c->size >= SIZE_LIMIT)
        return pl_fail(err, PL_INVALID, "checkpoint size is 2^63 or more");
    pl_sha256_of(PL_STR(""), empty.b);
    if (c->size == 0 && !pl_hash_equal(&c->root, &empty))
        return pl_fail(err, PL_INVALID,
                       "checkpoint of size 0 has a root that is not the empty one");
    return PL_OK;
}

static pl_rc sign_text(pl_str text, const pl_signer *s, pl_buf *out, pl_error *err)
{
    uint8_t  sig[64];
    pl_note *n = calloc(1, sizeof(*n));
    pl_rc    rc;

    if (n == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    rc = pl_signer_sign(s, text, sig, err);
    if (rc == PL_OK) {
        const pl_vkey *k = pl_signer_key(s);

        n->text = text;
        n->nsigs = 1;
        n->sigs[0] = (pl_note_sig){ pl_str_z(k->name), k->keyid, sig, sizeof(sig) };
        pl_note_format(n, out);
        rc = pl_buf_check(out, err);
    }
    free(n);
    return rc;
}

pl_rc pl_checkpoint_sign(const pl_checkpoint *c, const pl_signer *s, char **out, size_t *n,
                         pl_error *err)
{
    pl_buf text = PL_BUF_INIT(CHECKPOINT_MAX), note = PL_BUF_INIT(2 * CHECKPOINT_MAX);
    pl_rc  rc = pl_checkpoint_check(c, err);

    /* A log key signs notes of its own origin only (one key, one log). */
    if (rc == PL_OK && strcmp(c->origin, pl_signer_key(s)->name) != 0)
        rc = pl_fail(err, PL_INVALID, "key '%s' may not sign for origin '%s'",
                     pl_signer_key(s)->name, c->origin);
    if (rc == PL_OK) {
        pl_buf_printf(&text, "%s\n%llu\n", c->origin, (unsigned long long)c->size);
        pl_buf_base64(&text, c->root.b, sizeof(c->root.b));
        pl_buf_putc(&text, '\n');
        rc = pl_buf_check(&text, err);
    }
    if (rc == PL_OK)
        rc = sign_text(pl_buf_str(&text), s, &note, err);
    pl_buf_done(&text);
    if (rc != PL_OK) {
        pl_buf_done(&note);
        return rc;
    }
    *out = note.p;
    *n = note.n;
    return PL_OK;
}

/* Takes one non-empty line, which must be there. */
static pl_rc line_take(pl_str *rest, const char *what, pl_str *out, pl_error *err)
{
    if (!pl_str_split(rest, '\n', out) || out->n == 0)
        return pl_fail(err, PL_INVALID, "checkpoint has no %s line", what);
    return PL_OK;
}

static pl_rc root_parse(pl_str line, pl_hash *out, pl_error *err)
{
    size_t n = 0;
    pl_rc  rc = pl_base64_decode(line, out->b, sizeof(out->b), &n, err);

    if (rc == PL_LIMIT || (rc == PL_OK && n != sizeof(out->b)))
        return pl_fail(err, PL_INVALID, "checkpoint root is not 32 bytes");
    return rc;
}

pl_rc pl_checkpoint_parse(pl_str text, pl_checkpoint *out, pl_error *err)
{
    pl_checkpoint c = { .size = 0 };
    pl_str        rest = text, origin, size, root, extension;
    pl_rc         rc = line_take(&rest, "origin", &origin, err);

    if (rc == PL_OK)
        rc = line_take(&rest, "size", &size, err);
    if (rc == PL_OK)
        rc = line_take(&rest, "root", &root, err);
    if (rc != PL_OK)
        return rc;
    while (pl_str_split(&rest, '\n', &extension))
        if (extension.n == 0)
            return pl_fail(err, PL_INVALID, "checkpoint has an empty line");
    if (origin.n >= sizeof(c.origin))
        return pl_fail(err, PL_INVALID, "checkpoint origin is longer than %zu bytes",
                       sizeof(c.origin) - 1);
    memcpy(c.origin, origin.p, origin.n);
    rc = pl_str_u64(size, &c.size, err);
    if (rc == PL_OK)
        rc = root_parse(root, &c.root, err);
    if (rc == PL_OK)
        *out = c;
    return rc;
}

pl_rc pl_checkpoint_open(pl_str note, const pl_vkey *k, pl_checkpoint *out, pl_error *err)
{
    pl_checkpoint c;
    pl_note      *n = NULL;
    pl_rc         rc = pl_note_open(note, &n, err);

    if (rc == PL_OK)
        rc = pl_note_verify(n, k, err);
    if (rc == PL_OK)
        rc = pl_checkpoint_parse(n->text, &c, err);
    if (rc == PL_OK)
        rc = pl_checkpoint_check(&c, err);
    pl_note_free(n);
    if (rc == PL_NOTFOUND)
        return pl_fail(err, PL_INVALID, "checkpoint is not signed by '%s' with key id %08x",
                       k->name, (unsigned)k->keyid);
    if (rc == PL_OK && strcmp(c.origin, k->name) != 0)
        rc = pl_fail(err, PL_INVALID, "checkpoint of '%s' is signed by '%s'", c.origin, k->name);
    if (rc == PL_OK)
        *out = c;
    return rc;
}
