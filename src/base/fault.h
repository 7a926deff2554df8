/* Fault injection for tests: file operations in base/file.c and the ledger call
 * pl_fault_point before each system call that can fail. Compiled in always; costs
 * one load when off. Controlled by PL_FAULT in the environment, read once by
 * pl_fault_init:
 *   PL_FAULT="io-once@17"     the 17th point fails with EIO
 *   PL_FAULT="full@17"        every point from the 17th fails with ENOSPC
 *   PL_FAULT="kill@17"        the process is killed (SIGKILL) before the 17th
 *   PL_FAULT="torn@17"        the 17th write writes half and then kills (at the next point)
 *   PL_FAULT="flip@17"        one bit of the 17th buffer that is about to be used changes
 * Number 0 never comes: "io-once@0" only counts. A malformed value ends the process.
 */
#ifndef PL_BASE_FAULT_H
#define PL_BASE_FAULT_H

#include <stddef.h>

/* Before other threads start; a second call starts counting anew. */
void   pl_fault_init(void);
/* 0 to go on, or the errno to fail with. */
int    pl_fault_point(const char *name);
/* For writes: bytes to write before dying, or n. */
size_t pl_fault_write(const char *name, size_t n, int *error);
/* For bytes whose change in memory something later must notice. */
void pl_fault_buffer(const char *name, void *p, size_t n);
unsigned long pl_fault_count(void); /* points (buffers under flip) passed so far */
#endif
