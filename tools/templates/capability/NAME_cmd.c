#include "base/banned.h"

#include "base/json.h"
#include "base/str.h"
#include "cap/@name@/@name@_int.h"

static void print_verdict(pl_cmd_ctx *c, pl_rc rc, const char *why)
{
    json_t *o;
    char   *text;

    if (!c->json) {
        fprintf(c->out, "%s\n", rc == PL_OK ? pl_cmd_say(c, "acceptable", "可以接受") : why);
        return;
    }
    o = json_pack("{s:b, s:s}", "ok", rc == PL_OK, "problem", why);
    text = o ? pl_json_dump(o) : NULL;
    if (text)
        fprintf(c->out, "%s\n", text);
    free(text);
    json_decref(o);
}

/* @name@ check TEXT: exit 0 acceptable, 1 not. Needs no instance. */
static int cmd_check(pl_cmd_ctx *c)
{
    pl_error err = { PL_OK, "" };
    pl_rc    rc = pl_@name@_check(pl_str_z(c->argv[0]), &err);

    print_verdict(c, rc, err.text);
    return rc == PL_OK ? PL_EXIT_OK : PL_EXIT_FOUND;
}

static const pl_opt no_options[] = { { NULL, NULL, NULL, NULL } };

const pl_cmd pl_@name@_commands[] = {
    { "@name@", "check", "TEXT", 1, 1, no_options, "say whether a text may become a remark",
      "检查一段文字能否作为备注", "plumbline @name@ check 'reviewed by two people'", cmd_check },
    { NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL, NULL },
};
