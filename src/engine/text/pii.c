#include "base/banned.h"

#include "base/str.h"
#include "engine/text/pii_int.h"

#include <endian.h>
#include <stdlib.h>

/* --- categories ---------------------------------------------------------------- */

static const char *const categories[PL_PII_KINDS] = {
    [PL_PII_EMAIL] = "pii.email",
    [PL_PII_PHONE] = "pii.phone",
    [PL_PII_CN_MOBILE] = "pii.cn_mobile",
    [PL_PII_CN_ID] = "pii.cn_id",
    [PL_PII_BANK_CARD] = "pii.bank_card",
    [PL_PII_USCC] = "pii.uscc",
    [PL_PII_PASSPORT] = "pii.passport",
    [PL_PII_PLATE] = "pii.plate",
    [PL_PII_IP] = "pii.ip",
    [PL_PII_URL] = "pii.url",
    [PL_PII_IBAN] = "pii.iban",
    [PL_PII_US_SSN] = "pii.us_ssn",
    [PL_PII_API_KEY] = "secret.api_key",
    [PL_PII_PRIVATE_KEY] = "secret.private_key",
    [PL_PII_URL_CREDENTIAL] = "secret.url_credential",
    [PL_PII_ADDRESS] = "pii.address",
    [PL_PII_NAME] = "pii.name",
};

const char *pl_pii_category(pl_pii_kind kind)
{
    return kind < PL_PII_KINDS ? categories[kind] : NULL;
}

pl_pii_kind pl_pii_kind_find(pl_str category)
{
    unsigned kind = 0;

    while (kind < PL_PII_KINDS && !pl_str_eqz(category, categories[kind]))
        kind++;
    return (pl_pii_kind)kind;
}

/* --- PIID section -------------------------------------------------------------- */

enum { PIID_VERSION = 1, PIID_HEADER = 12, PIID_KINDS_MAX = 4096 };
static const char piid_magic[4] = "PLPI";

static void wr32(char *p, uint32_t v)
{
    v = htole32(v);
    memcpy(p, &v, sizeof v);
}

static uint32_t rd32(const char *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof v);
    return le32toh(v);
}

pl_rc pl_pii_config_format(const pl_pii_config *c, void **out, size_t *n, pl_error *err)
{
    size_t size = PIID_HEADER + sizeof c->rule;
    char  *p = malloc(size);

    if (!p)
        return pl_fail(err, PL_NOMEM, "out of memory for a PIID section");
    memcpy(p, piid_magic, sizeof piid_magic);
    wr32(p + 4, PIID_VERSION);
    wr32(p + 8, PL_PII_KINDS);
    for (size_t i = 0; i < PL_PII_KINDS; i++)
        wr32(p + PIID_HEADER + i * 4, c->rule[i]);
    *out = p;
    *n = size;
    return PL_OK;
}

pl_rc pl_pii_config_parse(pl_str section, uint32_t rule_count, pl_pii_config *out, pl_error *err)
{
    pl_pii_config c;
    uint32_t      kinds;

    memset(&c, 0xff, sizeof c); /* PL_PII_OFF */
    if (section.n < PIID_HEADER || memcmp(section.p, piid_magic, sizeof piid_magic) != 0)
        return pl_fail(err, PL_INVALID, "not a PIID section");
    if (rd32(section.p + 4) != PIID_VERSION)
        return pl_fail(err, PL_INVALID, "PIID section has version %u, expected %u",
                       rd32(section.p + 4), (unsigned)PIID_VERSION);
    kinds = rd32(section.p + 8);
    if (kinds > PIID_KINDS_MAX || section.n != PIID_HEADER + (size_t)kinds * 4)
        return pl_fail(err, PL_INVALID, "PIID section of %zu bytes cannot hold %u kinds", section.n,
                       kinds);
    for (uint32_t i = 0; i < kinds; i++) {
        uint32_t rule = rd32(section.p + PIID_HEADER + (size_t)i * 4);

        if (rule != PL_PII_OFF && (i >= PL_PII_KINDS || rule >= rule_count))
            return pl_fail(err, PL_INVALID, "PIID section gives detector %u rule %u of %u", i, rule,
                           rule_count);
        if (i < PL_PII_KINDS)
            c.rule[i] = rule;
    }
    *out = c;
    return PL_OK;
}

/* --- whole text ---------------------------------------------------------------- */

struct pl_pii_cursor {
    const uint8_t *text;
    size_t         n, done; /* nothing before `done` is looked at again */
    size_t         base;    /* of the group whose findings are being given */
    size_t         given;
    bool           goes_on; /* what begins at `done` may have its anchor before it */
    pii_anchors    anchors;
    pii_group      group; /* last: large */
};

size_t pl_pii_cursor_size(void)
{
    return sizeof(pl_pii_cursor);
}

void pl_pii_cursor_init(pl_pii_cursor *k, const pl_pii_config *c, pl_str text)
{
    k->text = (const uint8_t *)text.p;
    k->n = text.n;
    k->done = k->base = k->given = 0;
    k->goes_on = false;
    k->group.config = c;
    k->group.hits = 0;
    pii_anchors_init(&k->anchors, text);
}

/* Looks into the group that the anchor is in, if it is in one. */
static void look_around(pl_pii_cursor *k, size_t anchor)
{
    pii_seg  seg = { .at = pii_seg_back(k->text, k->done, anchor), .blank = PII_NONE };
    pii_span span;

    while (pii_seg_next(&seg, k->text, k->n, anchor, true, &span)) {
        k->done = span.end;
        if (span.end <= anchor)
            continue;
        /* a group that did not end at a blank: a run of sixteen may have begun in it */
        k->goes_on = span.is_pem || span.end - span.start >= PL_PII_GROUP_MAX / 2;
        pii_detect(&k->group, k->text, k->n, &span);
        k->base = span.start;
        k->given = 0;
        return;
    }
    if (seg.at > k->done)
        k->done = seg.at < k->n ? seg.at : k->n;
}

bool pl_pii_cursor_next(pl_pii_cursor *k, pl_text_finding *out)
{
    const pii_hit *h;

    while (k->given == k->group.hits) {
        size_t anchor = k->goes_on && k->done < k->n ? k->done
                                                     : pii_anchors_next(&k->anchors, k->done);

        if (anchor == PII_NONE)
            return false;
        k->goes_on = false;
        look_around(k, anchor);
    }
    h = &k->group.hit[k->given++];
    *out = (pl_text_finding){ .rule = k->group.config->rule[h->kind], .form = h->form,
                              .score = h->score, .start = k->base + h->start,
                              .end = k->base + h->end };
    return true;
}

void pl_pii_scan(const pl_pii_config *c, pl_str text, pl_text_emit_fn emit, void *ctx)
{
    pl_pii_cursor   k;
    pl_text_finding f;

    pl_pii_cursor_init(&k, c, text);
    while (pl_pii_cursor_next(&k, &f))
        if (emit(ctx, &f) != 0)
            return;
}
