/* Descriptors, locks and signals for work with other processes. */
#ifndef MM_PROCESS_H
#define MM_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

/* Duplicates a descriptor; the new one is at least 3 and closed on exec. -1 with errno. */
int mm_duplicate(int descriptor);
void mm_close_on_exec(int descriptor);

/* Takes an open file description lock on a range of bytes: fcntl(2) with F_OFD_SETLK. 0, or -1 with errno: EAGAIN if
   another lock conflicts. */
int mm_lock_range(int descriptor, bool is_exclusive, int64_t offset, int64_t length);

/* Whether the limit of file size ("ulimit -f") allows `size` bytes. Check it before growing a file: past the limit,
   the kernel sends SIGXFSZ, which ends a process without a handler. */
bool mm_may_have_size(uint64_t size);

/* pidfd_open(2). A descriptor, or -1 with errno: ENOSYS before Linux 5.3. */
int mm_pidfd(int process);
/* pidfd_send_signal(2). 0, or -1 with errno. */
int mm_pidfd_signal(int descriptor, int signal);

#endif
