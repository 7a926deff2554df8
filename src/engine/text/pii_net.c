/* E-mail addresses, URLs and what they give away, addresses of the internet protocol.
 *
 * Sources: RFC 5321 4.5.3.1 (lengths), RFC 5322 3.2.3 (dot-atom; the characters of it that people
 * use), RFC 1035 2.3.1 and RFC 1123 2.1 (host names), RFC 3986 (URLs), RFC 4291 2.2 and RFC 5952
 * (IPv6), RFC 6943 3.1.1 (IPv4: four decimal parts without leading zeros).
 */
#include "base/banned.h"

#include "engine/text/pii_int.h"

enum { LOCAL_MAX = 64, ADDRESS_MAX = 254, LABEL_MAX = 63 };

/* `set` is a literal, so this becomes a few comparisons. */
static inline __attribute__((always_inline)) bool is_one_of(uint8_t c, const char *set)
{
#pragma GCC unroll 12
    for (size_t i = 0; i < strlen(set); i++)
        if (c == (uint8_t)set[i])
            return true;
    return false;
}

static bool cells_are(const pii_group *g, size_t from, size_t to, const char *word)
{
    size_t i = 0;

    while (from + i < to && word[i] && pii_lower(g->cell[from + i]) == (uint8_t)word[i])
        i++;
    return from + i == to && !word[i];
}

static bool cells_begin(const pii_group *g, size_t from, const char *word)
{
    return g->n - from >= strlen(word) && cells_are(g, from, from + strlen(word), word);
}

static bool is_listed(const pii_group *g, size_t from, size_t to, const char *const *words)
{
    for (; *words; words++)
        if (cells_are(g, from, to, *words))
            return true;
    return false;
}

/* --- host names ---------------------------------------------------------------- */

/* The end of labels parted by dots that begin at `from`; *last is where the last one begins. */
static size_t host_end(const pii_group *g, size_t from, size_t *last)
{
    size_t end = from, i = from;

    *last = from;
    for (;;) {
        size_t label = i;

        while (i < g->n && pii_is(g->cell[i], PII_KEY))
            i++;
        while (i > label && !pii_is(g->cell[i - 1], PII_ALNUM))
            i--;
        if (i == label || i - label > LABEL_MAX || g->cell[label] == '-')
            return end;
        *last = label;
        end = i;
        if (i >= g->n || g->cell[i] != '.')
            return end;
        i++;
    }
}

static bool is_top_level(const pii_group *g, size_t from, size_t to)
{
    if (cells_begin(g, from, "xn--") && to - from > 4)
        return true;
    for (size_t i = from; i < to; i++)
        if (!pii_is(g->cell[i], PII_ALPHA))
            return false;
    return to - from >= 2 && to - from <= 24;
}

/* --- e-mail -------------------------------------------------------------------- */

static bool is_local(uint8_t c)
{
    return pii_is(c, PII_ALNUM) || is_one_of(c, "._%+-~'#!");
}

/* "icon@2x.png" is the name of a picture. */
static bool is_file_name(const pii_group *g, size_t from, size_t to)
{
    static const char *const ends[] = { "png", "jpg", "jpeg", "gif", "svg", "webp", "css", "js",
                                        "ts", "json", "html", "htm", "xml", "yml", "yaml", "pdf",
                                        "zip", "gz", "mp4", "service", NULL };

    return is_listed(g, from, to, ends);
}

static void email_at(pii_group *g, size_t at)
{
    size_t start = at, end, last;

    while (start > 0 && at - start < LOCAL_MAX && is_local(g->cell[start - 1]))
        start--;
    while (start < at && !pii_is(g->cell[start], PII_ALNUM) && g->cell[start] != '_')
        start++;
    if (start == at || g->cell[at - 1] == '.' || (start > 0 && is_local(g->cell[start - 1]) &&
                                                  pii_is(g->cell[start - 1], PII_ALNUM)))
        return;
    if (start == 0 && pii_is(pii_before(g, 0), PII_ALNUM))
        return;
    end = host_end(g, at + 1, &last);
    if (last == at + 1 || end - start > ADDRESS_MAX || !is_top_level(g, last, end) ||
        is_file_name(g, last, end) || pii_after(g, end) == '@' || pii_after(g, end) == '_')
        return;
    if (cells_are(g, start, at, "git") && pii_after(g, end) == ':')
        return; /* git@host:path is an address of a repository */
    for (size_t i = start; i + 1 < at; i++)
        if (g->cell[i] == '.' && g->cell[i + 1] == '.')
            start = i + 2;
    if (start < at)
        pii_hit_add(g, PL_PII_EMAIL, start, end, 9900);
}

void pii_find_email(pii_group *g)
{
    for (size_t i = 1; (i = pii_set(g, g->at_sign, i)) < g->n; i++) {
        int url = pii_ranges_find(&g->urls, i, i + 1);

        if (url < 0 ||
            memchr(g->cell + g->urls.at[url].start, '?', i - g->urls.at[url].start))
            email_at(g, i);
    }
}

/* --- URLs ---------------------------------------------------------------------- */

/* user:pass@ of an authority [from, to): what is before the '@' when there is a password. */
static void find_userinfo(pii_group *g, size_t from, size_t to)
{
    static const char *const examples[] = { "user:password", "username:password", "user:pass",
                                            NULL };
    size_t at = to, colon;

    while (at > from && g->cell[at - 1] != '@')
        at--;
    if (at <= from + 2)
        return;
    at--;
    colon = from;
    while (colon < at && g->cell[colon] != ':')
        colon++;
    if (colon + 1 >= at)
        return;
    if (is_one_of(g->cell[colon + 1], "$%<*"))
        return; /* a variable or a mask stands there */
    pii_hit_add(g, PL_PII_URL_CREDENTIAL, from, at,
                is_listed(g, from, at, examples) ? 6000 : 9500);
}

static bool is_secret_name(const pii_group *g, size_t from, size_t to)
{
    static const char *const names[] = {
        "token", "access_token", "accesstoken", "auth_token", "authtoken", "refresh_token",
        "id_token", "api_key", "apikey", "api-key", "key", "access_key", "accesskey",
        "accesskeyid", "secret", "client_secret", "appsecret", "app_secret", "password", "passwd",
        "pwd", "pass", "sig", "signature", "x-amz-signature", "x-amz-security-token",
        "x-goog-signature", "x-oss-signature", "q-signature", "code_verifier", "sessionid",
        "session_id", "session", "jwt", "auth", "credential", "sas", NULL
    };

    return is_listed(g, from, to, names);
}

/* name=value pairs of a query or fragment whose name says that the value is a secret. */
static void find_secret_parameters(pii_group *g, size_t from, size_t to)
{
    enum { VALUE_MIN = 8 };

    for (size_t i = from; i < to; i++) {
        size_t name, value;

        if (!is_one_of(g->cell[i], "?&#;"))
            continue;
        name = ++i;
        while (i < to && !is_one_of(g->cell[i], "=?&#;"))
            i++;
        if (i >= to || g->cell[i] != '=' || !is_secret_name(g, name, i)) {
            i--;
            continue;
        }
        value = ++i;
        while (i < to && !is_one_of(g->cell[i], "&#;"))
            i++;
        if (i - value >= VALUE_MIN && !is_one_of(g->cell[value], "$%<*"))
            pii_hit_add(g, PL_PII_URL_CREDENTIAL, value, i, 9000);
        i--;
    }
}

/* Without what prose puts behind a URL: punctuation, and a parenthesis that was opened before. */
static size_t url_trim(const pii_group *g, size_t from, size_t to)
{
    int depth = 0;

    if (to > from && (g->cell[to - 1] == ')' || is_one_of(g->cell[to - 1], ".,;:!?'*_~(")))
        for (size_t i = from; i < to; i++)
            depth += (g->cell[i] == '(') - (g->cell[i] == ')');
    while (to > from) {
        uint8_t c = g->cell[to - 1];

        if (c == ')' && depth < 0)
            depth++;
        else if (!is_one_of(c, ".,;:!?'*_~("))
            break;
        to--;
    }
    return to;
}

static bool is_scheme_end(const pii_group *g, size_t i)
{
    return g->cell[i] == ':' && i + 2 < g->n && g->cell[i + 1] == '/' && g->cell[i + 2] == '/';
}

static size_t scheme_start(const pii_group *g, size_t colon)
{
    size_t start = colon;

    while (start > 0 &&
           (pii_is(g->cell[start - 1], PII_ALNUM) || is_one_of(g->cell[start - 1], "+-.")))
        start--;
    while (start < colon && !pii_is(g->cell[start], PII_ALPHA))
        start++;
    return start;
}

static size_t authority_end(const pii_group *g, size_t from)
{
    while (from < g->n && !is_one_of(g->cell[from], "/?#") && g->cell[from] < PII_HAN &&
           g->cell[from] != ' ')
        from++;
    return from;
}

/* Where the URL ends for sure: at a blank, and at a comma or semicolon before the next URL of a
 * list. */
static size_t url_limit(const pii_group *g, size_t authority)
{
    size_t end = authority;

    for (; end < g->n && g->cell[end] > ' ' && g->cell[end] < PII_HAN; end++) {
        size_t scheme = is_scheme_end(g, end) ? scheme_start(g, end) : 0;

        if (scheme > authority && is_one_of(g->cell[scheme - 1], ",;"))
            return scheme - 1;
    }
    return end;
}

/* Gives the end of the URL, or `authority` when there is none. */
static size_t url_at(pii_group *g, size_t start, size_t authority, unsigned score)
{
    size_t end = url_trim(g, start, url_limit(g, authority)), last, host = authority, host_to;

    host_to = authority_end(g, authority);
    if (host_to > end)
        host_to = end;
    for (size_t i = authority; i < host_to; i++)
        if (g->cell[i] == '@')
            host = i + 1;
    if (end <= authority || host_end(g, host, &last) <= host)
        return authority;
    pii_ranges_add(&g->urls, start, end);
    pii_hit_add(g, PL_PII_URL, start, end, score);
    find_userinfo(g, authority, host_to);
    find_secret_parameters(g, host_to, end);
    return end;
}

static bool is_www(const pii_group *g, size_t i)
{
    size_t last, end;

    if (!cells_begin(g, i, "www.") || !pii_contiguous(g, i, i + 4) ||
        pii_is(pii_before(g, i), PII_ALNUM) || is_one_of(pii_before(g, i), "-_.@/"))
        return false;
    end = host_end(g, i, &last);
    return last > i + 4 && is_top_level(g, last, end);
}

void pii_find_urls(pii_group *g)
{
    for (size_t i = 0;; i++) {
        size_t colon = pii_set(g, g->colon, i), w = pii_set(g, g->w, i);

        i = colon < w ? colon : w;
        if (i + 3 >= g->n)
            return;
        if (is_scheme_end(g, i) && pii_contiguous(g, i, i + 3)) {
            size_t start = scheme_start(g, i);

            if (start < i)
                i = url_at(g, start, i + 3, 9500) - 1;
        } else if (i == w && is_www(g, i)) {
            i = url_at(g, i, i, 8000);
        }
    }
}

/* --- IP addresses -------------------------------------------------------------- */

/* The end of an IPv4 address that begins at i, or 0; *parts are its numbers. */
static size_t ipv4_end(const pii_group *g, size_t i, unsigned parts[4])
{
    for (unsigned k = 0; k < 4; k++) {
        size_t   from = i;
        unsigned v = 0;

        while (i < g->n && pii_is(g->cell[i], PII_DIGIT) && i - from < 4)
            v = v * 10 + (unsigned)(g->cell[i++] - '0');
        if (i == from || v > 255 || (g->cell[from] == '0' && i - from > 1))
            return 0;
        parts[k] = v;
        if (k < 3 && (i >= g->n || g->cell[i++] != '.'))
            return 0;
    }
    return i;
}

/* Four small numbers are a section or a version unless something says otherwise. */
static unsigned ipv4_score(const pii_group *g, size_t start, size_t end, const unsigned p[4])
{
    uint8_t before = pii_before(g, start), after = pii_after(g, end);
    bool    is_small = p[0] < 20 && p[1] < 20 && p[2] < 20 && p[3] < 20;
    bool    is_private = p[0] == 10 || p[0] == 127 || (p[0] == 192 && p[1] == 168) ||
                      (p[0] == 172 && p[1] >= 16 && p[1] < 32);
    bool is_twin = p[0] == p[1] && p[1] == p[2] && p[2] == p[3];
    bool has_port = after == ':' && end + 1 < g->n && pii_is(g->cell[end + 1], PII_DIGIT);

    switch (pii_hint_before(g, start)) {
    case PII_HINT_VERSION:
    case PII_HINT_OTHER:
        return 0;
    case PII_HINT_IP:
        return 9800;
    default:
        break;
    }
    if (before == '/' && start >= 2 && pii_is(g->cell[start - 2], PII_ALNUM))
        return 0; /* "Chrome/91.0.4472.124", a path */
    if (p[0] == 0 && !is_twin)
        return 4000;
    if (has_port || after == '/' || before == '@' || before == '/')
        return 9500;
    return is_small && !is_private && !is_twin ? 4000 : is_private ? 9500 : 8500;
}

static void ipv4_at(pii_group *g, size_t i)
{
    uint8_t  before = pii_before(g, i), after;
    unsigned parts[4];
    size_t   end = ipv4_end(g, i, parts);

    if (end == 0 || pii_is(before, PII_ALNUM) || is_one_of(before, "._-+"))
        return;
    after = pii_after(g, end);
    if (pii_is(after, PII_ALNUM) || is_one_of(after, "_%") ||
        (is_one_of(after, ".-") && end + 1 < g->n && pii_is(g->cell[end + 1], PII_ALNUM)))
        return;
    pii_hit_add(g, PL_PII_IP, i, end, ipv4_score(g, i, end, parts));
}

/* The end of an IPv6 address that begins at i, or 0. */
static size_t ipv6_end(const pii_group *g, size_t i, unsigned *groups, unsigned *digits)
{
    bool     compressed = false;
    size_t   end = 0;
    unsigned parts[4];

    *groups = *digits = 0;
    if (i + 1 < g->n && g->cell[i] == ':' && g->cell[i + 1] == ':') {
        compressed = true;
        i += 2;
        end = i;
    }
    while (i < g->n && *groups < 8) {
        size_t from = i, v4 = *groups <= 6 ? ipv4_end(g, i, parts) : 0;

        if (v4) {
            *groups += 2;
            end = v4;
            break;
        }
        while (i < g->n && pii_is(g->cell[i], PII_HEX) && i - from < 5)
            *digits += pii_is(g->cell[i++], PII_DIGIT);
        if (i == from || i - from > 4)
            break;
        end = i;
        ++*groups;
        if (i >= g->n || g->cell[i] != ':')
            break;
        if (i + 1 < g->n && g->cell[i + 1] == ':') {
            if (compressed)
                break;
            compressed = true;
            i += 2;
            end = i;
        } else {
            i++;
        }
    }
    return end && (compressed ? *groups < 8 : *groups == 8) ? end : 0;
}

static size_t ipv6_at(pii_group *g, size_t i)
{
    unsigned groups, digits;
    size_t   end = ipv6_end(g, i, &groups, &digits);
    uint8_t  after;

    if (end == 0)
        return 0;
    after = pii_after(g, end);
    if (pii_is(after, PII_ALNUM) || after == ':' || after == '_' || !pii_contiguous(g, i, end))
        return 0;
    if (groups == 0 || digits == 0 || (groups == 1 && g->cell[i] != ':' && end - i < 5))
        return 0; /* "::" and "a::b" of programs */
    pii_hit_add(g, PL_PII_IP, i, end, groups == 1 ? 6000 : groups == 2 ? 7500 : 9800);
    return end;
}

void pii_find_ipv4(pii_group *g)
{
    for (size_t i = 0; (i = pii_set(g, g->digit, i)) + 6 < g->n;) {
        size_t from = i;

        while (i < g->n && pii_is(g->cell[i], PII_DIGIT))
            i++;
        if (i < g->n && g->cell[i] == '.' && i - from <= 3 && !pii_is(pii_before(g, from), PII_DIGIT))
            ipv4_at(g, from);
    }
}

void pii_find_ipv6(pii_group *g)
{
    for (size_t i = 0; i + 2 < g->n; i++) {
        uint8_t c = g->cell[i], before = pii_before(g, i);
        size_t  end;

        if ((!pii_is(c, PII_HEX) && c != ':') || pii_is(before, PII_ALNUM) || before == ':' ||
            before == '_' || before == '.')
            continue;
        end = ipv6_at(g, i);
        if (end)
            i = end - 1;
    }
}
