/* futex(2), pidfd_open(2), and uses of fcntl(2), which Swift cannot call because it is variadic. */
#include "CMemoryMap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int mm_futex_wait(const uint8_t *p, uint32_t expected, int64_t nanoseconds) {
  struct timespec time = {.tv_sec = nanoseconds / 1000000000, .tv_nsec = nanoseconds % 1000000000};
  return (int)syscall(SYS_futex, p, FUTEX_WAIT, expected, &time, NULL, 0);
}

int mm_futex_wake(const uint8_t *p, int count) { return (int)syscall(SYS_futex, p, FUTEX_WAKE, count, NULL, NULL, 0); }

int64_t mm_now(void) {
  struct timespec now = {0};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Missing in headers older than those of Debian 12. The number is the same on all architectures. */
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

int mm_pidfd(int process) { return (int)syscall(SYS_pidfd_open, process, 0); }

#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif

bool mm_may_have_size(uint64_t size) {
  struct rlimit limit;
  return getrlimit(RLIMIT_FSIZE, &limit) != 0 || size <= limit.rlim_cur;
}

int mm_pidfd_signal(int descriptor, int signal) {
  return (int)syscall(SYS_pidfd_send_signal, descriptor, signal, NULL, 0);
}

int mm_lock_range(int descriptor, bool is_exclusive, int64_t offset, int64_t length) {
  struct flock lock = {
      .l_type = is_exclusive ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET, .l_start = offset, .l_len = length};
  return fcntl(descriptor, F_OFD_SETLK, &lock);
}

void mm_close_on_exec(int descriptor) { fcntl(descriptor, F_SETFD, FD_CLOEXEC); }

int mm_duplicate(int descriptor) { return fcntl(descriptor, F_DUPFD_CLOEXEC, 3); }
