/* Properties, for any bytes: stripping gives a beginning of the text, and is idempotent
 * on what holds no known label; a label written behind a text comes off again; what
 * pl_textlabel_find reports lies in the text and does conform when it says so. */
#include "base/banned.h"

#include "base/str.h"
#include "engine/text/textlabel.h"
#include "fuzz_int.h"

static const pl_str known[] = { PL_STR("AI生成"), PL_STR("内容由AI生成"), PL_STR("由人工智能合成"),
                                PL_STR("[AI]") };
#define KNOWN       known, sizeof known / sizeof *known
#define KNOWN_COUNT (sizeof known / sizeof *known)

static pl_str strip_checked(pl_str text)
{
    pl_str once = pl_textlabel_strip(text, KNOWN);
    pl_str bare = pl_textlabel_strip(text, NULL, 0);
    pl_str twice = pl_textlabel_strip(once, KNOWN);
    bool   labelled = false;

    CLAIM(once.p == text.p && once.n <= bare.n && bare.n <= text.n);
    CLAIM(pl_textlabel_strip(once, NULL, 0).n == once.n);
    for (size_t i = 0; i < KNOWN_COUNT; i++)
        labelled |= pl_str_ends(once, known[i]);
    CLAIM(labelled || twice.n == once.n);
    return once;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input               in = { data, size };
    pl_str              label = known[take_byte(&in) % KNOWN_COUNT];
    size_t              n = in.n;
    char               *copy = exact_copy(in.p, n);
    pl_str              text = { copy, n };
    pl_buf              buf = PL_BUF_INIT(n + 64);
    pl_textlabel_result r;

    (void)strip_checked(text);
    pl_buf_put(&buf, text);
    pl_textlabel_format(&buf, label);
    CLAIM(pl_buf_check(&buf, NULL) == PL_OK);
    CLAIM(strip_checked(pl_buf_str(&buf)).n == pl_textlabel_strip(text, NULL, 0).n);

    pl_textlabel_find(text, KNOWN, &r);
    CLAIM((r.position == 0) == (r.found.n == 0));
    CLAIM(r.conforms == (r.found.n > 0 && pl_textlabel_conforms(r.found)));
    if (r.found.n > 0)
        CLAIM(r.found.p >= text.p && r.found.p + r.found.n <= text.p + text.n);
    pl_textlabel_find(pl_buf_str(&buf), KNOWN, &r);
    CLAIM(r.position == 2);

    pl_buf_done(&buf);
    free(copy);
    return 0;
}
