#include "base/banned.h"

#include <zlib.h>

#include "engine/media/zip.h"

#define EOCD_MIN 22u

static uint16_t rd_le16(const uint8_t *p)
{
    return (uint16_t)(p[1] << 8 | p[0]);
}

/* The end record is the last one whose comment reaches to the end of the file. */
static bool find_eocd(pl_media *m, uint64_t *at, uint8_t out[EOCD_MIN])
{
    uint64_t n = m->io.size < EOCD_MIN + 65535u ? m->io.size : EOCD_MIN + 65535u;
    pl_str   tail;

    if (n < EOCD_MIN || !media_bytes(m, m->io.size - n, n, EOCD_MIN + 65536, &tail))
        return false;
    for (size_t i = tail.n - EOCD_MIN + 1; i-- > 0;)
        if (memcmp(tail.p + i, "PK\5\6", 4) == 0 &&
            rd_le16((const uint8_t *)tail.p + i + 20) == tail.n - i - EOCD_MIN) {
            *at = m->io.size - n + i;
            memcpy(out, tail.p + i, EOCD_MIN);
            return true;
        }
    return false;
}

static int by_offset(const void *a, const void *b)
{
    const zip_entry *const *x = a, *const *y = b;

    return (*x)->at < (*y)->at ? -1 : (*x)->at > (*y)->at;
}

/* Where each record ends: at the next one, or at the directory. */
static bool ends(pl_media *m, zip_dir *d)
{
    zip_entry **s = pl_arena_alloc(m->arena, d->n * sizeof *s);

    if (!s) {
        media_nomem(m);
        return false;
    }
    for (size_t i = 0; i < d->n; i++)
        s[i] = &d->entry[i];
    qsort(s, d->n, sizeof *s, by_offset);
    for (size_t i = 0; i < d->n; i++) {
        s[i]->end = i + 1 < d->n ? s[i + 1]->at : d->at;
        if (s[i]->end <= s[i]->at || s[i]->end - s[i]->at < 30 || s[i]->end - s[i]->at - 30 < s[i]->packed) {
            media_stop(m, PL_MEDIA_MALFORMED, "zip.overlap", s[i]->at, "records of the archive overlap");
            return false;
        }
    }
    return true;
}

static bool directory(pl_media *m, zip_dir *d, pl_str dir, size_t count)
{
    size_t at = 0;

    d->entry = pl_arena_alloc(m->arena, (count + 1) * sizeof *d->entry);
    if (!d->entry) {
        media_nomem(m);
        return false;
    }
    for (d->n = 0; d->n < count; d->n++) {
        const uint8_t *p = (const uint8_t *)dir.p + at;
        zip_entry     *e = &d->entry[d->n];
        size_t         n;
        if (!media_step(m) || dir.n - at < 46 || memcmp(p, "PK\1\2", 4) != 0)
            return false;
        n = 46u + rd_le16(p + 28) + rd_le16(p + 30) + rd_le16(p + 32);
        if (n > dir.n - at)
            return false;
        *e = (zip_entry){ .name = { dir.p + at + 46, rd_le16(p + 28) }, .flags = rd_le16(p + 8),
                          .method = rd_le16(p + 10), .time = rd_le16(p + 12), .date = rd_le16(p + 14),
                          .crc = rd_le32(p + 16), .packed = rd_le32(p + 20), .size = rd_le32(p + 24),
                          .at = rd_le32(p + 42), .central = { dir.p + at, n } };
        if (e->at == UINT32_MAX || e->packed == UINT32_MAX || e->size == UINT32_MAX)
            d->is_zip64 = true;
        else if (e->at >= d->at)
            return false;
        at += n;
    }
    return d->is_zip64 || ends(m, d);
}

bool zip_open(pl_media *m, zip_dir *d)
{
    uint8_t  e[EOCD_MIN];
    pl_str   dir;
    size_t   count;

    if (!find_eocd(m, &d->eocd_at, e)) {
        if (m->rc == PL_OK)
            media_stop(m, PL_MEDIA_TRUNCATED, "zip.end", m->io.size, "the archive has no end record");
        return false;
    }
    count = rd_le16(e + 10);
    d->size = rd_le32(e + 12);
    d->at = rd_le32(e + 16);
    if (count == 0xFFFF || d->at == UINT32_MAX || d->size == UINT32_MAX) {
        d->is_zip64 = true;
        media_stop(m, PL_MEDIA_UNSUPPORTED, "zip.zip64", d->eocd_at, "archives in the Zip64 form are not read");
        return false;
    }
    if (d->at > d->eocd_at || d->size > d->eocd_at - d->at ||
        !media_bytes(m, d->at, d->size, PL_MEDIA_MEMORY_MAX / 4, &dir)) {
        media_stop(m, PL_MEDIA_MALFORMED, "zip.directory", d->eocd_at, "the directory of the archive is not where it should be");
        return false;
    }
    if (!directory(m, d, dir, count)) {
        if (m->rc == PL_OK)
            media_stop(m, PL_MEDIA_MALFORMED, "zip.directory", d->at, "the directory of the archive is broken");
        return false;
    }
    if (d->is_zip64)
        media_stop(m, PL_MEDIA_UNSUPPORTED, "zip.zip64", d->at, "archives in the Zip64 form are not read");
    return !d->is_zip64;
}

const zip_entry *zip_find(pl_media *m, const zip_dir *d, const char *name)
{
    const zip_entry *e = NULL;

    for (size_t i = 0; i < d->n; i++)
        if (d->entry[i].name.n == strlen(name) && strncasecmp(d->entry[i].name.p, name, d->entry[i].name.n) == 0) {
            if (e) {
                media_stop(m, PL_MEDIA_AMBIGUOUS, "zip.duplicate", d->entry[i].at, "a part stands twice in the archive");
                return e;
            }
            e = &d->entry[i];
        }
    return e;
}

bool zip_part(pl_media *m, const zip_entry *e, pl_str *out)
{
    uint8_t  h[30];
    uint64_t body;
    pl_str   packed, name;

    if (e->flags & 1) {
        media_stop(m, PL_MEDIA_ENCRYPTED, "zip.encrypted", e->at, "a part of the archive is encrypted");
        return false;
    }
    if (!media_get(m, e->at, h, 30) || memcmp(h, "PK\3\4", 4) != 0) {
        media_stop(m, PL_MEDIA_MALFORMED, "zip.local", e->at, "a record of the archive is missing");
        return false;
    }
    body = e->at + 30 + rd_le16(h + 26) + rd_le16(h + 28);
    if (rd_le16(h + 26) != e->name.n || !media_bytes(m, e->at + 30, e->name.n, 65536, &name) ||
        !pl_str_eq(name, e->name) || rd_le16(h + 8) != e->method ||
        (!(e->flags & 8) && (rd_le32(h + 18) != e->packed || rd_le32(h + 22) != e->size))) {
        media_stop(m, PL_MEDIA_AMBIGUOUS, "zip.mismatch", e->at, "directory and record of a part contradict each other");
        return false;
    }
    if (e->size > ZIP_PART_MAX || body > e->end || e->packed > e->end - body ||
        !media_bytes(m, body, e->packed, ZIP_PART_MAX, &packed)) {
        media_skip(m, "zip.part", e->at, "a part is too long to be read");
        return false;
    }
    if (e->method == 0) {
        *out = packed;
    } else if (e->method != 8 || !media_inflate(m, packed, true, ZIP_PART_MAX, out)) {
        media_skip(m, "zip.part", e->at, "a part cannot be unpacked, or unpacks to too much");
        return false;
    }
    if (out->n != e->size || media_crc32(*out) != e->crc) {
        media_note(m, "zip.crc", e->at, "a part does not match its checksum");
        return false;
    }
    return true;
}

/* --- writing ---------------------------------------------------------------------------------- */

static void put_le16(pl_buf *b, uint32_t v)
{
    pl_buf_putc(b, (char)v);
    pl_buf_putc(b, (char)(v >> 8));
}

static bool deflate_part(pl_str in, pl_buf *out)
{
    z_stream z = { 0 };
    char     piece[16384];
    int      rc;

    if (deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return false;
    z.next_in = (Bytef *)(uintptr_t)in.p;
    z.avail_in = (uInt)in.n;
    do {
        z.next_out = (Bytef *)piece;
        z.avail_out = sizeof piece;
        rc = deflate(&z, Z_FINISH);
        pl_buf_put(out, (pl_str){ piece, sizeof piece - z.avail_out });
    } while (rc == Z_OK);
    (void)deflateEnd(&z);
    return rc == Z_STREAM_END && !out->failed;
}

/* What local and central record share, from "version needed" to the extra field's length. */
static void put_common(pl_buf *b, const zip_entry *old, const zip_change *c, uint32_t crc, size_t packed)
{
    put_le16(b, 20);
    put_le16(b, old ? old->flags & 0x0800u : 0);
    put_le16(b, 8);
    put_le16(b, old ? old->time : 0);
    put_le16(b, old && old->date ? old->date : 0x0021); /* 1980-01-01: no clock here */
    buf_le32(b, crc);
    buf_le32(b, (uint32_t)packed);
    buf_le32(b, (uint32_t)c->content.n);
    put_le16(b, (uint32_t)strlen(c->name));
    put_le16(b, 0);
}

static void put_central(pl_buf *dir, const zip_entry *old, const zip_change *c, uint32_t crc, size_t packed, uint64_t at)
{
    pl_buf_put(dir, (pl_str){ "PK\1\2\x14\0", 6 });
    put_common(dir, old, c, crc, packed);
    put_le16(dir, 0);
    put_le16(dir, 0);
    put_le16(dir, 0);
    buf_le32(dir, 0);
    buf_le32(dir, (uint32_t)at);
    pl_buf_puts(dir, c->name);
}

static const zip_change *change_of(pl_str name, const zip_change *c, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (name.n == strlen(c[i].name) && strncasecmp(name.p, c[i].name, name.n) == 0)
            return &c[i];
    return NULL;
}

static void keep_central(pl_media_plan *p, pl_buf *dir, const zip_entry *e)
{
    size_t   from = dir->n;
    uint64_t at = e->at + (uint64_t)plan_shift(p, e->at);

    pl_buf_put(dir, e->central);
    if (!dir->failed)
        for (unsigned k = 0; k < 4; k++)
            dir->p[from + 42 + k] = (char)(at >> (8 * k));
}

pl_rc zip_change_plan(pl_media_plan *p, const zip_dir *d, const zip_change *c, size_t n, pl_error *err)
{
    pl_buf   local = PL_BUF_INIT(ZIP_PART_MAX * 2), dir = PL_BUF_INIT(PL_MEDIA_MEMORY_MAX);
    pl_buf   packed = PL_BUF_INIT(ZIP_PART_MAX), fresh = PL_BUF_INIT(1u << 20);
    size_t   entries = 0, added = 0;
    uint64_t at;
    pl_rc    rc = PL_OK;

    for (size_t i = 0; i < d->n; i++)
        if (change_of(d->entry[i].name, c, n))
            plan_replace(p, d->entry[i].at, d->entry[i].end - d->entry[i].at, (pl_str){ "", 0 });
    at = d->at + (uint64_t)plan_shift(p, d->at);
    for (size_t i = 0; i < d->n; i++)
        if (!change_of(d->entry[i].name, c, n)) {
            keep_central(p, &dir, &d->entry[i]);
            entries++;
        }
    for (size_t i = 0; i < n && rc == PL_OK; i++) {
        const zip_entry *old = NULL;
        uint32_t         crc = media_crc32(c[i].content);
        for (size_t k = 0; k < d->n && !old; k++)
            if (change_of(d->entry[k].name, &c[i], 1))
                old = &d->entry[k];
        pl_buf_clear(&packed);
        if (!deflate_part(c[i].content, &packed))
            rc = pl_fail(err, PL_LIMIT, "a part of the document is too long");
        put_central(&fresh, old, &c[i], crc, packed.n, at + local.n);
        pl_buf_put(&local, (pl_str){ "PK\3\4", 4 });
        put_common(&local, old, &c[i], crc, packed.n);
        pl_buf_puts(&local, c[i].name);
        pl_buf_put(&local, pl_buf_str(&packed));
        added++;
    }
    pl_buf_put(&dir, pl_buf_str(&fresh));
    if (rc == PL_OK && (entries + added >= 0xFFFF || at + local.n + dir.n >= UINT32_MAX))
        rc = pl_fail(err, PL_LIMIT, "the archive would need the Zip64 form");
    if (rc == PL_OK) {
        size_t  size = dir.n;
        pl_buf_put(&local, pl_buf_str(&dir));
        plan_replace(p, d->at, d->size, pl_buf_str(&local));
        pl_buf_clear(&dir);
        put_le16(&dir, (uint32_t)(entries + added));
        put_le16(&dir, (uint32_t)(entries + added));
        buf_le32(&dir, (uint32_t)size);
        buf_le32(&dir, (uint32_t)(at + local.n - size));
        plan_replace(p, d->eocd_at + 8, 12, pl_buf_str(&dir));
        rc = local.failed || dir.failed ? pl_fail(err, PL_LIMIT, "the archive's directory is too large") : PL_OK;
    }
    pl_buf_done(&local);
    pl_buf_done(&dir);
    pl_buf_done(&packed);
    pl_buf_done(&fresh);
    return rc;
}
