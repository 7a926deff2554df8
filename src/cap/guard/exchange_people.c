/* Who asks: known by a keyed hash only, which is what the event holds. */
#include "base/banned.h"

#include "base/hash.h"
#include "base/str.h"
#include "cap/guard/guard_int.h"

/* REQ: GUARD/subjects  HMAC-SHA256 under the installation's index key, cut to 16 bytes. */
static void key_of(const pl_exchange *x, const char *domain, pl_str a, pl_str b, uint8_t out[PL_SUBJECT_KEY])
{
    uint8_t h[32];
    pl_buf  text = PL_BUF_INIT(1u << 20);

    pl_buf_puts(&text, domain);
    pl_buf_putc(&text, '\0');
    pl_buf_put(&text, a);
    if (b.n) {
        pl_buf_putc(&text, '\0');
        pl_buf_put(&text, b);
    }
    pl_hmac_sha256(x->o.index_key, 32, pl_buf_str(&text), h);
    memcpy(out, h, PL_SUBJECT_KEY);
    pl_buf_done(&text);
}

void pl_exchange_key(const pl_exchange *x, const char *domain, pl_str value, uint8_t out[PL_SUBJECT_KEY])
{
    key_of(x, domain, value, (pl_str){ "", 0 }, out);
}

void pl_subject_key(const uint8_t index_key[32], pl_str value, uint8_t out[PL_SUBJECT_KEY])
{
    pl_exchange x = { .o.index_key = index_key };

    key_of(&x, "plumbline.subject.v1", value, (pl_str){ "", 0 }, out);
}

void pl_exchange_identify(pl_exchange *x)
{
    const people_config *c = pl_policy_people(x->o.policy);
    pl_str               who = x->o.subject.n || !x->o.subject_in_body ? x->o.subject : x->facts.user;
    subject_state        person, session;
    bool                 knows_person = false, knows_session = false;

    x->facts.user = (pl_str){ "", 0 };
    x->has_subject = who.n > 0;
    x->has_session = who.n > 0 && x->o.session.n > 0;
    if (x->has_subject)
        key_of(x, "plumbline.subject.v1", who, (pl_str){ "", 0 }, x->subject);
    if (x->has_session)
        key_of(x, "plumbline.session.v1", who, x->o.session, x->session);
    x->o.subject = x->o.session = (pl_str){ "", 0 };
    if (!c || !(x->has_subject || x->o.is_minor))
        return;
    if (x->o.subjects && x->has_subject)
        knows_person = pl_subjects_find(x->o.subjects, x->subject, &person);
    if (x->o.subjects && x->has_session)
        knows_session = pl_subjects_find(x->o.subjects, x->session, &session);
    /* With a session of its own only that one is stopped, not the person's other ones. */
    if (knows_person && x->has_session)
        person.stopped_ms = 0;
    people_admit(c, knows_person ? &person : NULL, knows_session ? &session : NULL, x->o.is_minor, x->o.now_ms,
                 &x->people);
    if (x->in.shadow)
        x->people = (people_admission){ 0 };
}

bool pl_exchange_refuse_person(pl_exchange *x)
{
    const people_admission *a = &x->people;
    pl_str                  text = x->facts.zh ? a->zh : a->en;
    char                    message[700];

    if (!a->refusal)
        return false;
    if (text.n == 0)
        text = pl_policy_answer(x->o.policy, x->o.route, PL_STR("default"), x->facts.zh);
    snprintf(message, sizeof message, PL_STR_FMT, PL_STR_ARG(text));
    x->facts.is_stream = false;
    pl_exchange_refuse(x, a->retry_s ? 429 : 403, a->retry_s ? "rate_limit_error" : "permission_error",
                       a->refusal, message);
    return true;
}

unsigned pl_exchange_reminders(const pl_exchange *x)
{
    return x->own ? 0 : x->people.remind;
}

int64_t pl_exchange_retry_after(const pl_exchange *x)
{
    return x->people.refusal ? x->people.retry_s : x->retry_s;
}
