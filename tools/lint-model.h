/* Included before each file by `make lint` only: tells analysers, which see one file at a time,
 * that pl_fail returns the code it is given. Without it every "out is set when PL_OK" looks like
 * a null dereference. */
#include <plumbline/base.h>
#define pl_fail(err, rc, ...) ((pl_fail)((err), (rc), __VA_ARGS__), (rc))
