#include "base/banned.h"

#include "base/json.h"
#include "host/cli/cli.h"
#include "pl_test.h"

/* Runs the command line in this process. */
typedef struct run {
    int   code;
    char *out, *err;
} run;

static run cli(const char *first, ...)
{
    char   *argv[24] = { (char *)(uintptr_t) "plumbline" };
    int     argc = 1;
    size_t  n_out, n_err;
    run     r = { 0 };
    FILE   *out = open_memstream(&r.out, &n_out), *err = open_memstream(&r.err, &n_err);
    va_list ap;

    va_start(ap, first);
    for (const char *a = first; a != NULL && argc < 23; a = va_arg(ap, const char *))
        argv[argc++] = (char *)(uintptr_t)a;
    va_end(ap);
    r.code = pl_cli_main(argc, argv, out, err);
    fclose(out);
    fclose(err);
    return r;
}

static void done(run *r)
{
    free(r->out);
    free(r->err);
}

static void assert_in(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("'%s' is not in '%s'", part, text);
}

static void assert_not_in(const char *text, const char *part)
{
    if (strstr(text, part) != NULL)
        fail_msg("'%s' is in '%s'", part, text);
}

static int setup(void **state)
{
    (void)state;
    unsetenv("PLUMBLINE_LANG");
    unsetenv("PLUMBLINE_DIR");
    setenv("LC_ALL", "C.UTF-8", 1);
    return 0;
}

/* --- dispatch -------------------------------------------------------------------------- */

static void cli__without_words_shows_help_and_fails(void **state)
{
    run r = cli(NULL);

    (void)state;
    assert_int_equal(r.code, PL_EXIT_USAGE);
    assert_in(r.out, "Usage: plumbline");
    done(&r);
}

static void cli_help__lists_commands_of_host_and_capabilities(void **state)
{
    run r = cli("--help", NULL);

    (void)state;
    assert_int_equal(r.code, PL_EXIT_OK);
    assert_in(r.out, "  up ");
    assert_in(r.out, "  pack lint ");
    assert_in(r.out, "  ledger verify ");
    assert_in(r.out, "Exit status");
    assert_not_in(r.out, "demo-upstream"); /* hidden */
    assert_string_equal(r.err, "");
    done(&r);
}

static void cli_help__of_a_command_shows_options_and_example(void **state)
{
    static const char *const forms[][3] = { { "up", "--help", NULL }, { "up", "-h", NULL },
                                            { "--help", "up", NULL }, { "help", "up", NULL } };

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        run r = cli(forms[i][0], forms[i][1], forms[i][2], NULL);

        assert_int_equal(r.code, PL_EXIT_OK);
        assert_in(r.out, "--upstream URL");
        assert_in(r.out, "--dir DIR");
        assert_in(r.out, "Example");
        done(&r);
    }
}

static void cli_help__of_a_noun_lists_its_verbs_only(void **state)
{
    run r = cli("pack", "--help", NULL);

    (void)state;
    assert_int_equal(r.code, PL_EXIT_OK);
    assert_in(r.out, "pack lint");
    assert_not_in(r.out, "ledger");
    done(&r);
    r = cli("pack", NULL);
    assert_int_equal(r.code, PL_EXIT_USAGE);
    done(&r);
}

static void cli_version__is_text_or_json(void **state)
{
    run      r = cli("version", NULL);
    json_t  *j = NULL;
    pl_error err = { 0 };

    (void)state;
    assert_int_equal(r.code, PL_EXIT_OK);
    assert_in(r.out, pl_version());
    done(&r);
    r = cli("version", "--json", NULL);
    assert_ok(pl_json_parse((pl_str){ r.out, strlen(r.out) }, "out", &j, &err), &err);
    assert_string_equal(json_string_value(json_object_get(j, "version")), pl_version());
    json_decref(j);
    done(&r);
    r = cli("--version", NULL);
    assert_in(r.out, pl_version());
    done(&r);
}

/* --- mistakes -------------------------------------------------------------------------- */

static void assert_usage(run r, const char *says)
{
    assert_int_equal(r.code, PL_EXIT_USAGE);
    assert_in(r.err, says);
    assert_in(r.err, "plumbline: ");
    assert_string_equal(r.out, "");
    done(&r);
}

static void cli__says_what_was_meant(void **state)
{
    (void)state;
    assert_usage(cli("ledgr", NULL), "unknown command 'ledgr'; did you mean 'ledger'?");
    assert_usage(cli("pu", NULL), "did you mean 'up'?");
    assert_usage(cli("pack", "lnit", NULL), "unknown verb 'lnit'; did you mean 'lint'?");
    assert_usage(cli("up", "--lisen", "x", NULL), "unknown option '--lisen'; did you mean '--listen'?");
    assert_usage(cli("zzzzzzzz", NULL), "unknown command 'zzzzzzzz'\n");
}

static void cli__refuses_wrong_options_and_operands(void **state)
{
    (void)state;
    assert_usage(cli("version", "extra", NULL), "unexpected operand 'extra'");
    assert_usage(cli("pack", "show", NULL), "'pack show' needs: NAME");
    assert_usage(cli("up", "--listen", NULL), "option '--listen' needs a value: ADDR");
    assert_usage(cli("up", "--no-selftest=1", NULL), "option '--no-selftest' takes no value");
    assert_usage(cli("up", "--dir", "a", "--dir=b", NULL), "option '--dir' is given twice");
    assert_usage(cli("up", "-x", NULL), "unknown option '-x'");
    assert_usage(cli("version", "--lang", "fr", NULL), "must be zh-CN or en");
    assert_usage(cli("--dir", NULL), "option '--dir' needs a value");
}

static void cli_json__makes_errors_json_on_stderr(void **state)
{
    const char *const forms[][3] = { { "--json", "ledgr", NULL }, { "pack", "--json", "zz" } };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        run      r = cli(forms[i][0], forms[i][1], forms[i][2], NULL);
        json_t  *j = NULL, *e;
        pl_error err = { 0 };

        assert_int_equal(r.code, PL_EXIT_USAGE);
        assert_string_equal(r.out, "");
        assert_ok(pl_json_parse((pl_str){ r.err, strlen(r.err) }, "err", &j, &err), &err);
        e = json_object_get(j, "error");
        assert_string_equal(json_string_value(json_object_get(e, "code")), "usage");
        assert_in(json_string_value(json_object_get(e, "message")), "unknown");
        json_decref(j);
        done(&r);
    }
}

/* --- languages ------------------------------------------------------------------------- */

static bool is_chinese(const run *r)
{
    return strstr(r->out, "用法") != NULL;
}

static void cli_lang__follows_option_then_variable_then_locale(void **state)
{
    run r;

    (void)state;
    setenv("LC_ALL", "zh_CN.UTF-8", 1);
    r = cli("--help", NULL);
    assert_true(is_chinese(&r));
    done(&r);
    setenv("PLUMBLINE_LANG", "en", 1);
    r = cli("--help", NULL);
    assert_false(is_chinese(&r));
    done(&r);
    r = cli("--help", "--lang", "zh-CN", NULL);
    assert_true(is_chinese(&r));
    done(&r);
    unsetenv("PLUMBLINE_LANG");
    setenv("LC_ALL", "en_US.UTF-8", 1);
    r = cli("--help", NULL);
    assert_false(is_chinese(&r));
    done(&r);
}

/* Every command a person can see has words in both languages and an example that names it. */
static int command_check(void *ctx, const pl_cmd *c)
{
    char want[80];

    (void)ctx;
    if (c->en == NULL)
        return 0;
    snprintf(want, sizeof want, "plumbline %s%s%s", c->noun, c->verb ? " " : "",
             c->verb ? c->verb : "");
    if (c->zh == NULL || c->example == NULL || c->operands == NULL || c->fn == NULL)
        fail_msg("'%s' lacks wording, example or function", want);
    if (strstr(c->example, want) == NULL)
        fail_msg("the example of '%s' is of something else: '%s'", want, c->example);
    for (const pl_opt *o = c->opts; o != NULL && o->name != NULL; o++)
        if (o->en == NULL || o->zh == NULL)
            fail_msg("an option of '%s' lacks wording", want);
    return 0;
}

static void cli_commands__are_described_in_both_languages(void **state)
{
    (void)state;
    (void)pl_cli_each(command_check, NULL);
}

/* --- options as commands see them ------------------------------------------------------ */

static pl_rc parse(pl_cli *cli_, char **argv, int argc)
{
    pl_error err;

    *cli_ = (pl_cli){ .cmd = pl_cli_find("up", NULL) };
    return pl_cli_parse(cli_, argc, argv, &err);
}

static void cli_parse__takes_values_in_both_forms(void **state)
{
    pl_cli c;
    char  *words[] = { strdup("--listen"), strdup("a:1"), strdup("--gateway=b:2"),
                       strdup("--no-selftest") };

    (void)state;
    assert_rc(parse(&c, words, 4), PL_OK);
    assert_int_equal(c.option_count, 3);
    assert_string_equal(c.option[0].name, "listen");
    assert_string_equal(c.option[0].value, "a:1");
    assert_string_equal(c.option[1].value, "b:2");
    assert_string_equal(c.option[2].value, "");
    assert_int_equal(c.ctx.argc, 0);
    free(words[0]);
    free(words[1]);
    free(words[2]);
    free(words[3]);
}

static void cli_parse__keeps_operands_in_order_and_dash_as_one(void **state)
{
    pl_cli   c = { .cmd = pl_cli_find("pack", "lint") };
    char     a[] = "one", b[] = "--json", d[] = "-", e[] = "--", f[] = "--two";
    char    *words[] = { a, b, d, e, f };
    pl_error err;

    (void)state;
    assert_non_null(c.cmd);
    assert_rc(pl_cli_parse(&c, 5, words, &err), PL_OK);
    assert_int_equal(c.ctx.argc, 3);
    assert_string_equal(c.ctx.argv[0], "one");
    assert_string_equal(c.ctx.argv[1], "-");
    assert_string_equal(c.ctx.argv[2], "--two");
    assert_true(c.ctx.json);
}

static void cli_exit_code__is_one_table(void **state)
{
    (void)state;
    assert_int_equal(pl_cli_exit_code(PL_OK), 0);
    assert_int_equal(pl_cli_exit_code(PL_NOTFOUND), 4);
    assert_int_equal(pl_cli_exit_code(PL_INVALID), 4);
    assert_int_equal(pl_cli_exit_code(PL_LIMIT), 4);
    assert_int_equal(pl_cli_exit_code(PL_FULL), pl_cli_exit_code(PL_IO));
    assert_int_equal(pl_cli_exit_code(PL_CONFLICT), 5);
    assert_int_equal(pl_cli_exit_code(PL_DENIED), 5);
    assert_int_equal(pl_cli_exit_code(PL_IO), 5);
    assert_int_equal(pl_cli_exit_code(PL_NOMEM), 5);
}

static void cli__reports_output_that_cannot_be_written(void **state)
{
    FILE  *full = fopen("/dev/full", "w");
    char  *text = NULL;
    size_t n;
    FILE  *err = open_memstream(&text, &n);
    char   a[] = "plumbline", b[] = "version";
    char  *argv[] = { a, b };

    (void)state;
    assert_non_null(full);
    assert_int_equal(pl_cli_main(2, argv, full, err), PL_EXIT_FAILED);
    fclose(err);
    fclose(full);
    assert_in(text, "cannot write the output");
    free(text);
}

static void cli_call__says_how_to_start_the_daemon(void **state)
{
    run r = cli("guard", "status", "--dir", "/nonexistent/x", NULL);

    (void)state;
    assert_int_equal(r.code, PL_EXIT_FAILED);
    assert_in(r.err, "plumblined is not running");
    assert_in(r.err, "plumbline up --dir");
    done(&r);
}

/* --- packs, whose data directory is the source tree here ----------------------------- */

static json_t *json_of(const char *text)
{
    json_t  *j = NULL;
    pl_error err = { 0 };

    assert_ok(pl_json_parse((pl_str){ text, strlen(text) }, "out", &j, &err), &err);
    return j;
}

static void pack_list__shows_what_is_installed(void **state)
{
    run     r = cli("pack", "list", "--json", NULL);
    json_t *j = json_of(r.out), *list = json_object_get(j, "packs"), *p = NULL, *one;
    size_t  i;

    (void)state;
    assert_int_equal(r.code, 0);
    json_array_foreach(list, i, one)
        if (strcmp(json_string_value(json_object_get(one, "id")), "lexicon-starter") == 0)
            p = one;
    assert_non_null(p);
    assert_non_null(json_object_get(p, "digest"));
    json_decref(j);
    done(&r);
    r = cli("pack", "list", "--lang", "zh", NULL);
    assert_in(r.out, "lexicon-starter@");
    assert_in(r.out, "入门词库");
    done(&r);
}

static void pack_show__tells_sources_and_entries(void **state)
{
    run     r = cli("pack", "show", "lexicon-starter", NULL);
    json_t *j;

    (void)state;
    assert_int_equal(r.code, 0);
    assert_in(r.out, "[P] own");
    assert_in(r.out, "harm.weapons");
    done(&r);
    r = cli("pack", "show", "lexicon-starter", "--json", NULL);
    j = json_of(r.out);
    assert_true(json_integer_value(json_object_get(
                    json_object_get(json_object_get(j, "entries"), "harm.fraud"), "zh")) >= 15);
    assert_int_equal(json_array_size(json_object_get(j, "files")), 13); /* ten classes, three more */
    json_decref(j);
    done(&r);
    r = cli("pack", "show", "no-such-pack", NULL);
    assert_int_equal(r.code, PL_EXIT_BAD_INPUT);
    done(&r);
}

static void pack_lint__exits_by_what_it_finds(void **state)
{
    run     r = cli("pack", "lint", PL_TEST_SOURCE_ROOT "/packs/lexicon-starter", NULL);
    char   *dir = pl_test_mkdtemp();
    json_t *j;

    (void)state;
    assert_int_equal(r.code, 0);
    assert_in(r.out, "errors 0, warnings 0");
    done(&r);
    r = cli("pack", "lint", dir, NULL);
    assert_int_equal(r.code, PL_EXIT_FOUND);
    assert_in(r.out, "pack.yaml: error: missing");
    done(&r);
    r = cli("pack", "lint", dir, "--json", NULL);
    assert_int_equal(r.code, PL_EXIT_FOUND);
    j = json_of(r.out);
    assert_true(json_is_false(json_object_get(j, "ok")));
    json_decref(j);
    done(&r);
    r = cli("pack", "lint", "/nonexistent", NULL);
    assert_int_equal(r.code, PL_EXIT_BAD_INPUT);
    done(&r);
    pl_test_rmtree(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(cli__without_words_shows_help_and_fails, setup),
        cmocka_unit_test_setup(cli_help__lists_commands_of_host_and_capabilities, setup),
        cmocka_unit_test_setup(cli_help__of_a_command_shows_options_and_example, setup),
        cmocka_unit_test_setup(cli_help__of_a_noun_lists_its_verbs_only, setup),
        cmocka_unit_test_setup(cli_version__is_text_or_json, setup),
        cmocka_unit_test_setup(cli__says_what_was_meant, setup),
        cmocka_unit_test_setup(cli__refuses_wrong_options_and_operands, setup),
        cmocka_unit_test_setup(cli_json__makes_errors_json_on_stderr, setup),
        cmocka_unit_test_setup(cli_lang__follows_option_then_variable_then_locale, setup),
        cmocka_unit_test_setup(cli_commands__are_described_in_both_languages, setup),
        cmocka_unit_test_setup(cli_parse__takes_values_in_both_forms, setup),
        cmocka_unit_test_setup(cli_parse__keeps_operands_in_order_and_dash_as_one, setup),
        cmocka_unit_test_setup(cli_exit_code__is_one_table, setup),
        cmocka_unit_test_setup(cli__reports_output_that_cannot_be_written, setup),
        cmocka_unit_test_setup(cli_call__says_how_to_start_the_daemon, setup),
        cmocka_unit_test_setup(pack_list__shows_what_is_installed, setup),
        cmocka_unit_test_setup(pack_show__tells_sources_and_entries, setup),
        cmocka_unit_test_setup(pack_lint__exits_by_what_it_finds, setup),
    };

    setenv("PLUMBLINE_DATADIR", PL_TEST_SOURCE_ROOT, 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
