/* Entries in YAML: a mapping of `entries`, a list, and `defaults` for what they share. */
#include "base/banned.h"

#include "base/buf.h"
#include "base/str.h"
#include "cap/pack/pack_int.h"

#define LIST_MAX 4096u /* bytes of one list when joined */

typedef struct tree {
    const pack_entries *file;
    pack_report        *report;
    size_t              index; /* entry, from 1 */
    json_t             *owner; /* the mapping that is being read */
    char                number[PACK_FIELDS][24];
} tree;

static void wrong(const tree *t, const char *what, const char *key)
{
    if (t->report != NULL)
        pack_problem(t->report, PACK_ERROR, t->file->path, 0, "entry %zu: '%.60s' %s", t->index,
                     key, what);
}

/* Lists become words with '|' between, as tables have them, and flags with ','. They stay so in
 * the tree: entries are views of it. */
static pl_str join(const tree *t, pack_field f, const json_t *list)
{
    pl_buf  b = PL_BUF_INIT(LIST_MAX);
    size_t  i;
    json_t *v, *joined;

    json_array_foreach((json_t *)(uintptr_t)list, i, v) {
        pl_str s = pl_str_z(json_string_value(v));

        if (s.n == 0 || memchr(s.p, '|', s.n) != NULL)
            wrong(t, "must hold words without '|'", pack_field_names[f]);
        if (i > 0)
            pl_buf_putc(&b, f == PACK_FLAGS ? ',' : '|');
        pl_buf_put(&b, s);
    }
    if (b.failed)
        wrong(t, "is too long", pack_field_names[f]);
    joined = json_stringn(pl_buf_str(&b).p, b.n);
    pl_buf_done(&b);
    if (json_object_set_new(t->owner, pack_field_names[f], joined) != 0)
        return (pl_str){ NULL, 0 };
    return (pl_str){ json_string_value(joined), json_string_length(joined) };
}

static void field_read(tree *t, pack_field f, const json_t *v, pack_row *row)
{
    bool list = f >= PACK_WITH && f != PACK_WITHIN;

    if (json_is_string(v)) {
        row->field[f] = (pl_str){ json_string_value(v), json_string_length(v) };
    } else if (json_is_array(v) && (list || f == PACK_FLAGS)) {
        row->field[f] = join(t, f, v);
    } else if (json_is_integer(v) && (f == PACK_SEVERITY || f == PACK_WITHIN)) {
        (void)snprintf(t->number[f], sizeof t->number[f], "%lld",
                       (long long)json_integer_value(v));
        row->field[f] = pl_str_z(t->number[f]);
    } else if (!json_is_null(v)) {
        wrong(t, "is of the wrong type", pack_field_names[f]);
    }
}

static void fields_read(tree *t, json_t *from, pack_row *row)
{
    const char *key;
    json_t     *v;

    t->owner = from;
    json_object_foreach(from, key, v) {
        size_t f = 0;

        while (f < PACK_FIELDS && strcmp(key, pack_field_names[f]) != 0)
            f++;
        if (f == PACK_FIELDS)
            wrong(t, "is not a key of entries", key);
        else
            field_read(t, (pack_field)f, v, row);
    }
}

static bool required_there(const tree *t, const pack_row *row)
{
    bool there = true;

    for (size_t f = 0; f < PACK_REQUIRED; f++)
        if (row->field[f].p == NULL) {
            wrong(t, "is missing", pack_field_names[f]);
            there = false;
        }
    return there;
}

static void shape_check(const tree *t)
{
    static const char *const allowed[] = { "defaults", "entries", NULL };
    const char              *key;
    json_t                  *v;

    json_object_foreach(t->file->tree, key, v)
        if (!pack_is_one_of(pl_str_z(key), allowed))
            wrong(t, "is not a key of this file", key);
    if (!json_is_array(json_object_get(t->file->tree, "entries")))
        wrong(t, "must be a list", "entries");
}

pl_rc pack_tree_each(const pack_entries *f, pack_report *r, pack_row_fn fn, void *ctx,
                     pl_error *err)
{
    tree    t = { .file = f, .report = r };
    json_t *e;
    size_t  i;
    pl_rc   rc = PL_OK;

    shape_check(&t);
    json_array_foreach(json_object_get(f->tree, "entries"), i, e) {
        pack_row row = { .file = f, .number = (unsigned)i + 1 };

        t.index = i + 1;
        fields_read(&t, json_object_get(f->tree, "defaults"), &row);
        fields_read(&t, e, &row);
        if (!json_is_object(e))
            wrong(&t, "must be a mapping", "entries");
        else if (required_there(&t, &row))
            rc = fn(ctx, &row, err);
        if (rc != PL_OK)
            break;
    }
    return rc;
}
