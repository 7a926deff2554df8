/* What the tests of packs share: writing files, and collecting entries. */
#ifndef PACK_FIXTURE_H
#define PACK_FIXTURE_H

#include "base/banned.h"

#include "base/file.h"
#include "base/str.h"
#include "cap/pack/pl_pack.h"
#include "pl_test.h"

static void put_bytes(const char *dir, const char *name, const char *text, size_t n)
{
    char     path[700];
    pl_error err = { 0 };

    snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_ok(pl_file_write_atomic(path, (pl_str){ text, n }, 0644, &err), &err);
}

static void put(const char *dir, const char *name, const char *text)
{
    put_bytes(dir, name, text, strlen(text));
}

typedef struct seen {
    size_t           n;
    pl_lexicon_entry e[8];
} seen;

static __attribute__((unused)) pl_rc remember(void *ctx, const pl_lexicon_entry *e, pl_error *err)
{
    seen *s = ctx;

    if (s->n == 8)
        return pl_fail(err, PL_LIMIT, "too many");
    s->e[s->n++] = *e;
    return PL_OK;
}
#endif
