#include "base/banned.h"

#include "base/jsonscan.h"
#include "base/str.h"
#include "cap/guard/guard_leaf.h"
#include "cap/guard/guard_store.h"
#include "cap/guard/surface.h"

#define DAY_MS    (24LL * 3600 * 1000)
#define VALUE_MAX 256

/* --- reading ------------------------------------------------------------------------------- */

static void category_add(pl_buf *b, pl_str c)
{
    /* The list is short and only for filtering and display. */
    if (b->n && memmem(b->p, b->n, c.p, c.n))
        return;
    if (b->n)
        pl_buf_putc(b, ',');
    pl_buf_put(b, c);
}

/* The value behind the next `name`, up to the quote that ends it, and *rest behind that; empty, and *rest
 * as it was, when there is none. `name` is `"NAME":"`, perhaps with the comma before it: inside a string a quote stands behind a backslash,
 * so where these bytes are found they are a member, and what is before it need not be read. */
static pl_str member_next(pl_str *rest, pl_str name)
{
    const char *at = memmem(rest->p, rest->n, name.p, name.n), *end = rest->p + rest->n, *p;
    pl_str      value = PL_STR("");

    if (!at)
        return value;
    for (p = at += name.n; p < end && *p != '"'; p++)
        p += *p == '\\';
    p = p < end ? p : end;
    value = (pl_str){ at, (size_t)(p - at) };
    *rest = (pl_str){ p, (size_t)(end - p) };
    return value;
}

/* Digits end at anything else. */
static pl_str number_next(pl_str *rest, pl_str name)
{
    const char *at = memmem(rest->p, rest->n, name.p, name.n), *end = rest->p + rest->n, *p;

    for (p = at = at ? at + name.n : end; p < end && *p >= '0' && *p <= '9'; p++)
        ;
    return (pl_str){ at, (size_t)(p - at) };
}

static int64_t status_of(pl_str raw)
{
    uint64_t v = 0;

    return pl_str_u64(raw, &v, NULL) == PL_OK && v < 1000 ? (int64_t)v : 0;
}

/* Member names are ours, in the order in which event.md has them; all stand at the top, but `category`, which
 * stands only in findings. */
pl_rc guard_leaf_read(pl_str leaf, guard_leaf *out, pl_error *err)
{
    pl_str rest = leaf, findings, category, label;

    *out = (guard_leaf){ .categories = PL_BUF_INIT(4096) };
    if (leaf.n < 2 || leaf.p[0] != '{' || leaf.p[leaf.n - 1] != '}')
        return pl_fail(err, PL_INVALID, "an event is not a JSON object");
    out->service = member_next(&rest, PL_STR(",\"service\":\""));
    out->surface = member_next(&rest, PL_STR(",\"surface\":\""));
    out->model = member_next(&rest, PL_STR(",\"model\":\""));
    out->verdict = member_next(&rest, PL_STR(",\"verdict\":\""));
    out->direction = member_next(&rest, PL_STR(",\"direction\":\""));
    out->upstream_status = status_of(number_next(&rest, PL_STR(",\"upstream_status\":")));
    findings = rest;
    while ((category = member_next(&findings, PL_STR("\"category\":\""))).n)
        category_add(&out->categories, category);
    while ((label = member_next(&rest, PL_STR(",\"label\":\""))).n)
        out->label = label; /* that of the answer stands last */
    return PL_OK;
}

void guard_leaf_done(guard_leaf *l)
{
    pl_buf_done(&l->categories);
}

/* --- what was seen ---------------------------------------------------------------------------- */

static void count(json_t *seen, int64_t day, const char *kind, pl_str raw, uint64_t times)
{
    pl_buf  key = PL_BUF_INIT(VALUE_MAX * 3);
    json_t *n;

    if (raw.n == 0 || raw.n > VALUE_MAX)
        return;
    pl_buf_printf(&key, "%lld %s ", (long long)day, kind);
    pl_json_unescape(raw, &key);
    pl_buf_putc(&key, '\0');
    if (!key.failed && strlen(key.p) + 1 == key.n) { /* a name has no zero byte */
        n = json_object_get(seen, key.p);
        (void)json_object_set_new(seen, key.p, json_integer(json_integer_value(n) + (json_int_t)times));
    }
    pl_buf_done(&key);
}

bool guard_seen_same(const guard_leaf *a, const guard_leaf *b)
{
    return a->upstream_status == b->upstream_status && pl_str_eq(a->verdict, b->verdict) &&
           pl_str_eq(a->service, b->service) && pl_str_eq(a->surface, b->surface) &&
           pl_str_eq(a->label, b->label) && pl_str_eq(a->model, b->model);
}

void guard_seen_add(json_t *seen, const guard_leaf *l, int64_t time_ms, uint64_t times)
{
    const pl_surface *s = pl_surface_find(l->surface);
    int64_t           day = time_ms / DAY_MS;

    if (l->upstream_status < 200 || l->upstream_status > 299)
        return;
    count(seen, day, "models", l->model, times);
    count(seen, day, "services", l->service, times);
    count(seen, day, "surfaces", l->surface, times);
    if (s != NULL && (s->flags & SF_GENERATES) != 0 && pl_str_eqz(l->verdict, "allow"))
        count(seen, day, "labels", l->label, times);
}

pl_rc guard_seen_store(pl_db *db, const json_t *seen, pl_error *err)
{
    const char   *key;
    const json_t *n;
    pl_rc         rc = PL_OK;

    json_object_foreach((json_t *)(uintptr_t)seen, key, n) {
        pl_str   rest = pl_str_z(key), day, kind;
        uint64_t d = 0;

        (void)pl_str_split(&rest, ' ', &day);
        (void)pl_str_split(&rest, ' ', &kind);
        (void)pl_str_u64(day, &d, NULL);
        rc = guard_seen_put(db, (int64_t)d, kind, rest, json_integer_value(n), err);
        if (rc != PL_OK)
            break;
    }
    return rc;
}
