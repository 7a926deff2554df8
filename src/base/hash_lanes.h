/* Body of the SHA-256 compression function (FIPS 180-4 §6.2.2) over LANES messages at once, one
 * per 32-bit lane of a vector. Included once per instruction set, which defines
 *   LANES, vec, KERNEL (name), TARGET (attribute),
 *   vec_load(const uint32_t *), vec_store(uint32_t *, v), vec_set1(x), vec_add(a, b),
 *   vec_ror(v, n), vec_shr(v, n), vec_xor3(a, b, c), vec_ch(e, f, g), vec_maj(a, b, c),
 *   vec_words(const uint8_t *const *at, size_t offset, vec w[16]): the 16 words of a block.
 */

#define LANES_ROUND(a, b, c, d, e, f, g, h, k, m)                                                  \
    do {                                                                                           \
        vec t1 = vec_add(vec_add(h, vec_xor3(vec_ror(e, 6), vec_ror(e, 11), vec_ror(e, 25))),      \
                         vec_add(vec_add(vec_ch(e, f, g), vec_set1(k)), m));                       \
        vec t2 = vec_add(vec_xor3(vec_ror(a, 2), vec_ror(a, 13), vec_ror(a, 22)),                  \
                         vec_maj(a, b, c));                                                        \
        d = vec_add(d, t1);                                                                        \
        h = vec_add(t1, t2);                                                                       \
    } while (0)

/* w[i] of the next sixteen rounds from the last sixteen. */
#define LANES_EXPAND(i)                                                                            \
    w[i] = vec_add(vec_add(w[i], w[((i) + 9) & 15]),                                               \
                   vec_add(vec_xor3(vec_ror(w[((i) + 1) & 15], 7), vec_ror(w[((i) + 1) & 15], 18), \
                                    vec_shr(w[((i) + 1) & 15], 3)),                                \
                           vec_xor3(vec_ror(w[((i) + 14) & 15], 17),                               \
                                    vec_ror(w[((i) + 14) & 15], 19),                               \
                                    vec_shr(w[((i) + 14) & 15], 10))))
#define LANES_KEEP(i) (void)0

/* Sixteen rounds; written out, so that the words stay in registers. */
#define LANES_EIGHT(k, i, PREPARE)                                                                 \
    PREPARE((i) + 0);                                                                              \
    LANES_ROUND(a, b, c, d, e, f, g, h, (k)[(i) + 0], w[(i) + 0]);                                 \
    PREPARE((i) + 1);                                                                              \
    LANES_ROUND(h, a, b, c, d, e, f, g, (k)[(i) + 1], w[(i) + 1]);                                 \
    PREPARE((i) + 2);                                                                              \
    LANES_ROUND(g, h, a, b, c, d, e, f, (k)[(i) + 2], w[(i) + 2]);                                 \
    PREPARE((i) + 3);                                                                              \
    LANES_ROUND(f, g, h, a, b, c, d, e, (k)[(i) + 3], w[(i) + 3]);                                 \
    PREPARE((i) + 4);                                                                              \
    LANES_ROUND(e, f, g, h, a, b, c, d, (k)[(i) + 4], w[(i) + 4]);                                 \
    PREPARE((i) + 5);                                                                              \
    LANES_ROUND(d, e, f, g, h, a, b, c, (k)[(i) + 5], w[(i) + 5]);                                 \
    PREPARE((i) + 6);                                                                              \
    LANES_ROUND(c, d, e, f, g, h, a, b, (k)[(i) + 6], w[(i) + 6]);                                 \
    PREPARE((i) + 7);                                                                              \
    LANES_ROUND(b, c, d, e, f, g, h, a, (k)[(i) + 7], w[(i) + 7])
#define LANES_SIXTEEN(k, PREPARE)                                                                  \
    do {                                                                                           \
        LANES_EIGHT(k, 0, PREPARE);                                                                \
        LANES_EIGHT(k, 8, PREPARE);                                                                \
    } while (0)

/* Takes `blocks` blocks of every lane; state[word][lane]. */
TARGET static void KERNEL(uint32_t (*state)[LANES_MAX], const uint8_t *const *at, size_t blocks)
{
    vec s[8];

    for (int i = 0; i < 8; i++)
        s[i] = vec_load(state[i]);
    for (size_t n = 0; n < blocks; n++) {
        vec a = s[0], b = s[1], c = s[2], d = s[3], e = s[4], f = s[5], g = s[6], h = s[7];
        vec w[16];

        vec_words(at, 64 * n, w);
        LANES_SIXTEEN(round_constant, LANES_KEEP);
        for (const uint32_t *k = round_constant + 16; k < round_constant + 64; k += 16)
            LANES_SIXTEEN(k, LANES_EXPAND);
        s[0] = vec_add(s[0], a);
        s[1] = vec_add(s[1], b);
        s[2] = vec_add(s[2], c);
        s[3] = vec_add(s[3], d);
        s[4] = vec_add(s[4], e);
        s[5] = vec_add(s[5], f);
        s[6] = vec_add(s[6], g);
        s[7] = vec_add(s[7], h);
    }
    for (int i = 0; i < 8; i++)
        vec_store(state[i], s[i]);
}

#undef LANES_ROUND
#undef LANES_EXPAND
#undef LANES_KEEP
#undef LANES_EIGHT
#undef LANES_SIXTEEN
#undef LANES
#undef vec
#undef KERNEL
#undef TARGET
#undef vec_load
#undef vec_store
#undef vec_set1
#undef vec_add
#undef vec_ror
#undef vec_shr
#undef vec_xor3
#undef vec_ch
#undef vec_maj
#undef vec_words
