/* Matroska and WebM (RFC 8794, RFC 9559): Segment/Tags/Tag/SimpleTag. A new Tags element goes
 * into a Void before the first cluster where one is large enough, else before the first
 * cluster with every position moved, else to the end of the segment.
 * REQ: TC260-PG-20257A/mkv */
#include "base/banned.h"

#include "engine/media/media_int.h"

enum {
    ID_EBML = 0x1A45DFA3, ID_SEGMENT = 0x18538067, ID_SEEKHEAD = 0x114D9B74, ID_SEEK = 0x4DBB,
    ID_SEEKPOS = 0x53AC, ID_INFO = 0x1549A966, ID_MUXAPP = 0x4D80, ID_WRITEAPP = 0x5741,
    ID_TITLE = 0x7BA9, ID_CLUSTER = 0x1F43B675, ID_CUES = 0x1C53BB6B, ID_CUEPOINT = 0xBB,
    ID_CUETRACKPOS = 0xB7, ID_CUECLUSTER = 0xF1, ID_TAGS = 0x1254C367, ID_TAG = 0x7373,
    ID_SIMPLETAG = 0x67C8, ID_TAGNAME = 0x45A3, ID_TAGSTRING = 0x4487, ID_VOID = 0xEC,
    ID_CUES_REF = 0xEA
};

#define UNKNOWN_SIZE UINT64_MAX
#define POSITIONS_MAX (1u << 20)

typedef struct ebml_el {
    uint32_t id;
    uint64_t at, body, end;
    unsigned size_n;  /* bytes of the size field */
    bool     unknown;
} ebml_el;

typedef struct ebml_pos { /* an unsigned element that holds a position in the segment */
    uint64_t at;
    unsigned n;
    uint64_t value;
} ebml_pos;

typedef struct ebml_layout {
    ebml_el   segment;
    uint64_t  first_cluster, void_at, void_n;
    ebml_pos *pos;
    size_t    positions, cap;
    bool      positions_lost;
    uint64_t  own_at, own_n; /* a Tags element that holds a label and nothing else */
} ebml_layout;

static bool element(pl_media *m, uint64_t at, uint64_t end, ebml_el *e)
{
    uint8_t  h[12];
    size_t   have = end - at < 12 ? (size_t)(end - at) : 12;
    unsigned id_n = 1, n = 1;

    if (at >= end || have < 2 || !media_step(m) || !media_get(m, at, h, have))
        return false;
    while (id_n <= 4 && !(h[0] & 0x80 >> (id_n - 1)))
        id_n++;
    if (id_n > 4 || id_n >= have)
        return false;
    e->id = 0;
    for (unsigned i = 0; i < id_n; i++)
        e->id = e->id << 8 | h[i];
    while (n <= 8 && !(h[id_n] & 0x80 >> (n - 1)))
        n++;
    if (n > 8 || id_n + n > have)
        return false;
    uint64_t v = h[id_n] & (0xFFu >> n), all = v == (0xFFu >> n);
    for (unsigned i = 1; i < n; i++) {
        v = v << 8 | h[id_n + i];
        all &= h[id_n + i] == 0xFF;
    }
    e->at = at;
    e->size_n = n;
    e->body = at + id_n + n;
    e->unknown = all != 0;
    if (!e->unknown && v > end - e->body) {
        e->end = end;
        media_stop(m, PL_MEDIA_TRUNCATED, "ebml.size", at, "an element is longer than what encloses it");
        return true;
    }
    e->end = e->unknown ? end : e->body + v;
    return true;
}

static bool number(pl_media *m, const ebml_el *e, uint64_t *v)
{
    uint8_t b[8];
    size_t  n = (size_t)(e->end - e->body);

    *v = 0;
    if (n > 8 || !media_get(m, e->body, b, n))
        return false;
    for (size_t i = 0; i < n; i++)
        *v = *v << 8 | b[i];
    return true;
}

static void add_position(pl_media *m, ebml_layout *l, const ebml_el *e)
{
    uint64_t v;

    if (!number(m, e, &v))
        return;
    if (l->positions == l->cap) {
        size_t    cap = l->cap ? l->cap * 2 : 64;
        ebml_pos *p = cap > POSITIONS_MAX ? NULL : pl_arena_alloc(m->arena, cap * sizeof *p);
        if (!p) {
            l->positions_lost = true;
            return;
        }
        if (l->positions)
            memcpy(p, l->pos, l->positions * sizeof *p);
        l->pos = p;
        l->cap = cap;
    }
    l->pos[l->positions++] = (ebml_pos){ e->body, (unsigned)(e->end - e->body), v };
}

static pl_str text(pl_media *m, const ebml_el *e)
{
    pl_str s = { "", 0 };

    if (!media_bytes(m, e->body, e->end - e->body, LABEL_VALUE_MAX, &s))
        return (pl_str){ "", 0 };
    while (s.n && s.p[s.n - 1] == '\0')
        s.n--;
    return s;
}

static void simple_tag(pl_media *m, const ebml_el *tag, unsigned depth)
{
    pl_str  name = { "", 0 }, value = { "", 0 };
    ebml_el c;

    if (depth > 8)
        return;
    for (uint64_t at = tag->body; element(m, at, tag->end, &c); at = c.end) {
        if (c.id == ID_TAGNAME)
            name = text(m, &c);
        else if (c.id == ID_TAGSTRING)
            value = text(m, &c);
        else if (c.id == ID_SIMPLETAG)
            simple_tag(m, &c, depth + 1);
    }
    (void)media_add_text(m, "mkv.tag", name, value, range_of(tag->body, tag->end - tag->body),
                         range_of(tag->at, tag->end - tag->at), HOW_FORMAT);
}

static void children(pl_media *m, ebml_layout *l, const ebml_el *box, unsigned depth)
{
    ebml_el c;

    if (depth > 8)
        return;
    for (uint64_t at = box->body; m->state == PL_MEDIA_WHOLE && element(m, at, box->end, &c); at = c.end)
        switch (c.id) {
        case ID_SEEK: case ID_CUEPOINT: case ID_CUETRACKPOS: case ID_TAG:
            children(m, l, &c, depth + 1);
            break;
        case ID_SEEKPOS: case ID_CUECLUSTER:
            add_position(m, l, &c);
            break;
        case ID_CUES_REF: /* position of a codec state: seldom, and not moved */
            l->positions_lost = true;
            break;
        case ID_SIMPLETAG:
            simple_tag(m, &c, 0);
            break;
        case ID_MUXAPP: case ID_WRITEAPP: case ID_TITLE:
            (void)media_add_text(m, "mkv.info", c.id == ID_MUXAPP ? PL_STR("MuxingApp")
                                 : c.id == ID_WRITEAPP ? PL_STR("WritingApp") : PL_STR("Title"),
                                 text(m, &c), range_of(c.body, c.end - c.body),
                                 range_of(c.at, c.end - c.at), HOW_FORMAT);
            break;
        default:
            break;
        }
}

static bool is_top(uint32_t id)
{
    return id == ID_CLUSTER || id == ID_CUES || id == ID_TAGS || id == ID_SEEKHEAD || id == ID_INFO ||
           id == 0x1654AE6B || id == 0x1941A469 || id == 0x1043A770 || id == ID_VOID || id == ID_SEGMENT;
}

/* A cluster of unknown size ends where the next element of the segment's level begins. */
static uint64_t cluster_end(pl_media *m, const ebml_el *cluster, uint64_t end)
{
    ebml_el c;
    uint64_t at = cluster->body;

    while (at < end && element(m, at, end, &c) && (!is_top(c.id) || c.id == ID_VOID))
        at = c.end;
    return at;
}

static void segment(pl_media *m, ebml_layout *l)
{
    uint64_t at = l->segment.body, end = l->segment.end;
    ebml_el  c;

    for (; m->state == PL_MEDIA_WHOLE && element(m, at, end, &c); at = c.end) {
        if (c.id == ID_CLUSTER) {
            if (!l->first_cluster)
                l->first_cluster = c.at;
            if (c.unknown)
                c.end = cluster_end(m, &c, end);
            if ((m->flags & PL_MEDIA_QUICK) && m->walked > 65536)
                return;
        } else if (c.unknown) { /* RFC 9559 5.1: only Segment and Cluster may leave theirs open */
            media_stop(m, PL_MEDIA_MALFORMED, "ebml.size", c.at, "an element that must say its size does not");
        } else if (c.id == ID_SEEKHEAD || c.id == ID_CUES || c.id == ID_INFO || c.id == ID_TAGS) {
            size_t before = m->n;
            children(m, l, &c, 0);
            if (c.id == ID_TAGS && m->n == before + 1 && m->item[before].kind == PL_MEDIA_LABEL) {
                l->own_at = c.at;
                l->own_n = c.end - c.at;
            }
        } else if (c.id == ID_VOID && !l->first_cluster && c.end - c.at > l->void_n) {
            l->void_at = c.at;
            l->void_n = c.end - c.at;
        }
    }
    if (m->state == PL_MEDIA_WHOLE && m->rc == PL_OK && (at < end || !l->first_cluster))
        media_stop(m, PL_MEDIA_TRUNCATED, "ebml.truncated", at, "the file ends inside an element, or has no cluster");
}

static void scan(pl_media *m)
{
    ebml_layout *l = pl_arena_alloc(m->arena, sizeof *l);
    ebml_el      head;

    if (!l)
        return media_nomem(m);
    m->layout = l;
    if (!element(m, 0, m->io.size, &head) || head.id != ID_EBML || head.unknown ||
        !element(m, head.end, m->io.size, &l->segment) || l->segment.id != ID_SEGMENT) {
        if (m->rc == PL_OK)
            media_stop(m, PL_MEDIA_TRUNCATED, "ebml.header", 0, "the header or the segment is missing");
        return;
    }
    segment(m, l);
}

/* --- writing ---------------------------------------------------------------------------------- */

static void put_el(pl_buf *b, uint32_t id, pl_str body)
{
    for (int i = 3; i >= 0; i--)
        if (id >> (8 * i))
            pl_buf_putc(b, (char)(id >> (8 * i)));
    buf_be32(b, 0x10000000u | (uint32_t)body.n); /* always four bytes of size */
    pl_buf_put(b, body);
}

static void put_tags(pl_buf *out, pl_str label)
{
    pl_buf a = PL_BUF_INIT(PL_MEDIA_VALUE_MAX), b = PL_BUF_INIT(PL_MEDIA_VALUE_MAX);

    put_el(&a, ID_TAGNAME, PL_STR("AIGC"));
    put_el(&a, ID_TAGSTRING, label);
    put_el(&b, 0x63C0, (pl_str){ "", 0 }); /* Targets: the whole segment */
    put_el(&b, ID_SIMPLETAG, pl_buf_str(&a));
    pl_buf_clear(&a);
    put_el(&a, ID_TAG, pl_buf_str(&b));
    put_el(out, ID_TAGS, pl_buf_str(&a));
    out->failed |= a.failed || b.failed;
    pl_buf_done(&a);
    pl_buf_done(&b);
}

/* An empty element of n bytes, n at least 2. */
static void put_void(pl_buf *b, uint64_t n)
{
    pl_buf_putc(b, (char)ID_VOID);
    if (n < 128 + 2) {
        pl_buf_putc(b, (char)(0x80 | (n - 2)));
        n -= 2;
    } else {
        pl_buf_putc(b, 0x01);
        for (int i = 6; i >= 0; i--)
            pl_buf_putc(b, (char)((n - 9) >> (8 * i)));
        n -= 9;
    }
    for (; n > 0; n--)
        pl_buf_putc(b, '\0');
}

static bool can_move(const ebml_layout *l, uint64_t from, uint64_t by)
{
    if (l->positions_lost)
        return false;
    for (size_t i = 0; i < l->positions; i++) {
        uint64_t v = l->pos[i].value;
        unsigned n = l->pos[i].n;
        if (v >= from && (n == 0 || (n < 8 && v + by >= 1ull << (8 * n))))
            return false;
    }
    return true;
}

static void move_positions(pl_media_plan *p, const ebml_layout *l, uint64_t from, uint64_t by)
{
    for (size_t i = 0; i < l->positions; i++) {
        char     b[8];
        uint64_t v = l->pos[i].value + by;
        unsigned n = l->pos[i].n;
        if (l->pos[i].value < from)
            continue;
        for (unsigned k = 0; k < n; k++)
            b[k] = (char)(v >> (8 * (n - 1 - k)));
        plan_replace(p, l->pos[i].at, n, (pl_str){ b, n });
    }
}

/* The segment's size field, in eight bytes when it must grow: positions count from its end. */
static pl_rc grow_segment(pl_media_plan *p, const ebml_layout *l, uint64_t by, pl_error *err)
{
    const ebml_el *s = &l->segment;
    uint64_t       n = s->end - s->body + by;
    unsigned       k = s->size_n;
    char           b[8];

    if (s->unknown)
        return PL_OK;
    if (k < 8 && n >= (1ull << (7 * k)) - 1)
        k = 8;
    if (n >= (1ull << 56) - 1)
        return pl_fail(err, PL_LIMIT, "the segment would be longer than its size can say");
    for (unsigned i = 0; i < k; i++)
        b[i] = (char)(n >> (8 * (k - 1 - i)));
    b[0] = (char)(b[0] | 0x80 >> (k - 1));
    plan_replace(p, s->body - s->size_n, s->size_n, (pl_str){ b, k });
    return PL_OK;
}

static void drop_labels(pl_media_plan *p, uint64_t but_at, uint64_t but_n)
{
    pl_media *m = p->m;

    for (size_t i = 0; i < m->n; i++) {
        pl_media_range f;
        pl_buf         b = PL_BUF_INIT(PL_MEDIA_VALUE_MAX);
        if (m->item[i].kind != PL_MEDIA_LABEL || !m->item[i].parts_n || strcmp(m->item[i].carrier, "mkv.tag") != 0)
            continue;
        f = m->item[i].parts[0].frame;
        if (f.at >= but_at && f.at < but_at + but_n)
            continue;
        put_void(&b, f.n);
        plan_replace(p, f.at, f.n, pl_buf_str(&b));
        pl_buf_done(&b);
    }
}

/* The label that is there makes room, where the new one fits in its place. */
static bool reuse(pl_media_plan *p, const ebml_layout *l, pl_buf *tags, pl_rc *rc, pl_error *err)
{
    uint64_t n = tags->n;
    bool     last = l->own_at + l->own_n == l->segment.end;

    if (l->own_n == 0 || !(n == l->own_n || n + 2 <= l->own_n || last))
        return false;
    if (n < l->own_n)
        put_void(tags, l->own_n - n);
    plan_replace(p, l->own_at, l->own_n, pl_buf_str(tags));
    if (n > l->own_n)
        *rc = grow_segment(p, l, n - l->own_n, err);
    return true;
}

static pl_rc plan(pl_media *m, const pl_media_edit *e, pl_media_plan *p, pl_error *err)
{
    const ebml_layout *l = m->layout;
    pl_buf             b = PL_BUF_INIT(PL_MEDIA_VALUE_MAX * 2);
    uint64_t           from = l->first_cluster - l->segment.body, n;
    pl_rc              rc;

    if (e->c2pa.n)
        return pl_fail(err, PL_NOTFOUND, "a Matroska file has no place for a manifest");
    if (e->label.n == 0)
        return PL_OK;
    p->carrier = "mkv.tag";
    put_tags(&b, e->label);
    n = b.n;
    rc = pl_buf_check(&b, err);
    if (rc == PL_OK && reuse(p, l, &b, &rc, err)) {
        drop_labels(p, l->own_at, l->own_n);
        pl_buf_done(&b);
        return rc;
    }
    drop_labels(p, 0, 0);
    if (rc == PL_OK && (l->void_n == n || l->void_n >= n + 2)) {
        if (l->void_n > n)
            put_void(&b, l->void_n - n);
        rc = pl_buf_check(&b, err);
        plan_replace(p, l->void_at, l->void_n, pl_buf_str(&b));
    } else if (rc == PL_OK && can_move(l, from, n)) {
        plan_replace(p, l->first_cluster, 0, pl_buf_str(&b));
        move_positions(p, l, from, n);
        rc = grow_segment(p, l, n, err);
    } else if (rc == PL_OK) {
        plan_replace(p, l->segment.end, 0, pl_buf_str(&b));
        rc = grow_segment(p, l, n, err);
    }
    pl_buf_done(&b);
    return rc;
}

const media_ops media_ebml = { scan, plan };
