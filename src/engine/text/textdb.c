#include "base/banned.h"

#include "base/hash.h"
#include "base/utf8.h"
#include "engine/text/text_int.h"

#include <assert.h>

static pl_rc damaged(pl_error *err, const char *what, uint32_t index)
{
    return pl_fail(err, PL_INVALID, "text database is damaged: %s %u", what, index);
}

static pl_rc open_header(pl_textdb *db, pl_str bytes, pl_error *err)
{
    const uint8_t *p = (const uint8_t *)bytes.p;

    if (bytes.n < HDR_WORDS * 4 || ld32(p, HDR_MAGIC) != TEXTDB_MAGIC)
        return pl_fail(err, PL_INVALID, "not a text database");
    if (ld32(p, HDR_VERSION) != TEXTDB_VERSION)
        return pl_fail(err, PL_INVALID, "text database has version %u, expected %u",
                       ld32(p, HDR_VERSION), TEXTDB_VERSION);
    if (ld32(p, HDR_SIZE) != bytes.n)
        return pl_fail(err, PL_INVALID, "text database has %zu bytes, its header says %u", bytes.n,
                       ld32(p, HDR_SIZE));
    if (ld32(p, HDR_FLAGS) > PL_TEXTDB_EXACT)
        return damaged(err, "flags", ld32(p, HDR_FLAGS));
    db->exact = ld32(p, HDR_FLAGS) & PL_TEXTDB_EXACT;
    if (ld32(p, HDR_CELLS) != (db->exact ? 0 : pl_cell_table_id))
        return pl_fail(err, PL_INVALID,
                       "text database was made with other character data: compile it again");
    db->literals = ld32(p, HDR_LITERALS);
    db->unit_count = ld32(p, HDR_UNITS);
    db->entry_count = ld32(p, HDR_ENTRIES);
    db->look_count = ld32(p, HDR_LOOKS);
    db->combo_count = ld32(p, HDR_COMBOS);
    db->rule_count = ld32(p, HDR_RULES);
    db->string_bytes = ld32(p, HDR_STRINGS);
    db->set_count = ld32(p, HDR_SETS);
    return PL_OK;
}

/* The size that the counts imply; sets the views. The lits image is last, 64-aligned. */
static pl_rc open_layout(pl_textdb *db, pl_str bytes, pl_str *lits, pl_error *err)
{
    const uint8_t *p = (const uint8_t *)bytes.p;
    /* Products below 2^38 each: no overflow in 64 bits. */
    uint64_t ends = HDR_WORDS * 4;
    uint64_t firsts = ends + (uint64_t)db->literals * 4;
    uint64_t entries = firsts + (uint64_t)db->literals * 4;
    uint64_t combos = entries + (uint64_t)db->entry_count * ENTRY_WORDS * 4;
    uint64_t rules = combos + (uint64_t)db->combo_count * COMBO_WORDS * 4;
    uint64_t looks = rules + (uint64_t)db->rule_count * RULE_WORDS * 4;
    uint64_t units = looks + (uint64_t)db->look_count * 2;
    uint64_t strings = units + (uint64_t)db->unit_count * (db->exact ? 1 : 2);
    uint64_t image = (strings + db->string_bytes + 63) & ~(uint64_t)63;

    if (image + ld32(p, HDR_LITS) != bytes.n)
        return pl_fail(err, PL_INVALID, "text database is damaged: counts do not give its size");
    for (uint64_t i = strings + db->string_bytes; i < image; i++)
        if (p[i] != 0)
            return damaged(err, "padding", (uint32_t)i);
    db->ends = p + ends;
    db->firsts = p + firsts;
    db->entries = p + entries;
    db->combos = p + combos;
    db->rules = p + rules;
    db->looks = p + looks;
    db->units = p + units;
    db->strings = p + strings;
    *lits = (pl_str){ bytes.p + image, ld32(p, HDR_LITS) };
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

/* As many sets as the shape says, and no more. */
static bool combo_sets_sound(const pl_textdb *db, uint32_t combo)
{
    uint32_t all = SHAPE_ALL(combo_get(db, combo, COMBO_SHAPE));
    uint32_t none = combo_get(db, combo, COMBO_NONE);

    for (uint32_t i = 0; i < PL_TEXT_PARTS_MAX; i++) {
        uint32_t set = combo_get(db, combo, COMBO_PART + (int)i);

        if (i < all ? set >= db->set_count : set != NO_SET)
            return false;
    }
    return none == NO_SET || none < db->set_count;
}

static pl_rc check_combos(const pl_textdb *db, pl_error *err)
{
    for (uint32_t i = 0; i < db->combo_count; i++) {
        uint32_t shape = combo_get(db, i, COMBO_SHAPE);

        if (combo_get(db, i, COMBO_RULE) >= db->rule_count || SHAPE_ALL(shape) < 2 ||
            SHAPE_ALL(shape) > PL_TEXT_PARTS_MAX || SHAPE_WITHIN(shape) == 0 ||
            SHAPE_WITHIN(shape) > PL_TEXT_WITHIN_MAX || !combo_sets_sound(db, i))
            return damaged(err, "combination", i);
    }
    if (db->set_count > (uint64_t)db->combo_count * (PL_TEXT_PARTS_MAX + 1))
        return damaged(err, "number of sets", db->set_count);
    return PL_OK;
}

static pl_rc check_looks(const pl_textdb *db, pl_error *err)
{
    for (uint32_t i = 0; i < db->look_count; i++) {
        pl_look l = ld16(db->looks, i);

        if (LOOK_COUNT(l) == 0 || LOOK_GAP(l) > GAP_LONG)
            return damaged(err, "look", i);
    }
    return PL_OK;
}

static bool entry_sound(const pl_textdb *db, uint32_t i, uint32_t length)
{
    uint32_t owner = entry_get(db, i, ENTRY_OWNER), flags = entry_get(db, i, ENTRY_FLAGS);
    uint32_t looks = entry_get(db, i, ENTRY_LOOKS), kind = flags & ENTRY_KIND;

    if (flags & ~(uint32_t)(KEYWORD_FLAGS | ENTRY_KIND | 0xff00) ||
        ENTRY_WAIT(flags) > PL_CELLS_MAX)
        return false;
    if (looks != NO_LOOKS && (looks > db->look_count || length > db->look_count - looks))
        return false;
    if (kind == 0)
        return owner < db->rule_count;
    if (kind == ENTRY_EXCEPTION)
        return owner == 0;
    return kind == ENTRY_PART && owner < db->set_count;
}

/* Literal i begins where the one before ends, and is greater. */
static bool literal_sound(const pl_textdb *db, uint32_t i)
{
    uint32_t at = literal_at(db, i), end = ld32(db->ends, i), k = 0, before;
    uint32_t n = end - at, before_n;

    if (end <= at || end > db->unit_count || n > PL_CELLS_MAX)
        return false;
    if (i == 0)
        return true;
    before = literal_at(db, i - 1);
    before_n = at - before;
    while (k < n && k < before_n && unit_get(db, before + k) == unit_get(db, at + k))
        k++;
    return k < n && (k == before_n || unit_get(db, before + k) < unit_get(db, at + k));
}

static pl_rc check_literals(pl_textdb *db, pl_error *err)
{
    uint32_t entry = 0;

    for (uint32_t i = 0; i < db->literals; i++) {
        if (!literal_sound(db, i))
            return damaged(err, "literal", i);
        if (literal_entry(db, i) != entry || literal_entry(db, i + 1) <= entry ||
            literal_entry(db, i + 1) > db->entry_count)
            return damaged(err, "entries of literal", i);
        for (; entry < literal_entry(db, i + 1); entry++) {
            if (!entry_sound(db, entry, literal_length(db, i)))
                return damaged(err, "entry", entry);
            db->has_exceptions |= (entry_get(db, entry, ENTRY_FLAGS) & ENTRY_EXCEPTION) != 0;
        }
    }
    if (entry != db->entry_count ||
        (db->literals > 0 ? ld32(db->ends, db->literals - 1) : 0) != db->unit_count)
        return damaged(err, "number of entries", db->entry_count);
    return PL_OK;
}

static void note_literal(pl_textdb *db, uint32_t i)
{
    uint32_t at = literal_at(db, i), n = literal_length(db, i);
    uint16_t unit = unit_get(db, at);
    bool     inner = false;

    db->root[unit + 1u] = i + 1;
    for (uint32_t e = literal_entry(db, i); e < literal_entry(db, i + 1); e++)
        inner |= !(entry_get(db, e, ENTRY_FLAGS) & PL_KEYWORD_WORD);
    unit_put(db->begins, unit);
    if (inner)
        unit_put(db->inner, unit);
    if (n == 1)
        unit_put(db->alone, unit);
    if (n > 1)
        pair_put(db, db->pairs, unit, unit_get(db, at + 1));
    if (n > 1 && inner)
        pair_put(db, db->inner_pairs, unit, unit_get(db, at + 1));
}

static void note_parts(pl_textdb *db)
{
    for (uint32_t i = 0; i < db->combo_count; i++) {
        uint32_t within = SHAPE_WITHIN(combo_get(db, i, COMBO_SHAPE));
        uint32_t reach = combo_get(db, i, COMBO_NONE) == NO_SET ? within : 2 * within;

        db->reach = reach > db->reach ? reach : db->reach;
    }
    for (uint32_t i = 0; i < db->literals; i++) {
        bool all = true;

        for (uint32_t e = literal_entry(db, i); e < literal_entry(db, i + 1); e++)
            all &= (entry_get(db, e, ENTRY_FLAGS) & ENTRY_PART) != 0;
        db->part_only[i / 8] = (uint8_t)(db->part_only[i / 8] | all << i % 8);
    }
}

/* Which combinations have each set: counted, then filled in order. */
static pl_rc fill_sets(pl_textdb *db, pl_error *err)
{
    size_t    words = (size_t)db->combo_count * (PL_TEXT_PARTS_MAX + 1);
    uint32_t *at;

    if (db->set_count == 0)
        return PL_OK;
    db->set_first = calloc((size_t)db->set_count + 2, sizeof *db->set_first);
    db->set_use = malloc(words * sizeof *db->set_use);
    db->part_only = calloc(db->literals / 8 + 1, 1);
    if (!db->set_first || !db->set_use || !db->part_only)
        return pl_fail(err, PL_NOMEM, "out of memory for a text database handle");
    at = db->set_first + 1; /* one ahead, so that filling moves them into place */
    for (size_t w = 0; w < words; w++) {
        uint32_t set = combo_get(db, (uint32_t)(w / (PL_TEXT_PARTS_MAX + 1)),
                                 COMBO_PART + (int)(w % (PL_TEXT_PARTS_MAX + 1)));
        if (set != NO_SET)
            at[set + 1]++;
    }
    for (uint32_t i = 1; i <= db->set_count; i++)
        at[i] += at[i - 1];
    for (size_t w = 0; w < words; w++) {
        uint32_t combo = (uint32_t)(w / (PL_TEXT_PARTS_MAX + 1));
        uint32_t set = combo_get(db, combo, COMBO_PART + (int)(w % (PL_TEXT_PARTS_MAX + 1)));

        if (set != NO_SET)
            db->set_use[at[set]++] = combo;
    }
    note_parts(db);
    return PL_OK;
}

static pl_rc fill_tables(pl_textdb *db, pl_error *err)
{
    uint32_t roots = db->exact ? 0x100 : 0x10000, bits = 1u << 13;

    while (bits < db->literals * 16ull && bits < 1u << 23)
        bits <<= 1;
    db->root = calloc(roots + 1, sizeof *db->root);
    db->pairs = calloc(bits / 8, 1);
    db->inner_pairs = calloc(bits / 8, 1);
    if (!db->root || !db->pairs || !db->inner_pairs)
        return pl_fail(err, PL_NOMEM, "out of memory for a text database handle");
    db->pair_mask = bits - 1;
    for (uint32_t i = 0; i < db->literals; i++)
        note_literal(db, i);
    for (uint32_t u = 1; u <= roots; u++)
        if (db->root[u] == 0)
            db->root[u] = db->root[u - 1];
    if (!pl_branches_fill(db) || !pl_glances_fill(db))
        return pl_fail(err, PL_NOMEM, "out of memory for a text database handle");
    for (uint32_t i = 0; i < db->rule_count && !db->has_times; i++)
        for (int w = RULE_FROM; w < RULE_WORDS; w++)
            db->has_times |= ld32(db->rules, (size_t)i * RULE_WORDS + (size_t)w) != 0;
    return PL_OK;
}

/* The set wants its image aligned; policy databases lay it so, others may not. */
static pl_rc open_lits(pl_textdb *db, pl_str image, pl_error *err)
{
    if (db->literals == 0)
        return image.n == 0 ? PL_OK : damaged(err, "literal set of", 0);
    if ((uintptr_t)image.p % 64 != 0) {
        size_t room = (image.n + 63) & ~(size_t)63;

        db->lits_copy = aligned_alloc(64, room ? room : 64);
        if (!db->lits_copy)
            return pl_fail(err, PL_NOMEM, "out of memory for %zu bytes of literals", image.n);
        memcpy(db->lits_copy, image.p, image.n);
        image.p = db->lits_copy;
    }
    return pl_lits_open(image, &db->lits, err);
}

pl_rc pl_textdb_open(pl_str bytes, pl_textdb **out, pl_error *err)
{
    pl_textdb *db = calloc(1, sizeof *db);
    pl_str     lits = { 0 };
    pl_rc      rc;

    if (!db)
        return pl_fail(err, PL_NOMEM, "out of memory for a text database handle");
    atomic_init(&db->now, NO_TIME);
    rc = open_header(db, bytes, err);
    if (rc == PL_OK)
        rc = open_layout(db, bytes, &lits, err);
    if (rc == PL_OK)
        rc = check_sum(bytes, err);
    if (rc == PL_OK)
        rc = check_rules(db, err);
    if (rc == PL_OK)
        rc = check_combos(db, err);
    if (rc == PL_OK)
        rc = check_looks(db, err);
    if (rc == PL_OK)
        rc = check_literals(db, err);
    if (rc == PL_OK)
        rc = open_lits(db, lits, err);
    if (rc == PL_OK)
        rc = fill_tables(db, err);
    if (rc == PL_OK)
        rc = fill_sets(db, err);
    if (rc != PL_OK) {
        pl_textdb_free(db);
        return rc;
    }
    *out = db;
    return PL_OK;
}

void pl_textdb_free(pl_textdb *db)
{
    if (!db)
        return;
    pl_lits_free(db->lits);
    free(db->lits_copy);
    free(db->set_first);
    free(db->set_use);
    free(db->part_only);
    free(db->glance);
    free(db->root);
    free(db->branch);
    free(db->pairs);
    free(db->inner_pairs);
    free(db);
}

void pl_textdb_now(pl_textdb *db, int64_t now)
{
    atomic_store_explicit(&db->now, now, memory_order_relaxed);
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

static int64_t rule_time(const pl_textdb *db, uint32_t rule, int word)
{
    const uint8_t *r = db->rules + (size_t)rule * RULE_WORDS * 4;

    return (int64_t)(ld32(r, (size_t)word) | (uint64_t)ld32(r, (size_t)word + 1) << 32);
}

void pl_textdb_era(const pl_textdb *db, int64_t now, int64_t *from, int64_t *to)
{
    *from = INT64_MIN;
    *to = INT64_MAX;
    for (uint32_t i = 0; i < db->rule_count && db->has_times; i++) {
        int64_t first = rule_time(db, i, RULE_FROM), last = rule_time(db, i, RULE_TO);
        int64_t borders[2] = { first, last == 0 || last == INT64_MAX ? 0 : last + 1 };

        for (int k = 0; k < 2; k++) {
            if (borders[k] == 0)
                continue;
            if (borders[k] <= now)
                *from = borders[k] > *from ? borders[k] : *from;
            else
                *to = borders[k] < *to ? borders[k] : *to;
        }
    }
}

bool pl_textdb_rule_counts(const pl_textdb *db, uint32_t rule)
{
    int64_t now, from, to;

    if (!db->has_times)
        return true;
    now = atomic_load_explicit(&db->now, memory_order_relaxed);
    from = rule_time(db, rule, RULE_FROM);
    to = rule_time(db, rule, RULE_TO);
    return now == NO_TIME || ((from == 0 || now >= from) && (to == 0 || now <= to));
}
