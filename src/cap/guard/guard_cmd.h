/* Shared by the commands of the guard. */
#ifndef PL_GUARD_GUARD_CMD_H
#define PL_GUARD_GUARD_CMD_H

#include "base/json.h"
#include "cap/cmd.h"

/* Asks the daemon; prints its answer as it is with --json. body is stolen. */
int guard_cmd_call(pl_cmd_ctx *c, const char *method, const char *path, json_t *body,
                   void (*print)(pl_cmd_ctx *c, const json_t *answer));
#endif
