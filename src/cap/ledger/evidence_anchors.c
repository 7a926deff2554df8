#include "base/banned.h"

#include "base/file.h"
#include "base/str.h"
#include "cap/ledger/pl_evidence_anchors.h"

#define SMALL_MAX (1u << 20)

typedef struct anchored {
    pl_vkey           key;
    pl_trust         *trust;
    char             *roots;
    pl_evidence_check how;
} anchored;

static pl_rc key_read(const char *given, anchored *x, pl_error *err)
{
    char  *text = NULL;
    size_t n = 0;
    pl_rc  rc = PL_OK;

    /* A key has two '+'; a path may have them too, but is then no key. */
    if (strchr(given, '+') == NULL ||
        pl_vkey_parse(pl_str_trim(pl_str_z(given)), &x->key, NULL) != PL_OK) {
        rc = pl_file_read(given, SMALL_MAX, &text, &n, err);
        if (rc == PL_OK)
            rc = pl_vkey_parse(pl_str_trim((pl_str){ text, n }), &x->key, err);
        free(text);
    }
    x->how.key = &x->key;
    return rc;
}

static pl_rc trust_read(const char *path, anchored *x, pl_error *err)
{
    char  *text = NULL;
    size_t n = 0;
    pl_rc  rc = pl_file_read(path, SMALL_MAX, &text, &n, err);

    if (rc == PL_OK)
        rc = pl_trust_parse((pl_str){ text, n }, &x->trust, err);
    x->how.trust = x->trust;
    free(text);
    return rc;
}

static pl_rc anchors_read(const evidence_anchors *a, anchored *x, pl_error *err)
{
    size_t n = 0;
    pl_rc  rc = a->key ? key_read(a->key, x, err) : PL_OK;

    if (rc == PL_OK && a->trust)
        rc = trust_read(a->trust, x, err);
    if (rc == PL_OK && a->roots) {
        rc = pl_file_read(a->roots, SMALL_MAX, &x->roots, &n, err);
        x->how.tsa_roots = (pl_str){ x->roots, n };
    }
    return rc;
}

pl_rc evidence_file_verify(const char *path, const evidence_anchors *a, int *ok, char **report,
                           pl_error *err)
{
    anchored x = { .trust = NULL };
    char    *bytes = NULL;
    size_t   n = 0;
    pl_rc    rc = anchors_read(a, &x, err);

    if (rc == PL_OK)
        rc = pl_file_read(path, PL_EVIDENCE_MAX, &bytes, &n, err);
    if (rc == PL_OK)
        rc = pl_evidence_verify((pl_str){ bytes, n }, &x.how, ok, report, err);
    free(bytes);
    pl_trust_free(x.trust);
    free(x.roots);
    return rc;
}
