#include "pl_test.h"

#include "base/file.h"
#include "base/str.h"
#include "cap/registry/registry_convert.h"

static json_t *convert(const char *text, const char *where, const pl_form *form)
{
    registry_document d = { .text = pl_str_z(text), .where = where, .form = form };
    json_t           *items = NULL;
    pl_error          err = { 0 };

    assert_ok(registry_convert(&d, &items, &err), &err);
    return items;
}

static const char *at(const json_t *items, size_t i, const char *key)
{
    const char *v = json_string_value(json_object_get(json_object_get(json_array_get(items, i), "data"), key));

    return v ? v : "(none)";
}

static void cyclonedx__gives_models_and_the_data_they_name(void **state)
{
    json_t *items = convert(
        "{\"bomFormat\":\"CycloneDX\",\"specVersion\":\"1.6\",\"components\":[{\"type\":\"library\",\"name\":\"x\"},"
        "{\"type\":\"machine-learning-model\",\"name\":\"m\",\"version\":\"1\",\"licenses\":[{\"license\":{\"id\":\"MIT\"}}],"
        "\"modelCard\":{\"modelParameters\":{\"architectureFamily\":\"transformer\",\"datasets\":[{\"type\":\"dataset\","
        "\"name\":\"d\",\"contents\":{\"url\":\"https://x.example/d\"}}]},\"considerations\":{\"technicalLimitations\":"
        "[\"a\",\"b\"]}}}]}", "bom.json", NULL);

    (void)state;
    assert_int_equal(json_array_size(items), 2);
    assert_string_equal(at(items, 0, "name"), "d");
    assert_string_equal(at(items, 0, "url"), "https://x.example/d");
    assert_string_equal(at(items, 1, "licence"), "MIT");
    assert_string_equal(at(items, 1, "limitations"), "a\nb");
    assert_string_equal(json_string_value(json_array_get(
                            json_object_get(json_object_get(json_array_get(items, 1), "data"), "datasets"), 0)), "@1");
    json_decref(items);
}

static void croissant__gives_a_data_set_with_its_columns(void **state)
{
    json_t *items = convert(
        "{\"@context\":{},\"@type\":\"sc:Dataset\",\"name\":\"d\",\"license\":[\"https://l.example\"],\"url\":\"https://x.example\","
        "\"recordSet\":[{\"field\":[{\"name\":\"r/text\",\"dataType\":\"sc:Text\",\"description\":\"the text\"}]}]}",
        "croissant.json", NULL);
    const json_t *columns = json_object_get(json_object_get(json_array_get(items, 0), "data"), "columns");

    (void)state;
    assert_string_equal(at(items, 0, "licence"), "https://l.example");
    assert_string_equal(json_string_value(json_object_get(json_array_get(columns, 0), "type")), "sc:Text");
    json_decref(items);
}

static void modelcard__is_read_from_markdown_with_front_matter(void **state)
{
    json_t *items = convert("---\nlicense: apache-2.0\nbase_model: org/base\n---\n# Tuned\n\ntext\n\n## Intended uses\n\nchat\n"
                            "\n## Limitations\n\nmay be wrong\n", "README.md", NULL);

    (void)state;
    assert_string_equal(at(items, 0, "name"), "Tuned");
    assert_string_equal(at(items, 0, "licence"), "apache-2.0");
    assert_string_equal(at(items, 0, "upstream_name"), "org/base");
    assert_string_equal(at(items, 0, "intended_use"), "chat");
    assert_string_equal(at(items, 0, "limitations"), "may be wrong");
    json_decref(items);
}

static pl_form *form_make(void)
{
    json_t  *tree = json_loads("{\"id\":\"f\",\"title\":{\"zh\":\"a\",\"en\":\"a\"},\"fields\":["
                               "{\"key\":\"name\",\"type\":\"text\",\"zh\":\"a\",\"en\":\"a\"},"
                               "{\"key\":\"n\",\"type\":\"int\",\"zh\":\"a\",\"en\":\"a\"},"
                               "{\"key\":\"l\",\"type\":\"texts\",\"zh\":\"a\",\"en\":\"a\"}]}", 0, NULL);
    pl_form *form = NULL;
    pl_error err = { 0 };

    assert_ok(pl_form_new(tree, "f", &form, &err), &err);
    json_decref(tree);
    return form;
}

static void csv__has_quotes_lines_in_cells_and_lists(void **state)
{
    pl_form *form = form_make();
    json_t  *items = convert("\xef\xbb\xbfname,n,l\r\n\"a, \"\"b\"\"\nc\",7,x|y\r\n,,\r\nz,8,\n", "t.csv", form);

    (void)state;
    assert_int_equal(json_array_size(items), 2);
    assert_string_equal(at(items, 0, "name"), "a, \"b\"\nc");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(json_array_get(items, 0), "data"), "n")), 7);
    assert_int_equal(json_array_size(json_object_get(json_object_get(json_array_get(items, 0), "data"), "l")), 2);
    json_decref(items);
    pl_form_free(form);
}

static void csv__goes_out_and_comes_back(void **state)
{
    pl_form *form = form_make();
    json_t  *records = json_loads("[{\"id\":\"1\",\"kind\":\"f\",\"version\":1,\"data\":{\"name\":\"a,\\\"b\",\"n\":7,\"l\":[\"x\",\"y\"]}}]",
                                  0, NULL), *items;
    pl_buf   b = PL_BUF_INIT(10000);
    pl_error err = { 0 };

    (void)state;
    assert_ok(registry_write_csv(records, form, &b, &err), &err);
    items = convert(b.p, "t.csv", form);
    assert_true(json_equal(json_object_get(json_array_get(items, 0), "data"),
                           json_object_get(json_array_get(records, 0), "data")));
    json_decref(items);
    json_decref(records);
    pl_buf_done(&b);
    pl_form_free(form);
}

static void csv__never_begins_a_cell_as_a_formula(void **state)
{
    pl_form *form = form_make();
    json_t  *records = json_loads("[{\"data\":{\"name\":\"=cmd()\"}}]", 0, NULL);
    pl_buf   b = PL_BUF_INIT(10000);
    pl_error err = { 0 };

    (void)state;
    assert_ok(registry_write_csv(records, form, &b, &err), &err);
    assert_non_null(strstr(b.p, "\"'=cmd()\""));
    json_decref(records);
    pl_buf_done(&b);
    pl_form_free(form);
}

static void expect_refused(const char *text, const char *where, const char *part)
{
    pl_form          *form = form_make();
    registry_document d = { .text = pl_str_z(text), .where = where, .form = form };
    json_t           *items = NULL;
    pl_error          err = { 0 };

    assert_rc(registry_convert(&d, &items, &err), PL_INVALID);
    if (strstr(err.text, part) == NULL)
        fail_msg("'%s' does not say '%s'", err.text, part);
    pl_form_free(form);
}

static void convert__says_where_a_document_is_wrong(void **state)
{
    (void)state;
    expect_refused("name,nope\nx,y\n", "t.csv", "no field 'nope'");
    expect_refused("name\n\"x\n", "t.csv", "record 1: a quote does not end");
    expect_refused("name\nx,y\n", "t.csv", "more cells than columns");
    expect_refused("{\"a\":1}", "x.json", "none of the formats");
    expect_refused("no heading", "README.md", "no heading");
    expect_refused("{\"records\":[{\"kind\":\"x\"}]}", "x.json", "record 1");
    expect_refused("{\"bomFormat\":\"CycloneDX\",\"components\":[]}", "x.json", "holds no record");
}

static void convert__refuses_what_is_no_text(void **state)
{
    registry_document d = { .text = PL_STR("# a\0b\n"), .where = "README.md" };
    json_t           *items = NULL;

    (void)state;
    assert_rc(registry_convert(&d, &items, NULL), PL_INVALID);
    d.text = PL_STR("# a\xff\n");
    assert_rc(registry_convert(&d, &items, NULL), PL_INVALID);
}

/* Documents nobody here wrote: those of PL_TEST_DATA. */
static void convert__takes_public_documents(void **state)
{
    static const char *const files[] = { "cyclonedx-mlbom/valid-machine-learning-1.6.json", "model-cards-docker/phi4.md",
                                         "model-cards-toolkit/full.json", "model-cards-docker/qwen3.md" };
    const char *data = getenv("PL_TEST_DATA");

    (void)state;
    if (data == NULL)
        data = PL_TEST_SOURCE_ROOT "/../shared/data";
    for (size_t i = 0; i < 4; i++) {
        char     path[1000], *text = NULL;
        size_t   n = 0;
        json_t  *items = NULL;
        pl_error err = { 0 };

        (void)snprintf(path, sizeof path, "%s/governance/%s", data, files[i]);
        if (pl_file_read(path, REGISTRY_DOCUMENT_MAX, &text, &n, &err) != PL_OK)
            skip_because("needs the public documents under PL_TEST_DATA");
        registry_document d = { .text = { text, n }, .where = files[i] };

        assert_ok(registry_convert(&d, &items, &err), &err);
        assert_true(json_array_size(items) > 0);
        json_decref(items);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cyclonedx__gives_models_and_the_data_they_name),
        cmocka_unit_test(croissant__gives_a_data_set_with_its_columns),
        cmocka_unit_test(modelcard__is_read_from_markdown_with_front_matter),
        cmocka_unit_test(csv__has_quotes_lines_in_cells_and_lists),
        cmocka_unit_test(csv__goes_out_and_comes_back),
        cmocka_unit_test(csv__never_begins_a_cell_as_a_formula),
        cmocka_unit_test(convert__says_where_a_document_is_wrong),
        cmocka_unit_test(convert__refuses_what_is_no_text),
        cmocka_unit_test(convert__takes_public_documents),
    };

    return cmocka_run_group_tests_name("registry convert", tests, NULL, NULL);
}
