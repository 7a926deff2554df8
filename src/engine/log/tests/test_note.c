/* PROVES: C2SP/signed-note PROVES: C2SP/tlog-tiles */
#include "log_test.h"

#include "base/str.h"
#include "engine/log/note.h"

#define DASH "\xe2\x80\x94"

/* The example published with the format. */
#define EXAMPLE_KEY "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
#define EXAMPLE_SIG                                                                                \
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM="
#define EXAMPLE_NOTE                                                                               \
    "This is an example message.\n\n" DASH " example.com/foo " EXAMPLE_SIG "\n"

static pl_note note; /* too large to repeat on the stack of every test */

static pl_rc verify_text(const char *text, const char *vkey, pl_error *err)
{
    pl_vkey k;
    pl_rc   rc;

    assert_ok(pl_vkey_parse(lt_z(vkey), &k, err), err);
    rc = pl_note_parse(lt_z(text), &note, err);
    if (rc != PL_OK)
        return rc;
    rc = pl_note_verify(&note, &k, err);
    pl_note_done(&note);
    return rc;
}

static void note_verify__opens_the_published_example(void **state)
{
    pl_error err = { 0 };

    (void)state;
    assert_ok(verify_text(EXAMPLE_NOTE, EXAMPLE_KEY, &err), &err);
}

static void note_verify__finds_the_known_key_on_any_line(void **state)
{
    pl_error err = { 0 };

    (void)state;
    assert_ok(verify_text("This is an example message.\n\n" DASH " other.example AAAAAAE=\n" DASH
                          " example.com/foo AAAAAAE=\n" DASH " example.com/foo " EXAMPLE_SIG "\n",
                          EXAMPLE_KEY, &err),
              &err);
}

static void note_verify__rejects_when_one_line_of_the_known_key_fails(void **state)
{
    pl_error err;
    /* The same key id and name, the signature changed in one bit. */
    const char *bad = "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuw"
                      "HjG1Yu72IneyaQI=";
    char text[600];

    (void)state;
    (void)snprintf(text, sizeof(text),
                   "This is an example message.\n\n" DASH " example.com/foo %s\n" DASH
                   " example.com/foo %s\n",
                   EXAMPLE_SIG, bad);
    assert_rc(verify_text(text, EXAMPLE_KEY, &err), PL_INVALID);
    assert_string_equal(err.text, "signature of 'example.com/foo' does not verify");
}

static void note_verify__compares_the_name_and_not_the_key_id_alone(void **state)
{
    pl_error err;

    (void)state;
    assert_rc(verify_text("This is an example message.\n\n" DASH " example.com/fox " EXAMPLE_SIG
                          "\n",
                          EXAMPLE_KEY, &err),
              PL_NOTFOUND);
}

static void note_verify__rejects_a_signature_of_another_length(void **state)
{
    pl_error err;

    (void)state;
    assert_rc(verify_text("This is an example message.\n\n" DASH " example.com/foo Uw2QOkn8\n",
                          EXAMPLE_KEY, &err),
              PL_INVALID);
}

static void note_parse__takes_the_last_blank_line_as_the_border(void **state)
{
    pl_error err = { 0 };

    (void)state;
    assert_ok(pl_note_parse(PL_STR("one\n\ntwo\n\n" DASH " k AAAAAAE=\n"), &note, &err), &err);
    assert_str(note.text, "one\n\ntwo\n");
    assert_int_equal(note.nsigs, 1);
    pl_note_done(&note);
}

static void note_parse__accepts_an_empty_text_line(void **state)
{
    pl_error err = { 0 };

    (void)state;
    assert_ok(pl_note_parse(PL_STR("\n\n" DASH " k AAAAAAE=\n"), &note, &err), &err);
    assert_str(note.text, "\n");
    pl_note_done(&note);
}

static void note_parse__rejects_every_malformed_note(void **state)
{
    static const pl_str bad[] = {
        PL_STR(""),
        PL_STR("\n"),
        PL_STR("text\n"),
        PL_STR("text\n\n"),                                /* no signature */
        PL_STR("text\n" DASH " k AAAAAAE=\n"),             /* no blank line */
        PL_STR("text\n\n" DASH " k AAAAAAE="),             /* no final newline */
        PL_STR("text\n\n- k AAAAAAE=\n"),                  /* hyphen for em dash */
        PL_STR("text\n\n" DASH "k AAAAAAE=\n"),            /* no space after it */
        PL_STR("text\n\n" DASH "  AAAAAAE=\n"),            /* empty name */
        PL_STR("text\n\n" DASH " k\n"),                    /* no signature on the line */
        PL_STR("text\n\n" DASH " k \n"),
        PL_STR("text\n\n" DASH " k AAAAAA==\n"),           /* fewer than five bytes */
        PL_STR("text\n\n" DASH " k AAAAAAE\n"),            /* padding missing */
        PL_STR("text\n\n" DASH " k AAAAAAF=\n"),           /* non-zero pad bits */
        PL_STR("text\n\n" DASH " k AAAA AAE=\n"),          /* blank inside */
        PL_STR("text\n\n" DASH " k AAAAAAE= \n"),
        PL_STR("text\n\n" DASH " k AAAAA-E=\n"),           /* URL-safe alphabet */
        PL_STR("text\n\n" DASH " a+b AAAAAAE=\n"),         /* '+' in the name */
        PL_STR("text\n\n" DASH " a\xc2\xa0" "b AAAAAAE=\n"), /* no-break space in the name */
        PL_STR("text\r\n\r\n" DASH " k AAAAAAE=\r\n"),     /* CRLF */
        PL_STR("text\r\n\n" DASH " k AAAAAAE=\n"),
        PL_STR("te\0xt\n\n" DASH " k AAAAAAE=\n"),         /* NUL */
        PL_STR("te\txt\n\n" DASH " k AAAAAAE=\n"),         /* tab */
        PL_STR("te\xfft\n\n" DASH " k AAAAAAE=\n"),        /* not UTF-8 */
        PL_STR("te\xed\xa0\x80t\n\n" DASH " k AAAAAAE=\n"),
        PL_STR("text\n\n" DASH " k AAAAAAE=\n\n"),         /* blank line at the end */
        PL_STR("text\n\n" DASH " k AAAAAAE=\nmore\n"),     /* a line that is no signature */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (pl_note_parse(bad[i], &note, NULL) != PL_INVALID)
            fail_msg("note %zu was not rejected", i);
}

static void note_parse__accepts_a_hundred_signatures_and_no_more(void **state)
{
    pl_buf   b = PL_BUF_INIT(1 << 16);
    pl_error err = { 0 };

    (void)state;
    pl_buf_puts(&b, "text\n\n");
    for (int i = 0; i < PL_NOTE_SIGS_MAX; i++)
        pl_buf_printf(&b, DASH " key%d AAAAAAE=\n", i);
    assert_ok(pl_note_parse(pl_buf_str(&b), &note, &err), &err);
    assert_int_equal(note.nsigs, PL_NOTE_SIGS_MAX);
    assert_str(note.sigs[99].name, "key99");
    pl_note_done(&note);
    pl_buf_puts(&b, DASH " last AAAAAAE=\n");
    assert_rc(pl_note_parse(pl_buf_str(&b), &note, NULL), PL_LIMIT);
    pl_buf_done(&b);
}

static void note_format__gives_the_parsed_bytes_back(void **state)
{
    pl_buf   b = PL_BUF_INIT(1 << 16);
    pl_error err = { 0 };

    (void)state;
    assert_ok(pl_note_parse(PL_STR(EXAMPLE_NOTE), &note, &err), &err);
    pl_note_format(&note, &b);
    assert_ok(pl_buf_check(&b, &err), &err);
    assert_str(pl_buf_str(&b), EXAMPLE_NOTE);
    pl_note_done(&note);
    pl_buf_done(&b);
}

static void vkey_parse__splits_at_the_first_two_plus_signs_only(void **state)
{
    const char *wit = "witness.example/w1+e0cd2864+BKCapfR6Z1mAL/lV+NwtKhSlyZ0jvpf4ZBJ/+Tg0VaTw";
    pl_vkey     k;
    char        again[PL_VKEY_TEXT_MAX];
    pl_error    err;

    (void)state;
    assert_ok(pl_note_vkey_parse(lt_z(wit), &k, &err), &err);
    assert_int_equal(k.alg, PL_KEY_COSIGNER);
    assert_ok(pl_vkey_format(&k, again, sizeof again, &err), &err);
    assert_string_equal(again, wit);
    /* It must not pass for a log's key. */
    assert_rc(pl_vkey_parse(lt_z(wit), &k, &err), PL_INVALID);
}

static void vkey__round_trips_for_keys_with_plus_in_base64(void **state)
{
    unsigned plus = 0;

    (void)state;
    for (unsigned i = 0; i < 64; i++) {
        uint8_t    seed[32] = { (uint8_t)i, 7 };
        pl_signer *s = NULL;
        char       text[300];
        pl_vkey    k;
        pl_error   err = { 0 };

        assert_ok(pl_signer_new(PL_STR("log.example"), seed, &s, &err), &err);
        assert_ok(pl_signer_vkey(s, text, sizeof(text), &err), &err);
        plus += strchr(text + sizeof("log.example+12345678+"), '+') != NULL;
        assert_ok(pl_vkey_parse(lt_z(text), &k, &err), &err);
        assert_memory_equal(k.pub, pl_signer_key(s, 0)->pub, 32);
        assert_int_equal(k.keyid, pl_signer_key(s, 0)->keyid);
        assert_string_equal(k.name, "log.example");
        assert_rc(pl_signer_vkey(s, text, strlen(text), &err), PL_LIMIT);
        pl_signer_free(s);
    }
    assert_true(plus > 5); /* the test would prove nothing without such keys */
}

static void vkey_parse__rejects_malformed_keys(void **state)
{
    static const char *const bad[] = {
        "",
        "example.com/foo",
        "example.com/foo+530d903a",
        "example.com/foo+530d903a+",
        "+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/fop+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2l",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2kAAAA",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U0=",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k\n",
        "example.com /foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
    };
    pl_vkey k;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (pl_vkey_parse(lt_z(bad[i]), &k, NULL) != PL_INVALID)
            fail_msg("key '%s' was not rejected", bad[i]);
}

static void signer__agrees_with_rfc_8032_test_1(void **state)
{
    uint8_t    seed[32], pub[32], want[64];
    pl_sig     sig;
    pl_str     made = { (const char *)sig.b, 64 };
    pl_signer *s = NULL;
    pl_error   err = { 0 };

    (void)state;
    lt_unhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", seed, 32);
    lt_unhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", pub, 32);
    lt_unhex("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc6"
             "1e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
             want, 64);
    assert_ok(pl_signer_new(PL_STR("k"), seed, &s, &err), &err);
    assert_memory_equal(pl_signer_key(s, 0)->pub, pub, 32);
    assert_ok(pl_signer_sign(s, 0, PL_STR(""), &sig, &err), &err);
    assert_int_equal(sig.n, 64);
    assert_memory_equal(sig.b, want, 64);
    assert_ok(pl_vkey_verify(pl_signer_key(s, 0), PL_STR(""), made, &err), &err);
    assert_rc(pl_vkey_verify(pl_signer_key(s, 0), PL_STR("x"), made, &err), PL_INVALID);
    pl_signer_free(s);
}

static void signer_new__refuses_bad_names(void **state)
{
    uint8_t    seed[32] = { 1 };
    char       longname[300];
    pl_signer *s = NULL;

    (void)state;
    memset(longname, 'a', sizeof(longname));
    assert_rc(pl_signer_new(PL_STR(""), seed, &s, NULL), PL_INVALID);
    assert_rc(pl_signer_new(PL_STR("a b"), seed, &s, NULL), PL_INVALID);
    assert_rc(pl_signer_new(PL_STR("a+b"), seed, &s, NULL), PL_INVALID);
    assert_rc(pl_signer_new(PL_STR("a\nb"), seed, &s, NULL), PL_INVALID);
    assert_rc(pl_signer_new((pl_str){ longname, 256 }, seed, &s, NULL), PL_LIMIT);
    assert_null(s);
    assert_rc(pl_signer_new((pl_str){ longname, 255 }, seed, &s, NULL), PL_OK);
    pl_signer_free(s);
}

static void tile_path__groups_digits_by_three(void **state)
{
    static const struct {
        int         level;
        uint64_t    n;
        unsigned    width;
        const char *path;
    } v[] = {
        { 0, 0, 0, "tile/0/000" },
        { 0, 999, 256, "tile/0/999" },
        { 0, 1000, 0, "tile/0/x001/000" },
        { 1, 1234067, 0, "tile/1/x001/x234/067" },
        { 3, 1000000000, 0, "tile/3/x001/x000/x000/000" },
        { 0, 1067, 12, "tile/0/x001/067.p/12" },
        { -1, 1, 44, "tile/entries/001.p/44" },
        { -1, 273, 0, "tile/entries/273" },
        { 63, UINT64_C(1) << 55, 255, "tile/63/x036/x028/x797/x018/x963/968.p/255" },
    };
    char buf[96];

    (void)state;
    for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
        pl_tile_path(v[i].level, v[i].n, v[i].width, buf, sizeof(buf));
        assert_string_equal(buf, v[i].path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(note_verify__opens_the_published_example),
        cmocka_unit_test(note_verify__finds_the_known_key_on_any_line),
        cmocka_unit_test(note_verify__rejects_when_one_line_of_the_known_key_fails),
        cmocka_unit_test(note_verify__compares_the_name_and_not_the_key_id_alone),
        cmocka_unit_test(note_verify__rejects_a_signature_of_another_length),
        cmocka_unit_test(note_parse__takes_the_last_blank_line_as_the_border),
        cmocka_unit_test(note_parse__accepts_an_empty_text_line),
        cmocka_unit_test(note_parse__rejects_every_malformed_note),
        cmocka_unit_test(note_parse__accepts_a_hundred_signatures_and_no_more),
        cmocka_unit_test(note_format__gives_the_parsed_bytes_back),
        cmocka_unit_test(vkey_parse__splits_at_the_first_two_plus_signs_only),
        cmocka_unit_test(vkey__round_trips_for_keys_with_plus_in_base64),
        cmocka_unit_test(vkey_parse__rejects_malformed_keys),
        cmocka_unit_test(signer__agrees_with_rfc_8032_test_1),
        cmocka_unit_test(signer_new__refuses_bad_names),
        cmocka_unit_test(tile_path__groups_digits_by_three),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
