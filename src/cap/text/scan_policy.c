#include "base/banned.h"

#include "base/file.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "cap/guard/pl_guard.h"
#include "cap/instance.h"
#include "cap/text/scan_int.h"

#define POLICY_MAX (1u << 30)
#define DB_MAGIC   "PLPOLDB1"

static pl_rc compile(const char *path, const char *packs, scan_policy *p, pl_str *image,
                     pl_error *err)
{
    char       *shipped = pl_path_join(pl_datadir(), "packs");
    const char *folders[] = { packs ? packs : shipped, packs ? shipped : NULL, NULL };
    size_t      n = 0;
    pl_rc       rc = pl_policy_compile(path, folders, &p->image, &n, err);

    if (rc == PL_OK)
        *image = (pl_str){ p->image, n };
    free(shipped);
    return rc;
}

static pl_rc load(const char *path, const char *packs, scan_policy *p, pl_error *err)
{
    pl_policydb db;
    pl_str      image;
    pl_rc       rc = pl_map_file(path, POLICY_MAX, &p->map, err);

    if (rc != PL_OK)
        return rc;
    image = p->map;
    if (!pl_str_starts(image, PL_STR(DB_MAGIC)))
        rc = compile(path, packs, p, &image, err);
    if (rc == PL_OK)
        rc = pl_policydb_check(image, &db, err);
    if (rc == PL_OK)
        rc = pl_screen_open(&db, &p->screen, err);
    if (rc == PL_OK)
        pl_screen_now(p->screen, pl_now_ms() / 1000);
    return rc;
}

pl_rc scan_policy_open(const char *path, const char *packs, scan_policy *out, pl_error *err)
{
    char       *shipped = path ? NULL : pl_path_join(pl_datadir(), "defaults/scan.yaml");
    scan_policy p = { 0 };
    pl_rc       rc = load(path ? path : shipped, packs, &p, err);

    free(shipped);
    if (rc != PL_OK) {
        scan_policy_close(&p);
        return rc;
    }
    *out = p;
    return PL_OK;
}

void scan_policy_close(scan_policy *p)
{
    pl_screen_free(p->screen);
    free(p->image);
    if (p->map.p)
        pl_unmap(p->map);
    *p = (scan_policy){ 0 };
}
