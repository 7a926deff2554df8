/* Lexicon packs into a text database. docs/formats/pack.md says what an entry means. */
#include "base/banned.h"

#include "base/str.h"
#include "base/timefmt.h"
#include "cap/guard/policy_lexicon.h"

#define DAY_S 86400

typedef struct adder {
    pl_textdb_builder *builder;
    pl_variants       *variants;
    uint32_t           rule;
} adder;

static unsigned keyword_flags(const pl_lexicon_entry *e)
{
    return (e->flags & PL_LEXICON_WORD) != 0 ? PL_KEYWORD_WORD : 0;
}

/* Midnight UTC at the beginning of a day; 0 for no date. */
static int64_t day_start(pl_str date)
{
    char    text[32];
    int64_t ms = 0;

    if (date.n != 10)
        return 0;
    (void)snprintf(text, sizeof text, "%.10sT00:00:00Z", date.p);
    return pl_time_parse(pl_str_z(text), &ms, NULL) == PL_OK ? ms / 1000 : 0;
}

static pl_rc time_add(const adder *a, const pl_lexicon_entry *e, pl_error *err)
{
    int64_t to = day_start(e->to);

    if (e->from.n == 0 && e->to.n == 0)
        return PL_OK;
    return pl_textdb_builder_valid(a->builder, a->rule, day_start(e->from),
                                   to > 0 ? to + DAY_S - 1 : 0, err);
}

/* A list, behind what stands there already. */
static void part_fill(pl_str words[PL_TEXT_ANY_MAX], pl_text_part *part, pl_str list)
{
    while (part->n < PL_TEXT_ANY_MAX && pl_str_split(&list, '|', &words[part->n]))
        part->n++;
    part->any = words;
}

static pl_rc combination_add(const adder *a, const pl_lexicon_entry *e, pl_error *err)
{
    pl_str       words[PL_TEXT_PARTS_MAX][PL_TEXT_ANY_MAX] = { { e->text } };
    pl_text_part all[3] = { { words[0], 1 }, { words[1], 0 }, { words[2], 0 } };
    pl_text_combination c = { .all = all, .all_n = e->and_with.n > 0 ? 3 : 2,
                              .within = e->within, .flags = keyword_flags(e) };

    part_fill(words[0], &all[0], e->any);
    part_fill(words[1], &all[1], e->with);
    part_fill(words[2], &all[2], e->and_with);
    part_fill(words[3], &c.none, e->without);
    return pl_textdb_builder_combination(a->builder, a->rule, &c, err);
}

static pl_rc keywords_add(const adder *a, const pl_lexicon_entry *e, pl_error *err)
{
    pl_str any = e->any, word;
    pl_rc  rc = pl_textdb_builder_keyword(a->builder, a->rule, e->text, keyword_flags(e), err);

    while (rc == PL_OK && pl_str_split(&any, '|', &word))
        rc = pl_textdb_builder_keyword(a->builder, a->rule, word, keyword_flags(e), err);
    return rc;
}

static pl_rc exceptions_add(const adder *a, const pl_lexicon_entry *e, pl_error *err)
{
    pl_str except = e->except, phrase;
    pl_rc  rc = PL_OK;

    while (rc == PL_OK && pl_str_split(&except, '|', &phrase))
        rc = pl_textdb_builder_exception(a->builder, phrase, keyword_flags(e), err);
    return rc;
}

static pl_rc variant_add(void *ctx, pl_str text, unsigned how, pl_error *err)
{
    const adder *a = ctx;
    unsigned     flags = how == PL_LEXICON_PINYIN ? PL_KEYWORD_PINYIN | PL_KEYWORD_WORD
                                                  : PL_KEYWORD_SPLIT;

    return pl_textdb_builder_keyword(a->builder, a->rule, text, flags, err);
}

static pl_rc entry_add(void *ctx, const pl_lexicon_entry *e, pl_error *err)
{
    adder       *a = ctx;
    pl_text_rule rule = { e->id, e->category, (uint8_t)e->severity };
    pl_rc        rc;

    if ((e->flags & PL_LEXICON_DEPRECATED) != 0)
        return PL_OK;
    rc = pl_textdb_builder_rule(a->builder, &rule, &a->rule, err);
    if (rc == PL_OK)
        rc = time_add(a, e, err);
    if (rc == PL_OK && e->with.n > 0)
        return combination_add(a, e, err);
    if (rc == PL_OK)
        rc = keywords_add(a, e, err);
    if (rc == PL_OK)
        rc = pl_variants_each(a->variants, e, variant_add, a, err);
    return rc == PL_OK ? exceptions_add(a, e, err) : rc;
}

pl_rc policy_lexicon_add(pl_textdb_builder *b, pl_variants *v, const pl_pack *p, pl_error *err)
{
    adder a = { b, v, 0 };

    return pl_pack_lexicon_each(p, entry_add, &a, err);
}
