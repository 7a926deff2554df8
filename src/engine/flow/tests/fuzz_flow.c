/* Forms, workflows, calendars and numbers out of arbitrary trees, with arbitrary values. What must
 * hold: what a complete form lacks is all that draft mode lets pass; a number that was made is one. */
#include "base/str.h"
#include "engine/flow/form.h"
#include "engine/flow/number.h"
#include "engine/flow/workflow.h"

#include <stdlib.h>

static void must(int holds)
{
    if (!holds)
        abort();
}

static size_t without_missing(const json_t *problems)
{
    const json_t *one;
    size_t        i, n = 0;

    json_array_foreach((json_t *)(uintptr_t)problems, i, one)
        n += !pl_str_eqz(pl_str_z(json_string_value(json_object_get(one, "code"))), "missing");
    return n;
}

static void try_form(const json_t *tree, const json_t *values)
{
    pl_form *f = NULL;
    json_t  *draft = json_array(), *complete = json_array();

    if (pl_form_new(tree, "fuzz", &f, NULL) == PL_OK) {
        must(pl_form_check(f, values, PL_FORM_DRAFT, draft, NULL) == PL_OK);
        must(pl_form_check(f, values, PL_FORM_COMPLETE, complete, NULL) == PL_OK);
        must(without_missing(complete) >= json_array_size(draft) || json_array_size(complete) >= 400);
        json_decref(pl_form_public(f, values));
    }
    pl_form_free(f);
    json_decref(draft);
    json_decref(complete);
}

static pl_rc part(void *ctx, pl_str name, pl_buf *out, pl_error *err)
{
    (void)name, (void)err;
    pl_buf_puts(out, ctx);
    return PL_OK;
}

static void try_number(const json_t *tree, const json_t *values)
{
    pl_number *n = NULL;
    pl_buf     out = PL_BUF_INIT(500);
    char       digits[] = "7";

    if (pl_number_new(tree, "fuzz", &n, NULL) == PL_OK) {
        if (pl_number_make(n, part, digits, &out, NULL) == PL_OK)
            must(pl_number_check(n, pl_buf_str(&out)) != PL_NUMBER_BAD_FORM);
        if (json_is_string(values))
            (void)pl_number_check(n, pl_str_z(json_string_value(values)));
    }
    pl_number_free(n);
    pl_buf_done(&out);
}

static void try_calendar(const json_t *tree)
{
    pl_calendar *c = NULL;
    int64_t      d;

    if (pl_calendar_new(tree, "fuzz", &c, NULL) == PL_OK)
        for (int64_t n = -40; n < 40; n += 7)
            if (pl_calendar_add(c, 20500, n, PL_PERIOD_WORKING_DAYS, &d, NULL) == PL_OK)
                must(n < 0 ? d < 20500 : n > 0 ? d > 20500 : d == 20500);
    pl_calendar_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    json_t      *pair = NULL;
    pl_workflow *w = NULL;

    if (pl_json_parse((pl_str){ (const char *)data, n }, "fuzz", &pair, NULL) != PL_OK)
        return 0;
    try_form(json_array_get(pair, 0), json_array_get(pair, 1));
    try_number(json_array_get(pair, 0), json_array_get(pair, 1));
    try_calendar(json_array_get(pair, 0));
    if (pl_workflow_new(json_array_get(pair, 0), "fuzz", 0, &w, NULL) == PL_OK)
        must(pl_flow_state_find(w, w->initial) != NULL);
    pl_workflow_free(w);
    json_decref(pair);
    return 0;
}
