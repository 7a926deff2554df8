#include "fuzz_media.h"

FUZZ_MEDIA("a.svg", "<svg xmlns=\"http://www.w3.org/2000/svg\"")
