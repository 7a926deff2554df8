/* What a monitor remembers, in memory and as a file. */
#include "base/banned.h"

#include "base/file.h"
#include "base/str.h"
#include "cap/ledger/ledger_monitor.h"

#define MEMORY_MAX (4u << 20)
#define EVENT_MAX  8192 /* a key event with as many keys and signatures as it may have is smaller */

void pl_monitor_events_trim(monitor_memory *m, uint64_t size)
{
    while (m->events > 0 && m->event[m->events - 1].index >= size)
        free(m->event[--m->events].entry);
}

void pl_monitor_memory_done(monitor_memory *m)
{
    pl_monitor_events_trim(m, 0);
    free(m->event);
    m->event = NULL;
    free(m->note);
    m->note = NULL;
}

pl_rc pl_monitor_event_add(monitor_memory *m, uint64_t index, pl_str entry, pl_error *err)
{
    monitor_event *more;
    char          *copy;

    if (entry.n > EVENT_MAX || m->events == PL_KEY_EVENTS_MAX || !pl_key_event_maybe(entry))
        return PL_OK;
    copy = pl_str_dup(entry);
    more = copy ? realloc(m->event, (m->events + 1) * sizeof(*more)) : NULL;
    if (more == NULL) {
        free(copy);
        return pl_fail(err, PL_NOMEM, "out of memory");
    }
    m->event = more;
    more[m->events++] = (monitor_event){ index, copy, entry.n };
    return PL_OK;
}

pl_rc pl_monitor_history(const monitor_memory *m, const pl_vkey *key, pl_key_history **out,
                         pl_error *err)
{
    pl_key_history *h = NULL;
    pl_rc           rc = pl_key_history_new(key, &h, err);

    /* What is malformed changes nothing. */
    for (size_t i = 0; rc == PL_OK && i < m->events; i++)
        (void)pl_key_history_put(h, m->event[i].index,
                                 (pl_str){ m->event[i].entry, m->event[i].n }, NULL);
    if (rc == PL_OK)
        rc = pl_key_history_resolve(h, err);
    if (rc != PL_OK) {
        pl_key_history_free(h);
        return rc;
    }
    *out = h;
    return PL_OK;
}

static json_t *range_json(const pl_merkle_range *r)
{
    json_t *nodes = json_array();

    for (unsigned l = 0; l < 64; l++)
        if (r->size >> l & 1)
            (void)json_array_append_new(nodes, pl_hash_json(&r->node[l]));
    return json_pack("{s:I, s:o}", "size", (json_int_t)r->size, "nodes", nodes);
}

static pl_rc range_parse(const json_t *j, pl_merkle_range *out, pl_error *err)
{
    const json_t *nodes = json_object_get(j, "nodes");
    int64_t       size = 0;
    size_t        n = 0;
    pl_rc         rc = pl_json_get_int(j, "size", true, &size, err);

    pl_merkle_range_init(out);
    if (rc != PL_OK)
        return rc;
    if (size < 0)
        return pl_fail(err, PL_INVALID, "size is negative");
    out->size = (uint64_t)size;
    for (unsigned l = 0; l < 64; l++) {
        const char *hex;

        if (!(out->size >> l & 1))
            continue;
        hex = json_string_value(json_array_get(nodes, n++));
        if (hex == NULL || pl_hex_decode(pl_str_z(hex), out->node[l].b, 32, NULL) != PL_OK)
            return pl_fail(err, PL_INVALID, "a node is missing or no hash");
    }
    return json_array_size(nodes) == n ? PL_OK : pl_fail(err, PL_INVALID, "too many nodes");
}

/* The head it remembers must be one the log signed, and the nodes must have its root. */
static pl_rc memory_check(const monitor_memory *m, const pl_vkey *key, pl_error *err)
{
    pl_checkpoint   c;
    pl_key_history *h = NULL;
    pl_hash         root = pl_merkle_range_root(&m->seen);
    pl_rc           rc = pl_monitor_history(m, key, &h, err);

    if (rc == PL_OK)
        rc = pl_key_history_checkpoint(h, pl_str_z(m->note), &c, err);
    pl_key_history_free(h);

    if (rc == PL_OK && (c.size != m->seen.size || !pl_hash_equal(&c.root, &root)))
        rc = pl_fail(err, PL_INVALID, "its nodes do not have the root of its head");
    return rc;
}

static pl_rc event_parse(const json_t *j, monitor_memory *m, pl_error *err)
{
    pl_str  text = PL_STR("");
    int64_t index = 0;
    char   *entry = malloc(EVENT_MAX);
    size_t  n = 0;
    pl_rc   rc = entry ? pl_json_get_int(j, "index", true, &index, err)
                       : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc == PL_OK)
        rc = pl_json_get_str(j, "entry", true, &text, err);
    if (rc == PL_OK)
        rc = pl_base64_decode(text, (uint8_t *)entry, EVENT_MAX, &n, err);
    if (rc == PL_OK && (index < 0 || (m->events > 0 &&
                                      m->event[m->events - 1].index >= (uint64_t)index)))
        rc = pl_fail(err, PL_INVALID, "key events are out of order");
    if (rc == PL_OK)
        rc = pl_monitor_event_add(m, (uint64_t)index, (pl_str){ entry, n }, err);
    free(entry);
    return rc;
}

static pl_rc events_parse(const json_t *list, monitor_memory *m, pl_error *err)
{
    const json_t *j;
    size_t        i;
    pl_rc         rc = PL_OK;

    json_array_foreach(list, i, j)
        if (rc == PL_OK)
            rc = event_parse(j, m, err);
    return rc;
}

static json_t *events_json(const monitor_memory *m)
{
    json_t *list = json_array();

    for (size_t i = 0; i < m->events; i++) {
        pl_buf b = PL_BUF_INIT(2 * EVENT_MAX);

        pl_buf_base64(&b, m->event[i].entry, m->event[i].n);
        (void)json_array_append_new(list, json_pack("{s:I, s:s}", "index",
                                                    (json_int_t)m->event[i].index, "entry",
                                                    b.failed ? "" : b.p));
        pl_buf_done(&b);
    }
    return list;
}

static pl_rc memory_parse(const json_t *j, const pl_vkey *key, monitor_memory *out, pl_error *err)
{
    monitor_memory m = { .note = NULL };
    pl_str         note = PL_STR("");
    pl_rc          rc = pl_json_get_str(j, "checkpoint", true, &note, err);

    if (rc == PL_OK)
        rc = range_parse(json_object_get(j, "seen"), &m.seen, err);
    if (rc == PL_OK)
        rc = range_parse(json_object_get(j, "ahead"), &m.ahead, err);
    if (rc == PL_OK)
        rc = events_parse(json_object_get(j, "events"), &m, err);
    if (rc == PL_OK && note.n > 0) {
        m.note = pl_str_dup(note);
        rc = m.note ? memory_check(&m, key, err) : pl_fail(err, PL_NOMEM, "out of memory");
    }
    if (rc != PL_OK)
        pl_monitor_memory_done(&m);
    else
        *out = m;
    return rc;
}

pl_rc pl_monitor_memory_load(const char *path, const pl_vkey *key, monitor_memory *out,
                             pl_error *err)
{
    char    *text = NULL;
    size_t   n = 0;
    json_t  *j = NULL;
    pl_error why = { PL_OK, "" };
    pl_rc    rc = pl_file_read(path, MEMORY_MAX, &text, &n, err);

    if (rc != PL_OK)
        return rc;
    rc = pl_json_parse((pl_str){ text, n }, path, &j, &why);
    if (rc == PL_OK)
        rc = memory_parse(j, key, out, &why);
    json_decref(j);
    free(text);
    return rc == PL_OK ? rc : pl_fail(err, rc, "state file '%.100s': %.120s", path, why.text);
}

pl_rc pl_monitor_memory_save(const char *path, const monitor_memory *m, pl_error *err)
{
    json_t *j = json_pack("{s:i, s:s, s:o, s:o, s:o}", "version", 1, "checkpoint",
                          m->note ? m->note : "", "seen", range_json(&m->seen), "ahead",
                          range_json(&m->ahead), "events", events_json(m));
    char   *text = j ? pl_json_pretty(j) : NULL;
    pl_rc   rc = text ? pl_file_write_atomic(path, pl_str_z(text), 0644, err)
                      : pl_fail(err, PL_NOMEM, "out of memory");

    free(text);
    json_decref(j);
    return rc;
}

