/* Budgets of an exchange: counted when it begins, settled with what it took when its event is made. */
#include "base/banned.h"

#include "base/str.h"
#include "cap/guard/guard_int.h"

static const char *const per_names[] = { "subject", "key", "tenant", "all" };

const char *pl_budget_per_name(budget_per per)
{
    return per_names[per];
}

#define ONES 0x0101010101010101ull /* times a word of small bytes: their sum, in the highest byte */

/* A token is about four bytes of ASCII, or one character of anything else. In quarters; eight bytes at a time. */
uint64_t pl_tokens_quarters(pl_str s)
{
    uint64_t n = 0, word, high, first;
    size_t   i = 0;

    for (; i + 8 <= s.n; i += 8) {
        memcpy(&word, s.p + i, 8);
        high = word >> 7 & ONES;
        first = high & word >> 6; /* the first byte of a character */
        n += 8 - (high * ONES >> 56) + 4 * (first * ONES >> 56);
    }
    for (; i < s.n; i++) {
        uint8_t c = (uint8_t)s.p[i];

        n += c < 0x80 ? 1 : c >= 0xc0 ? 4 : 0;
    }
    return n;
}

/* Whoever cannot be told apart shares one budget. */
static uint64_t key_of(const pl_exchange *x, const policy_budget *b)
{
    uint8_t  id[PL_SUBJECT_KEY] = { 0 };
    uint64_t a, c;

    if (b->per == PER_SUBJECT && x->has_subject)
        memcpy(id, x->subject, sizeof id);
    else if (b->per == PER_KEY && x->o.key.n)
        pl_exchange_key(x, "plumbline.key.v1", x->o.key, id);
    else if (b->per == PER_TENANT && x->o.tenant.n)
        pl_exchange_key(x, "plumbline.tenant.v1", x->o.tenant, id);
    memcpy(&a, id, 8);
    memcpy(&c, id + 8, 8);
    a = (a ^ b->salt) * 0x9e3779b97f4a7c15ull;
    a = (a ^ c ^ a >> 29) * 0xbf58476d1ce4e5b9ull;
    return a ^ a >> 32;
}

static void refuse(pl_exchange *x, const policy_budget *b)
{
    char message[160];

    snprintf(message, sizeof message, "the budget of %llu %s in %u seconds is spent: try again in %lld seconds",
             (unsigned long long)(x->spent == PL_BUDGET_TOKENS ? b->tokens : b->requests),
             x->spent == PL_BUDGET_TOKENS ? "tokens" : "requests", b->window_s, (long long)x->retry_s);
    pl_exchange_refuse(x, 429, "rate_limit_error", "rate_limit_exceeded", message);
}

bool pl_exchange_takes_budget(pl_exchange *x, pl_str body)
{
    const policy_route *r = x->route;
    bool                shadow = x->in.shadow;

    if (!x->o.budgets || r->budget_count == 0)
        return true;
    if (r->counts_tokens)
        x->tokens_taken = (pl_tokens_quarters(body) + 3) / 4;
    for (size_t i = 0; i < r->budget_count; i++) {
        const policy_budget *b = &r->budget[i];
        pl_budget_use       *u = &x->use[i];
        pl_budget_spent      spent;

        *u = (pl_budget_use){ key_of(x, b), b->window_s, b->requests, b->tokens };
        spent = pl_budgets_take(x->o.budgets, u, x->tokens_taken, shadow, x->o.now_ms);
        if (spent != PL_BUDGET_LEFT && x->spent == PL_BUDGET_LEFT) {
            x->spent = spent;
            x->spent_of = i;
            x->retry_s = pl_budget_retry_s(u, x->o.now_ms);
        }
        if (spent == PL_BUDGET_LEFT || shadow)
            continue;
        while (i-- > 0)
            pl_budgets_undo(x->o.budgets, &x->use[i], x->tokens_taken, x->o.now_ms);
        refuse(x, b);
        return false;
    }
    x->is_counted = true;
    return true;
}

void pl_exchange_note_tokens(pl_exchange *x)
{
    for (int d = 0; d < 2; d++)
        if (x->answer.tokens[d] > x->tokens[d])
            x->tokens[d] = x->answer.tokens[d];
}

/* What a request took that an upstream answered; the answer counts though it was withheld, and the request though
 * its client went away before there was one. */
static void tokens_complete(pl_exchange *x)
{
    bool left = x->upstream_status == 0 && !x->own;
    bool answered = left || (x->upstream_status >= 200 && x->upstream_status < 300);

    x->tokens_estimated = answered && (x->tokens[0] < 0 || (x->tokens[1] < 0 && x->answer_quarters > 0));
    if (x->tokens[0] < 0)
        x->tokens[0] = answered ? (int64_t)x->tokens_taken : 0;
    if (x->tokens[1] < 0)
        x->tokens[1] = (int64_t)((x->answer_quarters + 3) / 4);
}

void pl_exchange_settle_budget(pl_exchange *x, int64_t now_ms)
{
    int64_t total;

    if (!x->is_counted || !x->route->counts_tokens)
        return;
    tokens_complete(x);
    total = x->tokens[0] > INT64_MAX / 4 || x->tokens[1] > INT64_MAX / 4 ? INT64_MAX / 4 : x->tokens[0] + x->tokens[1];
    for (size_t i = 0; i < x->route->budget_count; i++)
        pl_budgets_settle(x->o.budgets, &x->use[i], total - (int64_t)x->tokens_taken, x->o.now_ms,
                          now_ms > x->o.now_ms ? now_ms : x->o.now_ms);
}

void pl_exchange_budget_members(const pl_exchange *x, pl_buf *b)
{
    if (x->is_counted && x->route->counts_tokens)
        pl_buf_printf(b, ",\"tokens\":{\"input\":%lld,\"output\":%lld,\"source\":\"%s\"}", (long long)x->tokens[0],
                      (long long)x->tokens[1], x->tokens_estimated ? "estimated" : "upstream");
    if (x->spent != PL_BUDGET_LEFT)
        pl_buf_printf(b, ",\"budget\":{\"per\":\"%s\",\"window_s\":%u,\"spent\":\"%s\",\"retry_after_s\":%lld}",
                      per_names[x->route->budget[x->spent_of].per], x->route->budget[x->spent_of].window_s,
                      x->spent == PL_BUDGET_TOKENS ? "tokens" : "requests", (long long)x->retry_s);
}

bool pl_exchange_budget_left(const pl_exchange *x, bool tokens, pl_budget_left *out)
{
    bool any = false;

    for (size_t i = 0; x->o.budgets && !x->in.shadow && i < x->route->budget_count; i++) {
        const pl_budget_use *u = &x->use[i];
        uint64_t             limit = tokens ? u->tokens : u->requests, used[2], left;

        if (x->route->budget[i].per > PER_KEY || limit == 0 || u->window_s == 0)
            continue;
        pl_budgets_get(x->o.budgets, u, x->o.now_ms, &used[0], &used[1]);
        left = used[tokens] < limit ? limit - used[tokens] : 0;
        if (any && left >= out->left)
            continue;
        *out = (pl_budget_left){ limit, left, pl_budget_retry_s(u, x->o.now_ms) };
        any = true;
    }
    return any;
}

bool pl_exchange_may_retry(const pl_exchange *x)
{
    return x->spent != PL_BUDGET_LEFT && x->retry_s <= 60;
}
