/* plumbline evidence bundle: one entry as a Sigstore bundle (docs/formats/sigstore.md). A
 * Sigstore verifier wants the leaf to be Rekor's record of a signature, so such a record is
 * entered into the log first: as members beside a statement of ours about the same signature. */
#include "base/banned.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/str.h"
#include "cap/instance.h"
#include "cap/ledger/evidence_int.h"

#define BUNDLE_TYPE "application/vnd.dev.sigstore.bundle.v0.3+json"
#define ROOT_TYPE   "application/vnd.dev.sigstore.trustedroot+json;version=0.1"
#define BODY_KIND    "dsse"
#define BODY_VERSION "0.0.2"

typedef struct bundle {
    pl_ledger     *l;            /* borrowed */
    const pl_vkey *key;
    uint64_t       entry, index; /* what is shown; where its record is */
    pl_hash        leaf;         /* of entry */
    pl_dsse        dsse;
    json_t        *sig; /* the one signature of entry that is the key's */
    char          *body;
    pl_checkpoint  head;
    char          *note;
    pl_proof       proof;
} bundle;

static void bundle_done(bundle *b)
{
    json_decref(b->sig);
    free(b->body);
    free(b->note);
    pl_dsse_done(&b->dsse);
}

static json_t *base64_json(const void *bytes, size_t n)
{
    pl_buf  b = PL_BUF_INIT(1u << 20);
    json_t *j = NULL;

    pl_buf_base64(&b, bytes, n);
    if (pl_buf_check(&b, NULL) == PL_OK)
        j = json_stringn(pl_buf_str(&b).p, b.n);
    pl_buf_done(&b);
    return j;
}

/* SubjectPublicKeyInfo of an Ed25519 key: RFC 8410. */
static json_t *spki_json(const pl_vkey *k)
{
    uint8_t der[12 + 32] = { 0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00 };

    memcpy(der + 12, k->pub, 32);
    return base64_json(der, sizeof der);
}

/* The C2SP key id before it is cut to four bytes: H(name || 0x0A || 0x01 || key). */
static json_t *logid_json(const pl_vkey *k)
{
    pl_sha256 s;
    uint8_t   h[32];

    pl_sha256_init(&s);
    pl_sha256_update(&s, k->name, strlen(k->name));
    pl_sha256_update(&s, "\n\x01", 2);
    pl_sha256_update(&s, k->pub, 32);
    pl_sha256_final(&s, h);
    return json_pack("{s:o}", "keyId", base64_json(h, sizeof h));
}

/* --- what is shown --------------------------------------------------------------------------- */

/* Sigstore verifiers match the name on a checkpoint as a regular expression. */
static pl_rc key_check(const pl_vkey *k, pl_error *err)
{
    if (k->alg != PL_KEY_ED25519)
        return pl_fail(err, PL_INVALID, "a Sigstore bundle needs a log key of type ed25519");
    if (k->name[strcspn(k->name, "\\^$*?()[]{}|")] != '\0')
        return pl_fail(err, PL_INVALID, "the log's name cannot be used in a Sigstore bundle");
    return PL_OK;
}

/* A bundle has one signature; pl_dsse_open has verified each that names our key. */
static pl_rc signature_pick(bundle *b, const json_t *envelope, pl_error *err)
{
    const json_t *sigs = json_object_get(envelope, "signatures");
    char          keyid[65];

    pl_vkey_fingerprint(b->key, keyid);
    for (size_t i = 0; i < json_array_size(sigs); i++) {
        const json_t *s = json_array_get(sigs, i);
        const char   *id = json_string_value(json_object_get(s, "keyid"));

        if (id && strcmp(id, keyid) == 0) {
            b->sig = json_incref(json_object_get(s, "sig"));
            return PL_OK;
        }
    }
    return pl_fail(err, PL_INVALID, "entry %llu names no signature of the log's present key",
                   (unsigned long long)b->entry);
}

static pl_rc entry_take(bundle *b, pl_error *err)
{
    char   *text = NULL;
    size_t  n = 0;
    json_t *j = NULL;
    pl_rc   rc = pl_ledger_entry(b->l, b->entry, &text, &n, err);

    if (rc == PL_OK)
        rc = pl_dsse_open((pl_str){ text, n }, b->key, 1, &b->dsse, err);
    if (rc == PL_OK)
        rc = pl_json_parse((pl_str){ text, n }, "entry", &j, err);
    if (rc == PL_OK)
        rc = signature_pick(b, j, err);
    if (rc == PL_OK)
        b->leaf = pl_merkle_leaf((pl_str){ text, n });
    json_decref(j);
    free(text);
    return rc;
}

/* --- its record in the log --------------------------------------------------------------------- */

/* DSSELogEntryV002 of Rekor 2: says nothing that is not in the entry. */
static json_t *spec_json(const bundle *b)
{
    uint8_t digest[32];

    pl_sha256_of((pl_str){ b->dsse.payload, b->dsse.payload_n }, digest);
    return json_pack("{s:{s:{s:s, s:o}, s:[{s:O, s:{s:s, s:{s:o}}}]}}", "dsseV002", "payloadHash",
                     "algorithm", "SHA2_256", "digest", base64_json(digest, sizeof digest),
                     "signatures", "content", b->sig, "verifier", "keyDetails", "PKIX_ED25519",
                     "publicKey", "rawBytes", spki_json(b->key));
}

static pl_rc statement_make(const bundle *b, const pl_signer *signer, const char *service,
                            json_t **envelope, pl_error *err)
{
    char    subject[160], hex[65], *text = NULL;
    uint8_t digest[32];
    size_t  n = 0;
    json_t *predicate;
    pl_rc   rc;

    (void)snprintf(subject, sizeof subject, "service:%s", service);
    pl_sha256_of(pl_str_z(subject), digest);
    pl_hex(b->leaf.b, sizeof b->leaf.b, hex);
    predicate = json_pack("{s:I, s:s}", "entry", (json_int_t)b->entry, "leaf", hex);
    rc = pl_predicate_check(PL_STR(PL_PREDICATE("sigstore-entry")), predicate, err);
    if (rc == PL_OK)
        rc = pl_statement_sign(signer, pl_str_z(subject), digest, PL_PREDICATE("sigstore-entry"),
                               predicate, &text, &n, err);
    if (rc == PL_OK)
        rc = pl_json_parse((pl_str){ text, n }, "envelope", envelope, err);
    json_decref(predicate);
    free(text);
    return rc;
}

/* An envelope whose further members are Rekor's record: DSSE readers ignore these, Rekor's
 * readers ignore the envelope, and both hash the same bytes. */
static pl_rc body_make(bundle *b, const pl_signer *signer, const char *service, pl_error *err)
{
    json_t *j = NULL;
    pl_rc   rc = statement_make(b, signer, service, &j, err);

    if (rc != PL_OK)
        return rc;
    if (json_object_set_new(j, "apiVersion", json_string(BODY_VERSION)) == 0 &&
        json_object_set_new(j, "kind", json_string(BODY_KIND)) == 0 &&
        json_object_set_new(j, "spec", spec_json(b)) == 0)
        b->body = pl_json_dump(j);
    json_decref(j);
    return b->body ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");
}

/* Ed25519 signatures are reproducible: a second bundle of an entry finds the first one's record. */
static pl_rc body_enter(bundle *b, pl_error *err)
{
    pl_str  body = pl_str_z(b->body);
    pl_hash leaf = pl_merkle_leaf(body);
    pl_rc   rc = pl_ledger_find(b->l, &leaf, b->entry, &b->index, err);

    if (rc == PL_NOTFOUND)
        rc = pl_ledger_append(b->l, &body, 1, &b->index, err);
    return rc == PL_OK ? pl_ledger_publish(b->l, err) : rc;
}

pl_rc evidence_record_enter(pl_ledger *l, const pl_signer *signer, const char *service,
                            uint64_t entry, uint64_t *index, pl_error *err)
{
    bundle b = { .l = l, .key = pl_signer_key(signer, 0), .entry = entry };
    pl_rc  rc = key_check(b.key, err);

    if (rc == PL_OK)
        rc = entry_take(&b, err);
    if (rc == PL_OK)
        rc = body_make(&b, signer, service, err);
    if (rc == PL_OK)
        rc = body_enter(&b, err);
    *index = b.index;
    bundle_done(&b);
    return rc;
}

static pl_rc record_here(pl_cmd_ctx *c, uint64_t entry, uint64_t *index, pl_error *err)
{
    cmd_writer w = { .l = NULL };
    pl_rc      rc = pl_ledger_writer_open(c, &w, err);

    if (rc == PL_OK)
        rc = evidence_record_enter(w.l, w.signer, w.instance.service, entry, index, err);
    pl_ledger_writer_close(&w);
    return rc;
}

static pl_rc record_there(pl_cmd_ctx *c, uint64_t entry, uint64_t *index, pl_error *err)
{
    char    body[64], *answer = NULL;
    json_t *j = NULL;
    int64_t v = 0;
    pl_rc   rc;

    (void)snprintf(body, sizeof body, "{\"entry\":%llu}", (unsigned long long)entry);
    rc = pl_cmd_call(c, "POST", "/api/v1/ledger/records", pl_str_z(body), &answer, err);
    if (rc == PL_OK)
        rc = pl_json_parse(pl_str_z(answer), "answer of plumblined", &j, err);
    if (rc == PL_OK)
        rc = pl_json_get_int(j, "ledger_index", true, &v, err);
    *index = (uint64_t)v;
    json_decref(j);
    free(answer);
    return rc;
}

/* --- reading it back --------------------------------------------------------------------------- */

/* What was published proves the record, whoever entered it. */
static pl_rc record_read(bundle *b, pl_error *err)
{
    size_t  n = 0;
    pl_hash leaf;
    pl_rc   rc = pl_ledger_entry(b->l, b->index, &b->body, &n, err);

    if (rc == PL_OK)
        rc = pl_ledger_head_note(b->l, b->key, &b->head, &b->note, err);
    if (rc == PL_OK)
        rc = pl_ledger_inclusion(b->l, b->index, b->head.size, &b->proof, err);
    if (rc != PL_OK)
        return rc;
    leaf = pl_merkle_leaf((pl_str){ b->body, n });
    return pl_merkle_inclusion_verify(b->index, b->head.size, &leaf, &b->proof, &b->head.root, err);
}

/* --- the files ----------------------------------------------------------------------------------- */

/* 64-bit numbers are strings in the JSON of protocol buffers. */
static json_t *number_json(uint64_t v)
{
    return json_sprintf("%llu", (unsigned long long)v);
}

static json_t *proof_json(const bundle *b)
{
    json_t *hashes = json_array();

    for (size_t i = 0; i < b->proof.n; i++)
        (void)json_array_append_new(hashes, base64_json(b->proof.h[i].b, 32));
    return json_pack("{s:o, s:o, s:o, s:o, s:{s:s}}", "logIndex", number_json(b->index),
                     "rootHash", base64_json(b->head.root.b, 32), "treeSize",
                     number_json(b->head.size), "hashes", hashes, "checkpoint", "envelope",
                     b->note);
}

static json_t *bundle_json(const bundle *b)
{
    char    keyid[65];
    json_t *entry = json_pack("{s:o, s:o, s:{s:s, s:s}, s:s, s:o, s:o}", "logIndex",
                              number_json(b->index), "logId", logid_json(b->key), "kindVersion",
                              "kind", BODY_KIND, "version", BODY_VERSION, "integratedTime", "0",
                              "inclusionProof", proof_json(b), "canonicalizedBody",
                              base64_json(b->body, strlen(b->body)));

    pl_vkey_fingerprint(b->key, keyid);
    return json_pack("{s:s, s:{s:{s:s}, s:[o]}, s:{s:o, s:s, s:[{s:s, s:O}]}}", "mediaType",
                     BUNDLE_TYPE, "verificationMaterial", "publicKey", "hint", keyid,
                     "tlogEntries", entry, "dsseEnvelope", "payload",
                     base64_json(b->dsse.payload, b->dsse.payload_n), "payloadType",
                     b->dsse.payload_type, "signatures", "keyid", keyid, "sig", b->sig);
}

static json_t *root_json(const pl_vkey *k)
{
    return json_pack("{s:s, s:[{s:o, s:s, s:{s:o, s:s, s:{s:s}}, s:o, s:o}], s:[], s:[], s:[]}",
                     "mediaType", ROOT_TYPE, "tlogs", "baseUrl",
                     json_sprintf("https://%s", k->name), "hashAlgorithm", "SHA2_256", "publicKey",
                     "rawBytes", spki_json(k), "keyDetails", "PKIX_ED25519", "validFor", "start",
                     "1970-01-01T00:00:00Z", "logId", logid_json(k), "checkpointKeyId",
                     logid_json(k), "certificateAuthorities", "ctlogs", "timestampAuthorities");
}

/* Takes j. */
static pl_rc json_write(const char *path, json_t *j, pl_error *err)
{
    char *text = j ? pl_json_pretty(j) : NULL;
    pl_rc rc = text ? pl_file_write_atomic(path, pl_str_z(text), 0644, err)
                    : pl_fail(err, PL_NOMEM, "out of memory");

    free(text);
    json_decref(j);
    return rc;
}

/* A running daemon is the one writer of the ledger; without it this process is. */
static pl_rc record_make(pl_cmd_ctx *c, bundle *b, pl_error *err)
{
    pl_rc rc = pl_str_u64(pl_str_z(c->argv[0]), &b->entry, err);

    if (rc == PL_OK)
        rc = record_here(c, b->entry, &b->index, err);
    return rc == PL_CONFLICT ? record_there(c, b->entry, &b->index, err) : rc;
}

static pl_rc bundle_make(pl_cmd_ctx *c, bundle *b, const char *dir, pl_error *err)
{
    const char *root = c->opt(c->host, "trusted-root");
    pl_rc       rc = record_make(c, b, err);

    if (rc == PL_OK)
        rc = pl_ledger_open_reader(dir, &b->l, err);
    if (rc == PL_OK)
        rc = entry_take(b, err);
    if (rc == PL_OK)
        rc = record_read(b, err);
    if (rc == PL_OK)
        rc = json_write(c->opt(c->host, "output"), bundle_json(b), err);
    if (rc == PL_OK && root)
        rc = json_write(root, root_json(b->key), err);
    pl_ledger_close(b->l);
    return rc;
}

static int bundle_print(pl_cmd_ctx *c, const bundle *b)
{
    const char *out = c->opt(c->host, "output");

    if (c->json)
        return pl_ledger_cmd_json(c, json_pack("{s:s, s:I, s:I}", "bundle", out, "entry",
                                               (json_int_t)b->entry, "ledger_index",
                                               (json_int_t)b->index), PL_EXIT_OK);
    (void)fprintf(c->out, pl_cmd_say(c, "%s: entry %llu, recorded in the ledger at index %llu\n",
                                     "%s：第 %llu 条记录，已记入账本，序号 %llu\n"),
                  out, (unsigned long long)b->entry, (unsigned long long)b->index);
    return PL_EXIT_OK;
}

int pl_evidence_cmd_bundle(pl_cmd_ctx *c)
{
    bundle      b = { .l = NULL };
    pl_instance i;
    pl_vkey     key;
    char       *dir = NULL;
    pl_error    err;
    pl_rc       rc;
    int         code;

    if (!c->opt(c->host, "output")) {
        (void)fprintf(c->err, "plumbline: %s\n",
                      pl_cmd_say(c, "evidence bundle: '-o FILE' must be given",
                                 "evidence bundle：须给出“-o FILE”"));
        return PL_EXIT_USAGE;
    }
    rc = pl_instance_open(pl_cmd_dir(c), &i, &err);
    if (rc == PL_OK)
        rc = pl_instance_vkey(&i, &key, &err);
    if (rc == PL_OK)
        rc = pl_ledger_path(i.dir, "ledger", &dir, &err);
    b.key = &key;
    if (rc == PL_OK)
        rc = bundle_make(c, &b, dir, &err);
    free(dir);
    code = rc == PL_OK ? bundle_print(c, &b) : pl_cmd_fail(c, &err);
    bundle_done(&b);
    return code;
}

const pl_opt pl_evidence_bundle_options[] = {
    { "output", "FILE", "where the bundle goes (-o)", "签名包写到何处（-o）" },
    { "trusted-root", "FILE", "also write the log's key as a Sigstore TrustedRoot",
      "另将账本公钥写为 Sigstore TrustedRoot" },
    { NULL, NULL, NULL, NULL },
};
