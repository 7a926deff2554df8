#include "base/banned.h"

#include "base/str.h"
#include "cap/text/scan_int.h"

#include <errno.h>
#include <fts.h>
#include <sys/stat.h>

typedef struct walk {
    scan_list      *list;
    scan_trouble_fn trouble;
    void           *ctx;
    pl_error       *err;
} walk;

static pl_rc list_add(scan_list *l, const char *path, uint64_t size, pl_error *err)
{
    if (l->n == l->cap) {
        size_t     cap = l->cap ? l->cap * 2 : 64;
        scan_file *more = reallocarray(l->file, cap, sizeof *more);

        if (!more)
            return pl_fail(err, PL_NOMEM, "out of memory for the list of files");
        l->file = more;
        l->cap = cap;
    }
    l->file[l->n] = (scan_file){ pl_str_dup(pl_str_z(path)), size };
    if (!l->file[l->n].path)
        return pl_fail(err, PL_NOMEM, "out of memory for the list of files");
    l->n++;
    l->bytes += size;
    return PL_OK;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static void tell(const walk *w, const char *path, int error)
{
    pl_error why;

    (void)pl_fail(&why, PL_IO, "%s", strerror(error));
    w->trouble(w->ctx, path, &why);
}

/* What an operand names is read whatever it is; below folders only regular files are. */
static pl_rc visit(const walk *w, const FTSENT *e)
{
    switch (e->fts_info) {
    case FTS_F:
        return list_add(w->list, e->fts_path, (uint64_t)e->fts_statp->st_size, w->err);
    case FTS_DEFAULT:
        return e->fts_level == 0 ? list_add(w->list, e->fts_path, 0, w->err) : PL_OK;
    case FTS_DNR:
    case FTS_ERR:
    case FTS_NS:
        tell(w, e->fts_path, e->fts_errno);
        return PL_OK;
    default: /* folders, links */
        return PL_OK;
    }
}

static pl_rc walk_tree(const walk *w, char *operand)
{
    char   *roots[] = { operand, NULL };
    pl_rc   rc = PL_OK;
    FTSENT *e;
    FTS    *fts = fts_open(roots, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, by_name);

    if (!fts)
        return pl_fail(w->err, PL_NOMEM, "cannot walk '%s': %s", operand, strerror(errno));
    while (rc == PL_OK && (errno = 0, e = fts_read(fts)) != NULL)
        rc = visit(w, e);
    if (rc == PL_OK && errno != 0)
        tell(w, operand, errno);
    (void)fts_close(fts);
    return rc;
}

pl_rc scan_list_make(scan_list *l, char **operands, int n, scan_trouble_fn trouble, void *ctx,
                     pl_error *err)
{
    walk  w = { l, trouble, ctx, err };
    pl_rc rc = PL_OK;

    *l = (scan_list){ 0 };
    for (int i = 0; i < n && rc == PL_OK; i++)
        rc = strcmp(operands[i], "-") == 0 ? list_add(l, "-", 0, err) : walk_tree(&w, operands[i]);
    return rc;
}

void scan_list_done(scan_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->file[i].path);
    free(l->file);
    *l = (scan_list){ 0 };
}
