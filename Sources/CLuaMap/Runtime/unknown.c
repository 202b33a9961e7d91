/* Errors about unknown words: the word, the list of known ones, and the most likely one. */
#include <ctype.h>
#include <string.h>

#include "trampoline.h"

/* LONGEST: words with more bytes get no suggestion. MOST_SHOWN: bytes of the word in the message. */
enum { LONGEST = 24, MOST_SHOWN = 40 };

/* Names in other languages and programs. A word may have several rows: the first counts whose second word is among the
   choices. */
static const char *const synonyms[][2] = {
    {"int8", "i8"},
    {"int8_t", "i8"},
    {"sbyte", "i8"},
    {"byte", "u8"},
    {"uint8", "u8"},
    {"uint8_t", "u8"},
    {"uchar", "u8"},
    {"char", "u8"},
    {"octet", "u8"},
    {"int16", "i16"},
    {"int16_t", "i16"},
    {"short", "i16"},
    {"uint16", "u16"},
    {"uint16_t", "u16"},
    {"ushort", "u16"},
    {"word", "u16"},
    {"int32", "i32"},
    {"int32_t", "i32"},
    {"int", "i32"},
    {"int", "integer"},
    {"uint32", "u32"},
    {"uint32_t", "u32"},
    {"uint", "u32"},
    {"dword", "u32"},
    {"int64", "i64"},
    {"int64", "integer"},
    {"int32", "integer"},
    {"int64_t", "i64"},
    {"long", "i64"},
    {"long", "integer"},
    {"integer", "i64"},
    {"isize", "i64"},
    {"uint64", "u64"},
    {"uint64_t", "u64"},
    {"ulong", "u64"},
    {"qword", "u64"},
    {"size_t", "u64"},
    {"usize", "u64"},
    {"half", "f16"},
    {"float16", "f16"},
    {"bfloat16", "bf16"},
    {"float", "f32"},
    {"float32", "f32"},
    {"single", "f32"},
    {"float", "number"},
    {"double", "f64"},
    {"double", "number"},
    {"float64", "f64"},
    {"real", "f64"},
    {"number", "f64"},
    {"f64", "number"},
    {"f32", "number"},
    {"i64", "integer"},
    {"i32", "integer"},
    {"u32", "integer"},
    {"str", "string"},
    {"text", "string"},
    {"ignore", "skip"},
    {"rw", "r+"},
    {"r+b", "r+"},
    {"rb+", "r+"},
    {"write", "r+"},
    {"a", "r+"},
    {"rb", "r"},
    {"read", "r"},
    {"w", "w+"},
    {"wb", "w+"},
    {"w+b", "w+"},
    {"wb+", "w+"},
    {"create", "w+"},
    {"cow", "c"},
    {"private", "c"},
    {"copy", "c"},
    {"=", "=="},
    {"===", "=="},
    {"eq", "=="},
    {"!=", "~="},
    {"<>", "~="},
    {"ne", "~="},
    {"lt", "<"},
    {"le", "<="},
    {"=<", "<="},
    {"gt", ">"},
    {"ge", ">="},
    {"=>", ">="},
    {"read", "shared"},
    {"write", "exclusive"},
    {"x", "exclusive"},
    {"s", "shared"},
    {"rw", "write"},
    {"modulo", "wrap"},
    {"clamp", "saturate"},
    {"descending", "desc"},
    {"sep", "separator"},
    {"separator", "sep"},
    {"delimiter", "sep"},
    {"headers", "header"},
    {"noreuse", "dontneed"},
    {"avg", "mean"},
    {"average", "mean"},
    {"minimum", "min"},
    {"least", "min"},
    {"maximum", "max"},
    {"greatest", "max"},
    {"total", "sum"},
    {"filter", "where"},
    {"limit", "head"},
    {"order", "sort"},
    {"orderby", "sort"},
    {"order_by", "sort"},
    {"groupby", "group"},
    {"group_by", "group"},
    {"mutate", "with"},
    {"merge", "join"},
    {"union", "append"},
    {"concat", "append"},
    {"unique", "distinct"},
    {"save", "write"},
};

/* The next word of a list: words are separated by blanks and end at a comma. NULL after the last. */
static const char *next_word(const char *text, size_t *length) {
  text += *length;
  while (*text == ' ') text++;
  *length = strcspn(text, " ,");
  return *length > 0 ? text : NULL;
}

static bool is_word(const char *word, size_t length, const char *other) {
  return strlen(other) == length && memcmp(word, other, length) == 0;
}

static const char *choice(const char *choices, const char *wanted, size_t count, size_t *length) {
  *length = 0;
  for (const char *word = choices; (word = next_word(word, length));)
    if (*length == count && memcmp(word, wanted, count) == 0) return word;
  return NULL;
}

/* The edit distance: 2 for an insertion, deletion or substitution of a byte, 1 for a swap of two neighbors, the most
   frequent mistake. */
static size_t distance(const char *a, size_t n, const char *b, size_t m) {
  size_t rows[3][LONGEST + 1];
  for (size_t j = 0; j <= m; j++) rows[0][j] = 2 * j;
  for (size_t i = 1; i <= n; i++) {
    size_t *row = rows[i % 3], *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
    row[0] = 2 * i;
    for (size_t j = 1; j <= m; j++) {
      size_t best = last[j - 1] + (a[i - 1] != b[j - 1] ? 2 : 0);
      if (last[j] + 2 < best) best = last[j] + 2;
      if (row[j - 1] + 2 < best) best = row[j - 1] + 2;
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < best)
        best = before[j - 2] + 1;
      row[j] = best;
    }
  }
  return rows[n % 3][m];
}

/* The most likely choice for a word: itself, a synonym, the one that it is a prefix of, or the one with the least edit
   distance. NULL if none is near. */
static const char *nearest(const char *word, size_t length, const char *choices, size_t *found) {
  const char *best = NULL, *other;
  if ((other = choice(choices, word, length, found))) return other;
  for (size_t i = 0; i < sizeof synonyms / sizeof *synonyms; i++)
    if (is_word(word, length, synonyms[i][0]) &&
        (other = choice(choices, synonyms[i][1], strlen(synonyms[i][1]), found)))
      return other;
  size_t least = length <= 2 ? 1 : length <= 5 ? 3 : 5, count = 0;
  for (other = choices; (other = next_word(other, &count));) {
    if (count > LONGEST) continue;
    bool begins = length >= 3 && count > length && memcmp(other, word, length) == 0;
    size_t far = begins ? 0 : distance(word, length, other, count);
    /* Ties go to the first in the alphabet: the choices may come in any order. */
    bool is_nearer = far < least || (best && far == least && memcmp(other, best, count < *found ? count : *found) < 0);
    if (!is_nearer || far >= 2 * count) continue;
    least = far;
    best = other;
    *found = count;
  }
  return best;
}

void lm_push_meant(lua_State *L, const char *given, size_t length, const char *choices) {
  static const char *const orders[] = {"le", "be", ""};
  static const char prefix[] = "madv_";
  char word[LONGEST];
  if (length == 0 || length > sizeof word) {
    lua_pushliteral(L, "");
    return;
  }
  for (size_t i = 0; i < length; i++) word[i] = (char)tolower((unsigned char)given[i]);
  const char *start = word;
  if (length > sizeof prefix - 1 && memcmp(word, prefix, sizeof prefix - 1) == 0) {
    start += sizeof prefix - 1;
    length -= sizeof prefix - 1;
  }
  size_t found;
  const char *meant = nearest(start, length, choices, &found);
  const char *order = "";
  /* Types may end with a byte order, which the choices do not list. */
  for (int i = 0; i < 2 && choice(choices, "u16", 3, &(size_t){0}); i++) {
    if (length <= 3 || memcmp(start + length - 2, orders[i], 2) != 0) continue;
    size_t rest = length - 2;
    while (rest > 1 && (start[rest - 1] == '_' || start[rest - 1] == '-')) rest--;
    size_t count;
    const char *stem = nearest(start, rest, choices, &count);
    if (stem) meant = stem, found = count, order = orders[i];
  }
  if (!meant) {
    lua_pushliteral(L, "");
    return;
  }
  lua_pushlstring(L, meant, found);
  lua_pushfstring(L, "; did you mean '%s%s'?", lua_tostring(L, -1), order);
  lua_remove(L, -2);
}

/* [-0, +1, m] Pushes the value at an index in quotes, with control characters escaped. */
static void push_quoted(lua_State *L, int index) {
  size_t length;
  const char *text = luaL_tolstring(L, index, &length);
  bool is_long = length > MOST_SHOWN;
  if (is_long) {
    lua_pushlstring(L, text, MOST_SHOWN);
    lua_remove(L, -2);
  }
  lua_pushfstring(L, "'%s%s'", lm_show(L, -1), is_long ? "..." : "");
  lua_remove(L, -2);
}

/* [-0, +1, m] Pushes the names of all advice that this kernel knows. */
static const char *push_advices(lua_State *L) {
  int64_t value;
  bool is_known;
  const char *name;
  luaL_Buffer text;
  luaL_buffinit(L, &text);
  for (int i = 0; (name = lm_advice_at(i, &value, &is_known)); i++) {
    if (!is_known) continue;
    if (i > 0) luaL_addchar(&text, ' ');
    luaL_addstring(&text, name);
  }
  luaL_pushresult(&text);
  return lua_tostring(L, -1);
}

/* [-0, +1, m] Pushes the words of a list in quotes: "'r', 'r+', 'c' and 'w+'". */
static void push_list(lua_State *L, const char *choices) {
  luaL_Buffer text;
  luaL_buffinit(L, &text);
  size_t length = 0, next = 0;
  for (const char *word = next_word(choices, &length); word;) {
    next = length;
    const char *other = next_word(word, &next);
    if (word != choices) luaL_addstring(&text, other ? ", " : " and ");
    luaL_addchar(&text, '\'');
    luaL_addlstring(&text, word, length);
    luaL_addchar(&text, '\'');
    word = other;
    length = next;
  }
  luaL_pushresult(&text);
}

const char *lm_push_unknown(lua_State *L, int index, const char *problem, const char *choices) {
  static const char listed[] = " one of";
  size_t length = strlen(problem);
  bool is_listed = length >= sizeof listed && strcmp(problem + length - (sizeof listed - 1), listed) == 0;
  luaL_checkstack(L, 10, NULL);
  index = lua_absindex(L, index);
  if (choices) lua_pushstring(L, choices);
  else choices = push_advices(L);
  int first = lua_gettop(L);
  push_quoted(L, index);
  lua_pushfstring(L, problem, lua_tostring(L, -1));
  if (strstr(problem, choices)) lua_pushliteral(L, ""); /* the problem lists them */
  else if (is_listed) push_list(L, choices), lua_pushfstring(L, " %s", lua_tostring(L, -1)), lua_remove(L, -2);
  else lua_pushfstring(L, " (%s)", choices);
  const char *given = lm_string_at(L, index, &length);
  if (given) lm_push_meant(L, given, length, choices);
  else lua_pushliteral(L, "");
  lua_pushfstring(L, "%s%s%s", lua_tostring(L, -3), lua_tostring(L, -2), lua_tostring(L, -1));
  lua_replace(L, first);
  lua_settop(L, first);
  return lua_tostring(L, first);
}

int lm_find_word(const char *given, size_t length, const char *choices) {
  size_t count = 0;
  int i = 0;
  for (const char *word = choices; (word = next_word(word, &count)); i++)
    if (count == length && memcmp(word, given, length) == 0) return i;
  return -1;
}

int lm_check_word(lua_State *L, int argument, const char *problem, const char *choices) {
  size_t length;
  if (lua_isnoneornil(L, argument)) return 0;
  const char *given = lm_string_at(L, argument, &length);
  if (!given) return luaL_typeerror(L, argument, "string");
  int found = lm_find_word(given, length, choices);
  return found >= 0 ? found : luaL_argerror(L, argument, lm_push_unknown(L, argument, problem, choices));
}

const char *lm_check_c_string(lua_State *L, int argument, const char *what, const char *expected) {
  size_t length;
  const char *text = lm_string_at(L, argument, &length);
  if (!text) luaL_typeerror(L, argument, expected);
  if (strlen(text) != length) luaL_argerror(L, argument, lua_pushfstring(L, "the %s contains a zero byte", what));
  return text;
}
