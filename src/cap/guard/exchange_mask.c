/* Findings of an answer that are replaced: where they stand in their channel, and the text
 * without them. */
#include "base/banned.h"

#include "base/str.h"
#include "cap/guard/guard_int.h"

bool pl_mask_add(pl_exchange *x, const pl_text_finding *f)
{
    text_channel   *ch = x->scanning;
    pl_redact_item *m;

    if (!ch || ch->kind == PK_ARGS || ch->kind == PK_NAME || ch->mask_n == PL_MASKS_MAX)
        return false;
    if (ch->mask_n == ch->mask_cap) {
        size_t cap = ch->mask_cap ? ch->mask_cap * 2 : 4;

        m = realloc(ch->mask, cap * sizeof *m);
        if (!m)
            return false;
        ch->mask = m;
        ch->mask_cap = cap;
    }
    ch->mask[ch->mask_n++] = (pl_redact_item){
        f->start, f->end, pl_textdb_rule_get(pl_policy_textdb(x->o.policy), f->rule).category,
        f->score
    };
    return true;
}

size_t pl_mask_cut(const text_channel *ch, uint64_t from, size_t n)
{
    for (size_t i = 0; i < ch->mask_n; i++)
        if (ch->mask[i].start < from + n && ch->mask[i].end > from + n)
            n = ch->mask[i].start > from ? (size_t)(ch->mask[i].start - from) : 0;
    return n;
}

bool pl_mask_touches(const text_channel *ch, uint64_t from, size_t n)
{
    for (size_t i = 0; i < ch->mask_n; i++)
        if (ch->mask[i].start < from + n && ch->mask[i].end > from)
            return true;
    return false;
}

bool pl_mask_put(const text_channel *ch, uint64_t from, pl_str text, pl_buf *out)
{
    pl_redact_item   *items = malloc((ch->mask_n + 1) * sizeof *items);
    pl_redact_options o = { .how = PL_REDACT_MASK };
    size_t            n = 0;
    pl_rc             rc;

    if (!items)
        return false;
    for (size_t i = 0; i < ch->mask_n; i++) {
        pl_redact_item m = ch->mask[i];

        if (m.start >= from + text.n || m.end <= from)
            continue;
        m.start = m.start > from ? m.start - from : 0;
        m.end = m.end - from < text.n ? m.end - from : text.n;
        items[n++] = m;
    }
    rc = pl_redact(text, items, n, &o, out, NULL);
    free(items);
    return rc == PL_OK;
}
