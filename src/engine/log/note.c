/* REQ: C2SP/signed-note */
#include "base/banned.h"

#include "engine/log/note.h"

#include "base/str.h"
#include "base/utf8.h"

#define EM_DASH "\xe2\x80\x94"

/* White_Space of the Unicode character database, the set Go's unicode.IsSpace uses. */
static bool is_space(uint32_t cp)
{
    return (cp >= 0x09 && cp <= 0x0d) || cp == 0x20 || cp == 0x85 || cp == 0xa0 || cp == 0x1680 ||
           (cp >= 0x2000 && cp <= 0x200a) || cp == 0x2028 || cp == 0x2029 || cp == 0x202f ||
           cp == 0x205f || cp == 0x3000;
}

pl_rc pl_note_name_check(pl_str name, pl_error *err)
{
    if (name.n == 0)
        return pl_fail(err, PL_INVALID, "key name is empty");
    for (pl_str rest = name; rest.n > 0;) {
        uint32_t cp = 0;
        int      n = pl_utf8_decode(rest, &cp);

        if (n <= 0)
            return pl_fail(err, PL_INVALID, "key name is not UTF-8");
        if (cp < 0x20 || cp == '+' || is_space(cp))
            return pl_fail(err, PL_INVALID, "key name holds a space, a control character or '+'");
        rest.p += n;
        rest.n -= (size_t)n;
    }
    return PL_OK;
}

uint32_t pl_note_keyid_get(const uint8_t b[4])
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static pl_rc characters_check(pl_str note, pl_error *err)
{
    if (!pl_utf8_valid(note))
        return pl_fail(err, PL_INVALID, "note is not UTF-8");
    for (size_t i = 0; i < note.n; i++)
        if ((uint8_t)note.p[i] < 0x20 && note.p[i] != '\n')
            return pl_fail(err, PL_INVALID, "note holds a control character at byte %zu", i);
    return PL_OK;
}

/* The text ends at the last blank line: it may hold blank lines itself. */
static pl_rc split_at_last_blank(pl_str note, pl_str *text, pl_str *sigs, pl_error *err)
{
    size_t i = note.n;

    if (note.n == 0 || note.p[note.n - 1] != '\n')
        return pl_fail(err, PL_INVALID, "note does not end with a newline");
    while (i >= 2 && !(note.p[i - 1] == '\n' && note.p[i - 2] == '\n'))
        i--;
    if (i < 2)
        return pl_fail(err, PL_INVALID, "note has no blank line before its signatures");
    if (i == note.n)
        return pl_fail(err, PL_INVALID, "note has no signature lines");
    *text = (pl_str){ note.p, i - 1 };
    *sigs = (pl_str){ note.p + i, note.n - i };
    return PL_OK;
}

/* One line without its newline. `at` has room for the decoded signature. */
static pl_rc sigline_parse(pl_str line, uint8_t *at, size_t room, pl_note_sig *out, size_t *used,
                           pl_error *err)
{
    pl_str rest = line, name;
    size_t n = 0;
    pl_rc  rc;

    if (!pl_str_starts(line, PL_STR(EM_DASH " ")))
        return pl_fail(err, PL_INVALID, "signature line does not start with an em dash");
    rest.p += sizeof(EM_DASH);
    rest.n -= sizeof(EM_DASH);
    if (!pl_str_split(&rest, ' ', &name) || rest.n == 0)
        return pl_fail(err, PL_INVALID, "signature line has no signature");
    rc = pl_note_name_check(name, err);
    if (rc == PL_OK)
        rc = pl_base64_decode(rest, at, room, &n, err);
    if (rc != PL_OK)
        return rc;
    if (n < 5)
        return pl_fail(err, PL_INVALID, "signature is shorter than 5 bytes");
    *out = (pl_note_sig){
        .name = name,
        .keyid = pl_note_keyid_get(at),
        .sig = at + 4,
        .n = n - 4,
    };
    *used = n;
    return PL_OK;
}

static pl_rc siglines_parse(pl_str sigs, pl_note *n, size_t room, pl_error *err)
{
    size_t at = 0;

    while (sigs.n > 0) {
        size_t len = (size_t)((const char *)memchr(sigs.p, '\n', sigs.n) - sigs.p);
        size_t used = 0;
        pl_rc  rc;

        if (n->nsigs == PL_NOTE_SIGS_MAX)
            return pl_fail(err, PL_LIMIT, "note has more than %d signatures", PL_NOTE_SIGS_MAX);
        rc = sigline_parse((pl_str){ sigs.p, len }, n->bytes + at, room - at, &n->sigs[n->nsigs],
                           &used, err);
        if (rc != PL_OK)
            return rc;
        n->nsigs++;
        at += used;
        sigs.p += len + 1;
        sigs.n -= len + 1;
    }
    return PL_OK;
}

pl_rc pl_note_parse(pl_str note, pl_note *out, pl_error *err)
{
    pl_note n = { .nsigs = 0 };
    pl_str  sigs;
    pl_rc   rc;

    if (note.n > PL_NOTE_MAX)
        return pl_fail(err, PL_LIMIT, "note is larger than %u bytes", PL_NOTE_MAX);
    rc = characters_check(note, err);
    if (rc == PL_OK)
        rc = split_at_last_blank(note, &n.text, &sigs, err);
    if (rc != PL_OK)
        return rc;
    n.bytes = malloc(sigs.n);
    if (n.bytes == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    rc = siglines_parse(sigs, &n, sigs.n, err);
    if (rc != PL_OK) {
        pl_note_done(&n);
        return rc;
    }
    *out = n;
    return PL_OK;
}

pl_rc pl_note_open(pl_str note, pl_note **out, pl_error *err)
{
    pl_note *n = malloc(sizeof(*n));
    pl_rc    rc = n ? pl_note_parse(note, n, err) : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc != PL_OK)
        free(n);
    else
        *out = n;
    return rc;
}

void pl_note_free(pl_note *n)
{
    if (n != NULL)
        pl_note_done(n);
    free(n);
}

void pl_note_done(pl_note *n)
{
    free(n->bytes);
    n->bytes = NULL;
    n->nsigs = 0;
}

void pl_note_line_format(const pl_note_sig *s, pl_buf *out)
{
    pl_buf  blob = PL_BUF_INIT(PL_NOTE_MAX);
    uint8_t id[4] = { (uint8_t)(s->keyid >> 24), (uint8_t)(s->keyid >> 16),
                      (uint8_t)(s->keyid >> 8), (uint8_t)s->keyid };

    pl_buf_put(&blob, (pl_str){ (const char *)id, sizeof(id) });
    pl_buf_put(&blob, (pl_str){ (const char *)s->sig, s->n });
    pl_buf_puts(out, EM_DASH " ");
    pl_buf_put(out, s->name);
    pl_buf_putc(out, ' ');
    pl_buf_base64(out, blob.p, blob.n);
    pl_buf_putc(out, '\n');
    if (blob.failed)
        out->failed = true;
    pl_buf_done(&blob);
}

void pl_note_format(const pl_note *n, pl_buf *out)
{
    pl_buf_put(out, n->text);
    pl_buf_putc(out, '\n');
    for (size_t i = 0; i < n->nsigs; i++)
        pl_note_line_format(&n->sigs[i], out);
}

pl_rc pl_note_verify(const pl_note *n, const pl_vkey *k, pl_error *err)
{
    bool any = false;

    for (size_t i = 0; i < n->nsigs; i++) {
        const pl_note_sig *s = &n->sigs[i];

        if (s->keyid != k->keyid || !pl_str_eqz(s->name, k->name))
            continue;
        if (pl_vkey_verify(k, n->text, (pl_str){ (const char *)s->sig, s->n }, err) != PL_OK)
            return pl_fail(err, PL_INVALID, "signature of '%s' does not verify", k->name);
        any = true;
    }
    if (!any)
        return pl_fail(err, PL_NOTFOUND, "no signature of '%s' with key id %08x", k->name,
                       (unsigned)k->keyid);
    return PL_OK;
}
