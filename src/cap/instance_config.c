#include "base/banned.h"

#include "base/id.h"
#include "base/str.h"
#include "base/yaml.h"
#include "base/yaml_at.h"
#include "cap/instance_int.h"

#include <ctype.h>

#define MIB (1024u * 1024u)

/* --- checks: each says what is wrong with a value, or gives NULL ----------------------- */

static bool is_plain(pl_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
            return false;
    return true;
}

static bool only(pl_str s, const char *extra)
{
    for (size_t i = 0; i < s.n; i++)
        if (!isalnum((unsigned char)s.p[i]) && (s.p[i] == '\0' || strchr(extra, s.p[i]) == NULL))
            return false;
    return s.n > 0;
}

static const char *check_id(pl_str s)
{
    return pl_id_valid(s) ? NULL : "is not an instance id";
}

/* A key name of a signed note: no blanks, no plus sign. */
static const char *check_origin(pl_str s)
{
    return only(s, "./-_:") ? NULL : "may hold letters, digits and . / - _ : only";
}

static const char *check_service(pl_str s)
{
    return only(s, ".-_:/") ? NULL : "may hold letters, digits and . - _ : / only";
}

static const char *check_lang(pl_str s)
{
    return pl_str_eqz(s, "en") || pl_str_eqz(s, "zh-CN") ? NULL : "must be 'en' or 'zh-CN'";
}

static const char *check_database(pl_str s)
{
    if (!is_plain(s))
        return "holds control characters";
    if (pl_str_starts(s, PL_STR("sqlite:")) && s.n > 7)
        return NULL;
    if (pl_str_starts(s, PL_STR("postgresql://")) || pl_str_starts(s, PL_STR("postgres://")))
        return NULL;
    return "must begin with 'sqlite:' or 'postgresql://'";
}

/* host:port, where host is a name, an IPv4 address, [IPv6] or * */
static const char *check_listen(pl_str s)
{
    pl_str   host = s, port = { "", 0 };
    uint64_t number;

    for (size_t i = s.n; i-- > 0;)
        if (s.p[i] == ':') {
            host = (pl_str){ s.p, i };
            port = (pl_str){ s.p + i + 1, s.n - i - 1 };
            break;
        }
    if (port.n == 0 || pl_str_u64(port, &number, NULL) != PL_OK || number < 1 || number > 65535)
        return "must be host:port with a port from 1 to 65535";
    if (pl_str_starts(host, PL_STR("[")) && pl_str_ends(host, PL_STR("]")) && host.n > 2)
        return only((pl_str){ host.p + 1, host.n - 2 }, ":.") ? NULL : "is not an IPv6 address";
    if (pl_str_eqz(host, "*") || only(host, ".-"))
        return NULL;
    return "must be host:port (IPv6 in brackets)";
}

/* Characters that end or change a word of nginx.conf never enter it. */
static const char *check_upstream(pl_str s)
{
    if (s.n == 0)
        return NULL;
    if (!pl_str_starts(s, PL_STR("http://")) && !pl_str_starts(s, PL_STR("https://")))
        return "must begin with 'http://' or 'https://'";
    if (!only(s, ":/.-_~%[],;="))
        return "may not hold blanks, quotes, a query or a user name";
    return NULL;
}

static const char *check_path(pl_str s)
{
    return s.n == 0 || (is_plain(s) && s.p[0] == '/') ? NULL : "must be an absolute path";
}

/* --- the table ------------------------------------------------------------------------- */

typedef enum setting_type { SET_STR, SET_INT, SET_BYTES } setting_type;

typedef struct setting {
    const char  *path; /* JSON pointer */
    setting_type type;
    size_t       offset, size;
    int64_t      min, max;
    const char *(*check)(pl_str s);
} setting;

#define S(path, field, check)                                                                      \
    { path, SET_STR, offsetof(pl_instance, field), sizeof((pl_instance *)0)->field, 0, 0, check }
#define N(path, type, field, min, max)                                                             \
    { path, type, offsetof(pl_instance, field), sizeof((pl_instance *)0)->field, min, max, NULL }

static const setting settings[] = {
    S("/id", id, check_id),
    S("/origin", origin, check_origin),
    S("/service", service, check_service),
    S("/database", database, check_database),
    S("/listen", listen, check_listen),
    S("/lang", lang, check_lang),
    N("/retention_days", SET_INT, retention_days, 1, 36500),
    S("/gateway/listen", gateway, check_listen),
    S("/gateway/upstream", upstream, check_upstream),
    S("/gateway/upstream_ca", upstream_ca, check_path),
    N("/gateway/max_body", SET_BYTES, max_body, 1024, 256 * (int64_t)MIB),
    N("/gateway/max_response", SET_BYTES, max_response, 1024, 1024 * (int64_t)MIB),
};
#define SETTINGS (sizeof settings / sizeof settings[0])

typedef struct config {
    pl_str       text;
    const char  *where;
    pl_instance *out;
    pl_error    *err;
} config;

/* --- values ---------------------------------------------------------------------------- */

static pl_rc str_take(const config *c, const setting *s, const json_t *v)
{
    pl_str      value = { json_string_value(v), json_string_length(v) };
    const char *wrong = json_is_string(v) ? s->check(value) : "must be a string";

    if (wrong == NULL && value.n >= s->size)
        wrong = "is too long";
    if (wrong != NULL)
        return pl_yaml_fail(c->err, c->text, c->where, s->path, "'%s' %s", s->path + 1, wrong);
    memcpy((char *)c->out + s->offset, value.p, value.n + 1);
    return PL_OK;
}

/* A whole number, with KiB or MiB for sizes. -1 when it is none. */
static int64_t number_of(const setting *s, const json_t *v)
{
    pl_str   text = { json_string_value(v), json_string_length(v) };
    uint64_t unit = 1, n;

    if (json_is_integer(v))
        return json_integer_value(v);
    if (s->type != SET_BYTES || !json_is_string(v))
        return -1;
    if (pl_str_ends(text, PL_STR("KiB")))
        unit = 1024;
    else if (pl_str_ends(text, PL_STR("MiB")))
        unit = MIB;
    if (unit == 1)
        return -1;
    text = pl_str_trim((pl_str){ text.p, text.n - 3 });
    if (pl_str_u64(text, &n, NULL) != PL_OK || n > (uint64_t)s->max / unit + 1)
        return -1;
    return (int64_t)(n * unit);
}

static pl_rc number_take(const config *c, const setting *s, const json_t *v)
{
    int64_t n = number_of(s, v);

    if (n < s->min || n > s->max)
        return pl_yaml_fail(c->err, c->text, c->where, s->path,
                            "'%s' must be a whole number from %lld to %lld%s", s->path + 1,
                            (long long)s->min, (long long)s->max,
                            s->type == SET_BYTES ? " (KiB and MiB are understood)" : "");
    memcpy((char *)c->out + s->offset, &n, sizeof n);
    return PL_OK;
}

static const json_t *value_at(const json_t *root, const char *path)
{
    const char   *slash = strchr(path + 1, '/');
    const json_t *section = root;

    if (slash != NULL) {
        section = json_object_getn(root, path + 1, (size_t)(slash - path) - 1);
        path = slash;
    }
    return json_object_get(section, path + 1);
}

static pl_rc settings_take(const config *c, const json_t *root)
{
    for (size_t i = 0; i < SETTINGS; i++) {
        const setting *s = &settings[i];
        const json_t  *v = value_at(root, s->path);
        pl_rc          rc;

        if (v == NULL)
            return pl_yaml_fail(c->err, c->text, c->where, s->path, "missing key '%s'",
                                s->path + 1);
        rc = s->type == SET_STR ? str_take(c, s, v) : number_take(c, s, v);
        if (rc != PL_OK)
            return rc;
    }
    return PL_OK;
}

/* --- keys nobody knows ----------------------------------------------------------------- */

static bool is_known(const char *path)
{
    size_t n = strlen(path);

    for (size_t i = 0; i < SETTINGS; i++)
        if (strncmp(settings[i].path, path, n) == 0 &&
            (settings[i].path[n] == '\0' || settings[i].path[n] == '/'))
            return true;
    return false;
}

static pl_rc keys_check(const config *c, const json_t *o, const char *prefix)
{
    const char *key;
    json_t     *v;
    char        path[300];
    pl_rc       rc = PL_OK;

    json_object_foreach((json_t *)(uintptr_t)o, key, v) {
        (void)snprintf(path, sizeof path, "%s/%s", prefix, key);
        if (strcmp(path, "/ledger") == 0) /* has a shape of its own: instance_ledger.c */
            continue;
        if (strchr(key, '/') != NULL || strchr(key, '~') != NULL || !is_known(path))
            return pl_yaml_fail(c->err, c->text, c->where, path, "unknown key '%.80s'", path + 1);
        if (json_is_object(v) && prefix[0] == '\0')
            rc = keys_check(c, v, path);
        if (rc != PL_OK)
            return rc;
    }
    return PL_OK;
}

/* A relative SQLite path means a file of the instance. */
static pl_rc database_resolve(const config *c)
{
    pl_instance *i = c->out;
    char         rel[sizeof i->database];
    int          n;

    if (!pl_str_starts(pl_str_z(i->database), PL_STR("sqlite:")) || i->database[7] == '/')
        return PL_OK;
    memcpy(rel, i->database + 7, strlen(i->database + 7) + 1);
    n = snprintf(i->database, sizeof i->database, "sqlite:%s/%s", i->dir, rel);
    if (n < 0 || (size_t)n >= sizeof i->database)
        return pl_yaml_fail(c->err, c->text, c->where, "/database", "'database' is too long");
    return PL_OK;
}

pl_rc pl_instance_config_parse(pl_str text, const char *where, pl_instance *out, pl_error *err)
{
    config  c = { text, where, out, err };
    json_t *root = NULL;
    pl_rc   rc = pl_yaml_parse(text, where, &root, err);

    if (rc != PL_OK)
        return rc;
    if (!json_is_object(root))
        rc = pl_fail(err, PL_INVALID, "%s:1:1: not a mapping of settings", where);
    if (rc == PL_OK)
        rc = keys_check(&c, root, "");
    if (rc == PL_OK)
        rc = settings_take(&c, root);
    if (rc == PL_OK)
        rc = pl_instance_ledger_parse(text, where, json_object_get(root, "ledger"), out, err);
    if (rc == PL_OK)
        rc = database_resolve(&c);
    if (rc == PL_OK && strcmp(out->listen, out->gateway) == 0)
        rc = pl_yaml_fail(err, text, where, "/gateway/listen",
                          "'gateway/listen' is the same address as 'listen'");
    json_decref(root);
    return rc;
}
