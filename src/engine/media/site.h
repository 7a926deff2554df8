/* What is wrong with a label because of where it stands: carriers, duplicates, conflicts. */
#ifndef PL_ENGINE_MEDIA_SITE_H
#define PL_ENGINE_MEDIA_SITE_H

#include "engine/media/aigc.h"
#include "engine/media/media.h"

/* Adds what the place of the item breaks. */
void media_site_problems(const pl_media_item *it, pl_aigc_report *r);
/* Labels in force of one file: those that agree are duplicates, others a conflict. */
void media_sites_compare(pl_aigc_report *const *r, size_t n);
/* Inside the content and of its newest revision. */
bool media_site_in_force(const pl_media_item *it);

#endif
