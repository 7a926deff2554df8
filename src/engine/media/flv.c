/* FLV (Adobe, annex E): the script tag onMetaData with an ECMA array in AMF0.
 * REQ: TC260-PG-20257A/flv */
#include "base/banned.h"

#include "engine/media/media_int.h"

#define SCRIPT_MAX (4u << 20)

typedef struct flv_layout {
    uint64_t first_tag;          /* behind the header and its zero back pointer */
    uint64_t tag_at, tag_n;      /* the onMetaData tag with its back pointer; n 0: none */
    pl_str   script;             /* its payload */
    uint64_t count_at;           /* of the array's count in the payload; 0: an object */
    uint64_t label_at, label_n;  /* key and value in the payload */
    uint64_t list_at, list_end;  /* first key; the empty key that ends the list */
} flv_layout;

/* Moves over one AMF0 value. */
static bool skip(pl_str s, size_t *at, unsigned depth)
{
    size_t left = s.n - *at;
    const uint8_t *p = (const uint8_t *)s.p + *at;

    if (left < 1 || depth > PL_MEDIA_DEPTH_MAX)
        return false;
    (*at)++;
    left--;
    p++;
    switch (p[-1]) {
    case 0: *at += 8; break;
    case 1: *at += 1; break;
    case 2: *at += left >= 2 ? 2u + (unsigned)(p[0] << 8 | p[1]) : left + 1; break;
    case 5: case 6: break;
    case 11: *at += 10; break;
    case 12: *at += left >= 4 ? 4 + (size_t)rd_be32(p) : left + 1; break;
    case 8: *at += 4; /* fallthrough */
    case 3:
        while (*at + 3 <= s.n) {
            size_t n = (size_t)((uint8_t)s.p[*at] << 8 | (uint8_t)s.p[*at + 1]);
            if (n == 0 && s.p[*at + 2] == 9) {
                *at += 3;
                return true;
            }
            *at += 2 + n;
            if (*at > s.n || !skip(s, at, depth + 1))
                return false;
        }
        return false;
    case 10: {
        uint32_t n = left >= 4 ? rd_be32(p) : 0;
        *at += 4;
        for (uint32_t i = 0; i < n; i++)
            if (*at > s.n || !skip(s, at, depth + 1))
                return false;
        break;
    }
    default: return false;
    }
    return *at <= s.n;
}

static pl_str string_at(pl_str s, size_t at)
{
    const uint8_t *p = (const uint8_t *)s.p + at;

    if (s.n - at >= 3 && p[0] == 2)
        return (pl_str){ s.p + at + 3, (size_t)(p[1] << 8 | p[2]) };
    if (s.n - at >= 5 && p[0] == 12)
        return (pl_str){ s.p + at + 5, rd_be32(p + 1) };
    return (pl_str){ "", 0 };
}

/* "onMetaData" and then the list of keys and values. */
static bool on_metadata(pl_media *m, flv_layout *l, uint64_t body)
{
    pl_str s = l->script;
    size_t at = 13;

    if (s.n < 14 || memcmp(s.p, "\x02\0\x0AonMetaData", 13) != 0)
        return false;
    if (s.p[at] == 8) {
        l->count_at = at + 1;
        at += 5;
    } else if (s.p[at] == 3) {
        at += 1;
    } else {
        return false;
    }
    l->list_at = at;
    while (at + 3 <= s.n && media_step(m)) {
        size_t n = (size_t)((uint8_t)s.p[at] << 8 | (uint8_t)s.p[at + 1]), from = at, value;
        if (n == 0 && s.p[at + 2] == 9) {
            l->list_end = at;
            return true;
        }
        value = at + 2 + n;
        if (value > s.n)
            return false;
        at = value;
        if (!skip(s, &at, 0))
            return false;
        pl_str key = { s.p + from + 2, n };
        size_t before = m->n;
        (void)media_add_text(m, "flv.metadata", key, string_at(s, value),
                             range_of(body + value, at - value), range_of(body + from, at - from), HOW_FORMAT);
        if (m->n > before && m->item[before].kind == PL_MEDIA_LABEL && !l->label_n) {
            l->label_at = from;
            l->label_n = at - from;
        }
    }
    return false;
}

static void scan(pl_media *m)
{
    flv_layout *l = pl_arena_alloc(m->arena, sizeof *l);
    uint32_t    head;
    uint64_t    at;

    if (!l)
        return media_nomem(m);
    m->layout = l;
    if (!media_be32(m, 5, &head) || head < 9 || head > 1024)
        return media_stop(m, PL_MEDIA_MALFORMED, "flv.header", 0, "the header is cut or wrong");
    l->first_tag = at = head + 4u;
    while (at < m->io.size && media_step(m)) {
        uint8_t  h[11];
        uint64_t n;
        if (!media_get(m, at, h, 11))
            break;
        n = (uint64_t)h[1] << 16 | (uint64_t)h[2] << 8 | h[3];
        if (n + 4 > m->io.size - at - 11)
            break;
        if ((h[0] & 0x1F) == 18 && !l->tag_n) {
            l->tag_at = at;
            l->tag_n = 11 + n + 4;
            if (!media_bytes(m, at + 11, n, SCRIPT_MAX, &l->script) || !on_metadata(m, l, at + 11)) {
                media_note(m, "flv.script", at, "the metadata of the file cannot be read");
                l->tag_n = 0;
            }
        }
        at += 11 + n + 4;
    }
    if (m->rc == PL_OK && (at != m->io.size || at == l->first_tag))
        media_stop(m, PL_MEDIA_TRUNCATED, "flv.truncated", at, "the file ends inside a tag");
}

static void put_pair(pl_buf *b, pl_str label)
{
    buf_be16(b, 4);
    pl_buf_puts(b, "AIGC");
    if (label.n <= 0xFFFF) {
        pl_buf_putc(b, 2);
        buf_be16(b, (uint32_t)label.n);
    } else {
        pl_buf_putc(b, 12);
        buf_be32(b, (uint32_t)label.n);
    }
    pl_buf_put(b, label);
}

/* The payload with the pair in it. */
static void put_script(pl_buf *b, const flv_layout *l, pl_str label)
{
    pl_str s = l->script;

    if (!l->tag_n) {
        pl_buf_put(b, (pl_str){ "\x02\0\x0AonMetaData\x08", 14 });
        buf_be32(b, 1);
        put_pair(b, label);
        pl_buf_put(b, (pl_str){ "\0\0\x09", 3 });
        return;
    }
    size_t cut = l->label_n ? (size_t)l->label_at : (size_t)l->list_end;
    pl_buf_put(b, (pl_str){ s.p, cut });
    if (l->count_at && !l->label_n && !b->failed) {
        uint32_t n = rd_be32((uint8_t *)b->p + l->count_at) + 1;
        for (unsigned i = 0; i < 4; i++)
            b->p[l->count_at + i] = (char)(n >> (24 - 8 * i));
    }
    put_pair(b, label);
    pl_buf_put(b, (pl_str){ s.p + cut + l->label_n, s.n - cut - (size_t)l->label_n });
}

static pl_rc plan(pl_media *m, const pl_media_edit *e, pl_media_plan *p, pl_error *err)
{
    const flv_layout *l = m->layout;
    pl_buf            s = PL_BUF_INIT(0xFFFFFF), tag = PL_BUF_INIT(0xFFFFFF + 32);
    uint8_t           h[11] = { 18 };
    pl_rc             rc;

    if (e->c2pa.n)
        return pl_fail(err, PL_NOTFOUND, "an FLV file has no place for a manifest");
    if (e->label.n == 0)
        return PL_OK;
    p->carrier = "flv.metadata";
    if (l->tag_n && !media_get(m, l->tag_at, h, 11))
        return pl_fail(err, PL_INVALID, "the metadata tag cannot be read again");
    put_script(&s, l, e->label);
    h[1] = (uint8_t)(s.n >> 16);
    h[2] = (uint8_t)(s.n >> 8);
    h[3] = (uint8_t)s.n;
    pl_buf_put(&tag, (pl_str){ (char *)h, 11 });
    pl_buf_put(&tag, pl_buf_str(&s));
    buf_be32(&tag, (uint32_t)(11 + s.n));
    rc = pl_buf_check(&s, err);
    if (rc == PL_OK)
        rc = pl_buf_check(&tag, err);
    if (rc == PL_OK)
        plan_replace(p, l->tag_n ? l->tag_at : l->first_tag, l->tag_n, pl_buf_str(&tag));
    pl_buf_done(&s);
    pl_buf_done(&tag);
    return rc;
}

const media_ops media_flv = { scan, plan };
