#include "fuzz_media.h"

FUZZ_MEDIA("a.pdf", "%PDF-1.")
