/* A request, a whole answer and a stream of any surface from the same bytes. Properties: where
 * the cuts fall changes neither verdict nor output; a blocked phrase never leaves, and none that a guard
 * model finds unsafe; what it finds safe leaves as if nobody had asked; every line that leaves a JSON stream
 * is JSON. */
#include "guard_fixture.h"

#include "base/jsonscan.h"

#define PHRASE "\xe7\xa6\x81\xe7\x94\xa8\xe6\xb5\x8b\xe8\xaf\x95\xe8\xaf\x8d"

static pl_policy *policy, *asking, *logging;

static const char *const asks[] = {
    "{\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
    "{\"stream\":true,\"prompt\":\"x\"}",
    "{\"stream\":true,\"input\":\"x\"}",
    "{\"input\":\"x\"}",
    "{\"stream\":true,\"prompt\":\"x\"}",
    "{\"input\":\"x\"}",
    "{\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
    "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
    "{\"prompt\":\"x\"}",
};
#define SURFACES (sizeof asks / sizeof asks[0])

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void never_leaves(pl_str out)
{
    check(out.n == 0 || !memmem(out.p, out.n, PHRASE, sizeof PHRASE - 1));
}

static bool is_json(pl_str s)
{
    pl_jsonscan j;
    pl_jsontok  t;
    pl_rc       rc;

    pl_jsonscan_init(&j, s);
    while ((rc = pl_jsonscan_next(&j, &t, NULL)) == PL_OK && t.type != PL_JT_END)
        ;
    return rc == PL_OK;
}

/* Answers what is asked, at once or when a few more pieces have come. */
static void answer(pl_exchange *x, pl_opinion o, bool last, size_t *late, pl_buf *out)
{
    while (pl_exchange_asks(x) && (last || ++*late % 3 == 0))
        pl_exchange_answer_opinion(x, o, out, 1);
}

static void run_with(pl_policy *p_of, pl_opinion o, size_t surface, bool whole, const char *p, size_t n, size_t step,
                     pl_buf *out, char verdict[16])
{
    size_t            late = 0;
    const pl_surface *s = pl_surface_each(surface);
    pl_exchange      *x = fixture_exchange_at(p_of, pl_surface_route(s));
    const char       *type = whole                                  ? "application/json"
                             : pl_surface_route(s)[1] == 'a' ? "application/x-ndjson"
                                                                    : "text/event-stream";

    check(pl_exchange_request(x, pl_str_z(asks[surface])) == PL_EXCHANGE_FORWARD);
    pl_exchange_response_begin(x, 200, pl_str_z(type), PL_STR(""));
    for (size_t i = 0; i < n; i += step) {
        pl_exchange_response_feed(x, (pl_str){ p + i, step < n - i ? step : n - i }, out, 1);
        answer(x, o, false, &late, out);
    }
    pl_exchange_response_end(x, PL_END_COMPLETE, out, 2);
    answer(x, o, true, &late, out);
    check(pl_exchange_ended(x));
    if (pl_exchange_body(x).n) {
        if (o == PL_OPINION_UNSAFE)
            never_leaves(pl_exchange_body(x));
        if (strcmp(pl_exchange_content_type(x), "application/json") == 0)
            check(is_json(pl_exchange_body(x)));
    }
    check(pl_exchange_event(x, 3)->leaf.n > 0);
    snprintf(verdict, 16, "%s", pl_exchange_verdict(x));
    if (p_of != policy && whole) /* the reply of a whole answer counts as what left */
        pl_buf_put(out, pl_exchange_body(x));
    pl_exchange_free(x);
}

static void run(size_t surface, bool whole, const char *p, size_t n, size_t step, pl_buf *out, char verdict[16])
{
    run_with(policy, PL_OPINION_UNSAFE, surface, whole, p, n, step, out, verdict);
}

#define DIGEST " digest="

/* Records differ in what was asked, and so do their digests. */
static void forget_digests(pl_buf *b)
{
    char *at = b->p;

    while (b->n && (at = memmem(at, (size_t)(b->p + b->n - at), DIGEST, sizeof DIGEST - 1)) != NULL) {
        at += sizeof DIGEST - 1;
        for (int i = 0; i < 64 && at < b->p + b->n; i++)
            *at++ = 'x';
    }
}

/* Cuts, words of the guard model and their delay. */
static void opinions(size_t surface, bool whole, const char *p, size_t n, size_t step, pl_buf *a, pl_buf *b)
{
    char va[16], vb[16];

    pl_buf_clear(a);
    pl_buf_clear(b);
    run_with(asking, PL_OPINION_UNSAFE, surface, whole, p, n, step, a, va);
    never_leaves(pl_buf_str(a));
    pl_buf_clear(a);
    run_with(asking, PL_OPINION_SAFE, surface, whole, p, n, step, a, va);
    run_with(logging, PL_OPINION_SAFE, surface, whole, p, n, step, b, vb);
    forget_digests(a);
    forget_digests(b);
    check(strcmp(va, vb) == 0);
    /* What waits is joined, and with it a CR and its LF: see below. */
    if (!memchr(p, '\r', n) && (n == 0 || !memmem(p, n, DIGEST, sizeof DIGEST - 1)))
        check(a->n == b->n && (a->n == 0 || memcmp(a->p, b->p, a->n) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pl_buf      a = PL_BUF_INIT(64u << 20), b = PL_BUF_INIT(64u << 20);
    char        va[16], vb[16];
    const char *p = (const char *)data + 2;
    size_t      surface, n = size - 2;

    if (!policy) {
        policy = fixture_policy("pass", "true");
        asking = fixture_policy_cell("pass", "true", PL_CELL_OPINION | PL_CELL_OPEN | PL_ACTION_LOG);
        logging = fixture_policy_cell("pass", "true", PL_CELL_OPEN | PL_ACTION_LOG);
    }
    if (size < 3 || size > 65536)
        return 0;
    surface = data[1] % SURFACES;
    pl_exchange *x = fixture_exchange_at(policy, pl_surface_route(pl_surface_each(surface)));
    pl_exchange_request(x, (pl_str){ p, n });
    check(pl_exchange_event(x, 1)->leaf.n > 0);
    never_leaves(pl_exchange_body(x));
    pl_exchange_free(x);

    run(surface, true, p, n, n, &a, va);
    pl_buf_clear(&a);
    run(surface, false, p, n, n, &a, va);
    run(surface, false, p, n, data[0] % 17u + 1u, &b, vb);
    check(strcmp(va, vb) == 0);
    never_leaves(pl_buf_str(&a));
    /* A CR and its LF may be cut apart: the LF then is not repeated. Compare without CRs. */
    if (!memchr(data, '\r', size))
        check(a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0));
    opinions(surface, data[0] & 64, p, n, data[0] % 17u + 1u, &a, &b);
    pl_buf_done(&a);
    pl_buf_done(&b);
    return 0;
}
