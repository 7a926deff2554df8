#include "base/banned.h"

#include "engine/media/c2pa/c2pa_int.h"

/* The keys a claim cannot do without (C2PA 2.x 10.2, 1.x 8.3). */
static bool has_required(const c2pa_manifest *m)
{
    static const char *const v1[] = { "claim_generator", "signature", "assertions", "instanceID" };
    static const char *const v2[] = { "claim_generator_info", "signature", "created_assertions",
                                      "instanceID" };

    for (size_t i = 0; i < 4; i++)
        if (!pl_cbor_get(m->claim, m->version == 2 ? v2[i] : v1[i]))
            return false;
    return true;
}

static size_t claims_of(const c2pa_manifest *m)
{
    size_t n = 0;

    for (size_t i = 0; i < m->box->n; i++)
        n += pl_jumbf_is(&m->box->items[i], "c2cl") ? 1 : 0;
    return n;
}

static bool has_sane_lists(const c2pa_manifest *m)
{
    for (size_t i = 0; i < 2; i++) {
        const cbor_item *list = pl_c2pa_assertion_list(m, i);

        if (list && list->n > C2PA_ASSERTIONS_MAX)
            return false;
    }
    return true;
}

static bool claim_check(c2pa_check *c, const c2pa_manifest *m)
{
    pl_str url = pl_c2pa_url(c, m, "/", m->version == 2 ? PL_STR("c2pa.claim.v2")
                                                         : PL_STR("c2pa.claim"));
    size_t n = claims_of(m);

    if (m->bad)
        pl_c2pa_say(c, m, "manifest.compressed.invalid", url, m->bad);
    else if (n == 0)
        pl_c2pa_say(c, m, "claim.missing", url, NULL);
    else if (n > 1)
        pl_c2pa_say(c, m, "claim.multiple", url, NULL);
    else if (!m->claim)
        pl_c2pa_say(c, m, "claim.cbor.invalid", url, NULL);
    else if (!has_required(m))
        pl_c2pa_say(c, m, "claim.required.missing", url, NULL);
    else if (!has_sane_lists(m))
        pl_c2pa_say(c, m, "claim.malformed", url, "it lists too many assertions");
    return n == 1 && m->claim && has_sane_lists(m);
}

void pl_c2pa_manifest_check(c2pa_check *c, c2pa_manifest *m)
{
    if (m->is_checked || c->rc != PL_OK)
        return;
    m->is_checked = true;
    m->order = c->reached++;
    if (!claim_check(c, m))
        return;
    pl_c2pa_signature_check(c, m);
    pl_c2pa_assertions_check(c, m);
    pl_c2pa_actions_check(c, m);
    pl_c2pa_ingredients_check(c, m);
}

/* An update manifest binds no file itself: the manifest it updates does (C2PA 2.x 11.2.3). */
static void updated_binding_check(c2pa_check *c, c2pa_manifest *m)
{
    for (size_t steps = 0; m->is_update && steps < c->n; steps++) {
        c2pa_manifest *parent = NULL;

        for (size_t k = 0; m->assertions && k < m->assertions->n; k++) {
            const cbor_item *i = pl_c2pa_label_is(m->assertions->items[k].label, "c2pa.ingredient")
                                     ? pl_c2pa_assertion_cbor(c, &m->assertions->items[k])
                                     : NULL;
            const cbor_item *ref = pl_cbor_get(i, "activeManifest");

            ref = ref ? ref : pl_cbor_get(i, "c2pa_manifest");
            if (ref)
                (void)pl_c2pa_resolve(c, m, pl_cbor_text(pl_cbor_get(ref, "url")), &parent);
        }
        if (!parent)
            return;
        m = parent;
    }
    for (size_t k = 0; !m->is_update && m->assertions && k < m->assertions->n; k++) {
        const jumbf_box *box = &m->assertions->items[k];
        const cbor_item *i = pl_c2pa_is_binding(box->label) ? pl_c2pa_assertion_cbor(c, box) : NULL;
        pl_str           url = pl_c2pa_url(c, m, "/c2pa.assertions/", box->label);

        if (!i || c->hash_done)
            continue;
        c->hash_done = true;
        if (pl_c2pa_label_is(box->label, "c2pa.hash.data"))
            pl_c2pa_hash_data(c, m, i, url);
        else if (pl_c2pa_label_is(box->label, "c2pa.hash.bmff"))
            pl_c2pa_hash_bmff(c, m, i, box->label, url);
        else if (pl_c2pa_label_is(box->label, "c2pa.hash.boxes"))
            pl_c2pa_hash_boxes(c, m, i, url);
        else
            pl_c2pa_unsupported_binding(c, m, url);
    }
}

/* --- the report --------------------------------------------------------------------------- */

static void claim_describe(c2pa_report *r, const c2pa_manifest *m)
{
    const cbor_item *info = pl_cbor_get(m->claim, "claim_generator_info");

    if (info && info->kind == CBOR_ARRAY && info->n > 0)
        info = &info->items[0];
    r->manifest = m->box->label;
    r->claim_version = m->version;
    r->title = pl_cbor_text(pl_cbor_get(m->claim, "dc:title"));
    r->format = pl_cbor_text(pl_cbor_get(m->claim, "dc:format"));
    r->instance_id = pl_cbor_text(pl_cbor_get(m->claim, "instanceID"));
    r->generator = pl_cbor_text(pl_cbor_get(info, "name"));
    r->generator_version = pl_cbor_text(pl_cbor_get(info, "version"));
    if (r->generator.n == 0)
        r->generator = pl_cbor_text(pl_cbor_get(m->claim, "claim_generator"));
}

static bool starts(const char *code, const char *prefix)
{
    return strncmp(code, prefix, strlen(prefix)) == 0;
}

/* C2PA 2.x 14.3: Trusted when nothing failed and a list vouches; Valid when only that is missing.
 * Whether what was signed is intact is a matter of its own: a certificate that expired breaks
 * nothing. */
static void states_set(c2pa_check *c)
{
    bool broken = false, invalid = false, hashed = false;

    for (size_t i = 0; i < c->codes_n; i++) {
        const c2pa_code *k = &c->codes[i];

        hashed = hashed || (k->level == C2PA_SUCCESS && starts(k->code, "assertion.") &&
                            strstr(k->code, "Hash.match"));
        if (k->level != C2PA_FAILURE || k->is_known)
            continue;
        if (strcmp(k->code, "signingCredential.untrusted") == 0)
            continue;
        invalid = true;
        if (c->is_unsupported && strcmp(k->code, "algorithm.unsupported") == 0)
            continue;
        broken = broken || (!starts(k->code, "signingCredential.") &&
                            strcmp(k->code, "claimSignature.outsideValidity") != 0);
    }
    c->r->integrity = broken                 ? C2PA_BROKEN
                      : !hashed              ? C2PA_NOT_CHECKED
                      : c->r->unprotected > 0 ? C2PA_PARTIAL
                                              : C2PA_INTACT;
    c->r->state = invalid                             ? "Invalid"
                  : c->r->standing == C2PA_TRUSTED ? "Trusted"
                                                      : "Valid";
}

static void unreferenced_find(c2pa_check *c)
{
    for (size_t i = 0; i < c->n; i++)
        if (!c->manifests[i].is_checked)
            pl_c2pa_say(c, NULL, "manifest.unreferenced",
                        pl_c2pa_url(c, &c->manifests[i], "", PL_STR("")), NULL);
}

static void store_check(c2pa_check *c, pl_str store)
{
    c2pa_manifest *active;
    pl_error       why;

    pl_rc          rc = pl_jumbf_parse(store, c->a, &c->store, &why);

    if (rc == PL_OK && (!pl_jumbf_is(c->store, "c2pa") || !pl_str_eqz(c->store->label, "c2pa")))
        rc = pl_fail(&why, PL_INVALID, "jumbf: not a manifest store");
    if (rc != PL_OK) {
        pl_c2pa_say(c, NULL, "general.error", PL_STR(""), why.text);
        return;
    }
    pl_c2pa_model(c);
    if (c->rc != PL_OK)
        return;
    c->r->manifests = c->n;
    if (c->n == 0) {
        pl_c2pa_say(c, NULL, "claim.missing", PL_STR("self#jumbf=/c2pa"),
                    "the store has no manifest that can be read");
        return;
    }
    active = &c->manifests[c->n - 1]; /* the last one: C2PA 2.x 11.1.4.1 */
    claim_describe(c->r, active);
    pl_c2pa_manifest_check(c, active);
    if (active->is_update && c->asset)
        updated_binding_check(c, active);
    unreferenced_find(c);
}

pl_rc pl_c2pa_check(pl_str store, const c2pa_asset *asset, const c2pa_how *how, pl_arena *a,
                    const c2pa_report **out, pl_error *err)
{
    c2pa_report *r = pl_arena_alloc(a, sizeof *r);
    c2pa_check   c = { .a = a, .how = how, .asset = asset, .r = r, .err = err };

    if (!r)
        return pl_fail(err, PL_NOMEM, "out of memory");
    r->standing = C2PA_NO_SIGNER;
    store_check(&c, store);
    if (c.rc != PL_OK)
        return c.rc;
    states_set(&c);
    r->codes = c.codes;
    r->codes_n = c.codes_n;
    *out = r;
    return PL_OK;
}

pl_rc pl_c2pa_unreadable(pl_arena *a, const char *why, const c2pa_report **out, pl_error *err)
{
    c2pa_report *r = pl_arena_alloc(a, sizeof *r);
    c2pa_check   c = { .a = a, .r = r, .err = err };

    if (!r)
        return pl_fail(err, PL_NOMEM, "out of memory");
    r->standing = C2PA_NO_SIGNER;
    pl_c2pa_say(&c, NULL, "general.error", PL_STR(""), why);
    states_set(&c);
    r->codes = c.codes;
    r->codes_n = c.codes_n;
    *out = r;
    return c.rc;
}
