/* Numbers of filings, by the templates of their pack. */
#include "base/banned.h"

#include "base/timefmt.h"
#include "cap/registry/registry_int.h"

typedef struct issue {
    registry_ctx *c;
    filing       *f;
    const json_t *parts;
    pl_buf        made; /* "name=value;" of parts made so far: what a counter may depend on */
} issue;

/* The place of a key in a scope: 1 for the first that asks, and the same ever after. */
static pl_rc ordinal(registry_ctx *c, const char *scope, pl_str key, int64_t *out, pl_error *err)
{
    pl_db_stmt *s;
    char        name[400];
    pl_rc       rc;

    (void)snprintf(name, sizeof name, "ordinal:%.60s:%.*s", scope, (int)(key.n < 300 ? key.n : 300), key.p);
    rc = pl_db_prepare(c->db, "SELECT value FROM registry_counter WHERE name = $1", &s, err);
    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, pl_str_z(name));
    rc = pl_db_step(s, err);
    if (rc == PL_OK)
        *out = pl_db_int(s, 0);
    pl_db_done(s);
    if (rc != PL_NOTFOUND)
        return rc;
    rc = registry_count(c->db, scope, out, err);
    if (rc == PL_OK)
        rc = pl_db_prepare(c->db, "INSERT INTO registry_counter (name, value) VALUES ($1, $2)", &s, err);
    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, pl_str_z(name));
    pl_db_bind_int(s, 2, *out);
    return pl_db_run(s, NULL, err);
}

/* "serial:{entity}:{class}" with the parts made so far. */
static pl_rc counter_name(const issue *i, pl_str pattern, char *out, size_t cap, pl_error *err)
{
    pl_buf b = PL_BUF_INIT(cap - 1);
    pl_rc  rc;

    while (pattern.n > 0) {
        const char *open = memchr(pattern.p, '{', pattern.n), *close, *at;
        size_t      n = open ? (size_t)(open - pattern.p) : pattern.n;
        char        key[48];

        pl_buf_put(&b, (pl_str){ pattern.p, n });
        pattern = (pl_str){ pattern.p + n, pattern.n - n };
        close = pattern.n ? memchr(pattern.p, '}', pattern.n) : NULL;
        if (close == NULL)
            break;
        (void)snprintf(key, sizeof key, ";%.*s=", (int)(close - pattern.p - 1), pattern.p + 1);
        at = i->made.p ? strstr(i->made.p, key) : NULL;
        if (at != NULL)
            pl_buf_put(&b, (pl_str){ at + strlen(key), strcspn(at + strlen(key), ";") });
        pattern = (pl_str){ close + 1, pattern.n - (size_t)(close + 1 - pattern.p) };
    }
    rc = pl_buf_check(&b, err);
    if (rc == PL_OK)
        (void)snprintf(out, cap, "%s", b.p ? b.p : "");
    pl_buf_done(&b);
    return rc;
}

static pl_str text_of(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);

    return json_is_string(v) ? (pl_str){ json_string_value(v), json_string_length(v) } : PL_STR("");
}

static pl_rc field_part(issue *i, const json_t *how, pl_str name, pl_buf *out, pl_error *err)
{
    pl_str        path = text_of(how, "field"), v;
    const json_t *value = pl_path_get(i->f->values, path), *map = json_object_get(how, "map");

    v = json_is_string(value) ? (pl_str){ json_string_value(value), json_string_length(value) } : PL_STR("");
    if (map != NULL)
        v = v.n ? text_of(map, v.p) : v;
    if (v.n == 0)
        return pl_fail(err, PL_INVALID,
                       "the number needs '" PL_STR_FMT "', which follows from the field '" PL_STR_FMT "'",
                       PL_STR_ARG(name), PL_STR_ARG(path));
    pl_buf_put(out, v);
    return PL_OK;
}

/* "YYYYMMDD", "YY" … of today at the calendar's place. */
static void date_part(issue *i, pl_str form, pl_buf *out)
{
    char    day[11];
    int64_t today = pl_calendar_day(registry_calendar_find(i->c->packs, i->f->flow->w->calendar),
                                    i->c->now_ms);

    pl_day_format(today, day);
    if (pl_str_eqz(form, "YY"))
        pl_buf_put(out, (pl_str){ day + 2, 2 });
    else if (pl_str_eqz(form, "YYYY"))
        pl_buf_put(out, (pl_str){ day, 4 });
    else
        pl_buf_printf(out, "%.4s%.2s%.2s", day, day + 5, day + 8);
}

static pl_rc count_part(issue *i, const json_t *how, pl_buf *out, pl_error *err)
{
    char    name[200];
    int64_t n = 0;
    pl_str  of = text_of(how, "ordinal_of");
    pl_rc   rc = counter_name(i, of.n ? text_of(how, "scope") : text_of(how, "counter"), name, sizeof name,
                              err);

    if (rc == PL_OK && of.n > 0) {
        const json_t *v = pl_path_get(i->f->values, of);

        rc = json_is_string(v) && json_string_length(v) > 0
                 ? ordinal(i->c, name, pl_str_z(json_string_value(v)), &n, err)
                 : pl_fail(err, PL_INVALID, "the number needs the field '" PL_STR_FMT "'", PL_STR_ARG(of));
    } else if (rc == PL_OK) {
        rc = registry_count(i->c->db, name, &n, err);
    }
    if (rc == PL_OK)
        pl_buf_printf(out, "%lld", (long long)n);
    return rc;
}

static pl_rc part_make(void *ctx, pl_str name, pl_buf *out, pl_error *err)
{
    issue        *i = ctx;
    const json_t *how = json_object_getn(i->parts, name.p, name.n);
    pl_rc         rc = PL_OK;

    if (text_of(how, "value").n > 0)
        pl_buf_put(out, text_of(how, "value"));
    else if (text_of(how, "date").n > 0)
        date_part(i, text_of(how, "date"), out);
    else if (text_of(how, "field").n > 0)
        rc = field_part(i, how, name, out, err);
    else if (text_of(how, "ordinal_of").n > 0 || text_of(how, "counter").n > 0)
        rc = count_part(i, how, out, err);
    else
        rc = pl_fail(err, PL_INVALID, "the pack does not say where part '" PL_STR_FMT "' of the number "
                     "comes from", PL_STR_ARG(name));
    pl_buf_printf(&i->made, ";" PL_STR_FMT "=" PL_STR_FMT, PL_STR_ARG(name), PL_STR_ARG(pl_buf_str(out)));
    return rc;
}

pl_rc filing_number(registry_ctx *c, filing *f, pl_str number_id, pl_buf *out, pl_error *err)
{
    const json_t *tree = pl_flow_number_find(f->flow->w, number_id);
    pl_number    *n = NULL;
    issue         i = { .c = c, .f = f, .parts = json_object_get(tree, "parts"), .made = PL_BUF_INIT(1000) };
    pl_rc         rc = pl_number_new(tree, f->flow->pack, &n, err);

    if (rc == PL_OK)
        rc = pl_number_make(n, part_make, &i, out, err);
    pl_number_free(n);
    pl_buf_done(&i.made);
    return rc;
}

pl_rc filing_number_check(const filing *f, pl_str number_id, pl_str number, bool *is_doubtful, pl_error *err)
{
    pl_number        *n = NULL;
    pl_number_verdict v = PL_NUMBER_BAD_FORM;
    pl_rc             rc = pl_number_new(pl_flow_number_find(f->flow->w, number_id), f->flow->pack, &n, err);

    if (rc == PL_OK)
        v = pl_number_check(n, number);
    pl_number_free(n);
    *is_doubtful = v == PL_NUMBER_BAD_CHECK;
    if (rc == PL_OK && v == PL_NUMBER_BAD_FORM)
        rc = pl_fail(err, PL_INVALID, "'%.*s' is no number of this kind",
                     (int)(number.n < 80 ? number.n : 80), number.p);
    return rc;
}
