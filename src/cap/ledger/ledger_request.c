/* Requests: the same submission twice gives one entry.
 *
 * An entry made for a request carries the hash of the request's id, as a member of the envelope
 * that no signature covers and the leaf hash does. What identifies a submission is that member
 * with everything before the signature: producer, type and payload. The index of recent
 * submissions is made from the log when it is first needed, so no crash can part the two. It is
 * bounded: of two equal submissions with more entries between them, the second is a new one. */
#include "base/banned.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/str.h"
#include "cap/ledger/ledger_int.h"

#include <sys/stat.h>

#define REQUESTS_MAX  (1u << 16)     /* submissions remembered, and entries looked at for them */
#define REREAD_MAX    (256ll << 20)  /* bytes of bundles read for that                         */
#define MEMBER        ",\"request\":\""
#define MEMBER_BYTES  (sizeof(MEMBER) - 1 + 64 + 2)
#define NONE          UINT32_MAX

typedef struct request {
    pl_hash  key;
    uint64_t index;
    uint32_t next; /* in its chain */
} request;

struct request_index {
    uint64_t count; /* ever put in */
    uint32_t head[REQUESTS_MAX];
    request  slot[REQUESTS_MAX];
};

static uint32_t chain_of(const pl_hash *key)
{
    return ((uint32_t)key->b[0] | (uint32_t)key->b[1] << 8) % REQUESTS_MAX;
}

static const request *request_find(const request_index *x, const pl_hash *key)
{
    for (uint32_t i = x->head[chain_of(key)]; i != NONE; i = x->slot[i].next)
        if (pl_hash_equal(&x->slot[i].key, key))
            return &x->slot[i];
    return NULL;
}

static void slot_unlink(request_index *x, uint32_t at)
{
    uint32_t *i = &x->head[chain_of(&x->slot[at].key)];

    while (*i != at)
        i = &x->slot[*i].next;
    *i = x->slot[at].next;
}

static void request_put(request_index *x, const pl_hash *key, uint64_t index)
{
    uint32_t at = (uint32_t)(x->count % REQUESTS_MAX), chain = chain_of(key);

    if (request_find(x, key) != NULL)
        return; /* the first one counts */
    if (x->count >= REQUESTS_MAX)
        slot_unlink(x, at);
    x->slot[at] = (request){ *key, index, x->head[chain] };
    x->head[chain] = at;
    x->count++;
}

/* --- entries of requests --------------------------------------------------------------- */

/* What identifies the submission of an entry; false when it was not made for a request. */
static bool entry_key(pl_str entry, pl_hash *key)
{
    static const char sig[] = "\"sig\":\"";
    const char       *member, *end;
    uint8_t           id[32];
    pl_sha256         s;

    if (entry.n < MEMBER_BYTES)
        return false;
    member = entry.p + entry.n - MEMBER_BYTES;
    if (memcmp(member, MEMBER, sizeof(MEMBER) - 1) != 0 ||
        memcmp(entry.p + entry.n - 2, "\"}", 2) != 0 ||
        pl_hex_decode((pl_str){ member + sizeof(MEMBER) - 1, 64 }, id, sizeof(id), NULL) != PL_OK)
        return false;
    end = memmem(entry.p, (size_t)(member - entry.p), sig, sizeof(sig) - 1);
    if (end == NULL)
        return false;
    pl_sha256_init(&s);
    pl_sha256_update(&s, id, sizeof(id));
    pl_sha256_update(&s, entry.p, (size_t)(end - entry.p));
    pl_sha256_final(&s, key->b);
    return true;
}

/* The envelope with the member at its end. */
static pl_rc entry_make(pl_str envelope, pl_str id, pl_buf *out, pl_error *err)
{
    static const char domain[] = "plumbline.request.v1"; /* with its NUL */
    pl_sha256         s;
    uint8_t           hash[32];
    pl_hash           key;
    pl_rc             rc;

    if (id.n == 0 || id.n > PL_REQUEST_ID_MAX)
        return pl_fail(err, PL_INVALID, "request id has 0 or more than %d bytes",
                       PL_REQUEST_ID_MAX);
    if (envelope.n < 2 || envelope.p[envelope.n - 1] != '}')
        return pl_fail(err, PL_INVALID, "entry is not an envelope");
    pl_sha256_init(&s);
    pl_sha256_update(&s, domain, sizeof(domain));
    pl_sha256_update(&s, id.p, id.n);
    pl_sha256_final(&s, hash);
    pl_buf_put(out, (pl_str){ envelope.p, envelope.n - 1 });
    pl_buf_puts(out, MEMBER);
    pl_buf_hex(out, hash, sizeof(hash));
    pl_buf_puts(out, "\"}");
    rc = pl_buf_check(out, err);
    if (rc == PL_OK && !entry_key(pl_buf_str(out), &key))
        rc = pl_fail(err, PL_INVALID, "entry is not an envelope");
    return rc;
}

/* --- the index ------------------------------------------------------------------------- */

static void entries_learn(request_index *x, pl_str entries, uint64_t first, uint64_t count)
{
    pl_str  entry;
    pl_hash key;

    for (uint64_t i = 0; i < count && pl_bundle_take(&entries, &entry, NULL) == PL_OK; i++)
        if (entry_key(entry, &key))
            request_put(x, &key, first + i);
}

static long long bundle_bytes(const char *dir, uint64_t size, uint64_t n)
{
    char        rel[128], *path;
    struct stat st;
    long long   bytes = 0;

    pl_tile_path(-1, n, pl_tile_width(size, 0, n), rel, sizeof(rel));
    path = pl_path_join(dir, rel);
    if (path != NULL && stat(path, &st) == 0)
        bytes = st.st_size;
    free(path);
    return bytes;
}

/* Recent published entries. A bundle that cannot be read costs no more than a second entry. */
static void published_learn(request_index *x, const char *dir, uint64_t size)
{
    uint64_t  end = (size + PL_TILE_WIDTH - 1) / PL_TILE_WIDTH, n = end;
    long long left = REREAD_MAX;

    while (n > 0 && end - n < REQUESTS_MAX / PL_TILE_WIDTH && left > 0)
        left -= bundle_bytes(dir, size, --n);
    for (; n < end; n++) {
        char    *bytes = NULL;
        size_t   got = 0;
        unsigned width = 0;

        if (pl_bundle_read(dir, size, n, &bytes, &got, &width, NULL) == PL_OK)
            entries_learn(x, (pl_str){ bytes, got }, n * PL_TILE_WIDTH, width);
        free(bytes);
    }
}

/* With l->requesting held, so that no request is on its way, and publishing kept still. */
static pl_rc index_make(pl_ledger *l, pl_error *err)
{
    request_index *x = malloc(sizeof(*x));

    if (x == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    x->count = 0;
    for (size_t i = 0; i < REQUESTS_MAX; i++)
        x->head[i] = NONE;
    (void)pthread_mutex_lock(&l->publishing);
    published_learn(x, l->dir, l->record.size);
    (void)pl_ledger_lock(l);
    entries_learn(x, pl_buf_str(&l->held.entries), l->record.size, l->held.n);
    entries_learn(x, pl_buf_str(&l->pending.entries), l->record.size + l->held.n, l->pending.n);
    pl_ledger_unlock(l);
    (void)pthread_mutex_unlock(&l->publishing);
    l->requests = x;
    return PL_OK;
}

static pl_rc append_new(pl_ledger *l, pl_str entry, uint64_t *index, bool *is_new, pl_error *err)
{
    const request *known;
    pl_hash        key;
    pl_rc          rc = l->requests == NULL ? index_make(l, err) : PL_OK;

    if (rc != PL_OK)
        return rc;
    (void)entry_key(entry, &key);
    known = request_find(l->requests, &key);
    *is_new = known == NULL;
    if (known != NULL) {
        *index = known->index;
        return PL_OK;
    }
    rc = pl_ledger_append(l, &entry, 1, index, err);
    if (rc == PL_OK)
        request_put(l->requests, &key, *index);
    return rc;
}

/* REQ: evidence-ledger/7.9 REQ: evidence-ledger/7.19 */
pl_rc pl_ledger_append_once(pl_ledger *l, pl_str envelope, pl_str request_id, uint64_t *index,
                            bool *is_new, pl_error *err)
{
    pl_buf entry = PL_BUF_INIT(PL_LOG_ENTRY_MAX);
    pl_rc  rc = entry_make(envelope, request_id, &entry, err);

    if (rc == PL_OK && !l->writer)
        rc = pl_fail(err, PL_DENIED, "ledger is open for reading only");
    if (rc == PL_OK) {
        (void)pthread_mutex_lock(&l->requesting);
        rc = append_new(l, pl_buf_str(&entry), index, is_new, err);
        (void)pthread_mutex_unlock(&l->requesting);
    }
    pl_buf_done(&entry);
    return rc;
}
