/* Structured personal data, ours next to a set of Vectorscan patterns, in one process.
 *
 *   pii_scan TEXT DENSITY ROUNDS
 *
 * TEXT is natural text; with a DENSITY above 0 one item is put in every DENSITY bytes: e-mail,
 * mainland mobile number, identity number, bank card, IPv4 address in turn, half of the identity
 * numbers and cards with a wrong check digit. Theirs: five patterns in one block database, check
 * digits and borders in the callback, ends only. Ours: all detectors, start and end. Every right
 * item must be found by both; then rounds alternate. One JSON object on standard output, CPU time of
 * this thread.
 */
#include "engine/text/pii.h"

#include <hs/hs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { EMAIL, MOBILE, ID, CARD, IP, KINDS };

typedef struct item {
    size_t end;
    int    kind;
} item;

static char  *text;
static size_t text_n;
static item  *items;
static size_t items_n;

static void die(const char *what)
{
    fprintf(stderr, "pii_scan: %s\n", what);
    exit(5);
}

/* --- texts ---------------------------------------------------------------------------------- */

static uint64_t seed = 88172645463325252ull;

static uint32_t below(uint32_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 33) % n;
}

static int is_digit(unsigned char c)
{
    return c >= '0' && c <= '9';
}

static int luhn(const char *p, int n)
{
    int sum = 0;

    for (int i = 0; i < n; i++) {
        int d = p[n - 1 - i] - '0';
        sum += i & 1 ? (d > 4 ? 2 * d - 9 : 2 * d) : d;
    }
    return sum % 10;
}

static char id_check(const char *p)
{
    static const int w[17] = { 7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2 };
    int              sum = 0;

    for (int i = 0; i < 17; i++)
        sum += (p[i] - '0') * w[i];
    return "10X98765432"[sum % 11];
}

/* Writes an item; gives whether it is right. */
static int make(int kind, char *out)
{
    int wrong = (int)below(2);

    switch (kind) {
    case EMAIL:
        snprintf(out, 64, "user%u.x@mail%u.example.com", below(10000), below(100));
        return 1;
    case MOBILE:
        snprintf(out, 64, "1%u%09u", 3 + below(7), below(1000000000));
        return 1;
    case ID:
        snprintf(out, 64, "%s%u%02u%02u%03u", below(2) ? "110105" : "440106", 1950 + below(60),
                 1 + below(12), 1 + below(28), below(1000));
        out[17] = wrong ? (id_check(out) == '3' ? '4' : '3') : id_check(out);
        out[18] = '\0';
        return !wrong;
    case CARD:
        snprintf(out, 64, "622202%09u%03u0", below(1000000000), below(1000));
        for (out[18] = '0'; luhn(out, 19) != 0;)
            out[18]++;
        if (wrong)
            out[18] = out[18] == '9' ? '0' : (char)(out[18] + 1);
        return !wrong;
    default:
        snprintf(out, 64, "%u.%u.%u.%u", 20 + below(200), below(256), below(256), 1 + below(254));
        return 1;
    }
}

static void inject(const char *from, size_t n, size_t density)
{
    size_t at = 0;

    text = malloc(n + n / density * 80 + 256);
    items = malloc((n / density + 2) * sizeof *items);
    if (!text || !items)
        die("out of memory");
    for (int kind = 0; at < n; kind = (kind + 1) % KINDS) {
        size_t to = at + density < n ? at + density : n;
        char   it[64];

        while (to < n && ((unsigned char)from[to] & 0xc0) == 0x80)
            to++;
        memcpy(text + text_n, from + at, to - at);
        text_n += to - at;
        at = to;
        if (at >= n)
            break;
        text[text_n++] = '\n'; /* away from what the natural text says before */
        memset(text + text_n, ' ', 2);
        text_n += 2;
        if (make(kind, it)) {
            items[items_n].end = text_n + strlen(it);
            items[items_n++].kind = kind;
        }
        memcpy(text + text_n, it, strlen(it));
        text_n += strlen(it);
        text[text_n++] = ' ';
    }
}

/* --- theirs ------------------------------------------------------------------------------------ */

static const char *const patterns[KINDS] = {
    "[a-zA-Z0-9._%+-]{1,64}@[a-zA-Z0-9-]{1,63}(\\.[a-zA-Z0-9-]{1,63}){0,4}\\.[a-zA-Z]{2,24}",
    "1[3-9][0-9]{9}",
    "[1-9][0-9]{16}[0-9Xx]",
    "62[0-9]{17}",
    "(25[0-5]|2[0-4][0-9]|1?[0-9]{1,2})(\\.(25[0-5]|2[0-4][0-9]|1?[0-9]{1,2})){3}",
};

typedef struct found {
    size_t count, raw, missing, next; /* next: item not yet confirmed */
    int    check;
} found;

static void confirm(found *f, size_t end)
{
    f->count++;
    if (!f->check)
        return;
    while (f->next < items_n && items[f->next].end < end) {
        f->missing++;
        f->next++;
    }
    if (f->next < items_n && items[f->next].end == end)
        f->next++;
}

static int borders(size_t start, size_t end)
{
    return (start == 0 || !is_digit((unsigned char)text[start - 1])) &&
           (end == text_n || !is_digit((unsigned char)text[end]));
}

static int on_match(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
                    void *ctx)
{
    found *f = ctx;

    (void)from, (void)flags;
    f->raw++;
    if (id == ID && (!borders(to - 18, to) ||
                     id_check(text + to - 18) != (text[to - 1] == 'x' ? 'X' : text[to - 1])))
        return 0;
    if (id == CARD && (!borders(to - 19, to) || luhn(text + to - 19, 19) != 0))
        return 0;
    if (id == MOBILE && !borders(to - 11, to))
        return 0;
    if (id == IP && to < text_n && is_digit((unsigned char)text[to]))
        return 0;
    confirm(f, to);
    return 0;
}

/* --- measuring ------------------------------------------------------------------------------------ */

static int on_ours(void *ctx, const pl_text_finding *f)
{
    confirm(ctx, f->end);
    return 0;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double ours(const pl_pii_config *c, found *f)
{
    double t = now();

    pl_pii_scan(c, (pl_str){ text, text_n }, on_ours, f);
    return (double)text_n / 1e9 / (now() - t);
}

static double theirs(const hs_database_t *db, hs_scratch_t *scratch, found *f)
{
    enum { BLOCK = 1 << 30 };
    double t = now();

    if (text_n > BLOCK || hs_scan(db, text, (unsigned)text_n, 0, scratch, on_match, f) != HS_SUCCESS)
        die("hs_scan fails");
    return (double)text_n / 1e9 / (now() - t);
}

static void print(const char *name, const double *v, int n)
{
    printf("\"%s\":[", name);
    for (int i = 0; i < n; i++)
        printf("%s%.4f", i ? "," : "", v[i]);
    printf("],");
}

int main(int argc, char **argv)
{
    static const unsigned flags[KINDS] = { 0 };
    unsigned              ids[KINDS] = { 0, 1, 2, 3, 4 };
    pl_pii_config         c;
    hs_database_t        *db = NULL;
    hs_compile_error_t   *error = NULL;
    hs_scratch_t         *scratch = NULL;
    double                a[32], b[32];
    int                   rounds = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 5;
    size_t                density = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
    FILE                 *in = argc > 1 ? fopen(argv[1], "rb") : NULL;
    size_t                n, cap = 256u << 20;
    char                 *natural = malloc(cap);

    if (!in || !natural || rounds < 1 || rounds > 32)
        die("usage: pii_scan TEXT DENSITY ROUNDS");
    n = fread(natural, 1, cap, in);
    fclose(in);
    if (density > 0) {
        inject(natural, n, density);
        free(natural);
    } else {
        text = natural;
        text_n = n;
    }
    for (unsigned i = 0; i < PL_PII_KINDS; i++)
        c.rule[i] = i;
    c.rule[PL_PII_NAME] = c.rule[PL_PII_ADDRESS] = PL_PII_OFF;
    if (hs_compile_multi(patterns, flags, ids, KINDS, HS_MODE_BLOCK, NULL, &db, &error) !=
            HS_SUCCESS ||
        hs_alloc_scratch(db, &scratch) != HS_SUCCESS)
        die(error ? error->message : "hs_alloc_scratch fails");

    found of = { .check = 1 }, tf = { .check = 1 };
    (void)ours(&c, &of);
    (void)theirs(db, scratch, &tf);
    of.missing += items_n - of.next;
    tf.missing += items_n - tf.next;
    for (int i = 0; i < rounds; i++) {
        found f = { 0 };
        b[i] = theirs(db, scratch, &f);
        a[i] = ours(&c, &f);
    }
    printf("{");
    print("ours", a, rounds);
    print("theirs", b, rounds);
    printf("\"bytes\":%zu,\"items\":%zu,\"ours_found\":%zu,\"theirs_found\":%zu,"
           "\"ours_missing\":%zu,\"theirs_missing\":%zu,\"version\":\"%s\"}\n",
           text_n, items_n, of.count, tf.count, of.missing, tf.missing, hs_version());
    return 0;
}
