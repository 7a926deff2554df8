/* A glance at a place where the units of a literal stand: most that is none of its entries is refused by it. */
#ifndef PL_ENGINE_TEXT_GLANCE_H
#define PL_ENGINE_TEXT_GLANCE_H

#include "engine/text/transcode.h"

/* Whether pl_decide refuses all entries of the literal at the cells from `from` on, as far as a glance can
 * tell: where it cannot, false. */
bool pl_glance_refuses(const pl_glance *g, const pl_units *u, uint32_t from);

#endif
