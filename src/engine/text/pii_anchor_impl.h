/* The loop over blocks, compiled once for each set of instructions: PATH names the functions,
 * TARGET is their attribute. PATH(seen) is the first look; it may see
 * something where nothing is. */

TARGET static void PATH(masks)(const uint8_t *p, size_t n, pii_masks *out)
{
    for (; n > 0; out++) {
        uint8_t end[BLOCK] = { 0 };
        size_t  part = n < BLOCK ? n : BLOCK;

        *out = PATH(first)(part == BLOCK ? p : memcpy(end, p, part));
        p += part;
        n -= part;
    }
}

/* The anchors of the block at a->block, whose bytes are at p. is_joined: the end of the block
 * before may have a part in it. */
TARGET static __attribute__((noinline)) uint64_t PATH(judge)(const pii_anchors *a, const uint8_t *p,
                                                             bool is_joined)
{
    const first here = PATH(first)(p);
    first       last = { 0 };
    uint64_t    runs, found = 0;

    if (is_joined && a->block > 0)
        last = PATH(first)(a->text + a->block - BLOCK);
    runs = runs_of_16(here.word, last.word);
    if (is_busy(&here, &last) || runs)
        found = look_closer(a, &here, &last, runs);
    if (here.digit | last.digit >> 63) {
        const second s = PATH(second)(p);

        found |= runs_of_6(here.digit, last.digit) | parted_anchors(a, here.digit, last.digit, &s);
    }
    return found;
}

/* Goes on to the next block with an anchor; false: there is none. */
TARGET static bool PATH(fill)(pii_anchors *a)
{
    size_t   at = a->begun ? a->block + BLOCK : 0;
    unsigned tail = a->tail;
    uint64_t seen = a->seen;
    uint8_t  end[BLOCK + AHEAD];

    a->begun = true;
    a->bits = 0;
    for (; at < a->n && !a->bits; at += BLOCK) {
        const uint8_t *p = a->text + at;
        uint64_t       loose, before = seen >> (BLOCK - 16);
        bool           is_run;

        if (a->n - at < sizeof end) {
            memset(end, 0, sizeof end);
            p = memcpy(end, p, a->n - at);
        }
        seen = PATH(seen)(p, &loose);
        is_run = has_run_of_16(loose, tail);
        tail = tail_of(loose);
        if (__builtin_expect((seen | before >> 12 | is_run) != 0, false)) {
            a->block = at;
            a->bits = PATH(judge)(a, p, is_run || before);
        }
    }
    a->tail = tail;
    a->seen = seen;
    if (!a->bits)
        a->block = at;
    return a->bits != 0;
}
