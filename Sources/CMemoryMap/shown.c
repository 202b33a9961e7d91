/* Safe characters for terminals. */
#include "mm_shown.h"

#include <locale.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <wchar.h>

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

static locale_t unicode;
static void open_unicode(void) { unicode = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0); }

int mm_columns(const char *text, size_t length) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  if (length <= 1) return 1;
  wchar_t character = (unsigned char)text[0] & (0x7F >> length);
  for (size_t i = 1; i < length; i++) character = character << 6 | (text[i] & 0x3F);
  /* wcwidth(3) asks the thread's locale, which is "C" in most programs: that knows ASCII only. */
  pthread_once(&once, open_unicode);
  if (unicode == (locale_t)0) return 1;
  locale_t former = uselocale(unicode);
  int columns = wcwidth(character);
  uselocale(former);
  return columns < 0 ? 1 : columns;
}

int mm_format_size(uint64_t bytes, char text[MM_SIZE_TEXT]) {
  static const char *const names[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  int power = 0;
  unsigned long long tenths = 0;
  for (; power < 7; power++) {
    uint64_t unit = UINT64_C(1) << (10 * power), rest = bytes & (unit - 1);
    if (bytes >> (10 * power) >= 1024) continue;
    /* The rest has 60 bits at most. */
    tenths = (bytes >> (10 * power)) * 10 + (power > 0 ? ((rest >> (10 * (power - 1))) * 10 + 512) >> 10 : 0);
    if (tenths < 10240) break;
  }
  if (tenths % 10 == 0) return snprintf(text, MM_SIZE_TEXT, "%llu %s", tenths / 10, names[power]);
  return snprintf(text, MM_SIZE_TEXT, "%llu.%llu %s", tenths / 10, tenths % 10, names[power]);
}
