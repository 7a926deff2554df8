/* What is written encoded: HTML entities, percent-encoding, base64, backslash escapes, nested up
 * to a fixed depth. Each encoded run of a text is decoded into a bounded buffer with a map back,
 * and handed to a scanner; its findings are reported over the encoded bytes, with their form.
 */
#ifndef PL_ENGINE_TEXT_DECODE_H
#define PL_ENGINE_TEXT_DECODE_H

#include <plumbline/text.h>

#define PL_DECODE_DEPTH 3

/* Scans decoded text; the findings' offsets are of that text. */
typedef void (*pl_decode_scan_fn)(void *ctx, pl_str decoded, pl_text_emit_fn emit, void *emit_ctx);

/* Only findings that need decoding are emitted: those that lie in decoded bytes. Ordered by end,
 * start, rule. Work and memory are linear in the text. */
void pl_decode_scan(pl_str text, pl_decode_scan_fn scan, void *scan_ctx, pl_text_emit_fn emit,
                    void *ctx);

#endif
