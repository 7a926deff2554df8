#include "base/banned.h"

#include "cap/@name@/@name@_int.h"

extern const unsigned char pl_@name@_openapi[];

pl_rc pl_@name@_check(pl_str text, pl_error *err)
{
    if (text.n == 0)
        return pl_fail(err, PL_INVALID, "remark is empty");
    if (text.n > PL_@NAME@_TEXT_MAX)
        return pl_fail(err, PL_INVALID, "remark is longer than %d bytes", PL_@NAME@_TEXT_MAX);
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] < 0x20 || text.p[i] == 0x7f)
            return pl_fail(err, PL_INVALID, "remark has a control character at byte %zu", i);
    return PL_OK;
}

pl_rc pl_@name@_append(pl_db *db, pl_str subject, pl_str text, int64_t now_ms, int64_t *seq,
                       pl_error *err)
{
    int64_t number = 0;
    pl_rc   rc = pl_@name@_check(text, err);

    if (rc == PL_OK)
        rc = pl_db_begin(db, err);
    if (rc != PL_OK)
        return rc;
    rc = pl_@name@_store_put(db, subject, text, now_ms, &number, err);
    if (rc == PL_OK)
        rc = pl_db_commit(db, err);
    if (rc != PL_OK) {
        pl_db_abort(db);
        return rc;
    }
    *seq = number;
    return PL_OK;
}

const pl_capability pl_cap_@name@ = {
    .name = "@name@",
    .commands = pl_@name@_commands,
    .routes = pl_@name@_routes,
    .migrations = pl_@name@_migrations,
    .openapi = (const char *)pl_@name@_openapi,
};
