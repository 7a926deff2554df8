/* in-toto Statements (v1): making, signing, reading. */
#include "base/banned.h"

#include "base/hash.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "base/utf8.h"
#include "cap/ledger/ledger_int.h"
#include "engine/log/dsse.h"

#define STATEMENT_TYPE "https://in-toto.io/Statement/v1"

static json_t *statement_json(pl_str subject, const uint8_t digest[32], const char *predicate_type,
                              const json_t *predicate)
{
    char hex[65];

    pl_hex(digest, 32, hex);
    return json_pack("{s:s, s:[{s:s%, s:{s:s}}], s:s, s:O}", "_type", STATEMENT_TYPE, "subject",
                     "name", subject.p, subject.n, "digest", "sha256", hex, "predicateType",
                     predicate_type, "predicate", (json_t *)(uintptr_t)predicate);
}

/* REQ: in-toto/statement-v1 */
pl_rc pl_statement_sign(const pl_signer *s, pl_str subject, const uint8_t subject_digest[32],
                        const char *predicate_type, const json_t *predicate, char **envelope,
                        size_t *n, pl_error *err)
{
    json_t *j;
    char   *text;
    pl_rc   rc;

    if (subject.n == 0 || !pl_utf8_valid(subject) || !json_is_object(predicate))
        return pl_fail(err, PL_INVALID, "statement needs a subject in UTF-8 and an object");
    j = statement_json(subject, subject_digest, predicate_type, predicate);
    text = j ? pl_json_dump(j) : NULL;
    json_decref(j);
    if (text == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    rc = pl_dsse_sign(PL_STR(PL_DSSE_INTOTO), pl_str_z(text), s, envelope, n, err);
    free(text);
    return rc;
}

pl_rc pl_ledger_state(pl_ledger *l, const pl_signer *s, pl_str subject, const char *predicate_type,
                      const json_t *predicate, uint64_t *index, pl_error *err)
{
    uint8_t digest[32];
    char   *envelope = NULL;
    size_t  n = 0;
    pl_str  entry;
    pl_rc   rc;

    pl_sha256_of(subject, digest);
    rc = pl_statement_sign(s, subject, digest, predicate_type, predicate, &envelope, &n, err);
    if (rc != PL_OK)
        return rc;
    entry = (pl_str){ envelope, n };
    rc = pl_ledger_append(l, &entry, 1, index, err);
    free(envelope);
    return rc;
}

/* Lower-case hex of a digest the statement spells out; other algorithms may be there. */
static pl_rc subject_check(const json_t *subject, pl_error *err)
{
    const json_t *digest = json_object_get(subject, "digest"), *value;
    const char   *algorithm;

    if (!json_is_object(subject) || !json_is_object(digest) || json_object_size(digest) == 0)
        return pl_fail(err, PL_INVALID, "statement has a subject without digest");
    json_object_foreach((json_t *)(uintptr_t)digest, algorithm, value) {
        const char *hex = json_string_value(value);

        if (hex == NULL || *hex == '\0' || hex[strspn(hex, "0123456789abcdef")] != '\0')
            return pl_fail(err, PL_INVALID, "digest '%.32s' is not lower-case hex", algorithm);
    }
    return PL_OK;
}

static pl_rc subjects_check(const json_t *subjects, pl_error *err)
{
    if (!json_is_array(subjects) || json_array_size(subjects) == 0)
        return pl_fail(err, PL_INVALID, "statement has no subject");
    for (size_t i = 0; i < json_array_size(subjects); i++) {
        pl_rc rc = subject_check(json_array_get(subjects, i), err);

        if (rc != PL_OK)
            return rc;
    }
    return PL_OK;
}

/* Members of predicates that claim a time; see docs/formats/statement.md. Foreign
 * predicates may use these names for something else. */
static int64_t latest_time(const json_t *predicate)
{
    static const char *const names[] = { "time", "at", "from", "to" };
    int64_t                  ms, max = 0;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const json_t *v = json_object_get(predicate, names[i]);

        if (json_is_string(v) &&
            pl_time_parse(pl_str_z(json_string_value(v)), &ms, NULL) == PL_OK && ms > max)
            max = ms;
    }
    return max;
}

pl_rc pl_statement_read(const json_t *j, statement_view *out, pl_error *err)
{
    statement_view v = { .time_ms = 0 };
    pl_str         type;
    pl_rc          rc = pl_json_get_str(j, "_type", true, &type, err);

    if (rc == PL_OK && !pl_str_eqz(type, STATEMENT_TYPE))
        rc = pl_fail(err, PL_INVALID, "not an in-toto Statement v1");
    if (rc == PL_OK)
        rc = subjects_check(json_object_get(j, "subject"), err);
    if (rc == PL_OK)
        rc = pl_json_get_str(j, "predicateType", true, &v.type, err);
    if (rc != PL_OK)
        return rc;
    v.predicate = json_object_get(j, "predicate");
    if (!json_is_object(v.predicate))
        return pl_fail(err, PL_INVALID, "statement has no predicate object");
    (void)pl_json_get_str(json_array_get(json_object_get(j, "subject"), 0), "name", false,
                          &v.subject, NULL);
    v.time_ms = latest_time(v.predicate);
    *out = v;
    return PL_OK;
}

pl_rc pl_ledger_entry_statement(pl_str entry, json_t **out, pl_error *err)
{
    pl_dsse d;
    json_t *envelope = NULL;
    pl_rc   rc = pl_dsse_read_unverified(entry, &d, &envelope, err);

    if (rc != PL_OK)
        return rc;
    rc = pl_json_parse((pl_str){ d.payload, d.payload_n }, "statement", out, err);
    json_decref(envelope);
    pl_dsse_done(&d);
    return rc;
}

pl_rc pl_statement_of(pl_str entry, json_t **j, statement_view *out, pl_error *err)
{
    json_t *statement = NULL;
    pl_rc   rc = pl_ledger_entry_statement(entry, &statement, err);

    if (rc == PL_OK)
        rc = pl_statement_read(statement, out, err);
    if (rc == PL_OK)
        *j = statement;
    else
        json_decref(statement);
    return rc;
}
