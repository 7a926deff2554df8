/* Policy sources: what compiles, and where a mistake is said to be. */
#include "guard_fixture.h"

#include "base/file.h"
#include "cap/guard/guard_int.h"
#include "engine/text/model.h"
#include "engine/text/pii.h"

#include <plumbline/policydb.h>
#include <plumbline/screen.h>
#include <sys/stat.h>

#define OWN_SOURCE "policy: p\nversion: 3\npacks: [own]\nroutes:\n  default:\n" \
    "    input:\n      - {category: \"harm.*\", action: block}\n" \
    "    output:\n      - {category: \"*\", action: log}\n" \
    "    label: {explicit: false}\n    answers: {default: {zh: 不, en: \"no\"}}\n"

#define SOURCE "policy: p\nversion: 3\npacks: [lexicon-starter]\nroutes:\n  default:\n" \
    "    input:\n      - {category: \"harm.*\", action: block}\n" \
    "    output:\n      - {category: \"*\", action: log}\n" \
    "    label: {explicit: true, zh: 内容由AI生成, en: AI生成}\n" \
    "    answers: {default: {zh: 不, en: no}}\n"

static const char *const folders[] = { PL_TEST_SOURCE_ROOT "/packs", NULL };

static pl_rc compile(const char *text, void **image, size_t *n, pl_error *err)
{
    char  path[] = "/tmp/plumbline-source-XXXXXX";
    int   fd = mkstemp(path);
    pl_rc rc;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    rc = pl_policy_compile(path, folders, image, n, err);
    unlink(path);
    return rc;
}

static void compile__gives_the_same_bytes_for_the_same_source(void **state)
{
    void    *a, *b;
    size_t   an, bn;
    pl_error err;

    (void)state;
    assert_ok(compile(SOURCE, &a, &an, &err), &err);
    assert_ok(compile(SOURCE, &b, &bn, &err), &err);
    assert_int_equal(an, bn);
    assert_memory_equal(a, b, an);
    free(a);
    free(b);
}

static void compile__takes_the_policy_we_ship(void **state)
{
    char       path[] = "/tmp/plumbline-image-XXXXXX";
    int        fd = mkstemp(path);
    void      *image;
    size_t     n;
    pl_policy *p;
    pl_error   err;

    (void)state;
    assert_ok(pl_policy_compile(PL_TEST_SOURCE_ROOT "/share/defaults/policy/default.yaml", folders,
                                &image, &n, &err), &err);
    assert_int_equal(write(fd, image, n), n);
    close(fd);
    assert_ok(pl_policy_openat(AT_FDCWD, path, &p, &err), &err);
    assert_true(pl_policy_route_find(p, PL_STR("default")) >= 0);
    assert_true(pl_textdb_rule_count(pl_policy_textdb(p)) > 100);
    pl_policy_unref(p);
    unlink(path);
    free(image);
}

static int remember(void *ctx, const pl_text_finding *f)
{
    *(pl_text_finding *)ctx = *f;
    return 0;
}

static void compile__makes_rules_of_detectors(void **state)
{
    static const char  text[] = "mail me@example.org, 110105194912310021";
    void              *image;
    size_t             n;
    pl_policydb        db;
    pl_screen         *screen;
    pl_text_rule       rule;
    pl_text_finding    found = { .rule = UINT32_MAX };
    pl_error           err;

    (void)state;
    assert_ok(compile("detectors: [pii.cn_id, {category: pii.email, severity: 4}]\n" SOURCE, &image,
                      &n, &err),
              &err);
    assert_ok(pl_policydb_check((pl_str){ image, n }, &db, &err), &err);
    assert_ok(pl_screen_open(&db, &screen, &err), &err);
    assert_ok(pl_screen_scan(screen, PL_STR(text), PL_SCREEN_STRUCTURED, remember, &found, &err),
              &err);
    rule = pl_textdb_rule_get(pl_screen_textdb(screen), found.rule);
    assert_str(rule.id, "detector.pii.email");
    assert_str(rule.category, "pii.email");
    assert_int_equal(rule.severity, 4);
    assert_int_equal(found.start, 5);
    assert_int_equal(found.end, 19);
    pl_screen_free(screen);
    free(image);
}

static void compile__takes_all_detectors_in_one_word(void **state)
{
    void         *image;
    size_t        n;
    pl_policydb   db;
    pl_str        section;
    pl_pii_config c;
    pl_error      err;

    (void)state;
    assert_ok(compile("detectors: all\n" SOURCE, &image, &n, &err), &err);
    assert_ok(pl_policydb_check((pl_str){ image, n }, &db, &err), &err);
    assert_ok(pl_policydb_section_find(&db, PL_SECTION_PII, &section, &err), &err);
    assert_ok(pl_pii_config_parse(section, UINT32_MAX, &c, &err), &err);
    for (size_t k = 0; k < PL_PII_KINDS; k++)
        assert_true(c.rule[k] != PL_PII_OFF);
    free(image);
    assert_ok(compile(SOURCE, &image, &n, &err), &err);
    assert_ok(pl_policydb_check((pl_str){ image, n }, &db, &err), &err);
    assert_rc(pl_policydb_section_find(&db, PL_SECTION_PII, &section, &err), PL_NOTFOUND);
    free(image);
}

/* PROVES: GB45438-2025/5.1 (a label that breaks the wording rule is refused) */
static void compile__says_where_the_mistake_is(void **state)
{
    static const struct {
        const char *from, *to, *expect;
    } cases[] = {
        { "policy: p", "policy: 'P p'", ":1:1: 'policy' must be" },
        { "version: 3", "version: 0", ":2:1: 'version' must be" },
        { "[lexicon-starter]", "[no-such-pack]", "no-such-pack" },
        { "action: block", "action: stop", ":7:9: 'action' must be" },
        { "category: \"harm.*\"", "kategory: x", ":7:10: unknown key 'kategory'" },
        { "    output:", "    outputs:", "unknown key" },
        { "zh: 内容由AI生成", "zh: 由机器写成", "wording must name AI" },
        { "answers: {default:", "answers: {other:", "at least 'default'" },
        { "zh: 不, en: no", "zh: 不", "in both 'zh' and 'en'" },
        { "routes:", "detectors: [pii.mail]\nroutes:", ":4:13: not the category of a detector" },
        { "routes:", "detectors: [pii.ip, pii.ip]\nroutes:", "listed twice" },
        { "routes:", "detectors: [{category: pii.ip, severity: 5}]\nroutes:", "'severity'" },
        { "routes:", "detectors: some\nroutes:", "must be 'all' or a list" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *at = strstr(SOURCE, cases[i].from);
        char        text[2048];
        void       *image;
        size_t      n;
        pl_error    err;
        assert_non_null(at);
        snprintf(text, sizeof text, "%.*s%s%s", (int)(at - SOURCE), SOURCE, cases[i].to,
                 at + strlen(cases[i].from));
        assert_rc(compile(text, &image, &n, &err) != PL_OK, 1);
        if (!strstr(err.text, cases[i].expect))
            fail_msg("case %zu: '%s' does not say '%s'", i, err.text, cases[i].expect);
    }
}

static void category__patterns_match_prefixes_at_dots_only(void **state)
{
    (void)state;
    assert_true(pl_category_matches(PL_STR("*"), PL_STR("harm.fraud")));
    assert_true(pl_category_matches(PL_STR("harm.*"), PL_STR("harm.fraud")));
    assert_true(pl_category_matches(PL_STR("harm.fraud"), PL_STR("harm.fraud")));
    assert_false(pl_category_matches(PL_STR("harm.*"), PL_STR("harmless.x")));
    assert_false(pl_category_matches(PL_STR("harm"), PL_STR("harm.fraud")));
}

static pl_str section_of(void *image, size_t n, uint32_t tag)
{
    pl_policydb db;
    pl_str      section = { NULL, 0 };

    assert_rc(pl_policydb_check((pl_str){ image, n }, &db, NULL), PL_OK);
    (void)pl_policydb_section_find(&db, tag, &section, NULL);
    return section;
}

static bool has_rule(const pl_textdb *db, const char *id, uint8_t severity)
{
    for (uint32_t i = 0; i < pl_textdb_rule_count(db); i++) {
        pl_text_rule r = pl_textdb_rule_get(db, i);

        if (r.id.n == strlen(id) && memcmp(r.id.p, id, r.id.n) == 0)
            return r.severity == severity;
    }
    return false;
}

static void compile__puts_the_model_of_a_pack_in(void **state)
{
    void      *image;
    size_t     n;
    pl_textdb *text = NULL;
    pl_model  *m = NULL;
    pl_error   err;

    (void)state;
    assert_ok(compile("model: {pack: model-default, severity: 3}\n" SOURCE, &image, &n, &err), &err);
    assert_ok(pl_model_open(section_of(image, n, PL_SECTION_MODEL), &m, &err), &err);
    assert_ok(pl_textdb_open(section_of(image, n, PL_SECTION_TEXT), &text, &err), &err);
    assert_true(has_rule(text, "model.harm.fraud", 3));
    assert_true(has_rule(text, "model.harm.fraud.uncertain", 1));
    pl_textdb_free(text);
    pl_model_free(m);
    free(image);
    assert_ok(compile(SOURCE, &image, &n, &err), &err);
    assert_int_equal(section_of(image, n, PL_SECTION_MODEL).n, 0);
    free(image);
}

static void compile__refuses_what_is_no_model(void **state)
{
    static const char *const bad[][2] = {
        { "model: lexicon-starter\n" SOURCE, "not of kind 'model'" },
        { "model: {pak: x}\n" SOURCE, "unknown key 'pak'" },
        { "model: {severity: 2}\n" SOURCE, "names no pack" },
        { "model: {pack: model-default, severity: 9}\n" SOURCE, "'severity' must be" },
        { "model: no-such-model\n" SOURCE, "no-such-model" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        void    *image;
        size_t   n;
        pl_error err;

        assert_rc(compile(bad[i][0], &image, &n, &err) != PL_OK, 1);
        if (!strstr(err.text, bad[i][1]))
            fail_msg("case %zu: '%s'", i, err.text);
    }
}

/* --- what entries ask for ------------------------------------------------------------- */

static const char own_manifest[] =
    "id: own\nversion: \"1\"\nkind: lexicon\njurisdiction: any\nlegal_weight: none\n"
    "in_force: {from: \"2026-01-01\"}\ntitle: {zh: 样例, en: Sample}\nlicence: Apache-2.0\n"
    "sources: [{id: own, title: t, evidence: P, date: \"2026-01-01\"}]\n";

static void put(const char *root, const char *name, const char *text)
{
    char     path[400];
    pl_error err = { 0 };

    snprintf(path, sizeof path, "%s/own/%s", root, name);
    assert_ok(pl_file_write_atomic(path, pl_str_z(text), 0644, &err), &err);
}

static int first_rule(void *ctx, const pl_text_finding *f)
{
    *(pl_text_finding *)ctx = *f;
    return 1;
}

/* The rule that a text meets under a policy with these entries, or "". */
static void assert_meets(const char *entries, const char *text, const char *rule, unsigned form)
{
    char            *root = pl_test_mkdtemp(), dir[400];
    const char      *both[] = { root, PL_TEST_SOURCE_ROOT "/packs", NULL };
    void            *image;
    size_t           n;
    pl_textdb       *words;
    pl_text_finding  f = { .rule = UINT32_MAX };
    pl_error         err = { 0 };

    snprintf(dir, sizeof dir, "%s/own", root);
    assert_int_equal(mkdir(dir, 0755), 0);
    put(root, "pack.yaml", own_manifest);
    put(root, "entries.tsv", entries);
    snprintf(dir, sizeof dir, "%s/own/../policy.yaml", root);
    assert_ok(pl_file_write_atomic(dir, pl_str_z(OWN_SOURCE), 0644, &err), &err);
    assert_ok(pl_policy_compile(dir, both, &image, &n, &err), &err);
    assert_ok(pl_textdb_open(section_of(image, n, PL_SECTION_TEXT), &words, &err), &err);
    pl_text_scan(words, pl_str_z(text), first_rule, &f);
    if (f.rule == UINT32_MAX)
        assert_string_equal("", rule);
    else
        assert_str(pl_textdb_rule_get(words, f.rule).id, rule);
    assert_int_equal(f.form & form, form);
    pl_textdb_free(words);
    free(image);
    pl_test_rmtree(root);
}

#define COMBINED                                                                                   \
    "id\ttext\tcategory\tlang\tseverity\tsource\tupdated\tflags\tany\twith\tand\twithout\twithin\n"  \
    "c\t制作\tharm.weapons\tzh\t3\town\t2026-11-25\t-\t自制|制造\t样弹|样枪\t怎么|如何\t防止\t12\n"    \
    "a\t样药\tharm.drugs\tzh\t3\town\t2026-11-25\t-\t样粉\t-\t-\t-\t-\n"

static void compile__takes_lists_of_words_for_each_part(void **state)
{
    (void)state;
    assert_meets(COMBINED, "怎么制作样弹", "c", 0);
    assert_meets(COMBINED, "样枪如何自制", "c", 0);
    assert_meets(COMBINED, "自制样枪", "", 0);
    assert_meets(COMBINED, "如何防止有人自制样枪", "", 0);
    assert_meets(COMBINED, "样粉", "a", 0); /* further words of an entry that stands alone */
    assert_meets(COMBINED, "样药", "a", 0);
}

#define HEAD "id\ttext\tcategory\tlang\tseverity\tsource\tupdated\tflags\n"
#define WORDS                                                                                      \
    HEAD "p\t禁用样词\tharm.fraud\tzh\t3\town\t2026-11-25\tpinyin\n"                              \
         "s\t危险炸弹\tharm.fraud\tzh\t3\town\t2026-11-25\tsplit\n"                               \
         "d\t旧的词语\tharm.fraud\tzh\t3\town\t2026-11-25\tdeprecated\n"

static void compile__makes_the_spellings_that_entries_ask_for(void **state)
{
    (void)state;
    assert_meets(WORDS, "禁用样词", "p", 0);
    assert_meets(WORDS, "x jinyongyangci y", "p", PL_FORM_PINYIN);
    assert_meets(WORDS, "xjinyongyangciy", "", 0); /* whole words only */
    assert_meets(WORDS, "危险火乍弓单", "s", PL_FORM_SPLIT);
    assert_meets(WORDS, "weixianzhadan", "", 0);
}

static void compile__leaves_deprecated_entries_out(void **state)
{
    (void)state;
    assert_meets(WORDS, "旧的词语", "", 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compile__gives_the_same_bytes_for_the_same_source),
        cmocka_unit_test(compile__takes_the_policy_we_ship),
        cmocka_unit_test(compile__makes_rules_of_detectors),
        cmocka_unit_test(compile__takes_all_detectors_in_one_word),
        cmocka_unit_test(compile__says_where_the_mistake_is),
        cmocka_unit_test(compile__puts_the_model_of_a_pack_in),
        cmocka_unit_test(compile__refuses_what_is_no_model),
        cmocka_unit_test(compile__takes_lists_of_words_for_each_part),
        cmocka_unit_test(compile__makes_the_spellings_that_entries_ask_for),
        cmocka_unit_test(compile__leaves_deprecated_entries_out),
        cmocka_unit_test(category__patterns_match_prefixes_at_dots_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
