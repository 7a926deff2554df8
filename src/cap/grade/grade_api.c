#include "base/banned.h"

#include "base/file.h"
#include "base/timefmt.h"
#include "cap/grade/grade_int.h"

static pl_rc packs_of(const json_t *list, const char *packs[GRADE_PACKS_MAX + 1], pl_error *err)
{
    size_t  i;
    json_t *v;

    if (list != NULL && (!json_is_array(list) || json_array_size(list) > GRADE_PACKS_MAX))
        return pl_fail(err, PL_INVALID, "'packs' must be a list of at most %d names", GRADE_PACKS_MAX);
    json_array_foreach((json_t *)(uintptr_t)list, i, v) {
        packs[i] = json_string_value(v);
        if (packs[i] == NULL || strchr(packs[i], '/') != NULL) /* names only: no paths over HTTP */
            return pl_fail(err, PL_INVALID, "'packs' must hold NAME or NAME@VERSION");
    }
    return PL_OK;
}

/* POST /api/v1/grade {"facts", "packs"?, "as_of"?} */
static pl_rc grade_post(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    static const char *const allowed[] = { "facts", "packs", "as_of", NULL };
    const char              *packs[GRADE_PACKS_MAX + 1] = { NULL };
    char                     today[25], *own, *shipped;
    const char              *folders[3] = { NULL };
    json_t                  *body = NULL;
    bool                     open;
    pl_grade_request         g = { .packs = packs, .today = today, .folders = folders };
    pl_rc                    rc = pl_api_body(q, allowed, &body, err);

    if (rc == PL_OK)
        rc = packs_of(json_object_get(body, "packs"), packs, err);
    if (rc != PL_OK)
        return rc;
    pl_time_format(q->now_ms, today);
    today[10] = '\0';
    g.facts = json_object_get(body, "facts");
    g.as_of = json_string_value(json_object_get(body, "as_of"));
    own = pl_instance_path(q->services->instance, "packs");
    shipped = pl_path_join(pl_datadir(), "packs");
    folders[0] = own;
    folders[1] = shipped;
    rc = own != NULL && shipped != NULL ? pl_grade(&g, &r->body, &open, err)
                                        : pl_fail(err, PL_NOMEM, "out of memory");
    free(own);
    free(shipped);
    return rc;
}

const pl_route pl_grade_routes[] = {
    { "POST", "/api/v1/grade", PL_ROLES_STAFF, grade_post },
    { NULL, NULL, 0, NULL },
};
