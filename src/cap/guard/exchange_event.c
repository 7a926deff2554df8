/* The event leaf: docs/formats/event.md, member for member. */
#include "base/banned.h"

#include "base/hash.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "base/utf8.h"
#include "cap/guard/guard_int.h"
#include "engine/text/textlabel.h"

#define CLOCK_JUMP_MS 1000 /* less is how clocks are corrected every day */

/* One leaf per request: formatted by hand, printf would cost more than the rest of it. */
static void name_of(pl_buf *b, const char *name)
{
    pl_buf_puts(b, ",\"");
    pl_buf_puts(b, name);
    pl_buf_puts(b, "\":");
}

static void member(pl_buf *b, const char *name, pl_str v)
{
    name_of(b, name);
    pl_buf_putc(b, '"');
    pl_buf_json(b, v);
    pl_buf_putc(b, '"');
}

static void number(pl_buf *b, uint64_t v)
{
    char  digits[20];
    char *p = digits + sizeof digits;

    do
        *--p = (char)('0' + v % 10);
    while (v /= 10);
    pl_buf_put(b, (pl_str){ p, (size_t)(digits + sizeof digits - p) });
}

static void number_member(pl_buf *b, const char *name, uint64_t v)
{
    name_of(b, name);
    number(b, v);
}

static void findings(const pl_exchange *x, pl_buf *b, const tally *t, size_t most)
{
    size_t n = t->n < most ? t->n : most;

    const pl_textdb *db = pl_policy_textdb(x->o.policy);

    pl_buf_puts(b, ",\"findings\":[");
    for (size_t i = 0; i < n; i++) {
        pl_text_rule r = pl_textdb_rule_get(db, t->row[i].rule);
        pl_buf_puts(b, i ? ",{\"rule\":\"" : "{\"rule\":\"");
        pl_buf_json(b, r.id);
        pl_buf_putc(b, '"');
        member(b, "category", r.category);
        number_member(b, "severity", r.severity);
        member(b, "action", pl_str_z(pl_action_name(pl_cell_action(t->row[i].cell))));
        number_member(b, "count", t->row[i].count);
        pl_buf_putc(b, '}');
    }
    pl_buf_puts(b, "]");
    if (t->more || n < t->n)
        number_member(b, "more", t->more + (t->n - n));
}

/* The text that trace will see again: NFC, without blanks at the end. */
static pl_rc traced_text(const pl_exchange *x, const choice *c, char **out, size_t *n)
{
    pl_buf shown = PL_BUF_INIT(PL_TEXT_KEPT * 2);
    pl_str s = pl_buf_str(&c->text);
    pl_rc  rc;

    if (pl_choice_is_changed(x, c)) {
        pl_choice_shown(x, c, &shown);
        s = pl_buf_str(&shown);
    }
    s = pl_textlabel_strip(s, NULL, 0);
    rc = shown.failed ? PL_LIMIT : pl_utf8_nfc(s, out, n, NULL);
    pl_buf_done(&shown);
    return rc;
}

/* What went through the scanner: every string and key of a body, so the body as a whole, or nothing. */
static void ranges(pl_buf *b, bool read, uint64_t bytes)
{
    pl_buf_puts(b, ",\"ranges\":[");
    if (read && bytes) {
        pl_buf_puts(b, "[0,");
        number(b, bytes);
        pl_buf_putc(b, ']');
    }
    pl_buf_putc(b, ']');
}

static void output(pl_exchange *x, pl_buf *b, int i)
{
    choice *c = x->choices[i];
    char    hex[65] = "";
    char   *text = NULL;
    size_t  n = 0;

    if (c && c->text_bytes && !c->text.failed && traced_text(x, c, &text, &n) == PL_OK && n) {
        pl_hash h = pl_commit(x->o.salt, (pl_str){ text, n });
        pl_hex(h.b, sizeof h.b, hex);
        pl_hmac_sha256(x->o.index_key, 32, (pl_str){ text, n },
                       x->event.outputs[x->event.output_count++]);
    }
    free(text);
    pl_buf_puts(b, i ? ",{\"bytes\":" : "{\"bytes\":");
    number(b, c ? c->text_bytes : 0);
    ranges(b, !x->is_raw && !(x->bypasses & (PL_BYPASS_NOT_JUDGED | PL_BYPASS_OVER_OUT)), c ? c->text_bytes : 0);
    member(b, "commitment", pl_str_z(hex));
    pl_buf_putc(b, '}');
}

static void outputs(pl_exchange *x, pl_buf *b)
{
    int  n = x->choice_count < PL_EVENT_OUTPUTS_MAX ? x->choice_count : PL_EVENT_OUTPUTS_MAX;
    bool withheld = x->own || strcmp(x->verdict, "block") == 0;

    pl_buf_puts(b, ",\"outputs\":[");
    for (int i = 0; i < n && !withheld; i++)
        output(x, b, i);
    pl_buf_puts(b, "]");
}

static void key_member(pl_buf *b, const char *name, const uint8_t key[PL_SUBJECT_KEY])
{
    char hex[2 * PL_SUBJECT_KEY + 1];

    pl_hex(key, PL_SUBJECT_KEY, hex);
    member(b, name, pl_str_z(hex));
}

static void reminders(const pl_exchange *x, pl_buf *b)
{
    unsigned bits = pl_exchange_reminders(x);

    if (bits)
        pl_buf_puts(b, bits == 3   ? ",\"reminders\":[\"session\",\"dependence\"]"
                       : bits == 1 ? ",\"reminders\":[\"session\"]"
                                   : ",\"reminders\":[\"dependence\"]");
}

static pl_str surface_name(const pl_exchange *x)
{
    return pl_str_z(x->surface ? x->surface->name : "unknown");
}

static void head(pl_exchange *x, pl_buf *b, int64_t now_ms)
{
    char time[25];

    pl_time_format(x->o.now_ms, time);
    pl_buf_puts(b, "{\"v\":1");
    member(b, "id", (pl_str){ x->o.id, PL_ID_LEN });
    member(b, "time", (pl_str){ time, 24 });
    number_member(b, "ms", (uint64_t)(now_ms > x->o.now_ms ? now_ms - x->o.now_ms : 0));
    if (x->clock_off_ms)
        pl_buf_printf(b, ",\"clock_ms\":%lld", (long long)x->clock_off_ms);
    member(b, "service", x->o.service);
    member(b, "route", x->o.route_name);
    if (x->o.tenant.n)
        member(b, "tenant", x->o.tenant);
    member(b, "surface", surface_name(x));
    if (x->facts.model.n) { /* raw as it stood in the request: escaped already */
        name_of(b, "model");
        pl_buf_putc(b, '"');
        pl_buf_put(b, x->facts.model);
        pl_buf_putc(b, '"');
    }
    pl_buf_puts(b, ",\"stream\":");
    pl_buf_puts(b, x->facts.is_stream ? "true" : "false");
    member(b, "policy", pl_policy_name(x->o.policy));
    member(b, "policy_sha256", (pl_str){ pl_policy_digest(x->o.policy), 64 });
    if (x->has_subject)
        key_member(b, "subject", x->subject);
    if (x->has_session)
        key_member(b, "session", x->session);
    if (x->o.is_minor)
        pl_buf_puts(b, ",\"minor\":true");
    if (x->in.shadow)
        member(b, "mode", PL_STR("shadow"));
    member(b, "verdict", pl_str_z(x->verdict));
    member(b, "direction", pl_str_z(x->direction));
    member(b, "reason", pl_str_z(x->reason));
    number_member(b, "status", (uint64_t)x->status);
    number_member(b, "upstream_status", (uint64_t)x->upstream_status);
}

static const char *const opinions[] = { "none", "safe", "unsafe" };

const char *pl_bypass_name(unsigned bit)
{
    return bit == PL_BYPASS_NOT_JUDGED ? "not_judged"
           : bit == PL_BYPASS_OPINION  ? "second_opinion"
           : bit == PL_BYPASS_OVER_IN  ? "oversize_input"
                                       : "oversize_output";
}

/* Only there when there was one. */
static void bypasses(const pl_exchange *x, pl_buf *b)
{
    const char *sep = ",\"bypasses\":[\"";

    for (unsigned i = 0; i < PL_BYPASSES; i++)
        if (x->bypasses & 1u << i) {
            pl_buf_puts(b, sep);
            pl_buf_puts(b, pl_bypass_name(1u << i));
            sep = "\",\"";
        }
    if (x->bypasses)
        pl_buf_puts(b, "\"]");
}

static void leaf_write(pl_exchange *x, int64_t now_ms, size_t most_findings)
{
    pl_buf *b = &x->leaf;
    char    commitment[65] = "";

    x->event.output_count = 0;
    pl_buf_clear(b);
    head(x, b, now_ms);
    if (x->input_bytes)
        pl_hex(x->input_commitment.b, 32, commitment);
    pl_buf_puts(b, ",\"input\":{\"bytes\":");
    number(b, x->input_bytes);
    number_member(b, "scanned", x->in.scanned);
    ranges(b, x->in.scanned > 0 && !(x->bypasses & PL_BYPASS_NOT_JUDGED), x->input_bytes);
    member(b, "commitment", pl_str_z(commitment));
    findings(x, b, &x->in, most_findings);
    pl_buf_puts(b, "}");
    outputs(x, b);
    pl_buf_puts(b, ",\"output\":{\"bytes\":");
    number(b, x->output_bytes);
    number_member(b, "scanned", x->out.scanned);
    findings(x, b, &x->out, most_findings);
    pl_buf_putc(b, '}');
    member(b, "label", pl_str_z(pl_exchange_label(x)));
    number_member(b, "unscreened", x->facts.unscreened);
    if (x->in.asking >= 0 && !x->in.shadow)
        member(b, "second_opinion", pl_str_z(opinions[x->opinion]));
    if (x->out.asking >= 0 && !x->out.shadow)
        member(b, "second_opinion_output", pl_str_z(opinions[x->asked.said]));
    bypasses(x, b);
    pl_exchange_budget_members(x, b);
    reminders(x, b);
    pl_exchange_review_member(x, b);
    member(b, "end", pl_str_z(x->end));
    pl_buf_putc(b, '}');
}

pl_event_begun pl_exchange_begun(const pl_exchange *x)
{
    return (pl_event_begun){ .time_ms = x->o.now_ms, .is_stream = x->facts.is_stream,
                             .id = { x->o.id, PL_ID_LEN }, .surface = surface_name(x),
                             .service = x->o.service, .route = x->o.route_name,
                             .policy = pl_policy_name(x->o.policy),
                             .policy_sha256 = { pl_policy_digest(x->o.policy), 64 } };
}

void pl_exchange_note_clock(pl_exchange *x, int64_t off_ms)
{
    if (off_ms > CLOCK_JUMP_MS || off_ms < -CLOCK_JUMP_MS)
        x->clock_off_ms = off_ms;
}

const pl_event *pl_exchange_event(pl_exchange *x, int64_t now_ms)
{
    pl_hash h;

    if (x->event_done)
        return &x->event;
    x->event_done = true;
    pl_exchange_settle_budget(x, now_ms);
    if (x->o.hand_over && pl_exchange_wants_review(x))
        x->o.hand_over(x->o.hand_over_ctx, x);
    leaf_write(x, now_ms, PL_TALLY_RULES);
    for (size_t most = PL_TALLY_RULES; x->leaf.failed && most;) /* too many or too long */
        leaf_write(x, now_ms, most /= 2);
    h = pl_merkle_leaf(pl_buf_str(&x->leaf));
    pl_hex(h.b, sizeof h.b, x->event.digest);
    x->event.id = pl_exchange_id(x);
    x->event.time_ms = x->o.now_ms;
    x->event.leaf = pl_buf_str(&x->leaf);
    memcpy(x->event.salt, x->o.salt, 32);
    return &x->event;
}

void pl_exchange_comment(pl_exchange *x, pl_buf *out)
{
    if (!x->route->receipt_comment || !x->event_done || x->unrecorded || !x->is_stream || x->is_raw ||
        x->surface->framing != FRAMING_SSE)
        return;
    pl_buf_puts(out, ": plumbline-receipt {\"id\":\"");
    pl_buf_puts(out, x->o.id);
    pl_buf_puts(out, "\",\"event\":\"");
    pl_buf_puts(out, x->event.digest);
    pl_buf_puts(out, "\",\"policy\":\"");
    pl_buf_puts(out, pl_policy_digest(x->o.policy));
    pl_buf_puts(out, "\",\"verdict\":\"");
    pl_buf_puts(out, x->verdict);
    pl_buf_puts(out, "\"}\n\n");
}

bool pl_exchange_event_is_done(const pl_exchange *x)
{
    return x->event_done;
}
