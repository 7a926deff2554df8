/* Shared by the scan_*.c files of this folder. */
#ifndef PL_TEXT_SCAN_INT_H
#define PL_TEXT_SCAN_INT_H

#include "base/buf.h"
#include "cap/cmd.h"
#include <plumbline/screen.h>

/* --- scan_policy.c: what is looked for ----------------------------------------------- */

typedef struct scan_policy {
    pl_screen *screen;
    void      *image; /* compiled here, or NULL  */
    pl_str     map;   /* mapped, or empty        */
} scan_policy;

/* `path`: policy source or compiled database; NULL: the policy that is shipped. `packs`: a
 * further folder of packs, or NULL. */
pl_rc scan_policy_open(const char *path, const char *packs, scan_policy *out, pl_error *err);
void  scan_policy_close(scan_policy *p);

/* --- scan_walk.c: which files -------------------------------------------------------- */

typedef struct scan_file {
    char    *path;
    uint64_t size;
} scan_file;

typedef struct scan_list {
    scan_file *file;
    size_t     n, cap;
    uint64_t   bytes; /* of all regular files */
} scan_list;

/* Called for what cannot be read; the walk goes on. */
typedef void (*scan_trouble_fn)(void *ctx, const char *path, const pl_error *err);

/* Operands as given; below folders all regular files, sorted by name, links not followed.
 * PL_NOMEM only. */
pl_rc scan_list_make(scan_list *l, char **operands, int n, scan_trouble_fn trouble, void *ctx,
                     pl_error *err);
void  scan_list_done(scan_list *l);

/* --- scan_archive.c: what is packed -------------------------------------------------- */

/* Whether the first bytes are those of gzip, zstd, zip or tar. */
bool scan_is_archive(pl_str head);

/* Called per member; `name` is "ARCHIVE" itself for a single compressed file, else
 * "ARCHIVE!/member". Non-zero stops. */
typedef int (*scan_member_fn)(void *ctx, const char *name, pl_str text);

#define SCAN_MEMBER_MAX  (256u << 20) /* bytes of one member, unpacked: it is held in memory */
#define SCAN_ARCHIVE_MAX (4ull << 30) /* bytes of all members                                */
#define SCAN_RATIO_MAX   1000u        /* unpacked to packed, looked at beyond 16 MiB         */
#define SCAN_MEMBERS_MAX 100000u

/* PL_INVALID: damaged, encrypted; PL_LIMIT: one of the limits above; members before were
 * given already. Archives in archives are given as they are, not opened. */
pl_rc scan_archive_each(const char *path, pl_str packed, scan_member_fn fn, void *ctx,
                        pl_error *err);

/* --- scan_text.c: one text ----------------------------------------------------------- */

typedef struct scan_options {
    const char  *lang;
    bool         json, color;
    bool         archives, binary; /* open archives; read binary files too */
    unsigned     parts;            /* pl_screen_parts */
    int          min_severity;
    uint64_t     max_findings;     /* per text; 0: no bound */
} scan_options;

typedef struct scan_counts {
    uint64_t files, bytes, findings, with_findings, truncated, binary, invalid;
} scan_counts;

/* Scans and prints one text: a JSON line, or findings in their context. */
pl_rc scan_text(const pl_screen *s, const scan_options *o, const char *name, pl_str text, FILE *to,
                scan_counts *n, pl_error *err);

/* scan_print.c */
typedef struct scan_place {
    uint64_t at, line, line_start; /* at: how far lines were counted */
} scan_place;
void scan_print_json(FILE *to, const pl_textdb *db, const pl_text_finding *f, bool first);
void scan_print_human(FILE *to, const scan_options *o, const pl_textdb *db, pl_str text,
                      const pl_text_finding *f, scan_place *place);
/* "width+separated", "plain". */
void scan_form_names(uint16_t form, char out[192]);

/* scan_cmd.c */
int pl_text_cmd_scan(pl_cmd_ctx *c);
extern const pl_opt pl_text_scan_options[];

#endif
