#include "base/banned.h"

#include "engine/text/match.h"

/* Cells after which parts of a combination are forgotten: no distance reaches as far. */
enum { PART_AGE_MAX = 3 * PL_TEXT_WITHIN_MAX };

static int place_compare(const pl_text_finding *x, const pl_text_finding *y)
{
    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    return (x->rule > y->rule) - (x->rule < y->rule);
}

/* ... the plainest spelling first. */
static int finding_compare(const pl_text_finding *x, const pl_text_finding *y)
{
    int c = place_compare(x, y);

    if (c == 0)
        c = (y->score > x->score) - (y->score < x->score);
    return c != 0 ? c : x->form - y->form;
}

/* --- reporting -------------------------------------------------------------------- */

static void emit(pl_match *m, const pl_text_finding *f, const pl_sink *to)
{
    if (m->stopped || !pl_textdb_rule_counts(m->db, f->rule))
        return;
    m->stopped = to->emit(to->ctx, f) != 0;
    if (m->stopped)
        m->last_start = f->start; /* nothing moves any more; this is what stays safe */
}

/* The first one that waits is decided. */
static void release(pl_match *m, const pl_sink *to)
{
    pl_judge   *j = &m->judge;
    pl_waiting  w = j->waiting[0];
    uint32_t    owner = w.owner & ~WAITING_COMBO;
    pl_text_finding f = { .rule = owner, .form = w.form, .score = w.score, .start = w.start,
                          .end = w.start + w.length };

    if (w.owner & WAITING_COMBO)
        f.rule = combo_get(m->db, owner, COMBO_RULE);
    emit(m, &f, to);
    if (m->stopped)
        return;
    j->waits--;
    memmove(j->waiting, j->waiting + 1, j->waits * sizeof *j->waiting);
}

/* Findings leave in the order of their ends, so one that is decided still waits behind one that is
 * not. Where too many wait the first is reported: better a false alarm than a miss. */
static void queue(pl_match *m, const pl_text_finding *f, uint32_t owner, uint32_t until,
                  const pl_sink *to)
{
    pl_judge *j = &m->judge;

    if (j->waits == WAITING)
        release(m, to);
    if (m->stopped)
        return;
    j->waiting[j->waits++] = (pl_waiting){
        .start = f->start,
        .length = (uint32_t)(f->end - f->start),
        .owner = owner,
        .until = until,
        .form = f->form,
        .score = f->score,
    };
}

void pl_judge_release(pl_match *m, uint32_t cell, const pl_sink *to)
{
    while (m->judge.waits > 0 && m->judge.waiting[0].until < cell && !m->stopped)
        release(m, to);
}

void pl_judge_finish(pl_match *m, const pl_sink *to)
{
    while (m->judge.waits > 0 && !m->stopped)
        release(m, to);
}

static void drop(pl_judge *j, unsigned i)
{
    j->waits--;
    memmove(j->waiting + i, j->waiting + i + 1, (j->waits - i) * sizeof *j->waiting);
}

/* --- exceptions ------------------------------------------------------------------- */

static uint32_t flags_of(const pl_match *m, const pl_hit *h)
{
    return entry_get(m->db, h->entry, ENTRY_FLAGS);
}

/* What lies inside an allowed phrase that ends here is not found: neither what waits, nor what
 * ends here with it. Gives the start of the longest such phrase. */
static uint64_t allow(pl_match *m, const pl_hit *hits, size_t n)
{
    uint64_t from = UINT64_MAX;

    for (size_t i = 0; i < n; i++)
        if ((flags_of(m, &hits[i]) & ENTRY_EXCEPTION) && hits[i].f.form == 0 &&
            hits[i].f.start < from)
            from = hits[i].f.start;
    if (from == UINT64_MAX)
        return from;
    for (unsigned i = m->judge.waits; i-- > 0;)
        if (m->judge.waiting[i].start >= from && !(m->judge.waiting[i].owner & WAITING_COMBO))
            drop(&m->judge, i);
    return from;
}

/* --- combinations ------------------------------------------------------------------ */

static void parts_forget(pl_match *m, uint32_t cell)
{
    pl_judge *j = &m->judge;
    bool      all = cell - j->last > PART_AGE_MAX;

    for (unsigned i = 0; i < PARTS; i++)
        if (all || (uint16_t)(cell - j->part_at[i]) > PART_AGE_MAX)
            j->part[i] = 0;
    j->last = cell;
}

/* In its own slot, in one that no combination needs any more, or in that of the oldest. */
static void part_remember(const pl_textdb *db, pl_judge *j, uint32_t set, uint32_t cell)
{
    unsigned at = 0, oldest = 0;

    for (unsigned i = 0; i < PARTS; i++) {
        unsigned age = j->part[i] == 0 ? UINT32_MAX : (uint16_t)(cell - j->part_at[i]);

        if (j->part[i] == set + 1) {
            at = i;
            break;
        }
        if (age >= db->reach)
            age = UINT32_MAX;
        if (age > oldest) {
            oldest = age;
            at = i;
        }
    }
    j->part[at] = set + 1;
    j->part_at[at] = (uint16_t)cell;
}

/* How many cells before `cell` the last word of the set began; UINT32_MAX: there was none. */
static uint32_t part_back(const pl_judge *j, uint32_t set, uint32_t cell)
{
    for (unsigned i = 0; i < PARTS; i++)
        if (j->part[i] == set + 1)
            return (uint16_t)(cell - j->part_at[i]);
    return UINT32_MAX;
}

static bool combo_is_complete(const pl_match *m, uint32_t combo, uint32_t cell)
{
    uint32_t shape = combo_get(m->db, combo, COMBO_SHAPE), within = SHAPE_WITHIN(shape);
    uint32_t none = combo_get(m->db, combo, COMBO_NONE), from = 0;

    for (uint32_t i = 0; i < SHAPE_ALL(shape); i++) {
        uint32_t back = part_back(&m->judge, combo_get(m->db, combo, COMBO_PART + (int)i), cell);

        if (back >= within)
            return false;
        from = back > from ? back : from;
    }
    if (none == NO_SET)
        return true;
    none = part_back(&m->judge, none, cell);
    return none == UINT32_MAX || none > from + within;
}

/* --- what is found at one cell --------------------------------------------------------- */

/* Keywords and complete combinations, to be reported in order. */
typedef struct ready {
    pl_text_finding f;
    uint32_t        owner, until; /* as of pl_waiting */
} ready;

typedef struct ready_list {
    size_t n;
    ready  at[2 * HITS];
} ready_list;

static void report_all(pl_match *m, ready_list *l, const pl_sink *to)
{
    for (size_t i = 1; i < l->n; i++) {
        ready  r = l->at[i];
        size_t k = i;

        for (; k > 0 && finding_compare(&l->at[k - 1].f, &r.f) > 0; k--)
            l->at[k] = l->at[k - 1];
        l->at[k] = r;
    }
    for (size_t i = 0; i < l->n && !m->stopped; i++) {
        const ready *r = &l->at[i];

        if (r->until > 0 || m->judge.waits > 0)
            queue(m, &r->f, r->owner, r->until, to);
        else
            emit(m, &r->f, to);
    }
    l->n = 0;
}

static void ready_put(pl_match *m, ready_list *l, const ready *r, const pl_sink *to)
{
    if (l->n == sizeof l->at / sizeof *l->at)
        report_all(m, l, to);
    l->at[l->n++] = *r;
}

static void combo_undo(pl_judge *j, ready_list *l, uint32_t combo)
{
    for (unsigned i = j->waits; i-- > 0;)
        if (j->waiting[i].owner == (combo | WAITING_COMBO))
            drop(j, i);
    for (size_t i = l->n; i-- > 0;)
        if (l->at[i].owner == (combo | WAITING_COMBO))
            l->at[i] = l->at[--l->n];
}

/* Of several words of a part that end here the longest completes the combination. */
static bool is_reported(const ready_list *l, uint32_t combo)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->at[i].owner == (combo | WAITING_COMBO))
            return true;
    return false;
}

static void take_part(pl_match *m, const pl_hit *h, uint32_t cell, ready_list *l, const pl_sink *to)
{
    const pl_textdb *db = m->db;
    uint32_t         set = entry_get(db, h->entry, ENTRY_OWNER);

    parts_forget(m, cell);
    part_remember(db, &m->judge, set, h->first_cell);
    for (uint32_t u = db->set_first[set]; u < db->set_first[set + 1] && !m->stopped; u++) {
        uint32_t combo = db->set_use[u];
        ready    r = { h->f, combo | WAITING_COMBO, 0 };

        if (combo_get(db, combo, COMBO_NONE) == set) {
            combo_undo(&m->judge, l, combo);
        } else if (combo_is_complete(m, combo, cell) && !is_reported(l, combo)) {
            r.f.rule = combo_get(db, combo, COMBO_RULE);
            if (combo_get(db, combo, COMBO_NONE) != NO_SET)
                r.until = cell + SHAPE_WITHIN(combo_get(db, combo, COMBO_SHAPE));
            ready_put(m, l, &r, to);
        }
    }
}

static void take_keyword(pl_match *m, const pl_hit *h, uint32_t cell, ready_list *l,
                         const pl_sink *to)
{
    uint32_t    wait = ENTRY_WAIT(flags_of(m, h));
    const ready r = { h->f, h->f.rule, wait > 0 ? cell + wait : 0 };

    ready_put(m, l, &r, to);
}

/* By start and rule; parts, whose combinations have rules, behind keywords. */
static void sort_hits(const pl_match *m, pl_hit *hits, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        pl_hit h = hits[i];
        size_t at = i;

        h.f.rule = flags_of(m, &h) & ENTRY_PART ? UINT32_MAX : entry_get(m->db, h.entry, ENTRY_OWNER);
        for (; at > 0 && finding_compare(&hits[at - 1].f, &h.f) > 0; at--)
            hits[at] = hits[at - 1];
        hits[at] = h;
    }
}

/* Two spellings of one keyword found in the same place are one finding. */
static bool is_repeat(const pl_match *m, const pl_hit *hits, size_t i)
{
    return i > 0 && place_compare(&hits[i - 1].f, &hits[i].f) == 0 &&
           !(flags_of(m, &hits[i - 1]) & ENTRY_KIND);
}

void pl_judge_take(pl_match *m, pl_hit *hits, size_t n, uint32_t cell, const pl_sink *to)
{
    ready_list l;
    uint64_t   allowed;

    l.n = 0;
    sort_hits(m, hits, n);
    allowed = m->db->has_exceptions ? allow(m, hits, n) : UINT64_MAX;
    for (size_t i = 0; i < n && !m->stopped; i++) {
        uint32_t kind = flags_of(m, &hits[i]) & ENTRY_KIND;

        if (kind == ENTRY_PART)
            take_part(m, &hits[i], cell, &l, to);
        else if (kind == 0 && hits[i].f.start < allowed && !is_repeat(m, hits, i))
            take_keyword(m, &hits[i], cell, &l, to);
    }
    report_all(m, &l, to);
    /* what has nothing to wait for and nothing to wait behind */
    pl_judge_pass(m, 1, to);
}
