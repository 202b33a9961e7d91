/* The library for patterns of bytes. No link line here: the archive is linked, by Package.swift. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
