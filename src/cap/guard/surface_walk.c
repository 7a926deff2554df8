/* One walker for every body of every surface: follows the table beside the JSON, in place. */
#include "base/banned.h"

#include "base/str.h"
#include "cap/guard/surface.h"

/* FNV-1a: any stable spread over names will do. */
static uint32_t name_hash(uint32_t h, pl_str name)
{
    for (size_t i = 0; i < name.n; i++)
        h = (h ^ (uint8_t)name.p[i]) * 16777619u;
    return h;
}

static const surface_node *node_at(const surface_walk *w, int16_t i)
{
    return i < 0 ? NULL : &w->tree->node[i];
}

static const surface_node *member_find(const surface_walk *w, const surface_node *of,
                                       const pl_jsontok *t)
{
    const surface_node *n = of ? node_at(w, of->child) : NULL;

    for (; n; n = node_at(w, n->next))
        if (t->escaped ? pl_jsontok_is(t, n->name)
                       : n->name_n == t->raw.n && memcmp(n->name, t->raw.p, t->raw.n) == 0)
            return n;
    return NULL;
}

/* --- what a table refuses ------------------------------------------------------------- */

static unsigned type_bit(pl_jt type)
{
    switch (type) {
    case PL_JT_STRING:
        return PT_STR;
    case PL_JT_OBJ_BEGIN:
        return PT_OBJ;
    case PL_JT_ARR_BEGIN:
        return PT_ARR;
    case PL_JT_NUMBER:
        return PT_NUM;
    case PL_JT_NULL:
        return PT_NULL;
    default:
        return PT_BOOL;
    }
}

static pl_rc refuse_type(surface_walk *w, const surface_node *n)
{
    static const char *const words[] = { "a string", "an object", "an array", "a number",
                                         "true or false", "null" };
    char     list[96] = "";
    size_t   at = 0;
    unsigned left = n->types;

    for (unsigned i = 0; i < 6; i++) {
        if (!(n->types & 1u << i))
            continue;
        left &= ~(1u << i);
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%s",
                               at == 0 ? "" : left ? ", " : " or ", words[i]);
    }
    if (n->name_n == 0)
        return pl_fail(w->err, PL_INVALID, "an element of '%s' is not %s", w->key, list);
    return pl_fail(w->err, PL_INVALID, "'%s' must be %s", n->name, list);
}

static pl_rc object_check(surface_walk *w, const walk_frame *f)
{
    const surface_node *n = f->node ? node_at(w, f->node->child) : NULL;

    for (; n && !f->is_array; n = node_at(w, n->next))
        if ((n->flags & PF_REQUIRED) && !(f->seen & 1ull << n->bit))
            return pl_fail(w->err, PL_INVALID, "'%s' is missing", n->name);
    if (f->is_array && f->node && (f->node->flags & PF_FILLED) && f->count == 0)
        return pl_fail(w->err, PL_INVALID, "'%s' is empty", f->node->name);
    return PL_OK;
}

/* --- tokens --------------------------------------------------------------------------- */

static pl_rc on_key(surface_walk *w, const pl_jsontok *t)
{
    walk_frame *f = walk_top(w);

    f->count++;
    w->next = member_find(w, f->node, t);
    if (w->next) {
        /* Two readers may take different ones of two equal members: refuse both. */
        if (f->seen & 1ull << w->next->bit)
            return pl_fail(w->err, PL_INVALID, "there are two '%s' members in one object",
                           w->next->name);
        f->seen |= 1ull << w->next->bit;
        w->key = w->next->name;
        w->next_hash = (uint32_t)(w->next - w->tree->node) * 2654435761u;
        return PL_OK;
    }
    w->next_hash = name_hash(f->hash ^ 2166136261u, t->raw);
    return w->v->key(w->v->ctx, w, t);
}

/* The node of the value that t begins; elements of an array share theirs. */
static pl_rc value_node(surface_walk *w, const pl_jsontok *t, const surface_node **out)
{
    walk_frame *f = w->depth ? walk_top(w) : NULL;

    if (!f) {
        *out = w->tree->node;
        if (t->type != PL_JT_OBJ_BEGIN)
            return pl_fail(w->err, PL_INVALID, "the body is not a JSON object");
        return PL_OK;
    }
    if (f->is_array) {
        w->next = f->node ? node_at(w, f->node->child) : NULL;
        w->next_hash = f->hash;
        f->count++;
    }
    *out = w->next;
    if (*out && (*out)->types && !((*out)->types & type_bit(t->type)))
        return refuse_type(w, *out);
    return PL_OK;
}

static pl_rc on_begin(surface_walk *w, const surface_node *n, const pl_jsontok *t)
{
    const walk_frame *parent = w->depth ? walk_top(w) : NULL;
    walk_frame       *f = &w->frame[w->depth++];

    *f = (walk_frame){ .node = n, .choice = -1, .sub = -1, .hash = parent ? w->next_hash : 0,
                       .is_array = t->type == PL_JT_ARR_BEGIN,
                       .entire = (parent && parent->entire) || (n && (n->flags & PF_ENTIRE)) };
    if (parent && parent->is_array && n && (n->flags & PF_CHOICE))
        f->choice = (int64_t)parent->count - 1;
    if (parent && parent->is_array && n && (n->flags & PF_SUB))
        f->sub = (int64_t)parent->count - 1;
    return w->v->begin(w->v->ctx, w, n, t);
}

static pl_rc on_end(surface_walk *w)
{
    walk_frame *f = walk_top(w);
    pl_rc       rc = object_check(w, f);

    if (rc == PL_OK)
        rc = w->v->end(w->v->ctx, w, f->node);
    if (--w->depth && f->has_text)
        walk_top(w)->has_text = true;
    return rc;
}

/* Numbers that say where the text of the enclosing object belongs. */
static void on_number(walk_frame *f, const surface_node *n, const pl_jsontok *t)
{
    uint64_t v;

    if (pl_str_u64(t->raw, &v, NULL) != PL_OK || v > INT32_MAX)
        v = INT32_MAX; /* beyond every limit: refused when it is used */
    if (n->kind == PK_CHOICE_INDEX)
        f->choice = (int64_t)v;
    else if (n->kind == PK_SUB_INDEX)
        f->sub = (int64_t)v;
}

static pl_rc on_value(surface_walk *w, const surface_node *n, const pl_jsontok *t)
{
    if (n && t->type == PL_JT_NUMBER)
        on_number(walk_top(w), n, t);
    if (n && n->kind == PK_TYPE && t->type == PL_JT_STRING)
        walk_top(w)->type = t->raw;
    return w->v->value(w->v->ctx, w, n, t);
}

pl_rc pl_surface_read(const surface_tree *tree, pl_str json, const walk_visitor *v, pl_error *err)
{
    surface_walk w;
    pl_jsontok   t;
    pl_rc        rc;

    w.tree = tree;
    w.v = v;
    w.err = err;
    w.next = NULL;
    w.next_hash = 0;
    w.key = "";
    w.depth = 0;
    pl_jsonscan_init(&w.json, json);
    while ((rc = pl_jsonscan_next(&w.json, &t, err)) == PL_OK && t.type != PL_JT_END) {
        const surface_node *n = NULL;

        if (t.type == PL_JT_KEY) {
            rc = on_key(&w, &t);
        } else if (t.type == PL_JT_OBJ_END || t.type == PL_JT_ARR_END) {
            rc = on_end(&w);
        } else {
            rc = value_node(&w, &t, &n);
            if (rc != PL_OK)
                break;
            rc = t.type == PL_JT_OBJ_BEGIN || t.type == PL_JT_ARR_BEGIN ? on_begin(&w, n, &t)
                                                                       : on_value(&w, n, &t);
        }
        if (rc != PL_OK)
            break;
    }
    return rc;
}
