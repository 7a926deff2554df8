/* ISO base media boxes (ISO/IEC 14496-12), shared by mp4.c and heif.c. */
#ifndef PL_ENGINE_MEDIA_BMFF_H
#define PL_ENGINE_MEDIA_BMFF_H

#include "engine/media/media_int.h"

typedef struct bmff_box {
    char     type[4];
    uint64_t at, body, end; /* header, payload, one behind */
} bmff_box;

/* The box at `at` inside [at, end). false: none, or it is broken (state is set). */
bool bmff_next(pl_media *m, uint64_t at, uint64_t end, bmff_box *b);
/* A list that a writer appends to must end with its last box: else what is appended is lost. */
void bmff_slack(pl_media *m, uint64_t at, const bmff_box *b);
bool bmff_is(const bmff_box *b, const char *type);

/* Tables of absolute file offsets, to be moved when the file grows before what they point at. */
typedef struct bmff_table {
    uint64_t at;     /* of the first entry */
    uint64_t count;
    unsigned width;  /* 4 or 8 bytes */
    unsigned stride; /* from entry to entry */
} bmff_table;

#define BMFF_TABLES_MAX 8192u
#define BMFF_FIX_MAX    16u

typedef struct bmff_layout {
    uint64_t   after_ftyp;
    bmff_box   moov, meta_top; /* at 0 and end 0: none */
    bmff_box   udta;           /* in moov */
    bmff_box   meta, keys, ilst; /* with handler mdta, in udta */
    uint64_t   free_after_moov, free_n;
    uint32_t   keys_n, aigc_key; /* 1-based, 0: none */
    bmff_box   aigc_item;        /* in ilst */
    bool       fragmented;
    bmff_table *table;
    size_t     tables;
    bmff_box   fix[BMFF_FIX_MAX]; /* boxes whose size follows what happens inside them */
    size_t     fixes;
} bmff_layout;

/* Walks the file: items and layout (zeroed, in the arena). heif: told of the top-level meta box. */
void bmff_scan(pl_media *m, bmff_layout *l, void (*heif)(pl_media *m, const bmff_box *meta));
/* The box's size will follow the operations inside it. */
void bmff_fix(bmff_layout *l, const bmff_box *b);
/* After every operation that moves bytes: sizes of fixed boxes, tables of offsets. */
pl_rc bmff_settle(pl_media_plan *p, bmff_layout *l, pl_error *err);
/* The manifest store's box behind ftyp, or its removal. */
pl_rc bmff_c2pa(pl_media_plan *p, const pl_media_edit *e, const bmff_layout *l, pl_error *err);
bool  bmff_add_table(pl_media *m, bmff_layout *l, uint64_t at, uint64_t count, unsigned width,
                     unsigned stride);
#endif
