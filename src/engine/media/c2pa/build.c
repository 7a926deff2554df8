#include "base/banned.h"

#include "base/hash.h"
#include "base/timefmt.h"
#include "engine/media/c2pa/build.h"
#include "engine/media/c2pa/c2pa_int.h"

#define CREATED_MAX 4 /* assertions of a manifest of ours */

/* Numbers of the first pass: as long as any that may take their place. */
#define PLACEHOLDER 0x7FFFFFFFFFFFFFFFULL

enum { PAD_MIN = 32 };

typedef struct made {
    char    label[32];
    uint8_t sum[32];
} made;

typedef struct build {
    const c2pa_draft   *d;
    const cose_signer  *s;
    const c2pa_binding *b; /* NULL: the first pass */
    pl_arena           *a;
    pl_buf              assertions; /* boxes, one after the other */
    made                made[CREATED_MAX];
    size_t              n;
    pl_buf              claim;
    size_t              even;   /* 1 more byte of padding, when the store were odd without    */
    const jumbf_box    *parent; /* superbox of the parent's store; NULL: none */
    pl_error           *err;
} build;

static void put_key(pl_buf *b, const char *key)
{
    pl_cbor_put_textz(b, key);
}

static void put_pair(pl_buf *b, const char *key, pl_str value)
{
    put_key(b, key);
    pl_cbor_put_text(b, value);
}

static void put_pairz(pl_buf *b, const char *key, const char *value)
{
    put_pair(b, key, pl_str_z(value));
}

/* A hashed URI map: { url, hash }. */
static void put_uri(pl_buf *b, const char *prefix, pl_str rest, const uint8_t sum[32])
{
    pl_buf url = PL_BUF_INIT(1024);

    pl_buf_puts(&url, prefix);
    pl_buf_put(&url, rest);
    pl_cbor_put_map(b, 2);
    put_pair(b, "url", pl_buf_str(&url));
    put_key(b, "hash");
    pl_cbor_put_bytes(b, (pl_str){ (const char *)sum, 32 });
    pl_buf_done(&url);
}

static const char *const in_assertions = "self#jumbf=c2pa.assertions/";

/* --- assertions ----------------------------------------------------------------------------- */

static void assertion_add(build *b, const char *label, const pl_buf *content)
{
    size_t from = pl_jumbf_super_begin(&b->assertions, "cbor", pl_str_z(label));
    size_t box = pl_jumbf_box_begin(&b->assertions, JUMBF_CBOR);
    made  *m = &b->made[b->n++];

    pl_buf_put(&b->assertions, pl_buf_str(content));
    pl_jumbf_end(&b->assertions, box);
    pl_jumbf_end(&b->assertions, from);
    (void)snprintf(m->label, sizeof m->label, "%s", label);
    if (!b->assertions.failed)
        pl_sha256_of((pl_str){ b->assertions.p + from + 8, b->assertions.n - from - 8 }, m->sum);
}

static const c2pa_code *code_at(const c2pa_report *r, c2pa_level level, size_t *i)
{
    for (; *i < r->codes_n; (*i)++)
        if (r->codes[*i].level == level && r->codes[*i].manifest == 0)
            return &r->codes[(*i)++];
    return NULL;
}

static void put_codes(pl_buf *b, const char *key, const c2pa_report *r, c2pa_level level)
{
    const c2pa_code *k;
    size_t           n = 0, i = 0;

    while (code_at(r, level, &i))
        n++;
    put_key(b, key);
    pl_cbor_put_array(b, n);
    for (i = 0; (k = code_at(r, level, &i)) != NULL;) {
        pl_cbor_put_map(b, k->url.n > 0 ? 2 : 1);
        if (k->url.n > 0)
            put_pair(b, "url", k->url);
        put_pairz(b, "code", k->code);
    }
}

/* What was found when the parent was taken in (C2PA 2.x 10.3.3). */
static void put_results(pl_buf *b, const c2pa_report *r)
{
    put_key(b, "validationResults");
    pl_cbor_put_map(b, 1);
    put_key(b, "activeManifest");
    pl_cbor_put_map(b, 3);
    put_codes(b, "failure", r, C2PA_FAILURE);
    put_codes(b, "success", r, C2PA_SUCCESS);
    put_codes(b, "informational", r, C2PA_NOTE);
}

static const jumbf_box *active_of(const build *b)
{
    const jumbf_box *store = b->parent;

    for (size_t i = store ? store->n : 0; i-- > 0;) {
        const jumbf_box *box = &store->items[i];
        jumbf_box       *inner;
        if (pl_jumbf_is(box, "c2ma") || pl_jumbf_is(box, "c2um"))
            return box;
        if (!pl_jumbf_is(box, "c2cm"))
            continue;
        inner = pl_arena_alloc(b->a, sizeof *inner);
        return inner && pl_c2pa_uncompress(box, b->a, inner, NULL) == PL_OK ? inner : NULL;
    }
    return NULL;
}

static void put_box_uri(pl_buf *b, const jumbf_box *manifest, const char *rest, const jumbf_box *box)
{
    pl_buf  url = PL_BUF_INIT(1024);
    uint8_t sum[32];

    pl_buf_put(&url, manifest->label);
    pl_buf_puts(&url, rest);
    pl_sha256_of(box->payload, sum);
    put_uri(b, "self#jumbf=/c2pa/", pl_buf_str(&url), sum);
    pl_buf_done(&url);
}

static pl_rc parent_add(build *b)
{
    pl_buf           c = PL_BUF_INIT(4u << 20);
    const jumbf_box *active = active_of(b);
    const jumbf_box *sign = pl_jumbf_child(active, PL_STR("c2pa.signature"));
    const c2pa_draft *d = b->d;

    if (b->parent && (!active || !sign || !d->parent_report))
        return pl_fail(b->err, PL_INVALID, "the manifest that is there cannot be read");
    pl_cbor_put_map(&c, (active ? 3 : 0) + (d->parent_title.n > 0 ? 1 : 0) + 2);
    if (d->parent_title.n > 0)
        put_pair(&c, "dc:title", d->parent_title);
    put_pair(&c, "dc:format", d->parent_format);
    put_pairz(&c, "relationship", "parentOf");
    if (active) {
        put_key(&c, "activeManifest");
        put_box_uri(&c, active, "", active);
        put_key(&c, "claimSignature");
        put_box_uri(&c, active, "/c2pa.signature", sign);
        put_results(&c, d->parent_report);
    }
    assertion_add(b, "c2pa.ingredient.v3", &c);
    pl_buf_done(&c);
    return PL_OK;
}

static void put_agent(build *b, pl_buf *c)
{
    put_key(c, "softwareAgent");
    pl_cbor_put_map(c, 1);
    put_pair(c, "name", b->d->agent.n > 0 ? b->d->agent : b->d->generator);
}

static void put_when(build *b, pl_buf *c)
{
    char when[25];

    pl_time_format(b->d->when_ms, when);
    put_key(c, "when");
    pl_cbor_put_tag(c, 0);
    pl_cbor_put_textz(c, when);
}

/* c2pa.created or c2pa.edited: { when, action, softwareAgent, digitalSourceType }. */
static void put_action(build *b, pl_buf *c, const char *name)
{
    pl_cbor_put_map(c, b->d->source_type.n > 0 ? 4 : 3);
    put_when(b, c);
    put_pairz(c, "action", name);
    put_agent(b, c);
    if (b->d->source_type.n > 0)
        put_pair(c, "digitalSourceType", b->d->source_type);
}

static void put_opened(build *b, pl_buf *c)
{
    pl_cbor_put_map(c, 3);
    put_when(b, c);
    put_pairz(c, "action", "c2pa.opened");
    put_key(c, "parameters");
    pl_cbor_put_map(c, 1);
    put_key(c, "ingredients");
    pl_cbor_put_array(c, 1);
    put_uri(c, in_assertions, pl_str_z(b->made[0].label), b->made[0].sum);
}

static void actions_add(build *b)
{
    pl_buf c = PL_BUF_INIT(64u << 10);

    pl_cbor_put_map(&c, 1);
    put_key(&c, "actions");
    if (b->d->origin == C2PA_CREATED) {
        pl_cbor_put_array(&c, 1);
        put_action(b, &c, "c2pa.created");
    } else {
        pl_cbor_put_array(&c, 2);
        put_opened(b, &c);
        put_action(b, &c, "c2pa.edited");
    }
    assertion_add(b, "c2pa.actions.v2", &c);
    pl_buf_done(&c);
}

/* --- the hard binding ------------------------------------------------------------------------ */

static bool is_bmff(pl_media_format f)
{
    return f == PL_MEDIA_MP4 || f == PL_MEDIA_MOV || f == PL_MEDIA_M4A || f == PL_MEDIA_HEIC ||
           f == PL_MEDIA_AVIF;
}

/* The list every writer uses: the store's box by its UUID, and boxes that players may rewrite
 * (C2PA 2.x 18.6.2). */
static void put_exclusions(pl_buf *c)
{
    static const char *const paths[] = { "/ftyp", "/mfra", "/free", "/skip" };

    pl_cbor_put_array(c, 5);
    pl_cbor_put_map(c, 2);
    put_key(c, "data");
    pl_cbor_put_array(c, 1);
    pl_cbor_put_map(c, 2);
    put_key(c, "value");
    pl_cbor_put_bytes(c, (pl_str){ C2PA_BOX_UUID, 16 });
    put_key(c, "offset");
    pl_cbor_put_int(c, 8);
    put_pairz(c, "xpath", "/uuid");
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        pl_cbor_put_map(c, 1);
        put_pairz(c, "xpath", paths[i]);
    }
}

static const uint8_t no_sum[32];

static void bmff_add(build *b)
{
    pl_buf c = PL_BUF_INIT(4096);

    pl_cbor_put_map(&c, 4);
    put_pairz(&c, "alg", "sha256");
    put_key(&c, "hash");
    pl_cbor_put_bytes(&c, (pl_str){ (const char *)(b->b ? b->b->sum : no_sum), 32 });
    put_pairz(&c, "name", "bmff manifest");
    put_key(&c, "exclusions");
    put_exclusions(&c);
    assertion_add(b, "c2pa.hash.bmff.v3", &c);
    pl_buf_done(&c);
}

static size_t int_size(uint64_t v)
{
    return v < 24 ? 1 : v <= 0xFF ? 2 : v <= 0xFFFF ? 3 : v <= 0xFFFFFFFF ? 5 : 9;
}

/* The numbers take fewer bytes than those of the first pass; the padding takes the rest. */
static void data_add(build *b)
{
    static const char zeros[PAD_MIN + 17];
    pl_buf   c = PL_BUF_INIT(4096);
    uint64_t start = b->b ? b->b->store.at : PLACEHOLDER, n = b->b ? b->b->store.n : PLACEHOLDER;

    pl_cbor_put_map(&c, 5);
    put_pairz(&c, "alg", "sha256");
    put_key(&c, "pad");
    pl_cbor_put_bytes(&c, (pl_str){ zeros, PAD_MIN + b->even + (9 - int_size(start)) + (9 - int_size(n)) });
    put_key(&c, "hash");
    pl_cbor_put_bytes(&c, (pl_str){ (const char *)(b->b ? b->b->sum : no_sum), 32 });
    put_pairz(&c, "name", "jumbf manifest");
    put_key(&c, "exclusions");
    pl_cbor_put_array(&c, 1);
    pl_cbor_put_map(&c, 2);
    put_key(&c, "start");
    pl_cbor_put_int(&c, (int64_t)start);
    put_key(&c, "length");
    pl_cbor_put_int(&c, (int64_t)n);
    assertion_add(b, "c2pa.hash.data", &c);
    pl_buf_done(&c);
}

pl_rc pl_c2pa_bind(const c2pa_draft *d, const pl_media_io *file, pl_media_range store,
                   c2pa_binding *out, pl_error *err)
{
    c2pa_asset       asset = { file, d->format, &store, 1 };
    const cbor_item *rules = NULL;
    uint64_t         beside = 0;
    pl_buf           c = PL_BUF_INIT(4096);
    pl_arena        *a = pl_arena_new(1u << 20);
    uint8_t          sum[C2PA_DIGEST_MAX];
    pl_rc            rc = a ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc == PL_OK && is_bmff(d->format)) {
        put_exclusions(&c);
        rc = pl_cbor_parse(pl_buf_str(&c), a, &rules, err);
        if (rc == PL_OK)
            rc = pl_c2pa_bmff_digest(&asset, rules, PL_STR("sha256"), BMFF_OFFSETS, sum, &beside, err);
    } else if (rc == PL_OK) {
        rc = pl_c2pa_data_digest(file, &store, 1, PL_STR("sha256"), sum, err);
    }
    if (rc == PL_OK) {
        out->store = store;
        memcpy(out->sum, sum, 32);
    }
    pl_buf_done(&c);
    pl_arena_free(a);
    return rc;
}

/* --- claim and signature ---------------------------------------------------------------------- */

static void claim_make(build *b)
{
    const c2pa_draft *d = b->d;
    pl_buf           *c = &b->claim;
    pl_buf            url = PL_BUF_INIT(1024);

    pl_cbor_put_map(c, d->title.n > 0 ? 6 : 5);
    put_pairz(c, "alg", "sha256");
    if (d->title.n > 0)
        put_pair(c, "dc:title", d->title);
    pl_buf_puts(&url, "self#jumbf=/c2pa/");
    pl_buf_put(&url, d->manifest);
    pl_buf_puts(&url, "/c2pa.signature");
    put_pair(c, "signature", pl_buf_str(&url));
    put_pair(c, "instanceID", d->instance_id);
    put_key(c, "created_assertions");
    pl_cbor_put_array(c, b->n);
    for (size_t i = 0; i < b->n; i++)
        put_uri(c, in_assertions, pl_str_z(b->made[i].label), b->made[i].sum);
    put_key(c, "claim_generator_info");
    pl_cbor_put_map(c, 2);
    put_pair(c, "name", d->generator);
    put_pair(c, "version", d->version);
    pl_buf_done(&url);
}

/* The bare token of an answer: what sigTst2 holds. A token passes as it is. */
static pl_str token_of(pl_str der)
{
    size_t at, n;

    /* SEQUENCE { SEQUENCE status, token }: skip both heads and the status. */
    if (der.n < 8 || der.p[0] != 0x30)
        return der;
    at = (uint8_t)der.p[1] & 0x80 ? 2 + ((size_t)der.p[1] & 0x7F) : 2;
    if (at + 2 > der.n || der.p[at] != 0x30 || ((uint8_t)der.p[at + 1] & 0x80))
        return der;
    n = (uint8_t)der.p[at + 1];
    at += 2 + n;
    return at < der.n ? (pl_str){ der.p + at, der.n - at } : der;
}

static pl_rc stamp_get(build *b, const c2pa_stamper *st, pl_str protected_bytes, pl_str sig,
                       pl_buf *out)
{
    pl_buf wrapped = PL_BUF_INIT(2 * COSE_SIG_MAX), message = PL_BUF_INIT(1u << 20);
    pl_rc  rc;

    pl_cbor_put_bytes(&wrapped, sig);
    pl_cose_to_be_signed(&message, "CounterSignature", protected_bytes, pl_buf_str(&wrapped));
    rc = pl_buf_check(&message, b->err);
    if (rc == PL_OK)
        rc = st->stamp(st->ctx, pl_buf_str(&message), out, b->err);
    pl_buf_done(&message);
    pl_buf_done(&wrapped);
    return rc;
}

/* Unprotected header with a time stamp, filled up to the room kept for it. */
static pl_rc put_stamp(build *b, pl_buf *c, pl_str token)
{
    size_t from, used, pad;
    pl_buf rest = PL_BUF_INIT(2 * C2PA_STAMP_ROOM);
    pl_rc  rc = PL_OK;

    put_key(&rest, "sigTst2");
    pl_cbor_put_map(&rest, 1);
    put_key(&rest, "tstTokens");
    pl_cbor_put_array(&rest, 1);
    pl_cbor_put_map(&rest, 1);
    put_key(&rest, "val");
    pl_cbor_put_bytes(&rest, token);
    from = c->n;
    pl_cbor_put_map(c, 2);
    put_key(c, "pad");
    used = c->n - from + rest.n + 3; /* three bytes of head: the padding is 256 to 65535 long */
    if (rest.failed || used + 256 > C2PA_STAMP_ROOM)
        rc = pl_fail(b->err, PL_LIMIT, "the time stamp is larger than %d bytes", C2PA_STAMP_ROOM - 320);
    pad = rc == PL_OK ? C2PA_STAMP_ROOM - used : 0;
    pl_cbor_put_bytes_head(c, pad);
    for (size_t i = 0; i < pad; i++)
        pl_buf_putc(c, '\0');
    pl_buf_put(c, pl_buf_str(&rest));
    pl_buf_done(&rest);
    return rc;
}

static pl_rc header_make(build *b, const c2pa_stamper *st, pl_str protected_bytes, pl_str sig,
                         pl_buf *c)
{
    pl_buf answer = PL_BUF_INIT(1u << 20);
    pl_rc  rc = PL_OK;

    if (!b->d->has_stamp) {
        pl_cbor_put_map(c, 0);
    } else {
        if (b->b)
            rc = stamp_get(b, st, protected_bytes, sig, &answer);
        if (rc == PL_OK)
            rc = put_stamp(b, c, token_of(pl_buf_str(&answer)));
    }
    pl_buf_done(&answer);
    return rc;
}

static pl_rc signature_make(build *b, const c2pa_stamper *st, pl_buf *c)
{
    uint8_t sig[COSE_SIG_MAX] = { 0 };
    pl_buf  head = PL_BUF_INIT(1u << 20), message = PL_BUF_INIT(8u << 20);
    pl_rc   rc;

    pl_cose_protected(&head, b->s);
    pl_cose_to_be_signed(&message, "Signature1", pl_buf_str(&head), pl_buf_str(&b->claim));
    rc = pl_buf_check(&message, b->err);
    if (rc == PL_OK && b->b)
        rc = b->s->sign(b->s->ctx, pl_buf_str(&message), sig, b->err);
    pl_cbor_put_tag(c, 18);
    pl_cbor_put_array(c, 4);
    pl_cbor_put_bytes(c, pl_buf_str(&head));
    if (rc == PL_OK)
        rc = header_make(b, st, pl_buf_str(&head), (pl_str){ (const char *)sig, b->s->sig_n }, c);
    pl_cbor_put_null(c);
    pl_cbor_put_bytes(c, (pl_str){ (const char *)sig, b->s->sig_n });
    pl_buf_done(&message);
    pl_buf_done(&head);
    return rc;
}

/* --- the store ---------------------------------------------------------------------------------- */

static void put_cbor_super(pl_buf *out, const char code[4], const char *label, pl_str content)
{
    size_t from = pl_jumbf_super_begin(out, code, pl_str_z(label));
    size_t box = pl_jumbf_box_begin(out, JUMBF_CBOR);

    pl_buf_put(out, content);
    pl_jumbf_end(out, box);
    pl_jumbf_end(out, from);
}

static void put_parents(const build *b, pl_buf *out)
{
    for (size_t i = 0; b->parent && i < b->parent->n; i++) {
        size_t from = pl_jumbf_box_begin(out, b->parent->items[i].type);

        pl_buf_put(out, b->parent->items[i].payload);
        pl_jumbf_end(out, from);
    }
}

static void put_manifest(const build *b, pl_str signature, pl_buf *out)
{
    size_t manifest = pl_jumbf_super_begin(out, "c2ma", b->d->manifest);
    size_t store = pl_jumbf_super_begin(out, "c2as", PL_STR("c2pa.assertions"));

    pl_buf_put(out, pl_buf_str(&b->assertions));
    pl_jumbf_end(out, store);
    put_cbor_super(out, "c2cl", "c2pa.claim.v2", pl_buf_str(&b->claim));
    put_cbor_super(out, "c2cs", "c2pa.signature", signature);
    pl_jumbf_end(out, manifest);
}

static pl_rc parent_read(build *b)
{
    if (b->d->parent_store.n == 0)
        return PL_OK;
    return pl_jumbf_parse(b->d->parent_store, b->a, &b->parent, b->err);
}

static pl_rc draft_check(const build *b)
{
    const c2pa_draft *d = b->d;

    if (d->manifest.n == 0 || d->instance_id.n == 0 || d->generator.n == 0)
        return pl_fail(b->err, PL_INVALID, "a manifest needs ids and a generator");
    if (d->origin == C2PA_CREATED && (d->parent_store.n > 0 || d->source_type.n == 0))
        return pl_fail(b->err, PL_INVALID,
                       d->parent_store.n > 0 ? "a file with a manifest was not created here"
                                             : "a created file needs a digital source type");
    return PL_OK;
}

static pl_rc store_make(build *b, const c2pa_stamper *st, pl_buf *out)
{
    pl_buf sign = PL_BUF_INIT(1u << 20);
    size_t from;
    pl_rc  rc = draft_check(b);

    if (rc == PL_OK)
        rc = parent_read(b);
    if (rc == PL_OK && b->d->origin == C2PA_EDITED)
        rc = parent_add(b);
    if (rc != PL_OK)
        return rc;
    actions_add(b);
    if (is_bmff(b->d->format))
        bmff_add(b);
    else
        data_add(b);
    claim_make(b);
    rc = pl_buf_check(&b->assertions, b->err);
    if (rc == PL_OK)
        rc = pl_buf_check(&b->claim, b->err);
    if (rc == PL_OK)
        rc = signature_make(b, st, &sign);
    from = pl_jumbf_super_begin(out, "c2pa", PL_STR("c2pa"));
    put_parents(b, out);
    put_manifest(b, pl_buf_str(&sign), out);
    pl_jumbf_end(out, from);
    pl_buf_done(&sign);
    return rc == PL_OK ? pl_buf_check(out, b->err) : rc;
}

static pl_rc run(const c2pa_draft *d, const cose_signer *s, const c2pa_binding *binding, size_t even,
                 const c2pa_stamper *st, pl_buf *out, pl_error *err)
{
    build b = { .d = d, .s = s, .b = binding, .a = pl_arena_new(64u << 20), .even = even, .err = err };
    pl_rc rc;

    b.assertions = PL_BUF_INIT(8u << 20);
    b.claim = PL_BUF_INIT(1u << 20);
    rc = b.a ? store_make(&b, st, out) : pl_fail(err, PL_NOMEM, "out of memory");
    pl_buf_done(&b.claim);
    pl_buf_done(&b.assertions);
    pl_arena_free(b.a);
    return rc;
}

/* Stores of an even length: containers that pad chunks then need not, and what is excluded is the
 * chunk alone. */
pl_rc pl_c2pa_draft_size(const c2pa_draft *d, const cose_signer *s, size_t *n, pl_error *err)
{
    pl_buf out = PL_BUF_INIT(JUMBF_STORE_MAX);
    pl_rc  rc = run(d, s, NULL, 0, NULL, &out, err);

    if (rc == PL_OK)
        *n = out.n + (is_bmff(d->format) ? 0 : out.n % 2);
    pl_buf_done(&out);
    return rc;
}

pl_rc pl_c2pa_sign(const c2pa_draft *d, const cose_signer *s, const c2pa_binding *b,
                   const c2pa_stamper *stamper, pl_buf *out, pl_error *err)
{
    pl_buf dry = PL_BUF_INIT(JUMBF_STORE_MAX);
    pl_rc  rc = run(d, s, NULL, 0, NULL, &dry, err);
    size_t even = dry.n % 2;

    pl_buf_done(&dry);
    return rc == PL_OK ? run(d, s, b, even, stamper, out, err) : rc;
}
