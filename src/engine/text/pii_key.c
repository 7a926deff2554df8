/* Keys and tokens of services, and private keys.
 *
 * The shapes are those that vendors publish so that leaked keys can be recognised (AWS IAM
 * "unique ID prefixes"; GitHub "token formats" 2021-04; GitLab "token overview"; Slack "token
 * types"; Stripe "API keys"; SendGrid, Twilio, npm, PyPI, Hugging Face, DigitalOcean, Shopify,
 * Databricks, Alibaba Cloud, Tencent Cloud key pages; RFC 7519 for JWT). Lengths are those seen
 * in public documentation; vendors lengthen keys, so a length is mostly a least one. Shapes
 * without a public specification are marked "seen".
 */
#include "base/banned.h"

#include "engine/text/pii_int.h"

enum { RUN_MIN = 16 }; /* an anchor: pii_anchor.c */

static const struct vendor {
    const char *prefix;
    uint8_t     least, most; /* characters behind it; most 0: any number */
    uint8_t     flags;       /* what they may be */
} vendors[] = {
    { "AKIA", 16, 16, PII_UPPER | PII_DIGIT },  /* AWS access key                    */
    { "ASIA", 16, 16, PII_UPPER | PII_DIGIT },  /* AWS temporary access key          */
    { "ABIA", 16, 16, PII_UPPER | PII_DIGIT },  /* AWS STS bearer                    */
    { "ACCA", 16, 16, PII_UPPER | PII_DIGIT },  /* AWS context credential            */
    { "ghp_", 36, 0, PII_ALNUM },               /* GitHub                            */
    { "gho_", 36, 0, PII_ALNUM },
    { "ghu_", 36, 0, PII_ALNUM },
    { "ghs_", 36, 0, PII_ALNUM },
    { "ghr_", 36, 0, PII_ALNUM },
    { "github_pat_", 82, 0, PII_KEY },
    { "glpat-", 20, 0, PII_KEY },               /* GitLab                            */
    { "gldt-", 20, 0, PII_KEY },
    { "glrt-", 20, 0, PII_KEY },
    { "sk-ant-", 24, 0, PII_KEY },              /* Anthropic                         */
    { "sk-proj-", 24, 0, PII_KEY },             /* OpenAI                            */
    { "sk-or-v1-", 32, 0, PII_KEY },            /* OpenRouter, seen                  */
    { "sk-", 20, 0, PII_KEY },                  /* OpenAI and the services like it   */
    { "gsk_", 32, 0, PII_ALNUM },               /* Groq, seen                        */
    { "xoxb-", 20, 0, PII_KEY },                /* Slack                             */
    { "xoxa-", 20, 0, PII_KEY },
    { "xoxp-", 20, 0, PII_KEY },
    { "xoxr-", 20, 0, PII_KEY },
    { "xoxs-", 20, 0, PII_KEY },
    { "xapp-", 20, 0, PII_KEY },
    { "sk_live_", 16, 0, PII_ALNUM },           /* Stripe                            */
    { "sk_test_", 16, 0, PII_ALNUM },
    { "rk_live_", 16, 0, PII_ALNUM },
    { "rk_test_", 16, 0, PII_ALNUM },
    { "whsec_", 24, 0, PII_ALNUM },
    { "AIza", 35, 35, PII_KEY },                /* Google                            */
    { "GOCSPX-", 28, 28, PII_KEY },
    { "SK", 32, 32, PII_HEX },                  /* Twilio                            */
    { "key-", 32, 32, PII_HEX },                /* Mailgun, seen                     */
    { "npm_", 36, 36, PII_ALNUM },
    { "pypi-AgEIcHlwaS5vcmc", 50, 0, PII_KEY },
    { "hf_", 30, 40, PII_ALNUM },               /* Hugging Face                      */
    { "dop_v1_", 64, 64, PII_HEX },             /* DigitalOcean                      */
    { "doo_v1_", 64, 64, PII_HEX },
    { "dor_v1_", 64, 64, PII_HEX },
    { "shpat_", 32, 32, PII_HEX },              /* Shopify                           */
    { "shpss_", 32, 32, PII_HEX },
    { "shpca_", 32, 32, PII_HEX },
    { "shppa_", 32, 32, PII_HEX },
    { "dapi", 32, 34, PII_HEX | PII_KEY },      /* Databricks                        */
    { "LTAI", 12, 24, PII_ALNUM },              /* Alibaba Cloud                     */
    { "AKID", 32, 32, PII_ALNUM },              /* Tencent Cloud                     */
    { "AKLT", 28, 60, PII_ALNUM },              /* Volcengine, seen                  */
    { "ALTAK", 16, 28, PII_KEY },               /* Baidu Cloud, seen                 */
    { "glsa_", 32, 0, PII_KEY },                /* Grafana                           */
    { "lin_api_", 40, 0, PII_ALNUM },           /* Linear                            */
    { "ntn_", 40, 0, PII_ALNUM },               /* Notion                            */
    { "figd_", 40, 0, PII_KEY },                /* Figma                             */
    { "PMAK-", 40, 0, PII_KEY },                /* Postman                           */
    { "sq0csp-", 40, 0, PII_KEY },              /* Square                            */
    { "sq0atp-", 20, 0, PII_KEY },
};

static bool begins(const pii_group *g, size_t i, const char *word)
{
    size_t n = strlen(word);

    return g->n - i >= n && memcmp(g->cell + i, word, n) == 0;
}

/* What tells random characters from words: digits among letters, many different characters,
 * none of them often. */
static bool looks_random(const pii_group *g, size_t from, size_t to, unsigned digits_least)
{
    uint8_t  seen[256] = { 0 };
    unsigned digits = 0, letters = 0, kinds = 0, most = 0;
    size_t   n = to - from < 200 ? to - from : 200;

    for (size_t i = from; i < from + n; i++) {
        uint8_t c = g->cell[i];

        digits += pii_is(c, PII_DIGIT);
        letters += pii_is(c, PII_ALPHA);
        kinds += seen[c] == 0;
        if (++seen[c] > most)
            most = seen[c];
    }
    return digits >= digits_least && letters >= 3 && kinds >= 8 && most * 3 <= n;
}

static bool is_all(const pii_group *g, size_t from, size_t to, int flags)
{
    while (from < to && pii_is(g->cell[from], flags))
        from++;
    return from == to;
}

/* "sk-", "SK", "key-": digits must show that no words follow. */
static bool may_begin_word(const char *prefix)
{
    return strcmp(prefix, "sk-") == 0 || strcmp(prefix, "SK") == 0 || strcmp(prefix, "key-") == 0;
}

static bool vendor_key(pii_group *g, size_t from, size_t to)
{
    for (size_t i = 0; i < sizeof vendors / sizeof *vendors; i++) {
        const struct vendor *v = &vendors[i];
        size_t               body;

        if (v->prefix[0] != (char)g->cell[from] || !begins(g, from, v->prefix))
            continue;
        body = from + strlen(v->prefix);
        if ( to - body < v->least || to < body ||
            (v->most && to - body > v->most) || !is_all(g, body, to, v->flags) ||
            !looks_random(g, body, to, !may_begin_word(v->prefix) ? 0 : to - body >= 30 ? 1 : 2))
            continue;
        pii_hit_add(g, PL_PII_API_KEY, from, to, 9500);
        return true;
    }
    return false;
}

static size_t key_end(const pii_group *g, size_t i)
{
    return pii_clear(g, g->word, i);
}

/* RFC 7519 3: three parts of base64url, the first two JSON objects, which begin with "eyJ". */
static bool web_token(pii_group *g, size_t from, size_t to)
{
    size_t second, end;

    if (!begins(g, from, "eyJ") || to >= g->n || g->cell[to] != '.' || !begins(g, to + 1, "eyJ"))
        return false;
    second = key_end(g, to + 1);
    if (second - to < 8)
        return false;
    end = second < g->n && g->cell[second] == '.' ? key_end(g, second + 1) : second;
    pii_hit_add(g, PL_PII_API_KEY, from, end, 9800);
    return true;
}

/* Keys with a dot or a colon in front of a long run: SendGrid, Telegram, Google OAuth. */
static bool dotted_key(pii_group *g, size_t from, size_t to)
{
    size_t start = from;

    if (from >= 3 && memcmp(g->cell + from - 3, "SG.", 3) == 0 && to - from == 22 && to < g->n &&
        g->cell[to] == '.' && key_end(g, to + 1) - to - 1 == 43) {
        pii_hit_add(g, PL_PII_API_KEY, from - 3, to + 44, 9700);
        return true;
    }
    if (from >= 5 && memcmp(g->cell + from - 5, "ya29.", 5) == 0 && to - from >= 20) {
        pii_hit_add(g, PL_PII_API_KEY, from - 5, to, 9000);
        return true;
    }
    if (to - from != 35 || from < 9 || g->cell[from - 1] != ':')
        return false;
    for (start = from - 1; start > 0 && from - start < 12 && pii_is(g->cell[start - 1], PII_DIGIT);)
        start--;
    if (from - 1 - start < 8 || from - 1 - start > 10 || pii_is(pii_before(g, start), PII_KEY))
        return false;
    pii_hit_add(g, PL_PII_API_KEY, start, to, 9500);
    return true;
}

/* No known shape, but a word before it says that it is a secret. */
static void said_key(pii_group *g, size_t from, size_t to)
{
    uint8_t b = pii_before(g, from), a;

    while (to < g->n && (pii_is(g->cell[to], PII_KEY) || g->cell[to] == '/' || g->cell[to] == '+' ||
                         g->cell[to] == '='))
        to++;
    a = pii_after(g, to);
    if ((begins(g, from, "API_KEY_") && to - from == 20) ||
        (from == 0 && b == '_' && begins(g, from, "KEY_") && to - from == 16))
        return; /* a pseudonym of redact.h, or what a group that began inside has of one */
    if (b == '.' || b == '/' || b == '@' || a == '(' || a == '@' || a == '.' || a == '/' ||
        !looks_random(g, from, to, 2) || pii_ranges_find(&g->urls, from, to) >= 0 ||
        pii_hint_before(g, from) != PII_HINT_KEY)
        return;
    pii_hit_add(g, PL_PII_API_KEY, from, to, 7000);
}

/* No key, and no beginning of one. */
static bool is_number(const pii_group *g, size_t from, size_t to)
{
    uint8_t a = pii_after(g, to), b = pii_before(g, from);

    return is_all(g, from, to, PII_DIGIT) && a != '/' && a != '+' && a != '=' && b != '.' &&
           b != ':';
}

void pii_find_keys(pii_group *g)
{
    if (!pii_on(g, PL_PII_API_KEY))
        return;
    for (size_t i = 0; (i = pii_set(g, g->word, i)) < g->n;) {
        size_t from = i, to = key_end(g, i);

        i = to + 1;
        if (to - from < RUN_MIN || is_number(g, from, to) || (from == 0 && pii_is(pii_before(g, 0), PII_ALNUM)))
            continue;
        while (from < to && (g->cell[from] == '-' || g->cell[from] == '_'))
            from++;
        if (to - from >= RUN_MIN && !vendor_key(g, from, to) && !dotted_key(g, from, to)) {
            if (web_token(g, from, to)) {
                i = to + 1;
                while (i < g->n && (pii_is(g->cell[i], PII_KEY) || g->cell[i] == '.'))
                    i++;
            } else {
                said_key(g, from, to);
            }
        }
    }
}

/* RFC 7468 10 and 11, and the older labels: anything that ends in "PRIVATE KEY", and PGP's. */
bool pii_pem_is_key(pl_str block)
{
    return memmem(block.p, block.n, "PRIVATE KEY", 11) != NULL;
}
