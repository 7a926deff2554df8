#include "fuzz_media.h"

FUZZ_MEDIA("a.png", "\x89PNG\r\n\x1A\n")
