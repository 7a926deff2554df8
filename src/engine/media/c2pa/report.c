/* The report as JSON. */
#include "base/banned.h"

#include "base/timefmt.h"
#include "engine/media/c2pa/c2pa_int.h"

const char *pl_c2pa_integrity_name(c2pa_integrity i)
{
    static const char *const names[] = { "not_checked", "intact", "partial", "broken" };

    return names[i];
}

const char *pl_c2pa_standing_name(c2pa_standing s)
{
    static const char *const names[] = { "not_asked", "trusted",    "untrusted",
                                         "expired",   "revoked",    "invalid", "no_signer" };

    return names[s];
}

static json_t *text(pl_str s)
{
    return s.n > 0 ? json_stringn(s.p, s.n) : json_null();
}

static json_t *textz(const char *z)
{
    return z && *z ? json_string(z) : json_null();
}

static json_t *signer_json(const c2pa_report *r)
{
    const c2pa_cert_facts *f = &r->signer;

    if (!r->has_signer)
        return json_null();
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name", textz(f->common_name),
                     "organisation", textz(f->organisation), "subject", textz(f->subject), "issuer",
                     textz(f->issuer), "serial", textz(f->serial), "sha256", textz(f->sha256),
                     "not_before", textz(f->not_before), "not_after", textz(f->not_after), "alg",
                     textz(r->alg));
}

static json_t *time_json(const c2pa_report *r)
{
    char when[25];

    if (r->tsa[0] == '\0')
        return json_null();
    when[0] = '\0';
    if (r->time_ms > 0)
        pl_time_format(r->time_ms, when);
    return json_pack("{s:o, s:s, s:b}", "time", textz(when), "authority", r->tsa, "trusted",
                     r->is_tsa_trusted);
}

static json_t *codes_json(const c2pa_report *r)
{
    static const char *const levels[] = { "success", "informational", "failure" };
    json_t *list = json_array();

    for (size_t i = 0; i < r->codes_n; i++) {
        const c2pa_code *k = &r->codes[i];

        (void)json_array_append_new(
            list, json_pack("{s:s, s:s, s:o, s:o, s:b, s:b}", "code", k->code, "level",
                            levels[k->level], "url", text(k->url), "why", textz(k->why), "ingredient",
                            k->manifest > 0, "recorded", k->is_known));
    }
    return list;
}

static json_t *actions_json(const c2pa_report *r)
{
    json_t *list = json_array();

    for (size_t i = 0; i < r->actions_n; i++) {
        const c2pa_action *k = &r->actions[i];

        (void)json_array_append_new(list, json_pack("{s:o, s:o, s:o, s:o}", "action",
                                                    text(k->action), "source_type",
                                                    text(k->source_type), "agent", text(k->agent),
                                                    "when", text(k->when)));
    }
    return list;
}

static json_t *ingredients_json(const c2pa_report *r)
{
    json_t *list = json_array();

    for (size_t i = 0; i < r->ingredients_n; i++) {
        const c2pa_ingredient *k = &r->ingredients[i];

        (void)json_array_append_new(list, json_pack("{s:o, s:o, s:o, s:o, s:o}", "title",
                                                    text(k->title), "format", text(k->format),
                                                    "relationship", text(k->relationship),
                                                    "instance_id", text(k->instance_id), "manifest",
                                                    text(k->manifest)));
    }
    return list;
}

json_t *pl_c2pa_json(const c2pa_report *r)
{
    json_t *claim = json_pack("{s:o, s:i, s:o, s:o, s:o, s:o, s:o}", "manifest", text(r->manifest),
                              "version", r->claim_version, "title", text(r->title), "format",
                              text(r->format), "instance_id", text(r->instance_id), "generator",
                              text(r->generator), "generator_version", text(r->generator_version));

    return json_pack("{s:b, s:s, s:s, s:I, s:o, s:{s:s, s:o}, s:o, s:o, s:o, s:o, s:b, s:i, s:o}",
                     "present", 1, "state", r->state, "integrity",
                     pl_c2pa_integrity_name(r->integrity), "unprotected_bytes",
                     (json_int_t)r->unprotected, "signer", signer_json(r), "trust", "standing",
                     pl_c2pa_standing_name(r->standing), "list", text(r->trust_list), "time_stamp",
                     time_json(r), "claim", claim, "actions", actions_json(r), "ingredients",
                     ingredients_json(r), "generated", r->is_generated, "manifests",
                     (int)r->manifests, "codes", codes_json(r));
}
