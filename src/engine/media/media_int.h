/* Shared by the .c files of engine/media only: the state of a scan and of a plan, and the
 * helpers that every format uses. */
#ifndef PL_ENGINE_MEDIA_INT_H
#define PL_ENGINE_MEDIA_INT_H

#include "base/str.h"
#include "engine/media/media.h"

#define WINDOW           (64u << 10) /* bytes read ahead                        */
#define PROBLEMS_MAX     32u
#define LABEL_VALUE_MAX  (1u << 20)  /* a label that is read; writers stay far below it */
#define INFLATE_RATIO    200u        /* reference §7 no. 5                      */

/* How a writer takes a label out that stands where it should not. */
typedef enum media_how {
    HOW_CUT,     /* the frame goes                                      */
    HOW_BLANK,   /* the payload becomes NULs, its size stays            */
    HOW_XMP,     /* the property is taken out of the packet `parent`    */
    HOW_FORMAT   /* the format's writer does it while it writes its own */
} media_how;

typedef struct media_own {
    media_how how;
    size_t    parent; /* HOW_XMP: index of the packet's item */
} media_own;

typedef struct media_ops media_ops;

struct pl_media {
    pl_media_io       io;
    pl_media_format   format;
    pl_media_state    state;
    unsigned          flags;
    pl_arena         *arena;
    pl_media_item    *item;
    media_own        *own;
    size_t            n, cap;
    pl_media_problem  problem[PROBLEMS_MAX];
    size_t            problems;
    uint64_t          walked; /* segments so far */
    bool              skipped; /* metadata that may hold a label was passed over */
    uint64_t          end;    /* where the primary content ends, io.size when unknown */
    uint8_t          *window;
    uint64_t          window_at;
    size_t            window_n;
    pl_rc             rc;     /* of the callback, or PL_NOMEM: ends everything */
    pl_error          error;
    void             *layout; /* what the format's writer wants to know again; in the arena */
};

/* One per format. plan is NULL for a format that is read only. */
struct media_ops {
    void (*scan)(pl_media *m);
    pl_rc (*plan)(pl_media *m, const pl_media_edit *e, pl_media_plan *p, pl_error *err);
};
const media_ops *media_ops_of(pl_media_format f);

/* --- reading: false when the bytes are not there (or m->rc is set) ------------------------- */

bool media_get(pl_media *m, uint64_t at, void *p, size_t n);
bool media_u8(pl_media *m, uint64_t at, uint8_t *v);
bool media_be16(pl_media *m, uint64_t at, uint16_t *v);
bool media_be32(pl_media *m, uint64_t at, uint32_t *v);
bool media_be64(pl_media *m, uint64_t at, uint64_t *v);
bool media_le16(pl_media *m, uint64_t at, uint16_t *v);
bool media_le32(pl_media *m, uint64_t at, uint32_t *v);
/* In the arena, NUL behind it. false also when longer than max. */
bool media_bytes(pl_media *m, uint64_t at, uint64_t n, size_t max, pl_str *out);
/* Counts one more segment; false (and LIMITED) when there are too many. */
bool media_step(pl_media *m);
/* Ends the walk: the first state that is not WHOLE stays. */
void media_stop(pl_media *m, pl_media_state s, const char *code, uint64_t at, const char *text);
void media_note(pl_media *m, const char *code, uint64_t at, const char *text);
/* Metadata of the file that is not read: the walk goes on, the file will be LIMITED at its end. */
void media_skip(pl_media *m, const char *code, uint64_t at, const char *text);
void media_nomem(pl_media *m);

/* --- items ---------------------------------------------------------------------------------- */

/* Appends one; NULL at the limit. The pointer holds until the next call. */
pl_media_item *media_add(pl_media *m, pl_media_kind kind, const char *carrier,
                         pl_media_range payload, pl_media_range frame);
void media_add_part(pl_media *m, pl_media_item *it, pl_media_range payload, pl_media_range frame);
/* Reads the parts' payloads into value. */
void media_load(pl_media *m, pl_media_item *it);
/* A piece of text under a name: a LABEL when name or text look like one, else a FIELD. Empty
 * text is kept for names with AIGC only. carrier_label names it when it is a label. */
pl_media_item *media_add_text(pl_media *m, const char *carrier, pl_str key, pl_str value,
                              pl_media_range payload, pl_media_range frame, media_how how);
/* The packet as an item, and what is in it: labels, creator tool, source type. */
void media_add_xmp(pl_media *m, const char *carrier, pl_media_range payload, pl_media_range frame,
                   unsigned flags);
/* The same for a packet whose bytes were decoded already. */
void media_add_xmp_bytes(pl_media *m, const char *carrier, pl_str packet, pl_media_range payload,
                         pl_media_range frame, unsigned flags);
/* A TIFF structure of n bytes at `at`: EXIF item and the items for its fields. `carrier` is
 * the static prefix "jpeg.exif". */
void media_add_exif(pl_media *m, const char *carrier, pl_media_range payload, pl_media_range frame);
void media_add_c2pa(pl_media *m, const char *carrier, pl_media_range payload, pl_media_range frame);
/* Index of the first item of that kind and carrier (NULL: any) inside the primary content, or
 * SIZE_MAX. */
size_t media_find(const pl_media *m, pl_media_kind kind, const char *carrier);

/* Name or value of an unnamespaced field that counts as an AIGC label (reference §3.2). */
bool media_looks_label(pl_str key, pl_str value);

/* The TIFF walk alone. base: offset that its pointers count from; n bytes belong to it. */
typedef struct media_tiff_entry {
    uint16_t tag, type;
    uint64_t count;
    uint64_t at, n;    /* of the value, in the file */
    uint64_t entry_at; /* of the entry itself       */
    unsigned ifd;      /* 0: IFD0, 1: thumbnail …, 100: Exif IFD, 200: others */
    bool     little, big;
} media_tiff_entry;
typedef struct media_tiff {
    uint64_t base, n;
    bool     little, big;   /* big: BigTIFF */
    uint64_t ifd0_at;       /* offset of IFD0 in the file, 0: none */
    uint64_t ifd0_pointer;  /* where its offset is stored          */
    bool (*emit)(pl_media *m, void *ctx, const media_tiff_entry *e);
    void *ctx;
} media_tiff;
bool media_tiff_walk(pl_media *m, media_tiff *t);
/* Items of one entry, for EXIF inside other formats and for TIFF itself. */
void media_tiff_item(pl_media *m, const char *carrier, const media_tiff_entry *e);

/* Inflates into the arena. raw: no zlib header. false: broken, or more than max. */
bool media_inflate(pl_media *m, pl_str in, bool raw, size_t max, pl_str *out);
/* Latin-1 or UTF-16 (big: byte order without a mark) to UTF-8, in the arena. */
bool media_latin1(pl_media *m, pl_str in, pl_str *out);
bool media_utf16(pl_media *m, pl_str in, bool big, pl_str *out);

/* "key=value" of a Vorbis comment block (FLAC, Ogg): LABEL and FIELD items. header: bytes of
 * the block from the vendor length on; at: their place in the file, for ranges. */
bool media_vorbis_scan(pl_media *m, const char *carrier, pl_str block, uint64_t at);
/* The block with AIGC= replaced. */
pl_rc media_vorbis_edit(pl_str block, pl_str label, pl_buf *out, pl_error *err);

/* ID3v2 tag at offset `at` (0 or behind a RIFF header): items. Gives its whole size. */
bool media_id3_scan(pl_media *m, uint64_t at, uint64_t limit, uint64_t *size);
pl_rc media_id3_edit(pl_media *m, const pl_media_edit *e, pl_media_plan *p, uint64_t at,
                     pl_error *err);

/* --- XMP (xmp.c) ------------------------------------------------------------------------------ */

#define PL_XMP_NS_TC260 "http://www.tc260.org.cn/ns/AIGC/1.0/"
#define PL_XMP_NS_IPTC  "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"

typedef struct xmp_visit {
    void *ctx;
    /* A property with text, "TC260:AIGC" by its usual prefix. wrong_ns: a label under another
     * namespace. */
    void (*property)(void *ctx, const char *name, pl_str value, bool wrong_ns);
} xmp_visit;
/* PL_INVALID: not well-formed, a DTD, too deep. What came before was visited. */
pl_rc media_xmp_visit(pl_str packet, const xmp_visit *v, pl_error *err);
/* The packet (empty: a new one) with the label put in (n 0: taken out) and the source type set
 * (NULL: as it is). keep_size: padded with blanks to its old size where it fits. */
pl_rc media_xmp_edit(pl_str packet, pl_str label, const char *source_type, bool keep_size,
                     pl_buf *out, pl_error *err);

/* --- plans (plan.c) --------------------------------------------------------------------------- */

typedef struct plan_op {
    uint64_t       at, n;   /* what goes from the file */
    const uint8_t *bytes;   /* what comes in its place */
    uint64_t       len;
    size_t         order;
    bool           is_c2pa;
    bool           after;   /* an insertion behind a box, not at its end inside it */
} plan_op;

struct pl_media_plan {
    pl_media      *m;
    pl_arena      *arena;
    plan_op       *op;
    size_t         ops, ops_cap;
    pl_media_span *span;
    size_t         spans;
    uint64_t       size;
    const char    *carrier;
    pl_media_range c2pa;
    pl_rc          rc; /* PL_NOMEM sticks */
};

/* A plan that `fill` makes with the operations below. */
typedef pl_rc (*plan_fill)(pl_media *m, pl_media_plan *p, void *ctx, pl_error *err);
pl_rc plan_build(pl_media *m, plan_fill fill, void *ctx, pl_media_plan **out, pl_error *err);

/* Bytes are copied. Operations may come in any order and must not overlap; several insertions
 * at one offset keep their order. */
void plan_replace(pl_media_plan *p, uint64_t at, uint64_t n, pl_str bytes);
void plan_replace_c2pa(pl_media_plan *p, uint64_t at, uint64_t n, pl_str bytes);
void plan_insert_after(pl_media_plan *p, uint64_t at, pl_str bytes);
void plan_be32(pl_media_plan *p, uint64_t at, uint32_t v);
void plan_le32(pl_media_plan *p, uint64_t at, uint32_t v);
void plan_blank(pl_media_plan *p, pl_media_range r); /* overwrites with NULs */
/* How many bytes the file grows by operations before offset `at`. */
int64_t plan_shift(const pl_media_plan *p, uint64_t at);
/* Takes out every label except items of the carrier `keep` (NULL: all go), by their `how`;
 * HOW_FORMAT ones are left. Labels outside the primary content stay as they are. */
pl_rc plan_drop_labels(pl_media_plan *p, const char *keep, pl_error *err);
/* Edits the XMP packets other than item `except` so that they hold no label. */
pl_rc plan_clean_xmp(pl_media_plan *p, size_t except, pl_error *err);
/* Cuts the frames of the C2PA store(s). */
void plan_cut_c2pa(pl_media_plan *p);
/* The new packet for the file's first XMP item; *index is SIZE_MAX when there was none. */
pl_rc plan_xmp(pl_media_plan *p, const pl_media_edit *e, const char *carrier, size_t *index,
               pl_buf *out, pl_error *err);

/* Big- and little-endian numbers into buffers. */
void buf_be16(pl_buf *b, uint32_t v);
void buf_be32(pl_buf *b, uint32_t v);
void buf_be64(pl_buf *b, uint64_t v);
void buf_le32(pl_buf *b, uint32_t v);

static inline pl_media_range range_of(uint64_t at, uint64_t n)
{
    return (pl_media_range){ at, n };
}
static inline uint32_t rd_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
static inline uint32_t rd_le32(const uint8_t *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}
static inline uint64_t rd_be64(const uint8_t *p)
{
    return (uint64_t)rd_be32(p) << 32 | rd_be32(p + 4);
}
uint32_t media_crc32(pl_str a); /* ISO 3309, as PNG and zip use it */

/* One per format file. */
extern const media_ops media_jpeg, media_png, media_webp, media_gif, media_tiff_ops, media_svg,
    media_bmp, media_heif, media_mp4, media_ebml, media_flv, media_avi, media_wav, media_mp3,
    media_flac, media_ogg, media_pdf, media_zip, media_html, media_markdown, media_txt, media_json;
/* Which of the zip-based formats; UNKNOWN when none. */
/* detect.c: whether bytes can be GB 18030 with characters beyond ASCII; is_cut: they go on. '<', '>',
 * quotes and blanks are never part of a longer character there, so tags are found as in UTF-8. */
bool media_is_gb18030(pl_str s, bool is_cut);
pl_media_format media_zip_kind(const pl_media_io *io);
/* After the walk: AMBIGUOUS when the file parses as another format as well. Not thorough: an archive
 * with a comment of more than 4 KiB behind it is not seen. */
void media_polyglot(pl_media *m, bool thorough);

#endif
