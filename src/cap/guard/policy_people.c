/* A pack of thresholds for people in a policy: people.yaml, checked, becomes the member "people" of
 * the POLC section with every time in milliseconds. docs/formats/people.md */
#include "base/banned.h"

#include "base/file.h"
#include "base/str.h"
#include "cap/guard/policy_source.h"

#define FILE_NAME "people.yaml"
#define DAY_MS    86400000LL

typedef struct reader {
    const char *where; /* of the file, for messages */
    pl_str      text;
    pl_error   *err;
} reader;

static pl_rc bad(reader *r, const char *pointer, const char *what)
{
    return pl_yaml_fail(r->err, r->text, r->where, pointer, "%s", what);
}

static pl_rc only(reader *r, const char *pointer, const json_t *o, const char *const *keys)
{
    const char *key;
    json_t     *v;

    if (!json_is_object(o))
        return bad(r, pointer, "must be a mapping");
    json_object_foreach ((json_t *)o, key, v) {
        size_t i = 0;
        while (keys[i] && strcmp(keys[i], key) != 0)
            i++;
        if (!keys[i])
            return pl_yaml_fail(r->err, r->text, r->where, pointer, "unknown key '%.64s'", key);
    }
    return PL_OK;
}

/* A number without a word on where it is from is not taken. */
static pl_rc tagged(reader *r, const char *pointer, const json_t *o)
{
    static const char *const tags[] = { "V", "D", "S", "M", "K", "P", "U", NULL };

    if (!policy_one_of(json_object_get(o, "tag"), tags) || !json_is_string(json_object_get(o, "source")))
        return bad(r, pointer, "needs a 'tag' (V D S M K P U) and a 'source'");
    return PL_OK;
}

bool policy_duration(const json_t *v, int64_t *ms)
{
    static const struct {
        char    unit;
        int64_t ms;
    } units[] = { { 's', 1000 }, { 'm', 60000 }, { 'h', 3600000 }, { 'd', DAY_MS } };
    pl_str   s = json_is_string(v) ? pl_str_z(json_string_value(v)) : (pl_str){ "", 0 };
    uint64_t n = 0;

    for (size_t i = 0; s.n > 1 && i < 4; i++)
        if (s.p[s.n - 1] == units[i].unit && pl_str_u64((pl_str){ s.p, s.n - 1 }, &n, NULL) == PL_OK &&
            n > 0 && n <= 100000) {
            *ms = (int64_t)n * units[i].ms;
            return true;
        }
    return false;
}

static pl_rc duration(reader *r, const char *pointer, const json_t *v, int64_t *ms)
{
    return policy_duration(v, ms) ? PL_OK : bad(r, pointer, "must be a time like 90s, 10m, 2h or 7d");
}

static pl_rc time_into(reader *r, const json_t *all, const char *group, const char *key, const char *name,
                       json_t *out)
{
    static const char *const keys[] = { "value", "tag", "source", NULL };
    const json_t *o = json_object_get(json_object_get(all, group), key);
    char          pointer[128];
    int64_t       ms = 0;
    pl_rc         rc;

    snprintf(pointer, sizeof pointer, "/%s/%s", group, key);
    rc = only(r, pointer, o, keys);
    if (rc == PL_OK)
        rc = tagged(r, pointer, o);
    if (rc == PL_OK)
        rc = duration(r, pointer, json_object_get(o, "value"), &ms);
    if (rc == PL_OK)
        json_object_set_new(out, name, json_integer(ms));
    return rc;
}

static pl_rc count_into(reader *r, const json_t *all, const char *group, const char *key, json_int_t most,
                        json_t *out)
{
    static const char *const keys[] = { "value", "tag", "source", NULL };
    const json_t *o = json_object_get(json_object_get(all, group), key), *v = json_object_get(o, "value");
    char          pointer[128];
    pl_rc         rc;

    snprintf(pointer, sizeof pointer, "/%s/%s", group, key);
    rc = only(r, pointer, o, keys);
    if (rc == PL_OK)
        rc = tagged(r, pointer, o);
    if (rc == PL_OK && (!json_is_integer(v) || json_integer_value(v) < 1 || json_integer_value(v) > most))
        rc = bad(r, pointer, "'value' must be a whole number above 0");
    if (rc == PL_OK)
        json_object_set(out, key, (json_t *)v);
    return rc;
}

static pl_rc texts_into(reader *r, const char *pointer, const json_t *o, json_t *out)
{
    static const char *const keys[] = { "zh", "en" };

    for (int i = 0; i < 2; i++) {
        const json_t *v = json_object_get(o, keys[i]);

        if (!json_is_string(v) || json_string_length(v) == 0 || json_string_length(v) > 600 ||
            strchr(json_string_value(v), '\n'))
            return bad(r, pointer, "needs a text of one line, at most 600 bytes, in both 'zh' and 'en'");
        json_object_set(out, keys[i], (json_t *)v);
    }
    return PL_OK;
}

/* "22:00" */
static pl_rc clock_into(reader *r, const char *pointer, const json_t *o, const char *key, const char *name,
                        json_t *out)
{
    const char *s = json_string_value(json_object_get(o, key));
    unsigned    h = 99, m = 99;
    char        end;

    if (!s || strlen(s) != 5 || sscanf(s, "%2u:%2u%c", &h, &m, &end) != 2 || h > 23 || m > 59)
        return bad(r, pointer, "'from' and 'to' must be times of the day like 22:00");
    json_object_set_new(out, name, json_integer(((json_int_t)h * 60 + m) * 60000));
    return PL_OK;
}

static pl_rc hours_into(reader *r, const char *pointer, const json_t *o, json_t *out)
{
    pl_rc rc = tagged(r, pointer, o);

    if (rc == PL_OK)
        rc = clock_into(r, pointer, o, "from", "from_ms", out);
    return rc == PL_OK ? clock_into(r, pointer, o, "to", "to_ms", out) : rc;
}

/* "+08:00": a fixed offset, so that a day has one beginning wherever the gateway stands. */
static pl_rc offset_into(reader *r, const json_t *o, json_t *out)
{
    const char *s = json_string_value(json_object_get(o, "offset"));
    unsigned    h = 99, m = 99;
    char        sign = 0, end;

    if (!s || sscanf(s, "%c%2u:%2u%c", &sign, &h, &m, &end) != 3 || (sign != '+' && sign != '-') || h > 14 ||
        m > 59)
        return bad(r, "/night", "'offset' must be like +08:00");
    json_object_set_new(out, "offset_ms",
                        json_integer((sign == '-' ? -1 : 1) * ((json_int_t)h * 60 + m) * 60000));
    return PL_OK;
}

/* --- parts -------------------------------------------------------------------------------------- */

static pl_rc step_read(reader *r, const char *pointer, const json_t *o, json_t *steps)
{
    static const char *const keys[] = { "at", "do", "for", "zh", "en", "tag", "source", NULL };
    static const char *const acts[] = { "remind", "cool_off", "suspend", "report", NULL };
    const json_t *at = json_object_get(o, "at");
    json_t       *out = json_object();
    int64_t       ms = 0;
    pl_rc         rc = only(r, pointer, o, keys);

    json_array_append_new(steps, out);
    if (rc == PL_OK)
        rc = tagged(r, pointer, o);
    if (rc == PL_OK && (!json_is_integer(at) || json_integer_value(at) < 1 || json_integer_value(at) > 1000000))
        rc = bad(r, pointer, "'at' must be a number of violations");
    if (rc == PL_OK && !policy_one_of(json_object_get(o, "do"), acts))
        rc = bad(r, pointer, "'do' must be remind, cool_off, suspend or report");
    if (rc == PL_OK && json_object_get(o, "for"))
        rc = duration(r, pointer, json_object_get(o, "for"), &ms);
    if (rc == PL_OK && ms == 0 && strcmp(json_string_value(json_object_get(o, "do")), "cool_off") == 0)
        rc = bad(r, pointer, "'cool_off' needs a 'for'");
    if (rc == PL_OK && strcmp(json_string_value(json_object_get(o, "do")), "report") != 0)
        rc = texts_into(r, pointer, o, out);
    if (rc != PL_OK)
        return rc;
    json_object_set(out, "at", (json_t *)at);
    json_object_set(out, "do", json_object_get(o, "do"));
    json_object_set_new(out, "for_ms", json_integer(ms));
    return PL_OK;
}

static pl_rc strikes_read(reader *r, const json_t *all, json_t *out)
{
    static const char *const keys[] = { "window", "steps", NULL };
    const json_t *o = json_object_get(all, "strikes"), *step;
    json_t       *into = json_object(), *steps = json_array();
    char          pointer[64];
    size_t        i;
    pl_rc         rc = only(r, "/strikes", o, keys);

    json_object_set_new(out, "strikes", into);
    json_object_set_new(into, "steps", steps);
    if (rc == PL_OK)
        rc = time_into(r, all, "strikes", "window", "window_ms", into);
    if (rc == PL_OK && (!json_is_array(json_object_get(o, "steps")) ||
                        json_array_size(json_object_get(o, "steps")) > 16))
        rc = bad(r, "/strikes", "'steps' must be a list of at most 16");
    if (rc != PL_OK)
        return rc;
    json_array_foreach (json_object_get(o, "steps"), i, step) {
        snprintf(pointer, sizeof pointer, "/strikes/steps/%zu", i);
        rc = step_read(r, pointer, step, steps);
        if (rc != PL_OK)
            return rc;
    }
    return PL_OK;
}

static pl_rc session_read(reader *r, const json_t *all, json_t *out)
{
    static const char *const keys[] = { "gap", "remind_every", "zh", "en", NULL };
    json_t *into = json_object();
    pl_rc   rc = only(r, "/session", json_object_get(all, "session"), keys);

    json_object_set_new(out, "session", into);
    if (rc == PL_OK)
        rc = time_into(r, all, "session", "gap", "gap_ms", into);
    if (rc == PL_OK)
        rc = time_into(r, all, "session", "remind_every", "remind_ms", into);
    return rc == PL_OK ? texts_into(r, "/session", json_object_get(all, "session"), into) : rc;
}

static pl_rc night_read(reader *r, const json_t *all, json_t *out)
{
    static const char *const keys[] = { "from", "to", "offset", "tag", "source", NULL };
    const json_t *o = json_object_get(all, "night");
    json_t       *into = json_object();
    pl_rc         rc = only(r, "/night", o, keys);

    json_object_set_new(out, "night", into);
    if (rc == PL_OK)
        rc = hours_into(r, "/night", o, into);
    return rc == PL_OK ? offset_into(r, o, into) : rc;
}

static pl_rc dependence_read(reader *r, const json_t *all, json_t *out)
{
    static const char *const keys[] = { "requests_per_day", "nights_of_seven", "zh", "en", NULL };
    json_t *into = json_object();
    pl_rc   rc = only(r, "/dependence", json_object_get(all, "dependence"), keys);

    json_object_set_new(out, "dependence", into);
    if (rc == PL_OK)
        rc = count_into(r, all, "dependence", "requests_per_day", 1000000, into);
    if (rc == PL_OK)
        rc = count_into(r, all, "dependence", "nights_of_seven", 7, into);
    return rc == PL_OK ? texts_into(r, "/dependence", json_object_get(all, "dependence"), into) : rc;
}

static pl_rc crisis_read(reader *r, const json_t *all, json_t *out)
{
    static const char *const keys[] = { "categories", "tag", "source", NULL };
    const json_t *o = json_object_get(all, "crisis"), *list = json_object_get(o, "categories"), *v;
    size_t        i;
    pl_rc         rc = only(r, "/crisis", o, keys);

    if (rc == PL_OK)
        rc = tagged(r, "/crisis", o);
    if (rc == PL_OK && (!json_is_array(list) || json_array_size(list) > 16))
        rc = bad(r, "/crisis", "'categories' must be a list of at most 16");
    json_array_foreach ((json_t *)list, i, v)
        if (rc == PL_OK && !json_is_string(v))
            rc = bad(r, "/crisis", "'categories' must be a list of category ids");
    if (rc == PL_OK)
        json_object_set(out, "crisis", (json_t *)list);
    return rc;
}

static pl_rc minors_read(reader *r, const json_t *all, json_t *out)
{
    static const char *const keys[] = { "hours", "daily", "remind_every", "zh", "en", NULL };
    static const char *const hour_keys[] = { "from", "to", "tag", "source", NULL };
    const json_t *o = json_object_get(all, "minors"), *h = json_object_get(o, "hours");
    json_t       *into = json_object(), *hours = json_object();
    pl_rc         rc = only(r, "/minors", o, keys);

    json_object_set_new(out, "minors", into);
    json_object_set_new(into, "hours", hours);
    if (rc == PL_OK)
        rc = only(r, "/minors/hours", h, hour_keys);
    if (rc == PL_OK)
        rc = hours_into(r, "/minors/hours", h, hours);
    if (rc == PL_OK)
        rc = time_into(r, all, "minors", "daily", "daily_ms", into);
    if (rc == PL_OK)
        rc = time_into(r, all, "minors", "remind_every", "remind_ms", into);
    return rc == PL_OK ? texts_into(r, "/minors", o, into) : rc;
}

static pl_rc all_read(reader *r, const json_t *all, json_t *out)
{
    static const char *const keys[] = { "strikes", "session", "night", "dependence", "crisis", "minors", NULL };
    static pl_rc (*const parts[])(reader *r, const json_t *all, json_t *out) = {
        strikes_read, session_read, night_read, dependence_read, crisis_read, minors_read
    };
    pl_rc rc = only(r, "", all, keys);

    for (size_t i = 0; rc == PL_OK && i < sizeof parts / sizeof parts[0]; i++)
        rc = json_object_get(all, keys[i]) ? parts[i](r, all, out)
                                           : bad(r, "", "strikes, session, night, dependence, crisis and "
                                                        "minors must all be there");
    return rc;
}

pl_rc policy_people_read(const pl_pack *pack, json_t *out, pl_error *err)
{
    char   *path = pl_path_join(pl_pack_dir(pack), FILE_NAME), *text = NULL;
    json_t *all = NULL;
    size_t  n = 0;
    pl_rc   rc = path ? pl_file_read(path, PL_YAML_MAX, &text, &n, err) : pl_fail(err, PL_NOMEM, "out of memory");
    reader  r = { .where = FILE_NAME, .text = { text, n }, .err = err };

    if (rc == PL_OK)
        rc = pl_yaml_parse(r.text, FILE_NAME, &all, err);
    if (rc == PL_OK)
        rc = all_read(&r, all, out);
    json_decref(all);
    free(text);
    free(path);
    return rc;
}
