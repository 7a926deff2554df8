#include "base/banned.h"

#include "base/hash.h"
#include "base/str.h"
#include "cap/label/issue.h"
#include "cap/label/label_box.h"
#include "cap/label/visible_int.h"

#define MASK_SIDE_MAX 8192

enum { ASK_SIGN = 'S', ASK_STAMP = 'T', ASK_DRAW = 'D' };

static void put_u32(pl_buf *b, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        pl_buf_putc(b, (char)(v >> (8 * i)));
}

static uint32_t get_u32(const char *p)
{
    const uint8_t *u = (const uint8_t *)p;

    return (uint32_t)u[0] | (uint32_t)u[1] << 8 | (uint32_t)u[2] << 16 | (uint32_t)u[3] << 24;
}

/* --- asking, in the box --------------------------------------------------------------------------- */

typedef struct ask_signer {
    label_ask *ask;
    size_t     sig_n;
} ask_signer;

static pl_rc ask_sign(void *ctx, pl_str message, uint8_t *sig, pl_error *err)
{
    const ask_signer *a = ctx;
    pl_buf            b = PL_BUF_INIT(COSE_SIG_MAX);
    pl_rc             rc = label_worker_ask(a->ask, ASK_SIGN, message, &b, err);

    if (rc == PL_OK && b.n != a->sig_n)
        rc = pl_fail(err, PL_IO, "a signature of %zu bytes", b.n);
    if (rc == PL_OK)
        memcpy(sig, b.p, b.n);
    pl_buf_done(&b);
    return rc;
}

static pl_rc ask_stamp(void *ctx, pl_str message, pl_buf *out, pl_error *err)
{
    return label_worker_ask(ctx, ASK_STAMP, message, out, err);
}

static pl_rc ask_draw(void *ctx, pl_str wording, int glyph_h, int max_w, int max_h, visible_mask *out, pl_error *err)
{
    pl_buf q = PL_BUF_INIT(4096), b = PL_BUF_INIT(2u * MASK_SIDE_MAX * MASK_SIDE_MAX);
    size_t n = 0;
    pl_rc  rc;

    put_u32(&q, (uint32_t)glyph_h);
    put_u32(&q, (uint32_t)max_w);
    put_u32(&q, (uint32_t)max_h);
    pl_buf_put(&q, wording);
    rc = pl_buf_check(&q, err);
    if (rc == PL_OK)
        rc = label_worker_ask(ctx, ASK_DRAW, pl_buf_str(&q), &b, err);
    if (rc == PL_OK && b.n > 12)
        n = (size_t)get_u32(b.p) * get_u32(b.p + 4);
    if (rc == PL_OK && (b.n <= 12 || b.n - 12 != 2 * n))
        rc = pl_fail(err, PL_IO, "a drawing that is none");
    if (rc == PL_OK) {
        *out = (visible_mask){ (int)get_u32(b.p), (int)get_u32(b.p + 4), (int)get_u32(b.p + 8), malloc(n), malloc(n) };
        if (!out->glyph || !out->outline) {
            pl_visible_mask_done(out);
            rc = pl_fail(err, PL_NOMEM, "out of memory");
        } else {
            memcpy(out->glyph, b.p + 12, n);
            memcpy(out->outline, b.p + 12 + n, n);
        }
    }
    pl_buf_done(&b);
    pl_buf_done(&q);
    return rc;
}

/* --- jobs, in the box ------------------------------------------------------------------------------ */

static const char *text(const json_t *o, const char *name)
{
    return json_string_value(json_object_get(o, name));
}

static pl_rc job_inspect(const label_traces *traces, const json_t *job, pl_str file, json_t **reply, pl_error *err)
{
    label_inspect_how how = { .quick = json_is_true(json_object_get(job, "quick")),
                              .declared = json_is_true(json_object_get(job, "declared")), .traces = traces,
                              .now_ms = json_integer_value(json_object_get(job, "now_ms")) };
    pl_media_io       io = pl_media_io_of(&file);
    label_inspection  i;
    pl_rc             rc = label_inspect(&io, text(job, "name"), &how, &i, err);

    if (rc != PL_OK)
        return rc;
    if (i.format == PL_MEDIA_UNKNOWN)
        rc = pl_fail(err, PL_INVALID, "the file is of no format that is read");
    else
        *reply = label_inspection_json(&i, text(job, "name"));
    label_inspection_done(&i);
    return rc == PL_OK && !*reply ? pl_fail(err, PL_NOMEM, "out of memory") : rc;
}

/* Everything a signature of a job points into. */
typedef struct signing {
    ask_signer        signer;
    c2pa_stamper      stamper;
    char              der[COSE_CHAIN_MAX][8192];
    pl_sign_identity *id;
    pl_sign_how       how;
} signing;

static pl_rc chain_read(const json_t *list, signing *s, cose_signer *out, pl_error *err)
{
    const json_t *v;
    size_t        i;
    pl_rc         rc = PL_OK;

    if (json_array_size(list) > COSE_CHAIN_MAX)
        return pl_fail(err, PL_INVALID, "a chain that is too long");
    json_array_foreach((json_t *)(uintptr_t)list, i, v) {
        size_t n = 0;
        if (rc == PL_OK)
            rc = pl_base64_decode(pl_str_z(json_string_value(v)), s->der[i], sizeof s->der[i], &n, err);
        out->chain[i] = (pl_str){ s->der[i], n };
    }
    out->chain_n = i;
    return rc;
}

static pl_rc signing_make(const json_t *job, label_ask *ask, signing *s, pl_error *err)
{
    const json_t *c = json_object_get(job, "c2pa");
    cose_signer   cs = { .alg = json_integer_value(json_object_get(c, "alg")),
                         .sig_n = (size_t)json_integer_value(json_object_get(c, "sig_n")), .ctx = &s->signer, .sign = ask_sign };
    pl_rc         rc = cs.sig_n > 0 && cs.sig_n <= COSE_SIG_MAX ? chain_read(json_object_get(c, "chain"), s, &cs, err)
                                                                : pl_fail(err, PL_INVALID, "a signature of that size");

    s->signer = (ask_signer){ ask, cs.sig_n };
    s->stamper = (c2pa_stamper){ ask, ask_stamp };
    if (rc == PL_OK)
        rc = pl_sign_identity_elsewhere(&cs, &s->id, err);
    s->how = (pl_sign_how){ .id = s->id, .source_type = text(c, "source_type"), .title = pl_str_z(text(job, "name")),
                            .is_edited = json_is_true(json_object_get(c, "edited")), .stamper = &s->stamper,
                            .tsa = json_is_true(json_object_get(c, "has_stamp")) ? "" : NULL,
                            .now_ms = json_integer_value(json_object_get(job, "now_ms")) };
    return rc;
}

static pl_rc style_make(const json_t *job, const pl_visible_fonts *fonts, label_order *o, pl_visible_style *style, pl_error *err)
{
    const json_t    *e = json_object_get(job, "explicit");
    pl_visible_where where;
    pl_rc            rc = pl_visible_where_parse(text(e, "position"), &where, err);

    *style = (pl_visible_style){ .wording = pl_str_z(text(e, "text")), .percent = json_number_value(json_object_get(e, "size")),
                                 .place = where.corner, .sound = where.sound, .fonts = fonts };
    o->visible = style;
    o->notice = where.notice;
    return rc == PL_OK ? pl_visible_style_check(style, err) : rc;
}

static pl_rc label_do(const json_t *job, pl_str file, const label_order *o, json_t **reply, pl_buf *out, pl_error *err)
{
    label_outcome r;
    uint8_t       digest[32];
    char          hex[65];
    pl_rc         rc = label_issue_bytes(file, text(job, "name"), o, out, &r, err);

    if (rc != PL_OK)
        return rc;
    pl_sha256_of(pl_buf_str(out), digest);
    pl_hex(digest, sizeof digest, hex);
    *reply = json_pack("{s:s, s:o}", "format", pl_media_format_name(r.format), "statement",
                       label_statement(o, &r, hex, json_integer_value(json_object_get(job, "now_ms"))));
    label_outcome_done(&r);
    return *reply ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");
}

static pl_rc job_label(label_ask *ask, const json_t *job, pl_str file, json_t **reply, pl_buf *out, pl_error *err)
{
    pl_visible_fonts fonts = { ask, ask_draw };
    pl_visible_style style;
    label_order      o = { .producer = pl_str_z(text(job, "producer")), .content_id = pl_str_z(text(job, "content_id")),
                           .state = (int)json_integer_value(json_object_get(job, "state")),
                           .flags = (unsigned)json_integer_value(json_object_get(job, "flags")) };
    signing         *s = json_object_get(job, "c2pa") ? calloc(1, sizeof *s) : NULL;
    pl_rc            rc = json_object_get(job, "explicit") ? style_make(job, &fonts, &o, &style, err) : PL_OK;

    if (rc == PL_OK && s) {
        rc = signing_make(job, ask, s, err);
        o.sign = &s->how;
        o.source_type = s->how.source_type;
    } else if (rc == PL_OK && json_object_get(job, "c2pa")) {
        rc = pl_fail(err, PL_NOMEM, "out of memory");
    }
    if (rc == PL_OK)
        rc = label_do(job, file, &o, reply, out, err);
    if (s)
        pl_sign_identity_free(s->id);
    free(s);
    return rc;
}

pl_rc label_box_job(void *ctx, label_ask *ask, const json_t *job, pl_str file, json_t **reply, pl_buf *out,
                    pl_error *err)
{
    const char *op = text(job, "op");

    return op && strcmp(op, "label") == 0 ? job_label(ask, job, file, reply, out, err)
                                          : job_inspect(*(label_traces *const *)ctx, job, file, reply, err);
}

json_t *label_box_signer(const cose_signer *s, const char *source_type, bool is_edited, bool has_stamp)
{
    json_t *o = json_pack("{s:I, s:I, s:[], s:s*, s:b, s:b}", "alg", (json_int_t)s->alg, "sig_n", (json_int_t)s->sig_n,
                          "chain", "source_type", source_type, "edited", is_edited, "has_stamp", has_stamp);

    for (size_t i = 0; i < s->chain_n; i++) {
        pl_buf b = PL_BUF_INIT(16384);
        pl_buf_base64(&b, s->chain[i].p, s->chain[i].n);
        (void)json_array_append_new(json_object_get(o, "chain"), json_stringn(b.p, b.n));
        pl_buf_done(&b);
    }
    return o;
}

/* --- help, in the daemon ---------------------------------------------------------------------------- */

/* What is signed begins as every claim of this signer does: the key is for nothing else. */
static bool is_claim(const cose_signer *s, pl_str message)
{
    pl_buf head = PL_BUF_INIT(128u << 10), start = PL_BUF_INIT(128u << 10);
    bool   is;

    pl_cose_protected(&head, s);
    pl_cose_to_be_signed(&start, "Signature1", pl_buf_str(&head), (pl_str){ "", 0 });
    is = !start.failed && start.n > 1 && pl_str_starts(message, (pl_str){ start.p, start.n - 1 }); /* but the empty claim */
    pl_buf_done(&head);
    pl_buf_done(&start);
    return is;
}

static pl_rc help_sign(const pl_sign_how *how, pl_str message, pl_buf *answer, pl_error *err)
{
    const cose_signer *s = how->id ? pl_sign_identity_signer(how->id) : NULL;
    uint8_t            sig[COSE_SIG_MAX];
    pl_rc              rc;

    if (!s || !is_claim(s, message))
        return pl_fail(err, PL_DENIED, "this key signs claims of C2PA only");
    rc = s->sign(s->ctx, message, sig, err);
    if (rc == PL_OK)
        pl_buf_put(answer, (pl_str){ (const char *)sig, s->sig_n });
    return rc;
}

static pl_rc help_draw(pl_str q, pl_buf *answer, pl_error *err)
{
    visible_mask m = { 0 };
    pl_str       wording;
    int          limit[3];
    pl_rc        rc;

    if (q.n < 12)
        return pl_fail(err, PL_INVALID, "a question that is none");
    for (int i = 0; i < 3; i++) {
        uint32_t v = get_u32(q.p + 4 * i);
        limit[i] = v > MASK_SIDE_MAX ? MASK_SIDE_MAX : (int)v;
    }
    wording = (pl_str){ q.p + 12, q.n - 12 };
    rc = pl_visible_style_check(&(pl_visible_style){ .wording = wording }, err);
    if (rc == PL_OK)
        rc = pl_visible_render(wording, limit[0], limit[1], limit[2], &m, err);
    if (rc != PL_OK)
        return rc;
    put_u32(answer, (uint32_t)m.w);
    put_u32(answer, (uint32_t)m.h);
    put_u32(answer, (uint32_t)m.glyph_h);
    pl_buf_put(answer, (pl_str){ (char *)m.glyph, (size_t)m.w * (size_t)m.h });
    pl_buf_put(answer, (pl_str){ (char *)m.outline, (size_t)m.w * (size_t)m.h });
    pl_visible_mask_done(&m);
    return PL_OK;
}

pl_rc label_box_help(void *ctx, char what, pl_str question, pl_buf *answer, pl_error *err)
{
    const pl_sign_how *how = ctx;

    if (what == ASK_SIGN)
        return help_sign(how, question, answer, err);
    if (what == ASK_STAMP && how->id && how->tsa)
        return pl_sign_stamp(how, question, answer, err);
    if (what == ASK_DRAW)
        return help_draw(question, answer, err);
    return pl_fail(err, PL_INVALID, "a question that is none");
}
