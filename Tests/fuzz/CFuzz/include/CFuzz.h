/* What drives the fuzzers: libFuzzer's inputs, given to a function in Lua, and what that function needs besides. */
#ifndef CFUZZ_H
#define CFUZZ_H

#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

/* Runs libFuzzer with these arguments. The target is the Lua file that MMAPLUA_FUZZ_TARGET names. */
int fuzz_main(int argc, char *_Nullable *_Nonnull argv);

/* In Swift. */

/* What the options of a command line ask for: a letter, and in `index` the argument that it is about. */
int fuzz_options(int argc, char *_Nullable *_Nonnull argv, int *index);
/* A size in bytes, and a time in microseconds; 0 where the text is none. */
uint64_t fuzz_bytes(const char *text);
uint64_t fuzz_microseconds(const char *text);
/* Opens a file in a sandbox that allows these paths: a descriptor, a negative errno, or INT_MIN where the sandbox
   refuses it. `allowed` begins with the access. */
int fuzz_open(const char *_Nonnull const *_Nonnull allowed, size_t count, const char *path, int flags);

#pragma clang assume_nonnull end
#endif
