/* Attachments: named by slot, content-addressed. */
#include "base/banned.h"

#include "base/hash.h"
#include "base/utf8.h"
#include "cap/registry/registry_int.h"

pl_rc file_store_add(pl_db *db, pl_str owner, const registry_file *f, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(db,
                             "INSERT INTO registry_file (owner_id, slot, sha256, name, media_type, size,"
                             " by_id, time_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                             &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, owner);
    pl_db_bind_str(s, 2, f->slot);
    pl_db_bind_str(s, 3, f->sha256);
    pl_db_bind_str(s, 4, f->name);
    pl_db_bind_str(s, 5, f->media_type);
    pl_db_bind_int(s, 6, f->size);
    pl_db_bind_str(s, 7, f->by_id);
    pl_db_bind_int(s, 8, f->time_ms);
    rc = pl_db_run(s, NULL, err);
    return rc == PL_CONFLICT ? pl_fail(err, rc, "the same file is attached there already") : rc;
}

pl_rc file_store_drop(pl_db *db, pl_str owner, pl_str slot, pl_str sha256, pl_error *err)
{
    pl_db_stmt *s;
    int64_t     changed = 0;
    pl_rc       rc = pl_db_prepare(
        db, "DELETE FROM registry_file WHERE owner_id = $1 AND slot = $2 AND sha256 = $3", &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, owner);
    pl_db_bind_str(s, 2, slot);
    pl_db_bind_str(s, 3, sha256);
    rc = pl_db_run(s, &changed, err);
    return rc == PL_OK && changed == 0 ? pl_fail(err, PL_NOTFOUND, "no such attachment") : rc;
}

pl_rc file_store_each(pl_db *db, pl_arena *a, pl_str owner,
                      pl_rc (*fn)(void *ctx, const registry_file *f, pl_error *err), void *ctx,
                      pl_error *err)
{
    pl_db_stmt   *s;
    registry_file f;
    pl_str       *columns[] = { &f.slot, &f.sha256, &f.name, &f.media_type, &f.by_id };
    pl_rc         rc = pl_db_prepare(db,
                             "SELECT slot, sha256, name, media_type, by_id, size, time_ms"
                             " FROM registry_file WHERE owner_id = $1 ORDER BY slot, time_ms, sha256",
                             &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, owner);
    while ((rc = pl_db_step(s, err)) == PL_OK) {
        for (int i = 0; i < 5 && rc == PL_OK; i++)
            rc = registry_text(a, s, i, columns[i], err);
        f.size = pl_db_int(s, 5);
        f.time_ms = pl_db_int(s, 6);
        if (rc == PL_OK)
            rc = fn(ctx, &f, err);
        if (rc != PL_OK)
            break;
    }
    pl_db_done(s);
    return rc == PL_NOTFOUND ? PL_OK : rc;
}

static pl_rc file_list(void *ctx, const registry_file *f, pl_error *err)
{
    json_t *o = json_pack("{s:s%, s:s%, s:s%, s:s%, s:I, s:o}", "slot", f->slot.p, f->slot.n, "sha256",
                          f->sha256.p, f->sha256.n, "name", f->name.p, f->name.n, "media_type",
                          f->media_type.p, f->media_type.n, "size", (json_int_t)f->size, "time",
                          registry_time(f->time_ms));

    return o && json_array_append_new(ctx, o) == 0 ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");
}

pl_rc registry_files_json(pl_db *db, pl_arena *a, pl_str owner, json_t **out, pl_error *err)
{
    json_t *list = json_array();
    pl_rc   rc = list ? file_store_each(db, a, owner, file_list, list, err)
                      : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc != PL_OK)
        json_decref(list);
    else
        *out = list;
    return rc;
}

/* --- taking one ----------------------------------------------------------------------------- */

/* A name people see and programs offer for saving: no folders, no tricks. */
static pl_rc name_check(pl_str name, pl_error *err)
{
    bool good = name.n > 0 && name.n <= 200 && pl_utf8_valid(name) && name.p[0] != '.';

    for (size_t i = 0; good && i < name.n; i++)
        good = (unsigned char)name.p[i] >= 0x20 && name.p[i] != 0x7f && strchr("/\\\"<>|:*?", name.p[i]) == NULL;
    return good ? PL_OK : pl_fail(err, PL_INVALID, "attachment needs a plain file name of at most 200 bytes");
}

static const char *media_type_of(pl_str name)
{
    static const char *const types[][2] = {
        { ".pdf", "application/pdf" }, { ".json", "application/json" }, { ".csv", "text/csv" },
        { ".txt", "text/plain" }, { ".md", "text/markdown" }, { ".png", "image/png" },
        { ".jpg", "image/jpeg" }, { ".html", "text/html" },
        { ".docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document" },
        { ".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" },
    };

    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (pl_str_ends(name, pl_str_z(types[i][0])))
            return types[i][1];
    return "application/octet-stream";
}

static pl_rc content_store(registry_ctx *c, pl_str content, int64_t max, char hex[65], int64_t *size,
                           pl_error *err)
{
    size_t n = 0;
    char  *bytes = pl_arena_alloc(c->a, content.n / 4 * 3 + 3);
    pl_rc  rc;

    if (bytes == NULL)
        return pl_fail(err, PL_LIMIT, "the attachment is too large for one request");
    rc = pl_base64_decode(content, bytes, content.n / 4 * 3 + 3, &n, err);
    if (rc != PL_OK)
        return pl_fail(err, rc, "'content' is not base64");
    if ((int64_t)n > max)
        return pl_fail(err, PL_LIMIT, "the attachment has %zu bytes, at most %lld are taken", n,
                       (long long)max);
    *size = (int64_t)n;
    return registry_payload_put(c, (pl_str){ bytes, n }, hex, err);
}

/* Only the operator, who can read the store anyway, may name what lies there. */
static pl_rc content_find(registry_ctx *c, pl_str sha256, int64_t max, char hex[65], int64_t *size,
                          pl_error *err)
{
    char  *bytes = NULL;
    size_t n = 0;
    pl_rc  rc;

    if (!c->who->is_local)
        return pl_fail(err, PL_DENIED, "send the attachment as 'content'");
    rc = registry_payload_get(c->s, sha256, (size_t)max, &bytes, &n, err);
    free(bytes);
    *size = (int64_t)n;
    (void)snprintf(hex, 65, PL_STR_FMT, PL_STR_ARG(sha256));
    return rc;
}

pl_rc registry_file_take(registry_ctx *c, const json_t *body, int64_t max, registry_file *out,
                         pl_error *err)
{
    pl_str  name = PL_STR(""), content = PL_STR(""), sha256 = PL_STR("");
    char    hex[65] = "";
    int64_t size = 0;
    pl_rc   rc = pl_json_get_str(body, "name", true, &name, err);

    if (rc == PL_OK)
        rc = pl_json_get_str(body, "content", false, &content, err);
    if (rc == PL_OK)
        rc = pl_json_get_str(body, "sha256", false, &sha256, err);
    if (rc == PL_OK)
        rc = name_check(name, err);
    if (rc == PL_OK && (content.n > 0) == (sha256.n > 0))
        rc = pl_fail(err, PL_INVALID, "an attachment needs 'content' or 'sha256'");
    if (rc == PL_OK)
        rc = content.n > 0 ? content_store(c, content, max, hex, &size, err)
                           : content_find(c, sha256, max, hex, &size, err);
    if (rc != PL_OK)
        return rc;
    *out = (registry_file){ .name = { pl_arena_dup(c->a, name), name.n },
                            .sha256 = { pl_arena_dup(c->a, pl_str_z(hex)), 64 },
                            .media_type = pl_str_z(media_type_of(name)),
                            .by_id = pl_str_z(c->who->id), .size = size, .time_ms = c->now_ms };
    return out->name.p && out->sha256.p ? PL_OK : pl_fail(err, PL_LIMIT, "out of memory");
}
