/* Exchanges that people look at: which ones, and what they get to see. */
#include "base/banned.h"

#include "base/hash.h"
#include "base/str.h"
#include "cap/guard/guard_int.h"
#include "cap/guard/seal.h"

#define PPM 1000000u

/* REQ: GUARD/review-sample  decided by the id alone, so that anybody can do the sum again:
 * the first 8 bytes of SHA-256("plumbline.review.v1" || 0 || id), big-endian, modulo a million. */
bool pl_review_samples(pl_str id, unsigned ppm)
{
    static const char domain[] = "plumbline.review.v1";
    char     text[sizeof domain + PL_ID_LEN];
    uint8_t  h[32];
    uint64_t v = 0;

    if (ppm == 0 || id.n != PL_ID_LEN)
        return false;
    memcpy(text, domain, sizeof domain);
    memcpy(text + sizeof domain, id.p, PL_ID_LEN);
    pl_sha256_of((pl_str){ text, sizeof text }, h);
    for (int i = 0; i < 8; i++)
        v = v << 8 | h[i];
    return v % PPM < ppm;
}

const char *pl_exchange_review_why(const pl_exchange *x)
{
    if (x->in.review || x->out.review)
        return "escalated";
    return pl_review_samples(pl_exchange_id(x), pl_policy_review(x->o.policy)->sample_ppm) ? "sampled" : NULL;
}

bool pl_exchange_wants_review(const pl_exchange *x)
{
    return pl_exchange_review_why(x) != NULL;
}

/* At most n bytes of s, cut between characters. */
static pl_str cut(pl_str s, size_t n)
{
    if (s.n <= n)
        return s;
    while (n > 0 && ((uint8_t)s.p[n] & 0xC0) == 0x80)
        n--;
    return (pl_str){ s.p, n };
}

static void text_put(pl_buf *b, uint64_t bytes, pl_str text, size_t most)
{
    text = cut(text, most);
    pl_buf_printf(b, "{\"bytes\":%llu,\"kept\":%zu,\"text\":\"", (unsigned long long)bytes, text.n);
    pl_buf_json(b, text);
    pl_buf_puts(b, "\"}");
}

void pl_exchange_review_content(pl_exchange *x, pl_str body, const uint8_t salt[32], pl_buf *out)
{
    size_t left = PL_REVIEW_KEPT;
    size_t from;

    pl_buf_put(out, (pl_str){ (const char *)salt, 32 });
    from = out->n;
    pl_buf_puts(out, "{\"v\":1,\"request\":");
    text_put(out, body.n, body, PL_REVIEW_KEPT);
    pl_buf_puts(out, ",\"answers\":[");
    for (int i = 0; i < x->choice_count && i < PL_EVENT_OUTPUTS_MAX; i++) {
        const choice *c = x->choices[i];
        pl_str        text = c ? cut(pl_buf_str(&c->text), left) : PL_STR("");

        if (i)
            pl_buf_putc(out, ',');
        text_put(out, c ? c->text_bytes : 0, text, left);
        left -= text.n;
    }
    pl_buf_puts(out, "]}");
    x->review_kept = !out->failed;
    if (x->review_kept)
        x->review_commitment = pl_commit(salt, (pl_str){ out->p + from, out->n - from });
}

void pl_exchange_review_drop(pl_exchange *x)
{
    x->review_kept = false;
}

void pl_review_transport_key(const uint8_t index_key[32], uint8_t out[32])
{
    pl_hmac_sha256(index_key, 32, PL_STR("plumbline.review.transport.v1"), out);
}

pl_rc pl_exchange_review_seal(pl_exchange *x, pl_str body, pl_buf *out)
{
    pl_buf  plain = PL_BUF_INIT(PL_REVIEW_MAX);
    uint8_t salt[32], key[32];
    pl_rc   rc = pl_random(salt, sizeof salt, NULL);

    if (rc == PL_OK) {
        pl_exchange_review_content(x, body, salt, &plain);
        rc = pl_buf_check(&plain, NULL);
    }
    if (rc == PL_OK) {
        pl_review_transport_key(x->o.index_key, key);
        rc = pl_seal(key, pl_exchange_id(x), pl_buf_str(&plain), out, NULL);
        explicit_bzero(key, sizeof key);
    }
    pl_buf_wipe(&plain);
    return rc;
}

void pl_exchange_review_member(const pl_exchange *x, pl_buf *b)
{
    const char *why = pl_exchange_review_why(x);
    char        hex[65] = "";

    if (!why)
        return;
    if (x->review_kept)
        pl_hex(x->review_commitment.b, 32, hex);
    pl_buf_puts(b, ",\"review\":{\"why\":\"");
    pl_buf_puts(b, why);
    pl_buf_puts(b, "\",\"commitment\":\"");
    pl_buf_puts(b, hex);
    pl_buf_puts(b, "\"}");
}
