/* A model pack in a policy: its file becomes the section MODL, its labels become rules. */
#include "base/banned.h"

#include "base/file.h"
#include "cap/guard/guard_int.h"
#include "engine/text/model.h"

#define MODEL_FILE     "model.plm"
#define MODEL_FILE_MAX (8u << 20)
#define UNCERTAIN      1 /* severity: worth a line in the log, never more */

static pl_rc rule_add(pl_textdb_builder *b, pl_str label, const char *suffix, uint8_t severity,
                      pl_error *err)
{
    char         id[sizeof PL_MODEL_RULE_PREFIX + PL_MODEL_NAME_MAX + sizeof PL_MODEL_RULE_UNCERTAIN];
    int          n = snprintf(id, sizeof id, "%s" PL_STR_FMT "%s", PL_MODEL_RULE_PREFIX,
                              PL_STR_ARG(label), suffix);
    pl_text_rule rule = { { id, (size_t)n }, label, severity };
    uint32_t     index;

    return pl_textdb_builder_rule(b, &rule, &index, err);
}

static pl_rc rules_add(const pl_model *m, uint8_t severity, pl_textdb_builder *b, pl_error *err)
{
    pl_rc rc = PL_OK;

    for (size_t i = 0; rc == PL_OK && i < pl_model_label_count(m); i++) {
        rc = rule_add(b, pl_model_label(m, i), "", severity, err);
        if (rc == PL_OK)
            rc = rule_add(b, pl_model_label(m, i), PL_MODEL_RULE_UNCERTAIN, UNCERTAIN, err);
    }
    return rc;
}

pl_rc policy_model_add(const pl_pack *pack, uint8_t severity, pl_textdb_builder *b, char **out,
                       size_t *out_n, pl_error *err)
{
    char     *path = pl_path_join(pl_pack_dir(pack), MODEL_FILE), *image = NULL;
    size_t    n = 0;
    pl_model *m = NULL;
    pl_rc     rc = path ? pl_file_read(path, MODEL_FILE_MAX, &image, &n, err)
                        : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc == PL_OK)
        rc = pl_model_open((pl_str){ image, n }, &m, err);
    if (rc == PL_OK)
        rc = rules_add(m, severity, b, err);
    pl_model_free(m);
    free(path);
    if (rc != PL_OK) {
        free(image);
        return rc;
    }
    *out = image;
    *out_n = n;
    return PL_OK;
}
