/* `plumbline inspect` and `plumbline label lint`. */
#include "base/banned.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/str.h"
#include "cap/instance.h"
#include "cap/label/add.h"
#include "cap/label/in_place.h"
#include "cap/label/label_int.h"
#include "cap/label/tar_in.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fts.h>
#include <unistd.h>

#define TRUST_MAX (4u << 20)

typedef struct inspect_run {
    pl_cmd_ctx       *c;
    label_inspect_how how;
    label_traces     *traces;
    pl_trust_files    trust;
    char             *pem; /* roots of time stamps */
    pl_sign_identity *id;  /* --c2pa; NULL: not signed */
    pl_sign_how       sign;
    int               code; /* worst so far */
} inspect_run;

static const char *option(pl_cmd_ctx *c, const char *name)
{
    return c->opt(c->host, name);
}

static void worse(inspect_run *x, int code)
{
    static const int order[] = { PL_EXIT_OK, PL_EXIT_INCONCLUSIVE, PL_EXIT_FOUND, PL_EXIT_BAD_INPUT, PL_EXIT_FAILED };
    size_t           a = 0, b = 0;

    for (size_t i = 0; i < 5; i++) {
        a = order[i] == x->code ? i : a;
        b = order[i] == code ? i : b;
    }
    if (b > a)
        x->code = code;
}

/* --- people's words ------------------------------------------------------------------------------ */

static const char *pick(const pl_cmd_ctx *c, const char *en, const char *zh) __attribute__((format_arg(2), format_arg(3)));
static const char *pick(const pl_cmd_ctx *c, const char *en, const char *zh)
{
    return pl_cmd_say(c, en, zh);
}

static void print_problems(pl_cmd_ctx *c, const label_site *s)
{
    if (s->is_visible && s->visible_problem)
        (void)fprintf(c->out, "    - %s\n", pl_cmd_say(c, s->visible_problem->en, s->visible_problem->zh));
    for (size_t i = 0; !s->is_visible && i < s->aigc.n; i++) {
        const pl_aigc_problem *p = &s->aigc.problem[i];
        (void)fprintf(c->out, "    - [%s] %s%s%s (%s)\n",
                      p->severity == PL_AIGC_ERROR ? pick(c, "error", "错误") : pick(c, "warning", "提示"),
                      pick(c, p->en, p->zh), p->detail[0] ? ": " : "", p->detail, p->clause);
    }
}

static void print_site(pl_cmd_ctx *c, const label_site *s)
{
    static const char *const names_en[] = { "generated", "possibly generated", "suspected" };
    static const char *const names_zh[] = { "属于生成合成内容", "可能为生成合成内容", "疑似生成合成内容" };
    int                      state = s->is_visible ? 0 : pl_aigc_state(&s->aigc.label);

    (void)fprintf(c->out, "  %s  %s%s\n", pick(c, "label   ", "标识  "), s->carrier,
                  s->is_older ? pick(c, " (of an older revision)", "（旧版本）") : s->is_outside ? pick(c, " (outside the content)", "（位于正文之外）") : "");
    if (s->is_visible)
        (void)fprintf(c->out, "    %.*s\n", (int)s->value.n, s->value.p);
    if (state)
        (void)fprintf(c->out, pick(c, "    says      %s\n    producer  %.*s\n    number    %.*s\n", "    声明    %s\n    生成者  %.*s\n    编号    %.*s\n"),
                      pick(c, names_en[state - '1'], names_zh[state - '1']), (int)s->aigc.label.m[PL_AIGC_PRODUCER].n,
                      s->aigc.label.m[PL_AIGC_PRODUCER].p, (int)s->aigc.label.m[PL_AIGC_PRODUCE_ID].n,
                      s->aigc.label.m[PL_AIGC_PRODUCE_ID].p);
    if (s->producer.state != PL_SECURITY_NONE)
        (void)fprintf(c->out, pick(c, "    signature %s%s\n", "    签名    %s%s\n"), pl_security_state_name(s->producer.state),
                      s->producer.has_key ? s->producer.is_pinned ? pick(c, ", known key", "，已知密钥") : pick(c, ", self-asserted key", "，密钥为自称") : "");
    (void)fprintf(c->out, "    %s\n", label_site_conforms(s) ? pick(c, "conforms to GB 45438-2025", "符合 GB 45438-2025")
                                                             : pick(c, "does not conform:", "不符合："));
    print_problems(c, s);
}

static void print_report(pl_cmd_ctx *c, const char *file, const label_inspection *i)
{
    label_conflict conflict[LABEL_CONFLICTS_MAX];
    size_t         conflicts = label_conflicts(i, conflict);

    (void)fprintf(c->out, "%s  (%s%s%s)\n", file, pl_media_format_name(i->format), i->state == PL_MEDIA_WHOLE ? "" : ", ",
                  i->state == PL_MEDIA_WHOLE ? "" : pl_media_state_name(i->state));
    for (size_t k = 0; k < i->sites; k++)
        print_site(c, &i->site[k]);
    if (i->c2pa)
        (void)fprintf(c->out, "  C2PA      %s: %s; %s: %s; %s: %s\n", pick(c, "integrity", "完整性"), pl_c2pa_integrity_name(i->c2pa->integrity),
                      pick(c, "signed by", "签署者"), i->c2pa->has_signer ? i->c2pa->signer.subject : "-", pick(c, "trust", "信任"),
                      pl_c2pa_standing_name(i->c2pa->standing));
    else if (i->manifests)
        (void)fprintf(c->out, "  C2PA      %s\n", pick(c, "a manifest is there; integrity not checked", "含清单；未校验完整性"));
    for (size_t k = 0; k < i->hits; k++)
        (void)fprintf(c->out, "  %s  %s: %.*s  %.*s\n", pick(c, "trace   ", "痕迹  "), i->hit[k].carrier, (int)i->hit[k].key.n,
                      i->hit[k].key.p, (int)i->hit[k].trace.generator.n, i->hit[k].trace.generator.p);
    for (size_t k = 0; k < pl_media_problems(i->media); k++)
        (void)fprintf(c->out, "  %s  %s (%llu)\n", pick(c, "note    ", "说明  "), pl_media_problem_get(i->media, k)->text,
                      (unsigned long long)pl_media_problem_get(i->media, k)->at);
    for (size_t k = 0; k < conflicts; k++)
        (void)fprintf(c->out, "  %s  %s\n", pick(c, "conflict", "矛盾  "), pick(c, conflict[k].en, conflict[k].zh));
    (void)fprintf(c->out, "  %s  %s: %s\n", pick(c, "verdict ", "结论  "), i->verdict,
                  label_rule_text(i->rule, strcmp(pick(c, "e", "z"), "z") == 0));
}

static void print_line(pl_cmd_ctx *c, json_t *j)
{
    char *text = j ? pl_json_dump(j) : NULL;

    (void)fprintf(c->out, "%s\n", text ? text : "{}");
    free(text);
    json_decref(j);
}

/* --- one file --------------------------------------------------------------------------------------- */

static int as_platform(inspect_run *x, const char *file, const label_inspection *i, json_t *report)
{
    pl_cmd_ctx   *c = x->c;
    const char   *code = option(c, "as-platform"), *out = option(c, "output"), *id = option(c, "platform-id");
    label_outcome r;
    uint8_t       rnd[10];
    char          fresh[PL_ID_LEN + 1];
    pl_error      err = { PL_OK, "" };
    unsigned      flags = LABEL_SYNC | (option(c, "force") ? LABEL_FORCE : 0u) | (option(c, "any-producer") ? LABEL_ANY_NAME : 0u);
    pl_rc         rc = pl_random(rnd, sizeof rnd, &err);

    pl_id_format(c->now_ms, rnd, fresh);
    if (rc == PL_OK)
        rc = label_issue_propagated(file, out, i, pl_str_z(code), pl_str_z(id ? id : fresh), flags, x->sign.id ? &x->sign : NULL, &r, &err);
    if (rc == PL_NOTFOUND && strcmp(i->verdict, "inconclusive") == 0)
        return PL_EXIT_INCONCLUSIVE;
    if (rc != PL_OK)
        return pl_cmd_fail(c, &err);
    if (report)
        (void)json_object_set_new(report, "platform", json_pack("{s:s, s:s, s:s, s:O, s:b, s:b}", "output", out, "carrier", r.carrier,
                                                                "value", r.value, "replaced", r.replaced, "signed", r.is_signed,
                                                                "c2pa_broken", r.breaks_c2pa));
    else
        (void)fprintf(c->out, pick(c, "  written   %s (%s)\n", "  已写出  %s（%s）\n"), out, r.carrier);
    if (!report && r.breaks_c2pa)
        (void)fprintf(c->err, pick(c, "plumbline: %s: its C2PA manifest was made for the file without this label; --c2pa signs the copy\n",
                                   "plumbline：%s：文件中的 C2PA 清单不再匹配，可用 --c2pa 重新签名\n"), out);
    label_outcome_done(&r);
    return PL_EXIT_OK;
}

/* A label beside the file; whether it was made for these bytes takes reading them all. */
static pl_rc look_beside(const char *file, const media_file *f, bool quick, label_sidecar *out, pl_error *err)
{
    pl_rc rc = strcmp(file, "-") == 0 ? PL_NOTFOUND : label_sidecar_read(file, quick ? NULL : &f->io, out, err);

    return rc == PL_NOTFOUND ? PL_OK : rc;
}

/* name: what reports call it. */
static void inspect_one(inspect_run *x, const char *file, const char *name)
{
    pl_cmd_ctx      *c = x->c;
    media_file       f;
    label_inspection i;
    label_sidecar    beside = { .bytes = NULL };
    label_heard      heard;
    json_t          *report = NULL;
    pl_error         err = { PL_OK, "" };
    pl_rc            rc = media_file_open(file, &f, &err);

    if (label_in_place_is_unfinished(file))
        (void)fprintf(c->err, pick(c, "plumbline: %s: a run that changed it in place was killed; run it again to put the file back first\n",
                                   "plumbline：%s：就地改写曾被中断，请再次执行以先恢复原文件\n"), file);
    if (rc == PL_OK) {
        rc = look_beside(file, &f, x->how.quick, &beside, &err);
        x->how.beside = beside.bytes ? &beside : NULL;
        if (rc != PL_OK)
            media_file_close(&f);
    }
    x->how.heard = NULL;
    if (rc == PL_OK && option(c, "listen")) {
        rc = label_listen(&f, file, &heard, &err);
        x->how.heard = &heard;
        if (rc != PL_OK)
            media_file_close(&f);
    }
    if (rc == PL_OK) {
        rc = label_inspect(&f.io, file, &x->how, &i, &err);
        if (rc == PL_OK && i.format == PL_MEDIA_UNKNOWN) {
            rc = pl_fail(&err, PL_INVALID, "not supported yet: '%s' is of no format that is read", name);
            label_inspection_done(&i);
        }
        if (rc != PL_OK)
            media_file_close(&f);
    }
    if (rc != PL_OK) {
        label_sidecar_done(&beside);
        worse(x, pl_cmd_fail(c, &err));
        return;
    }
    if (c->json)
        report = label_inspection_json(&i, name);
    else
        print_report(c, name, &i);
    worse(x, label_inspection_exit(&i));
    if (option(c, "as-platform"))
        worse(x, as_platform(x, file, &i, report));
    if (c->json)
        print_line(c, report);
    label_inspection_done(&i);
    label_sidecar_done(&beside);
    media_file_close(&f);
}

static void inspect_folder(inspect_run *x, const char *dir)
{
    char    *roots[] = { (char *)(uintptr_t)dir, NULL };
    FTS     *t = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    pl_error err;

    for (FTSENT *e; t && (e = fts_read(t)) != NULL;)
        if (e->fts_info == FTS_F && !label_sidecar_belongs(e->fts_path))
            inspect_one(x, e->fts_path, e->fts_path);
        else if (e->fts_info == FTS_DNR || e->fts_info == FTS_ERR) {
            (void)pl_fail(&err, PL_IO, "cannot read '%s': %s", e->fts_path, strerror(e->fts_errno));
            worse(x, pl_cmd_fail(x->c, &err));
        }
    if (t)
        fts_close(t);
}

static pl_rc member_inspect(inspect_run *x, struct archive *a, struct archive_entry *e, const char *folder, pl_error *err)
{
    const char *name = archive_entry_pathname(e);
    char       *path = NULL;
    uint64_t    bytes = 0;
    pl_rc       rc;

    if (!name || archive_entry_filetype(e) != AE_IFREG || archive_entry_hardlink(e))
        return PL_OK;
    if (asprintf(&path, "%s/m%s", folder, tar_suffix(name)) < 0)
        return pl_fail(err, PL_NOMEM, "out of memory");
    rc = tar_unpack(a, e, path, &bytes, err);
    if (rc == PL_OK)
        inspect_one(x, path, name);
    (void)unlink(path);
    free(path);
    return rc;
}

/* One member after the other, each in a file of its own while it is looked at. */
static pl_rc inspect_tar(inspect_run *x, const char *in, pl_error *err)
{
    char                  folder[TAR_FOLDER_MAX] = "";
    struct archive       *a = NULL;
    struct archive_entry *e;
    size_t                n = 0;
    int                   got;
    pl_rc                 rc = tar_folder(folder, err);

    if (rc == PL_OK)
        rc = tar_open(in, &a, err);
    while (rc == PL_OK) {
        got = archive_read_next_header(a, &e);
        if (got == ARCHIVE_EOF)
            break;
        rc = got == ARCHIVE_OK || got == ARCHIVE_WARN ? member_inspect(x, a, e, folder, err) : tar_bad(a, err);
        n++;
    }
    if (rc == PL_OK && n == 0)
        rc = pl_fail(err, PL_NOTFOUND, "the archive is empty");
    archive_read_free(a);
    if (folder[0])
        (void)rmdir(folder);
    return rc;
}

/* With --as-platform: what was passed on was made elsewhere. */
static pl_rc sign_open(inspect_run *x, pl_error *err)
{
    pl_cmd_ctx *c = x->c;
    pl_rc       rc;

    if (!option(c, "c2pa"))
        return PL_OK;
    if (!option(c, "as-platform") || !option(c, "key") || !option(c, "cert"))
        return pl_fail(err, PL_INVALID, "--c2pa goes with --as-platform, --key FILE and --cert FILE");
    rc = pl_sign_identity_open(option(c, "key"), option(c, "cert"), NULL, &x->id, err);
    x->sign = (pl_sign_how){ .id = x->id, .is_edited = true, .tsa = option(c, "tsa"), .tsa_roots = x->how.tsa_roots, .now_ms = c->now_ms };
    return rc;
}

static pl_rc run_open(inspect_run *x, pl_error *err)
{
    char       *packs = pl_path_join(pl_datadir(), "packs");
    const char *folders[] = { packs, NULL }, *roots = option(x->c, "tsa-roots"), *list;
    size_t      n = 0;
    pl_rc       rc = packs ? label_traces_open(folders, &x->traces, err) : pl_fail(err, PL_NOMEM, "out of memory");

    free(packs);
    if (rc == PL_OK && roots)
        rc = pl_file_read(roots, TRUST_MAX, &x->pem, &n, err);
    for (size_t i = 0; rc == PL_OK && (list = x->c->opt_nth(x->c->host, "trust", i)) != NULL; i++)
        rc = pl_trust_files_add(&x->trust, list, err);
    x->how = (label_inspect_how){ .quick = option(x->c, "quick") != NULL, .declared = option(x->c, "declared") != NULL,
                                  .traces = x->traces, .now_ms = x->c->now_ms, .tsa_roots = { x->pem, n },
                                  .trust = x->trust.trust.n > 0 ? &x->trust.trust : NULL };
    return rc == PL_OK ? sign_open(x, err) : rc;
}

int label_cmd_inspect(pl_cmd_ctx *c)
{
    inspect_run x = { .c = c };
    pl_error    err = { PL_OK, "" };
    struct stat st;

    if (option(c, "as-platform") && (!option(c, "output") || c->argc != 1)) {
        (void)fprintf(c->err, "plumbline: %s\n", pick(c, "inspect --as-platform takes one file and -o OUT", "inspect --as-platform 需要一个文件和 -o OUT"));
        return PL_EXIT_USAGE;
    }
    if (c->argc == 0 && !option(c, "tar")) {
        (void)fprintf(c->err, "plumbline: %s\n", pick(c, "inspect: which file? FILE or DIR is missing", "inspect：缺少文件或文件夹"));
        return PL_EXIT_USAGE;
    }
    if (run_open(&x, &err) != PL_OK)
        x.code = pl_cmd_fail(c, &err);
    else if (option(c, "tar") && (c->argc > 1 || option(c, "as-platform"))) {
        (void)pl_fail(&err, PL_INVALID, "--tar takes one archive or standard input, and no --as-platform");
        x.code = pl_cmd_fail(c, &err);
    } else if (option(c, "tar")) {
        if (inspect_tar(&x, c->argc > 0 ? c->argv[0] : "-", &err) != PL_OK)
            worse(&x, pl_cmd_fail(c, &err));
    } else
        for (int i = 0; i < c->argc; i++)
            if (strcmp(c->argv[i], "-") != 0 && stat(c->argv[i], &st) == 0 && S_ISDIR(st.st_mode))
                inspect_folder(&x, c->argv[i]);
            else
                inspect_one(&x, c->argv[i], c->argv[i]);
    label_traces_close(x.traces);
    free(x.pem);
    pl_trust_files_done(&x.trust);
    pl_sign_identity_free(x.id);
    return x.code;
}

/* --- lint ------------------------------------------------------------------------------------------- */

static int lint_one(pl_cmd_ctx *c, const char *file)
{
    label_inspect_how how = { .quick = true, .now_ms = c->now_ms };
    label_sidecar     beside = { .bytes = NULL };
    media_file        f;
    label_inspection  i;
    pl_error          err = { PL_OK, "" };
    pl_rc             rc = media_file_open(file, &f, &err);
    int               code;

    if (rc != PL_OK)
        return pl_cmd_fail(c, &err);
    rc = look_beside(file, &f, false, &beside, &err);
    how.beside = beside.bytes ? &beside : NULL;
    if (rc == PL_OK)
        rc = label_inspect(&f.io, file, &how, &i, &err);
    if (rc != PL_OK) {
        label_sidecar_done(&beside);
        media_file_close(&f);
        return pl_cmd_fail(c, &err);
    }
    code = i.sites == 0 ? PL_EXIT_INCONCLUSIVE : PL_EXIT_OK;
    for (size_t k = 0; k < i.sites; k++)
        if (!label_site_conforms(&i.site[k]))
            code = PL_EXIT_FOUND;
    if (c->json) {
        print_line(c, label_lint_json(&i, file));
    } else {
        (void)fprintf(c->out, "%s\n", file);
        for (size_t k = 0; k < i.sites; k++) {
            (void)fprintf(c->out, "  %s: %s\n", i.site[k].carrier, label_site_conforms(&i.site[k]) ? pick(c, "conforms", "符合") : pick(c, "does not conform", "不符合"));
            print_problems(c, &i.site[k]);
        }
        if (i.sites == 0)
            (void)fprintf(c->out, "  %s\n", pick(c, "no label found", "未发现标识"));
    }
    label_inspection_done(&i);
    label_sidecar_done(&beside);
    media_file_close(&f);
    return code;
}

int label_cmd_lint(pl_cmd_ctx *c)
{
    inspect_run x = { .c = c };

    for (int i = 0; i < c->argc; i++)
        worse(&x, lint_one(c, c->argv[i]));
    return x.code;
}
