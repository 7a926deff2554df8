/* Labels on content. In this stage: text only; the container formats come with the
 * labelling capability proper. Rules: GB 45438-2025 5.1 (explicit text label). The
 * text rules themselves are engine/text/textlabel.h. */
#ifndef PL_LABEL_H
#define PL_LABEL_H

#include "cap/capability.h"

extern const pl_capability pl_cap_label;
#endif
