/* Notices in documents, read back as text. */
#include "base/file.h"
#include "base/str.h"
#include "cap/label/visible.h"
#include "pl_test.h"

/* malloc'd text of the new document. */
static pl_buf noticed(pl_str in, const char *name, const char *wording, pl_notice_place place)
{
    pl_media_io      io = pl_media_io_of(&in), out;
    pl_visible_style s = { .wording = pl_str_z(wording) };
    pl_media        *m = NULL;
    pl_media_plan   *p = NULL;
    pl_buf           b = PL_BUF_INIT(16u << 20);
    char            *bytes;
    pl_error         err;

    assert_ok(pl_media_scan(&io, name, 0, &m, &err), &err);
    assert_ok(pl_visible_notice(m, &s, place, &p, &err), &err);
    out = pl_media_plan_io(p);
    bytes = malloc((size_t)out.size);
    assert_ok(out.read(out.ctx, 0, bytes, (size_t)out.size, &err), &err);
    pl_buf_put(&b, (pl_str){ bytes, (size_t)out.size });
    free(bytes);
    pl_media_plan_free(p);
    pl_media_free(m);
    return b;
}

/* What is written is what people read, and what inspect reads. */
static pl_str shown(pl_arena *a, pl_str doc, const char *name)
{
    static pl_media *m;
    static pl_str    held;
    pl_media_io      io;
    pl_str           out;
    pl_error         err;

    pl_media_free(m);
    held = doc;
    io = pl_media_io_of(&held);
    assert_ok(pl_media_scan(&io, name, 0, &m, &err), &err);
    assert_ok(pl_media_shown_text(m, a, &out, &err), &err);
    return out;
}

static void shown_text__is_what_readers_of_html_see(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        { "<!doctype html><head><title>AI生成</title></head><body><h1>标题</h1><p>正文&amp;更多</p></body>", "标题\n正文&更多\n" },
        { "<html><body><script>var a = '<p>AI生成</p>';</script><style>p{}</style><p>x</p>", "x\n" },
        { "<html><body><!-- AI生成 --><p>a<br>b</p><p>&#20869;&#x5bb9;&nbsp;&lt;</p>", "a\nb\n内容 <\n" },
        { "<html><body><p style=\"display:none\">内容由AI生成</p><p>y</p>", "y\n" },
        { "<html><body><p>cut <b", "cut " },
        { "<html><body><script>never ends", "" },
        { "<html><body>&#xD800;&#0;&#99999999;&", "&#xD800;&#0;&#99999999;&" },
    };
    pl_arena *a = pl_arena_new(1u << 20);

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_str(shown(a, pl_str_z(cases[i].in), "a.html"), cases[i].out);
    for (pl_notice_place p = PL_NOTICE_START; p <= PL_NOTICE_END; p++) {
        pl_buf b = noticed(PL_STR("<!doctype html><html><body><h1>T</h1><p>x</p></body></html>"), "a.html", "由AI合成", p);
        assert_str(shown(a, pl_buf_str(&b), "a.html"), p == PL_NOTICE_START ? "由AI合成\nT\nx\n" : "T\nx\n由AI合成\n");
        (void)shown(a, PL_STR("<html>"), "a.html");
        pl_buf_done(&b);
    }
    (void)shown(a, PL_STR("<html>"), "a.html");
    pl_arena_free(a);
}

#define NOTE(text)                                                                               \
    "<p role=\"note\" lang=\"zh-CN\" style=\"margin:0;padding:.25em .5em;font-size:1rem;color:#000;" \
    "background:#fff\">" text "</p>\n"
#define MARK "<sup title=\"内容由AI生成\">AI</sup>"

/* PROVES: GB45438-2025/5.1 */
static void notice__stands_where_readers_of_html_see_it(void **state)
{
    static const struct {
        const char     *in, *out;
        pl_notice_place place;
    } cases[] = {
        { "<!doctype html><html><body class=\"a\"><h1>T</h1></body></html>",
          "<!doctype html><html><body class=\"a\">" NOTE("内容由AI生成") "<h1>T</h1></body></html>", PL_NOTICE_START },
        { "<!doctype html><html><body><h1>T</h1></body></html>",
          "<!doctype html><html><body><h1>T</h1>" NOTE("内容由AI生成") "</body></html>", PL_NOTICE_END },
        { "<!doctype html><html><!-- <body> --><BODY><p>T</p></BODY></html>",
          "<!doctype html><html><!-- <body> --><BODY>" NOTE("内容由AI生成") "<p>T</p></BODY></html>", PL_NOTICE_START },
        { "<!doctype html><html><body><h1>T</h1><p>x</p></body></html>",
          "<!doctype html><html><body><h1>T" MARK "</h1><p>x</p></body></html>", PL_NOTICE_MARK },
        { "<!doctype html><html><head></head><p>T", "<!doctype html><html><head></head><p>T" NOTE("内容由AI生成"), PL_NOTICE_END },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pl_buf b = noticed(pl_str_z(cases[i].in), "a.html", NULL, cases[i].place);

        assert_str(pl_buf_str(&b), cases[i].out);
        pl_buf_done(&b);
    }
}

static void notice__escapes_its_wording(void **state)
{
    pl_buf b = noticed(PL_STR("<!doctype html><html><body></body></html>"), "a.html", "AI生成 <b>&</b>", PL_NOTICE_START);

    (void)state;
    assert_str(pl_buf_str(&b), "<!doctype html><html><body>" NOTE("AI生成 &lt;b&gt;&amp;&lt;/b&gt;") "</body></html>");
    pl_buf_done(&b);
}

static void notice__keeps_the_front_matter_of_markdown_first(void **state)
{
    static const struct {
        const char     *in, *out;
        pl_notice_place place;
    } cases[] = {
        { "# T\n\ntext\n", "> 内容由AI生成\n\n# T\n\ntext\n", PL_NOTICE_START },
        { "---\na: b\n---\n# T\n", "---\na: b\n---\n> 内容由AI生成\n\n# T\n", PL_NOTICE_START },
        { "# T\r\n\r\ntext", "# T\r\n\r\ntext\r\n\r\n> 内容由AI生成\r\n", PL_NOTICE_END },
        { "---\na: b\n---\n\n# T\ntext\n", "---\na: b\n---\n\n# T<sup>AI</sup>\ntext\n", PL_NOTICE_MARK },
        { "---\nnever closed\n", "> 内容由AI生成\n\n---\nnever closed\n", PL_NOTICE_START },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pl_buf b = noticed(pl_str_z(cases[i].in), "a.md", NULL, cases[i].place);

        assert_str(pl_buf_str(&b), cases[i].out);
        pl_buf_done(&b);
    }
}

/* --- documents of other programs --------------------------------------------------------------------- */

static char *sample(const char *name, size_t *n)
{
    const char *dir = getenv("PL_TEST_DATA");
    char       *path = NULL, *p = NULL;
    pl_error    err;

    assert_true(asprintf(&path, "%s/media/%s", dir ? dir : "", name) > 0);
    if (pl_file_read(path, 64u << 20, &p, n, &err) != PL_OK)
        p = NULL;
    free(path);
    return p;
}

/* A command that finds the file in $1. */
static bool shell(const char *command, const char *file)
{
    char *line = NULL;
    int   status;

    assert_true(asprintf(&line, "set -- '%s'; %s", file, command) > 0);
    status = system(line);
    free(line);
    return status == 0;
}

#define READ_WORD                                                                            \
    "python3 -c \"import zipfile,sys,xml.dom.minidom as d;z=zipfile.ZipFile(sys.argv[1]);"   \
    "assert z.testzip() is None;x=z.read('word/document.xml').decode();d.parseString(x);"

static void notice__is_text_of_word_documents(void **state)
{
    static const char *const names[] = { "python-docx-tests/doc-default.docx", "python-docx-tests/tbl-2x2-table.docx",
                                         "python-docx-tests/sct-inner-content.docx" };
    char  *dir = pl_test_mkdtemp(), *file = NULL;
    size_t n = 0;

    (void)state;
    assert_true(asprintf(&file, "%s/a.docx", dir) > 0);
    for (size_t i = 0; i < 3; i++)
        for (int place = PL_NOTICE_START; place <= PL_NOTICE_MARK; place++) {
            char    *p = sample(names[i], &n);
            pl_error err;
            pl_buf   b;

            if (!p)
                skip_because("needs the media samples under PL_TEST_DATA");
            b = noticed((pl_str){ p, n }, "a.docx", NULL, (pl_notice_place)place);
            assert_ok(pl_file_write_atomic(file, pl_buf_str(&b), 0644, &err), &err);
            if (!shell(place == PL_NOTICE_MARK
                           ? READ_WORD "assert '>AI</w:t>' in x and 'superscript' in x\" \"$1\""
                           : READ_WORD "assert x.count('\\u5185\\u5bb9\\u7531AI\\u751f\\u6210</w:t>')==1\" \"$1\"",
                       file))
                fail_msg("%s, place %d", names[i], place);
            pl_buf_done(&b);
            free(p);
        }
    free(file);
    pl_test_rmtree(dir);
}

static void notice__leaves_pdfs_whole(void **state)
{
    static const char *const names[] = { "c2pa-rs-fixtures/basic.pdf", "c2pa-rs-fixtures/express.pdf",
                                         "pypdf-samples/crazyones-pdfa.pdf", "pypdf-samples/002-trivial-libre-office-writer.pdf",
                                         "qpdf-tests/good7.pdf" };
    char  *dir = pl_test_mkdtemp(), *file = NULL;
    size_t n = 0;

    (void)state;
    assert_true(asprintf(&file, "%s/a.pdf", dir) > 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        for (int place = PL_NOTICE_START; place <= PL_NOTICE_END; place++) {
            char    *p = sample(names[i], &n);
            pl_error err;
            pl_buf   b;

            if (!p)
                skip_because("needs the media samples under PL_TEST_DATA");
            b = noticed((pl_str){ p, n }, "a.pdf", NULL, (pl_notice_place)place);
            assert_memory_equal(b.p, p, n); /* what was there stays */
            assert_ok(pl_file_write_atomic(file, pl_buf_str(&b), 0644, &err), &err);
            if (!shell("qpdf --check \"$1\" >/dev/null 2>&1", file))
                fail_msg("%s, place %d: qpdf finds faults", names[i], place);
            /* The wording in UTF-16, as the text of an annotation of the first page. */
            if (!shell("qpdf --qdf --object-streams=disable \"$1\" - 2>/dev/null | grep -aqi 'feff5185\\|/Subtype /Stamp'", file))
                fail_msg("%s, place %d: no annotation", names[i], place);
            pl_buf_done(&b);
            free(p);
        }
    free(file);
    pl_test_rmtree(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shown_text__is_what_readers_of_html_see),
        cmocka_unit_test(notice__stands_where_readers_of_html_see_it),
        cmocka_unit_test(notice__escapes_its_wording),
        cmocka_unit_test(notice__keeps_the_front_matter_of_markdown_first),
        cmocka_unit_test(notice__is_text_of_word_documents),
        cmocka_unit_test(notice__leaves_pdfs_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
