/* The interview: ask for the fact on which most hinges, grade again, until all is settled. */
#include "base/banned.h"

#include "base/str.h"
#include "cap/grade/grade_int.h"

#define LINE_MAX_LEN 4096

static bool read_line(char *out, size_t cap)
{
    if (fgets(out, (int)cap, stdin) == NULL)
        return false;
    out[strcspn(out, "\r\n")] = '\0';
    return true;
}

static void values_show(pl_cmd_ctx *c, const pl_fact *f)
{
    int zh = pl_cmd_say(c, "e", "z")[0] == 'z' ? 0 : 1;

    for (size_t i = 0; i < f->value_count && !f->is_open; i++) {
        const char *label = f->labels[zh] != NULL ? f->labels[zh][i] : NULL;

        (void)fprintf(c->err, "    %s%s%s\n", f->values[i], label != NULL ? "  " : "",
                      label != NULL ? label : "");
    }
}

static const char *how_to_answer(const pl_cmd_ctx *c, const pl_fact *f)
{
    switch (f->type) {
    case PL_FACT_BOOL:
        return pl_cmd_say(c, "yes or no", "是或否");
    case PL_FACT_NUMBER:
        return f->unit != NULL ? f->unit : pl_cmd_say(c, "a number", "数字");
    case PL_FACT_DATE:
        return "YYYY-MM-DD";
    case PL_FACT_LIST:
    case PL_FACT_NUMBERS:
        return pl_cmd_say(c, "several with commas, or none", "可多项，以逗号分隔；无则填“无”");
    case PL_FACT_MAP:
        return pl_cmd_say(c, "name=value, …", "名称=值，……");
    default:
        return pl_cmd_say(c, "one of them", "其中之一");
    }
}

static void question_show(pl_cmd_ctx *c, const pl_fact *f)
{
    int zh = pl_cmd_say(c, "e", "z")[0] == 'z' ? 0 : 1;

    (void)fprintf(c->err, "\n%s  [%s]\n", f->question[zh] != NULL ? f->question[zh] : f->key, f->key);
    if (f->help[zh] != NULL)
        (void)fprintf(c->err, "  %s\n", f->help[zh]);
    values_show(c, f);
    (void)fprintf(c->err, pl_cmd_say(c, "  (%s; empty: not known) ", "  （%s；不知道则留空）"), how_to_answer(c, f));
    (void)fflush(c->err);
}

/* false: the input has ended. *skipped: nobody knows. */
static bool question_ask(pl_cmd_ctx *c, const grade_book *g, size_t slot, json_t *facts, bool *skipped)
{
    char     line[LINE_MAX_LEN];
    json_t  *v = NULL;
    pl_error err;

    question_show(c, pl_rules_fact(g->book, slot));
    while (read_line(line, sizeof line)) {
        if (pl_str_trim(pl_str_z(line)).n == 0) {
            *skipped = true;
            return true;
        }
        if (pl_rules_fact_parse(g->book, slot, pl_str_z(line), &v, &err) == PL_OK)
            return json_object_set_new(facts, pl_rules_fact(g->book, slot)->key, v) == 0;
        (void)fprintf(c->err, "  %s\n  ", err.text);
    }
    return false;
}

/* The first question that was not skipped; -1: none. */
static int question_next(const grade_book *g, const json_t *result, const bool *skipped)
{
    size_t  i;
    json_t *q;

    json_array_foreach(json_object_get(result, "questions"), i, q) {
        int slot = pl_rules_fact_find(g->book, pl_str_z(grade_text(q, "fact")));

        if (slot >= 0 && !skipped[slot])
            return slot;
    }
    return -1;
}

static pl_rc jurisdictions_ask(pl_cmd_ctx *c, const pl_grade_request *r, json_t *facts)
{
    char    line[LINE_MAX_LEN];
    json_t *list = json_array();
    pl_str  rest, part;

    if ((r->packs != NULL && r->packs[0] != NULL) || json_object_get(facts, "jurisdictions") != NULL) {
        json_decref(list);
        return PL_OK;
    }
    (void)fputs(pl_cmd_say(c, "Where is it offered or used? [jurisdictions] (EU, US-CA, CN …; with commas) ",
                           "在哪些法域提供或使用？[jurisdictions]（EU、US-CA、CN……；以逗号分隔）"), c->err);
    (void)fflush(c->err);
    rest = read_line(line, sizeof line) ? pl_str_z(line) : pl_str_z("");
    while (pl_str_split(&rest, ',', &part))
        (void)json_array_append_new(list, json_stringn(pl_str_trim(part).p, pl_str_trim(part).n));
    (void)json_object_set_new(facts, "jurisdictions", list);
    return PL_OK;
}

pl_rc grade_ask(pl_cmd_ctx *c, const pl_grade_request *r, json_t *facts, pl_error *err)
{
    pl_grade_request own = *r;
    grade_book       g;
    bool             skipped[PL_RULES_FACTS_MAX] = { false };
    pl_rc            rc = jurisdictions_ask(c, r, facts);

    own.facts = facts;
    if (rc == PL_OK)
        rc = grade_book_open(&own, &g, err);
    if (rc != PL_OK)
        return rc;
    for (;;) {
        json_t *result = NULL;
        bool    open = false;
        int     slot;

        rc = grade_book_run(&g, &own, &result, &open, err);
        slot = rc == PL_OK ? question_next(&g, result, skipped) : -1;
        json_decref(result);
        if (slot < 0 || !question_ask(c, &g, (size_t)slot, facts, &skipped[slot]))
            break;
    }
    grade_book_close(&g);
    return rc;
}
