/* Database connections for request threads: one caller at a time has one of them. */
#ifndef PL_DAEMON_DBPOOL_H
#define PL_DAEMON_DBPOOL_H

#include "base/db.h"

typedef struct pl_dbpool pl_dbpool;

/* `url` is borrowed. Opens nothing yet. */
pl_rc pl_dbpool_new(const char *url, pl_dbpool **out, pl_error *err);
/* Every connection must have been given back. */
void  pl_dbpool_free(pl_dbpool *p);
/* A spare connection, or a new one. */
pl_rc pl_dbpool_take(pl_dbpool *p, pl_db **out, pl_error *err);
/* Takes it back. After PL_IO the caller drops instead: what is wrong with one connection
 * is likely wrong with the spare ones, so they are closed as well. NULL-safe. */
void  pl_dbpool_give(pl_dbpool *p, pl_db *db);
void  pl_dbpool_drop(pl_dbpool *p, pl_db *db);
#endif
