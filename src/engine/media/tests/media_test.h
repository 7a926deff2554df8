/* What the tests of engine/media share: files in memory, labelling and reading back. */
#ifndef MEDIA_TEST_H
#define MEDIA_TEST_H

#include "pl_test.h"

#include "base/str.h"
#include "engine/media/aigc.h"
#include "engine/media/media.h"

#include <dirent.h>
#include <sys/stat.h>

#define LABEL                                                                                      \
    "{\"Label\":\"1\",\"ContentProducer\":\"001191110102MAD55U9H0F10002\",\"ProduceID\":\"id-1\"," \
    "\"ReservedCode1\":\"\",\"ContentPropagator\":\"001191110102MAD55U9H0F10002\","                \
    "\"PropagateID\":\"id-1\",\"ReservedCode2\":\"\"}"

static inline pl_media *mt_scan(const pl_media_io *io, const char *name)
{
    pl_media *m = NULL;
    pl_error  err = { 0 };

    assert_ok(pl_media_scan(io, name, 0, &m, &err), &err);
    return m;
}

/* Labels in force: inside the content, of the newest revision. */
static inline size_t mt_labels(const pl_media *m, const pl_media_item **first)
{
    size_t n = 0;

    for (size_t i = 0; i < pl_media_items(m); i++) {
        const pl_media_item *it = pl_media_item_get(m, i);
        if (it->kind != PL_MEDIA_LABEL || (it->flags & (PL_MEDIA_OUTSIDE | PL_MEDIA_OLDER)))
            continue;
        if (n++ == 0)
            *first = it;
    }
    return n;
}

/* The members of both labels are the same. */
static inline void mt_same_label(pl_str a, pl_str b)
{
    pl_arena      *arena = pl_arena_new(4u << 20);
    pl_aigc_report x, y;
    pl_error       err = { 0 };

    assert_ok(pl_aigc_read(a, arena, &x, &err), &err);
    assert_ok(pl_aigc_read(b, arena, &y, &err), &err);
    assert_int_equal(x.label.present, y.label.present);
    for (int i = 0; i < PL_AIGC_MEMBERS; i++)
        assert_true(pl_str_eq(x.label.m[i], y.label.m[i]));
    pl_arena_free(arena);
}

/* The new file in memory, NUL behind it; freed by the caller. */
static inline pl_str mt_render(const pl_media_plan *p)
{
    pl_media_io io = pl_media_plan_io(p);
    pl_error    err = { 0 };
    char       *b = malloc((size_t)io.size + 1);

    assert_non_null(b);
    assert_ok(io.read(io.ctx, 0, b, (size_t)io.size, &err), &err);
    b[io.size] = '\0';
    return (pl_str){ b, (size_t)io.size };
}

/* Labels a file and reads the result back: whole, exactly one label, in the carrier the plan
 * names. PL_OK or the reason why it could not be labelled. */
static inline pl_rc mt_label(pl_str in, const char *name, const char *label, pl_str *out, pl_error *err)
{
    pl_media_io    io = pl_media_io_of(&in);
    pl_media      *m = mt_scan(&io, name);
    pl_media_edit  e = { .label = pl_str_z(label) };
    pl_media_plan *p = NULL;
    pl_rc          rc = pl_media_plan_new(m, &e, &p, err);

    if (rc == PL_OK) {
        const pl_media_item *it = NULL;
        *out = mt_render(p);
        pl_media_io back_io = pl_media_io_of(out);
        pl_media   *back = mt_scan(&back_io, name);
        if (pl_media_state_of(back) != PL_MEDIA_WHOLE)
            fail_msg("%s: the labelled file is %s", name, pl_media_state_name(pl_media_state_of(back)));
        if (pl_media_format_of(back) != pl_media_format_of(m))
            fail_msg("%s: the labelled file is %s", name, pl_media_format_name(pl_media_format_of(back)));
        if (mt_labels(back, &it) != 1)
            fail_msg("%s: %zu labels", name, mt_labels(back, &it));
        assert_string_equal(it->carrier, pl_media_plan_carrier(p));
        mt_same_label(it->value, pl_str_z(label));
        pl_media_free(back);
        pl_media_plan_free(p);
    }
    pl_media_free(m);
    return rc;
}

/* Every copied span is the same bytes in both files, and in order. */
static inline void mt_copies_keep_order(pl_str in, const char *name)
{
    pl_media_io    io = pl_media_io_of(&in);
    pl_media      *m = mt_scan(&io, name);
    pl_media_edit  e = { .label = PL_STR(LABEL) };
    pl_media_plan *p = NULL;
    pl_error       err = { 0 };
    uint64_t       out = 0, from = 0;

    if (pl_media_plan_new(m, &e, &p, &err) == PL_OK) {
        for (size_t i = 0; i < pl_media_plan_spans(p); i++) {
            const pl_media_span *s = pl_media_plan_span(p, i);
            assert_true(s->out == out);
            out += s->n;
            if (!s->bytes) {
                assert_true(s->from >= from);
                from = s->from + s->n;
            }
        }
        assert_true(out == pl_media_plan_size(p));
        pl_media_plan_free(p);
    }
    pl_media_free(m);
}

static inline pl_str mt_file(const char *path)
{
    FILE       *f = fopen(path, "rb");
    struct stat st;
    char       *b;

    if (!f || fstat(fileno(f), &st) != 0 || !(b = malloc((size_t)st.st_size + 1)))
        fail_msg("cannot read '%s'", path);
    assert_int_equal(fread(b, 1, (size_t)st.st_size, f), st.st_size);
    fclose(f);
    return (pl_str){ b, (size_t)st.st_size };
}

#endif
