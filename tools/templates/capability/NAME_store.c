#include "base/banned.h"

#include "cap/@name@/@name@_int.h"

extern const unsigned char pl_@name@_sql[];

const pl_migration pl_@name@_migrations[] = {
    { 1, (const char *)pl_@name@_sql },
    { 0, NULL },
};

pl_rc pl_@name@_store_put(pl_db *db, pl_str subject, pl_str text, int64_t now_ms, int64_t *seq,
                          pl_error *err)
{
    pl_db_stmt *s = NULL;
    pl_rc       rc = pl_db_prepare(db,
                                   "INSERT INTO @name@_remark (subject, seq, text, at_ms)"
                                   " SELECT $1, COALESCE(MAX(seq), 0) + 1, $2, $3"
                                   " FROM @name@_remark WHERE subject = $1 RETURNING seq",
                                   &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, subject);
    pl_db_bind_str(s, 2, text);
    pl_db_bind_int(s, 3, now_ms);
    rc = pl_db_step(s, err);
    if (rc == PL_OK)
        *seq = pl_db_int(s, 0);
    pl_db_done(s);
    return rc;
}

pl_rc pl_@name@_each(pl_db *db, pl_str subject,
                     pl_rc (*fn)(void *ctx, const pl_@name@_remark *r, pl_error *err), void *ctx,
                     pl_error *err)
{
    pl_db_stmt *s = NULL;
    pl_rc       rc = pl_db_prepare(db,
                                   "SELECT seq, text, at_ms FROM @name@_remark"
                                   " WHERE subject = $1 ORDER BY seq",
                                   &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, subject);
    while ((rc = pl_db_step(s, err)) == PL_OK) {
        pl_@name@_remark r = { subject, pl_db_int(s, 0), pl_db_str(s, 1), pl_db_int(s, 2) };

        rc = fn(ctx, &r, err);
        if (rc != PL_OK)
            break;
    }
    pl_db_done(s);
    return rc == PL_NOTFOUND ? PL_OK : rc;
}
