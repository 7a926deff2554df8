/* Likeness signatures of many documents, ours next to the textbook's: MinHash of 128 permutations
 * (a multiplication and an addition each) and SimHash that counts each bit, over the same shingles of
 * five characters. As fast as a compiler makes them; this is what packages of scripting languages do,
 * without their overhead.
 *
 *   likeness_scan TEXT DOCUMENT ROUNDS
 *
 * TEXT is cut into documents of DOCUMENT bytes. Prints one JSON object, MB/s of CPU time; `agree` is
 * how far the estimates of the two MinHashes are apart, on the average of neighbouring documents cut
 * to overlap by half. */
#include "engine/text/likeness.h"
#include "base/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PERMUTATIONS = 128, SHINGLE = PL_SHINGLE_CHARS };

static uint64_t mul[PERMUTATIONS], plus[PERMUTATIONS];

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 31) * 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 29) * 0xbf58476d1ce4e5b9u;
    return x ^ x >> 32;
}

/* Hashes of the shingles of a text; room for one a byte. */
static size_t shingles(pl_str t, uint64_t *out)
{
    uint64_t window[SHINGLE] = { 0 };
    size_t   chars = 0, n = 0;

    while (t.n > 0) {
        uint32_t cp = 0;
        int      len = pl_utf8_decode(t, &cp);

        len = len > 0 ? len : 1;
        t = (pl_str){ t.p + len, t.n - (size_t)len };
        if (cp <= ' ' || (cp < 0x80 && strchr(".,;:!?()[]\"'-", (int)cp)))
            continue;
        cp = cp - 'A' < 26 ? cp + 32 : cp;
        window[chars++ % SHINGLE] = cp;
        if (chars >= SHINGLE) {
            uint64_t h = 0;
            for (size_t k = 0; k < SHINGLE; k++)
                h = mix(h ^ window[(chars + k) % SHINGLE]);
            out[n++] = h;
        }
    }
    return n;
}

static void minhash_plainly(const uint64_t *h, size_t n, uint64_t slot[PERMUTATIONS])
{
    memset(slot, 0xff, PERMUTATIONS * sizeof *slot);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < PERMUTATIONS; k++) {
            uint64_t v = h[i] * mul[k] + plus[k];
            slot[k] = v < slot[k] ? v : slot[k];
        }
}

static uint64_t simhash_plainly(const uint64_t *h, size_t n)
{
    int      count[64] = { 0 };
    uint64_t sum = 0;

    for (size_t i = 0; i < n; i++)
        for (int b = 0; b < 64; b++)
            count[b] += h[i] >> b & 1 ? 1 : -1;
    for (int b = 0; b < 64; b++)
        sum |= (uint64_t)(count[b] > 0) << b;
    return sum;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static volatile uint64_t keep;

typedef void (*work_fn)(pl_str document, uint64_t *room);

static void our_minhash(pl_str d, uint64_t *room)
{
    pl_minhash m;

    (void)room;
    pl_minhash_of(d, &m);
    keep += m.slot[0];
}

static void their_minhash(pl_str d, uint64_t *room)
{
    uint64_t slot[PERMUTATIONS];

    minhash_plainly(room, shingles(d, room), slot);
    keep += slot[0];
}

static void our_simhash(pl_str d, uint64_t *room)
{
    (void)room;
    keep += pl_simhash(d);
}

static void their_simhash(pl_str d, uint64_t *room)
{
    keep += simhash_plainly(room, shingles(d, room));
}

static void measure(const char *name, work_fn work, pl_str text, size_t each, long rounds, uint64_t *room)
{
    printf("\"%s\":[", name);
    for (long r = 0; r < rounds; r++) {
        double start = now();

        for (size_t at = 0; at + each <= text.n; at += each)
            work((pl_str){ text.p + at, each }, room);
        printf("%s%.2f", r ? "," : "", (double)(text.n / each * each) / 1e6 / (now() - start));
    }
    printf("],");
}

static double disagreement(pl_str text, size_t each, uint64_t *room)
{
    double sum = 0;
    size_t n = 0;

    for (size_t at = 0; at + 2 * each <= text.n && n < 200; at += each, n++) {
        pl_minhash a, b;
        uint64_t   x[PERMUTATIONS], y[PERMUTATIONS];
        unsigned   same = 0;

        pl_minhash_of((pl_str){ text.p + at, each }, &a);
        pl_minhash_of((pl_str){ text.p + at + each / 2, each }, &b);
        minhash_plainly(room, shingles((pl_str){ text.p + at, each }, room), x);
        minhash_plainly(room, shingles((pl_str){ text.p + at + each / 2, each }, room), y);
        for (size_t k = 0; k < PERMUTATIONS; k++)
            same += x[k] == y[k];
        sum += pl_minhash_similarity(&a, &b) - (double)same / PERMUTATIONS;
    }
    return n ? sum / (double)n : 0;
}

int main(int argc, char **argv)
{
    size_t    cap = 64u << 20, each = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
    long      rounds = argc > 3 ? strtol(argv[3], NULL, 10) : 0;
    FILE     *in = argc > 1 ? fopen(argv[1], "rb") : NULL;
    char     *bytes = malloc(cap);
    uint64_t *room = malloc((each + 1) * sizeof *room);
    pl_str    text;

    if (!in || !bytes || !room || each < 16 || rounds < 1) {
        (void)fprintf(stderr, "usage: likeness_scan TEXT DOCUMENT ROUNDS\n");
        return 5;
    }
    text = (pl_str){ bytes, fread(bytes, 1, cap, in) };
    (void)fclose(in);
    for (size_t k = 0; k < PERMUTATIONS; k++) {
        mul[k] = mix(2 * k + 1) | 1;
        plus[k] = mix(2 * k + 2);
    }
    printf("{");
    measure("minhash", our_minhash, text, each, rounds, room);
    measure("minhash_plain", their_minhash, text, each, rounds, room);
    measure("simhash", our_simhash, text, each, rounds, room);
    measure("simhash_plain", their_simhash, text, each, rounds, room);
    printf("\"agree\":%.4f,\"bytes\":%zu}\n", disagreement(text, each, room), text.n);
    free(room);
    free(bytes);
    return 0;
}
