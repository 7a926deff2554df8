/* Vorbis comments, and FLAC which keeps them in a metadata block (RFC 9639 §8.6).
 * REQ: TC260-PG-202510A/flac */
#include "base/banned.h"

#include "engine/media/media_int.h"

#define BLOCK_MAX 0xFFFFFFu

/* The next comment of a block whose counts were checked against its bytes. */
static bool comment_next(pl_str block, size_t *at, pl_str *out)
{
    uint32_t n;

    if (block.n - *at < 4)
        return false;
    n = rd_le32((const uint8_t *)block.p + *at);
    if (n > block.n - *at - 4)
        return false;
    *out = (pl_str){ block.p + *at + 4, n };
    *at += 4 + (size_t)n;
    return true;
}

/* vendor length, vendor, count: the place of the count. */
static bool count_at(pl_str block, size_t *at)
{
    uint32_t vendor;

    if (block.n < 8)
        return false;
    vendor = rd_le32((const uint8_t *)block.p);
    if (vendor > block.n - 8)
        return false;
    *at = 4 + (size_t)vendor;
    return true;
}

bool media_vorbis_scan(pl_media *m, const char *carrier, pl_str block, uint64_t file_at)
{
    size_t   at;
    uint32_t count;
    pl_str   c;

    if (!count_at(block, &at))
        return false;
    (void)media_add_text(m, carrier, PL_STR("vendor"), (pl_str){ block.p + 4, at - 4 },
                         range_of(file_at + 4, at - 4), range_of(file_at, at), HOW_FORMAT);
    count = rd_le32((const uint8_t *)block.p + at);
    at += 4;
    for (uint32_t i = 0; i < count; i++) {
        size_t      from = at;
        const char *eq;
        if (!media_step(m) || !comment_next(block, &at, &c)) {
            media_note(m, "vorbis.count", file_at + from, "there are fewer comments than the block says");
            return true;
        }
        eq = memchr(c.p, '=', c.n);
        if (eq && c.n <= LABEL_VALUE_MAX)
            (void)media_add_text(m, carrier, (pl_str){ c.p, (size_t)(eq - c.p) },
                                 (pl_str){ eq + 1, c.n - (size_t)(eq + 1 - c.p) },
                                 range_of(file_at + from + 4, c.n), range_of(file_at + from, 4 + (uint64_t)c.n),
                                 HOW_FORMAT);
    }
    return true;
}

pl_rc media_vorbis_edit(pl_str block, pl_str label, pl_buf *out, pl_error *err)
{
    size_t   at, count_in_out;
    uint32_t count, kept = 0;
    pl_str   c;

    if (!count_at(block, &at))
        return pl_fail(err, PL_INVALID, "the block of comments is cut off");
    count = rd_le32((const uint8_t *)block.p + at);
    pl_buf_put(out, (pl_str){ block.p, at });
    count_in_out = out->n;
    buf_le32(out, 0);
    at += 4;
    for (uint32_t i = 0; i < count && comment_next(block, &at, &c); i++) {
        const char *eq = memchr(c.p, '=', c.n);
        pl_str      key = { c.p, eq ? (size_t)(eq - c.p) : 0 };
        pl_str      value = { eq ? eq + 1 : c.p, eq ? c.n - key.n - 1 : 0 };
        if (eq && media_looks_label(key, value))
            continue;
        buf_le32(out, (uint32_t)c.n);
        pl_buf_put(out, c);
        kept++;
    }
    buf_le32(out, (uint32_t)(5 + label.n));
    pl_buf_puts(out, "AIGC=");
    pl_buf_put(out, label);
    kept++;
    if (!out->failed)
        for (int i = 0; i < 4; i++)
            out->p[count_in_out + (size_t)i] = (char)(kept >> (8 * i));
    pl_buf_put(out, (pl_str){ block.p + at, block.n - at }); /* the framing bit, padding */
    return pl_buf_check(out, err);
}

/* --- FLAC ----------------------------------------------------------------------------------------- */

typedef struct flac_layout {
    uint64_t magic_at;              /* of fLaC, behind an ID3 tag */
    uint64_t comment_at, comment_n; /* whole block with its header; n 0: none */
    uint64_t first_end;             /* behind STREAMINFO */
    uint64_t padding_at, padding_n; /* payload of the largest PADDING block */
    bool     padding_last, comment_last, info_last;
} flac_layout;

static void scan(pl_media *m)
{
    flac_layout *l = pl_arena_alloc(m->arena, sizeof *l);
    uint64_t     at = 0;
    uint8_t      h[4];
    bool         last = false;

    if (!l)
        return media_nomem(m);
    m->layout = l;
    if (media_get(m, 0, h, 4) && memcmp(h, "ID3", 3) == 0 && !media_id3_scan(m, 0, m->io.size, &at))
        return;
    l->magic_at = at;
    at += 4;
    while (!last && media_step(m)) {
        uint64_t n;
        pl_str   block;
        if (!media_get(m, at, h, 4))
            break;
        last = (h[0] & 0x80) != 0;
        n = (uint64_t)h[1] << 16 | (uint64_t)h[2] << 8 | h[3];
        if (n > m->io.size - at - 4)
            break;
        if (((h[0] & 0x7F) == 0) != (at == l->magic_at + 4))
            return media_stop(m, PL_MEDIA_MALFORMED, "flac.streaminfo", at,
                              "the block that describes the stream is missing or repeated");
        if ((h[0] & 0x7F) == 0) {
            l->first_end = at + 4 + n;
            l->info_last = last;
        }
        if ((h[0] & 0x7F) == 1 && n >= l->padding_n) {
            l->padding_at = at + 4;
            l->padding_n = n;
            l->padding_last = last;
        }
        if ((h[0] & 0x7F) == 4 && l->comment_n == 0) {
            l->comment_at = at;
            l->comment_n = n + 4;
            l->comment_last = last;
            if (!media_bytes(m, at + 4, n, PL_MEDIA_VALUE_MAX * 4, &block) ||
                !media_vorbis_scan(m, "flac.comment", block, at + 4))
                media_note(m, "flac.comment", at, "the block of comments is cut or too long");
        } else if ((h[0] & 0x7F) == 4) {
            media_note(m, "flac.comment", at, "a second block of comments");
        }
        at += 4 + n;
        if (last && at < m->io.size && l->first_end)
            return;
    }
    if (m->rc == PL_OK)
        media_stop(m, PL_MEDIA_TRUNCATED, "flac.block", at, "the file ends inside its metadata blocks");
}

static pl_rc put_comment(pl_media_plan *p, const flac_layout *l, pl_str label, pl_error *err)
{
    pl_buf   body = PL_BUF_INIT(BLOCK_MAX), b = PL_BUF_INIT(BLOCK_MAX + 8);
    pl_str   old = PL_STR("\x09\0\0\0Plumbline\0\0\0\0");
    bool     last = l->comment_n ? l->comment_last : l->info_last;
    uint64_t at = l->comment_n ? l->comment_at : l->first_end;
    pl_rc    rc = PL_OK;

    if (l->comment_n && !media_bytes(p->m, l->comment_at + 4, l->comment_n - 4, PL_MEDIA_VALUE_MAX * 4, &old))
        return pl_fail(err, PL_LIMIT, "the block of comments is too long");
    rc = media_vorbis_edit(old, label, &body, err);
    pl_buf_putc(&b, (char)(4 | (last ? 0x80 : 0)));
    pl_buf_putc(&b, (char)(body.n >> 16));
    buf_be16(&b, (uint32_t)(body.n & 0xFFFF));
    pl_buf_put(&b, pl_buf_str(&body));
    if (rc == PL_OK)
        rc = pl_buf_check(&b, err);
    if (rc == PL_OK) {
        uint64_t grown = b.n > l->comment_n ? b.n - l->comment_n : 0;
        plan_replace(p, at, l->comment_n, pl_buf_str(&b));
        if (!l->comment_n && l->info_last) /* STREAMINFO is no longer the last block */
            plan_replace(p, l->magic_at + 4, 1, (pl_str){ "\0", 1 });
        if (grown && l->padding_n >= grown) { /* the padding gives way: the samples stay */
            uint64_t n = l->padding_n - grown;
            char     h[4] = { (char)(1 | (l->padding_last ? 0x80 : 0)), (char)(n >> 16), (char)(n >> 8), (char)n };
            plan_replace(p, l->padding_at - 4, 4 + grown, (pl_str){ h, 4 });
        }
    }
    pl_buf_done(&body);
    pl_buf_done(&b);
    return rc;
}

static pl_rc plan(pl_media *m, const pl_media_edit *e, pl_media_plan *p, pl_error *err)
{
    const flac_layout *l = m->layout;
    pl_rc              rc = PL_OK;

    if (e->c2pa.n || e->drop_c2pa) {
        pl_media_edit only = { .c2pa = e->c2pa, .drop_c2pa = e->drop_c2pa };
        rc = media_id3_edit(m, &only, p, 0, err);
    }
    if (rc == PL_OK && e->label.n) {
        p->carrier = "flac.comment";
        rc = put_comment(p, l, e->label, err);
        if (rc == PL_OK)
            rc = plan_drop_labels(p, NULL, err);
    }
    return rc;
}

const media_ops media_flac = { scan, plan };
