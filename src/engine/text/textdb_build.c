#include "base/banned.h"

#include "base/buf.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "engine/text/text_int.h"

#include <search.h>

#define NAME_MAX_BYTES 255
#define POOL_MAX       (1u << 30)

/* A rule as the builder keeps it. Allocated one by one because the id index holds
 * pointers to them. */
typedef struct rule_item {
    pl_str  id, category; /* inside `bytes` */
    uint8_t severity;
    char    bytes[];
} rule_item;

typedef struct keyword_item {
    uint32_t at; /* folded bytes in the pool */
    uint32_t rule;
    uint16_t len;
    uint8_t  chars, flags;
} keyword_item;

struct pl_textdb_builder {
    rule_item   **rules;
    size_t        rule_count, rule_cap;
    void         *ids; /* tsearch tree of rule_item */
    keyword_item *keywords;
    size_t        keyword_count, keyword_cap;
    pl_buf        pool;
    unsigned      flags; /* pl_textdb_flags */
};

/* One distinct keyword: a run of the sorted items. */
typedef struct word {
    const uint8_t *bytes;
    uint32_t       entry, entries, next;
    uint16_t       len;
    uint8_t        chars;
} word;

/* A node while the automaton is made. [lo, hi) are the words that pass through it. */
typedef struct tnode {
    uint32_t lo, hi;
    uint32_t parent, first;
    uint32_t fail; /* longest proper suffix that is a node                        */
    uint32_t jump; /* the same, but the first one that has children: what scanning
                    * needs, because a childless node can only fail again          */
    uint32_t out;
    uint16_t children, len;
    uint8_t  chars, label;
} tnode;

typedef struct trie {
    word    *words;
    uint32_t word_count;
    tnode   *nodes;
    size_t   count, cap;
} trie;

/* Makes room for one more element. */
static pl_rc grow(void **array, size_t *cap, size_t count, size_t size, pl_error *err)
{
    size_t want = *cap ? *cap * 2 : 64;
    void  *p;

    if (count < *cap)
        return PL_OK;
    if (want > UINT32_MAX / 2)
        return pl_fail(err, PL_LIMIT, "too many keywords for one database");
    p = realloc(*array, want * size);
    if (!p)
        return pl_fail(err, PL_NOMEM, "out of memory for %zu database items", want);
    *array = p;
    *cap = want;
    return PL_OK;
}

pl_rc pl_textdb_builder_new(pl_textdb_builder **out, pl_error *err)
{
    pl_textdb_builder *b = calloc(1, sizeof *b);

    if (!b)
        return pl_fail(err, PL_NOMEM, "out of memory for a text database builder");
    b->pool = PL_BUF_INIT(POOL_MAX);
    *out = b;
    return PL_OK;
}

static void index_node_free(void *node)
{
    (void)node; /* the builder's own array frees the rules */
}

void pl_textdb_builder_free(pl_textdb_builder *b)
{
    if (!b)
        return;
    tdestroy(b->ids, index_node_free);
    for (size_t i = 0; i < b->rule_count; i++)
        free(b->rules[i]);
    free(b->rules);
    free(b->keywords);
    pl_buf_done(&b->pool);
    free(b);
}

static int bytes_compare(const void *a, size_t an, const void *b, size_t bn)
{
    int c = memcmp(a, b, an < bn ? an : bn);

    return c != 0 ? c : (an > bn) - (an < bn);
}

static int rule_compare(const void *a, const void *b)
{
    const rule_item *x = a, *y = b;

    return bytes_compare(x->id.p, x->id.n, y->id.p, y->id.n);
}

static pl_rc name_check(pl_str name, const char *what, pl_error *err)
{
    if (name.n == 0 || name.n > NAME_MAX_BYTES)
        return pl_fail(err, PL_INVALID, "rule %s must have 1 to %d bytes", what, NAME_MAX_BYTES);
    if (!pl_utf8_valid(name))
        return pl_fail(err, PL_INVALID, "rule %s is not UTF-8", what);
    return PL_OK;
}

static rule_item *rule_copy(const pl_text_rule *rule)
{
    rule_item *r = malloc(sizeof *r + rule->id.n + rule->category.n);

    if (!r)
        return NULL;
    memcpy(r->bytes, rule->id.p, rule->id.n);
    memcpy(r->bytes + rule->id.n, rule->category.p, rule->category.n);
    r->id = (pl_str){ r->bytes, rule->id.n };
    r->category = (pl_str){ r->bytes + rule->id.n, rule->category.n };
    r->severity = rule->severity;
    return r;
}

pl_rc pl_textdb_builder_rule(pl_textdb_builder *b, const pl_text_rule *rule, uint32_t *index,
                             pl_error *err)
{
    rule_item  *r;
    rule_item **known;
    pl_rc       rc = name_check(rule->id, "id", err);

    if (rc == PL_OK)
        rc = name_check(rule->category, "category", err);
    if (rc == PL_OK && (rule->severity < 1 || rule->severity > 4))
        rc = pl_fail(err, PL_INVALID, "severity %u of rule '" PL_STR_FMT "' is not 1 to 4",
                     rule->severity, PL_STR_ARG(rule->id));
    if (rc == PL_OK)
        rc = grow((void **)&b->rules, &b->rule_cap, b->rule_count, sizeof(rule_item *), err);
    if (rc != PL_OK)
        return rc;

    r = rule_copy(rule);
    known = r ? tsearch(r, &b->ids, rule_compare) : NULL;
    if (!known) {
        free(r);
        return pl_fail(err, PL_NOMEM, "out of memory for a rule");
    }
    if (*known != r) {
        free(r);
        return pl_fail(err, PL_CONFLICT, "rule '" PL_STR_FMT "' exists already",
                       PL_STR_ARG(rule->id));
    }
    *index = (uint32_t)b->rule_count;
    b->rules[b->rule_count++] = r;
    return PL_OK;
}

pl_rc pl_textdb_builder_keyword(pl_textdb_builder *b, uint32_t rule, pl_str keyword, unsigned flags,
                                pl_error *err)
{
    char     folded[PL_TEXT_KEYWORD_MAX * 4];
    size_t   n = 0;
    unsigned chars = 0;
    pl_rc    rc;

    if (rule >= b->rule_count)
        return pl_fail(err, PL_INVALID, "keyword names rule %u of %zu", rule, b->rule_count);
    if (flags & ~(unsigned)KEYWORD_FLAGS)
        return pl_fail(err, PL_INVALID, "keyword has unknown flags 0x%x", flags);
    rc = pl_text_fold_keyword(keyword, folded, &n, &chars, err);
    if (rc == PL_OK)
        rc = grow((void **)&b->keywords, &b->keyword_cap, b->keyword_count, sizeof(keyword_item),
                  err);
    if (rc != PL_OK)
        return rc;

    uint32_t at = (uint32_t)b->pool.n;
    pl_buf_put(&b->pool, (pl_str){ folded, n });
    rc = pl_buf_check(&b->pool, err);
    if (rc != PL_OK)
        return rc;
    b->keywords[b->keyword_count++] = (keyword_item){
        .at = at,
        .rule = rule,
        .len = (uint16_t)n,
        .chars = (uint8_t)chars,
        .flags = (uint8_t)flags,
    };
    return PL_OK;
}

void pl_textdb_builder_flags(pl_textdb_builder *b, unsigned flags)
{
    b->flags = flags;
}

pl_rc pl_textdb_builder_valid(pl_textdb_builder *b, uint32_t rule, int64_t from, int64_t to,
                              pl_error *err)
{
    (void)b, (void)rule, (void)from, (void)to;
    return pl_fail(err, PL_INVALID, "time limits are not supported yet");
}

pl_rc pl_textdb_builder_combination(pl_textdb_builder *b, uint32_t rule,
                                    const pl_text_combination *c, pl_error *err)
{
    (void)b, (void)rule, (void)c;
    return pl_fail(err, PL_INVALID, "combinations are not supported yet");
}

pl_rc pl_textdb_builder_exception(pl_textdb_builder *b, pl_str phrase, unsigned flags,
                                  pl_error *err)
{
    (void)b, (void)phrase, (void)flags;
    return pl_fail(err, PL_INVALID, "exceptions are not supported yet");
}

/* --- from sorted words to an automaton ------------------------------------- */

static int keyword_compare(const void *a, const void *b, void *pool)
{
    const keyword_item *x = a, *y = b;
    const char         *p = pool;
    int                 c = bytes_compare(p + x->at, x->len, p + y->at, y->len);

    return c != 0 ? c : (x->rule > y->rule) - (x->rule < y->rule);
}

/* Sorts and keeps each (keyword, rule) once. A pair given with and without
 * PL_KEYWORD_WORD stands for both, which is what "without" finds. */
static void sort_keywords(pl_textdb_builder *b)
{
    size_t kept = 0;

    if (b->keyword_count == 0)
        return;
    qsort_r(b->keywords, b->keyword_count, sizeof(keyword_item), keyword_compare, b->pool.p);
    for (size_t i = 1; i < b->keyword_count; i++) {
        if (keyword_compare(&b->keywords[kept], &b->keywords[i], b->pool.p) == 0)
            b->keywords[kept].flags &= b->keywords[i].flags;
        else
            b->keywords[++kept] = b->keywords[i];
    }
    b->keyword_count = kept + 1;
}

static pl_rc group_words(const pl_textdb_builder *b, trie *t, pl_error *err)
{
    t->words = calloc(b->keyword_count ? b->keyword_count : 1, sizeof(word));
    if (!t->words)
        return pl_fail(err, PL_NOMEM, "out of memory for %zu keywords", b->keyword_count);
    for (size_t i = 0; i < b->keyword_count; i++) {
        const keyword_item *k = &b->keywords[i];
        const uint8_t      *bytes = (const uint8_t *)b->pool.p + k->at;
        word               *last = t->word_count ? &t->words[t->word_count - 1] : NULL;

        if (last && bytes_compare(last->bytes, last->len, bytes, k->len) == 0) {
            last->entries++;
            continue;
        }
        t->words[t->word_count++] = (word){
            .bytes = bytes,
            .entry = (uint32_t)i,
            .entries = 1,
            .len = k->len,
            .chars = k->chars,
        };
    }
    return PL_OK;
}

/* Appends the children of a node: one for each distinct next byte of its words. */
static pl_rc expand_node(trie *t, uint32_t at, pl_error *err)
{
    tnode    n = t->nodes[at];
    uint32_t lo = n.lo;

    n.first = (uint32_t)t->count;
    if (lo < n.hi && t->words[lo].len == n.len)
        n.out = ++lo; /* own word, as index + 1; words are distinct, so only the first can end */
    while (lo < n.hi) {
        uint8_t  b = t->words[lo].bytes[n.len];
        uint32_t end = lo + 1;
        pl_rc    rc = grow((void **)&t->nodes, &t->cap, t->count, sizeof(tnode), err);

        if (rc != PL_OK)
            return rc;
        while (end < n.hi && t->words[end].bytes[n.len] == b)
            end++;
        t->nodes[t->count++] = (tnode){
            .lo = lo,
            .hi = end,
            .parent = at,
            .len = (uint16_t)(n.len + 1),
            .chars = (uint8_t)(n.chars + !is_utf8_tail(b)),
            .label = b,
        };
        n.children++;
        lo = end;
    }
    t->nodes[at] = n;
    return PL_OK;
}

static pl_rc grow_trie(trie *t, pl_error *err)
{
    pl_rc rc = grow((void **)&t->nodes, &t->cap, 0, sizeof(tnode), err);

    if (rc != PL_OK)
        return rc;
    t->nodes[t->count++] = (tnode){ .hi = t->word_count };
    for (uint32_t i = 0; rc == PL_OK && i < t->count; i++)
        rc = expand_node(t, i, err);
    return rc;
}

static uint32_t trie_child(const trie *t, uint32_t at, uint8_t b)
{
    const tnode *n = &t->nodes[at];

    for (uint32_t i = 0; i < n->children; i++)
        if (t->nodes[n->first + i].label == b)
            return n->first + i;
    return 0;
}

static uint32_t longest_suffix(const trie *t, const tnode *n)
{
    uint32_t q = t->nodes[n->parent].fail;

    if (n->parent == 0)
        return 0;
    for (;;) {
        uint32_t child = trie_child(t, q, n->label);

        if (child != 0 || q == 0)
            return child;
        q = t->nodes[q].jump;
    }
}

/* Breadth-first numbering means that everything a suffix link needs is done. */
static void link_suffixes(trie *t)
{
    for (size_t i = 1; i < t->count; i++) {
        tnode       *n = &t->nodes[i];
        const tnode *f;

        n->fail = longest_suffix(t, n);
        f = &t->nodes[n->fail];
        n->jump = n->fail == 0 || f->children > 0 ? n->fail : f->jump;
        if (n->out != 0)
            t->words[n->out - 1].next = f->out;
        else
            n->out = f->out;
    }
}

/* --- writing ---------------------------------------------------------------- */

typedef struct image {
    uint8_t *p;
    size_t   n;
    uint8_t *nodes, *keywords, *entries, *rules, *labels, *strings;
} image;

static size_t string_bytes(const pl_textdb_builder *b)
{
    size_t n = 0;

    for (size_t i = 0; i < b->rule_count; i++)
        n += b->rules[i]->id.n + b->rules[i]->category.n;
    return n;
}

static pl_rc image_alloc(const pl_textdb_builder *b, const trie *t, image *im, pl_error *err)
{
    size_t nodes = HDR_WORDS * 4;
    size_t keywords = nodes + t->count * NODE_WORDS * 4;
    size_t entries = keywords + (size_t)t->word_count * KW_WORDS * 4;
    size_t rules = entries + b->keyword_count * ENTRY_WORDS * 4;
    size_t labels = rules + b->rule_count * RULE_WORDS * 4;
    size_t strings = labels + t->count;

    im->n = strings + string_bytes(b);
    if (im->n > INT32_MAX)
        return pl_fail(err, PL_LIMIT, "text database of %zu bytes is larger than 2 GiB", im->n);
    im->p = calloc(1, im->n);
    if (!im->p)
        return pl_fail(err, PL_NOMEM, "out of memory for a text database of %zu bytes", im->n);
    im->nodes = im->p + nodes;
    im->keywords = im->p + keywords;
    im->entries = im->p + entries;
    im->rules = im->p + rules;
    im->labels = im->p + labels;
    im->strings = im->p + strings;
    return PL_OK;
}

static void write_automaton(const pl_textdb_builder *b, const trie *t, image *im)
{
    for (size_t i = 0; i < t->count; i++) {
        const tnode *n = &t->nodes[i];
        uint8_t     *at = im->nodes + i * NODE_WORDS * 4;

        st32(at, NODE_FIRST, n->first);
        st32(at, NODE_FAIL, n->jump);
        st32(at, NODE_OUT, n->out);
        st32(at, NODE_SHAPE, SHAPE(n->children, n->chars));
        im->labels[i] = n->label;
    }
    for (size_t i = 0; i < t->word_count; i++) {
        const word *w = &t->words[i];
        uint8_t    *at = im->keywords + i * KW_WORDS * 4;

        st32(at, KW_ENTRY, w->entry);
        st32(at, KW_ENTRIES, w->entries);
        st32(at, KW_NEXT, w->next);
        st32(at, KW_CHARS, w->chars);
    }
    for (size_t i = 0; i < b->keyword_count; i++) {
        st32(im->entries + i * ENTRY_WORDS * 4, ENTRY_RULE, b->keywords[i].rule);
        st32(im->entries + i * ENTRY_WORDS * 4, ENTRY_FLAGS, b->keywords[i].flags);
    }
}

static void write_rules(const pl_textdb_builder *b, image *im)
{
    uint32_t used = 0;

    for (size_t i = 0; i < b->rule_count; i++) {
        const rule_item *r = b->rules[i];
        uint8_t         *at = im->rules + i * RULE_WORDS * 4;

        st32(at, RULE_ID, used);
        st32(at, RULE_ID_LEN, (uint32_t)r->id.n);
        st32(at, RULE_CATEGORY, used + (uint32_t)r->id.n);
        st32(at, RULE_CATEGORY_LEN, (uint32_t)r->category.n);
        st32(at, RULE_SEVERITY, r->severity);
        memcpy(im->strings + used, r->bytes, r->id.n + r->category.n);
        used += (uint32_t)(r->id.n + r->category.n);
    }
}

static void write_header(const pl_textdb_builder *b, const trie *t, image *im)
{
    st32(im->p, HDR_MAGIC, TEXTDB_MAGIC);
    st32(im->p, HDR_VERSION, TEXTDB_VERSION);
    st32(im->p, HDR_SIZE, (uint32_t)im->n);
    st32(im->p, HDR_NODES, (uint32_t)t->count);
    st32(im->p, HDR_KEYWORDS, t->word_count);
    st32(im->p, HDR_ENTRIES, (uint32_t)b->keyword_count);
    st32(im->p, HDR_RULES, (uint32_t)b->rule_count);
    st32(im->p, HDR_STRINGS, (uint32_t)string_bytes(b));
    st32(im->p, HDR_CRC, pl_crc32c(im->p + (HDR_CRC + 1) * 4, im->n - (HDR_CRC + 1) * 4));
}

pl_rc pl_textdb_builder_finish(pl_textdb_builder *b, void **out, size_t *n, pl_error *err)
{
    trie  t = { 0 };
    image im = { 0 };
    pl_rc rc;

    sort_keywords(b);
    rc = group_words(b, &t, err);
    if (rc == PL_OK)
        rc = grow_trie(&t, err);
    if (rc == PL_OK) {
        link_suffixes(&t);
        rc = image_alloc(b, &t, &im, err);
    }
    if (rc == PL_OK) {
        write_automaton(b, &t, &im);
        write_rules(b, &im);
        write_header(b, &t, &im);
        *out = im.p;
        *n = im.n;
    }
    free(t.words);
    free(t.nodes);
    return rc;
}
