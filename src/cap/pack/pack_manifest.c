#include "base/banned.h"

#include "base/file.h"
#include "base/str.h"
#include "base/yaml.h"
#include "base/yaml_at.h"
#include "cap/pack/pack_int.h"

#include <ctype.h>

#define MANIFEST_MAX (1u << 20)

typedef struct manifest {
    pl_pack     *pack;
    pack_report *report;
    pl_str       text;
} manifest;

static const char *const kinds[] = {
    "facts",     "rules",    "obligations", "forms",   "workflows",  "taxonomy", "crosswalk",
    "documents", "calendar", "lexicon",     "bank",    "transforms", "policy",   "label-formats",
    "model",     "names",    "people",      NULL,
};

/* From "this binds" down to "somebody suggests it". */
static const char *const weights[] = {
    "law", "regulation", "mandatory-standard", "recommended-standard", "guidance", "draft",
    "practice", "none",
    /* the words that results of grading carry */
    "binding", "voluntary", "repealed", "project", NULL,
};

/* Evidence tags as the references use them: V primary text, D observed in public data,
 * S secondary source, M measured, K general knowledge of a standard, P our proposal,
 * U unverified. */
static const char evidence_tags[] = "VDSMKPU";

static void wrong(const manifest *m, const char *pointer, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void wrong(const manifest *m, const char *pointer, const char *fmt, ...)
{
    char    what[200];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    pack_problem(m->report, PACK_ERROR, PACK_MANIFEST, pl_yaml_at(m->text, pointer).line, "%s",
                 what);
}

bool pack_is_one_of(pl_str s, const char *const *list)
{
    for (; *list != NULL; list++)
        if (pl_str_eqz(s, *list))
            return true;
    return false;
}

bool pack_is_name(pl_str s, size_t max)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool          mark = c == '.' || c == '_' || c == '-';

        if (!islower(c) && !isdigit(c) && (!mark || i == 0))
            return false;
    }
    return s.n > 0 && s.n <= max;
}

static int two_digits(const char *p)
{
    return (p[0] - '0') * 10 + (p[1] - '0');
}

bool pack_is_date(pl_str s)
{
    static const int days[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

    if (s.n != 10 || s.p[4] != '-' || s.p[7] != '-')
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (i != 4 && i != 7 && !isdigit((unsigned char)s.p[i]))
            return false;
    return two_digits(s.p + 5) >= 1 && two_digits(s.p + 5) <= 12 && two_digits(s.p + 8) >= 1 &&
           two_digits(s.p + 8) <= days[two_digits(s.p + 5) - 1];
}

/* "1.2.3"; for law also the date of its text ("2026-07-27") or what became of it ("repealed"):
 * words and numbers with dots and dashes between. */
static bool is_version(pl_str s)
{
    bool part = false;

    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (isdigit(c) || islower(c))
            part = true;
        else if ((c == '.' || c == '-') && part && i + 1 < s.n)
            part = false;
        else
            return false;
    }
    return part && s.n <= 32;
}

/* The string at key, or an empty view after a complaint. */
static pl_str string_at(const manifest *m, const json_t *o, const char *pointer, const char *key)
{
    const json_t *v = json_object_get(o, key);
    char          at[128];

    (void)snprintf(at, sizeof at, "%s/%s", pointer, key);
    if (v == NULL)
        wrong(m, at, "missing key '%s'", at + 1);
    else if (!json_is_string(v))
        wrong(m, at, "'%s' must be a string%s", at + 1,
              json_is_number(v) ? "; put it in quotes" : "");
    else if (json_string_length(v) == 0)
        wrong(m, at, "'%s' is empty", at + 1);
    else
        return (pl_str){ json_string_value(v), json_string_length(v) };
    return (pl_str){ "", 0 };
}

static void keys_check(const manifest *m, const json_t *o, const char *pointer,
                       const char *const *allowed)
{
    const char *key;
    json_t     *v;
    char        at[400];

    json_object_foreach((json_t *)(uintptr_t)o, key, v)
        if (!pack_is_one_of(pl_str_z(key), allowed)) {
            (void)snprintf(at, sizeof at, "%s/%.200s", pointer, key);
            wrong(m, at, "unknown key '%.100s'", at + 1);
        }
}

static void identity_check(const manifest *m, const json_t *o)
{
    pl_str id = string_at(m, o, "", "id"), version = string_at(m, o, "", "version");
    pl_str kind = string_at(m, o, "", "kind"), weight = string_at(m, o, "", "legal_weight");
    pl_str place = string_at(m, o, "", "jurisdiction");

    if (id.n > 0 && !pack_is_name(id, 64))
        wrong(m, "/id", "'id' may hold lower-case letters, digits and . _ - only");
    if (version.n > 0 && !is_version(version))
        wrong(m, "/version", "'version' must be numbers or words with dots or dashes");
    if (kind.n > 0 && !pack_is_one_of(kind, kinds))
        wrong(m, "/kind", "unknown kind '" PL_STR_FMT "'", PL_STR_ARG(kind));
    if (weight.n > 0 && !pack_is_one_of(weight, weights))
        wrong(m, "/legal_weight", "unknown legal weight '" PL_STR_FMT "'", PL_STR_ARG(weight));
    if (place.n > 0 && !pl_str_eqz(place, "any") && (place.n < 2 || place.n > 12))
        wrong(m, "/jurisdiction", "'jurisdiction' must be 'any' or a country or region code");
    (void)string_at(m, o, "", "licence");
}

static void title_check(const manifest *m, const json_t *o)
{
    static const char *const allowed[] = { "zh", "en", NULL };
    const json_t            *title = json_object_get(o, "title");

    if (!json_is_object(title)) {
        wrong(m, "/title", "'title' must hold 'zh' and 'en'");
        return;
    }
    keys_check(m, title, "/title", allowed);
    (void)string_at(m, title, "/title", "zh");
    (void)string_at(m, title, "/title", "en");
}

static void force_check(const manifest *m, const json_t *o)
{
    static const char *const allowed[] = { "from", "to", NULL };
    const json_t            *force = json_object_get(o, "in_force"), *to;
    pl_str                   from;

    if (!json_is_object(force)) {
        wrong(m, "/in_force", "'in_force' must hold 'from' and, when it ends, 'to'");
        return;
    }
    keys_check(m, force, "/in_force", allowed);
    from = string_at(m, force, "/in_force", "from");
    if (from.n > 0 && !pack_is_date(from))
        wrong(m, "/in_force/from", "'in_force/from' is not a date (YYYY-MM-DD)");
    to = json_object_get(force, "to");
    if (to == NULL || json_is_null(to))
        return;
    if (!json_is_string(to) || !pack_is_date(pl_str_z(json_string_value(to))))
        wrong(m, "/in_force/to", "'in_force/to' is not a date (YYYY-MM-DD)");
    else if (from.n > 0 && strcmp(json_string_value(to), from.p) < 0)
        wrong(m, "/in_force/to", "'in_force/to' is before 'in_force/from'");
}

static void source_check(const manifest *m, const json_t *s, const char *at, const json_t *all,
                         size_t index)
{
    static const char *const allowed[] = { "id", "title", "url", "evidence", "date", NULL };
    pl_str                   id, tag, date;
    const json_t            *url = json_object_get(s, "url");

    if (!json_is_object(s)) {
        wrong(m, at, "a source must be a mapping with id, title, evidence and date");
        return;
    }
    keys_check(m, s, at, allowed);
    id = string_at(m, s, at, "id");
    tag = string_at(m, s, at, "evidence");
    date = string_at(m, s, at, "date");
    (void)string_at(m, s, at, "title");
    if (id.n > 0 && !pack_is_name(id, 64))
        wrong(m, at, "source id may hold lower-case letters, digits and . _ - only");
    for (size_t i = 0; i < index; i++)
        if (pl_str_eqz(id, json_string_value(json_object_get(json_array_get(all, i), "id"))))
            wrong(m, at, "source id '" PL_STR_FMT "' is used twice", PL_STR_ARG(id));
    if (tag.n > 0 && (tag.n != 1 || strchr(evidence_tags, tag.p[0]) == NULL))
        wrong(m, at, "unknown evidence tag '" PL_STR_FMT "', not one of %s", PL_STR_ARG(tag),
              evidence_tags);
    if (date.n > 0 && !pack_is_date(date))
        wrong(m, at, "source date is not a date (YYYY-MM-DD)");
    if (url != NULL && (!json_is_string(url) || strncmp(json_string_value(url), "http", 4) != 0))
        wrong(m, at, "source url is not an http address");
}

static void sources_check(const manifest *m, const json_t *o)
{
    const json_t *sources = json_object_get(o, "sources");
    char          at[32];

    if (json_array_size(sources) == 0) {
        wrong(m, "/sources", "'sources' must list at least one source");
        return;
    }
    for (size_t i = 0; i < json_array_size(sources); i++) {
        (void)snprintf(at, sizeof at, "/sources/%zu", i);
        source_check(m, json_array_get(sources, i), at, sources, i);
    }
}

static void digest_check(const manifest *m, const json_t *o)
{
    const json_t *v = json_object_get(o, "digest");
    uint8_t       have[32];
    char          want[80] = "sha256:";

    if (v == NULL)
        return;
    pack_digest_compute(m->pack, PACK_DIGEST_CONTENT, have);
    pl_hex(have, sizeof have, want + 7);
    if (!json_is_string(v) || strcmp(json_string_value(v), want) != 0)
        wrong(m, "/digest", "'digest' does not fit the files, which give '%s'", want);
}

/* Risk classes that a lexicon leaves to its operator to fill. */
static void slots_check(const manifest *m, const json_t *o)
{
    const json_t *slots = json_object_get(o, "slots");
    json_t       *s;
    size_t        i;
    bool          good = json_array_size(slots) > 0 && json_array_size(slots) <= 100;

    json_array_foreach((json_t *)(uintptr_t)slots, i, s)
        good &= json_string_length(s) > 0 && json_string_length(s) <= 32;
    if (slots != NULL && !good)
        wrong(m, "/slots", "'slots' must be a list of risk classes");
}

/* An update without changes: somebody looked and says so. */
static void reviewed_check(const manifest *m, const json_t *o)
{
    static const char *const allowed[] = { "date", "by", NULL };
    const json_t            *reviewed = json_object_get(o, "reviewed");

    if (reviewed == NULL)
        return;
    if (!json_is_object(reviewed)) {
        wrong(m, "/reviewed", "'reviewed' must hold 'date' and 'by'");
        return;
    }
    keys_check(m, reviewed, "/reviewed", allowed);
    (void)string_at(m, reviewed, "/reviewed", "by");
    if (!pack_is_date(string_at(m, reviewed, "/reviewed", "date")))
        wrong(m, "/reviewed/date", "'reviewed/date' is not a date (YYYY-MM-DD)");
}

/* YAML's own complaints begin with "pack.yaml:LINE:COLUMN: ". */
static void syntax_problem(pack_report *r, const pl_error *e)
{
    const char *rest = e->text;
    int         line = 0;
    size_t      n = strlen(PACK_MANIFEST);

    if (strncmp(rest, PACK_MANIFEST ":", n + 1) == 0) {
        rest += n + 1;
        for (; isdigit((unsigned char)*rest); rest++)
            line = line > 100000 ? line : line * 10 + (*rest - '0');
        if (strchr(rest, ' ') != NULL)
            rest = strchr(rest, ' ') + 1;
    }
    pack_problem(r, PACK_ERROR, PACK_MANIFEST, line, "%s", rest);
}

/* What packs of law say besides: which packs they use, and the tag of rules that have none. */
static void law_check(const manifest *m, const json_t *o)
{
    const json_t *depends = json_object_get(o, "depends"), *tag = json_object_get(o, "evidence_default");
    json_t       *v;
    size_t        i;

    if (depends != NULL && (!json_is_array(depends) || json_array_size(depends) > 16))
        wrong(m, "/depends", "'depends' must be a list of packs, at most 16");
    json_array_foreach((json_t *)(uintptr_t)depends, i, v) {
        const char *ref = json_string_value(v), *at = ref != NULL ? strchr(ref, '@') : NULL;

        if (ref == NULL || !pack_is_name((pl_str){ ref, at != NULL ? (size_t)(at - ref) : strlen(ref) }, 64) ||
            (at != NULL && !is_version(pl_str_z(at + 1))))
            wrong(m, "/depends", "'depends' lists packs as NAME or NAME@VERSION");
    }
    if (tag != NULL && (json_string_length(tag) != 1 || strchr(evidence_tags, *json_string_value(tag)) == NULL))
        wrong(m, "/evidence_default", "unknown evidence tag, not one of %s", evidence_tags);
}

static void manifest_check(const manifest *m, const json_t *o)
{
    static const char *const allowed[] = { "id",    "version", "kind",    "jurisdiction",
                                           "title", "licence", "sources", "legal_weight",
                                           "digest", "in_force", "slots",  "reviewed", "depends",
                                           "evidence_default", NULL };

    keys_check(m, o, "", allowed);
    identity_check(m, o);
    title_check(m, o);
    force_check(m, o);
    sources_check(m, o);
    digest_check(m, o);
    slots_check(m, o);
    reviewed_check(m, o);
    law_check(m, o);
}

void pack_manifest_read(pl_pack *p, pack_report *r)
{
    char     path[1100], *text = NULL;
    manifest m = { p, r, { NULL, 0 } };
    pl_error err = { 0 };
    size_t   n = 0;

    (void)snprintf(path, sizeof path, "%s/" PACK_MANIFEST, p->dir);
    if (pl_file_read(path, MANIFEST_MAX, &text, &n, &err) != PL_OK) {
        pack_problem(r, PACK_ERROR, PACK_MANIFEST, 0, "%s",
                     err.rc == PL_NOTFOUND ? "missing: every pack needs one" : err.text);
        return;
    }
    m.text = (pl_str){ text, n };
    if (pl_yaml_parse(m.text, PACK_MANIFEST, &p->manifest, &err) != PL_OK)
        syntax_problem(r, &err);
    else if (!json_is_object(p->manifest))
        pack_problem(r, PACK_ERROR, PACK_MANIFEST, 1, "not a mapping");
    else
        manifest_check(&m, p->manifest);
    free(text);
}

bool pack_has_source(const pl_pack *p, pl_str id)
{
    const json_t *sources = json_object_get(p->manifest, "sources");

    for (size_t i = 0; i < json_array_size(sources); i++)
        if (pl_str_eqz(id, json_string_value(json_object_get(json_array_get(sources, i), "id"))))
            return true;
    return false;
}
