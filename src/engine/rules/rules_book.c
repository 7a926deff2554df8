/* The book: packs that were compiled together. */
#include "base/banned.h"

#include "engine/rules/rules_int.h"

pl_rules_book *pl_rules_book_new(void)
{
    pl_rules_book *b = calloc(1, sizeof *b);

    if (b == NULL)
        return NULL;
    b->arena = pl_arena_new(PL_RULES_ARENA_MAX);
    if (b->arena != NULL) {
        b->facts = book_alloc(b, PL_RULES_FACTS_MAX * sizeof *b->facts);
        b->hash = book_alloc(b, 2048 * sizeof *b->hash);
    }
    b->nunits = UNIT_OWN;
    if (b->arena == NULL || b->facts == NULL || b->hash == NULL) {
        pl_rules_book_free(b);
        return NULL;
    }
    return b;
}

void pl_rules_book_free(pl_rules_book *b)
{
    if (b == NULL)
        return;
    pl_arena_free(b->arena);
    free(b);
}

int pl_rules_pack_find(const pl_rules_book *b, const char *id, const char *version)
{
    for (size_t i = b->npacks; i-- > 0;)
        if (strcmp(b->packs[i]->id, id) == 0 &&
            (version == NULL || strcmp(b->packs[i]->version, version) == 0))
            return (int)i;
    return -1;
}

static pl_rc depends_read(compiler *c, const pl_rules_source *s)
{
    pack  *p = c->pack;
    size_t n = 0;

    while (s->depends != NULL && s->depends[n] != NULL)
        n++;
    if ((p->depends = book_alloc(c->book, n * sizeof(pack *))) == NULL)
        return pl_fail(c->err, PL_LIMIT, "the packs are too large");
    for (size_t i = 0; i < n; i++) {
        char        id[129];
        const char *at = strchr(s->depends[i], '@');
        int         got;

        (void)snprintf(id, sizeof id, "%.*s",
                       (int)(at != NULL ? at - s->depends[i] : (ptrdiff_t)strlen(s->depends[i])),
                       s->depends[i]);
        got = pl_rules_pack_find(c->book, id, at != NULL ? at + 1 : NULL);
        if (got < 0)
            return pl_fail(c->err, PL_NOTFOUND, "pack '%s' depends on '%s', which is not there",
                           p->ref, s->depends[i]);
        p->depends[p->ndepends++] = c->book->packs[got];
    }
    return PL_OK;
}

static pl_rc window_read(compiler *c, const pl_rules_source *s)
{
    pack *p = c->pack;

    p->to = NEVER;
    if (!day_parse(pl_str_z(s->from), &p->from) ||
        (s->to != NULL && !day_parse(pl_str_z(s->to), &p->to)))
        return pl_fail(c->err, PL_INVALID, "pack '%s': 'in_force' is not a window of days", p->ref);
    p->from_text = book_dup(c->book, pl_str_z(s->from));
    p->to_text = s->to != NULL ? book_dup(c->book, pl_str_z(s->to)) : NULL;
    return PL_OK;
}

static pl_rc words_read(compiler *c, const pl_rules_source *s)
{
    pl_rules_book *b = c->book;
    pack          *p = c->pack;

    p->id = book_dup(b, pl_str_z(s->id));
    p->version = book_dup(b, pl_str_z(s->version));
    p->ref = pl_arena_printf(b->arena, "%s@%s", s->id, s->version);
    p->jurisdiction = book_dup(b, pl_str_z(s->jurisdiction));
    p->weight = book_dup(b, pl_str_z(s->legal_weight));
    p->digest = book_dup(b, pl_str_z(s->digest));
    p->evidence = s->evidence != NULL ? book_dup(b, pl_str_z(s->evidence)) : NULL;
    p->title[0] = book_dup(b, pl_str_z(s->title_zh));
    p->title[1] = book_dup(b, pl_str_z(s->title_en));
    if (p->id == NULL || p->version == NULL || p->ref == NULL || p->title[1] == NULL)
        return pl_fail(c->err, PL_LIMIT, "the packs are too large");
    return window_read(c, s);
}

void book_comparisons(pl_rules_book *b)
{
    for (; b->nread < b->ncompares; b->nread++)
        expr_facts(b->compares[b->nread].n, &b->compares[b->nread].facts);
}

pl_rc pl_rules_book_add(pl_rules_book *b, const pl_rules_source *s, pl_rules_note note, void *ctx,
                        pl_error *err)
{
    compiler c = { .book = b, .note = note, .ctx = ctx, .err = err };
    pl_rc    rc;

    if (b->npacks == PL_RULES_PACKS_MAX)
        return pl_fail(err, PL_LIMIT, "more than %u packs", PL_RULES_PACKS_MAX);
    if ((c.pack = book_alloc(b, sizeof *c.pack)) == NULL)
        return pl_fail(err, PL_LIMIT, "the packs are too large");
    rc = words_read(&c, s);
    if (rc == PL_OK && pl_rules_pack_find(b, s->id, s->version) >= 0)
        rc = pl_fail(err, PL_CONFLICT, "pack '%s' is there twice", c.pack->ref);
    if (rc == PL_OK)
        rc = depends_read(&c, s);
    if (rc == PL_OK && s->facts.text.n > 0) {
        c.file = &s->facts;
        rc = compile_facts(&c);
    }
    if (rc == PL_OK && s->rules.text.n > 0) {
        c.pack->has_rules = true;
        rc = compile_rules(&c, &s->rules, &s->obligations);
    }
    if (rc != PL_OK)
        return rc;
    book_comparisons(b);
    b->packs[b->npacks++] = c.pack;
    return PL_OK;
}

size_t pl_rules_pack_count(const pl_rules_book *b)
{
    return b->npacks;
}

const char *pl_rules_pack_ref(const pl_rules_book *b, size_t i)
{
    return b->packs[i]->ref;
}

const char *pl_rules_pack_title(const pl_rules_book *b, size_t i, bool zh)
{
    return b->packs[i]->title[zh ? 0 : 1];
}

const char *pl_rules_pack_jurisdiction(const pl_rules_book *b, size_t i)
{
    return b->packs[i]->jurisdiction;
}

bool pl_rules_pack_has_rules(const pl_rules_book *b, size_t i)
{
    return b->packs[i]->has_rules;
}

/* --- one expression ------------------------------------------------------------------------- */

static json_t *value_json(const node *n, const value *v)
{
    char day[25];

    if (!v->known)
        return json_null();
    if (v->text != NULL)
        return json_string(v->text);
    if (n->kind == K_NUM)
        return json_real(v->num);
    day_format(v->time, v->has_time, day);
    return json_string(day);
}

static json_t *truth_json(tri t)
{
    return t == UNKNOWN_ ? json_null() : json_boolean(t == TRUE_);
}

pl_rc pl_rules_expr(pl_rules_book *b, pl_str text, const pl_rules_facts *f, int64_t as_of,
                    json_t **out, pl_error *err)
{
    node    *n = NULL;
    size_t   at = 0;
    pl_error e = { 0 };
    eval     ev;
    value    v;
    pl_rc    rc = expr_parse(b, NULL, text, &n, &at, &e);

    if (rc != PL_OK)
        return pl_fail(err, rc, "expression:1:%zu: %s", at + 1, e.text);
    if (n->kind == K_SET || n->kind == K_NUMS || (n->kind == K_TEXT && n->op != OP_TEXT && n->op != OP_IF))
        return pl_fail(err, PL_INVALID, "expression:1:1: this is a value, not an expression of one");
    if ((rc = eval_init(&ev, f, as_of, err)) != PL_OK)
        return rc;
    if (n->kind == K_BOOL) {
        *out = truth_json(eval_bool(&ev, n));
    } else {
        v = eval_value(&ev, n);
        *out = value_json(n, &v);
    }
    eval_done(&ev);
    return *out != NULL ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");
}
