/* PROVES: DSSE/1.0.2 */
#include "log_test.h"

#include "base/buf.h"
#include "base/hash.h"
#include "base/str.h"
#include "engine/log/note.h"

#define TYPE "http://example.com/HelloWorld"
#define BODY "hello world"
#define PAE  "DSSEv1 29 http://example.com/HelloWorld 11 hello world"

typedef struct fx {
    pl_signer *signer[2];
    pl_vkey    key[2];
    char      *env;
    size_t     env_n;
    pl_error   err;
} fx;

static int setup(void **state)
{
    fx *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    for (unsigned i = 0; i < 2; i++) {
        uint8_t seed[32] = { (uint8_t)(i + 1) };

        assert_ok(pl_signer_new(PL_STR("k.example"), seed, &f->signer[i], &f->err), &f->err);
        f->key[i] = *pl_signer_key(f->signer[i], 0);
    }
    assert_ok(pl_dsse_sign(PL_STR(TYPE), PL_STR(BODY), f->signer[0], &f->env, &f->env_n, &f->err),
              &f->err);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fx *f = *state;

    pl_signer_free(f->signer[0]);
    pl_signer_free(f->signer[1]);
    free(f->env);
    free(f);
    return 0;
}

static pl_rc open_with(fx *f, const char *envelope, const pl_vkey *keys, size_t nkeys)
{
    pl_dsse d;
    pl_rc   rc = pl_dsse_open(lt_z(envelope), keys, nkeys, &d, &f->err);

    if (rc == PL_OK) {
        assert_str(((pl_str){ d.payload, d.payload_n }), BODY);
        assert_string_equal(d.payload_type, TYPE);
        pl_dsse_done(&d);
    }
    return rc;
}

/* The encoding is checked through what is signed: the signature must be the one over
 * the published 54 bytes. */
static void dsse_sign__signs_the_published_pae(void **state)
{
    fx     *f = *state;
    pl_sig  sig;
    uint8_t h[32], want[32];
    pl_buf  b = PL_BUF_INIT(4096);
    char    fingerprint[65];

    assert_int_equal(sizeof(PAE) - 1, 54);
    pl_sha256_of(PL_STR(PAE), h);
    lt_unhex("217751fac2c4f14edb2c9297fbc34abcb016ba88e74757e875ec4ac16fb6b6a1", want, 32);
    assert_memory_equal(h, want, 32);
    assert_ok(pl_signer_sign(f->signer[0], 0, PL_STR(PAE), &sig, &f->err), &f->err);
    pl_vkey_fingerprint(&f->key[0], fingerprint);
    pl_buf_printf(&b,
                  "{\"payload\":\"aGVsbG8gd29ybGQ=\",\"payloadType\":\"" TYPE
                  "\",\"signatures\":[{\"keyid\":\"%s\",\"sig\":\"",
                  fingerprint);
    pl_buf_base64(&b, sig.b, sig.n);
    pl_buf_puts(&b, "\"}]}");
    assert_str(pl_buf_str(&b), f->env);
    pl_buf_done(&b);
}

static void dsse_open__gives_payload_type_and_verifying_key(void **state)
{
    fx     *f = *state;
    pl_dsse d;
    char    fingerprint[65];

    assert_ok(pl_dsse_open((pl_str){ f->env, f->env_n }, f->key, 1, &d, &f->err), &f->err);
    assert_str(((pl_str){ d.payload, d.payload_n }), BODY);
    assert_string_equal(d.payload_type, TYPE);
    pl_vkey_fingerprint(&f->key[0], fingerprint);
    assert_string_equal(d.keyid, fingerprint);
    pl_dsse_done(&d);
}

static void dsse_open__tries_every_key_and_ignores_the_keyid_hint(void **state)
{
    fx     *f = *state;
    pl_vkey swapped[2] = { f->key[1], f->key[0] };
    pl_buf  b = PL_BUF_INIT(4096);
    char   *hint = strstr(f->env, "\"keyid\":\"");

    assert_rc(open_with(f, f->env, swapped, 2), PL_OK);
    hint[sizeof("\"keyid\":\"")] ^= 1;
    assert_rc(open_with(f, f->env, f->key, 1), PL_OK);
    pl_buf_done(&b);
}

static void dsse_open__rejects_unknown_keys(void **state)
{
    fx *f = *state;

    assert_rc(open_with(f, f->env, &f->key[1], 1), PL_INVALID);
    assert_string_equal(f->err.text, "no signature of a known key verifies");
    assert_rc(open_with(f, f->env, NULL, 0), PL_INVALID);
}

static void replace(fx *f, const char *from, const char *to)
{
    char  *at = strstr(f->env, from), *made = NULL;

    assert_non_null(at);
    assert_true(asprintf(&made, "%.*s%s%s", (int)(at - f->env), f->env, to, at + strlen(from)) > 0);
    free(f->env);
    f->env = made;
    f->env_n = strlen(made);
}

static void dsse_open__binds_the_payload(void **state)
{
    fx *f = *state;

    replace(f, "aGVsbG8gd29ybGQ=", "aGVsbG8gd29ybGE=");
    assert_rc(open_with(f, f->env, f->key, 2), PL_INVALID);
}

static void dsse_open__binds_the_payload_type(void **state)
{
    fx *f = *state;

    replace(f, "HelloWorld\"", "HelloWorle\"");
    assert_rc(open_with(f, f->env, f->key, 2), PL_INVALID);
}

/* "http://example.com/HelloWorld 11 hello" must not move into the type. */
static void dsse_open__length_prefixes_keep_type_and_body_apart(void **state)
{
    fx *f = *state;

    replace(f, TYPE, TYPE " 11 hello");
    replace(f, "aGVsbG8gd29ybGQ=", "d29ybGQ=");
    assert_rc(open_with(f, f->env, f->key, 2), PL_INVALID);
}

static void dsse_open__accepts_url_safe_base64(void **state)
{
    fx     *f = *state;
    pl_dsse d;
    pl_str  body = PL_STR("\xfb\xff\xfe?>");
    char   *env = NULL;
    size_t  n = 0;

    assert_ok(pl_dsse_sign(PL_STR(TYPE), body, f->signer[0], &env, &n, &f->err), &f->err);
    free(f->env);
    f->env = env;
    replace(f, "+//+Pz4=", "-__-Pz4=");
    assert_ok(pl_dsse_open((pl_str){ f->env, f->env_n }, f->key, 1, &d, &f->err), &f->err);
    assert_int_equal(d.payload_n, body.n);
    assert_memory_equal(d.payload, body.p, body.n);
    pl_dsse_done(&d);
    replace(f, "-__-Pz4=", "-_/+Pz4=");
    assert_rc(pl_dsse_open((pl_str){ f->env, f->env_n }, f->key, 1, &d, &f->err), PL_INVALID);
}

static void dsse_open__uses_any_good_signature_of_several(void **state)
{
    fx *f = *state;

    replace(f, "[{", "[{\"keyid\":\"x\",\"sig\":\"AAAA\"},{\"sig\":\"AAECAwQFBgc=\"},{");
    assert_rc(open_with(f, f->env, f->key, 2), PL_OK);
}

static void dsse_open__ignores_unknown_members(void **state)
{
    fx *f = *state;

    replace(f, "{\"payload\"", "{\"note\":[1,{}],\"payload\"");
    assert_rc(open_with(f, f->env, f->key, 2), PL_OK);
}

static void dsse_open__rejects_malformed_envelopes(void **state)
{
    static const char *const bad[] = {
        "",
        "[]",
        "\"x\"",
        "{}",
        "{\"payload\":\"\",\"payloadType\":\"t\"}",
        "{\"payload\":\"\",\"payloadType\":\"t\",\"signatures\":[]}",
        "{\"payload\":\"\",\"payloadType\":\"t\",\"signatures\":{}}",
        "{\"payload\":\"\",\"payloadType\":\"t\",\"signatures\":[1]}",
        "{\"payload\":\"\",\"payloadType\":\"t\",\"signatures\":[{}]}",
        "{\"payload\":\"\",\"payloadType\":\"t\",\"signatures\":[{\"sig\":1}]}",
        "{\"payload\":\"\",\"payloadType\":\"t\",\"signatures\":[{\"sig\":\"@\"}]}",
        "{\"payload\":\"\",\"payloadType\":\"\",\"signatures\":[{\"sig\":\"AAAA\"}]}",
        "{\"payload\":\"\",\"payloadType\":7,\"signatures\":[{\"sig\":\"AAAA\"}]}",
        "{\"payload\":\"\",\"payloadType\":\"a\\u0000b\",\"signatures\":[{\"sig\":\"AAAA\"}]}",
        "{\"payload\":\"aGk\",\"payloadType\":\"t\",\"signatures\":[{\"sig\":\"AAAA\"}]}",
        "{\"payload\":null,\"payloadType\":\"t\",\"signatures\":[{\"sig\":\"AAAA\"}]}",
        "{\"payloadType\":\"t\",\"signatures\":[{\"sig\":\"AAAA\"}]}",
    };
    fx *f = *state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (open_with(f, bad[i], f->key, 2) != PL_INVALID)
            fail_msg("envelope '%s' was not rejected", bad[i]);
    replace(f, "}]}", "}]} ");
    assert_rc(open_with(f, f->env, f->key, 2), PL_OK);
    replace(f, "}]} ", "}]}x");
    assert_rc(open_with(f, f->env, f->key, 2), PL_INVALID);
}

/* Two members of one name could be read differently by two readers. */
static void dsse_open__rejects_duplicate_members(void **state)
{
    fx *f = *state;

    replace(f, "{\"payload\"", "{\"payload\":\"aGk=\",\"payload\"");
    assert_rc(open_with(f, f->env, f->key, 2), PL_INVALID);
}

static void dsse__counts_the_length_of_the_type_in_bytes(void **state)
{
    fx     *f = *state;
    uint8_t sig[64];
    pl_sig  want;
    char   *env = NULL, *at;
    size_t  n = 0;
    pl_buf  b = PL_BUF_INIT(256);

    assert_ok(pl_dsse_sign(PL_STR("\xe5\x87\x86/\xe7\xbb\xb3"), PL_STR("x"), f->signer[0], &env, &n,
                           &f->err),
              &f->err);
    assert_ok(pl_signer_sign(f->signer[0], 0, PL_STR("DSSEv1 7 \xe5\x87\x86/\xe7\xbb\xb3 1 x"),
                             &want, &f->err),
              &f->err);
    at = strstr(env, "\"sig\":\"") + 7;
    assert_ok(pl_base64_decode((pl_str){ at, 88 }, sig, sizeof(sig), &n, &f->err), &f->err);
    assert_memory_equal(sig, want.b, 64);
    free(env);
    pl_buf_done(&b);
}

static void dsse_sign__refuses_a_type_that_is_not_utf8(void **state)
{
    fx    *f = *state;
    char  *env = NULL;
    size_t n = 0;

    assert_rc(pl_dsse_sign(PL_STR("\xff"), PL_STR("x"), f->signer[0], &env, &n, &f->err),
              PL_INVALID);
    assert_rc(pl_dsse_sign(PL_STR(""), PL_STR("x"), f->signer[0], &env, &n, &f->err), PL_INVALID);
    assert_null(env);
}

static void dsse_open__rejects_every_changed_bit_of_the_signature(void **state)
{
    fx   *f = *state;
    char *at = strstr(f->env, "\"sig\":\"") + 7;

    for (size_t i = 0; i < 88; i++) {
        char keep = at[i];

        at[i] = keep == 'A' ? 'B' : 'A';
        if (open_with(f, f->env, f->key, 2) != PL_INVALID)
            fail_msg("character %zu may be changed", i);
        at[i] = keep;
    }
    assert_rc(open_with(f, f->env, f->key, 2), PL_OK);
}

static void commit__equals_the_vector(void **state)
{
    uint8_t salt[32];
    pl_hash c;

    (void)state;
    for (unsigned i = 0; i < 32; i++)
        salt[i] = (uint8_t)i;
    c = pl_commit(salt, PL_STR("hello"));
    lt_assert_hash(&c, "b47a72ca6b6f03815508eae9d8bc1fe202977ec9bc8cff6b143ddfd1f00907a3");
}

static void commit__agrees_with_hmac_over_the_joined_message(void **state)
{
    static const char domain[] = "plumbline.commit.v1"; /* with its NUL */
    uint64_t          seed = 54;

    (void)state;
    for (size_t n = 0; n < 300; n += 7) {
        uint8_t salt[32], want[32];
        char    message[sizeof(domain) + 300];
        pl_hash c;

        for (size_t i = 0; i < 32; i++)
            salt[i] = (uint8_t)lt_random(&seed);
        memcpy(message, domain, sizeof(domain));
        for (size_t i = 0; i < n; i++)
            message[sizeof(domain) + i] = (char)lt_random(&seed);
        pl_hmac_sha256(salt, 32, (pl_str){ message, sizeof(domain) + n }, want);
        c = pl_commit(salt, (pl_str){ message + sizeof(domain), n });
        assert_memory_equal(c.b, want, 32);
    }
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(dsse_sign__signs_the_published_pae),
        T(dsse_open__gives_payload_type_and_verifying_key),
        T(dsse_open__tries_every_key_and_ignores_the_keyid_hint),
        T(dsse_open__rejects_unknown_keys),
        T(dsse_open__binds_the_payload),
        T(dsse_open__binds_the_payload_type),
        T(dsse_open__length_prefixes_keep_type_and_body_apart),
        T(dsse_open__accepts_url_safe_base64),
        T(dsse_open__uses_any_good_signature_of_several),
        T(dsse_open__ignores_unknown_members),
        T(dsse_open__rejects_malformed_envelopes),
        T(dsse_open__rejects_duplicate_members),
        T(dsse__counts_the_length_of_the_type_in_bytes),
        T(dsse_sign__refuses_a_type_that_is_not_utf8),
        T(dsse_open__rejects_every_changed_bit_of_the_signature),
        cmocka_unit_test(commit__equals_the_vector),
        cmocka_unit_test(commit__agrees_with_hmac_over_the_joined_message),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
