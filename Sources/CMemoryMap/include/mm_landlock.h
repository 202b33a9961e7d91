/* Landlock (landlock(7)): the kernel itself keeps a thread and what it starts away from files, and from TCP,
   abstract sockets and signals where it can. What is open already stays usable. */
#ifndef MM_LANDLOCK_H
#define MM_LANDLOCK_H

#include <stdbool.h>
#include <stdint.h>

enum {
  MM_MAY_READ = 1,  /* read files, list folders */
  MM_MAY_WRITE = 2, /* write and empty files */
  MM_MAY_MAKE = 4,  /* make, rename and remove files in a folder */
};

/* The version that the kernel offers; 0 where it has none or does not use it. */
int mm_landlock_version(void);

/* A ruleset that allows nothing: its descriptor, or -1 with errno. */
int mm_landlock_create(void);

/* Allows something for a file, or for everything below a folder, that `file` is open on (O_PATH will do): 0, or
   -1 with errno. */
int mm_landlock_allow(int ruleset, int file, unsigned rights);

/* The calling thread and all that it starts from now on live by the ruleset, for good: 0, or -1 with errno. */
int mm_landlock_enter(int ruleset);

#endif
