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

static void text_take(guard_leaf *l, const pl_jsontok *key, pl_str raw)
{
    const struct {
        const char *name;
        pl_str     *to;
    } members[] = { { "verdict", &l->verdict }, { "direction", &l->direction }, { "service", &l->service },
                    { "surface", &l->surface }, { "label", &l->label }, { "model", &l->model } };

    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if (pl_jsontok_is(key, members[i].name)) {
            *members[i].to = raw;
            return;
        }
}

static int64_t status_of(pl_str raw)
{
    uint64_t v = 0;

    return pl_str_u64(raw, &v, NULL) == PL_OK && v < 1000 ? (int64_t)v : 0;
}

/* Member names are ours and unescaped; all stand at the top, but `category`, which stands only in findings. */
pl_rc guard_leaf_read(pl_str leaf, guard_leaf *out, pl_error *err)
{
    pl_jsonscan j;
    pl_jsontok  t, key = { 0 };
    pl_str      none = PL_STR("");
    pl_rc       rc;

    *out = (guard_leaf){ none, none, none, none, none, none, 0, PL_BUF_INIT(4096) };
    pl_jsonscan_init(&j, leaf);
    while ((rc = pl_jsonscan_next(&j, &t, err)) == PL_OK && t.type != PL_JT_END) {
        if (t.type == PL_JT_KEY)
            key = t;
        else if (t.type == PL_JT_STRING && pl_jsontok_is(&key, "category"))
            category_add(&out->categories, t.raw);
        else if (t.type == PL_JT_STRING && t.depth == 1)
            text_take(out, &key, t.raw);
        else if (t.type == PL_JT_NUMBER && t.depth == 1 && pl_jsontok_is(&key, "upstream_status"))
            out->upstream_status = status_of(t.raw);
    }
    return rc;
}

void guard_leaf_done(guard_leaf *l)
{
    pl_buf_done(&l->categories);
}

/* --- what was seen ---------------------------------------------------------------------------- */

static void count(json_t *seen, int64_t day, const char *kind, pl_str raw)
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
        (void)json_object_set_new(seen, key.p, json_integer(json_integer_value(n) + 1));
    }
    pl_buf_done(&key);
}

void guard_seen_add(json_t *seen, const guard_leaf *l, int64_t time_ms)
{
    const pl_surface *s = pl_surface_find(l->surface);
    int64_t           day = time_ms / DAY_MS;

    if (l->upstream_status < 200 || l->upstream_status > 299)
        return;
    count(seen, day, "models", l->model);
    count(seen, day, "services", l->service);
    count(seen, day, "surfaces", l->surface);
    if (s != NULL && (s->flags & SF_GENERATES) != 0 && pl_str_eqz(l->verdict, "allow"))
        count(seen, day, "labels", l->label);
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
