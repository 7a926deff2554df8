/* Searching filings, and how many there are of what. */
#include "base/banned.h"

#include "base/utf8.h"
#include "cap/registry/registry_int.h"

#define QUERY_MAX   256
#define LOOK_AT_MAX 3000 /* filings whose text is compared for one page */

/* --- what is asked -------------------------------------------------------------------------- */

typedef struct asked {
    pl_str          query; /* folded */
    registry_filter filters[8];
    size_t          filter_count;
} asked;

static void filter_add(asked *k, registry_facet f, pl_str value)
{
    if (value.n > 0)
        k->filters[k->filter_count++] = (registry_filter){ f, value };
}

static pl_rc asked_of(registry_ctx *c, const registry_search *s, asked *k, pl_error *err)
{
    pl_buf folded = PL_BUF_INIT(QUERY_MAX * 4);
    char  *text;

    *k = (asked){ .filter_count = 0 };
    if (s->query.n > QUERY_MAX || !pl_utf8_valid(s->query))
        return pl_fail(err, PL_INVALID, "a query is text of at most %d bytes", QUERY_MAX);
    registry_fold(s->query, &folded);
    text = pl_arena_dup(c->a, pl_buf_str(&folded));
    k->query = (pl_str){ text, folded.n };
    pl_buf_done(&folded);
    if (text == NULL)
        return pl_fail(err, PL_LIMIT, "out of memory for this request");
    filter_add(k, FACET_REGION, s->region);
    filter_add(k, FACET_ROLE, s->role);
    filter_add(k, FACET_TYPE, s->type);
    filter_add(k, FACET_MONTH, s->month);
    filter_add(k, FACET_WORKFLOW, s->workflow);
    filter_add(k, FACET_STATE, s->state);
    filter_add(k, FACET_PUBLIC, s->is_public ? PL_STR("1") : PL_STR(""));
    return PL_OK;
}

static size_t characters(pl_str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    return n;
}

/* --- one page -------------------------------------------------------------------------------- */

json_t *registry_filing_line(const registry_filing *f, bool is_public)
{
    json_t *o = json_pack("{s:s%, s:s%, s:s%, s:s%, s:s%, s:s%, s:s%, s:s%, s:s%, s:s%, s:o}", "id", f->id.p,
                          f->id.n, "workflow", f->workflow.p, f->workflow.n, "state", f->state.p,
                          f->state.n, "title", f->title.p, f->title.n, "organisation",
                          f->organisation.p, f->organisation.n, "region", f->region.p, f->region.n, "role",
                          f->role.p, f->role.n, "type", f->type.p, f->type.n, "month", f->month.p,
                          f->month.n, "number", f->number.p, f->number.n, "published",
                          registry_time(f->published_ms));

    if (o == NULL || is_public)
        return o;
    (void)json_object_set_new(o, "version", json_integer((json_int_t)f->version));
    (void)json_object_set_new(o, "pack", json_stringn(f->pack.p, f->pack.n));
    (void)json_object_set_new(o, "changed", registry_time(f->changed_ms));
    (void)json_object_set_new(o, "created", registry_time(f->created_ms));
    (void)json_object_set_new(o, "public", json_boolean(f->is_public));
    (void)json_object_set_new(o, "origin", json_stringn(f->origin.p, f->origin.n));
    return o;
}

typedef struct page {
    json_t *rows;
    size_t  looked_at, wrong; /* wrong: had the grams but not the words */
    int64_t next;             /* where to go on; 0: there is no more */
} page;

static pl_rc page_fill(registry_ctx *c, const registry_search *s, const asked *k, const registry_hits *h,
                       page *p, pl_error *err)
{
    int64_t before = s->before > 0 ? s->before : INT64_MAX;
    pl_rc   rc = PL_OK;

    while (rc == PL_OK && (int64_t)json_array_size(p->rows) < s->limit && p->looked_at < LOOK_AT_MAX) {
        registry_filing f;

        before = registry_hits_below(h, before);
        if (before < 0)
            break;
        p->looked_at++;
        rc = filing_store_at(c->db, c->a, before, &f, err);
        if (rc == PL_NOTFOUND) { /* deleted beneath us */
            rc = PL_OK;
            continue;
        }
        if (rc == PL_OK && !registry_words_in(k->query, f.search_text))
            p->wrong++;
        else if (rc == PL_OK)
            (void)json_array_append_new(p->rows, registry_filing_line(&f, s->is_public));
    }
    if (before > 0 && registry_hits_below(h, before) > 0)
        p->next = before;
    return rc;
}

pl_rc registry_search_run(registry_ctx *c, const registry_search *s, json_t **out, pl_error *err)
{
    asked         k;
    registry_hits h = { 0 };
    page          p = { .rows = json_array() };
    pl_rc         rc = p.rows ? asked_of(c, s, &k, err) : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc == PL_OK)
        rc = registry_index_find(c->db, c->a, k.query, k.filters, k.filter_count, &h, err);
    if (rc == PL_OK)
        rc = page_fill(c, s, &k, &h, &p, err);
    if (rc == PL_OK) {
        /* A word of one or two characters is a gram itself: then the count is exact. */
        bool is_exact = characters(k.query) <= 2 || (p.next == 0 && s->before == 0);

        *out = json_pack("{s:I, s:b, s:O, s:o}", "total", (json_int_t)(h.count - p.wrong), "total_is_exact",
                         is_exact, "filings", p.rows, "next",
                         p.next > 0 ? json_integer((json_int_t)p.next) : json_null());
        if (*out == NULL)
            rc = pl_fail(err, PL_NOMEM, "out of memory");
    }
    json_decref(p.rows);
    return rc;
}

/* --- statistics --------------------------------------------------------------------------------- */

static pl_rc value_add(void *ctx, pl_str value, size_t n, pl_error *err)
{
    json_t *o = json_pack("{s:s%, s:I}", "value", value.p, value.n, "count", (json_int_t)n);

    return o && json_array_append_new(ctx, o) == 0 ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");
}

pl_rc registry_statistics(registry_ctx *c, const registry_search *s, json_t **out, pl_error *err)
{
    static const struct {
        registry_facet facet;
        const char    *name;
    } facets[] = { { FACET_REGION, "region" }, { FACET_ROLE, "role" }, { FACET_TYPE, "type" },
                   { FACET_MONTH, "month" }, { FACET_WORKFLOW, "workflow" }, { FACET_STATE, "state" } };
    asked         k;
    registry_hits h = { 0 };
    json_t       *by = json_object();
    pl_rc         rc = by ? asked_of(c, s, &k, err) : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc == PL_OK)
        rc = registry_index_find(c->db, c->a, k.query, k.filters, k.filter_count, &h, err);
    for (size_t i = 0; i < sizeof facets / sizeof *facets && rc == PL_OK; i++) {
        json_t *list = json_array();

        rc = registry_index_count(c->db, c->a, facets[i].facet, &h, value_add, list, err);
        (void)json_object_set_new(by, facets[i].name, list);
    }
    if (rc == PL_OK) {
        *out = json_pack("{s:I, s:O}", "total", (json_int_t)h.count, "by", by);
        if (*out == NULL)
            rc = pl_fail(err, PL_NOMEM, "out of memory");
    }
    json_decref(by);
    return rc;
}
