#include "base/banned.h"

#include "base/str.h"
#include "base/utf8.h"
#include "engine/media/c2pa/cbor.h"

typedef struct rd {
    const uint8_t *p;
    size_t         n, at;
    pl_arena      *a;
    size_t         items;
    pl_error      *err;
} rd;

enum { INDEFINITE = 31, BREAK = 0xFF };

static pl_rc bad(const rd *r, const char *what)
{
    return pl_fail(r->err, PL_INVALID, "cbor: %s at byte %zu", what, r->at);
}

static pl_rc head(rd *r, unsigned *major, unsigned *info, uint64_t *value)
{
    size_t size;

    if (r->at >= r->n)
        return bad(r, "ends too early");
    *major = r->p[r->at] >> 5;
    *info = r->p[r->at] & 31;
    r->at++;
    *value = *info;
    if (*info < 24 || *info == INDEFINITE)
        return PL_OK;
    if (*info > 27)
        return bad(r, "reserved length");
    size = (size_t)1 << (*info - 24);
    if (r->n - r->at < size)
        return bad(r, "ends too early");
    *value = 0;
    for (size_t i = 0; i < size; i++)
        *value = *value << 8 | r->p[r->at++];
    return PL_OK;
}

static pl_rc take(rd *r, uint64_t n, pl_str *out)
{
    if (n > r->n - r->at)
        return bad(r, "a string is longer than the data");
    *out = (pl_str){ (const char *)r->p + r->at, (size_t)n };
    r->at += (size_t)n;
    return PL_OK;
}

static bool at_break(const rd *r)
{
    return r->at < r->n && r->p[r->at] == BREAK;
}

/* The pieces of a string of indefinite length, joined. */
static pl_rc chunks(rd *r, unsigned want, pl_str *out)
{
    pl_buf b = PL_BUF_INIT(r->n);
    pl_rc  rc = PL_OK;
    char  *p;

    while (rc == PL_OK && !at_break(r)) {
        unsigned major, info;
        uint64_t v;
        pl_str   piece;

        rc = head(r, &major, &info, &v);
        if (rc == PL_OK && (major != want || info == INDEFINITE))
            rc = bad(r, "a piece of a string is of another kind");
        if (rc == PL_OK)
            rc = take(r, v, &piece);
        if (rc == PL_OK)
            pl_buf_put(&b, piece);
    }
    r->at++;
    if (rc == PL_OK)
        rc = pl_buf_check(&b, r->err);
    if (rc == PL_OK) {
        p = pl_arena_dup(r->a, pl_buf_str(&b));
        if (p == NULL)
            rc = pl_fail(r->err, PL_LIMIT, "cbor: too large");
        *out = (pl_str){ p, b.n };
    }
    pl_buf_done(&b);
    return rc;
}

static pl_rc item(rd *r, unsigned depth, cbor_item *out);

static cbor_item *room(rd *r, const cbor_item *old, size_t have, size_t want)
{
    cbor_item *p = want <= CBOR_ITEMS_MAX ? pl_arena_alloc(r->a, want * sizeof *p) : NULL;

    if (p && have > 0)
        memcpy(p, old, have * sizeof *p);
    return p;
}

/* The elements of an array, or the keys and values of a map. */
static pl_rc elements(rd *r, unsigned depth, uint64_t count, bool endless, size_t per, cbor_item *out)
{
    size_t     cap, n = 0;
    cbor_item *list;
    pl_rc      rc = PL_OK;

    /* Each element is a byte at least, so more than the rest of the data cannot be. */
    if (!endless && count > (r->n - r->at) / per)
        return bad(r, "more elements than data");
    cap = endless ? 8 * per : (size_t)count * per;
    if (cap == 0)
        return PL_OK;
    list = room(r, NULL, 0, cap);
    while (list && rc == PL_OK && (endless ? !at_break(r) : n < cap)) {
        if (n == cap) {
            list = room(r, list, n, cap * 2);
            cap *= 2;
            if (!list)
                break;
        }
        rc = item(r, depth + 1, &list[n]);
        n++;
    }
    if (!list)
        return pl_fail(r->err, PL_LIMIT, "cbor: more than %d items", CBOR_ITEMS_MAX);
    if (endless)
        r->at++;
    if (rc == PL_OK && n % per != 0)
        rc = bad(r, "a key without a value");
    out->items = list;
    out->n = n / per;
    return rc;
}

static bool same_raw(pl_str a, pl_str b)
{
    return a.n == b.n && memcmp(a.p, b.p, a.n) == 0;
}

static pl_rc no_duplicates(const rd *r, const cbor_item *map)
{
    if (map->n > CBOR_KEYS_MAX)
        return pl_fail(r->err, PL_LIMIT, "cbor: a map of more than %d keys", CBOR_KEYS_MAX);
    for (size_t i = 0; i < map->n; i++)
        for (size_t j = 0; j < i; j++)
            if (same_raw(map->items[2 * i].raw, map->items[2 * j].raw))
                return bad(r, "a key stands twice in a map");
    return PL_OK;
}

static double half(unsigned h)
{
    unsigned exp = h >> 10 & 31, mant = h & 1023;
    double   v = exp == 0   ? __builtin_ldexp(mant, -24)
                 : exp == 31 ? (mant ? __builtin_nan("") : __builtin_inf())
                             : __builtin_ldexp(mant + 1024, (int)exp - 25);

    return h & 0x8000 ? -v : v;
}

static pl_rc simple(rd *r, unsigned info, uint64_t v, cbor_item *out)
{
    double d;
    float  f;
    uint32_t w = (uint32_t)v;

    out->kind = info >= 25 ? CBOR_FLOAT : CBOR_SIMPLE;
    out->value = v;
    if (info == INDEFINITE || (info == 24 && v < 32))
        return bad(r, "no such simple value");
    if (info == 25 || info == 26) {
        memcpy(&f, &w, sizeof f);
        d = info == 25 ? half(w) : (double)f;
        memcpy(&out->value, &d, sizeof d);
    }
    return PL_OK;
}

static pl_rc string(rd *r, unsigned major, unsigned info, uint64_t v, cbor_item *out)
{
    pl_rc rc = info == INDEFINITE ? chunks(r, major, &out->str) : take(r, v, &out->str);

    if (rc == PL_OK && major == 3 && !pl_utf8_valid(out->str))
        rc = bad(r, "text is not UTF-8");
    return rc;
}

static pl_rc content(rd *r, unsigned depth, unsigned info, uint64_t v, cbor_item *out)
{
    bool  endless = info == INDEFINITE;
    pl_rc rc = PL_OK;

    switch (out->kind) {
    case CBOR_UINT:
    case CBOR_NINT:
        return endless ? bad(r, "a number without end") : PL_OK;
    case CBOR_BYTES:
    case CBOR_TEXT:
        return string(r, (unsigned)out->kind, info, v, out);
    case CBOR_ARRAY:
        return elements(r, depth, v, endless, 1, out);
    case CBOR_MAP:
        rc = elements(r, depth, v, endless, 2, out);
        return rc == PL_OK ? no_duplicates(r, out) : rc;
    case CBOR_TAG:
        return endless ? bad(r, "a tag without number") : elements(r, depth, 1, false, 1, out);
    default:
        return simple(r, info, v, out);
    }
}

static pl_rc item(rd *r, unsigned depth, cbor_item *out)
{
    size_t   from = r->at;
    unsigned major, info;
    uint64_t v;
    pl_rc    rc;

    if (depth > CBOR_DEPTH_MAX)
        return pl_fail(r->err, PL_LIMIT, "cbor: more than %d levels", CBOR_DEPTH_MAX);
    if (++r->items > CBOR_ITEMS_MAX)
        return pl_fail(r->err, PL_LIMIT, "cbor: more than %d items", CBOR_ITEMS_MAX);
    rc = head(r, &major, &info, &v);
    if (rc != PL_OK)
        return rc;
    *out = (cbor_item){ .kind = (cbor_kind)major, .value = v };
    rc = content(r, depth, info, v, out);
    out->raw = (pl_str){ (const char *)r->p + from, r->at - from };
    return rc;
}

pl_rc pl_cbor_parse(pl_str bytes, pl_arena *a, const cbor_item **out, pl_error *err)
{
    rd         r = { .p = (const uint8_t *)bytes.p, .n = bytes.n, .a = a, .err = err };
    cbor_item *top = pl_arena_alloc(a, sizeof *top);
    pl_rc      rc;

    if (!top)
        return pl_fail(err, PL_LIMIT, "cbor: too large");
    rc = item(&r, 0, top);
    if (rc == PL_OK && r.at != r.n)
        rc = bad(&r, "something follows the item");
    if (rc == PL_OK)
        *out = top;
    return rc;
}

/* --- looking --------------------------------------------------------------------------- */

const cbor_item *pl_cbor_get(const cbor_item *map, const char *key)
{
    if (!map || map->kind != CBOR_MAP)
        return NULL;
    for (size_t i = 0; i < map->n; i++)
        if (map->items[2 * i].kind == CBOR_TEXT && pl_str_eqz(map->items[2 * i].str, key))
            return &map->items[2 * i + 1];
    return NULL;
}

const cbor_item *pl_cbor_get_int(const cbor_item *map, int64_t label)
{
    int64_t v;

    if (!map || map->kind != CBOR_MAP)
        return NULL;
    for (size_t i = 0; i < map->n; i++)
        if (pl_cbor_int(&map->items[2 * i], &v) && v == label)
            return &map->items[2 * i + 1];
    return NULL;
}

pl_str pl_cbor_text(const cbor_item *i)
{
    return i && i->kind == CBOR_TEXT ? i->str : (pl_str){ "", 0 };
}

pl_str pl_cbor_bytes(const cbor_item *i)
{
    return i && i->kind == CBOR_BYTES ? i->str : (pl_str){ "", 0 };
}

bool pl_cbor_u64(const cbor_item *i, uint64_t *out)
{
    if (!i || i->kind != CBOR_UINT)
        return false;
    *out = i->value;
    return true;
}

bool pl_cbor_int(const cbor_item *i, int64_t *out)
{
    if (!i || (i->kind != CBOR_UINT && i->kind != CBOR_NINT) || i->value > INT64_MAX)
        return false;
    *out = i->kind == CBOR_UINT ? (int64_t)i->value : -1 - (int64_t)i->value;
    return true;
}

const cbor_item *pl_cbor_untag(const cbor_item *i)
{
    while (i && i->kind == CBOR_TAG)
        i = i->items;
    return i;
}

static size_t shortest(uint64_t v)
{
    return v < 24 ? 1 : v <= 0xFF ? 2 : v <= 0xFFFF ? 3 : v <= 0xFFFFFFFF ? 5 : 9;
}

static int raw_order(pl_str a, pl_str b)
{
    int c = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

    return c != 0 ? c : a.n < b.n ? -1 : a.n > b.n;
}

bool pl_cbor_is_deterministic(const cbor_item *i)
{
    size_t   per = i->kind == CBOR_MAP ? 2 : 1, inner = 0, first = (uint8_t)i->raw.p[0];
    size_t   count = i->kind == CBOR_TAG ? 1 : i->n * per;

    if ((first & 31) == INDEFINITE)
        return false;
    if (i->kind == CBOR_SIMPLE || i->kind == CBOR_FLOAT)
        return true;
    for (size_t k = 0; k < count; k++) {
        inner += i->items[k].raw.n;
        if (!pl_cbor_is_deterministic(&i->items[k]))
            return false;
        if (per == 2 && k >= 2 && k % 2 == 0 && raw_order(i->items[k - 2].raw, i->items[k].raw) >= 0)
            return false;
    }
    return i->raw.n == shortest(i->value) + inner + i->str.n;
}

/* --- writing --------------------------------------------------------------------------- */

static void put_head(pl_buf *b, unsigned major, uint64_t v)
{
    size_t n = shortest(v) - 1;

    unsigned info = n == 0 ? (unsigned)v : n == 1 ? 24 : n == 2 ? 25 : n == 4 ? 26 : 27;

    pl_buf_putc(b, (char)(major << 5 | info));
    for (size_t i = n; i-- > 0;)
        pl_buf_putc(b, (char)(v >> (8 * i)));
}

void pl_cbor_put_int(pl_buf *b, int64_t v)
{
    put_head(b, v < 0 ? CBOR_NINT : CBOR_UINT, v < 0 ? (uint64_t)(-1 - v) : (uint64_t)v);
}

void pl_cbor_put_bytes(pl_buf *b, pl_str s)
{
    put_head(b, CBOR_BYTES, s.n);
    pl_buf_put(b, s);
}

void pl_cbor_put_bytes_head(pl_buf *b, size_t n)
{
    put_head(b, CBOR_BYTES, n);
}

void pl_cbor_put_text(pl_buf *b, pl_str s)
{
    put_head(b, CBOR_TEXT, s.n);
    pl_buf_put(b, s);
}

void pl_cbor_put_textz(pl_buf *b, const char *z)
{
    pl_cbor_put_text(b, pl_str_z(z));
}

void pl_cbor_put_array(pl_buf *b, size_t n)
{
    put_head(b, CBOR_ARRAY, n);
}

void pl_cbor_put_map(pl_buf *b, size_t pairs)
{
    put_head(b, CBOR_MAP, pairs);
}

void pl_cbor_put_tag(pl_buf *b, uint64_t tag)
{
    put_head(b, CBOR_TAG, tag);
}

void pl_cbor_put_bool(pl_buf *b, bool v)
{
    put_head(b, CBOR_SIMPLE, v ? 21 : 20);
}

void pl_cbor_put_null(pl_buf *b)
{
    put_head(b, CBOR_SIMPLE, 22);
}
