/* Showing untrusted text on a terminal: names of files and fields, lines, messages. */
#ifndef MM_SHOWN_H
#define MM_SHOWN_H

#include <stddef.h>
#include <stdint.h>

/* The length in bytes of the first character, if it is safe to show on a terminal. Else 0, and the first byte is to
   be written as \xNN: a C0 or C1 control character, which may begin an escape sequence, DEL, or invalid UTF-8. The
   text has at least one byte. */
size_t mm_shown(const char *_Nonnull text, size_t length);

/* The columns of a terminal that a character takes: 0, 1 or 2. `length` is what mm_shown returned for it. */
int mm_columns(const char *_Nonnull character, size_t length);

/* Formats a number of bytes, rounded to tenths: "48 KiB", "1.5 MiB". Returns the length of the text. */
enum { MM_SIZE_TEXT = 24 };
int mm_format_size(uint64_t bytes, char text[_Nonnull MM_SIZE_TEXT]);

#endif
