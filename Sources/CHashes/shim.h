/* Checksums and digests. No link lines here: the archives are linked, by Package.swift.
 *
 * CRC-32 is libdeflate's because it multiplies polynomials with the processor's own instruction: 2.7 times
 * as fast as zlib 1.2.13, which counts by tables.
 * SHA-256 is OpenSSL's block function alone, with the processor's SHA instructions. Its newer interface
 * (EVP) would bring in providers, configuration files and megabytes. */
#include <libdeflate.h>
#include <xxhash.h>

#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>
