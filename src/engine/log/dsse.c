/* DSSE v1.0.2 envelopes. The payload that was verified is the payload handed out:
 * nothing is parsed twice. REQ: DSSE/1.0.2 */
#include "base/banned.h"

#include "base/buf.h"
#include "base/str.h"
#include "base/utf8.h"

#include "engine/log/dsse.h"

#define ENVELOPE_MAX (16u << 20)

/* "DSSEv1" SP LEN(type) SP type SP LEN(body) SP body; lengths are bytes. */
static void pae(pl_str type, pl_str body, pl_buf *out)
{
    pl_buf_printf(out, "DSSEv1 %zu ", type.n);
    pl_buf_put(out, type);
    pl_buf_printf(out, " %zu ", body.n);
    pl_buf_put(out, body);
}

static pl_rc signature_put(pl_str message, const pl_signer *s, size_t i, pl_buf *out,
                           pl_error *err)
{
    const pl_vkey *k = pl_signer_key(s, i);
    char           keyid[65];
    pl_sig         sig;
    pl_rc          rc = pl_signer_sign(s, i, message, &sig, err);


    if (rc != PL_OK)
        return rc;
    pl_vkey_fingerprint(k, keyid);
    pl_buf_printf(out, "%s{\"keyid\":\"%s\",\"sig\":\"", i > 0 ? "," : "", keyid);
    pl_buf_base64(out, sig.b, sig.n);
    pl_buf_puts(out, "\"}");
    return PL_OK;
}

static pl_rc envelope_put(pl_str type, pl_str payload, const pl_signer *s, pl_buf *out,
                          pl_error *err)
{
    pl_buf message = PL_BUF_INIT(ENVELOPE_MAX);
    pl_rc  rc;

    pae(type, payload, &message);
    rc = pl_buf_check(&message, err);
    pl_buf_puts(out, "{\"payload\":\"");
    pl_buf_base64(out, payload.p, payload.n);
    pl_buf_puts(out, "\",\"payloadType\":\"");
    pl_buf_json(out, type);
    pl_buf_puts(out, "\",\"signatures\":[");
    for (size_t i = 0; rc == PL_OK && i < pl_signer_count(s); i++)
        rc = signature_put(pl_buf_str(&message), s, i, out, err);
    pl_buf_puts(out, "]}");
    pl_buf_done(&message);
    return rc == PL_OK ? pl_buf_check(out, err) : rc;
}

pl_rc pl_dsse_sign(pl_str payload_type, pl_str payload, const pl_signer *s, char **out, size_t *n,
                   pl_error *err)
{
    pl_buf envelope = PL_BUF_INIT(ENVELOPE_MAX);
    pl_rc  rc;

    if (payload_type.n == 0 || !pl_utf8_valid(payload_type))
        return pl_fail(err, PL_INVALID, "payload type is empty or not UTF-8");
    rc = envelope_put(payload_type, payload, s, &envelope, err);
    if (rc != PL_OK) {
        pl_buf_done(&envelope);
        return rc;
    }
    *out = envelope.p;
    *n = envelope.n;
    return PL_OK;
}

/* Standard or URL-safe alphabet, padded; never a mixture. malloc'd and terminated. */
static pl_rc either_base64(pl_str s, const char *what, char **out, size_t *n, pl_error *err)
{
    char *standard = pl_str_dup(s);
    char *bytes = malloc(s.n / 4 * 3 + 4);
    bool  urlsafe = memchr(s.p, '-', s.n) != NULL || memchr(s.p, '_', s.n) != NULL;
    pl_rc rc = PL_OK;

    if (standard == NULL || bytes == NULL)
        rc = pl_fail(err, PL_NOMEM, "out of memory");
    for (size_t i = 0; rc == PL_OK && urlsafe && i < s.n; i++) {
        if (standard[i] == '+' || standard[i] == '/')
            rc = pl_fail(err, PL_INVALID, "%s mixes two base64 alphabets", what);
        standard[i] = standard[i] == '-' ? '+' : standard[i] == '_' ? '/' : standard[i];
    }
    if (rc == PL_OK)
        rc = pl_base64_decode((pl_str){ standard, s.n }, bytes, s.n / 4 * 3 + 3, n, err);
    free(standard);
    if (rc != PL_OK) {
        free(bytes);
        return rc;
    }
    bytes[*n] = '\0';
    *out = bytes;
    return PL_OK;
}

static pl_rc type_take(const json_t *envelope, pl_dsse *d, pl_error *err)
{
    pl_str type;
    pl_rc  rc = pl_json_get_str(envelope, "payloadType", true, &type, err);

    if (rc != PL_OK)
        return rc;
    if (type.n == 0 || memchr(type.p, '\0', type.n) != NULL)
        return pl_fail(err, PL_INVALID, "payload type is empty or holds a NUL");
    d->payload_type = pl_str_dup(type);
    return d->payload_type != NULL ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");
}

static pl_rc payload_take(const json_t *envelope, pl_dsse *d, pl_error *err)
{
    pl_str text;
    pl_rc  rc = pl_json_get_str(envelope, "payload", true, &text, err);

    return rc == PL_OK ? either_base64(text, "payload", &d->payload, &d->payload_n, err) : rc;
}

/* What signatures are judged against, and who was found to have signed. */
typedef struct judging {
    pl_str         message;
    const pl_vkey *keys;
    size_t         nkeys;
    pl_dsse       *d;
} judging;

static void signer_add(judging *g, size_t key)
{
    pl_dsse *d = g->d;

    for (size_t i = 0; i < d->nsigners; i++)
        if (pl_vkey_equal(&g->keys[d->signer[i]], &g->keys[key]))
            return;
    if (d->nsigners == 0)
        pl_vkey_fingerprint(&g->keys[key], d->keyid);
    d->signer[d->nsigners++] = (unsigned)key;
}

static bool verifies(const judging *g, size_t key, pl_str sig)
{
    return pl_vkey_verify(&g->keys[key], g->message, sig, NULL) == PL_OK;
}

/* keyid is a hint that anybody could have written, so every key is tried; but a signature
 * that says it is a known key's and is not has been spoilt. */
static pl_rc signature_judge(judging *g, pl_str sig, pl_str keyid, pl_error *err)
{
    size_t named = g->nkeys;

    for (size_t i = 0; i < g->nkeys && named == g->nkeys; i++) {
        char fingerprint[65];

        pl_vkey_fingerprint(&g->keys[i], fingerprint);
        if (pl_str_eqz(keyid, fingerprint))
            named = i;
    }
    if (named < g->nkeys) {
        if (!verifies(g, named, sig))
            return pl_fail(err, PL_INVALID, "signature of '%s' does not verify",
                           g->keys[named].name);
        signer_add(g, named);
        return PL_OK;
    }
    for (size_t i = 0; i < g->nkeys; i++)
        if (verifies(g, i, sig)) {
            signer_add(g, i);
            break;
        }
    return PL_OK;
}

static pl_rc signature_take(judging *g, const json_t *sig, pl_error *err)
{
    pl_str text, keyid = PL_STR("");
    char  *bytes = NULL;
    size_t n = 0;
    pl_rc  rc;

    if (!json_is_object(sig))
        return pl_fail(err, PL_INVALID, "signature is not an object");
    rc = pl_json_get_str(sig, "sig", true, &text, err);
    if (rc == PL_OK)
        rc = either_base64(text, "signature", &bytes, &n, err);
    if (rc != PL_OK)
        return rc;
    (void)pl_json_get_str(sig, "keyid", false, &keyid, NULL);
    rc = signature_judge(g, (pl_str){ bytes, n }, keyid, err);
    free(bytes);
    return rc;
}

static pl_rc signatures_verify(const json_t *envelope, const pl_vkey *keys, size_t nkeys,
                               pl_dsse *d, pl_error *err)
{
    const json_t *sigs = json_object_get(envelope, "signatures");
    pl_buf        message = PL_BUF_INIT(ENVELOPE_MAX);
    judging       g = { .keys = keys, .nkeys = nkeys, .d = d };
    pl_rc         rc;

    if (!json_is_array(sigs) || json_array_size(sigs) == 0)
        return pl_fail(err, PL_INVALID, "envelope has no signatures");
    /* Each costs one verification per known key. */
    if (json_array_size(sigs) > PL_DSSE_SIGS_MAX)
        return pl_fail(err, PL_INVALID, "envelope has more than %d signatures", PL_DSSE_SIGS_MAX);
    pae(pl_str_z(d->payload_type), (pl_str){ d->payload, d->payload_n }, &message);
    rc = pl_buf_check(&message, err);
    g.message = pl_buf_str(&message);
    for (size_t i = 0; rc == PL_OK && i < json_array_size(sigs); i++)
        rc = signature_take(&g, json_array_get(sigs, i), err);
    pl_buf_done(&message);
    if (rc == PL_OK && d->nsigners == 0)
        return pl_fail(err, PL_INVALID, "no signature of a known key verifies");
    return rc;
}

pl_rc pl_dsse_read_unverified(pl_str envelope, pl_dsse *out, json_t **j, pl_error *err)
{
    pl_dsse d = { .payload_n = 0 };
    json_t *top = NULL;
    pl_rc   rc;

    if (envelope.n > ENVELOPE_MAX)
        return pl_fail(err, PL_LIMIT, "envelope is larger than %u bytes", ENVELOPE_MAX);
    rc = pl_json_parse(envelope, "envelope", &top, err);
    if (rc != PL_OK)
        return rc;
    if (!json_is_object(top))
        rc = pl_fail(err, PL_INVALID, "envelope is not a JSON object");
    if (rc == PL_OK)
        rc = type_take(top, &d, err);
    if (rc == PL_OK)
        rc = payload_take(top, &d, err);
    if (rc != PL_OK) {
        json_decref(top);
        pl_dsse_done(&d);
        return rc;
    }
    *j = top;
    *out = d;
    return PL_OK;
}

pl_rc pl_dsse_open(pl_str envelope, const pl_vkey *keys, size_t nkeys, pl_dsse *out, pl_error *err)
{
    pl_dsse d;
    json_t *j = NULL;
    pl_rc   rc = pl_dsse_read_unverified(envelope, &d, &j, err);

    if (rc != PL_OK)
        return rc;
    rc = signatures_verify(j, keys, nkeys, &d, err);
    json_decref(j);
    if (rc != PL_OK) {
        pl_dsse_done(&d);
        return rc;
    }
    *out = d;
    return PL_OK;
}

void pl_dsse_done(pl_dsse *d)
{
    free(d->payload_type);
    free(d->payload);
    *d = (pl_dsse){ .payload_n = 0 };
}
