/* Patterns of texts: `like` in conditions. */
#include "base/banned.h"

#include "engine/rules/rules_int.h"

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

/* The whole of s. The last star takes one byte more whenever what follows does not fit. */
static bool whole(pl_str pattern, pl_str s)
{
    size_t i = 0, k = 0, star = pattern.n, from = 0;

    while (k < s.n) {
        if (i < pattern.n && pattern.p[i] == '*') {
            star = i++;
            from = k;
        } else if (i < pattern.n && lower(pattern.p[i]) == lower(s.p[k])) {
            i++;
            k++;
        } else if (star < pattern.n) {
            i = star + 1;
            k = ++from;
        } else {
            return false;
        }
    }
    while (i < pattern.n && pattern.p[i] == '*')
        i++;
    return i == pattern.n;
}

bool like(pl_str pattern, pl_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (i > 0 && s.p[i - 1] != ' ' && s.p[i - 1] != '.')
            continue;
        for (size_t end = i + 1; end <= s.n; end++)
            if ((end == s.n || s.p[end] == '(') && whole(pattern, (pl_str){ s.p + i, end - i }))
                return true;
    }
    return false;
}

uint64_t fact_patterns(const fact *f, pl_str s)
{
    uint64_t got = 0;

    if (s.n > 128) /* no provision and no instrument has such a name */
        return 0;
    for (uint64_t w = f->patterns; w != 0; w &= w - 1) {
        int i = __builtin_ctzll(w);

        if (like(pl_str_z(f->pub.values[i] + sizeof PATTERN_MARK - 1), s))
            got |= (uint64_t)1 << i;
    }
    return got;
}
