/* Ogg (RFC 3533) with Vorbis or Opus (RFC 7845): the comment header is the second packet of
 * its stream. The header pages are made anew; when their number changes, the pages behind
 * them get new numbers and checksums. REQ: TC260-PG-202510A/ogg */
#include "base/banned.h"

#include "engine/media/media_int.h"

#define HEADER_MAX (16u << 20)
#define PAGE_BODY  (255u * 255u)
#define PAGES_MAX  (1u << 20)

typedef struct ogg_page {
    uint64_t at, body, end;
    uint32_t serial, sequence;
    uint8_t  flags, segments;
    uint8_t  lacing[255];
} ogg_page;

typedef struct ogg_layout {
    uint32_t serial, first_sequence, next_sequence;
    bool     is_opus;
    unsigned header_packets; /* behind the first page: 2 for Vorbis, 1 for Opus */
    uint64_t page_at[1024], page_end[1024]; /* the header pages behind the first */
    size_t   pages;
    pl_str   packets;        /* their packets, one after the other */
    size_t   packet_n[2];
    uint64_t after;          /* behind the last header page */
    bool     complete;
} ogg_layout;

static uint32_t crc_of(uint32_t crc, const uint8_t *p, size_t n)
{
    static _Thread_local uint32_t table[256];

    if (table[1] == 0)
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t c = i << 24;
            for (int k = 0; k < 8; k++)
                c = c & 0x80000000u ? c << 1 ^ 0x04C11DB7u : c << 1;
            table[i] = c;
        }
    for (size_t i = 0; i < n; i++)
        crc = crc << 8 ^ table[crc >> 24 ^ p[i]];
    return crc;
}

static bool page_at(pl_media *m, uint64_t at, ogg_page *p)
{
    uint8_t h[27];

    if (!media_step(m) || !media_get(m, at, h, 27) || memcmp(h, "OggS", 4) != 0 || h[4] != 0)
        return false;
    p->at = at;
    p->flags = h[5];
    p->serial = rd_le32(h + 14);
    p->sequence = rd_le32(h + 18);
    p->segments = h[26];
    if (!media_get(m, at + 27, p->lacing, p->segments))
        return false;
    p->body = at + 27 + p->segments;
    p->end = p->body;
    for (unsigned i = 0; i < p->segments; i++)
        p->end += p->lacing[i];
    return p->end <= m->io.size;
}

/* Takes the packets of one header page; true while more are wanted. */
static bool take_page(pl_media *m, ogg_layout *l, const ogg_page *p, pl_buf *all, unsigned *packet)
{
    pl_str body;
    size_t at = 0;

    if (l->pages >= 1024 || !media_bytes(m, p->body, p->end - p->body, PAGE_BODY, &body))
        return false;
    l->page_at[l->pages] = p->at;
    l->page_end[l->pages++] = p->end;
    if (l->pages == 1)
        l->first_sequence = p->sequence;
    l->next_sequence = p->sequence + 1;
    l->after = p->end;
    for (unsigned i = 0; i < p->segments && *packet < l->header_packets; i++) {
        pl_buf_put(all, (pl_str){ body.p + at, p->lacing[i] });
        l->packet_n[*packet] += p->lacing[i];
        at += p->lacing[i];
        if (p->lacing[i] < 255)
            (*packet)++;
    }
    if (*packet == l->header_packets)
        l->complete = at == p->end - p->body; /* samples begin on a page of their own */
    return *packet < l->header_packets;
}

static void comments(pl_media *m, ogg_layout *l)
{
    const char *magic = l->is_opus ? "OpusTags" : "\x03vorbis";
    size_t      k = strlen(magic);
    const char *carrier = l->is_opus ? "opus.comment" : "ogg.comment";

    if (l->packet_n[0] < k || memcmp(l->packets.p, magic, k) != 0 ||
        !media_vorbis_scan(m, carrier, (pl_str){ l->packets.p + k, l->packet_n[0] - k }, l->page_at[0]))
        media_stop(m, PL_MEDIA_MALFORMED, "ogg.comment", l->page_at[0], "the comment header is broken");
}

static void check_crc(pl_media *m, const ogg_page *p)
{
    pl_str   all;
    uint32_t stored;
    static const uint8_t zero[4];
    uint32_t crc;

    if (!media_bytes(m, p->at, p->end - p->at, PAGE_BODY + 300, &all))
        return;
    stored = rd_le32((const uint8_t *)all.p + 22);
    crc = crc_of(0, (const uint8_t *)all.p, 22);
    crc = crc_of(crc, zero, 4);
    crc = crc_of(crc, (const uint8_t *)all.p + 26, all.n - 26);
    if (crc != stored)
        media_note(m, "ogg.crc", p->at, "the checksum of a header page is wrong");
}

static bool first_page(pl_media *m, ogg_layout *l, const ogg_page *p)
{
    char head[8] = { 0 };

    if (!(p->flags & 2) || p->end - p->body < 8 || !media_get(m, p->body, head, 8))
        return false;
    l->is_opus = memcmp(head, "OpusHead", 8) == 0;
    if (!l->is_opus && memcmp(head, "\x01vorbis", 7) != 0)
        return false;
    l->serial = p->serial;
    l->header_packets = l->is_opus ? 1 : 2;
    return true;
}

static void scan(pl_media *m)
{
    ogg_layout *l = pl_arena_alloc(m->arena, sizeof *l);
    pl_buf      all = PL_BUF_INIT(HEADER_MAX);
    ogg_page    p;
    uint64_t    at = 0;
    unsigned    packet = 0;
    bool        more = true;

    if (!l)
        return media_nomem(m);
    m->layout = l;
    for (; more && page_at(m, at, &p); at = p.end) {
        if (!l->header_packets)
            (void)first_page(m, l, &p);
        else if (p.serial == l->serial) {
            check_crc(m, &p);
            more = take_page(m, l, &p, &all, &packet);
        }
    }
    if (packet < l->header_packets || l->header_packets == 0) {
        if (m->rc == PL_OK)
            media_stop(m, l->header_packets || (m->io.size < 4096 && at == 0) ? PL_MEDIA_TRUNCATED : PL_MEDIA_UNSUPPORTED, "ogg.header",
                       at, l->header_packets ? "the comment header is cut off" : "no Vorbis or Opus stream begins here");
    } else {
        char *copy = pl_arena_dup(m->arena, pl_buf_str(&all));
        if (!copy) {
            media_nomem(m);
        } else {
            l->packets = (pl_str){ copy, all.n };
            comments(m, l);
        }
    }
    pl_buf_done(&all);
    if (m->flags & PL_MEDIA_QUICK)
        return;
    while (m->state == PL_MEDIA_WHOLE && at < m->io.size) { /* the rest: is it whole? */
        if (!page_at(m, at, &p)) {
            if (m->rc == PL_OK)
                media_stop(m, PL_MEDIA_TRUNCATED, "ogg.page", at, "the file ends inside a page");
            return;
        }
        at = p.end;
    }
}

/* --- writing ---------------------------------------------------------------------------------- */

static void put_page(pl_buf *out, const ogg_layout *l, uint32_t sequence, bool continued, pl_str lacing,
                     pl_str body)
{
    size_t   from = out->n;
    bool     ends = false;
    uint32_t crc;

    for (size_t i = 0; i < lacing.n; i++)
        ends |= (uint8_t)lacing.p[i] < 255;
    pl_buf_put(out, (pl_str){ "OggS\0", 5 });
    pl_buf_putc(out, continued ? 1 : 0);
    for (int i = 0; i < 8; i++) /* granule position: 0, or none when no packet ends here */
        pl_buf_putc(out, ends ? 0 : (char)0xFF);
    buf_le32(out, l->serial);
    buf_le32(out, sequence);
    buf_le32(out, 0);
    pl_buf_putc(out, (char)lacing.n);
    pl_buf_put(out, lacing);
    pl_buf_put(out, body);
    if (out->failed)
        return;
    crc = crc_of(0, (uint8_t *)out->p + from, out->n - from);
    for (int i = 0; i < 4; i++)
        out->p[from + 22 + (size_t)i] = (char)(crc >> (8 * i));
}

/* Cuts packets into pages; gives how many. */
static uint32_t put_pages(pl_buf *out, const ogg_layout *l, const pl_str *packet, size_t packets)
{
    char     lacing[255];
    size_t   n = 0, k;
    uint32_t pages = 0;
    pl_buf   body = PL_BUF_INIT(PAGE_BODY);
    bool     continued = false, next_continued;

    for (size_t i = 0; i < packets; i++)
        for (size_t at = 0;; at += k) {
            k = packet[i].n - at < 255 ? packet[i].n - at : 255;
            if (n == 255) {
                next_continued = (uint8_t)lacing[254] == 255;
                put_page(out, l, l->first_sequence + pages++, continued, (pl_str){ lacing, n }, pl_buf_str(&body));
                continued = next_continued;
                n = 0;
                pl_buf_clear(&body);
            }
            lacing[n++] = (char)k;
            pl_buf_put(&body, (pl_str){ packet[i].p + at, k });
            if (k < 255)
                break;
        }
    put_page(out, l, l->first_sequence + pages++, continued, (pl_str){ lacing, n }, pl_buf_str(&body));
    out->failed |= body.failed;
    pl_buf_done(&body);
    return pages;
}

/* Sequence number and checksum of one page. The checksum is linear: what changes in it is the
 * checksum of the change, carried over the bytes behind it. */
static bool renumber(pl_media_plan *p, const ogg_page *g, uint32_t sequence)
{
    static const uint8_t zeros[256];
    uint8_t  change[4], h[8];
    uint32_t crc, stored;
    uint64_t rest = g->end - g->at - 22;

    for (int i = 0; i < 4; i++)
        change[i] = (uint8_t)((g->sequence ^ sequence) >> (8 * i));
    crc = crc_of(0, change, 4);
    for (; rest > 0; rest -= rest < 256 ? rest : 256)
        crc = crc_of(crc, zeros, rest < 256 ? (size_t)rest : 256);
    if (!media_le32(p->m, g->at + 22, &stored))
        return false;
    crc ^= stored;
    for (int i = 0; i < 4; i++) {
        h[i] = (uint8_t)(sequence >> (8 * i));
        h[4 + i] = (uint8_t)(crc >> (8 * i));
    }
    plan_replace(p, g->at + 18, 8, (pl_str){ (char *)h, 8 });
    return true;
}

static pl_rc renumber_all(pl_media_plan *p, const ogg_layout *l, uint32_t by, pl_error *err)
{
    uint64_t at = l->after;
    size_t   pages = 0;
    ogg_page g;

    p->m->walked = 0;
    while (at < p->m->io.size) {
        if (!page_at(p->m, at, &g))
            return pl_fail(err, PL_INVALID, "a page at byte %llu cannot be read", (unsigned long long)at);
        if (g.serial == l->serial && (!renumber(p, &g, g.sequence + by) || ++pages > PAGES_MAX))
            return pl_fail(err, PL_LIMIT, "the file has more pages than can be numbered anew");
        at = g.end;
    }
    return PL_OK;
}

static pl_rc plan(pl_media *m, const pl_media_edit *e, pl_media_plan *p, pl_error *err)
{
    const ogg_layout *l = m->layout;
    size_t            k = l->is_opus ? 8 : 7;
    pl_buf            packet = PL_BUF_INIT(HEADER_MAX), out = PL_BUF_INIT(HEADER_MAX + (1u << 20));
    pl_rc             rc = PL_OK;

    if (e->c2pa.n)
        return pl_fail(err, PL_NOTFOUND, "an Ogg file has no place for a manifest");
    if (e->label.n == 0)
        return PL_OK;
    if (!l->complete)
        return pl_fail(err, PL_INVALID, "samples share a page with the comment header");
    p->carrier = l->is_opus ? "opus.comment" : "ogg.comment";
    pl_buf_put(&packet, (pl_str){ l->packets.p, k });
    rc = media_vorbis_edit((pl_str){ l->packets.p + k, l->packet_n[0] - k }, e->label, &packet, err);
    if (rc == PL_OK) {
        pl_str   all[2] = { pl_buf_str(&packet), { l->packets.p + l->packet_n[0], l->packet_n[1] } };
        uint32_t pages = put_pages(&out, l, all, l->header_packets);
        rc = pl_buf_check(&out, err);
        for (size_t i = 0; rc == PL_OK && i < l->pages; i++)
            plan_replace(p, l->page_at[i], l->page_end[i] - l->page_at[i], i == 0 ? pl_buf_str(&out) : (pl_str){ "", 0 });
        if (rc == PL_OK && pages != l->pages)
            rc = renumber_all(p, l, pages - (uint32_t)l->pages, err);
    }
    pl_buf_done(&packet);
    pl_buf_done(&out);
    return rc;
}

const media_ops media_ogg = { scan, plan };
