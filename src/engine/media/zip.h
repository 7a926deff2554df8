/* Zip archives (APPNOTE 6.3.10), as documents are packed in them. */
#ifndef PL_ENGINE_MEDIA_ZIP_H
#define PL_ENGINE_MEDIA_ZIP_H

#include "engine/media/media_int.h"

#define ZIP_ENTRIES_MAX 65535u
#define ZIP_PART_MAX    (8u << 20) /* of one part that is unpacked */

typedef struct zip_entry {
    pl_str   name;
    uint16_t method, flags, time, date;
    uint32_t crc;
    uint64_t packed, size, at; /* at: of the local header */
    uint64_t end;              /* behind its record: where the next one begins */
    pl_str   central;          /* its record in the central directory */
} zip_entry;

typedef struct zip_dir {
    zip_entry *entry;
    size_t     n;
    uint64_t   at, size; /* of the central directory */
    uint64_t   eocd_at;
    bool       is_zip64;
} zip_dir;

/* Reads the central directory; false when there is none that holds together (state is set). */
bool zip_open(pl_media *m, zip_dir *d);
/* NULL when absent. A name that stands twice is malformed: state is set. */
const zip_entry *zip_find(pl_media *m, const zip_dir *d, const char *name);
/* Unpacks a part, checking it against its own header. false: problem noted. */
bool zip_part(pl_media *m, const zip_entry *e, pl_str *out);

typedef struct zip_change {
    const char *name;
    pl_str      content;
} zip_change;
/* Replaces or adds parts; every other record is copied as it is. */
pl_rc zip_change_plan(pl_media_plan *p, const zip_dir *d, const zip_change *c, size_t n, pl_error *err);

#endif
