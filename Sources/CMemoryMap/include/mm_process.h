/* Descriptors and locks shared with other processes. Included by CMemoryMap.h. */
#ifndef MM_PROCESS_H
#define MM_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

/* The same open file by another descriptor, none of the three standard ones; closed by execve(2). Or -1 with
   errno. */
int mm_duplicate(int descriptor);
void mm_close_on_exec(int descriptor);

/* pidfd_open(2). -1 with errno, also where the kernel is older than 5.3. */
int mm_pidfd(int process);

#endif
