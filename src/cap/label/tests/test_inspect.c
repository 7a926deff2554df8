/* Verdicts of the labelling measures, and what is wrong with labels as files bear them.
 * PROVES: CN-labelling-measures/6
 * PROVES: CN-labelling-measures/5
 * PROVES: GB45438-2025/6.1(c) */
#include "pl_test.h"

#include "base/fault.h"
#include "base/str.h"
#include "cap/cmd.h"
#include "cap/label/issue.h"

#include <dirent.h>
#include <fcntl.h>

#define PRODUCER "001191110102MAD55U9H0F10002"
#define MEMBERS(label)                                                                             \
    "{\"Label\":\"" label "\",\"ContentProducer\":\"" PRODUCER "\",\"ProduceID\":\"id-1\","          \
    "\"ReservedCode1\":\"\",\"ContentPropagator\":\"" PRODUCER "\",\"PropagateID\":\"id-1\","        \
    "\"ReservedCode2\":\"\"}"

static label_traces *traces;

static int setup(void **state)
{
    static const char *const folders[] = { PL_TEST_SOURCE_ROOT "/packs", NULL };

    (void)state;
    return label_traces_open(folders, &traces, NULL) == PL_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    label_traces_close(traces);
    return 0;
}

static label_inspection look(const char *text, const char *name, bool declared)
{
    static pl_str      bytes;
    static pl_media_io io;
    label_inspect_how  how = { .traces = traces, .declared = declared };
    label_inspection   i;
    pl_error           err = { 0 };

    bytes = pl_str_z(text);
    io = pl_media_io_of(&bytes);
    assert_ok(label_inspect(&io, name, &how, &i, &err), &err);
    return i;
}

/* Art. 6 of the measures in its order, then what the text leaves open. */
static const struct {
    const char *text, *name;
    bool        declared;
    const char *verdict, *rule;
    int         exit;
} verdicts[] = {
    { "{\"AIGC\":" MEMBERS("1") "}", "a.json", false, "generated", "cn.labelling-measures.6.1", 0 },
    { "{\"AIGC\":" MEMBERS("1") "}", "a.json", true, "generated", "cn.labelling-measures.6.1", 0 },
    { "{\"AIGC\":" MEMBERS("2") "}", "a.json", false, "possible", "label.propagator-judgement", 0 },
    { "{\"AIGC\":" MEMBERS("3") "}", "a.json", false, "suspected", "label.propagator-judgement", 0 },
    { "{\"x\":1}", "a.json", true, "possible", "cn.labelling-measures.6.2", 0 },
    { "{\"x\":1}", "a.json", false, "inconclusive", "no-label-found", 3 },
    { "{\"AIGC\":\"\"}", "a.json", false, "suspected", "label.unverifiable", 1 },
    { "{\"AIGC\":{\"Label\":\"7\"}}", "a.json", false, "suspected", "label.unverifiable", 1 },
    { "正文。\n\n内容由AI生成\n", "a.txt", false, "suspected", "cn.labelling-measures.6.3", 0 },
    { "正文。\n\nAI创作\n", "a.txt", false, "suspected", "cn.labelling-measures.6.3", 1 },
    { "plain\n", "a.txt", false, "inconclusive", "no-label-found", 3 },
    { "<html><head><meta name=\"parameters\" content=\"x Steps: 20, Sampler: Euler\"></head></html>", "a.html", false,
      "suspected", "cn.labelling-measures.6.3", 0 },
    { "{\"cut\":", "a.json", false, "inconclusive", "file-unreadable", 4 },
};

static void verdict__follows_the_order_of_article_6(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof verdicts / sizeof verdicts[0]; k++) {
        label_inspection i = look(verdicts[k].text, verdicts[k].name, verdicts[k].declared);
        if (strcmp(i.verdict, verdicts[k].verdict) != 0 || strcmp(i.rule, verdicts[k].rule) != 0 ||
            label_inspection_exit(&i) != verdicts[k].exit)
            fail_msg("%s: %s by %s, exit %d", verdicts[k].text, i.verdict, i.rule, label_inspection_exit(&i));
        assert_true(label_rule_text(i.rule, true)[0] && label_rule_text(i.rule, false)[0]);
        label_inspection_done(&i);
    }
}

static bool has(const label_site *s, const char *code)
{
    for (size_t i = 0; i < s->aigc.n; i++)
        if (strcmp(s->aigc.problem[i].code, code) == 0)
            return true;
    return false;
}

static void labels__that_repeat_or_disagree_do_not_conform(void **state)
{
    label_inspection i = look("<head><meta name=\"AIGC\" content='" MEMBERS("2") "'><meta name=\"AIGC\" content='" MEMBERS("2") "'></head>",
                              "a.html", false);

    (void)state;
    assert_int_equal(i.in_force, 2);
    assert_true(has(&i.site[0], "label.duplicate") && has(&i.site[1], "label.duplicate"));
    label_inspection_done(&i);
    i = look("<head><meta name=\"AIGC\" content='" MEMBERS("3") "'><meta name=\"x-aigc\" content='" MEMBERS("1") "'></head>", "a.html", false);
    assert_true(has(&i.site[0], "label.conflict"));
    assert_string_equal(i.verdict, "generated"); /* the strongest claim counts */
    assert_int_equal(label_inspection_exit(&i), PL_EXIT_FOUND);
    label_inspection_done(&i);
}

static pl_rc issue(const char *text, const char *name, unsigned flags, pl_buf *out, label_outcome *r, pl_error *err)
{
    label_order o = { .producer = PL_STR(PRODUCER), .content_id = PL_STR("new-1"), .state = '1', .flags = flags };

    return label_issue_bytes(pl_str_z(text), name, &o, out, r, err);
}

static void issue__keeps_what_it_replaced(void **state)
{
    pl_buf        out = PL_BUF_INIT(1u << 20);
    label_outcome r;
    pl_error      err = { 0 };
    json_t       *p;

    (void)state;
    assert_rc(issue("{\"AIGC\":" MEMBERS("1") "}", "a.json", 0, &out, &r, &err), PL_CONFLICT);
    assert_int_equal(out.n, 0);
    assert_ok(issue("{\"AIGC\":" MEMBERS("1") "}", "a.json", LABEL_REPLACE, &out, &r, &err), &err);
    assert_non_null(strstr(out.p, "\"ProduceID\":\"new-1\""));
    assert_null(strstr(out.p, "id-1\""));
    assert_int_equal(json_array_size(r.replaced), 1);
    assert_non_null(strstr(json_string_value(json_object_get(json_array_get(r.replaced, 0), "value")), "\"id-1\""));
    label_order o = { .producer = PL_STR(PRODUCER), .content_id = PL_STR("new-1"), .state = '1' };
    p = label_statement(&o, &r, "00", 0);
    assert_int_equal(json_array_size(json_object_get(p, "replaced")), 1);
    json_decref(p);
    label_outcome_done(&r);
    pl_buf_done(&out);
}

static void issue__refuses_codes_that_are_none(void **state)
{
    pl_buf        out = PL_BUF_INIT(1u << 20);
    label_outcome r;
    pl_error      err = { 0 };
    label_order   o = { .producer = PL_STR("001191110102MAD55U9H0F10003X"), .content_id = PL_STR("a"), .state = '1' };

    (void)state;
    assert_rc(label_issue_bytes(PL_STR("{}"), "a.json", &o, &out, &r, &err), PL_INVALID);
    o.producer = PL_STR("001191110103MAD55U9H0F10002");
    assert_rc(label_issue_bytes(PL_STR("{}"), "a.json", &o, &out, &r, &err), PL_INVALID);
    assert_non_null(strstr(err.text, "TC260-PG-20252A"));
    o.flags = LABEL_ANY_NAME;
    assert_ok(label_issue_bytes(PL_STR("{}"), "a.json", &o, &out, &r, &err), &err);
    label_outcome_done(&r);
    pl_buf_done(&out);
}

/* PNG, 1x1 (made with a standard encoder), to a file and back. */
static const char png[] = "\x89PNG\r\n\x1A\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\0\0\0\0\x3A\x7E\x9B\x55"
                          "\0\0\0\nIDAT\x78\xDA\x63\x60\0\0\0\x02\0\1\xE5\x27\xDE\xFC"
                          "\0\0\0\0IEND\xAE\x42\x60\x82";

static char *write_file(const char *dir, const char *name, pl_str bytes)
{
    char *path = NULL;
    FILE *f;

    assert_true(asprintf(&path, "%s/%s", dir, name) > 0);
    f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes.p, 1, bytes.n, f), bytes.n);
    fclose(f);
    return path;
}

static void issue__leaves_input_times_and_permissions(void **state)
{
    char           *dir = pl_test_mkdtemp(), *in = write_file(dir, "in.png", (pl_str){ png, sizeof png - 1 }), *out = NULL;
    label_order     o = { .producer = PL_STR(PRODUCER), .content_id = PL_STR("n"), .state = '1', .flags = LABEL_SYNC };
    struct timespec times[2] = { { 1000000000, 5 }, { 1100000000, 7 } };
    struct stat     a, b;
    label_outcome   r;
    pl_error        err = { 0 };

    (void)state;
    assert_true(asprintf(&out, "%s/out.png", dir) > 0);
    assert_int_equal(chmod(in, 0640), 0);
    assert_int_equal(utimensat(AT_FDCWD, in, times, 0), 0);
    assert_ok(label_issue(in, out, &o, &r, &err), &err);
    label_outcome_done(&r);
    assert_int_equal(stat(in, &a) | stat(out, &b), 0);
    assert_int_equal(a.st_size, sizeof png - 1);
    assert_int_equal(b.st_mode & 07777, 0640);
    assert_int_equal(b.st_mtim.tv_sec, 1100000000);
    assert_int_equal(b.st_mtim.tv_nsec, 7);
    /* Output that is there, output that is the input, an input that is none. */
    assert_rc(label_issue(in, out, &o, &r, &err), PL_CONFLICT);
    o.flags |= LABEL_FORCE;
    assert_ok(label_issue(in, out, &o, &r, &err), &err);
    label_outcome_done(&r);
    assert_rc(label_issue(in, in, &o, &r, &err), PL_CONFLICT);
    assert_rc(label_issue(dir, out, &o, &r, &err), PL_INVALID);
    /* The same again: nothing to do. */
    o.flags = LABEL_RESUME;
    assert_ok(label_issue(in, out, &o, &r, &err), &err);
    assert_true(r.skipped);
    label_outcome_done(&r);
    free(in);
    free(out);
    pl_test_rmtree(dir);
}

static size_t entries(const char *dir)
{
    DIR   *d = opendir(dir);
    size_t n = 0;

    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

/* A disk that is full from the n-th write on, or fails once: the output is whole or not there,
 * nothing else stays, and the input is what it was. */
static void issue__leaves_nothing_behind_when_the_disk_fails(void **state)
{
    static const char *const kinds[] = { "full", "io-once" };
    char       *dir = pl_test_mkdtemp(), *in = write_file(dir, "in.png", (pl_str){ png, sizeof png - 1 }), *out = NULL;
    label_order o = { .producer = PL_STR(PRODUCER), .content_id = PL_STR("n"), .state = '1', .flags = LABEL_SYNC };
    size_t      failed = 0;

    (void)state;
    assert_true(asprintf(&out, "%s/out.png", dir) > 0);
    for (size_t k = 0; k < 2; k++)
        for (int n = 1; n < 20; n++) {
            char          fault[32];
            label_outcome r;
            struct stat   st;
            pl_error      err = { 0 };
            pl_rc         rc;
            (void)snprintf(fault, sizeof fault, "%s@%d", kinds[k], n);
            assert_int_equal(setenv("PL_FAULT", fault, 1), 0);
            pl_fault_init();
            rc = label_issue(in, out, &o, &r, &err);
            assert_int_equal(unsetenv("PL_FAULT"), 0);
            pl_fault_init();
            assert_int_equal(stat(in, &st), 0);
            assert_int_equal(st.st_size, sizeof png - 1);
            if (rc == PL_OK) {
                label_outcome_done(&r);
                assert_int_equal(entries(dir), 2);
            } else {
                failed++;
                assert_true(err.text[0] != '\0');
                assert_in_range(entries(dir), 1, 2); /* 2: only its folder could not be synced */
            }
            (void)unlink(out);
        }
    assert_in_range(failed, 4, 38);
    free(in);
    free(out);
    pl_test_rmtree(dir);
}

static void platform__adds_its_members_and_keeps_the_producers(void **state)
{
    char             *dir = pl_test_mkdtemp(), *in = write_file(dir, "in.json", PL_STR("{\"AIGC\":" MEMBERS("1") "}")), *out = NULL;
    label_inspection  i = look("{\"AIGC\":" MEMBERS("1") "}", "in.json", false);
    label_outcome     r;
    pl_error          err = { 0 };

    (void)state;
    assert_true(asprintf(&out, "%s/out.json", dir) > 0);
    assert_ok(label_issue_propagated(in, out, &i, PL_STR("001191440300708461136T20000"), PL_STR("p-1"), 0, NULL, &r, &err), &err);
    assert_non_null(strstr(r.value, "\"ContentProducer\":\"" PRODUCER "\""));
    assert_non_null(strstr(r.value, "\"ContentPropagator\":\"001191440300708461136T20000\",\"PropagateID\":\"p-1\""));
    label_outcome_done(&r);
    label_inspection_done(&i);
    i = look("{}", "in.json", false);
    assert_rc(label_issue_propagated(in, out, &i, PL_STR("001191440300708461136T20000"), PL_STR("p-1"), 0, NULL, &r, &err), PL_NOTFOUND);
    label_inspection_done(&i);
    free(in);
    free(out);
    pl_test_rmtree(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdict__follows_the_order_of_article_6),
        cmocka_unit_test(labels__that_repeat_or_disagree_do_not_conform),
        cmocka_unit_test(issue__keeps_what_it_replaced),
        cmocka_unit_test(issue__refuses_codes_that_are_none),
        cmocka_unit_test(issue__leaves_input_times_and_permissions),
        cmocka_unit_test(issue__leaves_nothing_behind_when_the_disk_fails),
        cmocka_unit_test(platform__adds_its_members_and_keeps_the_producers),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
