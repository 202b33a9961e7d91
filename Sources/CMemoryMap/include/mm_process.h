/* Descriptors and locks shared with other processes. */
#ifndef MM_PROCESS_H
#define MM_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

/* The same open file by another descriptor, none of the three standard ones; closed by execve(2). Or -1 with
   errno. */
int mm_duplicate(int descriptor);
void mm_close_on_exec(int descriptor);

/* Takes an open file description lock on bytes of a file: fcntl(2) with F_OFD_SETLK. 0, or -1 with errno: EAGAIN where
   another lock stands against it. */
int mm_lock_range(int descriptor, bool is_exclusive, int64_t offset, int64_t length);

/* Whether "ulimit -f" lets a file have so many bytes. Who writes more gets SIGXFSZ, which ends a process whose host does
   not handle it: so this is asked first. */
bool mm_may_have_size(uint64_t size);

/* pidfd_open(2). -1 with errno, also where the kernel is older than 5.3. */
int mm_pidfd(int process);
/* pidfd_send_signal(2). 0, or -1 with errno. */
int mm_pidfd_signal(int descriptor, int signal);

#endif
