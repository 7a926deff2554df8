/* PDF (ISO 32000-1) as far as metadata needs it: cross-references, objects, dictionaries. */
#ifndef PL_ENGINE_MEDIA_PDF_H
#define PL_ENGINE_MEDIA_PDF_H

#include "engine/media/media_int.h"

#define PDF_REVISIONS_MAX 256u
#define PDF_OBJECT_MAX    (1u << 20)  /* of a dictionary */
#define PDF_STREAM_MAX    (16u << 20) /* unpacked */

/* One cross-reference section, table or stream. */
typedef struct pdf_section {
    uint64_t at;       /* in the file */
    pl_str   trailer;  /* "<<…>>" */
    bool     is_stream;
    pl_str   data;     /* stream: unpacked entries; table: text of the subsections */
    unsigned w[3];
    pl_str   index;    /* stream: the /Index array, empty: whole */
} pdf_section;

typedef struct pdf_file {
    uint64_t    base;  /* where %PDF- stands: offsets count from there */
    pdf_section section[PDF_REVISIONS_MAX];
    size_t      sections; /* newest first */
    bool        found_end; /* startxref was there */
} pdf_file;

bool pdf_open(pl_media *m, pdf_file *f);

/* --- syntax: all over bytes in memory, all bounded ---------------------------------------- */

/* Over blanks and comments; over one token: name, number, keyword, string, or a bracket alone. */
void pdf_skip(pl_str s, size_t *at);
bool pdf_token(pl_str s, size_t *at);
bool pdf_digits(pl_str s);
/* The object that begins at *at (blanks and comments before it are passed), as raw bytes; *at
 * moves behind it. A reference "1 0 R" is one object. false: no object, or nested too deep. */
bool     pdf_object(pl_str s, size_t *at, pl_str *out);
/* Value of a key of "<<…>>"; empty when absent. */
pl_str   pdf_get(pl_str dict, const char *key);
/* Calls back for every pair. */
void     pdf_each(pl_str dict, void (*fn)(void *ctx, pl_str key, pl_str value), void *ctx);
bool     pdf_is_ref(pl_str v, uint32_t *number);
bool     pdf_uint(pl_str v, uint64_t *out);
/* A text string, literal or hexadecimal, as UTF-8 in the arena. */
bool     pdf_text(pl_media *m, pl_str v, pl_str *out);
/* "/Na#6De" without slash and escapes, in the arena. */
pl_str   pdf_name(pl_media *m, pl_str v);

/* --- objects ---------------------------------------------------------------------------------- */

typedef struct pdf_found {
    pl_str   value;   /* the dictionary, or whatever the object is */
    uint64_t at;      /* of "n g obj" in the file; 0: inside an object stream */
    uint64_t data_at; /* of a stream's bytes; 0: none */
} pdf_found;
/* Object `number` as of section `from` and older. */
bool pdf_find(pl_media *m, const pdf_file *f, size_t from, uint32_t number, pdf_found *out);
/* v itself, or what it refers to. */
bool pdf_resolve(pl_media *m, const pdf_file *f, size_t from, pl_str v, pdf_found *out);
/* Bytes of a stream, unpacked. raw: their range when they are not packed (n 0 otherwise). */
bool pdf_stream(pl_media *m, const pdf_file *f, size_t from, const pdf_found *o, pl_str *out,
                pl_media_range *raw);

/* --- writing: pdf_update.c ----------------------------------------------------------------------- */

#define PDF_UPDATE_MAX 16 /* objects of one update */

typedef struct pdf_update_entry {
    uint32_t number;
    uint64_t at; /* counted from the document's start */
} pdf_update_entry;

typedef struct pdf_update {
    pl_media        *m;
    const pdf_file  *f;
    pl_buf           out;
    size_t           gap_at, gap; /* where bytes go in that the plan marks as a manifest store */
    uint32_t         next;        /* number of the next new object */
    pdf_update_entry object[PDF_UPDATE_MAX + 1]; /* and the section itself */
    size_t           n;
} pdf_update;

/* After begin, objects are written to u->out: a number of pdf_update_new, or that of an object that
 * is to be replaced, announced with pdf_update_object, which also writes "n 0 obj". end writes the
 * cross-references and puts all into the plan; it ends the update in any case. */
pl_rc    pdf_update_begin(pdf_update *u, pl_media *m, const pdf_file *f, pl_error *err);
uint32_t pdf_update_new(pdf_update *u);
void     pdf_update_object(pdf_update *u, uint32_t number);
/* The n bytes of `gap` that end is given go here; once at most. */
void     pdf_update_gap(pdf_update *u, size_t n);
pl_rc    pdf_update_end(pdf_update *u, pl_str gap, pl_media_plan *p, pl_error *err);

/* pdf_manifest.c: puts the manifest store of the edit into a plan, or takes it out. */
pl_rc pdf_plan_manifest(pl_media *m, const pdf_file *f, const pl_media_edit *e, pl_media_plan *p,
                        pl_error *err);
/* pdf_notice.c: the dictionary of the first page. */
bool  pdf_first_page(pl_media *m, const pdf_file *f, pl_str *dict);
/* A notice on it. */
struct pl_notice_picture;
pl_rc pdf_plan_notice(pl_media *m, pl_str wording, bool at_top, const struct pl_notice_picture *k,
                      pl_media_plan *p, pl_error *err);

#endif
