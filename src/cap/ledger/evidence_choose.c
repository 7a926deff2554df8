/* Which entries go into a package: those asked for, and all key events, without which signatures
 * cannot be judged. */
#include "base/banned.h"

#include "base/str.h"
#include "cap/ledger/evidence_int.h"

#include <plumbline/keylife.h>

static pl_rc choice_add(evidence_choice *c, uint64_t index, bool is_claim, pl_error *err)
{
    if (c->n == c->cap) {
        size_t    cap = c->cap ? c->cap * 2 : 64;
        uint64_t *more = reallocarray(c->index, cap, sizeof *more);
        uint8_t  *flags;

        if (more == NULL)
            return pl_fail(err, PL_NOMEM, "out of memory");
        c->index = more;
        flags = realloc(c->is_claim, cap);
        if (flags == NULL)
            return pl_fail(err, PL_NOMEM, "out of memory");
        c->is_claim = flags;
        c->cap = cap;
    }
    if (c->n == PL_EVIDENCE_ENTRIES_MAX)
        return pl_fail(err, PL_LIMIT, "more than %u entries: choose fewer", PL_EVIDENCE_ENTRIES_MAX);
    c->index[c->n] = index;
    c->is_claim[c->n++] = is_claim;
    c->claims += is_claim;
    return PL_OK;
}

void evidence_choice_done(evidence_choice *c)
{
    free(c->index);
    free(c->is_claim);
    *c = (evidence_choice){ 0 };
}

/* --- filters --------------------------------------------------------------------------- */

static pl_rc range_parse(pl_str word, uint64_t *from, uint64_t *to, pl_error *err)
{
    pl_str rest = word, first;
    pl_rc  rc;

    (void)pl_str_split(&rest, '-', &first);
    rc = pl_str_u64(first, from, err);
    *to = *from;
    if (rc == PL_OK && first.n < word.n)
        rc = pl_str_u64(rest, to, err);
    if (rc != PL_OK || *to < *from)
        return pl_fail(err, PL_INVALID, "not a list of entries: '" PL_STR_FMT "'", PL_STR_ARG(word));
    return PL_OK;
}

static bool list_names(const char *list, uint64_t index)
{
    pl_str   rest = pl_str_z(list), word;
    uint64_t from, to;

    while (pl_str_split(&rest, ',', &word))
        if (range_parse(word, &from, &to, NULL) == PL_OK && index >= from && index <= to)
            return true;
    return false;
}

static pl_rc list_check(const char *list, uint64_t size, pl_error *err)
{
    pl_str   rest = pl_str_z(list), word;
    uint64_t from, to;

    while (pl_str_split(&rest, ',', &word)) {
        pl_rc rc = range_parse(word, &from, &to, err);

        if (rc == PL_OK && to >= size)
            rc = pl_fail(err, PL_INVALID, "entry %llu is not published: the log has %llu",
                         (unsigned long long)to, (unsigned long long)size);
        if (rc != PL_OK)
            return rc;
    }
    return PL_OK;
}

static bool pattern_fits(const char *pattern, pl_str s)
{
    pl_str p = pl_str_z(pattern);

    if (pl_str_ends(p, PL_STR("*")))
        return pl_str_starts(s, (pl_str){ p.p, p.n - 1 });
    return pl_str_eq(p, s);
}

/* "guard-stop" stands for the whole address of our own kinds. */
static bool type_fits(const char *pattern, pl_str type)
{
    pl_str base = PL_STR(PL_PREDICATE_BASE), tail = PL_STR("/v1");

    if (pattern_fits(pattern, type))
        return true;
    if (!pl_str_starts(type, base) || !pl_str_ends(type, tail))
        return false;
    return pattern_fits(pattern, (pl_str){ type.p + base.n, type.n - base.n - tail.n });
}

/* Who signed it is judged by whoever gets the package. */
static bool statement_fits(const evidence_filter *f, pl_str entry)
{
    json_t        *statement = NULL;
    statement_view v;
    bool           fits = false;

    if (pl_statement_of(entry, &statement, &v, NULL) == PL_OK)
        fits = (f->subject && pattern_fits(f->subject, v.subject)) ||
               (f->type && type_fits(f->type, v.type));
    json_decref(statement);
    return fits;
}

/* --- the log, bundle by bundle ------------------------------------------------------------ */

static pl_rc entry_choose(evidence_choice *c, const evidence_filter *f, uint64_t index,
                          pl_str entry, pl_error *err)
{
    bool claim = (f->indexes && list_names(f->indexes, index)) ||
                 ((f->subject || f->type) && statement_fits(f, entry));

    if (!claim && !pl_key_event_maybe(entry))
        return PL_OK;
    return choice_add(c, index, claim, err);
}

static pl_rc bundle_choose(const char *dir, uint64_t size, uint64_t n, const evidence_filter *f,
                           evidence_choice *c, pl_error *err)
{
    char    *bytes = NULL;
    size_t   len = 0;
    unsigned width = 0;
    pl_str   rest, entry;
    pl_rc    rc = pl_bundle_read(dir, size, n, &bytes, &len, &width, err);

    rest = (pl_str){ bytes, len };
    for (unsigned i = 0; rc == PL_OK && i < width; i++) {
        rc = pl_bundle_take(&rest, &entry, err);
        if (rc == PL_OK)
            rc = entry_choose(c, f, n * PL_TILE_WIDTH + i, entry, err);
    }
    free(bytes);
    return rc;
}

pl_rc evidence_choose(const char *dir, uint64_t size, const evidence_filter *f,
                      void (*progress)(void *ctx, uint64_t done, uint64_t total), void *ctx,
                      evidence_choice *out, pl_error *err)
{
    evidence_choice c = { 0 };
    pl_rc           rc = f->indexes ? list_check(f->indexes, size, err) : PL_OK;

    for (uint64_t n = 0; rc == PL_OK && n * PL_TILE_WIDTH < size; n++) {
        rc = bundle_choose(dir, size, n, f, &c, err);
        progress(ctx, n * PL_TILE_WIDTH, size);
    }
    if (rc == PL_OK && c.claims == 0)
        rc = pl_fail(err, PL_NOTFOUND, "no entry of the log fits");
    if (rc != PL_OK) {
        evidence_choice_done(&c);
        return rc;
    }
    *out = c;
    return PL_OK;
}
