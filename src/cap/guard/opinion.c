/* A second opinion: what a guard model is asked, and what its answer says. */
#include "base/banned.h"

#include "base/str.h"
#include "cap/guard/guard_int.h"

pl_rc pl_exchange_question(const pl_exchange *x, pl_buf *out)
{
    static const char place[] = "{text}";
    const char       *prompt = x->route->opinion_prompt[x->asked.asks].p, *at = strstr(prompt, place);

    if (x->question.failed || !at)
        return PL_LIMIT;
    pl_buf_puts(out, "{\"model\":\"");
    pl_buf_json(out, x->route->opinion_model);
    pl_buf_puts(out, "\",\"stream\":false,\"temperature\":0,\"messages\":[{\"role\":\"user\",\"content\":\"");
    pl_buf_json(out, (pl_str){ prompt, (size_t)(at - prompt) });
    pl_buf_json(out, pl_buf_str(&x->question));
    pl_buf_json(out, pl_str_z(at + sizeof place - 1));
    pl_buf_puts(out, "\"}]}");
    return out->failed ? PL_NOMEM : PL_OK;
}

static bool begins(pl_str s, const char *word)
{
    size_t n = strlen(word);

    if (s.n < n || strncasecmp(s.p, word, n) != 0)
        return false;
    return s.n == n || !((s.p[n] | 0x20) >= 'a' && (s.p[n] | 0x20) <= 'z');
}

typedef struct flag_reader {
    int  depth;
    bool is_flag, found, flagged;
} flag_reader;

/* {"flagged": true}: the member of the outermost object, once. */
static pl_opinion flag_read(pl_str s)
{
    pl_jsonscan scan;
    pl_jsontok  t;
    flag_reader r = { 0 };
    pl_rc       rc;

    pl_jsonscan_init(&scan, s);
    while ((rc = pl_jsonscan_next(&scan, &t, NULL)) == PL_OK && t.type != PL_JT_END) {
        bool is_value = r.is_flag && r.depth == 1;

        r.is_flag = t.type == PL_JT_KEY && r.depth == 1 && pl_str_eqz(t.raw, "flagged");
        r.depth += (t.type == PL_JT_OBJ_BEGIN || t.type == PL_JT_ARR_BEGIN) -
                   (t.type == PL_JT_OBJ_END || t.type == PL_JT_ARR_END);
        if (!is_value || (t.type != PL_JT_TRUE && t.type != PL_JT_FALSE))
            continue;
        if (r.found)
            return PL_OPINION_NONE;
        r.found = true;
        r.flagged = t.type == PL_JT_TRUE;
    }
    return rc != PL_OK || !r.found ? PL_OPINION_NONE : r.flagged ? PL_OPINION_UNSAFE : PL_OPINION_SAFE;
}

static pl_opinion text_read(pl_str s)
{
    s = pl_str_trim(s);
    if (s.n && s.p[0] == '{')
        return flag_read(s);
    return begins(s, "unsafe") ? PL_OPINION_UNSAFE : begins(s, "safe") ? PL_OPINION_SAFE : PL_OPINION_NONE;
}

static void ignore(void *ctx, const surface_node *node, const pl_jsontok *t)
{
    (void)ctx;
    (void)node;
    (void)t;
}

pl_opinion pl_opinion_read(int status, pl_str body)
{
    const pl_surface *chat = pl_surface_find(PL_STR("chat.completions"));
    answer_reader     r = { .tree = pl_surface_response_tree(chat), .single = ignore };
    answer            a = { 0 };
    pl_buf            text = PL_BUF_INIT(PL_QUESTION_MAX);
    pl_opinion        o = PL_OPINION_NONE;

    if (status == 200 && pl_answer_read(&r, body, &a, NULL) == PL_OK)
        for (size_t i = 0; i < a.n && text.n == 0; i++)
            if (a.piece[i].kind == PK_TEXT && a.piece[i].choice == 0)
                pl_json_unescape(a.piece[i].t.raw, &text);
    if (text.n && !text.failed)
        o = text_read(pl_buf_str(&text));
    pl_buf_done(&text);
    pl_answer_done(&a);
    return o;
}
