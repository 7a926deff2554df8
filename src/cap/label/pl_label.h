/* Labels on generated content: written into copies of files, read back from any file, judged. What is
 * in this folder and why: README.md. Containers and manifests are engine/media, the rules of text
 * labels engine/text/textlabel.h. */
#ifndef PL_LABEL_H
#define PL_LABEL_H

#include "cap/capability.h"

extern const pl_capability pl_cap_label;
#endif
