/* Text from outside that a person is shown: names of files and of fields, lines, messages. */
#ifndef MM_SHOWN_H
#define MM_SHOWN_H

#include <stddef.h>

/* How many bytes at the beginning of a text, of at least one, make a character that a terminal shows; 0 where the first
   byte begins none, and is to be written as \xNN: a control character of C0 or C1, which may begin an escape sequence,
   DEL, or what is no UTF-8. */
size_t mm_shown(const char *_Nonnull text, size_t length);

#endif
