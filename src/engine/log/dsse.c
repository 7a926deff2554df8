/* DSSE v1.0.2 envelopes. The payload that was verified is the payload handed out:
 * nothing is parsed twice. */
#include "base/banned.h"

#include "base/buf.h"
#include "base/json.h"
#include "base/str.h"
#include "base/utf8.h"

#include "engine/log/note.h"

#define ENVELOPE_MAX (16u << 20)
#define SIGS_MAX     16 /* each costs one verification per known key */

/* "DSSEv1" SP LEN(type) SP type SP LEN(body) SP body; lengths are bytes. */
static void pae(pl_str type, pl_str body, pl_buf *out)
{
    pl_buf_printf(out, "DSSEv1 %zu ", type.n);
    pl_buf_put(out, type);
    pl_buf_printf(out, " %zu ", body.n);
    pl_buf_put(out, body);
}

static void envelope_format(pl_str type, pl_str payload, const pl_vkey *k, const uint8_t sig[64],
                            pl_buf *out)
{
    char keyid[65];

    pl_vkey_fingerprint(k, keyid);
    pl_buf_puts(out, "{\"payload\":\"");
    pl_buf_base64(out, payload.p, payload.n);
    pl_buf_puts(out, "\",\"payloadType\":\"");
    pl_buf_json(out, type);
    pl_buf_printf(out, "\",\"signatures\":[{\"keyid\":\"%s\",\"sig\":\"", keyid);
    pl_buf_base64(out, sig, 64);
    pl_buf_puts(out, "\"}]}");
}

pl_rc pl_dsse_sign(pl_str payload_type, pl_str payload, const pl_signer *s, char **out, size_t *n,
                   pl_error *err)
{
    pl_buf  message = PL_BUF_INIT(ENVELOPE_MAX), envelope = PL_BUF_INIT(ENVELOPE_MAX);
    uint8_t sig[64];
    pl_rc   rc;

    if (payload_type.n == 0 || !pl_utf8_valid(payload_type))
        return pl_fail(err, PL_INVALID, "payload type is empty or not UTF-8");
    pae(payload_type, payload, &message);
    rc = pl_buf_check(&message, err);
    if (rc == PL_OK)
        rc = pl_signer_sign(s, pl_buf_str(&message), sig, err);
    pl_buf_done(&message);
    if (rc == PL_OK) {
        envelope_format(payload_type, payload, pl_signer_key(s), sig, &envelope);
        rc = pl_buf_check(&envelope, err);
    }
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

/* PL_OK when this signature verifies with one of the keys; its keyid is only a hint
 * that anybody could have written, so every key is tried. */
static pl_rc signature_try(const json_t *sig, pl_str message, const pl_vkey *keys, size_t nkeys,
                           char keyid[65], pl_error *err)
{
    pl_str text;
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
    rc = PL_NOTFOUND;
    for (size_t i = 0; rc == PL_NOTFOUND && n == 64 && i < nkeys; i++)
        if (pl_vkey_verify(&keys[i], message, (const uint8_t *)bytes, NULL) == PL_OK) {
            pl_vkey_fingerprint(&keys[i], keyid);
            rc = PL_OK;
        }
    free(bytes);
    return rc;
}

static pl_rc signatures_verify(const json_t *envelope, const pl_vkey *keys, size_t nkeys,
                               pl_dsse *d, pl_error *err)
{
    const json_t *sigs = json_object_get(envelope, "signatures");
    pl_buf        message = PL_BUF_INIT(ENVELOPE_MAX);
    pl_rc         rc;

    if (!json_is_array(sigs) || json_array_size(sigs) == 0)
        return pl_fail(err, PL_INVALID, "envelope has no signatures");
    if (json_array_size(sigs) > SIGS_MAX)
        return pl_fail(err, PL_INVALID, "envelope has more than %d signatures", SIGS_MAX);
    pae(pl_str_z(d->payload_type), (pl_str){ d->payload, d->payload_n }, &message);
    rc = pl_buf_check(&message, err);
    if (rc == PL_OK)
        rc = PL_NOTFOUND;
    for (size_t i = 0; rc == PL_NOTFOUND && i < json_array_size(sigs); i++)
        rc = signature_try(json_array_get(sigs, i), pl_buf_str(&message), keys, nkeys, d->keyid,
                           err);
    pl_buf_done(&message);
    return rc == PL_NOTFOUND ? pl_fail(err, PL_INVALID, "no signature of a known key verifies")
                             : rc;
}

pl_rc pl_dsse_open(pl_str envelope, const pl_vkey *keys, size_t nkeys, pl_dsse *out, pl_error *err)
{
    pl_dsse d = { .payload_n = 0 };
    json_t *j = NULL;
    pl_rc   rc;

    if (envelope.n > ENVELOPE_MAX)
        return pl_fail(err, PL_LIMIT, "envelope is larger than %u bytes", ENVELOPE_MAX);
    rc = pl_json_parse(envelope, "envelope", &j, err);
    if (rc != PL_OK)
        return rc;
    if (!json_is_object(j))
        rc = pl_fail(err, PL_INVALID, "envelope is not a JSON object");
    if (rc == PL_OK)
        rc = type_take(j, &d, err);
    if (rc == PL_OK)
        rc = payload_take(j, &d, err);
    if (rc == PL_OK)
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
