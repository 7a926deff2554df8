/* The witness that runs beside the daemon. It catches a ledger that was set back by mistake;
 * against the owner of this host it proves nothing, so nobody counts it. */
#include "base/banned.h"

#include "base/str.h"
#include "host/cli/up_int.h"
#include "host/witness/witness.h"

static pl_rc make(const char *dir, const pl_instance *inst, pl_error *err)
{
    char  name[256];
    pl_rc rc;

    (void)snprintf(name, sizeof name, "%.200s/witness", inst->origin);
    rc = pl_witness_create(dir, pl_str_z(name), err);
    return rc == PL_CONFLICT ? PL_OK : rc; /* made before */
}

/* The log's key, each time: it may have been exchanged. */
static pl_rc trust(const char *dir, const pl_instance *inst, pl_error *err)
{
    pl_vkey  k;
    char     text[PL_VKEY_TEXT_MAX];
    pl_error why = { PL_OK, "" };
    pl_rc    rc = pl_instance_vkey(inst, &k, &why);

    if (rc == PL_OK)
        rc = pl_vkey_format(&k, text, sizeof text, &why);
    if (rc == PL_OK)
        rc = pl_witness_trust(dir, pl_str_z(text), &why);
    if (rc == PL_OK || rc == PL_CONFLICT) /* trusted already */
        return PL_OK;
    return pl_fail(err, rc, "%s", why.text);
}

pl_rc up_witness_make(up *u, pl_error *err)
{
    pl_rc rc;

    if (u->witness[0] == '\0')
        return PL_OK;
    (void)snprintf(u->witness_dir, sizeof u->witness_dir, "%s/witness", u->inst.dir);
    (void)snprintf(u->witness_listen, sizeof u->witness_listen, "unix:%s/run/witness.sock",
                   u->inst.dir);
    rc = make(u->witness_dir, &u->inst, err);
    return rc == PL_OK ? trust(u->witness_dir, &u->inst, err) : rc;
}
