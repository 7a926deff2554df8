/* One set of a recipe of names: records, what is marked in them, and which side of the split they are on. */
#include "base/banned.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/str.h"
#include "cap/text/names_train.h"
#include "cap/text/scan_int.h"

enum { FOLDS = 10, GOLD_MAX = 4096 };

static const char *text_at(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));

    return s ? s : "";
}

bool names_set_is_natural(const json_t *o)
{
    return strcmp(text_at(o, "use"), "natural") == 0;
}

int names_set_use(const json_t *o, uint64_t key)
{
    const char *use = text_at(o, "use");

    if (strcmp(use, "test") == 0)
        return NAMES_HELD_OUT;
    if (names_set_is_natural(o))
        return key % FOLDS == 0 ? NAMES_CALIBRATE : NAMES_NATURAL;
    return key % FOLDS == 0 ? NAMES_CALIBRATE : key % FOLDS <= 2 ? NAMES_HELD_OUT : NAMES_LEARN;
}

/* --- records -------------------------------------------------------------------------------------- */

typedef struct reader {
    const names_recipe *r;
    const json_t       *set;
    const char         *path;
    uint16_t            id;
    size_t              line, bytes, most;
    names_data         *d;
    names_grammar      *pronouns; /* NULL: none are replaced */
    names_random        random;
    names_gold          gold[GOLD_MAX];
    unsigned            golds;
    pl_rc               rc;
    pl_error           *err;
} reader;

static bool lists(const json_t *list, const json_t *v)
{
    size_t  i;
    json_t *x;

    json_array_foreach((json_t *)(uintptr_t)list, i, x)
        if (json_is_string(v) && json_equal(x, v))
            return true;
    return false;
}

static int by_start(const void *a, const void *b)
{
    const names_gold *x = a, *y = b;

    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    return (x->end < y->end) - (x->end > y->end);
}

/* Where a character offset is in bytes. */
static uint32_t byte_of(pl_str text, json_int_t chars)
{
    size_t i = 0;

    for (json_int_t k = 0; k < chars && i < text.n; k++)
        for (i++; i < text.n && is_utf8_tail((uint8_t)text.p[i]); i++)
            ;
    return (uint32_t)i;
}

/* One address is often written down as several: a number, a street, a postcode. Those with nothing
 * but blanks between are one here. */
static void gold_join(reader *rd, pl_str text)
{
    unsigned n = 0;

    qsort(rd->gold, rd->golds, sizeof *rd->gold, by_start);
    for (unsigned i = 0; i < rd->golds; i++) {
        names_gold *last = n ? &rd->gold[n - 1] : NULL, g = rd->gold[i];
        bool        joins = last && last->is_address == g.is_address;

        for (uint32_t k = joins ? last->end : 0; joins && k < g.start; k++)
            joins = g.is_address && strchr(" \n", text.p[k]);
        if (joins)
            last->end = g.end > last->end ? g.end : last->end;
        else if (!last || g.start >= last->end)
            rd->gold[n++] = g;
    }
    rd->golds = n;
}

static void gold_read(reader *rd, const json_t *record, pl_str text)
{
    const json_t *spans = json_object_get(record, text_at(rd->set, "spans")), *s;
    size_t        i;

    rd->golds = 0;
    json_array_foreach((json_t *)(uintptr_t)spans, i, s) {
        const json_t *type = json_object_get(s, text_at(rd->set, "type"));
        bool          name = lists(json_object_get(rd->set, "names"), type);
        bool          address = lists(json_object_get(rd->set, "addresses"), type);
        names_gold    g;

        if ((!name && !address) || rd->golds == GOLD_MAX)
            continue;
        g.start = byte_of(text, json_integer_value(json_object_get(s, text_at(rd->set, "start"))));
        g.end = byte_of(text, json_integer_value(json_object_get(s, text_at(rd->set, "end"))));
        g.is_address = address;
        if (g.start < g.end)
            rd->gold[rd->golds++] = g;
    }
    gold_join(rd, text);
}

/* Words in whose place a name can stand. */
static const char *const stand_ins[] = {
    "他", "她", "你", "我", "大家", "朋友", "老师", "医生", "老板", "妈妈", "爸爸", "老公", "老婆", "女友",
    "孩子", "同学", "人家", "网友", "导师", "领导", "同事", "弟弟", "姐姐", "妹妹", "哥哥", "对方",
    "黑人", "白人", "女人", "男人", "女生", "男生", "女性", "男性", "中国人", "美国人", "上海人", "北京人",
    "河南人", "广东人", "东北人", "四川人", "湖南人", "湖北人", "江苏人", "浙江人", "日本人", "韩国人",
    "台湾人", "香港人", "外地人", "本地人", "女孩子", "男孩子", "女孩", "男孩", "老头", "老太太", "农民",
    "作者", "患者", "用户", "老人", "女儿", "儿子", "父亲", "母亲", "班主任", "同桌", "室友", "邻居", "客户",
    "员工", "经理", "专家", "教授", "校长", "小明", "小红", "小王", "小张", "小李", "明星", "警察", "学生", "记者", "司机", "演员", "歌手", "网红", "主播", "楼主", "答主", "题主", "博主",
};
static const char *const stand_ins_en[] = { "he", "she", "He", "She", "him" };

/* Their length, 0 when there is none at `at`. */
static size_t stand_in_at(pl_str s, size_t at, bool *zh)
{
    static const char before[] = "其吉维自排利个多些群这那位名女男小好数大老", behind[] = "们国妈爸家方自俩人校军党省市院圈群";

    *zh = (uint8_t)s.p[at] >= 0x80;
    for (size_t i = 0; *zh && i < sizeof stand_ins / sizeof *stand_ins; i++) {
        size_t n = strlen(stand_ins[i]);

        if (s.n - at >= n + 3 && memcmp(s.p + at, stand_ins[i], n) == 0 &&
            !memmem(behind, sizeof behind - 1, s.p + at + n, 3) &&
            (at < 3 || !memmem(before, sizeof before - 1, s.p + at - 3, 3)))
            return n;
    }
    if (*zh || (at > 0 && s.p[at - 1] != ' '))
        return 0;
    for (size_t i = 0; i < sizeof stand_ins_en / sizeof *stand_ins_en; i++) {
        size_t n = strlen(stand_ins_en[i]);

        if (s.n - at > n && memcmp(s.p + at, stand_ins_en[i], n) == 0 && strchr(" ,.", s.p[at + n]))
            return n;
    }
    return 0;
}

/* Writes the text with half of them replaced by names. */
static pl_rc names_put(reader *rd, pl_str s, pl_buf *out)
{
    pl_rc rc = PL_OK;

    rd->golds = 0;
    for (size_t i = 0; rc == PL_OK && i < s.n;) {
        bool          zh;
        size_t        n = stand_in_at(s, i, &zh), rules;
        const char   *rule = zh ? "zh_name" : "en_person";
        names_example name;

        (void)names_grammar_list(rd->pronouns, rule, &rules);
        if (n == 0 || rules == 0 || names_random_below(&rd->random, 2) != 0 || rd->golds == GOLD_MAX) {
            pl_buf_put(out, (pl_str){ s.p + i, n ? n : 1 });
            i += n ? n : 1;
            continue;
        }
        rc = names_grammar_make(rd->pronouns, rule, &rd->random, &name, rd->err);
        if (rc != PL_OK)
            break;
        rd->gold[rd->golds++] = (names_gold){ (uint32_t)out->n, (uint32_t)(out->n + name.n), false };
        pl_buf_put(out, (pl_str){ name.text, name.n });
        free(name.text);
        free(name.gold);
        i += n;
    }
    return rc == PL_OK ? pl_buf_check(out, rd->err) : rc;
}

static uint64_t key_of(const reader *rd, const json_t *record, pl_str text)
{
    const char   *group = json_string_value(json_object_get(rd->set, "group"));
    const json_t *v = group ? json_object_get(record, group) : NULL;
    char         *id = v ? json_dumps(v, JSON_ENCODE_ANY) : NULL;
    uint8_t       digest[32];
    uint64_t      key;

    pl_sha256_of(id ? pl_str_z(id) : text, digest);
    memcpy(&key, digest, sizeof key);
    free(id);
    return key;
}

static pl_rc example_put(reader *rd, const json_t *record, pl_str source, pl_str text)
{
    names_example e = { .text = pl_str_dup(text), .n = text.n, .golds = rd->golds, .set = rd->id,
                        .gold = malloc((rd->golds + 1) * sizeof *e.gold) };

    if (!e.text || !e.gold) {
        free(e.text);
        free(e.gold);
        return pl_fail(rd->err, PL_NOMEM, "out of memory");
    }
    memcpy(e.gold, rd->gold, rd->golds * sizeof *e.gold);
    e.use = (uint8_t)names_set_use(rd->set, key_of(rd, record, source));
    e.is_natural = names_set_is_natural(rd->set);
    e.learn_name = e.is_natural || json_object_get(rd->set, "names");
    e.learn_address = e.is_natural || json_object_get(rd->set, "addresses");
    return names_data_add(rd->d, &e, rd->err);
}

static pl_rc record_put(reader *rd, const json_t *record)
{
    pl_str     text = pl_str_z(text_at(record, text_at(rd->set, "text")));
    json_int_t times = json_integer_value(json_object_get(rd->set, "times"));
    pl_buf     b = PL_BUF_INIT(NAMES_TEXT_MAX);
    pl_rc      rc = PL_OK;

    if (text.n == 0 || (rd->most && rd->bytes > rd->most))
        return PL_OK;
    rd->bytes += text.n;
    if (rd->pronouns)
        rc = names_put(rd, text, &b);
    else
        gold_read(rd, record, text);
    for (json_int_t i = 0; rc == PL_OK && i < (times > 0 ? times : 1); i++) {
        rc = example_put(rd, record, text, rd->pronouns ? pl_buf_str(&b) : text);
        if (rc == PL_OK && rd->d->e[rd->d->n - 1].use != NAMES_LEARN)
            break; /* only what is learnt from is repeated */
    }
    pl_buf_done(&b);
    return rc;
}

static int lines_read(void *ctx, const char *name, pl_str text)
{
    reader *rd = ctx;
    pl_str  line;

    (void)name;
    while (rd->rc == PL_OK && pl_str_split(&text, '\n', &line)) {
        json_t *record = NULL;

        rd->line++;
        line = pl_str_trim(line);
        if (line.n == 0)
            continue;
        if (pl_json_parse(line, rd->path, &record, NULL) != PL_OK || !json_is_object(record))
            rd->rc = pl_fail(rd->err, PL_INVALID, "%s:%zu: not a JSON object", rd->path, rd->line);
        else
            rd->rc = record_put(rd, record);
        json_decref(record);
    }
    return rd->rc != PL_OK;
}

static pl_rc set_read(reader *rd, pl_error *err)
{
    char  *bytes = NULL;
    size_t n = 0;
    pl_rc  rc = pl_file_read(rd->path, NAMES_TEXT_MAX, &bytes, &n, err);

    if (rc == PL_OK && scan_is_archive((pl_str){ bytes, n }))
        rc = scan_archive_each(rd->path, (pl_str){ bytes, n }, lines_read, rd, err);
    else if (rc == PL_OK)
        (void)lines_read(rd, rd->path, (pl_str){ bytes, n });
    free(bytes);
    return rc == PL_OK ? rd->rc : rc;
}

pl_rc names_set_read(const names_recipe *r, const json_t *set, uint16_t id, const char *data,
                      names_data *d, pl_error *err)
{
    reader *rd = calloc(1, sizeof *rd);
    char   *path = pl_path_join(data, text_at(set, "file"));
    pl_rc   rc = rd && path ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc == PL_OK) {
        *rd = (reader){ .r = r, .set = set, .path = path, .id = id, .d = d, .err = err,
                        .random = { 0xabcd + id },
                        .most = (size_t)json_integer_value(json_object_get(set, "most")) };
        if (json_object_get(set, "pronouns"))
            rc = names_recipe_grammar(r, json_object_get(set, "pronouns"), &rd->pronouns, err);
    }
    if (rc == PL_OK)
        rc = set_read(rd, err);
    if (rd)
        names_grammar_free(rd->pronouns);
    free(path);
    free(rd);
    return rc;
}

