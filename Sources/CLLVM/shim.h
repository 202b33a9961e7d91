#ifndef CLLVM_SHIM_H
#define CLLVM_SHIM_H

#include <llvm-c/Analysis.h>
#include <llvm-c/Core.h>
#include <llvm-c/DebugInfo.h>
#include <llvm-c/Target.h>
#include <llvm-c/TargetMachine.h>
#include <llvm-c/Transforms/PassBuilder.h>

/* The functions of llvm-c/Target.h for the machine that runs this. Each returns true if there is none. */
static inline int cllvm_initialize(void) { return LLVMInitializeNativeTarget() || LLVMInitializeNativeAsmPrinter(); }

#endif
