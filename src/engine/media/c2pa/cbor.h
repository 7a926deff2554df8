/* CBOR (RFC 8949) as C2PA and COSE use it. Pure: bytes in, a tree of views out.
 *
 * Own subset instead of libcbor, because a manifest is signed as bytes and comes from strangers:
 *   - every item keeps the bytes it was read from (`raw`), which is what is hashed and signed;
 *   - all memory comes from the caller's arena, and no declared count reserves more than the
 *     bytes that are there could hold;
 *   - duplicate keys, text that is not UTF-8, trailing bytes and more than CBOR_DEPTH_MAX levels
 *     are refused, as C2PA 2.x 15.10.1 (claim.cbor.invalid) wants; libcbor accepts them.
 * Reading accepts any length of integer and indefinite lengths (files in the wild have them);
 * writing gives the deterministic encoding of RFC 8949 4.2.1 as long as the caller writes the
 * keys of a map in the order pl_cbor_is_deterministic checks.
 *
 * Items live in the arena and point into the parsed bytes. Thread rule: none shared.
 */
#ifndef PL_ENGINE_MEDIA_C2PA_CBOR_H
#define PL_ENGINE_MEDIA_C2PA_CBOR_H

#include "base/arena.h"
#include "base/buf.h"

#define CBOR_DEPTH_MAX 32
#define CBOR_ITEMS_MAX 100000 /* in one parse */
#define CBOR_KEYS_MAX  4096   /* of one map: every pair is compared */

typedef enum cbor_kind {
    CBOR_UINT,
    CBOR_NINT, /* the number is -1 - value */
    CBOR_BYTES,
    CBOR_TEXT,
    CBOR_ARRAY,
    CBOR_MAP,
    CBOR_TAG,
    CBOR_SIMPLE, /* value 20 false, 21 true, 22 null, 23 undefined */
    CBOR_FLOAT   /* value: the bits of the double */
} cbor_kind;

typedef struct cbor_item cbor_item;
struct cbor_item {
    cbor_kind        kind;
    uint64_t         value; /* of integers, simples, floats; the number of a tag */
    pl_str           str;   /* of CBOR_BYTES and CBOR_TEXT */
    const cbor_item *items; /* array: n; map: n pairs key, value; tag: one */
    size_t           n;
    pl_str           raw;   /* as encoded */
};

/* The one item that `bytes` holds. PL_INVALID: not CBOR as described above. PL_LIMIT: too deep
 * or too much. */
pl_rc pl_cbor_parse(pl_str bytes, pl_arena *a, const cbor_item **out, pl_error *err);
/* The value of a text key; NULL when item is NULL, no map, or has no such key. */
const cbor_item *pl_cbor_get(const cbor_item *map, const char *key);
/* The same for an integer label (negative as COSE counts: -1 is the first). */
const cbor_item *pl_cbor_get_int(const cbor_item *map, int64_t label);
/* The text or bytes of an item, the empty view for NULL and other kinds. */
pl_str pl_cbor_text(const cbor_item *item);
pl_str pl_cbor_bytes(const cbor_item *item);
/* false: NULL or not a number in the range. */
bool   pl_cbor_u64(const cbor_item *item, uint64_t *out);
bool   pl_cbor_int(const cbor_item *item, int64_t *out);
/* The item within any number of tags. */
const cbor_item *pl_cbor_untag(const cbor_item *item);
/* Shortest numbers, definite lengths, keys in bytewise order of their encoding. */
bool   pl_cbor_is_deterministic(const cbor_item *item);

/* Writing; the buffer's sticky failure tells. */
void pl_cbor_put_int(pl_buf *b, int64_t v);
void pl_cbor_put_bytes(pl_buf *b, pl_str s);
void pl_cbor_put_text(pl_buf *b, pl_str s);
void pl_cbor_put_textz(pl_buf *b, const char *z);
void pl_cbor_put_array(pl_buf *b, size_t n);
void pl_cbor_put_map(pl_buf *b, size_t pairs);
void pl_cbor_put_tag(pl_buf *b, uint64_t tag);
void pl_cbor_put_bool(pl_buf *b, bool v);
void pl_cbor_put_null(pl_buf *b);
/* The head of a byte string of n bytes that the caller appends. */
void pl_cbor_put_bytes_head(pl_buf *b, size_t n);
#endif
