/* Landlock by system calls: the C library has no functions for it, and the headers of Debian 12 lack the newer
   rights. */
#include "mm_landlock.h"

#include <errno.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
  EXECUTE = 1 << 0,
  WRITE_FILE = 1 << 1,
  READ_FILE = 1 << 2,
  READ_DIR = 1 << 3,
  REMOVE_DIR = 1 << 4,
  REMOVE_FILE = 1 << 5,
  MAKE_DIR = 1 << 7,
  MAKE_REG = 1 << 8,
  MAKE_SYM = 1 << 12,
  VERSION_1 = (1 << 13) - 1,
  REFER = 1 << 13,     /* version 2 */
  TRUNCATE = 1 << 14,  /* version 3 */
  IOCTL_DEV = 1 << 15, /* version 5 */
};

enum { CREATE_VERSION = 1, PATH_BENEATH = 1 };

struct ruleset {
  uint64_t files;
  uint64_t network; /* version 4: bind and connect of TCP */
  uint64_t scope;   /* version 6: abstract sockets and signals */
};

struct path_beneath {
  uint64_t allowed;
  int32_t parent;
} __attribute__((packed));

int mm_landlock_version(void) {
  long version = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_VERSION);
  return version > 0 ? (int)version : 0;
}

static uint64_t known(int version) {
  return VERSION_1 | (version >= 2 ? REFER : 0) | (version >= 3 ? TRUNCATE : 0) | (version >= 5 ? IOCTL_DEV : 0);
}

int mm_landlock_create(void) {
  int version = mm_landlock_version();
  if (version == 0) {
    errno = ENOSYS;
    return -1;
  }
  struct ruleset set = {.files = known(version), .network = version >= 4 ? 3 : 0, .scope = version >= 6 ? 3 : 0};
  size_t size = version >= 6   ? sizeof set
                : version >= 4 ? offsetof(struct ruleset, scope)
                               : offsetof(struct ruleset, network);
  return (int)syscall(SYS_landlock_create_ruleset, &set, size, 0);
}

int mm_landlock_allow(int ruleset, int file, unsigned rights) {
  struct stat status;
  if (fstat(file, &status) != 0) return -1;
  uint64_t allowed = 0;
  if (rights & MM_MAY_READ) allowed |= READ_FILE | READ_DIR;
  if (rights & MM_MAY_WRITE) allowed |= WRITE_FILE | TRUNCATE;
  /* MAKE_DIR and MAKE_SYM, because the kernel also checks them for a folder or symbolic link that is renamed. */
  if (rights & MM_MAY_MAKE) allowed |= MAKE_REG | MAKE_DIR | MAKE_SYM | REMOVE_FILE | REMOVE_DIR | REFER;
  if (!S_ISDIR(status.st_mode)) allowed &= READ_FILE | WRITE_FILE | TRUNCATE;
  struct path_beneath rule = {.allowed = allowed & known(mm_landlock_version()), .parent = file};
  if (rule.allowed == 0) return 0;
  return (int)syscall(SYS_landlock_add_rule, ruleset, PATH_BENEATH, &rule, 0);
}

int mm_landlock_enter(int ruleset) {
  /* Required by landlock_restrict_self(2) without CAP_SYS_ADMIN: a set-user-ID program must not run under these
     rules. */
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
  return (int)syscall(SYS_landlock_restrict_self, ruleset, 0);
}
