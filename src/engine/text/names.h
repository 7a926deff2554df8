/* Person names and postal addresses, in Chinese and English: a guess with a confidence.
 *
 * A first pass over the bytes looks for cues: a character that begins Chinese names (its pair with
 * the next one not known as a word), a capitalised word that is not known as a common one, a number
 * before a word, a house number behind a road. Only what stands around a cue is judged, by linear
 * models over hashed features:
 *   - Chinese names: every span of 1 to 12 characters that a cue can begin, by what it is made of and
 *     the three characters on either side; of spans that overlap the likeliest stays;
 *   - English names and addresses: every token around a cue is likely a name, an address or neither,
 *     and the likeliest sequence of the three is taken;
 *   - Chinese addresses: a grammar (province, city, district, road, number, room), whose score says
 *     how many of its levels are there.
 *
 * For whole text only. It is read in units of at most PL_MODEL_WINDOW bytes (pl_model_window), counted
 * from the beginning of the text; no finding lies across the end of one, a NUL or a byte that is not
 * UTF-8. Findings of one unit do not overlap. What is found does not depend on how the text is cut
 * for the rest of the screen.
 *
 * Scores: of the findings with score s about s/10000 are right on texts like those the model was
 * calibrated on (docs/accuracy/names.md says where that does not hold).
 *
 * An opened model is immutable and shared by any number of threads. Scanning allocates nothing.
 * Image: docs/formats/names.md.
 */
#ifndef PL_ENGINE_TEXT_NAMES_H
#define PL_ENGINE_TEXT_NAMES_H

#include "engine/text/model.h"
#include "engine/text/pii.h"

typedef struct pl_names pl_names;

/* `image` must outlive the result. PL_INVALID: malformed or damaged. */
pl_rc pl_names_open(pl_str image, pl_names **out, pl_error *err);
void  pl_names_free(pl_names *m);

/* Sets the least score that is reported, PL_PII_FLOOR to PL_SCORE_MAX, in an image that opens; kind is
 * PL_PII_NAME or PL_PII_ADDRESS. */
pl_rc pl_names_floor_set(void *image, size_t n, pl_pii_kind kind, unsigned floor, pl_error *err);

/* Reports rule[PL_PII_NAME] and rule[PL_PII_ADDRESS] where they are not OFF; ordered by end. */
void pl_names_scan(const pl_names *m, const pl_pii_config *c, pl_str text, pl_text_emit_fn emit,
                   void *ctx);

/* The same for the unit that begins at `from`, which is 0 or what an earlier call returned: offsets
 * are of the text. Returns the end of the unit. */
size_t pl_names_scan_unit(const pl_names *m, const pl_pii_config *c, pl_str text, size_t from,
                          pl_text_emit_fn emit, void *ctx);

#endif
