/* The fuzz driver: passes libFuzzer's inputs to a function in Lua. And Swift functions for the targets. */
#ifndef CFUZZ_H
#define CFUZZ_H

#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

/* Runs libFuzzer with these arguments. The target is the Lua file that MMAPLUA_FUZZ_TARGET names. */
int fuzz_main(int argc, char *_Nullable *_Nonnull argv);

/* Implemented in Swift. */

/* Parses command line options: returns a letter for the action, and sets `index` to the argument that it is about. */
int fuzz_options(int argc, char *_Nullable *_Nonnull argv, int *index);
/* A size in bytes, and a time in microseconds; 0 for an invalid text. */
uint64_t fuzz_bytes(const char *text);
uint64_t fuzz_microseconds(const char *text);
/* Opens a file in a sandbox that allows these paths: a descriptor, a negative errno, or INT_MIN if the sandbox refuses
   it. Each entry of `allowed` starts with the letter of the access. */
int fuzz_open(const char *_Nonnull const *_Nonnull allowed, size_t count, const char *path, int flags);

#pragma clang assume_nonnull end
#endif
