/* A small policy in a temporary file and an exchange over it, for the guard's tests. */
#ifndef GUARD_FIXTURE_H
#define GUARD_FIXTURE_H

#include "base/banned.h"

#include "base/json.h"
#include "base/str.h"
#include "cap/guard/pl_guard.h"
#include "pl_test.h"

#include <fcntl.h>
#include <unistd.h>

#define ZH_ANSWER "抱歉，这个请求我不能协助。"
#define EN_ANSWER "Sorry, I cannot help with that."
#define ZH_LABEL  "内容由AI生成"
#define EN_LABEL  "AI生成 · AI-generated content"

/* Invented words, so that no test text is harmful. */
static const struct {
    const char *id, *category, *text;
    int         severity;
    unsigned    flags;
} fixture_words[] = {
    { "t.zork", "harm.weapons", "forbidden zork", 3, PL_KEYWORD_WORD },
    { "t.zh", "harm.fraud", "禁用测试词", 3, 0 },
    { "t.log", "quality.refusal", "mildword", 1, 0 },
};

static const char fixture_doc[] =
    "{\"id\":\"test\",\"version\":7,\"packs\":[],\"routes\":[{\"name\":\"default\","
    "\"fail\":\"closed\",\"media\":\"%s\","
    "\"input\":[{\"category\":\"harm.*\",\"min_severity\":2,\"cell\":2},"
    "{\"category\":\"*\",\"cell\":1}],"
    "\"second_opinion\":{\"model\":\"g\",\"prompt\":\"{text}\"},"
    "\"output\":[{\"category\":\"harm.*\",\"cell\":%u},"
    "{\"category\":\"*\",\"cell\":1}],"
    "\"label\":{\"explicit\":%s,\"zh\":\"" ZH_LABEL "\",\"en\":\"" EN_LABEL "\"},"
    "\"answers\":{\"default\":{\"zh\":\"" ZH_ANSWER "\",\"en\":\"" EN_ANSWER "\"}}}]}";

static inline void fixture_text(void **text, size_t *n)
{
    pl_textdb_builder *b;

    assert_int_equal(pl_textdb_builder_new(&b, NULL), PL_OK);
    for (size_t i = 0; i < sizeof fixture_words / sizeof fixture_words[0]; i++) {
        pl_text_rule r = { pl_str_z(fixture_words[i].id), pl_str_z(fixture_words[i].category),
                           (uint8_t)fixture_words[i].severity };
        uint32_t     index;
        assert_int_equal(pl_textdb_builder_rule(b, &r, &index, NULL), PL_OK);
        assert_int_equal(pl_textdb_builder_keyword(b, index, pl_str_z(fixture_words[i].text),
                                                   fixture_words[i].flags, NULL), PL_OK);
    }
    assert_int_equal(pl_textdb_builder_finish(b, text, n, NULL), PL_OK);
    pl_textdb_builder_free(b);
}

/* Writes the compiled policy to path; cell is that of harm in answers. */
static inline void fixture_policy_write_cell(const char *path, const char *media, const char *explicit, pl_cell cell)
{
    void    *text, *image;
    size_t   text_n, n;
    char     doc[4096];
    FILE    *f;

    snprintf(doc, sizeof doc, fixture_doc, media, (unsigned)cell, explicit);
    fixture_text(&text, &text_n);
    pl_policydb_section s[] = { { PL_SECTION_POLICY, pl_str_z(doc) },
                                { PL_SECTION_TEXT, { text, text_n } } };
    assert_int_equal(pl_policydb_build(s, 2, &image, &n, NULL), PL_OK);
    f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(image, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
    free(text);
    free(image);
}

static inline void fixture_policy_write(const char *path, const char *media, const char *explicit)
{
    fixture_policy_write_cell(path, media, explicit, PL_ACTION_BLOCK);
}

static inline pl_policy *fixture_policy_cell(const char *media, const char *explicit, pl_cell cell)
{
    char       path[] = "/tmp/plumbline-policy-XXXXXX";
    int        fd = mkstemp(path);
    pl_policy *p = NULL;
    pl_error   err = { 0 };

    assert_true(fd >= 0);
    close(fd);
    fixture_policy_write_cell(path, media, explicit, cell);
    if (pl_policy_openat(AT_FDCWD, path, &p, &err) != PL_OK)
        fail_msg("%s", err.text);
    unlink(path);
    return p;
}

static inline pl_policy *fixture_policy(const char *media, const char *explicit)
{
    return fixture_policy_cell(media, explicit, PL_ACTION_BLOCK);
}

static const uint8_t fixture_key[32] = { 1, 2, 3 };

static inline pl_exchange *fixture_exchange_at(pl_policy *p, const char *path)
{
    pl_exchange_options o = { .policy = p, .route = 0, .route_name = PL_STR("default"),
                              .surface = pl_surface_find(pl_str_z(path)),
                              .service = PL_STR("svc"), .id = "01jb00000000000000000000ab",
                              .now_ms = 1790000000000, .index_key = fixture_key,
                              .max_response = 1u << 20 };
    pl_exchange *x;

    memset(o.salt, 9, sizeof o.salt);
    x = pl_exchange_new(&o);
    assert_non_null(x);
    return x;
}

static inline pl_exchange *fixture_exchange(pl_policy *p)
{
    return fixture_exchange_at(p, "/v1/chat/completions");
}
#endif
