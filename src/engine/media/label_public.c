/* include/plumbline/label.h over the readers and writers of this folder. */
#include "base/banned.h"

#include "base/str.h"
#include "engine/media/site.h"

#include <plumbline/label.h>

#define LABELS_MAX 64u
#define ARENA_MAX  (32u << 20)

typedef struct found {
    const pl_media_item *item;
    pl_aigc_report       report;
} found;

struct pl_inspect {
    pl_str      bytes;
    pl_media   *media;
    pl_arena   *arena;
    found       label[LABELS_MAX];
    size_t      n, manifests;
};

/* --- reading ----------------------------------------------------------------------------- */

static pl_rc collect(pl_inspect *i, pl_error *err)
{
    pl_aigc_report *live[LABELS_MAX];
    size_t          n = 0;

    for (size_t k = 0; k < pl_media_items(i->media); k++) {
        const pl_media_item *it = pl_media_item_get(i->media, k);
        found               *f = &i->label[i->n];
        pl_rc                rc;
        i->manifests += it->kind == PL_MEDIA_C2PA;
        if (it->kind != PL_MEDIA_LABEL || i->n == LABELS_MAX)
            continue;
        f->item = it;
        rc = pl_aigc_read(it->value, i->arena, &f->report, err);
        if (rc != PL_OK)
            return rc;
        media_site_problems(it, &f->report);
        if (media_site_in_force(it))
            live[n++] = &f->report;
        i->n++;
    }
    media_sites_compare(live, n);
    return PL_OK;
}

pl_rc pl_inspect_new(pl_str file, const char *name, pl_inspect **out, pl_error *err)
{
    pl_inspect *i = calloc(1, sizeof *i);
    pl_media_io io;
    pl_rc       rc;

    if (!i || !(i->arena = pl_arena_new(ARENA_MAX))) {
        free(i);
        return pl_fail(err, PL_NOMEM, "out of memory");
    }
    i->bytes = file;
    io = pl_media_io_of(&i->bytes);
    rc = pl_media_scan(&io, name, 0, &i->media, err);
    if (rc == PL_OK && pl_media_format_of(i->media) == PL_MEDIA_UNKNOWN)
        rc = pl_fail(err, PL_INVALID, "not supported yet: the file is of no format that is read");
    if (rc == PL_OK)
        rc = collect(i, err);
    if (rc != PL_OK) {
        pl_inspect_free(i);
        return rc;
    }
    *out = i;
    return PL_OK;
}

void pl_inspect_free(pl_inspect *i)
{
    if (!i)
        return;
    pl_media_free(i->media);
    pl_arena_free(i->arena);
    free(i);
}

const char *pl_inspect_format(const pl_inspect *i)
{
    return pl_media_format_name(pl_media_format_of(i->media));
}

const char *pl_inspect_container(const pl_inspect *i)
{
    return pl_media_state_name(pl_media_state_of(i->media));
}

size_t pl_inspect_labels(const pl_inspect *i)
{
    return i->n;
}

pl_inspect_label pl_inspect_label_get(const pl_inspect *i, size_t label)
{
    const found   *f = &i->label[label];
    const pl_aigc *l = &f->report.label;
    int            state = pl_aigc_state(l);

    return (pl_inspect_label){ f->item->carrier, f->item->value,
                               state ? (pl_label_claim)(state - '0') : PL_LABEL_SILENT,
                               l->m[PL_AIGC_PRODUCER], l->m[PL_AIGC_PRODUCE_ID], l->m[PL_AIGC_PROPAGATOR],
                               l->m[PL_AIGC_PROPAGATE_ID], pl_aigc_conforms(&f->report),
                               media_site_in_force(f->item), f->report.n };
}

pl_inspect_deviation pl_inspect_deviation_get(const pl_inspect *i, size_t label, size_t k)
{
    const pl_aigc_problem *p = &i->label[label].report.problem[k];

    return (pl_inspect_deviation){ p->code, p->clause, p->en, p->zh, p->detail, p->severity == PL_AIGC_ERROR };
}

size_t pl_inspect_notes(const pl_inspect *i)
{
    return pl_media_problems(i->media);
}

pl_inspect_note pl_inspect_note_get(const pl_inspect *i, size_t k)
{
    const pl_media_problem *p = pl_media_problem_get(i->media, k);

    return (pl_inspect_note){ p->code, p->text, p->at };
}

size_t pl_inspect_manifests(const pl_inspect *i)
{
    return i->manifests;
}

/* --- writing ----------------------------------------------------------------------------- */

int pl_label_code_check(pl_str code, const char **why)
{
    return pl_provider_code_check(code, why);
}

/* REQ: GB45438-2025/E  note 1: at first the propagation fields equal the producer's */
static pl_rc text_of(const pl_label_facts *f, pl_buf *out, pl_error *err)
{
    const char *why;
    char        state = (char)('0' + f->claim);
    pl_aigc     l = { .present = (1u << PL_AIGC_MEMBERS) - 1 };
    pl_rc       rc;

    if (f->claim < PL_LABEL_GENERATED || f->claim > PL_LABEL_SUSPECTED)
        return pl_fail(err, PL_INVALID, "a label says generated, possible or suspected");
    if (f->producer.n == 0 || f->content_id.n == 0)
        return pl_fail(err, PL_INVALID, "a label needs a producer and a content number");
    if (!(f->flags & PL_LABEL_ANY_NAME) && !pl_provider_code_check(f->producer, &why))
        return pl_fail(err, PL_INVALID, "'" PL_STR_FMT "' is no provider code (TC260-PG-20252A): %s",
                       PL_STR_ARG(f->producer), why);
    for (int m = 0; m < PL_AIGC_MEMBERS; m++)
        l.m[m] = (pl_str){ "", 0 };
    l.m[PL_AIGC_LABEL] = (pl_str){ &state, 1 };
    l.m[PL_AIGC_PRODUCER] = l.m[PL_AIGC_PROPAGATOR] = f->producer;
    l.m[PL_AIGC_PRODUCE_ID] = l.m[PL_AIGC_PROPAGATE_ID] = f->content_id;
    rc = pl_aigc_check(&l, err);
    if (rc != PL_OK)
        return rc;
    pl_aigc_format(&l, out);
    return pl_buf_check(out, err);
}

static size_t in_force(const pl_media *m)
{
    size_t n = 0;

    for (size_t k = 0; k < pl_media_items(m); k++)
        n += media_site_in_force(pl_media_item_get(m, k));
    return n;
}

/* One label, whole, saying what was meant. */
static pl_rc read_back(pl_str file, const char *name, const pl_label_facts *f, pl_error *err)
{
    pl_inspect *i = NULL;
    size_t      n = 0;
    bool        same = false;
    pl_rc       rc = pl_inspect_new(file, name, &i, err);

    for (size_t k = 0; rc == PL_OK && k < i->n; k++) {
        pl_inspect_label l = pl_inspect_label_get(i, k);
        if (l.in_force && n++ == 0)
            same = l.claim == f->claim && pl_str_eq(l.producer, f->producer) && pl_str_eq(l.content_id, f->content_id);
    }
    if (rc == PL_OK && (n != 1 || !same || pl_media_state_of(i->media) != PL_MEDIA_WHOLE))
        rc = pl_fail(err, PL_INVALID, "the label could not be read back from the new file");
    pl_inspect_free(i);
    return rc;
}

static pl_rc make_copy(const pl_media_plan *p, const char *name, const pl_label_facts *f, void **out, size_t *n,
                       pl_error *err)
{
    pl_media_io io = pl_media_plan_io(p);
    size_t      size = (size_t)io.size;
    char       *copy = malloc(size + 1);
    pl_rc       rc = copy ? io.read(io.ctx, 0, copy, size, err) : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc == PL_OK)
        rc = read_back((pl_str){ copy, size }, name, f, err);
    if (rc != PL_OK) {
        free(copy);
        return rc;
    }
    *out = copy;
    *n = size;
    return PL_OK;
}

pl_rc pl_label_write(pl_str file, const char *name, const pl_label_facts *f, void **out, size_t *n, pl_error *err)
{
    pl_buf         text = PL_BUF_INIT(PL_AIGC_VALUE_MAX);
    pl_media_io    io = pl_media_io_of(&file);
    pl_media      *m = NULL;
    pl_media_plan *p = NULL;
    pl_rc          rc = text_of(f, &text, err);

    if (rc == PL_OK)
        rc = pl_media_scan(&io, name, 0, &m, err);
    if (rc == PL_OK && pl_media_format_of(m) == PL_MEDIA_UNKNOWN)
        rc = pl_fail(err, PL_INVALID, "not supported yet: the file is of no format that can be labelled");
    if (rc == PL_OK && !(f->flags & PL_LABEL_REPLACE) && in_force(m) > 0)
        rc = pl_fail(err, PL_CONFLICT, "the file carries a label already");
    if (rc == PL_OK)
        rc = pl_media_plan_new(m, &(pl_media_edit){ .label = pl_buf_str(&text) }, &p, err);
    if (rc == PL_OK)
        rc = make_copy(p, name, f, out, n, err);
    pl_media_plan_free(p);
    pl_media_free(m);
    pl_buf_done(&text);
    return rc;
}
