/* Shared by the files of this folder only. */
#ifndef PL_PACK_INT_H
#define PL_PACK_INT_H

#include "cap/pack/pl_pack.h"

#define PACK_MANIFEST   "pack.yaml"
#define PACK_ENTRIES    "entries.tsv"
#define PACK_FILES_MAX  4096u
#define PACK_FILE_MAX   (64u << 20)
#define PACK_DEPTH_MAX  4
#define PACK_PATH_MAX   256

/* What reading finds wrong. The loader stops at the first error, the linter shows all;
 * both run the same checks through this. */
typedef enum pack_severity { PACK_WARNING, PACK_ERROR } pack_severity;

typedef struct pack_report {
    const char *dir;      /* goes in front of file names in `first` */
    json_t     *problems; /* array to append to, or NULL */
    pl_error    first;    /* the first error; rc PL_OK while there is none */
} pack_report;

void pack_problem(pack_report *r, pack_severity severity, const char *file, int line,
                  const char *fmt, ...) __attribute__((format(printf, 5, 6)));

typedef struct pack_file {
    char     path[PACK_PATH_MAX]; /* below the pack's folder, '/' between parts */
    uint64_t size;
    uint8_t  sha256[32];
} pack_file;

struct pl_pack {
    char              dir[1024];
    json_t           *manifest;
    pack_file        *files; /* sorted by path, byte order */
    size_t            file_count;
    uint8_t           digest[32];
    char             *entries_text;
    pl_lexicon_entry *entries;
    size_t            entry_count;
};

/* Walks dir and hashes every file into p->files and p->digest. */
void pack_files_read(pl_pack *p, pack_report *r);
bool pack_files_has(const pl_pack *p, const char *path);
/* The digest of the list, with pack.yaml left out when content_only. */
typedef enum pack_digest_of { PACK_DIGEST_ALL, PACK_DIGEST_CONTENT } pack_digest_of;
void pack_digest_compute(const pl_pack *p, pack_digest_of what, uint8_t out[32]);

/* Reads pack.yaml into p->manifest; p->files must be there. */
void pack_manifest_read(pl_pack *p, pack_report *r);
bool pack_has_source(const pl_pack *p, pl_str id);
bool pack_is_date(pl_str s);
/* [a-z0-9] then [a-z0-9._-]: pack ids, entry ids, source ids. */
bool pack_is_name(pl_str s, size_t max);

/* Reads entries.tsv into p->entries. */
void pack_lexicon_read(pl_pack *p, pack_report *r);

/* Reads everything there is in dir; what is wrong is in r. NULL: out of memory. */
pl_pack *pack_read(const char *dir, pack_report *r);

/* Pack folders of an instance directory (may be NULL): DIR/packs, then the installed ones.
 * out[2] is NULL. Free with pack_folders_free. */
void pack_folders(const char *instance_dir, char *out[3]);
void pack_folders_free(char *folders[3]);

extern const pl_cmd   pack_commands[];
extern const pl_route pack_routes[];
#endif
