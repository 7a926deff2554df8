/* Paths of tiles and entry bundles (C2SP tlog-tiles v0.1.0). */
#include "base/banned.h"

#include "base/buf.h"

#include <plumbline/log.h>

void pl_tile_path(int level, uint64_t n, unsigned width, char *buf, size_t cap)
{
    char   index[40];
    size_t at = sizeof(index) - 1;
    bool   last = true;
    char   part[8] = "";
    int    made;

    /* Groups of three digits from the right, all but the last with an x. */
    index[at] = '\0';
    do {
        unsigned group = (unsigned)(n % 1000);

        if (!last)
            index[--at] = '/';
        index[--at] = (char)('0' + group % 10);
        index[--at] = (char)('0' + group / 10 % 10);
        index[--at] = (char)('0' + group / 100);
        if (!last)
            index[--at] = 'x';
        last = false;
        n /= 1000;
    } while (n > 0);

    if (width > 0 && width < PL_TILE_WIDTH)
        (void)snprintf(part, sizeof(part), ".p/%u", width);
    made = level < 0 ? snprintf(buf, cap, "tile/entries/%s%s", index + at, part)
                     : snprintf(buf, cap, "tile/%d/%s%s", level, index + at, part);
    (void)made; /* cap >= 96 holds every path; a smaller buffer gets a cut one */
}
