/* Assertions of a claim: C2PA 2.x 15.10. */
#include "base/banned.h"

#include "engine/media/c2pa/c2pa_int.h"

static const char *const bindings[] = { "c2pa.hash.data", "c2pa.hash.boxes", "c2pa.hash.bmff",
                                        "c2pa.hash.collection.data", "c2pa.hash.multi-asset" };

bool pl_c2pa_is_binding(pl_str label)
{
    for (size_t i = 0; i < sizeof bindings / sizeof bindings[0]; i++)
        if (pl_c2pa_label_is(label, bindings[i]))
            return true;
    return false;
}

/* --- redaction: C2PA 2.x 6.8 --------------------------------------------------------------- */

/* The claim that redacted an assertion of m; NULL: none did. */
static const c2pa_manifest *redactor_of(const c2pa_check *c, const c2pa_manifest *m, pl_str label)
{
    for (size_t i = 0; i < c->redactions_n; i++)
        if (c->redactions[i].of == m && pl_str_eq(c->redactions[i].label, label))
            return c->redactions[i].by;
    return NULL;
}

static bool is_blank(const jumbf_box *b)
{
    for (size_t i = 0; i < b->n; i++)
        for (size_t k = 0; k < b->items[i].payload.n; k++)
            if (b->items[i].payload.p[k] != '\0')
                return false;
    return true;
}

static void redaction_judge(c2pa_check *c, const c2pa_manifest *m, const c2pa_manifest *by,
                            const jumbf_box *box, pl_str label, pl_str url)
{
    if (by == m)
        pl_c2pa_say(c, m, "assertion.selfRedacted", url, NULL);
    else if (pl_c2pa_label_is(label, "c2pa.actions"))
        pl_c2pa_say(c, m, "assertion.action.redacted", url, NULL);
    else if (pl_c2pa_is_binding(label))
        pl_c2pa_say(c, m, "assertion.dataHash.redacted", url, NULL);
    else if (box && !is_blank(box))
        pl_c2pa_say(c, m, "assertion.notRedacted", url, NULL);
}

/* --- digests -------------------------------------------------------------------------------- */

static pl_str label_of(pl_str url)
{
    const char *slash = url.n > 0 ? memrchr(url.p, '/', url.n) : NULL;

    return slash ? (pl_str){ slash + 1, (size_t)(url.p + url.n - slash - 1) } : url;
}

static void digest_judge(c2pa_check *c, const c2pa_manifest *m, const jumbf_box *box,
                         const c2pa_uri *u, pl_str url)
{
    uint8_t sum[C2PA_DIGEST_MAX];
    size_t  n = pl_c2pa_digest_size(u->alg);

    if (n == 0)
        pl_c2pa_say(c, m, "algorithm.unsupported", url, "unknown digest");
    else if (!pl_c2pa_digest(u->alg, box->payload, sum) || u->hash.n != n ||
             memcmp(sum, u->hash.p, n) != 0)
        pl_c2pa_say(c, m, "assertion.hashedURI.mismatch", url, NULL);
    else
        pl_c2pa_say(c, m, "assertion.hashedURI.match", url, NULL);
}

static void readable_judge(c2pa_check *c, const c2pa_manifest *m, const jumbf_box *box, pl_str url)
{
    const jumbf_box *json = pl_jumbf_content(box, JUMBF_JSON);
    json_t          *tree = NULL;
    pl_error         why;

    if (pl_jumbf_content(box, JUMBF_CBOR) && !pl_c2pa_assertion_cbor(c, box))
        pl_c2pa_say(c, m, "assertion.cbor.invalid", url, NULL);
    if (json && pl_json_parse(json->payload, "assertion", &tree, &why) != PL_OK)
        pl_c2pa_say(c, m, "assertion.json.invalid", url, why.text);
    json_decref(tree);
}

/* Collections of files, and assets of several parts: whether they are what was signed is not known, so
 * the manifest does not count as valid, nor as broken. */
void pl_c2pa_unsupported_binding(c2pa_check *c, const c2pa_manifest *m, pl_str url)
{
    c->is_unsupported = true;
    pl_c2pa_say(c, m, "algorithm.unsupported", url, "this kind of binding is not verified here");
}

static void binding_check(c2pa_check *c, c2pa_manifest *m, const jumbf_box *box, pl_str url)
{
    const cbor_item *i = pl_c2pa_assertion_cbor(c, box);

    if (!i || !c->asset || c->hash_done)
        return;
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

/* One entry of the claim's lists; true when it is a hard binding. */
static bool entry_check(c2pa_check *c, c2pa_manifest *m, const cbor_item *entry, bool check_file)
{
    c2pa_uri             u;
    c2pa_manifest       *owner = NULL;
    const jumbf_box     *box;
    const c2pa_manifest *by;
    pl_str               label, url;

    if (!pl_c2pa_uri_read(entry, m, &u)) {
        pl_c2pa_say(c, m, "claim.malformed", pl_c2pa_url(c, m, "/", PL_STR("c2pa.claim")),
                    "an entry of its assertions is no hashed URI");
        return false;
    }
    label = label_of(u.url);
    box = pl_c2pa_resolve(c, m, u.url, &owner);
    url = pl_c2pa_url(c, m, "/c2pa.assertions/", label);
    by = redactor_of(c, m, label);
    if (by)
        redaction_judge(c, m, by, box, label, url);
    else if (owner && owner != m)
        pl_c2pa_say(c, m, "assertion.outsideManifest", u.url, NULL);
    else if (!box)
        pl_c2pa_say(c, m, "assertion.missing", url, NULL);
    else
        digest_judge(c, m, box, &u, url);
    if (!by && box && owner == m) {
        readable_judge(c, m, box, url);
        if (check_file && pl_c2pa_is_binding(label))
            binding_check(c, m, box, url);
    }
    return pl_c2pa_is_binding(label);
}

/* --- what the store holds beside the claim's lists ------------------------------------------- */

static bool is_declared(const c2pa_manifest *m, pl_str label)
{
    for (size_t l = 0; l < 2; l++) {
        const cbor_item *list = pl_c2pa_assertion_list(m, l);

        for (size_t i = 0; list && i < list->n; i++)
            if (pl_str_eq(label_of(pl_cbor_text(pl_cbor_get(&list->items[i], "url"))), label))
                return true;
    }
    return false;
}

static void undeclared_find(c2pa_check *c, const c2pa_manifest *m)
{
    for (size_t i = 0; m->assertions && i < m->assertions->n; i++) {
        const jumbf_box *b = &m->assertions->items[i];

        if (b->type == JUMBF_JUMB && !is_declared(m, b->label))
            pl_c2pa_say(c, m, "assertion.undeclared",
                        pl_c2pa_url(c, m, "/c2pa.assertions/", b->label), NULL);
    }
}

/* The file is compared with the binding of the active manifest only, or of what an active update
 * manifest updates: ingredients were bound to other files. */
static bool is_for_the_file(const c2pa_manifest *m)
{
    return m->order == 0;
}

void pl_c2pa_assertions_check(c2pa_check *c, c2pa_manifest *m)
{
    pl_str claim = pl_c2pa_url(c, m, "/", m->version == 2 ? PL_STR("c2pa.claim.v2")
                                                           : PL_STR("c2pa.claim"));
    size_t found = 0;

    for (size_t l = 0; l < 2; l++) {
        const cbor_item *list = pl_c2pa_assertion_list(m, l);

        for (size_t i = 0; list && i < list->n; i++)
            found += entry_check(c, m, &list->items[i], is_for_the_file(m)) ? 1 : 0;
    }
    if (!m->assertions)
        pl_c2pa_say(c, m, "assertion.missing", pl_c2pa_url(c, m, "/", PL_STR("c2pa.assertions")),
                    "there is no assertion store");
    undeclared_find(c, m);
    if (m->is_update && found > 0)
        pl_c2pa_say(c, m, "manifest.update.invalid", claim, "it binds a file");
    else if (!m->is_update && found == 0)
        pl_c2pa_say(c, m, "claim.hardBindings.missing", claim, NULL);
    else if (found > 1)
        pl_c2pa_say(c, m, "assertion.multipleHardBindings", claim, NULL);
}
