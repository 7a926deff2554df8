/* Keywords in disguise, combinations, exceptions and time limits, by example. */
#include "base/banned.h"

#include "base/str.h"
#include "text_fixture.h"

static const kw bomb[] = { { 0, PL_STR("bomb"), PL_KEYWORD_WORD },
                           { 1, PL_STR("制造炸弹"), 0 },
                           { 2, PL_STR("kill them all"), PL_KEYWORD_WORD },
                           { 3, PL_STR("發票"), 0 } };

static db_fixture the_words(void)
{
    return db_make(4, bomb, sizeof bomb / sizeof *bomb);
}

/* One finding of the rule, over [start, end), with exactly this form. */
static void expect(const pl_textdb *db, const char *text, uint32_t rule, size_t start, size_t end,
                   unsigned form)
{
    findings f = scan(db, pl_str_z(text));

    if (f.n != 1 || f.list[0].rule != rule || f.list[0].start != start || f.list[0].end != end ||
        f.list[0].form != form) {
        findings_print(text, &f);
        fail_msg("expected %u[%zu,%zu)%x", rule, start, end, form);
    }
    findings_drop(&f);
}

static void expect_nothing(const pl_textdb *db, const char *text)
{
    findings f = scan(db, pl_str_z(text));

    if (f.n != 0) {
        findings_print(text, &f);
        fail_msg("expected nothing");
    }
    findings_drop(&f);
}

/* The whole text is the finding. */
static void expect_all(const pl_textdb *db, const char *text, uint32_t rule, unsigned form)
{
    expect(db, text, rule, 0, strlen(text), form);
}

static void text_scan__sees_through_spellings_of_a_character(void **state)
{
    db_fixture f = the_words();

    (void)state;
    expect_all(f.db, "BoMb", 0, 0);
    expect_all(f.db, "ｂｏｍｂ", 0, PL_FORM_WIDTH);
    expect_all(f.db, "製造炸彈", 1, PL_FORM_VARIANT);
    expect_all(f.db, "发票", 3, PL_FORM_VARIANT);
    expect_all(f.db, "發票", 3, 0);
    expect_all(f.db, "𝐛𝕠𝓶ⓑ", 0, PL_FORM_COMPAT);
    expect_all(f.db, "🅱🅾🅼🅱", 0, PL_FORM_COMPAT);
    expect_all(f.db, "bоmb", 0, PL_FORM_LOOKALIKE);  /* Cyrillic o */
    expect_all(f.db, "вомв", 0, PL_FORM_LOOKALIKE);
    expect_all(f.db, "bοmb", 0, PL_FORM_LOOKALIKE);  /* Greek o */
    expect_all(f.db, "b0mb", 0, PL_FORM_DIGITS);
    expect_all(f.db, "k1ll them @ll", 2, PL_FORM_DIGITS);
    expect_all(f.db, "ki11 them a11", 2, PL_FORM_DIGITS);
    expect_all(f.db, "k111 them a1l", 2, PL_FORM_DIGITS);
    expect_all(f.db, "bömb", 0, PL_FORM_INVISIBLE);
    expect_all(f.db, "b\u0336o\u0336m\u0336b", 0, PL_FORM_INVISIBLE);
    db_drop(&f);
}

static void text_scan__sees_through_what_stands_between(void **state)
{
    db_fixture f = the_words();

    (void)state;
    expect_all(f.db, "b\u200bo\u2060m\u202eb", 0, PL_FORM_INVISIBLE);
    expect_all(f.db, "b-o-m-b", 0, PL_FORM_SEPARATED);
    expect_all(f.db, "b o m b", 0, PL_FORM_SEPARATED);
    expect_all(f.db, "b🙂o🙂m🙂b", 0, PL_FORM_SEPARATED);
    expect_all(f.db, "bo-mb", 0, PL_FORM_SEPARATED);
    expect_all(f.db, "制 造 炸 弹", 1, PL_FORM_SEPARATED);
    expect_all(f.db, "制造，炸弹", 1, PL_FORM_SEPARATED);
    expect_all(f.db, "制*造*炸*弹", 1, PL_FORM_SEPARATED);
    expect_all(f.db, "制造炸\n弹", 1, PL_FORM_SEPARATED);
    expect_all(f.db, "killthemall", 2, PL_FORM_JOINED);
    expect_all(f.db, "k i l l t h e m a l l", 2, PL_FORM_SEPARATED);
    expect_all(f.db, "kill\nthem  all", 2, 0);
    expect_all(f.db, "kill-them-all", 2, PL_FORM_SEPARATED);
    expect_all(f.db, "b.ｏ.m.b", 0, PL_FORM_SEPARATED | PL_FORM_WIDTH);
    db_drop(&f);
}

static void text_scan__sees_through_repetition(void **state)
{
    db_fixture f = the_words();

    (void)state;
    expect_all(f.db, "booooomb", 0, PL_FORM_REPEATED);
    expect_all(f.db, "bboommbb", 0, PL_FORM_REPEATED);
    expect(f.db, "制造造造炸弹弹", 1, 0, 18, PL_FORM_REPEATED);
    expect(f.db, "制制造炸弹弹", 1, 3, 15, 0); /* the keyword stands inside as it is listed */
    expect_nothing(f.db, "kil them all");      /* fewer than listed is another word */
    db_drop(&f);
}

static void text_scan__does_not_believe_everything(void **state)
{
    static const kw k[] = { { 0, PL_STR("planed"), PL_KEYWORD_WORD },
                            { 1, PL_STR("boobs"), PL_KEYWORD_WORD },
                            { 2, PL_STR("therapist"), PL_KEYWORD_WORD },
                            { 3, PL_STR("主力"), 0 } };
    db_fixture      f = db_make(4, k, 4);

    (void)state;
    expect_nothing(f.db, "planned");
    expect_nothing(f.db, "80085");
    expect_nothing(f.db, "the rapist");
    expect_nothing(f.db, "民主，力量");
    db_drop(&f);
}

static void text_scan__finds_plain_words_beside_runs(void **state)
{
    static const kw k[] = { { 0, PL_STR("drug"), PL_KEYWORD_WORD },
                            { 1, PL_STR("kill"), PL_KEYWORD_WORD },
                            { 2, PL_STR("天安"), 0 } };
    db_fixture      f = db_make(3, k, 3);

    (void)state;
    expect(f.db, "a bad drug", 0, 6, 10, 0);       /* d d is one cell */
    expect(f.db, "to kill lions", 1, 3, 7, 0);     /* and so is l l l */
    expect(f.db, "天天安", 2, 3, 9, 0);
    expect(f.db, "will il kill", 1, 8, 12, 0);     /* i and l share a unit */
    expect_nothing(f.db, "kil klil kii");
    db_drop(&f);
}

/* A digit that may stand for the first letter of a word does not make it a disguise. */
static void text_scan__finds_plain_words_beside_digits(void **state)
{
    static const kw k[] = { { 0, PL_STR("sellers"), PL_KEYWORD_WORD },
                            { 1, PL_STR("oil"), PL_KEYWORD_WORD },
                            { 2, PL_STR("lion"), 0 } };
    db_fixture      f = db_make(3, k, 3);

    (void)state;
    expect(f.db, "the top 5 sellers", 0, 10, 17, 0);
    expect(f.db, "$sellers", 0, 1, 8, 0);
    expect(f.db, "oil 1", 1, 0, 3, 0);
    expect(f.db, "ilion", 2, 1, 5, 0);
    expect_nothing(f.db, "5sellers");
    db_drop(&f);
}

/* Refused at a glance is what is refused after all. */
static void decide_refuses_torn__is_never_too_quick(void **state)
{
    enum { MOST = 12 };
    uint16_t units[MOST], form, score;
    pl_look  text[MOST];

    (void)state;
    for (unsigned i = 0; i < MOST; i++)
        units[i] = (uint16_t)('a' + i);
    for (unsigned n = 2; n <= MOST; n++)
        for (unsigned gaps = 1; gaps < 1u << (n - 1); gaps++) {
            pl_candidate c = { .units = units, .text = text, .n = n, .word = gaps & 1 };

            for (unsigned kind = GAP_NONE; kind <= GAP_LONG; kind++) {
                for (unsigned i = 0; i < n; i++)
                    text[i] = LOOK(0, i > 0 && gaps >> (i - 1) & 1 ? GAP_BLANK : GAP_NONE, 0, 1, 1);
                /* one of the other places is of any kind */
                for (unsigned i = 1; i < n; i++)
                    if (LOOK_GAP(text[i]) == GAP_NONE && i + 1 < n && kind != GAP_NONE) {
                        text[i] = LOOK(0, kind, 0, 1, 1);
                        break;
                    }
                bool whole = false;

                for (unsigned i = 1; i < n; i++)
                    whole |= LOOK_GAP(text[i]) == GAP_NONE;
                if (pl_decide_refuses_torn(n, whole))
                    assert_false(pl_decide(&c, &form, &score));
            }
        }
}

static void text_scan__marks_generated_spellings(void **state)
{
    static const kw k[] = { { 0, PL_STR("zhadan"), PL_KEYWORD_WORD | PL_KEYWORD_PINYIN },
                            { 0, PL_STR("火乍弓单"), PL_KEYWORD_SPLIT } };
    db_fixture      f = db_make(1, k, 2);

    (void)state;
    expect(f.db, "zhadan", 0, 0, 6, PL_FORM_PINYIN);
    expect_all(f.db, "火乍弓单", 0, PL_FORM_SPLIT);
    expect_all(f.db, "火乍-弓单", 0, PL_FORM_SPLIT | PL_FORM_SEPARATED);
    db_drop(&f);
}

/* --- more than keywords ------------------------------------------------------------ */

typedef struct made {
    pl_textdb_builder *b;
    void              *bytes;
    pl_textdb         *db;
} made;

static made make_begin(void)
{
    made         m = { 0 };
    pl_text_rule rule = { PL_STR("r"), PL_STR("c"), 1 };
    uint32_t     index;

    assert_int_equal(pl_textdb_builder_new(&m.b, NULL), PL_OK);
    assert_int_equal(pl_textdb_builder_rule(m.b, &rule, &index, NULL), PL_OK);
    return m;
}

static void make_end(made *m)
{
    size_t   n = 0;
    pl_error err = { 0 };

    assert_ok(pl_textdb_builder_finish(m->b, &m->bytes, &n, &err), &err);
    assert_ok(pl_textdb_open((pl_str){ m->bytes, n }, &m->db, &err), &err);
}

static void make_drop(made *m)
{
    pl_textdb_builder_free(m->b);
    pl_textdb_free(m->db);
    free(m->bytes);
}

static void text_scan__allows_what_an_exception_holds(void **state)
{
    made m = make_begin();

    (void)state;
    assert_int_equal(pl_textdb_builder_keyword(m.b, 0, PL_STR("杀毒"), 0, NULL), PL_OK);
    assert_int_equal(pl_textdb_builder_keyword(m.b, 0, PL_STR("毒"), 0, NULL), PL_OK);
    assert_int_equal(pl_textdb_builder_exception(m.b, PL_STR("杀毒软件"), 0, NULL), PL_OK);
    make_end(&m);
    expect_nothing(m.db, "安装杀毒软件吧");
    expect(m.db, "毒软件", 0, 0, 3, 0);
    findings f = scan(m.db, PL_STR("杀毒软体，杀毒软件"));
    assert_int_equal(f.n, 2);
    assert_int_equal(f.list[0].start, 0);
    assert_int_equal(f.list[1].start, 3);
    findings_drop(&f);
    f = scan(m.db, PL_STR("杀-毒-软-件")); /* a disguise is not allowed */
    assert_int_equal(f.n, 2);
    findings_drop(&f);
    make_drop(&m);
}

static void text_scan__finds_combinations_nearby(void **state)
{
    static const pl_str words[] = { PL_STR("炸药"), PL_STR("配方"), PL_STR("历史") };
    static const pl_text_part all[] = { { words, 1 }, { words + 1, 1 } };
    static const pl_text_combination c = { all, 2, { words + 2, 1 }, 8, 0 };
    made                             m = make_begin();

    (void)state;
    assert_int_equal(pl_textdb_builder_combination(m.b, 0, &c, NULL), PL_OK);
    make_end(&m);
    expect(m.db, "炸药的一份配方。", 0, 15, 21, 0);
    expect(m.db, "配方，炸药", 0, 9, 15, 0);
    expect_nothing(m.db, "炸药");
    expect_nothing(m.db, "炸药一二三四五六七配方");
    expect(m.db, "炸药一，二。三 四配方", 0, 25, 31, 0); /* separators do not count */
    expect_nothing(m.db, "炸药的配方一历史");
    expect_nothing(m.db, "历史一炸药的配方");
    expect(m.db, "炸药的配方一二三四五六七历史", 0, 9, 15, 0);
    make_drop(&m);
}

static void text_scan__takes_any_word_of_a_part(void **state)
{
    static const pl_str making[] = { PL_STR("制作"), PL_STR("制造"), PL_STR("造") };
    static const pl_str weapons[] = { PL_STR("炸药"), PL_STR("土炸药"), PL_STR("手枪") };
    static const pl_str drugs[] = { PL_STR("冰毒"), PL_STR("麻黄碱") };
    static const pl_text_part        arms[] = { { making, 3 }, { weapons, 3 } };
    static const pl_text_part        dope[] = { { making, 3 }, { drugs, 2 } };
    static const pl_text_combination a = { .all = arms, .all_n = 2, .within = 8 };
    static const pl_text_combination b = { .all = dope, .all_n = 2, .within = 8 };
    static const pl_text_rule        second = { PL_STR("s"), PL_STR("c"), 1 };
    made                             m = make_begin();
    uint32_t                         index;

    (void)state;
    assert_int_equal(pl_textdb_builder_rule(m.b, &second, &index, NULL), PL_OK);
    assert_int_equal(pl_textdb_builder_combination(m.b, 0, &a, NULL), PL_OK);
    assert_int_equal(pl_textdb_builder_combination(m.b, 1, &b, NULL), PL_OK);
    make_end(&m);
    expect(m.db, "制造手枪", 0, 6, 12, 0);
    expect(m.db, "制作一把手枪", 0, 12, 18, 0);
    expect(m.db, "冰毒的制作", 1, 9, 15, 0);
    expect(m.db, "造土炸药", 0, 3, 12, 0); /* the longest word, once */
    expect(m.db, "制作制造造制作制造造麻黄碱", 1, 30, 39, 0); /* one part, however often it is said */
    expect_nothing(m.db, "炸药，冰毒，手枪");
    make_drop(&m);
}

static void text_scan__wants_every_part(void **state)
{
    static const pl_str how[] = { PL_STR("怎么"), PL_STR("如何") }, making[] = { PL_STR("做") };
    static const pl_str weapons[] = { PL_STR("炸药"), PL_STR("手枪") };
    static const pl_text_part        all[] = { { how, 2 }, { making, 1 }, { weapons, 2 } };
    static const pl_text_combination c = { .all = all, .all_n = 3, .within = 8 };
    made                             m = make_begin();

    (void)state;
    assert_int_equal(pl_textdb_builder_combination(m.b, 0, &c, NULL), PL_OK);
    make_end(&m);
    expect(m.db, "如何做手枪", 0, 9, 15, 0);
    expect(m.db, "炸药怎么做", 0, 12, 15, 0);
    expect_nothing(m.db, "如何买手枪");
    expect_nothing(m.db, "做炸药");
    make_drop(&m);
}

static void builder_combination__refuses_what_is_none(void **state)
{
    static const pl_str       word[] = { PL_STR("ab"), PL_STR("") };
    static const pl_text_part all[] = { { word, 1 }, { word, 0 }, { word + 1, 1 } };
    pl_text_combination       c = { .all = all, .all_n = 1, .within = 8 };
    made                      m = make_begin();

    (void)state;
    assert_int_equal(pl_textdb_builder_combination(m.b, 0, &c, NULL), PL_INVALID); /* one part */
    c.all_n = 2;
    assert_int_equal(pl_textdb_builder_combination(m.b, 0, &c, NULL), PL_INVALID); /* no word */
    c.all_n = 3;
    assert_int_equal(pl_textdb_builder_combination(m.b, 0, &c, NULL), PL_INVALID);
    make_end(&m);
    make_drop(&m);
}

static void text_stream__decides_combinations_as_soon_as_it_can(void **state)
{
    static const pl_str              words[] = { PL_STR("ab"), PL_STR("cd"), PL_STR("no") };
    static const pl_text_part        all[] = { { words, 1 }, { words + 1, 1 } };
    static const pl_text_combination c = { all, 2, { words + 2, 1 }, 6, 0 };
    made                             m = make_begin();
    pl_text_stream                  *s = malloc(pl_text_stream_size());
    findings                         f = { 0 };

    (void)state;
    assert_int_equal(pl_textdb_builder_combination(m.b, 0, &c, NULL), PL_OK);
    make_end(&m);
    pl_text_stream_init(s, m.db);
    pl_text_stream_feed(s, PL_STR("ab"), findings_add, &f);
    assert_int_equal(pl_text_stream_safe(s), 2); /* a part alone holds nothing back */
    pl_text_stream_feed(s, PL_STR("cd"), findings_add, &f);
    assert_int_equal(f.n, 0);
    assert_int_equal(pl_text_stream_safe(s), 2); /* complete, but something may follow */
    pl_text_stream_feed(s, PL_STR("123456"), findings_add, &f);
    assert_int_equal(f.n, 0);
    pl_text_stream_feed(s, PL_STR("7"), findings_add, &f);
    assert_int_equal(f.n, 1);
    assert_int_equal(f.list[0].start, 2);
    findings_drop(&f);
    free(s);
    make_drop(&m);
}

static void textdb_now__limits_rules_in_time(void **state)
{
    made m = make_begin();

    (void)state;
    assert_int_equal(pl_textdb_builder_valid(m.b, 0, 1000, 2000, NULL), PL_OK);
    assert_int_equal(pl_textdb_builder_valid(m.b, 0, 2000, 1000, NULL), PL_INVALID);
    assert_int_equal(pl_textdb_builder_keyword(m.b, 0, PL_STR("ab"), 0, NULL), PL_OK);
    make_end(&m);
    expect(m.db, "ab", 0, 0, 2, 0); /* nobody told the time */
    pl_textdb_now(m.db, 999);
    expect_nothing(m.db, "ab");
    pl_textdb_now(m.db, 1000);
    expect(m.db, "ab", 0, 0, 2, 0);
    pl_textdb_now(m.db, 2001);
    expect_nothing(m.db, "ab");
    make_drop(&m);
}

static void textdb_era__says_when_other_rules_will_count(void **state)
{
    made    m = make_begin();
    int64_t from, to;

    (void)state;
    assert_int_equal(pl_textdb_builder_valid(m.b, 0, 1000, 2000, NULL), PL_OK);
    assert_int_equal(pl_textdb_builder_keyword(m.b, 0, PL_STR("ab"), 0, NULL), PL_OK);
    make_end(&m);
    pl_textdb_era(m.db, 999, &from, &to);
    assert_true(from == INT64_MIN && to == 1000);
    pl_textdb_era(m.db, 1000, &from, &to);
    assert_true(from == 1000 && to == 2001);
    pl_textdb_era(m.db, 2000, &from, &to);
    assert_true(from == 1000 && to == 2001);
    pl_textdb_era(m.db, 2001, &from, &to);
    assert_true(from == 2001 && to == INT64_MAX);
    make_drop(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_scan__sees_through_spellings_of_a_character),
        cmocka_unit_test(text_scan__sees_through_what_stands_between),
        cmocka_unit_test(text_scan__sees_through_repetition),
        cmocka_unit_test(text_scan__does_not_believe_everything),
        cmocka_unit_test(text_scan__finds_plain_words_beside_runs),
        cmocka_unit_test(text_scan__finds_plain_words_beside_digits),
        cmocka_unit_test(decide_refuses_torn__is_never_too_quick),
        cmocka_unit_test(text_scan__marks_generated_spellings),
        cmocka_unit_test(text_scan__allows_what_an_exception_holds),
        cmocka_unit_test(text_scan__finds_combinations_nearby),
        cmocka_unit_test(text_scan__takes_any_word_of_a_part),
        cmocka_unit_test(text_scan__wants_every_part),
        cmocka_unit_test(builder_combination__refuses_what_is_none),
        cmocka_unit_test(text_stream__decides_combinations_as_soon_as_it_can),
        cmocka_unit_test(textdb_now__limits_rules_in_time),
        cmocka_unit_test(textdb_era__says_when_other_rules_will_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
