/* The screen: everything one policy database looks for, as one scan or one stream.
 *
 * Immutable once opened and shared by any number of threads and processes; a
 * pl_screen_stream belongs to one thread.
 *
 * Findings of keywords and structured data are the same whether a text is scanned whole or
 * fed in pieces. Names, decoded forms and scores of the classifier exist for whole text
 * only: they judge a window that has ended (docs/design/002-text-engine.md).
 */
#ifndef PLUMBLINE_SCREEN_H
#define PLUMBLINE_SCREEN_H

#include <plumbline/policydb.h>
#include <plumbline/text.h>

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pl_screen pl_screen;

/* Opens the sections TEXT, PIID, NAME and MODL of a checked policy database in place; TEXT must
 * be there, and NAME where PIID asks for names or addresses. `db` (its image) must outlive the result. */
PL_API pl_rc pl_screen_open(const pl_policydb *db, pl_screen **out, pl_error *err);
PL_API void  pl_screen_free(pl_screen *s);
PL_API const pl_textdb *pl_screen_textdb(const pl_screen *s);
PL_API void pl_screen_now(pl_screen *s, int64_t now); /* pl_textdb_now of its database */

enum pl_screen_parts {
    PL_SCREEN_KEYWORDS = 1 << 0,
    PL_SCREEN_STRUCTURED = 1 << 1, /* personal and secret data                    */
    PL_SCREEN_NAMES = 1 << 2,      /* person names and postal addresses           */
    PL_SCREEN_DECODED = 1 << 3,    /* what is written encoded                     */
    PL_SCREEN_MODEL = 1 << 4,      /* classifier, over the whole text             */
    PL_SCREEN_ALL = 0x1f
};

/* Whole text. Findings come ordered by end, start, rule; non-zero from emit stops the scan,
 * which is no failure. Of each part only what the database holds runs. Memory is bounded by
 * the findings of one window (PL_SCREEN_WINDOW), whatever the size of the text.
 * PL_NOMEM: not all findings of a window could be kept; nothing of it was emitted. */
#define PL_SCREEN_WINDOW (256u << 10)
PL_API pl_rc pl_screen_scan(const pl_screen *s, pl_str text, unsigned parts, pl_text_emit_fn emit,
                            void *ctx, pl_error *err);

/* The classifier over a text that comes in pieces: judges the windows that are complete in `text`,
 * which begins at byte `at` of the whole, and all of it where it is the last piece. Gives the number
 * of bytes judged, which are not to come again; the others are, in front of the next piece. The
 * findings are those of pl_screen_scan. */
PL_API size_t pl_screen_model(const pl_screen *s, pl_str text, uint64_t at, bool is_last,
                              pl_text_emit_fn emit, void *ctx);

/* Keywords and structured data of a text that comes in pieces. The memory is the caller's
 * (8-aligned); done frees what long structured data needed and is due once per init. */
typedef struct pl_screen_stream pl_screen_stream;
PL_API size_t pl_screen_stream_size(void);
PL_API void   pl_screen_stream_init(pl_screen_stream *t, const pl_screen *s);
PL_API void   pl_screen_stream_done(pl_screen_stream *t);
PL_API void   pl_screen_stream_reset(pl_screen_stream *t);
PL_API void   pl_screen_stream_feed(pl_screen_stream *t, pl_str piece, pl_text_emit_fn emit,
                                    void *ctx);
PL_API void   pl_screen_stream_finish(pl_screen_stream *t, pl_text_emit_fn emit, void *ctx);
/* Bytes before this offset can no longer become part of a finding of the stream. */
PL_API uint64_t pl_screen_stream_safe(const pl_screen_stream *t);

#ifdef __cplusplus
}
#endif
#endif
