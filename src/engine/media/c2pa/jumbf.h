/* JUMBF (ISO/IEC 19566-5) boxes of a C2PA manifest store: a bounded reader and a writer.
 *
 * A superbox `jumb` has a description box `jumd` (type UUID, toggles, label, optional id, digest
 * and private box) and contents that are boxes again. Boxes live in the arena and point into the
 * parsed bytes. Thread rule: none shared.
 */
#ifndef PL_ENGINE_MEDIA_C2PA_JUMBF_H
#define PL_ENGINE_MEDIA_C2PA_JUMBF_H

#include "base/arena.h"
#include "base/buf.h"

#define JUMBF_DEPTH_MAX 32
#define JUMBF_BOXES_MAX 20000           /* in one parse */
#define JUMBF_STORE_MAX (64u << 20)     /* bytes of a store */

#define JUMBF_TYPE(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))
#define JUMBF_JUMB JUMBF_TYPE('j', 'u', 'm', 'b')
#define JUMBF_CBOR JUMBF_TYPE('c', 'b', 'o', 'r')
#define JUMBF_JSON JUMBF_TYPE('j', 's', 'o', 'n')
#define JUMBF_BROB JUMBF_TYPE('b', 'r', 'o', 'b')

typedef struct jumbf_box jumbf_box;
struct jumbf_box {
    uint32_t         type;     /* TBox */
    pl_str           payload;  /* after LBox, TBox and XLBox: what hashed URIs hash */
    /* Of superboxes: */
    uint8_t          uuid[16];
    pl_str           label;    /* empty when there is none */
    const jumbf_box *items;    /* contents, without the description */
    size_t           n;
};

/* One superbox, the whole of `bytes` (zero bytes after it are padding and allowed). PL_INVALID:
 * lengths that do not add up, no description, a label that is not text. PL_LIMIT. */
pl_rc pl_jumbf_parse(pl_str bytes, pl_arena *a, const jumbf_box **out, pl_error *err);
/* The child superbox with that label; NULL when absent. */
const jumbf_box *pl_jumbf_child(const jumbf_box *b, pl_str label);
/* The first four bytes of the type UUID are ASCII and the rest is the common JUMBF tail. */
bool pl_jumbf_is(const jumbf_box *b, const char code[4]);
/* The first content box of that type; NULL when absent. */
const jumbf_box *pl_jumbf_content(const jumbf_box *b, uint32_t type);

/* Writing: begin leaves room for the length, end fills it in. A superbox is begun with its
 * description: toggles 0x03 (requestable, label). The return value goes to the matching end. */
size_t pl_jumbf_super_begin(pl_buf *b, const char code[4], pl_str label);
size_t pl_jumbf_box_begin(pl_buf *b, uint32_t type);
void   pl_jumbf_end(pl_buf *b, size_t from);
#endif
