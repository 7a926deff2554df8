/* Asking for a time stamp, and whether an answer is to that question. */
#include "base/banned.h"

#include "base/hash.h"
#include "engine/log/timestamp.h"

#include <openssl/err.h>
#include <openssl/ts.h>

static bool imprint_set(TS_REQ *q, const uint8_t digest[32])
{
    TS_MSG_IMPRINT *m = TS_MSG_IMPRINT_new();
    X509_ALGOR     *a = X509_ALGOR_new();
    bool            ok = m != NULL && a != NULL &&
              X509_ALGOR_set0(a, OBJ_nid2obj(NID_sha256), V_ASN1_NULL, NULL) == 1 &&
              TS_MSG_IMPRINT_set_algo(m, a) == 1 &&
              TS_MSG_IMPRINT_set_msg(m, (unsigned char *)(uintptr_t)digest, 32) == 1 &&
              TS_REQ_set_msg_imprint(q, m) == 1;

    X509_ALGOR_free(a);
    TS_MSG_IMPRINT_free(m);
    return ok;
}

static bool nonce_set(TS_REQ *q, uint64_t nonce)
{
    ASN1_INTEGER *n = ASN1_INTEGER_new();
    bool          ok = n != NULL && ASN1_INTEGER_set_uint64(n, nonce) == 1 &&
              TS_REQ_set_nonce(q, n) == 1;

    ASN1_INTEGER_free(n);
    return ok;
}

/* REQ: RFC3161/2.4.1 */
pl_rc pl_timestamp_request(pl_str message, uint64_t nonce, pl_buf *out, pl_error *err)
{
    uint8_t        digest[32];
    TS_REQ        *q = TS_REQ_new();
    unsigned char *der = NULL;
    int            n = 0;

    pl_sha256_of(message, digest);
    if (q != NULL && TS_REQ_set_version(q, 1) == 1 && imprint_set(q, digest) &&
        nonce_set(q, nonce) && TS_REQ_set_cert_req(q, 1) == 1)
        n = i2d_TS_REQ(q, &der);
    if (n > 0)
        pl_buf_put(out, (pl_str){ (const char *)der, (size_t)n });
    OPENSSL_free(der);
    TS_REQ_free(q);
    ERR_clear_error();
    return n > 0 ? pl_buf_check(out, err) : pl_fail(err, PL_NOMEM, "out of memory");
}

/* REQ: RFC3161/2.4.2 */
pl_rc pl_timestamp_answers(pl_str response, uint64_t nonce, pl_error *err)
{
    const unsigned char *p = (const unsigned char *)response.p;
    TS_RESP             *r = response.n <= PL_TIMESTAMP_MAX ? d2i_TS_RESP(NULL, &p, (long)response.n)
                                                            : NULL;
    TS_TST_INFO         *info = r != NULL ? TS_RESP_get_tst_info(r) : NULL;
    const ASN1_INTEGER  *n = info != NULL ? TS_TST_INFO_get_nonce(info) : NULL;
    uint64_t             got = 0;
    bool                 ok = n != NULL && ASN1_INTEGER_get_uint64(&got, n) == 1 && got == nonce;

    TS_RESP_free(r);
    ERR_clear_error();
    return ok ? PL_OK : pl_fail(err, PL_INVALID, "time stamp: it answers another request");
}
