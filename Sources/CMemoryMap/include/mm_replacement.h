/* A file that is to take the place of another one, or of none. */
#ifndef MM_REPLACEMENT_H
#define MM_REPLACEMENT_H

#include <stdbool.h>
#include <stdint.h>

/* Closed where both descriptors are -1. */
typedef struct mm_replacement {
  int32_t folder, file;
  bool is_new;        /* there was no file of this name */
  bool is_stream;     /* a pipe or a device: written as it is */
  uint32_t mode;      /* of the one that there was */
  char name[256];     /* in the folder; ends with a zero */
  char temporary[64]; /* the name until then; empty while the new file has none */
} mm_replacement;

/* Writes the file system that an open file is on; syncfs(2) is GNU's. */
int mm_sync_file_system(int descriptor);

/* Random bits; getrandom(2) is GNU's too. */
bool mm_random(uint64_t *_Nonnull bits);

#endif
