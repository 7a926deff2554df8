/* English names and addresses: which tokens around a cue belong to one. */
#include "base/banned.h"

#include "engine/text/names_int.h"

/* --- features ------------------------------------------------------------------------------ */

static const names_token nothing = { .shape = SHAPE_NONE };

static const names_token *token_at(const names_text *t, int i)
{
    return i >= 0 && i < (int)t->n ? &t->token[i] : &nothing;
}

unsigned names_en_features(const names_text *t, unsigned at, uint32_t *out)
{
    const names_token *x[7];
    unsigned           n = 0;
    uint64_t           s0, sa, sb;

    for (int i = -3; i <= 3; i++)
        x[i + 3] = token_at(t, (int)at + i);
#define W(i)      ((uint64_t)x[(i) + 3]->word)
#define S(i)      ((uint64_t)x[(i) + 3]->shape)
#define PUT(k, v) out[n++] = names_hash(k, v)
    s0 = S(0);
    sa = S(-1) * 32 + s0;
    sb = s0 * 32 + S(1);
    PUT(1, W(0));
    PUT(2, W(0) * 32 + s0);
    PUT(3, W(-1) * 32 + s0);
    PUT(4, W(1) * 32 + s0);
    PUT(5, W(-2) * 32 + s0);
    PUT(6, W(2) * 32 + s0);
    PUT(7, W(-1) << 32 | W(0));
    PUT(8, W(0) << 32 | W(1));
    PUT(9, W(-2) << 32 | W(-1));
    PUT(10, W(1) << 32 | W(2));
    PUT(11, (uint64_t)x[3]->tail * 32 + s0);
    PUT(12, (uint64_t)x[3]->end2 * 32 + s0);
    PUT(13, (uint64_t)x[3]->head * 32 + s0);
    PUT(14, sa * 32 + S(1));
    PUT(15, ((S(-2) * 32 + sa) * 32 + S(1)) * 32 + S(2));
    PUT(16, (sb * 32 + S(2)) * 32 + S(3));
    PUT(17, (S(-3) * 32 + S(-2)) * 1024 + sa);
    PUT(18, W(-3) * 32 + s0);
    PUT(19, W(3) * 32 + s0);
    PUT(20, (W(-1) * 32 + s0) * 32 + S(1));
    PUT(21, (W(1) * 32 + s0) * 32 + S(-1));
    PUT(22, (uint64_t)x[4]->tail * 1024 + sb);
    PUT(23, (uint64_t)x[2]->tail * 1024 + sa);
    PUT(24, (uint64_t)(x[3]->glued * 2u + x[4]->glued) * 1024 + sb);
    PUT(25, ((W(-1) ^ W(-2) << 17) * 32 + s0) * 32 + S(1));
    PUT(26, (W(1) << 32 ^ W(-1)) * 32 + s0);
#undef PUT
#undef S
#undef W
    return n;
}

/* --- judging ------------------------------------------------------------------------------- */

enum { NEITHER, NAME, ADDRESS, STATES };

#define NEVER (-1e9f)
/* What it costs to begin or to end one. */
static const float entry_cost[STATES] = { 0, 0.6f, 2.0f };

typedef struct lattice {
    float   logit[NAMES_TOKENS][STATES];
    uint8_t from[NAMES_TOKENS][STATES];
} lattice;

static void token_judge(const pl_names *m, const names_text *t, unsigned i, float logit[STATES])
{
    uint32_t feature[NAMES_FEATURES_MAX];
    unsigned n = names_en_features(t, i, feature);
    int32_t  name = 0, address = 0;

    for (unsigned k = 0; k < n; k++)
        names_en_weights(m->en, m->en_bits, feature[k], &name, &address);
    if (t->token[i].is_name)
        logit[NAME] = m->scale[NAMES_EN].offset + m->scale[NAMES_EN].gain * (float)name;
    if (t->token[i].is_zone && t->token[i].shape != SHAPE_NONE && t->token[i].shape != SHAPE_WIDE)
        logit[ADDRESS] = m->scale[NAMES_EN_ADDRESS].offset +
                         m->scale[NAMES_EN_ADDRESS].gain * (float)address;
}

static void way_take(const lattice *l, unsigned i, const float best[STATES], unsigned s, uint8_t *from,
                     float *out)
{
    *out = 2 * NEVER;
    for (unsigned f = 0; f < STATES; f++) {
        float v = best[f] - (f == s ? 0 : entry_cost[f] + entry_cost[s]);

        if (v > *out) {
            *out = v;
            *from = (uint8_t)f;
        }
    }
    *out += l->logit[i][s];
}

/* The best way to every state of every token. */
static unsigned likeliest(const names_text *t, lattice *l)
{
    float    best[STATES] = { 0, NEVER, NEVER };
    unsigned last = NEITHER;

    for (unsigned i = 0; i < t->n; i++) {
        float next[STATES] = { 0, NEVER, NEVER };

        way_take(l, i, best, NEITHER, &l->from[i][NEITHER], &next[NEITHER]);
        for (unsigned s = NAME; s < STATES; s++)
            if (l->logit[i][s] > NEVER)
                way_take(l, i, best, s, &l->from[i][s], &next[s]);
        memcpy(best, next, sizeof best);
    }
    for (unsigned s = NAME; s < STATES; s++)
        if (best[s] - entry_cost[s] > best[last])
            last = s;
    return last;
}

/* Tokens that do not end an address or a name. */
static bool is_edge(const names_token *x, bool is_address)
{
    if (x->shape == SHAPE_PUNCT || x->shape == SHAPE_LINE || x->shape == SHAPE_LINES)
        return true;
    return !is_address && x->shape == SHAPE_LOWER;
}

static void span_report(const pl_names *m, const names_text *t, pl_str unit, const lattice *l,
                        unsigned from, unsigned to, unsigned state, names_hits *out)
{
    bool     is_address = state == ADDRESS, sound = !is_address;
    float    sum = 0;
    unsigned n = 0;

    while (from < to && is_edge(&t->token[from], is_address))
        from++;
    while (to > from && is_edge(&t->token[to - 1], is_address) && !names_is_initial_dot(t, to - 1, unit))
        to--;
    for (unsigned i = from; i < to; i++) {
        sum += l->logit[i][state];
        n++;
        sound |= names_is_number(&t->token[i]);
    }
    if (n == 0 || (is_address && (n < 2 || !sound)))
        return;
    names_hit_add(out, t->token[from].start, t->token[to - 1].end,
                  names_sure(&m->scale[is_address ? NAMES_EN_ADDRESS : NAMES_EN], sum / (float)n),
                  is_address);
}

void names_en_judge(const pl_names *m, const names_text *t, pl_str unit, names_hits *out)
{
    lattice  l;
    uint8_t  state[NAMES_TOKENS];
    unsigned s;

    for (unsigned i = 0; i < t->n; i++) {
        l.logit[i][NEITHER] = 0;
        l.logit[i][NAME] = l.logit[i][ADDRESS] = NEVER;
        if (t->token[i].is_zone || t->token[i].is_name)
            token_judge(m, t, i, l.logit[i]);
    }
    s = likeliest(t, &l);
    for (unsigned i = t->n; i-- > 0;) {
        state[i] = (uint8_t)s;
        s = l.from[i][s];
    }
    for (unsigned i = 0, k; i < t->n; i = k) {
        for (k = i + 1; k < t->n && state[k] == state[i]; k++)
            ;
        if (state[i] != NEITHER)
            span_report(m, t, unit, &l, i, k, state[i], out);
    }
}
