/* The audit: what the events of a time say about coverage, every bypass by its cause, and whether
 * each request of the access log left an event. */
#include "base/banned.h"

#include "base/str.h"
#include "base/timefmt.h"
#include "cap/guard/guard_int.h"
#include "cap/guard/guard_run.h"

#include <glob.h>
#include <sys/stat.h>
#include <zlib.h>

#define IDS_MAX     2000000 /* 52 MB of ids */
#define LINE_MAX_   65536
#define MISSING_MAX 20      /* named; the rest is counted */
#define LOG_MAX     (8ull << 30)
#define LOGS_MAX    1000

typedef struct audit {
    char   (*id)[PL_ID_LEN + 1]; /* in order */
    size_t   n, cap;
    uint64_t unlogged, uncovered;
    uint64_t bytes[2], scanned[2]; /* input, output */
    uint64_t unknown_surface, media, shadow, aborted, not_judged, second_opinion, oversize, worker_lost;
    json_t  *verdicts, *surfaces, *refusals;
    pl_error *err;
} audit;

static void count(json_t *o, const char *key)
{
    json_object_set_new(o, key, json_integer(json_integer_value(json_object_get(o, key)) + 1));
}

static uint64_t number_of(const json_t *leaf, const char *part, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(json_object_get(leaf, part), key));
}

static bool says(const json_t *leaf, const char *key, const char *value)
{
    const char *s = json_string_value(json_object_get(leaf, key));

    return s && strcmp(s, value) == 0;
}

static bool holds(const json_t *leaf, const char *key, const char *value)
{
    const json_t *v;
    size_t        i;

    json_array_foreach (json_object_get(leaf, key), i, v)
        if (json_is_string(v) && strcmp(json_string_value(v), value) == 0)
            return true;
    return false;
}

/* Each way in which something went through unread has a count of its own. */
static void bypasses(audit *a, const json_t *leaf)
{
    a->unknown_surface += says(leaf, "reason", "unknown_surface");
    a->media += json_integer_value(json_object_get(leaf, "unscreened")) > 0;
    a->shadow += says(leaf, "mode", "shadow");
    a->aborted += says(leaf, "end", "aborted");
    a->worker_lost += says(leaf, "reason", "worker_lost");
    a->not_judged += holds(leaf, "bypasses", pl_bypass_name(PL_BYPASS_NOT_JUDGED));
    a->second_opinion += holds(leaf, "bypasses", pl_bypass_name(PL_BYPASS_OPINION));
    a->oversize += holds(leaf, "bypasses", pl_bypass_name(PL_BYPASS_OVER_IN)) ||
                   holds(leaf, "bypasses", pl_bypass_name(PL_BYPASS_OVER_OUT));
}

static void amounts(audit *a, const json_t *leaf)
{
    static const char *const parts[] = { "input", "output" };

    for (int d = 0; d < 2; d++) {
        a->bytes[d] += number_of(leaf, parts[d], "bytes");
        a->scanned[d] += number_of(leaf, parts[d], "scanned");
    }
    /* Text of an answer that left without having been scanned: there must be none but what the policy let pass. */
    a->uncovered += !holds(leaf, "bypasses", pl_bypass_name(PL_BYPASS_OVER_OUT)) &&
                    number_of(leaf, "output", "bytes") > number_of(leaf, "output", "scanned");
}

static pl_rc id_keep(audit *a, pl_str id)
{
    if (a->n == a->cap) {
        size_t cap = a->cap ? a->cap * 2 : 1024;
        void  *list = cap > IDS_MAX ? NULL : realloc(a->id, cap * sizeof *a->id);

        if (!list)
            return pl_fail(a->err, PL_LIMIT, "too many exchanges for one audit: ask for less time");
        a->id = list;
        a->cap = cap;
    }
    snprintf(a->id[a->n++], PL_ID_LEN + 1, PL_STR_FMT, PL_STR_ARG(id));
    return PL_OK;
}

static pl_rc on_event(void *ctx, pl_str id, pl_str bytes, bool is_logged)
{
    audit  *a = ctx;
    json_t *leaf = NULL;
    pl_rc   rc = pl_json_parse(bytes, "event", &leaf, a->err);

    if (rc == PL_OK)
        rc = id_keep(a, id);
    if (rc == PL_OK) {
        a->unlogged += !is_logged;
        count(a->verdicts, json_string_value(json_object_get(leaf, "verdict")));
        count(a->surfaces, json_string_value(json_object_get(leaf, "surface")));
        if (says(leaf, "verdict", "refuse"))
            count(a->refusals, json_string_value(json_object_get(leaf, "reason")));
        bypasses(a, leaf);
        amounts(a, leaf);
    }
    json_decref(leaf);
    return rc;
}

/* --- access log -------------------------------------------------------------------------- */

static int id_cmp(const void *key, const void *item)
{
    return strcmp(key, item);
}

/* A line without a request id is no exchange: a page, a path that is refused, a health check. */
static bool line_id(const char *line, char id[PL_ID_LEN + 1])
{
    static const char name[] = "\"request_id\":\"";
    const char       *at = strstr(line, name);

    if (!at)
        return false;
    snprintf(id, PL_ID_LEN + 1, "%s", at + sizeof name - 1);
    return pl_id_valid(pl_str_z(id));
}

typedef struct log_reader {
    const audit *a;
    const char  *from, *to;
    uint64_t     requests, covered, files, broken;
    json_t      *missing;
} log_reader;

static void line_take(log_reader *l, const char *line)
{
    char id[PL_ID_LEN + 1];

    if (!line_id(line, id) || strcmp(id, l->from) < 0 || strcmp(id, l->to) >= 0)
        return;
    l->requests++;
    if (l->a->n && bsearch(id, l->a->id, l->a->n, sizeof *l->a->id, id_cmp))
        l->covered++;
    else if (json_array_size(l->missing) < MISSING_MAX)
        json_array_append_new(l->missing, json_string(id));
}

/* Plain or gzip; of what is compressed at most LOG_MAX bytes. A file that cannot be read to its end
 * is counted: its requests are not known. */
static void file_take(log_reader *l, const char *path)
{
    gzFile   f = gzopen(path, "rbe");
    char    *line = malloc(LINE_MAX_);
    uint64_t bytes = 0;
    int      problem = Z_OK;

    if (!f || !line) {
        l->broken++;
    } else {
        l->files++;
        while (bytes < LOG_MAX && gzgets(f, line, LINE_MAX_)) {
            bytes += strlen(line);
            line_take(l, line);
        }
        (void)gzerror(f, &problem);
        l->broken += problem != Z_OK || bytes >= LOG_MAX;
    }
    if (f)
        gzclose(f);
    free(line);
}

/* What was written last before the time began holds nothing of it. */
static bool is_old(const char *path, int64_t from_ms)
{
    struct stat st;

    return stat(path, &st) == 0 && (int64_t)st.st_mtime * 1000 + 1000 < from_ms;
}

/* The log and what logrotate made of it: access.log.1, access.log.2.gz, access.log-20261126.gz … null
 * when there is none to compare with. */
static json_t *access_log(const audit *a, const char *path, const guard_audit_range *r, const char *from,
                          const char *to)
{
    log_reader l = { .a = a, .from = from, .to = to, .missing = json_array() };
    char      *pattern = NULL;
    glob_t     g = { 0 };

    if (path && asprintf(&pattern, "%s*", path) > 0 && glob(pattern, GLOB_NOSORT, NULL, &g) == 0)
        for (size_t i = 0; i < g.gl_pathc && i < LOGS_MAX; i++)
            if (!is_old(g.gl_pathv[i], r->from_ms))
                file_take(&l, g.gl_pathv[i]);
    l.broken += g.gl_pathc > LOGS_MAX;
    globfree(&g);
    free(pattern);
    if (l.files == 0 && l.broken == 0) {
        json_decref(l.missing);
        return json_null();
    }
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:o}", "files", (json_int_t)l.files, "unreadable",
                     (json_int_t)l.broken, "requests", (json_int_t)l.requests, "covered",
                     (json_int_t)l.covered, "without_event", (json_int_t)(l.requests - l.covered),
                     "missing", l.missing);
}

/* --- the whole ----------------------------------------------------------------------------- */

static json_t *amount_json(const audit *a, int d)
{
    return json_pack("{s:I, s:I}", "bytes", (json_int_t)a->bytes[d], "scanned",
                     (json_int_t)a->scanned[d]);
}

static json_t *audit_json(const audit *a, const guard_audit_range *r, json_t *log)
{
    char from[25], to[25];

    pl_time_format(r->from_ms, from);
    pl_time_format(r->to_ms, to);
    return json_pack("{s:s, s:s, s:I, s:I, s:O, s:O, s:O, s:o, s:o, s:I, s:{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}, s:o}",
                     "from", from, "to", to, "exchanges", (json_int_t)a->n, "not_in_ledger",
                     (json_int_t)a->unlogged, "verdicts", a->verdicts, "refusals", a->refusals, "surfaces", a->surfaces, "input",
                     amount_json(a, 0), "output", amount_json(a, 1), "uncovered",
                     (json_int_t)a->uncovered, "bypasses", "unknown_surface",
                     (json_int_t)a->unknown_surface, "media", (json_int_t)a->media, "shadow",
                     (json_int_t)a->shadow, "aborted", (json_int_t)a->aborted, "not_judged",
                     (json_int_t)a->not_judged, "second_opinion", (json_int_t)a->second_opinion, "oversize", (json_int_t)a->oversize, "worker_lost", (json_int_t)a->worker_lost, "without_event",
                     json_integer_value(json_object_get(log, "without_event")), "access_log", log);
}

pl_rc guard_audit(pl_services *s, pl_db *db, const guard_audit_range *r, json_t **out, pl_error *err)
{
    static const uint8_t none[10] = { 0 };
    audit  a = { .verdicts = json_object(), .surfaces = json_object(), .refusals = json_object(), .err = err };
    char   from[PL_ID_LEN + 1], to[PL_ID_LEN + 1];
    char  *path = pl_instance_path(s->instance, "log/access.log");
    pl_rc  rc;

    pl_id_format(r->from_ms, none, from);
    pl_id_format(r->to_ms, none, to);
    rc = guard_event_each(db, from, to, on_event, &a, err);
    if (rc == PL_OK) {
        *out = audit_json(&a, r, access_log(&a, path, r, from, to));
        rc = *out ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");
    }
    json_decref(a.verdicts);
    json_decref(a.surfaces);
    json_decref(a.refusals);
    free(a.id);
    free(path);
    return rc;
}
