#include "base/banned.h"

#include "base/jsonscan.h"
#include "base/str.h"
#include "engine/media/aigc.h"

#define E_CLAUSE "GB 45438-2025 Annex E"

static const char *const names[PL_AIGC_MEMBERS] = {
    "Label",         "ContentProducer",   "ProduceID",     "ReservedCode1",
    "ContentPropagator", "PropagateID", "ReservedCode2",
};

const char *pl_aigc_member_name(pl_aigc_member m)
{
    return (unsigned)m < PL_AIGC_MEMBERS ? names[m] : "";
}

/* --- the list of deviations ------------------------------------------------------------------- */

static const pl_aigc_problem known[] = {
    { "label.empty", "GB 45438-2025 6.1 a)", PL_AIGC_ERROR,
      "the carrier is there but holds nothing: a label may have been wiped",
      "标识载体存在但内容为空：标识可能已被清除", "" },
    { "label.too-long", E_CLAUSE, PL_AIGC_ERROR, "the label is too long to be read",
      "标识过长，无法读取", "" },
    { "label.not-json", E_CLAUSE, PL_AIGC_ERROR, "the value is not valid JSON",
      "标识值不是合法的 JSON", "" },
    { "label.duplicate-member", E_CLAUSE, PL_AIGC_ERROR, "a member stands twice in the label",
      "标识中同一字段重复出现", "" },
    { "label.not-an-object", E_CLAUSE, PL_AIGC_ERROR, "the value is not the object of seven members",
      "标识值不是由七个字段组成的对象", "" },
    { "label.encoded-twice", E_CLAUSE, PL_AIGC_WARNING,
      "the JSON stands inside a JSON string: encoded twice", "JSON 被重复编码（字符串中的 JSON）", "" },
    { "label.member-missing", E_CLAUSE, PL_AIGC_ERROR, "a member is missing", "缺少字段", "" },
    { "label.member-misspelt", E_CLAUSE, PL_AIGC_ERROR, "a member's name is misspelt",
      "字段名拼写错误", "" },
    { "label.member-unknown", E_CLAUSE, PL_AIGC_WARNING, "a member that the standard does not know",
      "标准未定义的字段", "" },
    { "label.member-not-string", E_CLAUSE, PL_AIGC_ERROR, "a member is not a string",
      "字段值不是字符串", "" },
    { "label.value-invalid", E_CLAUSE, PL_AIGC_ERROR, "Label is not \"1\", \"2\" or \"3\"",
      "Label 的取值不是“1”“2”“3”", "" },
    { "label.producer-empty", "GB 45438-2025 6.1 a)", PL_AIGC_ERROR,
      "ContentProducer is empty though the label says generated",
      "标识为“属于生成合成内容”，但 ContentProducer 为空", "" },
    { "label.produce-id-empty", "GB 45438-2025 6.1 a)", PL_AIGC_ERROR,
      "ProduceID is empty though the label says generated",
      "标识为“属于生成合成内容”，但 ProduceID 为空", "" },
    { "label.propagator-empty", "GB 45438-2025 Annex E note 1", PL_AIGC_WARNING,
      "the propagation fields are empty; at first they equal the producer's",
      "传播字段为空；首次写入时应与生成字段相同", "" },
    { "label.characters", "GB 45438-2025 Annex E j)", PL_AIGC_WARNING,
      "a value has characters outside the set of the standard (blanks, backslash, non-ASCII)",
      "字段值含有标准字符集以外的字符（空格、反斜杠、非 ASCII 字符）", "" },
    { "label.control-characters", "GB 45438-2025 Annex E j)", PL_AIGC_ERROR,
      "a value has control characters", "字段值含有控制字符", "" },
    { "label.code-format", "TC260-PG-20252A", PL_AIGC_WARNING,
      "the provider is not given by a 27-character code with a valid check character",
      "服务提供者未使用校验正确的 27 位编码", "" },
    { "label.vendor-variant", E_CLAUSE, PL_AIGC_ERROR,
      "a vendor's own members (ServiceProvider, ContentId …) in place of the standard's",
      "使用了厂商自定义字段（ServiceProvider、ContentId 等）代替标准字段", "" },
    { "label.prefix", E_CLAUSE, PL_AIGC_WARNING, "AIGC stands before the object without quotes",
      "对象前带有未加引号的 AIGC 前缀", "" },
    { "label.duplicate", "GB 45438-2025 6.1 c)", PL_AIGC_ERROR,
      "the file carries more than one label", "同一文件含有多个标识", "" },
    { "label.conflict", "GB 45438-2025 6.1 c)", PL_AIGC_ERROR,
      "labels of the file contradict each other", "文件中的多个标识互相矛盾", "" },
    { "label.carrier", "TC260-PG-20257A/20258A/20259A/202510A", PL_AIGC_WARNING,
      "the label stands where the practice guide does not put it for this format",
      "标识所在位置不是实践指南为该格式规定的位置", "" },
    { "label.namespace", "TC260-PG-20259A", PL_AIGC_ERROR,
      "the XMP property is not in the namespace http://www.tc260.org.cn/ns/AIGC/1.0/",
      "XMP 属性的命名空间不是 http://www.tc260.org.cn/ns/AIGC/1.0/", "" },
    { "label.key", E_CLAUSE, PL_AIGC_ERROR, "the name of the field does not contain AIGC",
      "字段名不含 AIGC", "" },
    { "label.outside", "GB 45438-2025 6.1", PL_AIGC_ERROR,
      "the label stands behind the end of the content or in a thumbnail",
      "标识位于正文结束之后或缩略图中", "" },
    { "label.beside", "GB 45438-2025 6.1", PL_AIGC_WARNING,
      "the label stands beside the file, not in it: it is lost when the file is passed on alone",
      "标识位于文件之外的附属文件中，单独传播文件时会丢失", "" },
    { "label.beside-other", "GB 45438-2025 6.1", PL_AIGC_ERROR,
      "the label beside the file was made for other bytes, or does not say for which",
      "附属文件中的标识不是为该文件内容生成的，或未说明对应内容", "" },
};

const pl_aigc_problem *pl_aigc_problem_of(const char *code)
{
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(known[i].code, code) == 0)
            return &known[i];
    return &known[2];
}

void pl_aigc_problem_add(pl_aigc_report *r, const pl_aigc_problem *p)
{
    if (r->n < PL_AIGC_PROBLEMS_MAX)
        r->problem[r->n++] = *p;
}

static void problem(pl_aigc_report *r, const char *code, const char *detail)
{
    pl_aigc_problem p = *pl_aigc_problem_of(code);

    p.detail = detail ? detail : "";
    pl_aigc_problem_add(r, &p);
}

bool pl_aigc_conforms(const pl_aigc_report *r)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->problem[i].severity == PL_AIGC_ERROR)
            return false;
    return r->readable;
}

/* --- reading ------------------------------------------------------------------------------------ */

typedef struct aigc_reader {
    pl_arena       *arena;
    pl_aigc_report *r;
    bool            nomem;
    bool            vendor;
} aigc_reader;

static pl_str decode(aigc_reader *d, pl_str raw)
{
    pl_buf b = PL_BUF_INIT(PL_AIGC_READ_MAX + 8);
    pl_str s = { "", 0 };
    char  *p;

    pl_json_unescape(raw, &b);
    p = b.failed ? NULL : pl_arena_dup(d->arena, pl_buf_str(&b));
    if (p)
        s = (pl_str){ p, b.n };
    else
        d->nomem = true;
    pl_buf_done(&b);
    return s;
}

/* Letters and digits only, lower case, so that spellings compare. */
static size_t squeeze(pl_str s, char *out, size_t cap)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n && n + 1 < cap; i++)
        if ((s.p[i] | 32) >= 'a' && (s.p[i] | 32) <= 'z')
            out[n++] = (char)(s.p[i] | 32);
        else if (s.p[i] >= '0' && s.p[i] <= '9')
            out[n++] = s.p[i];
    out[n] = '\0';
    return n;
}

static unsigned distance_capped(const char *a, size_t an, const char *b, size_t bn)
{
    unsigned row[40], diag, next;

    if (an >= 39 || bn >= 39)
        return 99;
    for (size_t j = 0; j <= bn; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; i <= an; i++) {
        diag = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= bn; j++) {
            next = diag + (a[i - 1] != b[j - 1]);
            diag = row[j];
            if (row[j] + 1 < next)
                next = row[j] + 1;
            if (row[j - 1] + 1 < next)
                next = row[j - 1] + 1;
            row[j] = next;
        }
    }
    return row[bn];
}

/* The member a name means: exact, or near enough that nothing else can be meant. */
static int member_of(pl_str name, bool *exact)
{
    char   a[40], b[40];
    size_t n = squeeze(name, a, sizeof a), k;

    *exact = true;
    for (int i = 0; i < PL_AIGC_MEMBERS; i++)
        if (pl_str_eqz(name, names[i]))
            return i;
    *exact = false;
    for (int i = 0; i < PL_AIGC_MEMBERS; i++) {
        k = squeeze(pl_str_z(names[i]), b, sizeof b);
        if (n == k && memcmp(a, b, n) == 0)
            return i;
    }
    for (int i = 0; i < PL_AIGC_MEMBERS; i++) {
        bool digit_matters = i == PL_AIGC_RESERVED1 || i == PL_AIGC_RESERVED2;
        k = squeeze(pl_str_z(names[i]), b, sizeof b);
        if (n > 3 && distance_capped(a, n, b, k) <= (k > 8 || a[0] == b[0] ? 2u : 1u) &&
            (!digit_matters || a[n - 1] == b[k - 1]) &&
            (i != PL_AIGC_PRODUCER || !strstr(a, "propag")))
            return i;
    }
    return -1;
}

static bool is_vendor_member(pl_str name)
{
    static const char *const vendor[] = { "ServiceProvider", "ServiceUser", "Time", "ContentId" };

    for (size_t i = 0; i < sizeof vendor / sizeof vendor[0]; i++)
        if (pl_str_eqz(name, vendor[i]))
            return true;
    return false;
}

static const char *detail_of(aigc_reader *d, pl_str s)
{
    const char *p = pl_arena_dup(d->arena, (pl_str){ s.p, s.n < 64 ? s.n : 64 });

    return p ? p : "";
}

static void take(aigc_reader *d, pl_str key, const pl_jsontok *v)
{
    bool exact;
    int  i = member_of(key, &exact);

    if (i < 0) {
        d->vendor |= is_vendor_member(key);
        problem(d->r, "label.member-unknown", detail_of(d, key));
        return;
    }
    if (!exact)
        problem(d->r, "label.member-misspelt", detail_of(d, key));
    if (d->r->label.present & 1u << i) {
        problem(d->r, "label.duplicate-member", names[i]);
        return;
    }
    d->r->label.present |= 1u << i;
    d->r->readable = true;
    if (v->type == PL_JT_STRING) {
        d->r->label.m[i] = decode(d, v->raw);
    } else {
        problem(d->r, "label.member-not-string", names[i]);
        if (v->type == PL_JT_NUMBER)
            d->r->label.m[i] = (pl_str){ v->raw.p, v->raw.n };
    }
}

/* The members of the object whose beginning was read. */
static bool object(aigc_reader *d, pl_jsonscan *j, unsigned depth)
{
    pl_jsontok t, v;

    for (;;) {
        if (pl_jsonscan_next(j, &t, NULL) != PL_OK || t.type == PL_JT_END)
            return false;
        if (t.type == PL_JT_OBJ_END)
            return true;
        pl_str key = decode(d, t.raw);
        if (pl_jsonscan_next(j, &v, NULL) != PL_OK)
            return false;
        if (v.type == PL_JT_OBJ_BEGIN && pl_str_eqz(key, "AIGC") && depth == 0) {
            d->r->wrapped = true;
            if (!object(d, j, 1))
                return false;
            continue;
        }
        if (v.type == PL_JT_STRING && pl_str_eqz(key, "AIGC") && depth == 0) {
            pl_jsonscan in;
            pl_jsontok  b;
            problem(d->r, "label.encoded-twice", NULL);
            d->r->wrapped = true;
            pl_jsonscan_init(&in, decode(d, v.raw));
            if (pl_jsonscan_next(&in, &b, NULL) != PL_OK || b.type != PL_JT_OBJ_BEGIN ||
                !object(d, &in, 1))
                return false;
            continue;
        }
        if ((v.type == PL_JT_OBJ_BEGIN || v.type == PL_JT_ARR_BEGIN) &&
            pl_jsonscan_skip(j, NULL) != PL_OK)
            return false;
        take(d, key, &v);
    }
}

static bool parse(aigc_reader *d, pl_str text, bool may_be_string)
{
    pl_jsonscan j;
    pl_jsontok  t;

    pl_jsonscan_init(&j, text);
    if (pl_jsonscan_next(&j, &t, NULL) != PL_OK)
        return false;
    if (t.type == PL_JT_STRING && may_be_string) {
        problem(d->r, "label.encoded-twice", NULL);
        return parse(d, decode(d, t.raw), false);
    }
    if (t.type != PL_JT_OBJ_BEGIN) {
        problem(d->r, "label.not-an-object", NULL);
        return true;
    }
    return object(d, &j, 0) && pl_jsonscan_next(&j, &t, NULL) == PL_OK && t.type == PL_JT_END;
}

static bool chars_ok(pl_str s, bool *control)
{
    bool ok = true;

    *control = false;
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = (uint8_t)s.p[i];
        *control |= c < 0x20 || c == 0x7F;
        ok &= c >= 0x21 && c <= 0x7E && c != 0x5C;
    }
    return ok;
}

/* REQ: GB45438-2025/E  values of a label whose JSON was read */
static void judge(pl_aigc_report *r)
{
    const pl_aigc *l = &r->label;
    int            state = pl_aigc_state(l);
    const char    *why;
    bool           control;

    for (int i = 0; i < PL_AIGC_MEMBERS; i++) {
        bool reserved = i == PL_AIGC_RESERVED1 || i == PL_AIGC_RESERVED2;
        if (!(l->present & 1u << i))
            problem(r, "label.member-missing", names[i]);
        if (!chars_ok(l->m[i], &control))
            problem(r, control ? "label.control-characters" : "label.characters", names[i]);
        else if (!reserved && memchr(l->m[i].p, '"', l->m[i].n))
            problem(r, "label.characters", names[i]);
    }
    if ((l->present & 1u << PL_AIGC_LABEL) && state == 0)
        problem(r, "label.value-invalid", NULL);
    if (state == '1' && l->m[PL_AIGC_PRODUCER].n == 0)
        problem(r, "label.producer-empty", NULL);
    if (state == '1' && l->m[PL_AIGC_PRODUCE_ID].n == 0)
        problem(r, "label.produce-id-empty", NULL);
    if ((l->present & 1u << PL_AIGC_PROPAGATOR) &&
        (l->m[PL_AIGC_PROPAGATOR].n == 0 || l->m[PL_AIGC_PROPAGATE_ID].n == 0))
        problem(r, "label.propagator-empty", NULL);
    if (l->m[PL_AIGC_PRODUCER].n > 0 && !pl_provider_code_check(l->m[PL_AIGC_PRODUCER], &why))
        problem(r, "label.code-format", names[PL_AIGC_PRODUCER]);
    if (l->m[PL_AIGC_PROPAGATOR].n > 0 &&
        !pl_str_eq(l->m[PL_AIGC_PROPAGATOR], l->m[PL_AIGC_PRODUCER]) &&
        !pl_provider_code_check(l->m[PL_AIGC_PROPAGATOR], &why))
        problem(r, "label.code-format", names[PL_AIGC_PROPAGATOR]);
}

pl_rc pl_aigc_read(pl_str text, pl_arena *a, pl_aigc_report *out, pl_error *err)
{
    aigc_reader d = { .arena = a, .r = out };

    *out = (pl_aigc_report){ .n = 0 };
    for (int i = 0; i < PL_AIGC_MEMBERS; i++)
        out->label.m[i] = (pl_str){ "", 0 };
    while (text.n > 0 && (text.p[text.n - 1] == '\0' || text.p[text.n - 1] == ' '))
        text.n--;
    text = pl_str_trim(text);
    if (pl_str_starts(text, PL_STR("\xEF\xBB\xBF")))
        text = (pl_str){ text.p + 3, text.n - 3 };
    if (text.n > PL_AIGC_READ_MAX) {
        problem(out, "label.too-long", NULL);
        return PL_OK;
    }
    if (text.n == 0) {
        out->empty = true;
        problem(out, "label.empty", NULL);
        return PL_OK;
    }
    if (text.n > 4 && strncasecmp(text.p, "AIGC", 4) == 0) {
        problem(out, "label.prefix", NULL);
        text = pl_str_trim((pl_str){ text.p + 4, text.n - 4 });
        if (text.n && (text.p[0] == ':' || text.p[0] == '='))
            text = pl_str_trim((pl_str){ text.p + 1, text.n - 1 });
    }
    if (!parse(&d, text, true))
        problem(out, "label.not-json", NULL);
    if (d.nomem)
        return pl_fail(err, PL_NOMEM, "out of memory");
    if (d.vendor)
        problem(out, "label.vendor-variant", NULL);
    if (out->readable)
        judge(out);
    return PL_OK;
}

int pl_aigc_state(const pl_aigc *l)
{
    pl_str s = l->m[PL_AIGC_LABEL];

    return s.n == 1 && s.p[0] >= '1' && s.p[0] <= '3' ? s.p[0] : 0;
}

/* --- writing ------------------------------------------------------------------------------------- */

void pl_aigc_format(const pl_aigc *l, pl_buf *out)
{
    for (int i = 0; i < PL_AIGC_MEMBERS; i++) {
        pl_buf_printf(out, "%c\"%s\":\"", i ? ',' : '{', names[i]);
        pl_buf_json(out, l->m[i]);
        pl_buf_putc(out, '"');
    }
    pl_buf_putc(out, '}');
}

pl_rc pl_aigc_check(const pl_aigc *l, pl_error *err)
{
    int    state = pl_aigc_state(l);
    size_t total = 0;
    bool   control;

    if (state == 0)
        return pl_fail(err, PL_INVALID, "the state of a label is 1, 2 or 3");
    for (int i = 0; i < PL_AIGC_MEMBERS; i++) {
        bool   reserved = i == PL_AIGC_RESERVED1 || i == PL_AIGC_RESERVED2;
        size_t max = reserved ? PL_AIGC_RESERVED_MAX : PL_AIGC_ID_MAX;
        if (l->m[i].n > max)
            return pl_fail(err, PL_INVALID, "'%s' is longer than %zu bytes", names[i], max);
        if (!chars_ok(l->m[i], &control) || (!reserved && memchr(l->m[i].p, '"', l->m[i].n)))
            return pl_fail(err, PL_INVALID,
                           "'%s' has characters outside GB 45438-2025 annex E: printable ASCII"
                           " without blanks, quotes and backslashes", names[i]);
        total += l->m[i].n;
    }
    if (total > PL_AIGC_VALUE_MAX - 512)
        return pl_fail(err, PL_INVALID, "the label is longer than %u bytes", PL_AIGC_VALUE_MAX);
    if (state == '1' && (l->m[PL_AIGC_PRODUCER].n == 0 || l->m[PL_AIGC_PRODUCE_ID].n == 0))
        return pl_fail(err, PL_INVALID, "a label that says generated names producer and content number");
    return PL_OK;
}

/* REQ: TC260-PG-20252A/code  GB 32100: weights 3^i mod 31 */
static bool credit_code_ok(const char *s)
{
    static const char alphabet[] = "0123456789ABCDEFGHJKLMNPQRTUWXY";
    unsigned          sum = 0, weight = 1;
    const char       *c;

    for (int i = 0; i < 17; i++) {
        c = memchr(alphabet, s[i], 31);
        if (!c)
            return false;
        sum += (unsigned)(c - alphabet) * weight;
        weight = weight * 3 % 31;
    }
    return s[17] == alphabet[(31 - sum % 31) % 31];
}

bool pl_provider_code_check(pl_str code, const char **why)
{
    *why = NULL;
    if (code.n != 27)
        *why = "a provider code has 27 characters";
    for (size_t i = 0; i < code.n && !*why; i++)
        if (!((code.p[i] >= '0' && code.p[i] <= '9') || (code.p[i] >= 'A' && code.p[i] <= 'Z')))
            *why = "a provider code consists of digits and capital letters";
    if (!*why && (code.p[0] != '0' || code.p[1] != '0'))
        *why = "a provider code begins with 00";
    if (!*why && code.p[2] == '1' && code.p[3] == '1' && !credit_code_ok(code.p + 4))
        *why = "the unified social credit code inside has a wrong check character";
    return *why == NULL;
}

void pl_aigc_propagate(const pl_aigc *old, int state, pl_str platform, pl_str id, pl_aigc *out)
{
    static const char *const digit[] = { "1", "2", "3" };
    pl_aigc                  l = { .present = (1u << PL_AIGC_MEMBERS) - 1 };

    for (int i = 0; i < PL_AIGC_MEMBERS; i++)
        l.m[i] = old ? old->m[i] : (pl_str){ "", 0 };
    if (!old || pl_aigc_state(old) == 0)
        l.m[PL_AIGC_LABEL] = pl_str_z(digit[state >= '1' && state <= '3' ? state - '1' : 2]);
    l.m[PL_AIGC_PROPAGATOR] = platform;
    l.m[PL_AIGC_PROPAGATE_ID] = id;
    l.m[PL_AIGC_RESERVED2] = (pl_str){ "", 0 };
    *out = l;
}
