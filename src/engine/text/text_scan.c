/* Whole texts. The block scanner finds where the units of keywords stand. What is easy to say of such a
 * place is said here; other stretches the matcher reads as it would read a stream. */
#include "base/banned.h"

#include "base/utf8.h"
#include "engine/text/glance.h"

/* Cells [from, to) of the block. */
typedef struct stretch {
    uint16_t from, to;
    uint16_t hit;     /* of those found without the matcher, the first that lies in it */
    bool     is_easy; /* these are all there is */
} stretch;

/* Where a literal ends in the block. */
typedef struct literal_hit {
    uint32_t literal, end;
} literal_hit;

/* What was found without the matcher, and the number of its last cell. */
typedef struct easy_hit {
    pl_hit   hit;
    uint32_t cell;
} easy_hit;

/* Part sets that were hit, as long as a stream would remember them all. */
typedef struct sets_seen {
    unsigned n; /* PARTS + 1: too many */
    uint32_t set[PARTS];
} sets_seen;

enum { LATER = 1024, EASY_HITS = 512 };

typedef struct scanner {
    pl_match         match;
    const pl_textdb *db;
    pl_str           text;
    pl_sink          sink;
    uint32_t         first; /* number of the first cell in the block */
    uint32_t         carry, stretches;
    pl_units         u;
    stretch          stretch[TRANSCODE_ROOM];
    bool             crowded; /* there was no room for all hits of the block */
    sets_seen        sets, tail; /* in the block and at the end of the one before; at its end */
    uint32_t         hits;
    literal_hit      hit[LATER];
    uint32_t         easy_hits;
    easy_hit         easy_hit[EASY_HITS];
} scanner;

/* Keeps the end of the block, for literals that go on in the next. */
static void carry(scanner *s)
{
    uint32_t keep = s->u.n < TRANSCODE_CARRY ? s->u.n : TRANSCODE_CARRY;

    s->first += s->u.n - keep;
    s->carry = keep;
    pl_units_carry(&s->u, keep);
}

/* --- stretches ------------------------------------------------------------------------- */

/* Whether a word character stands right before the byte at `at`. */
static bool touched_before(const scanner *s, size_t at)
{
    uint32_t v = CELL_NOTHING;

    while (at > 0 && v == CELL_NOTHING) {
        size_t   from = at - 1;
        uint32_t cp = 0;

        while (from > 0 && at - from < 4 && ((uint8_t)s->text.p[from] & 0xc0) == 0x80)
            from--;
        if (pl_utf8_decode((pl_str){ s->text.p + from, at - from }, &cp) != (int)(at - from))
            return false;
        v = pl_cell_of(cp);
        at = from;
    }
    if (pl_cell_is_expanded(v)) {
        const pl_cell_expansion *e = &pl_cell_expansions[(v & 0xffff) - CELL_EXPAND];

        v = e->cells[e->n - 1];
    }
    return pl_cell_is_word(v);
}

/* --- a look at one literal -------------------------------------------------------------- */

/* What the cells of a literal look like in the text, where that is easy to say: no expansion, first
 * and last run of one character each. */
typedef struct easy {
    pl_look  looks[PL_CELLS_MAX];
    bool     touched, touches; /* a word character stands right before, right behind */
    uint64_t end;              /* of its last character, in the text */
} easy;

static bool read_easy(const scanner *s, uint32_t from, uint32_t to, easy *out)
{
    enum { FAR = 256 }; /* bytes; further on the matcher reads once for all literals */
    const uint8_t *p = s->u.base + s->u.place[from], *far = p + FAR;
    pl_gap_state   g = { 0 };
    uint32_t       last = 0;
    unsigned       n = 0, want = to - from;

    out->touches = false;
    while (p < s->u.end) {
        pl_decoded d = pl_decode(p, s->u.end);

        p += d.n;
        if (d.v == CELL_BROKEN || pl_cell_is_expanded(d.v) || p > far)
            return false;
        if (d.v == CELL_NOTHING) {
            g.invisible = true;
            continue;
        }
        if (d.v < CELL_FIRST) {
            pl_gap_add(&g, d.v);
            continue;
        }
        if (n > 0 && pl_cell_continues(last, d.v)) {
            if (n == 1 || n == want)
                return false;
            out->looks[n - 1] = pl_look_more(out->looks[n - 1], d.v, &g);
        } else if (n == want) {
            out->touches = g.kind == GAP_NONE && pl_cell_is_word(d.v);
            break;
        } else {
            out->looks[n++] = pl_look_begin(d.v, &g);
            out->end = (uint64_t)(p - s->u.text);
        }
        last = d.v;
        g = (pl_gap_state){ 0 };
    }
    out->touched = touched_before(s, (size_t)(s->u.base - s->u.text) + s->u.place[from]);
    return n == want;
}

/* What pl_decide says of the cells [from, to), as an entry of the literal. */
static bool entry_easy(const scanner *s, uint32_t entry, uint32_t from, uint32_t to, const easy *text,
                       easy_hit *out)
{
    const pl_textdb *db = s->db;
    uint32_t         looks = entry_get(db, entry, ENTRY_LOOKS), flags = entry_get(db, entry, ENTRY_FLAGS);
    uint16_t         form, score;
    pl_look          keyword[PL_CELLS_MAX];
    pl_candidate     c = { .units = s->u.units + from, .text = text->looks, .n = to - from,
                           .word = flags & PL_KEYWORD_WORD };

    if (c.word && (text->touched || text->touches))
        return false;
    for (unsigned i = 0; looks != NO_LOOKS && i < c.n; i++)
        keyword[i] = ld16(db->looks, looks + i);
    c.keyword = looks != NO_LOOKS ? keyword : NULL;
    if (!pl_decide(&c, &form, &score))
        return false;
    out->cell = s->first + to - 1;
    out->hit = (pl_hit){
        .f = { .form = form | entry_form(flags), .score = score,
               .start = (uint64_t)(s->u.base - s->u.text) + s->u.place[from], .end = text->end },
        .entry = entry,
        .first_cell = s->first + from,
    };
    return true;
}

/* Finds the literal's entries at the cells [from, to), where that is easy. */
static bool find_easy(scanner *s, uint32_t literal, uint32_t from, uint32_t to)
{
    const pl_textdb *db = s->db;
    easy             text;

    if ((from > 0 && s->u.place[from - 1] == s->u.place[from]) || !read_easy(s, from, to, &text))
        return false;
    for (uint32_t e = literal_entry(db, literal); e < literal_entry(db, literal + 1); e++) {
        if (s->easy_hits == EASY_HITS)
            return false;
        s->easy_hits += entry_easy(s, e, from, to, &text, &s->easy_hit[s->easy_hits]);
    }
    return true;
}

static void stretch_add(scanner *s, uint32_t literal, uint32_t end)
{
    const pl_glance *glance = &s->db->glance[literal];
    uint32_t         length = glance->length, from = length < end ? end - length : 0, hit = s->easy_hits;
    bool             is_easy;

    if (length <= end && pl_glance_refuses(glance, &s->u, from))
        return;
    is_easy = length <= end && find_easy(s, literal, from, end);
    if (is_easy && s->easy_hits == hit)
        return; /* found to be nothing */
    while (s->stretches > 0 && s->stretch[s->stretches - 1].to >= from) {
        const stretch *last = &s->stretch[--s->stretches];

        from = last->from < from ? last->from : from;
        hit = last->hit;
        is_easy &= last->is_easy;
    }
    s->stretch[s->stretches++] = (stretch){ (uint16_t)from, (uint16_t)end, (uint16_t)hit, is_easy };
}

/* --- parts of combinations ---------------------------------------------------------------- */

static void sets_put(sets_seen *seen, uint32_t set)
{
    for (unsigned i = 0; i < seen->n && i < PARTS; i++)
        if (seen->set[i] == set)
            return;
    if (seen->n < PARTS)
        seen->set[seen->n++] = set;
    else
        seen->n = PARTS + 1;
}

static void sets_of_literal(const pl_textdb *db, uint32_t literal, sets_seen *seen)
{
    for (uint32_t e = literal_entry(db, literal); e < literal_entry(db, literal + 1); e++)
        if (entry_get(db, e, ENTRY_FLAGS) & ENTRY_PART)
            sets_put(seen, entry_get(db, e, ENTRY_OWNER));
}

static bool sets_have(const sets_seen *seen, uint32_t set)
{
    unsigned i = 0;

    while (i < seen->n && seen->set[i] != set)
        i++;
    return i < seen->n;
}

/* Whether all parts of some combination of the set were hit. */
static bool set_matters(const pl_textdb *db, const sets_seen *seen, uint32_t set)
{
    enum { MANY = 512 }; /* then it is not worth the look */

    if (db->set_first[set + 1] - db->set_first[set] > MANY)
        return true;
    for (uint32_t u = db->set_first[set]; u < db->set_first[set + 1]; u++) {
        uint32_t combo = db->set_use[u], i = 0, all = SHAPE_ALL(combo_get(db, combo, COMBO_SHAPE));

        while (i < all && sets_have(seen, combo_get(db, combo, COMBO_PART + (int)i)))
            i++;
        if (i == all)
            return true;
    }
    return false;
}

static bool literal_matters(const scanner *s, uint32_t literal, const bool matters[PARTS])
{
    const pl_textdb *db = s->db;

    if (!(db->part_only[literal / 8] >> literal % 8 & 1))
        return true;
    for (uint32_t e = literal_entry(db, literal); e < literal_entry(db, literal + 1); e++)
        for (unsigned i = 0; i < s->sets.n; i++)
            if (s->sets.set[i] == entry_get(db, e, ENTRY_OWNER) && matters[i])
                return true;
    return false;
}

/* Words like "make" are parts of many combinations and common in any text. Where the block and the
 * end of the one before hold no combination as a whole, they need not be read, but for those at the
 * end of the block. With more different parts than a stream remembers, all are read, so that both
 * forget the same. */
static void take_hits(scanner *s)
{
    const pl_textdb *db = s->db;
    bool             matters[PARTS] = { false }, all = s->crowded || s->sets.n > PARTS;
    uint32_t         end = s->u.at == s->u.end ? UINT32_MAX
                         : s->u.n > db->reach + PL_CELLS_MAX ? s->u.n - db->reach - PL_CELLS_MAX : 0;

    for (unsigned i = 0; i < s->sets.n && !all; i++)
        matters[i] = set_matters(db, &s->sets, s->sets.set[i]);
    for (uint32_t i = 0; i < s->hits; i++) {
        literal_hit h = s->hit[i];

        if (h.end > end)
            sets_of_literal(db, h.literal, &s->tail);
        if (all || h.end > end || literal_matters(s, h.literal, matters))
            stretch_add(s, h.literal, h.end);
    }
    s->hits = 0;
}

static int on_literal(void *ctx, uint32_t literal, size_t end)
{
    scanner *s = ctx;

    if (literal >= s->db->literals || end <= s->carry || end > s->u.n)
        return 0;
    if (s->db->set_count == 0) {
        stretch_add(s, literal, (uint32_t)end);
        return 0;
    }
    sets_of_literal(s->db, literal, &s->sets);
    s->hit[s->hits++] = (literal_hit){ literal, (uint32_t)end };
    if (s->hits == LATER) {
        s->crowded = true;
        take_hits(s);
    }
    return 0;
}

/* --- reading ------------------------------------------------------------------------------- */

/* Reads the values of one character. False: it begins a cell after number `last`. */
static bool read_values(scanner *s, uint32_t v, size_t start, size_t end, uint32_t last)
{
    pl_match                *m = &s->match;
    const pl_cell_expansion *e = NULL;
    unsigned                 n = 1;

    if (pl_cell_is_expanded(v)) {
        e = &pl_cell_expansions[(v & 0xffff) - CELL_EXPAND];
        n = e->n;
    }
    for (unsigned i = 0; i < n && !m->stopped; i++) {
        v = e ? e->cells[i] : v;
        if (v >= CELL_FIRST && m->cell == last && !pl_cell_continues(m->last, v)) {
            pl_match_leave(m, v, &s->sink);
            return false;
        }
        pl_match_value(m, v, start, end, &s->sink);
    }
    return !m->stopped;
}

static void read_stretch(scanner *s, const stretch *t)
{
    const uint8_t *begin = (const uint8_t *)s->text.p;
    uint32_t       from = t->from, last = s->first + t->to - 1;
    size_t         at;

    while (from > 0 && s->u.place[from - 1] == s->u.place[from])
        from--; /* cells of one character are read together */
    at = (size_t)(s->u.base - begin) + s->u.place[from];
    pl_match_jump(&s->match, s->first + from, touched_before(s, at),
                  s->first + s->carry - 1);
    while (at < s->text.n) {
        pl_decoded d = pl_decode(begin + at, begin + s->text.n);

        if (d.v == CELL_BROKEN)
            break;
        if (!read_values(s, d.v, at, at + d.n, last))
            return;
        at += d.n;
    }
    pl_match_leave(&s->match, 0, &s->sink);
}

/* Judges easy hits up to number `end`: they come in the order of their ends, long ones first. */
static void take_easy(scanner *s, uint32_t at, uint32_t end)
{
    while (at < end && !s->match.stopped) {
        const easy_hit *h = &s->easy_hit[at];
        pl_hit          hits[HITS];
        uint32_t        n = 0;

        while (at + n < end && n < HITS && h[n].cell == h->cell) {
            hits[n] = h[n].hit;
            n++;
        }
        pl_judge_pass(&s->match, h->cell, &s->sink);
        if (!s->match.stopped)
            pl_judge_take(&s->match, hits, n, h->cell, &s->sink);
        at += n;
    }
}

static void take_stretches(scanner *s)
{
    for (uint32_t i = 0; i < s->stretches && !s->match.stopped; i++) {
        const stretch *t = &s->stretch[i];

        if (t->is_easy)
            take_easy(s, t->hit, i + 1 < s->stretches ? t[1].hit : s->easy_hits);
        else
            read_stretch(s, t);
    }
    s->stretches = s->easy_hits = 0;
}

static void scan_cells(scanner *s)
{
    s->first = 1;
    while (s->u.at < s->u.end && !s->match.stopped) {
        pl_units_fill(&s->u);
        s->crowded = false;
        s->sets = s->tail;
        s->tail.n = 0;
        pl_lits_scan_units(s->db->lits, s->u.units, s->u.n, on_literal, s);
        take_hits(s);
        take_stretches(s);
        if (s->u.at < s->u.end)
            carry(s);
    }
    if (!s->match.stopped)
        pl_match_finish(&s->match, &s->sink);
}

/* --- exact databases --------------------------------------------------------------------- */

typedef struct exact {
    pl_match         match;
    const pl_textdb *db;
    pl_str           text;
    pl_sink          sink;
    pl_hit           hits[HITS];
    size_t           n;
    size_t           end; /* of the hits */
} exact;

static bool is_word_byte(const exact *x, size_t at)
{
    unsigned c = at < x->text.n ? (uint8_t)x->text.p[at] : ' ';

    return (c | 32) - 'a' < 26 || c - '0' < 10 || c == '_';
}

static void exact_flush(exact *x)
{
    if (x->n > 0 && !x->match.stopped)
        pl_judge_take(&x->match, x->hits, x->n, (uint32_t)x->end, &x->sink);
    x->n = 0;
}

static int on_exact(void *ctx, uint32_t literal, size_t end)
{
    exact   *x = ctx;
    uint32_t length;
    bool     touched;

    if (literal >= x->db->literals || (length = literal_length(x->db, literal)) > end)
        return 0;
    if (end != x->end) {
        exact_flush(x);
        pl_judge_pass(&x->match, (uint32_t)end, &x->sink);
        x->end = end;
    }
    touched = (end > length && is_word_byte(x, end - length - 1)) || is_word_byte(x, end);
    for (uint32_t e = literal_entry(x->db, literal); e < literal_entry(x->db, literal + 1); e++) {
        uint32_t flags = entry_get(x->db, e, ENTRY_FLAGS);

        if (touched && (flags & PL_KEYWORD_WORD))
            continue;
        x->hits[x->n++] = (pl_hit){
            .f = { .form = entry_form(flags), .score = PL_SCORE_MAX, .start = end - length, .end = end },
            .entry = e,
            .first_cell = (uint32_t)(end - length + 1),
        };
        if (x->n == HITS)
            exact_flush(x);
    }
    return x->match.stopped;
}

static void scan_exact(const pl_textdb *db, pl_str text, const pl_sink *to)
{
    exact x = { .db = db, .text = text, .sink = *to };

    pl_match_init(&x.match, db);
    pl_lits_scan_bytes(db->lits, text, on_exact, &x);
    exact_flush(&x);
    if (!x.match.stopped)
        pl_judge_finish(&x.match, to);
}

void pl_text_scan(const pl_textdb *db, pl_str text, pl_text_emit_fn emit, void *ctx)
{
    const pl_sink to = { emit, ctx };
    scanner       s;

    if (!db->lits || text.n == 0)
        return;
    if (db->exact) {
        scan_exact(db, text, &to);
        return;
    }
    pl_match_init(&s.match, db);
    s.db = db;
    s.text = text;
    s.sink = to;
    s.carry = s.hits = s.stretches = s.easy_hits = 0;
    s.tail.n = 0;
    pl_units_init(&s.u, text);
    scan_cells(&s);
}
