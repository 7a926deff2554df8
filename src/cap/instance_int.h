/* Shared by the instance*.c files only. */
#ifndef PL_CAP_INSTANCE_INT_H
#define PL_CAP_INSTANCE_INT_H

#include "cap/instance.h"

#define PL_INSTANCE_CONFIG "plumbline.yaml"

/* Reads configuration text into *out, whose dir is set already. `where` names the text in
 * messages. Every key is known, present and within its bounds, or PL_INVALID. */
pl_rc pl_instance_config_parse(pl_str text, const char *where, pl_instance *out, pl_error *err);
/* The section `ledger`, which may be absent (NULL): witnesses and quorum. */
pl_rc pl_instance_ledger_parse(pl_str text, const char *where, const json_t *ledger,
                               pl_instance *out, pl_error *err);
/* Adds the witness of DIR/witness, when there is one, as local. */
void pl_instance_own_witness(pl_instance *i);
/* The socket path must fit into sockaddr_un. */
pl_rc pl_instance_dir_check(const char *dir, pl_error *err);
#endif
