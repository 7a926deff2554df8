/* Any text as an expression. Property: what is true or false, or has a value, while facts are
 * missing stays so when they come in (unless it asks what is known). */
#include "base/banned.h"

#include "engine/rules/rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char vocabulary[] =
    "units: [FLOP, EUR]\n"
    "facts:\n"
    "  a: {type: bool}\n  b: {type: bool}\n  n: {type: number}\n  m.flop: {type: number, unit: FLOP}\n"
    "  e: {type: number, unit: EUR}\n  d: {type: date}\n  t: {type: time}\n"
    "  k: {type: text, values: [one, two, '3(a)']}\n  o: {type: text}\n"
    "  l: {type: list, values: [x, y, z]}\n  ns: {type: numbers}\n  w: {type: map, values: [A, B]}\n";

static const char *const given[] = {
    "{}", "{\"a\": true, \"n\": 3, \"l\": [\"x\"], \"k\": \"two\"}",
    "{\"a\": true, \"n\": 3, \"l\": [\"x\"], \"k\": \"two\", \"b\": false, \"m.flop\": 1e25, \"e\": 7, "
    "\"d\": \"2026-08-02\", \"t\": \"2026-08-02T10:00:00Z\", \"o\": \"q\", \"ns\": [1, 2], \"w\": {\"p\": \"A\"}}",
};

/* false: not an expression. */
static bool evaluate(pl_str text, const char *facts, json_t **out)
{
    pl_rules_book  *b = pl_rules_book_new();
    pl_rules_source s = { .id = "v", .version = "1", .jurisdiction = "any", .legal_weight = "none",
                          .digest = "", .title_en = "v", .title_zh = "v", .from = "2020-01-01",
                          .facts = { "facts.yaml", { vocabulary, sizeof vocabulary - 1 } } };
    pl_rules_facts *f = NULL;
    json_t         *j = NULL;
    bool            ok;

    if (b == NULL || pl_rules_book_add(b, &s, NULL, NULL, NULL) != PL_OK ||
        pl_rules_json((pl_str){ facts, strlen(facts) }, "facts", &j, NULL) != PL_OK ||
        pl_rules_facts_new(b, j, &f, NULL) != PL_OK)
        abort();
    ok = pl_rules_expr(b, text, f, 1764547200, out, NULL) == PL_OK;
    pl_rules_facts_free(f);
    json_decref(j);
    pl_rules_book_free(b);
    return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pl_str  text = { (const char *)data, size };
    json_t *before = NULL, *after = NULL;

    if (!evaluate(text, given[0], &before))
        return 0;
    for (size_t i = 1; i < 3; i++) {
        if (!evaluate(text, given[i], &after))
            abort();
        if (memmem(data, size, "known", 5) == NULL && !json_is_null(before) && !json_equal(before, after))
            abort();
        json_decref(before);
        before = after;
    }
    json_decref(before);
    return 0;
}
