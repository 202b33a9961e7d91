/* The policy of the sandbox, for the code that opens files for a script: the module and the host. */
#ifndef LM_SANDBOX_H
#define LM_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

/* Access to a file. */
enum { LM_READ = 1, LM_WRITE = 2 };

/* Whether scripts run in a sandbox. */
bool lm_is_sandboxed(void);

/* Starts the sandbox: from now on, and until the process ends, scripts can open only the files that lm_sandbox_allow
   allows. At first there are none. */
void lm_sandbox_begin(void);
/* Allows a file, or a folder and all below it: 0, or an errno. */
int lm_sandbox_allow(int access, const char *_Nonnull path);
/* Lets scripts know that the folders on the path of a file exist. */
void lm_sandbox_know(const char *_Nonnull path);
/* Has the kernel enforce the policy too; false if it cannot. The kernel also allows reading `files`, for the host; the
   policy still refuses them to scripts. */
bool lm_sandbox_confine(const char *_Nullable const *_Nonnull files, size_t count);

/* As open(2), remove(3), and rename(2), under the policy; only in a sandbox. A negative result is -1 with errno, or
   -(LM_REFUSED + the access that is not allowed). */
enum { LM_REFUSED = 16 };
int lm_sandbox_open(const char *_Nonnull path, int flags, unsigned mode);
int lm_sandbox_remove(const char *_Nonnull path);
int lm_sandbox_rename(const char *_Nonnull old, const char *_Nonnull new_path);
/* Whether the policy allows removing or renaming the file, or the symbolic link, at the path. */
bool lm_sandbox_may_change(const char *_Nonnull path);

#endif
