/* Shared by the files of this folder only.
 *
 * The tree of a document:
 *   {"template","pack","title","lang","time","missing": n,
 *    "subject": {"id","kind","title","version","ledger_index"},
 *    "notice": text or null,
 *    "sections": [{"title","text": text or null,
 *                  "fields": [{"label","value": text or null,"source": {"title","version","ledger_index"} or null}],
 *                  "table": {"caption","columns": […],"rows": [{"cells": [text or null …],"source"}]} or null}]} */
#ifndef PL_DISCLOSURE_INT_H
#define PL_DISCLOSURE_INT_H

#include "base/buf.h"
#include "cap/disclosure/pl_disclosure.h"

#define DISCLOSURE_MAX (16u << 20) /* bytes of a document */

/* --- templates ------------------------------------------------------------------------------ */

/* The template of this id below DIR/packs or the data directory. Strict; PL_INVALID names file and fault. */
pl_rc disclosure_template_load(const pl_instance *i, pl_str id, json_t **out, char pack[140], pl_error *err);
/* [{"id","kind","pack","zh","en"}] */
pl_rc disclosure_template_list(const pl_instance *i, json_t **out, pl_error *err);
pl_rc disclosure_template_check(const json_t *t, const char *where, pl_error *err);

/* --- documents -------------------------------------------------------------------------------- */

typedef struct disclosure_ask {
    pl_str      template_id, record;
    int64_t     version; /* 0: the newest */
    const char *lang;    /* "zh-CN" or "en" */
    int64_t     now_ms;
} disclosure_ask;
pl_rc disclosure_build(const pl_instance *i, pl_db *db, pl_arena *a, const disclosure_ask *ask, json_t **out,
                       pl_error *err);
/* What differs between two documents of one template:
 *   [{"section","label","before","after"}] */
pl_rc disclosure_diff(const json_t *before, const json_t *after, json_t **out, pl_error *err);

/* A value of a form's field as people read it; json_null when there is none. */
json_t *disclosure_value(pl_db *db, pl_arena *a, const char *lang, const json_t *field, const json_t *v);
/* The public notice of a published filing: what of it is public, as a document. */
pl_rc disclosure_notice(pl_db *db, pl_arena *a, pl_str filing, const char *lang, int64_t now_ms, json_t **out,
                        pl_error *err);
/* Text within HTML. */
void disclosure_html_escape(pl_buf *out, const char *z);
/* The beginning of a page, up to and including <main>; text is escaped. */
void disclosure_html_begin(const char *lang, const char *title, pl_buf *out);
pl_rc disclosure_register_page(pl_api_request *q, pl_api_reply *r, pl_error *err);
pl_rc disclosure_notice_get(pl_api_request *q, pl_api_reply *r, pl_error *err);

/* Words that drawings need, in the document's language. */
typedef enum disclosure_word { WORD_MISSING, WORD_LEDGER, WORD_VERSION, WORD_MADE, WORD_MISSING_COUNT,
                               WORD_CONTENTS } disclosure_word;
const char *disclosure_say(const json_t *doc, disclosure_word w);
/* Text of a member, "" when there is none. */
const char *disclosure_at(const json_t *o, const char *key);
/* "[12]", the entry of the ledger a value rests on; "" without one. Static buffer of the caller. */
const char *disclosure_entry(const json_t *source, char out[32]);

/* --- drawings ---------------------------------------------------------------------------------- */

pl_rc disclosure_html(const json_t *doc, pl_buf *out, pl_error *err);
pl_rc disclosure_markdown(const json_t *doc, pl_buf *out, pl_error *err);
pl_rc disclosure_docx(const json_t *doc, pl_buf *out, pl_error *err);
pl_rc disclosure_pdf(const json_t *doc, pl_buf *out, pl_error *err);

typedef struct disclosure_format {
    const char *name, *media_type;
    pl_rc (*draw)(const json_t *doc, pl_buf *out, pl_error *err);
} disclosure_format;
/* NULL: none of this name. */
const disclosure_format *disclosure_format_find(const char *name);

extern const pl_route disclosure_routes[];
extern const pl_cmd   disclosure_commands[];
#endif
