/* A log with two histories that agree on their first leaves, and requests about it. */
#ifndef PL_WITNESS_TEST_H
#define PL_WITNESS_TEST_H

#include "pl_test.h"

#include "base/file.h"
#include "base/str.h"
#include "host/witness/witness_int.h"

#define WT_ORIGIN "plumbline.example/ledger"
#define WT_SIZE   64u
#define WT_COMMON 10u

typedef struct wt_fx {
    char       *tmp, *dir;
    pl_signer  *log, *other_log;
    pl_cosigner key;
    pl_witness *w;
    pl_error    err;
} wt_fx;

typedef enum wt_history { WT_TRUE, WT_FALSE } wt_history;

static inline pl_hash wt_leaf(wt_history h, uint64_t i)
{
    char text[64];
    int  n = snprintf(text, sizeof text, "%s-%llu", h == WT_FALSE && i >= WT_COMMON ? "x" : "p",
                      (unsigned long long)i);

    return pl_merkle_leaf((pl_str){ text, (size_t)n });
}

static inline pl_rc wt_node(void *ctx, unsigned height, uint64_t index, pl_hash *out, pl_error *err)
{
    pl_merkle_range r;

    (void)err;
    pl_merkle_range_init(&r);
    for (uint64_t i = index << height; i < (index + 1) << height; i++) {
        pl_hash leaf = wt_leaf(*(const wt_history *)ctx, i);

        pl_merkle_range_append(&r, &leaf);
    }
    *out = pl_merkle_range_root(&r);
    return PL_OK;
}

/* The body of add-checkpoint; the caller frees it. */
static inline pl_str wt_request(const pl_signer *s, const char *origin, wt_history h, uint64_t old,
                                uint64_t size)
{
    pl_merkle_source  src = { wt_node, &h };
    pl_checkpoint     c = { .size = size };
    pl_add_checkpoint r = { .old_size = old };
    char             *note = NULL, *out = NULL;
    size_t            n = 0;
    pl_error          err = { PL_OK, "" };

    (void)snprintf(c.origin, sizeof c.origin, "%s", origin);
    assert_ok(pl_merkle_root(&src, size, &c.root, &err), &err);
    assert_ok(pl_checkpoint_sign(&c, s, &note, &n, &err), &err);
    r.note = (pl_str){ note, n };
    if (old > 0 && old < size)
        assert_ok(pl_merkle_consistency(&src, old, size, &r.proof, &err), &err);
    assert_ok(pl_add_checkpoint_format(&r, &out, &n, &err), &err);
    free(note);
    return (pl_str){ out, n };
}

/* Status of the answer; its body is appended to `body` when that is not NULL. */
static inline int wt_ask_at(pl_witness *w, pl_str request, int64_t now_s, pl_buf *body)
{
    pl_witness_answer a;
    int               status;

    pl_witness_ask(w, request, now_s, &a);
    status = a.status;
    if (body != NULL) {
        pl_buf_clear(body);
        pl_buf_put(body, pl_buf_str(&a.body));
    }
    pl_witness_answer_done(&a);
    free((void *)(uintptr_t)request.p);
    return status;
}

static inline int wt_ask(wt_fx *f, wt_history h, uint64_t old, uint64_t size)
{
    return wt_ask_at(f->w, wt_request(f->log, WT_ORIGIN, h, old, size), 1790000000, NULL);
}

static inline pl_signer *wt_signer(const char *name, uint8_t fill)
{
    uint8_t    seed[32];
    pl_signer *s = NULL;

    memset(seed, fill, sizeof seed);
    assert_rc(pl_signer_new(pl_str_z(name), seed, &s, NULL), PL_OK);
    return s;
}

static inline void wt_trust(wt_fx *f, const pl_signer *log)
{
    char vkey[512];

    assert_ok(pl_signer_vkey(log, vkey, sizeof vkey, &f->err), &f->err);
    assert_ok(pl_witness_trust(f->dir, pl_str_z(vkey), &f->err), &f->err);
}

static inline void wt_open(wt_fx *f)
{
    assert_ok(pl_witness_open(f->dir, &f->w, &f->err), &f->err);
}

static inline void wt_close(wt_fx *f)
{
    pl_witness_close(f->w);
    f->w = NULL;
}

static inline int wt_setup(void **state)
{
    wt_fx *f = calloc(1, sizeof *f);

    assert_non_null(f);
    f->tmp = pl_test_mkdtemp();
    f->dir = pl_path_join(f->tmp, "witness");
    f->log = wt_signer(WT_ORIGIN, 0x11);
    f->other_log = wt_signer("other.example/log", 0x12);
    assert_ok(pl_witness_create(f->dir, PL_STR("witness.example/w1"), &f->err), &f->err);
    wt_trust(f, f->log);
    wt_trust(f, f->other_log);
    wt_open(f);
    assert_ok(pl_cosigner_parse(pl_str_z(pl_witness_vkey(f->w)), &f->key, &f->err), &f->err);
    *state = f;
    return 0;
}

static inline int wt_teardown(void **state)
{
    wt_fx *f = *state;

    wt_close(f);
    pl_signer_free(f->log);
    pl_signer_free(f->other_log);
    free(f->dir);
    pl_test_rmtree(f->tmp);
    free(f);
    return 0;
}
#endif
