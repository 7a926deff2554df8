/* The loop over blocks, compiled once for each set of instructions: PATH names the functions,
 * TARGET is their attribute. Goes on to the next block with an anchor; false: there is none. */

TARGET static inline uint64_t PATH(judge)(pii_anchors *a, const uint8_t *p)
{
    first    f = PATH(first)(p);
    uint64_t found = f.at | (f.wide & f.wide >> 3) | (f.wide & a->last_wide >> 61) |
                     word_anchors(a, f.word);
    uint64_t seps = 0;

    if (f.colon)
        found |= colon_anchors(a, f.colon);
    if (f.dash)
        found |= dash_anchors(a, f.dash);
    if (f.w)
        found |= w_anchors(a, f.w);
    if (f.digit | a->last_digits >> 63) {
        second s = PATH(second)(p);

        found |= digit_anchors(a, f.digit) | parted_anchors(a, f.digit, &s);
        seps = s.sep;
        a->digit_tail = f.digit == ~0ull ? 64 : (unsigned)__builtin_clzll(~f.digit);
    } else {
        a->digit_tail = 0;
    }
    a->last_digits = f.digit;
    a->last_seps = seps;
    a->last_dashes = f.dash;
    a->last_colons = f.colon;
    a->last_w = f.w;
    a->last_wide = f.wide;
    return found;
}

TARGET static bool PATH(fill)(pii_anchors *a)
{
    size_t at = a->begun ? a->block + 64 : 0;

    a->begun = true;
    for (; at < a->n; at += 64) {
        a->block = at;
        if (a->n - at >= 64) {
            a->bits = PATH(judge)(a, a->text + at);
        } else {
            uint8_t last[64] = { 0 };
            memcpy(last, a->text + at, a->n - at);
            a->bits = PATH(judge)(a, last);
        }
        if (a->bits)
            return true;
    }
    a->block = at;
    a->bits = 0;
    return false;
}
