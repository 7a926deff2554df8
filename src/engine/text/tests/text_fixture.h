/* What the text engine's tests share: databases made from a few lines, findings kept in
 * a list, a seeded generator of nasty text, and a slow matcher to compare with. */
#ifndef TEXT_FIXTURE_H
#define TEXT_FIXTURE_H

#include "base/utf8.h"
#include "engine/text/cell.h"
#include "pl_test.h"

#include <plumbline/text.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

typedef struct kw {
    uint32_t rule;
    pl_str   text;
    unsigned flags;
} kw;

typedef struct db_fixture {
    void      *bytes;
    size_t     n;
    pl_textdb *db;
} db_fixture;

/* Rules 0 … rules-1 with made-up names, and the keywords. */
static inline db_fixture db_make_as(unsigned flags, uint32_t rules, const kw *keywords,
                                    size_t count)
{
    pl_textdb_builder *b = NULL;
    pl_error           err = { 0 };
    db_fixture         f = { 0 };

    assert_ok(pl_textdb_builder_new(&b, &err), &err);
    pl_textdb_builder_flags(b, flags);
    for (uint32_t i = 0; i < rules; i++) {
        char         id[32];
        uint32_t     index = UINT32_MAX;
        pl_text_rule rule = { .category = PL_STR("harm.weapons"), .severity = 1 + i % 4 };

        rule.id = (pl_str){ id, (size_t)snprintf(id, sizeof id, "test.rule.%u", i) };
        assert_ok(pl_textdb_builder_rule(b, &rule, &index, &err), &err);
        assert_int_equal(index, i);
    }
    for (size_t i = 0; i < count; i++)
        assert_ok(pl_textdb_builder_keyword(b, keywords[i].rule, keywords[i].text,
                                            keywords[i].flags, &err),
                  &err);
    assert_ok(pl_textdb_builder_finish(b, &f.bytes, &f.n, &err), &err);
    pl_textdb_builder_free(b);
    assert_ok(pl_textdb_open((pl_str){ f.bytes, f.n }, &f.db, &err), &err);
    return f;
}

static inline db_fixture db_make(uint32_t rules, const kw *keywords, size_t count)
{
    return db_make_as(0, rules, keywords, count);
}

static inline void db_drop(db_fixture *f)
{
    pl_textdb_free(f->db);
    free(f->bytes);
}

/* --- findings ---------------------------------------------------------------- */

typedef struct findings {
    pl_text_finding *list;
    size_t           n, cap;
    size_t           stop_after; /* 0: never */
} findings;

static inline int findings_add(void *ctx, const pl_text_finding *f)
{
    findings *to = ctx;

    if (to->n == to->cap) {
        to->cap = to->cap ? to->cap * 2 : 64;
        to->list = realloc(to->list, to->cap * sizeof *to->list);
        assert_non_null(to->list);
    }
    to->list[to->n++] = *f;
    return to->stop_after != 0 && to->n >= to->stop_after;
}

static inline void findings_drop(findings *f)
{
    free(f->list);
    *f = (findings){ 0 };
}

static inline bool findings_equal(const findings *a, const findings *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (a->list[i].rule != b->list[i].rule || a->list[i].start != b->list[i].start ||
            a->list[i].end != b->list[i].end || a->list[i].form != b->list[i].form)
            return false;
    return true;
}

static inline void findings_print(const char *what, const findings *f)
{
    print_message("%s:", what);
    for (size_t i = 0; i < f->n; i++)
        print_message(" %u[%llu,%llu)%x", f->list[i].rule, (unsigned long long)f->list[i].start,
                      (unsigned long long)f->list[i].end, f->list[i].form);
    print_message("\n");
}

static inline findings scan(const pl_textdb *db, pl_str text)
{
    findings f = { 0 };

    pl_text_scan(db, text, findings_add, &f);
    return f;
}

/* --- randomness ---------------------------------------------------------------- */

typedef struct rng {
    uint64_t s;
} rng;

static inline uint32_t rng_next(rng *r)
{
    r->s ^= r->s << 13; /* xorshift64 */
    r->s ^= r->s >> 7;
    r->s ^= r->s << 17;
    return (uint32_t)(r->s >> 32);
}

static inline uint32_t rng_below(rng *r, uint32_t n)
{
    return rng_next(r) % n;
}

/* PL_TEST_SEED repeats a run; the seed is printed in any case. */
static inline rng rng_seeded(const char *test)
{
    const char *given = getenv("PL_TEST_SEED");
    uint64_t    seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL) * 2654435761u;

    seed = seed ? seed : 1;
    print_message("# %s: PL_TEST_SEED=%llu\n", test, (unsigned long long)seed);
    return (rng){ seed };
}

/* Few distinct characters, so that keywords overlap, repeat and nearly match; with all
 * that folding, skipping and broken UTF-8 have to offer. */
static const char *const nasty[] = {
    "a",      "b",          "中",     "c",      " ",          "文",           "A",
    "_",      "1",          " ",      "主",     "b",          "\n",           "\u3000",
    "\u200b", "\uff21",     "\uff42", "\u00e9", "\U0001f600", "\U00010020",   "\U000100c0",
    "\u00c9", "\u0431",     "\u00ad", "\ufeff", "\uff3f",     "-",            "\xff",
    "\xe4",   "\xe4\xb8",   "\xf0\x9f\x98",       "\x80",       "",
};
#define NASTY_TEXT ((uint32_t)(sizeof nasty / sizeof *nasty))

/* One of the first `kinds` characters of the table; its empty string stands for NUL. */
static inline size_t nasty_put(rng *r, char *out, uint32_t kinds)
{
    const char *s = nasty[rng_below(r, kinds)];
    size_t      n = strlen(s);

    memcpy(out, s, n ? n : 1);
    return n ? n : 1;
}

static inline size_t nasty_text(rng *r, char *out, unsigned chars, uint32_t kinds)
{
    size_t n = 0;

    while (chars-- > 0)
        n += nasty_put(r, out + n, kinds);
    return n;
}

/* --- the slow matcher ------------------------------------------------------------ */

/* How it reads: bytes as they stand, as in an exact database, or ASCII letters of either case and
 * other characters as they stand. It knows no disguises. */
typedef enum reading { READ_BYTES, READ_PLAIN } reading;

typedef struct token {
    uint32_t folded; /* 0: a place no keyword crosses */
    size_t   start, end;
} token;

static inline size_t tokenize(reading how, pl_str text, token *out)
{
    size_t n = 0;

    for (size_t at = 0; at < text.n;) {
        uint32_t cp = (uint8_t)text.p[at];
        int      len = 1;

        if (how == READ_PLAIN)
            len = pl_utf8_decode((pl_str){ text.p + at, text.n - at }, &cp);
        if (how == READ_PLAIN && cp >= 'A' && cp <= 'Z')
            cp += 'a' - 'A';
        out[n++] = (token){ len > 0 ? cp + 1 : 0, at, at + (size_t)(len > 0 ? len : 1) };
        at = out[n - 1].end;
    }
    return n;
}

static inline bool token_is_word(reading how, const token *t, size_t n, size_t i)
{
    uint32_t c = i < n ? t[i].folded - 1 : ' ';

    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (how == READ_BYTES && c == '_');
}

/* Something the builder takes: valid UTF-8 with a letter, a digit or a Chinese character in it. */
static inline size_t nasty_keyword(rng *r, char *out, unsigned chars, uint32_t kinds)
{
    size_t n;

    do
        n = nasty_text(r, out, chars, kinds);
    while (!pl_utf8_valid((pl_str){ out, n }) || pl_cells_of_keyword((pl_str){ out, n },
                                                                     &(pl_cells){ 0 }, NULL) != PL_OK);
    return n;
}

static inline int finding_compare(const void *a, const void *b)
{
    const pl_text_finding *x = a, *y = b;

    if (x->end != y->end)
        return x->end < y->end ? -1 : 1;
    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    return (x->rule > y->rule) - (x->rule < y->rule);
}

static inline bool tokens_match(const token *t, const token *k, size_t kn)
{
    for (size_t i = 0; i < kn; i++)
        if (t[i].folded == 0 || t[i].folded != k[i].folded)
            return false;
    return true;
}

static inline findings naive_scan(reading how, const kw *keywords, size_t count, pl_str text)
{
    token   *t = malloc((text.n + 1) * sizeof *t);
    size_t   n = tokenize(how, text, t), kept = 0;
    findings f = { 0 };

    for (size_t k = 0; k < count; k++) {
        token  key[256];
        size_t kn = tokenize(how, keywords[k].text, key);

        for (size_t i = 0; i + kn <= n; i++) {
            bool touched = (i > 0 && token_is_word(how, t, n, i - 1)) ||
                           token_is_word(how, t, n, i + kn);

            if (tokens_match(t + i, key, kn) && !((keywords[k].flags & PL_KEYWORD_WORD) && touched))
                findings_add(&f, &(pl_text_finding){ .rule = keywords[k].rule,
                                                     .score = PL_SCORE_MAX,
                                                     .start = t[i].start,
                                                     .end = t[i + kn - 1].end });
        }
    }
    if (f.n > 0)
        qsort(f.list, f.n, sizeof *f.list, finding_compare);
    for (size_t i = 0; i < f.n; i++)
        if (i == 0 || finding_compare(&f.list[kept - 1], &f.list[i]) != 0)
            f.list[kept++] = f.list[i];
    f.n = kept;
    free(t);
    return f;
}

/* What pl_text_stream_safe must say when exactly `text` was fed to an exact database: the start of
 * the longest run up to the end of the text that a keyword continues, or of a finding that waits
 * for the byte after it. A whole word does not begin inside another. */
static inline size_t naive_safe(const kw *keywords, size_t count, pl_str text)
{
    token *t = malloc((text.n + 1) * sizeof *t);
    size_t n = tokenize(READ_BYTES, text, t), safe = text.n;
    bool   waits = false, inner[256] = { false };

    for (size_t k = 0; k < count; k++)
        inner[(uint8_t)keywords[k].text.p[0]] |= !(keywords[k].flags & PL_KEYWORD_WORD);
    for (int pass = 0; pass < 2; pass++) {
        for (size_t k = 0; k < count; k++) {
            token  key[256];
            size_t kn = tokenize(READ_BYTES, keywords[k].text, key);
            bool   word = keywords[k].flags & PL_KEYWORD_WORD;

            for (size_t i = n > kn ? n - kn : 0; i < n; i++) {
                bool left = i > 0 && token_is_word(READ_BYTES, t, n, i - 1);
                bool full = n - i == kn;

                if (!tokens_match(t + i, key, n - i) ||
                    (left && !inner[(uint8_t)keywords[k].text.p[0]]))
                    continue;
                waits |= full && word;
                if ((!full || waits) && t[i].start < safe)
                    safe = t[i].start;
            }
        }
    }
    free(t);
    return safe;
}

#endif
