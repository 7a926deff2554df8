/* Chinese names: spans and what speaks for and against them. */
#include "base/banned.h"

#include "engine/text/names_int.h"

enum { LEFT = 3, RIGHT = 3, SPAN_MAX = 12, WINDOW = LEFT + SPAN_MAX + RIGHT };

/* What stands beside a span is a character, or what kind of thing it is. */
enum { SEEN_BREAK, SEEN_LINE, SEEN_DIGIT, SEEN_LETTER, SEEN_BLANK };

/* Characters from LEFT before a place to RIGHT behind the longest span; offsets of their ends. */
typedef struct around {
    uint32_t seen[WINDOW];
    size_t   end[WINDOW];
} around;

/* The dots between parts of a foreign name. */
static bool is_dot(uint32_t c)
{
    return c == 0xb7 || c == 0x2022 || c == 0x2027 || c == 0x30fb;
}

static uint32_t see(uint32_t cp)
{
    if (names_is_han(cp))
        return cp;
    if (cp == 0)
        return SEEN_BREAK;
    if (cp == '\n' || cp == '\r')
        return SEEN_LINE;
    cp = fold_fast(cp);
    if (cp >= '0' && cp <= '9')
        return SEEN_DIGIT;
    if ((cp >= 'a' && cp <= 'z') || (cp >= 0xc0 && cp < 0x500))
        return SEEN_LETTER;
    return cp == ' ' || cp == '\t' ? SEEN_BLANK : cp;
}

/* Nothing is seen beyond a break or the end of a line. */
static void look_left(pl_str unit, size_t at, around *a)
{
    const uint8_t *p = (const uint8_t *)unit.p;

    for (int i = LEFT - 1; i >= 0; i--)
        a->seen[i] = SEEN_BREAK;
    for (int i = LEFT - 1; i >= 0 && at > 0; i--) {
        size_t  k = 1;
        pl_char c;

        while (k < 4 && k < at && is_utf8_tail(p[at - k]))
            k++;
        c = pl_char_read(p + at - k, p + at);
        if (c.n != (int)k)
            return;
        a->seen[i] = see(c.cp);
        at -= k;
        if (a->seen[i] <= SEEN_LINE)
            return;
    }
}

/* `most` characters from `at` on; the rest is not seen. */
static void look_right(pl_str unit, size_t at, unsigned most, around *a)
{
    const uint8_t *p = (const uint8_t *)unit.p;
    unsigned       i = LEFT;

    for (; i < LEFT + most && at < unit.n; i++) {
        pl_char c = pl_char_read(p + at, p + unit.n);

        if (c.n <= 0 || c.cp == 0)
            break;
        a->seen[i] = see(c.cp);
        a->end[i] = at += (size_t)c.n;
        if (a->seen[i] == SEEN_LINE) {
            i++;
            break;
        }
    }
    for (; i < LEFT + most; i++)
        a->seen[i] = SEEN_BREAK;
}

/* --- features ------------------------------------------------------------------------------ */

static uint64_t key3(uint32_t a, uint32_t b, uint32_t c)
{
    return (uint64_t)a << 42 | (uint64_t)b << 21 | c;
}

enum { KINDS = 32, SHAPE_SOUND = 5, SHAPE_DOUBLED };

/* What a character beside the span is at large: 7 for any Chinese one. */
static uint32_t kind_of(uint32_t seen)
{
    return names_is_han(seen) ? 7 : seen <= SEEN_BLANK ? seen : 5;
}

#define PUT(kind, key) s->feature[s->n++] = names_hash(kind, key)

/* The first NAMES_FIRST of them: the two characters a span begins with. shape: its length, or SHAPE_SOUND
 * for what is written by sound. */
static void features_first(const uint32_t *c, unsigned length, unsigned shape, names_span *s)
{
    uint32_t second = length > 1 ? c[1] : 0;
    unsigned k = KINDS * (1 + shape);

    s->n = 0;
    PUT(k + 1, c[0]);
    PUT(k + 2, key3(0, c[0], second));
    PUT(k + 3, second);
}

/* Up to NAMES_EARLY: its characters and its neighbours. */
static void features_early(const uint32_t *c, unsigned length, unsigned shape, names_span *s)
{
    const uint32_t *r = c + length;
    uint32_t        last = c[length - 1], second = length > 1 ? c[1] : 0;
    uint64_t        whole = 0;
    unsigned        k = KINDS * (1 + shape);

    for (unsigned i = 0; i < length; i++)
        whole = whole * 0x9e3779b97f4a7c15u + c[i];
    PUT(k + 0, whole);
    PUT(k + 4, key3(0, second, length > 2 ? c[2] : 0));
    PUT(k + 5, last);
    PUT(k + 6, key3(0, c[0], last));
    PUT(k + 7, c[-1]);
    PUT(k + 8, r[0]);
    PUT(k + 9, key3(0, c[-1], r[0]));
}

static void features_late(const uint32_t *c, unsigned length, unsigned shape, names_span *s)
{
    const uint32_t *r = c + length;
    uint32_t        l1 = c[-1], l2 = c[-2], last = c[length - 1];
    uint32_t        second = length > 1 ? c[1] : 0, third = length > 2 ? c[2] : 0;
    unsigned        k = KINDS * (1 + shape);

    PUT(k + 10, key3(0, l2, l1));
    PUT(k + 11, key3(0, r[0], r[1]));
    PUT(12, key3(c[-3], l2, l1));
    PUT(13, key3(r[0], r[1], r[2]));
    PUT(14, key3(0, l1, c[0]));
    PUT(15, key3(l2, l1, c[0]));
    PUT(16, key3(l1, c[0], second));
    PUT(17, key3(0, last, r[0]));
    PUT(18, key3(last, r[0], r[1]));
    PUT(19, key3(length > 1 ? c[length - 2] : l1, last, r[0]));
    PUT(k + 20, key3(kind_of(l2), kind_of(l1), kind_of(r[0])) * 8 + kind_of(r[1]));
    PUT(21, l1);
    PUT(22, r[0]);
    PUT(23, key3(0, l2, l1));
    PUT(24, key3(0, r[0], r[1]));
    PUT(k + 25, key3(third, last, 0) * 2 + (c[0] == last));
    PUT(k + 26, second == last);
    PUT(27, key3(kind_of(l1), r[0], r[1]));
    PUT(28, key3(l2, l1, kind_of(r[0])));
    PUT(k + 29, length);
}
#undef PUT

/* The weight of the features from number `from` on. */
static float weigh(const pl_names *m, const names_span *s, unsigned from)
{
    int32_t sum = 0;

    for (unsigned i = from; i < s->n; i++)
        sum += names_zh_weight(m->zh, m->zh_bits, s->feature[i]);
    return m->scale[NAMES_ZH].gain * (float)sum;
}

/* --- spans --------------------------------------------------------------------------------- */

typedef struct visitor {
    const around   *a;
    const pl_names *m;
    size_t          start;
    uint32_t        pair, second;
    names_span_fn   visit;
    void           *ctx;
} visitor;

static void span_visit(const visitor *v, unsigned length, unsigned shape)
{
    const uint32_t *c = v->a->seen + LEFT;
    names_span      s;

    s.weight = 0;
    features_first(c, length, shape, &s);
    if (v->m && (s.weight = weigh(v->m, &s, 0)) < v->m->scale[NAMES_ZH].first)
        return;
    features_early(c, length, shape, &s);
    if (v->m && (s.weight += weigh(v->m, &s, NAMES_FIRST)) < v->m->scale[NAMES_ZH].early)
        return;
    features_late(c, length, shape, &s);
    s.start = v->start;
    s.end = v->a->end[LEFT + length - 1];
    s.pair = v->pair;
    s.second = v->second;
    v->visit(v->ctx, &s);
}

/* Characters of a foreign name from here, with dots inside. */
static unsigned sound_length(const uint8_t *classes, const around *a)
{
    unsigned n = 0;

    for (unsigned i = 0; i < SPAN_MAX; i++) {
        uint32_t c = a->seen[LEFT + i];

        if (names_is_han(c) && classes[c] & NAMES_SOUND)
            n = i + 1;
        else if (!(is_dot(c) && n == i))
            break;
    }
    return n;
}

static void sound_visit(const uint8_t *classes, const visitor *v)
{
    uint32_t before = v->a->seen[LEFT - 1];
    unsigned n = sound_length(classes, v->a);

    if (names_is_han(before) && classes[before] & NAMES_SOUND)
        return; /* the run began earlier */
    for (unsigned length = n > 4 ? n - 2 : 2; length <= n; length++)
        if (names_is_han(v->a->seen[LEFT + length - 1]))
            span_visit(v, length, SHAPE_SOUND);
}

void names_zh_spans(const uint8_t *classes, const pl_names *m, pl_str unit, size_t at,
                    names_span_fn visit, void *ctx)
{
    around   a;
    visitor  v = { .a = &a, .m = m, .start = at, .visit = visit, .ctx = ctx };
    uint32_t first, next;
    uint8_t  class;
    unsigned most;

    look_right(unit, at, 4 + RIGHT, &a);
    first = a.seen[LEFT];
    next = a.seen[LEFT + 1];
    if (!names_is_han(first) || !names_is_han(next) || !names_zh_may_begin(classes, first, next))
        return;
    class = classes[first];
    if (class & classes[next] & NAMES_SOUND)
        look_right(unit, at, SPAN_MAX + RIGHT, &a);
    v.second = next;
    v.pair = names_zh_pair(first, next);
    look_left(unit, at, &a);
    if (class & NAMES_SURNAME && classes[next] & NAMES_HONORIFIC)
        span_visit(&v, 1, 1);
    most = class & NAMES_DOUBLE ? 4 : class & (NAMES_SURNAME | NAMES_PREFIX) ? 3 : 0;
    for (unsigned length = 2; length <= most && names_is_han(a.seen[LEFT + length - 1]); length++)
        span_visit(&v, length, length);
    if (class & NAMES_DOUBLED && next == first)
        span_visit(&v, 2, SHAPE_DOUBLED);
    if (class & classes[next] & NAMES_SOUND)
        sound_visit(classes, &v);
}

/* --- judging ------------------------------------------------------------------------------- */

void names_zh_flush(names_zh_best *b)
{
    if (b->is_set)
        names_hit_add(b->out, b->start, b->end, names_sure(&b->m->scale[NAMES_ZH], b->logit), false);
    b->is_set = false;
}

static void judge(void *ctx, const names_span *s)
{
    names_zh_best     *b = ctx;
    const names_scale *scale = &b->m->scale[NAMES_ZH];
    float              logit = scale->offset + s->weight + weigh(b->m, s, NAMES_EARLY);

    if (logit < 0 && names_sure(scale, logit) * PL_SCORE_MAX < PL_PII_FLOOR)
        return;
    if (b->is_set && s->start < b->end) {
        if (logit <= b->logit)
            return;
    } else {
        names_zh_flush(b);
    }
    b->start = s->start;
    b->end = s->end;
    b->logit = logit;
    b->is_set = true;
}

void names_zh_judge(names_zh_best *b, pl_str unit, size_t at)
{
    names_zh_spans(b->m->classes, b->m, unit, at, judge, b);
}
