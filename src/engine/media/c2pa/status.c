#include "base/banned.h"

#include "engine/media/c2pa/c2pa_int.h"

/* C2PA 2.x 15.2.2: codes that do not fail. All others do. */
static const char *const successes[] = {
    "claimSignature.validated", "claimSignature.insideValidity", "signingCredential.trusted",
    "signingCredential.ocsp.notRevoked", "timeStamp.validated", "timeStamp.trusted",
    "assertion.hashedURI.match", "assertion.dataHash.match", "assertion.bmffHash.match",
    "assertion.boxesHash.match", "assertion.collectionHash.match", "assertion.accessible",
    "ingredient.manifest.validated", "ingredient.claimSignature.validated",
};
static const char *const notes[] = {
    "signingCredential.ocsp.skipped", "signingCredential.ocsp.inaccessible", "timeStamp.mismatch",
    "timeStamp.malformed", "timeStamp.outsideValidity", "timeStamp.untrusted",
    "ingredient.unknownProvenance", "manifest.unreferenced", "algorithm.deprecated",
    "assertion.dataHash.additionalExclusionsPresent",
};

static bool among(const char *code, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(code, list[i]) == 0)
            return true;
    return false;
}

static c2pa_level level_of(const char *code)
{
    if (among(code, successes, sizeof successes / sizeof successes[0]))
        return C2PA_SUCCESS;
    return among(code, notes, sizeof notes / sizeof notes[0]) ? C2PA_NOTE : C2PA_FAILURE;
}

void pl_c2pa_break(c2pa_check *c, pl_rc rc, const char *what)
{
    if (c->rc == PL_OK)
        c->rc = what ? pl_fail(c->err, rc, "%s", what) : rc;
}

static bool room(c2pa_check *c)
{
    size_t     cap = c->codes_cap ? c->codes_cap * 2 : 64;
    c2pa_code *p;

    if (c->codes_n < c->codes_cap)
        return true;
    if (c->codes_n >= C2PA_CODES_MAX)
        return false;
    p = pl_arena_alloc(c->a, cap * sizeof *p);
    if (!p) {
        pl_c2pa_break(c, PL_NOMEM, "out of memory");
        return false;
    }
    if (c->codes_n > 0)
        memcpy(p, c->codes, c->codes_n * sizeof *p);
    c->codes = p;
    c->codes_cap = cap;
    return true;
}

/* Whether the ingredient assertion that led to the manifest has recorded this failure: v1 and v2
 * in validationStatus, v3 in validationResults (C2PA 10.3, 15.11.3). */
static bool has_code(const cbor_item *list, const char *code)
{
    for (size_t i = 0; list && list->kind == CBOR_ARRAY && i < list->n; i++)
        if (pl_str_eqz(pl_cbor_text(pl_cbor_get(&list->items[i], "code")), code))
            return true;
    return false;
}

static bool is_recorded(const cbor_item *ingredient, const char *code)
{
    const cbor_item *results = pl_cbor_get(ingredient, "validationResults");
    const cbor_item *deltas = pl_cbor_get(results, "ingredientDeltas");

    if (has_code(pl_cbor_get(ingredient, "validationStatus"), code) ||
        has_code(pl_cbor_get(pl_cbor_get(results, "activeManifest"), "failure"), code))
        return true;
    for (size_t i = 0; deltas && deltas->kind == CBOR_ARRAY && i < deltas->n; i++)
        if (has_code(pl_cbor_get(pl_cbor_get(&deltas->items[i], "validationDeltas"), "failure"), code))
            return true;
    return false;
}

void pl_c2pa_say(c2pa_check *c, const c2pa_manifest *m, const char *code, pl_str url,
                 const char *why)
{
    c2pa_level level = level_of(code);

    if (!room(c))
        return;
    c->codes[c->codes_n++] = (c2pa_code){
        .code = code,
        .level = level,
        .url = url,
        .why = why ? pl_arena_printf(c->a, "%s", why) : "",
        .manifest = m ? m->order : 0,
        .is_known = level == C2PA_FAILURE && c->known && is_recorded(c->known, code),
    };
    if (c->codes[c->codes_n - 1].why == NULL)
        c->codes[c->codes_n - 1].why = "";
}
