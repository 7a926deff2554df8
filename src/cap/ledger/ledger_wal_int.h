/* Shared by ledger_wal.c and ledger_wal_recover.c. */
#ifndef PL_LEDGER_WAL_INT_H
#define PL_LEDGER_WAL_INT_H

#include "cap/ledger/ledger_int.h"

typedef struct wal_frame {
    uint64_t first;
    uint32_t count;
    pl_str   payload;
    pl_hash  prev, link;
    size_t   size; /* padded */
} wal_frame;

/* Reads the frame at the front of the bytes; false when there is no whole, sound one. */
bool pl_wal_frame_parse(pl_str at, wal_frame *f);

void  pl_wal_segment_name(uint64_t first, char out[32]);
/* Indexes the segments start with, ascending; malloc'd. */
pl_rc pl_wal_segments_list(const char *dir, uint64_t **out, size_t *n, pl_error *err);
pl_rc pl_wal_segment_reserve(int fd, const char *name, off_t room, pl_error *err);
/* Makes the segment for the next entry and switches to it. PL_FULL: nothing changed. */
pl_rc pl_wal_segment_make(wal *w, size_t at_least, pl_error *err);
/* Makes one of the spare segments the segment of that name; its descriptor, or -1. */
int   pl_wal_spare_take(const char *dir, const char *segment);
/* PL_FULL when another segment would leave too little to publish what was accepted. */
pl_rc pl_wal_room_check(const wal *w, size_t segment, pl_error *err);
/* Message of errno e; PL_FULL when the disk is full, else PL_IO. */
pl_rc pl_wal_fail(const char *doing, const char *name, int e, pl_error *err);
#endif
