/* PCRE2 for patterns of bytes: the one that scripts/setup got, else the system's. No link line here: the archive is
   linked, by Package.swift. */
#define PCRE2_CODE_UNIT_WIDTH 8
#if __has_include("../../.build-pcre2/include/pcre2.h")
#include "../../.build-pcre2/include/pcre2.h"
#else
#include <pcre2.h>
#endif
