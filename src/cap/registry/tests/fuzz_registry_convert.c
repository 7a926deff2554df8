/* A document of any format. Property: what is taken is a list of kinds with data, and written as our own
 * JSON and read again it is the same. */
#include "base/str.h"
#include "cap/registry/registry_convert.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static pl_form   *form;
    registry_document d = { .text = { (const char *)data, n }, .where = n % 2 ? "x.csv" : "x" };
    json_t           *items = NULL, *again = NULL;
    pl_buf            b = PL_BUF_INIT(64u << 20);

    if (form == NULL) {
        json_t *tree = json_loads("{\"id\":\"f\",\"title\":{\"zh\":\"a\",\"en\":\"a\"},\"fields\":[{\"key\":\"a\",\"type\":\"text\","
                                  "\"zh\":\"a\",\"en\":\"a\"},{\"key\":\"b\",\"type\":\"number\",\"zh\":\"a\",\"en\":\"a\"},"
                                  "{\"key\":\"c\",\"type\":\"texts\",\"zh\":\"a\",\"en\":\"a\"}]}", 0, NULL);
        if (pl_form_new(tree, "f", &form, NULL) != PL_OK)
            abort();
        json_decref(tree);
    }
    d.form = form;
    if (registry_convert(&d, &items, NULL) != PL_OK)
        return 0;
    for (size_t i = 0; i < json_array_size(items); i++) {
        json_t *one = json_array_get(items, i);

        if (!json_is_string(json_object_get(one, "kind")) || !json_is_object(json_object_get(one, "data")))
            abort();
        (void)json_object_set_new(one, "id", json_string("x"));
        (void)json_object_set_new(one, "version", json_integer(1));
    }
    if (registry_write_json(items, &b, NULL) != PL_OK)
        abort();
    d = (registry_document){ .text = pl_buf_str(&b), .where = "x", .format = "json" };
    if (b.n <= REGISTRY_DOCUMENT_MAX) {
        if (registry_convert(&d, &again, NULL) != PL_OK || json_array_size(again) != json_array_size(items))
            abort();
        for (size_t i = 0; i < json_array_size(again); i++)
            if (!json_equal(json_object_get(json_array_get(again, i), "data"),
                            json_object_get(json_array_get(items, i), "data")))
                abort();
    }
    json_decref(again);
    json_decref(items);
    pl_buf_done(&b);
    return 0;
}
