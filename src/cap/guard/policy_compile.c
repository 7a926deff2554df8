/* From policy source and packs to one database file. docs/formats/policy.md */
#include "base/banned.h"

#include "base/file.h"
#include "base/str.h"
#include "cap/guard/policy_source.h"

pl_rc policy_bad(compiler *c, const char *where, const char *what)
{
    return pl_yaml_fail(c->err, c->text, c->source, where, "%s", what);
}

pl_rc policy_only(compiler *c, const char *where, const json_t *o, const char *const *keys,
                  const char *what)
{
    char        pointer[POINTER_MAX * 2];
    const char *key;
    json_t     *v;

    if (!json_is_object(o))
        return policy_bad(c, where, what);
    json_object_foreach ((json_t *)o, key, v) {
        size_t i = 0;
        while (keys[i] && strcmp(keys[i], key) != 0)
            i++;
        if (keys[i])
            continue;
        snprintf(pointer, sizeof pointer, "%s/%.*s", where, POINTER_MAX - 1, key);
        return pl_yaml_fail(c->err, c->text, c->source, pointer, "unknown key '%.64s'", key);
    }
    return PL_OK;
}

bool policy_one_of(const json_t *v, const char *const *names)
{
    const char *s = json_string_value(v);

    for (; s && *names; names++)
        if (strcmp(s, *names) == 0)
            return true;
    return false;
}

bool policy_is_severity(const json_t *v)
{
    return json_is_integer(v) && json_integer_value(v) >= 1 && json_integer_value(v) <= 4;
}

/* --- packs ---------------------------------------------------------------------------- */

static json_t *pack_reference(const pl_pack *p)
{
    pl_str  id = pl_pack_id(p), version = pl_pack_version(p);
    uint8_t digest[32];
    char    hex[65];

    pl_pack_digest(p, digest);
    pl_hex(digest, sizeof digest, hex);
    return json_pack("{s:s%, s:s%, s:s}", "id", id.p, id.n, "version", version.p, version.n,
                     "sha256", hex);
}

static pl_rc pack_use(compiler *c, const char *ref, json_t *used)
{
    pl_pack *p = NULL;
    pl_rc    rc = pl_pack_open(ref, c->folders, &p, c->err);

    if (rc == PL_OK && !pl_str_eqz(pl_pack_kind(p), "lexicon"))
        rc = policy_bad(c, "/packs", "a policy can use packs of kind 'lexicon' only");
    if (rc == PL_OK)
        rc = policy_lexicon_add(c->builder, c->variants, p, c->err);
    if (rc == PL_OK)
        json_array_append_new(used, pack_reference(p));
    pl_pack_free(p);
    return rc;
}

static pl_rc packs(compiler *c, const json_t *list)
{
    json_t *used = json_array(), *ref;
    size_t  i;
    pl_rc   rc = PL_OK;

    json_object_set_new(c->doc, "packs", used);
    if (!json_is_array(list) || json_array_size(list) == 0)
        return policy_bad(c, "/packs", "'packs' must list at least one lexicon pack");
    json_array_foreach ((json_t *)list, i, ref) {
        if (!json_is_string(ref))
            return policy_bad(c, "/packs", "every element must be a pack name");
        rc = pack_use(c, json_string_value(ref), used);
        if (rc != PL_OK)
            return rc;
    }
    if (pl_variants_pack(c->variants) != NULL)
        json_array_append_new(used, pack_reference(pl_variants_pack(c->variants)));
    return PL_OK;
}

/* --- detectors ------------------------------------------------------------------------- */

#define DETECTOR_SEVERITY 2 /* unless the policy says otherwise */

/* A detector's rule "detector.pii.email" has no keyword: the detector finds what it reports. */
static pl_rc detector_use(compiler *c, pl_pii_kind kind, uint8_t severity)
{
    pl_str       category = pl_str_z(pl_pii_category(kind));
    char         id[64];
    pl_text_rule rule = { .category = category, .severity = severity };

    rule.id = (pl_str){ id, (size_t)snprintf(id, sizeof id, "detector." PL_STR_FMT,
                                             PL_STR_ARG(category)) };
    return pl_textdb_builder_rule(c->builder, &rule, &c->detectors.rule[kind], c->err);
}

/* How sure a guess must be; only names and addresses are guesses. */
static pl_rc confidence(compiler *c, const char *where, pl_pii_kind kind, const json_t *v,
                        unsigned *out)
{
    double p = json_is_number(v) ? json_number_value(v) : 0;

    if (!v)
        return PL_OK;
    if (kind != PL_PII_NAME && kind != PL_PII_ADDRESS)
        return policy_bad(c, where, "only pii.name and pii.address have a 'confidence'");
    if (p < 0.5 || p > 1)
        return policy_bad(c, where, "'confidence' must be between 0.5 and 1");
    *out = (unsigned)(p * PL_SCORE_MAX + 0.5);
    return PL_OK;
}

/* `category`, or { category, severity, confidence }. */
static pl_rc detector_row(compiler *c, const char *where, const json_t *row,
                          uint8_t severities[PL_PII_KINDS])
{
    static const char *const keys[] = { "category", "severity", "confidence", NULL };
    const json_t *name = row, *severity = NULL;
    pl_pii_kind   kind;

    if (json_is_object(row)) {
        pl_rc rc = policy_only(c, where, row, keys, "");
        if (rc != PL_OK)
            return rc;
        name = json_object_get(row, "category");
        severity = json_object_get(row, "severity");
    }
    kind = json_is_string(name) ? pl_pii_kind_find(pl_str_z(json_string_value(name))) : PL_PII_KINDS;
    if (kind == PL_PII_KINDS)
        return policy_bad(c, where, "not the category of a detector, like pii.email or secret.api_key");
    if (severities[kind])
        return policy_bad(c, where, "this detector is listed twice");
    if (severity && !policy_is_severity(severity))
        return policy_bad(c, where, "'severity' must be 1, 2, 3 or 4");
    if (json_is_object(row) &&
        confidence(c, where, kind, json_object_get(row, "confidence"), &c->floor[kind]) != PL_OK)
        return PL_INVALID;
    severities[kind] = severity ? (uint8_t)json_integer_value(severity) : DETECTOR_SEVERITY;
    return PL_OK;
}

/* Absent: none. In the order of the kinds, so that the order in the source does not show. */
static pl_rc detectors(compiler *c, const json_t *list)
{
    uint8_t severities[PL_PII_KINDS] = { 0 };
    char    where[POINTER_MAX];
    json_t *row;
    size_t  i;
    pl_rc   rc = PL_OK;

    memset(&c->detectors, 0xff, sizeof c->detectors); /* PL_PII_OFF */
    if (!list)
        return PL_OK;
    if (json_is_string(list) && strcmp(json_string_value(list), "all") == 0)
        memset(severities, DETECTOR_SEVERITY, sizeof severities);
    else if (!json_is_array(list) || json_array_size(list) == 0)
        return policy_bad(c, "/detectors", "'detectors' must be 'all' or a list of categories");
    json_array_foreach ((json_t *)list, i, row) {
        snprintf(where, sizeof where, "/detectors/%zu", i);
        rc = detector_row(c, where, row, severities);
        if (rc != PL_OK)
            return rc;
    }
    for (unsigned k = 0; k < PL_PII_KINDS && rc == PL_OK; k++)
        if (severities[k])
            rc = detector_use(c, (pl_pii_kind)k, severities[k]);
    c->has_detectors = true;
    return rc;
}

/* --- names and addresses ----------------------------------------------------------------- */

#define NAMES_PACK "names-default" /* unless the policy says otherwise */

/* names: NAME, or names: {pack: NAME, confidence: P}; what a detector says itself outranks it. */
static pl_rc names(compiler *c, const json_t *m)
{
    static const char *const keys[] = { "pack", "confidence", NULL };
    const json_t *given = json_is_string(m) ? m : json_object_get(m, "pack");
    const char   *ref = json_is_string(given) ? json_string_value(given) : NAMES_PACK;
    unsigned      least = 0, name = c->floor[PL_PII_NAME], address = c->floor[PL_PII_ADDRESS];
    pl_pack      *p = NULL;
    pl_rc         rc = PL_OK;

    if (m && !json_is_string(m))
        rc = policy_only(c, "/names", m, keys, "'names' must be a pack name, or a mapping");
    if (rc == PL_OK && given && !json_is_string(given))
        rc = policy_bad(c, "/names", "'pack' must be the name of a pack");
    if (rc == PL_OK)
        rc = confidence(c, "/names", PL_PII_NAME, json_object_get(m, "confidence"), &least);
    if (rc != PL_OK || !c->has_detectors ||
        (c->detectors.rule[PL_PII_NAME] == PL_PII_OFF &&
         c->detectors.rule[PL_PII_ADDRESS] == PL_PII_OFF))
        return rc;
    rc = pl_pack_open(ref, c->folders, &p, c->err);
    if (rc == PL_OK && !pl_str_eqz(pl_pack_kind(p), "names"))
        rc = policy_bad(c, "/names", "the pack is not of kind 'names'");
    if (rc == PL_OK)
        rc = policy_names_read(p, name ? name : least, address ? address : least, &c->names,
                               &c->names_n, c->err);
    if (rc == PL_OK)
        json_object_set_new(c->doc, "names", pack_reference(p));
    pl_pack_free(p);
    return rc;
}

/* --- model ----------------------------------------------------------------------------- */

/* model: NAME, or model: {pack: NAME, severity: N} */
static pl_rc model(compiler *c, const json_t *m)
{
    static const char *const keys[] = { "pack", "severity", NULL };
    const json_t *ref = json_is_string(m) ? m : json_object_get(m, "pack");
    const json_t *severity = json_object_get(m, "severity");
    pl_pack      *p = NULL;
    pl_rc         rc = PL_OK;

    if (!m)
        return PL_OK;
    if (!json_is_string(m))
        rc = policy_only(c, "/model", m, keys, "'model' must be a pack name, or a mapping with 'pack'");
    if (rc == PL_OK && !json_is_string(ref))
        rc = policy_bad(c, "/model", "'model' names no pack");
    if (rc == PL_OK && severity && !policy_is_severity(severity))
        rc = policy_bad(c, "/model", "'severity' must be 1, 2, 3 or 4");
    if (rc == PL_OK)
        rc = pl_pack_open(json_string_value(ref), c->folders, &p, c->err);
    if (rc == PL_OK && !pl_str_eqz(pl_pack_kind(p), "model"))
        rc = policy_bad(c, "/model", "the pack is not of kind 'model'");
    if (rc == PL_OK)
        rc = policy_model_add(p, severity ? (uint8_t)json_integer_value(severity) : 2, c->builder,
                              &c->model, &c->model_n, c->err);
    if (rc == PL_OK)
        json_object_set_new(c->doc, "model", pack_reference(p));
    pl_pack_free(p);
    return rc;
}

/* --- people ---------------------------------------------------------------------------- */

/* people: NAME */
static pl_rc people(compiler *c, const json_t *ref)
{
    pl_pack *p = NULL;
    json_t  *out = json_object();
    pl_rc    rc = PL_OK;

    if (!ref) {
        json_decref(out);
        return PL_OK;
    }
    json_object_set_new(c->doc, "people", out);
    if (!json_is_string(ref))
        return policy_bad(c, "/people", "'people' must be the name of a pack");
    rc = pl_pack_open(json_string_value(ref), c->folders, &p, c->err);
    if (rc == PL_OK && !pl_str_eqz(pl_pack_kind(p), "people"))
        rc = policy_bad(c, "/people", "the pack is not of kind 'people'");
    if (rc == PL_OK)
        rc = policy_people_read(p, out, c->err);
    if (rc == PL_OK)
        json_object_set_new(out, "pack", pack_reference(p));
    pl_pack_free(p);
    return rc;
}

/* --- the whole ---------------------------------------------------------------------------- */

static pl_rc head(compiler *c, const json_t *src)
{
    static const char *const keys[] = { "policy", "version", "packs", "detectors", "model", "names",
                                        "routes", "tenants", "people", "review", NULL };
    json_t *id = json_object_get(src, "policy"), *version = json_object_get(src, "version");
    pl_rc   rc = policy_only(c, "", src, keys, "the source must be a mapping");

    if (rc != PL_OK)
        return rc;
    if (!json_is_string(id) || json_string_length(id) == 0 || json_string_length(id) > 64 ||
        strspn(json_string_value(id), "abcdefghijklmnopqrstuvwxyz0123456789-_.") !=
            json_string_length(id))
        return policy_bad(c, "/policy", "'policy' must be a name of a-z, 0-9, '.', '-' and '_', at most 64 long");
    if (!json_is_integer(version) || json_integer_value(version) < 1)
        return policy_bad(c, "/version", "'version' must be a positive integer");
    json_object_set(c->doc, "id", id);
    json_object_set(c->doc, "version", version);
    return PL_OK;
}

static pl_rc build(compiler *c, void **out, size_t *n)
{
    void  *text = NULL, *pii = NULL;
    size_t text_n = 0, pii_n = 0;
    char  *doc = NULL;
    pl_rc  rc = pl_textdb_builder_finish(c->builder, &text, &text_n, c->err);

    if (rc == PL_OK && !(doc = pl_json_dump(c->doc)))
        rc = pl_fail(c->err, PL_NOMEM, "out of memory");
    if (rc == PL_OK && c->has_detectors)
        rc = pl_pii_config_format(&c->detectors, &pii, &pii_n, c->err);
    if (rc == PL_OK) {
        pl_policydb_section s[5] = { { PL_SECTION_POLICY, pl_str_z(doc) },
                                     { PL_SECTION_TEXT, { text, text_n } } };
        size_t              sections = 2;

        if (c->has_detectors)
            s[sections++] = (pl_policydb_section){ PL_SECTION_PII, { pii, pii_n } };
        if (c->model)
            s[sections++] = (pl_policydb_section){ PL_SECTION_MODEL, { c->model, c->model_n } };
        if (c->names)
            s[sections++] = (pl_policydb_section){ PL_SECTION_NAMES, { c->names, c->names_n } };
        rc = pl_policydb_build(s, sections, out, n, c->err);
    }
    free(pii);
    free(text);
    free(doc);
    return rc;
}

pl_rc pl_policy_compile(const char *source, const char *const *pack_folders, void **out, size_t *n,
                        pl_error *err)
{
    compiler c = { .source = source, .folders = pack_folders, .err = err, .doc = json_object() };
    json_t  *src = NULL;
    char    *bytes = NULL;
    size_t   size = 0;
    pl_rc    rc = pl_textdb_builder_new(&c.builder, err);

    if (rc == PL_OK)
        rc = pl_file_read(source, PL_YAML_MAX, &bytes, &size, err);
    c.text = (pl_str){ bytes, size };
    if (rc == PL_OK)
        rc = pl_variants_new(pack_folders, &c.variants, err);
    if (rc == PL_OK)
        rc = pl_yaml_parse(c.text, source, &src, err);
    if (rc == PL_OK)
        rc = head(&c, src);
    if (rc == PL_OK)
        rc = policy_routes(&c, src);
    if (rc == PL_OK)
        rc = packs(&c, json_object_get(src, "packs"));
    if (rc == PL_OK)
        rc = detectors(&c, json_object_get(src, "detectors"));
    if (rc == PL_OK)
        rc = model(&c, json_object_get(src, "model"));
    if (rc == PL_OK)
        rc = names(&c, json_object_get(src, "names"));
    if (rc == PL_OK)
        rc = people(&c, json_object_get(src, "people"));
    if (rc == PL_OK)
        rc = policy_review_read(&c, json_object_get(src, "review"));
    if (rc == PL_OK)
        rc = build(&c, out, n);
    pl_textdb_builder_free(c.builder);
    free(c.model);
    free(c.names);
    pl_variants_free(c.variants);
    free(bytes);
    json_decref(src);
    json_decref(c.doc);
    return rc;
}
