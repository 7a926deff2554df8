#include "base/banned.h"

#include "base/utf8.h"
#include "engine/text/lits_int.h"

#include "engine/text/lits_rarity.inc"

/* What the tables do not tell, by judgement. */
enum {
    UNKNOWN_HAN = 72,
    UNKNOWN_WIDE = 56,
    PUNCTUATION = 20,
    CONTROL = 44,
    LEAD = 12,
    TAIL = 20,
    OTHER_BYTE = 44
};

static void wide_init(uint8_t wide[])
{
    static const char common[] = "，。、：；！？“”（）《》—…的";
    pl_str            s = PL_STR(common);
    uint32_t          cp;
    int               n;

    memset(wide, UNKNOWN_WIDE, 0x10000 - LITS_WIDE);
    memset(wide + (0x4e00 - LITS_WIDE), UNKNOWN_HAN, 0xa000 - 0x4e00);
    for (; s.n && (n = pl_utf8_decode(s, &cp)) > 0; s.p += n, s.n -= (size_t)n)
        if (cp >= LITS_WIDE)
            wide[cp - LITS_WIDE] = PUNCTUATION;
    for (size_t i = 0; i < sizeof wide_levels / sizeof *wide_levels; i++) {
        s = (pl_str){ wide_levels[i].chars, strlen(wide_levels[i].chars) };
        for (; s.n && (n = pl_utf8_decode(s, &cp)) > 0; s.p += n, s.n -= (size_t)n)
            wide[cp - LITS_WIDE] = (uint8_t)wide_levels[i].rarity;
    }
}

static unsigned level(char c)
{
    return 2 * (unsigned)(c >= 'a' ? c - 'a' + 26 : c - 'A');
}

static void byte_init(uint8_t byte[256])
{
    for (unsigned b = 0; b < 256; b++)
        byte[b] = b < 0x20 ? CONTROL : b < 0x80 ? CONTROL : b < 0xc0 ? TAIL : OTHER_BYTE;
    for (unsigned b = 0xe0; b < 0xf0; b++)
        byte[b] = b >= 0xe3 && b <= 0xe9 ? LEAD : OTHER_BYTE;
    for (unsigned i = 0; i + 1 < sizeof byte_levels; i++)
        byte[' ' + i] = (uint8_t)level(byte_levels[i]);
}

static bool is_letter(unsigned b)
{
    return (b | 0x20) - 'a' < 26;
}

static void pair_init(lits_rarity *r)
{
    for (unsigned a = 0; a < 256; a++)
        memcpy(r->pair[a], r->byte, 256);
    for (unsigned a = 'A'; a <= 'z'; a++) {
        if (!is_letter(a))
            continue;
        for (unsigned b = 'A'; b <= 'z'; b++)
            if (is_letter(b))
                r->pair[a][b] = (uint8_t)(level(pair_levels[(a | 0x20) - 'a'][(b | 0x20) - 'a']) +
                                          (b < 'a' && a >= 'a' ? 24 : 0));
    }
}

void lits_rarity_init(lits_rarity *r)
{
    wide_init(r->wide);
    byte_init(r->byte);
    pair_init(r);
}
