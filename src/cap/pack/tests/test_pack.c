#include "pack_fixture.h"

#include "base/buf.h"
#include "base/hash.h"
#include "base/json.h"

#include <plumbline/text.h>
#include <sys/stat.h>

#define HEADER "id\ttext\tcategory\tlang\tseverity\tflags\tsource\tupdated\n"
#define LINE_A "a.en.1\tmake a widget\tharm.weapons\ten\t4\tword\town\t2026-11-22\n"
#define LINE_B "a.zh.1\t制作小部件\tharm.weapons\tzh\t3\t-\town\t2026-11-22\n"

static const char manifest[] = "id: sample\n"
                               "version: \"1.2.0\"\n"
                               "kind: lexicon\n"
                               "jurisdiction: any\n"
                               "legal_weight: none\n"
                               "in_force: {from: \"2026-01-01\"}\n"
                               "title: {zh: 样例, en: Sample}\n"
                               "licence: Apache-2.0\n"
                               "sources:\n"
                               "  - {id: own, title: ours, evidence: P, date: \"2026-11-22\"}\n";

typedef struct fx {
    char    *root;
    char     dir[300]; /* root/sample */
    pl_error err;
} fx;

static int setup(void **state)
{
    fx *f = calloc(1, sizeof *f);

    f->root = pl_test_mkdtemp();
    snprintf(f->dir, sizeof f->dir, "%s/sample", f->root);
    assert_int_equal(mkdir(f->dir, 0755), 0);
    put(f->dir, "pack.yaml", manifest);
    put(f->dir, "entries.tsv", HEADER LINE_A LINE_B);
    put(f->dir, "README.md", "# sample\n");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fx *f = *state;

    pl_test_rmtree(f->root);
    free(f);
    return 0;
}

/* The manifest with one part exchanged. */
static void spoil_manifest(fx *f, const char *from, const char *to)
{
    const char *at = strstr(manifest, from);
    pl_buf      b = PL_BUF_INIT(1u << 16);

    if (at == NULL)
        fail_msg("'%s' is not in the manifest", from);
    pl_buf_put(&b, (pl_str){ manifest, (size_t)(at - manifest) });
    pl_buf_puts(&b, to);
    pl_buf_puts(&b, at + strlen(from));
    put(f->dir, "pack.yaml", b.p);
    pl_buf_done(&b);
}

static pl_rc open_sample(fx *f, pl_pack **p)
{
    const char *folders[] = { f->root, NULL };

    return pl_pack_open("sample", folders, p, &f->err);
}

/* The loader refuses with these words, and the linter reports the same as an error. */
static void assert_refused(fx *f, const char *says)
{
    pl_pack *p = NULL;
    json_t  *problems = NULL, *one;
    size_t   i;
    bool     found = false;

    assert_rc(open_sample(f, &p), PL_INVALID);
    if (strstr(f->err.text, says) == NULL)
        fail_msg("'%s' is not in '%s'", says, f->err.text);
    assert_ok(pl_pack_lint(f->dir, &problems, &f->err), &f->err);
    json_array_foreach(problems, i, one) {
        char        line[400];
        const char *file = json_string_value(json_object_get(one, "file"));
        json_int_t  n = json_integer_value(json_object_get(one, "line"));

        if (strcmp(json_string_value(json_object_get(one, "severity")), "error") != 0)
            continue;
        if (n > 0)
            snprintf(line, sizeof line, "%s:%lld: %s", file, (long long)n,
                     json_string_value(json_object_get(one, "message")));
        else
            snprintf(line, sizeof line, "%s: %s", file,
                     json_string_value(json_object_get(one, "message")));
        found |= strstr(line, says) != NULL;
    }
    if (!found)
        fail_msg("the linter does not say '%s'", says);
    json_decref(problems);
}

static size_t lint_count(fx *f, const char *severity)
{
    json_t *problems = NULL, *one;
    size_t  i, n = 0;

    assert_ok(pl_pack_lint(f->dir, &problems, &f->err), &f->err);
    json_array_foreach(problems, i, one)
        n += strcmp(json_string_value(json_object_get(one, "severity")), severity) == 0;
    json_decref(problems);
    return n;
}

/* --- loading --------------------------------------------------------------------------- */

static void pack_open__reads_manifest_and_entries(void **state)
{
    fx      *f = *state;
    pl_pack *p = NULL;
    seen     s = { 0 };

    assert_ok(open_sample(f, &p), &f->err);
    assert_str(pl_pack_id(p), "sample");
    assert_str(pl_pack_version(p), "1.2.0");
    assert_str(pl_pack_kind(p), "lexicon");
    assert_ok(pl_pack_lexicon_each(p, remember, &s, &f->err), &f->err);
    assert_int_equal(s.n, 2);
    assert_str(s.e[0].id, "a.en.1");
    assert_str(s.e[0].text, "make a widget");
    assert_str(s.e[0].category, "harm.weapons");
    assert_str(s.e[0].lang, "en");
    assert_int_equal(s.e[0].severity, 4);
    assert_int_equal(s.e[0].flags, PL_LEXICON_WORD);
    assert_str(s.e[0].source, "own");
    assert_str(s.e[0].updated, "2026-11-22");
    assert_str(s.e[1].text, "制作小部件");
    assert_int_equal(s.e[1].severity, 3);
    assert_int_equal(s.e[1].flags, 0);
    assert_int_equal(lint_count(f, "error") + lint_count(f, "warning"), 0);
    pl_pack_free(p);
}

static pl_rc refuse(void *ctx, const pl_lexicon_entry *e, pl_error *err)
{
    (void)ctx, (void)e;
    return pl_fail(err, PL_CONFLICT, "stop here");
}

static void pack_lexicon_each__passes_on_what_the_callback_says(void **state)
{
    fx      *f = *state;
    pl_pack *p = NULL;

    assert_ok(open_sample(f, &p), &f->err);
    assert_rc(pl_pack_lexicon_each(p, refuse, NULL, &f->err), PL_CONFLICT);
    pl_pack_free(p);
}

static void pack_open__finds_versions(void **state)
{
    fx         *f = *state;
    const char *folders[] = { f->root, NULL };
    char        other[400];
    pl_pack    *p = NULL;

    assert_ok(pl_pack_open("sample@1.2.0", folders, &p, &f->err), &f->err);
    pl_pack_free(p);
    assert_rc(pl_pack_open("sample@1.3.0", folders, &p, &f->err), PL_NOTFOUND);

    static const char *const versions[] = { "1.9.0", "1.10.0" };
    for (size_t i = 0; i < 2; i++) {
        char text[64];

        snprintf(other, sizeof other, "%s/sample@%s", f->root, versions[i]);
        assert_int_equal(mkdir(other, 0755), 0);
        snprintf(text, sizeof text, "version: \"%s\"", versions[i]);
        spoil_manifest(f, "version: \"1.2.0\"", text);
        {
            char from[500], to[500];

            snprintf(from, sizeof from, "%s/pack.yaml", f->dir);
            snprintf(to, sizeof to, "%s/pack.yaml", other);
            assert_int_equal(rename(from, to), 0);
        }
        put(other, "entries.tsv", HEADER LINE_A);
    }
    assert_ok(pl_pack_open("sample@1.9.0", folders, &p, &f->err), &f->err);
    assert_str(pl_pack_version(p), "1.9.0");
    pl_pack_free(p);
    assert_ok(pl_pack_open("sample", folders, &p, &f->err), &f->err); /* not 1.9.0 */
    assert_str(pl_pack_version(p), "1.10.0");
    pl_pack_free(p);
}

static void pack_open__prefers_the_first_folder(void **state)
{
    fx         *f = *state;
    char        over[350], dir[400];
    const char *folders[] = { over, f->root, NULL };
    pl_pack    *p = NULL;

    snprintf(over, sizeof over, "%s/over", f->root);
    snprintf(dir, sizeof dir, "%s/sample", over);
    assert_int_equal(mkdir(over, 0755), 0);
    assert_int_equal(mkdir(dir, 0755), 0);
    spoil_manifest(f, "1.2.0", "7.0");
    {
        char from[500], to[500];

        snprintf(from, sizeof from, "%s/pack.yaml", f->dir);
        snprintf(to, sizeof to, "%s/pack.yaml", dir);
        assert_int_equal(rename(from, to), 0);
    }
    put(dir, "entries.tsv", HEADER LINE_A);
    put(f->dir, "pack.yaml", manifest);
    assert_ok(pl_pack_open("sample", folders, &p, &f->err), &f->err);
    assert_str(pl_pack_version(p), "7.0");
    pl_pack_free(p);
}

static void pack_open__takes_no_path_for_a_name(void **state)
{
    static const char *const bad[] = { "Sample", "", "sample@", "a b", "..", "x@../y" };
    fx                      *f = *state;
    const char              *folders[] = { f->root, NULL };
    pl_pack                 *p = NULL;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (pl_pack_open(bad[i], folders, &p, &f->err) == PL_OK)
            fail_msg("'%s' was opened", bad[i]);
    assert_ok(pl_pack_open(f->dir, folders, &p, &f->err), &f->err);
    pl_pack_free(p);
}

static void pack_open__wants_folder_and_id_to_agree(void **state)
{
    fx      *f = *state;
    pl_pack *p = NULL;

    spoil_manifest(f, "id: sample", "id: other");
    assert_rc(open_sample(f, &p), PL_INVALID);
    assert_non_null(strstr(f->err.text, "'other'"));
}

/* --- digest ---------------------------------------------------------------------------- */

static void digest_of(fx *f, uint8_t out[32])
{
    pl_pack *p = NULL;

    assert_ok(open_sample(f, &p), &f->err);
    pl_pack_digest(p, out);
    pl_pack_free(p);
}

/* Computed a second time from the text of docs/formats/pack.md. */
static void pack_digest__is_that_of_the_sorted_file_list(void **state)
{
    fx         *f = *state;
    const char *names[] = { "README.md", "entries.tsv", "pack.yaml" };
    const char *texts[] = { "# sample\n", HEADER LINE_A LINE_B, manifest };
    pl_buf      list = PL_BUF_INIT(4096);
    uint8_t     want[32], have[32], sum[32];

    for (int i = 0; i < 3; i++) {
        pl_sha256_of(pl_str_z(texts[i]), sum);
        pl_buf_put(&list, (pl_str){ names[i], strlen(names[i]) + 1 });
        pl_buf_printf(&list, "%zu", strlen(texts[i]));
        pl_buf_putc(&list, '\0');
        pl_buf_put(&list, (pl_str){ (const char *)sum, 32 });
        pl_buf_putc(&list, '\n');
    }
    pl_sha256_of(pl_buf_str(&list), want);
    digest_of(f, have);
    assert_memory_equal(have, want, 32);
    pl_buf_done(&list);
}

static void pack_digest__changes_with_any_file(void **state)
{
    fx     *f = *state;
    uint8_t a[32], b[32], c[32];

    digest_of(f, a);
    put(f->dir, "README.md", "# sampl3\n");
    digest_of(f, b);
    put(f->dir, "NOTES.txt", "");
    digest_of(f, c);
    assert_memory_not_equal(a, b, 32);
    assert_memory_not_equal(b, c, 32);
}

static void pack_manifest__checks_its_digest(void **state)
{
    fx         *f = *state;
    const char *at;
    char        line[200];
    pl_pack    *p = NULL;

    spoil_manifest(f, "licence:", "digest: sha256:00\nlicence:");
    assert_refused(f, "does not fit the files");
    at = strstr(f->err.text, "sha256:");
    if (at == NULL) { /* the refusal above came from lint last; ask the loader again */
        assert_rc(open_sample(f, &p), PL_INVALID);
        at = strstr(f->err.text, "sha256:");
    }
    assert_non_null(at);
    snprintf(line, sizeof line, "digest: %.71s\nlicence:", at);
    spoil_manifest(f, "licence:", line);
    assert_ok(open_sample(f, &p), &f->err);
    pl_pack_free(p);
}

/* --- broken manifests ------------------------------------------------------------------ */

static void pack_manifest__names_each_mistake_with_its_line(void **state)
{
    static const struct {
        const char *from, *to, *says;
    } cases[] = {
        { "licence:", "lisence:", "pack.yaml:8: unknown key 'lisence'" },
        { "licence: Apache-2.0\n", "", "missing key 'licence'" },
        { "id: sample", "id: Sample Pack", "pack.yaml:1: 'id' may hold" },
        { "\"1.2.0\"", "1.2", "pack.yaml:2: 'version' must be a string; put it in quotes" },
        { "1.2.0", "1..0", "'version' must be numbers or words with dots or dashes" },
        { "1.2.0", "1.X", "'version' must be numbers or words with dots or dashes" },
        { "kind: lexicon", "kind: lexicons", "pack.yaml:3: unknown kind 'lexicons'" },
        { "legal_weight: none", "legal_weight: heavy", "pack.yaml:5: unknown legal weight" },
        { "jurisdiction: any", "jurisdiction: \"\"", "'jurisdiction' is empty" },
        { "from: \"2026-01-01\"", "from: \"2026-13-01\"", "pack.yaml:6: 'in_force/from' is not" },
        { "from: \"2026-01-01\"", "from: \"2026-01-01\", to: \"2025-01-01\"", "is before" },
        { "{zh: 样例, en: Sample}", "Sample", "pack.yaml:7: 'title' must hold" },
        { ", en: Sample", "", "missing key 'title/en'" },
        { "evidence: P", "evidence: Q", "pack.yaml:10: unknown evidence tag 'Q'" },
        { "evidence: P, ", "", "missing key 'sources/0/evidence'" },
        { "  - {id: own, title: ours, evidence: P, date: \"2026-11-22\"}\n", "  []\n",
          "at least one source" },
        { "  - {id", "  - {id: own, title: t, evidence: V, date: \"2026-01-02\"}\n  - {id",
          "pack.yaml:11: source id 'own' is used twice" },
        { "title: ours", "title: ours, url: ftp", "not an http address" },
        { "id: sample", "id: [", "pack.yaml:" },
        { "id: sample", "id: &a sample", "anchors are not accepted" },
    };
    fx *f = *state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        spoil_manifest(f, cases[i].from, cases[i].to);
        assert_refused(f, cases[i].says);
    }
}

static void pack_open__without_manifest_is_not_found(void **state)
{
    fx      *f = *state;
    char     path[400];
    pl_pack *p = NULL;

    snprintf(path, sizeof path, "%s/pack.yaml", f->dir);
    assert_int_equal(remove(path), 0);
    assert_rc(open_sample(f, &p), PL_NOTFOUND);
    assert_rc(pl_pack_open(f->dir, NULL, &p, &f->err), PL_INVALID);
    assert_non_null(strstr(f->err.text, "every pack needs one"));
}

/* --- broken entries -------------------------------------------------------------------- */

static void pack_entries__name_each_mistake_with_its_line(void **state)
{
    static const struct {
        const char *line, *says;
    } cases[] = {
        { "x\ty\n", "entries.tsv:4: 2 columns instead of 8" },
        { "a.en.1\tother text here\tharm.weapons\ten\t4\tword\town\t2026-11-22\n",
          "entries.tsv:4: id 'a.en.1' is used already, in entries.tsv:2" },
        { "B\tother text here\tharm.weapons\ten\t4\tword\town\t2026-11-22\n", "id may hold" },
        { "b\tMAKE  a ｗidget\tharm.weapons\ten\t4\tword\town\t2026-11-22\n",
          "entries.tsv:4: text folds to the same as that of entries.tsv:2" },
        { "b\t\tharm.weapons\ten\t4\tword\town\t2026-11-22\n", "text is empty" },
        { "b\t blank first\tharm.weapons\ten\t4\tword\town\t2026-11-22\n", "with a blank" },
        { "b\tother text here\tharm.unknown\ten\t4\tword\town\t2026-11-22\n",
          "unknown category, and not under the pack's id: 'harm.unknown'" },
        { "b\tother text here\tharm.weapons\tEN\t4\tword\town\t2026-11-22\n", "not a language tag" },
        { "b\tother text here\tharm.weapons\ten\t5\tword\town\t2026-11-22\n",
          "severity must be 1, 2, 3 or 4" },
        { "b\tother text here\tharm.weapons\ten\t4\twords\town\t2026-11-22\n", "flags must be" },
        { "b\tother text here\tharm.weapons\ten\t4\t\town\t2026-11-22\n", "flags must be" },
        { "b\tother text here\tharm.weapons\ten\t4\tword\tnone\t2026-11-22\n",
          "source is not in pack.yaml: 'none'" },
        { "b\tother text here\tharm.weapons\ten\t4\tword\town\tyesterday\n", "not a date" },
        { "b\tother text here\tharm.weapons\ten\t4\tword\town\t2026-11-22\r\n", "carriage return" },
        { "b\t\xff\xfe\tharm.weapons\ten\t4\tword\town\t2026-11-22\n", "not valid UTF-8" },
        { "b\t0123456789012345678901234567890123456789012345678901234567890123x\tharm.weapons"
          "\ten\t4\tword\town\t2026-11-22\n", "longer than 64" },
    };
    fx *f = *state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pl_buf b = PL_BUF_INIT(4096);

        pl_buf_puts(&b, HEADER LINE_A LINE_B);
        pl_buf_puts(&b, cases[i].line);
        put(f->dir, "entries.tsv", b.p);
        pl_buf_done(&b);
        assert_refused(f, cases[i].says);
    }
}

static void pack_entries__need_their_header_and_a_line(void **state)
{
    fx *f = *state;

    put(f->dir, "entries.tsv", LINE_A);
    assert_refused(f, "entries.tsv:1: first line must name the columns");
    put(f->dir, "entries.tsv", HEADER);
    assert_refused(f, "no entries");
    put(f->dir, "entries.tsv", "");
    assert_refused(f, "first line must name the columns");
    put(f->dir, "entries.tsv", "id\ttext\tcategory\tlang\tseverity\tsource\n");
    assert_refused(f, "first line must name the columns"); /* updated is missing */
    put(f->dir, "entries.tsv", "text\t" HEADER);
    assert_refused(f, "first line must name the columns"); /* text twice */
    put(f->dir, "entries.tsv", "colour\t" HEADER);
    assert_refused(f, "first line must name the columns");
}

static void remove_entries(fx *f)
{
    char path[400];

    snprintf(path, sizeof path, "%s/entries.tsv", f->dir);
    assert_int_equal(remove(path), 0);
}

static void pack_entries__may_be_missing_only_where_slots_are_named(void **state)
{
    fx      *f = *state;
    pl_pack *p = NULL;

    remove_entries(f);
    assert_refused(f, "no entries");
    spoil_manifest(f, "licence:", "slots: [A.1-a]\nlicence:");
    assert_ok(open_sample(f, &p), &f->err);
    pl_pack_free(p);
    spoil_manifest(f, "licence:", "slots: []\nlicence:");
    assert_refused(f, "'slots' must be a list");
}

/* Every column there is, in an order of its own, and the same entry in YAML. */
#define WIDE_HEADER                                                                               \
    "risk\tid\ttext\twith\twithin\twithout\texcept\tfrom\tto\tcategory\tlang\tseverity\tflags\t"       \
    "source\tupdated\tany\tand\n"
#define WIDE                                                                                      \
    "A.2-e\tw.1\twidget\tmake|build\t12\ttoy\tmy widget\t2026-01-01\t2026-12-31\tharm.hate\ten\t"   \
    "2\tword,pinyin,split\town\t2026-11-22\tgadget|gizmo\thow to\n"
static const char wide_yaml[] =
    "defaults: {lang: en, source: own, updated: \"2026-11-22\", category: harm.hate}\n"
    "entries:\n"
    "  - {id: w.1, text: widget, with: [make, build], within: 12, without: [toy],\n"
    "     any: [gadget, gizmo], and: [how to],\n"
    "     except: [my widget], from: \"2026-01-01\", to: \"2026-12-31\", severity: 2,\n"
    "     flags: [word, pinyin, split], risk: A.2-e}\n";

static void assert_wide(fx *f)
{
    pl_pack *p = NULL;
    seen     s = { 0 };

    assert_ok(open_sample(f, &p), &f->err);
    assert_ok(pl_pack_lexicon_each(p, remember, &s, &f->err), &f->err);
    assert_int_equal(s.n, 1);
    assert_str(s.e[0].risk, "A.2-e");
    assert_str(s.e[0].text, "widget");
    assert_str(s.e[0].with, "make|build");
    assert_str(s.e[0].any, "gadget|gizmo");
    assert_str(s.e[0].and_with, "how to");
    assert_int_equal(s.e[0].within, 12);
    assert_str(s.e[0].without, "toy");
    assert_str(s.e[0].except, "my widget");
    assert_str(s.e[0].from, "2026-01-01");
    assert_str(s.e[0].to, "2026-12-31");
    assert_str(s.e[0].category, "harm.hate");
    assert_int_equal(s.e[0].severity, 2);
    assert_int_equal(s.e[0].flags, PL_LEXICON_WORD | PL_LEXICON_PINYIN | PL_LEXICON_SPLIT);
    assert_true(pl_lexicon_entry_applies(&s.e[0], PL_STR("2026-01-01")));
    assert_true(pl_lexicon_entry_applies(&s.e[0], PL_STR("2026-12-31")));
    assert_false(pl_lexicon_entry_applies(&s.e[0], PL_STR("2025-12-31")));
    assert_false(pl_lexicon_entry_applies(&s.e[0], PL_STR("2027-01-01")));
    s.e[0].flags |= PL_LEXICON_DEPRECATED;
    assert_false(pl_lexicon_entry_applies(&s.e[0], PL_STR("2026-06-01")));
    pl_pack_free(p);
}

static void pack_entries__take_columns_in_any_order(void **state)
{
    fx *f = *state;

    put(f->dir, "entries.tsv", WIDE_HEADER WIDE);
    assert_wide(f);
}

static void pack_entries__in_yaml_say_the_same(void **state)
{
    fx *f = *state;

    remove_entries(f);
    put(f->dir, "entries.yaml", wide_yaml);
    assert_wide(f);
}

static void pack_entries__may_stand_in_several_files(void **state)
{
    fx      *f = *state;
    char     sub[400];
    pl_pack *p = NULL;
    seen     s = { 0 };

    snprintf(sub, sizeof sub, "%s/entries", f->dir);
    assert_int_equal(mkdir(sub, 0755), 0);
    put(sub, "b.yaml", wide_yaml);
    put(sub, "c.tsv", WIDE_HEADER);
    assert_ok(open_sample(f, &p), &f->err);
    assert_ok(pl_pack_lexicon_each(p, remember, &s, &f->err), &f->err);
    assert_int_equal(s.n, 3);
    assert_str(s.e[0].id, "a.en.1");
    assert_str(s.e[2].id, "w.1");
    pl_pack_free(p);
    put(sub, "c.tsv", WIDE_HEADER WIDE);
    assert_refused(f, "entries/c.tsv:2: id 'w.1' is used already, in entries/b.yaml, entry 1");
}

static void pack_entries__name_each_mistake_of_the_further_columns(void **state)
{
    static const struct {
        const char *from, *to, *says;
    } cases[] = {
        { "risk: A.2-e", "risk: \"A 2\"", "not the id of a risk class: 'A 2' in entry w.1" },
        { "within: 12", "within: 0", "within must be 1 to 1000" },
        { "within: 12", "within: 1001", "within must be 1 to 1000" },
        { "with: [make, build], ", "", "need 'with'" },
        { "[my widget]", "[my gadget]", "an exception must be longer than the text" },
        { "[my widget]", "[widget]", "an exception must be longer than the text" },
        { "[toy]", "[\"toy|boy\"]", "must hold words without '|'" },
        { "[toy]", "[7]", "must hold words without '|'" },
        { "\"2026-12-31\"", "\"2025-12-31\"", "'to' is before 'from'" },
        { "\"2026-12-31\"", "soon", "not a date" },
        { "split]", "loud]", "flags must be" },
        { "severity: 2", "severity: two", "severity must be" },
        { "severity: 2", "severity: [2]", "'severity' is of the wrong type" },
        { "text: widget,", "", "entry 1: 'text' is missing" },
        { "risk:", "risks:", "'risks' is not a key of entries" },
        { "entries:", "entry:", "'entry' is not a key of this file" },
    };
    fx *f = *state;

    remove_entries(f);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *at = strstr(wide_yaml, cases[i].from);
        pl_buf      b = PL_BUF_INIT(1u << 16);

        assert_non_null(at);
        pl_buf_put(&b, (pl_str){ wide_yaml, (size_t)(at - wide_yaml) });
        pl_buf_puts(&b, cases[i].to);
        pl_buf_puts(&b, at + strlen(cases[i].from));
        put(f->dir, "entries.yaml", b.p);
        pl_buf_done(&b);
        assert_refused(f, cases[i].says);
    }
}

static void pack_entries__may_use_categories_of_the_pack(void **state)
{
    fx      *f = *state;
    pl_pack *p = NULL;

    put(f->dir, "entries.tsv", HEADER "b\tother text\tsample.own-1\ten\t1\tword\town\t2026-11-22\n");
    assert_ok(open_sample(f, &p), &f->err);
    pl_pack_free(p);
}

/* --- linting --------------------------------------------------------------------------- */

static void pack_lint__lists_all_problems_not_only_the_first(void **state)
{
    fx *f = *state;

    spoil_manifest(f, "legal_weight: none", "legal_weight: heavy\ncolour: red");
    put(f->dir, "entries.tsv",
        HEADER "b\tother text\tharm.none\ten\t9\tword\town\t2026-11-22\n"
               "b\tthird text\tharm.fraud\ten\t1\tword\town\t2026-11-22\n");
    assert_int_equal(lint_count(f, "error"), 5); /* weight, key, category, severity, id */
}

static void pack_lint__warns_about_what_is_legal_but_unwise(void **state)
{
    fx      *f = *state;
    pl_pack *p = NULL;
    char     path[400];

    put(f->dir, "entries.tsv",
        HEADER "b\tbad\tharm.fraud\ten\t1\tword\town\t2026-11-22\n"
               "c\tsome words\tharm.fraud\ten\t1\t-\town\t2026-11-22\n"
               "d\t字\tharm.fraud\tzh\t1\t-\town\t2026-11-22\n");
    snprintf(path, sizeof path, "%s/README.md", f->dir);
    assert_int_equal(remove(path), 0);
    assert_int_equal(lint_count(f, "error"), 0);
    assert_int_equal(lint_count(f, "warning"), 4);
    assert_ok(open_sample(f, &p), &f->err); /* warnings do not stop the loader */
    pl_pack_free(p);
}

static void pack_lint__refuses_links_and_hidden_files(void **state)
{
    fx  *f = *state;
    char path[400];

    snprintf(path, sizeof path, "%s/link.txt", f->dir);
    assert_int_equal(symlink("/etc/hostname", path), 0);
    assert_refused(f, "symbolic links are not accepted");
    assert_int_equal(remove(path), 0);
    put(f->dir, ".entries.tsv.swp", "x");
    assert_refused(f, "file name must be");
}

static void pack_lint__parses_documents_of_other_kinds(void **state)
{
    fx *f = *state;

    spoil_manifest(f, "kind: lexicon", "kind: rules");
    put(f->dir, "rules.yaml", "a: [1\n");
    assert_refused(f, "rules.yaml:");
    put(f->dir, "rules.yaml", "a: [1]\n");
    put(f->dir, "more.json", "{\"a\":1,\"a\":2}");
    assert_refused(f, "more.json");
}

static void pack_lint__of_no_folder_is_not_found(void **state)
{
    fx     *f = *state;
    json_t *problems = NULL;

    assert_rc(pl_pack_lint("/nonexistent/x", &problems, &f->err), PL_NOTFOUND);
}

/* --- listing --------------------------------------------------------------------------- */

static void pack_list__shows_broken_packs_with_their_error(void **state)
{
    fx         *f = *state;
    const char *folders[] = { f->root, "/nonexistent", NULL };
    char        broken[400];
    json_t     *list = NULL, *first, *second;

    snprintf(broken, sizeof broken, "%s/a-broken", f->root);
    assert_int_equal(mkdir(broken, 0755), 0);
    put(broken, "pack.yaml", "id: a-broken\n");
    assert_ok(pl_pack_list(folders, &list, &f->err), &f->err);
    assert_int_equal(json_array_size(list), 2);
    first = json_array_get(list, 0);
    second = json_array_get(list, 1);
    assert_non_null(json_object_get(first, "error"));
    assert_string_equal(json_string_value(json_object_get(second, "id")), "sample");
    assert_int_equal(json_integer_value(json_object_get(second, "entries")), 2);
    assert_int_equal(strlen(json_string_value(json_object_get(second, "digest"))), 7 + 64);
    json_decref(list);
}

/* --- what ships ------------------------------------------------------------------------ */

typedef struct tally {
    json_t *n; /* "category/lang" → count */
} tally;

static pl_rc count_entry(void *ctx, const pl_lexicon_entry *e, pl_error *err)
{
    tally *t = ctx;
    char   key[100];

    (void)err;
    snprintf(key, sizeof key, PL_STR_FMT "/" PL_STR_FMT, PL_STR_ARG(e->category),
             PL_STR_ARG(e->lang));
    json_object_set_new(t->n, key,
                        json_integer(json_integer_value(json_object_get(t->n, key)) + 1));
    return PL_OK;
}

/* What packs/lexicon-starter/README.md promises. */
static int least(const char *class, int zh)
{
    if (strcmp(class, "illegal") == 0)
        return 1; /* combinations only */
    if (strcmp(class, "sexual") == 0)
        return 15;
    return zh ? 300 : 150;
}

static void lexicon_starter__lints_clean_and_covers_its_classes(void **state)
{
    static const char *const classes[] = { "fraud",  "self_harm", "violence", "weapons", "drugs",
                                           "sexual", "child",     "hate",     "privacy", "malware",
                                           "illegal" };
    fx         *f = *state;
    const char *folders[] = { PL_TEST_SOURCE_ROOT "/packs", NULL };
    tally       t = { json_object() };
    pl_pack    *p = NULL;
    json_t     *problems = NULL;

    assert_ok(pl_pack_lint(PL_TEST_SOURCE_ROOT "/packs/lexicon-starter", &problems, &f->err),
              &f->err);
    if (json_array_size(problems) != 0) {
        char *text = pl_json_pretty(problems);

        fail_msg("%s", text);
    }
    json_decref(problems);
    assert_ok(pl_pack_open("lexicon-starter", folders, &p, &f->err), &f->err);
    assert_ok(pl_pack_lexicon_each(p, count_entry, &t, &f->err), &f->err);
    assert_int_equal(json_object_size(t.n), 22);
    for (size_t i = 0; i < 11; i++)
        for (int zh = 0; zh < 2; zh++) {
            char key[100];

            snprintf(key, sizeof key, "harm.%s/%s", classes[i], zh ? "zh" : "en");
            if (json_integer_value(json_object_get(t.n, key)) < least(classes[i], zh))
                fail_msg("fewer entries than promised: %s", key);
        }
    json_decref(t.n);
    pl_pack_free(p);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(pack_open__reads_manifest_and_entries),
        T(pack_lexicon_each__passes_on_what_the_callback_says),
        T(pack_open__finds_versions),
        T(pack_open__prefers_the_first_folder),
        T(pack_open__takes_no_path_for_a_name),
        T(pack_open__wants_folder_and_id_to_agree),
        T(pack_digest__is_that_of_the_sorted_file_list),
        T(pack_digest__changes_with_any_file),
        T(pack_manifest__checks_its_digest),
        T(pack_manifest__names_each_mistake_with_its_line),
        T(pack_open__without_manifest_is_not_found),
        T(pack_entries__name_each_mistake_with_its_line),
        T(pack_entries__need_their_header_and_a_line),
        T(pack_entries__may_use_categories_of_the_pack),
        T(pack_entries__name_each_mistake_of_the_further_columns),
        T(pack_entries__may_stand_in_several_files),
        T(pack_entries__in_yaml_say_the_same),
        T(pack_entries__take_columns_in_any_order),
        T(pack_entries__may_be_missing_only_where_slots_are_named),
        T(pack_lint__lists_all_problems_not_only_the_first),
        T(pack_lint__warns_about_what_is_legal_but_unwise),
        T(pack_lint__refuses_links_and_hidden_files),
        T(pack_lint__parses_documents_of_other_kinds),
        T(pack_lint__of_no_folder_is_not_found),
        T(pack_list__shows_broken_packs_with_their_error),
        T(lexicon_starter__lints_clean_and_covers_its_classes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
