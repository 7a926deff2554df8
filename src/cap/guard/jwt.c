#include "base/banned.h"

#include "base/json.h"
#include "base/str.h"
#include "cap/guard/pl_jwt.h"

#include <jwt.h>

#define SECRET_MIN 32

static bool is_pem(pl_str key)
{
    return key.n > 11 && memmem(key.p, key.n, "-----BEGIN ", 11) != NULL;
}

static bool may_use(jwt_alg_t alg, bool pem)
{
    switch (alg) {
    case JWT_ALG_HS256:
    case JWT_ALG_HS384:
    case JWT_ALG_HS512:
        return !pem;
    case JWT_ALG_RS256:
    case JWT_ALG_RS384:
    case JWT_ALG_RS512:
    case JWT_ALG_ES256:
    case JWT_ALG_ES384:
    case JWT_ALG_ES512:
        return pem;
    default: /* none, and whatever a later libjwt knows */
        return false;
    }
}

/* A time that is not a number is not before anything. */
static bool is_in_time(const json_t *claims, int64_t now_ms)
{
    const json_t *exp = json_object_get(claims, "exp"), *nbf = json_object_get(claims, "nbf");

    if ((exp && !json_is_number(exp)) || (nbf && !json_is_number(nbf)))
        return false;
    return (!exp || (double)now_ms / 1000 < json_number_value(exp)) &&
           (!nbf || (double)now_ms / 1000 >= json_number_value(nbf));
}

static pl_rc claim_put(const json_t *v, pl_buf *out)
{
    if (json_is_string(v))
        pl_buf_put(out, (pl_str){ json_string_value(v), json_string_length(v) });
    else if (json_is_integer(v))
        pl_buf_printf(out, "%lld", (long long)json_integer_value(v));
    else if (json_is_boolean(v))
        pl_buf_puts(out, json_is_true(v) ? "true" : "false");
    else
        return PL_NOTFOUND;
    return out->failed ? PL_NOMEM : PL_OK;
}

static pl_rc claim_of(jwt_t *jwt, const char *claim, int64_t now_ms, pl_buf *out)
{
    char   *text = jwt_get_grants_json(jwt, NULL);
    json_t *claims = NULL;
    pl_rc   rc = text ? pl_json_parse(pl_str_z(text), "token", &claims, NULL) : PL_DENIED;

    if (rc == PL_OK)
        rc = is_in_time(claims, now_ms) ? claim_put(json_object_get(claims, claim), out) : PL_DENIED;
    else
        rc = PL_DENIED;
    json_decref(claims);
    free(text);
    return rc;
}

pl_rc pl_jwt_claim(pl_str key, pl_str token, const char *claim, int64_t now_ms, pl_buf *out)
{
    char   text[PL_JWT_MAX + 1], secret[PL_JWT_KEY_MAX + 1];
    bool   pem = is_pem(key);
    jwt_t *jwt = NULL;
    pl_rc  rc = PL_DENIED;

    if (token.n == 0 || token.n > PL_JWT_MAX || memchr(token.p, '\0', token.n) || key.n > PL_JWT_KEY_MAX ||
        (!pem && key.n < SECRET_MIN))
        return PL_DENIED;
    memcpy(text, token.p, token.n);
    text[token.n] = '\0';
    memcpy(secret, key.p, key.n);
    secret[key.n] = '\0';
    if (jwt_decode(&jwt, text, (const unsigned char *)secret, (int)key.n) == 0 && jwt &&
        may_use(jwt_get_alg(jwt), pem))
        rc = claim_of(jwt, claim, now_ms, out);
    jwt_free(jwt);
    explicit_bzero(secret, sizeof secret);
    return rc;
}
