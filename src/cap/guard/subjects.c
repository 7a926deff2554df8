#include "base/banned.h"

#include "base/str.h"
#include "cap/guard/shared_file.h"
#include "cap/guard/subjects.h"

#include <stdatomic.h>
#include <sys/mman.h>

#define MAGIC         0x32425553534c50ull /* "PLSSUB2" */
#define NAME          "subjects.pls"
#define NEIGHBOURHOOD 32
#define WORDS         ((PL_SUBJECT_KEY + sizeof(subject_state)) / 8)
_Static_assert((PL_SUBJECT_KEY + sizeof(subject_state)) % 8 == 0, "an entry is whole words");

/* Two copies: seq says by its lowest bit which one holds, and is 0 in a slot that was never used. The
 * writer fills the other one and then moves seq, so that whoever is looked for is found whatever the
 * writer is in the middle of, or died in. Words are atomic one by one: no data race. */
typedef struct slot {
    _Atomic uint64_t seq;
    _Atomic uint64_t word[2][WORDS];
} slot;

typedef struct file {
    shared_head head;
    slot        slot[PL_SUBJECTS_SLOTS];
} file;

typedef struct entry {
    uint8_t       key[PL_SUBJECT_KEY];
    subject_state state;
} entry;
_Static_assert(sizeof(entry) == WORDS * 8, "an entry has no padding");

struct pl_subjects {
    file *map;
};

pl_rc pl_subjects_open(int dirfd, pl_subjects **out, pl_error *err)
{
    pl_subjects *t = calloc(1, sizeof *t);
    void        *map = NULL;
    pl_rc        rc = t ? shared_file_map(dirfd, NAME, MAGIC, PL_SUBJECTS_SLOTS, sizeof(file), &map, err)
                        : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc != PL_OK) {
        free(t);
        return rc;
    }
    t->map = map;
    *out = t;
    return PL_OK;
}

void pl_subjects_close(pl_subjects *t)
{
    if (!t)
        return;
    munmap(t->map, sizeof(file));
    free(t);
}

/* Keys are outputs of an HMAC: any of their bits will do. */
static size_t home(const uint8_t key[PL_SUBJECT_KEY])
{
    uint64_t h;

    memcpy(&h, key, sizeof h);
    return (size_t)(h % PL_SUBJECTS_SLOTS);
}

static slot *slot_at(const pl_subjects *t, size_t from, size_t i)
{
    return &t->map->slot[(from + i) % PL_SUBJECTS_SLOTS];
}

/* False: never used. Ends: a slot would have to be written again during every try, and there is one
 * writer for all of them. */
static bool slot_read(const slot *s, entry *out)
{
    uint64_t words[WORDS], before;

    do {
        before = atomic_load_explicit(&s->seq, memory_order_acquire);
        if (before == 0)
            return false;
        for (size_t i = 0; i < WORDS; i++)
            words[i] = atomic_load_explicit(&s->word[before & 1][i], memory_order_relaxed);
        atomic_thread_fence(memory_order_acquire);
        /* One move of seq leaves this copy alone; the second one may be filling it. */
    } while (atomic_load_explicit(&s->seq, memory_order_relaxed) != before);
    memcpy(out, words, sizeof *out);
    return true;
}

static void slot_write(slot *s, const entry *e)
{
    uint64_t words[WORDS], next = atomic_load_explicit(&s->seq, memory_order_relaxed) + 1;

    if (next == 0) /* only in a file with something else in it: 0 would mean that it was never used */
        next = 2;
    memcpy(words, e, sizeof *e);
    /* A reader that sees one of these words sees also that seq moved away from this copy. */
    atomic_thread_fence(memory_order_release);
    for (size_t i = 0; i < WORDS; i++)
        atomic_store_explicit(&s->word[next & 1][i], words[i], memory_order_relaxed);
    atomic_store_explicit(&s->seq, next, memory_order_release);
}

bool pl_subjects_find(const pl_subjects *t, const uint8_t key[PL_SUBJECT_KEY], subject_state *out)
{
    size_t from = home(key);

    for (size_t i = 0; i < NEIGHBOURHOOD; i++) {
        entry e;

        if (!slot_read(slot_at(t, from, i), &e)) /* slots are never emptied: nothing lies behind */
            return false;
        if (memcmp(e.key, key, PL_SUBJECT_KEY) == 0) {
            *out = e.state;
            return true;
        }
    }
    return false;
}

pl_rc pl_subjects_put(pl_subjects *t, const uint8_t key[PL_SUBJECT_KEY], const subject_state *s,
                      int64_t now_ms)
{
    size_t  from = home(key);
    slot   *place = NULL;
    int64_t oldest = INT64_MAX;
    entry   e;

    for (size_t i = 0; i < NEIGHBOURHOOD; i++) {
        slot *at = slot_at(t, from, i);

        if (!slot_read(at, &e)) {
            place = at;
            break;
        }
        if (memcmp(e.key, key, PL_SUBJECT_KEY) == 0) {
            place = at;
            break;
        }
        if (!people_is_held(&e.state, now_ms) && e.state.last_ms < oldest) {
            oldest = e.state.last_ms;
            place = at;
        }
    }
    if (!place)
        return PL_LIMIT;
    memcpy(e.key, key, PL_SUBJECT_KEY);
    e.state = *s;
    slot_write(place, &e);
    return PL_OK;
}
