/* What scans found: the list of items, and the text helpers that fill it. */
#include "base/banned.h"

#include <zlib.h>

#include "base/utf8.h"
#include "engine/media/media_int.h"

#define PARTS_MAX 65536u

static bool grow(pl_media *m)
{
    size_t         cap = m->cap ? m->cap * 2 : 32;
    pl_media_item *item;
    media_own     *own;

    if (m->n >= PL_MEDIA_ITEMS_MAX) {
        media_stop(m, PL_MEDIA_LIMITED, "limit.items", 0, "more metadata than is read of one file");
        return false;
    }
    if (m->n < m->cap)
        return true;
    item = realloc(m->item, cap * sizeof *item);
    if (item)
        m->item = item;
    own = realloc(m->own, cap * sizeof *own);
    if (own)
        m->own = own;
    if (!item || !own) {
        media_nomem(m);
        return false;
    }
    m->cap = cap;
    return true;
}

pl_media_item *media_add(pl_media *m, pl_media_kind kind, const char *carrier,
                         pl_media_range payload, pl_media_range frame)
{
    pl_media_item *it;

    if (m->rc != PL_OK || !grow(m))
        return NULL;
    it = &m->item[m->n];
    m->own[m->n++] = (media_own){ HOW_CUT, SIZE_MAX };
    *it = (pl_media_item){ .kind = kind, .carrier = carrier, .key = { "", 0 }, .value = { "", 0 } };
    if (frame.n > 0) {
        media_add_part(m, it, payload, frame);
        if (frame.at >= m->end)
            it->flags |= PL_MEDIA_OUTSIDE;
    }
    return it;
}

void media_add_part(pl_media *m, pl_media_item *it, pl_media_range payload, pl_media_range frame)
{
    size_t n = it->parts_n;

    if (n >= PARTS_MAX) {
        media_stop(m, PL_MEDIA_LIMITED, "limit.parts", frame.at, "metadata in too many pieces");
        return;
    }
    if ((n & (n - 1)) == 0) { /* at 0, 1, 2, 4 …: room for twice as many */
        pl_media_part *p = pl_arena_alloc(m->arena, (n ? n * 2 : 1) * sizeof *p);
        if (!p) {
            media_nomem(m);
            return;
        }
        if (n)
            memcpy(p, it->parts, n * sizeof *p);
        it->parts = p;
    }
    it->parts[it->parts_n++] = (pl_media_part){ payload, frame };
}

void media_load(pl_media *m, pl_media_item *it)
{
    uint64_t total = 0;
    char    *p;

    for (size_t i = 0; i < it->parts_n; i++) {
        if (it->parts[i].payload.n > PL_MEDIA_VALUE_MAX - total) {
            it->flags |= PL_MEDIA_TOO_LONG;
            return;
        }
        total += it->parts[i].payload.n;
    }
    p = pl_arena_alloc(m->arena, (size_t)total + 1);
    if (!p) {
        it->flags |= PL_MEDIA_TOO_LONG;
        return;
    }
    total = 0;
    for (size_t i = 0; i < it->parts_n; i++) {
        pl_media_range r = it->parts[i].payload;
        if (!media_get(m, r.at, p + total, (size_t)r.n)) {
            it->flags |= PL_MEDIA_CUT;
            return;
        }
        total += r.n;
    }
    it->value = (pl_str){ p, (size_t)total };
}

size_t media_find(const pl_media *m, pl_media_kind kind, const char *carrier)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->item[i].kind == kind && !(m->item[i].flags & PL_MEDIA_OUTSIDE) &&
            (!carrier || strcmp(m->item[i].carrier, carrier) == 0))
            return i;
    return SIZE_MAX;
}

/* --- what counts as a label ------------------------------------------------------------------ */

static bool has_nocase(pl_str s, pl_str what)
{
    for (size_t i = 0; i + what.n <= s.n; i++)
        if (strncasecmp(s.p + i, what.p, what.n) == 0)
            return true;
    return false;
}

bool media_looks_label(pl_str key, pl_str value)
{
    static const pl_str members[] = {
        { "ContentProducer", 15 },   { "ProduceID", 9 },     { "ReservedCode1", 13 },
        { "ContentPropagator", 17 }, { "PropagateID", 11 },  { "ReservedCode2", 13 },
        { "ServiceProvider", 15 },
    };
    pl_str v = pl_str_trim(value);
    bool   member = false, object;

    if (has_nocase(key, PL_STR("AIGC")))
        return true;
    if (v.n < 8 || v.n > LABEL_VALUE_MAX)
        return false;
    for (size_t i = 0; i < sizeof members / sizeof members[0] && !member; i++)
        member = memmem(v.p, v.n, members[i].p, members[i].n) != NULL;
    object = v.p[0] == '{' || v.p[0] == '"' ||
             (v.n > 5 && strncasecmp(v.p, "AIGC", 4) == 0 && (v.p[4] == '{' || v.p[4] == ':' || v.p[4] == '='));
    return object && (member || memmem(v.p, v.n, "\"AIGC\"", 6));
}

pl_media_item *media_add_text(pl_media *m, const char *carrier, pl_str key, pl_str value,
                              pl_media_range payload, pl_media_range frame, media_how how)
{
    bool           label = media_looks_label(key, value);
    pl_media_item *it;

    if (!label && pl_str_trim(value).n == 0)
        return NULL;
    if (!pl_utf8_valid(value) && !media_latin1(m, value, &value))
        return NULL;
    it = media_add(m, label ? PL_MEDIA_LABEL : PL_MEDIA_FIELD, carrier, payload, frame);
    if (!it)
        return NULL;
    it->key = (pl_str){ pl_arena_dup(m->arena, key), key.n };
    it->value = (pl_str){ pl_arena_dup(m->arena, value), value.n };
    if (!it->key.p || !it->value.p) {
        it->key = it->value = (pl_str){ "", 0 };
        it->flags |= PL_MEDIA_TOO_LONG;
    }
    m->own[m->n - 1].how = how;
    return it;
}

void media_add_c2pa(pl_media *m, const char *carrier, pl_media_range payload, pl_media_range frame)
{
    pl_media_item *it = media_add(m, PL_MEDIA_C2PA, carrier, payload, frame);

    if (it && !(m->flags & PL_MEDIA_QUICK))
        media_load(m, it);
}

/* --- XMP -------------------------------------------------------------------------------------- */

typedef struct xmp_scan {
    pl_media   *m;
    size_t      packet;
    unsigned    flags;
    const char *carrier;
} xmp_scan;

static void xmp_property(void *ctx, const char *name, pl_str value, bool wrong_ns)
{
    xmp_scan      *s = ctx;
    pl_media_item *it;
    bool           is_label = strcasecmp(name, "TC260:AIGC") == 0 || wrong_ns;
    const char    *carrier = pl_arena_printf(s->m->arena, "%s%s", s->carrier,
                                             wrong_ns ? ".wrong-namespace" : "");

    if (!carrier) {
        media_nomem(s->m);
        return;
    }
    it = media_add_text(s->m, carrier, pl_str_z(name), value, range_of(0, 0), range_of(0, 0),
                        HOW_XMP);
    if (!it)
        return;
    if (!is_label && it->kind == PL_MEDIA_LABEL)
        it->flags |= PL_MEDIA_MISPLACED;
    it->flags |= s->flags;
    s->m->own[s->m->n - 1].parent = s->packet;
}

void media_add_xmp_bytes(pl_media *m, const char *carrier, pl_str packet, pl_media_range payload,
                         pl_media_range frame, unsigned flags)
{
    pl_media_item *it = media_add(m, PL_MEDIA_XMP, carrier, payload, frame);
    xmp_scan       s = { m, m->n - 1, flags, carrier };
    pl_error       err;

    if (!it)
        return;
    it->value = packet;
    it->flags |= flags;
    s.flags = it->flags & ~(unsigned)PL_MEDIA_PACKED;
    if (media_xmp_visit(packet, &(xmp_visit){ &s, xmp_property }, &err) != PL_OK)
        media_note(m, "xmp.malformed", frame.at,
                   "an XMP packet is not well-formed XML, or holds a DTD");
}

void media_add_xmp(pl_media *m, const char *carrier, pl_media_range payload, pl_media_range frame,
                   unsigned flags)
{
    pl_str         packet;
    pl_media_item *it;

    if (payload.n <= PL_MEDIA_VALUE_MAX &&
        media_bytes(m, payload.at, payload.n, PL_MEDIA_VALUE_MAX, &packet)) {
        media_add_xmp_bytes(m, carrier, packet, payload, frame, flags);
        return;
    }
    it = media_add(m, PL_MEDIA_XMP, carrier, payload, frame);
    if (it)
        it->flags |= flags | (payload.n > PL_MEDIA_VALUE_MAX ? PL_MEDIA_TOO_LONG : PL_MEDIA_CUT);
    if (payload.n > PL_MEDIA_VALUE_MAX)
        media_skip(m, "xmp.unread", frame.at, "an XMP packet is too long to be read");
    else
        media_note(m, "xmp.unread", frame.at, "an XMP packet is cut off");
}

/* --- text and compressed data -------------------------------------------------------------------- */

bool media_latin1(pl_media *m, pl_str in, pl_str *out)
{
    char  *p = in.n > SIZE_MAX / 2 - 1 ? NULL : pl_arena_alloc(m->arena, in.n * 2 + 1);
    size_t n = 0;

    if (!p)
        return false;
    for (size_t i = 0; i < in.n; i++)
        n += (size_t)pl_utf8_encode((uint8_t)in.p[i], p + n);
    *out = (pl_str){ p, n };
    return true;
}

bool media_utf16(pl_media *m, pl_str in, bool big, pl_str *out)
{
    const uint8_t *s = (const uint8_t *)in.p;
    size_t         units = in.n / 2, i = 0, n = 0;
    char          *p = pl_arena_alloc(m->arena, units * 3 + 4);

    if (!p)
        return false;
    if (units && ((s[0] == 0xFF && s[1] == 0xFE) || (s[0] == 0xFE && s[1] == 0xFF))) {
        big = s[0] == 0xFE;
        i = 1;
    }
    for (; i < units; i++) {
        uint32_t c = big ? (uint32_t)(s[2 * i] << 8 | s[2 * i + 1])
                         : (uint32_t)(s[2 * i + 1] << 8 | s[2 * i]);
        if (c >= 0xD800 && c < 0xDC00 && i + 1 < units) {
            uint32_t d = big ? (uint32_t)(s[2 * i + 2] << 8 | s[2 * i + 3])
                             : (uint32_t)(s[2 * i + 3] << 8 | s[2 * i + 2]);
            if (d >= 0xDC00 && d < 0xE000) {
                c = 0x10000 + ((c - 0xD800) << 10) + (d - 0xDC00);
                i++;
            }
        }
        if (c >= 0xD800 && c < 0xE000)
            c = 0xFFFD;
        if (c == 0)
            break;
        n += (size_t)pl_utf8_encode(c, p + n);
    }
    *out = (pl_str){ p, n };
    return true;
}

bool media_inflate(pl_media *m, pl_str in, bool raw, size_t max, pl_str *out)
{
    z_stream z = { 0 };
    pl_buf   b = PL_BUF_INIT(max);
    char     piece[16384];
    int      zrc;
    bool     ok = false;

    if (in.n > UINT32_MAX || inflateInit2(&z, raw ? -15 : 15) != Z_OK)
        return false;
    z.next_in = (Bytef *)(uintptr_t)in.p;
    z.avail_in = (uInt)in.n;
    do {
        z.next_out = (Bytef *)piece;
        z.avail_out = sizeof piece;
        zrc = inflate(&z, Z_NO_FLUSH);
        pl_buf_put(&b, (pl_str){ piece, sizeof piece - z.avail_out });
        if (b.n > (64u << 10) && b.n / INFLATE_RATIO > in.n)
            b.failed = true;
    } while (zrc == Z_OK && !b.failed);
    (void)inflateEnd(&z);
    if (zrc == Z_STREAM_END && !b.failed) {
        char *p = pl_arena_dup(m->arena, pl_buf_str(&b));
        if (p) {
            *out = (pl_str){ p, b.n };
            ok = true;
        }
    }
    pl_buf_done(&b);
    return ok;
}

uint32_t media_crc32(pl_str a)
{
    uLong c = crc32(0, NULL, 0);

    while (a.n > 0) {
        uInt k = a.n > (1u << 30) ? 1u << 30 : (uInt)a.n;
        c = crc32(c, (const Bytef *)a.p, k);
        a = (pl_str){ a.p + k, a.n - k };
    }
    return (uint32_t)c;
}
