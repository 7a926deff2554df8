#include "base/banned.h"

#include "host/witness/witness.h"

int main(int argc, char **argv)
{
    return pl_witness_main(argc, argv);
}
