/* The bounds of a sandbox, for those who open files for a script: the module itself and the host. */
#ifndef LM_SANDBOX_H
#define LM_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

/* What a script wants to do with a file. */
enum { LM_READ = 1, LM_WRITE = 2 };

/* Whether scripts run in a sandbox. */
bool lm_is_sandboxed(void);

/* Bounds this process to what lm_sandbox_allow allows, which is nothing at first. For good. */
void lm_sandbox_begin(void);
/* Allows a file, or a folder and all below it: 0, or an errno. */
int lm_sandbox_allow(int access, const char *_Nonnull path);
/* Makes no secret of the folders on the way to a file. */
void lm_sandbox_know(const char *_Nonnull path);
/* Has the kernel enforce it too, where it can. The files may be read besides: the host opens them, no script can. */
bool lm_sandbox_confine(const char *_Nullable const *_Nonnull files, size_t count);

/* As open(2), remove(3) and rename(2). A negative result is -1 with errno, or the negative of LM_REFUSED plus what is
   not allowed. Only in a sandbox. */
enum { LM_REFUSED = 16 };
int lm_sandbox_open(const char *_Nonnull path, int flags, unsigned mode);
int lm_sandbox_remove(const char *_Nonnull path);
int lm_sandbox_rename(const char *_Nonnull old, const char *_Nonnull new_path);
/* Whether the file, or the link, of that name may be removed or renamed. */
bool lm_sandbox_may_change(const char *_Nonnull path);

#endif
