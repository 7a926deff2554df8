/* Shared by the .c files of cap/@name@ only. */
#ifndef PL_@NAME@_INT_H
#define PL_@NAME@_INT_H

#include "cap/@name@/pl_@name@.h"

extern const pl_migration pl_@name@_migrations[]; /* @name@_store.c */
extern const pl_cmd       pl_@name@_commands[];   /* @name@_cmd.c */
extern const pl_route     pl_@name@_routes[];     /* @name@_api.c */

/* The insert alone: no check, no transaction. */
pl_rc pl_@name@_store_put(pl_db *db, pl_str subject, pl_str text, int64_t now_ms, int64_t *seq,
                          pl_error *err);
#endif
