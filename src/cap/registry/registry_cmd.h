/* Shared by the files with verbs. */
#ifndef PL_REGISTRY_CMD_H
#define PL_REGISTRY_CMD_H

#include "cap/registry/pl_registry_call.h"
#include "cap/registry/registry_int.h"

/* Calls, prints with `human` or as JSON, and gives the exit code. body is taken over. */
int registry_run(pl_cmd_ctx *c, pl_registry_call *k, json_t *body,
                 void (*human)(pl_cmd_ctx *c, const json_t *answer));
/* Prints an answer with `human`, or as JSON. */
void registry_answer_print(pl_cmd_ctx *c, const json_t *answer, void (*human)(pl_cmd_ctx *c, const json_t *answer));
/* The text of a member, "" when it is none. */
const char *registry_at(const json_t *o, const char *key);
/* Reads values from a YAML or JSON file ("-": standard input). */
pl_rc registry_values_read(const char *path, json_t **out, pl_error *err);
/* Puts a file's bytes into a request: by digest for the operator of the host, as base64 for others. */
pl_rc registry_content_put(pl_cmd_ctx *c, pl_str bytes, json_t *body, pl_error *err);
const char *registry_word(const pl_cmd_ctx *c, const json_t *o); /* zh or en of an object */

int registry_cmd_kinds(pl_cmd_ctx *c);
int registry_cmd_add(pl_cmd_ctx *c);
int registry_cmd_change(pl_cmd_ctx *c);
int registry_cmd_show(pl_cmd_ctx *c);
int registry_cmd_list(pl_cmd_ctx *c);
int registry_cmd_history(pl_cmd_ctx *c);
int registry_cmd_retire(pl_cmd_ctx *c);
int registry_cmd_attach(pl_cmd_ctx *c);
int registry_cmd_import(pl_cmd_ctx *c);
int registry_cmd_export(pl_cmd_ctx *c);
extern const pl_opt registry_opts[], registry_exchange_opts[];

int filing_cmd_export(pl_cmd_ctx *c);
int filing_cmd_import(pl_cmd_ctx *c);
int filing_cmd_list_import(pl_cmd_ctx *c);
extern const pl_opt filing_list_opts[];
int filing_cmd_peers(pl_cmd_ctx *c);
int filing_cmd_peer(pl_cmd_ctx *c);
extern const pl_opt filing_export_opts[], filing_peer_opts[];
#endif
