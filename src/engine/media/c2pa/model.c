#include "base/banned.h"

#include "engine/media/c2pa/c2pa_int.h"

static const pl_str scheme = { "self#jumbf=", 11 };

static bool starts_with(pl_str s, const char *z)
{
    return pl_str_starts(s, pl_str_z(z));
}

static void claim_find(c2pa_check *c, c2pa_manifest *m)
{
    const jumbf_box *claim = NULL, *content;
    pl_error         why;
    pl_str           alg;

    for (size_t i = 0; i < m->box->n; i++)
        if (pl_jumbf_is(&m->box->items[i], "c2cl"))
            claim = &m->box->items[i];
    content = pl_jumbf_content(claim, JUMBF_CBOR);
    m->alg = PL_STR("sha256");
    m->version = claim && starts_with(claim->label, "c2pa.claim.v2") ? 2 : 1;
    if (!content || pl_cbor_parse(content->payload, c->a, &m->claim, &why) != PL_OK ||
        m->claim->kind != CBOR_MAP) {
        m->claim = NULL;
        return;
    }
    m->claim_bytes = content->payload;
    alg = pl_cbor_text(pl_cbor_get(m->claim, "alg"));
    if (alg.n > 0)
        m->alg = alg;
}

static void redactions_of(c2pa_check *c, const c2pa_manifest *by)
{
    const cbor_item *list = pl_cbor_get(by->claim, "redacted_assertions");

    for (size_t k = 0; list && list->kind == CBOR_ARRAY && k < list->n; k++) {
        pl_str           url = pl_cbor_text(&list->items[k]);
        const char      *slash = url.n > 0 ? memrchr(url.p, '/', url.n) : NULL;
        c2pa_manifest   *of = NULL;
        const jumbf_box *store;

        if (!slash || c->redactions_n == C2PA_REDACTIONS_MAX)
            continue;
        store = pl_c2pa_resolve(c, by, (pl_str){ url.p, (size_t)(slash - url.p) }, &of);
        if (store && of && store == of->assertions)
            c->redactions[c->redactions_n++] =
                (c2pa_redaction){ of, by, { slash + 1, (size_t)(url.p + url.n - slash - 1) } };
    }
}

static void redactions_find(c2pa_check *c)
{
    c->redactions = pl_arena_alloc(c->a, C2PA_REDACTIONS_MAX * sizeof *c->redactions);
    if (!c->redactions)
        pl_c2pa_break(c, PL_NOMEM, "out of memory");
    for (size_t i = 0; c->redactions && i < c->n; i++)
        redactions_of(c, &c->manifests[i]);
}

static void unpack(c2pa_check *c, c2pa_manifest *m)
{
    jumbf_box *inner = pl_arena_alloc(c->a, sizeof *inner);
    pl_error   why;

    if (!inner) {
        pl_c2pa_break(c, PL_NOMEM, "out of memory");
        return;
    }
    if (pl_c2pa_uncompress(m->box, c->a, inner, &why) == PL_OK) {
        m->box = inner;
        return;
    }
    m->bad = pl_arena_printf(c->a, "%s", why.text);
    if (!m->bad)
        m->bad = "";
}

void pl_c2pa_model(c2pa_check *c)
{
    const jumbf_box *s = c->store;

    c->manifests = pl_arena_alloc(c->a, C2PA_MANIFESTS_MAX * sizeof *c->manifests);
    if (!c->manifests) {
        pl_c2pa_break(c, PL_NOMEM, "out of memory");
        return;
    }
    for (size_t i = 0; i < s->n && c->n < C2PA_MANIFESTS_MAX; i++) {
        c2pa_manifest *m = &c->manifests[c->n];

        if (!pl_jumbf_is(&s->items[i], "c2ma") && !pl_jumbf_is(&s->items[i], "c2um") && !pl_jumbf_is(&s->items[i], "c2cm"))
            continue;
        c->n++;
        m->box = &s->items[i];
        if (pl_jumbf_is(m->box, "c2cm"))
            unpack(c, m);
        m->is_update = pl_jumbf_is(m->box, "c2um");
        m->assertions = pl_jumbf_child(m->box, PL_STR("c2pa.assertions"));
        if (!pl_jumbf_is(m->assertions, "c2as"))
            m->assertions = NULL;
        claim_find(c, m);
    }
    redactions_find(c);
}

static c2pa_manifest *manifest_of(const c2pa_check *c, pl_str label)
{
    for (size_t i = 0; i < c->n; i++)
        if (pl_str_eq(c->manifests[i].box->label, label))
            return &c->manifests[i];
    return NULL;
}

const jumbf_box *pl_c2pa_resolve(const c2pa_check *c, const c2pa_manifest *from, pl_str url,
                                 c2pa_manifest **owner)
{
    const jumbf_box *at;
    pl_str           step;

    if (!pl_str_starts(url, scheme))
        return NULL;
    url = (pl_str){ url.p + scheme.n, url.n - scheme.n };
    *owner = (c2pa_manifest *)from;
    if (starts_with(url, "/"))
        url = (pl_str){ url.p + 1, url.n - 1 };
    if (starts_with(url, "c2pa/")) {
        url = (pl_str){ url.p + 5, url.n - 5 };
        (void)pl_str_split(&url, '/', &step);
        *owner = manifest_of(c, step);
    }
    at = *owner ? (*owner)->box : NULL;
    while (at && pl_str_split(&url, '/', &step))
        at = pl_jumbf_child(at, step);
    return at;
}

bool pl_c2pa_uri_read(const cbor_item *i, const c2pa_manifest *m, c2pa_uri *out)
{
    out->url = pl_cbor_text(pl_cbor_get(i, "url"));
    out->hash = pl_cbor_bytes(pl_cbor_get(i, "hash"));
    out->alg = pl_cbor_text(pl_cbor_get(i, "alg"));
    if (out->alg.n == 0)
        out->alg = m->alg;
    return out->url.n > 0 && out->hash.n > 0;
}

pl_str pl_c2pa_url(c2pa_check *c, const c2pa_manifest *m, const char *rest, pl_str label)
{
    char *p = pl_arena_printf(c->a, "self#jumbf=/c2pa/" PL_STR_FMT "%s" PL_STR_FMT,
                              PL_STR_ARG(m->box->label), rest, PL_STR_ARG(label));

    return pl_str_z(p);
}

const cbor_item *pl_c2pa_assertion_cbor(c2pa_check *c, const jumbf_box *assertion)
{
    const jumbf_box *content = pl_jumbf_content(assertion, JUMBF_CBOR);
    const cbor_item *out = NULL;
    pl_error         why;

    if (!content || pl_cbor_parse(content->payload, c->a, &out, &why) != PL_OK)
        return NULL;
    return out;
}

bool pl_c2pa_label_is(pl_str label, const char *base)
{
    size_t n = strlen(base);

    if (!starts_with(label, base))
        return false;
    label = (pl_str){ label.p + n, label.n - n };
    return label.n == 0 || starts_with(label, ".v") || starts_with(label, "__");
}

const cbor_item *pl_c2pa_assertion_list(const c2pa_manifest *m, size_t i)
{
    static const char *const names[3][2] = { { NULL, NULL },
                                             { "assertions", NULL },
                                             { "created_assertions", "gathered_assertions" } };
    const cbor_item *list;

    if (i > 1 || !names[m->version][i])
        return NULL;
    list = pl_cbor_get(m->claim, names[m->version][i]);
    return list && list->kind == CBOR_ARRAY ? list : NULL;
}
