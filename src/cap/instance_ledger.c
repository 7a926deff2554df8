/* The optional section `ledger` of the configuration: witnesses and how many are enough, and who
 * dates checkpoints. */
#include "base/banned.h"

#include "base/file.h"
#include "base/str.h"
#include "base/yaml_at.h"
#include "cap/instance_int.h"

#include <ctype.h>

typedef struct section {
    pl_str       text;
    const char  *where;
    pl_instance *out;
    pl_error    *err;
} section;

static pl_rc wrong(const section *s, size_t i, const char *key, const char *what)
{
    char path[64];

    (void)snprintf(path, sizeof path, "/ledger/witnesses/%zu/%s", i, key);
    return pl_yaml_fail(s->err, s->text, s->where, path, "'%s' of witness %zu %s", key, i + 1, what);
}

static bool is_name(pl_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!isalnum((unsigned char)s.p[i]) && strchr("._-", s.p[i]) == NULL)
            return false;
    return s.n > 0;
}

static bool is_loopback(pl_str url)
{
    static const char *const hosts[] = { "127.", "localhost", "[::1]" };
    const char              *host = memmem(url.p, url.n, "://", 3);

    if (pl_str_starts(url, PL_STR("unix:")))
        return true;
    for (size_t i = 0; host != NULL && i < sizeof hosts / sizeof hosts[0]; i++)
        if (pl_str_starts((pl_str){ host + 3, url.n - (size_t)(host + 3 - url.p) },
                          pl_str_z(hosts[i])))
            return true;
    return false;
}

static bool is_url(pl_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= 0x20 || s.p[i] == 0x7f)
            return false;
    return pl_str_starts(s, PL_STR("http://")) || pl_str_starts(s, PL_STR("https://")) ||
           pl_str_starts(s, PL_STR("unix:/"));
}

/* --- one witness ------------------------------------------------------------------------- */

static pl_rc field_take(const section *s, size_t i, const json_t *o, const char *key, char *out,
                        size_t cap)
{
    pl_str v = PL_STR("");

    if (pl_json_get_str(o, key, true, &v, NULL) != PL_OK)
        return wrong(s, i, key, "is missing or no string");
    if (v.n == 0 || v.n >= cap)
        return wrong(s, i, key, "is empty or too long");
    memcpy(out, v.p, v.n + 1);
    return PL_OK;
}

static bool key_is_taken(const pl_instance *in, size_t n, const pl_cosigner *k)
{
    pl_cosigner other;

    for (size_t i = 0; i < n; i++)
        if (pl_cosigner_parse(pl_str_z(in->witnesses[i].vkey), &other, NULL) == PL_OK &&
            pl_vkey_equal(&other.key, &k->key))
            return true;
    return false;
}

static pl_rc witness_check(const section *s, size_t i, const pl_instance_witness *w)
{
    pl_cosigner k;

    if (!is_name(pl_str_z(w->name)))
        return wrong(s, i, "name", "may hold letters, digits and . _ - only");
    if (strcmp(w->name, PL_OWN_WITNESS) == 0)
        return wrong(s, i, "name", "is the one of the witness that 'plumbline up' runs");
    for (size_t other = 0; other < i; other++)
        if (strcmp(s->out->witnesses[other].name, w->name) == 0)
            return wrong(s, i, "name", "is that of another witness");
    if (pl_cosigner_parse(pl_str_z(w->vkey), &k, NULL) != PL_OK)
        return wrong(s, i, "vkey", "is not the verifier key of a witness");
    if (key_is_taken(s->out, i, &k))
        return wrong(s, i, "vkey", "is that of another witness: it would count twice");
    if (!is_url(pl_str_z(w->url)))
        return wrong(s, i, "url", "must begin with 'http://', 'https://' or 'unix:/'");
    return PL_OK;
}

static pl_rc witness_take(const section *s, size_t i, const json_t *o)
{
    static const char *const known[] = { "name", "vkey", "url", "local", NULL };
    pl_instance_witness     *w = &s->out->witnesses[i];
    pl_error                 why;
    bool                     is_local;
    pl_rc                    rc;

    if (!json_is_object(o) || pl_json_only(o, known, &why) != PL_OK)
        return wrong(s, i, "name", "stands among keys nobody knows");
    rc = field_take(s, i, o, "name", w->name, sizeof w->name);
    if (rc == PL_OK)
        rc = field_take(s, i, o, "vkey", w->vkey, sizeof w->vkey);
    if (rc == PL_OK)
        rc = field_take(s, i, o, "url", w->url, sizeof w->url);
    if (rc == PL_OK)
        rc = witness_check(s, i, w);
    if (rc != PL_OK)
        return rc;
    is_local = is_loopback(pl_str_z(w->url));
    if (pl_json_get_bool(o, "local", false, &is_local, NULL) != PL_OK)
        return wrong(s, i, "local", "must be true or false");
    w->is_local = is_local;
    return PL_OK;
}

/* --- the section -------------------------------------------------------------------------- */

static pl_rc quorum_take(const section *s, const json_t *ledger)
{
    pl_instance *in = s->out;
    size_t       remote = 0;
    int64_t      q;

    for (size_t i = 0; i < in->witness_count; i++)
        remote += !in->witnesses[i].is_local;
    q = remote > 0 ? (int64_t)(remote / 2 + 1) : 0; /* more than half of them */
    if (pl_json_get_int(ledger, "quorum", false, &q, NULL) != PL_OK || q < 0 ||
        (uint64_t)q > remote)
        return pl_yaml_fail(s->err, s->text, s->where, "/ledger/quorum",
                            "'quorum' must be a number from 0 to the %zu witnesses that are not "
                            "local", remote);
    in->quorum = (size_t)q;
    return PL_OK;
}

/* --- time stamps ------------------------------------------------------------------------- */

#define TSA_MINUTES_MAX (7 * 24 * 60)

static pl_rc stamp_wrong(const section *s, const char *key, const char *what)
{
    char path[64];

    (void)snprintf(path, sizeof path, "/ledger/timestamp/%s", key);
    return pl_yaml_fail(s->err, s->text, s->where, path, "'%s' %s", key, what);
}

static bool text_take(const json_t *o, const char *key, bool is_needed, char *out, size_t cap)
{
    pl_str v = PL_STR("");

    if (pl_json_get_str(o, key, is_needed, &v, NULL) != PL_OK || v.n >= cap)
        return false;
    memcpy(out, v.n > 0 ? v.p : "", v.n + 1);
    return true;
}

static pl_rc timestamp_take(const section *s, const json_t *o)
{
    static const char *const known[] = { "url", "interval_minutes", "roots", NULL };
    pl_instance             *in = s->out;
    int64_t                  minutes = 60;
    pl_error                 why;

    if (o == NULL)
        return PL_OK;
    if (!json_is_object(o) || pl_json_only(o, known, &why) != PL_OK)
        return pl_yaml_fail(s->err, s->text, s->where, "/ledger/timestamp",
                            "'timestamp' has 'url', 'interval_minutes' and 'roots' only");
    if (!text_take(o, "url", true, in->tsa_url, sizeof in->tsa_url) ||
        !is_url(pl_str_z(in->tsa_url)) || pl_str_starts(pl_str_z(in->tsa_url), PL_STR("unix:")))
        return stamp_wrong(s, "url", "must begin with 'http://' or 'https://'");
    if (!text_take(o, "roots", false, in->tsa_roots, sizeof in->tsa_roots))
        return stamp_wrong(s, "roots", "must be the path of a file of certificates");
    if (pl_json_get_int(o, "interval_minutes", false, &minutes, NULL) != PL_OK || minutes < 1 ||
        minutes > TSA_MINUTES_MAX)
        return stamp_wrong(s, "interval_minutes", "must be a number from 1 to 10080");
    in->tsa_every_ms = minutes * 60 * 1000;
    return PL_OK;
}

/* --- the whole section ------------------------------------------------------------------- */

pl_rc pl_instance_ledger_parse(pl_str text, const char *where, const json_t *ledger,
                               pl_instance *out, pl_error *err)
{
    static const char *const known[] = { "witnesses", "quorum", "timestamp", NULL };
    section                  s = { text, where, out, err };
    const json_t            *list = json_object_get(ledger, "witnesses"), *o;
    pl_error                 why;
    size_t                   i;
    pl_rc                    rc = PL_OK;

    if (ledger == NULL)
        return PL_OK;
    if (!json_is_object(ledger) || pl_json_only(ledger, known, &why) != PL_OK)
        return pl_yaml_fail(err, text, where, "/ledger",
                            "'ledger' has 'witnesses', 'quorum' and 'timestamp' only");
    if ((list != NULL && !json_is_array(list)) || json_array_size(list) >= PL_WITNESSES_MAX)
        return pl_yaml_fail(err, text, where, "/ledger/witnesses",
                            "'witnesses' must be a list of fewer than %d", PL_WITNESSES_MAX);
    json_array_foreach(list, i, o)
    {
        rc = witness_take(&s, i, o);
        if (rc != PL_OK)
            return rc;
        out->witness_count = i + 1;
    }
    rc = timestamp_take(&s, json_object_get(ledger, "timestamp"));
    return rc == PL_OK ? quorum_take(&s, ledger) : rc;
}

/* The witness that `plumbline up` runs beside the daemon. It catches a ledger that was set
 * back by mistake; against the owner of the host it proves nothing, so it is never counted. */
void pl_instance_own_witness(pl_instance *i)
{
    pl_instance_witness *w = &i->witnesses[i->witness_count];
    pl_cosigner          k;
    char                *path = pl_instance_path(i, "witness/vkey"), *text = NULL;
    char                *socket = pl_instance_path(i, "run/witness.sock");
    size_t               n = 0;

    if (path != NULL && socket != NULL && i->witness_count < PL_WITNESSES_MAX &&
        pl_file_read(path, sizeof w->vkey - 1, &text, &n, NULL) == PL_OK &&
        pl_cosigner_parse(pl_str_trim((pl_str){ text, n }), &k, NULL) == PL_OK &&
        !key_is_taken(i, i->witness_count, &k) &&
        pl_cosigner_format(&k, w->vkey, sizeof w->vkey, NULL) == PL_OK &&
        snprintf(w->url, sizeof w->url, "unix:%s", socket) < (int)sizeof w->url) {
        (void)snprintf(w->name, sizeof w->name, PL_OWN_WITNESS);
        w->is_local = true;
        i->witness_count++;
    }
    free(text);
    free(socket);
    free(path);
}
