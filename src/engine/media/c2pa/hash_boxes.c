/* c2pa.hash.boxes: C2PA 2.x 18.7 and 15.12.3. For JPEG and PNG: names and order of their parts. */
#include "base/banned.h"

#include "engine/media/c2pa/c2pa_int.h"

enum { PARTS_MAX = 1 << 16, PIECE = 64 << 10 };

typedef struct part {
    char     name[8];
    uint64_t at, n;
} part;

typedef struct parts {
    const pl_media_io *io;
    part              *list;
    size_t             n;
    uint8_t           *piece; /* a window of the file, for single bytes */
    uint64_t           from;
    size_t             have;
    pl_error          *err;
} parts;

static bool add(parts *p, const char *name, uint64_t at, uint64_t n)
{
    part *last = p->n > 0 ? &p->list[p->n - 1] : NULL;

    /* The segments of a store count as one part. */
    if (last && strcmp(name, "C2PA") == 0 && strcmp(last->name, "C2PA") == 0) {
        last->n += n;
        return true;
    }
    if (p->n == PARTS_MAX)
        return false;
    p->list[p->n] = (part){ .at = at, .n = n };
    (void)snprintf(p->list[p->n].name, sizeof p->list[p->n].name, "%s", name);
    p->n++;
    return true;
}

/* The byte at `at`; -1 at the end and after a failure. */
static int byte_at(parts *p, uint64_t at, pl_rc *rc)
{
    if (at >= p->io->size || *rc != PL_OK)
        return -1;
    if (at < p->from || at - p->from >= p->have) {
        p->have = p->io->size - at < PIECE ? (size_t)(p->io->size - at) : PIECE;
        p->from = at;
        *rc = p->io->read(p->io->ctx, at, p->piece, p->have, p->err);
        if (*rc != PL_OK)
            return -1;
    }
    return p->piece[at - p->from];
}

/* --- JPEG ----------------------------------------------------------------------------------- */

static const char *marker_name(int m, char out[8])
{
    static const struct {
        int         marker;
        const char *name;
    } fixed[] = { { 0xC4, "DHT" }, { 0xC8, "JPG" }, { 0xCC, "DAC" }, { 0xD8, "SOI" }, { 0xD9, "EOI" },
                  { 0xDA, "SOS" }, { 0xDB, "DQT" }, { 0xDC, "DNL" }, { 0xDD, "DRI" }, { 0xDE, "DHP" },
                  { 0xDF, "EXP" }, { 0xFE, "COM" } };

    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        if (fixed[i].marker == m)
            return fixed[i].name;
    if (m >= 0xC0 && m <= 0xCF)
        (void)snprintf(out, 8, "SOF%d", m - 0xC0);
    else if (m >= 0xE0 && m <= 0xEF)
        (void)snprintf(out, 8, "APP%d", m - 0xE0);
    else
        (void)snprintf(out, 8, "0x%02x", (unsigned)m & 0xFF);
    return out;
}

/* Where the entropy-coded data of a scan ends: at the next marker that is no restart. */
static uint64_t scan_end(parts *p, uint64_t at, pl_rc *rc)
{
    int b;

    while ((b = byte_at(p, at, rc)) >= 0) {
        int next = b == 0xFF ? byte_at(p, at + 1, rc) : 0;

        if (b == 0xFF && next > 0 && next != 0xFF && (next < 0xD0 || next > 0xD7))
            return at;
        at++;
    }
    return at;
}

static bool is_store(parts *p, uint64_t at, uint64_t n, pl_rc *rc)
{
    /* FF EB, length, "JP", En, Z, LBox, TBox "jumb" */
    return n >= 20 && byte_at(p, at + 4, rc) == 'J' && byte_at(p, at + 5, rc) == 'P' &&
           byte_at(p, at + 16, rc) == 'j' && byte_at(p, at + 17, rc) == 'u';
}

static bool jpeg_parts(parts *p, pl_rc *rc)
{
    uint64_t at = 0;
    char     text[8];

    while (*rc == PL_OK && byte_at(p, at, rc) == 0xFF) {
        int         m = byte_at(p, at + 1, rc), hi, lo;
        uint64_t    n = 2;
        const char *name;

        if (m == 0xFF) { /* fill */
            at++;
            continue;
        }
        name = marker_name(m, text);
        if (m != 0xD8 && m != 0xD9 && m != 0x01) {
            hi = byte_at(p, at + 2, rc);
            lo = byte_at(p, at + 3, rc);
            if (hi < 0 || lo < 0 || (hi << 8 | lo) < 2)
                return false;
            n += (uint64_t)(hi << 8 | lo);
        }
        if (m == 0xDA)
            n = scan_end(p, at + n, rc) - at;
        if (n > p->io->size - at || !add(p, m == 0xEB && is_store(p, at, n, rc) ? "C2PA" : name, at, n))
            return false;
        at += n;
        if (m == 0xD9)
            return true;
    }
    return false;
}

/* --- PNG ------------------------------------------------------------------------------------- */

static bool png_parts(parts *p, pl_rc *rc)
{
    uint64_t at = 8;
    char     name[8] = { 0 };

    if (p->io->size < 8 || !add(p, "PNGh", 0, 8))
        return false;
    while (*rc == PL_OK && p->io->size - at >= 12) {
        uint64_t n = 0;

        for (unsigned i = 0; i < 4; i++) {
            n = n << 8 | (uint64_t)(byte_at(p, at + i, rc) & 0xFF);
            name[i] = (char)byte_at(p, at + 4 + i, rc);
        }
        if (n > p->io->size - at - 12 ||
            !add(p, memcmp(name, "caBX", 4) == 0 ? "C2PA" : name, at, n + 12))
            return false;
        at += n + 12;
        if (memcmp(name, "IEND", 4) == 0)
            return true;
    }
    return false;
}

/* --- comparing ------------------------------------------------------------------------------- */

/* How many parts from `at` on the names of an entry cover; 0: they do not. */
static size_t covers(const parts *p, size_t at, const cbor_item *names)
{
    size_t n = names && names->kind == CBOR_ARRAY ? names->n : 0;

    for (size_t i = 0; i < n; i++)
        if (at + i >= p->n || !pl_str_eqz(pl_cbor_text(&names->items[i]), p->list[at + i].name))
            return 0;
    return n;
}

static pl_rc entry_hash(const parts *p, const part *first, const part *last, pl_str alg, uint8_t *sum)
{
    c2pa_hasher    h;
    pl_media_range r = { first->at, last->at + last->n - first->at };
    pl_rc          rc;

    if (!pl_c2pa_hasher_init(&h, alg))
        return pl_fail(p->err, PL_INVALID, "unknown digest");
    rc = pl_c2pa_hasher_range(&h, p->io, r, p->err);
    pl_c2pa_hasher_done(&h, sum);
    return rc;
}

typedef enum verdict { MATCH, MISMATCH, MALFORMED, UNKNOWN_BOX } verdict;

static verdict entries_compare(c2pa_check *c, const parts *p, const cbor_item *list, pl_str alg,
                               pl_rc *rc)
{
    size_t at = 0;

    for (size_t i = 0; i < list->n; i++) {
        const cbor_item *e = &list->items[i], *skip = pl_cbor_get(e, "excluded");
        pl_str           want = pl_cbor_bytes(pl_cbor_get(e, "hash"));
        pl_str           own = pl_cbor_text(pl_cbor_get(e, "alg"));
        size_t           n = covers(p, at, pl_cbor_get(e, "names"));
        uint8_t          sum[C2PA_DIGEST_MAX];

        if (n == 0)
            return UNKNOWN_BOX;
        own = own.n > 0 ? own : alg;
        if (strcmp(p->list[at].name, "C2PA") == 0) {
            if (n != 1)
                return MALFORMED;
        } else if (skip && skip->kind == CBOR_SIMPLE && skip->value == 21) {
            c->r->unprotected += p->list[at + n - 1].at + p->list[at + n - 1].n - p->list[at].at;
        } else {
            *rc = entry_hash(p, &p->list[at], &p->list[at + n - 1], own, sum);
            if (*rc != PL_OK)
                return MALFORMED;
            if (want.n != pl_c2pa_digest_size(own) || memcmp(want.p, sum, want.n) != 0)
                return MISMATCH;
        }
        at += n;
    }
    return at == p->n ? MATCH : UNKNOWN_BOX;
}

static pl_rc parts_read(parts *p, pl_media_format f, bool *known)
{
    pl_rc rc = PL_OK;

    p->list = malloc(PARTS_MAX * sizeof *p->list);
    p->piece = malloc(PIECE);
    if (!p->list || !p->piece)
        return pl_fail(p->err, PL_NOMEM, "out of memory");
    *known = f == PL_MEDIA_JPEG  ? jpeg_parts(p, &rc)
             : f == PL_MEDIA_PNG ? png_parts(p, &rc)
                                 : false;
    return rc;
}

void pl_c2pa_hash_boxes(c2pa_check *c, c2pa_manifest *m, const cbor_item *i, pl_str url)
{
    static const char *const codes[] = { "assertion.boxesHash.match", "assertion.boxesHash.mismatch",
                                         "assertion.boxesHash.malformed",
                                         "assertion.boxesHash.unknownBox" };
    const cbor_item *list = pl_cbor_get(i, "boxes");
    pl_str           alg = pl_cbor_text(pl_cbor_get(i, "alg"));
    parts            p = { .io = c->asset->io, .err = c->err };
    bool             known = false;
    verdict          v = MALFORMED;
    pl_rc            rc = parts_read(&p, c->asset->format, &known);

    if (rc == PL_OK && known && list && list->kind == CBOR_ARRAY && list->n > 0)
        v = entries_compare(c, &p, list, alg.n > 0 ? alg : m->alg, &rc);
    if (rc != PL_OK && rc != PL_INVALID)
        pl_c2pa_break(c, rc, NULL);
    else if (!known && c->asset->format != PL_MEDIA_JPEG && c->asset->format != PL_MEDIA_PNG)
        pl_c2pa_say(c, m, "general.error", url, "boxes of this format cannot be checked here");
    else
        pl_c2pa_say(c, m, codes[v], url, NULL);
    free(p.list);
    free(p.piece);
}
