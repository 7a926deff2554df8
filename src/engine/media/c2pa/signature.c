/* The signature of a claim: C2PA 2.x 15.7 to 15.9. */
#include "base/banned.h"

#include "base/timefmt.h"
#include "engine/log/timestamp.h"
#include "engine/media/c2pa/c2pa_int.h"
#include "engine/media/c2pa/ocsp.h"

#include <openssl/x509.h>

typedef struct judged {
    c2pa_check    *c;
    c2pa_manifest *m;
    pl_str         url;
    cose_sign1     sign;
    c2pa_chain     chain;
    int64_t        time_ms; /* by which the certificate is judged */
    bool           has_time, is_fit, is_active, is_revoked;
} judged;

static void say(judged *j, const char *code, const char *why)
{
    pl_c2pa_say(j->c, j->m, code, j->url, why);
}

/* --- time stamps ------------------------------------------------------------------------- */

/* A bare TimeStampToken (sigTst2) as the answer it came in: granted, and the token. The first
 * element of an answer is a SEQUENCE, that of a token an OBJECT IDENTIFIER. */
static bool as_response(pl_str der, pl_buf *out)
{
    size_t head = der.n > 1 && ((uint8_t)der.p[1] & 0x80) ? 2 + ((size_t)der.p[1] & 0x7F) : 2;
    size_t n = der.n + 5;

    if (der.n < 8 || head >= der.n || der.n > (1u << 20))
        return false;
    if ((uint8_t)der.p[head] != 0x06) {
        pl_buf_put(out, der);
    } else {
        pl_buf_puts(out, "\x30\x83");
        for (int i = 16; i >= 0; i -= 8)
            pl_buf_putc(out, (char)(n >> i));
        pl_buf_put(out, (pl_str){ "\x30\x03\x02\x01\x00", 5 });
        pl_buf_put(out, der);
    }
    return !out->failed;
}

/* What a time stamp covers: sigTst the claim, sigTst2 the signature (C2PA 2.x 10.3.2.5). */
static void stamped_bytes(const judged *j, bool is_v2, pl_buf *out)
{
    pl_buf sig = PL_BUF_INIT(COSE_SIG_MAX * 4);

    if (is_v2) {
        pl_cbor_put_bytes(&sig, j->sign.signature);
        pl_cose_to_be_signed(out, "CounterSignature", j->sign.protected_bytes, pl_buf_str(&sig));
    } else {
        pl_cose_to_be_signed(out, "CounterSignature", j->sign.protected_bytes, j->m->claim_bytes);
    }
    pl_buf_done(&sig);
}

/* All anchors given are asked: authorities for time stamps stand in the same lists. */
static void roots_of(const c2pa_how *how, pl_buf *out)
{
    pl_buf_put(out, how->tsa_roots);
    for (size_t i = 0; how->trust && i < how->trust->n; i++) {
        if (!how->trust->lists[i].is_allowed) {
            pl_buf_putc(out, '\n');
            pl_buf_put(out, how->trust->lists[i].pem);
        }
    }
}

static void stamp_accept(judged *j, const timestamp_facts *f)
{
    say(j, "timeStamp.validated", NULL);
    say(j, f->is_trusted ? "timeStamp.trusted" : "timeStamp.untrusted", f->signer);
    /* A stamp of an authority nobody vouches for proves no time (15.8), except for claims of
     * version 1, whose specification knew no such list. */
    if (f->is_trusted || j->m->version == 1) {
        j->time_ms = f->time_ms;
        j->has_time = true;
    }
    if (j->is_active) {
        j->c->r->time_ms = j->has_time ? f->time_ms : 0;
        j->c->r->is_tsa_trusted = f->is_trusted;
        (void)snprintf(j->c->r->tsa, sizeof j->c->r->tsa, "%s", f->signer);
    }
}

static void stamp_judge(judged *j, pl_str der, bool is_v2)
{
    pl_buf          response = PL_BUF_INIT(2u << 20), message = PL_BUF_INIT(JUMBF_STORE_MAX);
    pl_buf          roots = PL_BUF_INIT(1u << 20);
    timestamp_facts f;
    pl_error        why;
    pl_rc           rc = PL_INVALID;

    (void)snprintf(why.text, sizeof why.text, "not a time stamp");
    stamped_bytes(j, is_v2, &message);
    roots_of(j->c->how, &roots);
    if (as_response(der, &response))
        rc = pl_timestamp_verify(pl_buf_str(&response), pl_buf_str(&message), pl_buf_str(&roots),
                                 &f, &why);
    if (rc == PL_OK)
        stamp_accept(j, &f);
    else
        say(j, rc == PL_CONFLICT ? "timeStamp.mismatch" : "timeStamp.malformed", why.text);
    pl_buf_done(&roots);
    pl_buf_done(&message);
    pl_buf_done(&response);
}

static void stamps_judge(judged *j)
{
    bool             is_v2 = true;
    const cbor_item *i = pl_cbor_get(j->sign.unprotected, "sigTst2"), *tokens;

    if (!i) {
        i = pl_cbor_get(j->sign.unprotected, "sigTst");
        is_v2 = false;
    }
    if (!i)
        return;
    tokens = pl_cbor_get(i, "tstTokens");
    if (!tokens || tokens->kind != CBOR_ARRAY || tokens->n == 0)
        say(j, "timeStamp.malformed", "it holds no token");
    else
        stamp_judge(j, pl_cbor_bytes(pl_cbor_get(&tokens->items[0], "val")), is_v2);
}

/* --- the certificate --------------------------------------------------------------------- */

static void standing_set(judged *j, c2pa_standing s)
{
    if (j->is_active)
        j->c->r->standing = s;
}

static bool is_valid_in_time(judged *j)
{
    if (pl_c2pa_cert_is_valid_at(j->chain.certs[0], j->time_ms))
        return true;
    standing_set(j, C2PA_EXPIRED);
    if (j->has_time)
        say(j, "claimSignature.outsideValidity", "the certificate was not valid when it was used");
    else
        say(j, "signingCredential.expired", "not valid now, and no time stamp shows that it was");
    return false;
}

static void trust_judge(judged *j)
{
    const c2pa_trust      *t = j->c->how->trust;
    const c2pa_trust_list *l = pl_c2pa_trust_find(t, &j->chain, j->time_ms);

    if (l && j->is_active)
        j->c->r->trust_list = l->name;
    if (l)
        standing_set(j, C2PA_TRUSTED);
    else
        standing_set(j, t && t->n > 0 ? C2PA_UNTRUSTED : C2PA_NOT_ASKED);
    if (l)
        say(j, "signingCredential.trusted", NULL);
    else
        say(j, "signingCredential.untrusted", t && t->n > 0 ? "no list vouches for the signer"
                                                            : "no trust list was given");
}

/* Only what the manifest brings along: nobody is asked. */
static void revocation_judge(judged *j)
{
    const cbor_item *list = pl_cbor_get(pl_cbor_get(j->sign.unprotected, "rVals"), "ocspVals");
    pl_str           answer[C2PA_OCSP_MAX];
    size_t           n = 0;
    const char      *why = NULL;
    c2pa_ocsp_state  state = C2PA_OCSP_NONE;

    for (size_t i = 0; list && list->kind == CBOR_ARRAY && i < list->n && n < C2PA_OCSP_MAX; i++)
        answer[n++] = pl_cbor_bytes(&list->items[i]);
    if (n > 0)
        state = pl_c2pa_ocsp_judge(answer, n, &j->chain, j->c->how->trust, j->time_ms, &why);
    j->is_revoked = state == C2PA_OCSP_REVOKED;
    say(j, state == C2PA_OCSP_REVOKED   ? "signingCredential.ocsp.revoked"
           : state == C2PA_OCSP_UNKNOWN ? "signingCredential.ocsp.unknown"
           : state == C2PA_OCSP_GOOD    ? "signingCredential.ocsp.notRevoked"
                                        : "signingCredential.ocsp.skipped",
        state == C2PA_OCSP_NONE ? why : NULL);
}

static bool certificate_judge(judged *j)
{
    pl_error why;
    bool     in_time;

    if (pl_c2pa_chain_read(j->sign.chain, j->sign.chain_n, &j->chain, &why) != PL_OK) {
        standing_set(j, C2PA_NO_SIGNER);
        say(j, "signingCredential.invalid", why.text);
        say(j, "claimSignature.mismatch", "there is no certificate to verify it with");
        return false;
    }
    if (j->is_active) {
        j->c->r->has_signer = true;
        pl_c2pa_cert_describe(j->chain.certs[0], &j->c->r->signer);
    }
    revocation_judge(j);
    if (pl_c2pa_cert_check(&j->chain, j->c->how->trust, &why) != PL_OK) {
        standing_set(j, C2PA_UNFIT);
        say(j, "signingCredential.invalid", why.text);
        return true;
    }
    trust_judge(j);
    in_time = is_valid_in_time(j);
    if (j->is_revoked)
        standing_set(j, C2PA_REVOKED);
    j->is_fit = in_time;
    return true;
}

/* --- the signature ------------------------------------------------------------------------ */

static void signature_verify(judged *j)
{
    EVP_PKEY *key = X509_get0_pubkey(j->chain.certs[0]);
    pl_error  why;
    pl_rc     rc = key ? pl_cose_verify(&j->sign, key, j->m->claim_bytes, &why)
                       : pl_fail(&why, PL_INVALID, "the certificate's key cannot be read");

    if (rc == PL_NOTFOUND) {
        say(j, "algorithm.unsupported", why.text);
    } else if (rc != PL_OK) {
        say(j, "claimSignature.mismatch", why.text);
    } else {
        say(j, "claimSignature.validated", NULL);
        if (j->is_fit)
            say(j, "claimSignature.insideValidity", NULL);
    }
}

/* The COSE message, without the zero bytes some writers fill the box with. */
static pl_str message_of(const jumbf_box *box)
{
    const jumbf_box *content = pl_jumbf_content(box, JUMBF_CBOR);

    return content ? content->payload : (pl_str){ "", 0 };
}

void pl_c2pa_signature_check(c2pa_check *c, c2pa_manifest *m)
{
    judged           j = { .c = c, .m = m, .time_ms = c->how->now_ms, .is_active = m->order == 0 };
    pl_str           ref = pl_cbor_text(pl_cbor_get(m->claim, "signature"));
    c2pa_manifest   *owner = NULL;
    const jumbf_box *box = pl_c2pa_resolve(c, m, ref, &owner);
    pl_error         why;

    j.url = pl_c2pa_url(c, m, "/", PL_STR("c2pa.signature"));
    standing_set(&j, C2PA_NO_SIGNER);
    if (!box || owner != m || !pl_jumbf_is(box, "c2cs")) {
        say(&j, "claimSignature.missing", NULL);
        return;
    }
    if (pl_cose_parse(message_of(box), c->a, &j.sign, &why) != PL_OK) {
        say(&j, "claimSignature.mismatch", why.text);
        return;
    }
    if (j.is_active)
        c->r->alg = pl_cose_alg_name(j.sign.alg);
    stamps_judge(&j);
    if (certificate_judge(&j))
        signature_verify(&j);
    pl_c2pa_chain_done(&j.chain);
}
