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

static void part_remember(pl_judge *j, const pl_hit *h)
{
    unsigned at = 0;

    while (at < PARTS && j->part[at] != h->entry + 1)
        at++;
    if (at == PARTS) {
        at = j->part_next;
        j->part_next = (uint8_t)((at + 1) % PARTS);
    }
    j->part[at] = h->entry + 1;
    j->part_at[at] = (uint16_t)h->first_cell;
}

/* How many of the combination's parts were seen within reach of `cell`, and from where. */
typedef struct parts_seen {
    unsigned all;  /* bit per part */
    uint32_t from; /* cells back from `cell` where the first of them begins */
    uint32_t none; /* cells back to the last part that may not be there     */
} parts_seen;

static parts_seen parts_look(const pl_match *m, uint32_t combo, uint32_t cell, uint32_t within)
{
    parts_seen s = { .none = UINT32_MAX };

    for (unsigned i = 0; i < PARTS; i++) {
        uint32_t entry = m->judge.part[i] - 1, flags;
        uint16_t back = (uint16_t)(cell - m->judge.part_at[i]);

        if (m->judge.part[i] == 0 || entry_get(m->db, entry, ENTRY_OWNER) != combo)
            continue;
        flags = entry_get(m->db, entry, ENTRY_FLAGS);
        if (flags & ENTRY_NONE) {
            s.none = back < s.none ? back : s.none;
        } else if (back < within) {
            s.all |= 1u << ENTRY_PART_AT(flags);
            s.from = back > s.from ? back : s.from;
        }
    }
    return s;
}

static void combo_undo(pl_judge *j, uint32_t combo)
{
    for (unsigned i = j->waits; i-- > 0;)
        if (j->waiting[i].owner == (combo | WAITING_COMBO))
            drop(j, i);
}

static void take_part(pl_match *m, const pl_hit *h, uint32_t cell, const pl_sink *to)
{
    uint32_t   combo = entry_get(m->db, h->entry, ENTRY_OWNER);
    uint32_t   shape = combo_get(m->db, combo, COMBO_SHAPE), within = SHAPE_WITHIN(shape);
    parts_seen s;

    parts_forget(m, cell);
    part_remember(&m->judge, h);
    if (flags_of(m, h) & ENTRY_NONE) {
        combo_undo(&m->judge, combo);
        return;
    }
    s = parts_look(m, combo, cell, within);
    if (s.all != (1u << SHAPE_ALL(shape)) - 1 ||
        (s.none != UINT32_MAX && s.none <= s.from + within))
        return;
    queue(m, &h->f, combo | WAITING_COMBO, SHAPE_NONE(shape) > 0 ? cell + within : 0, to);
}

/* --- keywords ----------------------------------------------------------------------- */

static void take_keyword(pl_match *m, const pl_hit *h, uint32_t cell, const pl_sink *to)
{
    uint32_t wait = ENTRY_WAIT(flags_of(m, h));

    if (wait > 0 || m->judge.waits > 0)
        queue(m, &h->f, h->f.rule, wait > 0 ? cell + wait : 0, to);
    else
        emit(m, &h->f, to);
}

/* By start and rule; parts by the rule of their combination. */
static void sort_hits(const pl_match *m, pl_hit *hits, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        pl_hit   h = hits[i];
        uint32_t owner = entry_get(m->db, h.entry, ENTRY_OWNER), flags = flags_of(m, &h);
        size_t   at = i;

        h.f.rule = flags & (ENTRY_PART | ENTRY_NONE) ? combo_get(m->db, owner, COMBO_RULE) : owner;
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
    uint64_t allowed;

    sort_hits(m, hits, n);
    allowed = m->db->has_exceptions ? allow(m, hits, n) : UINT64_MAX;
    for (size_t i = 0; i < n && !m->stopped; i++) {
        uint32_t kind = flags_of(m, &hits[i]) & ENTRY_KIND;

        if (kind & (ENTRY_PART | ENTRY_NONE))
            take_part(m, &hits[i], cell, to);
        else if (kind == 0 && hits[i].f.start < allowed && !is_repeat(m, hits, i))
            take_keyword(m, &hits[i], cell, to);
    }
    /* what has nothing to wait for and nothing to wait behind */
    pl_judge_pass(m, 1, to);
}
