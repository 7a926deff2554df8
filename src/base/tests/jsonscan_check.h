/* What the unit test, the fuzz target and both JSON automata are measured by: the tree
 * jansson builds of the same text. Included by one .c file per program. */
#ifndef PL_JSONSCAN_CHECK_H
#define PL_JSONSCAN_CHECK_H

#include "base/jsonscan.h"

#include <jansson.h>

#define CHECK(cond, what)                                                                         \
    do {                                                                                          \
        if (!(cond))                                                                              \
            check_failed(what);                                                                   \
    } while (0)

/* Of the program: reports and does not return. */
static _Noreturn void check_failed(const char *what);

/* Scans to the end. PL_OK, or how it failed; *escaped_nul and *big say whether the text has
 * something that jansson refuses for reasons of its own. */
static pl_rc scan_all(pl_str text, int *escaped_nul, int *big)
{
    pl_jsonscan j;
    pl_jsontok  t;
    pl_rc       rc;
    size_t      last = 0;

    *escaped_nul = *big = 0;
    pl_jsonscan_init(&j, text);
    do {
        rc = pl_jsonscan_next(&j, &t, NULL);
        if (rc != PL_OK)
            return rc;
        CHECK(t.start >= last && t.end >= t.start && t.end <= text.n, "token outside the text");
        CHECK(t.depth <= PL_JSONSCAN_DEPTH, "token below the bound");
        last = t.end;
        if (t.type == PL_JT_NUMBER)
            *big |= t.raw.n > 15 || memchr(t.raw.p, 'e', t.raw.n) || memchr(t.raw.p, 'E', t.raw.n);
        if (t.type == PL_JT_STRING || t.type == PL_JT_KEY)
            *escaped_nul |= memmem(t.raw.p, t.raw.n, "\\u0000", 6) != NULL;
    } while (t.type != PL_JT_END);
    return PL_OK;
}

static void same_string(const pl_jsontok *t, const char *p, size_t n)
{
    pl_buf out = PL_BUF_INIT(SIZE_MAX / 2);

    pl_json_unescape(t->raw, &out);
    CHECK(!out.failed && out.n == n && (n == 0 || memcmp(out.p, p, n) == 0), "unescaped differs");
    CHECK(t->escaped == (memchr(t->raw.p, '\\', t->raw.n) != NULL), "escaped flag is wrong");
    pl_buf_done(&out);
}

static void same_end(pl_jsonscan *j, pl_jt type, unsigned depth)
{
    pl_jsontok t;

    CHECK(pl_jsonscan_next(j, &t, NULL) == PL_OK && t.type == type && t.depth == depth,
          "end of a container expected");
}

/* The scanner's tokens must spell the tree. Only without duplicate keys: then members come
 * in insertion order. Depth is bounded by both. */
static void same_tree(pl_jsonscan *j, const pl_jsontok *t, const json_t *tree)
{
    pl_jsontok  u;
    const char *key;
    json_t     *v;
    size_t      i;

    switch (json_typeof(tree)) {
    case JSON_OBJECT:
        CHECK(t->type == PL_JT_OBJ_BEGIN, "object expected");
        json_object_foreach((json_t *)(uintptr_t)tree, key, v) {
            CHECK(pl_jsonscan_next(j, &u, NULL) == PL_OK && u.type == PL_JT_KEY, "key expected");
            same_string(&u, key, strlen(key));
            CHECK(pl_jsontok_is(&u, key), "key is not itself");
            CHECK(pl_jsonscan_next(j, &u, NULL) == PL_OK, "value expected");
            same_tree(j, &u, v);
        }
        same_end(j, PL_JT_OBJ_END, t->depth);
        return;
    case JSON_ARRAY:
        CHECK(t->type == PL_JT_ARR_BEGIN, "array expected");
        json_array_foreach(tree, i, v) {
            CHECK(pl_jsonscan_next(j, &u, NULL) == PL_OK, "element expected");
            same_tree(j, &u, v);
        }
        same_end(j, PL_JT_ARR_END, t->depth);
        return;
    case JSON_STRING:
        CHECK(t->type == PL_JT_STRING, "string expected");
        same_string(t, json_string_value(tree), json_string_length(tree));
        return;
    case JSON_INTEGER:
    case JSON_REAL:
        CHECK(t->type == PL_JT_NUMBER, "number expected");
        return;
    case JSON_TRUE:
    case JSON_FALSE:
        CHECK(t->type == (json_is_true(tree) ? PL_JT_TRUE : PL_JT_FALSE), "boolean expected");
        return;
    case JSON_NULL:
        CHECK(t->type == PL_JT_NULL, "null expected");
        return;
    }
}

/* Skipping the whole value must end where scanning does. */
static void same_skip(pl_str text, pl_rc expected)
{
    pl_jsonscan j;
    pl_jsontok  t;
    pl_rc       rc;

    pl_jsonscan_init(&j, text);
    rc = pl_jsonscan_skip(&j, NULL);
    if (rc == PL_OK)
        rc = pl_jsonscan_next(&j, &t, NULL);
    CHECK(rc == expected, "skip judges differently");
    CHECK(rc != PL_OK || t.type == PL_JT_END, "skip stops early");
}

static int jsonlike_of(pl_str text, size_t step)
{
    pl_jsonlike l;

    pl_jsonlike_init(&l);
    for (size_t i = 0; i < text.n; i += step)
        pl_jsonlike_feed(&l, (pl_str){ text.p + i, text.n - i < step ? text.n - i : step });
    return pl_jsonlike_complete(&l);
}

static void same_jsonlike(pl_str text, pl_rc scanned)
{
    pl_jsonscan j;
    pl_jsontok  t;
    int         whole = jsonlike_of(text, text.n + 1), container;

    CHECK(jsonlike_of(text, 1) == whole && jsonlike_of(text, 3) == whole, "chunking matters");
    pl_jsonscan_init(&j, text);
    container = pl_jsonscan_next(&j, &t, NULL) == PL_OK &&
                (t.type == PL_JT_OBJ_BEGIN || t.type == PL_JT_ARR_BEGIN);
    if (scanned == PL_OK)
        CHECK(whole == container, "complete JSON is not seen");
}

/* Everything at once; text is arbitrary. */
static void jsonscan_check(pl_str text)
{
    int         nul, big;
    pl_rc       rc = scan_all(text, &nul, &big);
    json_t     *tree, *first;
    pl_jsonscan j;
    pl_jsontok  t;

    same_skip(text, rc);
    same_jsonlike(text, rc);
    /* jansson 2.14 takes a NUL byte after a number for the end. */
    if (rc == PL_LIMIT || nul || (text.n > 0 && memchr(text.p, '\0', text.n) != NULL))
        return;
    tree = json_loadb(text.p, text.n, JSON_DECODE_ANY, NULL);
    if (tree == NULL) {
        CHECK(rc != PL_OK || big, "jansson refuses this");
        return;
    }
    if (rc != PL_OK) {
        json_decref(tree);
        check_failed("jansson accepts this");
    }
    first = json_loadb(text.p, text.n, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
    json_decref(tree);
    if (first == NULL)
        return;
    pl_jsonscan_init(&j, text);
    CHECK(pl_jsonscan_next(&j, &t, NULL) == PL_OK, "first token");
    same_tree(&j, &t, first);
    CHECK(pl_jsonscan_next(&j, &t, NULL) == PL_OK && t.type == PL_JT_END, "end expected");
    json_decref(first);
}

#endif
