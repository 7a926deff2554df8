/* What manifests may bring along: compression, answers about revocation, bindings of other kinds. */
#include "base/hash.h"
#include "c2pa_test.h"
#include "engine/media/c2pa/jumbf.h"
#include "engine/media/c2pa/ocsp.h"

#include <brotli/encode.h>
#include <openssl/ocsp.h>

#define URN "urn:c2pa:3f0b3c7e-5d3c-4a3e-9b6f-0d9d9f4f2a11"

typedef struct fx {
    test_identity id;
    pl_arena     *a;
    pl_error      err;
} fx;

static int up(void **state)
{
    fx *f = calloc(1, sizeof *f);

    test_identity_new(&f->id, -7, "emailProtection");
    f->a = pl_arena_new(128u << 20);
    *state = f;
    return 0;
}

static int down(void **state)
{
    fx *f = *state;

    test_identity_free(&f->id);
    pl_arena_free(f->a);
    free(f);
    return 0;
}

/* --- a store by hand ----------------------------------------------------------------------------- */

static void put_super(pl_buf *b, const char code[4], const char *label, uint32_t type, pl_str content)
{
    size_t from = pl_jumbf_super_begin(b, code, pl_str_z(label)), box = pl_jumbf_box_begin(b, type);

    pl_buf_put(b, content);
    pl_jumbf_end(b, box);
    pl_jumbf_end(b, from);
}

static void put_pair(pl_buf *b, const char *k, const char *v)
{
    pl_cbor_put_textz(b, k);
    pl_cbor_put_textz(b, v);
}

static void put_ref(pl_buf *claim, const char *label, pl_str box)
{
    char    url[128];
    uint8_t sum[32];

    (void)snprintf(url, sizeof url, "self#jumbf=c2pa.assertions/%s", label);
    pl_sha256_of((pl_str){ box.p + 8, box.n - 8 }, sum);
    pl_cbor_put_map(claim, 2);
    put_pair(claim, "url", url);
    pl_cbor_put_textz(claim, "hash");
    pl_cbor_put_bytes(claim, (pl_str){ (char *)sum, 32 });
}

/* The COSE message over a claim, with these answers about revocation. */
static void put_signature(fx *f, pl_str claim, const pl_str *answers, size_t n, pl_buf *out)
{
    pl_buf  head = PL_BUF_INIT(1u << 16), message = PL_BUF_INIT(1u << 20);
    uint8_t sig[COSE_SIG_MAX];

    pl_cose_protected(&head, &f->id.signer);
    pl_cose_to_be_signed(&message, "Signature1", pl_buf_str(&head), claim);
    assert_ok(f->id.signer.sign(f->id.signer.ctx, pl_buf_str(&message), sig, &f->err), &f->err);
    pl_cbor_put_tag(out, 18);
    pl_cbor_put_array(out, 4);
    pl_cbor_put_bytes(out, pl_buf_str(&head));
    pl_cbor_put_map(out, n > 0 ? 1 : 0);
    if (n > 0) {
        pl_cbor_put_textz(out, "rVals");
        pl_cbor_put_map(out, 1);
        pl_cbor_put_textz(out, "ocspVals");
        pl_cbor_put_array(out, n);
        for (size_t i = 0; i < n; i++)
            pl_cbor_put_bytes(out, answers[i]);
    }
    pl_cbor_put_null(out);
    pl_cbor_put_bytes(out, (pl_str){ (char *)sig, f->id.signer.sig_n });
    pl_buf_done(&head);
    pl_buf_done(&message);
}

/* One manifest: created by a model, bound by an assertion of that label. */
static void manifest_make(fx *f, const char *binding, const pl_str *answers, size_t n, pl_buf *out)
{
    pl_buf actions = PL_BUF_INIT(4096), bound = PL_BUF_INIT(4096), one = PL_BUF_INIT(8192), two = PL_BUF_INIT(8192);
    pl_buf claim = PL_BUF_INIT(8192), sig = PL_BUF_INIT(1u << 20);
    size_t m, as;

    pl_cbor_put_map(&actions, 1);
    pl_cbor_put_textz(&actions, "actions");
    pl_cbor_put_array(&actions, 1);
    pl_cbor_put_map(&actions, 2);
    put_pair(&actions, "action", "c2pa.created");
    put_pair(&actions, "digitalSourceType", "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia");
    pl_cbor_put_map(&bound, 2);
    put_pair(&bound, "alg", "sha256");
    pl_cbor_put_textz(&bound, "uris");
    pl_cbor_put_array(&bound, 0);
    put_super(&one, "cbor", "c2pa.actions.v2", JUMBF_CBOR, pl_buf_str(&actions));
    put_super(&two, "cbor", binding, JUMBF_CBOR, pl_buf_str(&bound));
    pl_cbor_put_map(&claim, 4);
    put_pair(&claim, "instanceID", "xmp:iid:1");
    pl_cbor_put_textz(&claim, "claim_generator_info");
    pl_cbor_put_map(&claim, 1);
    put_pair(&claim, "name", "by hand");
    put_pair(&claim, "signature", "self#jumbf=/c2pa/" URN "/c2pa.signature");
    pl_cbor_put_textz(&claim, "created_assertions");
    pl_cbor_put_array(&claim, 2);
    put_ref(&claim, "c2pa.actions.v2", pl_buf_str(&one));
    put_ref(&claim, binding, pl_buf_str(&two));
    put_signature(f, pl_buf_str(&claim), answers, n, &sig);
    m = pl_jumbf_super_begin(out, "c2ma", PL_STR(URN));
    as = pl_jumbf_super_begin(out, "c2as", PL_STR("c2pa.assertions"));
    pl_buf_put(out, pl_buf_str(&one));
    pl_buf_put(out, pl_buf_str(&two));
    pl_jumbf_end(out, as);
    put_super(out, "c2cl", "c2pa.claim.v2", JUMBF_CBOR, pl_buf_str(&claim));
    put_super(out, "c2cs", "c2pa.signature", JUMBF_CBOR, pl_buf_str(&sig));
    pl_jumbf_end(out, m);
    pl_buf_done(&actions);
    pl_buf_done(&bound);
    pl_buf_done(&one);
    pl_buf_done(&two);
    pl_buf_done(&claim);
    pl_buf_done(&sig);
}

static const c2pa_report *check(fx *f, pl_str manifests, bool with_file, const char *pem)
{
    static const char  bytes[] = "a file";
    pl_str             whole = { bytes, sizeof bytes - 1 };
    pl_media_io        io = test_io(&whole);
    pl_media_range     range = { 0, 1 };
    c2pa_asset         asset = { &io, PL_MEDIA_PNG, &range, 1 };
    c2pa_trust         trust = { .n = 1, .lists = { { .name = PL_STR("roots"), .pem = pl_str_z(pem) } } };
    c2pa_how           how = { .trust = &trust, .now_ms = TEST_NOW_MS };
    pl_buf             store = PL_BUF_INIT(64u << 20);
    size_t             from = pl_jumbf_super_begin(&store, "c2pa", PL_STR("c2pa"));
    const c2pa_report *r = NULL;
    char              *copy;

    pl_buf_put(&store, manifests);
    pl_jumbf_end(&store, from);
    copy = pl_arena_alloc(f->a, store.n);
    memcpy(copy, store.p, store.n);
    assert_ok(pl_c2pa_check((pl_str){ copy, store.n }, with_file ? &asset : NULL, &how, f->a, &r, &f->err), &f->err);
    pl_buf_done(&store);
    return r;
}

static const c2pa_code *code(const c2pa_report *r, const char *name)
{
    for (size_t i = 0; i < r->codes_n; i++)
        if (strcmp(r->codes[i].code, name) == 0)
            return &r->codes[i];
    return NULL;
}

/* --- compression ------------------------------------------------------------------------------------ */

static void pack(pl_str plain, const char *label, size_t cut, const char *behind, pl_buf *out)
{
    uint8_t *p = malloc(plain.n + 4096);
    size_t   n = plain.n + 4096;
    pl_buf   b = PL_BUF_INIT(64u << 20);

    assert_non_null(p);
    assert_int_equal(BrotliEncoderCompress(5, BROTLI_DEFAULT_WINDOW, BROTLI_MODE_GENERIC, plain.n, (const uint8_t *)plain.p, &n, p), 1);
    pl_buf_put(&b, (pl_str){ (char *)p, n - cut });
    pl_buf_puts(&b, behind);
    put_super(out, "c2cm", label, JUMBF_BROB, pl_buf_str(&b));
    pl_buf_done(&b);
    free(p);
}

/* PROVES: C2PA-2.2/11.2.5 */
static void compressed__says_what_the_plain_one_says(void **state)
{
    fx                *f = *state;
    pl_buf             plain = PL_BUF_INIT(1u << 20), packed = PL_BUF_INIT(1u << 20);
    const c2pa_report *a, *b;

    manifest_make(f, "c2pa.hash.data", NULL, 0, &plain);
    pack(pl_buf_str(&plain), URN, 0, "", &packed);
    assert_true(packed.n < plain.n);
    a = check(f, pl_buf_str(&plain), false, f->id.ca_pem);
    b = check(f, pl_buf_str(&packed), false, f->id.ca_pem);
    assert_string_equal(a->state, "Trusted");
    assert_string_equal(b->state, "Trusted");
    assert_true(b->is_generated);
    assert_str(b->manifest, URN);
    assert_str(b->generator, "by hand");
    assert_int_equal(a->codes_n, b->codes_n);
    for (size_t i = 0; i < a->codes_n; i++)
        assert_string_equal(a->codes[i].code, b->codes[i].code);
    pl_buf_done(&plain);
    pl_buf_done(&packed);
}

static void compressed__is_invalid_when_it_is_anything_else(void **state)
{
    fx    *f = *state;
    pl_buf plain = PL_BUF_INIT(1u << 20), big = PL_BUF_INIT(64u << 20), none = PL_BUF_INIT(4096);
    struct {
        pl_str      plain;
        const char *label, *behind;
        size_t      cut;
    } cases[6];

    manifest_make(f, "c2pa.hash.data", NULL, 0, &plain);
    for (size_t i = 0; i < 40u << 20; i += 4096) /* of 40 MiB: more than is taken, from a few bytes */
        for (size_t k = 0; k < 4096; k++)
            pl_buf_putc(&big, '\0');
    put_super(&none, "c2as", URN, JUMBF_CBOR, PL_STR("x"));
    memcpy(cases, (__typeof__(cases)){ { pl_buf_str(&plain), "urn:c2pa:another", "", 0 },
                                       { pl_buf_str(&plain), URN, "", 1 },
                                       { pl_buf_str(&plain), URN, "x", 0 },
                                       { pl_buf_str(&none), URN, "", 0 },
                                       { pl_buf_str(&big), URN, "", 0 },
                                       { PL_STR("no boxes"), URN, "", 0 } }, sizeof cases);
    for (size_t i = 0; i < 6; i++) {
        pl_buf             packed = PL_BUF_INIT(1u << 20);
        const c2pa_report *r;
        const c2pa_code   *c;

        pack(cases[i].plain, cases[i].label, cases[i].cut, cases[i].behind, &packed);
        r = check(f, pl_buf_str(&packed), false, f->id.ca_pem);
        c = code(r, "manifest.compressed.invalid");
        assert_non_null(c);
        assert_int_equal(c->level, C2PA_FAILURE);
        assert_true(c->why[0] != '\0');
        assert_string_equal(r->state, "Invalid");
        pl_buf_done(&packed);
    }
    pl_buf_done(&none);
    pl_buf_done(&big);
    pl_buf_done(&plain);
}

/* --- revocation ------------------------------------------------------------------------------------------- */

/* status V_OCSP_CERTSTATUS_…; revoked_at and from in seconds around now. */
static pl_str answer(fx *f, int status, int reason, long revoked_at, long from, long until, EVP_PKEY *key, X509 *signer, X509 *leaf)
{
    OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
    OCSP_CERTID    *id = OCSP_cert_to_id(NULL, leaf, f->id.ca);
    time_t          now = TEST_NOW_MS / 1000;
    ASN1_TIME      *t[3] = { ASN1_TIME_set(NULL, now + revoked_at), ASN1_TIME_set(NULL, now + from), ASN1_TIME_set(NULL, now + until) };
    OCSP_RESPONSE  *r;
    unsigned char  *der = NULL;
    char           *copy;
    int             n;

    for (int i = 0; i < 3; i++)
        (void)ASN1_TIME_to_generalizedtime(t[i], NULL);
    assert_non_null(OCSP_basic_add1_status(basic, id, status, reason, t[0], t[1], t[2]));
    assert_int_equal(OCSP_basic_sign(basic, signer, key, EVP_sha256(), NULL, 0), 1);
    r = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
    n = i2d_OCSP_RESPONSE(r, &der);
    assert_true(n > 0);
    copy = pl_arena_alloc(f->a, (size_t)n);
    memcpy(copy, der, (size_t)n);
    OPENSSL_free(der);
    OCSP_RESPONSE_free(r);
    OCSP_BASICRESP_free(basic);
    OCSP_CERTID_free(id);
    for (int i = 0; i < 3; i++)
        ASN1_TIME_free(t[i]);
    return (pl_str){ copy, (size_t)n };
}

static const c2pa_report *with_answers(fx *f, const pl_str *answers, size_t n)
{
    pl_buf             m = PL_BUF_INIT(1u << 20);
    const c2pa_report *r;

    manifest_make(f, "c2pa.hash.data", answers, n, &m);
    r = check(f, pl_buf_str(&m), false, f->id.ca_pem);
    pl_buf_done(&m);
    return r;
}

#define HOUR 3600L
/* PROVES: C2PA-2.2/15.9 */
static void revocation__is_judged_by_answers_the_manifest_brings(void **state)
{
    fx               *f = *state;
    EVP_PKEY         *k = f->id.ca_key;
    X509             *ca = f->id.ca, *leaf = f->id.leaf;
    EVP_PKEY         *stranger = test_key(-7), *delegate_key = test_key(-7);
    X509             *strange = test_cert(stranger, NULL, stranger, "Test Root", NULL);
    X509             *delegate = test_cert(delegate_key, ca, k, "Responder", "OCSPSigning");
    X509             *unfit = test_cert(delegate_key, ca, k, "Responder", "emailProtection");
    const int         good = V_OCSP_CERTSTATUS_GOOD, gone = V_OCSP_CERTSTATUS_REVOKED, unknown = V_OCSP_CERTSTATUS_UNKNOWN;
    const int         stolen = OCSP_REVOKED_STATUS_KEYCOMPROMISE, ended = OCSP_REVOKED_STATUS_CESSATIONOFOPERATION;
    const struct {
        pl_str        answer;
        const char   *code, *state;
        c2pa_standing standing;
    } cases[] = {
        { answer(f, good, 0, 0, -HOUR, HOUR, k, ca, leaf), "signingCredential.ocsp.notRevoked", "Trusted", C2PA_TRUSTED },
        { answer(f, good, 0, 0, -HOUR, HOUR, delegate_key, delegate, leaf), "signingCredential.ocsp.notRevoked", "Trusted", C2PA_TRUSTED },
        { answer(f, gone, ended, -9 * HOUR, -HOUR, HOUR, k, ca, leaf), "signingCredential.ocsp.revoked", "Invalid", C2PA_REVOKED },
        { answer(f, gone, ended, 9 * HOUR, -HOUR, HOUR, k, ca, leaf), "signingCredential.ocsp.notRevoked", "Trusted", C2PA_TRUSTED },
        { answer(f, gone, stolen, 9 * HOUR, -HOUR, HOUR, k, ca, leaf), "signingCredential.ocsp.revoked", "Invalid", C2PA_REVOKED },
        { answer(f, unknown, 0, 0, -HOUR, HOUR, k, ca, leaf), "signingCredential.ocsp.unknown", "Invalid", C2PA_TRUSTED },
        { answer(f, good, 0, 0, -9 * HOUR, -8 * HOUR, k, ca, leaf), "signingCredential.ocsp.skipped", "Trusted", C2PA_TRUSTED },
        { answer(f, good, 0, 0, 8 * HOUR, 9 * HOUR, k, ca, leaf), "signingCredential.ocsp.skipped", "Trusted", C2PA_TRUSTED },
        { answer(f, gone, ended, -9 * HOUR, -HOUR, HOUR, stranger, strange, leaf), "signingCredential.ocsp.skipped", "Trusted", C2PA_TRUSTED },
        { answer(f, good, 0, 0, -HOUR, HOUR, delegate_key, unfit, leaf), "signingCredential.ocsp.skipped", "Trusted", C2PA_TRUSTED },
        { answer(f, good, 0, 0, -HOUR, HOUR, k, ca, ca), "signingCredential.ocsp.skipped", "Trusted", C2PA_TRUSTED },
        { PL_STR("no answer"), "signingCredential.ocsp.skipped", "Trusted", C2PA_TRUSTED },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const c2pa_report *r = with_answers(f, &cases[i].answer, 1);

        if (!code(r, cases[i].code))
            fail_msg("case %zu has no %s", i, cases[i].code);
        assert_string_equal(r->state, cases[i].state);
        assert_int_equal(r->standing, cases[i].standing);
        assert_true(r->integrity != C2PA_BROKEN);
    }
    { /* where answers differ, the worst counts */
        pl_str             both[] = { cases[0].answer, cases[2].answer };
        const c2pa_report *r = with_answers(f, both, 2);
        assert_non_null(code(r, "signingCredential.ocsp.revoked"));
    }
    assert_non_null(code(with_answers(f, NULL, 0), "signingCredential.ocsp.skipped"));
    X509_free(strange);
    X509_free(delegate);
    X509_free(unfit);
    EVP_PKEY_free(stranger);
    EVP_PKEY_free(delegate_key);
}

/* --- bindings that are not verified -------------------------------------------------------------------------- */

static void binding__of_another_kind_is_neither_valid_nor_broken(void **state)
{
    static const char *const labels[] = { "c2pa.hash.collection.data", "c2pa.hash.multi-asset" };
    fx                      *f = *state;

    for (size_t i = 0; i < 2; i++) {
        pl_buf             m = PL_BUF_INIT(1u << 20);
        const c2pa_report *r;

        manifest_make(f, labels[i], NULL, 0, &m);
        r = check(f, pl_buf_str(&m), true, f->id.ca_pem);
        assert_non_null(code(r, "algorithm.unsupported"));
        assert_string_equal(r->state, "Invalid");
        assert_int_equal(r->integrity, C2PA_NOT_CHECKED);
        assert_int_equal(r->standing, C2PA_TRUSTED);
        pl_buf_done(&m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(compressed__says_what_the_plain_one_says, up, down),
        cmocka_unit_test_setup_teardown(compressed__is_invalid_when_it_is_anything_else, up, down),
        cmocka_unit_test_setup_teardown(revocation__is_judged_by_answers_the_manifest_brings, up, down),
        cmocka_unit_test_setup_teardown(binding__of_another_kind_is_neither_valid_nor_broken, up, down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
