#include "base/banned.h"

#include "cap/pack/pack_int.h"

static pl_rc packs_get(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    char   *folders[3];
    json_t *list = NULL;
    pl_rc   rc;

    pack_folders(q->services->instance->dir, folders);
    rc = pl_pack_list((const char *const *)folders, &list, err);
    pack_folders_free(folders);
    if (rc != PL_OK)
        return rc;
    r->body = json_pack("{s:o}", "packs", list);
    return r->body != NULL ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");
}

const pl_route pack_routes[] = {
    { "GET", "/api/v1/packs", PL_ROLES_STAFF, packs_get },
    { 0 },
};
