/* YAML 1.2 files as JSON trees, on libfyaml. Mapping keys must be strings and unique;
 * anchors, aliases, tags, directives and a second document are refused, nesting is bounded
 * by 64, and no text takes more than seconds; messages carry file, line and column. */
#ifndef PL_BASE_YAML_H
#define PL_BASE_YAML_H

#include "base/json.h"

#define PL_YAML_MAX (4u << 20)

/* Scalars follow the YAML 1.2 core schema (no, yes, on, off stay strings). */
pl_rc pl_yaml_parse(pl_str text, const char *where, json_t **out, pl_error *err);
pl_rc pl_yaml_load(const char *path, json_t **out, pl_error *err);
#endif
