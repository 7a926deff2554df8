#include "base/banned.h"

#include "base/file.h"
#include "base/str.h"
#include "base/utf8.h"
#include "host/cli/demo.h"

#define ANSWERS_MAX (4u << 20)

struct pl_demo_answers {
    json_t *list; /* array of the lines */
};

static pl_rc line_check(const json_t *o, const char *path, int line, pl_error *err)
{
    static const char *const keys[] = { "id", "lang", "match", "text", NULL };
    pl_error     inner = { 0 };
    pl_str       s = { "", 0 };
    pl_rc        rc = pl_json_only(o, keys, &inner);
    const json_t *match = json_object_get(o, "match"), *word;
    size_t        i;

    if (rc == PL_OK)
        rc = pl_json_get_str(o, "id", true, &s, &inner);
    if (rc == PL_OK)
        rc = pl_json_get_str(o, "text", true, &s, &inner);
    if (rc == PL_OK)
        rc = pl_json_get_str(o, "lang", true, &s, &inner);
    if (rc == PL_OK && !pl_str_eqz(s, "zh") && !pl_str_eqz(s, "en"))
        rc = pl_fail(&inner, PL_INVALID, "'lang' must be 'zh' or 'en'");
    if (rc == PL_OK && match != NULL && json_array_size(match) == 0)
        rc = pl_fail(&inner, PL_INVALID, "'match' must list words");
    if (rc == PL_OK && match != NULL)
        json_array_foreach(match, i, word)
            if (!json_is_string(word))
                rc = pl_fail(&inner, PL_INVALID, "'match' must list words");
    return rc == PL_OK ? rc : pl_fail(err, rc, "%s:%d: %s", path, line, inner.text);
}

static pl_rc lines_load(json_t *list, pl_str text, const char *path, pl_error *err)
{
    pl_str line;
    int    number = 0;

    while (pl_str_split(&text, '\n', &line)) {
        json_t *o = NULL;
        pl_rc   rc;

        number++;
        if (pl_str_trim(line).n == 0)
            continue;
        rc = pl_json_parse(line, path, &o, err);
        if (rc == PL_OK)
            rc = line_check(o, path, number, err);
        if (rc == PL_OK && json_array_append(list, o) != 0)
            rc = pl_fail(err, PL_NOMEM, "out of memory");
        json_decref(o);
        if (rc != PL_OK)
            return rc;
    }
    return PL_OK;
}

static const json_t *fallback(const json_t *list, const char *lang)
{
    const json_t *o;
    size_t        i;

    json_array_foreach(list, i, o)
        if (json_object_get(o, "match") == NULL &&
            strcmp(json_string_value(json_object_get(o, "lang")), lang) == 0)
            return o;
    return NULL;
}

pl_rc pl_demo_answers_load(const char *path, pl_demo_answers **out, pl_error *err)
{
    pl_demo_answers *a = calloc(1, sizeof *a);
    char            *text = NULL;
    size_t           n = 0;
    pl_rc            rc = pl_file_read(path, ANSWERS_MAX, &text, &n, err);

    if (a != NULL)
        a->list = json_array();
    if (rc == PL_OK && (a == NULL || a->list == NULL))
        rc = pl_fail(err, PL_NOMEM, "out of memory");
    if (rc == PL_OK)
        rc = lines_load(a->list, (pl_str){ text, n }, path, err);
    if (rc == PL_OK && (fallback(a->list, "zh") == NULL || fallback(a->list, "en") == NULL))
        rc = pl_fail(err, PL_INVALID, "no answer without 'match' for zh or en: '%s'", path);
    free(text);
    if (rc != PL_OK) {
        pl_demo_answers_free(a);
        return rc;
    }
    *out = a;
    return PL_OK;
}

void pl_demo_answers_free(pl_demo_answers *a)
{
    if (a == NULL)
        return;
    json_decref(a->list);
    free(a);
}

/* ASCII letters without regard to case. */
static bool contains(pl_str text, const char *word)
{
    size_t n = strlen(word);

    for (size_t i = 0; n > 0 && i + n <= text.n; i++) {
        size_t k = 0;

        while (k < n) {
            unsigned char a = (unsigned char)text.p[i + k], b = (unsigned char)word[k];

            a = a >= 'A' && a <= 'Z' ? (unsigned char)(a + 32) : a;
            b = b >= 'A' && b <= 'Z' ? (unsigned char)(b + 32) : b;
            if (a != b)
                break;
            k++;
        }
        if (k == n)
            return true;
    }
    return false;
}

/* Length of the longest word of the line that occurs in the text. */
static size_t match_length(const json_t *o, pl_str text)
{
    const json_t *word;
    size_t        i, best = 0;

    json_array_foreach(json_object_get(o, "match"), i, word)
        if (json_string_length(word) > best && contains(text, json_string_value(word)))
            best = json_string_length(word);
    return best;
}

pl_str pl_demo_answers_find(const pl_demo_answers *a, pl_str question)
{
    const char   *lang = pl_utf8_han_percent(question) > 0 ? "zh" : "en";
    const json_t *best = fallback(a->list, lang), *o, *text;
    size_t        longest = 0, i;

    json_array_foreach(a->list, i, o) {
        size_t n = strcmp(json_string_value(json_object_get(o, "lang")), lang) == 0
                       ? match_length(o, question) : 0;

        if (n > longest) {
            longest = n;
            best = o;
        }
    }
    text = json_object_get(best, "text");
    return (pl_str){ json_string_value(text), json_string_length(text) };
}
