#include "base/banned.h"

#include "base/fault.h"
#include "host/cli/cli.h"

#include <signal.h>

int main(int argc, char **argv)
{
    pl_fault_init();
    (void)signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error like a full disk */
    return pl_cli_main(argc, argv, stdout, stderr);
}
