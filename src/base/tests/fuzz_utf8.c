/* Properties: validity is what the decoder says step by step; NFC is idempotent and the
 * quick check never passes text that normalisation would change; JSON escaping is valid. */
#include "base/banned.h"

#include "base/buf.h"
#include "base/jsonscan.h"
#include "base/str.h"
#include "base/utf8.h"

static bool valid_by_steps(pl_str s)
{
    while (s.n > 0) {
        uint32_t cp;
        int      n = pl_utf8_decode(s, &cp);
        char     again[4];

        if (n <= 0)
            return false;
        if (pl_utf8_encode(cp, again) != n || memcmp(again, s.p, (size_t)n) != 0)
            abort();
        s.p += n;
        s.n -= (size_t)n;
    }
    return true;
}

static void check_nfc(pl_str s)
{
    char  *once, *twice;
    size_t n, m;

    if (pl_utf8_nfc(s, &once, &n, NULL) != PL_OK)
        abort();
    if (pl_utf8_nfc((pl_str){ once, n }, &twice, &m, NULL) != PL_OK || n != m ||
        memcmp(once, twice, n) != 0)
        abort();
    if (pl_utf8_is_nfc_quick(s) && !pl_str_eq(s, (pl_str){ once, n }))
        abort();
    free(once);
    free(twice);
}

static void check_escape(pl_str s, bool valid)
{
    pl_buf      b = PL_BUF_INIT(1u << 24), back = PL_BUF_INIT(1u << 24);
    pl_jsonscan j;
    pl_jsontok  t;

    pl_buf_putc(&b, '"');
    pl_buf_json(&b, s);
    pl_buf_putc(&b, '"');
    pl_jsonscan_init(&j, pl_buf_str(&b));
    if (pl_jsonscan_next(&j, &t, NULL) != PL_OK || t.type != PL_JT_STRING || t.end != b.n)
        abort();
    pl_json_unescape(t.raw, &back);
    if (valid && !pl_str_eq(pl_buf_str(&back), s))
        abort();
    pl_buf_done(&b);
    pl_buf_done(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    char  *copy = malloc(n > 0 ? n : 1);
    pl_str s = { copy, n };
    bool   valid;

    if (copy == NULL)
        return 0;
    if (n > 0)
        memcpy(copy, p, n);
    valid = pl_utf8_valid(s);
    if (valid != valid_by_steps(s))
        abort();
    if (valid)
        check_nfc(s);
    else if (pl_utf8_is_nfc_quick(s))
        abort();
    check_escape(s, valid);
    free(copy);
    return 0;
}
