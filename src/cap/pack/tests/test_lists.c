/* Counting, importing and further spellings of lexicons. */
#include "pack_fixture.h"

#include "base/buf.h"
#include "base/json.h"

#include <sys/stat.h>

#define HEADER "id\ttext\tcategory\tlang\tseverity\tsource\tupdated\trisk\tflags\tfrom\tto\n"

static const char manifest[] = "id: %s\nversion: \"1.0\"\nkind: %s\njurisdiction: any\n"
                               "legal_weight: none\nin_force: {from: \"2026-01-01\"}\n"
                               "title: {zh: 样例, en: Sample}\nlicence: Apache-2.0\n%s"
                               "sources: [{id: own, title: t, evidence: P, date: \"2026-01-01\"}]\n";

typedef struct fx {
    char       *root;
    char        list[400]; /* the list to import */
    const char *folders[3];
    pl_error    err;
} fx;

/* A pack of one file; more: further lines of the manifest. */
static void pack_put(fx *f, const char *id, const char *kind, const char *more, const char *file,
                     const char *text)
{
    char dir[400], head[1000];

    snprintf(dir, sizeof dir, "%s/%s", f->root, id);
    (void)mkdir(dir, 0755);
    snprintf(head, sizeof head, manifest, id, kind, more);
    put(dir, "pack.yaml", head);
    put(dir, file, text);
}

static int setup(void **state)
{
    fx *f = calloc(1, sizeof *f);

    f->root = pl_test_mkdtemp();
    f->folders[0] = f->root;
    f->folders[1] = PL_TEST_SOURCE_ROOT "/packs";
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fx *f = *state;

    pl_test_rmtree(f->root);
    free(f);
    return 0;
}

/* --- counting ------------------------------------------------------------------------------ */

#define ROW(id, text, rest) id "\t" text "\tharm.hate\ten\t2\town\t" rest "\n"

static const char counted[] =
    HEADER ROW("a", "first phrase", "2026-05-01\tA.2-a\tword\t-\t-")
        ROW("b", "second phrase", "2026-05-03\tA.2-a\tword\t-\t-")
        ROW("c", "third phrase", "2026-05-02\tA.2-b\tword\t-\t-")
        ROW("d", "no class", "2026-05-02\t-\tword\t-\t-")
        ROW("e", "old phrase", "2026-05-02\tA.2-a\tword,deprecated\t-\t-")
        ROW("f", "gone phrase", "2026-05-02\tA.2-a\tword\t-\t2026-05-31")
        ROW("g", "coming phrase", "2026-05-02\tA.2-a\tword\t2026-07-01\t-");

static const char minimums[] =
    "classes: [{id: A.2-a, zh: 甲, en: a}]\n"
    "minimums:\n"
    "  - {id: all, scope: total, value: 5, comparator: \">=\", severity: recommended}\n"
    "  - {id: a, scope: class, class: A.2-a, value: 2, comparator: \">=\", severity: required}\n"
    "  - {id: x, scope: class, class: A.9-x, value: 1, comparator: \">=\", severity: required}\n"
    "  - {id: cover, scope: coverage, classes: [A.2-a, A.2-b, A.9-x], value: 2,\n"
    "     comparator: \">=\", severity: required}\n"
    "  - {id: age, scope: age, value: 7, comparator: \"<=\", severity: required}\n"
    "  - {id: later, scope: total, value: 9, comparator: \">=\", severity: required,\n"
    "     effective_from: \"2027-01-01\"}\n";

static json_t *check_of(const json_t *report, const char *id)
{
    json_t *m;
    size_t  i;

    json_array_foreach(json_object_get(report, "checks"), i, m)
        if (strcmp(json_string_value(json_object_get(m, "id")), id) == 0)
            return m;
    return NULL;
}

static void assert_check(const json_t *report, const char *id, int have, bool met)
{
    json_t *m = check_of(report, id);

    if (m == NULL)
        fail_msg("no check '%s'", id);
    if (json_integer_value(json_object_get(m, "have")) != have ||
        json_is_true(json_object_get(m, "met")) != met)
        fail_msg("%s: have %lld, met %d", id,
                 (long long)json_integer_value(json_object_get(m, "have")),
                 json_is_true(json_object_get(m, "met")));
}

static json_t *count(fx *f, const char *second, const char *day)
{
    const char *refs[] = { "words", second, NULL };
    json_t     *report = NULL;

    assert_ok(pl_pack_count(refs, "least", f->folders, pl_str_z(day), &report, &f->err), &f->err);
    return report;
}

static void pack_count__leaves_out_what_does_not_apply(void **state)
{
    fx     *f = *state;
    json_t *r;

    pack_put(f, "words", "lexicon", "", "entries.tsv", counted);
    pack_put(f, "least", "rules", "", "minimums.yaml", minimums);
    r = count(f, NULL, "2026-06-10");
    assert_check(r, "all", 4, false);
    assert_check(r, "a", 2, true);
    assert_check(r, "x", 0, false);
    assert_check(r, "cover", 2, true);
    assert_check(r, "age", 38, false); /* 2026-05-03 to 2026-06-10 */
    assert_null(check_of(r, "later"));
    assert_int_equal(json_integer_value(json_object_get(json_object_get(r, "not_counted"),
                                                        "deprecated")), 1);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(r, "not_counted"),
                                                        "out_of_time")), 2);
    json_decref(r);
    r = count(f, NULL, "2026-05-10"); /* 'f' still, 'g' not yet */
    assert_check(r, "all", 5, true);
    assert_check(r, "age", 7, true);
    json_decref(r);
}

static void pack_count__counts_one_text_once_over_all_packs(void **state)
{
    fx     *f = *state;
    json_t *r;

    pack_put(f, "words", "lexicon", "", "entries.tsv", counted);
    pack_put(f, "least", "rules", "", "minimums.yaml", minimums);
    pack_put(f, "more", "lexicon", "reviewed: {date: \"2026-06-09\", by: somebody}\n", "entries.tsv",
             HEADER ROW("z", "FIRST  phrase", "2026-05-01\tA.9-x\tword\t-\t-")
                 ROW("y", "fresh phrase", "2026-05-01\tA.9-x\tword\t-\t-"));
    r = count(f, "more", "2026-06-10");
    assert_check(r, "all", 5, true);
    assert_check(r, "x", 1, true);
    assert_check(r, "age", 1, true); /* the review counts as an update */
    json_decref(r);
}

static void pack_count__refuses_minimums_it_does_not_understand(void **state)
{
    static const struct {
        const char *row, *says;
    } cases[] = {
        { "{id: a, scope: moon, value: 1, comparator: \">=\", severity: required}", "moon" },
        { "{id: a, scope: total, value: 1, comparator: \">\", severity: required}", "comparator" },
        { "{id: a, scope: total, value: 1, comparator: \">=\", severity: nice}", "severity" },
        { "{id: a, scope: total, value: one, comparator: \">=\", severity: required}", "value" },
        { "{id: a, scope: class, value: 1, comparator: \">=\", severity: required}", "class" },
    };
    fx         *f = *state;
    const char *refs[] = { "words", NULL };
    json_t     *r = NULL;

    pack_put(f, "words", "lexicon", "", "entries.tsv", counted);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[300];

        snprintf(text, sizeof text, "minimums:\n  - %s\n", cases[i].row);
        pack_put(f, "least", "rules", "", "minimums.yaml", text);
        assert_rc(pl_pack_count(refs, "least", f->folders, PL_STR("2026-06-10"), &r, &f->err),
                  PL_INVALID);
        if (strstr(f->err.text, cases[i].says) == NULL)
            fail_msg("'%s' is not in '%s'", cases[i].says, f->err.text);
    }
}

/* Numbers of cn-assessment: 10,000 in all, 8 classes of 200, 9 of 100, weekly. */
static void cn_minimums__are_those_of_the_practice_guides(void **state)
{
    fx         *f = *state;
    const char *refs[] = { "lexicon-cn-a1-slots", NULL };
    json_t     *r = NULL, *m;
    size_t      i, of_200 = 0, of_100 = 0;

    assert_ok(pl_pack_count(refs, "cn-keyword-minimums", f->folders, PL_STR("2026-11-26"), &r,
                            &f->err), &f->err);
    json_array_foreach(json_object_get(r, "checks"), i, m) {
        json_int_t v = json_integer_value(json_object_get(m, "value"));

        if (strcmp(json_string_value(json_object_get(m, "scope")), "class") == 0) {
            of_200 += v == 200;
            of_100 += v == 100;
        }
        assert_false(json_is_true(json_object_get(m, "met"))); /* the slots are empty */
        assert_non_null(json_object_get(m, "tag"));
    }
    assert_int_equal(of_200, 8);
    assert_int_equal(of_100, 9);
    assert_int_equal(json_integer_value(json_object_get(check_of(r, "total"), "value")), 10000);
    assert_int_equal(json_integer_value(json_object_get(check_of(r, "coverage"), "value")), 17);
    assert_int_equal(json_integer_value(json_object_get(check_of(r, "update"), "value")), 7);
    json_decref(r);
}

/* --- importing ----------------------------------------------------------------------------- */

static pl_pack_import options(fx *f, const char *list)
{
    return (pl_pack_import){ .list = list, .id = "mine", .folder = f->root,
                             .category = "mine.listed", .source = "a \"list\" of ours",
                             .licence = "CC0-1.0", .date = "2026-11-20", .severity = 2,
                             .encoding = "auto", .format = "lines" };
}

static pl_pack *imported(fx *f, seen *s)
{
    pl_pack *p = NULL;

    *s = (seen){ 0 };
    assert_ok(pl_pack_open("mine", f->folders, &p, &f->err), &f->err);
    assert_ok(pl_pack_lexicon_each(p, remember, s, &f->err), &f->err);
    return p;
}

static json_t *import(fx *f, pl_pack_import *o, const char *text, size_t n)
{
    json_t *report = NULL;

    snprintf(f->list, sizeof f->list, "%s/list.txt", f->root);
    put_bytes(f->root, "list.txt", text, n);
    o->list = f->list;
    assert_ok(pl_pack_import_list(o, &report, &f->err), &f->err);
    return report;
}

static int skipped(const json_t *report, const char *why)
{
    return (int)json_integer_value(json_object_get(json_object_get(report, "skipped"), why));
}

static void pack_import__folds_skips_and_says_why(void **state)
{
    static const char list[] = "\xef\xbb\xbf词语一,\r\n  词语二，\n词语一\n＃\n# note\n\nＷＯＲＤ two\n"
                               "word  TWO\n\"quoted\",\nab\001cd\n"
                               "0123456789012345678901234567890123456789012345678901234567890123x\n";
    fx            *f = *state;
    pl_pack_import o = options(f, NULL);
    json_t        *r = import(f, &o, list, sizeof list - 1);
    seen           s;
    pl_pack       *p = imported(f, &s);

    assert_int_equal(s.n, 4);
    assert_str(s.e[0].text, "词语一");
    assert_str(s.e[1].text, "词语二");
    assert_str(s.e[2].text, "ＷＯＲＤ two");
    assert_str(s.e[3].text, "quoted");
    assert_str(s.e[0].id, "mine.000001");
    assert_str(s.e[0].category, "mine.listed");
    assert_str(s.e[0].lang, "zh");
    assert_str(s.e[3].lang, "en");
    assert_int_equal(s.e[0].flags, 0);
    assert_int_equal(s.e[3].flags, PL_LEXICON_WORD);
    assert_int_equal(s.e[0].severity, 2);
    assert_str(s.e[0].updated, "2026-11-20");
    assert_string_equal(json_string_value(json_object_get(json_array_get(json_object_get(
        pl_pack_manifest(p), "sources"), 0), "title")), "a \"list\" of ours");
    assert_int_equal(json_integer_value(json_object_get(r, "lines")), 11);
    assert_int_equal(json_integer_value(json_object_get(r, "entries")), 4);
    assert_int_equal(skipped(r, "repeated"), 2);
    assert_int_equal(skipped(r, "comment"), 1);
    assert_int_equal(skipped(r, "empty"), 1);
    assert_int_equal(skipped(r, "too_short"), 1);
    assert_int_equal(skipped(r, "too_long"), 1);
    assert_int_equal(skipped(r, "control_characters"), 1);
    json_decref(r);
    pl_pack_free(p);
}

static void pack_import__reads_gb18030(void **state)
{
    static const char list[] = "\xb4\xca\xd3\xef\n\x81\x30\x81\x34x\n"; /* 词语, U+0084 x */
    fx            *f = *state;
    pl_pack_import o = options(f, NULL);
    json_t        *r = import(f, &o, list, sizeof list - 1);
    seen           s;
    pl_pack       *p = imported(f, &s);

    assert_string_equal(json_string_value(json_object_get(r, "encoding")), "GB18030");
    assert_str(s.e[0].text, "词语");
    json_decref(r);
    pl_pack_free(p);
}

/* Found by fuzzing: iconv takes F7 A4 A4 A4 for a character, Unicode does not. */
static void pack_import__drops_bytes_that_are_no_characters(void **state)
{
    static const char list[] = "\xf7\xa4\xa4\xa4word\n";
    fx            *f = *state;
    pl_pack_import o = options(f, NULL);
    json_t        *r;
    seen           s;
    pl_pack       *p;

    o.encoding = "UTF-8";
    r = import(f, &o, list, sizeof list - 1);
    p = imported(f, &s);
    assert_str(s.e[0].text, "word");
    assert_int_equal(json_integer_value(json_object_get(r, "bad_bytes")), 4);
    json_decref(r);
    pl_pack_free(p);
}

static void pack_import__maps_columns_of_tables(void **state)
{
    static const char list[] = "n,词,kind,level,risk\n1,\"甲,乙\"\"丙\",harm.fraud,4,A.1-h\n"
                               "2,another,unheard,9,-\n3\n";
    fx            *f = *state;
    pl_pack_import o = options(f, NULL);
    json_t        *r;
    seen           s;
    pl_pack       *p;

    o.format = "csv";
    o.columns = "text=词,category=kind";
    o.risk = "A.2-i";
    r = import(f, &o, list, sizeof list - 1);
    p = imported(f, &s);
    assert_int_equal(s.n, 2);
    assert_str(s.e[0].text, "甲,乙\"丙");
    assert_str(s.e[0].category, "harm.fraud");
    assert_int_equal(s.e[0].severity, 4);
    assert_str(s.e[0].risk, "A.1-h");
    assert_str(s.e[1].category, "mine.listed");
    assert_int_equal(s.e[1].severity, 2);
    assert_str(s.e[1].risk, "A.2-i");
    assert_int_equal(json_integer_value(json_object_get(r, "replaced")), 2);
    assert_int_equal(skipped(r, "empty"), 1);
    json_decref(r);
    pl_pack_free(p);
}

static void pack_import__leaves_nothing_behind_when_it_refuses(void **state)
{
    fx            *f = *state;
    pl_pack_import o = options(f, NULL);
    json_t        *r = import(f, &o, "words here\n", 11);
    char           path[400];
    struct stat    st;

    json_decref(r);
    r = NULL;
    assert_rc(pl_pack_import_list(&o, &r, &f->err), PL_CONFLICT);
    o.id = "other";
    assert_rc(pl_pack_import_list(&o, &r, &f->err), PL_INVALID); /* category of another pack */
    o.category = "harm.fraud";
    put(f->root, "list.txt", "#\n");
    assert_rc(pl_pack_import_list(&o, &r, &f->err), PL_INVALID); /* nothing usable */
    o.format = "csv";
    assert_rc(pl_pack_import_list(&o, &r, &f->err), PL_INVALID); /* no column of words */
    o.encoding = "KLINGON";
    assert_rc(pl_pack_import_list(&o, &r, &f->err), PL_INVALID);
    snprintf(path, sizeof path, "%s/other", f->root);
    assert_int_not_equal(stat(path, &st), 0);
    snprintf(path, sizeof path, "ls -A %s | grep -c import", f->root);
    assert_int_not_equal(system(path), 0); /* no half-made folder */
}

/* --- further spellings ------------------------------------------------------------------------ */

typedef struct spelled {
    size_t n;
    char   text[PL_VARIANTS_MAX + 1][256];
} spelled;

static pl_rc spell(void *ctx, pl_str text, unsigned how, pl_error *err)
{
    spelled *s = ctx;

    (void)err;
    assert_true(s->n <= PL_VARIANTS_MAX);
    snprintf(s->text[s->n++], sizeof s->text[0], "%c:" PL_STR_FMT,
             how == PL_LEXICON_PINYIN ? 'p' : 's', PL_STR_ARG(text));
    return PL_OK;
}

static void assert_spelled(fx *f, const char *text, unsigned flags, const char *const *want)
{
    pl_variants     *v = NULL;
    pl_lexicon_entry e = { .text = pl_str_z(text), .flags = flags };
    spelled          s = { 0 };

    assert_ok(pl_variants_new(f->folders, &v, &f->err), &f->err);
    assert_ok(pl_variants_each(v, &e, spell, &s, &f->err), &f->err);
    for (size_t i = 0; want[i] != NULL; i++) {
        bool found = false;

        for (size_t k = 0; k < s.n; k++)
            found |= strcmp(s.text[k], want[i]) == 0;
        if (!found)
            fail_msg("'%s' is not spelled '%s'", text, want[i]);
    }
    pl_variants_free(v);
}

/* Readings as in the dictionary: 造 zào, 炸 zhà, 弹 dàn or tán; 女 nǚ typed as nv. */
static void pack_variants__gives_pinyin_as_it_is_typed(void **state)
{
    fx *f = *state;

    assert_spelled(f, "制造毒药", PL_LEXICON_PINYIN,
                   (const char *const[]){ "p:zhi zao du yao", "p:zhizaoduyao", NULL });
    assert_spelled(f, "妇女节", PL_LEXICON_PINYIN, (const char *const[]){ "p:fu nv jie", NULL });
}

static void pack_variants__takes_characters_apart(void **state)
{
    fx *f = *state;

    assert_spelled(f, "炸弹", PL_LEXICON_SPLIT,
                   (const char *const[]){ "s:火乍弹", "s:炸弓单", "s:火乍弓单", NULL });
    assert_spelled(f, "做一个炸弹", PL_LEXICON_SPLIT, /* neighbours without the rest */
                   (const char *const[]){ "s:做一个火乍弓单", "s:亻故一个炸弹", NULL });
    assert_spelled(f, "甲弹", PL_LEXICON_SPLIT, (const char *const[]){ "s:甲弓单", NULL });
}

static void pack_variants__are_bounded_and_only_where_asked_for(void **state)
{
    static const struct {
        const char *text;
        unsigned    flags;
        size_t      n;
    } cases[] = {
        { "制造毒药", 0, 0 },
        { "毒药", PL_LEXICON_PINYIN, 0 },       /* two syllables are too short */
        { "制造bomb药", PL_LEXICON_PINYIN, 0 }, /* not all Han */
        { "弹弹弹弹弹弹弹弹弹弹", PL_LEXICON_SPLIT, 12 },
        { "弹弹弹弹弹弹弹弹弹弹弹弹弹弹弹弹弹", PL_LEXICON_SPLIT, 0 }, /* longer than 16 */
    };
    fx *f = *state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pl_variants     *v = NULL;
        pl_lexicon_entry e = { .text = pl_str_z(cases[i].text), .flags = cases[i].flags };
        spelled          s = { 0 };

        assert_ok(pl_variants_new(f->folders, &v, &f->err), &f->err);
        assert_ok(pl_variants_each(v, &e, spell, &s, &f->err), &f->err);
        assert_int_equal(s.n, cases[i].n);
        pl_variants_free(v);
    }
}

static void pack_variants__refuse_a_broken_table(void **state)
{
    static const char *const bad[] = { "弹弓单\n", "弹\t弓\n", "弹\t弓单弓单弓\n", "弹\t弓单\n弹\t弓单\n",
                                       "\xff\t弓单\n", "弹\t\xff\xff\n" };
    fx *f = *state;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        pl_variants     *v = NULL;
        pl_lexicon_entry e = { .text = PL_STR("炸弹"), .flags = PL_LEXICON_SPLIT };
        spelled          s = { 0 };

        pack_put(f, "han-split", "transforms", "", "parts.tsv", bad[i]);
        assert_ok(pl_variants_new(f->folders, &v, &f->err), &f->err);
        assert_rc(pl_variants_each(v, &e, spell, &s, &f->err), PL_INVALID);
        pl_variants_free(v);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(pack_count__leaves_out_what_does_not_apply),
        T(pack_count__counts_one_text_once_over_all_packs),
        T(pack_count__refuses_minimums_it_does_not_understand),
        T(cn_minimums__are_those_of_the_practice_guides),
        T(pack_import__folds_skips_and_says_why),
        T(pack_import__reads_gb18030),
        T(pack_import__drops_bytes_that_are_no_characters),
        T(pack_import__maps_columns_of_tables),
        T(pack_import__leaves_nothing_behind_when_it_refuses),
        T(pack_variants__gives_pinyin_as_it_is_typed),
        T(pack_variants__takes_characters_apart),
        T(pack_variants__are_bounded_and_only_where_asked_for),
        T(pack_variants__refuse_a_broken_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
