#include "base/banned.h"

#include "base/utf8.h"
#include "engine/text/match.h"

_Static_assert(PL_CELLS_MAX < 64, "bit sets of cells");

void pl_match_init(pl_match *m, const pl_textdb *db)
{
    memset(m, 0, sizeof *m);
    m->db = db;
    m->settled = true;
}

void pl_match_jump(pl_match *m, uint32_t cell, bool touched, uint32_t known)
{
    m->starts = m->ends = 0;
    m->touched = 0;
    m->inside = false;
    m->cell = cell - 1;
    m->known = known;
    m->gap = (pl_gap_state){ 0 };
    m->settled = true;
    m->last = touched ? '0' : 0; /* a word character; but no unit is that of a digit */
}

pl_char pl_char_rare(const uint8_t *p, size_t n)
{
    pl_char c = { 0 };

    c.n = pl_utf8_decode((pl_str){ (const char *)p, n }, &c.cp);
    return c;
}

/* --- places ---------------------------------------------------------------------- */

static unsigned slot(uint32_t cell)
{
    return cell % PL_CELLS_MAX;
}

static pl_look look_back(const pl_match *m, unsigned back)
{
    return m->looks[slot(m->cell - back)];
}

/* First and last character of the run `back` cells ago. */
static void run_place(const pl_match *m, unsigned back, uint64_t *first, uint64_t *last)
{
    uint64_t at = m->last_start;

    for (unsigned k = 0; k < back; k++)
        at -= (uint64_t)m->delta[slot(m->cell - k)] + m->dist[slot(m->cell - k)];
    *last = at;
    *first = at - m->delta[slot(m->cell - back)];
}

/* Where the last `want` characters of that run begin. */
static uint64_t tail_start(const pl_match *m, unsigned back, unsigned want)
{
    pl_look  l = look_back(m, back);
    unsigned count = LOOK_COUNT(l);
    uint64_t first, last;

    run_place(m, back, &first, &last);
    if (want >= count)
        return first;
    if (want == 1)
        return last;
    if (count < COUNT_MAX && (last - first) % (count - 1) == 0)
        return last - (last - first) / (count - 1) * (want - 1);
    return first;
}

/* --- prefixes -------------------------------------------------------------------- */

/* Highest bit of a set that has one. */
static unsigned top(uint64_t set)
{
    return 63u - (unsigned)__builtin_clzll(set);
}

/* How many higher bits the set has than this one. */
static unsigned ordinal(uint64_t set, unsigned bit)
{
    unsigned n = 0;

    for (set = set >> bit & ~1ull; set != 0; set &= set - 1)
        n++;
    return n;
}

/* Unit of the newest cell. */
static uint16_t newest_unit(const pl_match *m)
{
    return (uint16_t)m->last;
}

/* Literals that begin with the cells from `back` cells ago to now. */
static literal_range range_of(const pl_match *m, unsigned back)
{
    const pl_textdb *db = m->db;
    unsigned         nth, longest;
    uint32_t         at;
    literal_range    r;

    if (back == 0)
        return literal_root(db, newest_unit(m));
    nth = ordinal(m->starts, back);
    if (nth < RANGES)
        return m->ranges[nth];
    longest = top(m->starts);
    at = literal_at(db, m->ranges[0].lo) + longest - back;
    r = literal_root(db, unit_get(db, at));
    for (unsigned depth = 1; depth <= back; depth++)
        r = pl_literal_narrow(db, r, depth, unit_get(db, at + depth));
    return r;
}

/* Whether the prefix that is the newest cell alone goes on with this unit, perhaps. */
static inline bool may_go_on(const pl_match *m, uint16_t unit)
{
    return pair_get(m->db, m->inside ? m->db->inner_pairs : m->db->pairs, newest_unit(m), unit);
}

/* The prefixes that go on with one more unit, and those that begin with it. */
static void advance(pl_match *m, uint16_t unit, bool begins)
{
    const pl_textdb *db = m->db;
    uint64_t         starts = 0, ends = 0;
    literal_range    kept[RANGES];
    unsigned         n = 0, nth = 0;

    for (uint64_t left = m->starts; left != 0; nth++) {
        unsigned      back = top(left), depth = back + 1;
        literal_range r;

        left &= ~(1ull << back);
        if (depth == 1 && !may_go_on(m, unit))
            continue;
        r = nth < RANGES && back > 0 ? m->ranges[nth] : range_of(m, back);
        r = pl_literal_narrow(db, r, depth, unit);
        if (r.lo == r.hi)
            continue;
        starts |= 1ull << depth;
        if (literal_length(db, r.lo) == depth + 1)
            ends |= 1ull << depth;
        if (n < RANGES)
            kept[n++] = r;
    }
    if (begins && unit_in(db->begins, unit)) {
        starts |= 1;
        ends |= unit_in(db->alone, unit);
    }
    m->starts = starts;
    m->ends = ends;
    if (n > 0)
        memcpy(m->ranges, kept, n * sizeof *kept);
}

/* --- what ends ------------------------------------------------------------------- */

typedef enum event {
    EVENT_ARRIVAL, /* the newest character itself                          */
    EVENT_MORE,    /* one more of the same is about to come, right after it */
    EVENT_OTHER,   /* another character that no word ends before           */
    EVENT_FREE     /* anything else                                        */
} event;

/* An entry, and where it would lie. */
typedef struct place {
    uint32_t entry, flags;
    unsigned n;
    pl_look  first, last; /* looks of the keyword */
    uint64_t start;
    unsigned first_excess, last_excess;
} place;

static pl_look entry_look(const pl_textdb *db, uint32_t entry, unsigned i)
{
    uint32_t looks = entry_get(db, entry, ENTRY_LOOKS);

    return looks == NO_LOOKS ? LOOK_PLAIN : ld16(db->looks, looks + i);
}

static bool is_word_cell(const pl_match *m, unsigned back, uint16_t unit)
{
    return pl_cell_is_word(unit | (uint32_t)LOOK_ATTR(look_back(m, back)) << 16);
}

/* Whether a whole word may begin `back` cells ago, and with how many characters of that run. */
static bool word_begins(const pl_match *m, place *p, uint16_t unit)
{
    unsigned back = p->n - 1, want = LOOK_COUNT(p->first);
    pl_look  l = look_back(m, back);
    unsigned count = LOOK_COUNT(l), tail = LOOK_TAIL(l);
    bool     inner = tail < TAIL_MAX && tail < count;

    if (!is_word_cell(m, back, unit)) {
        p->start = tail_start(m, back, want);
        return count > want || !(m->touched >> back & 1);
    }
    if (inner && tail >= want) {
        p->first_excess = tail - want;
        p->start = tail_start(m, back, tail);
        return true;
    }
    p->first_excess = count - want;
    p->start = tail_start(m, back, count);
    return !(m->touched >> back & 1);
}

static bool word_ends(const pl_match *m, place *p, uint16_t unit, event e)
{
    unsigned want = LOOK_COUNT(p->last), count = LOOK_COUNT(look_back(m, 0));

    if (e == EVENT_ARRIVAL || e == EVENT_OTHER)
        return false;
    if (!is_word_cell(m, 0, unit))
        return count == want;
    if (e == EVENT_MORE || count < want || m->count_at_gap >= want)
        return false;
    p->last_excess = count - want;
    return true;
}

/* Whether the entry ends here at this event, judged by its ends alone. */
static bool place_find(const pl_match *m, uint32_t literal, event e, place *p)
{
    const pl_textdb *db = m->db;
    uint32_t         at = literal_at(db, literal);
    unsigned         count;

    p->first = entry_look(db, p->entry, 0);
    p->last = entry_look(db, p->entry, p->n - 1);
    p->first_excess = p->last_excess = 0;
    count = LOOK_COUNT(look_back(m, p->n - 1));
    if (count < LOOK_COUNT(p->first))
        return false;
    if (p->flags & PL_KEYWORD_WORD)
        return word_ends(m, p, unit_get(db, at + p->n - 1), e) &&
               word_begins(m, p, unit_get(db, at));
    p->start = tail_start(m, p->n - 1, LOOK_COUNT(p->first));
    return LOOK_COUNT(look_back(m, 0)) == LOOK_COUNT(p->last);
}

static bool judge_place(const pl_match *m, uint32_t literal, const place *p, const pl_look *text,
                        pl_hit *hit)
{
    const pl_textdb *db = m->db;
    uint32_t         at = literal_at(db, literal), looks = entry_get(db, p->entry, ENTRY_LOOKS);
    uint16_t         units[PL_CELLS_MAX], form = 0, score = PL_SCORE_MAX;
    pl_look          keyword[PL_CELLS_MAX];
    pl_candidate     c = { .units = units, .text = text, .n = p->n, .first_excess = p->first_excess,
                           .last_excess = p->last_excess, .word = p->flags & PL_KEYWORD_WORD };
    uint64_t         end = m->last_start + m->width;

    if (end - p->start > PL_TEXT_SPAN_MAX)
        return false;
    if (!db->exact) {
        for (unsigned i = 0; i < p->n; i++) {
            units[i] = unit_get(db, at + i);
            if (looks != NO_LOOKS)
                keyword[i] = ld16(db->looks, looks + i);
        }
        c.keyword = looks != NO_LOOKS ? keyword : NULL;
        if (!pl_decide(&c, &form, &score))
            return false;
    }
    *hit = (pl_hit){
        .f = { .form = form | entry_form(p->flags), .score = score, .start = p->start, .end = end },
        .entry = p->entry,
        .first_cell = m->cell - p->n + 1,
    };
    return true;
}

/* Judges the entries of one literal that ends here. */
static void literal_fire(pl_match *m, unsigned back, event e, const pl_look *text,
                         pl_hit hits[HITS], size_t *n, const pl_sink *to)
{
    const pl_textdb *db = m->db;
    uint32_t         literal = range_of(m, back).lo;
    place            p = { .n = back + 1 };

    for (p.entry = literal_entry(db, literal); p.entry < literal_entry(db, literal + 1);
         p.entry++) {
        p.flags = entry_get(db, p.entry, ENTRY_FLAGS);
        if (!place_find(m, literal, e, &p) || !judge_place(m, literal, &p, text, &hits[*n]))
            continue;
        if (++*n == HITS) {
            pl_judge_take(m, hits, *n, m->cell, to);
            *n = 0;
        }
    }
}

static void fire(pl_match *m, event e, const pl_sink *to)
{
    pl_hit   hits[HITS];
    size_t   n = 0;
    pl_look  text[PL_CELLS_MAX];
    unsigned length = top(m->ends) + 1;

    for (unsigned i = 0; i < length; i++)
        text[i] = look_back(m, length - 1 - i);
    for (uint64_t left = m->ends; left != 0 && !m->stopped;) {
        unsigned back = top(left);

        left &= ~(1ull << back);
        literal_fire(m, back, e, text + (length - 1 - back), hits, &n, to);
    }
    if (n > 0 && !m->stopped)
        pl_judge_take(m, hits, n, m->cell, to);
}

/* Whether something that ends here is a whole word. Then all of it waits for the next
 * character, so that the order of findings holds. */
static bool ends_need_next(const pl_match *m)
{
    for (uint64_t left = m->ends; left != 0;) {
        unsigned back = top(left);
        uint32_t literal = range_of(m, back).lo, e = literal_entry(m->db, literal);

        left &= ~(1ull << back);
        for (; e < literal_entry(m->db, literal + 1); e++)
            if (entry_get(m->db, e, ENTRY_FLAGS) & PL_KEYWORD_WORD)
                return true;
    }
    return false;
}

static void arrive(pl_match *m, const pl_sink *to)
{
    m->settled = m->ends == 0 || m->cell <= m->known;
    if (m->settled || ends_need_next(m))
        return;
    fire(m, EVENT_ARRIVAL, to);
    m->settled = true;
}

static void settle(pl_match *m, event e, const pl_sink *to)
{
    if (m->settled)
        return;
    fire(m, e, to);
    m->settled = true;
}

/* --- cells ------------------------------------------------------------------------ */

static bool is_word(const pl_match *m, uint32_t v)
{
    if (!m->db->exact)
        return pl_cell_is_word(v);
    v &= 0xff;
    return (v | 32) - 'a' < 26 || v - '0' < 10 || v == '_';
}

/* Whether only what may begin inside a word can begin with this character, which stands in one. What
 * is not a letter has rules of its own (word_begins). */
static bool begins_inside(const pl_match *m, uint32_t v)
{
    return !m->db->exact && pl_cell_is_word(v);
}

static bool gapless(const pl_match *m)
{
    return m->gap.kind == GAP_NONE;
}

/* The run is longer than its place in the ring can say: it counts as beginning with the newest
 * character. Where the distance from the cell before is too long as well, prefixes that begin
 * before the run are cut off. */
static uint64_t run_shorten(pl_match *m, unsigned at, uint64_t delta)
{
    uint64_t dist = delta + m->dist[at];

    m->dist[at] = dist > PL_TEXT_SPAN_MAX ? PL_TEXT_SPAN_MAX : (uint16_t)dist;
    if (dist > PL_TEXT_SPAN_MAX) {
        m->starts &= 1;
        m->ends &= 1;
    }
    return 0;
}

/* After a gap, a word may begin in the middle of a run: then the run counts as beginning there. */
static uint64_t begin_inside(pl_match *m, unsigned at, uint64_t delta)
{
    uint16_t unit = newest_unit(m);

    if ((m->starts & 1) || !unit_in(m->db->begins, unit))
        return delta;
    m->starts |= 1;
    m->ends |= unit_in(m->db->alone, unit);
    return run_shorten(m, at, delta);
}

/* One more of the newest character. */
static void extend(pl_match *m, uint32_t v, uint64_t start, uint64_t end, const pl_sink *to)
{
    unsigned at = slot(m->cell);
    uint64_t delta = m->delta[at] + (start - m->last_start);

    settle(m, gapless(m) ? EVENT_MORE : EVENT_FREE, to);
    if (m->stopped)
        return;
    if (!gapless(m))
        m->count_at_gap = (uint8_t)LOOK_COUNT(m->looks[at]);
    m->inside = false; /* a longer run may hold the beginning of a word */
    m->looks[at] = pl_look_more(m->looks[at], v, &m->gap);
    if (delta > UINT8_MAX)
        delta = run_shorten(m, at, delta);
    if (!gapless(m))
        delta = begin_inside(m, at, delta);
    m->delta[at] = (uint8_t)delta;
    m->last = v;
    m->last_start = start;
    m->width = (uint8_t)(end - start);
    m->gap = (pl_gap_state){ 0 };
    arrive(m, to);
}

/* A new cell. */
static void begin(pl_match *m, uint32_t v, uint64_t start, uint64_t end, const pl_sink *to)
{
    uint64_t dist = start - m->last_start;
    bool     touched = m->last != 0 && gapless(m) && is_word(m, m->last);
    unsigned at;

    settle(m, gapless(m) && is_word(m, v) ? EVENT_OTHER : EVENT_FREE, to);
    pl_judge_pass(m, m->cell + 1, to);
    if (m->stopped)
        return;
    if (dist > PL_TEXT_SPAN_MAX) { /* nothing spans that much */
        m->starts = 0;
        dist = PL_TEXT_SPAN_MAX;
    }
    at = slot(++m->cell);
    m->dist[at] = (uint16_t)dist;
    m->delta[at] = 0;
    m->looks[at] = pl_look_begin(v, &m->gap);
    m->touched = m->touched << 1 | touched;
    m->count_at_gap = 0;
    m->last_start = start;
    m->width = (uint8_t)(end - start);
    m->gap = (pl_gap_state){ 0 };
    advance(m, (uint16_t)v, !touched || unit_in(m->db->inner, (uint16_t)v));
    m->inside = touched && begins_inside(m, v);
    m->last = v;
    arrive(m, to);
}

/* begin, where nothing is in the making but perhaps a match that begins with the cell before, and
 * does not go on: nearly every character of ordinary text. */
static inline bool begin_idle(pl_match *m, uint32_t v, uint64_t start, uint64_t end)
{
    const pl_textdb *db = m->db;
    uint16_t         unit = (uint16_t)v;
    bool             touched;
    unsigned         at;

    if (!m->settled || m->judge.waits > 0 || m->starts > 1 || unit_in(db->alone, unit) ||
        (m->starts && may_go_on(m, unit)))
        return false;
    m->cell++;
    m->starts = m->ends = 0;
    if (unit_in(db->begins, unit)) {
        touched = m->last != 0 && gapless(m) && is_word(m, m->last);
        m->starts = !touched || unit_in(db->inner, unit);
        m->touched = touched;
        m->inside = touched && begins_inside(m, v);
        at = slot(m->cell);
        m->dist[at] = 0; /* no prefix reaches back to the cell before */
        m->delta[at] = 0;
        m->looks[at] = pl_look_begin(v, &m->gap);
    }
    m->count_at_gap = 0;
    m->last = v;
    m->last_start = start;
    m->width = (uint8_t)(end - start);
    m->gap = (pl_gap_state){ 0 };
    return true;
}

static inline void take_cell(pl_match *m, uint32_t v, uint64_t start, uint64_t end, const pl_sink *to)
{
    if (pl_cell_continues(m->last, v))
        extend(m, v, start, end, to);
    else if (!begin_idle(m, v, start, end))
        begin(m, v, start, end, to);
}

static void take_expansion(pl_match *m, uint32_t v, uint64_t start, uint64_t end, const pl_sink *to)
{
    const pl_cell_expansion *e = &pl_cell_expansions[(v & 0xffff) - CELL_EXPAND];

    for (unsigned i = 0; i < e->n && !m->stopped; i++)
        take_cell(m, e->cells[i], start, end, to);
}

void pl_match_value(pl_match *m, uint32_t v, uint64_t start, uint64_t end, const pl_sink *to)
{
    if (v >= CELL_FIRST) {
        take_cell(m, v, start, end, to);
    } else if (v == CELL_NOTHING) {
        m->gap.invisible = true;
    } else {
        settle(m, EVENT_FREE, to);
        pl_gap_add(&m->gap, v);
    }
}

void pl_match_take(pl_match *m, uint32_t cp, uint64_t start, uint64_t end, const pl_sink *to)
{
    uint32_t v = m->db->exact ? cp : pl_cell_of(cp);

    if (m->db->exact) {
        if (!begin_idle(m, v, start, end))
            begin(m, v, start, end, to);
    } else if (pl_cell_is_expanded(v))
        take_expansion(m, v, start, end, to);
    else
        pl_match_value(m, v, start, end, to);
}

/* It counts as a cell, so that cells have the same number wherever reading began. */
void pl_match_broken(pl_match *m, uint64_t end, const pl_sink *to)
{
    settle(m, EVENT_FREE, to);
    pl_judge_pass(m, m->cell + 1, to);
    if (m->stopped)
        return;
    m->cell++;
    m->starts = m->ends = 0;
    m->last = 0;
    m->gap = (pl_gap_state){ 0 };
    m->last_start = end;
    m->width = 0;
}

void pl_match_leave(pl_match *m, uint32_t v, const pl_sink *to)
{
    settle(m, v != 0 && is_word(m, v) && gapless(m) ? EVENT_OTHER : EVENT_FREE, to);
}

void pl_match_finish(pl_match *m, const pl_sink *to)
{
    settle(m, EVENT_FREE, to);
    if (!m->stopped)
        pl_judge_finish(m, to);
    if (m->stopped)
        return;
    m->starts = m->ends = 0;
    m->last = 0;
    m->gap = (pl_gap_state){ 0 };
}

/* --- what is safe ------------------------------------------------------------------- */

/* Whether an entry of a literal that ends here may still be found here, now or with more of the
 * newest character. */
static bool may_end(const pl_match *m, uint32_t literal)
{
    unsigned n = literal_length(m->db, literal), count = LOOK_COUNT(look_back(m, 0));

    for (uint32_t e = literal_entry(m->db, literal); e < literal_entry(m->db, literal + 1); e++) {
        unsigned want = LOOK_COUNT(entry_look(m->db, e, n - 1));
        bool     word = entry_get(m->db, e, ENTRY_FLAGS) & PL_KEYWORD_WORD;

        if (want > count || (!m->settled && (word ? m->count_at_gap < want : want == count)))
            return true;
    }
    return false;
}

static bool is_live(const pl_match *m, unsigned back)
{
    literal_range r = range_of(m, back);

    return !(m->ends >> back & 1) || r.hi - r.lo > 1 || may_end(m, r.lo);
}

uint64_t pl_match_safe(const pl_match *m, uint64_t read)
{
    uint64_t safe, first, last, left = m->starts;

    if (m->stopped)
        return m->last_start;
    safe = pl_judge_start(&m->judge, read);
    while (left != 0) {
        unsigned back = top(left);

        run_place(m, back, &first, &last);
        if (read - last <= PL_TEXT_SPAN_MAX && is_live(m, back)) {
            first = read - first > PL_TEXT_SPAN_MAX ? read - PL_TEXT_SPAN_MAX : first;
            return first < safe ? first : safe;
        }
        left &= ~(1ull << back);
    }
    return safe;
}
