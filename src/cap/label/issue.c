#include "base/banned.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/str.h"
#include "base/utf8.h"
#include "cap/label/in_place.h"
#include "cap/label/issue.h"
#include "cap/label/label_int.h"
#include "cap/label/shown.h"
#include "cap/label/sidecar.h"

#include <unistd.h>

#define KEPT_MAX 16384u /* bytes of a replaced label that a statement keeps */

void label_outcome_done(label_outcome *o)
{
    free(o->value);
    json_decref(o->replaced);
    *o = (label_outcome){ .format = PL_MEDIA_UNKNOWN };
}

/* --- the label itself ---------------------------------------------------------------------------- */

pl_rc label_order_check(const label_order *o, pl_error *err)
{
    const char *why;
    pl_aigc     l = { .present = (1u << PL_AIGC_MEMBERS) - 1 };

    if (o->producer.n == 0)
        return pl_fail(err, PL_INVALID, "the provider's code is missing: --producer CODE; codes are assigned, never invented");
    if (o->content_id.n == 0)
        return pl_fail(err, PL_INVALID, "the content number is missing: --content-id ID");
    if (!(o->flags & LABEL_ANY_NAME) && !pl_provider_code_check(o->producer, &why))
        return pl_fail(err, PL_INVALID, "'" PL_STR_FMT "' is no provider code (TC260-PG-20252A): %s; a name instead"
                                        " of a code wants --any-producer",
                       PL_STR_ARG(o->producer), why);
    for (int m = 0; m < PL_AIGC_MEMBERS; m++)
        l.m[m] = (pl_str){ "", 0 };
    l.m[PL_AIGC_LABEL] = (pl_str){ (char[]){ (char)o->state }, 1 };
    l.m[PL_AIGC_PRODUCER] = o->producer;
    l.m[PL_AIGC_PRODUCE_ID] = o->content_id;
    return pl_aigc_check(&l, err);
}

/* REQ: GB45438-2025/E  note 1: at first the propagation fields equal the producer's */
static pl_rc label_make(const label_order *o, pl_buf *out, pl_error *err)
{
    char    state[2] = { (char)o->state, '\0' };
    pl_buf  security = PL_BUF_INIT(PL_AIGC_RESERVED_MAX);
    pl_aigc l = { .present = (1u << PL_AIGC_MEMBERS) - 1 };
    pl_rc   rc = label_order_check(o, err);

    if (rc != PL_OK)
        return rc;
    for (int m = 0; m < PL_AIGC_MEMBERS; m++)
        l.m[m] = (pl_str){ "", 0 };
    l.m[PL_AIGC_LABEL] = pl_str_z(state);
    l.m[PL_AIGC_PRODUCER] = l.m[PL_AIGC_PROPAGATOR] = o->producer;
    l.m[PL_AIGC_PRODUCE_ID] = l.m[PL_AIGC_PROPAGATE_ID] = o->content_id;
    if (o->security) {
        pl_security_label s = { l.m[PL_AIGC_LABEL], o->producer, o->content_id };
        rc = pl_security_write(o->security, &s, &security, err);
        l.m[PL_AIGC_RESERVED1] = pl_buf_str(&security);
    }
    if (rc == PL_OK)
        rc = pl_aigc_check(&l, err);
    if (rc == PL_OK) {
        pl_aigc_format(&l, out);
        rc = pl_buf_check(out, err);
    }
    pl_buf_done(&security);
    return rc;
}

/* --- what was there ------------------------------------------------------------------------------- */

static bool in_force(const pl_media_item *it)
{
    return it->kind == PL_MEDIA_LABEL && !(it->flags & (PL_MEDIA_OUTSIDE | PL_MEDIA_OLDER));
}

static json_t *replaced_json(const pl_media_item *it)
{
    uint8_t digest[32];
    char    hex[65];
    json_t *o, *value = NULL;

    pl_sha256_of(it->value, digest);
    pl_hex(digest, sizeof digest, hex);
    o = json_pack("{s:s, s:s}", "carrier", it->carrier, "sha256", hex);
    if (it->value.n <= KEPT_MAX)
        value = json_stringn(it->value.p, it->value.n);
    if (value)
        (void)json_object_set_new(o, "value", value);
    return o;
}

static pl_rc look(const pl_media *m, unsigned flags, label_outcome *r, pl_error *err)
{
    r->format = pl_media_format_of(m);
    r->replaced = json_array();
    for (size_t i = 0; i < pl_media_items(m); i++) {
        const pl_media_item *it = pl_media_item_get(m, i);
        r->breaks_c2pa |= it->kind == PL_MEDIA_C2PA;
        if (!in_force(it))
            continue;
        if (!(flags & LABEL_REPLACE))
            return pl_fail(err, PL_CONFLICT, "the file carries a label already (%s); --replace puts the new one in its"
                                             " place and keeps the old one in the record",
                           it->carrier);
        (void)json_array_append_new(r->replaced, replaced_json(it));
    }
    return PL_OK;
}

/* --- reading back -------------------------------------------------------------------------------- */

typedef struct expected {
    const char *name, *carrier;
    pl_str      label;   /* n 0: none was written */
    int64_t     now_ms;  /* when it was signed, 0: it was not */
} expected;

/* The manifest holds and fits the file. */
static pl_rc verify_manifest(const expected *x, const pl_media *m, pl_arena *a, pl_error *err)
{
    c2pa_how           how = { .now_ms = x->now_ms };
    const c2pa_report *r = NULL;
    pl_rc              rc = pl_c2pa_check_media(m, 0, &how, a, &r, err);

    if (rc == PL_OK && r->integrity != C2PA_INTACT)
        rc = pl_fail(err, PL_INVALID, "the manifest could not be verified in the new file; nothing was written");
    return rc;
}

/* Exactly one label, where it was put, saying what it should. */
static pl_rc verify(void *ctx, const pl_media_io *io, pl_error *err)
{
    const expected *x = ctx;
    pl_arena       *a = pl_arena_new(x->now_ms ? 256u << 20 : 4u << 20);
    pl_media       *m = NULL;
    pl_aigc_report  want = { .n = 0 }, got;
    size_t          n = 0, wanted = x->label.n > 0 ? 1 : 0;
    bool            same = true;
    pl_rc           rc = a ? pl_media_scan(io, x->name, PL_MEDIA_QUICK, &m, err) : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc == PL_OK && x->now_ms)
        rc = verify_manifest(x, m, a, err);
    if (rc == PL_OK && wanted)
        rc = pl_aigc_read(x->label, a, &want, err);
    for (size_t i = 0; rc == PL_OK && i < pl_media_items(m); i++) {
        const pl_media_item *it = pl_media_item_get(m, i);
        if (!in_force(it) || !wanted)
            continue;
        n++;
        rc = pl_aigc_read(it->value, a, &got, err);
        for (int k = 0; rc == PL_OK && k < PL_AIGC_MEMBERS; k++)
            same &= pl_str_eq(want.label.m[k], got.label.m[k]) && strcmp(it->carrier, x->carrier) == 0;
    }
    if (rc == PL_OK && (n != wanted || !same || pl_media_state_of(m) != PL_MEDIA_WHOLE))
        rc = pl_fail(err, PL_INVALID, "the label could not be read back from the new file; nothing was written");
    pl_media_free(m);
    pl_arena_free(a);
    return rc;
}

static bool same_label(pl_str a, pl_str b)
{
    pl_arena      *arena = pl_arena_new(4u << 20);
    pl_aigc_report x, y;
    bool           same = arena && pl_aigc_read(a, arena, &x, NULL) == PL_OK && pl_aigc_read(b, arena, &y, NULL) == PL_OK;

    for (int k = 0; same && k < PL_AIGC_MEMBERS; k++)
        same = pl_str_eq(x.label.m[k], y.label.m[k]);
    pl_arena_free(arena);
    return same;
}

static bool is_done_beside(const char *out, const pl_media_io *io, pl_str label)
{
    label_sidecar s;
    bool          done;

    if (label_sidecar_read(out, io, &s, NULL) != PL_OK)
        return false;
    done = s.fit == LABEL_SIDECAR_FITS && same_label(s.label, label);
    label_sidecar_done(&s);
    return done;
}

/* An output of an earlier run that is complete. */
static bool is_done(const char *out, const char *name, pl_str label)
{
    media_file f;
    pl_media  *m = NULL;
    bool       done = false;
    size_t     n = 0;

    if (media_file_open(out, &f, NULL) != PL_OK)
        return false;
    if (pl_media_scan(&f.io, name, 0, &m, NULL) == PL_OK && pl_media_state_of(m) == PL_MEDIA_WHOLE)
        for (size_t i = 0; i < pl_media_items(m); i++) {
            const pl_media_item *it = pl_media_item_get(m, i);
            expected             x = { name, it->carrier, label, 0 };
            if (in_force(it) && n++ == 0)
                done = verify(&x, &f.io, NULL) == PL_OK;
        }
    pl_media_free(m);
    done = n == 0 ? is_done_beside(out, &f.io, label) : done && n == 1;
    media_file_close(&f);
    return done;
}

/* --- issuing --------------------------------------------------------------------------------------- */

typedef struct sink {
    const media_file *in;
    const char       *out;
    pl_buf           *bytes; /* instead of a file */
} sink;

static pl_rc write_bytes(const pl_media_plan *p, expected *x, pl_buf *out, pl_error *err)
{
    pl_media_io io = pl_media_plan_io(p);
    char       *all = malloc((size_t)io.size + 1);
    pl_rc       rc = all ? io.read(io.ctx, 0, all, (size_t)io.size, err) : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc == PL_OK)
        rc = verify(x, &io, err);
    if (rc == PL_OK) {
        pl_buf_put(out, (pl_str){ all, (size_t)io.size });
        rc = pl_buf_check(out, err);
    }
    free(all);
    return rc;
}

/* One file on its way: scanned, planned, perhaps signed over that plan. */
typedef struct making {
    pl_media      *m, *labelled, *original;
    pl_media_plan *plan, *signed_plan;
    bool           is_beside; /* the label stands beside the copy */
    media_file     planned; /* the labelled file, as if it were there already */
    pl_arena      *a;
} making;

static void making_done(making *k)
{
    pl_media_plan_free(k->signed_plan);
    pl_media_free(k->labelled);
    pl_media_free(k->original);
    pl_media_plan_free(k->plan);
    pl_media_free(k->m);
    pl_arena_free(k->a);
}

/* BMP and text have no place for a label: a copy, and the label beside it. */
static pl_rc plan_beside(making *k, const char *name, const label_order *o, label_outcome *r, pl_error *err)
{
    const char   *format = pl_media_format_name(pl_media_format_of(k->m));
    pl_media_edit copy = { .label = { NULL, 0 } };
    label_sidecar old;

    if (!(o->flags & LABEL_BESIDE))
        return pl_fail(err, PL_INVALID, "%s files have no place for a label; --sidecar puts one beside the copy", format);
    if (label_sidecar_read(name, NULL, &old, NULL) == PL_OK) {
        pl_media_item it = { .carrier = "sidecar", .value = old.label };
        bool          keeps = !(o->flags & LABEL_REPLACE);
        if (!keeps)
            (void)json_array_append_new(r->replaced, replaced_json(&it));
        label_sidecar_done(&old);
        if (keeps)
            return pl_fail(err, PL_CONFLICT, "a label stands beside the file already; --replace puts the new one in its place");
    }
    k->is_beside = true;
    return pl_media_plan_new(k->m, &copy, &k->plan, err);
}

static pl_rc plan_label(making *k, const media_file *in, const char *name, const label_order *o, pl_str label,
                        label_outcome *r, pl_error *err)
{
    const char   *source = o->source_type ? o->source_type : LABEL_TRAINED_SOURCE;
    pl_media_edit e = { .label = label, .source_type = o->flags & LABEL_IPTC ? source : NULL };
    pl_rc         rc = pl_media_scan(&in->io, name, PL_MEDIA_QUICK, &k->m, err);

    if (rc == PL_OK && pl_media_format_of(k->m) == PL_MEDIA_UNKNOWN)
        rc = pl_fail(err, PL_INVALID, "not supported yet: '%s' is of no format that can be labelled", name);
    if (rc == PL_OK)
        rc = look(k->m, label.n > 0 ? o->flags : o->flags | LABEL_REPLACE, r, err);
    if (rc == PL_OK && label.n == 0)
        (void)json_array_clear(r->replaced); /* what is there stays */
    if (rc == PL_OK)
        rc = pl_media_plan_new(k->m, &e, &k->plan, err);
    if (rc == PL_NOTFOUND && label.n > 0 && !o->sign)
        rc = plan_beside(k, name, o, r, err);
    return rc;
}

/* REQ: C2PA-2.2/10.3.2  signed last, over everything else that was added */
static pl_rc plan_signature(making *k, const media_file *in, const pl_media_io *original, const char *name,
                            const label_order *o, pl_error *err)
{
    pl_sign_how how = *o->sign;
    pl_rc       rc;

    k->planned = (media_file){ .fd = in->fd, .st = in->st, .is_virtual = true, .io = pl_media_plan_io(k->plan) };
    k->a = pl_arena_new(512u << 20);
    rc = k->a ? pl_media_scan(&k->planned.io, name, 0, &k->labelled, err) : pl_fail(err, PL_NOMEM, "out of memory");
    if (rc == PL_OK)
        rc = pl_media_scan(original, name, 0, &k->original, err);
    how.original = k->original;
    if (rc == PL_OK)
        rc = pl_sign_media(k->labelled, &how, k->a, &k->signed_plan, err);
    return rc;
}

/* The label first: a copy without one never stands there. */
static pl_rc write_beside(const sink *s, const pl_media_plan *p, const label_order *o, expected *x, pl_error *err)
{
    unsigned    flags = (o->flags & LABEL_SYNC ? MEDIA_WRITE_SYNC : 0u) | (o->flags & LABEL_FORCE ? MEDIA_WRITE_REPLACE : 0u);
    pl_media_io io = pl_media_plan_io(p);
    pl_str      label = x->label;
    pl_rc       rc = media_file_may_write(s->in, s->out, flags, err);

    if (rc == PL_OK)
        rc = label_sidecar_write(s->out, &io, label, (o->flags & LABEL_SYNC) != 0, err);
    if (rc == PL_OK && !is_done_beside(s->out, &io, label))
        rc = pl_fail(err, PL_INVALID, "the label beside '%s' could not be read back", s->out);
    x->label = (pl_str){ NULL, 0 };
    if (rc == PL_OK)
        rc = media_file_write(s->in, p, s->out, flags, verify, x, err);
    if (rc != PL_OK && access(s->out, F_OK) != 0)
        label_sidecar_remove(s->out);
    return rc;
}

/* The file that was opened for that; its label beside it where it has no place for one. */
static pl_rc write_in_place(const sink *s, const making *k, const label_order *o, expected *x, pl_error *err)
{
    const pl_media_plan *layer[] = { k->signed_plan, k->plan };
    media_file           f = *s->in;

    if (k->is_beside)
        return label_sidecar_write(s->out, &s->in->io, x->label, (o->flags & LABEL_SYNC) != 0, err);
    f.io.ctx = &f.fd;
    return label_in_place_write(&f, s->out, k->signed_plan ? layer : layer + 1, k->signed_plan ? 2 : 1, verify, x, err);
}

static pl_rc write_out(const sink *s, const making *k, const label_order *o, expected *x, pl_error *err)
{
    const pl_media_plan *p = k->signed_plan ? k->signed_plan : k->plan;

    if (o->flags & LABEL_DRY)
        return PL_OK;
    if (s->bytes)
        return write_bytes(p, x, s->bytes, err);
    if (o->flags & LABEL_IN_PLACE)
        return write_in_place(s, k, o, x, err);
    if (k->is_beside)
        return write_beside(s, p, o, x, err);
    return media_file_write(k->signed_plan ? &k->planned : s->in, p, s->out,
                            (o->flags & LABEL_SYNC ? MEDIA_WRITE_SYNC : 0u) | (o->flags & LABEL_FORCE ? MEDIA_WRITE_REPLACE : 0u),
                            verify, x, err);
}

static pl_rc put(const sink *s, const pl_media_io *original, const char *name, const label_order *o, pl_str label,
                 label_outcome *r, pl_error *err)
{
    making   k = { .m = NULL };
    expected x = { name, "", label, o->sign ? o->sign->now_ms : 0 };
    pl_rc    rc = plan_label(&k, s->in, name, o, label, r, err);

    if (rc == PL_OK && o->sign && !(o->flags & LABEL_DRY))
        rc = plan_signature(&k, s->in, original, name, o, err);
    if (rc == PL_NOTFOUND) { /* to a caller that means a file that is not there */
        rc = PL_INVALID;
        if (err)
            err->rc = rc;
    }
    if (rc == PL_OK) {
        x.carrier = k.is_beside ? "sidecar" : pl_media_plan_carrier(k.plan);
        r->carrier = label.n > 0 ? x.carrier : NULL;
        r->bytes = pl_media_plan_size(k.signed_plan ? k.signed_plan : k.plan);
        r->value = label.n > 0 ? pl_str_dup(label) : NULL;
        r->is_signed = o->sign != NULL;
        r->breaks_c2pa &= o->sign == NULL;
        rc = write_out(s, &k, o, &x, err);
    }
    making_done(&k);
    return rc;
}

static pl_rc issue(const sink *s, const char *path, const char *name, const label_order *o, label_outcome *r,
                   pl_error *err)
{
    pl_buf     label = PL_BUF_INIT(PL_AIGC_VALUE_MAX);
    shown_file shown = { .other = { .fd = -1 }, .folder = { .fd = -1 } };
    sink       to = *s;
    pl_rc      rc = o->producer.n > 0 ? label_make(o, &label, err) : PL_OK;

    if (rc == PL_OK && s->out && !(o->flags & LABEL_DRY))
        label_part_sweep(s->out);
    if (rc == PL_OK && s->out && label.n > 0 && (o->flags & LABEL_RESUME) &&
        is_done(s->out, name, pl_buf_str(&label))) {
        r->skipped = true;
        r->value = pl_str_dup(pl_buf_str(&label));
        rc = pl_media_detect(&s->in->io, name, &r->format, err);
        pl_buf_done(&label);
        return rc;
    }
    if (rc == PL_OK && o->visible && !(o->flags & LABEL_DRY)) {
        rc = shown_make(s->in, path, name, s->out, o, &shown, err);
        to.in = &shown.file;
        r->is_shown = true;
    }
    if (rc == PL_OK)
        rc = put(&to, &s->in->io, name, o, pl_buf_str(&label), r, err);
    shown_done(&shown);
    pl_buf_done(&label);
    return rc;
}

pl_rc label_issue(const char *in, const char *out, const label_order *o, label_outcome *r, pl_error *err)
{
    media_file f;
    sink       s = { &f, out, NULL };
    bool       recovered = false;
    pl_rc      rc;

    *r = (label_outcome){ .format = PL_MEDIA_UNKNOWN };
    if (o->flags & LABEL_IN_PLACE && o->visible)
        return pl_fail(err, PL_INVALID, "a label people see or hear changes the content: write a copy with -o");
    rc = o->flags & LABEL_IN_PLACE && !(o->flags & LABEL_DRY) ? label_in_place_open(in, &f, &recovered, err) : media_file_open(in, &f, err);
    if (rc != PL_OK)
        return rc;
    r->was_recovered = recovered;
    rc = issue(&s, in, in, o, r, err);
    media_file_close(&f);
    if (rc != PL_OK)
        label_outcome_done(r);
    return rc;
}

pl_rc label_issue_bytes(pl_str in, const char *name, const label_order *o, pl_buf *out, label_outcome *r, pl_error *err)
{
    media_file f = { .fd = -1, .io = pl_media_io_of(&in) };
    sink       s = { &f, NULL, out };
    pl_rc      rc;

    *r = (label_outcome){ .format = PL_MEDIA_UNKNOWN };
    rc = issue(&s, NULL, name, o, r, err);
    if (rc != PL_OK)
        label_outcome_done(r);
    return rc;
}

pl_rc label_issue_propagated(const char *in, const char *out, const label_inspection *i, pl_str platform, pl_str id,
                             unsigned flags, const pl_sign_how *sign, label_outcome *r, pl_error *err)
{
    int         state = strcmp(i->verdict, "generated") == 0 ? '1' : strcmp(i->verdict, "possible") == 0 ? '2' : '3';
    pl_buf      label = PL_BUF_INIT(PL_AIGC_VALUE_MAX);
    const char *why;
    media_file  f;
    sink        s = { &f, out, NULL };
    label_order o = { .flags = flags | LABEL_REPLACE, .sign = sign };
    pl_aigc     l;
    pl_rc       rc;

    *r = (label_outcome){ .format = PL_MEDIA_UNKNOWN };
    if (strcmp(i->verdict, "inconclusive") == 0)
        return pl_fail(err, PL_NOTFOUND, "nothing was found: there is no label to add");
    if (!(flags & LABEL_ANY_NAME) && !pl_provider_code_check(platform, &why))
        return pl_fail(err, PL_INVALID, "'" PL_STR_FMT "' is no provider code (TC260-PG-20252A): %s", PL_STR_ARG(platform), why);
    pl_aigc_propagate(i->strongest ? &i->strongest->aigc.label : NULL, state, platform, id, &l);
    pl_aigc_format(&l, &label);
    rc = pl_buf_check(&label, err);
    if (rc == PL_OK)
        rc = media_file_open(in, &f, err);
    if (rc == PL_OK) {
        rc = put(&s, &f.io, in, &o, pl_buf_str(&label), r, err);
        media_file_close(&f);
    }
    pl_buf_done(&label);
    if (rc != PL_OK)
        label_outcome_done(r);
    return rc;
}
