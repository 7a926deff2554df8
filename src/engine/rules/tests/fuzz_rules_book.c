/* A pack from arbitrary bytes: facts, rules and obligations with NULs between. Property: what
 * compiles grades any facts, within bounds, and the exact possible grades are among the rough. */
#include "base/banned.h"

#include "engine/rules/rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static pl_str part(const uint8_t **p, size_t *left)
{
    const uint8_t *nul = *left > 0 ? memchr(*p, 0, *left) : NULL;
    pl_str         s = { (const char *)*p, nul != NULL ? (size_t)(nul - *p) : *left };

    *p += s.n + (nul != NULL);
    *left -= s.n + (nul != NULL);
    return s;
}

static bool within(const json_t *few, const json_t *many)
{
    size_t  i, k;
    json_t *a, *b;

    json_array_foreach((json_t *)(uintptr_t)few, i, a) {
        bool found = false;

        json_array_foreach((json_t *)(uintptr_t)many, k, b)
            found |= json_equal(a, b) != 0;
        if (!found)
            return false;
    }
    return true;
}

static void grade(const pl_rules_book *b)
{
    json_t         *none = json_object(), *rough = NULL, *exact = NULL;
    pl_rules_facts *f = NULL;
    bool            open;

    if (pl_rules_facts_new(b, none, &f, NULL) == PL_OK) {
        if (pl_rules_grade(b, 0, f, 1764547200, 0, &rough, &open, NULL) != PL_OK ||
            pl_rules_grade(b, 0, f, 1764547200, PL_RULES_MISSING, &exact, &open, NULL) != PL_OK ||
            !within(json_object_get(exact, "possible"), json_object_get(rough, "possible")) ||
            !within(json_object_get(exact, "missing_facts"), json_object_get(rough, "missing_facts")))
            abort();
    }
    pl_rules_facts_free(f);
    json_decref(none);
    json_decref(rough);
    json_decref(exact);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pl_rules_book  *b = pl_rules_book_new();
    pl_rules_source s = { .id = "p", .version = "1", .jurisdiction = "any", .legal_weight = "none",
                          .digest = "", .evidence = "U", .title_en = "p", .title_zh = "p",
                          .from = "2020-01-01" };

    if (b == NULL)
        return 0;
    s.facts = (pl_rules_file){ "facts.yaml", part(&data, &size) };
    s.rules = (pl_rules_file){ "rules.yaml", part(&data, &size) };
    s.obligations = (pl_rules_file){ "obligations.yaml", part(&data, &size) };
    if (pl_rules_book_add(b, &s, NULL, NULL, NULL) == PL_OK)
        grade(b);
    pl_rules_book_free(b);
    return 0;
}
