/* Shared by the tests of the ledger: a key, a folder, statements to append. */
#ifndef PL_LEDGER_TEST_H
#define PL_LEDGER_TEST_H

#include "pl_test.h"

#include "base/file.h"
#include "base/str.h"
#include "cap/ledger/ledger_int.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LT_ORIGIN "plumbline.example/ledger"

typedef struct lt_fx {
    char      *tmp; /* everything is below it */
    char      *dir; /* of the ledger          */
    pl_signer *signer;
    pl_vkey    key;
    pl_ledger *l;
    pl_error   err;
} lt_fx;

static inline pl_signer *lt_signer(const char *name, uint8_t fill, pl_vkey *key)
{
    uint8_t    seed[32];
    pl_signer *s = NULL;
    char       text[512];

    memset(seed, fill, sizeof(seed));
    assert_rc(pl_signer_new(pl_str_z(name), seed, &s, NULL), PL_OK);
    assert_rc(pl_signer_vkey(s, text, sizeof(text), NULL), PL_OK);
    assert_rc(pl_vkey_parse(pl_str_z(text), key, NULL), PL_OK);
    return s;
}

static inline void lt_open(lt_fx *f)
{
    assert_ok(pl_ledger_open(f->dir, f->signer, &f->l, &f->err), &f->err);
}

static inline void lt_close(lt_fx *f)
{
    pl_ledger_close(f->l);
    f->l = NULL;
}

static inline void lt_reopen(lt_fx *f)
{
    lt_close(f);
    lt_open(f);
}

/* A folder without a log yet. */
static inline int lt_setup_bare(void **state)
{
    lt_fx *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    f->tmp = pl_test_mkdtemp();
    f->dir = pl_path_join(f->tmp, "ledger");
    f->signer = lt_signer(LT_ORIGIN, 0x11, &f->key);
    *state = f;
    return 0;
}

/* An empty log, open. */
static inline int lt_setup(void **state)
{
    lt_fx *f;

    lt_setup_bare(state);
    f = *state;
    assert_ok(pl_ledger_create(f->dir, PL_STR(LT_ORIGIN), f->signer, &f->err), &f->err);
    lt_open(f);
    return 0;
}

static inline int lt_teardown(void **state)
{
    lt_fx *f = *state;

    lt_close(f);
    pl_signer_free(f->signer);
    free(f->dir);
    pl_test_rmtree(f->tmp);
    free(f);
    return 0;
}

/* A signed statement about thing number i. The caller frees the bytes. */
static inline pl_str lt_statement(const pl_signer *s, unsigned i)
{
    char    subject[32];
    char   *env = NULL;
    size_t  n = 0;
    json_t *p = json_pack("{s:s, s:s}", "reason", "test", "time", "2026-11-22T12:00:00.000Z");
    uint8_t digest[32] = { (uint8_t)i };

    (void)snprintf(subject, sizeof(subject), "thing:%u", i);
    assert_rc(pl_statement_sign(s, pl_str_z(subject), digest, PL_PREDICATE("guard-stop"), p, &env,
                                &n, NULL),
              PL_OK);
    json_decref(p);
    return (pl_str){ env, n };
}

/* Appends statements [from, to) in one batch. */
static inline void lt_append(lt_fx *f, unsigned from, unsigned to)
{
    pl_str  *e = calloc(to - from, sizeof(*e));
    uint64_t first = 0;

    for (unsigned i = from; i < to; i++)
        e[i - from] = lt_statement(f->signer, i);
    assert_ok(pl_ledger_append(f->l, e, to - from, &first, &f->err), &f->err);
    assert_int_equal(first, from);
    for (unsigned i = from; i < to; i++)
        free((void *)(uintptr_t)e[i - from].p);
    free(e);
}

/* "plumbline-<i>", the entries of the reference log. */
static inline pl_str lt_plain(unsigned i, char buf[32])
{
    int n = snprintf(buf, 32, "plumbline-%u", i);

    return (pl_str){ buf, (size_t)n };
}

static inline void lt_append_plain(lt_fx *f, unsigned from, unsigned to)
{
    char(*text)[32] = calloc(to - from, sizeof(*text));
    pl_str  *e = calloc(to - from, sizeof(*e));
    uint64_t first = 0;

    for (unsigned i = from; i < to; i++)
        e[i - from] = lt_plain(i, text[i - from]);
    assert_ok(pl_ledger_append(f->l, e, to - from, &first, &f->err), &f->err);
    assert_int_equal(first, from);
    free(e);
    free(text);
}

static inline void lt_publish(lt_fx *f)
{
    assert_ok(pl_ledger_publish(f->l, &f->err), &f->err);
}

static inline void lt_assert_plain(const pl_ledger *l, unsigned i)
{
    char     buf[32], *bytes = NULL;
    size_t   n = 0;
    pl_error err = { PL_OK, "" };

    assert_ok(pl_ledger_entry(l, i, &bytes, &n, &err), &err);
    assert_str(lt_plain(i, buf), bytes);
    free(bytes);
}

/* Runs the verifier; problems must be exactly `problems`. Prints what it found. */
static inline uint64_t lt_assert_problems(const lt_fx *f, size_t problems)
{
    pl_ledger_report r;
    pl_error         err = { PL_OK, "" };
    uint64_t         size;

    assert_ok(pl_ledger_verify(f->dir, &f->key, &r, NULL, NULL, &err), &err);
    if (json_array_size(r.problems) != problems)
        for (size_t i = 0; i < json_array_size(r.problems) && i < 20; i++)
            print_message("problem: %s\n", json_string_value(json_array_get(r.problems, i)));
    assert_int_equal(json_array_size(r.problems), problems);
    size = r.size;
    pl_ledger_report_done(&r);
    return size;
}

static inline void lt_assert_sound(const lt_fx *f, uint64_t size)
{
    assert_int_equal(lt_assert_problems(f, 0), size);
}

static inline char *lt_path(const lt_fx *f, const char *rel)
{
    char *p = pl_path_join(f->dir, rel);

    assert_non_null(p);
    return p;
}

static inline bool lt_exists(const lt_fx *f, const char *rel)
{
    char *p = lt_path(f, rel);
    bool  is_there = access(p, F_OK) == 0;

    free(p);
    return is_there;
}

static inline pl_str lt_slurp(const lt_fx *f, const char *rel)
{
    char    *p = lt_path(f, rel), *bytes = NULL;
    size_t   n = 0;
    pl_error err = { PL_OK, "" };

    assert_ok(pl_file_read(p, 64u << 20, &bytes, &n, &err), &err);
    free(p);
    return (pl_str){ bytes, n };
}

static inline void lt_spit(const lt_fx *f, const char *rel, pl_str bytes)
{
    char *p = lt_path(f, rel);
    int   fd = open(p, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_true(write(fd, bytes.p, bytes.n) == (ssize_t)bytes.n);
    (void)close(fd);
    free(p);
}

static inline void lt_remove(const lt_fx *f, const char *rel)
{
    char *p = lt_path(f, rel);

    assert_int_equal(unlink(p), 0);
    free(p);
}

/* `make nightly` tries everything, other runs a part of it. */
static inline bool lt_is_nightly(void)
{
    return getenv("PL_NIGHTLY") != NULL;
}

static char *lt_memory;

static inline void lt_memory_drop(void)
{
    pl_test_rmtree(lt_memory);
    lt_memory = NULL;
}

/* Flushing costs milliseconds on a disk and nothing in memory; what these tests are about
 * does not depend on it. Without /dev/shm they use the usual place. */
static inline void lt_use_memory(void)
{
    if (access("/dev/shm", W_OK) != 0 || setenv("TMPDIR", "/dev/shm", 1) != 0)
        return;
    lt_memory = pl_test_mkdtemp();
    (void)setenv("TMPDIR", lt_memory, 1);
    (void)atexit(lt_memory_drop);
}
#endif
