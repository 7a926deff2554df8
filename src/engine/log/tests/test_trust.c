/* PROVES: C2SP/tlog-policy */
#include "log_test.h"

#include "base/buf.h"

#include <plumbline/cosign.h>

#define TEXT_300 "plumbline.example/ledger\n300\nW9pKalB5BzkmRG3RkxWkyw1FLGPhJcJMgPDg6P7wyJc=\n"
#define LOG_VKEY "plumbline.example/ledger+3d396d79+AdBKsjJ0K7SrOhNovUYV5ObQIkq3GgFrr4UgozLJd4c3"
#define WITNESSES 6

static pl_signer *witness[WITNESSES];
static char       vkey[WITNESSES][300];
static char      *line[WITNESSES]; /* of each under the note */
static char      *note;            /* the log's own          */

static int setup(void **state)
{
    pl_checkpoint c = { .origin = "plumbline.example/ledger", .size = 300,
                        .root = lt_hash("5bda4a6a5079073926446dd19315a4cb0d452c63e125c24c80f0e0e8fe"
                                        "f0c897") };
    uint8_t    seed[32];
    pl_signer *log = NULL;
    size_t     n;

    (void)state;
    memset(seed, 0x11, sizeof(seed));
    assert_rc(pl_signer_new(lt_z(c.origin), seed, &log, NULL), PL_OK);
    assert_rc(pl_checkpoint_sign(&c, log, &note, &n, NULL), PL_OK);
    pl_signer_free(log);
    for (unsigned i = 0; i < WITNESSES; i++) {
        char        name[32];
        pl_cosigner k;

        (void)snprintf(name, sizeof(name), "witness.example/%u", i);
        memset(seed, 0x20 + (int)i, sizeof(seed));
        assert_rc(pl_signer_new(lt_z(name), seed, &witness[i], NULL), PL_OK);
        assert_rc(pl_cosigner_of(witness[i], &k, NULL), PL_OK);
        assert_rc(pl_cosigner_format(&k, vkey[i], sizeof(vkey[i]), NULL), PL_OK);
        assert_rc(pl_cosign(lt_z(note), witness[i], 1790000000 + i, &line[i], &n, NULL), PL_OK);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (unsigned i = 0; i < WITNESSES; i++) {
        pl_signer_free(witness[i]);
        free(line[i]);
    }
    free(note);
    return 0;
}

/* The example of the specification: two organisations, three witnesses each. */
static pl_trust *example(void)
{
    static const char *const names[] = { "X1", "X2", "X3", "Y1", "Y2", "Y3" };
    pl_buf                   b = PL_BUF_INIT(8000);
    pl_trust                *t = NULL;
    pl_error                 err = { 0 };

    pl_buf_puts(&b, "# two organisations\nlog " LOG_VKEY "\n\n");
    for (unsigned i = 0; i < WITNESSES; i++)
        pl_buf_printf(&b, "\twitness %s  %s https://w%u.example/\n", names[i], vkey[i], i);
    pl_buf_puts(&b, "group X-witnesses 2 X1 X2 X3\ngroup Y-witnesses any Y1 Y2 Y3\n"
                    "group X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n");
    assert_ok(pl_trust_parse(pl_buf_str(&b), &t, &err), &err);
    pl_buf_done(&b);
    return t;
}

/* The note with the lines of the witnesses whose bits are set. */
static void cosigned(unsigned set, char *out, size_t cap)
{
    size_t at = (size_t)snprintf(out, cap, "%s", note);

    for (unsigned i = 0; i < WITNESSES; i++)
        if (set >> i & 1)
            at += (size_t)snprintf(out + at, cap - at, "%s", line[i]);
}

static void trust_judge__agrees_with_the_rule_for_every_set_of_witnesses(void **state)
{
    pl_trust *t = example();
    char      text[4000];

    (void)state;
    assert_int_equal(pl_trust_log_count(t), 1);
    assert_int_equal(pl_trust_witness_count(t), WITNESSES);
    assert_string_equal(pl_trust_witness_get(t, 3)->name, "Y1");
    for (unsigned set = 0; set < 1u << WITNESSES; set++) {
        pl_trust_verdict v;
        pl_error         err = { 0 };
        int x = __builtin_popcount(set & 7), y = __builtin_popcount(set >> 3);

        cosigned(set, text, sizeof(text));
        assert_ok(pl_trust_judge(t, lt_z(text), &v, &err), &err);
        assert_int_equal(v.is_met, x >= 2 && y >= 1);
        assert_int_equal(v.seen, x + y);
        assert_int_equal(v.time_s[0], set & 1 ? 1790000000 : PL_COSIGNED_NOT);
    }
    pl_trust_free(t);
}

static void trust_judge__counts_a_witness_once_however_often_it_signs(void **state)
{
    pl_trust        *t = NULL;
    pl_trust_verdict v;
    char             policy[2000], text[4000];
    pl_error         err = { 0 };

    (void)state;
    (void)snprintf(policy, sizeof(policy),
                   "witness a %s\nwitness b %s\ngroup g 2 a b\nquorum g", vkey[0], vkey[1]);
    assert_ok(pl_trust_parse(lt_z(policy), &t, &err), &err);
    (void)snprintf(text, sizeof(text), "%s%s%s", note, line[0], line[0]);
    assert_ok(pl_trust_judge(t, lt_z(text), &v, &err), &err);
    assert_int_equal(v.seen, 1);
    assert_false(v.is_met);
    pl_trust_free(t);
}

static void trust_judge__rejects_a_note_with_a_failing_line(void **state)
{
    pl_trust        *t = example();
    pl_trust_verdict v;
    char             text[4000];
    pl_error         err;

    (void)state;
    cosigned(0x3f, text, sizeof(text));
    memcpy(strstr(text, "300"), "301", 3);
    assert_rc(pl_trust_judge(t, lt_z(text), &v, &err), PL_INVALID);
    pl_trust_free(t);
}

static void trust_parse__refuses_one_key_under_two_names(void **state)
{
    char        policy[2000], again[300];
    uint8_t     seed[32];
    pl_signer  *s = NULL;
    pl_cosigner k;
    pl_trust   *t;
    pl_error    err;

    (void)state;
    memset(seed, 0x20, sizeof(seed)); /* the key of witness 0 under another name */
    assert_rc(pl_signer_new(lt_z("elsewhere.example"), seed, &s, NULL), PL_OK);
    assert_rc(pl_cosigner_of(s, &k, NULL), PL_OK);
    assert_rc(pl_cosigner_format(&k, again, sizeof(again), NULL), PL_OK);
    pl_signer_free(s);
    (void)snprintf(policy, sizeof(policy), "witness a %s\nwitness b %s\nquorum a\n", vkey[0],
                   again);
    assert_rc(pl_trust_parse(lt_z(policy), &t, &err), PL_INVALID);
    assert_string_equal(err.text, "trust policy line 2: the key is listed already");
}

static void trust_parse__refuses_what_breaks_the_rules(void **state)
{
    static const char *const bad[] = {
        "",                                           /* no quorum          */
        "quorum none\nquorum none\n",                 /* two                */
        "quorum a\n",                                 /* not defined        */
        "quorum none none\n",
        "quorum\n",
        "witness none W0\nquorum none\n",             /* reserved name      */
        "witness a W0\nwitness a W1\nquorum a\n",     /* name taken         */
        "witness a W0\ngroup a any a\nquorum a\n",
        "witness a W0\ngroup g any a b\nquorum g\n",  /* unknown member     */
        "witness a W0\ngroup g any a a\nquorum g\n",  /* member twice       */
        "witness a W0\ngroup g any a\ngroup h any a\nquorum h\n",
        "witness a W0\ngroup g 0 a\nquorum g\n",
        "witness a W0\ngroup g 2 a\nquorum g\n",
        "witness a W0\ngroup g +1 a\nquorum g\n",
        "witness a W0\ngroup g any\nquorum g\n",
        "group g any g\nquorum g\n",
        "witness a W0 http://x y\nquorum a\n",
        "witness a L\nquorum a\n",                    /* key of a log       */
        "log W0\nquorum none\n",                      /* key of a witness   */
        "log L\nlog L\nquorum none\n",
        "witnes a W0\nquorum none\n",
        "quorum none\r\n",
        "Quorum none\n",
    };
    pl_trust *t;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        pl_buf b = PL_BUF_INIT(8000);

        /* W0, W1 and L stand for keys. */
        for (const char *p = bad[i]; *p != '\0'; p++) {
            if (strncmp(p, "W0", 2) == 0 || strncmp(p, "W1", 2) == 0)
                pl_buf_puts(&b, vkey[*++p - '0']);
            else if (*p == 'L')
                pl_buf_puts(&b, LOG_VKEY);
            else
                pl_buf_putc(&b, *p);
        }
        if (pl_trust_parse(pl_buf_str(&b), &t, NULL) != PL_INVALID)
            fail_msg("accepted: %s", bad[i]);
        pl_buf_done(&b);
    }
}

static void trust_parse__takes_a_policy_without_witnesses(void **state)
{
    pl_trust        *t = NULL;
    pl_trust_verdict v;
    pl_error         err;

    (void)state;
    assert_ok(pl_trust_parse(lt_z("  # none\n\n \t\nquorum none"), &t, &err), &err);
    assert_ok(pl_trust_judge(t, lt_z(note), &v, &err), &err);
    assert_true(v.is_met);
    pl_trust_free(t);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(trust_judge__agrees_with_the_rule_for_every_set_of_witnesses),
        cmocka_unit_test(trust_judge__counts_a_witness_once_however_often_it_signs),
        cmocka_unit_test(trust_judge__rejects_a_note_with_a_failing_line),
        cmocka_unit_test(trust_parse__refuses_one_key_under_two_names),
        cmocka_unit_test(trust_parse__refuses_what_breaks_the_rules),
        cmocka_unit_test(trust_parse__takes_a_policy_without_witnesses),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
