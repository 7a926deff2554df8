/* Whole texts. The block scanner finds where the units of keywords stand, the matcher reads these
 * stretches as it would read a stream, and judges. */
#include "base/banned.h"

#include "base/utf8.h"
#include "engine/text/match.h"

/* Cells transcoded at once: units and places of them stay in the first level of cache, or near. */
enum { BLOCK = 4096, CARRY = 64, ROOM = CARRY + BLOCK + CELL_EXPAND_MAX };

_Static_assert(CARRY >= PL_CELLS_MAX + CELL_EXPAND_MAX, "a literal may begin in the block before");

/* Cells [from, to) of the block. */
typedef struct stretch {
    uint16_t from, to;
} stretch;

typedef struct scanner {
    pl_match         match;
    const pl_textdb *db;
    pl_str           text;
    pl_sink          sink;
    size_t           at;    /* bytes transcoded                            */
    uint32_t         last;  /* value of the last character that is a cell  */
    uint32_t         first; /* number of the first cell in the block       */
    uint32_t         carry, n, stretches;
    uint64_t         base;  /* of the places                               */
    uint16_t         units[ROOM];
    uint32_t         place[ROOM]; /* where the run begins                    */
    stretch          stretch[ROOM];
} scanner;

/* --- transcoding --------------------------------------------------------------------- */

typedef struct decoded {
    uint32_t v;
    uint32_t n;
} decoded;

static inline decoded decode(const uint8_t *p, const uint8_t *end)
{
    pl_char c = pl_char_read(p, end);

    if (__builtin_expect(c.n <= 0, false))
        return (decoded){ CELL_BROKEN, 1 };
    return (decoded){ pl_cell_of(c.cp), (uint32_t)c.n };
}

static void put(scanner *s, uint32_t v, size_t at)
{
    if (pl_cell_continues(s->last, v)) {
        s->last = v;
        return;
    }
    s->units[s->n] = (uint16_t)v;
    s->place[s->n++] = (uint32_t)(at - s->base);
    s->last = v;
}

/* What the fast loop leaves out: expansions, broken bytes, runs of different characters. */
static __attribute__((noinline)) void put_rare(scanner *s, uint32_t v, size_t at)
{
    const pl_cell_expansion *e;

    if (v == CELL_BROKEN) {
        s->units[s->n] = CELL_BROKEN;
        s->place[s->n++] = (uint32_t)(at - s->base);
        s->last = 0;
        return;
    }
    if (!pl_cell_is_expanded(v)) {
        put(s, v, at);
        return;
    }
    e = &pl_cell_expansions[(v & 0xffff) - CELL_EXPAND];
    for (unsigned i = 0; i < e->n; i++)
        put(s, e->cells[i], at);
}

/* Fills the block after what it carries. */
static void transcode(scanner *s)
{
    const uint8_t *begin = (const uint8_t *)s->text.p, *end = begin + s->text.n;
    const uint8_t *p = begin + s->at, *base = begin + s->base;
    uint32_t       n = s->n, last = s->last;

    while (p < end && n < CARRY + BLOCK) {
        decoded  d = decode(p, end);
        uint32_t v = d.v;
        bool     cell = v >= CELL_FIRST;

        if (__builtin_expect((cell && v != last && ((uint16_t)v == (uint16_t)last ||
                                                    pl_cell_is_expanded(v))) ||
                                 v == CELL_BROKEN,
                             false)) {
            s->n = n;
            s->last = last;
            put_rare(s, v, (size_t)(p - begin));
            n = s->n;
            last = s->last;
        } else {
            s->units[n] = (uint16_t)v;
            s->place[n] = (uint32_t)(p - base);
            n += cell & (v != last);
            last = cell ? v : last;
        }
        p += d.n;
    }
    s->n = n;
    s->last = last;
    s->at = (size_t)(p - begin);
}

/* Keeps the end of the block, for literals that go on in the next. */
static void carry(scanner *s)
{
    uint32_t keep = s->n < CARRY ? s->n : CARRY, from = s->n - keep;
    uint64_t base = keep > 0 ? s->base + s->place[from] : s->at;

    for (uint32_t i = 0; i < keep; i++) {
        s->units[i] = s->units[from + i];
        s->place[i] = (uint32_t)(s->base + s->place[from + i] - base);
    }
    s->first += from;
    s->base = base;
    s->carry = s->n = keep;
}

/* --- stretches ------------------------------------------------------------------------- */

static int on_literal(void *ctx, uint32_t literal, size_t end)
{
    scanner *s = ctx;
    uint32_t from, length;

    if (literal >= s->db->literals || end <= s->carry || end > s->n)
        return 0;
    length = literal_length(s->db, literal);
    from = length < end ? (uint32_t)end - length : 0;
    while (s->stretches > 0 && s->stretch[s->stretches - 1].to >= from) {
        s->stretches--;
        if (s->stretch[s->stretches].from < from)
            from = s->stretch[s->stretches].from;
    }
    s->stretch[s->stretches++] = (stretch){ (uint16_t)from, (uint16_t)end };
    return 0;
}

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

static void read_stretch(scanner *s, stretch t)
{
    const uint8_t *begin = (const uint8_t *)s->text.p;
    uint32_t       from = t.from, last = s->first + t.to - 1;
    size_t         at;

    while (from > 0 && s->place[from - 1] == s->place[from])
        from--; /* cells of one character are read together */
    at = s->base + s->place[from];
    pl_match_jump(&s->match, s->first + from, touched_before(s, at),
                  s->first + s->carry - 1);
    while (at < s->text.n) {
        decoded d = decode(begin + at, begin + s->text.n);

        if (d.v == CELL_BROKEN)
            break;
        if (!read_values(s, d.v, at, at + d.n, last))
            return;
        at += d.n;
    }
    pl_match_leave(&s->match, 0, &s->sink);
}

static void scan_cells(scanner *s)
{
    s->first = 1;
    while (s->at < s->text.n && !s->match.stopped) {
        transcode(s);
        s->stretches = 0;
        pl_lits_scan_units(s->db->lits, s->units, s->n, on_literal, s);
        for (uint32_t i = 0; i < s->stretches && !s->match.stopped; i++)
            read_stretch(s, s->stretch[i]);
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
            .f = { .form = (uint16_t)((flags & PL_KEYWORD_PINYIN ? PL_FORM_PINYIN : 0) |
                                      (flags & PL_KEYWORD_SPLIT ? PL_FORM_SPLIT : 0)),
                   .score = PL_SCORE_MAX, .start = end - length, .end = end },
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
    s.at = 0;
    s.last = 0;
    s.carry = s.n = 0;
    s.base = 0;
    scan_cells(&s);
}
