/* Media containers: what a file is, where its metadata lies, and how a changed copy of it is
 * written without touching pixels or samples.
 *
 *   scan   walks the container once through a pread-like callback and lists what it found:
 *          labels, XMP, EXIF, fields of text, the C2PA manifest store, each with byte ranges;
 *   plan   describes a new file as a list of spans, "copy these bytes" or "these new bytes";
 *   the caller streams the plan to its output, or reads it as if it were a file already.
 *
 * Nothing here opens files, reads clocks or keeps global state. A file of any size is read in
 * pieces; memory is bounded by PL_MEDIA_MEMORY_MAX whatever the file declares. Lengths in a
 * file are compared with the bytes that remain, never added first.
 *
 * A broken file is not an error: the scan keeps what it found before the fault and says so
 * (pl_media_state, pl_media_problem). Only the callback's own failures and lack of memory are.
 * A plan, however, is refused (PL_INVALID) for a file that was not walked to its end.
 *
 * Objects belong to one thread. Carriers and positions: TC260-PG-20257A, -20258A, -20259A,
 * -202510A as collected in docs/formats/label-carriers.md; C2PA 2.x for the manifest store.
 */
#ifndef PL_ENGINE_MEDIA_MEDIA_H
#define PL_ENGINE_MEDIA_MEDIA_H

#include "base/arena.h"
#include "base/buf.h"
#include <stdbool.h>

#define PL_MEDIA_MEMORY_MAX (96u << 20) /* of one scan or plan                          */
#define PL_MEDIA_VALUE_MAX  (4u << 20)  /* one piece of metadata that is kept in memory */
#define PL_MEDIA_ITEMS_MAX  4096u       /* found things of one file                     */
#define PL_MEDIA_DEPTH_MAX  32u         /* boxes in boxes, lists in lists               */
#define PL_MEDIA_WALK_MAX   (4u << 20)  /* segments, chunks, boxes of one file          */

/* --- reading -------------------------------------------------------------------------- */

/* A file of known size. read fills p with exactly n bytes from offset at; the caller never
 * asks beyond size. Its failure is the scan's failure. */
typedef struct pl_media_io {
    void    *ctx;
    uint64_t size;
    pl_rc (*read)(void *ctx, uint64_t at, void *p, size_t n, pl_error *err);
} pl_media_io;

/* Bytes in memory as a file. The bytes must outlive what reads them. */
pl_media_io pl_media_io_of(const pl_str *bytes);

typedef struct pl_media_range {
    uint64_t at, n;
} pl_media_range;

/* --- what a file is ------------------------------------------------------------------- */

typedef enum pl_media_format {
    PL_MEDIA_UNKNOWN,
    PL_MEDIA_JPEG, PL_MEDIA_PNG, PL_MEDIA_WEBP, PL_MEDIA_GIF, PL_MEDIA_TIFF, PL_MEDIA_SVG,
    PL_MEDIA_BMP, PL_MEDIA_HEIC, PL_MEDIA_AVIF,
    PL_MEDIA_MP4, PL_MEDIA_MOV, PL_MEDIA_M4A, PL_MEDIA_MKV, PL_MEDIA_WEBM, PL_MEDIA_FLV,
    PL_MEDIA_AVI, PL_MEDIA_WAV, PL_MEDIA_MP3, PL_MEDIA_FLAC, PL_MEDIA_OGG, PL_MEDIA_OPUS,
    PL_MEDIA_PDF, PL_MEDIA_DOCX, PL_MEDIA_XLSX, PL_MEDIA_PPTX, PL_MEDIA_EPUB, PL_MEDIA_OFD,
    PL_MEDIA_HTML, PL_MEDIA_MARKDOWN, PL_MEDIA_TXT, PL_MEDIA_JSON,
    PL_MEDIA_FORMATS
} pl_media_format;

/* "jpeg", "docx" …: the `format` of reports. Static storage. */
const char *pl_media_format_name(pl_media_format f);
/* "image/jpeg" … Static storage. */
const char *pl_media_format_type(pl_media_format f);
/* By the first bytes; `name` (may be NULL) decides only between kinds of text. */
pl_rc pl_media_detect(const pl_media_io *io, const char *name, pl_media_format *out, pl_error *err);

/* --- what was found ------------------------------------------------------------------- */

typedef enum pl_media_kind {
    PL_MEDIA_LABEL, /* the text of an AIGC carrier, or of a field that looks like one       */
    PL_MEDIA_XMP,   /* a packet, as UTF-8                                                   */
    PL_MEDIA_EXIF,  /* a TIFF structure; its text fields follow as FIELD items              */
    PL_MEDIA_IPTC,  /* raw IIM                                                              */
    PL_MEDIA_FIELD, /* key and value in UTF-8: software, comments, generation parameters    */
    PL_MEDIA_C2PA   /* a manifest store; value holds its bytes, put together                */
} pl_media_kind;

enum pl_media_item_flags {
    PL_MEDIA_OUTSIDE = 1 << 0,    /* behind the end of the image, or in a thumbnail          */
    PL_MEDIA_TOO_LONG = 1 << 1,   /* longer than PL_MEDIA_VALUE_MAX: value is empty          */
    PL_MEDIA_PACKED = 1 << 2,     /* stored compressed or in another character set           */
    PL_MEDIA_CUT = 1 << 3,        /* the file ends inside it                                 */
    PL_MEDIA_MISPLACED = 1 << 4,  /* a carrier that the guides do not name for this format   */
    PL_MEDIA_OLDER = 1 << 5       /* an earlier revision (PDF), shown but not in force       */
};

/* Where an item lies: its bytes, and the whole structure that carries them (segment, chunk,
 * box …) which goes when the item goes. In file order; several for split items. */
typedef struct pl_media_part {
    pl_media_range payload, frame;
} pl_media_part;

typedef struct pl_media_item {
    pl_media_kind kind;
    const char   *carrier; /* "png.itxt.xmp", "mp4.keys", "id3.txxx" … Static storage      */
    pl_str        key;     /* FIELD and LABEL: its name, as UTF-8                          */
    pl_str        value;   /* decoded; borrowed from the scan                              */
    unsigned      flags;
    size_t        parts_n;
    pl_media_part *parts;  /* borrowed from the scan; none for what lies inside compressed data */
} pl_media_item;

typedef enum pl_media_state {
    PL_MEDIA_WHOLE,     /* walked to the end                                             */
    PL_MEDIA_TRUNCATED, /* the file ends before its structure does                       */
    PL_MEDIA_MALFORMED, /* a rule of the format is broken in a way that ends the walk    */
    PL_MEDIA_LIMITED,   /* one of the bounds above ended the walk                        */
    PL_MEDIA_ENCRYPTED, /* cannot be read without a key                                  */
    PL_MEDIA_AMBIGUOUS, /* more than one format parses: readers will disagree            */
    PL_MEDIA_UNSUPPORTED/* a variant that is recognised and not read (ID3v2.2 …)         */
} pl_media_state;

/* A deviation that was noticed on the way. */
typedef struct pl_media_problem {
    const char *code; /* "png.crc", "riff.size" … Static storage */
    uint64_t    at;
    const char *text; /* English, static */
} pl_media_problem;

typedef struct pl_media pl_media;

/* Scans the file. `name` as for detect. *io is copied; its ctx must outlive the result.
 * PL_MEDIA_QUICK leaves out values of C2PA stores and what lies behind the picture data
 * where the format says that metadata comes first. */
enum pl_media_scan_flags { PL_MEDIA_QUICK = 1 << 0 };
pl_rc pl_media_scan(const pl_media_io *io, const char *name, unsigned flags, pl_media **out,
                    pl_error *err);
void  pl_media_free(pl_media *m);

pl_media_format         pl_media_format_of(const pl_media *m);
pl_media_state          pl_media_state_of(const pl_media *m);
const char             *pl_media_state_name(pl_media_state s);
size_t                  pl_media_items(const pl_media *m);
const pl_media_item    *pl_media_item_get(const pl_media *m, size_t i); /* i below the count */
size_t                  pl_media_problems(const pl_media *m);
const pl_media_problem *pl_media_problem_get(const pl_media *m, size_t i);
/* The file that was scanned. */
const pl_media_io *pl_media_io_get(const pl_media *m);

/* --- writing -------------------------------------------------------------------------- */

/* What the new file shall hold. Everything not named stays as it is, byte by byte.
 *
 * label: the bare JSON of GB 45438-2025 annex E ({"Label":…}). It is written to the one
 *        carrier that the guides name for the format, and every other carrier of a label that
 *        the scan found inside the file goes: replaced, never appended. Where the carrier is
 *        XMP, the property is replaced inside the packet that is there.
 * source_type: URI for Iptc4xmpExt:DigitalSourceType, where the format has XMP; NULL: as is.
 * c2pa:  a manifest store. With one of N zero bytes and one of N real bytes the layout is the
 *        same: plan, hash the plan without pl_media_plan_c2pa, sign, plan again.
 * drop_c2pa: takes a store out (a copy whose manifest became invalid by the change). */
typedef struct pl_media_edit {
    pl_str label;            /* n 0: labels stay                        */
    pl_str c2pa;             /* n 0: the store stays, or goes           */
    const char *source_type;
    bool   drop_c2pa;
} pl_media_edit;

typedef struct pl_media_span {
    uint64_t       out;   /* offset in the new file                  */
    uint64_t       n;
    const uint8_t *bytes; /* new bytes, or NULL: copy from `from`     */
    uint64_t       from;
} pl_media_span;

typedef struct pl_media_plan pl_media_plan;

/* PL_INVALID with what to do: the file cannot carry it or was not whole. PL_NOTFOUND: the
 * format has no carrier of that kind. PL_LIMIT: too large for its carrier. The scan must
 * outlive the plan. A plan depends on the file and the edit alone. */
pl_rc pl_media_plan_new(pl_media *m, const pl_media_edit *e, pl_media_plan **out, pl_error *err);
void  pl_media_plan_free(pl_media_plan *p);
uint64_t             pl_media_plan_size(const pl_media_plan *p);
size_t               pl_media_plan_spans(const pl_media_plan *p);
const pl_media_span *pl_media_plan_span(const pl_media_plan *p, size_t i); /* ordered, gapless */
/* Where the label went: carrier as in items. Static storage. */
const char *pl_media_plan_carrier(const pl_media_plan *p);
/* Range of the manifest store in the new file, framing included: what a c2pa.hash.data
 * assertion excludes. n 0: there is none. */
pl_media_range pl_media_plan_c2pa(const pl_media_plan *p);
/* The new file as if it were written already. The plan must outlive it. */
pl_media_io pl_media_plan_io(const pl_media_plan *p);
/* True when every copied byte keeps its offset: only the new spans need be written. */
bool pl_media_plan_in_place(const pl_media_plan *p);

#endif
