/* Notices in documents: the explicit label of GB 45438-2025 5.1 where the text has a form, so that a
 * line of plain text at its head would not do: HTML, Markdown, Word, PDF.
 *
 * Everything else of the document stays byte by byte, as in every plan (media.h). The wording is the
 * caller's matter; it is escaped as the format wants. REQ: GB45438-2025/5.1
 */
#ifndef PL_ENGINE_MEDIA_NOTICE_H
#define PL_ENGINE_MEDIA_NOTICE_H

#include "engine/media/media.h"

typedef enum pl_notice_place {
    PL_NOTICE_START, /* above everything; PDF: at the top of the first page       */
    PL_NOTICE_END,   /* below everything; PDF: at the bottom of the first page    */
    PL_NOTICE_MARK   /* a raised "AI" behind the first heading or paragraph (5.1 c); not in PDF */
} pl_notice_place;

/* The notice drawn: what a PDF shows, as fonts need not be there. */
typedef struct pl_notice_picture {
    int            w, h;
    const uint8_t *grey, *alpha; /* w * h each */
    double         points;       /* height on the page, 1/72 inch */
} pl_notice_picture;

/* The document with the notice. picture: PDF only. PL_NOTFOUND: the format has no notices.
 * PL_INVALID: the document has no place for one. */
pl_rc pl_media_notice(pl_media *m, pl_str wording, pl_notice_place place,
                      const pl_notice_picture *picture, pl_media_plan **out, pl_error *err);

/* What people read of a scanned document, in the arena: text of HTML and Word, the notes on the first
 * page of a PDF. Empty for other formats. Text that a style hides is left out where the tag says so. */
pl_rc pl_media_shown_text(pl_media *m, pl_arena *a, pl_str *out, pl_error *err);
#endif
