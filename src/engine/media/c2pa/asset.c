/* Manifest stores in the containers that carry them. */
#include "base/banned.h"

#include "engine/media/c2pa/build.h"
#include "engine/media/c2pa/c2pa_int.h"

/* The stores inside the file itself: not those in thumbnails or behind its end. */
static size_t stores_of(const pl_media *m, const pl_media_item **first)
{
    size_t n = 0;

    for (size_t i = 0; i < pl_media_items(m); i++) {
        const pl_media_item *it = pl_media_item_get(m, i);

        if (it->kind != PL_MEDIA_C2PA || it->flags & (PL_MEDIA_OUTSIDE | PL_MEDIA_OLDER))
            continue;
        *first = n == 0 ? it : *first;
        n++;
    }
    return n;
}

/* A store longer than what the scan keeps, or not loaded by a quick one, put together. */
static pl_rc load(const pl_media *m, const pl_media_item *it, pl_arena *a, pl_str *out, pl_error *err)
{
    const pl_media_io *io = pl_media_io_get(m);
    uint64_t           all = 0, at = 0;
    char              *p;

    for (size_t i = 0; i < it->parts_n; i++)
        all += it->parts[i].payload.n <= JUMBF_STORE_MAX ? it->parts[i].payload.n : JUMBF_STORE_MAX + 1;
    if (all > JUMBF_STORE_MAX || it->flags & (PL_MEDIA_CUT | PL_MEDIA_PACKED))
        return pl_fail(err, PL_LIMIT, "the manifest store is cut off or larger than %u bytes",
                       JUMBF_STORE_MAX);
    p = pl_arena_alloc(a, (size_t)all + 1);
    if (!p)
        return pl_fail(err, PL_LIMIT, "the manifest store is too large");
    for (size_t i = 0; i < it->parts_n; i++) {
        pl_media_range r = it->parts[i].payload;
        pl_rc          rc = r.n > 0 ? io->read(io->ctx, r.at, p + at, (size_t)r.n, err) : PL_OK;

        if (rc != PL_OK)
            return rc;
        at += r.n;
    }
    *out = (pl_str){ p, (size_t)all };
    return PL_OK;
}

pl_rc pl_c2pa_store_of(const pl_media *m, pl_arena *a, pl_str *store, pl_error *err)
{
    const pl_media_item *it = NULL;
    size_t               n = stores_of(m, &it);

    if (n == 0)
        return pl_fail(err, PL_NOTFOUND, "the file has no manifest store");
    if (n > 1)
        return pl_fail(err, PL_CONFLICT, "the file has %zu manifest stores", n);
    if (it->value.n > 0) {
        *store = it->value;
        return PL_OK;
    }
    return load(m, it, a, store, err);
}

static pl_rc frames_of(const pl_media *m, pl_arena *a, c2pa_asset *out, pl_error *err)
{
    const pl_media_item *it = NULL;
    pl_media_range      *r;

    (void)stores_of(m, &it);
    r = pl_arena_alloc(a, (it->parts_n + 1) * sizeof *r);
    if (!r)
        return pl_fail(err, PL_NOMEM, "out of memory");
    for (size_t i = 0; i < it->parts_n; i++)
        r[i] = it->parts[i].frame;
    *out = (c2pa_asset){ pl_media_io_get(m), pl_media_format_of(m), r, it->parts_n };
    return PL_OK;
}

pl_rc pl_c2pa_check_media(const pl_media *m, unsigned flags, const c2pa_how *how, pl_arena *a,
                          const c2pa_report **out, pl_error *err)
{
    c2pa_asset asset;
    pl_str     store;
    pl_error   why;
    pl_rc      rc = pl_c2pa_store_of(m, a, &store, &why);

    if (rc == PL_CONFLICT || rc == PL_LIMIT)
        return pl_c2pa_unreadable(a, why.text, out, err);
    if (rc == PL_OK)
        rc = frames_of(m, a, &asset, &why);
    if (rc != PL_OK)
        return pl_fail(err, rc, "%s", why.text);
    return pl_c2pa_check(store, flags & PL_C2PA_QUICK ? NULL : &asset, how, a, out, err);
}

/* --- writing ------------------------------------------------------------------------------------ */

static pl_rc plan_with(pl_media *m, pl_str store, pl_media_plan **out, pl_error *err)
{
    pl_media_edit e = { .c2pa = store };

    return pl_media_plan_new(m, &e, out, err);
}

/* What the hash leaves out: the store with its framing, but in text and ID3 tags without it, as the
 * reference implementation wants (the data end the GEOB frame; base64 stands before "</c2pa:manifest>"). */
static pl_media_range excluded(pl_media_format f, pl_media_range r, size_t n)
{
    size_t kept = f == PL_MEDIA_SVG ? (n + 2) / 3 * 4 : n, behind = f == PL_MEDIA_SVG ? 16 : 0;

    if (f != PL_MEDIA_SVG && f != PL_MEDIA_MP3 && f != PL_MEDIA_FLAC)
        return r;
    return (pl_media_range){ r.at + r.n - behind - kept, kept };
}

/* The hash of the new file, with zeros where its store will be. */
static pl_rc bind_zeros(pl_media *m, const c2pa_draft *d, size_t n, pl_arena *a, c2pa_binding *b,
                        pl_error *err)
{
    pl_media_plan *p = NULL;
    char          *zeros = pl_arena_alloc(a, n);
    pl_media_io    io;
    pl_rc          rc = zeros ? plan_with(m, (pl_str){ zeros, n }, &p, err)
                              : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc == PL_OK) {
        io = pl_media_plan_io(p);
        rc = pl_c2pa_bind(d, &io, excluded(d->format, pl_media_plan_c2pa(p), n), b, err);
    }
    pl_media_plan_free(p);
    return rc;
}

pl_rc pl_c2pa_sign_media(pl_media *m, const c2pa_draft *draft, const cose_signer *s,
                         const c2pa_stamper *stamper, pl_arena *a, pl_media_plan **out, pl_error *err)
{
    c2pa_draft   d = *draft;
    c2pa_binding b;
    pl_buf       store = PL_BUF_INIT(JUMBF_STORE_MAX);
    size_t       n = 0;
    char        *kept = NULL;
    pl_rc        rc;

    d.format = pl_media_format_of(m);
    rc = pl_c2pa_draft_size(&d, s, &n, err);
    if (rc == PL_OK)
        rc = bind_zeros(m, &d, n, a, &b, err);
    if (rc == PL_OK)
        rc = pl_c2pa_sign(&d, s, &b, stamper, &store, err);
    if (rc == PL_OK && store.n != n)
        rc = pl_fail(err, PL_INVALID, "the manifest store changed its size");
    if (rc == PL_OK && (kept = pl_arena_dup(a, pl_buf_str(&store))) == NULL)
        rc = pl_fail(err, PL_NOMEM, "out of memory");
    if (rc == PL_OK)
        rc = plan_with(m, (pl_str){ kept, n }, out, err);
    pl_buf_done(&store);
    return rc;
}
