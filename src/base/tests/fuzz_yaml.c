/* Property: what the loader accepts is a JSON tree that survives being written and parsed as
 * JSON, within the depth bound; YAML reads that JSON as the same tree. */
#include "base/banned.h"

#include "base/str.h"
#include "base/yaml.h"

static void check_yaml_reads_json(const char *text, const json_t *tree)
{
    json_t  *back = NULL;
    pl_error err = { 0 };
    pl_rc    rc;

    /* Raw in JSON, not accepted in YAML; and implicit keys end at 1024 characters. */
    if (strchr(text, 0x7f) != NULL || strlen(text) > 1000)
        return;
    rc = pl_yaml_parse(pl_str_z(text), "json", &back, &err);
    if (rc != PL_LIMIT && (rc != PL_OK || !json_equal(tree, back))) {
        (void)fprintf(stderr, "fuzz_yaml: %s: %s\n", text, err.text);
        abort();
    }
    json_decref(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    json_t  *tree = NULL, *back = NULL;
    pl_error err = { 0 };
    char    *text;
    pl_rc    rc = pl_yaml_parse((pl_str){ (const char *)p, n }, "fuzz", &tree, &err);

    if (rc != PL_OK) {
        if (err.rc != rc || err.text[0] == '\0' || tree != NULL)
            abort();
        return 0;
    }
    text = pl_json_dump(tree);
    if (text == NULL || pl_json_parse(pl_str_z(text), "dump", &back, &err) != PL_OK ||
        !json_equal(tree, back))
        abort();
    json_decref(back);
    check_yaml_reads_json(text, tree);
    json_decref(tree);
    free(text);
    return 0;
}
