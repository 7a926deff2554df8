#include "base/banned.h"

#include "base/hash.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "engine/log/evidence_int.h"

struct pl_evidence_builder {
    json_t  *index;
    json_t  *entries; /* borrowed from index */
    json_t  *seen;    /* payloads that are in already */
    pl_buf   files;   /* members other than index.json and README.txt */
    char    *note;
    size_t   stamps;
    uint64_t last;
    bool     any;
};

/* For whoever opens the archive without knowing what it is. */
static const char readme[] =
    "This is an evidence package of Plumbline.  这是一个 Plumbline 证据包。\n"
    "\n"
    "It holds signed statements (entry/N.json), proofs that they are in a log (entry/N.tlog-proof),\n"
    "the log's signed checkpoint, and what the statements bind by digest (payload/).\n"
    "包内有已签名的声明、其在账本中的证明、账本的签名检查点，以及声明以摘要绑定的内容。\n"
    "\n"
    "Check it, offline:   plumbline evidence verify PACKAGE --key KEY\n"
    "离线核验：           （或使用单文件程序 plumbline-verify，或核验网页）\n"
    "\n"
    "KEY is the key of the log. Get it from its owner by another way than this package: without it\n"
    "the package is only shown to be consistent with itself.\n"
    "KEY 为账本公钥，应从其所有者处另行取得；否则只能说明证据包自身一致。\n"
    "\n"
    "What it does not show: that the statements are true, that they are all there are, or that\n"
    "nothing happened before they were made.\n"
    "它不能证明：声明的内容属实；已包含全部相关声明；声明作出之前没有发生过别的事。\n";

pl_rc pl_evidence_stamped(pl_str note, pl_str *out, pl_error *err)
{
    const char *gap = note.n > 2 ? memmem(note.p, note.n, "\n\n", 2) : NULL;
    const char *end = gap ? memchr(gap + 2, '\n', (size_t)(note.p + note.n - (gap + 2))) : NULL;

    if (end == NULL)
        return pl_fail(err, PL_INVALID, "checkpoint has no signature line");
    *out = (pl_str){ note.p, (size_t)(end + 1 - note.p) };
    return PL_OK;
}

static pl_rc facts_check(const pl_evidence_facts *f, pl_vkey *key, pl_checkpoint *head,
                         pl_error *err)
{
    pl_trust *trust = NULL;
    pl_rc     rc = pl_vkey_parse(f->vkey, key, err);

    if (rc == PL_OK)
        rc = pl_checkpoint_open(f->note, key, head, err);
    if (rc == PL_OK && f->trust.n > 0)
        rc = pl_trust_parse(f->trust, &trust, err);
    pl_trust_free(trust);
    return rc;
}

pl_rc pl_evidence_builder_new(const pl_evidence_facts *f, pl_evidence_builder **out, pl_error *err)
{
    pl_evidence_builder *b;
    pl_checkpoint        head;
    pl_vkey              key;
    char                 created[25];
    pl_rc                rc = facts_check(f, &key, &head, err);

    if (rc != PL_OK)
        return rc;
    b = calloc(1, sizeof *b);
    if (b == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    b->files = PL_BUF_INIT(PL_EVIDENCE_MAX);
    pl_time_format(f->now_ms, created);
    b->note = pl_str_dup(f->note);
    b->seen = json_object();
    b->index = json_pack("{s:s, s:s, s:s, s:s%, s:s%, s:s%, s:[], s:b}", "format", EVIDENCE_FORMAT,
                         "created", created, "origin", head.origin, "vkey", f->vkey.p, f->vkey.n,
                         "to", f->to.p, f->to.n, "reason", f->reason.p, f->reason.n, "entries",
                         "trust", f->trust.n > 0);
    b->entries = json_object_get(b->index, "entries");
    if (b->note == NULL || b->seen == NULL || b->entries == NULL) {
        pl_evidence_builder_free(b);
        return pl_fail(err, PL_INVALID, "recipient or reason is not UTF-8, or memory is out");
    }
    pl_tar_put(&b->files, "checkpoint", f->note);
    if (f->trust.n > 0)
        pl_tar_put(&b->files, "trust-policy", f->trust);
    *out = b;
    return PL_OK;
}

void pl_evidence_builder_free(pl_evidence_builder *b)
{
    if (b == NULL)
        return;
    json_decref(b->index);
    json_decref(b->seen);
    pl_buf_done(&b->files);
    free(b->note);
    free(b);
}

static pl_rc room(const pl_evidence_builder *b, pl_error *err)
{
    if (b->files.failed)
        return pl_fail(err, PL_LIMIT, "package would be larger than %u bytes", PL_EVIDENCE_MAX);
    return PL_OK;
}

pl_rc pl_evidence_builder_entry(pl_evidence_builder *b, uint64_t index, pl_evidence_role role,
                                pl_str entry, const pl_proof *proof, pl_error *err)
{
    pl_tlog_proof p = { .index = index, .proof = *proof, .note = pl_str_z(b->note) };
    char          name[TAR_NAME_MAX], *text = NULL;
    size_t        n = 0;
    pl_rc         rc;

    if (b->any && index <= b->last)
        return pl_fail(err, PL_INVALID, "entries must be added in rising order");
    if (json_array_size(b->entries) == PL_EVIDENCE_ENTRIES_MAX)
        return pl_fail(err, PL_LIMIT, "a package holds at most %u entries",
                       PL_EVIDENCE_ENTRIES_MAX);
    rc = pl_tlog_proof_format(&p, &text, &n, err);
    if (rc != PL_OK)
        return rc;
    pl_evidence_entry_name(index, "json", name);
    pl_tar_put(&b->files, name, entry);
    pl_evidence_entry_name(index, "tlog-proof", name);
    pl_tar_put(&b->files, name, (pl_str){ text, n });
    free(text);
    b->last = index;
    b->any = true;
    if (json_array_append_new(b->entries,
                              json_pack("{s:I, s:s}", "index", (json_int_t)index, "role",
                                        role == PL_EVIDENCE_KEY ? "key" : "claim")) != 0)
        return pl_fail(err, PL_NOMEM, "out of memory");
    return room(b, err);
}

/* The member list `key` of the entry added last. */
static json_t *list_of_last(pl_evidence_builder *b, const char *key)
{
    json_t *e = json_array_get(b->entries, json_array_size(b->entries) - 1);
    json_t *list = json_object_get(e, key);

    if (e != NULL && list == NULL) {
        list = json_array();
        (void)json_object_set_new(e, key, list);
    }
    return list;
}

static void payload_put(pl_evidence_builder *b, pl_str bytes, char hex[65])
{
    uint8_t digest[32];
    char    name[TAR_NAME_MAX];

    pl_sha256_of(bytes, digest);
    pl_hex(digest, sizeof digest, hex);
    if (json_object_get(b->seen, hex) != NULL)
        return;
    (void)json_object_set_new(b->seen, hex, json_true());
    pl_evidence_payload_name(hex, name);
    pl_tar_put(&b->files, name, bytes);
}

pl_rc pl_evidence_builder_payload(pl_evidence_builder *b, pl_str bytes, pl_error *err)
{
    char    hex[65];
    json_t *list = list_of_last(b, "payloads");

    if (list == NULL)
        return pl_fail(err, PL_INVALID, "a payload belongs to an entry");
    payload_put(b, bytes, hex);
    if (json_array_append_new(list, json_string(hex)) != 0)
        return pl_fail(err, PL_NOMEM, "out of memory");
    return room(b, err);
}

pl_rc pl_evidence_builder_opening(pl_evidence_builder *b, const uint8_t salt[32], pl_str bytes,
                                  pl_error *err)
{
    char    hex[65], salt_hex[65];
    json_t *list = list_of_last(b, "openings");

    if (list == NULL)
        return pl_fail(err, PL_INVALID, "an opening belongs to an entry");
    pl_hex(salt, 32, salt_hex);
    payload_put(b, bytes, hex);
    if (json_array_append_new(list, json_pack("{s:s, s:s}", "salt", salt_hex, "payload", hex)) != 0)
        return pl_fail(err, PL_NOMEM, "out of memory");
    return room(b, err);
}

pl_rc pl_evidence_builder_timestamp(pl_evidence_builder *b, pl_str response, pl_error *err)
{
    char name[TAR_NAME_MAX];

    pl_evidence_timestamp_name(b->stamps++, name);
    pl_tar_put(&b->files, name, response);
    return room(b, err);
}

pl_rc pl_evidence_builder_finish(pl_evidence_builder *b, void **out, size_t *n, pl_error *err)
{
    pl_buf whole = PL_BUF_INIT(PL_EVIDENCE_MAX);
    char  *index;

    if (!b->any)
        return pl_fail(err, PL_INVALID, "a package needs at least one entry");
    (void)json_object_set_new(b->index, "timestamps", json_integer((json_int_t)b->stamps));
    index = pl_json_pretty(b->index);
    if (index == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    pl_tar_put(&whole, "readme.txt", pl_str_z(readme));
    pl_tar_put(&whole, "index.json", pl_str_z(index));
    pl_buf_put(&whole, pl_buf_str(&b->files));
    pl_tar_end(&whole);
    free(index);
    if (whole.failed || b->files.failed) {
        pl_buf_done(&whole);
        return pl_fail(err, PL_LIMIT, "package would be larger than %u bytes", PL_EVIDENCE_MAX);
    }
    *out = whole.p;
    *n = whole.n;
    return PL_OK;
}
