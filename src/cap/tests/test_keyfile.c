/* Keys at rest. */
#include "pl_test.h"

#include "base/file.h"
#include "base/str.h"
#include "cap/keyfile.h"

#include <fcntl.h>
#include <sys/stat.h>

typedef struct fx {
    char    *tmp;
    char     path[300];
    pl_error err;
} fx;

static int setup(void **state)
{
    fx *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    f->tmp = pl_test_mkdtemp();
    (void)snprintf(f->path, sizeof f->path, "%s/k.key", f->tmp);
    (void)unsetenv(PL_PASSPHRASE_ENV);
    (void)unsetenv(PL_PASSPHRASE_FD_ENV);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fx *f = *state;

    pl_test_rmtree(f->tmp);
    free(f);
    return 0;
}

static void content(const fx *f, char out[PL_KEYFILE_MAX])
{
    char  *text = NULL;
    size_t n = 0;

    assert_rc(pl_file_read(f->path, PL_KEYFILE_MAX - 1, &text, &n, NULL), PL_OK);
    memcpy(out, text, n + 1);
    free(text);
}

static void new__makes_a_private_file_that_signs(void **state)
{
    static const pl_key_alg algs[] = { PL_KEY_ED25519, PL_KEY_P256, PL_KEY_SM2 };
    fx *f = *state;

    for (size_t i = 0; i < 3; i++) {
        pl_signer  *s = NULL;
        pl_sig      sig;
        struct stat st;

        (void)unlink(f->path);
        assert_ok(pl_keyfile_new(f->path, PL_STR("k.example"), algs[i], &f->err), &f->err);
        assert_int_equal(stat(f->path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        assert_ok(pl_keyfile_signer(f->path, "", &s, &f->err), &f->err);
        assert_int_equal(pl_signer_key(s, 0)->alg, algs[i]);
        assert_string_equal(pl_signer_key(s, 0)->name, "k.example");
        assert_ok(pl_signer_sign(s, 0, PL_STR("m"), &sig, &f->err), &f->err);
        pl_signer_free(s);
        assert_rc(pl_keyfile_new(f->path, PL_STR("k.example"), algs[i], &f->err), PL_CONFLICT);
    }
}

static void signer__refuses_files_others_may_read(void **state)
{
    fx        *f = *state;
    pl_signer *s = NULL;

    assert_ok(pl_keyfile_new(f->path, PL_STR("k"), PL_KEY_ED25519, &f->err), &f->err);
    assert_int_equal(chmod(f->path, 0640), 0);
    assert_rc(pl_keyfile_signer(f->path, "", &s, &f->err), PL_DENIED);
    assert_non_null(strstr(f->err.text, "chmod 600"));
}

static void signer__reads_files_of_the_first_version(void **state)
{
    fx        *f = *state;
    pl_signer *s = NULL;
    char       text[PL_VKEY_TEXT_MAX];

    /* The seed and key of docs/formats/ledger.md. */
    assert_rc(pl_file_write_atomic(
                  f->path,
                  PL_STR("1111111111111111111111111111111111111111111111111111111111111111\n"),
                  0600, NULL),
              PL_OK);
    assert_ok(pl_keyfile_signer(f->path, "plumbline.example/ledger", &s, &f->err), &f->err);
    assert_ok(pl_signer_vkey(s, text, sizeof text, &f->err), &f->err);
    assert_string_equal(
        text, "plumbline.example/ledger+3d396d79+AdBKsjJ0K7SrOhNovUYV5ObQIkq3GgFrr4UgozLJd4c3");
    pl_signer_free(s);
    assert_rc(pl_keyfile_signer(f->path, "", &s, &f->err), PL_INVALID);
}

static void passphrase__keeps_the_secret_from_the_file(void **state)
{
    fx             *f = *state;
    pl_signer      *s = NULL;
    pl_keyfile_info info;
    uint8_t         secret[32];
    char            text[PL_KEYFILE_MAX];

    memset(secret, 0x5a, sizeof secret);
    assert_ok(pl_keyfile_write(f->path, PL_STR("k"), PL_KEY_SM2, secret, PL_STR("open sesame"),
                               &f->err),
              &f->err);
    content(f, text);
    assert_null(strstr(text, "5a5a5a5a"));
    assert_null(strstr(text, "WlpaWlpa"));
    assert_ok(pl_keyfile_info_read(f->path, &info, &f->err), &f->err);
    assert_true(info.is_encrypted);
    assert_rc(pl_keyfile_signer(f->path, "", &s, &f->err), PL_DENIED);
    assert_non_null(strstr(f->err.text, PL_PASSPHRASE_ENV));
    (void)setenv(PL_PASSPHRASE_ENV, "open sesamf", 1);
    assert_rc(pl_keyfile_signer(f->path, "", &s, &f->err), PL_DENIED);
    assert_null(strstr(f->err.text, "sesam"));
    (void)setenv(PL_PASSPHRASE_ENV, "open sesame", 1);
    assert_ok(pl_keyfile_signer(f->path, "", &s, &f->err), &f->err);
    assert_true(pl_vkey_equal(pl_signer_key(s, 0), &info.key));
    pl_signer_free(s);
}

/* Whoever may write the file must not turn the key into another. */
static void passphrase__covers_the_whole_file(void **state)
{
    fx        *f = *state;
    pl_signer *s = NULL;
    char       text[PL_KEYFILE_MAX], *at;
    uint8_t    secret[32];

    memset(secret, 0x5a, sizeof secret);
    (void)setenv(PL_PASSPHRASE_ENV, "p", 1);
    assert_ok(pl_keyfile_write(f->path, PL_STR("k"), PL_KEY_ED25519, secret, PL_STR("p"), &f->err),
              &f->err);
    content(f, text);
    at = strstr(text, "argon2id 3 ");
    at[9] = '4'; /* another amount of work: another wrapping key, and another header */
    assert_rc(pl_file_write_atomic(f->path, pl_str_z(text), 0600, NULL), PL_OK);
    assert_rc(pl_keyfile_signer(f->path, "", &s, &f->err), PL_DENIED);
    at[9] = '3';
    at = strstr(text, "secret: ") + 40;
    *at = *at == 'A' ? 'B' : 'A';
    assert_rc(pl_file_write_atomic(f->path, pl_str_z(text), 0600, NULL), PL_OK);
    assert_rc(pl_keyfile_signer(f->path, "", &s, &f->err), PL_DENIED);
}

static void passphrase__is_read_from_a_descriptor_once(void **state)
{
    fx    *f = *state;
    int    fd[2];
    char   number[16];
    pl_str p = PL_STR(""), again = PL_STR("");

    assert_int_equal(pipe(fd), 0);
    assert_int_equal(write(fd[1], "from a pipe\nrest", 16), 16);
    (void)close(fd[1]);
    (void)snprintf(number, sizeof number, "%d", fd[0]);
    (void)setenv(PL_PASSPHRASE_FD_ENV, number, 1);
    assert_ok(pl_passphrase(&p, &f->err), &f->err);
    assert_str(p, "from a pipe");
    assert_ok(pl_passphrase(&again, &f->err), &f->err);
    assert_str(again, "from a pipe");
    (void)close(fd[0]);
}

static void protect__encrypts_a_clear_file_and_opens_it_again(void **state)
{
    fx             *f = *state;
    pl_keyfile_info before, after;

    assert_ok(pl_keyfile_new(f->path, PL_STR("k"), PL_KEY_P256, &f->err), &f->err);
    assert_ok(pl_keyfile_info_read(f->path, &before, &f->err), &f->err);
    assert_ok(pl_keyfile_protect(f->path, "k", PL_STR("new"), &f->err), &f->err);
    assert_ok(pl_keyfile_info_read(f->path, &after, &f->err), &f->err);
    assert_true(after.is_encrypted && !before.is_encrypted);
    assert_true(pl_vkey_equal(&before.key, &after.key));
    (void)setenv(PL_PASSPHRASE_ENV, "new", 1);
    assert_ok(pl_keyfile_protect(f->path, "k", PL_STR(""), &f->err), &f->err);
    assert_ok(pl_keyfile_info_read(f->path, &after, &f->err), &f->err);
    assert_false(after.is_encrypted);
}

#define VKEY "plumbline.example/ledger+3d396d79+AdBKsjJ0K7SrOhNovUYV5ObQIkq3GgFrr4UgozLJd4c3"
#define HEAD "plumbline-key v1\nvkey: " VKEY "\n"
#define ONES "1111111111111111111111111111111111111111111111111111111111111111"

static void parse__refuses_everything_but_the_format(void **state)
{
    static const char *const bad[] = {
        "",
        "plumbline-key v2\nvkey: " VKEY "\nkdf: none\nsecret: " ONES "\n",
        HEAD "kdf: none\nsecret: " ONES,
        HEAD "kdf: none\nsecret: " ONES "\n\n",
        HEAD "kdf: none\nsecret: 11\n",
        HEAD "kdf: none\nsecret: AA" "11111111111111111111111111111111111111111111111111111111111111\n",
        HEAD "kdf: argon2id 3 65536 000102030405060708090A0b0c0d0e0f\nsecret: AAAA\n",
        HEAD "kdf: nine\nsecret: " ONES "\n",
        HEAD "kdf: argon2id 3 65536 00\nsecret: " ONES "\n",
        HEAD "kdf: argon2id 3 4294967296 000102030405060708090a0b0c0d0e0f\nsecret: " ONES "\n",
        HEAD "kdf: argon2id 99 65536 000102030405060708090a0b0c0d0e0f\nsecret: " ONES "\n",
        HEAD "kdf: argon2id 3 65536 000102030405060708090a0b0c0d0e0f\nsecret: AAAA\n",
        HEAD "kdf: token\nsecret: file:/etc/passwd\n",
        HEAD "secret: " ONES "\n",
        "plumbline-key v1\nvkey: k\nkdf: none\nsecret: " ONES "\n",
    };
    pl_keyfile k;

    (void)state;
    assert_rc(pl_keyfile_parse(PL_STR(HEAD "kdf: none\nsecret: " ONES "\n"), &k, NULL), PL_OK);
    assert_rc(pl_keyfile_parse(PL_STR(HEAD "kdf: token\nsecret: pkcs11:a=b\n"), &k, NULL), PL_OK);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (pl_keyfile_parse(pl_str_z(bad[i]), &k, NULL) == PL_OK)
            fail_msg("key file %zu was accepted", i);
}

/* A file whose public and secret parts do not belong together would sign as somebody else. */
static void signer__refuses_a_secret_of_another_key(void **state)
{
    fx        *f = *state;
    pl_signer *s = NULL;

    assert_rc(pl_file_write_atomic(f->path,
                                   PL_STR(HEAD "kdf: none\nsecret: 22" "11111111111111111111111111"
                                          "111111111111111111111111111111111111\n"),
                                   0600, NULL),
              PL_OK);
    assert_rc(pl_keyfile_signer(f->path, "", &s, &f->err), PL_INVALID);
    assert_non_null(strstr(f->err.text, "another key"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(new__makes_a_private_file_that_signs),
        T(signer__refuses_files_others_may_read),
        T(signer__reads_files_of_the_first_version),
        T(passphrase__keeps_the_secret_from_the_file),
        T(passphrase__covers_the_whole_file),
        T(protect__encrypts_a_clear_file_and_opens_it_again),
        T(parse__refuses_everything_but_the_format),
        T(signer__refuses_a_secret_of_another_key),
        T(passphrase__is_read_from_a_descriptor_once), /* last: it is remembered */
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
