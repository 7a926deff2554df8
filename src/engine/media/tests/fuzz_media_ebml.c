#include "fuzz_media.h"

FUZZ_MEDIA("a.mkv", "\x1A\x45\xDF\xA3")
