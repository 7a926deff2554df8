/* People over the API: who is held and why, lifting, appeals, signals. */
#include "base/banned.h"

#include "base/hash.h"
#include "base/str.h"
#include "cap/guard/guard_people.h"
#include "cap/guard/subject_store.h"

static pl_rc ready(guard_run **g, pl_error *err)
{
    *g = guard_run_get();
    return *g ? PL_OK : pl_fail(err, PL_IO, "the guard has not started");
}

static pl_rc path_key(pl_api_request *q, uint8_t key[PL_SUBJECT_KEY], pl_error *err)
{
    if (pl_hex_decode(q->param[0], key, PL_SUBJECT_KEY, NULL) != PL_OK)
        return pl_fail(err, PL_NOTFOUND, "no such subject: 32 hex digits are expected");
    return PL_OK;
}

static pl_rc known(pl_api_request *q, const uint8_t key[PL_SUBJECT_KEY], pl_api_reply *r, pl_error *err)
{
    subject_state s;
    pl_rc         rc = subject_load(q->db, key, &s, err);

    if (rc == PL_NOTFOUND)
        return pl_fail(err, PL_NOTFOUND, "nothing is known of this subject");
    if (rc == PL_OK)
        r->body = guard_subject_json(key, &s, q->now_ms);
    return rc;
}

/* By the value that clients send (a user's name, an API key): it is hashed and not kept. */
pl_rc people_api_find(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    static const char *const keys[] = { "value", NULL };
    uint8_t index_key[32], key[PL_SUBJECT_KEY];
    json_t *body;
    pl_str  value;
    pl_rc   rc = pl_api_body(q, keys, &body, err);

    if (rc == PL_OK)
        rc = pl_json_get_str(body, "value", true, &value, err);
    if (rc == PL_OK)
        rc = pl_instance_key(q->services->instance, "index.key", index_key, err);
    if (rc != PL_OK)
        return rc;
    pl_subject_key(index_key, value, key);
    explicit_bzero(index_key, sizeof index_key);
    return known(q, key, r, err);
}

pl_rc people_api_show(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    uint8_t key[PL_SUBJECT_KEY];
    pl_rc   rc = path_key(q, key, err);

    return rc == PL_OK ? known(q, key, r, err) : rc;
}

typedef struct lister {
    json_t *list;
    int64_t now_ms;
} lister;

static void list_put(void *ctx, const uint8_t key[PL_SUBJECT_KEY], const subject_state *s)
{
    lister *l = ctx;

    json_array_append_new(l->list, guard_subject_json(key, s, l->now_ms));
}

pl_rc people_api_held(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    lister  l = { json_array(), q->now_ms };
    int64_t limit;
    pl_rc   rc = pl_api_query_int(q, "limit", 100, 1, 1000, &limit, err);

    if (rc == PL_OK)
        rc = subject_each_held(q->db, q->now_ms, limit, list_put, &l, err);
    if (rc == PL_OK)
        r->body = json_pack("{s:O}", "subjects", l.list);
    json_decref(l.list);
    return rc;
}

static pl_rc reason_of(pl_api_request *q, pl_str *reason, pl_error *err)
{
    static const char *const keys[] = { "reason", NULL };
    json_t *body;
    pl_rc   rc = pl_api_body(q, keys, &body, err);

    return rc == PL_OK ? pl_json_get_str(body, "reason", true, reason, err) : rc;
}

pl_rc people_api_lift(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    guard_run *g;
    uint8_t    key[PL_SUBJECT_KEY];
    pl_str     reason;
    pl_rc      rc = ready(&g, err);

    if (rc == PL_OK)
        rc = path_key(q, key, err);
    if (rc == PL_OK)
        rc = reason_of(q, &reason, err);
    return rc == PL_OK ? guard_subject_lift(g, q->services, q->db, key, reason, q->who, &r->body, err) : rc;
}

pl_rc people_api_appeal(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    uint8_t key[PL_SUBJECT_KEY];
    pl_str  reason;
    pl_rc   rc = path_key(q, key, err);

    if (rc == PL_OK)
        rc = reason_of(q, &reason, err);
    return rc == PL_OK ? guard_subject_appeal(q->services, q->db, key, reason, q->who, &r->body, err) : rc;
}

pl_rc people_api_signals(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    const char *open = q->query(q->host, "open"), *before = q->query(q->host, "before");
    json_t     *list, *last;
    int64_t     limit;
    pl_rc       rc = pl_api_query_int(q, "limit", 50, 1, 500, &limit, err);

    if (rc == PL_OK)
        rc = signal_list(q->db, open && strcmp(open, "1") == 0, pl_str_z(before ? before : ""), limit, &list, err);
    if (rc != PL_OK)
        return rc;
    last = json_array_size(list) == (size_t)limit
               ? json_object_get(json_array_get(list, json_array_size(list) - 1), "id") : NULL;
    r->body = json_pack("{s:o, s:O?}", "signals", list, "next", last);
    return PL_OK;
}

pl_rc people_api_close(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    pl_str note;
    pl_rc  rc = reason_of(q, &note, err);

    if (rc == PL_OK)
        rc = guard_reason_check(note, err);
    if (rc == PL_OK)
        rc = signal_close(q->db, q->param[0], q->now_ms, q->who->id, note, err);
    if (rc == PL_OK)
        r->body = json_pack("{s:s%, s:b}", "id", q->param[0].p, q->param[0].n, "closed", 1);
    return rc;
}
