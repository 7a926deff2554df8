/* Documents from a small registry: a model with its provider and two data sets. */
#include "pl_test_db.h"

#include "base/file.h"
#include "base/str.h"
#include "cap/disclosure/disclosure_int.h"
#include "cap/ledger/pl_ledger.h"
#include "cap/registry/pl_registry.h"

#include <archive.h>
#include <archive_entry.h>

#define NOW 1772409600000

typedef struct fix {
    pl_test_db   t;
    char        *dir, *ledger_dir;
    pl_signer   *signer;
    pl_ledger   *ledger;
    pl_instance  instance;
    pl_services  s;
    pl_principal who;
    pl_arena    *a;
    pl_error     err;
    char         org[27], data[27], model[27];
} fix;

static int64_t now(void)
{
    return NOW;
}

static json_t *parse(const char *text)
{
    json_t *j = json_loads(text, 0, NULL);

    assert_non_null(j);
    return j;
}

static const char *text_at(const json_t *o, const char *key)
{
    const char *v = json_string_value(json_object_get(o, key));

    return v ? v : "";
}

static const char *no_query(void *host, const char *name)
{
    (void)host, (void)name;
    return NULL;
}

/* Through the registry's own routes, as everybody else does. */
static void put(fix *x, const char *method, const char *path, const char *id, json_t *body, char out[27])
{
    const pl_route *r = pl_cap_registry.routes;
    char           *text = pl_json_dump(body);
    pl_api_request  q = { .services = &x->s, .db = x->t.db, .arena = x->a, .who = &x->who, .method = method,
                          .param = { pl_str_z(id) }, .body = pl_str_z(text), .now_ms = NOW, .lang = "en",
                          .query = no_query, .header = no_query };
    pl_api_reply    reply = { .raw = PL_BUF_INIT(1000) };

    while (strcmp(r->method, method) != 0 || strcmp(r->path, path) != 0)
        r++;
    assert_ok(r->fn(&q, &reply, &x->err), &x->err);
    (void)snprintf(out, 27, "%s", text_at(reply.body, "id"));
    json_decref(reply.body);
    json_decref(body);
    free(text);
}

static void add(fix *x, const char *kind, const char *data, char out[27])
{
    put(x, "POST", "/api/v1/registry/records", "", json_pack("{s:s, s:o}", "kind", kind, "data", parse(data)), out);
}

static int setup(void **state)
{
    static const uint8_t seed[32] = { 9 };
    fix *x = calloc(1, sizeof *x);
    char text[900], *packs;

    (void)setenv("PLUMBLINE_DATADIR", PL_TEST_SOURCE_ROOT "/src/cap/ledger", 1); /* schemas */
    pl_test_db_open(&x->t);
    x->dir = pl_test_mkdtemp();
    x->ledger_dir = pl_path_join(x->dir, "ledger");
    packs = pl_path_join(x->dir, "packs");
    assert_int_equal(symlink(PL_TEST_SOURCE_ROOT "/packs", packs), 0);
    free(packs);
    assert_ok(pl_signer_new(PL_STR("test.example/disclosure"), seed, &x->signer, &x->err), &x->err);
    assert_ok(pl_ledger_create(x->ledger_dir, PL_STR("test.example/disclosure"), x->signer, &x->err), &x->err);
    assert_ok(pl_ledger_open(x->ledger_dir, x->signer, &x->ledger, &x->err), &x->err);
    (void)snprintf(x->instance.dir, sizeof x->instance.dir, "%s", x->dir);
    x->s = (pl_services){ .instance = &x->instance, .ledger = x->ledger, .signer = x->signer, .now_ms = now };
    x->who = (pl_principal){ .id = "anna", .roles = PL_ROLE_PROVIDER };
    x->a = pl_arena_new(64u << 20);
    assert_ok(pl_db_migrate(x->t.db, "registry", pl_cap_registry.migrations, NOW, &x->err), &x->err);
    assert_ok(pl_cap_registry.start(&x->s, x->t.db, &x->err), &x->err);
    add(x, "organisation", "{\"name\":\"示例<智能>公司\",\"country\":\"CN\"}", x->org);
    add(x, "dataset", "{\"name\":\"语料|甲\",\"source\":\"open\",\"records\":1234567,\"has_personal_data\":false}", x->data);
    (void)snprintf(text, sizeof text,
                   "{\"name\":\"示例模型\",\"version\":\"1.0\",\"organisation\":\"%s\",\"parameters\":7000000000,"
                   "\"modalities_in\":[\"text\",\"image\"],\"licence\":\"Apache-2.0\",\"datasets\":[\"%s\"],"
                   "\"limitations\":\"会出错 & <b>偏见</b>\\n第二行\"}", x->org, x->data);
    add(x, "model", text, x->model);
    *state = x;
    return 0;
}

static int teardown(void **state)
{
    fix *x = *state;

    pl_cap_registry.stop(&x->s);
    pl_arena_free(x->a);
    pl_ledger_close(x->ledger);
    pl_signer_free(x->signer);
    pl_test_db_close(&x->t);
    free(x->ledger_dir);
    pl_test_rmtree(x->dir);
    free(x);
    return 0;
}

static json_t *build(fix *x, const char *template, const char *record, const char *lang, int64_t version)
{
    disclosure_ask ask = { .template_id = pl_str_z(template), .record = pl_str_z(record), .version = version,
                           .lang = lang, .now_ms = NOW };
    json_t        *doc = NULL;

    assert_ok(disclosure_build(&x->instance, x->t.db, x->a, &ask, &doc, &x->err), &x->err);
    assert_ok(pl_arena_defer(x->a, (void (*)(void *))json_decref, doc), &x->err);
    return doc;
}

static const json_t *field(const json_t *doc, const char *label)
{
    const json_t *s, *one;
    size_t        i, k;

    json_array_foreach(json_object_get(doc, "sections"), i, s)
        json_array_foreach(json_object_get(s, "fields"), k, one)
            if (strcmp(text_at(one, "label"), label) == 0)
                return one;
    fail_msg("no field %s", label);
    return NULL;
}

static void document__speaks_both_languages_and_follows_relations(void **state)
{
    fix    *x = *state;
    json_t *zh = build(x, "model-card", x->model, "zh-CN", 0), *en = build(x, "model-card", x->model, "en", 0);

    assert_string_equal(text_at(field(zh, "提供者"), "value"), "示例<智能>公司");
    assert_string_equal(text_at(field(zh, "输入模态"), "value"), "文本、图像");
    assert_string_equal(text_at(field(en, "Input"), "value"), "Text, Image");
    assert_string_equal(text_at(field(en, "Parameters"), "value"), "7,000,000,000");
}

static void document__every_value_names_the_statement_it_rests_on(void **state)
{
    fix    *x = *state;
    json_t *doc = build(x, "model-card", x->model, "en", 0);

    /* organisation 0, data set 1, model 2 */
    assert_int_equal(json_integer_value(json_object_get(json_object_get(field(doc, "Licence"), "source"), "ledger_index")), 2);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(field(doc, "Provider"), "source"), "ledger_index")), 0);
}

static void document__says_what_is_not_recorded(void **state)
{
    fix    *x = *state;
    json_t *doc = build(x, "eu-gpai-documentation", x->model, "en", 0);

    assert_true(json_is_null(json_object_get(field(doc, "(e) Known or estimated energy consumption"), "value")));
    assert_true(json_is_null(json_object_get(field(doc, "(b) Acceptable-use policy"), "value")));
    assert_true(json_integer_value(json_object_get(doc, "missing")) >= 2);
}

static void document__of_another_kind_is_refused(void **state)
{
    fix           *x = *state;
    disclosure_ask ask = { .template_id = PL_STR("data-dictionary"), .record = pl_str_z(x->model), .lang = "en" };
    json_t        *doc = NULL;

    assert_rc(disclosure_build(&x->instance, x->t.db, x->a, &ask, &doc, &x->err), PL_INVALID);
    ask.template_id = PL_STR("nothing");
    assert_rc(disclosure_build(&x->instance, x->t.db, x->a, &ask, &doc, &x->err), PL_NOTFOUND);
}

static void templates__all_that_ship_fit_the_kinds_that_ship(void **state)
{
    fix          *x = *state;
    json_t       *list = NULL;
    const json_t *one;
    size_t        i;
    char          algorithm[27], service[27], text[200];

    (void)snprintf(text, sizeof text, "{\"name\":\"a\",\"organisation\":\"%s\"}", x->org);
    add(x, "algorithm", text, algorithm);
    add(x, "service", text, service);
    assert_ok(disclosure_template_list(&x->instance, &list, &x->err), &x->err);
    assert_true(json_array_size(list) >= 8);
    json_array_foreach(list, i, one) {
        const char *kind = text_at(one, "kind");

        (void)build(x, text_at(one, "id"),
                    strcmp(kind, "model") == 0 ? x->model : strcmp(kind, "dataset") == 0 ? x->data
                    : strcmp(kind, "service") == 0 ? service : algorithm, "zh-CN", 0);
    }
    json_decref(list);
}

static void html__is_one_page_that_loads_and_runs_nothing(void **state)
{
    fix    *x = *state;
    json_t *doc = build(x, "model-card", x->model, "zh-CN", 0);
    pl_buf  b = PL_BUF_INIT(1 << 20);

    assert_ok(disclosure_html(doc, &b, &x->err), &x->err);
    assert_non_null(strstr(b.p, "<html lang=\"zh-CN\">"));
    assert_non_null(strstr(b.p, "会出错 &amp; &lt;b&gt;偏见&lt;/b&gt;"));
    assert_non_null(strstr(b.p, "href=\"/api/v1/ledger/entries/2\""));
    assert_non_null(strstr(b.p, "<th scope=\"col\">"));
    assert_null(strstr(b.p, "<script"));
    assert_null(strstr(b.p, "src="));
    pl_buf_done(&b);
}

static void markdown__escapes_what_would_be_markup(void **state)
{
    fix    *x = *state;
    json_t *doc = build(x, "model-card", x->model, "zh-CN", 0);
    pl_buf  b = PL_BUF_INIT(1 << 20);

    assert_ok(disclosure_markdown(doc, &b, &x->err), &x->err);
    assert_non_null(strstr(b.p, "语料\\|甲"));
    assert_non_null(strstr(b.p, "\\<b\\>偏见\\</b\\><br>第二行"));
    assert_non_null(strstr(b.p, "1,234,567"));
    pl_buf_done(&b);
}

/* The part of a zip, malloc'd and NUL-terminated. */
static char *part(pl_str zip, const char *name)
{
    struct archive       *a = archive_read_new();
    struct archive_entry *e;
    char                 *text = NULL;

    (void)archive_read_support_format_zip(a);
    assert_int_equal(archive_read_open_memory(a, zip.p, zip.n), ARCHIVE_OK);
    while (text == NULL && archive_read_next_header(a, &e) == ARCHIVE_OK)
        if (strcmp(archive_entry_pathname(e), name) == 0) {
            text = calloc(1, 1 << 20);
            assert_true(archive_read_data(a, text, (1 << 20) - 1) > 0);
        }
    (void)archive_read_free(a);
    return text;
}

static void docx__is_a_zip_of_xml_and_always_the_same(void **state)
{
    fix    *x = *state;
    json_t *doc = build(x, "model-card", x->model, "zh-CN", 0);
    pl_buf  b = PL_BUF_INIT(1 << 20), again = PL_BUF_INIT(1 << 20);
    char   *text;

    assert_ok(disclosure_docx(doc, &b, &x->err), &x->err);
    assert_ok(disclosure_docx(doc, &again, &x->err), &x->err);
    assert_int_equal(b.n, again.n);
    assert_memory_equal(b.p, again.p, b.n);
    text = part(pl_buf_str(&b), "word/document.xml");
    assert_non_null(text);
    assert_non_null(strstr(text, "会出错 &amp; &lt;b&gt;偏见&lt;/b&gt;</w:t><w:br/>"));
    free(text);
    text = part(pl_buf_str(&b), "[Content_Types].xml");
    assert_non_null(text);
    free(text);
    pl_buf_done(&b);
    pl_buf_done(&again);
}

static void pdf__goes_over_pages_and_says_its_title(void **state)
{
    fix    *x = *state;
    json_t *doc = build(x, "model-card", x->model, "zh-CN", 0), *field_json;
    pl_buf  b = PL_BUF_INIT(4 << 20), text = PL_BUF_INIT(1 << 20);

    for (int i = 0; i < 2000; i++)
        pl_buf_puts(&text, "很长的说明文字。");
    field_json = (json_t *)(uintptr_t)field(doc, "局限");
    (void)json_object_set_new(field_json, "value", json_string(text.p));
    assert_ok(disclosure_pdf(doc, &b, &x->err), &x->err);
    assert_memory_equal(b.p, "%PDF-", 5);
    assert_non_null(memmem(b.p, b.n, "/Outlines", 9));
    assert_non_null(memmem(b.p, b.n, "/Count 1", 8)); /* ten pages or more */
    pl_buf_done(&b);
    pl_buf_done(&text);
}

static void diff__tells_what_changed_between_versions(void **state)
{
    fix    *x = *state;
    json_t *changes = NULL;
    char    text[400], id[27];

    (void)snprintf(text, sizeof text, "{\"name\":\"示例模型\",\"version\":\"1.1\",\"organisation\":\"%s\",\"licence\":\"Apache-2.0\"}",
                   x->org);
    put(x, "PUT", "/api/v1/registry/records/{id}", x->model,
        json_pack("{s:i, s:o}", "version", 1, "data", parse(text)), id);
    assert_ok(disclosure_diff(build(x, "model-card", x->model, "en", 1), build(x, "model-card", x->model, "en", 2), &changes,
                              &x->err), &x->err);
    assert_string_equal(text_at(json_array_get(changes, 0), "label"), "Version");
    assert_string_equal(text_at(json_array_get(changes, 0), "before"), "1.0");
    assert_string_equal(text_at(json_array_get(changes, 0), "after"), "1.1");
    assert_true(json_array_size(changes) >= 4); /* parameters, modalities, limits and the data set are gone */
    json_decref(changes);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(document__speaks_both_languages_and_follows_relations),
        T(document__every_value_names_the_statement_it_rests_on),
        T(document__says_what_is_not_recorded),
        T(document__of_another_kind_is_refused),
        T(templates__all_that_ship_fit_the_kinds_that_ship),
        T(html__is_one_page_that_loads_and_runs_nothing),
        T(markdown__escapes_what_would_be_markup),
        T(docx__is_a_zip_of_xml_and_always_the_same),
        T(pdf__goes_over_pages_and_says_its_title),
        T(diff__tells_what_changed_between_versions),
    };

    return cmocka_run_group_tests_name("disclosure", tests, NULL, NULL);
}
