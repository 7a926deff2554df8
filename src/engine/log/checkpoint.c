/* Checkpoints (C2SP tlog-checkpoint v1.0.0): a note of origin, size and root.
 * REQ: C2SP/tlog-checkpoint */
#include "base/banned.h"

#include "base/hash.h"
#include "base/str.h"
#include "engine/log/note.h"

#define SIZE_LIMIT     (UINT64_C(1) << 63)
#define TEXT_MAX       1024 /* origin, size and root fit twice over */
#define SIGNED_MAX     (TEXT_MAX + PL_SIGNER_KEYS_MAX * 512)

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

/* A log key signs notes of its own origin only (one key, one log). */
static pl_rc keys_check(const pl_checkpoint *c, const pl_signer *s, pl_error *err)
{
    for (size_t i = 0; i < pl_signer_count(s); i++) {
        const pl_vkey *k = pl_signer_key(s, i);

        if (strcmp(c->origin, k->name) != 0)
            return pl_fail(err, PL_INVALID, "key '%s' may not sign for origin '%s'", k->name,
                           c->origin);
    }
    return PL_OK;
}

static pl_rc sign_text(pl_str text, const pl_signer *s, pl_buf *out, pl_error *err)
{
    pl_sig   sig[PL_SIGNER_KEYS_MAX];
    pl_note *n = calloc(1, sizeof(*n));
    pl_rc    rc = PL_OK;

    if (n == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    n->text = text;
    for (size_t i = 0; rc == PL_OK && i < pl_signer_count(s); i++) {
        const pl_vkey *k = pl_signer_key(s, i);

        rc = pl_signer_sign(s, i, text, &sig[i], err);
        n->sigs[n->nsigs++] = (pl_note_sig){ pl_str_z(k->name), k->keyid, sig[i].b, sig[i].n };
    }
    if (rc == PL_OK) {
        pl_note_format(n, out);
        rc = pl_buf_check(out, err);
    }
    free(n);
    return rc;
}

pl_rc pl_checkpoint_sign(const pl_checkpoint *c, const pl_signer *s, char **out, size_t *n,
                         pl_error *err)
{
    pl_buf text = PL_BUF_INIT(TEXT_MAX), note = PL_BUF_INIT(SIGNED_MAX);
    pl_rc  rc = pl_checkpoint_check(c, err);

    if (rc == PL_OK)
        rc = keys_check(c, s, err);
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

/* PL_NOTFOUND: signed by none of the keys. */
static pl_rc keys_verify(const pl_note *n, const pl_vkey *keys, size_t nkeys, uint8_t *signed_by,
                         pl_error *err)
{
    bool any = false;

    for (size_t i = 0; i < nkeys; i++) {
        pl_rc rc = pl_note_verify(n, &keys[i], err);

        if (rc != PL_OK && rc != PL_NOTFOUND)
            return rc;
        any |= rc == PL_OK;
        if (signed_by != NULL)
            signed_by[i] = rc == PL_OK;
    }
    return any ? PL_OK : PL_NOTFOUND;
}

static pl_rc origin_check(const pl_checkpoint *c, const pl_vkey *keys, size_t nkeys, pl_error *err)
{
    for (size_t i = 0; i < nkeys; i++)
        if (strcmp(c->origin, keys[i].name) != 0)
            return pl_fail(err, PL_INVALID, "checkpoint of '%s' is signed by '%s'", c->origin,
                           keys[i].name);
    return PL_OK;
}

pl_rc pl_checkpoint_open_any(pl_str note, const pl_vkey *keys, size_t nkeys, pl_checkpoint *out,
                             uint8_t *signed_by, pl_error *err)
{
    pl_checkpoint c;
    pl_note      *n = NULL;
    pl_rc         rc = pl_note_open(note, &n, err);

    if (rc == PL_OK)
        rc = keys_verify(n, keys, nkeys, signed_by, err);
    if (rc == PL_OK)
        rc = pl_checkpoint_parse(n->text, &c, err);
    if (rc == PL_OK)
        rc = pl_checkpoint_check(&c, err);
    pl_note_free(n);
    if (rc == PL_NOTFOUND && nkeys == 1)
        return pl_fail(err, PL_INVALID, "checkpoint is not signed by '%s' with key id %08x",
                       keys->name, (unsigned)keys->keyid);
    if (rc == PL_NOTFOUND)
        return pl_fail(err, PL_INVALID, "checkpoint is not signed by any of %zu known keys", nkeys);
    if (rc == PL_OK)
        rc = origin_check(&c, keys, nkeys, err);
    if (rc == PL_OK)
        *out = c;
    return rc;
}

pl_rc pl_checkpoint_open(pl_str note, const pl_vkey *k, pl_checkpoint *out, pl_error *err)
{
    return pl_checkpoint_open_any(note, k, 1, out, NULL, err);
}
