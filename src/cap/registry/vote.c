/* Votes of committees. Who is recused says so and is not counted. */
#include "base/banned.h"

#include "cap/ledger/pl_ledger.h"
#include "cap/registry/registry_int.h"

static const char *const votes[][2] = { { "yes", "approved" }, { "no", "rejected" },
                                        { "abstain", "abstained" }, { "recuse", "recused" } };
#define VOTES (sizeof votes / sizeof *votes)

static pl_rc vote_store(pl_db *db, const filing *f, const char *by, pl_str vote, pl_str note, int64_t now_ms,
                        pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(db,
                             "INSERT INTO registry_vote (filing_id, round, by_id, vote, note, time_ms)"
                             " VALUES ($1, $2, $3, $4, $5, $6)",
                             &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, f->row.id);
    pl_db_bind_int(s, 2, f->row.vote_round);
    pl_db_bind_str(s, 3, pl_str_z(by));
    pl_db_bind_str(s, 4, vote);
    pl_db_bind_str(s, 5, note);
    pl_db_bind_int(s, 6, now_ms);
    rc = pl_db_run(s, NULL, err);
    return rc == PL_CONFLICT ? pl_fail(err, rc, "you have voted in this round already") : rc;
}

static pl_rc vote_state(registry_ctx *c, const filing *f, size_t which, int64_t *index, pl_error *err)
{
    json_t *o = json_pack("{s:o, s:o, s:o, s:s, s:s, s:o}", "review",
                          json_sprintf(PL_STR_FMT ".vote.%lld", PL_STR_ARG(f->row.id),
                                       (long long)f->row.vote_round),
                          "what", json_sprintf("filing:" PL_STR_FMT, PL_STR_ARG(f->row.id)), "stage",
                          json_sprintf("vote:" PL_STR_FMT, PL_STR_ARG(f->row.state)), "decision",
                          votes[which][1], "by", c->who->id, "time", registry_time(c->now_ms));
    pl_rc   rc = registry_state(c, "filing", f->row.id, PL_PREDICATE("review"), o, index, err);

    json_decref(o);
    return rc;
}

/* Who prepared the matter does not judge it: steps named by other_than of what the vote opens. */
static pl_rc recusal_check(registry_ctx *c, const filing *f, const pl_flow_vote *v, pl_error *err)
{
    const pl_flow_step *s = pl_flow_step_find(f->flow->w, v->pass);

    for (size_t i = 0; i < pl_names_count(s->other_than); i++) {
        pl_str        step = pl_names_at(s->other_than, i);
        const json_t *who = json_object_getn(f->actors, step.p, step.n);

        if (json_is_string(who) && strcmp(json_string_value(who), c->who->id) == 0)
            return pl_fail(err, PL_DENIED,
                           "who took the step '" PL_STR_FMT "' is recused: vote 'recuse'", PL_STR_ARG(step));
    }
    return PL_OK;
}

static pl_rc vote_write(registry_ctx *c, const filing *f, size_t which, pl_str note, pl_error *err)
{
    int64_t index = 0;
    pl_rc   rc = registry_begin(c->db, err);

    if (rc != PL_OK)
        return rc;
    rc = vote_store(c->db, f, c->who->id, pl_str_z(votes[which][0]), note, c->now_ms, err);
    if (rc == PL_OK)
        rc = vote_state(c, f, which, &index, err);
    return registry_finish(c->db, rc, err);
}

pl_rc filing_vote(registry_ctx *c, pl_str id, pl_str vote, pl_str note, pl_error *err)
{
    filing              f;
    const pl_flow_vote *v;
    size_t              which = 0;
    pl_rc               rc = filing_open(c, id, &f, err);

    if (rc != PL_OK)
        return rc;
    while (which < VOTES && !pl_str_eqz(vote, votes[which][0]))
        which++;
    v = pl_flow_vote_find(f.flow->w, f.row.state);
    if (which == VOTES || note.n > REGISTRY_NOTE_MAX)
        return pl_fail(err, PL_INVALID, "a vote is yes, no, abstain or recuse, with a short note at most");
    if (v == NULL)
        return pl_fail(err, PL_CONFLICT, "nobody votes in state '" PL_STR_FMT "'", PL_STR_ARG(f.row.state));
    if (!registry_has_names(c, v->roles))
        return pl_fail(err, PL_DENIED, "your roles have no vote in this committee");
    if (strcmp(votes[which][0], "recuse") != 0)
        rc = recusal_check(c, &f, v, err);
    return rc == PL_OK ? vote_write(c, &f, which, note, err) : rc;
}

pl_rc votes_count(pl_db *db, pl_str id, int64_t round, pl_flow_count *out, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(db,
                             "SELECT vote, COUNT(*) FROM registry_vote WHERE filing_id = $1 AND round = $2"
                             " GROUP BY vote",
                             &s, err);

    if (rc != PL_OK)
        return rc;
    *out = (pl_flow_count){ 0 };
    pl_db_bind_str(s, 1, id);
    pl_db_bind_int(s, 2, round);
    while ((rc = pl_db_step(s, err)) == PL_OK) {
        pl_str   vote = pl_db_str(s, 0);
        int64_t *at[VOTES] = { &out->yes, &out->no, &out->abstained, &out->recused };

        for (size_t i = 0; i < VOTES; i++)
            if (pl_str_eqz(vote, votes[i][0]))
                *at[i] = pl_db_int(s, 1);
    }
    pl_db_done(s);
    return rc == PL_NOTFOUND ? PL_OK : rc;
}

pl_rc votes_json(pl_db *db, pl_str id, json_t *out, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(db,
                             "SELECT round, by_id, vote, note, time_ms FROM registry_vote"
                             " WHERE filing_id = $1 ORDER BY round, time_ms, by_id",
                             &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, id);
    while ((rc = pl_db_step(s, err)) == PL_OK) {
        pl_str by = pl_db_str(s, 1), vote = pl_db_str(s, 2), note = pl_db_str(s, 3);

        (void)json_array_append_new(out, json_pack("{s:I, s:s%, s:s%, s:s%, s:o}", "round",
                                                   (json_int_t)pl_db_int(s, 0), "by", by.p, by.n, "vote",
                                                   vote.p, vote.n, "note", note.p ? note.p : "", note.n,
                                                   "time", registry_time(pl_db_int(s, 4))));
    }
    pl_db_done(s);
    return rc == PL_NOTFOUND ? PL_OK : rc;
}
