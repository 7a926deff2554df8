/* Person names and postal addresses, in Chinese and English: a guess with a confidence.
 *
 * For whole text only. Findings are ordered by end, start, rule; score is calibrated: of the
 * findings with score s about s/10000 are right on the evaluation sets (docs/accuracy.md).
 */
#ifndef PL_ENGINE_TEXT_NAMES_H
#define PL_ENGINE_TEXT_NAMES_H

#include "engine/text/pii.h"

/* Reports rule[PL_PII_NAME] and rule[PL_PII_ADDRESS] where they are not OFF. */
void pl_names_scan(const pl_pii_config *c, pl_str text, pl_text_emit_fn emit, void *ctx);

#endif
