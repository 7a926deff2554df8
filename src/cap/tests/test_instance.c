#include "base/banned.h"

#include "base/file.h"
#include "base/id.h"
#include "base/str.h"
#include "cap/instance.h"
#include "pl_test.h"

#include <sys/stat.h>
#include <unistd.h>

#define DEFAULTS PL_TEST_SOURCE_ROOT "/share/defaults"
#define NOW      1790000000000LL

typedef struct fx {
    char       *base;      /* temporary directory */
    char        dir[300];  /* the instance in it */
    pl_instance inst;
    pl_error    err;
} fx;

static int setup(void **state)
{
    fx *f = calloc(1, sizeof *f);

    f->base = pl_test_mkdtemp();
    snprintf(f->dir, sizeof f->dir, "%s/inst", f->base);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fx *f = *state;

    pl_test_rmtree(f->base);
    free(f);
    return 0;
}

static pl_rc create(fx *f)
{
    pl_instance_options o = { .dir = f->dir };

    return pl_instance_create(&o, DEFAULTS, NOW, &f->err);
}

static char *path_in(fx *f, const char *rel)
{
    static char path[600];

    snprintf(path, sizeof path, "%s/%s", f->dir, rel);
    return path;
}

static mode_t mode_of(const char *path)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 0777;
}

/* Replaces `from` (must be there) by `to` in the configuration. */
static void config_edit(fx *f, const char *from, const char *to)
{
    char  *text = NULL, *at;
    size_t n = 0;
    pl_buf out = PL_BUF_INIT(1u << 20);

    assert_ok(pl_file_read(path_in(f, "plumbline.yaml"), 1u << 20, &text, &n, &f->err), &f->err);
    at = strstr(text, from);
    if (at == NULL)
        fail_msg("'%s' is not in the configuration", from);
    pl_buf_put(&out, (pl_str){ text, (size_t)(at - text) });
    pl_buf_puts(&out, to);
    pl_buf_puts(&out, at + strlen(from));
    assert_ok(pl_file_write_atomic(path_in(f, "plumbline.yaml"), pl_buf_str(&out), 0640, &f->err),
              &f->err);
    pl_buf_done(&out);
    free(text);
}

static void assert_open_says(fx *f, pl_rc rc, const char *part)
{
    assert_rc(pl_instance_open(f->dir, &f->inst, &f->err), rc);
    if (strstr(f->err.text, part) == NULL)
        fail_msg("'%s' is not in '%s'", part, f->err.text);
}

/* --- creation -------------------------------------------------------------------------- */

static void instance_create__gives_what_open_reads(void **state)
{
    fx  *f = *state;
    char want[400];

    assert_ok(create(f), &f->err);
    assert_ok(pl_instance_open(f->dir, &f->inst, &f->err), &f->err);
    assert_string_equal(f->inst.dir, f->dir);
    assert_true(pl_id_valid(pl_str_z(f->inst.id)));
    snprintf(want, sizeof want, "plumbline.local/%s", f->inst.id);
    assert_string_equal(f->inst.origin, want);
    assert_string_equal(f->inst.service, "default");
    snprintf(want, sizeof want, "sqlite:%s/state.db", f->dir);
    assert_string_equal(f->inst.database, want);
    assert_string_equal(f->inst.upstream, "");
    assert_string_equal(f->inst.lang, "en");
    assert_int_equal(f->inst.max_body, 4 << 20);
    assert_int_equal(f->inst.max_response, 8 << 20);
    assert_int_equal(f->inst.retention_days, 184);
}

static void instance_create__takes_options_into_the_file(void **state)
{
    fx                 *f = *state;
    pl_instance_options o = { .dir = f->dir,
                              .upstream = "https://models.example:8443/openai/v1;weight=2,https://models.example/openai/v1;backup",
                              .listen = "[::1]:9000",
                              .gateway = "0.0.0.0:9001",
                              .database = "postgresql://db/plumbline",
                              .service = "svc.chat-1" };

    assert_ok(pl_instance_create(&o, DEFAULTS, NOW, &f->err), &f->err);
    assert_ok(pl_instance_open(f->dir, &f->inst, &f->err), &f->err);
    assert_string_equal(f->inst.upstream, o.upstream);
    assert_string_equal(f->inst.listen, o.listen);
    assert_string_equal(f->inst.gateway, o.gateway);
    assert_string_equal(f->inst.database, o.database);
    assert_string_equal(f->inst.service, o.service);
}

static void instance_create__refuses_bad_options_and_leaves_nothing(void **state)
{
    fx                 *f = *state;
    pl_instance_options bad[] = {
        { .dir = f->dir, .listen = "8080" },
        { .dir = f->dir, .gateway = "127.0.0.1:0" },
        { .dir = f->dir, .gateway = "127.0.0.1:70000" },
        { .dir = f->dir, .upstream = "ftp://x" },
        { .dir = f->dir, .upstream = "http://x/;}" },
        { .dir = f->dir, .upstream = "http://x\n.y" },
        { .dir = f->dir, .upstream = "http://x, http://y" },
        { .dir = f->dir, .service = "has blank" },
        { .dir = f->dir, .database = "mysql://x" },
        { .dir = f->dir, .listen = "127.0.0.1:8421" }, /* the gateway's default */
    };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (pl_instance_create(&bad[i], DEFAULTS, NOW, &f->err) != PL_INVALID)
            fail_msg("case %zu was accepted", i);
        assert_int_equal(access(f->dir, F_OK), -1);
    }
    assert_int_equal(rmdir(f->base), 0); /* not even a temporary directory stayed */
    assert_int_equal(mkdir(f->base, 0700), 0);
}

static void instance_create__keeps_keys_private(void **state)
{
    fx     *f = *state;
    uint8_t a[32], b[32];

    assert_ok(create(f), &f->err);
    assert_int_equal(mode_of(path_in(f, "keys")), 0700);
    assert_int_equal(mode_of(path_in(f, "keys/ledger.key")), 0600);
    assert_int_equal(mode_of(path_in(f, "keys/index.key")), 0600);
    assert_ok(pl_instance_open(f->dir, &f->inst, &f->err), &f->err);
    assert_ok(pl_instance_key(&f->inst, "ledger.key", a, &f->err), &f->err);
    assert_ok(pl_instance_key(&f->inst, "index.key", b, &f->err), &f->err);
    assert_memory_not_equal(a, b, 32);
}

static void instance_create__fills_an_empty_directory(void **state)
{
    fx *f = *state;

    assert_int_equal(mkdir(f->dir, 0755), 0);
    assert_ok(create(f), &f->err);
    assert_ok(pl_instance_open(f->dir, &f->inst, &f->err), &f->err);
}

static void instance_create__refuses_what_exists(void **state)
{
    fx *f = *state;

    assert_ok(create(f), &f->err);
    assert_rc(create(f), PL_CONFLICT);
    assert_non_null(strstr(f->err.text, "exists already"));
}

static void instance_create__refuses_foreign_directories(void **state)
{
    fx *f = *state;

    assert_int_equal(mkdir(f->dir, 0755), 0);
    assert_ok(pl_file_write_atomic(path_in(f, "photo.jpg"), PL_STR("x"), 0644, &f->err), &f->err);
    assert_rc(create(f), PL_CONFLICT);
    assert_non_null(strstr(f->err.text, "--dir"));
    assert_int_equal(access(path_in(f, "photo.jpg"), F_OK), 0);
}

static void instance_create__refuses_paths_too_long_for_sockets(void **state)
{
    fx                 *f = *state;
    char                dir[300];
    pl_instance_options o = { .dir = dir };

    snprintf(dir, sizeof dir, "%s/%0120d", f->base, 7);
    assert_rc(pl_instance_create(&o, DEFAULTS, NOW, &f->err), PL_INVALID);
    assert_non_null(strstr(f->err.text, "too long"));
}

/* --- opening --------------------------------------------------------------------------- */

static void instance_open__tells_absent_from_half_made(void **state)
{
    fx *f = *state;

    assert_open_says(f, PL_NOTFOUND, "plumbline up");
    assert_int_equal(mkdir(f->dir, 0755), 0);
    assert_open_says(f, PL_NOTFOUND, "plumbline up");
    assert_int_equal(mkdir(path_in(f, "keys"), 0700), 0);
    assert_open_says(f, PL_INVALID, "half-made");
    assert_rc(create(f), PL_CONFLICT);
}

static void instance_open__names_a_missing_part(void **state)
{
    fx *f = *state;

    assert_ok(create(f), &f->err);
    assert_int_equal(rmdir(path_in(f, "gateway")), 0);
    assert_open_says(f, PL_INVALID, "'gateway/' is missing");
}

static void instance_open__names_line_and_column_of_an_unknown_key(void **state)
{
    fx  *f = *state;
    char want[700];

    assert_ok(create(f), &f->err);
    assert_ok(pl_file_write_atomic(path_in(f, "plumbline.yaml"), PL_STR("id: x\ngateway:\n  lisen: y\n"),
                                   0640, &f->err), &f->err);
    snprintf(want, sizeof want, "%s/plumbline.yaml:3:3: unknown key 'gateway/lisen'", f->dir);
    assert_open_says(f, PL_INVALID, want);
}

static void instance_open__rejects_bad_values(void **state)
{
    static const struct {
        const char *from, *to, *says;
    } cases[] = {
        { "lang: en", "lang: fr", "'lang' must be 'en' or 'zh-CN'" },
        { "lang: en", "lang: [en]", "'lang' must be a string" },
        { "lang: en", "", "missing key 'lang'" },
        { "retention_days: 184", "retention_days: 0", "from 1 to 36500" },
        { "retention_days: 184", "retention_days: \"184\"", "from 1 to 36500" },
        { "max_body: 4MiB", "max_body: 4GiB", "KiB and MiB" },
        { "max_body: 4MiB", "max_body: 99999999999999999999MiB", "KiB and MiB" },
        { "max_body: 4MiB", "max_body: 999999MiB", "KiB and MiB" },
        { "max_body: 4MiB", "max_body: 10", "KiB and MiB" },
        { "upstream: \"\"", "upstream: \"http://a b\"", "'gateway/upstream' may not hold" },
        { "upstream_ca: \"\"", "upstream_ca: ca.pem", "absolute path" },
        { "lang: en", "lang: en\nlang: en", "duplicate" },
        { "gateway:", "gateway: 7\nx:", "unknown key" },
    };
    fx *f = *state;

    assert_ok(create(f), &f->err);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char  *text = NULL;
        size_t n = 0;

        assert_ok(pl_file_read(path_in(f, "plumbline.yaml"), 1u << 20, &text, &n, &f->err), &f->err);
        config_edit(f, cases[i].from, cases[i].to);
        assert_open_says(f, PL_INVALID, cases[i].says);
        assert_ok(pl_file_write_atomic(path_in(f, "plumbline.yaml"), (pl_str){ text, n }, 0640,
                                       &f->err), &f->err);
        free(text);
    }
}

static void instance_open__reads_every_setting(void **state)
{
    fx *f = *state;

    assert_ok(create(f), &f->err);
    config_edit(f, "lang: en", "lang: zh-CN");
    config_edit(f, "retention_days: 184", "retention_days: 400");
    config_edit(f, "max_body: 4MiB", "max_body: 64KiB");
    config_edit(f, "max_response: 8MiB", "max_response: 70000");
    config_edit(f, "upstream_ca: \"\"", "upstream_ca: /etc/ca.pem");
    config_edit(f, "sqlite:state.db", "sqlite:/var/x.db");
    assert_ok(pl_instance_open(f->dir, &f->inst, &f->err), &f->err);
    assert_string_equal(f->inst.lang, "zh-CN");
    assert_int_equal(f->inst.retention_days, 400);
    assert_int_equal(f->inst.max_body, 65536);
    assert_int_equal(f->inst.max_response, 70000);
    assert_string_equal(f->inst.upstream_ca, "/etc/ca.pem");
    assert_string_equal(f->inst.database, "sqlite:/var/x.db");
}

/* --- keys ------------------------------------------------------------------------------ */

static void instance_key__refuses_files_open_to_others(void **state)
{
    fx     *f = *state;
    uint8_t key[32];

    assert_ok(create(f), &f->err);
    assert_ok(pl_instance_open(f->dir, &f->inst, &f->err), &f->err);
    assert_int_equal(chmod(path_in(f, "keys/index.key"), 0640), 0);
    assert_rc(pl_instance_key(&f->inst, "index.key", key, &f->err), PL_DENIED);
    assert_non_null(strstr(f->err.text, "chmod 600"));
}

static void instance_key__refuses_damaged_files(void **state)
{
    fx     *f = *state;
    uint8_t key[32];

    assert_ok(create(f), &f->err);
    assert_ok(pl_instance_open(f->dir, &f->inst, &f->err), &f->err);
    assert_ok(pl_file_write_atomic(path_in(f, "keys/index.key"), PL_STR("abc\n"), 0600, &f->err),
              &f->err);
    assert_rc(pl_instance_key(&f->inst, "index.key", key, &f->err), PL_INVALID);
    assert_int_equal(remove(path_in(f, "keys/index.key")), 0);
    assert_rc(pl_instance_key(&f->inst, "index.key", key, &f->err), PL_NOTFOUND);
}

static void instance_signer__verifies_under_the_instance_vkey(void **state)
{
    fx        *f = *state;
    pl_signer *s = NULL;
    pl_vkey    k;
    pl_sig     sig;

    assert_ok(create(f), &f->err);
    assert_ok(pl_instance_open(f->dir, &f->inst, &f->err), &f->err);
    assert_ok(pl_instance_signer(&f->inst, &s, &f->err), &f->err);
    assert_ok(pl_signer_sign(s, 0, PL_STR("message"), &sig, &f->err), &f->err);
    assert_ok(pl_instance_vkey(&f->inst, &k, &f->err), &f->err);
    assert_string_equal(k.name, f->inst.origin);
    assert_ok(pl_vkey_verify(&k, PL_STR("message"), (pl_str){ (const char *)sig.b, sig.n }, &f->err),
              &f->err);
    pl_signer_free(s);
}

static void instance_vkey__comes_from_the_ledger_without_a_key_file(void **state)
{
    fx        *f = *state;
    pl_signer *s = NULL;
    pl_vkey    k;
    char       text[512];

    assert_ok(create(f), &f->err);
    assert_ok(pl_instance_open(f->dir, &f->inst, &f->err), &f->err);
    assert_ok(pl_instance_signer(&f->inst, &s, &f->err), &f->err);
    assert_ok(pl_signer_vkey(s, text, sizeof text, &f->err), &f->err);
    pl_signer_free(s);
    assert_int_equal(remove(path_in(f, "keys/ledger.key")), 0);
    assert_rc(pl_instance_vkey(&f->inst, &k, &f->err), PL_NOTFOUND);
    assert_int_equal(mkdir(path_in(f, "ledger"), 0755), 0);
    assert_ok(pl_file_write_atomic(path_in(f, "ledger/vkey"), pl_str_z(text), 0644, &f->err),
              &f->err);
    assert_ok(pl_instance_vkey(&f->inst, &k, &f->err), &f->err);
    assert_string_equal(k.name, f->inst.origin);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(instance_create__gives_what_open_reads),
        T(instance_create__takes_options_into_the_file),
        T(instance_create__refuses_bad_options_and_leaves_nothing),
        T(instance_create__keeps_keys_private),
        T(instance_create__fills_an_empty_directory),
        T(instance_create__refuses_what_exists),
        T(instance_create__refuses_foreign_directories),
        T(instance_create__refuses_paths_too_long_for_sockets),
        T(instance_open__tells_absent_from_half_made),
        T(instance_open__names_a_missing_part),
        T(instance_open__names_line_and_column_of_an_unknown_key),
        T(instance_open__rejects_bad_values),
        T(instance_open__reads_every_setting),
        T(instance_key__refuses_files_open_to_others),
        T(instance_key__refuses_damaged_files),
        T(instance_signer__verifies_under_the_instance_vkey),
        T(instance_vkey__comes_from_the_ledger_without_a_key_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
