#include "base/banned.h"

#include "base/utf8.h"
#include "engine/text/text_int.h"

/* Characters remembered: the longest keyword. A power of two. */
#define RING PL_TEXT_KEYWORD_MAX

/* Original offsets are kept as their low 32 bits; the gap limit keeps everything
 * remembered within 64 * (GAP + 4) bytes of the reading position. */
_Static_assert((uint64_t)RING * (PL_TEXT_GAP_MAX + 8) < UINT32_MAX, "ring offsets would wrap");
_Static_assert((RING & (RING - 1)) == 0, "ring size");

struct pl_text_stream {
    const pl_textdb *db;
    uint64_t         pos;       /* bytes read; carried bytes come after it               */
    uint64_t         solid_end; /* end of the last character that was not skipped        */
    uint64_t         touched;   /* bit k: a word character stands before the k-th newest */
    uint64_t         pending_start, pending_end;
    uint32_t         state;   /* node: longest suffix read that begins a keyword         */
    uint32_t         pending; /* node whose findings wait for the next character, or 0   */
    uint32_t         newest;  /* ring index of the newest character, growing             */
    uint32_t         starts[RING];
    uint8_t          carry[4]; /* an incomplete character at the end of a piece          */
    uint8_t          carry_n;
    bool             prev_word, prev_blank;
    bool             stopped; /* the callback asked to stop: nothing moves until reset   */
};

typedef struct sink {
    pl_text_emit_fn emit;
    void           *ctx;
} sink;

size_t pl_text_stream_size(void)
{
    return sizeof(pl_text_stream);
}

void pl_text_stream_init(pl_text_stream *s, const pl_textdb *db)
{
    memset(s, 0, sizeof *s);
    s->db = db;
}

void pl_text_stream_reset(pl_text_stream *s)
{
    pl_text_stream_init(s, s->db);
}

/* Original offset where the last `chars` characters begin. */
static uint64_t start_of(const pl_text_stream *s, uint32_t chars)
{
    uint32_t low = s->starts[(s->newest - (chars - 1)) % RING];

    return s->pos - (uint32_t)((uint32_t)s->pos - low);
}

static bool left_touched(const pl_text_stream *s, uint32_t chars)
{
    return s->touched >> (chars - 1) & 1;
}

/* --- findings ---------------------------------------------------------------- */

/* Reports the keywords that end at `node`: longest first, which is by start, and by
 * rule within one keyword. */
static void emit_node(pl_text_stream *s, uint32_t node, uint64_t end, bool right_touched,
                      const sink *to)
{
    const pl_textdb *db = s->db;
    uint32_t         k = node_get(db, node, NODE_OUT);

    for (; k != 0; k = keyword_get(db, k - 1, KW_NEXT)) {
        uint32_t chars = keyword_get(db, k - 1, KW_CHARS);
        uint32_t entry = keyword_get(db, k - 1, KW_ENTRY);
        uint32_t last = entry + keyword_get(db, k - 1, KW_ENTRIES);
        bool     touched = right_touched || left_touched(s, chars);

        for (; entry < last; entry++) {
            uint32_t        flags = entry_get(db, entry, ENTRY_FLAGS);
            pl_text_finding f = { .rule = entry_get(db, entry, ENTRY_RULE), .score = PL_SCORE_MAX,
                                  .start = start_of(s, chars), .end = end };

            if (touched && (flags & PL_KEYWORD_WORD))
                continue;
            f.form = (uint16_t)((flags & PL_KEYWORD_PINYIN ? PL_FORM_PINYIN : 0) |
                                (flags & PL_KEYWORD_SPLIT ? PL_FORM_SPLIT : 0));
            if (to->emit(to->ctx, &f) != 0) {
                s->stopped = true;
                return;
            }
        }
    }
}

/* Whether some finding at `node` depends on the next character. Then all of them wait,
 * so that their order holds; *chars is the length of the longest that may come. */
static bool must_wait(const pl_text_stream *s, uint32_t node, uint32_t *chars)
{
    const pl_textdb *db = s->db;
    bool             waits = false;

    *chars = 0;
    for (uint32_t k = node_get(db, node, NODE_OUT); k != 0; k = keyword_get(db, k - 1, KW_NEXT)) {
        uint32_t length = keyword_get(db, k - 1, KW_CHARS);
        uint32_t entry = keyword_get(db, k - 1, KW_ENTRY);
        uint32_t last = entry + keyword_get(db, k - 1, KW_ENTRIES);
        bool     touched = left_touched(s, length);

        for (; entry < last; entry++) {
            bool word = entry_get(db, entry, ENTRY_FLAGS) & PL_KEYWORD_WORD;

            if (word && touched)
                continue;
            waits |= word;
            if (*chars == 0)
                *chars = length;
        }
    }
    return waits;
}

/* The character after the pending findings is known. */
static void settle(pl_text_stream *s, bool right_touched, const sink *to)
{
    if (s->pending == 0)
        return;
    emit_node(s, s->pending, s->pending_end, right_touched, to);
    if (!s->stopped)
        s->pending = 0;
}

static void arrive(pl_text_stream *s, const sink *to)
{
    uint32_t chars;

    if (node_get(s->db, s->state, NODE_OUT) != 0) {
        if (must_wait(s, s->state, &chars)) {
            s->pending = s->state;
            s->pending_start = start_of(s, chars);
            s->pending_end = s->pos;
        } else {
            emit_node(s, s->state, s->pos, false, to);
        }
    }
    /* Nothing begins with this node's text, so what may still grow is its suffix. */
    if (!s->stopped && SHAPE_CHILDREN(node_get(s->db, s->state, NODE_SHAPE)) == 0)
        s->state = node_get(s->db, s->state, NODE_FAIL);
}

/* --- characters --------------------------------------------------------------- */

typedef struct decoded {
    int      n; /* as pl_utf8_decode */
    uint32_t cp;
} decoded;

static __attribute__((noinline)) decoded decode_rare(const uint8_t *p, size_t n)
{
    decoded d = { 0 };

    d.n = pl_utf8_decode((pl_str){ (const char *)p, n }, &d.cp);
    return d;
}

/* pl_utf8_decode with ASCII and the three-byte form, most of Chinese text, in line. A
 * result in registers is worth a fifth of the scanning speed. */
static inline decoded decode(const uint8_t *p, const uint8_t *end)
{
    if (p < end && *p < 0x80)
        return (decoded){ 1, *p };
    if (end - p >= 3 && *p > 0xe0 && *p < 0xed && is_utf8_tail(p[1]) && is_utf8_tail(p[2]))
        return (decoded){ 3, (uint32_t)(*p & 0x0f) << 12 | (uint32_t)(p[1] & 0x3f) << 6 |
                                 (uint32_t)(p[2] & 0x3f) };
    return decode_rare(p, (size_t)(end - p));
}

/* The node that byte b leads to from the state or the nearest of its suffixes that has
 * it, short of the root: 0 when none of them does. */
static inline uint32_t follow(const pl_textdb *db, uint32_t state, uint8_t b)
{
    while (state != 0) {
        uint32_t child = node_child(db, state, b);

        if (child != 0)
            return child;
        state = node_get(db, state, NODE_FAIL);
    }
    return 0;
}

/* Nothing can match across this point. */
static void cut(pl_text_stream *s, const sink *to)
{
    settle(s, false, to);
    if (s->stopped)
        return;
    s->state = 0;
    s->prev_word = s->prev_blank = false;
    s->solid_end = s->pos;
}

static void pass_over(pl_text_stream *s, size_t n, const sink *to)
{
    s->pos += n;
    if (s->pos - s->solid_end > PL_TEXT_GAP_MAX)
        cut(s, to);
}

static void take_invalid(pl_text_stream *s, const sink *to)
{
    cut(s, to);
    if (s->stopped)
        return;
    s->pos++;
    s->solid_end = s->pos;
}

/* One character at p. Gives back false, having read nothing, when the match
 * in the making ended before it, so that the caller can skip from here. */
static bool take(pl_text_stream *s, decoded d, const uint8_t *p, const sink *to)
{
    uint32_t folded = fold_fast(d.cp), next;
    bool     blank = folded == ' ', word = is_word_char(folded);
    char     bytes[4];
    size_t   n = (size_t)d.n;

    if (folded == 0 || (blank && s->prev_blank)) {
        pass_over(s, n, to);
        return true;
    }
    settle(s, word, to);
    if (s->stopped)
        return true;
    if (folded != d.cp) {
        n = (size_t)pl_utf8_encode(folded, bytes);
        p = (const uint8_t *)bytes;
    }
    next = s->state != 0 ? follow(s->db, s->state, p[0]) : s->db->root[p[0]];
    if (s->state != 0 && next == 0) {
        s->state = 0;
        return false;
    }

    s->newest++;
    s->starts[s->newest % RING] = (uint32_t)s->pos;
    s->touched = s->touched << 1 | s->prev_word;
    s->pos += (uint64_t)d.n;
    s->solid_end = s->pos;
    s->prev_word = word;
    s->prev_blank = blank;
    for (size_t i = 1; i < n; i++)
        next = follow(s->db, next, p[i]);
    s->state = next;
    if (next != 0)
        arrive(s, to);
    return true;
}

/* Whether a keyword may begin with the four characters of `key` (see prefix_hash). */
static inline bool may_begin(const pl_textdb *db, uint64_t key)
{
    enum kind kind = kind_get(db, (uint16_t)(key >> 48));

    if (kind == KIND_NONE)
        return false;
    return kind == KIND_ONE || prefix_get(db, kind == KIND_TWO ? key >> 32 : key);
}

/* Whether the last character of [begin, end) that counts is a word character. */
static bool ends_in_word_char(const uint8_t *begin, const uint8_t *end)
{
    uint32_t folded = 0;

    while (folded == 0 && end > begin) {
        const uint8_t *p = end - 1;

        while (p > begin && is_utf8_tail(*p))
            p--;
        folded = fold_fast(decode(p, end).cp);
        end = p;
    }
    return is_word_char(folded);
}

/* Two bytes of ASCII tell enough nearly everywhere in English. Stops where they do not,
 * or where fewer than five bytes are left. */
static inline const uint8_t *skip_pairs(const pl_textdb *db, const uint8_t *p, const uint8_t *end)
{
    while (end - p > 4 && p[0] < 0x80 && p[1] < 0x80 && !pair_get(db, p[0], p[1]))
        p++;
    return p;
}

/* At the root, with nothing pending: passes by characters that begin no keyword. A
 * character is judged when the three after it are seen, so the last three of a piece
 * are left to the automaton. Skipped characters count to the one before them; one
 * that has none, or too many for its byte in `lengths`, is left to the automaton too. */
static const uint8_t *skip_dull(pl_text_stream *s, const uint8_t *p, const uint8_t *end)
{
    const uint8_t *begin = p, *head = p = skip_pairs(s->db, p, end);
    uint64_t       key = 0;
    uint32_t       lengths = 0;
    unsigned       ahead = 0;
    bool           blank = false;

    for (;;) {
        decoded  d = decode(head, end);
        uint32_t folded = fold_fast(d.cp);

        if (d.n <= 0)
            break;
        if (folded == 0 || (folded == ' ' && blank)) {
            if (head == p || (lengths & 0xff) > 0xff - 4)
                break;
            lengths += (uint32_t)d.n;
            head += d.n;
            continue;
        }
        blank = folded == ' ';
        key = key << 16 | (folded & 0xffff);
        lengths = lengths << 8 | (uint32_t)d.n;
        head += d.n;
        if (ahead < 3) {
            ahead++;
            continue;
        }
        if (may_begin(s->db, key))
            break;
        p += lengths >> 24;
        const uint8_t *q = skip_pairs(s->db, p, end);
        if (q > p) { /* the window starts anew there */
            p = head = q;
            key = lengths = ahead = 0;
            blank = false;
        }
    }
    if (p > begin) {
        s->pos += (uint64_t)(p - begin);
        s->solid_end = s->pos;
        s->prev_word = ends_in_word_char(begin, p);
        s->prev_blank = false; /* unused at the root: no keyword begins with a blank */
    }
    return p;
}

/* --- pieces ------------------------------------------------------------------- */

/* Reads what is complete, or known to be invalid, among the carried bytes. */
static void read_carry(pl_text_stream *s, const sink *to)
{
    while (s->carry_n > 0 && !s->stopped) {
        decoded d = decode(s->carry, s->carry + s->carry_n);

        if (d.n == 0)
            return;
        if (d.n > 0 && !take(s, d, s->carry, to))
            continue;
        if (d.n < 0)
            take_invalid(s, to);
        d.n = d.n > 0 ? d.n : 1;
        s->carry_n = (uint8_t)(s->carry_n - d.n);
        memmove(s->carry, s->carry + d.n, s->carry_n);
    }
}

void pl_text_stream_feed(pl_text_stream *s, pl_str piece, pl_text_emit_fn emit, void *ctx)
{
    const sink     to = { emit, ctx };
    const uint8_t *p = (const uint8_t *)piece.p;
    const uint8_t *end = piece.n > 0 ? p + piece.n : p;

    while (s->carry_n > 0 && p < end && !s->stopped) {
        s->carry[s->carry_n++] = *p++;
        read_carry(s, &to);
    }
    while (p < end && !s->stopped) {
        decoded d;

        if (s->state == 0 && s->pending == 0) {
            p = skip_dull(s, p, end);
            if (p == end)
                return;
        }
        d = decode(p, end);
        if (d.n == 0) {
            s->carry_n = (uint8_t)(end - p);
            memcpy(s->carry, p, s->carry_n);
            return;
        }
        if (d.n > 0 && !take(s, d, p, &to))
            continue;
        if (d.n < 0)
            take_invalid(s, &to);
        p += d.n > 0 ? d.n : 1;
    }
}

void pl_text_stream_finish(pl_text_stream *s, pl_text_emit_fn emit, void *ctx)
{
    const sink to = { emit, ctx };

    for (; s->carry_n > 0 && !s->stopped; s->carry_n--)
        take_invalid(s, &to);
    if (!s->stopped)
        cut(s, &to);
}

uint64_t pl_text_stream_safe(const pl_text_stream *s)
{
    uint32_t depth = SHAPE_DEPTH(node_get(s->db, s->state, NODE_SHAPE));
    uint64_t safe = depth > 0 ? start_of(s, depth) : s->pos;

    return s->pending != 0 && s->pending_start < safe ? s->pending_start : safe;
}

void pl_text_scan(const pl_textdb *db, pl_str text, pl_text_emit_fn emit, void *ctx)
{
    pl_text_stream s;

    pl_text_stream_init(&s, db);
    pl_text_stream_feed(&s, text, emit, ctx);
    pl_text_stream_finish(&s, emit, ctx);
}
