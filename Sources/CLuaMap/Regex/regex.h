/* What the trampolines of patterns share. */
#ifndef REGEX_H
#define REGEX_H

#include "trampoline.h"

#define LM_REGEX "mmap.regex"

/* [-0, +1, m] A new regex, closed. User values: 1 the pattern, 2 the flags, 3 a block of the size of PCRE2's memory. */
lm_regex *lm_new_regex(lua_State *L);

/* [-0, +0, e] Allocates a block of the size of PCRE2's memory in Lua, because Lua's garbage collector and memory limit
   do not see PCRE2's own. */
void lm_add_pressure(lua_State *L, int index);

/* [-0, +0, v] Raises the error of a pattern at an argument. */
int lm_raise_pattern(lua_State *L, int argument, const lm_pattern_error *error);

/* [-0, +1, e] Pushes a part of a subject as a string. A finalizer or a hook may have replaced the subject
   (debug.setlocal). */
void lm_push_subject(lua_State *L, int subject, lua_Integer offset, lua_Integer length);

/* [-0, +(1|2), e] Pushes a capture of the subject at 1 as a result, from the two integers at an index. A push may run a
   finalizer that closes the buffer, so the buffer is checked again each time. */
void lm_push_capture(lua_State *L, int index, int how);

/* [-?, +?, e] Acts on the negative code of a search. Errors about a buffer expect it at 1. */
int lm_fail_search(lua_State *L, const lm_search *search, const lm_outcome *outcome, int code);

/* [-?, +?, e] Searches, and pushes the results as string.match does, or nil. */
int lm_search_once(lua_State *L, lm_search *search);

/* [-?, +1, e] Pushes an iterator over the matches. */
int lm_push_matches(lua_State *L, lm_search *search);

/* [-0, +0, m] Makes the metatable of the text of regex:gsub. No class: scripts never see a text. */
void lm_open_gsub(lua_State *L);

#endif
