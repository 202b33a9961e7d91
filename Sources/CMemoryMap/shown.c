/* Safe characters for terminals. */
#include "mm_shown.h"

#include <stdbool.h>
#include <stdint.h>

size_t mm_shown(const char *text, size_t length) {
  static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  const unsigned char *bytes = (const unsigned char *)text;
  unsigned first = bytes[0];
  if (first < 0x80) return first >= 0x20 && first != 0x7F;
  size_t count = first < 0xC0 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF8 ? 4 : 0;
  if (count == 0 || count > length) return 0;
  uint32_t character = first & (0x7Fu >> count);
  for (size_t i = 1; i < count; i++) {
    if ((bytes[i] & 0xC0) != 0x80) return 0;
    character = character << 6 | (bytes[i] & 0x3F);
  }
  bool is_surrogate = character >= 0xD800 && character < 0xE000;
  return character < least[count] || character < 0xA0 || is_surrogate || character > 0x10FFFF ? 0 : count;
}
