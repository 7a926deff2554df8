/* Disclosure: what must be public, made from the registry.
 *
 * A document is a template out of a pack (docs/formats/pack.md, "Documents") filled from a record and
 * the records it names, in Chinese or English. Every value carries the statement in the ledger that the
 * record's version was made by; what the registry does not hold is said to be missing, never made up.
 * One document is one tree; HTML, Markdown, DOCX and PDF are drawings of it and say the same. */
#ifndef PL_DISCLOSURE_H
#define PL_DISCLOSURE_H

#include "cap/capability.h"

extern const pl_capability pl_cap_disclosure;
#endif
