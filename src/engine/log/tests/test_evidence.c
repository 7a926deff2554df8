#include "engine/log/tests/log_test.h"

#include "base/buf.h"
#include "base/hash.h"
#include "base/json.h"

#include <plumbline/evidence.h>

#define LEAVES 5

typedef struct fx {
    pl_signer *log, *stranger;
    char       vkey[PL_VKEY_TEXT_MAX];
    char      *entry[LEAVES];
    size_t     entry_n[LEAVES];
    pl_hash    leaf[LEAVES];
    char      *note;
    size_t     note_n;
    void      *package;
    size_t     n;
} fx;

static const uint8_t salt[32] = { 7 };
static const char    payload[] = "the payload\n", secret[] = "a name";

static void statement(fx *f, int i, const pl_signer *by)
{
    pl_buf  b = PL_BUF_INIT(1 << 16);
    pl_hash commitment = pl_commit(salt, (pl_str){ secret, sizeof secret - 1 });
    uint8_t digest[32];

    pl_buf_printf(&b, "{\"_type\":\"https://in-toto.io/Statement/v1\",\"subject\":[{\"name\":"
                      "\"thing:%d\",\"digest\":{\"sha256\":\"00\"}}],\"predicateType\":\"x/%d\","
                      "\"predicate\":{\"time\":\"2026-11-0%dT00:00:00.000Z\",\"payload_sha256\":\"",
                  i, i, i + 1);
    pl_sha256_of((pl_str){ payload, sizeof payload - 1 }, digest);
    pl_buf_hex(&b, digest, sizeof digest);
    pl_buf_puts(&b, "\",\"person\":\"");
    pl_buf_hex(&b, commitment.b, sizeof commitment.b);
    pl_buf_puts(&b, "\"}}");
    assert_rc(pl_dsse_sign(lt_z(PL_DSSE_INTOTO), pl_buf_str(&b), by, &f->entry[i], &f->entry_n[i],
                           NULL), PL_OK);
    pl_buf_done(&b);
    f->leaf[i] = pl_merkle_leaf((pl_str){ f->entry[i], f->entry_n[i] });
}

static void package_make(fx *f)
{
    pl_evidence_facts    facts = { .vkey = lt_z(f->vkey), .note = { f->note, f->note_n },
                                   .to = lt_z("court"), .reason = lt_z("case 7"), .now_ms = 1000 };
    pl_evidence_builder *b;
    pl_error             err = { 0 };
    pl_proof             proof;

    assert_ok(pl_evidence_builder_new(&facts, &b, &err), &err);
    assert_ok(pl_merkle_inclusion_of(f->leaf, LEAVES, 1, &proof, &err), &err);
    assert_ok(pl_evidence_builder_entry(b, 1, PL_EVIDENCE_CLAIM,
                                        (pl_str){ f->entry[1], f->entry_n[1] }, &proof, &err), &err);
    assert_ok(pl_evidence_builder_payload(b, (pl_str){ payload, sizeof payload - 1 }, &err), &err);
    assert_ok(pl_evidence_builder_opening(b, salt, (pl_str){ secret, sizeof secret - 1 }, &err),
              &err);
    assert_ok(pl_merkle_inclusion_of(f->leaf, LEAVES, 3, &proof, &err), &err);
    assert_ok(pl_evidence_builder_entry(b, 3, PL_EVIDENCE_CLAIM,
                                        (pl_str){ f->entry[3], f->entry_n[3] }, &proof, &err), &err);
    assert_ok(pl_evidence_builder_finish(b, &f->package, &f->n, &err), &err);
    pl_evidence_builder_free(b);
}

static int setup(void **state)
{
    fx             *f = calloc(1, sizeof *f);
    const uint8_t   seed[32] = { 1 }, other[32] = { 2 };
    pl_checkpoint   head = { .origin = "log.example", .size = LEAVES };
    pl_merkle_range range;

    assert_rc(pl_signer_new(lt_z("log.example"), seed, &f->log, NULL), PL_OK);
    assert_rc(pl_signer_new(lt_z("log.example"), other, &f->stranger, NULL), PL_OK);
    assert_rc(pl_signer_vkey(f->log, f->vkey, sizeof f->vkey, NULL), PL_OK);
    pl_merkle_range_init(&range);
    for (int i = 0; i < LEAVES; i++) {
        statement(f, i, i == 4 ? f->stranger : f->log);
        pl_merkle_range_append(&range, &f->leaf[i]);
    }
    head.root = pl_merkle_range_root(&range);
    assert_rc(pl_checkpoint_sign(&head, f->log, &f->note, &f->note_n, NULL), PL_OK);
    package_make(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fx *f = *state;

    for (int i = 0; i < LEAVES; i++)
        free(f->entry[i]);
    pl_signer_free(f->log);
    pl_signer_free(f->stranger);
    free(f->note);
    free(f->package);
    free(f);
    return 0;
}

static json_t *verify(const fx *f, const pl_evidence_check *how, int *ok)
{
    char    *report = NULL;
    pl_error err = { 0 };
    json_t  *j;

    assert_ok(pl_evidence_verify((pl_str){ f->package, f->n }, how, ok, &report, &err), &err);
    j = json_loads(report, 0, NULL);
    assert_non_null(j);
    free(report);
    return j;
}

static const char *text(const json_t *j, const char *key)
{
    return json_string_value(json_object_get(j, key));
}

static void evidence_verify__accepts_what_was_built(void **state)
{
    fx               *f = *state;
    pl_evidence_check how = { 0 };
    int               ok = 0;
    json_t           *j = verify(f, &how, &ok), *e;

    assert_int_equal(ok, 1);
    assert_int_equal(json_array_size(json_object_get(j, "problems")), 0);
    assert_string_equal(text(j, "key_from"), "package");
    assert_string_equal(text(j, "origin"), "log.example");
    assert_int_equal(json_integer_value(json_object_get(j, "size")), LEAVES);
    assert_string_equal(text(j, "latest_time"), "2026-11-04T00:00:00.000Z");
    assert_string_equal(text(j, "latest_time_from"), "claim");
    e = json_array_get(json_object_get(j, "entries"), 0);
    assert_true(json_is_true(json_object_get(e, "holds")));
    assert_string_equal(text(e, "subject"), "thing:1");
    assert_int_equal(json_array_size(json_object_get(e, "payloads")), 2);
    e = json_array_get(json_object_get(j, "signers"), 0);
    assert_int_equal(json_integer_value(json_object_get(e, "statements")), 2);
    json_decref(j);
}

static void evidence_verify__believes_the_key_that_is_given(void **state)
{
    fx               *f = *state;
    pl_vkey           right = *pl_signer_key(f->log, 0), wrong = *pl_signer_key(f->stranger, 0);
    pl_evidence_check how = { .key = &right };
    int               ok = 0;
    json_t           *j = verify(f, &how, &ok);

    assert_int_equal(ok, 1);
    assert_string_equal(text(j, "key_from"), "option");
    json_decref(j);
    how.key = &wrong;
    json_decref(verify(f, &how, &ok));
    assert_int_equal(ok, 0);
}

/* Which member of the archive an offset lies in: "" for headers, padding and the end. */
static pl_str member_at(const fx *f, size_t at)
{
    const char *p = f->package;
    size_t      i = 0;

    while (i + 512 <= f->n && p[i] != '\0') {
        size_t size = strtoul(p + i + 124, NULL, 8);

        if (at < i + 512)
            return lt_z("");
        if (at < i + 512 + size)
            return lt_z(p + i);
        i += 512 + (size + 511) / 512 * 512;
    }
    return lt_z("");
}

/* Text for people, and what the package says about itself: nothing vouches for it. */
static bool is_vouched_for(pl_str member)
{
    return member.n == 0 || (strncmp(member.p, "readme", 6) != 0 && strncmp(member.p, "index", 5) != 0);
}

static void evidence_verify__notices_every_changed_byte(void **state)
{
    fx               *f = *state;
    char             *p = f->package;
    pl_evidence_check how = { 0 };
    size_t            tried = 0;

    for (size_t i = 0; i < f->n; i++) {
        char    *report = NULL;
        int      ok = 0;
        pl_error err;

        if (!is_vouched_for(member_at(f, i)))
            continue;
        p[i] ^= 1;
        if (pl_evidence_verify((pl_str){ p, f->n }, &how, &ok, &report, &err) == PL_OK && ok)
            fail_msg("byte %zu of '%s' can be changed", i, member_at(f, i).p);
        free(report);
        p[i] ^= 1;
        tried++;
    }
    assert_true(tried > 5000);
}

static void evidence_verify__refuses_every_cut(void **state)
{
    fx               *f = *state;
    pl_evidence_check how = { 0 };

    for (size_t n = 0; n < f->n; n += 97) {
        char *report = NULL;
        int   ok = 0;

        assert_int_not_equal(pl_evidence_verify((pl_str){ f->package, n }, &how, &ok, &report, NULL),
                             PL_OK);
    }
}

static void evidence_verify__names_an_unknown_signer(void **state)
{
    fx                  *f = *state;
    pl_evidence_facts    facts = { .vkey = lt_z(f->vkey), .note = { f->note, f->note_n },
                                   .to = lt_z("x"), .reason = lt_z("y") };
    pl_evidence_builder *b;
    pl_proof             proof;
    pl_evidence_check    how = { 0 };
    int                  ok = 1;
    json_t              *j;

    free(f->package);
    assert_rc(pl_evidence_builder_new(&facts, &b, NULL), PL_OK);
    assert_rc(pl_merkle_inclusion_of(f->leaf, LEAVES, 4, &proof, NULL), PL_OK);
    assert_rc(pl_evidence_builder_entry(b, 4, PL_EVIDENCE_CLAIM,
                                        (pl_str){ f->entry[4], f->entry_n[4] }, &proof, NULL), PL_OK);
    assert_rc(pl_evidence_builder_finish(b, &f->package, &f->n, NULL), PL_OK);
    pl_evidence_builder_free(b);
    j = verify(f, &how, &ok);
    assert_int_equal(ok, 0);
    assert_non_null(strstr(json_string_value(json_array_get(json_object_get(j, "problems"), 0)),
                           "entry 4"));
    json_decref(j);
}

/* A payload the statement does not speak of proves nothing and is not let in quietly. */
static void evidence_verify__names_a_payload_nobody_signed(void **state)
{
    fx                  *f = *state;
    pl_evidence_facts    facts = { .vkey = lt_z(f->vkey), .note = { f->note, f->note_n },
                                   .to = lt_z("x"), .reason = lt_z("y") };
    pl_evidence_builder *b;
    pl_proof             proof;
    pl_evidence_check    how = { 0 };
    int                  ok = 1;

    free(f->package);
    assert_rc(pl_evidence_builder_new(&facts, &b, NULL), PL_OK);
    assert_rc(pl_merkle_inclusion_of(f->leaf, LEAVES, 1, &proof, NULL), PL_OK);
    assert_rc(pl_evidence_builder_entry(b, 1, PL_EVIDENCE_CLAIM,
                                        (pl_str){ f->entry[1], f->entry_n[1] }, &proof, NULL), PL_OK);
    assert_rc(pl_evidence_builder_payload(b, lt_z("smuggled"), NULL), PL_OK);
    assert_rc(pl_evidence_builder_finish(b, &f->package, &f->n, NULL), PL_OK);
    pl_evidence_builder_free(b);
    json_decref(verify(f, &how, &ok));
    assert_int_equal(ok, 0);
}

static void evidence_builder__is_deterministic(void **state)
{
    fx    *f = *state;
    void  *first = f->package;
    size_t n = f->n;

    package_make(f);
    assert_int_equal(f->n, n);
    assert_memory_equal(f->package, first, n);
    free(first);
}

static void evidence_builder__wants_rising_entries_and_a_true_checkpoint(void **state)
{
    fx                  *f = *state;
    pl_evidence_facts    facts = { .vkey = lt_z(f->vkey), .note = { f->note, f->note_n },
                                   .to = lt_z("x"), .reason = lt_z("y") };
    pl_evidence_builder *b;
    pl_proof             proof = { 0 };
    void                *out;
    size_t               n;

    assert_rc(pl_evidence_builder_new(&facts, &b, NULL), PL_OK);
    assert_rc(pl_evidence_builder_finish(b, &out, &n, NULL), PL_INVALID);
    assert_rc(pl_evidence_builder_entry(b, 3, PL_EVIDENCE_CLAIM, lt_z("x"), &proof, NULL), PL_OK);
    assert_rc(pl_evidence_builder_entry(b, 3, PL_EVIDENCE_CLAIM, lt_z("x"), &proof, NULL), PL_INVALID);
    pl_evidence_builder_free(b);
    f->note[f->note_n - 10] ^= 1;
    assert_int_not_equal(pl_evidence_builder_new(&facts, &b, NULL), PL_OK);
}

static void evidence_stamped__is_text_and_first_signature(void **state)
{
    pl_str out;

    (void)state;
    assert_rc(pl_evidence_stamped(lt_z("a\n1\nx=\n\n— a s\n— b t\n"), &out, NULL), PL_OK);
    assert_str(out, "a\n1\nx=\n\n— a s\n");
    assert_rc(pl_evidence_stamped(lt_z("a\n1\nx=\n"), &out, NULL), PL_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(evidence_verify__accepts_what_was_built, setup, teardown),
        cmocka_unit_test_setup_teardown(evidence_verify__believes_the_key_that_is_given, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(evidence_verify__notices_every_changed_byte, setup, teardown),
        cmocka_unit_test_setup_teardown(evidence_verify__refuses_every_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(evidence_verify__names_an_unknown_signer, setup, teardown),
        cmocka_unit_test_setup_teardown(evidence_verify__names_a_payload_nobody_signed, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(evidence_builder__is_deterministic, setup, teardown),
        cmocka_unit_test_setup_teardown(evidence_builder__wants_rising_entries_and_a_true_checkpoint,
                                        setup, teardown),
        cmocka_unit_test(evidence_stamped__is_text_and_first_signature),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
