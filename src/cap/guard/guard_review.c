#include "base/banned.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "cap/guard/guard_int.h"
#include "cap/guard/guard_review.h"
#include "cap/guard/seal.h"

#define TICK_MS 1000
#define SPANS   30 /* a key serves a 30th of the time that content is kept */

/* --- keys: docs/formats/reviews.md -------------------------------------------------------------- */

/* Who holds the keys that are in this installation's folder: several nodes may share a database. */
static pl_rc node_id(guard_run *g, const char *dir, pl_error *err)
{
    char   *path = pl_path_join(dir, "node"), *text = NULL;
    uint8_t rnd[10];
    size_t  n = 0;
    pl_rc   rc;

    if (!path)
        return pl_fail(err, PL_NOMEM, "out of memory");
    rc = pl_file_read(path, 64, &text, &n, err);
    if (rc == PL_OK && n == PL_ID_LEN && pl_id_valid((pl_str){ text, n }))
        memcpy(g->review_node, text, PL_ID_LEN + 1);
    else if (rc == PL_OK)
        rc = pl_fail(err, PL_INVALID, "'%s' does not hold an id", path);
    if (rc == PL_NOTFOUND) {
        rc = pl_mkdir_p(dir, 0700, err);
        if (rc == PL_OK)
            rc = pl_random(rnd, sizeof rnd, err);
        if (rc == PL_OK) {
            pl_id_format(0, rnd, g->review_node);
            rc = pl_file_write_atomic(path, pl_str_z(g->review_node), 0600, err);
        }
        if (rc != PL_OK)
            g->review_node[0] = '\0';
    }
    free(text);
    free(path);
    return rc;
}

static pl_rc key_read(const char *dir, const uint8_t commitment[32], uint8_t key[32], pl_error *err)
{
    pl_hash c;
    uint8_t salt[32];
    char   *content = NULL;
    size_t  n = 0;
    pl_rc   rc;

    memcpy(c.b, commitment, 32);
    rc = pl_private_get(dir, &c, salt, &content, &n, err);
    if (rc == PL_OK && n != 32)
        rc = pl_fail(err, PL_INVALID, "a key of reviews has not 32 bytes");
    if (rc == PL_OK)
        memcpy(key, content, 32);
    if (content)
        explicit_bzero(content, n);
    free(content);
    return rc;
}

static pl_rc key_make(const char *dir, uint8_t commitment[32], uint8_t key[32], pl_error *err)
{
    uint8_t salt[32];
    pl_hash c;
    pl_rc   rc = pl_random(key, 32, err);

    if (rc == PL_OK)
        rc = pl_random(salt, sizeof salt, err);
    if (rc == PL_OK)
        rc = pl_private_put(dir, (pl_str){ (const char *)key, 32 }, salt, &c, err);
    if (rc == PL_OK)
        memcpy(commitment, c.b, 32);
    return rc;
}

/* The key of the span that ends then, into g->review_key: made when there is none. What was made in a
 * transaction that failed is a file nobody uses. */
static pl_rc key_use(guard_run *g, pl_db *db, const char *dir, int64_t expires_ms, pl_error *err)
{
    uint8_t c[32];
    pl_rc   rc = review_key_find(db, g->review_node, expires_ms, c, err);

    if (rc == PL_OK && memcmp(c, g->review_commitment, 32) == 0)
        return PL_OK;
    if (rc == PL_OK)
        rc = key_read(dir, c, g->review_key, err);
    else if (rc == PL_NOTFOUND) {
        rc = key_make(dir, c, g->review_key, err);
        if (rc == PL_OK)
            rc = review_key_put(db, c, g->review_node, expires_ms, err);
    }
    memset(g->review_commitment, 0, 32);
    if (rc == PL_OK)
        memcpy(g->review_commitment, c, 32);
    return rc;
}

void guard_review_stop(guard_run *g)
{
    explicit_bzero(g->review_key, sizeof g->review_key);
    memset(g->review_commitment, 0, sizeof g->review_commitment);
}

/* --- from events ----------------------------------------------------------------------------------- */

/* At most what the policy says, at least a 30th less. */
static int64_t expiry(int64_t now_ms, int64_t keep_ms)
{
    int64_t span = keep_ms / SPANS > 1000 ? keep_ms / SPANS : 1000;
    int64_t at = (now_ms + keep_ms) / span * span;

    return at > now_ms ? at : now_ms + keep_ms;
}

/* As the worker sealed it → as it is kept. Checked against what the event says of it. */
static pl_rc reseal(guard_run *g, pl_services *s, const review_row *r, pl_str handed, pl_buf *kept, pl_error *err)
{
    pl_buf  plain = PL_BUF_INIT(PL_REVIEW_MAX);
    uint8_t index_key[32], transport[32];
    pl_hash c = { { 0 } };
    pl_rc   rc = pl_instance_key(s->instance, "index.key", index_key, err);

    if (rc == PL_OK) {
        pl_review_transport_key(index_key, transport);
        rc = pl_unseal(transport, pl_str_z(r->id), handed, &plain, err);
    }
    if (rc == PL_OK && plain.n > 32)
        c = pl_commit((const uint8_t *)plain.p, (pl_str){ plain.p + 32, plain.n - 32 });
    if (rc == PL_OK && memcmp(c.b, r->commitment, 32) != 0)
        rc = pl_fail(err, PL_INVALID, "the content of a review is not what its event names");
    if (rc == PL_OK)
        rc = pl_seal(g->review_key, pl_str_z(r->id), pl_buf_str(&plain), kept, err);
    explicit_bzero(index_key, sizeof index_key);
    explicit_bzero(transport, sizeof transport);
    pl_buf_wipe(&plain);
    return rc;
}

static bool review_of(const pl_event *e, const json_t *leaf, review_row *r)
{
    const json_t *o = json_object_get(leaf, "review");
    const char   *why = json_string_value(json_object_get(o, "why"));
    const char   *c = json_string_value(json_object_get(o, "commitment"));

    if (!why || !c)
        return false;
    snprintf(r->id, sizeof r->id, PL_STR_FMT, PL_STR_ARG(e->id));
    snprintf(r->why, sizeof r->why, "%s", why);
    r->time_ms = e->time_ms;
    r->has_commitment = pl_hex_decode(pl_str_z(c), r->commitment, 32, NULL) == PL_OK;
    return true;
}

/* A case is never lost because its content cannot be kept; then it says so. */
static pl_rc case_put(guard_run *g, pl_services *s, pl_db *db, review_row *r, pl_str handed, int64_t now_ms,
                      pl_error *err)
{
    const policy_review *p = pl_gate_policy(g->gate) ? pl_policy_review(pl_gate_policy(g->gate)) : NULL;
    char                *dir = pl_instance_path(s->instance, "private");
    pl_buf               kept = PL_BUF_INIT(PL_REVIEW_MAX + PL_SEAL_MORE);
    pl_rc                rc = dir ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");

    r->third = !p || p->third;
    r->expires_ms = expiry(now_ms, p ? p->keep_ms : PL_REVIEW_KEEP_MS);
    if (rc == PL_OK && !g->review_node[0])
        rc = node_id(g, dir, err);
    if (rc == PL_OK)
        rc = key_use(g, db, dir, r->expires_ms, err);
    free(dir);
    if (rc != PL_OK)
        return rc;
    memcpy(r->key, g->review_commitment, 32);
    if (handed.n && reseal(g, s, r, handed, &kept, NULL) == PL_OK)
        r->sealed = pl_buf_str(&kept);
    if (r->has_commitment && r->sealed.n == 0)
        g->reviews_missing++;
    rc = review_put(db, r, err);
    pl_buf_done(&kept);
    return rc;
}

pl_rc guard_review_event(guard_run *g, pl_services *s, pl_db *db, const pl_event *e, pl_str sealed, int64_t now_ms,
                         pl_error *err)
{
    review_row r = { .sealed = { "", 0 } };
    json_t    *leaf = NULL;
    pl_rc      rc;

    if (!memmem(e->leaf.p, e->leaf.n, "\"review\":{", 10))
        return PL_OK;
    rc = pl_json_parse(e->leaf, "event", &leaf, err);
    if (rc == PL_OK && review_of(e, leaf, &r))
        rc = case_put(g, s, db, &r, sealed, now_ms, err);
    json_decref(leaf);
    return rc;
}

/* --- the end of content -------------------------------------------------------------------------------- */

/* REQ: GUARD/review-retention  key first: from then on nothing that is left can be read. Each step may be
 * repeated, so that a crash between two of them leaves the rest to the next tick. */
static pl_rc destroy_one(guard_run *g, pl_services *s, pl_db *db, const char *dir, const uint8_t commitment[32],
                         int64_t expires_ms, pl_error *err)
{
    pl_hash  c;
    int64_t  count = 0;
    uint64_t index;
    char     until[25], now[25];
    pl_rc    rc;

    memcpy(c.b, commitment, 32);
    rc = pl_private_destroy(dir, &c, err);
    if (memcmp(commitment, g->review_commitment, 32) == 0)
        guard_review_stop(g);
    if (rc == PL_OK)
        rc = review_destroy(db, commitment, s->now_ms(), &count, err);
    pl_time_format(expires_ms, until);
    pl_time_format(s->now_ms(), now);
    if (rc == PL_OK && count > 0)
        rc = guard_say(s, PL_PREDICATE("guard-review-destroyed"),
                       json_pack("{s:I, s:s, s:s}", "count", (json_int_t)count, "kept_until", until, "at", now),
                       &index, err);
    if (rc == PL_OK)
        rc = review_key_drop(db, commitment, err);
    return rc;
}

pl_rc guard_review_tick(guard_run *g, pl_services *s, pl_db *db, int64_t now_ms, pl_error *err)
{
    char   *dir;
    uint8_t c[32];
    int64_t expires_ms;
    bool    any = false, is_believed;
    pl_rc   rc = PL_OK;

    if (now_ms >= g->last_review_ms && now_ms - g->last_review_ms < TICK_MS)
        return PL_OK;
    g->last_review_ms = now_ms;
    is_believed = guard_clock_is_believed(g);
    dir = pl_instance_path(s->instance, "private");
    if (!dir)
        return pl_fail(err, PL_NOMEM, "out of memory");
    if (!g->review_node[0])
        rc = node_id(g, dir, err);
    while (rc == PL_OK && is_believed && (rc = review_key_due(db, g->review_node, now_ms, c, &expires_ms, err)) == PL_OK) {
        rc = destroy_one(g, s, db, dir, c, expires_ms, err);
        any |= rc == PL_OK;
    }
    free(dir);
    if (any && rc == PL_NOTFOUND)
        return review_settle_files(db, err);
    return rc == PL_NOTFOUND ? PL_OK : rc;
}

/* --- what readers see ------------------------------------------------------------------------------------ */

static void time_set(json_t *o, const char *key, int64_t ms)
{
    char text[25];

    pl_time_format(ms, text);
    json_object_set_new(o, key, ms ? json_string(text) : json_null());
}

static json_t *row_json(const review_row *r, int64_t decided)
{
    char    hex[65] = "";
    json_t *o = json_pack("{s:s, s:s, s:s, s:s?, s:I, s:b}", "id", r->id, "why", r->why, "state", r->state, "outcome",
                          r->outcome[0] ? r->outcome : NULL, "decided", (json_int_t)decided, "third", r->third);

    if (r->has_commitment)
        pl_hex(r->commitment, 32, hex);
    json_object_set_new(o, "commitment", r->has_commitment ? json_string(hex) : json_null());
    json_object_set_new(o, "ledger_index", r->ledger_index >= 0 ? json_integer(r->ledger_index) : json_null());
    time_set(o, "time", r->time_ms);
    time_set(o, "expires", r->expires_ms);
    time_set(o, "destroyed", r->destroyed_ms);
    time_set(o, "settled", r->settled_ms);
    return o;
}

static pl_rc list_row(void *ctx, const review_row *r, int64_t decided, pl_error *err)
{
    (void)err;
    return json_array_append_new(ctx, row_json(r, decided)) == 0 ? PL_OK : PL_NOMEM;
}

pl_rc guard_review_list(pl_db *db, const review_query *q, json_t **out, pl_error *err)
{
    json_t *list = json_array();
    pl_rc   rc = review_each(db, q, list_row, list, err);

    if (rc == PL_OK)
        *out = list;
    else
        json_decref(list);
    return rc;
}

static void note_about(const char *id, size_t seat, char out[PL_ID_LEN + 16])
{
    snprintf(out, PL_ID_LEN + 16, "%.26s.note.%u", id, (unsigned)seat % 10);
}

/* NULL: there is none, or it cannot be read here. */
static json_t *note_json(const uint8_t *key, const char *id, size_t seat, pl_str sealed)
{
    pl_buf  plain = PL_BUF_INIT(1u << 16);
    char    about[PL_ID_LEN + 16];
    json_t *o = NULL;

    note_about(id, seat, about);
    if (key && sealed.n && pl_unseal(key, pl_str_z(about), sealed, &plain, NULL) == PL_OK)
        o = json_stringn(plain.p, plain.n);
    pl_buf_wipe(&plain);
    return o ? o : json_null();
}

static json_t *decision_json(const uint8_t *key, const char *id, size_t seat, const review_decision *d)
{
    json_t *o = json_pack("{s:i, s:s, s:s, s:s, s:I, s:o}", "seat", (int)seat, "by", d->by, "verdict",
                          review_verdict_name(d->verdict), "category", d->category, "ledger_index",
                          (json_int_t)d->ledger_index, "note", note_json(key, id, seat, d->note));

    time_set(o, "time", d->time_ms);
    return o;
}

/* Two judge for themselves: nobody sees another's decision while the case is open. */
static bool sees(const review_row *r, const review_decision *d, const pl_principal *who)
{
    return strcmp(r->state, "settled") == 0 || strcmp(r->state, "lapsed") == 0 || strcmp(d->by, who->id) == 0;
}

static bool is_waiting(const review_row *r)
{
    return strcmp(r->state, "open") == 0 || strcmp(r->state, "disputed") == 0;
}

/* Sets content and how it is with it: kept, destroyed, missing (it was never handed over, or its key is not here). */
static void content_set(json_t *o, const uint8_t *key, const review_row *r)
{
    pl_buf  plain = PL_BUF_INIT(PL_REVIEW_MAX);
    json_t *content = NULL;

    if (key && r->sealed.n && pl_unseal(key, pl_str_z(r->id), r->sealed, &plain, NULL) == PL_OK && plain.n > 32)
        (void)pl_json_parse((pl_str){ plain.p + 32, plain.n - 32 }, "content", &content, NULL);
    json_object_set_new(o, "content_state", json_string(content           ? "kept"
                                                        : r->destroyed_ms ? "destroyed"
                                                                          : "missing"));
    json_object_set_new(o, "content", content ? content : json_null());
    pl_buf_wipe(&plain);
}

typedef struct whole_case {
    review_row      row;
    review_decision d[REVIEW_SEATS];
    size_t          n;
    uint8_t         key[32];
    bool            has_key;
} whole_case;

static pl_rc case_load(pl_services *s, pl_db *db, pl_arena *a, pl_str id, whole_case *c, pl_error *err)
{
    char *dir = pl_instance_path(s->instance, "private");
    pl_rc rc = dir ? review_get(db, a, id, &c->row, err) : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc == PL_OK)
        rc = review_decisions(db, a, id, c->d, &c->n, err);
    c->has_key = rc == PL_OK && key_read(dir, c->row.key, c->key, NULL) == PL_OK;
    free(dir);
    return rc;
}

static json_t *case_json(const whole_case *c, const pl_principal *who)
{
    const uint8_t *key = c->has_key ? c->key : NULL;
    json_t        *o = row_json(&c->row, (int64_t)c->n), *list = json_array();
    bool           mine = false;

    for (size_t i = 0; i < c->n; i++) {
        mine |= strcmp(c->d[i].by, who->id) == 0;
        if (sees(&c->row, &c->d[i], who))
            json_array_append_new(list, decision_json(key, c->row.id, i + 1, &c->d[i]));
    }
    json_object_set_new(o, "decisions", list);
    json_object_set_new(o, "may_decide", json_boolean(is_waiting(&c->row) && !mine && !who->is_token));
    content_set(o, key, &c->row);
    return o;
}

pl_rc guard_review_show(pl_services *s, pl_db *db, pl_arena *a, pl_str id, const pl_principal *who, json_t **out,
                        pl_error *err)
{
    whole_case c = { .n = 0 };
    pl_rc      rc = case_load(s, db, a, id, &c, err);

    if (rc == PL_OK)
        *out = case_json(&c, who);
    explicit_bzero(c.key, sizeof c.key);
    return rc;
}

pl_rc guard_review_stats(pl_db *db, json_t **out, pl_error *err)
{
    review_pairs     pairs;
    review_agreement a;
    json_t          *counts = json_object(), *o;
    pl_rc            rc = review_counts(db, counts, err);

    if (rc == PL_OK)
        rc = review_pairs_count(db, &pairs, err);
    if (rc != PL_OK) {
        json_decref(counts);
        return rc;
    }
    o = review_agree(&pairs, &a)
            ? json_pack("{s:I, s:I, s:f, s:f, s:f}", "pairs", (json_int_t)a.pairs, "agreed", (json_int_t)a.agreed,
                        "rate", a.rate, "low", a.low, "high", a.high)
            : json_pack("{s:i, s:i, s:n, s:n, s:n}", "pairs", 0, "agreed", 0, "rate", "low", "high");
    json_object_set_new(o, "kappa", a.has_kappa ? json_real(a.kappa) : json_null());
    json_object_set_new(o, "kappa_low", a.has_kappa ? json_real(a.kappa_low) : json_null());
    json_object_set_new(o, "kappa_high", a.has_kappa ? json_real(a.kappa_high) : json_null());
    *out = json_pack("{s:o, s:o}", "cases", counts, "agreement", o);
    return PL_OK;
}

/* --- deciding ------------------------------------------------------------------------------------------------ */

static pl_rc opinion_check(const review_opinion *o, pl_error *err)
{
    if (o->category.n >= sizeof ((review_decision *)0)->category)
        return pl_fail(err, PL_INVALID, "'category' is too long");
    for (size_t i = 0; i < o->category.n; i++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", o->category.p[i]))
            return pl_fail(err, PL_INVALID, "'category' must be the id of a category, like harm.fraud");
    if (o->note.n > 2000)
        return pl_fail(err, PL_INVALID, "'note' is longer than 2000 bytes");
    return PL_OK;
}

static pl_rc may_decide(const whole_case *c, const pl_principal *who, int64_t now_ms, pl_error *err)
{
    if (who->is_token)
        return pl_fail(err, PL_DENIED, "a review is decided by a person: log in, tokens cannot");
    for (size_t i = 0; i < c->n; i++)
        if (strcmp(c->d[i].by, who->id) == 0)
            return pl_fail(err, PL_CONFLICT, "you decided this one already");
    if (strcmp(c->row.state, "lapsed") == 0 || c->row.destroyed_ms || c->row.expires_ms <= now_ms)
        return pl_fail(err, PL_CONFLICT, "the time for this review is over: its content is no longer kept");
    return is_waiting(&c->row) ? PL_OK : pl_fail(err, PL_CONFLICT, "this review is settled already");
}

/* What a statement commits to while others still decide, and what the last one reveals. */
static pl_rc decision_commit(const char *id, const review_decision *d, char hex[65], pl_error *err)
{
    json_t *o = json_pack("{s:s, s:s, s:s}", "event", id, "verdict", review_verdict_name(d->verdict), "category",
                          d->category);
    char   *text = o ? pl_json_dump(o) : NULL;
    pl_hash h = { { 0 } };

    json_decref(o);
    if (!text)
        return pl_fail(err, PL_NOMEM, "out of memory");
    h = pl_commit(d->salt, pl_str_z(text));
    pl_hex(h.b, 32, hex);
    free(text);
    return PL_OK;
}

static pl_rc say_decision(pl_services *s, const whole_case *c, review_decision *d, pl_error *err)
{
    char     hex[65], at[25];
    uint64_t index = 0;
    pl_rc    rc = decision_commit(c->row.id, d, hex, err);

    pl_time_format(d->time_ms, at);
    if (rc == PL_OK)
        rc = guard_say(s, PL_PREDICATE("guard-review"), json_pack("{s:s, s:i, s:s, s:s, s:s}", "event", c->row.id,
                       "seat", (int)c->n + 1, "commitment", hex, "by", d->by, "at", at), &index, err);
    d->ledger_index = (int64_t)index;
    return rc;
}

static pl_rc say_settled(pl_services *s, whole_case *c, pl_error *err)
{
    json_t  *list = json_array(), *o;
    char     hex[65], at[25];
    uint64_t index = 0;
    pl_rc    rc = PL_OK;

    for (size_t i = 0; i < c->n && rc == PL_OK; i++) {
        const review_decision *d = &c->d[i];

        rc = decision_commit(c->row.id, d, hex, err);
        o = json_pack("{s:s, s:s, s:s, s:s}", "by", d->by, "verdict", review_verdict_name(d->verdict), "category",
                      d->category, "commitment", hex);
        pl_hex(d->salt, 32, hex);
        json_object_set_new(o, "salt", json_string(hex));
        json_array_append_new(list, o);
    }
    pl_time_format(c->row.settled_ms, at);
    o = json_pack("{s:s, s:s, s:s, s:o, s:s}", "event", c->row.id, "why", c->row.why, "outcome", c->row.outcome,
                  "decisions", list, "at", at);
    if (rc == PL_OK)
        rc = guard_say(s, PL_PREDICATE("guard-review-settled"), o, &index, err);
    else
        json_decref(o);
    c->row.ledger_index = (int64_t)index;
    return rc;
}

/* Adds the decision to the case, and settles it when it is the last one. */
static pl_rc case_step(pl_services *s, pl_db *db, whole_case *c, const review_decision *d, pl_error *err)
{
    review_verdict v[REVIEW_SEATS];
    const char    *outcome = "";
    review_state   state;
    pl_rc          rc = review_decision_put(db, pl_str_z(c->row.id), c->n + 1, d, err);

    if (rc == PL_CONFLICT)
        return pl_fail(err, PL_CONFLICT, "somebody else decided this review at the same time; look again");
    c->d[c->n++] = *d;
    for (size_t i = 0; i < c->n; i++)
        v[i] = c->d[i].verdict;
    state = review_judge(v, c->n, c->row.third, &outcome);
    snprintf(c->row.state, sizeof c->row.state, "%s", review_state_name(state));
    if (rc == PL_OK && state == REVIEW_SETTLED) {
        snprintf(c->row.outcome, sizeof c->row.outcome, "%s", outcome);
        c->row.settled_ms = d->time_ms;
        rc = say_settled(s, c, err);
    }
    return rc == PL_OK ? review_set(db, &c->row, err) : rc;
}

static pl_rc decision_make(const whole_case *c, const review_opinion *o, const pl_principal *who, int64_t now_ms,
                           pl_buf *note, review_decision *d, pl_error *err)
{
    char  about[PL_ID_LEN + 16];
    pl_rc rc = pl_random(d->salt, sizeof d->salt, err);

    snprintf(d->by, sizeof d->by, "%s", who->id);
    snprintf(d->category, sizeof d->category, PL_STR_FMT, PL_STR_ARG(o->category));
    d->verdict = o->verdict;
    d->time_ms = now_ms;
    note_about(c->row.id, c->n + 1, about);
    if (rc == PL_OK && o->note.n && !c->has_key)
        rc = pl_fail(err, PL_CONFLICT, "the key of this review is kept by another node: decide there, or without a note");
    if (rc == PL_OK && o->note.n)
        rc = pl_seal(c->key, pl_str_z(about), o->note, note, err);
    d->note = pl_buf_str(note);
    return rc;
}

pl_rc guard_review_decide(pl_services *s, pl_db *db, pl_arena *a, pl_str id, const review_opinion *o,
                          const pl_principal *who, json_t **out, pl_error *err)
{
    whole_case      c = { .n = 0 };
    review_decision d = { .note = { "", 0 } };
    pl_buf          note = PL_BUF_INIT(4096);
    pl_rc           rc = opinion_check(o, err);

    if (rc == PL_OK)
        rc = pl_db_begin(db, err);
    if (rc != PL_OK)
        return rc;
    rc = case_load(s, db, a, id, &c, err);
    if (rc == PL_OK)
        rc = may_decide(&c, who, s->now_ms(), err);
    if (rc == PL_OK)
        rc = decision_make(&c, o, who, s->now_ms(), &note, &d, err);
    if (rc == PL_OK)
        rc = say_decision(s, &c, &d, err);
    if (rc == PL_OK)
        rc = case_step(s, db, &c, &d, err);
    if (rc == PL_OK)
        rc = pl_db_commit(db, err);
    if (rc == PL_OK)
        *out = case_json(&c, who);
    else
        pl_db_abort(db);
    explicit_bzero(c.key, sizeof c.key);
    pl_buf_done(&note);
    return rc;
}
