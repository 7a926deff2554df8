#include "fuzz_media.h"

FUZZ_MEDIA("a.gif", "GIF8")
