/* plumbline scan: 0 nothing found, 1 findings, 2 usage, 4 a policy that is none, 5 something
 * could not be read (outranks 1). */
#include "base/banned.h"

#include "base/file.h"
#include "base/str.h"
#include "cap/text/scan_int.h"

#include <pthread.h>
#include <unistd.h>

#define STDIN_MAX        (1u << 30)
#define FILE_MAX_BYTES   (1ull << 40)
#define JOBS_MAX         64
#define MAX_FINDINGS     10000 /* per text, unless told otherwise */

typedef struct run {
    pl_cmd_ctx     *c;
    scan_options    o;
    scan_policy     policy;
    scan_list       list;
    scan_counts     counts;
    uint64_t        done;    /* bytes */
    uint64_t        trouble; /* files or members that could not be read */
    pl_cmd_progress progress;
    pthread_mutex_t lock;
    pthread_cond_t  turn;
    size_t          next, printed; /* job to take; job whose output comes next */
    bool            direct;        /* one job: output needs no waiting */
} run;

/* --- one file ------------------------------------------------------------------------- */

/* What one file came to; added up when its turn to print has come. */
typedef struct job {
    run        *r;
    FILE       *to;
    scan_counts counts;
    uint64_t    trouble;
} job;

static void trouble_tell(job *j, const char *path, const pl_error *why)
{
    pl_cmd_ctx *c = j->r->c;

    j->trouble++;
    if (c->json) {
        pl_buf b = PL_BUF_INIT(1u << 16);

        pl_buf_puts(&b, "{\"file\":\"");
        pl_buf_json(&b, pl_str_z(path));
        pl_buf_printf(&b, "\",\"error\":{\"code\":\"%s\",\"message\":\"", pl_rc_name(why->rc));
        pl_buf_json(&b, pl_str_z(why->text));
        pl_buf_puts(&b, "\"}}\n");
        (void)fwrite(pl_buf_str(&b).p, 1, b.n, j->to);
        pl_buf_done(&b);
        return;
    }
    (void)fprintf(c->err, "plumbline: scan: %s: %s\n", path, why->text);
}

static int text_scan(void *ctx, const char *name, pl_str text)
{
    job     *j = ctx;
    pl_error err;

    if (scan_text(j->r->policy.screen, &j->r->o, name, text, j->to, &j->counts, &err) != PL_OK)
        trouble_tell(j, name, &err);
    return 0;
}

static void bytes_scan(job *j, const char *path, pl_str bytes)
{
    pl_error err;

    if (!j->r->o.archives || !scan_is_archive(bytes))
        (void)text_scan(j, path, bytes);
    else if (scan_archive_each(path, bytes, text_scan, j, &err) != PL_OK)
        trouble_tell(j, path, &err);
}

static void file_scan(job *j, const scan_file *f)
{
    pl_error err;
    pl_str   map = { NULL, 0 };
    char    *text = NULL;
    size_t   n = 0;

    if (f->size > 0 && pl_map_file(f->path, FILE_MAX_BYTES, &map, &err) == PL_OK) {
        bytes_scan(j, f->path, map);
        pl_unmap(map);
        return;
    }
    /* Standard input, pipes, empty files, files that tell no size. */
    if (pl_file_read(f->path, STDIN_MAX, &text, &n, &err) != PL_OK)
        trouble_tell(j, f->path, &err);
    else
        bytes_scan(j, f->path, (pl_str){ text, n });
    free(text);
}

static void counts_add(scan_counts *to, const scan_counts *n)
{
    to->files += n->files;
    to->bytes += n->bytes;
    to->findings += n->findings;
    to->with_findings += n->with_findings;
    to->truncated += n->truncated;
    to->binary += n->binary;
    to->invalid += n->invalid;
}

/* --- many files, in order --------------------------------------------------------------- */

static void job_end(job *j, size_t index, char *output, size_t n)
{
    run *r = j->r;

    (void)pthread_mutex_lock(&r->lock);
    while (r->printed != index)
        (void)pthread_cond_wait(&r->turn, &r->lock);
    if (n > 0)
        (void)fwrite(output, 1, n, r->c->out);
    r->printed++;
    counts_add(&r->counts, &j->counts);
    r->trouble += j->trouble;
    r->done += r->list.file[index].size;
    pl_cmd_progress_tick(&r->progress, r->done, r->list.bytes);
    (void)pthread_cond_broadcast(&r->turn);
    (void)pthread_mutex_unlock(&r->lock);
}

static void job_run(run *r, size_t index)
{
    job    j = { .r = r, .to = r->c->out };
    char  *output = NULL;
    size_t n = 0;

    if (!r->direct && !(j.to = open_memstream(&output, &n))) {
        pl_error err;

        j.to = r->c->out;
        (void)pl_fail(&err, PL_NOMEM, "out of memory");
        trouble_tell(&j, r->list.file[index].path, &err);
    } else {
        file_scan(&j, &r->list.file[index]);
    }
    if (j.to != r->c->out)
        (void)fclose(j.to);
    job_end(&j, index, output, n);
    free(output);
}

static void *work(void *arg)
{
    run   *r = arg;
    size_t index;

    for (;;) {
        (void)pthread_mutex_lock(&r->lock);
        index = r->next < r->list.n ? r->next++ : SIZE_MAX;
        (void)pthread_mutex_unlock(&r->lock);
        if (index == SIZE_MAX)
            return NULL;
        job_run(r, index);
    }
}

static void work_all(run *r, unsigned jobs)
{
    pthread_t thread[JOBS_MAX];
    unsigned  n = 0;

    r->direct = jobs == 1;
    while (n + 1 < jobs && pthread_create(&thread[n], NULL, work, r) == 0)
        n++;
    (void)work(r);
    while (n > 0)
        (void)pthread_join(thread[--n], NULL);
}

/* --- options ------------------------------------------------------------------------------ */

static pl_rc number(pl_cmd_ctx *c, const char *name, uint64_t least, uint64_t most, uint64_t *out,
                    pl_error *err)
{
    const char *s = c->opt(c->host, name);
    uint64_t    v;

    if (!s)
        return PL_OK;
    if (pl_str_u64(pl_str_z(s), &v, NULL) != PL_OK || v < least || v > most)
        return pl_fail(err, PL_INVALID, "'--%s' must be a number from %llu to %llu", name,
                       (unsigned long long)least, (unsigned long long)most);
    *out = v;
    return PL_OK;
}

static pl_rc parts_parse(const char *list, unsigned *out, pl_error *err)
{
    static const struct {
        const char *name;
        unsigned    bit;
    } known[] = { { "keywords", PL_SCREEN_KEYWORDS }, { "structured", PL_SCREEN_STRUCTURED },
                  { "names", PL_SCREEN_NAMES },       { "decoded", PL_SCREEN_DECODED },
                  { "model", PL_SCREEN_MODEL } };
    pl_str   rest = pl_str_z(list), word;
    unsigned parts = 0;

    if (!list)
        return PL_OK;
    while (pl_str_split(&rest, ',', &word)) {
        size_t i = 0;

        while (i < sizeof known / sizeof known[0] && !pl_str_eqz(word, known[i].name))
            i++;
        if (i == sizeof known / sizeof known[0])
            return pl_fail(err, PL_INVALID, "unknown part '" PL_STR_FMT "': keywords, structured, "
                           "names, decoded or model", PL_STR_ARG(word));
        parts |= known[i].bit;
    }
    *out = parts;
    return PL_OK;
}

static pl_rc options_parse(pl_cmd_ctx *c, scan_options *o, unsigned *jobs, pl_error *err)
{
    long     cores = sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t severity = 2, most = MAX_FINDINGS, n = cores > 0 ? (uint64_t)cores : 1;
    pl_rc    rc;

    *o = (scan_options){ .lang = c->lang, .json = c->json, .color = c->color,
                         .parts = PL_SCREEN_ALL };
    o->archives = !c->opt(c->host, "no-archives");
    o->binary = c->opt(c->host, "binary") != NULL;
    n = n < JOBS_MAX ? n : JOBS_MAX;
    rc = number(c, "min-severity", 1, 4, &severity, err);
    if (rc == PL_OK)
        rc = number(c, "max-findings", 0, UINT64_MAX / 2, &most, err);
    if (rc == PL_OK)
        rc = number(c, "jobs", 1, JOBS_MAX, &n, err);
    if (rc == PL_OK)
        rc = parts_parse(c->opt(c->host, "only"), &o->parts, err);
    o->min_severity = (int)severity;
    o->max_findings = most;
    /* Output without bound is not collected: one file at a time writes it directly. */
    *jobs = most == 0 || most > MAX_FINDINGS ? 1 : (unsigned)n;
    return rc;
}

/* --- the whole ------------------------------------------------------------------------------ */

static void on_walk_trouble(void *ctx, const char *path, const pl_error *err)
{
    run *r = ctx;
    job  j = { .r = r, .to = r->c->out };

    trouble_tell(&j, path, err);
    r->trouble += j.trouble;
}

static void summary(const run *r)
{
    const scan_counts *n = &r->counts;
    pl_cmd_ctx        *c = r->c;

    if (c->json || (n->files < 2 && n->findings > 0))
        return;
    (void)fflush(c->out);
    (void)fprintf(c->err,
                  pl_cmd_say(c, "%llu findings in %llu of %llu files",
                             "%llu 个命中，涉及 %llu / %llu 个文件"),
                  (unsigned long long)n->findings, (unsigned long long)n->with_findings,
                  (unsigned long long)n->files);
    if (n->binary)
        (void)fprintf(c->err, pl_cmd_say(c, ", %llu binary files skipped", "，跳过二进制文件 %llu 个"),
                      (unsigned long long)n->binary);
    if (n->invalid)
        (void)fprintf(c->err, pl_cmd_say(c, ", %llu files are not UTF-8", "，非 UTF-8 文件 %llu 个"),
                      (unsigned long long)n->invalid);
    if (r->trouble)
        (void)fprintf(c->err, pl_cmd_say(c, ", %llu could not be read", "，无法读取 %llu 个"),
                      (unsigned long long)r->trouble);
    (void)fputc('\n', c->err);
}

static int exit_code(const run *r)
{
    if (r->trouble > 0)
        return PL_EXIT_FAILED;
    return r->counts.findings > 0 ? PL_EXIT_FOUND : PL_EXIT_OK;
}

static int scan_all(run *r, unsigned jobs, pl_error *err)
{
    static char dash[] = "-", *from_stdin[] = { dash };
    pl_cmd_ctx *c = r->c;

    if (scan_list_make(&r->list, c->argc ? c->argv : from_stdin, c->argc ? c->argc : 1,
                       on_walk_trouble, r, err) != PL_OK)
        return pl_cmd_fail(c, err);
    pl_cmd_progress_init(&r->progress, c, pl_cmd_say(c, "scanned", "已扫描"), PL_PROGRESS_BYTES);
    work_all(r, jobs);
    pl_cmd_progress_end(&r->progress);
    summary(r);
    return exit_code(r);
}

int pl_text_cmd_scan(pl_cmd_ctx *c)
{
    run      r = { .c = c, .lock = PTHREAD_MUTEX_INITIALIZER, .turn = PTHREAD_COND_INITIALIZER };
    unsigned jobs = 1;
    pl_error err;
    int      code;

    if (options_parse(c, &r.o, &jobs, &err) != PL_OK) {
        (void)pl_cmd_fail(c, &err);
        return PL_EXIT_USAGE;
    }
    if (scan_policy_open(c->opt(c->host, "policy"), c->opt(c->host, "packs"), &r.policy, &err) !=
        PL_OK)
        return pl_cmd_fail(c, &err);
    code = scan_all(&r, jobs, &err);
    scan_list_done(&r.list);
    scan_policy_close(&r.policy);
    return code;
}

const pl_opt pl_text_scan_options[] = {
    { "policy", "P", "policy source or compiled database; default: the shipped policy",
      "策略源文件或已编译的策略库；默认使用随附策略" },
    { "packs", "FOLDER", "a further folder of packs", "另一个数据包目录" },
    { "only", "PARTS", "keywords, structured, names, decoded, model (comma between)",
      "仅使用 keywords、structured、names、decoded、model（逗号分隔）" },
    { "min-severity", "N", "leave out findings below severity N (2; 1 shows what is uncertain too)",
      "忽略严重度低于 N 的命中（默认 2；1 也列出不确定的命中）" },
    { "max-findings", "N", "stop in a file after N findings, 0: never (10000)",
      "每个文件最多 N 个命中，0 为不限（10000）" },
    { "jobs", "N", "files read at the same time (one per core)", "同时读取的文件数（默认每核一个）" },
    { "no-archives", NULL, "do not look into .gz, .zst, .zip and .tar", "不打开 .gz、.zst、.zip、.tar" },
    { "binary", NULL, "read binary files too", "也读取二进制文件" },
    { NULL, NULL, NULL, NULL },
};
