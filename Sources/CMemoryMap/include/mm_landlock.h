/* Landlock (landlock(7)): the kernel denies a thread and its children access to files and, if the version supports
   it, to TCP, abstract sockets and signals. Open descriptors stay usable. */
#ifndef MM_LANDLOCK_H
#define MM_LANDLOCK_H

#include <stdbool.h>
#include <stdint.h>

enum {
  MM_MAY_READ = 1,  /* read files, list folders */
  MM_MAY_WRITE = 2, /* write and empty files */
  MM_MAY_MAKE = 4,  /* make, rename and remove files in a folder */
};

/* The kernel's version of the Landlock ABI; 0 if it is not supported or is disabled. */
int mm_landlock_version(void);

/* Creates a ruleset that allows nothing. A descriptor, or -1 with errno. */
int mm_landlock_create(void);

/* Allows rights (MM_MAY_…) for an open file, or for everything below an open folder. O_PATH descriptors are accepted.
   0, or -1 with errno. */
int mm_landlock_allow(int ruleset, int file, unsigned rights);

/* Applies the ruleset to the calling thread and its future children, permanently. 0, or -1 with errno. */
int mm_landlock_enter(int ruleset);

#endif
