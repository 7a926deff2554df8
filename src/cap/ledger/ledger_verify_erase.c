/* Payloads that are gone: erased by a statement that says so, or missing. */
#include "base/banned.h"

#include "base/file.h"
#include "base/str.h"
#include "cap/ledger/ledger_int.h"

#include <unistd.h>

#define LIST_MAX (1u << 20)

static bool list_put(verify_list *l, verify_gone g)
{
    if (l->n == l->cap) {
        size_t       cap = l->cap ? 2 * l->cap : 64;
        verify_gone *p = cap <= LIST_MAX ? realloc(l->v, cap * sizeof(*p)) : NULL;

        if (p == NULL)
            return false;
        l->v = p;
        l->cap = cap;
    }
    l->v[l->n++] = g;
    return true;
}

void pl_ledger_verify_missing(verifier *v, uint64_t index)
{
    if (!list_put(&v->missing, (verify_gone){ index, 0 }))
        v->unlisted++;
}

void pl_ledger_verify_deletion(verifier *v, uint64_t index, const json_t *predicate)
{
    int64_t       entry = -1;
    const json_t *one;
    size_t        i;

    if (pl_json_get_int(predicate, "entry", true, &entry, NULL) != PL_OK || entry < 0 ||
        (uint64_t)entry >= index) {
        pl_ledger_verify_problem(v, "entry %llu: deletion of no earlier entry",
                                 (unsigned long long)index);
        return;
    }
    json_array_foreach(json_object_get(predicate, "destroyed"), i, one)
        if (json_is_string(one) && strcmp(json_string_value(one), "payload") == 0 &&
            !list_put(&v->deleted, (verify_gone){ (uint64_t)entry, index }))
            v->unlisted++;
    (void)json_array_append_new(v->report->erased,
                                json_pack("{s:I, s:I, s:O?}", "entry", (json_int_t)entry, "by",
                                          (json_int_t)index, "destroyed",
                                          json_object_get(predicate, "destroyed")));
}

static int by_entry(const void *a, const void *b)
{
    const verify_gone *x = a, *y = b;

    return x->entry < y->entry ? -1 : x->entry > y->entry;
}

/* A deletion that left the payload where it was is worse than none. */
static void deletion_check(verifier *v, const verify_gone *d)
{
    char     rel[96], *bundle = NULL;
    size_t   n = 0;
    unsigned width = 0, at = (unsigned)(d->entry % PL_TILE_WIDTH);
    pl_str   rest, entry = PL_STR("");
    json_t  *j = NULL;

    if (pl_bundle_read(v->dir, v->head.size, d->entry / PL_TILE_WIDTH, &bundle, &n, &width, NULL) !=
        PL_OK)
        return; /* reported already */
    rest = (pl_str){ bundle, n };
    for (unsigned i = 0; i <= at; i++)
        if (pl_bundle_take(&rest, &entry, NULL) != PL_OK)
            entry = PL_STR("");
    if (pl_ledger_entry_statement(entry, &j, NULL) == PL_OK &&
        pl_payload_of(json_object_get(j, "predicate"), rel)) {
        char *path = pl_path_join(v->dir, rel);

        if (path != NULL && access(path, F_OK) == 0)
            pl_ledger_verify_problem(v, "entry %llu: erased according to entry %llu, but its "
                                        "payload is still there",
                                     (unsigned long long)d->entry, (unsigned long long)d->by);
        free(path);
    }
    json_decref(j);
    free(bundle);
}

void pl_ledger_verify_gone(verifier *v)
{
    verify_list *d = &v->deleted;

    if (d->n > 0)
        qsort(d->v, d->n, sizeof(*d->v), by_entry);
    for (size_t i = 0; i < v->missing.n; i++)
        if (d->n == 0 || bsearch(&v->missing.v[i], d->v, d->n, sizeof(*d->v), by_entry) == NULL)
            pl_ledger_verify_problem(v, "entry %llu: its payload is missing, and no statement says "
                                        "that it was erased",
                                     (unsigned long long)v->missing.v[i].entry);
    for (size_t i = 0; i < d->n; i++)
        deletion_check(v, &d->v[i]);
    free(v->missing.v);
    free(d->v);
}
