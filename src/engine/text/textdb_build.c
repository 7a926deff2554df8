#include "base/banned.h"

#include "base/buf.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "engine/text/text_int.h"
#include "engine/text/textdb_build.h"

#define NAME_MAX_BYTES 255
#define POOL_MAX       (1u << 30)

/* A rule as the builder keeps it; its strings are in the pool. */
typedef struct rule_item {
    uint32_t at, id_n, category_n;
    uint8_t  severity;
    int64_t  from, to;
} rule_item;

typedef struct combo_item {
    uint32_t rule, shape, part[PL_TEXT_PARTS_MAX], none;
} combo_item;

/* Words of which one stands for all: they are kept as a string, in `sets`. */
typedef struct set_item {
    uint32_t at, n;
} set_item;

struct pl_textdb_builder {
    rule_item    *rules;
    size_t        rule_count, rule_cap;
    uint32_t     *ids; /* hash table over the rules' ids: index + 1, open addressing */
    size_t        id_cap;
    combo_item   *combos;
    size_t        combo_count, combo_cap;
    set_item     *sets;
    size_t        set_count, set_cap;
    pl_buf        set_words;
    uint32_t     *set_ids; /* hash table over set_words: index + 1 */
    size_t        set_id_cap;
    pl_text_item *items;
    size_t        item_count, item_cap;
    pl_buf        strings;
    pl_buf        units; /* of items: 16 bits each, bytes in an exact database */
    pl_buf        looks;
    bool          exact;
};

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
    b->strings = PL_BUF_INIT(POOL_MAX);
    b->units = PL_BUF_INIT(POOL_MAX);
    b->looks = PL_BUF_INIT(POOL_MAX);
    b->set_words = PL_BUF_INIT(POOL_MAX);
    *out = b;
    return PL_OK;
}

void pl_textdb_builder_free(pl_textdb_builder *b)
{
    if (!b)
        return;
    free(b->rules);
    free(b->ids);
    free(b->combos);
    free(b->sets);
    free(b->set_ids);
    pl_buf_done(&b->set_words);
    free(b->items);
    pl_buf_done(&b->strings);
    pl_buf_done(&b->units);
    pl_buf_done(&b->looks);
    free(b);
}

void pl_textdb_builder_flags(pl_textdb_builder *b, unsigned flags)
{
    b->exact = flags & PL_TEXTDB_EXACT;
}

/* --- rules ------------------------------------------------------------------- */

static pl_str rule_id(const pl_textdb_builder *b, const rule_item *r)
{
    return (pl_str){ b->strings.p + r->at, r->id_n };
}

/* The slot of an id: its own, or the free one where it belongs. */
static uint32_t *id_slot(const pl_textdb_builder *b, uint32_t *ids, size_t cap, pl_str id)
{
    size_t at = pl_crc32c(id.p, id.n) & (cap - 1);

    while (ids[at] != 0) {
        pl_str known = rule_id(b, &b->rules[ids[at] - 1]);

        if (known.n == id.n && memcmp(known.p, id.p, id.n) == 0)
            break;
        at = (at + 1) & (cap - 1);
    }
    return &ids[at];
}

static pl_rc ids_grow(pl_textdb_builder *b, pl_error *err)
{
    size_t    cap = b->id_cap ? b->id_cap * 2 : 256;
    uint32_t *ids;

    if (b->rule_count * 2 < b->id_cap)
        return PL_OK;
    ids = calloc(cap, sizeof *ids);
    if (!ids)
        return pl_fail(err, PL_NOMEM, "out of memory for %zu rules", b->rule_count);
    for (size_t i = 0; i < b->rule_count; i++)
        *id_slot(b, ids, cap, rule_id(b, &b->rules[i])) = (uint32_t)i + 1;
    free(b->ids);
    b->ids = ids;
    b->id_cap = cap;
    return PL_OK;
}

static pl_rc name_check(pl_str name, const char *what, pl_error *err)
{
    if (name.n == 0 || name.n > NAME_MAX_BYTES)
        return pl_fail(err, PL_INVALID, "rule %s must have 1 to %d bytes", what, NAME_MAX_BYTES);
    if (!pl_utf8_valid(name))
        return pl_fail(err, PL_INVALID, "rule %s is not UTF-8", what);
    return PL_OK;
}

pl_rc pl_textdb_builder_rule(pl_textdb_builder *b, const pl_text_rule *rule, uint32_t *index,
                             pl_error *err)
{
    uint32_t *slot;
    pl_rc     rc = name_check(rule->id, "id", err);

    if (rc == PL_OK)
        rc = name_check(rule->category, "category", err);
    if (rc == PL_OK && (rule->severity < 1 || rule->severity > 4))
        rc = pl_fail(err, PL_INVALID, "severity %u of rule '" PL_STR_FMT "' is not 1 to 4",
                     rule->severity, PL_STR_ARG(rule->id));
    if (rc == PL_OK)
        rc = grow((void **)&b->rules, &b->rule_cap, b->rule_count, sizeof(rule_item), err);
    if (rc == PL_OK)
        rc = ids_grow(b, err);
    if (rc != PL_OK)
        return rc;

    slot = id_slot(b, b->ids, b->id_cap, rule->id);
    if (*slot != 0)
        return pl_fail(err, PL_CONFLICT, "rule '" PL_STR_FMT "' exists already",
                       PL_STR_ARG(rule->id));
    b->rules[b->rule_count] = (rule_item){
        .at = (uint32_t)b->strings.n,
        .id_n = (uint32_t)rule->id.n,
        .category_n = (uint32_t)rule->category.n,
        .severity = rule->severity,
    };
    pl_buf_put(&b->strings, rule->id);
    pl_buf_put(&b->strings, rule->category);
    rc = pl_buf_check(&b->strings, err);
    if (rc != PL_OK)
        return rc;
    *index = (uint32_t)b->rule_count++;
    *slot = *index + 1;
    return PL_OK;
}

static pl_rc rule_check(const pl_textdb_builder *b, uint32_t rule, const char *what, pl_error *err)
{
    if (rule >= b->rule_count)
        return pl_fail(err, PL_INVALID, "%s names rule %u of %zu", what, rule, b->rule_count);
    return PL_OK;
}

pl_rc pl_textdb_builder_valid(pl_textdb_builder *b, uint32_t rule, int64_t from, int64_t to,
                              pl_error *err)
{
    pl_rc rc = rule_check(b, rule, "time limit", err);

    if (rc == PL_OK && to != 0 && to < from)
        rc = pl_fail(err, PL_INVALID, "rule ends before it begins");
    if (rc != PL_OK)
        return rc;
    b->rules[rule].from = from;
    b->rules[rule].to = to;
    return PL_OK;
}

/* --- keywords, parts, exceptions ----------------------------------------------- */

static pl_rc exact_check(pl_str keyword, pl_error *err)
{
    if (!pl_utf8_valid(keyword))
        return pl_fail(err, PL_INVALID, "keyword is not UTF-8");
    if (keyword.n == 0 || keyword.n > PL_CELLS_MAX)
        return pl_fail(err, PL_INVALID, "keyword must have 1 to %d bytes", PL_CELLS_MAX);
    return PL_OK;
}

static bool looks_plain(const pl_cells *c)
{
    for (unsigned i = 0; i < c->n; i++)
        if (c->looks[i] != htole16(LOOK_PLAIN))
            return false;
    return true;
}

/* Appends what the text is for matching, and a number that sorts like its first units. */
static pl_rc text_put(pl_textdb_builder *b, pl_str text, pl_text_item *item, pl_error *err)
{
    pl_cells c;
    pl_rc    rc;

    item->at = (uint32_t)b->units.n;
    item->looks = NO_LOOKS;
    if (b->exact) {
        rc = exact_check(text, err);
        if (rc != PL_OK)
            return rc;
        item->n = (uint8_t)text.n;
        for (size_t i = 0; i < 8; i++)
            item->key = item->key << 8 | (i < text.n ? (uint8_t)text.p[i] : 0);
        pl_buf_put(&b->units, text);
        return pl_buf_check(&b->units, err);
    }
    rc = pl_cells_of_keyword(text, &c, err);
    if (rc != PL_OK)
        return rc;
    item->n = (uint8_t)c.n;
    for (unsigned i = 0; i < 4; i++)
        item->key = item->key << 16 | (i < c.n ? c.units[i] : 0);
    for (unsigned i = 0; i < c.n; i++) { /* as they are stored */
        c.units[i] = htole16(c.units[i]);
        c.looks[i] = htole16(c.looks[i]);
    }
    pl_buf_put(&b->units, (pl_str){ (const char *)c.units, c.n * 2 });
    rc = pl_buf_check(&b->units, err);
    if (rc == PL_OK && !looks_plain(&c)) {
        item->looks = (uint32_t)b->looks.n;
        pl_buf_put(&b->looks, (pl_str){ (const char *)c.looks, c.n * 2 });
        rc = pl_buf_check(&b->looks, err);
    }
    return rc;
}

static pl_rc item_add(pl_textdb_builder *b, pl_str text, pl_text_item item, pl_error *err)
{
    pl_rc rc = grow((void **)&b->items, &b->item_cap, b->item_count, sizeof item, err);

    if (rc == PL_OK)
        rc = text_put(b, text, &item, err);
    if (rc == PL_OK)
        b->items[b->item_count++] = item;
    return rc;
}

static pl_rc flags_check(unsigned flags, pl_error *err)
{
    if (flags & ~(unsigned)KEYWORD_FLAGS)
        return pl_fail(err, PL_INVALID, "keyword has unknown flags 0x%x", flags);
    return PL_OK;
}

pl_rc pl_textdb_builder_keyword(pl_textdb_builder *b, uint32_t rule, pl_str keyword, unsigned flags,
                                pl_error *err)
{
    pl_rc rc = rule_check(b, rule, "keyword", err);

    if (rc == PL_OK)
        rc = flags_check(flags, err);
    if (rc != PL_OK)
        return rc;
    return item_add(b, keyword, (pl_text_item){ .owner = rule, .flags = (uint8_t)flags }, err);
}

/* --- combinations -------------------------------------------------------------- */

static int word_compare(const void *a, const void *b)
{
    const pl_str *x = a, *y = b;
    int           c = memcmp(x->p, y->p, x->n < y->n ? x->n : y->n);

    return c != 0 ? c : (x->n > y->n) - (x->n < y->n);
}

static uint32_t *set_slot(const pl_textdb_builder *b, uint32_t *ids, size_t cap, pl_str words)
{
    size_t at = pl_crc32c(words.p, words.n) & (cap - 1);

    while (ids[at] != 0) {
        const set_item *s = &b->sets[ids[at] - 1];

        if (s->n == words.n && memcmp(b->set_words.p + s->at, words.p, words.n) == 0)
            break;
        at = (at + 1) & (cap - 1);
    }
    return &ids[at];
}

static pl_rc sets_grow(pl_textdb_builder *b, pl_error *err)
{
    size_t    cap = b->set_id_cap ? b->set_id_cap * 2 : 64;
    uint32_t *ids;
    pl_rc     rc = grow((void **)&b->sets, &b->set_cap, b->set_count, sizeof(set_item), err);

    if (rc != PL_OK || b->set_count * 2 < b->set_id_cap)
        return rc;
    ids = calloc(cap, sizeof *ids);
    if (!ids)
        return pl_fail(err, PL_NOMEM, "out of memory for %zu parts", b->set_count);
    for (size_t i = 0; i < b->set_count; i++)
        *set_slot(b, ids, cap, (pl_str){ b->set_words.p + b->sets[i].at, b->sets[i].n }) =
            (uint32_t)i + 1;
    free(b->set_ids);
    b->set_ids = ids;
    b->set_id_cap = cap;
    return PL_OK;
}

static pl_rc set_words_put(pl_buf *to, const pl_text_part *part, unsigned flags, pl_error *err)
{
    pl_str *sorted = malloc(part->n * sizeof *sorted);

    if (!sorted)
        return pl_fail(err, PL_NOMEM, "out of memory for a part of %zu words", part->n);
    memcpy(sorted, part->any, part->n * sizeof *sorted);
    qsort(sorted, part->n, sizeof *sorted, word_compare);
    pl_buf_printf(to, "%x", flags);
    for (size_t i = 0; i < part->n; i++) {
        if (i > 0 && word_compare(&sorted[i - 1], &sorted[i]) == 0)
            continue;
        pl_buf_put(to, PL_STR("\n"));
        pl_buf_put(to, sorted[i]);
    }
    free(sorted);
    return pl_buf_check(to, err);
}

/* The set of these words; the same words with the same flags are one. */
static pl_rc set_add(pl_textdb_builder *b, const pl_text_part *part, unsigned flags, uint32_t *set,
                     pl_error *err)
{
    size_t    before = b->set_words.n, items = b->item_count;
    uint32_t *slot;
    pl_rc     rc = part->n >= 1 && part->n <= PL_TEXT_ANY_MAX
                       ? sets_grow(b, err)
                       : pl_fail(err, PL_INVALID, "a part has 1 to %d words", PL_TEXT_ANY_MAX);

    if (rc == PL_OK)
        rc = set_words_put(&b->set_words, part, flags, err);
    if (rc != PL_OK)
        return rc;
    slot = set_slot(b, b->set_ids, b->set_id_cap,
                    (pl_str){ b->set_words.p + before, b->set_words.n - before });
    if (*slot != 0) {
        b->set_words.n = before;
        *set = *slot - 1;
        return PL_OK;
    }
    for (size_t i = 0; rc == PL_OK && i < part->n; i++)
        rc = item_add(b, part->any[i],
                      (pl_text_item){ .owner = (uint32_t)b->set_count,
                                      .flags = (uint8_t)(flags | ENTRY_PART) },
                      err);
    if (rc != PL_OK) {
        b->set_words.n = before;
        b->item_count = items;
        return rc;
    }
    b->sets[b->set_count] = (set_item){ (uint32_t)before, (uint32_t)(b->set_words.n - before) };
    *set = (uint32_t)b->set_count++;
    *slot = *set + 1;
    return PL_OK;
}

/* Sets that a refused combination has brought: the last ones, so nothing was put behind them. */
static void sets_drop(pl_textdb_builder *b, size_t from)
{
    while (b->set_count > from) {
        const set_item *s = &b->sets[b->set_count - 1];

        *set_slot(b, b->set_ids, b->set_id_cap, (pl_str){ b->set_words.p + s->at, s->n }) = 0;
        b->set_words.n = s->at;
        b->set_count--;
    }
}

static pl_rc shape_check(const pl_text_combination *c, pl_error *err)
{
    if (c->all_n < 2 || c->all_n > PL_TEXT_PARTS_MAX)
        return pl_fail(err, PL_INVALID, "a combination has 2 to %d parts", PL_TEXT_PARTS_MAX);
    if (c->within == 0 || c->within > PL_TEXT_WITHIN_MAX)
        return pl_fail(err, PL_INVALID, "a combination lies within 1 to %d characters",
                       PL_TEXT_WITHIN_MAX);
    return flags_check(c->flags, err);
}

pl_rc pl_textdb_builder_combination(pl_textdb_builder *b, uint32_t rule,
                                    const pl_text_combination *c, pl_error *err)
{
    combo_item combo = { .rule = rule, .none = NO_SET };
    size_t     items = b->item_count, sets = b->set_count;
    pl_rc      rc = rule_check(b, rule, "combination", err);

    memset(combo.part, 0xff, sizeof combo.part); /* NO_SET */
    if (rc == PL_OK)
        rc = shape_check(c, err);
    if (rc == PL_OK)
        rc = grow((void **)&b->combos, &b->combo_cap, b->combo_count, sizeof combo, err);
    for (size_t i = 0; rc == PL_OK && i < c->all_n; i++)
        rc = set_add(b, &c->all[i], c->flags, &combo.part[i], err);
    if (rc == PL_OK && c->none.n > 0)
        rc = set_add(b, &c->none, c->flags, &combo.none, err);
    if (rc != PL_OK) {
        sets_drop(b, sets);
        b->item_count = items;
        return rc;
    }
    combo.shape = SHAPE(c->within, c->all_n);
    b->combos[b->combo_count++] = combo;
    return PL_OK;
}

pl_rc pl_textdb_builder_exception(pl_textdb_builder *b, pl_str phrase, unsigned flags,
                                  pl_error *err)
{
    pl_rc rc = flags_check(flags, err);

    if (rc != PL_OK)
        return rc;
    return item_add(b, phrase, (pl_text_item){ .flags = (uint8_t)(flags | ENTRY_EXCEPTION) }, err);
}

/* --- writing ---------------------------------------------------------------- */

static void write_rules(const pl_textdb_builder *b, uint8_t *rules, uint8_t *strings)
{
    for (size_t i = 0; i < b->rule_count; i++) {
        const rule_item *r = &b->rules[i];
        uint8_t         *at = rules + i * RULE_WORDS * 4;

        st32(at, RULE_ID, r->at);
        st32(at, RULE_ID_LEN, r->id_n);
        st32(at, RULE_CATEGORY, r->at + r->id_n);
        st32(at, RULE_CATEGORY_LEN, r->category_n);
        st32(at, RULE_SEVERITY, r->severity);
        st32(at, RULE_FROM, (uint32_t)r->from);
        st32(at, RULE_FROM + 1, (uint32_t)((uint64_t)r->from >> 32));
        st32(at, RULE_TO, (uint32_t)r->to);
        st32(at, RULE_TO + 1, (uint32_t)((uint64_t)r->to >> 32));
    }
    if (b->strings.n > 0)
        memcpy(strings, b->strings.p, b->strings.n);
}

static void write_combos(const pl_textdb_builder *b, uint8_t *combos)
{
    for (size_t i = 0; i < b->combo_count; i++) {
        const combo_item *c = &b->combos[i];
        uint8_t          *at = combos + i * COMBO_WORDS * 4;

        st32(at, COMBO_RULE, c->rule);
        st32(at, COMBO_SHAPE, c->shape);
        for (size_t k = 0; k < PL_TEXT_PARTS_MAX; k++)
            st32(at, COMBO_PART + k, c->part[k]);
        st32(at, COMBO_NONE, c->none);
    }
}

static void write_header(const pl_textdb_builder *b, const pl_text_literals *l, uint8_t *p,
                         size_t n)
{
    st32(p, HDR_MAGIC, TEXTDB_MAGIC);
    st32(p, HDR_VERSION, TEXTDB_VERSION);
    st32(p, HDR_SIZE, (uint32_t)n);
    st32(p, HDR_FLAGS, b->exact ? PL_TEXTDB_EXACT : 0);
    st32(p, HDR_CELLS, b->exact ? 0 : pl_cell_table_id);
    st32(p, HDR_LITERALS, l->count);
    st32(p, HDR_UNITS, l->unit_count);
    st32(p, HDR_ENTRIES, (uint32_t)b->item_count);
    st32(p, HDR_LOOKS, l->look_count);
    st32(p, HDR_COMBOS, (uint32_t)b->combo_count);
    st32(p, HDR_RULES, (uint32_t)b->rule_count);
    st32(p, HDR_STRINGS, (uint32_t)b->strings.n);
    st32(p, HDR_LITS, (uint32_t)l->image_n);
    st32(p, HDR_SETS, (uint32_t)b->set_count);
    st32(p, HDR_CRC, pl_crc32c(p + (HDR_CRC + 1) * 4, n - (HDR_CRC + 1) * 4));
}

static pl_rc write_image(const pl_textdb_builder *b, const pl_text_literals *l, void **out,
                         size_t *n, pl_error *err)
{
    size_t   ends = HDR_WORDS * 4, firsts = ends + (size_t)l->count * 4;
    size_t   entries = firsts + (size_t)l->count * 4;
    size_t   combos = entries + b->item_count * ENTRY_WORDS * 4;
    size_t   rules = combos + b->combo_count * COMBO_WORDS * 4;
    size_t   looks = rules + b->rule_count * RULE_WORDS * 4;
    size_t   units = looks + (size_t)l->look_count * 2;
    size_t   strings = units + (size_t)l->unit_count * (b->exact ? 1 : 2);
    size_t   image = (strings + b->strings.n + 63) & ~(size_t)63, size = image + l->image_n;
    uint8_t *p;

    if (size > INT32_MAX)
        return pl_fail(err, PL_LIMIT, "text database of %zu bytes is larger than 2 GiB", size);
    p = calloc(1, size);
    if (!p)
        return pl_fail(err, PL_NOMEM, "out of memory for a text database of %zu bytes", size);
    pl_text_literals_write(l, &(pl_text_image){ .ends = p + ends, .firsts = p + firsts,
                                                .entries = p + entries, .looks = p + looks,
                                                .units = p + units });
    write_combos(b, p + combos);
    write_rules(b, p + rules, p + strings);
    if (l->image_n > 0)
        memcpy(p + image, l->image, l->image_n);
    write_header(b, l, p, size);
    *out = p;
    *n = size;
    return PL_OK;
}

pl_rc pl_textdb_builder_finish(pl_textdb_builder *b, void **out, size_t *n, pl_error *err)
{
    pl_text_literals l = { 0 };
    pl_text_items    items = { b->items, b->item_count, (const uint8_t *)b->units.p,
                               (const uint8_t *)b->looks.p, b->exact };
    pl_rc            rc = pl_text_literals_make(&items, &l, err);

    b->item_count = items.count;
    if (rc == PL_OK)
        rc = write_image(b, &l, out, n, err);
    pl_text_literals_done(&l);
    return rc;
}
