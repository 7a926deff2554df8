/* The reference checkpoint and what must be refused. PROVES: C2SP/tlog-checkpoint */
#include "log_test.h"

#include "base/hash.h"
#include "base/str.h"
#include "engine/log/note.h"

#define DASH   "\xe2\x80\x94"
#define ORIGIN "plumbline.example/ledger"
#define VKEY   ORIGIN "+3d396d79+AdBKsjJ0K7SrOhNovUYV5ObQIkq3GgFrr4UgozLJd4c3"
#define ROOT   "W9pKalB5BzkmRG3RkxWkyw1FLGPhJcJMgPDg6P7wyJc="

#define LOG_LINE                                                                                   \
    DASH " " ORIGIN                                                                                \
         " PTltecQf3JOeYL9ozNRlhdcrIShboWrepRP+N7FiIm+dgy+YLkjCIT7kh32AaDX6zarwc3mkRWipGyaQ4541SB" \
         "QrUQE=\n"
#define WITNESS_LINE                                                                               \
    DASH " witness.example/w1 "                                                                    \
         "4M0oZAAAAABqsTuAJQHqgxVBUc93BP1Jy2/35Qf3Kf9G/WdnayYbAbvrysXk9r1bp+Gb7JQd8dHkGkYQOg/"     \
         "90jQvuB3LUyINcKfaDg==\n"
#define TEXT ORIGIN "\n300\n" ROOT "\n"

typedef struct fx {
    pl_signer    *signer;
    pl_vkey       key;
    pl_checkpoint c;
    pl_error      err;
} fx;

static int setup(void **state)
{
    static fx f;
    uint8_t   seed[32];
    char      text[300];

    memset(seed, 0x11, sizeof(seed));
    f = (fx){ .c = {
                  ORIGIN, 300,
                  lt_hash("5bda4a6a5079073926446dd19315a4cb0d452c63e125c24c80f0e0e8fef0c897") } };
    assert_ok(pl_signer_new(PL_STR(ORIGIN), seed, &f.signer, &f.err), &f.err);
    assert_ok(pl_signer_vkey(f.signer, text, sizeof(text), &f.err), &f.err);
    assert_string_equal(text, VKEY);
    assert_ok(pl_vkey_parse(lt_z(text), &f.key, &f.err), &f.err);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    pl_signer_free(((fx *)*state)->signer);
    return 0;
}

static void checkpoint_sign__gives_the_reference_bytes(void **state)
{
    fx    *f = *state;
    char  *note = NULL;
    size_t n = 0;

    assert_ok(pl_checkpoint_sign(&f->c, f->signer, &note, &n, &f->err), &f->err);
    assert_int_equal(n, strlen(note));
    assert_string_equal(note, TEXT "\n" LOG_LINE);
    free(note);
}

/* The witness line: uint64 time || signature over "cosignature/v1\ntime T\n" and the note. */
static void cosigned_checkpoint__gives_the_reference_file(void **state)
{
    fx        *f = *state;
    uint8_t    seed[32], blob[72], h[32], want[32];
    pl_sig     made;
    pl_signer *w = NULL;
    pl_note    n = { .text = PL_STR(TEXT), .nsigs = 2 };
    pl_sig     sig;
    pl_buf     b = PL_BUF_INIT(4096);

    memset(seed, 0x22, sizeof(seed));
    assert_ok(pl_signer_new(PL_STR("witness.example/w1"), seed, &w, &f->err), &f->err);
    assert_ok(
        pl_signer_sign(w, 0, PL_STR("cosignature/v1\ntime 1790000000\n" TEXT), &made, &f->err),
        &f->err);
    memcpy(blob + 8, made.b, 64);
    for (int i = 0; i < 8; i++)
        blob[i] = (uint8_t)(UINT64_C(1790000000) >> (56 - 8 * i));
    assert_ok(pl_signer_sign(f->signer, 0, n.text, &sig, &f->err), &f->err);
    n.sigs[0] = (pl_note_sig){ PL_STR(ORIGIN), f->key.keyid, sig.b, sig.n };
    n.sigs[1] = (pl_note_sig){ PL_STR("witness.example/w1"), 0xe0cd2864, blob,
                               sizeof(blob) };
    pl_note_format(&n, &b);
    assert_str(pl_buf_str(&b), TEXT "\n" LOG_LINE WITNESS_LINE);
    pl_sha256_of(pl_buf_str(&b), h);
    lt_unhex("12cd91756be820a90d1eda1c0665506a2c1e75201f21cd14792a5b13cfed8a37", want, 32);
    assert_memory_equal(h, want, 32);
    pl_buf_done(&b);
    pl_signer_free(w);
}

static void checkpoint_open__reads_the_reference_file(void **state)
{
    fx           *f = *state;
    pl_checkpoint c;

    assert_ok(pl_checkpoint_open(PL_STR(TEXT "\n" LOG_LINE WITNESS_LINE), &f->key, &c, &f->err),
              &f->err);
    assert_string_equal(c.origin, ORIGIN);
    assert_int_equal(c.size, 300);
    assert_true(pl_hash_equal(&c.root, &f->c.root));
}

static void checkpoint_open__searches_all_lines_for_the_log_key(void **state)
{
    fx           *f = *state;
    pl_checkpoint c;

    assert_ok(pl_checkpoint_open(PL_STR(TEXT "\n" WITNESS_LINE LOG_LINE), &f->key, &c, &f->err),
              &f->err);
    assert_rc(pl_checkpoint_open(PL_STR(TEXT "\n" WITNESS_LINE), &f->key, &c, &f->err), PL_INVALID);
}

static void checkpoint_open__rejects_every_changed_byte_of_the_text(void **state)
{
    fx           *f = *state;
    pl_checkpoint c;
    char          note[] = TEXT "\n" LOG_LINE;

    for (size_t i = 0; i < sizeof(TEXT) - 1; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            note[i] ^= (char)(1u << bit);
            if (pl_checkpoint_open((pl_str){ note, sizeof(note) - 1 }, &f->key, &c, NULL) == PL_OK)
                fail_msg("bit %u of byte %zu may be changed", bit, i);
            note[i] ^= (char)(1u << bit);
        }
}

/* Signs any text with the right key, as a broken or hostile log would. */
static pl_rc open_signed(fx *f, pl_str text)
{
    pl_note       n = { .text = text, .nsigs = 1 };
    pl_sig        sig;
    pl_buf        b = PL_BUF_INIT(4096);
    pl_checkpoint c;
    pl_rc         rc;

    assert_ok(pl_signer_sign(f->signer, 0, text, &sig, &f->err), &f->err);
    n.sigs[0] = (pl_note_sig){ PL_STR(ORIGIN), f->key.keyid, sig.b, sig.n };
    pl_note_format(&n, &b);
    rc = pl_checkpoint_open(pl_buf_str(&b), &f->key, &c, &f->err);
    pl_buf_done(&b);
    return rc;
}

static void checkpoint_open__accepts_extension_lines(void **state)
{
    assert_rc(open_signed(*state, PL_STR(TEXT "extension\nand another\n")), PL_OK);
}

static void checkpoint_open__rejects_malformed_texts_though_signed(void **state)
{
    static const pl_str bad[] = {
        PL_STR("\n"),
        PL_STR(ORIGIN "\n"),
        PL_STR(ORIGIN "\n300\n"),
        PL_STR("\n" ORIGIN "\n300\n" ROOT "\n"),
        PL_STR(ORIGIN "\n\n" ROOT "\n"),
        PL_STR(ORIGIN "\n0300\n" ROOT "\n"),
        PL_STR(ORIGIN "\n00\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"),
        PL_STR(ORIGIN "\n+300\n" ROOT "\n"),
        PL_STR(ORIGIN "\n 300\n" ROOT "\n"),
        PL_STR(ORIGIN "\n300 \n" ROOT "\n"),
        PL_STR(ORIGIN "\n-1\n" ROOT "\n"),
        PL_STR(ORIGIN "\n3e2\n" ROOT "\n"),
        PL_STR(ORIGIN "\n0x12c\n" ROOT "\n"),
        PL_STR(ORIGIN "\n9223372036854775808\n" ROOT "\n"),   /* 2^63 */
        PL_STR(ORIGIN "\n18446744073709551916\n" ROOT "\n"),  /* 2^64 + 300 */
        PL_STR(ORIGIN "\n300\nW9pKalB5BzkmRG3RkxWkyw1FLGPhJcJMgPDg6P7wyJc\n"),
        PL_STR(ORIGIN "\n300\nW9pKalB5BzkmRG3RkxWkyw1FLGPhJcJMgPDg6P7wyJd=\n"),
        PL_STR(ORIGIN "\n300\nW9pKalB5BzkmRG3RkxWkyw1FLGPhJcJMgPDg6P7wyA==\n"),
        PL_STR(ORIGIN "\n300\n" ROOT " \n"),
        PL_STR(ORIGIN "\n300\n" ROOT "\n\nextension\n"),
        PL_STR(ORIGIN "\n0\n" ROOT "\n"),                      /* empty tree, other root */
        PL_STR("another.example/log\n300\n" ROOT "\n"),
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (open_signed(*state, bad[i]) != PL_INVALID)
            fail_msg("text %zu was not rejected", i);
}

static void checkpoint__of_the_empty_tree_round_trips(void **state)
{
    fx           *f = *state;
    pl_checkpoint c = f->c, back;
    char         *note = NULL;
    size_t        n = 0;

    c.size = 0;
    assert_rc(pl_checkpoint_sign(&c, f->signer, &note, &n, &f->err), PL_INVALID);
    c.root = lt_hash("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_ok(pl_checkpoint_sign(&c, f->signer, &note, &n, &f->err), &f->err);
    assert_ok(pl_checkpoint_open((pl_str){ note, n }, &f->key, &back, &f->err), &f->err);
    assert_int_equal(back.size, 0);
    free(note);
}

static void checkpoint_sign__refuses_another_origin(void **state)
{
    fx           *f = *state;
    pl_checkpoint c = f->c;
    char         *note = NULL;
    size_t        n = 0;

    c.origin[0] = 'q';
    assert_rc(pl_checkpoint_sign(&c, f->signer, &note, &n, &f->err), PL_INVALID);
    c = f->c;
    c.size = UINT64_C(1) << 63;
    assert_rc(pl_checkpoint_sign(&c, f->signer, &note, &n, &f->err), PL_INVALID);
    assert_null(note);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checkpoint_sign__gives_the_reference_bytes),
        cmocka_unit_test(cosigned_checkpoint__gives_the_reference_file),
        cmocka_unit_test(checkpoint_open__reads_the_reference_file),
        cmocka_unit_test(checkpoint_open__searches_all_lines_for_the_log_key),
        cmocka_unit_test(checkpoint_open__rejects_every_changed_byte_of_the_text),
        cmocka_unit_test(checkpoint_open__accepts_extension_lines),
        cmocka_unit_test(checkpoint_open__rejects_malformed_texts_though_signed),
        cmocka_unit_test(checkpoint__of_the_empty_tree_round_trips),
        cmocka_unit_test(checkpoint_sign__refuses_another_origin),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
