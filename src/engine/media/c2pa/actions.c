/* Actions: C2PA 2.x 18.15 and 15.10.3.2.3. */
#include "base/banned.h"

#include "engine/media/c2pa/c2pa_int.h"

#define ACTIONS_MAX 256

/* Terms of a trained model as the source (IPTC, C2PA). */
static bool is_generated(pl_str source)
{
    static const char *const terms[] = { "/trainedAlgorithmicMedia",
                                         "/compositeWithTrainedAlgorithmicMedia",
                                         "/trainedAlgorithmicData" };

    for (size_t i = 0; i < sizeof terms / sizeof terms[0]; i++)
        if (pl_str_ends(source, pl_str_z(terms[i])))
            return true;
    return false;
}

static pl_str agent_of(const cbor_item *action)
{
    const cbor_item *agent = pl_cbor_get(action, "softwareAgent");

    return agent && agent->kind == CBOR_MAP ? pl_cbor_text(pl_cbor_get(agent, "name"))
                                            : pl_cbor_text(agent);
}

static void remember(c2pa_check *c, const cbor_item *action)
{
    c2pa_action *list = (c2pa_action *)c->r->actions;
    pl_str       source = pl_cbor_text(pl_cbor_get(action, "digitalSourceType"));

    if (!list)
        list = pl_arena_alloc(c->a, ACTIONS_MAX * sizeof *list);
    if (!list) {
        pl_c2pa_break(c, PL_NOMEM, "out of memory");
        return;
    }
    c->r->actions = list;
    c->r->is_generated = c->r->is_generated || is_generated(source);
    if (c->r->actions_n < ACTIONS_MAX)
        list[c->r->actions_n++] = (c2pa_action){
            .action = pl_cbor_text(pl_cbor_get(action, "action")),
            .source_type = source,
            .agent = agent_of(action),
            .when = pl_cbor_text(pl_cbor_untag(pl_cbor_get(action, "when"))),
        };
}

static bool is_start(pl_str action)
{
    return pl_str_eqz(action, "c2pa.created") || pl_str_eqz(action, "c2pa.opened");
}

/* Opened and placed things are ingredients: the action names them (18.15.4.7). */
static bool ingredient_fits(const c2pa_check *c, const c2pa_manifest *m, const cbor_item *action,
                            bool is_parent)
{
    const cbor_item *list = pl_cbor_get(pl_cbor_get(action, "parameters"), "ingredients");
    c2pa_manifest   *owner = NULL;

    if (!list || list->kind != CBOR_ARRAY || list->n == 0)
        return false;
    for (size_t i = 0; i < list->n; i++) {
        const jumbf_box *box = pl_c2pa_resolve(c, m, pl_cbor_text(pl_cbor_get(&list->items[i], "url")),
                                               &owner);
        const cbor_item *ingredient = box ? pl_c2pa_assertion_cbor((c2pa_check *)c, box) : NULL;
        pl_str           relation = pl_cbor_text(pl_cbor_get(ingredient, "relationship"));

        if (owner != m || !ingredient || !pl_c2pa_label_is(box->label, "c2pa.ingredient"))
            return false;
        if (is_parent && !pl_str_eqz(relation, "parentOf"))
            return false;
    }
    return true;
}

static void rules_check(c2pa_check *c, const c2pa_manifest *m, const cbor_item *action,
                        bool is_first, pl_str url)
{
    pl_str name = pl_cbor_text(pl_cbor_get(action, "action"));
    bool   opened = pl_str_eqz(name, "c2pa.opened"), placed = pl_str_eqz(name, "c2pa.placed");

    if (name.n == 0)
        pl_c2pa_say(c, m, "assertion.action.malformed", url, "an action without a name");
    else if (is_first && !is_start(name))
        pl_c2pa_say(c, m, "assertion.action.malformed", url,
                    "the first action is neither c2pa.created nor c2pa.opened");
    else if (!is_first && is_start(name))
        pl_c2pa_say(c, m, "assertion.action.malformed", url,
                    "c2pa.created and c2pa.opened can only be first");
    else if (pl_str_eqz(name, "c2pa.created") && !pl_cbor_get(action, "digitalSourceType"))
        pl_c2pa_say(c, m, "assertion.action.malformed", url,
                    "c2pa.created without a digitalSourceType");
    else if ((opened || placed) && !ingredient_fits(c, m, action, opened))
        pl_c2pa_say(c, m, "assertion.action.ingredientMismatch", url, NULL);
}

/* is_strict: claims of version 2, whose specification has these rules. */
static void assertion_check(c2pa_check *c, c2pa_manifest *m, const jumbf_box *box, bool *is_first)
{
    const cbor_item *list = pl_cbor_get(pl_c2pa_assertion_cbor(c, box), "actions");
    pl_str           url = pl_c2pa_url(c, m, "/c2pa.assertions/", box->label);

    if (!list || list->kind != CBOR_ARRAY || (list->n == 0 && m->version == 2)) {
        pl_c2pa_say(c, m, "assertion.action.malformed", url, "it has no actions");
        return;
    }
    for (size_t i = 0; i < list->n; i++) {
        if (m->version == 2)
            rules_check(c, m, &list->items[i], *is_first, url);
        *is_first = false;
        if (m->order == 0)
            remember(c, &list->items[i]);
    }
}

void pl_c2pa_actions_check(c2pa_check *c, c2pa_manifest *m)
{
    bool is_first = true;

    for (size_t l = 0; l < 2; l++) {
        const cbor_item *list = pl_c2pa_assertion_list(m, l);

        for (size_t i = 0; list && i < list->n; i++) {
            c2pa_manifest   *owner = NULL;
            const jumbf_box *box = pl_c2pa_resolve(c, m, pl_cbor_text(pl_cbor_get(&list->items[i], "url")),
                                                   &owner);

            if (box && owner == m && pl_c2pa_label_is(box->label, "c2pa.actions"))
                assertion_check(c, m, box, &is_first);
        }
    }
    if (m->version == 2 && is_first && !m->is_update)
        pl_c2pa_say(c, m, "assertion.action.malformed",
                    pl_c2pa_url(c, m, "/", PL_STR("c2pa.claim.v2")), "the claim has no actions");
}
