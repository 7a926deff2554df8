/* Request targets: splitting and percent-decoding (RFC 3986 §2.1, §3.4). */
#include "base/banned.h"

#include "base/str.h"
#include "base/utf8.h"
#include "host/daemon/router.h"

void pl_target_split(pl_str target, pl_str *path, pl_str *query)
{
    const char *mark = target.n > 0 ? memchr(target.p, '?', target.n) : NULL;

    *path = target;
    *query = PL_STR("");
    if (mark == NULL)
        return;
    path->n = (size_t)(mark - target.p);
    *query = (pl_str){ mark + 1, target.n - path->n - 1 };
}

static bool needs_decoding(pl_str s, bool is_query)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '%' || (is_query && s.p[i] == '+'))
            return true;
    return false;
}

/* -1 when the two characters at i+1 are no hex digits. */
static int escape_value(pl_str s, size_t i)
{
    uint8_t byte;

    if (i + 2 >= s.n || pl_hex_decode((pl_str){ s.p + i + 1, 2 }, &byte, 1, NULL) != PL_OK)
        return -1;
    return byte;
}

pl_rc pl_percent_decode(pl_str s, pl_arena *a, bool is_query, pl_str *out, pl_error *err)
{
    char  *to;
    size_t n = 0;

    if (!needs_decoding(s, is_query)) {
        if (!pl_utf8_valid(s))
            return pl_fail(err, PL_INVALID, "the address is not valid UTF-8");
        *out = s;
        return PL_OK;
    }
    to = pl_arena_alloc(a, s.n + 1);
    if (to == NULL)
        return pl_fail(err, PL_LIMIT, "request is too large to handle");
    for (size_t i = 0; i < s.n; i++) {
        int c = (unsigned char)s.p[i];

        if (c == '+' && is_query)
            c = ' ';
        if (c == '%') {
            c = escape_value(s, i);
            i += 2;
        }
        if (c <= 0)
            return pl_fail(err, PL_INVALID, "malformed escape in the address");
        to[n++] = (char)c;
    }
    *out = (pl_str){ to, n };
    if (!pl_utf8_valid(*out))
        return pl_fail(err, PL_INVALID, "the address is not valid UTF-8");
    return PL_OK;
}

const char *pl_query_find(pl_str query, const char *name, pl_arena *a)
{
    pl_str rest = query, pair, key, value;

    while (pl_str_split(&rest, '&', &pair)) {
        value = pair;
        if (!pl_str_split(&value, '=', &key) ||
            pl_percent_decode(key, a, true, &key, NULL) != PL_OK || !pl_str_eqz(key, name))
            continue;
        if (pl_percent_decode(value, a, true, &value, NULL) != PL_OK)
            return NULL;
        return pl_arena_dup(a, value);
    }
    return NULL;
}
