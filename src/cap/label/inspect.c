#include "base/banned.h"

#include "base/str.h"
#include "base/utf8.h"
#include "cap/cmd.h"
#include "cap/label/inspect.h"
#include "engine/media/notice.h"
#include "cap/label/label_int.h"
#include "engine/media/site.h"

#include <iconv.h>

#define ARENA_MAX (64u << 20)

static const struct {
    const char *rule, *en, *zh;
} rules[] = {
    { "cn.labelling-measures.6.1",
      "its metadata holds an implicit label that says generated (labelling measures, Art. 6 item 1)",
      "文件元数据中的隐式标识表明属于生成合成内容（标识办法第六条第一项）" },
    { "cn.labelling-measures.6.2",
      "no implicit label, but it was declared as generated (labelling measures, Art. 6 item 2)",
      "未核验到隐式标识，用户声明为生成合成内容（标识办法第六条第二项）" },
    { "cn.labelling-measures.6.3",
      "no implicit label and no declaration, but a visible label or other traces of generation"
      " (labelling measures, Art. 6 item 3)",
      "无隐式标识和用户声明，但检测到显式标识或其他生成合成痕迹（标识办法第六条第三项）" },
    { "label.propagator-judgement",
      "its label records the judgement of an earlier platform, which is kept",
      "文件标识记录了此前传播平台的判断，予以保留" },
    { "label.unverifiable",
      "a label is there but cannot be relied on: broken, empty, or in the wrong place",
      "存在标识但无法采信：损坏、为空或位置错误" },
    { "no-label-found", "no label found: inconclusive, this says nothing about its origin",
      "未发现标识：无法得出结论，不能说明内容来源" },
    { "file-unreadable", "the file cannot be read to its end and nothing was found: inconclusive",
      "文件无法完整读取且未发现标识：无法得出结论" },
    { "file-ambiguous", "programs read this file in different ways, and nothing was found: inconclusive",
      "不同程序对该文件的解读不一致，且未发现标识：无法得出结论" },
};

const char *label_rule_text(const char *rule, bool zh)
{
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (strcmp(rules[i].rule, rule) == 0)
            return zh ? rules[i].zh : rules[i].en;
    return "";
}

/* --- labels ------------------------------------------------------------------------------------- */

static pl_rc security(label_site *s, const label_inspect_how *how, pl_error *err)
{
    const pl_aigc    *l = &s->aigc.label;
    pl_security_label p = { l->m[PL_AIGC_LABEL], l->m[PL_AIGC_PRODUCER], l->m[PL_AIGC_PRODUCE_ID] };
    pl_security_label q = { l->m[PL_AIGC_LABEL], l->m[PL_AIGC_PROPAGATOR], l->m[PL_AIGC_PROPAGATE_ID] };
    pl_rc             rc = pl_security_read(l->m[PL_AIGC_RESERVED1], PL_SECURITY_PRODUCER, &p, how->pinned,
                                            how->npinned, &s->producer, err);

    if (rc == PL_OK)
        rc = pl_security_read(l->m[PL_AIGC_RESERVED2], PL_SECURITY_PROPAGATOR, &q, how->pinned, how->npinned,
                              &s->propagator, err);
    return rc;
}

static pl_rc site_add(label_inspection *i, const pl_media_item *it, const label_inspect_how *how, pl_error *err)
{
    label_site *s = &i->site[i->sites];
    pl_rc       rc;

    if (i->sites == LABEL_SITES_MAX)
        return PL_OK;
    *s = (label_site){ .carrier = it->carrier, .value = it->value,
                       .is_outside = (it->flags & PL_MEDIA_OUTSIDE) != 0,
                       .is_older = (it->flags & PL_MEDIA_OLDER) != 0 };
    rc = pl_aigc_read(it->value, i->arena, &s->aigc, err);
    if (rc == PL_OK && s->aigc.readable)
        rc = security(s, how, err);
    if (rc != PL_OK)
        return rc;
    media_site_problems(it, &s->aigc);
    i->in_force += !s->is_outside && !s->is_older;
    i->sites++;
    return PL_OK;
}

/* Made for other bytes it says nothing about this file. */
static pl_rc beside(label_inspection *i, const label_inspect_how *how, pl_error *err)
{
    pl_media_item it = { .carrier = "sidecar", .key = PL_STR("AIGC"), .value = how->beside->label };
    bool          other = how->beside->fit == LABEL_SIDECAR_OTHER;
    pl_rc         rc = i->sites < LABEL_SITES_MAX ? site_add(i, &it, how, err) : PL_OK;

    if (rc != PL_OK || i->sites == 0 || strcmp(i->site[i->sites - 1].carrier, it.carrier) != 0)
        return rc;
    pl_aigc_problem_add(&i->site[i->sites - 1].aigc, pl_aigc_problem_of(other ? "label.beside-other" : "label.beside"));
    i->site[i->sites - 1].is_outside = other;
    i->in_force -= other;
    return PL_OK;
}

/* Both are read before either is judged. */
static void compare_sites(label_inspection *i)
{
    pl_aigc_report *live[LABEL_SITES_MAX];
    size_t          n = 0;

    for (size_t k = 0; k < i->sites; k++)
        if (!i->site[k].is_outside && !i->site[k].is_older && !i->site[k].is_visible)
            live[n++] = &i->site[k].aigc;
    media_sites_compare(live, n);
}

static pl_rc whole_text(label_inspection *i, const pl_media_io *io, pl_str *out, pl_error *err)
{
    char *text = io->size <= PL_LABEL_FILE_MAX / 2 ? pl_arena_alloc(i->arena, (size_t)io->size + 1) : NULL;

    if (!text)
        return io->size <= PL_LABEL_FILE_MAX / 2 ? pl_fail(err, PL_NOMEM, "out of memory") : PL_OK;
    *out = (pl_str){ text, (size_t)io->size };
    return io->read(io->ctx, 0, text, (size_t)io->size, err);
}

/* Empty when it is not, or this process may not load the table. */
static pl_str from_gb18030(pl_arena *a, pl_str text)
{
    iconv_t c = text.n <= (1u << 20) ? iconv_open("UTF-8", "GB18030") : (iconv_t)-1;
    char   *in = (char *)(uintptr_t)text.p, *out = c != (iconv_t)-1 ? pl_arena_alloc(a, text.n * 2 + 4) : NULL, *to = out;
    size_t  left = text.n, room = text.n * 2 + 4;
    bool    ok = out && iconv(c, &in, &left, &to, &room) != (size_t)-1;

    if (c != (iconv_t)-1)
        (void)iconv_close(c);
    return ok && pl_utf8_valid((pl_str){ out, (size_t)(to - out) }) ? (pl_str){ out, (size_t)(to - out) } : (pl_str){ "", 0 };
}

/* Text that people read: where the file is text, or a document whose text is read. */
static pl_rc visible(label_inspection *i, const pl_media_io *io, bool is_quick, pl_error *err)
{
    bool        is_text = i->format == PL_MEDIA_TXT || i->format == PL_MEDIA_MARKDOWN;
    label_found f = { 0 };
    pl_str      text = { "", 0 };
    pl_rc       rc = PL_OK;

    if (i->sites == LABEL_SITES_MAX)
        return PL_OK;
    if (is_text)
        rc = whole_text(i, io, &text, err);
    else if (!is_quick && i->state == PL_MEDIA_WHOLE)
        rc = pl_media_shown_text(i->media, i->arena, &text, err);
    if (rc == PL_OK && text.n > 0 && !pl_utf8_valid(text))
        text = from_gb18030(i->arena, text);
    if (rc != PL_OK || text.n == 0 || !pl_label_text_find(text, &f))
        return rc;
    i->site[i->sites++] = (label_site){ .carrier = i->format == PL_MEDIA_PDF ? "pdf.note" : "text", .value = f.value, .is_visible = true,
                                        .position = f.position == 1 ? "start" : "end",
                                        .visible_problem = f.problem };
    return PL_OK;
}

/* The rhythm label, as possibly heard. REQ: GB45438-2025/5.3 */
static pl_rc audible(label_inspection *i, const label_heard *h, pl_error *err)
{
    for (size_t k = 0; h && k < h->n && i->sites < LABEL_SITES_MAX; k++) {
        const rhythm_hit *r = &h->hit[k];
        const char *what = pl_arena_printf(i->arena, "short long, short short at %.1f s (%.0f Hz, match %.2f)", r->at_s, r->pitch_hz, r->match);
        double      end = r->at_s + 11 * r->unit_s;
        if (!what)
            return pl_fail(err, PL_NOMEM, "out of memory");
        i->site[i->sites++] = (label_site){ .carrier = "sound.rhythm", .value = pl_str_z(what), .is_visible = true,
                                            .position = r->at_s < 3 ? "start" : end > h->seconds - 3 ? "end" : "middle" };
    }
    return PL_OK;
}

/* --- the rest ---------------------------------------------------------------------------------- */

/* The store inside the file: hashed, unless this is to be quick. */
static pl_rc manifest(label_inspection *i, const label_inspect_how *how, pl_error *err)
{
    c2pa_how h = { how->trust, how->tsa_roots, how->now_ms };
    pl_rc    rc = i->manifests > 0 && !how->quick ? pl_c2pa_check_media(i->media, 0, &h, i->arena, &i->c2pa, err)
                                                  : PL_OK;

    return rc == PL_NOTFOUND ? PL_OK : rc; /* one of a thumbnail only */
}

static void field(label_inspection *i, const pl_media_item *it, const label_inspect_how *how)
{
    label_trace t;

    if (i->hits < LABEL_TRACES_MAX && label_traces_match(how->traces, it->key, it->value, &t))
        i->hit[i->hits++] = (label_hit){ it->carrier, it->key, it->value, t };
}

/* --- the verdict ---------------------------------------------------------------------------------- */

static void settle(label_inspection *i, const char *state, const char *rule)
{
    i->verdict = state;
    i->rule = rule;
}

/* Art. 6 in its order. The strongest claim counts where labels disagree: the lowest number. */
static void judge(label_inspection *i, const label_inspect_how *how)
{
    static const char *const states[] = { "generated", "possible", "suspected" };
    int                      best = 0;
    bool                     bad = false, seen = false;

    for (size_t k = 0; k < i->sites; k++) {
        const label_site *s = &i->site[k];
        int               state = s->is_visible ? 0 : pl_aigc_state(&s->aigc.label);
        seen |= s->is_visible;
        if (s->is_visible || s->is_older)
            continue;
        if (s->is_outside || !s->aigc.readable || state == 0) {
            bad = true;
        } else if (best == 0 || state < best) {
            best = state;
            i->strongest = s;
        }
    }
    if (best)
        settle(i, states[best - '1'], best == '1' ? "cn.labelling-measures.6.1" : "label.propagator-judgement");
    else if (how->declared)
        settle(i, "possible", "cn.labelling-measures.6.2");
    else if (bad)
        settle(i, "suspected", "label.unverifiable");
    else if (seen || i->hits > 0 || (i->c2pa && i->c2pa->is_generated))
        settle(i, "suspected", "cn.labelling-measures.6.3");
    else
        settle(i, "inconclusive", i->state == PL_MEDIA_WHOLE       ? "no-label-found"
                                : i->state == PL_MEDIA_AMBIGUOUS ? "file-ambiguous"
                                                                 : "file-unreadable");
}

static pl_rc collect(label_inspection *i, const pl_media_io *io, const label_inspect_how *how, pl_error *err)
{
    pl_rc rc = PL_OK;

    for (size_t k = 0; k < pl_media_items(i->media) && rc == PL_OK; k++) {
        const pl_media_item *it = pl_media_item_get(i->media, k);
        if (it->kind == PL_MEDIA_LABEL)
            rc = site_add(i, it, how, err);
        else if (it->kind == PL_MEDIA_FIELD)
            field(i, it, how);
        else if (it->kind == PL_MEDIA_C2PA)
            i->manifests++;
    }
    if (rc == PL_OK && how->beside)
        rc = beside(i, how, err);
    if (rc == PL_OK)
        rc = manifest(i, how, err);
    if (rc == PL_OK)
        rc = visible(i, io, how->quick, err);
    if (rc == PL_OK)
        rc = audible(i, how->heard, err);
    return rc;
}

pl_rc label_inspect(const pl_media_io *io, const char *name, const label_inspect_how *how, label_inspection *i,
                    pl_error *err)
{
    pl_rc rc;

    *i = (label_inspection){ .format = PL_MEDIA_UNKNOWN };
    i->arena = pl_arena_new(ARENA_MAX);
    rc = i->arena ? pl_media_scan(io, name, how->quick ? PL_MEDIA_QUICK : 0, &i->media, err)
                  : pl_fail(err, PL_NOMEM, "out of memory");
    if (rc == PL_OK) {
        i->format = pl_media_format_of(i->media);
        i->state = pl_media_state_of(i->media);
        rc = collect(i, io, how, err);
    }
    if (rc != PL_OK) {
        label_inspection_done(i);
        return rc;
    }
    compare_sites(i);
    judge(i, how);
    return PL_OK;
}

void label_inspection_done(label_inspection *i)
{
    pl_media_free(i->media);
    pl_arena_free(i->arena);
    i->media = NULL;
    i->arena = NULL;
}

bool label_site_conforms(const label_site *s)
{
    return s->is_visible ? s->visible_problem == NULL : pl_aigc_conforms(&s->aigc);
}

int label_inspection_exit(const label_inspection *i)
{
    if (i->format == PL_MEDIA_UNKNOWN)
        return PL_EXIT_BAD_INPUT;
    for (size_t k = 0; k < i->sites; k++)
        if (!i->site[k].is_older && !label_site_conforms(&i->site[k]))
            return PL_EXIT_FOUND;
    if (i->c2pa && i->c2pa->integrity == C2PA_BROKEN)
        return PL_EXIT_FOUND;
    if (strcmp(i->verdict, "inconclusive") != 0 || i->manifests > 0)
        return PL_EXIT_OK;
    return i->state == PL_MEDIA_TRUNCATED || i->state == PL_MEDIA_MALFORMED ? PL_EXIT_BAD_INPUT
                                                                            : PL_EXIT_INCONCLUSIVE;
}
