#include "base/banned.h"

#include "base/str.h"
#include "cap/guard/guard_observe.h"
#include "cap/guard/guard_store.h"
#include "cap/guard/pl_guard.h"
#include "engine/text/model.h"

#include <fcntl.h>

#define DAY_MS (24LL * 3600 * 1000)

/* Every entry of a lexicon is a rule; what detectors and classifiers report are rules too, but no keywords. */
static json_int_t keywords(const pl_policy *p)
{
    const pl_textdb *db = pl_policy_textdb(p);
    json_int_t       n = 0;

    for (uint32_t i = 0; i < pl_textdb_rule_count(db); i++) {
        pl_str id = pl_textdb_rule_get(db, i).id;
        n += !pl_str_starts(id, PL_STR("detector.")) && !pl_str_starts(id, pl_str_z(PL_MODEL_RULE_PREFIX));
    }
    return n;
}

static pl_rc policy_observe(const pl_services *s, json_t *out, pl_error *err)
{
    char      *path = pl_instance_path(s->instance, "gateway/policy.db");
    pl_policy *p = NULL;
    pl_rc      rc = path ? pl_policy_openat(AT_FDCWD, path, &p, err) : pl_fail(err, PL_NOMEM, "out of memory");

    free(path);
    if (rc == PL_OK)
        (void)json_object_set_new(out, "policy.keywords", json_integer(keywords(p)));
    pl_policy_unref(p);
    return rc == PL_NOTFOUND ? PL_OK : rc; /* no policy is in force */
}

pl_rc guard_observe(pl_services *s, pl_db *db, int64_t from_ms, json_t *out, pl_error *err)
{
    static const char *const kinds[][2] = { { "models", "gateway.models" }, { "surfaces", "gateway.surfaces" },
                                            { "services", "gateway.services" }, { "labels", "gateway.labels" } };
    pl_rc rc = PL_OK;

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && rc == PL_OK; i++) {
        json_t *list = json_array();
        rc = guard_seen_list(db, from_ms / DAY_MS, kinds[i][0], list, err);
        if (rc == PL_OK)
            (void)json_object_set(out, kinds[i][1], list);
        json_decref(list);
    }
    return rc == PL_OK ? policy_observe(s, out, err) : rc;
}
