/* Properties of redaction, for any bytes: whatever the detectors find and however it is replaced,
 * the text around the pieces stays byte for byte, pieces follow each other, and inside a
 * replacement nothing of its kind is found again. */
#include "base/banned.h"

#include "base/str.h"
#include "engine/text/redact.h"
#include "fuzz_int.h"
#include "pii_fixture.h"

enum { ITEMS = 256 };

typedef struct work {
    pl_str         text;
    pl_redact_item item[ITEMS];
    size_t         n;
    pl_redaction   done[ITEMS];
    size_t         done_n;
    uint64_t       last_end, last_at;
    const pl_buf  *out;
} work;

static int add(void *ctx, const pl_text_finding *f)
{
    work *w = ctx;

    w->item[w->n++] = (pl_redact_item){ f->start, f->end, pl_str_z(pl_pii_category(f->rule)),
                                        f->score };
    return w->n == ITEMS;
}

static void told(void *ctx, const pl_redaction *r)
{
    work *w = ctx;

    CLAIM(r->start >= w->last_end && r->start < r->end && r->end <= w->text.n);
    CLAIM(r->at - w->last_at == r->start - w->last_end);
    CLAIM(memcmp(w->out->p + w->last_at, w->text.p + w->last_end, r->at - w->last_at) == 0);
    w->last_end = r->end;
    w->last_at = r->at + r->replacement.n;
    w->done[w->done_n++] = *r;
}

static int inside(void *ctx, const pl_text_finding *f)
{
    const work *w = ctx;

    for (size_t i = 0; i < w->done_n; i++) {
        const pl_redaction *r = &w->done[i];
        CLAIM(f->start < r->at || f->end > r->at + r->replacement.n ||
              !pl_str_eqz(r->category, pl_pii_category(f->rule)));
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t key[16] = { 1 };
    input                in = { data, size };
    pl_redact_how        how = (pl_redact_how)(take_byte(&in) % 3);
    pl_redact_options    o = { .how = how, .key = key, .key_n = sizeof key };
    pl_pii_config        c = pii_all();
    work                *w = calloc(1, sizeof *w);
    pl_buf               text = PL_BUF_INIT(in.n * 64 + 64), out = PL_BUF_INIT(in.n * 512 + 4096);

    CLAIM(w);
    while (in.n > 0)
        pl_buf_puts(&text, pii_pieces[take_byte(&in) % PII_PIECES]);
    w->text = pl_buf_str(&text);
    w->out = &out;
    o.each = told;
    o.ctx = w;
    pl_pii_scan(&c, w->text, add, w);
    CLAIM(pl_redact(w->text, w->item, w->n, &o, &out, NULL) == PL_OK);
    pl_pii_scan(&c, pl_buf_str(&out), inside, w);
    pl_buf_done(&text);
    pl_buf_done(&out);
    free(w);
    return 0;
}
