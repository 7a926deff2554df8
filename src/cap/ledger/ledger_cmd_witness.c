/* plumbline ledger cosign, policy; and what verify says of witnesses. */
#include "base/banned.h"

#include "base/file.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "cap/ledger/ledger_witness.h"

#define POLICY_MAX (64u << 10)
#define CALL_MS    10000

/* --- verify: who has cosigned --------------------------------------------------------------- */

typedef struct judged {
    pl_trust        *trust;
    pl_trust_verdict v;
    char            *note; /* the head that was judged */
    size_t           n;
    pl_checkpoint    head;
} judged;

static void problem(json_t *problems, const char *where, const char *what)
{
    (void)json_array_append_new(problems, json_sprintf("%s: %s", where, what));
}

/* The trust policy to judge by: the reader's own, or what the instance says of itself. */
static pl_rc trust_load(pl_cmd_ctx *c, const cmd_log *l, const pl_instance *i, bool has_instance,
                        judged *j, pl_error *err)
{
    const char *file = c->opt(c->host, "policy");
    char       *text = NULL;
    size_t      n = 0;
    pl_rc       rc = PL_OK;

    if (file != NULL)
        rc = pl_file_read(file, POLICY_MAX, &text, &n, err);
    else if ((text = has_instance ? pl_witness_policy(i, &l->key)
                                  : pl_str_dup(PL_STR("quorum none\n"))) != NULL)
        n = strlen(text);
    else
        rc = pl_fail(err, PL_NOMEM, "out of memory");
    if (rc == PL_OK)
        rc = pl_trust_parse((pl_str){ text, n }, &j->trust, err);
    free(text);
    return rc;
}

/* Takes a head file for judgement when it is there and belongs to this log. */
static bool head_judge(const cmd_log *l, const char *rel, json_t *problems, judged *j)
{
    judged   x = { .trust = j->trust };
    pl_error err = { PL_OK, "" };
    pl_rc    rc = pl_ledger_read(l->dir, rel, LEDGER_COSIGNED_MAX, &x.note, &x.n, &err);

    if (rc == PL_OK)
        rc = pl_checkpoint_open((pl_str){ x.note, x.n }, &l->key, &x.head, &err);
    if (rc == PL_OK)
        rc = pl_trust_judge(x.trust, (pl_str){ x.note, x.n }, &x.v, &err);
    if (rc != PL_OK) {
        if (rc != PL_NOTFOUND)
            problem(problems, rel, err.text);
        free(x.note);
        return false;
    }
    free(j->note);
    *j = x;
    return true;
}

/* A head that others believe must be one of this log. */
static void witnessed_check(const cmd_log *l, const judged *j, json_t *problems)
{
    pl_ledger *reader = NULL;
    char       why[200];

    if (pl_ledger_open_reader(l->dir, &reader, NULL) != PL_OK)
        return; /* said already */
    if (pl_ledger_contradiction(reader, &j->head, why) != PL_OK)
        problem(problems, LEDGER_WITNESSED_FILE, why);
    pl_ledger_close(reader);
}

/* The newest head, or an earlier one with more to show. */
static void head_choose(const cmd_log *l, json_t *problems, judged *j)
{
    if (head_judge(l, "checkpoint", problems, j) && j->v.is_met && j->v.seen > 0)
        return;
    if (head_judge(l, LEDGER_WITNESSED_FILE, problems, j))
        witnessed_check(l, j, problems);
}

static void witness_add(json_t *list, const char *name, const pl_cosigner *k, bool is_local,
                        int64_t time_s, uint64_t size)
{
    char time[25];

    if (time_s == PL_COSIGNED_NOT)
        return;
    pl_time_format(time_s * 1000, time);
    (void)json_array_append_new(list, json_pack("{s:s, s:s, s:b, s:s, s:I}", "name", name, "key",
                                                k->key.name, "local", is_local, "time", time,
                                                "size", (json_int_t)size));
}

static void local_list(const pl_instance *i, const judged *j, json_t *problems, json_t *list)
{
    for (size_t w = 0; w < i->witness_count; w++) {
        pl_cosigner k;
        int64_t     at = PL_COSIGNED_NOT;
        pl_error    err = { PL_OK, "" };

        if (!i->witnesses[w].is_local || j->note == NULL ||
            pl_cosigner_parse(pl_str_z(i->witnesses[w].vkey), &k, NULL) != PL_OK)
            continue;
        if (pl_cosignatures_open((pl_str){ j->note, j->n }, &k, 1, &at, &err) != PL_OK)
            problem(problems, "checkpoint", err.text);
        else
            witness_add(list, i->witnesses[w].name, &k, true, at, j->head.size);
    }
}

static pl_rc report_make(const judged *j, const pl_instance *i, bool has_policy, json_t *problems,
                         cmd_witnesses *out, pl_error *err)
{
    cmd_witnesses w = { .list = json_array(), .has_policy = has_policy,
                        .need = has_policy ? 0 : i->quorum, .is_met = j->v.is_met };
    size_t        have = j->note ? j->v.seen : 0;

    for (size_t n = 0; j->note != NULL && n < pl_trust_witness_count(j->trust); n++) {
        const pl_trust_witness *t = pl_trust_witness_get(j->trust, n);

        witness_add(w.list, t->name, &t->key, false, j->v.time_s[n], j->head.size);
    }
    if (!has_policy)
        local_list(i, j, problems, w.list);
    w.quorum = json_pack("{s:o, s:I, s:b}", "need",
                         has_policy ? json_null() : json_integer((json_int_t)w.need), "have",
                         (json_int_t)have, "met", w.is_met);
    if (has_policy && !w.is_met)
        problem(problems, "policy", "its quorum of witnesses is not reached");
    if (w.list == NULL || w.quorum == NULL) {
        json_decref(w.list);
        json_decref(w.quorum);
        return pl_fail(err, PL_NOMEM, "out of memory");
    }
    *out = w;
    return PL_OK;
}

pl_rc pl_ledger_cmd_witnesses(pl_cmd_ctx *c, const cmd_log *l, json_t *problems,
                              cmd_witnesses *out, pl_error *err)
{
    pl_instance *i = calloc(1, sizeof *i);
    judged       j = { .trust = NULL };
    bool         has_instance;
    pl_rc        rc;

    if (i == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    has_instance = pl_instance_open(pl_cmd_dir(c), i, NULL) == PL_OK;
    if (!has_instance)
        *i = (pl_instance){ 0 };
    rc = trust_load(c, l, i, has_instance, &j, err);
    if (rc == PL_OK) {
        head_choose(l, problems, &j);
        rc = report_make(&j, i, c->opt(c->host, "policy") != NULL, problems, out, err);
    }
    pl_trust_free(j.trust);
    free(j.note);
    free(i);
    return rc;
}

/* --- cosign ----------------------------------------------------------------------------------- */

typedef struct asking {
    pl_instance i;
    cmd_log     log;
    pl_ledger  *reader;
    char       *note; /* grows by the lines that come back */
    size_t      n;
    json_t     *list;
    size_t      away, against, counted;
} asking;

static void asking_done(asking *a)
{
    pl_ledger_close(a->reader);
    pl_ledger_log_done(&a->log);
    free(a->note);
    json_decref(a->list);
    free(a);
}

static pl_rc asking_begin(pl_cmd_ctx *c, asking *a, pl_error *err)
{
    pl_rc rc = pl_instance_open(pl_cmd_dir(c), &a->i, err);

    if (rc == PL_OK)
        rc = pl_ledger_log_find(c, &a->log, err);
    if (rc == PL_OK)
        rc = pl_ledger_open_reader(a->log.dir, &a->reader, err);
    if (rc == PL_OK)
        rc = pl_ledger_checkpoint(a->reader, &a->note, &a->n, err);
    a->list = json_array();
    return rc == PL_OK && a->list == NULL ? pl_fail(err, PL_NOMEM, "out of memory") : rc;
}

static void line_add(asking *a, const witness_peer *p, const char *line)
{
    char   *merged = NULL;
    size_t  n = 0;
    int64_t at;

    if (pl_cosignature_add((pl_str){ a->note, a->n }, pl_str_z(line), &p->key, &merged, &n, &at,
                           NULL) != PL_OK)
        return;
    free(a->note);
    a->note = merged;
    a->n = n;
}

static void ask_one(asking *a, const pl_instance_witness *w)
{
    witness_peer   p;
    witness_answer r;
    uint64_t       known = WITNESS_SIZE_UNKNOWN;
    char           time[25] = "";

    if (pl_witness_peer_init(&p, w, NULL) != PL_OK)
        return;
    pl_witness_submit(&p, a->reader, &a->log.key, (pl_str){ a->note, a->n }, CALL_MS, &known, &r);
    a->away += r.state == WITNESS_AWAY;
    a->against += r.state != WITNESS_AWAY && r.state != WITNESS_COSIGNED;
    if (r.state == WITNESS_COSIGNED && r.line != NULL) {
        line_add(a, &p, r.line);
        a->counted += !w->is_local;
    }
    if (r.time_s != PL_COSIGNED_NOT)
        pl_time_format(r.time_s * 1000, time);
    (void)json_array_append_new(
        a->list, json_pack("{s:s, s:s, s:b, s:s, s:I, s:s?, s:s?}", "name", w->name, "key",
                           p.key.key.name, "local", w->is_local, "state",
                           pl_witness_state_name(r.state), "size", (json_int_t)r.size, "time",
                           time[0] ? time : NULL, "problem", r.problem[0] ? r.problem : NULL));
    pl_witness_answer_free(&r);
}

static const char *state_say(const pl_cmd_ctx *c, const char *state)
{
    static const char *const zh[][2] = { { "cosigned", "已副署" }, { "away", "无应答" },
                                         { "refused", "拒绝" },    { "ahead", "所见更长" },
                                         { "forked", "所见不同" } };

    for (size_t i = 0; c->lang[0] == 'z' && i < sizeof zh / sizeof zh[0]; i++)
        if (strcmp(state, zh[i][0]) == 0)
            return zh[i][1];
    return state;
}

static void print_asked(pl_cmd_ctx *c, const asking *a)
{
    const json_t *o;
    size_t        n;

    json_array_foreach(a->list, n, o)
    {
        const char *problem_text = json_string_value(json_object_get(o, "problem"));

        (void)fprintf(c->err, "%s%s: %s%s%s\n", json_string_value(json_object_get(o, "name")),
                      json_is_true(json_object_get(o, "local"))
                          ? pl_cmd_say(c, " (local)", "（本机）") : "",
                      state_say(c, json_string_value(json_object_get(o, "state"))),
                      problem_text ? ": " : "", problem_text ? problem_text : "");
    }
    (void)fputs(a->note, c->out);
}

static int asked(pl_cmd_ctx *c, asking *a)
{
    int code = a->against > 0 ? PL_EXIT_FOUND : a->away > 0 ? PL_EXIT_FAILED : PL_EXIT_OK;

    if (!c->json) {
        print_asked(c, a);
        return code;
    }
    return pl_ledger_cmd_json(
        c, json_pack("{s:O, s:{s:I, s:I, s:b}, s:s}", "witnesses", a->list, "quorum", "need",
                     (json_int_t)a->i.quorum, "have", (json_int_t)a->counted, "met",
                     a->counted >= a->i.quorum, "checkpoint", a->note), code);
}

/* What an offline witness is given on paper, as it were. */
static pl_rc request_print(pl_cmd_ctx *c, const asking *a, const char *old, pl_error *err)
{
    pl_add_checkpoint *r = calloc(1, sizeof *r);
    pl_checkpoint      head;
    char              *body = NULL;
    size_t             n = 0;
    pl_rc rc = r ? pl_str_u64(pl_str_z(old), &r->old_size, err)
                 : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc == PL_OK)
        rc = pl_checkpoint_open((pl_str){ a->note, a->n }, &a->log.key, &head, err);
    if (rc == PL_OK && r->old_size > 0 && r->old_size < head.size)
        rc = pl_ledger_consistency(a->reader, r->old_size, head.size, &r->proof, err);
    if (rc == PL_OK) {
        r->note = (pl_str){ a->note, a->n };
        rc = pl_add_checkpoint_format(r, &body, &n, err);
    }
    if (rc == PL_OK)
        (void)fputs(body, c->out);
    free(body);
    free(r);
    return rc;
}

int pl_ledger_cmd_cosign(pl_cmd_ctx *c)
{
    asking     *a = calloc(1, sizeof *a);
    const char *old = c->opt(c->host, "request");
    pl_error    err = { PL_OK, "" };
    pl_rc       rc = a ? asking_begin(c, a, &err) : pl_fail(&err, PL_NOMEM, "out of memory");
    int         code = PL_EXIT_OK;

    if (rc == PL_OK && old == NULL && a->i.witness_count == 0)
        rc = pl_fail(&err, PL_INVALID, "no witness is configured: see 'ledger' in plumbline.yaml");
    if (rc == PL_OK && old != NULL)
        rc = request_print(c, a, old, &err);
    for (size_t w = 0; rc == PL_OK && old == NULL && w < a->i.witness_count; w++)
        ask_one(a, &a->i.witnesses[w]);
    if (rc != PL_OK)
        code = pl_cmd_fail(c, &err);
    else if (old == NULL)
        code = asked(c, a);
    if (a != NULL)
        asking_done(a);
    return code;
}

/* --- policy ------------------------------------------------------------------------------------- */

int pl_ledger_cmd_policy(pl_cmd_ctx *c)
{
    pl_instance *i = calloc(1, sizeof *i);
    pl_vkey      key;
    char        *text = NULL;
    pl_error     err = { PL_NOMEM, "out of memory" };
    pl_rc        rc = i ? pl_instance_open(pl_cmd_dir(c), i, &err) : PL_NOMEM;
    int          code;

    if (rc == PL_OK)
        rc = pl_instance_vkey(i, &key, &err);
    if (rc == PL_OK && (text = pl_witness_policy(i, &key)) == NULL)
        rc = pl_fail(&err, PL_NOMEM, "out of memory");
    if (rc != PL_OK)
        code = pl_cmd_fail(c, &err);
    else if (c->json)
        code = pl_ledger_cmd_json(c, json_pack("{s:s}", "policy", text), PL_EXIT_OK);
    else
        code = fputs(text, c->out) < 0 ? PL_EXIT_FAILED : PL_EXIT_OK;
    free(text);
    free(i);
    return code;
}
