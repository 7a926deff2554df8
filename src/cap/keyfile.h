/* Key files: a signing key at rest, in the clear, under a passphrase, or a reference to a
 * token (docs/formats/keys.md). Files are readable by their owner only; others are refused. */
#ifndef PL_CAP_KEYFILE_H
#define PL_CAP_KEYFILE_H

#include <plumbline/log.h>
#include <stdbool.h>

/* Where a passphrase comes from; never from an argument. _FD names a descriptor that is read
 * up to its first newline, once. Both belong to the process that starts us. */
#define PL_PASSPHRASE_ENV    "PLUMBLINE_KEY_PASSPHRASE"
#define PL_PASSPHRASE_FD_ENV "PLUMBLINE_KEY_PASSPHRASE_FD"
#define PL_KEYFILE_NAME_NONE "" /* an old key file, which has no name, is refused then */

/* The passphrase of this process, empty when there is none. Static storage; the first call
 * must come before threads do. */
pl_rc pl_passphrase(pl_str *out, pl_error *err);

/* A new key: random secret of the algorithm, file at `path` (PL_CONFLICT when it exists),
 * encrypted when the process has a passphrase. */
pl_rc pl_keyfile_new(const char *path, pl_str name, pl_key_alg alg, pl_error *err);
/* The same for a secret that is known. passphrase.n 0: in the clear. Replaces the file. */
pl_rc pl_keyfile_write(const char *path, pl_str name, pl_key_alg alg, const uint8_t secret[32],
                       pl_str passphrase, pl_error *err);
/* A file that refers to a key on a token. Replaces the file. */
pl_rc pl_keyfile_write_token(const char *path, const pl_vkey *key, pl_str uri, pl_error *err);
/* `name` names the Ed25519 key of an old file of 64 hex digits. PL_DENIED: others may read it,
 * or it wants a passphrase that was not given or is wrong. */
pl_rc pl_keyfile_signer(const char *path, const char *name, pl_signer **out, pl_error *err);
/* PL_DENIED: the file at `path` is open to others. PL_NOTFOUND, PL_INVALID: none, or no file. */
pl_rc pl_keyfile_check(const char *path, pl_error *err);
/* What can be said of a key without its secret. */
typedef struct pl_keyfile_info {
    pl_vkey key; /* name "" for an old file */
    bool    is_old, is_encrypted, is_token;
} pl_keyfile_info;
pl_rc pl_keyfile_info_read(const char *path, pl_keyfile_info *out, pl_error *err);
/* Writes the file again under `passphrase`, opening it with the process's own. */
pl_rc pl_keyfile_protect(const char *path, const char *name, pl_str passphrase, pl_error *err);

/* --- the text alone: keyfile_text.c, no files --------------------------------------------- */

#define PL_KEYFILE_MAX 4096u

typedef enum pl_keyfile_kind {
    PL_KEYFILE_CLEAR,
    PL_KEYFILE_ARGON2ID,
    PL_KEYFILE_TOKEN
} pl_keyfile_kind;

typedef struct pl_keyfile {
    pl_vkey         key;
    pl_keyfile_kind kind;
    uint64_t        ops, mem_kib;     /* Argon2id */
    uint8_t         salt[16];
    pl_str          header;           /* all before the secret: authenticated with it */
    uint8_t         sealed[24 + 48];  /* nonce, then secret and tag (XChaCha20-Poly1305) */
    uint8_t         secret[32];       /* PL_KEYFILE_CLEAR */
    char            uri[1024];        /* PL_KEYFILE_TOKEN */
} pl_keyfile;

/* header borrows text. PL_INVALID: any departure from the format. */
pl_rc pl_keyfile_parse(pl_str text, pl_keyfile *out, pl_error *err);
/* Fills in the secret. PL_DENIED: wrong passphrase, or the file was changed. */
pl_rc pl_keyfile_unseal(pl_keyfile *k, pl_str passphrase, pl_error *err);
#endif
