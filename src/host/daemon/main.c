#include "base/banned.h"

#include "host/daemon/daemon.h"

int main(int argc, char **argv)
{
    return pl_daemon_main(argc, argv);
}
