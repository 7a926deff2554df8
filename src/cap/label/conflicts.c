/* Where a file's label and its manifest tell different stories. Both are shown as they are; neither is
 * believed over the other, and the verdict stays that of the measures. */
#include "base/banned.h"

#include "base/str.h"
#include "cap/label/inspect.h"

/* IPTC digital source types of what was not generated. */
static bool is_of_the_world(pl_str type)
{
    static const char *const terms[] = { "/digitalCapture", "/computationalCapture", "/negativeFilm", "/positiveFilm", "/print",
                                         "/humanEdits", "/minorHumanEdits", "/digitalCreation", "/digitalArt", "/screenCapture",
                                         "/compositeCapture" };

    for (size_t i = 0; i < sizeof terms / sizeof terms[0]; i++)
        if (pl_str_ends(type, pl_str_z(terms[i])))
            return true;
    return false;
}

static bool says_captured(const c2pa_report *r)
{
    bool captured = false;

    for (size_t i = 0; i < r->actions_n; i++)
        captured |= is_of_the_world(r->actions[i].source_type);
    return captured && !r->is_generated;
}

size_t label_conflicts(const label_inspection *i, label_conflict out[LABEL_CONFLICTS_MAX])
{
    static const label_conflict table[] = {
        { "label.generated-manifest.captured", "the label says generated, the C2PA manifest that the content was captured or made by people",
          "标识声明为生成合成内容，而 C2PA 清单称其为拍摄或人工制作" },
        { "manifest.generated-label.missing", "the C2PA manifest says generated, and the implicit label of GB 45438-2025 is missing",
          "C2PA 清单称其为生成内容，但缺少 GB 45438-2025 隐式标识" },
        { "visible-label.implicit-missing", "a label that people see or hear is there, and the implicit label of GB 45438-2025 is missing",
          "含显式标识，但缺少 GB 45438-2025 隐式标识" },
    };
    bool   labelled = i->strongest != NULL, shown = false;
    size_t n = 0;

    for (size_t k = 0; k < i->sites; k++)
        shown |= i->site[k].is_visible;
    if (labelled && pl_aigc_state(&i->strongest->aigc.label) == '1' && i->c2pa && says_captured(i->c2pa))
        out[n++] = table[0];
    if (!labelled && i->c2pa && i->c2pa->is_generated)
        out[n++] = table[1];
    if (!labelled && shown)
        out[n++] = table[2];
    return n;
}
