/* The section `review` of a policy's source: which exchanges people look at besides those that rules
 * escalate, how long what they look at is kept, and what follows when two disagree. docs/formats/policy.md */
#include "base/banned.h"

#include "base/str.h"
#include "cap/guard/policy_source.h"

#define PPM_PER_PERCENT 10000u
#define KEEP_MIN_MS     1000
#define KEEP_MAX_MS     (366LL * 24 * 3600 * 1000)

/* "1%", "0.25%": at most four decimals, as a whole number of a million. */
static bool share(const json_t *v, int64_t *ppm)
{
    pl_str   s = pl_str_z(json_string_value(v)), whole = s, part = { "", 0 };
    uint64_t n = 0, decimals = 0, unit = PPM_PER_PERCENT;

    if (s.n < 2 || s.p[s.n - 1] != '%')
        return false;
    whole.n--;
    for (size_t i = 0; i < whole.n; i++)
        if (whole.p[i] == '.') {
            part = (pl_str){ whole.p + i + 1, whole.n - i - 1 };
            whole.n = i;
        }
    for (size_t i = 0; i < part.n; i++, unit /= 10) {
        if (part.p[i] < '0' || part.p[i] > '9' || unit == 1)
            return false;
        decimals += (uint64_t)(part.p[i] - '0') * (unit / 10);
    }
    if (pl_str_u64(whole, &n, NULL) != PL_OK || n > 100)
        return false;
    *ppm = (int64_t)(n * PPM_PER_PERCENT + decimals);
    return *ppm <= 100 * (int64_t)PPM_PER_PERCENT;
}

pl_rc policy_review_read(compiler *c, const json_t *o)
{
    static const char *const keys[] = { "sample", "keep", "disagreement", NULL };
    static const char *const ends[] = { "third", "open", NULL };
    const json_t *sample = json_object_get(o, "sample"), *keep = json_object_get(o, "keep");
    const json_t *end = json_object_get(o, "disagreement");
    int64_t       ppm = 0, keep_ms = PL_REVIEW_KEEP_MS;
    pl_rc         rc = o ? policy_only(c, "/review", o, keys, "'review' must be a mapping") : PL_OK;

    if (rc != PL_OK || !o)
        return rc;
    if (sample && !share(sample, &ppm))
        return policy_bad(c, "/review", "'sample' must be a share like 1% or 0.25%, at most 100%");
    if (keep && (!policy_duration(keep, &keep_ms) || keep_ms < KEEP_MIN_MS || keep_ms > KEEP_MAX_MS))
        return policy_bad(c, "/review", "'keep' must be a time like 30d or 12h, at most 366d");
    if (end && !policy_one_of(end, ends))
        return policy_bad(c, "/review", "'disagreement' must be third or open");
    json_object_set_new(c->doc, "review", json_pack("{s:I, s:I, s:b}", "sample_ppm", (json_int_t)ppm, "keep_ms",
                        (json_int_t)keep_ms, "third", !end || strcmp(json_string_value(end), "third") == 0));
    return PL_OK;
}
