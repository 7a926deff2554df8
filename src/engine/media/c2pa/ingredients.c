/* Ingredients: C2PA 2.x 15.11. */
#include "base/banned.h"

#include "engine/media/c2pa/c2pa_int.h"

#define INGREDIENTS_MAX 256

static void remember(c2pa_check *c, const cbor_item *i, const c2pa_manifest *of)
{
    c2pa_ingredient *list = (c2pa_ingredient *)c->r->ingredients;

    if (!list)
        list = pl_arena_alloc(c->a, INGREDIENTS_MAX * sizeof *list);
    if (!list) {
        pl_c2pa_break(c, PL_NOMEM, "out of memory");
        return;
    }
    c->r->ingredients = list;
    if (c->r->ingredients_n < INGREDIENTS_MAX)
        list[c->r->ingredients_n++] = (c2pa_ingredient){
            .title = pl_cbor_text(pl_cbor_get(i, "dc:title")),
            .format = pl_cbor_text(pl_cbor_get(i, "dc:format")),
            .relationship = pl_cbor_text(pl_cbor_get(i, "relationship")),
            .instance_id = pl_cbor_text(pl_cbor_get(i, "instanceID")),
            .manifest = of ? of->box->label : (pl_str){ "", 0 },
        };
}

/* A manifest that lost assertions by redaction no longer has its digest; its claim signature must
 * be the same then (15.11.3.2). */
static bool was_redacted(const c2pa_check *c, const c2pa_manifest *m)
{
    for (size_t i = 0; i < c->redactions_n; i++)
        if (c->redactions[i].of == m)
            return true;
    return false;
}

static bool digest_fits(const jumbf_box *box, const c2pa_uri *u)
{
    uint8_t sum[C2PA_DIGEST_MAX];
    size_t  n = pl_c2pa_digest_size(u->alg);

    return n > 0 && u->hash.n == n && pl_c2pa_digest(u->alg, box->payload, sum) &&
           memcmp(sum, u->hash.p, n) == 0;
}

/* Version 1 of the specification, until 1.1, took the digest of the claim alone. */
static bool is_old(const c2pa_manifest *of, const cbor_item *i)
{
    return of->version == 1 && pl_cbor_get(i, "c2pa_manifest");
}

static bool claim_fits(const c2pa_manifest *of, const c2pa_uri *u)
{
    uint8_t sum[C2PA_DIGEST_MAX];
    size_t  n = pl_c2pa_digest_size(u->alg);

    return of->claim && n > 0 && u->hash.n == n && pl_c2pa_digest(u->alg, of->claim_bytes, sum) &&
           memcmp(sum, u->hash.p, n) == 0;
}

static void signature_judge(c2pa_check *c, const c2pa_manifest *from, const cbor_item *i, pl_str url)
{
    c2pa_uri         u;
    c2pa_manifest   *owner = NULL;
    const jumbf_box *box = pl_c2pa_uri_read(pl_cbor_get(i, "claimSignature"), from, &u)
                               ? pl_c2pa_resolve(c, from, u.url, &owner)
                               : NULL;

    if (!box)
        pl_c2pa_say(c, from, "ingredient.claimSignature.missing", url, NULL);
    else
        pl_c2pa_say(c, from, digest_fits(box, &u) ? "ingredient.claimSignature.validated"
                                                  : "ingredient.claimSignature.mismatch", url, NULL);
}

static void manifest_judge(c2pa_check *c, const c2pa_manifest *from, const c2pa_manifest *of,
                           const cbor_item *i, const c2pa_uri *u, pl_str url)
{
    if (digest_fits(of->box, u) || (is_old(of, i) && claim_fits(of, u)))
        pl_c2pa_say(c, from, "ingredient.manifest.validated", u->url, NULL);
    else if (was_redacted(c, of) && pl_cbor_get(i, "claimSignature"))
        signature_judge(c, from, i, url);
    else if (!was_redacted(c, of))
        pl_c2pa_say(c, from, "ingredient.manifest.mismatch", u->url, NULL);
}

static bool is_parent(const cbor_item *i)
{
    return pl_str_eqz(pl_cbor_text(pl_cbor_get(i, "relationship")), "parentOf");
}

/* One ingredient assertion; true when it names a parent. */
static bool ingredient_check(c2pa_check *c, c2pa_manifest *m, const jumbf_box *box)
{
    const cbor_item *i = pl_c2pa_assertion_cbor(c, box), *ref, *before = c->known;
    pl_str           url = pl_c2pa_url(c, m, "/c2pa.assertions/", box->label);
    c2pa_manifest   *of = NULL;
    c2pa_uri         u;

    if (!i || pl_cbor_text(pl_cbor_get(i, "relationship")).n == 0) {
        pl_c2pa_say(c, m, "assertion.ingredient.malformed", url, NULL);
        return false;
    }
    ref = pl_cbor_get(i, "activeManifest");
    ref = ref ? ref : pl_cbor_get(i, "c2pa_manifest");
    if (ref && pl_c2pa_uri_read(ref, m, &u))
        (void)pl_c2pa_resolve(c, m, u.url, &of);
    if (m->order == 0)
        remember(c, i, of);
    c->known = i;
    if (!ref) {
        pl_c2pa_say(c, m, "ingredient.unknownProvenance", url, NULL);
    } else if (!of || of == m) {
        pl_c2pa_say(c, m, "ingredient.manifest.missing", url, NULL);
    } else {
        manifest_judge(c, m, of, i, &u, url);
        pl_c2pa_manifest_check(c, of);
    }
    c->known = before;
    return is_parent(i);
}

void pl_c2pa_ingredients_check(c2pa_check *c, c2pa_manifest *m)
{
    size_t parents = 0, others = 0;
    pl_str url = pl_c2pa_url(c, m, "", PL_STR(""));

    for (size_t k = 0; m->assertions && k < m->assertions->n; k++) {
        const jumbf_box *box = &m->assertions->items[k];

        if (!pl_c2pa_label_is(box->label, "c2pa.ingredient"))
            continue;
        if (ingredient_check(c, m, box))
            parents++;
        else
            others++;
    }
    if (parents > 1)
        pl_c2pa_say(c, m, "manifest.multipleParents", url, NULL);
    if (m->is_update && (parents != 1 || others > 0))
        pl_c2pa_say(c, m, "manifest.update.wrongParents", url, NULL);
}
