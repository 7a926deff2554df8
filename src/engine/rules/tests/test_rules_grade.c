#include "base/buf.h"
#include "base/str.h"
#include "engine/rules/rules.h"
#include "pl_test.h"

static const char facts_yaml[] =
    "units: [FLOP]\n"
    "facts:\n"
    "  a: {type: bool}\n  b: {type: bool}\n  c: {type: bool}\n"
    "  k: {type: text, values: [one, two, three]}\n"
    "  l: {type: list, values: [x, y]}\n"
    "  m.flop: {type: number, unit: FLOP, min: 0}\n  o.flop: {type: number, unit: FLOP, min: 0}\n"
    "  d: {type: date}\n  breach: {type: list}\n  role: {type: list, values: [provider, deployer]}\n";

/* Step 1 stops the later ones; a set; a flag that follows a grade; a date with a condition. */
static const char rules_yaml[] =
    "results:\n"
    "  use: {type: grade, values: [FREE, LISTED, BANNED], default: FREE, precedence: [BANNED, LISTED, FREE]}\n"
    "  overlay: {type: set, values: [P, Q]}\n"
    "  side: {type: set, values: [Z], axis: false}\n"
    "  register: {type: flag}\n"
    "  due: {type: date, combine: min}\n"
    "define:\n"
    "  listed: k in {one, two} and not a\n"
    "rules:\n"
    "  - {id: ban, when: a and b, grade: {use: BANNED}, obligations: [O.1], cite: [Art 1], basis: '1(a)', evidence: V}\n"
    "  - {id: list, when: listed, grade: {use: LISTED}, obligations: [O.2], cite: [Art 2], evidence: S}\n"
    "  - {id: reg, when: result.use == LISTED, set: {register: true, due: d + 30 days}, cite: [Art 3], evidence: U}\n"
    "  - {id: p, when: c, role: [provider], grade: {overlay: P}, cite: [Art 4], evidence: V}\n"
    "  - {id: z, when: c, grade: {side: Z}, cite: [Art 6], evidence: V}\n"
    "  - {id: q, when: l has x, grade: {overlay: Q}, cite: [Art 5], evidence: V}\n";

static const char obligations_yaml[] =
    "obligations:\n"
    "  O.1: {title: {zh: 一, en: one}, applies_from: 2026-01-01, applies_to: 2026-12-31}\n"
    "  O.2: {title: {zh: 二, en: two}, applies_from: if d < 2026-08-02 then 2026-12-02 else 2026-08-02}\n";

static pl_rc book_of(const char *rules, const char *obligations, pl_rules_book **out, pl_error *err)
{
    pl_rules_book  *b = pl_rules_book_new();
    pl_rules_source s = { .id = "land", .version = "1", .jurisdiction = "XX", .legal_weight = "binding",
                          .digest = "sha256:00", .title_en = "Land", .title_zh = "国", .from = "2025-01-01",
                          .to = "2027-12-31", .facts = { "facts.yaml", PL_STR(facts_yaml) } };
    pl_rc rc;

    s.rules = (pl_rules_file){ "rules.yaml", pl_str_z(rules) };
    s.obligations = (pl_rules_file){ "obligations.yaml", pl_str_z(obligations) };
    rc = pl_rules_book_add(b, &s, NULL, NULL, err);
    if (rc != PL_OK)
        pl_rules_book_free(b);
    else
        *out = b;
    return rc;
}

static json_t *grade_in(const pl_rules_book *b, const char *facts, const char *day, bool *open)
{
    json_t         *j = NULL, *out = NULL;
    pl_rules_facts *f = NULL;
    pl_error        err = { 0 };
    int64_t         as_of;

    assert_ok(pl_rules_json(pl_str_z(facts), "facts", &j, &err), &err);
    assert_ok(pl_rules_day(pl_str_z(day), &as_of, &err), &err);
    assert_ok(pl_rules_facts_new(b, j, &f, &err), &err);
    assert_ok(pl_rules_grade(b, 0, f, as_of, PL_RULES_TRACE | PL_RULES_MISSING, &out, open, &err), &err);
    pl_rules_facts_free(f);
    json_decref(j);
    return out;
}

/* The member of the result as JSON text equals want. */
static void expect(const char *facts, const char *day, const char *key, const char *want)
{
    pl_rules_book *b = NULL;
    pl_error       err = { 0 };
    bool           open;
    json_t        *r;
    char          *got;

    assert_ok(book_of(rules_yaml, obligations_yaml, &b, &err), &err);
    r = grade_in(b, facts, day, &open);
    got = json_dumps(json_object_get(r, key), JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS);
    if (got == NULL || strcmp(got, want) != 0)
        fail_msg("%s at %s: %s is %s, not %s", facts, day, key, got != NULL ? got : "absent", want);
    free(got);
    json_decref(r);
    pl_rules_book_free(b);
}

#define DAY "2026-11-22"

static void count_never_firing(void *ctx, const char *file, int line, const char *message)
{
    (void)file;
    (void)line;
    if (strstr(message, "no facts were found that fire it") != NULL)
        ++*(int *)ctx;
}

/* A rule may want one fact given and another not; one that can never fire is told. */
static void lint__finds_what_never_fires(void **state)
{
    static const struct {
        const char *when;
        int         warnings;
    } rows[] = {
        { "a and b", 0 }, { "known(a) and known(b) and b", 0 }, { "not known(a) and b", 0 },
        { "known(a) and not known(b) and c", 0 }, { "known(a) and known(c) and not known(b)", 0 },
        { "a and not a", 1 }, { "known(a) and not known(a)", 1 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char            rules[300];
        pl_rules_book  *b = pl_rules_book_new();
        pl_error        err = { 0 };
        int             got = 0;
        pl_rules_source s = { .id = "land", .version = "1", .jurisdiction = "XX", .legal_weight = "binding",
                              .digest = "", .title_en = "Land", .title_zh = "国", .from = "2025-01-01",
                              .facts = { "facts.yaml", PL_STR(facts_yaml) } };

        (void)snprintf(rules, sizeof rules, "results:\n  x: {type: grade, values: [A, B], default: A}\n"
                       "rules:\n  - {id: r, when: %s, grade: {x: B}, cite: [Art 1], evidence: V}\n", rows[i].when);
        s.rules = (pl_rules_file){ "rules.yaml", pl_str_z(rules) };
        assert_ok(pl_rules_book_add(b, &s, count_never_firing, &got, &err), &err);
        if (got != rows[i].warnings)
            fail_msg("'%s': %d warnings", rows[i].when, got);
        pl_rules_book_free(b);
    }
}

/* A key with `like` stands for the members that match; the first rule that has a key keeps it. */
static void map__takes_its_keys_from_a_list(void **state)
{
    static const char rules[] =
        "results:\n"
        "  use: {type: grade, values: [FREE], default: FREE}\n"
        "  fine: {type: map}\n"
        "rules:\n"
        "  - {id: five, when: \"breach like {'5', '6'}\", cite: [Art 9], evidence: V,\n"
        "     set: {fine: {\"breach like {'5', '6'}\": 70}}}\n"
        "  - {id: b, when: b, cite: [Art 9], evidence: V, set: {fine: {\"breach like '7'\": 3}}}\n"
        "  - {id: rest, when: known(breach), cite: [Art 9], evidence: V,\n"
        "     set: {fine: {\"breach like '*'\": \"'national'\"}}}\n";
    static const struct {
        const char *facts, *want;
    } rows[] = {
        { "{\"breach\": [\"5\", \"Art 5(1)\", \"27\"]}", "{\"5\":70,\"Art 5(1)\":70,\"27\":\"national\"}" },
        { "{\"breach\": \"7\", \"b\": true}", "{\"7\":3}" },
        { "{\"breach\": [\"7\"], \"b\": false}", "{\"7\":\"national\"}" },
        { "{\"breach\": [\"7\"]}", "{\"7\":\"UNDETERMINED\"}" },
        { "{\"breach\": []}", "{}" },
    };
    pl_rules_book *b = NULL;
    pl_error       err = { 0 };

    (void)state;
    assert_ok(book_of(rules, "", &b, &err), &err);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool    open;
        json_t *r = grade_in(b, rows[i].facts, "2026-11-22", &open);
        char   *got = json_dumps(json_object_get(r, "fine"), JSON_COMPACT);

        assert_string_equal(got, rows[i].want);
        free(got);
        json_decref(r);
    }
    pl_rules_book_free(b);
}

static void grade__follows_precedence(void **state)
{
    (void)state;
    expect("{\"a\": true, \"b\": true}", DAY, "use", "\"BANNED\"");
    expect("{\"a\": true, \"b\": true}", DAY, "basis", "[\"1(a)\"]");
    expect("{\"a\": false, \"k\": \"one\"}", DAY, "use", "\"LISTED\"");
    expect("{\"a\": false, \"k\": \"three\"}", DAY, "use", "\"FREE\"");
    expect("{\"a\": true, \"b\": true, \"c\": false, \"l\": []}", DAY, "possible", "[]");
}

static void grade__reports_only_axes_as_open(void **state)
{
    (void)state;
    expect("{\"a\": true, \"b\": true, \"l\": []}", DAY, "side", "[\"UNDETERMINED\"]");
    expect("{\"a\": true, \"b\": true, \"l\": []}", DAY, "undetermined", "[\"overlay\"]");
    expect("{\"a\": true, \"b\": true, \"l\": []}", DAY, "possible", "[\"P\"]");
    expect("{\"a\": true, \"b\": true, \"l\": [], \"c\": true}", DAY, "side", "[\"Z\"]");
}

static void grade__that_is_open_tells_what_is_possible_and_missing(void **state)
{
    (void)state;
    /* a excludes LISTED, so b alone decides; k does not matter any more */
    expect("{\"a\": true}", DAY, "use", "\"UNDETERMINED\"");
    expect("{\"a\": true, \"c\": false, \"l\": []}", DAY, "possible", "[\"FREE\",\"BANNED\"]");
    expect("{\"a\": true, \"c\": false, \"l\": []}", DAY, "missing_facts", "[\"b\"]");
    expect("{\"b\": false, \"c\": false, \"l\": []}", DAY, "possible", "[\"FREE\",\"LISTED\"]");
    expect("{\"b\": false, \"c\": false, \"l\": []}", DAY, "missing_facts", "[\"a\",\"k\"]");
    expect("{\"b\": false, \"k\": \"three\", \"c\": false, \"l\": []}", DAY, "use", "\"FREE\"");
    expect("{\"b\": false, \"k\": \"three\", \"c\": false, \"l\": []}", DAY, "missing_facts", "[]");
}

static void set__says_what_is_certain_and_that_there_may_be_more(void **state)
{
    (void)state;
    expect("{\"l\": [\"x\"], \"c\": false}", DAY, "overlay", "[\"Q\"]");
    expect("{\"l\": [], \"c\": false}", DAY, "overlay", "[]");
    expect("{\"l\": [\"x\"], \"c\": true}", DAY, "overlay", "[\"Q\",\"UNDETERMINED\"]");
    expect("{\"l\": [\"x\"], \"c\": true, \"role\": [\"deployer\"]}", DAY, "overlay", "[\"Q\"]");
}

static void results__follow_grades(void **state)
{
    (void)state;
    expect("{\"a\": false, \"k\": \"two\", \"d\": \"2026-01-31\"}", DAY, "register", "true");
    expect("{\"a\": false, \"k\": \"two\", \"d\": \"2026-01-31\"}", DAY, "due", "\"2026-03-02\"");
    expect("{\"a\": false, \"k\": \"two\"}", DAY, "due", "\"UNDETERMINED\"");
    expect("{\"a\": true, \"b\": true}", DAY, "register", "false");
    expect("{\"k\": \"two\"}", DAY, "register", "\"UNDETERMINED\"");
}

/* id and status of the first obligation */
static void status(const char *facts, const char *day, const char *want)
{
    pl_rules_book *b = NULL;
    pl_error       err = { 0 };
    bool           open;
    json_t        *r, *o;

    assert_ok(book_of(rules_yaml, obligations_yaml, &b, &err), &err);
    r = grade_in(b, facts, day, &open);
    o = json_array_get(json_object_get(r, "obligations"), 0);
    assert_string_equal(json_string_value(json_object_get(o, "status")), want);
    json_decref(r);
    pl_rules_book_free(b);
}

static void obligations__have_a_status_of_the_day(void **state)
{
    (void)state;
    status("{\"a\": true, \"b\": true}", "2025-12-31", "future");
    status("{\"a\": true, \"b\": true}", "2026-01-01", "in_force");
    status("{\"a\": true, \"b\": true}", "2026-12-31", "in_force");
    status("{\"a\": true, \"b\": true}", "2027-01-01", "lapsed");
    status("{\"a\": false, \"k\": \"one\"}", DAY, "unknown");
    status("{\"a\": false, \"k\": \"one\", \"d\": \"2026-08-01\"}", DAY, "future");
    status("{\"a\": false, \"k\": \"one\", \"d\": \"2026-08-02\"}", DAY, "in_force");
}

static void outside_of_the_window__nothing_is_evaluated(void **state)
{
    (void)state;
    expect("{\"a\": true, \"b\": true}", "2024-12-31", "evaluated", "false");
    expect("{\"a\": true, \"b\": true}", "2028-01-01", "obligations", "[]");
    expect("{\"a\": true, \"b\": true}", "2027-12-31", "evaluated", "true");
}

static void trace__names_rules_with_their_facts(void **state)
{
    (void)state;
    expect("{\"a\": true, \"b\": true, \"c\": false}", DAY, "trace",
           "[{\"cite\":[\"Art 1\"],\"evidence\":\"V\",\"facts\":{\"a\":true,\"b\":true},\"rule_id\":\"ban\"}]");
}

/* --- exactness against brute force ---------------------------------------------------------- */

static const char *const values_of[][4] = {
    { "a", "true", "false", NULL }, { "b", "true", "false", NULL }, { "c", "true", "false", NULL },
    { "k", "\"one\"", "\"two\"", "\"three\"" }, { "m.flop", "0", "1e25", "1.0000001e25" },
    { "o.flop", "0", "2e25", "9e25" },
};
#define NF 6

static unsigned next(unsigned *seed)
{
    *seed = *seed * 1103515245u + 12345u;
    return *seed >> 16 & 0x7fff;
}

static void condition(pl_buf *b, unsigned *seed, int depth)
{
    static const char *const leaves[] = { "a", "b", "c", "k == one", "k in {two, three}", "m.flop > 1e25 FLOP",
                                          "o.flop > 1e25 FLOP", "m.flop == 0 FLOP", "o.flop >= 9e25 FLOP" };

    if (depth == 0) {
        pl_buf_puts(b, leaves[next(seed) % 9]);
        return;
    }
    pl_buf_puts(b, next(seed) % 4 == 0 ? "not (" : "(");
    condition(b, seed, depth - 1);
    pl_buf_puts(b, next(seed) % 2 == 0 ? " and " : " or ");
    condition(b, seed, depth - 1);
    pl_buf_puts(b, ")");
}

static void random_rules(pl_buf *b, unsigned *seed)
{
    pl_buf_puts(b, "results:\n  g: {type: grade, values: [N, A, B, C], default: N, precedence: rules}\nrules:\n");
    for (int i = 0; i < 4; i++) {
        pl_buf_printf(b, "  - {id: r%d, grade: {g: %c}, cite: [x], evidence: V, when: \"", i, "ABCA"[i]);
        condition(b, seed, 2);
        pl_buf_puts(b, "\"}\n");
    }
}

static void facts_text(pl_buf *b, const int *choice)
{
    bool any = false;

    pl_buf_clear(b);
    pl_buf_putc(b, '{');
    for (int i = 0; i < NF; i++)
        if (choice[i] > 0) {
            pl_buf_printf(b, "%s\"%s\": %s", any ? ", " : "", values_of[i][0], values_of[i][choice[i]]);
            any = true;
        }
    pl_buf_putc(b, '}');
}

static int grade_index(const pl_rules_book *b, const char *facts)
{
    json_t         *j = NULL;
    pl_rules_facts *f = NULL;
    pl_error        err = { 0 };
    int             out = -9;

    assert_ok(pl_rules_json(pl_str_z(facts), "facts", &j, &err), &err);
    assert_ok(pl_rules_facts_new(b, j, &f, &err), &err);
    assert_ok(pl_rules_grade_fast(b, 0, f, 1764547200, &out, &err), &err);
    pl_rules_facts_free(f);
    json_decref(j);
    return out;
}

/* Every completion of the facts: which grades come out, and on which facts that depends. */
typedef struct brute {
    const pl_rules_book *b;
    int                  base[NF];
    unsigned             grades;
    int                  table[3 * 3 * 3 * 3 * 3 * 3];
} brute;

static int options(const brute *x, int i)
{
    return x->base[i] > 0 ? 1 : values_of[i][3] != NULL ? 3 : 2;
}

static size_t place(const int *c)
{
    size_t at = 0;

    for (int i = 0; i < NF; i++)
        at = at * 3 + (size_t)(c[i] - 1);
    return at;
}

static void all_completions(brute *x, int *c, int i)
{
    pl_buf text = PL_BUF_INIT(1024);

    if (i < NF) {
        for (int k = 1; k <= options(x, i); k++) {
            c[i] = x->base[i] > 0 ? x->base[i] : k;
            all_completions(x, c, i + 1);
        }
        return;
    }
    facts_text(&text, c);
    x->table[place(c)] = grade_index(x->b, text.p);
    x->grades |= 1u << x->table[place(c)];
    pl_buf_done(&text);
}

static bool depends_on(brute *x, int *c, int i, int of)
{
    if (i == NF) {
        int seen = -1;

        for (int k = 1; k <= options(x, of); k++) {
            int got;

            c[of] = k;
            got = x->table[place(c)];
            if (seen >= 0 && got != seen)
                return true;
            seen = got;
        }
        return false;
    }
    if (i == of)
        return depends_on(x, c, i + 1, of);
    for (int k = 1; k <= options(x, i); k++) {
        c[i] = x->base[i] > 0 ? x->base[i] : k;
        if (depends_on(x, c, i + 1, of))
            return true;
    }
    return false;
}

static bool lists(const json_t *list, const char *s)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (strcmp(json_string_value(json_array_get(list, i)), s) == 0)
            return true;
    return false;
}

static void compare(brute *x, const char *facts, const char *rules)
{
    static const char *const names[] = { "N", "A", "B", "C" };
    bool    open;
    json_t *r = grade_in(x->b, facts, "2025-12-01", &open);
    json_t *possible = json_object_get(r, "possible"), *missing = json_object_get(r, "missing_facts");
    int     c[NF];

    assert_true(json_is_true(json_object_get(r, "exact")));
    for (int g = 0; g < 4 && (x->grades & (x->grades - 1)) != 0; g++)
        if (lists(possible, names[g]) != ((x->grades >> g & 1) != 0))
            fail_msg("possible '%s' is wrong with %s of\n%s", names[g], facts, rules);
    if ((x->grades & (x->grades - 1)) == 0) {
        assert_false(open);
        assert_int_equal(json_array_size(missing), 0);
    }
    for (int i = 0; i < NF && open; i++)
        if (x->base[i] == 0 && lists(missing, values_of[i][0]) != depends_on(x, c, 0, i))
            fail_msg("missing '%s' is wrong with %s of\n%s", values_of[i][0], facts, rules);
    json_decref(r);
}

static void possible_and_missing__equal_brute_force(void **state)
{
    unsigned seed = 7;

    (void)state;
    for (int round = 0; round < 300; round++) {
        pl_buf         rules = PL_BUF_INIT(8192), text = PL_BUF_INIT(1024);
        pl_rules_book *b = NULL;
        pl_error       err = { 0 };
        brute          x = { 0 };
        int            c[NF];

        random_rules(&rules, &seed);
        assert_ok(book_of(rules.p, "", &b, &err), &err);
        for (int i = 0; i < NF; i++)
            x.base[i] = next(&seed) % 3 == 0 ? 1 + (int)(next(&seed) % (values_of[i][3] ? 3 : 2)) : 0;
        x.b = b;
        all_completions(&x, c, 0);
        facts_text(&text, x.base);
        compare(&x, text.p, rules.p);
        pl_buf_done(&rules);
        pl_buf_done(&text);
        pl_rules_book_free(b);
    }
}

static void sums_of_unknown_numbers__are_searched(void **state)
{
    static const char rules[] = "results:\n  g: {type: grade, values: [N, A], default: N}\nrules:\n"
                                "  - {id: r, when: m.flop + o.flop > 1e25 FLOP, grade: {g: A}, cite: [x], evidence: V}\n";
    pl_rules_book *b = NULL;
    pl_error       err = { 0 };
    bool           open;
    json_t        *r;

    (void)state;
    assert_ok(book_of(rules, "", &b, &err), &err);
    r = grade_in(b, "{\"m.flop\": 9e24}", "2026-01-01", &open);
    assert_int_equal(json_array_size(json_object_get(r, "possible")), 2);
    json_decref(r);
    r = grade_in(b, "{}", "2026-01-01", &open);
    assert_int_equal(json_array_size(json_object_get(r, "possible")), 2);
    assert_int_equal(json_array_size(json_object_get(r, "missing_facts")), 2);
    json_decref(r);
    pl_rules_book_free(b);
}

/* --- what is refused --------------------------------------------------------------------------- */

#define HEAD "results:\n  g: {type: grade, values: [N, A, B], default: N}\n"
#define RULE(when, rest) "  - {id: r, cite: [x], evidence: V, when: " when ", " rest "}\n"

static void bad_packs__are_refused_with_place_and_advice(void **state)
{
    static const struct {
        const char *rules, *want;
    } rows[] = {
        { HEAD "rules:\n" RULE("a and bb", "grade: {g: A}"), "rules.yaml:4:49: unknown fact 'bb'" },
        { HEAD "rules:\n  - id: r\n    cite: [x]\n    evidence: V\n    when: >-\n      a and\n      nope\n",
          "rules.yaml:9:7: unknown fact 'nope'" },
        { HEAD "rules:\n" RULE("a", "grade: {g: X}"), "'X' is no value of 'g'" },
        { HEAD "rules:\n" RULE("a", "grade: {h: A}"), "result 'h' is not declared" },
        { HEAD "rules:\n" RULE("a", "obligations: [O.9]"), "obligation 'O.9' is not in obligations.yaml: did you mean 'O.1'?" },
        { HEAD "rules:\n" RULE("a", "grade: {g: A}") RULE("b", "grade: {g: A}"), "rule 'r' is there twice" },
        { HEAD "rules:\n" RULE("result.g == A", "grade: {g: A}"), "result 'g' depends on itself" },
        { HEAD "rules:\n  - {id: p, cite: [x], evidence: V, when: a, grade: {g: A}}\n" RULE("b", "grade: {g: B}"),
          "say with 'precedence' which wins" },
        { HEAD "rules:\n  - {id: r, cite: [x], when: a}\n", "has no evidence tag" },
        { HEAD "rules:\n  - {id: r, evidence: V, when: a}\n", "cites nothing" },
        { HEAD "rules:\n" RULE("m.flop", "grade: {g: A}"), "'when' is not a condition" },
        { HEAD "rules:\n" RULE("a", "grad: {g: A}"), "unknown key 'grad': did you mean 'grade'?" },
        { HEAD "define: {a: b}\nrules:\n" RULE("a", "grade: {g: A}"), "'a' is a fact already" },
        { "results:\n  g: {type: grade, values: [N]}\nrules: []\n", "needs a 'default'" },
        { HEAD "rules:\n" RULE("'result(\"eu\", system) == X'", "grade: {g: A}"), "is not listed in 'depends'" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        pl_rules_book *b = NULL;
        pl_error       err = { 0 };

        assert_rc(book_of(rows[i].rules, obligations_yaml, &b, &err), PL_INVALID);
        if (strstr(err.text, rows[i].want) == NULL)
            fail_msg("%zu: '%s' does not say '%s'", i, err.text, rows[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(map__takes_its_keys_from_a_list),
        cmocka_unit_test(lint__finds_what_never_fires),
        cmocka_unit_test(grade__follows_precedence),
        cmocka_unit_test(grade__reports_only_axes_as_open),
        cmocka_unit_test(grade__that_is_open_tells_what_is_possible_and_missing),
        cmocka_unit_test(set__says_what_is_certain_and_that_there_may_be_more),
        cmocka_unit_test(results__follow_grades),
        cmocka_unit_test(obligations__have_a_status_of_the_day),
        cmocka_unit_test(outside_of_the_window__nothing_is_evaluated),
        cmocka_unit_test(trace__names_rules_with_their_facts),
        cmocka_unit_test(possible_and_missing__equal_brute_force),
        cmocka_unit_test(sums_of_unknown_numbers__are_searched),
        cmocka_unit_test(bad_packs__are_refused_with_place_and_advice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
