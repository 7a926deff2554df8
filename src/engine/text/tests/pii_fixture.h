/* What tests and fuzz targets of structured data share: pieces that build nasty texts. */
#ifndef PII_FIXTURE_H
#define PII_FIXTURE_H

#include "engine/text/pii.h"

/* Items, halves of items, separators and look-alikes. Random sequences of them make texts with
 * findings at every edge. */
static const char *const pii_pieces[] = {
    "13800138000", "138", " ", "0013", "8000", "-", ".", "+86", "(010)", "62345678", "1", "0",
    "11010519491231002X", "11010519491231002", "4111111111111111", "4111", " 1111", "6222",
    "91350100M000100Y43", "GB29", " NWBK", " 6016", " 1331", " 9268", " 19",
    "GB29NWBK60161331926819",
    "a@b.cn", "@", "user", "example.com", "https://", "://", "u:p4ss@", "/a?token=abcdefgh12345678",
    "www.", "192.168.", "1.1", "::1", "fe80:", "2001:db8:", ":", "AKIAIOSFODNN7EXAMPLE", "AKIA",
    "sk-abcdEFGH1234ijklMNOP5678", "eyJhbGciOiJIUzI1NiJ9", ".", "eyJzdWIiOiIxMjM0NTYifQ", "SG.",
    "-----BEGIN", " RSA PRIVATE KEY-----", "-----", "\nMIIEowIBAAKCAQEAxgNSvlkjasdlkjqwe\n",
    "-----END RSA PRIVATE KEY-----", "\n", "\xe4\xba\xac" /* 京 */, "A12345", "AD12345", "A", "警",
    "\xe6\xb8\xaf" /* 港 */, "电话", "身份证", "护照", "订单", "ssn ", "123-45-6789", "E12345678",
    "\xe2\x80\x8b" /* zero width */, "\xef\xbc\x91\xef\xbc\x93" /* full-width 13 */,
    "\xe2\x80\x93" /* en dash */, "\xc2\xb7", "\xc2\xa0", "\xe3\x80\x80", "\xef\xbc\x88",
    "\xef\xbc\x89",
    ",", "\"", "'", "=", "password=", "x", "X", "_", "*", "\xe4", "\xe4\xba", "\xef\xbc", "\xff",
    "the ",
    "prose of words ", "9f86d081884c7d659a2feaa0c55ad015", "2023-10-11 ", "THE NEWS ",
};
#define PII_PIECES (sizeof pii_pieces / sizeof *pii_pieces)

static inline pl_pii_config pii_all(void)
{
    pl_pii_config c;

    for (uint32_t i = 0; i < PL_PII_KINDS; i++)
        c.rule[i] = i;
    return c;
}

#endif
