/* Where a label goes on a picture, and how it keeps readable there. */
#include "base/banned.h"

#include "base/str.h"
#include "cap/label/visible_int.h"
#include "engine/text/textlabel.h"

#include <math.h>

/* WCAG 2.1 1.4.3: contrast of text that everybody can read. */
#define CONTRAST_MIN 4.5
#define PERCENT_MAX  30.0
#define SECONDS_MAX  86400.0
#define WORDING_MAX  200

static const char *const place_names[] = { "calm", "top-left", "top-right", "bottom-left",
                                           "bottom-right" };

const char *pl_visible_place_name(pl_visible_place p)
{
    return place_names[p];
}

pl_rc pl_visible_place_parse(pl_str s, pl_visible_place *out, pl_error *err)
{
    for (size_t i = 0; i < sizeof place_names / sizeof place_names[0]; i++) {
        if (pl_str_eqz(s, place_names[i])) {
            *out = (pl_visible_place)i;
            return PL_OK;
        }
    }
    return pl_fail(err, PL_INVALID,
                   "a label goes to the edge or a corner (GB 45438-2025 5.2): calm, top-left,"
                   " top-right, bottom-left or bottom-right, not '" PL_STR_FMT "'",
                   PL_STR_ARG(s));
}

pl_rc pl_audible_place_parse(pl_str s, unsigned *out, pl_error *err)
{
    static const char *const names[] = { "start", "middle", "end" };
    unsigned                 places = 0;
    pl_str                   part;

    while (pl_str_split(&s, ',', &part)) {
        size_t i = 0;

        while (i < 3 && !pl_str_eqz(part, names[i]))
            i++;
        if (i == 3)
            return pl_fail(err, PL_INVALID,
                           "a label is heard at start, middle or end (GB 45438-2025 5.3), not"
                           " '" PL_STR_FMT "'",
                           PL_STR_ARG(part));
        places |= 1u << i;
    }
    if (places == 0)
        return pl_fail(err, PL_INVALID, "no place for the label: start, middle or end");
    *out = places;
    return PL_OK;
}

/* REQ: GB45438-2025/5.2  REQ: GB45438-2025/5.3  REQ: GB45438-2025/5.4 */
pl_rc pl_visible_where_parse(const char *s, pl_visible_where *out, pl_error *err)
{
    *out = (pl_visible_where){ PL_NOTICE_END, PL_VISIBLE_CALM, PL_AUDIBLE_START };
    if (!s)
        return PL_OK;
    if (strcmp(s, "mark") == 0) {
        out->notice = PL_NOTICE_MARK;
        return PL_OK;
    }
    if (pl_visible_place_parse(pl_str_z(s), &out->corner, NULL) == PL_OK)
        return PL_OK;
    if (pl_audible_place_parse(pl_str_z(s), &out->sound, NULL) != PL_OK)
        return pl_fail(err, PL_INVALID,
                       "unknown position '%s': start, middle, end, mark, or a corner (top-left, top-right,"
                       " bottom-left, bottom-right, calm)",
                       s);
    out->notice = out->sound & PL_AUDIBLE_START ? PL_NOTICE_START : PL_NOTICE_END;
    return PL_OK;
}

pl_rc pl_visible_style_check(const pl_visible_style *s, pl_error *err)
{
    if (s->wording.n > WORDING_MAX || (s->wording.n > 0 && !pl_textlabel_conforms(s->wording)))
        return pl_fail(err, PL_INVALID,
                       "the wording does not conform to GB 45438-2025 5.2 to 5.4: it must name AI or"
                       " 人工智能, and 生成 or 合成, in at most %d bytes",
                       WORDING_MAX);
    if (s->percent != 0 && !(s->percent >= PL_VISIBLE_PERCENT && s->percent <= PERCENT_MAX))
        return pl_fail(err, PL_INVALID,
                       "a label is at least %d %% of the shorter side high (GB 45438-2025 5.2), and"
                       " at most %.0f %% here",
                       PL_VISIBLE_PERCENT, PERCENT_MAX);
    if (s->seconds != 0 && !(s->seconds >= PL_VISIBLE_SECONDS && s->seconds <= SECONDS_MAX))
        return pl_fail(err, PL_INVALID,
                       "a label stays on screen for at least %d seconds (GB 45438-2025 5.4)",
                       PL_VISIBLE_SECONDS);
    return pl_audible_voice_check(s->voice, err);
}

/* --- the corner --------------------------------------------------------------------------------- */

static int margin_of(const visible_luma *l)
{
    int shorter = l->w < l->h ? l->w : l->h;

    return shorter / 50;
}

static void corner(const visible_luma *l, const visible_mask *m, pl_visible_place p, int *x, int *y)
{
    int  gap = margin_of(l);
    bool left = p == PL_VISIBLE_TOP_LEFT || p == PL_VISIBLE_BOTTOM_LEFT;
    bool top = p == PL_VISIBLE_TOP_LEFT || p == PL_VISIBLE_TOP_RIGHT;

    *x = left ? gap : l->w - m->w - gap;
    *y = top ? gap : l->h - m->h - gap;
    *x = *x < 0 ? 0 : *x;
    *y = *y < 0 ? 0 : *y;
}

/* How much is going on under the label: the mean step from one pixel to the next. */
static double unrest(const visible_luma *l, const visible_mask *m, int x, int y)
{
    double sum = 0;

    for (int j = y; j + 1 < y + m->h; j++) {
        const uint8_t *row = l->p + (size_t)j * (size_t)l->w;

        for (int i = x; i + 1 < x + m->w; i++)
            sum += abs(row[i] - row[i + 1]) + abs(row[i] - row[i + l->w]);
    }
    return sum / ((double)m->w * m->h);
}

static pl_visible_place calmest(const visible_luma *l, const visible_mask *m)
{
    /* Viewers expect it at the bottom right; another corner must be clearly calmer. */
    static const struct {
        pl_visible_place place;
        double           penalty;
    } order[] = { { PL_VISIBLE_BOTTOM_RIGHT, 1.0 },
                  { PL_VISIBLE_BOTTOM_LEFT, 1.1 },
                  { PL_VISIBLE_TOP_RIGHT, 1.2 },
                  { PL_VISIBLE_TOP_LEFT, 1.2 } };
    pl_visible_place best = PL_VISIBLE_BOTTOM_RIGHT;
    double           least = INFINITY;

    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        int    x, y;
        double u;

        corner(l, m, order[i].place, &x, &y);
        u = (unrest(l, m, x, y) + 1.0) * order[i].penalty;
        if (u < least) {
            least = u;
            best = order[i].place;
        }
    }
    return best;
}

/* --- contrast ------------------------------------------------------------------------------------ */

/* WCAG 2.1 relative luminance of a grey. */
static double luminance(double v)
{
    v /= 255.0;
    return v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4);
}

static double contrast(double a, double b)
{
    double x = luminance(a), y = luminance(b);

    return x > y ? (x + 0.05) / (y + 0.05) : (y + 0.05) / (x + 0.05);
}

/* The darkest and brightest that count: five in a hundred pixels may lie beyond either. */
static void extremes(const visible_luma *l, const visible_mask *m, int x, int y, int *low, int *high)
{
    size_t histogram[256] = { 0 }, all = (size_t)m->w * (size_t)m->h, sum = 0;

    for (int j = y; j < y + m->h; j++)
        for (int i = x; i < x + m->w; i++)
            histogram[l->p[(size_t)j * (size_t)l->w + (size_t)i]]++;
    for (*low = 0; *low < 255 && (sum += histogram[*low]) <= all / 20; (*low)++)
        ;
    sum = 0;
    for (*high = 255; *high > 0 && (sum += histogram[*high]) <= all / 20; (*high)--)
        ;
}

/* The weakest contrast of the ink to what is behind it under a panel of that opacity. */
static double worst(int ink, double panel, int low, int high)
{
    double back = 255 - ink;
    double a = contrast(ink, low * (1 - panel) + back * panel);
    double b = contrast(ink, high * (1 - panel) + back * panel);

    return a < b ? a : b;
}

void pl_visible_layout(const visible_luma *l, const visible_mask *m, pl_visible_place want,
                       visible_layout *out)
{
    int low, high;

    out->place = want == PL_VISIBLE_CALM ? calmest(l, m) : want;
    corner(l, m, out->place, &out->x, &out->y);
    extremes(l, m, out->x, out->y, &low, &high);
    out->ink = worst(255, 0, low, high) >= worst(0, 0, low, high) ? 255 : 0;
    for (out->panel = 0; out->panel < 1; out->panel += 0.1) {
        out->contrast = worst(out->ink, out->panel, low, high);
        if (out->contrast >= CONTRAST_MIN)
            break;
    }
}

double pl_visible_blend(const visible_mask *m, const visible_layout *at, size_t i, double value,
                        double max)
{
    double ink = at->ink ? max : 0, back = max - ink;
    double outline = m->outline[i] / 255.0 * 0.85, glyph = m->glyph[i] / 255.0;

    value = value * (1 - at->panel) + back * at->panel;
    value = value * (1 - outline) + back * outline;
    return value * (1 - glyph) + ink * glyph;
}

pl_rc pl_visible_prepare(const visible_luma *l, const pl_visible_style *s, visible_mask *m,
                         visible_layout *at, pl_visible_report *r, pl_error *err)
{
    int    shorter = l->w < l->h ? l->w : l->h, gap = margin_of(l);
    double percent = s->percent > 0 ? s->percent : PL_VISIBLE_PERCENT;
    int    glyph_h = (int)ceil(shorter * percent / 100.0);
    pl_str wording = s->wording.n > 0 ? s->wording : PL_STR(PL_VISIBLE_WORDING);
    pl_rc  rc;

    glyph_h = glyph_h < 8 ? 8 : glyph_h; /* lower than this nobody can read */
    rc = pl_visible_draw(s, wording, glyph_h, l->w - 2 * gap, l->h - 2 * gap, m, err);
    if (rc != PL_OK)
        return rc;
    pl_visible_layout(l, m, s->place, at);
    *r = (pl_visible_report){ .place = at->place, .x = at->x, .y = at->y, .w = m->w, .h = m->h,
                              .glyph_h = m->glyph_h, .contrast = at->contrast };
    return PL_OK;
}
