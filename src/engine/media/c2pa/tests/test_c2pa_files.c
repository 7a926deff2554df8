/* Files other writers made, with what is published about them; and files of every format we write,
 * read back. The reference reports beside the public test files name the outcomes; the failures of
 * the newer fixtures are those the reference implementation gives (c2pa-rs 0.13, same anchors). */
#include "base/file.h"
#include "c2pa_test.h"

#define NOW_MS 1795000000000 /* 2026-11-18 */

typedef struct data {
    char *dir, *anchors, *ekus;
    c2pa_trust trust;
} data;

static char *load(const data *d, const char *name, size_t *n)
{
    char    *path = NULL, *p = NULL;
    pl_error err;

    assert_true(asprintf(&path, "%s/media/%s", d->dir, name) > 0);
    if (pl_file_read(path, 64u << 20, &p, n, &err) != PL_OK)
        p = NULL;
    free(path);
    return p;
}

static int up(void **state)
{
    data       *d = calloc(1, sizeof *d);
    const char *dir = getenv("PL_TEST_DATA");
    size_t      an = 0, en = 0;

    d->dir = strdup(dir ? dir : "");
    d->anchors = load(d, "c2pa-trust-anchors/test_cert_root_bundle.pem", &an);
    d->ekus = load(d, "c2pa-trust-anchors/store.cfg", &en);
    d->trust = (c2pa_trust){ .lists = { { PL_STR("test anchors"), { d->anchors, an }, false } },
                             .n = 1, .ekus = { d->ekus, en } };
    *state = d;
    return 0;
}

static int down(void **state)
{
    data *d = *state;

    free(d->dir);
    free(d->anchors);
    free(d->ekus);
    free(d);
    return 0;
}

static const struct expected {
    const char *file;
    const char *state;     /* NULL: no store */
    c2pa_integrity integrity;
    const char *signer;    /* organisation */
    const char *failures;  /* codes, a blank after each */
    size_t      manifests, ingredients;
} expected[] = {
#define PUB "c2pa-public-testfiles/adobe-20220124-"
#define TEST_ORG "C2PA Test Signing Cert"
    { PUB "A.jpg", NULL, 0, NULL, NULL, 0, 0 },
    { PUB "C.jpg", "Trusted", C2PA_INTACT, TEST_ORG, "", 1, 0 },
    { PUB "CA.jpg", "Trusted", C2PA_INTACT, TEST_ORG, "", 1, 1 },
    { PUB "CAICA.jpg", "Trusted", C2PA_INTACT, TEST_ORG, "", 2, 2 },
    { PUB "CI.jpg", "Trusted", C2PA_INTACT, TEST_ORG, "", 1, 1 },
    { PUB "CII.jpg", "Trusted", C2PA_INTACT, TEST_ORG, "", 1, 1 },
    { PUB "E-dat-CA.jpg", "Invalid", C2PA_BROKEN, TEST_ORG, "assertion.dataHash.mismatch ", 1, 1 },
    { PUB "E-sig-CA.jpg", "Invalid", C2PA_BROKEN, TEST_ORG, "claimSignature.mismatch ", 1, 1 },
    { PUB "XCA.jpg", "Invalid", C2PA_BROKEN, TEST_ORG, "assertion.dataHash.mismatch ", 1, 1 },
    { "c2pa-public-testfiles/nikon-20221019-building.jpeg", "Invalid", C2PA_INTACT,
      "NIKON CORPORATION", "signingCredential.untrusted signingCredential.expired ", 1, 0 },
#define RS "c2pa-rs-fixtures/"
    { RS "CA.jpg", "Trusted", C2PA_INTACT, TEST_ORG, "", 1, 1 },
    { RS "CACA.jpg", "Trusted", C2PA_INTACT, TEST_ORG, "", 2, 1 },
    { RS "CA_ct.jpg", "Trusted", C2PA_INTACT, TEST_ORG, "", 1, 1 },
    { RS "C_with_CAWG_data.jpg", "Trusted", C2PA_INTACT, TEST_ORG, "", 1, 0 },
    { RS "E-sig-CA.jpg", "Invalid", C2PA_BROKEN, TEST_ORG, "claimSignature.mismatch ", 1, 1 },
    { RS "TUSCANY.TIF", NULL, 0, NULL, NULL, 0, 0 },
    { RS "basic-retest.pdf", NULL, 0, NULL, NULL, 0, 0 },
    { RS "basic-signed.pdf", NULL, 0, NULL, NULL, 0, 0 },
    { RS "basic.pdf", NULL, 0, NULL, NULL, 0, 0 },
    { RS "dashinit.mp4", "Invalid", C2PA_BROKEN, NULL,
      "signingCredential.untrusted assertion.bmffHash.mismatch ", 1, 0 },
    { RS "earth_apollo17.jpg", NULL, 0, NULL, NULL, 0, 0 },
    { RS "express.pdf", NULL, 0, NULL, NULL, 0, 0 },
    { RS "libpng-test_with_url.png", NULL, 0, NULL, NULL, 0, 0 },
    { RS "no_manifest.jpg", NULL, 0, NULL, NULL, 0, 0 },
    { RS "riff_bomb_1000.wav", NULL, 0, NULL, NULL, 0, 0 },
    { RS "sample1.mp3", NULL, 0, NULL, NULL, 0, 0 },
    { RS "sample1.webp", NULL, 0, NULL, NULL, 0, 0 },
    { RS "sample5.svg", NULL, 0, NULL, NULL, 0, 0 },
    { RS "test_xmp.webp", NULL, 0, NULL, NULL, 0, 0 },
    { RS "tiff_poc.tiff", NULL, 0, NULL, NULL, 0, 0 },
    { RS "video1_no_manifest.mp4", NULL, 0, NULL, NULL, 0, 0 },
};

static void compare(const struct expected *e, const c2pa_report *r)
{
    pl_buf failures = PL_BUF_INIT(4096);

    for (size_t i = 0; i < r->codes_n; i++)
        if (r->codes[i].level == C2PA_FAILURE && !r->codes[i].is_known)
            pl_buf_printf(&failures, "%s ", r->codes[i].code);
    if (strcmp(failures.p ? failures.p : "", e->failures) != 0)
        fail_msg("%s: failures are '%s'", e->file, failures.p ? failures.p : "");
    if (strcmp(r->state, e->state) != 0 || r->integrity != e->integrity)
        fail_msg("%s: %s, %s", e->file, r->state, pl_c2pa_integrity_name(r->integrity));
    if (e->signer && strcmp(r->signer.organisation, e->signer) != 0)
        fail_msg("%s: signed by '%s'", e->file, r->signer.organisation);
    if (r->manifests != e->manifests || r->ingredients_n != e->ingredients)
        fail_msg("%s: %zu manifests, %zu ingredients", e->file, r->manifests, r->ingredients_n);
    pl_buf_done(&failures);
}

/* PROVES: C2PA-2.2/15.12.1 */
static void check_media__agrees_with_the_published_outcomes(void **state)
{
    data    *d = *state;
    pl_error err;

    if (!d->anchors)
        skip_because("needs the media samples under PL_TEST_DATA");
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        size_t             n = 0;
        char              *p = load(d, expected[i].file, &n);
        pl_str             bytes = { p, n };
        pl_media_io        io = pl_media_io_of(&bytes);
        c2pa_how           how = { .trust = &d->trust, .now_ms = NOW_MS };
        pl_media          *m = NULL;
        pl_arena          *a = pl_arena_new(256u << 20);
        const c2pa_report *r = NULL;
        pl_rc              rc;

        if (!p)
            fail_msg("%s is not there", expected[i].file);
        assert_ok(pl_media_scan(&io, expected[i].file, 0, &m, &err), &err);
        rc = pl_c2pa_check_media(m, 0, &how, a, &r, &err);
        if (!expected[i].state) {
            if (rc != PL_NOTFOUND)
                fail_msg("%s: a store was found", expected[i].file);
        } else {
            assert_ok(rc, &err);
            compare(&expected[i], r);
        }
        pl_media_free(m);
        pl_arena_free(a);
        free(p);
    }
}

static void check_media__does_not_hash_when_asked_to_be_quick(void **state)
{
    data              *d = *state;
    size_t             n = 0;
    char              *p = d->anchors ? load(d, PUB "C.jpg", &n) : NULL;
    pl_str             bytes = { p, n };
    pl_media_io        io = pl_media_io_of(&bytes);
    c2pa_how           how = { .trust = &d->trust, .now_ms = NOW_MS };
    pl_media          *m = NULL;
    pl_arena          *a = pl_arena_new(256u << 20);
    const c2pa_report *r = NULL;
    pl_error           err;

    if (!p)
        skip_because("needs the media samples under PL_TEST_DATA");
    assert_ok(pl_media_scan(&io, "C.jpg", PL_MEDIA_QUICK, &m, &err), &err);
    assert_ok(pl_c2pa_check_media(m, PL_C2PA_QUICK, &how, a, &r, &err), &err);
    assert_int_equal(r->integrity, C2PA_NOT_CHECKED);
    assert_int_equal(r->standing, C2PA_TRUSTED);
    pl_media_free(m);
    pl_arena_free(a);
    free(p);
}

/* --- written by us -------------------------------------------------------------------------------- */

static const char *const carriers[] = { PUB "A.jpg", "pngsuite/basn2c08.png", RS "sample1.webp",
                                        RS "video1_no_manifest.mp4", "pydub-audio/test1_empty.wav",
                                        RS "basic.pdf", RS "express.pdf", RS "sample5.svg", "mutagen-tests/no-tags.m4a",
                                        RS "sample1.mp3", "pillow-images/dispose_bgnd_transparency.gif",
                                        RS "TUSCANY.TIF", "mutagen-tests/no-tags.flac",
                                        "avif-samples/fox.profile1.8bpc.yuv444.avif" };

static c2pa_draft draft_of(void)
{
    return (c2pa_draft){ .origin = C2PA_CREATED, .title = PL_STR("written by a test"),
                         .manifest = PL_STR("urn:c2pa:3f0b3c7e-5d3c-4a3e-9b6f-0d9d9f4f2a11"),
                         .instance_id = PL_STR("xmp:iid:0f2b7f0e-50e1-4a3f-8c56-4f6f1d7a2b33"),
                         .source_type = PL_STR("http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"),
                         .generator = PL_STR("Plumbline"), .version = PL_STR("0.1.0"), .when_ms = NOW_MS };
}

/* The new file, malloc'd. */
static pl_str written(pl_str in, const char *name, const c2pa_draft *d, const cose_signer *s, pl_arena *a)
{
    pl_media_io    io = pl_media_io_of(&in), plan_io;
    pl_media      *m = NULL;
    pl_media_plan *p = NULL;
    pl_str         out;
    pl_error       err;

    assert_ok(pl_media_scan(&io, name, 0, &m, &err), &err);
    assert_ok(pl_c2pa_sign_media(m, d, s, NULL, a, &p, &err), &err);
    out = (pl_str){ malloc((size_t)pl_media_plan_size(p)), (size_t)pl_media_plan_size(p) };
    plan_io = pl_media_plan_io(p);
    assert_ok(plan_io.read(plan_io.ctx, 0, (char *)out.p, out.n, &err), &err);
    pl_media_plan_free(p);
    pl_media_free(m);
    return out;
}

static const c2pa_report *judged(pl_str file, const char *name, const c2pa_trust *t, pl_arena *a)
{
    pl_media_io        io = pl_media_io_of(&file);
    c2pa_how           how = { .trust = t, .now_ms = NOW_MS };
    pl_media          *m = NULL;
    const c2pa_report *r = NULL;
    pl_error           err;

    assert_ok(pl_media_scan(&io, name, 0, &m, &err), &err);
    assert_ok(pl_c2pa_check_media(m, 0, &how, a, &r, &err), &err);
    pl_media_free(m);
    return r;
}

static void sign_media__is_trusted_in_every_format(void **state)
{
    data         *d = *state;
    test_identity id = { 0 };
    c2pa_draft    draft = draft_of();
    const char   *keep = getenv("PL_C2PA_KEEP"); /* a folder: for other validators */

    if (!d->anchors)
        skip_because("needs the media samples under PL_TEST_DATA");
    test_identity_new(&id, -7, "emailProtection");
    for (size_t i = 0; i < sizeof carriers / sizeof carriers[0]; i++) {
        c2pa_trust         t = { .lists = { { PL_STR("own"), pl_str_z(id.ca_pem), false } }, .n = 1 };
        pl_arena          *a = pl_arena_new(256u << 20);
        size_t             n = 0;
        char              *p = load(d, carriers[i], &n);
        pl_str             once, twice;
        c2pa_draft         second = draft_of();
        const c2pa_report *r;

        if (!p)
            fail_msg("%s is not there", carriers[i]);
        once = written((pl_str){ p, n }, carriers[i], &draft, &id.signer, a);
        r = judged(once, carriers[i], &t, a);
        if (strcmp(r->state, "Trusted") != 0 || r->integrity != C2PA_INTACT)
            fail_msg("%s: %s, %s", carriers[i], r->state, pl_c2pa_integrity_name(r->integrity));

        second.origin = C2PA_EDITED;
        second.manifest = PL_STR("urn:c2pa:aaaaaaaa-5d3c-4a3e-9b6f-0d9d9f4f2a11");
        second.parent_format = PL_STR("application/octet-stream");
        second.parent_report = r;
        {
            pl_media_io io = pl_media_io_of(&once);
            pl_media   *m = NULL;
            pl_error    err;
            pl_str      store;

            assert_ok(pl_media_scan(&io, carriers[i], 0, &m, &err), &err);
            assert_ok(pl_c2pa_store_of(m, a, &store, &err), &err);
            second.parent_store = (pl_str){ pl_arena_dup(a, store), store.n };
            pl_media_free(m);
        }
        twice = written(once, carriers[i], &second, &id.signer, a);
        r = judged(twice, carriers[i], &t, a);
        if (strcmp(r->state, "Trusted") != 0 || r->integrity != C2PA_INTACT || r->manifests != 2)
            fail_msg("%s again: %s, %s, %zu manifests", carriers[i], r->state,
                     pl_c2pa_integrity_name(r->integrity), r->manifests);
        if (keep) {
            char    *path = NULL;
            pl_error err;

            for (int k = 0; k < 2; k++) {
                assert_true(asprintf(&path, "%s/%d-%s", keep, k + 1, strrchr(carriers[i], '/') + 1) > 0);
                assert_ok(pl_file_write_atomic(path, k ? twice : once, 0644, &err), &err);
                free(path);
            }
            assert_true(asprintf(&path, "%s/ca.pem", keep) > 0);
            assert_ok(pl_file_write_atomic(path, pl_str_z(id.ca_pem), 0644, &err), &err);
            free(path);
        }
        free((char *)once.p);
        free((char *)twice.p);
        free(p);
        pl_arena_free(a);
    }
    test_identity_free(&id);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_media__agrees_with_the_published_outcomes),
        cmocka_unit_test(check_media__does_not_hash_when_asked_to_be_quick),
        cmocka_unit_test(sign_media__is_trusted_in_every_format),
    };
    return cmocka_run_group_tests(tests, up, down);
}
