#include "base/banned.h"

#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "cap/label/add.h"
#include "cap/label/label_int.h"

static const char *option(pl_cmd_ctx *c, const char *name)
{
    return c->opt(c->host, name);
}

static int fail(pl_cmd_ctx *c, pl_rc rc, const char *text)
{
    pl_error err;

    (void)pl_fail(&err, rc, "%s", text);
    return pl_cmd_fail(c, &err);
}

static int print_json(pl_cmd_ctx *c, json_t *o, int code)
{
    char *text = o ? pl_json_dump(o) : NULL;

    json_decref(o);
    if (!text)
        return fail(c, PL_NOMEM, "out of memory");
    fprintf(c->out, "%s\n", text);
    free(text);
    return code;
}

static bool is_text_name(const char *name)
{
    static const char *const known[] = { ".txt", ".md", ".markdown", ".text" };
    pl_str s = pl_str_z(name);

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (pl_str_ends(s, pl_str_z(known[i])))
            return true;
    return false;
}

/* --- label add --------------------------------------------------------------------------- */

static pl_rc number_read(pl_cmd_ctx *c, const char *name, double *out, pl_error *err)
{
    const char *s = option(c, name);
    char       *end = NULL;

    *out = s ? strtod(s, &end) : 0;
    if (s && (end == s || *end != '\0' || !(*out > 0)))
        return pl_fail(err, PL_INVALID, "--%s wants a number above 0, not '%s'", name, s);
    return PL_OK;
}

static pl_rc style_read(pl_cmd_ctx *c, const pl_visible_where *p, pl_visible_style *out, pl_error *err)
{
    pl_rc rc;

    *out = (pl_visible_style){ .wording = pl_str_z(option(c, "text")), .place = p->corner, .sound = p->sound,
                               .clip = option(c, "clip"), .voice = option(c, "voice") };
    rc = number_read(c, "size", &out->percent, err);
    if (rc == PL_OK)
        rc = number_read(c, "seconds", &out->seconds, err);
    return rc == PL_OK ? pl_visible_style_check(out, err) : rc;
}

static pl_rc add(const char *in, const char *out_path, const char *wording, pl_label_place where,
                 pl_str *label, pl_error *err)
{
    pl_buf out = PL_BUF_INIT(PL_LABEL_FILE_MAX + 4096);
    char  *text = NULL;
    size_t n = 0;
    pl_rc  rc = pl_file_read(in, PL_LABEL_FILE_MAX, &text, &n, err);

    if (rc == PL_OK)
        rc = pl_label_text_check((pl_str){ text, n }, in, err);
    if (rc == PL_OK) {
        *label = wording ? pl_str_z(wording) : pl_label_default((pl_str){ text, n });
        rc = pl_label_text_add((pl_str){ text, n }, *label, where, &out, err);
    }
    if (rc == PL_OK)
        rc = pl_file_write_atomic(out_path, pl_buf_str(&out), 0644, err);
    pl_buf_done(&out);
    free(text);
    return rc;
}

/* A visible label alone, in a text file. */
static int add_text(pl_cmd_ctx *c, const char *out, pl_label_place where)
{
    const char *in = c->argv[0];
    pl_str      label = { "", 0 };
    pl_error    err;

    if (add(in, out, option(c, "text"), where, &label, &err) != PL_OK)
        return pl_cmd_fail(c, &err);
    if (c->json)
        return print_json(c,
                          json_pack("{s:s, s:s, s:[{s:s, s:s%, s:s}]}", "file", in, "output", out,
                                    "labels", "carrier", "text", "value", label.p, label.n,
                                    "position", where == PL_LABEL_END ? "end" : "start"),
                          PL_EXIT_OK);
    fprintf(c->out, pl_cmd_say(c, "%s: labelled '%.*s'\n", "%s：已加标识“%.*s”\n"), out,
            (int)label.n, label.p);
    return PL_EXIT_OK;
}

static int cmd_add(pl_cmd_ctx *c)
{
    const char      *out = option(c, "output");
    bool             is_shown = option(c, "explicit") != NULL, is_tar = option(c, "tar") != NULL;
    bool             in_place = option(c, "in-place") != NULL;
    bool             is_labelled = option(c, "producer") || option(c, "content-id");
    pl_visible_style style = { .wording = { NULL, 0 } };
    pl_visible_where p;
    pl_error         err;

    if (c->argc == 0 && !is_tar) {
        fprintf(c->err, "plumbline: %s\n", pl_cmd_say(c, "label add: which file? FILE or DIR is missing", "label add：缺少文件或文件夹"));
        return PL_EXIT_USAGE;
    }
    if (in_place && (out || is_tar || is_shown))
        return fail(c, PL_INVALID, "--in-place changes the files themselves: it goes with neither -o, --tar nor --explicit");
    if (!out && !is_tar && !in_place) {
        fprintf(c->err, "plumbline: %s\n",
                pl_cmd_say(c, "label add: '-o OUT' is missing (or --in-place)", "label add：缺少“-o OUT”（或 --in-place）"));
        return PL_EXIT_USAGE;
    }
    if (!is_labelled && !is_shown && !option(c, "c2pa"))
        return fail(c, PL_INVALID, "nothing to add: --producer CODE --content-id ID for the label in the"
                                   " metadata, --explicit for one that people read, --c2pa to sign");
    if (pl_visible_where_parse(option(c, "position"), &p, &err) != PL_OK)
        return pl_cmd_fail(c, &err);
    if (is_shown && !is_labelled && !option(c, "c2pa") && !is_tar && c->argc == 1 && is_text_name(c->argv[0]) && is_text_name(out))
        return add_text(c, out, p.notice == PL_NOTICE_START ? PL_LABEL_START : PL_LABEL_END);
    if (is_shown && style_read(c, &p, &style, &err) != PL_OK)
        return pl_cmd_fail(c, &err);
    return label_add_files(c, out, is_shown ? &style : NULL, p.notice);
}

static const pl_opt add_options[] = {
    { "output", "OUT", "where the labelled copy goes (-o); a folder when there are several files",
      "写出带标识的副本（-o）；多个文件时为文件夹" },
    { "producer", "CODE", "provider's code, 27 characters (TC260-PG-20252A)", "服务提供者编码，27 位" },
    { "content-id", "ID", "content number; {sha256} and {n} stand for what differs from file to file",
      "内容编号；{sha256}、{n} 按文件替换" },
    { "state", "STATE", "generated (default), possible or suspected", "generated（默认）、possible 或 suspected" },
    { "any-producer", NULL, "the provider is given by name instead of by code", "以名称代替编码标明服务提供者" },
    { "replace", NULL, "put this label in place of the one that is there", "替换已有标识" },
    { "force", NULL, "replace outputs that are there", "覆盖已有输出文件" },
    { "iptc", NULL, "IPTC DigitalSourceType as well, in formats with XMP", "同时写入 IPTC DigitalSourceType" },
    { "sidecar", NULL, "formats without a place for a label: beside the copy, OUT.aigc.json", "无处存放标识的格式：写入副本旁的 OUT.aigc.json" },
    { "security-key", "FILE", "SM2 key: sign the label (SecurityData)", "SM2 密钥：对标识签名（SecurityData）" },
    { "record", NULL, "append a statement per file to the ledger of the instance", "为每个文件向本实例账本追加一条声明" },
    { "dry-run", NULL, "say what would be done, write nothing", "只说明将做什么，不写文件" },
    { "in-place", NULL, "change the files themselves, where their format has room; what is overwritten is kept until all is written", "直接改写原文件（须有空间），写完前保留被覆盖内容" },
    { "tar", NULL, "FILE is an archive (tar, also compressed), or standard input; so is OUT, by default standard output", "输入输出为 tar 归档，缺省为标准输入输出" },
    { "report", "FILE", "a line of JSON about every file goes there", "逐文件结果（每行一个 JSON）写入该文件" },
    { "jobs", "N", "files at a time", "同时处理的文件数" },
    { "explicit", NULL, "a label people see or hear as well: pictures, video, sound, documents, text", "同时添加显式标识" },
    { "text", "WORDING", "its wording: AI or 人工智能, and 生成 or 合成", "显式标识文字，须含 AI 或人工智能、生成或合成" },
    { "position", "PLACE", "start, middle, end (sound: several, with commas), mark, or a corner: top-left … calm",
      "显式标识位置：start、middle、end（音频可并列）、mark，或画面一角：top-left … calm" },
    { "size", "PERCENT", "height of its glyphs, 5 % of the shorter side or more", "文字高度，不低于最短边的 5%" },
    { "seconds", "S", "how long a video shows it from its first frame, 2 or more", "视频起始画面标识时长，不少于 2 秒" },
    { "voice", "LANG", "sound says the label: zh, or zh,en (espeak-ng), in place of the rhythm", "音频语音标识：zh 或 zh,en（espeak-ng），代替节奏标识" },
    { "clip", "WAV", "sound plays this clip, which says the label, in place of the rhythm", "音频播放该语音片段作为标识，代替节奏标识" },
    { "c2pa", NULL, "sign with a C2PA manifest; one that is there stays as the parent's", "以 C2PA 清单签名，原有清单作为父级保留" },
    { "key", "PEM", "with --c2pa: the signer's private key: PEM, or pkcs11:… for one on a token", "C2PA 签名私钥（PEM，或 pkcs11:… 指向令牌）" },
    { "cert", "PEM", "with --c2pa: its certificate, and those above it", "C2PA 签名证书链" },
    { "alg", "NAME", "with --c2pa: ES256, ES384, ES512, PS256, PS384, PS512, EdDSA", "C2PA 签名算法" },
    { "source-type", "TERM", "digital source type, default trainedAlgorithmicMedia", "数字来源类型" },
    { "edited", NULL, "with --c2pa: made elsewhere, edited here", "C2PA：在他处生成，此处编辑" },
    { "tsa", "URL", "with --c2pa: RFC 3161 time stamp authority", "时间戳服务地址" },
    { "tsa-roots", "PEM", "with --tsa: certificates its answer must lead to", "时间戳须链接到的根证书" },
    { NULL, NULL, NULL, NULL },
};
static const pl_opt inspect_options[] = {
    { "quick", NULL, "metadata only: nothing is hashed, integrity is not_checked", "只读元数据，不校验完整性" },
    { "declared", NULL, "whoever uploads it says that it is generated (Art. 6, item 2)", "上传者已声明为生成合成内容" },
    { "tar", NULL, "FILE is an archive (tar, also compressed), or standard input: each member is looked at", "输入为 tar 归档或标准输入，逐个成员检查" },
    { "listen", NULL, "decode sound and listen for the rhythm label (ffmpeg); what is heard is possible, not certain", "解码音频并识别节奏标识，结果仅供参考" },
    { "trust", "PEM…", "list of C2PA authorities to trust; allowed:PEM: of signers themselves", "信任的 C2PA 证书列表" },
    { "tsa-roots", "PEM", "certificates that time stamps must lead to, besides the trust lists", "时间戳须链接到的根证书" },
    { "as-platform", "CODE", "write the label a propagating platform must add, to -o OUT", "写出传播平台应添加的标识（-o）" },
    { "platform-id", "ID", "with --as-platform: the platform's number for the content", "平台内容编号" },
    { "any-producer", NULL, "with --as-platform: a name instead of a code", "以名称代替编码" },
    { "c2pa", NULL, "with --as-platform: sign the copy; the manifest that was there stays as the parent's", "配合 --as-platform：签署副本，原有清单作为父级保留" },
    { "key", "PEM", "with --c2pa: the signer's private key", "C2PA 签名私钥" },
    { "cert", "PEM", "with --c2pa: its certificate, and those above it", "C2PA 签名证书链" },
    { "tsa", "URL", "with --c2pa: RFC 3161 time stamp authority", "时间戳服务地址" },
    { "output", "OUT", "with --as-platform: where the copy goes (-o)", "输出文件（-o）" },
    { "force", NULL, "replace an output that is there", "覆盖已有输出文件" },
    { NULL, NULL, NULL, NULL },
};
static const pl_opt no_options[] = { { NULL, NULL, NULL, NULL } };

const pl_cmd pl_label_commands[] = {
    { "label", "add", "[FILE|DIR…]", 0, -1, add_options, "add a label to copies of files", "为文件的副本添加标识",
      "plumbline label add photo.jpg -o out.jpg --producer 001191110102MAD55U9H0F10002 --content-id c-1", cmd_add },
    { "label", "lint", "FILE…", 1, -1, no_options, "explain what deviates from the standard, clause by clause",
      "逐条说明标识与标准的偏差", "plumbline label lint photo.jpg", label_cmd_lint },
    { "inspect", NULL, "[FILE|DIR…]", 0, -1, inspect_options, "find every label in files and say what follows",
      "查找文件中的标识并给出结论", "plumbline inspect photo.jpg --json", label_cmd_inspect },
    { NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL, NULL },
};
