#include "base/banned.h"

#include "base/str.h"
#include "base/timefmt.h"
#include "cap/guard/gate_int.h"
#include "cap/guard/shared_file.h"

#include <sys/mman.h>

#define MAGIC 0x314e45504f4c50ull /* "PLOPEN1" */

/* Texts are zero-terminated, and empty where they do not fit. */
typedef struct open_note {
    _Atomic uint32_t used;
    uint32_t is_stream;
    int64_t  time_ms;
    char     id[32];
    char     surface[32];
    char     service[96];
    char     route[64];
    char     policy[128];
    char     policy_sha256[72];
} open_note;

struct open_file {
    shared_head head;
    open_note   note[PL_OPEN_SLOTS];
};

/* --- noting --------------------------------------------------------------------------- */

static void text_set(char *out, size_t size, pl_str s)
{
    size_t n = s.n < size ? s.n : 0;

    memcpy(out, s.p, n);
    out[n] = '\0';
}

uint32_t pl_gate_begin(pl_gate *g, const pl_event_begun *b)
{
    open_table *t = &g->open;
    open_note  *o;
    uint32_t    at;

    if (!t->file || t->free_n == 0)
        return 0;
    at = t->free[--t->free_n];
    o = &t->file->note[at];
    o->is_stream = b->is_stream;
    o->time_ms = b->time_ms;
    text_set(o->id, sizeof o->id, b->id);
    text_set(o->surface, sizeof o->surface, b->surface);
    text_set(o->service, sizeof o->service, b->service);
    text_set(o->route, sizeof o->route, b->route);
    text_set(o->policy, sizeof o->policy, b->policy);
    text_set(o->policy_sha256, sizeof o->policy_sha256, b->policy_sha256);
    atomic_store_explicit(&o->used, 1, memory_order_release);
    return at + 1;
}

void pl_gate_end(pl_gate *g, uint32_t begun)
{
    open_table *t = &g->open;

    if (begun == 0 || begun > PL_OPEN_SLOTS || !t->file)
        return;
    atomic_store_explicit(&t->file->note[begun - 1].used, 0, memory_order_release);
    t->free[t->free_n++] = (uint16_t)(begun - 1);
}

/* --- afterwards ------------------------------------------------------------------------- */

static void member(pl_buf *b, const char *name, const char *value)
{
    pl_buf_printf(b, ",\"%s\":\"", name);
    pl_buf_json(b, pl_str_z(value));
    pl_buf_putc(b, '"');
}

/* docs/formats/event.md; what only the worker knew is 0. */
static void leaf_write(const open_note *o, pl_buf *b)
{
    char time[25];

    pl_time_format(o->time_ms, time);
    pl_buf_puts(b, "{\"v\":1");
    member(b, "id", o->id);
    member(b, "time", time);
    pl_buf_puts(b, ",\"ms\":0");
    member(b, "service", o->service);
    member(b, "route", o->route);
    member(b, "surface", o->surface);
    pl_buf_puts(b, o->is_stream ? ",\"stream\":true" : ",\"stream\":false");
    member(b, "policy", o->policy);
    member(b, "policy_sha256", o->policy_sha256);
    pl_buf_puts(b, ",\"verdict\":\"error\",\"direction\":\"\",\"reason\":\"worker_lost\",\"status\":0,"
                   "\"upstream_status\":0,"
                   "\"input\":{\"bytes\":0,\"scanned\":0,\"ranges\":[],\"commitment\":\"\",\"findings\":[]},"
                   "\"outputs\":[],\"output\":{\"bytes\":0,\"scanned\":0,\"findings\":[]},\"label\":\"none\","
                   "\"unscreened\":0,\"end\":\"lost\"}");
}

/* The file outlived a process that may have died anywhere, so nothing in it is taken on trust. */
static bool is_sound(open_note *o)
{
    o->id[sizeof o->id - 1] = o->surface[sizeof o->surface - 1] = o->service[sizeof o->service - 1] = '\0';
    o->route[sizeof o->route - 1] = o->policy[sizeof o->policy - 1] = '\0';
    o->policy_sha256[sizeof o->policy_sha256 - 1] = '\0';
    return pl_id_valid(pl_str_z(o->id));
}

/* The note goes first: an exchange never has two events. */
static void put_lost(pl_gate *g, open_note *o)
{
    pl_buf   leaf = PL_BUF_INIT(PL_EVENT_MAX);
    pl_event e = { .time_ms = o->time_ms };

    atomic_store_explicit(&o->used, 0, memory_order_release);
    if (!is_sound(o))
        return;
    leaf_write(o, &leaf);
    e.id = pl_str_z(o->id);
    e.leaf = pl_buf_str(&leaf);
    if (leaf.failed || pl_gate_reserve(g) != PL_OK)
        pl_gate_count(g, PL_COUNT_LOST, 1);
    else
        pl_gate_put(g, &e);
    pl_buf_done(&leaf);
}

static void put_all_lost(pl_gate *g)
{
    for (size_t i = 0; i < PL_OPEN_SLOTS; i++)
        if (atomic_load_explicit(&g->open.file->note[i].used, memory_order_acquire))
            put_lost(g, &g->open.file->note[i]);
}

void gate_open_claim(pl_gate *g, int slot)
{
    open_table *t = &g->open;
    void       *map = NULL;
    char        name[32];

    snprintf(name, sizeof name, "open-%02d.plo", slot);
    *t = (open_table){ .file = NULL };
    if (shared_file_map(g->dirfd, name, MAGIC, PL_OPEN_SLOTS, sizeof(open_file), &map, NULL) != PL_OK)
        return;
    t->file = map;
    put_all_lost(g);
    for (size_t i = PL_OPEN_SLOTS; i-- > 0;)
        t->free[t->free_n++] = (uint16_t)i;
}

void gate_open_release(pl_gate *g)
{
    if (!g->open.file)
        return;
    for (size_t i = 0; i < PL_OPEN_SLOTS; i++)
        if (atomic_load_explicit(&g->open.file->note[i].used, memory_order_acquire)) {
            pl_gate_unreserve(g); /* the room that it had; put_lost takes it again */
            put_lost(g, &g->open.file->note[i]);
        }
    munmap(g->open.file, sizeof(open_file));
    g->open = (open_table){ .file = NULL };
}
