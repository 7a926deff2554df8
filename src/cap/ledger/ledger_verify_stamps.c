/* Time stamps that are kept beside the log: each must date a head of this very log. */
#include "base/banned.h"

#include "base/str.h"
#include "cap/ledger/ledger_stamp.h"

static pl_rc stamp_judge(const verifier *v, uint64_t size, pl_str note, pl_str response,
                         pl_error *err)
{
    pl_checkpoint   c;
    timestamp_facts f;
    pl_hash         root;
    pl_rc           rc = pl_key_history_checkpoint(v->keys, note, &c, err);

    if (rc == PL_OK && c.size != size)
        rc = pl_fail(err, PL_INVALID, "is about another size");
    if (rc == PL_OK && c.size > v->head.size)
        rc = pl_fail(err, PL_INVALID, "dates %llu entries, more than the log has",
                     (unsigned long long)c.size);
    if (rc == PL_OK)
        rc = pl_tile_root(v->dir, v->head.size, c.size, &root, err);
    if (rc == PL_OK && !pl_hash_equal(&root, &c.root))
        rc = pl_fail(err, PL_INVALID, "dates another history of this log");
    return rc == PL_OK ? pl_stamp_check(note, response, PL_STR(""), &f, err) : rc;
}

void pl_ledger_verify_stamps(verifier *v)
{
    uint64_t *sizes = NULL;
    size_t    n = 0;
    pl_error  err = { PL_OK, "" };

    if (pl_stamp_list(v->dir, &sizes, &n, &err) != PL_OK)
        pl_ledger_verify_problem(v, STAMP_FOLDER ": %s", err.text);
    for (size_t i = 0; i < n; i++) {
        char  *note = NULL, *response = NULL;
        size_t bytes = 0;
        pl_rc  rc = pl_stamp_read(v->dir, sizes[i], &note, &response, &bytes, &err);

        if (rc == PL_OK)
            rc = stamp_judge(v, sizes[i], pl_str_z(note), (pl_str){ response, bytes }, &err);
        if (rc != PL_OK)
            pl_ledger_verify_problem(v, STAMP_FOLDER "/%llu.tsr: %s", (unsigned long long)sizes[i],
                                     err.text);
        free(note);
        free(response);
    }
    free(sizes);
}
