/* Where in a YAML text a value stands. The tree of yaml.h has no positions, so a rule
 * that is broken by a value asks here, once, when it writes its message. */
#ifndef PL_BASE_YAML_AT_H
#define PL_BASE_YAML_AT_H

#include <plumbline/base.h>

typedef struct pl_yaml_pos {
    int line, column; /* from 1 */
} pl_yaml_pos;

/* Position of the value a JSON pointer names ("/routes/default/input/0"; "" is the whole
 * text). A member of a mapping is found at its key. When the path does not exist, the
 * position of the nearest ancestor that does; {1, 1} when the text is not YAML. */
pl_yaml_pos pl_yaml_at(pl_str text, const char *pointer);

/* pl_fail with "where:line:column: " in front. */
pl_rc pl_yaml_fail(pl_error *err, pl_str text, const char *where, const char *pointer,
                   const char *fmt, ...) __attribute__((format(printf, 5, 6)));
#endif
