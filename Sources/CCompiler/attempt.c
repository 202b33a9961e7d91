/* Lack of memory in LLVM, which is compiled without exceptions: it ends the process. */
#include <setjmp.h>
#include <stdlib.h>

#include "mc_helpers.h"

static _Thread_local jmp_buf *way_out;

static _Noreturn void leave(void) {
  if (!way_out) abort();
  jmp_buf *target = way_out;
  way_out = NULL;
  longjmp(*target, 1);
}

static void leave_llvm(void *data, const char *reason, bool dumps) {
  (void)data, (void)reason, (void)dumps;
  leave();
}
static void leave_after_fatal(const char *reason) {
  (void)reason;
  leave();
}

/* llvm/Support/ErrorHandling.h and llvm-c/ErrorHandling.h */
void install_bad_alloc_handler(void (*handler)(void *, const char *, bool),
                               void *data) __asm__("_ZN4llvm31install_bad_alloc_error_handlerEPFvPvPKcbES0_");
void LLVMInstallFatalErrorHandler(void (*handler)(const char *));

bool mc_attempt(void (*body)(void *), void *context) {
  static bool is_installed;
  if (!is_installed) {
    is_installed = true;
    install_bad_alloc_handler(leave_llvm, NULL);
    LLVMInstallFatalErrorHandler(leave_after_fatal);
  }
  jmp_buf here;
  if (setjmp(here)) return false;
  way_out = &here;
  body(context);
  way_out = NULL;
  return true;
}

/* operator new and delete, which would raise an exception that nothing catches. */
static void *allocate(size_t size) {
  void *p = malloc(size > 0 ? size : 1);
  if (!p) leave();
  return p;
}
static void *allocate_aligned(size_t size, size_t alignment) {
  void *p = NULL;
  if (posix_memalign(&p, alignment < sizeof p ? sizeof p : alignment, size > 0 ? size : 1) != 0) leave();
  return p;
}

/* Weak: the tests are one program, in which simdjson has its own. */
#define HIDDEN __attribute__((visibility("hidden"), weak))
HIDDEN void *mc_new(size_t size) __asm__("_Znwm");
HIDDEN void *mc_new_array(size_t size) __asm__("_Znam");
HIDDEN void *mc_new_aligned(size_t size, size_t alignment) __asm__("_ZnwmSt11align_val_t");
HIDDEN void *mc_new_array_aligned(size_t size, size_t alignment) __asm__("_ZnamSt11align_val_t");
HIDDEN void mc_delete(void *p) __asm__("_ZdlPv");
HIDDEN void mc_delete_array(void *p) __asm__("_ZdaPv");
HIDDEN void mc_delete_sized(void *p, size_t size) __asm__("_ZdlPvm");
HIDDEN void mc_delete_array_sized(void *p, size_t size) __asm__("_ZdaPvm");
HIDDEN void mc_delete_aligned(void *p, size_t alignment) __asm__("_ZdlPvSt11align_val_t");
HIDDEN void mc_delete_array_aligned(void *p, size_t alignment) __asm__("_ZdaPvSt11align_val_t");
HIDDEN void mc_delete_sized_aligned(void *p, size_t size, size_t alignment) __asm__("_ZdlPvmSt11align_val_t");

void *mc_new(size_t size) { return allocate(size); }
void *mc_new_array(size_t size) { return allocate(size); }
void *mc_new_aligned(size_t size, size_t alignment) { return allocate_aligned(size, alignment); }
void *mc_new_array_aligned(size_t size, size_t alignment) { return allocate_aligned(size, alignment); }
void mc_delete(void *p) { free(p); }
void mc_delete_array(void *p) { free(p); }
void mc_delete_sized(void *p, size_t size) { (void)size, free(p); }
void mc_delete_array_sized(void *p, size_t size) { (void)size, free(p); }
void mc_delete_aligned(void *p, size_t alignment) { (void)alignment, free(p); }
void mc_delete_array_aligned(void *p, size_t alignment) { (void)alignment, free(p); }
void mc_delete_sized_aligned(void *p, size_t size, size_t alignment) { (void)size, (void)alignment, free(p); }
