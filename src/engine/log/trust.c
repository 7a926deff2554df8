/* Trust policies (C2SP tlog-policy): which witnesses, and how many of them. Groups name
 * earlier names only, so one pass in order of definition judges all. REQ: C2SP/tlog-policy */
#include "base/banned.h"

#include "base/str.h"
#include "engine/log/cosign_int.h"

#define POLICY_MAX   (64u << 10)
#define NODES_MAX    (2 * PL_TRUST_MAX) /* witnesses and groups share one namespace */
#define QUORUM_NONE  SIZE_MAX

typedef struct node {
    char     name[256];
    bool     is_group;
    size_t   witness;           /* of a witness: its index */
    uint64_t need;              /* of a group              */
    uint8_t  member[NODES_MAX]; /* of a group: flags by node */
    bool     is_used;           /* as a member of a group  */
} node;

struct pl_trust {
    size_t           nlogs, nwitnesses, nnodes;
    pl_vkey          logs[PL_TRUST_MAX];
    pl_trust_witness witnesses[PL_TRUST_MAX];
    node             nodes[NODES_MAX];
    size_t           quorum; /* a node, or QUORUM_NONE */
    bool             has_quorum;
};

typedef struct reading {
    pl_trust *t;
    unsigned  line;
    pl_error *err;
} reading;

static pl_rc wrong(const reading *r, const char *what)
{
    return pl_fail(r->err, PL_INVALID, "trust policy line %u: %s", r->line, what);
}

/* Words are separated by spaces and tabs; gives false at the end of the line. */
static bool word_take(pl_str *line, pl_str *out)
{
    size_t n = 0;

    while (line->n > 0 && (line->p[0] == ' ' || line->p[0] == '\t')) {
        line->p++;
        line->n--;
    }
    while (n < line->n && line->p[n] != ' ' && line->p[n] != '\t')
        n++;
    *out = (pl_str){ line->p, n };
    line->p += n;
    line->n -= n;
    return n > 0;
}

static size_t node_find(const pl_trust *t, pl_str name)
{
    size_t i = 0;

    while (i < t->nnodes && !pl_str_eqz(name, t->nodes[i].name))
        i++;
    return i;
}

static pl_rc node_add(reading *r, pl_str name, node **out)
{
    pl_trust *t = r->t;
    node     *n;

    if (pl_str_eqz(name, "none") || node_find(t, name) < t->nnodes)
        return wrong(r, "the name is taken");
    if (t->nnodes == NODES_MAX || name.n >= sizeof(n->name))
        return wrong(r, "too many names, or one too long");
    n = &t->nodes[t->nnodes];
    memcpy(n->name, name.p, name.n);
    *out = n;
    return PL_OK;
}

/* --- lines ------------------------------------------------------------------------------- */

/* One key has one role: a log that is its own witness, or a witness under two names, would
 * count for more than it is. */
static bool same_bytes(const pl_vkey *a, const pl_vkey *b)
{
    return a->pub_n == b->pub_n && memcmp(a->pub, b->pub, a->pub_n) == 0;
}

static bool key_is_known(const pl_trust *t, const pl_vkey *k)
{
    for (size_t i = 0; i < t->nlogs; i++)
        if (same_bytes(&t->logs[i], k))
            return true;
    for (size_t i = 0; i < t->nwitnesses; i++)
        if (same_bytes(&t->witnesses[i].key.key, k))
            return true;
    return false;
}

static pl_rc url_end(reading *r, pl_str line)
{
    pl_str word;

    (void)word_take(&line, &word);
    return word_take(&line, &word) ? wrong(r, "more words than a URL") : PL_OK;
}

static pl_rc log_line(reading *r, pl_str line)
{
    pl_trust *t = r->t;
    pl_str    word;
    pl_vkey   k;

    if (!word_take(&line, &word) || pl_vkey_parse(word, &k, NULL) != PL_OK)
        return wrong(r, "not the key of a log");
    if (t->nlogs == PL_TRUST_MAX)
        return wrong(r, "too many logs");
    if (key_is_known(t, &k))
        return wrong(r, "the key is listed already");
    t->logs[t->nlogs++] = k;
    return url_end(r, line);
}

static pl_rc witness_line(reading *r, pl_str line)
{
    pl_trust        *t = r->t;
    pl_trust_witness w = { .name = "" };
    pl_str           name, word;
    node            *n = NULL;
    pl_rc            rc;

    if (!word_take(&line, &name) || !word_take(&line, &word) ||
        pl_cosigner_parse(word, &w.key, NULL) != PL_OK)
        return wrong(r, "not a name and the key of a witness");
    if (t->nwitnesses == PL_TRUST_MAX)
        return wrong(r, "too many witnesses");
    if (key_is_known(t, &w.key.key))
        return wrong(r, "the key is listed already");
    rc = node_add(r, name, &n);
    if (rc != PL_OK)
        return rc;
    memcpy(w.name, n->name, sizeof(w.name));
    n->witness = t->nwitnesses;
    t->witnesses[t->nwitnesses++] = w;
    t->nnodes++;
    return url_end(r, line);
}

static pl_rc members_take(reading *r, pl_str line, node *n, uint64_t *count)
{
    pl_trust *t = r->t;
    pl_str    word;

    for (*count = 0; word_take(&line, &word); (*count)++) {
        size_t i = node_find(t, word);

        if (i == t->nnodes)
            return wrong(r, "a member is not defined above");
        if (t->nodes[i].is_used)
            return wrong(r, "a member is in a group already");
        t->nodes[i].is_used = true;
        n->member[i] = 1;
    }
    return *count > 0 ? PL_OK : wrong(r, "group without members");
}

static pl_rc group_line(reading *r, pl_str line)
{
    pl_str   name, how;
    uint64_t count = 0;
    node    *n = NULL;
    pl_rc    rc;

    if (!word_take(&line, &name) || !word_take(&line, &how))
        return wrong(r, "not a name, a number and members");
    rc = node_add(r, name, &n);
    if (rc == PL_OK)
        rc = members_take(r, line, n, &count);
    if (rc != PL_OK)
        return rc;
    n->is_group = true;
    if (pl_str_eqz(how, "any"))
        n->need = 1;
    else if (pl_str_eqz(how, "all"))
        n->need = count;
    else if (pl_str_u64(how, &n->need, NULL) != PL_OK || n->need < 1 || n->need > count)
        return wrong(r, "the number is neither 'any', 'all' nor from 1 to the number of members");
    r->t->nnodes++;
    return PL_OK;
}

static pl_rc quorum_line(reading *r, pl_str line)
{
    pl_trust *t = r->t;
    pl_str    name, more;

    if (t->has_quorum)
        return wrong(r, "second quorum");
    if (!word_take(&line, &name) || word_take(&line, &more))
        return wrong(r, "not one name");
    t->quorum = pl_str_eqz(name, "none") ? QUORUM_NONE : node_find(t, name);
    if (t->quorum == t->nnodes)
        return wrong(r, "the quorum is not defined above");
    t->has_quorum = true;
    return PL_OK;
}

static pl_rc line_take(reading *r, pl_str line)
{
    static const struct {
        const char *word;
        pl_rc (*take)(reading *r, pl_str line);
    } kinds[] = {
        { "log", log_line },
        { "witness", witness_line },
        { "group", group_line },
        { "quorum", quorum_line },
    };
    pl_str word;

    for (size_t i = 0; i < line.n; i++)
        if (((uint8_t)line.p[i] < 0x20 && line.p[i] != '\t') || line.p[i] == 0x7f)
            return wrong(r, "control character");
    if (!word_take(&line, &word) || word.p[0] == '#')
        return PL_OK;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (pl_str_eqz(word, kinds[i].word))
            return kinds[i].take(r, line);
    return wrong(r, "not 'log', 'witness', 'group' or 'quorum'");
}

pl_rc pl_trust_parse(pl_str text, pl_trust **out, pl_error *err)
{
    reading r = { .t = calloc(1, sizeof(*r.t)), .err = err };
    pl_str  rest = text, line;
    pl_rc   rc = PL_OK;

    if (r.t == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    if (text.n > POLICY_MAX)
        rc = pl_fail(err, PL_LIMIT, "trust policy is larger than %u bytes", POLICY_MAX);
    while (rc == PL_OK && pl_str_split(&rest, '\n', &line)) {
        r.line++;
        rc = line_take(&r, line);
    }
    if (rc == PL_OK && !r.t->has_quorum)
        rc = pl_fail(err, PL_INVALID, "trust policy has no quorum line");
    if (rc != PL_OK)
        pl_trust_free(r.t);
    else
        *out = r.t;
    return rc;
}

void pl_trust_free(pl_trust *t)
{
    free(t);
}

size_t pl_trust_log_count(const pl_trust *t)
{
    return t->nlogs;
}

size_t pl_trust_witness_count(const pl_trust *t)
{
    return t->nwitnesses;
}

const pl_vkey *pl_trust_log_get(const pl_trust *t, size_t i)
{
    return &t->logs[i];
}

const pl_trust_witness *pl_trust_witness_get(const pl_trust *t, size_t i)
{
    return &t->witnesses[i];
}

/* --- judging ----------------------------------------------------------------------------- */

static bool quorum_is_met(const pl_trust *t, const int64_t *time_s)
{
    bool has[NODES_MAX];

    if (t->quorum == QUORUM_NONE)
        return true;
    for (size_t i = 0; i < t->nnodes; i++) {
        const node *n = &t->nodes[i];
        uint64_t    got = 0;

        for (size_t m = 0; m < i; m++)
            got += n->member[m] && has[m];
        has[i] = n->is_group ? got >= n->need : time_s[n->witness] != PL_COSIGNED_NOT;
    }
    return has[t->quorum];
}

pl_rc pl_trust_judge(const pl_trust *t, pl_str note, pl_trust_verdict *out, pl_error *err)
{
    pl_trust_verdict v = { .seen = 0 };

    for (size_t i = 0; i < t->nwitnesses; i++) {
        pl_rc rc = pl_cosignatures_open(note, &t->witnesses[i].key, 1, &v.time_s[i], err);

        if (rc != PL_OK)
            return rc;
        v.seen += v.time_s[i] != PL_COSIGNED_NOT;
    }
    v.is_met = quorum_is_met(t, v.time_s);
    *out = v;
    return PL_OK;
}
