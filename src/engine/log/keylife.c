/* Who may sign what, when: docs/formats/keys.md. REQ: evidence-ledger/7.13 */
#include "base/banned.h"

#include "base/json.h"
#include "base/str.h"
#include "engine/log/dsse.h"
#include "engine/log/note.h"

#include <plumbline/keylife.h>

#define EVENT_BYTES_MAX (4u << 20) /* of all events together: they are kept to be verified */
#define EVENT_SIGS_MAX  4

typedef enum event_kind { ADD, ROTATE, RETIRE, REVOKE, COMPROMISE, KINDS } event_kind;

static const char *const kind_names[KINDS] = { "add", "rotate", "retire", "revoke", "compromise" };

/* One signature of an event. For key events its keyid must be right: then each is verified
 * at most once, however many keys there are. */
typedef struct event_sig {
    char keyid[65];
    bool is_known, is_good;
} event_sig;

typedef struct event {
    uint64_t   index, until;
    event_kind kind;
    bool       is_log, has_other, counted;
    pl_vkey    key, other; /* the successor; or the log key that a new one signs beside */
    char      *entry;
    size_t     n, nsigs;
    event_sig  sig[EVENT_SIGS_MAX];
} event;

/* What compromises said, found by one judgement and held against the next. */
typedef struct cap {
    pl_vkey  key;
    uint64_t to, by;
} cap;

struct pl_key_history {
    pl_vkey     root;
    size_t      nkeys, nevents, ncaps, bytes;
    pl_key_life life[PL_KEYS_MAX];
    pl_vkey     keys[PL_KEYS_MAX];
    event       events[PL_KEY_EVENTS_MAX];
    cap         caps[PL_KEYS_MAX];
};

/* --- reading events --------------------------------------------------------------------- */

/* "key-event/v1" as base64 has it inside, at each of the three alignments. */
int pl_key_event_maybe(pl_str entry)
{
    static const char *const parts[] = { "a2V5LWV2ZW50L3Yx", "tleS1ldmVudC92M", "rZXktZXZlbnQvdj" };

    for (size_t i = 0; i < 3; i++)
        if (memmem(entry.p, entry.n, parts[i], strlen(parts[i])) != NULL)
            return 1;
    return 0;
}

static pl_rc key_take(const json_t *predicate, const char *member, pl_vkey *out, pl_error *err)
{
    pl_str text;
    pl_rc  rc = pl_json_get_str(predicate, member, true, &text, err);

    return rc == PL_OK ? pl_vkey_parse(text, out, err) : rc;
}

static pl_rc kind_take(const json_t *predicate, event_kind *out, pl_error *err)
{
    pl_str text;
    pl_rc  rc = pl_json_get_str(predicate, "event", true, &text, err);

    for (event_kind k = ADD; rc == PL_OK && k < KINDS; k++)
        if (pl_str_eqz(text, kind_names[k])) {
            *out = k;
            return PL_OK;
        }
    return rc == PL_OK ? pl_fail(err, PL_INVALID, "field 'event' names no key event") : rc;
}

/* The first entry the key may no longer sign. Only a compromise reaches back. */
static pl_rc until_take(const json_t *predicate, event *e, pl_error *err)
{
    int64_t until = (int64_t)e->index + 1;
    pl_rc   rc = pl_json_get_int(predicate, "until", e->kind == COMPROMISE, &until, err);

    if (rc != PL_OK)
        return rc;
    if (until < 0 || (e->kind == COMPROMISE && (uint64_t)until > e->index + 1))
        return pl_fail(err, PL_INVALID, "field 'until' is later than the compromise itself");
    if (e->kind != COMPROMISE && (uint64_t)until <= e->index)
        return pl_fail(err, PL_INVALID, "field 'until' reaches back, which only a compromise may");
    e->until = (uint64_t)until;
    return PL_OK;
}

static pl_rc use_take(const json_t *predicate, event *e, pl_error *err)
{
    pl_str use = PL_STR("statements");
    pl_rc  rc = pl_json_get_str(predicate, "use", false, &use, err);

    if (rc != PL_OK)
        return rc;
    e->is_log = pl_str_eqz(use, "log");
    return e->is_log || pl_str_eqz(use, "statements")
               ? PL_OK
               : pl_fail(err, PL_INVALID, "field 'use' is neither 'log' nor 'statements'");
}

static pl_rc add_read(const json_t *predicate, event *e, pl_error *err)
{
    pl_rc rc = use_take(predicate, e, err);

    e->has_other = rc == PL_OK && json_object_get(predicate, "beside") != NULL;
    if (e->has_other)
        rc = key_take(predicate, "beside", &e->other, err);
    if (rc == PL_OK && e->has_other && (!e->is_log || strcmp(e->key.name, e->other.name) != 0))
        rc = pl_fail(err, PL_INVALID, "only log keys of one name sign beside each other");
    return rc;
}

static pl_rc predicate_read(const json_t *predicate, event *e, pl_error *err)
{
    pl_rc rc = kind_take(predicate, &e->kind, err);

    if (rc == PL_OK)
        rc = key_take(predicate, "vkey", &e->key, err);
    if (rc == PL_OK && e->kind == ADD)
        return add_read(predicate, e, err);
    if (rc == PL_OK && e->kind == ROTATE)
        rc = key_take(predicate, "successor", &e->other, err);
    if (rc == PL_OK && e->kind == ROTATE && strcmp(e->key.name, e->other.name) != 0)
        rc = pl_fail(err, PL_INVALID, "the successor of '%s' bears another name", e->key.name);
    return rc == PL_OK ? until_take(predicate, e, err) : rc;
}

static pl_rc statement_read(pl_str payload, event *e, pl_error *err)
{
    json_t *j = NULL;
    pl_str  type = PL_STR("");
    pl_rc   rc;

    if (pl_json_parse(payload, "statement", &j, NULL) != PL_OK ||
        pl_json_get_str(j, "predicateType", true, &type, NULL) != PL_OK ||
        !pl_str_eqz(type, PL_KEY_EVENT_TYPE)) {
        json_decref(j);
        return PL_NOTFOUND;
    }
    rc = predicate_read(json_object_get(j, "predicate"), e, err);
    json_decref(j);
    return rc;
}

static pl_rc sigs_read(const json_t *envelope, event *e, pl_error *err)
{
    const json_t *sigs = json_object_get(envelope, "signatures");

    if (json_array_size(sigs) > EVENT_SIGS_MAX)
        return pl_fail(err, PL_INVALID, "key event has more than %d signatures", EVENT_SIGS_MAX);
    for (size_t i = 0; i < json_array_size(sigs); i++) {
        pl_str keyid = PL_STR("");

        (void)pl_json_get_str(json_array_get(sigs, i), "keyid", false, &keyid, NULL);
        if (keyid.n == sizeof(e->sig[0].keyid) - 1)
            memcpy(e->sig[e->nsigs++].keyid, keyid.p, keyid.n);
    }
    return PL_OK;
}

pl_rc pl_key_history_put(pl_key_history *h, uint64_t index, pl_str entry, pl_error *err)
{
    event   e = { .index = index };
    pl_dsse d;
    json_t *j = NULL;
    pl_rc   rc;

    if (pl_dsse_read_unverified(entry, &d, &j, NULL) != PL_OK)
        return pl_fail(err, PL_NOTFOUND, "not an envelope");
    rc = statement_read((pl_str){ d.payload, d.payload_n }, &e, err);
    if (rc == PL_OK)
        rc = sigs_read(j, &e, err);
    json_decref(j);
    pl_dsse_done(&d);
    if (rc == PL_NOTFOUND)
        return pl_fail(err, PL_NOTFOUND, "not a key event");
    if (rc != PL_OK)
        return rc;
    if (h->nevents == PL_KEY_EVENTS_MAX || h->bytes + entry.n > EVENT_BYTES_MAX)
        return pl_fail(err, PL_LIMIT, "more than %d key events", PL_KEY_EVENTS_MAX);
    e.n = entry.n;
    e.entry = pl_str_dup(entry);
    if (e.entry == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    h->bytes += entry.n;
    h->events[h->nevents++] = e;
    return PL_OK;
}

/* --- judging ---------------------------------------------------------------------------- */

static pl_key_life *life_find(pl_key_history *h, const pl_vkey *k)
{
    for (size_t i = 0; i < h->nkeys; i++)
        if (pl_vkey_equal(&h->life[i].key, k))
            return &h->life[i];
    return NULL;
}

static bool is_alive(const pl_key_life *k, uint64_t index)
{
    return k != NULL && index >= k->from && index < k->to;
}

static bool signature_is_good(const event *e, const pl_vkey *k)
{
    pl_dsse d;

    if (pl_dsse_open((pl_str){ e->entry, e->n }, k, 1, &d, NULL) != PL_OK)
        return false;
    pl_dsse_done(&d);
    return true;
}

static bool signed_by(event *e, const pl_vkey *k)
{
    char keyid[65];

    pl_vkey_fingerprint(k, keyid);
    for (size_t i = 0; i < e->nsigs; i++) {
        event_sig *s = &e->sig[i];

        if (strcmp(s->keyid, keyid) != 0)
            continue;
        if (!s->is_known) {
            s->is_good = signature_is_good(e, k);
            s->is_known = true;
        }
        return s->is_good;
    }
    return false;
}

static bool signed_alive(event *e, const pl_key_life *k)
{
    return is_alive(k, e->index) && signed_by(e, &k->key);
}

static bool signed_by_log_but(pl_key_history *h, event *e, const pl_vkey *but)
{
    for (size_t i = 0; i < h->nkeys; i++)
        if (h->life[i].is_log && (but == NULL || !pl_vkey_equal(&h->life[i].key, but)) &&
            signed_alive(e, &h->life[i]))
            return true;
    return false;
}

static bool signed_by_log(pl_key_history *h, event *e)
{
    return signed_by_log_but(h, e, NULL);
}

/* A log key is ended by itself or by the key it was rotated to, never by a third. */
static bool signed_by_successor(pl_key_history *h, event *e)
{
    for (size_t i = 0; i < h->nevents && h->events[i].index < e->index; i++) {
        const event *r = &h->events[i];

        if (r->kind == ROTATE && r->counted && pl_vkey_equal(&r->key, &e->key) &&
            signed_alive(e, life_find(h, &r->other)))
            return true;
    }
    return false;
}

/* Both keys sign a rotation: so either of them, when trusted, leads to the other. */
static bool rotation_counts(pl_key_history *h, event *e)
{
    const pl_key_life *old = life_find(h, &e->key), *new = life_find(h, &e->other);

    if (!(old != NULL ? is_alive(old, e->index) : new != NULL && new->is_log))
        return false;
    return signed_by(e, &e->key) && signed_by(e, &e->other);
}

/* A log key vouches for another, which shows that it exists. When the new one is trusted and
 * says beside whom it signs, that leads to the older one. */
static bool addition_counts(pl_key_history *h, event *e)
{
    const pl_key_life *k = life_find(h, &e->key);

    if (!e->is_log)
        return signed_by_log(h, e);
    if (!signed_by(e, &e->key))
        return false;
    return signed_by_log_but(h, e, &e->key) ||
           (e->has_other && k != NULL && k->is_log && signed_by(e, &e->other));
}

static bool event_counts(pl_key_history *h, event *e)
{
    const pl_key_life *k = life_find(h, &e->key);

    if (e->kind == ROTATE)
        return rotation_counts(h, e);
    if (e->kind == ADD)
        return addition_counts(h, e);
    if (k == NULL)
        return false;
    if (k->is_log)
        return signed_alive(e, k) || signed_by_successor(h, e);
    /* Nobody takes back alone what was signed with a key: a compromise casts doubt on it. */
    return signed_by_log(h, e) || (e->kind != COMPROMISE && signed_alive(e, k));
}

static pl_rc life_add(pl_key_history *h, const pl_vkey *k, bool is_log, uint64_t from,
                      uint64_t known_by, pl_error *err)
{
    pl_key_life l = { .key = *k, .is_log = is_log, .from = from, .to = UINT64_MAX,
                      .known_by = known_by, .ended_by = PL_INDEX_NONE };

    if (h->nkeys == PL_KEYS_MAX)
        return pl_fail(err, PL_LIMIT, "more than %d keys", PL_KEYS_MAX);
    for (size_t i = 0; i < h->ncaps; i++)
        if (pl_vkey_equal(&h->caps[i].key, k)) {
            l.to = h->caps[i].to;
            l.ended_by = h->caps[i].by;
            (void)snprintf(l.end, sizeof(l.end), "%s", kind_names[COMPROMISE]);
        }
    h->life[h->nkeys++] = l;
    return PL_OK;
}

static void life_end(pl_key_life *k, const event *e)
{
    if (e->until >= k->to)
        return;
    k->to = e->until;
    k->ended_by = e->index;
    (void)snprintf(k->end, sizeof(k->end), "%s", kind_names[e->kind]);
}

static pl_rc rotation_apply(pl_key_history *h, const event *e, pl_error *err)
{
    pl_key_life *old = life_find(h, &e->key), *new = life_find(h, &e->other);
    bool         is_log = old != NULL ? old->is_log : new->is_log;
    pl_rc        rc = PL_OK;

    if (new == NULL)
        rc = life_add(h, &e->other, is_log, e->index, e->index, err);
    else if (old == NULL) { /* led backwards: the trusted key began here */
        new->from = e->index;
        new->known_by = e->index;
        rc = life_add(h, &e->key, is_log, 0, PL_INDEX_NONE, err);
    }
    if (rc == PL_OK)
        life_end(life_find(h, &e->key), e);
    return rc;
}

static pl_rc event_apply(pl_key_history *h, const event *e, pl_error *err)
{
    pl_key_life *k = life_find(h, &e->key);

    if (e->kind == ROTATE)
        return rotation_apply(h, e, err);
    if (e->kind != ADD) {
        life_end(k, e);
        return PL_OK;
    }
    if (k == NULL)
        return life_add(h, &e->key, e->is_log, e->index, e->index, err);
    if (!e->has_other || life_find(h, &e->other) != NULL)
        return PL_OK;
    k->from = e->index; /* led backwards: the trusted key began here */
    k->known_by = e->index;
    return life_add(h, &e->other, true, 0, PL_INDEX_NONE, err);
}

/* One judgement of all events with what is known of compromises so far. Passes go on until
 * nothing more counts: an event may be known to count only after a later one. */
static pl_rc judge(pl_key_history *h, pl_error *err)
{
    bool  more = true;
    pl_rc rc;

    h->nkeys = 0;
    for (size_t i = 0; i < h->nevents; i++)
        h->events[i].counted = false;
    rc = life_add(h, &h->root, true, 0, PL_INDEX_NONE, err);
    while (rc == PL_OK && more) {
        more = false;
        for (size_t i = 0; rc == PL_OK && i < h->nevents; i++) {
            event *e = &h->events[i];

            if (e->counted || !event_counts(h, e))
                continue;
            e->counted = more = true;
            rc = event_apply(h, e, err);
        }
    }
    return rc;
}

/* Whether the judgement found compromises that reach further back than was known. */
static bool caps_take(pl_key_history *h)
{
    bool more = false;

    for (size_t i = 0; i < h->nevents; i++) {
        const event *e = &h->events[i];
        size_t       at = 0;

        if (e->kind != COMPROMISE || !e->counted)
            continue;
        while (at < h->ncaps && !pl_vkey_equal(&h->caps[at].key, &e->key))
            at++;
        if (at == PL_KEYS_MAX || (at < h->ncaps && h->caps[at].to <= e->until))
            continue;
        h->caps[at] = (cap){ e->key, e->until, e->index };
        h->ncaps += at == h->ncaps;
        more = true;
    }
    return more;
}

/* An event that ended its key's own right to sign it still counts: it is how a key ends. */
static void ended_count(pl_key_history *h)
{
    for (size_t i = 0; i < h->nevents; i++)
        for (size_t c = 0; c < h->ncaps; c++)
            if (h->events[i].kind == COMPROMISE && h->caps[c].by == h->events[i].index)
                h->events[i].counted = true;
}

static void keys_list(pl_key_history *h)
{
    for (size_t i = 0; i < h->nkeys; i++)
        h->keys[i] = h->life[i].key;
}

pl_rc pl_key_history_resolve(pl_key_history *h, pl_error *err)
{
    pl_rc rc;

    h->ncaps = 0;
    do
        rc = judge(h, err);
    while (rc == PL_OK && caps_take(h));
    ended_count(h);
    if (rc != PL_OK) {
        h->nkeys = h->ncaps = 0;
        (void)life_add(h, &h->root, true, 0, PL_INDEX_NONE, NULL);
    }
    keys_list(h);
    return rc;
}

/* --- the object ------------------------------------------------------------------------- */

pl_rc pl_key_history_new(const pl_vkey *root, pl_key_history **out, pl_error *err)
{
    pl_key_history *h = calloc(1, sizeof(*h));

    if (h == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    h->root = *root;
    (void)pl_key_history_resolve(h, NULL); /* no events: nothing can fail */
    *out = h;
    return PL_OK;
}

void pl_key_history_free(pl_key_history *h)
{
    if (h == NULL)
        return;
    for (size_t i = 0; i < h->nevents; i++)
        free(h->events[i].entry);
    free(h);
}

pl_rc pl_key_history_event(const pl_key_history *h, uint64_t index, pl_error *err)
{
    for (size_t i = 0; i < h->nevents; i++)
        if (h->events[i].index == index)
            return h->events[i].counted
                       ? PL_OK
                       : pl_fail(err, PL_DENIED,
                                 "key event '%s' of '%s' is not signed by a key that may decide it",
                                 kind_names[h->events[i].kind], h->events[i].key.name);
    return pl_fail(err, PL_NOTFOUND, "no key event at this index");
}

size_t pl_key_history_count(const pl_key_history *h)
{
    return h->nkeys;
}

const pl_key_life *pl_key_history_get(const pl_key_history *h, size_t i)
{
    return &h->life[i];
}

const pl_vkey *pl_key_history_keys(const pl_key_history *h)
{
    return h->keys;
}

pl_rc pl_key_life_check(const pl_key_life *k, uint64_t index, pl_error *err)
{
    if (index < k->from)
        return pl_fail(err, PL_INVALID, "signed by key '%s' (%08x) before entry %llu made it known",
                       k->key.name, (unsigned)k->key.keyid, (unsigned long long)k->from);
    if (index >= k->to)
        return pl_fail(err, PL_INVALID,
                       "signed by key '%s' (%08x) though entry %llu ended it (%s) from entry %llu "
                       "on",
                       k->key.name, (unsigned)k->key.keyid, (unsigned long long)k->ended_by, k->end,
                       (unsigned long long)k->to);
    return PL_OK;
}

/* Why a note that no living log key signed is refused: the dead one that did, if any. */
static pl_rc nobody_alive(const pl_key_history *h, pl_str note, uint64_t index, const char *why,
                          pl_error *err)
{
    pl_checkpoint c;

    for (size_t i = 0; i < h->nkeys; i++)
        if (h->life[i].is_log && !is_alive(&h->life[i], index) &&
            pl_checkpoint_open(note, &h->keys[i], &c, NULL) == PL_OK)
            return pl_key_life_check(&h->life[i], index, err);
    return pl_fail(err, PL_INVALID, "%s", why);
}

static pl_rc size_read(pl_str note, uint64_t *size, pl_error *err)
{
    pl_note      *n = NULL;
    pl_checkpoint c;
    pl_rc         rc = pl_note_open(note, &n, err);

    if (rc == PL_OK)
        rc = pl_checkpoint_parse(n->text, &c, err);
    pl_note_free(n);
    if (rc == PL_OK)
        *size = c.size;
    return rc;
}

pl_rc pl_key_history_checkpoint(const pl_key_history *h, pl_str note, pl_checkpoint *out,
                                pl_error *err)
{
    pl_error why = { PL_INVALID, "no log key was alive at the size of the checkpoint" };
    uint64_t size = 0, index;
    pl_vkey *alive;
    size_t   n = 0;
    pl_rc    rc = size_read(note, &size, err);

    if (rc != PL_OK)
        return rc;
    alive = calloc(PL_KEYS_MAX, sizeof(*alive));
    if (alive == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    index = size > 0 ? size - 1 : 0;
    for (size_t i = 0; i < h->nkeys; i++)
        if (h->life[i].is_log && is_alive(&h->life[i], index))
            alive[n++] = h->keys[i];
    rc = n > 0 ? pl_checkpoint_open_any(note, alive, n, out, NULL, &why) : PL_INVALID;
    free(alive);
    return rc == PL_INVALID ? nobody_alive(h, note, index, why.text, err)
           : rc != PL_OK    ? pl_fail(err, rc, "%s", why.text)
                            : PL_OK;
}
