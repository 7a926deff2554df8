/* Search over many filings: ours (cap/registry/registry_index.h) beside what the database has, FTS5 over
 * pairs of characters on SQLite and GIN over an array of them on PostgreSQL.
 *
 *     registry_bench URL FILINGS QUERIES
 *
 * Makes the filings in the database of that URL, asks both sides the same queries (one, two and four
 * characters, with and without a filter; what exists, and pairs that exist apart) for the first 20 and
 * the count, and prints one JSON object: p50 and p95 in milliseconds, and whether the answers were equal. */
#include "base/str.h"
#include "base/utf8.h"
#include "cap/registry/registry_int.h"

#include <string.h>
#include <time.h>

#define CHUNK 16384
#define WORDS 24

static const char *const name_parts[WORDS] = {
    "星河", "智能", "推荐", "对话", "检索", "合成", "调度", "排序", "视频", "图像", "语音", "文本",
    "翻译", "客服", "医疗", "金融", "教育", "政务", "电商", "搜索", "创作", "写作", "代码", "审核" };
static const char *const places[WORDS] = {
    "北京", "上海", "广东", "浙江", "江苏", "天津", "重庆", "四川", "湖南", "湖北", "福建", "山东",
    "河北", "河南", "安徽", "江西", "陕西", "贵州", "云南", "广西", "海南", "辽宁", "吉林", "黑龙江" };
static const char *const months[] = { "2023-06", "2023-09", "2024-01", "2024-04", "2024-08", "2025-01",
                                      "2025-05", "2025-11", "2026-03", "2026-07" };

static bool has_rival = true; /* RIVAL=0: only ours, to fill sooner */

static uint64_t rng = 88172645463325252ULL;

static unsigned pick(unsigned n)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return (unsigned)(rng % n);
}

static void must(pl_rc rc, const pl_error *err)
{
    if (rc == PL_OK)
        return;
    (void)fprintf(stderr, "registry_bench: %s\n", err->text);
    exit(5);
}

static double now_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* One of some 20,000 characters, as company names have them. */
static void rare_put(pl_buf *b, unsigned n)
{
    char utf8[4];

    for (unsigned i = 0; i < n; i++)
        pl_buf_put(b, (pl_str){ utf8, (size_t)pl_utf8_encode(0x4e00 + pick(20000), utf8) });
}

static void text_make(pl_buf *b, const char **place)
{
    *place = places[pick(10) < 6 ? pick(4) : pick(WORDS)];
    pl_buf_clear(b);
    pl_buf_puts(b, name_parts[pick(WORDS)]);
    pl_buf_puts(b, name_parts[pick(WORDS)]);
    rare_put(b, 1);
    pl_buf_puts(b, "算法\n");
    pl_buf_puts(b, *place);
    rare_put(b, 3);
    pl_buf_puts(b, "科技有限公司\n");
    pl_buf_printf(b, "网信算备%06u%07u01%02u%03u%u号\n", 110000 + pick(500000), pick(9999999), 22 + pick(5), pick(999),
                  1 + 2 * pick(5));
    pl_buf_puts(b, name_parts[pick(WORDS)]);
    rare_put(b, 2);
}

/* --- the rival ------------------------------------------------------------------------------- */

/* Tokens of a text: "x4e00" for a character, "x4e00_4e01" for a pair; numbers for PostgreSQL. */
static void tokens_put(pl_buf *b, pl_str s, bool pg, bool query)
{
    uint32_t before = 0, cp;
    size_t   run = 0;
    int      len;

    for (;;) {
        cp = 0;
        len = s.n ? pl_utf8_decode(s, &cp) : 0;
        if (len > 0)
            s = (pl_str){ s.p + len, s.n - (size_t)len };
        if (len <= 0 || cp <= ' ') {
            before = 0;
            run = 0;
            if (len <= 0)
                return;
            continue;
        }
        run++;
        if (!query || s.n == 0 || run > 1) {
            if (run > 1 && before) {
                pl_buf_puts(b, b->n ? (pg ? "," : query ? " AND " : " ") : "");
                if (pg)
                    pl_buf_printf(b, "%llu", (unsigned long long)before << 21 | cp);
                else
                    pl_buf_printf(b, "x%x_%x", before, cp);
            }
            if (!query || (run == 1 && s.n == 0)) {
                pl_buf_puts(b, b->n ? (pg ? "," : query ? " AND " : " ") : "");
                if (pg)
                    pl_buf_printf(b, "%llu", (unsigned long long)cp << 21);
                else
                    pl_buf_printf(b, "x%x", cp);
            }
        }
        before = cp;
    }
}

static void rival_make(pl_db *db, pl_error *err)
{
    must(pl_db_exec(db,
                    pl_db_is_postgres(db)
                        ? "CREATE TABLE rival (seq BIGINT PRIMARY KEY, region TEXT, grams BIGINT[])"
                        : "CREATE VIRTUAL TABLE rival USING fts5(grams, content='', detail=none, columnsize=0, "
                          "tokenize=\"unicode61 tokenchars '_'\")",
                    err), err);
}

static void rival_add(pl_db *db, int64_t seq, pl_str text, const char *place, pl_error *err)
{
    bool        pg = pl_db_is_postgres(db);
    pl_buf      tokens = PL_BUF_INIT(1 << 16), sql = PL_BUF_INIT(1 << 16);
    pl_db_stmt *s;

    tokens_put(&tokens, text, pg, false);
    if (!pg)
        pl_buf_printf(&tokens, " r%s", place);
    pl_buf_printf(&sql, "{%s}", tokens.p);
    must(pl_db_prepare(db, pg ? "INSERT INTO rival (seq, region, grams) VALUES ($1, $3, CAST($2::text AS bigint[]))"
                              : "INSERT INTO rival (rowid, grams) VALUES ($1, $2)", &s, err), err);
    pl_db_bind_int(s, 1, seq);
    pl_db_bind_str(s, 2, pg ? pl_buf_str(&sql) : pl_buf_str(&tokens));
    if (pg)
        pl_db_bind_str(s, 3, pl_str_z(place));
    must(pl_db_run(s, NULL, err), err);
    pl_buf_done(&tokens);
    pl_buf_done(&sql);
}

/* The first 20 and the count. */
static int64_t rival_find(pl_db *db, pl_str query, const char *place, int64_t *first, pl_error *err)
{
    bool        pg = pl_db_is_postgres(db);
    pl_buf      q = PL_BUF_INIT(4096), sql = PL_BUF_INIT(8192);
    pl_db_stmt *s;
    int64_t     n = 0;
    pl_rc       rc;

    *first = -1;
    tokens_put(&q, query, pg, true);
    for (int what = 0; what < 2; what++) {
        pl_buf_clear(&sql);
        if (pg)
            pl_buf_printf(&sql, "SELECT %s FROM rival WHERE grams @> ARRAY[%s]::bigint[]%s%s%s%s", what ? "COUNT(*)" : "seq",
                          q.p, place ? " AND region = '" : "", place ? place : "", place ? "'" : "",
                          what ? "" : " ORDER BY seq DESC LIMIT 20");
        else
            pl_buf_printf(&sql, "SELECT %s FROM rival WHERE rival MATCH '%s%s%s'%s", what ? "COUNT(*)" : "rowid", q.p,
                          place ? " AND r" : "", place ? place : "", what ? "" : " ORDER BY rowid DESC LIMIT 20");
        must(pl_db_prepare(db, sql.p, &s, err), err);
        while ((rc = pl_db_step(s, err)) == PL_OK) {
            if (what)
                n = pl_db_int(s, 0);
            else if (*first < 0)
                *first = pl_db_int(s, 0);
        }
        pl_db_done(s);
        if (rc != PL_NOTFOUND)
            must(rc, err);
    }
    pl_buf_done(&q);
    pl_buf_done(&sql);
    return n;
}

/* --- filling ------------------------------------------------------------------------------------ */

static void fill(pl_db *db, int64_t count, pl_error *err)
{
    registry_changes k = { 0 };
    pl_buf           text = PL_BUF_INIT(4096), folded = PL_BUF_INIT(8192);
    const char      *place = "";
    char             id[27];
    double           begin = now_ms();

    must(pl_db_begin(db, err), err);
    for (int64_t seq = 1; seq <= count; seq++) {
        registry_filing f = { .seq = seq, .workflow = PL_STR("cn-algorithm"), .pack = PL_STR("x@1"), .version = 1,
                              .state = PL_STR("published"), .is_public = true, .actors = PL_STR("{}"),
                              .data = PL_STR("{}"), .published_data = PL_STR("{}") };

        text_make(&text, &place);
        pl_buf_clear(&folded);
        registry_fold(pl_buf_str(&text), &folded);
        (void)snprintf(id, sizeof id, "01%024lld", (long long)seq);
        f.id = pl_str_z(id);
        f.title = (pl_str){ text.p, strcspn(text.p, "\n") };
        f.region = pl_str_z(place);
        f.month = pl_str_z(months[pick(10)]);
        f.search_text = pl_buf_str(&folded);
        must(filing_store_add(db, &f, err), err);
        registry_changes_text(&k, seq, f.search_text, true);
        must(registry_changes_facet(&k, db, seq, FACET_REGION, f.region, true, err), err);
        must(registry_changes_facet(&k, db, seq, FACET_MONTH, f.month, true, err), err);
        must(registry_changes_facet(&k, db, seq, FACET_PUBLIC, PL_STR("1"), true, err), err);
        if (has_rival)
            rival_add(db, seq, f.search_text, place, err);
        if (seq % CHUNK == 0 || seq == count) {
            must(registry_changes_apply(&k, db, err), err);
            (void)fprintf(stderr, "%lld filings, %.0f s\n", (long long)seq, (now_ms() - begin) / 1e3);
        }
    }
    registry_changes_done(&k);
    must(pl_db_commit(db, err), err);
    (void)snprintf(id, sizeof id, "%lld", (long long)count);
    pl_buf_clear(&text);
    pl_buf_printf(&text, "UPDATE registry_counter SET value = %s WHERE name = 'seq'", id);
    must(pl_db_exec(db, text.p, err), err);
    if (pl_db_is_postgres(db) && has_rival)
        must(pl_db_exec(db, "CREATE INDEX rival_grams ON rival USING gin (grams); ANALYZE rival",
                        err), err);
    if (pl_db_is_postgres(db))
        must(pl_db_exec(db, "ANALYZE registry_gram; ANALYZE registry_filing", err), err);
    pl_buf_done(&text);
    pl_buf_done(&folded);
}

/* --- asking --------------------------------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static void query_make(pl_buf *q, unsigned i, const char **place)
{
    char utf8[4];

    pl_buf_clear(q);
    *place = i % 3 == 2 ? places[pick(WORDS)] : NULL;
    switch (i % 6) {
    case 0:
        pl_buf_put(q, (pl_str){ utf8, (size_t)pl_utf8_encode(0x4e00 + pick(20000), utf8) });
        break;
    case 1:
        pl_buf_put(q, (pl_str){ name_parts[pick(WORDS)], 3 });
        break;
    case 2:
    case 3:
        pl_buf_puts(q, name_parts[pick(WORDS)]);
        break;
    case 4:
        pl_buf_puts(q, name_parts[pick(WORDS)]);
        pl_buf_puts(q, name_parts[pick(WORDS)]);
        break;
    default:
        pl_buf_puts(q, "科技有限公司");
    }
}

int main(int argc, char **argv)
{
    int64_t      count = argc > 2 ? strtoll(argv[2], NULL, 10) : 100000;
    unsigned     queries = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 300, unequal = 0;
    double      *ours = calloc(queries, sizeof *ours), *theirs = calloc(queries, sizeof *theirs), stats = 0;
    pl_error     err = { 0 };
    pl_db       *db = NULL;
    pl_buf       q = PL_BUF_INIT(256);
    pl_principal who = { .roles = PL_ROLES_STAFF };

    has_rival = getenv("RIVAL") == NULL || strcmp(getenv("RIVAL"), "0") != 0;
    must(pl_db_open(argv[1], &db, &err), &err);
    must(pl_db_migrate(db, "registry", pl_cap_registry.migrations, 1, &err), &err);
    rival_make(db, &err);
    fill(db, count, &err);
    for (unsigned i = 0; i < queries; i++) {
        const char     *place;
        int64_t         first = -1, n;
        json_t         *out = NULL;
        pl_arena       *a = pl_arena_new(64u << 20);
        registry_ctx    c = { .db = db, .a = a, .who = &who };
        registry_search s = { .limit = 20, .is_public = true, .region = PL_STR(""), .role = PL_STR(""),
                              .type = PL_STR(""), .month = PL_STR(""), .workflow = PL_STR(""), .state = PL_STR("") };
        double          t;
        const char     *id;

        query_make(&q, i, &place);
        s.query = pl_buf_str(&q);
        s.region = pl_str_z(place);
        t = now_ms();
        must(registry_search_run(&c, &s, &out, &err), &err);
        ours[i] = now_ms() - t;
        t = now_ms();
        n = has_rival ? rival_find(db, s.query, place, &first, &err) : 0;
        theirs[i] = now_ms() - t;
        id = json_string_value(json_object_get(json_array_get(json_object_get(out, "filings"), 0), "id"));
        /* Where the count is exact on our side both must agree; four characters are candidates on theirs. */
        if (has_rival && i % 6 != 4 && i % 6 != 5 &&
            (json_integer_value(json_object_get(out, "total")) != n || (id ? strtoll(id + 2, NULL, 10) : -1) != first))
            unequal++;
        json_decref(out);
        if (i == 0) {
            s.query = PL_STR("");
            s.region = PL_STR("");
            t = now_ms();
            must(registry_statistics(&c, &s, &out, &err), &err);
            stats = now_ms() - t;
            json_decref(out);
        }
        pl_arena_free(a);
    }
    qsort(ours, queries, sizeof *ours, by_size);
    qsort(theirs, queries, sizeof *theirs, by_size);
    (void)printf("{\"database\":\"%s\",\"filings\":%lld,\"queries\":%u,\"unequal\":%u,\"ours_p50\":%.3f,\"ours_p95\":%.3f,"
                 "\"theirs_p50\":%.3f,\"theirs_p95\":%.3f,\"statistics\":%.3f}\n",
                 pl_db_is_postgres(db) ? "postgresql" : "sqlite", (long long)count, queries, unequal, ours[queries / 2],
                 ours[queries * 95 / 100], theirs[queries / 2], theirs[queries * 95 / 100], stats);
    pl_buf_done(&q);
    pl_db_close(db);
    free(ours);
    free(theirs);
    return unequal > 0;
}
