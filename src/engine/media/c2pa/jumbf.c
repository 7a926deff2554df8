#include "base/banned.h"

#include "base/str.h"
#include "base/utf8.h"
#include "engine/media/c2pa/jumbf.h"

/* The end of every type UUID that starts with a four character code (ISO/IEC 19566-5 A). */
static const uint8_t uuid_tail[12] = { 0x00, 0x11, 0x00, 0x10, 0x80, 0x00,
                                       0x00, 0xAA, 0x00, 0x38, 0x9B, 0x71 };

enum { TOGGLE_LABEL = 2, TOGGLE_ID = 4, TOGGLE_DIGEST = 8 };
#define JUMD JUMBF_TYPE('j', 'u', 'm', 'd')

typedef struct rd {
    pl_arena *a;
    size_t    boxes;
    pl_error *err;
} rd;

static uint64_t be(const char *p, size_t n)
{
    uint64_t v = 0;

    while (n-- > 0)
        v = v << 8 | (uint8_t)*p++;
    return v;
}

static pl_rc bad(const rd *r, const char *what)
{
    return pl_fail(r->err, PL_INVALID, "jumbf: %s", what);
}

/* Takes one box off the front of *rest. */
static pl_rc take(rd *r, pl_str *rest, uint32_t *type, pl_str *payload)
{
    uint64_t len, skip = 8;

    if (++r->boxes > JUMBF_BOXES_MAX)
        return pl_fail(r->err, PL_LIMIT, "jumbf: more than %d boxes", JUMBF_BOXES_MAX);
    if (rest->n < 8)
        return bad(r, "a box is cut off");
    len = be(rest->p, 4);
    *type = (uint32_t)be(rest->p + 4, 4);
    if (len == 1) {
        if (rest->n < 16)
            return bad(r, "a box is cut off");
        len = be(rest->p + 8, 8);
        skip = 16;
    } else if (len == 0) {
        len = rest->n;
    }
    if (len < skip || len > rest->n)
        return bad(r, "a box is longer than what holds it");
    *payload = (pl_str){ rest->p + skip, (size_t)(len - skip) };
    *rest = (pl_str){ rest->p + len, (size_t)(rest->n - len) };
    return PL_OK;
}

static pl_rc description(const rd *r, pl_str d, jumbf_box *out)
{
    const char *end;
    unsigned    toggles;

    if (d.n < 17)
        return bad(r, "a description is cut off");
    memcpy(out->uuid, d.p, 16);
    toggles = (uint8_t)d.p[16];
    if (!(toggles & TOGGLE_LABEL))
        return PL_OK;
    end = memchr(d.p + 17, '\0', d.n - 17);
    if (!end)
        return bad(r, "a label without end");
    out->label = (pl_str){ d.p + 17, (size_t)(end - d.p - 17) };
    return pl_utf8_valid(out->label) ? PL_OK : bad(r, "a label is not UTF-8");
}

static pl_rc count(rd *r, pl_str rest, size_t *n)
{
    uint32_t type;
    pl_str   payload;
    pl_rc    rc = PL_OK;

    for (*n = 0; rc == PL_OK && rest.n > 0; (*n)++)
        rc = take(r, &rest, &type, &payload);
    return rc;
}

static pl_rc super(rd *r, unsigned depth, jumbf_box *out)
{
    pl_str     rest = out->payload, d;
    uint32_t   type;
    jumbf_box *list;
    size_t     n;
    pl_rc      rc;

    if (depth > JUMBF_DEPTH_MAX)
        return pl_fail(r->err, PL_LIMIT, "jumbf: more than %d levels", JUMBF_DEPTH_MAX);
    rc = take(r, &rest, &type, &d);
    if (rc == PL_OK && type != JUMD)
        rc = bad(r, "a superbox starts without its description");
    if (rc == PL_OK)
        rc = description(r, d, out);
    if (rc == PL_OK)
        rc = count(r, rest, &n);
    if (rc != PL_OK || n == 0)
        return rc;
    list = pl_arena_alloc(r->a, n * sizeof *list);
    if (!list)
        return pl_fail(r->err, PL_LIMIT, "jumbf: too large");
    for (size_t i = 0; rc == PL_OK && i < n; i++) {
        rc = take(r, &rest, &list[i].type, &list[i].payload);
        if (rc == PL_OK && list[i].type == JUMBF_JUMB)
            rc = super(r, depth + 1, &list[i]);
    }
    out->items = list;
    out->n = n;
    return rc;
}

pl_rc pl_jumbf_parse(pl_str bytes, pl_arena *a, const jumbf_box **out, pl_error *err)
{
    rd         r = { .a = a, .err = err };
    jumbf_box *top = pl_arena_alloc(a, sizeof *top);
    pl_rc      rc;

    if (!top || bytes.n > JUMBF_STORE_MAX)
        return pl_fail(err, PL_LIMIT, "jumbf: too large");
    rc = take(&r, &bytes, &top->type, &top->payload);
    if (rc == PL_OK && top->type != JUMBF_JUMB)
        rc = bad(&r, "does not start with a superbox");
    for (size_t i = 0; rc == PL_OK && i < bytes.n; i++)
        if (bytes.p[i] != '\0')
            rc = bad(&r, "something follows the store");
    if (rc == PL_OK)
        rc = super(&r, 0, top);
    if (rc == PL_OK)
        *out = top;
    return rc;
}

const jumbf_box *pl_jumbf_child(const jumbf_box *b, pl_str label)
{
    for (size_t i = 0; b && i < b->n; i++)
        if (b->items[i].type == JUMBF_JUMB && pl_str_eq(b->items[i].label, label))
            return &b->items[i];
    return NULL;
}

bool pl_jumbf_is(const jumbf_box *b, const char code[4])
{
    return b && memcmp(b->uuid, code, 4) == 0 && memcmp(b->uuid + 4, uuid_tail, 12) == 0;
}

const jumbf_box *pl_jumbf_content(const jumbf_box *b, uint32_t type)
{
    for (size_t i = 0; b && i < b->n; i++)
        if (b->items[i].type == type)
            return &b->items[i];
    return NULL;
}

/* --- writing --------------------------------------------------------------------------- */

static void put_u32(pl_buf *b, uint32_t v)
{
    for (int i = 24; i >= 0; i -= 8)
        pl_buf_putc(b, (char)(v >> i));
}

size_t pl_jumbf_box_begin(pl_buf *b, uint32_t type)
{
    size_t from = b->n;

    put_u32(b, 0);
    put_u32(b, type);
    return from;
}

void pl_jumbf_end(pl_buf *b, size_t from)
{
    size_t n = b->n - from;

    for (int i = 0; !b->failed && i < 4; i++)
        b->p[from + (size_t)i] = (char)(n >> (24 - 8 * i));
}

size_t pl_jumbf_super_begin(pl_buf *b, const char code[4], pl_str label)
{
    size_t from = pl_jumbf_box_begin(b, JUMBF_JUMB), d = pl_jumbf_box_begin(b, JUMD);

    pl_buf_put(b, (pl_str){ code, 4 });
    pl_buf_put(b, (pl_str){ (const char *)uuid_tail, sizeof uuid_tail });
    pl_buf_putc(b, 0x03);
    pl_buf_put(b, label);
    pl_buf_putc(b, '\0');
    pl_jumbf_end(b, d);
    return from;
}
