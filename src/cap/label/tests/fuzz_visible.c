/* Pictures and sounds from anywhere: refused, or labelled inside their borders. */
#include "base/str.h"
#include "cap/label/visible.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const pl_media_format formats[] = { PL_MEDIA_JPEG, PL_MEDIA_PNG, PL_MEDIA_WEBP };
    pl_visible_style             s = { .percent = 5 };
    pl_visible_report            r = { .w = 0 };
    pl_str                       in = { (const char *)data, size };
    pl_buf                       out = PL_BUF_INIT(64u << 20);

    /* Decoders of others allocate by what a picture says of its size: keep to small ones. */
    if (size > 30 && memcmp(data, "RIFF", 4) == 0 && memcmp(data + 8, "WAVE", 4) == 0) {
        if (pl_audible_wav(in, &s, &out, NULL) == PL_OK && out.n != size)
            abort();
    } else if (size > 2) {
        pl_media_format f = formats[data[0] == 0xFF ? 0 : data[0] == 0x89 ? 1 : 2];

        if (pl_visible_image(f, in, &s, &out, &r, NULL) == PL_OK && (r.x < 0 || r.y < 0 || r.w <= 0 || out.n == 0))
            abort();
    }
    pl_buf_done(&out);
    return 0;
}
