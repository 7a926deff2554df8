/* Tokens under a secret. Properties: bytes that nobody signed are never trusted; what was signed gives a claim
 * only under an algorithm that goes with a secret, and no longer when a byte of what was signed is another. */
#include "base/banned.h"

#include "base/hash.h"
#include "base/str.h"
#include "cap/guard/pl_jwt.h"

static const uint8_t secret[] = "a secret of more than 32 bytes, of the fuzz target";
#define NOW INT64_C(1800000000000)

static void check(bool ok)
{
    if (!ok)
        abort();
}

static pl_rc claim(pl_str token, pl_buf *out)
{
    pl_rc rc = pl_jwt_claim((pl_str){ (const char *)secret, sizeof secret - 1 }, token, "sub", NOW, out);

    check(rc == PL_OK || rc == PL_DENIED || rc == PL_NOTFOUND || rc == PL_NOMEM);
    check(rc == PL_OK || out->n == 0);
    return rc;
}

/* base64url without padding. */
static void part(pl_buf *out, const void *p, size_t n)
{
    size_t at = out->n;

    pl_buf_base64(out, p, n);
    while (out->n > at && out->p[out->n - 1] == '=')
        out->n--;
    for (size_t i = at; i < out->n; i++)
        out->p[i] = out->p[i] == '+' ? '-' : out->p[i] == '/' ? '_' : out->p[i];
}

static void token_of(pl_str header, pl_str body, pl_buf *token)
{
    uint8_t mac[32];

    part(token, header.p, header.n);
    pl_buf_putc(token, '.');
    part(token, body.p, body.n);
    pl_hmac_sha256(secret, sizeof secret - 1, pl_buf_str(token), mac);
    pl_buf_putc(token, '.');
    part(token, mac, sizeof mac);
}

/* One of the known headers by the first byte, or what the input has up to a line feed. */
static void signed_token(const uint8_t *data, size_t size)
{
    static const char *const headers[] = { "{\"alg\":\"HS256\"}", "{\"alg\":\"HS256\",\"typ\":\"JWT\"}",
                                           "{\"alg\":\"none\"}", "{\"alg\":\"RS256\"}" };
    const uint8_t *lf = memchr(data, '\n', size);
    size_t         pick = data[0] % 5, first = lf ? (size_t)(lf - data) : size;
    bool           own = pick == 4;
    pl_str         header = own ? (pl_str){ (const char *)data + 1, first - 1 } : pl_str_z(headers[pick]);
    size_t         from = own ? first : 1;
    pl_buf         token = PL_BUF_INIT(4 * PL_JWT_MAX), out = PL_BUF_INIT(PL_JWT_MAX);
    pl_rc          rc;

    if (own && first == 0)
        return;
    token_of(header, (pl_str){ (const char *)data + from, size - from }, &token);
    rc = claim(pl_buf_str(&token), &out);
    check(pick != 2 && pick != 3 ? true : rc == PL_DENIED);
    if (rc == PL_OK || rc == PL_NOTFOUND) {
        pl_buf_clear(&out);
        token.p[size % (token.n - 44)] ^= 1; /* the last 43 characters and their dot are the signature */
        check(claim(pl_buf_str(&token), &out) == PL_DENIED);
    }
    pl_buf_done(&token);
    pl_buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pl_buf out = PL_BUF_INIT(PL_JWT_MAX);

    if (size == 0)
        return 0;
    check(claim((pl_str){ (const char *)data, size }, &out) == PL_DENIED);
    pl_buf_done(&out);
    signed_token(data, size);
    return 0;
}
