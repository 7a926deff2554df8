/* Puts the entries of a lexicon pack into a text database that is being built. */
#ifndef PL_CAP_GUARD_POLICY_LEXICON_H
#define PL_CAP_GUARD_POLICY_LEXICON_H

#include "cap/pack/pl_pack.h"

#include <plumbline/text.h>

pl_rc policy_lexicon_add(pl_textdb_builder *b, pl_variants *v, const pl_pack *p, pl_error *err);
#endif
