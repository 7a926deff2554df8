#include "fuzz_media.h"

FUZZ_MEDIA("a.flv", "FLV\x01")
