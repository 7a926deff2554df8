#include "base/banned.h"

#include "base/str.h"
#include "cap/guard/answer.h"

#define TOKENS_MAX 1000000000u /* more is no count that can be believed */

typedef struct reader {
    const answer_reader *r;
    answer              *a;
    pl_error            *err;
} reader;

/* --- pieces --------------------------------------------------------------------------- */

static pl_rc piece_add(reader *rd, surface_walk *w, const surface_node *n, uint8_t kind,
                       const pl_jsontok *t)
{
    answer     *a = rd->a;
    walk_frame *f = walk_top(w);

    if (a->n == a->cap) {
        size_t        cap = a->cap ? a->cap * 2 : 8;
        answer_piece *p = cap > ANSWER_PIECES_MAX ? NULL : realloc(a->piece, cap * sizeof *p);

        if (!p)
            return pl_fail(rd->err, PL_LIMIT, "the answer has too many texts");
        a->piece = p;
        a->cap = cap;
    }
    a->piece[a->n++] = (answer_piece){ .kind = kind, .listed = n != NULL, .choice = -1, .sub = -1,
                                       .hash = n ? 0 : w->next_hash | 1u, .t = *t, .node = n,
                                       .depth = f->is_array ? -1 : w->depth };
    return PL_OK;
}

/* What a table's node means in an object of this type. */
static const surface_node *variant_of(const surface_tree *tree, const surface_node *n, pl_str type)
{
    const surface_node *plain = n->type ? NULL : n;

    if (n->type && pl_str_eqz(type, n->type))
        return n;
    for (int16_t i = n->variant; i >= 0; i = tree->node[i].variant)
        if (pl_str_eqz(type, tree->node[i].type))
            return &tree->node[i];
    return plain;
}

/* The object that holds the pieces ends: only now its type is known for certain. */
static void types_assign(reader *rd, surface_walk *w, const walk_frame *f)
{
    answer *a = rd->a;

    for (size_t i = f->mark; i < a->n; i++) {
        answer_piece *p = &a->piece[i];

        if (p->depth == w->depth && p->node && (p->node->variant >= 0 || p->node->type))
            p->type = f->type;
    }
}

static void group_assign(answer *a, const walk_frame *f, bool root)
{
    for (size_t i = f->mark; i < a->n; i++) {
        answer_piece *p = &a->piece[i];

        if (p->choice < 0 && (f->choice >= 0 || root))
            p->choice = f->choice < 0 ? 0 : (int32_t)f->choice;
        if (p->sub < 0 && (f->sub >= 0 || root))
            p->sub = f->sub < 0 ? 0 : (int32_t)f->sub;
    }
}

static bool is_channel(uint8_t kind)
{
    return kind >= PK_TEXT && kind <= PK_FULL;
}

/* The guards are decided when everything is read. */
static void variants_resolve(reader *rd)
{
    answer *a = rd->a;

    for (size_t i = 0; i < a->n; i++) {
        answer_piece       *p = &a->piece[i];
        const surface_node *v;

        if (!p->node || !is_channel(p->kind) || (p->node->variant < 0 && !p->node->type)) {
            p->labelled = p->node && (p->node->flags & PF_LABEL);
            p->is_tool = p->node && (p->node->flags & PF_TOOL);
            continue;
        }
        v = variant_of(rd->r->tree, p->node, p->type);
        p->kind = v ? v->kind : PK_ALSO;
        p->labelled = v && (v->flags & PF_LABEL);
        if (p->kind == PK_ALSO) /* one text for each type */
            for (size_t k = 0; k < p->type.n; k++)
                p->hash = (p->hash ^ (uint8_t)p->type.p[k]) * 16777619u;
        p->is_tool = v && (v->flags & PF_TOOL);
    }
}

/* --- visitor -------------------------------------------------------------------------- */

static pl_rc on_key(void *ctx, surface_walk *w, const pl_jsontok *t)
{
    reader *rd = ctx;

    (void)w;
    rd->r->single(rd->r->ctx, NULL, t);
    return PL_OK;
}

/* Base64 of either alphabet: nothing else is taken for data. */
static bool is_data(pl_str s)
{
    static const char prefix[] = "data:";
    const char       *comma = s.n > 5 && memcmp(s.p, prefix, 5) == 0 ? memchr(s.p, ',', s.n) : NULL;
    size_t            i = comma && comma - s.p < 128 ? (size_t)(comma - s.p) + 1 : 0;

    for (; i < s.n; i++) {
        char c = s.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '+' || c == '/' || c == '=' || c == '-' || c == '_'))
            return false;
    }
    return true;
}

static pl_rc unlisted(reader *rd, surface_walk *w, const pl_jsontok *t)
{
    rd->r->single(rd->r->ctx, NULL, t);
    if (!rd->r->is_event || walk_top(w)->entire)
        return PL_OK;
    /* It may continue what the same place said in an earlier event. */
    rd->a->has_unlisted = true;
    return piece_add(rd, w, NULL, PK_ALSO, t);
}

static pl_rc on_string(reader *rd, surface_walk *w, const surface_node *n, const pl_jsontok *t)
{
    answer *a = rd->a;

    if (t->raw.n == 0)
        return PL_OK;
    if (!n)
        return unlisted(rd, w, t);
    switch ((path_kind)n->kind) {
    case PK_TEXT:
    case PK_REASON:
    case PK_REFUSAL:
    case PK_ARGS:
    case PK_NAME:
    case PK_ALSO:
    case PK_FULL:
        if ((n->flags & PF_PART) || n->kind == PK_NAME)
            rd->r->single(rd->r->ctx, NULL, t);
        return piece_add(rd, w, n, n->kind, t);
    case PK_DATA:
        if (n->type || !is_data(t->raw)) /* guarded data is decided late: read it */
            rd->r->single(rd->r->ctx, NULL, t);
        return PL_OK;
    case PK_FINISH: /* some servers say "" or "null" on every chunk that does not finish */
        rd->r->single(rd->r->ctx, n, t);
        return pl_str_eqz(t->raw, "null") ? PL_OK : piece_add(rd, w, n, PK_FINISH, t);
    case PK_ID:
        a->id = t->raw;
        break;
    case PK_MODEL:
        a->model = t->raw;
        break;
    default:
        break;
    }
    rd->r->single(rd->r->ctx, n, t);
    return PL_OK;
}

static pl_rc on_value(void *ctx, surface_walk *w, const surface_node *n, const pl_jsontok *t)
{
    reader  *rd = ctx;
    uint64_t v;

    if (t->type == PL_JT_STRING)
        return on_string(rd, w, n, t);
    if (!n)
        return PL_OK;
    if (t->type == PL_JT_TRUE && n->kind == PK_FINISH)
        return piece_add(rd, w, n, PK_FINISH, t);
    if (t->type == PL_JT_NUMBER && (n->kind == PK_TOKENS_IN || n->kind == PK_TOKENS_OUT) &&
        pl_str_u64(t->raw, &v, NULL) == PL_OK && v <= TOKENS_MAX) {
        int64_t *sum = &rd->a->tokens[n->kind == PK_TOKENS_OUT];

        *sum = (*sum < 0 ? 0 : *sum) + (int64_t)v;
    }
    if (t->type == PL_JT_NUMBER && (n->kind == PK_CREATED || n->kind == PK_SEQUENCE) &&
        pl_str_u64(t->raw, &v, NULL) == PL_OK && v <= INT64_MAX) {
        if (n->kind == PK_CREATED) {
            rd->a->created = (int64_t)v;
        } else {
            rd->a->sequence = v;
            rd->a->sequence_at = *t;
        }
    }
    return PL_OK;
}

static pl_rc on_begin(void *ctx, surface_walk *w, const surface_node *n, const pl_jsontok *t)
{
    reader *rd = ctx;
    pl_rc   rc = PL_OK;

    walk_top(w)->mark = rd->a->n;
    if (n && n->kind == PK_LOGPROBS && t->type == PL_JT_OBJ_BEGIN) {
        rd->a->has_logprobs = true;
        rc = piece_add(rd, w, n, PK_LOGPROBS, t);
    }
    if (n && (n->flags & PF_TOOL) && rc == PL_OK)
        rc = piece_add(rd, w, n, PK_NONE, t);
    return rc;
}

static pl_rc on_end(void *ctx, surface_walk *w, const surface_node *n)
{
    reader     *rd = ctx;
    walk_frame *f = walk_top(w);
    bool        root = w->depth == 1;

    (void)n;
    if (f->mark < rd->a->n) {
        if (!f->is_array)
            types_assign(rd, w, f);
        if (root || f->choice >= 0 || f->sub >= 0)
            group_assign(rd->a, f, root);
    }
    if (root) {
        rd->a->type = f->type;
        rd->a->choice = f->choice;
        rd->a->sub = f->sub;
    }
    return PL_OK;
}

pl_rc pl_answer_read(const answer_reader *r, pl_str json, answer *a, pl_error *err)
{
    reader       rd = { .r = r, .a = a, .err = err };
    walk_visitor v = { .key = on_key, .value = on_value, .begin = on_begin, .end = on_end,
                       .ctx = &rd };
    pl_rc        rc;

    a->n = 0;
    a->id = a->model = a->type = (pl_str){ "", 0 };
    a->created = 0;
    a->tokens[0] = a->tokens[1] = -1;
    a->choice = a->sub = -1;
    a->sequence_at.type = PL_JT_END;
    a->has_logprobs = a->has_unlisted = false;
    rc = pl_surface_read(r->tree, json, &v, err);
    if (rc == PL_OK)
        variants_resolve(&rd);
    return rc;
}

void pl_answer_done(answer *a)
{
    free(a->piece);
    *a = (answer){ 0 };
}
