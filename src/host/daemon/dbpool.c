#include "base/banned.h"

#include "host/daemon/dbpool.h"

#include <pthread.h>

#define SPARE_MAX 16

struct pl_dbpool {
    pthread_mutex_t lock;
    const char     *url;
    pl_db          *spare[SPARE_MAX];
    size_t          n;
};

pl_rc pl_dbpool_new(const char *url, pl_dbpool **out, pl_error *err)
{
    pl_dbpool *p = calloc(1, sizeof *p);

    if (p == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    p->url = url;
    (void)pthread_mutex_init(&p->lock, NULL);
    *out = p;
    return PL_OK;
}

static pl_db *pop(pl_dbpool *p)
{
    pl_db *db;

    (void)pthread_mutex_lock(&p->lock);
    db = p->n > 0 ? p->spare[--p->n] : NULL;
    (void)pthread_mutex_unlock(&p->lock);
    return db;
}

void pl_dbpool_free(pl_dbpool *p)
{
    pl_db *db;

    if (p == NULL)
        return;
    while ((db = pop(p)) != NULL)
        pl_db_close(db);
    (void)pthread_mutex_destroy(&p->lock);
    free(p);
}

pl_rc pl_dbpool_take(pl_dbpool *p, pl_db **out, pl_error *err)
{
    pl_db *db = pop(p);

    if (db == NULL)
        return pl_db_open(p->url, out, err);
    *out = db;
    return PL_OK;
}

void pl_dbpool_give(pl_dbpool *p, pl_db *db)
{
    if (db == NULL)
        return;
    (void)pthread_mutex_lock(&p->lock);
    if (p->n < SPARE_MAX) {
        p->spare[p->n++] = db;
        db = NULL;
    }
    (void)pthread_mutex_unlock(&p->lock);
    if (db != NULL)
        pl_db_close(db);
}

void pl_dbpool_drop(pl_dbpool *p, pl_db *db)
{
    pl_db *other;

    if (db == NULL)
        return;
    pl_db_close(db);
    while ((other = pop(p)) != NULL)
        pl_db_close(other);
}
