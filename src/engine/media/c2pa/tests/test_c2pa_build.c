/* Manifests of our own: what is written is read back, and every change to it is found. The files
 * are bytes around a store: containers are tested where they are known. */
#include "c2pa_test.h"
#include "engine/media/c2pa/jumbf.h"

#define GENERATED "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"

static const char before_store[] = "a file, its beginning", after_store[] = "and the rest of it: pixels";

typedef struct fx {
    test_identity id;
    pl_arena     *a;
    pl_buf        store, file;
    pl_error      err;
} fx;

static int up(void **state)
{
    fx *f = calloc(1, sizeof *f);

    test_identity_new(&f->id, -7, "emailProtection");
    f->a = pl_arena_new(128u << 20);
    f->store = PL_BUF_INIT(16u << 20);
    f->file = PL_BUF_INIT(16u << 20);
    *state = f;
    return 0;
}

static int down(void **state)
{
    fx *f = *state;

    test_identity_free(&f->id);
    pl_arena_free(f->a);
    pl_buf_done(&f->store);
    pl_buf_done(&f->file);
    free(f);
    return 0;
}

static c2pa_draft sample(void)
{
    return (c2pa_draft){ .format = PL_MEDIA_PNG, .origin = C2PA_CREATED,
                         .manifest = PL_STR("urn:c2pa:3f0b3c7e-5d3c-4a3e-9b6f-0d9d9f4f2a11"),
                         .instance_id = PL_STR("xmp:iid:0f2b7f0e-50e1-4a3f-8c56-4f6f1d7a2b33"),
                         .title = PL_STR("梅花.png"), .source_type = PL_STR(GENERATED),
                         .generator = PL_STR("Plumbline"), .version = PL_STR("0.1.0"),
                         .when_ms = TEST_NOW_MS };
}

static void file_put(fx *f, pl_str store)
{
    pl_buf_clear(&f->file);
    pl_buf_puts(&f->file, before_store);
    pl_buf_put(&f->file, store);
    pl_buf_puts(&f->file, after_store);
}

static pl_media_range store_range(const fx *f)
{
    return (pl_media_range){ sizeof before_store - 1, f->store.n };
}

/* Size, layout, hash, signature: what a writer of a container does. */
static void sign(fx *f, const c2pa_draft *d, const c2pa_stamper *st)
{
    size_t       n = 0;
    c2pa_binding b;
    pl_str       whole;
    pl_media_io  io;

    pl_buf_clear(&f->store);
    assert_ok(pl_c2pa_draft_size(d, &f->id.signer, &n, &f->err), &f->err);
    for (size_t i = 0; i < n; i++)
        pl_buf_putc(&f->store, '\0');
    file_put(f, pl_buf_str(&f->store));
    whole = pl_buf_str(&f->file);
    io = test_io(&whole);
    assert_ok(pl_c2pa_bind(d, &io, store_range(f), &b, &f->err), &f->err);
    pl_buf_clear(&f->store);
    assert_ok(pl_c2pa_sign(d, &f->id.signer, &b, st, &f->store, &f->err), &f->err);
    assert_int_equal(f->store.n, n);
    file_put(f, pl_buf_str(&f->store));
}

static const c2pa_report *check_at(fx *f, const char *pem, int64_t now_ms, pl_media_range store)
{
    c2pa_trust         trust = { .n = pem ? 1 : 0 };
    c2pa_how           how = { .trust = &trust, .now_ms = now_ms };
    pl_str             whole = pl_buf_str(&f->file);
    pl_media_io        io = test_io(&whole);
    c2pa_asset         asset = { &io, PL_MEDIA_PNG, &store, 1 };
    const c2pa_report *r = NULL;

    trust.lists[0] = (c2pa_trust_list){ .name = PL_STR("test roots"), .pem = pl_str_z(pem) };
    assert_ok(pl_c2pa_check(pl_buf_str(&f->store), &asset, &how, f->a, &r, &f->err), &f->err);
    return r;
}

static const c2pa_report *check(fx *f)
{
    return check_at(f, f->id.ca_pem, TEST_NOW_MS, store_range(f));
}

static bool has(const c2pa_report *r, const char *code)
{
    for (size_t i = 0; i < r->codes_n; i++)
        if (strcmp(r->codes[i].code, code) == 0)
            return true;
    return false;
}

static void show(const c2pa_report *r)
{
    for (size_t i = 0; i < r->codes_n; i++)
        if (r->codes[i].level == C2PA_FAILURE)
            print_message("# %s %s\n", r->codes[i].code, r->codes[i].why);
}

/* PROVES: C2PA-2.2/15.7 PROVES: C2PA-2.2/18.5 */
static void build__is_found_whole_and_answers_three_questions(void **state)
{
    fx                *f = *state;
    c2pa_draft         d = sample();
    const c2pa_report *r;

    sign(f, &d, NULL);
    r = check(f);
    show(r);
    assert_string_equal(r->state, "Trusted");
    assert_int_equal(r->integrity, C2PA_INTACT);
    assert_true(r->has_signer);
    assert_string_equal(r->signer.common_name, "Test Signer");
    assert_string_equal(r->signer.serial, "4711");
    assert_string_equal(r->alg, "ES256");
    assert_int_equal(r->standing, C2PA_TRUSTED);
    assert_str(r->trust_list, "test roots");
    assert_int_equal(r->claim_version, 2);
    assert_str(r->title, "梅花.png");
    assert_int_equal(r->actions_n, 1);
    assert_str(r->actions[0].action, "c2pa.created");
    assert_str(r->actions[0].source_type, GENERATED);
    assert_true(r->is_generated);
    assert_true(has(r, "assertion.dataHash.match") && has(r, "claimSignature.insideValidity"));
}

static void build__signs_with_every_algorithm_of_the_standard(void **state)
{
    static const int64_t algs[] = { -7, -35, -36, -37, -38, -39, -8 };
    fx                  *f = *state;
    c2pa_draft           d = sample();

    for (size_t i = 0; i < sizeof algs / sizeof algs[0]; i++) {
        const c2pa_report *r;

        test_identity_free(&f->id);
        test_identity_new(&f->id, algs[i], "1.3.6.1.5.5.7.3.36");
        sign(f, &d, NULL);
        r = check(f);
        show(r);
        assert_string_equal(r->state, "Trusted");
        assert_string_equal(r->alg, pl_cose_alg_name(algs[i]));
    }
}

static void check__says_untrusted_without_calling_it_broken(void **state)
{
    fx                *f = *state;
    c2pa_draft         d = sample();
    test_identity      other = { 0 };
    const c2pa_report *r;

    sign(f, &d, NULL);
    test_identity_new(&other, -7, "emailProtection");
    r = check_at(f, other.ca_pem, TEST_NOW_MS, store_range(f));
    assert_string_equal(r->state, "Valid");
    assert_int_equal(r->integrity, C2PA_INTACT);
    assert_int_equal(r->standing, C2PA_UNTRUSTED);
    r = check_at(f, NULL, TEST_NOW_MS, store_range(f));
    assert_int_equal(r->standing, C2PA_NOT_ASKED);
    r = check_at(f, f->id.ca_pem, 2300000000000, store_range(f)); /* 2042 */
    assert_int_equal(r->standing, C2PA_EXPIRED);
    assert_true(has(r, "signingCredential.expired"));
    assert_int_equal(r->integrity, C2PA_INTACT);
    assert_string_equal(r->state, "Invalid");
    test_identity_free(&other);
}

/* One bit of the file at a time: outside the store the hash finds it, inside the digests, the
 * signature or the structure do. */
static void check__finds_every_changed_bit(void **state)
{
    fx        *f = *state;
    c2pa_draft d = sample();
    size_t     free_bits = 0;

    sign(f, &d, NULL);
    for (size_t i = 0; i < f->file.n; i++) {
        size_t             at = sizeof before_store - 1;
        const c2pa_report *r;
        bool               inside = i >= at && i < at + f->store.n;

        pl_arena_free(f->a);
        f->a = pl_arena_new(128u << 20);
        f->file.p[i] ^= 0x04;
        if (inside)
            f->store.p[i - at] ^= 0x04;
        r = check(f);
        if (r->integrity != C2PA_BROKEN) {
            free_bits++;
            if (!inside)
                fail_msg("a change at byte %zu was not found", i);
        }
        f->file.p[i] ^= 0x04;
        if (inside)
            f->store.p[i - at] ^= 0x04;
    }
    /* Bytes no rule binds: the toggles of the boxes that no digest covers. */
    if (free_bits > 6)
        fail_msg("%zu changes in the store were not found", free_bits);
}

/* A store that vouches for less than the file: said, not hidden. */
static void check__reports_bytes_nobody_vouches_for(void **state)
{
    fx                *f = *state;
    c2pa_draft         d = sample();
    pl_media_range     part = store_range(f);
    const c2pa_report *r;

    sign(f, &d, NULL);
    part = store_range(f);
    part.n -= 100; /* the container says the store is smaller than what was left out */
    r = check_at(f, f->id.ca_pem, TEST_NOW_MS, part);
    assert_int_equal(r->unprotected, 100);
    assert_int_equal(r->integrity, C2PA_PARTIAL);
    assert_true(has(r, "assertion.dataHash.additionalExclusionsPresent"));
}

static void check__survives_every_cut(void **state)
{
    fx        *f = *state;
    c2pa_draft d = sample();
    size_t     n;

    sign(f, &d, NULL);
    n = f->store.n;
    for (size_t cut = 0; cut < n; cut++) {
        const c2pa_report *r;

        pl_arena_free(f->a);
        f->a = pl_arena_new(128u << 20);
        f->store.n = cut;
        r = check(f);
        f->store.n = n;
        if (r->integrity != C2PA_BROKEN)
            fail_msg("cut at %zu was not found", cut);
    }
}

/* --- time stamps --------------------------------------------------------------------------------- */

/* PROVES: C2PA-2.2/15.8 */
static void build__outlives_its_certificate_by_a_time_stamp(void **state)
{
    fx                *f = *state;
    c2pa_draft         d = sample();
    test_tsa           tsa = { .key = EVP_EC_gen("P-256") };
    c2pa_stamper       st = { &tsa, test_tsa_answer };
    const c2pa_report *r;

    tsa.cert = test_cert(tsa.key, f->id.ca, f->id.ca_key, "Test Time", "critical,timeStamping");
    d.has_stamp = true;
    for (int k = 0; k < 2; k++) {
        tsa.is_token = k == 1;
        sign(f, &d, &st);
        r = check_at(f, f->id.ca_pem, 2300000000000, store_range(f)); /* 2042 */
        show(r);
        assert_string_equal(r->state, "Trusted");
        assert_int_equal(r->time_ms, TEST_NOW_MS);
        assert_true(r->is_tsa_trusted && strstr(r->tsa, "Test Time"));
        /* An authority that no list vouches for proves nothing. */
        r = check_at(f, NULL, 2300000000000, store_range(f));
        assert_true(has(r, "timeStamp.untrusted") && has(r, "signingCredential.expired"));
        assert_int_equal(r->time_ms, 0);
    }
    tsa.is_other = true;
    sign(f, &d, &st);
    r = check(f);
    assert_true(has(r, "timeStamp.mismatch"));
    assert_int_equal(r->time_ms, 0);
    X509_free(tsa.cert);
    EVP_PKEY_free(tsa.key);
}

/* --- ingredients ------------------------------------------------------------------------------ */

static void edit(fx *f, pl_str *kept)
{
    c2pa_draft d = sample();

    sign(f, &d, NULL);
    kept->p = pl_arena_dup(f->a, pl_buf_str(&f->store));
    kept->n = f->store.n;
    d = sample();
    d.origin = C2PA_EDITED;
    d.manifest = PL_STR("urn:c2pa:aaaaaaaa-5d3c-4a3e-9b6f-0d9d9f4f2a11");
    d.parent_store = *kept;
    d.parent_report = check(f);
    d.parent_title = PL_STR("梅花.png");
    d.parent_format = PL_STR("image/png");
    sign(f, &d, NULL);
}

/* PROVES: C2PA-2.2/15.11 */
static void build__keeps_the_earlier_manifest_as_parent(void **state)
{
    fx                *f = *state;
    pl_str             kept;
    const c2pa_report *r;

    edit(f, &kept);
    r = check(f);
    show(r);
    assert_string_equal(r->state, "Trusted");
    assert_int_equal(r->manifests, 2);
    assert_int_equal(r->ingredients_n, 1);
    assert_str(r->ingredients[0].relationship, "parentOf");
    assert_str(r->ingredients[0].manifest, "urn:c2pa:3f0b3c7e-5d3c-4a3e-9b6f-0d9d9f4f2a11");
    assert_true(has(r, "ingredient.manifest.validated"));
    assert_int_equal(r->actions_n, 2);
    assert_str(r->actions[0].action, "c2pa.opened");
    /* The earlier manifest is there byte by byte. */
    assert_non_null(memmem(f->store.p, f->store.n, kept.p + 38, kept.n - 38));
}

static void check__finds_a_changed_parent(void **state)
{
    fx                *f = *state;
    pl_str             kept;
    char              *at;
    const c2pa_report *r;

    edit(f, &kept);
    at = memmem(f->store.p, f->store.n, "c2pa.created", 12);
    at[5] = 'k';
    r = check(f);
    assert_int_equal(r->integrity, C2PA_BROKEN);
    assert_true(has(r, "ingredient.manifest.mismatch") && has(r, "assertion.hashedURI.mismatch"));
}

static void build__refuses_to_hide_an_earlier_manifest(void **state)
{
    fx        *f = *state;
    c2pa_draft d = sample();
    size_t     n;

    d.parent_store = PL_STR("x");
    assert_rc(pl_c2pa_draft_size(&d, &f->id.signer, &n, &f->err), PL_INVALID);
    d = sample();
    d.source_type = PL_STR("");
    assert_rc(pl_c2pa_draft_size(&d, &f->id.signer, &n, &f->err), PL_INVALID);
    d = sample();
    d.origin = C2PA_EDITED;
    d.parent_store = PL_STR("not a store");
    assert_rc(pl_c2pa_draft_size(&d, &f->id.signer, &n, &f->err), PL_INVALID);
}

/* --- the certificate profile -------------------------------------------------------------------- */

/* PROVES: C2PA-2.2/14.5.1 */
static void cert_check__refuses_what_the_profile_does(void **state)
{
    static const struct {
        const char *eku;
        bool        fits;
    } cases[] = { { "emailProtection", true },
                  { "1.3.6.1.4.1.62558.2.1", true },
                  { "serverAuth", false },
                  { "anyExtendedKeyUsage,emailProtection", false },
                  { "timeStamping", false },
                  { "emailProtection,OCSPSigning", false },
                  { "", false } };
    fx        *f = *state;
    c2pa_draft d = sample();

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const c2pa_report *r;

        test_identity_free(&f->id);
        test_identity_new(&f->id, -7, cases[i].eku);
        sign(f, &d, NULL);
        r = check(f);
        assert_int_equal(has(r, "signingCredential.invalid"), !cases[i].fits);
        assert_int_equal(r->standing, cases[i].fits ? C2PA_TRUSTED : C2PA_UNFIT);
    }
}

static void cert_check__refuses_a_self_signed_signer(void **state)
{
    fx                *f = *state;
    c2pa_draft         d = sample();
    unsigned char     *p = (unsigned char *)f->id.leaf_der;
    X509              *own = test_cert(f->id.key, NULL, f->id.key, "Myself", "emailProtection");
    const c2pa_report *r;

    f->id.leaf_n = (size_t)i2d_X509(own, &p);
    f->id.signer.chain[0].n = f->id.leaf_n;
    sign(f, &d, NULL);
    r = check(f);
    assert_int_equal(r->standing, C2PA_UNFIT);
    X509_free(own);
}

/* --- what we write is deterministic ---------------------------------------------------------------- */

static void each_cbor(fx *f, const jumbf_box *b, size_t *seen)
{
    for (size_t i = 0; i < b->n; i++) {
        const cbor_item *it = NULL;

        if (b->items[i].type == JUMBF_JUMB)
            each_cbor(f, &b->items[i], seen);
        if (b->items[i].type != JUMBF_CBOR)
            continue;
        assert_ok(pl_cbor_parse(b->items[i].payload, f->a, &it, &f->err), &f->err);
        assert_true(pl_cbor_is_deterministic(it));
        (*seen)++;
    }
}

static void build__writes_deterministic_cbor(void **state)
{
    fx              *f = *state;
    const jumbf_box *store;
    pl_str           kept;
    size_t           seen = 0;

    edit(f, &kept);
    assert_ok(pl_jumbf_parse(pl_buf_str(&f->store), f->a, &store, &f->err), &f->err);
    each_cbor(f, store, &seen);
    assert_int_equal(seen, 4 + 5); /* actions, hash, claim, signature; and an ingredient */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(build__is_found_whole_and_answers_three_questions, up, down),
        cmocka_unit_test_setup_teardown(build__signs_with_every_algorithm_of_the_standard, up, down),
        cmocka_unit_test_setup_teardown(check__says_untrusted_without_calling_it_broken, up, down),
        cmocka_unit_test_setup_teardown(check__finds_every_changed_bit, up, down),
        cmocka_unit_test_setup_teardown(check__reports_bytes_nobody_vouches_for, up, down),
        cmocka_unit_test_setup_teardown(check__survives_every_cut, up, down),
        cmocka_unit_test_setup_teardown(build__outlives_its_certificate_by_a_time_stamp, up, down),
        cmocka_unit_test_setup_teardown(build__keeps_the_earlier_manifest_as_parent, up, down),
        cmocka_unit_test_setup_teardown(check__finds_a_changed_parent, up, down),
        cmocka_unit_test_setup_teardown(build__refuses_to_hide_an_earlier_manifest, up, down),
        cmocka_unit_test_setup_teardown(cert_check__refuses_what_the_profile_does, up, down),
        cmocka_unit_test_setup_teardown(cert_check__refuses_a_self_signed_signer, up, down),
        cmocka_unit_test_setup_teardown(build__writes_deterministic_cbor, up, down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
