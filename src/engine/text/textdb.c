#include "base/banned.h"

#include "base/hash.h"
#include "base/utf8.h"
#include "engine/text/text_int.h"

#include <assert.h>

static pl_rc damaged(pl_error *err, const char *what, uint32_t index)
{
    return pl_fail(err, PL_INVALID, "text database is damaged: %s %u", what, index);
}

/* Header fields and the size they imply; sets the views. */
static pl_rc open_layout(pl_textdb *db, pl_str bytes, pl_error *err)
{
    const uint8_t *p = (const uint8_t *)bytes.p;
    uint64_t       at = HDR_WORDS * 4;

    if (bytes.n < at || ld32(p, HDR_MAGIC) != TEXTDB_MAGIC)
        return pl_fail(err, PL_INVALID, "not a text database");
    if (ld32(p, HDR_VERSION) != TEXTDB_VERSION)
        return pl_fail(err, PL_INVALID, "text database has version %u, expected %u",
                       ld32(p, HDR_VERSION), TEXTDB_VERSION);
    if (ld32(p, HDR_SIZE) != bytes.n)
        return pl_fail(err, PL_INVALID, "text database has %zu bytes, its header says %u", bytes.n,
                       ld32(p, HDR_SIZE));
    db->node_count = ld32(p, HDR_NODES);
    db->keyword_count = ld32(p, HDR_KEYWORDS);
    db->entry_count = ld32(p, HDR_ENTRIES);
    db->rule_count = ld32(p, HDR_RULES);
    db->string_bytes = ld32(p, HDR_STRINGS);

    /* Five products below 2^37 each: no overflow in 64 bits. */
    uint64_t nodes = at;
    uint64_t keywords = nodes + (uint64_t)db->node_count * NODE_WORDS * 4;
    uint64_t entries = keywords + (uint64_t)db->keyword_count * KW_WORDS * 4;
    uint64_t rules = entries + (uint64_t)db->entry_count * ENTRY_WORDS * 4;
    uint64_t labels = rules + (uint64_t)db->rule_count * RULE_WORDS * 4;
    uint64_t strings = labels + db->node_count;
    if (strings + db->string_bytes != bytes.n || db->node_count == 0)
        return pl_fail(err, PL_INVALID, "text database is damaged: counts do not give its size");
    db->nodes = p + nodes;
    db->keywords = p + keywords;
    db->entries = p + entries;
    db->rules = p + rules;
    db->labels = p + labels;
    db->strings = p + strings;
    return PL_OK;
}

static pl_rc check_sum(pl_str bytes, pl_error *err)
{
    const uint8_t *p = (const uint8_t *)bytes.p;
    size_t         from = (HDR_CRC + 1) * 4;

    if (pl_crc32c(p + from, bytes.n - from) != ld32(p, HDR_CRC))
        return pl_fail(err, PL_INVALID, "text database is damaged: checksum does not match");
    for (int i = HDR_USED; i < HDR_WORDS; i++)
        if (ld32(p, (size_t)i) != 0)
            return pl_fail(err, PL_INVALID, "text database is damaged: reserved bytes are used");
    return PL_OK;
}

static pl_rc check_rules(const pl_textdb *db, pl_error *err)
{
    for (uint32_t i = 0; i < db->rule_count; i++) {
        const uint8_t *r = db->rules + (size_t)i * RULE_WORDS * 4;
        const char    *s = (const char *)db->strings;
        uint32_t       id = ld32(r, RULE_ID), id_n = ld32(r, RULE_ID_LEN);
        uint32_t       cat = ld32(r, RULE_CATEGORY), cat_n = ld32(r, RULE_CATEGORY_LEN);

        if (id > db->string_bytes || id_n > db->string_bytes - id || cat > db->string_bytes ||
            cat_n > db->string_bytes - cat || ld32(r, RULE_SEVERITY) - 1 > 3 ||
            !pl_utf8_valid((pl_str){ s + id, id_n }) || !pl_utf8_valid((pl_str){ s + cat, cat_n }))
            return damaged(err, "rule", i);
    }
    return PL_OK;
}

static pl_rc check_entries(const pl_textdb *db, uint32_t from, uint32_t n, pl_error *err)
{
    for (uint32_t i = from; i < from + n; i++) {
        uint32_t rule = entry_get(db, i, ENTRY_RULE);

        if (rule >= db->rule_count || entry_get(db, i, ENTRY_FLAGS) > KEYWORD_FLAGS ||
            (i > from && entry_get(db, i - 1, ENTRY_RULE) >= rule))
            return damaged(err, "entry", i);
    }
    return PL_OK;
}

/* Keywords share out the entries in order. Lengths fall strictly along KW_NEXT, so
 * walking it ends. */
static pl_rc check_keywords(const pl_textdb *db, pl_error *err)
{
    uint32_t entry = 0;
    pl_rc    rc = PL_OK;

    for (uint32_t i = 0; rc == PL_OK && i < db->keyword_count; i++) {
        uint32_t n = keyword_get(db, i, KW_ENTRIES);
        uint32_t chars = keyword_get(db, i, KW_CHARS);
        uint32_t next = keyword_get(db, i, KW_NEXT);

        if (keyword_get(db, i, KW_ENTRY) != entry || n == 0 || n > db->entry_count - entry ||
            chars == 0 || chars > PL_TEXT_KEYWORD_MAX || next > db->keyword_count ||
            (next > 0 && keyword_get(db, next - 1, KW_CHARS) >= chars))
            return damaged(err, "keyword", i);
        rc = check_entries(db, entry, n, err);
        entry += n;
    }
    if (rc == PL_OK && entry != db->entry_count)
        return damaged(err, "number of entries", db->entry_count);
    return rc;
}

static uint32_t node_depth(const pl_textdb *db, uint32_t node)
{
    return SHAPE_DEPTH(node_get(db, node, NODE_SHAPE));
}

/* The children of a node, which must start at *next: ascending labels, and a depth
 * that counts the first bytes of characters on the way from the root. */
static bool children_sound(const pl_textdb *db, uint32_t node, uint32_t *next)
{
    uint32_t n = SHAPE_CHILDREN(node_get(db, node, NODE_SHAPE));

    if (node_get(db, node, NODE_FIRST) != *next || n > db->node_count - *next)
        return false;
    for (uint32_t i = *next; i < *next + n; i++) {
        uint8_t b = db->labels[i];
        bool    tail = is_utf8_tail(b);

        if ((i > *next && db->labels[i - 1] >= b) || (node == 0 && tail) ||
            node_depth(db, i) != node_depth(db, node) + !tail)
            return false;
    }
    *next += n;
    return true;
}

/* What scanning relies on, for hostile bytes too: every index is inside; a failure
 * link leads to a lesser depth, so it ends; a node stands at most as deep as
 * characters were read since the root, and a keyword that ends there is no longer
 * than that, so its start is still remembered. */
static pl_rc check_nodes(const pl_textdb *db, pl_error *err)
{
    uint32_t next = 1;

    if (node_get(db, 0, NODE_OUT) != 0 || node_get(db, 0, NODE_FAIL) != 0 ||
        node_depth(db, 0) != 0 || db->labels[0] != 0)
        return damaged(err, "node", 0);
    for (uint32_t i = 0; i < db->node_count; i++) {
        uint32_t fail = node_get(db, i, NODE_FAIL);
        uint32_t out = node_get(db, i, NODE_OUT);
        uint32_t depth = node_depth(db, i);

        if (!children_sound(db, i, &next) || depth > PL_TEXT_KEYWORD_MAX)
            return damaged(err, "node", i);
        if (i > 0 && (depth == 0 || fail >= db->node_count || node_depth(db, fail) >= depth))
            return damaged(err, "link of node", i);
        if (out > db->keyword_count || (out > 0 && keyword_get(db, out - 1, KW_CHARS) > depth))
            return damaged(err, "output of node", i);
    }
    if (next != db->node_count)
        return damaged(err, "number of nodes", db->node_count);
    return PL_OK;
}

/* Bytes that follow a first byte of UTF-8. */
static unsigned tail_length(uint8_t b)
{
    return b < 0xc0 ? 0 : b < 0xe0 ? 1 : b < 0xf0 ? 2 : 3;
}

/* The beginning of a keyword while the trie is walked. */
typedef struct prefix {
    uint64_t key;   /* whole characters, as prefix_hash wants them          */
    uint32_t count; /* how many                                             */
    uint32_t cp;    /* the next character, as far as its bytes are known    */
    unsigned tail;  /* bytes of it that are missing                         */
} prefix;

static void prefix_push(prefix *at, uint8_t b)
{
    at->tail = at->tail > 0 ? at->tail - 1 : tail_length(b);
    at->cp = is_utf8_tail(b) ? at->cp << 6 | (b & 0x3f)
                             : b & (0x7fu >> (at->tail + (at->tail > 0)));
    if (at->tail == 0) {
        at->key = at->key << 16 | (at->cp & 0xffff);
        at->count++;
    }
}

static void kind_lower(pl_textdb *db, uint16_t c, enum kind kind)
{
    unsigned shift = (c & 3) * 2;
    enum kind now = kind_get(db, c);

    if (now == KIND_NONE || now > kind)
        db->kinds[c >> 2] =
            (uint8_t)((db->kinds[c >> 2] & ~(3u << shift)) | (unsigned)kind << shift);
}

static void pair_set(pl_textdb *db, uint8_t a, uint8_t b)
{
    uint32_t i = pair_index(a, b);

    db->pairs[i >> 3] |= (uint8_t)(1u << (i & 7));
}

/* Every spelling in ASCII of a keyword's first two folded characters; with any_second, of
 * its first alone. */
static void pairs_note(pl_textdb *db, uint16_t first, uint16_t second, bool any_second)
{
    for (unsigned a = 1; a < 0x80; a++) {
        if (pl_text_fold(a) != first)
            continue;
        for (unsigned b = 1; b < 0x80; b++)
            if (any_second || pl_text_fold(b) == second)
                pair_set(db, (uint8_t)a, (uint8_t)b);
    }
}

static void prefix_note(pl_textdb *db, uint32_t node, const prefix *at)
{
    uint32_t out = node_get(db, node, NODE_OUT);
    uint16_t first = (uint16_t)(at->key >> (at->count - 1) * 16);
    bool     ends = out != 0 && keyword_get(db, out - 1, KW_CHARS) == at->count;

    kind_lower(db, first, !ends || at->count == 4 ? KIND_FOUR
                          : at->count == 1        ? KIND_ONE
                                                  : KIND_TWO);
    if (at->count == 2 || at->count == 4)
        prefix_set(db, at->key);
    if (at->count == 2)
        pairs_note(db, first, (uint16_t)at->key, false);
    else if (at->count == 1 && ends)
        pairs_note(db, first, 0, true);
}

/* Walks the first four characters below a node, at most sixteen levels deep. Edges
 * that are not UTF-8 are left out: no text takes them. */
static void fill_prefixes(pl_textdb *db, uint32_t node, prefix at)
{
    uint32_t child = node_get(db, node, NODE_FIRST);
    uint32_t end = child + SHAPE_CHILDREN(node_get(db, node, NODE_SHAPE));

    for (; child < end; child++) {
        prefix to = at;

        if (is_utf8_tail(db->labels[child]) != (at.tail > 0))
            continue;
        prefix_push(&to, db->labels[child]);
        if (to.tail == 0)
            prefix_note(db, child, &to);
        if (to.count < 4)
            fill_prefixes(db, child, to);
    }
}

static void fill_tables(pl_textdb *db)
{
    uint32_t first = node_get(db, 0, NODE_FIRST);
    uint32_t n = SHAPE_CHILDREN(node_get(db, 0, NODE_SHAPE));

    for (uint32_t i = first; i < first + n; i++)
        db->root[db->labels[i]] = i;
    for (unsigned c = 0; c < 0x80; c++) {
        pair_set(db, 0, (uint8_t)c);
        pair_set(db, (uint8_t)c, 0);
    }
    fill_prefixes(db, 0, (prefix){ 0 });
}

pl_rc pl_textdb_open(pl_str bytes, pl_textdb **out, pl_error *err)
{
    pl_textdb *db = calloc(1, sizeof *db);
    pl_rc      rc;

    if (!db)
        return pl_fail(err, PL_NOMEM, "out of memory for a text database handle");
    rc = open_layout(db, bytes, err);
    if (rc == PL_OK)
        rc = check_sum(bytes, err);
    if (rc == PL_OK)
        rc = check_rules(db, err);
    if (rc == PL_OK)
        rc = check_keywords(db, err);
    if (rc == PL_OK)
        rc = check_nodes(db, err);
    if (rc != PL_OK) {
        free(db);
        return rc;
    }
    fill_tables(db);
    *out = db;
    return PL_OK;
}

void pl_textdb_free(pl_textdb *db)
{
    free(db);
}

void pl_textdb_now(pl_textdb *db, int64_t now)
{
    (void)db, (void)now;
}

uint32_t pl_textdb_rule_count(const pl_textdb *db)
{
    return db->rule_count;
}

pl_text_rule pl_textdb_rule_get(const pl_textdb *db, uint32_t index)
{
    const uint8_t *r = db->rules + (size_t)index * RULE_WORDS * 4;
    const char    *s = (const char *)db->strings;

    assert(index < db->rule_count);
    return (pl_text_rule){
        .id = { s + ld32(r, RULE_ID), ld32(r, RULE_ID_LEN) },
        .category = { s + ld32(r, RULE_CATEGORY), ld32(r, RULE_CATEGORY_LEN) },
        .severity = (uint8_t)ld32(r, RULE_SEVERITY),
    };
}
