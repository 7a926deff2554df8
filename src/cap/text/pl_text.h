/* Reading text: `plumbline scan` over files, trees and archives; models that judge text.
 * The engine itself is include/plumbline/screen.h. */
#ifndef PL_TEXT_CAP_H
#define PL_TEXT_CAP_H

#include "cap/capability.h"

extern const pl_capability pl_cap_text;
#endif
