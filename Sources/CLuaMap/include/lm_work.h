/* What is set for all long work. Included by CLuaMap.h. */
#ifndef LM_WORK_H
#define LM_WORK_H

int lm_threads(lua_State *_Nonnull L, lm_call *_Nonnull call);
int lm_progress(lua_State *_Nonnull L, lm_call *_Nonnull call);
/* [-0, +0, –] To be called before any other body. */
void lm_choose_kernels(void);

#endif
