/* A pack of names in a policy: its file becomes the section NAME. */
#include "base/banned.h"

#include "base/file.h"
#include "cap/guard/guard_int.h"
#include "engine/text/names.h"

#define NAMES_FILE     "names.pln"
#define NAMES_FILE_MAX (8u << 20)

static pl_rc floor_set(char *image, size_t n, pl_pii_kind kind, unsigned floor, pl_error *err)
{
    return floor ? pl_names_floor_set(image, n, kind, floor, err) : PL_OK;
}

pl_rc policy_names_read(const pl_pack *pack, unsigned name, unsigned address, char **out,
                        size_t *out_n, pl_error *err)
{
    char     *path = pl_path_join(pl_pack_dir(pack), NAMES_FILE), *image = NULL;
    size_t    n = 0;
    pl_names *m = NULL;
    pl_rc     rc = path ? pl_file_read(path, NAMES_FILE_MAX, &image, &n, err)
                        : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc == PL_OK)
        rc = pl_names_open((pl_str){ image, n }, &m, err);
    if (rc == PL_OK)
        rc = floor_set(image, n, PL_PII_NAME, name, err);
    if (rc == PL_OK)
        rc = floor_set(image, n, PL_PII_ADDRESS, address, err);
    pl_names_free(m);
    free(path);
    if (rc != PL_OK) {
        free(image);
        return rc;
    }
    *out = image;
    *out_n = n;
    return PL_OK;
}
