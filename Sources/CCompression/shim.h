/* Decompression: zlib's inflate and Zstandard, as streams. No link lines here: the archives are linked, by Package.swift,
 * so what is not promised for later versions of the shared library may be used: Zstandard's allocator. */
/* Without what only gzopen(3) and its like need: headers of the system, which Glibc has already. */
#define Z_SOLO
#include <zlib.h>

#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>
#include <zstd_errors.h>
