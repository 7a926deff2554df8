/* JSON trees for the control plane, on jansson. */
#ifndef PL_BASE_JSON_H
#define PL_BASE_JSON_H

#include <jansson.h>
#include <plumbline/base.h>
#include <stdbool.h>

/* Parses any JSON value, with duplicate keys and NUL characters rejected and at most
 * PL_JSONSCAN_DEPTH levels (PL_LIMIT). `where` names the source in errors, which never
 * quote the text. */
pl_rc pl_json_parse(pl_str text, const char *where, json_t **out, pl_error *err);
/* Compact, sorted keys: our canonical output. malloc'd. */
char *pl_json_dump(const json_t *j);
/* Human form, indented by 2. malloc'd. */
char *pl_json_pretty(const json_t *j);
/* Typed getters. A wrong type is PL_INVALID naming the key; a missing key that is not
 * required leaves *out as the caller set it (its default). */
pl_rc pl_json_get_str(const json_t *o, const char *key, bool required, pl_str *out, pl_error *err);
pl_rc pl_json_get_int(const json_t *o, const char *key, bool required, int64_t *out, pl_error *err);
pl_rc pl_json_get_bool(const json_t *o, const char *key, bool required, bool *out, pl_error *err);
/* PL_INVALID when o has a key that is not in the NULL-ended list. */
pl_rc pl_json_only(const json_t *o, const char *const *allowed, pl_error *err);
#endif
