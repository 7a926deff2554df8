/* From policy source and packs to one database file. docs/formats/policy.md */
#include "base/banned.h"

#include "base/file.h"
#include "base/str.h"
#include "base/yaml.h"
#include "base/yaml_at.h"
#include "cap/guard/guard_int.h"
#include "cap/guard/policy_lexicon.h"
#include "engine/text/pii.h"
#include "engine/text/textlabel.h"

typedef struct compiler {
    const char        *source; /* its name */
    pl_str             text;   /* its bytes, for positions in messages */
    const char *const *folders;
    pl_error          *err;
    pl_textdb_builder *builder;
    pl_variants       *variants;
    json_t            *doc; /* the POLC section in the making */
    pl_pii_config      detectors;
    bool               has_detectors;
    char              *model; /* the MODL section, or NULL */
    size_t             model_n;
    char              *names; /* the NAME section, or NULL */
    size_t             names_n;
    unsigned           floor[PL_PII_KINDS]; /* least scores the source gives; 0: none */
} compiler;

#define POINTER_MAX 160

/* where: JSON pointer of the value that breaks the rule. */
static pl_rc bad(compiler *c, const char *where, const char *what)
{
    return pl_yaml_fail(c->err, c->text, c->source, where, "%s", what);
}

/* An object with known members only. */
static pl_rc only(compiler *c, const char *where, const json_t *o, const char *const *keys,
                  const char *what)
{
    char        pointer[POINTER_MAX * 2];
    const char *key;
    json_t     *v;

    if (!json_is_object(o))
        return bad(c, where, what);
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

static bool one_of(const json_t *v, const char *const *names)
{
    const char *s = json_string_value(v);

    for (; s && *names; names++)
        if (strcmp(s, *names) == 0)
            return true;
    return false;
}

static bool is_severity(const json_t *v)
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
        rc = bad(c, "/packs", "a policy can use packs of kind 'lexicon' only");
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
        return bad(c, "/packs", "'packs' must list at least one lexicon pack");
    json_array_foreach ((json_t *)list, i, ref) {
        if (!json_is_string(ref))
            return bad(c, "/packs", "every element must be a pack name");
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
        return bad(c, where, "only pii.name and pii.address have a 'confidence'");
    if (p < 0.5 || p > 1)
        return bad(c, where, "'confidence' must be between 0.5 and 1");
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
        pl_rc rc = only(c, where, row, keys, "");
        if (rc != PL_OK)
            return rc;
        name = json_object_get(row, "category");
        severity = json_object_get(row, "severity");
    }
    kind = json_is_string(name) ? pl_pii_kind_find(pl_str_z(json_string_value(name))) : PL_PII_KINDS;
    if (kind == PL_PII_KINDS)
        return bad(c, where, "not the category of a detector, like pii.email or secret.api_key");
    if (severities[kind])
        return bad(c, where, "this detector is listed twice");
    if (severity && !is_severity(severity))
        return bad(c, where, "'severity' must be 1, 2, 3 or 4");
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
        return bad(c, "/detectors", "'detectors' must be 'all' or a list of categories");
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
        rc = only(c, "/names", m, keys, "'names' must be a pack name, or a mapping");
    if (rc == PL_OK && given && !json_is_string(given))
        rc = bad(c, "/names", "'pack' must be the name of a pack");
    if (rc == PL_OK)
        rc = confidence(c, "/names", PL_PII_NAME, json_object_get(m, "confidence"), &least);
    if (rc != PL_OK || !c->has_detectors ||
        (c->detectors.rule[PL_PII_NAME] == PL_PII_OFF &&
         c->detectors.rule[PL_PII_ADDRESS] == PL_PII_OFF))
        return rc;
    rc = pl_pack_open(ref, c->folders, &p, c->err);
    if (rc == PL_OK && !pl_str_eqz(pl_pack_kind(p), "names"))
        rc = bad(c, "/names", "the pack is not of kind 'names'");
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
        rc = only(c, "/model", m, keys, "'model' must be a pack name, or a mapping with 'pack'");
    if (rc == PL_OK && !json_is_string(ref))
        rc = bad(c, "/model", "'model' names no pack");
    if (rc == PL_OK && severity && !is_severity(severity))
        rc = bad(c, "/model", "'severity' must be 1, 2, 3 or 4");
    if (rc == PL_OK)
        rc = pl_pack_open(json_string_value(ref), c->folders, &p, c->err);
    if (rc == PL_OK && !pl_str_eqz(pl_pack_kind(p), "model"))
        rc = bad(c, "/model", "the pack is not of kind 'model'");
    if (rc == PL_OK)
        rc = policy_model_add(p, severity ? (uint8_t)json_integer_value(severity) : 2, c->builder,
                              &c->model, &c->model_n, c->err);
    if (rc == PL_OK)
        json_object_set_new(c->doc, "model", pack_reference(p));
    pl_pack_free(p);
    return rc;
}

/* --- routes ---------------------------------------------------------------------------- */

static pl_rc rule_row(compiler *c, const char *where, const json_t *row)
{
    static const char *const keys[] = { "category", "min_severity", "action", NULL };
    static const char *const actions[] = { "allow", "log", "redact", "replace", "block", NULL };
    const json_t *least = json_object_get(row, "min_severity");
    pl_rc         rc = only(c, where, row, keys, "a rule must be a mapping");

    if (rc != PL_OK)
        return rc;
    if (!json_is_string(json_object_get(row, "category")))
        return bad(c, where, "the rule has no 'category'");
    if (!one_of(json_object_get(row, "action"), actions))
        return bad(c, where, "'action' must be allow, log, redact, replace or block");
    if (least && !is_severity(least))
        return bad(c, where, "'min_severity' must be 1, 2, 3 or 4");
    return PL_OK;
}

static pl_rc rule_rows(compiler *c, const char *route, const char *direction, const json_t *rows,
                       json_t *out)
{
    char    where[POINTER_MAX];
    json_t *row;
    size_t  i;

    snprintf(where, sizeof where, "%.120s/%s", route, direction);
    if (!json_is_array(rows) || json_array_size(rows) == 0)
        return bad(c, where, "there must be a list of rules for 'input' and one for 'output'");
    json_array_foreach ((json_t *)rows, i, row) {
        snprintf(where, sizeof where, "%.120s/%s/%zu", route, direction, i);
        pl_rc rc = rule_row(c, where, row);
        if (rc != PL_OK)
            return rc;
        json_array_append(out, row);
    }
    return PL_OK;
}

static pl_rc both_languages(compiler *c, const char *where, const json_t *texts)
{
    static const char *const keys[] = { "zh", "en", NULL };
    pl_rc rc = only(c, where, texts, keys, "must have 'zh' and 'en'");

    if (rc != PL_OK)
        return rc;
    for (size_t i = 0; keys[i]; i++)
        if (!json_is_string(json_object_get(texts, keys[i])) ||
            json_string_length(json_object_get(texts, keys[i])) == 0)
            return bad(c, where, "needs a text in both 'zh' and 'en'");
    return PL_OK;
}

/* REQ: GB45438-2025/5.1  an explicit label that breaks the wording rule is refused here,
 * before it could ever be written. */
static pl_rc label(compiler *c, const char *route, const json_t *l)
{
    static const char *const keys[] = { "explicit", "zh", "en", NULL };
    char    where[POINTER_MAX];
    json_t *texts;
    pl_rc   rc;

    snprintf(where, sizeof where, "%.120s/label", route);
    if (!json_is_object(l) || !json_is_boolean(json_object_get(l, "explicit")))
        return bad(c, where, "'label' must have 'explicit: true' or 'explicit: false'");
    rc = only(c, where, l, keys, "");
    if (rc != PL_OK || json_is_false(json_object_get(l, "explicit")))
        return rc;
    texts = json_pack("{s:O*, s:O*}", "zh", json_object_get(l, "zh"), "en",
                      json_object_get(l, "en"));
    rc = both_languages(c, where, texts);
    json_decref(texts);
    for (size_t i = 1; rc == PL_OK && keys[i]; i++) {
        const json_t *t = json_object_get(l, keys[i]);
        if (!pl_textlabel_conforms((pl_str){ json_string_value(t), json_string_length(t) }))
            rc = bad(c, where, "the wording must name AI (AI or 人工智能) and generation "
                               "(生成 or 合成): GB 45438-2025 5.1");
    }
    return rc;
}

static pl_rc answers(compiler *c, const char *route, const json_t *a)
{
    char        where[POINTER_MAX];
    const char *key;
    json_t     *v;

    snprintf(where, sizeof where, "%.120s/answers", route);
    if (!json_is_object(a) || !json_object_get(a, "default"))
        return bad(c, where, "'answers' must be a mapping with at least 'default'");
    if (json_object_size(a) > 64)
        return bad(c, where, "more than 64 answers");
    json_object_foreach ((json_t *)a, key, v) {
        snprintf(where, sizeof where, "%.100s/answers/%.40s", route, key);
        pl_rc rc = both_languages(c, where, v);
        if (rc != PL_OK)
            return rc;
    }
    return PL_OK;
}

static pl_rc optional_word(compiler *c, const char *where, const json_t *o, const char *key,
                           const char *const *words, json_t *out)
{
    json_t *v = json_object_get(o, key);
    char    text[128];

    if (!v) {
        json_object_set_new(out, key, json_string(words[0]));
        return PL_OK;
    }
    snprintf(text, sizeof text, "'%s' must be %s or %s", key, words[0], words[1]);
    if (!one_of(v, words))
        return bad(c, where, text);
    json_object_set(out, key, v);
    return PL_OK;
}

/* mode: shadow is a share of 0. */
static pl_rc enforcement(compiler *c, const char *where, const json_t *r, json_t *out)
{
    static const char *const modes[] = { "enforce", "shadow", NULL };
    const json_t *share = json_object_get(r, "enforce_share"), *mode = json_object_get(r, "mode");
    json_int_t    percent = share ? json_integer_value(share) : 100;

    if (mode && !one_of(mode, modes))
        return bad(c, where, "'mode' must be enforce or shadow");
    if (share && (!json_is_integer(share) || percent < 0 || percent > 100))
        return bad(c, where, "'enforce_share' must be a whole number of percent, 0 to 100");
    if (mode && strcmp(json_string_value(mode), "shadow") == 0) {
        if (share && percent > 0)
            return bad(c, where, "'mode: shadow' enforces nothing: leave 'enforce_share' out");
        percent = 0;
    }
    json_object_set_new(out, "enforce_share", json_integer(percent));
    return PL_OK;
}

static pl_rc route(compiler *c, const char *name, const json_t *r, json_t *out)
{
    static const char *const keys[] = { "fail", "media", "unknown", "mode", "enforce_share",
                                        "input", "output", "label", "answers", NULL };
    static const char *const fail[] = { "closed", "open", NULL };
    static const char *const media[] = { "pass", "refuse", NULL };
    static const char *const unknown[] = { "refuse", "pass", NULL };
    json_t *in_rows = json_array(), *out_rows = json_array();
    char    where[POINTER_MAX];
    pl_rc   rc;

    snprintf(where, sizeof where, "/routes/%.100s", name);
    rc = only(c, where, r, keys, "a route must be a mapping");

    json_object_set_new(out, "name", json_string(name));
    json_object_set_new(out, "input", in_rows);
    json_object_set_new(out, "output", out_rows);
    if (rc == PL_OK)
        rc = optional_word(c, where, r, "fail", fail, out);
    if (rc == PL_OK)
        rc = optional_word(c, where, r, "media", media, out);
    if (rc == PL_OK)
        rc = optional_word(c, where, r, "unknown", unknown, out);
    if (rc == PL_OK)
        rc = enforcement(c, where, r, out);
    if (rc == PL_OK)
        rc = rule_rows(c, where, "input", json_object_get(r, "input"), in_rows);
    if (rc == PL_OK)
        rc = rule_rows(c, where, "output", json_object_get(r, "output"), out_rows);
    if (rc == PL_OK)
        rc = label(c, where, json_object_get(r, "label"));
    if (rc == PL_OK)
        rc = answers(c, where, json_object_get(r, "answers"));
    if (rc == PL_OK) {
        json_object_set(out, "label", json_object_get(r, "label"));
        json_object_set(out, "answers", json_object_get(r, "answers"));
    }
    return rc;
}

static pl_rc routes(compiler *c, const json_t *all)
{
    json_t     *list = json_array(), *r;
    const char *name;

    json_object_set_new(c->doc, "routes", list);
    if (!json_is_object(all) || json_object_size(all) == 0 || json_object_size(all) > 64)
        return bad(c, "/routes", "'routes' must be a mapping of 1 to 64 routes");
    json_object_foreach ((json_t *)all, name, r) {
        json_t *out = json_object();
        json_array_append_new(list, out);
        pl_rc rc = route(c, name, r, out);
        if (rc != PL_OK)
            return rc;
    }
    return PL_OK;
}

/* --- the whole ---------------------------------------------------------------------------- */

static pl_rc head(compiler *c, const json_t *src)
{
    static const char *const keys[] = { "policy", "version", "packs", "detectors", "model", "names",
                                        "routes", NULL };
    json_t *id = json_object_get(src, "policy"), *version = json_object_get(src, "version");
    pl_rc   rc = only(c, "", src, keys, "the source must be a mapping");

    if (rc != PL_OK)
        return rc;
    if (!json_is_string(id) || json_string_length(id) == 0 || json_string_length(id) > 64 ||
        strspn(json_string_value(id), "abcdefghijklmnopqrstuvwxyz0123456789-_.") !=
            json_string_length(id))
        return bad(c, "/policy", "'policy' must be a name of a-z, 0-9, '.', '-' and '_', at most 64 long");
    if (!json_is_integer(version) || json_integer_value(version) < 1)
        return bad(c, "/version", "'version' must be a positive integer");
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
        rc = routes(&c, json_object_get(src, "routes"));
    if (rc == PL_OK)
        rc = packs(&c, json_object_get(src, "packs"));
    if (rc == PL_OK)
        rc = detectors(&c, json_object_get(src, "detectors"));
    if (rc == PL_OK)
        rc = model(&c, json_object_get(src, "model"));
    if (rc == PL_OK)
        rc = names(&c, json_object_get(src, "names"));
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
