/* A recipe says what the columns of data files mean: docs/formats/model-recipe.md */
#include "base/banned.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/str.h"
#include "base/yaml.h"
#include "base/yaml_at.h"
#include "cap/guard/pl_guard.h"
#include "cap/text/model_int.h"

typedef struct reader {
    model_recipe *r;
    const char   *path;
    pl_str        text;
    pl_error     *err;
} reader;

static pl_rc bad(const reader *rd, const char *pointer, const char *what, const char *name)
{
    return pl_yaml_fail(rd->err, rd->text, rd->path, pointer, "%s '%.80s'", what, name);
}

static pl_str str_of(const json_t *v)
{
    return json_is_string(v) ? (pl_str){ json_string_value(v), json_string_length(v) }
                             : (pl_str){ "", 0 };
}

int model_recipe_label(const model_recipe *r, pl_str name)
{
    for (size_t i = 0; i < r->labels; i++)
        if (pl_str_eqz(name, r->label[i]))
            return (int)i;
    return -1;
}

/* Labels a list of names and patterns ("harm.*", "*") stands for. */
static uint32_t mask_of(const model_recipe *r, const json_t *list)
{
    uint32_t mask = 0;
    size_t   i;
    json_t  *v;

    json_array_foreach((json_t *)(uintptr_t)list, i, v)
        for (size_t l = 0; l < r->labels; l++)
            if (pl_category_matches(str_of(v), pl_str_z(r->label[l])))
                mask |= 1u << l;
    return mask;
}

/* --- checking ---------------------------------------------------------------------------- */

static pl_rc keys_check(const reader *rd, const json_t *o, const char *pointer,
                        const char *const *known)
{
    const char *key;
    json_t     *v;

    if (!json_is_object(o))
        return bad(rd, pointer, "must be a mapping, in", rd->path);
    json_object_foreach((json_t *)(uintptr_t)o, key, v) {
        size_t i = 0;

        while (known[i] && strcmp(known[i], key) != 0)
            i++;
        if (!known[i])
            return bad(rd, pointer, "unknown key", key);
    }
    return PL_OK;
}

/* A misspelt label would silently teach nothing. */
static pl_rc labels_check(const reader *rd, const json_t *list, const char *pointer)
{
    size_t  i;
    json_t *v;

    if (list && !json_is_array(list))
        return bad(rd, pointer, "labels must be a list, in", rd->path);
    json_array_foreach((json_t *)(uintptr_t)list, i, v) {
        json_t *one = json_pack("[O]", v);
        bool    known = json_is_string(v) && mask_of(rd->r, one) != 0;

        json_decref(one);
        if (!known)
            return bad(rd, pointer, "no such label", json_is_string(v) ? json_string_value(v) : "?");
    }
    return PL_OK;
}

static pl_rc rule_check(const reader *rd, const json_t *rule, const char *pointer)
{
    static const char *const keys[] = { "when", "contains", "yes", "no", "weak", "hard", "skip",
                                        NULL };
    pl_rc                    rc = keys_check(rd, rule, pointer, keys);

    if (rc == PL_OK)
        rc = labels_check(rd, json_object_get(rule, "yes"), pointer);
    if (rc == PL_OK)
        rc = labels_check(rd, json_object_get(rule, "no"), pointer);
    return rc;
}

static pl_rc set_check(const reader *rd, const json_t *set, size_t index)
{
    static const char *const keys[] = { "id",    "file",  "has",  "use",   "licence", "source",
                                        "note",  "text",  "lang", "group", "yes",     "no",
                                        "rules", "weak",  "hard",   "pieces", "most",
                                        "distinct", NULL };
    char          pointer[64];
    const json_t *rules = json_object_get(set, "rules"), *rule;
    size_t        i;
    pl_rc         rc;

    (void)snprintf(pointer, sizeof pointer, "/sets/%zu", index);
    rc = keys_check(rd, set, pointer, keys);
    if (rc == PL_OK && (!json_is_string(json_object_get(set, "id")) ||
                        !json_object_get(set, "text")))
        rc = bad(rd, pointer, "a set needs 'id' and 'text', in", rd->path);
    if (rc == PL_OK && json_object_get(set, "file") && !json_object_get(set, "licence"))
        rc = bad(rd, pointer, "no licence for set", json_string_value(json_object_get(set, "id")));
    if (rc == PL_OK)
        rc = labels_check(rd, json_object_get(set, "yes"), pointer);
    if (rc == PL_OK)
        rc = labels_check(rd, json_object_get(set, "no"), pointer);
    json_array_foreach((json_t *)(uintptr_t)rules, i, rule) {
        (void)snprintf(pointer, sizeof pointer, "/sets/%zu/rules/%zu", index, i);
        if (rc == PL_OK)
            rc = rule_check(rd, rule, pointer);
    }
    return rc;
}

static pl_rc labels_read(const reader *rd)
{
    const json_t *list = json_object_get(rd->r->doc, "labels"), *v;
    size_t        i;

    if (json_array_size(list) == 0 || json_array_size(list) > PL_MODEL_LABELS_MAX)
        return bad(rd, "/labels", "between 1 and 16 labels must be listed, in", rd->path);
    json_array_foreach((json_t *)(uintptr_t)list, i, v) {
        if (!json_is_string(v) || json_string_length(v) > PL_MODEL_NAME_MAX)
            return bad(rd, "/labels", "not the name of a label, in", rd->path);
        (void)snprintf(rd->r->label[i], sizeof rd->r->label[i], "%s", json_string_value(v));
        rd->r->labels++;
    }
    return PL_OK;
}

static double number_or(const json_t *o, const char *key, double otherwise)
{
    const json_t *v = json_object_get(o, key);

    return json_is_number(v) ? json_number_value(v) : otherwise;
}

static pl_rc recipe_read(const reader *rd)
{
    static const char *const keys[] = { "model", "version", "labels", "bits", "yes_fpr",
                                        "uncertain_fpr", "cost", "sets", "notes", NULL };
    model_recipe *r = rd->r;
    const json_t *sets = json_object_get(r->doc, "sets"), *set;
    size_t        i;
    pl_rc         rc = keys_check(rd, r->doc, "", keys);

    if (rc == PL_OK)
        rc = labels_read(rd);
    r->bits = (unsigned)number_or(r->doc, "bits", PL_MODEL_BITS_MAX);
    r->yes_fpr = number_or(r->doc, "yes_fpr", 0.01);
    r->uncertain_fpr = number_or(r->doc, "uncertain_fpr", 0.05);
    r->cost = number_or(r->doc, "cost", 4);
    if (rc == PL_OK && (r->bits < PL_MODEL_BITS_MIN || r->bits > PL_MODEL_BITS_MAX ||
                        r->yes_fpr <= 0 || r->yes_fpr > r->uncertain_fpr ||
                        r->uncertain_fpr >= 1 || r->cost <= 0))
        rc = bad(rd, "", "bits, rates or cost are out of range, in", rd->path);
    json_array_foreach((json_t *)(uintptr_t)sets, i, set)
        if (rc == PL_OK)
            rc = set_check(rd, set, i);
    return rc;
}

pl_rc model_recipe_open(const char *path, model_recipe **out, pl_error *err)
{
    model_recipe *r = calloc(1, sizeof *r);
    char         *text = NULL;
    uint8_t       digest[32];
    size_t        n = 0;
    pl_rc         rc;

    if (!r)
        return pl_fail(err, PL_NOMEM, "out of memory");
    rc = pl_file_read(path, PL_YAML_MAX, &text, &n, err);
    if (rc == PL_OK)
        rc = pl_yaml_parse((pl_str){ text, n }, path, &r->doc, err);
    if (rc == PL_OK) {
        reader rd = { r, path, { text, n }, err };

        rc = recipe_read(&rd);
        pl_sha256_of(rd.text, digest);
        pl_hex(digest, sizeof digest, r->sha256);
    }
    free(text);
    if (rc != PL_OK) {
        model_recipe_free(r);
        return rc;
    }
    *out = r;
    return PL_OK;
}

void model_recipe_free(model_recipe *r)
{
    if (!r)
        return;
    json_decref(r->doc);
    free(r);
}

/* --- finding the set of a file ------------------------------------------------------------- */

static pl_str base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    pl_str      s = pl_str_z(slash ? slash + 1 : path);

    if (pl_str_ends(s, PL_STR(".zst")))
        s.n -= 4;
    return s;
}

/* All columns of the list, or the one. */
static bool has_columns(const json_t *record, const json_t *names)
{
    size_t  i;
    json_t *v;

    if (json_is_string(names))
        return json_object_get(record, json_string_value(names)) != NULL;
    json_array_foreach((json_t *)(uintptr_t)names, i, v)
        if (!json_object_get(record, json_is_string(v) ? json_string_value(v) : ""))
            return false;
    return json_array_size(names) > 0;
}

bool model_recipe_names(const json_t *set, const char *path)
{
    const char *file = json_string_value(json_object_get(set, "file"));

    return file && pl_str_eq(base_name(file), base_name(path));
}

const json_t *model_recipe_set(const model_recipe *r, const char *path, const json_t *record)
{
    const json_t *sets = json_object_get(r->doc, "sets"), *set;
    size_t        i;

    json_array_foreach((json_t *)(uintptr_t)sets, i, set)
        if (model_recipe_names(set, path) && has_columns(record, json_object_get(set, "text")))
            return set;
    json_array_foreach((json_t *)(uintptr_t)sets, i, set)
        if (json_object_get(set, "has") && has_columns(record, json_object_get(set, "has")) &&
            has_columns(record, json_object_get(set, "text")))
            return set;
    return NULL;
}

/* --- one record ------------------------------------------------------------------------------ */

/* A scalar as text: true, 3 and "3" can all be written in a recipe as they look. */
static const char *scalar(const json_t *v, char buf[64])
{
    if (json_is_string(v))
        return json_string_value(v);
    if (json_is_boolean(v))
        return json_is_true(v) ? "true" : "false";
    if (json_is_integer(v))
        (void)snprintf(buf, 64, "%lld", (long long)json_integer_value(v));
    else if (json_is_real(v))
        (void)snprintf(buf, 64, "%g", json_real_value(v));
    else
        return NULL;
    return buf;
}

static bool scalar_is(const json_t *have, const json_t *want)
{
    char        a[64], b[64];
    const char *x = scalar(have, a), *y = scalar(want, b);

    return x && y && strcasecmp(x, y) == 0;
}

static bool value_fits(const json_t *have, const json_t *want)
{
    size_t  i;
    json_t *v;

    if (!json_is_array(want))
        return scalar_is(have, want);
    json_array_foreach((json_t *)(uintptr_t)want, i, v)
        if (scalar_is(have, v))
            return true;
    return false;
}

static bool when_fits(const json_t *when, const json_t *record)
{
    const char *key;
    json_t     *want;

    json_object_foreach((json_t *)(uintptr_t)when, key, want)
        if (!value_fits(json_object_get(record, key), want))
            return false;
    return true;
}

static bool contains_fits(const json_t *words, const char *text)
{
    size_t  i;
    json_t *v;

    if (!words)
        return true;
    json_array_foreach((json_t *)(uintptr_t)words, i, v)
        if (json_is_string(v) && strcasestr(text, json_string_value(v)))
            return true;
    return false;
}

static pl_rc rules_apply(const model_recipe *r, const json_t *set, const json_t *record,
                         model_row *row, pl_error *err)
{
    const json_t *rules = json_object_get(set, "rules"), *rule;
    size_t        i;

    json_array_foreach((json_t *)(uintptr_t)rules, i, rule) {
        if (!when_fits(json_object_get(rule, "when"), record) ||
            !contains_fits(json_object_get(rule, "contains"), row->text))
            continue;
        if (json_is_true(json_object_get(rule, "skip")))
            return pl_fail(err, PL_NOTFOUND, "passed over");
        row->yes |= mask_of(r, json_object_get(rule, "yes"));
        row->no |= mask_of(r, json_object_get(rule, "no"));
        row->weak = row->weak || json_is_true(json_object_get(rule, "weak"));
        row->hard = row->hard || json_is_true(json_object_get(rule, "hard"));
    }
    return PL_OK;
}

/* The text: one column, or several joined by line ends. */
static char *text_of(const json_t *record, const json_t *columns)
{
    pl_buf  b = PL_BUF_INIT(16u << 20);
    size_t  i;
    json_t *v;

    if (json_is_string(columns)) {
        pl_buf_put(&b, str_of(json_object_get(record, json_string_value(columns))));
    } else {
        json_array_foreach((json_t *)(uintptr_t)columns, i, v) {
            if (b.n > 0)
                pl_buf_putc(&b, '\n');
            pl_buf_put(&b, str_of(json_object_get(record, json_is_string(v) ? json_string_value(v)
                                                                            : "")));
        }
    }
    if (b.failed || pl_str_trim(pl_buf_str(&b)).n == 0) {
        pl_buf_done(&b);
        return NULL;
    }
    return b.p;
}

/* FNV-1a over the set's id and the values: equal values, equal group. */
static uint64_t group_of(const json_t *set, const json_t *record)
{
    const json_t *columns = json_object_get(set, "group"), *v;
    const char   *id = json_string_value(json_object_get(set, "id"));
    uint64_t      h = 0xcbf29ce484222325u;
    size_t        i;

    if (json_array_size(columns) == 0)
        return 0;
    for (; *id; id++)
        h = (h ^ (uint8_t)*id) * 0x100000001b3u;
    json_array_foreach((json_t *)(uintptr_t)columns, i, v) {
        char        buf[64];
        const char *s = scalar(json_object_get(record, json_string_value(v)), buf);

        for (; s && *s; s++)
            h = (h ^ (uint8_t)*s) * 0x100000001b3u;
        h = (h ^ 0x1f) * 0x100000001b3u;
    }
    return h | 1;
}

pl_rc model_recipe_row(const model_recipe *r, const json_t *set, const json_t *record,
                       model_row *out, pl_error *err)
{
    model_row row = { .text = text_of(record, json_object_get(set, "text")) };
    pl_rc     rc;

    if (!row.text)
        return pl_fail(err, PL_NOTFOUND, "no text");
    row.yes = mask_of(r, json_object_get(set, "yes"));
    row.no = mask_of(r, json_object_get(set, "no"));
    row.weak = json_is_true(json_object_get(set, "weak"));
    row.hard = json_is_true(json_object_get(set, "hard"));
    row.group = group_of(set, record);
    rc = rules_apply(r, set, record, &row, err);
    row.no &= ~row.yes;
    if (rc == PL_OK && (row.yes | row.no) == 0)
        rc = pl_fail(err, PL_NOTFOUND, "nothing is known about it");
    if (rc != PL_OK) {
        free(row.text);
        return rc;
    }
    *out = row;
    return PL_OK;
}
