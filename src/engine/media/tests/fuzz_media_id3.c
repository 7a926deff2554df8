#include "fuzz_media.h"

FUZZ_MEDIA("a.mp3", "ID3")
