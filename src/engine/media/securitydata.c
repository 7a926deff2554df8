#include "base/banned.h"

#include "base/json.h"
#include "base/str.h"
#include "engine/log/key.h"
#include "engine/media/securitydata.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>

#define SM3_WITH_SM2 "1.2.156.10197.1.501" /* GM/T 0006 */

enum { POINT = 65, HALF = 32, HEX_MAX = 256 };

/* SubjectPublicKeyInfo of an SM2 key up to the point (RFC 5480 with the curve 1.2.156.10197.1.301). */
static const uint8_t spki_head[26] = { 0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48,
                                       0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08, 0x2A, 0x81, 0x1C,
                                       0xCF, 0x55, 0x01, 0x82, 0x2D, 0x03, 0x42, 0x00 };

typedef struct key_entry {
    pl_vkey key;
    pl_str  id;
} key_entry;

typedef struct sig_entry {
    uint8_t rs[2 * HALF];
    pl_str  id;
} sig_entry;

typedef struct reader {
    key_entry keys[PL_SECURITYDATA_KEYS];
    sig_entry sigs[PL_SECURITYDATA_KEYS];
    size_t    keys_n, sigs_n;
    bool      is_foreign; /* something of another algorithm is there */
    bool      is_bad;     /* a key or signature cannot be read       */
} reader;

const char *pl_security_state_name(pl_security_state s)
{
    static const char *const names[] = { "none",   "vendor-opaque", "verified(text)", "verified(digest)",
                                         "failed", "unsupported",   "malformed" };

    return names[s];
}

/* --- the parts ------------------------------------------------------------------------------- */

static pl_str text_of(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);

    return json_is_string(v) ? (pl_str){ json_string_value(v), json_string_length(v) }
                             : (pl_str){ "", 0 };
}

/* Hex of either case; the number of bytes, 0 when it is none or too long. */
static size_t unhex(pl_str s, uint8_t *out, size_t cap)
{
    char lower[HEX_MAX];

    if (s.n == 0 || s.n % 2 != 0 || s.n > sizeof lower || s.n / 2 > cap)
        return 0;
    for (size_t i = 0; i < s.n; i++)
        lower[i] = s.p[i] >= 'A' && s.p[i] <= 'F' ? (char)(s.p[i] + 32) : s.p[i];
    return pl_hex_decode((pl_str){ lower, s.n }, out, s.n / 2, NULL) == PL_OK ? s.n / 2 : 0;
}

/* The point with this x and an even y: some writers leave y out. */
static bool lift(const uint8_t x[HALF], uint8_t out[POINT])
{
    EC_GROUP *g = EC_GROUP_new_by_curve_name(NID_sm2);
    EC_POINT *p = g ? EC_POINT_new(g) : NULL;
    BIGNUM   *b = BN_bin2bn(x, HALF, NULL);
    bool      ok = p && b && EC_POINT_set_compressed_coordinates(g, p, b, 0, NULL) == 1 &&
              EC_POINT_point2oct(g, p, POINT_CONVERSION_UNCOMPRESSED, out, POINT, NULL) == POINT;

    BN_free(b);
    EC_POINT_free(p);
    EC_GROUP_free(g);
    ERR_clear_error();
    return ok;
}

/* SubjectPublicKeyInfo, a bare point, or 00 and x. */
static bool key_read(pl_str hex, pl_vkey *out)
{
    uint8_t b[128], point[POINT];
    size_t  n = unhex(hex, b, sizeof b);

    if (n == sizeof spki_head + POINT && memcmp(b, spki_head, sizeof spki_head) == 0)
        memcpy(point, b + sizeof spki_head, POINT);
    else if (n == POINT && b[0] == 0x04)
        memcpy(point, b, POINT);
    else if (n != HALF + 1 || b[0] != 0x00 || !lift(b + 1, point))
        return false;
    return pl_vkey_make(PL_STR("label"), PL_KEY_SM2, (pl_str){ (const char *)point, POINT }, out,
                        NULL) == PL_OK;
}

/* One INTEGER of a DER signature, without superfluous bytes and never negative. */
static bool integer_read(const uint8_t **p, const uint8_t *end, uint8_t out[HALF])
{
    const uint8_t *v = *p + 2;
    size_t         n;

    if (end - *p < 3 || (*p)[0] != 0x02)
        return false;
    n = (*p)[1];
    if (n == 0 || n > HALF + 1 || n > (size_t)(end - v) || v[0] & 0x80)
        return false;
    *p = v + n;
    if (v[0] == 0 && n > 1) {
        if (!(v[1] & 0x80))
            return false;
        v++;
        n--;
    }
    if (n > HALF)
        return false;
    memset(out, 0, HALF);
    memcpy(out + HALF - n, v, n);
    return true;
}

/* r || s, or SEQUENCE { r, s }. */
static bool signature_read(pl_str hex, uint8_t rs[2 * HALF])
{
    uint8_t        b[96];
    size_t         n = unhex(hex, b, sizeof b);
    const uint8_t *p = b + 2, *end = b + n;

    if (n == 2 * HALF) {
        memcpy(rs, b, n);
        return true;
    }
    return n > 8 && b[0] == 0x30 && b[1] == n - 2 && integer_read(&p, end, rs) &&
           integer_read(&p, end, rs + HALF) && p == end;
}

static void entry_read(reader *r, const json_t *e)
{
    pl_str type = text_of(e, "Type"), alg = text_of(e, "AlgID");
    pl_str tbs = text_of(json_object_get(e, "TBSData"), "Type");

    if (pl_str_eqz(type, "PubKey") && pl_str_eqz(alg, SM3_WITH_SM2)) {
        if (r->keys_n < PL_SECURITYDATA_KEYS && key_read(text_of(e, "KeyValue"), &r->keys[r->keys_n].key))
            r->keys[r->keys_n++].id = text_of(e, "KeyID");
        else
            r->is_bad = true;
    } else if (pl_str_eqz(type, "DS") && pl_str_eqz(alg, SM3_WITH_SM2)) {
        /* "LabelMataData": so spelt in real files. */
        if (!pl_str_eqz(tbs, "Md") && !pl_str_eqz(tbs, "LabelMataData"))
            return;
        if (r->sigs_n < PL_SECURITYDATA_KEYS && signature_read(text_of(e, "Signature"), r->sigs[r->sigs_n].rs))
            r->sigs[r->sigs_n++].id = text_of(e, "KeyID");
        else
            r->is_bad = true;
    } else {
        r->is_foreign = true;
    }
}

/* --- judging ----------------------------------------------------------------------------------- */

static void message_put(pl_buf *b, pl_security_side side, const pl_security_label *l)
{
    bool is_producer = side == PL_SECURITY_PRODUCER;

    pl_buf_puts(b, "\"Label\":\"");
    pl_buf_put(b, l->label);
    pl_buf_puts(b, is_producer ? "\",\"ContentProducer\":\"" : "\",\"ContentPropagator\":\"");
    pl_buf_put(b, l->provider);
    pl_buf_puts(b, is_producer ? "\",\"ProduceID\":\"" : "\",\"PropagateID\":\"");
    pl_buf_put(b, l->id);
    pl_buf_putc(b, '"');
}

static bool ids_agree(pl_str a, pl_str b)
{
    return a.n == 0 || b.n == 0 || pl_str_eq(a, b);
}

/* The key that verifies one of the signatures over the message; NULL: none. */
static const pl_vkey *verified_by(const reader *r, pl_str message)
{
    for (size_t i = 0; i < r->sigs_n; i++)
        for (size_t k = 0; k < r->keys_n; k++)
            if (ids_agree(r->sigs[i].id, r->keys[k].id) &&
                pl_vkey_verify(&r->keys[k].key, message,
                               (pl_str){ (const char *)r->sigs[i].rs, 2 * HALF }, NULL) == PL_OK)
                return &r->keys[k].key;
    return NULL;
}

static void key_say(pl_security_report *out, const pl_vkey *key, const pl_vkey *pinned, size_t n)
{
    out->has_key = true;
    pl_vkey_fingerprint(key, out->key);
    for (size_t i = 0; i < n; i++)
        out->is_pinned = out->is_pinned || pl_vkey_equal(key, &pinned[i]);
}

/* REQ: TC260-PG-202511A/A.1  the signature over the label's members, in both forms that occur */
static void judge(const reader *r, pl_str text, pl_security_side side, const pl_vkey *pinned,
                  size_t npinned, pl_security_report *out)
{
    uint8_t        sm3[32];
    const pl_vkey *by = verified_by(r, text);

    out->state = PL_SECURITY_VERIFIED_TEXT;
    if (!by && EVP_Digest(text.p, text.n, sm3, NULL, EVP_sm3(), NULL) == 1) {
        by = verified_by(r, (pl_str){ (const char *)sm3, sizeof sm3 });
        out->state = PL_SECURITY_VERIFIED_DIGEST;
    }
    if (by) {
        key_say(out, by, pinned, npinned);
        return;
    }
    if (r->keys_n > 0)
        key_say(out, &r->keys[0].key, pinned, npinned);
    out->state = PL_SECURITY_FAILED;
    out->why = "no signature verifies over this label";
    if (side == PL_SECURITY_PROPAGATOR) {
        out->state = PL_SECURITY_UNSUPPORTED;
        out->why = "what a propagator signs is not published";
    }
}

static size_t count_of(const json_t *sd, const char *key)
{
    const json_t *v = json_object_get(sd, key);

    return json_is_array(v) ? json_array_size(v) : v ? 1 : 0;
}

static void data_read(const json_t *sd, pl_str text, pl_security_side side, const pl_vkey *pinned,
                      size_t npinned, pl_security_report *out)
{
    const json_t *list = json_object_get(sd, "PubSD");
    reader        r = { .keys_n = 0 };

    list = list ? list : json_object_get(sd, "PubSd"); /* so spelt in real files */
    out->bindings = count_of(sd, "Bindings");
    for (size_t i = 0; i < json_array_size(list) && i < 4 * PL_SECURITYDATA_KEYS; i++)
        entry_read(&r, json_array_get(list, i));
    out->signatures = r.sigs_n;
    if (r.sigs_n > 0 && r.keys_n > 0) {
        judge(&r, text, side, pinned, npinned, out);
        return;
    }
    out->state = r.is_bad ? PL_SECURITY_MALFORMED : PL_SECURITY_UNSUPPORTED;
    out->why = r.is_bad       ? "a key or a signature cannot be read"
               : r.is_foreign ? "another algorithm than SM3 with SM2"
                              : "no signature of the label, or no key to check it";
}

pl_rc pl_security_read(pl_str reserved, pl_security_side side, const pl_security_label *l,
                       const pl_vkey *pinned, size_t npinned, pl_security_report *out, pl_error *err)
{
    pl_security_report r = { .state = PL_SECURITY_NONE, .why = "" };
    pl_buf             text = PL_BUF_INIT(PL_SECURITYDATA_MAX);
    json_t            *tree = NULL;
    const json_t      *sd;

    reserved = pl_str_trim(reserved);
    if (reserved.n > 0 && reserved.p[0] == '{' && reserved.n <= PL_SECURITYDATA_MAX &&
        pl_json_parse(reserved, "SecurityData", &tree, NULL) != PL_OK)
        tree = NULL;
    sd = json_object_get(tree, "SecurityData");
    message_put(&text, side, l);
    if (json_is_object(sd))
        data_read(sd, pl_buf_str(&text), side, pinned, npinned, &r);
    else if (reserved.n > 0)
        r.state = memmem(reserved.p, reserved.n, "SecurityData", 12) ? PL_SECURITY_MALFORMED
                                                                      : PL_SECURITY_OPAQUE;
    json_decref(tree);
    pl_buf_done(&text);
    if (text.failed)
        return pl_fail(err, PL_NOMEM, "out of memory");
    *out = r;
    return PL_OK;
}

/* --- writing ------------------------------------------------------------------------------------ */

/* Annex E j): printable ASCII without space, quote and backslash. */
static bool is_plain(pl_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < 0x21 || s.p[i] > 0x7E || s.p[i] == '"' || s.p[i] == '\\')
            return false;
    return s.n > 0;
}

pl_rc pl_security_write(const pl_signer *s, const pl_security_label *l, pl_buf *out, pl_error *err)
{
    const pl_vkey *key = pl_signer_key(s, 0);
    pl_buf         text = PL_BUF_INIT(PL_SECURITYDATA_MAX);
    pl_sig         sig;
    pl_rc          rc = PL_OK;

    if (key->alg != PL_KEY_SM2)
        return pl_fail(err, PL_INVALID, "SecurityData needs an SM2 key, '%.80s' is %s", key->name,
                       pl_key_alg_name(key->alg));
    if (!is_plain(l->label) || !is_plain(l->provider) || !is_plain(l->id))
        return pl_fail(err, PL_INVALID, "SecurityData signs members of printable ASCII only");
    message_put(&text, PL_SECURITY_PRODUCER, l);
    rc = pl_buf_check(&text, err);
    if (rc == PL_OK)
        rc = pl_signer_sign(s, 0, pl_buf_str(&text), &sig, err);
    pl_buf_done(&text);
    if (rc != PL_OK)
        return rc;
    pl_buf_puts(out, "{\"SecurityData\":{\"Type\":\"TC260PG\",\"Version\":1,\"PubSD\":[{\"Type\":\"DS\","
                     "\"AlgID\":\"" SM3_WITH_SM2 "\",\"TBSData\":{\"Type\":\"Md\"},\"Signature\":\"");
    {
        uint8_t der[PL_SIG_MAX];
        size_t  n = pl_key_rs_to_der(sig.b, der);

        if (n == 0)
            return pl_fail(err, PL_NOMEM, "out of memory");
        pl_buf_hex(out, der, n);
    }
    pl_buf_puts(out, "\"},{\"Type\":\"PubKey\",\"AlgID\":\"" SM3_WITH_SM2 "\",\"KeyValue\":\"");
    pl_buf_hex(out, spki_head, sizeof spki_head);
    pl_buf_hex(out, key->pub, key->pub_n);
    pl_buf_puts(out, "\"}]}}");
    return pl_buf_check(out, err);
}
