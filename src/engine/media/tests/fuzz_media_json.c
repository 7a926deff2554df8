#include "fuzz_media.h"

FUZZ_MEDIA("a.json", "{")
