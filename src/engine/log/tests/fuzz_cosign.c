/* The parsers a witness and its askers run on foreign bytes. What is accepted is written
 * again as the same bytes; a policy that is accepted judges a note without witnesses alike
 * every time; nothing is ever cosigned for a key that did not sign. */
#include "base/buf.h"

#include <plumbline/cosign.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same(pl_rc rc, char *out, size_t n, pl_str want)
{
    if (rc != PL_OK || n != want.n || memcmp(out, want.p, n) != 0)
        abort();
    free(out);
}

static void request(pl_str in)
{
    static const pl_vkey nobody = { .name = "nobody.example", .alg = PL_KEY_ED25519,
                                    .pub_n = 32 };
    pl_witnessed         last = { .size = 0 };
    pl_add_checkpoint    r;
    pl_checkpoint        c;
    pl_witness_verdict   v;
    char                *out = NULL;
    size_t               n = 0;
    pl_rc                rc;

    if (pl_add_checkpoint_parse(in, &r, NULL) != PL_OK)
        return;
    rc = pl_add_checkpoint_format(&r, &out, &n, NULL);
    same(rc, out, n, in);
    last.size = r.old_size;
    v = pl_witness_judge(&r, &nobody, 1, &last, &c, NULL);
    if (v != PL_WITNESS_MALFORMED && v != PL_WITNESS_UNKNOWN && v != PL_WITNESS_UNSIGNED)
        abort();
}

static void proof(pl_str in)
{
    pl_tlog_proof p;
    char         *out = NULL;
    size_t        n = 0;

    if (pl_tlog_proof_parse(in, &p, NULL) != PL_OK)
        return;
    /* The optional line `extra` is dropped. */
    if (pl_tlog_proof_format(&p, &out, &n, NULL) != PL_OK || n > in.n)
        abort();
    free(out);
}

static void policy(pl_str in)
{
    static const char note[] = "o\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n"
                               "\xe2\x80\x94 o AAAAAAE=\n";
    pl_trust         *t = NULL;
    pl_trust_verdict  v;

    if (pl_trust_parse(in, &t, NULL) != PL_OK)
        return;
    if (pl_trust_judge(t, PL_STR(note), &v, NULL) == PL_OK && v.seen > 0)
        abort();
    pl_trust_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pl_str      in = { (const char *)data, size };
    pl_cosigner k;
    char        text[600];

    request(in);
    proof(in);
    policy(in);
    if (pl_cosigner_parse(in, &k, NULL) == PL_OK &&
        (pl_cosigner_format(&k, text, sizeof(text), NULL) != PL_OK || strlen(text) != size ||
         memcmp(text, data, size) != 0))
        abort();
    return 0;
}
