#include "fuzz_media.h"

FUZZ_MEDIA("a.jpg", "\xFF\xD8")
