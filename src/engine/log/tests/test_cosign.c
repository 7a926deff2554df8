/* PROVES: C2SP/tlog-cosignature PROVES: C2SP/tlog-witness PROVES: C2SP/tlog-proof */
#include "log_test.h"

#include "base/buf.h"
#include "base/hash.h"
#include "base/str.h"

#include <plumbline/cosign.h>

#define DASH "\xe2\x80\x94"

/* The reference log of docs/formats/ledger.md, cosigned; made with Go's crypto/ed25519. */
#define LOG_VKEY  "plumbline.example/ledger+3d396d79+AdBKsjJ0K7SrOhNovUYV5ObQIkq3GgFrr4UgozLJd4c3"
#define W1_VKEY   "witness.example/w1+e0cd2864+BKCapfR6Z1mAL/lV+NwtKhSlyZ0jvpf4ZBJ/+Tg0VaTw"
#define W1_TIME   1790000000
#define TEXT_300  "plumbline.example/ledger\n300\nW9pKalB5BzkmRG3RkxWkyw1FLGPhJcJMgPDg6P7wyJc=\n"
#define LOG_LINE                                                                                   \
    DASH " plumbline.example/ledger PTltecQf3JOeYL9ozNRlhdcrIShboWrepRP+N7FiIm+dgy+YLkjCIT7kh32A"  \
         "aDX6zarwc3mkRWipGyaQ4541SBQrUQE=\n"
#define W1_LINE                                                                                    \
    DASH " witness.example/w1 4M0oZAAAAABqsTuAJQHqgxVBUc93BP1Jy2/35Qf3Kf9G/WdnayYbAbvrysXk9r1bp+" \
         "Gb7JQd8dHkGkYQOg/90jQvuB3LUyINcKfaDg==\n"
#define NOTE_300     TEXT_300 "\n" LOG_LINE
#define COSIGNED_300 NOTE_300 W1_LINE

typedef struct fx {
    pl_signer  *log, *w1, *w2;
    pl_vkey     log_key;
    pl_cosigner k1, k2;
    pl_error    err;
} fx;

static pl_signer *signer_of(const char *name, uint8_t fill)
{
    uint8_t    seed[32];
    pl_signer *s = NULL;

    memset(seed, fill, sizeof(seed));
    assert_rc(pl_signer_new(lt_z(name), seed, &s, NULL), PL_OK);
    return s;
}

static int setup(void **state)
{
    fx *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    f->log = signer_of("plumbline.example/ledger", 0x11);
    f->w1 = signer_of("witness.example/w1", 0x22);
    f->w2 = signer_of("witness.example/w2", 0x33);
    assert_rc(pl_vkey_parse(lt_z(LOG_VKEY), &f->log_key, NULL), PL_OK);
    assert_rc(pl_cosigner_of(f->w1, &f->k1, NULL), PL_OK);
    assert_rc(pl_cosigner_of(f->w2, &f->k2, NULL), PL_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fx *f = *state;

    pl_signer_free(f->log);
    pl_signer_free(f->w1);
    pl_signer_free(f->w2);
    free(f);
    return 0;
}

/* --- cosignatures ------------------------------------------------------------------------ */

static void cosign__reproduces_the_reference_byte_for_byte(void **state)
{
    fx     *f = *state;
    char   *line = NULL, text[512];
    size_t  n = 0;
    uint8_t digest[32];
    char    hex[65];

    assert_ok(pl_cosign(lt_z(NOTE_300), f->w1, W1_TIME, &line, &n, &f->err), &f->err);
    assert_string_equal(line, W1_LINE);
    assert_int_equal(n, strlen(W1_LINE));
    free(line);
    assert_ok(pl_cosigner_format(&f->k1, text, sizeof(text), &f->err), &f->err);
    assert_string_equal(text, W1_VKEY);
    pl_sha256_of(lt_z(COSIGNED_300), digest);
    pl_hex(digest, sizeof(digest), hex);
    assert_string_equal(hex, "12cd91756be820a90d1eda1c0665506a2c1e75201f21cd14792a5b13cfed8a37");
}

static void cosigner_parse__takes_witness_keys_only(void **state)
{
    fx         *f = *state;
    pl_cosigner k;
    pl_vkey     v;

    assert_ok(pl_cosigner_parse(lt_z(W1_VKEY), &k, &f->err), &f->err);
    assert_int_equal(k.key.keyid, 0xe0cd2864);
    assert_rc(pl_cosigner_parse(lt_z(LOG_VKEY), &k, &f->err), PL_INVALID);
    assert_rc(pl_vkey_parse(lt_z(W1_VKEY), &v, &f->err), PL_INVALID);
}

static void cosignatures_open__finds_each_witness_on_any_line(void **state)
{
    fx         *f = *state;
    pl_cosigner keys[2] = { f->k2, f->k1 };
    int64_t     at[2] = { 0, 0 };

    assert_ok(pl_cosignatures_open(lt_z(COSIGNED_300), keys, 2, at, &f->err), &f->err);
    assert_int_equal(at[0], PL_COSIGNED_NOT);
    assert_int_equal(at[1], W1_TIME);
    assert_ok(pl_cosignatures_open(lt_z(TEXT_300 "\n" W1_LINE LOG_LINE), keys, 2, at, &f->err),
              &f->err);
    assert_int_equal(at[1], W1_TIME);
    /* The log's own signature is none of a witness. */
    assert_ok(pl_cosignatures_open(lt_z(NOTE_300), keys, 2, at, &f->err), &f->err);
    assert_int_equal(at[1], PL_COSIGNED_NOT);
}

/* A change anywhere in text, time or signature: refused, or no longer a line of this key. */
static void cosignatures_open__refuses_every_changed_bit(void **state)
{
    fx         *f = *state;
    static char changed[] = COSIGNED_300;
    int64_t     at;

    for (size_t i = 0; i + 1 < sizeof(changed); i++)
        for (unsigned bit = 0; bit < 7; bit++) {
            changed[i] = (char)(changed[i] ^ (1 << bit));
            if (pl_cosignatures_open(lt_z(changed), &f->k1, 1, &at, NULL) == PL_OK &&
                at != PL_COSIGNED_NOT && i < strlen(TEXT_300) - 1)
                fail_msg("bit %u of byte %zu of the text does not matter", bit, i);
            if (i >= strlen(NOTE_300) && at != PL_COSIGNED_NOT &&
                pl_cosignatures_open(lt_z(changed), &f->k1, 1, &at, NULL) == PL_OK &&
                at != PL_COSIGNED_NOT)
                fail_msg("bit %u of byte %zu of the line does not matter", bit, i);
            changed[i] = (char)(changed[i] ^ (1 << bit));
        }
}

static void cosignatures_open__rejects_a_failing_line_beside_a_good_one(void **state)
{
    fx     *f = *state;
    int64_t at;
    char   *other = NULL;
    char    note[1200];
    size_t  n;

    assert_ok(pl_cosign(lt_z("plumbline.example/ledger\n299\n"
                             "W9pKalB5BzkmRG3RkxWkyw1FLGPhJcJMgPDg6P7wyJc=\n\n" LOG_LINE),
                        f->w1, W1_TIME + 1, &other, &n, &f->err),
              &f->err);
    (void)snprintf(note, sizeof(note), "%s%s", COSIGNED_300, other);
    free(other);
    assert_rc(pl_cosignatures_open(lt_z(note), &f->k1, 1, &at, &f->err), PL_INVALID);
    assert_string_equal(f->err.text, "cosignature of 'witness.example/w1' does not verify");
}

static void cosignatures_open__gives_the_newest_time_of_a_key_that_signed_twice(void **state)
{
    fx     *f = *state;
    int64_t at = 0;
    char   *again = NULL, note[1400];
    size_t  n;

    assert_ok(pl_cosign(lt_z(NOTE_300), f->w1, W1_TIME + 60, &again, &n, &f->err), &f->err);
    (void)snprintf(note, sizeof(note), "%s%s%s", NOTE_300, again, W1_LINE);
    free(again);
    assert_ok(pl_cosignatures_open(lt_z(note), &f->k1, 1, &at, &f->err), &f->err);
    assert_int_equal(at, W1_TIME + 60);
}

static void cosign__refuses_what_is_no_checkpoint(void **state)
{
    fx    *f = *state;
    char  *line = NULL;
    size_t n;

    assert_rc(pl_cosign(lt_z("some text\n\n" LOG_LINE), f->w1, 1, &line, &n, &f->err), PL_INVALID);
    assert_rc(pl_cosign(lt_z(NOTE_300), f->w1, UINT64_C(1) << 63, &line, &n, &f->err), PL_INVALID);
}

static void cosignature_add__puts_the_line_under_the_note(void **state)
{
    fx     *f = *state;
    char   *out = NULL;
    size_t  n = 0;
    int64_t at = 0;

    assert_ok(pl_cosignature_add(lt_z(NOTE_300), lt_z(DASH " other.example AAAAAAE=\n" W1_LINE),
                                 &f->k1, &out, &n, &at, &f->err),
              &f->err);
    assert_string_equal(out, COSIGNED_300);
    assert_int_equal(at, W1_TIME);
    free(out);
    /* The same again takes the place of the old line. */
    assert_ok(pl_cosignature_add(lt_z(COSIGNED_300), lt_z(W1_LINE), &f->k1, &out, &n, &at, &f->err),
              &f->err);
    assert_string_equal(out, COSIGNED_300);
    free(out);
}

static void cosignature_add__believes_nothing_in_the_answer(void **state)
{
    fx     *f = *state;
    char   *out = NULL;
    size_t  n = 0;
    int64_t at;

    assert_rc(pl_cosignature_add(lt_z(NOTE_300), lt_z(W1_LINE), &f->k2, &out, &n, &at, &f->err),
              PL_NOTFOUND);
    assert_rc(pl_cosignature_add(lt_z(NOTE_300), lt_z(""), &f->k1, &out, &n, &at, &f->err),
              PL_INVALID);
    assert_rc(pl_cosignature_add(lt_z(NOTE_300), lt_z("<html>"), &f->k1, &out, &n, &at, &f->err),
              PL_INVALID);
    assert_rc(pl_cosignature_add(lt_z(NOTE_300), lt_z("\n" W1_LINE), &f->k1, &out, &n, &at,
                                 &f->err),
              PL_INVALID);
    /* The right key, another checkpoint. */
    assert_rc(pl_cosignature_add(lt_z("plumbline.example/ledger\n301\n"
                                      "W9pKalB5BzkmRG3RkxWkyw1FLGPhJcJMgPDg6P7wyJc=\n\n" LOG_LINE),
                                 lt_z(W1_LINE), &f->k1, &out, &n, &at, &f->err),
              PL_INVALID);
}

/* --- requests ----------------------------------------------------------------------------- */

static void add_checkpoint_parse__reads_the_published_example(void **state)
{
    static const char body[] =
        "old 20852014\n"
        "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n"
        "jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n"
        "5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n"
        "/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n"
        "\n"
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n" DASH
        " example.com/behind-the-sofa "
        "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";
    pl_add_checkpoint r;
    pl_error          err;
    pl_str            origin;
    char             *out = NULL;
    size_t            n = 0;

    (void)state;
    assert_ok(pl_add_checkpoint_parse(lt_z(body), &r, &err), &err);
    assert_int_equal(r.old_size, 20852014);
    assert_int_equal(r.proof.n, 4);
    assert_int_equal(r.proof.h[0].b[0], 0x3e);
    assert_ok(pl_note_origin(r.note, &origin, &err), &err);
    assert_str(origin, "example.com/behind-the-sofa");
    assert_ok(pl_add_checkpoint_format(&r, &out, &n, &err), &err);
    assert_string_equal(out, body);
    free(out);
}

static void add_checkpoint_parse__has_one_spelling(void **state)
{
    static const char *const bad[] = {
        "",
        "old\n\n" NOTE_300,
        "old 0" NOTE_300,
        "old +5\n\n" NOTE_300,
        "old  5\n\n" NOTE_300,
        "old 05\n\n" NOTE_300,
        "old 9223372036854775808\n\n" NOTE_300,
        "old 1\nAAAA\n\n" NOTE_300,
        "old 1\nPlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkax=\n\n" NOTE_300, /* pad bits */
        "old 1\r\n\r\n" NOTE_300,
        "old 1\n" TEXT_300,
    };
    pl_add_checkpoint r;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (pl_add_checkpoint_parse(lt_z(bad[i]), &r, NULL) != PL_INVALID)
            fail_msg("accepted: %s", bad[i]);
}

static pl_rc parse_with_hashes(unsigned n)
{
    pl_buf            b = PL_BUF_INIT(8000);
    pl_add_checkpoint r;
    pl_rc             rc;

    pl_buf_puts(&b, "old 1\n");
    while (n-- > 0)
        pl_buf_puts(&b, "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n");
    pl_buf_puts(&b, "\n");
    assert_false(b.failed);
    rc = pl_add_checkpoint_parse(pl_buf_str(&b), &r, NULL);
    pl_buf_done(&b);
    return rc;
}

static void add_checkpoint_parse__takes_63_hashes_and_no_more(void **state)
{
    (void)state;
    assert_rc(parse_with_hashes(63), PL_OK);
    assert_rc(parse_with_hashes(64), PL_INVALID);
}

/* --- the verdict -------------------------------------------------------------------------- */

static pl_hash   leaves[40];
static pl_merkle_range ranges[41];

static void tree_make(void)
{
    pl_merkle_range_init(&ranges[0]);
    for (unsigned i = 0; i < 40; i++) {
        char text[32];

        (void)snprintf(text, sizeof(text), "plumbline-%u", i);
        leaves[i] = pl_merkle_leaf(lt_z(text));
        ranges[i + 1] = ranges[i];
        pl_merkle_range_append(&ranges[i + 1], &leaves[i]);
    }
}

static pl_rc list_node(void *ctx, unsigned height, uint64_t index, pl_hash *out, pl_error *err)
{
    pl_merkle_range r;

    (void)ctx, (void)err;
    pl_merkle_range_init(&r);
    for (uint64_t i = index << height; i < (index + 1) << height; i++)
        pl_merkle_range_append(&r, &leaves[i]);
    *out = pl_merkle_range_root(&r);
    return PL_OK;
}

typedef struct ask {
    pl_add_checkpoint r;
    char             *note;
} ask;

static ask ask_make(const pl_signer *s, const char *origin, uint64_t old, uint64_t size,
                    const pl_hash *root)
{
    pl_merkle_source src = { list_node, NULL };
    pl_checkpoint    c = { .size = size, .root = root ? *root : pl_merkle_range_root(&ranges[size]) };
    ask              a = { .r = { .old_size = old } };
    pl_error         err = { 0 };
    size_t           n = 0;

    (void)snprintf(c.origin, sizeof(c.origin), "%s", origin);
    assert_ok(pl_checkpoint_sign(&c, s, &a.note, &n, &err), &err);
    a.r.note = (pl_str){ a.note, n };
    if (old > 0 && old <= size)
        assert_ok(pl_merkle_consistency(&src, old, size, &a.r.proof, &err), &err);
    return a;
}

static int verdict(fx *f, const ask *a, uint64_t last_size)
{
    pl_witnessed  last = { last_size, pl_merkle_range_root(&ranges[last_size]) };
    pl_checkpoint c;

    return (int)pl_witness_judge(&a->r, &f->log_key, 1, &last, &c, &f->err);
}

static void assert_verdict(fx *f, ask a, uint64_t last_size, pl_witness_verdict want)
{
    int got = verdict(f, &a, last_size);

    if (got != (int)want)
        fail_msg("old %llu, last %llu: %d instead of %d (%s)", (unsigned long long)a.r.old_size,
                 (unsigned long long)last_size, got, (int)want, f->err.text);
    free(a.note);
}

#define ORIGIN "plumbline.example/ledger"

static void witness_judge__cosigns_every_true_extension(void **state)
{
    fx *f = *state;

    tree_make();
    for (uint64_t m = 0; m <= 40; m++)
        for (uint64_t n = m; n <= 40; n += 3)
            assert_verdict(f, ask_make(f->log, ORIGIN, m, n, NULL), m, PL_WITNESS_COSIGN);
}

static void witness_judge__answers_as_the_protocol_says(void **state)
{
    fx      *f = *state;
    pl_hash  other = { { 1 } };
    ask      a;
    pl_signer *stranger = signer_of(ORIGIN, 0x44), *foreign = signer_of("other.example", 0x11);

    tree_make();
    assert_verdict(f, ask_make(foreign, "other.example", 0, 5, NULL), 0, PL_WITNESS_UNKNOWN);
    assert_verdict(f, ask_make(stranger, ORIGIN, 0, 5, NULL), 0, PL_WITNESS_UNSIGNED);
    assert_verdict(f, ask_make(f->log, ORIGIN, 7, 5, NULL), 7, PL_WITNESS_MALFORMED);
    assert_verdict(f, ask_make(f->log, ORIGIN, 3, 9, NULL), 5, PL_WITNESS_STALE);
    assert_verdict(f, ask_make(f->log, ORIGIN, 0, 9, NULL), 5, PL_WITNESS_STALE);
    /* Shrinking: whatever old size it claims. */
    assert_verdict(f, ask_make(f->log, ORIGIN, 3, 4, NULL), 5, PL_WITNESS_STALE);
    assert_verdict(f, ask_make(f->log, ORIGIN, 5, 4, NULL), 5, PL_WITNESS_MALFORMED);
    /* Split view of one size, a rewritten tail, a proof that is none. */
    assert_verdict(f, ask_make(f->log, ORIGIN, 5, 5, &other), 5, PL_WITNESS_INCONSISTENT);
    assert_verdict(f, ask_make(f->log, ORIGIN, 5, 9, &other), 5, PL_WITNESS_INCONSISTENT);
    a = ask_make(f->log, ORIGIN, 5, 9, NULL);
    a.r.proof.h[0].b[31] ^= 1;
    assert_verdict(f, a, 5, PL_WITNESS_INCONSISTENT);
    a = ask_make(f->log, ORIGIN, 0, 9, NULL);
    a.r.proof.n = 1;
    assert_verdict(f, a, 0, PL_WITNESS_INCONSISTENT);
    a = ask_make(f->log, ORIGIN, 5, 5, NULL);
    a.r.proof.n = 1;
    assert_verdict(f, a, 5, PL_WITNESS_INCONSISTENT);
    pl_signer_free(stranger);
    pl_signer_free(foreign);
}

static void witness_judge__refuses_a_bad_line_of_a_trusted_key(void **state)
{
    fx  *f = *state;
    ask  a;
    char note[1200];

    tree_make();
    a = ask_make(f->log, ORIGIN, 0, 5, NULL);
    (void)snprintf(note, sizeof(note), "%s%s", a.note, LOG_LINE); /* signs another text */
    a.r.note = lt_z(note);
    assert_verdict(f, a, 0, PL_WITNESS_UNSIGNED);
}

/* An empty tree has one root; another can only be a lie. Signed by hand: our signer
 * refuses to. */
static void witness_judge__knows_the_root_of_the_empty_tree(void **state)
{
    static const char text[] = "plumbline.example/ledger\n0\n"
                               "W9pKalB5BzkmRG3RkxWkyw1FLGPhJcJMgPDg6P7wyJc=\n";
    fx           *f = *state;
    pl_witnessed  last = { 0, pl_merkle_range_root(&ranges[0]) };
    uint8_t       blob[68] = { 0x3d, 0x39, 0x6d, 0x79 };
    pl_sig        sig;
    pl_buf        note = PL_BUF_INIT(2000);
    pl_checkpoint c;

    assert_ok(pl_signer_sign(f->log, 0, lt_z(text), &sig, &f->err), &f->err);
    memcpy(blob + 4, sig.b, 64);
    pl_buf_printf(&note, "%s\n" DASH " plumbline.example/ledger ", text);
    pl_buf_base64(&note, blob, sizeof(blob));
    pl_buf_puts(&note, "\n");
    assert_int_equal(pl_witness_judge(&(pl_add_checkpoint){ .note = pl_buf_str(&note) },
                                      &f->log_key, 1, &last, &c, &f->err),
                     PL_WITNESS_INCONSISTENT);
    pl_buf_done(&note);
}

/* --- tlog-proof --------------------------------------------------------------------------- */

static void tlog_proof__is_read_and_written_alike(void **state)
{
    static const char text[] = "c2sp.org/tlog-proof@v1\nindex 299\n"
                               "W9pKalB5BzkmRG3RkxWkyw1FLGPhJcJMgPDg6P7wyJc=\n\n" COSIGNED_300;
    static const char extra[] = "c2sp.org/tlog-proof@v1\nextra AAAA\nindex 0\n\n" NOTE_300;
    pl_tlog_proof     p;
    pl_error          err;
    char             *out = NULL;
    size_t            n = 0;

    (void)state;
    assert_ok(pl_tlog_proof_parse(lt_z(text), &p, &err), &err);
    assert_int_equal(p.index, 299);
    assert_int_equal(p.proof.n, 1);
    assert_str(p.note, COSIGNED_300);
    assert_ok(pl_tlog_proof_format(&p, &out, &n, &err), &err);
    assert_string_equal(out, text);
    free(out);
    assert_ok(pl_tlog_proof_parse(lt_z(extra), &p, &err), &err);
    assert_int_equal(p.index, 0);
    assert_str(p.note, NOTE_300);
    assert_rc(pl_tlog_proof_parse(lt_z("c2sp.org/tlog-proof@v2\nindex 0\n\n"), &p, &err),
              PL_INVALID);
    assert_rc(pl_tlog_proof_parse(lt_z("c2sp.org/tlog-proof@v1\nindex 1"), &p, &err), PL_INVALID);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        T(cosign__reproduces_the_reference_byte_for_byte),
        T(cosigner_parse__takes_witness_keys_only),
        T(cosignatures_open__finds_each_witness_on_any_line),
        T(cosignatures_open__refuses_every_changed_bit),
        T(cosignatures_open__rejects_a_failing_line_beside_a_good_one),
        T(cosignatures_open__gives_the_newest_time_of_a_key_that_signed_twice),
        T(cosign__refuses_what_is_no_checkpoint),
        T(cosignature_add__puts_the_line_under_the_note),
        T(cosignature_add__believes_nothing_in_the_answer),
        T(add_checkpoint_parse__reads_the_published_example),
        T(add_checkpoint_parse__has_one_spelling),
        T(add_checkpoint_parse__takes_63_hashes_and_no_more),
        T(witness_judge__cosigns_every_true_extension),
        T(witness_judge__answers_as_the_protocol_says),
        T(witness_judge__refuses_a_bad_line_of_a_trusted_key),
        T(witness_judge__knows_the_root_of_the_empty_tree),
        T(tlog_proof__is_read_and_written_alike),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
