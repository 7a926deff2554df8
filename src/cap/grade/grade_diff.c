/* What differs between two results. */
#include "base/banned.h"

#include "cap/grade/grade_int.h"

/* What is not a finding of its own, or is compared by other means. */
static bool is_apart(const char *key)
{
    static const char *const apart[] = { "pack", "title", "axes", "digest", "trace", "obligations", "in_force",
                                         "exact", "evidence", "possible_by_axis", "legal_weight",
                                         "jurisdiction", NULL };

    for (size_t i = 0; apart[i] != NULL; i++)
        if (strcmp(key, apart[i]) == 0)
            return true;
    return false;
}

static void change(json_t *list, const char *what, const char *key, const json_t *from,
                   const json_t *to)
{
    (void)json_array_append_new(
        list, json_pack("{s:s, s:s, s:O, s:O}", "what", what, "key", key, "from",
                        from != NULL ? from : json_null(), "to", to != NULL ? to : json_null()));
}

static const json_t *by_id(const json_t *list, const char *id)
{
    size_t  i;
    json_t *v;

    json_array_foreach((json_t *)(uintptr_t)list, i, v)
        if (strcmp(grade_text(v, "id"), id) == 0)
            return v;
    return NULL;
}

static json_t *standing(const json_t *o)
{
    if (o == NULL)
        return json_null();
    return json_sprintf("%s %s", grade_text(o, "status"), grade_text(o, "applies_from"));
}

static void obligations_diff(const json_t *a, const json_t *b, json_t *changes)
{
    size_t  i;
    json_t *v;

    json_array_foreach((json_t *)(uintptr_t)a, i, v) {
        const char   *id = grade_text(v, "id");
        const json_t *other = by_id(b, id);
        json_t       *x = standing(v), *y = standing(other);

        if (!json_equal(x, y))
            change(changes, "obligation", id, x, y);
        json_decref(x);
        json_decref(y);
    }
    json_array_foreach((json_t *)(uintptr_t)b, i, v)
        if (by_id(a, grade_text(v, "id")) == NULL) {
            json_t *y = standing(v);

            change(changes, "obligation", grade_text(v, "id"), NULL, y);
            json_decref(y);
        }
}

static void result_diff(const json_t *a, const json_t *b, json_t *changes)
{
    const char *key;
    json_t     *v;

    json_object_foreach((json_t *)(uintptr_t)a, key, v)
        if (!is_apart(key) && !json_equal(v, json_object_get(b, key)))
            change(changes, "result", key, v, json_object_get(b, key));
    json_object_foreach((json_t *)(uintptr_t)b, key, v)
        if (!is_apart(key) && json_object_get(a, key) == NULL)
            change(changes, "result", key, NULL, v);
    obligations_diff(json_object_get(a, "obligations"), json_object_get(b, "obligations"), changes);
}

pl_rc pl_grade_diff(const json_t *before, const json_t *after, json_t **out, pl_error *err)
{
    const json_t *a = json_object_get(before, "results"), *b = json_object_get(after, "results");
    json_t       *list = json_array();

    if (list == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    for (size_t i = 0; i < json_array_size(a) && i < json_array_size(b); i++) {
        const json_t *x = json_array_get(a, i), *y = json_array_get(b, i);
        json_t       *changes = json_array();

        result_diff(x, y, changes);
        if (json_array_size(changes) > 0)
            (void)json_array_append_new(list, json_pack("{s:s, s:s, s:o}", "pack", grade_text(y, "pack"),
                                                        "was", grade_text(x, "pack"), "changes", changes));
        else
            json_decref(changes);
    }
    *out = list;
    return PL_OK;
}
