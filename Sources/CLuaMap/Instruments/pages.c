/* Sets of pages: the trampolines of the userdata that b:pages() returns. */
#include <stdio.h>
#include <string.h>

#include "trampoline.h"

static LM_TRAMPOLINE(p_index, lm_pages_index)
static LM_TRAMPOLINE(p_len, lm_pages_len)

lm_pages *lm_new_pages(lua_State *L, int64_t count, int64_t offset) {
  lm_pages *pages = lm_new_userdata(L, lm_pages_size(count), 0);
  memset(pages, 0, lm_pages_size(count));
  pages->mark = (char *)pages + 1;
  pages->count = count;
  pages->offset = offset;
  lm_set_metatable(L, LM_PAGES);
  return pages;
}

/* [-0, +0, e] */
static lm_pages *check_pages(lua_State *L, int argument) {
  lm_pages *pages = lm_pages_at(L, argument);
  if (!pages) luaL_typeerror(L, argument, LM_PAGES);
  return pages;
}

static int p_next(lua_State *L) {
  bool is_alone = lm_step_alone(L);
  lm_outcome outcome;
  int count = lm_pages_next(L, &outcome);
  if (count < 0) return lm_push_or_raise(L, &outcome, count);
  return is_alone ? lm_end_step(L, count) : count;
}

/* for first, count in p:ranges() do */
int lm_custom_pages_ranges(lua_State *L) {
  check_pages(L, 1);
  lua_pushnil(L);
  return lm_push_step(L, p_next);
}

/* came, went = p:diff(before) */
int lm_custom_pages_diff(lua_State *L) {
  lm_pages *now = check_pages(L, 1), *before = check_pages(L, 2);
  if (now->count != before->count || now->offset != before->offset)
    return luaL_argerror(L, 2,
                         lua_pushfstring(L, "it covers %I pages from offset %I, and this one %I from %I",
                                         (LUAI_UACINT)before->count, (LUAI_UACINT)before->offset,
                                         (LUAI_UACINT)now->count, (LUAI_UACINT)now->offset));
  lua_settop(L, 2);
  lm_pages *came = lm_new_pages(L, now->count, now->offset);
  lm_pages *went = lm_new_pages(L, now->count, now->offset);
  lm_pages_subtract(now, before, came);
  lm_pages_subtract(before, now, went);
  return 2;
}

/* "mmap.pages: 65 of 256: 0, 12-75", with as many runs as fit on a line. */
static int p_tostring(lua_State *L) {
  lm_pages *pages = check_pages(L, 1);
  char text[128] = "";
  int64_t next = 0, first, count;
  for (size_t used = 0; lm_pages_run(pages, next, &first, &count); next = first + count) {
    if (used > sizeof text - 48) {
      snprintf(text + used, sizeof text - used, " ...");
      break;
    }
    const char *separator = used ? ", " : ": ";
    used += (size_t)snprintf(text + used, sizeof text - used, "%s%lld", separator, (long long)first);
    if (count > 1) used += (size_t)snprintf(text + used, sizeof text - used, "-%lld", (long long)(first + count - 1));
  }
  lua_pushfstring(L, LM_PAGES ": %I of %I%s", (LUAI_UACINT)lm_pages_total(pages), (LUAI_UACINT)pages->count, text);
  return 1;
}

void lm_open_pages(lua_State *L) {
  static const luaL_Reg metamethods[] = {
      {"__len", p_len}, {"__tostring", p_tostring}, {"__pairs", lm_no_pairs}, {NULL, NULL}};
  lm_open_class(L, LM_PAGES, LM_CLASS_pages, metamethods, p_index);
  lua_pop(L, 1);
}
