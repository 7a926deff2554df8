/* Shared by the up*.c files that run the children. */
#ifndef PL_HOST_UP_INT_H
#define PL_HOST_UP_INT_H

#include "base/json.h"
#include "host/cli/up.h"

typedef struct up {
    pl_cmd_ctx   *c;
    pl_instance   inst;
    pl_supervisor sup;
    bool          is_fresh, is_demo, policy_differs;
    char          password[33];
    /* paths, see up_paths.c and up_conf_write */
    char          self[1024], plumblined[1100], nginx[1100], module[1200];
    char          witness[1100]; /* the program, empty when it is not installed */
    char          witness_dir[1100], witness_listen[1100];
    char          conf[1100], error_log[1100], prefix[1100], demo_socket[1100];
    char          console_url[300], gateway_url[300];
    int           lock; /* fd of run/up.lock, -1 */
} up;

/* up.c */
void up_say(const up *u, json_t *event, const char *text); /* takes event over */
void up_say_step(const up *u, const char *event, const char *en, const char *zh, const char *what);

/* up_paths.c: self, plumblined, nginx, module */
pl_rc up_programs_find(up *u, pl_error *err);

/* up_witness.c: DIR/witness, made at the first start */
pl_rc up_witness_make(up *u, pl_error *err);

/* up_start.c */
pl_rc up_conf_write(up *u, pl_error *err);
/* Starts everything in order and waits for each. -1, or the exit code to end with. */
int   up_start_all(up *u);
void  up_report_death(const up *u, const pl_child *c);
#endif
