/* Numbers with check digits. */
#include "base/banned.h"

#include "engine/text/pii_int.h"

/* ISO/IEC 7812-1:2017, Annex B. */
bool pii_luhn_ok(const uint8_t *digits, size_t n)
{
    unsigned sum = 0;

    for (size_t i = 0; i < n; i++) {
        unsigned d = (unsigned)(digits[n - 1 - i] - '0');

        if (i % 2 == 1)
            d = d < 5 ? d * 2 : d * 2 - 9;
        sum += d;
    }
    return sum % 10 == 0;
}

static unsigned two(const uint8_t *p)
{
    return (unsigned)(p[0] - '0') * 10 + (unsigned)(p[1] - '0');
}

/* GB/T 2260, first two digits: provinces, autonomous regions, municipalities; 71 Taiwan, 81 Hong
 * Kong, 82 Macao. 83 is used on residence permits of residents of Taiwan (not in GB/T 2260;
 * from public notices, not checked against a standard). Counties change every year and are not
 * looked at. */
static bool is_province(unsigned p)
{
    static const uint8_t last[10] = { 0, 15, 23, 37, 46, 54, 65, 71, 83, 0 };

    return p <= last[p / 10] && (p % 10 != 0 || p == 50);
}

static bool is_date(unsigned y, unsigned m, unsigned d)
{
    static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;

    return m >= 1 && m <= 12 && d >= 1 && d <= days[m - 1] + (m == 2 && leap ? 1u : 0u);
}

/* GB 11643-1999, 4 and 6: address code, date of birth, sequence, check character by ISO 7064
 * MOD 11-2. The engine has no clock: births from 1850 to 2099. */
bool pii_cn_id_ok(const uint8_t id[18])
{
    static const uint8_t weight[17] = { 7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2 };
    static const char    check[] = "10X98765432";
    unsigned             sum = 0, year = two(id + 6) * 100 + two(id + 8);

    for (size_t i = 0; i < 17; i++)
        sum += weight[i] * (unsigned)(id[i] - '0');
    return (uint8_t)check[sum % 11] == id[17] && is_province(two(id)) && year >= 1850 &&
           year < 2100 && is_date(year, two(id + 10), two(id + 12));
}

/* The form before 1999: two digits of the year (of 19xx), no check character. */
bool pii_cn_id_old_ok(const uint8_t id[15])
{
    return is_province(two(id)) && two(id + 2) > 0 && two(id + 4) > 0 &&
           is_date(1900 + two(id + 6), two(id + 8), two(id + 10));
}

/* GB 32100-2015, 4 to 6: registering department, kind of organisation, six digits of GB/T 2260,
 * nine characters of GB 11714, check character modulo 31 with weights 3^i mod 31. */
bool pii_uscc_ok(const uint8_t code[18])
{
    static const uint8_t weight[17] = { 1,  3,  9,  27, 19, 26, 16, 17, 20,
                                        29, 25, 13, 8,  24, 10, 30, 28 };
    static const char    set[] = "0123456789ABCDEFGHJKLMNPQRTUWXY";
    unsigned             sum = 0;

    for (size_t i = 0; i < 18; i++) {
        const char *at = code[i] ? strchr(set, code[i]) : NULL;

        if (!at || (i >= 2 && i < 8 && !pii_is(code[i], PII_DIGIT)))
            return false;
        sum += (unsigned)(at - set) * (i < 17 ? weight[i] : 1);
    }
    return sum % 31 == 0 && code[0] != '0' && (is_province(two(code + 2)) || two(code + 2) == 10);
}

/* SWIFT IBAN registry (release 99 and before): length by country. */
unsigned pii_iban_length(uint8_t a, uint8_t b)
{
    static const char lengths[] =
        "AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29"
        "ES24FI18FK18FO18FR27GB22GE22GI23GL18GR27GT28HN28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20"
        "LB28LC32LI21LT20LU20LV21LY25MC27MD24ME22MK19MN20MR27MT31MU30NI28NL18NO15OM23PK24PL28PS29"
        "PT25QA29RO24RS22RU33SA24SC31SD18SE24SI19SK24SM27SO23ST25SV28TL23TN24TR26UA29VA22VG24"
        "XK20YE30";

    a &= 0xdf;
    b &= 0xdf;
    for (const char *p = lengths; *p; p += 4)
        if ((uint8_t)p[0] == a && (uint8_t)p[1] == b)
            return two((const uint8_t *)p + 2);
    return 0;
}

/* ISO 13616-1:2020, 6: mod 97 over the rearranged number, letters as 10 … 35. */
bool pii_iban_ok(const uint8_t *iban, size_t n)
{
    unsigned sum = 0;

    if (n < 15 || pii_iban_length(iban[0], iban[1]) != n || !pii_is(iban[2], PII_DIGIT) ||
        !pii_is(iban[3], PII_DIGIT))
        return false;
    for (size_t i = 0; i < n; i++) {
        uint8_t c = iban[(i + 4) % n];

        if (pii_is(c, PII_DIGIT))
            sum = (sum * 10 + (unsigned)(c - '0')) % 97;
        else if (pii_is(c, PII_ALPHA))
            sum = (sum * 100 + 10 + (unsigned)((c & 0xdf) - 'A')) % 97;
        else
            return false;
    }
    return sum == 1;
}
