#include "base/banned.h"

#include "base/file.h"
#include "cap/guard/pl_gate.h"
#include "cap/guard/pl_guard.h"
#include "host/cli/up.h"

#define POLICY_MAX (1u << 30)

static pl_rc compile(const pl_instance *inst, void **image, size_t *n, pl_error *err)
{
    char       *source = pl_instance_path(inst, "policy/default.yaml");
    char       *own = pl_instance_path(inst, "packs");
    char       *shipped = pl_path_join(pl_datadir(), "packs");
    const char *folders[] = { own, shipped, NULL };
    pl_rc       rc = pl_fail(err, PL_NOMEM, "out of memory");

    if (source != NULL && own != NULL && shipped != NULL)
        rc = pl_policy_compile(source, folders, image, n, err);
    free(source);
    free(own);
    free(shipped);
    return rc;
}

static pl_rc compare_or_write(const char *path, pl_str image, bool *differs, pl_error *err)
{
    pl_str now = { NULL, 0 };
    pl_rc  rc = pl_map_file(path, POLICY_MAX, &now, err);

    *differs = false;
    if (rc == PL_NOTFOUND)
        return pl_file_write_atomic(path, image, 0640, err);
    if (rc != PL_OK)
        return rc;
    *differs = now.n != image.n || memcmp(now.p, image.p, image.n) != 0;
    pl_unmap(now);
    return PL_OK;
}

pl_rc pl_up_policy(const pl_instance *inst, bool *differs, pl_error *err)
{
    char  *dir = pl_instance_path(inst, "gateway");
    char  *path = pl_instance_path(inst, "gateway/policy.db");
    void  *image = NULL;
    size_t n = 0;
    pl_rc  rc = dir != NULL && path != NULL ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc == PL_OK)
        rc = compile(inst, &image, &n, err);
    if (rc == PL_OK)
        rc = pl_gate_prepare(dir, err);
    if (rc == PL_OK)
        rc = compare_or_write(path, (pl_str){ image, n }, differs, err);
    free(image);
    free(path);
    free(dir);
    return rc;
}
