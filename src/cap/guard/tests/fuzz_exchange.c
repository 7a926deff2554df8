/* A request and a stream from the same bytes. Property: where the cuts fall changes neither
 * verdict nor output, and a blocked phrase never leaves. */
#include "guard_fixture.h"

static pl_policy *policy;

static void run(const char *p, size_t n, size_t step, pl_buf *out, char verdict[16])
{
    static const char ask[] = "{\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}";
    pl_exchange      *x = fixture_exchange(policy);

    if (pl_exchange_request(x, PL_STR(ask)) != PL_EXCHANGE_FORWARD)
        abort();
    pl_exchange_response_begin(x, 200, PL_STR("text/event-stream"), PL_STR(""));
    for (size_t i = 0; i < n; i += step)
        pl_exchange_response_feed(x, (pl_str){ p + i, step < n - i ? step : n - i }, out, 1);
    pl_exchange_response_end(x, PL_END_COMPLETE, out, 2);
    snprintf(verdict, 16, "%s", pl_exchange_verdict(x));
    pl_exchange_free(x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pl_buf a = PL_BUF_INIT(64u << 20), b = PL_BUF_INIT(64u << 20);
    char   va[16], vb[16];

    if (!policy)
        policy = fixture_policy("pass", "true");
    if (size < 2 || size > 65536)
        return 0;
    pl_exchange *x = fixture_exchange(policy);
    pl_exchange_request(x, (pl_str){ (const char *)data, size });
    if (!pl_exchange_event(x, 1)->leaf.n)
        abort();
    pl_exchange_free(x);

    run((const char *)data + 1, size - 1, size, &a, va);
    run((const char *)data + 1, size - 1, data[0] % 17u + 1u, &b, vb);
    /* A CR and its LF may be cut apart: the LF then is not repeated. Compare without CRs. */
    if (strcmp(va, vb) != 0)
        abort();
    if (!memchr(data, '\r', size) && (a.n != b.n || (a.n && memcmp(a.p, b.p, a.n) != 0)))
        abort();
    pl_buf_done(&a);
    pl_buf_done(&b);
    return 0;
}
