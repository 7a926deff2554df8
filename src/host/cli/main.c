#include "base/banned.h"

#include "base/fault.h"
#include "host/cli/cli.h"

int main(int argc, char **argv)
{
    pl_fault_init();
    return pl_cli_main(argc, argv, stdout, stderr);
}
