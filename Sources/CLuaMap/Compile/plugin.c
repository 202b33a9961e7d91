/* The plug-in with the compiler, which is loaded when it is first needed. */
#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "compile.h"

static const char file_name[] = "mmap-compile.so";

/* The folder of the program, or of the module. */
static bool find_folder(char folder[PATH_MAX]) {
  Dl_info info;
  char path[PATH_MAX];
  void *handle = dlopen(NULL, RTLD_NOW | RTLD_NOLOAD);
  bool is_program = handle && dlsym(handle, "luaopen_mmap") == (void *)luaopen_mmap;
  if (handle) dlclose(handle);
  if (is_program) {
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length <= 0) return false;
    path[length] = '\0';
  } else {
    if (!dladdr((const void *)luaopen_mmap, &info) || !info.dli_fname || !realpath(info.dli_fname, path)) return false;
  }
  char *slash = strrchr(path, '/');
  if (!slash) return false;
  *slash = '\0';
  memcpy(folder, path, strlen(path) + 1);
  return true;
}

/* Beside the program, or where scripts/install puts it. */
static void *open_plugin(const char *folder, char *error, size_t capacity) {
  static const char *const places[] = {"", "/../lib/mmaplua", "/../../mmaplua"};
  char path[PATH_MAX + 64];
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    snprintf(path, sizeof path, "%s%s/%s", folder, places[i], file_name);
    if (access(path, F_OK) != 0) continue;
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (handle) return handle;
    snprintf(error, capacity, "the compiler cannot be loaded: %s", dlerror());
    return NULL;
  }
  snprintf(error, capacity,
           "the compiler is not installed; in mmaplua's source folder run: scripts/setup compile && scripts/build");
  return NULL;
}

/* LLVM needs some tens of MiB, and ends the process if it gets none. */
static bool has_memory(void) {
  void *probe = malloc((size_t)96 << 20);
  free(probe);
  return probe != NULL;
}

bool lm_compile_is_off;
static bool is_allowed; /* in a sandbox too */

static const mc_interface *volatile compiler;

/* Nothing is compiled under a hook. */
static _Thread_local __attribute__((tls_model("initial-exec"))) lua_State *compiling;
static bool is_stopped(void) { return compiling ? lm_is_stopped(compiling) : lm_is_interrupted(); }
void lm_compile_for(lua_State *L) { compiling = L; }

const mc_interface *lm_loaded_compiler(void) { return compiler; }

bool lm_compiler_is_off(void) { return compiler && *compiler->why_off; }

const mc_interface *lm_compiler(char reason[LM_REASON]) {
  static char problem[LM_REASON];
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  if (lm_compile_is_off) {
    snprintf(reason, LM_REASON, "nothing is compiled (--no-compile)");
    return NULL;
  }
  if (lm_compiler_is_off()) {
    snprintf(reason, LM_REASON, "%s", *compiler->why_off);
    return NULL;
  }
  if (!has_memory()) {
    snprintf(reason, LM_REASON, "there is not enough memory to compile");
    return NULL;
  }
  if (lm_is_sandboxed() && !is_allowed) {
    snprintf(reason, LM_REASON, "nothing is compiled in a sandbox (use --allow-compile)");
    return NULL;
  }
  pthread_mutex_lock(&lock);
  if (!compiler && !problem[0]) {
    char folder[PATH_MAX];
    void *handle = NULL;
    if (find_folder(folder)) handle = open_plugin(folder, problem, sizeof problem);
    else snprintf(problem, sizeof problem, "the folder of the program cannot be found");
    const mc_interface *(*get)(int32_t) = NULL;
    if (handle) *(void **)&get = dlsym(handle, MC_INTERFACE_NAME);
    if (get) compiler = get(MC_VERSION);
    if (compiler) *compiler->is_stopped = is_stopped;
    if (handle && !compiler)
      snprintf(problem, sizeof problem, "%s is of another version of mmaplua; run scripts/build", file_name);
  }
  pthread_mutex_unlock(&lock);
  if (!compiler) snprintf(reason, LM_REASON, "%s", problem);
  return compiler;
}

bool lm_load_compiler(void) {
  char reason[LM_REASON];
  is_allowed = true;
  return lm_compiler(reason) != NULL;
}
