/* The report of a check: facts for programs, sentences for people. */
#include "base/banned.h"

#include "engine/log/evidence_int.h"

#define PROBLEMS_MAX 200

pl_rc pl_report_init(evidence_report *r, pl_error *err)
{
    *r = (evidence_report){ json_pack("{s:b, s:[], s:[], s:[], s:[], s:[], s:n, s:[]}", "ok", 0,
                                      "problems", "signers", "witnesses", "entries", "steps",
                                      "latest_time", "not_proven"),
                            false };
    return r->json != NULL ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");
}

void pl_report_step(evidence_report *r, const char *question, step_state state, const char *en,
                    const char *zh)
{
    static const char *const names[] = { "ok", "bad", "unknown" };

    r->failed |= json_array_append_new(json_object_get(r->json, "steps"),
                                       json_pack("{s:s, s:s, s:s, s:s}", "question", question,
                                                 "state", names[state], "en", en, "zh", zh)) != 0;
}

void pl_report_problem(evidence_report *r, const char *fmt, ...)
{
    json_t *list = json_object_get(r->json, "problems");
    char    text[512];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (json_array_size(list) == PROBLEMS_MAX)
        (void)snprintf(text, sizeof text, "more problems were found and are not listed");
    if (json_array_size(list) <= PROBLEMS_MAX)
        r->failed |= json_array_append_new(list, json_string_nocheck(text)) != 0;
}

size_t pl_report_problems(const evidence_report *r)
{
    return json_array_size(json_object_get(r->json, "problems"));
}

void pl_report_limits(evidence_report *r)
{
    static const char *const limits[][2] = {
        { "that what the statements say is true: a signature shows who says it, not that it is so",
          "声明的内容属实：签名只说明由谁作出，不说明其为真" },
        { "that these are all statements about the matter: others may exist in the log",
          "已包含全部相关声明：账本中可能还有其他声明" },
        { "that no key of a signer was withdrawn by an entry that is not in the package",
          "签名密钥未被包外的条目撤销" },
        { "that everybody is shown the same log, beyond what the witnesses above have seen",
          "所有人看到的是同一账本（见证方所见之外）" },
    };

    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        r->failed |= json_array_append_new(json_object_get(r->json, "not_proven"),
                                           json_pack("{s:s, s:s}", "en", limits[i][0], "zh",
                                                     limits[i][1])) != 0;
}
