/* Checks JSON against a JSON Schema (draft 2020-12), the part of it that our schemas use:
 * type, enum, const, required, properties, additionalProperties (true or false), items,
 * minItems, maxItems, minimum, maximum, minLength, maxLength, pattern (POSIX extended),
 * format date-time, $ref to "#/$defs/NAME", anyOf, and notes that bind nothing. A schema that
 * uses more is refused, so that nothing is skipped in silence. */
#ifndef PL_BASE_JSONSCHEMA_H
#define PL_BASE_JSONSCHEMA_H

#include "base/json.h"

typedef enum pl_schema_mode {
    PL_SCHEMA_OPEN,  /* as the standard says: members nobody described are let pass */
    PL_SCHEMA_CLOSED /* objects with described members have no others: for what we write */
} pl_schema_mode;

/* PL_INVALID names the place in the value, as a JSON pointer, and what is wrong with it; or
 * the fault of the schema itself. PL_LIMIT: nested too deeply. */
pl_rc pl_jsonschema_check(const json_t *schema, const json_t *value, pl_schema_mode mode,
                          pl_error *err);
#endif
