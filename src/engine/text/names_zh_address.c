/* Chinese addresses by grammar: from a house number ("88号", "3栋") to the left over road, town, district,
 * city and province, to the right over building, unit, floor and room. */
#include "base/banned.h"

#include "base/str.h"
#include "engine/text/names_int.h"

enum { LEFT_MAX = 48, NAME_MAX = 6, NAME_GUESS = 3, RIGHT_PARTS = 6 };

/* What ends a level of an address. */
static const char levels[] = "省市区县州盟旗镇乡村路街道巷弄里段园苑城庄厦院同组桥坊湾场屯邨营邸府";
/* What may stand right before a house number. */
static const char roads[] = "路街道巷弄里段园苑城庄厦院同村组桥坊湾场屯邨营镇区邸府";
/* What is never inside the name of a place: it ends what was written before the address. */
static const char stops[] = "在住到至址是为寄送往去从来由和与及的地了我你他她于个家离把让请给，。";
static const char numerals[] = "零〇一二三四五六七八九十百";

static const char *const provinces[] = {
    "北京", "上海", "天津", "重庆", "河北", "山西", "辽宁", "吉林", "黑龙江", "江苏", "浙江", "安徽",
    "福建", "江西", "山东", "河南", "湖北", "湖南", "广东", "海南", "四川", "贵州", "云南", "陕西",
    "甘肃", "青海", "台湾", "内蒙古", "广西", "西藏", "宁夏", "新疆", "香港", "澳门",
};

/* What follows a number behind the house. */
static const char *const rooms[] = { "号楼", "号院", "单元", "楼", "栋", "幢", "座", "室", "层", "号", "房", "户", "弄" };

static bool is_one_of(pl_str c, const char *set)
{
    return c.n == 3 && memmem(set, strlen(set), c.p, c.n) != NULL;
}

/* The character that ends at `at`. */
static pl_str char_before(pl_str unit, size_t at, size_t from)
{
    size_t k = at > from ? 1 : 0;

    while (k > 0 && k < 4 && at - k > from && is_utf8_tail((uint8_t)unit.p[at - k]))
        k++;
    return (pl_str){ unit.p + at - k, k };
}

static pl_str char_at(pl_str unit, size_t at)
{
    pl_char c = { 0 };

    if (at < unit.n)
        c = pl_char_read((const uint8_t *)unit.p + at, (const uint8_t *)unit.p + unit.n);
    return (pl_str){ unit.p + at, c.n > 0 ? (size_t)c.n : 0 };
}

/* ASCII or full-width, or a Chinese numeral. */
static bool is_digit(pl_str c)
{
    if (c.n == 1)
        return (uint8_t)(*c.p - '0') < 10;
    return is_one_of(c, numerals) ||
           (c.n == 3 && memcmp(c.p, "\xef\xbc", 2) == 0 && (uint8_t)(c.p[2] - (char)0x90) < 10);
}

static bool is_number(pl_str c)
{
    return is_digit(c) || (c.n == 1 && (*c.p == '-' || (uint8_t)((*c.p | 32) - 'a') < 26));
}

static bool is_han(pl_str c)
{
    return c.n == 3 && (uint8_t)c.p[0] >= 0xe4 && (uint8_t)c.p[0] <= 0xe9;
}

static size_t number_begin(pl_str unit, size_t end, size_t from)
{
    bool   digits = false;
    size_t at = end;

    for (pl_str c = char_before(unit, at, from); c.n > 0 && is_number(c) && end - at < 12;
         c = char_before(unit, at, from)) {
        digits |= is_digit(c) || c.n == 1;
        at -= c.n;
    }
    return digits ? at : end;
}

/* --- to the left ------------------------------------------------------------------------------ */

/* 和平 is in many names; 和 alone stands between two things. */
static bool is_stop(pl_str unit, pl_str c)
{
    if (c.n == 3 && memcmp(c.p, "和平", 3) == 0 && c.p + 6 <= unit.p + unit.n &&
        memcmp(c.p, "和平", 6) == 0)
        return false;
    return is_one_of(c, stops);
}

/* Where the level that ends at `end` begins: behind the level before it (*more), behind what cannot be
 * in a name, or a few characters back. */
static size_t level_begin(pl_str unit, size_t end, size_t from, bool *more)
{
    size_t at = end - 3;

    *more = false;
    for (unsigned n = 0; n < NAME_MAX; n++) {
        pl_str c = char_before(unit, at, from);

        if (!is_han(c) || is_stop(unit, c))
            return at;
        if (is_one_of(c, levels) && n >= 1) {
            *more = true;
            return at;
        }
        at -= c.n;
    }
    return end - 3 - 3 * NAME_GUESS;
}

/* Before what has been found, a province may stand without its suffix: 江苏南京市, 上海浦东新区. */
static size_t province_begin(pl_str unit, size_t begin, size_t end, size_t from)
{
    size_t low = begin > from + 12 ? begin - 12 : from;

    for (size_t i = 0; i < sizeof provinces / sizeof *provinces; i++) {
        pl_str      name = pl_str_z(provinces[i]);
        const char *at = memmem(unit.p + low, end - low, name.p, name.n);

        if (at && (size_t)(at - unit.p) + name.n + 9 >= begin) {
            size_t start = (size_t)(at - unit.p);
            size_t k = start + name.n;

            for (pl_str c = char_at(unit, k); k < begin && is_han(c) && !is_stop(unit, c);
                 c = char_at(unit, k))
                k += 3;
            if (k == begin)
                return start;
        }
    }
    return begin;
}

/* --- to the right ----------------------------------------------------------------------------- */

/* A number with what it counts, from `at`: "2单元", "501室", "-302"; `at` when there is none. */
static size_t room_end(pl_str unit, size_t at)
{
    size_t k = at;

    while (k < unit.n && (unit.p[k] == ' ' || unit.p[k] == '-') && k == at)
        k++;
    for (pl_str c = char_at(unit, k); c.n > 0 && is_number(c) && k - at < 12; c = char_at(unit, k))
        k += c.n;
    if (k == at || !is_number(char_before(unit, k, at)))
        return at;
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++) {
        pl_str room = pl_str_z(rooms[i]);

        if (unit.n - k >= room.n && memcmp(unit.p + k, room.p, room.n) == 0)
            return k + room.n;
    }
    return unit.p[at] == '-' ? k : at;
}

static size_t address_end(pl_str unit, size_t at, unsigned *parts)
{
    /* 88号院, 88号楼; then a building may have a name before its number: 88号阳光花园3栋 */
    if (is_one_of(char_at(unit, at), "院楼"))
        at += 3;
    for (*parts = 0; *parts < RIGHT_PARTS; ++*parts) {
        size_t end = room_end(unit, at), name = at;

        for (unsigned n = 0; end == at && n < NAME_MAX; n++) {
            pl_str c = char_at(unit, name);

            if (!is_han(c) || is_stop(unit, c))
                break;
            name += 3;
            if (n >= 1 && is_one_of(c, "园苑城厦院庭府寓邨坊湾场区邸") && room_end(unit, name) > name)
                end = room_end(unit, name);
        }
        if (end == at)
            break;
        at = end;
    }
    return at;
}

bool names_zh_address(pl_str unit, size_t at, size_t from, names_hit *out)
{
    size_t   begin = number_begin(unit, at, from), end;
    unsigned left = 0, right;
    float    p;
    bool     more = true;

    if (begin == at || !is_one_of(char_before(unit, begin, from), roads))
        return false;
    while (more && at - begin < 3 * LEFT_MAX) {
        size_t next = level_begin(unit, begin, from, &more);

        if (next + 3 >= begin) /* a suffix without a name */
            break;
        begin = next;
        left++;
    }
    if (left == 0)
        return false;
    end = address_end(unit, at + 3, &right);
    begin = province_begin(unit, begin, at, from);
    p = 0.6f + 0.1f * (float)(left < 3 ? left : 3) + (right > 0 ? 0.05f : 0);
    *out = (names_hit){ (uint32_t)begin, (uint32_t)end, (uint16_t)(p * PL_SCORE_MAX), true };
    return true;
}
