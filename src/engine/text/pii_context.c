/* What the words before an item say it is. */
#include "base/banned.h"

#include "engine/text/pii_int.h"


enum {
    WINDOW = 48, /* bytes before the item that are read; the context of a stream has more */
    CLOSE = 20,  /* bytes before it that are right before it */
    WORD_MAX = 24
};

#define PHONE    PII_HINT_PHONE
#define ID       PII_HINT_ID
#define CARD     PII_HINT_CARD
#define PASSPORT PII_HINT_PASSPORT
#define SSN      PII_HINT_SSN
#define IBAN     PII_HINT_IBAN
#define KEY      PII_HINT_KEY
#define IP       PII_HINT_IP
#define USCC     PII_HINT_USCC
#define PLATE    PII_HINT_PLATE
#define EMAIL    PII_HINT_EMAIL
#define VERSION  PII_HINT_VERSION
#define OTHER    PII_HINT_OTHER

/* Sorted by bytes. The words are everyday names of each kind of item, and of things that look
 * like one and are none. */
static const struct word {
    char    text[WORD_MAX + 1];
    uint8_t hint;
} words[] = {
    { "access_key", KEY }, { "accesskey", KEY }, { "account", CARD }, { "addr", IP },
    { "amex", CARD }, { "amount", OTHER }, { "answering", PHONE }, { "api-key", KEY },
    { "api_key", KEY }, { "apikey", KEY }, { "auth", KEY }, { "authorization", KEY },
    { "barcode", OTHER }, { "batch", OTHER }, { "bearer", KEY }, { "build", VERSION },
    { "call", PHONE }, { "called", PHONE }, { "calling", PHONE }, { "card", CARD },
    { "cc", CARD }, { "cell", PHONE }, { "cellphone", PHONE }, { "chapter", VERSION },
    { "checksum", OTHER }, { "chrome", VERSION }, { "clause", VERSION }, { "client_secret", KEY },
    { "cny", OTHER }, { "commit", OTHER }, { "contact", PHONE }, { "coordinate", OTHER },
    { "credential", KEY }, { "credit", CARD }, { "debit", CARD }, { "desk", PHONE },
    { "dial", PHONE }, { "dns", IP }, { "doi", OTHER }, { "ean", OTHER }, { "email", EMAIL },
    { "epoch", OTHER }, { "fax", PHONE }, { "file", OTHER }, { "firmware", VERSION },
    { "gateway", IP }, { "hash", OTHER }, { "host", IP }, { "hotline", PHONE }, { "iban", IBAN },
    { "idcard", ID }, { "identity", ID }, { "imei", OTHER }, { "invoice", OTHER }, { "ip", IP },
    { "ipv4", IP }, { "ipv6", IP }, { "isbn", OTHER }, { "issn", OTHER }, { "item", OTHER },
    { "job", OTHER }, { "kernel", VERSION }, { "latitude", OTHER }, { "localhost", IP },
    { "longitude", OTHER }, { "lot", OTHER }, { "maestro", CARD }, { "mail", EMAIL },
    { "mastercard", CARD }, { "message", PHONE }, { "messages", PHONE }, { "mobile", PHONE },
    { "model", OTHER }, { "order", OTHER }, { "parcel", OTHER }, { "part", OTHER },
    { "passport", PASSPORT }, { "passwd", KEY }, { "password", KEY }, { "payment", CARD },
    { "phone", PHONE }, { "ping", IP }, { "plate", PLATE }, { "population", OTHER },
    { "price", OTHER }, { "private_key", KEY }, { "product", OTHER }, { "pwd", KEY },
    { "qq", OTHER }, { "reach", PHONE }, { "reference", OTHER }, { "release", VERSION },
    { "resident", ID }, { "rev", VERSION }, { "revision", VERSION }, { "rmb", OTHER },
    { "router", IP }, { "run", OTHER }, { "sec", VERSION }, { "secret", KEY },
    { "section", VERSION }, { "seed", OTHER }, { "serial", OTHER }, { "server", IP },
    { "shipment", OTHER }, { "sku", OTHER }, { "sms", PHONE }, { "social", SSN }, { "ssn", SSN },
    { "subnet", IP }, { "tel", PHONE }, { "telephone", PHONE }, { "ticket", OTHER },
    { "timestamp", OTHER }, { "token", KEY }, { "total", OTHER }, { "trace", OTHER },
    { "tracking", OTHER }, { "transaction", OTHER }, { "upc", OTHER }, { "upgrade", VERSION },
    { "usd", OTHER }, { "uuid", OTHER }, { "ver", VERSION }, { "version", VERSION },
    { "visa", CARD }, { "whatsapp", PHONE }, { "主机", IP }, { "交易", OTHER },
    { "人民币", OTHER }, { "令牌", KEY }, { "价格", OTHER }, { "任务", OTHER }, { "传真", PHONE },
    { "伺服器", IP }, { "信用代码", USCC }, { "信用卡", CARD }, { "借记卡", CARD },
    { "储蓄卡", CARD }, { "傳真", PHONE }, { "公民身份", ID }, { "共计", OTHER },
    { "升级", VERSION }, { "单号", OTHER }, { "卡号", CARD }, { "卡號", CARD }, { "发票", OTHER },
    { "口令", KEY }, { "号牌", PLATE }, { "号码是", PHONE }, { "合同", OTHER }, { "商品", OTHER },
    { "單號", OTHER }, { "地址", IP }, { "坐标", OTHER }, { "型号", OTHER }, { "型號", OTHER },
    { "子网", IP }, { "学号", OTHER }, { "密码", KEY }, { "密碼", KEY }, { "密鑰", KEY },
    { "密钥", KEY }, { "工单", OTHER }, { "工号", OTHER }, { "帳號", CARD }, { "序列", OTHER },
    { "序列号", OTHER }, { "座机", PHONE }, { "座機", PHONE }, { "快递", OTHER },
    { "总计", OTHER }, { "房号", OTHER }, { "手机", PHONE }, { "手机号", PHONE },
    { "手機", PHONE }, { "批号", OTHER }, { "批次", OTHER }, { "护照", PASSPORT },
    { "拨打", PHONE }, { "撥打", PHONE }, { "收款", CARD }, { "日志", OTHER }, { "时间", OTHER },
    { "时间戳", OTHER }, { "服务器", IP }, { "条款", VERSION }, { "条码", OTHER },
    { "来电", PHONE }, { "来電", PHONE }, { "校验", OTHER }, { "案号", OTHER }, { "流水", OTHER },
    { "流水号", OTHER }, { "热线", PHONE }, { "熱線", PHONE }, { "版", VERSION },
    { "版本", VERSION }, { "牌照", PLATE }, { "物流", OTHER }, { "电话", PHONE }, { "登录", IP },
    { "短信", PHONE }, { "社会安全号", SSN }, { "社会安全号码", SSN }, { "社安号", SSN },
    { "票号", OTHER }, { "秘钥", KEY }, { "税号", USCC }, { "章", VERSION }, { "章節", VERSION },
    { "章节", VERSION }, { "第", VERSION }, { "編號", OTHER }, { "纬度", OTHER },
    { "纳税人识别号", USCC }, { "经度", OTHER }, { "统一社会信用代码", USCC }, { "编号", OTHER },
    { "网关", IP }, { "联系我", PHONE }, { "联系方式", PHONE }, { "聯絡", PHONE },
    { "聯繫", PHONE }, { "致电", PHONE }, { "节", VERSION }, { "訂單", OTHER }, { "證件號", ID },
    { "護照", PASSPORT }, { "订单", OTHER }, { "订单号", OTHER }, { "设备号", OTHER },
    { "证件号", ID }, { "账号", CARD }, { "账户", CARD }, { "身份信息", ID }, { "身份号码", ID },
    { "身份證", ID }, { "身份证", ID }, { "車牌", PLATE }, { "轉賬", CARD }, { "车牌", PLATE },
    { "转账", CARD }, { "运单", OTHER }, { "邮件", EMAIL }, { "邮箱", EMAIL }, { "邮编", OTHER },
    { "郵箱", EMAIL }, { "金额", OTHER }, { "銀聯", CARD }, { "銀行卡", CARD }, { "银联", CARD },
    { "银行卡", CARD }, { "電話", PHONE },
};
enum { WORDS = sizeof words / sizeof *words };

/* A bit for each hash of the first three bytes of a word: nearly everything else is done at one
 * look. A test compares it with the list. */
static const uint64_t begins[64] = {
    0x1000021804490100u, 0x0100200000141000u, 0x0200100000000040u, 0x020000000a004000u,
    0x0020020040000000u, 0x0000000002000200u, 0x0000000000090848u, 0x0000000040900048u,
    0x0000000000000000u, 0x2000100000000000u, 0x0000000008000000u, 0x0100300000000000u,
    0x2000000000000000u, 0x0000000000000800u, 0x0000000000000000u, 0x0000000000021000u,
    0x0002080000200200u, 0x0800002142000000u, 0x0002000000000101u, 0x0000000000000001u,
    0x0004000000000000u, 0x1008000000804040u, 0x0308000000000000u, 0x4000000000000008u,
    0x000000000800e010u, 0x0000010000000500u, 0x1000005010000000u, 0x0430000000000000u,
    0x0000002000200000u, 0x0200000008000000u, 0x0400200100000400u, 0x0402000000020000u,
    0x0180000080000000u, 0x4010000000000000u, 0x4480090000188004u, 0x0000000080000010u,
    0x4000000100000200u, 0x1000002004100400u, 0x0000000000010104u, 0x0000000000000000u,
    0x0000000000000800u, 0x4000000000000060u, 0x1440000000000000u, 0x0000000080800080u,
    0x0000000420000000u, 0x0010000002001000u, 0x0000000800000000u, 0x0600001040008000u,
    0x0000000000000000u, 0x0000021020400200u, 0x0040000000000200u, 0x0000000000000000u,
    0x8408000000000000u, 0x00000040000c0400u, 0x0100000000010200u, 0x0010000000100400u,
    0x0002200480000004u, 0x0800002000000000u, 0x0050000800004044u, 0x0000010400100000u,
    0x0000000480800101u, 0x0000000800000010u, 0x0000200400600000u, 0x0000000000402000u,
};

static inline uint8_t folded(uint8_t c)
{
    if (c >= 0x80 || pii_is(c, PII_LOWER | PII_DIGIT))
        return c;
    return pii_is(c, PII_UPPER) ? c | 0x20 : c == '-' || c == '_' ? c : 0;
}

static inline uint32_t three(const uint8_t *p)
{
    return (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
}

static inline bool may_begin(uint32_t key)
{
    uint32_t h = key * 0x9e3779b1u >> 20;

    return begins[h >> 6] >> (h & 63) & 1;
}

/* The length of word `w` when the text at p begins with it and, if it is of letters, ends with
 * it (a plural counts). */
static size_t matches(const struct word *w, const uint8_t *p, size_t n)
{
    size_t length = 0;

    while (length < n && w->text[length] && folded(p[length]) == (uint8_t)w->text[length])
        length++;
    if (w->text[length])
        return 0;
    if ((uint8_t)w->text[0] < 0x80) {
        size_t k = length < n && (p[length] | 0x20) == 's' ? length + 1 : length;
        if (k < n && pii_is(p[k], PII_ALPHA))
            return 0;
    }
    return length;
}

/* The first word that begins with these three bytes, or a later place. */
static size_t first_word(uint32_t key)
{
    size_t at = 0;

    for (size_t n = WORDS; n > 0;) {
        size_t half = n / 2;
        bool   is_before = three((const uint8_t *)words[at + half].text) < key;

        at += is_before ? n - half : 0;
        n = half;
    }
    return at;
}

static inline pii_hint hint_at(const uint8_t *p, size_t n)
{
    uint8_t key[3] = { folded(p[0]), n > 1 ? folded(p[1]) : 0, n > 2 ? folded(p[2]) : 0 };
    size_t  longest = 0, length;
    uint8_t hint = PII_HINT_NONE;

    if (key[0] < 0x80 && key[1] < 0x80 && key[2] < 0x80 && !pii_is(key[2], PII_ALNUM))
        key[2] = 0;
    if (!may_begin(three(key)))
        return PII_HINT_NONE;
    for (size_t i = first_word(three(key));
         i < WORDS && three((const uint8_t *)words[i].text) == three(key); i++)
        if ((length = matches(&words[i], p, n)) > longest) {
            longest = length;
            hint = words[i].hint;
        }
    return (pii_hint)hint;
}

static pii_hint hint_within(const pii_group *g, size_t cell, size_t against)
{
    const uint8_t *item = g->raw + (g->at ? g->at[cell] : cell);
    size_t         there = (size_t)(item - g->raw) + g->before;
    size_t         n = there < WINDOW ? there : WINDOW;

    for (size_t back = 2; back <= n; back++) {
        const uint8_t *p = item - back;
        pii_hint       hint;

        if (*p == '\n') {
            against = 0; /* what speaks against an item stands on its line */
            if (back > WINDOW / 2)
                break;
        }
        if (pii_is(*p, PII_ALPHA) ? back < n && pii_is(p[-1], PII_ALPHA) : *p < 0xc0)
            continue; /* not where a word begins */
        hint = hint_at(p, back);
        if (hint != PII_HINT_NONE && (back <= against || hint < PII_HINT_VERSION))
            return hint;
    }
    return PII_HINT_NONE;
}

pii_hint pii_hint_before(const pii_group *g, size_t cell)
{
    return hint_within(g, cell, WINDOW);
}

pii_hint pii_hint_close(const pii_group *g, size_t cell)
{
    return hint_within(g, cell, CLOSE);
}

bool pii_words_are_reachable(void)
{
    for (size_t i = 0; i < WORDS; i++) {
        const uint8_t *p = (const uint8_t *)words[i].text;

        if (hint_at(p, strlen(words[i].text)) != words[i].hint ||
            (i > 0 && strcmp(words[i - 1].text, words[i].text) >= 0))
            return false;
    }
    return true;
}
